/* Reverse rules of reductions that keep elements and of composites over rows.
 *
 * Where the derivative is a formula over a whole list, it is an op of its own
 * (max_grad, softmax_grad, ...) that takes dy last, so that a scale rule can
 * say what to expect of it.
 */
#include "compiler/pass/gradient.h"

/* grad(a, dy) with the attributes of `id`. */
static void give_op(Tape *tape, ValueId id, Op op, ValueId a, ValueId dy) {
  Node node = node_make(op, PHASE_BACKWARD, NULL, a, dy, 0);
  const Attributes *from = &graph_node(tape->graph, id)->attr;
  node.attr.pattern = from->pattern;
  node.attr.axis = from->axis;
  node.attr.eps = from->eps;
  tape_give(tape, tape_add(tape, node));
}

/* From the operand, which says where the extreme was. */
void gradient_extreme(Tape *tape, ValueId id, ValueId dy) {
  bool max = graph_node(tape->graph, id)->op == OP_MAX;
  if (tape_begin(tape, id, 0))
    give_op(tape, id, max ? OP_MAX_GRAD : OP_MIN_GRAD,
            tape_operand(tape, id, 0), dy);
}

void gradient_prod(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    give_op(tape, id, OP_PROD_GRAD, tape_operand(tape, id, 0), dy);
}

/* Each element is in all sums from its own on: the sum from the other end. */
void gradient_cumsum(Tape *tape, ValueId id, ValueId dy) {
  if (!tape_begin(tape, id, 0))
    return;
  Node node = node_make(OP_CUMSUM, PHASE_BACKWARD, NULL, dy, 0, 0);
  node.attr.axis = graph_node(tape->graph, id)->attr.axis;
  node.attr.reverse = !graph_node(tape->graph, id)->attr.reverse;
  tape_give(tape, tape_add(tape, node));
}

void gradient_logsumexp(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    give_op(tape, id, OP_LOGSUMEXP_GRAD, tape_operand(tape, id, 0), dy);
}

/* From the result, which has all that the gradient needs. */
void gradient_softmax(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    give_op(tape, id, OP_SOFTMAX_GRAD, id, dy);
}

void gradient_log_softmax(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    give_op(tape, id, OP_LOG_SOFTMAX_GRAD, id, dy);
}

void gradient_layer_norm(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    give_op(tape, id, OP_LAYER_NORM_GRAD, tape_operand(tape, id, 0), dy);
}

void gradient_rms_norm(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    give_op(tape, id, OP_RMS_NORM_GRAD, tape_operand(tape, id, 0), dy);
}

static Op gate_gradient(Op op) {
  return op == OP_GELU        ? OP_GELU_GRAD
         : op == OP_GELU_TANH ? OP_GELU_TANH_GRAD
                              : OP_SILU_GRAD;
}

void gradient_gated(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    give_op(tape, id, gate_gradient(graph_node(tape->graph, id)->op),
            tape_operand(tape, id, 0), dy);
}
