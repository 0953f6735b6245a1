/* Scale rules of contractions, reductions and the losses built on them.
 */
#include "compiler/pass/scale_rules.h"

#include <math.h>
#include <stdio.h>

/* ---- contractions and reductions ---------------------------------------- */

/* The number of summands of each output element: the sizes of the letters
 * that the result lacks. */
double scaler_summands(const Scaler *scaler, const Node *node) {
  Pattern pattern;
  const char *error = NULL;
  size_t offset = 0;
  int64_t size[3 * MAX_RANK];
  const Type *types[2] = {NULL, NULL};
  for (int i = 0; i < 2 && node->input[i] != 0; i++)
    types[i] = scaler_operand(scaler, node, i)->type;
  if (!pattern_parse(scaler->context->program->interner, node->attr.pattern,
                     &pattern, &error, &offset) ||
      !pattern_sizes(&pattern, types, size, scaler->context->arena, &error))
    return 1; /* cannot be: the verifier has parsed it */
  double count = 1;
  for (int letter = 0; letter < pattern.letters; letter++) {
    bool in_result = false;
    for (int i = 0; i < pattern.out_rank; i++)
      in_result |= pattern.out_axis[i] == letter;
    if (!in_result)
      count *= (double)size[letter];
  }
  return count;
}

/* Is it a sum of squares: x with itself, each element with its own? */
static bool is_square(const Scaler *scaler, const Node *node) {
  Pattern pattern;
  const char *error;
  size_t offset = 0;
  if (node->input[0] != node->input[1] ||
      !pattern_parse(scaler->context->program->interner, node->attr.pattern,
                     &pattern, &error, &offset))
    return false;
  int rank = scaler_operand(scaler, node, 0)->type->rank;
  for (int i = 0; i < rank; i++)
    if (pattern.axis[0][i] != pattern.axis[1][i])
      return false;
  return true;
}

/* Of two run-time exponents the first is that of the result too; the second is
 * taken at what it is expected to be, and the shift makes up for the rest. */
void scaler_contract(Scaler *scaler, Node *node, double summands, bool square) {
  if (scaler_special(scaler, node))
    return;
  const Node *a = scaler_operand(scaler, node, 0);
  const Node *b = scaler_operand(scaler, node, 1);
  bool nonnegative =
      square || (a->estimate.nonnegative && b->estimate.nonnegative);
  double k = log2(summands);
  ValueId symbol = a->scale.symbol ? a->scale.symbol : b->scale.symbol;
  double level = node_level(a) + node_level(b) + (nonnegative ? k : k / 2);
  if (a->scale.symbol && b->scale.symbol)
    level += scaler_predicted(scaler, b->scale).exponent - b->scale.exponent;
  if (isinf(level))
    scaler_set(scaler, node, symbol,
               (int64_t)a->scale.exponent + b->scale.exponent, level,
               nonnegative);
  else
    scaler_renormalise(scaler, node, symbol, level, nonnegative);
  scaler_factor_count(scaler, node, summands, nonnegative, 0, "");
}

void scale_contraction(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  scaler_contract(scaler, node, scaler_summands(scaler, node),
                  is_square(scaler, node));
}

/* A reduction of nothing has zeros or NaN at the operand's exponent. */
void scaler_reduce(Scaler *scaler, Node *node, double growth) {
  const Node *operand = scaler_operand(scaler, node, 0);
  if (!type_is_real(node->type))
    node_set_unscaled(node);
  else if (!node_contributes(operand) || !isfinite(growth))
    scaler_keep(scaler, node, 0, operand->estimate.nonnegative);
  else
    scaler_renormalise(scaler, node, operand->scale.symbol,
                       node_level(operand) + growth,
                       operand->estimate.nonnegative);
}

/* n summands grow like sqrt n, or like n where none is negative. */
static double sum_growth(const Scaler *scaler, const Node *node) {
  double n = log2(scaler_summands(scaler, node));
  return scaler_operand(scaler, node, 0)->estimate.nonnegative ? n : n / 2;
}

/* Of a sum that grew; `divisor`: of a mean. */
static void note_growth(const Scaler *scaler, Node *node, double divisor) {
  if (!node_contributes(scaler_operand(scaler, node, 0)))
    return;
  char text[40] = "";
  if (divisor != 1)
    snprintf(text, sizeof text, " / %.12g", divisor);
  scaler_factor_count(scaler, node, scaler_summands(scaler, node),
                      scaler_operand(scaler, node, 0)->estimate.nonnegative,
                      -log2(divisor), text);
}

void scale_sum(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  scaler_reduce(scaler, node, sum_growth(scaler, node));
  note_growth(scaler, node, 1);
}

void scale_mean(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  scaler_reduce(scaler, node,
                sum_growth(scaler, node) - log2(scaler_summands(scaler, node)));
  note_growth(scaler, node, scaler_summands(scaler, node));
}

/* ---- the loss ----------------------------------------------------------- */

static double class_count(const Scaler *scaler, const Node *node) {
  const Type *logits = scaler_operand(scaler, node, 0)->type;
  return (double)logits->dim[logits->rank - 1];
}

/* A model that knows nothing pays ln V for each of V classes: at the logits of
 * a model in training, whatever the estimate of theirs. */
void scale_softmax_xent(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  double classes = class_count(scaler, node);
  node_set_scale(node, scale_static(0), log2(log(classes)), true);
  scaler_factor(scaler, node, log2(log(classes)), "ln %.12g", classes);
}

/* At uniform probabilities a row of (p - onehot) has rms sqrt(V - 1) / V, and
 * 1 - smooth of that with smoothing. */
void scale_softmax_xent_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Node *gradient = scaler_operand(scaler, node, 2);
  double classes = class_count(scaler, node);
  double level = node_level(gradient) + log2(1 - node->attr.smooth) +
                 0.5 * log2(classes - 1) - log2(classes);
  if (gradient->scale.kind != SCALE_NORMAL || isinf(level))
    node_set_scale(node, gradient->scale, -INFINITY, false);
  else
    scaler_renormalise(scaler, node, gradient->scale.symbol, level, false);
  scaler_factor(scaler, node, level - node_level(gradient),
                node->attr.smooth != 0 ? "r(%.12g) / %.12g * %.9g"
                                       : "r(%.12g) / %.12g",
                classes - 1, classes, 1 - node->attr.smooth);
}
