/* Choices, comparisons and elementwise functions under scalify: no bit moves,
 * at static and at run-time exponents, forward and backward.
 */
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

/* Operands of very different size: 2^level and 2^-5.2, each also behind a
 * measured exponent, and the square of the first. */
enum { OPERANDS = 5 };

typedef struct {
  Sketch *s;
  ValueId operand[OPERANDS];
  ValueId loss; /* so far, or 0 */
} Mix;

static Mix mix_new(double level) {
  Mix mix = {.s = sketch_new(ENTRY_TRAIN)};
  Sketch *s = mix.s;
  ValueId a = sketch_normal(s, "a", EXTENT(3, 7), level);
  ValueId b = sketch_normal(s, "b", EXTENT(7), -5.2);
  mix.operand[0] = a;
  mix.operand[1] = b;
  mix.operand[2] = sketch_op(s, "ra", OP_RESCALE, a, 0, 0);
  mix.operand[3] = sketch_op(s, "rb", OP_RESCALE, b, 0, 0);
  mix.operand[4] = sketch_op(s, "aa", OP_MUL, a, a, 0);
  return mix;
}

static void mix_add(Mix *mix, ValueId y) {
  Sketch *s = mix->s;
  int rank = graph_node(sketch_graph(s), y)->type->rank;
  ValueId total = rank == 0 ? y
                            : sketch_pattern(s, NULL, OP_MEAN, y, 0,
                                             rank == 1 ? "a ->" : "a b ->");
  mix->loss =
      mix->loss ? sketch_op(s, NULL, OP_ADD, mix->loss, total, 0) : total;
}

/* Derives, then compares the plain program with the scaled one. */
static void mix_check(Mix *mix) {
  Sketch *s = mix->s;
  sketch_return(s, "loss", mix->loss);
  sketch_minimize(s, mix->loss);
  sketch_pass(s, PASS_autodiff);
  Record plain[2] = {sketch_record(s, PRECISION_F64, 1),
                     sketch_record(s, PRECISION_F32, 1)};
  recipe_scaled(s);
  sketch_pass(s, PASS_scalify);
  Record scaled[2] = {sketch_record(s, PRECISION_F64, 1),
                      sketch_record(s, PRECISION_F32, 1)};
  assert_true(evaluator_certified(s->evaluator));
  for (int i = 0; i < 2; i++)
    assert_true(record_expect_equal(&plain[i], &scaled[i]) > 10);
  sketch_free(s);
}

/* The square is left out: the slope of erf would underflow. */
static void functions(void **state) {
  (void)state;
  static const Op op[] = {OP_ABS,     OP_SIGN, OP_FLOOR, OP_ROUND, OP_TANH,
                          OP_SIGMOID, OP_ERF,  OP_SIN,   OP_COS};
  for (size_t i = 0; i < sizeof op / sizeof *op; i++) {
    Mix mix = mix_new(1.2);
    for (int j = 0; j < OPERANDS - 1; j++)
      mix_add(&mix, sketch_op(mix.s, NULL, op[i], mix.operand[j], 0, 0));
    mix_check(&mix);
  }
}

static void inverse_roots(void **state) {
  (void)state;
  Mix mix = mix_new(3.7);
  for (int j = 0; j < OPERANDS; j++) {
    ValueId size = sketch_op(mix.s, NULL, OP_ABS, mix.operand[j], 0, 0);
    mix_add(&mix, sketch_op(mix.s, NULL, OP_RSQRT, size, 0, 0));
  }
  mix_check(&mix);
}

static void pairs(void **state) {
  (void)state;
  static const Op op[] = {OP_MAXIMUM, OP_MINIMUM};
  for (size_t k = 0; k < 2; k++) {
    Mix mix = mix_new(3.7);
    for (int i = 0; i < OPERANDS; i++)
      for (int j = 0; j < OPERANDS; j++)
        mix_add(&mix, sketch_op(mix.s, NULL, op[k], mix.operand[i],
                                mix.operand[j], 0));
    ValueId zero = sketch_number(mix.s, 0);
    ValueId low = sketch_number(mix.s, -INFINITY);
    mix_add(&mix, sketch_op(mix.s, NULL, op[k], mix.operand[2], zero, 0));
    if (op[k] == OP_MAXIMUM)
      mix_add(&mix, sketch_op(mix.s, NULL, op[k], mix.operand[1], low, 0));
    mix_check(&mix);
  }
}

/* The masks are results, so that comparisons count as well. */
static void selections(void **state) {
  (void)state;
  static const Op op[] = {OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE};
  for (size_t k = 0; k < sizeof op / sizeof *op; k++) {
    Mix mix = mix_new(3.7);
    ValueId zero = sketch_number(mix.s, 0);
    for (int i = 0; i < OPERANDS; i++)
      for (int j = 0; j < OPERANDS; j++) {
        ValueId a = mix.operand[i], b = mix.operand[j];
        ValueId mask = sketch_op(mix.s, NULL, op[k], a, b, 0);
        mix_add(&mix, sketch_op(mix.s, NULL, OP_SELECT, mask, a, b));
        mix_add(&mix, sketch_op(mix.s, NULL, OP_SELECT, mask, b, zero));
      }
    mix_check(&mix);
  }
}

static void powers(void **state) {
  (void)state;
  Mix mix = mix_new(3.7);
  for (int i = 0; i < OPERANDS; i++) {
    ValueId size = sketch_op(mix.s, NULL, OP_ABS, mix.operand[i], 0, 0);
    mix_add(&mix, sketch_op(mix.s, NULL, OP_POW, size, mix.operand[1], 0));
    mix_add(&mix, sketch_op(mix.s, NULL, OP_POW, size, mix.operand[3], 0));
    mix_add(&mix,
            sketch_op(mix.s, NULL, OP_POW, size, sketch_number(mix.s, 1.5), 0));
  }
  mix_check(&mix);
}

/* The predicted rms of bounded functions is that of normal operands. */
static void bounded_functions_are_estimated(void **state) {
  (void)state;
  static const Op op[] = {OP_TANH, OP_SIGMOID, OP_ERF, OP_SIN, OP_COS};
  for (size_t i = 0; i < sizeof op / sizeof *op; i++)
    for (int level = -4; level <= 4; level++) {
      Sketch *s = sketch_new(ENTRY_PLAIN);
      ValueId x = sketch_normal(s, "x", EXTENT(4096), level);
      sketch_return(s, "y", sketch_op(s, "y", op[i], x, 0, 0));
      recipe_scaled(s);
      sketch_pass(s, PASS_scalify);
      sketch_run(s, PRECISION_F32);
      const Node *y = sketch_node(s, "y");
      double measured = log2(sketch_rms(s, sketch_find(s, "y")));
      if (fabs(measured - y->estimate.log2_rms) > 0.15)
        fail_msg("%s at 2^%d: 2^%.2f, estimated 2^%.2f", op_info(op[i])->text,
                 level, measured, y->estimate.log2_rms);
      sketch_free(s);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(functions),
      cmocka_unit_test(inverse_roots),
      cmocka_unit_test(pairs),
      cmocka_unit_test(selections),
      cmocka_unit_test(powers),
      cmocka_unit_test(bounded_functions_are_estimated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
