/* A second implementation of the number formats, from their definition.
 *
 * It shares nothing with ir/codec.c but the names of the formats: values come
 * from the formula in binary64, where each of them and each midpoint between
 * neighbours is exact; rounding is a search for the nearest value in the sorted
 * list of all values. Slow, plain, and used only to judge the fast one.
 */
#ifndef SG_TESTS_CODEC_REFERENCE_H
#define SG_TESTS_CODEC_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/codec.h"

/* The facts of one format, written down by hand from its specification.
 * Codes are without their sign bit. */
typedef struct {
  Format format;
  const char *name;
  int bits, exponent_bits, mantissa_bits, bias;
  uint32_t max_code;      /* largest finite */
  uint32_t infinity_code; /* 0 where the format has none */
  uint32_t nan_code;      /* canonical; what NaN becomes where there is none */
  bool has_nan;
  bool one_zero; /* the code of -0 is the only NaN */
} ReferenceFormat;

#define REFERENCE_FORMAT_COUNT 10
extern const ReferenceFormat reference_formats[REFERENCE_FORMAT_COUNT];

typedef struct {
  const ReferenceFormat *facts;
  /* value[c] for the codes 0..max_code, then the value that the code after
   * max_code would have if the exponent range had no end. Ascending. */
  double *value;
} Reference;

/* NULL when memory is short; reference_free takes NULL. */
Reference *reference_new(const ReferenceFormat *facts);
void reference_free(Reference *reference);

/* The value of a code with its sign; infinities and NaN included. */
double reference_decode(const Reference *reference, uint32_t code);

/* The largest c <= max_code + 1 with value[c] <= magnitude. `from` is any code
 * known not to be above it (0 is), which makes ascending sweeps cheap. */
uint32_t reference_floor(const Reference *reference, double magnitude);
uint32_t reference_floor_from(const Reference *reference, double magnitude,
                              uint32_t from);
/* The nearest code to a finite magnitude, ties to the even code; max_code + 1
 * when it rounds beyond max_code. `floor` is its reference_floor. */
uint32_t reference_nearest(const Reference *reference, double magnitude,
                           uint32_t floor);
/* The code after the overflow policy: `rounded` as from reference_nearest. */
uint32_t reference_finish(const Reference *reference, uint32_t rounded,
                          Overflow overflow);
/* The code with a sign, which the zero of some formats has not. */
uint32_t reference_signed(const ReferenceFormat *facts, bool negative,
                          uint32_t code);
/* The whole conversion. */
uint32_t reference_encode(const Reference *reference, float x,
                          Overflow overflow);
/* The same into E8M0, by way of frexp. */
uint32_t reference_encode_scale(float x, Overflow overflow);

#endif
