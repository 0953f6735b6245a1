/* The stages in order: which passes each needs, and how it is written. */
#include "compiler/context.h"

#include "compiler/llvm/backend.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- stages ------------------------------------------------------------- */

typedef enum {
  STAGE_TOKENS,
  STAGE_AST,
  STAGE_NAMES,
  STAGE_IR,
  STAGE_SCALED,
  STAGE_FORMATTED,
  STAGE_FINAL,
  STAGE_PLAN,
  STAGE_REPORT,
  STAGE_LLVM,
  STAGE_ASM,
  STAGE_OBJ,
  STAGE_EXE,
  STAGE_COUNT
} Stage;

static const struct {
  const char *name;
  PassId last; /* the last pass it needs */
} stage_table[] = {
    {"tokens", PASS_COUNT},   {"ast", PASS_COUNT},
    {"names", PASS_rescale},  {"ir", PASS_rescale},
    {"scaled", PASS_scalify}, {"formatted", PASS_formats},
    {"final", PASS_fuse},     {"plan", PASS_plan},
    {"report", PASS_fuse},    {"llvm", PASS_plan},
    {"asm", PASS_plan},       {"obj", PASS_plan},
    {"exe", PASS_plan},
};

const char *const *sg_stages(void) {
  static const char *const names[] = {
      "tokens", "ast",    "names", "ir",  "scaled", "formatted", "final",
      "plan",   "report", "llvm",  "asm", "obj",    "exe",       NULL};
  return names;
}

static Stage stage_named(const char *name) {
  for (int i = 0; i < STAGE_COUNT; i++)
    if (strcmp(stage_table[i].name, name) == 0)
      return (Stage)i;
  return STAGE_COUNT;
}

/* ---- the program -------------------------------------------------------- */

static FrontOptions front_options(const sg_context *sg) {
  const Options *option = &sg->option;
  return (FrontOptions){.define = option->define.data,
                        .define_count = option->define.length,
                        .include = option->include.data,
                        .include_count = option->include.length,
                        .recipe = option->recipe,
                        .recipe_set = option->recipe_set.data,
                        .recipe_set_count = option->recipe_set.length,
                        .entry = option->entry.data,
                        .entry_count = option->entry.length,
                        .weight_file = sg->weight_file};
}

/* Options that only a .sg file has a meaning for. */
static const char *source_only_option(const sg_context *sg) {
  const Options *option = &sg->option;
  return option->define.length       ? "-D"
         : option->include.length    ? "-I"
         : option->recipe            ? "--recipe"
         : option->recipe_set.length ? "--recipe-set"
         : option->entry.length      ? "--entry"
         : sg->weight_file           ? "--check-weights"
                                     : NULL;
}

sg_status context_program(sg_context *sg) {
  if (sg->program)
    return SG_OK;
  if (!sg->main) {
    context_message(sg, SG_ERROR, "no input file");
    return SG_USAGE;
  }
  if (sg->is_sgir) {
    const char *option = source_only_option(sg);
    if (option) {
      context_message(sg, SG_ERROR,
                      "%s applies to .sg files; a .sgir file has its values, "
                      "recipe and entries fixed",
                      option);
      return SG_USAGE;
    }
    if (sg->option.source_limit) {
      context_message(sg, SG_ERROR,
                      "%s applies to .sg files; nothing in a .sgir file is "
                      "counted against it",
                      sg->option.source_limit);
      return SG_USAGE;
    }
    sg->program = program_read(sg->arena, sg->interner, &sg->sources, sg->main,
                               sg->diagnostics);
    if (sg->program)
      sg->passes_done = sg->passes_read = passes_behind(sg->program);
  } else {
    FrontOptions options = front_options(sg);
    sg->program = elaborate(sg->arena, sg->interner, &sg->sources, sg->main,
                            &options, sg->diagnostics);
    if (sg->program && sg->from_stdin)
      sg->program->name = intern(sg->interner, "stdin");
  }
  sg->estimates = sg->program && sg->program->level == LEVEL_PLAIN;
  if (sg->estimates) {
    /* Here every name of the source is still there; simplify drops some. */
    PassContext context = {sg->program, sg->arena, sg->diagnostics};
    if (!recipe_check(&context))
      return SG_PROGRAM;
  }
  return sg->program ? SG_OK : SG_PROGRAM;
}

/* ---- writing ------------------------------------------------------------ */

/* Through a temporary file and a rename, so that a failure leaves what was
 * there; a device or a pipe is written to as it is, never replaced. */
static bool write_file(sg_context *sg, const char *path, const char *data,
                       size_t length) {
  struct stat status;
  bool special = stat(path, &status) == 0 && !S_ISREG(status.st_mode);
  const char *target = special ? path : arena_printf(sg->arena, "%s.tmp", path);
  FILE *file = fopen(target, "wb");
  if (!file)
    return false;
  bool good = fwrite(data, 1, length, file) == length;
  good = fclose(file) == 0 && good;
  if (special)
    return good;
  good = good && rename(target, path) == 0;
  int error = errno;
  if (!good)
    remove(target);
  errno = error;
  return good;
}

sg_status context_write(sg_context *sg, const char *path, const Buffer *text) {
  const char *data = text->data ? text->data : "";
  bool standard = strcmp(path, "-") == 0;
  bool good = standard
                  ? fwrite(data, 1, text->length, stdout) == text->length &&
                        fflush(stdout) == 0
                  : write_file(sg, path, data, text->length);
  if (good)
    return SG_OK;
  context_message(sg, SG_ERROR, "cannot write %s: %s",
                  standard ? "standard output" : path, strerror(errno));
  return SG_FILE;
}

/* The option about passes that is given, or NULL. */
static const char *pass_option(const Options *option) {
  return option->pipeline              ? "--pass-pipeline"
         : option->stop_after          ? "--stop-after"
         : option->print_before.length ? "--print-before"
         : option->print_after.length  ? "--print-after"
         : option->print_diff          ? "--print-diff"
                                       : NULL;
}

static sg_status emit_syntax(sg_context *sg, Stage stage, const char *path) {
  const char *idle = pass_option(&sg->option);
  if (idle) {
    context_message(sg, SG_ERROR, "%s has no effect: --emit=%s runs no pass",
                    idle, stage_table[stage].name);
    return SG_USAGE;
  }
  if (!sg->main || sg->is_sgir) {
    context_message(sg, SG_ERROR, "--emit=%s needs a .sg file",
                    stage_table[stage].name);
    return SG_USAGE;
  }
  Buffer text = {0};
  if (stage == STAGE_TOKENS) {
    tokens_print(&text, &sg->sources, sg->main, sg->interner, sg->diagnostics);
  } else {
    File *file = parse_file(sg->ast, sg->interner, &sg->sources, sg->main,
                            sg->diagnostics);
    if (file && diagnostics_errors(sg->diagnostics) == 0)
      ast_print(&text, file);
  }
  sg_status status = diagnostics_errors(sg->diagnostics)
                         ? SG_PROGRAM
                         : context_write(sg, path, &text);
  buffer_free(&text);
  return status;
}

/* One line a name: what recipes, --filter and checkpoints call things. */
static void names_print(Buffer *out, const Program *program) {
  for (size_t i = 0; i < program->param.length; i++) {
    const Parameter *param = &program->param.data[i];
    buffer_printf(out, "%-9s %s : ", param->state ? "state" : "param",
                  param->name);
    type_print(out, param->type);
    buffer_char(out, '\n');
  }
  for (size_t g = 0; g < program->graph.length; g++) {
    const Graph *graph = program->graph.data[g];
    static const char *const kind[] = {"entry", "train", "eval"};
    buffer_printf(out, "%s %s\n", kind[graph->kind], graph->name);
    for (ValueId id = 1; id < graph->count; id++) {
      const Node *node = graph_node(graph, id);
      if (!node->name || node->op == OP_PARAM)
        continue;
      buffer_printf(out, "%-9s %s : ", phase_name(node->phase), node->name);
      type_print(out, node->type);
      buffer_char(out, '\n');
    }
  }
  for (size_t g = 0; g < program->alias.length; g++)
    for (size_t i = 0; i < program->alias.data[g].table.list.length; i++) {
      const Alias *alias = &program->alias.data[g].table.list.data[i];
      buffer_printf(out, "%-9s %s = %s\n", "alias", alias->name, alias->value);
    }
}

/* An excerpt of nothing is a mistake: each filter alone selects something. */
static sg_status check_excerpt(sg_context *sg, const PrintOptions *options) {
  for (size_t i = 0; i < options->filter_count; i++) {
    PrintOptions one = {.filter = options->filter + i, .filter_count = 1};
    if (program_selected(sg->program, &one))
      continue;
    context_no_match(sg, options->filter[i], "at this stage");
    return SG_USAGE;
  }
  if (!options->phase || program_selected(sg->program, options))
    return SG_OK;
  context_message(sg, SG_ERROR, "--phase=%s: nothing%s is in this phase",
                  phase_name((Phase)(options->phase - 1)),
                  options->filter_count ? " that --filter selects" : "");
  return SG_USAGE;
}

static sg_status emit_text(sg_context *sg, Stage stage, const char *path) {
  Buffer text = {0};
  PrintOptions options = context_print_options(sg);
  options.plan = stage == STAGE_PLAN;
  if (stage >= STAGE_IR && stage <= STAGE_PLAN) {
    sg_status wrong = check_excerpt(sg, &options);
    if (wrong != SG_OK)
      return wrong;
  }
  if (stage == STAGE_NAMES)
    names_print(&text, sg->program);
  else if (stage == STAGE_REPORT)
    report_print(&text, sg->program, sg->estimates);
  else
    program_print(&text, sg->program, &options);
  sg_status status = context_write(sg, path, &text);
  buffer_free(&text);
  return status;
}

/* libsgrt.a: --runtime, else beside the compiler (SG_RUNTIME_FROM_BINDIR is a
 * list of places separated by colons, relative to the compiler's folder). */
static const char *find_runtime(sg_context *sg) {
  if (sg->option.runtime)
    return sg->option.runtime;
  char self[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n < 0)
    return NULL;
  self[n] = '\0';
  *strrchr(self, '/') = '\0';
  for (const char *place = SG_RUNTIME_FROM_BINDIR; *place;) {
    int length = (int)strcspn(place, ":");
    char *path = arena_printf(sg->arena, "%s/%.*s", self, length, place);
    if (access(path, R_OK) == 0)
      return path;
    place += length + (place[length] == ':');
  }
  return NULL;
}

static bool is_planned(const Program *program) {
  for (size_t i = 0; i < program->graph.length; i++)
    if (!program->graph.data[i]->placement)
      return false;
  return true;
}

/* Code needs a finished program with something to call, and for an executable
 * the runtime. */
static sg_status check_code(sg_context *sg, Stage stage, const char *runtime) {
  if (sg->program->level != LEVEL_FINAL) {
    context_message(sg, SG_ERROR,
                    "--emit=%s needs level final; the passes asked for end at "
                    "level %s",
                    stage_table[stage].name, level_name(sg->program->level));
    return SG_USAGE;
  }
  if (!is_planned(sg->program)) {
    context_message(sg, SG_ERROR,
                    "--emit=%s needs a memory plan; the passes asked for leave "
                    "out `plan`",
                    stage_table[stage].name);
    return SG_USAGE;
  }
  if (sg->program->graph.length == 0) {
    context_message(sg, SG_ERROR,
                    "%s: there is no train, eval or entry, so nothing to "
                    "compile",
                    sources_get(&sg->sources, sg->main)->name);
    return SG_PROGRAM;
  }
  if (stage != STAGE_EXE || (runtime && access(runtime, R_OK) == 0))
    return SG_OK;
  context_message(sg, SG_ERROR, "the runtime library %s was not found%s",
                  runtime ? runtime : "libsgrt.a",
                  runtime ? ""
                          : " beside the compiler; name it with "
                            "--runtime=FILE");
  return SG_FILE;
}

static sg_status emit_code(sg_context *sg, Stage stage, const char *path) {
  static const OutputKind kind[] = {[STAGE_LLVM - STAGE_LLVM] = OUTPUT_LLVM,
                                    [STAGE_ASM - STAGE_LLVM] = OUTPUT_ASSEMBLY,
                                    [STAGE_OBJ - STAGE_LLVM] = OUTPUT_OBJECT,
                                    [STAGE_EXE - STAGE_LLVM] =
                                        OUTPUT_EXECUTABLE};
  const char *runtime = stage == STAGE_EXE ? find_runtime(sg) : NULL;
  sg_status status = check_code(sg, stage, runtime);
  if (status != SG_OK)
    return status;
  BackendOptions options = {.march = sg->option.march,
                            .optimization = sg->option.optimization,
                            .strict = sg->option.strict,
                            .source_name =
                                sources_get(&sg->sources, sg->main)->name,
                            .cc = sg->option.cc,
                            .runtime = runtime,
                            .verbose = sg->option.verbose};
  BackendReport report = {{0}, false};
  bool good = backend_write(sg->program, &options, kind[stage - STAGE_LLVM],
                            path, &report, sg->diagnostics);
  if (sg->option.time_passes)
    fprintf(stderr,
            "lower      %8.3f ms\nllvm       %8.3f ms\ncodegen    %8.3f ms\n"
            "link       %8.3f ms\n",
            report.seconds[0] * 1e3, report.seconds[1] * 1e3,
            report.seconds[2] * 1e3, report.seconds[3] * 1e3);
  return good ? SG_OK : report.unwritable ? SG_FILE : SG_PROGRAM;
}

static sg_status emit_stage(sg_context *sg, const char *name,
                            const char *path) {
  Stage stage = stage_named(name);
  if (stage == STAGE_COUNT) {
    const char *near = nearest_name(name, sg_stages(), STAGE_COUNT);
    context_message(sg, SG_ERROR, "--emit: no stage is called `%s`%s%s%s", name,
                    near ? "; did you mean `" : "", near ? near : "",
                    near ? "`?" : "");
    return SG_USAGE;
  }
  if (stage == STAGE_EXE && strcmp(path, "-") == 0) {
    context_message(sg, SG_ERROR,
                    "an executable is not written to standard output; -o FILE "
                    "names its file");
    return SG_USAGE;
  }
  bool text = stage >= STAGE_IR && stage <= STAGE_PLAN;
  sg_status status = context_check_prints(
      sg, text, arena_printf(sg->arena, "--emit=%s", stage_table[stage].name));
  if (status != SG_OK)
    return status;
  if (stage <= STAGE_AST)
    return emit_syntax(sg, stage, path);
  status = context_program(sg);
  if (status == SG_OK)
    status = text ? context_reach(sg, name, stage_table[stage].last)
                  : context_run(sg, stage_table[stage].last);
  if (status == SG_OK && !text &&
      (int)stage_table[stage].last >= sg->last_asked)
    status = context_check_filters(sg);
  if (status != SG_OK)
    return status;
  return stage >= STAGE_LLVM ? emit_code(sg, stage, path)
                             : emit_text(sg, stage, path);
}

sg_status sg_check_passes(sg_context *sg, const char *const *stage,
                          size_t count) {
  for (size_t i = 0; i < count; i++) {
    Stage asked = stage_named(stage[i]);
    int last = asked <= STAGE_AST || asked == STAGE_COUNT
                   ? -1 /* it runs none, or is refused later */
                   : (int)stage_table[asked].last;
    if (last > sg->last_asked)
      sg->last_asked = last;
  }
  bool named = sg->option.print_before.length || sg->option.print_after.length;
  if (!named || sg->last_asked == 0)
    return SG_OK;
  sg_status status = context_program(sg);
  if (status == SG_OK)
    status = context_check_passes(sg, sg->last_asked);
  context_summary(sg);
  return status;
}

sg_status sg_emit(sg_context *sg, const char *stage, const char *path) {
  sg_status status = emit_stage(sg, stage, path);
  context_summary(sg);
  return status;
}
