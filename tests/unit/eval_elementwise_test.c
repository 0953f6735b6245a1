/* Comparisons, logic, choices, whole numbers: against tables written by hand.
 */
#include "tests/unit/eval_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

enum { N = 8 };

/* op(a, b) in both precisions. */
static void expect_two(Op op, Format in, Format out, const double *a,
                       const double *b, const double *expected) {
  for (int i = 0; i < 2; i++) {
    Lab *lab = lab_new(LEVEL_PLAIN);
    ValueId x = lab_input(lab, in, SHAPE(N), a);
    ValueId y = b ? lab_input(lab, in, SHAPE(N), b) : 0;
    ValueId z = lab_op(lab, op, out, SHAPE(N), x, y, 0);
    lab_run(lab, i ? PRECISION_F64 : PRECISION_F32, 1);
    lab_expect(lab, z, expected);
    lab_free(lab);
  }
}

static const double left[N] = {1, 2, 3, -0.0, NAN, 1, -INFINITY, 0};
static const double right[N] = {2, 2, 1, 0, 1, NAN, INFINITY, -0.0};

static void comparisons(void **state) {
  (void)state;
  static const struct {
    Op op;
    double expected[N];
  } table[] = {
      {OP_EQ, {0, 1, 0, 1, 0, 0, 0, 1}}, {OP_NE, {1, 0, 1, 0, 1, 1, 1, 0}},
      {OP_LT, {1, 0, 0, 0, 0, 0, 1, 0}}, {OP_LE, {1, 1, 0, 1, 0, 0, 1, 1}},
      {OP_GT, {0, 0, 1, 0, 0, 0, 0, 0}}, {OP_GE, {0, 1, 1, 1, 0, 0, 0, 1}}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    expect_two(table[i].op, FORMAT_REAL, FORMAT_BOOL, left, right,
               table[i].expected);
}

static void extrema_order_zeros_and_keep_nan(void **state) {
  (void)state;
  static const double larger[N] = {2, 2, 3, 0, NAN, NAN, INFINITY, 0};
  static const double smaller[N] = {1, 2, 1, -0.0, NAN, NAN, -INFINITY, -0.0};
  expect_two(OP_MAXIMUM, FORMAT_REAL, FORMAT_REAL, left, right, larger);
  expect_two(OP_MINIMUM, FORMAT_REAL, FORMAT_REAL, left, right, smaller);
}

static void functions_that_drop_bits(void **state) {
  (void)state;
  static const double x[N] = {2.5, 3.5, -2.5, -0.25, 0, -0.0, INFINITY, NAN};
  static const double below[N] = {2, 3, -3, -1, 0, -0.0, INFINITY, NAN};
  static const double near[N] = {2, 4, -2, -0.0, 0, -0.0, INFINITY, NAN};
  static const double sign[N] = {1, 1, -1, -1, 0, -0.0, 1, NAN};
  static const double size[N] = {2.5, 3.5, 2.5, 0.25, 0, 0, INFINITY, NAN};
  expect_two(OP_FLOOR, FORMAT_REAL, FORMAT_REAL, x, NULL, below);
  expect_two(OP_ROUND, FORMAT_REAL, FORMAT_REAL, x, NULL, near);
  expect_two(OP_SIGN, FORMAT_REAL, FORMAT_REAL, x, NULL, sign);
  expect_two(OP_ABS, FORMAT_REAL, FORMAT_REAL, x, NULL, size);
}

static void logic(void **state) {
  (void)state;
  static const double a[N] = {0, 0, 1, 1, 0, 0, 1, 1};
  static const double b[N] = {0, 1, 0, 1, 0, 1, 0, 1};
  static const double both[N] = {0, 0, 0, 1, 0, 0, 0, 1};
  static const double either[N] = {0, 1, 1, 1, 0, 1, 1, 1};
  static const double other[N] = {1, 1, 0, 0, 1, 1, 0, 0};
  expect_two(OP_AND, FORMAT_BOOL, FORMAT_BOOL, a, b, both);
  expect_two(OP_OR, FORMAT_BOOL, FORMAT_BOOL, a, b, either);
  expect_two(OP_NOT, FORMAT_BOOL, FORMAT_BOOL, a, NULL, other);
}

/* Two's complement; division rounds down, and by 0 leaves the dividend. */
static void whole_numbers_wrap(void **state) {
  (void)state;
  static const double least = -2147483648.0, most = 2147483647.0;
  const double a[N] = {most, least, -7, 7, -7, 65536, 5, least};
  const double b[N] = {1, -1, 2, -2, -2, 65536, 0, 3};
  const double sum[N] = {least, most, -5, 5, -9, 131072, 5, least + 3};
  const double difference[N] = {most - 1, least + 1, -9, 9, -5, 0, 5, most - 2};
  const double product[N] = {most, least, -14, -14, 14, 0, 0, least};
  const double ratio[N] = {most, least, -4, -4, 3, 1, 0, -715827883};
  const double rest[N] = {0, 0, 1, -1, -1, 0, 5, 1};
  const double negative[N] = {-most, least, 7, -7, 7, -65536, -5, least};
  const double size[N] = {most, least, 7, 7, 7, 65536, 5, least};
  expect_two(OP_ADD, FORMAT_I32, FORMAT_I32, a, b, sum);
  expect_two(OP_SUB, FORMAT_I32, FORMAT_I32, a, b, difference);
  expect_two(OP_MUL, FORMAT_I32, FORMAT_I32, a, b, product);
  expect_two(OP_FLOORDIV, FORMAT_I32, FORMAT_I32, a, b, ratio);
  expect_two(OP_MOD, FORMAT_I32, FORMAT_I32, a, b, rest);
  expect_two(OP_NEG, FORMAT_I32, FORMAT_I32, a, NULL, negative);
  expect_two(OP_ABS, FORMAT_I32, FORMAT_I32, a, NULL, size);
}

/* A column chooses between a row and a number. */
static void choices_broadcast(void **state) {
  (void)state;
  static const double c[] = {1, 0}, a[] = {1, 2, 3};
  static const double expected[] = {1, 2, 3, -INFINITY, -INFINITY, -INFINITY};
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId mask = lab_input(lab, FORMAT_BOOL, SHAPE(2, 1), c);
  ValueId row = lab_input(lab, FORMAT_REAL, SHAPE(1, 3), a);
  ValueId y = lab_op(lab, OP_SELECT, FORMAT_REAL, SHAPE(2, 3), mask, row,
                     lab_const(lab, -INFINITY));
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, y, expected);
  lab_free(lab);
}

/* 1 / sqrt(x), each step rounded to binary32. */
static void inverse_roots_round_twice(void **state) {
  (void)state;
  double x[N] = {4, 2, 3, 0, -0.0, INFINITY, -1, 1e-40}, expected[N];
  x[7] = (double)(float)x[7];
  for (int i = 0; i < N; i++)
    expected[i] = (double)(float)(1 / (double)(float)sqrt(x[i]));
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId id = lab_input(lab, FORMAT_REAL, SHAPE(N), x);
  ValueId y = lab_op(lab, OP_RSQRT, FORMAT_REAL, SHAPE(N), id, 0, 0);
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, y, expected);
  lab_free(lab);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(comparisons),
      cmocka_unit_test(extrema_order_zeros_and_keep_nan),
      cmocka_unit_test(functions_that_drop_bits),
      cmocka_unit_test(logic),
      cmocka_unit_test(whole_numbers_wrap),
      cmocka_unit_test(choices_broadcast),
      cmocka_unit_test(inverse_roots_round_twice),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
