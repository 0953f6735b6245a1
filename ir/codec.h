/* Number formats and their conversions to and from binary32.
 *
 * Shared by the evaluator, constant folding and the runtime; depends on
 * nothing but the C library. The vector forms in compiler/llvm/fp8.c perform
 * the same conversions and are tested against these, code by code.
 */
#ifndef SG_IR_CODEC_H
#define SG_IR_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
#define FORMAT(id, ...) FORMAT_##id,
#include "ir/formats.def"
  FORMAT_COUNT,
  FORMAT_NONE = FORMAT_COUNT /* "no format": an unset field */
} Format;

typedef enum {
  KIND_ABSTRACT,
  KIND_SCALE,
  KIND_FLOAT,
  KIND_INT,
  KIND_UINT,
  KIND_BOOL
} FormatKind;

typedef enum {
  SPECIALS_NONE,
  SPECIALS_IEEE,
  SPECIALS_FN,
  SPECIALS_FNUZ,
  SPECIALS_FINITE,
  SPECIALS_ONES
} FormatSpecials;

/* One row of formats.def. */
typedef struct {
  const char *text;
  FormatKind kind;
  int bits, exponent_bits, mantissa_bits, bias;
  FormatSpecials specials;
  bool has_code; /* else the evaluator alone computes with it */
} FormatInfo;

/* What a conversion does with a magnitude beyond the largest finite value.
 * SATURATE: finite overflow and infinities become +-max, NaN stays NaN.
 * INF: they become +-infinity, or NaN in a format without infinities.
 * A FINITE format saturates under both, and NaN becomes +-max, its sign kept.
 */
typedef enum { OVERFLOW_SATURATE, OVERFLOW_INF, OVERFLOW_COUNT } Overflow;

/* DOWN is toward zero. */
typedef enum {
  ROUND_NEAREST,
  ROUND_STOCHASTIC,
  ROUND_DOWN,
  ROUNDING_COUNT
} Rounding;

const FormatInfo *format_info(Format format);
/* The format called `text` (not NUL-terminated), or FORMAT_NONE. */
Format format_named(const char *text, size_t length);
bool format_is_float(Format format);
/* Storage bytes of one element: at least 1, but 0 for `real`. */
size_t format_bytes(Format format);
/* The largest finite value of a FLOAT or SCALE format, as binary64. */
double format_max(Format format);
/* A float format with fewer exponents than f32, so that a scale helps it. */
bool format_is_short(Format format);
/* The smallest positive normal value of one, as binary64. */
double format_min_normal(Format format);

/* The value of `code` in a SCALE format, in a FLOAT format of up to 16 bits, or
 * in f32. Every NaN code gives the quiet NaN 0x7FC00000 with the code's sign
 * bit; f32 keeps its bits. Bits above the format's are not read. */
float codec_decode(Format format, uint32_t code);
/* The code nearest to x, ties to the even code (RNE), straight from binary32.
 * NaN gives the canonical quiet NaN of the format with the sign of x: all
 * mantissa bits in an FN format, the top one in an IEEE format; an FNUZ format
 * has one NaN, and +0 for what rounds to -0. Into f32 the bits of x pass
 * unchanged, infinities and NaN payloads included. Into a SCALE format 0 and
 * negative numbers, which it lacks, become its smallest value under SATURATE
 * and NaN under INF. */
uint32_t codec_encode(Format format, float x, Overflow overflow);
/* Stochastic rounding: away from zero with probability exactly
 * dropped / 2^n of the n dropped bits, compared with the top n bits of
 * `random` (n <= 32): away when random < dropped * 2^(32 - n). Subnormal codes
 * drop more bits; past 32 (below 2^-8 of the smallest subnormal) the product
 * is rounded down. Overflow is decided after rounding. Zero, infinities and
 * NaN as codec_encode. Not for SCALE formats: scales are chosen, not sampled.
 */
uint32_t codec_encode_stochastic(Format format, float x, uint32_t random,
                                 Overflow overflow);
/* Rounding toward zero: the dropped bits are dropped. A finite x beyond the
 * largest finite value becomes that value under both policies, as in IEEE 754;
 * zero, infinities and NaN as codec_encode. Not for SCALE formats. */
uint32_t codec_encode_down(Format format, float x, Overflow overflow);
/* What `subnormals = false` does after a rounding: x, a value of the FLOAT
 * format, or zero of its sign (+0 in an FNUZ format) where it is below the
 * smallest normal value. NaN, and every value of f32, pass unchanged. */
float codec_flush(Format format, float x);
/* x, or the largest finite value of the FLOAT format where a finite x lies
 * beyond it: how numbers enter, whose infinities are meant. */
float codec_clamp(Format format, float x);
/* decode(encode(x)): x rounded to the grid of `format`; identity for f32. */
float codec_round(Format format, float x, Overflow overflow);

/* Elements [0, n) of a typed buffer, as f32 and back. Any format but REAL and
 * F64 may be decoded (integers convert by value); encode takes FLOAT but F64,
 * and SCALE. */
void codec_decode_array(Format format, const void *codes, float *out, size_t n);
void codec_encode_array(Format format, const float *in, void *codes, size_t n,
                        Overflow overflow);

/* floor(log2 |x|) for finite x != 0, subnormals included, in integer
 * arithmetic on the bits (never through logf). */
int codec_exponent(float x);

#endif
