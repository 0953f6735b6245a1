/* Files and output for the tests of the runtime. */
#ifndef SG_TESTS_RUNTIME_FILES_H
#define SG_TESTS_RUNTIME_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/abi.h"

/* Makes a fresh folder, and works in it until folder_leave, which removes it
 * with all that is in it. For cmocka's setup and teardown. */
int folder_enter(void **state);
int folder_leave(void **state);

void file_put(const char *path, const void *data, size_t size);
void file_put_gzipped(const char *path, const void *data, size_t size);
/* A whole file in memory of malloc. */
unsigned char *file_get(const char *path, size_t *size);
bool file_exists(const char *path);
void assert_files_equal(const char *a, const char *b);
/* How many names the working folder holds. */
int folder_count(void);

/* An idx file of unsigned bytes: sizes, then data. Returns its size. */
size_t idx_make(unsigned char *out, int rank, const uint32_t *size,
                const unsigned char *data, size_t bytes);
/* The datasets that sg_program names: `count` examples for training and
 * `tests` for evaluation, the same ones each time. */
void datasets_put(int count, int tests);

/* Carries out the words of `line` (split at spaces) by sgrt_main. What it
 * writes goes to run_output and run_errors. */
int run_line(const char *line);
int run_program(const SgProgram *program, const char *line);
enum { TEXT_BYTES = 1 << 16 };
extern char run_output[TEXT_BYTES], run_errors[TEXT_BYTES];
/* Does everything that run_line does around a call: standard output and error
 * go to these texts between the two. */
void capture_begin(void);
void capture_end(void);
/* Asserts that run_errors contains `part`. */
void assert_error(const char *part);

#endif
