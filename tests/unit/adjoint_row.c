/* Adjoint cases of reductions that keep elements and composites over rows. */
#include "tests/unit/adjoint_families.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

typedef struct {
  Extent extent;
  const char *pattern;
} Reduction;

static const Reduction reduction[] = {
    {{1, {5}}, "a ->"},
    {{1, {1}}, "a ->"},
    {{1, {70}}, "a ->"},
    {{2, {3, 4}}, "a b ->"},
    {{2, {3, 4}}, "b o -> o"},
    {{2, {3, 4}}, "b o -> b"},
    {{2, {1, 4}}, "b o -> o"},
    {{2, {3, 1}}, "b o -> o"},
    {{2, {3, 4}}, "b o -> b o"},
    {{2, {0, 3}}, "b o -> b"},
    {{2, {3, 17}}, "b o -> b"},
    {{2, {17, 3}}, "b o -> o"},
    {{3, {2, 3, 4}}, "b t o -> o"},
    {{3, {2, 3, 4}}, "b t o -> t"},
    {{3, {2, 3, 4}}, "b t o -> b"},
    {{3, {2, 3, 4}}, "b t o -> b o"},
    {{3, {2, 3, 4}}, "b t o -> b t"},
    {{3, {2, 3, 4}}, "b t o -> t o"},
    {{3, {1, 1, 1}}, "b t o -> o"},
    {{3, {2, 0, 3}}, "b t o -> b t"},
    {{4, {2, 1, 3, 2}}, "n y z c -> n c"},
    {{4, {2, 2, 3, 2}}, "n y z c -> y z"},
    {{5, {1, 2, 2, 2, 2}}, "a b c d e -> b d"}};

/* Products of nothing are 1; the largest of nothing does not exist. */
static const Reduction empty[] = {{{1, {0}}, "a ->"},
                                  {{2, {3, 0}}, "b o -> b"}};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static void reductions(Adjoint *a, Op op, const Reduction *list, size_t count,
                       Fill fill, double low, double high) {
  for (size_t i = 0; i < count; i++) {
    AdjointCase c = adjoint_case(op);
    adjoint_vary(&c, list[i].extent, fill, low, high);
    c.pattern = list[i].pattern;
    adjoint_check(a, &c);
  }
}

/* Every axis of every shape that has one. */
static void along(Adjoint *a, Op op, bool reverse) {
  for (int i = 0; i < ADJOINT_SHAPES; i++)
    for (int axis = 0; axis < adjoint_shape[i].rank; axis++) {
      AdjointCase c = adjoint_case(op);
      adjoint_vary(&c, adjoint_shape[i], FILL_SIGNED, 0.5, 1.5);
      c.attr.axis = axis;
      c.attr.reverse = reverse;
      adjoint_check(a, &c);
    }
}

/* Rows of one element have no deviation: only eps keeps them from 0 / 0. */
static void norms(Adjoint *a, Op op, double eps) {
  for (int i = 0; i < ADJOINT_SHAPES; i++) {
    if (adjoint_shape[i].rank == 0)
      continue;
    AdjointCase c = adjoint_case(op);
    adjoint_vary(&c, adjoint_shape[i], FILL_SIGNED, 0.5, 1.5);
    c.attr.eps = eps;
    adjoint_check(a, &c);
  }
}

/* ---- kinks --------------------------------------------------------------- */

static void expect_reduced(Op op, Extent extent, const double *x,
                           const char *pattern, const double *expected) {
  AdjointCase c = adjoint_case(op);
  adjoint_vary(&c, extent, FILL_GIVEN, 0, 0);
  c.operand[0].given = x;
  c.pattern = pattern;
  adjoint_expect(&c, 0, expected);
}

/* The first of equal extremes takes all of the gradient. */
static void ties_go_to_the_first(void) {
  const double x[6] = {2, 5, 5, 1, -1, -1};
  expect_reduced(OP_MAX, (Extent){2, {2, 3}}, x, "b o -> b",
                 (const double[]){0, 1, 0, 1, 0, 0});
  expect_reduced(OP_MIN, (Extent){2, {2, 3}}, x, "b o -> b",
                 (const double[]){1, 0, 0, 0, 1, 0});
  expect_reduced(OP_MAX, (Extent){2, {2, 3}}, x, "b o ->",
                 (const double[]){0, 1, 0, 0, 0, 0});
}

/* No division: one zero leaves the others' product, two leave nothing. */
static void zeros_in_products(void) {
  const double x[6] = {2, 0, 5, 0, 3, 0};
  expect_reduced(OP_PROD, (Extent){2, {2, 3}}, x, "b o -> b",
                 (const double[]){0, 10, 0, 0, 0, 0});
}

void adjoint_row(Adjoint *a) {
  reductions(a, OP_MAX, reduction, COUNT(reduction), FILL_DISTINCT, -2, 2);
  reductions(a, OP_MIN, reduction, COUNT(reduction), FILL_DISTINCT, -2, 2);
  reductions(a, OP_PROD, reduction, COUNT(reduction), FILL_SIGNED, 0.8, 1.25);
  reductions(a, OP_PROD, empty, COUNT(empty), FILL_SIGNED, 0.8, 1.25);
  reductions(a, OP_LOGSUMEXP, reduction, COUNT(reduction), FILL_SIGNED, 0.5,
             1.5);
  along(a, OP_CUMSUM, false);
  along(a, OP_CUMSUM, true);
  along(a, OP_SOFTMAX, false);
  along(a, OP_LOG_SOFTMAX, false);
  norms(a, OP_LAYER_NORM, 1e-5);
  norms(a, OP_LAYER_NORM, 0.25);
  norms(a, OP_RMS_NORM, 1e-5);
  norms(a, OP_RMS_NORM, 0.25);
  ties_go_to_the_first();
  zeros_in_products();
}
