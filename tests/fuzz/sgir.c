/* Fuzz target: .sgir text.
 *
 * In: any bytes. Promises: nothing crashes; a refused text has an error with
 * its place; an accepted one keeps promise_reads_back and promise_passes.
 */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > FUZZ_INPUT_LIMIT)
    return 0;
  Compilation c;
  compilation_open(&c, "input.sgir", data, size);
  Program *program =
      program_read(c.arena, c.interner, &c.sources, c.source, c.diagnostics);
  promise_diagnosed(&c, program == NULL);
  if (program) {
    promise_reads_back(program);
    promise_passes(&c, program);
  }
  program_free(program);
  compilation_close(&c);
  return 0;
}
