/* Broadcasting, patterns, and the type that each op gives. */
#include "tests/unit/shape_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>


static Arena *arena;
static Interner *interner;
static TypeTable *types;
static Graph *graph;

static int set_up(void **state) {
  (void)state;
  arena = arena_new();
  interner = interner_new(arena);
  types = type_table_new(arena);
  graph = graph_new(arena, ENTRY_PLAIN, "f");
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  graph_free(graph);
  arena_free(arena);
  return 0;
}

/* "f32[2,3]" as a type. */
static const Type *type_of(const char *text) {
  return type_from_text(types, text);
}

static ValueId operand(const char *text) {
  Node node = node_make(OP_INPUT, PHASE_FORWARD, type_of(text), 0, 0, 0);
  return graph_add(graph, &node);
}

/* ---- broadcasting ------------------------------------------------------- */

static void expect_combined(const char *a, const char *b,
                            const char *expected) {
  int rank;
  int64_t dim[MAX_RANK];
  for (int swap = 0; swap < 2; swap++) {
    bool fits =
        shape_combine(type_of(swap ? b : a), type_of(swap ? a : b), &rank, dim);
    assert_int_equal(fits, expected != NULL);
    if (expected)
      assert_ptr_equal(type_make(types, FORMAT_F32, rank, dim),
                       type_of(expected));
  }
}

static void shapes_combine_strictly(void **state) {
  (void)state;
  expect_combined("f32[2,3]", "f32[2,3]", "f32[2,3]");
  expect_combined("f32[]", "f32[2,3]", "f32[2,3]");
  expect_combined("f32[]", "f32[]", "f32[]");
  expect_combined("f32[3]", "f32[2,3]", "f32[2,3]");
  expect_combined("f32[4,3]", "f32[1,2,4,3]", "f32[1,2,4,3]");
  expect_combined("f32[2,1]", "f32[2,3]", "f32[2,3]");
  expect_combined("f32[2,1]", "f32[1,3]", "f32[2,3]");
  expect_combined("f32[1]", "f32[0]", "f32[0]");
  expect_combined("f32[2]", "f32[2,3]", NULL);
  expect_combined("f32[1]", "f32[2,3]", NULL);
  expect_combined("f32[2]", "f32[2,1]", NULL);
  expect_combined("f32[2,3]", "f32[3,2]", NULL);
}

/* ---- patterns ----------------------------------------------------------- */

static void patterns_number_letters(void **state) {
  (void)state;
  Pattern pattern;
  const char *error;
  size_t offset;
  assert_true(
      pattern_parse(interner, "b i, o i -> b o", &pattern, &error, &offset));
  assert_int_equal(pattern.letters, 3);
  assert_string_equal(pattern.letter[1], "i");
  assert_int_equal(pattern.operands, 2);
  assert_int_equal(pattern.rank[1], 2);
  assert_int_equal(pattern.axis[1][0], 2);
  assert_int_equal(pattern.axis[1][1], 1);
  assert_int_equal(pattern.out_rank, 2);
  assert_int_equal(pattern.out_axis[1], 2);
  assert_true(
      pattern_parse(interner, "batch_1 x->", &pattern, &error, &offset));
  assert_int_equal(pattern.out_rank, 0);
  assert_string_equal(pattern.letter[0], "batch_1");
  assert_true(pattern_parse(interner, "-> a", &pattern, &error, &offset));
  assert_int_equal(pattern.operands, 1);
  assert_int_equal(pattern.rank[0], 0);
}

static void expect_bad_pattern(const char *text, size_t offset,
                               const char *message) {
  Pattern pattern;
  const char *error = NULL;
  size_t found = 999;
  assert_false(pattern_parse(interner, text, &pattern, &error, &found));
  assert_int_equal(found, offset);
  assert_string_equal(error, message);
}

static void bad_patterns_say_where(void **state) {
  (void)state;
  expect_bad_pattern("", 0, "expected an axis name, `,` or `->`");
  expect_bad_pattern("a b", 3, "expected an axis name, `,` or `->`");
  expect_bad_pattern("a b > a", 4, "expected an axis name, `,` or `->`");
  expect_bad_pattern("a 3 -> a", 2, "expected an axis name, `,` or `->`");
  expect_bad_pattern("... a -> a", 0, "expected an axis name, `,` or `->`");
  expect_bad_pattern("a a -> a", 2, "axis `a` occurs twice in one shape");
  expect_bad_pattern("a -> b b", 7, "axis `b` occurs twice in one shape");
  expect_bad_pattern("a, b, c -> a", 5, "more than two operands");
  expect_bad_pattern("a -> a, b", 6, "expected an axis name or the end");
  expect_bad_pattern("a b c d e f g h i -> a", 16, "more than 8 axes");
}

/* ---- one op at a time --------------------------------------------------- */

typedef struct {
  Op op;
  const char *a, *b, *c; /* operand types */
  const char *pattern;
  int axis;
  const char *stated;   /* the node's type before, or NULL */
  const char *expected; /* the type, or a message that starts with the op */
} Case;

static void check_case(const Case *test) {
  const char *text[] = {test->a, test->b, test->c};
  ValueId id[3] = {0};
  for (int i = 0; i < 3; i++)
    id[i] = text[i] ? operand(text[i]) : 0;
  Node node = node_make(test->op, PHASE_FORWARD,
                        test->stated ? type_of(test->stated) : NULL, id[0],
                        id[1], id[2]);
  node.attr.pattern = test->pattern;
  node.attr.axis = test->axis;
  shape_expect(types, graph, &node, arena, test->expected);
}

#define CHECK(...)                                                             \
  do {                                                                         \
    const Case table[] = {__VA_ARGS__};                                        \
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)                  \
      check_case(&table[i]);                                                   \
  } while (0)

static void elementwise(void **state) {
  (void)state;
  CHECK(
      {.op = OP_RELU, .a = "real[2,3]", .expected = "real[2,3]"},
      {.op = OP_RELU, .a = "f16[2,3]", .expected = "real[2,3]"},
      {.op = OP_RELU,
       .a = "real[2]",
       .stated = "bf16[2]",
       .expected = "bf16[2]"},
      {.op = OP_RELU,
       .a = "real[2]",
       .stated = "bf16[3]",
       .expected = "bf16[2]"},
      {.op = OP_NEG,
       .a = "u8[2]",
       .expected = "neg works on real numbers and i32, not u8[2]; convert it "
                   "first"},
      {.op = OP_ADD, .a = "real[2,3]", .b = "f32[3]", .expected = "real[2,3]"},
      {.op = OP_ADD,
       .a = "real[2,3]",
       .b = "real[2]",
       .expected = "add cannot combine real[2,3] with real[2]"},
      {.op = OP_MUL,
       .a = "real[2]",
       .b = "u8[2]",
       .expected = "mul works on real numbers and i32, not u8[2]; convert it "
                   "first"},
      {.op = OP_EQ, .a = "i32[2]", .b = "i32[2]", .expected = "bool[2]"},
      {.op = OP_EQ, .a = "f16[2]", .b = "real[]", .expected = "bool[2]"},
      {.op = OP_EQ,
       .a = "i32[2]",
       .b = "u8[2]",
       .expected = "eq compares equal kinds of number, not i32[2] with "
                   "u8[2]"},
      {.op = OP_POSITIVE, .a = "f32[4]", .expected = "bool[4]"},
      {.op = OP_RELU_GRAD,
       .a = "real[2]",
       .b = "bool[2]",
       .expected = "real[2]"},
      {.op = OP_RELU_GRAD,
       .a = "real[2]",
       .b = "real[1]",
       .expected = "relu_grad needs equal shapes, not real[2] and real[1]"},
      {.op = OP_RESCALE, .a = "real[2]", .expected = "real[2]"},
      {.op = OP_REBALANCE, .a = "bf16[2]", .expected = "bf16[2]"});
}

static void whole_numbers_and_choices(void **state) {
  (void)state;
  CHECK(
      {.op = OP_ADD, .a = "i32[2]", .b = "i32[]", .expected = "i32[2]"},
      {.op = OP_NEG, .a = "i32[2]", .expected = "i32[2]"},
      {.op = OP_ABS, .a = "f16[2]", .expected = "real[2]"},
      {.op = OP_MAXIMUM, .a = "i32[1]", .b = "i32[0]", .expected = "i32[0]"},
      {.op = OP_SUB,
       .a = "i32[2]",
       .b = "real[2]",
       .expected = "sub combines equal kinds of number, not i32[2] with "
                   "real[2]"},
      {.op = OP_DIV,
       .a = "i32[2]",
       .b = "i32[2]",
       .expected = "div works on real numbers, not i32[2]; convert it first"},
      {.op = OP_FLOORDIV, .a = "i32[3]", .b = "i32[]", .expected = "i32[3]"},
      {.op = OP_MOD,
       .a = "real[3]",
       .b = "real[]",
       .expected = "mod works on i32, not real[3]"},
      {.op = OP_LT, .a = "u8[2,3]", .b = "u8[3]", .expected = "bool[2,3]"},
      {.op = OP_AND, .a = "bool[3]", .b = "bool[]", .expected = "bool[3]"},
      {.op = OP_OR,
       .a = "bool[3]",
       .b = "i32[3]",
       .expected = "or works on bool, not i32[3]"},
      {.op = OP_NOT, .a = "bool[2,2]", .expected = "bool[2,2]"},
      {.op = OP_SELECT,
       .a = "bool[3,3]",
       .b = "real[2,3,3]",
       .c = "f32[]",
       .expected = "real[2,3,3]"},
      {.op = OP_SELECT,
       .a = "bool[2,3]",
       .b = "u8[]",
       .c = "u8[3]",
       .expected = "u8[2,3]"},
      {.op = OP_SELECT,
       .a = "real[3]",
       .b = "real[3]",
       .c = "real[3]",
       .expected = "select chooses by bool, not by real[3]"},
      {.op = OP_SELECT,
       .a = "bool[3]",
       .b = "real[3]",
       .c = "i32[3]",
       .expected = "select chooses between equal kinds, not real[3] and "
                   "i32[3]"},
      {.op = OP_SELECT,
       .a = "bool[2]",
       .b = "real[2,3]",
       .c = "real[3]",
       .expected = "select cannot combine bool[2] with real[2,3] and "
                   "real[3]"});
}

static void conversions(void **state) {
  (void)state;
  CHECK(
      {.op = OP_CONVERT,
       .a = "u8[2]",
       .stated = "real[2]",
       .expected = "real[2]"},
      {.op = OP_CONVERT,
       .a = "u8[2]",
       .expected = "convert needs a stated result type"},
      {.op = OP_CONVERT,
       .a = "u8[2]",
       .stated = "real[3]",
       .expected = "convert keeps the shape: u8[2] is not real[3]"},
      {.op = OP_CAST,
       .a = "f32[2]",
       .stated = "e4m3[2]",
       .expected = "e4m3[2]"},
      {.op = OP_CAST,
       .a = "f32[2]",
       .stated = "i32[2]",
       .expected = "cast rounds to a float format, not to i32[2]"},
      {.op = OP_CAST,
       .a = "f32[2]",
       .stated = "real[2]",
       .expected = "cast rounds to a float format, not to real[2]"},
      {.op = OP_STORE, .a = "f32[2]", .stated = "f16[2]", .expected = "f16[2]"},
      {.op = OP_STORE,
       .a = "f32[2]",
       .stated = "f16[3]",
       .expected = "store of f32[2] into f16[3]"},
      {.op = OP_STORE,
       .a = "f32[2]",
       .stated = "i32[2]",
       .expected = "store of f32[2] into i32[2]"},
      {.op = OP_CONST, .stated = "real[]", .expected = "real[]"},
      {.op = OP_CONST,
       .stated = "real[2]",
       .expected = "const is a single number, not real[2]"});
}

static void reshapes(void **state) {
  (void)state;
  CHECK({.op = OP_RESHAPE,
         .a = "u8[2,3]",
         .stated = "u8[6]",
         .expected = "u8[6]"},
        {.op = OP_RESHAPE,
         .a = "real[2,3]",
         .stated = "f16[3,2]",
         .expected = "f16[3,2]"},
        {.op = OP_RESHAPE,
         .a = "u8[2,3]",
         .stated = "f32[6]",
         .expected = "reshape moves elements unchanged: u8[2,3] cannot become "
                     "f32[6]"},
        {.op = OP_RESHAPE,
         .a = "u8[2,3]",
         .stated = "u8[5]",
         .expected = "reshape keeps the number of elements: u8[2,3] is not "
                     "u8[5]"},
        {.op = OP_SPLAT,
         .a = "real[]",
         .stated = "real[4,4]",
         .expected = "real[4,4]"},
        {.op = OP_SPLAT,
         .a = "real[4]",
         .stated = "real[4,4]",
         .expected = "splat repeats one number, not real[4]"});
}

static void permutations(void **state) {
  (void)state;
  CHECK({.op = OP_TRANSPOSE,
         .a = "f16[2,3]",
         .pattern = "a b -> b a",
         .expected = "f16[3,2]"},
        {.op = OP_TRANSPOSE,
         .a = "i32[2,3]",
         .pattern = "a b -> b a",
         .stated = "f32[3,2]",
         .expected = "i32[3,2]"},
        {.op = OP_TRANSPOSE,
         .a = "f16[2,3]",
         .pattern = "a b -> a",
         .expected = "transpose \"a b -> a\" drops an axis"},
        {.op = OP_TRANSPOSE,
         .a = "f16[2,3]",
         .pattern = "a b -> a c",
         .expected = "transpose \"a b -> a c\": no operand has axis `c`"},
        {.op = OP_TRANSPOSE,
         .a = "f16[2,3]",
         .pattern = "a -> a",
         .expected = "transpose \"a -> a\": the pattern names 1 axes for an "
                     "operand that has 2"},
        {.op = OP_TRANSPOSE,
         .a = "f16[2,3]",
         .expected = "transpose needs a pattern"},
        {.op = OP_BROADCAST,
         .a = "real[3]",
         .pattern = "b -> a b",
         .stated = "real[2,3]",
         .expected = "real[2,3]"},
        {.op = OP_BROADCAST,
         .a = "real[3]",
         .pattern = "b -> a b",
         .stated = "real[2,4]",
         .expected = "broadcast \"b -> a b\" of real[3] cannot be real[2,4]"},
        {.op = OP_BROADCAST,
         .a = "real[3]",
         .pattern = "b -> a",
         .stated = "real[2]",
         .expected = "broadcast \"b -> a\" drops axis `b`"},
        {.op = OP_BROADCAST,
         .a = "real[3]",
         .pattern = "b -> a b",
         .stated = "real[3]",
         .expected = "broadcast \"b -> a b\" gives 2 axes, not real[3]"});
}

static void contractions(void **state) {
  (void)state;
  CHECK({.op = OP_EINSUM,
         .a = "e4m3[2,3]",
         .b = "e5m2[4,3]",
         .pattern = "b i, o i -> b o",
         .expected = "real[2,4]"},
        {.op = OP_EINSUM,
         .a = "real[2,3]",
         .b = "real[2,4]",
         .pattern = "b i, b o -> o i",
         .stated = "f32[1]",
         .expected = "f32[4,3]"},
        {.op = OP_EINSUM,
         .a = "real[2,3]",
         .b = "real[4]",
         .pattern = "b i, o -> b i o",
         .expected = "real[2,3,4]"},
        {.op = OP_EINSUM,
         .a = "real[3]",
         .b = "real[3]",
         .pattern = "i, i ->",
         .expected = "real[]"},
        {.op = OP_EINSUM,
         .a = "real[2,3]",
         .b = "real[4,5]",
         .pattern = "b i, o i -> b o",
         .expected = "einsum \"b i, o i -> b o\": axis `i` is 3 in one operand "
                     "and 5 in the other"},
        {.op = OP_EINSUM,
         .a = "real[2,3]",
         .b = "real[4]",
         .pattern = "b i, o -> b o",
         .expected = "einsum \"b i, o -> b o\": axis `i` is summed but in one "
                     "operand only; sum that operand first"},
        {.op = OP_EINSUM,
         .a = "real[2,3]",
         .b = "real[4]",
         .pattern = "b i -> b",
         .expected = "einsum pattern \"b i -> b\" has 1 operands, not 2"},
        {.op = OP_EINSUM,
         .a = "real[2]",
         .b = "real[2]",
         .pattern = "i i",
         .expected = "einsum pattern \"i i\", column 3: axis `i` occurs twice "
                     "in one shape"},
        {.op = OP_EINSUM,
         .a = "i32[2]",
         .b = "real[2]",
         .pattern = "i, i -> i",
         .expected = "einsum works on real numbers, not i32[2]; convert it "
                     "first"});
}

static void reductions(void **state) {
  (void)state;
  CHECK(
      {.op = OP_SUM,
       .a = "bf16[2,3,4]",
       .pattern = "a b c -> a c",
       .expected = "real[2,4]"},
      {.op = OP_MEAN, .a = "real[2]", .pattern = "a ->", .expected = "real[]"},
      {.op = OP_SUM,
       .a = "real[2,3]",
       .pattern = "a b -> b a",
       .expected = "sum \"a b -> b a\" changes the order of the axes; "
                   "transpose it"},
      {.op = OP_ARGMAX, .a = "real[2,3]", .axis = 1, .expected = "i32[2]"},
      {.op = OP_ARGMAX, .a = "real[2,3]", .axis = 0, .expected = "i32[3]"},
      {.op = OP_ARGMAX,
       .a = "real[2,3]",
       .axis = 2,
       .expected = "argmax axis 2 is not an axis of real[2,3]"},
      {.op = OP_NORM_EXPONENT, .a = "real[2,3]", .expected = "i32[]"},
      {.op = OP_MAX_EXPONENT, .expected = "i32[]"});
}

static void losses(void **state) {
  (void)state;
  CHECK({.op = OP_SOFTMAX_XENT,
         .a = "f16[8,10]",
         .b = "u8[8]",
         .expected = "real[8]"},
        {.op = OP_SOFTMAX_XENT,
         .a = "real[10]",
         .b = "i64[]",
         .expected = "real[]"},
        {.op = OP_SOFTMAX_XENT,
         .a = "real[8,10]",
         .b = "u8[10]",
         .expected = "softmax_xent needs logits [.., n] and whole-number "
                     "labels [..], not real[8,10] and u8[10]"},
        {.op = OP_SOFTMAX_XENT,
         .a = "real[8,10]",
         .b = "bool[8]",
         .expected = "softmax_xent needs logits [.., n] and whole-number "
                     "labels [..], not real[8,10] and bool[8]"},
        {.op = OP_SOFTMAX_XENT_GRAD,
         .a = "real[8,10]",
         .b = "u8[8]",
         .c = "real[8]",
         .expected = "real[8,10]"},
        {.op = OP_SOFTMAX_XENT_GRAD,
         .a = "real[8,10]",
         .b = "u8[8]",
         .c = "real[]",
         .expected = "softmax_xent_grad needs one gradient per label, not "
                     "real[] for u8[8]"});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shapes_combine_strictly),
      cmocka_unit_test(patterns_number_letters),
      cmocka_unit_test(bad_patterns_say_where),
      cmocka_unit_test(elementwise),
      cmocka_unit_test(whole_numbers_and_choices),
      cmocka_unit_test(conversions),
      cmocka_unit_test(reshapes),
      cmocka_unit_test(permutations),
      cmocka_unit_test(contractions),
      cmocka_unit_test(reductions),
      cmocka_unit_test(losses),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
