/* Two operands side by side: do their shapes combine, are they one kind of
 * number, and what the labels of the result are (language.md 6).
 *
 * In: the operands of an operator or of a built-in such as `maximum`. Out: the
 * format to which numbers known now adapt, or a message with both shapes and
 * where their sizes come from.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

/* A literal whole number is not counted as real: it adapts to either side. */
static bool is_real_operand(const Elaborator *e, Value value) {
  return value.kind == VALUE_REAL ||
         (value.kind == VALUE_TENSOR &&
          format_is_real(value_type(e, value)->format));
}

/* ---- labels ------------------------------------------------------------- */

/* The labels of the wider operand, completed by those of the other. */
const char *const *pair_labels(Elaborator *e, Value left, Value right) {
  if (left.kind != VALUE_TENSOR)
    return right.kind == VALUE_TENSOR ? right.as.tensor.label : NULL;
  if (right.kind != VALUE_TENSOR)
    return left.as.tensor.label;
  const Type *a = value_type(e, left), *b = value_type(e, right);
  int rank = a->rank > b->rank ? a->rank : b->rank;
  const char **label = NEW_ARRAY(e->scratch, const char *, MAX_RANK);
  for (int i = 0; i < rank; i++) {
    int from_a = i - (rank - a->rank), from_b = i - (rank - b->rank);
    bool has_a = from_a >= 0 && left.as.tensor.label &&
                 left.as.tensor.label[from_a] && a->dim[from_a] != 1;
    bool has_b = from_b >= 0 && right.as.tensor.label;
    label[i] = has_a   ? left.as.tensor.label[from_a]
               : has_b ? right.as.tensor.label[from_b]
                       : NULL;
  }
  return label;
}

/* ---- broadcasting ------------------------------------------------------- */

static const char *size_with_label(Elaborator *e, Value value, int axis) {
  const Type *type = value_type(e, value);
  const char *const *label = value.as.tensor.label;
  if (label && label[axis])
    return text_printf(e, "%" PRId64 " (%s)", type->dim[axis], label[axis]);
  return text_printf(e, "%" PRId64, type->dim[axis]);
}

/* Why the shorter shape is not the end of the longer. */
static void explain_suffix(Elaborator *e, Diagnostic *error, Value longer,
                           Value shorter, const char *side) {
  const Type *a = value_type(e, longer), *b = value_type(e, shorter);
  int lead = a->rank - b->rank;
  for (int i = 0; i < b->rank; i++) {
    if (a->dim[lead + i] == b->dim[i])
      continue;
    error_note(e, error,
               "%s would have to be the last axes of the %s side, or have as "
               "many axes; %s is not %s",
               shape_text(e, b), side, size_with_label(e, shorter, i),
               size_with_label(e, longer, lead + i));
    return;
  }
}

/* Equal ranks: the first pair of sizes that is neither equal nor has a 1. */
static void explain_equal_ranks(Elaborator *e, Diagnostic *error, Value left,
                                Value right) {
  const Type *a = value_type(e, left), *b = value_type(e, right);
  for (int i = 0; i < a->rank; i++)
    if (a->dim[i] != b->dim[i] && a->dim[i] != 1 && b->dim[i] != 1) {
      error_note(e, error, "sizes must be equal or 1; at axis %d %s is not %s",
                 i, size_with_label(e, left, i), size_with_label(e, right, i));
      return;
    }
}

/* [b] with [b, 1]: an axis at the end of the shorter would line them up. */
static bool wants_new_axis(const Type *longer, const Type *shorter) {
  return shorter->rank == 1 && longer->rank == 2 &&
         (longer->dim[0] == shorter->dim[0]);
}

/* The operand as something that can be subscripted. */
static const char *subscriptable(Elaborator *e, const Expr *operand) {
  bool binds = operand->kind == EXPR_BINARY || operand->kind == EXPR_UNARY;
  const char *text = expr_text(e, operand);
  return binds ? text_printf(e, "(%s)", text) : text;
}

static void hint_column(Elaborator *e, Diagnostic *error, const Expr *operand,
                        Value value) {
  error_hint(e, error, "`%s[:, new]` is [%" PRId64 ", 1]",
             subscriptable(e, operand), value_type(e, value)->dim[0]);
}

/* A table longer than what it meets: its first rows would fit. */
static void hint_rows(Elaborator *e, Diagnostic *error, const Expr *operand,
                      Value shorter, Value longer) {
  const Type *a = value_type(e, longer), *b = value_type(e, shorter);
  const char *const *label = longer.as.tensor.label;
  int lead = a->rank - b->rank;
  for (int i = 1; i < b->rank; i++)
    if (a->dim[lead + i] != b->dim[i])
      return;
  if (b->dim[0] <= a->dim[lead] || !label || !label[lead])
    return;
  error_hint(e, error, "take the first %s: `%s[:%s]`", label[lead],
             subscriptable(e, operand), label[lead]);
}

/* The shape with its source expressions; a parameter also says where it is
 * declared. */
static void label_operand(Elaborator *e, Diagnostic *error, const Expr *operand,
                          Value value) {
  const Node *node = graph_node(e->builder->graph, value.as.tensor.id);
  Span declared = {0};
  if (node->op == OP_PARAM)
    declared = e->program->param.data[node->attr.index].span;
  const char *where =
      declared.source && !span_is_builtin(e, declared)
          ? text_printf(e, ", declared at %s", place_text(e, declared))
          : "";
  error_label(e, error, operand->span, "%s%s", value_describe_sizes(e, value),
              where);
}

/* The classic slip gets its own hint: a vector along the wrong axis. */
static void fail_combine(Elaborator *e, const Pair *pair, Value left,
                         Value right) {
  const Type *a = value_type(e, left), *b = value_type(e, right);
  Diagnostic error =
      error_begin(e, pair->at, "E0301", "`%s` cannot combine %s with %s",
                  pair->name, type_text(e, a), type_text(e, b));
  label_operand(e, &error, pair->left, left);
  label_operand(e, &error, pair->right, right);
  if (a->rank == b->rank)
    explain_equal_ranks(e, &error, left, right);
  else if (wants_new_axis(a, b))
    hint_column(e, &error, pair->right, right);
  else if (wants_new_axis(b, a))
    hint_column(e, &error, pair->left, left);
  else if (a->rank > b->rank) {
    explain_suffix(e, &error, left, right, "left");
    hint_rows(e, &error, pair->right, right, left);
  } else {
    explain_suffix(e, &error, right, left, "right");
    hint_rows(e, &error, pair->left, left, right);
  }
  error_send(e, &error);
}

bool pair_combines(Elaborator *e, const Pair *pair, Value left, Value right) {
  int rank;
  int64_t dim[MAX_RANK];
  if (left.kind != VALUE_TENSOR || right.kind != VALUE_TENSOR ||
      shape_combine(value_type(e, left), value_type(e, right), &rank, dim))
    return true;
  fail_combine(e, pair, left, right);
  return false;
}

/* ---- kinds of number ---------------------------------------------------- */

/* "integers u8[4]", "truth values bool[4]". */
static const char *kind_text(Elaborator *e, const Type *type) {
  return text_printf(e, "%s %s",
                     type->format == FORMAT_BOOL ? "truth values" : "integers",
                     type_text(e, type));
}

/* `real(image) / 255.0`, or for a built-in `real(image)`. */
static void hint_convert(Elaborator *e, Diagnostic *error, const Pair *pair,
                         bool left, const char *word) {
  const char *text = expr_text(e, left ? pair->left : pair->right);
  if (!pair->infix)
    error_hint(e, error, "convert first: `%s(%s)`", word, text);
  else if (left)
    error_hint(e, error, "convert first: `%s(%s) %s %s`", word, text,
               pair->name, span_text(e, pair->right->span));
  else
    error_hint(e, error, "convert first: `%s %s %s(%s)`",
               span_text(e, pair->left->span), pair->name, word, text);
}

/* A tensor of whole numbers meets reals: `image / 255.0`. */
static Format fail_mixed(Elaborator *e, const Pair *pair, Value left,
                         Value right) {
  bool left_is_real = is_real_operand(e, left);
  Value whole = left_is_real ? right : left, real = left_is_real ? left : right;
  const Expr *operand = left_is_real ? pair->right : pair->left;
  const Type *type = value_type(e, whole);
  Diagnostic error =
      error_begin(e, pair->at, "E0401", "`%s` mixes %s with %s", pair->name,
                  kind_text(e, type), value_describe(e, real));
  error_label(e, &error, operand->span, "%s", format_info(type->format)->text);
  hint_convert(e, &error, pair, !left_is_real, "real");
  error_send(e, &error);
  return FORMAT_NONE;
}

/* Whole numbers of two formats, or with truth values: the first is as good as
 * the second, so the hint converts what is not i32. */
static Format fail_formats(Elaborator *e, const Pair *pair, Value left,
                           Value right) {
  Format a = value_type(e, left)->format;
  Format b = value_type(e, right)->format;
  Diagnostic error =
      error_begin(e, pair->at, "E0410", "`%s` %s %s with %s", pair->name,
                  pair->compares ? "compares" : "mixes",
                  value_describe(e, left), value_describe(e, right));
  bool convert_left = b == FORMAT_I32 || a == FORMAT_BOOL;
  hint_convert(e, &error, pair, convert_left,
               format_info(convert_left ? b : a)->text);
  error_send(e, &error);
  return FORMAT_NONE;
}

static Format fail_values(Elaborator *e, const Pair *pair, Value left,
                          Value right) {
  fail(e, pair->at, "E0411", "`%s` cannot combine %s and %s", pair->name,
       value_describe(e, left), value_describe(e, right));
  return FORMAT_NONE;
}

/* The range of a whole-number format that a literal can meet. */
static bool literal_fits(Format format, int64_t value) {
  switch (format) {
  case FORMAT_I32:
    return value >= INT32_MIN && value <= INT32_MAX;
  case FORMAT_U8:
    return value >= 0 && value <= UINT8_MAX;
  case FORMAT_U16:
    return value >= 0 && value <= UINT16_MAX;
  default:
    return value >= -(INT64_C(1) << 53) && value <= INT64_C(1) << 53;
  }
}

/* A number or truth value known now beside a tensor that is not real. */
static Format literal_format(Elaborator *e, const Pair *pair, Value left,
                             Value right) {
  bool left_is_tensor = left.kind == VALUE_TENSOR;
  Value literal = left_is_tensor ? right : left;
  Format format = value_type(e, left_is_tensor ? left : right)->format;
  if ((literal.kind == VALUE_BOOL) != (format == FORMAT_BOOL))
    return fail_values(e, pair, left, right);
  if (literal.kind == VALUE_BOOL || literal_fits(format, literal.as.integer))
    return format;
  Diagnostic error =
      error_begin(e, (left_is_tensor ? pair->right : pair->left)->span, "E0401",
                  "%s does not fit into %s", value_text(e, literal),
                  format_info(format)->text);
  if (format == FORMAT_I64)
    error_note(e, &error, "the numbers of a text go up to 2^53 beside i64");
  error_send(e, &error);
  return FORMAT_NONE;
}

static bool is_operand(Value value) {
  return value.kind == VALUE_TENSOR || value.kind == VALUE_BOOL ||
         value_is_number(value);
}

Format pair_format(Elaborator *e, const Pair *pair, Value left, Value right) {
  bool tensors = left.kind == VALUE_TENSOR && right.kind == VALUE_TENSOR;
  bool real = is_real_operand(e, left) || is_real_operand(e, right);
  bool whole = (left.kind == VALUE_TENSOR && !is_real_operand(e, left)) ||
               (right.kind == VALUE_TENSOR && !is_real_operand(e, right));
  if (!is_operand(left) || !is_operand(right))
    return fail_values(e, pair, left, right);
  if (real && whole)
    return fail_mixed(e, pair, left, right);
  if (!whole && (left.kind == VALUE_BOOL || right.kind == VALUE_BOOL))
    return fail_values(e, pair, left, right);
  if (!whole)
    return FORMAT_REAL;
  if (!tensors)
    return literal_format(e, pair, left, right);
  Format format = value_type(e, left)->format;
  return format == value_type(e, right)->format
             ? format
             : fail_formats(e, pair, left, right);
}
