/* Groups of nodes that can run one after the other: a partition of a graph in
 * which no group needs, through others, what it makes itself.
 *
 * `fuse` starts with a group for each node and merges; each question and each
 * merge costs a search that stops as soon as one of its two ends has nothing
 * left to look at, so that what is far away in the graph costs nothing.
 */
#ifndef SG_PASS_FUSE_ORDER_H
#define SG_PASS_FUSE_ORDER_H

#include "compiler/pass/pass.h"

/* The nodes next to each node: those of `id` are to[start[id]] up to, not
 * including, to[start[id + 1]]. */
typedef struct {
  uint32_t *start;
  ValueId *to;
} Edges;

/* ---- fuse_edges.c -------------------------------------------------------- */

/* For each parameter, by its index, the nodes that read its memory. */
Edges param_readers(Arena *arena, const Program *program, const Graph *graph);
/* What must run before each node: what makes its operands and their exponents;
 * for a store also those who read the old value. */
Edges nodes_before(Arena *arena, const Graph *graph, Edges readers);
/* All nodes, each after those before it; NULL after a message. */
ValueId *nodes_sorted(PassContext *context, const Graph *graph);

/* ---- fuse_order.c -------------------------------------------------------- */

typedef struct GroupOrder GroupOrder;

/* One group per node 1 .. count - 1, numbered like the nodes; `sorted` holds
 * the nodes so that each comes after all its `before` nodes, which the caller
 * keeps. */
GroupOrder *group_order_new(Arena *arena, uint32_t count, Edges before,
                            const ValueId *sorted);
/* The group that node `id` is in, by the number that was given last as `into`.
 */
uint32_t group_of(const GroupOrder *order, ValueId id);
/* Must a run before b? */
bool group_runs_before(GroupOrder *order, uint32_t a, uint32_t b);
/* Must a third group run after one of the two and before the other? */
bool group_between(GroupOrder *order, uint32_t a, uint32_t b);
/* The nodes of `from` become nodes of `into`; no group is between them. */
void group_merge(GroupOrder *order, uint32_t from, uint32_t into);

#endif
