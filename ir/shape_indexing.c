/* Shape rules of indexing: ops that move elements along one axis.
 *
 * In: tensors, an axis, indices of whole numbers. Out: the operand's shape with
 * that axis of another size, or with the axes of the indices in its place.
 */
#include "ir/shape_internal.h"

#include <inttypes.h>

/* ---- help for the rules ------------------------------------------------- */

/* Is attribute `axis` an axis of operand `number`? An error if not. */
static bool check_axis(const Shaper *shaper, int number) {
  const Type *type = shaper_operand(shaper, number);
  int64_t axis = shaper->node->attr.axis;
  if (axis >= 0 && axis < type->rank)
    return true;
  shaper_fail(shaper, "axis %" PRId64 " is not an axis of %s", axis,
              shaper_show(shaper, type));
  return false;
}

static bool check_indices(const Shaper *shaper, int number) {
  if (type_is_index(shaper_operand(shaper, number)))
    return true;
  shaper_fail(shaper, "needs whole numbers as indices, not %s",
              shaper_show_operand(shaper, number));
  return false;
}

static bool check_start(const Shaper *shaper, int number) {
  const Type *start = shaper_operand(shaper, number);
  if (type_is_index(start) && start->rank == 0)
    return true;
  shaper_fail(shaper, "starts at one whole number, not %s",
              shaper_show(shaper, start));
  return false;
}

/* The shape of operand 0 with `axis` of size `size`, in its format. */
static const Type *resized(const Shaper *shaper, int64_t size) {
  const Type *type = shaper_operand(shaper, 0);
  int64_t dim[MAX_RANK];
  for (int i = 0; i < type->rank; i++)
    dim[i] = i == shaper->node->attr.axis ? size : type->dim[i];
  return shaper_kept(shaper, type->rank, dim);
}

/* The format of a gathered result: real, or the operand's whole numbers. */
static const Type *gathered(const Shaper *shaper, int rank,
                            const int64_t *dim) {
  if (type_is_real(shaper_operand(shaper, 0)))
    return shaper_shaped(shaper, rank, dim, FORMAT_REAL);
  return shaper_kept(shaper, rank, dim);
}

/* Equal but along `axis`, and of one kind of number? */
static bool check_fellow(const Shaper *shaper, int number) {
  const Type *a = shaper_operand(shaper, 0);
  const Type *b = shaper_operand(shaper, number);
  bool kind = a->format == b->format || (type_is_real(a) && type_is_real(b));
  bool fits = kind && a->rank == b->rank;
  for (int i = 0; fits && i < a->rank; i++)
    fits = i == shaper->node->attr.axis || a->dim[i] == b->dim[i];
  if (!fits)
    shaper_fail(shaper,
                "needs operands that agree but along axis %" PRId64
                ", not %s and %s",
                shaper->node->attr.axis, shaper_show(shaper, a),
                shaper_show(shaper, b));
  return fits;
}

/* ---- pieces of an axis -------------------------------------------------- */

const Type *shape_slice(const Shaper *shaper) {
  const Attributes *attr = &shaper->node->attr;
  if (!check_axis(shaper, 0))
    return NULL;
  int64_t n = shaper_operand(shaper, 0)->dim[attr->axis];
  if (attr->start < 0 || attr->size < 0 || attr->start > n ||
      attr->size > n - attr->start)
    return shaper_fail(shaper,
                       "of %" PRId64 " from %" PRId64
                       " does not lie in axis %" PRId64 " of %s",
                       attr->size, attr->start, attr->axis,
                       shaper_show_operand(shaper, 0));
  return resized(shaper, attr->size);
}

const Type *shape_concat(const Shaper *shaper) {
  if (!check_axis(shaper, 0))
    return NULL;
  int64_t size = 0;
  for (int i = 0; i < node_inputs(shaper->node); i++) {
    if (i > 0 && !check_fellow(shaper, i))
      return NULL;
    size += shaper_operand(shaper, i)->dim[shaper->node->attr.axis];
  }
  return resized(shaper, size);
}

/* (x, value): value is one number of the kind that x has. */
const Type *shape_pad(const Shaper *shaper) {
  const Attributes *attr = &shaper->node->attr;
  const Type *x = shaper_operand(shaper, 0), *value = shaper_operand(shaper, 1);
  if (!check_axis(shaper, 0))
    return NULL;
  bool kind =
      x->format == value->format || (type_is_real(x) && type_is_real(value));
  if (!kind || value->rank != 0)
    return shaper_fail(shaper, "fills %s with one number of its kind, not %s",
                       shaper_show(shaper, x), shaper_show(shaper, value));
  int64_t n = x->dim[attr->axis], size;
  if (attr->low < 0 || attr->high < 0 ||
      __builtin_add_overflow(n, attr->low, &size) ||
      __builtin_add_overflow(size, attr->high, &size))
    return shaper_fail(shaper, "by %" PRId64 " and %" PRId64 " is impossible",
                       attr->low, attr->high);
  return resized(shaper, size);
}

const Type *shape_reverse(const Shaper *shaper) {
  if (!check_axis(shaper, 0))
    return NULL;
  return resized(shaper,
                 shaper_operand(shaper, 0)->dim[shaper->node->attr.axis]);
}

/* ---- windows ------------------------------------------------------------ */

/* Must a window of `size` fit into axis `axis` of operand 0? */
static bool check_window(const Shaper *shaper, int64_t size) {
  int64_t n = shaper_operand(shaper, 0)->dim[shaper->node->attr.axis];
  if (size >= 0 && size <= n)
    return true;
  shaper_fail(shaper, "of %" PRId64 " does not fit into axis %" PRId64 " of %s",
              size, shaper->node->attr.axis, shaper_show_operand(shaper, 0));
  return false;
}

/* (x, start) */
const Type *shape_window(const Shaper *shaper) {
  if (!check_axis(shaper, 0) || !check_start(shaper, 1) ||
      !check_window(shaper, shaper->node->attr.size))
    return NULL;
  return resized(shaper, shaper->node->attr.size);
}

/* (x, update, start) */
const Type *shape_window_write(const Shaper *shaper) {
  int64_t axis = shaper->node->attr.axis;
  if (!check_axis(shaper, 0) || !check_fellow(shaper, 1) ||
      !check_start(shaper, 2) ||
      !check_window(shaper, shaper_operand(shaper, 1)->dim[axis]))
    return NULL;
  return resized(shaper, shaper_operand(shaper, 0)->dim[axis]);
}

/* ---- gather and its adjoint --------------------------------------------- */

/* `rank` axes from `axis` on of operand 0 give way to `count` sizes. */
static const Type *replaced(const Shaper *shaper, int rank, int count,
                            const int64_t *size) {
  const Type *type = shaper_operand(shaper, 0);
  int64_t axis = shaper->node->attr.axis, dim[2 * MAX_RANK];
  int result = 0;
  for (int i = 0; i < axis; i++)
    dim[result++] = type->dim[i];
  for (int i = 0; i < count; i++)
    dim[result++] = size[i];
  for (int i = (int)axis + rank; i < type->rank; i++)
    dim[result++] = type->dim[i];
  if (result > MAX_RANK)
    return shaper_fail(shaper, "gives more than %d axes", MAX_RANK);
  return gathered(shaper, result, dim);
}

/* (table, ids) */
const Type *shape_gather(const Shaper *shaper) {
  const Type *ids = shaper_operand(shaper, 1);
  if (!check_axis(shaper, 0) || !check_indices(shaper, 1))
    return NULL;
  return replaced(shaper, 1, ids->rank, ids->dim);
}

static bool check_size(const Shaper *shaper) {
  if (shaper->node->attr.size >= 0)
    return true;
  shaper_fail(shaper, "into a size of %" PRId64, shaper->node->attr.size);
  return false;
}

/* (updates, ids): the axes of ids stand in updates from `axis` on. */
const Type *shape_scatter_add(const Shaper *shaper) {
  const Type *updates = shaper_operand(shaper, 0);
  const Type *ids = shaper_operand(shaper, 1);
  int64_t axis = shaper->node->attr.axis;
  if (!shaper_real(shaper, 0) || !check_indices(shaper, 1) ||
      !check_size(shaper))
    return NULL;
  bool fits = axis >= 0 && axis <= updates->rank - ids->rank;
  for (int i = 0; fits && i < ids->rank; i++)
    fits = updates->dim[axis + i] == ids->dim[i];
  if (!fits)
    return shaper_fail(
        shaper, "needs the axes of %s from axis %" PRId64 " of %s on",
        shaper_show(shaper, ids), axis, shaper_show(shaper, updates));
  return replaced(shaper, ids->rank, 1, &shaper->node->attr.size);
}

/* Equal sizes for each axis of ids, from `axis` of updates on, and for each
 * other axis of x? */
static bool updates_fit(const Shaper *shaper) {
  const Type *x = shaper_operand(shaper, 0);
  const Type *updates = shaper_operand(shaper, 1);
  const Type *ids = shaper_operand(shaper, 2);
  int axis = (int)shaper->node->attr.axis;
  bool kind = x->format == updates->format ||
              (type_is_real(x) && type_is_real(updates));
  bool fits = kind && updates->rank == x->rank + ids->rank - 1;
  for (int i = 0; fits && i < updates->rank; i++)
    fits =
        updates->dim[i] == (i < axis               ? x->dim[i]
                            : i < axis + ids->rank ? ids->dim[i - axis]
                                                   : x->dim[i - ids->rank + 1]);
  return fits;
}

/* (x, updates, ids): the axes of ids stand in updates in the place of `axis`.
 * Indices are counted in 32 bits, by the gradient. */
const Type *shape_scatter(const Shaper *shaper) {
  const Type *ids = shaper_operand(shaper, 2);
  int64_t axis = shaper->node->attr.axis;
  if (!check_axis(shaper, 0) || !check_indices(shaper, 2))
    return NULL;
  if (ids->elements > INT32_MAX)
    return shaper_fail(shaper, "counts to %" PRId64 ", beyond 32 bits",
                       ids->elements);
  if (!updates_fit(shaper))
    return shaper_fail(shaper,
                       "needs %s with the axes of %s in the place of axis "
                       "%" PRId64 ", not %s",
                       shaper_show_operand(shaper, 0), shaper_show(shaper, ids),
                       axis, shaper_show_operand(shaper, 1));
  return resized(shaper, shaper_operand(shaper, 0)->dim[axis]);
}

/* ---- take and its adjoint ----------------------------------------------- */

/* Operands of one shape, but along `axis` where `free`. */
static bool check_along(const Shaper *shaper, bool free) {
  const Type *x = shaper_operand(shaper, 0), *at = shaper_operand(shaper, 1);
  if (!check_axis(shaper, 0) || !check_indices(shaper, 1))
    return false;
  bool fits = x->rank == at->rank;
  for (int i = 0; fits && i < x->rank; i++)
    fits = x->dim[i] == at->dim[i] || (free && i == shaper->node->attr.axis);
  if (!fits)
    shaper_fail(shaper, "needs an index for each element%s, not %s for %s",
                free ? " but along its axis" : "", shaper_show(shaper, at),
                shaper_show(shaper, x));
  return fits;
}

/* (x, indices) */
const Type *shape_take(const Shaper *shaper) {
  const Type *at = shaper_operand(shaper, 1);
  return check_along(shaper, true) ? gathered(shaper, at->rank, at->dim) : NULL;
}

/* (updates, indices) */
const Type *shape_put_add(const Shaper *shaper) {
  if (!shaper_real(shaper, 0) || !check_along(shaper, false) ||
      !check_size(shaper))
    return NULL;
  return replaced(shaper, 1, 1, &shaper->node->attr.size);
}

/* ---- indices ------------------------------------------------------------ */

/* Counted in 32 bits. */
static const Type *indices(const Shaper *shaper, int rank, const int64_t *dim,
                           int64_t n) {
  if (n > INT32_MAX)
    return shaper_fail(shaper, "counts to %" PRId64 ", beyond 32 bits", n);
  const Type *type = type_make(shaper->types, FORMAT_I32, rank, dim);
  return type ? type : shaper_fail(shaper, "gives a tensor that is too large");
}

const Type *shape_iota(const Shaper *shaper) {
  int64_t size = shaper->node->attr.size;
  return check_size(shaper) ? indices(shaper, 1, &size, size) : NULL;
}

const Type *shape_argsort(const Shaper *shaper) {
  const Type *type = shaper_operand(shaper, 0);
  if (!check_axis(shaper, 0))
    return NULL;
  return indices(shaper, type->rank, type->dim,
                 type->dim[shaper->node->attr.axis]);
}
