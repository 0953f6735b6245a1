/* Evaluation: softmax, its logarithm, logsumexp, one-hot rows, and gradients.
 *
 * In: lists x, unscaled first. Per list, each operation rounded to binary32,
 * sums in the order of eval_reduce.c:
 *
 *   m = the largest x, taken in ascending order     t_i = x_i - m
 *   e_i = exp(t_i)     s = sum of e_i
 *   softmax          e_i / s
 *   log_softmax      t_i - log(s)
 *   logsumexp        log(s) + m; an infinite m itself, unless there is a NaN;
 *                    -inf of no elements
 *   softmax_grad     y_i * (dy_i - sum of (y_j * dy_j))
 *   log_softmax_grad dy_i - exp(y_i) * sum of dy_j
 *   logsumexp_grad   (e_i / s) * dy
 *
 * A NaN in a list makes all of its results NaN: m skips it, but s does not.
 * The exponentials see true values, so their flags say nothing about scaling.
 */
#include "ir/eval_internal.h"

#include <math.h>

#include "ir/f32math.h"

#define PROBABILITY_IN(name, real, exponential, logarithm)                     \
  static real largest_##name(const real *x, size_t n) {                        \
    real m = x[0];                                                             \
    for (size_t i = 1; i < n; i++)                                             \
      m = x[i] > m ? x[i] : m;                                                 \
    return m;                                                                  \
  }                                                                            \
  /* e to `out`; returns s. Of n >= 1 elements. */                             \
  static real exponentials_##name(const real *x, real *out, size_t n,          \
                                  real *room) {                                \
    real m = largest_##name(x, n);                                             \
    for (size_t i = 0; i < n; i++)                                             \
      room[i] = out[i] = exponential(x[i] - m);                                \
    return sum_##name(room, n);                                                \
  }                                                                            \
  static void softmax_##name(const real *x, const real *dy, real *out,         \
                             size_t n, real *room, real extra) {               \
    (void)dy, (void)extra;                                                     \
    if (n == 0)                                                                \
      return;                                                                  \
    int before = flags_raised();                                               \
    real s = exponentials_##name(x, out, n, room);                             \
    for (size_t i = 0; i < n; i++)                                             \
      out[i] = out[i] / s;                                                     \
    flags_restore(before);                                                     \
  }                                                                            \
  static void log_softmax_##name(const real *x, const real *dy, real *out,     \
                                 size_t n, real *room, real extra) {           \
    (void)dy, (void)extra;                                                     \
    if (n == 0)                                                                \
      return;                                                                  \
    int before = flags_raised();                                               \
    real m = largest_##name(x, n);                                             \
    real log_s = logarithm(exponentials_##name(x, out, n, room));              \
    for (size_t i = 0; i < n; i++)                                             \
      out[i] = x[i] - m - log_s;                                               \
    flags_restore(before);                                                     \
  }                                                                            \
  static void logsumexp_##name(const real *x, const real *dy, real *out,       \
                               size_t n, real *room, real extra) {             \
    (void)dy, (void)extra;                                                     \
    int before = flags_raised();                                               \
    bool nan = false;                                                          \
    *out = -INFINITY;                                                          \
    for (size_t i = 0; i < n; i++)                                             \
      nan |= isnan(x[i]);                                                      \
    real m = n > 0 ? largest_##name(x, n) : (real)-INFINITY;                   \
    if (nan)                                                                   \
      *out = NAN;                                                              \
    else if (isinf(m))                                                         \
      *out = m;                                                                \
    else {                                                                     \
      for (size_t i = 0; i < n; i++)                                           \
        room[i] = exponential(x[i] - m);                                       \
      *out = logarithm(sum_##name(room, n)) + m;                               \
    }                                                                          \
    flags_restore(before);                                                     \
  }                                                                            \
  static void softmax_grad_##name(const real *y, const real *dy, real *out,    \
                                  size_t n, real *room, real extra) {          \
    (void)extra;                                                               \
    for (size_t i = 0; i < n; i++)                                             \
      room[i] = y[i] * dy[i];                                                  \
    real sum = sum_##name(room, n);                                            \
    for (size_t i = 0; i < n; i++)                                             \
      out[i] = y[i] * (dy[i] - sum);                                           \
  }                                                                            \
  static void log_softmax_grad_##name(const real *y, const real *dy,           \
                                      real *out, size_t n, real *room,         \
                                      real extra) {                            \
    (void)extra;                                                               \
    for (size_t i = 0; i < n; i++)                                             \
      room[i] = dy[i];                                                         \
    real sum = sum_##name(room, n);                                            \
    int before = flags_raised();                                               \
    for (size_t i = 0; i < n; i++)                                             \
      room[i] = exponential(y[i]);                                             \
    flags_restore(before);                                                     \
    for (size_t i = 0; i < n; i++)                                             \
      out[i] = dy[i] - room[i] * sum;                                          \
  }                                                                            \
  static void logsumexp_grad_##name(const real *x, const real *dy, real *out,  \
                                    size_t n, real *room, real extra) {        \
    softmax_##name(x, NULL, out, n, room, extra);                              \
    for (size_t i = 0; i < n; i++)                                             \
      out[i] = out[i] * dy[0];                                                 \
  }

PROBABILITY_IN(f32, float, f32_exp, f32_log)
PROBABILITY_IN(f64, double, exp, log)

ROW_RULE(softmax, false, true);
ROW_RULE(log_softmax, false, true);
ROW_RULE(logsumexp, false, false);
ROW_RULE(softmax_grad, true, true);
ROW_RULE(log_softmax_grad, true, true);
ROW_RULE(logsumexp_grad, false, true);

/* With operand 1 as dy, where there is one. */
static bool along(Frame *frame, const RowRule *rule) {
  Lists lists;
  frame_lists_along(frame, (int)frame->node->attr.axis, &lists);
  const double *dy = node_inputs(frame->node) > 1 ? frame_data(frame, 1) : NULL;
  rows_run(frame, &lists, rule, frame_shifted(frame, 0), dy, 0);
  return true;
}

bool eval_softmax(Frame *frame) {
  return along(frame, &softmax_rule);
}

bool eval_softmax_grad(Frame *frame) {
  return along(frame, &softmax_grad_rule);
}

bool eval_log_softmax(Frame *frame) {
  return along(frame, &log_softmax_rule);
}

bool eval_log_softmax_grad(Frame *frame) {
  return along(frame, &log_softmax_grad_rule);
}

bool eval_logsumexp(Frame *frame) {
  Lists lists;
  if (!frame_lists(frame, &lists))
    return false;
  rows_run(frame, &lists, &logsumexp_rule, frame_shifted(frame, 0), NULL, 0);
  return true;
}

bool eval_logsumexp_grad(Frame *frame) {
  Lists lists;
  if (!frame_lists(frame, &lists))
    return false;
  rows_run(frame, &lists, &logsumexp_grad_rule, frame_shifted(frame, 0),
           frame_data(frame, 1), 0);
  return true;
}

/* ---- one-hot rows -------------------------------------------------------- */

bool eval_onehot(Frame *frame) {
  const double *ids = frame_data(frame, 0);
  int64_t size = frame->node->attr.size;
  for (int64_t i = 0; i < frame_type(frame, 0)->elements; i++) {
    if (!(ids[i] >= 0 && ids[i] < (double)size))
      return frame_fail(frame, "id %.0f at element %lld is outside [0, %lld)",
                        ids[i], (long long)i, (long long)size);
    frame->out[i * size + (int64_t)ids[i]] = 1;
  }
  return true;
}
