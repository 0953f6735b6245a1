/* The rows of options.def and commands.def as arrays, and simple questions
 * about them. */
#include "compiler/command/command.h"

#include <stdlib.h>
#include <string.h>

const OptionRow option_table[OPTION_COUNT] = {
#define GROUP(...)
#define OPTION(id, commands, group, ...)                                       \
  [OPTION_##id] = {commands, GROUP_##group, __VA_ARGS__},
#include "compiler/command/options.def"
};

const char *const group_titles[GROUP_COUNT] = {
#define GROUP(id, title) title,
#define OPTION(...)
#include "compiler/command/options.def"
};

#define WORD(id) (COMMAND_##id == COMMAND_compile ? NULL : #id)
const CommandRow command_table[COMMAND_COUNT] = {
#define COMMAND(id, words, fewest, most, does, more)                           \
  {WORD(id), words, fewest, most, does, more, command_##id},
#include "compiler/command/commands.def"
};

bool option_is_for(OptionId option, CommandId command) {
  return (option_table[option].commands >> command & 1) != 0;
}

const char *command_title(CommandId command) {
  static const char *const title[] = {
#define COMMAND(id, ...) COMMAND_##id == COMMAND_compile ? "sgc" : "sgc " #id,
#include "compiler/command/commands.def"
  };
  return title[command];
}

bool option_may_lack_value(OptionId option) {
  return option_table[option].argument[0] == '[';
}

/* ---- what an argument may be -------------------------------------------- */

static void *allocated(void *memory) {
  if (!memory)
    exit(SG_INTERNAL);
  return memory;
}

static size_t length_of(const char *const *list) {
  size_t count = 0;
  while (list[count])
    count++;
  return count;
}

/* Appends a copy of each word of a NULL-terminated list, behind `before`. */
static char **add_list(char **words, const char *before,
                       const char *const *list) {
  size_t had = words ? length_of((const char *const *)words) : 0;
  size_t count = length_of(list);
  words = allocated(realloc(words, (had + count + 1) * sizeof *words));
  for (size_t i = 0; i < count; i++) {
    size_t size = strlen(before) + strlen(list[i]) + 1;
    words[had + i] = allocated(malloc(size));
    snprintf(words[had + i], size, "%s%s", before, list[i]);
  }
  words[had + count] = NULL;
  return words;
}

static char **copy_list(const char *const *list) {
  return add_list(NULL, "", list);
}

/* What may follow -W. */
static char **warning_words(void) {
  static const char *const every[] = {"error", "all", NULL};
  char **words = copy_list(sg_warnings());
  words = add_list(words, "no-", sg_warnings());
  words = add_list(words, "", every);
  return add_list(words, "error=", sg_warnings());
}

/* The words of a text, separated by blanks. */
static char **split(const char *text) {
  char **words = allocated(calloc(strlen(text) / 2 + 2, sizeof *words));
  size_t count = 0;
  while (*text) {
    size_t length = strcspn(text, " ");
    words[count++] = allocated(strndup(text, length));
    text += length + strspn(text + length, " ");
  }
  return words;
}

char **option_words(OptionId option) {
  const char *values = option_table[option].values;
  if (!values || strcmp(values, "@file") == 0 || strcmp(values, "@folder") == 0)
    return NULL;
  if (strcmp(values, "@stages") == 0)
    return copy_list(sg_stages());
  if (strcmp(values, "@passes") == 0)
    return copy_list(sg_passes());
  if (strcmp(values, "@passes+all") == 0)
    return add_list(copy_list(sg_passes()), "",
                    (const char *const[]){"all", NULL});
  if (strcmp(values, "@warnings") == 0)
    return warning_words();
  if (strcmp(values, "@topics") == 0)
    return copy_list(sg_topics());
  return split(values);
}

void words_free(char **words) {
  for (char **word = words; word && *word; word++)
    free(*word);
  free(words);
}

/* `{}` in a help text stands for the words of the argument. */
char *option_help(OptionId option) {
  const char *help = option_table[option].help;
  const char *mark = strstr(help, "{}");
  char **words = option_words(option);
  size_t length = strlen(help) + 1;
  for (int i = 0; mark && words && words[i]; i++)
    length += strlen(words[i]) + 2;
  char *text = allocated(calloc(length, 1));
  strncpy(text, help, mark ? (size_t)(mark - help) : length);
  for (int i = 0; mark && words && words[i]; i++) {
    strcat(text, i ? ", " : "");
    strcat(text, words[i]);
  }
  if (mark)
    strcat(text, mark + 2);
  words_free(words);
  return text;
}
