/* autodiff against numbers: every differentiable op, every differentiable
 * operand, many shapes.
 *
 * The oracle is central differences in binary64 with one Richardson step,
 * whose error is O(h^4): derivative and estimate agree to 1e-7 of the largest
 * element. Each op's result is weighted with random numbers before it is
 * summed, so that no error can cancel. Operands lie in [0.5, 1.5), away from
 * every kink and pole, but where a case asks for both signs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "tests/unit/adjoint_support.h"

/* ---- the gradient check -------------------------------------------------- */

static double loss_at(Sketch *s, double *element, double value) {
  double saved = *element;
  const char *error = "";
  *element = value;
  assert_true(
      evaluator_step(s->evaluator, sketch_graph(s), 1, s->input, &error));
  *element = saved;
  return sketch_result(s, "loss")[0];
}

static double difference(Sketch *s, double *element, double h) {
  double x = *element;
  return (loss_at(s, element, x + h) - loss_at(s, element, x - h)) / (2 * h);
}

static double richardson(Sketch *s, double *element) {
  const double h = 1.0 / 1024;
  return (4 * difference(s, element, h / 2) - difference(s, element, h)) / 3;
}

/* A copy, for further steps overwrite the values. */
static double *derived_gradient(Sketch *s, const Parameter *param) {
  const char *name = intern_printf(s->program->interner, "d.%s", param->name);
  size_t count = (size_t)param->type->elements;
  return arena_copy(s->arena, sketch_result(s, name), count * sizeof(double));
}

static void check_param(Sketch *s, int index, double *derived) {
  const Parameter *param = &s->program->param.data[index];
  double *data = evaluator_param(s->evaluator, index)->data;
  double largest = 0;
  for (int64_t i = 0; i < param->type->elements; i++)
    largest = fmax(largest, fabs(derived[i]));
  for (int64_t i = 0; i < param->type->elements; i++) {
    double expected = richardson(s, &data[i]);
    double error = fabs(derived[i] - expected);
    if (error > 1e-7 * fmax(largest, 1e-3))
      fail_msg("d.%s[%d]: derived %.12g, measured %.12g\n%s", param->name,
               (int)i, derived[i], expected, sketch_text(s));
  }
}

/* loss = sum(y * weights), minimised over all parameters. */
static void weigh(Sketch *s, ValueId y) {
  const Type *type = graph_node(sketch_graph(s), y)->type;
  Extent extent = {.rank = type->rank};
  memcpy(extent.dim, type->dim, sizeof extent.dim);
  ValueId weights = sketch_input(s, "weights", extent);
  ValueId loss = sketch_op(s, NULL, OP_MUL, y, weights, 0);
  static const char *const sums[] = {
      NULL,         "a ->",         "a b ->",        "a b c ->",
      "a b c d ->", "a b c d e ->", "a b c d e f ->"};
  if (type->rank > 0)
    loss = sketch_pattern(s, NULL, OP_SUM, loss, 0, sums[type->rank]);
  sketch_return(s, "loss", loss);
  sketch_minimize(s, loss);
}

/* Both signs, away from 0. */
static void alternate_signs(Sketch *s) {
  for (size_t i = 0; i < s->program->param.length; i++) {
    Tensor *tensor = evaluator_param(s->evaluator, (int)i);
    for (int64_t j = 0; j < tensor->type->elements; j++)
      if (sketch_random(s) & 1)
        tensor->data[j] = -tensor->data[j];
  }
}

/* Derives, evaluates, compares; frees the sketch. */
static void check_gradients(Sketch *s, ValueId y, bool both_signs) {
  weigh(s, y);
  sketch_pass(s, PASS_autodiff);
  sketch_run(s, PRECISION_F64);
  if (both_signs) {
    const char *error = "";
    alternate_signs(s);
    assert_true(
        evaluator_step(s->evaluator, sketch_graph(s), 1, s->input, &error));
  }
  double *derived[8];
  for (size_t i = 0; i < s->program->param.length; i++)
    derived[i] = derived_gradient(s, &s->program->param.data[i]);
  for (size_t i = 0; i < s->program->param.length; i++)
    check_param(s, (int)i, derived[i]);
  sketch_free(s);
}

/* ---- elementwise --------------------------------------------------------- */

static void unary_ops(void **state) {
  (void)state;
  static const Op op[] = {OP_NEG, OP_RELU, OP_SQRT, OP_EXP, OP_LOG};
  for (size_t i = 0; i < sizeof op / sizeof *op; i++)
    for (int j = 0; j < ADJOINT_SHAPES; j++) {
      Sketch *s = sketch_new(ENTRY_TRAIN);
      ValueId x = sketch_param(s, "x", adjoint_shape[j]);
      bool signs = op[i] == OP_NEG || op[i] == OP_RELU || op[i] == OP_EXP;
      check_gradients(s, sketch_op(s, "y", op[i], x, 0, 0), signs);
    }
}

static void identities(void **state) {
  (void)state;
  for (int j = 0; j < ADJOINT_SHAPES; j++) {
    Sketch *s = sketch_new(ENTRY_TRAIN);
    ValueId x = sketch_param(s, "x", adjoint_shape[j]);
    ValueId a =
        sketch_shaped(s, "a", OP_CAST, x, FORMAT_F32, adjoint_shape[j], NULL);
    ValueId b = sketch_shaped(s, "b", OP_CONVERT, a, FORMAT_REAL,
                              adjoint_shape[j], NULL);
    ValueId c = sketch_op(s, "c", OP_RESCALE, b, 0, 0);
    check_gradients(s, c, true);
  }
}

static void binary_ops(void **state) {
  (void)state;
  static const Op op[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV};
  for (size_t i = 0; i < sizeof op / sizeof *op; i++)
    for (int j = 0; j < ADJOINT_PAIRS; j++) {
      Sketch *s = sketch_new(ENTRY_TRAIN);
      ValueId a = sketch_param(s, "a", adjoint_pair[j].a);
      ValueId b = sketch_param(s, "b", adjoint_pair[j].b);
      check_gradients(s, sketch_op(s, "y", op[i], a, b, 0), true);
    }
}

/* One operand a parameter, the other data: nothing else is derived. */
static void one_side(void **state) {
  (void)state;
  static const Op op[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV};
  for (int side = 0; side < 2; side++)
    for (size_t i = 0; i < sizeof op / sizeof *op; i++)
      for (int j = 0; j < ADJOINT_PAIRS; j += 3) {
        Sketch *s = sketch_new(ENTRY_TRAIN);
        ValueId a = sketch_param(s, "a", adjoint_pair[j].a);
        ValueId b = sketch_input(s, "b", adjoint_pair[j].b);
        check_gradients(
            s, sketch_op(s, "y", op[i], side ? b : a, side ? a : b, 0), true);
      }
}

/* ---- structure ----------------------------------------------------------- */

typedef struct {
  Extent from, to;
  const char *pattern;
} Move;

static const Move reshapes[] = {
    {{1, {6}}, {2, {2, 3}}, NULL},       {{2, {2, 3}}, {1, {6}}, NULL},
    {{0, {0}}, {1, {1}}, NULL},          {{2, {1, 1}}, {0, {0}}, NULL},
    {{3, {2, 3, 4}}, {2, {6, 4}}, NULL}, {{2, {4, 6}}, {4, {2, 2, 3, 2}}, NULL},
    {{2, {3, 4}}, {2, {3, 4}}, NULL}};
static const Move splats[] = {{{0, {0}}, {0, {0}}, NULL},
                              {{0, {0}}, {1, {1}}, NULL},
                              {{0, {0}}, {1, {5}}, NULL},
                              {{0, {0}}, {3, {2, 1, 3}}, NULL}};
static const Move broadcasts[] = {
    {{1, {3}}, {2, {4, 3}}, "o -> b o"},
    {{1, {3}}, {2, {3, 4}}, "o -> o b"},
    {{1, {1}}, {2, {4, 1}}, "o -> b o"},
    {{2, {3, 2}}, {3, {3, 4, 2}}, "b o -> b t o"},
    {{2, {3, 2}}, {3, {2, 4, 3}}, "b o -> o t b"},
    {{2, {3, 2}}, {2, {2, 3}}, "b o -> o b"},
    {{2, {2, 3}}, {4, {4, 2, 1, 3}}, "b o -> t b h o"}};
static const Move transposes[] = {
    {{1, {3}}, {0, {0}}, "a -> a"},
    {{2, {3, 4}}, {0, {0}}, "a b -> b a"},
    {{2, {1, 4}}, {0, {0}}, "a b -> b a"},
    {{3, {2, 3, 4}}, {0, {0}}, "a b c -> c a b"},
    {{3, {2, 3, 4}}, {0, {0}}, "a b c -> b a c"},
    {{4, {2, 3, 1, 2}}, {0, {0}}, "b t h e -> b h t e"},
    {{4, {2, 3, 1, 2}}, {0, {0}}, "a b c d -> d a c b"}};

static void check_moves(Op op, const Move *move, size_t count) {
  for (size_t i = 0; i < count; i++) {
    Sketch *s = sketch_new(ENTRY_TRAIN);
    ValueId x = sketch_param(s, "x", move[i].from);
    ValueId y = op == OP_TRANSPOSE
                    ? sketch_pattern(s, "y", op, x, 0, move[i].pattern)
                    : sketch_shaped(s, "y", op, x, FORMAT_REAL, move[i].to,
                                    move[i].pattern);
    check_gradients(s, y, true);
  }
}

#define CHECK_MOVES(op, moves)                                                 \
  check_moves(op, moves, sizeof(moves) / sizeof *(moves))

static void structure(void **state) {
  (void)state;
  CHECK_MOVES(OP_RESHAPE, reshapes);
  CHECK_MOVES(OP_SPLAT, splats);
  CHECK_MOVES(OP_BROADCAST, broadcasts);
  CHECK_MOVES(OP_TRANSPOSE, transposes);
}

/* ---- reductions and contractions ----------------------------------------- */

static void reductions(void **state) {
  (void)state;
  static const Op op[] = {OP_SUM, OP_MEAN};
  for (size_t i = 0; i < 2; i++)
    for (int j = 0; j < ADJOINT_REDUCTIONS; j++) {
      Sketch *s = sketch_new(ENTRY_TRAIN);
      ValueId x = sketch_param(s, "x", adjoint_reductions[j].a);
      check_gradients(
          s, sketch_pattern(s, "y", op[i], x, 0, adjoint_reductions[j].pattern),
          true);
    }
}

static void contractions(void **state) {
  (void)state;
  for (int j = 0; j < ADJOINT_CONTRACTIONS; j++) {
    Sketch *s = sketch_new(ENTRY_TRAIN);
    ValueId a = sketch_param(s, "a", adjoint_contractions[j].a);
    ValueId b = sketch_param(s, "b", adjoint_contractions[j].b);
    check_gradients(s,
                    sketch_pattern(s, "y", OP_EINSUM, a, b,
                                   adjoint_contractions[j].pattern),
                    true);
  }
}

static void cross_entropy(void **state) {
  (void)state;
  static const Extent logits[] = {{1, {5}},      {2, {4, 3}}, {2, {1, 3}},
                                  {2, {4, 1}},   {2, {3, 2}}, {3, {2, 3, 4}},
                                  {3, {1, 1, 2}}};
  for (size_t j = 0; j < sizeof logits / sizeof *logits; j++) {
    Sketch *s = sketch_new(ENTRY_TRAIN);
    Extent rows = logits[j];
    rows.rank--;
    ValueId x = sketch_param(s, "x", logits[j]);
    ValueId label =
        sketch_labels(s, "label", FORMAT_I32, rows, logits[j].dim[rows.rank]);
    check_gradients(s, sketch_op(s, "y", OP_SOFTMAX_XENT, x, label, 0), true);
  }
}

/* ---- graphs -------------------------------------------------------------- */

/* Several uses of one value, through different ops and twice by one op. */
static void fan_out(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  ValueId x = sketch_param(s, "x", EXTENT(2, 3));
  ValueId b = sketch_param(s, "b", EXTENT(3));
  ValueId square = sketch_op(s, "square", OP_MUL, x, x, 0);
  ValueId sum = sketch_op(s, "sum", OP_ADD, square, x, 0);
  ValueId shifted = sketch_op(s, "shifted", OP_ADD, sum, b, 0);
  ValueId ratio = sketch_op(s, "ratio", OP_DIV, shifted, sum, 0);
  ValueId gram =
      sketch_pattern(s, "gram", OP_EINSUM, ratio, x, "b i, c i -> b c");
  ValueId root = sketch_op(s, "root", OP_EXP, gram, 0, 0);
  check_gradients(s, sketch_op(s, "y", OP_SUB, root, gram, 0), false);
}

/* A weight used by two layers, and a bias whose gradient is the sum's own. */
static void shared_weight(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  ValueId x = sketch_input(s, "x", EXTENT(2, 3));
  ValueId w = sketch_param(s, "w", EXTENT(3, 3));
  ValueId c = sketch_param(s, "c", EXTENT(2, 3));
  ValueId h = sketch_pattern(s, "h", OP_EINSUM, x, w, "b i, o i -> b o");
  ValueId r = sketch_op(s, "r", OP_ADD, h, c, 0);
  ValueId y = sketch_pattern(s, "y", OP_EINSUM, r, w, "b i, i o -> b o");
  check_gradients(s, y, true);
}

/* A chain in which every rule meets another, with the loss a mean. */
static void deep_chain(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  ValueId x = sketch_param(s, "x", EXTENT(3, 4));
  ValueId m = sketch_pattern(s, "m", OP_MEAN, x, 0, "b o -> b");
  ValueId column = sketch_shaped(s, "column", OP_RESHAPE, m, FORMAT_REAL,
                                 EXTENT(3, 1), NULL);
  ValueId c = sketch_op(s, "c", OP_SUB, x, column, 0);
  ValueId c2 = sketch_op(s, "c2", OP_MUL, c, c, 0);
  ValueId v = sketch_pattern(s, "v", OP_MEAN, c2, 0, "b o -> b");
  ValueId e = sketch_op(s, "e", OP_ADD, v, sketch_number(s, 1e-3), 0);
  ValueId root = sketch_op(s, "root", OP_SQRT, e, 0, 0);
  ValueId wide = sketch_shaped(s, "wide", OP_BROADCAST, root, FORMAT_REAL,
                               EXTENT(3, 4), "b -> b o");
  check_gradients(s, sketch_op(s, "y", OP_DIV, c, wide, 0), true);
}

static void relu_at_zero_has_gradient_zero(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  ValueId x = sketch_param(s, "x", EXTENT(2));
  s->program->param.data[0].init = (Init){INIT_ZEROS, 0, 0};
  weigh(s, sketch_op(s, "y", OP_RELU, x, 0, 0));
  sketch_pass(s, PASS_autodiff);
  sketch_run(s, PRECISION_F64);
  assert_true(sketch_result(s, "d.x")[0] == 0);
  assert_true(sketch_result(s, "d.x")[1] == 0);
  sketch_free(s);
}

static void the_loss_may_be_a_parameter(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  ValueId x = sketch_param(s, "x", EXTENT_SCALAR);
  sketch_minimize(s, x);
  sketch_pass(s, PASS_autodiff);
  sketch_run(s, PRECISION_F64);
  assert_true(sketch_result(s, "d.x")[0] == 1);
  sketch_free(s);
}

static void an_unused_parameter_gets_zeros_and_a_warning(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  ValueId x = sketch_param(s, "x", EXTENT(3));
  ValueId dead = sketch_param(s, "dead", EXTENT(2, 2));
  ValueId rounded =
      sketch_shaped(s, "n", OP_CONVERT, dead, FORMAT_I32, EXTENT(2, 2), NULL);
  ValueId back = sketch_shaped(s, "r", OP_CONVERT, rounded, FORMAT_REAL,
                               EXTENT(2, 2), NULL);
  ValueId total = sketch_pattern(s, "total", OP_SUM, back, 0, "a b ->");
  weigh(s, sketch_op(s, "y", OP_ADD, x, total, 0));
  sketch_pass(s, PASS_autodiff);
  assert_int_equal(s->warnings, 1);
  assert_non_null(strstr(s->messages.data, "parameter dead"));
  assert_non_null(strstr(s->messages.data, "W0711"));
  sketch_run(s, PRECISION_F64);
  for (int i = 0; i < 4; i++)
    assert_true(sketch_result(s, "d.dead")[i] == 0);
  sketch_free(s);
}

static void ops_without_gradient_are_refused(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  ValueId x = sketch_param(s, "x", EXTENT(3, 4));
  Node node = node_make(OP_ARGMAX, PHASE_FORWARD, NULL, x, 0, 0);
  node.attr.axis = 1;
  node.type = sketch_type(s, FORMAT_I32, EXTENT(3));
  node.name = intern(s->program->interner, "guess");
  ValueId guess = graph_add(sketch_graph(s), &node);
  ValueId y =
      sketch_shaped(s, "y", OP_CONVERT, guess, FORMAT_REAL, EXTENT(3), NULL);
  weigh(s, y);
  assert_false(sketch_try(s, PASS_autodiff));
  assert_int_equal(s->errors, 1);
  assert_non_null(strstr(s->messages.data, "%guess"));
  assert_non_null(strstr(s->messages.data, "`argmax` has no gradient"));
  sketch_free(s);
}

/* Labels choose among values: they may come from the model itself. */
static void labels_stop_the_gradient(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  ValueId x = sketch_param(s, "x", EXTENT(3, 4));
  Node node = node_make(OP_ARGMAX, PHASE_FORWARD, NULL, x, 0, 0);
  node.attr.axis = 1;
  node.type = sketch_type(s, FORMAT_I32, EXTENT(3));
  node.name = intern(s->program->interner, "guess");
  ValueId guess = graph_add(sketch_graph(s), &node);
  check_gradients(s, sketch_op(s, "y", OP_SOFTMAX_XENT, x, guess, 0), false);
}

static void a_loss_must_be_one_number(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  ValueId x = sketch_param(s, "x", EXTENT(3));
  sketch_minimize(s, x);
  assert_false(sketch_try(s, PASS_autodiff));
  assert_non_null(strstr(s->messages.data, "real[3]"));
  sketch_free(s);
}

/* ---- the step of the listings -------------------------------------------- */

static const char *const perceptron_backward =
    "phase backward\n"
    "  %d.loss~1     : real[4]     = splat(0.25)\n"
    "  %d.logits     : real[4,3]   = softmax_xent_grad(%logits, %batch.label, "
    "%d.loss~1)\n"
    "  %d.net.l2.b   : real[3]     = sum(%d.logits, \"b o -> o\")\n"
    "  %d.net.l2.w   : real[3,5]   = einsum(%d.logits, %net.h, "
    "\"b o, b i -> o i\")\n"
    "  %d.net.h      : real[4,5]   = einsum(%d.logits, @net.l2.w, "
    "\"b o, o i -> b i\")\n"
    "  %d.net.l1.y'2 : real[4,5]   = relu_grad(%d.net.h, %net.h)\n"
    "  %d.net.l1.b   : real[5]     = sum(%d.net.l1.y'2, \"b o -> o\")\n"
    "  %d.net.l1.w   : real[5,12]  = einsum(%d.net.l1.y'2, %net.x, "
    "\"b o, b i -> o i\")\n";

/* Spaces between words count once. */
static void squeeze(char *text) {
  char *out = text;
  for (const char *in = text; *in; in++)
    if (*in != ' ' || out == text || out[-1] != ' ')
      *out++ = *in;
  *out = '\0';
}

static char *squeezed(Sketch *s, const char *text) {
  char *copy = arena_string(s->arena, text, strlen(text));
  squeeze(copy);
  return copy;
}

static void the_perceptron_reads_as_designed(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  sketch_perceptron(s);
  sketch_pass(s, PASS_simplify);
  sketch_pass(s, PASS_autodiff);
  assert_null(sketch_graph(s)->minimize);
  char *text = squeezed(s, sketch_text(s));
  if (!strstr(text, squeezed(s, perceptron_backward)))
    fail_msg("%s", sketch_text(s));
  assert_non_null(strstr(text, "%net.l1.w~1 : real[5,12] = "
                               "mul(%d.net.l1.w, 0.1)"));
  sketch_free(s);
}

static void the_perceptron_is_derived_right(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  sketch_perceptron(s);
  /* The updates would move what is being measured. */
  Graph *graph = sketch_graph(s);
  while (graph_node(graph, graph->count - 1)->phase == PHASE_UPDATE)
    graph->count--;
  sketch_pass(s, PASS_simplify);
  sketch_pass(s, PASS_autodiff);
  sketch_run(s, PRECISION_F64);
  double *derived[4];
  for (int i = 0; i < 4; i++)
    derived[i] = derived_gradient(s, &s->program->param.data[i]);
  for (int i = 0; i < 4; i++)
    check_param(s, i, derived[i]);
  sketch_free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(unary_ops),
      cmocka_unit_test(identities),
      cmocka_unit_test(binary_ops),
      cmocka_unit_test(one_side),
      cmocka_unit_test(structure),
      cmocka_unit_test(reductions),
      cmocka_unit_test(contractions),
      cmocka_unit_test(cross_entropy),
      cmocka_unit_test(fan_out),
      cmocka_unit_test(shared_weight),
      cmocka_unit_test(deep_chain),
      cmocka_unit_test(relu_at_zero_has_gradient_zero),
      cmocka_unit_test(the_loss_may_be_a_parameter),
      cmocka_unit_test(an_unused_parameter_gets_zeros_and_a_warning),
      cmocka_unit_test(ops_without_gradient_are_refused),
      cmocka_unit_test(labels_stop_the_gradient),
      cmocka_unit_test(a_loss_must_be_one_number),
      cmocka_unit_test(the_perceptron_reads_as_designed),
      cmocka_unit_test(the_perceptron_is_derived_right),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
