/* For the tests of shape rules: types from text, and what a rule says. */
#ifndef SG_TESTS_SHAPE_SUPPORT_H
#define SG_TESTS_SHAPE_SUPPORT_H

#include "ir/ir.h"

/* "f32[2,3]" as a type. */
const Type *type_from_text(TypeTable *types, const char *text);
/* The node's type is `expected`, or its rule refuses it with that message. */
void shape_expect(TypeTable *types, const Graph *graph, const Node *node,
                  Arena *arena, const char *expected);

#endif
