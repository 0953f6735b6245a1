/* Conversions between number formats as vector code.
 *
 * In: codes of a format, or f32 values, a vector of them. Out: f32 values, or
 * codes; bit for bit what ir/codec.c gives. Everything rests on two facts. A
 * code without its sign is an integer that grows with its magnitude, so
 * rounding is an addition that may carry into the exponent. And a binary32
 * addition rounds to nearest even by itself: with a power of two whose last
 * place is the smallest subnormal of the format it does so for subnormal
 * results. Where the target converts f16 in one instruction, the 8-bit formats
 * widen through it: e5m2 is the upper half of f16, e4m3 fits into it with its
 * value divided by 256.
 */
#include "compiler/llvm/lanes.h"

#define SIGN UINT32_C(0x80000000)
#define MANTISSA_BITS 23
#define INFINITY_BITS UINT32_C(0x7F800000)
#define NAN_BITS UINT32_C(0x7FC00000)

/* A format as unsigned codes: up to `max` they are finite and ascending. */
typedef struct {
  int bits, mantissa_bits, bias;
  uint32_t max, beyond, quiet_nan;
  uint32_t sign;
} Codes;

static Codes codes_of(Format format) {
  const FormatInfo *row = format_info(format);
  uint32_t sign = UINT32_C(1) << (row->bits - 1);
  uint32_t all = sign - 1;
  Codes codes = {row->bits, row->mantissa_bits, row->bias, all - 1, all, all,
                 sign};
  if (row->specials == SPECIALS_IEEE) {
    codes.beyond = all ^ ((UINT32_C(1) << row->mantissa_bits) - 1);
    codes.max = codes.beyond - 1;
    codes.quiet_nan = codes.beyond | UINT32_C(1) << (row->mantissa_bits - 1);
  }
  return codes;
}

static float float_of_bits(uint32_t bits) {
  union {
    uint32_t bits;
    float x;
  } both = {bits};
  return both.x;
}

static LLVMTypeRef code_vector(const Lanes *lanes, Format format) {
  return emit_vector_type(emit_code_type(lanes->emit, format), lanes->count);
}

/* ---- decoding ----------------------------------------------------------- */

/* The quiet NaN with the sign of `bits` where `is_nan`, else `bits`. */
static LLVMValueRef put_nan(const Lanes *l, LLVMValueRef is_nan,
                            LLVMValueRef bits) {
  LLVMValueRef sign =
      LLVMBuildAnd(l->builder, bits, lanes_word(l, SIGN), "sign");
  LLVMValueRef nan =
      LLVMBuildOr(l->builder, sign, lanes_word(l, NAN_BITS), "nan");
  LLVMValueRef fixed = LLVMBuildSelect(l->builder, is_nan, nan, bits, "bits");
  return lanes_of_bits(l, fixed);
}

/* Is the unsigned part of a code above that of infinity? Asked of the code:
 * LLVM narrows a comparison of the widened value to f16, which x86 cannot
 * compare. */
static LLVMValueRef code_is_nan(const Lanes *l, Format format,
                                LLVMValueRef given) {
  Codes codes = codes_of(format);
  LLVMTypeRef element = emit_code_type(l->emit, format);
  uint32_t last = codes.beyond == codes.quiet_nan ? codes.max : codes.beyond;
  LLVMValueRef magnitude = LLVMBuildAnd(
      l->builder, given, lanes_same(l, element, codes.sign - 1), "magnitude");
  return LLVMBuildICmp(l->builder, LLVMIntUGT, magnitude,
                       lanes_same(l, element, last), "is_nan");
}

/* f32 values of f16 bit patterns in 16-bit integers. */
static LLVMValueRef extend_half(const Lanes *l, LLVMValueRef words) {
  LLVMTypeRef half = LLVMHalfTypeInContext(l->emit->context);
  LLVMValueRef h = LLVMBuildBitCast(l->builder, words,
                                    emit_vector_type(half, l->count), "half");
  return LLVMBuildFPExt(l->builder, h, l->f32, "x");
}

/* e5m2 is the upper byte of f16. */
static LLVMValueRef half_of_e5m2(const Lanes *l, LLVMValueRef codes) {
  LLVMTypeRef i16 = l->emit->i16;
  LLVMValueRef words = LLVMBuildZExt(l->builder, codes,
                                     emit_vector_type(i16, l->count), "words");
  words = LLVMBuildShl(l->builder, words, lanes_same(l, i16, 8), "words");
  return extend_half(l, words);
}

/* The sign arrives in bits 15 and 14 of the word, the exponent in the lower
 * four bits of f16's five. */
static LLVMValueRef half_of_e4m3(const Lanes *l, LLVMValueRef codes) {
  LLVMTypeRef i16 = l->emit->i16;
  LLVMValueRef words = LLVMBuildSExt(l->builder, codes,
                                     emit_vector_type(i16, l->count), "words");
  words = LLVMBuildShl(l->builder, words, lanes_same(l, i16, 7), "words");
  words = LLVMBuildAnd(l->builder, words, lanes_same(l, i16, 0xBFFF), "words");
  return LLVMBuildFMul(l->builder, extend_half(l, words),
                       lanes_float(l, 256.0f), "x");
}

/* f16 and what fits into it, on targets that convert it. */
static LLVMValueRef decode_half(const Lanes *l, Format format,
                                LLVMValueRef codes) {
  LLVMValueRef x = format == FORMAT_E5M2   ? half_of_e5m2(l, codes)
                   : format == FORMAT_E4M3 ? half_of_e4m3(l, codes)
                                           : extend_half(l, codes);
  return put_nan(l, code_is_nan(l, format, codes), lanes_bits(l, x));
}

/* ---- 64 codes by table -------------------------------------------------- */

/* The upper 16 bits of the f32 value of each of 128 unsigned codes, which hold
 * all of it for formats of 8 bits: byte `byte` of them, 64 from `first` on. */
static LLVMValueRef byte_table(const Lanes *l, Format format, int byte,
                               unsigned first) {
  LLVMValueRef entry[64];
  for (unsigned i = 0; i < 64; i++) {
    union {
      float x;
      uint32_t bits;
    } value = {codec_decode(format, first + i)};
    uint32_t shifted = value.bits >> (16 + 8 * byte) & 0xFF;
    entry[i] = LLVMConstInt(l->emit->i8, shifted, false);
  }
  return LLVMConstVector(entry, 64);
}

/* The index ignores the top bit of a code. */
static LLVMValueRef table_look_up(const Lanes *l, Format format, int byte,
                                  LLVMValueRef codes) {
  LLVMValueRef arguments[] = {byte_table(l, format, byte, 0), codes,
                              byte_table(l, format, byte, 64)};
  return emit_intrinsic(l->emit, "llvm.x86.avx512.vpermi2var.qi.512", NULL,
                        arguments, 3);
}

/* Elements of a and b in turn, of the lower or upper half of each 128 bits;
 * `bytes` wide in, twice as wide out. */
static LLVMValueRef widen(const Lanes *l, LLVMValueRef a, LLVMValueRef b,
                          unsigned bytes, bool upper) {
  unsigned lane[64], count = 64 / bytes, width = 16 / bytes;
  for (unsigned i = 0; i < count; i++)
    lane[i] = i / width * width + (upper ? width / 2 : 0) + i % width / 2 +
              i % 2 * count;
  LLVMTypeRef wider = LLVMIntTypeInContext(l->emit->context, 16 * bytes);
  return LLVMBuildBitCast(l->builder, lanes_shuffle(l->emit, a, b, lane, count),
                          LLVMVectorType(wider, count / 2), "wide");
}

/* 64 codes of 8 bits with two table look-ups. Widening by interleaving stays
 * within 128 bits, so codes are first brought into the order that makes the
 * floats come out in theirs: 4-byte groups 0, 4, 8, 12, 1, 5, ... */
static LLVMValueRef decode_table(const Lanes *l, Format format,
                                 LLVMValueRef codes) {
  unsigned lane[64];
  for (unsigned i = 0; i < 64; i++)
    lane[i] = (i / 16 + i / 4 % 4 * 4) * 4 + i % 4;
  codes = lanes_shuffle(l->emit, codes, codes, lane, 64);
  LLVMValueRef low = table_look_up(l, format, 0, codes);
  LLVMValueRef high = table_look_up(l, format, 1, codes);
  LLVMValueRef sign =
      LLVMBuildAnd(l->builder, codes, lanes_same(l, l->emit->i8, 0x80), "sign");
  high = LLVMBuildOr(l->builder, high, sign, "high");
  LLVMValueRef quarter[4];
  LLVMTypeRef type = LLVMVectorType(l->emit->f32, 16);
  for (int q = 0; q < 4; q++) {
    LLVMValueRef words = widen(l, low, high, 1, q / 2 != 0);
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(words));
    quarter[q] = LLVMBuildBitCast(
        l->builder, widen(l, zero, words, 2, q % 2 != 0), type, "quarter");
  }
  for (unsigned i = 0; i < 64; i++)
    lane[i] = i;
  LLVMValueRef lower = lanes_shuffle(l->emit, quarter[0], quarter[1], lane, 32);
  LLVMValueRef upper = lanes_shuffle(l->emit, quarter[2], quarter[3], lane, 32);
  return lanes_shuffle(l->emit, lower, upper, lane, 64);
}

/* ---- any number of codes by arithmetic ---------------------------------- */

/* Subnormal codes: (1 + M / 2^m) - 1 at the smallest normal exponent. */
static LLVMValueRef decode_subnormal(const Lanes *l, LLVMValueRef shifted,
                                     uint32_t rebias) {
  uint32_t one = rebias + (UINT32_C(1) << MANTISSA_BITS);
  LLVMValueRef sum =
      LLVMBuildAdd(l->builder, shifted, lanes_word(l, one), "sum");
  LLVMValueRef x =
      LLVMBuildFSub(l->builder, lanes_of_bits(l, sum),
                    lanes_float(l, float_of_bits(one)), "subnormal");
  return lanes_bits(l, x);
}

/* The bits of finite unsigned codes. */
static LLVMValueRef decode_finite(const Lanes *l, Codes codes,
                                  LLVMValueRef unsigned_codes) {
  int shift = MANTISSA_BITS - codes.mantissa_bits;
  uint32_t rebias = (uint32_t)(127 - codes.bias) << MANTISSA_BITS;
  LLVMValueRef shifted = LLVMBuildShl(
      l->builder, unsigned_codes, lanes_word(l, (uint32_t)shift), "shifted");
  if (rebias == 0)
    return shifted;
  LLVMValueRef normal =
      LLVMBuildAdd(l->builder, shifted, lanes_word(l, rebias), "normal");
  uint32_t first_normal = UINT32_C(1) << codes.mantissa_bits;
  LLVMValueRef below = LLVMBuildICmp(l->builder, LLVMIntULT, unsigned_codes,
                                     lanes_word(l, first_normal), "below");
  return LLVMBuildSelect(l->builder, below,
                         decode_subnormal(l, shifted, rebias), normal, "bits");
}

/* Any float format of up to 16 bits, with binary32 arithmetic alone. */
static LLVMValueRef decode_plain(const Lanes *l, Codes codes,
                                 LLVMValueRef given) {
  LLVMValueRef wide = LLVMBuildZExt(l->builder, given, l->i32, "wide");
  LLVMValueRef code =
      LLVMBuildAnd(l->builder, wide, lanes_word(l, codes.sign - 1), "unsigned");
  LLVMValueRef bits = decode_finite(l, codes, code);
  LLVMValueRef special = lanes_word(l, NAN_BITS);
  if (codes.beyond != codes.quiet_nan) {
    LLVMValueRef infinite = LLVMBuildICmp(
        l->builder, LLVMIntEQ, code, lanes_word(l, codes.beyond), "infinite");
    special = LLVMBuildSelect(l->builder, infinite,
                              lanes_word(l, INFINITY_BITS), special, "special");
  }
  LLVMValueRef finite = LLVMBuildICmp(l->builder, LLVMIntULE, code,
                                      lanes_word(l, codes.max), "finite");
  bits = LLVMBuildSelect(l->builder, finite, bits, special, "bits");
  LLVMValueRef sign =
      LLVMBuildAnd(l->builder, wide, lanes_word(l, codes.sign), "sign");
  sign = LLVMBuildShl(l->builder, sign,
                      lanes_word(l, (uint32_t)(32 - codes.bits)), "sign");
  return lanes_of_bits(l, LLVMBuildOr(l->builder, bits, sign, "bits"));
}

/* bf16 is the upper half of binary32; only its NaNs need care. */
static LLVMValueRef decode_bf16(const Lanes *l, LLVMValueRef codes) {
  LLVMValueRef wide = LLVMBuildZExt(l->builder, codes, l->i32, "wide");
  LLVMValueRef bits = LLVMBuildShl(l->builder, wide, lanes_word(l, 16), "bits");
  return put_nan(l, code_is_nan(l, FORMAT_BF16, codes), bits);
}

/* Integers convert by value. Through i32 where that holds them: a signed
 * conversion is one instruction on every target. */
static LLVMValueRef decode_integer(const Lanes *l, Format format,
                                   LLVMValueRef codes) {
  if (format == FORMAT_BOOL) {
    LLVMValueRef is_true = LLVMBuildICmp(
        l->builder, LLVMIntNE, codes, LLVMConstNull(LLVMTypeOf(codes)), "true");
    return LLVMBuildSelect(l->builder, is_true, lanes_float(l, 1.0f),
                           lanes_float(l, 0.0f), "x");
  }
  if (format_info(format)->kind == KIND_UINT)
    codes = LLVMBuildZExt(l->builder, codes, l->i32, "wide");
  return LLVMBuildSIToFP(l->builder, codes, l->f32, "x");
}

LLVMValueRef emit_decode(Emit *emit, Format format, LLVMValueRef codes,
                         unsigned lanes) {
  Lanes l = lanes_of(emit, lanes);
  if (!format_is_float(format))
    return decode_integer(&l, format, codes);
  if (format == FORMAT_F32)
    return lanes_of_bits(&l, codes);
  if (format == FORMAT_BF16)
    return decode_bf16(&l, codes);
  if (emit->target.vbmi && lanes == 64 && format_bytes(format) == 1)
    return decode_table(&l, format, codes);
  if (emit->target.f16c)
    return decode_half(&l, format, codes);
  return decode_plain(&l, codes_of(format), codes);
}

/* ---- encoding ----------------------------------------------------------- */

/* What is decided after rounding: overflow, NaN, the sign; and the width. */
static LLVMValueRef finish_code(const Lanes *l, Format format,
                                Overflow overflow, LLVMValueRef bits,
                                LLVMValueRef code) {
  Codes codes = codes_of(format);
  LLVMValueRef max = lanes_word(l, codes.max);
  if (overflow == OVERFLOW_SATURATE) {
    code = lanes_pair(l, "llvm.umin", code, max);
  } else {
    LLVMValueRef over =
        LLVMBuildICmp(l->builder, LLVMIntUGT, code, max, "over");
    code = LLVMBuildSelect(l->builder, over, lanes_word(l, codes.beyond), code,
                           "code");
  }
  LLVMValueRef x = lanes_of_bits(l, bits);
  LLVMValueRef is_nan = LLVMBuildFCmp(l->builder, LLVMRealUNO, x, x, "is_nan");
  code = LLVMBuildSelect(l->builder, is_nan, lanes_word(l, codes.quiet_nan),
                         code, "code");
  LLVMValueRef sign = LLVMBuildLShr(
      l->builder, bits, lanes_word(l, (uint32_t)(32 - codes.bits)), "sign");
  sign = LLVMBuildAnd(l->builder, sign, lanes_word(l, codes.sign), "sign");
  code = LLVMBuildOr(l->builder, code, sign, "code");
  return LLVMBuildTrunc(l->builder, code, code_vector(l, format), "code");
}

/* Codes of magnitudes that are normal in the format: adding half less one unit,
 * and one more above an odd code, carries exactly when it should. */
static LLVMValueRef nearest_normal(const Lanes *l, Codes codes,
                                   LLVMValueRef magnitude) {
  uint32_t shift = (uint32_t)(MANTISSA_BITS - codes.mantissa_bits);
  uint32_t rebias = (uint32_t)(127 - codes.bias) << MANTISSA_BITS;
  uint32_t half = UINT32_C(1) << (shift - 1);
  LLVMValueRef odd =
      LLVMBuildLShr(l->builder, magnitude, lanes_word(l, shift), "odd");
  odd = LLVMBuildAnd(l->builder, odd, lanes_word(l, 1), "odd");
  LLVMValueRef sum = LLVMBuildAdd(l->builder, magnitude,
                                  lanes_word(l, half - 1 - rebias), "sum");
  sum = LLVMBuildAdd(l->builder, sum, odd, "sum");
  return LLVMBuildLShr(l->builder, sum, lanes_word(l, shift), "code");
}

/* Codes of magnitudes below the smallest normal value. */
static LLVMValueRef nearest_subnormal(const Lanes *l, Codes codes,
                                      LLVMValueRef magnitude) {
  int exponent = 1 - codes.bias - codes.mantissa_bits + MANTISSA_BITS;
  uint32_t bits = (uint32_t)(exponent + 127) << MANTISSA_BITS;
  LLVMValueRef sum = LLVMBuildFAdd(l->builder, lanes_of_bits(l, magnitude),
                                   lanes_float(l, float_of_bits(bits)), "sum");
  return LLVMBuildSub(l->builder, lanes_bits(l, sum), lanes_word(l, bits),
                      "code");
}

/* To any format of up to 16 bits, with binary32 and integer arithmetic. */
static LLVMValueRef encode_plain(const Lanes *l, Format format, LLVMValueRef x,
                                 Overflow overflow) {
  Codes codes = codes_of(format);
  LLVMValueRef bits = lanes_bits(l, x);
  LLVMValueRef magnitude =
      LLVMBuildAnd(l->builder, bits, lanes_word(l, ~SIGN), "magnitude");
  LLVMValueRef code = nearest_normal(l, codes, magnitude);
  /* The subnormals of a format with the bias of binary32 are its own. */
  if (codes.bias != 127) {
    uint32_t first_normal = (uint32_t)(128 - codes.bias) << MANTISSA_BITS;
    LLVMValueRef below = LLVMBuildICmp(l->builder, LLVMIntULT, magnitude,
                                       lanes_word(l, first_normal), "below");
    code =
        LLVMBuildSelect(l->builder, below,
                        nearest_subnormal(l, codes, magnitude), code, "code");
  }
  return finish_code(l, format, overflow, bits, code);
}

/* f16 by the instruction for it, which knows nothing of saturation and keeps
 * NaN payloads. */
static LLVMValueRef encode_half(const Lanes *l, LLVMValueRef x,
                                Overflow overflow) {
  LLVMTypeRef i16 = l->emit->i16;
  LLVMTypeRef half = LLVMHalfTypeInContext(l->emit->context);
  LLVMValueRef h =
      LLVMBuildFPTrunc(l->builder, x, emit_vector_type(half, l->count), "half");
  LLVMValueRef code =
      LLVMBuildBitCast(l->builder, h, emit_vector_type(i16, l->count), "code");
  LLVMValueRef sign =
      LLVMBuildAnd(l->builder, code, lanes_same(l, i16, 0x8000), "sign");
  if (overflow == OVERFLOW_SATURATE) {
    LLVMValueRef magnitude = LLVMBuildXor(l->builder, code, sign, "magnitude");
    magnitude =
        lanes_pair(l, "llvm.umin", magnitude, lanes_same(l, i16, 0x7BFF));
    code = LLVMBuildOr(l->builder, magnitude, sign, "code");
  }
  LLVMValueRef nan =
      LLVMBuildOr(l->builder, sign, lanes_same(l, i16, 0x7E00), "nan");
  LLVMValueRef is_nan = LLVMBuildFCmp(l->builder, LLVMRealUNO, x, x, "is_nan");
  return LLVMBuildSelect(l->builder, is_nan, nan, code, "code");
}

LLVMValueRef emit_encode(Emit *emit, Format format, LLVMValueRef x,
                         unsigned lanes, Overflow overflow) {
  Lanes l = lanes_of(emit, lanes);
  if (format == FORMAT_F32)
    return lanes_bits(&l, x);
  if (format == FORMAT_F16 && emit->target.f16c)
    return encode_half(&l, x, overflow);
  return encode_plain(&l, format, x, overflow);
}

/* ---- stochastic rounding ------------------------------------------------ */

/* A magnitude against the grid of a format, as in ir/codec.c: the code is
 * base + significand / 2^dropped before rounding. */
typedef struct {
  LLVMValueRef base, significand, dropped;
} Split;

static Split split_magnitude(const Lanes *l, Codes codes,
                             LLVMValueRef magnitude) {
  LLVMBuilderRef b = l->builder;
  uint32_t hidden_bit = UINT32_C(1) << MANTISSA_BITS;
  LLVMValueRef zero = lanes_word(l, 0);
  LLVMValueRef field =
      LLVMBuildLShr(b, magnitude, lanes_word(l, MANTISSA_BITS), "field");
  LLVMValueRef normal =
      LLVMBuildICmp(b, LLVMIntUGE, magnitude, lanes_word(l, hidden_bit), "");
  LLVMValueRef hidden =
      LLVMBuildSelect(b, normal, lanes_word(l, hidden_bit), zero, "hidden");
  LLVMValueRef fraction =
      LLVMBuildAnd(b, magnitude, lanes_word(l, hidden_bit - 1), "fraction");
  field = lanes_pair(l, "llvm.umax", field, lanes_word(l, 1));
  /* exponent - 1 in the format; how far below its smallest exponent. */
  LLVMValueRef above =
      LLVMBuildSub(b, field, lanes_word(l, (uint32_t)(128 - codes.bias)), "");
  LLVMValueRef below =
      lanes_pair(l, "llvm.smax", LLVMBuildNeg(b, above, ""), zero);
  LLVMValueRef exponent = lanes_pair(l, "llvm.smax", above, zero);
  uint32_t kept = (uint32_t)codes.mantissa_bits;
  return (Split){
      LLVMBuildShl(b, exponent, lanes_word(l, kept), "base"),
      LLVMBuildOr(b, hidden, fraction, "significand"),
      LLVMBuildAdd(b, below, lanes_word(l, MANTISSA_BITS - kept), "dropped")};
}

/* The dropped bits as a fraction of 2^32; past 32 of them the last are lost.
 * Shift counts stay below 32, where they have a meaning. */
static LLVMValueRef split_fraction(const Lanes *l, Split split) {
  LLVMBuilderRef b = l->builder;
  LLVMValueRef zero = lanes_word(l, 0), word = lanes_word(l, 32);
  LLVMValueRef left = lanes_pair(
      l, "llvm.smax", LLVMBuildSub(b, word, split.dropped, ""), zero);
  LLVMValueRef right = lanes_pair(
      l, "llvm.smax", LLVMBuildSub(b, split.dropped, word, ""), zero);
  right = lanes_pair(l, "llvm.smin", right, lanes_word(l, 31));
  LLVMValueRef fraction = LLVMBuildShl(b, split.significand, left, "fraction");
  return LLVMBuildLShr(b, fraction, right, "fraction");
}

LLVMValueRef emit_encode_stochastic(Emit *emit, Format format, LLVMValueRef x,
                                    LLVMValueRef random, unsigned lanes,
                                    Overflow overflow) {
  Lanes l = lanes_of(emit, lanes);
  LLVMBuilderRef b = l.builder;
  LLVMValueRef bits = lanes_bits(&l, x);
  if (format == FORMAT_F32)
    return bits;
  LLVMValueRef magnitude =
      LLVMBuildAnd(b, bits, lanes_word(&l, ~SIGN), "magnitude");
  Split split = split_magnitude(&l, codes_of(format), magnitude);
  LLVMValueRef count =
      lanes_pair(&l, "llvm.umin", split.dropped, lanes_word(&l, 31));
  LLVMValueRef code = LLVMBuildLShr(b, split.significand, count, "whole");
  code = LLVMBuildAdd(b, code, split.base, "code");
  LLVMValueRef away =
      LLVMBuildICmp(b, LLVMIntULT, random, split_fraction(&l, split), "away");
  code = LLVMBuildAdd(b, code, LLVMBuildZExt(b, away, l.i32, ""), "code");
  return finish_code(&l, format, overflow, bits, code);
}

/* ---- rounding toward zero, and without subnormals ------------------------ */

/* A finite overflow stops at the largest value whatever the policy. */
LLVMValueRef emit_encode_down(Emit *emit, Format format, LLVMValueRef x,
                              unsigned lanes, Overflow overflow) {
  Lanes l = lanes_of(emit, lanes);
  LLVMBuilderRef b = l.builder;
  LLVMValueRef bits = lanes_bits(&l, x);
  if (format == FORMAT_F32)
    return bits;
  Codes codes = codes_of(format);
  LLVMValueRef magnitude =
      LLVMBuildAnd(b, bits, lanes_word(&l, ~SIGN), "magnitude");
  Split split = split_magnitude(&l, codes, magnitude);
  LLVMValueRef count =
      lanes_pair(&l, "llvm.umin", split.dropped, lanes_word(&l, 31));
  LLVMValueRef code = LLVMBuildLShr(b, split.significand, count, "whole");
  code = LLVMBuildAdd(b, code, split.base, "code");
  LLVMValueRef finite = LLVMBuildICmp(b, LLVMIntULT, magnitude,
                                      lanes_word(&l, INFINITY_BITS), "finite");
  LLVMValueRef held =
      lanes_pair(&l, "llvm.umin", code, lanes_word(&l, codes.max));
  code = LLVMBuildSelect(b, finite, held, code, "code");
  return finish_code(&l, format, overflow, bits, code);
}

LLVMValueRef emit_flush(Emit *emit, Format format, LLVMValueRef given,
                        unsigned lanes) {
  if (format == FORMAT_F32)
    return given;
  Lanes l = lanes_of(emit, lanes);
  Codes codes = codes_of(format);
  LLVMTypeRef element = emit_code_type(emit, format);
  LLVMValueRef magnitude = LLVMBuildAnd(
      l.builder, given, lanes_same(&l, element, codes.sign - 1), "magnitude");
  LLVMValueRef zero = LLVMBuildAnd(l.builder, given,
                                   lanes_same(&l, element, codes.sign), "zero");
  uint32_t first_normal = UINT32_C(1) << codes.mantissa_bits;
  LLVMValueRef below =
      LLVMBuildICmp(l.builder, LLVMIntULT, magnitude,
                    lanes_same(&l, element, first_normal), "below");
  return LLVMBuildSelect(l.builder, below, zero, given, "flushed");
}
