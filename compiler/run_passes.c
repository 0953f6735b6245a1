/* Running passes on a loaded program: the usual pipeline or one given by hand,
 * with what is printed, timed and checked between them.
 */
#include "compiler/context.h"
#include "compiler/llvm/backend.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool listed(const TextList *list, const char *pass) {
  for (size_t i = 0; i < list->length; i++)
    if (strcmp(list->data[i], pass) == 0 || strcmp(list->data[i], "all") == 0)
      return true;
  return false;
}

static void print_program(const sg_context *sg, const char *when,
                          const PassInfo *pass, const Program *program) {
  PrintOptions options = context_print_options(sg);
  Buffer text = {0};
  buffer_printf(&text, "# %s %s\n", when, pass->name);
  program_print(&text, program, &options);
  fwrite(text.data, 1, text.length, stderr);
  buffer_free(&text);
}

static void before_pass(void *user, const PassInfo *pass,
                        const Program *program) {
  sg_context *sg = user;
  bool prints = listed(&sg->option.print_before, pass->name);
  if (prints)
    print_program(sg, "before", pass, program);
  if (prints || sg->option.print_diff)
    context_note_filters(sg, program);
  if (sg->option.print_diff) {
    PrintOptions options = context_print_options(sg);
    sg->before = arena_new();
    sg->facts = facts_read(sg->before, program, &options, false);
  }
}

/* --print-diff: what the pass changed. */
static void print_difference(sg_context *sg, const PassInfo *pass,
                             const Program *program) {
  PrintOptions options = context_print_options(sg);
  Buffer text = {0};
  DifferenceCount count = facts_compare(
      &text, sg->facts, facts_read(sg->before, program, &options, false),
      sg->option.fold_layers);
  fprintf(stderr, "# %s: %zu changed, %zu added, %zu removed\n%s", pass->name,
          count.changed, count.added, count.removed,
          text.data ? text.data : "");
  buffer_free(&text);
  arena_free(sg->before);
  sg->before = NULL;
}

static void ignore_message(void *user, Severity severity,
                           const char *rendered) {
  (void)user;
  (void)severity;
  (void)rendered;
}

/* --verify-each: what a pass leaves must print, read back and print the same.
 * The reader verifies what it reads, so this also tests reader and printer. */
static void check_reads_back(sg_context *sg, const PassInfo *pass,
                             const Program *program) {
  PrintOptions options = {0};
  Buffer first = {0}, second = {0};
  Arena *arena = arena_new();
  Sources sources;
  sources_init(&sources, arena);
  program_print(&first, program, &options);
  uint32_t number =
      sources_add(&sources, "<printed>", first.data, first.length, false);
  Program *again =
      program_read(arena, interner_new(arena), &sources, number,
                   diagnostics_new(arena, &sources, ignore_message, NULL));
  if (again)
    program_print(&second, again, &options);
  if (!again || strcmp(first.data, second.data) != 0) {
    context_message(sg, SG_ERROR,
                    "internal error: what pass `%s` leaves does not %s",
                    pass->name, again ? "print the same again" : "read back");
    sg->unstable = true;
  }
  program_free(again);
  sources_free(&sources);
  arena_free(arena);
  buffer_free(&first);
  buffer_free(&second);
}

static void after_pass(void *user, const PassInfo *pass, const Program *program,
                       double seconds) {
  sg_context *sg = user;
  if (sg->option.verify_each)
    check_reads_back(sg, pass, program);
  bool prints = listed(&sg->option.print_after, pass->name);
  if (prints)
    print_program(sg, "after", pass, program);
  if (prints || sg->option.print_diff)
    context_note_filters(sg, program);
  if (sg->option.print_diff)
    print_difference(sg, pass, program);
  if (sg->option.time_passes)
    fprintf(stderr, "%-10s %8.3f ms\n", pass->name, seconds * 1e3);
}

/* Leaves a reproducer beside the user when the verifier refuses a result. */
static sg_status internal_error(sg_context *sg) {
  char name[] = "sgc-crash-XXXXXX.sgir";
  int file = mkstemps(name, 5);
  PrintOptions options = {.locations = true};
  Buffer text = {0};
  program_print(&text, sg->program, &options);
  bool written =
      file >= 0 && write(file, text.data, text.length) == (ssize_t)text.length;
  if (file >= 0)
    close(file);
  buffer_free(&text);
  if (written)
    context_message(sg, SG_ERROR,
                    "internal error; reproduce with: sgc %s --verify-each "
                    "--emit=final",
                    name);
  return SG_INTERNAL;
}

static sg_status run_list(sg_context *sg, const PassId *list, size_t count) {
  PassContext context = {sg->program, sg->arena, sg->diagnostics};
  PassHooks hooks = {sg, before_pass, after_pass};
  bool done = passes_run(&context, list, count, true, &hooks);
  if (diagnostics_errors(sg->diagnostics) > 0) /* -Werror makes some, too */
    return SG_PROGRAM;
  if (done && !sg->unstable)
    return SG_OK;
  return internal_error(sg);
}

/* A pipeline given by hand must raise the levels step by step, and derive
 * gradients before anything builds on them. */
static sg_status check_order(sg_context *sg, const PassId *list, size_t count) {
  Level level = sg->program->level;
  bool pending = minimize_pending(sg->program);
  for (size_t i = 0; i < count; i++) {
    const PassInfo *pass = pass_info(list[i]);
    if (pass->from != level) {
      context_message(sg, SG_ERROR,
                      "--pass-pipeline: `%s` works at level %s, and the "
                      "program is then at level %s",
                      pass->name, level_name(pass->from), level_name(level));
      return SG_USAGE;
    }
    if (pending && list[i] > PASS_autodiff) {
      context_message(sg, SG_ERROR,
                      "--pass-pipeline: `%s` comes after `autodiff`: "
                      "`minimize` is still to be carried out",
                      pass->name);
      return SG_USAGE;
    }
    pending = pending && list[i] != PASS_autodiff;
    level = pass->to;
  }
  return SG_OK;
}

/* One name of --pass-pipeline; PASS_COUNT after a message. */
static PassId pipeline_pass(sg_context *sg, const char *text, size_t length) {
  PassId pass = pass_named(text, length);
  if (pass != PASS_COUNT)
    return pass;
  char *name = arena_string(sg->arena, text, length);
  const char *near = nearest_name(name, sg_passes(), PASS_COUNT);
  context_message(sg, SG_ERROR, "--pass-pipeline: no pass is called `%s`%s%s%s",
                  name, near ? "; did you mean `" : "", near ? near : "",
                  near ? "`?" : "");
  return PASS_COUNT;
}

/* --pass-pipeline=a,b,c: exactly these. */
static sg_status run_pipeline(sg_context *sg, const char *text) {
  VEC(PassId) list = {0};
  sg_status status = SG_OK;
  while (*text && status == SG_OK) {
    size_t length = strcspn(text, ",");
    PassId pass = pipeline_pass(sg, text, length);
    if (pass == PASS_COUNT)
      status = SG_USAGE;
    vec_push(&list, pass);
    text += length + (text[length] == ',');
  }
  if (status == SG_OK)
    status = check_order(sg, list.data, list.length);
  if (status == SG_OK && list.length)
    status = run_list(sg, list.data, list.length);
  vec_free(&list);
  return status;
}

sg_status context_run(sg_context *sg, PassId last) {
  const Options *option = &sg->option;
  if (option->pipeline) {
    if (sg->passes_done == PASS_COUNT + 1)
      return SG_OK; /* it has run */
    sg_status status = run_pipeline(sg, option->pipeline);
    sg->passes_done = PASS_COUNT + 1;
    return status;
  }
  if (option->stop_after) {
    PassId stop = pass_named(option->stop_after, strlen(option->stop_after));
    if (stop < last)
      last = stop;
  }
  PassId list[PASS_COUNT];
  size_t count = 0;
  for (int pass = sg->passes_done; pass <= (int)last; pass++)
    list[count++] = (PassId)pass;
  if (count == 0)
    return SG_OK;
  sg->passes_done = (int)last + 1;
  return run_list(sg, list, count);
}

sg_status context_reach(sg_context *sg, const char *stage, PassId last) {
  if ((int)last + 1 >= sg->passes_read)
    return context_run(sg, last);
  context_message(sg, SG_ERROR, "%s is at level %s, past stage %s",
                  sources_get(&sg->sources, sg->main)->name,
                  level_name(sg->program->level), stage);
  return SG_USAGE;
}
