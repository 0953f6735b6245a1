/* What must run before what in a final graph.
 *
 * In: a final graph. Out: for each node the nodes that run before it, and an
 * order of all of them in which they could run one by one. A node runs after
 * what makes its operands and the exponents of those; a store runs after all
 * who read the old value of its parameter.
 */
#include "compiler/pass/fuse_order.h"

/* ---- who reads a parameter ---------------------------------------------- */

/* By node: the index of the parameter whose memory it is, and one more; 0: it
 * has memory of its own. */
static uint32_t *params_behind(Arena *arena, const Graph *graph) {
  uint32_t *behind = NEW_ARRAY(arena, uint32_t, graph->count);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op == OP_PARAM)
      behind[id] = (uint32_t)node->attr.index + 1;
    else if (node->op == OP_RESHAPE)
      behind[id] = behind[node->input[0]];
  }
  return behind;
}

/* Does an earlier operand of the node have the memory of operand `operand`? */
static bool read_before(const uint32_t *behind, const Node *node, int operand) {
  for (int i = 0; i < operand; i++)
    if (behind[node->input[i]] == behind[node->input[operand]])
      return true;
  return false;
}

/* Counts the reads of node `id` two places on; once there are places, puts it
 * in the next of each list, whose start moves one place down by that. */
static void add_reads(const Graph *graph, const uint32_t *behind, ValueId id,
                      Edges *readers) {
  const Node *node = graph_node(graph, id);
  for (int i = 0; i < node_inputs(node); i++) {
    uint32_t param = behind[node->input[i]];
    if (param == 0 || read_before(behind, node, i))
      continue;
    if (readers->to)
      readers->to[readers->start[param]++] = id;
    else
      readers->start[param + 1]++;
  }
}

Edges param_readers(Arena *arena, const Program *program, const Graph *graph) {
  const uint32_t *behind = params_behind(arena, graph);
  size_t params = program->param.length;
  Edges readers = {NEW_ARRAY(arena, uint32_t, params + 2), NULL};
  for (ValueId id = 1; id < graph->count; id++)
    add_reads(graph, behind, id, &readers);
  for (size_t i = 1; i < params + 2; i++)
    readers.start[i] += readers.start[i - 1];
  readers.to = NEW_ARRAY(arena, ValueId, readers.start[params + 1] + 1);
  for (ValueId id = 1; id < graph->count; id++)
    add_reads(graph, behind, id, &readers);
  return readers;
}

/* ---- before each node --------------------------------------------------- */

typedef struct {
  Edges *edges;
  uint32_t length;
} Filling;

static void add_edge(void *user, ValueId id) {
  Filling *filling = user;
  if (filling->edges->to != NULL)
    filling->edges->to[filling->length] = id;
  filling->length++;
}

static void add_edges(const Graph *graph, Edges readers, ValueId id,
                      Filling *filling) {
  const Node *node = graph_node(graph, id);
  for (int i = 0; i < node_inputs(node); i++)
    add_edge(filling, node->input[i]);
  node_symbols(graph, id, add_edge, filling);
  if (node->op != OP_STORE)
    return;
  const uint32_t *start = &readers.start[node->attr.index];
  for (uint32_t i = start[0]; i < start[1]; i++)
    if (readers.to[i] != id)
      add_edge(filling, readers.to[i]);
}

Edges nodes_before(Arena *arena, const Graph *graph, Edges readers) {
  Edges before = {NEW_ARRAY(arena, uint32_t, graph->count + 1), NULL};
  for (int fill = 0; fill < 2; fill++) {
    Filling filling = {&before, 0};
    for (ValueId id = 1; id < graph->count; id++) {
      before.start[id] = filling.length;
      add_edges(graph, readers, id, &filling);
    }
    before.start[graph->count] = filling.length;
    if (!fill)
      before.to = NEW_ARRAY(arena, ValueId, filling.length + 1);
  }
  return before;
}

/* ---- in order ----------------------------------------------------------- */

/* By store: the other one that overwrites what it stores as it is, or 0. */
static ValueId *next_stores(PassContext *context, const Graph *graph) {
  Arena *arena = context->arena;
  const uint32_t *behind = params_behind(arena, graph);
  ValueId *of = NEW_ARRAY(arena, ValueId, context->program->param.length + 1);
  ValueId *next = NEW_ARRAY(arena, ValueId, graph->count);
  for (int fill = 0; fill < 2; fill++)
    for (ValueId id = 1; id < graph->count; id++) {
      const Node *node = graph_node(graph, id);
      if (node->op != OP_STORE)
        continue;
      if (!fill)
        of[node->attr.index + 1] = id;
      else if (of[behind[node->input[0]]] != id)
        next[id] = of[behind[node->input[0]]];
    }
  return next;
}

/* Two stores that exchange the contents of two parameters have no order. */
static bool fail_circle(PassContext *context, const Graph *graph,
                        const ValueId *next, ValueId id) {
  ValueId last = id;
  for (ValueId other = next[id]; other != id; other = next[other])
    last = other > last ? other : last;
  diagnose_error(context->diagnostics, graph_node(graph, last)->span, "E0722",
                 "this store and the one that reads its old value cannot both "
                 "come first; store a sum or a cast of it instead");
  return false;
}

/* Fills `sorted` with the stores, from its end. A store that reads a parameter
 * as it is comes before the one that overwrites it, so chains of them are put
 * down from their ends. */
static bool sort_stores(PassContext *context, const Graph *graph,
                        ValueId *sorted, uint32_t end) {
  const ValueId *next = next_stores(context, graph);
  ValueId *chain = NEW_ARRAY(context->arena, ValueId, graph->count);
  ValueId *visitor = NEW_ARRAY(context->arena, ValueId, graph->count);
  for (ValueId id = 1; id < graph->count; id++) {
    if (graph_node(graph, id)->op != OP_STORE)
      continue;
    uint32_t length = 0;
    ValueId at = id;
    for (; at != 0 && visitor[at] == 0; at = next[at]) {
      visitor[at] = id;
      chain[length++] = at;
    }
    if (at != 0 && visitor[at] == id)
      return fail_circle(context, graph, next, at);
    while (length > 0)
      sorted[--end] = chain[--length];
  }
  return true;
}

ValueId *nodes_sorted(PassContext *context, const Graph *graph) {
  ValueId *sorted = NEW_ARRAY(context->arena, ValueId, graph->count);
  uint32_t length = 0;
  for (ValueId id = 1; id < graph->count; id++)
    if (graph_node(graph, id)->op != OP_STORE)
      sorted[length++] = id;
  return sort_stores(context, graph, sorted, graph->count - 1) ? sorted : NULL;
}
