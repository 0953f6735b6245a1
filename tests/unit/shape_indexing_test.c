/* The shape rules of indexing: what each op gives, and why it refuses. */
#include "tests/unit/pass_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static Sketch *sketch;

static int set_up(void **state) {
  (void)state;
  sketch = sketch_new(ENTRY_PLAIN);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  sketch_free(sketch);
  return 0;
}

static ValueId real(Extent extent) {
  Node node = node_make(OP_INPUT, PHASE_FORWARD,
                        sketch_type(sketch, FORMAT_REAL, extent), 0, 0, 0);
  return graph_add(sketch_graph(sketch), &node);
}

static ValueId whole(Extent extent) {
  Node node = node_make(OP_INPUT, PHASE_FORWARD,
                        sketch_type(sketch, FORMAT_I32, extent), 0, 0, 0);
  return graph_add(sketch_graph(sketch), &node);
}

typedef struct {
  int64_t axis, start, size, low, high;
} At;

static At along(int64_t axis) {
  return (At){.axis = axis};
}

static At piece(int64_t axis, int64_t start, int64_t size) {
  return (At){.axis = axis, .start = start, .size = size};
}

static At margins(int64_t axis, int64_t low, int64_t high) {
  return (At){.axis = axis, .low = low, .high = high};
}

/* The type as text, or the message. */
static const char *given(Op op, At at, ValueId a, ValueId b, ValueId c) {
  Node node = node_make(op, PHASE_FORWARD, NULL, a, b, c);
  const char *error = NULL;
  node.attr.axis = at.axis;
  node.attr.start = at.start;
  node.attr.size = at.size;
  node.attr.low = at.low;
  node.attr.high = at.high;
  const Type *type = shape_infer(sketch->program->types, sketch_graph(sketch),
                                 &node, sketch->arena, &error);
  if (type == NULL)
    return error;
  Buffer text = {0};
  type_print(&text, type);
  const char *copy = arena_string(sketch->arena, text.data, text.length);
  buffer_free(&text);
  return copy;
}

#define EXPECT(text, ...) assert_string_equal(given(__VA_ARGS__), (text))

static void pieces(void **state) {
  (void)state;
  ValueId x = real(EXTENT(2, 6)), y = real(EXTENT(2, 0)), n = whole(EXTENT(6));
  ValueId one = real(EXTENT_SCALAR), two = whole(EXTENT_SCALAR);
  EXPECT("real[2,3]", OP_SLICE, piece(1, 3, 3), x, 0, 0);
  EXPECT("real[2,0]", OP_SLICE, piece(1, 6, 0), x, 0, 0);
  EXPECT("slice of 4 from 3 does not lie in axis 1 of real[2,6]", OP_SLICE,
         piece(1, 3, 4), x, 0, 0);
  EXPECT("slice of 1 from -1 does not lie in axis 1 of real[2,6]", OP_SLICE,
         piece(1, -1, 1), x, 0, 0);
  EXPECT("slice of 9223372036854775807 from 1 does not lie in axis 1 of "
         "real[2,6]",
         OP_SLICE, piece(1, 1, INT64_MAX), x, 0, 0);
  EXPECT("slice axis 2 is not an axis of real[2,6]", OP_SLICE, piece(2, 0, 1),
         x, 0, 0);
  EXPECT("reverse axis -1 is not an axis of real[2,6]", OP_REVERSE, along(-1),
         x, 0, 0);
  EXPECT("real[2,12]", OP_CONCAT, along(1), x, x, y);
  EXPECT("real[4,6]", OP_CONCAT, along(0), x, x, 0);
  EXPECT("concat needs operands that agree but along axis 0, not real[2,6] and "
         "real[2,0]",
         OP_CONCAT, along(0), x, y, 0);
  EXPECT("concat needs operands that agree but along axis 0, not i32[6] and "
         "real[2,6]",
         OP_CONCAT, along(0), n, x, 0);
  EXPECT("real[2,9]", OP_PAD, margins(1, 1, 2), x, one, 0);
  EXPECT("i32[7]", OP_PAD, margins(0, 0, 1), n, two, 0);
  EXPECT("pad fills real[2,6] with one number of its kind, not i32[]", OP_PAD,
         margins(1, 1, 2), x, two, 0);
  EXPECT("pad by -1 and 0 is impossible", OP_PAD, margins(1, -1, 0), x, one, 0);
  EXPECT("pad by 9223372036854775807 and 9223372036854775807 is impossible",
         OP_PAD, margins(1, INT64_MAX, INT64_MAX), x, one, 0);
  EXPECT("pad gives a tensor that is too large", OP_PAD,
         margins(1, INT64_MAX / 4, 0), x, one, 0);
}

static void windows(void **state) {
  (void)state;
  ValueId x = real(EXTENT(2, 6)), u = real(EXTENT(2, 3)), n = whole(EXTENT(1));
  ValueId pos = whole(EXTENT_SCALAR), one = real(EXTENT_SCALAR);
  EXPECT("real[2,3]", OP_WINDOW, piece(1, 0, 3), x, pos, 0);
  EXPECT("real[2,6]", OP_WINDOW_WRITE, along(1), x, u, pos);
  EXPECT("window of 7 does not fit into axis 1 of real[2,6]", OP_WINDOW,
         piece(1, 0, 7), x, pos, 0);
  EXPECT("window starts at one whole number, not i32[1]", OP_WINDOW,
         piece(1, 0, 3), x, n, 0);
  EXPECT("window starts at one whole number, not real[]", OP_WINDOW,
         piece(1, 0, 3), x, one, 0);
  EXPECT("window_write needs operands that agree but along axis 0, not "
         "real[2,6] and real[2,3]",
         OP_WINDOW_WRITE, along(0), x, u, pos);
  EXPECT("window_write of 6 does not fit into axis 1 of real[2,3]",
         OP_WINDOW_WRITE, along(1), u, x, pos);
}

static void indices(void **state) {
  (void)state;
  ValueId x = real(EXTENT(2, 6)), ids = whole(EXTENT(3, 4));
  ValueId u = real(EXTENT(2, 3, 4)), none = whole(EXTENT_SCALAR);
  ValueId deep = whole(EXTENT(1, 1, 1, 1, 1, 1, 1, 1));
  EXPECT("real[3,4,6]", OP_GATHER, along(0), x, ids, 0);
  EXPECT("real[2,3,4]", OP_GATHER, along(1), x, ids, 0);
  EXPECT("real[2]", OP_GATHER, along(1), x, none, 0);
  EXPECT("i32[3,4,4]", OP_GATHER, along(0), ids, ids, 0);
  EXPECT("gather gives more than 8 axes", OP_GATHER, along(0), x, deep, 0);
  EXPECT("gather needs whole numbers as indices, not real[2,3,4]", OP_GATHER,
         along(0), x, u, 0);
  EXPECT("real[2,9]", OP_SCATTER_ADD, piece(1, 0, 9), u, ids, 0);
  EXPECT("scatter_add needs the axes of i32[3,4] from axis 0 of real[2,3,4] on",
         OP_SCATTER_ADD, piece(0, 0, 9), u, ids, 0);
  EXPECT("scatter_add needs the axes of i32[3,4] from axis 9223372036854775807 "
         "of real[2,3,4] on",
         OP_SCATTER_ADD, piece(INT64_MAX, 0, 9), u, ids, 0);
  EXPECT("scatter_add into a size of -1", OP_SCATTER_ADD, piece(1, 0, -1), u,
         ids, 0);
  EXPECT("scatter_add works on real numbers, not i32[3,4]; convert it first",
         OP_SCATTER_ADD, piece(0, 0, 9), ids, ids, 0);
}

static void scatters(void **state) {
  (void)state;
  ValueId x = real(EXTENT(2, 6)), ids = whole(EXTENT(3, 4));
  ValueId u = real(EXTENT(2, 3, 4)), row = real(EXTENT(6));
  ValueId one = whole(EXTENT_SCALAR), n = whole(EXTENT(2, 6));
  EXPECT("real[2,6]", OP_SCATTER, along(1), x, u, ids);
  EXPECT("real[2,6]", OP_SCATTER, along(0), x, row, one);
  EXPECT("scatter needs real[2,6] with the axes of i32[3,4] in the place of "
         "axis 0, not real[2,3,4]",
         OP_SCATTER, along(0), x, u, ids);
  EXPECT("scatter needs i32[2,6] with the axes of i32[] in the place of axis "
         "0, not real[6]",
         OP_SCATTER, along(0), n, row, one);
  EXPECT("scatter needs whole numbers as indices, not real[2,3,4]", OP_SCATTER,
         along(1), x, u, u);
  EXPECT("scatter axis 2 is not an axis of real[2,6]", OP_SCATTER, along(2), x,
         u, ids);
  EXPECT("scatter counts to 4294967296, beyond 32 bits", OP_SCATTER, along(0),
         x, row, whole(EXTENT(65536, 65536)));
}

static void order(void **state) {
  (void)state;
  ValueId x = real(EXTENT(3, 6)), at = whole(EXTENT(3, 4));
  ValueId u = real(EXTENT(3, 4)), none = real(EXTENT_SCALAR);
  EXPECT("real[3,4]", OP_TAKE, along(1), x, at, 0);
  EXPECT(
      "take needs an index for each element but along its axis, not i32[3,4] "
      "for real[3,6]",
      OP_TAKE, along(0), x, at, 0);
  EXPECT("real[3,9]", OP_PUT_ADD, piece(1, 0, 9), u, at, 0);
  EXPECT("put_add needs an index for each element, not i32[3,4] for real[3,6]",
         OP_PUT_ADD, piece(1, 0, 9), x, at, 0);
  EXPECT("i32[3,6]", OP_ARGSORT, along(0), x, 0, 0);
  EXPECT("argsort axis 0 is not an axis of real[]", OP_ARGSORT, along(0), none,
         0, 0);
  EXPECT("i32[5]", OP_IOTA, piece(0, 0, 5), 0, 0, 0);
  EXPECT("i32[0]", OP_IOTA, piece(0, 0, 0), 0, 0, 0);
  EXPECT("iota into a size of -5", OP_IOTA, piece(0, 0, -5), 0, 0, 0);
  EXPECT("iota counts to 2147483648, beyond 32 bits", OP_IOTA,
         piece(0, 0, 2147483648), 0, 0, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(pieces, set_up, tear_down),
      cmocka_unit_test_setup_teardown(windows, set_up, tear_down),
      cmocka_unit_test_setup_teardown(indices, set_up, tear_down),
      cmocka_unit_test_setup_teardown(scatters, set_up, tear_down),
      cmocka_unit_test_setup_teardown(order, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
