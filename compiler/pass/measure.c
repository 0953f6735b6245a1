/* Measured exponents in states: scalify's part of `scale = rms` and `amax`.
 *
 * In: the settings of parameters and states. Out: those that keep an exponent
 * chosen from each new value have it in a state of their own:
 *
 *   exponent @m.exp : i32[]          = zeros
 *   state    @m     : f16[n] * 2^@m.exp = zeros
 *
 *   $m           = state_exponent(@m.exp)          where @m is read
 *   $m'2         = norm_exponent(%m'2~1, by = l2)  where it is made anew
 *   %m'2 : * 2^$m'2 = rebalance(%m'2~1)
 *   store @m.exp, $m'2
 *   store @m, %m'2
 *
 * so that a graph carries the exponent as it carries any that is measured in
 * the step (Scalify, arXiv 2407.17353, configuration 4: optimizer states in
 * 16 bits). The measured value takes the name, and every reader sees it, as
 * the next step will. Only data of the whole tensor is measured: a window
 * that is written into a cache and what the cache held meet at the larger of
 * their exponents, in f32, and the sum of both is measured and rounded.
 */
#include "compiler/pass/scale_rules.h"
#include "compiler/pass/storage.h"

#include <math.h>

/* The largest of many normal variates is about this many binades above their
 * rms (8 sigma; numerics.md 1.10). */
static const double log2_of_tail = 3;

double measure_level(Measure measure) {
  return measure.fit == FORMAT_NONE
             ? 0
             : floor(log2(format_max(measure.fit))) - log2_of_tail;
}

bool measure_equal(Measure a, Measure b) {
  return a.by == b.by && a.fit == b.fit && a.every == b.every &&
         a.history == b.history;
}

Measure measure_of_node(const Node *node) {
  return (Measure){node->attr.by, node->attr.fit, node->attr.every,
                   node->attr.history};
}

/* The largest element fits the format, or is brought to [1, 2) where that has
 * the exponents of f32. */
Measure measure_of_settings(const Settings *settings, Format format) {
  Measure measure = {NORM_L2, FORMAT_NONE, settings->every, 0};
  if (settings->scaling != SCALING_AMAX)
    return measure;
  measure.by = NORM_MAX;
  measure.history = settings->amax_history;
  if (format != FORMAT_NONE && format_is_short(format))
    measure.fit = format;
  return measure;
}

/* ---- exponents ----------------------------------------------------------- */

/* "m.exp", or "m~2.exp" where the text has a parameter of that name. */
static const char *state_name(Program *program, const char *name,
                              const char *suffix) {
  const char *state = intern_printf(program->interner, "%s.%s", name, suffix);
  for (int n = 2; program_param(program, state) >= 0; n++)
    state = intern_printf(program->interner, "%s~%d.%s", name, n, suffix);
  return state;
}

/* A state of exponents for `$name`; its index. */
static int add_exponent_state(Scaler *scaler, const char *name,
                              const char *suffix, int64_t history) {
  Program *program = scaler->context->program;
  Parameter state = {.state = true, .measured = true};
  state.name = state_name(program, name, suffix);
  state.type = type_make(program->types, FORMAT_I32, history > 0, &history);
  if (history > 0)
    state.init = (Init){INIT_CONSTANT, EXPONENT_NONE, 0};
  vec_push(&program->param, state);
  return (int)program->param.length - 1;
}

static ValueId add_state_leaf(Scaler *scaler, int index, const Node *node) {
  const Parameter *state = &scaler->context->program->param.data[index];
  Node leaf = node_make(OP_PARAM, node->phase, state->type, 0, 0, 0);
  leaf.name = state->name;
  leaf.attr.index = index;
  leaf.span = node->span;
  return graph_add(scaler->copy.new, &leaf);
}

static void add_state_store(Scaler *scaler, int index, const Node *node,
                            ValueId exponent) {
  const Parameter *state = &scaler->context->program->param.data[index];
  Node store = node_make(OP_STORE, node->phase, state->type, exponent, 0, 0);
  store.attr.index = index;
  store.span = node->span;
  graph_add(scaler->copy.new, &store);
}

/* $x = delayed_exponent(@x.amax, %x): of the steps before this one, whose own
 * goes into the state for those to come. */
static ValueId add_delayed(Scaler *scaler, const Node *node, ValueId now,
                           int64_t history) {
  int state = add_exponent_state(scaler, node->name, "amax", history);
  Node delayed = scaler_exponent(scaler, node, OP_DELAYED_EXPONENT);
  delayed.input[0] = add_state_leaf(scaler, state, node);
  delayed.input[1] = node->input[0];
  ValueId id = graph_add(scaler->copy.new, &delayed);
  add_state_store(scaler, state, node, now);
  return id;
}

/* $x = held_exponent(@x.exp, $x~1, every = n). */
static ValueId add_held(Scaler *scaler, const Node *node, ValueId now,
                        int64_t every) {
  int state = add_exponent_state(scaler, node->name, "exp", 0);
  Node held = scaler_exponent(scaler, node, OP_HELD_EXPONENT);
  held.attr.every = every;
  held.input[0] = add_state_leaf(scaler, state, node);
  held.input[1] = now;
  ValueId id = graph_add(scaler->copy.new, &held);
  add_state_store(scaler, state, node, id);
  return id;
}

/* Steps follow one another in training alone: elsewhere each call measures. */
static Measure measure_effective(const Scaler *scaler, Measure measure) {
  bool steps = scaler->copy.old->kind == ENTRY_TRAIN;
  measure.history = steps ? measure.history : 0;
  measure.every =
      steps && measure.every > 1 && !measure.history ? measure.every : 0;
  return measure;
}

ValueId scaler_measure(Scaler *scaler, const Node *node, Measure measure) {
  measure = measure_effective(scaler, measure);
  bool held = measure.every > 0, delayed = measure.history > 0;
  Node now = scaler_exponent(scaler, node, OP_NORM_EXPONENT);
  now.input[0] = node->input[0];
  now.attr.by = measure.by;
  now.attr.fit = measure.fit;
  now.attr.why = node->attr.why;
  now.attr.empty = delayed;
  if (held || delayed) {
    now.name = name_helper(scaler->names, node->name);
    scaler->titled = NULL; /* the name is that of what follows */
  }
  ValueId id = graph_add(scaler->copy.new, &now);
  if (delayed)
    id = add_delayed(scaler, node, id, measure.history);
  else if (held)
    id = add_held(scaler, node, id, measure.every);
  vec_push(&scaler->measured, ((Measurement){id, node->input[0], measure}));
  const Node *from = graph_node(scaler->copy.new, node->input[0]);
  double level = scaler_predicted(scaler, from->scale).exponent;
  if (!isinf(from->estimate.log2_rms))
    level += from->estimate.log2_rms - measure_level(measure);
  scaler_predict(scaler, id, level_exponent(level, SCALE_DOWN, 0));
  return id;
}

/* ---- which parameters ---------------------------------------------------- */

/* Is the exponent of a parameter chosen from each new value? Where the recipe
 * asks for it, and for states of less than 32 bits whose recipe says nothing
 * else: their magnitudes are not known beforehand. */
static bool is_measured(const Parameter *param, const Settings *settings) {
  if (settings->scaling == SCALING_RMS || settings->scaling == SCALING_AMAX)
    return true;
  bool says =
      settings->scaling == SCALING_FIXED || settings->scaling == SCALING_NONE;
  return param->state && param->type->rank > 0 && !says &&
         format_rounds(settings->forward);
}

/* A state of less than 32 bits whose rule says nothing: by its largest element,
 * for what a square of a small gradient loses below, no mean makes up; in bf16,
 * which has the exponents of f32, by its rms. */
static Measure param_measure(const Settings *settings) {
  Settings own = *settings;
  if (own.scaling != SCALING_RMS && own.scaling != SCALING_AMAX)
    own.scaling = own.forward != FORMAT_NONE && format_is_short(own.forward)
                      ? SCALING_AMAX
                      : SCALING_RMS;
  return measure_of_settings(&own, own.forward);
}

static Measure measure_of(const Scaler *scaler, const Parameter *param) {
  const Program *program = scaler->context->program;
  Settings settings = recipe_param_settings(
      program, scaler->storage[param - program->param.data], param);
  return param_measure(&settings);
}

/* The first exponent is the one that initial values would be measured at. */
static void add_state(Program *program, size_t index, Measure measure) {
  Parameter *param = &program->param.data[index];
  double level = init_log2_rms(param->init) - measure_level(measure);
  int32_t start = isfinite(level)
                      ? exponent_clamped(level_exponent(level, SCALE_DOWN, 0))
                      : 0;
  Parameter state = {.state = true, .measured = true, .span = param->span};
  state.name = state_name(program, param->name, "exp");
  state.type = type_scalar(program->types, FORMAT_I32);
  if (start != 0)
    state.init = (Init){INIT_CONSTANT, start, 0};
  param->exponent = state.name;
  param->scale = scale_static(0);
  vec_push(&program->param, state);
}

bool measure_params(PassContext *context, const Recipe **recipe) {
  Program *program = context->program;
  size_t count = program->param.length;
  for (size_t i = 0; i < count; i++) {
    const Parameter *param = &program->param.data[i];
    if (param->scale.kind != SCALE_NORMAL)
      continue;
    Settings settings = recipe_param_settings(program, recipe[i], param);
    if (is_measured(param, &settings))
      add_state(program, i, param_measure(&settings));
  }
  return true;
}

/* ---- reading ------------------------------------------------------------- */

/* Whatever a state starts with, what is stored later is measured. */
void scaler_read_state(Scaler *scaler, Node *node) {
  const Program *program = scaler->context->program;
  const Parameter *param = &program->param.data[node->attr.index];
  double level = measure_level(measure_of(scaler, param));
  bool zeros = isinf(init_log2_rms(param->init));
  int index = program_param(program, param->exponent);
  Phase phase = graph_phase(scaler->copy.new);
  Node reader = *node;
  reader.phase = phase;
  Node read = scaler_exponent(scaler, &reader, OP_STATE_EXPONENT);
  read.name = param->name;
  read.input[0] = add_state_leaf(scaler, index, &reader);
  ValueId id = graph_add(scaler->copy.new, &read);
  scaler_predict(scaler, id,
                 zeros ? -(int32_t)level
                       : param_start_exponent(program, param));
  node_set_scale(node, scale_make(SCALE_NORMAL, id, 0), level, false);
}

/* ---- new values ---------------------------------------------------------- */

uint32_t *measured_stores(const PassContext *context, const Graph *graph) {
  uint32_t *number = NEW_ARRAY(context->arena, uint32_t, graph->count);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *store = graph_node(graph, id);
    if (store->op == OP_STORE && type_is_real(store->type) &&
        !node_is_leaf(graph_node(graph, store->input[0])) &&
        context->program->param.data[store->attr.index].exponent)
      number[store->input[0]] = (uint32_t)store->attr.index + 1;
  }
  return number;
}

ValueId scaler_add_measured(Scaler *scaler, ValueId value, const char *name,
                            Phase phase, Measure measure, Why why) {
  const Node *from = graph_node(scaler->copy.new, value);
  const Type *type = type_with_format(scaler->context->program->types,
                                      from->type, FORMAT_REAL);
  Node node = node_make(OP_REBALANCE, phase, type, value, 0, 0);
  node.name = name;
  node.span = from->span;
  node.attr.why = why; /* scaler_measure's, not the rebalance's */
  bool nonnegative = from->estimate.nonnegative;
  ValueId symbol = scaler_measure(scaler, &node, measure);
  node.attr.why = WHY_TEXT;
  node_set_scale(&node, scale_make(SCALE_NORMAL, symbol, 0),
                 measure_level(measure), nonnegative);
  return graph_add(scaler->copy.new, &node);
}

bool value_is_measured_so(const Scaler *scaler, ValueId value,
                          Measure measure) {
  const Node *node = graph_node(scaler->copy.new, value);
  if (node->op != OP_REBALANCE || node->scale.kind != SCALE_NORMAL ||
      node->scale.exponent != 0)
    return false;
  for (size_t i = scaler->measured.length; i-- > 0;) {
    const Measurement *made = &scaler->measured.data[i];
    if (made->symbol == node->scale.symbol)
      return made->value == node->input[0] &&
             measure_equal(made->measure, measure_effective(scaler, measure));
  }
  return false;
}

/* The exponent that took the name of the value at `scale`: the value's own, or
 * the first of a chain of max_exponent. NULL: there is none. */
static Node *titled_exponent(const Scaler *scaler, Scale scale,
                             const char *name) {
  ValueId symbol = scale.symbol;
  while (symbol != 0) {
    Node *node = graph_node(scaler->copy.new, symbol);
    if (node->name == name)
      return node;
    symbol = node->op == OP_MAX_EXPONENT ? node->attr.term[0].symbol : 0;
  }
  return NULL;
}

void scaler_measure_stored(Scaler *scaler, ValueId old, uint32_t number) {
  const Parameter *param = &scaler->context->program->param.data[number - 1];
  Measure measure = measure_of(scaler, param);
  ValueId value = scaler->copy.map[old];
  if (value_is_measured_so(scaler, value, measure))
    return;
  Node *node = graph_node(scaler->copy.new, value), shown = *node;
  node->probe = false;
  node->name = name_helper(scaler->names, shown.name);
  Node *titled = titled_exponent(scaler, shown.scale, shown.name);
  if (titled) {
    titled->name = titled == graph_node(scaler->copy.new, shown.scale.symbol)
                       ? node->name
                       : name_helper(scaler->names, shown.name);
    scaler->titled = NULL; /* the measured one takes the name */
  }
  ValueId id = scaler_add_measured(scaler, value, shown.name, shown.phase,
                                   measure, WHY_STORE);
  Node *measured = graph_node(scaler->copy.new, id);
  measured->probe = shown.probe;
  if (shown.pinned && shown.op != OP_CAST) {
    measured->type = shown.type;
    measured->pinned = true;
    node->type = type_with_format(scaler->context->program->types, shown.type,
                                  FORMAT_REAL);
    node->pinned = false;
  }
  scaler->copy.map[old] = id;
}

void scaler_store_measured(Scaler *scaler, Node *store) {
  const Program *program = scaler->context->program;
  const Parameter *param = &program->param.data[store->attr.index];
  Measure measure = measure_of(scaler, param);
  const char *state = param->exponent, *own = param->name;
  ValueId value = store->input[0];
  if (!value_is_measured_so(scaler, value, measure)) {
    Node made = *graph_node(scaler->copy.new, value);
    made.name = made.name ? made.name : own;
    const char *name = scaler_helper_name(scaler, &made, &made);
    value = scaler_add_measured(scaler, value, name, store->phase, measure,
                                WHY_STORE);
    store->input[0] = value;
  }
  const Node *from = graph_node(scaler->copy.new, value);
  node_set_scale(store, from->scale, from->estimate.log2_rms,
                 from->estimate.nonnegative);
  add_state_store(scaler, program_param(program, state), store,
                  from->scale.symbol);
}
