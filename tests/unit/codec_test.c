/* ir/codec: every code of every small format against the second
 * implementation, every 16-bit value and every boundary into every format,
 * exact probabilities of stochastic rounding, and hand-written edges.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/codec.h"
#include "tests/unit/codec_reference.h"

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint32_t to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* The references of all formats, built once a test group. */
static int setup(void **state) {
  Reference **all = calloc(REFERENCE_FORMAT_COUNT, sizeof(Reference *));
  if (all == NULL)
    return -1;
  *state = all;
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++)
    if ((all[i] = reference_new(&reference_formats[i])) == NULL)
      return -1;
  return 0;
}

static int teardown(void **state) {
  Reference **all = *state;
  for (int i = 0; all != NULL && i < REFERENCE_FORMAT_COUNT; i++)
    reference_free(all[i]);
  free(all);
  return 0;
}

static void check_encode(const Reference *reference, float x) {
  for (int policy = OVERFLOW_SATURATE; policy <= OVERFLOW_INF; policy++) {
    Overflow overflow = (Overflow)policy;
    uint32_t want = reference_encode(reference, x, overflow);
    uint32_t got = codec_encode(reference->facts->format, x, overflow);
    if (got != want)
      fail_msg("%s, policy %d: %a gives %#x, not %#x", reference->facts->name,
               policy, (double)x, got, want);
  }
}

static void test_facts(void **state) {
  (void)state;
  assert_string_equal(format_info(FORMAT_E4M3)->text, "e4m3");
  for (int i = 0; i < FORMAT_COUNT; i++) {
    const char *text = format_info((Format)i)->text;
    assert_int_equal(format_named(text, strlen(text)), i);
  }
  assert_int_equal(format_named("f1", 2), FORMAT_NONE);
  assert_int_equal(format_named("f166", 4), FORMAT_NONE);
  assert_int_equal(format_named("f166", 3), FORMAT_F16);
  assert_int_equal(format_named("", 0), FORMAT_NONE);
  assert_int_equal(format_bytes(FORMAT_REAL), 0);
  assert_int_equal(format_bytes(FORMAT_BOOL), 1);
  assert_int_equal(format_bytes(FORMAT_U16), 2);
  assert_int_equal(format_bytes(FORMAT_F32), 4);
  assert_int_equal(format_bytes(FORMAT_I64), 8);
  assert_int_equal(format_bytes(FORMAT_E2M1), 1);
  assert_int_equal(format_bytes(FORMAT_E3M2), 1);
  assert_int_equal(format_bytes(FORMAT_E8M0), 1);
  assert_false(format_is_float(FORMAT_E8M0));
  assert_true(format_is_float(FORMAT_F64) && format_is_float(FORMAT_E5M2));
  assert_false(format_is_float(FORMAT_REAL) || format_is_float(FORMAT_I32));
}

static void test_ranges(void **state) {
  (void)state;
  assert_true(format_max(FORMAT_E4M3) == 448.0);
  assert_true(format_max(FORMAT_E5M2) == 57344.0);
  assert_true(format_max(FORMAT_F16) == 65504.0);
  assert_true(format_max(FORMAT_BF16) == 0x1.FEp127);
  assert_true(format_max(FORMAT_F32) == (double)FLT_MAX);
  assert_true(format_max(FORMAT_F64) == DBL_MAX);
  assert_true(format_max(FORMAT_E4M3FNUZ) == 240.0);
  assert_true(format_max(FORMAT_E5M2FNUZ) == 57344.0);
  assert_true(format_max(FORMAT_E3M4) == 15.5);
  assert_true(format_max(FORMAT_E2M3) == 7.5);
  assert_true(format_max(FORMAT_E3M2) == 28.0);
  assert_true(format_max(FORMAT_E2M1) == 6.0);
  assert_true(format_max(FORMAT_E8M0) == 0x1p127);
  assert_true(format_min_normal(FORMAT_E4M3FNUZ) == 0x1p-7);
  assert_true(format_min_normal(FORMAT_E5M2FNUZ) == 0x1p-15);
  assert_true(format_min_normal(FORMAT_E3M4) == 0.25);
  assert_true(format_min_normal(FORMAT_E2M3) == 1.0);
  assert_true(format_min_normal(FORMAT_E3M2) == 0.25);
  assert_true(format_min_normal(FORMAT_E2M1) == 1.0);
  assert_true(format_min_normal(FORMAT_E8M0) == 0x1p-127);
  assert_true(format_min_normal(FORMAT_E4M3) == 0x1p-6);
  assert_true(format_min_normal(FORMAT_E5M2) == 0x1p-14);
  assert_true(format_min_normal(FORMAT_F16) == 0x1p-14);
  assert_true(format_min_normal(FORMAT_BF16) == 0x1p-126);
  assert_true(format_min_normal(FORMAT_F32) == (double)FLT_MIN);
  assert_true(format_min_normal(FORMAT_F64) == DBL_MIN);
}

static void check_decode(const Reference *reference, uint32_t code) {
  float got = codec_decode(reference->facts->format, code);
  double want = reference_decode(reference, code);
  uint32_t want_bits = to_bits((float)want);
  if (isnan(want))
    want_bits = signbit(want) ? 0xFFC00000 : 0x7FC00000;
  if (to_bits(got) != want_bits)
    fail_msg("%s: code %#x is %a, not %a", reference->facts->name, code,
             (double)got, want);
}

static void test_decode_every_code(void **state) {
  Reference **all = *state;
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++)
    for (uint32_t code = 0; code < 1u << all[i]->facts->bits; code++)
      check_decode(all[i], code);
}

/* Every code that the encoder can produce comes back from its own value. */
static void test_round_trip(void **state) {
  Reference **all = *state;
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++) {
    const ReferenceFormat *facts = all[i]->facts;
    uint32_t sign = 1u << (facts->bits - 1);
    for (uint32_t code = 0; code < 2 * sign; code++) {
      float x = codec_decode(facts->format, code);
      uint32_t again = codec_encode(facts->format, x, OVERFLOW_INF);
      uint32_t want = isnan(x) ? reference_signed(facts, (code & sign) != 0,
                                                  facts->nan_code)
                               : code;
      assert_int_equal(again, want);
      if (isfinite(x)) {
        assert_int_equal(codec_encode(facts->format, x, OVERFLOW_SATURATE),
                         code);
        assert_int_equal(to_bits(codec_round(facts->format, x, OVERFLOW_INF)),
                         to_bits(x));
      }
    }
  }
}

static void test_every_half(void **state) {
  Reference **all = *state;
  for (int from = 0; from < REFERENCE_FORMAT_COUNT; from++)
    for (int to = 0; to < REFERENCE_FORMAT_COUNT; to++)
      for (uint32_t code = 0; code < 1u << all[from]->facts->bits; code++)
        check_encode(all[to], (float)reference_decode(all[from], code));
}

/* Four binary32 steps to either side of `magnitude`, with both signs. */
static void check_around(const Reference *reference, double magnitude) {
  uint32_t centre = to_bits((float)magnitude);
  for (uint32_t step = 0; step <= 8; step++) {
    uint32_t bits = centre + step - 4;
    if (bits > 0x7F800000) /* stepped below zero, or past infinity */
      continue;
    check_encode(reference, from_bits(bits));
    check_encode(reference, from_bits(bits | 0x80000000));
  }
}

static void test_boundaries(void **state) {
  Reference **all = *state;
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++)
    for (uint32_t code = 0; code <= all[i]->facts->max_code; code++) {
      const double *value = all[i]->value;
      check_around(all[i], value[code]);
      check_around(all[i], (value[code] + value[code + 1]) / 2);
    }
}

static void test_f32_specials(void **state) {
  Reference **all = *state;
  const uint32_t bits[] = {0,          1,          0x007FFFFF, 0x00800000,
                           0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FBFFFFF,
                           0x7FC00000, 0x7FFFFFFF};
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++)
    for (size_t j = 0; j < sizeof bits / sizeof *bits; j++) {
      check_encode(all[i], from_bits(bits[j]));
      check_encode(all[i], from_bits(bits[j] | 0x80000000));
    }
}

/* Edges written down by hand, so that both implementations answer to a
 * third. */
static const struct {
  Format format;
  float x;
  uint32_t saturated, infinite;
} edges[] = {
    {FORMAT_E4M3, 448.0f, 0x7E, 0x7E},
    {FORMAT_E4M3, 464.0f, 0x7E, 0x7E}, /* tie, 448 is even */
    {FORMAT_E4M3, 0x1.D00002p8f, 0x7E, 0x7F},
    {FORMAT_E4M3, -480.0f, 0xFE, 0xFF},
    {FORMAT_E4M3, INFINITY, 0x7E, 0x7F},
    {FORMAT_E4M3, -INFINITY, 0xFE, 0xFF},
    {FORMAT_E4M3, NAN, 0x7F, 0x7F},
    {FORMAT_E4M3, 0x1p-10f, 0x00, 0x00}, /* tie with zero */
    {FORMAT_E4M3, 0x1.000002p-10f, 0x01, 0x01},
    {FORMAT_E4M3, -0x1p-10f, 0x80, 0x80},
    {FORMAT_E4M3, 0x1.8p-9f, 0x02, 0x02},   /* tie, up to even */
    {FORMAT_E4M3, 0x1.Ep-7f, 0x08, 0x08},   /* tie, up to the normals */
    {FORMAT_E4M3, 0x1.DFFp-7f, 0x07, 0x07}, /* largest subnormal */
    {FORMAT_E4M3, 1.0625f, 0x38, 0x38},
    {FORMAT_E4M3, 1.1875f, 0x3A, 0x3A},
    {FORMAT_E5M2, 57344.0f, 0x7B, 0x7B},
    {FORMAT_E5M2, 0x1.DFFFFEp15f, 0x7B, 0x7B},
    {FORMAT_E5M2, 61440.0f, 0x7B, 0x7C}, /* tie, 57344 is odd */
    {FORMAT_E5M2, -61440.0f, 0xFB, 0xFC},
    {FORMAT_E5M2, INFINITY, 0x7B, 0x7C},
    {FORMAT_E5M2, -NAN, 0xFE, 0xFE},
    {FORMAT_E5M2, 0x1p-17f, 0x00, 0x00},
    {FORMAT_F16, 65504.0f, 0x7BFF, 0x7BFF},
    {FORMAT_F16, 0x1.FFDFFEp15f, 0x7BFF, 0x7BFF},
    {FORMAT_F16, 65520.0f, 0x7BFF, 0x7C00},
    {FORMAT_F16, -0.0f, 0x8000, 0x8000},
    {FORMAT_F16, 0x1p-24f, 0x0001, 0x0001},
    {FORMAT_BF16, 0x1.FEFFFEp127f, 0x7F7F, 0x7F7F},
    {FORMAT_BF16, 0x1.FFp127f, 0x7F7F, 0x7F80},
    {FORMAT_BF16, 0x1p-149f, 0x0000, 0x0000},
    {FORMAT_BF16, 0x1p-133f, 0x0001, 0x0001},
    {FORMAT_BF16, 1.0f, 0x3F80, 0x3F80},
    {FORMAT_E4M3FNUZ, 1.0f, 0x40, 0x40},
    {FORMAT_E4M3FNUZ, -0.0f, 0x00, 0x00},
    {FORMAT_E4M3FNUZ, -0x1p-11f, 0x00, 0x00}, /* tie with zero */
    {FORMAT_E4M3FNUZ, -0x1.000002p-11f, 0x81, 0x81},
    {FORMAT_E4M3FNUZ, 0x1.DFFFFEp7f, 0x7F, 0x7F},
    {FORMAT_E4M3FNUZ, 248.0f, 0x7F, 0x80}, /* tie, 240 is odd */
    {FORMAT_E4M3FNUZ, -248.0f, 0xFF, 0x80},
    {FORMAT_E4M3FNUZ, -INFINITY, 0xFF, 0x80},
    {FORMAT_E4M3FNUZ, NAN, 0x80, 0x80},
    {FORMAT_E5M2FNUZ, 57344.0f, 0x7F, 0x7F},
    {FORMAT_E5M2FNUZ, 61440.0f, 0x7F, 0x80},
    {FORMAT_E5M2FNUZ, -NAN, 0x80, 0x80},
    {FORMAT_E3M4, 15.5f, 0x6F, 0x6F},
    {FORMAT_E3M4, 15.75f, 0x6F, 0x70}, /* tie, 15.5 is odd */
    {FORMAT_E3M4, NAN, 0x78, 0x78},
    {FORMAT_E3M4, 0.234375f, 0x0F, 0x0F}, /* largest subnormal */
    {FORMAT_E2M3, 7.5f, 0x1F, 0x1F},
    {FORMAT_E2M3, 1e9f, 0x1F, 0x1F},
    {FORMAT_E2M3, NAN, 0x1F, 0x1F},
    {FORMAT_E2M3, -INFINITY, 0x3F, 0x3F},
    {FORMAT_E3M2, 28.0f, 0x1F, 0x1F},
    {FORMAT_E3M2, -0.03125f, 0x20, 0x20}, /* tie with zero, which is signed */
    {FORMAT_E2M1, 6.0f, 0x7, 0x7},
    {FORMAT_E2M1, 5.0f, 0x6, 0x6}, /* tie, up to even */
    {FORMAT_E2M1, 2.5f, 0x4, 0x4},
    {FORMAT_E2M1, 0.25f, 0x0, 0x0},
    {FORMAT_E2M1, -0.75f, 0xA, 0xA},
    {FORMAT_E2M1, -NAN, 0xF, 0xF},
    {FORMAT_E8M0, 1.0f, 0x7F, 0x7F},
    {FORMAT_E8M0, 1.5f, 0x80, 0x80}, /* tie, up to even */
    {FORMAT_E8M0, 3.0f, 0x80, 0x80},
    {FORMAT_E8M0, 0x1.8p127f, 0xFE, 0xFE},
    {FORMAT_E8M0, 0x1.800002p127f, 0xFE, 0xFF},
    {FORMAT_E8M0, INFINITY, 0xFE, 0xFF},
    {FORMAT_E8M0, 0x1p-149f, 0x00, 0x00},
    {FORMAT_E8M0, 0x1.8p-127f, 0x00, 0x00},
    {FORMAT_E8M0, 0x1.80001p-127f, 0x01, 0x01},
    {FORMAT_E8M0, 0.0f, 0x00, 0xFF},
    {FORMAT_E8M0, -1.0f, 0x00, 0xFF},
    {FORMAT_E8M0, -INFINITY, 0x00, 0xFF},
    {FORMAT_E8M0, -NAN, 0xFF, 0xFF},
};

static void test_edges(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
    Format format = edges[i].format;
    float x = edges[i].x;
    if (codec_encode(format, x, OVERFLOW_SATURATE) != edges[i].saturated ||
        codec_encode(format, x, OVERFLOW_INF) != edges[i].infinite)
      fail_msg("edge %zu: %s of %a", i, format_info(format)->text, (double)x);
  }
}

/* A value that goes wrong when it passes through f16 or bf16 on its way. */
static void test_no_double_rounding(void **state) {
  (void)state;
  float x = 1.0625f + 0x1p-20f;
  float via_f16 = codec_round(FORMAT_F16, x, OVERFLOW_SATURATE);
  float via_bf16 = codec_round(FORMAT_BF16, x, OVERFLOW_SATURATE);
  assert_int_equal(codec_encode(FORMAT_E4M3, via_f16, OVERFLOW_SATURATE), 0x38);
  assert_int_equal(codec_encode(FORMAT_E4M3, via_bf16, OVERFLOW_SATURATE),
                   0x38);
  assert_int_equal(codec_encode(FORMAT_E4M3, x, OVERFLOW_SATURATE), 0x39);
}

static void test_monotone(void **state) {
  (void)state;
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++) {
    Format format = reference_formats[i].format;
    uint32_t last = 0;
    for (uint32_t bits = 0; bits <= 0x7F800000; bits += 977) {
      uint32_t code = codec_encode(format, from_bits(bits), OVERFLOW_SATURATE);
      assert_true(code >= last);
      last = code;
      float negative = from_bits(bits | 0x80000000);
      assert_int_equal(codec_encode(format, negative, OVERFLOW_SATURATE),
                       reference_signed(&reference_formats[i], true, code));
    }
    assert_int_equal(last, reference_formats[i].max_code);
  }
}

static void test_f32_is_identity(void **state) {
  (void)state;
  const uint32_t bits[] = {0,          0x80000000, 1,         0x3F800000,
                           0x7F800001, 0xFFFFFFFF, 0x7F800000};
  for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
    float x = from_bits(bits[i]);
    assert_int_equal(codec_encode(FORMAT_F32, x, OVERFLOW_SATURATE), bits[i]);
    assert_int_equal(
        codec_encode_stochastic(FORMAT_F32, x, 0, OVERFLOW_SATURATE), bits[i]);
    assert_int_equal(to_bits(codec_decode(FORMAT_F32, bits[i])), bits[i]);
    assert_int_equal(to_bits(codec_round(FORMAT_F32, x, OVERFLOW_SATURATE)),
                     bits[i]);
  }
}

/* Stochastic rounding moves away from zero for exactly the random words below
 * the position of x between its two neighbours, in units of 2^-32 of their
 * distance: so the expectation over all words is x itself. */
static void check_stochastic(const Reference *reference, float x) {
  const ReferenceFormat *facts = reference->facts;
  double magnitude = fabs((double)x);
  uint32_t floor = reference_floor(reference, magnitude);
  uint64_t away_below = 0;
  if (floor <= facts->max_code) {
    double low = reference->value[floor], high = reference->value[floor + 1];
    away_below = (uint64_t)((magnitude - low) / (high - low) * 0x1p32);
  }
  const uint64_t words[] = {0, away_below - 1, away_below, UINT32_MAX};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (words[i] > UINT32_MAX)
      continue;
    uint32_t rounded = floor + (words[i] < away_below);
    for (int policy = OVERFLOW_SATURATE; policy <= OVERFLOW_INF; policy++) {
      uint32_t want = reference_signed(
          facts, signbit(x),
          reference_finish(reference, rounded, (Overflow)policy));
      uint32_t got = codec_encode_stochastic(
          facts->format, x, (uint32_t)words[i], (Overflow)policy);
      if (got != want)
        fail_msg("%s: %a with word %#x gives %#x, not %#x", facts->name,
                 (double)x, (unsigned)words[i], got, want);
    }
  }
}

static void test_stochastic_thresholds(void **state) {
  Reference **all = *state;
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++)
    for (uint32_t bits = 0; bits < 0x7F800000; bits += 4099) {
      check_stochastic(all[i], from_bits(bits));
      check_stochastic(all[i], from_bits(bits | 0x80000000));
    }
}

/* All random words of a dropped part of n bits: their number that round away
 * is the dropped part. The words' low bits must not matter. */
static void check_expectation(Format format, float x, int n, uint32_t dropped) {
  uint32_t toward =
      codec_encode_stochastic(format, x, UINT32_MAX, OVERFLOW_SATURATE);
  uint32_t away = 0;
  for (uint32_t word = 0; word < 1u << n; word++) {
    uint32_t random = word << (32 - n);
    uint32_t code =
        codec_encode_stochastic(format, x, random, OVERFLOW_SATURATE);
    uint32_t low_bits = (word * 2654435761u) >> n;
    assert_int_equal(code, codec_encode_stochastic(format, x, random | low_bits,
                                                   OVERFLOW_SATURATE));
    assert_true(code == toward || code == toward + 1);
    away += code != toward;
  }
  assert_int_equal(away, dropped);
}

static void test_stochastic_expectation(void **state) {
  (void)state;
  check_expectation(FORMAT_F16, 1.0f + 0x1p-23f * 0x155, 13, 0x155);
  check_expectation(FORMAT_F16, -3.0f, 13, 0);
  check_expectation(FORMAT_F16, 0x1p-15f + 0x1p-38f * 0x1234, 14, 0x1234);
  check_expectation(FORMAT_BF16, 2.0f + 0x1p-22f * 0xFFFF, 16, 0xFFFF);
  check_expectation(FORMAT_BF16, 0x1p-149f * 0x8001, 16, 0x8001);
  check_expectation(FORMAT_E4M3, -1.0f - 0x1p-23f * 0x12345, 20, 0x12345);
  check_expectation(FORMAT_E5M2, 1.0f + 0x1p-23f * 0x100001, 21, 0x100001);
}

static void test_stochastic_specials(void **state) {
  (void)state;
  const float specials[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, -NAN};
  const uint32_t words[] = {0, 0x80000000, UINT32_MAX};
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++)
    for (size_t j = 0; j < sizeof specials / sizeof *specials; j++)
      for (int k = 0; k < 3; k++)
        for (int policy = 0; policy < 2; policy++) {
          Format format = reference_formats[i].format;
          Overflow overflow = (Overflow)policy;
          assert_int_equal(
              codec_encode_stochastic(format, specials[j], words[k], overflow),
              codec_encode(format, specials[j], overflow));
        }
  /* Rounding away from the largest value is an overflow, decided after it. */
  assert_int_equal(
      codec_encode_stochastic(FORMAT_E4M3, 464.0f, 0, OVERFLOW_SATURATE), 0x7E);
  assert_int_equal(
      codec_encode_stochastic(FORMAT_E5M2, 57345.0f, 0, OVERFLOW_INF), 0x7C);
  assert_int_equal(
      codec_encode_stochastic(FORMAT_E5M2, 57345.0f, UINT32_MAX, OVERFLOW_INF),
      0x7B);
}

/* The largest value not above |x|, with the sign of x: every magnitude of
 * binary32 in steps, and each code's value with its two neighbours. */
static void check_down(const Reference *reference, uint32_t bits) {
  const ReferenceFormat *facts = reference->facts;
  float x = from_bits(bits);
  uint32_t code = reference_floor(reference, fabs((double)x));
  if (code > facts->max_code)
    code = facts->max_code;
  uint32_t want = reference_signed(facts, signbit(x) != 0, code);
  for (int policy = 0; policy < OVERFLOW_COUNT; policy++) {
    uint32_t got = codec_encode_down(facts->format, x, (Overflow)policy);
    if (got != want)
      fail_msg("%s: %a gives %#x, not %#x", facts->name, (double)x, got, want);
  }
}

static void test_down(void **state) {
  Reference **all = *state;
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++) {
    for (uint32_t bits = 0; bits < 0x7F800000; bits += 4099) {
      check_down(all[i], bits);
      check_down(all[i], bits | 0x80000000);
    }
    for (uint32_t code = 1; code <= all[i]->facts->max_code; code++)
      for (uint32_t near = 0; near < 3; near++) {
        uint32_t bits = to_bits((float)all[i]->value[code]) - 1 + near;
        check_down(all[i], bits);
        check_down(all[i], bits | 0x80000000);
      }
  }
}

static void test_down_specials(void **state) {
  (void)state;
  const float specials[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, -NAN};
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++)
    for (size_t j = 0; j < sizeof specials / sizeof *specials; j++)
      for (int policy = 0; policy < OVERFLOW_COUNT; policy++) {
        Format format = reference_formats[i].format;
        Overflow overflow = (Overflow)policy;
        assert_int_equal(codec_encode_down(format, specials[j], overflow),
                         codec_encode(format, specials[j], overflow));
      }
  assert_int_equal(codec_encode_down(FORMAT_E5M2, 1e30f, OVERFLOW_INF), 0x7B);
  assert_int_equal(to_bits(1.1f), codec_encode_down(FORMAT_F32, 1.1f, 0));
}

/* Every code: subnormal ones become the zero of their sign, the others, NaN
 * among them, stay. */
static void test_flush(void **state) {
  (void)state;
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++) {
    const ReferenceFormat *facts = &reference_formats[i];
    uint32_t sign = UINT32_C(1) << (facts->bits - 1);
    for (uint32_t code = 0; code < 2 * sign; code++) {
      float x = codec_decode(facts->format, code);
      float flushed = codec_flush(facts->format, x);
      bool subnormal =
          (code & (sign - 1)) >> facts->mantissa_bits == 0 && !isnan(x);
      float zero = facts->one_zero ? 0.0f : copysignf(0.0f, x);
      assert_int_equal(to_bits(flushed), to_bits(subnormal ? zero : x));
    }
  }
  assert_int_equal(to_bits(codec_flush(FORMAT_F32, from_bits(5))), 5);
}

static void test_exponent(void **state) {
  (void)state;
  for (uint32_t bits = 1; bits < 0x7F800000; bits += 997) {
    float x = from_bits(bits);
    assert_int_equal(codec_exponent(x), ilogb((double)x));
    assert_int_equal(codec_exponent(-x), ilogb((double)x));
  }
  for (int e = -149; e <= 127; e++) {
    float power = (float)ldexp(1.0, e);
    assert_int_equal(codec_exponent(power), e);
    if (e > -149)
      assert_int_equal(codec_exponent(from_bits(to_bits(power) - 1)), e - 1);
  }
}

/* Arrays at an odd address, with more and with fewer than 256 elements. */
static void check_float_array(Format format, size_t n) {
  size_t bytes = format_bytes(format);
  float *in = test_malloc(n * sizeof *in), *out = test_malloc(n * sizeof *out);
  unsigned char *codes = test_malloc(n * bytes + 1);
  for (size_t i = 0; i < n; i++)
    in[i] = from_bits((uint32_t)i * 2654435761u);
  for (int policy = 0; policy < 2; policy++) {
    codec_encode_array(format, in, codes + 1, n, (Overflow)policy);
    codec_decode_array(format, codes + 1, out, n);
    for (size_t i = 0; i < n; i++)
      assert_int_equal(to_bits(out[i]),
                       to_bits(codec_round(format, in[i], (Overflow)policy)));
  }
  test_free(in);
  test_free(out);
  test_free(codes);
}

static void test_float_arrays(void **state) {
  (void)state;
  const size_t sizes[] = {1, 255, 256, 5000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    check_float_array(FORMAT_F32, sizes[i]);
    for (int j = 0; j < REFERENCE_FORMAT_COUNT; j++)
      check_float_array(reference_formats[j].format, sizes[i]);
  }
  codec_encode_array(FORMAT_F32, NULL, NULL, 0, OVERFLOW_SATURATE);
  codec_decode_array(FORMAT_E4M3, NULL, NULL, 0);
}

static void test_integer_arrays(void **state) {
  (void)state;
  float out[4];
  const int64_t i64[] = {INT64_MIN, -1, 0x1000001, INT64_MAX};
  codec_decode_array(FORMAT_I64, i64, out, 4);
  assert_true(out[0] == -0x1p63f && out[1] == -1.0f && out[2] == 0x1p24f &&
              out[3] == 0x1p63f);
  const int32_t i32[] = {INT32_MIN, -5, 0, 7};
  codec_decode_array(FORMAT_I32, i32, out, 4);
  assert_true(out[0] == -0x1p31f && out[1] == -5.0f && out[2] == 0.0f &&
              out[3] == 7.0f);
  const uint16_t u16[] = {0, 1, 0x8000, 0xFFFF};
  codec_decode_array(FORMAT_U16, u16, out, 4);
  assert_true(out[1] == 1.0f && out[2] == 32768.0f && out[3] == 65535.0f);
  const uint8_t u8[] = {0, 1, 128, 255};
  codec_decode_array(FORMAT_U8, u8, out, 4);
  assert_true(out[0] == 0.0f && out[2] == 128.0f && out[3] == 255.0f);
  codec_decode_array(FORMAT_BOOL, u8, out, 4);
  assert_true(out[0] == 0.0f && out[1] == 1.0f && out[3] == 1.0f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_facts),
      cmocka_unit_test(test_ranges),
      cmocka_unit_test(test_decode_every_code),
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_every_half),
      cmocka_unit_test(test_boundaries),
      cmocka_unit_test(test_f32_specials),
      cmocka_unit_test(test_edges),
      cmocka_unit_test(test_no_double_rounding),
      cmocka_unit_test(test_monotone),
      cmocka_unit_test(test_f32_is_identity),
      cmocka_unit_test(test_stochastic_thresholds),
      cmocka_unit_test(test_stochastic_expectation),
      cmocka_unit_test(test_stochastic_specials),
      cmocka_unit_test(test_down),
      cmocka_unit_test(test_down_specials),
      cmocka_unit_test(test_flush),
      cmocka_unit_test(test_exponent),
      cmocka_unit_test(test_float_arrays),
      cmocka_unit_test(test_integer_arrays),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
