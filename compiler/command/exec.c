/* `sgc exec FILE [NAME=FILE.npy ...]`: the reference evaluator. */
#include "compiler/command/command.h"

sg_status command_exec(Command *command) {
  sg_status status;
  sg_context *sg = command_open(command, &status);
  if (!sg)
    return status;
  sg_exec_options options = command->exec;
  options.inputs = command->word + 1;
  options.input_count = (size_t)command->word_count - 1;
  status = sg_load(sg, command->word[0]);
  if (status == SG_OK)
    status = sg_exec(sg, &options);
  sg_close(sg);
  return status;
}
