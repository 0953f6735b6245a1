/* `sgc fmt FILE ...`: each file in place; `-` to standard output. */
#include "compiler/command/command.h"

static sg_status format_file(const Command *command, const char *file) {
  sg_status status;
  sg_context *sg = command_open(command, &status);
  int changed = 0;
  if (!sg)
    return status;
  status = sg_load(sg, file);
  if (status == SG_OK)
    status = sg_format(sg, command->check ? NULL : file, &changed);
  if (status == SG_OK && changed && command->check) {
    printf("%s\n", file);
    status = SG_PROGRAM;
  }
  sg_close(sg);
  return status;
}

/* The worst of the files decides. */
sg_status command_fmt(Command *command) {
  sg_status worst = SG_OK;
  for (int i = 0; i < command->word_count; i++) {
    sg_status status = format_file(command, command->word[i]);
    if (status > worst)
      worst = status;
  }
  return worst;
}
