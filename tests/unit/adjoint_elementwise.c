/* Adjoint cases of choices and of elementwise functions. */
#include "tests/unit/adjoint_families.h"

/* ---- select -------------------------------------------------------------- */

static void select_one(Adjoint *a, Extent condition, Extent left,
                       Extent right) {
  AdjointCase c = adjoint_case(OP_SELECT);
  adjoint_fix(&c, FORMAT_BOOL, condition, FILL_WHOLE, 0, 2);
  adjoint_vary(&c, left, FILL_SIGNED, 0.5, 1.5);
  adjoint_vary(&c, right, FILL_SIGNED, 0.5, 1.5);
  adjoint_check(a, &c);
}

/* The condition is as wide as the result, narrower, and wider. */
static void selects(Adjoint *a) {
  for (int i = 0; i < ADJOINT_PAIRS; i++) {
    Extent left = adjoint_pair[i].a, right = adjoint_pair[i].b;
    Extent wide = left.rank >= right.rank ? left : right;
    select_one(a, left, left, right);
    select_one(a, EXTENT_SCALAR, left, right);
    select_one(a, wide, right, EXTENT_SCALAR);
  }
  select_one(a, EXTENT(3, 4), EXTENT(2, 3, 4), EXTENT_SCALAR);
  select_one(a, EXTENT(2, 3, 4), EXTENT(4), EXTENT_SCALAR);
}

/* ---- kinks --------------------------------------------------------------- */

static const double at[] = {-1, 0, 0, 1};

static void expect_one(Op op, const double *slope) {
  AdjointCase c = adjoint_case(op);
  adjoint_vary(&c, EXTENT(4), FILL_GIVEN, 0, 0);
  c.operand[0].given = at;
  adjoint_expect(&c, 0, slope);
}

/* A tie goes to the first operand. */
static void expect_tie(Op op, const double *first, const double *second) {
  static const double zero[] = {0, 0, 0, 0};
  AdjointCase c = adjoint_case(op);
  adjoint_vary(&c, EXTENT(4), FILL_GIVEN, 0, 0);
  adjoint_vary(&c, EXTENT(4), FILL_GIVEN, 0, 0);
  c.operand[0].given = at;
  c.operand[1].given = zero;
  adjoint_expect(&c, 0, first);
  adjoint_expect(&c, 1, second);
}

static void kinks(void) {
  expect_one(OP_ABS, (double[]){-1, 0, 0, 1});
  expect_one(OP_SIGN, (double[]){0, 0, 0, 0});
  expect_one(OP_FLOOR, (double[]){0, 0, 0, 0});
  expect_one(OP_ROUND, (double[]){0, 0, 0, 0});
  expect_tie(OP_MAXIMUM, (double[]){0, 1, 1, 1}, (double[]){1, 0, 0, 0});
  expect_tie(OP_MINIMUM, (double[]){1, 1, 1, 0}, (double[]){0, 0, 0, 1});
}

/* ---- powers -------------------------------------------------------------- */

/* A negative base has powers of whole numbers only, which do not vary. */
static void powers(Adjoint *a) {
  adjoint_binary(a, OP_POW, FILL_UNIFORM, 0.5, 1.5);
  for (int i = 0; i < ADJOINT_PAIRS; i++) {
    AdjointCase c = adjoint_case(OP_POW);
    adjoint_vary(&c, adjoint_pair[i].a, FILL_SIGNED, 0.5, 1.5);
    adjoint_fix(&c, FORMAT_REAL, adjoint_pair[i].b, FILL_WHOLE, -3, 4);
    adjoint_check(a, &c);
  }
  static const double base[] = {0, 0, -2, -2}, power[] = {0, 2, 0, 2};
  AdjointCase c = adjoint_case(OP_POW);
  adjoint_vary(&c, EXTENT(4), FILL_GIVEN, 0, 0);
  adjoint_vary(&c, EXTENT(4), FILL_GIVEN, 0, 0);
  c.operand[0].given = base;
  c.operand[1].given = power;
  adjoint_expect(&c, 0, (double[]){0, 0, 0, -4});
  adjoint_expect(&c, 1, (double[]){0, 0, 0, 0});
}

/* 0.5625 to 0.9375 is away from whole numbers and halves. */
void adjoint_elementwise(Adjoint *a) {
  adjoint_unary(a, OP_ABS, FILL_SIGNED, 0.5, 1.5);
  adjoint_unary(a, OP_SIGN, FILL_SIGNED, 0.5, 1.5);
  adjoint_unary(a, OP_FLOOR, FILL_SIGNED, 0.5625, 0.9375);
  adjoint_unary(a, OP_ROUND, FILL_SIGNED, 0.5625, 0.9375);
  adjoint_unary(a, OP_RSQRT, FILL_UNIFORM, 0.5, 1.5);
  adjoint_binary(a, OP_MAXIMUM, FILL_APART, 0.5, 1.5);
  adjoint_binary(a, OP_MINIMUM, FILL_APART, 0.5, 1.5);
  adjoint_unary(a, OP_TANH, FILL_SIGNED, 0.25, 2);
  adjoint_unary(a, OP_SIGMOID, FILL_SIGNED, 0.25, 4);
  adjoint_unary(a, OP_ERF, FILL_SIGNED, 0.25, 2);
  adjoint_unary(a, OP_SIN, FILL_SIGNED, 0.25, 4);
  adjoint_unary(a, OP_COS, FILL_SIGNED, 0.25, 4);
  powers(a);
  selects(a);
  kinks();
}
