/* What a recipe says about a value, a parameter, or an operand of a
 * contraction (semantics.md, Recipes).
 *
 * A value has a store format, a contraction edge an operand format. default,
 * roles and classes speak of storage; matmul of operands; a path that names a
 * module, a layer or a parameter of both. Rules are taken in order, parents'
 * first, and the last match of each field wins. The format in force is always
 * `forward` of the answer: a gradient takes the rule's gradient format where
 * one is given, and pins and single numbers overrule every rule.
 */
#include "compiler/pass/recipe_query.h"

#include <string.h>

/* For graphs that were built without one: f32, no scales. */
static const Recipe no_recipe = {.name = "f32"};

const Recipe *graph_recipe(const Program *program, const Graph *graph) {
  const Recipe *recipe =
      graph->recipe ? program_recipe(program, graph->recipe) : NULL;
  return recipe ? recipe : &no_recipe;
}

bool recipe_is_unscaled(const Recipe *recipe) {
  Scaling scaling = SCALING_NONE;
  for (size_t i = 0; i < recipe->rule.length; i++) {
    const Rule *rule = &recipe->rule.data[i];
    for (size_t j = 0; j < rule->selector.length; j++)
      if (rule->selector.data[j].kind == SELECT_DEFAULT &&
          rule->settings.scaling != SCALING_UNSET)
        scaling = rule->settings.scaling;
  }
  return scaling == SCALING_NONE;
}

/* ---- settings over settings ---------------------------------------------- */

/* A field that `over` leaves unset keeps what earlier rules said. */
static void set_format(Format *field, Format value) {
  if (value != FORMAT_NONE)
    *field = value;
}

static void set_number(int *field, int value) {
  if (value >= 0)
    *field = value;
}

/* A scaling replaces the earlier one with all its arguments. */
static void set_scaling(Settings *settings, const Settings *over) {
  if (over->scaling == SCALING_UNSET)
    return;
  settings->scaling = over->scaling;
  settings->scale_rounding = over->scale_rounding;
  settings->has_exponent = over->has_exponent;
  settings->exponent = over->exponent;
  settings->amax_granularity = over->amax_granularity;
  settings->amax_group = over->amax_group;
  settings->amax_history = over->amax_history;
  settings->every = over->every;
}

static void settings_apply(Settings *settings, const Settings *over) {
  set_format(&settings->forward, over->forward);
  set_format(&settings->gradient, over->gradient);
  set_format(&settings->accumulate, over->accumulate);
  set_format(&settings->wgrad, over->wgrad);
  set_format(&settings->dgrad, over->dgrad);
  set_scaling(settings, over);
  set_number(&settings->rescale, over->rescale);
  set_number(&settings->rescale_grad, over->rescale_grad);
  set_number(&settings->rescale_auto, over->rescale_auto);
  set_number(&settings->round, over->round);
  set_number(&settings->overflow, over->overflow);
  set_number(&settings->subnormals, over->subnormals);
}

/* ---- which rule speaks of what ------------------------------------------- */

static bool name_fits(const char *name, const void *path) {
  return selector_matches(path, name);
}

bool path_matches(const Program *program, const Graph *graph, const char *path,
                  const char *name) {
  return name && (selector_matches(path, name) ||
                  program_any_alias(program, graph ? graph->name : NULL, name,
                                    name_fits, path));
}

const char *gradient_base(const Program *program, const Node *node) {
  bool gradient =
      node_is_gradient(node) && node->name && strncmp(node->name, "d.", 2) == 0;
  return gradient ? intern(program->interner, node->name + 2) : NULL;
}

/* The gradient of something that the path means: by name, or by an alias that
 * is itself the name of a gradient. */
static bool gradient_fits(const char *name, const void *path) {
  return strncmp(name, "d.", 2) == 0 && selector_matches(path, name + 2);
}

static bool gradient_matches(const Program *program, const Graph *graph,
                             const char *path, const Node *node) {
  const char *base = gradient_base(program, node);
  if (!base)
    return false;
  return path_matches(program, graph, path, base) ||
         program_any_alias(program, graph->name, node->name, gradient_fits,
                           path);
}

bool node_enters(const Graph *graph, const Node *node) {
  return node->op == OP_CONVERT &&
         !type_is_real(graph_node(graph, node->input[0])->type);
}

bool selector_selects_param(const Program *program, const Parameter *param,
                            const Selector *selector) {
  switch (selector->kind) {
  case SELECT_DEFAULT:
    return true;
  case SELECT_PARAM:
    return !param->state;
  case SELECT_STATE:
    return param->state;
  case SELECT_PATH:
    return path_matches(program, NULL, selector->path, param->name);
  default:
    return false;
  }
}

/* Roles go by where a value stands in the step. */
static bool role_selects(const Graph *graph, const Node *node,
                         SelectorKind role) {
  bool leaf = node_is_leaf(node);
  bool input = node->op == OP_INPUT || node_enters(graph, node);
  switch (role) {
  case SELECT_INPUT:
    return input;
  case SELECT_ACTIVATION:
    return (node->phase == PHASE_FORWARD || node->again) && !leaf && !input;
  case SELECT_UPDATE:
    return node->phase == PHASE_UPDATE && !leaf;
  default:
    return false;
  }
}

/* Classes go by the op that makes it: the class column of ops.def. */
static bool class_selects(const Node *node, SelectorKind class) {
  switch (op_info(node->op)->class) {
  case CLASS_elementwise:
    return class == SELECT_ELEMENTWISE;
  case CLASS_reduce:
    return class == SELECT_REDUCE;
  case CLASS_gather:
    return class == SELECT_GATHER;
  case CLASS_softmax:
    return class == SELECT_SOFTMAX;
  case CLASS_norm:
    return class == SELECT_NORM;
  case CLASS_loss:
    return class == SELECT_LOSS;
  default:
    return false;
  }
}

bool selector_selects(const Program *program, const Graph *graph, ValueId id,
                      const Selector *selector) {
  const Node *node = graph_node(graph, id);
  if (node->op == OP_PARAM)
    return selector_selects_param(
        program, &program->param.data[node->attr.index], selector);
  switch (selector->kind) {
  case SELECT_DEFAULT:
    return true;
  case SELECT_PATH:
    return path_matches(program, graph, selector->path, node_key(node)) ||
           gradient_matches(program, graph, selector->path, node);
  case SELECT_GRADIENT:
    return gradient_matches(program, graph, selector->path, node);
  case SELECT_INPUT:
  case SELECT_ACTIVATION:
  case SELECT_UPDATE:
    return role_selects(graph, node, selector->kind);
  default:
    return class_selects(node, selector->kind);
  }
}

/* ---- storage ------------------------------------------------------------- */

/* Pins, whole numbers and single numbers overrule the rules. */
static void settle_format(Settings *settings, const Type *type, bool pinned,
                          bool gradient) {
  if (gradient)
    set_format(&settings->forward, settings->gradient);
  if (pinned || !type_is_real(type))
    settings->forward = type->format;
  else if (type->rank == 0 || settings->forward == FORMAT_NONE)
    settings->forward = FORMAT_F32;
}

/* One rule counts once, however many of its selectors match. */
Settings recipe_value_settings(const Program *program, const Graph *graph,
                               ValueId id) {
  const Recipe *recipe = graph_recipe(program, graph);
  const Node *node = graph_node(graph, id);
  Settings settings = settings_unset();
  for (size_t i = 0; i < recipe->rule.length; i++) {
    const Rule *rule = &recipe->rule.data[i];
    bool selected = false;
    for (size_t j = 0; j < rule->selector.length; j++)
      selected |= selector_selects(program, graph, id, &rule->selector.data[j]);
    if (selected)
      settings_apply(&settings, &rule->settings);
  }
  settle_format(&settings, node->type, node->pinned, node_is_gradient(node));
  return settings;
}

Settings recipe_param_settings(const Program *program, const Recipe *recipe,
                               const Parameter *param) {
  Settings settings = settings_unset();
  for (size_t i = 0; i < recipe->rule.length; i++) {
    const Rule *rule = &recipe->rule.data[i];
    bool selected = false;
    for (size_t j = 0; j < rule->selector.length; j++)
      selected |=
          selector_selects_param(program, param, &rule->selector.data[j]);
    if (selected)
      settings_apply(&settings, &rule->settings);
  }
  settle_format(&settings, param->type, param->pinned, false);
  return settings;
}

/* ---- operands of contractions -------------------------------------------- */

/* Ops behind which the same value is found again. */
static bool carries_value(Op op) {
  switch (op) {
  case OP_CAST:
  case OP_CONVERT:
  case OP_RESHAPE:
  case OP_TRANSPOSE:
  case OP_BROADCAST:
  case OP_SLICE:
  case OP_REVERSE:
  case OP_WINDOW:
  case OP_RESCALE:
  case OP_REBALANCE:
  case OP_SET_SCALE:
    return true;
  default:
    return false;
  }
}

const Node *operand_param(const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  while (carries_value(node->op))
    node = graph_node(graph, node->input[0]);
  return node->op == OP_PARAM ? node : NULL;
}

typedef struct {
  const Program *program;
  const char *path;
} ModulePath;

/* Does the path name a module that `name` lies in (not the value itself)? */
static bool module_fits(const char *name, const void *data) {
  const ModulePath *of = data;
  const char *dot = name ? strrchr(name, '.') : NULL;
  if (!dot)
    return false;
  const char *module =
      intern_n(of->program->interner, name, (size_t)(dot - name));
  return selector_matches(of->path, module);
}

/* The same, for any name of the value. */
static bool layer_matches(const Program *program, const Graph *graph,
                          const char *path, const Node *node) {
  const char *base = gradient_base(program, node);
  const char *name = base ? base : node_key(node);
  ModulePath module = {program, path};
  return module_fits(name, &module) ||
         (name &&
          program_any_alias(program, graph->name, name, module_fits, &module));
}

/* A contraction belongs to the layer of its parameter; without one, to that of
 * its result. */
static bool path_means_product(const Program *program, const Graph *graph,
                               ValueId id, const char *path) {
  const Node *node = graph_node(graph, id);
  bool has_param = false;
  for (int i = 0; i < 2; i++) {
    const Node *param = operand_param(graph, node->input[i]);
    has_param |= param != NULL;
    if (param && layer_matches(program, graph, path, param))
      return true;
  }
  return !has_param && layer_matches(program, graph, path, node);
}

/* The path names what this edge reads: a parameter, or one value by itself
 * rather than all of the layer it comes from. */
static bool path_means_operand(const Program *program, const Graph *graph,
                               ValueId id, const char *path) {
  const Node *param = operand_param(graph, id);
  if (param)
    return path_matches(program, NULL, path, param->name);
  const Node *node = graph_node(graph, id);
  return (path_matches(program, graph, path, node_key(node)) ||
          gradient_matches(program, graph, path, node)) &&
         !layer_matches(program, graph, path, node);
}

/* Which selectors speak of operand `operand` of contraction `id`. */
static bool selector_selects_edge(const Program *program, const Graph *graph,
                                  ValueId id, int operand,
                                  const Selector *selector) {
  ValueId input = operand_value(graph, graph_node(graph, id)->input[operand]);
  switch (selector->kind) {
  case SELECT_MATMUL:
    return op_info(graph_node(graph, id)->op)->class == CLASS_matmul;
  case SELECT_CONV:
    return op_info(graph_node(graph, id)->op)->class == CLASS_conv;
  case SELECT_PATH:
    return path_means_product(program, graph, id, selector->path) ||
           path_means_operand(program, graph, input, selector->path);
  case SELECT_GRADIENT:
    return gradient_matches(program, graph, selector->path,
                            graph_node(graph, input));
  default:
    return false;
  }
}

/* Does the selector name the value that the edge reads, rather than products
 * or what a product reads? */
static bool selects_by_name(const Program *program, const Graph *graph,
                            ValueId id, const Selector *selector) {
  return selector->kind == SELECT_PATH &&
         !path_means_product(program, graph, id, selector->path);
}

/* What a rule says of a value by name: its scale is that of the value itself,
 * measured once, behind it or where it is stored. */
static void apply_named(Settings *settings, const Settings *over) {
  Settings other = *over;
  other.scaling = SCALING_UNSET;
  settings_apply(settings, &other);
}

/* What `default` says of edges: how they round, not in which format. */
static void apply_default(Settings *settings, const Settings *over) {
  Settings other = *over;
  other.forward = other.gradient = FORMAT_NONE;
  settings_apply(settings, &other);
}

static void apply_to_edge(Settings *settings, const Program *program,
                          const Graph *graph, ValueId id, int operand,
                          const Rule *rule) {
  bool selected = false, named = false, defaults = false;
  for (size_t j = 0; j < rule->selector.length; j++) {
    const Selector *selector = &rule->selector.data[j];
    defaults |= selector->kind == SELECT_DEFAULT;
    if (!selector_selects_edge(program, graph, id, operand, selector))
      continue;
    bool by_name = selects_by_name(program, graph, id, selector);
    named |= by_name;
    selected |= !by_name;
  }
  if (selected)
    settings_apply(settings, &rule->settings);
  else if (named)
    apply_named(settings, &rule->settings);
  else if (defaults)
    apply_default(settings, &rule->settings);
}

Settings recipe_operand_settings(const Program *program, const Graph *graph,
                                 ProductKind kind, ValueId id, int operand) {
  const Recipe *recipe = graph_recipe(program, graph);
  const Node *input = graph_node(
      graph, operand_value(graph, graph_node(graph, id)->input[operand]));
  Settings settings = settings_unset();
  for (size_t i = 0; i < recipe->rule.length; i++)
    apply_to_edge(&settings, program, graph, id, operand,
                  &recipe->rule.data[i]);
  if (node_is_gradient(input))
    set_format(&settings.forward, settings.gradient);
  if (kind == PRODUCT_WGRAD)
    set_format(&settings.forward, settings.wgrad);
  if (kind == PRODUCT_DGRAD)
    set_format(&settings.forward, settings.dgrad);
  if (input->pinned)
    settings.forward = input->type->format;
  else if (input->type->rank == 0)
    settings.forward = FORMAT_F32;
  return settings;
}

/* ---- who decided --------------------------------------------------------- */

typedef struct {
  const Program *program;
  const Graph *graph;
  ValueId id;
  int operand; /* -1: of the value itself */
} Asked;

static bool rule_speaks(const Asked *asked, const Rule *rule) {
  bool speaks = false;
  for (size_t i = 0; i < rule->selector.length && !speaks; i++) {
    const Selector *selector = &rule->selector.data[i];
    speaks = asked->operand < 0
                 ? selector_selects(asked->program, asked->graph, asked->id,
                                    selector)
                 : selector_selects_edge(asked->program, asked->graph,
                                         asked->id, asked->operand, selector);
  }
  return speaks;
}

static Format format_of(const Settings *settings, const char *which) {
  return strcmp(which, "forward") == 0    ? settings->forward
         : strcmp(which, "gradient") == 0 ? settings->gradient
         : strcmp(which, "wgrad") == 0    ? settings->wgrad
                                          : settings->dgrad;
}

/* Adds the votes of one of the formats that rules have. The forward format of
 * a rule with a gradient format has no say about gradients. */
static void add_votes(const Asked *asked, const char *which, bool gradient,
                      Votes *votes) {
  const Recipe *recipe = graph_recipe(asked->program, asked->graph);
  for (size_t i = 0; i < recipe->rule.length; i++) {
    const Rule *rule = &recipe->rule.data[i];
    Format format = format_of(&rule->settings, which);
    bool other = gradient && strcmp(which, "forward") == 0 &&
                 rule->settings.gradient != FORMAT_NONE;
    Vote vote = {rule, which, format};
    if (format != FORMAT_NONE && !other && rule_speaks(asked, rule))
      vec_push(votes, vote);
  }
}

void recipe_value_votes(const Program *program, const Graph *graph, ValueId id,
                        Votes *votes) {
  Asked asked = {program, graph, id, -1};
  bool gradient = graph_node(graph, id)->phase == PHASE_BACKWARD;
  add_votes(&asked, "forward", gradient, votes);
  if (gradient)
    add_votes(&asked, "gradient", gradient, votes);
}

void recipe_operand_votes(const Program *program, const Graph *graph,
                          ProductKind kind, ValueId id, int operand,
                          Votes *votes) {
  Asked asked = {program, graph, id, operand};
  ValueId input = graph_node(graph, id)->input[operand];
  bool gradient = graph_node(graph, input)->phase == PHASE_BACKWARD;
  add_votes(&asked, "forward", gradient, votes);
  if (gradient)
    add_votes(&asked, "gradient", gradient, votes);
  if (kind != PRODUCT_FORWARD)
    add_votes(&asked, kind == PRODUCT_WGRAD ? "wgrad" : "dgrad", gradient,
              votes);
}

/* ---- kinds of product ---------------------------------------------------- */

/* Ops that a gradient passes through on its way into the optimizer. */
static bool passes_gradient(Op op) {
  return carries_value(op) || op == OP_ADD || op == OP_NEG || op == OP_PAD ||
         op == OP_WINDOW_WRITE || op == OP_SCATTER || op == OP_ACCUMULATE;
}

/* A weight gradient is what flows into the optimizer unmultiplied; all other
 * products of the backward pass carry the gradient further down. One walk from
 * the end: what the readers of a value do with it is known before it. */
ProductKind *contraction_kinds(Arena *arena, const Graph *graph) {
  ProductKind *kind = NEW_ARRAY(arena, ProductKind, graph->count);
  bool *updates = NEW_ARRAY(arena, bool, graph->count);
  for (ValueId id = graph->count; id-- > 1;) {
    const Node *node = graph_node(graph, id);
    bool passes = node->phase == PHASE_UPDATE ||
                  (updates[id] && passes_gradient(node->op));
    for (int i = 0; i < node_inputs(node); i++)
      updates[node->input[i]] |= passes;
    if (node_is_gradient(node))
      kind[id] = updates[id] ? PRODUCT_WGRAD : PRODUCT_DGRAD;
  }
  return kind;
}
