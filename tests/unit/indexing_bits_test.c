/* Indexing moves no value between the levels: plain and scaled agree to the
 * bit, formatted and final likewise, over steps that train a table and write
 * to a state.
 */
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* op(a, b, c) along axis 0, named. */
static ValueId along(Sketch *s, const char *name, Op op, ValueId a, ValueId b,
                     ValueId c, int64_t size) {
  Node node = node_make(op, PHASE_FORWARD, NULL, a, b, c);
  if (op_info(op)->attributes & ATTR(SIZE))
    node.attr.size = size;
  return sketch_add(s, name, &node);
}

static ValueId concatenated(Sketch *s, const ValueId *part, int count) {
  Node node = node_make(OP_CONCAT, PHASE_FORWARD, NULL, 0, 0, 0);
  for (int i = 0; i < count; i++)
    node.input[i] = part[i];
  return sketch_add(s, "all", &node);
}

/* Table rows chosen by ids, a window of the parameters, a sorted copy, padded
 * and reversed: of unlike exponents, joined, and a loss over all of them. */
static Sketch *train_step(void) {
  Sketch *s = sketch_new(ENTRY_TRAIN);
  recipe_fp8(s);
  ValueId table = sketch_normal(s, "table", EXTENT(7, 4), -3);
  ValueId x = sketch_normal(s, "x", EXTENT(6, 4), 2);
  ValueId cache = sketch_state(s, "cache", EXTENT(6, 4));
  ValueId other = sketch_state(s, "other", EXTENT(6, 4));
  ValueId ids = sketch_labels(s, "ids", FORMAT_I32, EXTENT(40), 7);
  ValueId pos = sketch_labels(s, "pos", FORMAT_I32, EXTENT_SCALAR, 3);
  ValueId rows = along(s, "rows", OP_GATHER, table, ids, 0, 0);
  Node slice = node_make(OP_SLICE, PHASE_FORWARD, NULL, x, 0, 0);
  slice.attr.start = 1;
  slice.attr.size = 3;
  ValueId part = sketch_add(s, "part", &slice);
  ValueId window = along(s, "window", OP_WINDOW, x, pos, 0, 2);
  ValueId next = along(s, "cache'2", OP_WINDOW_WRITE, cache, part, pos, 0);
  ValueId slots = sketch_labels(s, "slots", FORMAT_I32, EXTENT(3), 6);
  ValueId mixed = along(s, "mixed", OP_SCATTER, x, part, slots, 0);
  ValueId later = along(s, "other'2", OP_SCATTER, other, part, slots, 0);
  Node pad =
      node_make(OP_PAD, PHASE_FORWARD, NULL, part, sketch_number(s, 0.375), 0);
  pad.attr.low = 1;
  pad.attr.high = 2;
  ValueId padded = sketch_add(s, "padded", &pad);
  ValueId turned = along(s, "turned", OP_REVERSE, rows, 0, 0, 0);
  ValueId order = along(s, "order", OP_ARGSORT, x, 0, 0, 0);
  ValueId sorted = along(s, "sorted", OP_TAKE, x, order, 0, 0);
  const ValueId joined[] = {turned, window, next, padded, sorted, mixed, later};
  ValueId all = concatenated(s, joined, 7);
  ValueId square = sketch_op(s, "square", OP_MUL, all, all, 0);
  ValueId loss = sketch_pattern(s, "loss", OP_MEAN, square, 0, "a b ->");
  sketch_return(s, "all", all);
  sketch_minimize(s, loss);
  sketch_store(s, "cache", next);
  sketch_store(s, "other", later);
  sketch_passes(s, PASS_simplify, PASS_rescale);
  return s;
}

static void plain_and_scaled_agree_to_the_bit(void **state) {
  (void)state;
  static const Precision precisions[] = {PRECISION_F64, PRECISION_F32};
  for (int i = 0; i < 2; i++) {
    Sketch *s = train_step();
    Record plain = sketch_record(s, precisions[i], 3);
    sketch_pass(s, PASS_scalify);
    Record scaled = sketch_record(s, precisions[i], 3);
    assert_true(evaluator_certified(s->evaluator));
    assert_true(record_expect_equal(&plain, &scaled) > 20);
    sketch_free(s);
  }
}

static void formatted_and_final_agree_to_the_bit(void **state) {
  (void)state;
  Sketch *s = train_step();
  sketch_passes(s, PASS_scalify, PASS_formats);
  Record formatted = sketch_record(s, PRECISION_EDGES, 3);
  sketch_passes(s, PASS_casts, PASS_plan);
  Record final = sketch_record(s, PRECISION_EDGES, 3);
  assert_true(record_expect_equal(&formatted, &final) > 20);
  sketch_free(s);
}

/* 40 ids for 7 rows: the gradient of the table grows by the root of 40 / 7, and
 * the state is written at its own exponent. */
static void exponents_follow_the_rules(void **state) {
  (void)state;
  Sketch *s = train_step();
  sketch_pass(s, PASS_scalify);
  assert_exponent(s, "rows", -3);
  assert_exponent(s, "window", 2);
  assert_exponent(s, "all", 2);
  assert_exponent(s, "cache'2", 0);
  assert_exponent(s, "mixed", 2);
  assert_exponent(s, "other'2", 0);
  sketch_free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_and_scaled_agree_to_the_bit),
      cmocka_unit_test(formatted_and_final_agree_to_the_bit),
      cmocka_unit_test(exponents_follow_the_rules),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
