/* fuse: which ops share a kernel, and that sharing changes no bit. */
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static Sketch *entry(void) {
  return sketch_new(ENTRY_PLAIN);
}

static void fuse(Sketch *s) {
  sketch_passes(s, PASS_scalify, PASS_fuse);
}

static uint32_t kernel_of(const Sketch *s, const char *name) {
  return sketch_node(s, name)->kernel;
}

static void assert_form(const Sketch *s, const char *name, KernelForm form) {
  const Graph *graph = sketch_graph(s);
  assert_int_equal(graph->kernel.data[kernel_of(s, name)].form, form);
}

static const Node *store_of(const Sketch *s, const char *param) {
  const Graph *graph = sketch_graph(s);
  for (ValueId id = 1; id < graph->count; id++)
    if (graph_node(graph, id)->op == OP_STORE &&
        graph_node(graph, id)->attr.index == program_param(s->program, param))
      return graph_node(graph, id);
  fail_msg("no store of %s", param);
  return NULL;
}

/* ---- fused -------------------------------------------------------------- */

static void elementwise_chains_are_one_kernel(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId x = sketch_input(s, "x", EXTENT(4, 6));
  ValueId bias = sketch_normal(s, "bias", EXTENT(6), 0);
  ValueId a = sketch_op(s, "a", OP_NEG, x, 0, 0);
  ValueId b = sketch_op(s, "b", OP_ADD, a, bias, 0);
  ValueId c = sketch_op(s, "c", OP_MUL, b, sketch_number(s, 3), 0);
  sketch_return(s, "d", sketch_op(s, "d", OP_SUB, c, a, 0));
  fuse(s);
  assert_int_equal(sketch_graph(s)->kernel.length, 2);
  assert_form(s, "d", KERNEL_FUSED);
  sketch_free(s);
}

/* Two chains that meet become one. */
static void chains_that_meet_are_one_kernel(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId x = sketch_input(s, "x", EXTENT(4, 6));
  ValueId y = sketch_input(s, "y", EXTENT(4, 6));
  ValueId a = sketch_op(s, "a", OP_NEG, x, 0, 0);
  ValueId b = sketch_op(s, "b", OP_RELU, y, 0, 0);
  sketch_return(s, "c", sketch_op(s, "c", OP_ADD, a, b, 0));
  fuse(s);
  assert_int_equal(sketch_graph(s)->kernel.length, 2);
  sketch_free(s);
}

static void smaller_producers_stay_outside(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId x = sketch_input(s, "x", EXTENT(4, 6));
  ValueId row = sketch_input(s, "row", EXTENT(6));
  ValueId a = sketch_op(s, "a", OP_NEG, row, 0, 0);
  sketch_return(s, "b", sketch_op(s, "b", OP_ADD, x, a, 0));
  fuse(s);
  assert_int_not_equal(kernel_of(s, "a"), kernel_of(s, "b"));
  sketch_free(s);
}

static void nothing_fuses_across_a_reduction_of_its_own(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId x = sketch_input(s, "x", EXTENT(6));
  ValueId a = sketch_op(s, "a", OP_NEG, x, 0, 0);
  ValueId n = sketch_pattern(s, "n", OP_SUM, a, 0, "i ->");
  sketch_return(s, "b", sketch_op(s, "b", OP_MUL, a, n, 0));
  fuse(s);
  assert_int_not_equal(kernel_of(s, "a"), kernel_of(s, "b"));
  assert_form(s, "n", KERNEL_REDUCE);
  sketch_free(s);
}

/* %d would join the kernels of %a and %c, but the sum has to run between. */
static void kernels_with_one_between_them_stay_two(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId x = sketch_input(s, "x", EXTENT(6));
  ValueId y = sketch_input(s, "y", EXTENT(6));
  ValueId a = sketch_op(s, "a", OP_NEG, x, 0, 0);
  ValueId n = sketch_pattern(s, "n", OP_SUM, a, 0, "i ->");
  ValueId c = sketch_op(s, "c", OP_MUL, y, n, 0);
  sketch_return(s, "d", sketch_op(s, "d", OP_ADD, a, c, 0));
  fuse(s);
  assert_int_not_equal(kernel_of(s, "a"), kernel_of(s, "d"));
  assert_int_equal(kernel_of(s, "c"), kernel_of(s, "d"));
  sketch_free(s);
}

/* The exponent of a rescale is measured on the whole value first. */
static void nothing_fuses_across_a_measured_exponent(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId x = sketch_input(s, "x", EXTENT(6));
  ValueId a = sketch_op(s, "a", OP_NEG, x, 0, 0);
  ValueId r = sketch_op(s, "r", OP_RESCALE, a, 0, 0);
  sketch_return(s, "b", sketch_op(s, "b", OP_RELU, r, 0, 0));
  recipe_scaled(s);
  fuse(s);
  assert_int_not_equal(kernel_of(s, "a"), kernel_of(s, "r"));
  assert_int_equal(kernel_of(s, "r"), kernel_of(s, "b"));
  sketch_free(s);
}

static void phases_have_kernels_of_their_own(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId x = sketch_input(s, "x", EXTENT(6));
  ValueId a = sketch_op(s, "a", OP_NEG, x, 0, 0);
  s->phase = PHASE_BACKWARD;
  sketch_return(s, "b", sketch_op(s, "b", OP_RELU, a, 0, 0));
  fuse(s);
  assert_int_not_equal(kernel_of(s, "a"), kernel_of(s, "b"));
  sketch_free(s);
}

/* ---- gemm --------------------------------------------------------------- */

static ValueId product(Sketch *s, const char *name, ValueId a, ValueId b) {
  return sketch_pattern(s, name, OP_EINSUM, a, b, "a k, b k -> a b");
}

static void epilogues_follow_their_contraction(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId x = sketch_input(s, "x", EXTENT(4, 6));
  ValueId w = sketch_normal(s, "w", EXTENT(5, 6), 0);
  ValueId bias = sketch_normal(s, "bias", EXTENT(5), 0);
  ValueId y = product(s, "y", x, w);
  ValueId z = sketch_op(s, "z", OP_ADD, y, bias, 0);
  ValueId h = sketch_op(s, "h", OP_RELU, z, 0, 0);
  sketch_return(s, "h", h);
  sketch_return(s, "n", sketch_pattern(s, "n", OP_SUM, h, 0, "a b ->"));
  fuse(s);
  assert_form(s, "y", KERNEL_GEMM);
  assert_int_equal(kernel_of(s, "y"), kernel_of(s, "h"));
  assert_int_equal(kernel_of(s, "y"), kernel_of(s, "z"));
  assert_form(s, "n", KERNEL_REDUCE);
  sketch_free(s);
}

/* What adds two contractions is the epilogue of the later one. */
static void ops_of_two_contractions_join_the_later(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId x = sketch_input(s, "x", EXTENT(4, 4));
  ValueId y = product(s, "y", x, x);
  ValueId z = product(s, "z", y, x);
  sketch_return(s, "a", sketch_op(s, "a", OP_ADD, y, z, 0));
  sketch_return(s, "b", sketch_op(s, "b", OP_SUB, z, y, 0));
  fuse(s);
  assert_int_equal(kernel_of(s, "a"), kernel_of(s, "z"));
  assert_int_equal(kernel_of(s, "b"), kernel_of(s, "z"));
  assert_int_not_equal(kernel_of(s, "y"), kernel_of(s, "z"));
  sketch_free(s);
}

static void epilogues_need_nothing_that_comes_after(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId x = sketch_input(s, "x", EXTENT(4, 4));
  ValueId y = product(s, "y", x, x);
  ValueId row = sketch_pattern(s, "row", OP_SUM, y, 0, "a b -> b");
  sketch_return(s, "a", sketch_op(s, "a", OP_ADD, y, row, 0));
  fuse(s);
  assert_int_not_equal(kernel_of(s, "a"), kernel_of(s, "y"));
  assert_form(s, "a", KERNEL_FUSED);
  sketch_free(s);
}

static void structure_has_kernels_of_its_own_and_views_none(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId x = sketch_input(s, "x", EXTENT(4, 6));
  ValueId t = sketch_pattern(s, "t", OP_TRANSPOSE, x, 0, "a b -> b a");
  ValueId v =
      sketch_shaped(s, "v", OP_RESHAPE, t, FORMAT_REAL, EXTENT(24), NULL);
  sketch_return(s, "v", v);
  fuse(s);
  assert_form(s, "t", KERNEL_PERMUTE);
  assert_int_equal(kernel_of(s, "v"), 0);
  sketch_free(s);
}

/* ---- stores ------------------------------------------------------------- */

static void stores_join_what_they_store(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId w = sketch_normal(s, "w", EXTENT(4, 4), 0);
  s->phase = PHASE_UPDATE;
  ValueId a = sketch_op(s, "a", OP_NEG, w, 0, 0);
  sketch_store(s, "w", a);
  fuse(s);
  assert_int_equal(store_of(s, "w")->kernel, kernel_of(s, "a"));
  sketch_free(s);
}

/* w is an operand of the contraction whose result replaces it. */
static void a_contraction_never_overwrites_what_it_reads(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId w = sketch_normal(s, "w", EXTENT(4, 4), 0);
  s->phase = PHASE_UPDATE;
  ValueId y = product(s, "y", w, w);
  ValueId a = sketch_op(s, "a", OP_NEG, y, 0, 0);
  sketch_store(s, "w", a);
  fuse(s);
  assert_int_equal(kernel_of(s, "y"), kernel_of(s, "a"));
  assert_true(store_of(s, "w")->kernel > kernel_of(s, "a"));
  sketch_free(s);
}

static void stores_wait_for_the_last_reader(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId w = sketch_normal(s, "w", EXTENT(4), 0);
  ValueId a = sketch_op(s, "a", OP_NEG, w, 0, 0);
  sketch_store(s, "w", a); /* in the forward phase */
  s->phase = PHASE_BACKWARD;
  ValueId n = sketch_pattern(s, "n", OP_SUM, w, 0, "i ->");
  sketch_return(s, "n", n);
  fuse(s);
  const Node *store = store_of(s, "w");
  assert_int_equal(store->phase, PHASE_BACKWARD);
  assert_true(store->kernel > kernel_of(s, "n"));
  sketch_free(s);
}

static void an_exchange_through_arithmetic_has_an_order(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId a = sketch_normal(s, "a", EXTENT(4), 0);
  ValueId b = sketch_normal(s, "b", EXTENT(4), 0);
  s->phase = PHASE_UPDATE;
  sketch_store(s, "a", sketch_op(s, "x", OP_NEG, b, 0, 0));
  sketch_store(s, "b", sketch_op(s, "y", OP_NEG, a, 0, 0));
  Record before = sketch_record(s, PRECISION_F32, 3);
  fuse(s);
  Record after = sketch_record(s, PRECISION_F32, 3);
  assert_int_equal(record_expect_equal(&before, &after), 4);
  assert_true(store_of(s, "a")->kernel >= kernel_of(s, "x"));
  assert_true(store_of(s, "a")->kernel >= kernel_of(s, "y"));
  assert_true(store_of(s, "b")->kernel >= kernel_of(s, "x"));
  sketch_free(s);
}

static void a_bare_exchange_is_refused(void **state) {
  (void)state;
  Sketch *s = entry();
  ValueId a = sketch_normal(s, "a", EXTENT(4), 0);
  ValueId b = sketch_normal(s, "b", EXTENT(4), 0);
  s->phase = PHASE_UPDATE;
  sketch_store(s, "a", b);
  sketch_store(s, "b", a);
  sketch_passes(s, PASS_scalify, PASS_casts);
  assert_false(sketch_try(s, PASS_fuse));
  assert_non_null(strstr(s->messages.data, "E0722"));
  sketch_free(s);
}

/* ---- bits and invariants ------------------------------------------------ */

/* Epilogues need, apart from their contraction, only what exists before it;
 * ops of a fused or gemm kernel run over one space. */
static void expect_sound_kernels(const Sketch *s) {
  const Graph *graph = sketch_graph(s);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->kernel == 0)
      continue;
    const Kernel *kernel = &graph->kernel.data[node->kernel];
    const Node *first = graph_node(graph, kernel->first);
    bool alone = kernel->first == kernel->last;
    if (kernel->form == KERNEL_FUSED || kernel->form == KERNEL_GEMM)
      assert_true(type_same_shape(node->type, first->type));
    else
      assert_true(alone);
    if (kernel->form != KERNEL_GEMM || id == kernel->first)
      continue;
    assert_int_equal(first->op, OP_EINSUM);
    bool follows = false;
    for (int i = 0; i < node_inputs(node); i++)
      follows |= node->input[i] >= kernel->first;
    assert_true(follows);
  }
}

static bool reads_param(const Graph *graph, ValueId id, int32_t index) {
  const Node *node = graph_node(graph, id);
  for (int i = 0; i < node_inputs(node); i++) {
    const Node *from = graph_node(graph, node->input[i]);
    while (from->op == OP_RESHAPE)
      from = graph_node(graph, from->input[0]);
    if (from->op == OP_PARAM && from->attr.index == index)
      return true;
  }
  return false;
}

/* No kernel reads a parameter after, or while, another element order would
 * have overwritten it. */
static void expect_sound_stores(const Sketch *s) {
  const Graph *graph = sketch_graph(s);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *store = graph_node(graph, id);
    if (store->op != OP_STORE)
      continue;
    for (ValueId reader = 1; reader < graph->count; reader++) {
      const Node *node = graph_node(graph, reader);
      if (node->op == OP_RESHAPE ||
          !reads_param(graph, reader, store->attr.index))
        continue;
      assert_true(node->kernel <= store->kernel);
      if (node->kernel != store->kernel)
        continue;
      assert_int_equal(op_kernel_form(node->op), KERNEL_FUSED);
      assert_true(node->op == OP_STORE || reader < id);
    }
  }
}

static void random_programs_keep_their_bits(void **state) {
  (void)state;
  size_t joined = 0;
  for (uint64_t seed = 1; seed <= 120; seed++) {
    Sketch *s = entry();
    if (seed % 3 == 0)
      recipe_scaled(s);
    else if (seed % 3 == 1)
      recipe_fp8(s);
    sketch_random_program(s, seed, seed % 3 != 2);
    sketch_passes(s, PASS_scalify, PASS_casts);
    Record before = sketch_record(s, PRECISION_EDGES, 3);
    sketch_pass(s, PASS_fuse);
    Record after = sketch_record(s, PRECISION_EDGES, 3);
    assert_int_equal(before.count, after.count);
    assert_true(record_expect_equal(&before, &after) >= before.count);
    expect_sound_kernels(s);
    expect_sound_stores(s);
    joined += sketch_graph(s)->count - sketch_graph(s)->kernel.length;
    sketch_free(s);
  }
  assert_true(joined > 1000);
}

static void train_step_keeps_its_bits(void **state) {
  (void)state;
  Sketch *s = sketch_new(ENTRY_TRAIN);
  recipe_fp8(s);
  sketch_train_step(s);
  sketch_passes(s, PASS_scalify, PASS_casts);
  Record before = sketch_record(s, PRECISION_EDGES, 3);
  sketch_passes(s, PASS_fuse, PASS_plan);
  Record after = sketch_record(s, PRECISION_EDGES, 3);
  assert_int_equal(before.count, after.count);
  assert_int_equal(record_expect_equal(&before, &after), before.count);
  expect_sound_kernels(s);
  assert_int_equal(kernel_of(s, "net.l1.y"), kernel_of(s, "net.h.q"));
  assert_int_equal(kernel_of(s, "net.l1.y"), kernel_of(s, "net.h.m"));
  assert_int_equal(kernel_of(s, "d.net.h"), kernel_of(s, "d.net.l1.y'2.q"));
  sketch_free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(elementwise_chains_are_one_kernel),
      cmocka_unit_test(chains_that_meet_are_one_kernel),
      cmocka_unit_test(smaller_producers_stay_outside),
      cmocka_unit_test(nothing_fuses_across_a_reduction_of_its_own),
      cmocka_unit_test(kernels_with_one_between_them_stay_two),
      cmocka_unit_test(nothing_fuses_across_a_measured_exponent),
      cmocka_unit_test(phases_have_kernels_of_their_own),
      cmocka_unit_test(epilogues_follow_their_contraction),
      cmocka_unit_test(ops_of_two_contractions_join_the_later),
      cmocka_unit_test(epilogues_need_nothing_that_comes_after),
      cmocka_unit_test(structure_has_kernels_of_its_own_and_views_none),
      cmocka_unit_test(stores_join_what_they_store),
      cmocka_unit_test(a_contraction_never_overwrites_what_it_reads),
      cmocka_unit_test(stores_wait_for_the_last_reader),
      cmocka_unit_test(an_exchange_through_arithmetic_has_an_order),
      cmocka_unit_test(a_bare_exchange_is_refused),
      cmocka_unit_test(random_programs_keep_their_bits),
      cmocka_unit_test(train_step_keeps_its_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
