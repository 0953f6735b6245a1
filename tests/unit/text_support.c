/* Programs from .sgir text for the tests of the IR; see text_support.h. */
#include "tests/unit/text_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static void collect(void *user, Severity severity, const char *rendered) {
  (void)severity;
  buffer_text(user, rendered);
}

Text *text_read_bytes(const char *bytes, size_t length) {
  Arena *arena = arena_new();
  Text *text = NEW(arena, Text);
  text->arena = arena;
  sources_init(&text->sources, arena);
  text->interner = interner_new(arena);
  text->diagnostics =
      diagnostics_new(arena, &text->sources, collect, &text->messages);
  uint32_t source =
      sources_add(&text->sources, "test.sgir", bytes, length, false);
  text->program = program_read(arena, text->interner, &text->sources, source,
                               text->diagnostics);
  return text;
}

Text *text_read(const char *bytes) {
  Text *text = text_read_bytes(bytes, strlen(bytes));
  if (!text->program)
    fail_msg("%s", text->messages.data);
  return text;
}

void text_free(Text *text) {
  Arena *arena = text->arena;
  program_free(text->program);
  buffer_free(&text->messages);
  sources_free(&text->sources);
  arena_free(arena);
}

Graph *text_graph(const Text *text) {
  return text->program->graph.data[0];
}

ValueId text_value(const Text *text, const char *name) {
  const Graph *graph = text_graph(text);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    char sigil = node->op == OP_PARAM          ? '@'
                 : node_defines_exponent(node) ? '$'
                                               : '%';
    if (node->name && sigil == name[0] && strcmp(node->name, name + 1) == 0)
      return id;
  }
  fail_msg("there is no value %s", name);
  return 0;
}

Node *text_node(const Text *text, const char *name) {
  return graph_node(text_graph(text), text_value(text, name));
}

/* Moves a buffer's contents to the arena. */
static const char *keep(Text *text, Buffer *buffer) {
  const char *copy = arena_string(text->arena, buffer->data ? buffer->data : "",
                                  buffer->length);
  buffer_free(buffer);
  return copy;
}

const char *text_print(Text *text, const PrintOptions *options) {
  PrintOptions none = {0};
  Buffer buffer = {0};
  program_print(&buffer, text->program, options ? options : &none);
  return keep(text, &buffer);
}

const char *text_verify(Text *text) {
  Buffer buffer = {0};
  unsigned count = program_verify(text->program, &buffer), lines = 0;
  for (size_t i = 0; i < buffer.length; i++)
    lines += buffer.data[i] == '\n';
  assert_int_equal(count, lines);
  return keep(text, &buffer);
}

const char *text_round_trip(Text *text, const PrintOptions *options) {
  const char *printed = text_print(text, options);
  Text *again = text_read(printed);
  assert_string_equal(text_print(again, options), printed);
  text_free(again);
  return printed;
}
