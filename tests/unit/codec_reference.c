/* The second implementation of the number formats: see the header.
 *
 * Facts: OCP OFP8 1.0, table 1 (E4M3, E5M2); IEEE 754-2019, table 3.5
 * (binary16); bfloat16 is binary32 cut after 7 fraction bits; OCP MX 1.0,
 * tables 2 to 5 (E2M3, E3M2, E2M1); Noune et al., arXiv:2206.02915 (FNUZ); E3M4
 * is the 8-bit format of IEEE 754's pattern with 3 exponent bits.
 */
#include "tests/unit/codec_reference.h"

#include <math.h>
#include <stdlib.h>

const ReferenceFormat reference_formats[REFERENCE_FORMAT_COUNT] = {
    {FORMAT_F16, "f16", 16, 5, 10, 15, 0x7BFF, 0x7C00, 0x7E00, true, false},
    {FORMAT_BF16, "bf16", 16, 8, 7, 127, 0x7F7F, 0x7F80, 0x7FC0, true, false},
    {FORMAT_E4M3, "e4m3", 8, 4, 3, 7, 0x7E, 0, 0x7F, true, false},
    {FORMAT_E5M2, "e5m2", 8, 5, 2, 15, 0x7B, 0x7C, 0x7E, true, false},
    {FORMAT_E4M3FNUZ, "e4m3fnuz", 8, 4, 3, 8, 0x7F, 0, 0x80, true, true},
    {FORMAT_E5M2FNUZ, "e5m2fnuz", 8, 5, 2, 16, 0x7F, 0, 0x80, true, true},
    {FORMAT_E3M4, "e3m4", 8, 3, 4, 3, 0x6F, 0x70, 0x78, true, false},
    {FORMAT_E2M3, "e2m3", 6, 2, 3, 1, 0x1F, 0, 0x1F, false, false},
    {FORMAT_E3M2, "e3m2", 6, 3, 2, 3, 0x1F, 0, 0x1F, false, false},
    {FORMAT_E2M1, "e2m1", 4, 2, 1, 1, 0x7, 0, 0x7, false, false},
};

/* (-1)^s * 2^(max(E, 1) - bias) * ((E > 0) + M / 2^m), without the sign. */
static double defined_value(const ReferenceFormat *facts, uint32_t code) {
  int field = (int)(code >> facts->mantissa_bits);
  double mantissa = (double)(code % (1u << facts->mantissa_bits));
  double significand = ldexp(mantissa, -facts->mantissa_bits);
  if (field > 0)
    significand += 1.0;
  return ldexp(significand, (field > 1 ? field : 1) - facts->bias);
}

Reference *reference_new(const ReferenceFormat *facts) {
  uint32_t count = facts->max_code + 2;
  Reference *reference = malloc(sizeof *reference);
  double *value = malloc(count * sizeof *value);
  if (reference == NULL || value == NULL) {
    free(reference);
    free(value);
    return NULL;
  }
  for (uint32_t code = 0; code < count; code++)
    value[code] = defined_value(facts, code);
  *reference = (Reference){facts, value};
  return reference;
}

void reference_free(Reference *reference) {
  if (reference != NULL)
    free(reference->value);
  free(reference);
}

double reference_decode(const Reference *reference, uint32_t code) {
  const ReferenceFormat *facts = reference->facts;
  uint32_t sign = 1u << (facts->bits - 1);
  uint32_t magnitude = code & (sign - 1);
  double value;
  if (facts->one_zero && code == sign)
    value = (double)NAN;
  else if (magnitude <= facts->max_code)
    value = reference->value[magnitude];
  else if (facts->infinity_code != 0 && magnitude == facts->infinity_code)
    value = (double)INFINITY;
  else
    value = (double)NAN;
  return copysign(value, (code & sign) != 0 ? -1.0 : 1.0);
}

uint32_t reference_floor(const Reference *reference, double magnitude) {
  uint32_t low = 0, high = reference->facts->max_code + 2;
  while (high - low > 1) {
    uint32_t middle = (low + high) / 2;
    if (reference->value[middle] <= magnitude)
      low = middle;
    else
      high = middle;
  }
  return low;
}

uint32_t reference_floor_from(const Reference *reference, double magnitude,
                              uint32_t from) {
  uint32_t last = reference->facts->max_code + 1;
  while (from < last && reference->value[from + 1] <= magnitude)
    from++;
  return from;
}

uint32_t reference_nearest(const Reference *reference, double magnitude,
                           uint32_t floor) {
  if (floor > reference->facts->max_code)
    return floor;
  double below = reference->value[floor], above = reference->value[floor + 1];
  double middle = (below + above) / 2;
  if (magnitude == middle)
    return floor + floor % 2;
  return magnitude < middle ? floor : floor + 1;
}

uint32_t reference_finish(const Reference *reference, uint32_t rounded,
                          Overflow overflow) {
  const ReferenceFormat *facts = reference->facts;
  if (rounded <= facts->max_code)
    return rounded;
  if (overflow == OVERFLOW_SATURATE)
    return facts->max_code;
  return facts->infinity_code != 0 ? facts->infinity_code : facts->nan_code;
}

uint32_t reference_signed(const ReferenceFormat *facts, bool negative,
                          uint32_t code) {
  if (!negative || (facts->one_zero && code == 0))
    return code;
  return code | 1u << (facts->bits - 1);
}

uint32_t reference_encode(const Reference *reference, float x,
                          Overflow overflow) {
  const ReferenceFormat *facts = reference->facts;
  if (isnan(x))
    return reference_signed(facts, signbit(x), facts->nan_code);
  double magnitude = fabs((double)x);
  uint32_t rounded = facts->max_code + 1;
  if (isfinite(x))
    rounded = reference_nearest(reference, magnitude,
                                reference_floor(reference, magnitude));
  return reference_signed(facts, signbit(x),
                          reference_finish(reference, rounded, overflow));
}

uint32_t reference_encode_scale(float x, Overflow overflow) {
  bool saturates = overflow == OVERFLOW_SATURATE;
  if (isnan(x))
    return 0xFF;
  if (x <= 0)
    return saturates ? 0x00 : 0xFF;
  if (isinf(x))
    return saturates ? 0xFE : 0xFF;
  int exponent;
  double half = frexp((double)x, &exponent); /* x = half * 2^exponent */
  int code = exponent - 1 + 127;
  if (half > 0.75 || (half == 0.75 && code % 2 != 0))
    code++;
  if (code > 0xFE)
    return saturates ? 0xFE : 0xFF;
  return code < 0 ? 0 : (uint32_t)code;
}
