/* scalify moves no value: plain and scaled agree to the bit, and entries of
 * different recipes share their parameters.
 */
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

static void plain_and_scaled_agree_to_the_bit(void **state) {
  (void)state;
  static const Precision precisions[] = {PRECISION_F64, PRECISION_F32};
  for (int i = 0; i < 2; i++) {
    Sketch *s = sketch_new(ENTRY_TRAIN);
    recipe_fp8(s);
    sketch_train_step(s);
    Record plain = sketch_record(s, precisions[i], 3);
    sketch_pass(s, PASS_scalify);
    Record scaled = sketch_record(s, precisions[i], 3);
    assert_true(record_expect_equal(&plain, &scaled) > 30);
    sketch_free(s);
  }
}

static void random_programs_agree_to_the_bit(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 60; seed++) {
    Sketch *s = sketch_new(ENTRY_PLAIN);
    sketch_random_program(s, seed, true);
    Record plain = sketch_record(s, PRECISION_F64, 3);
    recipe_scaled(s);
    sketch_pass(s, PASS_scalify);
    Record scaled = sketch_record(s, PRECISION_F64, 3);
    assert_true(record_expect_equal(&plain, &scaled) > 40);
    sketch_free(s);
  }
}

static void unscaled_recipes_change_nothing(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  sketch_train_step(s);
  const char *plain = sketch_text(s);
  sketch_pass(s, PASS_scalify);
  assert_string_equal(plain, sketch_text(s));
  sketch_free(s);
}

/* A second entry over the same parameters, with a recipe of its own. */
static void add_entry(Sketch *s, const char *recipe, EntryKind kind) {
  Interner *words = s->program->interner;
  Graph *graph = graph_new(s->arena, kind, intern(words, "second"));
  graph->recipe = intern(words, recipe);
  Node param = node_make(OP_PARAM, PHASE_FORWARD,
                         s->program->param.data[0].type, 0, 0, 0);
  param.attr.index = 0;
  param.name = s->program->param.data[0].name;
  ValueId w = graph_add(graph, &param);
  Node relu = node_make(OP_RELU, PHASE_FORWARD, param.type, w, 0, 0);
  relu.name = intern(words, "r");
  ValueId r = graph_add(graph, &relu);
  Node store = node_make(OP_STORE, PHASE_UPDATE, param.type, r, 0, 0);
  store.attr.index = 0;
  graph_add(graph, &store);
  vec_push(&graph->result, (Result){relu.name, r});
  vec_push(&s->program->graph, graph);
}

/* The train's recipe settles the storage; an entry with or without scales of
 * its own re-expresses what it reads and writes. */
static void entries_of_another_recipe_bridge_the_parameters(void **state) {
  (void)state;
  for (int scaled = 0; scaled < 2; scaled++) {
    Sketch *s = sketch_new(ENTRY_TRAIN);
    if (scaled)
      recipe_scaled(s);
    ValueId w = sketch_normal(s, "w", EXTENT(9), 3.5);
    sketch_return(s, "n", sketch_op(s, "n", OP_NEG, w, 0, 0));
    const char *first = sketch_graph(s)->recipe;
    recipe_scaled(s);
    sketch_graph(s)->recipe = first;
    add_entry(s, scaled ? "f32" : "scaled", ENTRY_PLAIN);
    sketch_pass(s, PASS_scalify);
    const Parameter *param = &s->program->param.data[0];
    assert_int_equal(param->scale.kind, scaled ? SCALE_NORMAL : SCALE_NONE);
    Graph *second = s->program->graph.data[1];
    Evaluator *evaluator = evaluator_new(s->program, PRECISION_F32, 3);
    double before =
        ldexp(evaluator_param(evaluator, 0)->data[4], param->scale.exponent);
    const char *error = "";
    assert_true(evaluator_step(evaluator, second, 1, NULL, &error));
    const Tensor *r =
        evaluator_value(evaluator, second, second->result.data[0].value);
    double expected = before > 0 ? before : 0;
    assert_true(ldexp(r->data[4], r->exponent) == expected);
    assert_int_equal(r->exponent, scaled ? 0 : 3);
    assert_true(ldexp(evaluator_param(evaluator, 0)->data[4],
                      param->scale.exponent) == expected);
    evaluator_free(evaluator);
    sketch_free(s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_and_scaled_agree_to_the_bit),
      cmocka_unit_test(random_programs_agree_to_the_bit),
      cmocka_unit_test(unscaled_recipes_change_nothing),
      cmocka_unit_test(entries_of_another_recipe_bridge_the_parameters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
