/* Gradients of scale control, and of images that moved.
 *
 * A control that acts on the value leaves its gradient alone; a marker leaves
 * the value alone and acts on the gradient (language.md, numerics in the text).
 */
#include "compiler/pass/gradient.h"

/* gradient_reaches knows: nothing arrives here. */
void gradient_stop(Tape *tape, ValueId id, ValueId dy) {
  (void)tape, (void)id, (void)dy;
}

void gradient_set_scale(Tape *tape, ValueId id, ValueId dy) {
  tape_give_first(tape, id, dy);
}

/* The gradient in the format that the marker names: a pin, like every cast of
 * the text. */
void gradient_cast_grad(Tape *tape, ValueId id, ValueId dy) {
  if (!tape_begin(tape, id, 0))
    return;
  TypeTable *types = tape->context->program->types;
  const Type *type = type_with_format(types, tape_type(tape, dy),
                                      graph_node(tape->graph, id)->attr.to);
  Node cast = node_make(OP_CAST, PHASE_BACKWARD, type, dy, 0, 0);
  cast.pinned = true;
  tape_give(tape, tape_add(tape, cast));
}

static void control_gradient(Tape *tape, ValueId id, ValueId dy, Op op) {
  if (!tape_begin(tape, id, 0))
    return;
  Node node = node_make(op, PHASE_BACKWARD, NULL, dy, 0, 0);
  node.attr.by = graph_node(tape->graph, id)->attr.by;
  node.attr.exponent = graph_node(tape->graph, id)->attr.exponent;
  tape_give(tape, tape_add(tape, node));
}

void gradient_rescale_grad(Tape *tape, ValueId id, ValueId dy) {
  control_gradient(tape, id, dy, OP_RESCALE);
}

void gradient_set_scale_grad(Tape *tape, ValueId id, ValueId dy) {
  control_gradient(tape, id, dy, OP_SET_SCALE);
}

/* Each element goes back to where it came from. */
void gradient_translate(Tape *tape, ValueId id, ValueId dy) {
  if (!tape_begin(tape, id, 0))
    return;
  Node node = node_make(OP_TRANSLATE, PHASE_BACKWARD, NULL, dy,
                        tape_operand(tape, id, 1), 0);
  node.attr.reverse = !graph_node(tape->graph, id)->attr.reverse;
  tape_give(tape, tape_add(tape, node));
}
