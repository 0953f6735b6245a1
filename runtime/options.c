/* The command line behind a command: a table of options, and words.
 *
 * In: argv. Out: Arguments, whose texts point into argv. Nothing is ignored:
 * what is unknown, given twice in vain or makes no sense together is refused.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef enum {
  KIND_COUNT, /* a whole number from 1 on */
  KIND_SEED,
  KIND_TEXT,
  KIND_FLAG,
  KIND_OUTPUT,  /* one of several */
  KIND_REDIRECT /* one of several */
} OptionKind;

typedef struct {
  const char *name;
  char letter; /* its short form, or 0 */
  OptionKind kind;
  unsigned commands; /* that know it */
  size_t field;      /* offset in Arguments */
  const char *value, *help;
} Option;

enum { COMMAND_ALL = COMMAND_TRAIN | COMMAND_LOADING };
#define FIELD(name) offsetof(Arguments, name)

static const Option options[] = {
    {"steps", 0, KIND_COUNT, COMMAND_TRAIN, FIELD(steps), "N",
     "train N steps in all"},
    {"epochs", 0, KIND_COUNT, COMMAND_TRAIN, FIELD(epochs), "N",
     "train N epochs in all"},
    {"resume", 0, KIND_TEXT, COMMAND_TRAIN, FIELD(resume), "FILE",
     "go on from this checkpoint, bit for bit"},
    {"save", 0, KIND_TEXT, COMMAND_TRAIN, FIELD(save), "FILE",
     "save here (default: PROGRAM.safetensors)"},
    {"save-every", 0, KIND_COUNT, COMMAND_TRAIN, FIELD(save_every), "N",
     "save every N steps, too"},
    {"keep-going", 0, KIND_FLAG, COMMAND_TRAIN, FIELD(keep_going), NULL,
     "train on when --save-every fails to save"},
    {"seed", 0, KIND_SEED, COMMAND_TRAIN, FIELD(seed), "N",
     "seed of initial values and order of data"},
    {"log", 0, KIND_TEXT, COMMAND_TRAIN, FIELD(log), "FILE",
     "write a line of JSON a step (--resume: append)"},
    {"quiet", 0, KIND_FLAG, COMMAND_TRAIN, FIELD(quiet), NULL,
     "show no progress"},
    {"check", 0, KIND_FLAG, COMMAND_TRAIN, FIELD(check), NULL,
     "stop at the first NaN, infinity or saturation"},
    {"data", 0, KIND_REDIRECT, COMMAND_TRAIN | COMMAND_EVAL, 0,
     "SET.COLUMN=FILE", "read a column of a dataset from FILE"},
    {"weights", 0, KIND_TEXT, COMMAND_ALL, FIELD(weights), "FILE",
     "load the weights of this checkpoint"},
    {"convert", 0, KIND_FLAG, COMMAND_ALL, FIELD(convert), NULL,
     "round weights whose format or exponent differs"},
    {"output", 'o', KIND_OUTPUT, COMMAND_RUN, 0, "FILE.npy",
     "write the result here; -o NAME=FILE of several"},
    {"threads", 0, KIND_COUNT, COMMAND_ALL, FIELD(threads), "N",
     "use N threads (default: one a processor)"},
    {"help", 'h', KIND_FLAG, COMMAND_ALL | COMMAND_INFO, FIELD(help), NULL,
     "this page"},
};
enum { OPTION_COUNT = sizeof options / sizeof options[0] };

/* One line an option, those of `command` only. */
void print_options(FILE *stream, unsigned command) {
  for (int i = 0; i < OPTION_COUNT; i++) {
    const Option *option = &options[i];
    if (!(option->commands & command))
      continue;
    char name[64];
    snprintf(name, sizeof name, "%s%c%s--%s%s%s", option->letter ? "-" : "",
             option->letter ? option->letter : ' ', option->letter ? ", " : "",
             option->name, option->value ? "=" : "",
             option->value ? option->value : "");
    fprintf(stream, "  %-24s %s\n", name + (option->letter == 0), option->help);
  }
}

/* ---- values -------------------------------------------------------------- */

typedef struct {
  const SgProgram *program;
  unsigned command;
  int argc, at;
  char *const *argv;
  Arguments *out;
} Parser;

/* `text` is what the user wrote. */
static int usage_error(const char *what, const char *text) {
  complain("%s: %s (see --help)", text, what);
  return EXIT_USAGE;
}

/* Digits only: strtoull by itself would take signs and spaces. */
static bool read_number(const char *text, uint64_t *out) {
  if (!*text || strspn(text, "0123456789") != strlen(text))
    return false;
  errno = 0;
  *out = strtoull(text, NULL, 10);
  return errno == 0;
}

static int set_count(const Option *option, const char *text, int64_t *field) {
  enum { THREADS_MAX = 1024 };
  uint64_t value, most = INT64_MAX;
  if (option->field == FIELD(threads))
    most = THREADS_MAX;
  if (!read_number(text, &value) || value == 0 || value > most) {
    complain("--%s needs a whole number from 1 to %" PRIu64 ", not `%s`",
             option->name, most, text);
    return EXIT_USAGE;
  }
  *field = (int64_t)value;
  return EXIT_FINE;
}

static int set_seed(const char *text, Arguments *out) {
  out->has_seed = read_number(text, &out->seed);
  if (out->has_seed)
    return EXIT_FINE;
  complain("--seed needs a whole number below 2^64, not `%s`", text);
  return EXIT_USAGE;
}

/* Does `text` begin with SET.COLUMN=, with these names? */
static const char *redirect_path(const char *text, const SgDataset *dataset,
                                 const SgColumn *column) {
  size_t set = strlen(dataset->name), name = strlen(column->name);
  bool same = strncmp(text, dataset->name, set) == 0 && text[set] == '.' &&
              strncmp(text + set + 1, column->name, name) == 0 &&
              text[set + 1 + name] == '=';
  return same ? text + set + name + 2 : NULL;
}

/* Finds the column that the text names; a column is redirected once. */
static int add_redirect(const Parser *parser, const char *text) {
  const SgProgram *program = parser->program;
  Arguments *out = parser->out;
  for (int64_t d = 0; d < program->dataset_count; d++)
    for (int64_t c = 0; c < program->dataset[d].column_count; c++) {
      const char *path = redirect_path(text, &program->dataset[d],
                                       &program->dataset[d].column[c]);
      if (!path)
        continue;
      for (int i = 0; i < out->redirects; i++)
        if (out->redirect[i].dataset == d && out->redirect[i].column == c)
          return usage_error("this column is given twice", text);
      out->redirect[out->redirects++] = (Redirect){d, c, path};
      return EXIT_FINE;
    }
  return usage_error("--data needs SET.COLUMN=FILE, of a dataset of this "
                     "program",
                     text);
}

/* Puts a value where its option says; KIND_FLAG takes none. */
static int set_option(const Parser *parser, const Option *option,
                      const char *value) {
  Arguments *out = parser->out;
  char *field = (char *)out + option->field;
  switch (option->kind) {
  case KIND_COUNT:
    return set_count(option, value, (int64_t *)(void *)field);
  case KIND_SEED:
    return set_seed(value, out);
  case KIND_TEXT:
    *(const char **)(void *)field = value;
    return *value ? EXIT_FINE : usage_error("a name is needed", option->name);
  case KIND_FLAG:
    *(bool *)field = true;
    return EXIT_FINE;
  case KIND_OUTPUT:
    out->output[out->outputs++] = value;
    return EXIT_FINE;
  case KIND_REDIRECT:
    return add_redirect(parser, value);
  }
  return EXIT_USAGE;
}

/* ---- options and words --------------------------------------------------- */

/* The option that a text names, from behind its dashes up to `length`. */
static const Option *find_option(unsigned command, const char *name,
                                 size_t length, bool letter) {
  for (int i = 0; i < OPTION_COUNT; i++) {
    const Option *option = &options[i];
    bool same = letter ? option->letter == *name
                       : strlen(option->name) == length &&
                             memcmp(option->name, name, length) == 0;
    if (same && option->commands & command)
      return option;
  }
  return NULL;
}

/* --name=VALUE, --name VALUE, --name; -oVALUE, -o VALUE. */
static int parse_option(Parser *parser, const char *text) {
  bool letter = text[1] != '-';
  const char *name = text + (letter ? 1 : 2);
  size_t length = letter ? 1 : strcspn(name, "=");
  const Option *option = find_option(parser->command, name, length, letter);
  if (!option)
    return usage_error("there is no such option here", text);
  const char *rest = name + length;
  bool given = *rest != '\0';
  const char *value = given && !letter ? rest + 1 : rest;
  if (option->kind == KIND_FLAG)
    return given ? usage_error("this option takes no value", text)
                 : set_option(parser, option, NULL);
  if (!given && parser->at == parser->argc)
    return usage_error("this option needs a value", text);
  return set_option(parser, option, given ? value : parser->argv[parser->at++]);
}

/* The first word is the entry, unless it is an input of run. */
static int parse_word(const Parser *parser, const char *text) {
  Arguments *out = parser->out;
  bool run = parser->command == COMMAND_RUN;
  if (run && strchr(text, '='))
    out->argument[out->arguments++] = text;
  else if (!out->entry && parser->command != COMMAND_INFO)
    out->entry = text;
  else
    return usage_error("one word too many", text);
  return EXIT_FINE;
}

/* Options that contradict one another, or need one another. */
static int check_together(const Arguments *arguments, unsigned command) {
  const char *both = NULL;
  if (arguments->steps && arguments->epochs)
    both = "--steps and --epochs";
  if (arguments->resume && arguments->weights)
    both = "--resume and --weights";
  if (arguments->resume && arguments->has_seed)
    both = "--resume (which brings its seed along) and --seed";
  if (both) {
    complain("%s exclude each other", both);
    return EXIT_USAGE;
  }
  if (command == COMMAND_TRAIN && arguments->convert && !arguments->resume &&
      !arguments->weights) {
    complain("--convert needs --resume or --weights");
    return EXIT_USAGE;
  }
  return EXIT_FINE;
}

/* Room for as many of each list as there are words. */
static bool lists_new(Arguments *out, int argc) {
  size_t count = (size_t)argc + 1;
  out->output = memory_new(count, sizeof *out->output);
  out->argument = memory_new(count, sizeof *out->argument);
  out->redirect = memory_new(count, sizeof *out->redirect);
  return out->output && out->argument && out->redirect;
}

int arguments_parse(Arguments *out, const SgProgram *program, unsigned command,
                    int argc, char *const *argv) {
  *out = (Arguments){0};
  Parser parser = {program, command, argc, 0, argv, out};
  int status = lists_new(out, argc) ? EXIT_FINE : out_of_memory();
  bool words = false;
  while (status == EXIT_FINE && parser.at < argc) {
    const char *text = argv[parser.at++];
    if (!words && strcmp(text, "--") == 0)
      words = true;
    else if (!words && text[0] == '-' && text[1] != '\0')
      status = parse_option(&parser, text);
    else
      status = parse_word(&parser, text);
  }
  if (status == EXIT_FINE && !out->help)
    status = check_together(out, command);
  if (status != EXIT_FINE)
    arguments_free(out);
  return status;
}

void arguments_free(Arguments *arguments) {
  sgrt_io.release(arguments->output);
  sgrt_io.release(arguments->argument);
  sgrt_io.release(arguments->redirect);
  *arguments = (Arguments){0};
}
