/* Files, datasets and captured output for the tests of the runtime. */
#include "tests/runtime/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "runtime/runtime.h"
#include "tests/runtime/program.h"

/* ---- the working folder -------------------------------------------------- */

static char folder[256];

int folder_enter(void **state) {
  (void)state;
  const char *parent = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/sgrt-test-XXXXXX",
           parent ? parent : "/tmp");
  return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

/* Removes the names in the folder, or only counts them. */
static int each_name(bool removing) {
  int count = 0;
  DIR *open = opendir(".");
  for (struct dirent *entry; open && (entry = readdir(open));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    count++;
    if (removing && unlink(entry->d_name) != 0)
      rmdir(entry->d_name);
  }
  closedir(open);
  return count;
}

int folder_leave(void **state) {
  (void)state;
  each_name(true);
  return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

int folder_count(void) {
  return each_name(false);
}

/* ---- files --------------------------------------------------------------- */

void file_put(const char *path, const void *data, size_t size) {
  unlink(path); /* truncating would make some file systems write at once */
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

void file_put_gzipped(const char *path, const void *data, size_t size) {
  gzFile file = gzopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(gzwrite(file, data, (unsigned)size), size);
  assert_int_equal(gzclose(file), Z_OK);
}

unsigned char *file_get(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  *size = (size_t)ftell(file);
  rewind(file);
  unsigned char *data = malloc(*size + 1);
  assert_non_null(data);
  assert_int_equal(fread(data, 1, *size, file), *size);
  fclose(file);
  return data;
}

bool file_exists(const char *path) {
  return access(path, F_OK) == 0;
}

void assert_files_equal(const char *a, const char *b) {
  size_t size_a, size_b;
  unsigned char *data_a = file_get(a, &size_a), *data_b = file_get(b, &size_b);
  assert_int_equal(size_a, size_b);
  assert_memory_equal(data_a, data_b, size_a);
  free(data_a);
  free(data_b);
}

/* ---- datasets ------------------------------------------------------------ */

size_t idx_make(unsigned char *out, int rank, const uint32_t *size,
                const unsigned char *data, size_t bytes) {
  const unsigned char magic[] = {0, 0, 8, (unsigned char)rank};
  memcpy(out, magic, sizeof magic);
  for (int i = 0; i < rank; i++)
    for (int byte = 0; byte < 4; byte++)
      out[4 + 4 * i + byte] = (unsigned char)(size[i] >> (24 - 8 * byte));
  memcpy(out + 4 + 4 * rank, data, bytes);
  return 4 + 4 * (size_t)rank + bytes;
}

/* Points whose class shows in one feature, with much noise. */
static void put_set(const char *images, const char *labels, int count,
                    unsigned seed) {
  enum { MOST = 4096 };
  static unsigned char image[MOST * POINTS], label[MOST];
  static unsigned char file[MOST * POINTS + 64];
  assert_true(count <= MOST);
  for (int i = 0; i < count; i++) {
    label[i] = (unsigned char)(i * 7 % 11 % CLASSES);
    for (int k = 0; k < POINTS; k++) {
      seed = seed * 1103515245 + 12345;
      unsigned noise = seed >> 16 & 127;
      image[i * POINTS + k] =
          (unsigned char)(noise + (k == label[i] ? 100 : 0));
    }
  }
  const uint32_t size[] = {(uint32_t)count, POINTS};
  size_t bytes = idx_make(file, 2, size, image, (size_t)count * POINTS);
  file_put(images, file, bytes);
  bytes = idx_make(file, 1, size, label, (size_t)count);
  file_put_gzipped(labels, file, bytes);
}

void datasets_put(int count, int tests) {
  put_set("train-images", "train-labels", count, 1);
  put_set("test-images", "test-labels", tests, 2);
}

/* ---- captured output ----------------------------------------------------- */

char run_output[TEXT_BYTES], run_errors[TEXT_BYTES];
static FILE *captured[2];
static int saved[2];

static void redirect(FILE *stream, int number) {
  fflush(stream);
  captured[number] = fdopen(memfd_create("captured", 0), "w+");
  assert_non_null(captured[number]);
  saved[number] = dup(fileno(stream));
  dup2(fileno(captured[number]), fileno(stream));
}

static void restore(FILE *stream, int number, char *text) {
  fflush(stream);
  dup2(saved[number], fileno(stream));
  close(saved[number]);
  rewind(captured[number]);
  size_t n = fread(text, 1, TEXT_BYTES - 1, captured[number]);
  text[n] = '\0';
  fclose(captured[number]);
}

void capture_begin(void) {
  redirect(stdout, 0);
  redirect(stderr, 1);
}

void capture_end(void) {
  restore(stdout, 0, run_output);
  restore(stderr, 1, run_errors);
}

int run_line(const char *line) {
  return run_program(&sg_program, line);
}

int run_program(const SgProgram *program, const char *line) {
  enum { WORDS = 256 };
  char text[4096], *word[WORDS + 1] = {"tiny"};
  int count = 1;
  assert_true(strlen(line) < sizeof text);
  strcpy(text, line);
  for (char *at = strtok(text, " "); at && count < WORDS;
       at = strtok(NULL, " "))
    word[count++] = at;
  capture_begin();
  int status = program_main(program, count, word);
  capture_end();
  return status;
}

void assert_error(const char *part) {
  if (!strstr(run_errors, part))
    fail_msg("`%s` is not in: %s", part, run_errors);
}
