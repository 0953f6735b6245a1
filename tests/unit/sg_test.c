/* The public interface, used as an embedder would: sg.h and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static const char rough[] = "entry twice(x:[3])->[3]=x+x # doubled\n";

/* Lays `rough` out to a file and reads that into `text`. */
static void format_rough(char *text, size_t size) {
  Messages messages;
  sg_context *sg = open_text(&messages, rough);
  char path[] = "/tmp/sg_test_XXXXXX";
  int changed = 0, file = mkstemp(path);
  assert_true(file >= 0);
  close(file);
  assert_int_equal(sg_format(sg, path, &changed), SG_OK);
  assert_int_equal(changed, 1);
  FILE *stream = fopen(path, "r");
  assert_non_null(stream);
  text[fread(text, 1, size - 1, stream)] = '\0';
  fclose(stream);
  remove(path);
  sg_close(sg);
}

static void layout_is_found_and_kept(void **state) {
  (void)state;
  char text[200];
  format_rough(text, sizeof text);
  assert_string_equal(text, "entry twice(x: [3]) -> [3] = x + x  # doubled\n");
  Messages messages;
  sg_context *sg = open_text(&messages, text);
  int changed = 1;
  assert_int_equal(sg_format(sg, NULL, &changed), SG_OK);
  assert_int_equal(changed, 0);
  sg_close(sg);
  sg = open_text(&messages, "entry f(\n");
  assert_int_equal(sg_format(sg, NULL, &changed), SG_PROGRAM);
  assert_int_equal(changed, 0);
  sg_close(sg);
}

static void programs_are_compared_by_name(void **state) {
  (void)state;
  Messages first, second;
  int different = 1;
  sg_context *a = open_text(&first, doubled), *b = open_text(&second, doubled);
  assert_int_equal(sg_diff(a, b, NULL, "/dev/null", &different), SG_OK);
  assert_int_equal(different, 0);
  sg_close(b);
  b = open_text(&second, "entry twice(x: [3]) -> [3] = x * x\n");
  assert_int_equal(sg_diff(a, b, NULL, "/dev/null", &different), SG_OK);
  assert_int_equal(different, 1);
  assert_int_equal(sg_diff(a, b, "exe", "/dev/null", &different), SG_USAGE);
  sg_close(a);
  sg_close(b);
}

static void checks_and_annotations_need_no_code(void **state) {
  (void)state;
  Messages messages;
  sg_context *sg = open_text(&messages, doubled);
  assert_int_equal(sg_annotate(sg, "/dev/null"), SG_OK);
  assert_int_equal(sg_check(sg), SG_OK);
  assert_int_equal(sg_annotate(sg, "/dev/full"), SG_FILE);
  sg_close(sg);
  sg = open_text(&messages, "entry f(x: [3]) -> [4] = x\n");
  assert_int_equal(sg_check(sg), SG_PROGRAM);
  assert_int_equal(messages.errors, 1);
  sg_close(sg);
}

static void messages_come_as_json_too(void **state) {
  (void)state;
  Messages messages;
  sg_context *sg = open_text(&messages, "entry f(x: [3]) -> [4] = x\n");
  assert_int_equal(sg_set(sg, "diagnostics", "json"), SG_OK);
  assert_int_equal(sg_set(sg, "diagnostics", "yaml"), SG_USAGE);
  assert_int_equal(messages.last[0], '{');
  assert_int_equal(sg_check(sg), SG_PROGRAM);
  assert_non_null(strstr(messages.last, "\"code\":\"E0303\""));
  assert_int_equal(messages.last[strlen(messages.last) - 1], '\n');
  sg_close(sg);
}

static void topics_and_near_names_are_given(void **state) {
  (void)state;
  for (const char *const *topic = sg_topics(); *topic; topic++) {
    char *text = sg_topic(*topic);
    assert_non_null(text);
    free(text);
  }
  assert_null(sg_topic("weather"));
  assert_string_equal(sg_nearest("scalfy", sg_passes(), 8), "scalify");
  assert_null(sg_nearest("weather", sg_passes(), 8));
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
      cmocka_unit_test(layout_is_found_and_kept),
      cmocka_unit_test(programs_are_compared_by_name),
      cmocka_unit_test(checks_and_annotations_need_no_code),
      cmocka_unit_test(messages_come_as_json_too),
      cmocka_unit_test(topics_and_near_names_are_given),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
