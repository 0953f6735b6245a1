/* What reductions beyond sums and composites over rows compute: numbers written
 * by hand, and formulas in binary64 evaluated here.
 */
#include "tests/unit/eval_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

static const Precision precisions[] = {PRECISION_F64, PRECISION_F32};

/* ---- exact results ------------------------------------------------------- */

static const double table[6] = {3, -1, 3, NAN, 7, -INFINITY};

static void extremes_keep_the_first(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    Lab *lab = lab_new(LEVEL_PLAIN);
    ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2, 3), table);
    ValueId dy = lab_input(lab, FORMAT_REAL, SHAPE(2), (double[]){10, 20});
    ValueId max = lab_pattern(lab, OP_MAX, SHAPE(2), x, 0, "b c -> b");
    ValueId min = lab_pattern(lab, OP_MIN, SHAPE(3), x, 0, "b c -> c");
    ValueId all = lab_pattern(lab, OP_MIN, SCALAR, x, 0, "b c ->");
    ValueId most = lab_op(lab, OP_ARGMAX, FORMAT_I32, SHAPE(2), x, 0, 0);
    lab_node(lab, most)->attr.axis = 1;
    ValueId least = lab_op(lab, OP_ARGMIN, FORMAT_I32, SHAPE(3), x, 0, 0);
    ValueId up = lab_pattern(lab, OP_MAX_GRAD, SHAPE(2, 3), x, dy, "b c -> b");
    ValueId down =
        lab_pattern(lab, OP_MIN_GRAD, SHAPE(2, 3), x, dy, "b c -> b");
    lab_run(lab, precisions[i], 1);
    lab_expect(lab, max, (double[]){3, NAN});
    lab_expect(lab, min, (double[]){NAN, -1, -INFINITY});
    lab_expect(lab, all, (double[]){NAN});
    lab_expect(lab, most, (double[]){0, 0});
    lab_expect(lab, least, (double[]){1, 0, 1});
    lab_expect(lab, up, (double[]){10, 0, 0, 20, 0, 0});
    lab_expect(lab, down, (double[]){0, 10, 0, 20, 0, 0});
    lab_free(lab);
  }
}

/* -0 equals +0, so the first of them is kept, sign and all. */
static void zeros_of_either_sign_are_equal(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2), (double[]){-0.0, 0.0});
  ValueId max = lab_pattern(lab, OP_MAX, SCALAR, x, 0, "b ->");
  ValueId min = lab_pattern(lab, OP_MIN, SCALAR, x, 0, "b ->");
  lab_run(lab, PRECISION_F32, 1);
  assert_true(signbit(lab_number(lab, max)));
  assert_true(signbit(lab_number(lab, min)));
  lab_free(lab);
}

static void products_and_running_sums(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    Lab *lab = lab_new(LEVEL_PLAIN);
    ValueId x =
        lab_input(lab, FORMAT_REAL, SHAPE(2, 3), (double[]){2, 3, 5, 7, 0, 2});
    ValueId dy = lab_input(lab, FORMAT_REAL, SHAPE(2), (double[]){1, 10});
    ValueId nothing = lab_input(lab, FORMAT_REAL, SHAPE(0), (double[]){0});
    ValueId rows = lab_pattern(lab, OP_PROD, SHAPE(2), x, 0, "b c -> b");
    ValueId one = lab_pattern(lab, OP_PROD, SCALAR, nothing, 0, "b ->");
    ValueId each =
        lab_pattern(lab, OP_PROD_GRAD, SHAPE(2, 3), x, dy, "b c -> b");
    ValueId down = lab_op(lab, OP_CUMSUM, FORMAT_REAL, SHAPE(2, 3), x, 0, 0);
    ValueId back = lab_op(lab, OP_CUMSUM, FORMAT_REAL, SHAPE(2, 3), x, 0, 0);
    lab_node(lab, back)->attr.axis = 1;
    lab_node(lab, back)->attr.reverse = true;
    lab_run(lab, precisions[i], 1);
    lab_expect(lab, rows, (double[]){30, 0});
    lab_expect(lab, one, (double[]){1});
    lab_expect(lab, each, (double[]){15, 10, 6, 0, 140, 0});
    lab_expect(lab, down, (double[]){2, 3, 5, 9, 3, 7});
    lab_expect(lab, back, (double[]){10, 8, 5, 9, 2, 2});
    lab_free(lab);
  }
}

/* 16 lanes, element i to lane i mod 16, folded 8, 4, 2, 1. */
static void products_have_the_order_of_sums(void **state) {
  (void)state;
  enum { N = 37 };
  double x[N];
  float lane[16];
  for (int i = 0; i < 16; i++)
    lane[i] = 1;
  for (int i = 0; i < N; i++) {
    x[i] = (float)(1.1 + 0.013 * i * (i % 2 ? 1 : -1));
    lane[i % 16] *= (float)x[i];
  }
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; i++)
      lane[i] *= lane[i + half];
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId input = lab_input(lab, FORMAT_REAL, SHAPE(N), x);
  ValueId product = lab_pattern(lab, OP_PROD, SCALAR, input, 0, "b ->");
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, product, (double[]){(double)lane[0]});
  lab_free(lab);
}

static void one_hot_rows(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId ids = lab_input(lab, FORMAT_U8, SHAPE(3), (double[]){2, 0, 1});
  ValueId hot = lab_op(lab, OP_ONEHOT, FORMAT_REAL, SHAPE(3, 3), ids, 0, 0);
  lab_node(lab, hot)->attr.size = 3;
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, hot, (double[]){0, 0, 1, 1, 0, 0, 0, 1, 0});
  lab->input[0].data[1] = 3;
  assert_false(lab_again(lab, 2));
  assert_string_equal(lab->error, "id 3 at element 1 is outside [0, 3)");
  lab_free(lab);
}

/* ---- formulas ------------------------------------------------------------ */

static void expect_near(const double *data, const double *expected, size_t n,
                        double tolerance) {
  for (size_t i = 0; i < n; i++)
    if (!(fabs(data[i] - expected[i]) <= tolerance * (fabs(expected[i]) + 1)))
      fail_msg("element %zu is %a, not %a", i, data[i], expected[i]);
}

enum { ROWS = 3, N = 21 };

static void fill(double *x, size_t n, double spread, double shift) {
  for (size_t i = 0; i < n; i++)
    x[i] = (float)(shift + spread * sin(1.7 * (double)i + 0.3));
}

static double tolerance_of(int precision) {
  return precisions[precision] == PRECISION_F64 ? 1e-14 : 1e-6;
}

static void softmax_and_its_relatives(void **state) {
  (void)state;
  double x[ROWS * N], dy[ROWS * N], p[ROWS * N], log_p[ROWS * N], lse[ROWS];
  double dp[ROWS * N], dlog[ROWS * N], dlse[ROWS * N];
  fill(x, ROWS * N, 4, 1);
  fill(dy, ROWS * N, 1, 0.2);
  for (size_t r = 0; r < ROWS; r++) {
    double s = 0, inner = 0, total = 0;
    for (size_t i = r * N; i < (r + 1) * N; i++)
      s += exp(x[i]);
    lse[r] = log(s);
    for (size_t i = r * N; i < (r + 1) * N; i++) {
      p[i] = exp(x[i]) / s;
      log_p[i] = log(p[i]);
      inner += p[i] * dy[i];
      total += dy[i];
    }
    for (size_t i = r * N; i < (r + 1) * N; i++) {
      dp[i] = p[i] * (dy[i] - inner);
      dlog[i] = dy[i] - p[i] * total;
      dlse[i] = p[i] * dy[r];
    }
  }
  for (int i = 0; i < 2; i++) {
    Shape shape = SHAPE(ROWS, N);
    Lab *lab = lab_new(LEVEL_PLAIN);
    ValueId in = lab_input(lab, FORMAT_REAL, shape, x);
    ValueId d = lab_input(lab, FORMAT_REAL, shape, dy);
    ValueId row = lab_input(lab, FORMAT_REAL, SHAPE(ROWS), dy);
    ValueId soft = lab_op(lab, OP_SOFTMAX, FORMAT_REAL, shape, in, 0, 0);
    ValueId log = lab_op(lab, OP_LOG_SOFTMAX, FORMAT_REAL, shape, in, 0, 0);
    ValueId sum =
        lab_pattern(lab, OP_LOGSUMEXP, SHAPE(ROWS), in, 0, "b c -> b");
    ValueId dsoft =
        lab_op(lab, OP_SOFTMAX_GRAD, FORMAT_REAL, shape, soft, d, 0);
    ValueId dl =
        lab_op(lab, OP_LOG_SOFTMAX_GRAD, FORMAT_REAL, shape, log, d, 0);
    ValueId ds =
        lab_pattern(lab, OP_LOGSUMEXP_GRAD, shape, in, row, "b c -> b");
    lab_node(lab, soft)->attr.axis = lab_node(lab, log)->attr.axis = 1;
    lab_node(lab, dsoft)->attr.axis = lab_node(lab, dl)->attr.axis = 1;
    lab_run(lab, precisions[i], 1);
    expect_near(lab_data(lab, soft), p, ROWS * N, tolerance_of(i));
    expect_near(lab_data(lab, log), log_p, ROWS * N, tolerance_of(i));
    expect_near(lab_data(lab, sum), lse, ROWS, tolerance_of(i));
    expect_near(lab_data(lab, dsoft), dp, ROWS * N, tolerance_of(i));
    expect_near(lab_data(lab, dl), dlog, ROWS * N, tolerance_of(i));
    expect_near(lab_data(lab, ds), dlse, ROWS * N, tolerance_of(i));
    lab_free(lab);
  }
}

static void infinities_in_logsumexp(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(4, 2),
                        (double[]){-INFINITY, -INFINITY, INFINITY, 1, NAN,
                                   INFINITY, -INFINITY, 2});
  ValueId nothing = lab_input(lab, FORMAT_REAL, SHAPE(2, 0), (double[]){0});
  ValueId y = lab_pattern(lab, OP_LOGSUMEXP, SHAPE(4), x, 0, "b c -> b");
  ValueId z = lab_pattern(lab, OP_LOGSUMEXP, SHAPE(2), nothing, 0, "b c -> b");
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, y, (double[]){-INFINITY, INFINITY, NAN, 2});
  lab_expect(lab, z, (double[]){-INFINITY, -INFINITY});
  lab_free(lab);
}

/* y and dx = r (dy - mean(dy) - y mean(dy y)); without the means of x and dy
 * for rms_norm. */
static void norm_formula(const double *x, const double *dy, double eps,
                         bool centred, double *y, double *dx) {
  double mean = 0, square = 0, a = 0, b = 0;
  for (int i = 0; i < N; i++) {
    mean += centred ? x[i] / N : 0;
    a += centred ? dy[i] / N : 0;
  }
  for (int i = 0; i < N; i++)
    square += (x[i] - mean) * (x[i] - mean) / N;
  for (int i = 0; i < N; i++) {
    y[i] = (x[i] - mean) / sqrt(square + eps);
    b += dy[i] * y[i] / N;
  }
  for (int i = 0; i < N; i++)
    dx[i] = (dy[i] - a - y[i] * b) / sqrt(square + eps);
}

static void norms_divide_by_the_length_of_a_row(void **state) {
  (void)state;
  static const double eps[] = {0, 1e-5, 0.5};
  double x[ROWS * N], dy[ROWS * N], y[ROWS * N], dx[ROWS * N];
  fill(x, ROWS * N, 3, 2);
  fill(dy, ROWS * N, 1, 0.2);
  for (int k = 0; k < 12; k++) {
    bool centred = k % 2;
    Shape shape = SHAPE(ROWS, N);
    for (int r = 0; r < ROWS; r++)
      norm_formula(x + r * N, dy + r * N, eps[k / 2 % 3], centred, y + r * N,
                   dx + r * N);
    Lab *lab = lab_new(LEVEL_PLAIN);
    ValueId in = lab_input(lab, FORMAT_REAL, shape, x);
    ValueId d = lab_input(lab, FORMAT_REAL, shape, dy);
    ValueId norm = lab_op(lab, centred ? OP_LAYER_NORM : OP_RMS_NORM,
                          FORMAT_REAL, shape, in, 0, 0);
    ValueId grad = lab_op(lab, centred ? OP_LAYER_NORM_GRAD : OP_RMS_NORM_GRAD,
                          FORMAT_REAL, shape, in, d, 0);
    lab_node(lab, norm)->attr.eps = lab_node(lab, grad)->attr.eps =
        eps[k / 2 % 3];
    lab_run(lab, precisions[k / 6], 1);
    expect_near(lab_data(lab, norm), y, ROWS * N, tolerance_of(k / 6));
    expect_near(lab_data(lab, grad), dx, ROWS * N, tolerance_of(k / 6));
    lab_free(lab);
  }
}

/* Smoothing by hand: logits 0, 0 with label 0 and smooth 0.5: the loss is ln 2
 * and the gradient 1/2 - (1/2 + 1/4) = -1/4 and 1/2 - 1/4 = 1/4. */
static void smoothed_and_ignored_labels(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x =
      lab_input(lab, FORMAT_REAL, SHAPE(3, 2), (double[]){0, 0, NAN, 5, 0, 0});
  ValueId labels = lab_input(lab, FORMAT_I32, SHAPE(3), (double[]){0, -7, 1});
  ValueId dy = lab_input(lab, FORMAT_REAL, SHAPE(3), (double[]){1, 1, 2});
  ValueId loss =
      lab_op(lab, OP_SOFTMAX_XENT, FORMAT_REAL, SHAPE(3), x, labels, 0);
  ValueId grad = lab_op(lab, OP_SOFTMAX_XENT_GRAD, FORMAT_REAL, SHAPE(3, 2), x,
                        labels, dy);
  lab_node(lab, loss)->attr.smooth = lab_node(lab, grad)->attr.smooth = 0.5;
  lab_node(lab, loss)->attr.ignore = lab_node(lab, grad)->attr.ignore = -7;
  lab_run(lab, PRECISION_F32, 1);
  double ln2 = (double)logf(2);
  expect_near(lab_data(lab, loss), (double[]){ln2, 0, ln2}, 3, 1e-7);
  lab_expect(lab, grad, (double[]){-0.25, 0.25, 0, 0, 0.5, -0.5});
  lab->input[1].data[2] = -1;
  assert_false(lab_again(lab, 2));
  assert_string_equal(lab->error, "label -1 at element 2 is outside [0, 2)");
  lab_free(lab);
}

/* x times a distribution function, and its derivative by a formula of its own:
 * gelu' = Phi + x phi, silu' = g + x g (1 - g). */
static void gates(void **state) {
  (void)state;
  enum { M = 41 };
  const double root = sqrt(2 / 3.14159265358979324);
  double x[M], dy[M], y[3][M], dx[3][M];
  for (int i = 0; i < M; i++) {
    double u = x[i] = (float)((i - 20) * 0.37);
    dy[i] = (float)(1 + 0.1 * i);
    double phi = erfc(-u / sqrt(2)) / 2, density = exp(-u * u / 2) * root / 2;
    double h = root * (u + 0.044715 * u * u * u), g = 1 / (1 + exp(-u));
    double slope = root * (1 + 3 * 0.044715 * u * u) / (cosh(h) * cosh(h));
    y[0][i] = u * phi;
    dx[0][i] = dy[i] * (phi + u * density);
    y[1][i] = u / 2 * (1 + tanh(h));
    dx[1][i] = dy[i] * ((1 + tanh(h)) / 2 + u / 2 * slope);
    y[2][i] = u * g;
    dx[2][i] = dy[i] * (g + u * g * (1 - g));
  }
  static const Op ops[] = {OP_GELU, OP_GELU_TANH, OP_SILU};
  static const Op grads[] = {OP_GELU_GRAD, OP_GELU_TANH_GRAD, OP_SILU_GRAD};
  for (int k = 0; k < 6; k++) {
    Lab *lab = lab_new(LEVEL_PLAIN);
    ValueId in = lab_input(lab, FORMAT_REAL, SHAPE(M), x);
    ValueId d = lab_input(lab, FORMAT_REAL, SHAPE(M), dy);
    ValueId out = lab_op(lab, ops[k / 2], FORMAT_REAL, SHAPE(M), in, 0, 0);
    ValueId grad = lab_op(lab, grads[k / 2], FORMAT_REAL, SHAPE(M), in, d, 0);
    lab_run(lab, precisions[k % 2], 1);
    expect_near(lab_data(lab, out), y[k / 2], M, tolerance_of(k % 2));
    expect_near(lab_data(lab, grad), dx[k / 2], M, 2 * tolerance_of(k % 2));
    lab_free(lab);
  }
}

/* Far out a gate is 0 or 1, its slope too; no cube overflows to NaN. */
static void gates_far_out(void **state) {
  (void)state;
  static const Op ops[] = {OP_GELU, OP_GELU_TANH, OP_SILU};
  static const Op grads[] = {OP_GELU_GRAD, OP_GELU_TANH_GRAD, OP_SILU_GRAD};
  for (int k = 0; k < 3; k++) {
    Lab *lab = lab_new(LEVEL_PLAIN);
    ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(4),
                          (double[]){0x1p100, -0x1p100, 300, NAN});
    ValueId one = lab_input(lab, FORMAT_REAL, SHAPE(4), (double[]){1, 1, 1, 1});
    ValueId y = lab_op(lab, ops[k], FORMAT_REAL, SHAPE(4), x, 0, 0);
    ValueId d = lab_op(lab, grads[k], FORMAT_REAL, SHAPE(4), x, one, 0);
    lab_run(lab, PRECISION_F32, 1);
    lab_expect(lab, y, (double[]){0x1p100, -0.0, 300, NAN});
    assert_true(lab_data(lab, d)[0] == 1 && lab_data(lab, d)[2] == 1);
    assert_true(lab_data(lab, d)[1] == 0 && isnan(lab_data(lab, d)[3]));
    lab_free(lab);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(extremes_keep_the_first),
      cmocka_unit_test(zeros_of_either_sign_are_equal),
      cmocka_unit_test(products_and_running_sums),
      cmocka_unit_test(products_have_the_order_of_sums),
      cmocka_unit_test(one_hot_rows),
      cmocka_unit_test(softmax_and_its_relatives),
      cmocka_unit_test(infinities_in_logsumexp),
      cmocka_unit_test(norms_divide_by_the_length_of_a_row),
      cmocka_unit_test(smoothed_and_ignored_labels),
      cmocka_unit_test(gates),
      cmocka_unit_test(gates_far_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
