/* Invariants of exponents: where they may stand, and that the shifts they
 * imply are ones that the op can carry out (shift.h, "What a shift is").
 */
#include "ir/verify.h"

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

/* ---- exponents in states ------------------------------------------------- */

void verify_exponent_state(Verifier *verifier, ValueId number) {
  const Parameter *state = &verifier->program->param.data[number - 1];
  Init init = state->init;
  double start = init.kind == INIT_CONSTANT ? init.a : 0;
  if (state->type->format != FORMAT_I32 || state->type->rank > 1)
    violation(verifier, number, "a state of exponents is i32[] or i32[n]");
  if ((init.kind != INIT_ZEROS && init.kind != INIT_CONSTANT) ||
      start != (double)(int32_t)start || start < EXPONENT_NONE ||
      start > EXPONENT_MAX)
    violation(verifier, number,
              "a state of exponents starts with zeros or a constant whole "
              "number from %d to %d",
              EXPONENT_NONE, EXPONENT_MAX);
}

void verify_measured_parameter(Verifier *verifier, ValueId number) {
  const Program *program = verifier->program;
  const Parameter *param = &program->param.data[number - 1];
  int state = program_param(program, param->exponent);
  if (state < 0 || !program->param.data[state].measured ||
      program->param.data[state].type->rank != 0)
    violation(verifier, number, "there is no exponent @%s : i32[]",
              param->exponent);
  if (param->scale.kind != SCALE_NORMAL || param->scale.exponent != 0)
    violation(verifier, number, "its exponent is a state's and more");
}

/* Read at what the state says, as it is. */
void verify_state_exponent(Verifier *verifier, ValueId id,
                           const Parameter *param) {
  const Graph *graph = verifier->graph;
  Scale scale = graph_node(graph, id)->scale;
  const Node *symbol = graph_node(graph, scale.symbol);
  if (scale.kind != SCALE_NORMAL || scale.exponent != 0 ||
      symbol->op != OP_STATE_EXPONENT ||
      graph_node(graph, symbol->input[0])->name != param->exponent)
    violation(verifier, id, "its exponent is not state_exponent(@%s)",
              param->exponent);
}

/* The state gets the exponent of the data, in the same entry. */
static void check_measured_store(Verifier *verifier, ValueId id,
                                 const Parameter *param) {
  const Graph *graph = verifier->graph;
  Scale scale = operand_scale(verifier, graph_node(graph, id), 0);
  if (!scale_equal(graph_node(graph, id)->scale, scale))
    violation(verifier, id, "its exponent is not that of what it stores");
  int state = program_param(verifier->program, param->exponent);
  for (ValueId other = 1; other < graph->count; other++) {
    const Node *node = graph_node(graph, other);
    if (node->op == OP_STORE && node->attr.index == state &&
        node->input[0] == scale.symbol && scale.kind == SCALE_NORMAL &&
        scale.exponent == 0)
      return;
  }
  violation(verifier, id, "no store @%s keeps its exponent", param->exponent);
}

/* What a state of exponents gets is an exponent. */
static void check_stored_exponent(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  if (!node_defines_exponent(graph_node(verifier->graph, node->input[0])))
    violation(verifier, id, "it stores no exponent");
}

/* A store does not shift: `rebalance` does so before it. */
static void check_store(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  if (node->op != OP_STORE)
    return;
  const Parameter *stored = &verifier->program->param.data[node->attr.index];
  if (stored->measured)
    check_stored_exponent(verifier, id);
  if (stored->exponent) {
    check_measured_store(verifier, id, stored);
    return;
  }
  Scale param = stored->scale;
  if (!same_exponent(operand_scale(verifier, node, 0), param) ||
      !scale_equal(node->scale, param))
    violation(verifier, id, "its exponent is not that of the parameter");
}

/* Parity and maximum are integer arithmetic on known exponents. */
static void check_exponent_op(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  bool is_static = op_needs_parity(node->op) || node->op == OP_ACCUMULATE;
  if (is_static && operand_scale(verifier, node, 0).symbol)
    violation(verifier, id, "%s needs a static exponent",
              op_info(node->op)->text);
  const Node *state = graph_node(verifier->graph, node->input[0]);
  bool reads = node->op == OP_STATE_EXPONENT || node->op == OP_HELD_EXPONENT ||
               node->op == OP_DELAYED_EXPONENT;
  if (reads && (state->op != OP_PARAM ||
                !verifier->program->param.data[state->attr.index].measured))
    violation(verifier, id, "%s reads no state of exponents",
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
  check_store(verifier, id);
  check_exponent_op(verifier, id);
}
