/* Values that the backward pass computes again: the same bits as if they had
 * been kept, and the same as those they stand for.
 *
 * The programs are random, and so are their regions, which need not even be
 * connected: whatever lies in one, no number may change.
 */
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

enum { VALUES = 24, PROGRAMS = 60 };

static ValueId drop(Sketch *s, ValueId x) {
  Node node = node_make(OP_BERNOULLI, s->phase, NULL, 0, 0, 0);
  node.attr.probability = 0.75;
  node.type = sketch_type(s, FORMAT_BOOL, EXTENT(4, 6));
  ValueId keep = sketch_add(s, NULL, &node);
  return sketch_op(s, NULL, OP_SELECT, keep, x, sketch_number(s, 0.0));
}

static ValueId row_op(Sketch *s, Op op, ValueId x) {
  Node node = node_make(op, s->phase, NULL, x, 0, 0);
  node.attr.axis = 1;
  if (op == OP_LAYER_NORM)
    node.attr.eps = 1e-5;
  return sketch_add(s, NULL, &node);
}

static ValueId transposed(Sketch *s, const char *name, ValueId x) {
  ValueId turned = sketch_pattern(s, NULL, OP_TRANSPOSE, x, 0, "a b -> b a");
  return sketch_pattern(s, name, OP_TRANSPOSE, turned, 0, "a b -> b a");
}

/* One more value of [4, 6] from those there are. */
static ValueId grow(Sketch *s, const char *name, const ValueId *w,
                    const ValueId *value, int count) {
  ValueId a = value[sketch_random(s) % (uint64_t)count];
  ValueId b = value[sketch_random(s) % (uint64_t)count];
  switch (sketch_random(s) % 9) {
  case 0:
    return sketch_op(s, name, OP_RELU, a, 0, 0);
  case 1:
    return sketch_op(s, name, OP_TANH, a, 0, 0);
  case 2:
    return sketch_op(s, name, OP_ADD, a, b, 0);
  case 3:
    return sketch_op(s, name, OP_TANH, sketch_op(s, NULL, OP_MUL, a, b, 0), 0,
                     0);
  case 4:
    return drop(s, a);
  case 5:
    return row_op(s, OP_SOFTMAX, a);
  case 6:
    return row_op(s, OP_LAYER_NORM, a);
  case 7:
    return transposed(s, name, a);
  default:
    return sketch_pattern(s, name, OP_EINSUM, a, w[sketch_random(s) % 2],
                          "b i, i o -> b o");
  }
}

/* A loss over a random chain of values, minimised. */
static void random_step(Sketch *s, uint64_t seed) {
  s->seed = seed;
  ValueId w[2] = {sketch_param(s, "w", EXTENT(6, 6)),
                  sketch_param(s, "v", EXTENT(6, 6))};
  ValueId value[VALUES] = {sketch_input(s, "x", EXTENT(4, 6))};
  value[1] =
      sketch_pattern(s, "y", OP_EINSUM, value[0], w[0], "b i, i o -> b o");
  for (int i = 2; i < VALUES; i++) {
    int from = i < 4 ? 0 : i - 4; /* near ones, so that it gets deep */
    const char *name = sketch_random(s) % 2
                           ? intern_printf(s->program->interner, "net.v%d", i)
                           : NULL;
    value[i] = grow(s, name, w, value + from, i - from);
  }
  ValueId last = sketch_op(s, "last", OP_MUL, value[VALUES - 1],
                           sketch_number(s, 0.25), 0);
  sketch_return(s, "seen", value[VALUES / 2]);
  ValueId loss = sketch_pattern(s, "loss", OP_MEAN, last, 0, "b o ->");
  sketch_return(s, "loss", loss);
  sketch_minimize(s, loss);
}

static void mark_regions(Sketch *s, uint64_t seed) {
  static const char *const path[] = {NULL, NULL, "a", "a/b", "a/b/c", "d"};
  const char *now = NULL;
  s->seed = seed;
  for (ValueId id = 1; id < sketch_graph(s)->count; id++) {
    Node *node = graph_node(sketch_graph(s), id);
    if (sketch_random(s) % 3 == 0)
      now = path[sketch_random(s) % (sizeof path / sizeof *path)];
    if (now && !node_is_leaf(node) && node->phase == PHASE_FORWARD)
      node->remat = intern(s->program->interner, now);
  }
}

static size_t count_again(const Sketch *s) {
  size_t count = 0;
  for (ValueId id = 1; id < sketch_graph(s)->count; id++)
    count += graph_node(sketch_graph(s), id)->again != NULL;
  return count;
}

/* Each copy has the data and the exponent of its original; how many there are.
 */
static size_t expect_same_bits(Sketch *s, Precision precision) {
  const Graph *graph = sketch_graph(s);
  const ValueId *original = graph_originals(s->arena, graph);
  size_t pairs = 0;
  sketch_run(s, precision);
  for (ValueId id = 1; id < graph->count; id++) {
    if (!original[id])
      continue;
    pairs++;
    const Tensor *a = evaluator_value(s->evaluator, graph, original[id]);
    const Tensor *b = evaluator_value(s->evaluator, graph, id);
    size_t bytes = (size_t)a->type->elements * sizeof(double);
    if (a->exponent != b->exponent || memcmp(a->data, b->data, bytes) != 0)
      fail_msg("%%%s differs from %%%s\n%s", graph_node(graph, id)->name,
               graph_node(graph, original[id])->name, sketch_text(s));
  }
  return pairs;
}

static Sketch *derived(uint64_t seed, bool regions, bool simplify) {
  Sketch *s = sketch_new(ENTRY_TRAIN);
  random_step(s, seed);
  if (regions)
    mark_regions(s, seed + 1000);
  if (simplify)
    sketch_pass(s, PASS_simplify);
  sketch_pass(s, PASS_autodiff);
  if (simplify)
    sketch_pass(s, PASS_simplify);
  return s;
}

static void no_bit_changes(void **state) {
  (void)state;
  static const Precision precisions[] = {PRECISION_F64, PRECISION_F32};
  size_t copies = 0;
  for (uint64_t seed = 1; seed <= PROGRAMS; seed++)
    for (int i = 0; i < 2; i++) {
      Sketch *kept = derived(seed, false, i);
      Sketch *again = derived(seed, true, i);
      assert_int_equal(count_again(kept), 0);
      copies += count_again(again);
      for (int k = 0; k < 2; k++)
        sketch_expect_equal(again, sketch_outcome(kept, precisions[k]),
                            sketch_outcome(again, precisions[k]));
      sketch_free(kept);
      sketch_free(again);
    }
  assert_true(copies > 10 * PROGRAMS);
}

/* Under recipes that rescale and round, every other one at random, every third
 * with measured operands, at every level. */
static void copies_equal_their_originals(void **state) {
  (void)state;
  size_t pairs = 0;
  static const PassId passes[] = {PASS_rescale, PASS_scalify, PASS_formats,
                                  PASS_casts,   PASS_fuse,    PASS_plan};
  for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
    Sketch *s = sketch_new(ENTRY_TRAIN);
    recipe_fp8(s);
    Settings rescale = settings_unset(), random = settings_unset();
    Settings measured = settings_unset();
    rescale.rescale = NORM_L2;
    random.round = ROUND_STOCHASTIC;
    sketch_rule(s, "net.v6, net.v9, net.v12", rescale);
    if (seed % 2)
      sketch_rule(s, "default", random);
    measured.scaling = SCALING_AMAX;
    if (seed % 3 == 0)
      sketch_rule(s, "matmul", measured);
    random_step(s, seed);
    mark_regions(s, seed);
    sketch_pass(s, PASS_autodiff);
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
      sketch_pass(s, passes[i]);
      pairs += expect_same_bits(s, PRECISION_EDGES);
    }
    sketch_free(s);
  }
  assert_true(pairs > 60 * PROGRAMS);
}

/* What is computed again is not kept: nothing of the forward pass that lies in
 * a region is read later. */
static void nothing_in_a_region_is_kept(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
    Sketch *s = sketch_new(ENTRY_TRAIN);
    random_step(s, seed);
    mark_regions(s, seed);
    Graph *before = sketch_graph(s);
    WordMap inside = {0};
    for (ValueId id = 1; id < before->count; id++)
      if (graph_node(before, id)->remat)
        word_map_set(&inside, graph_node(before, id)->name, 1);
    sketch_pass(s, PASS_autodiff);
    const Graph *graph = sketch_graph(s);
    for (ValueId id = 1; id < graph->count; id++) {
      const Node *node = graph_node(graph, id);
      assert_null(node->remat);
      for (int i = 0; i < node_inputs(node); i++) {
        const Node *operand = graph_node(graph, node->input[i]);
        if (node->phase == PHASE_BACKWARD && operand->name &&
            operand->phase == PHASE_FORWARD)
          assert_int_equal(word_map_get(&inside, operand->name), 0);
      }
    }
    word_map_free(&inside);
    sketch_free(s);
  }
}

static void paths_nest(void **state) {
  (void)state;
  Arena *arena = arena_new();
  Interner *words = interner_new(arena);
  const char *a = intern(words, "a"), *b = intern(words, "a/b");
  const char *c = intern(words, "a/c"), *ab = intern(words, "ab");
  assert_true(remat_is_path("a/b") && !remat_is_path("") &&
              !remat_is_path("a/") && !remat_is_path("/a") &&
              !remat_is_path("a//b"));
  assert_true(remat_within(b, a) && remat_within(a, a) &&
              remat_within(a, NULL));
  assert_false(remat_within(a, b) || remat_within(ab, a) ||
               remat_within(NULL, a));
  assert_ptr_equal(remat_common(words, b, c), a);
  assert_ptr_equal(remat_common(words, a, b), a);
  assert_null(remat_common(words, b, ab));
  assert_null(remat_common(words, NULL, a));
  arena_free(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_bit_changes),
      cmocka_unit_test(copies_equal_their_originals),
      cmocka_unit_test(nothing_in_a_region_is_kept),
      cmocka_unit_test(paths_nest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
