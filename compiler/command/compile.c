/* `sgc FILE`: behaves like cc. One file in, one file out, silence on success;
 * --emit with several stages writes NAME.stage files. */
#include "compiler/command/command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *joined(const char *text, size_t length, const char *suffix) {
  char *name = calloc(length + strlen(suffix) + 1, 1);
  if (!name)
    exit(SG_INTERNAL);
  memcpy(name, text, length);
  strcpy(name + length, suffix);
  return name;
}

/* The base name of the input without folder and suffix, plus `suffix`. */
static char *output_name(const char *file, const char *suffix) {
  const char *slash = strrchr(file, '/');
  const char *base = slash ? slash + 1 : file;
  size_t length = strlen(base);
  if (length > 5 && strcmp(base + length - 5, ".sgir") == 0)
    length -= 5;
  else if (length > 3 && strcmp(base + length - 3, ".sg") == 0)
    length -= 3;
  if (strcmp(file, "-") == 0) {
    base = *suffix ? "stdin" : "a.out";
    length = 5;
  }
  return joined(base, length, suffix);
}

static bool writes_text(const char *stage) {
  return strcmp(stage, "obj") != 0 && strcmp(stage, "exe") != 0;
}

/* The same file, by whatever name? */
static bool same_file(const char *a, const char *b) {
  struct stat first, second;
  return stat(a, &first) == 0 && stat(b, &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/* Where a stage goes: heap memory, "-" for standard output. `several` stages
 * have names of their own. */
static char *output_path(const Command *command, const char *stage,
                         bool several) {
  char suffix[32] = "";
  if (command->output && !several)
    return joined(command->output, strlen(command->output), "");
  if (several && strcmp(stage, "exe") != 0)
    snprintf(suffix, sizeof suffix, ".%.20s", stage);
  else if (strcmp(stage, "obj") == 0)
    strcpy(suffix, ".o");
  else if (strcmp(stage, "asm") == 0)
    strcpy(suffix, ".s");
  bool assembly = strcmp(stage, "asm") == 0 && !command->emit;
  bool file = several || !writes_text(stage) || assembly;
  return file ? output_name(command->word[0], suffix) : joined("-", 1, "");
}

static sg_status emit_one(const Command *command, sg_context *sg,
                          const char *stage, bool several) {
  char *path = output_path(command, stage, several);
  sg_status status;
  if (strcmp(path, "-") != 0 && same_file(path, command->word[0])) {
    command_message(command, "the output %s would overwrite the input", path);
    status = SG_USAGE;
  } else {
    status = sg_emit(sg, stage, path);
  }
  free(path);
  return status;
}

/* Is every name of a list of stages a stage? Says which is not. */
static bool known_stages(const Command *command, const char *list) {
  for (const char *at = list;; at++) {
    size_t length = strcspn(at, ",");
    bool known = false;
    for (const char *const *stage = sg_stages(); *stage; stage++)
      known |= strlen(*stage) == length && memcmp(*stage, at, length) == 0;
    if (!known) {
      command_message(command, "--emit: no stage is called `%.*s`", (int)length,
                      at);
      return false;
    }
    at += length;
    if (!*at)
      return true;
  }
}

/* ---- -MD ---------------------------------------------------------------- */

/* `path` with its suffix replaced by .d. */
static char *dependency_path(const char *path) {
  const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
  bool suffix = dot && dot > (slash ? slash + 1 : path);
  size_t length = suffix ? (size_t)(dot - path) : strlen(path);
  return joined(path, length, ".d");
}

enum { STAGES_MAX = 32 };

/* The targets are the outputs; what went to standard output is called as its
 * file would be. */
static sg_status write_dependencies(const Command *command, sg_context *sg,
                                    const char *const *stage, size_t count) {
  char *target[STAGES_MAX];
  for (size_t i = 0; i < count; i++) {
    target[i] = output_path(command, stage[i], count > 1);
    if (strcmp(target[i], "-") != 0)
      continue;
    free(target[i]);
    target[i] = output_path(&(Command){.word = command->word}, stage[i],
                            writes_text(stage[i]));
  }
  char *base = count == 1 ? dependency_path(target[0])
                          : output_name(command->word[0], ".d");
  const char *path = command->dependency_file ? command->dependency_file : base;
  sg_status status =
      sg_dependencies(sg, (const char *const *)target, count, path);
  for (size_t i = 0; i < count; i++)
    free(target[i]);
  free(base);
  return status;
}

/* ---- the command -------------------------------------------------------- */

static sg_status emit_list(const Command *command, sg_context *sg, char *list) {
  const char *stages[STAGES_MAX];
  size_t count = 0;
  for (char *stage; (stage = strsep(&list, ",")) != NULL;) {
    if (count == STAGES_MAX) {
      command_message(command, "--emit takes at most %d stages", STAGES_MAX);
      return SG_USAGE;
    }
    stages[count++] = stage;
  }
  sg_status status = sg_check_passes(sg, stages, count);
  for (size_t i = 0; i < count && status == SG_OK; i++)
    status = emit_one(command, sg, stages[i], count > 1);
  bool wanted = command->dependencies || command->dependency_file;
  if (status == SG_OK && wanted)
    status = write_dependencies(command, sg, stages, count);
  return status;
}

static sg_status annotate(const Command *command, sg_context *sg) {
  const char *path = command->output ? command->output : "-";
  bool other = command->emit || command->stop_at_object ||
               command->stop_at_assembly || command->dependencies ||
               command->dependency_file;
  if (other) {
    command_message(command, "--annotate writes the source and nothing else");
    return SG_USAGE;
  }
  if (strcmp(path, "-") != 0 && same_file(path, command->word[0])) {
    command_message(command, "the output %s would overwrite the input", path);
    return SG_USAGE;
  }
  return sg_annotate(sg, path);
}

static sg_status emit_all(const Command *command, sg_context *sg) {
  const char *list = command->emit               ? command->emit
                     : command->stop_at_object   ? "obj"
                     : command->stop_at_assembly ? "asm"
                                                 : "exe";
  bool several = strchr(list, ',') != NULL;
  if (several && !known_stages(command, list))
    return SG_USAGE; /* before the first of them is written */
  if (several && command->output) {
    command_message(command, "-o names one file, but --emit=%s makes several",
                    list);
    return SG_USAGE;
  }
  char *copy = strdup(list);
  sg_status status = copy ? emit_list(command, sg, copy) : SG_INTERNAL;
  free(copy);
  return status;
}

/* -c, -S and --emit: none of them may be dropped for another. */
static bool check_results(const Command *command) {
  int results = command->stop_at_object + command->stop_at_assembly +
                (command->emit != NULL);
  if (results > 1 && !command->annotate)
    command_error(command, "-c, -S and --emit each say what to make: one of "
                           "them is enough");
  return results <= 1 || command->annotate;
}

sg_status command_compile(Command *command) {
  sg_status status;
  if (!check_results(command))
    return SG_USAGE;
  sg_context *sg = command_open(command, &status);
  if (!sg)
    return status;
  status = sg_load(sg, command->word[0]);
  if (status == SG_OK)
    status = command->annotate ? annotate(command, sg) : emit_all(command, sg);
  sg_close(sg);
  return status;
}
