/* Gradients of convolutions and pools.
 *
 * conv is bilinear, so its two gradients and their own gradients are again
 * convolutions of the same windows: with <y, conv(x, w)> a trilinear form,
 * each of the three ops is the derivative of the form by one argument.
 */
#include "compiler/pass/gradient.h"

/* An op of the same windows as `id`, of the type of the target. */
static ValueId same_windows(Tape *tape, ValueId id, Op op, ValueId a,
                            ValueId b) {
  TypeTable *types = tape->context->program->types;
  const Type *type =
      type_with_format(types, tape_type(tape, tape->target), FORMAT_REAL);
  Node node = node_make(op, PHASE_BACKWARD, type, a, b, 0);
  const Attributes *from = &graph_node(tape->graph, id)->attr;
  node.attr.window = from->window;
  node.attr.stride = from->stride;
  node.attr.pad = from->pad;
  node.attr.dilation = from->dilation;
  node.attr.groups = from->groups;
  return tape_add(tape, node);
}

/* y = conv(x, w). */
void gradient_conv(Tape *tape, ValueId id, ValueId dy) {
  ValueId x = tape_operand(tape, id, 0), w = tape_operand(tape, id, 1);
  if (tape_begin(tape, id, 1))
    tape_give(tape, same_windows(tape, id, OP_CONV_GRAD_WEIGHT, dy, x));
  if (tape_begin(tape, id, 0))
    tape_give(tape, same_windows(tape, id, OP_CONV_GRAD_INPUT, dy, w));
}

/* z = conv_grad_input(y, w): dz has the shape of x. */
void gradient_conv_grad_input(Tape *tape, ValueId id, ValueId dz) {
  ValueId y = tape_operand(tape, id, 0), w = tape_operand(tape, id, 1);
  if (tape_begin(tape, id, 1))
    tape_give(tape, same_windows(tape, id, OP_CONV_GRAD_WEIGHT, y, dz));
  if (tape_begin(tape, id, 0))
    tape_give(tape, same_windows(tape, id, OP_CONV, dz, w));
}

/* z = conv_grad_weight(y, x): dz has the shape of w. */
void gradient_conv_grad_weight(Tape *tape, ValueId id, ValueId dz) {
  ValueId y = tape_operand(tape, id, 0), x = tape_operand(tape, id, 1);
  if (tape_begin(tape, id, 1))
    tape_give(tape, same_windows(tape, id, OP_CONV_GRAD_INPUT, y, dz));
  if (tape_begin(tape, id, 0))
    tape_give(tape, same_windows(tape, id, OP_CONV, x, dz));
}

/* The first maximum of a window gets all of its gradient. */
void gradient_maxpool(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, same_windows(tape, id, OP_MAXPOOL_GRAD, dy,
                                 tape_operand(tape, id, 0)));
}

void gradient_avgpool(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, same_windows(tape, id, OP_AVGPOOL_GRAD, dy, 0));
}

/* Linear, and the transpose of avgpool. */
void gradient_avgpool_grad(Tape *tape, ValueId id, ValueId dz) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, same_windows(tape, id, OP_AVGPOOL, dz, 0));
}
