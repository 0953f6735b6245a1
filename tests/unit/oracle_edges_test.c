/* Oracle O2: a program with narrow edges is the unscaled program that rounds
 * explicitly at the same edges (unscaling.h).
 *
 * Under the certificate both have the same values and parameters after every
 * step, to the bit. This holds where casts stand, that they round what they
 * should at the exponent they should, and that nothing else does.
 *
 * With a number as argument: that many random programs, and no other test.
 */
#include "tests/unit/example_support.h"
#include "tests/unit/scale_support.h"
#include "tests/unit/unscaling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- comparing ----------------------------------------------------------- */

typedef struct {
  size_t runs, certified, values, roundings;
} Tally;

/* A value of the unscaled graph is where the map says: for casts behind Q, for
 * means over micro-batches in the last. */
static void expect_equal(const Unscaling *u, size_t round,
                         const Evaluator *unscaled, ValueId id) {
  const Tensor *a = evaluator_value(u->measured[round], u->old, id);
  const Tensor *b = evaluator_value(unscaled, u->new, u->map[round][id]);
  const char *name = graph_node(u->old, id)->name;
  if (!tensors_equal(a, b))
    fail_msg("%s (%s) differs in micro-batch %zu", name ? name : "a number",
             op_info(graph_node(u->old, id)->op)->text, round + 1);
}

static void compare_values(const Unscaling *u, const Evaluator *unscaled,
                           Tally *tally) {
  for (size_t round = 0; round < u->rounds; round++)
    for (ValueId id = 1; id < u->old->count; id++) {
      Op op = graph_node(u->old, id)->op;
      if (u->map[round][id] == 0 || op == OP_STORE ||
          (op == OP_ACCUMULATE && round + 1 < u->rounds))
        continue;
      expect_equal(u, round, unscaled, id);
      tally->values++;
    }
}

static void compare_params(const Program *program, Evaluator *a, Evaluator *b) {
  for (size_t i = 0; i < program->param.length; i++)
    if (!program->param.data[i].measured &&
        !tensors_equal(evaluator_param(a, (int)i), evaluator_param(b, (int)i)))
      fail_msg("parameter %s differs", program->param.data[i].name);
}

static void copy_params(const Program *program, Evaluator *to,
                        Evaluator *from) {
  for (size_t i = 0; i < program->param.length; i++) {
    Tensor *a = evaluator_param(to, (int)i);
    const Tensor *b = evaluator_param(from, (int)i);
    memcpy(a->data, b->data, (size_t)a->type->elements * sizeof *a->data);
    a->exponent = b->exponent;
  }
}

/* Of each micro-batch an evaluator that ends the step with it; the last is `a`
 * itself. */
static void run_rounds(Program *program, Graph *graph, Evaluator *a,
                       const Tensor *input, uint64_t step, Evaluator **run,
                       size_t rounds) {
  const char *error = "";
  for (size_t i = 0; i < rounds; i++) {
    run[i] = a;
    if (i + 1 < rounds) {
      run[i] = evaluator_new(program, PRECISION_EDGES, 7);
      copy_params(program, run[i], a);
      graph->run.accumulate = (int64_t)i + 1;
    }
    if (!evaluator_step(run[i], graph, step, input, &error))
      fail_msg("%s", error);
    if (rounds > 1)
      graph->run.accumulate = (int64_t)rounds;
  }
}

/* One step of both. False once a step is not certified. */
static bool compare_step(Program *program, Graph *graph, Evaluator *a,
                         Evaluator *b, const Tensor *input, uint64_t step,
                         Tally *tally) {
  Arena *arena = arena_new();
  const char *error = "";
  int64_t accumulate = graph->run.accumulate;
  size_t rounds = accumulate > 0 ? (size_t)accumulate : 1;
  Evaluator **run = NEW_ARRAY(arena, Evaluator *, rounds);
  run_rounds(program, graph, a, input, step, run, rounds);
  Unscaling u = {program, graph, run, rounds, NULL, NULL, 0};
  unscale(&u, arena);
  if (!evaluator_step(b, u.new, step, input, &error))
    fail_msg("%s", error);
  bool certified = evaluator_certified(a) && evaluator_certified(b);
  tally->runs++;
  if (certified) {
    tally->certified++;
    compare_values(&u, b, tally);
    compare_params(program, a, b);
    tally->roundings += u.roundings;
  }
  for (size_t i = 0; i + 1 < rounds; i++)
    evaluator_free(run[i]);
  graph_free(u.new);
  arena_free(arena);
  return certified;
}

static void tally_expect(const char *what, const Tally *tally) {
  printf("%s: %zu of %zu steps certified, %zu values and %zu roundings equal\n",
         what, tally->certified, tally->runs, tally->values, tally->roundings);
  assert_true(10 * tally->certified >= 9 * tally->runs);
  assert_true(tally->roundings > tally->certified);
}

/* ---- examples ------------------------------------------------------------ */

enum { STEPS = 4 };

static void compare_example(const TrialSource *source, Tally *tally) {
  Trial *t = trial_new(source, PASS_casts);
  trial_run(t, PRECISION_EDGES, 0);
  Evaluator *b = evaluator_new(t->program, PRECISION_EDGES, 7);
  int steps = t->graph->kind == ENTRY_TRAIN ? STEPS : 1;
  for (int step = 1; step <= steps; step++) {
    trial_fill(t, (uint64_t)step);
    if (!compare_step(t->program, t->graph, t->evaluator, b, t->input,
                      (uint64_t)step, tally))
      break;
  }
  evaluator_free(b);
  trial_free(t);
}

static void examples_round_at_their_edges(void **state) {
  (void)state;
  static const TrialSource source[] = {
      {MLP, .entry = "fit", .recipe = "fp8"},
      {MLP, .entry = "fit", .recipe = "fp16"},
      {MLP, .entry = "fit", .recipe = "fp8_param16"},
      {MLP, .entry = "fit", .recipe = "fp8",
       .rule = "default : e4m3, scale = propagate(down)"},
      {MLP, .entry = "fit", .recipe = "fp8", .rule = "matmul : e3m2 / e4m3"},
      {MLP, .entry = "fit", .recipe = "fp8",
       .rule = "activation : f16, overflow = inf"},
      {MLP, .entry = "fit", .recipe = "fp8",
       .rule = "matmul : e4m3 / e5m2, scale = amax"},
      {MLP, .entry = "fit", .recipe = "fp8",
       .rule = "matmul : e4m3 / e5m2, scale = amax(history = 2)"},
      {MLP, .entry = "fit", .recipe = "fp8",
       .rule = "matmul : e3m2 / e5m2, scale = rms, every = 2"},
      {MLP, .entry = "fit", .recipe = "fp8",
       .rule = "matmul : e4m3 / e5m2, round = stochastic"},
      {MLP, .entry = "fit", .recipe = "fp8",
       .rule = "matmul : e4m3 / e5m2, round = down, subnormals = false"},
      {MLP, .entry = "fit", .recipe = "fp8",
       .rule = "activation : e4m3, scale = rms, every = 3"},
      {MLP, .entry = "fit", .recipe = "fp8",
       .rule = "default : e3m2, scale = propagate(down), rescale = auto"},
      {LLAMA, .entry = "tune", .recipe = "fp8",
       .rule = "matmul : e4m3 / e5m2, scale = amax"},
      {AGAIN("AdamW(lr = 0.01)")},
      {AGAIN("AdamW(lr = 0.01)"), .rule = "matmul : e4m3 / e5m2, scale = amax"},
      {AGAIN("AdamW(lr = 0.01)"), .recipe = "fp8_state16"},
      {AGAIN("AdamW(lr = 0.01)"), .recipe = "fp8",
       .rule = "param, state : f16, scale = rms"},
      {AGAIN("AdamW(lr = 0.01)"), .recipe = "fp8",
       .rule = "state : bf16, scale = amax, every = 2"},
      {AGAIN("SGD(lr = 0.1, momentum = 0.9), accumulate = 3")},
      {AGAIN("AdamW(lr = 0.01), accumulate = 2"),
       .rule = "matmul : e4m3 / e5m2, scale = amax"},
      {AGAIN("AdamW(lr = 0.01), accumulate = 2"),
       .rule = "state : f16, scale = amax"},
      {AGAIN("SGD(lr = 0.1), accumulate = 4"),
       .rule = "activation : e4m3, scale = rms"},
      {LLAMA, .entry = "tune", .recipe = "fp8"},
      {LLAMA, .entry = "tune", .recipe = "fp8_param16"},
      {LLAMA, .entry = "tune", .recipe = "fp8_state16"},
      {LLAMA, .entry = "tune", .recipe = "fp8_amax"},
      {LLAMA, .entry = "decode"},
      {GPT2, .entry = "next", .recipe = "fp8"},
      {.file = "examples/cnn/cnn.sg", .define = {"B=2"}, .entry = "fit"},
  };
  Tally tally = {0};
  for (size_t i = 0; i < sizeof source / sizeof *source; i++)
    compare_example(&source[i], &tally);
  tally_expect("examples", &tally);
}

/* ---- against the reference ----------------------------------------------- */

#define CELL                                                                   \
  .text = "module Cell {\n  param w: [24, 24] = normal(0.2)\n"                 \
          "  state h: [24] = normal(3.0)\n"                                    \
          "  fn forward(x: [24]) -> [24] {\n    y = h @ w.T\n"                 \
          "    h = 40 * tanh(x + y)\n    return y + h @ w.T\n  }\n}\n"         \
          "model cell: Cell()\n"                                               \
          "entry f(x: [24]) -> [24] {\n  out = cell(x)\n  return out\n}\n"

static double relative_error(const Tensor *a, const Tensor *b) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < a->type->elements; i++) {
    double x = ldexp(a->data[i], a->exponent);
    double y = ldexp(b->data[i], b->exponent);
    difference += (x - y) * (x - y);
    size += y * y;
  }
  return sqrt(difference / size);
}

/* Several steps in 8 bits are those of binary64 to the precision of the
 * formats: what is stored at a measured exponent is read within the range of
 * the product's format. */
static void edges_stay_near_the_reference(void **state) {
  (void)state;
  static const struct {
    TrialSource source;
    const char *value;
    double most;
  } row[] = {
      {{CELL, .recipe = "fp8"}, "out", 0.15},
      {{CELL, .recipe = "fp8_state16"}, "out", 0.15},
      {{CELL, .recipe = "fp8_amax"}, "out", 0.15},
      {{CELL, .recipe = "fp8", .rule = "state : e5m2"}, "out", 0.25},
      {{CELL, .recipe = "fp8", .rule = "state, param : f16, scale = amax"},
       "out",
       0.15},
      {{MLP, .entry = "fit", .recipe = "fp8"}, "loss", 0.1},
      {{MLP, .entry = "fit", .recipe = "fp8",
        .rule = "param : f16, scale = amax"},
       "loss",
       0.1},
      {{LLAMA, .entry = "tune", .recipe = "fp8_state16"}, "loss", 0.1},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    Trial *a = trial_new(&row[i].source, PASS_casts);
    Trial *b = trial_new(&row[i].source, PASS_casts);
    trial_run(a, PRECISION_EDGES, STEPS);
    trial_run(b, PRECISION_F64, STEPS);
    double error = relative_error(trial_value(a, row[i].value),
                                  trial_value(b, row[i].value));
    if (!(error < row[i].most))
      fail_msg("row %zu: %s is off by %.3f", i + 1, row[i].value, error);
    trial_free(a);
    trial_free(b);
  }
}

/* ---- random programs ----------------------------------------------------- */

static unsigned long random_programs = 150;

static void narrow_recipe(Sketch *s, uint64_t seed) {
  static const Format operand[] = {FORMAT_E4M3, FORMAT_E5M2, FORMAT_E3M2,
                                   FORMAT_F16};
  static const Format store[] = {FORMAT_BF16, FORMAT_F16, FORMAT_E4M3};
  recipe_fp8(s);
  recipe_store(s, "default", store[seed % 3]);
  recipe_operands(s, operand[seed / 3 % 4], operand[seed / 12 % 4]);
}

static void compare_random(uint64_t seed, Tally *tally) {
  Sketch *s = sketch_new(ENTRY_PLAIN);
  sketch_random_program(s, seed, true);
  narrow_recipe(s, seed);
  sketch_passes(s, PASS_scalify, PASS_casts);
  Evaluator *a = evaluator_new(s->program, PRECISION_EDGES, 7);
  Evaluator *b = evaluator_new(s->program, PRECISION_EDGES, 7);
  for (uint64_t step = 1; step <= 2; step++)
    if (!compare_step(s->program, sketch_graph(s), a, b, s->input, step, tally))
      break;
  evaluator_free(a);
  evaluator_free(b);
  sketch_free(s);
}

static void random_programs_round_at_their_edges(void **state) {
  (void)state;
  Tally tally = {0};
  for (unsigned long seed = 1; seed <= random_programs; seed++)
    compare_random(seed, &tally);
  tally_expect("random programs", &tally);
}

/* ---- recipes ------------------------------------------------------------- */

/* Runs of the same source at two levels or under two recipes. */
static void expect_same_run(const TrialSource *first, PassId first_last,
                            Precision precision, const TrialSource *second,
                            PassId second_last) {
  Trial *a = trial_new(first, first_last), *b = trial_new(second, second_last);
  trial_run(a, precision, STEPS);
  trial_run(b, PRECISION_EDGES, STEPS);
  assert_true(a->certified && b->certified);
  assert_true(trials_expect_equal(a, b) > 20);
  trial_free(a);
  trial_free(b);
}

static const TrialSource trained[] = {
    {MLP, .entry = "fit", .recipe = "fp8"},
    {MLP, .entry = "fit", .recipe = "fp8_param16"},
    {LLAMA, .entry = "tune", .recipe = "fp8"},
};
enum { TRAINED = sizeof trained / sizeof *trained };

/* What a value and a product say about rounding, and the casts that stand for
 * it; then groups of ops and places of values, which move no rounding. */
static void casts_and_fusion_move_no_rounding(void **state) {
  (void)state;
  for (int i = 0; i < TRAINED; i++) {
    expect_same_run(&trained[i], PASS_formats, PRECISION_EDGES, &trained[i],
                    PASS_casts);
    expect_same_run(&trained[i], PASS_casts, PRECISION_EDGES, &trained[i],
                    PASS_plan);
  }
}

/* The format that the recipe fp8 asks for: e5m2 for gradients. */
static Format asked(const Node *operand) {
  return strncmp(operand->name, "d.", 2) == 0 ? FORMAT_E5M2 : FORMAT_E4M3;
}

/* Every product of every entry reads two copies in the formats of the recipe,
 * each made by one cast from a value of 32 bits. */
static void products_read_what_the_recipe_says(void **state) {
  (void)state;
  for (int i = 0; i < TRAINED; i++) {
    Trial *t = trial_new(&trained[i], PASS_casts);
    unsigned gradients = 0, products = 0;
    for (ValueId id = 1; id < t->graph->count; id++) {
      const Node *node = graph_node(t->graph, id);
      for (int k = 0; node->op == OP_EINSUM && k < 2; k++) {
        const Node *operand = graph_node(t->graph, node->input[k]);
        assert_int_equal(operand->type->format, asked(operand));
        gradients += asked(operand) == FORMAT_E5M2;
        products++;
        while (operand->op != OP_CAST) {
          assert_int_equal(op_info(operand->op)->class, CLASS_structural);
          operand = graph_node(t->graph, operand->input[0]);
        }
        operand = graph_node(t->graph, operand->input[0]);
        assert_true(operand->op == OP_PARAM ||
                    operand->type->format == FORMAT_F32);
      }
    }
    assert_true(products >= 16 && gradients >= 5);
    trial_free(t);
  }
}

/* A recipe that propagates scales and keeps every edge wide is the plain
 * program, to the bit. */
static void wide_edges_are_the_plain_program(void **state) {
  (void)state;
  static const TrialSource plain[] = {
      {MLP, .entry = "fit", .recipe = "f32"},
      {LLAMA, .entry = "tune", .recipe = "f32"}};
  static const TrialSource wide[] = {{MLP, .entry = "fit", .recipe = "fp8",
                                      .rule = "default, matmul, conv : f32"},
                                     {LLAMA, .entry = "tune", .recipe = "fp8",
                                      .rule = "default, matmul, conv : f32"}};
  for (int i = 0; i < 2; i++)
    expect_same_run(&plain[i], PASS_rescale, PRECISION_F32, &wide[i],
                    PASS_plan);
}

#define RECIPE_PROGRAM(rules)                                                  \
  "import nn\nimport optim\nimport recipes\n"                                  \
  "recipe own : recipes.fp8 {\n" rules "}\n"                                   \
  "dataset data {\n  x: u8[_, 8] = idx(\"x\")\n  y: u8[_] = idx(\"y\")\n}\n"   \
  "model net: nn.Linear(8, 3)\n"                                               \
  "@recipe(own) @steps(9)\n"                                                   \
  "train fit(batch: data[4]) {\n"                                              \
  "  x = tanh(real(batch.x) / 99)\n"                                           \
  "  loss = cross_entropy(net(x), batch.y)\n"                                  \
  "  minimize loss with optim.SGD(lr = 0.5, momentum = 0.5)\n"                 \
  "  report loss\n"                                                            \
  "}\n"

/* The same formats by rules in another order. */
static void order_of_rules_that_do_not_meet(void **state) {
  (void)state;
  static const TrialSource a = {
      .text = RECIPE_PROGRAM("  matmul : e3m2 / e5m2\n"
                             "  elementwise : f16\n"
                             "  net.b : f16, scale = fixed\n")};
  static const TrialSource b = {
      .text = RECIPE_PROGRAM("  net.b : f16, scale = fixed\n"
                             "  elementwise : f16\n"
                             "  matmul : e3m2 / e5m2\n")};
  expect_same_run(&a, PASS_plan, PRECISION_EDGES, &b, PASS_plan);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_programs_round_at_their_edges),
      cmocka_unit_test(examples_round_at_their_edges),
      cmocka_unit_test(edges_stay_near_the_reference),
      cmocka_unit_test(casts_and_fusion_move_no_rounding),
      cmocka_unit_test(products_read_what_the_recipe_says),
      cmocka_unit_test(wide_edges_are_the_plain_program),
      cmocka_unit_test(order_of_rules_that_do_not_meet),
  };
  const struct CMUnitTest sweep[] = {tests[0]};
  if (argc < 2)
    return cmocka_run_group_tests(tests, NULL, NULL);
  random_programs = strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(sweep, NULL, NULL);
}
