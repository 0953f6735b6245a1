/* Gives every value an exponent: plain to scaled.
 *
 * In: graphs over real numbers that hold forward, backward and update. Out:
 * the same graphs with value = data * 2^exponent at every float value, where
 * the exponents follow from shapes, constants and initial distributions alone
 * (Scalify, Blake et al., arXiv 2407.17353), or from a statistic of the step
 * where a `rescale` stands. The rules of the ops are in scale_rules.c; here
 * are the walk, the parameters' exponents and the helpers that rules insert.
 *
 * Scaling moves no value: a helper multiplies by powers of two only, so a
 * scaled program has the values of the plain one, bit for bit in binary64
 * unless something overflows or underflows.
 *
 * The train's recipe decides how parameters are stored. An entry whose recipe
 * has no scales re-expresses scaled parameters at 2^0 when it reads them, and
 * the other way round.
 */
#include "compiler/pass/rewrite.h"
#include "compiler/pass/scale_rules.h"
#include "compiler/pass/storage.h"

#include "ir/rng.h"

#include <math.h>

/* ---- diagnostics -------------------------------------------------------- */

void scaler_note_clamped(Scaler *scaler, Span span, const char *name,
                         int64_t exponent) {
  if (scaler->clamped++ > 0)
    return;
  scaler->clamped_span = span;
  scaler->clamped_first = arena_printf(
      scaler->context->arena,
      "the exponent 2^%lld of %s is beyond 2^%d .. 2^%d; the rest stays in "
      "the data",
      (long long)exponent, name, EXPONENT_MIN, EXPONENT_MAX);
}

/* One remark an entry: where one value runs out of range, many follow it. */
static void remark_clamped(const Scaler *scaler) {
  if (scaler->clamped == 0)
    return;
  Diagnostic diagnostic = {.severity = SEVERITY_REMARK, .code = "W0512"};
  diagnostic.message = scaler->clamped_first;
  diagnostic.label[diagnostic.label_count++] =
      (Label){scaler->clamped_span, NULL};
  if (scaler->clamped > 1)
    diagnostic.note[diagnostic.note_count++] =
        arena_printf(scaler->context->arena, "so are those of %zu more values",
                     scaler->clamped - 1);
  diagnose(scaler->context->diagnostics, &diagnostic);
}

/* ---- helpers for the rules ---------------------------------------------- */

/* A temporary on the way to *node. It continues the numbering of the operand
 * where that is a temporary itself, else of the value that is made. */
const char *scaler_helper_name(Scaler *scaler, const Node *node,
                               const Node *operand) {
  const char *base = node->name ? node->name : operand->name;
  if (name_is_helper(operand->name))
    base = operand->name;
  return name_helper(scaler->names, base);
}

/* `operand` at scale `target`, in the phase of *node: a new value, so the pin
 * of a format stays behind. The estimate moves with the exponent, a run-time
 * one taken at what it is expected to be. */
static ValueId add_rebalance(Scaler *scaler, const Node *node, ValueId operand,
                             Scale target) {
  Node from = *graph_node(scaler->copy.new, operand);
  const Type *type =
      type_with_format(scaler->context->program->types, from.type, FORMAT_REAL);
  Node helper = node_make(OP_REBALANCE, node->phase, type, operand, 0, 0);
  helper.name = scaler_helper_name(scaler, node, &from);
  helper.span = node->span;
  helper.scale = target;
  helper.estimate = from.estimate;
  helper.estimate.factor = NULL;
  helper.estimate.log2_rms += scaler_predicted(scaler, from.scale).exponent -
                              scaler_predicted(scaler, target).exponent;
  return graph_add(scaler->copy.new, &helper);
}

/* A number is split anew, which costs nothing at run time. */
static ValueId add_constant(Scaler *scaler, const Node *constant,
                            Scale target) {
  Node node = *constant;
  int32_t up = constant->scale.exponent - target.exponent;
  node.attr.value = ldexp(constant->attr.value, up);
  node.scale = target;
  node.estimate.log2_rms += up;
  return graph_add(scaler->copy.new, &node);
}

/* Data of zeros, infinities and NaN are the same at every exponent. */
static void align(Scaler *scaler, Node *node, int operand, Scale target) {
  ValueId id = node->input[operand];
  const Node *from = graph_node(scaler->copy.new, id);
  bool adopts = from->scale.kind == SCALE_ZERO || from->scale.kind == SCALE_ANY;
  if (adopts || scale_equal(from->scale, target))
    return;
  bool split = from->op == OP_CONST && from->scale.symbol == target.symbol;
  node->input[operand] = split ? add_constant(scaler, from, target)
                               : add_rebalance(scaler, node, id, target);
}

/* Operands that are the same value stay so. */
void scaler_align(Scaler *scaler, Node *node, int operand, Scale target) {
  ValueId before = node->input[operand];
  align(scaler, node, operand, target);
  for (int i = operand + 1; i < MAX_INPUTS; i++)
    if (node->input[i] == before)
      node->input[i] = node->input[operand];
}

Scale scaler_predicted(const Scaler *scaler, Scale scale) {
  bool predicted = scale.symbol < scaler->predicted.length;
  return scale_static(scale.exponent +
                      (predicted ? scaler->predicted.data[scale.symbol] : 0));
}

void scaler_make_static(Scaler *scaler, Node *node, int operand) {
  ValueId id = node->input[operand];
  Scale scale = graph_node(scaler->copy.new, id)->scale;
  int32_t exponent = scaler_predicted(scaler, scale).exponent;
  node->input[operand] =
      add_rebalance(scaler, node, id, scale_static(exponent_clamped(exponent)));
}

/* `$name` beside `%name`: the two kinds of names do not meet. A value that
 * needs several exponents, one the maximum of another, gives them helpers'
 * names from the second on. */
Node scaler_exponent(Scaler *scaler, const Node *node, Op op) {
  TypeTable *types = scaler->context->program->types;
  Node exponent =
      node_make(op, node->phase, type_scalar(types, FORMAT_I32), 0, 0, 0);
  exponent.name = node->name && node->name == scaler->titled
                      ? name_helper(scaler->names, node->name)
                      : node->name;
  scaler->titled = node->name;
  exponent.span = node->span;
  return exponent;
}

Scale scaler_larger(Scaler *scaler, const Node *node, Scale a, Scale b) {
  if (a.symbol == b.symbol)
    return a.exponent >= b.exponent ? a : b;
  Node larger = scaler_exponent(scaler, node, OP_MAX_EXPONENT);
  larger.attr.term[0] = a;
  larger.attr.term[1] = b;
  ValueId id = graph_add(scaler->copy.new, &larger);
  int32_t first = scaler_predicted(scaler, a).exponent;
  int32_t second = scaler_predicted(scaler, b).exponent;
  scaler_predict(scaler, id, first > second ? first : second);
  return scale_make(SCALE_NORMAL, id, 0);
}

/* Only where a rule needs a static exponent does this matter, and there for
 * precision alone, never for the value. */
void scaler_predict(Scaler *scaler, ValueId symbol, int32_t exponent) {
  while (scaler->predicted.length <= symbol)
    vec_push(&scaler->predicted, 0);
  scaler->predicted.data[symbol] = exponent;
}

void scaler_set(Scaler *scaler, Node *node, ValueId symbol, int64_t exponent,
                double level, bool nonnegative) {
  int64_t clamped = exponent < EXPONENT_MIN   ? EXPONENT_MIN
                    : exponent > EXPONENT_MAX ? EXPONENT_MAX
                                              : exponent;
  if (clamped != exponent)
    scaler_note_clamped(scaler, node->span, node->name ? node->name : "a store",
                        exponent);
  node->scale = scale_make(SCALE_NORMAL, symbol, (int32_t)clamped);
  node->estimate = (Estimate){.log2_rms = level - (double)clamped,
                              .nonnegative = nonnegative};
}

void scaler_renormalise(Scaler *scaler, Node *node, ValueId symbol,
                        double level, bool nonnegative) {
  scaler_set(scaler, node, symbol,
             level_exponent(level, scaler->rounding, scaler->draw), level,
             nonnegative);
}

/* ---- parameters --------------------------------------------------------- */

/* floor(log2 rms) of the initial distribution, 2^0 for zeros: a parameter
 * keeps this exponent for good, so that forward exponents are constants. */
static int32_t initial_exponent(const Parameter *param,
                                const Settings *settings) {
  if (settings->scaling == SCALING_FIXED && settings->has_exponent)
    return settings->exponent;
  double level = init_log2_rms(param->init);
  if (isinf(level))
    return 0;
  return exponent_clamped(level_exponent(level, SCALE_DOWN, 0));
}

static void scale_param(PassContext *context, const Recipe *recipe,
                        Parameter *param) {
  param->scale = scale_none();
  if (!type_is_real(param->type) || recipe_is_unscaled(recipe))
    return;
  Settings settings = recipe_param_settings(context->program, recipe, param);
  if (settings.scaling != SCALING_NONE)
    param->scale = scale_static(initial_exponent(param, &settings));
}

/* The last rule that sets a scale for the role. What `default` says about
 * propagation is meant for values; only a rule for the role itself asks for
 * parameters that propagate. */
static const Rule *role_rule(const Recipe *recipe, SelectorKind role) {
  const Rule *last = NULL;
  for (size_t i = 0; i < recipe->rule.length; i++) {
    const Rule *rule = &recipe->rule.data[i];
    if (rule->settings.scaling == SCALING_UNSET)
      continue;
    for (size_t j = 0; j < rule->selector.length; j++)
      if (rule->selector.data[j].kind == role)
        last = rule;
  }
  return last;
}

static bool check_role(PassContext *context, const Recipe *recipe,
                       SelectorKind role) {
  const Rule *rule = role_rule(recipe, role);
  if (rule == NULL || rule->settings.scaling != SCALING_PROPAGATE)
    return true;
  diagnose_error(context->diagnostics, rule->span, "E0503",
                 "the scale of a parameter or state cannot propagate in this "
                 "version; use `scale = fixed`");
  return false;
}

static bool scale_params(PassContext *context) {
  Program *program = context->program;
  const Recipe *recipe = storage_recipe(program);
  if (recipe == NULL)
    return true;
  const Recipe **each = storage_recipes(context->arena, program);
  bool good = check_role(context, recipe, SELECT_PARAM) &&
              check_role(context, recipe, SELECT_STATE);
  for (size_t i = 0; i < program->param.length; i++)
    scale_param(context, each[i], &program->param.data[i]);
  return good && measure_params(context, each);
}

/* ---- the walk ----------------------------------------------------------- */

/* Is the value, if it is stored, to be made at the exponent of what it is
 * stored in? */
static bool makes_on_demand(const Node *value) {
  bool is_sum = value->op == OP_ADD || value->op == OP_SUB;
  bool writes = value->op == OP_WINDOW_WRITE || value->op == OP_SCATTER;
  return (is_sum && value->phase == PHASE_UPDATE) ||
         (writes && type_is_real(value->type));
}

/* Which sums and writes make a new parameter value, and at which exponent. */
static Scale *find_demands(const PassContext *context, const Graph *graph) {
  Scale *demand = NEW_ARRAY(context->arena, Scale, graph->count);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *store = graph_node(graph, id);
    if (store->op != OP_STORE)
      continue;
    const Node *value = graph_node(graph, store->input[0]);
    const Parameter *param = &context->program->param.data[store->attr.index];
    if (makes_on_demand(value) && !param->exponent &&
        demand[store->input[0]].kind == SCALE_NONE)
      demand[store->input[0]] = param->scale;
  }
  return demand;
}

/* A parameter whose storage differs from what the entry computes in is
 * re-expressed once, after it is read. */
static void bridge_param(Scaler *scaler, ValueId old, bool scaled) {
  ValueId id = scaler->copy.map[old];
  const Node *node = graph_node(scaler->copy.new, id);
  if (node->op != OP_PARAM || !type_is_real(node->type) ||
      (node->scale.kind == SCALE_NORMAL) == scaled)
    return;
  const Parameter *param =
      &scaler->context->program->param.data[node->attr.index];
  Settings unset = settings_unset();
  Scale target =
      scaled ? scale_static(initial_exponent(param, &unset)) : scale_none();
  Node reader = *node;
  reader.phase = graph_phase(scaler->copy.new);
  scaler->copy.map[old] = add_rebalance(scaler, &reader, id, target);
}

/* Structure keeps its operand's format (a narrow input's, say). Where a helper
 * in f32 has taken the operand's place, the format stays as a pin. */
static void keep_format(const Scaler *scaler, Node *node) {
  bool keeps = op_info(node->op)->class == CLASS_structural ||
               node->op == OP_REBALANCE || node->op == OP_SET_SCALE ||
               op_is_marker(node->op);
  if (!keeps || node->input[0] == 0 || !type_is_real(node->type) ||
      node->type->format == FORMAT_REAL)
    return;
  Format from = graph_node(scaler->copy.new, node->input[0])->type->format;
  node->pinned |= from != node->type->format;
}

/* The random number of a value whose exponent is rounded at random. Exponents
 * are static, so it is drawn here, once: number 0 of the key (seed of the
 * training run, step 0, name), where a number goes by its text. */
static uint32_t draw_exponent(const Scaler *scaler, const Node *node) {
  const Program *program = scaler->context->program;
  uint64_t seed = 1;
  for (size_t i = 0; i < program->graph.length; i++)
    if (program->graph.data[i]->kind == ENTRY_TRAIN &&
        program->graph.data[i]->run.seed > 0)
      seed = (uint64_t)program->graph.data[i]->run.seed;
  Buffer text = {0};
  if (node->name) /* what is computed again is its original's */
    buffer_text(&text, node->again ? node->again : node->name);
  else
    buffer_float(&text, node->attr.value);
  uint64_t hash = rng_hash_name(text.data);
  buffer_free(&text);
  return rng_u32(rng_key(seed, 0, hash), 0);
}

/* One node of a scaled entry: the rule of its op, with the rounding mode that
 * the recipe has for this value. */
static void scale_node(Scaler *scaler, const Graph *old, ValueId id) {
  if (scaler_again(scaler, id))
    return;
  Node node = graph_copy_prepare(&scaler->copy, id);
  node.remat = NULL;
  scaler->rounding =
      recipe_value_settings(scaler->context->program, old, id).scale_rounding;
  if (scaler->rounding == SCALE_STOCHASTIC)
    scaler->draw = draw_exponent(scaler, &node);
  scale_rule(node.op)(scaler, id, &node);
  keep_format(scaler, &node);
  scaler_read_scaled(scaler, id, &node);
  scaler->copy.map[id] = graph_add(scaler->copy.new, &node);
  bridge_param(scaler, id, true);
  if (scaler->stored[id])
    scaler_measure_stored(scaler, id, scaler->stored[id]);
}

/* Without scales only the borders to scaled parameters need anything. */
static void copy_node(Scaler *scaler, ValueId id) {
  Node node = graph_copy_prepare(&scaler->copy, id);
  node.remat = NULL;
  if (node.op == OP_PARAM || node.op == OP_STORE)
    scale_rule(node.op)(scaler, id, &node);
  scaler->copy.map[id] = graph_add(scaler->copy.new, &node);
  bridge_param(scaler, id, false);
}

/* As after a rescale, at the exponent that it is expected to measure. */
static void expect_unit_data(Scaler *scaler, Node *node) {
  double level =
      scaler_predicted(scaler, node->scale).exponent + node->estimate.log2_rms;
  node->estimate.log2_rms = 0;
  node->scale = scale_static(level_exponent(level, SCALE_DOWN, 0));
}

/* Value `id` of the old graph, with all that stands behind it. */
static void scale_value(Scaler *scaler, const Graph *old, size_t index,
                        ValueId id, bool scaled, EstimateWatch *watch,
                        void *user) {
  bool left_out = scaler_leaves_out(scaler, id, scaled);
  if (!left_out && scaled)
    scale_node(scaler, old, id);
  else if (!left_out)
    copy_node(scaler, id);
  Node *made = graph_node(scaler->copy.new, scaler->copy.map[id]);
  bool measured = scaler->stored[id] != 0; /* whatever its level */
  if (watch && !left_out && !measured && watch(user, index, id, made))
    expect_unit_data(scaler, made);
  if (scaled)
    scaler_scale_operands(scaler, id);
}

/* The order in which values are made: each parameter stands where it is first
 * read, as in a text, wherever elaboration came across it; the unread are last.
 * What is measured of one stands behind it. */
static ValueId *scaling_order(const PassContext *context, const Graph *old,
                              size_t *count) {
  ValueId *order = NEW_ARRAY(context->arena, ValueId, old->count);
  bool *placed = NEW_ARRAY(context->arena, bool, old->count);
  *count = 0;
  for (ValueId id = 1; id < old->count; id++) {
    const Node *node = graph_node(old, id);
    for (int i = 0; i < node_inputs(node); i++) {
      ValueId input = node->input[i];
      if (input && !placed[input])
        order[(*count)++] = input;
      placed[input] = true;
    }
    if (node->op != OP_PARAM)
      order[(*count)++] = id;
    placed[id] |= node->op != OP_PARAM;
  }
  for (ValueId id = 1; id < old->count; id++)
    if (!placed[id])
      order[(*count)++] = id;
  return order;
}

/* The new graph of one entry; the names of the old one are all kept. */
static Graph *scale_graph(PassContext *context, const Recipe **storage,
                          size_t index, EstimateWatch *watch, void *user) {
  Program *program = context->program;
  const Graph *old = program->graph.data[index];
  Scaler scaler = {
      .context = context, .storage = storage, .estimates = watch != NULL};
  scaler.copy = graph_copy_begin(context->arena, old);
  scaler.names = name_table_new(context->arena, program->interner, old);
  scaler.demand = find_demands(context, old);
  scaler.original = graph_originals(context->arena, old);
  scaler.stored = measured_stores(context, old);
  scaler.operand = operand_scales(context, old);
  scaler.kind = contraction_kinds(context->arena, old);
  bool scaled = !recipe_is_unscaled(graph_recipe(program, old));
  size_t count;
  const ValueId *order = scaling_order(context, old, &count);
  for (size_t i = 0; i < count; i++)
    scale_value(&scaler, old, index, order[i], scaled, watch, user);
  graph_copy_finish(&scaler.copy);
  if (!watch)
    remark_clamped(&scaler);
  vec_free(&scaler.predicted);
  vec_free(&scaler.measured);
  vec_free(&scaler.fitted);
  if (!scaler.replaced)
    return scaler.copy.new;
  Graph *swept = graph_swept(context->arena, scaler.copy.new);
  graph_free(scaler.copy.new);
  return swept;
}

/* What an estimate would say, scalify says later. */
static void tell_nobody(void *user, Severity severity, const char *rendered) {
  (void)user, (void)severity, (void)rendered;
}

void estimate_graphs(PassContext *context, EstimateWatch *watch, void *user) {
  Program *program = context->program;
  Diagnostics *told = context->diagnostics;
  context->diagnostics =
      diagnostics_new(context->arena, program->sources, tell_nobody, NULL);
  size_t count = program->param.length;
  Parameter *kept = NEW_ARRAY(context->arena, Parameter, count + 1);
  for (size_t i = 0; i < count; i++)
    kept[i] = program->param.data[i];
  bool scaled = scale_params(context);
  const Recipe **storage = storage_recipes(context->arena, program);
  for (size_t i = 0; scaled && i < program->graph.length; i++)
    graph_free(scale_graph(context, storage, i, watch, user));
  for (size_t i = 0; i < count; i++)
    program->param.data[i] = kept[i];
  program->param.length = count; /* without states of exponents */
  context->diagnostics = told;
}

bool pass_scalify(PassContext *context) {
  Program *program = context->program;
  if (!scale_params(context))
    return false;
  const Recipe **storage = storage_recipes(context->arena, program);
  for (size_t i = 0; i < program->graph.length; i++)
    graph_replace(program, i, scale_graph(context, storage, i, NULL, NULL));
  return diagnostics_errors(context->diagnostics) == 0;
}
