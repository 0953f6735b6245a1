/* The shapes that adjoint cases go through: every rank to 6, sizes of 1 and 0,
 * and pairs that broadcast both ways.
 */
#include "tests/unit/adjoint_support.h"

const Extent adjoint_shape[ADJOINT_SHAPES] = {{0, {0}},
                                              {1, {1}},
                                              {1, {7}},
                                              {1, {0}},
                                              {2, {1, 1}},
                                              {2, {3, 4}},
                                              {2, {1, 5}},
                                              {2, {5, 1}},
                                              {2, {0, 3}},
                                              {2, {3, 0}},
                                              {3, {2, 3, 4}},
                                              {3, {1, 1, 3}},
                                              {3, {3, 1, 2}},
                                              {3, {2, 2, 1}},
                                              {3, {2, 0, 3}},
                                              {4, {2, 1, 3, 2}},
                                              {4, {1, 2, 1, 2}},
                                              {4, {2, 3, 2, 2}},
                                              {5, {1, 2, 1, 2, 2}},
                                              {5, {2, 1, 2, 1, 3}},
                                              {6, {1, 2, 1, 2, 1, 2}},
                                              {1, {65}}};

const ExtentPair adjoint_pair[ADJOINT_PAIRS] = {
    {{0, {0}}, {0, {0}}},
    {{0, {0}}, {1, {3}}},
    {{1, {3}}, {0, {0}}},
    {{0, {0}}, {3, {2, 3, 2}}},
    {{2, {3, 4}}, {0, {0}}},
    {{1, {1}}, {1, {1}}},
    {{1, {1}}, {1, {5}}},
    {{1, {5}}, {1, {1}}},
    {{1, {4}}, {2, {3, 4}}},
    {{2, {3, 4}}, {1, {4}}},
    {{2, {1, 4}}, {1, {4}}},
    {{2, {3, 1}}, {1, {1}}},
    {{2, {3, 4}}, {2, {3, 4}}},
    {{2, {3, 1}}, {2, {3, 4}}},
    {{2, {3, 1}}, {2, {1, 4}}},
    {{2, {1, 1}}, {2, {2, 3}}},
    {{3, {2, 3, 4}}, {1, {4}}},
    {{2, {3, 4}}, {3, {2, 3, 4}}},
    {{3, {2, 1, 4}}, {3, {2, 3, 1}}},
    {{3, {1, 3, 1}}, {3, {2, 1, 4}}},
    {{4, {2, 1, 2, 1}}, {4, {1, 3, 1, 2}}},
    {{4, {2, 2, 3, 2}}, {2, {3, 2}}},
    {{5, {1, 2, 1, 2, 2}}, {5, {2, 1, 2, 1, 2}}},
    {{1, {0}}, {1, {0}}},
    {{1, {0}}, {0, {0}}},
    {{1, {1}}, {1, {0}}},
    {{2, {0, 3}}, {1, {3}}},
    {{2, {2, 1}}, {2, {1, 0}}}};

void adjoint_unary(Adjoint *a, Op op, Fill fill, double low, double high) {
  for (int i = 0; i < ADJOINT_SHAPES; i++) {
    AdjointCase c = adjoint_case(op);
    adjoint_vary(&c, adjoint_shape[i], fill, low, high);
    adjoint_check(a, &c);
  }
}

void adjoint_binary(Adjoint *a, Op op, Fill fill, double low, double high) {
  for (int i = 0; i < ADJOINT_PAIRS; i++) {
    AdjointCase c = adjoint_case(op);
    adjoint_vary(&c, adjoint_pair[i].a, fill, low, high);
    adjoint_vary(&c, adjoint_pair[i].b, fill, low, high);
    adjoint_check(a, &c);
  }
}
