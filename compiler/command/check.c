/* `sgc check FILE ...`: errors and warnings, nothing else. */
#include "compiler/command/command.h"

static sg_status check_file(const Command *command, const char *file) {
  sg_status status;
  sg_context *sg = command_open(command, &status);
  if (!sg)
    return status;
  status = sg_load(sg, file);
  if (status == SG_OK)
    status = sg_check(sg);
  sg_close(sg);
  return status;
}

/* The worst of the files decides. */
sg_status command_check(Command *command) {
  sg_status worst = SG_OK;
  for (int i = 0; i < command->word_count; i++) {
    sg_status status = check_file(command, command->word[i]);
    if (status > worst)
      worst = status;
  }
  return worst;
}
