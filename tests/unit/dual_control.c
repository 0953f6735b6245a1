/* Dual rules of scale control and of moved images: identities, and a move. */
#include "tests/unit/adjoint_families.h"

static void dual_identity(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] = call->in[0].data[i];
}

/* Scattered: each element of x goes to where its example's offset sends it. */
static void dual_translate(const DualCall *call) {
  const Type *type = call->out.type, *offsets = call->in[1].type;
  int64_t index[MAX_RANK];
  for (int64_t i = 0; i < type->elements; i++)
    call->out.data[i] = dual(0, 0);
  for (int64_t i = 0; i < type->elements; i++) {
    bool inside = true;
    dual_index(type, i, index);
    for (int64_t k = 0; k < offsets->dim[1]; k++) {
      int64_t by = (int64_t)call->in[1].data[index[0] * offsets->dim[1] + k].v;
      index[k + 1] += call->node->attr.reverse ? -by : by;
      inside = inside && index[k + 1] >= 0 && index[k + 1] < type->dim[k + 1];
    }
    if (inside)
      call->out.data[dual_offset(type, index)] = call->in[0].data[i];
  }
}

const DualRow dual_control[] = {
    {OP_SET_SCALE, dual_identity},    {OP_CAST_GRAD, dual_identity},
    {OP_RESCALE_GRAD, dual_identity}, {OP_SET_SCALE_GRAD, dual_identity},
    {OP_TRANSLATE, dual_translate},   {OP_COUNT, NULL}};
