/* Invariants of what outlives a step: parameters, the exponents that are kept
 * of them, and stores.
 */
#include "ir/verify.h"

static Scale operand_scale(const Verifier *verifier, const Node *node, int i) {
  return graph_node(verifier->graph, node->input[i])->scale;
}

int exponent_owner(const Program *program, int state) {
  const char *name = program->param.data[state].name;
  for (size_t i = 0; i < program->param.length; i++)
    if (program->param.data[i].exponent == name)
      return (int)i;
  return -1;
}

/* ---- declarations -------------------------------------------------------- */

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
  else if (exponent_owner(program, state) != (int)number - 1)
    violation(verifier, number, "@%s is the exponent of another too",
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

/* ---- stores -------------------------------------------------------------- */

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

/* Is parameter `index` stored in this entry with data at the exponent? */
static bool is_stored_at(const Verifier *verifier, int index,
                         ValueId exponent) {
  const Graph *graph = verifier->graph;
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op == OP_STORE && node->attr.index == index &&
        node->scale.symbol == exponent)
      return true;
  }
  return false;
}

/* What a state of exponents gets is an exponent, and that of a parameter comes
 * with its data. */
static void check_stored_exponent(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  const Program *program = verifier->program;
  int owner = exponent_owner(program, node->attr.index);
  if (!node_defines_exponent(graph_node(verifier->graph, node->input[0])))
    violation(verifier, id, "it stores no exponent");
  else if (owner >= 0 && !is_stored_at(verifier, owner, node->input[0]))
    violation(verifier, id, "no store @%s is at this exponent",
              program->param.data[owner].name);
}

/* Each is written once in a step: stores have no order. */
static void check_single(Verifier *verifier, ValueId id) {
  const Graph *graph = verifier->graph;
  int32_t index = graph_node(graph, id)->attr.index;
  for (ValueId other = 1; other < id; other++) {
    const Node *node = graph_node(graph, other);
    if (node->op != OP_STORE || node->attr.index != index)
      continue;
    violation(verifier, id, "@%s is stored a second time",
              verifier->program->param.data[index].name);
    return;
  }
}

/* A store does not shift: `rebalance` does so before it. */
static void check_store_scale(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  const Parameter *stored = &verifier->program->param.data[node->attr.index];
  if (stored->measured)
    check_stored_exponent(verifier, id);
  if (stored->exponent) {
    check_measured_store(verifier, id, stored);
    return;
  }
  Scale param = stored->scale;
  Scale data = operand_scale(verifier, node, 0);
  bool adopts = data.kind == SCALE_ZERO || data.kind == SCALE_ANY;
  if ((!adopts &&
       (data.symbol != param.symbol || data.exponent != param.exponent)) ||
      !scale_equal(node->scale, param))
    violation(verifier, id, "its exponent is not that of the parameter");
}

void verify_store(Verifier *verifier, ValueId id) {
  if (graph_node(verifier->graph, id)->op != OP_STORE)
    return;
  if (verifier->program->level != LEVEL_PLAIN)
    check_store_scale(verifier, id);
  check_single(verifier, id);
}
