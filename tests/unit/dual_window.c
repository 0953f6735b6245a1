/* Dual rules of convolutions and pools: one loop over positions, taps and
 * channels from the definition of a window, for images of any rank. */
#include "tests/unit/adjoint_families.h"

#include <math.h>

/* A walk over all (position, tap) pairs of an image of type x. */
typedef struct {
  const DualCall *call;
  const Type *x; /* [n, spatial.., c] */
  int64_t window[MAX_SPATIAL], positions[MAX_SPATIAL];
  int64_t n, position, tap, at; /* at: the element of the plane, -1 outside */
} Walk;

static int64_t of(const WholeList *list, int axis, int64_t usual) {
  return list->count ? list->at[axis] : usual;
}

static int64_t product(const int64_t *size, int count) {
  return count == 0 ? 1 : size[0] * product(size + 1, count - 1);
}

static Walk walk_begin(const DualCall *call, const Type *x,
                       const int64_t *window) {
  const Attributes *attr = &call->node->attr;
  Walk walk = {.call = call, .x = x};
  for (int i = 0; i < x->rank - 2; i++) {
    int64_t reach = of(&attr->dilation, i, 1) * (window[i] - 1) + 1;
    walk.window[i] = window[i];
    walk.positions[i] = (x->dim[i + 1] + 2 * of(&attr->pad, i, 0) - reach) /
                            of(&attr->stride, i, 1) +
                        1;
  }
  return walk;
}

static int64_t digit(int64_t number, const int64_t *size, int count, int axis) {
  return number / product(size + axis + 1, count - axis - 1) % size[axis];
}

/* Where the present tap of the present position reads. */
static int64_t walk_element(const Walk *walk) {
  const Attributes *attr = &walk->call->node->attr;
  int spatial = walk->x->rank - 2;
  int64_t element = 0;
  for (int i = 0; i < spatial; i++) {
    int64_t at =
        digit(walk->position, walk->positions, spatial, i) *
            of(&attr->stride, i, 1) -
        of(&attr->pad, i, 0) +
        digit(walk->tap, walk->window, spatial, i) * of(&attr->dilation, i, 1);
    if (at < 0 || at >= walk->x->dim[i + 1])
      return -1;
    element = element * walk->x->dim[i + 1] + at;
  }
  return element;
}

typedef void Visit(const Walk *walk, void *user);

static void walk_all(Walk *walk, Visit *visit, void *user) {
  int spatial = walk->x->rank - 2;
  for (walk->n = 0; walk->n < walk->x->dim[0]; walk->n++)
    for (walk->position = 0; walk->position < product(walk->positions, spatial);
         walk->position++)
      for (walk->tap = 0; walk->tap < product(walk->window, spatial);
           walk->tap++) {
        walk->at = walk_element(walk);
        visit(walk, user);
      }
}

static int64_t image_offset(const Walk *walk, int64_t channel) {
  int64_t plane = product(walk->x->dim + 1, walk->x->rank - 2);
  return (walk->n * plane + walk->at) * walk->x->dim[walk->x->rank - 1] +
         channel;
}

static int64_t position_offset(const Walk *walk, int64_t channels,
                               int64_t channel) {
  int64_t plane = product(walk->positions, walk->x->rank - 2);
  return (walk->n * plane + walk->position) * channels + channel;
}

/* ---- convolutions -------------------------------------------------------- */

/* The three tensors of y = conv(x, w), the result among them. */
typedef struct {
  Dual *y, *x, *w;
  const Type *weight;
  Dual *out; /* which of the three */
} Trilinear;

static void visit_conv(const Walk *walk, void *user) {
  const Trilinear *t = user;
  const Type *w = t->weight;
  int64_t groups = walk->call->node->attr.groups;
  int64_t in = w->dim[w->rank - 1], out = w->dim[0];
  int64_t taps = product(w->dim + 1, w->rank - 2);
  for (int64_t o = 0; walk->at >= 0 && o < out; o++)
    for (int64_t i = 0; i < in; i++) {
      Dual *y = &t->y[position_offset(walk, out, o)];
      Dual *x = &t->x[image_offset(walk, o / (out / groups) * in + i)];
      Dual *v = &t->w[(o * taps + walk->tap) * in + i];
      if (t->out == t->y)
        *y = dual_add(*y, dual_mul(*x, *v));
      else if (t->out == t->x)
        *x = dual_add(*x, dual_mul(*y, *v));
      else
        *v = dual_add(*v, dual_mul(*y, *x));
    }
}

static void clear(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] = dual(0, 0);
}

static void run_conv(const DualCall *call, const DualTensor *y,
                     const DualTensor *x, const DualTensor *w) {
  clear(call);
  Trilinear t = {y->data, x->data, w->data, w->type, call->out.data};
  Walk walk = walk_begin(call, x->type, w->type->dim + 1);
  walk_all(&walk, visit_conv, &t);
}

static void dual_conv(const DualCall *call) {
  run_conv(call, &call->out, &call->in[0], &call->in[1]);
}

static void dual_conv_grad_input(const DualCall *call) {
  run_conv(call, &call->in[0], &call->out, &call->in[1]);
}

static void dual_conv_grad_weight(const DualCall *call) {
  run_conv(call, &call->in[0], &call->in[1], &call->out);
}

/* ---- pools --------------------------------------------------------------- */

static Walk walk_pool(const DualCall *call, const Type *x) {
  int64_t window[MAX_SPATIAL];
  for (int i = 0; i < call->node->attr.window.count; i++)
    window[i] = call->node->attr.window.at[i];
  return walk_begin(call, x, window);
}

static void visit_maxpool(const Walk *walk, void *user) {
  const DualCall *call = user;
  int64_t channels = walk->x->dim[walk->x->rank - 1];
  for (int64_t c = 0; walk->at >= 0 && c < channels; c++) {
    Dual *y = &call->out.data[position_offset(walk, channels, c)];
    Dual x = call->in[0].data[image_offset(walk, c)];
    *y = x.v > y->v ? x : *y;
  }
}

static void dual_maxpool(const DualCall *call) {
  for (int64_t i = 0; i < call->out.type->elements; i++)
    call->out.data[i] = dual(-INFINITY, 0);
  Walk walk = walk_pool(call, call->in[0].type);
  walk_all(&walk, visit_maxpool, (void *)(uintptr_t)call);
}

/* Which of image and positions is the result. */
static void visit_average(const Walk *walk, void *user) {
  const DualCall *call = user;
  int64_t channels = walk->x->dim[walk->x->rank - 1];
  double taps = (double)product(walk->window, walk->x->rank - 2);
  bool forward = call->node->op == OP_AVGPOOL;
  for (int64_t c = 0; walk->at >= 0 && c < channels; c++) {
    int64_t y = position_offset(walk, channels, c), x = image_offset(walk, c);
    Dual part = dual_div(call->in[0].data[forward ? x : y], dual(taps, 0));
    Dual *to = &call->out.data[forward ? y : x];
    *to = dual_add(*to, part);
  }
}

static void dual_avgpool(const DualCall *call) {
  bool forward = call->node->op == OP_AVGPOOL;
  clear(call);
  Walk walk = walk_pool(call, forward ? call->in[0].type : call->out.type);
  walk_all(&walk, visit_average, (void *)(uintptr_t)call);
}

const DualRow dual_window[] = {{OP_CONV, dual_conv},
                               {OP_CONV_GRAD_INPUT, dual_conv_grad_input},
                               {OP_CONV_GRAD_WEIGHT, dual_conv_grad_weight},
                               {OP_MAXPOOL, dual_maxpool},
                               {OP_AVGPOOL, dual_avgpool},
                               {OP_AVGPOOL_GRAD, dual_avgpool},
                               {OP_COUNT, NULL}};
