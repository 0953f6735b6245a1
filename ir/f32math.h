/* Elementary functions in binary32 that mean the same on every machine.
 *
 * Built from fmaf, +, -, *, integer operations and table-free polynomials, in a
 * fixed order, so that compiler/llvm/vecmath.c can emit the same operations on
 * vectors and agree bit for bit; ir/f32math_constants.h lists the steps. A NaN
 * result of exp or log is always 0x7FC00000. No libm function but fmaf and sqrt (both
 * correctly rounded) is called.
 */
#ifndef SG_IR_F32MATH_H
#define SG_IR_F32MATH_H

#include <stdint.h>

/* e^x; <= 1 ulp; subnormal results, +-infinity and NaN as IEEE 754 asks. */
float f32_exp(float x);
/* Natural logarithm; <= 1 ulp; log(+-0) = -inf, log(x < 0) = NaN. */
float f32_log(float x);
/* Inverse of the standard normal distribution function, 0 < p < 1, for normal
 * p; one rounding from a binary64 result good to about 1e-15. */
float f32_normal_quantile(double p);
/* x * 2^k as x * 2^k1 * 2^k2 with k1 = clamp(k, -126, 127) and
 * k2 = clamp(k - k1, -126, 127): a k outside [-252, 254] acts as the nearest of
 * these. Exact unless it overflows or underflows. This order of two
 * multiplications is part of the meaning of a shift. */
float f32_scale2(float x, int32_t k);
/* 2^k as a float, k in [-126, 127]. */
float f32_pow2(int32_t k);

#endif
