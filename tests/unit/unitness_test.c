/* The scale rules on independent N(0, 1) data (numerics.md 7.2): data stay
 * about unit, and where they cannot the estimate knows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/unitness.h"

enum { MOST = 512 };
static Unitness row[MOST], nearest[MOST];
static size_t rows;

static size_t measured(ScaleRounding rounding, Unitness *out) {
  return unitness_measure("tests/unit/Inputs/unitness.sgir", rounding, 7, out,
                          MOST);
}

static int measure(void **state) {
  (void)state;
  rows = measured(SCALE_DOWN, row);
  return rows == 0 || rows == MOST || measured(SCALE_NEAREST, nearest) != rows;
}

static const Unitness *find(const char *name) {
  for (size_t i = 0; i < rows; i++)
    if (strcmp(row[i].name, name) == 0)
      return &row[i];
  fail_msg("no value %s", name);
  return NULL;
}

/* ---- every rule ---------------------------------------------------------- */

static const char *const scale_rule[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, exponent, scale, ...)   \
  [OP_##id] = #scale,
#include "ir/ops.def"
};

/* Rules of values without data of their own choosing: leaves, numbers without
 * a scale, scale control, effects. */
static bool has_no_data(const char *rule) {
  static const char *const none[] = {
      "leaf",     "constant", "plain",     "compare",   "convert",
      "cast",     "rescale",  "rebalance", "set_scale", "scale_of",
      "exponent", "store",    "accumulate"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (strcmp(rule, none[i]) == 0)
      return true;
  return false;
}

static void every_rule_is_measured(void **state) {
  (void)state;
  for (int op = 0; op < OP_COUNT; op++) {
    bool measured = has_no_data(scale_rule[op]);
    for (size_t i = 0; i < rows; i++)
      measured |= strcmp(scale_rule[row[i].op], scale_rule[op]) == 0;
    if (!measured)
      fail_msg("%s: rule %s", op_info((Op)op)->text, scale_rule[op]);
  }
}

/* ---- the estimate and the data ------------------------------------------- */

static void the_estimate_is_within_a_factor_of_two(void **state) {
  (void)state;
  for (size_t i = 0; i < rows; i++)
    if (fabs(row[i].found - row[i].expected) > 1)
      fail_msg("%s: expected 2^%.2f, found 2^%.2f", row[i].name,
               row[i].expected, row[i].found);
}

/* Ops whose result stands at the exponent of an operand or at 2^0 whatever the
 * data: the estimate says what they are. */
static bool is_bound(Op op) {
  switch (op) {
  case OP_EXP:
  case OP_MAX:
  case OP_MIN:
  case OP_MAX_GRAD:
  case OP_MIN_GRAD:
  case OP_MAXPOOL_GRAD:
  case OP_LOGSUMEXP:
  case OP_LOG_SOFTMAX:
  case OP_SOFTMAX_XENT:
  case OP_ONEHOT:
    return true;
  default:
    return false;
  }
}

/* The op classes of numerics.md 7.2, and their chains: contractions,
 * convolutions, sums, additions, relus, norms. */
static bool is_named(Op op) {
  switch (op) {
  case OP_EINSUM:
  case OP_CONV:
  case OP_CONV_GRAD_INPUT:
  case OP_CONV_GRAD_WEIGHT:
  case OP_SUM:
  case OP_MEAN:
  case OP_CUMSUM:
  case OP_ADD:
  case OP_SUB:
  case OP_RELU:
  case OP_RELU_GRAD:
  case OP_RMS_NORM:
  case OP_RMS_NORM_GRAD:
  case OP_LAYER_NORM:
  case OP_LAYER_NORM_GRAD:
    return true;
  default:
    return false;
  }
}

static void expect_between(const Unitness *value, double low, double high) {
  double rms = exp2(value->found);
  if (rms < low || rms > high)
    fail_msg("%s: rms %.3f", value->name, rms);
}

static void data_of_the_named_classes_are_unit(void **state) {
  (void)state;
  size_t count = 0;
  for (size_t i = 0; i < rows; i++)
    if (is_named(row[i].op)) {
      expect_between(&row[i], 0.5, 2);
      count++;
    }
  assert_true(count > 150);
}

/* All but "off.": operands far from one, where only the estimate is checked.
 * Rounded down, exponents leave data up to 2; an estimate that is a bit low, a
 * bit beyond. Rounded to the nearest, they leave room for it. */
static void data_of_all_classes_are_about_unit(void **state) {
  (void)state;
  for (size_t i = 0; i < rows; i++)
    if (!is_bound(row[i].op) && strncmp(row[i].name, "off.", 4) != 0) {
      expect_between(&row[i], 0.5, 2.1);
      expect_between(&nearest[i], 0.5, 2);
    }
}

static void residual_sums_grow(void **state) {
  (void)state;
  for (int i = 1; i <= 64; i++) {
    char name[32];
    snprintf(name, sizeof name, "residual.%d", i);
    const Unitness *sum = find(name);
    double level = 0.5 * log2(1 + i);
    assert_int_equal(sum->exponent, (int)floor(level + 1e-9));
    assert_true(fabs(sum->exponent + sum->found - level) < 0.05);
  }
  assert_int_equal(find("residual.64")->exponent, 3);
  assert_true(fabs(find("relus.64")->found + 0.5) < 0.05);
}

/* Were 768 squares counted as 768 signed numbers, it would be at 2^-5. */
static void means_of_squares_are_no_means_of_signed_numbers(void **state) {
  (void)state;
  const Unitness *mean = find("mean_square_768");
  assert_int_equal(mean->exponent, 0);
  assert_true(fabs(mean->found - mean->expected) < 0.1);
  assert_int_equal(find("sum_square")->exponent, 6);
  assert_int_equal(find("sum_768")->exponent, 4);
}

/* The factors of unit scaling (numerics.md 4.4) where they are the estimate. */
static void factors_of_unit_scaling_hold(void **state) {
  (void)state;
  static const char *const names[] = {"relu",     "gelu",    "gelu_tanh",
                                      "silu",     "softmax", "softmax_grad",
                                      "attention"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const Unitness *value = find(names[i]);
    if (fabs(value->found - value->expected) > 0.15)
      fail_msg("%s: expected 2^%.2f, found 2^%.2f", value->name,
               value->expected, value->found);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_rule_is_measured),
      cmocka_unit_test(the_estimate_is_within_a_factor_of_two),
      cmocka_unit_test(data_of_the_named_classes_are_unit),
      cmocka_unit_test(data_of_all_classes_are_about_unit),
      cmocka_unit_test(residual_sums_grow),
      cmocka_unit_test(means_of_squares_are_no_means_of_signed_numbers),
      cmocka_unit_test(factors_of_unit_scaling_hold),
  };
  return cmocka_run_group_tests(tests, measure, NULL);
}
