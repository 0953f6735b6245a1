/* Scale rules of products, quotients, sums of two and comparisons.
 */
#include "compiler/pass/scale_rules.h"

#include <math.h>

/* ---- products and quotients --------------------------------------------- */

bool node_contributes(const Node *node) {
  return node->scale.kind == SCALE_NORMAL && !isinf(node->estimate.log2_rms);
}

/* A product or quotient with a known zero, infinity or NaN has such contents
 * as well, but which ones is for the data to say: it takes the exponent of the
 * other side. */
bool scaler_special(const Scaler *scaler, Node *node) {
  Scale a = scaler_operand(scaler, node, 0)->scale;
  Scale b = scaler_operand(scaler, node, 1)->scale;
  if (a.kind == SCALE_NORMAL && b.kind == SCALE_NORMAL)
    return false;
  Scale scale = a.kind == SCALE_NORMAL ? a : b;
  if (scale.kind != SCALE_NORMAL)
    scale = scale_make(a.kind == b.kind ? a.kind : SCALE_ANY, 0, 0);
  node_set_scale(node, scale, -INFINITY, false);
  return true;
}

/* mul and div do not shift: where the result's exponent was clamped, the
 * second operand takes the rest into its data. */
static void fit_second(Scaler *scaler, Node *node, int64_t exponent) {
  Scale scale = scaler_operand(scaler, node, 1)->scale;
  if (scale.exponent == exponent)
    return;
  scale.exponent = (int32_t)exponent;
  scaler_align(scaler, node, 1, scale);
}

/* A scale names at most one run-time exponent, so of two the second operand
 * is brought to the exponent that it is expected to have. */
void scale_product(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (!type_is_real(node->type)) {
    node_set_unscaled(node);
    return;
  }
  bool square = node->input[0] == node->input[1];
  if (scaler_operand(scaler, node, 0)->scale.symbol != 0 &&
      scaler_operand(scaler, node, 1)->scale.symbol != 0)
    scaler_make_static(scaler, node, 1);
  if (scaler_special(scaler, node))
    return;
  const Node *a = scaler_operand(scaler, node, 0);
  const Node *b = scaler_operand(scaler, node, 1);
  double level = node_level(a) + node_level(b);
  bool nonnegative =
      square || (a->estimate.nonnegative && b->estimate.nonnegative);
  ValueId symbol = a->scale.symbol | b->scale.symbol;
  int64_t first = a->scale.exponent, second = b->scale.exponent;
  scaler_set(scaler, node, symbol, first + second, level, nonnegative);
  fit_second(scaler, node, node->scale.exponent - first);
}

/* Equal run-time exponents cancel; any other one below the line goes. */
void scale_quotient(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (!type_is_real(node->type)) {
    node_set_unscaled(node);
    return;
  }
  ValueId above = scaler_operand(scaler, node, 0)->scale.symbol;
  ValueId below = scaler_operand(scaler, node, 1)->scale.symbol;
  if (below != 0 && below != above)
    scaler_make_static(scaler, node, 1);
  if (scaler_special(scaler, node))
    return;
  const Node *a = scaler_operand(scaler, node, 0);
  const Node *b = scaler_operand(scaler, node, 1);
  /* A divisor that starts as zero says nothing about the quotient. */
  double level = node_contributes(b) ? node_level(b) : b->scale.exponent;
  bool nonnegative = a->estimate.nonnegative && b->estimate.nonnegative;
  ValueId symbol = above == below ? 0 : above;
  int64_t first = a->scale.exponent, second = b->scale.exponent;
  scaler_set(scaler, node, symbol, first - second, node_level(a) - level,
             nonnegative);
  fit_second(scaler, node, first - node->scale.exponent);
}

/* ---- sums of two -------------------------------------------------------- */

/* Without anything to go by: the exponent of an operand that has one. */
static Meeting meet_zeros(Scaler *scaler, const Node *node, const Node *a,
                          const Node *b) {
  Scale scale = a->scale;
  if (a->scale.kind == SCALE_NORMAL && b->scale.kind == SCALE_NORMAL)
    scale = scaler_larger(scaler, node, a->scale, b->scale);
  else if (b->scale.kind == SCALE_NORMAL || a->scale.kind == SCALE_ZERO)
    scale = b->scale;
  return (Meeting){scale, -INFINITY, true};
}

double level_root_of_squares(double a, double b) {
  return 0.5 * log2(exp2(2 * a) + exp2(2 * b));
}

Meeting scaler_meet(Scaler *scaler, const Node *node, int first) {
  Node a = *scaler_operand(scaler, node, first);
  Node b = *scaler_operand(scaler, node, first + 1);
  if (!node_contributes(&a) && !node_contributes(&b))
    return meet_zeros(scaler, node, &a, &b);
  if (!node_contributes(&b))
    return (Meeting){a.scale, node_level(&a), true};
  if (!node_contributes(&a))
    return (Meeting){b.scale, node_level(&b), true};
  Scale scale = scaler_larger(scaler, node, a.scale, b.scale);
  if (a.scale.symbol == b.scale.symbol)
    return (Meeting){
        scale, level_root_of_squares(node_level(&a), node_level(&b)), true};
  /* Neither exponent is known relative to the other: taken as equal. */
  return (Meeting){scale,
                   scale.exponent + level_root_of_squares(a.estimate.log2_rms,
                                                          b.estimate.log2_rms),
                   false};
}

/* L with a run-time exponent taken at what it is expected to be. */
static double predicted_level(const Scaler *scaler, const Node *node) {
  if (!node_contributes(node))
    return -INFINITY;
  return scaler_predicted(scaler, node->scale).exponent +
         node->estimate.log2_rms;
}

/* A new parameter value is demanded at the parameter's exponent; there the
 * run-time exponents of the gradient end. */
static void sum_on_demand(Scaler *scaler, Node *node, Scale demand,
                          bool nonnegative) {
  double a = predicted_level(scaler, scaler_operand(scaler, node, 0));
  double b = predicted_level(scaler, scaler_operand(scaler, node, 1));
  double level = isinf(a) ? b : isinf(b) ? a : level_root_of_squares(a, b);
  node_set_scale(node, demand, level - demand.exponent, nonnegative);
  scaler_factor(
      scaler, node, level,
      "=updates-return-to-the-exponent-of-the-parameter: 2^%d, that of "
      "what it is stored in",
      demand.exponent);
  scaler_align(scaler, node, 0, demand);
  scaler_align(scaler, node, 1, demand);
}

void scale_sum_of_squares(Scaler *scaler, ValueId old, Node *node) {
  if (!type_is_real(node->type)) {
    node_set_unscaled(node);
    return;
  }
  bool nonnegative = node->op == OP_ADD &&
                     scaler_operand(scaler, node, 0)->estimate.nonnegative &&
                     scaler_operand(scaler, node, 1)->estimate.nonnegative;
  if (scaler->demand[old].kind == SCALE_NORMAL) {
    sum_on_demand(scaler, node, scaler->demand[old], nonnegative);
    return;
  }
  Meeting meeting = scaler_meet(scaler, node, 0);
  Scale scale = meeting.scale;
  if (scale.kind != SCALE_NORMAL || isinf(meeting.level))
    node_set_scale(node, scale, -INFINITY, nonnegative);
  else if (meeting.exact)
    scaler_renormalise(scaler, node, scale.symbol, meeting.level, nonnegative);
  else
    node_set_scale(node, scale, meeting.level - scale.exponent, nonnegative);
  scaler_align(scaler, node, 0, node->scale);
  scaler_align(scaler, node, 1, node->scale);
}

/* Operands are compared as data at one exponent: the larger, or that of what a
 * number is compared with, for numbers are split anew at no cost. */
void scale_compare(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  node_set_unscaled(node);
  Node a = *scaler_operand(scaler, node, 0);
  Node b = *scaler_operand(scaler, node, 1);
  if (a.scale.kind != SCALE_NORMAL || b.scale.kind != SCALE_NORMAL)
    return;
  Scale scale = a.op == OP_CONST ? b.scale
                : b.op == OP_CONST
                    ? a.scale
                    : scaler_larger(scaler, node, a.scale, b.scale);
  scaler_align(scaler, node, 0, scale);
  scaler_align(scaler, node, 1, scale);
}
