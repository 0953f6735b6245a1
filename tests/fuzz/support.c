/* The promises of fuzz.h.
 *
 * In: a compilation, a program. Out: nothing, or an abort with the promise
 * that was broken and the text that shows it.
 */
#include "tests/fuzz/fuzz.h"

#include "compiler/pass/pass.h"
#include "tests/fuzz/snapshot.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Larger graphs have no faults of their own, and cost time. */
enum { SMALL_PROGRAM = 2000 };

void promise(bool kept, const char *promise, const char *text) {
  if (kept)
    return;
  fprintf(stderr, "broken promise: %s\n%s\n", promise, text ? text : "");
  abort();
}

/* ---- messages ------------------------------------------------------------ */

/* `:12:3: error: ` somewhere in the first line. */
static bool has_place(const char *page) {
  const char *error = strstr(page, ": error: ");
  if (!error || memchr(page, '\n', (size_t)(error - page)))
    return false;
  const char *at = error;
  for (int part = 0; part < 2; part++) {
    const char *end = at;
    while (at > page && isdigit((unsigned char)at[-1]))
      at--;
    if (at == end || at == page || at[-1] != ':')
      return false;
    at--;
  }
  return true;
}

static void collect(void *user, Severity severity, const char *rendered) {
  Compilation *c = user;
  c->placed += severity == SEVERITY_ERROR && has_place(rendered);
  buffer_text(&c->messages, rendered);
}

/* Less work than a user may ask for: what is slow is rarely new. */
static void limit_work(Limits *limits) {
  limits->of[LIMIT_work] = 100000;
  limits->of[LIMIT_nodes] = 10000;
  limits->of[LIMIT_turns] = 10000;
  limits->of[LIMIT_modules] = 1000;
  limits->of[LIMIT_constant_bytes] = 1 << 20;
}

void compilation_open(Compilation *c, const char *name, const void *text,
                      size_t length) {
  *c = (Compilation){.arena = arena_new(), .start = clock()};
  c->interner = interner_new(c->arena);
  sources_init(&c->sources, c->arena);
  limit_work(&c->sources.limits);
  c->diagnostics = diagnostics_new(c->arena, &c->sources, collect, c);
  c->source = sources_add(&c->sources, name, text, length, false);
}

void compilation_close(Compilation *c) {
  promise((clock() - c->start) / CLOCKS_PER_SEC < FUZZ_SECONDS,
          "an input takes little time", NULL);
  buffer_free(&c->messages);
  sources_free(&c->sources);
  arena_free(c->arena);
}

void promise_diagnosed(const Compilation *c, bool refused) {
  unsigned errors = diagnostics_errors(c->diagnostics);
  if (refused)
    promise(errors > 0 && c->placed > 0,
            "what is refused has an error with its place", c->messages.data);
  else
    promise(errors == 0, "what has errors is refused", c->messages.data);
}

/* ---- text ---------------------------------------------------------------- */

void promise_reads_back(const Program *program) {
  PrintOptions options = {.locations = true};
  Buffer first = {0}, second = {0}, violations = {0};
  promise(program_verify(program, &violations) == 0,
          "a program satisfies the verifier", violations.data);
  program_print(&first, program, &options);
  Compilation c;
  compilation_open(&c, "printed.sgir", first.data, first.length);
  Program *again =
      program_read(c.arena, c.interner, &c.sources, c.source, c.diagnostics);
  buffer_text(&c.messages, first.data);
  promise(again != NULL, "what is printed reads back", c.messages.data);
  program_print(&second, again, &options);
  promise(strcmp(first.data, second.data) == 0,
          "what is read back prints the same", first.data);
  program_free(again);
  compilation_close(&c);
  buffer_free(&first);
  buffer_free(&second);
  buffer_free(&violations);
}

/* ---- passes -------------------------------------------------------------- */

static bool is_small(const Program *program) {
  size_t nodes = 0;
  for (size_t i = 0; i < program->graph.length; i++)
    nodes += program->graph.data[i]->count;
  return nodes <= SMALL_PROGRAM;
}

static void promise_pass(Compilation *c, PassContext *context, PassId pass,
                         Snapshot *last) {
  Level level = context->program->level;
  unsigned errors = diagnostics_errors(c->diagnostics);
  bool done = passes_run(context, &pass, 1, true, NULL);
  promise(done || diagnostics_errors(c->diagnostics) > errors,
          "a pass ends well or says why", c->messages.data);
  if (!done)
    return;
  promise_reads_back(context->program);
  Snapshot now = snapshot_take(context->program);
  promise(snapshot_agrees(last, &now, level),
          "a pass changes no value that it may not", pass_info(pass)->name);
  snapshot_free(last);
  *last = now;
}

void promise_passes(Compilation *c, Program *program) {
  PassContext context = {program, c->arena, c->diagnostics};
  if (!is_small(program))
    return;
  if (program->level == LEVEL_PLAIN && !recipe_check(&context)) {
    promise_diagnosed(c, true);
    return;
  }
  Snapshot last = snapshot_take(program);
  unsigned errors = diagnostics_errors(c->diagnostics);
  int first = program->level == LEVEL_PLAIN ? 0 : passes_behind(program);
  for (int pass = first; pass < PASS_COUNT; pass++) {
    promise_pass(c, &context, (PassId)pass, &last);
    if (diagnostics_errors(c->diagnostics) > errors)
      break;
  }
  snapshot_free(&last);
}
