/* rescale: dynamic rescales where the recipe asks for them.
 *
 * In: graphs after autodiff. Out: the same values, with `rescale` ops behind
 * those that a rule of a scaled recipe selects:
 *
 *   loss : rescale_grad       the gradient that leaves a loss op
 *   update : rescale          the gradients that enter the optimizer
 *   grad(x) : rescale         the gradient of x
 *   x : rescale, rescale_grad the computed value x, its gradient
 *   x : scale = rms, amax     the value x, so that it fits its format
 *   default : rescale = auto  what is expected to leave the range of a format
 *                             in which it is read (rescale_range.c)
 *
 * A rescale is the identity here; scalify makes it measure a norm. Forward
 * scales are static predictions; in the backward pass magnitudes drift from
 * them, and one rescale where gradients enter brings the rest back (Scalify,
 * arXiv 2407.17353, algorithm 5). The rescale takes the value's name and the
 * value becomes its helper, so rules and traces mean the rescaled value.
 */
#include "compiler/pass/measure.h"
#include "compiler/pass/recipe_query.h"
#include "compiler/pass/rescale.h"

#include <assert.h>

typedef struct {
  PassContext *context;
  const Graph *graph;
  const Recipe *recipe;
  const bool *enters_update; /* by value: a gradient the optimizer reads */
  const bool *placed;        /* by value: placed by rules before */
} Rescale;

/* Of micro-batches the accumulated gradient is the one. */
static bool is_gradient(const Node *node) {
  return node->phase == PHASE_BACKWARD || node->phase == PHASE_ACCUMULATE;
}

static bool *update_entries(Arena *arena, const Graph *graph) {
  bool *enters = NEW_ARRAY(arena, bool, graph->count);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    for (int i = 0; i < node_inputs(node); i++)
      if (node->phase == PHASE_UPDATE &&
          is_gradient(graph_node(graph, node->input[i])))
        enters[node->input[i]] = true;
  }
  return enters;
}

/* The rescales that rules have placed, and what they measure: a text that is
 * read again may have them. */
static bool *placed_before(Arena *arena, const Graph *graph) {
  bool *placed = NEW_ARRAY(arena, bool, graph->count);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op == OP_RESCALE && node->attr.why != WHY_TEXT)
      placed[id] = placed[node->input[0]] = true;
  }
  return placed;
}

/* The gradient that an op of this class hands on. */
static bool leaves_class(const Node *node, OpClass class) {
  return node_is_gradient(node) && op_info(node->op)->class == class;
}

/* The norm that the rule asks for through one selector; -1: none. */
static int selected_norm(const Rescale *rescale, ValueId id,
                         const Selector *selector, const Settings *settings) {
  const Program *program = rescale->context->program;
  const Node *node = graph_node(rescale->graph, id);
  switch (selector->kind) {
  case SELECT_LOSS:
    return leaves_class(node, CLASS_loss) ? settings->rescale_grad : -1;
  case SELECT_NORM:
    return leaves_class(node, CLASS_norm) ? settings->rescale_grad : -1;
  case SELECT_UPDATE:
    return rescale->enters_update[id] ? settings->rescale : -1;
  case SELECT_GRADIENT:
  case SELECT_PATH:
    break;
  default:
    return -1;
  }
  if (name_is_helper(node_key(node)) ||
      !selector_selects(program, rescale->graph, id, selector))
    return -1;
  if (node_is_gradient(node))
    return selector->kind == SELECT_GRADIENT && settings->rescale >= 0
               ? settings->rescale
               : settings->rescale_grad;
  return selector->kind == SELECT_PATH &&
                 (node->phase == PHASE_FORWARD || node->again)
             ? settings->rescale
             : -1;
}

static Why why_of(SelectorKind kind) {
  return kind == SELECT_LOSS     ? WHY_LOSS
         : kind == SELECT_NORM   ? WHY_NORM
         : kind == SELECT_UPDATE ? WHY_UPDATE
                                 : WHY_RULE;
}

/* The norm by which value `id` is rescaled, or -1, how often and for which
 * reason: the last match wins. */
static int wanted_norm(const Rescale *rescale, ValueId id, int64_t *every,
                       Why *why) {
  const Node *node = graph_node(rescale->graph, id);
  int norm = -1;
  *every = 0;
  if (node_is_leaf(node) || node->op == OP_STORE || !type_is_real(node->type))
    return -1;
  for (size_t i = 0; i < rescale->recipe->rule.length; i++) {
    const Rule *rule = &rescale->recipe->rule.data[i];
    for (size_t j = 0; j < rule->selector.length; j++) {
      int selected =
          selected_norm(rescale, id, &rule->selector.data[j], &rule->settings);
      norm = selected >= 0 ? selected : norm;
      *every = selected >= 0 ? rule->settings.every : *every;
      *why = selected >= 0 ? why_of(rule->selector.data[j].kind) : *why;
    }
  }
  return norm;
}

/* ---- rules that found nothing -------------------------------------------- */

static bool rule_applies(const Rescale *rescale, const Rule *rule) {
  for (ValueId id = 1; id < rescale->graph->count; id++) {
    const Node *node = graph_node(rescale->graph, id);
    if (node_is_leaf(node) || node->op == OP_STORE)
      continue;
    for (size_t j = 0; j < rule->selector.length; j++)
      if (selected_norm(rescale, id, &rule->selector.data[j],
                        &rule->settings) >= 0)
        return true;
  }
  return false;
}

static void warn_idle(PassContext *context, const Rule *rule) {
  Buffer text = {0};
  selector_print(&text, &rule->selector.data[0]);
  Diagnostic warning = {.severity = SEVERITY_WARNING, .code = "W0513"};
  warning.message = arena_printf(
      context->arena,
      "rule `%s` rescales nothing: the step computes no such value", text.data);
  warning.label[0].span = rule->span;
  warning.label_count = 1;
  diagnose(context->diagnostics, &warning);
  buffer_free(&text);
}

/* The user's own rescales by name must be somewhere in a training step. */
static void check_idle(const Rescale *rescale) {
  for (size_t i = 0; i < rescale->recipe->rule.length; i++) {
    const Rule *rule = &rescale->recipe->rule.data[i];
    bool asks = rule->settings.rescale >= 0 || rule->settings.rescale_grad >= 0;
    bool named =
        rule->selector.length > 0 && rule->selector.data[0].kind >= SELECT_PATH;
    if (rule->own && asks && named && !rule_applies(rescale, rule))
      warn_idle(rescale->context, rule);
  }
}

/* ---- the graph ----------------------------------------------------------- */

/* The copy of a rescaled value is rescaled too, so that its helper is the copy
 * of the helper. */
static const char *helper_again(const GraphCopy *copy, ValueId original) {
  const Node *node = graph_node(copy->new, copy->map[original]);
  return node->op == OP_RESCALE ? graph_node(copy->new, node->input[0])->name
                                : node->name;
}

void rescale_insert(GraphCopy *copy, NameTable *names, ValueId old,
                    ValueId first, Measure measure, Why why) {
  ValueId value = copy->map[old];
  Node *original = graph_node(copy->new, value);
  Node node =
      node_make(OP_RESCALE, original->phase, original->type, value, 0, 0);
  node.attr.by = measure.by;
  node.attr.fit = measure.fit;
  node.attr.every = measure.every;
  node.attr.history = measure.history;
  node.attr.why = why;
  node.name = original->name;
  node.pinned = original->pinned;
  node.probe = original->probe;
  original->probe = false;
  node.span = original->span;
  node.again = original->again;
  if (first)
    original->again = helper_again(copy, first);
  if (node_is_leaf(original)) { /* an input, whose name is the entry's */
    node.phase = graph_phase(copy->new);
    node.pinned = false;
    node.name = name_suffixed(names, original->name, "s");
  } else {
    original->name = name_helper(names, original->name);
  }
  copy->map[old] = graph_add(copy->new, &node);
}

/* A rescaled input is still what the entry is given. */
static void restore_inputs(Graph *graph) {
  for (size_t i = 0; i < graph->input.length; i++) {
    const Node *node = graph_node(graph, graph->input.data[i].value);
    if (node->op != OP_INPUT)
      graph->input.data[i].value = node->input[0];
  }
}

static Graph *rescaled(PassContext *context, const Graph *graph) {
  Program *program = context->program;
  Rescale rescale = {context, graph, graph_recipe(program, graph),
                     update_entries(context->arena, graph),
                     placed_before(context->arena, graph)};
  bool scaled = !recipe_is_unscaled(rescale.recipe);
  if (scaled && graph->kind == ENTRY_TRAIN)
    check_idle(&rescale);
  NameTable *names = name_table_new(context->arena, program->interner, graph);
  const ValueId *first = graph_originals(context->arena, graph);
  GraphCopy copy = graph_copy_begin(context->arena, graph);
  for (ValueId id = 1; id < graph->count; id++) {
    graph_copy_node(&copy, id);
    if (rescale.placed[id])
      continue;
    int64_t every = 0;
    Why why = WHY_TEXT;
    int norm = scaled ? wanted_norm(&rescale, id, &every, &why) : -1;
    Measure measure = {(Norm)norm, FORMAT_NONE, every, 0};
    ValueId means = first[id] ? first[id] : id;
    if (scaled && value_measure(program, graph, means, &measure)) {
      norm = (int)measure.by;
      why = WHY_RULE;
    }
    if (norm >= 0)
      rescale_insert(&copy, names, id, first[id], measure, why);
  }
  graph_copy_finish(&copy);
  restore_inputs(copy.new);
  return copy.new;
}

bool pass_rescale(PassContext *context) {
  Program *program = context->program;
  for (size_t i = 0; i < program->graph.length; i++) {
    const Graph *graph = program->graph.data[i];
    assert(!graph->minimize && "gradients are still to come");
    Graph *swept = graph_swept(context->arena, graph);
    graph_replace(program, i, rescaled(context, swept));
    graph_free(swept);
  }
  rescale_ranges(context);
  return true;
}
