/* Numerics in the text (language.md 7): cast, rescale, set_scale and their
 * `_grad` forms, unscale, stop_grad; scale_of and rms, which measure.
 *
 * All but cast are identities in exact arithmetic. Each is one node, so that
 * autodiff, scalify and formats see it where it was written; the `_grad` forms
 * are markers that act on the gradient only.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

static bool is_gradient_form(const BuiltinCall *call) {
  const char *name = call->builtin->name;
  size_t length = strlen(name);
  return length > 5 && strcmp(name + length - 5, "_grad") == 0;
}

/* One operand of real numbers, the same shape. */
static Value control(Elaborator *e, const BuiltinCall *call, Op op,
                     const Attributes *attr) {
  Value x;
  if (!builtin_real_tensor(e, call, 0, &x))
    return value_poison();
  return value_tensor(emit(e, call->call->span, op, attr, x.as.tensor.id, 0),
                      x.as.tensor.label);
}

Value builtin_stop_grad(Elaborator *e, const BuiltinCall *call) {
  return control(e, call, OP_STOP_GRAD, NULL);
}

/* ---- rounding ----------------------------------------------------------- */

static bool format_argument(Elaborator *e, const BuiltinCall *call,
                            Format *format) {
  Value value = call->value[1];
  *format = value.kind == VALUE_FORMAT ? value.as.format : FORMAT_NONE;
  if (value.kind == VALUE_FORMAT && format_info(*format)->kind == KIND_SCALE) {
    fail_scale_format(e, call->expr[1]->span, *format);
    return false;
  }
  if (value.kind == VALUE_FORMAT && format_is_float(*format))
    return true;
  fail(e, call->expr[1]->span, "E0453",
       "`%s` rounds to a float format such as e4m3, not to %s",
       call->builtin->name,
       value.kind == VALUE_FORMAT ? format_info(*format)->text
                                  : value_describe(e, value));
  return false;
}

/* A cast of the text is a pin: no rule of a recipe overrules it. */
static Value cast_value(Elaborator *e, const BuiltinCall *call, Format format) {
  Value x;
  if (!builtin_real_tensor(e, call, 0, &x))
    return value_poison();
  const Type *type =
      type_with_format(e->program->types, value_type(e, x), format);
  ValueId id =
      emit_typed(e, call->call->span, OP_CAST, type, NULL, x.as.tensor.id, 0);
  if (id)
    graph_node(e->builder->graph, id)->pinned = true;
  return value_tensor(id, x.as.tensor.label);
}

Value builtin_cast(Elaborator *e, const BuiltinCall *call) {
  Attributes attr = attributes_neutral();
  if (!format_argument(e, call, &attr.to))
    return value_poison();
  return is_gradient_form(call) ? control(e, call, OP_CAST_GRAD, &attr)
                                : cast_value(e, call, attr.to);
}

/* ---- exponents ---------------------------------------------------------- */

static bool norm_argument(Elaborator *e, const BuiltinCall *call, Norm *norm) {
  Value value = call->value[1];
  for (int i = 0; value.kind == VALUE_STRING && i < NORM_COUNT; i++)
    if (strcmp(norm_name((Norm)i), value.as.text) == 0) {
      *norm = (Norm)i;
      return true;
    }
  fail(e, call->expr[1]->span, "E0452",
       "`%s` measures by l1, l2 or max, not by `%s`", call->builtin->name,
       expr_text(e, call->expr[1]));
  return false;
}

Value builtin_rescale(Elaborator *e, const BuiltinCall *call) {
  Attributes attr = attributes_neutral();
  if (!norm_argument(e, call, &attr.by))
    return value_poison();
  return control(e, call, is_gradient_form(call) ? OP_RESCALE_GRAD : OP_RESCALE,
                 &attr);
}

static bool exponent_argument(Elaborator *e, const BuiltinCall *call,
                              int64_t *exponent) {
  Value value = call->value[1];
  *exponent = value.kind == VALUE_INT ? value.as.integer : INT64_MAX;
  if (*exponent >= EXPONENT_MIN && *exponent <= EXPONENT_MAX)
    return true;
  fail(e, call->expr[1]->span, "E0427",
       "an exponent is a whole number from %d to %d, not %s", EXPONENT_MIN,
       EXPONENT_MAX, value_text(e, value));
  return false;
}

Value builtin_set_scale(Elaborator *e, const BuiltinCall *call) {
  Attributes attr = attributes_neutral();
  if (!exponent_argument(e, call, &attr.exponent))
    return value_poison();
  return control(e, call,
                 is_gradient_form(call) ? OP_SET_SCALE_GRAD : OP_SET_SCALE,
                 &attr);
}

/* The exponent 0, forward and backward. */
Value builtin_unscale(Elaborator *e, const BuiltinCall *call) {
  BuiltinCall inner = *call;
  Attributes attr = attributes_neutral();
  inner.value[0] = control(e, call, OP_SET_SCALE_GRAD, &attr);
  return value_is_poison(inner.value[0])
             ? value_poison()
             : control(e, &inner, OP_SET_SCALE, &attr);
}

/* ---- measures ----------------------------------------------------------- */

Value builtin_scale_of(Elaborator *e, const BuiltinCall *call) {
  Value x;
  if (!builtin_real_tensor(e, call, 0, &x))
    return value_poison();
  return value_tensor(
      emit(e, call->call->span, OP_SCALE_OF, NULL, x.as.tensor.id, 0), NULL);
}

/* sqrt(mean(x x)) of the value; nothing learns from it. */
Value builtin_rms(Elaborator *e, const BuiltinCall *call) {
  Value x = control(e, call, OP_STOP_GRAD, NULL);
  Span span = call->call->span;
  if (value_is_poison(x))
    return x;
  ValueId id = x.as.tensor.id;
  ValueId square = emit(e, span, OP_MUL, NULL, id, id);
  ValueId mean = square ? emit_mean_of_all(e, span, square) : 0;
  return value_tensor(emit(e, span, OP_SQRT, NULL, mean, 0), NULL);
}

/* max |x| of the value; nothing learns from it. */
Value builtin_amax(Elaborator *e, const BuiltinCall *call) {
  Value x = control(e, call, OP_STOP_GRAD, NULL);
  Span span = call->call->span;
  if (value_is_poison(x))
    return x;
  ValueId magnitude = emit(e, span, OP_ABS, NULL, x.as.tensor.id, 0);
  int rank = value_type(e, x)->rank;
  if (!magnitude || rank == 0)
    return value_tensor(magnitude, NULL);
  Attributes all =
      pattern_attribute(e, reduce_pattern(e, rank, (1u << rank) - 1));
  return value_tensor(emit(e, span, OP_MAX, &all, magnitude, 0), NULL);
}
