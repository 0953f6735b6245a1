/* For the tests of the IR: programs from .sgir text and back.
 *
 *   Text *text = text_read("sgir 1 plain ...");
 *   Node *node = text_node(text, "%y");
 *   assert_string_equal(text_print(text, NULL), "...");
 *   text_free(text);
 */
#ifndef SG_TESTS_TEXT_SUPPORT_H
#define SG_TESTS_TEXT_SUPPORT_H

#include "ir/ir.h"

typedef struct {
  Arena *arena;
  Sources sources;
  Interner *interner;
  Diagnostics *diagnostics;
  Program *program; /* NULL after errors */
  Buffer messages;  /* all that was diagnosed, as rendered */
} Text;

/* Reads a text that may hold anything. */
Text *text_read_bytes(const char *bytes, size_t length);
/* Reads a text that must be right. */
Text *text_read(const char *text);
void text_free(Text *text);
/* The first graph, and its value "%y", "$s" or "@w" (which must exist). */
Graph *text_graph(const Text *text);
ValueId text_value(const Text *text, const char *name);
Node *text_node(const Text *text, const char *name);
/* The program as text, in the memory of `text`; NULL: default options. */
const char *text_print(Text *text, const PrintOptions *options);
/* What the verifier says, in the memory of `text`. */
const char *text_verify(Text *text);
/* Reads it, prints it, reads that and prints it again: the same text, which is
 * returned in the memory of `text`. */
const char *text_round_trip(Text *text, const PrintOptions *options);

#endif
