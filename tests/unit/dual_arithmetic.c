/* Dual rules of arithmetic, conversions and the first elementary functions. */
#include "tests/unit/adjoint_support.h"

#include <math.h>

typedef Dual DualFunction(Dual x);

static void each(const DualCall *call, DualFunction *function) {
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] = function(call->in[0].data[i]);
}

static void pairwise(const DualCall *call, Dual (*function)(Dual, Dual)) {
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] =
        function(dual_broadcast(call, 0, i), dual_broadcast(call, 1, i));
}

static Dual same(Dual x) {
  return x;
}
static Dual negated(Dual x) {
  return dual(-x.v, -x.d);
}
static Dual positive_part(Dual x) {
  return x.v > 0 ? x : dual(0, 0);
}
static Dual root(Dual x) {
  return dual(sqrt(x.v), x.d / (2 * sqrt(x.v)));
}
static Dual exponential(Dual x) {
  return dual(exp(x.v), x.d * exp(x.v));
}
static Dual logarithm(Dual x) {
  return dual(log(x.v), x.d / x.v);
}

static void dual_same(const DualCall *call) {
  each(call, same);
}
static void dual_neg(const DualCall *call) {
  each(call, negated);
}
static void dual_relu(const DualCall *call) {
  each(call, positive_part);
}
static void dual_sqrt(const DualCall *call) {
  each(call, root);
}
static void dual_exp(const DualCall *call) {
  each(call, exponential);
}
static void dual_log(const DualCall *call) {
  each(call, logarithm);
}
static void dual_plus(const DualCall *call) {
  pairwise(call, dual_add);
}
static void dual_minus(const DualCall *call) {
  pairwise(call, dual_sub);
}
static void dual_times(const DualCall *call) {
  pairwise(call, dual_mul);
}
static void dual_over(const DualCall *call) {
  pairwise(call, dual_div);
}

const DualRow dual_arithmetic[] = {
    {OP_CONVERT, dual_same}, {OP_CAST, dual_same}, {OP_RESCALE, dual_same},
    {OP_NEG, dual_neg},      {OP_ADD, dual_plus},  {OP_SUB, dual_minus},
    {OP_MUL, dual_times},    {OP_DIV, dual_over},  {OP_RELU, dual_relu},
    {OP_SQRT, dual_sqrt},    {OP_EXP, dual_exp},   {OP_LOG, dual_log},
    {OP_COUNT, NULL}};
