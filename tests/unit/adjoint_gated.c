/* Adjoint cases of gelu, gelu_tanh and silu: near 0, in the tails. */
#include "tests/unit/adjoint_families.h"

void adjoint_gated(Adjoint *a) {
  static const Op ops[] = {OP_GELU, OP_GELU_TANH, OP_SILU};
  for (int i = 0; i < 3; i++) {
    adjoint_unary(a, ops[i], FILL_SIGNED, 0.1, 2);
    adjoint_unary(a, ops[i], FILL_SIGNED, 3, 6);
  }
}
