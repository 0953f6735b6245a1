/* Scale control in scalify: the identities that the text of a program placed.
 *
 * set_scale becomes a rebalance to the exponent it names. Markers have done
 * their work once gradients are derived, and without scales there is nothing
 * to control: both are left out, and the value takes over the name.
 */
#include "compiler/pass/rewrite.h"
#include "compiler/pass/scale_rules.h"

#include <math.h>

void scale_set_scale(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Node *operand = scaler_operand(scaler, node, 0);
  Scale from = operand->scale;
  int32_t exponent = (int32_t)node->attr.exponent;
  double log2_rms = operand->estimate.log2_rms;
  if (from.kind == SCALE_NORMAL)
    log2_rms += scaler_predicted(scaler, from).exponent - exponent;
  node->op = OP_REBALANCE;
  node->attr.exponent = 0; /* rebalance has no such attribute */
  node_set_scale(node, scale_static(exponent), log2_rms,
                 operand->estimate.nonnegative);
}

/* A power of two, at 2^0 like every number that is measured. */
void scale_scale_of(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  Scale scale = scaler_operand(scaler, node, 0)->scale;
  double level =
      scale.kind == SCALE_NORMAL ? scaler_predicted(scaler, scale).exponent : 0;
  node_set_scale(node, scale_static(0), level, true);
  scaler_factor(scaler, node, level, "2^%.0f as a number", level);
}

/* Micro-batches may have different run-time exponents, a sum has one: the one
 * that is expected. The mean of n independent values is smaller by sqrt n. */
void scale_accumulate(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (scaler_operand(scaler, node, 0)->scale.symbol != 0)
    scaler_make_static(scaler, node, 0);
  const Node *operand = scaler_operand(scaler, node, 0);
  int64_t rounds = scaler->copy.old->run.accumulate;
  bool nonnegative = operand->estimate.nonnegative;
  double drift = nonnegative || rounds < 1 ? 0 : -0.5 * log2((double)rounds);
  scaler_keep(scaler, node, drift, nonnegative);
  if (drift < 0)
    scaler_factor(scaler, node, drift, "r(1/%lld)", (long long)rounds);
}

/* ---- leaving out --------------------------------------------------------- */

/* Is the value an entry's result, or what a store keeps? */
static bool is_kept(const Graph *graph, ValueId id) {
  for (size_t i = 0; i < graph->result.length; i++)
    if (graph->result.data[i].value == id)
      return true;
  for (ValueId user = id + 1; user < graph->count; user++)
    if (graph_node(graph, user)->op == OP_STORE &&
        graph_node(graph, user)->input[0] == id)
      return true;
  return false;
}

static void hand_name_over(Scaler *scaler, const Node *lost, ValueId value) {
  if (scaler->estimates)
    return;
  Program *program = scaler->context->program;
  Node *node = graph_node(scaler->copy.new, value);
  if (name_is_helper(lost->name) || !node->name)
    return;
  if (node_is_leaf(node) || node->phase != lost->phase ||
      op_is_random(node->op) || node->again || !name_is_helper(node->name)) {
    program_alias_rename(program, scaler->copy.new->name, lost->name,
                         node->name);
    return;
  }
  node->name = lost->name;
}

bool scaler_leaves_out(Scaler *scaler, ValueId old, bool scaled) {
  const Node *lost = graph_node(scaler->copy.old, old);
  bool control = lost->op == OP_RESCALE || lost->op == OP_SET_SCALE;
  if (!op_is_marker(lost->op) && (scaled || !control))
    return false;
  ValueId value = scaler->copy.map[lost->input[0]];
  const Node *now = graph_node(scaler->copy.new, value);
  if (node_is_leaf(now) && (lost->probe || is_kept(scaler->copy.old, old))) {
    Node view = node_make(OP_RESHAPE, lost->phase, now->type, value, 0, 0);
    view.name = lost->name;
    view.span = lost->span;
    view.pinned = lost->pinned;
    view.probe = lost->probe;
    view.scale = now->scale;
    view.estimate = now->estimate;
    scaler->copy.map[old] = graph_add(scaler->copy.new, &view);
    return true;
  }
  graph_node(scaler->copy.new, value)->probe |= lost->probe;
  hand_name_over(scaler, lost, value);
  scaler->copy.map[old] = value;
  return true;
}
