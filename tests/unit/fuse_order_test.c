/* Groups in order, against reachability worked out the slow way: on random
 * graphs every question has the same answer, merge after merge. Then: long
 * chains, which must not cost the square of their length. */
#include "compiler/pass/fuse_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

enum { NODES = 40, ROUNDS = 300 };

/* Numbers that look random; the same on every run. */
static uint32_t draw(uint64_t *seed, uint32_t below) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*seed >> 33) % below;
}

typedef struct {
  Arena *arena;
  uint32_t count; /* nodes 1 .. count - 1 */
  Edges before;
  ValueId *sorted;
  GroupOrder *order;
} Case;

static void case_begin(Case *test, uint32_t count, uint32_t edges) {
  *test = (Case){.arena = arena_new(), .count = count};
  test->before.start = NEW_ARRAY(test->arena, uint32_t, count + 1);
  test->before.to = NEW_ARRAY(test->arena, ValueId, edges + 1);
  test->sorted = NEW_ARRAY(test->arena, ValueId, count);
  for (ValueId id = 1; id < count; id++)
    test->sorted[id - 1] = id;
}

static void case_end(Case *test) {
  arena_free(test->arena);
}

/* ---- the slow way ------------------------------------------------------- */

static uint32_t number(const Case *test, ValueId id) {
  return group_of(test->order, id);
}

/* reached[a][b]: there is a way from group a to group b. */
static void reach(const Case *test, bool reached[NODES][NODES]) {
  memset(reached, 0, sizeof(bool[NODES][NODES]));
  for (ValueId id = 1; id < test->count; id++)
    for (uint32_t i = test->before.start[id]; i < test->before.start[id + 1];
         i++) {
      uint32_t from = number(test, test->before.to[i]), to = number(test, id);
      reached[from][to] = from != to;
    }
  for (uint32_t k = 1; k < test->count; k++)
    for (uint32_t i = 1; i < test->count; i++)
      for (uint32_t j = 1; j < test->count; j++)
        reached[i][j] |= reached[i][k] && reached[k][j];
}

static bool between(const Case *test, bool reached[NODES][NODES], uint32_t a,
                    uint32_t b) {
  for (uint32_t k = 1; k < test->count; k++)
    if (k != a && k != b &&
        ((reached[a][k] && reached[k][b]) || (reached[b][k] && reached[k][a])))
      return true;
  return false;
}

/* ---- random graphs ------------------------------------------------------ */

static void random_case(Case *test, uint64_t *seed) {
  case_begin(test, NODES, NODES * 3);
  uint32_t length = 0;
  for (ValueId id = 1; id < NODES; id++) {
    test->before.start[id] = length;
    for (uint32_t i = draw(seed, 4); i > 0 && id > 1; i--)
      test->before.to[length++] = 1 + draw(seed, id - 1);
  }
  test->before.start[NODES] = length;
  test->order = group_order_new(test->arena, NODES, test->before, test->sorted);
}

static void answers_are_those_of_reachability(void **state) {
  (void)state;
  uint64_t seed = 1;
  static bool reached[NODES][NODES];
  for (int round = 0; round < ROUNDS; round++) {
    Case test;
    random_case(&test, &seed);
    for (int step = 0; step < 60; step++) {
      uint32_t a = number(&test, 1 + draw(&seed, NODES - 1));
      uint32_t b = number(&test, 1 + draw(&seed, NODES - 1));
      if (a == b)
        continue;
      reach(&test, reached);
      assert_false(reached[a][a]);
      assert_int_equal(group_runs_before(test.order, a, b), reached[a][b]);
      assert_int_equal(group_runs_before(test.order, b, a), reached[b][a]);
      bool third = between(&test, reached, a, b);
      assert_int_equal(group_between(test.order, a, b), third);
      assert_int_equal(group_between(test.order, b, a), third);
      if (third)
        continue;
      group_merge(test.order, a, b);
      assert_int_equal(number(&test, a), b);
    }
    case_end(&test);
  }
}

/* ---- size --------------------------------------------------------------- */

/* A chain that grows into one group, and beside it another that does not, in
 * which every search would get lost if it walked on from where it ended. */
static void long_chains_are_cheap(void **state) {
  (void)state;
  enum { LENGTH = 200000 };
  Case test;
  case_begin(&test, 2 * LENGTH + 1, 4 * LENGTH);
  uint32_t length = 0;
  for (ValueId id = 1; id <= 2 * LENGTH; id++) {
    test.before.start[id] = length;
    if (id > 2)
      test.before.to[length++] = id - 2;
  }
  test.before.start[2 * LENGTH + 1] = length;
  test.order =
      group_order_new(test.arena, test.count, test.before, test.sorted);
  for (ValueId id = 3; id < 2 * LENGTH; id += 2) {
    assert_false(group_between(test.order, 1, id));
    group_merge(test.order, id, 1);
    assert_false(group_runs_before(test.order, 2, 1));
  }
  assert_int_equal(number(&test, 2 * LENGTH - 1), 1);
  assert_true(group_runs_before(test.order, 2, 2 * LENGTH));
  case_end(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_are_those_of_reachability),
      cmocka_unit_test(long_chains_are_cheap),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
