/* Evaluation: pools and their gradients.
 *
 * In: images [n, spatial.., c], windows. Channels are independent. A maximum
 * is the first largest element of its window in row-major order; padding is
 * not looked at, and a NaN is larger than any number, so the first NaN wins.
 * An average divides by the number of taps, so padding counts as zeros. Sums
 * are f32 additions from +0 in ascending order: over taps for an average, over
 * positions for what an element is given back.
 */
#include "ir/eval_internal.h"
#include "ir/window.h"

#include <math.h>

typedef struct {
  Windows windows;
  int64_t images, elements, positions, taps, channels;
} Pool;

static Pool pool_of(const Frame *frame, const Type *x) {
  const Attributes *attr = &frame->node->attr;
  int64_t window[MAX_SPATIAL] = {0};
  for (int i = 0; i < attr->window.count; i++)
    window[i] = attr->window.at[i];
  Pool pool = {.images = x->dim[0], .channels = x->dim[x->rank - 1]};
  pool.windows = windows_of(attr, x->rank - 2, x->dim + 1, window);
  pool.elements = windows_elements(&pool.windows);
  pool.positions = windows_positions(&pool.windows);
  pool.taps = windows_taps(&pool.windows);
  return pool;
}

/* One rounding per operation, in the precision of the step. */
static double add(const Frame *frame, double a, double b) {
  return frame_is_f64(frame) ? a + b : (double)((float)a + (float)b);
}

static double divide(const Frame *frame, double a, double b) {
  return frame_is_f64(frame) ? a / b : (double)((float)a / (float)b);
}

/* ---- maxima ------------------------------------------------------------- */

/* The element of the first maximum at `position`; `x` is one channel of one
 * image. */
static int64_t first_maximum(const Pool *pool, const double *x,
                             int64_t position) {
  int64_t best = -1;
  for (int64_t t = 0; t < pool->taps; t++) {
    int64_t at = windows_read(&pool->windows, position, t);
    if (at < 0)
      continue;
    double value = x[at * pool->channels];
    if (best < 0 || isnan(value) || value > x[best * pool->channels])
      best = at;
    if (isnan(value))
      break;
  }
  return best;
}

bool eval_maxpool(Frame *frame) {
  Pool pool = pool_of(frame, frame_type(frame, 0));
  const double *x = frame_data(frame, 0);
  double *out = frame->out;
  for (int64_t image = 0; image < pool.images; image++)
    for (int64_t p = 0; p < pool.positions; p++)
      for (int64_t c = 0; c < pool.channels; c++) {
        const double *from = x + image * pool.elements * pool.channels + c;
        *out++ = from[first_maximum(&pool, from, p) * pool.channels];
      }
  return true;
}

/* (dy, x): each position gives its gradient to its first maximum. */
bool eval_maxpool_grad(Frame *frame) {
  Pool pool = pool_of(frame, frame_type(frame, 1));
  const double *dy = frame_data(frame, 0), *x = frame_data(frame, 1);
  for (int64_t i = 0; i < frame->node->type->elements; i++)
    frame->out[i] = 0;
  for (int64_t image = 0; image < pool.images; image++)
    for (int64_t p = 0; p < pool.positions; p++)
      for (int64_t c = 0; c < pool.channels; c++) {
        int64_t base = image * pool.elements * pool.channels + c;
        int64_t at = first_maximum(&pool, x + base, p);
        double *to = frame->out + base + at * pool.channels;
        *to = add(frame, *to, *dy++);
      }
  return true;
}

/* ---- averages ----------------------------------------------------------- */

bool eval_avgpool(Frame *frame) {
  Pool pool = pool_of(frame, frame_type(frame, 0));
  const double *x = frame_data(frame, 0);
  double *out = frame->out;
  for (int64_t image = 0; image < pool.images; image++)
    for (int64_t p = 0; p < pool.positions; p++)
      for (int64_t c = 0; c < pool.channels; c++) {
        const double *from = x + image * pool.elements * pool.channels + c;
        double sum = 0;
        for (int64_t t = 0; t < pool.taps; t++) {
          int64_t at = windows_read(&pool.windows, p, t);
          if (at >= 0)
            sum = add(frame, sum, from[at * pool.channels]);
        }
        *out++ = divide(frame, sum, (double)pool.taps);
      }
  return true;
}

/* The positions that read an element ascend as the taps descend. */
bool eval_avgpool_grad(Frame *frame) {
  Pool pool = pool_of(frame, frame->node->type);
  const double *dy = frame_data(frame, 0);
  double *out = frame->out;
  for (int64_t image = 0; image < pool.images; image++)
    for (int64_t e = 0; e < pool.elements; e++)
      for (int64_t c = 0; c < pool.channels; c++) {
        const double *from = dy + image * pool.positions * pool.channels + c;
        double sum = 0;
        for (int64_t t = pool.taps; t-- > 0;) {
          int64_t p = windows_reader(&pool.windows, e, t);
          if (p >= 0)
            sum = add(frame, sum, from[p * pool.channels]);
        }
        *out++ = divide(frame, sum, (double)pool.taps);
      }
  return true;
}
