/* Acceptance of scale propagation: the tests that the specification of the
 * published systems asks for, by their numbers in its section 7, and each case
 * that its section 1.9 reports as broken elsewhere. Vectors are those of the
 * test suite of jax-scalify (section 1.8).
 *
 * Where each is: 1 exactness, 2 unit data, 3 vectors, 4 special values and
 * broken cases, 5 casts under gradients; 11, the tables of the formats, is in
 * acceptance_formats_test.c.
 */
#include "tests/unit/example_support.h"
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- 1: exactness -------------------------------------------------------- */

/* Random graphs in binary64, where every rule moves exponents only. */
static void acceptance_1_exactness(void **state) {
  (void)state;
  size_t certified = 0;
  for (uint64_t seed = 1001; seed <= 1120; seed++) {
    Sketch *s = sketch_new(ENTRY_PLAIN);
    sketch_random_program(s, seed, seed % 2);
    Record plain = sketch_record(s, PRECISION_F64, 2);
    bool good = evaluator_certified(s->evaluator);
    recipe_scaled(s);
    sketch_pass(s, PASS_scalify);
    Record scaled = sketch_record(s, PRECISION_F64, 2);
    if (good && evaluator_certified(s->evaluator)) {
      assert_true(record_expect_equal(&plain, &scaled) > 40);
      certified++;
    }
    sketch_free(s);
  }
  assert_true(certified >= 108);
}

/* ---- 2: unit data -------------------------------------------------------- */

/* A result of independent N(0, 1) operands, after scalify. */
static double unit_rms(Sketch *s, ValueId result) {
  const char *name = graph_node(sketch_graph(s), result)->name;
  sketch_return(s, name, result);
  recipe_scaled(s);
  sketch_pass(s, PASS_scalify);
  sketch_run(s, PRECISION_F64);
  return sketch_rms(s, sketch_find(s, name));
}

static void expect_unit(Sketch *s, const char *what, int64_t n,
                        ValueId result) {
  double rms = unit_rms(s, result);
  if (!(rms >= 0.5 && rms <= 2))
    fail_msg("%s of %lld: data of rms %g", what, (long long)n, rms);
  sketch_free(s);
}

static void products_are_unit(int64_t k) {
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId a = sketch_normal(s, "a", EXTENT(24, k), 0);
  ValueId b = sketch_normal(s, "b", EXTENT(25, k), 0);
  expect_unit(s, "dot", k,
              sketch_pattern(s, "r", OP_EINSUM, a, b, "a k, b k -> a b"));
  s = sketch_new(ENTRY_PLAIN);
  a = sketch_normal(s, "a", EXTENT(600, k), 0);
  expect_unit(s, "sum", k, sketch_pattern(s, "r", OP_SUM, a, 0, "a k -> a"));
}

static void additions_are_unit(int n) {
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId sum = sketch_normal(s, "p0", EXTENT(600), 0);
  for (int i = 1; i < n; i++) {
    const char *name = intern_printf(s->program->interner, "p%d", i);
    ValueId x = sketch_normal(s, name, EXTENT(600), 0);
    sum = sketch_op(s, i + 1 < n ? NULL : "r", OP_ADD, sum, x, 0);
  }
  expect_unit(s, "additions", n, sum);
}

static void convolutions_are_unit(int64_t channels) {
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_normal(s, "x", EXTENT(4, 7, 8, channels), 0);
  ValueId w = sketch_normal(s, "w", EXTENT(6, 3, 3, channels), 0);
  Node conv = node_make(OP_CONV, PHASE_FORWARD, NULL, x, w, 0);
  conv.attr.stride = (WholeList){2, {1, 1}};
  conv.attr.pad = (WholeList){2, {0, 0}};
  conv.attr.dilation = (WholeList){2, {1, 1}};
  conv.attr.groups = 1;
  expect_unit(s, "conv", channels, sketch_add(s, "r", &conv));
}

/* relu of unit data has rms sqrt(1/2); again and again it stays there. */
static void relus_are_near_unit(void) {
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId y = sketch_normal(s, "x", EXTENT(4000), 0);
  for (int i = 0; i < 5; i++)
    y = sketch_op(s, i < 4 ? NULL : "r", OP_RELU, y, 0, 0);
  double rms = unit_rms(s, y);
  assert_true(fabs(rms - sqrt(0.5)) < 0.03);
  sketch_free(s);
}

static void norms_are_unit(Op op) {
  for (int level = -9; level <= 9; level += 6) {
    Sketch *s = sketch_new(ENTRY_PLAIN);
    ValueId x = sketch_normal(s, "x", EXTENT(40, 48), level);
    Node norm = node_make(op, PHASE_FORWARD, NULL, x, 0, 0);
    norm.attr.eps = 1e-12;
    double rms = unit_rms(s, sketch_add(s, "r", &norm));
    assert_true(fabs(rms - 1) < 0.01);
    sketch_free(s);
  }
}

static void acceptance_2_unit_data(void **state) {
  (void)state;
  static const int64_t k[] = {1, 2, 3, 5, 16, 31, 100, 512};
  for (size_t i = 0; i < sizeof k / sizeof *k; i++)
    products_are_unit(k[i]);
  for (int n = 2; n <= 64; n++)
    additions_are_unit(n);
  for (int64_t channels = 1; channels <= 16; channels *= 4)
    convolutions_are_unit(channels);
  relus_are_near_unit();
  norms_are_unit(OP_LAYER_NORM);
  norms_are_unit(OP_RMS_NORM);
}

/* ---- 3: vectors ---------------------------------------------------------- */

/* One op `r` of parameters x, y at levels 2^a, 2^b, whose data are then set. */
typedef struct {
  Op op;
  double a, b;
  int64_t n;
  const char *pattern;
  Norm by;
  double x[5], y[5];
  int32_t exponent; /* of r */
  int64_t results;
  double r[5]; /* data */
} Vector;

static ValueId vector_op(Sketch *s, const Vector *v, ValueId x, ValueId y) {
  Node node = node_make(v->op, PHASE_FORWARD, NULL, x, y, 0);
  node.attr.by = v->by;
  if (v->pattern)
    node.attr.pattern = intern(s->program->interner, v->pattern);
  return sketch_add(s, "r", &node);
}

static void check_vector(const Vector *v) {
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_normal(s, "x", EXTENT(v->n), v->a);
  bool two = op_info(v->op)->inputs == 2;
  ValueId y = two ? sketch_normal(s, "y", EXTENT(v->n), v->b) : 0;
  sketch_return(s, "r", vector_op(s, v, x, y));
  recipe_scaled(s);
  sketch_pass(s, PASS_scalify);
  s->evaluator = evaluator_new(s->program, PRECISION_F32, 1);
  size_t bytes = (size_t)v->n * sizeof(double);
  memcpy(evaluator_param(s->evaluator, 0)->data, v->x, bytes);
  if (two)
    memcpy(evaluator_param(s->evaluator, 1)->data, v->y, bytes);
  const char *error = "";
  const Graph *graph = sketch_graph(s);
  assert_true(evaluator_step(s->evaluator, graph, 1, NULL, &error));
  const Tensor *r =
      evaluator_value(s->evaluator, graph, graph->result.data[0].value);
  assert_int_equal(r->exponent, v->exponent);
  assert_int_equal(r->type->elements, v->results);
  for (int64_t i = 0; i < v->results; i++)
    if (r->data[i] != v->r[i])
      fail_msg("%s: %g, expected %g", op_info(v->op)->text, r->data[i],
               v->r[i]);
  sketch_free(s);
}

static const Vector vectors[] = {
    /* add of scales 4 and 2: 4 */
    {OP_ADD, 2, 1, 2, NULL, 0, {1, -2}, {3, 1}, 2, 2, {2.5, -1.5}},
    /* dot over 5: a factor 2 */
    {OP_EINSUM,
     0,
     0,
     5,
     "k, k ->",
     0,
     {1, 2, 3, 4, 5},
     {1, 1, 1, 1, 1},
     1,
     1,
     {7.5}},
    /* rescales of data at 4: to 8, 8 and 16 */
    {OP_RESCALE, 2, 0, 2, NULL, NORM_MAX, {2, -3}, {0}, 3, 2, {1, -1.5}},
    {OP_RESCALE, 2, 0, 2, NULL, NORM_L1, {1, -6}, {0}, 3, 2, {0.5, -3}},
    {OP_RESCALE, 2, 0, 2, NULL, NORM_L2, {4, -8}, {0}, 4, 2, {1, -2}},
    /* exp at 2^19 */
    {OP_EXP, 19, 0, 4, NULL, 0, {0, -1, -2, -32768}, {0}, 0, 4, {1, 0, 0, 0}},
    /* logsumexp at 4: of unscaled numbers, at 1 in our table */
    {OP_LOGSUMEXP, 2, 0, 2, "a ->", 0, {3, -9000}, {0}, 0, 1, {12}},
    /* sum of 5 at 2: 4; product of 5 at 2: 2^5 */
    {OP_SUM, 1, 0, 5, "a ->", 0, {1, 2, 3, 4, -1}, {0}, 2, 1, {4.5}},
    {OP_PROD, 1, 0, 5, "a ->", 0, {1, 2, 3, 4, -1}, {0}, 5, 1, {-24}},
    /* the gradient of relu keeps the scale */
    {OP_RELU_GRAD, 3, 1, 3, NULL, 0, {1, 2, 3}, {1, -1, 0}, 3, 3, {1, 0, 0}},
};

static void acceptance_3_vectors(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
    check_vector(&vectors[i]);
}

/* ---- programs from text -------------------------------------------------- */

/* The entry `f` of a program, plain and scaled, on the same inputs in
 * binary32; both must be certified and equal to the bit. The first inputs may
 * be given. Returns the scaled run. */
static Trial *equal_runs(const char *text, const char *rule,
                         const double *const given[]) {
  TrialSource source = {
      .text = text, .entry = "f", .recipe = "fp8", .rule = rule};
  Trial *t[2];
  for (int scaled = 0; scaled < 2; scaled++) {
    t[scaled] = trial_new(&source, scaled ? PASS_scalify : PASS_rescale);
    trial_run(t[scaled], PRECISION_F32, 0);
    trial_fill(t[scaled], 1);
    for (int i = 0; given && given[i]; i++)
      memcpy(t[scaled]->input[i].data, given[i],
             (size_t)t[scaled]->input[i].type->elements * sizeof(double));
    assert_true(trial_step(t[scaled], 1));
    assert_true(t[scaled]->certified);
  }
  assert_true(trials_expect_equal(t[0], t[1]) > 0);
  trial_free(t[0]);
  return t[1];
}

static const Tensor *value(const Trial *t, const char *name) {
  const Tensor *tensor = trial_value(t, name);
  if (!tensor)
    fail_msg("no value %s", name);
  return tensor;
}

static double number(const Trial *t, const char *name, int i) {
  const Tensor *tensor = value(t, name);
  return ldexp(tensor->data[i], tensor->exponent);
}

#define MODULE(init, body)                                                     \
  "module M {\n  param w: [4] = " init                                         \
  "\n  fn forward(x: [4]) -> [4] {\n" body "  }\n}\n"                          \
  "model m: M()\nentry f(x: [4]) -> [4] = m(x)\n"

/* ---- 4: special values, and what is broken elsewhere --------------------- */

static const char masked[] =
    "entry f(x: [4, 4], keep: bool[4, 4], part: bool[4, 4])"
    " -> ([4, 4], [4], [4, 4]) {\n"
    "  x = set_scale(x * 8, 3)\n"
    "  a = where(keep, x, -inf)\n"
    "  p = softmax(a, axis = -1)\n"
    "  n = logsumexp(where(part, a, -inf), axis = -1)\n"
    "  return p, n, a\n"
    "}\n";

/* The mask leaves the exponent of x alone and infinities where they belong. */
static void acceptance_4_causal_mask(void **state) {
  (void)state;
  double keep[16], part[16];
  for (int i = 0; i < 16; i++) {
    keep[i] = i % 4 <= i / 4;
    part[i] = i / 4 != 2; /* row 2 is -inf throughout */
  }
  double x[16];
  for (int i = 0; i < 16; i++)
    x[i] = (i * 7 % 16 - 8) / 4.0;
  Trial *t = equal_runs(masked, NULL, (const double *[]){x, keep, part, NULL});
  assert_int_equal(value(t, "a")->exponent, 3);
  for (int row = 0; row < 4; row++) {
    double sum = 0;
    for (int i = 0; i < 4; i++) {
      double p = number(t, "p", 4 * row + i);
      assert_true(i <= row ? p > 0 && p <= 1 : p == 0);
      assert_true((number(t, "a", 4 * row + i) == -INFINITY) == (i > row));
      sum += p;
    }
    assert_true(fabs(sum - 1) < 1e-6);
    assert_true(row == 2 ? number(t, "n", row) == -INFINITY
                         : isfinite(number(t, "n", row)));
  }
  trial_free(t);
}

/* A divisor that is known to be zero, and a parameter that starts as zero. */
static void acceptance_4_division_by_zero_scales(void **state) {
  (void)state;
  static const char text[] = "module M {\n  param z: [3] = zeros\n"
                             "  fn forward(x: [3]) -> ([3], [3], [3]) {\n"
                             "    x = set_scale(x, 5)\n    none = x * 0\n"
                             "    return x / none, none / x, x / z\n  }\n}\n"
                             "model m: M()\n"
                             "entry f(x: [3]) -> ([3], [3], [3]) {\n"
                             "  a, b, c = m(x)\n  return a, b, c\n}\n";
  static const double x[] = {2, -3, 0};
  Trial *t = equal_runs(text, NULL, (const double *[]){x, NULL});
  const Graph *graph = t->graph;
  for (int r = 0; r < 3; r++) {
    const Tensor *y =
        evaluator_value(t->evaluator, graph, graph->result.data[r].value);
    if (r == 1) {
      assert_true(y->data[0] == 0 && y->data[1] == 0 && isnan(y->data[2]));
      continue;
    }
    assert_true(y->data[0] == INFINITY && isinf(y->data[1]));
    assert_true(isnan(y->data[2]));
  }
  trial_free(t);
}

/* exp(0) is 1: a known zero does not stay one. */
static void acceptance_4_exp_of_zero(void **state) {
  (void)state;
  Trial *t = equal_runs(MODULE("normal(8.0)",
                               "    zero = x * 0\n    one = exp(zero)\n"
                               "    r = one * w + exp(x - x)\n    return r\n"),
                        NULL, NULL);
  for (int i = 0; i < 4; i++)
    assert_true(number(t, "out", i) ==
                (double)((float)number(t, "m.w", i) + 1));
  trial_free(t);
}

/* Rounding exponents up leaves exact powers of two where they are. */
static void acceptance_4_up_on_exact_powers(void **state) {
  (void)state;
  static const double exact[] = {4, 16, 64}, inexact[] = {2, 8, 5};
  for (int i = 0; i < 6; i++) {
    Sketch *s = sketch_new(ENTRY_PLAIN);
    int64_t n = (int64_t)(i < 3 ? exact[i] : inexact[i - 3]);
    ValueId x = sketch_normal(s, "x", EXTENT(3, n), 0);
    sketch_return(s, "r", sketch_pattern(s, "r", OP_SUM, x, 0, "a b -> a"));
    recipe_scaled(s);
    Settings up = settings_unset();
    up.scaling = SCALING_PROPAGATE;
    up.scale_rounding = SCALE_UP;
    sketch_rule(s, "default", up);
    sketch_pass(s, PASS_scalify);
    assert_exponent(s, "r", (int32_t)ceil(log2((double)n) / 2));
    sketch_free(s);
  }
}

/* A number below the normal range of binary32 keeps all its bits. */
static void acceptance_4_subnormal_numbers(void **state) {
  (void)state;
  static const double x[] = {1, -3, 0x1p40, 0.625};
  TrialSource source = {.text = "entry f(x: [4]) -> [4] {\n"
                                "  r = x * 1.2345e-40\n  return r\n}\n",
                        .recipe = "fp8"};
  Trial *t = trial_new(&source, PASS_scalify);
  trial_run(t, PRECISION_F32, 0);
  memcpy(t->input[0].data, x, sizeof x);
  assert_true(trial_step(t, 1) && t->certified);
  for (int i = 0; i < 4; i++)
    assert_true(fabs(number(t, "r", i) / (x[i] * 1.2345e-40) - 1) < 0x1p-23);
  trial_free(t);
}

/* Odd exponents: a factor 2 moves into the data, so the root is exact. */
static void acceptance_4_roots_of_odd_exponents(void **state) {
  (void)state;
  static const char *const init[] = {"normal(0.125)", "normal(0.5)",
                                     "normal(2.0)", "normal(8.0)"};
  static const int32_t half[] = {-2, -1, 0, 1};
  for (int i = 0; i < 4; i++) {
    char text[512];
    snprintf(text, sizeof text,
             MODULE("%s", "    a = abs(w) + 1e-9\n    r = sqrt(abs(w))\n"
                          "    q = rsqrt(a)\n    return r * x + q\n"),
             init[i]);
    Trial *t = equal_runs(text, NULL, NULL);
    assert_int_equal(value(t, "m.r")->exponent, half[i]);
    for (int j = 0; j < 4; j++)
      assert_true((float)number(t, "m.r", j) ==
                  sqrtf((float)fabs(number(t, "m.w", j))));
    trial_free(t);
  }
}

/* Exponent 0 is an exponent like others, and 2^0 is what unscale means. */
static void acceptance_4_set_scale_to_one(void **state) {
  (void)state;
  Trial *t = equal_runs(MODULE("normal(32.0)", "    one = set_scale(w, 0)\n"
                                               "    r = unscale(w * w)\n"
                                               "    return one + r * x\n"),
                        NULL, NULL);
  assert_int_equal(value(t, "m.w")->exponent, 5);
  assert_int_equal(value(t, "m.one")->exponent, 0);
  assert_int_equal(value(t, "m.r")->exponent, 0);
  trial_free(t);
}

/* Values whose exponents lie beyond f16 and f8 are read through f32: the
 * exponent itself is never rounded to a narrow format. */
static void acceptance_4_values_beyond_their_format(void **state) {
  (void)state;
  static const char *const format[] = {"f16", "e4m3"};
  for (int i = 0; i < 2; i++) {
    char text[512];
    snprintf(text, sizeof text,
             MODULE("normal(2.0 ** 40)",
                    "    y = cast(w, %s)\n    r = unscale(y)\n"
                    "    return r * x\n"),
             format[i]);
    TrialSource source = {.text = text,
                          .recipe = "fp8",
                          .rule = "default : f32, scale = propagate(down)"};
    Trial *t = trial_new(&source, PASS_casts);
    trial_run(t, PRECISION_EDGES, 1);
    for (int j = 0; j < 4; j++) {
      double w = number(t, "m.w", j);
      assert_true(fabs(number(t, "m.r", j) / w - 1) < (i ? 0x1p-4 : 0x1p-11));
    }
    assert_int_equal(value(t, "m.y")->exponent, 40);
    trial_free(t);
  }
}

/* Inputs without a scale of their own meet scaled values in every op. */
static void acceptance_4_plain_arrays_are_promoted(void **state) {
  (void)state;
  Trial *t = equal_runs(
      MODULE("normal(64.0)",
             "    a = w + x\n    b = x - w\n    c = maximum(w, x)\n"
             "    d = minimum(x, w)\n    e = w / x\n    g = x / w\n"
             "    h = where(x < w, x, w)\n    k = x * w\n"
             "    n = sum(x * w)\n    o = concat([x, w], axis = 0)[2:6]\n"
             "    return a + b + c + d + e + g + h + k + n + o\n"),
      NULL, NULL);
  trial_free(t);
}

/* ---- 5: casts under gradients -------------------------------------------- */

static const char cast_program[] =
    "entry f(x: [16], w: [16]) -> ([], [], [16], [16]) {\n"
    "  exact = sum(x * x * w)\n"
    "  y = cast(x, e4m3)\n"
    "  loss = sum(y * y * w)\n"
    "  g = grad(loss, x)\n"
    "  return exact, loss, g, y\n"
    "}\n";

/* A cast on the forward pass acts there, also where the function is
 * differentiated, and the gradient passes at its own precision: 2 y w, not
 * rounded to the format of y. */
static void acceptance_5_cast_under_gradient(void **state) {
  (void)state;
  static const char *const recipe[] = {"f32", "fp8"};
  for (int i = 0; i < 2; i++) {
    TrialSource source = {
        .text = cast_program, .recipe = recipe[i], .rule = "default : f32"};
    Trial *t = trial_new(&source, PASS_plan);
    trial_run(t, PRECISION_EDGES, 1);
    assert_true(number(t, "loss", 0) != number(t, "exact", 0));
    int wide = 0;
    for (int j = 0; j < 16; j++) {
      float y = (float)number(t, "y", j), w = (float)t->input[1].data[j];
      float g = (float)number(t, "out2", j);
      assert_true(y == codec_round(FORMAT_E4M3, (float)t->input[0].data[j],
                                   OVERFLOW_SATURATE));
      assert_true(g == y * w + y * w);
      wide += g != codec_round(FORMAT_E4M3, g, OVERFLOW_SATURATE);
    }
    assert_true(wide > 8);
    trial_free(t);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(acceptance_1_exactness),
      cmocka_unit_test(acceptance_2_unit_data),
      cmocka_unit_test(acceptance_3_vectors),
      cmocka_unit_test(acceptance_4_causal_mask),
      cmocka_unit_test(acceptance_4_division_by_zero_scales),
      cmocka_unit_test(acceptance_4_exp_of_zero),
      cmocka_unit_test(acceptance_4_up_on_exact_powers),
      cmocka_unit_test(acceptance_4_subnormal_numbers),
      cmocka_unit_test(acceptance_4_roots_of_odd_exponents),
      cmocka_unit_test(acceptance_4_set_scale_to_one),
      cmocka_unit_test(acceptance_4_values_beyond_their_format),
      cmocka_unit_test(acceptance_4_plain_arrays_are_promoted),
      cmocka_unit_test(acceptance_5_cast_under_gradient),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
