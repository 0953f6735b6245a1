/* The loop over passes, and what passes at level plain must not change: the
 * bits of the step of the listings and of random graphs, in binary64 and in
 * binary32 (testing.md's translation validation by execution).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/pass_support.h"

/* ---- the loop over passes ------------------------------------------------ */

/* The graph comes in wrong, so it goes out wrong. */
static void violations_name_the_pass(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_param(s, "x", EXTENT(3));
  ValueId y = sketch_op(s, "y", OP_RELU, x, 0, 0);
  sketch_return(s, "y", y);
  graph_node(sketch_graph(s), y)->type = sketch_type(s, FORMAT_REAL, EXTENT(4));
  assert_false(sketch_try(s, PASS_simplify));
  assert_int_equal(s->errors, 0);
  assert_non_null(strstr(s->messages.data, "pass `simplify` left 1 violation"));
  sketch_free(s);
}

typedef struct {
  int before, after;
  bool timed;
} Calls;

static void count_before(void *user, const PassInfo *pass,
                         const Program *program) {
  assert_int_equal(pass->from, program->level);
  ((Calls *)user)->before++;
}

static void count_after(void *user, const PassInfo *pass,
                        const Program *program, double seconds) {
  Calls *calls = user;
  assert_int_equal(pass->to, program->level);
  calls->after++;
  calls->timed = seconds >= 0;
}

static void hooks_surround_each_pass(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  sketch_perceptron(s);
  PassContext context = {s->program, s->arena, s->diagnostics};
  PassId list[] = {PASS_simplify, PASS_autodiff, PASS_rescale};
  Calls calls = {0, 0, false};
  PassHooks hooks = {&calls, count_before, count_after};
  assert_true(passes_run(&context, list, 3, true, &hooks));
  assert_int_equal(calls.before, 3);
  assert_int_equal(calls.after, 3);
  assert_true(calls.timed);
  sketch_free(s);
}

static void passes_have_names(void **state) {
  (void)state;
  for (int pass = 0; pass < PASS_COUNT; pass++) {
    const PassInfo *info = pass_info((PassId)pass);
    assert_int_equal(pass_named(info->name, strlen(info->name)), pass);
    assert_true(info->from <= info->to);
    assert_true(strlen(info->help) > 0);
  }
  assert_int_equal(pass_named("simplif", 7), PASS_COUNT);
}

/* ---- the step of the listings -------------------------------------------- */

static Settings rescale_grad(void) {
  Settings settings = settings_unset();
  settings.rescale_grad = NORM_L2;
  return settings;
}

static void the_step_keeps_its_bits(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  sketch_perceptron(s);
  sketch_recipe(s, "scaled");
  Settings scaled = settings_unset();
  scaled.scaling = SCALING_PROPAGATE;
  sketch_rule(s, "default", scaled);
  sketch_rule(s, "loss, norm", rescale_grad());
  sketch_pass(s, PASS_autodiff); /* from the graph as it was written */
  sketch_pass_exactly(s, PASS_simplify);
  sketch_pass_exactly(s, PASS_rescale);
  assert_non_null(strstr(sketch_text(s), "rescale("));
  sketch_pass_exactly(s, PASS_simplify);
  sketch_free(s);
}

/* The order simplify, autodiff and the reverse give one step. */
static void simplify_commutes_with_autodiff(void **state) {
  (void)state;
  Outcome *outcome[2];
  Sketch *sketch[2];
  for (int i = 0; i < 2; i++) {
    Sketch *s = sketch[i] = sketch_new(ENTRY_TRAIN);
    sketch_perceptron(s);
    sketch_pass(s, i ? PASS_autodiff : PASS_simplify);
    sketch_pass(s, i ? PASS_simplify : PASS_autodiff);
    outcome[i] = sketch_outcome(s, PRECISION_F32);
  }
  sketch_expect_equal(sketch[0], outcome[0], outcome[1]);
  sketch_free(sketch[0]);
  sketch_free(sketch[1]);
}

/* ---- random graphs ------------------------------------------------------- */

/* All sizes are 3, so that any two values of equal rank combine. */
enum { SIZE = 3, POOL = 64, STEPS = 30 };

typedef struct {
  Sketch *s;
  ValueId value[POOL];
  int count;
} Garden;

static uint64_t pick(Garden *garden, uint64_t limit) {
  return sketch_random(garden->s) % limit;
}

static Extent cube(int rank) {
  return (Extent){rank, {SIZE, SIZE, SIZE, SIZE}};
}

static int rank_of(Garden *garden, ValueId id) {
  return graph_node(sketch_graph(garden->s), id)->type->rank;
}

static ValueId any_value(Garden *garden) {
  return garden->value[pick(garden, (uint64_t)garden->count)];
}

static ValueId value_of_rank(Garden *garden, int rank) {
  ValueId id = any_value(garden);
  for (int tries = 0; rank_of(garden, id) != rank && tries < 200; tries++)
    id = any_value(garden);
  return id;
}

/* Every third value has a name of its own. */
static const char *any_name(Garden *garden) {
  static const char *const module[] = {"", "net.", "net.l1."};
  if (pick(garden, 3) > 0)
    return NULL;
  return intern_printf(garden->s->program->interner, "%sv%u",
                       module[pick(garden, 3)], sketch_graph(garden->s)->count);
}

static ValueId grow_unary(Garden *garden) {
  static const Op op[] = {OP_NEG, OP_RELU, OP_NEG, OP_EXP, OP_SQRT, OP_RESCALE};
  return sketch_op(garden->s, any_name(garden), op[pick(garden, 6)],
                   any_value(garden), 0, 0);
}

static ValueId any_number(Garden *garden) {
  static const double number[] = {1.0, 1.0, -0.0, 0.0,  2.0,
                                  0.1, 3.0, 0.7,  1e-30};
  return sketch_number(garden->s, number[pick(garden, 9)]);
}

static ValueId grow_binary(Garden *garden) {
  static const Op op[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV};
  ValueId a = any_value(garden);
  ValueId b = pick(garden, 2) ? any_number(garden) : any_value(garden);
  if (pick(garden, 4) == 0)
    a = any_number(garden);
  if (pick(garden, 2)) {
    ValueId c = a;
    a = b, b = c;
  }
  return sketch_op(garden->s, any_name(garden), op[pick(garden, 4)], a, b, 0);
}

static ValueId grow_transpose(Garden *garden) {
  static const char *const pattern[] = {"a b -> b a", "a b c -> c a b",
                                        "a b c -> b a c", "a b c -> a c b"};
  bool flat = pick(garden, 2);
  ValueId x = value_of_rank(garden, flat ? 2 : 3);
  if (rank_of(garden, x) != (flat ? 2 : 3))
    return x;
  return sketch_pattern(garden->s, any_name(garden), OP_TRANSPOSE, x, 0,
                        pattern[flat ? 0 : 1 + pick(garden, 3)]);
}

static ValueId grow_reshape(Garden *garden) {
  ValueId x = value_of_rank(garden, 2);
  static const Extent shape[] = {{1, {9}}, {2, {3, 3}}, {3, {3, 1, 3}}};
  Extent to = shape[pick(garden, 3)];
  if (rank_of(garden, x) != 2)
    return x;
  ValueId y = sketch_shaped(garden->s, any_name(garden), OP_RESHAPE, x,
                            FORMAT_REAL, to, NULL);
  return to.rank == 2 ? y
                      : sketch_shaped(garden->s, any_name(garden), OP_RESHAPE,
                                      y, FORMAT_REAL, cube(2), NULL);
}

static ValueId grow_spread(Garden *garden) {
  ValueId x = value_of_rank(garden, (int)pick(garden, 2));
  int rank = rank_of(garden, x);
  if (rank == 1)
    return sketch_shaped(garden->s, any_name(garden), OP_BROADCAST, x,
                         FORMAT_REAL, cube(2),
                         pick(garden, 2) ? "o -> b o" : "o -> o b");
  return rank > 1
             ? x
             : sketch_shaped(garden->s, any_name(garden), OP_SPLAT, x,
                             FORMAT_REAL, cube(1 + (int)pick(garden, 3)), NULL);
}

static ValueId grow_einsum(Garden *garden) {
  static const char *const pattern[] = {
      "b i, o i -> b o", "b i, i o -> b o", "i b, o i -> o b",
      "i j, i j ->",     "i j, j i ->",     "a b, c d -> d a b c"};
  ValueId a = value_of_rank(garden, 2), b = value_of_rank(garden, 2);
  if (rank_of(garden, a) != 2 || rank_of(garden, b) != 2)
    return a;
  return sketch_pattern(garden->s, any_name(garden), OP_EINSUM, a, b,
                        pattern[pick(garden, 6)]);
}

static ValueId grow_reduce(Garden *garden) {
  static const char *const pattern[] = {"a b ->", "b o -> o", "b o -> b"};
  ValueId x = value_of_rank(garden, 2);
  if (rank_of(garden, x) != 2)
    return x;
  return sketch_pattern(garden->s, any_name(garden),
                        pick(garden, 2) ? OP_SUM : OP_MEAN, x, 0,
                        pattern[pick(garden, 3)]);
}

static void garden_grow(Garden *garden) {
  static ValueId (*const grow[])(Garden *) = {
      grow_unary,   grow_binary, grow_binary, grow_transpose, grow_transpose,
      grow_reshape, grow_spread, grow_einsum, grow_reduce};
  for (int i = 0; i < STEPS; i++) {
    ValueId value = grow[pick(garden, sizeof grow / sizeof *grow)](garden);
    garden->value[garden->count++] = value;
  }
}

static Garden garden_new(uint64_t seed) {
  Sketch *s = sketch_new(ENTRY_PLAIN);
  s->seed = seed * 0x9e3779b97f4a7c15u;
  Garden garden = {.s = s};
  garden.value[garden.count++] = sketch_param(s, "p", cube(2));
  garden.value[garden.count++] = sketch_param(s, "q", cube(3));
  garden.value[garden.count++] = sketch_input(s, "i", cube(1));
  garden.value[garden.count++] = sketch_input(s, "j", EXTENT_SCALAR);
  s->program->param.data[0].init = (Init){INIT_NORMAL, 1, 0};
  garden_grow(&garden);
  for (int i = 0; i < 4; i++)
    sketch_return(s, intern_printf(s->program->interner, "r%d", i),
                  garden.value[garden.count - 1 - i * 3]);
  return garden;
}

static void random_graphs_keep_their_bits(void **state) {
  (void)state;
  uint32_t before = 0, after = 0;
  for (uint64_t seed = 1; seed <= 400; seed++) {
    Garden garden = garden_new(seed);
    before += sketch_graph(garden.s)->count;
    sketch_pass_exactly(garden.s, PASS_simplify);
    after += sketch_graph(garden.s)->count;
    /* Nothing is left to do. */
    char *text = arena_string(garden.s->arena, sketch_text(garden.s),
                              strlen(sketch_text(garden.s)));
    sketch_pass(garden.s, PASS_simplify);
    assert_string_equal(text, sketch_text(garden.s));
    sketch_free(garden.s);
  }
  assert_true(after * 2 < before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(violations_name_the_pass),
      cmocka_unit_test(hooks_surround_each_pass),
      cmocka_unit_test(passes_have_names),
      cmocka_unit_test(the_step_keeps_its_bits),
      cmocka_unit_test(simplify_commutes_with_autodiff),
      cmocka_unit_test(random_graphs_keep_their_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
