/* Adjoint cases of arithmetic, conversions and the first functions. */
#include "tests/unit/adjoint_families.h"

static void same_type(Adjoint *a, Op op, Format format) {
  for (int i = 0; i < ADJOINT_SHAPES; i++) {
    AdjointCase c = adjoint_case(op);
    adjoint_vary(&c, adjoint_shape[i], FILL_SIGNED, 0.5, 1.5);
    adjoint_state(&c, format, adjoint_shape[i]);
    adjoint_check(a, &c);
  }
}

void adjoint_arithmetic(Adjoint *a) {
  adjoint_unary(a, OP_NEG, FILL_SIGNED, 0.5, 1.5);
  adjoint_unary(a, OP_RELU, FILL_SIGNED, 0.5, 1.5);
  adjoint_unary(a, OP_SQRT, FILL_UNIFORM, 0.5, 1.5);
  adjoint_unary(a, OP_EXP, FILL_SIGNED, 0.5, 1.5);
  adjoint_unary(a, OP_LOG, FILL_UNIFORM, 0.5, 1.5);
  adjoint_unary(a, OP_RESCALE, FILL_SIGNED, 0.5, 1.5);
  adjoint_binary(a, OP_ADD, FILL_SIGNED, 0.5, 1.5);
  adjoint_binary(a, OP_SUB, FILL_SIGNED, 0.5, 1.5);
  adjoint_binary(a, OP_MUL, FILL_SIGNED, 0.5, 1.5);
  adjoint_binary(a, OP_DIV, FILL_SIGNED, 0.5, 1.5);
  same_type(a, OP_CONVERT, FORMAT_REAL);
  same_type(a, OP_CAST, FORMAT_F32);

  static const double at_zero[] = {0, -1, 0, 1}, slope[] = {0, 0, 0, 1};
  AdjointCase c = adjoint_case(OP_RELU);
  adjoint_vary(&c, EXTENT(4), FILL_GIVEN, 0, 0);
  c.operand[0].given = at_zero;
  adjoint_expect(&c, 0, slope);
}
