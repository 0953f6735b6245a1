/* Programs run for the oracles; see example_support.h. */
#include "tests/unit/example_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/rng.h"

static void on_message(void *user, sg_severity severity, const char *text) {
  (void)user;
  if (severity == SG_ERROR)
    fputs(text, stderr);
}

/* ---- life ---------------------------------------------------------------- */

static void set(sg_context *sg, const char *name, const char *value) {
  if (value)
    assert_int_equal(sg_set(sg, name, value), SG_OK);
}

static void load(Trial *t, const TrialSource *source) {
  t->sg = sg_open(on_message, NULL);
  assert_non_null(t->sg);
  set(t->sg, "recipe", source->recipe);
  set(t->sg, "recipe-set", source->rule);
  for (int i = 0; source->define[i]; i++)
    set(t->sg, "define", source->define[i]);
  sg_status status = source->file ? sg_load(t->sg, source->file)
                                  : sg_load_text(t->sg, "t.sg", source->text,
                                                 strlen(source->text));
  assert_int_equal(status, SG_OK);
}

static Graph *entry_named(const Program *program, const char *name) {
  for (size_t i = 0; i < program->graph.length; i++)
    if (!name || strcmp(program->graph.data[i]->name, name) == 0)
      return program->graph.data[i];
  fail_msg("no entry %s", name ? name : "at all");
  return NULL;
}

static void make_inputs(Trial *t) {
  const Graph *graph = t->graph;
  size_t count = graph->input.length;
  t->rounds = graph->run.accumulate > 0 ? (size_t)graph->run.accumulate : 1;
  t->input = NEW_ARRAY(t->sg->arena, Tensor, t->rounds * count + 1);
  for (size_t k = 0; k < t->rounds * count; k++) {
    const Type *type =
        graph_node(graph, graph->input.data[k % count].value)->type;
    t->input[k].type = type;
    t->input[k].data =
        NEW_ARRAY(t->sg->arena, double, (size_t)type->elements + 1);
  }
}

Trial *trial_new(const TrialSource *source, PassId last) {
  Trial *t = calloc(1, sizeof *t);
  assert_non_null(t);
  load(t, source);
  assert_int_equal(context_program(t->sg), SG_OK);
  if (last != PASS_COUNT)
    assert_int_equal(context_run(t->sg, last), SG_OK);
  t->program = t->sg->program;
  t->graph = entry_named(t->program, source->entry);
  make_inputs(t);
  return t;
}

void trial_free(Trial *t) {
  evaluator_free(t->evaluator);
  sg_close(t->sg);
  free(t);
}

/* ---- steps --------------------------------------------------------------- */

static void fill(const Trial *t, const Input *input, Tensor *tensor,
                 uint64_t draw) {
  RngKey key = rng_key(3, draw, rng_hash_name(input->name));
  int64_t limit = graph_label_limit(t->graph, input->value);
  uint32_t range = limit                                 ? (uint32_t)limit
                   : tensor->type->format == FORMAT_BOOL ? 2
                                                         : 256;
  for (int64_t i = 0; i < tensor->type->elements; i++)
    tensor->data[i] = type_is_real(tensor->type)
                          ? (double)rng_normal(key, (uint64_t)i)
                          : (double)(rng_u32(key, (uint64_t)i) % range);
}

void trial_fill(Trial *t, uint64_t step) {
  size_t count = t->graph->input.length;
  for (size_t k = 0; k < t->rounds * count; k++)
    if (t->graph->input.data[k % count].source != SOURCE_STEP)
      fill(t, &t->graph->input.data[k % count], &t->input[k],
           (step - 1) * t->rounds + k / count + 1);
}

bool trial_step(Trial *t, uint64_t step) {
  const char *error = NULL;
  bool ok = evaluator_step(t->evaluator, t->graph, step, t->input, &error);
  if (!ok)
    fprintf(stderr, "%s\n", error);
  t->certified = evaluator_certified(t->evaluator);
  return ok;
}

void trial_run(Trial *t, Precision precision, int steps) {
  evaluator_free(t->evaluator);
  t->evaluator = evaluator_new(t->program, precision, 7);
  for (int step = 1; step <= steps; step++) {
    trial_fill(t, (uint64_t)step);
    assert_true(trial_step(t, (uint64_t)step));
  }
}

/* ---- values -------------------------------------------------------------- */

/* A measured exponent and the value rescaled by it share a name. */
static const Tensor *named_value(const Trial *t, const char *name) {
  for (ValueId id = 1; id < t->graph->count; id++) {
    const Node *node = graph_node(t->graph, id);
    if (node->name && !node_defines_exponent(node) &&
        strcmp(node->name, name) == 0)
      return evaluator_value(t->evaluator, t->graph, id);
  }
  return NULL;
}

const Tensor *trial_value(const Trial *t, const char *name) {
  const Tensor *value = named_value(t, name);
  const Graph *graph = t->graph;
  for (size_t i = 0; !value && i < graph->result.length; i++)
    if (strcmp(graph->result.data[i].name, name) == 0)
      value = evaluator_value(t->evaluator, graph, graph->result.data[i].value);
  int param = program_param(t->program, name);
  return value || param < 0 ? value : evaluator_param(t->evaluator, param);
}

static bool same_bits(double a, double b) {
  return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

bool tensors_equal(const Tensor *a, const Tensor *b) {
  if (!type_same_shape(a->type, b->type))
    return false;
  for (int64_t i = 0; i < a->type->elements; i++)
    if (!same_bits(ldexp(a->data[i], a->exponent),
                   ldexp(b->data[i], b->exponent)))
      return false;
  return true;
}

static void expect_equal(const char *name, const Tensor *a, const Tensor *b) {
  assert_true(type_same_shape(a->type, b->type));
  for (int64_t i = 0; i < a->type->elements; i++) {
    double x = ldexp(a->data[i], a->exponent);
    double y = ldexp(b->data[i], b->exponent);
    if (!same_bits(x, y))
      fail_msg("%s, element %lld: %a and %a", name, (long long)i, x, y);
  }
}

/* How many there are; those that keep measured exponents are scalify's. */
static size_t expect_equal_params(const Trial *a, const Trial *b) {
  size_t count = 0;
  for (size_t i = 0; i < a->program->param.length; i++) {
    const Parameter *param = &a->program->param.data[i];
    int other = program_param(b->program, param->name);
    if (param->measured)
      continue;
    assert_true(other >= 0);
    expect_equal(param->name, evaluator_param(a->evaluator, (int)i),
                 evaluator_param(b->evaluator, other));
    count++;
  }
  return count;
}

size_t trials_expect_equal(const Trial *a, const Trial *b) {
  size_t common = 0;
  for (ValueId id = 1; id < a->graph->count; id++) {
    const Node *node = graph_node(a->graph, id);
    const Tensor *x = evaluator_value(a->evaluator, a->graph, id);
    if (!node->name || node->op == OP_PARAM || node_defines_exponent(node) ||
        !x)
      continue;
    const Tensor *y = named_value(b, node->name);
    if (!y)
      continue;
    expect_equal(node->name, x, y);
    common++;
  }
  assert_int_equal(expect_equal_params(a, b), expect_equal_params(b, a));
  return common;
}
