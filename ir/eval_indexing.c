/* Evaluation: indexing.
 *
 * In: operands, indices of whole numbers. Out: their elements in other places;
 * scatter_add and put_add sum what arrives at one place, in the row-major order
 * of the indices, ascending, from +0, each sum rounded to binary32.
 *
 * A tensor is seen as [outer][n][inner] round the axis. An index outside its
 * axis ends the step with an error that names it: it is never clamped.
 */
#include "ir/eval_internal.h"

#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

/* A tensor as its attribute `axis` divides it. */
typedef struct {
  size_t outer, n, inner;
} Split;

static Split split_at(const Type *type, int64_t axis, int axes) {
  Split split = {1, 1, 1};
  for (int i = 0; i < type->rank; i++) {
    size_t *part = i < axis          ? &split.outer
                   : i < axis + axes ? &split.n
                                     : &split.inner;
    *part *= (size_t)type->dim[i];
  }
  return split;
}

static Split result_split(const Frame *frame) {
  return split_at(frame->node->type, frame->node->attr.axis, 1);
}

static Split operand_split(const Frame *frame, int operand) {
  return split_at(frame_type(frame, operand), frame->node->attr.axis, 1);
}

/* Copies `count` blocks of `size` numbers between rows of other lengths. */
static void copy_rows(double *to, size_t to_row, const double *from,
                      size_t from_row, size_t size, size_t count) {
  for (size_t i = 0; i < count && size > 0; i++)
    memcpy(to + i * to_row, from + i * from_row, size * sizeof *to);
}

/* What a value is called in messages; constants have no name. */
static const char *operand_name(const Frame *frame, int operand) {
  const char *name =
      graph_node(frame->graph, frame->node->input[operand])->name;
  return name ? name : "the constant";
}

/* ---- pieces of an axis --------------------------------------------------- */

bool eval_slice(Frame *frame) {
  Split to = result_split(frame), from = operand_split(frame, 0);
  size_t start = (size_t)frame->node->attr.start * from.inner;
  if (frame->node->type->elements > 0)
    copy_rows(frame->out, to.n * to.inner, frame_data(frame, 0) + start,
              from.n * from.inner, to.n * to.inner, to.outer);
  return true;
}

bool eval_concat(Frame *frame) {
  Split to = result_split(frame);
  size_t at = 0;
  for (int i = 0; i < node_inputs(frame->node); i++) {
    Split from = operand_split(frame, i);
    size_t size = from.n * from.inner;
    copy_rows(frame->out + at, to.n * to.inner, frame_data(frame, i), size,
              size, to.outer);
    at += size;
  }
  return true;
}

bool eval_pad(Frame *frame) {
  Split to = result_split(frame), from = operand_split(frame, 0);
  double value = frame_data(frame, 1)[0];
  for (size_t i = 0; i < type_count(frame->node->type); i++)
    frame->out[i] = value;
  size_t size = from.n * from.inner;
  if (size > 0)
    copy_rows(frame->out + (size_t)frame->node->attr.low * to.inner,
              to.n * to.inner, frame_data(frame, 0), size, size, to.outer);
  return true;
}

bool eval_reverse(Frame *frame) {
  Split split = result_split(frame);
  const double *data = frame_data(frame, 0);
  size_t row = split.n * split.inner;
  for (size_t i = 0; i < split.n; i++)
    copy_rows(frame->out + i * split.inner, row,
              data + (split.n - 1 - i) * split.inner, row, split.inner,
              split.outer);
  return true;
}

/* ---- windows ------------------------------------------------------------- */

/* The start in operand `operand` of a window of `size` into operand 0. */
static bool window_start(Frame *frame, int operand, size_t size,
                         size_t *start) {
  double at = frame_data(frame, operand)[0];
  Split whole = operand_split(frame, 0);
  if (at >= 0 && at + (double)size <= (double)whole.n) {
    *start = (size_t)at;
    return true;
  }
  char what[48] = "the index";
  if (size != 1)
    snprintf(what, sizeof what, "a window of %zu from", size);
  const char *name = frame->node->name; /* `y`, also of a helper `y~1` */
  return frame_fail(frame,
                    "%.*s: %s %s = %.0f does not lie in axis %lld of %s, of "
                    "size %zu",
                    (int)strcspn(name, "~"), name, what,
                    operand_name(frame, operand), at,
                    (long long)frame->node->attr.axis, operand_name(frame, 0),
                    whole.n);
}

bool eval_window(Frame *frame) {
  Split to = result_split(frame), from = operand_split(frame, 0);
  size_t start = 0;
  if (!window_start(frame, 1, to.n, &start))
    return false;
  if (frame->node->type->elements > 0)
    copy_rows(frame->out, to.n * to.inner,
              frame_data(frame, 0) + start * from.inner, from.n * from.inner,
              to.n * to.inner, to.outer);
  return true;
}

bool eval_window_write(Frame *frame) {
  Split to = result_split(frame), update = operand_split(frame, 1);
  size_t start = 0, size = update.n * update.inner;
  if (!window_start(frame, 2, update.n, &start))
    return false;
  memcpy(frame->out, frame_data(frame, 0),
         type_count(frame->node->type) * sizeof(double));
  if (size > 0)
    copy_rows(frame->out + start * to.inner, to.n * to.inner,
              frame_data(frame, 1), size, size, to.outer);
  return true;
}

/* ---- gather, scatter, take ----------------------------------------------- */

/* Are the indices in operand `ids` all in [0, n)? `into` is what they index. */
static bool indices_check(Frame *frame, int ids, size_t n, const char *into) {
  const double *index = frame_data(frame, ids);
  size_t count = type_count(frame_type(frame, ids));
  for (size_t i = 0; i < count; i++)
    if (!(index[i] >= 0 && index[i] < (double)n))
      return frame_fail(frame,
                        "%s: index %.0f at element %zu of %s is outside "
                        "[0, %zu), axis %lld of %s",
                        frame->node->name, index[i], i,
                        operand_name(frame, ids), n,
                        (long long)frame->node->attr.axis, into);
  return true;
}

bool eval_gather(Frame *frame) {
  Split from = operand_split(frame, 0);
  const double *index = frame_data(frame, 1), *data = frame_data(frame, 0);
  size_t count = type_count(frame_type(frame, 1));
  if (!indices_check(frame, 1, from.n, operand_name(frame, 0)))
    return false;
  for (size_t i = 0; i < count; i++)
    copy_rows(frame->out + i * from.inner, count * from.inner,
              data + (size_t)index[i] * from.inner, from.n * from.inner,
              from.inner, from.outer);
  return true;
}

/* In the order of the indices, so that of equal ones the last stays. */
bool eval_scatter(Frame *frame) {
  Split to = result_split(frame);
  const double *index = frame_data(frame, 2), *update = frame_data(frame, 1);
  size_t count = type_count(frame_type(frame, 2));
  if (!indices_check(frame, 2, to.n, operand_name(frame, 0)))
    return false;
  memcpy(frame->out, frame_data(frame, 0),
         type_count(frame->node->type) * sizeof(double));
  for (size_t i = 0; i < count; i++)
    copy_rows(frame->out + (size_t)index[i] * to.inner, to.n * to.inner,
              update + i * to.inner, count * to.inner, to.inner, to.outer);
  return true;
}

bool eval_take(Frame *frame) {
  Split to = result_split(frame), from = operand_split(frame, 0);
  const double *index = frame_data(frame, 1), *data = frame_data(frame, 0);
  if (!indices_check(frame, 1, from.n, operand_name(frame, 0)))
    return false;
  for (size_t o = 0; o < to.outer; o++, data += from.n * from.inner)
    for (size_t j = 0; j < to.n * to.inner; j++) {
      size_t at = o * to.n * to.inner + j;
      frame->out[at] =
          data[(size_t)index[at] * from.inner + (to.inner ? j % to.inner : 0)];
    }
  return true;
}

/* ---- their adjoints ------------------------------------------------------ */

/* One more summand, in the precision of the evaluator. */
static void accumulate(const Frame *frame, double *sum, double summand) {
  *sum = frame_is_f64(frame) ? *sum + summand
                             : (double)((float)*sum + (float)summand);
}

static void clear(Frame *frame) {
  for (size_t i = 0; i < type_count(frame->node->type); i++)
    frame->out[i] = 0;
}

bool eval_scatter_add(Frame *frame) {
  Split to = result_split(frame);
  const double *index = frame_data(frame, 1), *update = frame_data(frame, 0);
  size_t count = type_count(frame_type(frame, 1));
  if (!indices_check(frame, 1, to.n, "the result"))
    return false;
  clear(frame);
  for (size_t o = 0; o < to.outer; o++)
    for (size_t j = 0; j < count; j++) {
      double *row = frame->out + (o * to.n + (size_t)index[j]) * to.inner;
      for (size_t i = 0; i < to.inner; i++)
        accumulate(frame, row + i, *update++);
    }
  return true;
}

bool eval_put_add(Frame *frame) {
  Split to = result_split(frame), from = operand_split(frame, 0);
  const double *index = frame_data(frame, 1), *update = frame_data(frame, 0);
  if (!indices_check(frame, 1, to.n, "the result"))
    return false;
  clear(frame);
  for (size_t o = 0; o < from.outer; o++)
    for (size_t j = 0; j < from.n; j++)
      for (size_t i = 0; i < from.inner; i++)
        accumulate(frame,
                   frame->out + (o * to.n + (size_t)*index++) * to.inner + i,
                   *update++);
  return true;
}

/* ---- indices ------------------------------------------------------------- */

bool eval_iota(Frame *frame) {
  for (size_t i = 0; i < type_count(frame->node->type); i++)
    frame->out[i] = (double)i;
  return true;
}

typedef struct {
  double key;
  size_t index;
} Keyed;

/* -1, 0, 1; a NaN is above every number, and all NaN are equal. */
static int key_compare(double a, double b) {
  if (isnan(a) || isnan(b))
    return !!isnan(a) - !!isnan(b);
  return (a > b) - (a < b);
}

/* Equal keys keep their order in both directions. */
static int index_compare(const Keyed *a, const Keyed *b) {
  return (a->index > b->index) - (a->index < b->index);
}

static int ascending(const void *a, const void *b) {
  const Keyed *x = a, *y = b;
  int order = key_compare(x->key, y->key);
  return order ? order : index_compare(x, y);
}

static int descending(const void *a, const void *b) {
  const Keyed *x = a, *y = b;
  int order = key_compare(y->key, x->key);
  return order ? order : index_compare(x, y);
}

bool eval_argsort(Frame *frame) {
  Split split = result_split(frame);
  const double *data = frame_data(frame, 0);
  Keyed *keyed = NEW_ARRAY(frame->evaluator->scratch, Keyed, split.n + 1);
  for (size_t row = 0; row < split.outer * split.inner; row++) {
    size_t at = row / split.inner * split.n * split.inner + row % split.inner;
    for (size_t i = 0; i < split.n; i++)
      keyed[i] = (Keyed){data[at + i * split.inner], i};
    qsort(keyed, split.n, sizeof *keyed,
          frame->node->attr.descending ? descending : ascending);
    for (size_t i = 0; i < split.n; i++)
      frame->out[at + i * split.inner] = (double)keyed[i].index;
  }
  return true;
}
