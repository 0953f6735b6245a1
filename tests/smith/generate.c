/* The generator: a seed to a program at level plain.
 *
 * An entry grows op by op: the op is drawn from the table, its maker asks for
 * operands, which are values that are there or new ones. Then what nobody
 * reads is returned, a loss is made of one value, the optimizer reads the
 * gradients, and states are stored.
 */
#include "tests/smith/smith.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/pass/gradient.h"

static Maker *const maker[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, ...)                    \
  [OP_##id] = make_##shape,
#include "ir/ops.def"
};

/* Has compiled code the op? */
static bool lowered(Op op) {
  static const char *const rule[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, exponent, scale,        \
           gradient, eval, form, lower)                                        \
  [OP_##id] = #lower,
#include "ir/ops.def"
  };
  return strcmp(rule[op], "missing") != 0 && strcmp(rule[op], "none") != 0;
}

/* Exponents and what re-expresses at them belong to later levels. */
bool smith_makes(Op op) {
  return op != OP_REBALANCE && maker[op] != make_exponent;
}

/* ---- nodes --------------------------------------------------------------- */

Node smith_node(const Smith *s, Op op, ValueId a, ValueId b, ValueId c) {
  return node_make(op, s->phase, NULL, a, b, c);
}

/* Half are helpers, which simplify may merge. */
const char *smith_name(Smith *s, const char *base) {
  if (dice_chance(&s->dice, 50))
    return name_helper(s->names, base);
  return name_rebinding(s->names, base);
}

/* What no gradient passes is read behind stop_grad, so that a loss may depend
 * on it. */
static void stop_gradients(Smith *s, Node *node) {
  if (!s->minimizes || s->phase != PHASE_FORWARD ||
      !gradient_is_missing(node->op))
    return;
  for (int i = 0; i < node_inputs(node); i++) {
    const Node *operand = graph_node(s->graph, node->input[i]);
    if (!type_is_real(operand->type) || operand->op == OP_CONST ||
        operand->op == OP_STOP_GRAD)
      continue;
    Node stop = smith_node(s, OP_STOP_GRAD, node->input[i], 0, 0);
    stop.type = operand->type;
    stop.name = smith_name(s, "stop");
    node->input[i] = graph_add(s->graph, &stop);
  }
}

/* Makers promise operands that the shape rule accepts. */
static void generator_fault(const Smith *s, const Node *node,
                            const char *error) {
  Buffer text = case_print(s->c);
  fprintf(stderr, "%s\nsg-smith: the maker of %s is wrong: %s\n", text.data,
          op_info(node->op)->text, error);
  abort();
}

static const char *const base_name[] = {"y", "m.h", "m.a.u", "z", "t"};

/* Regions that the backward pass computes again: two, and one in another. */
static const char *const region_name[] = {"m", "m/a", "n"};

ValueId smith_emit(Smith *s, Node *node) {
  const char *error = "";
  if ((s->native && !lowered(node->op)) || !smith_makes(node->op) ||
      s->graph->count + 40 > SMITH_NODES)
    return 0;
  stop_gradients(s, node);
  const Type *type =
      shape_infer(s->program->types, s->graph, node, s->c->arena, &error);
  if (!type)
    generator_fault(s, node, error);
  if (type->elements > SMITH_ELEMENTS || type->rank > SMITH_RANK ||
      (s->native && type->elements == 0))
    return 0;
  node->type = type;
  node->name = smith_name(s, base_name[dice_below(&s->dice, 5)]);
  node->probe = dice_chance(&s->dice, 2);
  if (s->phase == PHASE_FORWARD && dice_chance(&s->dice, s->again))
    node->remat = intern(s->c->interner, region_name[dice_below(&s->dice, 3)]);
  return graph_add(s->graph, node);
}

ValueId smith_grow(Smith *s, Op op) {
  return maker[op](s, op);
}

/* ---- growing ------------------------------------------------------------- */

static Op random_op(Smith *s) {
  for (;;) {
    Op op = (Op)dice_below(&s->dice, OP_COUNT);
    bool leaf = op == OP_PARAM || op == OP_INPUT || op == OP_CONST;
    if (leaf || op == OP_STORE || !smith_makes(op) ||
        (s->native && !lowered(op)))
      continue;
    /* Few ops have code, and most of these are elementwise. */
    if (op == OP_RESCALE || op == OP_SET_SCALE || op_is_marker(op))
      if (dice_chance(&s->dice, 50))
        continue;
    return op;
  }
}

static void grow(Smith *s, int64_t ops) {
  for (int64_t i = 0; i < ops; i++)
    smith_grow(s, random_op(s));
}

/* ---- pairs --------------------------------------------------------------- */

static bool reads(const Smith *s, ValueId reader, ValueId value) {
  const Node *node = graph_node(s->graph, reader);
  for (int i = 0; i < node_inputs(node); i++)
    if (node->input[i] == value)
      return true;
  return false;
}

/* What a pair begins with; after the last micro-batch also a mean over them. */
static ValueId beginning(Smith *s, Op from, ValueId mean) {
  if (mean)
    return mean;
  return from == OP_CONST ? smith_number(s, FORMAT_REAL, smith_real(s))
                          : smith_grow(s, from);
}

static Op random_reader(Smith *s) {
  for (;;) {
    Op op = (Op)dice_below(&s->dice, OP_COUNT);
    if (op_info(op)->inputs > 0 &&
        (!s->native || lowered(op) || op == OP_STORE))
      return op;
  }
}

/* One op right behind another, each with the same probability, so that all
 * pairs are seen after enough seeds. Exponents are the recipe's: a rule will
 * be about the value. */
static void grow_pair(Smith *s, ValueId mean) {
  Op from = dice_chance(&s->dice, 2) ? OP_CONST : random_op(s);
  Op to = random_reader(s);
  int reuse = s->reuse;
  for (int i = 0; i < 4; i++) {
    s->next_to = beginning(s, from, mean);
    if (!s->next_to)
      continue;
    if (!smith_makes(to)) {
      s->target = graph_node(s->graph, s->next_to)->name;
      break;
    }
    s->reuse = 100;
    ValueId made = smith_grow(s, to);
    s->reuse = reuse;
    if (made && reads(s, made, s->next_to))
      break;
  }
  s->next_to = 0;
}

/* ---- results ------------------------------------------------------------- */

static bool is_returnable(const Smith *s, ValueId id) {
  const Node *node = graph_node(s->graph, id);
  return !node_is_leaf(node) && node->op != OP_STORE &&
         !node_defines_exponent(node);
}

static void add_result(Smith *s, ValueId id) {
  for (size_t i = 0; i < s->graph->result.length; i++)
    if (s->graph->result.data[i].value == id)
      return;
  const char *name = graph_node(s->graph, id)->name;
  if (dice_chance(&s->dice, 20))
    name = intern_printf(s->c->interner, "r%zu", s->graph->result.length);
  for (size_t i = 0; i < s->graph->result.length; i++)
    if (s->graph->result.data[i].name == name)
      return;
  vec_push(&s->graph->result, (Result){name, id});
}

/* What nobody reads, and a few values more. */
static void return_values(Smith *s) {
  uint32_t *users = graph_user_counts(s->c->arena, s->graph);
  for (ValueId id = 1; id < s->graph->count; id++)
    if (is_returnable(s, id) &&
        (users[id] == 0 ? dice_chance(&s->dice, 85) : dice_chance(&s->dice, 6)))
      add_result(s, id);
}

/* ---- losses and gradients ------------------------------------------------ */

static const char *const total_pattern[] = {
    NULL,         "a ->",         "a b ->",        "a b c ->",
    "a b c d ->", "a b c d e ->", "a b c d e f ->"};

static ValueId total_of(Smith *s, ValueId x) {
  int rank = extent_of(s, x).rank;
  if (rank == 0)
    return x;
  Node node =
      smith_node(s, dice_chance(&s->dice, 60) ? OP_MEAN : OP_SUM, x, 0, 0);
  node.attr.pattern = intern(s->c->interner, total_pattern[rank]);
  return smith_emit(s, &node);
}

/* One number that most of the newest values take part in. */
static ValueId make_loss(Smith *s) {
  ValueId loss = 0;
  for (int i = 0; i < 4; i++) {
    ValueId x = smith_pick(s, FORMAT_REAL, 0, SMITH_RANK);
    ValueId total = x ? total_of(s, x) : 0;
    if (!total || !loss) {
      loss = total ? total : loss;
      continue;
    }
    Node node = smith_node(s, OP_ADD, loss, total, 0);
    ValueId sum = smith_emit(s, &node);
    loss = sum ? sum : loss;
  }
  return loss && !node_is_leaf(graph_node(s->graph, loss)) ? loss : 0;
}

static ValueId add_placeholder(Smith *s, const Node *variable) {
  Node node = node_make(
      OP_INPUT, PHASE_FORWARD,
      type_with_format(s->program->types, variable->type, FORMAT_REAL), 0, 0,
      0);
  node.name = name_gradient(s->names, variable->name);
  return graph_add(s->graph, &node);
}

static bool is_variable(const Smith *s, const Node *node) {
  if (node->op == OP_PARAM)
    return !s->program->param.data[node->attr.index].state;
  return node->op == OP_INPUT && s->graph->kind != ENTRY_TRAIN &&
         node->type->format == FORMAT_REAL && !node_is_placeholder(node);
}

static void ask_for_gradients(Smith *s, ValueId loss) {
  uint32_t last = s->graph->count;
  Minimize *minimize = NEW(s->c->arena, Minimize);
  minimize->loss = loss;
  minimize->parameter = NEW_ARRAY(s->c->arena, ValueId, last);
  minimize->placeholder = NEW_ARRAY(s->c->arena, ValueId, last);
  for (ValueId id = 1; id < last; id++) {
    if (!is_variable(s, graph_node(s->graph, id)) || dice_chance(&s->dice, 10))
      continue;
    Node variable = *graph_node(s->graph, id);
    minimize->parameter[minimize->count] = id;
    minimize->placeholder[minimize->count++] = add_placeholder(s, &variable);
  }
  if (minimize->count > 0)
    s->graph->minimize = minimize;
}

/* ---- optimizers ---------------------------------------------------------- */

static ValueId two(Smith *s, Op op, ValueId a, ValueId b) {
  Node node = smith_node(s, op, a, b, 0);
  return a && b ? smith_emit(s, &node) : 0;
}

static ValueId decayed(Smith *s, ValueId x) {
  static const double rate[] = {0.1, 0.5, 0.9, 1e-3, 0.25};
  return two(s, OP_MUL, x,
             smith_number(s, FORMAT_REAL, rate[dice_below(&s->dice, 5)]));
}

static void add_store(Smith *s, int32_t index, ValueId value) {
  if (!value)
    return;
  Node node = smith_node(s, OP_STORE, value, 0, 0);
  node.type = s->program->param.data[index].type;
  node.attr.index = index;
  node.attr.round = s->program->param.data[index].round;
  graph_add(s->graph, &node);
}

/* m = 0.9 m + g */
static ValueId momentum(Smith *s, ValueId gradient) {
  ValueId state = smith_param(s, extent_of(s, gradient), true);
  if (!state)
    return gradient;
  int32_t index = graph_node(s->graph, state)->attr.index;
  ValueId next = two(s, OP_ADD, decayed(s, state), gradient);
  add_store(s, index, next);
  return next ? next : gradient;
}

/* w = w - rate * g, or with momentum. */
static void update(Smith *s, ValueId parameter, ValueId gradient) {
  if (dice_chance(&s->dice, 30))
    gradient = momentum(s, gradient);
  ValueId step = decayed(s, gradient);
  add_store(s, graph_node(s->graph, parameter)->attr.index,
            two(s, OP_SUB, parameter, step));
}

static ValueId accumulated(Smith *s, ValueId value) {
  Node node = smith_node(s, OP_ACCUMULATE, value, 0, 0);
  node.type = graph_node(s->graph, value)->type;
  node.name = smith_name(s, "acc");
  return graph_add(s->graph, &node);
}

/* The mean of each gradient over the micro-batches, and of some values. */
static void accumulate_all(Smith *s, ValueId *gradient, size_t count) {
  s->phase = PHASE_ACCUMULATE;
  for (size_t i = 0; i < count; i++)
    gradient[i] = accumulated(s, gradient[i]);
  for (int64_t i = dice_below(&s->dice, 5); i-- > 0;) {
    ValueId value = smith_pick(s, FORMAT_REAL, 0, SMITH_RANK);
    if (value && graph_node(s->graph, value)->type->format == FORMAT_REAL)
      add_result(s, accumulated(s, value));
  }
}

static ValueId some_mean(Smith *s) {
  ValueId found = 0;
  int64_t seen = 0;
  for (ValueId id = 1; id < s->graph->count; id++)
    if (graph_node(s->graph, id)->op == OP_ACCUMULATE &&
        dice_below(&s->dice, ++seen) == 0)
      found = id;
  return found;
}

static void use_gradients(Smith *s) {
  const Minimize *minimize = s->graph->minimize;
  if (!minimize)
    return;
  ValueId *gradient = arena_copy(s->c->arena, minimize->placeholder,
                                 minimize->count * sizeof *gradient);
  if (s->once)
    accumulate_all(s, gradient, minimize->count);
  s->phase = PHASE_UPDATE;
  for (size_t i = 0; i < minimize->count; i++) {
    bool param = graph_node(s->graph, minimize->parameter[i])->op == OP_PARAM;
    if (param && dice_chance(&s->dice, 90))
      update(s, minimize->parameter[i], gradient[i]);
    else
      add_result(s, gradient[i]);
  }
}

/* ---- entries ------------------------------------------------------------- */

static EntryKind random_kind(Smith *s) {
  if (s->native)
    return ENTRY_PLAIN;
  int64_t choice = dice_below(&s->dice, 20);
  return choice < 9 ? ENTRY_PLAIN : choice < 19 ? ENTRY_TRAIN : ENTRY_EVAL;
}

static void random_run(Smith *s) {
  if (s->graph->kind != ENTRY_TRAIN)
    return;
  s->graph->run.steps = dice_chance(&s->dice, 20) ? 3 : 0;
  s->once = dice_chance(&s->dice, 15);
  s->graph->run.accumulate = s->once ? dice_range(&s->dice, 2, 3) : 0;
}

/* Plain entries have phases too, and may ask for gradients. */
static void fill_entry(Smith *s) {
  int64_t ops = dice_chance(&s->dice, 10) ? 28 : dice_range(&s->dice, 1, 12);
  s->minimizes = s->graph->kind == ENTRY_TRAIN ||
                 (s->graph->kind == ENTRY_PLAIN && dice_chance(&s->dice, 30));
  grow(s, ops);
  if (dice_chance(&s->dice, 30))
    grow_pair(s, 0);
  ValueId loss = s->minimizes ? make_loss(s) : 0;
  if (loss)
    add_result(s, loss);
  if (loss)
    ask_for_gradients(s, loss);
  else if (!s->once && dice_chance(&s->dice, 40)) {
    s->phase = PHASE_BACKWARD;
    grow(s, dice_range(&s->dice, 1, 4));
  }
  use_gradients(s);
  if (s->graph->kind == ENTRY_EVAL)
    return;
  s->phase = PHASE_UPDATE;
  if (dice_chance(&s->dice, 50))
    grow(s, dice_range(&s->dice, 1, 3));
  if (dice_chance(&s->dice, s->once ? 80 : 10))
    grow_pair(s, some_mean(s));
  for (int64_t i = dice_below(&s->dice, 3); i-- > 0;)
    smith_grow(s, OP_STORE);
}

static void add_entry(Smith *s, const char *name, const char *recipe) {
  s->names = name_table_new(s->c->arena, s->c->interner, NULL);
  s->graph = graph_new(s->c->arena, ENTRY_PLAIN, intern(s->c->interner, name));
  s->graph->kind = random_kind(s);
  s->phase = PHASE_FORWARD;
  s->once = false;
  s->target = NULL;
  s->reuse = (int)dice_range(&s->dice, 30, 85);
  s->again = dice_chance(&s->dice, 25) ? 60 : 0;
  vec_push(&s->program->graph, s->graph);
  random_run(s);
  fill_entry(s);
  return_values(s);
  if (s->graph->result.length == 0) {
    s->phase = PHASE_UPDATE;
    Node node = smith_node(s, OP_SPLAT, smith_number(s, FORMAT_REAL, 1), 0, 0);
    node.type = smith_type(s, FORMAT_REAL, &(Extent){.rank = 1, .dim = {2}});
    node.name = smith_name(s, "y");
    add_result(s, graph_add(s->graph, &node));
  }
  s->graph->recipe = intern(s->c->interner, recipe);
  smith_recipe(s, recipe);
}

Case *smith_program(uint64_t seed) {
  Case *c = case_new("smith");
  Smith s = {.c = c, .program = c->program, .prefix = ""};
  s.dice = dice_new(seed, 1);
  add_entry(&s, "main", "mix");
  return c;
}

static void add_compiled(Case *c, uint64_t seed, int i) {
  Smith s = {.c = c, .program = c->program, .native = true};
  s.dice = dice_new(seed, (uint64_t)i + 100);
  s.prefix = intern_printf(c->interner, "g%d.", i);
  add_entry(&s, intern_printf(c->interner, "e%d", i),
            intern_printf(c->interner, "mix%d", i));
}

Case *smith_batch(uint64_t seed, int entries) {
  Case *c = case_new("smith");
  for (int i = 0; i < entries; i++)
    add_compiled(c, seed, i);
  return c;
}

Case *smith_picked(uint64_t seed, int entry) {
  Case *c = case_new("smith");
  add_compiled(c, seed, entry);
  return c;
}
