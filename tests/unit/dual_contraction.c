/* Dual rules of contractions, reductions and the cross entropy. */
#include "tests/unit/adjoint_support.h"

#include <math.h>

/* Letters of the pattern with their sizes, walked all at once. */
typedef struct {
  Pattern pattern;
  int64_t size[3 * MAX_RANK], at[3 * MAX_RANK];
} Walk;

static Walk walk_begin(const DualCall *call) {
  Walk walk = {.pattern = dual_pattern(call)};
  for (int i = 0; i < walk.pattern.operands; i++)
    for (int j = 0; j < walk.pattern.rank[i]; j++)
      walk.size[walk.pattern.axis[i][j]] = call->in[i].type->dim[j];
  return walk;
}

static bool walk_is_empty(const Walk *walk) {
  for (int i = 0; i < walk->pattern.letters; i++)
    if (walk->size[i] == 0)
      return true;
  return false;
}

static bool walk_next(Walk *walk) {
  for (int i = walk->pattern.letters; i-- > 0;) {
    if (++walk->at[i] < walk->size[i])
      return true;
    walk->at[i] = 0;
  }
  return false;
}

static int64_t walk_offset(const Walk *walk, const Type *type,
                           const int *axis) {
  int64_t index[MAX_RANK] = {0};
  for (int i = 0; i < type->rank; i++)
    index[i] = walk->at[axis[i]];
  return dual_offset(type, index);
}

static Dual walk_operand(const Walk *walk, const DualCall *call, int operand) {
  const DualTensor *in = &call->in[operand];
  return in->data[walk_offset(walk, in->type, walk->pattern.axis[operand])];
}

static void dual_contract(const DualCall *call) {
  Walk walk = walk_begin(call);
  if (walk_is_empty(&walk))
    return;
  do {
    Dual *out =
        &call->out
             .data[walk_offset(&walk, call->out.type, walk.pattern.out_axis)];
    Dual term = walk_operand(&walk, call, 0);
    if (call->inputs > 1)
      term = dual_mul(term, walk_operand(&walk, call, 1));
    *out = dual_add(*out, term);
  } while (walk_next(&walk));
}

static void dual_mean(const DualCall *call) {
  dual_contract(call);
  double n =
      (double)call->in[0].type->elements / (double)call->out.type->elements;
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] = dual_div(call->out.data[i], dual(n, 0));
}

/* log(sum(exp(x))) less the mean of x under the target, a row at a time: 1 -
 * smooth at the label and smooth shared by all; 0 where the label is ignored.
 */
static void dual_cross_entropy(const DualCall *call) {
  const Type *type = call->in[0].type;
  const Attributes *attr = &call->node->attr;
  int64_t n = type->dim[type->rank - 1];
  for (int64_t row = 0; row < call->out.type->elements; row++) {
    const Dual *x = call->in[0].data + row * n;
    int64_t label = (int64_t)call->in[1].data[row].v;
    Dual sum = dual(0, 0), wanted = dual(0, 0);
    for (int64_t i = 0; i < n; i++) {
      double target = attr->smooth / (double)n;
      target += i == label ? 1 - attr->smooth : 0;
      sum = dual_add(sum, dual(exp(x[i].v), x[i].d * exp(x[i].v)));
      wanted = dual_add(wanted, dual_mul(x[i], dual(target, 0)));
    }
    Dual log_sum = dual(log(sum.v), sum.d / sum.v);
    call->out.data[row] =
        label == attr->ignore ? dual(0, 0) : dual_sub(log_sum, wanted);
  }
}

const DualRow dual_contraction[] = {{OP_EINSUM, dual_contract},
                                    {OP_SUM, dual_contract},
                                    {OP_MEAN, dual_mean},
                                    {OP_SOFTMAX_XENT, dual_cross_entropy},
                                    {OP_COUNT, NULL}};
