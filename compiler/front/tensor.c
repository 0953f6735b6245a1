/* Operators on tensors: element-wise arithmetic, comparisons and logic with
 * strict broadcasting, powers, conversion (language.md 6).
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
  if (value.kind == VALUE_BOOL)
    return emit_constant(e, span, FORMAT_BOOL, value.as.truth);
  return emit_constant(e, span, format, value_number(value));
}

/* ---- arithmetic --------------------------------------------------------- */

/* Shapes and kinds were checked: only the order of constants is left to
 * decide. */
static Value pair_emit(Elaborator *e, const Expr *expr, Op op, Format format,
                       Value left, Value right) {
  bool swap = (op == OP_ADD || op == OP_MUL) && left.kind != VALUE_TENSOR;
  ValueId a = tensor_operand(e, expr->left->span, left, format);
  ValueId b = tensor_operand(e, expr->right->span, right, format);
  return value_tensor(emit(e, expr->span, op, NULL, swap ? b : a, swap ? a : b),
                      pair_labels(e, left, right));
}

/* a // b of reals is floor(a / b), and a % b is a - b * (a // b). */
static Value real_division(Elaborator *e, const Expr *expr, Value left,
                           Value right) {
  ValueId a = tensor_operand(e, expr->left->span, left, FORMAT_REAL);
  ValueId b = tensor_operand(e, expr->right->span, right, FORMAT_REAL);
  ValueId ratio = emit(e, expr->span, OP_DIV, NULL, a, b);
  ValueId result = emit(e, expr->span, OP_FLOOR, NULL, ratio, 0);
  if (expr->op == BIN_MOD) {
    ValueId whole = emit(e, expr->span, OP_MUL, NULL, result, b);
    result = emit(e, expr->span, OP_SUB, NULL, a, whole);
  }
  return value_tensor(result, pair_labels(e, left, right));
}

enum { POWER_MAX = 8 };

/* x ** n as products, x ** 0.5 as a root; negative powers divide. Other
 * exponents known now are those of the op `pow`. */
static Value constant_power(Elaborator *e, const Expr *expr, Value base,
                            double exponent) {
  ValueId x = base.as.tensor.id, result = x;
  double size = fabs(exponent);
  if (size == 0.5)
    result = emit(e, expr->span, OP_SQRT, NULL, x, 0);
  else if (size >= 1 && size <= POWER_MAX && size == floor(size))
    for (int i = 1; i < (int)size; i++)
      result = emit(e, expr->span, OP_MUL, NULL, result, x);
  else
    return value_tensor(
        emit(e, expr->span, OP_POW, NULL, x,
             emit_constant(e, expr->right->span, FORMAT_REAL, exponent)),
        base.as.tensor.label);
  if (exponent < 0)
    result = emit(e, expr->span, OP_DIV, NULL,
                  emit_constant(e, expr->span, FORMAT_REAL, 1.0), result);
  return value_tensor(result, base.as.tensor.label);
}

/* i32 ** n: products, for a whole number n known now. */
static Value integer_power(Elaborator *e, const Expr *expr, Value base,
                           Value exponent) {
  if (exponent.kind == VALUE_INT && exponent.as.integer >= 1 &&
      exponent.as.integer <= POWER_MAX)
    return constant_power(e, expr, base, (double)exponent.as.integer);
  Diagnostic error =
      error_begin(e, expr->op_span, "E0401",
                  "the power of a tensor of whole numbers is a number from 1 "
                  "to %d, known at compile time",
                  POWER_MAX);
  error_hint(e, &error, "convert first: `real(%s) ** %s`",
             expr_text(e, expr->left), span_text(e, expr->right->span));
  return error_send(e, &error);
}

/* a ** t = exp(t log a), for a positive constant: what optimizers need for bias
 * correction. */
static Value exponential(Elaborator *e, const Expr *expr, double base,
                         Value exponent) {
  ValueId log_base = emit_constant(e, expr->left->span, FORMAT_REAL, log(base));
  ValueId product =
      emit(e, expr->span, OP_MUL, NULL, exponent.as.tensor.id, log_base);
  return value_tensor(emit(e, expr->span, OP_EXP, NULL, product, 0),
                      exponent.as.tensor.label);
}

static Value tensor_power(Elaborator *e, const Expr *expr, Value left,
                          Value right) {
  if (value_is_number(right))
    return constant_power(e, expr, left, value_number(right));
  if (value_is_number(left) && value_number(left) > 0 &&
      isfinite(value_number(left)))
    return exponential(e, expr, value_number(left), right);
  return pair_emit(e, expr, OP_POW, FORMAT_REAL, left, right);
}

/* The op of each operator on two tensors, and on i32 where that is another
 * one. OP_COUNT: `**`, which is several; `//` and `%` of reals. */
static const struct {
  Op real, whole;
} operator_op[] = {
    [BIN_ADD] = {OP_ADD, OP_ADD},
    [BIN_SUB] = {OP_SUB, OP_SUB},
    [BIN_MUL] = {OP_MUL, OP_MUL},
    [BIN_DIV] = {OP_DIV, OP_COUNT},
    [BIN_FLOORDIV] = {OP_COUNT, OP_FLOORDIV},
    [BIN_MOD] = {OP_COUNT, OP_MOD},
    [BIN_POW] = {OP_COUNT, OP_COUNT},
    [BIN_LT] = {OP_LT, OP_LT},
    [BIN_GT] = {OP_GT, OP_GT},
    [BIN_LE] = {OP_LE, OP_LE},
    [BIN_GE] = {OP_GE, OP_GE},
    [BIN_EQ] = {OP_EQ, OP_EQ},
    [BIN_NE] = {OP_NE, OP_NE},
    [BIN_AND] = {OP_AND, OP_AND},
    [BIN_OR] = {OP_OR, OP_OR},
};

static bool is_comparison(Operator op) {
  return op >= BIN_LT && op <= BIN_NE;
}

/* Arithmetic on whole numbers is on i32. */
static Value fail_integers(Elaborator *e, const Expr *expr, Value left,
                           Value right) {
  Value whole = left.kind == VALUE_TENSOR ? left : right;
  const Expr *operand = left.kind == VALUE_TENSOR ? expr->left : expr->right;
  const Type *type = value_type(e, whole);
  bool divides = expr->op == BIN_DIV;
  Diagnostic error = error_begin(
      e, expr->op_span, "E0401", "`%s` works on real numbers%s, `%s` is %s",
      operator_text(expr->op), divides ? "" : " and i32", expr_text(e, operand),
      type_text(e, type));
  error_label(e, &error, operand->span, "%s", format_info(type->format)->text);
  bool i32 = !divides && type->format != FORMAT_BOOL;
  error_hint(e, &error, "convert first: `%s(%s)`", i32 ? "i32" : "real",
             expr_text(e, operand));
  return error_send(e, &error);
}

/* i32, and every kind of number that is only compared. */
static Value integer_binary(Elaborator *e, const Expr *expr, Format format,
                            Value left, Value right) {
  Op op = operator_op[expr->op].whole;
  bool equality = expr->op == BIN_EQ || expr->op == BIN_NE;
  bool fits = is_comparison(expr->op) ? equality || format != FORMAT_BOOL
                                      : format == FORMAT_I32;
  if (fits && expr->op == BIN_POW && left.kind == VALUE_TENSOR)
    return integer_power(e, expr, left, right);
  if (is_comparison(expr->op) && !fits)
    return fail(e, expr->op_span, "E0411", "`%s` cannot combine %s and %s",
                operator_text(expr->op), value_describe(e, left),
                value_describe(e, right));
  if (!fits || op == OP_COUNT)
    return fail_integers(e, expr, left, right);
  return pair_emit(e, expr, op, format, left, right);
}

static Pair operator_pair(const Expr *expr) {
  return (Pair){operator_text(expr->op), true,       is_comparison(expr->op),
                expr->op_span,           expr->left, expr->right};
}

/* In the order in which a reader would object: shapes, kinds of value and of
 * number, the operator. */
Value tensor_binary(Elaborator *e, const Expr *expr, Value left, Value right) {
  Pair pair = operator_pair(expr);
  if (!pair_combines(e, &pair, left, right))
    return value_poison();
  Format format = pair_format(e, &pair, left, right);
  if (format == FORMAT_NONE)
    return value_poison();
  if (format != FORMAT_REAL)
    return integer_binary(e, expr, format, left, right);
  if (expr->op == BIN_POW)
    return tensor_power(e, expr, left, right);
  if (expr->op == BIN_FLOORDIV || expr->op == BIN_MOD)
    return real_division(e, expr, left, right);
  return pair_emit(e, expr, operator_op[expr->op].real, FORMAT_REAL, left,
                   right);
}

/* ---- logic -------------------------------------------------------------- */

static bool is_truth(const Elaborator *e, Value value) {
  return value.kind == VALUE_BOOL ||
         (value.kind == VALUE_TENSOR &&
          value_type(e, value)->format == FORMAT_BOOL);
}

static Value fail_truth(Elaborator *e, const Expr *expr, const Expr *operand,
                        Value value) {
  const char *text = expr_text(e, operand);
  Diagnostic error = error_begin(
      e, expr->op_span, "E0411", "`%s` works on truth values, `%s` is %s",
      operator_text(expr->op), text, value_describe(e, value));
  if (value.kind == VALUE_TENSOR)
    error_hint(e, &error, "compare first: `%s != 0`", text);
  return error_send(e, &error);
}

/* `and`, `or`. */
Value tensor_logic(Elaborator *e, const Expr *expr, Value left, Value right) {
  Pair pair = operator_pair(expr);
  if (!is_truth(e, left))
    return fail_truth(e, expr, expr->left, left);
  if (!is_truth(e, right))
    return fail_truth(e, expr, expr->right, right);
  if (!pair_combines(e, &pair, left, right))
    return value_poison();
  return pair_emit(e, expr, operator_op[expr->op].whole, FORMAT_BOOL, left,
                   right);
}

static Value tensor_not(Elaborator *e, const Expr *expr, Value operand) {
  if (!is_truth(e, operand))
    return fail_truth(e, expr, expr->left, operand);
  return value_tensor(
      emit(e, expr->span, OP_NOT, NULL, operand.as.tensor.id, 0),
      operand.as.tensor.label);
}

Value tensor_unary(Elaborator *e, const Expr *expr, Value operand) {
  if (expr->op == UN_NOT)
    return tensor_not(e, expr, operand);
  const Type *type = value_type(e, operand);
  if (!format_is_real(type->format) && type->format != FORMAT_I32)
    return fail(e, expr->span, "E0401",
                "`-` works on real numbers and i32, `%s` is %s",
                expr_text(e, expr->left), value_describe(e, operand));
  return value_tensor(
      emit(e, expr->span, OP_NEG, NULL, operand.as.tensor.id, 0),
      operand.as.tensor.label);
}
