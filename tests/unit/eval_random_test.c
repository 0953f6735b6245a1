/* Random values: what they are drawn from, that nothing but seed, step and
 * name decides, and micro-batches; and images that move.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ir/rng.h"
#include "tests/unit/eval_support.h"

#define NUMBERS(...) ((const double[]){__VA_ARGS__})

static ValueId bernoulli(Lab *lab, Shape shape, double p, const char *name) {
  ValueId id = lab_op(lab, OP_BERNOULLI, FORMAT_BOOL, shape, 0, 0, 0);
  lab_node(lab, id)->attr.probability = p;
  lab_node(lab, id)->name = name;
  return id;
}

/* The evaluator of a lab has a fixed seed: the first draw tells which. */
static void draws_have_their_share(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  enum { N = 40000 };
  ValueId half = bernoulli(lab, SHAPE(N), 0.5, "a");
  ValueId most = bernoulli(lab, SHAPE(N), 0.9, "b");
  ValueId none = bernoulli(lab, SHAPE(N), 0, "c");
  ValueId all = bernoulli(lab, SHAPE(N), 1, "d");
  lab_run(lab, PRECISION_F32, 1);
  double sum[4] = {0};
  for (int i = 0; i < N; i++) {
    sum[0] += lab_data(lab, half)[i];
    sum[1] += lab_data(lab, most)[i];
    sum[2] += lab_data(lab, none)[i];
    sum[3] += lab_data(lab, all)[i];
  }
  /* Five standard deviations. */
  assert_true(sum[0] > 0.5 * N - 500 && sum[0] < 0.5 * N + 500);
  assert_true(sum[1] > 0.9 * N - 300 && sum[1] < 0.9 * N + 300);
  assert_true(sum[2] == 0 && sum[3] == N);
  lab_free(lab);
}

static void whole_numbers_fill_their_range(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  enum { N = 70000 };
  ValueId id = lab_op(lab, OP_RANDOM_INT, FORMAT_I32, SHAPE(N), 0, 0, 0);
  lab_node(lab, id)->attr.low = -3;
  lab_node(lab, id)->attr.high = 4;
  lab_run(lab, PRECISION_F64, 1);
  int seen[7] = {0};
  for (int i = 0; i < N; i++) {
    int x = (int)lab_data(lab, id)[i];
    assert_true(x >= -3 && x < 4);
    seen[x + 3]++;
  }
  for (int i = 0; i < 7; i++)
    assert_true(seen[i] > N / 7 - 500 && seen[i] < N / 7 + 500);
  lab_free(lab);
}

static bool same(const double *a, const double *b, size_t n) {
  return memcmp(a, b, n * sizeof *a) == 0;
}

/* The same name and step give the same numbers, in any precision and place. */
static void names_and_steps_are_the_key(void **state) {
  (void)state;
  enum { N = 64 };
  double first[N], second[N];
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId a = bernoulli(lab, SHAPE(N), 0.5, "a");
  ValueId b = bernoulli(lab, SHAPE(N), 0.5, "b");
  lab_run(lab, PRECISION_F32, 1);
  memcpy(first, lab_data(lab, a), sizeof first);
  assert_false(same(first, lab_data(lab, b), N));
  assert_true(lab_again(lab, 2));
  memcpy(second, lab_data(lab, a), sizeof second);
  assert_false(same(first, second, N));
  lab_run(lab, PRECISION_F64, 2);
  assert_true(same(second, lab_data(lab, a), N));
  lab_free(lab);
  lab = lab_new(LEVEL_PLAIN);
  lab_const(lab, 1);
  a = bernoulli(lab, SHAPE(8, 8), 0.5, "a");
  lab_run(lab, PRECISION_F32, 1);
  assert_true(same(first, lab_data(lab, a), N));
  lab_free(lab);
}

/* Step s of n micro-batches draws as steps (s - 1) n + 1 .. s n do; the update
 * sees the mean, and what the last one computed. */
static void micro_batches_count_as_steps(void **state) {
  (void)state;
  enum { N = 16, ROUNDS = 3 };
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId a = bernoulli(lab, SHAPE(N), 0.5, "a");
  ValueId x = lab_op(lab, OP_CONVERT, FORMAT_REAL, SHAPE(N), a, 0, 0);
  ValueId mean = lab_op(lab, OP_ACCUMULATE, FORMAT_REAL, SHAPE(N), x, 0, 0);
  lab_node(lab, mean)->phase = PHASE_ACCUMULATE;
  double sum[N] = {0}, last[N];
  for (uint64_t i = 1; i <= ROUNDS; i++) {
    lab_run(lab, PRECISION_F32, ROUNDS + i);
    for (int k = 0; k < N; k++)
      sum[k] += last[k] = lab_data(lab, x)[k];
  }
  for (int k = 0; k < N; k++)
    sum[k] = (double)((float)sum[k] / (float)ROUNDS);
  lab->graph->run.accumulate = ROUNDS;
  lab_run(lab, PRECISION_F32, 2);
  lab_expect(lab, x, last);
  lab_expect(lab, mean, sum);
  lab_free(lab);
}

/* Each micro-batch has its own inputs; stores happen once. */
static void micro_batches_have_inputs_of_their_own(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  int w = lab_new_param(lab, "w", FORMAT_REAL, SHAPE(2),
                        (Init){INIT_ZEROS, 0, 0}, scale_none());
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2), NUMBERS(1, 2));
  ValueId y = lab_op(lab, OP_MUL, FORMAT_REAL, SHAPE(2), x, x, 0);
  ValueId mean = lab_op(lab, OP_ACCUMULATE, FORMAT_REAL, SHAPE(2), y, 0, 0);
  lab_node(lab, mean)->phase = PHASE_ACCUMULATE;
  ValueId sum =
      lab_op(lab, OP_ADD, FORMAT_REAL, SHAPE(2), lab_param(lab, w), mean, 0);
  lab_node(lab, sum)->phase = PHASE_UPDATE;
  ValueId store = lab_store(lab, w, sum);
  lab_node(lab, store)->phase = PHASE_UPDATE;
  lab->graph->run.accumulate = 2;
  lab->input[1] = lab->input[0];
  lab->input[1].data = (double[]){3, -4};
  lab_run(lab, PRECISION_F64, 1);
  lab_expect(lab, mean, NUMBERS(5, 10));
  assert_true(lab_again(lab, 2));
  lab_expect(lab, sum, NUMBERS(10, 20));
  lab_free(lab);
}

static void images_move_with_zeros(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_U8, SHAPE(2, 3, 2),
                        NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  ValueId by = lab_input(lab, FORMAT_I32, SHAPE(2, 1), NUMBERS(1, -2));
  ValueId both = lab_input(lab, FORMAT_I32, SHAPE(2, 2), NUMBERS(1, 1, -1, 0));
  ValueId y = lab_op(lab, OP_TRANSLATE, FORMAT_U8, SHAPE(2, 3, 2), x, by, 0);
  ValueId z = lab_op(lab, OP_TRANSLATE, FORMAT_U8, SHAPE(2, 3, 2), x, by, 0);
  ValueId w = lab_op(lab, OP_TRANSLATE, FORMAT_U8, SHAPE(2, 3, 2), x, both, 0);
  lab_node(lab, z)->attr.reverse = true;
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, y, NUMBERS(0, 0, 1, 2, 3, 4, 11, 12, 0, 0, 0, 0));
  lab_expect(lab, z, NUMBERS(3, 4, 5, 6, 0, 0, 0, 0, 0, 0, 7, 8));
  lab_expect(lab, w, NUMBERS(0, 0, 0, 1, 0, 3, 9, 10, 11, 12, 0, 0));
  lab_free(lab);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(draws_have_their_share),
      cmocka_unit_test(whole_numbers_fill_their_range),
      cmocka_unit_test(names_and_steps_are_the_key),
      cmocka_unit_test(micro_batches_count_as_steps),
      cmocka_unit_test(micro_batches_have_inputs_of_their_own),
      cmocka_unit_test(images_move_with_zeros),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
