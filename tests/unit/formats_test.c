/* formats: which value rounds to what, and in which format a contraction reads
 * each operand (semantics.md, "Where values round").
 */
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static void formats(Sketch *s) {
  sketch_passes(s, PASS_scalify, PASS_formats);
}

static Format format_of(const Sketch *s, const char *name) {
  return sketch_node(s, name)->type->format;
}

static Sketch *train_step_fp8(void) {
  Sketch *s = sketch_new(ENTRY_TRAIN);
  recipe_fp8(s);
  sketch_train_step(s);
  return s;
}

/* ---- operands ----------------------------------------------------------- */

static void assert_reads(const Sketch *s, const char *product, Format a,
                         Format b) {
  const Node *node = sketch_node(s, product);
  assert_int_equal(node->op, OP_EINSUM);
  assert_int_equal(node->as[0], a);
  assert_int_equal(node->as[1], b);
}

static void products_read_values_in_e4m3_and_gradients_in_e5m2(void **state) {
  (void)state;
  Sketch *s = train_step_fp8();
  formats(s);
  assert_reads(s, "net.l1.y", FORMAT_E4M3, FORMAT_E4M3);
  assert_reads(s, "d.net.l1.w", FORMAT_E5M2, FORMAT_E4M3);
  assert_reads(s, "d.net.h", FORMAT_E5M2, FORMAT_E4M3);
  sketch_free(s);
}

static void weight_gradients_may_have_a_format_of_their_own(void **state) {
  (void)state;
  Sketch *s = train_step_fp8();
  Settings wide = settings_unset();
  wide.wgrad = FORMAT_BF16;
  sketch_rule(s, "matmul", wide);
  formats(s);
  assert_reads(s, "d.net.l1.w", FORMAT_BF16, FORMAT_BF16);
  assert_reads(s, "d.net.h", FORMAT_E5M2, FORMAT_E4M3);
  assert_reads(s, "net.l1.y", FORMAT_E4M3, FORMAT_E4M3);
  sketch_free(s);
}

static void f32_operands_are_read_as_stored(void **state) {
  (void)state;
  Sketch *s = train_step_fp8();
  recipe_operands(s, FORMAT_F32, FORMAT_F32);
  formats(s);
  assert_reads(s, "net.l1.y", FORMAT_NONE, FORMAT_NONE);
  sketch_free(s);
}

/* A parameter that is stored in the operand format needs no other. */
static void equal_formats_need_no_copy(void **state) {
  (void)state;
  Sketch *s = train_step_fp8();
  recipe_store(s, "param", FORMAT_E4M3);
  formats(s);
  assert_reads(s, "net.l1.y", FORMAT_E4M3, FORMAT_NONE);
  sketch_free(s);
}

/* ---- values ------------------------------------------------------------- */

static void values_saved_for_the_backward_pass_are_stored(void **state) {
  (void)state;
  Sketch *s = train_step_fp8();
  formats(s);
  assert_int_equal(format_of(s, "logits"), FORMAT_BF16);
  /* read by contractions and as a mask only */
  assert_int_equal(format_of(s, "net.h"), FORMAT_F32);
  assert_int_equal(format_of(s, "net.x"), FORMAT_F32);
  assert_int_equal(format_of(s, "net.l1.y'2"), FORMAT_F32);
  assert_int_equal(format_of(s, "d.net.l1.y'2"), FORMAT_F32);
  assert_int_equal(format_of(s, "net.l1.w'2"), FORMAT_F32);
  sketch_free(s);
}

/* A value of the forward pass that the backward pass multiplies with. */
static void product_gradients_save_their_factors(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  ValueId x = sketch_input(s, "x", EXTENT(6));
  ValueId w = sketch_normal(s, "w", EXTENT(6), 0);
  ValueId a = sketch_op(s, "a", OP_NEG, x, 0, 0);
  ValueId b = sketch_op(s, "b", OP_MUL, a, w, 0);
  ValueId c = sketch_op(s, "c", OP_MUL, b, b, 0);
  sketch_minimize(s, sketch_pattern(s, "loss", OP_SUM, c, 0, "i ->"));
  sketch_graph(s)->result.length = 0;
  ValueId g = sketch_graph(s)->minimize->placeholder[0];
  sketch_store(s, "w", sketch_op(s, "u", OP_SUB, w, g, 0));
  recipe_fp8(s);
  sketch_passes(s, PASS_simplify, PASS_rescale);
  formats(s);
  assert_int_equal(format_of(s, "a"), FORMAT_BF16);
  assert_int_equal(format_of(s, "b"), FORMAT_BF16);
  /* a gradient on its way to the update stays f32 */
  assert_int_equal(format_of(s, "d.w"), FORMAT_F32);
  sketch_free(s);
}

static void results_are_stored_but_single_numbers_are_f32(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_input(s, "x", EXTENT(6));
  sketch_return(s, "y", sketch_op(s, "y", OP_NEG, x, 0, 0));
  sketch_return(s, "n", sketch_pattern(s, "n", OP_SUM, x, 0, "i ->"));
  recipe_fp8(s);
  formats(s);
  assert_int_equal(format_of(s, "y"), FORMAT_BF16);
  assert_int_equal(format_of(s, "n"), FORMAT_F32);
  assert_int_equal(format_of(s, "x"), FORMAT_F32);
  sketch_free(s);
}

static void pins_overrule_the_recipe(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_input(s, "x", EXTENT(6));
  ValueId y = sketch_op(s, "y", OP_NEG, x, 0, 0);
  ValueId z = sketch_op(s, "z", OP_RELU, y, 0, 0);
  Node *pinned = graph_node(sketch_graph(s), y);
  pinned->type = sketch_type(s, FORMAT_E5M2, EXTENT(6));
  pinned->pinned = true;
  pinned = graph_node(sketch_graph(s), z);
  pinned->type = sketch_type(s, FORMAT_F32, EXTENT(6));
  pinned->pinned = true;
  sketch_return(s, "z", z);
  recipe_fp8(s);
  formats(s);
  assert_int_equal(format_of(s, "y"), FORMAT_E5M2);
  assert_int_equal(format_of(s, "z"), FORMAT_F32);
  sketch_free(s);
}

static void rules_by_path_choose_the_store(void **state) {
  (void)state;
  Sketch *s = train_step_fp8();
  recipe_store(s, "logits", FORMAT_F16);
  formats(s);
  assert_int_equal(format_of(s, "logits"), FORMAT_F16);
  sketch_free(s);
}

static void f64_is_refused(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_input(s, "x", EXTENT(6));
  ValueId y = sketch_op(s, "y", OP_NEG, x, 0, 0);
  Node *pinned = graph_node(sketch_graph(s), y);
  pinned->type = sketch_type(s, FORMAT_F64, EXTENT(6));
  pinned->pinned = true;
  sketch_return(s, "y", y);
  sketch_pass(s, PASS_scalify);
  assert_false(sketch_try(s, PASS_formats));
  assert_non_null(strstr(s->messages.data, "E0510"));
  sketch_free(s);
}

/* ---- parameters --------------------------------------------------------- */

static void parameters_take_their_store_format_and_rounding(void **state) {
  (void)state;
  Sketch *s = train_step_fp8();
  Settings narrow = settings_unset();
  narrow.forward = FORMAT_F16;
  narrow.round = ROUND_STOCHASTIC;
  narrow.overflow = OVERFLOW_INF;
  sketch_rule(s, "param", narrow);
  formats(s);
  const Parameter *w = &s->program->param.data[0];
  assert_int_equal(w->type->format, FORMAT_F16);
  assert_int_equal(w->round, ROUND_STOCHASTIC);
  assert_int_equal(
      s->program->param.data[program_param(s->program, "net.m")].type->format,
      FORMAT_F32);
  const Graph *graph = sketch_graph(s);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op != OP_STORE || node->attr.index != 0)
      continue;
    assert_int_equal(node->attr.round, ROUND_STOCHASTIC);
    assert_int_equal(node->attr.overflow, OVERFLOW_INF);
    assert_int_equal(node->type->format, FORMAT_F16);
  }
  sketch_free(s);
}

/* state' = x, and y reads it in the same step: it reads what is stored. */
static void readers_of_a_new_state_see_what_is_stored(void **state) {
  (void)state;
  for (int narrow = 0; narrow < 2; narrow++) {
    Sketch *s = sketch_new(ENTRY_PLAIN);
    ValueId x = sketch_input(s, "x", EXTENT(6));
    sketch_state(s, "m", EXTENT(6));
    s->phase = PHASE_UPDATE;
    ValueId m = sketch_op(s, "m'2", OP_NEG, x, 0, 0);
    sketch_store(s, "m", m);
    sketch_return(s, "m", m);
    recipe_fp8(s);
    recipe_store(s, "state", narrow ? FORMAT_F16 : FORMAT_F32);
    formats(s);
    assert_int_equal(format_of(s, "m'2"), narrow ? FORMAT_F16 : FORMAT_F32);
    sketch_free(s);
  }
}

/* ---- views -------------------------------------------------------------- */

/* x is returned, its view v is contracted. 1 + 2^-4 + 2^-20 rounds to 1.125 in
 * e4m3; by way of bf16 it would be 1.0625, a tie, and then 1. */
static void views_of_stored_values_round_once(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId input = sketch_input(s, "i", EXTENT(2, 2));
  ValueId x = sketch_op(s, "x", OP_RELU, input, 0, 0);
  ValueId v =
      sketch_shaped(s, "v", OP_RESHAPE, x, FORMAT_REAL, EXTENT(1, 4), NULL);
  ValueId y = sketch_pattern(s, "y", OP_EINSUM, v, v, "a k, b k -> a b");
  sketch_return(s, "x", x);
  sketch_return(s, "n", sketch_pattern(s, "n", OP_SUM, y, 0, "a b ->"));
  for (int i = 0; i < 4; i++)
    s->input[0].data[i] = 1.0625 + 0x1p-20;
  recipe_fp8(s);
  formats(s);
  assert_int_equal(format_of(s, "x"), FORMAT_BF16);
  for (int final = 0; final < 2; final++) {
    sketch_run(s, PRECISION_EDGES);
    assert_true(sketch_result(s, "x")[0] == 1.0625);
    assert_true(sketch_result(s, "n")[0] * 2 /* at 2^1 */ == 4 * 1.125 * 1.125);
    if (!final)
      sketch_pass(s, PASS_casts);
  }
  sketch_free(s);
}

/* Without a contraction the view is simply the same memory. */
static void views_share_the_format_of_what_they_view(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId input = sketch_input(s, "i", EXTENT(2, 2));
  ValueId x = sketch_op(s, "x", OP_RELU, input, 0, 0);
  ValueId v =
      sketch_shaped(s, "v", OP_RESHAPE, x, FORMAT_REAL, EXTENT(4), NULL);
  sketch_return(s, "v", v);
  recipe_fp8(s);
  formats(s);
  assert_int_equal(format_of(s, "x"), FORMAT_BF16);
  assert_int_equal(format_of(s, "v"), FORMAT_BF16);
  sketch_pass(s, PASS_casts);
  const Node *view = sketch_node(s, "v");
  assert_int_equal(view->op, OP_RESHAPE);
  assert_ptr_equal(graph_node(sketch_graph(s), view->input[0]),
                   sketch_node(s, "x"));
  assert_int_equal(sketch_node(s, "x")->op, OP_CAST);
  sketch_free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products_read_values_in_e4m3_and_gradients_in_e5m2),
      cmocka_unit_test(weight_gradients_may_have_a_format_of_their_own),
      cmocka_unit_test(f32_operands_are_read_as_stored),
      cmocka_unit_test(equal_formats_need_no_copy),
      cmocka_unit_test(values_saved_for_the_backward_pass_are_stored),
      cmocka_unit_test(product_gradients_save_their_factors),
      cmocka_unit_test(results_are_stored_but_single_numbers_are_f32),
      cmocka_unit_test(pins_overrule_the_recipe),
      cmocka_unit_test(rules_by_path_choose_the_store),
      cmocka_unit_test(f64_is_refused),
      cmocka_unit_test(parameters_take_their_store_format_and_rounding),
      cmocka_unit_test(readers_of_a_new_state_see_what_is_stored),
      cmocka_unit_test(views_of_stored_values_round_once),
      cmocka_unit_test(views_share_the_format_of_what_they_view),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
