/* Makers of elementwise ops, of random numbers and of scale control: one a
 * shape rule.
 *
 * In: the op. Out: a node with operands that its shape rule accepts, or 0.
 */
#include "tests/smith/smith.h"

#include <string.h>

/* Reals, or the i32 that the arithmetic ops take too; compiled code has none of
 * it yet. */
static Format number_kind(Smith *s) {
  return s->native || dice_chance(&s->dice, 80) ? FORMAT_REAL : FORMAT_I32;
}

/* A shape that combines with `extent` (language.md 6). */
static Extent fellow_extent(Smith *s, Extent extent) {
  Extent fellow = extent;
  int64_t choice = dice_below(&s->dice, 10);
  if (choice < 5)
    return fellow;
  if (choice < 8) {
    int drop = (int)dice_range(&s->dice, 0, extent.rank);
    fellow.rank -= drop;
    memmove(fellow.dim, extent.dim + drop,
            (size_t)fellow.rank * sizeof *fellow.dim);
    return fellow;
  }
  for (int i = 0; i < fellow.rank; i++)
    if (dice_chance(&s->dice, 50))
      fellow.dim[i] = 1;
  return fellow;
}

static ValueId fellow_of(Smith *s, Format kind, ValueId x) {
  if (kind != FORMAT_BOOL && dice_chance(&s->dice, 20))
    return smith_number(s, kind,
                        kind == FORMAT_REAL
                            ? smith_real(s)
                            : (double)dice_range(&s->dice, -9, 9));
  return smith_want(s, kind, fellow_extent(s, extent_of(s, x)));
}

/* Two operands of one kind whose shapes combine, in either order. */
static ValueId make_pair(Smith *s, Op op, Format kind) {
  ValueId a = smith_pick(s, kind, 0, SMITH_RANK);
  ValueId b = a ? fellow_of(s, kind, a) : 0;
  if (!b)
    return 0;
  bool swap = dice_chance(&s->dice, 40);
  Node node = smith_node(s, op, swap ? b : a, swap ? a : b, 0);
  return smith_emit(s, &node);
}

static ValueId make_single(Smith *s, Op op, Format kind) {
  ValueId x = smith_pick(s, kind, 0, SMITH_RANK);
  Node node = smith_node(s, op, x, 0, 0);
  if (op_info(op)->attributes & ATTR(BY))
    node.attr.by = (Norm)dice_below(&s->dice, NORM_COUNT);
  return x ? smith_emit(s, &node) : 0;
}

/* ---- one operand --------------------------------------------------------- */

ValueId make_signed(Smith *s, Op op) {
  return make_single(s, op, number_kind(s));
}

/* rebalance needs exponents; accumulate is the business of its phase. */
ValueId make_unary(Smith *s, Op op) {
  if (op == OP_ACCUMULATE && s->phase != PHASE_ACCUMULATE)
    return 0;
  return make_single(s, op, FORMAT_REAL);
}

ValueId make_predicate(Smith *s, Op op) {
  return make_single(s, op, FORMAT_REAL);
}

ValueId make_not(Smith *s, Op op) {
  return make_single(s, op, FORMAT_BOOL);
}

ValueId make_marker(Smith *s, Op op) {
  return make_marked(s, op);
}

ValueId make_marked(Smith *s, Op op) {
  static const Format to[] = {FORMAT_F16, FORMAT_BF16, FORMAT_E4M3, FORMAT_E5M2,
                              FORMAT_F32};
  ValueId x = smith_pick(s, FORMAT_REAL, 0, SMITH_RANK);
  if (!x)
    return 0;
  AttributeSet attributes = op_info(op)->attributes;
  Node node = smith_node(s, op, x, 0, 0);
  if (attributes & ATTR(EXPONENT))
    node.attr.exponent = dice_range(&s->dice, -60, 60);
  if (attributes & ATTR(TO))
    node.attr.to = to[dice_below(&s->dice, 5)];
  if (attributes & ATTR(BY))
    node.attr.by = (Norm)dice_below(&s->dice, NORM_COUNT);
  return smith_emit(s, &node);
}

/* Measured each time, every so often, or by what was before. */
ValueId make_rescale(Smith *s, Op op) {
  static const Format fit[] = {FORMAT_NONE, FORMAT_NONE, FORMAT_F16,
                               FORMAT_E4M3, FORMAT_E5M2};
  ValueId x = smith_pick(s, FORMAT_REAL, 0, SMITH_RANK);
  if (!x)
    return 0;
  Node node = smith_node(s, op, x, 0, 0);
  node.attr.by = (Norm)dice_below(&s->dice, NORM_COUNT);
  node.attr.fit = fit[dice_below(&s->dice, 5)];
  if (node.attr.fit != FORMAT_NONE)
    node.attr.by = NORM_MAX;
  switch (dice_below(&s->dice, 4)) {
  case 0:
    node.attr.every = dice_range(&s->dice, 1, 3);
    break;
  case 1:
    node.attr.history = dice_range(&s->dice, 1, 3);
    break;
  default:
    break;
  }
  return smith_emit(s, &node);
}

ValueId make_scale_of(Smith *s, Op op) {
  return make_single(s, op, FORMAT_REAL);
}

/* Exponents are named from level scaled on only. */
ValueId make_exponent(Smith *s, Op op) {
  (void)s, (void)op;
  return 0;
}

/* ---- two operands -------------------------------------------------------- */

ValueId make_arithmetic(Smith *s, Op op) {
  return make_pair(s, op, number_kind(s));
}

ValueId make_binary(Smith *s, Op op) {
  return make_pair(s, op, FORMAT_REAL);
}

ValueId make_integers(Smith *s, Op op) {
  return make_pair(s, op, FORMAT_I32);
}

ValueId make_logic(Smith *s, Op op) {
  return make_pair(s, op, FORMAT_BOOL);
}

ValueId make_comparison(Smith *s, Op op) {
  static const Format kind[] = {FORMAT_REAL, FORMAT_REAL, FORMAT_I32,
                                FORMAT_BOOL};
  return make_pair(s, op, kind[dice_below(&s->dice, 4)]);
}

/* Two reals of one shape. */
ValueId make_paired(Smith *s, Op op) {
  ValueId a = smith_pick(s, FORMAT_REAL, 0, SMITH_RANK);
  ValueId b = a ? smith_want(s, FORMAT_REAL, extent_of(s, a)) : 0;
  Node node = smith_node(s, op, a, b, 0);
  return b ? smith_emit(s, &node) : 0;
}

/* (dy, y), y real or the mask that relu saves. */
ValueId make_relu_grad(Smith *s, Op op) {
  ValueId a = smith_pick(s, FORMAT_REAL, 0, SMITH_RANK);
  Format kind = dice_chance(&s->dice, 25) ? FORMAT_BOOL : FORMAT_REAL;
  ValueId b = a ? smith_want(s, kind, extent_of(s, a)) : 0;
  Node node = smith_node(s, op, a, b, 0);
  return b ? smith_emit(s, &node) : 0;
}

/* The condition combines with the combination of both others. */
ValueId make_select(Smith *s, Op op) {
  Format kind = dice_chance(&s->dice, 80)   ? FORMAT_REAL
                : dice_chance(&s->dice, 70) ? FORMAT_I32
                                            : FORMAT_BOOL;
  ValueId a = smith_pick(s, kind, 0, SMITH_RANK);
  ValueId b = a ? fellow_of(s, kind, a) : 0;
  if (!b)
    return 0;
  bool swap = dice_chance(&s->dice, 40);
  int rank;
  Extent both = {.rank = 0};
  if (!shape_combine(graph_node(s->graph, a)->type,
                     graph_node(s->graph, b)->type, &rank, both.dim))
    return 0;
  both.rank = rank;
  ValueId c = smith_want(s, FORMAT_BOOL, fellow_extent(s, both));
  Node node = smith_node(s, op, c, swap ? b : a, swap ? a : b);
  return c ? smith_emit(s, &node) : 0;
}

/* ---- random numbers, moved images ---------------------------------------- */

ValueId make_random(Smith *s, Op op) {
  AttributeSet attributes = op_info(op)->attributes;
  Node node = smith_node(s, op, 0, 0, 0);
  Extent extent = smith_extent(s, 0, SMITH_RANK);
  node.type =
      smith_type(s, op == OP_BERNOULLI ? FORMAT_BOOL : FORMAT_I32, &extent);
  if (attributes & ATTR(PROBABILITY))
    node.attr.probability = (double)dice_range(&s->dice, 0, 8) / 8;
  if (attributes & ATTR(LOW))
    node.attr.low = dice_range(&s->dice, -9, 4);
  if (attributes & ATTR(HIGH))
    node.attr.high = node.attr.low + dice_range(&s->dice, 1, 20);
  return smith_emit(s, &node);
}

ValueId make_translate(Smith *s, Op op) {
  ValueId x = smith_pick(s, FORMAT_REAL, 2, 5);
  if (!x)
    return 0;
  Extent extent = extent_of(s, x);
  Extent offsets = {2,
                    {extent.dim[0], dice_range(&s->dice, 1, extent.rank - 1)}};
  ValueId by = smith_want(s, FORMAT_I32, offsets);
  Node node = smith_node(s, op, x, by, 0);
  node.attr.reverse = dice_chance(&s->dice, 40);
  return by ? smith_emit(s, &node) : 0;
}

/* ---- effects ------------------------------------------------------------- */

/* Each parameter is stored once; a new one where all are. */
static int32_t unstored_param(Smith *s, const Extent *extent, Format kind) {
  for (size_t i = 0; i < s->program->param.length; i++) {
    const Type *type = s->program->param.data[i].type;
    bool taken = type->rank != extent->rank || type->format != kind ||
                 memcmp(type->dim, extent->dim,
                        (size_t)extent->rank * sizeof *extent->dim) != 0;
    bool own = false;
    for (ValueId id = 1; id < s->graph->count; id++) {
      const Node *node = graph_node(s->graph, id);
      taken |= node->op == OP_STORE && node->attr.index == (int32_t)i;
      own |= node->op == OP_PARAM && node->attr.index == (int32_t)i;
    }
    if (!taken && own)
      return (int32_t)i;
  }
  return -1;
}

ValueId make_store(Smith *s, Op op) {
  ValueId x = smith_pick(s, FORMAT_REAL, 0, SMITH_RANK);
  if (!x || s->phase != PHASE_UPDATE)
    return 0;
  Extent extent = extent_of(s, x);
  int32_t index = unstored_param(s, &extent, FORMAT_REAL);
  if (index < 0) {
    smith_param(s, extent, true);
    index = (int32_t)s->program->param.length - 1;
  }
  Node node = smith_node(s, op, x, 0, 0);
  node.type = s->program->param.data[index].type;
  node.attr.index = index;
  node.attr.round = (Rounding)dice_chance(&s->dice, 10);
  node.attr.overflow = (Overflow)dice_chance(&s->dice, 10);
  return graph_add(s->graph, &node);
}
