/* Transpositions next to a contraction become part of its pattern.
 *
 * `einsum(a, transpose(w, "o i -> i o"), "b i, i o -> b o")` reads w itself
 * through "b i, o i -> b o". Letters keep their meaning, so patterns stay as
 * readable as they were written.
 *
 * Exact because each element of the result sums the same products in the same
 * order: contracted axes are flattened in the order in which the pattern first
 * names them, and a rewrite that would change that order is not done.
 */
#include "compiler/pass/rewrite.h"

/* The letters that the result lacks, in the order of summation. */
static Letters contracted(const Letters *a, const Letters *b,
                          const Letters *out) {
  Letters order = {0};
  const Letters *side[2] = {a, b};
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < side[k]->rank; i++) {
      const char *letter = side[k]->letter[i];
      if (!letters_have(out, letter) && !letters_have(&order, letter))
        order.letter[order.rank++] = letter;
    }
  return order;
}

/* The letters of the operand of a transposition, given those of its result. */
static Letters letters_before(const Program *program, const Node *transpose,
                              const Letters *after) {
  Pattern pattern = node_pattern(program, transpose);
  Letters before = {.rank = after->rank};
  for (int i = 0; i < after->rank; i++)
    for (int j = 0; j < after->rank; j++)
      if (pattern.axis[0][i] == pattern.out_axis[j])
        before.letter[i] = after->letter[j];
  return before;
}

/* Operand `k` of the contraction *node: from a transposition to its operand. */
static bool absorb_operand(const Rewrite *rewrite, Node *node, int k) {
  const Node *inner = graph_node(rewrite->graph, node->input[k]);
  if (inner->op != OP_TRANSPOSE || inner->pinned)
    return false;
  Pattern pattern = node_pattern(rewrite->program, node);
  Letters side[2] = {pattern_letters(&pattern, 0),
                     pattern_letters(&pattern, 1)};
  Letters out = pattern_letters(&pattern, -1);
  Letters order = contracted(&side[0], &side[1], &out);
  side[k] = letters_before(rewrite->program, inner, &side[k]);
  Letters changed = contracted(&side[0], &side[1], &out);
  if (!letters_equal(&order, &changed))
    return false;
  node->attr.pattern =
      letters_pattern(rewrite->program->interner, &side[0], &side[1], &out);
  node->input[k] = inner->input[0];
  return true;
}

/* The transposition *node of a temporary contraction that nothing else reads:
 * the contraction writes its result in that order at once. */
static bool absorb_result(const Rewrite *rewrite, Node *node) {
  const Node *inner = graph_node(rewrite->graph, node->input[0]);
  if (inner->op != OP_EINSUM || inner->pinned || node->pinned ||
      inner->phase != node->phase || !name_is_helper(inner->name) ||
      !rewrite->readers || rewrite->readers[node->input[0]] != 1)
    return false;
  Pattern pattern = node_pattern(rewrite->program, inner);
  Letters a = pattern_letters(&pattern, 0), b = pattern_letters(&pattern, 1);
  Letters out = pattern_letters(&pattern, -1);
  Pattern moved = node_pattern(rewrite->program, node);
  Letters to = {.rank = out.rank};
  for (int i = 0; i < out.rank; i++)
    for (int j = 0; j < out.rank; j++)
      if (moved.out_axis[i] == moved.axis[0][j])
        to.letter[i] = out.letter[j];
  node->op = OP_EINSUM;
  node->attr = inner->attr;
  node->attr.pattern = letters_pattern(rewrite->program->interner, &a, &b, &to);
  node->input[0] = inner->input[0];
  node->input[1] = inner->input[1];
  return true;
}

bool rewrite_einsum(const Rewrite *rewrite, Node *node) {
  if (node->op == OP_TRANSPOSE)
    return absorb_result(rewrite, node);
  return node->op == OP_EINSUM &&
         (absorb_operand(rewrite, node, 0) || absorb_operand(rewrite, node, 1));
}
