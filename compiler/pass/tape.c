/* The tape behind gradient.h: adding backward nodes, undoing broadcasts, and
 * summing what a value was given.
 */
#include "compiler/pass/gradient.h"

bool tape_begin(Tape *tape, ValueId id, int operand) {
  const Node *node = graph_node(tape->graph, id);
  ValueId input = node->input[operand];
  if (!gradient_reaches(node, operand) || !tape->active[input] ||
      !type_is_real(tape_type(tape, input)))
    return false;
  tape->target = input;
  return true;
}

void tape_aim(Tape *tape, ValueId value) {
  tape->target = value;
}

/* ---- adding nodes -------------------------------------------------------- */

/* Rules only make nodes that fit; should one not, the verifier would be told
 * less than this message tells. */
static bool infer_type(Tape *tape, Node *node) {
  const char *error = NULL;
  node->type = shape_infer(tape->context->program->types, tape->graph, node,
                           tape->context->arena, &error);
  if (!node->type)
    diagnose_error(tape->context->diagnostics, node->span, "E0900",
                   "internal error: gradient of %%%s: %s",
                   graph_node(tape->graph, tape->target)->name, error);
  return node->type != NULL;
}

static void keep_operands(Tape *tape, Node *node) {
  for (int i = 0; i < node_inputs(node); i++)
    node->input[i] = tape_kept(tape, node->input[i]);
}

/* A rewriting may look through a kept value at one that is not. */
ValueId tape_add(Tape *tape, Node node) {
  node.phase = PHASE_BACKWARD;
  node.span = graph_node(tape->graph, tape->target)->span;
  if (!node.type && !infer_type(tape, &node))
    return node.input[0];
  keep_operands(tape, &node);
  ValueId same = rewrite_node(&tape->rewrite, &node);
  if (same)
    return tape_kept(tape, same);
  keep_operands(tape, &node);
  same = merge_find(&tape->rewrite, &node);
  if (same)
    return same;
  ValueId id = graph_add(tape->graph, &node);
  merge_remember(&tape->rewrite, id);
  vec_push(&tape->owner, tape->target);
  return id;
}

/* Numbers have the type real[] and no name; the printer writes them inline. */
ValueId tape_number(Tape *tape, double value) {
  TypeTable *types = tape->context->program->types;
  Node node = node_make(OP_CONST, PHASE_BACKWARD,
                        type_scalar(types, FORMAT_REAL), 0, 0, 0);
  node.attr.value = value;
  return tape_add(tape, node);
}

ValueId tape_unary(Tape *tape, Op op, ValueId a) {
  return tape_add(tape, node_make(op, PHASE_BACKWARD, NULL, a, 0, 0));
}

ValueId tape_binary(Tape *tape, Op op, ValueId a, ValueId b) {
  return tape_add(tape, node_make(op, PHASE_BACKWARD, NULL, a, b, 0));
}

ValueId tape_pattern(Tape *tape, Op op, ValueId a, const char *pattern) {
  Node node = node_make(op, PHASE_BACKWARD, NULL, a, 0, 0);
  node.attr.pattern = pattern;
  return tape_add(tape, node);
}

ValueId tape_shaped(Tape *tape, Op op, ValueId a, const Type *shape,
                    const char *pattern) {
  TypeTable *types = tape->context->program->types;
  const Type *type = type_with_format(types, shape, FORMAT_REAL);
  Node node = node_make(op, PHASE_BACKWARD, type, a, 0, 0);
  node.attr.pattern = pattern;
  return tape_add(tape, node);
}

/* ---- undoing a broadcast ------------------------------------------------- */

/* The axes of `from` along which a value of shape `to` was repeated are left
 * out of *kept; false if there are none. Shapes are aligned at their ends. */
static bool repeated_axes(const Type *from, const Type *to,
                          const Letters *letters, Letters *kept) {
  int lead = from->rank - to->rank;
  for (int i = 0; i < from->rank; i++)
    if (i >= lead && to->dim[i - lead] == from->dim[i])
      kept->letter[kept->rank++] = letters->letter[i];
  return kept->rank < from->rank;
}

/* The sum over the axes along which the target was repeated. Where only sizes
 * of 1 differ there is nothing to sum. */
ValueId tape_fit(Tape *tape, ValueId gradient) {
  Interner *interner = tape->context->program->interner;
  const Type *from = tape_type(tape, gradient);
  const Type *to = tape_type(tape, tape->target);
  if (type_same_shape(from, to))
    return gradient;
  Letters all = letters_customary(interner, from->rank), kept = {0};
  if (from->elements != to->elements && repeated_axes(from, to, &all, &kept))
    gradient = tape_pattern(tape, OP_SUM, gradient,
                            letters_pattern(interner, &all, NULL, &kept));
  if (type_same_shape(tape_type(tape, gradient), to))
    return gradient;
  return tape_shaped(tape, OP_RESHAPE, gradient, to, NULL);
}

/* ---- contributions ------------------------------------------------------- */

/* In the order of giving, which is the order of the sum. */
void tape_give(Tape *tape, ValueId gradient) {
  Contributions *given = &tape->given[tape->target];
  Contribution *contribution = NEW(tape->context->arena, Contribution);
  contribution->gradient = tape_fit(tape, gradient);
  if (given->last)
    given->last->next = contribution;
  else
    given->first = contribution;
  given->last = contribution;
}

ValueId tape_total(Tape *tape, ValueId value) {
  const Contribution *contribution = tape->given[value].first;
  if (!contribution)
    return 0;
  tape_aim(tape, value);
  ValueId total = contribution->gradient;
  while ((contribution = contribution->next))
    total = tape_binary(tape, OP_ADD, total, contribution->gradient);
  return total;
}
