/* Evaluation: arithmetic on i32, two's complement, wrapping.
 *
 * In: whole numbers of 32 bits as doubles. Out: the same. Sums and products
 * are taken in 64 bits and cut to 32. Division rounds down; by 0 it gives 0,
 * and the remainder is then the dividend, so that a = a // b * b + a % b holds
 * for every b.
 */
#include "ir/eval_internal.h"

static double wrapped(int64_t x) {
  uint32_t low = (uint32_t)(uint64_t)x;
  return low <= INT32_MAX ? (double)low : (double)low - 0x1p32;
}

static int64_t divided(int64_t a, int64_t b) {
  if (b == 0)
    return 0;
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static double whole_of_two(Op op, int64_t a, int64_t b) {
  switch (op) {
  case OP_ADD:
    return wrapped(a + b);
  case OP_SUB:
    return wrapped(a - b);
  case OP_MUL:
    return wrapped(a * b);
  case OP_FLOORDIV:
    return wrapped(divided(a, b));
  case OP_MOD:
    return wrapped(a - divided(a, b) * b);
  case OP_NEG:
    return wrapped(-a);
  default:
    return wrapped(a < 0 ? -a : a);
  }
}

bool eval_whole(Frame *frame) {
  bool two = node_inputs(frame->node) == 2;
  const double *a = frame_expanded(frame, 0, frame_data(frame, 0));
  const double *b = two ? frame_expanded(frame, 1, frame_data(frame, 1)) : a;
  size_t n = type_count(frame->node->type);
  for (size_t i = 0; i < n; i++)
    frame->out[i] = whole_of_two(frame->node->op, (int64_t)a[i], (int64_t)b[i]);
  return true;
}

bool eval_floordiv(Frame *frame) {
  return eval_whole(frame);
}

bool eval_mod(Frame *frame) {
  return eval_whole(frame);
}
