/* Shape rules of the ops whose axes a pattern names: transposition, broadcast,
 * contraction, reduction.
 */
#include "ir/shape_internal.h"

#include <string.h>

static void mark_axes(ShapeAxes *axes) {
  const Pattern *pattern = &axes->pattern;
  for (int k = 0; k < pattern->operands; k++)
    for (int i = 0; i < pattern->rank[k]; i++)
      axes->in[k][pattern->axis[k][i]] = true;
  for (int i = 0; i < pattern->out_rank; i++)
    axes->out[pattern->out_axis[i]] = true;
}

/* Parses the pattern and binds it to the operands; false after an error. */
bool axes_bind(const Shaper *shaper, int operands, ShapeAxes *axes) {
  const char *text = shaper->node->attr.pattern, *error = NULL;
  size_t offset = 0;
  memset(axes, 0, sizeof *axes);
  if (!text) {
    shaper_fail(shaper, "needs a pattern");
    return false;
  }
  Interner *words = type_table_words(shaper->types);
  if (!pattern_parse(words, text, &axes->pattern, &error, &offset)) {
    shaper_fail(shaper, "pattern \"%s\", column %zu: %s", text, offset + 1,
                error);
    return false;
  }
  if (axes->pattern.operands != operands) {
    shaper_fail(shaper, "pattern \"%s\" has %d operands, not %d", text,
                axes->pattern.operands, operands);
    return false;
  }
  const Type *type[2] = {shaper_operand(shaper, 0),
                         operands > 1 ? shaper_operand(shaper, 1) : NULL};
  if (!pattern_sizes(&axes->pattern, type, axes->size, shaper->arena, &error)) {
    shaper_fail(shaper, "\"%s\": %s", text, error);
    return false;
  }
  mark_axes(axes);
  return true;
}

/* Sizes of the result in its own order. */
void axes_result(const ShapeAxes *axes, int64_t *dim) {
  for (int i = 0; i < axes->pattern.out_rank; i++)
    dim[i] = axes->size[axes->pattern.out_axis[i]];
}

/* Every axis of the result must come from an operand. */
bool axes_result_bound(const Shaper *shaper, const ShapeAxes *axes) {
  for (int i = 0; i < axes->pattern.out_rank; i++) {
    int letter = axes->pattern.out_axis[i];
    if (axes->in[0][letter] || axes->in[1][letter])
      continue;
    shaper_fail(shaper, "\"%s\": no operand has axis `%s`",
                shaper->node->attr.pattern, axes->pattern.letter[letter]);
    return false;
  }
  return true;
}

/* The same axes in another order. */
const Type *shape_permute(const Shaper *shaper) {
  ShapeAxes axes;
  int64_t dim[MAX_RANK];
  if (!axes_bind(shaper, 1, &axes) || !axes_result_bound(shaper, &axes))
    return NULL;
  if (axes.pattern.out_rank != axes.pattern.rank[0])
    return shaper_fail(shaper, "\"%s\" drops an axis",
                       shaper->node->attr.pattern);
  axes_result(&axes, dim);
  return shaper_kept(shaper, axes.pattern.out_rank, dim);
}

/* New axes take the sizes that the node's stated type gives them. */
const Type *shape_broadcast(const Shaper *shaper) {
  ShapeAxes axes;
  const Type *type = shaper_stated(shaper);
  if (!type || !shaper_keeps_kind(shaper, type) || !axes_bind(shaper, 1, &axes))
    return NULL;
  const Pattern *pattern = &axes.pattern;
  if (type->rank != pattern->out_rank)
    return shaper_fail(shaper, "\"%s\" gives %d axes, not %s",
                       shaper->node->attr.pattern, pattern->out_rank,
                       shaper_show(shaper, type));
  for (int i = 0; i < pattern->rank[0]; i++)
    if (!axes.out[pattern->axis[0][i]])
      return shaper_fail(shaper, "\"%s\" drops axis `%s`",
                         shaper->node->attr.pattern,
                         pattern->letter[pattern->axis[0][i]]);
  for (int i = 0; i < type->rank; i++) {
    int letter = pattern->out_axis[i];
    if (axes.in[0][letter] && axes.size[letter] != type->dim[i])
      return shaper_fail(
          shaper, "\"%s\" of %s cannot be %s", shaper->node->attr.pattern,
          shaper_show_operand(shaper, 0), shaper_show(shaper, type));
  }
  return type;
}

/* An axis that is summed must belong to both operands. */
const Type *shape_einsum(const Shaper *shaper) {
  ShapeAxes axes;
  int64_t dim[MAX_RANK];
  if (!shaper_real(shaper, 0) || !shaper_real(shaper, 1) ||
      !axes_bind(shaper, 2, &axes) || !axes_result_bound(shaper, &axes))
    return NULL;
  for (int letter = 0; letter < axes.pattern.letters; letter++)
    if (!axes.out[letter] && !(axes.in[0][letter] && axes.in[1][letter]))
      return shaper_fail(
          shaper,
          "\"%s\": axis `%s` is summed but in one operand only; sum "
          "that operand first",
          shaper->node->attr.pattern, axes.pattern.letter[letter]);
  axes_result(&axes, dim);
  return shaper_shaped(shaper, axes.pattern.out_rank, dim, FORMAT_REAL);
}

/* Reductions drop axes and keep the order of the others. */
const Type *shape_reduce(const Shaper *shaper) {
  ShapeAxes axes;
  int64_t dim[MAX_RANK];
  if (!shaper_real(shaper, 0) || !axes_bind(shaper, 1, &axes) ||
      !axes_result_bound(shaper, &axes))
    return NULL;
  for (int i = 1; i < axes.pattern.out_rank; i++)
    if (axes.pattern.out_axis[i] < axes.pattern.out_axis[i - 1])
      return shaper_fail(shaper,
                         "\"%s\" changes the order of the axes; transpose it",
                         shaper->node->attr.pattern);
  axes_result(&axes, dim);
  return shaper_shaped(shaper, axes.pattern.out_rank, dim, FORMAT_REAL);
}
