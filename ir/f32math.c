/* Elementary functions in binary32 that mean the same on every machine.
 *
 * In and out: binary32 (the quantile takes binary64). f32_exp and f32_log
 * follow the numbered steps in ir/f32math_constants.h, which the vector forms
 * follow too; a change here is a change there. The quantile is a double
 * computation with +, -, *, / and sqrt alone. All of it must be compiled
 * without contraction (-ffp-contract=off).
 */
#include "ir/f32math.h"

#include <math.h>
#include <string.h>

#include "ir/f32math_constants.h"

static uint32_t f32_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static float f32_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

float f32_exp(float x) {
  static const float polynomial[] = F32_EXP_POLYNOMIAL;
  float a = x > F32_EXP_MAX ? F32_EXP_MAX : x;
  a = a < F32_EXP_MIN ? F32_EXP_MIN : a;
  float t = fmaf(a, F32_EXP_LOG2E, F32_EXP_ROUND);
  float n = t - F32_EXP_ROUND;
  float r = fmaf(n, -F32_EXP_LN2_HIGH, a);
  r = fmaf(n, -F32_EXP_LN2_LOW, r);
  float p = polynomial[0];
  for (size_t i = 1; i < sizeof polynomial / sizeof *polynomial; i++)
    p = fmaf(p, r, polynomial[i]);
  p = fmaf(p, r, 1.0f);
  uint32_t b = f32_bits(t) - F32_EXP_BIAS;
  uint32_t b1 = b >> 1, b2 = b - b1;
  float y = (p * f32_of_bits(b1 << 23)) * f32_of_bits(b2 << 23);
  return x != x ? f32_of_bits(F32_NAN_BITS) : y;
}

float f32_log(float x) {
  static const float polynomial[] = F32_LOG_POLYNOMIAL;
  float s = x < F32_LOG_MIN_NORMAL ? x * F32_LOG_SUBNORMAL_SCALE : x;
  int32_t d = x < F32_LOG_MIN_NORMAL ? F32_LOG_SUBNORMAL_SHIFT : 0;
  uint32_t i = f32_bits(s) + F32_LOG_OFFSET;
  int32_t k = (int32_t)(i >> 23) - 127 - d;
  float f = f32_of_bits((i & F32_LOG_MANTISSA) + F32_LOG_TWO_THIRDS) - 1.0f;
  float n = (float)k;
  float q = polynomial[0];
  for (size_t c = 1; c < sizeof polynomial / sizeof *polynomial; c++)
    q = fmaf(q, f, polynomial[c]);
  float h = n * F32_LOG_LN2_HIGH;
  float u = h + f;
  float e = f - (u - h);
  float w = fmaf(f * f, q, n * F32_LOG_LN2_LOW);
  float y = u + (e + w);
  y = x == f32_of_bits(F32_INF_BITS) ? x : y;
  y = x == 0.0f ? -f32_of_bits(F32_INF_BITS) : y;
  return x >= 0.0f ? y : f32_of_bits(F32_NAN_BITS);
}

float f32_pow2(int32_t k) {
  return f32_of_bits((uint32_t)(k + 127) << 23);
}

static int32_t clamp_exponent(int64_t k) {
  return (int32_t)(k < -126 ? -126 : k > 127 ? 127 : k);
}

float f32_scale2(float x, int32_t k) {
  int32_t k1 = clamp_exponent(k);
  int32_t k2 = clamp_exponent((int64_t)k - k1);
  return x * f32_pow2(k1) * f32_pow2(k2);
}

/* Natural logarithm of a positive normal double, within a few 2^-53: with
 * x = 2^k m, 2/3 <= m < 4/3 and z = (m - 1) / (m + 1), the series
 * log m = 2 (z + z^3 / 3 + z^5 / 5 + ...), |z| <= 1/5, to z^23. */
static double log_positive(double x) {
  uint64_t bits, one_less_two_thirds = UINT64_C(0x000AAAAAAAAAAAAB);
  memcpy(&bits, &x, sizeof bits);
  bits += one_less_two_thirds;
  double k = (double)(bits >> 52) - 1023.0;
  bits = (bits & UINT64_C(0x000FFFFFFFFFFFFF)) + UINT64_C(0x3FF0000000000000) -
         one_less_two_thirds;
  double m;
  memcpy(&m, &bits, sizeof m);
  double z = (m - 1.0) / (m + 1.0), z2 = z * z, sum = 0.0;
  for (int i = 23; i >= 1; i -= 2)
    sum = sum * z2 + 1.0 / i;
  return k * 0x1.62e42fefa39efp-1 + 2.0 * z * sum;
}

/* c[0] + c[1] x + ... + c[7] x^7. */
static double polynomial7(const double c[8], double x) {
  double sum = c[7];
  for (int i = 6; i >= 0; i--)
    sum = sum * x + c[i];
  return sum;
}

/* Algorithm AS 241, PPND16: M. J. Wichura, "The Percentage Points of the
 * Normal Distribution", Applied Statistics 37 (1988), about 1e-16 relative.
 * A rational function of (p - 1/2)^2 in the middle, and two of
 * sqrt(-log(tail)) in the near and far tails. */
float f32_normal_quantile(double p) {
  static const double a[8] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                              1.9715909503065514427e3, 1.3731693765509461125e4,
                              4.5921953931549871457e4, 6.7265770927008700853e4,
                              3.3430575583588128105e4, 2.5090809287301226727e3};
  static const double b[8] = {1.0,
                              4.2313330701600911252e1,
                              6.8718700749205790830e2,
                              5.3941960214247511077e3,
                              2.1213794301586595867e4,
                              3.9307895800092710610e4,
                              2.8729085735721942674e4,
                              5.2264952788528545610e3};
  static const double c[8] = {
      1.42343711074968357734e0,  4.63033784615654529590e0,
      5.76949722146069140550e0,  3.64784832476320460504e0,
      1.27045825245236838258e0,  2.41780725177450611770e-1,
      2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static const double d[8] = {1.0,
                              2.05319162663775882187e0,
                              1.67638483018380384940e0,
                              6.89767334985100004550e-1,
                              1.48103976427480074590e-1,
                              1.51986665636164571966e-2,
                              5.47593808499534494600e-4,
                              1.05075007164441684324e-9};
  static const double e[8] = {
      6.65790464350110377720e0,  5.46378491116411436990e0,
      1.78482653991729133580e0,  2.96560571828504891230e-1,
      2.65321895265761230930e-2, 1.24266094738807843860e-3,
      2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static const double f[8] = {1.0,
                              5.99832206555887937690e-1,
                              1.36929880922735805310e-1,
                              1.48753612908506148525e-2,
                              7.86869131145613259100e-4,
                              1.84631831751005468180e-5,
                              1.42151175831644588870e-7,
                              2.04426310338993978564e-15};
  double q = p - 0.5;
  if (q >= -0.425 && q <= 0.425) {
    double r = 0.180625 - q * q;
    return (float)(q * polynomial7(a, r) / polynomial7(b, r));
  }
  double r = sqrt(-log_positive(q < 0.0 ? p : 1.0 - p));
  double z = r <= 5.0 ? polynomial7(c, r - 1.6) / polynomial7(d, r - 1.6)
                      : polynomial7(e, r - 5.0) / polynomial7(f, r - 5.0);
  return (float)(q < 0.0 ? -z : z);
}
