/* `sgc check FILE ...`: errors and warnings, nothing else. */
#include "compiler/command/command.h"

static sg_status check_file(const Command *command, sg_context *sg,
                            const char *file) {
  (void)command, (void)file;
  return sg_check(sg);
}

sg_status command_check(Command *command) {
  return command_each_file(command, check_file);
}
