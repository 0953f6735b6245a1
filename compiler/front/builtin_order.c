/* Built-in functions that count, choose and sort: iota, take, argsort, sort,
 * top_k.
 *
 * Sorting is an order of indices (argsort, stable) and a choice by them (take),
 * so that its gradient goes where the values came from.
 */
#include "compiler/front/pick.h"

#include <inttypes.h>

/* ---- indices ------------------------------------------------------------ */

/* iota(n): 0, 1, .. n - 1 as i32. */
Value builtin_iota(Elaborator *e, const BuiltinCall *call) {
  Value size = call->value[0];
  if (size.kind != VALUE_INT || size.as.integer < 1 ||
      size.as.integer > INT32_MAX)
    return fail(e, call->expr[0]->span, "E0305",
                "`iota` counts to a whole number from 1 to %" PRId32 ", not %s",
                INT32_MAX, value_describe(e, size));
  if (!e->builder)
    return fail(e, call->call->span, "E0424",
                "`iota` makes a tensor: it has a value at run time only");
  Attributes attributes = attributes_neutral();
  attributes.size = size.as.integer;
  const char **label = NEW_ARRAY(e->scratch, const char *, MAX_RANK);
  label[0] = size_label(e, size, call->call->span);
  return value_tensor(emit(e, call->call->span, OP_IOTA, &attributes, 0, 0),
                      label);
}

/* ---- take --------------------------------------------------------------- */

static Value taken(Elaborator *e, Span span, Value x, ValueId indices, int axis,
                   const char *const *label) {
  Attributes attributes = axis_attribute(axis);
  return value_tensor(
      emit(e, span, OP_TAKE, &attributes, x.as.tensor.id, indices), label);
}

/* Shapes that differ elsewhere than along the axis. */
static Value fail_take(Elaborator *e, const BuiltinCall *call, Value x,
                       Value indices, int axis) {
  Diagnostic error = error_begin(
      e, call->expr[1]->span, "E0302",
      "`take` along axis %d takes the shape of %s but for that axis, and gets "
      "%s",
      axis, shape_text(e, value_type(e, x)),
      type_text(e, value_type(e, indices)));
  error_mark(e, &error, "%s", value_describe_sizes(e, indices));
  error_label(e, &error, call->expr[0]->span, "%s", value_describe_sizes(e, x));
  error_hint(e, &error, "`%s[%s]` takes whole rows",
             expr_text(e, call->expr[0]), expr_text(e, call->expr[1]));
  return error_send(e, &error);
}

/* take(x, indices, axis): one index for each element of the result. */
Value builtin_take(Elaborator *e, const BuiltinCall *call) {
  Value x, indices;
  int axis;
  if (!builtin_tensor(e, call, 0, &x) ||
      !builtin_tensor(e, call, 1, &indices) ||
      !builtin_axis(e, call, 2, value_type(e, x)->rank, &axis))
    return value_poison();
  const Type *a = value_type(e, x), *b = value_type(e, indices);
  if (!format_is_whole(b->format))
    return fail(e, call->expr[1]->span, "E0460",
                "a tensor is indexed by whole numbers, not by %s",
                type_text(e, b));
  bool fits = a->rank == b->rank;
  for (int i = 0; fits && i < a->rank; i++)
    fits = i == axis || a->dim[i] == b->dim[i];
  if (!fits)
    return fail_take(e, call, x, indices, axis);
  return taken(e, call->call->span, x, indices.as.tensor.id, axis,
               indices.as.tensor.label);
}

/* ---- sorting ------------------------------------------------------------ */

/* The tensor of argument 0 and the axis of argument `i`, the last if none. */
static bool sorted_axis(Elaborator *e, const BuiltinCall *call, int i, Value *x,
                        int *axis) {
  if (!builtin_tensor(e, call, 0, x))
    return false;
  int rank = value_type(e, *x)->rank;
  *axis = rank - 1;
  if (call->expr[i])
    return builtin_axis(e, call, i, rank, axis);
  if (rank > 0)
    return true;
  fail(e, call->expr[0]->span, "E0322", "`%s` needs an axis, and `%s` has none",
       call->builtin->name, expr_text(e, call->expr[0]));
  return false;
}

static bool descending_flag(Elaborator *e, const BuiltinCall *call, int i,
                            bool *descending) {
  *descending = false;
  if (!call->expr[i])
    return true;
  if (call->value[i].kind != VALUE_BOOL) {
    fail(e, call->expr[i]->span, "E0422", "`descending` is true or false");
    return false;
  }
  *descending = call->value[i].as.truth;
  return true;
}

static Value ordered(Elaborator *e, Span span, Value x, int axis,
                     bool descending) {
  Attributes attributes = axis_attribute(axis);
  attributes.descending = descending;
  return value_tensor(emit(e, span, OP_ARGSORT, &attributes, x.as.tensor.id, 0),
                      x.as.tensor.label);
}

/* argsort(x, axis = -1, descending = false) */
Value builtin_argsort(Elaborator *e, const BuiltinCall *call) {
  Value x;
  int axis;
  bool descending;
  if (!sorted_axis(e, call, 1, &x, &axis) ||
      !descending_flag(e, call, 2, &descending))
    return value_poison();
  return ordered(e, call->call->span, x, axis, descending);
}

/* sort(x, axis = -1, descending = false) */
Value builtin_sort(Elaborator *e, const BuiltinCall *call) {
  Value order = builtin_argsort(e, call);
  if (value_is_poison(order))
    return order;
  Value x = call->value[0];
  const Node *node = graph_node(e->builder->graph, order.as.tensor.id);
  return taken(e, call->call->span, x, order.as.tensor.id, (int)node->attr.axis,
               x.as.tensor.label);
}

static Value fail_top_k(Elaborator *e, const BuiltinCall *call, Value x,
                        int axis) {
  Diagnostic error =
      error_begin(e, call->expr[1]->span, "E0305",
                  "`top_k` takes from 1 to all %s elements of axis %d, not %s",
                  axis_text(e, x, axis), axis, value_text(e, call->value[1]));
  error_label(e, &error, call->expr[0]->span, "%s", value_describe_sizes(e, x));
  return error_send(e, &error);
}

/* top_k(x, k, axis = -1): the k largest, largest first, and their indices. */
Value builtin_top_k(Elaborator *e, const BuiltinCall *call) {
  Value x;
  int axis;
  Span span = call->call->span;
  if (!sorted_axis(e, call, 2, &x, &axis))
    return value_poison();
  Value k = call->value[1];
  if (k.kind != VALUE_INT || k.as.integer < 1 ||
      k.as.integer > value_type(e, x)->dim[axis])
    return fail_top_k(e, call, x, axis);
  Value order = ordered(e, span, x, axis, true);
  Value *item = NEW_ARRAY(e->scratch, Value, 2);
  item[1] =
      emit_slice(e, span, order, axis, 0, k.as.integer, size_label(e, k, span));
  if (value_is_poison(item[1]))
    return item[1];
  item[0] =
      taken(e, span, x, item[1].as.tensor.id, axis, item[1].as.tensor.label);
  return value_is_poison(item[0]) ? item[0] : value_list(item, 2);
}
