/* Elementary functions and random numbers as vector code.
 *
 * In: vectors of f32, or a key and the number of a draw. Out: bit for bit what
 * ir/f32math.c and ir/rng.c give: emit_exp and emit_log perform the steps
 * listed in ir/f32math_constants.h, one instruction a step, and the same ones
 * in every lane, so a result depends neither on its position nor on the width
 * of the vector.
 */
#include "compiler/llvm/lanes.h"

#include "ir/f32math_constants.h"

LLVMValueRef emit_fma(Emit *emit, LLVMValueRef a, LLVMValueRef b,
                      LLVMValueRef c, unsigned lanes) {
  bool once = emit->strict || emit->target.fma;
  LLVMValueRef all[] = {a, b, c};
  return emit_intrinsic(emit, once ? "llvm.fma" : "llvm.fmuladd",
                        emit_vector_type(emit->f32, lanes), all, 3);
}

/* ---- exp and log -------------------------------------------------------- */

/* a * b + c with a constant c. */
static LLVMValueRef fma_to(const Lanes *l, LLVMValueRef a, LLVMValueRef b,
                           float c) {
  return emit_fma(l->emit, a, b, lanes_float(l, c), l->count);
}

/* The first coefficient belongs to the highest power of x. */
static LLVMValueRef polynomial(const Lanes *l, LLVMValueRef x,
                               const float *coefficient, size_t count) {
  LLVMValueRef sum = lanes_float(l, coefficient[0]);
  for (size_t i = 1; i < count; i++)
    sum = fma_to(l, sum, x, coefficient[i]);
  return sum;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* condition(x, limit) ? a : b */
static LLVMValueRef choose(const Lanes *l, LLVMRealPredicate condition,
                           LLVMValueRef x, LLVMValueRef limit, LLVMValueRef a,
                           LLVMValueRef b) {
  LLVMValueRef chosen =
      LLVMBuildFCmp(l->builder, condition, x, limit, "chosen");
  return LLVMBuildSelect(l->builder, chosen, a, b, "value");
}

/* y * 2^k for b = k + 254, by two factors, steps 9 and 10. */
static LLVMValueRef scale_by_bits(const Lanes *l, LLVMValueRef y,
                                  LLVMValueRef b) {
  LLVMValueRef one = lanes_word(l, 1), shift = lanes_word(l, 23);
  LLVMValueRef first = LLVMBuildLShr(l->builder, b, one, "b1");
  LLVMValueRef second = LLVMBuildSub(l->builder, b, first, "b2");
  LLVMValueRef part[] = {first, second};
  for (int i = 0; i < 2; i++) {
    LLVMValueRef bits = LLVMBuildShl(l->builder, part[i], shift, "power");
    y = LLVMBuildFMul(l->builder, y, lanes_of_bits(l, bits), "y");
  }
  return y;
}

LLVMValueRef emit_exp(Emit *emit, LLVMValueRef x, unsigned lanes) {
  static const float coefficient[] = F32_EXP_POLYNOMIAL;
  Lanes l = lanes_of(emit, lanes);
  LLVMValueRef max = lanes_float(&l, F32_EXP_MAX);
  LLVMValueRef min = lanes_float(&l, F32_EXP_MIN);
  LLVMValueRef a = choose(&l, LLVMRealOGT, x, max, max, x);
  a = choose(&l, LLVMRealOLT, a, min, min, a);
  LLVMValueRef t = fma_to(&l, a, lanes_float(&l, F32_EXP_LOG2E), F32_EXP_ROUND);
  LLVMValueRef n =
      LLVMBuildFSub(l.builder, t, lanes_float(&l, F32_EXP_ROUND), "n");
  LLVMValueRef r =
      emit_fma(emit, n, lanes_float(&l, -F32_EXP_LN2_HIGH), a, lanes);
  r = emit_fma(emit, n, lanes_float(&l, -F32_EXP_LN2_LOW), r, lanes);
  LLVMValueRef p = polynomial(&l, r, coefficient, COUNT(coefficient));
  p = fma_to(&l, p, r, 1.0f);
  LLVMValueRef b = LLVMBuildSub(l.builder, lanes_bits(&l, t),
                                lanes_word(&l, F32_EXP_BIAS), "b");
  LLVMValueRef y = scale_by_bits(&l, p, b);
  LLVMValueRef nan = lanes_of_bits(&l, lanes_word(&l, F32_NAN_BITS));
  return choose(&l, LLVMRealUNO, x, x, nan, y);
}

/* Steps 1 to 5 of log: k as a float, and f. */
static void log_reduce(const Lanes *l, LLVMValueRef x, LLVMValueRef *n,
                       LLVMValueRef *f) {
  LLVMBuilderRef b = l->builder;
  LLVMValueRef min_normal = lanes_float(l, F32_LOG_MIN_NORMAL);
  LLVMValueRef small = LLVMBuildFCmp(b, LLVMRealOLT, x, min_normal, "small");
  LLVMValueRef scaled =
      LLVMBuildFMul(b, x, lanes_float(l, F32_LOG_SUBNORMAL_SCALE), "scaled");
  LLVMValueRef s = LLVMBuildSelect(b, small, scaled, x, "s");
  LLVMValueRef d = LLVMBuildSelect(
      b, small, lanes_word(l, F32_LOG_SUBNORMAL_SHIFT), lanes_word(l, 0), "d");
  LLVMValueRef i =
      LLVMBuildAdd(b, lanes_bits(l, s), lanes_word(l, F32_LOG_OFFSET), "i");
  LLVMValueRef k = LLVMBuildLShr(b, i, lanes_word(l, 23), "k");
  k = LLVMBuildSub(b, k, lanes_word(l, 127), "k");
  k = LLVMBuildSub(b, k, d, "k");
  LLVMValueRef m = LLVMBuildAnd(b, i, lanes_word(l, F32_LOG_MANTISSA), "m");
  m = LLVMBuildAdd(b, m, lanes_word(l, F32_LOG_TWO_THIRDS), "m");
  *f = LLVMBuildFSub(b, lanes_of_bits(l, m), lanes_float(l, 1.0f), "f");
  *n = LLVMBuildSIToFP(b, k, l->f32, "n");
}

/* Step 12 of log: infinity, zeros, negative numbers, NaN. */
static LLVMValueRef log_specials(const Lanes *l, LLVMValueRef x,
                                 LLVMValueRef y) {
  LLVMValueRef zero = lanes_float(l, 0.0f);
  LLVMValueRef infinity = lanes_of_bits(l, lanes_word(l, F32_INF_BITS));
  LLVMValueRef minus_infinity =
      lanes_of_bits(l, lanes_word(l, F32_INF_BITS | UINT32_C(0x80000000)));
  LLVMValueRef nan = lanes_of_bits(l, lanes_word(l, F32_NAN_BITS));
  y = choose(l, LLVMRealOEQ, x, infinity, x, y);
  y = choose(l, LLVMRealOEQ, x, zero, minus_infinity, y);
  return choose(l, LLVMRealOGE, x, zero, y, nan);
}

LLVMValueRef emit_log(Emit *emit, LLVMValueRef x, unsigned lanes) {
  static const float coefficient[] = F32_LOG_POLYNOMIAL;
  Lanes l = lanes_of(emit, lanes);
  LLVMBuilderRef b = l.builder;
  LLVMValueRef n, f;
  log_reduce(&l, x, &n, &f);
  LLVMValueRef q = polynomial(&l, f, coefficient, COUNT(coefficient));
  LLVMValueRef h = LLVMBuildFMul(b, n, lanes_float(&l, F32_LOG_LN2_HIGH), "h");
  LLVMValueRef u = LLVMBuildFAdd(b, h, f, "u");
  LLVMValueRef e = LLVMBuildFSub(b, f, LLVMBuildFSub(b, u, h, "f'"), "e");
  LLVMValueRef low =
      LLVMBuildFMul(b, n, lanes_float(&l, F32_LOG_LN2_LOW), "low");
  LLVMValueRef square = LLVMBuildFMul(b, f, f, "square");
  LLVMValueRef w = emit_fma(emit, square, q, low, lanes);
  LLVMValueRef y = LLVMBuildFAdd(b, u, LLVMBuildFAdd(b, e, w, "ew"), "y");
  return log_specials(&l, x, y);
}

/* ---- shifts ------------------------------------------------------------- */

/* k limited to what one factor can be. */
static LLVMValueRef clamp_exponent(const Lanes *l, LLVMValueRef k) {
  k = lanes_pair(l, "llvm.smax", k, lanes_word(l, (uint32_t)-126));
  return lanes_pair(l, "llvm.smin", k, lanes_word(l, 127));
}

/* 2^k for k in [-126, 127], by its exponent field. */
static LLVMValueRef power_of_two(const Lanes *l, LLVMValueRef k) {
  LLVMValueRef field = LLVMBuildAdd(l->builder, k, lanes_word(l, 127), "field");
  return lanes_of_bits(
      l, LLVMBuildShl(l->builder, field, lanes_word(l, 23), "power"));
}

ShiftFactors emit_shift_factors(Emit *emit, LLVMValueRef k) {
  Lanes l = lanes_of(emit, 1);
  LLVMValueRef first = clamp_exponent(&l, k);
  /* Never overflows: the clamped part has the sign of k. */
  LLVMValueRef rest = LLVMBuildSub(l.builder, k, first, "rest");
  return (ShiftFactors){power_of_two(&l, first),
                        power_of_two(&l, clamp_exponent(&l, rest))};
}

LLVMValueRef emit_scale2(Emit *emit, LLVMValueRef x, ShiftFactors factors,
                         unsigned lanes) {
  LLVMValueRef first = emit_splat(emit, factors.first, lanes);
  LLVMValueRef second = emit_splat(emit, factors.second, lanes);
  x = LLVMBuildFMul(emit->builder, x, first, "scaled");
  return LLVMBuildFMul(emit->builder, x, second, "scaled");
}

/* ---- random numbers: Philox4x32-10, see ir/rng.c ------------------------ */

#define PHILOX_M0 UINT32_C(0xD2511F53)
#define PHILOX_M1 UINT32_C(0xCD9E8D57)
#define PHILOX_W0 UINT32_C(0x9E3779B9)
#define PHILOX_W1 UINT32_C(0xBB67AE85)

/* word * factor, in two words. */
static void multiply_wide(const Lanes *l, LLVMValueRef word, uint32_t factor,
                          LLVMValueRef *high, LLVMValueRef *low) {
  LLVMBuilderRef b = l->builder;
  LLVMTypeRef i64 = l->emit->i64;
  LLVMValueRef wide =
      LLVMBuildZExt(b, word, emit_vector_type(i64, l->count), "wide");
  LLVMValueRef product =
      LLVMBuildMul(b, wide, lanes_same(l, i64, factor), "product");
  *low = LLVMBuildTrunc(b, product, l->i32, "low");
  product = LLVMBuildLShr(b, product, lanes_same(l, i64, 32), "product");
  *high = LLVMBuildTrunc(b, product, l->i32, "high");
}

/* Ten rounds; `word` holds the counter and gets the result. */
static void philox(const Lanes *l, LLVMValueRef key0, LLVMValueRef key1,
                   LLVMValueRef word[4]) {
  LLVMBuilderRef b = l->builder;
  for (int round = 0; round < 10; round++) {
    LLVMValueRef high0, low0, high1, low1;
    multiply_wide(l, word[0], PHILOX_M0, &high0, &low0);
    multiply_wide(l, word[2], PHILOX_M1, &high1, &low1);
    LLVMValueRef first = LLVMBuildXor(b, high1, word[1], "word");
    LLVMValueRef third = LLVMBuildXor(b, high0, word[3], "word");
    word[0] = LLVMBuildXor(b, first, emit_splat(l->emit, key0, l->count), "");
    word[2] = LLVMBuildXor(b, third, emit_splat(l->emit, key1, l->count), "");
    word[1] = low1;
    word[3] = low0;
    key0 = LLVMBuildAdd(b, key0, emit_i32(l->emit, (int32_t)PHILOX_W0), "");
    key1 = LLVMBuildAdd(b, key1, emit_i32(l->emit, (int32_t)PHILOX_W1), "");
  }
}

/* Blocks first / 4, first / 4 + 1, ...: one a lane. */
static void philox_blocks(const Lanes *l, LLVMValueRef key0, LLVMValueRef key1,
                          LLVMValueRef first, LLVMValueRef word[4]) {
  LLVMBuilderRef b = l->builder;
  LLVMTypeRef i64 = l->emit->i64;
  LLVMValueRef block = LLVMBuildLShr(b, first, emit_i64(l->emit, 2), "block");
  LLVMValueRef blocks =
      LLVMBuildAdd(b, emit_splat(l->emit, block, l->count),
                   emit_lane_numbers(l->emit, i64, l->count), "blocks");
  word[0] = LLVMBuildTrunc(b, blocks, l->i32, "word");
  blocks = LLVMBuildLShr(b, blocks, lanes_same(l, i64, 32), "high");
  word[1] = LLVMBuildTrunc(b, blocks, l->i32, "word");
  word[2] = word[3] = lanes_word(l, 0);
  philox(l, key0, key1, word);
}

/* `run` lanes of a, `run` lanes of b, the next of a, and so on. */
static LLVMValueRef interleave(const Lanes *l, LLVMValueRef a, LLVMValueRef b,
                               unsigned lanes, unsigned run) {
  unsigned *lane = NEW_ARRAY(l->emit->arena, unsigned, 2 * lanes);
  for (unsigned i = 0; i < 2 * lanes; i++) {
    unsigned group = i / (2 * run), at = i % (2 * run);
    lane[i] = group * run + at % run + (at < run ? 0 : lanes);
  }
  return lanes_shuffle(l->emit, a, b, lane, 2 * lanes);
}

/* One lane: word first % 4 of its block. */
static LLVMValueRef random_scalar(Emit *emit, LLVMValueRef key0,
                                  LLVMValueRef key1, LLVMValueRef first) {
  Lanes l = lanes_of(emit, 1);
  LLVMValueRef word[4];
  philox_blocks(&l, key0, key1, first, word);
  LLVMValueRef place =
      LLVMBuildAnd(l.builder, first, emit_i64(emit, 3), "place");
  LLVMValueRef result = word[0];
  for (int i = 1; i < 4; i++) {
    LLVMValueRef here =
        LLVMBuildICmp(l.builder, LLVMIntEQ, place, emit_i64(emit, i), "here");
    result = LLVMBuildSelect(l.builder, here, word[i], result, "random");
  }
  return result;
}

/* The draws of all blocks that the lanes touch go to memory in order, and come
 * back from where the first one is: that place is known at run time only. */
LLVMValueRef emit_random(Emit *emit, LLVMValueRef key0, LLVMValueRef key1,
                         LLVMValueRef first, unsigned lanes) {
  if (lanes == 1)
    return random_scalar(emit, key0, key1, first);
  unsigned blocks = lanes <= 4 ? 2 : lanes / 2;
  Lanes l = lanes_of(emit, blocks);
  LLVMValueRef word[4];
  philox_blocks(&l, key0, key1, first, word);
  LLVMValueRef low = interleave(&l, word[0], word[1], blocks, 1);
  LLVMValueRef high = interleave(&l, word[2], word[3], blocks, 1);
  LLVMValueRef all = interleave(&l, low, high, 2 * blocks, 2);
  LLVMValueRef slot =
      emit_slot(emit, LLVMVectorType(emit->i32, 4 * blocks), 1, "draws");
  emit_store(emit, all, emit->i32, slot, 4 * blocks, NULL);
  LLVMValueRef place =
      LLVMBuildAnd(emit->builder, first, emit_i64(emit, 3), "place");
  return emit_load(emit, emit->i32, emit_address(emit, slot, place, 4), lanes,
                   NULL);
}
