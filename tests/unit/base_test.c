/* The bottom layer: arenas, interning, exact printing, places, messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "ir/base/base.h"

/* ---- memory -------------------------------------------------------------- */

static void arena_memory_is_zeroed_and_aligned(void **state) {
  (void)state;
  Arena *arena = arena_new();
  for (size_t size = 1; size < 200000; size = size * 3 + 1) {
    unsigned char *memory = arena_alloc(arena, size);
    assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
    for (size_t i = 0; i < size; i++)
      assert_int_equal(memory[i], 0);
    memset(memory, 0xff, size);
  }
  arena_free(arena);
}

static void products_of_sizes_are_checked(void **state) {
  (void)state;
  size_t out = 7;
  assert_true(checked_mul(3, 5, &out));
  assert_int_equal(out, 15);
  assert_false(checked_mul(SIZE_MAX / 2, 3, &out));
  assert_int_equal(out, 15);
}

static void vectors_grow(void **state) {
  (void)state;
  VEC(int) numbers = {0};
  for (int i = 0; i < 1000; i++)
    vec_push(&numbers, i * i);
  assert_int_equal(numbers.length, 1000);
  assert_int_equal(numbers.data[31], 961);
  assert_int_equal(vec_pop(&numbers), 998001);
  vec_free(&numbers);
  assert_null(numbers.data);
}

/* ---- text --------------------------------------------------------------- */

static void equal_strings_are_one_pointer(void **state) {
  (void)state;
  Arena *arena = arena_new();
  Interner *interner = interner_new(arena);
  const char *first = intern(interner, "name0");
  for (int i = 0; i < 5000; i++)
    intern_printf(interner, "name%d", i);
  assert_ptr_equal(intern_n(interner, "name0xyz", 5), first);
  assert_ptr_not_equal(intern(interner, "name1"), first);
  arena_free(arena);
}

static void check_float(double value, const char *wanted) {
  Buffer buffer = {0};
  buffer_float(&buffer, value);
  assert_string_equal(buffer.data, wanted);
  if (!isnan(value))
    assert_true(strtod(buffer.data, NULL) == value);
  buffer_free(&buffer);
}

static void floats_print_as_the_shortest_that_reads_back(void **state) {
  (void)state;
  check_float(0.1, "0.1");
  check_float(1, "1.0");
  check_float(-0.0, "-0.0");
  check_float(1.0 / 3, "0.3333333333333333");
  check_float(1e-5, "1e-05");
  check_float(5e-324, "5e-324");
  check_float(0.10000000149011612, "0.10000000149011612");
  check_float(INFINITY, "inf");
  check_float(NAN, "nan");
}

static void distances_count_edits_and_swaps(void **state) {
  (void)state;
  assert_int_equal(edit_distance("gelu", "gellu", 2), 1);
  assert_int_equal(edit_distance("lable", "label", 2), 1);
  assert_int_equal(edit_distance("abc", "xyz", 2), 3);
  assert_int_equal(edit_distance("", "ab", 2), 2);
  const char *names[] = {"relu", "gelu", "silu"};
  assert_string_equal(nearest_name("gellu", names, 3), "gelu");
  assert_null(nearest_name("softmax", names, 3));
}

static void large_numbers_are_grouped(void **state) {
  (void)state;
  Arena *arena = arena_new();
  assert_string_equal(grouped_number(arena, 0), "0");
  assert_string_equal(grouped_number(arena, 999), "999");
  assert_string_equal(grouped_number(arena, 669706), "669,706");
  arena_free(arena);
}

/* ---- places and messages ------------------------------------------------ */

static void collect(void *user, Severity severity, const char *rendered) {
  (void)severity;
  buffer_text(user, rendered);
}

typedef struct {
  Arena *arena;
  Sources sources;
  Diagnostics *diagnostics;
  Buffer text;
} Lab;

static void open_lab(Lab *lab, const char *text) {
  *lab = (Lab){.arena = arena_new()};
  sources_init(&lab->sources, lab->arena);
  sources_add(&lab->sources, "a.sg", text, strlen(text), false);
  lab->diagnostics =
      diagnostics_new(lab->arena, &lab->sources, collect, &lab->text);
}

static void close_lab(Lab *lab) {
  buffer_free(&lab->text);
  sources_free(&lab->sources);
  arena_free(lab->arena);
}

static void offsets_become_lines_and_columns(void **state) {
  (void)state;
  Lab lab;
  open_lab(&lab, "ab\n\ncd");
  const Source *source = sources_get(&lab.sources, 1);
  Place first = source_place(source, 0), empty = source_place(source, 3);
  Place last = source_place(source, 5);
  assert_int_equal(first.line, 1);
  assert_int_equal(empty.line, 2);
  assert_int_equal(empty.column, 1);
  assert_int_equal(last.line, 3);
  assert_int_equal(last.column, 2);
  assert_null(sources_get(&lab.sources, 2));
  close_lab(&lab);
}

static void a_message_is_a_page(void **state) {
  (void)state;
  Lab lab;
  open_lab(&lab, "x = 1\ny = wte + wpe\n");
  Diagnostic page = {.code = "E0301",
                     .message = "cannot combine",
                     .label = {{{1, 14, 15}, NULL},
                               {{1, 10, 13}, "left"},
                               {{1, 16, 19}, "right"},
                               {{1, 0, 1}, "here"}},
                     .label_count = 4,
                     .note = {"why"},
                     .note_count = 1,
                     .hint = "`z`"};
  diagnose(lab.diagnostics, &page);
  assert_string_equal(lab.text.data, "a.sg:2:9: error: cannot combine [E0301]\n"
                                     "   |\n"
                                     " 1 | x = 1\n"
                                     "   | - here\n"
                                     " 2 | y = wte + wpe\n"
                                     "   |     --- ^ --- right\n"
                                     "   |     left\n"
                                     "   = note: why\n"
                                     "   = hint: `z`\n");
  close_lab(&lab);
}

static void repeated_errors_are_said_once(void **state) {
  (void)state;
  Lab lab;
  open_lab(&lab, "x\n");
  for (int i = 0; i < 3; i++)
    diagnose_error(lab.diagnostics, (Span){1, 0, 1}, "E0201", "no %s", "x");
  assert_int_equal(diagnostics_errors(lab.diagnostics), 1);
  assert_string_equal(diagnostics_summary(lab.diagnostics), "1 error");
  close_lab(&lab);
}

static void errors_beyond_the_limit_are_counted(void **state) {
  (void)state;
  Lab lab;
  open_lab(&lab, "x\n");
  diagnostics_set_limit(lab.diagnostics, 2);
  for (int i = 0; i < 5; i++)
    diagnose_error(lab.diagnostics, (Span){1, 0, 1}, NULL, "error %d", i);
  assert_string_equal(diagnostics_summary(lab.diagnostics),
                      "5 errors, 3 not shown");
  assert_null(strstr(lab.text.data, "error 2"));
  close_lab(&lab);
}

static void warnings_follow_their_options(void **state) {
  (void)state;
  Lab lab;
  open_lab(&lab, "x\n");
  Diagnostic warning = {.severity = SEVERITY_WARNING,
                        .code = "W0710",
                        .message = "no training"};
  WarningSet *set = diagnostics_warnings(lab.diagnostics);
  diagnose(lab.diagnostics, &warning);
  assert_string_equal(lab.text.data,
                      "warning: no training [W0710 -Wuntrained]\n");
  assert_true(warning_option(set, "no-untrained"));
  diagnose(lab.diagnostics, &warning);
  assert_null(strchr(strchr(lab.text.data, '\n') + 1, '\n'));
  assert_true(warning_option(set, "error"));
  diagnose(lab.diagnostics, &warning);
  assert_int_equal(diagnostics_errors(lab.diagnostics), 0);
  assert_true(warning_option(set, "untrained"));
  diagnose(lab.diagnostics, &warning);
  assert_int_equal(diagnostics_errors(lab.diagnostics), 1);
  assert_non_null(strstr(lab.text.data,
                         "\nerror: no training [W0710 -Werror=untrained]\n"));
  close_lab(&lab);
}

static void warning_options_are_carried_out_in_order(void **state) {
  (void)state;
  const struct {
    const char *options; /* separated by blanks */
    WarningLevel level;
  } row[] = {{"no-untrained", WARNING_OFF},
             {"no-untrained untrained", WARNING_ON},
             {"no-all", WARNING_OFF},
             {"no-all error=untrained", WARNING_ERROR},
             {"error", WARNING_ERROR},
             {"error no-error", WARNING_ON},
             {"error no-error=untrained", WARNING_ON},
             {"error=clamped", WARNING_ON},
             {"error=all", WARNING_ERROR},
             {"error=untrained no-untrained", WARNING_OFF}};
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    WarningSet set = {0};
    char text[64], *rest = text, *option;
    snprintf(text, sizeof text, "%s", row[i].options);
    while ((option = strsep(&rest, " ")) != NULL)
      assert_true(warning_option(&set, option));
    assert_int_equal(warning_level(&set, "W0710"), row[i].level);
  }
  WarningSet set = {0};
  assert_false(warning_option(&set, "no-such-thing"));
  assert_false(warning_option(&set, ""));
  assert_false(warning_option(&set, "error=no-untrained"));
}

static void missing_files_and_folders_are_errors(void **state) {
  (void)state;
  size_t length;
  const char *error = NULL;
  assert_null(file_read("/nonexistent/x", 10, &length, &error));
  assert_non_null(error);
  assert_null(file_read("/", 10, &length, &error));
  assert_string_equal(error, "it is a directory");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(arena_memory_is_zeroed_and_aligned),
      cmocka_unit_test(products_of_sizes_are_checked),
      cmocka_unit_test(vectors_grow),
      cmocka_unit_test(equal_strings_are_one_pointer),
      cmocka_unit_test(floats_print_as_the_shortest_that_reads_back),
      cmocka_unit_test(distances_count_edits_and_swaps),
      cmocka_unit_test(large_numbers_are_grouped),
      cmocka_unit_test(offsets_become_lines_and_columns),
      cmocka_unit_test(a_message_is_a_page),
      cmocka_unit_test(repeated_errors_are_said_once),
      cmocka_unit_test(errors_beyond_the_limit_are_counted),
      cmocka_unit_test(warnings_follow_their_options),
      cmocka_unit_test(warning_options_are_carried_out_in_order),
      cmocka_unit_test(missing_files_and_folders_are_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
