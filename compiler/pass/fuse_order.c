/* Keeps groups of nodes in an order in which they can run.
 *
 * In: the nodes and, for each, those that come before it. Out: answers about
 * groups of them, which may be merged as long as none lies between them.
 *
 * The groups are a list in a valid order, with rising labels in it (Dietz and
 * Sleator, "Two algorithms for maintaining order in a list", 1987, with plain
 * relabelling): what is reached from a group has a greater label, so a search
 * from a to b stays between their labels. It goes forward from a and backward
 * from b in turns, an edge at a time, and is over when they meet or when one
 * side has nothing left (two-way search: Haeupler, Kavitha, Mathew, Sen and
 * Tarjan, "Incremental cycle detection, topological ordering, and strong
 * component maintenance", 2012). When two groups become one, the side that ran
 * out moves: all that comes after the first, to behind the second; or all that
 * comes before the second, to ahead of the first.
 */
#include "compiler/pass/fuse_order.h"

#include <stdlib.h>

/* A group, or what is left of one that was merged. */
typedef struct {
  uint32_t merged;         /* towards the group that has its nodes, or 0 */
  ValueId last;            /* of its ring of nodes */
  uint32_t previous, next; /* in the order; 0 at the ends */
  uint64_t label;
  uint64_t mark; /* 2 * search + direction of the search that came here */
} Group;

enum { FORWARD, BACKWARD };

/* One direction of a search: groups found, and how far they are looked at. */
typedef struct {
  int direction;
  uint32_t *found;
  uint32_t count, at;
  ValueId node;  /* of found[at] */
  uint32_t edge; /* of node */
} Side;

struct GroupOrder {
  Edges edges[2]; /* FORWARD: after each node; BACKWARD: before it */
  Group *group;
  ValueId *next_node; /* the ring of each group's nodes */
  uint32_t first, last;
  uint64_t search; /* the number of the present one */
  Side side[2];
};

/* ---- the list ----------------------------------------------------------- */

#define LABEL_STEP ((uint64_t)1 << 32)

static void relabel(GroupOrder *order) {
  uint64_t label = LABEL_STEP;
  for (uint32_t i = order->first; i != 0; i = order->group[i].next) {
    order->group[i].label = label;
    label += LABEL_STEP;
  }
}

static void list_remove(GroupOrder *order, uint32_t index) {
  const Group *group = &order->group[index];
  *(group->previous ? &order->group[group->previous].next : &order->first) =
      group->next;
  *(group->next ? &order->group[group->next].previous : &order->last) =
      group->previous;
}

/* Puts `index` behind `previous`, or first if that is 0. */
static void list_link(GroupOrder *order, uint32_t index, uint32_t previous) {
  Group *group = &order->group[index];
  group->previous = previous;
  group->next = previous ? order->group[previous].next : order->first;
  *(group->previous ? &order->group[previous].next : &order->first) = index;
  *(group->next ? &order->group[group->next].previous : &order->last) = index;
}

/* The same, with a label between those beside it. */
static void list_insert(GroupOrder *order, uint32_t index, uint32_t previous) {
  Group *group = &order->group[index];
  list_link(order, index, previous);
  uint64_t low = previous ? order->group[previous].label : 0;
  uint64_t high =
      group->next ? order->group[group->next].label : low + 2 * LABEL_STEP;
  group->label = low + (high - low) / 2;
  if (group->label == low)
    relabel(order);
}

/* Puts `index` where `other` is, which then has no place. */
static void list_replace(GroupOrder *order, uint32_t other, uint32_t index) {
  list_remove(order, index);
  list_link(order, index, order->group[other].previous);
  order->group[index].label = order->group[other].label;
  list_remove(order, other);
}

/* ---- making ------------------------------------------------------------- */

/* The same edges from their other ends. */
static Edges edges_turned(Arena *arena, uint32_t count, Edges edges) {
  Edges turned = {NEW_ARRAY(arena, uint32_t, count + 2), NULL};
  uint32_t total = edges.start[count];
  turned.to = NEW_ARRAY(arena, ValueId, total + 1);
  for (uint32_t i = 0; i < total; i++)
    turned.start[edges.to[i] + 2]++;
  for (uint32_t id = 2; id < count + 2; id++)
    turned.start[id] += turned.start[id - 1];
  for (ValueId id = 1; id < count; id++)
    for (uint32_t i = edges.start[id]; i < edges.start[id + 1]; i++)
      turned.to[turned.start[edges.to[i] + 1]++] = id;
  return turned;
}

GroupOrder *group_order_new(Arena *arena, uint32_t count, Edges before,
                            const ValueId *sorted) {
  GroupOrder *order = NEW(arena, GroupOrder);
  order->edges[BACKWARD] = before;
  order->edges[FORWARD] = edges_turned(arena, count, before);
  order->group = NEW_ARRAY(arena, Group, count);
  order->next_node = NEW_ARRAY(arena, ValueId, count);
  for (int i = 0; i < 2; i++)
    order->side[i] =
        (Side){.direction = i, .found = NEW_ARRAY(arena, uint32_t, count)};
  for (uint32_t i = 0; i + 1 < count; i++) {
    ValueId id = sorted[i];
    order->group[id].last = order->next_node[id] = id;
    list_insert(order, id, order->last);
  }
  return order;
}

/* Halves the way on each visit (Tarjan 1975). */
uint32_t group_of(const GroupOrder *order, ValueId id) {
  Group *group = order->group;
  while (group[id].merged != 0) {
    uint32_t up = group[id].merged;
    if (group[up].merged != 0)
      group[id].merged = group[up].merged;
    id = up;
  }
  return id;
}

/* ---- searching ---------------------------------------------------------- */

static void side_look_at(GroupOrder *order, Side *side) {
  if (side->at == side->count)
    return;
  side->node = order->next_node[order->group[side->found[side->at]].last];
  side->edge = order->edges[side->direction].start[side->node];
}

static void side_add(GroupOrder *order, Side *side, uint32_t index) {
  order->group[index].mark = 2 * order->search + (uint64_t)side->direction;
  side->found[side->count++] = index;
}

static void side_start(GroupOrder *order, Side *side, uint32_t index) {
  side->count = side->at = 0;
  side_add(order, side, index);
  side_look_at(order, side);
}

/* Goes on to the next node of the group, or to the next group. */
static void side_advance(GroupOrder *order, Side *side) {
  if (side->node == order->group[side->found[side->at]].last) {
    side->at++;
    side_look_at(order, side);
    return;
  }
  side->node = order->next_node[side->node];
  side->edge = order->edges[side->direction].start[side->node];
}

/* Takes one step; what it came to, or 0 if that is nothing new. */
static uint32_t side_step(GroupOrder *order, Side *side) {
  const Edges *edges = &order->edges[side->direction];
  uint32_t found = 0;
  if (side->edge < edges->start[side->node + 1])
    found = group_of(order, edges->to[side->edge++]);
  else
    side_advance(order, side);
  bool known = found != 0 && order->group[found].mark ==
                                 2 * order->search + (uint64_t)side->direction;
  return known ? 0 : found;
}

typedef enum { SEARCH_MET, SEARCH_NOTHING_AFTER, SEARCH_NOTHING_BEFORE } Search;

/* Is there a way from a to b, which has the greater label? `third`: one through
 * another group. If there is none, the side that ran out has found all that is
 * after a and ahead of b, or before b and behind a. */
static Search search(GroupOrder *order, uint32_t a, uint32_t b, bool third) {
  const uint32_t end[2] = {b, a};
  const uint64_t low = order->group[a].label, high = order->group[b].label;
  order->search++;
  side_start(order, &order->side[FORWARD], a);
  side_start(order, &order->side[BACKWARD], b);
  for (int turn = FORWARD;; turn = !turn) {
    Side *side = &order->side[turn];
    if (side->at == side->count)
      return turn == FORWARD ? SEARCH_NOTHING_AFTER : SEARCH_NOTHING_BEFORE;
    uint32_t found = side_step(order, side);
    if (found == 0 || order->group[found].label < low ||
        order->group[found].label > high)
      continue;
    bool direct = found == end[turn] && side->at == 0;
    if (direct && third)
      continue;
    if (order->group[found].mark == 2 * order->search + (uint64_t)!turn)
      return SEARCH_MET;
    side_add(order, side, found);
  }
}

static bool is_ahead(const GroupOrder *order, uint32_t a, uint32_t b) {
  return order->group[a].label < order->group[b].label;
}

bool group_runs_before(GroupOrder *order, uint32_t a, uint32_t b) {
  return is_ahead(order, a, b) && search(order, a, b, false) == SEARCH_MET;
}

bool group_between(GroupOrder *order, uint32_t a, uint32_t b) {
  bool ahead = is_ahead(order, a, b);
  return search(order, ahead ? a : b, ahead ? b : a, true) == SEARCH_MET;
}

/* ---- merging ------------------------------------------------------------ */

/* A group and its label, to sort. */
typedef struct {
  uint64_t label;
  uint32_t index;
} Moved;

static int compare_moved(const void *a, const void *b) {
  const Moved *first = a, *second = b;
  return first->label < second->label ? -1 : first->label > second->label;
}

/* Moves what the side found, but for where it began, to behind `place`, in the
 * order it had. */
static void move_found(GroupOrder *order, const Side *side, uint32_t place) {
  size_t count = side->count - 1;
  if (count == 0)
    return;
  Moved *moved = NULL;
  size_t capacity = 0;
  vec_grow_((void **)&moved, &capacity, count, sizeof *moved);
  for (size_t i = 0; i < count; i++) {
    uint32_t index = side->found[i + 1];
    moved[i] = (Moved){order->group[index].label, index};
  }
  qsort(moved, count, sizeof *moved, compare_moved);
  for (size_t i = 0; i < count; i++) {
    list_remove(order, moved[i].index);
    list_insert(order, moved[i].index, place);
    place = moved[i].index;
  }
  vec_release_(moved);
}

/* Makes room: afterwards both could be where the result says. */
static uint32_t find_place(GroupOrder *order, uint32_t a, uint32_t b) {
  if (search(order, a, b, true) == SEARCH_NOTHING_AFTER) {
    move_found(order, &order->side[FORWARD], b);
    return b;
  }
  move_found(order, &order->side[BACKWARD], order->group[a].previous);
  return a;
}

static void join_rings(GroupOrder *order, uint32_t from, uint32_t into) {
  ValueId last = order->group[from].last, other = order->group[into].last;
  ValueId first = order->next_node[last];
  order->next_node[last] = order->next_node[other];
  order->next_node[other] = first;
}

void group_merge(GroupOrder *order, uint32_t from, uint32_t into) {
  bool ahead = is_ahead(order, from, into);
  uint32_t place = find_place(order, ahead ? from : into, ahead ? into : from);
  join_rings(order, from, into);
  order->group[from].merged = into;
  if (place == from)
    list_replace(order, from, into);
  else
    list_remove(order, from);
}
