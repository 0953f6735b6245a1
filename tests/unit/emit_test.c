/* Vector code against its scalar models, bit for bit: conversions against
 * ir/codec.c, exp, log and shifts against ir/f32math.c, random numbers against
 * ir/rng.c; for every instruction set that this machine runs and every width.
 */
#include "tests/unit/emit_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/f32math.h"
#include "ir/rng.h"

static const char *const march_table[] = {"x86-64", "x86-64-v3", "native"};
enum { MARCHES = 3 };
static const unsigned lanes_table[] = {1, 4, 8, 16, 64};
enum { WIDTHS = 5 };
static const Format format_table[] = {FORMAT_F32, FORMAT_F16, FORMAT_BF16,
                                      FORMAT_E4M3, FORMAT_E5M2};
enum { FORMATS = 5 };

/* ---- patterns ----------------------------------------------------------- */

enum { PATTERNS = 1 << 22, UPPER = 1 << 16 };

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

/* A multiple of 64 of them: spread evenly over all 2^32, then every upper half
 * with lower halves around 0, 1/4, 1/2 and 1 of its last place: the ends of all
 * formats, halfway points, zeros, infinities, NaNs. */
static uint32_t *patterns(size_t *count) {
  static const uint32_t low[] = {0,      1,      0xFFFF, 0x8000, 0x7FFF, 0x8001,
                                 0x4000, 0x3FFF, 0x4001, 0x2000, 0x1000};
  enum { LOWS = sizeof low / sizeof *low };
  size_t n = PATTERNS + LOWS * (size_t)UPPER;
  uint32_t *all = malloc(n * sizeof *all);
  assert_non_null(all);
  uint64_t state = 1;
  for (size_t i = 0; i < PATTERNS; i++)
    all[i] = (uint32_t)(i << 10) | (next_random(&state) & 1023);
  for (size_t i = 0; i < LOWS * (size_t)UPPER; i++)
    all[PATTERNS + i] = (uint32_t)(i % UPPER) << 16 | low[i / UPPER];
  *count = n;
  return all;
}

/* ---- functions under test ----------------------------------------------- */

typedef enum {
  KIND_DECODE,
  KIND_NEAREST,
  KIND_STOCHASTIC,
  KIND_DOWN,
  KIND_FLUSHED, /* nearest, then without subnormals */
  KIND_EXP,
  KIND_LOG,
  KIND_MULTIPLY,
  KIND_DRAW
} Kind;

typedef struct {
  Kind kind;
  Format format;
  Overflow overflow;
  unsigned lanes;
} Case;

static void case_name(char *out, size_t size, Case c) {
  snprintf(out, size, "f%d_%d_%d_%u", (int)c.kind, (int)c.format,
           (int)c.overflow, c.lanes);
}

/* The value of one vector: what the case computes from a[i], b[i]. */
static LLVMValueRef case_value(Emit *emit, Case c, LLVMValueRef a,
                               LLVMValueRef b, ShiftFactors factors) {
  switch (c.kind) {
  case KIND_DECODE:
    return emit_decode(emit, c.format, a, c.lanes);
  case KIND_NEAREST:
    return emit_encode(emit, c.format, a, c.lanes, c.overflow);
  case KIND_STOCHASTIC:
    return emit_encode_stochastic(emit, c.format, a, b, c.lanes, c.overflow);
  case KIND_DOWN:
    return emit_encode_down(emit, c.format, a, c.lanes, c.overflow);
  case KIND_FLUSHED:
    return emit_flush(emit, c.format,
                      emit_encode(emit, c.format, a, c.lanes, c.overflow),
                      c.lanes);
  case KIND_EXP:
    return emit_exp(emit, a, c.lanes);
  case KIND_LOG:
    return emit_log(emit, a, c.lanes);
  case KIND_MULTIPLY:
    return emit_scale2(emit, a, factors, c.lanes);
  default:
    return NULL;
  }
}

/* out[i] = f(a[i], b[i]) for i < n, a multiple of the lanes; `more` points to
 * the shift. */
static void case_emit(Workshop *w, Case c) {
  Emit *emit = &w->emit;
  char name[64];
  case_name(name, sizeof name, c);
  LLVMValueRef f = workshop_begin(w, name);
  LLVMBasicBlockRef body = emit_enter_entry(emit);
  LLVMValueRef shift = emit_load(emit, emit->i32, LLVMGetParam(f, 3), 1, NULL);
  ShiftFactors factors = emit_shift_factors(emit, shift);
  emit_leave_entry(emit, body);
  LLVMTypeRef code = emit_code_type(emit, c.format);
  int64_t code_bytes = (int64_t)format_bytes(c.format);
  LLVMTypeRef in = c.kind == KIND_DECODE ? code : emit->f32;
  bool encodes = c.kind >= KIND_NEAREST && c.kind <= KIND_FLUSHED;
  LLVMTypeRef out = encodes ? code : emit->f32;
  Loop loop = emit_loop_begin(emit, emit_i64(emit, 0), LLVMGetParam(f, 4),
                              emit_i64(emit, c.lanes), "i");
  LLVMValueRef at = emit_address(emit, LLVMGetParam(f, 0), loop.index,
                                 in == code ? code_bytes : 4);
  LLVMValueRef a = emit_load(emit, in, at, c.lanes, NULL);
  at = emit_address(emit, LLVMGetParam(f, 1), loop.index, 4);
  LLVMValueRef b = emit_load(emit, emit->i32, at, c.lanes, NULL);
  LLVMValueRef value = case_value(emit, c, a, b, factors);
  at = emit_address(emit, LLVMGetParam(f, 2), loop.index,
                    out == code ? code_bytes : 4);
  emit_store(emit, value, out, at, c.lanes, NULL);
  emit_loop_end(emit, &loop);
  emit_function_end(emit);
}

static void case_run(Workshop *w, Case c, const void *a, const void *b,
                     int32_t shift, void *out, size_t n) {
  char name[64];
  case_name(name, sizeof name, c);
  WorkshopFunction *f;
  *(void **)&f = workshop_find(w, name);
  f(a, b, out, &shift, (int64_t)n);
}

static void expect_same(const char *march, Case c, const void *a, const void *b,
                        size_t bytes, size_t n) {
  if (memcmp(a, b, bytes * n) == 0)
    return;
  for (size_t i = 0; i < n; i++)
    if (memcmp((const char *)a + bytes * i, (const char *)b + bytes * i,
               bytes) != 0) {
      uint32_t found = 0, wanted = 0;
      memcpy(&found, (const char *)a + bytes * i, bytes);
      memcpy(&wanted, (const char *)b + bytes * i, bytes);
      fail_msg("%s kind %d %s overflow %d lanes %u: element %zu is %x, not %x",
               march, (int)c.kind, format_info(c.format)->text, (int)c.overflow,
               c.lanes, i, found, wanted);
    }
}

typedef void MarchTest(Workshop *w, const char *march);

/* Emits the cases, then runs the test, for each instruction set. */
static void each_march(const Case *cases, size_t count, MarchTest *test) {
  for (int m = 0; m < MARCHES; m++) {
    if (!workshop_runs(march_table[m]))
      continue;
    Workshop *w = workshop_new(march_table[m], NULL);
    for (size_t i = 0; i < count; i++)
      for (int l = 0; l < WIDTHS; l++) {
        Case c = cases[i];
        c.lanes = lanes_table[l];
        case_emit(w, c);
      }
    workshop_load(w);
    test(w, march_table[m]);
    workshop_free(w);
  }
}

/* ---- decoding ----------------------------------------------------------- */

/* All codes of 8- and 16-bit formats, spread ones of f32. */
static void decode_floats(Workshop *w, const char *march) {
  size_t count;
  uint32_t *spread = patterns(&count);
  float *found = malloc(count * sizeof *found);
  float *wanted = malloc(count * sizeof *wanted);
  for (int f = 0; f < FORMATS; f++) {
    size_t bytes = format_bytes(format_table[f]);
    size_t n = bytes == 4 ? count : (size_t)1 << 8 * bytes;
    char *codes = malloc(bytes * n);
    for (size_t i = 0; i < n; i++) {
      uint32_t code = bytes == 4 ? spread[i] : (uint32_t)i;
      memcpy(codes + bytes * i, &code, bytes);
    }
    codec_decode_array(format_table[f], codes, wanted, n);
    for (int l = 0; l < WIDTHS; l++) {
      Case c = {KIND_DECODE, format_table[f], 0, lanes_table[l]};
      case_run(w, c, codes, spread, 0, found, n);
      expect_same(march, c, found, wanted, 4, n);
    }
    free(codes);
  }
  free(spread);
  free(found);
  free(wanted);
}

static void all_codes_decode(void **state) {
  (void)state;
  Case cases[FORMATS];
  for (int f = 0; f < FORMATS; f++)
    cases[f] = (Case){KIND_DECODE, format_table[f], 0, 0};
  each_march(cases, FORMATS, decode_floats);
}

static const Format integer_table[] = {FORMAT_U8, FORMAT_U16, FORMAT_I32,
                                       FORMAT_I64, FORMAT_BOOL};
enum { INTEGERS = 5 };

static void decode_integers(Workshop *w, const char *march) {
  enum { COUNT = 1 << 16 };
  static float found[COUNT], wanted[COUNT];
  static uint64_t words[COUNT];
  static uint32_t unused[COUNT];
  uint64_t random = 3;
  for (int f = 0; f < INTEGERS; f++) {
    size_t bytes = format_bytes(integer_table[f]);
    char *codes = (char *)words;
    for (size_t i = 0; i < COUNT; i++) {
      uint64_t code = next_random(&random) >> i % 64;
      code = bytes <= 2 ? i : i % 2 ? code : ~code;
      memcpy(codes + bytes * i, &code, bytes);
    }
    codec_decode_array(integer_table[f], codes, wanted, COUNT);
    for (int l = 0; l < WIDTHS; l++) {
      Case c = {KIND_DECODE, integer_table[f], 0, lanes_table[l]};
      case_run(w, c, codes, unused, 0, found, COUNT);
      expect_same(march, c, found, wanted, 4, COUNT);
    }
  }
}

static void integers_decode_by_value(void **state) {
  (void)state;
  Case cases[INTEGERS];
  for (int f = 0; f < INTEGERS; f++)
    cases[f] = (Case){KIND_DECODE, integer_table[f], 0, 0};
  each_march(cases, INTEGERS, decode_integers);
}

/* ---- encoding ----------------------------------------------------------- */

enum { ENCODINGS = 2 * FORMATS, OTHERS = 3 * FORMATS };

static Case encoding(int i, Kind kind) {
  return (Case){kind, format_table[i / 2],
                i % 2 ? OVERFLOW_INF : OVERFLOW_SATURATE, 0};
}

static void encode_nearest(Workshop *w, const char *march) {
  size_t n;
  uint32_t *bits = patterns(&n);
  char *found = malloc(4 * n), *wanted = malloc(4 * n);
  for (int i = 0; i < ENCODINGS; i++) {
    Case c = encoding(i, KIND_NEAREST);
    codec_encode_array(c.format, (const float *)(const void *)bits, wanted, n,
                       c.overflow);
    for (int l = 0; l < WIDTHS; l++) {
      c.lanes = lanes_table[l];
      memset(found, 0xA5, 4 * n);
      case_run(w, c, bits, bits, 0, found, n);
      expect_same(march, c, found, wanted, format_bytes(c.format), n);
    }
  }
  free(bits);
  free(found);
  free(wanted);
}

static void encoding_rounds_to_nearest(void **state) {
  (void)state;
  Case cases[ENCODINGS];
  for (int i = 0; i < ENCODINGS; i++)
    cases[i] = encoding(i, KIND_NEAREST);
  each_march(cases, ENCODINGS, encode_nearest);
}

static void encode_stochastic(Workshop *w, const char *march) {
  size_t n;
  uint32_t *bits = patterns(&n), *random = malloc(4 * n);
  char *found = malloc(4 * n), *wanted = malloc(4 * n);
  uint64_t seed = 7;
  for (size_t i = 0; i < n; i++) {
    uint64_t word = next_random(&seed);
    random[i] = (uint32_t)word >> (word >> 32) % 32;
    random[i] = word >> 63 ? ~random[i] : random[i];
  }
  for (int i = 0; i < ENCODINGS; i++) {
    Case c = encoding(i, KIND_STOCHASTIC);
    size_t bytes = format_bytes(c.format);
    for (size_t j = 0; j < n; j++) {
      float x;
      memcpy(&x, &bits[j], sizeof x);
      uint32_t code =
          codec_encode_stochastic(c.format, x, random[j], c.overflow);
      memcpy(wanted + bytes * j, &code, bytes);
    }
    for (int l = 0; l < WIDTHS; l++) {
      c.lanes = lanes_table[l];
      memset(found, 0xA5, 4 * n);
      case_run(w, c, bits, random, 0, found, n);
      expect_same(march, c, found, wanted, bytes, n);
    }
  }
  free(bits);
  free(random);
  free(found);
  free(wanted);
}

static void stochastic_encoding_compares_dropped_bits(void **state) {
  (void)state;
  Case cases[ENCODINGS];
  for (int i = 0; i < ENCODINGS; i++)
    cases[i] = encoding(i, KIND_STOCHASTIC);
  each_march(cases, ENCODINGS, encode_stochastic);
}

static uint32_t wanted_code(Case c, float x) {
  if (c.kind == KIND_DOWN)
    return codec_encode_down(c.format, x, c.overflow);
  float rounded = codec_round(c.format, x, c.overflow);
  return codec_encode(c.format, codec_flush(c.format, rounded), OVERFLOW_INF);
}

/* Down under both policies, and without subnormals. */
static Case other_encoding(int i) {
  return i < ENCODINGS ? encoding(i, KIND_DOWN)
                       : encoding(2 * (i - ENCODINGS), KIND_FLUSHED);
}

static void encode_otherwise(Workshop *w, const char *march) {
  size_t n;
  uint32_t *bits = patterns(&n);
  char *found = malloc(4 * n), *wanted = malloc(4 * n);
  for (int i = 0; i < OTHERS; i++) {
    Case c = other_encoding(i);
    size_t bytes = format_bytes(c.format);
    for (size_t j = 0; j < n; j++) {
      float x;
      memcpy(&x, &bits[j], sizeof x);
      uint32_t code = wanted_code(c, x);
      memcpy(wanted + bytes * j, &code, bytes);
    }
    for (int l = 0; l < WIDTHS; l += 2) {
      c.lanes = lanes_table[l];
      memset(found, 0xA5, 4 * n);
      case_run(w, c, bits, bits, 0, found, n);
      expect_same(march, c, found, wanted, bytes, n);
    }
  }
  free(bits);
  free(found);
  free(wanted);
}

static void encoding_truncates_and_flushes(void **state) {
  (void)state;
  Case cases[OTHERS];
  for (int i = 0; i < OTHERS; i++)
    cases[i] = other_encoding(i);
  each_march(cases, OTHERS, encode_otherwise);
}

/* ---- functions ---------------------------------------------------------- */

/* A NaN operand of a product may come out with any payload, so products are
 * compared up to that. */
static void quiet_nans(float *x, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (x[i] != x[i])
      x[i] = 0.0f / 0.0f;
}

static void functions_agree(Workshop *w, const char *march) {
  size_t n;
  uint32_t *bits = patterns(&n);
  float *x = malloc(4 * n), *found = malloc(4 * n), *wanted = malloc(4 * n);
  memcpy(x, bits, 4 * n);
  for (int log = 0; log < 2; log++) {
    for (size_t i = 0; i < n; i++)
      wanted[i] = log ? f32_log(x[i]) : f32_exp(x[i]);
    for (int l = 0; l < WIDTHS; l++) {
      Case c = {log ? KIND_LOG : KIND_EXP, FORMAT_F32, 0, lanes_table[l]};
      case_run(w, c, x, bits, 0, found, n);
      expect_same(march, c, found, wanted, 4, n);
    }
  }
  free(bits);
  free(x);
  free(found);
  free(wanted);
}

static void exp_and_log_take_the_listed_steps(void **state) {
  (void)state;
  Case cases[] = {{KIND_EXP, FORMAT_F32, 0, 0}, {KIND_LOG, FORMAT_F32, 0, 0}};
  each_march(cases, 2, functions_agree);
}

static void shifts_agree(Workshop *w, const char *march) {
  static const int32_t shift[] = {
      0,   1,    -1,  5,    -126, -127, 127,  128, -149,      -252,     253,
      254, -253, 300, -300, 1000, 126,  -128, 40,  INT32_MAX, INT32_MIN};
  enum { COUNT = 1 << 14 };
  static uint32_t bits[COUNT];
  static float x[COUNT], found[COUNT], wanted[COUNT];
  for (uint32_t i = 0; i < COUNT; i++)
    bits[i] = i * UINT32_C(262145);
  memcpy(x, bits, sizeof x);
  for (size_t s = 0; s < sizeof shift / sizeof *shift; s++) {
    for (size_t i = 0; i < COUNT; i++)
      wanted[i] = f32_scale2(x[i], shift[s]);
    quiet_nans(wanted, COUNT);
    for (int l = 0; l < WIDTHS; l++) {
      Case c = {KIND_MULTIPLY, FORMAT_F32, 0, lanes_table[l]};
      case_run(w, c, x, bits, shift[s], found, COUNT);
      quiet_nans(found, COUNT);
      expect_same(march, c, found, wanted, 4, COUNT);
    }
  }
}

static void shifts_multiply_twice(void **state) {
  (void)state;
  Case cases[] = {{KIND_MULTIPLY, FORMAT_F32, 0, 0}};
  each_march(cases, 1, shifts_agree);
}

/* ---- random numbers ----------------------------------------------------- */

typedef void Draw(const uint32_t key[2], const int64_t *first, uint32_t *out,
                  void *unused, int64_t n);

/* out[0 .. lanes - 1] = draws from *first on. */
static void draw_emit(Workshop *w, unsigned lanes) {
  Emit *emit = &w->emit;
  char name[64];
  case_name(name, sizeof name, (Case){KIND_DRAW, 0, 0, lanes});
  LLVMValueRef f = workshop_begin(w, name);
  LLVMValueRef key[2];
  for (int i = 0; i < 2; i++)
    key[i] = emit_load(
        emit, emit->i32,
        emit_address(emit, LLVMGetParam(f, 0), emit_i64(emit, i), 4), 1, NULL);
  LLVMValueRef first = emit_load(emit, emit->i64, LLVMGetParam(f, 1), 1, NULL);
  LLVMValueRef draws = emit_random(emit, key[0], key[1], first, lanes);
  emit_store(emit, draws, emit->i32, LLVMGetParam(f, 2), lanes, NULL);
  emit_function_end(emit);
}

static void draws_agree(Workshop *w, unsigned lanes, const char *march) {
  char name[64];
  case_name(name, sizeof name, (Case){KIND_DRAW, 0, 0, lanes});
  Draw *draw;
  *(void **)&draw = workshop_find(w, name);
  uint64_t random = 11;
  for (int64_t i = 0; i < 2000; i++) {
    RngKey key = rng_key(next_random(&random), 3, 4);
    /* Small numbers, and ones around the carry into the second word. */
    int64_t first =
        i < 100 ? i : (int64_t)(next_random(&random) >> (i % 60 + 1));
    if (i % 5 == 0)
      first = ((int64_t)1 << 34) - i / 5 % 20;
    uint32_t out[64];
    draw(key.word, &first, out, NULL, 0);
    for (unsigned l = 0; l < lanes; l++)
      if (out[l] != rng_u32(key, (uint64_t)first + l))
        fail_msg("%s lanes %u: draw %lld + %u", march, lanes, (long long)first,
                 l);
  }
}

static void draws_are_philox(void **state) {
  (void)state;
  for (int m = 0; m < MARCHES; m++) {
    if (!workshop_runs(march_table[m]))
      continue;
    Workshop *w = workshop_new(march_table[m], NULL);
    for (int l = 0; l < WIDTHS; l++)
      draw_emit(w, lanes_table[l]);
    workshop_load(w);
    for (int l = 0; l < WIDTHS; l++)
      draws_agree(w, lanes_table[l], march_table[m]);
    workshop_free(w);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_codes_decode),
      cmocka_unit_test(integers_decode_by_value),
      cmocka_unit_test(encoding_rounds_to_nearest),
      cmocka_unit_test(stochastic_encoding_compares_dropped_bits),
      cmocka_unit_test(encoding_truncates_and_flushes),
      cmocka_unit_test(exp_and_log_take_the_listed_steps),
      cmocka_unit_test(shifts_multiply_twice),
      cmocka_unit_test(draws_are_philox),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
