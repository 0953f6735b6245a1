/* Shape rules: the type of a result from op, operands and attributes.
 *
 * One rule per name in the `shape` column of ops.def. A rule takes a Shaper,
 * checks the operands and gives the result's type, or NULL with one line that
 * names the op and the shapes. Formats of real results are free (a recipe
 * chooses them), so a rule decides shape and kind of number only; see
 * shape_infer in ir.h.
 */
#include "ir/ir.h"

#include <string.h>

typedef struct {
  TypeTable *types;
  const Graph *graph;
  const Node *node;
  Arena *arena;
  const char **error;
} Shaper;

typedef const Type *ShapeRule(const Shaper *shaper);

/* ---- help for the rules ------------------------------------------------- */

static const Type *fail(const Shaper *shaper, const char *format, ...)
    SG_PRINTF(2, 3);

static const Type *fail(const Shaper *shaper, const char *format, ...) {
  Buffer text = {0};
  buffer_printf(&text, "%s ", op_info(shaper->node->op)->text);
  va_list args;
  va_start(args, format);
  buffer_vprintf(&text, format, args);
  va_end(args);
  *shaper->error = arena_string(shaper->arena, text.data, text.length);
  buffer_free(&text);
  return NULL;
}

static const Type *operand(const Shaper *shaper, int number) {
  return graph_node(shaper->graph, shaper->node->input[number])->type;
}

/* A type as text for a message. */
static const char *show(const Shaper *shaper, const Type *type) {
  Buffer text = {0};
  type_print(&text, type);
  const char *copy = arena_string(shaper->arena, text.data, text.length);
  buffer_free(&text);
  return copy;
}

static const char *show_operand(const Shaper *shaper, int number) {
  return show(shaper, operand(shaper, number));
}

/* Arithmetic on integers has no rule here: recipes, rounding and scales speak
 * of real numbers. */
static bool require_real(const Shaper *shaper, int number) {
  if (type_is_real(operand(shaper, number)))
    return true;
  fail(shaper, "works on real numbers, not %s; convert it first",
       show_operand(shaper, number));
  return false;
}

/* The given shape in the format that the node states, or `fallback`. */
static const Type *with_shape(const Shaper *shaper, int rank,
                              const int64_t *dim, Format fallback) {
  const Type *stated = shaper->node->type;
  Format format = stated && type_is_real(stated) ? stated->format : fallback;
  const Type *type = type_make(shaper->types, format, rank, dim);
  return type ? type : fail(shaper, "gives a tensor that is too large");
}

static const Type *same_shape(const Shaper *shaper, const Type *type,
                              Format fallback) {
  return with_shape(shaper, type->rank, type->dim, fallback);
}

/* Structure keeps the operand's format; a real one may be stated otherwise. */
static const Type *kept(const Shaper *shaper, int rank, const int64_t *dim) {
  Format format = operand(shaper, 0)->format;
  if (type_is_real(operand(shaper, 0)))
    return with_shape(shaper, rank, dim, format);
  const Type *type = type_make(shaper->types, format, rank, dim);
  return type ? type : fail(shaper, "gives a tensor that is too large");
}

/* The stated type, for ops whose result is free in part. */
static const Type *stated(const Shaper *shaper) {
  return shaper->node->type ? shaper->node->type
                            : fail(shaper, "needs a stated result type");
}

/* Is `type` a whole-number format that labels and indices may have? */
static bool is_integer(const Type *type) {
  FormatKind kind = format_info(type->format)->kind;
  return kind == KIND_INT || kind == KIND_UINT;
}

/* ---- elementwise -------------------------------------------------------- */

/* Leaves state their type; a constant is one number, printed where it is read.
 */
static const Type *shape_leaf(const Shaper *shaper) {
  const Type *type = stated(shaper);
  if (type && shaper->node->op == OP_CONST && type->rank != 0)
    return fail(shaper, "is a single number, not %s", show(shaper, type));
  return type;
}

/* Any kind of number to any other, element by element. */
static const Type *shape_convert(const Shaper *shaper) {
  const Type *type = stated(shaper);
  if (type && !type_same_shape(type, operand(shaper, 0)))
    return fail(shaper, "keeps the shape: %s is not %s",
                show_operand(shaper, 0), show(shaper, type));
  return type;
}

/* cast: a real number to a float format. */
static const Type *shape_cast(const Shaper *shaper) {
  const Type *type = stated(shaper);
  if (!type || !require_real(shaper, 0))
    return NULL;
  if (!format_is_float(type->format))
    return fail(shaper, "rounds to a float format, not to %s",
                show(shaper, type));
  return shape_convert(shaper);
}

/* store: the stated type is the parameter's. */
static const Type *shape_store(const Shaper *shaper) {
  const Type *type = operand(shaper, 0);
  if (!shaper->node->type)
    return type;
  if (!type_same_shape(type, shaper->node->type) ||
      type_is_real(type) != type_is_real(shaper->node->type))
    return fail(shaper, "of %s into %s", show(shaper, type),
                show(shaper, shaper->node->type));
  return shaper->node->type;
}

/* Also rescale and rebalance, which change no value and so keep a format. */
static const Type *shape_unary(const Shaper *shaper) {
  if (!require_real(shaper, 0))
    return NULL;
  bool rounding_free =
      shaper->node->op == OP_RESCALE || shaper->node->op == OP_REBALANCE;
  return same_shape(shaper, operand(shaper, 0),
                    rounding_free ? operand(shaper, 0)->format : FORMAT_REAL);
}

/* Strict: a shorter shape must be the last axes of the longer, exactly. Unlike
 * in NumPy, [b] with [b, 1] is an error (language.md, section 6). */
bool shape_combine(const Type *a, const Type *b, int *rank, int64_t *dim) {
  const Type *longer = a->rank >= b->rank ? a : b;
  const Type *shorter = longer == a ? b : a;
  int lead = longer->rank - shorter->rank;
  *rank = longer->rank;
  memcpy(dim, longer->dim, sizeof longer->dim);
  for (int i = 0; i < shorter->rank; i++) {
    int64_t m = longer->dim[lead + i], n = shorter->dim[i];
    if (m != n && (lead > 0 || (m != 1 && n != 1)))
      return false;
    dim[lead + i] = m > n ? m : n;
  }
  return true;
}

static bool combine(const Shaper *shaper, int *rank, int64_t *dim) {
  if (shape_combine(operand(shaper, 0), operand(shaper, 1), rank, dim))
    return true;
  fail(shaper, "cannot combine %s with %s", show_operand(shaper, 0),
       show_operand(shaper, 1));
  return false;
}

static const Type *shape_binary(const Shaper *shaper) {
  int rank;
  int64_t dim[MAX_RANK];
  if (!require_real(shaper, 0) || !require_real(shaper, 1) ||
      !combine(shaper, &rank, dim))
    return NULL;
  return with_shape(shaper, rank, dim, FORMAT_REAL);
}

/* Integers compare with integers of their own format; reals with any real. */
static const Type *shape_comparison(const Shaper *shaper) {
  const Type *a = operand(shaper, 0), *b = operand(shaper, 1);
  int rank;
  int64_t dim[MAX_RANK];
  if (a->format != b->format && !(type_is_real(a) && type_is_real(b)))
    return fail(shaper, "compares equal kinds of number, not %s with %s",
                show(shaper, a), show(shaper, b));
  if (!combine(shaper, &rank, dim))
    return NULL;
  return type_make(shaper->types, FORMAT_BOOL, rank, dim);
}

/* x > 0, one bool each. */
static const Type *shape_predicate(const Shaper *shaper) {
  if (!require_real(shaper, 0))
    return NULL;
  return type_with_format(shaper->types, operand(shaper, 0), FORMAT_BOOL);
}

/* (dy, y): y is real, or the bool mask that casts saves instead. */
static const Type *shape_relu_grad(const Shaper *shaper) {
  const Type *dy = operand(shaper, 0), *y = operand(shaper, 1);
  if (!require_real(shaper, 0))
    return NULL;
  if (y->format != FORMAT_BOOL && !require_real(shaper, 1))
    return NULL;
  if (!type_same_shape(dy, y))
    return fail(shaper, "needs equal shapes, not %s and %s", show(shaper, dy),
                show(shaper, y));
  return same_shape(shaper, dy, FORMAT_REAL);
}

/* ---- structure ---------------------------------------------------------- */

/* Does the stated format fit an op that moves elements unchanged? */
static bool keeps_kind(const Shaper *shaper, const Type *type) {
  const Type *from = operand(shaper, 0);
  if (type->format == from->format ||
      (type_is_real(type) && type_is_real(from)))
    return true;
  fail(shaper, "moves elements unchanged: %s cannot become %s",
       show(shaper, from), show(shaper, type));
  return false;
}

/* Row-major order stays; only the sizes change. */
static const Type *shape_reshape(const Shaper *shaper) {
  const Type *type = stated(shaper);
  if (!type || !keeps_kind(shaper, type))
    return NULL;
  if (type->elements != operand(shaper, 0)->elements)
    return fail(shaper, "keeps the number of elements: %s is not %s",
                show_operand(shaper, 0), show(shaper, type));
  return type;
}

/* One number to every element of the stated shape. */
static const Type *shape_splat(const Shaper *shaper) {
  const Type *type = stated(shaper);
  if (!type || !keeps_kind(shaper, type))
    return NULL;
  if (operand(shaper, 0)->rank != 0)
    return fail(shaper, "repeats one number, not %s", show_operand(shaper, 0));
  return type;
}

/* ---- patterns ----------------------------------------------------------- */

/* A parsed pattern with the sizes of its letters and where they occur. */
typedef struct {
  Pattern pattern;
  int64_t size[3 * MAX_RANK];
  bool in[2][3 * MAX_RANK], out[3 * MAX_RANK];
} Axes;

static void mark_axes(Axes *axes) {
  const Pattern *pattern = &axes->pattern;
  for (int k = 0; k < pattern->operands; k++)
    for (int i = 0; i < pattern->rank[k]; i++)
      axes->in[k][pattern->axis[k][i]] = true;
  for (int i = 0; i < pattern->out_rank; i++)
    axes->out[pattern->out_axis[i]] = true;
}

/* Parses the pattern and binds it to the operands; false after an error. */
static bool bind_axes(const Shaper *shaper, int operands, Axes *axes) {
  const char *text = shaper->node->attr.pattern, *error = NULL;
  size_t offset = 0;
  memset(axes, 0, sizeof *axes);
  if (!text) {
    fail(shaper, "needs a pattern");
    return false;
  }
  Interner *words = type_table_words(shaper->types);
  if (!pattern_parse(words, text, &axes->pattern, &error, &offset)) {
    fail(shaper, "pattern \"%s\", column %zu: %s", text, offset + 1, error);
    return false;
  }
  if (axes->pattern.operands != operands) {
    fail(shaper, "pattern \"%s\" has %d operands, not %d", text,
         axes->pattern.operands, operands);
    return false;
  }
  const Type *type[2] = {operand(shaper, 0),
                         operands > 1 ? operand(shaper, 1) : NULL};
  if (!pattern_sizes(&axes->pattern, type, axes->size, shaper->arena, &error)) {
    fail(shaper, "\"%s\": %s", text, error);
    return false;
  }
  mark_axes(axes);
  return true;
}

/* Sizes of the result in its own order. */
static void result_dims(const Axes *axes, int64_t *dim) {
  for (int i = 0; i < axes->pattern.out_rank; i++)
    dim[i] = axes->size[axes->pattern.out_axis[i]];
}

/* Every axis of the result must come from an operand. */
static bool result_bound(const Shaper *shaper, const Axes *axes) {
  for (int i = 0; i < axes->pattern.out_rank; i++) {
    int letter = axes->pattern.out_axis[i];
    if (axes->in[0][letter] || axes->in[1][letter])
      continue;
    fail(shaper, "\"%s\": no operand has axis `%s`", shaper->node->attr.pattern,
         axes->pattern.letter[letter]);
    return false;
  }
  return true;
}

/* The same axes in another order. */
static const Type *shape_permute(const Shaper *shaper) {
  Axes axes;
  int64_t dim[MAX_RANK];
  if (!bind_axes(shaper, 1, &axes) || !result_bound(shaper, &axes))
    return NULL;
  if (axes.pattern.out_rank != axes.pattern.rank[0])
    return fail(shaper, "\"%s\" drops an axis", shaper->node->attr.pattern);
  result_dims(&axes, dim);
  return kept(shaper, axes.pattern.out_rank, dim);
}

/* New axes take the sizes that the node's stated type gives them. */
static const Type *shape_broadcast(const Shaper *shaper) {
  Axes axes;
  const Type *type = stated(shaper);
  if (!type || !keeps_kind(shaper, type) || !bind_axes(shaper, 1, &axes))
    return NULL;
  const Pattern *pattern = &axes.pattern;
  if (type->rank != pattern->out_rank)
    return fail(shaper, "\"%s\" gives %d axes, not %s",
                shaper->node->attr.pattern, pattern->out_rank,
                show(shaper, type));
  for (int i = 0; i < pattern->rank[0]; i++)
    if (!axes.out[pattern->axis[0][i]])
      return fail(shaper, "\"%s\" drops axis `%s`", shaper->node->attr.pattern,
                  pattern->letter[pattern->axis[0][i]]);
  for (int i = 0; i < type->rank; i++) {
    int64_t size = axes.size[pattern->out_axis[i]];
    if (size && size != type->dim[i])
      return fail(shaper, "\"%s\" of %s cannot be %s",
                  shaper->node->attr.pattern, show_operand(shaper, 0),
                  show(shaper, type));
  }
  return type;
}

/* An axis that is summed must belong to both operands. */
static const Type *shape_einsum(const Shaper *shaper) {
  Axes axes;
  int64_t dim[MAX_RANK];
  if (!require_real(shaper, 0) || !require_real(shaper, 1) ||
      !bind_axes(shaper, 2, &axes) || !result_bound(shaper, &axes))
    return NULL;
  for (int letter = 0; letter < axes.pattern.letters; letter++)
    if (!axes.out[letter] && !(axes.in[0][letter] && axes.in[1][letter]))
      return fail(shaper,
                  "\"%s\": axis `%s` is summed but in one operand only; sum "
                  "that operand first",
                  shaper->node->attr.pattern, axes.pattern.letter[letter]);
  result_dims(&axes, dim);
  return with_shape(shaper, axes.pattern.out_rank, dim, FORMAT_REAL);
}

/* Reductions drop axes and keep the order of the others. */
static const Type *shape_reduce(const Shaper *shaper) {
  Axes axes;
  int64_t dim[MAX_RANK];
  if (!require_real(shaper, 0) || !bind_axes(shaper, 1, &axes) ||
      !result_bound(shaper, &axes))
    return NULL;
  for (int i = 1; i < axes.pattern.out_rank; i++)
    if (axes.pattern.out_axis[i] < axes.pattern.out_axis[i - 1])
      return fail(shaper, "\"%s\" changes the order of the axes; transpose it",
                  shaper->node->attr.pattern);
  result_dims(&axes, dim);
  return with_shape(shaper, axes.pattern.out_rank, dim, FORMAT_REAL);
}

/* ---- rows, losses, exponents -------------------------------------------- */

/* An index for each row along `axis`, which disappears. */
static const Type *shape_argmax(const Shaper *shaper) {
  const Type *type = operand(shaper, 0);
  int axis = shaper->node->attr.axis, rank = 0;
  int64_t dim[MAX_RANK];
  if (!require_real(shaper, 0))
    return NULL;
  if (axis < 0 || axis >= type->rank)
    return fail(shaper, "axis %d is not an axis of %s", axis,
                show(shaper, type));
  for (int i = 0; i < type->rank; i++)
    if (i != axis)
      dim[rank++] = type->dim[i];
  return type_make(shaper->types, FORMAT_I32, rank, dim);
}

/* Logits [.., n] and labels [..] of whole numbers. */
static bool check_labels(const Shaper *shaper) {
  const Type *logits = operand(shaper, 0), *labels = operand(shaper, 1);
  if (!require_real(shaper, 0))
    return false;
  bool fits = is_integer(labels) && logits->rank == labels->rank + 1;
  for (int i = 0; fits && i < labels->rank; i++)
    fits = logits->dim[i] == labels->dim[i];
  if (!fits)
    fail(shaper,
         "needs logits [.., n] and whole-number labels [..], not %s "
         "and %s",
         show(shaper, logits), show(shaper, labels));
  return fits;
}

/* One loss for each label. */
static const Type *shape_softmax_xent(const Shaper *shaper) {
  if (!check_labels(shaper))
    return NULL;
  return same_shape(shaper, operand(shaper, 1), FORMAT_REAL);
}

/* One gradient for each logit, scaled by dy of its row. */
static const Type *shape_softmax_xent_grad(const Shaper *shaper) {
  if (!check_labels(shaper) || !require_real(shaper, 2))
    return NULL;
  if (!type_same_shape(operand(shaper, 1), operand(shaper, 2)))
    return fail(shaper, "needs one gradient per label, not %s for %s",
                show_operand(shaper, 2), show_operand(shaper, 1));
  return same_shape(shaper, operand(shaper, 0), FORMAT_REAL);
}

/* Exponents are single integers; max_exponent reads no tensor at all. */
static const Type *shape_exponent(const Shaper *shaper) {
  if (shaper->node->op == OP_NORM_EXPONENT && !require_real(shaper, 0))
    return NULL;
  return type_scalar(shaper->types, FORMAT_I32);
}

/* ---- the table ---------------------------------------------------------- */

static ShapeRule *const shape_rule[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, ...)                    \
  [OP_##id] = shape_##shape,
#include "ir/ops.def"
};

/* Operands must exist and have types; attributes may be wrong. */
const Type *shape_infer(TypeTable *types, const Graph *graph, const Node *node,
                        Arena *arena, const char **error) {
  Shaper shaper = {types, graph, node, arena, error};
  return shape_rule[node->op](&shaper);
}
