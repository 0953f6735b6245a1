/* Evaluation: reductions, and the ops that define exponents.
 *
 * In: an operand. Out: one number per kept index. The order of every sum is
 * part of the meaning and depends on the number of summands alone:
 *
 *   The summands of one result are a list, the reduced axes flattened in
 *   row-major order of the operand's axes. The list is cut into chunks of
 *   16,384. In a chunk, 16 lanes start at +0 and lane i mod 16 adds summand i,
 *   i ascending; then lane j adds lane j + 8 for j < 8, lane j + 4 for j < 4,
 *   lane j + 2, lane j + 1: lane 0 is the sum of the chunk. The sums of the
 *   chunks, if there is more than one, are a list again, under the same rule.
 *
 * Lanes that no summand reaches stay +0 and are folded like the others; so no
 * sum is -0 and the sum of nothing is +0.
 */
#include "ir/eval_internal.h"

#include <math.h>

/* ---- sums --------------------------------------------------------------- */

enum { CHUNK = 16384, LANES = 16 };

#define SUM_IN(name, real)                                                     \
  static real chunk_##name(const real *x, size_t n) {                          \
    real lane[LANES] = {0};                                                    \
    for (size_t i = 0; i < n; i++)                                             \
      lane[i % LANES] += x[i];                                                 \
    for (int half = LANES / 2; half > 0; half /= 2)                            \
      for (int j = 0; j < half; j++)                                           \
        lane[j] += lane[j + half];                                             \
    return lane[0];                                                            \
  }                                                                            \
  real sum_##name(real *list, size_t n) {                                      \
    while (n > CHUNK) {                                                        \
      size_t chunks = 0;                                                       \
      for (size_t begin = 0; begin < n; begin += CHUNK) {                      \
        size_t count = n - begin < CHUNK ? n - begin : CHUNK;                  \
        list[chunks++] = chunk_##name(list + begin, count);                    \
      }                                                                        \
      n = chunks;                                                              \
    }                                                                          \
    return chunk_##name(list, n);                                              \
  }

SUM_IN(f32, float)
SUM_IN(f64, double)

/* The sums of `rows` lists of n numbers each, to out; a mean divides them. */
static void sum_rows(const Frame *frame, double *list, size_t rows, size_t n,
                     bool mean) {
  float *row = NEW_ARRAY(frame->evaluator->scratch, float, n);
  for (size_t r = 0; r < rows; r++, list += n) {
    if (frame_is_f64(frame)) {
      double sum = sum_f64(list, n);
      frame->out[r] = mean ? sum / (double)n : sum;
      continue;
    }
    for (size_t i = 0; i < n; i++)
      row[i] = (float)list[i];
    float sum = sum_f32(row, n);
    frame->out[r] = (double)(mean ? sum / (float)n : sum);
  }
}

static bool reduce(Frame *frame, bool mean) {
  Lists lists;
  if (!frame_lists(frame, &lists))
    return false;
  double *list = lists_gather(frame, &lists, frame_data(frame, 0));
  sum_rows(frame, list, lists.rows, lists.n, mean);
  return true;
}

bool eval_sum(Frame *frame) {
  return reduce(frame, false);
}

/* Sum, then one division by the number of summands; the shift comes last. */
bool eval_mean(Frame *frame) {
  return reduce(frame, true);
}

/* ---- exponents ---------------------------------------------------------- */

static float largest_magnitude(const double *x, size_t n) {
  float max = 0;
  for (size_t i = 0; i < n; i++) {
    float magnitude = fabsf((float)x[i]);
    if (!(magnitude <= max)) /* a NaN is kept: */
      max = magnitude;
    if (isnan(max))
      break;
  }
  return max;
}

/* The statistic over data, in f32: sqrt(sum d^2 / n) with each square rounded,
 * sum |d| / n, or max |d|. */
static float statistic_f32(const Frame *frame, const double *x, size_t n) {
  Norm by = frame->node->attr.by;
  if (by == NORM_MAX)
    return largest_magnitude(x, n);
  float *list = NEW_ARRAY(frame->evaluator->scratch, float, n);
  for (size_t i = 0; i < n; i++) {
    float d = (float)x[i];
    list[i] = by == NORM_L2 ? d * d : fabsf(d);
  }
  float mean = sum_f32(list, n) / (float)n;
  return by == NORM_L2 ? sqrtf(mean) : mean;
}

static double statistic_f64(const Frame *frame, const double *x, size_t n) {
  Norm by = frame->node->attr.by;
  double max = 0;
  double *list = frame_doubles(frame, n);
  for (size_t i = 0; i < n; i++) {
    list[i] = by == NORM_L2 ? x[i] * x[i] : fabs(x[i]);
    if (!(list[i] <= max) && !isnan(max))
      max = list[i];
  }
  if (by == NORM_MAX)
    return max;
  double mean = sum_f64(list, n) / (double)n;
  return by == NORM_L2 ? sqrt(mean) : mean;
}

/* The exponent at which data whose largest magnitude is `statistic` just fits
 * the format of `fit`: the least e with statistic * 2^-e <= max. That is
 * floor(log2(max / statistic)) of FP8-AMAX with its sign turned, by fields:
 * no logarithm is rounded. Without `fit` it is floor(log2 statistic). */
static int32_t fitting_exponent(const Frame *frame, double statistic) {
  int32_t exponent = ilogb(statistic);
  Format fit = frame->node->attr.fit;
  if (fit == FORMAT_NONE)
    return exponent;
  double max = format_max(fit);
  int32_t top = ilogb(max);
  return exponent - top +
         (ldexp(statistic, -exponent) > ldexp(max, -top) ? 1 : 0);
}

/* *exponent = floor(log2) of the statistic; false if it is zero or not
 * finite, and then nothing is measured. */
static bool measure(const Frame *frame, int32_t *exponent) {
  const double *x = frame_data(frame, 0);
  size_t n = type_count(frame_type(frame, 0));
  if (frame_is_f64(frame)) {
    double statistic = statistic_f64(frame, x, n);
    if (!isfinite(statistic) || statistic == 0)
      return false;
    *exponent = fitting_exponent(frame, statistic);
    return true;
  }
  float statistic = statistic_f32(frame, x, n);
  if (!isfinite(statistic) || statistic == 0)
    return false;
  *exponent = fitting_exponent(frame, (double)statistic);
  return true;
}

static int32_t exponent_clamped(int32_t exponent) {
  return exponent < EXPONENT_MIN   ? EXPONENT_MIN
         : exponent > EXPONENT_MAX ? EXPONENT_MAX
                                   : exponent;
}

/* clamp(e(x) + floor(log2 statistic)); an immeasurable operand keeps e(x). */
bool eval_norm_exponent(Frame *frame) {
  int before = flags_raised();
  int32_t exponent = 0;
  bool measured = measure(frame, &exponent);
  frame->evaluator->counts.unmeasured += !measured;
  exponent += frame_value(frame, 0)->tensor.exponent;
  frame->out[0] = measured || !frame->node->attr.empty
                      ? exponent_clamped(exponent)
                      : EXPONENT_NONE;
  flags_restore(before);
  return true;
}

/* What a checkpoint brought may be anything. */
bool eval_state_exponent(Frame *frame) {
  frame->out[0] = exponent_clamped((int32_t)frame_data(frame, 0)[0]);
  return true;
}

/* Measured in the first of every n steps. */
bool eval_held_exponent(Frame *frame) {
  uint64_t every = (uint64_t)frame->node->attr.every;
  bool now = (frame->evaluator->step - 1) % every == 0;
  frame->out[0] = exponent_clamped((int32_t)frame_data(frame, now)[0]);
  return true;
}

/* The largest of a history; with an empty one the operand keeps its own. */
bool eval_delayed_exponent(Frame *frame) {
  const double *history = frame_data(frame, 0);
  int32_t largest = EXPONENT_NONE;
  for (size_t i = 0; i < type_count(frame_type(frame, 0)); i++)
    largest = history[i] > largest ? (int32_t)history[i] : largest;
  if (largest < EXPONENT_MIN)
    largest = frame_value(frame, 1)->tensor.exponent;
  frame->out[0] = exponent_clamped(largest);
  return true;
}

bool eval_max_exponent(Frame *frame) {
  const Attributes *attr = &frame->node->attr;
  int32_t a = scale_resolved(frame->evaluator, attr->term[0]);
  int32_t b = scale_resolved(frame->evaluator, attr->term[1]);
  frame->out[0] = a > b ? a : b;
  return true;
}
