/* Evaluation: the largest and smallest of a list, where they are, and the
 * gradients of that.
 *
 * Lists are searched in ascending order. The first of several equal extremes
 * counts (-0 equals +0), and a NaN is more extreme than any number, so the
 * first NaN wins. No arithmetic: the same in every precision and at every
 * exponent.
 */
#include "ir/eval_internal.h"

#include <math.h>

static bool beats(double x, double best, bool smallest) {
  return isnan(x) || (smallest ? x < best : x > best);
}

/* Of n >= 1 elements. */
static size_t first_extreme(const double *x, size_t n, bool smallest) {
  size_t best = 0;
  for (size_t i = 1; i < n && !isnan(x[best]); i++)
    if (beats(x[i], x[best], smallest))
      best = i;
  return best;
}

static void choose(Frame *frame, const Lists *lists, bool smallest,
                   bool index) {
  const double *x = lists_gather(frame, lists, frame_data(frame, 0));
  for (size_t r = 0; r < lists->rows; r++, x += lists->n) {
    size_t best = first_extreme(x, lists->n, smallest);
    frame->out[r] = index ? (double)best : x[best];
  }
}

static bool extreme(Frame *frame, bool smallest) {
  Lists lists;
  if (!frame_lists(frame, &lists))
    return false;
  choose(frame, &lists, smallest, false);
  return true;
}

bool eval_max(Frame *frame) {
  return extreme(frame, false);
}

bool eval_min(Frame *frame) {
  return extreme(frame, true);
}

bool eval_argmax(Frame *frame) {
  Lists lists;
  frame_lists_along(frame, (int)frame->node->attr.axis, &lists);
  choose(frame, &lists, false, true);
  return true;
}

bool eval_argmin(Frame *frame) {
  Lists lists;
  frame_lists_along(frame, (int)frame->node->attr.axis, &lists);
  choose(frame, &lists, true, true);
  return true;
}

/* (x, dy): dy of each list at its first extreme, +0 elsewhere. */
static bool extreme_grad(Frame *frame, bool smallest) {
  Lists lists;
  if (!frame_lists(frame, &lists))
    return false;
  const double *x = lists_gather(frame, &lists, frame_data(frame, 0));
  const double *dy = frame_data(frame, 1);
  double *list = frame_doubles(frame, lists.rows * lists.n);
  for (size_t r = 0; lists.n > 0 && r < lists.rows; r++) {
    size_t begin = r * lists.n;
    list[begin + first_extreme(x + begin, lists.n, smallest)] = dy[r];
  }
  lists_scatter(frame, &lists, list, frame->out);
  return true;
}

bool eval_max_grad(Frame *frame) {
  return extreme_grad(frame, false);
}

bool eval_min_grad(Frame *frame) {
  return extreme_grad(frame, true);
}
