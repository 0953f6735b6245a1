/* ir/codec: decode tables of another implementation, codes of less than a
 * byte, and E8M0, whose values are scales.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
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

/* What lies above a code's own bits in its byte is not read. */
static void test_high_bits_are_ignored(void **state) {
  (void)state;
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++) {
    const ReferenceFormat *facts = &reference_formats[i];
    for (uint32_t code = 0; facts->bits < 8 && code < 256; code++) {
      float got = codec_decode(facts->format, code);
      float want = codec_decode(facts->format, code % (1u << facts->bits));
      assert_int_equal(to_bits(got), to_bits(want));
      assert_true(codec_encode(facts->format, got, OVERFLOW_INF) <
                  1u << facts->bits);
    }
  }
}

/* codec_golden.tsv holds the values of another implementation: a line is a
 * format, a code and the bits of its value, both hexadecimal. */
static void test_published_tables(void **state) {
  (void)state;
  FILE *file = fopen("tests/unit/codec_golden.tsv", "r");
  assert_non_null(file);
  char line[128], name[16];
  unsigned code, bits, lines = 0;
  while (fgets(line, sizeof line, file)) {
    if (line[0] == '#')
      continue;
    assert_int_equal(sscanf(line, "%15s %x %x", name, &code, &bits), 3);
    Format format = format_named(name, strlen(name));
    assert_int_not_equal(format, FORMAT_NONE);
    uint32_t got = to_bits(codec_decode(format, code));
    if (got != bits)
      fail_msg("%s: code %#x is %#x, not %#x", name, code, got, bits);
    lines++;
  }
  fclose(file);
  assert_int_equal(lines, 6 * 256 + 2 * 64 + 16);
}

/* The value of an E8M0 code, and the nearest of them by trying all. */
static double scale_value(uint32_t code) {
  return code == 0xFF ? (double)NAN : ldexp(1.0, (int)code - 127);
}

static uint32_t scale_expected(float x, Overflow overflow) {
  bool saturates = overflow == OVERFLOW_SATURATE;
  if (isnan(x))
    return 0xFF;
  if (x <= 0)
    return saturates ? 0 : 0xFF;
  uint32_t best = 0;
  for (uint32_t code = 1; code <= 0xFF && isfinite(x); code++) {
    double low = ldexp(1.0, (int)code - 128), middle = 1.5 * low;
    if ((double)x > middle || ((double)x == middle && code % 2 == 0))
      best = code;
  }
  if (isinf(x) || best == 0xFF)
    return saturates ? 0xFE : 0xFF;
  return best;
}

static void check_scale(uint32_t bits) {
  for (int policy = OVERFLOW_SATURATE; policy <= OVERFLOW_INF; policy++) {
    float x = from_bits(bits);
    uint32_t got = codec_encode(FORMAT_E8M0, x, (Overflow)policy);
    uint32_t want = scale_expected(x, (Overflow)policy);
    assert_int_equal(reference_encode_scale(x, (Overflow)policy), want);
    if (got != want)
      fail_msg("e8m0: %a gives %#x, not %#x", (double)x, got, want);
  }
}

static void test_scales(void **state) {
  (void)state;
  unsigned char codes[256];
  float values[256];
  for (uint32_t code = 0; code < 256; code++) {
    codes[code] = (unsigned char)code;
    float x = codec_decode(FORMAT_E8M0, code);
    assert_true(code == 0xFF ? to_bits(x) == 0x7FC00000
                             : (double)x == scale_value(code));
    for (int policy = OVERFLOW_SATURATE; policy <= OVERFLOW_INF; policy++)
      assert_int_equal(codec_encode(FORMAT_E8M0, x, (Overflow)policy), code);
  }
  codec_decode_array(FORMAT_E8M0, codes, values, 256);
  assert_true(values[0] == 0x1p-127f && values[254] == 0x1p127f);
  codec_encode_array(FORMAT_E8M0, values, codes, 256, OVERFLOW_SATURATE);
  for (uint32_t code = 0; code < 256; code++)
    assert_int_equal(codes[code], code);
  for (uint32_t exponent = 0; exponent < 512; exponent++)
    for (int step = -3; step <= 3; step++) {
      check_scale((exponent << 23) + (uint32_t)step);
      check_scale((exponent << 23) + 0x200000 + (uint32_t)step);
      check_scale((exponent << 23) + 0x400000 + (uint32_t)step);
      check_scale((exponent << 23) + 0x600000 + (uint32_t)step);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_high_bits_are_ignored),
      cmocka_unit_test(test_published_tables),
      cmocka_unit_test(test_scales),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
