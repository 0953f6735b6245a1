/* ir/f32math: special values, errors against the C library's long double
 * functions, order, and the two-step scaling.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "ir/f32math.h"

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint32_t to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* Floats in order as integers, with both zeros at 0. */
static int64_t rank_of(float x) {
  int64_t magnitude = to_bits(x) & 0x7FFFFFFF;
  return signbit(x) ? -magnitude : magnitude;
}

/* The distance in binary32 steps from the correctly rounded result. */
static int64_t steps_off(float got, long double exact) {
  int64_t off = rank_of(got) - rank_of((float)exact);
  return off < 0 ? -off : off;
}

static void test_exp_specials(void **state) {
  (void)state;
  assert_int_equal(to_bits(f32_exp(0.0f)), to_bits(1.0f));
  assert_int_equal(to_bits(f32_exp(-0.0f)), to_bits(1.0f));
  assert_int_equal(to_bits(f32_exp(0x1p-149f)), to_bits(1.0f));
  assert_int_equal(to_bits(f32_exp(INFINITY)), 0x7F800000);
  assert_int_equal(to_bits(f32_exp(-INFINITY)), 0);
  assert_int_equal(to_bits(f32_exp(NAN)), 0x7FC00000);
  assert_int_equal(to_bits(f32_exp(from_bits(0xFF800001))), 0x7FC00000);
  assert_int_equal(to_bits(f32_exp(FLT_MAX)), 0x7F800000);
  assert_int_equal(to_bits(f32_exp(-FLT_MAX)), 0);
  /* The last finite result and the next; the last positive and the next. */
  assert_true(isfinite(f32_exp(0x1.62E42Ep6f)));
  assert_true(isinf(f32_exp(0x1.62E430p6f)));
  assert_int_equal(to_bits(f32_exp(-0x1.9FE368p6f)), 1);
  assert_int_equal(to_bits(f32_exp(-0x1.9FE36Ap6f)), 0);
}

static void test_log_specials(void **state) {
  (void)state;
  assert_int_equal(to_bits(f32_log(1.0f)), 0);
  assert_int_equal(to_bits(f32_log(0.0f)), 0xFF800000);
  assert_int_equal(to_bits(f32_log(-0.0f)), 0xFF800000);
  assert_int_equal(to_bits(f32_log(INFINITY)), 0x7F800000);
  assert_int_equal(to_bits(f32_log(-INFINITY)), 0x7FC00000);
  assert_int_equal(to_bits(f32_log(-1.0f)), 0x7FC00000);
  assert_int_equal(to_bits(f32_log(-0x1p-149f)), 0x7FC00000);
  assert_int_equal(to_bits(f32_log(NAN)), 0x7FC00000);
  assert_int_equal(to_bits(f32_log(from_bits(0xFFFFFFFF))), 0x7FC00000);
}

/* All finite inputs, 2^21 of them evenly over the bit patterns, and every
 * pattern near 1, where log is hardest. */
static void test_exp_error(void **state) {
  (void)state;
  for (uint64_t bits = 0; bits < 0x100000000; bits += 2047) {
    float x = from_bits((uint32_t)bits);
    if (!isnan(x) && steps_off(f32_exp(x), expl((long double)x)) > 1)
      fail_msg("exp(%a) is %a", (double)x, (double)f32_exp(x));
  }
  for (float x = -104.5f; x < 89.5f; x += 0x1p-12f)
    if (steps_off(f32_exp(x), expl((long double)x)) > 1)
      fail_msg("exp(%a) is %a", (double)x, (double)f32_exp(x));
}

static void check_log(uint32_t bits) {
  float x = from_bits(bits);
  if (steps_off(f32_log(x), logl((long double)x)) > 1)
    fail_msg("log(%a) is %a", (double)x, (double)f32_log(x));
}

static void test_log_error(void **state) {
  (void)state;
  for (uint32_t bits = 1; bits < 0x7F800000; bits += 1021)
    check_log(bits);
  for (uint32_t bits = 0x3F780000; bits < 0x3F880000; bits++)
    check_log(bits);
}

/* No step back by more than the two errors together allow, and no step back
 * at all between inputs far enough apart to differ. */
static void test_monotone(void **state) {
  (void)state;
  float last = 0.0f;
  for (float x = -110.0f; x < 90.0f; x += 0x1p-12f) {
    float y = f32_exp(x);
    assert_true(y >= last);
    last = y;
  }
  last = -INFINITY;
  for (uint32_t bits = 0; bits < 0x7F800000; bits += 4093) {
    float y = f32_log(from_bits(bits));
    assert_true(y >= last);
    last = y;
  }
}

static void test_pow2(void **state) {
  (void)state;
  for (int k = -126; k <= 127; k++)
    assert_int_equal(to_bits(f32_pow2(k)), to_bits((float)ldexp(1.0, k)));
}

/* One step for exponents of a normal float; two steps reach [-252, 254] and
 * are exact, or round once, unless both steps leave the normal range. */
static void test_scale2(void **state) {
  (void)state;
  const float values[] = {
      1.0f,       -1.5f,       0x1.FFFFFEp0f, 0x1.234568p100f,
      -0x1p-149f, 0x1.8p-140f, FLT_MIN,       FLT_MAX};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++)
    for (int k = -252; k <= 254; k++) {
      double exact = ldexp((double)values[i], k);
      float got = f32_scale2(values[i], k);
      if ((double)(float)exact == exact)
        assert_int_equal(to_bits(got), to_bits((float)exact));
      else
        assert_true(fabs((double)got - exact) < 0x1p-149 ||
                    (isinf(got) && fabs(exact) > (double)FLT_MAX));
    }
  assert_int_equal(to_bits(f32_scale2(-0.0f, 300)), 0x80000000);
  assert_int_equal(to_bits(f32_scale2(1.0f, INT32_MAX)), 0x7F800000);
  assert_int_equal(to_bits(f32_scale2(1.0f, INT32_MIN)), 0);
  assert_true(isinf(f32_scale2(-INFINITY, -200)));
  assert_true(isnan(f32_scale2(NAN, 3)));
}

/* Each of the two multiplications rounds, the second often exactly: below
 * 2^-126 the first takes all it can. */
static void test_scale2_order(void **state) {
  (void)state;
  for (uint32_t bits = 1; bits < 0x7F800000; bits += 65521)
    for (int k = -160; k <= 160; k += 7) {
      float x = from_bits(bits);
      int k1 = k < -126 ? -126 : k > 127 ? 127 : k;
      float want = (float)ldexp((double)x, k1);
      want = (float)ldexp((double)want, k - k1);
      assert_int_equal(to_bits(f32_scale2(x, k)), to_bits(want));
    }
}

static void check_quantile(double p) {
  double z = (double)f32_normal_quantile(p);
  /* Newton's correction of z towards the exact quantile, from the smaller
   * tail, relative to z: half a step of binary32 and the linearisation. */
  double tail = p < 0.5 ? erfc(-z * M_SQRT1_2) / 2 - p
                        : (1 - p) - erfc(z * M_SQRT1_2) / 2;
  double density = exp(-z * z / 2) * 0.3989422804014327;
  double limit = fmax(fabs(z) * 0x1.01p-24, 1e-15);
  if (!(fabs(tail / density) <= limit))
    fail_msg("quantile(%.17g) is %a", p, z);
}

static void test_quantile(void **state) {
  (void)state;
  assert_true(f32_normal_quantile(0.5) == 0.0f);
  assert_true(f32_normal_quantile(0.975) == 1.959963984540054f);
  assert_true(f32_normal_quantile(0.025) == -1.959963984540054f);
  assert_true(f32_normal_quantile(0.84134474606854293) == 1.0f);
  float last = -INFINITY;
  for (uint64_t u = 0; u < 0x100000000; u += 20011) {
    double p = ((double)u + 0.5) * 0x1p-32;
    float z = f32_normal_quantile(p);
    assert_true(z >= last && z == -f32_normal_quantile(1 - p));
    last = z;
    check_quantile(p);
  }
  for (int k = 2; k < 1000; k++)
    check_quantile(ldexp(1.0, -k));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_exp_specials), cmocka_unit_test(test_log_specials),
      cmocka_unit_test(test_exp_error),    cmocka_unit_test(test_log_error),
      cmocka_unit_test(test_monotone),     cmocka_unit_test(test_pow2),
      cmocka_unit_test(test_scale2),       cmocka_unit_test(test_scale2_order),
      cmocka_unit_test(test_quantile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
