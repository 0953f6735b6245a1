/* Reads types, asks shape rules; see shape_support.h. */
#include "tests/unit/shape_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

const Type *type_from_text(TypeTable *types, const char *text) {
  size_t length = strcspn(text, "[");
  int64_t dim[MAX_RANK];
  int rank = 0;
  for (const char *at = text + length + 1; *at && *at != ']';) {
    char *end;
    dim[rank++] = strtoll(at, &end, 10);
    at = *end == ',' ? end + 1 : end;
  }
  return type_make(types, format_named(text, length), rank, dim);
}

void shape_expect(TypeTable *types, const Graph *graph, const Node *node,
                  Arena *arena, const char *expected) {
  const char *error = NULL;
  const Type *type = shape_infer(types, graph, node, arena, &error);
  Buffer got = {0};
  if (type)
    type_print(&got, type);
  else
    buffer_text(&got, error);
  assert_string_equal(got.data, expected);
  buffer_free(&got);
}
