/* Evaluation: softmax cross-entropy over rows, and its gradient.
 *
 * In: logits (unscaled first), one label per row. Out, per row x of n classes,
 * every operation rounded to binary32:
 *
 *   m = the largest x, taken in ascending order     t_i = x_i - m
 *   e_i = exp(t_i)      s = sum of e_i in the order of eval_reduce.c
 *   loss     = log(s) - t_label
 *   gradient = (e_i / s - [i = label]) * dy
 *
 * With smooth = u > 0, both in binary32 (k is 1 - u rounded):
 *
 *   loss     = log(s) - (t_label * k + (sum of t_i / n) * u)
 *   gradient = (e_i / s - ([i = label] * k + u / n)) * dy
 *
 * A NaN in a row makes all of it NaN: m skips it, but s does not. A row whose
 * label is `ignore` has loss and gradient +0.
 */
#include "ir/eval_internal.h"

#include <math.h>

#include "ir/f32math.h"

static bool is_ignored(const Frame *frame, double label) {
  return label == (double)frame->node->attr.ignore;
}

static bool labels_check(Frame *frame, const double *labels, int64_t classes) {
  int64_t rows = frame_type(frame, 1)->elements;
  for (int64_t i = 0; i < rows; i++)
    if (!(labels[i] >= 0 && labels[i] < (double)classes) &&
        !is_ignored(frame, labels[i]))
      return frame_fail(frame,
                        "label %.0f at element %lld is outside [0, %lld)",
                        labels[i], (long long)i, (long long)classes);
  return true;
}

static int64_t class_count(const Frame *frame) {
  const Type *logits = frame_type(frame, 0);
  return logits->dim[logits->rank - 1];
}

/* One row: t = x - m, e = exp(t); returns s. `list` is room for n numbers. */
#define SHIFTED_EXP(name, real, exponential)                                   \
  static real shifted_exp_##name(const double *x, size_t n, real *t, real *e,  \
                                 real *list) {                                 \
    real m = (real)x[0];                                                       \
    for (size_t i = 1; i < n; i++)                                             \
      m = (real)x[i] > m ? (real)x[i] : m;                                     \
    for (size_t i = 0; i < n; i++) {                                           \
      t[i] = (real)x[i] - m;                                                   \
      list[i] = e[i] = exponential(t[i]);                                      \
    }                                                                          \
    return sum_##name(list, n);                                                \
  }

SHIFTED_EXP(f32, float, f32_exp)
SHIFTED_EXP(f64, double, exp)

/* Probabilities (`p`) and loss of every row; true values, so the flags they
 * raise say nothing about scaling. */
#define ROWS(name, real, logarithm)                                            \
  static real row_loss_##name(const Frame *frame, real s, const real *t,       \
                              real *list, size_t n, size_t label) {            \
    double smooth = frame->node->attr.smooth;                                  \
    if (smooth == 0)                                                           \
      return logarithm(s) - t[label];                                          \
    for (size_t i = 0; i < n; i++)                                             \
      list[i] = t[i];                                                          \
    real mean = sum_##name(list, n) / (real)n;                                 \
    return logarithm(s) -                                                      \
           (t[label] * (real)(1 - smooth) + mean * (real)smooth);              \
  }                                                                            \
  static void rows_##name(Frame *frame, const double *x, const double *labels, \
                          double *p, double *loss) {                           \
    size_t n = (size_t)class_count(frame);                                     \
    size_t rows = type_count(frame_type(frame, 1));                            \
    real *t = NEW_ARRAY(frame->evaluator->scratch, real, 3 * n);               \
    real *e = t + n, *list = e + n;                                            \
    int before = flags_raised();                                               \
    for (size_t r = 0; r < rows; r++, x += n) {                                \
      if (is_ignored(frame, labels[r]))                                        \
        continue;                                                              \
      real s = shifted_exp_##name(x, n, t, e, list);                           \
      if (loss != NULL)                                                        \
        loss[r] =                                                              \
            (double)row_loss_##name(frame, s, t, list, n, (size_t)labels[r]);  \
      for (size_t i = 0; p != NULL && i < n; i++)                              \
        p[r * n + i] = (double)(e[i] / s);                                     \
    }                                                                          \
    flags_restore(before);                                                     \
  }

ROWS(f32, float, f32_log)
ROWS(f64, double, log)

static void rows(Frame *frame, const double *x, const double *labels, double *p,
                 double *loss) {
  if (frame_is_f64(frame))
    rows_f64(frame, x, labels, p, loss);
  else
    rows_f32(frame, x, labels, p, loss);
}

bool eval_softmax_xent(Frame *frame) {
  const double *labels = frame_data(frame, 1);
  if (!labels_check(frame, labels, class_count(frame)))
    return false;
  rows(frame, frame_shifted(frame, 0), labels, NULL, frame->out);
  return true;
}

/* (p - target) * dy, from the probabilities in frame->out. */
#define GRADIENT(name, real)                                                   \
  static void gradient_##name(Frame *frame, const double *labels,              \
                              const double *dy) {                              \
    int64_t n = class_count(frame);                                            \
    double smooth = frame->node->attr.smooth;                                  \
    real share = (real)smooth / (real)n, keep = (real)(1 - smooth);            \
    for (int64_t i = 0; i < frame->node->type->elements; i++) {                \
      double label = labels[i / n];                                            \
      real hot = (double)(i % n) == label ? keep : 0;                          \
      real d = (real)dy[i / n], p = (real)frame->out[i];                       \
      if (!is_ignored(frame, label))                                           \
        frame->out[i] = (double)((p - (hot + share)) * d);                     \
    }                                                                          \
  }

GRADIENT(f32, float)
GRADIENT(f64, double)

bool eval_softmax_xent_grad(Frame *frame) {
  const double *labels = frame_data(frame, 1), *dy = frame_data(frame, 2);
  if (!labels_check(frame, labels, class_count(frame)))
    return false;
  rows(frame, frame_shifted(frame, 0), labels, frame->out, NULL);
  (frame_is_f64(frame) ? gradient_f64 : gradient_f32)(frame, labels, dy);
  return true;
}
