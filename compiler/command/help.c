/* --help and --usage: the table as argp options, laid out by argp. */
#include "compiler/command/command.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

/* Spelled forms are shown as they are written; argp would prefix `--`. */
static struct argp_option spelled_option(const OptionRow *row, char *text,
                                         size_t size) {
  bool joined = row->spelled[strlen(row->spelled) - 1] == '=' ||
                strcmp(row->spelled, "-W") == 0;
  snprintf(text, size, "%s%s%s", row->spelled,
           joined || !row->argument ? "" : " ",
           row->argument ? row->argument : "");
  return (struct argp_option){.name = text,
                              .flags = OPTION_DOC | OPTION_NO_USAGE};
}

static struct argp_option plain_option(const OptionRow *row, int key) {
  bool optional = row->argument && row->argument[0] == '[';
  return (struct argp_option){.name = row->name,
                              .key = row->letter ? row->letter : key,
                              .arg = optional ? "TOPIC" : row->argument,
                              .flags = optional ? OPTION_ARG_OPTIONAL : 0};
}

/* argp sorts by number, and what is negative comes last. */
static int argp_group(int group) {
  return group == GROUP_HELP ? -1 : group + 1;
}

/* Headings and options of one command; `text` holds a buffer an option. */
static int fill(struct argp_option *out, char (*text)[80], char **help,
                CommandId command) {
  int count = 0;
  for (int group = 0; group < GROUP_COUNT; group++) {
    int heading = count++;
    for (int i = 0; i < OPTION_COUNT; i++) {
      const OptionRow *row = &option_table[i];
      if ((int)row->group != group || !option_is_for(i, command))
        continue;
      out[count] = row->spelled ? spelled_option(row, text[i], sizeof text[i])
                                : plain_option(row, 256 + i);
      out[count].doc = help[i];
      out[count++].group = argp_group(group);
    }
    if (count == heading + 1)
      count--; /* an empty group has no heading */
    else
      out[heading] = (struct argp_option){.doc = group_titles[group],
                                          .group = argp_group(group)};
  }
  out[count] = (struct argp_option){0};
  return count;
}

void help_print(CommandId command, bool usage) {
  struct argp_option options[OPTION_COUNT + GROUP_COUNT + 1];
  char text[OPTION_COUNT][80], title[40], doc[1024];
  char *help[OPTION_COUNT];
  const CommandRow *row = &command_table[command];
  for (int i = 0; i < OPTION_COUNT; i++)
    help[i] = option_help(i);
  fill(options, text, help, command);
  snprintf(title, sizeof title, "%s", command_title(command));
  snprintf(doc, sizeof doc, "%s\v%s", row->does, row->more);
  struct argp argp = {.options = options, .args_doc = row->words, .doc = doc};
  unsigned flags = usage ? ARGP_HELP_USAGE
                         : ARGP_HELP_SHORT_USAGE | ARGP_HELP_PRE_DOC |
                               ARGP_HELP_LONG | ARGP_HELP_POST_DOC;
  argp_help(&argp, stdout, flags, title);
  for (int i = 0; i < OPTION_COUNT; i++)
    free(help[i]);
}
