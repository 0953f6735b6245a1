/* sgc: the commands of compiler/command, on sg.h alone. */
#include "compiler/command/command.h"

#include <signal.h>

int main(int argc, char **argv) {
  signal(SIGXFSZ, SIG_IGN); /* a full disk is an error of write */
  Command command;
  sg_status status = SG_USAGE;
  ParseResult result = command_parse(&command, argc, argv);
  if (result == PARSE_RUN)
    status = command_table[command.id].run(&command);
  else if (result == PARSE_DONE)
    status = command_flush(&command);
  command_free(&command);
  return status;
}
