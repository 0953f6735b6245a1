/* The command line of sgc, on sg.h alone. Behaves like cc: one file in, one
 * file out, silence on success; `sgc exec` runs the reference evaluator. */
#include "compiler/sg.h"

#include <argp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- messages
 * ------------------------------------------------------------------ */

static void on_message(void *user, sg_severity severity, const char *text) {
  (void)user;
  (void)severity;
  fputs(text, stderr);
}

static void print_version(FILE *stream, struct argp_state *state) {
  (void)state;
  fprintf(stream, "sgc %s (LLVM %s)\n", sg_version(), sg_llvm_version());
}

/* ---- sgc FILE
 * -------------------------------------------------------------------- */

enum {
  KEY_EMIT = 256,
  KEY_ENTRY,
  KEY_RECIPE,
  KEY_RECIPE_SET,
  KEY_PIPELINE,
  KEY_PRINT_BEFORE,
  KEY_PRINT_AFTER,
  KEY_STOP_AFTER,
  KEY_VERIFY,
  KEY_TIME,
  KEY_LOCS,
  KEY_STRICT,
  KEY_COLOR,
  KEY_CC,
  KEY_RUNTIME,
  KEY_MARCH,
  KEY_STEPS,
  KEY_PRECISION,
  KEY_SEED,
  KEY_DUMP,
  KEY_STAGE,
  KEY_MAX_ERRORS
};

typedef struct {
  sg_context *sg;
  const char *file, *output, *emit;
  bool stop_at_object, stop_at_assembly;
  /* sgc exec */
  sg_exec_options exec;
  const char *inputs[64];
} Command;

/* Groups: 1 what to make, 2 program, 3 numbers, 4 code, 5 inside, 6 messages.
 * -march= and -fmax-errors= reach argp as -m and -f with the rest as argument;
 * the help shows them the way they are written. */
static const struct argp_option common_options[] = {
    {0, 0, 0, 0, "The program:", 2},
    {"define", 'D', "NAME=VALUE", 0, "override a constant", 2},
    {"include", 'I', "DIR", 0, "look for imports in DIR too", 2},
    {"entry", KEY_ENTRY, "NAME", 0, "compile this entry only (repeatable)", 2},
    {0, 0, 0, 0, "Numbers:", 3},
    {"recipe", KEY_RECIPE, "NAME", 0,
     "the recipe of every entry: f32, fp8, ... or one of the file", 3},
    {"recipe-set", KEY_RECIPE_SET, "RULE", 0,
     "append a rule, such as 'net.l1 : f16' (repeatable)", 3},
    {0, 0, 0, 0, "Looking inside:", 5},
    {"pass-pipeline", KEY_PIPELINE, "LIST", 0,
     "run exactly these passes, separated by commas", 5},
    {"print-before", KEY_PRINT_BEFORE, "PASS", 0,
     "print the program before a pass, or `all`, on standard error", 5},
    {"print-after", KEY_PRINT_AFTER, "PASS", 0, "the same, after it", 5},
    {"stop-after", KEY_STOP_AFTER, "PASS", 0, "run no pass after this one", 5},
    {"print-locs", KEY_LOCS, 0, 0, "print the place of each op", 5},
    {"verify-each", KEY_VERIFY, 0, 0,
     "besides the invariants, which are always checked: after each pass, "
     "print the program, read it back and compare",
     5},
    {"time-passes", KEY_TIME, 0, 0, "print the time of each pass", 5},
    {"verbose", 'v', 0, 0, "print the link command", 5},
    {0, 0, 0, 0, "Messages:", 6},
    {"color", KEY_COLOR, "WHEN", 0, "colour messages: auto, always, never", 6},
    {"-fmax-errors=N", 0, 0, OPTION_DOC | OPTION_NO_USAGE,
     "show at most N errors (default 20)", 6},
    {0, 'f', "max-errors=N", OPTION_HIDDEN, 0, 6},
    {0, 0, 0, 0, "Help:", -1},
    {0}};

static const struct argp_option compile_options[] = {
    {0, 0, 0, 0, "What to make:", 1},
    {"output", 'o', "FILE", 0, "where to write (`-`: standard output)", 1},
    {"emit", KEY_EMIT, "LIST", 0,
     "stop at these stages and write them: tokens, ast, names, ir, scaled, "
     "formatted, final, plan, report, llvm, asm, obj, exe",
     1},
    {0, 'c', 0, 0, "make an object file", 1},
    {0, 'S', 0, 0, "make assembly", 1},
    {0, 0, 0, 0, "Code:", 4},
    {0, 'O', "LEVEL", 0, "0 to 3 (default 2)", 4},
    {"-march=CPU", 0, 0, OPTION_DOC | OPTION_NO_USAGE,
     "native (default), x86-64, x86-64-v3, x86-64-v4, sapphirerapids, ...", 4},
    {0, 'm', "arch=CPU", OPTION_HIDDEN, 0, 4},
    {"march", KEY_MARCH, "CPU", OPTION_HIDDEN, 0, 4},
    {"strict", KEY_STRICT, 0, 0,
     "the same bits on every processor, equal to the evaluator", 4},
    {"cc", KEY_CC, "PROGRAM", 0, "the linker driver (default: $CC or cc)", 4},
    {"runtime", KEY_RUNTIME, "FILE", 0, "libsgrt.a", 4},
    {0}};

static const struct argp_option exec_options[] = {
    {0, 0, 0, 0, "Evaluation:", 1},
    {"steps", KEY_STEPS, "N", 0, "run N steps (default 1)", 1},
    {"precision", KEY_PRECISION, "P", 0,
     "f64, f32, or edges: bit-true in every format (default)", 1},
    {"seed", KEY_SEED, "N", 0, "of initial values and random inputs", 1},
    {"stage", KEY_STAGE, "STAGE", 0,
     "evaluate at ir, scaled, formatted, final or plan", 1},
    {"dump", KEY_DUMP, "DIR", 0, "write results and parameters as .npy files",
     1},
    {0}};

/* Long options of sg.h that take their value as it is. */
static const char *plain_option(int key) {
  switch (key) {
  case 'D':
    return "define";
  case 'I':
    return "include";
  case 'O':
    return "O";
  case KEY_ENTRY:
    return "entry";
  case KEY_RECIPE:
    return "recipe";
  case KEY_RECIPE_SET:
    return "recipe-set";
  case KEY_PIPELINE:
    return "pass-pipeline";
  case KEY_PRINT_BEFORE:
    return "print-before";
  case KEY_PRINT_AFTER:
    return "print-after";
  case KEY_STOP_AFTER:
    return "stop-after";
  case KEY_CC:
    return "cc";
  case KEY_RUNTIME:
    return "runtime";
  case KEY_MARCH:
    return "march";
  }
  return NULL;
}

static const char *flag_option(int key) {
  switch (key) {
  case KEY_VERIFY:
    return "verify-each";
  case KEY_TIME:
    return "time-passes";
  case KEY_LOCS:
    return "print-locs";
  case KEY_STRICT:
    return "strict";
  case 'v':
    return "verbose";
  }
  return NULL;
}

static void set(struct argp_state *state, Command *command, const char *name,
                const char *value) {
  (void)state;
  sg_status status = sg_set(command->sg, name, value);
  if (status != SG_OK)
    exit(status);
}

static void set_color(struct argp_state *state, Command *command,
                      const char *when) {
  bool automatic = strcmp(when, "auto") == 0;
  if (!automatic && strcmp(when, "always") != 0 && strcmp(when, "never") != 0)
    argp_error(state, "--color needs auto, always or never, not `%s`", when);
  const char *off = getenv("NO_COLOR");
  bool on = automatic ? isatty(STDERR_FILENO) && !(off && *off)
                      : strcmp(when, "always") == 0;
  set(state, command, "color", on ? "1" : "0");
}

/* -march=CPU and -fmax-errors=N arrive as a letter and the rest. */
static bool set_spelled(struct argp_state *state, Command *command,
                        const char *text, const char *word,
                        const char *option) {
  size_t length = strlen(word);
  if (strncmp(text, word, length) != 0 || text[length] != '=')
    return false;
  set(state, command, option, text + length + 1);
  return true;
}

/* Options of both forms of the command. */
static error_t parse_common(int key, char *text, struct argp_state *state) {
  Command *command = state->input;
  const char *plain = plain_option(key), *flag = flag_option(key);
  if (plain) {
    set(state, command, plain, text);
  } else if (flag) {
    set(state, command, flag, "1");
  } else if (key == KEY_COLOR) {
    set_color(state, command, text);
  } else if (key == 'f') {
    if (!set_spelled(state, command, text, "max-errors", "max-errors"))
      argp_error(state, "unknown option -f%s", text);
  } else {
    return ARGP_ERR_UNKNOWN;
  }
  return 0;
}

static error_t parse_compile(int key, char *text, struct argp_state *state) {
  Command *command = state->input;
  switch (key) {
  case 'o':
    command->output = text;
    return 0;
  case 'c':
    command->stop_at_object = true;
    return 0;
  case 'S':
    command->stop_at_assembly = true;
    return 0;
  case KEY_EMIT:
    command->emit = text;
    return 0;
  case 'm':
    if (!set_spelled(state, command, text, "arch", "march"))
      argp_error(state, "unknown option -m%s", text);
    return 0;
  case ARGP_KEY_ARG:
    if (command->file)
      argp_error(state, "one file is compiled at a time: %s and %s",
                 command->file, text);
    command->file = text;
    return 0;
  case ARGP_KEY_END:
    if (!command->file)
      argp_error(state, "no input file");
    return 0;
  }
  return parse_common(key, text, state);
}

static long number(struct argp_state *state, const char *name,
                   const char *text) {
  char *end;
  long value = strtol(text, &end, 10);
  if (end == text || *end || value < 0)
    argp_error(state, "%s needs a whole number, not `%s`", name, text);
  return value;
}

static error_t parse_exec(int key, char *text, struct argp_state *state) {
  Command *command = state->input;
  sg_exec_options *exec = &command->exec;
  switch (key) {
  case KEY_STEPS:
    exec->steps = number(state, "--steps", text);
    return 0;
  case KEY_SEED:
    exec->seed = (unsigned long long)number(state, "--seed", text);
    return 0;
  case KEY_PRECISION:
    exec->precision = text;
    return 0;
  case KEY_STAGE:
    exec->stage = text;
    return 0;
  case KEY_DUMP:
    exec->dump = text;
    return 0;
  case KEY_ENTRY:
    exec->entry = text;
    return 0;
  case ARGP_KEY_ARG:
    if (!command->file)
      command->file = text;
    else if (exec->input_count < sizeof command->inputs / sizeof(char *))
      command->inputs[exec->input_count++] = text;
    else
      argp_error(state, "too many inputs");
    return 0;
  case ARGP_KEY_END:
    if (!command->file)
      argp_error(state, "no input file");
    return 0;
  }
  return parse_common(key, text, state);
}

/* ---- carrying it out
 * -------------------------------------------------------------- */

/* The base name of the input without folder and suffix, plus `suffix`. */
static char *output_name(const char *file, const char *suffix) {
  const char *slash = strrchr(file, '/');
  const char *base = slash ? slash + 1 : file;
  size_t length = strlen(base);
  if (length > 5 && strcmp(base + length - 5, ".sgir") == 0)
    length -= 5;
  else if (length > 3 && strcmp(base + length - 3, ".sg") == 0)
    length -= 3;
  if (strcmp(file, "-") == 0) {
    base = *suffix ? "stdin" : "a.out";
    length = 5;
  }
  char *name = malloc(length + strlen(suffix) + 1);
  if (!name)
    exit(SG_INTERNAL);
  memcpy(name, base, length);
  strcpy(name + length, suffix);
  return name;
}

static bool writes_text(const char *stage) {
  return strcmp(stage, "obj") != 0 && strcmp(stage, "exe") != 0;
}

/* The same file, by whatever name? */
static bool same_file(const char *a, const char *b) {
  struct stat first, second;
  return stat(a, &first) == 0 && stat(b, &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static sg_status emit_one(Command *command, const char *stage, bool several) {
  char suffix[32] = "";
  if (several && strcmp(stage, "exe") != 0)
    snprintf(suffix, sizeof suffix, ".%.20s", stage);
  else if (strcmp(stage, "obj") == 0)
    strcpy(suffix, ".o");
  else if (strcmp(stage, "asm") == 0)
    strcpy(suffix, ".s");
  char *name = output_name(command->file, suffix);
  bool asm_file = strcmp(stage, "asm") == 0 && !command->emit;
  const char *path = command->output && !several ? command->output
                     : several || !writes_text(stage) || asm_file ? name
                                                                  : "-";
  sg_status status;
  if (strcmp(path, "-") != 0 && same_file(path, command->file)) {
    fprintf(stderr, "sgc: the output %s would overwrite the input\n", path);
    status = SG_USAGE;
  } else {
    status = sg_emit(command->sg, stage, path);
  }
  free(name);
  return status;
}

/* Is every name of a list of stages a stage? Says which is not. */
static bool known_stages(const char *list) {
  for (const char *at = list;; at++) {
    size_t length = strcspn(at, ",");
    bool known = false;
    for (const char *const *stage = sg_stages(); *stage; stage++)
      known |= strlen(*stage) == length && memcmp(*stage, at, length) == 0;
    if (!known) {
      fprintf(stderr, "sgc: --emit: no stage is called `%.*s`\n", (int)length,
              at);
      return false;
    }
    at += length;
    if (!*at)
      return true;
  }
}

static sg_status emit_all(Command *command) {
  const char *list = command->emit               ? command->emit
                     : command->stop_at_object   ? "obj"
                     : command->stop_at_assembly ? "asm"
                                                 : "exe";
  bool several = strchr(list, ',') != NULL;
  if (several && !known_stages(list))
    return SG_USAGE; /* before the first of them is written */
  if (several && command->output) {
    fprintf(stderr, "sgc: -o names one file, but --emit=%s makes several\n",
            list);
    return SG_USAGE;
  }
  char *copy = strdup(list), *rest = copy, *stage;
  sg_status status = copy ? SG_OK : SG_INTERNAL;
  while (status == SG_OK && (stage = strsep(&rest, ",")) != NULL)
    status = emit_one(command, stage, several);
  free(copy);
  return status;
}

static sg_status run(int argc, char **argv, const struct argp *argp,
                     bool is_exec) {
  Command command = {.sg = sg_open(on_message, NULL)};
  command.exec.inputs = command.inputs;
  command.exec.steps = 1;
  command.exec.seed = 1;
  set_color(NULL, &command, "auto");
  error_t error = argp_parse(argp, argc, argv, 0, NULL, &command);
  sg_status status = error ? SG_USAGE : sg_load(command.sg, command.file);
  if (status == SG_OK)
    status = is_exec ? sg_exec(command.sg, &command.exec) : emit_all(&command);
  sg_close(command.sg);
  return status;
}

/* The option tables of one form of the command, joined. */
static struct argp_option *joined(const struct argp_option *a, size_t n,
                                  const struct argp_option *b, size_t m) {
  struct argp_option *all = calloc(n + m - 1, sizeof *all);
  if (!all)
    exit(SG_INTERNAL);
  memcpy(all, a, (n - 1) * sizeof *all);
  memcpy(all + n - 1, b, m * sizeof *all);
  return all;
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

int main(int argc, char **argv) {
  argp_err_exit_status = SG_USAGE;
  argp_program_version_hook = print_version;
  bool is_exec = argc > 1 && strcmp(argv[1], "exec") == 0;
  struct argp_option *options =
      is_exec ? joined(exec_options, COUNT(exec_options), common_options,
                       COUNT(common_options))
              : joined(compile_options, COUNT(compile_options), common_options,
                       COUNT(common_options));
  struct argp argp = {
      .options = options,
      .parser = is_exec ? parse_exec : parse_compile,
      .args_doc = is_exec ? "FILE [NAME=FILE.npy ...]" : "FILE.sg|FILE.sgir",
      .doc = is_exec
                 ? "Evaluate an entry with the reference evaluator."
                   "\vInputs not given are filled with reproducible random "
                   "values."
                 : "Compile a Scalegraph program.\vWithout --emit the result "
                   "is an executable named after the file. `sgc exec FILE` "
                   "runs the reference evaluator; see `sgc exec --help`."};
  signal(SIGXFSZ, SIG_IGN); /* a full disk is an error of write */
  static char exec_name[] = "sgc exec";
  if (is_exec)
    argv[1] = exec_name;
  sg_status status = run(argc - is_exec, argv + is_exec, &argp, is_exec);
  free(options);
  return status;
}
