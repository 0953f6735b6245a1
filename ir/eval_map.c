/* Evaluation: elementwise ops, with the strict broadcasting of language.md 6.
 *
 * In: operands, each walked in the shape of the result. Out: one operation per
 * element, rounded to binary32 (or left in binary64). Comparisons look at the
 * data as they are, so integers of any size compare exactly.
 */
#include "ir/eval_internal.h"

#include <math.h>

#include "ir/f32math.h"

const double *frame_expanded(const Frame *frame, int operand,
                             const double *data) {
  const Type *type = frame_type(frame, operand);
  const Type *result = frame->node->type;
  if (type->elements == result->elements)
    return data;
  int64_t step[MAX_RANK];
  type_steps(type, step);
  Axes axes = {0};
  for (int i = 0; i < result->rank; i++) {
    int own = i - (result->rank - type->rank);
    bool moves = own >= 0 && type->dim[own] != 1;
    axes_add(&axes, result->dim[i], moves ? step[own] : 0);
  }
  double *out = frame_doubles(frame, type_count(result));
  axes_gather(&axes, data, out);
  return out;
}

/* ---- one operand --------------------------------------------------------- */

#define MAP1(name, in_f32, in_f64)                                             \
  static bool map_##name(Frame *frame, const double *a) {                      \
    size_t n = type_count(frame->node->type);                                  \
    if (frame_is_f64(frame)) {                                                 \
      for (size_t i = 0; i < n; i++) {                                         \
        double x = a[i];                                                       \
        frame->out[i] = in_f64;                                                \
      }                                                                        \
      return true;                                                             \
    }                                                                          \
    for (size_t i = 0; i < n; i++) {                                           \
      float x = (float)a[i];                                                   \
      frame->out[i] = (double)(in_f32);                                        \
    }                                                                          \
    return true;                                                               \
  }

MAP1(neg, -x, -x)
/* NaN stays NaN; -0 becomes +0. */
MAP1(relu, x <= 0 ? 0 : x, x <= 0 ? 0 : x)
MAP1(sqrt, sqrtf(x), sqrt(x))
MAP1(exp, f32_exp(x), exp(x))
MAP1(log, f32_log(x), log(x))

bool eval_neg(Frame *frame) {
  if (!type_is_real(frame->node->type))
    return eval_whole(frame);
  return map_neg(frame, frame_data(frame, 0));
}

bool eval_relu(Frame *frame) {
  return map_relu(frame, frame_data(frame, 0));
}

bool eval_sqrt(Frame *frame) {
  return map_sqrt(frame, frame_shifted(frame, 0));
}

/* exp and log see true values: their flags say nothing about scaling. */
bool eval_exp(Frame *frame) {
  const double *x = frame_shifted(frame, 0);
  int before = flags_raised();
  map_exp(frame, x);
  flags_restore(before);
  return true;
}

bool eval_log(Frame *frame) {
  const double *x = frame_shifted(frame, 0);
  int before = flags_raised();
  map_log(frame, x);
  flags_restore(before);
  return true;
}

bool eval_positive(Frame *frame) {
  const double *y = frame_data(frame, 0);
  size_t n = type_count(frame->node->type);
  for (size_t i = 0; i < n; i++)
    frame->out[i] = y[i] > 0;
  return true;
}

/* ---- two operands ------------------------------------------------------- */

#define MAP2(name, operator)                                                   \
  bool eval_##name(Frame *frame) {                                             \
    if (!type_is_real(frame->node->type))                                      \
      return eval_whole(frame);                                                \
    const double *a = frame_expanded(frame, 0, frame_data(frame, 0));          \
    const double *b = frame_expanded(frame, 1, frame_data(frame, 1));          \
    size_t n = type_count(frame->node->type);                                  \
    if (frame_is_f64(frame)) {                                                 \
      for (size_t i = 0; i < n; i++)                                           \
        frame->out[i] = a[i] operator b[i];                                    \
      return true;                                                             \
    }                                                                          \
    for (size_t i = 0; i < n; i++)                                             \
      frame->out[i] = (double)((float)a[i] operator(float) b[i]);              \
    return true;                                                               \
  }

MAP2(add, +)
MAP2(sub, -)
MAP2(mul, *)
MAP2(div, /)

/* (dy, y): y is tested before its own rounding. */
bool eval_relu_grad(Frame *frame) {
  const Value *value = frame_value(frame, 1);
  const double *y = value->raw != NULL ? value->raw : value->tensor.data;
  const double *dy = frame_data(frame, 0);
  size_t n = type_count(frame->node->type);
  for (size_t i = 0; i < n; i++)
    frame->out[i] = y[i] > 0 ? dy[i] : 0;
  return true;
}
