/* Makers of ops that move elements, and of what they need: one a shape rule.
 *
 * In: the op. Out: a node with operands that its shape rule accepts, or 0.
 */
#include "tests/smith/smith.h"

static ValueId scalar_of(Smith *s, Format kind) {
  if (kind != FORMAT_BOOL && dice_chance(&s->dice, 40))
    return smith_number(s, kind,
                        kind == FORMAT_REAL
                            ? smith_real(s)
                            : (double)dice_range(&s->dice, -9, 9));
  return smith_want(s, kind, (Extent){.rank = 0});
}

static ValueId random_axis(Smith *s, Op op, ValueId x, Node *node) {
  *node = smith_node(s, op, x, 0, 0);
  if (x)
    node->attr.axis = dice_below(&s->dice, extent_of(s, x).rank);
  return x;
}

/* ---- leaves, conversions ------------------------------------------------- */

ValueId make_leaf(Smith *s, Op op) {
  Extent extent = smith_extent(s, 0, SMITH_RANK);
  if (op == OP_PARAM)
    return smith_param(s, extent, dice_chance(&s->dice, 30));
  if (op == OP_CONST)
    return smith_number(s, FORMAT_REAL, smith_real(s));
  return smith_want(s, smith_kind(s), extent);
}

ValueId make_convert(Smith *s, Op op) {
  static const Format to[] = {FORMAT_REAL, FORMAT_REAL, FORMAT_I32, FORMAT_BOOL,
                              FORMAT_U8,   FORMAT_U16,  FORMAT_I64};
  ValueId x = smith_pick(s, smith_kind(s), 0, SMITH_RANK);
  if (!x)
    return 0;
  Node node = smith_node(s, op, x, 0, 0);
  Extent extent = extent_of(s, x);
  node.type = smith_type(s, to[dice_below(&s->dice, 7)], &extent);
  return smith_emit(s, &node);
}

/* A cast of the text is pinned to its format. */
ValueId make_cast(Smith *s, Op op) {
  Format format = (Format)dice_below(&s->dice, FORMAT_COUNT);
  ValueId x = smith_pick(s, FORMAT_REAL, 0, SMITH_RANK);
  if (!x || !format_is_float(format) || format == FORMAT_F64 ||
      (s->native && !format_info(format)->has_code))
    return 0;
  Node node = smith_node(s, op, x, 0, 0);
  Extent extent = extent_of(s, x);
  node.type = smith_type(s, format, &extent);
  node.pinned = true;
  node.attr.round = (Rounding)dice_chance(&s->dice, 20);
  node.attr.overflow = (Overflow)dice_chance(&s->dice, 20);
  return smith_emit(s, &node);
}

/* ---- the same elements in another shape ---------------------------------- */

/* The elements of `from` in a random shape. */
static Extent refactored(Smith *s, Extent from) {
  int64_t left = extent_elements(&from);
  Extent extent = {.rank = 0};
  if (left == 0)
    return from;
  while (extent.rank < SMITH_RANK && (left > 1 || dice_chance(&s->dice, 20))) {
    int64_t factor = dice_range(&s->dice, 1, left);
    while (left % factor)
      factor--;
    extent.dim[extent.rank++] = factor;
    left /= factor;
  }
  if (left > 1)
    extent.dim[extent.rank - 1] *= left;
  return extent;
}

ValueId make_reshape(Smith *s, Op op) {
  ValueId x = smith_pick(s, smith_kind(s), 0, SMITH_RANK);
  if (!x)
    return 0;
  Node node = smith_node(s, op, x, 0, 0);
  Extent extent = refactored(s, extent_of(s, x));
  node.type = smith_type(s, graph_node(s->graph, x)->type->format, &extent);
  return smith_emit(s, &node);
}

static void letters(Buffer *out, const int *letter, int count) {
  for (int i = 0; i < count; i++)
    buffer_printf(out, "%s%c", i > 0 ? " " : "", 'a' + letter[i]);
}

static void shuffle(Smith *s, int *letter, int count) {
  for (int i = count; i > 1; i--) {
    int64_t j = dice_below(&s->dice, i);
    int kept = letter[i - 1];
    letter[i - 1] = letter[j];
    letter[j] = kept;
  }
}

static void give_pattern(Smith *s, Node *node, Buffer *text) {
  node->attr.pattern = intern(s->c->interner, text->data);
  buffer_free(text);
}

ValueId make_permute(Smith *s, Op op) {
  ValueId x = smith_pick(s, smith_kind(s), 0, SMITH_RANK);
  if (!x)
    return 0;
  int letter[MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7}, rank = extent_of(s, x).rank;
  Node node = smith_node(s, op, x, 0, 0);
  Buffer text = {0};
  letters(&text, letter, rank);
  shuffle(s, letter, rank);
  buffer_text(&text, rank ? " -> " : "->");
  letters(&text, letter, rank);
  give_pattern(s, &node, &text);
  return smith_emit(s, &node);
}

ValueId make_splat(Smith *s, Op op) {
  Format kind = smith_kind(s);
  ValueId x = scalar_of(s, kind);
  if (!x)
    return 0;
  Node node = smith_node(s, op, x, 0, 0);
  Extent extent = smith_extent(s, 0, SMITH_RANK);
  node.type = smith_type(s, graph_node(s->graph, x)->type->format, &extent);
  return smith_emit(s, &node);
}

/* Some axes of the result are the operand's, shuffled. */
/* Some axes of a random shape in random order; own[i]: which is axis i. */
static void narrow(Smith *s, Extent *in, Extent *out, int *own) {
  *out = smith_extent(s, 0, SMITH_RANK);
  for (int i = 0; i < out->rank; i++)
    if (dice_chance(&s->dice, 60))
      own[in->rank++] = i;
  shuffle(s, own, in->rank);
  for (int i = 0; i < in->rank; i++)
    in->dim[i] = out->dim[own[i]];
}

/* One axis more, if there is room for it. */
static void widen(Smith *s, const Extent *in, Extent *out, int *own) {
  int64_t room = SMITH_ELEMENTS / extent_elements(in);
  bool grows = in->rank < SMITH_RANK && room > 1;
  int at = grows ? (int)dice_below(&s->dice, in->rank + 1) : in->rank;
  *out = (Extent){.rank = in->rank + grows};
  if (grows)
    out->dim[at] = dice_range(&s->dice, 1, room < 4 ? room : 4);
  for (int i = 0; i < in->rank; i++) {
    own[i] = i + (i >= at);
    out->dim[own[i]] = in->dim[i];
  }
}

ValueId make_broadcast(Smith *s, Op op) {
  Format kind = smith_kind(s);
  Extent out, in = {.rank = 0};
  int letter[MAX_RANK], own[MAX_RANK];
  if (smith_like(s, kind, 0, SMITH_RANK, &in))
    widen(s, &in, &out, own);
  else
    narrow(s, &in, &out, own);
  for (int i = 0; i < out.rank; i++)
    letter[i] = i;
  ValueId x = smith_want(s, kind, in);
  if (!x)
    return 0;
  Node node = smith_node(s, op, x, 0, 0);
  Buffer text = {0};
  letters(&text, own, in.rank);
  buffer_text(&text, in.rank ? " -> " : "-> ");
  letters(&text, letter, out.rank);
  give_pattern(s, &node, &text);
  node.type = smith_type(s, graph_node(s->graph, x)->type->format, &out);
  return smith_emit(s, &node);
}

/* ---- pieces of an axis --------------------------------------------------- */

ValueId make_slice(Smith *s, Op op) {
  Node node;
  ValueId x =
      random_axis(s, op, smith_pick(s, smith_kind(s), 1, SMITH_RANK), &node);
  if (!x)
    return 0;
  int64_t n = extent_of(s, x).dim[node.attr.axis];
  node.attr.start = dice_range(&s->dice, 0, n);
  node.attr.size = dice_range(&s->dice, 0, n - node.attr.start);
  return smith_emit(s, &node);
}

ValueId make_concat(Smith *s, Op op) {
  Node node;
  Format kind = smith_kind(s);
  ValueId x = random_axis(s, op, smith_pick(s, kind, 1, SMITH_RANK), &node);
  if (!x)
    return 0;
  Extent extent = extent_of(s, x);
  int64_t count = dice_chance(&s->dice, 20) ? 3 : 2;
  for (int64_t i = 1; i < count; i++) {
    extent.dim[node.attr.axis] = dice_range(&s->dice, 0, 3);
    if (extent_elements(&extent) > SMITH_ELEMENTS)
      return 0;
    node.input[i] = smith_want(s, kind, extent);
    if (!node.input[i])
      return 0;
  }
  return smith_emit(s, &node);
}

ValueId make_pad(Smith *s, Op op) {
  Node node;
  Format kind = smith_kind(s);
  ValueId x = random_axis(s, op, smith_pick(s, kind, 1, SMITH_RANK), &node);
  node.input[1] = x ? scalar_of(s, kind) : 0;
  node.attr.low = dice_range(&s->dice, 0, 2);
  node.attr.high = dice_range(&s->dice, 0, 2);
  return node.input[1] ? smith_emit(s, &node) : 0;
}

ValueId make_reverse(Smith *s, Op op) {
  Node node;
  ValueId x =
      random_axis(s, op, smith_pick(s, smith_kind(s), 1, SMITH_RANK), &node);
  return x ? smith_emit(s, &node) : 0;
}

ValueId make_window(Smith *s, Op op) {
  Node node;
  ValueId x =
      random_axis(s, op, smith_pick(s, smith_kind(s), 1, SMITH_RANK), &node);
  if (!x)
    return 0;
  int64_t n = extent_of(s, x).dim[node.attr.axis];
  node.attr.size = dice_range(&s->dice, 0, n);
  node.input[1] = smith_indices(s, (Extent){.rank = 0}, n - node.attr.size + 1);
  return node.input[1] ? smith_emit(s, &node) : 0;
}

ValueId make_window_write(Smith *s, Op op) {
  Node node;
  Format kind = smith_kind(s);
  ValueId x = random_axis(s, op, smith_pick(s, kind, 1, SMITH_RANK), &node);
  if (!x)
    return 0;
  Extent extent = extent_of(s, x);
  int64_t n = extent.dim[node.attr.axis];
  extent.dim[node.attr.axis] = dice_range(&s->dice, 0, n);
  node.input[1] = smith_want(s, kind, extent);
  node.input[2] =
      smith_indices(s, (Extent){.rank = 0}, n - extent.dim[node.attr.axis] + 1);
  return node.input[1] && node.input[2] ? smith_emit(s, &node) : 0;
}

/* ---- by index ------------------------------------------------------------ */

ValueId make_gather(Smith *s, Op op) {
  Node node;
  ValueId x =
      random_axis(s, op, smith_pick_some(s, smith_kind(s), 1, 4), &node);
  if (!x)
    return 0;
  node.input[1] = smith_indices(s, smith_extent(s, 0, 2),
                                extent_of(s, x).dim[node.attr.axis]);
  return node.input[1] ? smith_emit(s, &node) : 0;
}

/* The axes of ids stand in updates from `axis` on. */
ValueId make_scatter_add(Smith *s, Op op) {
  ValueId x = smith_pick(s, FORMAT_REAL, 0, 4);
  if (!x)
    return 0;
  Node node = smith_node(s, op, x, 0, 0);
  Extent updates = extent_of(s, x), ids = {.rank = 0};
  ids.rank = (int)dice_range(&s->dice, 0, updates.rank < 2 ? updates.rank : 2);
  node.attr.axis = dice_range(&s->dice, 0, updates.rank - ids.rank);
  for (int i = 0; i < ids.rank; i++)
    ids.dim[i] = updates.dim[node.attr.axis + i];
  node.attr.size = dice_range(&s->dice, 1, 4);
  node.input[1] = smith_indices(s, ids, node.attr.size);
  return node.input[1] ? smith_emit(s, &node) : 0;
}

/* (x, updates, ids): the axes of ids in updates in the place of one of x. */
ValueId make_scatter(Smith *s, Op op) {
  Node node;
  Format kind = smith_kind(s);
  ValueId x = random_axis(s, op, smith_pick_some(s, kind, 1, 4), &node);
  if (!x)
    return 0;
  Extent from = extent_of(s, x), ids = smith_extent(s, 0, 2);
  int axis = (int)node.attr.axis;
  Extent updates = {.rank = from.rank - 1 + ids.rank};
  for (int i = 0; i < updates.rank; i++)
    updates.dim[i] = i < axis              ? from.dim[i]
                     : i < axis + ids.rank ? ids.dim[i - axis]
                                           : from.dim[i - ids.rank + 1];
  if (extent_elements(&updates) > SMITH_ELEMENTS)
    return 0;
  node.input[1] = smith_want(s, kind, updates);
  node.input[2] = smith_indices(s, ids, from.dim[axis]);
  return node.input[1] && node.input[2] ? smith_emit(s, &node) : 0;
}

ValueId make_take(Smith *s, Op op) {
  Node node;
  ValueId x =
      random_axis(s, op, smith_pick_some(s, smith_kind(s), 1, 4), &node);
  if (!x)
    return 0;
  Extent at = extent_of(s, x);
  int64_t n = at.dim[node.attr.axis];
  at.dim[node.attr.axis] = dice_range(&s->dice, 0, 3);
  if (extent_elements(&at) > SMITH_ELEMENTS)
    return 0;
  node.input[1] = smith_indices(s, at, n);
  return node.input[1] ? smith_emit(s, &node) : 0;
}

ValueId make_put_add(Smith *s, Op op) {
  Node node;
  ValueId x = random_axis(s, op, smith_pick(s, FORMAT_REAL, 1, 4), &node);
  if (!x)
    return 0;
  node.attr.size = dice_range(&s->dice, 1, 4);
  node.input[1] = smith_indices(s, extent_of(s, x), node.attr.size);
  return node.input[1] ? smith_emit(s, &node) : 0;
}

ValueId make_iota(Smith *s, Op op) {
  Node node = smith_node(s, op, 0, 0, 0);
  node.attr.size = dice_range(&s->dice, 0, 9);
  return smith_emit(s, &node);
}

ValueId make_argsort(Smith *s, Op op) {
  Node node;
  ValueId x =
      random_axis(s, op, smith_pick(s, smith_kind(s), 1, SMITH_RANK), &node);
  node.attr.descending = dice_chance(&s->dice, 50);
  return x ? smith_emit(s, &node) : 0;
}
