/* Oracle O4, metamorphic relations: programs that must give the same values to
 * the bit, written in two ways, or related by a power of two. Each runs plain,
 * scaled and final in binary32; what concerns rows also runs with narrow edges.
 * Rewrites that round elsewhere are compared within an error bound.
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
#include <stdlib.h>
#include <string.h>

/* ---- running ------------------------------------------------------------- */

typedef struct {
  PassId last;
  Precision precision;
} Stage;

static const Stage stages[] = {{PASS_rescale, PRECISION_F32},
                               {PASS_scalify, PRECISION_F32},
                               {PASS_plan, PRECISION_F32}};
enum { STAGES = sizeof stages / sizeof *stages };

static Trial *start(const TrialSource *source, Stage stage) {
  Trial *t = trial_new(source, stage.last);
  trial_run(t, stage.precision, 0);
  trial_fill(t, 1);
  return t;
}

static Trial *run(const TrialSource *source, Stage stage) {
  Trial *t = start(source, stage);
  assert_true(trial_step(t, 1));
  return t;
}

static const Tensor *result(const Trial *t, size_t i) {
  return evaluator_value(t->evaluator, t->graph,
                         t->graph->result.data[i].value);
}

/* Every result of b is that of a times 2^k; of zeros also the sign, but for
 * `zeros`, which are equal whatever their sign. */
static void expect_related(const char *what, const Trial *a, const Trial *b,
                           int k, bool zeros) {
  assert_int_equal(a->graph->result.length, b->graph->result.length);
  assert_true(a->certified && b->certified);
  for (size_t r = 0; r < a->graph->result.length; r++) {
    const Tensor *x = result(a, r), *y = result(b, r);
    assert_true(type_same_shape(x->type, y->type));
    for (int64_t i = 0; i < x->type->elements; i++) {
      double left = ldexp(x->data[i], x->exponent + k);
      double right = ldexp(y->data[i], y->exponent);
      if (memcmp(&left, &right, sizeof left) != 0 && !(zeros && left == right))
        fail_msg("%s: result %zu, element %lld: %a and %a", what, r,
                 (long long)i, left, right);
    }
  }
}

/* Two texts at every stage. */
static void expect_same(const char *first, const char *second, int k) {
  for (int i = 0; i < STAGES; i++) {
    TrialSource a = {.text = first, .entry = "f", .recipe = "fp8"};
    TrialSource b = {.text = second, .entry = "f", .recipe = "fp8"};
    Trial *left = run(&a, stages[i]), *right = run(&b, stages[i]);
    expect_related(second, left, right, k, false);
    trial_free(left);
    trial_free(right);
  }
}

/* ---- 1: another representation of the parameters ------------------------- */

static Record run_at(Sketch *s, int32_t exponent) {
  recipe_scaled(s);
  Settings fixed = settings_unset();
  fixed.forward = fixed.gradient = FORMAT_F32;
  fixed.scaling = SCALING_FIXED;
  fixed.has_exponent = true;
  fixed.exponent = exponent;
  sketch_rule(s, "param, state", fixed);
  sketch_pass(s, PASS_scalify);
  assert_int_equal(s->program->param.data[0].scale.exponent, exponent);
  return sketch_record(s, PRECISION_F32, 2);
}

static void shifted_representations(void **state) {
  (void)state;
  static const int32_t at[] = {-20, -3, 0, 5, 19};
  int certified = 0, runs = 0;
  for (uint64_t seed = 1; seed <= 125; seed++) {
    Sketch *s = sketch_new(ENTRY_PLAIN);
    sketch_random_program(s, seed, true);
    Record plain = sketch_record(s, PRECISION_F32, 2);
    bool both = evaluator_certified(s->evaluator);
    Record shifted = run_at(s, at[seed % 5]);
    both &= evaluator_certified(s->evaluator);
    if (both)
      assert_true(record_expect_equal(&plain, &shifted) > 40);
    runs++;
    certified += both;
    sketch_free(s);
  }
  assert_true(10 * certified >= 9 * runs);
}

/* ---- 2 and 9: homogeneous programs and losses ---------------------------- */

static const char homogeneous[] =
    "module M {\n  param w: [6, 5] = normal(0.7)\n"
    "  fn forward(x: [4, 5]) -> [4, 6] {\n"
    "    y = relu(x @ w.T)\n    z = y - mean(y, axis = 0)\n"
    "    return z @ (w @ w.T)\n  }\n}\n"
    "model m: M()\nentry f(x: [4, 5]) -> [4, 6] = m(x)\n";

/* Of degree 3 in w: 2^k w gives 2^3k times the result, at the same exponents or
 * at those of the larger w. */
static void a_parameter_times_a_power_of_two(void **state) {
  (void)state;
  for (int k = -6; k <= 6; k += 3)
    for (int i = 0; i < STAGES; i++) {
      TrialSource source = {.text = homogeneous, .recipe = "fp8"};
      Trial *a = run(&source, stages[i]);
      Trial *b = start(&source, stages[i]);
      Tensor *w = evaluator_param(b->evaluator, 0);
      for (int64_t j = 0; j < w->type->elements; j++)
        w->data[j] = ldexp(w->data[j], k);
      assert_true(trial_step(b, 1));
      expect_related("2^k w", a, b, 3 * k, false);
      trial_free(a);
      trial_free(b);
    }
}

#define LOSS_ENTRY(loss)                                                       \
  "module M {\n  param w: [6, 5] = normal(0.7)\n  param b: [6] = "             \
  "normal(3.0)\n"                                                              \
  "  fn forward(x: [4, 5]) -> [4, 6] = silu(x @ w.T + b)\n}\n"                 \
  "model m: M()\n"                                                             \
  "entry f(x: [4, 5], y: i32[4]) -> ([6, 5], [6]) {\n"                         \
  "  l = cross_entropy(m(x), y) + 0.1 * mean(m(x) * m(x))\n"                   \
  "  g, h = grad(" loss ", m)\n  return g, h\n}\n"

/* Loss scaling changes no bit of the gradients but their exponents. */
static void a_loss_times_a_power_of_two(void **state) {
  (void)state;
  expect_same(LOSS_ENTRY("l"), LOSS_ENTRY("l * 1024"), 10);
  expect_same(LOSS_ENTRY("l"), LOSS_ENTRY("l / 64"), -6);
}

/* ---- 3 and 4: identities, and operands in another order ------------------ */

#define NET(name, x, h, sum)                                                   \
  "module M {\n  param w: [6, 5] = normal(0.7)\n"                              \
  "  param v: [3, 6] = normal(2.0)\n"                                          \
  "  fn forward(" name ": [4, 5]) -> [4, 3] {\n    x = " x "\n    h = " h "\n" \
  "    s = " sum "\n    return s @ v.T\n  }\n}\n"                              \
  "model m: M()\nentry f(x: [4, 5]) -> [4, 3] = m(x)\n"

#define HIDDEN "gelu(x @ w.T)"
#define SUM "softmax(h, axis = -1) + h * 3.0"

static void identity_pairs(void **state) {
  (void)state;
  static const char base[] = NET("q", "q", HIDDEN, SUM);
  static const char *const same[] = {
      NET("q", "q * 8 / 8", HIDDEN, SUM),
      NET("q", "q * 0.0625 * 16", HIDDEN, SUM),
      NET("q", "q.T.T", HIDDEN, SUM),
      NET("q", "reshape(reshape(q, [20]), [4, 5])", HIDDEN, SUM),
      NET("q", "q * 1", HIDDEN, SUM),
      NET("q", "q - 0.0", HIDDEN, SUM),
      NET("q", "concat([q[:, :2], q[:, 2:]], axis = 1)", HIDDEN, SUM),
      NET("q", "-(-q)", HIDDEN, SUM),
      NET("q", "maximum(q, q)", HIDDEN, SUM),
      NET("q", "where(q == q, q, 0)", HIDDEN, SUM),
      NET("q", "set_scale(q, 9)", HIDDEN, SUM),
      NET("q", "rescale(q, max)", HIDDEN, SUM),
      NET("q", "unscale(rescale(q, l2))", HIDDEN, SUM),
      /* a value nobody reads; the same value twice */
      NET("q", "q\n    dead = exp(x) * 3", HIDDEN, SUM),
      NET("q", "q", HIDDEN,
          "softmax(gelu(x @ w.T), axis = -1) + gelu(x @ w.T) * 3.0"),
  };
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    expect_same(base, same[i], 0);
}

static void swapped_operands(void **state) {
  (void)state;
  static const char base[] = NET("q", "q", HIDDEN, SUM);
  expect_same(base, NET("q", "q", HIDDEN, "h * 3.0 + softmax(h, axis = -1)"),
              0);
  expect_same(base, NET("q", "q", HIDDEN, "softmax(h, axis = -1) + 3.0 * h"),
              0);
}

/* ---- 5 and 6: constants and repetition ----------------------------------- */

/* A random expression of numbers, and a value times it. The numbers are parts
 * of the program, or are given when it runs. */
static ValueId expression(Sketch *s, bool given) {
  static const Op ops[] = {OP_ADD, OP_SUB,     OP_MUL,     OP_DIV, OP_SQRT,
                           OP_NEG, OP_MAXIMUM, OP_MINIMUM, OP_ABS, OP_RSQRT};
  ValueId number[4], x = sketch_input(s, "x", EXTENT(3, 5));
  for (int i = 0; i < 4; i++) {
    const char *name = intern_printf(s->program->interner, "n%d", i);
    double value = sketch_uniform(s, -2, 2);
    number[i] =
        given ? sketch_input(s, name, EXTENT_SCALAR) : sketch_number(s, value);
    if (given)
      s->input[i + 1].data[0] = value;
    else
      sketch_random(s); /* the draw that an input takes */
  }
  ValueId y = number[0];
  for (int i = 0; i < 12; i++) {
    Op op = ops[sketch_random(s) % (sizeof ops / sizeof *ops)];
    ValueId other = number[sketch_random(s) % 4];
    y = sketch_op(s, NULL, op, y, op_info(op)->inputs == 2 ? other : 0, 0);
  }
  return sketch_op(s, "r", OP_MUL, x, y, 0);
}

static Record run_expression(Sketch *s, uint64_t seed, bool given) {
  s->seed = seed;
  sketch_return(s, "r", expression(s, given));
  recipe_scaled(s);
  sketch_pass(s, PASS_simplify);
  sketch_pass(s, PASS_scalify);
  return sketch_record(s, PRECISION_F32, 1);
}

static const double *recorded(const Record *record, const char *name) {
  for (size_t i = 0; i < record->count; i++)
    if (strcmp(record->name[i], name) == 0)
      return record->data[i];
  fail_msg("no value %s", name);
  return NULL;
}

/* What is folded when it is compiled is what the evaluator computes. */
static void constants_and_inputs(void **state) {
  (void)state;
  unsigned folded = 0;
  for (uint64_t seed = 1; seed <= 200; seed++) {
    Sketch *a = sketch_new(ENTRY_PLAIN), *b = sketch_new(ENTRY_PLAIN);
    Record left = run_expression(a, seed, false);
    Record right = run_expression(b, seed, true);
    folded += sketch_graph(a)->count + 6 < sketch_graph(b)->count;
    bool certified =
        evaluator_certified(a->evaluator) && evaluator_certified(b->evaluator);
    const double *x = recorded(&left, "r"), *y = recorded(&right, "r");
    for (int i = 0; certified && i < 15; i++)
      assert_true(memcmp(&x[i], &y[i], sizeof *x) == 0 ||
                  (isnan(x[i]) && isnan(y[i])));
    sketch_free(a);
    sketch_free(b);
  }
  assert_true(folded > 50);
}

static void repeated_and_written_out(void **state) {
  (void)state;
  static const char *const steps[] = {
      "x = tanh(x @ w.T + x)\n", "for i in 0..3 { x = tanh(x @ w.T + x) }\n",
      "x = step(x, w)\n    x = step(x, w)\n    x = step(x, w)\n"};
  char text[3][600];
  for (int i = 0; i < 3; i++)
    snprintf(text[i], sizeof *text,
             "fn step(x: [4, 5], w: [5, 5]) -> [4, 5] = tanh(x @ w.T + x)\n"
             "module M {\n  param w: [5, 5] = normal(0.5)\n"
             "  fn forward(x: [4, 5]) -> [4, 5] {\n    %s%s%s    return x\n"
             "  }\n}\nmodel m: M()\n"
             "entry f(x: [4, 5]) -> [4, 5] = m(x)\n",
             i == 0 ? "x = tanh(x @ w.T + x)\n    " : "",
             i == 0 ? "x = tanh(x @ w.T + x)\n    " : "", steps[i]);
  expect_same(text[0], text[1], 0);
  expect_same(text[0], text[2], 0);
}

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

#define STEP                                                                   \
  "fn step(x: [4, 5], w: [5, 5]) -> [4, 5] = tanh(x @ w.T + x) * 3.0\n"
#define STEPPING(step)                                                         \
  "module M {\n  param w: [5, 5] = normal(0.5)\n"                              \
  "  fn forward(x: [4, 5]) -> [4, 5] = " step "(x, w)\n}\n"                    \
  "model m: M()\nentry f(x: [4, 5]) -> [4, 5] = m(x)\n"

/* A function of the file itself, or of one that it imports. */
static void imported_and_of_the_file(void **state) {
  (void)state;
  char folder[] = "/tmp/sg-metamorphic-XXXXXX", part[64], whole[64];
  assert_non_null(mkdtemp(folder));
  snprintf(part, sizeof part, "%s/part.sg", folder);
  snprintf(whole, sizeof whole, "%s/whole.sg", folder);
  write_file(part, STEP);
  write_file(whole, "import part\n" STEPPING("part.step"));
  for (int i = 0; i < STAGES; i++) {
    TrialSource a = {.text = STEP STEPPING("step"), .recipe = "fp8"};
    TrialSource b = {.file = whole, .recipe = "fp8"};
    Trial *left = run(&a, stages[i]), *right = run(&b, stages[i]);
    expect_related("imported", left, right, 0, false);
    trial_free(left);
    trial_free(right);
  }
  remove(part);
  remove(whole);
  remove(folder);
}

/* ---- 11: names and order ------------------------------------------------- */

static void renamed_and_reordered_statements(void **state) {
  (void)state;
  expect_same(NET("q", "q", HIDDEN, SUM), NET("input", "input", HIDDEN, SUM),
              0);
#define TWO_SIDES(body)                                                        \
  "module M {\n  param w: [6, 5] = normal(0.7)\n"                              \
  "  param v: [6, 5] = normal(2.0)\n"                                          \
  "  fn forward(x: [4, 5]) -> ([4, 6], []) {\n" body                           \
  "    return left * right, norm\n  }\n}\nmodel m: M()\n"                      \
  "entry f(x: [4, 5]) -> ([4, 6], []) {\n  a, b = m(x)\n  return a, b\n}\n"
#define LEFT "    left = sigmoid(x @ w.T)\n"
#define RIGHT "    right = relu(x @ v.T)\n"
#define NORM "    norm = sqrt(sum(x * x))\n"
  expect_same(TWO_SIDES(LEFT RIGHT NORM), TWO_SIDES(NORM RIGHT LEFT), 0);
  expect_same(TWO_SIDES(LEFT RIGHT NORM), TWO_SIDES(RIGHT NORM LEFT), 0);
}

/* ---- 7 and 8: rows of a batch -------------------------------------------- */

/* Rows of `b` are rows of a: row r is row from[r], or of zeros (-1), whose
 * result nobody asks for. */
static void give_rows(Trial *b, const Trial *a, const int *from) {
  const Type *type = b->input[0].type;
  int64_t width = type->elements / type->dim[0];
  for (int64_t i = 0; i < type->elements; i++) {
    int row = from[i / width];
    b->input[0].data[i] =
        row < 0 ? 0 : a->input[0].data[row * width + i % width];
  }
}

static void expect_rows(const Trial *b, const Trial *a, const int *from) {
  const Tensor *x = result(a, 0), *y = result(b, 0);
  int64_t width = y->type->elements / y->type->dim[0];
  for (int64_t i = 0; i < y->type->elements; i++) {
    int row = from[i / width];
    if (row < 0)
      continue;
    double left = ldexp(x->data[row * width + i % width], x->exponent);
    double right = ldexp(y->data[i], y->exponent);
    if (memcmp(&left, &right, sizeof left) != 0)
      fail_msg("row %d: %a and %a", row, left, right);
  }
}

static const char rows_net[] =
    "const B = 8\n"
    "module M {\n  param w: [17, 37] = normal(0.3)\n"
    "  param v: [5, 17] = normal(1.5)\n"
    "  fn forward(x: [?b, 37]) -> [b, 5] {\n"
    "    h = gelu(layer_norm(x) @ w.T)\n"
    "    return softmax(h @ v.T, axis = -1)\n  }\n}\n"
    "model m: M()\nentry f(x: [B, 37]) -> [B, 5] = m(x)\n";

/* Permuted, split, and beside rows of zeros; with narrow edges, too. */
static void rows_do_not_see_their_batch(void **state) {
  (void)state;
  static const struct {
    const char *batch;
    int from[12];
  } batch[] = {{"B=8", {3, 0, 7, 1, 6, 2, 5, 4}},
               {"B=4", {0, 1, 2, 3}},
               {"B=4", {4, 5, 6, 7}},
               {"B=1", {5}},
               {"B=12", {0, 1, 2, 3, 4, 5, 6, 7, -1, -1, -1, -1}},
               {"B=11", {-1, 0, -1, 1, 2, -1, 3, 4, 5, 6, 7}}};
  static const Stage edges = {PASS_plan, PRECISION_EDGES};
  for (int i = 0; i <= STAGES; i++) {
    Stage stage = i < STAGES ? stages[i] : edges;
    TrialSource source = {.text = rows_net, .recipe = "fp8"};
    Trial *a = run(&source, stage);
    for (size_t j = 0; j < sizeof batch / sizeof *batch; j++) {
      source.define[0] = batch[j].batch;
      Trial *b = start(&source, stage);
      give_rows(b, a, batch[j].from);
      assert_true(trial_step(b, 1));
      expect_rows(b, a, batch[j].from);
      trial_free(b);
    }
    trial_free(a);
  }
}

/* ---- 10: accumulation ---------------------------------------------------- */

/* Whole numbers throughout, so that no sum rounds in any order. */
static const char accumulating[] =
    "import optim\n"
    "const B = 2\nconst N = 2\n"
    "dataset data {\n  x: u8[_, 3] = idx(\"x\")\n}\n"
    "module M {\n  param w: [2, 3] = constant(2.0)\n"
    "  fn forward(x: [?b, 3]) -> [b, 2] = x @ w.T\n}\n"
    "model m: M()\n"
    "@steps(1)\ntrain f(batch: data[B]) {\n"
    "  y = m(real(batch.x)) - 7\n"
    "  loss = mean(y * y)\n"
    "  minimize loss with optim.SGD(lr = 0.5), accumulate = N\n"
    "  report loss\n}\n";

static void two_accumulated_batches_are_one_of_twice_the_size(void **state) {
  (void)state;
  for (int i = 0; i < STAGES; i++) {
    TrialSource source = {.text = accumulating, .recipe = "fp8"};
    Trial *two = start(&source, stages[i]);
    source.define[0] = "B=4";
    source.define[1] = "N=1";
    Trial *one = start(&source, stages[i]);
    assert_int_equal(two->rounds, 2);
    assert_int_equal(one->rounds, 1);
    for (int j = 0; j < 12; j++) {
      double x = j * 5 % 8;
      one->input[0].data[j] = x;
      two->input[j / 6 * (int)two->graph->input.length].data[j % 6] = x;
    }
    assert_true(trial_step(two, 1) && trial_step(one, 1));
    expect_related("a batch of twice the size", two, one, 0, false);
    assert_true(tensors_equal(evaluator_param(two->evaluator, 0),
                              evaluator_param(one->evaluator, 0)));
    assert_true(evaluator_param(one->evaluator, 0)->data[0] != 2);
    trial_free(one);
    trial_free(two);
  }
}

/* ---- 12: rewrites that round elsewhere ----------------------------------- */

#define ALGEBRA(y)                                                             \
  "module M {\n  param w: [7, 5] = normal(0.7)\n"                              \
  "  param v: [7, 3] = normal(40.0)\n  param b: [5] = normal(0.01)\n"          \
  "  fn forward(x: [4, 5]) -> ([4, 3], [4, 3]) {\n"                            \
  "    size = (abs(x) + abs(b)) @ abs(w.T) @ abs(v)\n    y = " y "\n"          \
  "    return y, size\n  }\n}\nmodel m: M()\n"                                 \
  "entry f(x: [4, 5]) -> ([4, 3], [4, 3]) {\n  y, size = m(x)\n"               \
  "  return y, size\n}\n"

/* Distributed and associated: within n roundings of the sum of magnitudes. */
static void other_algebra_stays_within_an_error_bound(void **state) {
  (void)state;
  static const char *const same[] = {ALGEBRA("(x + b) @ w.T @ v"),
                                     ALGEBRA("x @ w.T @ v + b @ w.T @ v"),
                                     ALGEBRA("(x + b) @ (w.T @ v)")};
  for (int i = 0; i < STAGES; i++)
    for (int j = 1; j < 3; j++) {
      TrialSource a = {.text = same[0], .recipe = "fp8"};
      TrialSource b = {.text = same[j], .recipe = "fp8"};
      Trial *left = run(&a, stages[i]), *right = run(&b, stages[i]);
      const Tensor *x = result(left, 0), *y = result(right, 0);
      const Tensor *size = result(left, 1);
      for (int64_t k = 0; k < x->type->elements; k++) {
        double difference = fabs(ldexp(x->data[k], x->exponent) -
                                 ldexp(y->data[k], y->exponent));
        assert_true(difference <=
                    15 * 0x1p-24 * ldexp(size->data[k], size->exponent));
      }
      trial_free(left);
      trial_free(right);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shifted_representations),
      cmocka_unit_test(a_parameter_times_a_power_of_two),
      cmocka_unit_test(a_loss_times_a_power_of_two),
      cmocka_unit_test(identity_pairs),
      cmocka_unit_test(swapped_operands),
      cmocka_unit_test(constants_and_inputs),
      cmocka_unit_test(repeated_and_written_out),
      cmocka_unit_test(imported_and_of_the_file),
      cmocka_unit_test(renamed_and_reordered_statements),
      cmocka_unit_test(rows_do_not_see_their_batch),
      cmocka_unit_test(two_accumulated_batches_are_one_of_twice_the_size),
      cmocka_unit_test(other_algebra_stays_within_an_error_bound),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
