/* Dual rules of indexing, element by element from the definitions. */
#include "tests/unit/adjoint_support.h"

static int64_t axis_of(const DualCall *call) {
  return call->node->attr.axis;
}

/* Operand `operand` at `index`. */
static Dual at(const DualCall *call, int operand, const int64_t *index) {
  const DualTensor *in = &call->in[operand];
  return in->data[dual_offset(in->type, index)];
}

static int64_t whole(const DualCall *call, int operand, int64_t element) {
  return (int64_t)call->in[operand].data[element].v;
}

static void dual_slice(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    int64_t index[MAX_RANK];
    dual_index(call->out.type, i, index);
    index[axis_of(call)] += call->node->attr.start;
    call->out.data[i] = at(call, 0, index);
  }
}

static void dual_concat(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    int64_t index[MAX_RANK];
    int operand = 0;
    dual_index(call->out.type, i, index);
    while (index[axis_of(call)] >= call->in[operand].type->dim[axis_of(call)])
      index[axis_of(call)] -= call->in[operand++].type->dim[axis_of(call)];
    call->out.data[i] = at(call, operand, index);
  }
}

static void dual_pad(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    int64_t index[MAX_RANK], *place = &index[axis_of(call)];
    dual_index(call->out.type, i, index);
    *place -= call->node->attr.low;
    bool inside = *place >= 0 && *place < call->in[0].type->dim[axis_of(call)];
    call->out.data[i] = inside ? at(call, 0, index) : call->in[1].data[0];
  }
}

static void dual_reverse(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    int64_t index[MAX_RANK], *place = &index[axis_of(call)];
    dual_index(call->out.type, i, index);
    *place = call->out.type->dim[axis_of(call)] - 1 - *place;
    call->out.data[i] = at(call, 0, index);
  }
}

static void dual_window(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    int64_t index[MAX_RANK];
    dual_index(call->out.type, i, index);
    index[axis_of(call)] += whole(call, 1, 0);
    call->out.data[i] = at(call, 0, index);
  }
}

static void dual_window_write(const DualCall *call) {
  int64_t start = whole(call, 2, 0);
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    int64_t index[MAX_RANK], *place = &index[axis_of(call)];
    dual_index(call->out.type, i, index);
    bool inside = *place >= start &&
                  *place < start + call->in[1].type->dim[axis_of(call)];
    if (inside)
      *place -= start;
    call->out.data[i] = at(call, inside ? 1 : 0, index);
  }
}

/* The index of the table for an index of what was gathered from it. */
static void table_index(const DualCall *call, int operand, const Type *table,
                        const int64_t *index, int64_t *out) {
  const Type *ids = call->in[operand].type;
  int axis = (int)axis_of(call);
  for (int i = 0; i < axis; i++)
    out[i] = index[i];
  out[axis] = whole(call, operand, dual_offset(ids, index + axis));
  for (int i = axis + 1; i < table->rank; i++)
    out[i] = index[i + ids->rank - 1];
}

static void dual_gather(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    int64_t index[MAX_RANK], from[MAX_RANK];
    dual_index(call->out.type, i, index);
    table_index(call, 1, call->in[0].type, index, from);
    call->out.data[i] = at(call, 0, from);
  }
}

static void dual_scatter_add(const DualCall *call) {
  for (int64_t i = 0; i < call->in[0].type->elements; i++) {
    int64_t index[MAX_RANK], to[MAX_RANK];
    dual_index(call->in[0].type, i, index);
    table_index(call, 1, call->out.type, index, to);
    Dual *sum = &call->out.data[dual_offset(call->out.type, to)];
    *sum = dual_add(*sum, call->in[0].data[i]);
  }
}

/* In the order of the updates: of those at one place the last stays. */
static void dual_scatter(const DualCall *call) {
  const DualTensor *update = &call->in[1];
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] = call->in[0].data[i];
  for (int64_t i = 0; i < update->type->elements; i++) {
    int64_t index[MAX_RANK], to[MAX_RANK];
    dual_index(update->type, i, index);
    table_index(call, 2, call->out.type, index, to);
    call->out.data[dual_offset(call->out.type, to)] = update->data[i];
  }
}

static void dual_take(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    int64_t index[MAX_RANK];
    dual_index(call->out.type, i, index);
    index[axis_of(call)] = whole(call, 1, i);
    call->out.data[i] = at(call, 0, index);
  }
}

static void dual_put_add(const DualCall *call) {
  for (int64_t i = 0; i < call->in[0].type->elements; i++) {
    int64_t index[MAX_RANK];
    dual_index(call->in[0].type, i, index);
    index[axis_of(call)] = whole(call, 1, i);
    Dual *sum = &call->out.data[dual_offset(call->out.type, index)];
    *sum = dual_add(*sum, call->in[0].data[i]);
  }
}

const DualRow dual_indexing[] = {
    {OP_SLICE, dual_slice},     {OP_CONCAT, dual_concat},
    {OP_PAD, dual_pad},         {OP_REVERSE, dual_reverse},
    {OP_WINDOW, dual_window},   {OP_WINDOW_WRITE, dual_window_write},
    {OP_GATHER, dual_gather},   {OP_SCATTER_ADD, dual_scatter_add},
    {OP_SCATTER, dual_scatter}, {OP_TAKE, dual_take},
    {OP_PUT_ADD, dual_put_add}, {OP_COUNT, NULL}};
