/* Shape rules of random numbers, of moved images, and of scale control.
 */
#include "ir/shape_internal.h"

#include <inttypes.h>

/* ---- random numbers ------------------------------------------------------ */

/* Whole numbers from `low` up to, not including, `high`. */
static const Type *random_int(const Shaper *shaper, const Type *type) {
  const Attributes *attr = &shaper->node->attr;
  if (type->format != FORMAT_I32)
    return shaper_fail(shaper, "gives i32, not %s", shaper_show(shaper, type));
  if (attr->low < INT32_MIN || attr->high > INT32_MAX ||
      attr->low >= attr->high)
    return shaper_fail(shaper,
                       "needs numbers of 32 bits with `low` below `high`, not "
                       "%" PRId64 " and %" PRId64,
                       attr->low, attr->high);
  return type;
}

static const Type *bernoulli(const Shaper *shaper, const Type *type) {
  double p = shaper->node->attr.probability;
  if (type->format != FORMAT_BOOL)
    return shaper_fail(shaper, "gives bool, not %s", shaper_show(shaper, type));
  if (!(p >= 0 && p <= 1))
    return shaper_fail(shaper, "needs `p` from 0 to 1, not %g", p);
  return type;
}

const Type *shape_random(const Shaper *shaper) {
  const Type *type = shaper_stated(shaper);
  if (!type)
    return NULL;
  return shaper->node->op == OP_BERNOULLI ? bernoulli(shaper, type)
                                          : random_int(shaper, type);
}

/* (x, offsets): x [n, spatial.., ..], offsets i32[n, k]; axes 1 to k move. */
const Type *shape_translate(const Shaper *shaper) {
  const Type *x = shaper_operand(shaper, 0);
  const Type *offsets = shaper_operand(shaper, 1);
  if (offsets->format == FORMAT_I32 && offsets->rank == 2 && x->rank >= 2 &&
      offsets->dim[0] == x->dim[0] && offsets->dim[1] >= 1 &&
      offsets->dim[1] < x->rank)
    return shaper_kept(shaper, x->rank, x->dim);
  return shaper_fail(shaper,
                     "needs x [n, ..] and offsets i32[n, k] for the k axes "
                     "after the first, not %s and %s",
                     shaper_show(shaper, x), shaper_show(shaper, offsets));
}

/* ---- scale control ------------------------------------------------------- */

/* Nothing changes, the format included. */
const Type *shape_marked(const Shaper *shaper) {
  const Type *x = shaper_operand(shaper, 0);
  const Attributes *attr = &shaper->node->attr;
  bool sets =
      shaper->node->op == OP_SET_SCALE || shaper->node->op == OP_SET_SCALE_GRAD;
  if (!shaper_real(shaper, 0))
    return NULL;
  if (sets && (attr->exponent < EXPONENT_MIN || attr->exponent > EXPONENT_MAX))
    return shaper_fail(shaper, "needs an exponent from %d to %d, not %" PRId64,
                       EXPONENT_MIN, EXPONENT_MAX, attr->exponent);
  if (shaper->node->op == OP_CAST_GRAD && !format_is_float(attr->to))
    return shaper_fail(shaper, "rounds to a float format, not to %s",
                       format_info(attr->to)->text);
  return shaper_same(shaper, x, x->format);
}

const Type *shape_marker(const Shaper *shaper) {
  return shape_marked(shaper);
}

/* One number, whatever the shape. */
const Type *shape_scale_of(const Shaper *shaper) {
  return shaper_real(shaper, 0) ? shaper_shaped(shaper, 0, NULL, FORMAT_REAL)
                                : NULL;
}
