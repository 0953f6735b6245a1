/* rescale = auto: which values are rescaled, and why (rescale_range.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tests/unit/scale_support.h"

/* y = relu(x at 2^exponent) @ w, read as e4m3, kept as `store`. */
static Sketch *product_at(int exponent, int automatic, Format store) {
  Sketch *s = sketch_new(ENTRY_PLAIN);
  ValueId x = sketch_normal(s, "x", EXTENT(4, 5), 0);
  ValueId at = sketch_op(s, "at", OP_NEG, x, 0, 0);
  Node *node = graph_node(sketch_graph(s), at);
  node->op = OP_SET_SCALE;
  node->attr.exponent = exponent;
  ValueId h = sketch_op(s, "h", OP_RELU, at, 0, 0);
  ValueId w = sketch_normal(s, "w", EXTENT(5, 3), 0);
  sketch_return(s, "y",
                sketch_pattern(s, "y", OP_EINSUM, h, w, "a i, i o -> a o"));
  sketch_return(s, "h", h);
  recipe_scaled(s);
  recipe_operands(s, FORMAT_E4M3, FORMAT_E5M2);
  Settings settings = settings_unset();
  settings.forward = settings.gradient = store;
  settings.rescale_auto = automatic;
  sketch_rule(s, "default", settings);
  return s;
}

static const Node *find_rescale(const Sketch *s) {
  const Node *found = NULL;
  for (ValueId id = 1; id < sketch_graph(s)->count; id++) {
    const Node *node = graph_node(sketch_graph(s), id);
    if (node->op != OP_RESCALE)
      continue;
    assert_null(found);
    found = node;
  }
  return found;
}

/* Of data from 1.6 * 2^-9 to 448 / 2.6, and half a power less for relu. */
static void operands_are_held_or_rescaled(void **state) {
  (void)state;
  static const struct {
    int exponent;
    bool fits;
  } cases[] = {{0, true}, {-5, true}, {-7, true}, {-8, false}, {-12, false},
               {7, true}, {8, false}, {9, false}, {20, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int automatic = 0; automatic < 2; automatic++) {
      Sketch *s = product_at(cases[i].exponent, automatic, FORMAT_F32);
      Record before = sketch_record(s, PRECISION_F32, 1);
      sketch_pass(s, PASS_rescale);
      const Node *rescale = find_rescale(s);
      bool wanted = automatic && !cases[i].fits;
      if ((rescale != NULL) != wanted)
        fail_msg("2^%d: %s", cases[i].exponent, sketch_text(s));
      if (wanted) {
        assert_string_equal(rescale->name, "h");
        assert_int_equal(rescale->attr.by, NORM_L2);
        assert_int_equal(rescale->attr.why, WHY_RANGE);
        assert_non_null(strstr(s->messages.data, "h is rescaled by l2"));
        assert_non_null(strstr(s->messages.data, "W0517"));
      }
      sketch_passes(s, PASS_scalify, PASS_formats);
      bool warned = strstr(s->messages.data ? s->messages.data : "", "W0511");
      assert_int_equal(warned, !automatic && !cases[i].fits);
      Record after = sketch_record(s, PRECISION_F32, 1);
      assert_true(record_expect_equal(&before, &after) > 0);
      sketch_free(s);
    }
}

/* e4m3 holds it as an operand, but e2m1 does not as a result. */
static void results_are_held_or_rescaled(void **state) {
  (void)state;
  Sketch *s = product_at(-7, 1, FORMAT_E2M1);
  sketch_pass(s, PASS_rescale);
  const Node *rescale = find_rescale(s);
  assert_non_null(rescale);
  assert_non_null(strstr(s->messages.data, "would leave e2m1"));
  sketch_free(s);
}

/* The estimate is an analysis: names, aliases and parameters stay. */
static void asking_changes_nothing(void **state) {
  (void)state;
  char *text[2];
  for (int automatic = 0; automatic < 2; automatic++) {
    Sketch *s = product_at(0, automatic, FORMAT_BF16);
    sketch_pass(s, PASS_rescale);
    for (size_t i = 0; i < s->program->param.length; i++)
      assert_int_equal(s->program->param.data[i].scale.kind, SCALE_NONE);
    sketch_passes(s, PASS_scalify, PASS_formats);
    text[automatic] = test_malloc(strlen(sketch_text(s)) + 1);
    strcpy(text[automatic], strstr(sketch_text(s), "phase"));
    sketch_free(s);
  }
  assert_string_equal(text[0], text[1]);
  test_free(text[0]);
  test_free(text[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(operands_are_held_or_rescaled),
      cmocka_unit_test(results_are_held_or_rescaled),
      cmocka_unit_test(asking_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
