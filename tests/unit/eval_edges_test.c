/* ir/eval: exponents, shifts, the certificate, and every rounding below f32.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "ir/f32math.h"
#include "ir/rng.h"
#include "tests/unit/eval_support.h"

#define NUMBERS(...) ((const double[]){__VA_ARGS__})

static int32_t exponent_of(Lab *lab, ValueId id) {
  return evaluator_value(lab->evaluator, lab->graph, id)->exponent;
}

/* ---- shifts ------------------------------------------------------------- */

static void test_static_shifts(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_SCALED);
  ValueId bytes = lab_input(lab, FORMAT_U8, SHAPE(2), NUMBERS(64, 255));
  ValueId x = lab_op(lab, OP_CONVERT, FORMAT_REAL, SHAPE(2), bytes, 0, 0);
  lab_scale(lab, x, 8);
  ValueId y = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(3, 5));
  lab_scale(lab, y, 0);
  ValueId dot = lab_pattern(lab, OP_EINSUM, SCALAR, x, y, "i, i ->");
  lab_scale(lab, dot, 10);
  ValueId mean = lab_pattern(lab, OP_MEAN, SCALAR, x, 0, "i ->");
  lab_scale(lab, mean, 6);
  ValueId balanced = lab_op(lab, OP_REBALANCE, FORMAT_REAL, SHAPE(2), x, 0, 0);
  lab_scale(lab, balanced, 5);
  ValueId whole = lab_op(lab, OP_CONVERT, FORMAT_I32, SHAPE(2), x, 0, 0);
  for (Precision p = PRECISION_F64; p <= PRECISION_EDGES; p++) {
    lab_run(lab, p, 1);
    lab_expect(lab, x, NUMBERS(0.25, 255.0 / 256));
    lab_expect(lab, dot, NUMBERS((64 * 3 + 255 * 5) / 1024.0));
    lab_expect(lab, mean, NUMBERS(159.5 / 64));
    lab_expect(lab, balanced, NUMBERS(2, 255.0 / 32));
    lab_expect(lab, whole, NUMBERS(64, 255));
    assert_int_equal(exponent_of(lab, x), 8);
    assert_int_equal(exponent_of(lab, whole), 0);
    assert_true(evaluator_certified(lab->evaluator));
  }
  lab_free(lab);
}

/* sqrt halves an even exponent; exp, log and the loss see true values. */
static void test_operand_shifts(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_SCALED);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(4, 6));
  lab_scale(lab, x, 3); /* data 0.5, 0.75 */
  ValueId root = lab_op(lab, OP_SQRT, FORMAT_REAL, SHAPE(2), x, 0, 0);
  lab_scale(lab, root, 1);
  ValueId power = lab_op(lab, OP_EXP, FORMAT_REAL, SHAPE(2), x, 0, 0);
  lab_scale(lab, power, 0);
  ValueId logarithm = lab_op(lab, OP_LOG, FORMAT_REAL, SHAPE(2), x, 0, 0);
  lab_scale(lab, logarithm, 0);
  ValueId row = lab_op(lab, OP_RESHAPE, FORMAT_REAL, SHAPE(1, 2), x, 0, 0);
  lab_scale(lab, row, 3);
  ValueId label = lab_input(lab, FORMAT_U8, SHAPE(1), NUMBERS(0));
  ValueId loss =
      lab_op(lab, OP_SOFTMAX_XENT, FORMAT_REAL, SHAPE(1), row, label, 0);
  lab_scale(lab, loss, 0);
  ValueId dy = lab_input(lab, FORMAT_REAL, SHAPE(1), NUMBERS(0.25));
  lab_scale(lab, dy, -2); /* data 1 */
  ValueId grad = lab_op(lab, OP_SOFTMAX_XENT_GRAD, FORMAT_REAL, SHAPE(1, 2),
                        row, label, dy);
  lab_scale(lab, grad, -3);
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, root, NUMBERS(1, (double)(sqrtf(1.5f))));
  lab_expect(lab, power, NUMBERS((double)f32_exp(4), (double)f32_exp(6)));
  lab_expect(lab, logarithm, NUMBERS((double)f32_log(4), (double)f32_log(6)));
  float e = f32_exp(-2), s = e + 1;
  lab_expect(lab, loss, NUMBERS((double)(f32_log(s) - -2.0f)));
  lab_expect(lab, grad,
             NUMBERS((double)(2 * (e / s - 1)), (double)(2 * (1 / s))));
  lab_free(lab);
}

/* A run-time exponent in scale and shift. */
static void test_symbols(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_SCALED);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(48, -48));
  lab_scale(lab, x, 2); /* data 12 */
  ValueId e = lab_op(lab, OP_NORM_EXPONENT, FORMAT_I32, SCALAR, x, 0, 0);
  lab_node(lab, e)->attr.by = NORM_L2;
  ValueId y = lab_op(lab, OP_REBALANCE, FORMAT_REAL, SHAPE(2), x, 0, 0);
  lab_node(lab, y)->scale = scale_make(SCALE_NORMAL, e, 0);
  ValueId dot = lab_pattern(lab, OP_EINSUM, SCALAR, y, y, "i, i ->");
  lab_node(lab, dot)->scale = scale_make(SCALE_NORMAL, e, 3);
  ValueId max = lab_op(lab, OP_MAX_EXPONENT, FORMAT_I32, SCALAR, 0, 0, 0);
  lab_node(lab, max)->attr.term[0] = scale_make(SCALE_NORMAL, e, -2);
  lab_node(lab, max)->attr.term[1] = scale_static(4);
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, e, NUMBERS(5)); /* 2 + floor(log2 12) */
  lab_expect(lab, y, NUMBERS(1.5, -1.5));
  assert_int_equal(exponent_of(lab, y), 5);
  /* 4.5 at 2^(5 + 5), wanted at 2^(5 + 3). */
  lab_expect(lab, dot, NUMBERS(18));
  assert_int_equal(exponent_of(lab, dot), 8);
  lab_expect(lab, max, NUMBERS(4));
  lab_node(lab, max)->attr.term[0].exponent = 3;
  assert_true(lab_again(lab, 2));
  lab_expect(lab, max, NUMBERS(8));
  lab_free(lab);
}

/* ---- norm_exponent ------------------------------------------------------ */

static double measured(Norm by, int32_t exponent, const double data[4],
                       uint64_t unmeasured) {
  return lab_norm_exponent(by, FORMAT_NONE, exponent, data, unmeasured);
}

static void test_norms(void **state) {
  (void)state;
  const double x[4] = {4, -8, 0, 1};
  assert_true(measured(NORM_L2, 0, x, 0) == 2);  /* sqrt(81 / 4) = 4.5 */
  assert_true(measured(NORM_L1, 0, x, 0) == 1);  /* 13 / 4 */
  assert_true(measured(NORM_MAX, 0, x, 0) == 3); /* 8, a power of two */
  assert_true(measured(NORM_MAX, -7, x, 0) == -4);
  const double below[4] = {7.999999, 0, 0, 0};
  assert_true(measured(NORM_MAX, 0, below, 0) == 2);
}

static void test_norm_edges(void **state) {
  (void)state;
  const double zero[4] = {0, -0.0, 0, 0};
  const double infinite[4] = {1, INFINITY, 0, 0};
  const double nan[4] = {1, 2, NAN, 0};
  for (int by = 0; by < NORM_COUNT; by++) {
    assert_true(measured((Norm)by, 3, zero, 1) == 3);
    assert_true(measured((Norm)by, -5, infinite, 1) == -5);
    assert_true(measured((Norm)by, 9, nan, 1) == 9);
  }
}

static void test_norm_clamps(void **state) {
  (void)state;
  const double large[4] = {0x1p20, 0x1p20, 0x1p20, 0x1p20};
  const double small[4] = {0x1p-20, 0x1p-20, 0x1p-20, 0x1p-20};
  assert_true(measured(NORM_L1, 107, large, 0) == 126);
  assert_true(measured(NORM_MAX, -106, small, 0) == -126);
  assert_true(measured(NORM_MAX, -107, small, 0) == -126);
}

/* ---- the certificate ---------------------------------------------------- */

static Lab *product_lab(double a, double b, ValueId *product) {
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_REAL, SCALAR, &a);
  ValueId y = lab_input(lab, FORMAT_REAL, SCALAR, &b);
  *product = lab_op(lab, OP_MUL, FORMAT_REAL, SCALAR, x, y, 0);
  lab_run(lab, PRECISION_F32, 1);
  return lab;
}

static void check_certificate(double a, double b, double expected,
                              bool certified) {
  ValueId product;
  Lab *lab = product_lab(a, b, &product);
  lab_expect(lab, product, &expected);
  assert_int_equal(evaluator_certified(lab->evaluator), certified);
  assert_int_equal(evaluator_counts(lab->evaluator).flagged, !certified);
  lab_free(lab);
}

static void test_certificate(void **state) {
  (void)state;
  check_certificate(3, 5, 15, true);
  check_certificate(0x1p100, 0x1p100, INFINITY, false);
  check_certificate(0x1.8p-75, 0x1.8p-75, 0x1p-149, false);
  check_certificate(0x1p-75, 0x1p-74, 0x1p-149, true); /* tiny, but exact */
  check_certificate(INFINITY, 2, INFINITY, true);
}

/* exp far below zero underflows in the unscaled program as well. */
static void test_uncounted_flags(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_SCALED);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(1, 2), NUMBERS(0, -200));
  lab_scale(lab, x, 4);
  ValueId y = lab_op(lab, OP_EXP, FORMAT_REAL, SHAPE(1, 2), x, 0, 0);
  lab_scale(lab, y, 0);
  ValueId label = lab_input(lab, FORMAT_U8, SHAPE(1), NUMBERS(0));
  ValueId loss =
      lab_op(lab, OP_SOFTMAX_XENT, FORMAT_REAL, SHAPE(1), x, label, 0);
  lab_scale(lab, loss, 0);
  ValueId tiny = lab_input(lab, FORMAT_REAL, SHAPE(1), NUMBERS(0x1.8p-100));
  lab_scale(lab, tiny, 0);
  ValueId e = lab_op(lab, OP_NORM_EXPONENT, FORMAT_I32, SCALAR, tiny, 0, 0);
  lab_node(lab, e)->attr.by = NORM_L2; /* the square underflows */
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, y, NUMBERS(1, 0));
  assert_true(evaluator_certified(lab->evaluator));
  lab_free(lab);
}

/* Subnormals count and rounding is to nearest, whatever the host has set; and
 * the host's settings come back. */
static void test_environment(void **state) {
  (void)state;
  fesetround(FE_UPWARD);
#ifdef __SSE__
  unsigned host = _mm_getcsr();
  _mm_setcsr(host | 0x8040);
#endif
  ValueId product;
  Lab *lab = product_lab(0x1p-140, 0.5, &product);
  double tiny = lab_number(lab, product);
  lab_free(lab);
  lab = product_lab(1 + 0x1p-23, 1 + 0x1p-23, &product);
  double rounded = lab_number(lab, product);
  lab_free(lab);
#ifdef __SSE__
  assert_int_equal(_mm_getcsr() & 0x8040, 0x8040);
  _mm_setcsr(host);
#endif
  assert_int_equal(fegetround(), FE_UPWARD);
  fesetround(FE_TONEAREST);
  assert_true(tiny == 0x1p-141);
  assert_true(rounded == 1 + 0x1p-22);
}

/* ---- roundings ----------------------------------------------------------- */

static void test_cast(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FINAL);
  ValueId x = lab_input(lab, FORMAT_F32, SHAPE(5),
                        NUMBERS(1.0625, -1.1, 1000, INFINITY, NAN));
  ValueId y = lab_op(lab, OP_CAST, FORMAT_E4M3, SHAPE(5), x, 0, 0);
  ValueId z = lab_op(lab, OP_CAST, FORMAT_E5M2, SHAPE(5), x, 0, 0);
  lab_node(lab, z)->attr.overflow = OVERFLOW_INF;
  lab_run(lab, PRECISION_EDGES, 1);
  lab_expect(lab, y, NUMBERS(1, -1.125, 448, 448, NAN));
  lab_expect(lab, z, NUMBERS(1, -1, 1024, INFINITY, NAN));
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, y, NUMBERS(1.0625, (double)-1.1f, 1000, INFINITY, NAN));
  lab_run(lab, PRECISION_F64, 1);
  lab_expect(lab, y, NUMBERS(1.0625, -1.1, 1000, INFINITY, NAN));
  lab_free(lab);
}

/* What the cast made infinite stays so in its view, which saturates. */
static void test_view_of_cast(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FORMATTED);
  ValueId x = lab_input(lab, FORMAT_F32, SHAPE(2, 1), NUMBERS(1e6, -INFINITY));
  ValueId y = lab_op(lab, OP_CAST, FORMAT_E5M2, SHAPE(2, 1), x, 0, 0);
  lab_node(lab, y)->attr.overflow = OVERFLOW_INF;
  ValueId z = lab_op(lab, OP_RESHAPE, FORMAT_E5M2, SHAPE(2), y, 0, 0);
  lab_run(lab, PRECISION_EDGES, 1);
  lab_expect(lab, z, NUMBERS(INFINITY, -INFINITY));
  lab_free(lab);
}

static void test_stochastic_cast(void **state) {
  (void)state;
  enum { N = 64 };
  Lab *lab = lab_new(LEVEL_FINAL);
  double data[N], expected[N];
  RngKey key = rng_key(1, 9, rng_hash_name("h.q"));
  for (uint64_t i = 0; i < N; i++) {
    data[i] = 1.0625; /* half way from 1 to 1.125 */
    uint32_t code = codec_encode_stochastic(FORMAT_E4M3, 1.0625f,
                                            rng_u32(key, i), OVERFLOW_SATURATE);
    expected[i] = (double)codec_decode(FORMAT_E4M3, code);
  }
  ValueId x = lab_input(lab, FORMAT_F32, SHAPE(N), data);
  ValueId y = lab_op(lab, OP_CAST, FORMAT_E4M3, SHAPE(N), x, 0, 0);
  lab_node(lab, y)->attr.round = ROUND_STOCHASTIC;
  lab_node(lab, y)->name = "h.q";
  lab_run(lab, PRECISION_EDGES, 9);
  lab_expect(lab, y, expected);
  bool seen[2] = {false, false};
  for (int i = 0; i < N; i++)
    seen[expected[i] > 1] = true;
  assert_true(seen[0] && seen[1]);
  lab_free(lab);
}

/* Level formatted: a bf16 value has two faces. */
static void test_raw_and_rounded(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FORMATTED);
  /* bf16 makes 1.0625 of x0, and zero of x1; f16 holds x0. */
  const double x0 = 1.0625 - 0x1p-10, x1 = -0x1p-140;
  ValueId x = lab_input(lab, FORMAT_F32, SHAPE(2), NUMBERS(x0, x1));
  ValueId y = lab_op(lab, OP_NEG, FORMAT_BF16, SHAPE(2), x, 0, 0);
  ValueId one = lab_input(lab, FORMAT_F32, SHAPE(2), NUMBERS(1, 0));
  ValueId reader = lab_op(lab, OP_NEG, FORMAT_F32, SHAPE(2), y, 0, 0);
  ValueId stored = lab_pattern(lab, OP_EINSUM, SCALAR, y, one, "i, i ->");
  ValueId as = lab_pattern(lab, OP_EINSUM, SCALAR, y, one, "i, i ->");
  lab_node(lab, stored)->type = lab_node(lab, as)->type =
      lab_type(lab, FORMAT_F32, SCALAR);
  lab_node(lab, as)->as[0] = FORMAT_F16;
  lab_run(lab, PRECISION_EDGES, 1);
  lab_expect(lab, y, NUMBERS(-1.0625, 0));
  lab_expect(lab, reader, NUMBERS(1.0625, -0.0));
  lab_expect(lab, stored, NUMBERS(-1.0625));
  lab_expect(lab, as, NUMBERS(-x0));
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, y, NUMBERS(-x0, -x1));
  lab_expect(lab, stored, NUMBERS(-x0));
  lab_free(lab);
}

/* The test of relu_grad looks at the value before its own rounding. */
static void test_relu_grad_raw(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FORMATTED);
  ValueId x = lab_input(lab, FORMAT_F32, SHAPE(2), NUMBERS(0x1p-20, -1));
  ValueId y = lab_op(lab, OP_RELU, FORMAT_E4M3, SHAPE(2), x, 0, 0);
  ValueId dy = lab_input(lab, FORMAT_F32, SHAPE(2), NUMBERS(3, 5));
  ValueId dx = lab_op(lab, OP_RELU_GRAD, FORMAT_F32, SHAPE(2), dy, y, 0);
  lab_run(lab, PRECISION_EDGES, 1);
  lab_expect(lab, y, NUMBERS(0, 0));
  lab_expect(lab, dx, NUMBERS(3, 0));
  lab_free(lab);
}

/* Formats of values count at formatted alone; at final only casts round. */
static void test_levels(void **state) {
  (void)state;
  const double x0 = 1.0625 - 0x1p-10;
  for (Level level = LEVEL_PLAIN; level <= LEVEL_FINAL; level++) {
    Lab *lab = lab_new(level);
    ValueId x = lab_input(lab, FORMAT_F32, SCALAR, &x0);
    ValueId y = lab_op(lab, OP_NEG, FORMAT_BF16, SCALAR, x, 0, 0);
    lab_run(lab, PRECISION_EDGES, 1);
    bool rounds = level == LEVEL_FORMATTED;
    assert_true(lab_number(lab, y) == (rounds ? -1.0625 : -x0));
    lab_free(lab);
  }
}

static void test_narrow_parameter(void **state) {
  (void)state;
  Init start = {INIT_CONSTANT, 0.1, 0};
  for (Level level = LEVEL_PLAIN; level <= LEVEL_FINAL; level++) {
    Lab *lab = lab_new(level);
    int w =
        lab_new_param(lab, "w", FORMAT_E4M3, SHAPE(4), start, scale_static(-4));
    ValueId read = lab_param(lab, w);
    ValueId next = lab_input(lab, FORMAT_F32, SHAPE(4),
                             NUMBERS(1e6 / 16, 1.0625 / 16, -1e6 / 16, 0));
    lab_scale(lab, next, -4);
    ValueId store = lab_store(lab, w, next);
    lab_run(lab, PRECISION_EDGES, 1);
    bool rounds = level >= LEVEL_FORMATTED;
    double first = rounds ? 1.625 : (double)(0.1f * 16);
    lab_expect(lab, read, NUMBERS(first, first, first, first));
    assert_int_equal(evaluator_counts(lab->evaluator).saturated,
                     rounds ? 2 : 0);
    if (rounds)
      lab_expect(lab, store, NUMBERS(448, 1, -448, 0));
    else
      lab_expect(lab, store, NUMBERS(1e6, 1.0625, -1e6, 0));
    assert_true(evaluator_param(lab->evaluator, w)->data[1] ==
                (rounds ? 1 : 1.0625));
    lab_free(lab);
  }
}

/* Stores draw under the parameter's name. */
static void test_stochastic_store(void **state) {
  (void)state;
  enum { N = 32 };
  Lab *lab = lab_new(LEVEL_FINAL);
  Init zeros = {INIT_ZEROS, 0, 0};
  int w =
      lab_new_param(lab, "net.w", FORMAT_F16, SHAPE(N), zeros, scale_none());
  double data[N], expected[N];
  RngKey key = rng_key(1, 3, rng_hash_name("net.w"));
  for (uint64_t i = 0; i < N; i++) {
    data[i] = 1 + 0x1p-12;
    uint32_t code = codec_encode_stochastic(FORMAT_F16, (float)data[i],
                                            rng_u32(key, i), OVERFLOW_SATURATE);
    expected[i] = (double)codec_decode(FORMAT_F16, code);
  }
  ValueId x = lab_input(lab, FORMAT_F32, SHAPE(N), data);
  ValueId store = lab_store(lab, w, x);
  lab_node(lab, store)->attr.round = ROUND_STOCHASTIC;
  lab_run(lab, PRECISION_EDGES, 3);
  lab_expect(lab, store, expected);
  assert_memory_equal(evaluator_param(lab->evaluator, w)->data, expected,
                      sizeof expected);
  lab_free(lab);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_static_shifts),
      cmocka_unit_test(test_operand_shifts),
      cmocka_unit_test(test_symbols),
      cmocka_unit_test(test_norms),
      cmocka_unit_test(test_norm_edges),
      cmocka_unit_test(test_norm_clamps),
      cmocka_unit_test(test_certificate),
      cmocka_unit_test(test_uncounted_flags),
      cmocka_unit_test(test_environment),
      cmocka_unit_test(test_cast),
      cmocka_unit_test(test_view_of_cast),
      cmocka_unit_test(test_stochastic_cast),
      cmocka_unit_test(test_raw_and_rounded),
      cmocka_unit_test(test_relu_grad_raw),
      cmocka_unit_test(test_levels),
      cmocka_unit_test(test_narrow_parameter),
      cmocka_unit_test(test_stochastic_store),
  };
  return cmocka_run_group_tests_name("eval_edges", tests, NULL, NULL);
}
