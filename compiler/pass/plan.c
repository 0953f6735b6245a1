/* Places values in memory: final to final.
 *
 * In: a fused graph. Out: for each value where it lives (Graph.placement) and
 * the size of the one arena that holds all of them. A value is materialised if
 * something outside its kernel reads it, or it is a result or a probe; all
 * others exist in registers of their kernel. Views share the memory of what
 * they are views of, and a run-time exponent is an i32 of its own.
 *
 * A value lives from the kernel that makes it to the last one that reads it,
 * results to the end of the step. Two values may share bytes if no kernel sees
 * both alive: a kernel's inputs and outputs are always apart, so no kernel
 * works in place. Offsets are found first-fit, the largest value first (as in
 * Pisarchyk and Lee, "Efficient memory management for deep neural net
 * inference", arXiv 2001.03288, greedy by size); ties go by definition, so
 * equal programs get equal plans.
 */
#include "compiler/pass/pass.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_ALIGN = 64 };

typedef struct {
  PassContext *context;
  Graph *graph;
  Placement *place; /* = graph->placement */
} Planner;

/* ---- lives -------------------------------------------------------------- */

/* The value whose memory `id` is. */
static ValueId memory_of(const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  while (node->op == OP_RESHAPE) {
    id = node->input[0];
    node = graph_node(graph, id);
  }
  return id;
}

typedef struct {
  const Graph *graph;
  uint32_t last;
} Making;
static void made_after(void *user, ValueId id);

/* The kernel after which a value exists; 0: from the start. Exponents without
 * a kernel exist as soon as what they are computed from does. */
static uint32_t made_by(const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  if (node->kernel != 0 || !node_defines_exponent(node))
    return node->kernel;
  Making making = {graph, 0};
  for (int i = 0; i < node_inputs(node); i++)
    if (node_defines_exponent(graph_node(graph, node->input[i])))
      made_after(&making, node->input[i]);
  node_symbols(graph, id, made_after, &making);
  return making.last;
}

static void made_after(void *user, ValueId id) {
  Making *making = user;
  uint32_t kernel = made_by(making->graph, id);
  if (kernel > making->last)
    making->last = kernel;
}

typedef struct {
  Planner *planner;
  uint32_t kernel; /* the reader's */
} Reading;

/* A read from another kernel gives the value memory until then. */
static void read_value(void *user, ValueId id) {
  const Reading *reading = user;
  const Graph *graph = reading->planner->graph;
  ValueId memory = memory_of(graph, id);
  Placement *place = &reading->planner->place[memory];
  const Node *node = graph_node(graph, memory);
  if (node->op == OP_CONST || node->op == OP_STORE ||
      (node->kernel == reading->kernel && node->kernel != 0))
    return;
  place->materialized = true;
  if (reading->kernel > place->last_use)
    place->last_use = reading->kernel;
}

/* An exponent without a kernel is computed by the step itself, where the last
 * of its terms is known. */
static void read_operands(Planner *planner, ValueId id) {
  const Node *node = graph_node(planner->graph, id);
  if (node->op == OP_RESHAPE || node_is_leaf(node))
    return;
  Reading reading = {planner, made_by(planner->graph, id)};
  for (int i = 0; i < node_inputs(node); i++)
    read_value(&reading, node->input[i]);
  node_symbols(planner->graph, id, read_value, &reading);
}

static void find_lives(Planner *planner) {
  const Graph *graph = planner->graph;
  for (ValueId id = 1; id < graph->count; id++)
    planner->place[id].first_use = planner->place[id].last_use =
        made_by(graph, id);
  for (ValueId id = 1; id < graph->count; id++)
    read_operands(planner, id);
  Reading forever = {planner, (uint32_t)graph->kernel.length};
  for (size_t i = 0; i < graph->result.length; i++) {
    ValueId id = graph->result.data[i].value;
    ValueId symbol = graph_node(graph, id)->scale.symbol;
    read_value(&forever, id);
    if (symbol != 0)
      read_value(&forever, symbol);
  }
  for (ValueId id = 1; id < graph->count; id++)
    if (graph_node(graph, id)->probe)
      read_value(&forever, id);
}

/* Views of materialised values, and what needs no place in the arena. */
static void find_kinds(Planner *planner) {
  const Graph *graph = planner->graph;
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    Placement *place = &planner->place[id];
    place->bytes = (int64_t)type_bytes(node->type);
    if (node->op == OP_RESHAPE) {
      const Placement *base = &planner->place[memory_of(graph, id)];
      place->base = memory_of(graph, id);
      place->materialized = base->materialized;
      place->first_use = base->first_use;
      place->last_use = base->last_use;
    } else if (node->op == OP_PARAM || node->op == OP_INPUT) {
      place->materialized = true;
    } else {
      place->arena = place->materialized;
    }
  }
}

/* ---- offsets ------------------------------------------------------------ */

/* One value to place. */
typedef struct {
  ValueId id;
  int64_t bytes;
} Item;

static int compare_items(const void *a, const void *b) {
  const Item *first = a, *second = b;
  if (first->bytes != second->bytes)
    return first->bytes > second->bytes ? -1 : 1;
  return first->id < second->id ? -1 : first->id > second->id;
}

static int64_t align_up(int64_t bytes) {
  return (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

/* A value that has its place: all that the search looks at, side by side,
 * because each value is held against all that are larger. */
typedef struct {
  int64_t offset, end; /* end: aligned */
  uint32_t first_use, last_use;
} Placed;

/* The lowest offset at which `place` meets none of those placed, which are
 * sorted by offset. */
static int64_t first_fit(const Placement *place, const Placed *placed,
                         size_t count) {
  int64_t offset = 0;
  for (size_t i = 0; i < count; i++) {
    const Placed *other = &placed[i];
    if (other->end <= offset || other->first_use > place->last_use ||
        place->first_use > other->last_use)
      continue;
    if (offset + place->bytes <= other->offset)
      break;
    offset = other->end;
  }
  return offset;
}

/* Keeps `placed` sorted by offset. */
static void insert_placed(Placed *placed, size_t count, Placed new) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (placed[middle].offset <= new.offset)
      low = middle + 1;
    else
      high = middle;
  }
  memmove(&placed[low + 1], &placed[low], (count - low) * sizeof *placed);
  placed[low] = new;
}

static void place_items(Planner *planner, const Item *item, size_t count) {
  Placed *placed = NEW_ARRAY(planner->context->arena, Placed, count + 1);
  for (size_t i = 0; i < count; i++) {
    Placement *place = &planner->place[item[i].id];
    place->offset = first_fit(place, placed, i);
    int64_t end = align_up(place->offset + place->bytes);
    Placed new = {place->offset, end, place->first_use, place->last_use};
    insert_placed(placed, i, new);
    if (end > planner->graph->arena_bytes)
      planner->graph->arena_bytes = end;
  }
}

static void find_offsets(Planner *planner) {
  const Graph *graph = planner->graph;
  Item *item = NEW_ARRAY(planner->context->arena, Item, graph->count);
  size_t count = 0;
  for (ValueId id = 1; id < graph->count; id++)
    if (planner->place[id].arena)
      item[count++] = (Item){id, planner->place[id].bytes};
  qsort(item, count, sizeof *item, compare_items);
  place_items(planner, item, count);
  for (ValueId id = 1; id < graph->count; id++)
    if (planner->place[id].base != 0)
      planner->place[id].offset =
          planner->place[planner->place[id].base].offset;
}

/* ---- the pass ----------------------------------------------------------- */

static bool is_fused(PassContext *context, const Graph *graph) {
  if (graph->kernel.length > 0)
    return true;
  diagnose_error(context->diagnostics, graph->span, "E0732",
                 "pass `plan` needs kernels: run pass `fuse` on entry %s first",
                 graph->name);
  return false;
}

bool pass_plan(PassContext *context) {
  const Program *program = context->program;
  for (size_t i = 0; i < program->graph.length; i++) {
    Graph *graph = program->graph.data[i];
    if (!is_fused(context, graph))
      return false;
    graph->arena_bytes = 0;
    graph->placement = NEW_ARRAY(context->arena, Placement, graph->count);
    Planner planner = {context, graph, graph->placement};
    find_lives(&planner);
    find_kinds(&planner);
    find_offsets(&planner);
  }
  return true;
}
