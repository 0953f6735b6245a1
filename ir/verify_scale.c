/* Invariants of exponents: where they may stand, and that the shifts they
 * imply are ones that the op can carry out (shift.h, "What a shift is").
 */
#include "ir/verify.h"

#include <math.h>

/* The range in which 2^e and 2^-e are normal binary32 numbers. */
static void check_range(Verifier *verifier, ValueId id, Scale scale) {
  if (scale.kind == SCALE_NORMAL && scale.symbol == 0 &&
      (scale.exponent < EXPONENT_MIN || scale.exponent > EXPONENT_MAX))
    violation(verifier, id, "exponent %d is not in [%d, %d]", scale.exponent,
              EXPONENT_MIN, EXPONENT_MAX);
}

/* Statically zero, or nothing but 0, infinity and NaN. */
static bool adopts(Scale scale) {
  return scale.kind == SCALE_ZERO || scale.kind == SCALE_ANY;
}

/* No scale counts as 2^0. */
static bool same_exponent(Scale a, Scale b) {
  return adopts(a) || adopts(b) ||
         (a.symbol == b.symbol && a.exponent == b.exponent);
}

static Scale operand_scale(const Verifier *verifier, const Node *node, int i) {
  return graph_node(verifier->graph, node->input[i])->scale;
}

/* Sums, comparisons and choices work on data of one exponent. */
static void check_aligned(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  int first = -1;
  for (int i = 0; i < node_inputs(node); i++) {
    if (!op_is_aligned(node->op, i) || adopts(operand_scale(verifier, node, i)))
      continue;
    if (first >= 0 && !same_exponent(operand_scale(verifier, node, first),
                                     operand_scale(verifier, node, i))) {
      violation(verifier, id, "its operands have different exponents");
      return;
    }
    first = first < 0 ? i : first;
  }
}

/* A shift is one multiplication; ops without the attribute have none. */
static void check_shift(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  bool shifts =
      (op_info(node->op)->attributes & ATTR(SHIFT)) || node->op == OP_REBALANCE;
  if (!node_shift_fits(verifier->graph, id)) {
    violation(verifier, id, "its shift has too many run-time exponents");
    return;
  }
  Shift shift = node_shift(verifier->graph, id);
  if (shifts || shift_is_zero(shift))
    return;
  Buffer text = {0};
  shift_print(&text, verifier->graph, shift);
  violation(verifier, id, "%s cannot shift, but its exponents imply %s",
            op_info(node->op)->text, text.data);
  buffer_free(&text);
}

/* Numbers that are zero, infinite or NaN adopt the exponent of what they meet,
 * and so does what follows from them alone; nothing else may say so. */
static void check_adopting(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  double value = node->attr.value;
  if (!adopts(node->scale) || node->op == OP_PARAM)
    return;
  bool right =
      node->op == OP_CONST
          ? value == 0 || (!isfinite(value) && node->scale.kind == SCALE_ANY)
          : node_exponent_is_open(verifier->graph, id);
  if (!right)
    violation(verifier, id, "it is not known to be %s",
              node->scale.kind == SCALE_ZERO ? "zero"
                                             : "zero, infinite or NaN");
}

/* ---- ops ------------------------------------------------------------------
 */

/* Parity and maximum are integer arithmetic on known exponents. */
static void check_exponent_op(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  bool is_static = op_needs_parity(node->op) || node->op == OP_ACCUMULATE;
  if (is_static && operand_scale(verifier, node, 0).symbol)
    violation(verifier, id, "%s needs a static exponent",
              op_info(node->op)->text);
  const Program *program = verifier->program;
  const Node *state = graph_node(verifier->graph, node->input[0]);
  bool reads = node->op == OP_STATE_EXPONENT || node->op == OP_HELD_EXPONENT ||
               node->op == OP_DELAYED_EXPONENT;
  if (reads && (state->op != OP_PARAM ||
                !program->param.data[state->attr.index].measured))
    violation(verifier, id, "%s reads no state of exponents",
              op_info(node->op)->text);
  else if (reads && node->op != OP_STATE_EXPONENT &&
           verifier->owner[state->attr.index])
    violation(verifier, id, "%s reads the exponent of a parameter",
              op_info(node->op)->text);
  for (int i = 0; node->op == OP_MAX_EXPONENT && i < 2; i++)
    if (node->attr.term[i].kind != SCALE_NORMAL)
      violation(verifier, id, "term %d is no exponent", i + 1);
}

/* Blocks with exponents of their own stand where an exponent is given (inputs,
 * rebalance) and behind ops that keep elements in their place; what is measured
 * at run time is one exponent for a tensor. */
static void check_blocks(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  const Granularity *own = node->scale.granularity;
  bool keeps = op_keeps_blocks(node->op);
  if (own && !granularity_fits(own, node->type))
    violation(verifier, id, "the blocks of its scale do not fit its shape");
  if (own && (node->scale.kind != SCALE_NORMAL || node->scale.symbol))
    violation(verifier, id, "blocks have static exponents");
  if (own && !keeps && node->op != OP_INPUT && node->op != OP_REBALANCE)
    violation(verifier, id, "%s gives a tensor with one exponent",
              op_info(node->op)->text);
  for (int i = 0; i < node_inputs(node); i++) {
    const Granularity *read = operand_scale(verifier, node, i).granularity;
    if (node->op == OP_REBALANCE || (keeps && read == own))
      continue;
    if (keeps)
      violation(verifier, id, "its scale has other blocks than its operand's");
    else if (read)
      violation(verifier, id, "%s reads tensors with one exponent each",
                op_info(node->op)->text);
  }
}

void verify_scales(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  if (verifier->program->level == LEVEL_PLAIN) {
    verify_store(verifier, id);
    if (node->scale.kind != SCALE_NONE)
      violation(verifier, id, "it has a scale at level plain");
    return;
  }
  if (node->scale.kind == SCALE_NONE && node->scale.symbol)
    violation(verifier, id, "it has a symbol but no scale");
  if (node->scale.kind != SCALE_NONE && !type_is_real(node->type))
    violation(verifier, id, "a scale on %s",
              format_info(node->type->format)->text);
  if (node_is_leaf(node) && node->op != OP_PARAM && node->scale.symbol)
    violation(verifier, id, "a leaf has a static exponent");
  check_range(verifier, id, node->scale);
  check_blocks(verifier, id);
  check_aligned(verifier, id);
  check_shift(verifier, id);
  check_adopting(verifier, id);
  verify_store(verifier, id);
  check_exponent_op(verifier, id);
}
