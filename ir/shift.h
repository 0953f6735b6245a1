/* What a shift is (scale.c). Part of ir.h, which includes it.
 *
 * At levels scaled to final an op computes `data = op(operand data) * 2^shift`
 * in f32, the multiplication applied to the f32 result (the accumulator of a
 * contraction) before any cast, where shift = rule exponent - result exponent
 * and the rule exponent follows from the operands' scales:
 *   einsum, mul      e(a) + e(b)        div        e(a) - e(b)
 *   sum, mean, keep  e(x)               convert    0, operand unscaled first
 *   add, sub, eq     e(a) = e(b), aligned by rebalance beforehand
 *   concat, pad, window_write, scatter
 *                    the same, of the operands that are no index
 *   relu_grad        e(dy)              softmax_xent_grad   e(dy)
 *   max_grad, min_grad                  e(dy)
 *   prod, softmax, log_softmax, logsumexp, onehot   0, operand unscaled first
 *   their gradients  e(dy), operand 0 unscaled first
 *   layer_norm, rms_norm                0, with eps * 2^-2e(x)
 *   their gradients  e(dy) - e(x), with eps * 2^-2e(x)
 *   sqrt             (e - parity) / 2 of a static e; operand shifted by parity
 *   exp, log, tanh, .., softmax_xent   0; the operand is unscaled first
 *                    (operand shift e); both operands of pow
 *   rsqrt            -(e - parity) / 2, as sqrt; sign 0
 *   maximum, minimum, select   as add, of what is chosen from
 *   rebalance        e(x), the result being free; cast e(x); store e(x)
 * Ops without ATTR(SHIFT) (rebalance apart) must have shift 0: the verifier
 * says so. mean divides the sum by n first, then shifts. A value without scale
 * counts as 2^0 beside scaled ones; one that is statically ZERO or ANY adopts
 * the exponent of the other operand, or makes the shift 0.
 */
#ifndef SG_IR_SHIFT_H
#define SG_IR_SHIFT_H

#include "ir/ir.h"

/* exponent + value of $plus - value of $minus; 0: no such symbol. */
typedef struct {
  int32_t exponent;
  ValueId plus, minus;
} Shift;

/* The rule exponent of node `id`; false where no rule binds it (leaves,
 * exponent-defining ops, integers, graphs without scales, statically ZERO or
 * ANY data) or where it is not of the form $s + k (the product of two run-time
 * exponents, division by one, the root of one). */
bool scale_rule_exponent(const Graph *graph, ValueId id, Scale *out);
/* Is the shift of the form $a - $b + k? A product of two run-time exponents
 * whose result has a third is not; the verifier refuses it. */
bool node_shift_fits(const Graph *graph, ValueId id);
/* Do the operands leave open at which exponent the result is, since they are
 * zero, infinite or NaN? */
bool node_exponent_is_open(const Graph *graph, ValueId id);
/* The shift of node `id` as defined above; all zero without scales. */
Shift node_shift(const Graph *graph, ValueId id);
/* The shift of operand `operand` before the op: the operand's whole exponent
 * of the ops that unscale it (both operands of pow, else operand 0 only); the
 * parity for sqrt and rsqrt; else 0. */
Shift operand_shift(const Graph *graph, ValueId id, int operand);
bool shift_is_zero(Shift shift);
/* Must this operand have the exponent of its fellows (ADD, EQ, ..)? */
bool op_is_aligned(Op op, int operand);
/* Does the op halve its operand's exponent, which must then be static? */
bool op_needs_parity(Op op);
/* Does each element of the result come from one of operand 0, at its exponent?
 * Then blocks of the operand are blocks of the result. */
bool op_keeps_blocks(Op op);
/* "-4", "$a", "($a - 1)", "(-$b + 3)", "($a - $b + 3)". */
void shift_print(Buffer *out, const Graph *graph, Shift shift);

#endif
