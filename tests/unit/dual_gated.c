/* Dual rules of gelu, gelu_tanh and silu: x times the distribution function of
 * the standard normal distribution, its approximation, or the logistic one.
 */
#include "tests/unit/adjoint_support.h"

#include <math.h>

static const double pi = 3.14159265358979324;

static Dual dual_tanh(Dual a) {
  double t = tanh(a.v);
  return dual(t, a.d * (1 - t * t));
}

static Dual half_of_one_plus(Dual a) {
  return dual((1 + a.v) / 2, a.d / 2);
}

static Dual normal_distribution(Dual x) {
  double density = exp(-x.v * x.v / 2) / sqrt(2 * pi);
  return dual(erfc(-x.v / sqrt(2)) / 2, x.d * density);
}

static Dual approximate_distribution(Dual x) {
  Dual cube = dual_mul(dual_mul(x, x), x);
  Dual inner = dual_add(x, dual_mul(cube, dual(0.044715, 0)));
  return half_of_one_plus(dual_tanh(dual_mul(inner, dual(sqrt(2 / pi), 0))));
}

static Dual logistic_distribution(Dual x) {
  return half_of_one_plus(dual_tanh(dual(x.v / 2, x.d / 2)));
}

static void gate(const DualCall *call, Dual (*distribution)(Dual)) {
  for (int64_t i = 0; i < call->out.type->elements; i++) {
    Dual x = call->in[0].data[i];
    call->out.data[i] = dual_mul(x, distribution(x));
  }
}

static void dual_gelu(const DualCall *call) {
  gate(call, normal_distribution);
}

static void dual_gelu_tanh(const DualCall *call) {
  gate(call, approximate_distribution);
}

static void dual_silu(const DualCall *call) {
  gate(call, logistic_distribution);
}

const DualRow dual_gated[] = {{OP_GELU, dual_gelu},
                              {OP_GELU_TANH, dual_gelu_tanh},
                              {OP_SILU, dual_silu},
                              {OP_COUNT, NULL}};
