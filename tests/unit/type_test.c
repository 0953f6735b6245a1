/* Types, names and whole programs: interning, limits, derived names, what a
 * checkpoint's hash covers, the spread of initial values. */
#include "ir/ir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

static Arena *arena;
static Interner *interner;

static int set_up(void **state) {
  (void)state;
  arena = arena_new();
  interner = interner_new(arena);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  arena_free(arena);
  return 0;
}

/* ---- types -------------------------------------------------------------- */

static void equal_blocks_are_one_pointer(void **state) {
  (void)state;
  TypeTable *types = type_table_new(arena);
  int64_t shape[] = {128, 512};
  const Type *type = type_make(types, FORMAT_E4M3, 2, shape);
  const Granularity *rows, *again, *blocks, *tensor;
  assert_true(granularity_make(types, type, (int64_t[]){1, 512}, &rows));
  assert_true(granularity_make(types, type, (int64_t[]){1, 512}, &again));
  assert_true(granularity_make(types, type, (int64_t[]){1, 32}, &blocks));
  assert_true(granularity_make(types, type, shape, &tensor));
  assert_ptr_equal(rows, again);
  assert_ptr_not_equal(rows, blocks);
  assert_null(tensor);
  assert_false(granularity_make(types, type, (int64_t[]){1, 33}, &rows));
  assert_false(granularity_make(types, type, (int64_t[]){0, 512}, &rows));
  assert_false(granularity_make(types, type, (int64_t[]){256, 512}, &rows));
  assert_false(granularity_make(types, type, (int64_t[]){-1, 512}, &rows));
}

static void blocks_fit_shapes(void **state) {
  (void)state;
  TypeTable *types = type_table_new(arena);
  const Type *type = type_make(types, FORMAT_E4M3, 2, (int64_t[]){128, 512});
  const Type *turned = type_make(types, FORMAT_E4M3, 2, (int64_t[]){512, 48});
  const Type *flat = type_make(types, FORMAT_E4M3, 1, (int64_t[]){512});
  const Granularity *blocks;
  assert_true(granularity_make(types, type, (int64_t[]){1, 32}, &blocks));
  assert_true(granularity_fits(blocks, type));
  assert_false(granularity_fits(blocks, turned));
  assert_false(granularity_fits(blocks, flat));
  assert_true(granularity_fits(NULL, flat));
}

static void blocks_print_as_counts(void **state) {
  (void)state;
  static const struct {
    int64_t block[2];
    const char *text;
  } row[] = {{{1, 512}, "[128,1]"},
             {{128, 1}, "[1,512]"},
             {{1, 32}, "[128,512/32]"},
             {{1, 1}, "[128,512]"},
             {{4, 16}, "[128/4,512/16]"}};
  TypeTable *types = type_table_new(arena);
  const Type *type = type_make(types, FORMAT_E4M3, 2, (int64_t[]){128, 512});
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    const Granularity *granularity;
    Buffer text = {0};
    assert_true(granularity_make(types, type, row[i].block, &granularity));
    granularity_print(&text, granularity, type);
    assert_string_equal(text.data, row[i].text);
    buffer_free(&text);
  }
}

static void equal_types_are_one_pointer(void **state) {
  (void)state;
  TypeTable *types = type_table_new(arena);
  int64_t shape[] = {128, 512}, other[] = {512, 128};
  const Type *type = type_make(types, FORMAT_F16, 2, shape);
  assert_ptr_equal(type, type_make(types, FORMAT_F16, 2, shape));
  assert_ptr_not_equal(type, type_make(types, FORMAT_BF16, 2, shape));
  assert_ptr_not_equal(type, type_make(types, FORMAT_F16, 2, other));
  assert_ptr_not_equal(type, type_make(types, FORMAT_F16, 1, shape));
  assert_ptr_equal(type_with_format(types, type, FORMAT_BF16),
                   type_make(types, FORMAT_BF16, 2, shape));
  assert_true(
      type_same_shape(type, type_with_format(types, type, FORMAT_E4M3)));
  assert_int_equal(type->elements, 128 * 512);
  assert_int_equal(type_bytes(type), 2 * 128 * 512);
}

static void many_types_stay_apart(void **state) {
  (void)state;
  TypeTable *types = type_table_new(arena);
  const Type *kept[2000];
  for (int64_t i = 0; i < 2000; i++)
    kept[i] = type_make(types, FORMAT_F32, 1, (int64_t[]){i + 1});
  for (int64_t i = 0; i < 2000; i++) {
    assert_int_equal(kept[i]->dim[0], i + 1);
    assert_ptr_equal(kept[i],
                     type_make(types, FORMAT_F32, 1, (int64_t[]){i + 1}));
  }
}

static void sizes_are_bounded(void **state) {
  (void)state;
  TypeTable *types = type_table_new(arena);
  int64_t most = (int64_t)1 << 44;
  int64_t huge[] = {INT64_MAX, INT64_MAX};
  int64_t hidden[] = {0, INT64_MAX, INT64_MAX};
  assert_int_equal(type_make(types, FORMAT_F32, 1, (int64_t[]){0})->elements,
                   0);
  assert_null(type_make(types, FORMAT_F32, 3, hidden));
  assert_null(type_make(types, FORMAT_F32, 1, (int64_t[]){-3}));
  assert_null(type_make(types, FORMAT_F32, 2, huge));
  assert_null(type_make(types, FORMAT_F32, MAX_RANK + 1, NULL));
  assert_null(type_make(types, FORMAT_BOOL, 1, (int64_t[]){most + 1}));
  const Type *type = type_make(types, FORMAT_BOOL, 1, &most);
  assert_non_null(type);
  assert_non_null(type_with_format(types, type, FORMAT_F64));
}

static void types_print_format_and_sizes(void **state) {
  (void)state;
  TypeTable *types = type_table_new(arena);
  Buffer text = {0};
  type_print(&text, type_make(types, FORMAT_REAL, 2, (int64_t[]){128, 512}));
  type_print(&text, type_scalar(types, FORMAT_F32));
  assert_string_equal(text.data, "real[128,512]f32[]");
  buffer_free(&text);
}

/* ---- names -------------------------------------------------------------- */

static void rebindings_count_from_two(void **state) {
  (void)state;
  NameTable *names = name_table_new(arena, interner, NULL);
  assert_string_equal(name_rebinding(names, "net.l1.y"), "net.l1.y");
  assert_string_equal(name_rebinding(names, "net.l1.y"), "net.l1.y'2");
  assert_string_equal(name_rebinding(names, "net.l1.y"), "net.l1.y'3");
  assert_true(name_claim(names, "z'2"));
  assert_string_equal(name_rebinding(names, "z"), "z");
  assert_string_equal(name_rebinding(names, "z"), "z'3");
}

static void helpers_belong_to_a_binding(void **state) {
  (void)state;
  NameTable *names = name_table_new(arena, interner, NULL);
  assert_string_equal(name_helper(names, "x"), "x~1");
  assert_string_equal(name_helper(names, "x~1"), "x~2");
  assert_string_equal(name_helper(names, "x'2"), "x'2~1");
  assert_string_equal(name_helper(names, "~"), "~~1");
  assert_string_equal(name_helper(names, "a~b"), "a~b~1");
  assert_true(name_claim(names, "x~3"));
  assert_string_equal(name_helper(names, "x~2"), "x~4");
}

static void derived_names_never_meet(void **state) {
  (void)state;
  NameTable *names = name_table_new(arena, interner, NULL);
  assert_string_equal(name_gradient(names, "net.l1.y'2"), "d.net.l1.y'2");
  assert_string_equal(name_gradient(names, "net.l1.y'2"), "d.net.l1.y'2~1");
  assert_string_equal(name_suffixed(names, "net.x", "q"), "net.x.q");
  assert_string_equal(name_suffixed(names, "net.x", "q"), "net.x.q~1");
  assert_false(name_claim(names, "net.x.q"));
}

static void a_thousand_names_are_distinct(void **state) {
  (void)state;
  NameTable *names = name_table_new(arena, interner, NULL);
  const char *last = NULL;
  for (int i = 0; i < 1000; i++) {
    const char *name = name_rebinding(names, "x");
    assert_false(name_claim(names, name));
    assert_ptr_not_equal(name, last);
    last = name;
  }
  assert_string_equal(last, "x'1000");
}

/* Exponents have names of their own ($), so `d.x` stays free for the value. */
static void a_table_starts_from_a_graph(void **state) {
  (void)state;
  TypeTable *types = type_table_new(arena);
  Graph *graph = graph_new(arena, ENTRY_PLAIN, "f");
  const Type *type = type_scalar(types, FORMAT_REAL);
  Node node = node_make(OP_INPUT, PHASE_FORWARD, type, 0, 0, 0);
  node.name = intern(interner, "x");
  ValueId x = graph_add(graph, &node);
  node = node_make(OP_NORM_EXPONENT, PHASE_FORWARD,
                   type_scalar(types, FORMAT_I32), x, 0, 0);
  node.name = intern(interner, "d.x");
  graph_add(graph, &node);
  NameTable *names = name_table_new(arena, interner, graph);
  assert_false(name_claim(names, "x"));
  assert_string_equal(name_gradient(names, "x"), "d.x");
  graph_free(graph);
}

/* ---- programs ----------------------------------------------------------- */

static Program *two_parameters(const char *name, Format format, bool second) {
  Program *program = program_new(arena, interner, NULL, "p");
  Parameter param = {.name = name};
  param.type = type_make(program->types, format, 2, (int64_t[]){3, 4});
  vec_push(&program->param, param);
  param.name = "b";
  param.state = second;
  vec_push(&program->param, param);
  return program;
}

static uint64_t hash_and_free(Program *program) {
  uint64_t hash = program_hash(program);
  program_free(program);
  return hash;
}

static void the_hash_covers_names_shapes_and_kind(void **state) {
  (void)state;
  uint64_t hash = hash_and_free(two_parameters("w", FORMAT_REAL, false));
  assert_true(hash == hash_and_free(two_parameters("w", FORMAT_REAL, false)));
  assert_true(hash == hash_and_free(two_parameters("w", FORMAT_F16, false)));
  assert_true(hash != hash_and_free(two_parameters("v", FORMAT_REAL, false)));
  assert_true(hash != hash_and_free(two_parameters("w", FORMAT_REAL, true)));
  Program *program = two_parameters("w", FORMAT_REAL, false);
  program->param.data[0].type =
      type_make(program->types, FORMAT_REAL, 2, (int64_t[]){4, 3});
  assert_true(hash != hash_and_free(program));
}

static void programs_find_things_by_name(void **state) {
  (void)state;
  Program *program = two_parameters("w", FORMAT_REAL, true);
  vec_push(&program->recipe, (Recipe){.name = "fp8"});
  vec_push(&program->graph, graph_new(arena, ENTRY_TRAIN, "fit"));
  assert_int_equal(program_param(program, "b"), 1);
  assert_int_equal(program_param(program, "c"), -1);
  assert_non_null(program_recipe(program, "fp8"));
  assert_null(program_recipe(program, "fp"));
  assert_non_null(program_graph(program, "fit"));
  assert_null(program_graph(program, "test"));
  program_free(program);
}

static void expect_rms(Init init, double rms) {
  assert_true(fabs(exp2(init_log2_rms(init)) - rms) < 1e-12);
}

static void initial_values_have_a_spread(void **state) {
  (void)state;
  assert_true(isinf(init_log2_rms((Init){INIT_ZEROS, 0, 0})));
  assert_true(isinf(init_log2_rms((Init){INIT_CONSTANT, 0, 0})));
  assert_true(init_log2_rms((Init){INIT_NORMAL, 0.25, 0}) == -2);
  expect_rms((Init){INIT_ONES, 0, 0}, 1);
  expect_rms((Init){INIT_CONSTANT, -3, 0}, 3);
  expect_rms((Init){INIT_UNIFORM, -1, 1}, 1 / sqrt(3));
  expect_rms((Init){INIT_UNIFORM, 1, 3}, sqrt(13.0 / 3));
  /* The second moment of a normal cut at two sigma, integrated by Simpson. */
  double mass = 0, moment = 0;
  int steps = 20000;
  for (int i = 0; i <= steps; i++) {
    double x = -2 + 4.0 * i / steps;
    double weight = i == 0 || i == steps ? 1 : i % 2 ? 4 : 2;
    mass += weight * exp(-x * x / 2);
    moment += weight * x * x * exp(-x * x / 2);
  }
  expect_rms((Init){INIT_TRUNC_NORMAL, 0.02, 0}, 0.02 * sqrt(moment / mass));
}

/* ---- recipes as data ---------------------------------------------------- */

static void selectors_match_paths(void **state) {
  (void)state;
  static const struct {
    const char *path, *name;
    bool matches;
  } table[] = {
      {"net.l1.w", "net.l1.w", true},
      {"net.l1", "net.l1.w", true},
      {"net", "net.l1.w'2~1", true},
      {"net.l", "net.l1.w", false},
      {"net.l1.w.q", "net.l1.w", false},
      {"logits", "logits'3", true},
      {"logits", "logits~1", false},
      {"logits", "logits.q", true},
      {"logits", "d.logits", true},
      {"logits", "d.logits~1", false},
      {"d.logits", "d.logits", true},
      {"logits", "net.logits", false},
      {"net.*", "net.x~1", true},
      {"net.*.w", "net.l1.w", true},
      {"net.*.w", "net.l1.l2.w", false},
      {"net.**.w", "net.l1.l2.w", true},
      {"net.**.w", "net.w", true},
      {"net.**.w", "net.l1.b", false},
      {"net.**", "net.l1.b", true},
      {"gpt.layers[3]", "gpt.layers.3.attn.w", true},
      {"gpt.layers[3]", "gpt.layers.31.attn.w", false},
      {"gpt.layers[0..3].w", "gpt.layers.2.w", true},
      {"gpt.layers[0..3].w", "gpt.layers.3.w", false},
      {"gpt.layers[*].w", "gpt.layers.117.w", true},
      {"gpt.layers[*].w", "gpt.layers.x.w", false},
      {"gpt.layers[*", "gpt.layers.1.w", false},
      {"gpt..w", "gpt.w", false},
      {"", "gpt.w", false},
      {"gpt", "", false},
      {"a.**.b.**.c", "a.b.b.x.c.d.c", true},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (selector_matches(table[i].path, table[i].name) != table[i].matches)
      fail_msg("`%s` and %s", table[i].path, table[i].name);
}

static void expect_settings(Settings settings, const char *expected) {
  Buffer text = {0};
  buffer_text(&text, "");
  settings_print(&text, &settings);
  assert_string_equal(text.data, expected);
  buffer_free(&text);
}

static void settings_print_as_in_a_rule(void **state) {
  (void)state;
  Settings settings = settings_unset();
  expect_settings(settings, "");
  settings.forward = settings.gradient = FORMAT_F16;
  expect_settings(settings, "f16");
  settings.gradient = FORMAT_E5M2;
  settings.scaling = SCALING_PROPAGATE;
  settings.scale_rounding = SCALE_NEAREST;
  expect_settings(settings, "f16 / e5m2, scale = propagate(nearest)");
  settings.forward = FORMAT_NONE;
  settings.scaling = SCALING_FIXED;
  settings.has_exponent = true;
  settings.exponent = -4;
  settings.rescale_grad = NORM_L2;
  settings.subnormals = 0;
  expect_settings(settings, "_ / e5m2, scale = fixed(-4), rescale_grad = l2, "
                            "subnormals = false");
}

static void formats_hold_numbers(void **state) {
  (void)state;
  assert_true(format_holds(FORMAT_REAL, 0.1));
  assert_true(format_holds(FORMAT_REAL, -0x1.fffffep127));
  assert_false(format_holds(FORMAT_REAL, 1e39));
  assert_true(format_holds(FORMAT_F64, 1e300));
  assert_false(format_holds(FORMAT_F64, INFINITY));
  assert_false(format_holds(FORMAT_F32, NAN));
  assert_true(format_holds(FORMAT_E4M3, 448));
  assert_false(format_holds(FORMAT_E4M3, 449));
  assert_true(format_holds(FORMAT_U8, 255));
  assert_false(format_holds(FORMAT_U8, 256));
  assert_false(format_holds(FORMAT_U8, -1));
  assert_false(format_holds(FORMAT_I32, 0.5));
  assert_true(format_holds(FORMAT_I32, -2147483648.0));
  assert_false(format_holds(FORMAT_I32, 2147483648.0));
  assert_true(format_holds(FORMAT_I64, 0x1p53));
  assert_false(format_holds(FORMAT_I64, 0x1p62));
  assert_true(format_holds(FORMAT_BOOL, 1));
  assert_false(format_holds(FORMAT_BOOL, 2));
  assert_false(format_holds(FORMAT_I32, NAN));
}

static void entries_are_called_by_their_sizes(void **state) {
  (void)state;
  assert_true(entry_is_called("f", "f"));
  assert_true(entry_is_called("f.64", "f.64"));
  assert_true(entry_is_called("f.64", "f[64]"));
  assert_true(entry_is_called("f.64", "f"));
  assert_false(entry_is_called("f.64", "f[6]"));
  assert_false(entry_is_called("f.64", "f[64"));
  assert_false(entry_is_called("f.64", "f[640]"));
  assert_false(entry_is_called("f.64", "f[64]]"));
  assert_false(entry_is_called("f.64", "f."));
  assert_false(entry_is_called("f.64", "g"));
  assert_false(entry_is_called("f.64", ""));
  assert_false(entry_is_called("f", "f[64]"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(formats_hold_numbers),
      cmocka_unit_test(entries_are_called_by_their_sizes),
      cmocka_unit_test(equal_types_are_one_pointer),
      cmocka_unit_test(equal_blocks_are_one_pointer),
      cmocka_unit_test(blocks_fit_shapes),
      cmocka_unit_test(blocks_print_as_counts),
      cmocka_unit_test(many_types_stay_apart),
      cmocka_unit_test(sizes_are_bounded),
      cmocka_unit_test(types_print_format_and_sizes),
      cmocka_unit_test(rebindings_count_from_two),
      cmocka_unit_test(helpers_belong_to_a_binding),
      cmocka_unit_test(derived_names_never_meet),
      cmocka_unit_test(a_thousand_names_are_distinct),
      cmocka_unit_test(a_table_starts_from_a_graph),
      cmocka_unit_test(the_hash_covers_names_shapes_and_kind),
      cmocka_unit_test(programs_find_things_by_name),
      cmocka_unit_test(initial_values_have_a_spread),
      cmocka_unit_test(selectors_match_paths),
      cmocka_unit_test(settings_print_as_in_a_rule),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
