/* What the tests of the parser share: a text, parsed, with the messages that
 * came of it. A check that fails ends the test.
 */
#ifndef SG_TESTS_PARSE_SUPPORT_H
#define SG_TESTS_PARSE_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "compiler/front/ast.h"

/* One text, parsed; `messages` collects the rendered pages. */
typedef struct {
  Arena *arena;
  Interner *interner;
  Sources sources;
  Diagnostics *diagnostics;
  Buffer messages;
  File *file;
} Parse;

/* An empty compilation; close_parse() releases it. */
void open_parse(Parse *parse);
/* Opens one and parses `text` as the file t.sg. */
void parse_bytes(Parse *parse, const char *text, size_t length);
/* The same for a text that must be right. */
void parse_good(Parse *parse, const char *text);
void close_parse(Parse *parse);

/* The canonical form of a text that must be right, on the heap. */
char *printed(const char *text);
/* `text` prints as `canonical`, which prints as itself. */
void check_prints(const char *text, const char *canonical);

#endif
