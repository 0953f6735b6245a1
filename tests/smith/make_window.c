/* Makers of convolutions and pools: one a shape rule.
 *
 * In: the op. Out: a node with operands that its shape rule accepts, or 0. The
 * geometry is chosen first: images, windows, steps; then the operands.
 */
#include "tests/smith/smith.h"

#include "ir/window.h"

/* x [n, spatial.., c], w [c_out, window.., c / groups], y of conv(x, w). */
typedef struct {
  Extent x, w, y;
  Attributes attr;
} Geometry;

static WholeList random_list(Smith *s, int count, int32_t low, int32_t high) {
  WholeList list = {.count = dice_chance(&s->dice, 50) ? 0 : count};
  for (int i = 0; i < list.count; i++)
    list.at[i] = (int32_t)dice_range(&s->dice, low, high);
  return list;
}

/* The image, its channels too, is like a value that is there: true. */
static bool random_image(Smith *s, Geometry *g, int spatial) {
  if (smith_like(s, FORMAT_REAL, spatial + 2, spatial + 2, &g->x))
    return true;
  int64_t most = spatial == 1 ? 7 : spatial == 2 ? 4 : 3;
  g->x = (Extent){.rank = spatial + 2};
  g->x.dim[0] = dice_range(&s->dice, 1, 2);
  for (int i = 0; i < spatial; i++)
    g->x.dim[i + 1] = dice_range(&s->dice, 1, most);
  return false;
}

/* Where it may be like a value: three to five axes, mostly its own. */
static int random_spatial(Smith *s) {
  int rank = s->next_to ? graph_node(s->graph, s->next_to)->type->rank : 0;
  return rank > 2 && rank <= MAX_SPATIAL + 2
             ? rank - 2
             : (int)dice_range(&s->dice, 1, MAX_SPATIAL);
}

/* Sizes of the result from windows of `window` taps; false: they do not fit. */
static bool give_positions(Smith *s, Geometry *g, const int64_t *window,
                           int64_t channels) {
  Windows windows;
  const char *error;
  int spatial = g->x.rank - 2;
  if (!windows_make(&g->attr, spatial, g->x.dim + 1, window, s->c->arena,
                    &error, &windows))
    return false;
  g->y = (Extent){.rank = spatial + 2, .dim = {g->x.dim[0]}};
  for (int i = 0; i < spatial; i++)
    g->y.dim[i + 1] = windows.out[i];
  g->y.dim[spatial + 1] = channels;
  return extent_elements(&g->x) <= SMITH_ELEMENTS &&
         extent_elements(&g->w) <= SMITH_ELEMENTS &&
         extent_elements(&g->y) <= SMITH_ELEMENTS;
}

/* Windows of one tap and as many channels after as before: y is like x. */
static bool pointwise_convolution(Smith *s, Geometry *g) {
  int spatial = g->x.rank - 2;
  int64_t channels = g->x.dim[spatial + 1];
  g->w = (Extent){.rank = spatial + 2, .dim = {channels}};
  for (int i = 0; i < spatial; i++)
    g->w.dim[i + 1] = 1;
  g->w.dim[spatial + 1] = channels;
  return give_positions(s, g, g->w.dim + 1, channels);
}

static bool random_convolution(Smith *s, Geometry *g) {
  int spatial = random_spatial(s);
  *g = (Geometry){.attr = attributes_neutral()};
  bool like = random_image(s, g, spatial);
  if (like && dice_chance(&s->dice, 40))
    return pointwise_convolution(s, g);
  g->attr.stride = random_list(s, spatial, 1, 3);
  g->attr.pad = random_list(s, spatial, 0, 2);
  g->attr.dilation = random_list(s, spatial, 1, 2);
  g->attr.groups = dice_chance(&s->dice, 70) ? 1 : dice_range(&s->dice, 2, 3);
  if (like && g->x.dim[spatial + 1] % g->attr.groups != 0)
    g->attr.groups = 1;
  int64_t each = like ? g->x.dim[spatial + 1] / g->attr.groups
                      : dice_range(&s->dice, 1, 2);
  g->x.dim[spatial + 1] = each * g->attr.groups;
  g->w = (Extent){.rank = spatial + 2};
  g->w.dim[0] = dice_range(&s->dice, 1, 2) * g->attr.groups;
  for (int i = 0; i < spatial; i++)
    g->w.dim[i + 1] = dice_range(&s->dice, 1, 3);
  g->w.dim[spatial + 1] = each;
  return give_positions(s, g, g->w.dim + 1, g->w.dim[0]);
}

/* Every window holds an element: padding is less than a window. */
static bool random_pool(Smith *s, Geometry *g) {
  int spatial = random_spatial(s);
  int64_t window[MAX_SPATIAL];
  *g = (Geometry){.attr = attributes_neutral()};
  bool like = random_image(s, g, spatial);
  if (!like)
    g->x.dim[spatial + 1] = dice_range(&s->dice, 1, 3);
  bool same = like && dice_chance(&s->dice, 40); /* y is like x */
  g->attr.window.count = spatial;
  g->attr.stride = random_list(s, same ? 0 : spatial, 1, 3);
  g->attr.pad = random_list(s, same ? 0 : spatial, 0, 1);
  for (int i = 0; i < spatial; i++) {
    window[i] = same ? 1 : dice_range(&s->dice, 1, 3);
    g->attr.window.at[i] = (int32_t)window[i];
    if (g->attr.pad.count && g->attr.pad.at[i] >= window[i])
      g->attr.pad.at[i] = 0;
  }
  return give_positions(s, g, window, g->x.dim[spatial + 1]);
}

/* An op over two of the tensors, or over one; `stated`: what it gives. */
static ValueId emitted(Smith *s, Op op, const Geometry *g, const Extent *a,
                       const Extent *b, const Extent *stated) {
  ValueId x = smith_want(s, FORMAT_REAL, *a);
  ValueId y = b ? smith_want(s, FORMAT_REAL, *b) : 0;
  if (!x || (b && !y))
    return 0;
  Node node = smith_node(s, op, x, y, 0);
  node.attr = g->attr;
  if (stated)
    node.type = smith_type(s, FORMAT_REAL, stated);
  return smith_emit(s, &node);
}

ValueId make_conv(Smith *s, Op op) {
  Geometry g;
  return random_convolution(s, &g) ? emitted(s, op, &g, &g.x, &g.w, NULL) : 0;
}

ValueId make_conv_grad_input(Smith *s, Op op) {
  Geometry g;
  return random_convolution(s, &g) ? emitted(s, op, &g, &g.y, &g.w, &g.x) : 0;
}

ValueId make_conv_grad_weight(Smith *s, Op op) {
  Geometry g;
  return random_convolution(s, &g) ? emitted(s, op, &g, &g.y, &g.x, &g.w) : 0;
}

ValueId make_pool(Smith *s, Op op) {
  Geometry g;
  return random_pool(s, &g) ? emitted(s, op, &g, &g.x, NULL, NULL) : 0;
}

ValueId make_maxpool_grad(Smith *s, Op op) {
  Geometry g;
  return random_pool(s, &g) ? emitted(s, op, &g, &g.y, &g.x, NULL) : 0;
}

ValueId make_avgpool_grad(Smith *s, Op op) {
  Geometry g;
  return random_pool(s, &g) ? emitted(s, op, &g, &g.y, NULL, &g.x) : 0;
}
