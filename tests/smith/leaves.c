/* Operands: a value that is there already, or a new one.
 *
 * In: the kind and shape that an op wants. Out: a value of just that; with the
 * probability `reuse` one that exists, else a leaf or an op that gives it.
 */
#include "tests/smith/smith.h"

#include <math.h>
#include <string.h>

/* ---- shapes -------------------------------------------------------------- */

int64_t extent_elements(const Extent *extent) {
  int64_t n = 1;
  for (int i = 0; i < extent->rank; i++)
    n *= extent->dim[i];
  return n;
}

Extent extent_of(const Smith *s, ValueId id) {
  const Type *type = graph_node(s->graph, id)->type;
  Extent extent = {.rank = type->rank};
  memcpy(extent.dim, type->dim, sizeof extent.dim);
  return extent;
}

Extent smith_extent(Smith *s, int low_rank, int high_rank) {
  Extent extent = {.rank = (int)dice_range(&s->dice, low_rank, high_rank)};
  int64_t room = SMITH_ELEMENTS;
  for (int i = extent.rank; i-- > 0;) {
    int64_t most = i > 2 ? 3 : 7;
    extent.dim[i] = dice_range(&s->dice, 1, most < room ? most : room);
    room /= extent.dim[i];
  }
  /* Compiled code has no empty tensors. */
  if (extent.rank > 0 && !s->native && dice_chance(&s->dice, 3))
    extent.dim[dice_below(&s->dice, extent.rank)] = 0;
  return extent;
}

const Type *smith_type(Smith *s, Format format, const Extent *extent) {
  return type_make(s->program->types, format, extent->rank, extent->dim);
}

/* ---- numbers ------------------------------------------------------------- */

double smith_real(Smith *s) {
  static const double special[] = {
      0.0,   -0.0,  INFINITY,       -INFINITY, NAN,  0x1p-149, 0x1p-126, 448,
      57344, 65504, 0x1.fffffep127, -0x1p127,  1e-5, 0.1,      -1};
  double sign = dice_chance(&s->dice, 40) ? -1 : 1;
  double unit = 1 + (double)dice_below(&s->dice, 1 << 20) * 0x1p-20;
  switch (dice_below(&s->dice, 8)) {
  case 0:
  case 1:
    return (double)dice_range(&s->dice, -4, 8);
  case 2:
    return sign * ldexp(unit, (int)dice_range(&s->dice, -60, 60));
  case 3:
    return ldexp(sign, (int)dice_range(&s->dice, -20, 20));
  case 4:
    return (double)(float)special[dice_below(
        &s->dice, (int64_t)(sizeof special / sizeof *special))];
  default:
    return sign * (double)(float)(unit - 0.9);
  }
}

ValueId smith_number(Smith *s, Format kind, double value) {
  const Type *type = type_scalar(s->program->types, kind);
  Node node = node_make(OP_CONST, s->phase, type, 0, 0, 0);
  node.attr.value = value;
  return graph_add(s->graph, &node);
}

/* ---- leaves -------------------------------------------------------------- */

static Init random_init(Smith *s) {
  double size = ldexp(1, (int)(dice_chance(&s->dice, 60)
                                   ? dice_range(&s->dice, -4, 3)
                                   : dice_range(&s->dice, -60, 60)));
  double other = size * (double)dice_range(&s->dice, 1, 4);
  switch (dice_below(&s->dice, 8)) {
  case 0:
    return (Init){INIT_ZEROS, 0, 0};
  case 1:
    return (Init){INIT_ONES, 0, 0};
  case 2:
    return (Init){INIT_UNIFORM, -size, other};
  case 3:
    return (Init){INIT_CONSTANT, size * 1.25, 0};
  case 4:
    return (Init){INIT_TRUNC_NORMAL, size, 0};
  default:
    return (Init){INIT_NORMAL, size, 0};
  }
}

ValueId smith_param(Smith *s, Extent extent, bool state) {
  Parameter param = {.state = state};
  const char *base =
      intern_printf(s->c->interner, "%s%s%zu", s->prefix, state ? "s" : "m.w",
                    s->program->param.length);
  param.name = intern(s->c->interner, base);
  if (!name_claim(s->names, param.name))
    return 0;
  param.type = smith_type(s, FORMAT_REAL, &extent);
  param.init = random_init(s);
  if (dice_chance(&s->dice, 10))
    param.round = ROUND_STOCHASTIC;
  vec_push(&s->program->param, param);
  Node node = node_make(OP_PARAM, PHASE_FORWARD, param.type, 0, 0, 0);
  node.attr.index = (int32_t)s->program->param.length - 1;
  node.name = param.name;
  return graph_add(s->graph, &node);
}

static ValueId add_input(Smith *s, Format format, Extent extent) {
  Node node = node_make(OP_INPUT, PHASE_FORWARD, smith_type(s, format, &extent),
                        0, 0, 0);
  node.attr.index = (int32_t)s->graph->input.length;
  node.name = intern_printf(s->c->interner, "x%zu", s->graph->input.length);
  if (!name_claim(s->names, node.name))
    return 0;
  ValueId id = graph_add(s->graph, &node);
  Input input = {.name = node.name, .source = SOURCE_ARGUMENT, .value = id};
  if (format == FORMAT_REAL && extent.rank == 0 && !s->native &&
      dice_chance(&s->dice, 10))
    input.source = SOURCE_STEP;
  vec_push(&s->graph->input, input);
  return id;
}

static bool compiled_format(const Smith *s, Format format) {
  return !s->native || format_info(format)->has_code;
}

/* Real numbers may come in any float format of up to 32 bits. */
static Format input_format(Smith *s) {
  Format format = FORMAT_REAL;
  if (dice_chance(&s->dice, 15))
    format = (Format)dice_below(&s->dice, FORMAT_COUNT);
  return format_is_float(format) && format != FORMAT_F64 &&
                 compiled_format(s, format)
             ? format
             : FORMAT_REAL;
}

static ValueId new_leaf(Smith *s, Format kind, Extent extent) {
  if (kind != FORMAT_REAL)
    return s->once && s->phase != PHASE_FORWARD ? 0
                                                : add_input(s, kind, extent);
  int64_t choice = dice_below(&s->dice, 10);
  if (choice < 5 && s->phase == PHASE_FORWARD)
    return add_input(s, input_format(s), extent);
  return smith_param(s, extent, choice >= 8);
}

/* ---- what is there ------------------------------------------------------- */

/* After the last micro-batch only what was accumulated has one value. */
bool smith_readable(const Smith *s, ValueId id) {
  const Node *node = graph_node(s->graph, id);
  if (node->op == OP_STORE || (node->op == OP_CONST && id != s->next_to) ||
      node_defines_exponent(node))
    return false;
  if (node_is_placeholder(node))
    return s->phase == (s->once ? PHASE_ACCUMULATE : PHASE_UPDATE) ||
           (!s->once && s->phase == PHASE_BACKWARD);
  if (s->once && s->phase == PHASE_UPDATE)
    return node->phase >= PHASE_ACCUMULATE || node->op == OP_PARAM;
  return true;
}

static bool is_kind(const Smith *s, ValueId id, Format kind) {
  const Type *type = graph_node(s->graph, id)->type;
  return kind == FORMAT_REAL ? type_is_real(type) : type->format == kind;
}

static bool has_extent(const Smith *s, ValueId id, const Extent *extent) {
  const Type *type = graph_node(s->graph, id)->type;
  return type->rank == extent->rank &&
         memcmp(type->dim, extent->dim,
                (size_t)extent->rank * sizeof *extent->dim) == 0;
}

typedef struct {
  ValueId id[SMITH_NODES];
  int count;
} Choice;

static ValueId choose(Smith *s, const Choice *choice) {
  if (choice->count == 0)
    return 0;
  for (int i = 0; i < choice->count; i++)
    if (choice->id[i] == s->next_to && dice_chance(&s->dice, 80))
      return s->next_to;
  /* The newest values twice as often: chains grow. */
  int64_t at = dice_below(&s->dice, choice->count);
  int64_t other = dice_below(&s->dice, choice->count);
  return choice->id[at > other ? at : other];
}

static void offer(const Smith *s, Choice *choice, ValueId id, Format kind) {
  if (choice->count < SMITH_NODES && smith_readable(s, id) &&
      is_kind(s, id, kind))
    choice->id[choice->count++] = id;
}

static ValueId existing(Smith *s, Format kind, const Extent *extent) {
  Choice choice = {.count = 0};
  for (ValueId id = 1; id < s->graph->count; id++)
    if (has_extent(s, id, extent))
      offer(s, &choice, id, kind);
  return choose(s, &choice);
}

/* ---- made to measure ----------------------------------------------------- */

static ValueId reshaped(Smith *s, Format kind, const Extent *extent) {
  Choice choice = {.count = 0};
  int64_t n = extent_elements(extent);
  for (ValueId id = 1; id < s->graph->count; id++)
    if (graph_node(s->graph, id)->type->elements == n)
      offer(s, &choice, id, kind);
  ValueId x = choose(s, &choice);
  if (!x)
    return 0;
  Node node = smith_node(s, OP_RESHAPE, x, 0, 0);
  Format format = graph_node(s->graph, x)->type->format;
  node.type = smith_type(s, format, extent);
  return smith_emit(s, &node);
}

static ValueId splatted(Smith *s, Format kind, const Extent *extent) {
  Extent scalar = {.rank = 0};
  ValueId x = existing(s, kind, &scalar);
  if (!x)
    return 0;
  Node node = smith_node(s, OP_SPLAT, x, 0, 0);
  node.type = smith_type(s, graph_node(s->graph, x)->type->format, extent);
  return smith_emit(s, &node);
}

static ValueId compared(Smith *s, Extent extent) {
  static const Op op[] = {OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE};
  Op chosen = op[dice_below(&s->dice, 6)];
  ValueId a = smith_want(s, FORMAT_REAL, extent);
  ValueId b = smith_want(s, FORMAT_REAL, extent);
  if (!a || !b)
    return 0;
  Node node = smith_node(s, chosen, a, b, 0);
  return smith_emit(s, &node);
}

static ValueId converted(Smith *s, Format kind, Extent extent) {
  static const Format from[] = {FORMAT_REAL, FORMAT_I32, FORMAT_BOOL};
  Format source = from[dice_below(&s->dice, 3)];
  ValueId x = source == kind ? 0 : existing(s, source, &extent);
  if (!x)
    return 0;
  Node node = smith_node(s, OP_CONVERT, x, 0, 0);
  node.type = smith_type(s, kind, &extent);
  return smith_emit(s, &node);
}

static ValueId drawn(Smith *s, Op op, Extent extent) {
  Node node = smith_node(s, op, 0, 0, 0);
  bool whole = op == OP_RANDOM_INT;
  node.type = smith_type(s, whole ? FORMAT_I32 : FORMAT_BOOL, &extent);
  node.attr.low = whole ? dice_range(&s->dice, -9, 0) : 0;
  node.attr.high = whole ? dice_range(&s->dice, 1, 9) : 0;
  node.attr.probability = whole ? 0 : (double)dice_range(&s->dice, 0, 8) / 8;
  return smith_emit(s, &node);
}

static ValueId tailored(Smith *s, Format kind, Extent extent) {
  switch (dice_below(&s->dice, 5)) {
  case 0:
    return reshaped(s, kind, &extent);
  case 1:
    return splatted(s, kind, &extent);
  case 2:
    return converted(s, kind, extent);
  case 3:
    return kind == FORMAT_I32    ? drawn(s, OP_RANDOM_INT, extent)
           : kind == FORMAT_BOOL ? drawn(s, OP_BERNOULLI, extent)
                                 : 0;
  default:
    return kind == FORMAT_BOOL ? compared(s, extent) : 0;
  }
}

ValueId smith_want(Smith *s, Format kind, Extent extent) {
  ValueId found =
      dice_chance(&s->dice, s->reuse) ? existing(s, kind, &extent) : 0;
  if (!found && s->depth < 3 && dice_chance(&s->dice, 70)) {
    s->depth++;
    found = tailored(s, kind, extent);
    s->depth--;
  }
  return found ? found : new_leaf(s, kind, extent);
}

Format smith_kind(Smith *s) {
  int64_t choice = dice_below(&s->dice, 10);
  if (s->next_to && choice < 8) {
    const Type *type = graph_node(s->graph, s->next_to)->type;
    return type_is_real(type) ? FORMAT_REAL : type->format;
  }
  return choice < 7 ? FORMAT_REAL : choice < 9 ? FORMAT_I32 : FORMAT_BOOL;
}

/* ---- operands of a rank -------------------------------------------------- */

static Choice choice_of_ranks(const Smith *s, Format kind, int low, int high,
                              bool some) {
  Choice choice = {.count = 0};
  for (ValueId id = 1; id < s->graph->count; id++) {
    const Type *type = graph_node(s->graph, id)->type;
    if (type->rank >= low && type->rank <= high &&
        !(some && type->elements == 0))
      offer(s, &choice, id, kind);
  }
  return choice;
}

static ValueId pick(Smith *s, Format kind, int low, int high, bool some) {
  Choice choice = choice_of_ranks(s, kind, low, high, some);
  if (choice.count > 0 && dice_chance(&s->dice, s->reuse + 15))
    return choose(s, &choice);
  Extent extent = smith_extent(s, low, high);
  for (int i = 0; some && i < extent.rank; i++)
    extent.dim[i] += extent.dim[i] == 0;
  return smith_want(s, kind, extent);
}

ValueId smith_pick(Smith *s, Format kind, int low, int high) {
  return pick(s, kind, low, high, false);
}

ValueId smith_pick_some(Smith *s, Format kind, int low, int high) {
  return pick(s, kind, low, high, true);
}

bool smith_like(Smith *s, Format kind, int low, int high, Extent *out) {
  if (!dice_chance(&s->dice, s->next_to ? 85 : 30))
    return false;
  Choice choice = choice_of_ranks(s, kind, low, high, true);
  ValueId id = choose(s, &choice);
  if (id)
    *out = extent_of(s, id);
  return id != 0;
}

/* ---- indices ------------------------------------------------------------- */

static ValueId reduced_index(Smith *s, Extent extent, int64_t limit) {
  ValueId x = smith_want(s, FORMAT_I32, extent);
  if (!x)
    return 0;
  Node node =
      smith_node(s, OP_MOD, x, smith_number(s, FORMAT_I32, (double)limit), 0);
  return smith_emit(s, &node);
}

static ValueId drawn_index(Smith *s, Extent extent, int64_t limit) {
  Node node = smith_node(s, OP_RANDOM_INT, 0, 0, 0);
  node.type = smith_type(s, FORMAT_I32, &extent);
  node.attr.low = 0;
  node.attr.high = limit;
  return smith_emit(s, &node);
}

/* The order of a list of at most `limit` numbers. */
static ValueId sorted_index(Smith *s, Extent extent, int64_t limit) {
  int64_t axis = extent.rank > 0 ? dice_below(&s->dice, extent.rank) : 0;
  if (extent.rank == 0 || extent.dim[axis] > limit)
    return 0;
  ValueId x = smith_want(s, FORMAT_REAL, extent);
  if (!x)
    return 0;
  Node node = smith_node(s, OP_ARGSORT, x, 0, 0);
  node.attr.axis = axis;
  return smith_emit(s, &node);
}

/* 0, 1, .. */
static ValueId counted_index(Smith *s, Extent extent, int64_t limit) {
  if (extent.rank != 1 || extent.dim[0] > limit)
    return 0;
  Node node = smith_node(s, OP_IOTA, 0, 0, 0);
  node.attr.size = extent.dim[0];
  return smith_emit(s, &node);
}

/* Where the largest or smallest of at most `limit` numbers are. */
static ValueId found_index(Smith *s, Extent extent, int64_t limit) {
  Extent from = extent;
  int axis = (int)dice_below(&s->dice, extent.rank + 1);
  if (extent.rank == SMITH_RANK)
    return 0;
  from.dim[axis] = dice_range(&s->dice, 1, limit < 4 ? limit : 4);
  for (int i = axis; i < extent.rank; i++)
    from.dim[i + 1] = extent.dim[i];
  from.rank++;
  ValueId x = extent_elements(&from) <= SMITH_ELEMENTS
                  ? smith_want(s, FORMAT_REAL, from)
                  : 0;
  if (!x)
    return 0;
  bool largest = dice_chance(&s->dice, 50);
  Node node = smith_node(s, largest ? OP_ARGMAX : OP_ARGMIN, x, 0, 0);
  node.attr.axis = axis;
  return smith_emit(s, &node);
}

/* i / n, which chooses like i. */
static ValueId divided_index(Smith *s, Extent extent, int64_t limit) {
  ValueId x = drawn_index(s, extent, limit);
  if (!x)
    return 0;
  double by = (double)dice_range(&s->dice, 1, 4);
  Node node = smith_node(s, OP_FLOORDIV, x, smith_number(s, FORMAT_I32, by), 0);
  return smith_emit(s, &node);
}

/* An input that only choosers read: its limit is theirs (ir.h). */
static ValueId label_index(Smith *s, Extent extent) {
  static const Format format[] = {FORMAT_U8, FORMAT_I32, FORMAT_U16,
                                  FORMAT_I64};
  return s->phase == PHASE_FORWARD || !s->once
             ? add_input(s, format[dice_below(&s->dice, 4)], extent)
             : 0;
}

/* Does what is next to it lie in [0, limit) already? */
static bool is_within(const Smith *s, ValueId id, int64_t limit) {
  const Node *node = graph_node(s->graph, id);
  switch (node->op) {
  case OP_RANDOM_INT:
    return node->attr.low >= 0 && node->attr.high <= limit;
  case OP_IOTA:
    return node->attr.size <= limit;
  case OP_ARGMAX:
  case OP_ARGMIN:
  case OP_ARGSORT:
    return graph_node(s->graph, node->input[0])->type->dim[node->attr.axis] <=
           limit;
  default:
    return false;
  }
}

static ValueId indexing(Smith *s, const Extent *extent, int64_t limit) {
  ValueId id = s->next_to;
  return id && has_extent(s, id, extent) && is_kind(s, id, FORMAT_I32) &&
                 smith_readable(s, id) && is_within(s, id, limit)
             ? id
             : 0;
}

ValueId smith_indices(Smith *s, Extent extent, int64_t limit) {
  if (limit < 1)
    return 0;
  ValueId found = indexing(s, &extent, limit);
  if (found)
    return found;
  s->depth++;
  if (s->depth < 4)
    switch (dice_below(&s->dice, 8)) {
    case 0:
      found = reduced_index(s, extent, limit);
      break;
    case 1:
      found = drawn_index(s, extent, limit);
      break;
    case 2:
      found = sorted_index(s, extent, limit);
      break;
    case 3:
      found = counted_index(s, extent, limit);
      break;
    case 4:
      found = found_index(s, extent, limit);
      break;
    case 5:
      found = divided_index(s, extent, limit);
      break;
    default:
      break;
    }
  s->depth--;
  return found ? found : label_index(s, extent);
}
