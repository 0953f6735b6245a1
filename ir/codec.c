/* Number formats: their facts, and their conversions to and from binary32.
 *
 * In: binary32 values, or codes of a format. Out: codes, or binary32 values.
 * Every conversion works on the fields of the code with integer arithmetic
 * that is written once for all rows of formats.def: a code without its sign
 * is an integer that grows with the magnitude it stands for, so a rounding
 * that carries out of the mantissa lands on the right next code by itself,
 * and overflow is a comparison of codes. A value is rounded once, straight
 * from binary32. Scales are the exponent field alone and have functions of
 * their own. Source: OFP8 1.0; MX 1.0; IEEE 754-2019, clause 4.3.1.
 */
#include "ir/codec.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define F32_MANTISSA_BITS 23
#define F32_BIAS 127
#define F32_SIGN UINT32_C(0x80000000)
#define F32_INFINITY UINT32_C(0x7F800000)
#define F32_QUIET_NAN UINT32_C(0x7FC00000)

enum { CODE_NO, CODE_YES };

static const FormatInfo format_table[FORMAT_COUNT] = {
#define FORMAT(id, text, kind, bits, exponent, mantissa, bias, specials, code) \
  {text, KIND_##kind,         bits,       exponent, mantissa,                  \
   bias, SPECIALS_##specials, CODE_##code},
#include "ir/formats.def"
};

const FormatInfo *format_info(Format format) {
  assert((unsigned)format < FORMAT_COUNT);
  return &format_table[format];
}

Format format_named(const char *text, size_t length) {
  for (int i = 0; i < FORMAT_COUNT; i++) {
    const char *name = format_table[i].text;
    if (strlen(name) == length && memcmp(name, text, length) == 0)
      return (Format)i;
  }
  return FORMAT_NONE;
}

bool format_is_float(Format format) {
  return format_info(format)->kind == KIND_FLOAT;
}

size_t format_bytes(Format format) {
  return ((size_t)format_info(format)->bits + 7) / 8;
}

double format_max(Format format) {
  const FormatInfo *row = format_info(format);
  assert(row->kind == KIND_FLOAT || row->kind == KIND_SCALE);
  /* IEEE gives a whole exponent to what is not finite, a scale its last code;
   * FN the last mantissa of the last exponent. */
  bool cut = row->specials == SPECIALS_IEEE || row->specials == SPECIALS_ONES;
  int exponent = (1 << row->exponent_bits) - (cut ? 2 : 1) - row->bias;
  int lost = row->specials == SPECIALS_FN ? 2 : 1;
  double mantissa = ldexp(2.0, row->mantissa_bits) - lost;
  return ldexp(mantissa, exponent - row->mantissa_bits);
}

bool format_is_short(Format format) {
  const FormatInfo *row = format_info(format);
  return row->kind == KIND_FLOAT &&
         row->exponent_bits < format_info(FORMAT_F32)->exponent_bits;
}

double format_min_normal(Format format) {
  const FormatInfo *row = format_info(format);
  assert(row->kind == KIND_FLOAT || row->kind == KIND_SCALE);
  return ldexp(1.0, (row->kind == KIND_FLOAT) - row->bias);
}

/* What conversions need of a row, as unsigned codes (sign bit clear). The
 * codes up to `max` are finite and ascending in value; what lies above is
 * infinity or NaN. A new kind of specials is a case of format_codes. */
typedef struct {
  int mantissa_bits, bias;
  uint32_t max;       /* the largest finite code */
  uint32_t beyond;    /* where overflow goes when it does not saturate */
  uint32_t quiet_nan; /* the canonical NaN */
  uint32_t sign;      /* the sign bit of the code */
  int sign_shift;     /* from bit 31 down to it */
  bool one_zero;      /* its code is NaN */
} Codes;

static Codes format_codes(Format format) {
  const FormatInfo *row = format_info(format);
  assert(row->kind == KIND_FLOAT && row->bits <= 16);
  int m = row->mantissa_bits;
  uint32_t sign = UINT32_C(1) << (row->bits - 1), all = sign - 1;
  Codes codes = {m, row->bias, all, all, all, sign, 32 - row->bits, false};
  switch (row->specials) {
  case SPECIALS_IEEE:
    codes.beyond = all ^ ((UINT32_C(1) << m) - 1); /* infinity */
    codes.max = codes.beyond - 1;
    codes.quiet_nan = codes.beyond | UINT32_C(1) << (m - 1);
    break;
  case SPECIALS_FN:
    codes.max = all - 1;
    break;
  case SPECIALS_FNUZ:
    codes.beyond = codes.quiet_nan = sign;
    codes.one_zero = true;
    break;
  case SPECIALS_FINITE:
  case SPECIALS_ONES:
  case SPECIALS_NONE:
    break;
  }
  return codes;
}

/* Reading the bits of a float and back; memcpy is the one way that C11 defines
 * for every value, signaling NaNs included. */

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

/* A finite binary32 magnitude against the grid of a format: the code is
 * base + significand / 2^dropped, before rounding. */
typedef struct {
  uint32_t base, significand; /* significand < 2^24 */
  int dropped;                /* >= 1, any size */
} Split;

/* Binary32 subnormals need no care of their own: in a format of bias 127 they
 * are subnormal too (hidden bit absent, field taken as 1), and in a smaller
 * range they lie far below half of the smallest value. */
static inline Split split_magnitude(Codes codes, uint32_t magnitude) {
  int field = (int)(magnitude >> F32_MANTISSA_BITS);
  uint32_t hidden = (uint32_t)(field != 0) << F32_MANTISSA_BITS;
  uint32_t fraction = magnitude & ((UINT32_C(1) << F32_MANTISSA_BITS) - 1);
  int exponent = (field != 0 ? field : 1) - F32_BIAS + codes.bias;
  int below = exponent < 1 ? 1 - exponent : 0; /* into the subnormals */
  /* The hidden bit adds the last 1 to the exponent field. */
  return (Split){(uint32_t)(exponent - 1 + below) << codes.mantissa_bits,
                 hidden | fraction,
                 F32_MANTISSA_BITS - codes.mantissa_bits + below};
}

/* Ties to even: adding half less one unit, and one more above an odd code,
 * carries into the code exactly when the dropped part asks for it. */
static inline uint32_t split_nearest(Split split) {
  /* From 26 dropped bits on, the significand is below a quarter: zero. */
  int dropped = split.dropped < 26 ? split.dropped : 26;
  uint32_t half = UINT32_C(1) << (dropped - 1);
  uint32_t odd = (split.significand >> dropped) & 1;
  return split.base + ((split.significand + half - 1 + odd) >> dropped);
}

/* Away from zero when `random`, as a fraction of 2^32, is below the dropped
 * part. */
static inline uint32_t split_stochastic(Split split, uint32_t random) {
  /* The dropped bits as a fraction of 2^32, which holds up to 32 of them. */
  int dropped = split.dropped < 63 ? split.dropped : 63;
  uint64_t fixed = ((uint64_t)split.significand << 32) >> dropped;
  return split.base + (uint32_t)(fixed >> 32) + (random < (uint32_t)fixed);
}

/* A code with the sign of `bits`. */
static inline uint32_t with_sign(Codes codes, uint32_t code, uint32_t bits) {
  uint32_t sign = (bits & F32_SIGN) >> codes.sign_shift;
  return code | (codes.one_zero && code == 0 ? 0 : sign);
}

/* The signed code of any binary32 bits. Straight-line: an infinity splits like
 * the power of two it would be, so it overflows like one; a NaN is put right
 * at the end. */
static inline uint32_t encode_nearest(Codes codes, uint32_t bits,
                                      uint32_t overflowed) {
  uint32_t magnitude = bits & ~F32_SIGN;
  uint32_t code = split_nearest(split_magnitude(codes, magnitude));
  code = code > codes.max ? overflowed : code;
  code = magnitude > F32_INFINITY ? codes.quiet_nan : code;
  return with_sign(codes, code, bits);
}

static uint32_t overflow_code(Codes codes, Overflow overflow) {
  return overflow == OVERFLOW_SATURATE ? codes.max : codes.beyond;
}

/* ---- scales: the exponent field of binary32 ------------------------------ */

enum { SCALE_MAX_CODE = 0xFE, SCALE_NAN = 0xFF };

static bool format_is_scale(Format format) {
  return format_info(format)->kind == KIND_SCALE;
}

static float scale_decode(uint32_t code) {
  code &= SCALE_NAN;
  if (code == 0)
    return f32_of_bits(UINT32_C(1) << (F32_MANTISSA_BITS - 1)); /* 2^-127 */
  return f32_of_bits(code == SCALE_NAN ? F32_QUIET_NAN
                                       : code << F32_MANTISSA_BITS);
}

/* Ties between neighbours are at 1.5 times the smaller. */
static uint32_t scale_encode(uint32_t bits, Overflow overflow) {
  bool saturates = overflow == OVERFLOW_SATURATE;
  if ((bits & ~F32_SIGN) > F32_INFINITY)
    return SCALE_NAN;
  if (bits == 0 || bits >= F32_SIGN)
    return saturates ? 0 : SCALE_NAN;
  uint32_t half = UINT32_C(1) << (F32_MANTISSA_BITS - 1);
  if (bits < 2 * half) /* subnormal: nearest to 2^-127 or to 2^-126 */
    return bits > half + half / 2;
  uint32_t odd = (bits >> F32_MANTISSA_BITS) & 1;
  uint32_t code = (bits + half - 1 + odd) >> F32_MANTISSA_BITS;
  if (code <= SCALE_MAX_CODE)
    return code;
  return saturates ? SCALE_MAX_CODE : SCALE_NAN;
}

/* ---- one value ----------------------------------------------------------- */

uint32_t codec_encode(Format format, float x, Overflow overflow) {
  if (format == FORMAT_F32)
    return f32_bits(x);
  if (format_is_scale(format))
    return scale_encode(f32_bits(x), overflow);
  Codes codes = format_codes(format);
  return encode_nearest(codes, f32_bits(x), overflow_code(codes, overflow));
}

uint32_t codec_encode_stochastic(Format format, float x, uint32_t random,
                                 Overflow overflow) {
  uint32_t bits = f32_bits(x);
  if (format == FORMAT_F32)
    return bits;
  Codes codes = format_codes(format);
  uint32_t overflowed = overflow_code(codes, overflow);
  uint32_t magnitude = bits & ~F32_SIGN;
  if (magnitude >= F32_INFINITY)
    return encode_nearest(codes, bits, overflowed);
  uint32_t code = split_stochastic(split_magnitude(codes, magnitude), random);
  code = code > codes.max ? overflowed : code;
  return with_sign(codes, code, bits);
}

/* Infinities are no finite overflow: they go where the policy says. */
uint32_t codec_encode_down(Format format, float x, Overflow overflow) {
  uint32_t bits = f32_bits(x);
  if (format == FORMAT_F32)
    return bits;
  Codes codes = format_codes(format);
  uint32_t magnitude = bits & ~F32_SIGN;
  if (magnitude >= F32_INFINITY)
    return encode_nearest(codes, bits, overflow_code(codes, overflow));
  Split split = split_magnitude(codes, magnitude);
  int dropped = split.dropped < 31 ? split.dropped : 31;
  uint32_t code = split.base + (split.significand >> dropped);
  return with_sign(codes, code > codes.max ? codes.max : code, bits);
}

float codec_clamp(Format format, float x) {
  float most = (float)format_max(format);
  return isfinite(x) && fabsf(x) > most ? copysignf(most, x) : x;
}

float codec_flush(Format format, float x) {
  if (format == FORMAT_F32 || !(fabs((double)x) < format_min_normal(format)))
    return x;
  return format_codes(format).one_zero ? 0.0f : copysignf(0.0f, x);
}

/* The bits of a finite unsigned code as binary32. Never touches a binary32
 * subnormal as a float, so flush-to-zero modes cannot change it. */
static inline uint32_t decode_finite(Codes codes, uint32_t code) {
  int shift = F32_MANTISSA_BITS - codes.mantissa_bits;
  uint32_t rebias = (uint32_t)(F32_BIAS - codes.bias) << F32_MANTISSA_BITS;
  uint32_t bits = (code << shift) + rebias;
  if (code >> codes.mantissa_bits != 0 || rebias == 0)
    return bits;
  /* Subnormal: (1 + M / 2^m) - 1 at the smallest normal exponent, exact. */
  uint32_t one = rebias + (UINT32_C(1) << F32_MANTISSA_BITS);
  return f32_bits(f32_of_bits(one + (code << shift)) - f32_of_bits(one));
}

/* Above max: infinity where the format has one, and NaN. */
static inline float decode_code(Codes codes, uint32_t code) {
  uint32_t sign = (code << codes.sign_shift) & F32_SIGN;
  uint32_t magnitude = code & (codes.sign - 1);
  uint32_t bits;
  if (codes.one_zero && magnitude == 0 && sign != 0)
    bits = F32_QUIET_NAN;
  else if (magnitude <= codes.max)
    bits = decode_finite(codes, magnitude);
  else
    bits = magnitude == codes.beyond && codes.beyond != codes.quiet_nan
               ? F32_INFINITY
               : F32_QUIET_NAN;
  return f32_of_bits(sign | bits);
}

float codec_decode(Format format, uint32_t code) {
  if (format == FORMAT_F32)
    return f32_of_bits(code);
  if (format_is_scale(format))
    return scale_decode(code);
  return decode_code(format_codes(format), code);
}

float codec_round(Format format, float x, Overflow overflow) {
  if (format == FORMAT_F32)
    return x;
  return codec_decode(format, codec_encode(format, x, overflow));
}

/* Buffers come as bytes of any alignment, hence the copies below. */

/* Many 8-bit codes: a table of all 256 pays for itself within one call. */
static void decode_bytes(Format format, const unsigned char *in, float *out,
                         size_t n) {
  Codes codes = format_codes(format);
  if (n < 256) {
    for (size_t i = 0; i < n; i++)
      out[i] = decode_code(codes, in[i]);
    return;
  }
  float table[256];
  for (uint32_t code = 0; code < 256; code++)
    table[code] = decode_code(codes, code);
  for (size_t i = 0; i < n; i++)
    out[i] = table[in[i]];
}

static void decode_halves(Format format, const unsigned char *in, float *out,
                          size_t n) {
  Codes codes = format_codes(format);
  for (size_t i = 0; i < n; i++) {
    uint16_t code;
    memcpy(&code, in + i * sizeof code, sizeof code);
    out[i] = decode_code(codes, code);
  }
}

static void decode_floats(Format format, const void *in, float *out, size_t n) {
  size_t bytes = format_bytes(format);
  assert(bytes <= sizeof(float) && "f64 has no array form");
  if (bytes == 1)
    decode_bytes(format, in, out, n);
  else if (bytes == 2)
    decode_halves(format, in, out, n);
  else if (n > 0)
    memcpy(out, in, n * sizeof *out);
}

/* Integers by value, rounded to nearest even where f32 is too short. */
#define DECODE_INTEGERS(name, type, expression)                                \
  static void name(const unsigned char *in, float *out, size_t n) {            \
    for (size_t i = 0; i < n; i++) {                                           \
      type v;                                                                  \
      memcpy(&v, in + i * sizeof v, sizeof v);                                 \
      out[i] = (float)(expression);                                            \
    }                                                                          \
  }
DECODE_INTEGERS(decode_i64, int64_t, v)
DECODE_INTEGERS(decode_i32, int32_t, v)
DECODE_INTEGERS(decode_u16, uint16_t, v)
DECODE_INTEGERS(decode_u8, uint8_t, v)
DECODE_INTEGERS(decode_bool, uint8_t, v != 0)

void codec_decode_array(Format format, const void *codes, float *out,
                        size_t n) {
  const FormatInfo *row = format_info(format);
  switch (row->kind) {
  case KIND_FLOAT:
    decode_floats(format, codes, out, n);
    return;
  case KIND_SCALE:
    for (size_t i = 0; i < n; i++)
      out[i] = scale_decode(((const unsigned char *)codes)[i]);
    return;
  case KIND_INT:
    (row->bits == 64 ? decode_i64 : decode_i32)(codes, out, n);
    return;
  case KIND_UINT:
    (row->bits == 16 ? decode_u16 : decode_u8)(codes, out, n);
    return;
  case KIND_BOOL:
    decode_bool(codes, out, n);
    return;
  case KIND_ABSTRACT:
    break;
  }
  assert(!"a format without storage");
}

void codec_encode_array(Format format, const float *in, void *codes, size_t n,
                        Overflow overflow) {
  if (format == FORMAT_F32) {
    if (n > 0)
      memcpy(codes, in, n * sizeof *in);
    return;
  }
  uint8_t *bytes = codes;
  if (format_is_scale(format)) {
    for (size_t i = 0; i < n; i++)
      bytes[i] = (uint8_t)scale_encode(f32_bits(in[i]), overflow);
    return;
  }
  Codes row = format_codes(format);
  uint32_t overflowed = overflow_code(row, overflow);
  if (format_bytes(format) == 1) {
    for (size_t i = 0; i < n; i++)
      bytes[i] = (uint8_t)encode_nearest(row, f32_bits(in[i]), overflowed);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    uint16_t code = (uint16_t)encode_nearest(row, f32_bits(in[i]), overflowed);
    memcpy(bytes + i * sizeof code, &code, sizeof code);
  }
}

int codec_exponent(float x) {
  uint32_t magnitude = f32_bits(x) & ~F32_SIGN;
  assert(magnitude != 0 && magnitude < F32_INFINITY);
  int field = (int)(magnitude >> F32_MANTISSA_BITS);
  if (field != 0)
    return field - F32_BIAS;
  /* The units bit of a subnormal is 2^-149. */
  return 31 - __builtin_clz(magnitude) - 149;
}
