/* One change to a sound program, and what the verifier says of it. */
#include "tests/unit/verify_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

Text *text;

Graph *graph(void) {
  return text_graph(text);
}

Node *node(const char *name) {
  return text_node(text, name);
}

ValueId value(const char *name) {
  return text_value(text, name);
}

const Type *type(Format format, const char *like) {
  return type_with_format(text->program->types, node(like)->type, format);
}

Node *store_node(void) {
  for (ValueId id = 1; id < graph()->count; id++)
    if (graph_node(graph(), id)->op == OP_STORE)
      return graph_node(graph(), id);
  fail();
  return NULL;
}

void expect(const char *source, void (*change)(void), const char *expected) {
  text = text_read(source);
  assert_string_equal(text_verify(text), "");
  change();
  assert_string_equal(text_verify(text), expected);
  text_free(text);
}

void expect_each(const char *source, const Change *change, size_t count) {
  for (size_t i = 0; i < count; i++)
    expect(source, change[i].change, change[i].expected);
}
