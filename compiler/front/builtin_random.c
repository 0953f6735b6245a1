/* Randomness of training: dropout, random_flip, random_shift.
 *
 * Each draws a random value of its own, keyed by its name, and chooses or moves
 * with it. Outside `train` all three are the identity, and draw nothing.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

static bool is_training(const Elaborator *e) {
  return e->builder->graph->kind == ENTRY_TRAIN;
}

/* A random value of the given format and shape. */
static ValueId draw(Elaborator *e, Span span, Op op, const Attributes *attr,
                    Format format, int rank, const int64_t *dim) {
  const Type *type = type_make(e->program->types, format, rank, dim);
  return emit_typed(e, span, op, type, attr, 0, 0);
}

/* ---- dropout ------------------------------------------------------------ */

static bool probability_argument(Elaborator *e, const BuiltinCall *call,
                                 double *p) {
  Value value = call->value[1];
  *p = value_is_number(value) ? value_number(value) : -1;
  if (*p >= 0 && *p < 1)
    return true;
  fail(e, call->expr[1]->span, "E0427",
       "the share that `dropout` drops is a number from 0 up to 1, known at "
       "compile time, not %s",
       value_describe(e, value));
  return false;
}

/* x / (1 - p) where an element is kept, else 0. The factor is a constant, and
 * what is kept is kept exactly. */
Value builtin_dropout(Elaborator *e, const BuiltinCall *call) {
  Value x;
  double p;
  Span span = call->call->span;
  if (!builtin_real_tensor(e, call, 0, &x) ||
      !probability_argument(e, call, &p))
    return value_poison();
  if (!is_training(e) || p == 0)
    return x;
  const Type *type = value_type(e, x);
  Attributes attr = attributes_neutral();
  attr.probability = 1 - p;
  ValueId keep =
      draw(e, span, OP_BERNOULLI, &attr, FORMAT_BOOL, type->rank, type->dim);
  ValueId zero = emit_constant(e, span, FORMAT_REAL, 0);
  ValueId kept = emit_three(e, span, OP_SELECT, keep, x.as.tensor.id, zero);
  ValueId factor = emit_constant(e, span, FORMAT_REAL, 1 / (1 - p));
  return value_tensor(emit(e, span, OP_MUL, NULL, kept, factor),
                      x.as.tensor.label);
}

/* ---- images ------------------------------------------------------------- */

static Value fail_examples(Elaborator *e, const BuiltinCall *call, Value x,
                           const char *form) {
  Diagnostic error =
      error_begin(e, call->expr[0]->span, "E0302", "`%s` takes %s, but gets %s",
                  call->builtin->name, form, value_describe(e, x));
  error_mark(e, &error, "%s", value_describe_sizes(e, x));
  return error_send(e, &error);
}

/* Half of the examples, reversed along an axis. */
Value builtin_random_flip(Elaborator *e, const BuiltinCall *call) {
  Value x;
  int axis;
  Span span = call->call->span;
  if (!builtin_tensor(e, call, 0, &x))
    return value_poison();
  const Type *type = value_type(e, x);
  if (type->rank < 2)
    return fail_examples(e, call, x, "examples [n, ..] with an axis to flip");
  if (!builtin_axis(e, call, 1, type->rank, &axis))
    return value_poison();
  if (axis == 0)
    return fail(e, call->expr[1]->span, "E0322",
                "`random_flip` flips each example by itself: axis 0 counts the "
                "examples");
  if (!is_training(e))
    return x;
  Attributes attr = attributes_neutral();
  attr.probability = 0.5;
  ValueId flip = draw(e, span, OP_BERNOULLI, &attr, FORMAT_BOOL, 1, type->dim);
  int64_t dim[MAX_RANK] = {type->dim[0], 1, 1, 1, 1, 1, 1, 1};
  const Type *column =
      type_make(e->program->types, FORMAT_BOOL, type->rank, dim);
  ValueId each = emit_typed(e, span, OP_RESHAPE, column, NULL, flip, 0);
  attr = attributes_neutral();
  attr.axis = axis;
  ValueId reversed = emit(e, span, OP_REVERSE, &attr, x.as.tensor.id, 0);
  return value_tensor(
      emit_three(e, span, OP_SELECT, each, reversed, x.as.tensor.id),
      x.as.tensor.label);
}

/* Each example moved by -n to n elements along each spatial axis; what comes
 * in from outside is 0. */
Value builtin_random_shift(Elaborator *e, const BuiltinCall *call) {
  Value x, by = call->value[1];
  Span span = call->call->span;
  if (!builtin_tensor(e, call, 0, &x))
    return value_poison();
  const Type *type = value_type(e, x);
  if (type->rank < 3)
    return fail_examples(e, call, x,
                         "images [n, y, z, c] or signals [n, t, c]");
  if (by.kind != VALUE_INT || by.as.integer < 0 || by.as.integer > 1 << 20)
    return fail(e, call->expr[1]->span, "E0341",
                "`random_shift` moves by a whole number of elements of at "
                "least 0, not %s",
                value_describe(e, by));
  if (!is_training(e) || by.as.integer == 0)
    return x;
  Attributes attr = attributes_neutral();
  attr.low = -by.as.integer;
  attr.high = by.as.integer + 1;
  int64_t dim[2] = {type->dim[0], type->rank - 2};
  ValueId offsets = draw(e, span, OP_RANDOM_INT, &attr, FORMAT_I32, 2, dim);
  return value_tensor(
      emit(e, span, OP_TRANSLATE, NULL, x.as.tensor.id, offsets),
      x.as.tensor.label);
}
