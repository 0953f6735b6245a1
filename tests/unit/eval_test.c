/* ir/eval: every op against numbers worked out by hand, in every precision,
 * and what a step does with inputs, parameters and errors.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "ir/f32math.h"
#include "ir/init.h"
#include "ir/rng.h"
#include "tests/unit/eval_support.h"

static const Precision precisions[] = {PRECISION_F64, PRECISION_F32,
                                       PRECISION_EDGES};
#define FOR_PRECISIONS(p)                                                      \
  for (const Precision *p = precisions; p < precisions + 3; p++)

#define NUMBERS(...) ((const double[]){__VA_ARGS__})

/* ---- leaves ------------------------------------------------------------- */

static void test_leaves(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId tenth = lab_const(lab, 0.1);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(0.1, -3));
  ValueId bytes = lab_input(lab, FORMAT_U8, SHAPE(2), NUMBERS(0, 255));
  ValueId step = lab_step(lab);
  FOR_PRECISIONS(p) {
    double exact = *p == PRECISION_F64 ? 0.1 : (double)0.1f;
    lab_run(lab, *p, 7);
    lab_expect(lab, tenth, NUMBERS(exact));
    lab_expect(lab, x, NUMBERS(exact, -3));
    lab_expect(lab, bytes, NUMBERS(0, 255));
    lab_expect(lab, step, NUMBERS(7));
  }
  lab_free(lab);
}

static void test_scaled_leaf(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_SCALED);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(3, -0.5));
  lab_scale(lab, x, 2);
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, x, NUMBERS(0.75, -0.125));
  assert_int_equal(evaluator_value(lab->evaluator, lab->graph, x)->exponent, 2);
  lab_free(lab);
}

static void test_bad_inputs(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_U8, SHAPE(2, 2), NUMBERS(1, 2, 3, 4));
  lab_run(lab, PRECISION_F32, 1);
  lab->input[0].data[2] = 256;
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error, "input v1: 256 at element 2 is not a u8");
  lab->input[0].data[2] = 2.5;
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error, "input v1: 2.5 at element 2 is not a u8");
  lab->input[0].type = lab_type(lab, FORMAT_U8, SHAPE(4));
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error,
                      "input v1: u8[2,2] is needed, u8[4] is given");
  lab->input[0].data = NULL;
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error,
                      "input v1: u8[2,2] is needed, nothing is given");
  assert_null(evaluator_value(lab->evaluator, lab->graph, x));
  lab_free(lab);
}

/* What autodiff is to replace cannot be carried out. */
static void test_placeholder(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  lab_const(lab, 1);
  lab_run(lab, PRECISION_F32, 1);
  lab_op(lab, OP_INPUT, FORMAT_REAL, SCALAR, 0, 0, 0);
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error,
                      "there are no gradients yet: run autodiff first");
  lab_free(lab);
}

static void test_unknown_values(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  lab_const(lab, 1);
  Graph *other = graph_new(lab->arena, ENTRY_PLAIN, "other");
  lab_run(lab, PRECISION_F32, 1);
  assert_null(evaluator_value(lab->evaluator, other, 1));
  assert_null(evaluator_value(lab->evaluator, lab->graph, 0));
  assert_null(evaluator_value(lab->evaluator, lab->graph, 2));
  assert_null(evaluator_param(lab->evaluator, 0));
  graph_free(other);
  lab_free(lab);
}

/* ---- elementwise -------------------------------------------------------- */

static void test_arithmetic(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId a = lab_input(lab, FORMAT_REAL, SHAPE(3), NUMBERS(1, -6, INFINITY));
  ValueId b = lab_input(lab, FORMAT_REAL, SHAPE(3), NUMBERS(3, 4, 0));
  ValueId sum = lab_op(lab, OP_ADD, FORMAT_REAL, SHAPE(3), a, b, 0);
  ValueId difference = lab_op(lab, OP_SUB, FORMAT_REAL, SHAPE(3), a, b, 0);
  ValueId product = lab_op(lab, OP_MUL, FORMAT_REAL, SHAPE(3), a, b, 0);
  ValueId quotient = lab_op(lab, OP_DIV, FORMAT_REAL, SHAPE(3), a, b, 0);
  ValueId minus = lab_op(lab, OP_NEG, FORMAT_REAL, SHAPE(3), b, 0, 0);
  FOR_PRECISIONS(p) {
    double third = *p == PRECISION_F64 ? 1.0 / 3 : (double)(1.0f / 3);
    lab_run(lab, *p, 1);
    lab_expect(lab, sum, NUMBERS(4, -2, INFINITY));
    lab_expect(lab, difference, NUMBERS(-2, -10, INFINITY));
    lab_expect(lab, product, NUMBERS(3, -24, NAN));
    lab_expect(lab, quotient, NUMBERS(third, -1.5, INFINITY));
    lab_expect(lab, minus, NUMBERS(-3, -4, -0.0));
  }
  lab_free(lab);
}

/* A sum whose binary32 and binary64 results differ. */
static void test_precision_of_sums(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId a = lab_const(lab, 0x1p24), b = lab_const(lab, 1);
  ValueId sum = lab_op(lab, OP_ADD, FORMAT_REAL, SCALAR, a, b, 0);
  lab_run(lab, PRECISION_F64, 1);
  lab_expect(lab, sum, NUMBERS(0x1p24 + 1));
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, sum, NUMBERS(0x1p24));
  lab_free(lab);
}

static void test_broadcasting(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId a =
      lab_input(lab, FORMAT_REAL, SHAPE(2, 3), NUMBERS(1, 2, 3, 4, 5, 6));
  ValueId row = lab_input(lab, FORMAT_REAL, SHAPE(3), NUMBERS(10, 20, 30));
  ValueId column = lab_input(lab, FORMAT_REAL, SHAPE(2, 1), NUMBERS(100, 200));
  ValueId one = lab_const(lab, 0.5);
  ValueId x = lab_op(lab, OP_ADD, FORMAT_REAL, SHAPE(2, 3), a, row, 0);
  ValueId y = lab_op(lab, OP_ADD, FORMAT_REAL, SHAPE(2, 3), column, a, 0);
  ValueId z = lab_op(lab, OP_SUB, FORMAT_REAL, SHAPE(2, 3), one, a, 0);
  ValueId outer_row =
      lab_op(lab, OP_RESHAPE, FORMAT_REAL, SHAPE(1, 3), row, 0, 0);
  ValueId outer =
      lab_op(lab, OP_SUB, FORMAT_REAL, SHAPE(2, 3), column, outer_row, 0);
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, x, NUMBERS(11, 22, 33, 14, 25, 36));
    lab_expect(lab, y, NUMBERS(101, 102, 103, 204, 205, 206));
    lab_expect(lab, z, NUMBERS(-0.5, -1.5, -2.5, -3.5, -4.5, -5.5));
    lab_expect(lab, outer, NUMBERS(90, 80, 70, 190, 180, 170));
  }
  lab_free(lab);
}

static void test_relu(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(6),
                        NUMBERS(-1, -0.0, 0, 2, NAN, -INFINITY));
  ValueId y = lab_op(lab, OP_RELU, FORMAT_REAL, SHAPE(6), x, 0, 0);
  ValueId mask = lab_op(lab, OP_POSITIVE, FORMAT_BOOL, SHAPE(6), x, 0, 0);
  ValueId dy =
      lab_input(lab, FORMAT_REAL, SHAPE(6), NUMBERS(1, 2, 3, NAN, 5, 6));
  ValueId dx = lab_op(lab, OP_RELU_GRAD, FORMAT_REAL, SHAPE(6), dy, y, 0);
  ValueId same = lab_op(lab, OP_RELU_GRAD, FORMAT_REAL, SHAPE(6), dy, mask, 0);
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, y, NUMBERS(0, 0, 0, 2, NAN, 0));
    lab_expect(lab, mask, NUMBERS(0, 0, 0, 1, 0, 0));
    lab_expect(lab, dx, NUMBERS(0, 0, 0, NAN, 0, 0));
    lab_expect(lab, same, NUMBERS(0, 0, 0, NAN, 0, 0));
  }
  lab_free(lab);
}

static void test_functions(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(3), NUMBERS(2, 0, -1));
  ValueId root = lab_op(lab, OP_SQRT, FORMAT_REAL, SHAPE(3), x, 0, 0);
  ValueId power = lab_op(lab, OP_EXP, FORMAT_REAL, SHAPE(3), x, 0, 0);
  ValueId logarithm = lab_op(lab, OP_LOG, FORMAT_REAL, SHAPE(3), x, 0, 0);
  lab_run(lab, PRECISION_F64, 1);
  lab_expect(lab, root, NUMBERS(sqrt(2), 0, NAN));
  lab_expect(lab, power, NUMBERS(exp(2), 1, exp(-1)));
  lab_expect(lab, logarithm, NUMBERS(log(2), -INFINITY, NAN));
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, root, NUMBERS((double)sqrtf(2), 0, NAN));
  lab_expect(lab, power, NUMBERS((double)f32_exp(2), 1, (double)f32_exp(-1)));
  lab_expect(lab, logarithm, NUMBERS((double)f32_log(2), -INFINITY, NAN));
  lab_free(lab);
}

/* Integers beyond 2^24 must not pass through binary32. */
static void test_eq(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId a = lab_input(lab, FORMAT_I32, SHAPE(2), NUMBERS(16777216, 5));
  ValueId b = lab_input(lab, FORMAT_I32, SHAPE(2), NUMBERS(16777217, 5));
  ValueId same = lab_op(lab, OP_EQ, FORMAT_BOOL, SHAPE(2), a, b, 0);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(NAN, -0.0));
  ValueId y = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(NAN, 0));
  ValueId real = lab_op(lab, OP_EQ, FORMAT_BOOL, SHAPE(2), x, y, 0);
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, same, NUMBERS(0, 1));
    lab_expect(lab, real, NUMBERS(0, 1));
  }
  lab_free(lab);
}

static void test_convert(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(5),
                        NUMBERS(-1.75, 2.5, 1e10, NAN, -INFINITY));
  ValueId i32 = lab_op(lab, OP_CONVERT, FORMAT_I32, SHAPE(5), x, 0, 0);
  ValueId u8 = lab_op(lab, OP_CONVERT, FORMAT_U8, SHAPE(5), x, 0, 0);
  ValueId truth = lab_op(lab, OP_CONVERT, FORMAT_BOOL, SHAPE(5), u8, 0, 0);
  ValueId back = lab_op(lab, OP_CONVERT, FORMAT_REAL, SHAPE(5), i32, 0, 0);
  FOR_PRECISIONS(p) {
    bool f64 = *p == PRECISION_F64;
    lab_run(lab, *p, 1);
    lab_expect(lab, i32, NUMBERS(-1, 2, 2147483647, 0, -2147483648.0));
    lab_expect(lab, u8, NUMBERS(0, 2, 255, 0, 0));
    lab_expect(lab, truth, NUMBERS(0, 1, 1, 0, 0));
    lab_expect(
        lab, back,
        NUMBERS(-1, 2, f64 ? 2147483647 : 2147483648.0, 0, -2147483648.0));
  }
  lab_free(lab);
}

/* ---- structure ---------------------------------------------------------- */

static void test_structure(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x =
      lab_input(lab, FORMAT_REAL, SHAPE(2, 3), NUMBERS(1, 2, 3, 4, 5, 6));
  ValueId flat = lab_op(lab, OP_RESHAPE, FORMAT_REAL, SHAPE(3, 2), x, 0, 0);
  ValueId turned =
      lab_pattern(lab, OP_TRANSPOSE, SHAPE(3, 2), x, 0, "a b -> b a");
  ValueId row = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(7, 8));
  ValueId spread =
      lab_pattern(lab, OP_BROADCAST, SHAPE(2, 3, 2), row, 0, "a -> a n m");
  ValueId seven = lab_const(lab, 7);
  ValueId full = lab_op(lab, OP_SPLAT, FORMAT_REAL, SHAPE(3), seven, 0, 0);
  ValueId same = lab_op(lab, OP_RESCALE, FORMAT_REAL, SHAPE(2, 3), x, 0, 0);
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, flat, NUMBERS(1, 2, 3, 4, 5, 6));
    lab_expect(lab, turned, NUMBERS(1, 4, 2, 5, 3, 6));
    lab_expect(lab, spread, NUMBERS(7, 7, 7, 7, 7, 7, 8, 8, 8, 8, 8, 8));
    lab_expect(lab, full, NUMBERS(7, 7, 7));
    lab_expect(lab, same, NUMBERS(1, 2, 3, 4, 5, 6));
  }
  lab_free(lab);
}

static void test_transpose_of_three(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  double data[24], expected[24];
  for (int i = 0; i < 24; i++)
    data[i] = i;
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2, 3, 4), data);
  ValueId y =
      lab_pattern(lab, OP_TRANSPOSE, SHAPE(4, 2, 3), x, 0, "a b c -> c a b");
  for (int c = 0, at = 0; c < 4; c++)
    for (int a = 0; a < 2; a++)
      for (int b = 0; b < 3; b++)
        expected[at++] = a * 12 + b * 4 + c;
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, y, expected);
  lab_free(lab);
}

/* ---- reductions and losses ---------------------------------------------- */

static void test_sum_and_mean(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x =
      lab_input(lab, FORMAT_REAL, SHAPE(2, 3), NUMBERS(1, 2, 3, 4, 5, 6));
  ValueId columns = lab_pattern(lab, OP_SUM, SHAPE(3), x, 0, "b o -> o");
  ValueId rows = lab_pattern(lab, OP_MEAN, SHAPE(2), x, 0, "b o -> b");
  ValueId all = lab_pattern(lab, OP_SUM, SCALAR, x, 0, "b o ->");
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, columns, NUMBERS(5, 7, 9));
    lab_expect(lab, rows, NUMBERS(2, 5));
    lab_expect(lab, all, NUMBERS(21));
  }
  lab_free(lab);
}

static void test_argmax(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2, 4),
                        NUMBERS(1, 5, 5, -1, INFINITY, NAN, 2, NAN));
  ValueId last = lab_op(lab, OP_ARGMAX, FORMAT_I32, SHAPE(2), x, 0, 0);
  ValueId first = lab_op(lab, OP_ARGMAX, FORMAT_I32, SHAPE(4), x, 0, 0);
  lab_node(lab, last)->attr.axis = 1;
  lab_node(lab, first)->attr.axis = 0;
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, last, NUMBERS(1, 1));
    lab_expect(lab, first, NUMBERS(1, 1, 0, 1));
  }
  lab_free(lab);
}

static void test_softmax_xent(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2, 3),
                        NUMBERS(1, 3, 2, -INFINITY, 0, NAN));
  ValueId labels = lab_input(lab, FORMAT_U8, SHAPE(2), NUMBERS(2, 1));
  ValueId dy = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(0.5, 1));
  ValueId loss =
      lab_op(lab, OP_SOFTMAX_XENT, FORMAT_REAL, SHAPE(2), x, labels, 0);
  ValueId grad = lab_op(lab, OP_SOFTMAX_XENT_GRAD, FORMAT_REAL, SHAPE(2, 3), x,
                        labels, dy);
  lab_run(lab, PRECISION_F64, 1);
  double e0 = exp(-2), e2 = exp(-1), s = (e0 + e2) + 1;
  /* Lanes 0, 1, 2 fold as (0 + 2) + 1. */
  lab_expect(lab, loss, NUMBERS(log(s) - -1, NAN));
  lab_expect(
      lab, grad,
      NUMBERS(e0 / s * 0.5, 1 / s * 0.5, (e2 / s - 1) * 0.5, NAN, NAN, NAN));
  lab_run(lab, PRECISION_F32, 1);
  float f0 = f32_exp(-2), f2 = f32_exp(-1), t = (f0 + f2) + 1;
  lab_expect(lab, loss, NUMBERS((double)(f32_log(t) - -1.0f), NAN));
  lab_expect(lab, grad,
             NUMBERS((double)(f0 / t * 0.5f), (double)(1 / t * 0.5f),
                     (double)((f2 / t - 1) * 0.5f), NAN, NAN, NAN));
  lab_free(lab);
}

static void test_label_errors(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  double logits[40] = {0};
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(4, 10), logits);
  ValueId labels = lab_input(lab, FORMAT_I32, SHAPE(4), NUMBERS(0, 9, 1, 9));
  lab_op(lab, OP_SOFTMAX_XENT, FORMAT_REAL, SHAPE(4), x, labels, 0);
  lab_run(lab, PRECISION_F32, 1);
  lab->input[1].data[3] = 12;
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error, "label 12 at element 3 is outside [0, 10)");
  lab->input[1].data[3] = -1;
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error, "label -1 at element 3 is outside [0, 10)");
  lab_free(lab);
}

/* ---- parameters and stores ---------------------------------------------- */

static void test_parameters_start(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_SCALED);
  Init normal = {INIT_NORMAL, 0.0357, 0};
  int w = lab_new_param(lab, "net.w", FORMAT_REAL, SHAPE(3), normal,
                        scale_static(-5));
  ValueId read = lab_param(lab, w);
  RngKey key = rng_key(1, 0, rng_hash_name("net.w"));
  double expected[3];
  for (uint64_t i = 0; i < 3; i++)
    expected[i] = (double)(0.0357f * rng_normal(key, i) * 32);
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, read, expected);
    assert_int_equal(evaluator_param(lab->evaluator, w)->exponent, -5);
  }
  lab_free(lab);
}

/* w becomes w + 1 and v becomes w: both reads see the old values. */
static void test_stores(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  Init zeros = {INIT_ZEROS, 0, 0}, ones = {INIT_ONES, 0, 0};
  int w = lab_new_param(lab, "w", FORMAT_REAL, SHAPE(2), ones, scale_none());
  int v = lab_new_param(lab, "v", FORMAT_REAL, SHAPE(2), zeros, scale_none());
  ValueId one = lab_const(lab, 1);
  ValueId old_w = lab_param(lab, w);
  ValueId next = lab_op(lab, OP_ADD, FORMAT_REAL, SHAPE(2), old_w, one, 0);
  lab_store(lab, w, next);
  ValueId late = lab_param(lab, w);
  lab_store(lab, v, late);
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    assert_true(evaluator_param(lab->evaluator, w)->data[1] == 2);
    assert_true(evaluator_param(lab->evaluator, v)->data[1] == 1);
    lab_expect(lab, old_w, NUMBERS(1, 1));
    assert_true(lab_again(lab, 2));
    assert_true(evaluator_param(lab->evaluator, w)->data[0] == 3);
    assert_true(evaluator_param(lab->evaluator, v)->data[0] == 2);
    evaluator_param(lab->evaluator, w)->data[0] = 10;
    assert_true(lab_again(lab, 3));
    lab_expect(lab, old_w, NUMBERS(10, 3));
  }
  lab_free(lab);
}

/* A step that fails leaves the parameters alone. */
static void test_failed_step(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  Init ones = {INIT_ONES, 0, 0};
  int w = lab_new_param(lab, "w", FORMAT_REAL, SHAPE(1), ones, scale_none());
  ValueId three = lab_input(lab, FORMAT_REAL, SHAPE(1), NUMBERS(3));
  lab_store(lab, w, three);
  lab_input(lab, FORMAT_U8, SHAPE(1), NUMBERS(0));
  lab->evaluator = evaluator_new(lab->program, PRECISION_F32, 1);
  lab->input[1].data[0] = -1;
  assert_false(lab_again(lab, 1));
  assert_true(evaluator_param(lab->evaluator, w)->data[0] == 1);
  lab->input[1].data[0] = 1;
  assert_true(lab_again(lab, 1));
  assert_true(evaluator_param(lab->evaluator, w)->data[0] == 3);
  lab_free(lab);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_leaves),
      cmocka_unit_test(test_scaled_leaf),
      cmocka_unit_test(test_bad_inputs),
      cmocka_unit_test(test_placeholder),
      cmocka_unit_test(test_unknown_values),
      cmocka_unit_test(test_arithmetic),
      cmocka_unit_test(test_precision_of_sums),
      cmocka_unit_test(test_broadcasting),
      cmocka_unit_test(test_relu),
      cmocka_unit_test(test_functions),
      cmocka_unit_test(test_eq),
      cmocka_unit_test(test_convert),
      cmocka_unit_test(test_structure),
      cmocka_unit_test(test_transpose_of_three),
      cmocka_unit_test(test_sum_and_mean),
      cmocka_unit_test(test_argmax),
      cmocka_unit_test(test_softmax_xent),
      cmocka_unit_test(test_label_errors),
      cmocka_unit_test(test_parameters_start),
      cmocka_unit_test(test_stores),
      cmocka_unit_test(test_failed_step),
  };
  return cmocka_run_group_tests_name("eval", tests, NULL, NULL);
}
