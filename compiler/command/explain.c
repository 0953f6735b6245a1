/* `sgc explain CODE`: what a message means, with a program that causes it and
 * one that does not; without a code, the list of all of them. `sgc explain FILE
 * --edge=NAME`: where exponent and format of a value come from. */
#include "compiler/command/command.h"

#include <stdlib.h>
#include <string.h>

static sg_status print(const Command *command, char *text) {
  fputs(text, stdout);
  free(text);
  return command_flush(command);
}

static sg_status explain_one(const Command *command, const char *name) {
  char *text = sg_explain(name);
  if (text)
    return print(command, text);
  if (strstr(name, ".sg")) {
    command_error(command,
                  "what is to be explained of `%s`? --edge=NAME asks for a "
                  "value",
                  name);
    return SG_USAGE;
  }
  const char *near = sg_explain_near(name);
  command_error(command, "no message has the code `%s`%s%s%s", name,
                near ? "; did you mean `" : "", near ? near : "",
                near ? "`?" : "");
  return SG_USAGE;
}

/* The option given by which a program would be read, or NULL. */
static const char *program_option(const Command *command) {
  for (int i = 0; i < command->setting_count; i++)
    for (int option = 0; option < OPTION_COUNT; option++) {
      const OptionRow *row = &option_table[option];
      const char *name = row->name ? row->name : row->spelled;
      if (name && row->commands != FOR_ALL &&
          strcmp(name, command->setting[i].name) == 0)
        return name;
    }
  return command->depth ? "depth" : NULL;
}

static sg_status explain_edge(Command *command) {
  sg_status status;
  if (command->word_count != 1) {
    command_error(command, "--edge needs one file, not %d",
                  command->word_count);
    return SG_USAGE;
  }
  sg_context *sg = command_open(command, &status);
  if (!sg)
    return status;
  status = sg_load(sg, command->word[0]);
  if (status == SG_OK)
    status = sg_explain_edge(sg, command->edge,
                             command->depth ? command->depth : 8, "-");
  sg_close(sg);
  return status;
}

sg_status command_explain(Command *command) {
  sg_status status = SG_OK;
  if (command->edge)
    return explain_edge(command);
  const char *option = program_option(command);
  if (option) {
    command_error(command, "--%s is about a program: it needs --edge", option);
    return SG_USAGE;
  }
  sg_context *sg = command_open(command, &status);
  sg_close(sg); /* what is wrong with the settings is said */
  if (status != SG_OK)
    return status;
  if (command->word_count == 0)
    return print(command, sg_explain_list());
  for (int i = 0; i < command->word_count && status == SG_OK; i++) {
    if (i > 0)
      putchar('\n');
    status = explain_one(command, command->word[i]);
  }
  return status;
}
