/* ir/eval: the certificate, per value: what raises which bits, what is left
 * out, and the flags of the processor against checks in software.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "ir/rng.h"
#include "tests/unit/eval_support.h"

#define NUMBERS(...) ((const double[]){__VA_ARGS__})

static unsigned raised(Lab *lab, ValueId id) {
  return evaluator_raised(lab->evaluator, lab->graph, id);
}

/* The bits of `id` and of no other value. */
static void expect_raised(Lab *lab, ValueId id, unsigned bits) {
  for (ValueId other = 1; other < lab->graph->count; other++)
    assert_int_equal(raised(lab, other), other == id ? bits : 0);
  assert_int_equal(evaluator_certified(lab->evaluator), bits == 0);
  assert_int_equal(evaluator_counts(lab->evaluator).flagged, bits != 0);
}

/* ---- arithmetic ---------------------------------------------------------- */

static ValueId lab_two(Lab *lab, Op op, double a, double b) {
  ValueId x = lab_input(lab, FORMAT_REAL, SCALAR, &a);
  ValueId y = lab_input(lab, FORMAT_REAL, SCALAR, &b);
  return lab_op(lab, op, FORMAT_REAL, SCALAR, x, y, 0);
}

static void check_two(Op op, double a, double b, Precision precision,
                      unsigned bits) {
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId id = lab_two(lab, op, a, b);
  lab_run(lab, precision, 1);
  expect_raised(lab, id, bits);
  lab_free(lab);
}

static void results_raise_what_they_are(void **state) {
  (void)state;
  check_two(OP_MUL, 3, 5, PRECISION_F32, 0);
  check_two(OP_MUL, 0x1p100, 0x1p100, PRECISION_F32, RAISED_OVERFLOW);
  check_two(OP_MUL, 0x1p100, 0x1p100, PRECISION_F64, 0);
  check_two(OP_MUL, 0x1p600, 0x1p600, PRECISION_F64, RAISED_OVERFLOW);
  check_two(OP_MUL, 0x1.8p-75, 0x1.8p-75, PRECISION_F32, RAISED_UNDERFLOW);
  check_two(OP_MUL, 0x1p-75, 0x1p-74, PRECISION_F32, 0);
  check_two(OP_ADD, 0x1.fffffep127, 0x1p103, PRECISION_F32, RAISED_OVERFLOW);
  check_two(OP_ADD, 0x1p-149, -0x1p-126, PRECISION_F32, 0);
  check_two(OP_DIV, 1, 0, PRECISION_F32, 0);
  check_two(OP_DIV, 0x1p-100, 3, PRECISION_F32, 0);
  check_two(OP_DIV, 0x1p-126, 3, PRECISION_F32, RAISED_UNDERFLOW);
  check_two(OP_MUL, INFINITY, 2, PRECISION_F32, 0);
}

static void both_bits_of_one_value(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(0x1p100, 0x1p-80));
  ValueId y = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(0x1p90, 0x1.1p-70));
  ValueId id = lab_op(lab, OP_MUL, FORMAT_REAL, SHAPE(2), x, y, 0);
  lab_run(lab, PRECISION_F32, 1);
  expect_raised(lab, id, RAISED_OVERFLOW | RAISED_UNDERFLOW);
  lab_free(lab);
}

/* The bits are those of the last step; the count is of all. */
static void bits_are_of_the_last_step(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId id = lab_two(lab, OP_MUL, 0x1p100, 0x1p100);
  lab_run(lab, PRECISION_F32, 1);
  assert_int_equal(raised(lab, id), RAISED_OVERFLOW);
  assert_int_equal(raised(lab, 0), 0);
  assert_int_equal(raised(lab, lab->graph->count), 0);
  lab->input[0].data[0] = 1;
  assert_true(lab_again(lab, 2));
  assert_int_equal(raised(lab, id), 0);
  assert_int_equal(evaluator_counts(lab->evaluator).flagged, 1);
  assert_false(evaluator_certified(lab->evaluator));
  lab_free(lab);
}

/* ---- alignments ---------------------------------------------------------- */

static void check_rebalance(double x, int32_t from, int32_t to, unsigned bits) {
  Lab *lab = lab_new(LEVEL_SCALED);
  ValueId input = lab_input(lab, FORMAT_REAL, SCALAR, &x);
  lab_scale(lab, input, 0);
  ValueId named = lab_op(lab, OP_REBALANCE, FORMAT_REAL, SCALAR, input, 0, 0);
  lab_scale(lab, named, from);
  ValueId id = lab_op(lab, OP_REBALANCE, FORMAT_REAL, SCALAR, named, 0, 0);
  lab_scale(lab, id, to);
  lab_run(lab, PRECISION_F32, 1);
  expect_raised(lab, id, bits);
  lab_free(lab);
}

static void alignments_raise_bits_of_their_own(void **state) {
  (void)state;
  check_rebalance(0x1.8p10, 5, 120, 0);
  check_rebalance(0x1.000002p-20, 0, 120, RAISED_SHIFT_UNDERFLOW);
  check_rebalance(0x1p-20, 0, 120, 0); /* tiny, but exact */
  check_rebalance(0x1p20, 0, -120, RAISED_SHIFT_OVERFLOW);
  check_rebalance(0, 0, -120, 0);
  check_rebalance(INFINITY, 0, 120, 0);
}

/* f32_scale2 takes a shift beyond its range for the nearest within: exact, and
 * wrong. */
static void alignments_out_of_range_are_raised(void **state) {
  (void)state;
  for (int far = 252; far <= 300; far += 48) {
    double x = 0x1p120;
    Lab *lab = lab_new(LEVEL_SCALED);
    ValueId id = lab_input(lab, FORMAT_REAL, SCALAR, &x);
    lab_scale(lab, id, far);
    lab_run(lab, PRECISION_F32, 1);
    assert_true(lab_number(lab, id) == 0x1p-132);
    expect_raised(lab, id, far > 252 ? RAISED_SHIFT_UNDERFLOW : 0);
    lab_free(lab);
  }
}

/* A contraction whose sum is in range, but not at the result's exponent. */
static void shifts_of_results(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_SCALED);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(0x1p100, 0x1p20));
  ValueId y = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(1, 1));
  lab_scale(lab, x, 0);
  lab_scale(lab, y, 0);
  ValueId dot = lab_pattern(lab, OP_EINSUM, SCALAR, x, y, "i, i ->");
  lab_scale(lab, dot, -60);
  lab_run(lab, PRECISION_F32, 1);
  expect_raised(lab, dot, RAISED_SHIFT_OVERFLOW);
  lab_free(lab);
}

/* An operand that is unscaled before exp; exp itself does not count. */
static void shifts_of_operands(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_SCALED);
  ValueId x = lab_input(lab, FORMAT_REAL, SCALAR, NUMBERS(0x1.000002p-70));
  lab_scale(lab, x, -40);
  ValueId square = lab_op(lab, OP_MUL, FORMAT_REAL, SCALAR, x, x, 0);
  lab_scale(lab, square, -80);
  ValueId e = lab_op(lab, OP_EXP, FORMAT_REAL, SCALAR, square, 0, 0);
  lab_scale(lab, e, 0);
  lab_run(lab, PRECISION_F32, 1);
  expect_raised(lab, e, RAISED_SHIFT_UNDERFLOW);
  lab_free(lab);
}

static void initial_values_count(void **state) {
  (void)state;
  for (int exact = 0; exact < 2; exact++) {
    Lab *lab = lab_new(LEVEL_SCALED);
    Init init = {INIT_CONSTANT, exact ? 0x1p-100 : 0x1.000002p-100, 0};
    int w =
        lab_new_param(lab, "w", FORMAT_REAL, SHAPE(2), init, scale_static(40));
    ValueId id = lab_param(lab, w);
    lab_run(lab, PRECISION_F32, 1);
    expect_raised(lab, id, exact ? 0 : RAISED_SHIFT_UNDERFLOW);
    assert_true(lab_again(lab, 2));
    expect_raised(lab, id, exact ? 0 : RAISED_SHIFT_UNDERFLOW);
    lab_free(lab);
  }
}

/* ---- what is left out ---------------------------------------------------- */

static void roundings_below_f32_are_left_out(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FORMATTED);
  ValueId x = lab_input(lab, FORMAT_F32, SHAPE(2), NUMBERS(0x1.8p-20, 0x1p9));
  ValueId y = lab_input(lab, FORMAT_F32, SHAPE(2), NUMBERS(1, 1));
  ValueId dot = lab_pattern(lab, OP_EINSUM, SCALAR, x, y, "i, i ->");
  lab_node(lab, dot)->type = lab_type(lab, FORMAT_F32, SCALAR);
  lab_node(lab, dot)->as[0] = lab_node(lab, dot)->as[1] = FORMAT_E4M3;
  ValueId narrow = lab_op(lab, OP_MUL, FORMAT_F16, SHAPE(2), x, x, 0);
  lab_run(lab, PRECISION_EDGES, 1);
  assert_true(lab_number(lab, dot) == 448);
  assert_true(lab_data(lab, narrow)[0] == 0);
  expect_raised(lab, dot, 0);
  lab_free(lab);
}

/* ---- against software ---------------------------------------------------- */

/* The rounding of x * 2^k to 24 bits with no bound on the exponent, as the
 * double r * 2^-k; x is the double nearest to the exact result. */
static double rounded_unbounded(double x) {
  if (x == 0 || !isfinite(x))
    return x;
  int k = -ilogb(x);
  return ldexp((double)(float)ldexp(x, k), -k);
}

/* Products are exact in binary64, quotients round to the same 24 bits. */
static unsigned software_bits(Op op, double a, double b) {
  double x = op == OP_MUL ? a * b : a / b;
  if (!isfinite(x) || isinf(b))
    return 0;
  double unbounded = rounded_unbounded(x);
  if (fabs(unbounded) > 0x1.fffffep127)
    return RAISED_OVERFLOW;
  double delivered = (double)(float)x;
  bool exact = op == OP_MUL ? delivered == x : delivered * b == a;
  return fabs(unbounded) < 0x1p-126 && !exact ? RAISED_UNDERFLOW : 0;
}

static float any_float(RngKey key, uint64_t i, int spread) {
  int exponent = (int)(rng_u32(key, 3 * i) % (uint32_t)spread) - spread / 2;
  float m = 1 + (float)rng_uniform(key, 3 * i + 1);
  if (rng_u32(key, 3 * i + 2) % 4 == 0)
    m = 1; /* powers of two, for exact results */
  return ldexpf(rng_u32(key, 3 * i + 2) % 2 ? m : -m, exponent);
}

static void flags_agree_with_software(void **state) {
  (void)state;
  RngKey key = rng_key(5, 0, 0);
  unsigned seen[3] = {0};
  for (uint64_t i = 0; i < 6000; i++) {
    Op op = i % 2 ? OP_MUL : OP_DIV;
    double a = (double)any_float(key, 2 * i, 180);
    double b = (double)any_float(key, 2 * i + 1, 180);
    unsigned bits = software_bits(op, a, b);
    check_two(op, a, b, PRECISION_F32, bits);
    seen[bits]++;
  }
  for (int bits = 0; bits < 3; bits++)
    assert_in_range(seen[bits], 100, 6000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(results_raise_what_they_are),
      cmocka_unit_test(both_bits_of_one_value),
      cmocka_unit_test(bits_are_of_the_last_step),
      cmocka_unit_test(alignments_raise_bits_of_their_own),
      cmocka_unit_test(alignments_out_of_range_are_raised),
      cmocka_unit_test(shifts_of_results),
      cmocka_unit_test(shifts_of_operands),
      cmocka_unit_test(initial_values_count),
      cmocka_unit_test(roundings_below_f32_are_left_out),
      cmocka_unit_test(flags_agree_with_software),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
