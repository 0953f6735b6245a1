/* Makers of contractions, reductions and composites over rows: one a shape
 * rule.
 *
 * In: the op. Out: a node with operands that its shape rule accepts, or 0.
 */
#include "tests/smith/smith.h"

/* ---- patterns ------------------------------------------------------------ */

/* Axes by letter: of each operand and of the result. */
typedef struct {
  int rank[3], letter[3][MAX_RANK];
  int64_t size[MAX_RANK];
} Axes;

static void axes_add(Axes *axes, int operand, int letter) {
  axes->letter[operand][axes->rank[operand]++] = letter;
}

static void axes_text(Buffer *out, const Axes *axes, int operand) {
  for (int i = 0; i < axes->rank[operand]; i++)
    buffer_printf(out, "%s%c", i > 0 ? " " : "",
                  'a' + axes->letter[operand][i]);
}

static const char *axes_pattern(Smith *s, const Axes *axes, bool two) {
  Buffer text = {0};
  axes_text(&text, axes, 0);
  if (two) {
    buffer_text(&text, axes->rank[0] ? ", " : ",");
    axes_text(&text, axes, 1);
  }
  buffer_text(&text, axes->rank[0] + axes->rank[1] ? " -> " : "-> ");
  axes_text(&text, axes, 2);
  const char *pattern = intern(s->c->interner, text.data);
  buffer_free(&text);
  return pattern;
}

static Extent axes_extent(const Axes *axes, int operand) {
  Extent extent = {.rank = axes->rank[operand]};
  for (int i = 0; i < extent.rank; i++)
    extent.dim[i] = axes->size[axes->letter[operand][i]];
  return extent;
}

static void axes_shuffle(Smith *s, Axes *axes, int operand) {
  int *letter = axes->letter[operand];
  for (int i = axes->rank[operand]; i > 1; i--) {
    int64_t j = dice_below(&s->dice, i);
    int kept = letter[i - 1];
    letter[i - 1] = letter[j];
    letter[j] = kept;
  }
}

/* Each axis is of one operand and the result, of both and the result (batch)
 * or of both alone (summed). */
ValueId make_einsum(Smith *s, Op op) {
  Axes axes = {.rank = {0}};
  Extent left;
  bool like = smith_like(s, FORMAT_REAL, 0, SMITH_RANK, &left);
  int count = like ? left.rank : (int)dice_range(&s->dice, 0, 5);
  for (int i = 0; i < count; i++) {
    int64_t use = dice_below(&s->dice, like ? 3 : 8);
    use = like && dice_chance(&s->dice, 60) ? use + 5 : use;
    axes.size[i] = like ? left.dim[i]
                   : dice_chance(&s->dice, s->native ? 0 : 2)
                       ? 0
                       : dice_range(&s->dice, 1, 4);
    if (use < 3 || use >= 5)
      axes_add(&axes, 0, i);
    if (use >= 3)
      axes_add(&axes, 1, i);
    if (use < 6)
      axes_add(&axes, 2, i);
  }
  for (int operand = like; operand < 3; operand++)
    axes_shuffle(s, &axes, operand);
  Extent a = axes_extent(&axes, 0), b = axes_extent(&axes, 1);
  if (extent_elements(&a) > SMITH_ELEMENTS ||
      extent_elements(&b) > SMITH_ELEMENTS)
    return 0;
  ValueId x = smith_want(s, FORMAT_REAL, a), y = smith_want(s, FORMAT_REAL, b);
  if (!x || !y)
    return 0;
  Node node = smith_node(s, op, x, y, 0);
  node.attr.pattern = axes_pattern(s, &axes, true);
  return smith_emit(s, &node);
}

/* Some axes go, the others keep their order. */
static Axes reduced_axes(Smith *s, ValueId x) {
  Axes axes = {.rank = {0}};
  Extent extent = extent_of(s, x);
  for (int i = 0; i < extent.rank; i++) {
    axes.size[i] = extent.dim[i];
    axes_add(&axes, 0, i);
    if (dice_chance(&s->dice, 50))
      axes_add(&axes, 2, i);
  }
  return axes;
}

static ValueId reduced(Smith *s, Op op, ValueId x) {
  if (!x)
    return 0;
  Axes axes = reduced_axes(s, x);
  Node node = smith_node(s, op, x, 0, 0);
  node.attr.pattern = axes_pattern(s, &axes, false);
  return smith_emit(s, &node);
}

ValueId make_reduce(Smith *s, Op op) {
  return reduced(s, op, smith_pick(s, FORMAT_REAL, 0, SMITH_RANK));
}

/* The largest of no elements does not exist. */
ValueId make_extreme(Smith *s, Op op) {
  return reduced(s, op, smith_pick_some(s, FORMAT_REAL, 0, SMITH_RANK));
}

/* (x, dy) */
ValueId make_reduce_grad(Smith *s, Op op) {
  ValueId x = smith_pick_some(s, FORMAT_REAL, 0, SMITH_RANK);
  if (!x)
    return 0;
  Axes axes = reduced_axes(s, x);
  ValueId dy = smith_want(s, FORMAT_REAL, axes_extent(&axes, 2));
  Node node = smith_node(s, op, x, dy, 0);
  node.attr.pattern = axes_pattern(s, &axes, false);
  return dy ? smith_emit(s, &node) : 0;
}

/* ---- along one axis ------------------------------------------------------ */

static ValueId along(Smith *s, Op op, ValueId x, ValueId dy) {
  if (!x)
    return 0;
  Node node = smith_node(s, op, x, dy, 0);
  node.attr.axis = dice_below(&s->dice, extent_of(s, x).rank);
  if (op_info(op)->attributes & ATTR(REVERSE))
    node.attr.reverse = dice_chance(&s->dice, 40);
  return smith_emit(s, &node);
}

ValueId make_argmax(Smith *s, Op op) {
  return along(s, op, smith_pick_some(s, FORMAT_REAL, 1, SMITH_RANK), 0);
}

ValueId make_along(Smith *s, Op op) {
  return along(s, op, smith_pick(s, FORMAT_REAL, 1, SMITH_RANK), 0);
}

ValueId make_along_grad(Smith *s, Op op) {
  ValueId y = smith_pick(s, FORMAT_REAL, 1, SMITH_RANK);
  ValueId dy = y ? smith_want(s, FORMAT_REAL, extent_of(s, y)) : 0;
  return dy ? along(s, op, y, dy) : 0;
}

/* ---- losses and labels --------------------------------------------------- */

/* Logits and the labels of their rows, into the node. */
static bool give_labels(Smith *s, Node *node) {
  ValueId logits = smith_pick_some(s, FORMAT_REAL, 1, 4);
  if (!logits)
    return false;
  Extent extent = extent_of(s, logits);
  int64_t classes = extent.dim[--extent.rank];
  node->input[0] = logits;
  node->input[1] = smith_indices(s, extent, classes);
  /* Compiled code has neither yet. */
  if (s->native)
    return node->input[1] != 0;
  if (dice_chance(&s->dice, 30))
    node->attr.smooth = (double)dice_range(&s->dice, 0, 4) / 8;
  if (dice_chance(&s->dice, 30))
    node->attr.ignore = dice_range(&s->dice, -1, classes - 1);
  return node->input[1] != 0;
}

ValueId make_softmax_xent(Smith *s, Op op) {
  Node node = smith_node(s, op, 0, 0, 0);
  return give_labels(s, &node) ? smith_emit(s, &node) : 0;
}

ValueId make_softmax_xent_grad(Smith *s, Op op) {
  Node node = smith_node(s, op, 0, 0, 0);
  if (!give_labels(s, &node))
    return 0;
  node.input[2] = smith_want(s, FORMAT_REAL, extent_of(s, node.input[1]));
  return node.input[2] ? smith_emit(s, &node) : 0;
}

ValueId make_onehot(Smith *s, Op op) {
  Node node = smith_node(s, op, 0, 0, 0);
  node.attr.size = dice_range(&s->dice, 1, 5);
  Extent ids;
  if (!smith_like(s, FORMAT_I32, 0, 3, &ids))
    ids = smith_extent(s, 0, 3);
  node.input[0] = smith_indices(s, ids, node.attr.size);
  return node.input[0] ? smith_emit(s, &node) : 0;
}

/* ---- norms --------------------------------------------------------------- */

static ValueId normed(Smith *s, Op op, ValueId x, ValueId dy) {
  static const double eps[] = {1e-5, 0, 1e-12, 0.25, 0x1p-40};
  Node node = smith_node(s, op, x, dy, 0);
  node.attr.eps = eps[dice_below(&s->dice, 5)];
  return x ? smith_emit(s, &node) : 0;
}

ValueId make_norm(Smith *s, Op op) {
  return normed(s, op, smith_pick(s, FORMAT_REAL, 1, SMITH_RANK), 0);
}

ValueId make_norm_grad(Smith *s, Op op) {
  ValueId x = smith_pick(s, FORMAT_REAL, 1, SMITH_RANK);
  ValueId dy = x ? smith_want(s, FORMAT_REAL, extent_of(s, x)) : 0;
  return dy ? normed(s, op, x, dy) : 0;
}
