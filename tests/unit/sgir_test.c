/* .sgir text: what prints reads back and prints the same; whatever is read, the
 * reader ends with a program or with messages. */
#include "tests/unit/text_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const small_text =
    "sgir 1 final\n"
    "program \"small\"\n"
    "source 0 \"small.sg\"\n"
    "source 1 \"nn.sg\" builtin\n"
    "\n"
    "recipe r {\n"
    "  default : f32 / _, scale = amax(row, group = 2)\n"
    "  own net.a[0..2].*, grad(x) : f16\n"
    "}\n"
    "\n"
    "param @w : f16[3] * 2^-1 = normal(0.5), round = stochastic\n"
    "\n"
    "entry @f(%x : f32[2,3] * 2^0) -> (%y : f32[2,3] * 2^($s + 1)) recipe = r, "
    "kernels = 3 {\n"
    "\n"
    "phase forward\n"
    "  $s = norm_exponent(%x, by = l2) !1:5\n"
    "  %y : f32[2,3] * 2^($s + 1) = fused(%x) {\n"
    "    %a : f32[2,3] * 2^0        = mul(%x, 1.5 * 2^0) !7:3\n"
    "    %y : f32[2,3] * 2^($s + 1) = rebalance(%a) !1:2:30\n"
    "    yield %y\n"
    "  }\n"
    "\n"
    "phase update\n"
    "  store @w, @w !7:3\n"
    "}\n";

static void the_text_is_unique(void **state) {
  (void)state;
  Text *text = text_read(small_text);
  PrintOptions options = {.locations = true};
  assert_string_equal(text_round_trip(text, &options), small_text);
  text_free(text);
}

/* Without locations neither they nor the built-in files appear, and the
 * numbers of the others stay. */
static void locations_are_an_option(void **state) {
  (void)state;
  Text *text = text_read(small_text);
  const char *plain = text_round_trip(text, NULL);
  assert_null(strchr(plain, '!'));
  assert_null(strstr(plain, "nn.sg"));
  assert_non_null(strstr(plain, "source 0 \"small.sg\"\n"));
  text_free(text);
}

static void locations_give_spans(void **state) {
  (void)state;
  Text *text = text_read(small_text);
  Span span = text_node(text, "%y")->span;
  const Source *source = sources_get(&text->sources, span.source);
  Place place = source_place(source, span.start);
  assert_string_equal(source->name, "nn.sg");
  assert_int_equal(place.line, 2);
  assert_int_equal(place.column, 30);
  text_free(text);
}

/* An operation without a location points into the text itself. */
static void operations_have_spans(void **state) {
  (void)state;
  Text *text = text_read("sgir 1 plain\nentry @f(%x : f32[2]) {\n"
                         "phase forward\n  %y : real[2] = relu(%x)\n}\n");
  const Node *node = text_node(text, "%y");
  const Source *source = sources_get(&text->sources, node->span.source);
  assert_string_equal(source->name, "test.sgir");
  assert_memory_equal(source->text + node->span.start,
                      "%y : real[2] = relu(%x)", 23);
  assert_int_equal(node->span.end - node->span.start, 23);
  text_free(text);
}

static void plans_print_as_comments(void **state) {
  (void)state;
  Text *text = text_read(small_text);
  Graph *graph = text_graph(text);
  graph->placement = NEW_ARRAY(text->arena, Placement, graph->count);
  graph->arena_bytes = 4096;
  graph->placement[text_value(text, "%y")] = (Placement){.materialized = true,
                                                         .arena = true,
                                                         .offset = 64,
                                                         .bytes = 24,
                                                         .first_use = 2,
                                                         .last_use = 4};
  PrintOptions options = {.plan = true};
  const char *planned = text_print(text, &options);
  assert_non_null(
      strstr(planned, "rebalance(%a)   # arena 0x40..0x58, live 2..4\n"));
  Text *again = text_read(planned);
  assert_string_equal(text_print(again, NULL), text_print(text, NULL));
  text_free(again);
  text_free(text);
}

static void one_entry_alone(void **state) {
  (void)state;
  Text *text = text_read("sgir 1 plain\nentry @f() { }\nentry @g() { }\n");
  PrintOptions options = {.entry = "g"};
  const char *printed = text_print(text, &options);
  assert_null(strstr(printed, "@f"));
  assert_non_null(strstr(printed, "@g"));
  text_free(text);
}

static void graphs_print_alone(void **state) {
  (void)state;
  Text *text = text_read("sgir 1 plain\nentry @f(%x : f32[2]) {\n"
                         "phase forward\n%y : real[2] = relu(%x)}\n");
  PrintOptions options = {0};
  Buffer out = {0};
  graph_print(&out, text->program, text_graph(text), &options);
  assert_string_equal(out.data, "\nphase forward\n  %y : real[2] = relu(%x)\n");
  buffer_free(&out);
  text_free(text);
}

static void entries_without_a_recipe_get_one(void **state) {
  (void)state;
  Text *text = text_read("sgir 1 plain\nentry @f() { }\n");
  assert_string_equal(text_graph(text)->recipe, "f32");
  assert_true(
      program_recipe(text->program, "f32")->rule.data[0].settings.scaling ==
      SCALING_NONE);
  text_free(text);
  text = text_read("sgir 1 plain\nrecipe own { default : f16 }\n"
                   "entry @f() { }\ntrain @t() recipe = own { }\n");
  assert_string_equal(text_graph(text)->recipe, "own");
  assert_null(program_recipe(text->program, "f32"));
  text_free(text);
}

/* Numbers keep their bits, the sign of zero included. */
static void constants_are_exact(void **state) {
  (void)state;
  static const char *const number[] = {
      "0.1",    "-0.0",     "1e-05", "0.3333333333333333",
      "5e-324", "1.6e+308", "255.0", "4503599627.5",
      "inf",    "-inf"};
  for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
    char source[200];
    snprintf(source, sizeof source,
             "sgir 1 plain\nentry @f() -> (x = %s : real[]) { }\n", number[i]);
    Text *text = text_read(source);
    const Graph *graph = text_graph(text);
    double value = graph_node(graph, graph->result.data[0].value)->attr.value;
    double expected = strtod(number[i], NULL);
    assert_memory_equal(&value, &expected, sizeof value);
    assert_non_null(strstr(text_round_trip(text, NULL), number[i]));
    text_free(text);
  }
}

/* ---- all the files ------------------------------------------------------ */

static Text *read_path(const char *path) {
  size_t length;
  const char *error;
  char *bytes = file_read(path, 1 << 20, &length, &error);
  assert_non_null(bytes);
  Text *text = text_read_bytes(bytes, length);
  free(bytes);
  return text;
}

/* The file beside it holds what prints. */
static void check_file(const char *path) {
  Text *text = read_path(path);
  if (!text->program)
    fail_msg("%s: %s", path, text->messages.data);
  size_t length;
  const char *error;
  char *expected = file_read(arena_printf(text->arena, "%s.expected", path),
                             1 << 20, &length, &error);
  assert_non_null(expected);
  assert_string_equal(text_round_trip(text, NULL), expected);
  assert_string_equal(text_verify(text), "");
  free(expected);
  text_free(text);
}

static void every_file_round_trips(void **state) {
  (void)state;
  glob_t files;
  assert_int_equal(glob("tests/ir/*.sgir", 0, NULL, &files), 0);
  assert_int_equal(glob("tests/ir/Inputs/*.sgir", GLOB_APPEND, NULL, &files),
                   0);
  assert_true(files.gl_pathc >= 11);
  for (size_t i = 0; i < files.gl_pathc; i++)
    check_file(files.gl_pathv[i]);
  globfree(&files);
}

/* ---- bytes of any kind -------------------------------------------------- */

/* Reads bytes; a refusal must come with a message. True if they are a
 * program. */
static bool survives(const char *bytes, size_t length) {
  Text *text = text_read_bytes(bytes, length);
  bool good = text->program != NULL;
  assert_true(good || text->messages.length > 0);
  if (good)
    text_round_trip(text, NULL);
  text_free(text);
  return good;
}

static void every_prefix_ends_well(void **state) {
  (void)state;
  size_t length = strlen(small_text);
  for (size_t i = 0; i < length; i++)
    survives(small_text, i);
  assert_true(survives(small_text, length));
}

static void every_damaged_byte_ends_well(void **state) {
  (void)state;
  static const char damage[] = {'\0', '9', '(', '}', '.', '\xff', '"', 'e'};
  size_t length = strlen(small_text);
  char *bytes = malloc(length);
  for (size_t i = 0; i < length; i++) {
    memcpy(bytes, small_text, length);
    bytes[i] = damage[i % sizeof damage];
    survives(bytes, length);
  }
  free(bytes);
}

static void every_missing_line_ends_well(void **state) {
  (void)state;
  for (const char *line = small_text; *line; line = strchr(line, '\n') + 1) {
    const char *next = strchr(line, '\n') + 1;
    Buffer bytes = {0};
    buffer_add(&bytes, small_text, (size_t)(line - small_text));
    buffer_text(&bytes, next);
    survives(bytes.data, bytes.length);
    buffer_free(&bytes);
  }
}

static void garbage_is_refused(void **state) {
  (void)state;
  uint64_t random = 1;
  char bytes[512];
  for (int round = 0; round < 200; round++) {
    for (size_t i = 0; i < sizeof bytes; i++) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      bytes[i] = (char)(random >> 56);
    }
    assert_false(survives(bytes, sizeof bytes));
  }
  assert_false(survives("sgir 1 plain\0", 13));
  assert_false(survives("\0", 1));
  assert_false(survives("", 0));
}

/* Lists are read without recursion, so length is no depth. */
static void long_texts_are_read(void **state) {
  (void)state;
  Buffer bytes = {0};
  buffer_text(&bytes, "sgir 1 plain\nentry @f(%x'1 : f32[2]) {\n"
                      "phase forward\n");
  for (int i = 1; i < 20000; i++)
    buffer_printf(&bytes, "%%x'%d : real[2] = add(%%x'%d, %%x'1)\n", i + 1, i);
  buffer_text(&bytes, "}\n");
  assert_true(survives(bytes.data, bytes.length));
  buffer_free(&bytes);
}

static void nothing_nests(void **state) {
  (void)state;
  Buffer bytes = {0};
  buffer_text(&bytes, "sgir 1 final\nentry @f(%x : f32[2]) kernels = 1 {\n"
                      "phase forward\n");
  for (int i = 0; i < 20000; i++)
    buffer_text(&bytes, "fused(%x) {\n");
  assert_false(survives(bytes.data, bytes.length));
  buffer_free(&bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_text_is_unique),
      cmocka_unit_test(locations_are_an_option),
      cmocka_unit_test(locations_give_spans),
      cmocka_unit_test(operations_have_spans),
      cmocka_unit_test(plans_print_as_comments),
      cmocka_unit_test(one_entry_alone),
      cmocka_unit_test(graphs_print_alone),
      cmocka_unit_test(entries_without_a_recipe_get_one),
      cmocka_unit_test(constants_are_exact),
      cmocka_unit_test(every_file_round_trips),
      cmocka_unit_test(every_prefix_ends_well),
      cmocka_unit_test(every_damaged_byte_ends_well),
      cmocka_unit_test(every_missing_line_ends_well),
      cmocka_unit_test(garbage_is_refused),
      cmocka_unit_test(long_texts_are_read),
      cmocka_unit_test(nothing_nests),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
