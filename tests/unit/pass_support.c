/* Programs sketched for the tests of the passes; see pass_support.h. */
#include "tests/unit/pass_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static void keep_message(void *user, Severity severity, const char *rendered) {
  Sketch *s = user;
  s->errors += severity == SEVERITY_ERROR;
  s->warnings += severity == SEVERITY_WARNING;
  buffer_text(&s->messages, rendered);
}

Sketch *sketch_new(EntryKind kind) {
  Arena *arena = arena_new();
  Sketch *s = NEW(arena, Sketch);
  s->arena = arena;
  sources_init(&s->sources, arena);
  s->diagnostics = diagnostics_new(arena, &s->sources, keep_message, s);
  s->program = program_new(arena, interner_new(arena), &s->sources, "sketch");
  const char *main = intern(s->program->interner, "main");
  vec_push(&s->program->graph, graph_new(arena, kind, main));
  s->names = name_table_new(arena, s->program->interner, NULL);
  s->seed = 1;
  sketch_recipe(s, "f32");
  Settings f32 = settings_unset();
  f32.forward = f32.gradient = FORMAT_F32;
  f32.scaling = SCALING_NONE;
  sketch_rule(s, "default", f32);
  return s;
}

void sketch_free(Sketch *s) {
  evaluator_free(s->evaluator);
  program_free(s->program);
  sources_free(&s->sources);
  buffer_free(&s->messages);
  arena_free(s->arena);
}

Graph *sketch_graph(const Sketch *s) {
  return s->program->graph.data[0];
}

/* ---- random numbers: splitmix64 (Steele, Lea, Flood 2014) ---------------- */

uint64_t sketch_random(Sketch *s) {
  uint64_t z = s->seed += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

double sketch_uniform(Sketch *s, double low, double high) {
  double unit = (double)(sketch_random(s) >> 40) * 0x1p-24;
  return (float)(low + (high - low) * unit);
}

/* ---- leaves -------------------------------------------------------------- */

const Type *sketch_type(Sketch *s, Format format, Extent extent) {
  const Type *type =
      type_make(s->program->types, format, extent.rank, extent.dim);
  assert_non_null(type);
  return type;
}

static const char *claimed(Sketch *s, const char *name) {
  if (!name)
    return name_helper(s->names, "t");
  assert_true(name_claim(s->names, name));
  return intern(s->program->interner, name);
}

static ValueId add_parameter(Sketch *s, const char *name, Extent extent,
                             bool state) {
  Parameter param = {.name = intern(s->program->interner, name)};
  param.type = sketch_type(s, FORMAT_REAL, extent);
  param.state = state;
  param.init =
      state ? (Init){INIT_ZEROS, 0, 0} : (Init){INIT_UNIFORM, 0.5, 1.5};
  vec_push(&s->program->param, param);
  Node node = node_make(OP_PARAM, PHASE_FORWARD, param.type, 0, 0, 0);
  node.attr.index = (int32_t)s->program->param.length - 1;
  node.name = claimed(s, name);
  return graph_add(sketch_graph(s), &node);
}

ValueId sketch_param(Sketch *s, const char *name, Extent extent) {
  return add_parameter(s, name, extent, false);
}

ValueId sketch_state(Sketch *s, const char *name, Extent extent) {
  return add_parameter(s, name, extent, true);
}

ValueId sketch_labels(Sketch *s, const char *name, Format format, Extent extent,
                      int64_t limit) {
  Graph *graph = sketch_graph(s);
  const Type *type = sketch_type(s, format, extent);
  Node node = node_make(OP_INPUT, PHASE_FORWARD, type, 0, 0, 0);
  node.attr.index = (int32_t)graph->input.length;
  node.name = claimed(s, name);
  Tensor *tensor = &s->input[graph->input.length];
  tensor->type = type;
  tensor->data = NEW_ARRAY(s->arena, double, (size_t)type->elements);
  for (int64_t i = 0; i < type->elements; i++)
    tensor->data[i] = limit ? (double)(sketch_random(s) % (uint64_t)limit)
                            : sketch_uniform(s, 0.5, 1.5);
  ValueId id = graph_add(graph, &node);
  Input input = {.name = node.name, .source = SOURCE_ARGUMENT, .value = id};
  vec_push(&graph->input, input);
  return id;
}

ValueId sketch_input(Sketch *s, const char *name, Extent extent) {
  return sketch_labels(s, name, FORMAT_REAL, extent, 0);
}

ValueId sketch_number(Sketch *s, double value) {
  const Type *type = type_scalar(s->program->types, FORMAT_REAL);
  Node node = node_make(OP_CONST, s->phase, type, 0, 0, 0);
  node.attr.value = value;
  return graph_add(sketch_graph(s), &node);
}

/* ---- ops ----------------------------------------------------------------- */

ValueId sketch_add(Sketch *s, const char *name, Node *node) {
  const char *error = "";
  node->type =
      shape_infer(s->program->types, sketch_graph(s), node, s->arena, &error);
  if (!node->type)
    fail_msg("%s", error);
  node->name = claimed(s, name);
  return graph_add(sketch_graph(s), node);
}

ValueId sketch_op(Sketch *s, const char *name, Op op, ValueId a, ValueId b,
                  ValueId c) {
  Node node = node_make(op, s->phase, NULL, a, b, c);
  return sketch_add(s, name, &node);
}

ValueId sketch_pattern(Sketch *s, const char *name, Op op, ValueId a, ValueId b,
                       const char *pattern) {
  Node node = node_make(op, s->phase, NULL, a, b, 0);
  node.attr.pattern = intern(s->program->interner, pattern);
  return sketch_add(s, name, &node);
}

ValueId sketch_shaped(Sketch *s, const char *name, Op op, ValueId a,
                      Format format, Extent extent, const char *pattern) {
  Node node = node_make(op, s->phase, sketch_type(s, format, extent), a, 0, 0);
  if (pattern)
    node.attr.pattern = intern(s->program->interner, pattern);
  return sketch_add(s, name, &node);
}

void sketch_store(Sketch *s, const char *param, ValueId value) {
  int index = program_param(s->program, param);
  assert_true(index >= 0);
  Node node = node_make(OP_STORE, s->phase, s->program->param.data[index].type,
                        value, 0, 0);
  node.attr.index = index;
  graph_add(sketch_graph(s), &node);
}

void sketch_return(Sketch *s, const char *name, ValueId value) {
  Result result = {intern(s->program->interner, name), value};
  vec_push(&sketch_graph(s)->result, result);
}

static ValueId add_placeholder(Sketch *s, const Node *param) {
  const char *name = intern_printf(s->program->interner, "d.%s", param->name);
  Node node = node_make(OP_INPUT, PHASE_FORWARD, param->type, 0, 0, 0);
  node.name = claimed(s, name);
  return graph_add(sketch_graph(s), &node);
}

void sketch_minimize(Sketch *s, ValueId loss) {
  Graph *graph = sketch_graph(s);
  Minimize *minimize = NEW(s->arena, Minimize);
  size_t most = s->program->param.length;
  minimize->loss = loss;
  minimize->parameter = NEW_ARRAY(s->arena, ValueId, most);
  minimize->placeholder = NEW_ARRAY(s->arena, ValueId, most);
  ValueId last = graph->count;
  for (ValueId id = 1; id < last; id++) {
    Node node = *graph_node(graph, id);
    if (node.op != OP_PARAM || s->program->param.data[node.attr.index].state)
      continue;
    ValueId placeholder = add_placeholder(s, &node);
    minimize->parameter[minimize->count] = id;
    minimize->placeholder[minimize->count++] = placeholder;
    sketch_return(s, graph_node(graph, placeholder)->name, placeholder);
  }
  graph->minimize = minimize;
  s->phase = PHASE_UPDATE;
}

/* ---- recipes ------------------------------------------------------------- */

void sketch_recipe(Sketch *s, const char *name) {
  Recipe recipe = {.name = intern(s->program->interner, name)};
  vec_push(&s->program->recipe, recipe);
  sketch_graph(s)->recipe = recipe.name;
}

static Selector read_selector(Sketch *s, const char *text, size_t length) {
  Interner *interner = s->program->interner;
  Selector selector = {.path = intern_n(interner, text, length)};
  if (length > 6 && strncmp(text, "grad(", 5) == 0) {
    selector.kind = SELECT_GRADIENT;
    selector.path = intern_n(interner, text + 5, length - 6);
  } else if (!selector_named(selector.path, &selector.kind)) {
    selector.kind = SELECT_PATH;
  }
  return selector;
}

void sketch_rule(Sketch *s, const char *selectors, Settings settings) {
  Recipe *recipe = &s->program->recipe.data[s->program->recipe.length - 1];
  size_t end = strlen(selectors);
  uint32_t source =
      sources_add(&s->sources, "sketch.sg", selectors, end, false);
  Rule rule = {.settings = settings, .own = true};
  rule.span = (Span){source, 0, (uint32_t)end};
  for (size_t at = 0; at < end; at += strspn(selectors + at, ", ")) {
    size_t length = strcspn(selectors + at, ",");
    Selector selector = read_selector(s, selectors + at, length);
    selector.span = (Span){source, (uint32_t)at, (uint32_t)(at + length)};
    vec_push(&rule.selector, selector);
    at += length;
  }
  vec_push(&recipe->rule, rule);
}

/* ---- passes and evaluation ----------------------------------------------- */

bool sketch_try(Sketch *s, PassId pass) {
  PassContext context = {s->program, s->arena, s->diagnostics};
  return passes_run(&context, &pass, 1, true, NULL);
}

void sketch_pass(Sketch *s, PassId pass) {
  if (!sketch_try(s, pass))
    fail_msg("%s", s->messages.data ? s->messages.data : "no message");
  assert_int_equal(s->errors, 0);
}

const char *sketch_text(Sketch *s) {
  Buffer text = {0};
  PrintOptions options = {0};
  graph_print(&text, s->program, sketch_graph(s), &options);
  const char *kept = arena_string(s->arena, text.data, text.length);
  buffer_free(&text);
  return kept;
}

ValueId sketch_find(const Sketch *s, const char *name) {
  const Graph *graph = sketch_graph(s);
  for (ValueId id = 1; id < graph->count; id++) {
    const char *own = graph_node(graph, id)->name;
    if (own && strcmp(own, name) == 0)
      return id;
  }
  return 0;
}

void sketch_run(Sketch *s, Precision precision) {
  const char *error = "";
  evaluator_free(s->evaluator);
  s->evaluator = evaluator_new(s->program, precision, 7);
  if (!evaluator_step(s->evaluator, sketch_graph(s), 1, s->input, &error))
    fail_msg("%s", error);
}

const double *sketch_data(Sketch *s, ValueId id) {
  const Tensor *tensor = evaluator_value(s->evaluator, sketch_graph(s), id);
  assert_non_null(tensor);
  return tensor->data;
}

const double *sketch_result(Sketch *s, const char *name) {
  const Graph *graph = sketch_graph(s);
  for (size_t i = 0; i < graph->result.length; i++)
    if (strcmp(graph->result.data[i].name, name) == 0)
      return sketch_data(s, graph->result.data[i].value);
  fail_msg("no result %s", name);
  return NULL;
}

/* ---- what a step leaves -------------------------------------------------- */

static void keep_tensor(Outcome *outcome, const Tensor *tensor) {
  size_t n = (size_t)tensor->type->elements;
  assert_true(outcome->count + n <= SKETCH_NUMBERS);
  memcpy(outcome->number + outcome->count, tensor->data, n * sizeof(double));
  outcome->count += n;
}

Outcome *sketch_outcome(Sketch *s, Precision precision) {
  Outcome *outcome = NEW(s->arena, Outcome);
  const Graph *graph = sketch_graph(s);
  sketch_run(s, precision);
  for (size_t i = 0; i < graph->result.length; i++)
    keep_tensor(outcome, evaluator_value(s->evaluator, graph,
                                         graph->result.data[i].value));
  for (size_t i = 0; i < s->program->param.length; i++)
    if (!s->program->param.data[i].measured)
      keep_tensor(outcome, evaluator_param(s->evaluator, (int)i));
  return outcome;
}

void sketch_expect_equal(Sketch *s, const Outcome *before,
                         const Outcome *after) {
  assert_int_equal(before->count, after->count);
  for (size_t i = 0; i < before->count; i++) {
    bool both_nan = isnan(before->number[i]) && isnan(after->number[i]);
    if (!both_nan &&
        memcmp(&before->number[i], &after->number[i], sizeof(double)) != 0)
      fail_msg("number %zu was %a, is %a\n%s", i, before->number[i],
               after->number[i], sketch_text(s));
  }
}

void sketch_pass_exactly(Sketch *s, PassId pass) {
  Outcome *wide = sketch_outcome(s, PRECISION_F64);
  Outcome *narrow = sketch_outcome(s, PRECISION_F32);
  sketch_pass(s, pass);
  sketch_expect_equal(s, wide, sketch_outcome(s, PRECISION_F64));
  sketch_expect_equal(s, narrow, sketch_outcome(s, PRECISION_F32));
}

/* ---- the perceptron of the listings -------------------------------------- */

enum { BATCH = 4, SIDE = 3, PIXELS = 12, HIDDEN = 5, CLASSES = 3 };

/* y = x @ w.T, as `@` and `.T` elaborate, and y'2 or `sum_name` = y + b. */
static ValueId linear(Sketch *s, const char *layer, ValueId x, ValueId w,
                      ValueId b, const char *sum_name) {
  Interner *interner = s->program->interner;
  const char *y = intern_printf(interner, "%s.y", layer);
  const char *helper = name_helper(s->names, y);
  Node transpose = node_make(OP_TRANSPOSE, s->phase, NULL, w, 0, 0);
  transpose.attr.pattern = intern(interner, "a b -> b a");
  const char *error = "";
  transpose.type = shape_infer(s->program->types, sketch_graph(s), &transpose,
                               s->arena, &error);
  transpose.name = helper;
  ValueId t = graph_add(sketch_graph(s), &transpose);
  ValueId product = sketch_pattern(s, y, OP_EINSUM, x, t, "b i, i o -> b o");
  return sketch_op(s, sum_name, OP_ADD, product, b, 0);
}

/* w = w - 0.1 g */
static void update(Sketch *s, const char *param, ValueId placeholder) {
  Interner *interner = s->program->interner;
  ValueId step = sketch_op(s, intern_printf(interner, "%s~1", param), OP_MUL,
                           placeholder, sketch_number(s, 0.1), 0);
  ValueId value = sketch_op(s, intern_printf(interner, "%s'2", param), OP_SUB,
                            sketch_find(s, param), step, 0);
  sketch_store(s, param, value);
}

void sketch_perceptron(Sketch *s) {
  static const char *const param[4] = {"net.l1.w", "net.l1.b", "net.l2.w",
                                       "net.l2.b"};
  ValueId w1 = sketch_param(s, param[0], EXTENT(HIDDEN, PIXELS));
  ValueId b1 = sketch_param(s, param[1], EXTENT(HIDDEN));
  ValueId w2 = sketch_param(s, param[2], EXTENT(CLASSES, HIDDEN));
  ValueId b2 = sketch_param(s, param[3], EXTENT(CLASSES));
  ValueId image = sketch_labels(s, "batch.image", FORMAT_U8,
                                EXTENT(BATCH, SIDE, PIXELS / SIDE), 256);
  ValueId label =
      sketch_labels(s, "batch.label", FORMAT_U8, EXTENT(BATCH), CLASSES);
  ValueId real = sketch_shaped(s, "net.x~1", OP_CONVERT, image, FORMAT_REAL,
                               EXTENT(BATCH, SIDE, PIXELS / SIDE), NULL);
  ValueId unit =
      sketch_op(s, "net.x~2", OP_DIV, real, sketch_number(s, 255.0), 0);
  ValueId x = sketch_shaped(s, "net.x", OP_RESHAPE, unit, FORMAT_REAL,
                            EXTENT(BATCH, PIXELS), NULL);
  ValueId y = linear(s, "net.l1", x, w1, b1, "net.l1.y'2");
  ValueId h = sketch_op(s, "net.h", OP_RELU, y, 0, 0);
  ValueId logits = linear(s, "net.l2", h, w2, b2, "logits");
  ValueId each = sketch_op(s, "loss~1", OP_SOFTMAX_XENT, logits, label, 0);
  ValueId loss = sketch_pattern(s, "loss", OP_MEAN, each, 0, "b ->");
  sketch_return(s, "loss", loss);
  sketch_minimize(s, loss);
  for (int i = 0; i < 4; i++)
    update(s, param[i], sketch_graph(s)->minimize->placeholder[i]);
}
