/* What the fuzz targets share: one compilation of one input, and the promises
 * that every input is held to.
 *
 *   input bytes -- sg.c or sgir.c: the target
 *               -- support.c: messages, read-back, passes, evaluation
 *   libFuzzer or replay.c calls LLVMFuzzerTestOneInput.
 *
 * A broken promise prints what was promised and aborts.
 */
#ifndef SG_TESTS_FUZZ_FUZZ_H
#define SG_TESTS_FUZZ_FUZZ_H

#include <time.h>

#include "ir/ir.h"

/* Returns 0; aborts on a finding. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Longer inputs are ignored: small ones find the same faults faster. */
enum { FUZZ_INPUT_LIMIT = 64 << 10 };
/* Of processor time for one input, with sanitizers. */
enum { FUZZ_SECONDS = 10 };

typedef struct {
  Arena *arena;
  Interner *interner;
  Sources sources;
  Diagnostics *diagnostics;
  uint32_t source; /* the input */
  clock_t start;
  unsigned placed; /* error messages that begin with `file:line:column:` */
  Buffer messages; /* all pages, for the report of a finding */
} Compilation;

/* A compilation of `length` bytes under the file name `name`. */
void compilation_open(Compilation *c, const char *name, const void *text,
                      size_t length);
/* Releases it. Promises that it took no more than FUZZ_SECONDS. */
void compilation_close(Compilation *c);

/* Aborts with `promise` and, if it is not NULL, `text` unless `kept`. */
void promise(bool kept, const char *promise, const char *text);
/* What was refused was said, with a place; what was not refused was silent. */
void promise_diagnosed(const Compilation *c, bool refused);

/* The program satisfies the verifier, and prints to a text that reads back and
 * prints the same. */
void promise_reads_back(const Program *program);
/* The rest of the way to level final, if the program is small: every pass
 * succeeds or is refused with a message, and leaves a program that reads back.
 * Evaluates before and after where that is cheap. */
void promise_passes(Compilation *c, Program *program);

#endif
