/* Scale rules of convolutions and pools.
 *
 * A convolution sums taps * channels of a group products an element; its
 * weight gradient as many as there are positions; its input gradient as many
 * as positions read an element, which strides thin out. A maximum keeps the
 * exponent and is as large as that of a window's elements. Of its gradient
 * positions / elements of the plane arrive; an average is a mean, and its
 * gradient spreads.
 */
#include "compiler/pass/scale_rules.h"
#include "ir/window.h"

#include <math.h>

static double spatial_count(const Type *type) {
  double count = 1;
  for (int i = 1; i + 1 < type->rank; i++)
    count *= (double)type->dim[i];
  return count;
}

static double list_count(const WholeList *list) {
  double count = 1;
  for (int i = 0; i < list->count; i++)
    count *= list->at[i];
  return count;
}

/* ---- convolutions ------------------------------------------------------- */

void scale_conv(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Type *w = scaler_operand(scaler, node, 1)->type;
  scaler_contract(scaler, node, spatial_count(w) * (double)w->dim[w->rank - 1],
                  false);
}

void scale_conv_grad_input(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Type *w = scaler_operand(scaler, node, 1)->type;
  double outputs = (double)w->dim[0] / (double)node->attr.groups;
  scaler_contract(scaler, node,
                  spatial_count(w) * outputs / list_count(&node->attr.stride),
                  false);
}

void scale_conv_grad_weight(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Type *dy = scaler_operand(scaler, node, 0)->type;
  scaler_contract(scaler, node, spatial_count(dy) * (double)dy->dim[0], false);
}

/* ---- pools -------------------------------------------------------------- */

void scale_maxpool(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  scaler_extreme(scaler, node, list_count(&node->attr.window));
}

/* log2 of how many positions there are to an element of the plane. */
static double log2_density(const Type *positions, const Type *elements) {
  return log2(spatial_count(positions) / spatial_count(elements));
}

void scale_maxpool_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Node *dy = scaler_operand(scaler, node, 0);
  double density = log2_density(dy->type, node->type);
  scaler_keep(scaler, node, density / 2, dy->estimate.nonnegative);
  scaler_factor(scaler, node, density / 2, "r(%.6g)", exp2(density));
}

/* n summands grow like sqrt n, or like n where none is negative; the division
 * takes log2 taps. */
static void average(Scaler *scaler, Node *node, double log2_summands) {
  bool nonnegative = scaler_operand(scaler, node, 0)->estimate.nonnegative;
  double growth = nonnegative ? log2_summands : log2_summands / 2;
  double taps = list_count(&node->attr.window);
  scaler_reduce(scaler, node, growth - log2(taps));
  scaler_factor(scaler, node, growth - log2(taps),
                nonnegative ? "%.6g / %.12g" : "r(%.6g) / %.12g",
                exp2(log2_summands), taps);
}

void scale_avgpool(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  average(scaler, node, log2(list_count(&node->attr.window)));
}

void scale_avgpool_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Type *dy = scaler_operand(scaler, node, 0)->type;
  average(scaler, node,
          log2(list_count(&node->attr.window)) + log2_density(dy, node->type));
}
