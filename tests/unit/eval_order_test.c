/* ir/eval: the order of evaluation, which is part of the meaning. Sums against
 * a second, literal reading of the lane rule; contractions against the naive
 * loop over fmaf; both with numbers that any other order rounds differently.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/eval_internal.h"
#include "tests/unit/eval_support.h"

/* ---- sums ---------------------------------------------------------------- */

/* The rule read word by word, with explicit lanes and no loop over halves. */
static float literal_chunk(const double *x, size_t n) {
  float lane[16];
  for (int j = 0; j < 16; j++) {
    lane[j] = +0.0f;
    for (size_t i = (size_t)j; i < n; i += 16)
      lane[j] = lane[j] + (float)x[i];
  }
  float eight[8], four[4], two[2];
  for (int j = 0; j < 8; j++)
    eight[j] = lane[j] + lane[j + 8];
  for (int j = 0; j < 4; j++)
    four[j] = eight[j] + eight[j + 4];
  for (int j = 0; j < 2; j++)
    two[j] = four[j] + four[j + 2];
  return two[0] + two[1];
}

static float literal_sum(const double *x, size_t n) {
  if (n <= 16384)
    return literal_chunk(x, n);
  size_t chunks = (n + 16383) / 16384;
  double *sums = calloc(chunks, sizeof *sums);
  for (size_t c = 0; c < chunks; c++) {
    size_t begin = c * 16384, end = begin + 16384 < n ? begin + 16384 : n;
    sums[c] = (double)literal_chunk(x + begin, end - begin);
  }
  float sum = literal_sum(sums, chunks);
  free(sums);
  return sum;
}

static void check_sum(size_t n) {
  Lab *lab = lab_new(LEVEL_PLAIN);
  double *data = calloc(n, sizeof *data);
  fill_wide(data, n, n);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE((int64_t)n), data);
  ValueId sum = lab_pattern(lab, OP_SUM, SCALAR, x, 0, "i ->");
  ValueId mean = lab_pattern(lab, OP_MEAN, SCALAR, x, 0, "i ->");
  float expected = literal_sum(data, n);
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, sum, &(double){(double)expected});
  lab_expect(lab, mean, &(double){(double)(expected / (float)n)});
  free(data);
  lab_free(lab);
}

static void test_sums(void **state) {
  (void)state;
  static const size_t sizes[] = {1,     2,     3,     7,     8,     15,
                                 16,    17,    31,    100,   16383, 16384,
                                 16385, 20000, 32768, 100003};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    check_sum(sizes[i]);
}

/* The order matters for these numbers: a plain loop gives another sum, so the
 * tests above can fail. */
static void test_order_shows(void **state) {
  (void)state;
  enum { N = 20000 };
  static double data[N];
  fill_wide(data, N, N);
  float plain = 0;
  for (size_t i = 0; i < N; i++)
    plain += (float)data[i];
  assert_false(same_number((double)plain, (double)literal_sum(data, N)));
}

static void test_no_negative_zero(void **state) {
  (void)state;
  float list[3] = {-0.0f, -0.0f, -0.0f};
  assert_false(signbit(sum_f32(list, 3)));
  assert_false(signbit(sum_f32(list, 0)));
}

/* Kept axes around reduced ones: each list is row-major over the reduced. */
static void test_reduced_axes(void **state) {
  (void)state;
  enum { A = 3, B = 5, C = 4, D = 37 };
  static double data[A * B * C * D];
  fill_wide(data, A * B * C * D, 5);
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(A, B, C, D), data);
  ValueId y = lab_pattern(lab, OP_SUM, SHAPE(A, C), x, 0, "a b c d -> a c");
  double expected[A * C], list[B * D];
  for (int a = 0; a < A; a++)
    for (int c = 0; c < C; c++) {
      for (int b = 0; b < B; b++)
        for (int d = 0; d < D; d++)
          list[b * D + d] = data[((a * B + b) * C + c) * D + d];
      expected[a * C + c] = (double)literal_sum(list, B * D);
    }
  lab_run(lab, PRECISION_EDGES, 1);
  lab_expect(lab, y, expected);
  lab_free(lab);
}

/* ---- contractions ------------------------------------------------------- */

/* "m k, n k -> m n" and its transposes, from explicit index functions. */
typedef struct {
  const char *pattern;
  bool a_turned, b_turned, out_turned;
} Product;

static void check_product(Product product, int m, int n, int k, bool portable) {
  Lab *lab = lab_new(LEVEL_PLAIN);
  size_t am = (size_t)(m * k), bn = (size_t)(n * k), mn = (size_t)(m * n);
  double *a = calloc(am, sizeof *a), *b = calloc(bn, sizeof *b);
  double *f32 = calloc(mn, sizeof *f32), *f64 = calloc(mn, sizeof *f64);
  fill_wide(a, am, 1);
  fill_wide(b, bn, 2);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      float acc = 0;
      double wide = 0;
      for (int l = 0; l < k; l++) {
        double left = a[product.a_turned ? l * m + i : i * k + l];
        double right = b[product.b_turned ? l * n + j : j * k + l];
        acc = fmaf((float)left, (float)right, acc);
        wide = fma(left, right, wide);
      }
      int at = product.out_turned ? j * m + i : i * n + j;
      f32[at] = (double)acc;
      f64[at] = wide;
    }
  ValueId x = lab_input(lab, FORMAT_REAL,
                        product.a_turned ? SHAPE(k, m) : SHAPE(m, k), a);
  ValueId y = lab_input(lab, FORMAT_REAL,
                        product.b_turned ? SHAPE(k, n) : SHAPE(n, k), b);
  Shape shape = product.out_turned ? SHAPE(n, m) : SHAPE(m, n);
  ValueId z = lab_pattern(lab, OP_EINSUM, shape, x, y, product.pattern);
  lab_run(lab, PRECISION_F32, 1);
  lab->evaluator->portable = portable;
  assert_true(lab_again(lab, 2));
  lab_expect(lab, z, f32);
  lab_run(lab, PRECISION_F64, 1);
  lab->evaluator->portable = portable;
  assert_true(lab_again(lab, 2));
  lab_expect(lab, z, f64);
  free(a), free(b), free(f32), free(f64);
  lab_free(lab);
}

static void test_products(void **state) {
  (void)state;
  static const Product products[] = {
      {"m k, n k -> m n", false, false, false},
      {"m k, k n -> m n", false, true, false},
      {"k m, k n -> m n", true, true, false},
      {"k m, n k -> m n", true, false, false},
      {"m k, n k -> n m", false, false, true},
      {"k m, k n -> n m", true, true, true},
  };
  static const int sizes[][3] = {{1, 1, 1},    {4, 16, 3}, {5, 17, 70},
                                 {3, 40, 257}, {9, 1, 33}, {1, 31, 8}};
  for (size_t p = 0; p < sizeof products / sizeof *products; p++)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
      for (int portable = 0; portable < 2; portable++)
        check_product(products[p], sizes[s][0], sizes[s][1], sizes[s][2],
                      portable);
}

/* Batches, and two contracted axes flattened in the order of the pattern: c
 * before d here, though the second operand has d first. */
static void test_batches_and_two_axes(void **state) {
  (void)state;
  enum { A = 3, B = 2, C = 5, D = 7, E = 4 };
  static double x[A * B * C * D], y[D * A * E * C], expected[E * A * B];
  fill_wide(x, A * B * C * D, 1);
  fill_wide(y, D * A * E * C, 2);
  for (int e = 0; e < E; e++)
    for (int a = 0; a < A; a++)
      for (int b = 0; b < B; b++) {
        float acc = 0;
        for (int c = 0; c < C; c++)
          for (int d = 0; d < D; d++)
            acc = fmaf((float)x[((a * B + b) * C + c) * D + d],
                       (float)y[((d * A + a) * E + e) * C + c], acc);
        expected[(e * A + a) * B + b] = (double)acc;
      }
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId left = lab_input(lab, FORMAT_REAL, SHAPE(A, B, C, D), x);
  ValueId right = lab_input(lab, FORMAT_REAL, SHAPE(D, A, E, C), y);
  ValueId z = lab_pattern(lab, OP_EINSUM, SHAPE(E, A, B), left, right,
                          "a b c d, d a e c -> e a b");
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, z, expected);
  lab_free(lab);
}

static void test_dot_and_outer(void **state) {
  (void)state;
  static const double x[] = {0x1p24, 1, -0x1p24}, y[] = {1, 1, 1};
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId a = lab_input(lab, FORMAT_REAL, SHAPE(3), x);
  ValueId b = lab_input(lab, FORMAT_REAL, SHAPE(3), y);
  ValueId dot = lab_pattern(lab, OP_EINSUM, SCALAR, a, b, "i, i ->");
  ValueId outer = lab_pattern(lab, OP_EINSUM, SHAPE(3, 3), a, b, "i, j -> j i");
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, dot, (const double[]){0}); /* 1 is lost on the way */
  lab_expect(lab, outer,
             (const double[]){0x1p24, 1, -0x1p24, 0x1p24, 1, -0x1p24, 0x1p24, 1,
                              -0x1p24});
  lab_run(lab, PRECISION_F64, 1);
  lab_expect(lab, dot, (const double[]){1});
  lab_free(lab);
}

/* A row of a product does not depend on the rows around it. */
static void test_batch_invariance(void **state) {
  (void)state;
  enum { M = 7, K = 50, N = 20 };
  static double x[M * K], y[K * N];
  fill_wide(x, M * K, 3);
  fill_wide(y, K * N, 4);
  Lab *all = lab_new(LEVEL_PLAIN), *one = lab_new(LEVEL_PLAIN);
  ValueId a = lab_input(all, FORMAT_REAL, SHAPE(M, K), x);
  ValueId b = lab_input(all, FORMAT_REAL, SHAPE(K, N), y);
  ValueId c = lab_pattern(all, OP_EINSUM, SHAPE(M, N), a, b, "m k, k n -> m n");
  ValueId d = lab_input(one, FORMAT_REAL, SHAPE(1, K), x + 5 * K);
  ValueId e = lab_input(one, FORMAT_REAL, SHAPE(K, N), y);
  ValueId f = lab_pattern(one, OP_EINSUM, SHAPE(1, N), d, e, "m k, k n -> m n");
  lab_run(all, PRECISION_F32, 1);
  lab_run(one, PRECISION_F32, 1);
  lab_expect(one, f, lab_data(all, c) + 5 * N);
  lab_free(all);
  lab_free(one);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sums),
      cmocka_unit_test(test_order_shows),
      cmocka_unit_test(test_no_negative_zero),
      cmocka_unit_test(test_reduced_axes),
      cmocka_unit_test(test_products),
      cmocka_unit_test(test_batches_and_two_axes),
      cmocka_unit_test(test_dot_and_outer),
      cmocka_unit_test(test_batch_invariance),
  };
  return cmocka_run_group_tests_name("eval_order", tests, NULL, NULL);
}
