/* Shape rules of convolutions and pools.
 *
 * Images are [n, spatial.., c] with one to three spatial axes, weights of a
 * convolution [c_out, window.., c / groups]. What a gradient is the gradient
 * of cannot be told from its operands where windows do not cover the image, so
 * the gradient ops have a stated type, checked against their operands.
 */
#include "ir/shape_internal.h"
#include "ir/window.h"

#include <inttypes.h>

/* ---- images ------------------------------------------------------------- */

static bool is_image(const Shaper *shaper, const Type *type, const char *what) {
  if (type->rank >= 3 && type->rank <= MAX_SPATIAL + 2)
    return true;
  shaper_fail(shaper,
              "needs %s [n, spatial.., c] with 1 to %d spatial axes, not %s",
              what, MAX_SPATIAL, shaper_show(shaper, type));
  return false;
}

static bool make_windows(const Shaper *shaper, const Type *image,
                         const int64_t *window, Windows *windows) {
  const char *error = NULL;
  if (windows_make(&shaper->node->attr, image->rank - 2, image->dim + 1, window,
                   shaper->arena, &error, windows))
    return true;
  shaper_fail(shaper, "%s", error);
  return false;
}

/* [n, positions.., channels] in the format that the node states. */
static const Type *positions_type(const Shaper *shaper, const Windows *windows,
                                  int64_t n, int64_t channels) {
  int64_t dim[MAX_RANK] = {n};
  for (int i = 0; i < windows->spatial; i++)
    dim[i + 1] = windows->out[i];
  dim[windows->spatial + 1] = channels;
  return shaper_shaped(shaper, windows->spatial + 2, dim, FORMAT_REAL);
}

/* ---- convolutions ------------------------------------------------------- */

/* The channels of image and weight fit each other, group by group. */
static bool check_channels(const Shaper *shaper, const Type *x, const Type *w) {
  int64_t groups = shaper->node->attr.groups;
  int64_t channels = x->dim[x->rank - 1];
  if (x->rank != w->rank) {
    shaper_fail(shaper,
                "needs images and weights [c_out, window.., c] of one rank, "
                "not %s and %s",
                shaper_show(shaper, x), shaper_show(shaper, w));
    return false;
  }
  if (groups >= 1 && groups <= INT32_MAX && w->dim[0] % groups == 0 &&
      channels % groups == 0 && w->dim[w->rank - 1] == channels / groups)
    return true;
  shaper_fail(shaper,
              "of %s with weights %s in %" PRId64
              " group%s: the channels do not fit",
              shaper_show(shaper, x), shaper_show(shaper, w), groups,
              groups == 1 ? "" : "s");
  return false;
}

/* The result of conv(x, w), or NULL after an error. */
static const Type *convolved(const Shaper *shaper, const Type *x,
                             const Type *w) {
  Windows windows;
  if (!is_image(shaper, x, "images") || !check_channels(shaper, x, w) ||
      !make_windows(shaper, x, w->dim + 1, &windows))
    return NULL;
  return positions_type(shaper, &windows, x->dim[0], w->dim[0]);
}

const Type *shape_conv(const Shaper *shaper) {
  if (!shaper_real(shaper, 0) || !shaper_real(shaper, 1))
    return NULL;
  return convolved(shaper, shaper_operand(shaper, 0),
                   shaper_operand(shaper, 1));
}

/* dy must be what the forward op gives; the result is what was stated. */
static const Type *check_gradient(const Shaper *shaper, const Type *forward,
                                  const Type *stated) {
  const Type *dy = shaper_operand(shaper, 0);
  if (!forward)
    return NULL;
  if (!type_same_shape(forward, dy))
    return shaper_fail(shaper, "of %s cannot be %s: the forward pass gives %s",
                       shaper_show(shaper, dy), shaper_show(shaper, stated),
                       shaper_show(shaper, forward));
  return shaper_same(shaper, stated, FORMAT_REAL);
}

/* (dy, w): the gradient of the images. */
const Type *shape_conv_grad_input(const Shaper *shaper) {
  const Type *x = shaper_stated(shaper);
  if (!x || !shaper_real(shaper, 0) || !shaper_real(shaper, 1))
    return NULL;
  return check_gradient(shaper, convolved(shaper, x, shaper_operand(shaper, 1)),
                        x);
}

/* (dy, x): the gradient of the weights. */
const Type *shape_conv_grad_weight(const Shaper *shaper) {
  const Type *w = shaper_stated(shaper);
  if (!w || !shaper_real(shaper, 0) || !shaper_real(shaper, 1))
    return NULL;
  if (!is_image(shaper, w, "weights"))
    return NULL;
  return check_gradient(shaper, convolved(shaper, shaper_operand(shaper, 1), w),
                        w);
}

/* ---- pools -------------------------------------------------------------- */

/* Every window holds an element of the image: padding is less than a window. */
static const Type *pooled(const Shaper *shaper, const Type *x) {
  const Attributes *attr = &shaper->node->attr;
  int64_t window[MAX_SPATIAL] = {0};
  Windows windows;
  if (!is_image(shaper, x, "images"))
    return NULL;
  if (attr->window.count != x->rank - 2)
    return shaper_fail(shaper, "needs `window` as a list of %d numbers",
                       x->rank - 2);
  for (int i = 0; i < attr->window.count; i++)
    window[i] = attr->window.at[i];
  if (!make_windows(shaper, x, window, &windows))
    return NULL;
  for (int i = 0; i < windows.spatial; i++)
    if (windows.pad[i] >= windows.window[i])
      return shaper_fail(shaper,
                         "pads by %" PRId64 " and its window is %" PRId64
                         ": a window would lie outside the image",
                         windows.pad[i], windows.window[i]);
    else if (windows.in[i] == 0)
      return shaper_fail(shaper, "of no elements has no value: axis %d of %s",
                         i + 1, shaper_show(shaper, x));
  return positions_type(shaper, &windows, x->dim[0], x->dim[x->rank - 1]);
}

const Type *shape_pool(const Shaper *shaper) {
  return shaper_real(shaper, 0) ? pooled(shaper, shaper_operand(shaper, 0))
                                : NULL;
}

/* (dy, x): the result has the shape of x. */
const Type *shape_maxpool_grad(const Shaper *shaper) {
  const Type *x = shaper_operand(shaper, 1);
  if (!shaper_real(shaper, 0) || !shaper_real(shaper, 1))
    return NULL;
  return check_gradient(shaper, pooled(shaper, x), x);
}

/* (dy): the stated shape is that of the images. */
const Type *shape_avgpool_grad(const Shaper *shaper) {
  const Type *x = shaper_stated(shaper);
  if (!x || !shaper_real(shaper, 0))
    return NULL;
  return check_gradient(shaper, pooled(shaper, x), x);
}
