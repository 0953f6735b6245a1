/* compiler/llvm: every kernel form against the evaluator, to the bit, on
 * several processors (strict mode).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/rng.h"
#include "tests/unit/backend_support.h"

/* ---- numbers ------------------------------------------------------------- */

static const double specials[] = {
    0.0,      -0.0,      1.0,       -1.0,     INFINITY, -INFINITY, NAN,
    0x1p-149, -0x1p-149, 0x1p-126,  0x1p-133, 0x1p-9,   0x1p-10,   0x1.8p-10,
    448,      464,       464.0625,  480,      57344,    61440,     65504,
    65520,    65536,     -65519,    0x1p127,  -0x1p127, 3.4e38,    88.7,
    -103.9,   0x1p-14,   0x1.8p-17, 0x1p-24,  0x1p-25,  0x1.1p-24, 1.0625,
    1.1875,   255.5,     -0.5,      2.5e9,    -2.5e9,   9.3e18,    256};
enum { SPECIALS = sizeof specials / sizeof *specials };

/* n numbers of many sizes, the special ones among them. */
static double *numbers(Lab *lab, size_t n, uint64_t seed) {
  double *out = NEW_ARRAY(lab->arena, double, n + 1);
  fill_wide(out, n, seed);
  for (size_t i = 0; i < n && i < 2 * SPECIALS; i++)
    if (i % 2 == 1)
      out[i] = (double)(float)specials[(i / 2 + seed) % SPECIALS];
  return out;
}

/* Plain numbers: no infinities, no NaN. */
static double *tame(Lab *lab, size_t n, uint64_t seed) {
  double *out = NEW_ARRAY(lab->arena, double, n + 1);
  fill_wide(out, n, seed);
  return out;
}

static double *wholes(Lab *lab, size_t n, int64_t low, int64_t high,
                      uint64_t seed) {
  double *out = NEW_ARRAY(lab->arena, double, n + 1);
  RngKey key = rng_key(seed, 0, 0);
  for (size_t i = 0; i < n; i++)
    out[i] =
        (double)(low + (int64_t)(rng_u32(key, i) % (uint64_t)(high - low + 1)));
  return out;
}

static ValueId real_const(Lab *lab, double value) {
  ValueId id = lab_const(lab, value);
  lab_node(lab, id)->type = lab_type(lab, FORMAT_F32, SCALAR);
  return id;
}

static ValueId reduced(Lab *lab, Op op, Shape shape, ValueId x,
                       const char *pattern) {
  ValueId id = lab_pattern(lab, op, shape, x, 0, pattern);
  lab_node(lab, id)->type = lab_type(lab, FORMAT_F32, shape);
  return id;
}

/* ---- elementwise --------------------------------------------------------- */

static void unary_ops(Lab *lab, Shape shape, ValueId x) {
  static const Op op[] = {OP_NEG, OP_RELU, OP_SQRT, OP_EXP, OP_LOG};
  for (size_t i = 0; i < sizeof op / sizeof *op; i++)
    lab_op(lab, op[i], FORMAT_F32, shape, x, 0, 0);
}

static void binary_ops(Lab *lab, Shape shape, ValueId a, ValueId b) {
  static const Op op[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV};
  for (size_t i = 0; i < sizeof op / sizeof *op; i++)
    lab_op(lab, op[i], FORMAT_F32, shape, a, b, 0);
  lab_op(lab, OP_EQ, FORMAT_BOOL, shape, a, b, 0);
}

static void test_map_sizes(void **state) {
  (void)state;
  static const int64_t sizes[] = {1, 3, 15, 16, 17, 33, 100, 4096, 10007};
  Lab *lab = lab_new(LEVEL_FINAL);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t n = (size_t)sizes[i];
    Shape shape = SHAPE(sizes[i]);
    ValueId x = lab_input(lab, FORMAT_F32, shape, numbers(lab, n, i));
    unary_ops(lab, shape, x);
    ValueId y = lab_op(lab, OP_EXP, FORMAT_F32, shape, x, 0, 0);
    binary_ops(lab, shape, x, y);
    ValueId mask = lab_op(lab, OP_POSITIVE, FORMAT_BOOL, shape, x, 0, 0);
    lab_op(lab, OP_RELU_GRAD, FORMAT_F32, shape, y, mask, 0);
    lab_op(lab, OP_RELU_GRAD, FORMAT_F32, shape, y, x, 0);
    lab_op(lab, OP_EQ, FORMAT_BOOL, shape, mask, mask, 0);
    lab_op(lab, OP_MUL, FORMAT_F32, shape, x, real_const(lab, 0.1f), 0);
  }
  lab_compare_apart(lab);
  lab_free(lab);
}

static void test_broadcasting(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FINAL);
  Shape space = SHAPE(5, 7, 19);
  ValueId x = lab_input(lab, FORMAT_F32, space, numbers(lab, 5 * 7 * 19, 1));
  const Shape other[] = {SCALAR,         SHAPE(19),       SHAPE(7, 19),
                         SHAPE(5, 7, 1), SHAPE(5, 1, 19), SHAPE(1, 7, 1),
                         SHAPE(1, 1, 1), SHAPE(5, 1, 1)};
  for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
    const Type *type = lab_type(lab, FORMAT_F32, other[i]);
    double *data = numbers(lab, (size_t)type->elements, i + 7);
    ValueId y = lab_input(lab, FORMAT_F32, other[i], data);
    lab_op(lab, OP_ADD, FORMAT_F32, space, x, y, 0);
    lab_op(lab, OP_DIV, FORMAT_F32, space, y, x, 0);
  }
  /* Both operands repeat: neither has the result's shape. */
  ValueId row = lab_input(lab, FORMAT_F32, SHAPE(1, 37), tame(lab, 37, 3));
  ValueId column = lab_input(lab, FORMAT_F32, SHAPE(21, 1), tame(lab, 21, 4));
  lab_op(lab, OP_MUL, FORMAT_F32, SHAPE(21, 37), row, column, 0);
  lab_op(lab, OP_SPLAT, FORMAT_F32, SHAPE(3, 9),
         reduced(lab, OP_SUM, SCALAR, column, "a b ->"), 0, 0);
  lab_compare_apart(lab);
  lab_free(lab);
}

/* Wide rows are cut into blocks, also with broadcast operands. */
static void test_wide_rows(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FINAL);
  ValueId x =
      lab_input(lab, FORMAT_F32, SHAPE(3, 9001), numbers(lab, 3 * 9001, 1));
  ValueId y = lab_input(lab, FORMAT_F32, SHAPE(9001), numbers(lab, 9001, 2));
  ValueId z = lab_input(lab, FORMAT_F32, SHAPE(3, 1), numbers(lab, 3, 3));
  ValueId sum = lab_op(lab, OP_ADD, FORMAT_F32, SHAPE(3, 9001), x, y, 0);
  lab_op(lab, OP_MUL, FORMAT_F32, SHAPE(3, 9001), sum, z, 0);
  lab_compare_apart(lab);
  lab_free(lab);
}

/* ---- conversions --------------------------------------------------------- */

static const Format narrow[] = {FORMAT_F16, FORMAT_BF16, FORMAT_E4M3,
                                FORMAT_E5M2};
enum { NARROW = sizeof narrow / sizeof *narrow };

static void test_casts(void **state) {
  (void)state;
  for (int overflow = 0; overflow < 2; overflow++) {
    Lab *lab = lab_new(LEVEL_FINAL);
    Shape shape = SHAPE(10, 101);
    ValueId x = lab_input(lab, FORMAT_F32, shape, numbers(lab, 1010, 1));
    for (int i = 0; i < NARROW; i++)
      for (int round = 0; round < 2; round++) {
        ValueId y = lab_op(lab, OP_CAST, narrow[i], shape, x, 0, 0);
        lab_node(lab, y)->attr.overflow = (Overflow)overflow;
        lab_node(lab, y)->attr.round = (Rounding)round;
        lab_op(lab, OP_NEG, FORMAT_F32, shape, y, 0, 0);
        ValueId again = lab_op(lab, OP_CAST, FORMAT_F32, shape, y, 0, 0);
        lab_op(lab, OP_CAST, FORMAT_E4M3, shape, again, 0, 0);
      }
    lab_compare_apart(lab);
    lab_free(lab);
  }
}

/* Every code of the narrow formats enters as an input. */
static void test_decoding(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FINAL);
  for (int i = 0; i < NARROW; i++) {
    size_t n = format_bytes(narrow[i]) == 1 ? 256 : 65536;
    double *data = NEW_ARRAY(lab->arena, double, n);
    for (size_t code = 0; code < n; code++)
      data[code] = (double)codec_decode(narrow[i], (uint32_t)code);
    ValueId x = lab_input(lab, narrow[i], SHAPE((int64_t)n), data);
    lab_op(lab, OP_CAST, FORMAT_F32, SHAPE((int64_t)n), x, 0, 0);
  }
  lab_compare_apart(lab);
  lab_free(lab);
}

static void test_conversions(void **state) {
  (void)state;
  static const Format whole[] = {FORMAT_U8, FORMAT_U16, FORMAT_I32, FORMAT_I64,
                                 FORMAT_BOOL};
  enum { WHOLE = sizeof whole / sizeof *whole };
  Lab *lab = lab_new(LEVEL_FINAL);
  Shape shape = SHAPE(99);
  ValueId source[WHOLE + 1];
  source[0] = lab_input(lab, FORMAT_U8, shape, wholes(lab, 99, 0, 255, 1));
  source[1] = lab_input(lab, FORMAT_U16, shape, wholes(lab, 99, 0, 65535, 2));
  source[2] = lab_input(lab, FORMAT_I32, shape,
                        wholes(lab, 99, INT32_MIN, INT32_MAX, 3));
  double *wide = wholes(lab, 99, INT32_MIN, INT32_MAX, 4);
  for (int i = 0; i < 99; i += 2)
    wide[i] *= 0x1p20;
  source[3] = lab_input(lab, FORMAT_I64, shape, wide);
  source[4] = lab_input(lab, FORMAT_BOOL, shape, wholes(lab, 99, 0, 1, 5));
  source[5] = lab_input(lab, FORMAT_F32, shape, numbers(lab, 99, 6));
  for (int from = 0; from <= WHOLE; from++) {
    for (int to = 0; to < WHOLE; to++)
      lab_op(lab, OP_CONVERT, whole[to], shape, source[from], 0, 0);
    lab_op(lab, OP_CONVERT, FORMAT_F32, shape, source[from], 0, 0);
    lab_op(lab, OP_EQ, FORMAT_BOOL, shape, source[from], source[from], 0);
  }
  lab_compare_apart(lab);
  lab_free(lab);
}

/* ---- exponents ----------------------------------------------------------- */

/* Static and measured exponents of every kind; the shifts that follow. */
static void test_exponents(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FINAL);
  Shape shape = SHAPE(6, 35);
  ValueId bytes = lab_input(lab, FORMAT_U8, shape, wholes(lab, 210, 0, 255, 1));
  ValueId x = lab_op(lab, OP_CONVERT, FORMAT_F32, shape, bytes, 0, 0);
  lab_scale(lab, x, 8);
  ValueId measured[NORM_COUNT];
  for (int by = 0; by < NORM_COUNT; by++) {
    ValueId e = lab_op(lab, OP_NORM_EXPONENT, FORMAT_I32, SCALAR, x, 0, 0);
    lab_node(lab, e)->attr.by = (Norm)by;
    measured[by] = e;
    ValueId y = lab_op(lab, OP_REBALANCE, FORMAT_F32, shape, x, 0, 0);
    lab_node(lab, y)->scale = scale_make(SCALE_NORMAL, e, by - 1);
    ValueId sum = reduced(lab, OP_SUM, SHAPE(35), y, "a b -> b");
    lab_node(lab, sum)->scale = scale_make(SCALE_NORMAL, e, 3);
    ValueId mean = reduced(lab, OP_MEAN, SHAPE(6), y, "a b -> a");
    lab_node(lab, mean)->scale = scale_make(SCALE_NORMAL, e, -2);
    ValueId product = lab_op(lab, OP_MUL, FORMAT_F32, shape, y, x, 0);
    lab_node(lab, product)->scale = scale_make(SCALE_NORMAL, e, 5 + by);
    ValueId cast = lab_op(lab, OP_CAST, FORMAT_E4M3, shape, product, 0, 0);
    lab_node(lab, cast)->scale = lab_node(lab, product)->scale;
    ValueId back = lab_op(lab, OP_REBALANCE, FORMAT_F32, shape, cast, 0, 0);
    lab_scale(lab, back, -130);
    ValueId far = lab_op(lab, OP_REBALANCE, FORMAT_F32, shape, cast, 0, 0);
    lab_scale(lab, far, 140);
    ValueId power = lab_op(lab, OP_EXP, FORMAT_F32, shape, y, 0, 0);
    lab_scale(lab, power, 7);
  }
  ValueId most = lab_op(lab, OP_MAX_EXPONENT, FORMAT_I32, SCALAR, 0, 0, 0);
  lab_node(lab, most)->attr.term[0] = scale_make(SCALE_NORMAL, measured[0], 2);
  lab_node(lab, most)->attr.term[1] = scale_make(SCALE_NORMAL, measured[2], -1);
  ValueId z = lab_op(lab, OP_REBALANCE, FORMAT_F32, shape, x, 0, 0);
  lab_node(lab, z)->scale = scale_make(SCALE_NORMAL, most, 0);
  ValueId even = lab_op(lab, OP_REBALANCE, FORMAT_F32, shape, x, 0, 0);
  lab_scale(lab, even, 5);
  ValueId root = lab_op(lab, OP_SQRT, FORMAT_F32, shape, even, 0, 0);
  lab_scale(lab, root, 1);
  lab_compare_apart(lab);
  lab_free(lab);
}

/* What cannot be measured keeps the operand's exponent. */
static void test_unmeasured(void **state) {
  (void)state;
  static const double rows[][3] = {
      {0, 0, 0},        {1, INFINITY, 2},      {NAN, 1, 0},
      {0x1p-149, 0, 0}, {0x1p100, 0x1p100, 1}, {-3, 2, 2.5}};
  Lab *lab = lab_new(LEVEL_FINAL);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (int by = 0; by < NORM_COUNT; by++) {
      if (lab->graph->input.length >= 15)
        break;
      ValueId x =
          by == 0 ? lab_input(lab, FORMAT_F32, SHAPE(3), rows[i])
                  : lab->graph->input.data[lab->graph->input.length - 1].value;
      lab_scale(lab, x, 0);
      ValueId e = lab_op(lab, OP_NORM_EXPONENT, FORMAT_I32, SCALAR, x, 0, 0);
      lab_node(lab, e)->attr.by = (Norm)by;
      ValueId y = lab_op(lab, OP_REBALANCE, FORMAT_F32, SHAPE(3), x, 0, 0);
      lab_node(lab, y)->scale = scale_make(SCALE_NORMAL, e, 0);
    }
  lab_compare_apart(lab);
  lab_free(lab);
}

/* Exponents at which the largest element fits a format, about the boundary. */
static void test_fitting(void **state) {
  (void)state;
  static const Format fit[] = {FORMAT_E4M3, FORMAT_E5M2, FORMAT_F16,
                               FORMAT_E2M1};
  Lab *lab = lab_new(LEVEL_FINAL);
  for (size_t i = 0; i < sizeof fit / sizeof *fit; i++) {
    float max = (float)format_max(fit[i]);
    const double rows[][3] = {{max, 1, -2},
                              {-ldexp(nextafterf(max, INFINITY), -40), 0, 0},
                              {nextafterf(max, 0), NAN, 0},
                              {ldexp(5, -149), 0, 0}};
    for (size_t r = 0; r < 4 && lab->graph->input.length < 15; r++) {
      ValueId x = lab_input(lab, FORMAT_F32, SHAPE(3), rows[r]);
      lab_scale(lab, x, 0);
      ValueId e = lab_op(lab, OP_NORM_EXPONENT, FORMAT_I32, SCALAR, x, 0, 0);
      lab_node(lab, e)->attr.by = NORM_MAX;
      lab_node(lab, e)->attr.fit = fit[i];
      ValueId y = lab_op(lab, OP_REBALANCE, FORMAT_F32, SHAPE(3), x, 0, 0);
      lab_node(lab, y)->scale = scale_make(SCALE_NORMAL, e, 0);
    }
  }
  lab_compare_apart(lab);
  lab_free(lab);
}

/* ---- reductions ---------------------------------------------------------- */

static void sums(Lab *lab, int64_t a, int64_t b, Format format, uint64_t seed) {
  size_t n = (size_t)(a * b);
  double *data = tame(lab, n, seed);
  for (size_t i = 0; i < n && format != FORMAT_F32; i++)
    data[i] = (double)codec_round(format, (float)data[i], OVERFLOW_SATURATE);
  ValueId x = lab_input(lab, format, SHAPE(a, b), data);
  reduced(lab, OP_SUM, SHAPE(b), x, "a b -> b");
  reduced(lab, OP_SUM, SHAPE(a), x, "a b -> a");
  reduced(lab, OP_MEAN, SCALAR, x, "a b ->");
  reduced(lab, OP_MEAN, SHAPE(b), x, "a b -> b");
}

static void test_sums(void **state) {
  (void)state;
  for (int64_t first = 1; first <= 40; first += 10) {
    Lab *lab = lab_new(LEVEL_FINAL);
    for (int64_t n = first; n < first + 10; n++)
      sums(lab, n, 41 - n, FORMAT_F32, (uint64_t)n);
    lab_compare_apart(lab);
    lab_free(lab);
  }
}

static void test_long_sums(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FINAL);
  sums(lab, 16384 + 5, 3, FORMAT_F32, 1);
  sums(lab, 3, 16384 + 5, FORMAT_E4M3, 2);
  sums(lab, 40000, 2, FORMAT_BF16, 3);
  sums(lab, 2, 40000, FORMAT_F32, 4);
  sums(lab, 16384, 17, FORMAT_F32, 5);
  sums(lab, 32768, 1, FORMAT_E5M2, 6);
  lab_compare_apart(lab);
  lab_free(lab);
}

static void test_sum_patterns(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FINAL);
  ValueId x = lab_input(lab, FORMAT_F32, SHAPE(5, 18, 4, 33),
                        tame(lab, 5 * 18 * 4 * 33, 1));
  reduced(lab, OP_SUM, SHAPE(18, 33), x, "a b c d -> b d");
  reduced(lab, OP_SUM, SHAPE(5, 4), x, "a b c d -> a c");
  reduced(lab, OP_MEAN, SHAPE(18), x, "a b c d -> b");
  reduced(lab, OP_SUM, SHAPE(4, 33), x, "a b c d -> c d");
  reduced(lab, OP_MEAN, SHAPE(5), x, "a b c d -> a");
  reduced(lab, OP_SUM, SHAPE(33), x, "a b c d -> d");
  reduced(lab, OP_SUM, SHAPE(5, 18, 4, 33), x, "a b c d -> a b c d");
  reduced(lab, OP_SUM, SHAPE(4), x, "a b c d -> c");
  ValueId y = lab_input(lab, FORMAT_F32, SHAPE(70, 4, 300),
                        numbers(lab, 70 * 4 * 300, 2));
  reduced(lab, OP_SUM, SHAPE(4), y, "a b c -> b");
  lab_compare_apart(lab);
  lab_free(lab);
}

static void test_long_norms(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FINAL);
  static const int64_t sizes[] = {16384, 16385, 50000, 31};
  for (size_t i = 0; i < 4; i++) {
    Format format = i == 3 ? FORMAT_F16 : FORMAT_F32;
    double *data = tame(lab, (size_t)sizes[i], i);
    for (int64_t k = 0; k < sizes[i]; k++)
      data[k] = (double)codec_round(format, (float)data[k], OVERFLOW_SATURATE);
    ValueId x = lab_input(lab, format, SHAPE(sizes[i]), data);
    for (int by = 0; by < NORM_COUNT; by++) {
      ValueId e = lab_op(lab, OP_NORM_EXPONENT, FORMAT_I32, SCALAR, x, 0, 0);
      lab_node(lab, e)->attr.by = (Norm)by;
      lab_scale(lab, x, 0);
      ValueId y =
          lab_op(lab, OP_REBALANCE, FORMAT_F32, SHAPE(sizes[i]), x, 0, 0);
      lab_node(lab, y)->scale = scale_make(SCALE_NORMAL, e, 0);
    }
  }
  lab_compare_apart(lab);
  lab_free(lab);
}

/* ---- rows ---------------------------------------------------------------- */

static void softmax(Lab *lab, int64_t rows, int64_t n, const double *data,
                    Format labels, int32_t exponent) {
  ValueId x = lab_input(lab, FORMAT_F32, SHAPE(rows, n), data);
  ValueId scaled =
      lab_op(lab, OP_REBALANCE, FORMAT_F32, SHAPE(rows, n), x, 0, 0);
  lab_scale(lab, x, 0);
  lab_scale(lab, scaled, exponent);
  ValueId label =
      lab_input(lab, labels, SHAPE(rows),
                wholes(lab, (size_t)rows, 0, n > 255 ? 255 : n - 1, 3));
  ValueId dy =
      lab_input(lab, FORMAT_F32, SHAPE(rows), tame(lab, (size_t)rows, 4));
  lab_scale(lab, dy, 0);
  ValueId loss =
      lab_op(lab, OP_SOFTMAX_XENT, FORMAT_F32, SHAPE(rows), scaled, label, 0);
  lab_scale(lab, loss, -2);
  ValueId grad = lab_op(lab, OP_SOFTMAX_XENT_GRAD, FORMAT_F32, SHAPE(rows, n),
                        scaled, label, dy);
  lab_scale(lab, grad, -7);
}

static void test_softmax(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FINAL);
  softmax(lab, 9, 10, tame(lab, 90, 1), FORMAT_U8, 3);
  softmax(lab, 7, 1, tame(lab, 7, 2), FORMAT_I32, 0);
  softmax(lab, 5, 16, numbers(lab, 80, 3), FORMAT_I64, -1);
  softmax(lab, 3, 1003, tame(lab, 3 * 1003, 4), FORMAT_U16, 5);
  softmax(lab, 2, 33001, tame(lab, 2 * 33001, 5), FORMAT_U8, 0);
  lab_compare_apart(lab);
  lab_free(lab);
}

static void test_argmax(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FINAL);
  ValueId x = lab_input(lab, FORMAT_F32, SHAPE(11, 13, 17),
                        numbers(lab, 11 * 13 * 17, 1));
  const Shape shape[] = {SHAPE(13, 17), SHAPE(11, 17), SHAPE(11, 13)};
  for (int axis = 0; axis < 3; axis++) {
    ValueId y = lab_op(lab, OP_ARGMAX, FORMAT_I32, shape[axis], x, 0, 0);
    lab_node(lab, y)->attr.axis = axis;
  }
  double same[40] = {0};
  same[7] = -0.0, same[9] = NAN, same[25] = 1, same[33] = 1;
  ValueId y = lab_input(lab, FORMAT_F32, SHAPE(4, 10), same);
  ValueId most = lab_op(lab, OP_ARGMAX, FORMAT_I32, SHAPE(4), y, 0, 0);
  lab_node(lab, most)->attr.axis = 1;
  lab_compare_apart(lab);
  lab_free(lab);
}

/* ---- permutations -------------------------------------------------------- */

static void test_permute(void **state) {
  (void)state;
  static const Format formats[] = {FORMAT_F32, FORMAT_E4M3, FORMAT_I64};
  Lab *lab = lab_new(LEVEL_FINAL);
  for (size_t i = 0; i < 3; i++) {
    Format format = formats[i];
    ValueId x = lab_input(lab, format, SHAPE(5, 33, 21),
                          wholes(lab, 5 * 33 * 21, -8, 8, i));
    static const struct {
      Op op;
      Shape shape;
      const char *pattern;
    } moves[] = {{OP_TRANSPOSE, {3, {5, 21, 33}}, "a b c -> a c b"},
                 {OP_TRANSPOSE, {3, {21, 33, 5}}, "a b c -> c b a"},
                 {OP_TRANSPOSE, {3, {33, 5, 21}}, "a b c -> b a c"},
                 {OP_TRANSPOSE, {3, {33, 21, 5}}, "a b c -> b c a"},
                 {OP_TRANSPOSE, {3, {5, 33, 21}}, "a b c -> a b c"},
                 {OP_BROADCAST, {4, {5, 33, 21, 6}}, "a b c -> a b c d"},
                 {OP_BROADCAST, {4, {3, 5, 33, 21}}, "a b c -> d a b c"},
                 {OP_BROADCAST, {5, {5, 2, 33, 3, 21}}, "a b c -> a d b e c"},
                 {OP_BROADCAST, {4, {2, 21, 33, 5}}, "a b c -> d c b a"}};
    for (size_t m = 0; m < sizeof moves / sizeof *moves; m++) {
      ValueId y = lab_op(lab, moves[m].op, format, moves[m].shape, x, 0, 0);
      lab_node(lab, y)->attr.pattern =
          intern(lab->program->interner, moves[m].pattern);
    }
  }
  ValueId one = lab_input(lab, FORMAT_F32, SHAPE(1, 1), (double[]){3});
  ValueId y = lab_op(lab, OP_TRANSPOSE, FORMAT_F32, SHAPE(1, 1), one, 0, 0);
  lab_node(lab, y)->attr.pattern = intern(lab->program->interner, "a b -> b a");
  lab_compare_apart(lab);
  lab_free(lab);
}

/* ---- whole steps --------------------------------------------------------- */

/* A layer, its gradient and its update, as the passes leave it: contractions
 * with epilogues, fused chains, stores that round, shared code. */
typedef struct {
  Lab *lab;
  ValueId w, b, x_q, mask, h; /* parameters, and what forward saves */
  Scale gradient;             /* of d.h */
  ValueId dw, db;
} Layer;

static ValueId scaled_op(Lab *lab, Op op, Format format, Shape shape, ValueId a,
                         ValueId b, Scale scale) {
  ValueId id = lab_op(lab, op, format, shape, a, b, 0);
  lab_node(lab, id)->scale = scale;
  return id;
}

static ValueId product(Lab *lab, Shape shape, ValueId a, ValueId b,
                       const char *pattern, Scale scale) {
  ValueId id = scaled_op(lab, OP_EINSUM, FORMAT_F32, shape, a, b, scale);
  lab_node(lab, id)->attr.pattern = intern(lab->program->interner, pattern);
  return id;
}

static void layer_forward(Layer *layer) {
  Lab *lab = layer->lab;
  Scale e = scale_static(-3);
  Shape out = SHAPE(9, 19);
  ValueId x = lab_input(lab, FORMAT_F32, SHAPE(9, 23), tame(lab, 9 * 23, 1));
  lab_scale(lab, x, 0);
  layer->x_q =
      scaled_op(lab, OP_CAST, FORMAT_E4M3, SHAPE(9, 23), x, 0, scale_static(0));
  ValueId w_q =
      scaled_op(lab, OP_CAST, FORMAT_E4M3, SHAPE(19, 23), layer->w, 0, e);
  ValueId y = product(lab, out, layer->x_q, w_q, "b i, o i -> b o", e);
  ValueId sum = scaled_op(lab, OP_ADD, FORMAT_F32, out, y, layer->b, e);
  layer->h = scaled_op(lab, OP_RELU, FORMAT_F32, out, sum, 0, e);
  layer->mask = lab_op(lab, OP_POSITIVE, FORMAT_BOOL, out, sum, 0, 0);
  ValueId loss = reduced(lab, OP_MEAN, SCALAR, layer->h, "a b ->");
  lab_scale(lab, loss, -4);
  lab_return(lab, loss);
  lab_return(lab, layer->h);
}

static void layer_backward(Layer *layer) {
  Lab *lab = layer->lab;
  Shape out = SHAPE(9, 19);
  ValueId measured =
      lab_op(lab, OP_NORM_EXPONENT, FORMAT_I32, SCALAR, layer->h, 0, 0);
  Scale e = scale_make(SCALE_NORMAL, measured, 0),
        more = scale_make(SCALE_NORMAL, measured, 2);
  layer->gradient = e;
  ValueId d = scaled_op(lab, OP_REBALANCE, FORMAT_F32, out, layer->h, 0, e);
  ValueId dr = scaled_op(lab, OP_RELU_GRAD, FORMAT_F32, out, d, layer->mask, e);
  ValueId dq = scaled_op(lab, OP_CAST, FORMAT_E5M2, out, dr, 0, e);
  layer->dw =
      product(lab, SHAPE(19, 23), dq, layer->x_q, "b o, b i -> o i", more);
  layer->db = reduced(lab, OP_SUM, SHAPE(19), dr, "b o -> o");
  lab_node(lab, layer->db)->scale = more;
}

/* p - 1.6 * 2^-4 * gradient at the parameter's exponent. */
static ValueId updated(const Layer *layer, Shape shape, ValueId param,
                       ValueId gradient) {
  Lab *lab = layer->lab;
  ValueId rate = real_const(lab, 1.6);
  lab_scale(lab, rate, -4);
  Scale e = scale_make(SCALE_NORMAL, layer->gradient.symbol, -2);
  ValueId step = scaled_op(lab, OP_MUL, FORMAT_F32, shape, gradient, rate, e);
  Scale own = scale_static(-3);
  ValueId at = scaled_op(lab, OP_REBALANCE, FORMAT_F32, shape, step, 0, own);
  return scaled_op(lab, OP_SUB, FORMAT_F32, shape, param, at, own);
}

static void test_step(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDING_COUNT; round++) {
    Lab *lab = lab_new(LEVEL_FINAL);
    Init init = {INIT_NORMAL, 0.1, 0};
    Scale e = scale_static(-3);
    int w = lab_new_param(lab, "w", FORMAT_F16, SHAPE(19, 23), init, e);
    int b = lab_new_param(lab, "b", FORMAT_F32, SHAPE(19), init, e);
    Layer layer = {.lab = lab, .w = lab_param(lab, w), .b = lab_param(lab, b)};
    layer_forward(&layer);
    layer_backward(&layer);
    ValueId new_w = updated(&layer, SHAPE(19, 23), layer.w, layer.dw);
    ValueId new_b = updated(&layer, SHAPE(19), layer.b, layer.db);
    lab_store(lab, b, new_b);
    ValueId store = lab_store(lab, w, new_w);
    lab_node(lab, store)->attr.round = (Rounding)round;
    lab_node(lab, store)->attr.flush = round != ROUND_STOCHASTIC;
    lab_compare_fused(lab);
    lab_free(lab);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_map_sizes),  cmocka_unit_test(test_broadcasting),
      cmocka_unit_test(test_wide_rows),  cmocka_unit_test(test_casts),
      cmocka_unit_test(test_decoding),   cmocka_unit_test(test_conversions),
      cmocka_unit_test(test_exponents),  cmocka_unit_test(test_unmeasured),
      cmocka_unit_test(test_fitting),    cmocka_unit_test(test_sums),
      cmocka_unit_test(test_long_sums),  cmocka_unit_test(test_sum_patterns),
      cmocka_unit_test(test_long_norms), cmocka_unit_test(test_softmax),
      cmocka_unit_test(test_argmax),     cmocka_unit_test(test_permute),
      cmocka_unit_test(test_step),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
