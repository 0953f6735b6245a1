/* Scale rules of x * g(x) and of its gradient: the exponent of x, or of dy.
 *
 * What g leaves of the rms depends on the level L of x: half of it for small x,
 * where g is about 1/2, and sqrt(1/2) for large x, where it is a step. Between
 * them unit scaling's interpolation (unit_scaling/functional.py; numerics.md
 * 4.4) with a = 1 / (1 + c 2^-2L), c = 1/4 for gelu and 1 for silu:
 *
 *   f + a log2 sqrt(1/2) + (1 - a) log2 (1/2)
 */
#include "compiler/pass/scale_rules.h"

#include <math.h>

/* log2 of the rms of g(x), or of its derivative, at data of the level of x. A
 * run-time exponent is taken at what it is expected to be. */
static double gate_drift(const Scaler *scaler, const Node *node) {
  const Node *x = scaler_operand(scaler, node, 0);
  bool silu = node->op == OP_SILU || node->op == OP_SILU_GRAD;
  if (!node_contributes(x))
    return -1;
  double level =
      scaler_predicted(scaler, x->scale).exponent + x->estimate.log2_rms;
  double share = 1 / (1 + (silu ? 1 : 0.25) * exp2(-2 * level));
  return share * -0.5 + (1 - share) * -1;
}

void scale_gated(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  bool nonnegative = scaler_operand(scaler, node, 0)->estimate.nonnegative;
  double drift = gate_drift(scaler, node);
  scaler_keep(scaler, node, drift, nonnegative);
  scaler_factor(scaler, node, drift, "the gate's 2^%.2f", drift);
}

/* (x, dy) */
void scale_gated_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Node *dy = scaler_operand(scaler, node, 1);
  double drift = gate_drift(scaler, node);
  node_set_scale(node, dy->scale, dy->estimate.log2_rms + drift, false);
  scaler_factor(scaler, node, drift, "the gate's 2^%.2f", drift);
}
