/* Types that reductions and composites over rows give, and what they refuse. */
#include "tests/unit/shape_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

typedef struct {
  Op op;
  const char *a, *b, *pattern;
  Attributes attr; /* only what is not neutral: axis, size, eps, smooth */
  const char *expected;
} Case;

static void check_case(const Case *c) {
  Arena *arena = arena_new();
  Interner *interner = interner_new(arena);
  TypeTable *types = type_table_new(arena);
  Graph *graph = graph_new(arena, ENTRY_PLAIN, "f");
  Node node = node_make(c->op, PHASE_FORWARD, NULL, 0, 0, 0);
  const char *const text[] = {c->a, c->b};
  for (int i = 0; i < 2 && text[i]; i++) {
    Node leaf = node_make(OP_INPUT, PHASE_FORWARD,
                          type_from_text(types, text[i]), 0, 0, 0);
    node.input[i] = graph_add(graph, &leaf);
  }
  node.attr.pattern = c->pattern ? intern(interner, c->pattern) : NULL;
  node.attr.axis = c->attr.axis;
  node.attr.size = c->attr.size;
  node.attr.eps = c->attr.eps;
  node.attr.smooth = c->attr.smooth;
  shape_expect(types, graph, &node, arena, c->expected);
  graph_free(graph);
  arena_free(arena);
}

#define CHECK(...)                                                             \
  do {                                                                         \
    const Case table[] = {__VA_ARGS__};                                        \
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)                  \
      check_case(&table[i]);                                                   \
  } while (0)

static void reductions(void **state) {
  (void)state;
  CHECK({OP_MAX, "bf16[2,3,4]", NULL, "a b c -> a c", {0}, "real[2,4]"},
        {OP_MIN, "real[2]", NULL, "a ->", {0}, "real[]"},
        {OP_MAX, "real[0,3]", NULL, "a b -> a", {0}, "real[0]"},
        {OP_MIN,
         "real[2,0]",
         NULL,
         "a b -> a",
         {0},
         "min of no elements has no value: axis `b` of real[2,0]"},
        {OP_PROD, "real[2,0]", NULL, "a b -> a", {0}, "real[2]"},
        {OP_LOGSUMEXP, "f16[2,3]", NULL, "a b -> b", {0}, "real[3]"},
        {OP_PROD,
         "i32[2]",
         NULL,
         "a ->",
         {0},
         "prod works on real numbers, not i32[2]; convert it first"},
        {OP_ARGMIN, "real[2,3]", NULL, NULL, {.axis = 1}, "i32[2]"},
        {OP_ARGMIN,
         "real[2,3]",
         NULL,
         NULL,
         {.axis = 2},
         "argmin axis 2 is not an axis of real[2,3]"},
        {OP_ARGMAX,
         "real[2,0]",
         NULL,
         NULL,
         {.axis = 1},
         "argmax of no elements has no value: axis 1 of real[2,0]"});
}

static void gradients_of_reductions(void **state) {
  (void)state;
  CHECK({OP_MAX_GRAD, "real[2,3]", "real[3]", "a b -> b", {0}, "real[2,3]"},
        {OP_LOGSUMEXP_GRAD, "real[2,3]", "real[]", "a b ->", {0}, "real[2,3]"},
        {OP_PROD_GRAD,
         "real[2,3]",
         "real[2]",
         "a b -> b",
         {0},
         "prod_grad \"a b -> b\" of real[2,3] has no gradient real[2]"},
        {OP_MIN_GRAD,
         "real[2,3]",
         "real[3,1]",
         "a b -> b",
         {0},
         "min_grad \"a b -> b\" of real[2,3] has no gradient real[3,1]"},
        {OP_MAX_GRAD,
         "real[2,3]",
         "real[3]",
         "a b -> c",
         {0},
         "max_grad \"a b -> c\": no operand has axis `c`"});
}

static void rows(void **state) {
  (void)state;
  CHECK({OP_SOFTMAX, "bf16[2,3]", NULL, NULL, {.axis = 0}, "real[2,3]"},
        {OP_LOG_SOFTMAX, "real[2,0]", NULL, NULL, {.axis = 1}, "real[2,0]"},
        {OP_CUMSUM,
         "real[]",
         NULL,
         NULL,
         {.axis = 0},
         "cumsum axis 0 is not an axis of real[]"},
        {OP_SOFTMAX_GRAD,
         "real[2,3]",
         "real[3]",
         NULL,
         {.axis = 1},
         "softmax_grad needs equal shapes, not real[2,3] and real[3]"},
        {OP_LOG_SOFTMAX_GRAD,
         "real[2]",
         "real[2]",
         NULL,
         {.axis = -1},
         "log_softmax_grad axis -1 is not an axis of real[2]"},
        {OP_ONEHOT, "u8[2,3]", NULL, NULL, {.size = 5}, "real[2,3,5]"},
        {OP_ONEHOT,
         "real[2]",
         NULL,
         NULL,
         {.size = 5},
         "onehot needs whole numbers, not real[2]"},
        {OP_ONEHOT,
         "i32[2]",
         NULL,
         NULL,
         {.size = 0},
         "onehot of i32[2] cannot have a last axis of 0"},
        {OP_ONEHOT,
         "i32[1,1,1,1,1,1,1,1]",
         NULL,
         NULL,
         {.size = 2},
         "onehot of i32[1,1,1,1,1,1,1,1] cannot have a last axis of 2"});
}

static void norms_and_losses(void **state) {
  (void)state;
  CHECK({OP_LAYER_NORM, "f16[2,3]", NULL, NULL, {.eps = 1e-5}, "real[2,3]"},
        {OP_RMS_NORM,
         "real[]",
         NULL,
         NULL,
         {.eps = 1e-5},
         "rms_norm works along the last axis; real[] has none"},
        {OP_LAYER_NORM,
         "real[2]",
         NULL,
         NULL,
         {.eps = -1},
         "layer_norm needs a finite eps that is not negative"},
        {OP_RMS_NORM_GRAD,
         "real[2]",
         "real[2]",
         NULL,
         {.eps = NAN},
         "rms_norm_grad needs a finite eps that is not negative"},
        {OP_LAYER_NORM_GRAD,
         "real[2,3]",
         "real[3,2]",
         NULL,
         {.eps = 0},
         "layer_norm_grad needs equal shapes, not real[2,3] and real[3,2]"},
        {OP_SOFTMAX_XENT,
         "real[2,3]",
         "i64[2]",
         NULL,
         {.smooth = 0.5},
         "real[2]"},
        {OP_SOFTMAX_XENT,
         "real[2,3]",
         "i32[2]",
         NULL,
         {.smooth = 1.5},
         "softmax_xent needs a `smooth` from 0 to 1"});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reductions),
      cmocka_unit_test(gradients_of_reductions),
      cmocka_unit_test(rows),
      cmocka_unit_test(norms_and_losses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
