/* Initial values of parameters, for the evaluator and the runtime alike: one
 * definition, so that both start from the same bits. Depends on the C library,
 * codec, rng and f32math only.
 */
#ifndef SG_IR_INIT_H
#define SG_IR_INIT_H

#include <stdint.h>

#include "ir/codec.h"

/* The same order as InitKind of ir.h, which the runtime does not include. */
typedef enum {
  INIT_FILL_ZEROS,
  INIT_FILL_ONES,
  INIT_FILL_NORMAL,      /* a = standard deviation */
  INIT_FILL_UNIFORM,     /* [a, b) */
  INIT_FILL_CONSTANT,    /* a */
  INIT_FILL_TRUNC_NORMAL /* a = standard deviation, cut at 2 a */
} InitFill;

/* Element `element` of a parameter, in binary32: draw number `element` under
 * the key (seed, step 0, name), where it takes a draw.
 *   NORMAL       a * rng_normal
 *   UNIFORM      a + (b - a) * rng_uniform, kept below b
 *   TRUNC_NORMAL a * quantile(p), p = low + u (1 - 2 low) in binary64, with
 *                u = (draw + 0.5) 2^-32 and low = P(z < -2)
 * a and b are first rounded to binary32; every operation rounds to it. */
float init_value(InitFill kind, double a, double b, uint64_t seed,
                 uint64_t name_hash, uint64_t element);

/* Writes elements [begin, end) to out[0], out[1], ... as codes of `format`:
 * init_value * 2^-exponent (f32_scale2), rounded to nearest even, saturating;
 * integers are truncated toward zero and saturate. `format` may be any but
 * `real`; f64 holds the binary32 number. */
void init_fill(InitFill kind, double a, double b, int32_t exponent,
               Format format, uint64_t seed, uint64_t name_hash, uint64_t begin,
               uint64_t end, void *out);

#endif
