/* Shape rules of reductions that keep an element or read their operand again,
 * and of composites over rows: softmax, norms, one-hot.
 */
#include "ir/shape_internal.h"

#include <math.h>

/* ---- by pattern --------------------------------------------------------- */

/* The largest of no elements does not exist. */
const Type *shape_extreme(const Shaper *shaper) {
  const Type *type = shape_reduce(shaper);
  ShapeAxes axes;
  if (!type || !axes_bind(shaper, 1, &axes))
    return NULL;
  for (int letter = 0; letter < axes.pattern.letters; letter++)
    if (!axes.out[letter] && axes.size[letter] == 0)
      return shaper_fail(shaper, "of no elements has no value: axis `%s` of %s",
                         axes.pattern.letter[letter],
                         shaper_show_operand(shaper, 0));
  return type;
}

/* (x, dy): the pattern is that of the reduction of x, dy has its result's
 * shape, and each element of x gets a gradient. */
const Type *shape_reduce_grad(const Shaper *shaper) {
  ShapeAxes axes;
  int64_t dim[MAX_RANK];
  if (!shaper_real(shaper, 0) || !shaper_real(shaper, 1) ||
      !axes_bind(shaper, 1, &axes) || !axes_result_bound(shaper, &axes))
    return NULL;
  axes_result(&axes, dim);
  const Type *dy = shaper_operand(shaper, 1);
  bool fits = dy->rank == axes.pattern.out_rank;
  for (int i = 0; fits && i < dy->rank; i++)
    fits = dy->dim[i] == dim[i];
  if (!fits)
    return shaper_fail(
        shaper, "\"%s\" of %s has no gradient %s", shaper->node->attr.pattern,
        shaper_show_operand(shaper, 0), shaper_show_operand(shaper, 1));
  return shaper_same(shaper, shaper_operand(shaper, 0), FORMAT_REAL);
}

/* ---- along one axis ----------------------------------------------------- */

bool shaper_axis(const Shaper *shaper) {
  const Type *type = shaper_operand(shaper, 0);
  int64_t axis = shaper->node->attr.axis;
  if (axis >= 0 && axis < type->rank)
    return true;
  shaper_fail(shaper, "axis %d is not an axis of %s", (int)axis,
              shaper_show(shaper, type));
  return false;
}

/* Each element along the axis depends on the others; the shape stays. */
const Type *shape_along(const Shaper *shaper) {
  if (!shaper_real(shaper, 0) || !shaper_axis(shaper))
    return NULL;
  return shaper_same(shaper, shaper_operand(shaper, 0), FORMAT_REAL);
}

/* Two real operands of one shape, which is the result's. */
const Type *shape_paired(const Shaper *shaper) {
  if (!shaper_real(shaper, 0) || !shaper_real(shaper, 1))
    return NULL;
  if (!type_same_shape(shaper_operand(shaper, 0), shaper_operand(shaper, 1)))
    return shaper_fail(shaper, "needs equal shapes, not %s and %s",
                       shaper_show_operand(shaper, 0),
                       shaper_show_operand(shaper, 1));
  return shaper_same(shaper, shaper_operand(shaper, 0), FORMAT_REAL);
}

const Type *shape_along_grad(const Shaper *shaper) {
  return shaper_axis(shaper) ? shape_paired(shaper) : NULL;
}

/* Whole numbers [..] to [.., size]. */
const Type *shape_onehot(const Shaper *shaper) {
  const Type *ids = shaper_operand(shaper, 0);
  int64_t size = shaper->node->attr.size, dim[MAX_RANK];
  if (!type_is_index(ids))
    return shaper_fail(shaper, "needs whole numbers, not %s",
                       shaper_show(shaper, ids));
  if (size < 1 || ids->rank == MAX_RANK)
    return shaper_fail(shaper, "of %s cannot have a last axis of %lld",
                       shaper_show(shaper, ids), (long long)size);
  for (int i = 0; i < ids->rank; i++)
    dim[i] = ids->dim[i];
  dim[ids->rank] = size;
  return shaper_shaped(shaper, ids->rank + 1, dim, FORMAT_REAL);
}

/* ---- norms -------------------------------------------------------------- */

static bool check_norm(const Shaper *shaper) {
  double eps = shaper->node->attr.eps;
  if (shaper_operand(shaper, 0)->rank == 0)
    shaper_fail(shaper, "works along the last axis; %s has none",
                shaper_show_operand(shaper, 0));
  else if (!isfinite(eps) || eps < 0)
    shaper_fail(shaper, "needs a finite eps that is not negative");
  else
    return true;
  return false;
}

const Type *shape_norm(const Shaper *shaper) {
  if (!shaper_real(shaper, 0) || !check_norm(shaper))
    return NULL;
  return shaper_same(shaper, shaper_operand(shaper, 0), FORMAT_REAL);
}

const Type *shape_norm_grad(const Shaper *shaper) {
  return check_norm(shaper) ? shape_paired(shaper) : NULL;
}
