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
#include "compiler/pass/rewrite.h"

/* A kernel in the making, or one leaf, view or exponent on its own. */
typedef struct {
  KernelForm form;
  Phase phase;
  const Type *space; /* fused, gemm: the shape that its ops run over */
  ValueId first;     /* the smallest old id in it */
  uint32_t merged;   /* the group that took its members over, or 0 */
  uint64_t *before;  /* a bit for each group that must run before this one */
  bool visited;
} Group;

typedef struct {
  PassContext *context;
  const Graph *old;
  uint32_t count, words; /* groups: one per node at first; words per set */
  Group *group;
  ValueId *next; /* per node: the next member of its group */
  GraphCopy copy;
} Fuser;

/* ---- sets of groups ----------------------------------------------------- */

static bool set_has(const uint64_t *set, uint32_t index) {
  return set[index / 64] >> index % 64 & 1;
}

static void set_add(uint64_t *set, uint32_t index) {
  set[index / 64] |= (uint64_t)1 << index % 64;
}

static void set_remove(uint64_t *set, uint32_t index) {
  set[index / 64] &= ~((uint64_t)1 << index % 64);
}

static void set_join(const Fuser *fuser, uint64_t *set, const uint64_t *other) {
  for (uint32_t i = 0; i < fuser->words; i++)
    set[i] |= other[i];
}

static uint32_t group_at(const Fuser *fuser, ValueId id) {
  uint32_t index = id;
  while (fuser->group[index].merged != 0)
    index = fuser->group[index].merged;
  return index;
}

/* Must group `a` run before group `b`? */
static bool runs_before(const Fuser *fuser, uint32_t a, uint32_t b) {
  return set_has(fuser->group[b].before, a);
}

/* Everything that runs after `index`, and itself, runs after `before` too. */
static void push_forward(Fuser *fuser, uint32_t index) {
  const uint64_t *before = fuser->group[index].before;
  for (uint32_t i = 1; i < fuser->count; i++) {
    if (i == index || !runs_before(fuser, index, i))
      continue;
    set_join(fuser, fuser->group[i].before, before);
  }
}

/* `first` and all before it run before `second` and all after it; false if
 * that is a circle. */
static bool order(Fuser *fuser, uint32_t first, uint32_t second) {
  if (first == second || runs_before(fuser, first, second))
    return true;
  if (runs_before(fuser, second, first))
    return false;
  set_join(fuser, fuser->group[second].before, fuser->group[first].before);
  set_add(fuser->group[second].before, first);
  push_forward(fuser, second);
  return true;
}

/* Members of `from` become members of `into`, and so do its places in the
 * order. */
static void merge(Fuser *fuser, uint32_t from, uint32_t into) {
  Group *group = &fuser->group[into], *gone = &fuser->group[from];
  if (gone->first < group->first)
    group->first = gone->first;
  gone->merged = into;
  set_join(fuser, group->before, gone->before);
  set_remove(group->before, into);
  set_remove(group->before, from);
  for (uint32_t i = 1; i < fuser->count; i++)
    if (i != into && runs_before(fuser, from, i)) {
      set_remove(fuser->group[i].before, from);
      set_add(fuser->group[i].before, into);
    }
  push_forward(fuser, into);
}

/* ---- what a node depends on --------------------------------------------- */

static void visit_operands(const Graph *graph, ValueId id,
                           void (*visit)(void *user, ValueId id), void *user) {
  const Node *node = graph_node(graph, id);
  for (int i = 0; i < op_info(node->op)->inputs; i++)
    visit(user, node->input[i]);
  node_symbols(graph, id, visit, user);
}

/* The parameter whose memory a value is read from, or -1. */
static int32_t param_behind(const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  while (node->op == OP_RESHAPE)
    node = graph_node(graph, node->input[0]);
  return node->op == OP_PARAM ? node->attr.index : -1;
}

static bool reads_param(const Graph *graph, ValueId id, int32_t param) {
  const Node *node = graph_node(graph, id);
  for (int i = 0; i < op_info(node->op)->inputs; i++)
    if (param_behind(graph, node->input[i]) == param)
      return true;
  return false;
}

/* ---- joining ------------------------------------------------------------ */

typedef struct {
  Fuser *fuser;
  uint32_t into;
  bool blocked;
} JoinTest;

static void test_operand(void *user, ValueId operand) {
  JoinTest *test = user;
  uint32_t from = group_at(test->fuser, operand);
  test->blocked |=
      from != test->into && runs_before(test->fuser, test->into, from);
}

/* Elementwise readers of a parameter may share the kernel that overwrites it:
 * each element is read before it is written. Any other reader runs before. */
static bool store_may_join(Fuser *fuser, ValueId id, uint32_t into) {
  int32_t param = graph_node(fuser->old, id)->attr.index;
  for (ValueId reader = 1; reader < fuser->old->count; reader++) {
    const Node *node = graph_node(fuser->old, reader);
    if (!reads_param(fuser->old, reader, param))
      continue;
    uint32_t from = group_at(fuser, reader);
    bool elementwise = op_kernel_form(node->op) == KERNEL_FUSED;
    if (from == into ? !elementwise : runs_before(fuser, into, from))
      return false;
  }
  return true;
}

/* May node `id` become a member of group `into`, which makes operand
 * `operand`? */
static bool may_join(Fuser *fuser, ValueId id, ValueId operand, uint32_t into) {
  const Node *node = graph_node(fuser->old, id);
  const Group *group = &fuser->group[into];
  const Type *type = graph_node(fuser->old, operand)->type;
  bool pointwise = group->form == KERNEL_FUSED || group->form == KERNEL_GEMM;
  if (!pointwise || group->phase != fuser->group[id].phase ||
      !type_same_shape(group->space, node->type) ||
      !type_same_shape(group->space, type))
    return false;
  JoinTest test = {fuser, into, false};
  visit_operands(fuser->old, id, test_operand, &test);
  return !test.blocked &&
         (node->op != OP_STORE || store_may_join(fuser, id, into));
}

/* Two fused kernels whose values meet in one op become one, unless something
 * must run between them. */
static bool may_merge(const Fuser *fuser, uint32_t a, uint32_t b) {
  const Group *first = &fuser->group[a], *second = &fuser->group[b];
  if (a == b || first->form != KERNEL_FUSED || second->form != KERNEL_FUSED ||
      first->phase != second->phase ||
      !type_same_shape(first->space, second->space))
    return false;
  for (uint32_t i = 1; i < fuser->count; i++) {
    if (fuser->group[i].merged != 0 || i == a || i == b)
      continue;
    bool between = (runs_before(fuser, a, i) && runs_before(fuser, i, b)) ||
                   (runs_before(fuser, b, i) && runs_before(fuser, i, a));
    if (between)
      return false;
  }
  return true;
}

static bool is_pointwise(const Node *node) {
  return op_kernel_form(node->op) == KERNEL_FUSED;
}

/* Joins the latest kernel that makes an operand of the full shape; then the
 * fused kernels of the other operands join too. */
static void join_node(Fuser *fuser, ValueId id) {
  const Node *node = graph_node(fuser->old, id);
  int inputs = op_info(node->op)->inputs;
  uint32_t own = id;
  uint32_t best = 0;
  for (int i = 0; i < inputs; i++) {
    uint32_t into = group_at(fuser, node->input[i]);
    bool later = best == 0 || !runs_before(fuser, into, best);
    if (into != own && later && may_join(fuser, id, node->input[i], into))
      best = into;
  }
  if (best == 0)
    return;
  merge(fuser, own, best);
  for (int i = 0; i < inputs; i++) {
    uint32_t other = group_at(fuser, node->input[i]);
    if (may_merge(fuser, other, best))
      merge(fuser, other, best);
  }
}

/* ---- order within the step ---------------------------------------------- */

/* A store takes effect when all who read the old value have run, at the
 * earliest in the phase of the last of them. */
static void set_store_phases(Fuser *fuser) {
  const Graph *graph = fuser->old;
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *store = graph_node(graph, id);
    Group *group = &fuser->group[id];
    for (ValueId reader = 1; store->op == OP_STORE && reader < graph->count;
         reader++)
      if (reads_param(graph, reader, store->attr.index) &&
          graph_node(graph, reader)->phase > group->phase)
        group->phase = graph_node(graph, reader)->phase;
  }
}

/* Two stores that exchange the contents of two parameters have no order. */
static bool order_store(Fuser *fuser, ValueId id) {
  const Node *store = graph_node(fuser->old, id);
  for (ValueId reader = 1; reader < fuser->old->count; reader++) {
    if (!reads_param(fuser->old, reader, store->attr.index) ||
        order(fuser, group_at(fuser, reader), group_at(fuser, id)))
      continue;
    diagnose_error(fuser->context->diagnostics, store->span, "E0722",
                   "this store and the one that reads its old value cannot "
                   "both come first; store a sum or a cast of it instead");
    return false;
  }
  return true;
}

typedef struct {
  Fuser *fuser;
  ValueId reader;
} OrderOperand;

static void order_operand(void *user, ValueId operand) {
  OrderOperand *pair = user;
  order(pair->fuser, group_at(pair->fuser, operand),
        group_at(pair->fuser, pair->reader));
}

/* Stores come last: by then every reader of a parameter has its kernel. */
static bool group_nodes(Fuser *fuser) {
  const Graph *graph = fuser->old;
  bool good = true;
  for (int stores = 0; stores < 2; stores++) {
    for (ValueId id = 1; id < graph->count; id++) {
      const Node *node = graph_node(graph, id);
      if ((node->op == OP_STORE) != (stores == 1))
        continue;
      OrderOperand pair = {fuser, id};
      visit_operands(graph, id, order_operand, &pair);
      if (is_pointwise(node))
        join_node(fuser, id);
      if (node->op == OP_STORE)
        good &= order_store(fuser, id);
    }
  }
  return good;
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

static void visit_group(Fuser *fuser, uint32_t index);

static void visit_operand(void *user, ValueId operand) {
  Fuser *fuser = user;
  visit_group(fuser, group_at(fuser, operand));
}

static void visit_member(Fuser *fuser, ValueId id) {
  const Graph *graph = fuser->old;
  const Node *node = graph_node(graph, id);
  visit_operands(graph, id, visit_operand, fuser);
  for (ValueId reader = 1; node->op == OP_STORE && reader < graph->count;
       reader++)
    if (reads_param(graph, reader, node->attr.index))
      visit_group(fuser, group_at(fuser, reader));
}

/* Adds what the group depends on, then the group. */
static void visit_group(Fuser *fuser, uint32_t index) {
  Group *group = &fuser->group[index];
  if (group->visited)
    return;
  group->visited = true;
  for (ValueId id = group->first; id != 0; id = fuser->next[id])
    visit_member(fuser, id);
  add_group(fuser, index);
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
  link_members(fuser);
  vec_push(&fuser->copy.new->kernel, (Kernel){KERNEL_NONE, 0, 0});
  for (Phase phase = PHASE_FORWARD; phase < PHASE_COUNT; phase++)
    for (uint32_t i = 1; i < fuser->count; i++) {
      uint32_t index = group_at(fuser, i);
      if (fuser->group[index].phase == phase)
        visit_group(fuser, index);
    }
}

/* One group per node to begin with, numbered like the nodes. */
static void start_groups(Fuser *fuser) {
  Arena *arena = fuser->context->arena;
  const Graph *graph = fuser->old;
  fuser->count = graph->count;
  fuser->words = graph->count / 64 + 1;
  fuser->group = NEW_ARRAY(arena, Group, graph->count);
  fuser->next = NEW_ARRAY(arena, ValueId, graph->count);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    Group *group = &fuser->group[id];
    *group = (Group){.form = op_kernel_form(node->op),
                     .phase = node->phase,
                     .space = node->type,
                     .first = id};
    group->before = NEW_ARRAY(arena, uint64_t, fuser->words);
  }
}

static Graph *fuse_graph(PassContext *context, const Graph *old) {
  Fuser fuser = {.context = context, .old = old};
  start_groups(&fuser);
  set_store_phases(&fuser);
  if (!group_nodes(&fuser))
    return NULL;
  fuser.copy = graph_copy_begin(context->arena, old);
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
