/* `sgc FILE`: behaves like cc. One file in, one file out, silence on success;
 * --emit with several stages writes NAME.stage files. */
#include "compiler/command/command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
  char *name = malloc(length + strlen(suffix) + 1);
  if (!name)
    exit(SG_INTERNAL);
  memcpy(name, base, length);
  strcpy(name + length, suffix);
  return name;
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

static sg_status emit_one(const Command *command, sg_context *sg,
                          const char *stage, bool several) {
  const char *file = command->word[0];
  char suffix[32] = "";
  if (several && strcmp(stage, "exe") != 0)
    snprintf(suffix, sizeof suffix, ".%.20s", stage);
  else if (strcmp(stage, "obj") == 0)
    strcpy(suffix, ".o");
  else if (strcmp(stage, "asm") == 0)
    strcpy(suffix, ".s");
  char *name = output_name(file, suffix);
  bool asm_file = strcmp(stage, "asm") == 0 && !command->emit;
  const char *path = command->output && !several ? command->output
                     : several || !writes_text(stage) || asm_file ? name
                                                                  : "-";
  sg_status status;
  if (strcmp(path, "-") != 0 && same_file(path, file)) {
    fprintf(stderr, "sgc: the output %s would overwrite the input\n", path);
    status = SG_USAGE;
  } else {
    status = sg_emit(sg, stage, path);
  }
  free(name);
  return status;
}

/* Is every name of a list of stages a stage? Says which is not. */
static bool known_stages(const char *list) {
  for (const char *at = list;; at++) {
    size_t length = strcspn(at, ",");
    bool known = false;
    for (const char *const *stage = sg_stages(); *stage; stage++)
      known |= strlen(*stage) == length && memcmp(*stage, at, length) == 0;
    if (!known) {
      fprintf(stderr, "sgc: --emit: no stage is called `%.*s`\n", (int)length,
              at);
      return false;
    }
    at += length;
    if (!*at)
      return true;
  }
}

static sg_status emit_all(const Command *command, sg_context *sg) {
  const char *list = command->emit               ? command->emit
                     : command->stop_at_object   ? "obj"
                     : command->stop_at_assembly ? "asm"
                                                 : "exe";
  bool several = strchr(list, ',') != NULL;
  if (several && !known_stages(list))
    return SG_USAGE; /* before the first of them is written */
  if (several && command->output) {
    fprintf(stderr, "sgc: -o names one file, but --emit=%s makes several\n",
            list);
    return SG_USAGE;
  }
  char *copy = strdup(list), *rest = copy, *stage;
  sg_status status = copy ? SG_OK : SG_INTERNAL;
  while (status == SG_OK && (stage = strsep(&rest, ",")) != NULL)
    status = emit_one(command, sg, stage, several);
  free(copy);
  return status;
}

sg_status command_compile(Command *command) {
  sg_status status;
  sg_context *sg = command_open(command, &status);
  if (!sg)
    return status;
  status = sg_load(sg, command->word[0]);
  if (status == SG_OK)
    status = emit_all(command, sg);
  sg_close(sg);
  return status;
}
