/* tanh, sigmoid, erf, sin, cos and pow in binary32, by way of binary64.
 *
 * In and out: binary32. The steps and constants are those of f32math_wide.h, a
 * change here is a change there. Compiled without contraction.
 */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "ir/f32math.h"
#include "ir/f32math_constants.h"
#include "ir/f32math_wide.h"

#define POLY(coefficients, x)                                                  \
  poly(coefficients, sizeof coefficients / sizeof *coefficients, x)

static double poly(const double *coefficient, size_t count, double x) {
  double p = coefficient[0];
  for (size_t i = 1; i < count; i++)
    p = fma(p, x, coefficient[i]);
  return p;
}

static float quiet_nan(void) {
  uint32_t bits = F32_NAN_BITS;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* 2^n from ROUND + n. */
static double power_of_two(double rounded) {
  uint64_t bits;
  memcpy(&bits, &rounded, sizeof bits);
  bits = (bits + 1023) << 52;
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static const double expm1_poly[] = F32_WIDE_EXPM1;

/* e^x = scale * (1 + rest). */
typedef struct {
  double scale, rest;
} Reduced;

static Reduced reduced(double x) {
  double t = fma(x, F32_WIDE_LOG2E, F32_WIDE_ROUND);
  double n = t - F32_WIDE_ROUND;
  double r = fma(n, -F32_WIDE_LN2_HIGH, x);
  r = fma(n, -F32_WIDE_LN2_LOW, r);
  return (Reduced){power_of_two(t), r * POLY(expm1_poly, r)};
}

static double least(double a, double b) {
  return a < b ? a : b;
}

static double clamped(double x, double limit) {
  double low = x < -limit ? -limit : x;
  return low > limit ? limit : low;
}

float f32_sigmoid(float x) {
  Reduced e = reduced(-clamped((double)x, F32_WIDE_LIMIT));
  float y = (float)(1.0 / (1.0 + fma(e.scale, e.rest, e.scale)));
  return x != x ? quiet_nan() : y;
}

float f32_tanh(float x) {
  Reduced e = reduced(2.0 * least(fabs((double)x), F32_WIDE_TANH_MAX));
  double e_minus_1 = fma(e.scale, e.rest, e.scale - 1.0);
  float y = (float)(e_minus_1 / (e_minus_1 + 2.0));
  return x != x ? quiet_nan() : copysignf(y, x);
}

float f32_erf(float x) {
  static const double small[] = F32_WIDE_ERF_SMALL;
  static const double large[] = F32_WIDE_ERF_LARGE;
  double y = least(fabs((double)x), F32_WIDE_ERF_MAX);
  double near = y * POLY(small, y * y);
  double far = POLY(large, y - 2.5);
  float result = (float)(y < 1.0 ? near : far);
  return x != x ? quiet_nan() : copysignf(result, x);
}

/* ---- sin and cos --------------------------------------------------------- */

/* |x| = quarter * pi / 2 + rest. */
typedef struct {
  uint64_t quarter; /* mod 4 */
  double rest;
} Turn;

static uint64_t shifted_window(uint64_t high, uint64_t low, unsigned shift) {
  return high << shift | low >> 1 >> (63 - shift);
}

/* For finite |x| >= 1/2; garbage, but defined, for others. */
static Turn turn_large(uint32_t bits) {
  static const uint32_t two_over_pi[] = F32_WIDE_TWO_OVER_PI;
  uint32_t exponent = bits >> 23;
  exponent = exponent < 126 ? 126 : exponent > 254 ? 254 : exponent;
  uint64_t mantissa = (bits & F32_LOG_MANTISSA) | UINT32_C(0x00800000);
  /* |x| = mantissa * 2^(exponent - 150). */
  uint32_t first = exponent - 150 + 30;
  const uint32_t *word = two_over_pi + (first >> 5);
  uint64_t high = (uint64_t)word[0] << 32 | word[1];
  uint64_t low = (uint64_t)word[2] << 32 | word[3];
  uint64_t window = shifted_window(high, low, first & 31);
  uint64_t next = low << (first & 31) >> 32;
  uint64_t product = mantissa * window + (mantissa * next >> 32);
  uint64_t quarter = (product + (UINT64_C(1) << 61)) >> 62;
  double rest = (double)(int64_t)(product - (quarter << 62));
  return (Turn){quarter, rest * F32_WIDE_HALF_PI_62};
}

static Turn turn(float x) {
  float size = fabsf(x);
  uint32_t bits;
  memcpy(&bits, &size, sizeof bits);
  Turn large = turn_large(bits);
  return size < 0.5f ? (Turn){0, (double)size} : large;
}

/* The sine of a turn `ahead` quarters further on. */
static float turn_sine(Turn turn, uint64_t ahead) {
  static const double sine[] = F32_WIDE_SIN, cosine[] = F32_WIDE_COS;
  uint64_t quarter = turn.quarter + ahead;
  double z = turn.rest * turn.rest;
  double odd = turn.rest * POLY(sine, z), even = POLY(cosine, z);
  double y = quarter & 1 ? even : odd;
  return (float)(quarter & 2 ? -y : y);
}

float f32_sin(float x) {
  float y = turn_sine(turn(x), 0);
  y = signbit(x) ? -y : y;
  return x - x == 0.0f ? y : quiet_nan();
}

float f32_cos(float x) {
  float y = turn_sine(turn(x), 1);
  return x - x == 0.0f ? y : quiet_nan();
}

/* ---- pow ----------------------------------------------------------------- */

/* Base-2 logarithm of a positive normal double; relative error about 2^-51. */
static double log2_positive(double x) {
  static const double series[] = F32_WIDE_LOG2;
  const uint64_t two_thirds = UINT64_C(0x3FE5555555555555);
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  uint64_t above = bits - two_thirds;
  double k = (double)((int64_t)above >> 52);
  bits = (above & UINT64_C(0x000FFFFFFFFFFFFF)) + two_thirds;
  double m;
  memcpy(&m, &bits, sizeof m);
  double s = (m - 1.0) / (m + 1.0);
  return fma(s, POLY(series, s * s), k);
}

static double exp2_limited(double x) {
  double t = x + F32_WIDE_ROUND;
  double r = (x - (t - F32_WIDE_ROUND)) * F32_WIDE_LN2;
  double scale = power_of_two(t);
  return fma(scale, r * POLY(expm1_poly, r), scale);
}

/* |x|^y. */
static double power_of_size(double size, double y) {
  double l = size == 0.0        ? -HUGE_VAL
             : size == HUGE_VAL ? HUGE_VAL
                                : log2_positive(size);
  double t = size == 1.0 ? 0.0 : y * l;
  return exp2_limited(clamped(t, F32_WIDE_POW_LIMIT));
}

float f32_pow(float x, float y) {
  bool whole = floorf(y) == y;
  bool odd = whole && floorf(y * 0.5f) != y * 0.5f;
  float size = (float)power_of_size(fabs((double)x), (double)y);
  float result = signbit(x) && odd ? -size : size;
  result = x < 0.0f && !whole && x - x == 0.0f ? quiet_nan() : result;
  result = x != x || y != y ? quiet_nan() : result;
  return x == 1.0f || y == 0.0f ? 1.0f : result;
}
