/* Invariants of level final: kernels are runs of nodes, and values that live
 * at the same time have memory of their own.
 */
#include "ir/verify.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- kernels ------------------------------------------------------------ */

/* Membership follows from the op alone. */
static void check_member(Verifier *verifier, ValueId id) {
  const Graph *graph = verifier->graph;
  const Node *node = graph_node(graph, id);
  bool wanted = op_kernel_form(node->op) != KERNEL_NONE;
  if (node->kernel >= graph->kernel.length) {
    violation(verifier, id, "there is no kernel %" PRIu32, node->kernel);
    return;
  }
  if (wanted && node->kernel == 0)
    violation(verifier, id, "it belongs to no kernel");
  if (!wanted && node->kernel != 0)
    violation(verifier, id, "%s belongs to kernel %" PRIu32,
              op_info(node->op)->text, node->kernel);
}

/* Members ascend by kernel number without gaps, so each kernel is one run. */
static void check_order(Verifier *verifier) {
  const Graph *graph = verifier->graph;
  uint32_t current = 0;
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    bool between = node_is_leaf(node) || node->op == OP_RESHAPE;
    if (between || node->kernel == 0 || node->kernel == current)
      continue;
    if (node->kernel != current + 1)
      violation(verifier, id,
                "kernel %" PRIu32 " does not follow kernel %" PRIu32,
                node->kernel, current);
    current = node->kernel;
  }
  if (current + 1 != graph->kernel.length)
    violation(verifier, 0, "the last kernels have no members");
}

/* first and last are members, and nothing foreign stands between. */
static void check_extent(Verifier *verifier, uint32_t index) {
  const Graph *graph = verifier->graph;
  const Kernel *kernel = &graph->kernel.data[index];
  if (kernel->first == 0 || kernel->last >= graph->count ||
      kernel->first > kernel->last ||
      graph_node(graph, kernel->first)->kernel != index ||
      graph_node(graph, kernel->last)->kernel != index) {
    violation(verifier, 0, "kernel %" PRIu32 " has no extent", index);
    return;
  }
  for (ValueId id = kernel->first; id <= kernel->last; id++) {
    const Node *node = graph_node(graph, id);
    if (node->kernel != index && !node_is_leaf(node) && node->op != OP_RESHAPE)
      violation(verifier, id, "it stands inside kernel %" PRIu32, index);
  }
}

/* A graph without kernels is one that fuse has not seen. */
void verify_kernels(Verifier *verifier) {
  const Graph *graph = verifier->graph;
  unsigned before = verifier->count;
  if (graph->kernel.length == 0) {
    for (ValueId id = 1; id < graph->count; id++)
      if (graph_node(graph, id)->kernel != 0)
        violation(verifier, id, "it names a kernel, but there are none");
    return;
  }
  if (verifier->program->level != LEVEL_FINAL)
    violation(verifier, 0, "kernels before level final");
  for (ValueId id = 1; id < graph->count; id++)
    check_member(verifier, id);
  if (verifier->count == before)
    check_order(verifier);
  for (uint32_t i = 1; verifier->count == before && i < graph->kernel.length;
       i++)
    check_extent(verifier, i);
}

/* ---- placement ---------------------------------------------------------- */

typedef struct {
  ValueId id;
  const Placement *place;
} Placed;

/* Ties by number, for the same order of reports everywhere. */
static int by_first_use(const void *a, const void *b) {
  const Placed *x = a, *y = b;
  if (x->place->first_use != y->place->first_use)
    return x->place->first_use < y->place->first_use ? -1 : 1;
  return x->id < y->id ? -1 : x->id > y->id;
}

/* A kernel's inputs and outputs are apart too: none works in place. */
static void check_apart(Verifier *verifier, const Placed *a, const Placed *b) {
  const Placement *x = a->place, *y = b->place;
  if (x->offset + x->bytes <= y->offset || y->offset + y->bytes <= x->offset)
    return;
  const char *name = graph_node(verifier->graph, a->id)->name;
  violation(verifier, b->id, "its memory overlaps that of %%%s, which lives",
            name ? name : "?");
}

/* Keeps the list of values that live at the first use of the next one. */
static void sweep(Verifier *verifier, const Placed *placed, size_t count) {
  VEC(Placed) live = {0};
  for (size_t i = 0; i < count; i++) {
    size_t kept = 0;
    for (size_t j = 0; j < live.length; j++) {
      if (live.data[j].place->last_use < placed[i].place->first_use)
        continue;
      check_apart(verifier, &live.data[j], &placed[i]);
      live.data[kept++] = live.data[j];
    }
    live.length = kept;
    vec_push(&live, placed[i]);
  }
  vec_free(&live);
}

/* True for values that own their memory in the arena. */
static bool check_place(Verifier *verifier, ValueId id) {
  const Graph *graph = verifier->graph;
  const Placement *place = &graph->placement[id];
  if (place->base >= graph->count)
    violation(verifier, id, "it is a view of nothing");
  if (!place->materialized || !place->arena)
    return false;
  if (place->offset < 0 || place->bytes < 0 ||
      place->bytes > graph->arena_bytes ||
      place->offset > graph->arena_bytes - place->bytes) {
    violation(verifier, id, "its memory is not inside the arena");
    return false;
  }
  if (place->first_use > place->last_use)
    violation(verifier, id, "its life ends before it begins");
  return place->base == 0;
}

/* Views share memory by design and are left out. */
void verify_placement(Verifier *verifier) {
  const Graph *graph = verifier->graph;
  if (!graph->placement)
    return;
  VEC(Placed) placed = {0};
  for (ValueId id = 1; id < graph->count; id++)
    if (check_place(verifier, id))
      vec_push(&placed, (Placed){id, &graph->placement[id]});
  if (placed.length > 0)
    qsort(placed.data, placed.length, sizeof *placed.data, by_first_use);
  sweep(verifier, placed.data, placed.length);
  vec_free(&placed);
}
