/* Adjoint cases of ops that move elements. */
#include "tests/unit/adjoint_families.h"

typedef struct {
  Extent from, to;
  const char *pattern;
} Move;

static const Move reshapes[] = {{{1, {6}}, {2, {2, 3}}, NULL},
                                {{2, {2, 3}}, {1, {6}}, NULL},
                                {{0, {0}}, {1, {1}}, NULL},
                                {{2, {1, 1}}, {0, {0}}, NULL},
                                {{3, {2, 3, 4}}, {2, {6, 4}}, NULL},
                                {{2, {4, 6}}, {4, {2, 2, 3, 2}}, NULL},
                                {{2, {3, 4}}, {2, {3, 4}}, NULL},
                                {{0, {0}}, {0, {0}}, NULL},
                                {{1, {0}}, {2, {0, 3}}, NULL},
                                {{2, {4, 0}}, {1, {0}}, NULL},
                                {{2, {1, 6}}, {2, {6, 1}}, NULL},
                                {{1, {12}}, {3, {2, 3, 2}}, NULL},
                                {{3, {2, 3, 2}}, {1, {12}}, NULL},
                                {{4, {2, 1, 3, 2}}, {1, {12}}, NULL},
                                {{1, {1}}, {5, {1, 1, 1, 1, 1}}, NULL},
                                {{5, {1, 2, 1, 2, 2}}, {2, {4, 2}}, NULL},
                                {{2, {5, 1}}, {1, {5}}, NULL},
                                {{1, {5}}, {2, {1, 5}}, NULL},
                                {{3, {0, 2, 3}}, {2, {0, 6}}, NULL},
                                {{2, {8, 2}}, {3, {4, 2, 2}}, NULL},
                                {{1, {24}}, {4, {1, 2, 3, 4}}, NULL}};

static const Move broadcasts[] = {
    {{1, {3}}, {2, {4, 3}}, "o -> b o"},
    {{1, {3}}, {2, {3, 4}}, "o -> o b"},
    {{1, {1}}, {2, {4, 1}}, "o -> b o"},
    {{1, {1}}, {2, {1, 4}}, "o -> o b"},
    {{2, {3, 2}}, {3, {3, 4, 2}}, "b o -> b t o"},
    {{2, {3, 2}}, {3, {2, 4, 3}}, "b o -> o t b"},
    {{2, {3, 2}}, {2, {2, 3}}, "b o -> o b"},
    {{2, {3, 2}}, {2, {3, 2}}, "b o -> b o"},
    {{2, {2, 3}}, {4, {4, 2, 1, 3}}, "b o -> t b h o"},
    {{2, {2, 3}}, {4, {2, 4, 3, 2}}, "b o -> b t o h"},
    {{2, {2, 3}}, {4, {3, 4, 2, 2}}, "b o -> o t b h"},
    {{0, {0}}, {1, {3}}, "-> a"},
    {{0, {0}}, {2, {3, 2}}, "-> a b"},
    {{3, {2, 3, 2}}, {4, {2, 3, 2, 2}}, "a b c -> a b c d"},
    {{3, {2, 3, 2}}, {5, {2, 2, 3, 2, 2}}, "a b c -> e a b c d"},
    {{1, {0}}, {2, {4, 0}}, "o -> b o"},
    {{1, {3}}, {2, {0, 3}}, "o -> b o"},
    {{1, {3}}, {2, {3, 0}}, "o -> o b"},
    {{2, {0, 3}}, {3, {0, 2, 3}}, "b o -> b t o"},
    {{1, {2}}, {3, {1, 2, 1}}, "o -> b o t"},
    {{2, {2, 1}}, {3, {2, 3, 1}}, "b o -> b t o"}};

static const Move transposes[] = {
    {{1, {3}}, {0, {0}}, "a -> a"},
    {{1, {1}}, {0, {0}}, "a -> a"},
    {{1, {0}}, {0, {0}}, "a -> a"},
    {{2, {3, 4}}, {0, {0}}, "a b -> b a"},
    {{2, {3, 4}}, {0, {0}}, "a b -> a b"},
    {{2, {1, 4}}, {0, {0}}, "a b -> b a"},
    {{2, {4, 1}}, {0, {0}}, "a b -> b a"},
    {{2, {0, 3}}, {0, {0}}, "a b -> b a"},
    {{2, {3, 0}}, {0, {0}}, "a b -> b a"},
    {{3, {2, 3, 4}}, {0, {0}}, "a b c -> c a b"},
    {{3, {2, 3, 4}}, {0, {0}}, "a b c -> b c a"},
    {{3, {2, 3, 4}}, {0, {0}}, "a b c -> b a c"},
    {{3, {2, 3, 4}}, {0, {0}}, "a b c -> a c b"},
    {{3, {2, 3, 4}}, {0, {0}}, "a b c -> c b a"},
    {{3, {2, 0, 4}}, {0, {0}}, "a b c -> c b a"},
    {{4, {2, 3, 1, 2}}, {0, {0}}, "b t h e -> b h t e"},
    {{4, {2, 3, 1, 2}}, {0, {0}}, "a b c d -> d a c b"},
    {{4, {2, 3, 1, 2}}, {0, {0}}, "a b c d -> b d a c"},
    {{4, {1, 1, 3, 1}}, {0, {0}}, "a b c d -> d c b a"},
    {{5, {1, 2, 3, 2, 1}}, {0, {0}}, "a b c d e -> c e a d b"},
    {{6, {1, 2, 1, 2, 2, 2}}, {0, {0}}, "a b c d e f -> f b d c a e"}};

static void check_moves(Adjoint *a, Op op, const Move *move, size_t count) {
  for (size_t i = 0; i < count; i++) {
    AdjointCase c = adjoint_case(op);
    adjoint_vary(&c, move[i].from, FILL_SIGNED, 0.5, 1.5);
    c.pattern = move[i].pattern;
    if (op != OP_TRANSPOSE)
      adjoint_state(&c, FORMAT_REAL, move[i].to);
    adjoint_check(a, &c);
  }
}

static void splats(Adjoint *a) {
  for (int i = 0; i < ADJOINT_SHAPES; i++) {
    AdjointCase c = adjoint_case(OP_SPLAT);
    adjoint_vary(&c, EXTENT_SCALAR, FILL_SIGNED, 0.5, 1.5);
    adjoint_state(&c, FORMAT_REAL, adjoint_shape[i]);
    adjoint_check(a, &c);
  }
}

#define CHECK_MOVES(op, moves)                                                 \
  check_moves(a, op, moves, sizeof(moves) / sizeof *(moves))

void adjoint_structure(Adjoint *a) {
  CHECK_MOVES(OP_RESHAPE, reshapes);
  CHECK_MOVES(OP_BROADCAST, broadcasts);
  CHECK_MOVES(OP_TRANSPOSE, transposes);
  splats(a);
}
