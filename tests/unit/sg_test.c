/* The public interface, used as an embedder would: sg.h and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/sg.h"

typedef struct {
  int errors;
  char last[4096];
} Messages;

static void on_message(void *user, sg_severity severity, const char *text) {
  Messages *messages = user;
  messages->errors += severity == SG_ERROR;
  snprintf(messages->last, sizeof messages->last, "%s", text);
}

static const char doubled[] = "entry twice(x: [3]) -> [3] = x + x\n";

static sg_context *open_text(Messages *messages, const char *text) {
  *messages = (Messages){0};
  sg_context *sg = sg_open(on_message, messages);
  assert_non_null(sg);
  assert_int_equal(sg_load_text(sg, "t.sg", text, strlen(text)), SG_OK);
  return sg;
}

static void unknown_options_are_refused_with_a_message(void **state) {
  (void)state;
  Messages messages = {0};
  sg_context *sg = sg_open(on_message, &messages);
  assert_int_equal(sg_set(sg, "colour", "1"), SG_USAGE);
  assert_non_null(strstr(messages.last, "colour"));
  assert_int_equal(sg_set(sg, "O", "7"), SG_USAGE);
  assert_int_equal(sg_set(sg, "strict", "yes"), SG_USAGE);
  assert_int_equal(sg_set(sg, "define", "=3"), SG_USAGE);
  assert_int_equal(sg_set(sg, "print-after", "scalfy"), SG_USAGE);
  assert_non_null(strstr(messages.last, "scalify"));
  assert_int_equal(messages.errors, 5);
  sg_close(sg);
}

static void stages_follow_one_another(void **state) {
  (void)state;
  Messages messages;
  sg_context *sg = open_text(&messages, doubled);
  assert_int_equal(sg_emit(sg, "ir", "/dev/null"), SG_OK);
  assert_int_equal(sg_emit(sg, "final", "/dev/null"), SG_OK);
  assert_int_equal(sg_emit(sg, "asm", "/dev/null"), SG_OK);
  assert_int_equal(sg_emit(sg, "nonsense", "/dev/null"), SG_USAGE);
  assert_int_equal(messages.errors, 1);
  sg_close(sg);
}

static void errors_in_the_program_reach_the_callback(void **state) {
  (void)state;
  Messages messages;
  sg_context *sg = open_text(&messages, "entry f(x: [3]) -> [3] = z\n");
  assert_int_equal(sg_emit(sg, "ir", "/dev/null"), SG_PROGRAM);
  assert_int_equal(messages.errors, 1);
  assert_non_null(strstr(messages.last, "t.sg:1:26: error:"));
  sg_close(sg);
}

static void one_file_a_context(void **state) {
  (void)state;
  Messages messages;
  sg_context *sg = open_text(&messages, doubled);
  assert_int_equal(sg_load_text(sg, "u.sg", doubled, strlen(doubled)),
                   SG_USAGE);
  assert_int_equal(sg_load(sg, "/nonexistent/x.sg"), SG_FILE);
  sg_close(sg);
  sg = sg_open(on_message, &messages);
  assert_int_equal(sg_emit(sg, "ir", "/dev/null"), SG_USAGE);
  sg_close(sg);
}

static void contexts_are_independent(void **state) {
  (void)state;
  Messages first, second;
  sg_context *a = open_text(&first, doubled);
  sg_context *b = open_text(&second, "entry f(x: [3]) -> [3] = z\n");
  assert_int_equal(sg_emit(b, "ir", "/dev/null"), SG_PROGRAM);
  assert_int_equal(sg_emit(a, "ir", "/dev/null"), SG_OK);
  assert_int_equal(first.errors, 0);
  assert_int_equal(second.errors, 1);
  sg_close(a);
  sg_close(b);
}

static void devices_are_written_not_replaced(void **state) {
  (void)state;
  Messages messages;
  sg_context *sg = open_text(&messages, doubled);
  struct stat status;
  assert_int_equal(sg_emit(sg, "ir", "/dev/null"), SG_OK);
  assert_int_equal(stat("/dev/null", &status), 0);
  assert_true(S_ISCHR(status.st_mode));
  assert_int_equal(sg_emit(sg, "ir", "/dev/full"), SG_FILE);
  sg_close(sg);
}

static void names_of_stages_and_passes_are_listed(void **state) {
  (void)state;
  int stages = 0, passes = 0;
  while (sg_stages()[stages])
    stages++;
  while (sg_passes()[passes])
    passes++;
  assert_string_equal(sg_stages()[stages - 1], "exe");
  assert_string_equal(sg_passes()[0], "simplify");
  assert_int_equal(passes, 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(unknown_options_are_refused_with_a_message),
      cmocka_unit_test(stages_follow_one_another),
      cmocka_unit_test(errors_in_the_program_reach_the_callback),
      cmocka_unit_test(one_file_a_context),
      cmocka_unit_test(contexts_are_independent),
      cmocka_unit_test(devices_are_written_not_replaced),
      cmocka_unit_test(names_of_stages_and_passes_are_listed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
