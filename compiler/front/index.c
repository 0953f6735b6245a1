/* Reading by subscripts: x[i], x[a:b], x[.., pos +: t], x[ids], x[:, new].
 *
 * In: a tensor and its picks. Out: one node for each axis that is not taken
 * whole, in order, then one reshape that drops the axes of single indices and
 * puts in the new ones.
 */
#include "compiler/front/pick.h"

Attributes axis_attribute(int64_t axis) {
  Attributes attributes = attributes_neutral();
  attributes.axis = axis;
  return attributes;
}

/* The labels of `value` with that of `axis` replaced. */
static const char *const *relabelled(Elaborator *e, Value value, int axis,
                                     const char *label) {
  const char **labels = NEW_ARRAY(e->scratch, const char *, MAX_RANK);
  for (int i = 0; i < MAX_RANK; i++)
    labels[i] = i == axis               ? label
                : value.as.tensor.label ? value.as.tensor.label[i]
                                        : NULL;
  return labels;
}

Value emit_slice(Elaborator *e, Span span, Value value, int axis, int64_t start,
                 int64_t size, const char *label) {
  if (value_is_poison(value))
    return value;
  const char *const *labels = relabelled(e, value, axis, label);
  if (value_type(e, value)->dim[axis] == size)
    return value_tensor(value.as.tensor.id, labels);
  Attributes attributes = axis_attribute(axis);
  attributes.start = start;
  attributes.size = size;
  return value_tensor(
      emit(e, span, OP_SLICE, &attributes, value.as.tensor.id, 0), labels);
}

Value emit_sizes(Elaborator *e, Span span, Value value, const Sizes *sizes) {
  if (value_is_poison(value))
    return value;
  const Type *from = value_type(e, value);
  const Type *type =
      type_make(e->program->types, from->format, sizes->rank, sizes->dim);
  if (type == from)
    return value_tensor(value.as.tensor.id, sizes->label);
  return value_tensor(
      emit_typed(e, span, OP_RESHAPE, type, NULL, value.as.tensor.id, 0),
      sizes->label);
}

/* ---- one pick ----------------------------------------------------------- */

static Value read_window(Elaborator *e, Value value, const Pick *pick,
                         int axis) {
  Attributes attributes = axis_attribute(axis);
  attributes.size = pick->size;
  ValueId id =
      emit(e, pick->span, OP_WINDOW, &attributes, value.as.tensor.id, pick->at);
  return value_tensor(id, relabelled(e, value, axis, pick->label));
}

static Value read_gather(Elaborator *e, Value value, const Pick *pick,
                         int axis) {
  Attributes attributes = axis_attribute(axis);
  return value_tensor(
      emit(e, pick->span, OP_GATHER, &attributes, value.as.tensor.id, pick->at),
      NULL);
}

/* `axis`: where the pick's axis is now. */
static Value read_pick(Elaborator *e, Value value, const Pick *pick, int axis) {
  if (value_is_poison(value))
    return value;
  switch (pick->kind) {
  case PICK_GATHER:
    return read_gather(e, value, pick, axis);
  case PICK_ONE:
  case PICK_WINDOW:
  case PICK_RANGE:
    return pick->at ? read_window(e, value, pick, axis)
                    : emit_slice(e, pick->span, value, axis, pick->start,
                                 pick->size, pick->label);
  case PICK_ALL:
  case PICK_NEW:
    break;
  }
  return value;
}

/* ---- the shape that is left --------------------------------------------- */

/* An axis more of the result; false after a message. */
static bool add_size(Elaborator *e, Sizes *sizes, const Pick *pick, int64_t dim,
                     const char *label) {
  if (sizes->rank == MAX_RANK) {
    fail(e, pick->span, "E0308", "a tensor has at most %d axes", MAX_RANK);
    return false;
  }
  sizes->dim[sizes->rank] = dim;
  sizes->label[sizes->rank++] = label;
  return true;
}

static bool add_indices(Elaborator *e, Sizes *sizes, const Pick *pick) {
  const Type *type = value_type(e, pick->indices);
  const char *const *label = pick->indices.as.tensor.label;
  for (int i = 0; i < type->rank; i++)
    if (!add_size(e, sizes, pick, type->dim[i], label ? label[i] : NULL))
      return false;
  return true;
}

bool picks_sizes(Elaborator *e, const Pick *pick, int count, bool single,
                 Sizes *sizes) {
  bool fine = true;
  for (int i = 0; i < count && fine; i++) {
    if (pick[i].kind == PICK_GATHER)
      fine = add_indices(e, sizes, &pick[i]);
    else if (single || pick[i].kind != PICK_ONE)
      fine = add_size(e, sizes, &pick[i], pick[i].size, pick[i].label);
  }
  return fine;
}

/* Axes of single indices stay, at size 1, until all picks are done. */
Value tensor_index(Elaborator *e, const Expr *expr, Value tensor) {
  Subject subject = {expr_text(e, expr->left), expr->left->span, tensor};
  Pick pick[MAX_PICKS];
  int count, axis = 0;
  Sizes *sizes = NEW(e->scratch, Sizes);
  if (!picks_resolve(e, &subject, expr->subs, expr->span, pick, &count) ||
      !picks_sizes(e, pick, count, false, sizes))
    return value_poison();
  Value value = tensor;
  for (int i = 0; i < count; i++) {
    value = read_pick(e, value, &pick[i], axis);
    axis += pick[i].kind == PICK_GATHER ? value_type(e, pick[i].indices)->rank
            : pick[i].kind == PICK_NEW  ? 0
                                        : 1;
  }
  return emit_sizes(e, expr->span, value, sizes);
}
