/* The commands of every executable: one for each kind of door of the program.
 * The help is made from the program's description and the table of options. */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  const char *name;
  unsigned number;
  int (*run)(const SgProgram *program, const Arguments *arguments);
  const char *words, *help;
} Command;

static const Command commands[] = {
    {"train", COMMAND_TRAIN, command_train, "[ENTRY] [OPTION...]",
     "Trains, shows progress, and saves the result. Ctrl-C saves, too."},
    {"eval", COMMAND_EVAL, command_eval, "[ENTRY] [OPTION...]",
     "Averages the reports of an eval entry over its dataset."},
    {"run", COMMAND_RUN, command_run,
     "[ENTRY] NAME=FILE.npy... [-o FILE.npy] [OPTION...]",
     "Calls an entry on arrays; prints its results, or writes them with -o."},
    {"info", COMMAND_INFO, command_info, "", "Says what this executable is."},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

/* ---- entries ------------------------------------------------------------- */

const SgEntry *find_entry(const SgProgram *program, const char *name) {
  for (int64_t i = 0; i < program->entry_count; i++)
    if (strcmp(program->entry[i].name, name) == 0)
      return &program->entry[i];
  return NULL;
}

const SgEntry *choose_entry(const SgProgram *program, const char *name,
                            int64_t kind, const char *command) {
  const SgEntry *found = NULL;
  int count = 0;
  for (int64_t i = 0; i < program->entry_count; i++) {
    const SgEntry *entry = &program->entry[i];
    if (entry->kind != kind || (name && strcmp(entry->name, name) != 0))
      continue;
    found = entry;
    count++;
  }
  if (count == 1)
    return found;
  if (count > 1)
    complain("%s: name one of the %d entries (see --help)", command, count);
  else if (name)
    complain("%s: there is no such entry: %s (see --help)", command, name);
  else
    complain("%s: this program has no such entry (see --help)", command);
  return NULL;
}

/* ---- help ---------------------------------------------------------------- */

/* Elements of all parameters; states do not count. */
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

/* "image: u8[1,28,28] -> i32[1]" */
static void print_types(FILE *stream, const SgEntry *entry) {
  char type[160];
  const char *separator = "";
  for (int64_t i = 0; i < entry->input_count; i++) {
    const SgInput *input = &entry->input[i];
    if (input->source == INPUT_STEP)
      continue;
    fprintf(
        stream, "%s%s: %s", separator, input->name,
        type_text(type, sizeof type, input->format, input->rank, input->dim));
    if (input->has_default)
      fprintf(stream, " = %.9g", input->default_value);
    separator = ", ";
  }
  for (int64_t i = 0; i < entry->result_count; i++) {
    const SgResult *result = &entry->result[i];
    fprintf(stream, "%s", i ? ", " : " -> ");
    if (entry->result_count > 1)
      fprintf(stream, "%s: ", result->name);
    fprintf(stream, "%s",
            type_text(type, sizeof type, result->format, result->rank,
                      result->dim));
  }
}

/* "B=128, 10 epochs       report loss, accuracy" */
static void print_batches(FILE *stream, const SgEntry *entry) {
  char text[96] = "";
  int used = 0;
  if (entry->batch && entry->kind == ENTRY_KIND_TRAIN)
    used = snprintf(text, sizeof text, "B=%lld", (long long)entry->batch);
  else if (entry->batch)
    used = snprintf(text, sizeof text, "%lld a batch", (long long)entry->batch);
  size_t at = (size_t)used;
  if (entry->epochs)
    snprintf(text + at, sizeof text - at, ", %lld epoch%s",
             (long long)entry->epochs, entry->epochs == 1 ? "" : "s");
  else if (entry->steps)
    snprintf(text + at, sizeof text - at, ", %lld steps",
             (long long)entry->steps);
  fprintf(stream, "%-22s report", text[0] == ',' ? text + 2 : text);
  for (int64_t i = 0; i < entry->result_count; i++)
    fprintf(stream, "%s %s", i ? "," : "", entry->result[i].name);
}

/* One line of the help: kind, name, and what goes in and out. */
static void print_entry(FILE *stream, const SgEntry *entry) {
  static const char *const kind[] = {"run", "train", "eval"};
  fprintf(stream, "  %-5s %-10s ", kind[entry->kind], entry->name);
  if (entry->kind == ENTRY_KIND_PLAIN)
    print_types(stream, entry);
  else
    print_batches(stream, entry);
  fputc('\n', stream);
}

/* The page behind `PROGRAM --help`. */
static void print_usage(FILE *stream, const SgProgram *program) {
  char count[40];
  const char *recipe = program->entry_count ? program->entry[0].recipe : NULL;
  fprintf(stream, "%s: compiled from %s by %s, recipe %s, %s parameters\n",
          program->name, program->source, program->compiler,
          recipe ? recipe : "none",
          grouped(count, sizeof count, parameter_count(program)));
  for (int64_t i = 0; i < program->entry_count; i++)
    print_entry(stream, &program->entry[i]);
  fprintf(stream, "  info             parameters, states, recipe, memory, "
                  "build\n\n");
  for (int i = 0; i < COMMAND_COUNT; i++)
    fprintf(stream, "%s %s %s %s\n", i ? "      " : "usage:", program->name,
            commands[i].name, commands[i].words);
  fprintf(stream,
          "Options of a command: %s train --help.\n"
          "Exit codes: 0 fine, 1 run-time failure, 2 wrong use, 3 data or "
          "weights that do\nnot fit, 4 numerics (--check), 130 interrupted "
          "(after saving).\n",
          program->name);
}

/* The page behind `PROGRAM COMMAND --help`: its entries and its options. */
static void print_command_help(FILE *stream, const SgProgram *program,
                               const Command *command) {
  fprintf(stream, "usage: %s %s %s\n%s\n\n", program->name, command->name,
          command->words, command->help);
  static const unsigned number[] = {COMMAND_RUN, COMMAND_TRAIN, COMMAND_EVAL};
  for (int64_t i = 0; i < program->entry_count; i++)
    if (number[program->entry[i].kind] == command->number)
      print_entry(stream, &program->entry[i]);
  fputc('\n', stream);
  print_options(stream, command->number);
}

/* ---- can it run here? ---------------------------------------------------- */

#if defined(__x86_64__)
/* 1: this processor has the feature, 0: it has not, -1: no such feature. */
static int processor_has(const char *name, size_t length) {
#define HAS(feature)                                                           \
  if (strlen(feature) == length && memcmp(name, feature, length) == 0)         \
    return __builtin_cpu_supports(feature) != 0;
  HAS("sse4.2")
  HAS("avx")
  HAS("avx2")
  HAS("fma")
  HAS("f16c")
  HAS("bmi")
  HAS("bmi2")
  HAS("avx512f")
  HAS("avx512bw")
  HAS("avx512vl")
  HAS("avx512dq")
  HAS("avx512cd")
  HAS("avx512vbmi")
#undef HAS
  return -1;
}
#else
static int processor_has(const char *name, size_t length) {
  (void)name;
  (void)length;
  return -1;
}
#endif

/* Code made for a larger processor would die of an illegal instruction. */
static bool processor_fits(const SgProgram *program) {
  const char *at = program->features;
  for (size_t length; *(at += strspn(at, " ")); at += length) {
    length = strcspn(at, " ");
    if (processor_has(at, length) == 1)
      continue;
    complain("compiled for %s, which needs %.*s; this processor lacks it: "
             "compile with -march=x86-64-v3 or -march=x86-64",
             program->target, (int)length, at);
    return false;
  }
  return true;
}

/* A file that was opened as descriptor 0, 1 or 2 would be taken for a standard
 * stream, and overwritten by what goes there. Writing to a closed standard
 * output stays an error. */
static void open_standard_files(void) {
  static const int mode[] = {O_RDONLY, O_RDONLY, O_WRONLY};
  for (int file = 0; file <= STDERR_FILENO; file++)
    if (fcntl(file, F_GETFD) == -1 && errno == EBADF)
      (void)!open("/dev/null", mode[file]);
}

/* ---- main ---------------------------------------------------------------- */

/* Everything behind the name of a command. `info` and the help work on any
 * processor: they call nothing that was compiled. */
static int run_command(const SgProgram *program, const Command *command,
                       int argc, char *const *argv) {
  Arguments arguments;
  int status =
      arguments_parse(&arguments, program, command->number, argc, argv);
  if (status != EXIT_FINE)
    return status;
  if (arguments.help)
    print_command_help(stdout, program, command);
  else if (command->number != COMMAND_INFO && !processor_fits(program))
    status = EXIT_FAILED;
  else
    status = command->run(program, &arguments);
  arguments_free(&arguments);
  return status;
}

/* The first word: a command, or what is asked of the program as a whole. */
static int dispatch(const SgProgram *program, int argc, char **argv) {
  const char *word = argc > 1 ? argv[1] : NULL;
  if (!word) {
    print_usage(stderr, program);
    return EXIT_USAGE;
  }
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
      strcmp(word, "help") == 0) {
    print_usage(stdout, program);
    return EXIT_FINE;
  }
  if (strcmp(word, "--version") == 0) {
    printf("%s, compiled from %s by %s\n", program->name, program->source,
           program->compiler);
    return EXIT_FINE;
  }
  for (int i = 0; i < COMMAND_COUNT; i++)
    if (strcmp(commands[i].name, word) == 0)
      return run_command(program, &commands[i], argc - 2, argv + 2);
  complain("there is no command `%s`: train, eval, run or info (see --help)",
           word);
  return EXIT_USAGE;
}

int sgrt_main(int argc, char **argv) {
  return program_main(&sg_program, argc, argv);
}

int program_main(const SgProgram *program, int argc, char **argv) {
  open_standard_files();
  if (program->abi_version != SG_ABI_VERSION) {
    complain("compiled for another version of the runtime library");
    return EXIT_FAILED;
  }
  int status = dispatch(program, argc, argv);
  if (fflush(stdout) == 0 && !ferror(stdout))
    return status;
  complain("cannot write to standard output: %s", strerror(errno));
  clearerr(stdout);
  return status == EXIT_FINE ? EXIT_FAILED : status;
}
