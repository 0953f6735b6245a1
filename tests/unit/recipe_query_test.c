/* What recipes say about values, parameters and edges; and where `rescale` puts
 * its ops. All on the step of the listings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/recipe_support.h"

static Settings value_settings(Sketch *s, const char *name) {
  ValueId id = sketch_find(s, name);
  if (!id)
    fail_msg("no value %s\n%s", name, sketch_text(s));
  return recipe_value_settings(s->program, sketch_graph(s), id);
}

static Format stored(Sketch *s, const char *name) {
  return value_settings(s, name).forward;
}

static ProductKind product_kind(Sketch *s, ValueId id) {
  return contraction_kinds(s->arena, sketch_graph(s))[id];
}

static Settings edge_settings(Sketch *s, ValueId id, int operand) {
  return recipe_operand_settings(s->program, sketch_graph(s),
                                 product_kind(s, id), id, operand);
}

static Format read_as(Sketch *s, const char *product, int operand) {
  ValueId id = sketch_find(s, product);
  assert_int_not_equal(id, 0);
  return edge_settings(s, id, operand).forward;
}

static Format stored_param(Sketch *s, int index) {
  return recipe_param_settings(s->program,
                               graph_recipe(s->program, sketch_graph(s)),
                               &s->program->param.data[index])
      .forward;
}

/* ---- storage ------------------------------------------------------------- */

static void default_holds_for_all_but_single_numbers(void **state) {
  (void)state;
  Sketch *s = step_new();
  assert_int_equal(stored(s, "net.h"), FORMAT_BF16);
  assert_int_equal(stored(s, "d.net.h"), FORMAT_BF16);
  assert_int_equal(stored(s, "net.l1.w"), FORMAT_BF16);
  assert_int_equal(stored_param(s, 0), FORMAT_BF16);
  assert_int_equal(stored(s, "loss"), FORMAT_F32);
  assert_int_equal(stored(s, "batch.image"), FORMAT_U8);
  sketch_free(s);
}

static void classes_follow_the_op(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "elementwise", format(FORMAT_F16));
  sketch_rule(s, "loss", formats(FORMAT_F32, FORMAT_E5M2));
  assert_int_equal(stored(s, "net.h"), FORMAT_F16);
  assert_int_equal(stored(s, "net.l1.y"), FORMAT_BF16);
  assert_int_equal(stored(s, "loss~1"), FORMAT_F32);
  assert_int_equal(stored(s, "d.logits"), FORMAT_E5M2);
  sketch_rule(s, "reduce", format(FORMAT_F32));
  assert_int_equal(stored(s, "d.net.l2.b"), FORMAT_F32);
  sketch_free(s);
}

static void roles_follow_the_place(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "param", format(FORMAT_F16));
  sketch_rule(s, "activation", format(FORMAT_E4M3));
  sketch_rule(s, "input", format(FORMAT_E5M2));
  sketch_rule(s, "update", format(FORMAT_F32));
  assert_int_equal(stored(s, "net.l1.w"), FORMAT_F16);
  assert_int_equal(stored_param(s, 1), FORMAT_F16);
  assert_int_equal(stored(s, "net.h"), FORMAT_E4M3);
  assert_int_equal(stored(s, "net.x~1"), FORMAT_E5M2);
  assert_int_equal(stored(s, "net.l1.w'2"), FORMAT_F32);
  assert_int_equal(stored(s, "d.net.h"), FORMAT_BF16);
  sketch_free(s);
}

static void states_are_not_params(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  sketch_param(s, "w", EXTENT(3));
  sketch_state(s, "opt.m.w", EXTENT(3));
  sketch_recipe(s, "mine");
  sketch_rule(s, "param", format(FORMAT_F16));
  assert_int_equal(stored_param(s, 0), FORMAT_F16);
  assert_int_equal(stored_param(s, 1), FORMAT_F32);
  sketch_rule(s, "state", format(FORMAT_BF16));
  assert_int_equal(stored_param(s, 1), FORMAT_BF16);
  sketch_free(s);
}

static void the_last_match_wins_field_by_field(void **state) {
  (void)state;
  Sketch *s = step_new();
  Settings first = format(FORMAT_F16);
  first.round = ROUND_STOCHASTIC;
  sketch_rule(s, "net.h", first);
  sketch_rule(s, "net", format(FORMAT_E4M3));
  assert_int_equal(stored(s, "net.h"), FORMAT_E4M3);
  assert_int_equal(value_settings(s, "net.h").round, ROUND_STOCHASTIC);
  assert_int_equal(value_settings(s, "net.h").scaling, SCALING_PROPAGATE);
  assert_int_equal(value_settings(s, "logits").round, -1);
  sketch_free(s);
}

static void gradients_take_the_gradient_format(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "net.h", formats(FORMAT_E4M3, FORMAT_E5M2));
  assert_int_equal(stored(s, "net.h"), FORMAT_E4M3);
  assert_int_equal(stored(s, "d.net.h"), FORMAT_E5M2);
  sketch_rule(s, "grad(net.h)", format(FORMAT_F16));
  assert_int_equal(stored(s, "net.h"), FORMAT_E4M3);
  assert_int_equal(stored(s, "d.net.h"), FORMAT_F16);
  sketch_free(s);
}

/* d.net.l2.y is the very same value as d.logits. */
static void other_names_count(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "grad(net.l2.y)", format(FORMAT_E5M2));
  assert_int_equal(stored(s, "d.logits"), FORMAT_E5M2);
  assert_int_equal(stored(s, "logits"), FORMAT_BF16);
  sketch_free(s);
}

static void pins_beat_rules(void **state) {
  (void)state;
  Sketch *s = step_new();
  Graph *graph = sketch_graph(s);
  Node *node = graph_node(graph, sketch_find(s, "net.h"));
  node->pinned = true;
  node->type = type_with_format(s->program->types, node->type, FORMAT_F32);
  s->program->param.data[0].pinned = true;
  s->program->param.data[0].type = type_with_format(
      s->program->types, s->program->param.data[0].type, FORMAT_F16);
  sketch_rule(s, "net", format(FORMAT_E4M3));
  assert_int_equal(stored(s, "net.h"), FORMAT_F32);
  assert_int_equal(read_as(s, "net.l2.y", 0), FORMAT_F32);
  assert_int_equal(stored_param(s, 0), FORMAT_F16);
  assert_int_equal(stored_param(s, 1), FORMAT_E4M3);
  sketch_free(s);
}

static void a_recipe_is_unscaled_by_its_default(void **state) {
  (void)state;
  Sketch *s = step_new();
  const Recipe *recipe = graph_recipe(s->program, sketch_graph(s));
  assert_string_equal(recipe->name, "mine");
  assert_false(recipe_is_unscaled(recipe));
  sketch_rule(s, "param", scaling(SCALING_NONE));
  assert_false(recipe_is_unscaled(recipe));
  sketch_rule(s, "default", scaling(SCALING_NONE));
  assert_true(recipe_is_unscaled(recipe));
  assert_true(recipe_is_unscaled(&s->program->recipe.data[0]));
  sketch_free(s);
}

/* ---- edges --------------------------------------------------------------- */

static void products_have_kinds(void **state) {
  (void)state;
  Sketch *s = step_new();
  assert_int_equal(product_kind(s, sketch_find(s, "net.l1.y")),
                   PRODUCT_FORWARD);
  assert_int_equal(product_kind(s, sketch_find(s, "d.net.h")), PRODUCT_DGRAD);
  assert_int_equal(product_kind(s, sketch_find(s, "d.net.l1.w")),
                   PRODUCT_WGRAD);
  assert_int_equal(product_kind(s, sketch_find(s, "d.net.l2.w")),
                   PRODUCT_WGRAD);
  sketch_free(s);
}

static void matmul_sets_operands_only(void **state) {
  (void)state;
  Sketch *s = step_new();
  assert_int_equal(read_as(s, "net.l1.y", 0), FORMAT_NONE);
  sketch_rule(s, "matmul", formats(FORMAT_E4M3, FORMAT_E5M2));
  assert_int_equal(read_as(s, "net.l1.y", 0), FORMAT_E4M3);
  assert_int_equal(read_as(s, "net.l1.y", 1), FORMAT_E4M3);
  assert_int_equal(read_as(s, "d.net.h", 0), FORMAT_E5M2);
  assert_int_equal(read_as(s, "d.net.h", 1), FORMAT_E4M3);
  assert_int_equal(stored(s, "net.l1.y"), FORMAT_BF16);
  sketch_free(s);
}

static void wgrad_widens_the_weight_product(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "matmul", formats(FORMAT_E4M3, FORMAT_E5M2));
  Settings wide = settings_unset();
  wide.wgrad = FORMAT_BF16;
  sketch_rule(s, "matmul", wide);
  assert_int_equal(read_as(s, "d.net.l1.w", 0), FORMAT_BF16);
  assert_int_equal(read_as(s, "d.net.l1.w", 1), FORMAT_BF16);
  assert_int_equal(read_as(s, "d.net.h", 0), FORMAT_E5M2);
  wide = settings_unset();
  wide.dgrad = FORMAT_F16;
  sketch_rule(s, "matmul", wide);
  assert_int_equal(read_as(s, "d.net.h", 0), FORMAT_F16);
  assert_int_equal(read_as(s, "net.l2.y", 0), FORMAT_E4M3);
  sketch_free(s);
}

/* net.l2 : f16 keeps all three products of the layer wide, and no other. */
static void a_layer_owns_its_products(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "matmul", formats(FORMAT_E4M3, FORMAT_E5M2));
  sketch_rule(s, "net.l2", format(FORMAT_F16));
  static const char *const own[] = {"net.l2.y", "d.net.h"};
  for (int i = 0; i < 2; i++)
    for (int k = 0; k < 2; k++)
      assert_int_equal(read_as(s, own[i], k), FORMAT_F16);
  assert_int_equal(read_as(s, "d.net.l2.w", 0), FORMAT_F16);
  assert_int_equal(read_as(s, "net.l1.y", 0), FORMAT_E4M3);
  assert_int_equal(read_as(s, "d.net.l1.w", 0), FORMAT_E5M2);
  assert_int_equal(stored(s, "net.l2.w"), FORMAT_F16);
  sketch_free(s);
}

static void a_parameter_path_sets_its_edges(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "matmul", formats(FORMAT_E4M3, FORMAT_E5M2));
  sketch_rule(s, "net.l2.w", format(FORMAT_F16));
  assert_int_equal(read_as(s, "net.l2.y", 1), FORMAT_F16);
  assert_int_equal(read_as(s, "d.net.h", 1), FORMAT_F16);
  assert_int_equal(read_as(s, "net.l2.y", 0), FORMAT_E4M3);
  assert_int_equal(read_as(s, "d.net.h", 0), FORMAT_E5M2);
  assert_int_equal(stored_param(s, 2), FORMAT_F16);
  sketch_free(s);
}

static void a_value_path_sets_its_edges(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "matmul", formats(FORMAT_E4M3, FORMAT_E5M2));
  sketch_rule(s, "net.h", formats(FORMAT_F16, FORMAT_NONE));
  assert_int_equal(read_as(s, "net.l2.y", 0), FORMAT_F16);
  assert_int_equal(read_as(s, "net.l2.y", 1), FORMAT_E4M3);
  assert_int_equal(read_as(s, "d.net.l2.w", 1), FORMAT_F16);
  sketch_rule(s, "grad(logits)", format(FORMAT_BF16));
  assert_int_equal(read_as(s, "d.net.l2.w", 0), FORMAT_BF16);
  sketch_free(s);
}

static void default_rounds_edges_but_gives_no_format(void **state) {
  (void)state;
  Sketch *s = step_new();
  Settings settings = settings_unset();
  settings.overflow = OVERFLOW_INF;
  sketch_rule(s, "default", settings);
  Settings edge = edge_settings(s, sketch_find(s, "net.l1.y"), 0);
  assert_int_equal(edge.forward, FORMAT_NONE);
  assert_int_equal(edge.overflow, OVERFLOW_INF);
  sketch_free(s);
}

/* ---- rescale ------------------------------------------------------------- */

static void expect_text(Sketch *s, const char *text) {
  if (!strstr(sketch_text(s), text))
    fail_msg("expected %s\n%s", text, sketch_text(s));
}

static int count_rescales(const Sketch *s) {
  int count = 0;
  const Graph *graph = sketch_graph(s);
  for (ValueId id = 1; id < graph->count; id++)
    count += graph_node(graph, id)->op == OP_RESCALE;
  return count;
}

static void loss_rescales_what_leaves_it(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "loss, norm", rescale(-1, NORM_L2));
  sketch_pass(s, PASS_rescale);
  assert_int_equal(count_rescales(s), 1);
  expect_text(s, "= softmax_xent_grad(%logits, %batch.label, %d.loss~1)");
  expect_text(s, "= rescale(%d.logits~1, by = l2, why = loss)");
  expect_text(s, "sum(%d.logits, \"b o -> o\")");
  sketch_free(s);
}

static void a_gradient_rule_wins_over_the_class(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "loss", rescale(-1, NORM_L2));
  sketch_rule(s, "grad(logits)", rescale(NORM_MAX, -1));
  sketch_pass(s, PASS_rescale);
  assert_int_equal(count_rescales(s), 1);
  expect_text(s, "rescale(%d.logits~1, by = max, why = rule)");
  sketch_free(s);
}

static void update_rescales_what_enters_the_optimizer(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "update", rescale(NORM_L1, -1));
  sketch_pass(s, PASS_rescale);
  assert_int_equal(count_rescales(s), 4);
  expect_text(s, "rescale(%d.net.l1.w~1, by = l1, why = update)");
  expect_text(s, "mul(%d.net.l1.w, 0.1)");
  sketch_free(s);
}

static void paths_rescale_values_and_gradients(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "net.h", rescale(NORM_MAX, -1));
  sketch_rule(s, "net.l1.w", rescale(-1, NORM_L2));
  sketch_pass(s, PASS_rescale);
  assert_int_equal(count_rescales(s), 2);
  expect_text(s, "rescale(%net.h~1, by = max, why = rule)");
  expect_text(s, "rescale(%d.net.l1.w~1, by = l2, why = rule)");
  expect_text(s, "relu_grad(%d.net.h, %net.h)");
  sketch_free(s);
}

static void unscaled_recipes_need_no_rescale(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "loss", rescale(-1, NORM_L2));
  sketch_rule(s, "default", scaling(SCALING_NONE));
  sketch_pass(s, PASS_rescale);
  assert_int_equal(count_rescales(s), 0);
  sketch_free(s);
}

/* The loss starts from the number 1, which nothing computes. */
static void idle_rescales_are_named(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "grad(loss)", rescale(NORM_L2, -1));
  sketch_rule(s, "grad(net.h)", rescale(NORM_L2, -1));
  sketch_pass(s, PASS_rescale);
  assert_int_equal(s->warnings, 1);
  assert_non_null(strstr(s->messages.data, "`grad(loss)` rescales nothing"));
  sketch_free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(default_holds_for_all_but_single_numbers),
      cmocka_unit_test(classes_follow_the_op),
      cmocka_unit_test(roles_follow_the_place),
      cmocka_unit_test(states_are_not_params),
      cmocka_unit_test(the_last_match_wins_field_by_field),
      cmocka_unit_test(gradients_take_the_gradient_format),
      cmocka_unit_test(other_names_count),
      cmocka_unit_test(pins_beat_rules),
      cmocka_unit_test(a_recipe_is_unscaled_by_its_default),
      cmocka_unit_test(products_have_kinds),
      cmocka_unit_test(matmul_sets_operands_only),
      cmocka_unit_test(wgrad_widens_the_weight_product),
      cmocka_unit_test(a_layer_owns_its_products),
      cmocka_unit_test(a_parameter_path_sets_its_edges),
      cmocka_unit_test(a_value_path_sets_its_edges),
      cmocka_unit_test(default_rounds_edges_but_gives_no_format),
      cmocka_unit_test(loss_rescales_what_leaves_it),
      cmocka_unit_test(a_gradient_rule_wins_over_the_class),
      cmocka_unit_test(update_rescales_what_enters_the_optimizer),
      cmocka_unit_test(paths_rescale_values_and_gradients),
      cmocka_unit_test(unscaled_recipes_need_no_rescale),
      cmocka_unit_test(idle_rescales_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
