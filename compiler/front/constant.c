/* Compile-time arithmetic: sizes, settings and conditions.
 *
 * Whole numbers are 64 bits and checked; reals are binary64. `/` between whole
 * numbers must be exact (language.md 4): most wrong head counts die here.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- messages ----------------------------------------------------------- */

/* "heads = 32 = H": an operand beside its value. NULL for a literal. */
static const char *operand_text(Elaborator *e, const Expr *expr, Value value) {
  if (expr->kind == EXPR_INT || expr->kind == EXPR_FLOAT)
    return "";
  const char *text = expr_text(e, expr);
  if (strcmp(text, value_text(e, value)) == 0)
    return "";
  if (value.given && strcmp(value.given, text) != 0)
    return text_printf(e, "%s = %s = %s", text, value_text(e, value),
                       value.given);
  return text_printf(e, "%s = %s", text, value_text(e, value));
}

/* A message at an operator, with both operands and their values. */
static Diagnostic operands_begin(Elaborator *e, const Expr *expr, Value left,
                                 Value right, const char *code,
                                 const char *message) {
  Diagnostic error = error_begin(e, expr->op_span, code, "%s", message);
  error_label(e, &error, expr->left->span, "%s",
              operand_text(e, expr->left, left));
  error_label(e, &error, expr->right->span, "%s",
              operand_text(e, expr->right, right));
  return error;
}

/* The two ways out: rounding down, or leaving the whole numbers. */
static Value fail_inexact(Elaborator *e, const Expr *expr, Value left,
                          Value right) {
  int64_t a = left.as.integer, b = right.as.integer;
  Diagnostic error = operands_begin(
      e, expr, left, right, "E0311",
      text_printf(e, "%" PRId64 " / %" PRId64 " leaves a remainder of %" PRId64,
                  a, b, a % b));
  error_note(e, &error, "`/` between whole numbers must be exact");
  error_hint(e, &error,
             "`//` rounds down; `real(%s) / %s` is a real number, and cannot "
             "be a size",
             expr_text(e, expr->left), span_text(e, expr->right->span));
  return error_send(e, &error);
}

static Value fail_arithmetic(Elaborator *e, const Expr *expr, Value left,
                             Value right, const char *message) {
  Diagnostic error = operands_begin(e, expr, left, right, "E0312", message);
  return error_send(e, &error);
}

static Value fail_kinds(Elaborator *e, const Expr *expr, Value left,
                        Value right) {
  return fail(e, expr->op_span, "E0411", "`%s` cannot combine %s and %s",
              operator_text(expr->op), value_describe(e, left),
              value_describe(e, right));
}

/* ---- whole numbers ------------------------------------------------------ */

static int64_t floor_div(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

/* By squaring; false on overflow. */
static bool integer_power(int64_t base, int64_t exponent, int64_t *out) {
  *out = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1 && __builtin_mul_overflow(*out, base, out))
      return false;
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base))
      return false;
  }
  return true;
}

/* Division in its three forms; the divisor is not zero. */
static bool divide_integers(const Expr *expr, int64_t a, int64_t b,
                            int64_t *out) {
  if (a == INT64_MIN && b == -1)
    return false;
  *out = expr->op == BIN_DIV        ? a / b
         : expr->op == BIN_FLOORDIV ? floor_div(a, b)
                                    : a - b * floor_div(a, b);
  return true;
}

/* Every result is checked to fit; nothing wraps. */
static Value integer_binary(Elaborator *e, const Expr *expr, Value left,
                            Value right) {
  int64_t a = left.as.integer, b = right.as.integer, result = 0;
  bool fits = true;
  switch (expr->op) {
  case BIN_ADD:
    fits = !__builtin_add_overflow(a, b, &result);
    break;
  case BIN_SUB:
    fits = !__builtin_sub_overflow(a, b, &result);
    break;
  case BIN_MUL:
    fits = !__builtin_mul_overflow(a, b, &result);
    break;
  case BIN_DIV:
  case BIN_FLOORDIV:
  case BIN_MOD:
    if (b == 0)
      return fail_arithmetic(e, expr, left, right, "division by zero");
    if (expr->op == BIN_DIV && b != -1 && a % b != 0)
      return fail_inexact(e, expr, left, right);
    fits = divide_integers(expr, a, b, &result);
    break;
  case BIN_POW:
    if (b < 0)
      return fail_arithmetic(
          e, expr, left, right,
          "a whole number to a negative power is no whole number");
    fits = integer_power(a, b, &result);
    break;
  default:
    return fail_kinds(e, expr, left, right);
  }
  return fits ? value_int(result)
              : fail_arithmetic(e, expr, left, right,
                                "the result does not fit in 64 bits");
}

/* ---- reals -------------------------------------------------------------- */

/* Reals fold in binary64, whatever the recipe says: a recipe speaks of what
 * runs, and this does not. */
static Value real_binary(Elaborator *e, const Expr *expr, Value left,
                         Value right) {
  double a = value_number(left), b = value_number(right);
  switch (expr->op) {
  case BIN_ADD:
    return value_real(a + b);
  case BIN_SUB:
    return value_real(a - b);
  case BIN_MUL:
    return value_real(a * b);
  case BIN_POW:
    return value_real(pow(a, b));
  case BIN_DIV:
  case BIN_FLOORDIV:
  case BIN_MOD:
    if (b == 0)
      return fail_arithmetic(e, expr, left, right, "division by zero");
    return value_real(expr->op == BIN_DIV        ? a / b
                      : expr->op == BIN_FLOORDIV ? floor(a / b)
                                                 : a - b * floor(a / b));
  default:
    return fail_kinds(e, expr, left, right);
  }
}

/* ---- comparisons and logic ---------------------------------------------- */

static bool is_comparison(Operator op) {
  return op >= BIN_LT && op <= BIN_NE;
}

/* `order` is the sign of left - right; NaN is unordered and equals nothing. */
static Value compare(Operator op, int order, bool unordered) {
  bool truth = op == BIN_LT   ? order < 0
               : op == BIN_GT ? order > 0
               : op == BIN_LE ? order <= 0
               : op == BIN_GE ? order >= 0
               : op == BIN_EQ ? order == 0
                              : order != 0;
  return value_bool(unordered ? op == BIN_NE : truth);
}

/* Whole numbers are compared exactly, not as reals. */
static Value compare_numbers(Operator op, Value left, Value right) {
  if (left.kind == VALUE_INT && right.kind == VALUE_INT) {
    int64_t a = left.as.integer, b = right.as.integer;
    return compare(op, (a > b) - (a < b), false);
  }
  double a = value_number(left), b = value_number(right);
  return compare(op, (a > b) - (a < b), isnan(a) || isnan(b));
}

/* Truths and strings can be equal; only numbers have an order. */
static Value compare_values(Elaborator *e, const Expr *expr, Value left,
                            Value right) {
  bool equality = expr->op == BIN_EQ || expr->op == BIN_NE;
  if (value_is_number(left) && value_is_number(right))
    return compare_numbers(expr->op, left, right);
  if (equality && left.kind == VALUE_BOOL && right.kind == VALUE_BOOL)
    return compare(expr->op, left.as.truth != right.as.truth, false);
  if (equality && left.kind == VALUE_STRING && right.kind == VALUE_STRING)
    return compare(expr->op, strcmp(left.as.text, right.as.text), false);
  return fail_kinds(e, expr, left, right);
}

/* Both operands are known now; `and` and `or` are decided earlier, for they
 * may not need the right one. */
Value constant_binary(Elaborator *e, const Expr *expr, Value left,
                      Value right) {
  if (is_comparison(expr->op))
    return compare_values(e, expr, left, right);
  if (!value_is_number(left) || !value_is_number(right))
    return fail_kinds(e, expr, left, right);
  if (left.kind == VALUE_INT && right.kind == VALUE_INT)
    return integer_binary(e, expr, left, right);
  return real_binary(e, expr, left, right);
}

Value constant_unary(Elaborator *e, const Expr *expr, Value operand) {
  if (expr->op == UN_NOT && operand.kind == VALUE_BOOL)
    return value_bool(!operand.as.truth);
  if (expr->op == UN_NEG && operand.kind == VALUE_REAL)
    return value_real(-operand.as.real);
  if (expr->op == UN_NEG && operand.kind == VALUE_INT &&
      operand.as.integer != INT64_MIN)
    return value_int(-operand.as.integer);
  return fail(e, expr->span, "E0411", "`%s` cannot be applied to %s",
              operator_text(expr->op), value_describe(e, operand));
}

/* ---- what a context wants ----------------------------------------------- */

/* `what` completes "... is a whole number known at compile time". */
bool eval_int(Elaborator *e, const Expr *expr, const char *what, int64_t *out) {
  Value value = eval_count(e, expr, what);
  if (!value_is_poison(value))
    *out = value.as.integer;
  return !value_is_poison(value);
}

Value eval_count(Elaborator *e, const Expr *expr, const char *what) {
  Value value = eval(e, expr);
  if (value.kind != VALUE_INT && !value_is_poison(value))
    return fail(e, expr->span, "E0413",
                "%s is a whole number known at compile time, "
                "not %s",
                what, value_describe(e, value));
  return value;
}

/* `what` is the statement: if, assert. */
bool eval_condition(Elaborator *e, const Expr *expr, const char *what,
                    bool *out) {
  Value value = eval(e, expr);
  if (value.kind == VALUE_BOOL) {
    *out = value.as.truth;
    return true;
  }
  if (value_is_poison(value))
    return false;
  if (value.kind != VALUE_TENSOR) {
    fail(e, expr->span, "E0423",
         "the condition of `%s` is true or false, not %s", what,
         value_describe(e, value));
    return false;
  }
  Diagnostic error = error_begin(
      e, expr->span, "E0404",
      "the condition of `%s` is decided at compile time; `%s` is known at run "
      "time only",
      what, expr_text(e, expr));
  if (strcmp(what, "if") == 0 && !span_is_builtin(e, expr->span))
    error_hint(e, &error, "`where(%s, a, b)` chooses at run time",
               expr_text(e, expr));
  error_send(e, &error);
  return false;
}

/* A whole number is also a real; nothing else converts. */
static bool convert_fits(Value *value, const char *word) {
  if (strcmp(word, "real") == 0 && value->kind == VALUE_INT)
    *value = value_real((double)value->as.integer);
  return (strcmp(word, "int") == 0 && value->kind == VALUE_INT) ||
         (strcmp(word, "real") == 0 && value->kind == VALUE_REAL) ||
         (strcmp(word, "bool") == 0 && value->kind == VALUE_BOOL) ||
         (strcmp(word, "str") == 0 && value->kind == VALUE_STRING);
}

Value constant_convert(Elaborator *e, Value value, const TypeExpr *type,
                       const char *name, Span span) {
  if (value_is_poison(value))
    return value;
  bool plain =
      type->kind == TYPE_NAMED && !type->has_shape && !type->path.part->next;
  if (plain && convert_fits(&value, type->path.part->text))
    return value;
  return fail(e, span, "E0412", "`%s` is declared %s, not %s", name,
              span_text(e, type->span), value_describe(e, value));
}
