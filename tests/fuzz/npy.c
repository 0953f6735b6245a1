/* Fuzz target: .npy files.
 *
 * In: any bytes. Promises: nothing crashes; a refused file has a message of
 * one line; what is read can be written and reads back as the same numbers.
 */
#include "ir/npy.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file in memory, and the path that opens it. */
typedef struct {
  int descriptor;
  char path[32];
} MemoryFile;

static MemoryFile file_new(const uint8_t *data, size_t size) {
  MemoryFile file = {.descriptor = memfd_create("npy", 0)};
  bool written = file.descriptor >= 0 &&
                 write(file.descriptor, data, size) == (ssize_t)size;
  if (!written)
    abort();
  snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.descriptor);
  return file;
}

static double *numbers(const NpyArray *array) {
  double *out = malloc((array->elements + 1) * sizeof *out);
  if (!out)
    abort();
  npy_to_double(array, out);
  return out;
}

static bool same_number(double a, double b) {
  return a == b || (isnan(a) && isnan(b));
}

static void promise_reads_again(const NpyArray *array) {
  char error[256] = "";
  NpyArray again;
  MemoryFile file = file_new(NULL, 0);
  double *first = numbers(array);
  promise(npy_write_double(file.path, array->format, array->rank, array->dim,
                           first, error, sizeof error),
          "what is read can be written", error);
  promise(npy_read(file.path, &again, error, sizeof error),
          "what is written can be read", error);
  promise(again.format == array->format && again.rank == array->rank &&
              !memcmp(again.dim, array->dim,
                      (size_t)array->rank * sizeof *array->dim),
          "what is written has its type and shape", NULL);
  double *second = numbers(&again);
  for (size_t i = 0; i < array->elements; i++)
    promise(same_number(first[i], second[i]), "numbers stay the same", NULL);
  free(first);
  free(second);
  npy_free(&again);
  close(file.descriptor);
}

static bool is_printable(const char *text) {
  for (; *text; text++)
    if ((unsigned char)*text < 0x20 || *text == 0x7f)
      return false;
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char error[256] = "";
  NpyArray array;
  if (size > FUZZ_INPUT_LIMIT)
    return 0;
  MemoryFile file = file_new(data, size);
  if (npy_read(file.path, &array, error, sizeof error)) {
    promise_reads_again(&array);
    npy_free(&array);
  } else {
    promise(error[0] && is_printable(error),
            "a refused file has a message of one printable line", error);
  }
  close(file.descriptor);
  return 0;
}
