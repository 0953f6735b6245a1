/* plan: nothing that is still to be read is overwritten.
 *
 * The check knows nothing of lives: it plays the step, kernel by kernel, on a
 * picture of the arena that says which value owns each byte.
 */
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static void plan(Sketch *s) {
  sketch_passes(s, PASS_scalify, PASS_plan);
}

static const Placement *place_of(const Sketch *s, const char *name) {
  const Graph *graph = sketch_graph(s);
  return &graph->placement[sketch_find(s, name)];
}

/* ---- playing a step ----------------------------------------------------- */

typedef struct {
  const Graph *graph;
  ValueId *owner; /* per byte of the arena */
  uint32_t kernel;
} Play;

static ValueId base_of(const Graph *graph, ValueId id) {
  return graph_node(graph, id)->op == OP_RESHAPE ? graph->placement[id].base
                                                 : id;
}

static void play_read(void *user, ValueId id) {
  const Play *play = user;
  const Graph *graph = play->graph;
  ValueId base = base_of(graph, id);
  const Placement *place = &graph->placement[base];
  const Node *node = graph_node(graph, base);
  bool inside = node->kernel != 0 && node->kernel == play->kernel;
  if (inside || node->op == OP_CONST)
    return;
  assert_true(place->materialized);
  assert_int_equal(place->arena, !node_is_leaf(node));
  for (int64_t i = 0; place->arena && i < place->bytes; i++)
    assert_int_equal(play->owner[place->offset + i], base);
}

static void play_write(Play *play, ValueId id) {
  const Placement *place = &play->graph->placement[id];
  if (!place->materialized || !place->arena)
    return;
  assert_int_equal(place->offset % 64, 0);
  assert_true(place->offset + place->bytes <= play->graph->arena_bytes);
  for (int64_t i = 0; i < place->bytes; i++)
    play->owner[place->offset + i] = id;
}

/* All that a kernel writes is written before the last thing it reads. */
static void play_range(Play *play, ValueId first, ValueId last) {
  const Graph *graph = play->graph;
  for (int reads = 0; reads < 2; reads++)
    for (ValueId id = first; id <= last; id++) {
      const Node *node = graph_node(graph, id);
      if (node->op == OP_RESHAPE || node_is_leaf(node))
        continue;
      play->kernel = node->kernel;
      for (int i = 0; i < node_inputs(node) && reads; i++)
        play_read(play, node->input[i]);
      if (reads)
        node_symbols(graph, id, play_read, play);
      else
        play_write(play, id);
    }
}

static void expect_sound_plan(const Sketch *s) {
  const Graph *graph = sketch_graph(s);
  Play play = {.graph = graph};
  play.owner = NEW_ARRAY(s->arena, ValueId, (size_t)graph->arena_bytes + 1);
  for (ValueId id = 1; id < graph->count; id++) {
    uint32_t kernel = graph_node(graph, id)->kernel;
    ValueId last = kernel == 0 ? id : graph->kernel.data[kernel].last;
    play_range(&play, id, last);
    id = last;
  }
  play.kernel = UINT32_MAX;
  for (size_t i = 0; i < graph->result.length; i++)
    play_read(&play, graph->result.data[i].value);
}

/* ---- tests -------------------------------------------------------------- */

static void values_inside_kernels_have_no_memory(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  recipe_fp8(s);
  sketch_train_step(s);
  plan(s);
  expect_sound_plan(s);
  assert_false(place_of(s, "net.l1.y")->materialized);
  assert_false(place_of(s, "net.h")->materialized);
  assert_true(place_of(s, "net.h.q")->arena);
  assert_int_equal(place_of(s, "net.h.q")->bytes, 4 * 5);
  assert_true(place_of(s, "d.net.l1.y'2")->arena);
  sketch_free(s);
}

static void views_share_the_memory_of_their_base(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  recipe_fp8(s);
  sketch_train_step(s);
  plan(s);
  const Graph *graph = sketch_graph(s);
  const Placement *view = place_of(s, "net.x.q");
  assert_string_equal(graph_node(graph, view->base)->name, "net.x~3");
  assert_false(view->arena);
  assert_int_equal(view->offset, graph->placement[view->base].offset);
  sketch_free(s);
}

static void inputs_and_parameters_are_elsewhere(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_input(s, "x", EXTENT(8));
  ValueId w = sketch_normal(s, "w", EXTENT(8), 0);
  ValueId v =
      sketch_shaped(s, "v", OP_RESHAPE, x, FORMAT_REAL, EXTENT(2, 4), NULL);
  sketch_return(s, "v", v);
  sketch_return(s, "w", w);
  plan(s);
  expect_sound_plan(s);
  assert_int_equal(sketch_graph(s)->arena_bytes, 0);
  assert_true(place_of(s, "x")->materialized);
  assert_true(place_of(s, "v")->materialized);
  sketch_free(s);
}

/* A chain of products needs two buffers, however long it is. */
static void memory_is_used_again(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_input(s, "x", EXTENT(8, 8));
  ValueId w = sketch_normal(s, "w", EXTENT(8, 8), -1.5);
  for (int i = 0; i < 10; i++)
    x = sketch_pattern(s, NULL, OP_EINSUM, x, w, "a k, b k -> a b");
  sketch_return(s, "n", sketch_pattern(s, "n", OP_SUM, x, 0, "a b ->"));
  plan(s);
  expect_sound_plan(s);
  assert_true(sketch_graph(s)->arena_bytes == 2 * 8 * 8 * 4);
  sketch_free(s);
}

static void plan_needs_kernels(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_input(s, "x", EXTENT(8));
  sketch_return(s, "y", sketch_op(s, "y", OP_NEG, x, 0, 0));
  sketch_passes(s, PASS_scalify, PASS_casts);
  assert_false(sketch_try(s, PASS_plan));
  assert_non_null(strstr(s->messages.data, "fuse"));
  sketch_free(s);
}

static void random_programs_are_sound(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 150; seed++) {
    Sketch *s = sketch_new(ENTRY_PLAIN);
    if (seed % 3 == 0)
      recipe_scaled(s);
    else if (seed % 3 == 1)
      recipe_fp8(s);
    sketch_random_program(s, seed, seed % 3 != 2);
    plan(s);
    expect_sound_plan(s);
    sketch_free(s);
  }
}

static void equal_programs_get_equal_plans(void **state) {
  (void)state;
  const Placement *first = NULL;
  Sketch *s[2];
  for (int i = 0; i < 2; i++) {
    s[i] = sketch_new(ENTRY_PLAIN);
    recipe_fp8(s[i]);
    sketch_random_program(s[i], 11, true);
    plan(s[i]);
    const Graph *graph = sketch_graph(s[i]);
    for (ValueId id = 1; first && id < graph->count; id++)
      assert_int_equal(first[id].offset, graph->placement[id].offset);
    first = graph->placement;
  }
  sketch_free(s[0]);
  sketch_free(s[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_inside_kernels_have_no_memory),
      cmocka_unit_test(views_share_the_memory_of_their_base),
      cmocka_unit_test(inputs_and_parameters_are_elsewhere),
      cmocka_unit_test(memory_is_used_again),
      cmocka_unit_test(plan_needs_kernels),
      cmocka_unit_test(random_programs_are_sound),
      cmocka_unit_test(equal_programs_get_equal_plans),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
