/* `sgc explain CODE`: what a message means, with a program that causes it and
 * one that does not; without a code, the list of all of them. */
#include "compiler/command/command.h"

#include <stdlib.h>

static sg_status print(char *text) {
  fputs(text, stdout);
  free(text);
  return fflush(stdout) == 0 ? SG_OK : SG_FILE;
}

static sg_status explain_one(const char *name) {
  char *text = sg_explain(name);
  if (text)
    return print(text);
  const char *near = sg_explain_near(name);
  command_error(COMMAND_explain, "no message has the code `%s`%s%s%s", name,
                near ? "; did you mean `" : "", near ? near : "",
                near ? "`?" : "");
  return SG_USAGE;
}

sg_status command_explain(Command *command) {
  sg_status status = SG_OK;
  if (command->word_count == 0)
    return print(sg_explain_list());
  for (int i = 0; i < command->word_count && status == SG_OK; i++) {
    if (i > 0)
      putchar('\n');
    status = explain_one(command->word[i]);
  }
  return status;
}
