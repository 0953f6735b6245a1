/* Evaluation: layer_norm and rms_norm over the last axis, and gradients.
 *
 * Per row x of n data at exponent e, each operation rounded to binary32, means
 * as in eval_reduce.c (sum, then division by n):
 *
 *   eps' = eps * 2^-2e, eps rounded to binary32 first
 *   layer_norm   c_i = x_i - mean(x)     r = 1 / sqrt(mean(c^2) + eps')
 *   rms_norm     c_i = x_i               r = 1 / sqrt(mean(c^2) + eps')
 *   y_i = c_i * r
 *   layer_norm_grad   r * ((dy_i - mean(dy)) - y_i * mean(dy * y))
 *   rms_norm_grad     r * (dy_i - y_i * mean(dy * y))
 *
 * Data at another exponent give the same y to the bit: every step is
 * homogeneous in x once eps has the scale of x squared.
 */
#include "ir/eval_internal.h"

#include <math.h>

#include "ir/f32math.h"

#define NORM_IN(name, real, root)                                              \
  static real mean_##name(const real *x, size_t n, real *room) {               \
    for (size_t i = 0; i < n; i++)                                             \
      room[i] = x[i];                                                          \
    return sum_##name(room, n) / (real)n;                                      \
  }                                                                            \
  /* y = c * r; returns r. */                                                  \
  static real divide_##name(real *c, size_t n, real *room, real eps) {         \
    for (size_t i = 0; i < n; i++)                                             \
      room[i] = c[i] * c[i];                                                   \
    real square = sum_##name(room, n) / (real)n;                               \
    real r = 1 / root(square + eps);                                           \
    for (size_t i = 0; i < n; i++)                                             \
      c[i] = c[i] * r;                                                         \
    return r;                                                                  \
  }                                                                            \
  static real centred_##name(const real *x, real *y, size_t n, real *room,     \
                             real eps) {                                       \
    real mean = mean_##name(x, n, room);                                       \
    for (size_t i = 0; i < n; i++)                                             \
      y[i] = x[i] - mean;                                                      \
    return divide_##name(y, n, room, eps);                                     \
  }                                                                            \
  static real plain_##name(const real *x, real *y, size_t n, real *room,       \
                           real eps) {                                         \
    for (size_t i = 0; i < n; i++)                                             \
      y[i] = x[i];                                                             \
    return divide_##name(y, n, room, eps);                                     \
  }                                                                            \
  static void layer_norm_##name(const real *x, const real *dy, real *out,      \
                                size_t n, real *room, real eps) {              \
    (void)dy;                                                                  \
    centred_##name(x, out, n, room, eps);                                      \
  }                                                                            \
  static void rms_norm_##name(const real *x, const real *dy, real *out,        \
                              size_t n, real *room, real eps) {                \
    (void)dy;                                                                  \
    plain_##name(x, out, n, room, eps);                                        \
  }                                                                            \
  static real mean_product_##name(const real *a, const real *b, size_t n,      \
                                  real *room) {                                \
    for (size_t i = 0; i < n; i++)                                             \
      room[i] = a[i] * b[i];                                                   \
    return sum_##name(room, n) / (real)n;                                      \
  }                                                                            \
  static void layer_norm_grad_##name(const real *x, const real *dy, real *out, \
                                     size_t n, real *room, real eps) {         \
    real r = centred_##name(x, out, n, room, eps);                             \
    real a = mean_##name(dy, n, room);                                         \
    real b = mean_product_##name(dy, out, n, room);                            \
    for (size_t i = 0; i < n; i++)                                             \
      out[i] = r * ((dy[i] - a) - out[i] * b);                                 \
  }                                                                            \
  static void rms_norm_grad_##name(const real *x, const real *dy, real *out,   \
                                   size_t n, real *room, real eps) {           \
    real r = plain_##name(x, out, n, room, eps);                               \
    real b = mean_product_##name(dy, out, n, room);                            \
    for (size_t i = 0; i < n; i++)                                             \
      out[i] = r * (dy[i] - out[i] * b);                                       \
  }

NORM_IN(f32, float, sqrtf)
NORM_IN(f64, double, sqrt)

ROW_RULE(layer_norm, false, true);
ROW_RULE(rms_norm, false, true);
ROW_RULE(layer_norm_grad, true, true);
ROW_RULE(rms_norm_grad, true, true);

/* eps at twice the operand's exponent. */
static double scaled_eps(const Frame *frame) {
  int32_t e = frame_value(frame, 0)->tensor.exponent;
  double eps = frame->node->attr.eps;
  return frame_is_f64(frame) ? ldexp(eps, -2 * e)
                             : (double)f32_scale2((float)eps, -2 * e);
}

static bool norm(Frame *frame, const RowRule *rule) {
  Lists lists;
  frame_lists_along(frame, frame_type(frame, 0)->rank - 1, &lists);
  const double *dy = node_inputs(frame->node) > 1 ? frame_data(frame, 1) : NULL;
  rows_run(frame, &lists, rule, frame_data(frame, 0), dy, scaled_eps(frame));
  return true;
}

bool eval_layer_norm(Frame *frame) {
  return norm(frame, &layer_norm_rule);
}

bool eval_layer_norm_grad(Frame *frame) {
  return norm(frame, &layer_norm_grad_rule);
}

bool eval_rms_norm(Frame *frame) {
  return norm(frame, &rms_norm_rule);
}

bool eval_rms_norm_grad(Frame *frame) {
  return norm(frame, &rms_norm_grad_rule);
}
