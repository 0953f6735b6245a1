/* Who reads what: users of values, and the edges of kernels.
 *
 * A region is a run of nodes that one kernel computes. What it reads from
 * outside and what leaves it follows from the graph alone, so text, fusion and
 * planning share the answers here.
 */
#include "ir/ir.h"

typedef struct {
  ValueId *last_user;
  ValueId reader;
} UserMark;

static void mark_user(void *user, ValueId value) {
  UserMark *mark = user;
  mark->last_user[value] = mark->reader;
}

/* Results, probes and what minimize reads are read after every node. */
ValueId *graph_last_users(Arena *arena, const Graph *graph) {
  ValueId *last_user = NEW_ARRAY(arena, ValueId, graph->count);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    UserMark mark = {last_user, id};
    for (int i = 0; i < node_inputs(node); i++)
      mark_user(&mark, node->input[i]);
    node_symbols(graph, id, mark_user, &mark);
  }
  UserMark mark = {last_user, UINT32_MAX};
  for (size_t i = 0; i < graph->result.length; i++) {
    ValueId value = graph->result.data[i].value;
    mark_user(&mark, value);
    mark_user(&mark, graph_node(graph, value)->scale.symbol);
  }
  for (ValueId id = 1; id < graph->count; id++)
    if (graph_node(graph, id)->probe)
      mark_user(&mark, id);
  for (const Minimize *m = graph->minimize; m; m = m->next)
    mark_user(&mark, m->loss);
  return last_user;
}

static bool is_view(const Node *node) {
  return node->op == OP_RESHAPE;
}

/* Views after the last member are not part of the region. */
Region region_find(const Graph *graph, ValueId first) {
  uint32_t kernel = graph_node(graph, first)->kernel;
  Region region = {KERNEL_NONE, first, first, 0};
  if (kernel < graph->kernel.length)
    region.form = graph->kernel.data[kernel].form;
  for (ValueId id = first; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node_is_leaf(node) || is_view(node))
      continue;
    if (node->kernel != kernel)
      break;
    region.last = id;
    region.members++;
  }
  return region;
}

bool region_leaves(const Graph *graph, const Region *region,
                   const ValueId *last_user, ValueId id) {
  const Node *node = graph_node(graph, id);
  return !node_is_leaf(node) && node->op != OP_STORE &&
         last_user[id] > region->last;
}

static bool seen(const ValueId *list, size_t count, ValueId value) {
  for (size_t i = 0; i < count; i++)
    if (list[i] == value)
      return true;
  return false;
}

/* Constants are not listed: they are written where they are read. */
void region_reads(const Graph *graph, const Region *region,
                  void (*visit)(void *user, ValueId value), void *user) {
  VEC(ValueId) read = {0};
  for (ValueId id = region->first; id <= region->last; id++) {
    const Node *node = graph_node(graph, id);
    for (int i = 0; i < node_inputs(node); i++) {
      ValueId operand = node->input[i];
      const Node *from = graph_node(graph, operand);
      bool inside = operand >= region->first && !node_is_leaf(from);
      if (inside || from->op == OP_CONST ||
          seen(read.data, read.length, operand))
        continue;
      vec_push(&read, operand);
      visit(user, operand);
    }
  }
  vec_free(&read);
}
