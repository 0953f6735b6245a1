/* simplify: each rule where it applies and where it must not; each graph keeps
 * its bits in binary64 and in binary32 on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/pass_support.h"

/* ---- single rules -------------------------------------------------------- */

typedef struct {
  Sketch *s;
  ValueId x; /* parameter [3, 4] */
} Probe;

static Probe probe_new(void) {
  Sketch *s = sketch_new(ENTRY_PLAIN);
  return (Probe){s, sketch_param(s, "x", EXTENT(3, 4))};
}

/* Returns y, simplifies, and checks that the graph's text has `yes` and lacks
 * `no` (either may be NULL). */
static void probe_expect(Probe probe, ValueId y, const char *yes,
                         const char *no) {
  sketch_return(probe.s, "y", y);
  sketch_pass_exactly(probe.s, PASS_simplify);
  const char *text = sketch_text(probe.s);
  if ((yes && !strstr(text, yes)) || (no && strstr(text, no)))
    fail_msg("expected %s, not %s:\n%s", yes ? yes : "anything",
             no ? no : "(nothing)", text);
  sketch_free(probe.s);
}

/* relu(op(x, number)) with the number on one side. */
static void number_rule(Op op, double number, bool left, const char *yes,
                        const char *no) {
  Probe probe = probe_new();
  ValueId c = sketch_number(probe.s, number);
  ValueId a =
      sketch_op(probe.s, NULL, op, left ? c : probe.x, left ? probe.x : c, 0);
  probe_expect(probe, sketch_op(probe.s, "y", OP_RELU, a, 0, 0), yes, no);
}

static void neutral_numbers_vanish(void **state) {
  (void)state;
  number_rule(OP_MUL, 1.0, false, "relu(@x)", "mul");
  number_rule(OP_MUL, 1.0, true, "relu(@x)", "mul");
  number_rule(OP_DIV, 1.0, false, "relu(@x)", "div");
  number_rule(OP_ADD, -0.0, false, "relu(@x)", "add");
  number_rule(OP_ADD, -0.0, true, "relu(@x)", "add");
  number_rule(OP_SUB, 0.0, false, "relu(@x)", "sub");
}

static void numbers_that_change_a_bit_stay(void **state) {
  (void)state;
  number_rule(OP_ADD, 0.0, false, "add(@x, 0.0)", NULL);
  number_rule(OP_SUB, -0.0, false, "sub(@x, -0.0)", NULL);
  number_rule(OP_SUB, 0.0, true, "sub(0.0, @x)", NULL);
  number_rule(OP_DIV, 1.0, true, "div(1.0, @x)", NULL);
  number_rule(OP_MUL, 0.0, false, "mul(@x, 0.0)", NULL);
}

/* y = x * (a op b) */
static void fold_rule(Op op, double a, double b, const char *yes,
                      const char *no) {
  Probe probe = probe_new();
  ValueId c = sketch_op(probe.s, NULL, op, sketch_number(probe.s, a),
                        sketch_number(probe.s, b), 0);
  probe_expect(probe, sketch_op(probe.s, "y", OP_MUL, probe.x, c, 0), yes, no);
}

static void numbers_fold_where_precisions_agree(void **state) {
  (void)state;
  fold_rule(OP_ADD, 1.5, 2.25, "mul(@x, 3.75)", "add");
  fold_rule(OP_DIV, 1.0, 128.0, "mul(@x, 0.0078125)", "div");
  fold_rule(OP_MUL, 0.1, 0.5, "mul(@x, 0.05)", NULL);
  fold_rule(OP_SUB, 1.0, 1.0, "mul(@x, 0.0)", "sub");
  /* binary32 rounds 0.1 first, and 0.1f * 3 is not (float)(0.1 * 3). */
  double a = 0.1, b = 3.0;
  while ((float)(a * b) == (float)a * (float)b)
    a += 0.1;
  fold_rule(OP_MUL, a, b, "mul(@x, %t~1)", NULL);
  /* Infinity is left to run time. */
  fold_rule(OP_DIV, 1.0, 0.0, "div(1.0, 0.0)", NULL);
  fold_rule(OP_MUL, 1e30, 1e30, "mul(1e+30, 1e+30)", NULL);
}

static void double_negation_vanishes(void **state) {
  (void)state;
  Probe probe = probe_new();
  ValueId a = sketch_op(probe.s, NULL, OP_NEG, probe.x, 0, 0);
  ValueId b = sketch_op(probe.s, NULL, OP_NEG, a, 0, 0);
  probe_expect(probe, sketch_op(probe.s, "y", OP_RELU, b, 0, 0), "relu(@x)",
               "neg");
}

static void transpositions_cancel(void **state) {
  (void)state;
  Probe probe = probe_new();
  ValueId a =
      sketch_pattern(probe.s, NULL, OP_TRANSPOSE, probe.x, 0, "a b -> b a");
  ValueId b = sketch_pattern(probe.s, NULL, OP_TRANSPOSE, a, 0, "i o -> o i");
  probe_expect(probe, sketch_op(probe.s, "y", OP_RELU, b, 0, 0), "relu(@x)",
               "transpose");
}

static void transpositions_join(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_param(s, "x", EXTENT(2, 3, 4));
  ValueId a = sketch_pattern(s, NULL, OP_TRANSPOSE, x, 0, "a b c -> b c a");
  ValueId b = sketch_pattern(s, NULL, OP_TRANSPOSE, a, 0, "t s r -> s t r");
  probe_expect((Probe){s, x}, sketch_op(s, "y", OP_RELU, b, 0, 0),
               "transpose(@x, \"r t s -> s t r\")", "t~1");
}

static void reshapes_join_and_vanish(void **state) {
  (void)state;
  Probe probe = probe_new();
  ValueId a = sketch_shaped(probe.s, NULL, OP_RESHAPE, probe.x, FORMAT_REAL,
                            EXTENT(12), NULL);
  ValueId b = sketch_shaped(probe.s, NULL, OP_RESHAPE, a, FORMAT_REAL,
                            EXTENT(3, 4), NULL);
  probe_expect(probe, sketch_op(probe.s, "y", OP_RELU, b, 0, 0), "relu(@x)",
               "reshape");
}

static void splats_move_and_dissolve(void **state) {
  (void)state;
  Probe probe = probe_new();
  Sketch *s = probe.s;
  ValueId a = sketch_shaped(s, NULL, OP_SPLAT, sketch_number(s, 0.3),
                            FORMAT_REAL, EXTENT(4, 3), NULL);
  ValueId b = sketch_pattern(s, NULL, OP_TRANSPOSE, a, 0, "a b -> b a");
  ValueId c = sketch_op(s, NULL, OP_MUL, b, probe.x, 0);
  probe_expect(probe, sketch_op(s, "y", OP_RELU, c, 0, 0), "mul(0.3, @x)",
               "splat");
}

/* A splat that gives the result its shape must stay. */
static void shaping_splats_stay(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_param(s, "x", EXTENT(4));
  ValueId a = sketch_shaped(s, NULL, OP_SPLAT, sketch_number(s, 0.3),
                            FORMAT_REAL, EXTENT(3, 4), NULL);
  probe_expect((Probe){s, x}, sketch_op(s, "y", OP_MUL, a, x, 0), "splat(0.3)",
               NULL);
}

static void contractions_absorb_transposed_operands(void **state) {
  (void)state;
  Probe probe = probe_new();
  Sketch *s = probe.s;
  ValueId w = sketch_param(s, "w", EXTENT(5, 4));
  ValueId t = sketch_pattern(s, NULL, OP_TRANSPOSE, w, 0, "a b -> b a");
  ValueId y = sketch_pattern(s, "y", OP_EINSUM, probe.x, t, "b i, i o -> b o");
  probe_expect(probe, y, "einsum(@x, @w, \"b i, o i -> b o\")", "transpose");
}

static void contractions_absorb_their_transposition(void **state) {
  (void)state;
  Probe probe = probe_new();
  Sketch *s = probe.s;
  ValueId w = sketch_param(s, "w", EXTENT(5, 4));
  ValueId a = sketch_pattern(s, NULL, OP_EINSUM, probe.x, w, "b i, o i -> b o");
  ValueId y = sketch_pattern(s, "y", OP_TRANSPOSE, a, 0, "a b -> b a");
  probe_expect(probe, y, "einsum(@x, @w, \"b i, o i -> o b\")", "transpose");
}

/* One that others read stays: it would be computed twice. */
static void shared_contractions_stay(void **state) {
  (void)state;
  Probe probe = probe_new();
  Sketch *s = probe.s;
  ValueId w = sketch_param(s, "w", EXTENT(3, 4));
  ValueId a = sketch_pattern(s, NULL, OP_EINSUM, probe.x, w, "b i, o i -> b o");
  ValueId t = sketch_pattern(s, NULL, OP_TRANSPOSE, a, 0, "a b -> b a");
  probe_expect(probe, sketch_op(s, "y", OP_ADD, a, t, 0), "transpose(", NULL);
}

/* Absorbing this one would sum the products in another order. */
static void the_order_of_summation_stays(void **state) {
  (void)state;
  Probe probe = probe_new();
  Sketch *s = probe.s;
  ValueId w = sketch_param(s, "w", EXTENT(4, 3));
  ValueId t = sketch_pattern(s, NULL, OP_TRANSPOSE, probe.x, 0, "a b -> b a");
  ValueId y = sketch_pattern(s, "y", OP_EINSUM, t, w, "i j, i j ->");
  probe_expect(probe, y, "transpose(@x", NULL);
}

static void equal_temporaries_merge(void **state) {
  (void)state;
  Probe probe = probe_new();
  Sketch *s = probe.s;
  ValueId a = sketch_op(s, NULL, OP_MUL, probe.x, sketch_number(s, 0.1), 0);
  ValueId b = sketch_op(s, NULL, OP_MUL, probe.x, sketch_number(s, 0.1), 0);
  probe_expect(probe, sketch_op(s, "y", OP_ADD, a, b, 0), "add(%t~1, %t~1)",
               "t~2");
}

static void named_values_do_not_merge(void **state) {
  (void)state;
  Probe probe = probe_new();
  Sketch *s = probe.s;
  ValueId a = sketch_op(s, "a", OP_RELU, probe.x, 0, 0);
  ValueId b = sketch_op(s, NULL, OP_RELU, probe.x, 0, 0);
  ValueId c = sketch_op(s, "c", OP_RELU, probe.x, 0, 0);
  ValueId d = sketch_op(s, "d", OP_ADD, a, b, 0);
  probe_expect(probe, sketch_op(s, "y", OP_ADD, c, d, 0), "add(%a, %t~1)",
               NULL);
}

static void phases_do_not_merge(void **state) {
  (void)state;
  Probe probe = probe_new();
  Sketch *s = probe.s;
  ValueId a = sketch_op(s, NULL, OP_RELU, probe.x, 0, 0);
  s->phase = PHASE_BACKWARD;
  ValueId b = sketch_op(s, NULL, OP_RELU, probe.x, 0, 0);
  probe_expect(probe, sketch_op(s, "y", OP_ADD, a, b, 0), "add(%t~1, %t~2)",
               NULL);
}

static void numbers_of_unlike_zero_do_not_merge(void **state) {
  (void)state;
  Probe probe = probe_new();
  Sketch *s = probe.s;
  ValueId a = sketch_op(s, NULL, OP_MUL, probe.x, sketch_number(s, 0.0), 0);
  ValueId b = sketch_op(s, NULL, OP_MUL, probe.x, sketch_number(s, -0.0), 0);
  probe_expect(probe, sketch_op(s, "y", OP_ADD, a, b, 0), "add(%t~1, %t~2)",
               NULL);
}

static void dead_values_go(void **state) {
  (void)state;
  Probe probe = probe_new();
  Sketch *s = probe.s;
  sketch_op(s, "dead", OP_EXP, probe.x, 0, 0);
  probe_expect(probe, sketch_op(s, "y", OP_RELU, probe.x, 0, 0), "relu", "exp");
}

static bool has_alias(const Sketch *s, const char *name, const char *value) {
  const AliasTable *table =
      program_alias_of(s->program, s->program->graph.data[0]->name);
  for (size_t i = 0; table && i < table->list.length; i++)
    if (strcmp(table->list.data[i].name, name) == 0 &&
        strcmp(table->list.data[i].value, value) == 0)
      return true;
  return false;
}

/* net.y = relu(x); out = net.y * 1: the outer name stays, the inner answers. */
static void the_outermost_name_wins(void **state) {
  (void)state;
  Probe probe = probe_new();
  Sketch *s = probe.s;
  ValueId inner = sketch_op(s, "net.y", OP_RELU, probe.x, 0, 0);
  ValueId outer = sketch_op(s, "out", OP_MUL, inner, sketch_number(s, 1.0), 0);
  sketch_return(s, "out", outer);
  sketch_pass_exactly(s, PASS_simplify);
  assert_int_not_equal(sketch_find(s, "out"), 0);
  assert_int_equal(sketch_find(s, "net.y"), 0);
  assert_true(has_alias(s, "net.y", "out"));
  sketch_free(s);
}

static void inner_names_become_aliases(void **state) {
  (void)state;
  Probe probe = probe_new();
  Sketch *s = probe.s;
  ValueId a = sketch_op(s, "y", OP_RELU, probe.x, 0, 0);
  ValueId b = sketch_op(s, "net.l1.z", OP_DIV, a, sketch_number(s, 1.0), 0);
  sketch_return(s, "r", sketch_op(s, "r", OP_NEG, b, 0, 0));
  sketch_pass_exactly(s, PASS_simplify);
  assert_non_null(strstr(sketch_text(s), "neg(%y)"));
  assert_true(has_alias(s, "net.l1.z", "y"));
  sketch_free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(neutral_numbers_vanish),
      cmocka_unit_test(numbers_that_change_a_bit_stay),
      cmocka_unit_test(numbers_fold_where_precisions_agree),
      cmocka_unit_test(double_negation_vanishes),
      cmocka_unit_test(transpositions_cancel),
      cmocka_unit_test(transpositions_join),
      cmocka_unit_test(reshapes_join_and_vanish),
      cmocka_unit_test(splats_move_and_dissolve),
      cmocka_unit_test(shaping_splats_stay),
      cmocka_unit_test(contractions_absorb_transposed_operands),
      cmocka_unit_test(contractions_absorb_their_transposition),
      cmocka_unit_test(shared_contractions_stay),
      cmocka_unit_test(the_order_of_summation_stays),
      cmocka_unit_test(equal_temporaries_merge),
      cmocka_unit_test(named_values_do_not_merge),
      cmocka_unit_test(phases_do_not_merge),
      cmocka_unit_test(numbers_of_unlike_zero_do_not_merge),
      cmocka_unit_test(dead_values_go),
      cmocka_unit_test(the_outermost_name_wins),
      cmocka_unit_test(inner_names_become_aliases),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
