/* The rules that `sgc explain --edge` calls the winners are those in force: the
 * last vote has the format that recipe_value_settings and
 * recipe_operand_settings give.
 */
#include "compiler/pass/recipe_query.h"
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void expect_last_vote(const Votes *votes, Format format) {
  Format last =
      votes->length ? votes->data[votes->length - 1].format : FORMAT_NONE;
  assert_int_equal(last, format);
}

/* What is said of a value and of what products read is what is in force. */
static size_t check_votes(Sketch *s) {
  const Graph *graph = sketch_graph(s);
  ProductKind *kind = contraction_kinds(s->arena, graph);
  size_t checked = 0;
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    Votes votes = {0};
    if (!type_is_real(node->type) || node->type->rank == 0 || node->pinned)
      continue;
    recipe_value_votes(s->program, graph, id, &votes);
    expect_last_vote(&votes,
                     recipe_value_settings(s->program, graph, id).forward);
    votes.length = 0;
    for (int i = 0; i < 2 && op_info(node->op)->class == CLASS_matmul; i++) {
      recipe_operand_votes(s->program, graph, kind[id], id, i, &votes);
      expect_last_vote(
          &votes,
          recipe_operand_settings(s->program, graph, kind[id], id, i).forward);
      votes.length = 0;
      checked++;
    }
    vec_free(&votes);
  }
  return checked;
}

static void last_vote_decides(void **state) {
  (void)state;
  Settings wide = settings_unset(), first = settings_unset();
  wide.wgrad = FORMAT_BF16;
  first.forward = FORMAT_F16;
  first.gradient = FORMAT_F32;
  for (int rules = 0; rules < 4; rules++) {
    Sketch *s = sketch_new(ENTRY_TRAIN);
    recipe_fp8(s);
    if (rules & 1)
      sketch_rule(s, "matmul", wide);
    if (rules & 2)
      sketch_rule(s, "net.l1, grad(logits)", first);
    sketch_train_step(s);
    assert_int_equal(check_votes(s), 10);
    sketch_free(s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(last_vote_decides),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
