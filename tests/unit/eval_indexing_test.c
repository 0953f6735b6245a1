/* ir/eval: indexing against numbers worked out by hand, the order of its sums,
 * and what it says of indices out of range.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "tests/unit/eval_support.h"

static const Precision precisions[] = {PRECISION_F64, PRECISION_F32,
                                       PRECISION_EDGES};
#define FOR_PRECISIONS(p)                                                      \
  for (const Precision *p = precisions; p < precisions + 3; p++)

#define NUMBERS(...) ((const double[]){__VA_ARGS__})

static ValueId counted(Lab *lab, Shape shape) {
  static const double number[] = {0, 1, 2,  3,  4,  5,  6,  7,
                                  8, 9, 10, 11, 12, 13, 14, 15};
  return lab_input(lab, FORMAT_REAL, shape, number);
}

static ValueId whole(Lab *lab, Shape shape, const double *index) {
  return lab_input(lab, FORMAT_I32, shape, index);
}

static ValueId along(Lab *lab, Op op, Shape shape, ValueId a, ValueId b,
                     int64_t axis) {
  ValueId id = lab_op(lab, op, FORMAT_REAL, shape, a, b, 0);
  lab_node(lab, id)->attr.axis = axis;
  return id;
}

/* ---- pieces of an axis --------------------------------------------------- */

static void slices(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = counted(lab, SHAPE(2, 3, 2));
  ValueId rows = along(lab, OP_SLICE, SHAPE(1, 3, 2), x, 0, 0);
  lab_node(lab, rows)->attr.start = 1;
  lab_node(lab, rows)->attr.size = 1;
  ValueId middle = along(lab, OP_SLICE, SHAPE(2, 2, 2), x, 0, 1);
  lab_node(lab, middle)->attr.start = 1;
  lab_node(lab, middle)->attr.size = 2;
  ValueId none = along(lab, OP_SLICE, SHAPE(2, 0, 2), x, 0, 1);
  lab_node(lab, none)->attr.start = 3;
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, rows, NUMBERS(6, 7, 8, 9, 10, 11));
    lab_expect(lab, middle, NUMBERS(2, 3, 4, 5, 8, 9, 10, 11));
    lab_expect(lab, none, NUMBERS(0));
  }
  lab_free(lab);
}

static void joined_parts(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = counted(lab, SHAPE(2, 2));
  ValueId y = lab_input(lab, FORMAT_REAL, SHAPE(2, 1), NUMBERS(-1, -0.0));
  ValueId wide = along(lab, OP_CONCAT, SHAPE(2, 5), x, y, 1);
  lab_node(lab, wide)->input[2] = x;
  ValueId tall = along(lab, OP_CONCAT, SHAPE(4, 2), x, x, 0);
  ValueId fill = lab_const(lab, -5);
  ValueId padded = along(lab, OP_PAD, SHAPE(2, 5), x, fill, 1);
  lab_node(lab, padded)->attr.low = 1;
  lab_node(lab, padded)->attr.high = 2;
  ValueId turned = along(lab, OP_REVERSE, SHAPE(2, 5), wide, 0, 1);
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, wide, NUMBERS(0, 1, -1, 0, 1, 2, 3, -0.0, 2, 3));
    lab_expect(lab, tall, NUMBERS(0, 1, 2, 3, 0, 1, 2, 3));
    lab_expect(lab, padded, NUMBERS(-5, 0, 1, -5, -5, -5, 2, 3, -5, -5));
    lab_expect(lab, turned, NUMBERS(1, 0, -1, 1, 0, 3, 2, -0.0, 3, 2));
  }
  lab_free(lab);
}

/* ---- windows ------------------------------------------------------------- */

static void windows(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = counted(lab, SHAPE(2, 4));
  ValueId start = whole(lab, SCALAR, NUMBERS(2));
  ValueId part = along(lab, OP_WINDOW, SHAPE(2, 2), x, start, 1);
  lab_node(lab, part)->attr.size = 2;
  ValueId update =
      lab_input(lab, FORMAT_REAL, SHAPE(2, 2), NUMBERS(-1, -2, -3, -4));
  ValueId written =
      lab_op(lab, OP_WINDOW_WRITE, FORMAT_REAL, SHAPE(2, 4), x, update, start);
  lab_node(lab, written)->attr.axis = 1;
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, part, NUMBERS(2, 3, 6, 7));
    lab_expect(lab, written, NUMBERS(0, 1, -1, -2, 4, 5, -3, -4));
  }
  lab->input[1].data[0] = 3;
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error,
                      "v3: a window of 2 from v2 = 3 does not lie in axis 1 "
                      "of v1, of size 4");
  lab->input[1].data[0] = -1;
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error,
                      "v3: a window of 2 from v2 = -1 does not lie in axis 1 "
                      "of v1, of size 4");
  lab_free(lab);
}

/* ---- indices ------------------------------------------------------------- */

static void gathers(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = counted(lab, SHAPE(2, 3, 2));
  ValueId ids = whole(lab, SHAPE(4), NUMBERS(2, 0, 2, 1));
  ValueId y = along(lab, OP_GATHER, SHAPE(2, 4, 2), x, ids, 1);
  ValueId at = whole(lab, SHAPE(2, 2, 2), NUMBERS(0, 1, 2, 0, 1, 1, 0, 2));
  ValueId z = along(lab, OP_TAKE, SHAPE(2, 2, 2), x, at, 1);
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, y,
               NUMBERS(4, 5, 0, 1, 4, 5, 2, 3, 10, 11, 6, 7, 10, 11, 8, 9));
    lab_expect(lab, z, NUMBERS(0, 3, 4, 1, 8, 9, 6, 11));
  }
  lab->input[1].data[3] = 3;
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error, "v3: index 3 at element 3 of v2 is outside "
                                  "[0, 3), axis 1 of v1");
  lab->input[1].data[3] = 0;
  lab->input[2].data[0] = -1;
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error, "v5: index -1 at element 0 of v4 is outside "
                                  "[0, 3), axis 1 of v1");
  lab_free(lab);
}

/* Index 2 comes twice: the second stays, in each row. */
static void scatters(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = counted(lab, SHAPE(2, 3));
  ValueId update =
      lab_input(lab, FORMAT_REAL, SHAPE(2, 3), NUMBERS(-1, -2, -3, -4, -5, -6));
  ValueId ids = whole(lab, SHAPE(3), NUMBERS(2, 0, 2));
  ValueId y = lab_op(lab, OP_SCATTER, FORMAT_REAL, SHAPE(2, 3), x, update, ids);
  lab_node(lab, y)->attr.axis = 1;
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, y, NUMBERS(-2, 1, -3, -5, 4, -6));
  }
  lab->input[2].data[1] = 3;
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error, "v4: index 3 at element 1 of v3 is outside "
                                  "[0, 3), axis 1 of v1");
  lab->input[2].data[1] = -1;
  assert_false(lab_again(lab, 1));
  assert_string_equal(lab->error, "v4: index -1 at element 1 of v3 is outside "
                                  "[0, 3), axis 1 of v1");
  lab_free(lab);
}

static void sums_by_index(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = counted(lab, SHAPE(2, 3, 2));
  ValueId ids = whole(lab, SHAPE(3), NUMBERS(3, 0, 3));
  ValueId y = along(lab, OP_SCATTER_ADD, SHAPE(2, 4, 2), x, ids, 1);
  lab_node(lab, y)->attr.size = 4;
  ValueId at =
      whole(lab, SHAPE(2, 3, 2), NUMBERS(0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1));
  ValueId z = along(lab, OP_PUT_ADD, SHAPE(2, 2, 2), x, at, 1);
  lab_node(lab, z)->attr.size = 2;
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, y,
               NUMBERS(2, 3, 0, 0, 0, 0, 4, 6, 8, 9, 0, 0, 0, 0, 16, 18));
    lab_expect(lab, z, NUMBERS(2, 0, 4, 9, 8, 16, 16, 11));
  }
  lab_free(lab);
}

/* 2^24 + 1 + 1 in binary32 depends on who comes first: ascending, from +0. */
static void sums_by_index_go_in_order(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(6),
                        NUMBERS(16777216, 1, 1, 1, 1, 16777216));
  ValueId ids = whole(lab, SHAPE(6), NUMBERS(0, 0, 1, 0, 1, 1));
  ValueId y = along(lab, OP_SCATTER_ADD, SHAPE(2), x, ids, 0);
  ValueId z = along(lab, OP_PUT_ADD, SHAPE(2), x, ids, 0);
  lab_node(lab, y)->attr.size = lab_node(lab, z)->attr.size = 2;
  lab_run(lab, PRECISION_F32, 1);
  lab_expect(lab, y, NUMBERS(16777216, 16777218));
  lab_expect(lab, z, NUMBERS(16777216, 16777218));
  lab_run(lab, PRECISION_F64, 1);
  lab_expect(lab, y, NUMBERS(16777218, 16777218));
  lab_free(lab);
}

/* ---- order --------------------------------------------------------------- */

static void sorts(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_PLAIN);
  ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(6),
                        NUMBERS(1, NAN, -0.0, INFINITY, 0, -INFINITY));
  ValueId up = lab_op(lab, OP_ARGSORT, FORMAT_I32, SHAPE(6), x, 0, 0);
  ValueId down = lab_op(lab, OP_ARGSORT, FORMAT_I32, SHAPE(6), x, 0, 0);
  lab_node(lab, down)->attr.descending = true;
  ValueId y =
      lab_input(lab, FORMAT_REAL, SHAPE(3, 2), NUMBERS(2, 1, 2, 3, 1, 2));
  ValueId columns = lab_op(lab, OP_ARGSORT, FORMAT_I32, SHAPE(3, 2), y, 0, 0);
  ValueId n = lab_op(lab, OP_IOTA, FORMAT_I32, SHAPE(4), 0, 0, 0);
  lab_node(lab, n)->attr.size = 4;
  FOR_PRECISIONS(p) {
    lab_run(lab, *p, 1);
    lab_expect(lab, up, NUMBERS(5, 2, 4, 0, 3, 1));
    lab_expect(lab, down, NUMBERS(1, 3, 0, 2, 4, 5));
    lab_expect(lab, columns, NUMBERS(2, 0, 0, 2, 1, 1));
    lab_expect(lab, n, NUMBERS(0, 1, 2, 3));
  }
  lab_free(lab);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scatters),
      cmocka_unit_test(slices),
      cmocka_unit_test(joined_parts),
      cmocka_unit_test(windows),
      cmocka_unit_test(gathers),
      cmocka_unit_test(sums_by_index),
      cmocka_unit_test(sums_by_index_go_in_order),
      cmocka_unit_test(sorts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
