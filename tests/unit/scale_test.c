/* Rule exponents and shifts (shift.h), one op at a time, on graphs built by
 * hand: two operands with given scales and a result with a given scale. */
#include "ir/ir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

static Arena *arena;
static TypeTable *types;
static Graph *graph;
static ValueId s, t, u; /* three run-time exponents */

static ValueId add_exponent(const char *name, ValueId of) {
  Node node = node_make(OP_NORM_EXPONENT, PHASE_FORWARD,
                        type_scalar(types, FORMAT_I32), of, 0, 0);
  node.name = name;
  return graph_add(graph, &node);
}

static ValueId add_input(Format format, Scale scale) {
  Node node =
      node_make(OP_INPUT, PHASE_FORWARD, type_scalar(types, format), 0, 0, 0);
  node.name = "x";
  node.scale = scale;
  return graph_add(graph, &node);
}

static int set_up(void **state) {
  (void)state;
  arena = arena_new();
  types = type_table_new(arena);
  graph = graph_new(arena, ENTRY_PLAIN, "f");
  ValueId x = add_input(FORMAT_REAL, scale_static(0));
  s = add_exponent("s", x);
  t = add_exponent("t", x);
  u = add_exponent("u", x);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  graph_free(graph);
  arena_free(arena);
  return 0;
}

static Scale at(ValueId symbol, int32_t exponent) {
  return scale_make(SCALE_NORMAL, symbol, exponent);
}

static const Scale zero = {SCALE_ZERO, 0, 0, NULL},
                   any = {SCALE_ANY, 0, 0, NULL},
                   none = {SCALE_NONE, 0, 0, NULL};

/* Adds `op` over operands at a, b, c with result `scale`. */
static ValueId apply(Op op, Format format, Scale scale, Scale a, Scale b,
                     Scale c) {
  ValueId id[3] = {0};
  Scale operand[3] = {a, b, c};
  for (int i = 0; i < op_info(op)->inputs; i++)
    id[i] = add_input(FORMAT_REAL, operand[i]);
  Node node = node_make(op, PHASE_FORWARD, type_scalar(types, format), id[0],
                        id[1], id[2]);
  node.name = "y";
  node.scale = scale;
  return graph_add(graph, &node);
}

/* The shift of an op as text. */
static void expect_shift(Op op, Scale scale, Scale a, Scale b, Scale c,
                         const char *expected) {
  ValueId id = apply(op, FORMAT_REAL, scale, a, b, c);
  assert_true(node_shift_fits(graph, id));
  Buffer text = {0};
  shift_print(&text, graph, node_shift(graph, id));
  assert_string_equal(text.data, expected);
  buffer_free(&text);
}

static void products_add_exponents(void **state) {
  (void)state;
  expect_shift(OP_EINSUM, at(0, 0), at(0, 1), at(0, -5), none, "-4");
  expect_shift(OP_MUL, at(0, -4), at(0, 1), at(0, -5), none, "0");
  expect_shift(OP_MUL, at(s, -4), at(s, 1), at(0, -5), none, "0");
  expect_shift(OP_EINSUM, at(s, -4), at(0, 1), at(s, 2), none, "7");
  expect_shift(OP_EINSUM, at(0, 0), at(s, 1), at(0, 2), none, "($s + 3)");
  expect_shift(OP_EINSUM, at(t, 1), at(s, 1), at(0, 0), none, "($s - $t)");
  expect_shift(OP_EINSUM, at(t, 0), at(s, 1), at(t, 2), none, "($s + 3)");
  expect_shift(OP_MUL, at(0, 0), at(s, 0), none, none, "$s");
}

static void three_symbols_do_not_fit(void **state) {
  (void)state;
  ValueId id =
      apply(OP_EINSUM, FORMAT_REAL, at(u, 0), at(s, 0), at(t, 0), none);
  assert_false(node_shift_fits(graph, id));
  Scale rule;
  assert_false(scale_rule_exponent(graph, id, &rule));
}

static void quotients_subtract(void **state) {
  (void)state;
  expect_shift(OP_DIV, at(0, 1), at(0, 8), at(0, 7), none, "0");
  expect_shift(OP_DIV, at(s, 1), at(s, 8), at(0, 7), none, "0");
  expect_shift(OP_DIV, at(0, 1), at(s, 8), at(s, 7), none, "0");
  expect_shift(OP_DIV, at(0, 0), at(0, 2), at(s, 5), none, "(-$s - 3)");
  expect_shift(OP_DIV, at(0, -3), at(0, 2), at(s, 5), none, "(-$s)");
}

static void others_keep(void **state) {
  (void)state;
  static const Op keep[] = {OP_NEG,       OP_RELU,   OP_RESHAPE, OP_TRANSPOSE,
                            OP_SPLAT,     OP_SUM,    OP_MEAN,    OP_CAST,
                            OP_REBALANCE, OP_RESCALE};
  for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
    expect_shift(keep[i], at(0, 4), at(0, 3), none, none, "-1");
    expect_shift(keep[i], at(s, 4), at(s, 4), none, none, "0");
  }
  expect_shift(OP_RELU_GRAD, at(s, 4), at(s, 4), at(0, 9), none, "0");
  expect_shift(OP_SOFTMAX_XENT_GRAD, at(0, -9), at(0, 3), none, at(0, -7), "2");
}

static void sums_take_the_exponent_that_is_bound(void **state) {
  (void)state;
  expect_shift(OP_ADD, at(s, 4), at(s, 4), at(s, 4), none, "0");
  expect_shift(OP_ADD, at(s, 4), zero, at(s, 4), none, "0");
  expect_shift(OP_SUB, at(s, 4), at(s, 4), any, none, "0");
  expect_shift(OP_ADD, at(0, 3), zero, any, none, "0");
}

static void contents_that_adopt_shift_nothing(void **state) {
  (void)state;
  expect_shift(OP_MUL, zero, zero, at(0, 5), none, "0");
  expect_shift(OP_EINSUM, at(0, 3), at(0, 5), zero, none, "0");
  expect_shift(OP_NEG, at(0, 3), any, none, none, "0");
  expect_shift(OP_SUM, zero, at(0, 9), none, none, "0");
}

static void no_scale_counts_as_one(void **state) {
  (void)state;
  expect_shift(OP_SUM, none, at(0, 3), none, none, "3");
  expect_shift(OP_SUM, none, at(s, 0), none, none, "$s");
  expect_shift(OP_MUL, none, none, none, none, "0");
  expect_shift(OP_CONVERT, at(0, 8), none, none, none, "-8");
}

static void expect_operand_shift(Op op, Scale a, int exponent, ValueId plus) {
  ValueId id = apply(op, FORMAT_REAL, none, a, at(0, 1), at(0, 1));
  Shift shift = operand_shift(graph, id, 0);
  assert_int_equal(shift.exponent, exponent);
  assert_int_equal(shift.plus, plus);
  assert_int_equal(shift.minus, 0);
  for (int i = 1; i < op_info(op)->inputs; i++)
    assert_true(shift_is_zero(operand_shift(graph, id, i)));
}

static void some_ops_unscale_their_operand(void **state) {
  (void)state;
  static const Op unscaled[] = {OP_EXP, OP_LOG, OP_SOFTMAX_XENT, OP_CONVERT,
                                OP_SOFTMAX_XENT_GRAD};
  for (size_t i = 0; i < sizeof unscaled / sizeof *unscaled; i++) {
    expect_operand_shift(unscaled[i], at(0, -3), -3, 0);
    expect_operand_shift(unscaled[i], at(s, -3), -3, s);
    expect_operand_shift(unscaled[i], none, 0, 0);
  }
  expect_operand_shift(OP_EINSUM, at(0, -3), 0, 0);
  expect_shift(OP_EXP, at(0, 0), at(s, 5), none, none, "0");
  expect_shift(OP_LOG, none, at(0, 5), none, none, "0");
}

/* data * 2^e = (data * 2^parity) * 2^(e - parity): e - parity is even. */
static void roots_move_the_parity(void **state) {
  (void)state;
  for (int32_t e = -5; e <= 5; e++) {
    int parity = e % 2 != 0;
    expect_operand_shift(OP_SQRT, at(0, e), parity, 0);
    expect_shift(OP_SQRT, at(0, (e - parity) / 2), at(0, e), none, none, "0");
  }
}

static void no_rule_binds_leaves_and_integers(void **state) {
  (void)state;
  Scale rule;
  assert_false(
      scale_rule_exponent(graph, add_input(FORMAT_REAL, at(0, 3)), &rule));
  ValueId id = apply(OP_ARGMAX, FORMAT_I32, none, at(0, 3), none, none);
  assert_false(scale_rule_exponent(graph, id, &rule));
  assert_true(shift_is_zero(node_shift(graph, id)));
  id = apply(OP_EQ, FORMAT_BOOL, none, at(0, 3), at(0, 3), none);
  assert_true(shift_is_zero(node_shift(graph, id)));
  id = apply(OP_POSITIVE, FORMAT_BOOL, none, at(0, 3), none, none);
  assert_true(shift_is_zero(node_shift(graph, id)));
  id = apply(OP_MUL, FORMAT_REAL, none, none, none, none);
  assert_false(scale_rule_exponent(graph, id, &rule));
  id = apply(OP_MUL, FORMAT_REAL, none, zero, at(0, 1), none);
  assert_false(scale_rule_exponent(graph, id, &rule));
  id = apply(OP_SQRT, FORMAT_REAL, none, at(s, 1), none, none);
  assert_false(scale_rule_exponent(graph, id, &rule));
  id = apply(OP_DIV, FORMAT_REAL, none, at(0, 1), at(s, 1), none);
  assert_false(scale_rule_exponent(graph, id, &rule));
}

static void rules_keep_the_symbol(void **state) {
  (void)state;
  Scale rule;
  ValueId id = apply(OP_EINSUM, FORMAT_REAL, none, at(s, 1), at(0, 2), none);
  assert_true(scale_rule_exponent(graph, id, &rule));
  assert_true(scale_equal(rule, at(s, 3)));
  id = apply(OP_EXP, FORMAT_REAL, none, at(s, 1), none, none);
  assert_true(scale_rule_exponent(graph, id, &rule));
  assert_true(scale_equal(rule, at(0, 0)));
}

static void equality_is_of_what_counts(void **state) {
  (void)state;
  assert_true(scale_equal(at(s, 1), at(s, 1)));
  assert_false(scale_equal(at(s, 1), at(s, 2)));
  assert_false(scale_equal(at(s, 1), at(t, 1)));
  assert_false(scale_equal(at(0, 0), none));
  assert_true(scale_equal(scale_make(SCALE_ZERO, 0, 3), zero));
  assert_false(scale_equal(zero, any));
}

static void expect_scale(Scale scale, const char *expected) {
  Buffer text = {0};
  buffer_text(&text, "");
  scale_print(&text, graph, scale);
  assert_string_equal(text.data, expected);
  buffer_free(&text);
}

static void scales_print(void **state) {
  (void)state;
  expect_scale(none, "");
  expect_scale(zero, "zero");
  expect_scale(any, "any");
  expect_scale(at(0, -5), "2^-5");
  expect_scale(at(s, 0), "2^$s");
  expect_scale(at(s, 3), "2^($s + 3)");
  expect_scale(at(t, -3), "2^($t - 3)");
}

/* ---- powers of two (numerics of Scalify, with the definitions corrected) --
 */

static int exponent_of(double value, ScaleRounding rounding, uint32_t draw) {
  Scale scale = scale_of_number(value, rounding, draw);
  assert_int_equal(scale.kind, SCALE_NORMAL);
  assert_int_equal(scale.symbol, 0);
  return scale.exponent;
}

static void zeros_and_what_is_not_finite_have_no_exponent(void **state) {
  (void)state;
  for (int mode = 0; mode < SCALE_ROUNDING_COUNT; mode++) {
    ScaleRounding rounding = (ScaleRounding)mode;
    assert_int_equal(scale_of_number(0.0, rounding, 0).kind, SCALE_ZERO);
    assert_int_equal(scale_of_number(-0.0, rounding, 0).kind, SCALE_ZERO);
    assert_int_equal(scale_of_number(INFINITY, rounding, 0).kind, SCALE_ANY);
    assert_int_equal(scale_of_number(-INFINITY, rounding, 0).kind, SCALE_ANY);
    assert_int_equal(scale_of_number(NAN, rounding, 0).kind, SCALE_ANY);
  }
}

static void powers_of_two_are_their_own_exponent(void **state) {
  (void)state;
  for (int mode = 0; mode < SCALE_ROUNDING_COUNT; mode++)
    for (int e = -1074; e <= 1023; e++) {
      int clamped = e < -126 ? -126 : e > 126 ? 126 : e;
      double power = e % 2 ? ldexp(1, e) : -ldexp(1, e);
      assert_int_equal(exponent_of(power, (ScaleRounding)mode, 0), clamped);
      if (e > -126 && e < 126)
        assert_int_equal(level_exponent(e, (ScaleRounding)mode, 0), e);
    }
}

static void numbers_round_in_the_log_domain(void **state) {
  (void)state;
  double root = sqrt(2); /* rounded up: above the root of 2 */
  static const int exponents[] = {-126, -100, 0, 7, 125};
  for (size_t i = 0; i < sizeof exponents / sizeof *exponents; i++) {
    int e = exponents[i];
    double low = ldexp(nextafter(1, 2), e), high = ldexp(nextafter(2, 1), e);
    double below = ldexp(nextafter(root, 1), e), above = ldexp(root, e);
    assert_int_equal(exponent_of(low, SCALE_DOWN, 0), e);
    assert_int_equal(exponent_of(high, SCALE_DOWN, 0), e);
    assert_int_equal(exponent_of(low, SCALE_UP, 0), e + 1);
    assert_int_equal(exponent_of(high, SCALE_UP, 0), e + 1);
    assert_int_equal(exponent_of(below, SCALE_NEAREST, 0), e);
    assert_int_equal(exponent_of(above, SCALE_NEAREST, 0), e + 1);
    assert_int_equal(exponent_of(ldexp(1.5, e), SCALE_NEAREST, 0), e + 1);
    assert_int_equal(exponent_of(ldexp(-1.4, e), SCALE_NEAREST, 0), e);
  }
}

static void subnormals_are_normalised_first(void **state) {
  (void)state;
  /* Of binary32, a normal number here; of binary64, below all exponents. */
  assert_int_equal(exponent_of((double)0x3p-149f, SCALE_DOWN, 0), -126);
  assert_int_equal(exponent_of(0x1p-1074, SCALE_UP, 0), -126);
  assert_int_equal(exponent_of(0x1.8p-126, SCALE_NEAREST, 0), -125);
  assert_int_equal(exponent_of(0x1.8p-127, SCALE_UP, 0), -126);
}

/* Up with probability log2 m: as many of evenly spread words. */
static void chances_are_the_fraction_of_the_logarithm(void **state) {
  (void)state;
  enum { WORDS = 4096 };
  for (double m = 1.0; m < 2; m += 0.03125) {
    int ups = 0, of_level = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
      uint32_t draw = i * (UINT32_MAX / WORDS + 1) + UINT32_C(0x7FFFF);
      ups += exponent_of(ldexp(m, 3), SCALE_STOCHASTIC, draw) - 3;
      of_level += level_exponent(log2(m) - 5, SCALE_STOCHASTIC, draw) + 5;
    }
    assert_true(fabs(ups - WORDS * log2(m)) <= 1);
    assert_int_equal(ups, of_level);
  }
  /* To the last bits of the word. */
  uint32_t word = (uint32_t)(log2(1.25) * 0x1p32);
  assert_int_equal(exponent_of(1.25, SCALE_STOCHASTIC, word - 4), 1);
  assert_int_equal(exponent_of(1.25, SCALE_STOCHASTIC, word + 4), 0);
}

static void levels_near_a_whole_number_are_that(void **state) {
  (void)state;
  for (int mode = 0; mode < SCALE_ROUNDING_COUNT; mode++) {
    ScaleRounding rounding = (ScaleRounding)mode;
    assert_int_equal(level_exponent(3 - 1e-9, rounding, 0), 3);
    assert_int_equal(level_exponent(3 + 1e-9, rounding, 0), 3);
    assert_int_equal(level_exponent(-3 - 1e-9, rounding, UINT32_MAX), -3);
  }
  assert_int_equal(level_exponent(2.5 - 1e-9, SCALE_NEAREST, 0), 3);
  assert_int_equal(level_exponent(-2.5, SCALE_NEAREST, 0), -2);
  assert_int_equal(level_exponent(-2.25, SCALE_DOWN, 0), -3);
  assert_int_equal(level_exponent(-2.25, SCALE_UP, 0), -2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(zeros_and_what_is_not_finite_have_no_exponent),
      cmocka_unit_test(powers_of_two_are_their_own_exponent),
      cmocka_unit_test(numbers_round_in_the_log_domain),
      cmocka_unit_test(subnormals_are_normalised_first),
      cmocka_unit_test(chances_are_the_fraction_of_the_logarithm),
      cmocka_unit_test(levels_near_a_whole_number_are_that),
      cmocka_unit_test(products_add_exponents),
      cmocka_unit_test(three_symbols_do_not_fit),
      cmocka_unit_test(quotients_subtract),
      cmocka_unit_test(others_keep),
      cmocka_unit_test(sums_take_the_exponent_that_is_bound),
      cmocka_unit_test(contents_that_adopt_shift_nothing),
      cmocka_unit_test(no_scale_counts_as_one),
      cmocka_unit_test(some_ops_unscale_their_operand),
      cmocka_unit_test(roots_move_the_parity),
      cmocka_unit_test(no_rule_binds_leaves_and_integers),
      cmocka_unit_test(rules_keep_the_symbol),
      cmocka_unit_test(equality_is_of_what_counts),
      cmocka_unit_test(scales_print),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
