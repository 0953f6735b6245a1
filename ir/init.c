/* Initial values of parameters.
 *
 * In: the distribution, and what keys the draws. Out: codes of a format. Each
 * element is a pure function of (seed, name, element), so a parameter may be
 * filled in pieces, by several threads, in any order.
 */
#include "ir/init.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "ir/f32math.h"
#include "ir/rng.h"

/* P(z < -2) of the standard normal distribution. */
static const double normal_below_minus_2 = 0x1.74bcf82c9d863p-6;

static float uniform_value(float a, float b, RngKey key, uint64_t element) {
  float x = (b - a) * rng_uniform(key, element);
  x = a + x;
  /* The sum may round up to b, which the interval leaves out. */
  return x < b || !(a < b) ? x : nextafterf(b, a);
}

static float trunc_normal_value(float a, RngKey key, uint64_t element) {
  double low = normal_below_minus_2;
  double u = ((double)rng_u32(key, element) + 0.5) * 0x1p-32;
  return a * f32_normal_quantile(low + u * (1 - 2 * low));
}

float init_value(InitFill kind, double a, double b, uint64_t seed,
                 uint64_t name_hash, uint64_t element) {
  RngKey key = rng_key(seed, 0, name_hash);
  switch (kind) {
  case INIT_FILL_ZEROS:
    return 0;
  case INIT_FILL_ONES:
    return 1;
  case INIT_FILL_CONSTANT:
    return (float)a;
  case INIT_FILL_NORMAL:
    return (float)a * rng_normal(key, element);
  case INIT_FILL_UNIFORM:
    return uniform_value((float)a, (float)b, key, element);
  case INIT_FILL_TRUNC_NORMAL:
    return trunc_normal_value((float)a, key, element);
  }
  assert(!"a distribution that InitFill lacks");
  return 0;
}

/* x truncated and clamped to the range of an integer format; NaN is 0. */
static int64_t integer_value(Format format, float x) {
  const FormatInfo *row = format_info(format);
  if (isnan(x))
    return 0;
  if (row->kind == KIND_BOOL)
    return x != 0;
  int bits = row->kind == KIND_INT ? row->bits - 1 : row->bits;
  double bound = ldexp(1.0, bits);
  int64_t low = row->kind == KIND_UINT ? 0
                : bits == 63           ? INT64_MIN
                                       : -(INT64_C(1) << bits);
  int64_t high = bits == 63 ? INT64_MAX : (INT64_C(1) << bits) - 1;
  if ((double)x >= bound)
    return high;
  return (double)x <= (double)low ? low : (int64_t)x;
}

static void integer_write(Format format, float x, unsigned char *out) {
  int64_t value = integer_value(format, x);
  switch (format_bytes(format)) {
  case 1:
    *out = (uint8_t)value;
    return;
  case 2:
    memcpy(out, &(uint16_t){(uint16_t)value}, 2);
    return;
  case 4:
    memcpy(out, &(int32_t){(int32_t)value}, 4);
    return;
  default:
    memcpy(out, &value, 8);
  }
}

static void float_write(Format format, float x, unsigned char *out) {
  if (format == FORMAT_F64)
    memcpy(out, &(double){(double)x}, sizeof(double));
  else
    codec_encode_array(format, &x, out, 1, OVERFLOW_SATURATE);
}

void init_fill(InitFill kind, double a, double b, int32_t exponent,
               Format format, uint64_t seed, uint64_t name_hash, uint64_t begin,
               uint64_t end, void *out) {
  size_t bytes = format_bytes(format);
  assert(bytes != 0 && "`real` has no codes");
  unsigned char *code = out;
  for (uint64_t i = begin; i < end; i++, code += bytes) {
    float x = init_value(kind, a, b, seed, name_hash, i);
    x = f32_scale2(x, -exponent);
    if (format_is_float(format))
      float_write(format, x, code);
    else
      integer_write(format, x, code);
  }
}
