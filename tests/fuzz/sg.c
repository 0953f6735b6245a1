/* Fuzz target: .sg text.
 *
 * In: any bytes. Promises: nothing crashes; a refused text has an error with
 * its place; a text that parses prints in a form that parses and prints the
 * same, and its layout by `sgc fmt` is a fixed point; a text that elaborates
 * gives a program that keeps promise_reads_back and promise_passes.
 */
#include "compiler/front/front.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static const char file_name[] = "input.sg";

/* NULL if it does not parse; else its printed form, the caller's to free. */
static Buffer printed_form(const void *text, size_t length, bool *parses) {
  Compilation c;
  Buffer out = {0};
  compilation_open(&c, file_name, text, length);
  File *file =
      parse_file(c.arena, c.interner, &c.sources, c.source, c.diagnostics);
  *parses = file && diagnostics_errors(c.diagnostics) == 0;
  promise_diagnosed(&c, !*parses);
  buffer_add(&out, "", 0);
  if (*parses)
    ast_print(&out, file);
  compilation_close(&c);
  return out;
}

/* Says whether the text parses. */
static bool promise_fixed_point(const void *text, size_t length) {
  bool parses, again = false;
  Buffer once = printed_form(text, length, &parses);
  if (parses) {
    Buffer twice = printed_form(once.data, once.length, &again);
    promise(again, "the printed form parses", once.data);
    promise(strcmp(once.data, twice.data) == 0,
            "the printed form prints as itself", once.data);
    buffer_free(&twice);
  }
  buffer_free(&once);
  return parses;
}

/* The layout of a text that parses. */
static Buffer layout(const void *text, size_t length) {
  Compilation c;
  Buffer out = {0};
  compilation_open(&c, file_name, text, length);
  buffer_add(&out, "", 0);
  FormatResult result =
      source_format(&out, c.interner, &c.sources, c.source, c.diagnostics);
  promise(result == FORMAT_DONE, "a text that parses can be laid out",
          c.messages.data);
  compilation_close(&c);
  return out;
}

static void promise_layout(const void *text, size_t length) {
  Buffer once = layout(text, length);
  Buffer twice = layout(once.data, once.length);
  promise(strcmp(once.data, twice.data) == 0, "a layout stays as it is",
          once.data);
  buffer_free(&once);
  buffer_free(&twice);
}

static void promise_elaborates(const void *text, size_t length) {
  Compilation c;
  FrontOptions options = {0};
  compilation_open(&c, file_name, text, length);
  Program *program = elaborate(c.arena, c.interner, &c.sources, c.source,
                               &options, c.diagnostics);
  promise_diagnosed(&c, program == NULL);
  if (program) {
    promise_reads_back(program);
    promise_passes(&c, program);
  }
  program_free(program);
  compilation_close(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > FUZZ_INPUT_LIMIT)
    return 0;
  if (promise_fixed_point(data, size))
    promise_layout(data, size);
  promise_elaborates(data, size);
  return 0;
}
