/* Scale rules of reductions that keep elements and of composites over rows.
 *
 * The level of a result is that of operands with independent elements of equal
 * rms; where unit scaling (Blake et al., arXiv 2303.11257; numerics.md 4.4) has
 * a factor for an op, the level is minus its logarithm. Over n elements:
 *
 *   max, min        e; f + log2 sqrt(2 ln n)     gradients: f - 1/2 log2 n
 *   min of what is not negative: e; f + log2(1.77 / n)
 *   prod            L = n L1                     gradient: L(dy) + (n - 1) L1
 *   cumsum          L = L1 + 1/2 log2((n + 1) / 2), the rms over the places
 *   logsumexp       e = 0; f = log2(ln n + s^2/2), or s sqrt(2 ln n) for
 *                   s^2 > 2 ln n, where s = 2^L1
 *   softmax         L = -0.9 log2 n              gradient: the same + L(dy)
 *   log_softmax     as logsumexp                 gradient: L(dy) + 1/2 log2(1 -
 * 1/n) logsumexp_grad  as softmax, times dy onehot          L = -1/2 log2 n
 *   norms           L = 0                        gradients: L(dy) - L(x)
 */
#include "compiler/pass/scale_rules.h"

#include <math.h>

/* Unit scaling's factor of softmax over n, n^0.9: between sqrt(n) for a flat
 * distribution's deviation and n for its mean. */
static const double softmax_share = 0.9;

/* The size of the axis along which the op works. */
static double axis_size(const Scaler *scaler, const Node *node) {
  return (double)scaler_operand(scaler, node, 0)->type->dim[node->attr.axis];
}

/* log2 n; 0 of nothing, which has no data to expect anything of. */
static double log2_count(double n) {
  return n > 0 ? log2(n) : 0;
}

/* A result whose level follows dy, renormalised at the exponent of dy. */
static void follow(Scaler *scaler, Node *node, double growth) {
  const Node *dy = scaler_operand(scaler, node, 1);
  if (!node_contributes(dy) || isinf(growth))
    node_set_scale(node, dy->scale, -INFINITY, false);
  else
    scaler_renormalise(scaler, node, dy->scale.symbol, node_level(dy) + growth,
                       false);
}

/* The level of operand 0, a run-time exponent taken at what is expected; 0 for
 * what is known to be zero, infinite or NaN. */
static double expected_level(const Scaler *scaler, const Node *node) {
  const Node *operand = scaler_operand(scaler, node, 0);
  if (!node_contributes(operand))
    return 0;
  return scaler_predicted(scaler, operand->scale).exponent +
         operand->estimate.log2_rms;
}

/* ---- reductions --------------------------------------------------------- */

/* The smallest of n absolute values of normal variates: exponential, with the
 * rate n sqrt(2 / pi). */
static void least(Scaler *scaler, Node *node, double n) {
  double share = n > 1 ? sqrt(acos(-1)) / n : 1;
  scaler_keep(scaler, node, log2(share), true);
  if (n > 1)
    scaler_factor(scaler, node, log2(share), "r(3.14) / %.12g", n);
}

/* The largest of n normal variates is about sqrt(2 ln n). */
void scaler_extreme(Scaler *scaler, Node *node, double n) {
  double ln = log(2) * log2_count(n);
  bool nonnegative = scaler_operand(scaler, node, 0)->estimate.nonnegative;
  scaler_keep(scaler, node, ln > 0.5 ? 0.5 * log2(2 * ln) : 0, nonnegative);
  if (ln > 0.5)
    scaler_factor(scaler, node, 0.5 * log2(2 * ln), "r(2 ln %.12g)", n);
}

void scale_extreme(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  double n = scaler_summands(scaler, node);
  if (node->op == OP_MIN &&
      scaler_operand(scaler, node, 0)->estimate.nonnegative)
    least(scaler, node, n);
  else
    scaler_extreme(scaler, node, n);
}

/* One element of n is dy, the others are 0. */
void scale_extreme_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Node *dy = scaler_operand(scaler, node, 1);
  double n = scaler_summands(scaler, node);
  node_set_scale(node, dy->scale, dy->estimate.log2_rms - log2_count(n) / 2,
                 dy->estimate.nonnegative);
  scaler_factor(scaler, node, -log2_count(n) / 2, "r(1/%.12g)", n);
}

/* Taken on unscaled values: n times an exponent is no exponent any more. */
void scale_prod(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  double level = scaler_summands(scaler, node) * expected_level(scaler, node);
  scaler_renormalise(scaler, node, 0, fmin(fmax(level, -1000), 1000),
                     scaler_operand(scaler, node, 0)->estimate.nonnegative);
  scaler_factor(scaler, node, node_level(node), "(2^%.2f)^%.12g",
                expected_level(scaler, node), scaler_summands(scaler, node));
}

void scale_prod_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  double others = fmax(scaler_summands(scaler, node) - 1, 0);
  double level = others * expected_level(scaler, node);
  level = fmin(fmax(level, -1000), 1000);
  follow(scaler, node, level);
  scaler_factor(scaler, node, level, "(2^%.2f)^%.12g",
                expected_level(scaler, node), others);
}

/* i summands at place i: the mean of their numbers is (n + 1) / 2, of the
 * squares of these (n + 1)(2 n + 1) / 6. */
void scale_cumsum(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Node *operand = scaler_operand(scaler, node, 0);
  double n = axis_size(scaler, node);
  bool nonnegative = operand->estimate.nonnegative;
  double square = nonnegative ? (n + 1) * (2 * n + 1) / 6 : (n + 1) / 2;
  if (!node_contributes(operand))
    scaler_keep(scaler, node, 0, nonnegative);
  else
    scaler_renormalise(scaler, node, operand->scale.symbol,
                       node_level(operand) + log2(square) / 2, nonnegative);
  if (node_contributes(operand))
    scaler_factor(scaler, node, log2(square) / 2, "r(%.12g)", square);
}

/* ---- probabilities ------------------------------------------------------ */

/* log sum exp of n normal variates of deviation s: ln n + s^2 / 2 while many
 * take part in the sum, s sqrt(2 ln n) once the largest alone does (Derrida's
 * random energy model, Phys. Rev. Lett. 45, 79, 1980). */
static double log_normaliser(double n, double level) {
  double ln = log(2) * log2_count(n), square = exp2(2 * fmin(level, 60));
  return square <= 2 * ln ? ln + square / 2 : sqrt(2 * ln * square);
}

static void note_share(const Scaler *scaler, Node *node, double n) {
  scaler_factor(scaler, node, -softmax_share * log2_count(n), "%.12g^-%g", n,
                softmax_share);
}

void scale_logsumexp(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  double n = scaler_summands(scaler, node);
  double level = expected_level(scaler, node);
  double expected = n > 1 ? log2(log_normaliser(n, level)) : level;
  node_set_scale(node, scale_static(0), expected, false);
  scaler_factor(scaler, node, expected, "log sum exp of %.12g at 2^%.2f", n,
                level);
}

void scale_logsumexp_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  double n = scaler_summands(scaler, node);
  follow(scaler, node, -softmax_share * log2_count(n));
  note_share(scaler, node, n);
}

void scale_softmax(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  double n = axis_size(scaler, node);
  scaler_renormalise(scaler, node, 0, -softmax_share * log2_count(n), true);
  note_share(scaler, node, n);
}

void scale_softmax_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  double n = axis_size(scaler, node);
  follow(scaler, node, -softmax_share * log2_count(n));
  note_share(scaler, node, n);
}

/* Never above 0, so never `nonnegative`. */
void scale_log_softmax(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  double n = axis_size(scaler, node), level = expected_level(scaler, node);
  double expected = n > 1 ? log2(log_normaliser(n, level)) : -1;
  node_set_scale(node, scale_static(0), expected, false);
  scaler_factor(scaler, node, expected, "log sum exp of %.12g at 2^%.2f", n,
                level);
}

/* At uniform probabilities the mean of dy is taken away. */
void scale_log_softmax_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  double n = axis_size(scaler, node);
  double growth = n > 0 ? 0.5 * log2(1 - 1 / n) : 0;
  follow(scaler, node, growth);
  scaler_factor(scaler, node, growth, "r(1 - 1/%.12g)", n);
}

void scale_onehot(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  double level = -0.5 * log2((double)node->attr.size);
  node_set_scale(node, scale_static(0), level, true);
  scaler_factor(scaler, node, level, "r(1/%lld)", (long long)node->attr.size);
}

/* ---- norms -------------------------------------------------------------- */

/* Unit rms whatever comes in: what a norm is for. */
void scale_norm(Scaler *scaler, ValueId old, Node *node) {
  (void)scaler, (void)old;
  node_set_scale(node, scale_static(0), 0, false);
}

/* e(dy) - e(x): a run-time exponent below the line goes, as in a quotient. */
void scale_norm_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  ValueId below = scaler_operand(scaler, node, 0)->scale.symbol;
  ValueId above = scaler_operand(scaler, node, 1)->scale.symbol;
  if (below != 0 && below != above)
    scaler_make_static(scaler, node, 0);
  const Node *x = scaler_operand(scaler, node, 0);
  const Node *dy = scaler_operand(scaler, node, 1);
  if (!node_contributes(dy)) {
    node_set_scale(node, dy->scale, -INFINITY, false);
    return;
  }
  double level = node_contributes(x)             ? node_level(x)
                 : x->scale.kind == SCALE_NORMAL ? x->scale.exponent
                                                 : 0;
  bool cancels = x->scale.symbol != 0; /* it is that of dy, then */
  scaler_renormalise(scaler, node, cancels ? 0 : dy->scale.symbol,
                     node_level(dy) - level, false);
}
