/* Built-in composites over rows: softmax, losses, norms, running sums.
 *
 * Those with scale and gradient rules of their own are one op each; the others
 * are written here as the ops of their definition.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* A whole number known now, of at least `least`. */
static bool whole_argument(Elaborator *e, const BuiltinCall *call, int i,
                           const char *what, int64_t least, int64_t *out) {
  Value value = call->value[i];
  if (value.kind == VALUE_INT && value.as.integer >= least) {
    *out = value.as.integer;
    return true;
  }
  fail(e, call->expr[i]->span, "E0413",
       "%s of `%s` is a whole number%s, known at compile time, not %s", what,
       call->builtin->name, least == 1 ? " of at least 1" : "",
       value_is_number(value) ? value_text(e, value)
                              : value_describe(e, value));
  return false;
}

/* A number known now from low to high; left alone where it is not given. */
static bool number_argument(Elaborator *e, const BuiltinCall *call, int i,
                            const char *name, double low, double high,
                            double *out) {
  if (!call->expr[i])
    return true;
  Value value = call->value[i];
  double number = value_is_number(value) ? value_number(value) : NAN;
  if (number >= low && number <= high && isfinite(number)) {
    *out = number;
    return true;
  }
  const char *range = isinf(high) ? "of at least 0" : "from 0 to 1";
  fail(e, call->expr[i]->span, "E0427",
       "`%s` of `%s` is a number %s, known at compile time, not %s", name,
       call->builtin->name, range,
       value_is_number(value) ? value_text(e, value)
                              : value_describe(e, value));
  return false;
}

static Value same_shape(Elaborator *e, const BuiltinCall *call, Op op,
                        const Attributes *attributes, Value x) {
  return value_tensor(
      emit(e, call->call->span, op, attributes, x.as.tensor.id, 0),
      x.as.tensor.label);
}

/* ---- along an axis ------------------------------------------------------- */

Value builtin_softmax(Elaborator *e, const BuiltinCall *call) {
  Value x;
  int axis;
  if (!builtin_real_tensor(e, call, 0, &x) ||
      !builtin_axis(e, call, 1, value_type(e, x)->rank, &axis))
    return value_poison();
  Attributes attributes = attributes_neutral();
  attributes.axis = axis;
  bool log = strcmp(call->builtin->name, "log_softmax") == 0;
  return same_shape(e, call, log ? OP_LOG_SOFTMAX : OP_SOFTMAX, &attributes, x);
}

Value builtin_cumsum(Elaborator *e, const BuiltinCall *call) {
  Value x;
  int axis;
  if (!builtin_real_tensor(e, call, 0, &x) ||
      !builtin_axis(e, call, 1, value_type(e, x)->rank, &axis))
    return value_poison();
  Attributes attributes = attributes_neutral();
  attributes.axis = axis;
  if (call->expr[2] && call->value[2].kind != VALUE_BOOL)
    return fail(e, call->expr[2]->span, "E0422",
                "`reverse` is true or false, not %s",
                value_describe(e, call->value[2]));
  attributes.reverse = call->expr[2] && call->value[2].as.truth;
  return same_shape(e, call, OP_CUMSUM, &attributes, x);
}

/* ---- activations --------------------------------------------------------- */

/* x * g(x) of a number known now, in binary64. */
static double fold_gate(Op op, double x) {
  double cubic = x + 0.044715 * x * x * x;
  return x * (op == OP_GELU ? 0.5 * (1 + erf(sqrt(0.5) * x))
              : op == OP_GELU_TANH
                  ? 0.5 * (1 + tanh(0.79788456080286536 * cubic))
                  : 1 / (1 + exp(-x)));
}

Value builtin_gated(Elaborator *e, const BuiltinCall *call) {
  const char *name = call->builtin->name;
  Op op = op_named(name);
  Value x = call->value[0];
  if (value_is_number(x))
    return value_real(fold_gate(op, value_number(x)));
  if (!builtin_real_tensor(e, call, 0, &x))
    return value_poison();
  return same_shape(e, call, op, NULL, x);
}

/* ---- losses -------------------------------------------------------------- */

/* Can a label of this format be `ignore`? */
static bool check_ignore(Elaborator *e, const BuiltinCall *call, Value labels,
                         int64_t ignore) {
  const FormatInfo *format = format_info(value_type(e, labels)->format);
  int bits = format->bits - (format->kind == KIND_INT);
  bool below = format->kind == KIND_UINT ? ignore < 0
                                         : bits < 63 && ignore < -(1LL << bits);
  bool above = bits < 63 && ignore >= 1LL << bits;
  if (!below && !above)
    return true;
  Diagnostic error =
      error_begin(e, call->expr[3]->span, "E0427",
                  "no label can be `ignore` = %" PRId64 ": the labels are %s",
                  ignore, type_text(e, value_type(e, labels)));
  error_label(e, &error, call->expr[1]->span, "%s", format->text);
  error_send(e, &error);
  return false;
}

/* How many labels are not `ignore`, as a real number. */
static ValueId emit_counted(Elaborator *e, Span span, Value labels,
                            int64_t ignore) {
  const Type *type = value_type(e, labels);
  ValueId number = emit_constant(e, span, type->format, (double)ignore);
  ValueId equal = emit(e, span, OP_EQ, NULL, labels.as.tensor.id, number);
  const Type *real = type_with_format(e->program->types, type, FORMAT_REAL);
  ValueId ignored = emit_typed(e, span, OP_CONVERT, real, NULL, equal, 0);
  return emit(e, span, OP_SUB, NULL,
              emit_constant(e, span, FORMAT_REAL, (double)type->elements),
              emit_sum_of_all(e, span, ignored));
}

/* A composite with rules of its own for scale and gradient: softmax and
 * logarithm never meet the recipe apart. The mean is over the rows whose label
 * counts. */
Value builtin_cross_entropy(Elaborator *e, const BuiltinCall *call) {
  Value logits, labels;
  Span span = call->call->span;
  Attributes attributes = attributes_neutral();
  bool ignores = call->expr[3] != NULL;
  if (!builtin_logits_and_labels(e, call, &logits, &labels) ||
      !number_argument(e, call, 2, "smooth", 0, 1, &attributes.smooth) ||
      (ignores && (!whole_argument(e, call, 3, "`ignore`", INT64_MIN + 1,
                                   &attributes.ignore) ||
                   !check_ignore(e, call, labels, attributes.ignore))))
    return value_poison();
  ValueId loss = emit(e, span, OP_SOFTMAX_XENT, &attributes,
                      logits.as.tensor.id, labels.as.tensor.id);
  if (!loss)
    return value_poison();
  if (!ignores)
    return value_tensor(emit_mean_of_all(e, span, loss), NULL);
  ValueId counted = emit_counted(e, span, labels, attributes.ignore);
  return value_tensor(
      emit(e, span, OP_DIV, NULL, emit_sum_of_all(e, span, loss), counted),
      NULL);
}

/* mean((x - y) ** 2) over all elements of two tensors of one shape: the
 * accident [b] - [b, 1] is no loss. */
Value builtin_mse(Elaborator *e, const BuiltinCall *call) {
  Value x, y;
  Span span = call->call->span;
  if (!builtin_real_tensor(e, call, 0, &x) ||
      !builtin_real_tensor(e, call, 1, &y))
    return value_poison();
  const Type *a = value_type(e, x), *b = value_type(e, y);
  if (!type_same_shape(a, b)) {
    Diagnostic error = error_begin(
        e, call->expr[1]->span, "E0302",
        "`mse` compares two tensors of one shape, but gets %s and %s",
        shape_text(e, a), shape_text(e, b));
    error_mark(e, &error, "%s", value_describe_sizes(e, y));
    error_label(e, &error, call->expr[0]->span, "%s",
                value_describe_sizes(e, x));
    return error_send(e, &error);
  }
  ValueId less = emit(e, span, OP_SUB, NULL, x.as.tensor.id, y.as.tensor.id);
  ValueId square = emit(e, span, OP_MUL, NULL, less, less);
  return square ? value_tensor(emit_mean_of_all(e, span, square), NULL)
                : value_poison();
}

/* ---- one-hot rows -------------------------------------------------------- */

Value builtin_onehot(Elaborator *e, const BuiltinCall *call) {
  Value ids;
  Attributes attributes = attributes_neutral();
  if (!builtin_tensor(e, call, 0, &ids))
    return value_poison();
  const Type *type = value_type(e, ids);
  if (!format_is_whole(type->format))
    return fail(e, call->expr[0]->span, "E0408",
                "the ids of `onehot` are whole numbers, not %s",
                type_text(e, type));
  if (type->rank == MAX_RANK)
    return fail(e, call->call->span, "E0308",
                "`onehot` of %s would have more than %d axes",
                type_text(e, type), MAX_RANK);
  if (!whole_argument(e, call, 1, "`n`", 1, &attributes.size))
    return value_poison();
  const char **label = NEW_ARRAY(e->scratch, const char *, MAX_RANK);
  for (int i = 0; ids.as.tensor.label && i < type->rank; i++)
    label[i] = ids.as.tensor.label[i];
  label[type->rank] = call->value[1].origin;
  return value_tensor(
      emit(e, call->call->span, OP_ONEHOT, &attributes, ids.as.tensor.id, 0),
      label);
}

/* ---- norms --------------------------------------------------------------- */

static const double default_eps = 1e-5;

/* Gain or bias: [d], the last axis of x. 0 where it is not given. */
static bool norm_vector(Elaborator *e, const BuiltinCall *call, int i,
                        const char *name, Value x, ValueId *out) {
  Value value;
  *out = 0;
  if (!call->expr[i])
    return true;
  if (!builtin_real_tensor(e, call, i, &value))
    return false;
  const Type *type = value_type(e, value), *rows = value_type(e, x);
  *out = value.as.tensor.id;
  if (type->rank == 1 && type->dim[0] == rows->dim[rows->rank - 1])
    return true;
  Diagnostic error = error_begin(
      e, call->expr[i]->span, "E0302",
      "`%s` takes one `%s` for each place of the last axis: [%" PRId64
      "], but gets %s",
      call->builtin->name, name, rows->dim[rows->rank - 1],
      shape_text(e, type));
  error_mark(e, &error, "%s", value_describe_sizes(e, value));
  error_label(e, &error, call->expr[0]->span, "%s", value_describe_sizes(e, x));
  error_send(e, &error);
  return false;
}

/* layer_norm(x, g, b, eps) and rms_norm(x, g, eps): the op, then gain and
 * bias as ordinary arithmetic. */
Value builtin_norm(Elaborator *e, const BuiltinCall *call) {
  bool layer = strcmp(call->builtin->name, "layer_norm") == 0;
  Value x;
  ValueId gain, bias = 0;
  Attributes attributes = attributes_neutral();
  attributes.eps = default_eps;
  Span span = call->call->span;
  if (!builtin_real_tensor(e, call, 0, &x))
    return value_poison();
  if (value_type(e, x)->rank == 0)
    return fail(e, call->expr[0]->span, "E0322",
                "`%s` works along the last axis, and `%s` has none",
                call->builtin->name, expr_text(e, call->expr[0]));
  if (!norm_vector(e, call, 1, "g", x, &gain) ||
      (layer && !norm_vector(e, call, 2, "b", x, &bias)) ||
      !number_argument(e, call, layer ? 3 : 2, "eps", 0, INFINITY,
                       &attributes.eps))
    return value_poison();
  ValueId y = emit(e, span, layer ? OP_LAYER_NORM : OP_RMS_NORM, &attributes,
                   x.as.tensor.id, 0);
  if (gain)
    y = emit(e, span, OP_MUL, NULL, y, gain);
  if (bias)
    y = emit(e, span, OP_ADD, NULL, y, bias);
  return value_tensor(y, x.as.tensor.label);
}
