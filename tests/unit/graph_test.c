/* Graphs: growing, who reads what, copies that passes build, kernels' edges. */
#include "tests/unit/text_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static const char *const scaled_text =
    "sgir 1 scaled\n"
    "param @w : real[3,3] * 2^-2 = normal(0.25)\n"
    "entry @f(%x : real[2,3] * 2^0, %unused : i32[2])"
    " -> (%y : real[2,3] * 2^($m - 2)) {\n"
    "phase forward\n"
    "  $x.s = norm_exponent(%x, by = l2)\n"
    "  $m = max_exponent(($x.s + 3), -5)\n"
    "  %a : real[2,3] * 2^$m = rebalance(%x)\n"
    "  %dead : real[2,3] * 2^$x.s = rebalance(%a)\n"
    "  %y : real[2,3] * 2^($m - 2) = einsum(%a, @w, \"b i, o i -> b o\")\n"
    "  %twice : real[2,3] * 2^$m = add(%a, %a)\n"
    "}\n";

static void a_node_may_be_added_from_its_own_graph(void **state) {
  (void)state;
  Arena *arena = arena_new();
  TypeTable *types = type_table_new(arena);
  Graph *graph = graph_new(arena, ENTRY_PLAIN, "f");
  Node node = node_make(OP_CONST, PHASE_FORWARD,
                        type_scalar(types, FORMAT_REAL), 0, 0, 0);
  node.attr.value = 7;
  ValueId first = graph_add(graph, &node);
  for (int i = 0; i < 1000; i++)
    graph_add(graph, graph_node(graph, first));
  assert_int_equal(first, 1);
  assert_int_equal(graph->count, 1002);
  for (ValueId id = 1; id < graph->count; id++)
    assert_true(graph_node(graph, id)->attr.value == 7);
  graph_free(graph);
  arena_free(arena);
}

static void a_new_node_is_neutral(void **state) {
  (void)state;
  Node node = node_make(OP_ADD, PHASE_UPDATE, NULL, 3, 4, 0);
  assert_int_equal(node.scale.kind, SCALE_NONE);
  assert_int_equal(node.attr.index, -1);
  assert_int_equal(node.attr.round, ROUND_NEAREST);
  assert_int_equal(node.attr.overflow, OVERFLOW_SATURATE);
  for (int i = 0; i < MAX_INPUTS; i++)
    assert_int_equal(node.as[i], FORMAT_NONE);
  assert_int_equal(node.input[1], 4);
  assert_false(node.pinned);
}

static void users_count_nodes_symbols_and_results(void **state) {
  (void)state;
  Text *text = text_read(scaled_text);
  uint32_t *users = graph_user_counts(text->arena, text_graph(text));
  assert_int_equal(users[text_value(text, "%x")], 2);
  assert_int_equal(users[text_value(text, "%unused")], 0);
  /* dead (own exponent and operand), y, twice (once though read twice) */
  assert_int_equal(users[text_value(text, "%a")], 3);
  assert_int_equal(users[text_value(text, "%y")], 1);
  /* m's term and dead's scale */
  assert_int_equal(users[text_value(text, "$x.s")], 2);
  /* a, dead (its operand's), y, twice, and the result's scale */
  assert_int_equal(users[text_value(text, "$m")], 5);
  text_free(text);
}

static void last_users_know_results(void **state) {
  (void)state;
  Text *text = text_read(scaled_text);
  ValueId *last = graph_last_users(text->arena, text_graph(text));
  assert_int_equal(last[text_value(text, "%a")], text_value(text, "%twice"));
  assert_int_equal(last[text_value(text, "%y")], UINT32_MAX);
  assert_int_equal(last[text_value(text, "$m")], UINT32_MAX);
  assert_int_equal(last[text_value(text, "%dead")], 0);
  text_free(text);
}

static void minimize_reads_its_values(void **state) {
  (void)state;
  Text *text = text_read("sgir 1 plain\n"
                         "param @w : real[] = ones\n"
                         "train @f() {\n"
                         "phase forward\n"
                         "  %loss : real[] = neg(@w)\n"
                         "  minimize %loss (@w -> %d.w : real[])\n"
                         "}\n");
  const Graph *graph = text_graph(text);
  uint32_t *users = graph_user_counts(text->arena, graph);
  assert_int_equal(users[text_value(text, "%loss")], 1);
  assert_int_equal(users[text_value(text, "@w")], 2);
  assert_int_equal(users[text_value(text, "%d.w")], 1);
  assert_true(node_is_placeholder(text_node(text, "%d.w")));
  assert_int_equal(graph->input.length, 0);
  text_free(text);
}

/* Copies what is live and compares the text with that of the original. */
static void a_copy_maps_operands_and_symbols(void **state) {
  (void)state;
  Text *text = text_read(scaled_text);
  Graph *old = text_graph(text);
  GraphCopy copy = graph_copy_begin(text->arena, old);
  for (ValueId id = 1; id < old->count; id++) {
    const char *name = graph_node(old, id)->name;
    if (strcmp(name, "dead") != 0 && strcmp(name, "unused") != 0)
      graph_copy_node(&copy, id);
  }
  graph_copy_finish(&copy);
  const Graph *new = copy.new;
  assert_int_equal(new->count, old->count - 1);
  assert_string_equal(new->name, "f");
  assert_string_equal(new->recipe, "f32");
  assert_int_equal(new->input.length, 2);
  assert_string_equal(graph_node(new, new->input.data[1].value)->name,
                      "unused");
  const Node *y = graph_node(new, new->result.data[0].value);
  assert_string_equal(y->name, "y");
  assert_string_equal(graph_node(new, y->scale.symbol)->name, "m");
  assert_string_equal(graph_node(new, y->input[0])->name, "a");
  ValueId m = copy.map[text_value(text, "$m")];
  assert_string_equal(
      graph_node(new, graph_node(new, m)->attr.term[0].symbol)->name, "x.s");
  assert_int_equal(copy.map[text_value(text, "%dead")], 0);
  text->program->graph.data[0] = copy.new;
  graph_free(old);
  assert_string_equal(text_verify(text), "");
  text_free(text);
}

/* A pass that forgets an exponent does not get a static one instead. */
static void a_lost_symbol_is_reported(void **state) {
  (void)state;
  Text *text = text_read(scaled_text);
  Graph *old = text_graph(text);
  GraphCopy copy = graph_copy_begin(text->arena, old);
  for (ValueId id = 1; id < old->count; id++)
    if (id != text_value(text, "$m"))
      graph_copy_node(&copy, id);
  graph_copy_finish(&copy);
  text->program->graph.data[0] = copy.new;
  graph_free(old);
  assert_string_equal(text_verify(text),
                      "f: %a: its exponent is not defined before it\n"
                      "f: %y: its exponent is not defined before it\n"
                      "f: %twice: its exponent is not defined before it\n");
  text_free(text);
}

static void a_copy_maps_minimize(void **state) {
  (void)state;
  Text *text = text_read("sgir 1 plain\n"
                         "param @w : real[] = ones\n"
                         "param @v : real[] = ones\n"
                         "train @f() {\n"
                         "phase forward\n"
                         "  %gone : real[] = neg(@v)\n"
                         "  %loss : real[] = mul(@w, @v)\n"
                         "  minimize %loss (@w -> %d.w : real[],\n"
                         "                  @v -> %d.v : real[])\n"
                         "}\n");
  Graph *old = text_graph(text);
  GraphCopy copy = graph_copy_begin(text->arena, old);
  for (ValueId id = 1; id < old->count; id++)
    if (id != text_value(text, "%gone"))
      graph_copy_node(&copy, id);
  graph_copy_finish(&copy);
  const Minimize *minimize = copy.new->minimize;
  assert_int_equal(minimize->count, 2);
  assert_string_equal(graph_node(copy.new, minimize->loss)->name, "loss");
  assert_string_equal(graph_node(copy.new, minimize->parameter[1])->name, "v");
  assert_string_equal(graph_node(copy.new, minimize->placeholder[1])->name,
                      "d.v");
  graph_free(copy.new);
  text_free(text);
}

static const char *const final_text =
    "sgir 1 final\n"
    "param @w : f32[3] = ones\n"
    "entry @f(%x : f32[3], %g : f32[3]) -> (%y : f32[3]) kernels = 2 {\n"
    "phase forward\n"
    "  %y : f32[3], %z : f32[3] = fused(%x, @w) {\n"
    "    %a : f32[3] = mul(%x, 2.0)\n"
    "    %y : f32[3] = add(%a, @w)\n"
    "    %z : f32[3] = mul(%a, %x)\n"
    "    yield %y, %z\n"
    "  }\n"
    "phase update\n"
    "  fused(%z, %g) {\n"
    "    %w'2 : f32[3] = sub(%z, %g)\n"
    "    store @w, %w'2\n"
    "  }\n"
    "}\n";

typedef VEC(ValueId) ValueList;

static void note_read(void *user, ValueId value) {
  ValueList *list = user;
  vec_push(list, value);
}

static void regions_have_edges(void **state) {
  (void)state;
  Text *text = text_read(final_text);
  const Graph *graph = text_graph(text);
  ValueId *last = graph_last_users(text->arena, graph);
  Region region = region_find(graph, text_value(text, "%a"));
  assert_int_equal(region.form, KERNEL_FUSED);
  assert_int_equal(region.members, 3);
  assert_int_equal(region.last, text_value(text, "%z"));
  assert_false(region_leaves(graph, &region, last, text_value(text, "%a")));
  assert_true(region_leaves(graph, &region, last, text_value(text, "%y")));
  assert_true(region_leaves(graph, &region, last, text_value(text, "%z")));
  ValueList reads = {0};
  region_reads(graph, &region, note_read, &reads);
  assert_int_equal(reads.length, 2);
  assert_int_equal(reads.data[0], text_value(text, "%x"));
  assert_int_equal(reads.data[1], text_value(text, "@w"));
  vec_free(&reads);
  text_free(text);
}

/* A pass that adds nodes keeps kernels: their extents follow. */
static void a_copy_renews_kernels(void **state) {
  (void)state;
  Text *text = text_read(final_text);
  Graph *old = text_graph(text);
  GraphCopy copy = graph_copy_begin(text->arena, old);
  Node extra =
      node_make(OP_CONST, PHASE_FORWARD,
                type_scalar(text->program->types, FORMAT_F32), 0, 0, 0);
  for (int i = 0; i < 3; i++)
    graph_add(copy.new, &extra);
  for (ValueId id = 1; id < old->count; id++)
    graph_copy_node(&copy, id);
  graph_copy_finish(&copy);
  assert_int_equal(copy.new->kernel.length, 3);
  for (size_t i = 1; i < 3; i++) {
    assert_int_equal(copy.new->kernel.data[i].form, KERNEL_FUSED);
    assert_int_equal(copy.new->kernel.data[i].first,
                     old->kernel.data[i].first + 3);
    assert_int_equal(copy.new->kernel.data[i].last,
                     old->kernel.data[i].last + 3);
  }
  graph_free(copy.new);
  text_free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_node_may_be_added_from_its_own_graph),
      cmocka_unit_test(a_new_node_is_neutral),
      cmocka_unit_test(users_count_nodes_symbols_and_results),
      cmocka_unit_test(last_users_know_results),
      cmocka_unit_test(minimize_reads_its_values),
      cmocka_unit_test(a_copy_maps_operands_and_symbols),
      cmocka_unit_test(a_lost_symbol_is_reported),
      cmocka_unit_test(a_copy_maps_minimize),
      cmocka_unit_test(regions_have_edges),
      cmocka_unit_test(a_copy_renews_kernels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
