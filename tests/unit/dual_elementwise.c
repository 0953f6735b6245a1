/* Dual rules of choices and of elementwise functions. */
#include "tests/unit/adjoint_support.h"

#include <math.h>

/* ---- functions of one number --------------------------------------------- */

static Dual magnitude(Dual x) {
  return x.v < 0 ? dual(-x.v, -x.d) : x.v > 0 ? x : dual(0, 0);
}
static Dual sign(Dual x) {
  return dual((x.v > 0) - (x.v < 0), 0);
}
static Dual whole_below(Dual x) {
  return dual(floor(x.v), 0);
}
static Dual whole_nearest(Dual x) {
  return dual(rint(x.v), 0);
}
static Dual inverse_root(Dual x) {
  return dual(pow(x.v, -0.5), -0.5 * pow(x.v, -1.5) * x.d);
}

static Dual hyperbolic(Dual x) {
  double c = cosh(x.v);
  return dual(tanh(x.v), x.d / (c * c));
}
static Dual logistic(Dual x) {
  double up = exp(x.v);
  return dual(up / (1 + up), x.d * up / ((1 + up) * (1 + up)));
}
static Dual error_function(Dual x) {
  return dual(erf(x.v), x.d * 2 / sqrt(acos(-1)) * exp(-x.v * x.v));
}
static Dual sine(Dual x) {
  return dual(sin(x.v), x.d * cos(x.v));
}
static Dual cosine(Dual x) {
  return dual(cos(x.v), -x.d * sin(x.v));
}

#define EACH(name, function)                                                   \
  static void dual_##name(const DualCall *call) {                              \
    for (int64_t i = 0; i < call->out.type->elements; i++)                     \
      call->out.data[i] = function(call->in[0].data[i]);                       \
  }

EACH(abs, magnitude)
EACH(sign, sign)
EACH(floor, whole_below)
EACH(round, whole_nearest)
EACH(rsqrt, inverse_root)
EACH(tanh, hyperbolic)
EACH(sigmoid, logistic)
EACH(erf, error_function)
EACH(sin, sine)
EACH(cos, cosine)

/* e^(b log a), or a product for a negative base. */
static void dual_pow(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    Dual a = dual_broadcast(call, 0, i), b = dual_broadcast(call, 1, i);
    double y = pow(a.v, b.v), by_b = a.v > 0 ? y * log(a.v) * b.d : 0;
    call->out.data[i] = dual(y, y * b.v / a.v * a.d + by_b);
  }
}

/* ---- choices ------------------------------------------------------------- */

static void dual_maximum(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    Dual a = dual_broadcast(call, 0, i), b = dual_broadcast(call, 1, i);
    call->out.data[i] = b.v > a.v ? b : a;
  }
}

static void dual_minimum(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    Dual a = dual_broadcast(call, 0, i), b = dual_broadcast(call, 1, i);
    call->out.data[i] = b.v < a.v ? b : a;
  }
}

static void dual_select(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] =
        dual_broadcast(call, dual_broadcast(call, 0, i).v != 0 ? 1 : 2, i);
}

const DualRow dual_elementwise[] = {{OP_ABS, dual_abs},
                                    {OP_SIGN, dual_sign},
                                    {OP_FLOOR, dual_floor},
                                    {OP_ROUND, dual_round},
                                    {OP_RSQRT, dual_rsqrt},
                                    {OP_MAXIMUM, dual_maximum},
                                    {OP_MINIMUM, dual_minimum},
                                    {OP_SELECT, dual_select},
                                    {OP_TANH, dual_tanh},
                                    {OP_SIGMOID, dual_sigmoid},
                                    {OP_ERF, dual_erf},
                                    {OP_SIN, dual_sin},
                                    {OP_COS, dual_cos},
                                    {OP_POW, dual_pow},
                                    {OP_COUNT, NULL}};
