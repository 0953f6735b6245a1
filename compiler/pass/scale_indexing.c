/* Scale rules of indexing: where several operands meet in one result, and sums
 * of what arrives at one place. Ops that only move elements keep their scale.
 *
 *   concat, pad, window_write,  e = the largest of the operands that count;
 *   scatter                     L = log2 of the rms over all elements
 *   scatter_add, put_add        L = L1 + 1/2 log2 K, K the expected number of
 *                               summands of each place, at least 1
 */
#include "compiler/pass/scale_rules.h"

#include <math.h>

/* ---- joined ------------------------------------------------------------- */

/* An operand and how many elements of the result are its own. */
typedef struct {
  Scale scale;
  Estimate estimate;
  double elements;
  bool contributes;
} Part;

/* Start of a window and the like are whole numbers, and no part. */
static int joined_parts(const Scaler *scaler, const Node *node, Part *part) {
  int count = 0;
  double rest = (double)node->type->elements;
  for (int i = 0; i < node_inputs(node); i++) {
    const Node *operand = scaler_operand(scaler, node, i);
    if (!type_is_real(operand->type))
      break;
    part[count++] =
        (Part){operand->scale, operand->estimate,
               (double)operand->type->elements, node_contributes(operand)};
    rest -= (double)operand->type->elements;
  }
  if (node->op == OP_PAD)
    part[1].elements += rest;
  if (node->op == OP_WINDOW_WRITE)
    part[0].elements += rest;
  if (node->op == OP_SCATTER) /* more updates than places overlap */
    part[0].elements = fmax(part[0].elements + rest, 0);
  return count;
}

/* The largest exponent of the parts that count, or of any where none does. */
static Scale joined_scale(Scaler *scaler, const Node *node, const Part *part,
                          int count, bool contributes) {
  Scale scale = scale_make(SCALE_ZERO, 0, 0);
  for (int i = 0; i < count; i++) {
    if (part[i].scale.kind == SCALE_ANY && scale.kind == SCALE_ZERO)
      scale.kind = SCALE_ANY;
    if (part[i].scale.kind != SCALE_NORMAL ||
        part[i].contributes != contributes)
      continue;
    scale = scale.kind == SCALE_NORMAL
                ? scaler_larger(scaler, node, scale, part[i].scale)
                : part[i].scale;
  }
  return scale;
}

/* log2 of the rms over all elements, relative to the symbol of `scale`. Where
 * run-time exponents differ nothing is known of one relative to the other, so
 * they count as equal. */
static double joined_level(const Scaler *scaler, const Part *part, int count,
                           Scale scale, bool predicted) {
  double squares = 0, elements = 0;
  for (int i = 0; i < count; i++) {
    if (part[i].contributes) {
      double e = predicted ? scaler_predicted(scaler, part[i].scale).exponent
                 : part[i].scale.symbol == scale.symbol ? part[i].scale.exponent
                                                        : scale.exponent;
      squares += part[i].elements * exp2(2 * (e + part[i].estimate.log2_rms));
    }
    if (part[i].contributes || part[i].scale.kind == SCALE_ZERO)
      elements += part[i].elements;
  }
  return squares > 0 ? 0.5 * log2(squares / elements) : -INFINITY;
}

/* A new value of a state is made at the state's own exponent. */
void scale_joined(Scaler *scaler, ValueId old, Node *node) {
  if (!type_is_real(node->type)) {
    node_set_unscaled(node);
    return;
  }
  Part part[MAX_INPUTS];
  int count = joined_parts(scaler, node, part);
  bool contributes = false, nonnegative = true;
  for (int i = 0; i < count; i++) {
    contributes |= part[i].contributes;
    nonnegative &= part[i].estimate.nonnegative;
  }
  bool demanded = scaler->demand[old].kind == SCALE_NORMAL;
  Scale scale = demanded ? scaler->demand[old]
                         : joined_scale(scaler, node, part, count, contributes);
  double level = joined_level(scaler, part, count, scale, demanded);
  node_set_scale(node, scale, level - scale.exponent, nonnegative);
  scaler_factor(
      scaler, node, node_level(node),
      demanded ? "=writes-return-to-the-exponent-of-the-state: 2^%d, that of "
                 "what it is stored in"
               : "rms over the parts, at the largest 2^%d",
      scale.exponent);
  for (int i = 0; i < count && scale.kind == SCALE_NORMAL; i++)
    scaler_align(scaler, node, i, scale);
}

/* ---- sums at one place -------------------------------------------------- */

/* As a sum over the indices that are expected at each place, which are 1 at
 * least: places without any are zero, and need no exponent. */
void scale_scatter(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Node *updates = scaler_operand(scaler, node, 0);
  bool nonnegative = updates->estimate.nonnegative;
  if (!node_contributes(updates)) {
    scaler_keep(scaler, node, 0, nonnegative);
    return;
  }
  double places = (double)node->type->elements;
  double k = places > 0 ? (double)updates->type->elements / places : 1;
  double growth = k > 1 ? log2(k) : 0;
  scaler_renormalise(scaler, node, updates->scale.symbol,
                     node_level(updates) + (nonnegative ? growth : growth / 2),
                     nonnegative);
  scaler_factor_count(scaler, node, k > 1 ? k : 1, nonnegative, 0, "");
}
