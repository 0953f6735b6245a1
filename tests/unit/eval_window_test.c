/* Convolutions and pools against loops written from their definitions: values
 * in binary64, bits in binary32 (the order of the sums is part of the meaning),
 * gradients as adjoints, kinks, padding, groups, strides, dilation, and empty
 * tensors.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "tests/unit/eval_support.h"

#define NUMBERS(...) ((const double[]){__VA_ARGS__})
enum { MOST = 4096 };

/* One convolution or pool over images of two spatial axes. */
typedef struct {
  int n, in[2], c, out, window[2], stride[2], pad[2], dilation[2], groups;
} Case;

static const Case cases[] = {
    {2, {5, 4}, 3, 4, {3, 2}, {1, 1}, {0, 0}, {1, 1}, 1},
    {1, {6, 7}, 4, 6, {3, 3}, {2, 2}, {1, 1}, {1, 1}, 2},
    {3, {5, 5}, 2, 2, {2, 3}, {1, 2}, {1, 2}, {2, 1}, 2},
    {1, {1, 1}, 1, 1, {1, 1}, {1, 1}, {0, 0}, {1, 1}, 1},
    {2, {4, 9}, 3, 3, {4, 3}, {3, 4}, {3, 2}, {1, 3}, 3},
    {2, {3, 3}, 1, 5, {3, 3}, {1, 1}, {2, 2}, {1, 1}, 1},
    {0, {3, 3}, 2, 2, {2, 2}, {1, 1}, {0, 0}, {1, 1}, 1},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static int positions(const Case *a, int axis) {
  int reach = a->dilation[axis] * (a->window[axis] - 1) + 1;
  return (a->in[axis] + 2 * a->pad[axis] - reach) / a->stride[axis] + 1;
}

static Shape image(const Case *a) {
  return SHAPE(a->n, a->in[0], a->in[1], a->c);
}

static Shape weight(const Case *a) {
  return SHAPE(a->out, a->window[0], a->window[1], a->c / a->groups);
}

static Shape result(const Case *a, int channels) {
  return SHAPE(a->n, positions(a, 0), positions(a, 1), channels);
}

static size_t count(Shape shape) {
  size_t n = 1;
  for (int i = 0; i < shape.rank; i++)
    n *= (size_t)shape.dim[i];
  return n;
}

static WholeList list(const int *at, int usual) {
  if (at[0] == usual && at[1] == usual)
    return (WholeList){0};
  return (WholeList){2, {at[0], at[1]}};
}

static void set_windows(Lab *lab, ValueId id, const Case *a, bool pool) {
  Attributes *attr = &lab_node(lab, id)->attr;
  attr->stride = list(a->stride, 1);
  attr->pad = list(a->pad, 0);
  if (pool) {
    attr->window = (WholeList){2, {a->window[0], a->window[1]}};
    return;
  }
  attr->dilation = list(a->dilation, 1);
  attr->groups = a->groups;
}

/* The element that a tap reads along an axis; -1: padding. */
static int reads(const Case *a, int axis, int position, int tap) {
  int at = position * a->stride[axis] - a->pad[axis] + tap * a->dilation[axis];
  return at < 0 || at >= a->in[axis] ? -1 : at;
}

/* ---- convolutions -------------------------------------------------------- */

/* The trilinear form sum y x w, one term at a time. */
typedef void Term(void *user, size_t y, size_t x, size_t w, bool inside);

static void each_term(const Case *a, Term *term, void *user) {
  int oy = positions(a, 0), oz = positions(a, 1);
  int in = a->c / a->groups, out = a->out / a->groups;
  for (int n = 0; n < a->n; n++)
    for (int p = 0; p < oy * oz; p++)
      for (int t = 0; t < a->window[0] * a->window[1]; t++)
        for (int o = 0; o < a->out; o++)
          for (int i = 0; i < in; i++) {
            int y = reads(a, 0, p / oz, t / a->window[1]);
            int z = reads(a, 1, p % oz, t % a->window[1]);
            int channel = o / out * in + i;
            int at = ((n * a->in[0] + y) * a->in[1] + z) * a->c + channel;
            bool inside = y >= 0 && z >= 0;
            int w = (o * a->window[0] * a->window[1] + t) * in + i;
            term(user, (size_t)((n * oy * oz + p) * a->out + o),
                 inside ? (size_t)at : 0, (size_t)w, inside);
          }
}

typedef struct {
  const double *x, *w;
  double *y;
  bool narrow;
} Forward;

/* Terms come in the order in which each result adds them. */
static void add_term(void *user, size_t y, size_t x, size_t w, bool inside) {
  Forward *f = user;
  double value = inside ? f->x[x] : 0;
  f->y[y] = f->narrow
                ? (double)fmaf((float)value, (float)f->w[w], (float)f->y[y])
                : fma(value, f->w[w], f->y[y]);
}

static double x[MOST], w[MOST], u[MOST], expected[MOST];

static void fill(double *out, size_t n, uint64_t seed) {
  assert_true(n <= MOST);
  fill_wide(out, n, seed);
  for (size_t i = 0; i < n; i++)
    out[i] = (double)(float)(fmod(out[i], 8) + (double)(i % 5) - 2.25);
}

static void convolutions_are_sums_in_order(void **state) {
  (void)state;
  for (size_t i = 0; i < CASES; i++) {
    const Case *a = &cases[i];
    fill(x, count(image(a)), 1 + i);
    fill(w, count(weight(a)), 2 + i);
    Lab *lab = lab_new(LEVEL_PLAIN);
    ValueId left = lab_input(lab, FORMAT_REAL, image(a), x);
    ValueId right = lab_input(lab, FORMAT_REAL, weight(a), w);
    ValueId y =
        lab_op(lab, OP_CONV, FORMAT_REAL, result(a, a->out), left, right, 0);
    set_windows(lab, y, a, false);
    for (int narrow = 0; narrow < 2; narrow++) {
      memset(expected, 0, sizeof expected);
      Forward forward = {x, w, expected, narrow};
      each_term(a, add_term, &forward);
      lab_run(lab, narrow ? PRECISION_F32 : PRECISION_F64, 1);
      lab_expect(lab, y, expected);
    }
    lab_free(lab);
  }
}

typedef struct {
  const double *u, *x, *w;
  double dx[MOST], dw[MOST];
} Backward;

static void add_adjoint(void *user, size_t y, size_t at, size_t weight_at,
                        bool inside) {
  Backward *b = user;
  if (!inside)
    return;
  b->dx[at] += b->u[y] * b->w[weight_at];
  b->dw[weight_at] += b->u[y] * b->x[at];
}

static void expect_close(Lab *lab, ValueId id, const double *want, size_t n) {
  const double *have = lab_data(lab, id);
  for (size_t i = 0; i < n; i++)
    assert_true(fabs(have[i] - want[i]) <= 1e-12 * (1 + fabs(want[i])) * 100);
}

static void gradients_are_the_adjoints(void **state) {
  (void)state;
  static Backward b;
  for (size_t i = 0; i < CASES; i++) {
    const Case *a = &cases[i];
    size_t ny = count(result(a, a->out));
    fill(x, count(image(a)), 1 + i);
    fill(w, count(weight(a)), 2 + i);
    fill(u, ny, 3 + i);
    memset(&b, 0, sizeof b);
    b.u = u, b.x = x, b.w = w;
    each_term(a, add_adjoint, &b);
    Lab *lab = lab_new(LEVEL_PLAIN);
    ValueId left = lab_input(lab, FORMAT_REAL, image(a), x);
    ValueId right = lab_input(lab, FORMAT_REAL, weight(a), w);
    ValueId dy = lab_input(lab, FORMAT_REAL, result(a, a->out), u);
    ValueId dx =
        lab_op(lab, OP_CONV_GRAD_INPUT, FORMAT_REAL, image(a), dy, right, 0);
    ValueId dw =
        lab_op(lab, OP_CONV_GRAD_WEIGHT, FORMAT_REAL, weight(a), dy, left, 0);
    set_windows(lab, dx, a, false);
    set_windows(lab, dw, a, false);
    lab_run(lab, PRECISION_F64, 1);
    expect_close(lab, dx, b.dx, count(image(a)));
    expect_close(lab, dw, b.dw, count(weight(a)));
    lab_free(lab);
  }
}

/* Padding takes part as +0, so an infinite weight there gives NaN. */
static void padding_is_zero(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId a = lab_input(lab, FORMAT_REAL, SHAPE(1, 2, 1), NUMBERS(1, 2));
  ValueId b = lab_input(lab, FORMAT_REAL, SHAPE(1, 2, 1), NUMBERS(INFINITY, 1));
  ValueId y = lab_op(lab, OP_CONV, FORMAT_REAL, SHAPE(1, 3, 1), a, b, 0);
  lab_node(lab, y)->attr.pad = (WholeList){1, {1}};
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, y, NUMBERS(NAN, INFINITY, INFINITY));
  lab_free(lab);
}

/* ---- pools --------------------------------------------------------------- */

static bool is_pool(const Case *a) {
  return a->pad[0] < a->window[0] && a->pad[1] < a->window[1] &&
         a->dilation[0] == 1 && a->dilation[1] == 1;
}

/* Maxima, averages and what they give back, from the definitions. */
typedef struct {
  double max[MOST], mean[MOST], dmax[MOST], dmean[MOST];
} Pools;

static void pool_position(const Case *a, Pools *pools, int n, int p, int c) {
  int oz = positions(a, 1), best = -1;
  size_t y = (size_t)((n * positions(a, 0) * oz + p) * a->c + c);
  float sum = 0;
  for (int t = 0; t < a->window[0] * a->window[1]; t++) {
    int row = reads(a, 0, p / oz, t / a->window[1]);
    int column = reads(a, 1, p % oz, t % a->window[1]);
    if (row < 0 || column < 0)
      continue;
    int at = ((n * a->in[0] + row) * a->in[1] + column) * a->c + c;
    best = best < 0 || x[at] > x[best] ? at : best;
    sum += (float)x[at];
    pools->dmean[at] =
        (double)((float)pools->dmean[at] + (float)u[y]); /* divided later */
  }
  pools->max[y] = x[best];
  pools->mean[y] = (double)(sum / (float)(a->window[0] * a->window[1]));
  pools->dmax[best] = (double)((float)pools->dmax[best] + (float)u[y]);
}

static void pools_follow_their_definitions(void **state) {
  (void)state;
  static Pools pools;
  int tried = 0;
  for (size_t i = 0; i < CASES; i++) {
    const Case *a = &cases[i];
    if (!is_pool(a))
      continue;
    tried++;
    size_t nx = count(image(a)), ny = count(result(a, a->c));
    fill(x, nx, 4 + i);
    fill(u, ny, 5 + i);
    memset(&pools, 0, sizeof pools);
    for (int n = 0; n < a->n; n++)
      for (int p = 0; p < positions(a, 0) * positions(a, 1); p++)
        for (int c = 0; c < a->c; c++)
          pool_position(a, &pools, n, p, c);
    for (size_t k = 0; k < nx; k++)
      pools.dmean[k] = (double)((float)pools.dmean[k] /
                                (float)(a->window[0] * a->window[1]));
    Lab *lab = lab_new(LEVEL_PLAIN);
    ValueId in = lab_input(lab, FORMAT_REAL, image(a), x);
    ValueId dy = lab_input(lab, FORMAT_REAL, result(a, a->c), u);
    ValueId max =
        lab_op(lab, OP_MAXPOOL, FORMAT_REAL, result(a, a->c), in, 0, 0);
    ValueId mean =
        lab_op(lab, OP_AVGPOOL, FORMAT_REAL, result(a, a->c), in, 0, 0);
    ValueId dmax =
        lab_op(lab, OP_MAXPOOL_GRAD, FORMAT_REAL, image(a), dy, in, 0);
    ValueId dmean =
        lab_op(lab, OP_AVGPOOL_GRAD, FORMAT_REAL, image(a), dy, 0, 0);
    set_windows(lab, max, a, true);
    set_windows(lab, mean, a, true);
    set_windows(lab, dmax, a, true);
    set_windows(lab, dmean, a, true);
    lab_run(lab, PRECISION_F32, 1);
    lab_expect(lab, max, pools.max);
    lab_expect(lab, mean, pools.mean);
    lab_expect(lab, dmax, pools.dmax);
    lab_expect(lab, dmean, pools.dmean);
    lab_free(lab);
  }
  assert_true(tried >= 4);
}

/* Of equals the first; a NaN wins; what has no maximum but padding is never
 * padding. */
static void maxima_at_kinks(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId in = lab_input(lab, FORMAT_REAL, SHAPE(1, 6, 1),
                         NUMBERS(2, 2, NAN, 7, -INFINITY, -INFINITY));
  ValueId dy = lab_input(lab, FORMAT_REAL, SHAPE(1, 3, 1), NUMBERS(10, 20, 30));
  ValueId y = lab_op(lab, OP_MAXPOOL, FORMAT_REAL, SHAPE(1, 3, 1), in, 0, 0);
  ValueId dx =
      lab_op(lab, OP_MAXPOOL_GRAD, FORMAT_REAL, SHAPE(1, 6, 1), dy, in, 0);
  for (int i = 0; i < 2; i++) {
    Attributes *attr = &lab_node(lab, i ? dx : y)->attr;
    attr->window = attr->stride = (WholeList){1, {2}};
  }
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, y, NUMBERS(2, NAN, -INFINITY));
  lab_expect(lab, dx, NUMBERS(10, 0, 20, 0, 30, 0));
  lab_free(lab);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(convolutions_are_sums_in_order),
      cmocka_unit_test(gradients_are_the_adjoints),
      cmocka_unit_test(padding_is_zero),
      cmocka_unit_test(pools_follow_their_definitions),
      cmocka_unit_test(maxima_at_kinks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
