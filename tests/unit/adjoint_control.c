/* Adjoint cases of scale control and of moved images. In binary64 every
 * control is the identity, forward and backward. */
#include "tests/unit/adjoint_families.h"

static void check_identities(Adjoint *a) {
  static const Op ops[] = {OP_SET_SCALE, OP_CAST_GRAD, OP_RESCALE_GRAD,
                           OP_SET_SCALE_GRAD};
  for (size_t k = 0; k < sizeof ops / sizeof *ops; k++)
    for (int i = 0; i < ADJOINT_SHAPES; i++) {
      AdjointCase c = adjoint_case(ops[k]);
      if (ops[k] == OP_CAST_GRAD)
        c.attr.to = FORMAT_E5M2;
      else if (ops[k] == OP_RESCALE_GRAD)
        c.attr.by = NORM_L2;
      else
        c.attr.exponent = i - 9;
      adjoint_vary(&c, adjoint_shape[i], FILL_SIGNED, 0.5, 1.5);
      adjoint_check(a, &c);
    }
}

/* An image and on how many axes it moves. */
static const struct {
  Extent x;
  int64_t axes;
} moved[] = {{{2, {3, 4}}, 1},
             {{2, {1, 1}}, 1},
             {{2, {2, 1}}, 1},
             {{2, {1, 5}}, 1},
             {{2, {0, 3}}, 1},
             {{3, {2, 4, 3}}, 1},
             {{3, {2, 4, 3}}, 2},
             {{3, {2, 1, 3}}, 1},
             {{3, {2, 4, 1}}, 2},
             {{3, {3, 2, 0}}, 1},
             {{4, {2, 3, 4, 2}}, 2},
             {{4, {2, 3, 4, 2}}, 3},
             {{4, {2, 3, 4, 2}}, 1},
             {{4, {1, 5, 5, 1}}, 2},
             {{4, {3, 1, 4, 1}}, 2},
             {{4, {2, 2, 2, 2}}, 2},
             {{5, {2, 2, 3, 2, 2}}, 3},
             {{5, {1, 2, 3, 2, 1}}, 4},
             {{5, {2, 1, 1, 2, 2}}, 2},
             {{6, {1, 2, 2, 1, 2, 2}}, 3},
             {{6, {2, 2, 1, 2, 1, 2}}, 5}};

static void check_moves(Adjoint *a) {
  for (size_t i = 0; i < sizeof moved / sizeof *moved; i++)
    for (int reverse = 0; reverse < 2; reverse++) {
      AdjointCase c = adjoint_case(OP_TRANSLATE);
      c.attr.reverse = reverse;
      adjoint_vary(&c, moved[i].x, FILL_SIGNED, 0.5, 1.5);
      adjoint_fix(&c, FORMAT_I32,
                  (Extent){2, {moved[i].x.dim[0], moved[i].axes}}, FILL_WHOLE,
                  -2, 3);
      adjoint_check(a, &c);
    }
}

void adjoint_control(Adjoint *a) {
  check_identities(a);
  check_moves(a);
}
