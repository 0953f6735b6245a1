/* argv to a Command, by the table: long options (with `=` or the next word,
 * and any beginning that is unique), letters (in clusters), and options with a
 * spelling of their own (`-march=CPU`). Words and options may be mixed; `--`
 * ends the options. What is not known is refused with the nearest that is.
 */
#include "compiler/command/command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  Command *command;
  int argc, next; /* next: index of the word to read */
  char **argv;
  bool done; /* an option has said all there is to say */
} Reader;

/* ---- values ------------------------------------------------------------- */

/* "text, json or xml", in heap memory. */
static char *alternatives(char **words, int count) {
  size_t length = 1;
  for (int i = 0; i < count; i++)
    length += strlen(words[i]) + 4;
  char *text = calloc(length, 1);
  if (!text)
    exit(SG_INTERNAL);
  for (int i = 0; i < count; i++) {
    strcat(text, i == 0 ? "" : i == count - 1 ? " or " : ", ");
    strcat(text, words[i]);
  }
  return text;
}

/* An OWN option with a list of words takes only these. */
static bool check_word(const Command *command, OptionId option,
                       const char *shown, const char *value) {
  char **words = option_words(option);
  bool known = !words ||
               (option_table[option].values[0] == '@' && option != OPTION_help);
  int count = 0;
  for (; words && words[count]; count++)
    known |= strcmp(words[count], value) == 0;
  if (!known) {
    const char *near =
        sg_nearest(value, (const char *const *)words, (size_t)count);
    char *list = alternatives(words, count);
    command_message(command, "%s needs %s, not `%s`%s%s%s", shown, list, value,
                    near ? "; did you mean `" : "", near ? near : "",
                    near ? "`?" : "");
    free(list);
  }
  words_free(words);
  return known;
}

static bool read_number(const Command *command, const char *shown,
                        const char *text, long *number) {
  char *end;
  *number = strtol(text, &end, 10);
  if (end != text && !*end && *number >= 0)
    return true;
  command_error(command, "%s needs a whole number, not `%s`", shown, text);
  return false;
}

/* 0 stands for not given. */
static bool read_depth(Command *command, const char *shown, const char *text) {
  if (!read_number(command, shown, text, &command->depth))
    return false;
  if (command->depth > 0)
    return true;
  command_error(command, "%s needs a number from 1, not `%s`", shown, text);
  return false;
}

static void add_setting(Command *command, const char *name, const char *value) {
  command->setting[command->setting_count++] = (Setting){name, value};
}

/* The name sg_set knows an option by. */
static const char *setting_name(const OptionRow *row) {
  return row->name ? row->name : row->spelled + strspn(row->spelled, "-");
}

static void print_topic(const char *topic) {
  char *text = sg_topic(topic);
  fputs(text, stdout);
  free(text);
}

/* Options that end the run when they are met. */
static void apply_last(Reader *reader, OptionId option, const char *value) {
  reader->done = true;
  if (option == OPTION_version)
    printf("sgc %s (LLVM %s)\n", sg_version(), sg_llvm_version());
  else if (option == OPTION_completion)
    completion_print(stdout, value);
  else if (value)
    print_topic(value);
  else
    help_print(reader->command->id, option == OPTION_usage);
}

static bool read_seed(Command *command, const char *shown, const char *value) {
  long number;
  if (!read_number(command, shown, value, &number))
    return false;
  command->exec.seed = (unsigned long long)number;
  return true;
}

static bool read_edge(Command *command, const char *value) {
  if (command->edge)
    command_error(command, "one value is explained at a time: `%s` and `%s`",
                  command->edge, value);
  bool first = !command->edge;
  command->edge = value;
  return first;
}

/* One OWN option; `shown` is how messages call it. */
static bool apply_own(Reader *reader, OptionId option, const char *shown,
                      const char *value) {
  Command *command = reader->command;
  if (value && !check_word(command, option, shown, value))
    return false;
  switch (option) {
  case OPTION_output:
    command->output = value;
    return true;
  case OPTION_emit:
    command->emit = value;
    return true;
  case OPTION_object:
    return command->stop_at_object = true;
  case OPTION_assembly:
    return command->stop_at_assembly = true;
  case OPTION_annotate:
    return command->annotate = true;
  case OPTION_check:
    return command->check = true;
  case OPTION_dependencies:
    return command->dependencies = true;
  case OPTION_dependency_file:
    command->dependency_file = value;
    return true;
  case OPTION_steps:
    return read_number(command, shown, value, &command->exec.steps);
  case OPTION_seed:
    return read_seed(command, shown, value);
  case OPTION_precision:
    command->exec.precision = value;
    return true;
  case OPTION_at:
  case OPTION_stage:
    command->exec.stage = value;
    return true;
  case OPTION_edge:
    return read_edge(command, value);
  case OPTION_depth:
    return read_depth(command, shown, value);
  case OPTION_dump:
    command->exec.dump = value;
    return true;
  case OPTION_certificate:
    command->exec.certificate = 1;
    return true;
  case OPTION_only:
    command->exec.entry = value;
    return true;
  case OPTION_diagnostics:
    return true; /* wants_json has seen it */
  case OPTION_color:
    command->color = value;
    return true;
  default:
    apply_last(reader, option, value);
    return true;
  }
}

static bool apply(Reader *reader, OptionId option, const char *shown,
                  const char *value) {
  const OptionRow *row = &option_table[option];
  if (row->handling == OWN)
    return apply_own(reader, option, shown, value);
  add_setting(reader->command, setting_name(row), value ? value : "1");
  return true;
}

/* ---- spellings ---------------------------------------------------------- */

/* Applies an option whose value, if any, is `attached` or the next word. */
static bool take(Reader *reader, OptionId option, const char *shown,
                 const char *attached) {
  const OptionRow *row = &option_table[option];
  const Command *command = reader->command;
  const char *value = attached;
  if (!row->argument && attached) {
    command_error(command, "%s takes no value, but got `%s`", shown, attached);
    return false;
  }
  if (row->argument && !attached && !option_may_lack_value(option)) {
    if (reader->next >= reader->argc) {
      command_error(command, "%s needs a value: %s", shown, row->argument);
      return false;
    }
    value = reader->argv[reader->next++];
  }
  return apply(reader, option, shown, value);
}

/* The option whose long form is or begins with text[0..length); OPTION_COUNT if
 * there is none, -1 if there are several. */
static int long_option(CommandId command, const char *text, size_t length) {
  int found = OPTION_COUNT;
  for (int i = 0; i < OPTION_COUNT; i++) {
    const char *name = option_table[i].name;
    if (!name || !option_is_for(i, command) || strncmp(name, text, length) != 0)
      continue;
    if (strlen(name) == length)
      return i;
    found = found == OPTION_COUNT ? i : -1;
  }
  return found;
}

static bool unknown_option(const Command *command, const char *text) {
  const char *names[2 * OPTION_COUNT];
  char longs[OPTION_COUNT][40];
  size_t count = 0;
  size_t length = strcspn(text, "=");
  char *bare = strndup(text, length);
  for (int i = 0; i < OPTION_COUNT; i++) {
    const OptionRow *row = &option_table[i];
    if (!option_is_for(i, command->id))
      continue;
    snprintf(longs[i], sizeof longs[i], row->spelled ? "%.*s" : "--%.*s", 36,
             row->spelled ? row->spelled
             : row->name  ? row->name
                          : "");
    longs[i][strcspn(longs[i], "=")] = '\0';
    if (row->name || row->spelled)
      names[count++] = longs[i];
  }
  const char *near = bare && length > 2 ? sg_nearest(bare, names, count) : NULL;
  command_error(command, "there is no option `%s`%s%s%s", text,
                near ? "; did you mean `" : "", near ? near : "",
                near ? "`?" : "");
  free(bare);
  return false;
}

static bool read_long(Reader *reader, const char *text) {
  size_t length = strcspn(text + 2, "=");
  int option = long_option(reader->command->id, text + 2, length);
  char shown[48];
  if (option == OPTION_COUNT || length == 0)
    return unknown_option(reader->command, text);
  if (option < 0) {
    command_error(reader->command, "`%s` may be several options", text);
    return false;
  }
  snprintf(shown, sizeof shown, "--%s", option_table[option].name);
  return take(reader, (OptionId)option, shown,
              text[2 + length] ? text + 3 + length : NULL);
}

/* An option spelled like `text`, the longest one: -MF before -M. */
static int spelled_option(CommandId command, const char *text) {
  int found = OPTION_COUNT;
  size_t longest = 0;
  for (int i = 0; i < OPTION_COUNT; i++) {
    const char *spelled = option_table[i].spelled;
    size_t length = spelled ? strlen(spelled) : 0;
    bool fits = length > longest && option_is_for(i, command) &&
                strncmp(text, spelled, length) == 0 &&
                (option_table[i].argument || !text[length]);
    if (fits) {
      found = i;
      longest = length;
    }
  }
  return found;
}

static int letter_option(CommandId command, char letter) {
  for (int i = 0; i < OPTION_COUNT; i++)
    if (option_table[i].letter == letter && option_is_for(i, command))
      return i;
  return OPTION_COUNT;
}

/* -vo FILE: switches may share a dash; an argument ends the cluster. */
static bool read_letters(Reader *reader, const char *text) {
  for (const char *at = text + 1; *at; at++) {
    int option = letter_option(reader->command->id, *at);
    char shown[] = {'-', *at, '\0'};
    if (option == OPTION_COUNT)
      return unknown_option(reader->command, at == text + 1 ? text : shown);
    bool takes = option_table[option].argument != NULL &&
                 !option_may_lack_value((OptionId)option);
    const char *attached = takes && at[1] ? at + 1 : NULL;
    if (!take(reader, (OptionId)option, shown, attached))
      return false;
    if (takes || reader->done)
      break;
  }
  return true;
}

static bool read_option(Reader *reader, const char *text) {
  if (text[1] == '-')
    return read_long(reader, text);
  int option = spelled_option(reader->command->id, text);
  if (option == OPTION_COUNT)
    return read_letters(reader, text);
  const char *spelled = option_table[option].spelled;
  size_t length = strlen(spelled);
  char shown[48];
  snprintf(shown, sizeof shown, "%.*s", (int)strcspn(spelled, "="), spelled);
  const char *attached = text + length;
  return take(reader, (OptionId)option, shown,
              *attached || spelled[length - 1] == '=' ? attached : NULL);
}

/* ---- the whole line ----------------------------------------------------- */

/* A first word that other tools have for evaluating. */
static bool means_exec(const char *word) {
  static const char *const words[] = {"run", "train", "eval", "evaluate",
                                      "execute"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i], word) == 0)
      return true;
  return false;
}

/* A first word that is no file but nearly a command. */
static bool check_command(const Command *command) {
  const char *word = command->word_count ? command->word[0] : "";
  if (command->id != COMMAND_compile || strpbrk(word, "./") ||
      access(word, F_OK) == 0)
    return true;
  if (means_exec(word)) {
    command_error(command,
                  "there is no command `%s`: `sgc exec FILE` evaluates a "
                  "program, `sgc FILE` makes one that runs",
                  word);
    return false;
  }
  const char *names[COMMAND_COUNT];
  size_t count = 0;
  for (int i = 0; i < COMMAND_COUNT; i++)
    if (command_table[i].word)
      names[count++] = command_table[i].word;
  const char *near = sg_nearest(word, names, count);
  if (near)
    command_error(command, "there is no file `%s`; did you mean `sgc %s`?",
                  word, near);
  return !near;
}

/* `-` twice: nothing would be left for the second. */
static bool check_standard_input(const Command *command) {
  int count = 0;
  for (int i = 0; i < command->word_count; i++)
    count += strcmp(command->word[i], "-") == 0;
  if (count > 1)
    command_error(command, "standard input can be read once only");
  return count <= 1;
}

static bool check_words(const Command *command) {
  const CommandRow *row = &command_table[command->id];
  if (command->word_count < row->fewest) {
    command_error(command, command->word_count ? "needs %s" : "no input file",
                  row->words);
    return false;
  }
  if (command->word_count <= row->most)
    return true;
  if (row->most == 1)
    command_error(command, "one file is compiled at a time: %s and %s",
                  command->word[0], command->word[1]);
  else
    command_error(command, "at most %d words: %s", row->most, row->words);
  return false;
}

static CommandId command_named(const char *word) {
  for (int i = 0; i < COMMAND_COUNT; i++)
    if (command_table[i].word && strcmp(command_table[i].word, word) == 0)
      return (CommandId)i;
  return COMMAND_compile;
}

/* Does the line ask for messages as JSON? A message about one option must know
 * of those behind it. */
static bool wants_json(CommandId id, int argc, char **argv) {
  bool json = false;
  for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
    const char *text = argv[i];
    size_t length = strncmp(text, "--", 2) == 0 ? strcspn(text + 2, "=") : 0;
    if (!length || long_option(id, text + 2, length) != OPTION_diagnostics)
      continue;
    const char *value = text[2 + length] ? text + 3 + length : argv[i + 1];
    json = value && strcmp(value, "json") == 0;
  }
  return json;
}

static void *rows(int count, size_t size) {
  void *memory = calloc((size_t)count + 1, size);
  if (!memory)
    exit(SG_INTERNAL);
  return memory;
}

ParseResult command_parse(Command *command, int argc, char **argv) {
  *command =
      (Command){.id = argc > 1 ? command_named(argv[1]) : COMMAND_compile,
                .word = rows(argc, sizeof *command->word),
                .setting = rows(argc, sizeof *command->setting),
                .color = "auto",
                .exec = {.steps = 1, .seed = 1}};
  command->json = wants_json(command->id, argc, argv);
  Reader reader = {command, argc, 1 + (command->id != COMMAND_compile), argv,
                   false};
  bool options = true;
  while (reader.next < argc) {
    const char *text = argv[reader.next++];
    if (!options || text[0] != '-' || !text[1])
      command->word[command->word_count++] = text;
    else if (strcmp(text, "--") == 0)
      options = false;
    else if (!read_option(&reader, text))
      return PARSE_WRONG;
    if (reader.done)
      return PARSE_DONE;
  }
  bool good = check_command(command) && check_words(command) &&
              check_standard_input(command);
  return good ? PARSE_RUN : PARSE_WRONG;
}

void command_free(Command *command) {
  free(command->word);
  free(command->setting);
}
