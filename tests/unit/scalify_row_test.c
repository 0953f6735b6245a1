/* scalify moves no value of reductions, softmax, losses and norms, forward and
 * backward: plain and scaled agree to the bit.
 */
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

static ValueId with_attributes(Sketch *s, const char *name, Op op, ValueId x,
                               Attributes attributes) {
  Node node = node_make(op, s->phase, NULL, x, 0, 0);
  node.attr = attributes;
  return sketch_add(s, name, &node);
}

/* "loss", "softmax_grad", ...: values of their own, so that their gradients are
 * compared too. */
static const char *op_name(Op op) {
  return op_info(op)->text;
}

/* The mean of some op of x, times a weight of its own so that dy varies. */
static ValueId term(Sketch *s, ValueId y) {
  const Type *type = graph_node(sketch_graph(s), y)->type;
  Extent extent = {.rank = type->rank};
  for (int i = 0; i < type->rank; i++)
    extent.dim[i] = type->dim[i];
  ValueId weight = sketch_input(s, NULL, extent);
  ValueId product = sketch_op(s, NULL, OP_MUL, y, weight, 0);
  static const char *const all[] = {NULL, "a ->", "a b ->"};
  return type->rank
             ? sketch_pattern(s, NULL, OP_MEAN, product, 0, all[type->rank])
             : product;
}

static ValueId along(Sketch *s, Op op, ValueId x) {
  Attributes attributes = attributes_neutral();
  attributes.axis = 1;
  return term(s, with_attributes(s, op_name(op), op, x, attributes));
}

static ValueId norm(Sketch *s, Op op, ValueId x, double eps) {
  Attributes attributes = attributes_neutral();
  attributes.eps = eps;
  return term(s, with_attributes(s, op_name(op), op, x, attributes));
}

static ValueId gated(Sketch *s, Op op, ValueId x) {
  return term(s, sketch_op(s, op_name(op), op, x, 0, 0));
}

static ValueId reduced(Sketch *s, Op op, ValueId x, const char *pattern) {
  return term(s, sketch_pattern(s, op_name(op), op, x, 0, pattern));
}

static ValueId loss_of(Sketch *s, ValueId x, double smooth, int64_t ignore) {
  ValueId labels = sketch_labels(s, NULL, FORMAT_I32, EXTENT(6), 20);
  Node node = node_make(OP_SOFTMAX_XENT, s->phase, NULL, x, labels, 0);
  node.attr.smooth = smooth;
  node.attr.ignore = ignore;
  return sketch_pattern(s, NULL, OP_MEAN, sketch_add(s, "loss", &node), 0,
                        "a ->");
}

/* Every op of the family on a parameter of the given level, minimised. */
static void build(Sketch *s, double level, double eps) {
  ValueId x = sketch_normal(s, "x", EXTENT(6, 20), level);
  ValueId terms[] = {
      reduced(s, OP_MAX, x, "a b -> a"),
      reduced(s, OP_MIN, x, "a b -> b"),
      reduced(s, OP_PROD, x, "a b -> b"),
      reduced(s, OP_LOGSUMEXP, x, "a b -> a"),
      along(s, OP_CUMSUM, x),
      along(s, OP_SOFTMAX, x),
      along(s, OP_LOG_SOFTMAX, x),
      norm(s, OP_LAYER_NORM, x, eps),
      norm(s, OP_RMS_NORM, x, eps),
      loss_of(s, x, 0.1, 3),
      gated(s, OP_GELU, x),
      gated(s, OP_GELU_TANH, x),
      gated(s, OP_SILU, x),
  };
  ValueId sum = terms[0];
  for (size_t i = 1; i < sizeof terms / sizeof *terms; i++)
    sum = sketch_op(s, NULL, OP_ADD, sum, terms[i], 0);
  sketch_minimize(s, sum);
  sketch_store(s, "x", sketch_graph(s)->minimize->placeholder[0]);
}

static void rescale_norms(Sketch *s) {
  Settings settings = settings_unset();
  settings.rescale_grad = NORM_L2;
  sketch_rule(s, "norm, loss", settings);
}

static void plain_and_scaled_agree_to_the_bit(void **state) {
  (void)state;
  static const Precision precisions[] = {PRECISION_F64, PRECISION_F32};
  static const double levels[] = {0, 1.5, -2.5, 1};
  for (int i = 0; i < 16; i++) {
    Sketch *s = sketch_new(ENTRY_TRAIN);
    recipe_scaled(s);
    if (i % 2)
      rescale_norms(s);
    build(s, levels[i / 2 % 4], i % 4 ? 1e-5 : 0.25);
    sketch_passes(s, PASS_autodiff, PASS_rescale);
    Record plain = sketch_record(s, precisions[i / 8], 1);
    sketch_pass(s, PASS_scalify);
    Record scaled = sketch_record(s, precisions[i / 8], 1);
    assert_true(record_expect_equal(&plain, &scaled) > 20);
    sketch_free(s);
  }
}

/* What a norm divides by moves with its operand, whatever the exponent, even
 * one measured in the step. */
static void norms_follow_run_time_exponents(void **state) {
  (void)state;
  for (int i = 0; i < 6; i++) {
    Sketch *s = sketch_new(ENTRY_PLAIN);
    recipe_scaled(s);
    ValueId x = sketch_normal(s, "x", EXTENT(5, 30), 4.0 * i - 10);
    ValueId dy = sketch_normal(s, "dy", EXTENT(5, 30), -3);
    ValueId moved = sketch_op(s, "moved", OP_RESCALE, x, 0, 0);
    ValueId dmoved = i % 2 ? sketch_op(s, "d", OP_RESCALE, dy, 0, 0) : dy;
    Op op = i % 3 ? OP_LAYER_NORM : OP_RMS_NORM;
    Op grad = i % 3 ? OP_LAYER_NORM_GRAD : OP_RMS_NORM_GRAD;
    Attributes attributes = attributes_neutral();
    attributes.eps = 1e-3;
    sketch_return(s, "y", with_attributes(s, "y", op, moved, attributes));
    Node node = node_make(grad, s->phase, NULL, moved, dmoved, 0);
    node.attr = attributes;
    sketch_return(s, "g", sketch_add(s, "g", &node));
    node.input[1] = moved;
    sketch_return(s, "h", sketch_add(s, "h", &node));
    Record plain = sketch_record(s, PRECISION_F32, 1);
    sketch_pass(s, PASS_scalify);
    Record scaled = sketch_record(s, PRECISION_F32, 1);
    assert_true(record_expect_equal(&plain, &scaled) >= 4);
    sketch_free(s);
  }
}

/* The estimates against what standard normal data give: within a factor of
 * two, and a softmax and a norm at unit rms. */
static void estimates_are_near(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  recipe_scaled(s);
  ValueId x = sketch_normal(s, "x", EXTENT(40, 64), 0);
  Attributes attributes = attributes_neutral();
  attributes.axis = 1;
  attributes.eps = 1e-5;
  const char *const names[] = {"softmax", "layer", "rms",  "max",  "cumsum",
                               "lse",     "log",   "gelu", "tanh", "silu"};
  ValueId values[] = {with_attributes(s, "softmax", OP_SOFTMAX, x, attributes),
                      with_attributes(s, "layer", OP_LAYER_NORM, x, attributes),
                      with_attributes(s, "rms", OP_RMS_NORM, x, attributes),
                      sketch_pattern(s, "max", OP_MAX, x, 0, "a b -> a"),
                      with_attributes(s, "cumsum", OP_CUMSUM, x, attributes),
                      sketch_pattern(s, "lse", OP_LOGSUMEXP, x, 0, "a b -> a"),
                      with_attributes(s, "log", OP_LOG_SOFTMAX, x, attributes),
                      sketch_op(s, "gelu", OP_GELU, x, 0, 0),
                      sketch_op(s, "tanh", OP_GELU_TANH, x, 0, 0),
                      sketch_op(s, "silu", OP_SILU, x, 0, 0)};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++)
    sketch_return(s, names[i], values[i]);
  sketch_pass(s, PASS_scalify);
  sketch_run(s, PRECISION_F32);
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    const Node *node = sketch_node(s, names[i]);
    double measured = log2(sketch_rms(s, sketch_find(s, names[i])));
    if (!(fabs(measured - node->estimate.log2_rms) < 1))
      fail_msg("%s: rms 2^%g, estimated 2^%g", names[i], measured,
               node->estimate.log2_rms);
  }
  for (int i = 7; i < 10; i++)
    assert_true(fabs(log2(sketch_rms(s, sketch_find(s, names[i]))) -
                     sketch_node(s, names[i])->estimate.log2_rms) < 0.1);
  assert_exponent(s, "layer", 0);
  assert_exponent(s, "softmax", -6);
  sketch_free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_and_scaled_agree_to_the_bit),
      cmocka_unit_test(norms_follow_run_time_exponents),
      cmocka_unit_test(estimates_are_near),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
