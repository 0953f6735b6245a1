/* `sgc fmt FILE ...`: each file in place; `-` to standard output. */
#include "compiler/command/command.h"

static sg_status format_file(const Command *command, sg_context *sg,
                             const char *file) {
  int changed = 0;
  sg_status status = sg_format(sg, command->check ? NULL : file, &changed);
  if (status != SG_OK || !changed || !command->check)
    return status;
  printf("%s\n", file);
  status = command_flush(command);
  return status == SG_OK ? SG_PROGRAM : status;
}

sg_status command_fmt(Command *command) {
  return command_each_file(command, format_file);
}
