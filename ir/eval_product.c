/* Evaluation: products of lists, running sums, and their gradients.
 *
 * A product has the order of a sum (eval_reduce.c) with * for + and 1 for 0.
 * A running sum adds one element at a time. Per list x, each operation rounded
 * to binary32:
 *
 *   prod_grad   dy * (before_i * after_i), before_i the product of the elements
 *               in front of i in ascending order from 1, after_i of those
 *               behind it in descending order from 1. So no element is divided
 *               by, and a zero needs no case of its own.
 */
#include "ir/eval_internal.h"

enum { CHUNK = 16384, LANES = 16 };

#define PRODUCT_IN(name, real)                                                 \
  static real chunk_##name(const real *x, size_t n) {                          \
    real lane[LANES];                                                          \
    for (int j = 0; j < LANES; j++)                                            \
      lane[j] = 1;                                                             \
    for (size_t i = 0; i < n; i++)                                             \
      lane[i % LANES] *= x[i];                                                 \
    for (int half = LANES / 2; half > 0; half /= 2)                            \
      for (int j = 0; j < half; j++)                                           \
        lane[j] *= lane[j + half];                                             \
    return lane[0];                                                            \
  }                                                                            \
  static void prod_##name(const real *x, const real *dy, real *out, size_t n,  \
                          real *room, real extra) {                            \
    (void)dy, (void)extra;                                                     \
    int before = flags_raised();                                               \
    const real *list = x;                                                      \
    while (n > CHUNK) {                                                        \
      size_t chunks = 0;                                                       \
      for (size_t begin = 0; begin < n; begin += CHUNK) {                      \
        size_t count = n - begin < CHUNK ? n - begin : CHUNK;                  \
        room[chunks++] = chunk_##name(list + begin, count);                    \
      }                                                                        \
      list = room;                                                             \
      n = chunks;                                                              \
    }                                                                          \
    *out = chunk_##name(list, n);                                              \
    flags_restore(before);                                                     \
  }                                                                            \
  static void prod_grad_##name(const real *x, const real *dy, real *out,       \
                               size_t n, real *room, real extra) {             \
    (void)extra;                                                               \
    int before = flags_raised();                                               \
    real product = 1;                                                          \
    for (size_t i = 0; i < n; i++) {                                           \
      room[i] = product;                                                       \
      product *= x[i];                                                         \
    }                                                                          \
    product = 1;                                                               \
    for (size_t i = n; i-- > 0;) {                                             \
      room[i] *= product;                                                      \
      product *= x[i];                                                         \
    }                                                                          \
    flags_restore(before);                                                     \
    for (size_t i = 0; i < n; i++)                                             \
      out[i] = dy[0] * room[i];                                                \
  }                                                                            \
  static void cumsum_##name(const real *x, const real *dy, real *out,          \
                            size_t n, real *room, real reverse) {              \
    (void)dy, (void)room;                                                      \
    real sum = 0;                                                              \
    for (size_t i = 0; i < n; i++) {                                           \
      size_t at = reverse > 0 ? n - 1 - i : i;                                 \
      out[at] = sum += x[at];                                                  \
    }                                                                          \
  }

PRODUCT_IN(f32, float)
PRODUCT_IN(f64, double)

ROW_RULE(prod, false, false);
ROW_RULE(prod_grad, false, true);
ROW_RULE(cumsum, false, true);

bool eval_prod(Frame *frame) {
  Lists lists;
  if (!frame_lists(frame, &lists))
    return false;
  rows_run(frame, &lists, &prod_rule, frame_shifted(frame, 0), NULL, 0);
  return true;
}

bool eval_prod_grad(Frame *frame) {
  Lists lists;
  if (!frame_lists(frame, &lists))
    return false;
  rows_run(frame, &lists, &prod_grad_rule, frame_shifted(frame, 0),
           frame_data(frame, 1), 0);
  return true;
}

bool eval_cumsum(Frame *frame) {
  Lists lists;
  frame_lists_along(frame, (int)frame->node->attr.axis, &lists);
  rows_run(frame, &lists, &cumsum_rule, frame_data(frame, 0), NULL,
           frame->node->attr.reverse);
  return true;
}
