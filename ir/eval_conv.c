/* Evaluation: convolutions.
 *
 * In: two operands, windows. Out: per result, acc = fma(a, b, acc) from +0,
 * in an order that is part of the meaning:
 *
 *   conv              taps of the window, then input channels of the group
 *   conv_grad_input   taps, then output channels of the group
 *   conv_grad_weight  images, then positions
 *
 * all ascending, taps and positions in row-major order. Padding, and a tap at
 * which no position reads an element, take part as +0. So a convolution is the
 * product of a matrix of patches with the weights, which is how it is computed
 * here: by the tiles of eval_contract.c.
 */
#include "ir/eval_internal.h"
#include "ir/window.h"

/* The sizes of one convolution y = conv(x, w). */
typedef struct {
  Windows windows;
  size_t images, elements, positions, taps; /* elements: of one image's plane */
  size_t groups, in, out;                   /* channels of one group */
} Convolution;

static Convolution convolution_of(const Frame *frame, const Type *x,
                                  const Type *w) {
  const Attributes *attr = &frame->node->attr;
  Convolution c = {.images = (size_t)x->dim[0], .groups = (size_t)attr->groups};
  c.windows = windows_of(attr, x->rank - 2, x->dim + 1, w->dim + 1);
  c.elements = (size_t)windows_elements(&c.windows);
  c.positions = (size_t)windows_positions(&c.windows);
  c.taps = (size_t)windows_taps(&c.windows);
  c.in = (size_t)w->dim[w->rank - 1];
  c.out = (size_t)w->dim[0] / c.groups;
  return c;
}

/* to[0 .. n) = from[0 .. n), or +0 where `at` is outside. */
static void copy_or_zero(double *to, const double *from, int64_t at,
                         size_t stride, size_t n) {
  for (size_t i = 0; i < n; i++)
    to[i] = at < 0 ? 0 : from[(size_t)at * stride + i];
}

/* out[row * stride + column] = the product of [m][k] and [k][n], in memory of
 * its own. */
static void product_into(const Frame *frame, size_t m, size_t n, size_t k,
                         const double *a, const double *b, size_t stride,
                         double *out) {
  Arena *scratch = arena_new();
  double *c = NEW_ARRAY(scratch, double, m *n);
  contraction_product(frame, scratch, m, n, k, a, b, c);
  for (size_t row = 0; row < m; row++)
    for (size_t column = 0; column < n; column++)
      out[row * stride + column] = c[row * n + column];
  arena_free(scratch);
}

/* ---- y = conv(x, w) ----------------------------------------------------- */

/* w of group g as [taps * in][out]. */
static void weights_by_output(const Convolution *c, size_t g, const double *w,
                              double *out) {
  size_t k = c->taps * c->in;
  for (size_t o = 0; o < c->out; o++)
    for (size_t i = 0; i < k; i++)
      out[i * c->out + o] = w[(g * c->out + o) * k + i];
}

bool eval_conv(Frame *frame) {
  Convolution c =
      convolution_of(frame, frame_type(frame, 0), frame_type(frame, 1));
  const double *x = contraction_operand(frame, 0);
  const double *w = contraction_operand(frame, 1);
  size_t k = c.taps * c.in;
  double *patch = frame_doubles(frame, c.positions * k);
  double *weight = frame_doubles(frame, k * c.out);
  for (size_t g = 0; g < c.groups; g++) {
    weights_by_output(&c, g, w, weight);
    for (size_t image = 0; image < c.images; image++) {
      const double *from = x + image * c.elements * c.groups * c.in + g * c.in;
      for (size_t p = 0; p < c.positions; p++)
        for (size_t t = 0; t < c.taps; t++)
          copy_or_zero(patch + p * k + t * c.in, from,
                       windows_read(&c.windows, (int64_t)p, (int64_t)t),
                       c.groups * c.in, c.in);
      product_into(
          frame, c.positions, c.out, k, patch, weight, c.groups * c.out,
          frame->out + image * c.positions * c.groups * c.out + g * c.out);
    }
  }
  return true;
}

/* ---- gradients ---------------------------------------------------------- */

/* w of group g as [taps * out][in]. */
static void weights_by_input(const Convolution *c, size_t g, const double *w,
                             double *to) {
  for (size_t t = 0; t < c->taps; t++)
    for (size_t o = 0; o < c->out; o++)
      for (size_t i = 0; i < c->in; i++)
        to[(t * c->out + o) * c->in + i] =
            w[((g * c->out + o) * c->taps + t) * c->in + i];
}

bool eval_conv_grad_input(Frame *frame) {
  Convolution c =
      convolution_of(frame, frame->node->type, frame_type(frame, 1));
  const double *dy = contraction_operand(frame, 0);
  const double *w = contraction_operand(frame, 1);
  size_t k = c.taps * c.out;
  double *patch = frame_doubles(frame, c.elements * k);
  double *weight = frame_doubles(frame, k * c.in);
  for (size_t g = 0; g < c.groups; g++) {
    weights_by_input(&c, g, w, weight);
    for (size_t image = 0; image < c.images; image++) {
      const double *from =
          dy + image * c.positions * c.groups * c.out + g * c.out;
      for (size_t e = 0; e < c.elements; e++)
        for (size_t t = 0; t < c.taps; t++)
          copy_or_zero(patch + e * k + t * c.out, from,
                       windows_reader(&c.windows, (int64_t)e, (int64_t)t),
                       c.groups * c.out, c.out);
      product_into(frame, c.elements, c.in, k, patch, weight, c.groups * c.in,
                   frame->out + image * c.elements * c.groups * c.in +
                       g * c.in);
    }
  }
  return true;
}

/* What tap t reads of group g, as [images * positions][in]. */
static void reads_of_tap(const Convolution *c, size_t g, size_t t,
                         const double *x, double *to) {
  for (size_t image = 0; image < c->images; image++)
    for (size_t p = 0; p < c->positions; p++)
      copy_or_zero(to + (image * c->positions + p) * c->in,
                   x + image * c->elements * c->groups * c->in + g * c->in,
                   windows_read(&c->windows, (int64_t)p, (int64_t)t),
                   c->groups * c->in, c->in);
}

bool eval_conv_grad_weight(Frame *frame) {
  Convolution c =
      convolution_of(frame, frame_type(frame, 1), frame->node->type);
  const double *dy = contraction_operand(frame, 0);
  const double *x = contraction_operand(frame, 1);
  size_t k = c.images * c.positions;
  double *left = frame_doubles(frame, c.out * k);
  double *right = frame_doubles(frame, k * c.in);
  for (size_t g = 0; g < c.groups; g++) {
    for (size_t o = 0; o < c.out; o++)
      for (size_t i = 0; i < k; i++)
        left[o * k + i] = dy[(i * c.groups + g) * c.out + o];
    for (size_t t = 0; t < c.taps; t++) {
      reads_of_tap(&c, g, t, x, right);
      product_into(frame, c.out, c.in, k, left, right, c.taps * c.in,
                   frame->out + (g * c.out * c.taps + t) * c.in);
    }
  }
  return true;
}
