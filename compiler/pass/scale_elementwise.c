/* Scale rules of choices and of elementwise functions.
 *
 *   maximum, minimum, select   the larger exponent; L the root of the mean
 *                              square; zeros, infinities and NaN adopt the
 *                              other's exponent, so max(x, 0) and a masking
 *                              with -inf keep that of x; so does a bound: a
 *                              number below 0 in maximum, above in minimum
 *   abs                        e, f of the operand
 *   sign                       e = 0, f = 0
 *   floor, round               e = 0, f = L of the operand
 *   rsqrt                      e = -(e1 - parity) / 2
 *   tanh, sigmoid, erf, sin, cos   e = 0; f for a normal operand of rms 2^L
 *   pow                        e = 0
 */
#include "compiler/pass/scale_rules.h"

#include <math.h>

/* ---- choices ------------------------------------------------------------- */

/* What choosing does to the level of the sum of squares: each operand gives
 * half of the elements, but infinities stand for none, and a maximum of
 * non-negative numbers with 0 changes nothing. */
static double choice_drift(const Node *node, const Node *a, const Node *b) {
  bool infinite = a->scale.kind == SCALE_ANY || b->scale.kind == SCALE_ANY;
  bool zero = a->scale.kind == SCALE_ZERO || b->scale.kind == SCALE_ZERO;
  bool nonnegative = a->estimate.nonnegative && b->estimate.nonnegative;
  bool kept = node->op == OP_MAXIMUM && zero && nonnegative;
  return infinite || kept ? 0 : -0.5;
}

static bool choice_is_nonnegative(const Node *node, const Node *a,
                                  const Node *b) {
  if (node->op == OP_MAXIMUM)
    return a->estimate.nonnegative || b->estimate.nonnegative;
  return a->estimate.nonnegative && b->estimate.nonnegative;
}

/* max(x, c) with c < 0 and min(x, c) with c > 0 are for the most part x,
 * however large c is. */
static bool is_bound(const Node *node, const Node *number, const Node *other) {
  bool inward = node->op == OP_MAXIMUM   ? number->attr.value < 0
                : node->op == OP_MINIMUM ? number->attr.value > 0
                                         : false;
  return inward && number->op == OP_CONST &&
         number->scale.kind == SCALE_NORMAL && node_contributes(other);
}

/* The level of a number and, where *other is the opposite bound's result, of
 * the larger of both. */
static double bound_level(const Scaler *scaler, const Node *node,
                          const Node *number, const Node *other) {
  double level = node_level(number);
  for (int i = 0; i < 2 && other->op != node->op &&
                  (other->op == OP_MAXIMUM || other->op == OP_MINIMUM);
       i++) {
    const Node *far = scaler_operand(scaler, other, i);
    if (is_bound(other, far, scaler_operand(scaler, other, 1 - i)))
      return fmax(level, far->scale.exponent + log2(fabs(far->attr.value)));
  }
  return INFINITY;
}

/* The exponent of x; where no element can be larger than the bounds, f says
 * so. */
static void scale_bound(Scaler *scaler, Node *node, int number) {
  Node bound = *scaler_operand(scaler, node, number);
  Node x = *scaler_operand(scaler, node, 1 - number);
  double most = x.estimate.nonnegative && node->op == OP_MINIMUM
                    ? node_level(&bound)
                    : bound_level(scaler, node, &bound, &x);
  most -= scaler_predicted(scaler, x.scale).exponent;
  node_set_scale(node, x.scale, fmin(x.estimate.log2_rms, most),
                 choice_is_nonnegative(node, &x, &bound));
  scaler_factor(scaler, node, node_level(node),
                "=bounds-leave-the-exponent-alone: that of the value that is "
                "bounded");
  scaler_align(scaler, node, number, x.scale);
}

static bool scale_bounded_choice(Scaler *scaler, Node *node) {
  for (int i = 0; i < 2; i++)
    if (is_bound(node, scaler_operand(scaler, node, i),
                 scaler_operand(scaler, node, 1 - i))) {
      scale_bound(scaler, node, i);
      return true;
    }
  return false;
}

void scale_choice(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  int first = node->op == OP_SELECT ? 1 : 0;
  if (!type_is_real(node->type)) {
    node_set_unscaled(node);
    return;
  }
  if (scale_bounded_choice(scaler, node))
    return;
  Node a = *scaler_operand(scaler, node, first);
  Node b = *scaler_operand(scaler, node, first + 1);
  Meeting meeting = scaler_meet(scaler, node, first);
  Scale scale = meeting.scale;
  bool known = scale.kind == SCALE_NORMAL && !isinf(meeting.level);
  double log2_rms =
      known ? meeting.level - scale.exponent + choice_drift(node, &a, &b)
            : -INFINITY;
  node_set_scale(node, scale, log2_rms, choice_is_nonnegative(node, &a, &b));
  if (scale.kind != SCALE_NORMAL)
    return;
  if (choice_drift(node, &a, &b) < 0)
    scaler_factor(scaler, node, -0.5, "r(1/2)");
  scaler_align(scaler, node, first, scale);
  scaler_align(scaler, node, first + 1, scale);
}

/* ---- functions ----------------------------------------------------------- */

void scale_abs(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  scaler_keep(scaler, node, 0, true);
}

void scale_sign(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  bool nonnegative = scaler_operand(scaler, node, 0)->estimate.nonnegative;
  node_set_scale(node, scale_static(0), 0, nonnegative);
}

/* L of an operand, a run-time exponent taken at what it is expected to be. */
static double operand_level(const Scaler *scaler, const Node *operand) {
  if (!node_contributes(operand))
    return -INFINITY;
  return scaler_predicted(scaler, operand->scale).exponent +
         operand->estimate.log2_rms;
}

/* Numbers far below 1 become 0 or -1: they count as 1/2. */
void scale_rounded(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Node *operand = scaler_operand(scaler, node, 0);
  node_set_scale(node, scale_static(0),
                 fmax(operand_level(scaler, operand), -1),
                 operand->estimate.nonnegative);
  scaler_factor(scaler, node, node_level(node), "the value, at least 1/2");
}

/* 1 / sqrt of zeros, infinities and NaN is infinite, zero or NaN. */
void scale_rsqrt(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (scaler_operand(scaler, node, 0)->scale.symbol != 0)
    scaler_make_static(scaler, node, 0);
  const Node *operand = scaler_operand(scaler, node, 0);
  if (operand->scale.kind == SCALE_ZERO || operand->scale.kind == SCALE_ANY) {
    node_set_scale(node, scale_make(SCALE_ANY, 0, 0), -INFINITY, true);
    return;
  }
  int32_t e = operand->scale.exponent;
  int32_t half = -(e - (e & 1)) / 2;
  double level = node_contributes(operand) ? -node_level(operand) / 2 : half;
  node_set_scale(node, scale_static(half), level - half, true);
}

/* Mean square of tanh(x) for normal x of mean square v, within 8 %. */
static double tanh_square(double v) {
  return -expm1(-0.5 * log1p(2 * v));
}

/* Mean square of f(x) for normal x of mean square v: exact for erf, sin and
 * cos; sigmoid(x) is (1 + tanh(x / 2)) / 2. */
static double bounded_square(Op op, double v) {
  static const double two_over_pi = 0.63661977236758134;
  switch (op) {
  case OP_TANH:
    return tanh_square(v);
  case OP_SIGMOID:
    return (1 + tanh_square(v / 4)) / 4;
  case OP_ERF:
    return two_over_pi * asin(2 * v / (1 + 2 * v));
  case OP_SIN:
    return -expm1(-2 * v) / 2;
  default:
    return (1 + exp(-2 * v)) / 2;
  }
}

void scale_bounded(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Node *operand = scaler_operand(scaler, node, 0);
  double v = exp2(fmin(2 * operand_level(scaler, operand), 64));
  bool keeps = node->op == OP_TANH || node->op == OP_ERF;
  node_set_scale(node, scale_static(0), 0.5 * log2(bounded_square(node->op, v)),
                 node->op == OP_SIGMOID ||
                     (keeps && operand->estimate.nonnegative));
  scaler_factor(scaler, node, node_level(node), "rms of %s at 2^%.2f",
                op_info(node->op)->text, operand_level(scaler, operand));
}

void scale_pow(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  node_set_scale(node, scale_static(0), 0,
                 scaler_operand(scaler, node, 0)->estimate.nonnegative);
}
