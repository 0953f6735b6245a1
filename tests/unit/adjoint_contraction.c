/* Adjoint cases of contractions, reductions and the cross entropy. */
#include "tests/unit/adjoint_families.h"

const Contraction adjoint_reductions[ADJOINT_REDUCTIONS] = {
    {{1, {5}}, {0, {0}}, "a ->"},
    {{1, {1}}, {0, {0}}, "a ->"},
    {{2, {3, 4}}, {0, {0}}, "a b ->"},
    {{2, {3, 4}}, {0, {0}}, "b o -> o"},
    {{2, {3, 4}}, {0, {0}}, "b o -> b"},
    {{2, {1, 4}}, {0, {0}}, "b o -> o"},
    {{2, {3, 1}}, {0, {0}}, "b o -> o"},
    {{2, {3, 4}}, {0, {0}}, "b o -> b o"},
    {{3, {2, 3, 4}}, {0, {0}}, "b t o -> o"},
    {{3, {2, 3, 4}}, {0, {0}}, "b t o -> t"},
    {{3, {2, 3, 4}}, {0, {0}}, "b t o -> b"},
    {{3, {2, 3, 4}}, {0, {0}}, "b t o -> b o"},
    {{3, {2, 3, 4}}, {0, {0}}, "b t o -> b t"},
    {{3, {2, 3, 4}}, {0, {0}}, "b t o -> t o"},
    {{3, {2, 3, 4}}, {0, {0}}, "b t o ->"},
    {{3, {1, 1, 1}}, {0, {0}}, "b t o -> o"},
    {{4, {2, 1, 3, 2}}, {0, {0}}, "n y z c -> n c"},
    {{4, {2, 2, 3, 2}}, {0, {0}}, "n y z c -> y z"},
    {{5, {1, 2, 2, 2, 2}}, {0, {0}}, "a b c d e -> b d"},
    {{2, {0, 3}}, {0, {0}}, "b o -> b"},
    {{1, {70}}, {0, {0}}, "a ->"}};

/* A mean of nothing is no number: a sum of nothing is 0. */
static const Contraction empty_sum[] = {{{1, {0}}, {0, {0}}, "a ->"},
                                        {{2, {3, 0}}, {0, {0}}, "b o -> b"}};

const Contraction adjoint_contractions[ADJOINT_CONTRACTIONS] = {
    {{2, {3, 4}}, {2, {2, 4}}, "b i, o i -> b o"},
    {{2, {3, 4}}, {2, {4, 2}}, "b i, i o -> b o"},
    {{2, {3, 4}}, {2, {4, 2}}, "b i, i o -> o b"},
    {{2, {4, 3}}, {2, {2, 4}}, "i b, o i -> b o"},
    {{2, {1, 4}}, {2, {2, 4}}, "b i, o i -> b o"},
    {{2, {3, 1}}, {2, {2, 1}}, "b i, o i -> b o"},
    {{2, {0, 4}}, {2, {2, 4}}, "b i, o i -> b o"},
    {{2, {3, 0}}, {2, {2, 0}}, "b i, o i -> b o"},
    {{1, {4}}, {1, {4}}, "i, i ->"},
    {{1, {1}}, {1, {1}}, "i, i ->"},
    {{1, {3}}, {1, {2}}, "i, j -> i j"},
    {{1, {3}}, {1, {2}}, "i, j -> j i"},
    {{0, {0}}, {1, {3}}, ", i -> i"},
    {{2, {2, 3}}, {0, {0}}, "i j, -> j i"},
    {{0, {0}}, {0, {0}}, ", ->"},
    {{2, {3, 4}}, {1, {4}}, "b i, i -> b"},
    {{1, {3}}, {2, {3, 4}}, "b, b i -> i"},
    {{2, {3, 4}}, {2, {3, 4}}, "b i, b i -> b i"},
    {{2, {3, 4}}, {2, {3, 4}}, "b i, b i -> i"},
    {{2, {3, 4}}, {2, {4, 3}}, "b i, i b ->"},
    {{3, {2, 3, 4}}, {2, {5, 4}}, "b t i, o i -> b t o"},
    {{3, {2, 3, 4}}, {3, {2, 4, 2}}, "h t i, h i o -> h t o"},
    {{4, {2, 1, 3, 2}}, {4, {2, 1, 2, 2}}, "b h t d, b h s d -> b h t s"},
    {{4, {1, 2, 2, 3}}, {4, {1, 2, 3, 2}}, "b h t s, b h s d -> b h t d"}};

static const Extent logits[] = {
    {1, {5}},       {1, {1}},          {1, {2}},          {2, {4, 3}},
    {2, {1, 3}},    {2, {4, 1}},       {2, {3, 2}},       {2, {0, 3}},
    {2, {2, 17}},   {2, {1, 40}},      {2, {5, 5}},       {2, {3, 8}},
    {3, {2, 3, 4}}, {3, {1, 1, 2}},    {3, {2, 0, 3}},    {3, {1, 3, 3}},
    {3, {3, 1, 5}}, {4, {2, 1, 2, 3}}, {4, {1, 2, 2, 2}}, {5, {1, 2, 1, 2, 3}}};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static void reductions(Adjoint *a, Op op, const Contraction *list,
                       size_t count) {
  for (size_t i = 0; i < count; i++) {
    AdjointCase c = adjoint_case(op);
    adjoint_vary(&c, list[i].a, FILL_SIGNED, 0.5, 1.5);
    c.pattern = list[i].pattern;
    adjoint_check(a, &c);
  }
}

static void contractions(Adjoint *a) {
  for (size_t i = 0; i < ADJOINT_CONTRACTIONS; i++) {
    AdjointCase c = adjoint_case(OP_EINSUM);
    adjoint_vary(&c, adjoint_contractions[i].a, FILL_SIGNED, 0.5, 1.5);
    adjoint_vary(&c, adjoint_contractions[i].b, FILL_SIGNED, 0.5, 1.5);
    c.pattern = adjoint_contractions[i].pattern;
    adjoint_check(a, &c);
  }
}

static void cross_entropies(Adjoint *a, double smooth, int64_t ignore) {
  for (size_t i = 0; i < COUNT(logits); i++) {
    AdjointCase c = adjoint_case(OP_SOFTMAX_XENT);
    Extent rows = logits[i];
    rows.rank--;
    adjoint_vary(&c, logits[i], FILL_SIGNED, 0.5, 1.5);
    adjoint_fix(&c, FORMAT_I32, rows, FILL_WHOLE, 0,
                (double)logits[i].dim[rows.rank]);
    c.attr.smooth = smooth;
    c.attr.ignore = ignore;
    adjoint_check(a, &c);
  }
}

void adjoint_contraction(Adjoint *a) {
  reductions(a, OP_SUM, adjoint_reductions, ADJOINT_REDUCTIONS);
  reductions(a, OP_SUM, empty_sum, COUNT(empty_sum));
  reductions(a, OP_MEAN, adjoint_reductions, ADJOINT_REDUCTIONS);
  contractions(a);
  cross_entropies(a, 0, INT64_MIN);
  cross_entropies(a, 0.1, INT64_MIN);
  cross_entropies(a, 1, 0);
  cross_entropies(a, 0, 1);
}
