/* Invariants of what outlives a step: parameters, the exponents that are kept
 * of them, and stores.
 */
#include "ir/verify.h"

static Scale operand_scale(const Verifier *verifier, const Node *node, int i) {
  return graph_node(verifier->graph, node->input[i])->scale;
}

/* ---- tables -------------------------------------------------------------- */

void verify_states_begin(Verifier *verifier) {
  const Program *program = verifier->program;
  size_t count = program->param.length;
  verifier->owner = NEW_ARRAY(verifier->scratch, uint32_t, count + 1);
  verifier->exponent = NEW_ARRAY(verifier->scratch, uint32_t, count + 1);
  WordMap index = {0};
  for (size_t i = count; i-- > 0;)
    word_map_set(&index, program->param.data[i].name, (uint32_t)i + 1);
  for (size_t i = 0; i < count; i++) {
    const char *name = program->param.data[i].exponent;
    uint32_t state = name ? word_map_get(&index, name) : 0;
    verifier->exponent[i] = state;
    if (state && !verifier->owner[state - 1])
      verifier->owner[state - 1] = (uint32_t)i + 1;
  }
  word_map_free(&index);
}

void verify_stores_begin(Verifier *verifier) {
  const Graph *graph = verifier->graph;
  verifier->stored = NEW_ARRAY(verifier->scratch, ValueId,
                               verifier->program->param.length + 1);
  for (ValueId id = graph->count; id-- > 1;)
    if (graph_node(graph, id)->op == OP_STORE)
      verifier->stored[graph_node(graph, id)->attr.index] = id;
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
  uint32_t state = verifier->exponent[number - 1];
  if (!state || !program->param.data[state - 1].measured ||
      program->param.data[state - 1].type->rank != 0)
    violation(verifier, number, "there is no exponent @%s : i32[]",
              param->exponent);
  else if (verifier->owner[state - 1] != number)
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
  uint32_t state = verifier->exponent[graph_node(graph, id)->attr.index];
  ValueId kept = state ? verifier->stored[state - 1] : 0;
  if (!kept || graph_node(graph, kept)->input[0] != scale.symbol ||
      scale.kind != SCALE_NORMAL || scale.exponent != 0)
    violation(verifier, id, "no store @%s keeps its exponent", param->exponent);
}

/* What a state of exponents gets is an exponent, and that of a parameter comes
 * with its data. */
static void check_stored_exponent(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  const Program *program = verifier->program;
  uint32_t owner = verifier->owner[node->attr.index];
  ValueId data = owner ? verifier->stored[owner - 1] : 0;
  if (!node_defines_exponent(graph_node(verifier->graph, node->input[0])))
    violation(verifier, id, "it stores no exponent");
  else if (owner && (!data || graph_node(verifier->graph, data)->scale.symbol !=
                                  node->input[0]))
    violation(verifier, id, "no store @%s is at this exponent",
              program->param.data[owner - 1].name);
}

/* Each is written once in a step: stores have no order. */
static void check_single(Verifier *verifier, ValueId id) {
  int32_t index = graph_node(verifier->graph, id)->attr.index;
  if (verifier->stored[index] != id)
    violation(verifier, id, "@%s is stored a second time",
              verifier->program->param.data[index].name);
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
