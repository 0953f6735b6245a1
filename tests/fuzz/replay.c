/* Runs a fuzz target over files, without a fuzzer: what was found once stays
 * found, with any compiler.
 *
 * usage: replay_TARGET FOLDER_OR_FILE...   folders are searched to the bottom;
 * files count whose suffix is SG_REPLAY_TARGET, the name of the target, and all
 * in a folder corpus/TARGET. Exit status 0, or an abort with the promise that
 * was broken; the file's name comes before.
 */
#include "tests/fuzz/fuzz.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned files;

static bool is_input(const char *path) {
  const char *dot = strrchr(path, '.');
  return strstr(path, "/corpus/" SG_REPLAY_TARGET "/") ||
         (dot && !strcmp(dot, "." SG_REPLAY_TARGET));
}

static int replay(const char *path, const struct stat *status, int type,
                  struct FTW *place) {
  (void)status;
  (void)place;
  if (type != FTW_F || !is_input(path))
    return 0;
  const char *error = NULL;
  size_t length;
  char *text = file_read(path, FUZZ_INPUT_LIMIT, &length, &error);
  if (!text) {
    fprintf(stderr, "%s: %s\n", path, error);
    return 1;
  }
  fprintf(stderr, "%s\n", path);
  LLVMFuzzerTestOneInput((const uint8_t *)text, length);
  free(text);
  files++;
  return 0;
}

int main(int count, char **argument) {
  for (int i = 1; i < count; i++)
    if (nftw(argument[i], replay, 16, FTW_PHYS) != 0)
      return 1;
  printf("%u inputs\n", files);
  return files == 0;
}
