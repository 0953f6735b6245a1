/* casts: every rounding is an op, and the bits are those of level formatted.
 */
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static const Node *operand_of(const Sketch *s, const Node *node, int i) {
  return graph_node(sketch_graph(s), node->input[i]);
}

static Sketch *final_train_step(void) {
  Sketch *s = sketch_new(ENTRY_TRAIN);
  recipe_fp8(s);
  sketch_train_step(s);
  sketch_passes(s, PASS_scalify, PASS_casts);
  return s;
}

/* ---- structure ---------------------------------------------------------- */

static void rounded_values_are_casts_of_f32_helpers(void **state) {
  (void)state;
  Sketch *s = final_train_step();
  const Node *logits = sketch_node(s, "logits");
  assert_int_equal(logits->op, OP_CAST);
  assert_int_equal(logits->type->format, FORMAT_BF16);
  const Node *raw = operand_of(s, logits, 0);
  assert_string_equal(raw->name, "logits~2");
  assert_int_equal(raw->type->format, FORMAT_F32);
  assert_ptr_equal(operand_of(s, sketch_node(s, "loss~1"), 0), logits);
  sketch_free(s);
}

static void one_copy_serves_forward_and_backward(void **state) {
  (void)state;
  Sketch *s = final_train_step();
  const Node *h = sketch_node(s, "net.h.q"), *w = sketch_node(s, "net.l2.w.q");
  assert_int_equal(h->op, OP_CAST);
  assert_int_equal(h->type->format, FORMAT_E4M3);
  assert_int_equal(h->phase, PHASE_FORWARD);
  assert_ptr_equal(operand_of(s, sketch_node(s, "net.l2.y"), 0), h);
  assert_ptr_equal(operand_of(s, sketch_node(s, "net.l2.y"), 1), w);
  assert_ptr_equal(operand_of(s, sketch_node(s, "d.net.l2.w~1"), 1), h);
  assert_ptr_equal(operand_of(s, sketch_node(s, "d.net.h"), 1), w);
  assert_int_equal(operand_of(s, w, 0)->op, OP_PARAM);
  sketch_free(s);
}

static void relu_saves_a_mask(void **state) {
  (void)state;
  Sketch *s = final_train_step();
  const Node *mask = sketch_node(s, "net.h.m");
  assert_int_equal(mask->op, OP_POSITIVE);
  assert_int_equal(mask->type->format, FORMAT_BOOL);
  assert_int_equal(mask->phase, PHASE_FORWARD);
  assert_ptr_equal(operand_of(s, sketch_node(s, "d.net.l1.y'2"), 1), mask);
  sketch_free(s);
}

/* The copy of a view is a view of a copy, made where the owner is made. */
static void views_of_copies(void **state) {
  (void)state;
  Sketch *s = final_train_step();
  const Node *view = sketch_node(s, "net.x.q");
  assert_int_equal(view->op, OP_RESHAPE);
  const Node *copy = operand_of(s, view, 0);
  assert_int_equal(copy->op, OP_CAST);
  assert_string_equal(copy->name, "net.x~3");
  assert_ptr_equal(operand_of(s, copy, 0), sketch_node(s, "net.x~2"));
  assert_int_equal(sketch_find(s, "net.x"), 0); /* nothing reads it now */
  sketch_free(s);
}

static void several_formats_name_their_copies(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  recipe_fp8(s);
  Settings wide = settings_unset();
  wide.wgrad = FORMAT_F16;
  sketch_rule(s, "matmul", wide);
  sketch_train_step(s);
  sketch_passes(s, PASS_scalify, PASS_casts);
  assert_int_equal(sketch_node(s, "net.h.e4m3")->type->format, FORMAT_E4M3);
  assert_int_equal(sketch_node(s, "net.h.f16")->type->format, FORMAT_F16);
  assert_int_equal(sketch_find(s, "net.h.q"), 0);
  sketch_free(s);
}

static void arithmetic_is_f32_and_nothing_reads_as(void **state) {
  (void)state;
  Sketch *s = final_train_step();
  const Graph *graph = sketch_graph(s);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    for (int i = 0; i < MAX_INPUTS; i++)
      assert_int_equal(node->as[i], FORMAT_NONE);
    bool rounds = node->op == OP_CAST || node->op == OP_STORE;
    bool leaf = node_is_leaf(node) || node->op == OP_RESHAPE;
    if (type_is_real(node->type) && !rounds && !leaf)
      assert_int_equal(node->type->format, FORMAT_F32);
  }
  sketch_free(s);
}

/* ---- bits --------------------------------------------------------------- */

static void expect_casts_change_no_bit(Sketch *s) {
  Record formatted = sketch_record(s, PRECISION_EDGES, 3);
  sketch_pass(s, PASS_casts);
  Record final = sketch_record(s, PRECISION_EDGES, 3);
  assert_true(record_expect_equal(&formatted, &final) >=
              s->program->param.length);
}

typedef struct {
  const char *name;
  Format store, forward, gradient, param;
  Rounding round;
} Case;

static const Case cases[] = {
    {"fp8", FORMAT_BF16, FORMAT_E4M3, FORMAT_E5M2, FORMAT_F32, ROUND_NEAREST},
    {"bf16", FORMAT_BF16, FORMAT_BF16, FORMAT_BF16, FORMAT_F32, ROUND_NEAREST},
    {"fp16", FORMAT_F16, FORMAT_NONE, FORMAT_NONE, FORMAT_F16,
     ROUND_STOCHASTIC},
    {"all e5m2", FORMAT_E5M2, FORMAT_E5M2, FORMAT_E5M2, FORMAT_E5M2,
     ROUND_STOCHASTIC},
    {"mixed", FORMAT_E4M3, FORMAT_F16, FORMAT_E4M3, FORMAT_BF16, ROUND_NEAREST},
    {"down", FORMAT_F16, FORMAT_E4M3, FORMAT_E5M2, FORMAT_F16, ROUND_DOWN},
    {"f32", FORMAT_F32, FORMAT_F32, FORMAT_F32, FORMAT_F32, ROUND_NEAREST},
};

/* `everywhere`: values and operands round as the case says too, not only
 * parameters. */
static void recipe_of_case(Sketch *s, const Case *c, bool everywhere) {
  recipe_fp8(s);
  recipe_operands(s, c->forward == FORMAT_NONE ? FORMAT_F32 : c->forward,
                  c->gradient == FORMAT_NONE ? FORMAT_F32 : c->gradient);
  recipe_store(s, "default", c->store);
  Settings settings = settings_unset();
  settings.forward = c->param;
  settings.round = (int)c->round;
  sketch_rule(s, "param, state", settings);
  if (!everywhere)
    return;
  settings = settings_unset();
  settings.round = (int)c->round;
  settings.overflow = OVERFLOW_INF;
  settings.subnormals = c->round != ROUND_DOWN;
  sketch_rule(s, "default", settings);
}

static void train_step_keeps_its_bits(void **state) {
  (void)state;
  for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
    Sketch *s = sketch_new(ENTRY_TRAIN);
    recipe_of_case(s, &cases[i / 2], i % 2 == 1);
    sketch_train_step(s);
    sketch_passes(s, PASS_scalify, PASS_formats);
    expect_casts_change_no_bit(s);
    sketch_free(s);
  }
}

static void random_programs_keep_their_bits(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 120; seed++) {
    Sketch *s = sketch_new(ENTRY_PLAIN);
    size_t which = seed % (sizeof cases / sizeof *cases);
    recipe_of_case(s, &cases[which], seed % 4 == 0);
    sketch_random_program(s, seed, true);
    sketch_passes(s, PASS_scalify, PASS_formats);
    expect_casts_change_no_bit(s);
    sketch_free(s);
  }
}

/* 2^-12 and 2^-20 are positive, and 0 in e4m3. In the phase of its relu the
 * gradient tests the value itself, later a mask. */
static void relu_gradients_test_the_unrounded_value(void **state) {
  (void)state;
  for (int later = 0; later < 2; later++) {
    Sketch *s = sketch_new(ENTRY_PLAIN);
    ValueId x = sketch_input(s, "x", EXTENT(2));
    ValueId y = sketch_op(s, "y", OP_RELU, x, 0, 0);
    s->phase = later ? PHASE_BACKWARD : PHASE_FORWARD;
    ValueId d = sketch_op(s, "d", OP_RELU_GRAD, x, y, 0);
    sketch_return(s, "y", y);
    sketch_return(s, "n", sketch_pattern(s, "n", OP_SUM, d, 0, "i ->"));
    s->input[0].data[0] = 0x1p-12;
    s->input[0].data[1] = 0x1p-20;
    recipe_fp8(s);
    recipe_store(s, "y", FORMAT_E4M3);
    sketch_passes(s, PASS_scalify, PASS_casts);
    sketch_run(s, PRECISION_EDGES);
    assert_true(sketch_result(s, "y")[0] == 0);
    assert_true(sketch_result(s, "n")[0] == 0x1p-12 + 0x1p-20);
    assert_string_equal(operand_of(s, sketch_node(s, "d"), 1)->name,
                        later ? "y.m" : "y~1");
    sketch_free(s);
  }
}

/* Pinned to bf16 and stored in an f16 state: what is stored is the bf16. */
static void stores_of_another_format_are_widened(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_input(s, "x", EXTENT(4));
  sketch_state(s, "m", EXTENT(4));
  ValueId y = sketch_op(s, "y", OP_NEG, x, 0, 0);
  Node *pinned = graph_node(sketch_graph(s), y);
  pinned->type = sketch_type(s, FORMAT_BF16, EXTENT(4));
  pinned->pinned = true;
  s->phase = PHASE_UPDATE;
  sketch_store(s, "m", y);
  recipe_fp8(s);
  recipe_store(s, "state", FORMAT_F16);
  sketch_passes(s, PASS_scalify, PASS_formats);
  expect_casts_change_no_bit(s);
  assert_int_equal(sketch_node(s, "y")->type->format, FORMAT_BF16);
  sketch_free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rounded_values_are_casts_of_f32_helpers),
      cmocka_unit_test(one_copy_serves_forward_and_backward),
      cmocka_unit_test(relu_saves_a_mask),
      cmocka_unit_test(views_of_copies),
      cmocka_unit_test(several_formats_name_their_copies),
      cmocka_unit_test(arithmetic_is_f32_and_nothing_reads_as),
      cmocka_unit_test(train_step_keeps_its_bits),
      cmocka_unit_test(random_programs_keep_their_bits),
      cmocka_unit_test(relu_gradients_test_the_unrounded_value),
      cmocka_unit_test(stores_of_another_format_are_widened),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
