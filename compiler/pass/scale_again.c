/* Exponents of values that the backward pass computes again.
 *
 * In: a copy of an earlier value, whose operands have their scales. Out: the
 * copy as the rule of its op made the original: same exponent, run-time ones
 * included, same helpers on the way. Nothing is measured a second time: what a
 * rescale found in the forward pass is one number, and kept.
 */
#include "compiler/pass/recipe_query.h"
#include "compiler/pass/scale_rules.h"

/* An original and its copy in the old graph. */
typedef struct {
  const Node *first, *again;
} Pair;

/* Which operand of the original new value `value` is; -1: none. */
static int operand_of(const Scaler *scaler, Pair pair, ValueId value) {
  for (int i = 0; i < node_inputs(pair.first); i++)
    if (scaler->copy.map[pair.first->input[i]] == value)
      return i;
  return -1;
}

/* The operand of the copy that stands where the original reads new value
 * `value`; 0 if the original reads no such operand. */
static ValueId counterpart(const Scaler *scaler, Pair pair, ValueId value) {
  int i = operand_of(scaler, pair, value);
  return i < 0 ? 0 : scaler->copy.map[pair.again->input[i]];
}

/* Helpers that a rule puts before its node: numbers, or chains of rebalances
 * that end in an operand. */
static bool can_follow(const Scaler *scaler, Pair pair, ValueId value) {
  const Node *node = graph_node(scaler->copy.new, value);
  while (!counterpart(scaler, pair, value)) {
    if (node->op == OP_CONST)
      return true;
    if (node->op != OP_REBALANCE)
      return false;
    value = node->input[0];
    node = graph_node(scaler->copy.new, value);
  }
  ValueId operand = counterpart(scaler, pair, value);
  return scale_equal(graph_node(scaler->copy.new, operand)->scale, node->scale);
}

/* The copies of those helpers, from the operand on. */
static ValueId follow(Scaler *scaler, Pair pair, const char *name,
                      ValueId value) {
  ValueId operand = counterpart(scaler, pair, value);
  Node node = *graph_node(scaler->copy.new, value);
  if (operand || node.op == OP_CONST)
    return operand ? operand : value;
  int i = operand_of(scaler, pair, node.input[0]);
  ValueId copy = i < 0 ? 0
                       : scaler_copy_again(scaler, pair.first->input[i],
                                           pair.again->input[i], value);
  if (copy)
    return copy;
  bool fits = node_is_operand_copy(scaler->copy.new, value);
  node.input[0] = follow(scaler, pair, name, node.input[0]);
  node.again = node.name;
  node.name = fits ? scaler_copy_name(
                         scaler, graph_node(scaler->copy.new, node.input[0]))
                   : name_helper(scaler->names, name);
  node.phase = PHASE_BACKWARD;
  return graph_add(scaler->copy.new, &node);
}

/* Is `again` what `first` is: itself, its copy, or the same number? */
static bool same_operand(const Scaler *scaler, ValueId first, ValueId again) {
  const Node *a = graph_node(scaler->copy.old, first);
  const Node *b = graph_node(scaler->copy.old, again);
  return first == again || scaler->original[again] == first ||
         (a->op == OP_CONST && b->op == OP_CONST && a->type == b->type &&
          attributes_equal(&a->attr, &b->attr));
}

/* Were both made from their operands in the same way? A text may say otherwise
 * than it is. */
static bool pair_alike(const Scaler *scaler, Pair pair) {
  int inputs = node_inputs(pair.first);
  bool alike = pair.first->op == pair.again->op &&
               pair.first->type == pair.again->type &&
               pair.first->pinned == pair.again->pinned &&
               node_inputs(pair.again) == inputs &&
               attributes_equal(&pair.first->attr, &pair.again->attr);
  for (int i = 0; alike && i < inputs; i++)
    alike = same_operand(scaler, pair.first->input[i], pair.again->input[i]);
  return alike;
}

bool scaler_again(Scaler *scaler, ValueId id) {
  ValueId original = scaler->original[id];
  if (!original)
    return false;
  const Graph *old = scaler->copy.old;
  Pair pair = {graph_node(old, original), graph_node(old, id)};
  Node node = *graph_node(scaler->copy.new, scaler->copy.map[original]);
  int inputs = node_inputs(&node);
  bool alike = pair_alike(scaler, pair);
  for (int i = 0; alike && i < inputs; i++)
    alike = can_follow(scaler, pair, node.input[i]);
  if (!alike)
    return false;
  for (int i = 0; i < inputs; i++)
    node.input[i] = follow(scaler, pair, pair.again->name, node.input[i]);
  node.name = pair.again->name;
  node.again = pair.again->again;
  node.phase = pair.again->phase;
  node.span = pair.again->span;
  node.probe = pair.again->probe;
  scaler->copy.map[id] = graph_add(scaler->copy.new, &node);
  return true;
}
