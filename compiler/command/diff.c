/* `sgc diff FILE FILE`: what two programs differ in; exit codes as of diff(1).
 */
#include "compiler/command/command.h"

static sg_context *load(const Command *command, const char *file,
                        sg_status *status) {
  sg_context *sg = command_open(command, status);
  if (sg)
    *status = sg_load(sg, file);
  return sg;
}

sg_status command_diff(Command *command) {
  sg_status status;
  int different = 0;
  sg_context *a = load(command, command->word[0], &status), *b = NULL;
  if (status == SG_OK)
    b = load(command, command->word[1], &status);
  if (status == SG_OK)
    status = sg_diff(a, b, command->exec.stage, "-", &different);
  sg_close(a);
  sg_close(b);
  return status == SG_OK && different ? SG_PROGRAM : status;
}
