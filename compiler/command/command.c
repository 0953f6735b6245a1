/* What every command does: messages, standard output, a context with the
 * settings of the command line, and one for each file in turn.
 */
#include "compiler/command/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- messages ------------------------------------------------------------ */

static void print_message(const Command *command, const char *hint,
                          const char *format, va_list args) {
  const char *title = command_title(command->id);
  char *text = NULL;
  if (vasprintf(&text, format, args) < 0)
    exit(SG_INTERNAL);
  if (command->json) {
    char *line = sg_message_json(SG_ERROR, text);
    fputs(line, stderr);
    free(line);
  } else {
    fprintf(stderr, "%s: %s\n", title, text);
    if (hint)
      fprintf(stderr, hint, title);
  }
  free(text);
}

void command_error(const Command *command, const char *format, ...) {
  va_list args;
  va_start(args, format);
  print_message(command, "Try `%s --help` for the options.\n", format, args);
  va_end(args);
}

void command_message(const Command *command, const char *format, ...) {
  va_list args;
  va_start(args, format);
  print_message(command, NULL, format, args);
  va_end(args);
}

sg_status command_flush(const Command *command) {
  if (fflush(stdout) == 0 && !ferror(stdout))
    return SG_OK;
  command_message(command, "cannot write standard output: %s",
                  strerror(errno ? errno : EIO));
  return SG_FILE;
}

/* ---- contexts ----------------------------------------------------------- */

static void on_message(void *user, sg_severity severity, const char *text) {
  (void)user;
  (void)severity;
  fputs(text, stderr);
}

/* --color=auto: on a terminal, unless NO_COLOR is set. */
static bool wants_color(const char *when) {
  if (strcmp(when, "auto") != 0)
    return strcmp(when, "always") == 0;
  const char *off = getenv("NO_COLOR");
  return isatty(STDERR_FILENO) && !(off && *off);
}

sg_context *command_open(const Command *command, sg_status *status) {
  sg_context *sg = sg_open(on_message, NULL);
  *status = sg_set(sg, "color", wants_color(command->color) ? "1" : "0");
  if (command->json)
    *status = sg_set(sg, "diagnostics", "json");
  for (int i = 0; i < command->setting_count && *status == SG_OK; i++)
    *status = sg_set(sg, command->setting[i].name, command->setting[i].value);
  if (*status == SG_OK)
    return sg;
  sg_close(sg);
  return NULL;
}

static sg_status load_and_do(const Command *command, sg_context *sg,
                             const char *file, FileAction *what) {
  sg_status status = sg_load(sg, file);
  return status == SG_OK ? what(command, sg, file) : status;
}

/* A setting that is refused is refused for every file: once is enough. */
sg_status command_each_file(const Command *command, FileAction *what) {
  sg_status worst = SG_OK;
  for (int i = 0; i < command->word_count; i++) {
    sg_status status;
    sg_context *sg = command_open(command, &status);
    if (!sg)
      return status;
    status = load_and_do(command, sg, command->word[i], what);
    sg_close(sg);
    if (status > worst)
      worst = status;
  }
  return worst;
}
