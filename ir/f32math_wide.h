/* The algorithms of the functions that f32math_wide.c computes in binary64, and
 * every constant in them.
 *
 * Each takes one binary32 number (pow two), works in binary64 with the steps
 * below, in this order, and rounds the result to binary32 once at the end; each
 * step is one correctly rounded binary64 operation, one wrapping 64-bit integer
 * operation or a select, so vector code of the same steps gives the same bits.
 * Nothing branches. `poly(P, z)`: p = the first of P; p = fma(p, z, c) for each
 * other c in order. A NaN result is float(F32_NAN_BITS). Conventions as in
 * f32math_constants.h.
 *
 * reduced(x), |x| <= 160 log 2: e^x = 2^n (1 + p)
 *    1. t = fma(x, LOG2E, ROUND); n = t - ROUND
 *    2. r = fma(n, -LN2_HIGH, x); r = fma(n, -LN2_LOW, r)
 *    3. p = r * poly(EXPM1, r)
 *    4. s = double((bits(t) + 1023) << 52)       2^n
 * sigmoid(x): y = clamp(x, -LIMIT, LIMIT); reduced(-y);
 *    1 / (1 + fma(s, p, s))
 * tanh(x): y = min(|x|, TANH_MAX); reduced(2 y); e = fma(s, p, s - 1);
 *    e / (e + 2) with the sign of x
 * erf(x): y = min(|x|, ERF_MAX); z = y * y;
 *    y < 1 ? y * poly(ERF_SMALL, z) : poly(ERF_LARGE, y - 2.5), sign of x
 * sin(x), cos(x): with the bits of |x|, exponent q and 24-bit mantissa m,
 *    |x| = m 2^q, the product of m with 96 bits of 2 / pi from the one of
 *    weight 2 in quarter turns on gives |x| 2 / pi mod 4 in 64 bits; bits that
 *    weigh 4 or more are never formed (Payne and Hanek, SIGNUM Newsletter 18,
 *    1983). The nearest quarter k and the signed rest r follow; below 1/2, k =
 * 0 and r = |x|. sin r = r poly(SIN, r r), cos r = poly(COS, r r). pow(x, y):
 * |x| = 2^k m, 2/3 <= m < 4/3, s = (m - 1) / (m + 1); l = fma(s, poly(LOG2, s
 * s), k);  t = clamp(y l, -POW_LIMIT, POW_LIMIT); n = t rounded, r = (t - n)
 * LN2;  2^n (1 + r poly(EXPM1, r)); the special cases of IEEE 754 pow follow as
 * selects.
 *
 * The polynomials interpolate at Chebyshev nodes (60-digit arithmetic), with
 * relative errors below 2^-43 (EXPM1), 2^-40 (ERF_SMALL), 2^-47 (SIN), 2^-43
 * (COS), 2^-55 (LOG2) and an absolute one below 2^-35 (ERF_LARGE), far below
 * half a unit of binary32: results are correctly rounded but for cases close to
 * a tie. tests/exhaustive/math_sweep.c measures them; tests/LEDGER.tsv has the
 * numbers.
 */
#ifndef SG_IR_F32MATH_WIDE_H
#define SG_IR_F32MATH_WIDE_H

#include <stdint.h>

#define F32_WIDE_LOG2E 0x1.71547652b82fep+0
#define F32_WIDE_LN2 0x1.62e42fefa39efp-1
#define F32_WIDE_LN2_HIGH 0x1.62e42fef00000p-1 /* 32 bits: times n is exact */
#define F32_WIDE_LN2_LOW 0x1.473de6af278edp-34
/* Adding it rounds to an integer, ties to even; its low bits hold the integer.
 */
#define F32_WIDE_ROUND 0x1.8p+52
#define F32_WIDE_LIMIT 110.0     /* sigmoid(-110) rounds to 0 */
#define F32_WIDE_TANH_MAX 10.0   /* tanh rounds to 1 */
#define F32_WIDE_ERF_MAX 4.0     /* erf rounds to 1 */
#define F32_WIDE_POW_LIMIT 160.0 /* 2^160 overflows, 2^-160 rounds to 0 */
#define F32_WIDE_HALF_PI_62 0x1.921fb54442d18p-62 /* pi / 2 * 2^-62 */
/* 32 zeros and the first 224 bits of 2 / pi. */
#define F32_WIDE_TWO_OVER_PI                                                   \
  {                                                                            \
    0, UINT32_C(0xA2F9836E), UINT32_C(0x4E441529), UINT32_C(0xFC2757D1),       \
        UINT32_C(0xF534DDC0), UINT32_C(0xDB629599), UINT32_C(0x3C439041),      \
        UINT32_C(0xFE5163AB)                                                   \
  }

#define F32_WIDE_EXPM1                                                         \
  {                                                                            \
    0x1.72c72ca338df0p-19, 0x1.a15a600528a0fp-16, 0x1.a019ada3609f3p-13,       \
        0x1.6c164de86dafdp-10, 0x1.1111111c478ebp-7, 0x1.555555742d965p-5,     \
        0x1.5555555553b78p-3, 0x1.fffffffff71b2p-2, 0x1.0000000000000p+0       \
  }

#define F32_WIDE_ERF_SMALL                                                     \
  {                                                                            \
    0x1.1c41ab6eec487p-20, -0x1.d2b8522d6f7cbp-17, 0x1.f57e9cee106c1p-14,      \
        -0x1.bfe158a7be278p-11, 0x1.56588b32275a7p-8, -0x1.b82cbae7577a7p-6,   \
        0x1.ce2f20a7415c6p-4, -0x1.812746ade3c08p-2, 0x1.20dd750428cb9p+0      \
  }

#define F32_WIDE_ERF_LARGE                                                     \
  {                                                                            \
    -0x1.7a751c340b769p-27, 0x1.1fbd734ead2c7p-25, 0x1.07b6c72dcb40fp-23,      \
        -0x1.6892c52095d11p-21, 0x1.559a0d1eae7f6p-22, 0x1.3d047d3b4ed88p-18,  \
        -0x1.df151c07e1adbp-17, 0x1.57ae6eeba2075p-18, 0x1.4b3e6e48ea746p-14,  \
        -0x1.06724f84127dfp-12, 0x1.113d181feaf15p-12, 0x1.1c6201e186122p-11,  \
        -0x1.6ecce80d8bf59p-9, 0x1.90e805ab7863cp-8, -0x1.1a89c05ab00f7p-7,    \
        0x1.119da1be62fdep-7, -0x1.64e3dc4ffbe16p-8, 0x1.1d8316e7cadf4p-9,     \
        0x1.ffcaa8f4c9beap-1                                                   \
  }

#define F32_WIDE_SIN                                                           \
  {                                                                            \
    -0x1.a94f3449b3310p-26, 0x1.71d72de46d603p-19, -0x1.a019f89b22deep-13,     \
        0x1.1111110bd90c7p-7, -0x1.5555555550ea3p-3, 0x1.fffffffffffd9p-1      \
  }

#define F32_WIDE_COS                                                           \
  {                                                                            \
    -0x1.23c4b4e82f460p-22, 0x1.a00e90b2c819fp-16, -0x1.6c16b2c8b6da2p-10,     \
        0x1.5555554464fffp-5, -0x1.ffffffffe351bp-2, 0x1.ffffffffffe08p-1      \
  }

#define F32_WIDE_LOG2                                                          \
  {                                                                            \
    0x1.c6cbb52f2c036p-3, 0x1.c27b992d2fc4dp-3, 0x1.0cac7768b89cbp-2,          \
        0x1.484abccefc011p-2, 0x1.a617638c2a822p-2, 0x1.2776c50e66be8p-1,      \
        0x1.ec709dc3a087dp-1, 0x1.71547652b82fep+1                             \
  }

#endif
