/* Values that the backward pass computes again instead of keeping them.
 *
 * Before autodiff a value of the forward pass may lie in regions, which are
 * nested: Node.remat is the path of the innermost. autodiff takes the paths
 * away and adds, in phase backward, what is computed again; Node.again names
 * the value that it stands for. That name is a key, not an operand: the value
 * itself may be gone, and no other value gets its name as long as one node
 * says it.
 */
#include "ir/ir.h"

#include <string.h>

/* ---- regions ------------------------------------------------------------- */

bool remat_is_path(const char *path) {
  bool begins = true; /* a part, which must not be empty */
  for (; *path; path++) {
    if (*path == '/' && begins)
      return false;
    begins = *path == '/';
  }
  return !begins;
}

bool remat_within(const char *inner, const char *outer) {
  if (!outer || inner == outer)
    return true;
  size_t length = strlen(outer);
  return inner && strncmp(inner, outer, length) == 0 && inner[length] == '/';
}

const char *remat_common(Interner *interner, const char *a, const char *b) {
  while (a && !remat_within(b, a)) {
    const char *end = strrchr(a, '/');
    a = end ? intern_n(interner, a, (size_t)(end - a)) : NULL;
  }
  return a;
}

/* ---- originals ----------------------------------------------------------- */

static bool any_again(const Graph *graph) {
  for (ValueId id = 1; id < graph->count; id++)
    if (graph_node(graph, id)->again)
      return true;
  return false;
}

/* Computed values of phase forward by name. */
static WordMap forward_names(const Graph *graph) {
  WordMap names = {0};
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->phase == PHASE_FORWARD && node->name && !node_is_leaf(node) &&
        !node_defines_exponent(node))
      word_map_set(&names, node->name, id);
  }
  return names;
}

ValueId *graph_originals(Arena *arena, const Graph *graph) {
  ValueId *original = NEW_ARRAY(arena, ValueId, graph->count);
  if (!any_again(graph))
    return original;
  WordMap names = forward_names(graph);
  for (ValueId id = 1; id < graph->count; id++)
    if (graph_node(graph, id)->again)
      original[id] = word_map_get(&names, graph_node(graph, id)->again);
  word_map_free(&names);
  return original;
}

/* Random values keep their names, so keys do not change. */
void graph_copy_again(GraphCopy *copy) {
  if (!any_again(copy->new))
    return;
  WordMap names = forward_names(copy->old);
  for (ValueId id = 1; id < copy->new->count; id++) {
    Node *node = graph_node(copy->new, id);
    ValueId old = node->again ? word_map_get(&names, node->again) : 0;
    ValueId new = old ? copy->map[old] : 0;
    if (!new)
      continue;
    const Node *original = graph_node(copy->new, new);
    if (!node_is_leaf(original) && original->phase == PHASE_FORWARD &&
        original->name)
      node->again = original->name;
  }
  word_map_free(&names);
}
