/* Elementary functions in binary32 that mean the same on every machine.
 *
 * Built from fma, +, -, *, /, integer operations and polynomials, in a fixed
 * order, so that compiler/llvm/vecmath.c can emit the same operations on
 * vectors and agree bit for bit; ir/f32math_constants.h and ir/f32math_wide.h
 * list the steps. A NaN result is always 0x7FC00000. No libm function but fma,
 * floor and sqrt (all correctly rounded) is called.
 */
#ifndef SG_IR_F32MATH_H
#define SG_IR_F32MATH_H

#include <stdint.h>

/* e^x; <= 1 ulp; subnormal results, +-infinity and NaN as IEEE 754 asks. */
float f32_exp(float x);
/* Natural logarithm; <= 1 ulp; log(+-0) = -inf, log(x < 0) = NaN. */
float f32_log(float x);
/* The following are correctly rounded but for cases within 2^-11 ulp of a tie:
 * at most 0.5003 ulp, measured; f32math_wide.h lists their steps. tanh, erf and
 * sin are odd and cos is even, exactly; sin and cos of infinities are NaN. */
float f32_tanh(float x);
float f32_sigmoid(float x); /* 1 / (1 + e^-x) */
float f32_erf(float x);
float f32_sin(float x);
float f32_cos(float x);
float f32_pow(float x, float y); /* special cases as C11 and IEEE 754 pow */
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
