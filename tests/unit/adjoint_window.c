/* Adjoint cases of convolutions and pools. */
#include "tests/unit/adjoint_families.h"

/* x, w and the sizes of conv(x, w). */
typedef struct {
  Extent x, w, y;
  int64_t groups;
  WholeList stride, pad, dilation;
} Convolution;

#define LIST1(a)                                                               \
  {                                                                            \
    1, {                                                                       \
      a                                                                        \
    }                                                                          \
  }
#define LIST2(a, b)                                                            \
  {                                                                            \
    2, {                                                                       \
      a, b                                                                     \
    }                                                                          \
  }
#define LIST3(a, b, c)                                                         \
  {                                                                            \
    3, {                                                                       \
      a, b, c                                                                  \
    }                                                                          \
  }
#define USUAL                                                                  \
  {                                                                            \
    0, {                                                                       \
      0                                                                        \
    }                                                                          \
  }

static const Convolution convolution[] = {
    {{3, {2, 5, 3}}, {3, {4, 3, 3}}, {3, {2, 3, 4}}, 1, USUAL, USUAL, USUAL},
    {{3, {2, 5, 3}}, {3, {4, 1, 3}}, {3, {2, 5, 4}}, 1, USUAL, USUAL, USUAL},
    {{3, {1, 5, 1}}, {3, {1, 5, 1}}, {3, {1, 1, 1}}, 1, USUAL, USUAL, USUAL},
    {{3, {1, 1, 1}}, {3, {1, 1, 1}}, {3, {1, 1, 1}}, 1, USUAL, USUAL, USUAL},
    {{3, {2, 5, 4}}, {3, {6, 2, 2}}, {3, {2, 4, 6}}, 2, USUAL, USUAL, USUAL},
    {{3, {2, 5, 3}}, {3, {3, 2, 1}}, {3, {2, 4, 3}}, 3, USUAL, USUAL, USUAL},
    {{3, {2, 6, 2}}, {3, {2, 2, 2}}, {3, {2, 3, 2}}, 1, LIST1(2), USUAL, USUAL},
    {{3, {2, 7, 2}}, {3, {2, 2, 2}}, {3, {2, 3, 2}}, 1, LIST1(2), USUAL, USUAL},
    {{3, {2, 7, 2}}, {3, {2, 2, 2}}, {3, {2, 2, 2}}, 1, LIST1(4), USUAL, USUAL},
    {{3, {2, 4, 2}}, {3, {2, 3, 2}}, {3, {2, 4, 2}}, 1, USUAL, LIST1(1), USUAL},
    {{3, {2, 2, 2}}, {3, {2, 2, 2}}, {3, {2, 7, 2}}, 1, USUAL, LIST1(3), USUAL},
    {{3, {2, 7, 2}}, {3, {2, 3, 2}}, {3, {2, 3, 2}}, 1, USUAL, USUAL, LIST1(2)},
    {{3, {2, 7, 2}},
     {3, {2, 2, 2}},
     {3, {2, 3, 2}},
     1,
     LIST1(3),
     LIST1(2),
     LIST1(4)},
    {{3, {0, 5, 3}}, {3, {4, 3, 3}}, {3, {0, 3, 4}}, 1, USUAL, USUAL, USUAL},
    {{4, {2, 4, 5, 2}},
     {4, {3, 3, 2, 2}},
     {4, {2, 2, 4, 3}},
     1,
     USUAL,
     USUAL,
     USUAL},
    {{4, {1, 4, 4, 2}},
     {4, {3, 2, 2, 2}},
     {4, {1, 2, 2, 3}},
     1,
     LIST2(2, 2),
     USUAL,
     USUAL},
    {{4, {2, 3, 3, 2}},
     {4, {2, 3, 3, 2}},
     {4, {2, 3, 3, 2}},
     1,
     USUAL,
     LIST2(1, 1),
     USUAL},
    {{4, {1, 5, 4, 4}},
     {4, {2, 2, 3, 2}},
     {4, {1, 2, 2, 2}},
     2,
     LIST2(2, 2),
     LIST2(0, 1),
     LIST2(1, 1)},
    {{4, {1, 5, 6, 2}},
     {4, {2, 2, 2, 1}},
     {4, {1, 1, 4, 2}},
     2,
     LIST2(2, 1),
     USUAL,
     LIST2(3, 2)},
    {{4, {1, 1, 1, 3}},
     {4, {2, 1, 1, 3}},
     {4, {1, 1, 1, 2}},
     1,
     USUAL,
     USUAL,
     USUAL},
    {{5, {1, 2, 3, 2, 1}},
     {5, {2, 2, 2, 1, 1}},
     {5, {1, 1, 2, 2, 2}},
     1,
     USUAL,
     USUAL,
     USUAL},
    {{5, {1, 3, 2, 3, 2}},
     {5, {2, 2, 1, 2, 1}},
     {5, {1, 2, 2, 2, 2}},
     2,
     LIST3(2, 1, 2),
     LIST3(1, 0, 1),
     USUAL}};

/* x and the sizes of a pool of it. */
typedef struct {
  Extent x, y;
  WholeList window, stride, pad;
} Pool;

static const Pool pool[] = {
    {{3, {2, 4, 3}}, {3, {2, 2, 3}}, LIST1(2), LIST1(2), USUAL},
    {{3, {2, 4, 3}}, {3, {2, 3, 3}}, LIST1(2), USUAL, USUAL},
    {{3, {2, 5, 3}}, {3, {2, 3, 3}}, LIST1(3), USUAL, USUAL},
    {{3, {2, 5, 3}}, {3, {2, 2, 3}}, LIST1(2), LIST1(2), USUAL},
    {{3, {2, 5, 3}}, {3, {2, 2, 3}}, LIST1(2), LIST1(3), USUAL},
    {{3, {1, 1, 1}}, {3, {1, 1, 1}}, LIST1(1), USUAL, USUAL},
    {{3, {2, 4, 1}}, {3, {2, 1, 1}}, LIST1(4), USUAL, USUAL},
    {{3, {2, 4, 3}}, {3, {2, 3, 3}}, LIST1(2), LIST1(2), LIST1(1)},
    {{3, {2, 4, 2}}, {3, {2, 4, 2}}, LIST1(3), USUAL, LIST1(1)},
    {{3, {0, 4, 3}}, {3, {0, 3, 3}}, LIST1(2), USUAL, USUAL},
    {{3, {2, 4, 0}}, {3, {2, 3, 0}}, LIST1(2), USUAL, USUAL},
    {{3, {3, 6, 1}}, {3, {3, 6, 1}}, LIST1(5), USUAL, LIST1(2)},
    {{4, {2, 4, 4, 2}}, {4, {2, 2, 2, 2}}, LIST2(2, 2), LIST2(2, 2), USUAL},
    {{4, {2, 4, 5, 1}}, {4, {2, 3, 3, 1}}, LIST2(2, 3), USUAL, USUAL},
    {{4, {1, 5, 5, 2}}, {4, {1, 2, 2, 2}}, LIST2(3, 3), LIST2(2, 2), USUAL},
    {{4, {1, 3, 3, 2}}, {4, {1, 4, 4, 2}}, LIST2(2, 2), USUAL, LIST2(1, 1)},
    {{4, {1, 3, 4, 2}},
     {4, {1, 2, 3, 2}},
     LIST2(3, 2),
     LIST2(2, 2),
     LIST2(1, 1)},
    {{4, {1, 1, 6, 2}}, {4, {1, 1, 3, 2}}, LIST2(1, 2), LIST2(1, 2), USUAL},
    {{4, {3, 2, 2, 1}}, {4, {3, 1, 1, 1}}, LIST2(2, 2), USUAL, USUAL},
    {{5, {1, 2, 2, 2, 2}}, {5, {1, 1, 1, 1, 2}}, LIST3(2, 2, 2), USUAL, USUAL},
    {{5, {1, 3, 2, 4, 1}},
     {5, {1, 2, 2, 2, 1}},
     LIST3(2, 1, 2),
     LIST3(1, 1, 2),
     USUAL}};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static void check_conv(Adjoint *a, Op op, const Convolution *conv) {
  AdjointCase c = adjoint_case(op);
  adjoint_vary(&c, op == OP_CONV ? conv->x : conv->y, FILL_SIGNED, 0.5, 1.5);
  adjoint_vary(&c, op == OP_CONV_GRAD_WEIGHT ? conv->x : conv->w, FILL_SIGNED,
               0.5, 1.5);
  if (op != OP_CONV)
    adjoint_state(&c, FORMAT_REAL,
                  op == OP_CONV_GRAD_INPUT ? conv->x : conv->w);
  c.attr.groups = conv->groups;
  c.attr.stride = conv->stride;
  c.attr.pad = conv->pad;
  c.attr.dilation = conv->dilation;
  adjoint_check(a, &c);
}

static AdjointCase pool_case(Op op, const Pool *p) {
  AdjointCase c = adjoint_case(op);
  c.attr.window = p->window;
  c.attr.stride = p->stride;
  c.attr.pad = p->pad;
  return c;
}

/* The elements of a window are far from equal. */
static void check_pools(Adjoint *a, const Pool *p) {
  AdjointCase max = pool_case(OP_MAXPOOL, p);
  adjoint_vary(&max, p->x, FILL_DISTINCT, -2, 2);
  adjoint_check(a, &max);
  AdjointCase mean = pool_case(OP_AVGPOOL, p);
  adjoint_vary(&mean, p->x, FILL_SIGNED, 0.5, 1.5);
  adjoint_check(a, &mean);
  AdjointCase spread = pool_case(OP_AVGPOOL_GRAD, p);
  adjoint_vary(&spread, p->y, FILL_SIGNED, 0.5, 1.5);
  adjoint_state(&spread, FORMAT_REAL, p->x);
  adjoint_check(a, &spread);
}

/* Of equal maxima the first takes it all. */
static void check_ties(void) {
  static const double x[] = {1, 3, 3, 2, 2, 2};
  static const double expected[] = {0, 1, 0, 1, 0, 0};
  AdjointCase c = adjoint_case(OP_MAXPOOL);
  c.attr.window = c.attr.stride = (WholeList){1, {3}};
  adjoint_vary(&c, (Extent){3, {1, 6, 1}}, FILL_GIVEN, 0, 0);
  c.operand[0].given = x;
  adjoint_expect(&c, 0, expected);
}

void adjoint_window(Adjoint *a) {
  for (size_t i = 0; i < COUNT(convolution); i++) {
    check_conv(a, OP_CONV, &convolution[i]);
    check_conv(a, OP_CONV_GRAD_INPUT, &convolution[i]);
    check_conv(a, OP_CONV_GRAD_WEIGHT, &convolution[i]);
  }
  for (size_t i = 0; i < COUNT(pool); i++)
    check_pools(a, &pool[i]);
  check_ties();
}
