/* Programs built by hand; see eval_support.h. */
#include "tests/unit/eval_support.h"

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

Lab *lab_new(Level level) {
  Arena *arena = arena_new();
  Lab *lab = NEW(arena, Lab);
  lab->arena = arena;
  sources_init(&lab->sources, arena);
  lab->program = program_new(arena, interner_new(arena), &lab->sources, "lab");
  lab->program->level = level;
  lab->graph = graph_new(arena, ENTRY_PLAIN, "main");
  vec_push(&lab->program->graph, lab->graph);
  return lab;
}

void lab_free(Lab *lab) {
  evaluator_free(lab->evaluator);
  program_free(lab->program);
  sources_free(&lab->sources);
  arena_free(lab->arena);
}

const Type *lab_type(Lab *lab, Format format, Shape shape) {
  return type_make(lab->program->types, format, shape.rank, shape.dim);
}

static const char *lab_name(Lab *lab) {
  return intern_printf(lab->program->interner, "v%u", lab->graph->count);
}

static ValueId lab_leaf(Lab *lab, Op op, const Type *type, int32_t index) {
  Node node = node_make(op, PHASE_FORWARD, type, 0, 0, 0);
  node.attr.index = index;
  node.name = op == OP_CONST ? NULL : lab_name(lab);
  return graph_add(lab->graph, &node);
}

ValueId lab_input(Lab *lab, Format format, Shape shape, const double *data) {
  const Type *type = lab_type(lab, format, shape);
  size_t index = lab->graph->input.length;
  ValueId id = lab_leaf(lab, OP_INPUT, type, (int32_t)index);
  Input input = {.name = lab_node(lab, id)->name, .value = id};
  vec_push(&lab->graph->input, input);
  Tensor *tensor = &lab->input[index];
  tensor->type = type;
  tensor->data = NEW_ARRAY(lab->arena, double, (size_t)type->elements + 1);
  memcpy(tensor->data, data, (size_t)type->elements * sizeof *data);
  return id;
}

ValueId lab_step(Lab *lab) {
  ValueId id = lab_input(lab, FORMAT_I32, SCALAR, (double[]){-1});
  size_t index = lab->graph->input.length - 1;
  lab->graph->input.data[index].source = SOURCE_STEP;
  lab->input[index] = (Tensor){0};
  return id;
}

ValueId lab_const(Lab *lab, double value) {
  ValueId id = lab_leaf(lab, OP_CONST, lab_type(lab, FORMAT_REAL, SCALAR), -1);
  lab_node(lab, id)->attr.value = value;
  return id;
}

int lab_new_param(Lab *lab, const char *name, Format format, Shape shape,
                  Init init, Scale scale) {
  Parameter param = {.name = intern(lab->program->interner, name),
                     .type = lab_type(lab, format, shape),
                     .init = init,
                     .scale = scale};
  vec_push(&lab->program->param, param);
  return (int)lab->program->param.length - 1;
}

ValueId lab_param(Lab *lab, int index) {
  const Parameter *param = &lab->program->param.data[index];
  ValueId id = lab_leaf(lab, OP_PARAM, param->type, index);
  lab_node(lab, id)->scale = param->scale;
  return id;
}

ValueId lab_op(Lab *lab, Op op, Format format, Shape shape, ValueId a,
               ValueId b, ValueId c) {
  Node node =
      node_make(op, PHASE_FORWARD, lab_type(lab, format, shape), a, b, c);
  node.name = lab_name(lab);
  return graph_add(lab->graph, &node);
}

ValueId lab_pattern(Lab *lab, Op op, Shape shape, ValueId a, ValueId b,
                    const char *pattern) {
  ValueId id = lab_op(lab, op, FORMAT_REAL, shape, a, b, 0);
  lab_node(lab, id)->attr.pattern = intern(lab->program->interner, pattern);
  return id;
}

ValueId lab_store(Lab *lab, int index, ValueId value) {
  const Parameter *param = &lab->program->param.data[index];
  Node node = node_make(OP_STORE, PHASE_UPDATE, param->type, value, 0, 0);
  node.attr.index = index;
  node.scale = param->scale;
  return graph_add(lab->graph, &node);
}

Node *lab_node(Lab *lab, ValueId id) {
  return graph_node(lab->graph, id);
}

void lab_scale(Lab *lab, ValueId id, int32_t exponent) {
  lab_node(lab, id)->scale = scale_static(exponent);
}

void lab_run(Lab *lab, Precision precision, uint64_t step) {
  evaluator_free(lab->evaluator);
  lab->evaluator = evaluator_new(lab->program, precision, 1);
  if (!lab_again(lab, step))
    fail_msg("%s", lab->error);
}

bool lab_again(Lab *lab, uint64_t step) {
  lab->error = NULL;
  return evaluator_step(lab->evaluator, lab->graph, step, lab->input,
                        &lab->error);
}

const double *lab_data(Lab *lab, ValueId id) {
  const Tensor *tensor = evaluator_value(lab->evaluator, lab->graph, id);
  assert_non_null(tensor);
  return tensor->data;
}

double lab_number(Lab *lab, ValueId id) {
  return lab_data(lab, id)[0];
}

double lab_norm_exponent(Norm by, Format fit, int32_t exponent,
                         const double data[4], uint64_t unmeasured) {
  double result = 0, value[4];
  for (int i = 0; i < 4; i++)
    value[i] = ldexp(data[i], exponent);
  for (Precision p = PRECISION_F64; p <= PRECISION_EDGES; p++) {
    Lab *lab = lab_new(LEVEL_SCALED);
    ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(4), value);
    lab_scale(lab, x, exponent);
    ValueId e = lab_op(lab, OP_NORM_EXPONENT, FORMAT_I32, SCALAR, x, 0, 0);
    lab_node(lab, e)->attr.by = by;
    lab_node(lab, e)->attr.fit = fit;
    lab_run(lab, p, 1);
    assert_int_equal(evaluator_counts(lab->evaluator).unmeasured, unmeasured);
    assert_true(p == PRECISION_F64 || result == lab_number(lab, e));
    result = lab_number(lab, e);
    lab_free(lab);
  }
  return result;
}

bool same_number(double a, double b) {
  return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

void lab_expect(Lab *lab, ValueId id, const double *expected) {
  const double *data = lab_data(lab, id);
  int64_t n = lab_node(lab, id)->type->elements;
  for (int64_t i = 0; i < n; i++)
    if (!same_number(data[i], expected[i]))
      fail_msg("%s, element %lld: %a, expected %a", lab_node(lab, id)->name,
               (long long)i, data[i], expected[i]);
}

void fill_wide(double *out, size_t n, uint64_t seed) {
  RngKey key = rng_key(seed, 0, 0);
  for (size_t i = 0; i < n; i++) {
    int exponent = (int)(rng_u32(key, 2 * i) % 24) - 12;
    float x = rng_normal(key, 2 * i + 1);
    out[i] = ldexp((double)x, exponent);
  }
}
