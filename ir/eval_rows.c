/* Evaluation: what works on lists of elements along one or more axes.
 *
 * In: an operand, the axes that make its lists. Out: one number for each list
 * or each element. A rule sees one list at a time as contiguous numbers in the
 * precision of the step, so that it reads like its definition.
 */
#include "ir/eval_internal.h"

/* ---- lists --------------------------------------------------------------- */

static bool is_kept(const Pattern *pattern, int letter) {
  for (int i = 0; i < pattern->out_rank; i++)
    if (pattern->out_axis[i] == letter)
      return true;
  return false;
}

bool frame_lists(Frame *frame, Lists *lists) {
  Layout layout;
  if (!frame_layout(frame, &layout))
    return false;
  const Pattern *pattern = &layout.pattern;
  *lists = (Lists){.n = 1};
  for (int i = 0; i < pattern->out_rank; i++)
    axes_add(&lists->axes, layout.size[pattern->out_axis[i]],
             layout.step[0][pattern->out_axis[i]]);
  lists->rows = (size_t)axes_count(&lists->axes);
  for (int i = 0; i < pattern->rank[0]; i++) {
    int letter = pattern->axis[0][i];
    if (is_kept(pattern, letter))
      continue;
    axes_add(&lists->axes, layout.size[letter], layout.step[0][letter]);
    lists->n *= (size_t)layout.size[letter];
  }
  return true;
}

void frame_lists_along(const Frame *frame, int axis, Lists *lists) {
  const Type *type = frame_type(frame, 0);
  int64_t step[MAX_RANK];
  type_steps(type, step);
  *lists = (Lists){.n = (size_t)type->dim[axis]};
  for (int i = 0; i < type->rank; i++)
    if (i != axis)
      axes_add(&lists->axes, type->dim[i], step[i]);
  lists->rows = (size_t)axes_count(&lists->axes);
  axes_add(&lists->axes, type->dim[axis], step[axis]);
}

double *lists_gather(const Frame *frame, const Lists *lists,
                     const double *data) {
  double *list = frame_doubles(frame, lists->rows * lists->n);
  axes_gather(&lists->axes, data, list);
  return list;
}

/* Where each element of the lists belongs is gathered like the elements. */
void lists_scatter(const Frame *frame, const Lists *lists, const double *list,
                   double *out) {
  size_t count = lists->rows * lists->n;
  double *place = frame_doubles(frame, count);
  for (size_t i = 0; i < count; i++)
    place[i] = (double)i;
  place = lists_gather(frame, lists, place);
  for (size_t i = 0; i < count; i++)
    out[(size_t)place[i]] = list[i];
}

/* ---- one list at a time -------------------------------------------------- */

/* Numbers of binary32 are exact in doubles, so nothing rounds here. */
#define ROWS_IN(name, real)                                                    \
  static void rows_##name(const Frame *frame, const Lists *lists,              \
                          const RowRule *rule, const double *x,                \
                          const double *dy, double extra, double *out) {       \
    size_t n = lists->n, dys = rule->each_dy ? n : 1;                          \
    size_t outs = rule->each_out ? n : 1;                                      \
    real *room = NEW_ARRAY(frame->evaluator->scratch, real, 4 * n + 2);        \
    real *row = room + n, *d = row + n, *result = d + n + 1;                   \
    for (size_t r = 0; r < lists->rows; r++) {                                 \
      for (size_t i = 0; i < n; i++)                                           \
        row[i] = (real)x[r * n + i];                                           \
      for (size_t i = 0; dy != NULL && i < dys; i++)                           \
        d[i] = (real)dy[r * dys + i];                                          \
      rule->name(row, d, result, n, room, (real)extra);                        \
      for (size_t i = 0; i < outs; i++)                                        \
        out[r * outs + i] = (double)result[i];                                 \
    }                                                                          \
  }

ROWS_IN(f32, float)
ROWS_IN(f64, double)

void rows_run(Frame *frame, const Lists *lists, const RowRule *rule,
              const double *x, const double *dy, double extra) {
  const double *row = lists_gather(frame, lists, x);
  if (dy != NULL && rule->each_dy)
    dy = lists_gather(frame, lists, dy);
  double *out = rule->each_out ? frame_doubles(frame, lists->rows * lists->n)
                               : frame->out;
  (frame_is_f64(frame) ? rows_f64 : rows_f32)(frame, lists, rule, row, dy,
                                              extra, out);
  if (rule->each_out)
    lists_scatter(frame, lists, out, frame->out);
}
