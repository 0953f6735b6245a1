/* Dual rules of reductions that keep elements and of composites over rows, from
 * their definitions: softmax is exp(x) over the sum of exp(x), a norm divides
 * by a root.
 */
#include "tests/unit/adjoint_support.h"

#include <math.h>
#include <stdlib.h>

static Dual dual_exp(Dual a) {
  return dual(exp(a.v), a.d * exp(a.v));
}

static Dual dual_log(Dual a) {
  return dual(log(a.v), a.d / a.v);
}

static Dual dual_sqrt(Dual a) {
  return dual(sqrt(a.v), a.d / (2 * sqrt(a.v)));
}

/* ---- lists --------------------------------------------------------------- */

/* Which list an element of operand 0 belongs to: the row-major index over the
 * axes that the op keeps. */
typedef struct {
  bool kept[MAX_RANK];
  int64_t lists, *list; /* by element */
} Lists;

static Lists lists_of(const DualCall *call, const bool *kept) {
  const Type *type = call->in[0].type;
  Lists lists = {.lists = 1};
  for (int i = 0; i < type->rank; i++)
    if ((lists.kept[i] = kept[i]))
      lists.lists *= type->dim[i];
  lists.list = calloc((size_t)type->elements + 1, sizeof *lists.list);
  for (int64_t i = 0; i < type->elements; i++) {
    int64_t index[MAX_RANK], list = 0;
    dual_index(type, i, index);
    for (int k = 0; k < type->rank; k++)
      if (kept[k])
        list = list * type->dim[k] + index[k];
    lists.list[i] = list;
  }
  return lists;
}

static Lists pattern_lists(const DualCall *call) {
  Pattern pattern = dual_pattern(call);
  bool kept[MAX_RANK] = {false};
  for (int i = 0; i < pattern.rank[0]; i++)
    for (int j = 0; j < pattern.out_rank; j++)
      kept[i] |= pattern.out_axis[j] == pattern.axis[0][i];
  return lists_of(call, kept);
}

static Lists axis_lists(const DualCall *call, int64_t axis) {
  bool kept[MAX_RANK];
  for (int i = 0; i < MAX_RANK; i++)
    kept[i] = i != axis;
  return lists_of(call, kept);
}

/* One number for each list, from all of its elements. */
static Dual *fold(const DualCall *call, const Lists *lists, Dual start,
                  Dual (*step)(Dual, Dual)) {
  Dual *out = calloc((size_t)lists->lists + 1, sizeof *out);
  for (int64_t i = 0; i < lists->lists; i++)
    out[i] = start;
  for (int64_t i = 0; i < call->in[0].type->elements; i++) {
    Dual *to = &out[lists->list[i]];
    *to = step(*to, call->in[0].data[i]);
  }
  return out;
}

static void take(const DualCall *call, Lists *lists, Dual *folded) {
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] = folded[i];
  free(folded);
  free(lists->list);
}

/* ---- reductions ---------------------------------------------------------- */

static Dual larger(Dual a, Dual b) {
  return b.v > a.v ? b : a;
}

static Dual smaller(Dual a, Dual b) {
  return b.v < a.v ? b : a;
}

static Dual add_exp(Dual sum, Dual x) {
  return dual_add(sum, dual_exp(x));
}

static Dual add_square(Dual sum, Dual x) {
  return dual_add(sum, dual_mul(x, x));
}

static void dual_max(const DualCall *call) {
  Lists lists = pattern_lists(call);
  take(call, &lists, fold(call, &lists, dual(-INFINITY, 0), larger));
}

static void dual_min(const DualCall *call) {
  Lists lists = pattern_lists(call);
  take(call, &lists, fold(call, &lists, dual(INFINITY, 0), smaller));
}

static void dual_prod(const DualCall *call) {
  Lists lists = pattern_lists(call);
  take(call, &lists, fold(call, &lists, dual(1, 0), dual_mul));
}

static void dual_logsumexp(const DualCall *call) {
  Lists lists = pattern_lists(call);
  Dual *sum = fold(call, &lists, dual(0, 0), add_exp);
  for (int64_t i = 0; i < lists.lists; i++)
    sum[i] = dual_log(sum[i]);
  take(call, &lists, sum);
}

/* Every element that is not behind this one, or not in front of it. */
static void dual_cumsum(const DualCall *call) {
  const Type *type = call->in[0].type;
  int64_t axis = call->node->attr.axis;
  for (int64_t i = 0; i < type->elements; i++) {
    int64_t index[MAX_RANK];
    dual_index(type, i, index);
    int64_t here = index[axis];
    bool reverse = call->node->attr.reverse;
    int64_t end = reverse ? type->dim[axis] : here + 1;
    call->out.data[i] = dual(0, 0);
    for (int64_t j = reverse ? here : 0; j < end; j++) {
      index[axis] = j;
      call->out.data[i] = dual_add(call->out.data[i],
                                   call->in[0].data[dual_offset(type, index)]);
    }
  }
}

/* ---- composites ---------------------------------------------------------- */

static void dual_softmax(const DualCall *call) {
  Lists lists = axis_lists(call, call->node->attr.axis);
  Dual *sum = fold(call, &lists, dual(0, 0), add_exp);
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] =
        dual_div(dual_exp(call->in[0].data[i]), sum[lists.list[i]]);
  free(sum);
  free(lists.list);
}

static void dual_log_softmax(const DualCall *call) {
  dual_softmax(call);
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] = dual_log(call->out.data[i]);
}

/* x / sqrt(mean x^2 + eps), of x less its mean for layer_norm. */
static void divide_by_length(const DualCall *call, const Lists *lists,
                             const Dual *x) {
  const Type *type = call->in[0].type;
  Dual n = dual((double)type->dim[type->rank - 1], 0);
  DualCall centred = *call;
  centred.in[0].data = (Dual *)(uintptr_t)x;
  Dual *square = fold(&centred, lists, dual(0, 0), add_square);
  for (int64_t i = 0; i < type->elements; i++) {
    Dual mean = dual_div(square[lists->list[i]], n);
    Dual length = dual_sqrt(dual_add(mean, dual(call->node->attr.eps, 0)));
    call->out.data[i] = dual_div(x[i], length);
  }
  free(square);
}

static void dual_rms_norm(const DualCall *call) {
  Lists lists = axis_lists(call, call->in[0].type->rank - 1);
  divide_by_length(call, &lists, call->in[0].data);
  free(lists.list);
}

static void dual_layer_norm(const DualCall *call) {
  const Type *type = call->in[0].type;
  Lists lists = axis_lists(call, type->rank - 1);
  Dual n = dual((double)type->dim[type->rank - 1], 0);
  Dual *sum = fold(call, &lists, dual(0, 0), dual_add);
  Dual *x = calloc((size_t)type->elements + 1, sizeof *x);
  for (int64_t i = 0; i < type->elements; i++)
    x[i] = dual_sub(call->in[0].data[i], dual_div(sum[lists.list[i]], n));
  divide_by_length(call, &lists, x);
  free(x);
  free(sum);
  free(lists.list);
}

const DualRow dual_row[] = {{OP_MAX, dual_max},
                            {OP_MIN, dual_min},
                            {OP_PROD, dual_prod},
                            {OP_CUMSUM, dual_cumsum},
                            {OP_LOGSUMEXP, dual_logsumexp},
                            {OP_SOFTMAX, dual_softmax},
                            {OP_LOG_SOFTMAX, dual_log_softmax},
                            {OP_LAYER_NORM, dual_layer_norm},
                            {OP_RMS_NORM, dual_rms_norm},
                            {OP_COUNT, NULL}};
