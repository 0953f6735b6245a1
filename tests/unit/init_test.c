/* ir/init: initial values are functions of (seed, name, element), have the
 * distributions they are named after, and round to every format.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "ir/init.h"
#include "ir/rng.h"

enum { N = 20000 };

static void fill(InitFill kind, double a, double b, int32_t exponent,
                 float *out) {
  init_fill(kind, a, b, exponent, FORMAT_F32, 1, 42, 0, N, out);
}

static double mean_of(const float *x) {
  double sum = 0;
  for (int i = 0; i < N; i++)
    sum += (double)x[i];
  return sum / N;
}

static double rms_of(const float *x) {
  double sum = 0;
  for (int i = 0; i < N; i++)
    sum += (double)x[i] * (double)x[i];
  return sqrt(sum / N);
}

static void test_constants(void **state) {
  (void)state;
  static float x[N];
  fill(INIT_FILL_ZEROS, 7, 7, 3, x);
  assert_true(x[0] == 0 && x[N - 1] == 0 && !signbit(x[0]));
  fill(INIT_FILL_ONES, 7, 7, 3, x);
  assert_true(x[0] == 0.125f && x[N - 1] == 0.125f);
  fill(INIT_FILL_CONSTANT, 0.1, 7, -4, x);
  assert_true(x[0] == 0.1f * 16 && x[N - 1] == 0.1f * 16);
}

static void test_normal(void **state) {
  (void)state;
  static float x[N];
  fill(INIT_FILL_NORMAL, 0.03, 0, -5, x);
  RngKey key = rng_key(1, 0, 42);
  for (uint64_t i = 0; i < 100; i++)
    assert_true(x[i] == 0.03f * rng_normal(key, i) * 32);
  assert_true(fabs(mean_of(x)) < 0.03);
  assert_true(fabs(rms_of(x) / 0.96 - 1) < 0.03);
}

static void test_uniform(void **state) {
  (void)state;
  static float x[N];
  fill(INIT_FILL_UNIFORM, -3, 1, 0, x);
  for (int i = 0; i < N; i++)
    assert_true(x[i] >= -3 && x[i] < 1);
  assert_true(fabs(mean_of(x) + 1) < 0.05);
  /* An interval of one step: b must not come out. */
  fill(INIT_FILL_UNIFORM, 1, 1 + 0x1p-23, 0, x);
  for (int i = 0; i < N; i++)
    assert_true(x[i] == 1);
}

static void test_trunc_normal(void **state) {
  (void)state;
  static float x[N];
  fill(INIT_FILL_TRUNC_NORMAL, 0.5, 0, 0, x);
  float largest = 0;
  for (int i = 0; i < N; i++)
    largest = fmaxf(largest, fabsf(x[i]));
  assert_true(largest <= 1 && largest > 0.98f);
  assert_true(fabs(mean_of(x)) < 0.02);
  /* The standard deviation of the normal distribution cut at 2. */
  assert_true(fabs(rms_of(x) / (0.5 * 0.8796) - 1) < 0.03);
}

static void test_pieces(void **state) {
  (void)state;
  static float whole[N], piece[N];
  fill(INIT_FILL_NORMAL, 1, 0, 0, whole);
  init_fill(INIT_FILL_NORMAL, 1, 0, 0, FORMAT_F32, 1, 42, 4097, 9001, piece);
  assert_memory_equal(piece, whole + 4097, (9001 - 4097) * sizeof *piece);
  init_fill(INIT_FILL_NORMAL, 1, 0, 0, FORMAT_F32, 2, 42, 0, N, piece);
  assert_memory_not_equal(piece, whole, sizeof whole);
  init_fill(INIT_FILL_NORMAL, 1, 0, 0, FORMAT_F32, 1, 43, 0, N, piece);
  assert_memory_not_equal(piece, whole, sizeof whole);
}

static void test_narrow_formats(void **state) {
  (void)state;
  static const Format formats[] = {FORMAT_F16, FORMAT_BF16, FORMAT_E4M3,
                                   FORMAT_E5M2};
  static float x[N];
  fill(INIT_FILL_NORMAL, 300, 0, 0, x);
  for (int f = 0; f < 4; f++) {
    uint16_t wide[N];
    uint8_t *narrow = (uint8_t *)wide;
    init_fill(INIT_FILL_NORMAL, 300, 0, 0, formats[f], 1, 42, 0, N, wide);
    bool bytes = format_bytes(formats[f]) == 1;
    for (int i = 0; i < N; i++)
      assert_int_equal(bytes ? narrow[i] : wide[i],
                       codec_encode(formats[f], x[i], OVERFLOW_SATURATE));
  }
}

static void test_other_formats(void **state) {
  (void)state;
  double f64;
  init_fill(INIT_FILL_CONSTANT, 0.1, 0, 0, FORMAT_F64, 1, 1, 0, 1, &f64);
  assert_true(f64 == (double)0.1f);
  int32_t i32[2] = {9, 9};
  init_fill(INIT_FILL_CONSTANT, -2.75, 0, 0, FORMAT_I32, 1, 1, 0, 1, i32);
  assert_true(i32[0] == -2 && i32[1] == 9);
  init_fill(INIT_FILL_CONSTANT, 1e30, 0, 0, FORMAT_I32, 1, 1, 0, 1, i32);
  assert_true(i32[0] == INT32_MAX);
  int64_t i64;
  init_fill(INIT_FILL_CONSTANT, -1e30, 0, 0, FORMAT_I64, 1, 1, 0, 1, &i64);
  assert_true(i64 == INT64_MIN);
  uint8_t u8[2] = {7, 7};
  init_fill(INIT_FILL_CONSTANT, 300, 0, 0, FORMAT_U8, 1, 1, 0, 1, u8);
  assert_true(u8[0] == 255 && u8[1] == 7);
  uint16_t u16;
  init_fill(INIT_FILL_CONSTANT, -1, 0, 0, FORMAT_U16, 1, 1, 0, 1, &u16);
  assert_true(u16 == 0);
  init_fill(INIT_FILL_ONES, 0, 0, 0, FORMAT_BOOL, 1, 1, 0, 1, u8);
  assert_true(u8[0] == 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_constants),
      cmocka_unit_test(test_normal),
      cmocka_unit_test(test_uniform),
      cmocka_unit_test(test_trunc_normal),
      cmocka_unit_test(test_pieces),
      cmocka_unit_test(test_narrow_formats),
      cmocka_unit_test(test_other_formats),
  };
  return cmocka_run_group_tests_name("init", tests, NULL, NULL);
}
