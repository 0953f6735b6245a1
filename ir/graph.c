/* Graphs: arrays of nodes in dependency order, and how passes rebuild them.
 *
 * A graph only grows. A pass walks the old graph by rising id and adds to a
 * new one through a GraphCopy, which maps operands and exponent symbols; what
 * it does not copy is gone.
 */
#include "ir/ir.h"

#include <string.h>

Graph *graph_new(Arena *arena, EntryKind kind, const char *name) {
  Graph *graph = NEW(arena, Graph);
  graph->arena = arena;
  graph->kind = kind;
  graph->name = name;
  graph_add(graph, &(Node){0});
  return graph;
}

void graph_free(Graph *graph) {
  if (!graph)
    return;
  vec_free(&graph->input);
  vec_free(&graph->result);
  vec_free(&graph->kernel);
  for (size_t i = 0; i < graph->chunk.length; i++)
    vec_release_(graph->chunk.data[i]);
  vec_free(&graph->chunk);
}

static void add_chunk(Graph *graph) {
  void *chunk = NULL;
  size_t capacity = 0;
  vec_grow_(&chunk, &capacity, NODES_A_CHUNK, sizeof(Node));
  vec_push(&graph->chunk, chunk);
}

/* `node` may point into the graph itself. */
ValueId graph_add(Graph *graph, const Node *node) {
  if (graph->count % NODES_A_CHUNK == 0)
    add_chunk(graph);
  *graph_node(graph, graph->count) = *node;
  return graph->count++;
}

Node node_make(Op op, Phase phase, const Type *type, ValueId a, ValueId b,
               ValueId c) {
  Node node = {.op = op, .phase = phase, .type = type};
  node.input[0] = a;
  node.input[1] = b;
  node.input[2] = c;
  node.attr = attributes_neutral();
  for (int i = 0; i < MAX_INPUTS; i++)
    node.as[i] = FORMAT_NONE;
  return node;
}

Phase graph_phase(const Graph *graph) {
  ValueId id = graph->count - 1;
  while (id > 0 && node_is_leaf(graph_node(graph, id)))
    id--;
  return id > 0 ? graph_node(graph, id)->phase : PHASE_FORWARD;
}

int node_inputs(const Node *node) {
  const OpInfo *info = op_info(node->op);
  int count = info->inputs;
  if (info->attributes & ATTR(MANY))
    while (count < MAX_INPUTS && node->input[count])
      count++;
  return count;
}

AttributeSet node_attributes(Level level, const Node *node) {
  Format format = node->type ? node->type->format : FORMAT_NONE;
  bool narrow = format != FORMAT_NONE && format_is_float(format) &&
                format_bytes(format) < sizeof(float);
  bool rounds = level == LEVEL_FORMATTED && narrow;
  bool computed = !node_is_leaf(node) && node->op != OP_STORE &&
                  !node_defines_exponent(node);
  return op_info(node->op)->attributes |
         (rounds ? ATTR(ROUND) | ATTR(OVERFLOW) | ATTR(SUBNORMALS)
                 : ATTR_NONE) |
         (computed ? ATTR(REMAT) | ATTR(AGAIN) : ATTR_NONE);
}

ValueId graph_store(const Graph *graph, int32_t param) {
  for (ValueId id = 1; id < graph->count; id++)
    if (graph_node(graph, id)->op == OP_STORE &&
        graph_node(graph, id)->attr.index == param)
      return id;
  return 0;
}

bool node_defines_exponent(const Node *node) {
  return node->op == OP_NORM_EXPONENT || node->op == OP_MAX_EXPONENT ||
         node->op == OP_STATE_EXPONENT || node->op == OP_HELD_EXPONENT ||
         node->op == OP_DELAYED_EXPONENT;
}

bool node_is_leaf(const Node *node) {
  return node->op == OP_PARAM || node->op == OP_INPUT || node->op == OP_CONST;
}

bool node_is_placeholder(const Node *node) {
  return node->op == OP_INPUT && node->attr.index < 0;
}

/* Its own scale, the scales of its operands, the terms of max_exponent: what
 * must be known before the op can run. A symbol may be visited twice. */
void node_symbols(const Graph *graph, ValueId id,
                  void (*visit)(void *user, ValueId symbol), void *user) {
  const Node *node = graph_node(graph, id);
  if (node->scale.symbol)
    visit(user, node->scale.symbol);
  for (int i = 0; i < node_inputs(node); i++) {
    ValueId symbol = graph_node(graph, node->input[i])->scale.symbol;
    if (symbol)
      visit(user, symbol);
  }
  for (int i = 0; node->op == OP_MAX_EXPONENT && i < 2; i++)
    if (node->attr.term[i].symbol)
      visit(user, node->attr.term[i].symbol);
}

/* ---- users -------------------------------------------------------------- */

enum { MAX_READS = 2 * MAX_INPUTS + 3 };

/* What one node reads, each value once. */
typedef struct {
  ValueId value[MAX_READS];
  int count;
} Reads;

/* A visitor for node_symbols; keeps the list free of doubles. */
static void reads_add(void *user, ValueId value) {
  Reads *reads = user;
  for (int i = 0; i < reads->count; i++)
    if (reads->value[i] == value)
      return;
  reads->value[reads->count++] = value;
}

/* Keeps loss, parameters and placeholders alive until autodiff has run. */
static void count_minimize(const Minimize *minimize, uint32_t *users) {
  for (; minimize; minimize = minimize->next) {
    users[minimize->loss]++;
    for (size_t i = 0; i < minimize->count; i++) {
      users[minimize->parameter[i]]++;
      users[minimize->placeholder[i]]++;
    }
  }
}

uint32_t *graph_user_counts(Arena *arena, const Graph *graph) {
  uint32_t *users = NEW_ARRAY(arena, uint32_t, graph->count);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    Reads reads = {.count = 0};
    for (int i = 0; i < node_inputs(node); i++)
      reads_add(&reads, node->input[i]);
    node_symbols(graph, id, reads_add, &reads);
    for (int i = 0; i < reads.count; i++)
      users[reads.value[i]]++;
  }
  for (size_t i = 0; i < graph->result.length; i++) {
    ValueId value = graph->result.data[i].value;
    users[value]++;
    if (graph_node(graph, value)->scale.symbol)
      users[graph_node(graph, value)->scale.symbol]++;
  }
  for (ValueId id = 1; id < graph->count; id++)
    users[id] += graph_node(graph, id)->probe;
  count_minimize(graph->minimize, users);
  return users;
}

/* ---- copying ------------------------------------------------------------ */

/* Nodes, inputs, results and kernels are left to the pass and to
 * graph_copy_finish. */
GraphCopy graph_copy_begin(Arena *arena, const Graph *old) {
  GraphCopy copy = {.old = old};
  copy.new = graph_new(arena, old->kind, old->name);
  copy.new->recipe = old->recipe;
  copy.new->run = old->run;
  copy.new->span = old->span;
  copy.map = NEW_ARRAY(arena, ValueId, old->count);
  return copy;
}

/* A symbol that was not copied becomes one that cannot exist, which the
 * verifier reports; 0 would pass for a static exponent. */
static void map_symbol(const GraphCopy *copy, Scale *scale) {
  if (!scale->symbol)
    return;
  ValueId symbol = copy->map[scale->symbol];
  scale->symbol = symbol ? symbol : UINT32_MAX;
}

/* What a pass changes before adding; operands that were not copied become 0. */
Node graph_copy_prepare(const GraphCopy *copy, ValueId id) {
  Node node = *graph_node(copy->old, id);
  for (int i = 0; i < MAX_INPUTS; i++)
    if (node.input[i])
      node.input[i] = copy->map[node.input[i]];
  map_symbol(copy, &node.scale);
  for (int i = 0; node.op == OP_MAX_EXPONENT && i < 2; i++)
    map_symbol(copy, &node.attr.term[i]);
  return node;
}

ValueId graph_copy_node(GraphCopy *copy, ValueId id) {
  Node node = graph_copy_prepare(copy, id);
  copy->map[id] = graph_add(copy->new, &node);
  return copy->map[id];
}

/* Inputs are part of what an entry is: one that no copied node reads is added
 * here, at the end, where a leaf does no harm. */
static void copy_inputs(GraphCopy *copy) {
  for (size_t i = 0; i < copy->old->input.length; i++) {
    Input input = copy->old->input.data[i];
    if (!copy->map[input.value])
      graph_copy_node(copy, input.value);
    input.value = copy->map[input.value];
    vec_push(&copy->new->input, input);
  }
}

/* The new arrays live with the new graph, so the old arena may go. */
static Minimize *copy_minimize(const GraphCopy *copy, const Minimize *old) {
  Arena *arena = copy->new->arena;
  Minimize *minimize = NEW(arena, Minimize);
  minimize->loss = copy->map[old->loss];
  minimize->count = old->count;
  minimize->parameter = NEW_ARRAY(arena, ValueId, old->count);
  minimize->placeholder = NEW_ARRAY(arena, ValueId, old->count);
  for (size_t i = 0; i < old->count; i++) {
    minimize->parameter[i] = copy->map[old->parameter[i]];
    minimize->placeholder[i] = copy->map[old->placeholder[i]];
  }
  return minimize;
}

/* Kernels keep their numbers; their extent follows the copied nodes. */
static void copy_kernels(GraphCopy *copy) {
  Graph *graph = copy->new;
  for (size_t i = 0; i < copy->old->kernel.length; i++) {
    Kernel kernel = {.form = copy->old->kernel.data[i].form};
    vec_push(&graph->kernel, kernel);
  }
  for (ValueId id = 1; id < graph->count; id++) {
    uint32_t index = graph_node(graph, id)->kernel;
    if (index == 0 || index >= graph->kernel.length)
      continue;
    Kernel *kernel = &graph->kernel.data[index];
    kernel->last = id;
    if (!kernel->first)
      kernel->first = id;
  }
}

/* To be called once, after the last node. A result that was not copied has
 * value 0, which the verifier reports. */
void graph_copy_finish(GraphCopy *copy) {
  copy_inputs(copy);
  for (size_t i = 0; i < copy->old->result.length; i++) {
    Result result = copy->old->result.data[i];
    result.value = copy->map[result.value];
    vec_push(&copy->new->result, result);
  }
  Minimize **last = &copy->new->minimize;
  for (const Minimize *old = copy->old->minimize; old; old = old->next) {
    *last = copy_minimize(copy, old);
    last = &(*last)->next;
  }
  graph_copy_again(copy);
  if (copy->new->kernel.length == 0)
    copy_kernels(copy);
}

/* ---- labels and indices ------------------------------------------------- */

/* An operand that chooses: labels, indices, the start of a window. */
typedef struct {
  ValueId value; /* 0: the op has none */
  int64_t limit; /* it lies in [0, limit) */
} Chooser;

static Chooser node_chooser(const Graph *graph, const Node *node) {
  const Type *type =
      node_inputs(node) > 1 ? graph_node(graph, node->input[0])->type : NULL;
  int64_t axis = node->attr.axis;
  switch (node->op) {
  case OP_SOFTMAX_XENT:
  case OP_SOFTMAX_XENT_GRAD:
    return (Chooser){node->input[1], type->dim[type->rank - 1]};
  case OP_ONEHOT:
    return (Chooser){node->input[0], node->attr.size};
  case OP_GATHER:
  case OP_TAKE:
    return (Chooser){node->input[1], type->dim[axis]};
  case OP_SCATTER_ADD:
  case OP_PUT_ADD:
    return (Chooser){node->input[1], node->attr.size};
  case OP_WINDOW:
    return (Chooser){node->input[1], type->dim[axis] - node->attr.size + 1};
  case OP_SCATTER:
    return (Chooser){node->input[2], type->dim[axis]};
  case OP_WINDOW_WRITE:
    return (Chooser){node->input[2],
                     type->dim[axis] -
                         graph_node(graph, node->input[1])->type->dim[axis] +
                         1};
  default:
    return (Chooser){0, 0};
  }
}

/* Ops whose elements are all elements of their first operand. */
static bool op_moves(Op op) {
  return op == OP_CONVERT || op == OP_RESHAPE || op == OP_TRANSPOSE ||
         op == OP_BROADCAST || op == OP_SLICE || op == OP_REVERSE ||
         op == OP_WINDOW || op == OP_GATHER;
}

int64_t graph_label_limit(const Graph *graph, ValueId input) {
  int64_t limit = 0;
  for (ValueId id = 1; id < graph->count; id++) {
    Chooser chooser = node_chooser(graph, graph_node(graph, id));
    ValueId from = chooser.value;
    while (from && op_moves(graph_node(graph, from)->op))
      from = graph_node(graph, from)->input[0];
    if (from == input && chooser.limit > 0 &&
        (limit == 0 || chooser.limit < limit))
      limit = chooser.limit;
  }
  return limit;
}
