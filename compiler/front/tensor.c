/* Operators on tensors: element-wise with strict broadcasting, powers, matrix
 * products, transposition, conversion (language.md 6).
 *
 * Numbers known now become CONST leaves in the format of the other operand.
 * The constant of a commutative op goes second, so that one form of the same
 * program reaches the passes.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- operands ----------------------------------------------------------- */

/* `format`: what the other operand has, for a number adapts. */
ValueId tensor_operand(Elaborator *e, Span span, Value value, Format format) {
  if (value.kind == VALUE_TENSOR)
    return value.as.tensor.id;
  return emit_constant(e, span, format, value_number(value));
}

/* A literal whole number is not counted as real: it adapts to either side. */
static bool is_real_operand(const Elaborator *e, Value value) {
  return value.kind == VALUE_REAL ||
         (value.kind == VALUE_TENSOR &&
          format_is_real(value_type(e, value)->format));
}

/* The labels of the wider operand, completed by those of the other. */
static const char *const *combined_labels(Elaborator *e, Value left,
                                          Value right) {
  if (left.kind != VALUE_TENSOR)
    return right.as.tensor.label;
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

/* `reshape(x, [b, 1])`, with the size as the text knows it. */
static void hint_column(Elaborator *e, Diagnostic *error, const Expr *operand,
                        Value value) {
  int64_t size = value_type(e, value)->dim[0];
  const char *label = value.as.tensor.label ? value.as.tensor.label[0] : NULL;
  const char *text = label ? label : text_printf(e, "%" PRId64, size);
  error_hint(e, error, "`reshape(%s, [%s, 1])` is [%" PRId64 ", 1]",
             expr_text(e, operand), text, size);
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
static Value fail_combine(Elaborator *e, const Expr *expr, Value left,
                          Value right) {
  const Type *a = value_type(e, left), *b = value_type(e, right);
  Diagnostic error =
      error_begin(e, expr->op_span, "E0301", "`%s` cannot combine %s with %s",
                  operator_text(expr->op), type_text(e, a), type_text(e, b));
  label_operand(e, &error, expr->left, left);
  label_operand(e, &error, expr->right, right);
  if (a->rank == b->rank)
    explain_equal_ranks(e, &error, left, right);
  else if (wants_new_axis(a, b))
    hint_column(e, &error, expr->right, right);
  else if (wants_new_axis(b, a))
    hint_column(e, &error, expr->left, left);
  else if (a->rank > b->rank)
    explain_suffix(e, &error, left, right, "left");
  else
    explain_suffix(e, &error, right, left, "right");
  return error_send(e, &error);
}

/* ---- kinds of number ---------------------------------------------------- */

/* A tensor of whole numbers meets reals: `image / 255.0`. */
static Value fail_mixed(Elaborator *e, const Expr *expr, Value left,
                        Value right) {
  bool left_is_real = is_real_operand(e, left);
  Value whole = left_is_real ? right : left, real = left_is_real ? left : right;
  const Expr *operand = left_is_real ? expr->right : expr->left;
  const Type *type = value_type(e, whole);
  const char *text = expr_text(e, operand);
  Diagnostic error = error_begin(
      e, expr->op_span, "E0401", "`%s` mixes integers %s with %s",
      operator_text(expr->op), type_text(e, type), value_describe(e, real));
  error_label(e, &error, operand->span, "%s", format_info(type->format)->text);
  if (left_is_real)
    error_hint(e, &error, "convert first: `%s %s real(%s)`",
               span_text(e, expr->left->span), operator_text(expr->op), text);
  else
    error_hint(e, &error, "convert first: `real(%s) %s %s`", text,
               operator_text(expr->op), span_text(e, expr->right->span));
  return error_send(e, &error);
}

/* Arithmetic on tensors is on reals; indices and labels are not computed
 * with. */
static Value fail_integers(Elaborator *e, const Expr *expr, Value left,
                           Value right) {
  Value whole = left.kind == VALUE_TENSOR ? left : right;
  const Expr *operand = left.kind == VALUE_TENSOR ? expr->left : expr->right;
  const Type *type = value_type(e, whole);
  Diagnostic error = error_begin(
      e, expr->op_span, "E0401", "`%s` works on real numbers, `%s` is %s",
      operator_text(expr->op), expr_text(e, operand), type_text(e, type));
  error_label(e, &error, operand->span, "%s", format_info(type->format)->text);
  error_hint(e, &error, "convert first: `real(%s)`", expr_text(e, operand));
  return error_send(e, &error);
}

/* Labels compared with predictions: whole numbers of one format. */
static Value compare_equal(Elaborator *e, const Expr *expr, Value left,
                           Value right) {
  Value tensor = left.kind == VALUE_TENSOR ? left : right;
  Format format = value_type(e, tensor)->format;
  if (left.kind == VALUE_TENSOR && right.kind == VALUE_TENSOR &&
      value_type(e, right)->format != format)
    return fail(e, expr->op_span, "E0410", "`==` compares %s with %s",
                value_describe(e, left), value_describe(e, right));
  ValueId a = tensor_operand(e, expr->left->span, left, format);
  ValueId b = tensor_operand(e, expr->right->span, right, format);
  return value_tensor(emit(e, expr->span, OP_EQ, NULL, a, b),
                      combined_labels(e, left, right));
}

/* ---- arithmetic --------------------------------------------------------- */

/* Shapes were checked: only the order of constants is left to decide. */
static Value real_arithmetic(Elaborator *e, const Expr *expr, Op op, Value left,
                             Value right) {
  bool swap = (op == OP_ADD || op == OP_MUL) && value_is_number(left);
  ValueId a = tensor_operand(e, expr->left->span, left, FORMAT_REAL);
  ValueId b = tensor_operand(e, expr->right->span, right, FORMAT_REAL);
  return value_tensor(emit(e, expr->span, op, NULL, swap ? b : a, swap ? a : b),
                      combined_labels(e, left, right));
}

enum { POWER_MAX = 8 };

/* x ** n as products, x ** 0.5 as a root; negative powers divide. */
static Value constant_power(Elaborator *e, const Expr *expr, Value base,
                            double exponent) {
  ValueId x = base.as.tensor.id, result = 0;
  double size = fabs(exponent);
  if (size == 0.5) {
    result = emit(e, expr->span, OP_SQRT, NULL, x, 0);
  } else if (size >= 1 && size <= POWER_MAX && size == floor(size)) {
    result = x;
    for (int i = 1; i < (int)size; i++)
      result = emit(e, expr->span, OP_MUL, NULL, result, x);
  } else {
    return fail_unsupported(e, expr->op_span, "the power %s of a tensor is",
                            expr_text(e, expr->right));
  }
  if (exponent < 0)
    result = emit(e, expr->span, OP_DIV, NULL,
                  emit_constant(e, expr->span, FORMAT_REAL, 1.0), result);
  return value_tensor(result, base.as.tensor.label);
}

/* A positive constant to a power known at run time is what optimizers need
 * for bias correction. */
static Value tensor_power(Elaborator *e, const Expr *expr, Value left,
                          Value right) {
  if (value_is_number(right))
    return constant_power(e, expr, left, value_number(right));
  if (!value_is_number(left) || !(value_number(left) > 0))
    return fail_unsupported(
        e, expr->op_span,
        "`**` with an exponent known at run time and a base that is no "
        "positive constant is");
  /* a ** t = exp(t log a) */
  ValueId log_base =
      emit_constant(e, expr->left->span, FORMAT_REAL, log(value_number(left)));
  ValueId product =
      emit(e, expr->span, OP_MUL, NULL, right.as.tensor.id, log_base);
  return value_tensor(emit(e, expr->span, OP_EXP, NULL, product, 0),
                      right.as.tensor.label);
}

static Op arithmetic_op(Operator op) {
  switch (op) {
  case BIN_ADD:
    return OP_ADD;
  case BIN_SUB:
    return OP_SUB;
  case BIN_MUL:
    return OP_MUL;
  case BIN_DIV:
    return OP_DIV;
  default:
    return OP_COUNT;
  }
}

static bool is_arithmetic_operand(Value value) {
  return value.kind == VALUE_TENSOR || value_is_number(value);
}

/* In the order in which a reader would object: kinds of value, shapes, kinds
 * of number, the operator. */
Value tensor_binary(Elaborator *e, const Expr *expr, Value left, Value right) {
  if (!is_arithmetic_operand(left) || !is_arithmetic_operand(right))
    return fail(e, expr->op_span, "E0411", "`%s` cannot combine %s and %s",
                operator_text(expr->op), value_describe(e, left),
                value_describe(e, right));
  int rank;
  int64_t dim[MAX_RANK];
  if (left.kind == VALUE_TENSOR && right.kind == VALUE_TENSOR &&
      !shape_combine(value_type(e, left), value_type(e, right), &rank, dim))
    return fail_combine(e, expr, left, right);
  bool reals = is_real_operand(e, left) || is_real_operand(e, right);
  bool whole = (left.kind == VALUE_TENSOR && !is_real_operand(e, left)) ||
               (right.kind == VALUE_TENSOR && !is_real_operand(e, right));
  if (reals && whole)
    return fail_mixed(e, expr, left, right);
  if (expr->op == BIN_EQ)
    return compare_equal(e, expr, left, right);
  Op op = arithmetic_op(expr->op);
  if (op == OP_COUNT && expr->op != BIN_POW)
    return fail_unsupported(e, expr->op_span, "`%s` on tensors is",
                            operator_text(expr->op));
  if (whole)
    return fail_integers(e, expr, left, right);
  if (expr->op == BIN_POW)
    return tensor_power(e, expr, left, right);
  return real_arithmetic(e, expr, op, left, right);
}

Value tensor_unary(Elaborator *e, const Expr *expr, Value operand) {
  if (expr->op == UN_NOT)
    return fail_unsupported(e, expr->op_span, "`not` on tensors is");
  if (!is_real_operand(e, operand))
    return fail(e, expr->span, "E0401", "`-` works on real numbers, `%s` is %s",
                expr_text(e, expr->left), value_describe(e, operand));
  return value_tensor(
      emit(e, expr->span, OP_NEG, NULL, operand.as.tensor.id, 0),
      operand.as.tensor.label);
}

/* Formats among reals are no conversion; that is `cast`, or the recipe. */
Value tensor_convert(Elaborator *e, Span span, Format format, Value operand) {
  const char *word = format_info(format)->text;
  if (value_is_poison(operand))
    return operand;
  if (format != FORMAT_REAL && format != FORMAT_I32)
    return fail_unsupported(e, span, "conversion by `%s(...)` is", word);
  if (format == FORMAT_REAL && value_is_number(operand))
    return value_real(value_number(operand));
  if (format == FORMAT_I32 && operand.kind == VALUE_INT)
    return operand;
  if (operand.kind != VALUE_TENSOR)
    return fail(e, span, "E0420", "`%s` cannot convert %s", word,
                value_describe(e, operand));
  const Type *from = value_type(e, operand);
  bool same = format == FORMAT_REAL ? format_is_real(from->format)
                                    : from->format == format;
  if (same)
    return operand;
  const Type *type = type_with_format(e->program->types, from, format);
  return value_tensor(
      emit_typed(e, span, OP_CONVERT, type, NULL, operand.as.tensor.id, 0),
      operand.as.tensor.label);
}
