/* Makes the unscaled graph; see unscaling.h. */
#include "tests/unit/unscaling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

/* One micro-batch. */
typedef struct {
  Unscaling *all;
  size_t round;
  const Evaluator *measured;
  ValueId *map;
} Round;

static bool is_last(const Round *r) {
  return r->round + 1 == r->all->rounds;
}

static int32_t exponent_at(const Round *r, ValueId id) {
  return evaluator_value(r->measured, r->all->old, id)->exponent;
}

static bool is_narrow(const Type *type) {
  return type_is_real(type) && type->format != FORMAT_REAL &&
         format_bytes(type->format) < 4;
}

/* ---- roundings ----------------------------------------------------------- */

/* The value in f32, data at 2^exponent. */
static ValueId add_moved(Unscaling *u, ValueId value, int32_t exponent) {
  const Node *from = graph_node(u->new, value);
  Node node = node_make(
      OP_REBALANCE, from->phase,
      type_with_format(u->program->types, from->type, FORMAT_F32), value, 0, 0);
  node.scale = scale_static(exponent);
  return graph_add(u->new, &node);
}

/* Data as they are at the value's own exponent, read at 2^0. */
static ValueId add_kept(Unscaling *u, Node node, int32_t exponent) {
  node.scale = scale_static(exponent);
  return add_moved(u, graph_add(u->new, &node), 0);
}

static ValueId add_cast(Unscaling *u, Node node, int32_t exponent) {
  u->roundings++;
  node.input[0] = add_moved(u, node.input[0], exponent);
  return add_kept(u, node, exponent);
}

/* ---- effects ------------------------------------------------------------- */

static ValueId add_number(Unscaling *u, const Node *like, double value) {
  Node number = node_make(OP_CONST, like->phase, like->type, 0, 0, 0);
  number.attr.value = value;
  number.scale = like->scale;
  return graph_add(u->new, &number);
}

/* A measured exponent that is kept: the number that it was in this step. */
static ValueId add_measured(Round *r, ValueId stored, Node store) {
  assert_int_equal(store.type->rank, 0); /* no history */
  double exponent = evaluator_value(r->measured, r->all->old, stored)->data[0];
  store.input[0] = add_number(r->all, &store, exponent);
  return graph_add(r->all->new, &store);
}

static ValueId add_store(Round *r, ValueId id, Node node) {
  Unscaling *u = r->all;
  const Parameter *param = &u->program->param.data[node.attr.index];
  ValueId stored = graph_node(u->old, id)->input[0];
  if (!is_last(r))
    return 0;
  if (node_defines_exponent(graph_node(u->old, stored)))
    return add_measured(r, stored, node);
  node.scale =
      param->exponent ? scale_static(exponent_at(r, id)) : param->scale;
  if (node.scale.kind == SCALE_NORMAL)
    node.input[0] = add_moved(u, node.input[0], node.scale.exponent);
  return graph_add(u->new, &node);
}

/* ((+0 + x1) + x2) + .., behind the last divided by their number. Until then
 * the map leads to the sum. */
static ValueId add_summand(Round *r, ValueId id, const Node *node) {
  Unscaling *u = r->all;
  ValueId before =
      r->round == 0 ? add_number(u, node, 0) : u->map[r->round - 1][id];
  Node sum =
      node_make(OP_ADD, node->phase, node->type, before, node->input[0], 0);
  sum.scale = node->scale;
  ValueId now = graph_add(u->new, &sum);
  if (!is_last(r))
    return now;
  ValueId rounds = add_number(u, node, (double)u->rounds);
  Node mean = node_make(OP_DIV, node->phase, node->type, now, rounds, 0);
  mean.scale = node->scale;
  return graph_add(u->new, &mean);
}

/* ---- the graph ----------------------------------------------------------- */

static ValueId add_unscaled(Round *r, ValueId id) {
  Unscaling *u = r->all;
  Node node = *graph_node(u->old, id);
  node.kernel = 0;
  for (int i = 0; i < MAX_INPUTS; i++)
    node.input[i] = r->map[node.input[i]];
  if (node.op == OP_INPUT)
    node.attr.index += (int32_t)(r->round * u->old->input.length);
  if (node.op == OP_STORE)
    return add_store(r, id, node);
  if (!type_is_real(node.type))
    return graph_add(u->new, &node);
  int32_t exponent = exponent_at(r, id);
  if (node.op == OP_PARAM && node.scale.kind == SCALE_NORMAL)
    return add_kept(u, node, exponent);
  if (node.op == OP_CAST && is_narrow(node.type))
    return add_cast(u, node, exponent);
  if (node.op == OP_CONST && is_narrow(node.type))
    return add_kept(u, node, exponent);
  if (node.op == OP_CONST)
    node.attr.value = ldexp(node.attr.value, exponent);
  node.scale = node.op == OP_PARAM ? scale_none() : scale_static(0);
  if (node.op == OP_ACCUMULATE)
    return add_summand(r, id, &node);
  return graph_add(u->new, &node);
}

/* An exponent, or the leaf or store of a state of exponents. */
static bool is_of_exponents(const Unscaling *u, ValueId id) {
  const Node *node = graph_node(u->old, id);
  bool state = node->op == OP_PARAM || node->op == OP_STORE;
  return node_defines_exponent(node) ||
         (state && u->program->param.data[node->attr.index].measured);
}

/* The update is that of the last. */
static void add_round(Round *r) {
  Unscaling *u = r->all;
  for (ValueId id = 1; id < u->old->count; id++) {
    const Node *node = graph_node(u->old, id);
    bool update = node->phase == PHASE_UPDATE && !node_is_leaf(node);
    assert_false(u->rounds > 1 && (op_is_random(node->op) ||
                                   node->attr.round == ROUND_STOCHASTIC));
    if (!is_of_exponents(u, id) && (is_last(r) || !update))
      r->map[id] = add_unscaled(r, id);
  }
  for (size_t i = 0; i < u->old->input.length; i++) {
    Input input = u->old->input.data[i];
    input.value = r->map[input.value];
    vec_push(&u->new->input, input);
  }
}

void unscale(Unscaling *u, Arena *arena) {
  u->new = graph_new(arena, u->old->kind, u->old->name);
  u->new->recipe = u->old->recipe;
  u->new->run = u->old->run;
  u->new->run.accumulate = 0;
  u->map = NEW_ARRAY(arena, ValueId *, u->rounds);
  for (size_t i = 0; i < u->rounds; i++) {
    u->map[i] = NEW_ARRAY(arena, ValueId, u->old->count);
    Round round = {u, i, u->measured[i], u->map[i]};
    add_round(&round);
  }
}
