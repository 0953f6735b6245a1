/* The algorithms of f32_exp and f32_log, and every constant in them.
 *
 * Two files perform these steps: ir/f32math.c on one float, and
 * compiler/llvm/vecmath.c as LLVM vector operations. Each step is one
 * correctly rounded binary32 operation or one wrapping 32-bit integer
 * operation, in this order and with these operands, so both give the same bits
 * on every machine. Nothing branches. `fma(a, b, c)` is a * b + c rounded once;
 * `bits` and `float` reinterpret; shifts are logical; `c ? a : b` is a select
 * on an ordered comparison (false when an operand is NaN). Names in capitals
 * stand without their prefix F32_EXP_ or F32_LOG_.
 *
 * exp(x): x = k ln 2 + r, |r| <= ln 2 / 2; e^x = 2^k e^r.
 *    1. a  = x > MAX ? MAX : x
 *    2. a  = a < MIN ? MIN : a
 *    3. t  = fma(a, LOG2E, ROUND)      the low bits of t hold k
 *    4. n  = t - ROUND                 k as a float, exact
 *    5. r  = fma(n, -LN2_HIGH, a)      exact
 *    6. r  = fma(n, -LN2_LOW, r)
 *    7. p  = the first of POLYNOMIAL; p = fma(p, r, c) for each other c in
 *       order; p = fma(p, r, 1)
 *    8. b  = bits(t) - BIAS            k + 254: twice the float bias
 *    9. b1 = b >> 1, b2 = b - b1       k = (b1 - 127) + (b2 - 127)
 *   10. y  = (p * float(b1 << 23)) * float(b2 << 23)
 *                  the first product is exact; the second overflows, or rounds
 *                  a subnormal result once
 *   11. y  = x is NaN ? float(F32_NAN_BITS) : y
 *
 * log(x): x = 2^k (1 + f), 2/3 <= 1 + f < 4/3;
 * log x = k ln 2 + f - f^2 / 2 + ... = k ln 2 + f + f^2 q(f).
 *    1. s  = x < MIN_NORMAL ? x * SUBNORMAL_SCALE : x      exact
 *       d  = x < MIN_NORMAL ? SUBNORMAL_SHIFT : 0          integers
 *    2. i  = bits(s) + OFFSET          from 4/3 on, the next power of two
 *    3. k  = (i >> 23) - 127 - d
 *    4. f  = float((i & MANTISSA) + TWO_THIRDS) - 1        exact
 *    5. n  = k converted to float      exact, |k| <= 149
 *    6. q  = the first of POLYNOMIAL; q = fma(q, f, c) for each other c in
 *       order
 *    7. h  = n * LN2_HIGH              exact
 *    8. u  = h + f
 *    9. e  = f - (u - h)               u + e = h + f exactly
 *   10. w  = fma(f * f, q, n * LN2_LOW)
 *   11. y  = u + (e + w)
 *   12. y  = x == +infinity ? x : y
 *       y  = x == 0 ? -infinity : y    both zeros
 *       y  = x >= 0 ? y : float(F32_NAN_BITS)
 *
 * Steps 2 to 11 of log mean something for finite x > 0; other inputs compute
 * finite garbage, and step 12 replaces it. The polynomials are weighted minimax
 * fits (Lawson's iteration in 160-bit arithmetic; coefficients rounded to
 * binary32 from the lowest power up, the rest refitted after each) of
 * (e^r - 1) / r and of (log(1 + f) - f) / f^2, with relative errors in the
 * result below 2^-28.2 and 2^-27.6. Splitting ln 2 into a short and a long part
 * follows Cody and Waite, "Software Manual for the Elementary Functions"
 * (1980). Largest errors over all 2^32 inputs (tests/exhaustive/math_sweep.c):
 * exp 0.892 ulp, log 0.883 ulp, neither more than one step from the correctly
 * rounded result. log is monotone; exp steps back by one last place between
 * 2922 pairs of neighbouring inputs.
 */
#ifndef SG_IR_F32MATH_CONSTANTS_H
#define SG_IR_F32MATH_CONSTANTS_H

#include <stdint.h>

#define F32_NAN_BITS UINT32_C(0x7FC00000)
#define F32_INF_BITS UINT32_C(0x7F800000)

#define F32_EXP_MAX 89.0f   /* e^89 overflows */
#define F32_EXP_MIN -104.0f /* e^-104 < 2^-150 rounds to 0 */
#define F32_EXP_LOG2E 0x1.715476p+0f
/* Adding it rounds to an integer, ties to even. */
#define F32_EXP_ROUND 0x1.8p+23f
#define F32_EXP_LN2_HIGH 0x1.62e4p-1f /* 15 bits: times k is exact */
#define F32_EXP_LN2_LOW 0x1.7f7d1cp-20f
/* bits(F32_EXP_ROUND) - 254 */
#define F32_EXP_BIAS UINT32_C(0x4B3FFF02)
/* From the highest power, r^5, down to r^0. */
#define F32_EXP_POLYNOMIAL                                                     \
  {                                                                            \
    0x1.6a5132p-10f, 0x1.12397ap-7f, 0x1.5558acp-5f, 0x1.555492p-3f,           \
        0x1.fffffcp-2f, 1.0f                                                   \
  }

#define F32_LOG_MIN_NORMAL 0x1p-126f
#define F32_LOG_SUBNORMAL_SCALE 0x1p+23f
#define F32_LOG_SUBNORMAL_SHIFT 23
#define F32_LOG_OFFSET UINT32_C(0x00555555) /* bits(1) - F32_LOG_TWO_THIRDS */
#define F32_LOG_TWO_THIRDS UINT32_C(0x3F2AAAAB)
#define F32_LOG_MANTISSA UINT32_C(0x007FFFFF)
#define F32_LOG_LN2_HIGH F32_EXP_LN2_HIGH
#define F32_LOG_LN2_LOW F32_EXP_LN2_LOW
/* From the highest power, f^8, down to f^0. */
#define F32_LOG_POLYNOMIAL                                                     \
  {                                                                            \
    -0x1.07986ep-3f, 0x1.1e71a2p-3f, -0x1.f34506p-4f, 0x1.1ed48p-3f,           \
        -0x1.559bdap-3f, 0x1.99d05ap-3f, -0x1.fffefcp-3f, 0x1.555506p-2f,      \
        -0.5f                                                                  \
  }

#endif
