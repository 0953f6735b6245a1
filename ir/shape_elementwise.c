/* Shape rules of ops on whole numbers and truth values, and of choices.
 *
 * Arithmetic is on reals or on i32, never on both; other whole numbers are
 * converted first. Shapes combine by the strict broadcasting of shape.c.
 */
#include "ir/shape_internal.h"

bool types_one_kind(const Type *a, const Type *b) {
  return a->format == b->format || (type_is_real(a) && type_is_real(b));
}

/* ---- arithmetic on reals or i32 ------------------------------------------ */

static bool is_arithmetic(const Shaper *shaper, int number) {
  const Type *type = shaper_operand(shaper, number);
  if (type_is_real(type) || type->format == FORMAT_I32)
    return true;
  shaper_fail(shaper, "works on real numbers and i32, not %s; convert it first",
              shaper_show(shaper, type));
  return false;
}

/* A real result is free in its format; i32 stays. */
static const Type *arithmetic_result(const Shaper *shaper, int rank,
                                     const int64_t *dim) {
  if (type_is_real(shaper_operand(shaper, 0)))
    return shaper_shaped(shaper, rank, dim, FORMAT_REAL);
  return shaper_kept(shaper, rank, dim);
}

/* neg, abs. */
const Type *shape_signed(const Shaper *shaper) {
  const Type *type = shaper_operand(shaper, 0);
  if (!is_arithmetic(shaper, 0))
    return NULL;
  return arithmetic_result(shaper, type->rank, type->dim);
}

const Type *shape_arithmetic(const Shaper *shaper) {
  const Type *a = shaper_operand(shaper, 0), *b = shaper_operand(shaper, 1);
  int rank;
  int64_t dim[MAX_RANK];
  if (!is_arithmetic(shaper, 0) || !is_arithmetic(shaper, 1))
    return NULL;
  if (!types_one_kind(a, b))
    return shaper_fail(shaper, "combines equal kinds of number, not %s with %s",
                       shaper_show(shaper, a), shaper_show(shaper, b));
  if (!shaper_combine(shaper, &rank, dim))
    return NULL;
  return arithmetic_result(shaper, rank, dim);
}

/* ---- one format only ----------------------------------------------------- */

static bool is_format(const Shaper *shaper, int number, Format format) {
  if (shaper_operand(shaper, number)->format == format)
    return true;
  shaper_fail(shaper, "works on %s, not %s", format_info(format)->text,
              shaper_show_operand(shaper, number));
  return false;
}

static const Type *both_of(const Shaper *shaper, Format format) {
  int rank;
  int64_t dim[MAX_RANK];
  if (!is_format(shaper, 0, format) || !is_format(shaper, 1, format) ||
      !shaper_combine(shaper, &rank, dim))
    return NULL;
  return shaper_kept(shaper, rank, dim);
}

/* floordiv, mod. */
const Type *shape_integers(const Shaper *shaper) {
  return both_of(shaper, FORMAT_I32);
}

/* and, or. */
const Type *shape_logic(const Shaper *shaper) {
  return both_of(shaper, FORMAT_BOOL);
}

const Type *shape_not(const Shaper *shaper) {
  return is_format(shaper, 0, FORMAT_BOOL) ? shaper_operand(shaper, 0) : NULL;
}

/* ---- choices ------------------------------------------------------------- */

/* a and b combine first, then their result with c. */
static bool combine_choice(const Shaper *shaper, int *rank, int64_t *dim) {
  const Type *a = shaper_operand(shaper, 1), *b = shaper_operand(shaper, 2);
  bool fits = shape_combine(a, b, rank, dim);
  const Type *both =
      fits ? type_make(shaper->types, FORMAT_BOOL, *rank, dim) : NULL;
  if (both && shape_combine(both, shaper_operand(shaper, 0), rank, dim))
    return true;
  shaper_fail(shaper, "cannot combine %s with %s and %s",
              shaper_show_operand(shaper, 0), shaper_show(shaper, a),
              shaper_show(shaper, b));
  return false;
}

/* (c, a, b): any kind of number that a and b share. */
const Type *shape_select(const Shaper *shaper) {
  const Type *a = shaper_operand(shaper, 1), *b = shaper_operand(shaper, 2);
  int rank;
  int64_t dim[MAX_RANK];
  if (shaper_operand(shaper, 0)->format != FORMAT_BOOL)
    return shaper_fail(shaper, "chooses by bool, not by %s",
                       shaper_show_operand(shaper, 0));
  if (!types_one_kind(a, b))
    return shaper_fail(shaper, "chooses between equal kinds, not %s and %s",
                       shaper_show(shaper, a), shaper_show(shaper, b));
  if (!combine_choice(shaper, &rank, dim))
    return NULL;
  if (type_is_real(a))
    return shaper_shaped(shaper, rank, dim, FORMAT_REAL);
  const Type *type = type_make(shaper->types, a->format, rank, dim);
  return type ? type : shaper_fail(shaper, "gives a tensor that is too large");
}
