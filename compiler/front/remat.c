/* @remat: what is computed in a region is marked with its path (Node.remat),
 * so that autodiff has it computed again instead of kept.
 *
 * A call is a region of its own each time; its results are values of the
 * caller. A binding is a region together with its value. Only the forward pass
 * has regions: the attribute means nothing to an optimizer.
 */
#include "compiler/front/elaborate.h"

#include <string.h>

void remat_begin(Elaborator *e, RematRegion *region, const char *name) {
  *region = (RematRegion){0};
  Builder *builder = e->builder;
  if (!builder)
    return;
  region->start = builder->graph->count;
  region->outer = builder->remat;
  /* A trial has no regions, since its graph goes nowhere. */
  if (builder->phase != PHASE_FORWARD || !builder->regions)
    return;
  if (region->outer)
    name = text_printf(e, "%s/%s", region->outer, name);
  region->path = builder->remat = name_rebinding(builder->regions, name);
}

void remat_end(Elaborator *e, const RematRegion *region) {
  if (e->builder)
    e->builder->remat = region->outer;
}

/* A view, or a transposition, is kept with what it is made of. */
static void hand_out(Elaborator *e, const RematRegion *region, ValueId id) {
  while (id >= region->start) {
    Node *node = graph_node(e->builder->graph, id);
    if (node->remat != region->path)
      return;
    node->remat = region->outer;
    if (node->op != OP_RESHAPE && node->op != OP_TRANSPOSE)
      return;
    id = node->input[0];
  }
}

void remat_results(Elaborator *e, const RematRegion *region, Value result) {
  if (!e->builder || !region->path)
    return;
  if (result.kind == VALUE_TENSOR)
    hand_out(e, region, result.as.tensor.id);
  for (size_t i = 0; result.kind == VALUE_LIST && i < result.as.list.count; i++)
    remat_results(e, region, result.as.list.item[i]);
}

bool remat_computes(const Elaborator *e, const RematRegion *region) {
  if (!e->builder)
    return true;
  const Graph *graph = e->builder->graph;
  for (ValueId id = region->start; id < graph->count; id++)
    if (!node_is_leaf(graph_node(graph, id)))
      return true;
  return false;
}

/* Functions of one instance that call each other are in one region. */
bool remat_of_call(const Elaborator *e, const Target *target) {
  if (target->remat)
    return true;
  if (!target->instance || !target->instance->remat)
    return false;
  for (const Frame *frame = e->frame; frame; frame = frame->caller)
    if (frame->instance == target->instance)
      return false;
  return true;
}
