/* Contexts, options and loading: the part of sg.h that needs no stage. */
#include "compiler/context.h"

#include "compiler/llvm/backend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_diagnostic(void *user, Severity severity, const char *text) {
  sg_context *sg = user;
  static const sg_severity map[] = {SG_ERROR, SG_WARNING, SG_NOTE};
  sg->message(sg->user, map[severity], text);
}

/* A message of our own, without a place. */
static void own_json(Buffer *line, sg_severity severity, const char *text,
                     const Sources *sources) {
  static const Severity map[] = {SEVERITY_REMARK, SEVERITY_WARNING,
                                 SEVERITY_ERROR};
  Diagnostic message = {.severity = map[severity], .message = text};
  diagnostic_json(line, &message, sources);
}

char *sg_message_json(sg_severity severity, const char *text) {
  Arena *arena = arena_new();
  Sources sources;
  Buffer line = {0};
  sources_init(&sources, arena);
  own_json(&line, severity, text, &sources);
  sources_free(&sources);
  arena_free(arena);
  return line.data;
}

void context_message(sg_context *sg, sg_severity severity, const char *format,
                     ...) {
  va_list args;
  va_start(args, format);
  Buffer text = {0}, line = {0};
  buffer_vprintf(&text, format, args);
  va_end(args);
  if (sg->json)
    own_json(&line, severity, text.data, &sg->sources);
  else
    buffer_printf(&line, "sgc: %s\n", text.data);
  sg->message(sg->user, severity, line.data);
  buffer_free(&line);
  buffer_free(&text);
}

/* --diagnostics=json: instead of a picture. */
static void on_structured(void *user, const Diagnostic *diagnostic) {
  sg_context *sg = user;
  Buffer line = {0};
  diagnostic_json(&line, diagnostic, &sg->sources);
  on_diagnostic(sg, diagnostic->severity, line.data);
  buffer_free(&line);
}

void context_summary(sg_context *sg) {
  const char *text = diagnostics_summary(sg->diagnostics);
  if (sg->summarized || !strstr(text, "not shown"))
    return;
  sg->summarized = true;
  context_message(sg, SG_NOTE, "%s; -fmax-errors=N shows more", text);
}

sg_context *sg_open(sg_message_function *message, void *user) {
  Arena *arena = arena_new();
  sg_context *sg = NEW(arena, sg_context);
  sg->message = message;
  sg->user = user;
  sg->arena = arena;
  sg->ast = arena_new();
  sg->interner = interner_new(arena);
  sources_init(&sg->sources, arena);
  sg->diagnostics = diagnostics_new(arena, &sg->sources, on_diagnostic, sg);
  sg->option.optimization = 2;
  return sg;
}

void sg_close(sg_context *sg) {
  if (!sg)
    return;
  program_free(sg->program);
  arena_free(sg->before); /* left by a pass that failed */
  Options *option = &sg->option;
  vec_free(&option->define);
  vec_free(&option->include);
  vec_free(&option->entry);
  vec_free(&option->recipe_set);
  vec_free(&option->print_before);
  vec_free(&option->print_after);
  vec_free(&option->filter);
  sources_free(&sg->sources);
  arena_free(sg->ast);
  arena_free(sg->arena);
}

/* ---- options ------------------------------------------------------------- */

/* The text option called `name`, or NULL. */
static const char **text_option(Options *option, const char *name) {
  struct {
    const char *name;
    const char **value;
  } row[] = {{"recipe", &option->recipe},
             {"march", &option->march},
             {"cc", &option->cc},
             {"runtime", &option->runtime},
             {"pass-pipeline", &option->pipeline},
             {"stop-after", &option->stop_after}};
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
    if (strcmp(row[i].name, name) == 0)
      return row[i].value;
  return NULL;
}

static TextList *list_option(Options *option, const char *name) {
  struct {
    const char *name;
    TextList *value;
  } row[] = {{"include", &option->include},
             {"entry", &option->entry},
             {"recipe-set", &option->recipe_set},
             {"filter", &option->filter},
             {"print-before", &option->print_before},
             {"print-after", &option->print_after}};
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
    if (strcmp(row[i].name, name) == 0)
      return row[i].value;
  return NULL;
}

static bool *flag_option(Options *option, const char *name) {
  struct {
    const char *name;
    bool *value;
  } row[] = {{"strict", &option->strict},
             {"verify-each", &option->verify_each},
             {"time-passes", &option->time_passes},
             {"print-locs", &option->locations},
             {"print-diff", &option->print_diff},
             {"fold-layers", &option->fold_layers},
             {"verbose", &option->verbose}};
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
    if (strcmp(row[i].name, name) == 0)
      return row[i].value;
  return NULL;
}

static bool known_pass(sg_context *sg, const char *name, const char *value) {
  bool all = strcmp(value, "all") == 0 && strcmp(name, "stop-after") != 0;
  if (all || pass_named(value, strlen(value)) != PASS_COUNT)
    return true;
  const char *near = nearest_name(value, sg_passes(), PASS_COUNT);
  context_message(sg, SG_ERROR, "--%s: no pass is called `%s`%s%s%s", name,
                  value, near ? "; did you mean `" : "", near ? near : "",
                  near ? "`?" : "");
  return false;
}

static sg_status set_define(sg_context *sg, const char *value) {
  const char *equals = strchr(value, '=');
  if (!equals || equals == value) {
    context_message(sg, SG_ERROR, "-D needs NAME=VALUE, not `%s`", value);
    return SG_USAGE;
  }
  Define define = {intern_n(sg->interner, value, (size_t)(equals - value)),
                   intern(sg->interner, equals + 1)};
  vec_push(&sg->option.define, define);
  return SG_OK;
}

static sg_status set_number(sg_context *sg, const char *name, const char *value,
                            long low, long high, long *out) {
  char *end;
  errno = 0;
  long number = strtol(value, &end, 10);
  if (errno || end == value || *end || number < low || number > high) {
    context_message(sg, SG_ERROR, "%s needs a number from %ld to %ld, not `%s`",
                    name, low, high, value);
    return SG_USAGE;
  }
  *out = number;
  return SG_OK;
}

/* Does reading a .sgir file, or a pass, keep this limit? */
static bool read_has_limit(LimitId limit) {
  return limit == LIMIT_sgir_bytes || limit == LIMIT_memory_bytes ||
         limit == LIMIT_nodes || limit == LIMIT_entries ||
         limit == LIMIT_selectors;
}

static sg_status set_limit(sg_context *sg, LimitId limit, const char *value) {
  const LimitInfo *info = limit_info(limit);
  long number;
  sg_status status =
      set_number(sg, arena_printf(sg->arena, "--max-%s", info->name), value, 0,
                 (long)info->largest, &number);
  if (status == SG_OK)
    sg->sources.limits.of[limit] = number;
  if (!read_has_limit(limit) && !sg->option.source_limit)
    sg->option.source_limit = arena_printf(sg->arena, "--max-%s", info->name);
  return status;
}

static sg_status set_flag(sg_context *sg, const char *name, const char *value,
                          bool *flag) {
  if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0) {
    context_message(sg, SG_ERROR, "--%s needs 0 or 1, not `%s`", name, value);
    return SG_USAGE;
  }
  *flag = value[0] == '1';
  return SG_OK;
}

static sg_status set_diagnostics(sg_context *sg, const char *value) {
  bool json = strcmp(value, "json") == 0;
  if (!json && strcmp(value, "text") != 0) {
    context_message(sg, SG_ERROR, "--diagnostics needs text or json, not `%s`",
                    value);
    return SG_USAGE;
  }
  sg->json = json;
  diagnostics_observe(sg->diagnostics, json ? on_structured : NULL, sg);
  return SG_OK;
}

static sg_status set_phase(sg_context *sg, const char *value) {
  const char *names[PHASE_COUNT];
  for (int i = 0; i < PHASE_COUNT; i++) {
    names[i] = phase_name((Phase)i);
    if (strcmp(names[i], value) != 0)
      continue;
    sg->option.phase = i + 1;
    return SG_OK;
  }
  const char *near = nearest_name(value, names, PHASE_COUNT);
  context_message(sg, SG_ERROR,
                  "--phase needs forward, backward, accumulate or update, not "
                  "`%s`%s%s%s",
                  value, near ? "; did you mean `" : "", near ? near : "",
                  near ? "`?" : "");
  return SG_USAGE;
}

/* A name that no warning has gets the nearest that one has. */
static sg_status set_warning(sg_context *sg, const char *value) {
  if (warning_option(diagnostics_warnings(sg->diagnostics), value))
    return SG_OK;
  const char *name = value;
  if (strncmp(name, "no-", 3) == 0)
    name += 3;
  if (strncmp(name, "error=", 6) == 0)
    name += 6;
  size_t count = 0;
  while (sg_warnings()[count])
    count++;
  const char *near = nearest_name(name, sg_warnings(), count);
  context_message(sg, SG_ERROR, "-W%s: no warning is called `%s`%s%s%s", value,
                  name, near ? "; did you mean `" : "", near ? near : "",
                  near ? "`?" : "");
  return SG_USAGE;
}

sg_status sg_set(sg_context *sg, const char *name, const char *value) {
  Options *option = &sg->option;
  bool names_pass =
      strcmp(name, "print-before") == 0 || strcmp(name, "print-after") == 0;
  if ((names_pass || strcmp(name, "stop-after") == 0) &&
      !known_pass(sg, name, value))
    return SG_USAGE;
  long number;
  if (strcmp(name, "define") == 0)
    return set_define(sg, value);
  if (strcmp(name, "O") == 0) {
    sg_status status = set_number(sg, "-O", value, 0, 3, &number);
    if (status == SG_OK)
      option->optimization = (int)number;
    return status;
  }
  if (strcmp(name, "max-errors") == 0) {
    sg_status status = set_number(sg, "-fmax-errors", value, 1, 10000, &number);
    if (status == SG_OK)
      diagnostics_set_limit(sg->diagnostics, (unsigned)number);
    return status;
  }
  if (strcmp(name, "color") == 0) {
    bool color = false;
    sg_status status = set_flag(sg, name, value, &color);
    diagnostics_set_color(sg->diagnostics, color);
    return status;
  }
  if (strcmp(name, "check-weights") == 0)
    return weight_file_read(sg, intern(sg->interner, value));
  if (strcmp(name, "diagnostics") == 0)
    return set_diagnostics(sg, value);
  if (strcmp(name, "phase") == 0)
    return set_phase(sg, value);
  if (strcmp(name, "warning") == 0)
    return set_warning(sg, value);
  if (strncmp(name, "max-", 4) == 0 && limit_named(name + 4) != LIMIT_COUNT)
    return set_limit(sg, limit_named(name + 4), value);
  if (strcmp(name, "march") == 0 && !backend_knows_cpu(value, sg->diagnostics))
    return SG_USAGE;
  bool *flag = flag_option(option, name);
  if (flag)
    return set_flag(sg, name, value, flag);
  const char **text = text_option(option, name);
  if (text) {
    *text = intern(sg->interner, value);
    return SG_OK;
  }
  TextList *list = list_option(option, name);
  if (list) {
    vec_push(list, intern(sg->interner, value));
    return SG_OK;
  }
  context_message(sg, SG_ERROR, "there is no option `%s`", name);
  return SG_USAGE;
}

/* ---- loading ------------------------------------------------------------ */

/* Is this text .sgir? Its first word is `sgir`, after blanks and comments. */
static bool looks_like_sgir(const char *text, size_t length) {
  size_t i = 0;
  while (i < length) {
    if (strchr(" \t\r\n", text[i]) && text[i]) {
      i++;
    } else if (text[i] == '#') {
      while (i < length && text[i] != '\n')
        i++;
    } else {
      break;
    }
  }
  return length - i > 5 && memcmp(text + i, "sgir", 4) == 0 &&
         (text[i + 4] == ' ' || text[i + 4] == '\t');
}

static bool has_suffix(const char *text, const char *suffix) {
  size_t n = strlen(text), m = strlen(suffix);
  return n >= m && strcmp(text + n - m, suffix) == 0;
}

sg_status sg_load_text(sg_context *sg, const char *name, const char *text,
                       size_t length) {
  if (sg->main) {
    context_message(sg, SG_ERROR, "one file is compiled at a time: %s", name);
    return SG_USAGE;
  }
  sg->main = sources_add(&sg->sources, name, text, length, false);
  sg->is_sgir = has_suffix(name, ".sgir") || looks_like_sgir(text, length);
  return SG_OK;
}

sg_status sg_load(sg_context *sg, const char *file) {
  size_t length;
  const char *error = NULL;
  LimitId limit = has_suffix(file, ".sg") ? LIMIT_file_bytes : LIMIT_sgir_bytes;
  int64_t most = sg->sources.limits.of[limit];
  char *text = file_read(file, (size_t)most, &length, &error);
  if (error == file_too_large) {
    context_message(sg, SG_ERROR,
                    "%s has more than %" PRId64 " bytes (`--max-%s`)", file,
                    most, limit_info(limit)->name);
    return SG_PROGRAM;
  }
  if (!text) {
    context_message(sg, SG_ERROR, "cannot read %s: %s", file, error);
    return SG_FILE;
  }
  sg_status status =
      sg_load_text(sg, strcmp(file, "-") == 0 ? "<stdin>" : file, text, length);
  if (status == SG_OK && strcmp(file, "-") != 0)
    sources_mark_file(&sg->sources, sg->main);
  free(text);
  return status;
}

const char *sg_version(void) {
  return SG_VERSION;
}

const char *sg_llvm_version(void) {
  return backend_llvm_version();
}

/* Each name once: several codes may share one. */
const char *const *sg_warnings(void) {
  static const char *names[DIAGNOSTIC_ROWS + 1];
  size_t rows, count = 0;
  const DiagnosticInfo *row = diagnostic_list(&rows);
  for (size_t i = 0; i < rows; i++) {
    bool known = !row[i].warning;
    for (size_t j = 0; j < count && !known; j++)
      known = strcmp(names[j], row[i].warning) == 0;
    if (!known)
      names[count++] = row[i].warning;
  }
  names[count] = NULL;
  return names;
}

const char *const *sg_passes(void) {
  static const char *const names[] = {
#define PASS(name, ...) #name,
#include "compiler/pass/passes.def"
      NULL};
  return names;
}

const char *sg_nearest(const char *name, const char *const *candidates,
                       size_t count) {
  return nearest_name(name, candidates, count);
}
