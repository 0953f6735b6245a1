/* Reverse rules of choices and of elementwise functions.
 *
 * At the kinks: a tie of maximum or minimum goes to the first operand, so that
 * the two gradients always add up to dy; abs'(0) = 0; sign, floor and round
 * have gradient 0 everywhere.
 */
#include "compiler/pass/gradient.h"

/* Whole numbers and truth values: the gradient has stopped before. */
void gradient_whole(Tape *tape, ValueId id, ValueId dy) {
  (void)tape, (void)id, (void)dy;
}

/* Constant but for jumps. */
void gradient_zero(Tape *tape, ValueId id, ValueId dy) {
  (void)tape, (void)id, (void)dy;
}

static ValueId tape_select(Tape *tape, ValueId c, ValueId a, ValueId b) {
  return tape_add(tape, node_make(OP_SELECT, PHASE_BACKWARD, NULL, c, a, b));
}

/* dy where c holds goes to operand `first`, the rest to the one behind it. */
static void give_chosen(Tape *tape, ValueId id, int first, ValueId c,
                        ValueId dy) {
  if (tape_begin(tape, id, first + 1))
    tape_give(tape, tape_select(tape, c, tape_number(tape, 0.0), dy));
  if (tape_begin(tape, id, first))
    tape_give(tape, tape_select(tape, c, dy, tape_number(tape, 0.0)));
}

void gradient_select(Tape *tape, ValueId id, ValueId dy) {
  give_chosen(tape, id, 1, tape_operand(tape, id, 0), dy);
}

/* The comparison serves both operands; it is made for the first that wants
 * a gradient. */
static void give_compared(Tape *tape, ValueId id, Op op, ValueId dy) {
  ValueId a = tape_operand(tape, id, 0), b = tape_operand(tape, id, 1);
  if (tape_begin(tape, id, 1) || tape_begin(tape, id, 0))
    give_chosen(tape, id, 0, tape_binary(tape, op, a, b), dy);
}

void gradient_maximum(Tape *tape, ValueId id, ValueId dy) {
  give_compared(tape, id, OP_GE, dy);
}

void gradient_minimum(Tape *tape, ValueId id, ValueId dy) {
  give_compared(tape, id, OP_LE, dy);
}

void gradient_abs(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, tape_binary(
                        tape, OP_MUL, dy,
                        tape_unary(tape, OP_SIGN, tape_operand(tape, id, 0))));
}

/* y = x^(-1/2): dx = -(dy / 2) y^3, which keeps y alone. */
void gradient_rsqrt(Tape *tape, ValueId id, ValueId dy) {
  if (!tape_begin(tape, id, 0))
    return;
  ValueId half = tape_binary(tape, OP_MUL, dy, tape_number(tape, -0.5));
  ValueId square = tape_binary(tape, OP_MUL, id, id);
  ValueId cube = tape_binary(tape, OP_MUL, square, id);
  tape_give(tape, tape_binary(tape, OP_MUL, half, cube));
}

/* ---- elementary functions ------------------------------------------------ */

static ValueId product(Tape *tape, ValueId a, ValueId b) {
  return tape_binary(tape, OP_MUL, a, b);
}

static ValueId one_minus(Tape *tape, ValueId a) {
  return tape_binary(tape, OP_SUB, tape_number(tape, 1.0), a);
}

/* dx = dy (1 - y^2). */
void gradient_tanh(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, product(tape, dy, one_minus(tape, product(tape, id, id))));
}

/* dx = dy (y (1 - y)). */
void gradient_sigmoid(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, product(tape, dy, product(tape, id, one_minus(tape, id))));
}

/* dx = dy 2 / sqrt(pi) exp(-x^2). */
void gradient_erf(Tape *tape, ValueId id, ValueId dy) {
  static const double slope = 0x1.20dd750429b6dp+0;
  if (!tape_begin(tape, id, 0))
    return;
  ValueId x = tape_operand(tape, id, 0);
  ValueId square = product(tape, x, x);
  ValueId bell = tape_unary(tape, OP_EXP, tape_unary(tape, OP_NEG, square));
  ValueId scaled = product(tape, bell, tape_number(tape, slope));
  tape_give(tape, product(tape, dy, scaled));
}

void gradient_sin(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(
        tape,
        product(tape, dy, tape_unary(tape, OP_COS, tape_operand(tape, id, 0))));
}

void gradient_cos(Tape *tape, ValueId id, ValueId dy) {
  if (!tape_begin(tape, id, 0))
    return;
  ValueId sine = tape_unary(tape, OP_SIN, tape_operand(tape, id, 0));
  tape_give(tape, tape_unary(tape, OP_NEG, product(tape, dy, sine)));
}

/* b x^(b - 1), which is 0 for every x where b is 0: the power is then taken
 * as x, so that 0 times infinity cannot arise. */
static ValueId power_slope(Tape *tape, ValueId x, ValueId b) {
  ValueId less = tape_binary(tape, OP_SUB, b, tape_number(tape, 1.0));
  if (graph_node(tape->graph, b)->op != OP_CONST) {
    ValueId zero = tape_binary(tape, OP_EQ, b, tape_number(tape, 0.0));
    less = tape_select(tape, zero, tape_number(tape, 1.0), less);
  }
  return product(tape, b, tape_binary(tape, OP_POW, x, less));
}

/* y = x^b: dx = dy b x^(b - 1), db = dy y log x, where x is positive; db is 0
 * elsewhere. */
void gradient_pow(Tape *tape, ValueId id, ValueId dy) {
  ValueId x = tape_operand(tape, id, 0), b = tape_operand(tape, id, 1);
  if (tape_begin(tape, id, 1)) {
    ValueId zero = tape_number(tape, 0.0);
    ValueId positive = tape_binary(tape, OP_GT, x, zero);
    ValueId slope =
        tape_select(tape, positive, tape_unary(tape, OP_LOG, x), zero);
    tape_give(tape, product(tape, dy, product(tape, id, slope)));
  }
  if (tape_begin(tape, id, 0))
    tape_give(tape, product(tape, dy, power_slope(tape, x, b)));
}
