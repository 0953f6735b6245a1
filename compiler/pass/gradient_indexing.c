/* Gradient rules of indexing. Each op is linear in the values that it moves,
 * so its rule is its transpose: a slice is padded, a concatenation sliced, what
 * was gathered is summed where it came from. Indices have no gradient.
 */
#include "compiler/pass/gradient.h"

/* A piece of `a`: `size` elements of `axis` from `start`. */
static ValueId sliced(Tape *tape, ValueId a, int64_t axis, int64_t start,
                      int64_t size) {
  Node node = node_make(OP_SLICE, PHASE_BACKWARD, NULL, a, 0, 0);
  node.attr.axis = axis;
  node.attr.start = start;
  node.attr.size = size;
  return tape_add(tape, node);
}

static ValueId padded(Tape *tape, ValueId a, int64_t axis, int64_t low,
                      int64_t high) {
  Node node =
      node_make(OP_PAD, PHASE_BACKWARD, NULL, a, tape_number(tape, 0), 0);
  node.attr.axis = axis;
  node.attr.low = low;
  node.attr.high = high;
  return tape_add(tape, node);
}

/* op(a, b) along the axis of `id`, into or of `size`. */
static ValueId along(Tape *tape, Op op, ValueId id, ValueId a, ValueId b,
                     int64_t size) {
  Node node = node_make(op, PHASE_BACKWARD, NULL, a, b, 0);
  node.attr.axis = graph_node(tape->graph, id)->attr.axis;
  if (op_info(op)->attributes & ATTR(SIZE))
    node.attr.size = size;
  return tape_add(tape, node);
}

static ValueId zeros(Tape *tape, const Type *type) {
  return tape_shaped(tape, OP_SPLAT, tape_number(tape, 0), type, NULL);
}

/* `into` with the window of `id` from its start replaced by `update`. */
static ValueId written(Tape *tape, ValueId id, ValueId into, ValueId update,
                       ValueId start) {
  Node node =
      node_make(OP_WINDOW_WRITE, PHASE_BACKWARD, NULL, into, update, start);
  node.attr.axis = graph_node(tape->graph, id)->attr.axis;
  return tape_add(tape, node);
}

/* The size of the axis of `id` in its operand `operand`. */
static int64_t axis_size(const Tape *tape, ValueId id, int operand) {
  const Type *type = tape_type(tape, tape_operand(tape, id, operand));
  return type->dim[graph_node(tape->graph, id)->attr.axis];
}

/* ---- pieces of an axis -------------------------------------------------- */

void gradient_slice(Tape *tape, ValueId id, ValueId dy) {
  if (!tape_begin(tape, id, 0))
    return;
  Attributes attr = graph_node(tape->graph, id)->attr;
  int64_t n = axis_size(tape, id, 0);
  tape_give(tape, padded(tape, dy, attr.axis, attr.start,
                         n - attr.start - attr.size));
}

/* Last to first, as all rules; a value that occurs twice is given twice. */
void gradient_concat(Tape *tape, ValueId id, ValueId dy) {
  int64_t axis = graph_node(tape->graph, id)->attr.axis;
  int64_t end = tape_type(tape, id)->dim[axis];
  for (int i = node_inputs(graph_node(tape->graph, id)); i-- > 0;) {
    int64_t size = axis_size(tape, id, i);
    end -= size;
    if (tape_begin(tape, id, i))
      tape_give(tape, sliced(tape, dy, axis, end, size));
  }
}

/* The value is given what lies in the margins, each summed by tape_fit. */
void gradient_pad(Tape *tape, ValueId id, ValueId dy) {
  Attributes attr = graph_node(tape->graph, id)->attr;
  int64_t n = axis_size(tape, id, 0);
  if (tape_begin(tape, id, 1)) {
    tape_give(tape, sliced(tape, dy, attr.axis, 0, attr.low));
    tape_give(tape, sliced(tape, dy, attr.axis, attr.low + n, attr.high));
  }
  if (tape_begin(tape, id, 0))
    tape_give(tape, sliced(tape, dy, attr.axis, attr.low, n));
}

void gradient_reverse(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, along(tape, OP_REVERSE, id, dy, 0, 0));
}

/* ---- windows ------------------------------------------------------------ */

void gradient_window(Tape *tape, ValueId id, ValueId dy) {
  if (!tape_begin(tape, id, 0))
    return;
  ValueId into = zeros(tape, tape_type(tape, tape->target));
  tape_give(tape, written(tape, id, into, dy, tape_operand(tape, id, 1)));
}

/* What is written over gets nothing, the update what it wrote. */
void gradient_window_write(Tape *tape, ValueId id, ValueId dy) {
  ValueId start = tape_operand(tape, id, 2);
  if (tape_begin(tape, id, 1))
    tape_give(tape,
              along(tape, OP_WINDOW, id, dy, start, axis_size(tape, id, 1)));
  if (tape_begin(tape, id, 0)) {
    ValueId nothing = zeros(tape, tape_type(tape, tape_operand(tape, id, 1)));
    tape_give(tape, written(tape, id, dy, nothing, start));
  }
}

/* ---- gather, take and their adjoints ------------------------------------ */

/* The transpose of an op that moves by the indices of `id`. */
static void transpose(Tape *tape, ValueId id, ValueId dy, Op op) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, along(tape, op, id, dy, tape_operand(tape, id, 1),
                          axis_size(tape, id, 0)));
}

void gradient_gather(Tape *tape, ValueId id, ValueId dy) {
  transpose(tape, id, dy, OP_SCATTER_ADD);
}

void gradient_take(Tape *tape, ValueId id, ValueId dy) {
  transpose(tape, id, dy, OP_PUT_ADD);
}

void gradient_scatter_add(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape,
              along(tape, OP_GATHER, id, dy, tape_operand(tape, id, 1), 0));
}

/* 1 where the update of an index is the one that stays, along the axes of the
 * indices: each place remembers the number of the last index that it had. */
static ValueId winners(Tape *tape, ValueId ids, int64_t places) {
  TypeTable *types = tape->context->program->types;
  const Type *type = type_with_format(types, tape_type(tape, ids), FORMAT_I32);
  const Type *line = type_make(types, FORMAT_I32, 1, &places);
  Node count = node_make(OP_IOTA, PHASE_BACKWARD, NULL, 0, 0, 0);
  count.attr.size = type->elements;
  ValueId number = tape_add(tape, node_make(OP_RESHAPE, PHASE_BACKWARD, type,
                                            tape_add(tape, count), 0, 0));
  Node zero = node_make(OP_CONST, PHASE_BACKWARD,
                        type_scalar(types, FORMAT_I32), 0, 0, 0);
  ValueId none = tape_add(tape, node_make(OP_SPLAT, PHASE_BACKWARD, line,
                                          tape_add(tape, zero), 0, 0));
  ValueId last = tape_add(
      tape, node_make(OP_SCATTER, PHASE_BACKWARD, NULL, none, number, ids));
  ValueId seen =
      tape_add(tape, node_make(OP_GATHER, PHASE_BACKWARD, NULL, last, ids, 0));
  return tape_binary(tape, OP_EQ, seen, number);
}

/* A mask of the shape of the indices, spread over the updates: 1 for each axis
 * of these that the indices do not have. */
static ValueId widened(Tape *tape, ValueId mask, const Type *updates,
                       int axis) {
  const Type *from = tape_type(tape, mask);
  int64_t dim[MAX_RANK];
  for (int i = 0; i < updates->rank; i++)
    dim[i] = i >= axis && i < axis + from->rank ? updates->dim[i] : 1;
  const Type *to = type_make(tape->context->program->types, from->format,
                             updates->rank, dim);
  if (to == from)
    return mask;
  return tape_add(tape, node_make(OP_RESHAPE, PHASE_BACKWARD, to, mask, 0, 0));
}

/* As of a window, but that of the updates at one place the last counts. */
void gradient_scatter(Tape *tape, ValueId id, ValueId dy) {
  ValueId ids = tape_operand(tape, id, 2);
  int64_t axis = graph_node(tape->graph, id)->attr.axis;
  const Type *updates = tape_type(tape, tape_operand(tape, id, 1));
  if (tape_begin(tape, id, 1)) {
    ValueId mask = winners(tape, ids, axis_size(tape, id, 0));
    ValueId rows = along(tape, OP_GATHER, id, dy, ids, 0);
    tape_give(tape,
              tape_add(tape, node_make(OP_SELECT, PHASE_BACKWARD, NULL,
                                       widened(tape, mask, updates, (int)axis),
                                       rows, zeros(tape, updates))));
  }
  if (tape_begin(tape, id, 0)) {
    Node node = node_make(OP_SCATTER, PHASE_BACKWARD, NULL, dy,
                          zeros(tape, updates), ids);
    node.attr.axis = axis;
    tape_give(tape, tape_add(tape, node));
  }
}

void gradient_put_add(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, along(tape, OP_TAKE, id, dy, tape_operand(tape, id, 1), 0));
}
