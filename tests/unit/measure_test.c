/* Measured exponents that make data fit a format: acceptance test 7 of the
 * numerics (FP8-AMAX), for every format with fewer exponents than f32; and what
 * states of exponents hold from step to step.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "ir/rng.h"
#include "tests/unit/eval_support.h"
#include "tests/unit/text_support.h"

/* What norm_exponent makes of {x, 0, 0, -x / 3} * 2^exponent. */
static int32_t fitted(Format fit, int32_t exponent, double x,
                      uint64_t unmeasured) {
  const double data[4] = {x, 0, 0, (float)(-x / 3)};
  return (int32_t)lab_norm_exponent(NORM_MAX, fit, exponent, data, unmeasured);
}

static bool next_format(Format *format) {
  do
    ++*format;
  while (*format < FORMAT_COUNT && !format_is_short(*format));
  return *format < FORMAT_COUNT;
}

/* The largest element is never clipped, and half the scale would clip it. */
static void test_amax_never_saturates(void **state) {
  (void)state;
  RngKey key = rng_key(7, 1, 1);
  for (Format f = FORMAT_REAL; next_format(&f);)
    for (uint64_t i = 0; i < 200; i++) {
      float mantissa = 1 + (float)(rng_u32(key, i) >> 8) * 0x1p-24f;
      double amax = ldexp(mantissa, (int)(i % 100) - 50);
      int32_t e = fitted(f, 0, amax, 0);
      assert_true(ldexp(amax, -e) <= format_max(f));
      assert_true(ldexp(amax, 1 - e) > format_max(f));
    }
}

/* amax = max * 2^k sits at the end of its binade of exponents. */
static void test_amax_boundary(void **state) {
  (void)state;
  for (Format f = FORMAT_REAL; next_format(&f);)
    for (int k = -30; k <= 30; k += 5) {
      double amax = ldexp(format_max(f), k);
      assert_int_equal(fitted(f, 0, amax, 0), k);
      assert_int_equal(fitted(f, 0, nextafterf((float)amax, INFINITY), 0),
                       k + 1);
      assert_int_equal(fitted(f, 0, nextafterf((float)amax, 0), 0), k);
      assert_int_equal(fitted(f, 7, amax, 0), k + 7);
    }
}

/* Nothing to measure: the exponent stays, and it is counted. */
static void test_amax_of_nothing(void **state) {
  (void)state;
  const double nothing[] = {0, -0.0, INFINITY, -INFINITY, NAN};
  for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
    assert_int_equal(fitted(FORMAT_E4M3, 0, nothing[i], 1), 0);
    assert_int_equal(fitted(FORMAT_E5M2, -9, nothing[i], 1), -9);
  }
}

static void test_amax_clips(void **state) {
  (void)state;
  assert_int_equal(fitted(FORMAT_E4M3, -120, 0x1p-20, 0), EXPONENT_MIN);
  assert_int_equal(fitted(FORMAT_E5M2, 0, 0x1p-126, 0), EXPONENT_MIN);
  assert_int_equal(fitted(FORMAT_E2M1, 0, 0x1.8p127, 0), 125);
}

/* ---- exponents over several steps ---------------------------------------- */

static const char stepping[] =
    "sgir 1 final\n"
    "program \"t\"\n"
    "recipe r { default : f32, scale = propagate(down) }\n"
    "state @m : f16[2] * 2^@m.exp = constant(0.25)\n"
    "exponent @m.exp : i32[] = constant(-2)\n"
    "exponent @held.exp : i32[] = zeros\n"
    "exponent @late.amax : i32[2] = constant(-127)\n"
    "train @f(%x : f32[2] * 2^0) -> (%y : f32[2] * 2^$late) recipe = r {\n"
    "phase forward\n"
    "  $now = norm_exponent(%x, empty = true, fit = e4m3, by = max)\n"
    "  $late = delayed_exponent(@late.amax, %x)\n"
    "  store @late.amax, $now\n"
    "  %y : f32[2] * 2^$late = rebalance(%x)\n"
    "  $size = norm_exponent(%x, by = max)\n"
    "  $held = held_exponent(@held.exp, $size, every = 3)\n"
    "  store @held.exp, $held\n"
    "  $m = state_exponent(@m.exp)\n"
    "  %n : f32[2] * 2^$size = rebalance(%x)\n"
    "  store @m.exp, $size\n"
    "  store @m, %n\n"
    "}\n";

/* Exponents by name in steps 1 to 6, for x = {2^5, -7} and so on. */
static void test_steps(void **state) {
  (void)state;
  static const double x[6][2] = {{32, -7}, {0x1p9, 1},  {0, 0},
                                 {NAN, 1}, {0x1p-3, 0}, {448, 449}};
  static const struct {
    const char *name;
    double value[6];
  } expected[] = {{"$late", {0, -3, 1, 1, 0, -11}},
                  {"$held", {5, 5, 5, 0, 0, 0}},
                  {"$m", {-2, 5, 9, 0, 0, -3}},
                  {"$now", {-3, 1, -127, -127, -11, 1}}};
  for (Precision p = PRECISION_F64; p <= PRECISION_EDGES; p++) {
    Text *text = text_read(stepping);
    Graph *graph = text_graph(text);
    Evaluator *evaluator = evaluator_new(text->program, p, 1);
    for (int step = 0; step < 6; step++) {
      double data[2] = {x[step][0], x[step][1]};
      Tensor input = {graph_node(graph, graph->input.data[0].value)->type, data,
                      0};
      const char *error = NULL;
      assert_true(
          evaluator_step(evaluator, graph, (uint64_t)step + 1, &input, &error));
      for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ValueId id = text_value(text, expected[i].name);
        double got = evaluator_value(evaluator, graph, id)->data[0];
        if (got != expected[i].value[step])
          fail_msg("step %d: %s is %g, not %g", step + 1, expected[i].name, got,
                   expected[i].value[step]);
      }
    }
    assert_int_equal(evaluator_param(evaluator, 0)->exponent, 8);
    evaluator_free(evaluator);
    text_free(text);
  }
}

/* ---- micro-batches ------------------------------------------------------- */

static const char accumulating[] =
    "sgir 1 final\n"
    "program \"t\"\n"
    "recipe r { default : f32, scale = propagate(down) }\n"
    "exponent @late.amax : i32[2] = constant(-127)\n"
    "train @f(%x : f32[1] * 2^0) recipe = r, accumulate = 3 {\n"
    "phase forward\n"
    "  $now = norm_exponent(%x, empty = true, by = max)\n"
    "  store @late.amax, $now\n"
    "}\n";

/* A history has the largest of each step, whichever micro-batch it was in. */
static void test_largest_of_micro_batches(void **state) {
  (void)state;
  double x[2][3] = {{2, 32, 0}, {8, 1, 4}};
  Text *text = text_read(accumulating);
  Graph *graph = text_graph(text);
  Evaluator *evaluator = evaluator_new(text->program, PRECISION_F32, 1);
  const Type *type = graph_node(graph, graph->input.data[0].value)->type;
  for (int step = 0; step < 2; step++) {
    Tensor input[3];
    const char *error = NULL;
    for (int i = 0; i < 3; i++)
      input[i] = (Tensor){type, &x[step][i], 0};
    assert_true(
        evaluator_step(evaluator, graph, (uint64_t)step + 1, input, &error));
  }
  const double *history = evaluator_param(evaluator, 0)->data;
  assert_true(history[0] == 5 && history[1] == 3);
  evaluator_free(evaluator);
  text_free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_amax_never_saturates),
      cmocka_unit_test(test_amax_boundary),
      cmocka_unit_test(test_amax_of_nothing),
      cmocka_unit_test(test_amax_clips),
      cmocka_unit_test(test_steps),
      cmocka_unit_test(test_largest_of_micro_batches),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
