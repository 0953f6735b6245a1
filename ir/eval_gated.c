/* Evaluation: x * g(x), and what multiplies dy in its gradient.
 *
 * g is taken on the unscaled value u = x * 2^e, so that data at another
 * exponent give the same bits; the product is homogeneous. Each operation is
 * rounded to binary32, constants first:
 *
 *   gelu       g = 0.5 * (1 + erf(u * sqrt(1/2)))
 *              g' = g + u * (exp(-0.5 * (u * u)) * (1 / sqrt(2 pi)))
 *   gelu_tanh  t = tanh(c * (u + a * ((u * u) * u)))     g = 0.5 * (1 + t)
 *              g' = g + (0.5 * u) * (s * (c * (1 + 3 a * (u * u)))),
 *              s = 1 - t * t; g where s = 0
 *   silu       g = sigmoid(u)           g' = g * (1 + u * (1 - g))
 *
 * with c = sqrt(2 / pi), a = 0.044715. At +-infinity a product of 0 and
 * infinity is NaN.
 */
#include "ir/eval_internal.h"

#include <math.h>
#include <string.h>

#include "ir/f32math.h"

static double f64_sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

/* The factor of x, and the derivative of x * factor. */
#define GATES_IN(name, real, exponential, tangent, error_function, logistic)   \
  static const real half_root_##name = (real)0.70710678118654752;              \
  static const real density_##name = (real)0.39894228040143268;                \
  static const real slope_##name = (real)0.79788456080286536;                  \
  static const real cubic_##name = (real)0.044715;                             \
  static real gelu_##name(real u) {                                            \
    return (real)0.5 * (1 + error_function(u * half_root_##name));             \
  }                                                                            \
  static real gelu_grad_##name(real u) {                                       \
    real density = exponential((real)-0.5 * (u * u)) * density_##name;         \
    return gelu_##name(u) + u * density;                                       \
  }                                                                            \
  static real gelu_tangent_##name(real u) {                                    \
    return tangent(slope_##name * (u + cubic_##name * ((u * u) * u)));         \
  }                                                                            \
  static real gelu_tanh_##name(real u) {                                       \
    return (real)0.5 * (1 + gelu_tangent_##name(u));                           \
  }                                                                            \
  static real gelu_tanh_grad_##name(real u) {                                  \
    real t = gelu_tangent_##name(u), s = 1 - t * t;                            \
    real g = (real)0.5 * (1 + t);                                              \
    real inner = slope_##name * (1 + 3 * cubic_##name * (u * u));              \
    return s == 0 ? g : g + (real)0.5 * u * (s * inner);                       \
  }                                                                            \
  static real silu_##name(real u) {                                            \
    return logistic(u);                                                        \
  }                                                                            \
  static real silu_grad_##name(real u) {                                       \
    real g = logistic(u);                                                      \
    return g * (1 + u * (1 - g));                                              \
  }

GATES_IN(f32, float, f32_exp, f32_tanh, f32_erf, f32_sigmoid)
GATES_IN(f64, double, exp, tanh, erf, f64_sigmoid)

typedef struct {
  float (*f32)(float);
  double (*f64)(double);
} Gate;

/* out = x * gate(u), elementwise. The gate sees true values, so its flags say
 * nothing about scaling. */
static bool gated(Frame *frame, const double *x, const double *u, Gate gate) {
  size_t n = type_count(frame->node->type);
  double *g = frame_doubles(frame, n);
  int before = flags_raised();
  for (size_t i = 0; i < n; i++)
    g[i] = frame_is_f64(frame) ? gate.f64(u[i]) : (double)gate.f32((float)u[i]);
  flags_restore(before);
  for (size_t i = 0; i < n; i++)
    frame->out[i] =
        frame_is_f64(frame) ? x[i] * g[i] : (double)((float)x[i] * (float)g[i]);
  return true;
}

/* Operand 0 at 2^0. */
static const double *unscaled(const Frame *frame) {
  const Value *value = frame_value(frame, 0);
  size_t n = type_count(value->tensor.type);
  double *u = frame_doubles(frame, n);
  memcpy(u, value->tensor.data, n * sizeof *u);
  if (value->tensor.exponent != 0)
    data_align(frame->evaluator, u, n, value->tensor.exponent);
  return u;
}

#define GATED(name)                                                            \
  bool eval_##name(Frame *frame) {                                             \
    return gated(frame, frame_data(frame, 0), unscaled(frame),                 \
                 (Gate){name##_f32, name##_f64});                              \
  }                                                                            \
  bool eval_##name##_grad(Frame *frame) {                                      \
    return gated(frame, frame_data(frame, 1), frame_shifted(frame, 0),         \
                 (Gate){name##_grad_f32, name##_grad_f64});                    \
  }

GATED(gelu)
GATED(gelu_tanh)
GATED(silu)
