/* Oracle O1: scale propagation moves no bit. Wherever neither the plain nor the
 * scaled program overflows or underflows (the certificate), every value and
 * parameter of both is equal to the bit in binary32: in each example, in every
 * op with its gradient, and in random programs. Most runs must be certified,
 * or the oracle would be empty.
 *
 * With a number as argument: that many random programs, and no other test.
 */
#include "tests/unit/adjoint_families.h"
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

/* ---- runs and how many of them are certified ----------------------------- */

typedef struct {
  size_t runs, certified, values;
} Share;

static void share_expect(const char *what, const Share *share, double least) {
  printf("%s: %zu of %zu runs certified, %zu values equal\n", what,
         share->certified, share->runs, share->values);
  assert_true((double)share->certified >= least * (double)share->runs);
  assert_true(share->values > share->certified);
}

static void share_add(Share *share, bool certified, size_t values) {
  share->runs++;
  share->certified += certified;
  share->values += values;
}

/* ---- examples ------------------------------------------------------------ */

enum { STEPS = 3 };

static const TrialSource example[] = {
    {MLP, .entry = "fit", .recipe = "fp8"},
    {MLP, .entry = "fit", .recipe = "fp16"},
    {MLP, .entry = "classify", .recipe = "fp8"},
    /* exponents of the run: of operands, values, states, gradients */
    {MLP, .entry = "fit", .recipe = "fp8",
     .rule = "matmul : e4m3 / e5m2, scale = amax"},
    {MLP, .entry = "fit", .recipe = "fp8",
     .rule = "matmul : e4m3 / e5m2, scale = amax(history = 2)"},
    {MLP, .entry = "fit", .recipe = "fp8",
     .rule = "activation : e4m3, scale = rms, every = 2"},
    {MLP, .entry = "fit", .recipe = "fp8", .rule = "param : f16, scale = rms"},
    {MLP, .entry = "fit", .recipe = "fp8",
     .rule = "norm, loss : rescale_grad = max, every = 2"},
    {MLP, .entry = "fit", .recipe = "fp8",
     .rule = "default : e3m2, scale = propagate(stochastic), rescale = auto"},
    {AGAIN("AdamW(lr = 0.01)")},
    {AGAIN("AdamW(lr = 0.01)"), .rule = "state : f16"},
    {AGAIN("SGD(lr = 0.1, momentum = 0.9), accumulate = 3")},
    {AGAIN("AdamW(lr = 0.01), accumulate = 2"),
     .rule = "matmul : e4m3 / e5m2, scale = amax"},
    {AGAIN("AdamW(lr = 0.01), accumulate = 2"), .rule = "state : f16"},
    {LLAMA, .entry = "tune", .recipe = "fp8", .rule = "state : f16"},
    {LLAMA, .entry = "tune", .recipe = "fp8",
     .rule = "matmul : e4m3 / e5m2, scale = amax"},
    {GPT2, .entry = "pretrain"},
    {GPT2, .entry = "pretrain", .recipe = "fp16"},
    {GPT2, .entry = "next", .recipe = "fp8"},
    {LLAMA, .entry = "tune"},
    {LLAMA, .entry = "tune", .recipe = "fp8_param16"},
    {LLAMA, .entry = "prefill"},
    {LLAMA, .entry = "decode"},
    {.file = "examples/minilm/minilm.sg",
     .define = {"L=2", "D=16", "H=2", "F=24", "T=8", "B=2"},
     .entry = "embed",
     .recipe = "fp8"},
    {.file = "examples/cnn/cnn.sg", .define = {"B=2"}, .entry = "fit"},
};

/* The same parameters before, the same values after each of some steps. */
static void compare_example(Share *share, const TrialSource *source) {
  Trial *plain = trial_new(source, PASS_rescale);
  Trial *scaled = trial_new(source, PASS_scalify);
  assert_int_equal(scaled->program->level, LEVEL_SCALED);
  trial_run(plain, PRECISION_F32, 0);
  trial_run(scaled, PRECISION_F32, 0);
  int steps = plain->graph->kind == ENTRY_TRAIN ? STEPS : 1;
  for (int step = 1; step <= steps; step++) {
    trial_fill(plain, (uint64_t)step);
    trial_fill(scaled, (uint64_t)step);
    assert_true(trial_step(plain, (uint64_t)step));
    assert_true(trial_step(scaled, (uint64_t)step));
    bool certified = plain->certified && scaled->certified;
    share_add(share, certified,
              certified ? trials_expect_equal(plain, scaled) : 0);
  }
  trial_free(plain);
  trial_free(scaled);
}

static void examples_are_exact(void **state) {
  (void)state;
  Share share = {0};
  for (size_t i = 0; i < sizeof example / sizeof *example; i++)
    compare_example(&share, &example[i]);
  share_expect("examples", &share, 0.9);
}

/* ---- every op ------------------------------------------------------------ */

static Share op_share;
static unsigned op_cases[OP_COUNT];

/* Values within 2^+-8 of the case's, now and then within 2^+-60; parameters at
 * exponents that have nothing to do with them. */
static void raise_operands(Sketch *s, uint64_t number, int raise[MAX_INPUTS]) {
  int most = number % 16 == 0 ? 60 : 8;
  s->seed = number;
  for (int i = 0; i < MAX_INPUTS; i++)
    raise[i] = (int)(sketch_random(s) % (uint64_t)(2 * most + 1)) - most;
  for (size_t i = 0; i < s->program->param.length; i++)
    s->program->param.data[i].init =
        (Init){INIT_CONSTANT, ldexp(1, (int)(sketch_random(s) % 41) - 20), 0};
}

static Record run_case(const AdjointCase *c, Sketch *s,
                       const int raise[MAX_INPUTS], bool *certified) {
  const char *error = "";
  evaluator_free(s->evaluator);
  s->evaluator = evaluator_new(s->program, PRECISION_F32, 7);
  adjoint_fill(c, s, raise);
  if (!evaluator_step(s->evaluator, sketch_graph(s), 1, s->input, &error))
    fail_msg("%s", error);
  *certified = evaluator_certified(s->evaluator);
  return sketch_values(s);
}

static void compare_case(const AdjointCase *c) {
  uint64_t number = ++op_share.runs;
  op_cases[c->op]++;
  Sketch *s = adjoint_program(c);
  int raise[MAX_INPUTS];
  raise_operands(s, number, raise);
  (number % 2 ? recipe_fp8 : recipe_scaled)(s);
  sketch_pass(s, PASS_autodiff);
  sketch_pass(s, PASS_rescale);
  bool certified, again;
  Record plain = run_case(c, s, raise, &certified);
  sketch_pass(s, PASS_scalify);
  Record scaled = run_case(c, s, raise, &again);
  if (certified && again) {
    op_share.certified++;
    op_share.values += record_expect_equal(&plain, &scaled);
  }
  sketch_free(s);
}

static void ops_are_exact(void **state) {
  (void)state;
  Adjoint cases = {.visit = compare_case};
#define FAMILY(name) adjoint_##name(&cases);
#include "tests/unit/adjoint_families.def"
  share_expect("ops", &op_share, 0.9);
  assert_true(op_cases[OP_ADD] > 20 && op_cases[OP_EINSUM] > 20 &&
              op_cases[OP_SQRT] > 20 && op_cases[OP_LAYER_NORM] > 20);
}

/* ---- random programs ----------------------------------------------------- */

static void compare_random(Share *share, uint64_t seed) {
  Sketch *s = sketch_new(ENTRY_PLAIN);
  sketch_random_program(s, seed, seed % 2);
  Record plain = sketch_record(s, PRECISION_F32, 2);
  bool certified = evaluator_certified(s->evaluator);
  recipe_scaled(s);
  sketch_pass(s, PASS_scalify);
  Record scaled = sketch_record(s, PRECISION_F32, 2);
  certified &= evaluator_certified(s->evaluator);
  share_add(share, certified,
            certified ? record_expect_equal(&plain, &scaled) : 0);
  sketch_free(s);
}

static unsigned long random_programs = 400;

static void random_programs_are_exact(void **state) {
  (void)state;
  Share share = {0};
  for (unsigned long seed = 1; seed <= random_programs; seed++)
    compare_random(&share, seed);
  share_expect("random programs", &share, 0.9);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_programs_are_exact),
      cmocka_unit_test(examples_are_exact),
      cmocka_unit_test(ops_are_exact),
  };
  const struct CMUnitTest sweep[] = {tests[0]};
  if (argc < 2)
    return cmocka_run_group_tests(tests, NULL, NULL);
  random_programs = strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(sweep, NULL, NULL);
}
