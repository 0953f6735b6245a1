/* Evaluation: random numbers, images moved by random offsets, and the scale of
 * a value.
 *
 * Number i of a random value is draw i of the key (seed, step, name of the
 * value), so it depends on nothing that a pass or a thread could change. Where
 * a step has several micro-batches they are counted instead of steps:
 *
 *   bernoulli    u < p, u the upper 24 bits of the draw as a fraction
 *   random_int   low + floor(draw * (high - low) / 2^32)
 */
#include "ir/eval_internal.h"

#include <math.h>
#include <string.h>

#include "ir/rng.h"

static RngKey frame_key(const Frame *frame) {
  const Evaluator *evaluator = frame->evaluator;
  return rng_key(evaluator->seed, evaluator->draw,
                 rng_hash_name(node_key(frame->node)));
}

bool eval_bernoulli(Frame *frame) {
  RngKey key = frame_key(frame);
  double p = frame->node->attr.probability;
  for (int64_t i = 0; i < frame->node->type->elements; i++)
    frame->out[i] = (double)rng_uniform(key, (uint64_t)i) < p;
  return true;
}

bool eval_random_int(Frame *frame) {
  RngKey key = frame_key(frame);
  const Attributes *attr = &frame->node->attr;
  uint64_t range = (uint64_t)(attr->high - attr->low);
  for (int64_t i = 0; i < frame->node->type->elements; i++) {
    uint64_t draw = rng_u32(key, (uint64_t)i);
    frame->out[i] = (double)(attr->low + (int64_t)(draw * range >> 32));
  }
  return true;
}

/* Where an element of the result comes from; -1: from outside. */
static int64_t source_of(const Frame *frame, int64_t element) {
  const Type *x = frame_type(frame, 0), *offsets = frame_type(frame, 1);
  const double *offset = frame_data(frame, 1);
  int64_t step[MAX_RANK], from = 0;
  type_steps(x, step);
  int64_t image = element / step[0];
  for (int i = 0; i < x->rank; i++) {
    int64_t at = element / step[i] % x->dim[i];
    if (i >= 1 && i <= offsets->dim[1]) {
      int64_t by = (int64_t)offset[image * offsets->dim[1] + i - 1];
      at += frame->node->attr.reverse ? by : -by;
    }
    if (at < 0 || at >= x->dim[i])
      return -1;
    from += at * step[i];
  }
  return from;
}

/* y[n, p, ..] = x[n, p - offset, ..], +0 where that is outside. */
bool eval_translate(Frame *frame) {
  const double *x = frame_data(frame, 0);
  for (int64_t i = 0; i < frame->node->type->elements; i++) {
    int64_t from = source_of(frame, i);
    frame->out[i] = from < 0 ? 0 : x[from];
  }
  return true;
}

bool eval_scale_of(Frame *frame) {
  frame->out[0] = ldexp(1.0, frame_value(frame, 0)->tensor.exponent);
  return true;
}

/* ---- micro-batches ------------------------------------------------------- */

/* Sums in f32 from +0, micro-batch by micro-batch, divided by their number. */
bool eval_accumulate(Frame *frame) {
  Evaluator *evaluator = frame->evaluator;
  size_t n = type_count(frame->node->type);
  double **sum = &evaluator->accumulated[frame->id];
  if (*sum == NULL)
    *sum = frame_doubles(frame, n);
  const double *x = frame_data(frame, 0);
  double rounds = (double)evaluator->micro_batches;
  for (size_t i = 0; i < n; i++) {
    if (frame_is_f64(frame)) {
      (*sum)[i] += x[i];
      frame->out[i] = (*sum)[i] / rounds;
      continue;
    }
    float next = (float)(*sum)[i] + (float)x[i];
    (*sum)[i] = (double)next;
    frame->out[i] = (double)(next / (float)rounds);
  }
  return true;
}
