/* Dual rules of ops that move elements. */
#include "tests/unit/adjoint_support.h"

static void dual_reshape(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] = call->in[0].data[i];
}

static void dual_splat(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] = call->in[0].data[0];
}

/* Each axis of the operand is found among the letters of the result. */
static void dual_move(const DualCall *call) {
  Pattern pattern = dual_pattern(call);
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    int64_t index[MAX_RANK], own[MAX_RANK] = {0};
    dual_index(call->out.type, i, index);
    for (int j = 0; j < pattern.rank[0]; j++)
      for (int k = 0; k < pattern.out_rank; k++)
        if (pattern.out_axis[k] == pattern.axis[0][j])
          own[j] = index[k];
    call->out.data[i] = call->in[0].data[dual_offset(call->in[0].type, own)];
  }
}

const DualRow dual_structure[] = {{OP_RESHAPE, dual_reshape},
                                  {OP_TRANSPOSE, dual_move},
                                  {OP_SPLAT, dual_splat},
                                  {OP_BROADCAST, dual_move},
                                  {OP_COUNT, NULL}};
