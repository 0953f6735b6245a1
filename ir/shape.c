/* Shape rules: the type of a result from op, operands and attributes.
 *
 * One rule per name in the `shape` column of ops.def. A rule takes a Shaper,
 * checks the operands and gives the result's type, or NULL with one line that
 * names the op and the shapes. Formats of real results are free (a recipe
 * chooses them), so a rule decides shape and kind of number only; see
 * shape_infer in ir.h.
 */
#include "ir/shape_internal.h"

#include <inttypes.h>

#include <string.h>

/* ---- help for the rules ------------------------------------------------- */

const Type *shaper_fail(const Shaper *shaper, const char *format, ...) {
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

const Type *shaper_operand(const Shaper *shaper, int number) {
  return graph_node(shaper->graph, shaper->node->input[number])->type;
}

/* A type as text for a message. */
const char *shaper_show(const Shaper *shaper, const Type *type) {
  Buffer text = {0};
  type_print(&text, type);
  const char *copy = arena_string(shaper->arena, text.data, text.length);
  buffer_free(&text);
  return copy;
}

const char *shaper_show_operand(const Shaper *shaper, int number) {
  return shaper_show(shaper, shaper_operand(shaper, number));
}

/* Arithmetic on integers has no rule here: recipes, rounding and scales speak
 * of real numbers. */
bool shaper_real(const Shaper *shaper, int number) {
  if (type_is_real(shaper_operand(shaper, number)))
    return true;
  shaper_fail(shaper, "works on real numbers, not %s; convert it first",
              shaper_show_operand(shaper, number));
  return false;
}

/* The given shape in the format that the node states, or `fallback`. */
const Type *shaper_shaped(const Shaper *shaper, int rank, const int64_t *dim,
                          Format fallback) {
  const Type *stated = shaper->node->type;
  Format format = stated && type_is_real(stated) ? stated->format : fallback;
  const Type *type = type_make(shaper->types, format, rank, dim);
  return type ? type : shaper_fail(shaper, "gives a tensor that is too large");
}

const Type *shaper_same(const Shaper *shaper, const Type *type,
                        Format fallback) {
  return shaper_shaped(shaper, type->rank, type->dim, fallback);
}

/* Structure keeps the operand's format; a real one may be stated otherwise. */
const Type *shaper_kept(const Shaper *shaper, int rank, const int64_t *dim) {
  Format format = shaper_operand(shaper, 0)->format;
  if (type_is_real(shaper_operand(shaper, 0)))
    return shaper_shaped(shaper, rank, dim, format);
  const Type *type = type_make(shaper->types, format, rank, dim);
  return type ? type : shaper_fail(shaper, "gives a tensor that is too large");
}

/* The stated type, for ops whose result is free in part. */
const Type *shaper_stated(const Shaper *shaper) {
  return shaper->node->type ? shaper->node->type
                            : shaper_fail(shaper, "needs a stated result type");
}

/* Is `type` a whole-number format that labels and indices may have? */
bool type_is_index(const Type *type) {
  FormatKind kind = format_info(type->format)->kind;
  return kind == KIND_INT || kind == KIND_UINT;
}

/* ---- elementwise -------------------------------------------------------- */

/* Leaves state their type; a constant is one number, printed where it is read.
 */
const Type *shape_leaf(const Shaper *shaper) {
  const Type *type = shaper_stated(shaper);
  if (type && shaper->node->op == OP_CONST && type->rank != 0)
    return shaper_fail(shaper, "is a single number, not %s",
                       shaper_show(shaper, type));
  return type;
}

/* Any kind of number to any other, element by element. */
const Type *shape_convert(const Shaper *shaper) {
  const Type *type = shaper_stated(shaper);
  if (type && !type_same_shape(type, shaper_operand(shaper, 0)))
    return shaper_fail(shaper, "keeps the shape: %s is not %s",
                       shaper_show_operand(shaper, 0),
                       shaper_show(shaper, type));
  return type;
}

/* cast: a real number to a float format. */
const Type *shape_cast(const Shaper *shaper) {
  const Type *type = shaper_stated(shaper);
  if (!type || !shaper_real(shaper, 0))
    return NULL;
  if (!format_is_float(type->format))
    return shaper_fail(shaper, "rounds to a float format, not to %s",
                       shaper_show(shaper, type));
  return shape_convert(shaper);
}

/* store: the stated type is the parameter's. */
const Type *shape_store(const Shaper *shaper) {
  const Type *type = shaper_operand(shaper, 0);
  if (!shaper->node->type)
    return type;
  const Node *value = graph_node(shaper->graph, shaper->node->input[0]);
  if (node_defines_exponent(value) && shaper->node->type->rank == 1 &&
      shaper->node->type->format == FORMAT_I32)
    return shaper->node->type; /* a history, which it joins */
  if (!type_same_shape(type, shaper->node->type) ||
      type_is_real(type) != type_is_real(shaper->node->type))
    return shaper_fail(shaper, "of %s into %s", shaper_show(shaper, type),
                       shaper_show(shaper, shaper->node->type));
  return shaper->node->type;
}

/* Also rescale and rebalance, which change no value and so keep a format. */
const Type *shape_unary(const Shaper *shaper) {
  if (!shaper_real(shaper, 0))
    return NULL;
  bool rounding_free =
      shaper->node->op == OP_RESCALE || shaper->node->op == OP_REBALANCE;
  return shaper_same(shaper, shaper_operand(shaper, 0),
                     rounding_free ? shaper_operand(shaper, 0)->format
                                   : FORMAT_REAL);
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
    dim[lead + i] = m == 1 ? n : m;
  }
  return true;
}

bool shaper_combine(const Shaper *shaper, int *rank, int64_t *dim) {
  if (shape_combine(shaper_operand(shaper, 0), shaper_operand(shaper, 1), rank,
                    dim))
    return true;
  shaper_fail(shaper, "cannot combine %s with %s",
              shaper_show_operand(shaper, 0), shaper_show_operand(shaper, 1));
  return false;
}

const Type *shape_binary(const Shaper *shaper) {
  int rank;
  int64_t dim[MAX_RANK];
  if (!shaper_real(shaper, 0) || !shaper_real(shaper, 1) ||
      !shaper_combine(shaper, &rank, dim))
    return NULL;
  return shaper_shaped(shaper, rank, dim, FORMAT_REAL);
}

/* Integers compare with integers of their own format; reals with any real. */
const Type *shape_comparison(const Shaper *shaper) {
  const Type *a = shaper_operand(shaper, 0), *b = shaper_operand(shaper, 1);
  int rank;
  int64_t dim[MAX_RANK];
  if (!types_one_kind(a, b))
    return shaper_fail(shaper, "compares equal kinds of number, not %s with %s",
                       shaper_show(shaper, a), shaper_show(shaper, b));
  if (!shaper_combine(shaper, &rank, dim))
    return NULL;
  return type_make(shaper->types, FORMAT_BOOL, rank, dim);
}

/* x > 0, one bool each. */
const Type *shape_predicate(const Shaper *shaper) {
  if (!shaper_real(shaper, 0))
    return NULL;
  return type_with_format(shaper->types, shaper_operand(shaper, 0),
                          FORMAT_BOOL);
}

/* (dy, y): y is real, or the bool mask that casts saves instead. */
const Type *shape_relu_grad(const Shaper *shaper) {
  const Type *dy = shaper_operand(shaper, 0), *y = shaper_operand(shaper, 1);
  if (!shaper_real(shaper, 0))
    return NULL;
  if (y->format != FORMAT_BOOL && !shaper_real(shaper, 1))
    return NULL;
  if (!type_same_shape(dy, y))
    return shaper_fail(shaper, "needs equal shapes, not %s and %s",
                       shaper_show(shaper, dy), shaper_show(shaper, y));
  return shaper_same(shaper, dy, FORMAT_REAL);
}

/* ---- structure ---------------------------------------------------------- */

/* Does the stated format fit an op that moves elements unchanged? */
bool shaper_keeps_kind(const Shaper *shaper, const Type *type) {
  const Type *from = shaper_operand(shaper, 0);
  if (type->format == from->format ||
      (type_is_real(type) && type_is_real(from)))
    return true;
  shaper_fail(shaper, "moves elements unchanged: %s cannot become %s",
              shaper_show(shaper, from), shaper_show(shaper, type));
  return false;
}

/* Row-major order stays; only the sizes change. */
const Type *shape_reshape(const Shaper *shaper) {
  const Type *type = shaper_stated(shaper);
  if (!type || !shaper_keeps_kind(shaper, type))
    return NULL;
  if (type->elements != shaper_operand(shaper, 0)->elements)
    return shaper_fail(shaper, "keeps the number of elements: %s is not %s",
                       shaper_show_operand(shaper, 0),
                       shaper_show(shaper, type));
  return type;
}

/* One number to every element of the stated shape. */
const Type *shape_splat(const Shaper *shaper) {
  const Type *type = shaper_stated(shaper);
  if (!type || !shaper_keeps_kind(shaper, type))
    return NULL;
  if (shaper_operand(shaper, 0)->rank != 0)
    return shaper_fail(shaper, "repeats one number, not %s",
                       shaper_show_operand(shaper, 0));
  return type;
}

/* ---- rows, losses, exponents -------------------------------------------- */

/* An index for each row along `axis`, which disappears. */
const Type *shape_argmax(const Shaper *shaper) {
  const Type *type = shaper_operand(shaper, 0);
  int64_t axis = shaper->node->attr.axis, dim[MAX_RANK];
  int rank = 0;
  if (!shaper_real(shaper, 0) || !shaper_axis(shaper))
    return NULL;
  if (type->dim[axis] == 0)
    return shaper_fail(shaper, "of no elements has no value: axis %d of %s",
                       (int)axis, shaper_show(shaper, type));
  for (int i = 0; i < type->rank; i++)
    if (i != axis)
      dim[rank++] = type->dim[i];
  return type_make(shaper->types, FORMAT_I32, rank, dim);
}

/* Logits [.., n] and labels [..] of whole numbers. */
static bool check_labels(const Shaper *shaper) {
  const Type *logits = shaper_operand(shaper, 0),
             *labels = shaper_operand(shaper, 1);
  if (!shaper_real(shaper, 0))
    return false;
  double smooth = shaper->node->attr.smooth;
  if (!(smooth >= 0 && smooth <= 1)) {
    shaper_fail(shaper, "needs a `smooth` from 0 to 1");
    return false;
  }
  bool fits = type_is_index(labels) && logits->rank == labels->rank + 1;
  for (int i = 0; fits && i < labels->rank; i++)
    fits = logits->dim[i] == labels->dim[i];
  if (!fits)
    shaper_fail(shaper,
                "needs logits [.., n] and whole-number labels [..], not %s "
                "and %s",
                shaper_show(shaper, logits), shaper_show(shaper, labels));
  return fits;
}

/* One loss for each label. */
const Type *shape_softmax_xent(const Shaper *shaper) {
  if (!check_labels(shaper))
    return NULL;
  return shaper_same(shaper, shaper_operand(shaper, 1), FORMAT_REAL);
}

/* One gradient for each logit, scaled by dy of its row. */
const Type *shape_softmax_xent_grad(const Shaper *shaper) {
  if (!check_labels(shaper) || !shaper_real(shaper, 2))
    return NULL;
  if (!type_same_shape(shaper_operand(shaper, 1), shaper_operand(shaper, 2)))
    return shaper_fail(shaper, "needs one gradient per label, not %s for %s",
                       shaper_show_operand(shaper, 2),
                       shaper_show_operand(shaper, 1));
  return shaper_same(shaper, shaper_operand(shaper, 0), FORMAT_REAL);
}

/* The largest element of data fits a format; other norms say nothing of it,
 * and what has the exponents of f32 holds every element as it is. */
static bool shaper_fits(const Shaper *shaper) {
  const Attributes *attr = &shaper->node->attr;
  if (attr->fit == FORMAT_NONE)
    return true;
  if (attr->by == NORM_MAX && format_is_short(attr->fit))
    return true;
  shaper_fail(shaper,
              attr->by == NORM_MAX
                  ? "fits data to a format with fewer exponents than f32, not "
                    "to %s"
                  : "fits data to %s by its largest element: `by = max`",
              format_info(attr->fit)->text);
  return false;
}

/* Exponents are single integers; max_exponent reads no tensor at all. */
const Type *shape_exponent(const Shaper *shaper) {
  Op op = shaper->node->op;
  if (op == OP_NORM_EXPONENT &&
      (!shaper_real(shaper, 0) || !shaper_fits(shaper)))
    return NULL;
  const Type *type = type_scalar(shaper->types, FORMAT_I32);
  bool one = op == OP_STATE_EXPONENT || op == OP_HELD_EXPONENT;
  const Type *state = node_inputs(shaper->node) ? shaper_operand(shaper, 0) : 0;
  if (one && state != type)
    return shaper_fail(shaper, "reads a state of i32[], not %s",
                       shaper_show(shaper, state));
  if (op == OP_DELAYED_EXPONENT &&
      (state->rank != 1 || state->format != FORMAT_I32))
    return shaper_fail(shaper, "reads a history of i32[n], not %s",
                       shaper_show(shaper, state));
  if (op == OP_DELAYED_EXPONENT && !shaper_real(shaper, 1))
    return NULL;
  if (op == OP_HELD_EXPONENT &&
      !node_defines_exponent(graph_node(shaper->graph, shaper->node->input[1])))
    return shaper_fail(shaper, "holds an exponent, not %s",
                       shaper_show_operand(shaper, 1));
  if (op == OP_HELD_EXPONENT && shaper->node->attr.every < 1)
    return shaper_fail(shaper, "measures every 1, 2, .. steps, not %" PRId64,
                       shaper->node->attr.every);
  return type;
}

/* As unary; what is measured of data is a matter of the norm and the format,
 * and when, of the steps. */
const Type *shape_rescale(const Shaper *shaper) {
  const Attributes *attr = &shaper->node->attr;
  if (attr->every < 0 || attr->history < 0 || attr->history > EXPONENT_HISTORY)
    return shaper_fail(shaper,
                       "measures every 1, 2, .. steps and remembers up to %d, "
                       "not %" PRId64 " and %" PRId64,
                       EXPONENT_HISTORY, attr->every, attr->history);
  return shaper_fits(shaper) ? shape_unary(shaper) : NULL;
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

/* By the rules that combine the shapes of their operands. */
bool shape_broadcasts(Op op) {
  ShapeRule *rule = shape_rule[op];
  return rule == shape_binary || rule == shape_arithmetic ||
         rule == shape_integers || rule == shape_logic ||
         rule == shape_comparison || rule == shape_select;
}
