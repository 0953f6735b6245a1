/* Evaluation: comparisons, logic, choices, and functions of one number.
 *
 * In: operands, each walked in the shape of the result. Out: one result per
 * element. Comparisons, choices and rounding are exact, the same in binary32
 * and binary64; data are looked at as they are, so integers of any size compare
 * exactly. The elementary functions see true values, so what they raise says
 * nothing about scaling.
 */
#include "ir/eval_internal.h"

#include <math.h>

#include "ir/exact.h"
#include "ir/f32math.h"

/* ---- two operands -------------------------------------------------------- */

#define MAP2(name, result)                                                     \
  bool eval_##name(Frame *frame) {                                             \
    const double *x = frame_expanded(frame, 0, frame_data(frame, 0));          \
    const double *y = frame_expanded(frame, 1, frame_data(frame, 1));          \
    size_t n = type_count(frame->node->type);                                  \
    for (size_t i = 0; i < n; i++) {                                           \
      double a = x[i], b = y[i];                                               \
      frame->out[i] = result;                                                  \
    }                                                                          \
    return true;                                                               \
  }

MAP2(eq, a == b)
MAP2(ne, a != b)
MAP2(lt, a < b)
MAP2(le, a <= b)
MAP2(gt, a > b)
MAP2(ge, a >= b)
MAP2(and, a != 0 && b != 0)
MAP2(or, a != 0 || b != 0)
MAP2(maximum, exact_maximum(a, b))
MAP2(minimum, exact_minimum(a, b))

/* ---- one operand --------------------------------------------------------- */

/* `operand`: its data as the op reads them. */
#define MAP1(name, operand, result)                                            \
  bool eval_##name(Frame *frame) {                                             \
    const double *data = operand(frame, 0);                                    \
    size_t n = type_count(frame->node->type);                                  \
    for (size_t i = 0; i < n; i++) {                                           \
      double x = data[i];                                                      \
      frame->out[i] = result;                                                  \
    }                                                                          \
    return true;                                                               \
  }

MAP1(not, frame_data, x == 0)
MAP1(sign, frame_data, exact_sign(x))
MAP1(floor, frame_shifted, floor(x))
MAP1(round, frame_shifted, exact_round(x))

bool eval_abs(Frame *frame) {
  if (!type_is_real(frame->node->type))
    return eval_whole(frame);
  const double *x = frame_data(frame, 0);
  size_t n = type_count(frame->node->type);
  for (size_t i = 0; i < n; i++)
    frame->out[i] = fabs(x[i]);
  return true;
}

/* Two rounded steps, so that scaling by 4^k changes no bit. */
bool eval_rsqrt(Frame *frame) {
  const double *x = frame_shifted(frame, 0);
  size_t n = type_count(frame->node->type);
  bool wide = frame_is_f64(frame);
  for (size_t i = 0; i < n; i++)
    frame->out[i] = wide ? 1 / sqrt(x[i]) : (double)(1.0f / sqrtf((float)x[i]));
  return true;
}

/* ---- elementary functions ------------------------------------------------ */

typedef float Function32(float);
typedef double Function64(double);

static bool evaluate(Frame *frame, Function32 *narrow, Function64 *wide) {
  const double *x = frame_shifted(frame, 0);
  int before = flags_raised();
  bool f64 = frame_is_f64(frame);
  size_t n = type_count(frame->node->type);
  for (size_t i = 0; i < n; i++)
    frame->out[i] = f64 ? wide(x[i]) : (double)narrow((float)x[i]);
  flags_restore(before);
  return true;
}

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

bool eval_tanh(Frame *frame) {
  return evaluate(frame, f32_tanh, tanh);
}

bool eval_sigmoid(Frame *frame) {
  return evaluate(frame, f32_sigmoid, sigmoid);
}

bool eval_erf(Frame *frame) {
  return evaluate(frame, f32_erf, erf);
}

bool eval_sin(Frame *frame) {
  return evaluate(frame, f32_sin, sin);
}

bool eval_cos(Frame *frame) {
  return evaluate(frame, f32_cos, cos);
}

bool eval_pow(Frame *frame) {
  const double *x = frame_expanded(frame, 0, frame_shifted(frame, 0));
  const double *y = frame_expanded(frame, 1, frame_shifted(frame, 1));
  int before = flags_raised();
  bool f64 = frame_is_f64(frame);
  size_t n = type_count(frame->node->type);
  for (size_t i = 0; i < n; i++)
    frame->out[i] =
        f64 ? pow(x[i], y[i]) : (double)f32_pow((float)x[i], (float)y[i]);
  flags_restore(before);
  return true;
}

/* ---- choices ------------------------------------------------------------- */

bool eval_select(Frame *frame) {
  const double *c = frame_expanded(frame, 0, frame_data(frame, 0));
  const double *a = frame_expanded(frame, 1, frame_data(frame, 1));
  const double *b = frame_expanded(frame, 2, frame_data(frame, 2));
  size_t n = type_count(frame->node->type);
  for (size_t i = 0; i < n; i++)
    frame->out[i] = c[i] != 0 ? a[i] : b[i];
  return true;
}
