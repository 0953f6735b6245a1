/* scalify: exponents and estimates op by op, and that scaling moves no value.
 *
 * The vectors are those of jax-scalify's own tests as far as its rules and
 * ours agree (numerics.md 1.8), then what the unrounded estimate adds.
 */
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

static void scalify(Sketch *s) {
  recipe_scaled(s);
  sketch_pass(s, PASS_scalify);
}

static void assert_estimate(const Sketch *s, const char *name, double f) {
  double log2_rms = sketch_node(s, name)->estimate.log2_rms;
  if (!(fabs(log2_rms - f) < 1e-9))
    fail_msg("%s: f = %.17g, expected %.17g", name, log2_rms, f);
}

/* ---- leaves ------------------------------------------------------------- */

static void parameters_start_at_the_rms_of_their_distribution(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId w = sketch_normal(s, "w", EXTENT(4), log2(0.0357142857));
  ValueId zeros = sketch_state(s, "z", EXTENT(4));
  sketch_return(s, "r", sketch_op(s, "r", OP_ADD, w, zeros, 0));
  scalify(s);
  assert_int_equal(s->program->param.data[0].scale.exponent, -5);
  assert_int_equal(s->program->param.data[1].scale.exponent, 0);
  assert_true(isinf(sketch_node(s, "z")->estimate.log2_rms));
  assert_exponent(s, "r", -5);
  sketch_free(s);
}

static void fixed_exponent_overrides(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId w = sketch_normal(s, "w", EXTENT(4), -4);
  sketch_return(s, "r", sketch_op(s, "r", OP_RELU, w, 0, 0));
  recipe_scaled(s);
  Settings fixed = settings_unset();
  fixed.scaling = SCALING_FIXED;
  fixed.has_exponent = true;
  fixed.exponent = 3;
  sketch_rule(s, "param", fixed);
  sketch_pass(s, PASS_scalify);
  assert_exponent(s, "r", 3);
  assert_estimate(s, "r", -7.5);
  sketch_free(s);
}

static void propagating_parameters_are_refused(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId w = sketch_normal(s, "w", EXTENT(4), -4);
  sketch_return(s, "r", sketch_op(s, "r", OP_RELU, w, 0, 0));
  recipe_scaled(s);
  Settings settings = settings_unset();
  settings.scaling = SCALING_PROPAGATE;
  sketch_rule(s, "param", settings);
  assert_false(sketch_try(s, PASS_scalify));
  assert_non_null(strstr(s->messages.data, "E0503"));
  sketch_free(s);
}

static void constants_split_exactly(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId w = sketch_normal(s, "w", EXTENT(4), 0);
  sketch_return(s, "a", sketch_op(s, "a", OP_MUL, w, sketch_number(s, 0.1), 0));
  sketch_return(s, "b", sketch_op(s, "b", OP_DIV, w, sketch_number(s, 255), 0));
  sketch_return(s, "c",
                sketch_op(s, "c", OP_MUL, w, sketch_number(s, -0.5), 0));
  scalify(s);
  assert_exponent(s, "a", -4);
  assert_estimate(s, "a", log2(1.6));
  assert_exponent(s, "b", -7);
  assert_estimate(s, "b", -log2(1.9921875));
  assert_exponent(s, "c", -1);
  const Node *c = sketch_node(s, "c");
  assert_true(graph_node(sketch_graph(s), c->input[1])->attr.value == -1.0);
  sketch_free(s);
}

static void zero_and_infinity_take_any_exponent(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId w = sketch_normal(s, "w", EXTENT(4), 9);
  ValueId a = sketch_op(s, "a", OP_ADD, w, sketch_number(s, 0), 0);
  ValueId b = sketch_op(s, "b", OP_ADD, a, sketch_number(s, -INFINITY), 0);
  sketch_return(s, "b", b);
  scalify(s);
  assert_exponent(s, "a", 9);
  assert_exponent(s, "b", 9);
  const Graph *graph = sketch_graph(s);
  const Node *sum = sketch_node(s, "a");
  assert_int_equal(graph_node(graph, sum->input[1])->scale.kind, SCALE_ZERO);
  sum = sketch_node(s, "b");
  assert_int_equal(graph_node(graph, sum->input[1])->scale.kind, SCALE_ANY);
  sketch_free(s);
}

static void bytes_enter_at_256(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId u8 = sketch_labels(s, "u", FORMAT_U8, EXTENT(64), 256);
  ValueId x =
      sketch_shaped(s, "x", OP_CONVERT, u8, FORMAT_REAL, EXTENT(64), NULL);
  ValueId i32 = sketch_labels(s, "i", FORMAT_I32, EXTENT(64), 100);
  ValueId y =
      sketch_shaped(s, "y", OP_CONVERT, i32, FORMAT_REAL, EXTENT(64), NULL);
  sketch_return(s, "x", x);
  sketch_return(s, "y", y);
  scalify(s);
  assert_exponent(s, "x", 8);
  assert_estimate(s, "x", 0.5 * log2(1.0 / 3));
  assert_true(sketch_node(s, "x")->estimate.nonnegative);
  assert_exponent(s, "y", 0);
  sketch_run(s, PRECISION_F64);
  assert_true(sketch_data(s, sketch_find(s, "x"))[0] ==
              s->input[0].data[0] / 256);
  sketch_free(s);
}

/* ---- ops ---------------------------------------------------------------- */

/* Two normal operands of levels a and b, and an op of them called r. */
static Sketch *binary(Op op, double a, double b) {
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_normal(s, "x", EXTENT(5), a);
  ValueId y = sketch_normal(s, "y", EXTENT(5), b);
  sketch_return(s, "r", sketch_op(s, "r", op, x, y, 0));
  return s;
}

static void sums_take_the_root_of_the_sum_of_squares(void **state) {
  (void)state;
  Sketch *s = binary(OP_ADD, 2, 1);
  scalify(s);
  assert_exponent(s, "r", 2);
  assert_estimate(s, "r", 0.5 * log2(16 + 4) - 2);
  const Node *r = sketch_node(s, "r");
  const Node *aligned = graph_node(sketch_graph(s), r->input[1]);
  assert_int_equal(aligned->op, OP_REBALANCE);
  assert_string_equal(aligned->name, "r~1");
  sketch_free(s);
}

static void sum_grows_where_both_sides_drifted(void **state) {
  (void)state;
  Sketch *s = binary(OP_SUB, 2.75, 2.75);
  scalify(s);
  assert_exponent(s, "r", 3);
  assert_estimate(s, "r", 0.25);
  sketch_free(s);
}

static void products_add_and_quotients_subtract(void **state) {
  (void)state;
  Sketch *s = binary(OP_MUL, 2.5, -3.25);
  scalify(s);
  assert_exponent(s, "r", -2); /* 2 - 4 */
  assert_estimate(s, "r", 0.5 + 0.75);
  sketch_free(s);
  s = binary(OP_DIV, 2.5, -3.25);
  scalify(s);
  assert_exponent(s, "r", 6);
  assert_estimate(s, "r", 0.5 - 0.75);
  sketch_free(s);
}

static void contraction_over_five_takes_one_octave(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId a = sketch_normal(s, "a", EXTENT(3, 5), 0);
  ValueId b = sketch_normal(s, "b", EXTENT(2, 5), 0);
  sketch_return(s, "r",
                sketch_pattern(s, "r", OP_EINSUM, a, b, "m k, n k -> m n"));
  scalify(s);
  assert_exponent(s, "r", 1);
  assert_estimate(s, "r", 0.5 * log2(5) - 1);
  sketch_free(s);
}

/* Squares of one sign: 16 summands of level 0 (less half an octave a relu). */
static void contraction_without_sign_counts_in_full(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId a = sketch_normal(s, "a", EXTENT(3, 16), 0);
  ValueId p = sketch_op(s, "p", OP_RELU, a, 0, 0);
  sketch_return(s, "r",
                sketch_pattern(s, "r", OP_EINSUM, p, p, "m k, n k -> m n"));
  sketch_return(s, "q",
                sketch_pattern(s, "q", OP_EINSUM, p, a, "m k, n k -> m n"));
  scalify(s);
  assert_exponent(s, "r", 3); /* 4 - 1 */
  assert_true(sketch_node(s, "r")->estimate.nonnegative);
  assert_exponent(s, "q", 1); /* 2 - 1/2 */
  assert_false(sketch_node(s, "q")->estimate.nonnegative);
  sketch_free(s);
}

static void sum_of_five_at_2_is_at_4(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId a = sketch_normal(s, "a", EXTENT(5), 1);
  sketch_return(s, "r", sketch_pattern(s, "r", OP_SUM, a, 0, "a ->"));
  sketch_return(s, "m", sketch_pattern(s, "m", OP_MEAN, a, 0, "a ->"));
  ValueId p = sketch_op(s, "p", OP_RELU, a, 0, 0);
  sketch_return(s, "q", sketch_pattern(s, "q", OP_SUM, p, 0, "a ->"));
  sketch_return(s, "n", sketch_pattern(s, "n", OP_MEAN, p, 0, "a ->"));
  scalify(s);
  assert_exponent(s, "r", 2);
  assert_exponent(s, "m", -1); /* 1 - 1/2 log2 5 = -0.16 */
  assert_exponent(s, "p", 1);
  assert_exponent(s, "q", 2); /* 1/2 + log2 5 = 2.82 */
  assert_exponent(s, "n", 0); /* 1/2 */
  sketch_free(s);
}

static void rounding_of_the_level_follows_the_recipe(void **state) {
  (void)state;
  /* L = 3.5; what `stochastic` draws for %r is a number of its own. */
  static const int expected[] = {3, 4, 4, 4};
  for (int mode = SCALE_DOWN; mode < SCALE_ROUNDING_COUNT; mode++) {
    Sketch *s = binary(OP_ADD, 3, 3);
    recipe_scaled(s);
    Settings settings = settings_unset();
    settings.scaling = SCALING_PROPAGATE;
    settings.scale_rounding = (ScaleRounding)mode;
    sketch_rule(s, "default", settings);
    sketch_pass(s, PASS_scalify);
    assert_exponent(s, "r", expected[mode]);
    sketch_free(s);
  }
}

static void exact_powers_of_two_are_not_rounded_up(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId a = sketch_normal(s, "a", EXTENT(16), 1);
  sketch_return(s, "r", sketch_pattern(s, "r", OP_SUM, a, 0, "a ->"));
  recipe_scaled(s);
  Settings settings = settings_unset();
  settings.scaling = SCALING_PROPAGATE;
  settings.scale_rounding = SCALE_UP;
  sketch_rule(s, "default", settings);
  sketch_pass(s, PASS_scalify);
  assert_exponent(s, "r", 3);
  sketch_free(s);
}

static void sqrt_moves_the_odd_power_into_the_data(void **state) {
  (void)state;
  for (int e = -3; e <= 3; e++) {
    Sketch *s = sketch_new(ENTRY_PLAIN);
    ValueId a = sketch_normal(s, "a", EXTENT(1), e);
    ValueId square = sketch_op(s, "b", OP_RELU, a, 0, 0);
    sketch_return(s, "r", sketch_op(s, "r", OP_SQRT, square, 0, 0));
    Record plain = sketch_record(s, PRECISION_F32, 1);
    scalify(s);
    assert_exponent(s, "r", (int)floor(e / 2.0));
    Record scaled = sketch_record(s, PRECISION_F32, 1);
    assert_int_equal(record_expect_equal(&plain, &scaled), 3);
    sketch_free(s);
  }
}

static void exp_and_log_come_out_at_one(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId a = sketch_normal(s, "a", EXTENT(7), 4);
  sketch_return(s, "e", sketch_op(s, "e", OP_EXP, a, 0, 0));
  sketch_return(s, "l", sketch_op(s, "l", OP_LOG, a, 0, 0));
  Record plain = sketch_record(s, PRECISION_F32, 1);
  scalify(s);
  assert_exponent(s, "e", 0);
  assert_exponent(s, "l", 0);
  Record scaled = sketch_record(s, PRECISION_F32, 1);
  assert_int_equal(record_expect_equal(&plain, &scaled), 3);
  sketch_free(s);
}

/* A row of (p - onehot) at uniform p: rms sqrt(V - 1) / V = 0.3 for V = 10. */
static void loss_and_its_gradient(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId logits = sketch_normal(s, "x", EXTENT(128, 10), 0);
  ValueId label = sketch_labels(s, "y", FORMAT_U8, EXTENT(128), 10);
  ValueId each = sketch_op(s, "l", OP_SOFTMAX_XENT, logits, label, 0);
  sketch_return(s, "loss", sketch_pattern(s, "loss", OP_MEAN, each, 0, "b ->"));
  ValueId dy = sketch_shaped(s, "dy", OP_SPLAT, sketch_number(s, 1.0 / 128),
                             FORMAT_REAL, EXTENT(128), NULL);
  sketch_return(s, "d",
                sketch_op(s, "d", OP_SOFTMAX_XENT_GRAD, logits, label, dy));
  scalify(s);
  assert_exponent(s, "l", 0);
  assert_estimate(s, "l", log2(log(10)));
  assert_exponent(s, "loss", 1);
  assert_exponent(s, "dy", -7);
  assert_exponent(s, "d", -9); /* -7 + log2 0.3 = -8.74 */
  sketch_free(s);
}

static void exponents_are_clamped_with_a_remark(void **state) {
  (void)state;
  Sketch *s = binary(OP_MUL, 100, 100);
  scalify(s);
  assert_exponent(s, "r", 126);
  assert_estimate(s, "r", 74);
  assert_non_null(strstr(s->messages.data, "W0512"));
  sketch_free(s);
}

/* 64 factors of 2^3, and eight of 2^25 one after the other: beyond 2^126 the
 * rest stays in the data, and no value changes. */
static void long_products_are_clamped(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId a = sketch_normal(s, "a", EXTENT(64, 3), 3);
  sketch_return(s, "p", sketch_pattern(s, "p", OP_PROD, a, 0, "a b -> b"));
  ValueId x = sketch_normal(s, "x", EXTENT(5), 25), r = x;
  for (int i = 2; i <= 8; i++)
    r = sketch_op(s, i == 8 ? "r" : NULL, OP_MUL, r, x, 0);
  sketch_return(s, "r", r);
  sketch_return(s, "q", sketch_op(s, "q", OP_DIV, sketch_number(s, 1), r, 0));
  Record plain = sketch_record(s, PRECISION_F64, 1);
  scalify(s);
  assert_exponent(s, "p", EXPONENT_MAX);
  assert_estimate(s, "p", 64 * 3 - EXPONENT_MAX);
  assert_exponent(s, "r", EXPONENT_MAX);
  assert_estimate(s, "r", 8 * 25 - EXPONENT_MAX);
  assert_exponent(s, "q", EXPONENT_MIN);
  assert_non_null(strstr(s->messages.data, "so are those of"));
  Record scaled = sketch_record(s, PRECISION_F64, 1);
  assert_int_equal(record_expect_equal(&plain, &scaled), 11);
  sketch_free(s);
}

/* ---- run-time exponents ------------------------------------------------- */

static ValueId rescale(Sketch *s, const char *name, ValueId x, Norm by) {
  ValueId id = sketch_op(s, name, OP_RESCALE, x, 0, 0);
  graph_node(sketch_graph(s), id)->attr.by = by;
  return id;
}

/* Measured on data (a, b) at 2^2: jax-scalify's vectors. */
static int32_t measured(Norm by, double a, double b) {
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_normal(s, "x", EXTENT(2), 2);
  sketch_return(s, "r", rescale(s, "r", x, by));
  scalify(s);
  evaluator_free(s->evaluator);
  s->evaluator = evaluator_new(s->program, PRECISION_F32, 1);
  evaluator_param(s->evaluator, 0)->data[0] = a;
  evaluator_param(s->evaluator, 0)->data[1] = b;
  const char *error = "";
  assert_true(
      evaluator_step(s->evaluator, sketch_graph(s), 1, s->input, &error));
  ValueId r = sketch_graph(s)->result.data[0].value;
  const Tensor *tensor = evaluator_value(s->evaluator, sketch_graph(s), r);
  int32_t exponent = tensor->exponent;
  assert_true(ldexp(tensor->data[0], exponent) == ldexp(a, 2));
  sketch_free(s);
  return exponent;
}

static void rescale_measures_the_data(void **state) {
  (void)state;
  assert_int_equal(measured(NORM_MAX, 2, -3), 3);
  assert_int_equal(measured(NORM_L1, 1, -6), 3);
  assert_int_equal(measured(NORM_L2, 4, -8), 4);
}

static void run_time_exponents_stay_symbolic(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_normal(s, "x", EXTENT(5, 8), 0);
  ValueId w = sketch_normal(s, "w", EXTENT(3, 8), -2);
  ValueId g = rescale(s, "g", x, NORM_L2);
  ValueId y = sketch_pattern(s, "y", OP_EINSUM, g, w, "b i, o i -> b o");
  ValueId half = sketch_op(s, "h", OP_MUL, y, sketch_number(s, 0.5), 0);
  sketch_return(s, "r", sketch_op(s, "r", OP_ADD, y, half, 0));
  sketch_return(s, "q", sketch_op(s, "q", OP_DIV, y, half, 0));
  Record plain = sketch_record(s, PRECISION_F64, 1);
  scalify(s);
  const Node *node = sketch_node(s, "y");
  const Graph *graph = sketch_graph(s);
  assert_int_not_equal(node->scale.symbol, 0);
  assert_int_equal(graph_node(graph, node->scale.symbol)->op, OP_NORM_EXPONENT);
  assert_int_equal(node->scale.exponent, -1); /* -2 + 1/2 log2 8 = -0.5 */
  node = sketch_node(s, "r");                 /* -0.5, -1.5: -0.34 */
  assert_int_not_equal(node->scale.symbol, 0);
  assert_int_equal(node->scale.exponent, -1);
  assert_exponent(s, "q", 1);
  Record scaled = sketch_record(s, PRECISION_F64, 1);
  assert_true(record_expect_equal(&plain, &scaled) >= 5);
  sketch_free(s);
}

static void unequal_run_time_exponents_meet_at_the_larger(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_normal(s, "x", EXTENT(6), 3);
  ValueId y = sketch_normal(s, "y", EXTENT(6), -3);
  ValueId a = rescale(s, "a", x, NORM_L2);
  ValueId b = rescale(s, "b", y, NORM_L2);
  ValueId sum = sketch_op(s, "r", OP_ADD, a, b, 0);
  sketch_return(s, "t", sketch_op(s, "t", OP_SUB, sum, y, 0));
  sketch_return(s, "p", sketch_op(s, "p", OP_MUL, a, b, 0));
  sketch_return(s, "q", sketch_op(s, "q", OP_DIV, y, a, 0));
  sketch_return(s, "e", sketch_op(s, "e", OP_EQ, a, b, 0));
  sketch_return(s, "s", sketch_op(s, "s", OP_SQRT, a, 0, 0));
  Record plain = sketch_record(s, PRECISION_F64, 1);
  scalify(s);
  const Graph *graph = sketch_graph(s);
  const Node *node = sketch_node(s, "r");
  assert_int_equal(graph_node(graph, node->scale.symbol)->op, OP_MAX_EXPONENT);
  assert_int_equal(node->scale.exponent, 0);
  assert_estimate(s, "r", 0.5);
  node = sketch_node(s, "p");
  assert_int_equal(graph_node(graph, node->scale.symbol)->op, OP_NORM_EXPONENT);
  assert_int_equal(node->scale.exponent, -3); /* b is expected at 2^-3 */
  assert_exponent(s, "q", -6);
  assert_exponent(s, "s", 1);
  Record scaled = sketch_record(s, PRECISION_F64, 1);
  assert_true(record_expect_equal(&plain, &scaled) >= 8);
  sketch_free(s);
}

/* ---- parameters are demanded at their own exponent ---------------------- */

static void update_returns_to_the_exponent_of_the_parameter(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  recipe_fp8(s);
  sketch_train_step(s);
  sketch_pass(s, PASS_scalify);
  assert_exponent(s, "net.l1.w'2", -2);
  const Graph *graph = sketch_graph(s);
  const Node *step = sketch_node(s, "net.l1.w'2");
  const Node *aligned = graph_node(graph, step->input[1]);
  assert_int_equal(aligned->op, OP_REBALANCE);
  assert_string_equal(aligned->name, "net.l1.w~2");
  assert_int_equal(aligned->scale.symbol, 0);
  assert_int_not_equal(sketch_node(s, "d.net.l1.w")->scale.symbol, 0);
  assert_exponent(s, "net.m'2", 0);
  sketch_free(s);
}

static void other_stored_values_are_rebalanced(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_normal(s, "x", EXTENT(4), 5);
  sketch_state(s, "z", EXTENT(4));
  s->phase = PHASE_UPDATE;
  ValueId r = sketch_op(s, "r", OP_RELU, x, 0, 0);
  sketch_store(s, "z", r);
  Record plain = sketch_record(s, PRECISION_F64, 1);
  scalify(s);
  assert_exponent(s, "r", 5);
  assert_exponent(s, "r~1", 0);
  Record scaled = sketch_record(s, PRECISION_F64, 1);
  assert_true(record_expect_equal(&plain, &scaled) >= 3);
  sketch_free(s);
}

/* ---- unit data ---------------------------------------------------------- */

/* Within [1/2, 2], give or take the sampling error of some 500 elements. */
static void assert_unit(Sketch *s, const char *name) {
  double rms = sketch_rms(s, sketch_find(s, name));
  if (!(rms >= 0.5 * 0.95 && rms <= 2 * 1.05))
    fail_msg("%s: data of rms %g", name, rms);
}

static void sixty_four_residual_additions_reach_eight(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  Interner *words = s->program->interner;
  ValueId sum = 0;
  for (int i = 0; i < 64; i++) {
    ValueId x =
        sketch_normal(s, intern_printf(words, "x%d", i), EXTENT(512), 0);
    sum = i == 0
              ? x
              : sketch_op(s, intern_printf(words, "s%d", i), OP_ADD, sum, x, 0);
  }
  sketch_return(s, "s", sum);
  scalify(s);
  assert_exponent(s, "s63", 3);
  assert_estimate(s, "s63", 0);
  sketch_run(s, PRECISION_F32);
  for (int i = 1; i < 64; i++)
    assert_unit(s, intern_printf(words, "s%d", i));
  sketch_free(s);
}

static void layers_keep_unit_data(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  Interner *words = s->program->interner;
  ValueId x = sketch_normal(s, "x", EXTENT(64, 96), 0);
  for (int i = 0; i < 6; i++) {
    const char *w = intern_printf(words, "w%d", i);
    ValueId weight = sketch_normal(s, w, EXTENT(96, 96), -0.5 * i);
    ValueId y = sketch_pattern(s, intern_printf(words, "y%d", i), OP_EINSUM, x,
                               weight, "b i, o i -> b o");
    x = sketch_op(s, intern_printf(words, "h%d", i), OP_RELU, y, 0, 0);
  }
  sketch_return(s, "s", sketch_pattern(s, "s", OP_SUM, x, 0, "b i -> i"));
  sketch_return(s, "m", sketch_pattern(s, "m", OP_MEAN, x, 0, "b i -> b"));
  scalify(s);
  sketch_run(s, PRECISION_F32);
  for (int i = 0; i < 6; i++)
    assert_unit(s, intern_printf(words, "y%d", i));
  sketch_free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parameters_start_at_the_rms_of_their_distribution),
      cmocka_unit_test(fixed_exponent_overrides),
      cmocka_unit_test(propagating_parameters_are_refused),
      cmocka_unit_test(constants_split_exactly),
      cmocka_unit_test(zero_and_infinity_take_any_exponent),
      cmocka_unit_test(bytes_enter_at_256),
      cmocka_unit_test(sums_take_the_root_of_the_sum_of_squares),
      cmocka_unit_test(sum_grows_where_both_sides_drifted),
      cmocka_unit_test(products_add_and_quotients_subtract),
      cmocka_unit_test(contraction_over_five_takes_one_octave),
      cmocka_unit_test(contraction_without_sign_counts_in_full),
      cmocka_unit_test(sum_of_five_at_2_is_at_4),
      cmocka_unit_test(rounding_of_the_level_follows_the_recipe),
      cmocka_unit_test(exact_powers_of_two_are_not_rounded_up),
      cmocka_unit_test(sqrt_moves_the_odd_power_into_the_data),
      cmocka_unit_test(exp_and_log_come_out_at_one),
      cmocka_unit_test(loss_and_its_gradient),
      cmocka_unit_test(exponents_are_clamped_with_a_remark),
      cmocka_unit_test(long_products_are_clamped),
      cmocka_unit_test(rescale_measures_the_data),
      cmocka_unit_test(run_time_exponents_stay_symbolic),
      cmocka_unit_test(unequal_run_time_exponents_meet_at_the_larger),
      cmocka_unit_test(update_returns_to_the_exponent_of_the_parameter),
      cmocka_unit_test(other_stored_values_are_rebalanced),
      cmocka_unit_test(sixty_four_residual_additions_reach_eight),
      cmocka_unit_test(layers_keep_unit_data),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
