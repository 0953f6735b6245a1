/* Groups ops into kernels: final to final.
 *
 * In: a final graph. Out: the same nodes, perhaps in another order, each one
 * with the kernel that computes it. Nothing is added or dropped and every
 * rounding stays where it is, so no bit changes; a kernel is a promise that
 * values which nothing outside it reads need no memory.
 *
 *   fused    elementwise ops over one iteration space, joined through operands
 *            of the full shape; numbers and rows that are repeated come from
 *            outside
 *   gemm     a contraction and the elementwise ops over its result that need,
 *            apart from it, only values which are there before it
 *   others   reductions, rows, transpositions: one op each
 *
 * Greedy, in the order of the graph: an op joins the latest kernel that makes
 * one of its operands if no path leads out of that kernel and back into the op
 * (the acyclic fusion of XLA and of Kennedy and McKinley, "Maximizing loop
 * parallelism and improving data locality via loop fusion", 1993, without
 * weights). Kernels stay within a phase. A store joins the kernel of what it
 * stores, unless another reader of the parameter would come too late.
 */
#include "compiler/pass/fuse_order.h"
#include "compiler/pass/rewrite.h"

/* A kernel in the making, or one leaf, view or exponent on its own. */
typedef struct {
  KernelForm form;
  Phase phase;
  const Type *space; /* fused, gemm: the shape that its ops run over */
  ValueId first;     /* the smallest old id in it */
  bool visited;
} Group;

typedef struct {
  PassContext *context;
  const Graph *old;
  uint32_t count; /* groups: one per node at first */
  Group *group;
  /* What must run before each node: what makes its operands; and for a store,
   * those who read the old value. */
  Edges before;
  Edges readers; /* of each parameter, by its index */
  GroupOrder *order;
  ValueId *next; /* per node: the next member of its group */
  GraphCopy copy;
} Fuser;

static uint32_t group_at(const Fuser *fuser, ValueId id) {
  return group_of(fuser->order, id);
}

static void merge(Fuser *fuser, uint32_t from, uint32_t into) {
  Group *group = &fuser->group[into];
  if (fuser->group[from].first < group->first)
    group->first = fuser->group[from].first;
  group_merge(fuser->order, from, into);
}

/* ---- joining ------------------------------------------------------------ */

/* Elementwise readers of a parameter may share the kernel that overwrites it:
 * each element is read before it is written. */
static bool store_may_join(const Fuser *fuser, ValueId id, uint32_t into) {
  const uint32_t *start =
      &fuser->readers.start[graph_node(fuser->old, id)->attr.index];
  for (uint32_t i = start[0]; i < start[1]; i++) {
    ValueId reader = fuser->readers.to[i];
    if (group_at(fuser, reader) == into &&
        op_kernel_form(graph_node(fuser->old, reader)->op) != KERNEL_FUSED)
      return false;
  }
  return true;
}

/* May node `id` become a member of group `into`, which makes operand
 * `operand`? */
static bool may_join(const Fuser *fuser, ValueId id, ValueId operand,
                     uint32_t into) {
  const Node *node = graph_node(fuser->old, id);
  const Group *group = &fuser->group[into];
  const Type *type = graph_node(fuser->old, operand)->type;
  bool pointwise = group->form == KERNEL_FUSED || group->form == KERNEL_GEMM;
  return pointwise && group->phase == fuser->group[id].phase &&
         type_same_shape(group->space, node->type) &&
         type_same_shape(group->space, type) &&
         (node->op != OP_STORE || store_may_join(fuser, id, into)) &&
         !group_between(fuser->order, into, id);
}

/* Two fused kernels whose values meet in one op become one, unless something
 * must run between them. */
static bool may_merge(const Fuser *fuser, uint32_t a, uint32_t b) {
  const Group *first = &fuser->group[a], *second = &fuser->group[b];
  return a != b && first->form == KERNEL_FUSED &&
         second->form == KERNEL_FUSED && first->phase == second->phase &&
         type_same_shape(first->space, second->space) &&
         !group_between(fuser->order, a, b);
}

/* Joins the latest kernel that makes an operand of the full shape; then the
 * fused kernels of the other operands join too. */
static void join_node(Fuser *fuser, ValueId id) {
  const Node *node = graph_node(fuser->old, id);
  int inputs = node_inputs(node);
  uint32_t best = 0;
  for (int i = 0; i < inputs; i++) {
    uint32_t into = group_at(fuser, node->input[i]);
    if (into != best && may_join(fuser, id, node->input[i], into) &&
        (best == 0 || !group_runs_before(fuser->order, into, best)))
      best = into;
  }
  if (best == 0)
    return;
  merge(fuser, id, best);
  for (int i = 0; i < inputs; i++) {
    uint32_t other = group_at(fuser, node->input[i]);
    if (may_merge(fuser, other, best))
      merge(fuser, other, best);
  }
}

/* Stores come last: by then every reader of a parameter has its kernel. */
static void group_nodes(Fuser *fuser) {
  for (int stores = 0; stores < 2; stores++)
    for (ValueId id = 1; id < fuser->count; id++) {
      const Node *node = graph_node(fuser->old, id);
      if ((node->op == OP_STORE) == (stores == 1) &&
          op_kernel_form(node->op) == KERNEL_FUSED)
        join_node(fuser, id);
    }
}

/* ---- writing the new graph ---------------------------------------------- */

static void add_member(Fuser *fuser, const Group *group, ValueId id,
                       uint32_t kernel) {
  Node node = graph_copy_prepare(&fuser->copy, id);
  node.kernel = kernel;
  if (node.op == OP_STORE)
    node.phase = group->phase;
  fuser->copy.map[id] = graph_add(fuser->copy.new, &node);
}

/* Members in their old order, stores last: they overwrite what others read. */
static void add_group(Fuser *fuser, uint32_t index) {
  const Group *group = &fuser->group[index];
  Graph *out = fuser->copy.new;
  Kernel kernel = {group->form, out->count, 0};
  bool is_kernel = group->form != KERNEL_NONE;
  uint32_t number = is_kernel ? (uint32_t)out->kernel.length : 0;
  for (int stores = 0; stores < 2; stores++)
    for (ValueId id = group->first; id != 0; id = fuser->next[id])
      if ((graph_node(fuser->old, id)->op == OP_STORE) == (stores == 1))
        add_member(fuser, group, id, number);
  kernel.last = out->count - 1;
  if (is_kernel)
    vec_push(&out->kernel, kernel);
}

/* A group on the way to being added: up to which member and edge of it. */
typedef struct {
  uint32_t index;
  ValueId member;
  uint32_t edge;
} Visit;

typedef VEC(Visit) Visits;

static void visit_begin(Fuser *fuser, Visits *visits, uint32_t index) {
  Group *group = &fuser->group[index];
  if (group->visited)
    return;
  group->visited = true;
  vec_push(visits,
           (Visit){index, group->first, fuser->before.start[group->first]});
}

/* Adds what the group depends on, then the group. Chains may be long: the
 * visits that are not over are a list, not calls. */
static void visit_group(Fuser *fuser, Visits *visits, uint32_t index) {
  visit_begin(fuser, visits, index);
  while (visits->length > 0) {
    Visit *visit = &visits->data[visits->length - 1];
    if (visit->member == 0) {
      add_group(fuser, vec_pop(visits).index);
    } else if (visit->edge < fuser->before.start[visit->member + 1]) {
      ValueId before = fuser->before.to[visit->edge++];
      visit_begin(fuser, visits, group_at(fuser, before));
    } else {
      visit->member = fuser->next[visit->member];
      visit->edge = fuser->before.start[visit->member];
    }
  }
}

/* Each group's members as a list, by rising old id. */
static void link_members(Fuser *fuser) {
  ValueId *last = NEW_ARRAY(fuser->context->arena, ValueId, fuser->count);
  for (ValueId id = 1; id < fuser->old->count; id++) {
    uint32_t index = group_at(fuser, id);
    if (last[index] != 0)
      fuser->next[last[index]] = id;
    last[index] = id;
  }
}

/* By phase, then by the first op: near to the order that was. */
static void write_graph(Fuser *fuser) {
  Visits visits = {0};
  link_members(fuser);
  vec_push(&fuser->copy.new->kernel, (Kernel){KERNEL_NONE, 0, 0});
  for (Phase phase = PHASE_FORWARD; phase < PHASE_COUNT; phase++)
    for (uint32_t i = 1; i < fuser->count; i++) {
      uint32_t index = group_at(fuser, i);
      if (fuser->group[index].phase == phase)
        visit_group(fuser, &visits, index);
    }
  vec_free(&visits);
}

/* ---- the pass ----------------------------------------------------------- */

/* A store takes effect when all who read the old value have run, at the
 * earliest in the phase of the last of them. */
static Phase store_phase(const Fuser *fuser, const Node *store) {
  Phase phase = store->phase;
  const uint32_t *start = &fuser->readers.start[store->attr.index];
  for (uint32_t i = start[0]; i < start[1]; i++) {
    Phase reader = graph_node(fuser->old, fuser->readers.to[i])->phase;
    phase = reader > phase ? reader : phase;
  }
  return phase;
}

/* A parameter whose exponent is in a state waits for the reading of that. */
static Phase node_phase(const Fuser *fuser, const Node *node) {
  if (node->op == OP_STORE)
    return store_phase(fuser, node);
  bool waits = node_is_leaf(node) && node->scale.symbol != 0;
  return waits ? graph_node(fuser->old, node->scale.symbol)->phase
               : node->phase;
}

/* One group per node to begin with, numbered like the nodes. */
static void start_groups(Fuser *fuser) {
  for (ValueId id = 1; id < fuser->count; id++) {
    const Node *node = graph_node(fuser->old, id);
    fuser->group[id] = (Group){.form = op_kernel_form(node->op),
                               .phase = node_phase(fuser, node),
                               .space = node->type,
                               .first = id};
  }
}

static Graph *fuse_graph(PassContext *context, const Graph *old) {
  Arena *arena = context->arena;
  const ValueId *sorted = nodes_sorted(context, old);
  if (sorted == NULL)
    return NULL;
  Fuser fuser = {.context = context,
                 .old = old,
                 .count = old->count,
                 .readers = param_readers(arena, context->program, old),
                 .group = NEW_ARRAY(arena, Group, old->count),
                 .next = NEW_ARRAY(arena, ValueId, old->count)};
  fuser.before = nodes_before(arena, old, fuser.readers);
  fuser.order = group_order_new(arena, old->count, fuser.before, sorted);
  start_groups(&fuser);
  group_nodes(&fuser);
  fuser.copy = graph_copy_begin(arena, old);
  write_graph(&fuser);
  graph_copy_finish(&fuser.copy);
  return fuser.copy.new;
}

bool pass_fuse(PassContext *context) {
  Program *program = context->program;
  for (size_t i = 0; i < program->graph.length; i++) {
    Graph *fused = fuse_graph(context, program->graph.data[i]);
    if (fused == NULL)
      return false;
    graph_replace(program, i, fused);
  }
  return true;
}
