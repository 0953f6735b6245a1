/* Oracle O2: a program with narrow edges is the unscaled program that rounds
 * explicitly at the same edges.
 *
 * From a final graph and the exponents of a step, static or measured, a graph
 * is made in which every value is at 2^0 in f32, but around each rounding:
 *
 *   Q_e(x) = 2^e * decode(encode(x * 2^-e))
 *
 * at each cast, at each number of a narrow format, and at the border to
 * parameters, which keep their storage. Under the certificate both have the
 * same values and parameters after every step, to the bit. This holds where
 * casts stand, that they round what they should at the exponent they should,
 * and that nothing else does.
 *
 * With a number as argument: that many random programs, and no other test.
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

/* ---- the unscaled graph -------------------------------------------------- */

typedef struct {
  Program *program;
  const Graph *old;
  const Evaluator *measured; /* has run the step */
  Graph *new;
  ValueId *map;
  unsigned roundings;
} Unscaling;

static int32_t exponent_at(const Unscaling *u, ValueId id) {
  return evaluator_value(u->measured, u->old, id)->exponent;
}

static bool is_narrow(const Type *type) {
  return type_is_real(type) && type->format != FORMAT_REAL &&
         format_bytes(type->format) < 4;
}

/* The value in f32, data at 2^exponent. */
static ValueId add_moved(Unscaling *u, ValueId value, int32_t exponent) {
  const Node *from = graph_node(u->new, value);
  Node node = node_make(
      OP_REBALANCE, from->phase,
      type_with_format(u->program->types, from->type, FORMAT_F32), value, 0, 0);
  node.scale = scale_static(exponent);
  return graph_add(u->new, &node);
}

/* Data as they are at the value's own exponent, read at 2^0. */
static ValueId add_kept(Unscaling *u, Node node, int32_t exponent) {
  node.scale = scale_static(exponent);
  return add_moved(u, graph_add(u->new, &node), 0);
}

static ValueId add_cast(Unscaling *u, Node node, int32_t exponent) {
  u->roundings++;
  node.input[0] = add_moved(u, node.input[0], exponent);
  return add_kept(u, node, exponent);
}

/* A measured exponent that is kept: the number that it was in this step. */
static ValueId add_measured(Unscaling *u, ValueId stored, Node store) {
  assert_int_equal(store.type->rank, 0); /* no history */
  Node number = node_make(OP_CONST, store.phase, store.type, 0, 0, 0);
  number.attr.value = evaluator_value(u->measured, u->old, stored)->data[0];
  store.input[0] = graph_add(u->new, &number);
  return graph_add(u->new, &store);
}

static ValueId add_store(Unscaling *u, ValueId id, Node node) {
  const Parameter *param = &u->program->param.data[node.attr.index];
  ValueId stored = graph_node(u->old, id)->input[0];
  if (node_defines_exponent(graph_node(u->old, stored)))
    return add_measured(u, stored, node);
  node.scale =
      param->exponent ? scale_static(exponent_at(u, id)) : param->scale;
  if (node.scale.kind == SCALE_NORMAL)
    node.input[0] = add_moved(u, node.input[0], node.scale.exponent);
  return graph_add(u->new, &node);
}

static ValueId add_unscaled(Unscaling *u, ValueId id) {
  Node node = *graph_node(u->old, id);
  node.kernel = 0;
  for (int i = 0; i < MAX_INPUTS; i++)
    node.input[i] = u->map[node.input[i]];
  if (node.op == OP_STORE)
    return add_store(u, id, node);
  if (!type_is_real(node.type))
    return graph_add(u->new, &node);
  int32_t exponent = exponent_at(u, id);
  if (node.op == OP_PARAM && node.scale.kind == SCALE_NORMAL)
    return add_kept(u, node, exponent);
  if (node.op == OP_CAST && is_narrow(node.type))
    return add_cast(u, node, exponent);
  if (node.op == OP_CONST && is_narrow(node.type))
    return add_kept(u, node, exponent);
  if (node.op == OP_CONST)
    node.attr.value = ldexp(node.attr.value, exponent);
  node.scale = node.op == OP_PARAM ? scale_none() : scale_static(0);
  return graph_add(u->new, &node);
}

/* An exponent, or the leaf or store of a state of exponents. */
static bool is_of_exponents(const Unscaling *u, ValueId id) {
  const Node *node = graph_node(u->old, id);
  bool state = node->op == OP_PARAM || node->op == OP_STORE;
  return node_defines_exponent(node) ||
         (state && u->program->param.data[node->attr.index].measured);
}

static Graph *unscale(Unscaling *u, Arena *arena) {
  u->new = graph_new(arena, u->old->kind, u->old->name);
  u->new->recipe = u->old->recipe;
  u->new->run = u->old->run;
  u->map = NEW_ARRAY(arena, ValueId, u->old->count);
  for (ValueId id = 1; id < u->old->count; id++)
    if (!is_of_exponents(u, id))
      u->map[id] = add_unscaled(u, id);
  for (size_t i = 0; i < u->old->input.length; i++) {
    Input input = u->old->input.data[i];
    input.value = u->map[input.value];
    vec_push(&u->new->input, input);
  }
  return u->new;
}

/* ---- comparing ----------------------------------------------------------- */

typedef struct {
  size_t runs, certified, values, roundings;
} Tally;

/* A value of the unscaled graph is where the map says: for casts behind Q. */
static void expect_equal(const Unscaling *u, const Evaluator *unscaled,
                         ValueId id) {
  const Tensor *a = evaluator_value(u->measured, u->old, id);
  const Tensor *b = evaluator_value(unscaled, u->new, u->map[id]);
  const char *name = graph_node(u->old, id)->name;
  if (!tensors_equal(a, b))
    fail_msg("%s (%s) differs", name ? name : "a number",
             op_info(graph_node(u->old, id)->op)->text);
}

static void compare_values(const Unscaling *u, const Evaluator *unscaled,
                           Tally *tally) {
  for (ValueId id = 1; id < u->old->count; id++)
    if (u->map[id] != 0 && graph_node(u->old, id)->op != OP_STORE) {
      expect_equal(u, unscaled, id);
      tally->values++;
    }
}

static void compare_params(const Program *program, Evaluator *a, Evaluator *b) {
  for (size_t i = 0; i < program->param.length; i++)
    if (!program->param.data[i].measured &&
        !tensors_equal(evaluator_param(a, (int)i), evaluator_param(b, (int)i)))
      fail_msg("parameter %s differs", program->param.data[i].name);
}

/* One step of both. False once a step is not certified. */
static bool compare_step(Program *program, const Graph *graph, Evaluator *a,
                         Evaluator *b, const Tensor *input, uint64_t step,
                         Tally *tally) {
  Arena *arena = arena_new();
  const char *error = "";
  if (!evaluator_step(a, graph, step, input, &error))
    fail_msg("%s", error);
  Unscaling u = {program, graph, a, NULL, NULL, 0};
  Graph *unscaled = unscale(&u, arena);
  if (!evaluator_step(b, unscaled, step, input, &error))
    fail_msg("%s", error);
  bool certified = evaluator_certified(a) && evaluator_certified(b);
  tally->runs++;
  if (certified) {
    tally->certified++;
    compare_values(&u, b, tally);
    compare_params(program, a, b);
    tally->roundings += u.roundings;
  }
  graph_free(unscaled);
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
  assert_int_equal(t->rounds, 1); /* else exponents differ within a step */
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
      {LLAMA, .entry = "tune", .recipe = "fp8"},
      {LLAMA, .entry = "tune", .recipe = "fp8_param16"},
      {LLAMA, .entry = "decode"},
      {GPT2, .entry = "next", .recipe = "fp8"},
      {.file = "examples/cnn/cnn.sg", .define = {"B=2"}, .entry = "fit"},
  };
  Tally tally = {0};
  for (size_t i = 0; i < sizeof source / sizeof *source; i++)
    compare_example(&source[i], &tally);
  tally_expect("examples", &tally);
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
