/* Built-in functions of one element, and choices between elements.
 *
 * In: tensors and numbers known now. Out: a node, or where all is known now
 * the number, folded in binary64.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/exact.h"

/* ---- functions of one real ---------------------------------------------- */

static double rectified(double x) {
  return x > 0 ? x : 0;
}
static double inverse_root(double x) {
  return 1 / sqrt(x);
}

static double logistic(double x) {
  return 1 / (1 + exp(-x));
}

static const struct {
  const char *name;
  Op op;
  double (*fold)(double);
} unary_op[] = {{"tanh", OP_TANH, tanh},
                {"sigmoid", OP_SIGMOID, logistic},
                {"erf", OP_ERF, erf},
                {"sin", OP_SIN, sin},
                {"cos", OP_COS, cos},
                {"relu", OP_RELU, rectified},
                {"exp", OP_EXP, exp},
                {"log", OP_LOG, log},
                {"sqrt", OP_SQRT, sqrt},
                {"rsqrt", OP_RSQRT, inverse_root},
                {"sign", OP_SIGN, exact_sign},
                {"floor", OP_FLOOR, floor},
                {"round", OP_ROUND, exact_round}};

/* One operand, one shape. */
Value builtin_unary(Elaborator *e, const BuiltinCall *call) {
  size_t i = 0;
  while (strcmp(unary_op[i].name, call->builtin->name) != 0)
    i++;
  Value x = call->value[0];
  if (value_is_number(x))
    return value_real(unary_op[i].fold(value_number(x)));
  if (!builtin_real_tensor(e, call, 0, &x))
    return value_poison();
  return value_tensor(
      emit(e, call->call->span, unary_op[i].op, NULL, x.as.tensor.id, 0),
      x.as.tensor.label);
}

/* ---- real numbers and i32 ----------------------------------------------- */

/* Of the other whole numbers the hint makes i32. */
static bool is_arithmetic(Elaborator *e, const BuiltinCall *call, int i,
                          Format format) {
  if (format_is_real(format) || format == FORMAT_I32)
    return true;
  Diagnostic error =
      error_begin(e, call->expr[i]->span, "E0409",
                  "`%s` works on real numbers and i32, not %s",
                  call->builtin->name, value_describe(e, call->value[i]));
  error_hint(e, &error, "convert first: `%s(%s)`",
             format == FORMAT_BOOL ? "real" : "i32",
             expr_text(e, call->expr[i]));
  error_send(e, &error);
  return false;
}

Value builtin_abs(Elaborator *e, const BuiltinCall *call) {
  Value x = call->value[0];
  if (x.kind == VALUE_INT && x.as.integer != INT64_MIN)
    return value_int(x.as.integer < 0 ? -x.as.integer : x.as.integer);
  if (value_is_number(x))
    return value_real(fabs(value_number(x)));
  if (!builtin_tensor(e, call, 0, &x) ||
      !is_arithmetic(e, call, 0, value_type(e, x)->format))
    return value_poison();
  return value_tensor(
      emit(e, call->call->span, OP_ABS, NULL, x.as.tensor.id, 0),
      x.as.tensor.label);
}

static Pair argument_pair(const BuiltinCall *call, int left, int right) {
  return (Pair){
      call->builtin->name, false, false, call->call->span, call->expr[left],
      call->expr[right]};
}

/* Two whole numbers stay whole. */
static Value fold_extremum(Op op, Value a, Value b) {
  if (a.kind == VALUE_INT && b.kind == VALUE_INT) {
    bool first = (a.as.integer > b.as.integer) == (op == OP_MAXIMUM);
    return value_int(first ? a.as.integer : b.as.integer);
  }
  double x = value_number(a), y = value_number(b);
  return value_real(op == OP_MAXIMUM ? exact_maximum(x, y)
                                     : exact_minimum(x, y));
}

/* Of `a` and argument `i`, at least one of them a tensor. The order stays: a
 * tie goes to the first. */
static Value extremum(Elaborator *e, const BuiltinCall *call, Op op, Value a,
                      int i) {
  Value b = call->value[i];
  Pair pair = argument_pair(call, 0, i);
  if (value_is_number(a) && value_is_number(b))
    return fold_extremum(op, a, b);
  if (!pair_combines(e, &pair, a, b))
    return value_poison();
  Format format = pair_format(e, &pair, a, b);
  if (format == FORMAT_NONE ||
      !is_arithmetic(e, call, a.kind == VALUE_TENSOR ? 0 : i, format))
    return value_poison();
  Span span = call->call->span;
  ValueId x = tensor_operand(e, call->expr[0]->span, a, format);
  ValueId y = tensor_operand(e, call->expr[i]->span, b, format);
  return value_tensor(emit(e, span, op, NULL, x, y), pair_labels(e, a, b));
}

Value builtin_extremum(Elaborator *e, const BuiltinCall *call) {
  bool maximum = strcmp(call->builtin->name, "maximum") == 0;
  return extremum(e, call, maximum ? OP_MAXIMUM : OP_MINIMUM, call->value[0],
                  1);
}

/* minimum(maximum(x, low), high). */
Value builtin_clamp(Elaborator *e, const BuiltinCall *call) {
  Value low = call->value[1], high = call->value[2];
  if (value_is_number(low) && value_is_number(high) &&
      value_number(low) > value_number(high))
    return fail(e, call->expr[1]->span, "E0427",
                "`clamp` to the range from %s to %s, which is empty",
                value_text(e, low), value_text(e, high));
  Value raised = extremum(e, call, OP_MAXIMUM, call->value[0], 1);
  return value_is_poison(raised) ? raised
                                 : extremum(e, call, OP_MINIMUM, raised, 2);
}

/* ---- where -------------------------------------------------------------- */

static Value fail_condition(Elaborator *e, const BuiltinCall *call) {
  Value condition = call->value[0];
  Diagnostic error = error_begin(e, call->expr[0]->span, "E0402",
                                 "`where` chooses by truth values, not %s",
                                 value_describe(e, condition));
  if (condition.kind == VALUE_TENSOR)
    error_hint(e, &error, "compare first: `%s != 0`",
               expr_text(e, call->expr[0]));
  return error_send(e, &error);
}

static bool is_tensor_of(Elaborator *e, Value value, Format format) {
  return value.kind == VALUE_TENSOR && value_type(e, value)->format == format;
}

/* What two numbers known now become beside a condition that is not. */
static Format known_format(Value a, Value b) {
  return a.kind == VALUE_BOOL && b.kind == VALUE_BOOL ? FORMAT_BOOL
         : a.kind == VALUE_INT && b.kind == VALUE_INT ? FORMAT_I32
         : value_is_number(a) && value_is_number(b)   ? FORMAT_REAL
                                                      : FORMAT_NONE;
}

static Format branches_format(Elaborator *e, const Pair *pair, Value a,
                              Value b) {
  bool known = a.kind != VALUE_TENSOR && b.kind != VALUE_TENSOR;
  if (!known || known_format(a, b) == FORMAT_NONE)
    return pair_format(e, pair, a, b);
  return known_format(a, b);
}

/* The branches in one value, only to speak of their common shape. */
static Value branches_shape(Elaborator *e, const BuiltinCall *call) {
  Value a = call->value[1], b = call->value[2];
  if (a.kind != VALUE_TENSOR)
    return b;
  if (b.kind != VALUE_TENSOR)
    return a;
  return value_type(e, a)->rank >= value_type(e, b)->rank ? a : b;
}

static Value fail_choice(Elaborator *e, const BuiltinCall *call) {
  Value condition = call->value[0], shape = branches_shape(e, call);
  Diagnostic error =
      error_begin(e, call->call->span, "E0301",
                  "`where` cannot combine the condition %s with %s",
                  value_describe(e, condition), value_describe(e, shape));
  for (int i = 0; i < 3; i++)
    if (call->value[i].kind == VALUE_TENSOR)
      error_label(e, &error, call->expr[i]->span, "%s",
                  value_describe_sizes(e, call->value[i]));
  return error_send(e, &error);
}

/* Do the combined branches combine with the condition? */
static bool choice_combines(Elaborator *e, const BuiltinCall *call) {
  const Type *scalar = type_scalar(e->program->types, FORMAT_BOOL);
  const Type *type[3];
  for (int i = 0; i < 3; i++)
    type[i] = call->value[i].kind == VALUE_TENSOR
                  ? value_type(e, call->value[i])
                  : scalar;
  int rank;
  int64_t dim[MAX_RANK];
  if (!shape_combine(type[1], type[2], &rank, dim))
    return false;
  const Type *both = type_make(e->program->types, FORMAT_BOOL, rank, dim);
  return both && shape_combine(both, type[0], &rank, dim);
}

/* a where the condition holds, else b. A condition known now chooses now. */
Value builtin_where(Elaborator *e, const BuiltinCall *call) {
  Value condition = call->value[0], a = call->value[1], b = call->value[2];
  if (condition.kind == VALUE_BOOL)
    return condition.as.truth ? a : b;
  if (!is_tensor_of(e, condition, FORMAT_BOOL))
    return fail_condition(e, call);
  Pair pair = argument_pair(call, 1, 2);
  if (!pair_combines(e, &pair, a, b))
    return value_poison();
  Format format = branches_format(e, &pair, a, b);
  if (format == FORMAT_NONE)
    return value_poison();
  if (!choice_combines(e, call))
    return fail_choice(e, call);
  ValueId x = tensor_operand(e, call->expr[1]->span, a, format);
  ValueId y = tensor_operand(e, call->expr[2]->span, b, format);
  Value branches = branches_shape(e, call);
  return value_tensor(
      emit_three(e, call->call->span, OP_SELECT, condition.as.tensor.id, x, y),
      pair_labels(e, condition, branches));
}
