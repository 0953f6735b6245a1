/* Built-in functions that put tensors together and take them apart: concat,
 * stack, split, unstack, pad, reverse, broadcast.
 *
 * In: tensors, axes and sizes known now. Out: nodes whose axes keep the source
 * expressions of their sizes.
 */
#include "compiler/front/pick.h"

#include <inttypes.h>
#include <string.h>

/* ---- arguments ---------------------------------------------------------- */

/* A list of tensors, at least one; false after a message. */
static bool tensor_list(Elaborator *e, const BuiltinCall *call, Value *list) {
  *list = call->value[0];
  const char *name = call->builtin->name;
  if (list->kind != VALUE_LIST || list->as.list.count == 0) {
    fail(e, call->expr[0]->span, "E0461",
         "`%s` takes a list of tensors, not %s", name,
         list->kind == VALUE_LIST ? "an empty list" : value_describe(e, *list));
    return false;
  }
  const Expr *expr = call->expr[0]->list;
  for (size_t i = 0; i < list->as.list.count; i++) {
    Value item = list->as.list.item[i];
    if (item.kind != VALUE_TENSOR) {
      fail(e, expr ? expr->span : call->expr[0]->span, "E0402",
           "`%s` works on tensors, not %s", name, value_describe(e, item));
      return false;
    }
    expr = expr ? expr->next : NULL;
  }
  return true;
}

/* The axis in argument `i`, or `missing`; of a tensor of `rank` axes. */
static bool axis_or(Elaborator *e, const BuiltinCall *call, int i, int rank,
                    int missing, int *axis) {
  *axis = missing < 0 ? missing + rank : missing;
  if (call->expr[i])
    return builtin_axis(e, call, i, rank, axis);
  if (rank > 0)
    return true;
  fail(e, call->expr[0]->span, "E0322", "`%s` needs an axis, and `%s` has none",
       call->builtin->name, expr_text(e, call->expr[0]));
  return false;
}

/* A whole number in argument `i` from `least` on; `missing` without one. */
static bool whole_argument(Elaborator *e, const BuiltinCall *call, int i,
                           const char *what, int64_t least, int64_t missing,
                           int64_t *out) {
  *out = missing;
  if (!call->expr[i])
    return true;
  *out = call->value[i].as.integer;
  if (call->value[i].kind == VALUE_INT && *out >= least)
    return true;
  fail(e, call->expr[i]->span, "E0305",
       "%s of `%s` is a whole number of at least %" PRId64 ", not %s", what,
       call->builtin->name, least, value_describe(e, call->value[i]));
  return false;
}

/* Sizes and labels of a tensor. */
static Sizes *sizes_of(Elaborator *e, Value value) {
  Sizes *sizes = NEW(e->scratch, Sizes);
  const Type *type = value_type(e, value);
  sizes->rank = type->rank;
  for (int i = 0; i < type->rank; i++) {
    sizes->dim[i] = type->dim[i];
    sizes->label[i] = value.as.tensor.label ? value.as.tensor.label[i] : NULL;
  }
  return sizes;
}

/* ---- concat ------------------------------------------------------------- */

/* The first part that does not go with the one before it. */
static bool fail_part(Elaborator *e, const BuiltinCall *call, Value first,
                      Value other, size_t number, int axis) {
  const Type *a = value_type(e, first), *b = value_type(e, other);
  const Expr *expr = call->expr[0]->list;
  const char *along = strcmp(call->builtin->name, "concat") == 0
                          ? text_printf(e, " along axis %d", axis)
                          : "";
  Diagnostic error = error_begin(
      e, call->call->left->span, "E0348", "`%s`%s cannot join %s with %s",
      call->builtin->name, along, type_text(e, a), type_text(e, b));
  for (size_t i = 0; expr && i <= number; i++, expr = expr->next)
    if (i == 0 || i == number)
      error_label(e, &error, expr->span, "%s",
                  value_describe_sizes(e, i ? other : first));
  for (int i = 0; a->rank == b->rank && i < a->rank; i++)
    if ((i != axis || !*along) && a->dim[i] != b->dim[i]) {
      error_note(e, &error, "at axis %d %s is not %s", i,
                 axis_text(e, first, i), axis_text(e, other, i));
      break;
    }
  error_send(e, &error);
  return false;
}

/* Do the parts agree, but along `axis` (-1: everywhere)? */
static bool check_parts(Elaborator *e, const BuiltinCall *call, Value list,
                        int axis) {
  Value first = list.as.list.item[0];
  const Type *a = value_type(e, first);
  for (size_t k = 1; k < list.as.list.count; k++) {
    const Type *b = value_type(e, list.as.list.item[k]);
    bool fits = a->rank == b->rank &&
                (a->format == b->format ||
                 (format_is_real(a->format) && format_is_real(b->format)));
    for (int i = 0; fits && i < a->rank; i++)
      fits = i == axis || a->dim[i] == b->dim[i];
    if (!fits)
      return fail_part(e, call, first, list.as.list.item[k], k, axis);
  }
  return true;
}

enum { MAX_LABEL_TERMS = 4 };

/* "t + s", where every part says where its size comes from. */
static const char *sum_label(Elaborator *e, Value list, int axis) {
  Buffer out = {0};
  bool known = list.as.list.count <= MAX_LABEL_TERMS;
  for (size_t i = 0; known && i < list.as.list.count; i++) {
    const char *const *label = list.as.list.item[i].as.tensor.label;
    known = label && label[axis];
    if (known)
      buffer_printf(&out, "%s%s", i ? " + " : "", label[axis]);
  }
  const char *text = buffer_take(e, &out);
  return known ? text : NULL;
}

/* An op takes so many operands: more than that join what is joined. */
static ValueId emit_concat(Elaborator *e, Span span, Value list, int axis) {
  Attributes attributes = axis_attribute(axis);
  ValueId operand[MAX_INPUTS] = {list.as.list.item[0].as.tensor.id};
  int count = 1;
  for (size_t i = 1; i < list.as.list.count; i++) {
    if (count == MAX_INPUTS) {
      operand[0] =
          emit_many(e, span, OP_CONCAT, NULL, &attributes, operand, count);
      count = 1;
    }
    operand[count++] = list.as.list.item[i].as.tensor.id;
  }
  return emit_many(e, span, OP_CONCAT, NULL, &attributes, operand, count);
}

static Value joined(Elaborator *e, Span span, Value list, int axis) {
  if (list.as.list.count == 1)
    return list.as.list.item[0];
  Sizes *sizes = sizes_of(e, list.as.list.item[0]);
  sizes->label[axis] = sum_label(e, list, axis);
  return value_tensor(emit_concat(e, span, list, axis), sizes->label);
}

/* concat(parts, axis) */
Value builtin_concat(Elaborator *e, const BuiltinCall *call) {
  Value list;
  int axis;
  if (!tensor_list(e, call, &list) ||
      !axis_or(e, call, 1, value_type(e, list.as.list.item[0])->rank, 0,
               &axis) ||
      !check_parts(e, call, list, axis))
    return value_poison();
  return joined(e, call->call->span, list, axis);
}

/* ---- stack and unstack -------------------------------------------------- */

/* `value` with an axis of size 1 before `axis`. */
static Value widened(Elaborator *e, Span span, Value value, int axis) {
  const Sizes *from = sizes_of(e, value);
  Sizes *to = NEW(e->scratch, Sizes);
  for (int i = 0; i <= from->rank; i++) {
    if (i == axis)
      to->dim[to->rank++] = 1;
    if (i == from->rank)
      break;
    to->dim[to->rank] = from->dim[i];
    to->label[to->rank++] = from->label[i];
  }
  return emit_sizes(e, span, value, to);
}

/* `value` without `axis`, which has size 1. */
static Value narrowed(Elaborator *e, Span span, Value value, int axis) {
  if (value_is_poison(value))
    return value;
  Sizes *sizes = sizes_of(e, value);
  sizes->rank--;
  for (int i = axis; i < sizes->rank; i++) {
    sizes->dim[i] = sizes->dim[i + 1];
    sizes->label[i] = sizes->label[i + 1];
  }
  return emit_sizes(e, span, value, sizes);
}

/* stack(parts, axis): parts of one shape along a new axis. */
Value builtin_stack(Elaborator *e, const BuiltinCall *call) {
  Value list;
  int axis;
  if (!tensor_list(e, call, &list))
    return value_poison();
  int rank = value_type(e, list.as.list.item[0])->rank;
  if (rank == MAX_RANK)
    return fail(e, call->call->span, "E0308", "a tensor has at most %d axes",
                MAX_RANK);
  if (!axis_or(e, call, 1, rank + 1, 0, &axis) ||
      !check_parts(e, call, list, -1))
    return value_poison();
  Span span = call->call->span;
  size_t count = list.as.list.count;
  Value *item = NEW_ARRAY(e->scratch, Value, count);
  for (size_t i = 0; i < count; i++) {
    item[i] = widened(e, span, list.as.list.item[i], axis);
    if (value_is_poison(item[i]))
      return item[i];
  }
  return joined(e, span, value_list(item, count), axis);
}

/* unstack(x, axis = 0): one value for each index. */
Value builtin_unstack(Elaborator *e, const BuiltinCall *call) {
  Value x;
  int axis;
  if (!builtin_tensor(e, call, 0, &x) ||
      !axis_or(e, call, 1, value_type(e, x)->rank, 0, &axis))
    return value_poison();
  Span span = call->call->span;
  int64_t count = value_type(e, x)->dim[axis];
  if (count > limit_of(e, LIMIT_list))
    return fail_limit(e, span, LIMIT_list,
                      "more than %" PRId64 " items in a list (%" PRId64 ")",
                      limit_of(e, LIMIT_list), count);
  Value *item = NEW_ARRAY(e->scratch, Value, (size_t)count + 1);
  for (int64_t i = 0; i < count; i++) {
    Value part = emit_slice(e, span, x, axis, i, 1, NULL);
    item[i] = narrowed(e, span, part, axis);
    if (value_is_poison(item[i]))
      return item[i];
  }
  return value_list(item, (size_t)count);
}

/* ---- split -------------------------------------------------------------- */

static bool fail_split(Elaborator *e, const BuiltinCall *call, Value x,
                       int axis, int64_t sum) {
  Diagnostic error = error_begin(
      e, call->expr[1]->span, "E0349",
      "these sizes add up to %" PRId64 ", and axis %d of `%s` is %s", sum, axis,
      expr_text(e, call->expr[0]), axis_text(e, x, axis));
  error_label(e, &error, call->expr[0]->span, "%s", value_describe_sizes(e, x));
  error_send(e, &error);
  return false;
}

/* The sizes of argument 1, which must add up to those of the axis. */
static bool check_split(Elaborator *e, const BuiltinCall *call, Value x,
                        int axis) {
  Value list = call->value[1];
  const Expr *expr = call->expr[1]->list;
  int64_t sum = 0, n = value_type(e, x)->dim[axis];
  if (list.kind != VALUE_LIST || list.as.list.count == 0) {
    fail(e, call->expr[1]->span, "E0462",
         "`split` takes a list of sizes, not %s",
         list.kind == VALUE_LIST ? "an empty list" : value_describe(e, list));
    return false;
  }
  for (size_t i = 0; i < list.as.list.count; i++) {
    Value size = list.as.list.item[i];
    if (size.kind != VALUE_INT || size.as.integer < 1) {
      fail(e, expr ? expr->span : call->expr[1]->span, "E0305",
           "a size is a whole number of at least 1, not %s",
           value_describe(e, size));
      return false;
    }
    if (__builtin_add_overflow(sum, size.as.integer, &sum))
      sum = INT64_MAX;
    expr = expr ? expr->next : NULL;
  }
  return sum == n || fail_split(e, call, x, axis, sum);
}

/* split(x, sizes, axis) */
Value builtin_split(Elaborator *e, const BuiltinCall *call) {
  Value x;
  int axis;
  if (!builtin_tensor(e, call, 0, &x) ||
      !axis_or(e, call, 2, value_type(e, x)->rank, 0, &axis) ||
      !check_split(e, call, x, axis))
    return value_poison();
  Value list = call->value[1];
  size_t count = list.as.list.count;
  Value *item = NEW_ARRAY(e->scratch, Value, count);
  int64_t start = 0;
  for (size_t i = 0; i < count; i++) {
    Value size = list.as.list.item[i];
    item[i] = emit_slice(e, call->call->span, x, axis, start, size.as.integer,
                         size_label(e, size, call->call->span));
    if (value_is_poison(item[i]))
      return item[i];
    start += size.as.integer;
  }
  return value_list(item, count);
}

/* ---- pad and reverse ---------------------------------------------------- */

/* The filling as a node of the kind that x has; 0 after a message. */
static ValueId filling(Elaborator *e, const BuiltinCall *call, int i,
                       Format format) {
  Value value = call->expr[i] ? call->value[i] : value_int(0);
  Span span = call->expr[i] ? call->expr[i]->span : call->call->span;
  bool real = format_is_real(format);
  if (value.kind == VALUE_TENSOR && value_type(e, value)->rank == 0 &&
      (value_type(e, value)->format == format ||
       (real && format_is_real(value_type(e, value)->format))))
    return value.as.tensor.id;
  if (value.kind == VALUE_BOOL && format == FORMAT_BOOL)
    return emit_constant(e, span, format, value.as.truth);
  if (value.kind == VALUE_INT || (value.kind == VALUE_REAL && real))
    if (format != FORMAT_BOOL || !call->expr[i])
      return emit_constant(e, span, format, value_number(value));
  fail(e, span, "E0402", "`pad` fills %s with a number of that kind, not %s",
       format_info(format)->text, value_describe(e, value));
  return 0;
}

/* pad(x, axis, low = 0, high = 0, value = 0) */
Value builtin_pad(Elaborator *e, const BuiltinCall *call) {
  Value x;
  int axis;
  Attributes attributes = attributes_neutral();
  if (!builtin_tensor(e, call, 0, &x) ||
      !builtin_axis(e, call, 1, value_type(e, x)->rank, &axis) ||
      !whole_argument(e, call, 2, "`low`", 0, 0, &attributes.low) ||
      !whole_argument(e, call, 3, "`high`", 0, 0, &attributes.high))
    return value_poison();
  ValueId value = filling(e, call, 4, value_type(e, x)->format);
  if (attributes.low == 0 && attributes.high == 0)
    return value ? x : value_poison();
  attributes.axis = axis;
  Sizes *sizes = sizes_of(e, x);
  sizes->label[axis] = NULL;
  return value_tensor(
      emit(e, call->call->span, OP_PAD, &attributes, x.as.tensor.id, value),
      sizes->label);
}

/* reverse(x, axis) */
Value builtin_reverse(Elaborator *e, const BuiltinCall *call) {
  Value x;
  int axis;
  if (!builtin_tensor(e, call, 0, &x) ||
      !builtin_axis(e, call, 1, value_type(e, x)->rank, &axis))
    return value_poison();
  Attributes attributes = axis_attribute(axis);
  return value_tensor(
      emit(e, call->call->span, OP_REVERSE, &attributes, x.as.tensor.id, 0),
      x.as.tensor.label);
}

/* ---- broadcast ---------------------------------------------------------- */

static Value fail_broadcast(Elaborator *e, const BuiltinCall *call, Value x,
                            const Sizes *to) {
  const Type *type =
      type_make(e->program->types, FORMAT_REAL, to->rank, to->dim);
  Diagnostic error = error_begin(
      e, call->call->left->span, "E0350", "`broadcast` cannot repeat %s to %s",
      type_text(e, value_type(e, x)),
      type ? shape_text(e, type) : "a shape that is too large");
  error_label(e, &error, call->expr[0]->span, "%s", value_describe_sizes(e, x));
  error_note(e, &error,
             "aligned at their last axes, each size is equal or is 1");
  return error_send(e, &error);
}

/* Which axes of the result are repeated, and the sizes of the others; false
 * where x does not fit. */
static bool repeated_axes(const Type *from, const Sizes *to, unsigned *added,
                          Sizes *kept) {
  int lead = to->rank - from->rank;
  *added = 0;
  for (int i = 0; i < to->rank; i++) {
    bool own = i >= lead && from->dim[i - lead] == to->dim[i];
    if (i >= lead && !own && from->dim[i - lead] != 1)
      return false;
    if (own)
      kept->dim[kept->rank++] = to->dim[i];
    else
      *added |= 1u << i;
  }
  return lead >= 0;
}

/* broadcast(x, [sizes]): what operators do by themselves, made a value. */
Value builtin_broadcast(Elaborator *e, const BuiltinCall *call) {
  Value x;
  Sizes *to = NEW(e->scratch, Sizes), *kept = NEW(e->scratch, Sizes);
  unsigned added;
  Span span = call->call->span;
  if (!builtin_tensor(e, call, 0, &x) || !builtin_sizes(e, call, 1, to))
    return value_poison();
  const Type *from = value_type(e, x);
  const Type *type =
      type_make(e->program->types, from->format, to->rank, to->dim);
  if (!type || !repeated_axes(from, to, &added, kept))
    return fail_broadcast(e, call, x, to);
  if (!added)
    return value_tensor(x.as.tensor.id, to->label);
  x = emit_sizes(e, span, x, kept);
  if (value_is_poison(x))
    return x;
  if (kept->rank == 0)
    return value_tensor(
        emit_typed(e, span, OP_SPLAT, type, NULL, x.as.tensor.id, 0),
        to->label);
  Attributes attributes =
      pattern_attribute(e, broadcast_pattern(e, to->rank, added));
  return value_tensor(
      emit_typed(e, span, OP_BROADCAST, type, &attributes, x.as.tensor.id, 0),
      to->label);
}
