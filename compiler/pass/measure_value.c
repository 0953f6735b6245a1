/* Measured scales of values: `logits : scale = rms`, `input : scale = amax`.
 *
 * In: a value of a plain graph. Out: whether the last rule that sets its scale
 * has it measured, and how. A class or a role means the values of the forward
 * pass that have a name, `input` what enters; `grad(x)` a gradient, `update`
 * what the optimizer computes.
 */
#include "compiler/pass/measure.h"
#include "compiler/pass/recipe_query.h"
#include "compiler/pass/rewrite.h"

/* Whose scale this selector of a rule sets. */
static bool sets_scale(const Program *program, const Graph *graph, ValueId id,
                       const Selector *selector) {
  const Node *node = graph_node(graph, id);
  Phase phase = node->phase;
  bool input = node->op == OP_INPUT || node_enters(graph, node);
  switch (selector->kind) {
  case SELECT_PARAM:
  case SELECT_STATE:
  case SELECT_MATMUL:
  case SELECT_CONV:
    return false;
  case SELECT_INPUT:
    return input;
  case SELECT_PATH:
    /* A new value of a parameter is measured when it is stored. */
    return phase == PHASE_FORWARD && !name_is_helper(node->name) &&
           path_means_value(program, graph, selector->path, node->name);
  case SELECT_GRADIENT:
    break;
  case SELECT_UPDATE:
    if (phase != PHASE_UPDATE)
      return false;
    break;
  default:
    if (phase != PHASE_FORWARD)
      return false;
  }
  return !name_is_helper(node->name) &&
         selector_selects(program, graph, id, selector);
}

static bool may_be_measured(const Node *node) {
  return type_is_real(node->type) && node->type->rank > 0 &&
         node->op != OP_PARAM && node->op != OP_CONST && node->op != OP_STORE &&
         !node_is_placeholder(node);
}

bool value_measure(const Program *program, const Graph *graph, ValueId id,
                   Measure *out) {
  if (!may_be_measured(graph_node(graph, id)))
    return false;
  const Recipe *recipe = graph_recipe(program, graph);
  Settings last = settings_unset();
  for (size_t i = 0; i < recipe->rule.length; i++) {
    const Rule *rule = &recipe->rule.data[i];
    bool selected = false;
    for (size_t j = 0; j < rule->selector.length; j++)
      selected |= sets_scale(program, graph, id, &rule->selector.data[j]);
    if (selected && rule->settings.scaling != SCALING_UNSET)
      last = rule->settings;
  }
  if (last.scaling != SCALING_RMS && last.scaling != SCALING_AMAX)
    return false;
  *out = measure_of_settings(&last,
                             recipe_value_settings(program, graph, id).forward);
  return true;
}
