/* Acceptance 11: the tables of the formats, against the second implementation
 * (codec_reference.h): every code, ties between neighbours, both policies for
 * what is too large, NaN, and stochastic rounding by a chi-squared test.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "ir/rng.h"
#include "tests/unit/codec_reference.h"

typedef void Check(const Reference *reference);

/* Every float format of up to 8 bits. */
static void each_format(Check *check) {
  int count = 0;
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++) {
    if (reference_formats[i].bits > 8)
      continue;
    Reference *reference = reference_new(&reference_formats[i]);
    assert_non_null(reference);
    check(reference);
    reference_free(reference);
    count++;
  }
  assert_true(count >= 4);
}

static uint32_t code_count(const Reference *reference) {
  return 1u << reference->facts->bits;
}

static bool same_float(float a, double b) {
  return isnan(b) ? isnan(a) : (double)a == b && !signbit(a) == !signbit(b);
}

/* ---- codes --------------------------------------------------------------- */

/* decode, and encode of it: NaN has one code for each sign, or one. */
static void check_codes(const Reference *reference) {
  Format format = reference->facts->format;
  for (uint32_t code = 0; code < code_count(reference); code++) {
    float x = codec_decode(format, code);
    assert_true(same_float(x, reference_decode(reference, code)));
    for (int policy = 0; policy < 2; policy++) {
      uint32_t back = codec_encode(format, x, (Overflow)policy);
      bool clipped = isinf(x) && policy == OVERFLOW_SATURATE;
      if (!isnan(x) && !clipped)
        assert_int_equal(back, code);
      if (isnan(x))
        assert_true(isnan(codec_decode(format, back)));
      if (clipped)
        assert_true(fabs((double)codec_decode(format, back)) ==
                    format_max(format));
    }
  }
}

static void acceptance_11_every_code(void **state) {
  (void)state;
  each_format(check_codes);
}

/* ---- ties ---------------------------------------------------------------- */

static void expect_code(const Reference *reference, double x, uint32_t code) {
  Format format = reference->facts->format;
  for (int negative = 0; negative < 2; negative++) {
    float value = (float)(negative ? -x : x);
    assert_int_equal(codec_encode(format, value, OVERFLOW_SATURATE),
                     reference_signed(reference->facts, negative, code));
  }
}

/* Half-way between two codes the even one wins; a little to either side the
 * nearer one. Every midpoint and its neighbours are binary32 numbers. */
static void check_ties(const Reference *reference) {
  for (uint32_t code = 0; code < reference->facts->max_code; code++) {
    double tie = (reference->value[code] + reference->value[code + 1]) / 2;
    assert_true((double)(float)tie == tie);
    expect_code(reference, tie, code % 2 ? code + 1 : code);
    expect_code(reference, (double)nextafterf((float)tie, 0), code);
    expect_code(reference, (double)nextafterf((float)tie, INFINITY), code + 1);
  }
}

static void acceptance_11_ties_to_even(void **state) {
  (void)state;
  each_format(check_ties);
}

/* ---- what is too large --------------------------------------------------- */

/* Up to half a step beyond the largest number, inclusive where its code is
 * even, rounding comes back to it; beyond, and at infinity, the policy says. */
static void check_overflow(const Reference *reference) {
  const ReferenceFormat *facts = reference->facts;
  Format format = facts->format;
  uint32_t max = facts->max_code;
  double tie = (reference->value[max] + reference->value[max + 1]) / 2;
  double large[] = {(double)nextafterf((float)tie, INFINITY), tie * 2, 1e30,
                    INFINITY};
  expect_code(reference, (double)nextafterf((float)tie, 0), max);
  uint32_t beyond = facts->infinity_code ? facts->infinity_code
                    : facts->has_nan     ? facts->nan_code
                                         : max;
  assert_int_equal(codec_encode(format, (float)tie, OVERFLOW_INF),
                   max % 2 == 0 ? max : beyond);
  for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
    expect_code(reference, large[i], max);
    assert_int_equal(codec_encode(format, (float)large[i], OVERFLOW_INF),
                     beyond);
  }
  for (int policy = 0; policy < 2; policy++) {
    float x = codec_round(format, NAN, (Overflow)policy);
    assert_true(facts->has_nan ? isnan(x)
                               : fabs((double)x) == format_max(format));
  }
}

static void acceptance_11_overflow_and_nan(void **state) {
  (void)state;
  each_format(check_overflow);
}

/* The limits as the standards print them. */
static void acceptance_11_limits(void **state) {
  (void)state;
  static const struct {
    Format format;
    double max, min_normal, tie;
    bool tie_stays; /* half a step beyond the largest rounds back to it */
  } limit[] = {
      {FORMAT_E4M3, 448, 0x1p-6, 464, true},
      {FORMAT_E5M2, 57344, 0x1p-14, 61440, false},
      {FORMAT_F16, 65504, 0x1p-14, 65520, false},
  };
  for (size_t i = 0; i < sizeof limit / sizeof *limit; i++) {
    Format format = limit[i].format;
    assert_true(format_max(format) == limit[i].max);
    assert_true(format_min_normal(format) == limit[i].min_normal);
    float x = codec_round(format, (float)limit[i].tie, OVERFLOW_INF);
    assert_true(limit[i].tie_stays ? (double)x == limit[i].max : !isfinite(x));
  }
}

/* ---- stochastic rounding ------------------------------------------------- */

enum { DRAWS = 4096 };

/* How often x rounds away from zero, as a chi-squared variate of one degree of
 * freedom; the neighbours are value[code] and value[code + 1]. */
static double chi_squared(const Reference *reference, uint32_t code, double x,
                          double expected, RngKey key) {
  Format format = reference->facts->format;
  double away = 0;
  for (uint64_t i = 0; i < DRAWS; i++) {
    uint32_t got = codec_encode_stochastic(format, (float)x, rng_u32(key, i),
                                           OVERFLOW_SATURATE);
    assert_true(got == code || got == code + 1);
    away += got != code;
  }
  double difference = away - DRAWS * expected;
  return difference * difference / (DRAWS * expected * (1 - expected));
}

/* Fractions of the step above a few codes, subnormal ones included: the sum
 * over all is chi-squared, its mean the number of terms. */
static void check_stochastic(const Reference *reference) {
  static const double fraction[] = {0.0625, 0.25, 0.5, 0.6875, 0.9375};
  const ReferenceFormat *facts = reference->facts;
  double sum = 0, worst = 0;
  int terms = 0;
  for (uint32_t code = 0; code < facts->max_code; code += 1 + code / 4)
    for (int i = 0; i < 5; i++) {
      double low = reference->value[code], high = reference->value[code + 1];
      double x = low + (high - low) * fraction[i];
      RngKey key = rng_key(11, code, (uint64_t)i);
      double term = chi_squared(reference, code, x, fraction[i], key);
      sum += term;
      worst = fmax(worst, term);
      terms++;
    }
  /* Within five standard deviations of the sum, and of each. */
  assert_true(fabs(sum - terms) < 5 * sqrt(2.0 * terms));
  assert_true(worst < 25);
}

static void acceptance_11_stochastic_rounding(void **state) {
  (void)state;
  each_format(check_stochastic);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(acceptance_11_every_code),
      cmocka_unit_test(acceptance_11_ties_to_even),
      cmocka_unit_test(acceptance_11_overflow_and_nan),
      cmocka_unit_test(acceptance_11_limits),
      cmocka_unit_test(acceptance_11_stochastic_rounding),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
