/* simplify: what a reader of the graph would strike out.
 *
 * In: graphs at level plain. Out: the same values in every bit, with dead
 * values gone, nodes rewritten by the exact rules of rewrite.h, and equal
 * temporaries of one phase computed once. Only temporaries (`~n`) are merged:
 * a name that the source gave stands for a value of its own, which a recipe
 * may treat by itself; and never across phases, so that what is saved for the
 * backward pass stays the choice of the program.
 *
 * A value found to be another one hands its name over: of two source names the
 * outermost wins and the other becomes an alias (ir.md section 2).
 */
#include "compiler/pass/rewrite.h"

#include <string.h>

typedef struct {
  Program *program;
  GraphCopy copy;
  Rewrite rewrite;
  bool *result;          /* by old id: an entry's result or a store's value */
  const uint32_t *users; /* by old id */
  uint32_t *readers;     /* by new id */
  bool changed;          /* some node was rewritten or merged */
} Simplify;

/* A random value keeps its name, which is the key of its numbers. */
static bool takes_name(const Node *value, const Node *lost) {
  if (node_is_leaf(value) || op_is_random(value->op) || value->again ||
      lost->again || value->phase != lost->phase)
    return false;
  return name_is_helper(value->name) ||
         name_depth(lost->name) < name_depth(value->name);
}

/* Old node `lost` is now known to be new value `same`. */
static void hand_name_over(Simplify *simplify, const Node *lost, ValueId same) {
  Node *value = graph_node(simplify->copy.new, same);
  if (!lost->name || !value->name || name_is_helper(lost->name))
    return;
  if (!takes_name(value, lost)) {
    program_alias_rename(simplify->program, simplify->copy.new->name,
                         lost->name, value->name);
    return;
  }
  const char *was = value->name;
  value->name = lost->name;
  if (!name_is_helper(was))
    program_alias_rename(simplify->program, simplify->copy.new->name, was,
                         lost->name);
}

/* Results and stored values stay values of their own: a leaf has no place to
 * return from. */
static bool must_stay(const Simplify *simplify, ValueId old, const Node *as) {
  return simplify->result[old] && node_is_leaf(as);
}

/* The one value serves both, so it is in the regions that both are in:
 * gradients are the same with regions and without. */
static void join_regions(Simplify *simplify, const Node *lost, ValueId same) {
  Node *value = graph_node(simplify->copy.new, same);
  value->remat =
      remat_common(simplify->program->interner, value->remat, lost->remat);
}

static ValueId keep_node(Simplify *simplify, const Node *node) {
  bool unnamed = !node->name || name_is_helper(node->name);
  ValueId same =
      unnamed && !node->probe ? merge_find(&simplify->rewrite, node) : 0;
  if (same) {
    simplify->changed |= node->op != OP_CONST;
    join_regions(simplify, node, same);
    return same;
  }
  ValueId id = graph_add(simplify->copy.new, node);
  if (unnamed)
    merge_remember(&simplify->rewrite, id);
  return id;
}

static bool rewritten(const Node *before, const Node *after) {
  return before->op != after->op ||
         before->attr.pattern != after->attr.pattern ||
         memcmp(before->input, after->input, sizeof before->input) != 0;
}

static ValueId simplify_node(Simplify *simplify, ValueId old) {
  const Node *before = graph_node(simplify->copy.old, old);
  Node node = graph_copy_prepare(&simplify->copy, old);
  const Node copied = node;
  if (node_is_leaf(&node) || node.op == OP_STORE)
    return keep_node(simplify, &node);
  ValueId same = rewrite_node(&simplify->rewrite, &node);
  const Node *now = same ? graph_node(simplify->copy.new, same) : &node;
  bool probed_leaf = same && before->probe && node_is_leaf(now);
  if (probed_leaf || must_stay(simplify, old, now))
    return graph_add(simplify->copy.new, &copied);
  simplify->changed |= same || rewritten(&copied, &node);
  if (!same)
    return keep_node(simplify, &node);
  graph_node(simplify->copy.new, same)->probe |= before->probe;
  join_regions(simplify, before, same);
  hand_name_over(simplify, before, same);
  return same;
}

static bool *result_values(Arena *arena, const Graph *graph) {
  bool *result = NEW_ARRAY(arena, bool, graph->count);
  for (size_t i = 0; i < graph->result.length; i++)
    result[graph->result.data[i].value] = true;
  for (ValueId id = 1; id < graph->count; id++)
    if (graph_node(graph, id)->op == OP_STORE)
      result[graph_node(graph, id)->input[0]] = true;
  return result;
}

/* One walk over a graph without dead values; may leave new ones. */
static Graph *rewrite_graph(PassContext *context, const Graph *graph,
                            bool *changed) {
  Simplify simplify = {.program = context->program};
  simplify.copy = graph_copy_begin(context->arena, graph);
  simplify.rewrite =
      rewrite_begin(context->program, context->arena, simplify.copy.new);
  simplify.result = result_values(context->arena, graph);
  simplify.users = graph_user_counts(context->arena, graph);
  simplify.readers = NEW_ARRAY(context->arena, uint32_t, graph->count);
  simplify.rewrite.readers = simplify.readers;
  for (ValueId id = 1; id < graph->count; id++) {
    ValueId new = simplify_node(&simplify, id);
    simplify.copy.map[id] = new;
    simplify.readers[new] += simplify.users[id];
  }
  graph_copy_finish(&simplify.copy);
  *changed = simplify.changed;
  return simplify.copy.new;
}

/* Walks until nothing changes: each rewrite removes a node or a step between
 * two, so it ends. One walk is the rule; a second finds what a reader that
 * died in the first had kept from happening. */
static Graph *simplified(PassContext *context, const Graph *graph) {
  Graph *current = graph_swept(context->arena, graph);
  for (bool changed = true; changed;) {
    Graph *walked = rewrite_graph(context, current, &changed);
    graph_free(current);
    current = graph_swept(context->arena, walked);
    graph_free(walked);
  }
  return current;
}

bool pass_simplify(PassContext *context) {
  Program *program = context->program;
  for (size_t i = 0; i < program->graph.length; i++)
    graph_replace(program, i, simplified(context, program->graph.data[i]));
  return true;
}
