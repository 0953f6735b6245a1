/* The command line of every executable: one subcommand per door of the
 * program; the help is made from the program's description. */
#include "runtime/runtime.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- help --------------------------------------------------------------------- */

static int64_t parameter_count(const SgProgram *program) {
  int64_t count = 0;
  for (int64_t i = 0; i < program->param_count; i++)
    if (!program->param[i].state)
      count += elements(program->param[i].rank, program->param[i].dim);
  return count;
}

/* 669706 -> "669,706" */
static const char *grouped(char *text, size_t size, int64_t value) {
  char digits[32];
  size_t used = 0;
  int n = snprintf(digits, sizeof digits, "%lld", (long long)value);
  for (int i = 0; i < n && used + 2 < size; i++) {
    if (i > 0 && (n - i) % 3 == 0)
      text[used++] = ',';
    text[used++] = digits[i];
  }
  text[used] = '\0';
  return text;
}

static void print_types(const SgEntry *entry) {
  char type[160];
  for (int64_t i = 0; i < entry->input_count; i++)
    printf("%s%s: %s", i ? ", " : "", entry->input[i].name,
           type_text(type, sizeof type, entry->input[i].format,
                     entry->input[i].rank, entry->input[i].dim));
  for (int64_t i = 0; i < entry->result_count; i++)
    printf("%s%s", i ? ", " : " -> ",
           type_text(type, sizeof type, entry->result[i].format,
                     entry->result[i].rank, entry->result[i].dim));
}

static void print_entry(const SgEntry *entry) {
  static const char *const kind[] = {"run", "train", "eval"};
  printf("  %-5s %-10s ", kind[entry->kind], entry->name);
  if (entry->kind == ENTRY_KIND_PLAIN) {
    print_types(entry);
  } else {
    if (entry->batch)
      printf("%lld a batch", (long long)entry->batch);
    if (entry->epochs)
      printf(", %lld epochs", (long long)entry->epochs);
    if (entry->steps)
      printf(", %lld steps", (long long)entry->steps);
    printf("%sreports", entry->batch || entry->epochs ? "; " : "");
    for (int64_t i = 0; i < entry->result_count; i++)
      printf("%s %s", i ? "," : "", entry->result[i].name);
  }
  putchar('\n');
}

static void print_usage(const SgProgram *program) {
  char count[40];
  const SgEntry *first = program->entry_count ? &program->entry[0] : NULL;
  printf("%s: compiled from %s by %s, recipe %s, %s parameters\n",
         program->name, program->source, program->compiler,
         first ? first->recipe : "none",
         grouped(count, sizeof count, parameter_count(program)));
  for (int64_t i = 0; i < program->entry_count; i++)
    print_entry(&program->entry[i]);
  printf("  info             parameters, states, recipe, memory, build\n"
         "\n"
         "usage: %s train [ENTRY] [OPTION...]\n"
         "       %s eval  [ENTRY] [OPTION...]\n"
         "       %s run ENTRY NAME=FILE.npy ... [-o FILE.npy]\n"
         "       %s info\n"
         "Options of each: %s train --help, ...\n"
         "Exit codes: 0 fine, 1 failed, 2 wrong use, 3 data or weights that do "
         "not fit,\n"
         "130 interrupted (after saving).\n",
         program->name, program->name, program->name, program->name,
         program->name);
}

/* ---- options --------------------------------------------------------------------- */

enum {
  KEY_STEPS = 256, KEY_EPOCHS, KEY_RESUME, KEY_SAVE, KEY_SAVE_EVERY, KEY_SEED,
  KEY_DATA, KEY_THREADS, KEY_LOG, KEY_QUIET, KEY_WEIGHTS, KEY_CONVERT
};

#define OPTION_STEPS {"steps", KEY_STEPS, "N", 0, "train N steps in all", 0}
#define OPTION_DATA                                                            \
  {"data", KEY_DATA, "SET.COLUMN=FILE", 0,                                     \
   "read a dataset column from FILE instead", 0}
#define OPTION_THREADS                                                         \
  {"threads", KEY_THREADS, "N", 0,                                             \
   "use N threads (default: one per processor); the results are the same", 0}
#define OPTION_WEIGHTS                                                         \
  {"weights", KEY_WEIGHTS, "FILE", 0, "load this checkpoint", 0}
#define OPTION_CONVERT                                                         \
  {"convert", KEY_CONVERT, 0, 0,                                               \
   "load weights of other formats even where they must be rounded", 0}

static const struct argp_option train_options[] = {
    OPTION_STEPS,
    {"epochs", KEY_EPOCHS, "N", 0, "train N epochs in all", 0},
    {"resume", KEY_RESUME, "FILE", 0, "go on from a checkpoint, bit for bit",
     0},
    {"save", KEY_SAVE, "FILE", 0, "where to save (default NAME.safetensors)",
     0},
    {"save-every", KEY_SAVE_EVERY, "N", 0, "save every N steps too", 0},
    {"seed", KEY_SEED, "N", 0, "seed of initial values and data order", 0},
    {"log", KEY_LOG, "FILE", 0, "write one line of JSON a step", 0},
    {"quiet", KEY_QUIET, 0, 0, "no progress", 0},
    OPTION_DATA,
    OPTION_WEIGHTS,
    OPTION_CONVERT,
    OPTION_THREADS,
    {0}};

static const struct argp_option eval_options[] = {
    OPTION_WEIGHTS, OPTION_CONVERT, OPTION_DATA, OPTION_THREADS, {0}};

static const struct argp_option run_options[] = {
    {"output", 'o', "FILE.npy", 0,
     "write the result here; `-`, the default, prints it; NAME=FILE for one of "
     "several", 0},
    OPTION_WEIGHTS,
    OPTION_CONVERT,
    OPTION_THREADS,
    {0}};

static const struct argp_option info_options[] = {{0}};

static int64_t number(struct argp_state *state, const char *name,
                      const char *text, int64_t low) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (errno || end == text || *end || value < low)
    argp_error(state, "%s needs a whole number of at least %lld, not `%s`",
               name, (long long)low, text);
  return value;
}

static void add_redirect(struct argp_state *state, Arguments *arguments,
                         char *text) {
  char *equals = strchr(text, '=');
  int most = (int)(sizeof arguments->redirect / sizeof arguments->redirect[0]);
  if (!equals)
    argp_error(state, "--data needs SET.COLUMN=FILE, not `%s`", text);
  if (arguments->redirects == most)
    argp_error(state, "at most %d --data options", most);
  *equals = '\0';
  bool known = false;
  for (int64_t i = 0; i < sg_program.dataset_count; i++)
    for (int64_t j = 0; j < sg_program.dataset[i].column_count; j++) {
      char name[512];
      snprintf(name, sizeof name, "%s.%s", sg_program.dataset[i].name,
               sg_program.dataset[i].column[j].name);
      known |= strcmp(name, text) == 0;
    }
  if (!known)
    argp_error(state, "--data: this program has no dataset column %s", text);
  arguments->redirect[arguments->redirects++] = (Redirect){text, equals + 1};
}

static void add_text(struct argp_state *state, const char **list, int *count,
                     size_t most, char *text) {
  if ((size_t)*count == most)
    argp_error(state, "too many arguments: %s", text);
  list[(*count)++] = text;
}

/* The first word of train, eval and run is the entry. */
static void add_word(struct argp_state *state, Arguments *arguments,
                     char *text) {
  bool is_run = strcmp(arguments->command, "run") == 0;
  if (!arguments->entry && !strchr(text, '='))
    arguments->entry = text;
  else if (is_run)
    add_text(state, arguments->argument, &arguments->arguments,
             sizeof arguments->argument / sizeof(char *), text);
  else
    argp_error(state, "unexpected argument: %s", text);
}

static error_t parse(int key, char *text, struct argp_state *state) {
  Arguments *arguments = state->input;
  switch (key) {
  case KEY_STEPS: arguments->steps = number(state, "--steps", text, 1); break;
  case KEY_EPOCHS: arguments->epochs = number(state, "--epochs", text, 1); break;
  case KEY_SAVE_EVERY:
    arguments->save_every = number(state, "--save-every", text, 1);
    break;
  case KEY_THREADS:
    arguments->threads = (int)number(state, "--threads", text, 1);
    if (arguments->threads > 1024)
      argp_error(state, "--threads: at most 1024");
    break;
  case KEY_SEED:
    arguments->seed = (uint64_t)number(state, "--seed", text, 0);
    arguments->has_seed = true;
    break;
  case KEY_RESUME: arguments->resume = text; break;
  case KEY_SAVE: arguments->save = text; break;
  case KEY_LOG: arguments->log = text; break;
  case KEY_WEIGHTS: arguments->weights = text; break;
  case KEY_QUIET: arguments->quiet = true; break;
  case KEY_CONVERT: arguments->convert = true; break;
  case KEY_DATA: add_redirect(state, arguments, text); break;
  case 'o':
    add_text(state, arguments->output, &arguments->outputs,
             sizeof arguments->output / sizeof(char *), text);
    break;
  case ARGP_KEY_ARG: add_word(state, arguments, text); break;
  default: return ARGP_ERR_UNKNOWN;
  }
  return 0;
}

/* ---- commands ----------------------------------------------------------------------- */

typedef struct {
  const char *name;
  int (*run)(const SgProgram *program, const Arguments *arguments);
  const struct argp_option *options;
  const char *arguments, *help;
} Command;

static const Command commands[] = {
    {"train", command_train, train_options, "[ENTRY]",
     "Train, showing progress, and save the result."},
    {"eval", command_eval, eval_options, "[ENTRY]",
     "Average the reports of an eval entry over its dataset."},
    {"run", command_run, run_options, "ENTRY NAME=FILE.npy ...",
     "Call an entry on arrays."},
    {"info", command_info, info_options, "", "Say what this executable is."},
};

/* Code made for a larger processor would die of an illegal instruction. */
static bool processor_fits(const SgProgram *program) {
#if defined(__x86_64__)
  const struct {
    const char *name;
    int present;
  } feature[] = {{"avx2", __builtin_cpu_supports("avx2")},
                 {"fma", __builtin_cpu_supports("fma")},
                 {"avx512f", __builtin_cpu_supports("avx512f")},
                 {"avx512bw", __builtin_cpu_supports("avx512bw")},
                 {"avx512vl", __builtin_cpu_supports("avx512vl")},
                 {"avx512dq", __builtin_cpu_supports("avx512dq")},
                 {"avx512vbmi", __builtin_cpu_supports("avx512vbmi")}};
  for (size_t i = 0; i < sizeof feature / sizeof feature[0]; i++) {
    const char *at = strstr(program->features, feature[i].name);
    size_t length = strlen(feature[i].name);
    bool named = at && (at[length] == ' ' || at[length] == '\0');
    if (named && !feature[i].present) {
      complain("compiled for %s, which needs %s; this processor has none: "
               "compile with -march=x86-64-v3 or -march=x86-64",
               program->target, feature[i].name);
      return false;
    }
  }
#else
  (void)program;
#endif
  return true;
}

static int run_command(const Command *command, int argc, char **argv) {
  Arguments arguments = {.command = command->name};
  struct argp argp = {command->options, parse, command->arguments,
                      command->help, NULL, NULL, NULL};
  char name[512];
  snprintf(name, sizeof name, "%s %s", sg_program.name, command->name);
  argv[0] = name;
  argp_err_exit_status = EXIT_USAGE;
  if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
    return EXIT_USAGE;
  return command->run(&sg_program, &arguments);
}

int main(int argc, char **argv) {
  const char *word = argc > 1 ? argv[1] : NULL;
  if (sg_program.abi_version != SG_ABI_VERSION) {
    complain("compiled for another version of the runtime");
    return EXIT_FAILED;
  }
  bool help = word && (strcmp(word, "--help") == 0 || strcmp(word, "help") == 0);
  if (!word || help) {
    print_usage(&sg_program);
    return word ? EXIT_FINE : EXIT_USAGE;
  }
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (strcmp(commands[i].name, word) == 0) {
      if (!processor_fits(&sg_program))
        return EXIT_FAILED;
      int status = run_command(&commands[i], argc - 1, argv + 1);
      if (fflush(stdout) != 0 && status == EXIT_FINE) {
        complain("cannot write standard output: %s", strerror(errno));
        status = EXIT_FAILED;
      }
      return status;
    }
  complain("there is no command `%s`: train, eval, run or info (see --help)",
           word);
  return EXIT_USAGE;
}
