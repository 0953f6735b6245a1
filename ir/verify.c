/* The invariants of a program, by level.
 *
 * In: any program, however broken. Out: one report a violation. Structure comes
 * first (operands exist and precede their readers), since nothing else can be
 * asked of a graph without it; then names, types, formats, scales and kernels,
 * each by one function per node.
 */
#include "ir/verify.h"

#include <inttypes.h>
#include <string.h>

void violation(Verifier *verifier, ValueId id, const char *format, ...) {
  Buffer text = {0};
  va_list args;
  va_start(args, format);
  buffer_vprintf(&text, format, args);
  va_end(args);
  verifier->count++;
  verifier->report(verifier->user, verifier->graph, id, text.data);
  buffer_free(&text);
}

/* ---- structure ---------------------------------------------------------- */

/* Dependency order: what everything else relies on. */
static void check_operands(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  for (int i = 0; i < MAX_INPUTS; i++) {
    bool wanted = i < node_inputs(node);
    ValueId operand = node->input[i];
    if (wanted && (operand == 0 || operand >= id))
      violation(verifier, id, "operand %d does not come before it", i + 1);
    else if (!wanted && operand != 0)
      violation(verifier, id, "%s has an operand too many",
                op_info(node->op)->text);
  }
}

/* Exponents obey dependency order too. */
static void check_symbol(Verifier *verifier, ValueId id, Scale scale) {
  if (scale.symbol == 0)
    return;
  if (scale.symbol >= id)
    violation(verifier, id, "its exponent is not defined before it");
  else if (!node_defines_exponent(graph_node(verifier->graph, scale.symbol)))
    violation(verifier, id, "its exponent refers to a value that is none");
}

/* As operands they are whole numbers, for stores into states of exponents. */
static void check_exponent_readers(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  for (int i = 0; i < node_inputs(node); i++) {
    ValueId operand = node->input[i];
    bool takes =
        node->op == OP_STORE || (node->op == OP_HELD_EXPONENT && i == 1);
    if (operand > 0 && operand < id && !takes &&
        node_defines_exponent(graph_node(verifier->graph, operand)))
      violation(verifier, id, "operand %d is an exponent", i + 1);
  }
}

/* PARAM, STORE and INPUT name what the program or the entry declares. */
static void check_index(Verifier *verifier, ValueId id) {
  const Graph *graph = verifier->graph;
  const Node *node = graph_node(graph, id);
  int32_t index = node->attr.index;
  bool param = node->op == OP_PARAM || node->op == OP_STORE;
  if (param && (index < 0 || (size_t)index >= verifier->program->param.length))
    violation(verifier, id, "there is no parameter number %d", index);
  if (node->op != OP_INPUT || index < 0)
    return;
  if ((size_t)index >= graph->input.length)
    violation(verifier, id, "there is no input number %d", index);
  else if (graph->input.data[index].value != id)
    violation(verifier, id, "input number %d is another value", index);
}

/* After this one, operands, symbols, types and indices may be followed. */
static void check_structure(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  if (node->op >= OP_COUNT || node->phase >= PHASE_COUNT) {
    violation(verifier, id, "it has no op or no phase");
    return;
  }
  if (!node->type)
    violation(verifier, id, "it has no type");
  check_operands(verifier, id);
  check_symbol(verifier, id, node->scale);
  check_exponent_readers(verifier, id);
  if (node->op == OP_MAX_EXPONENT) {
    check_symbol(verifier, id, node->attr.term[0]);
    check_symbol(verifier, id, node->attr.term[1]);
  }
  check_index(verifier, id);
}

static bool is_value(const Graph *graph, ValueId id) {
  return id > 0 && id < graph->count;
}

/* Input i and INPUT node i point at each other and share a name. */
static void check_inputs(Verifier *verifier) {
  const Graph *graph = verifier->graph;
  for (size_t i = 0; i < graph->input.length; i++) {
    const Input *input = &graph->input.data[i];
    const Node *node =
        is_value(graph, input->value) ? graph_node(graph, input->value) : NULL;
    if (!node || node->op != OP_INPUT || node->attr.index != (int32_t)i)
      violation(verifier, 0, "input %s has no node of its own", input->name);
    else if (!node->name || strcmp(node->name, input->name) != 0)
      violation(verifier, input->value, "input %s has another name",
                input->name);
  }
}

/* Results are tensors, parameters or numbers. */
static void check_results(Verifier *verifier) {
  const Graph *graph = verifier->graph;
  for (size_t i = 0; i < graph->result.length; i++) {
    const Result *result = &graph->result.data[i];
    if (!is_value(graph, result->value) || !result->name) {
      violation(verifier, 0, "result %zu has no value or no name", i + 1);
      continue;
    }
    const Node *node = graph_node(graph, result->value);
    if (node->op == OP_STORE || node_defines_exponent(node))
      violation(verifier, result->value, "it is a result but no tensor");
  }
}

/* What a gradient may be taken by. */
static bool is_variable(const Node *node) {
  return node->op == OP_PARAM ||
         (node->op == OP_INPUT && !node_is_placeholder(node) &&
          type_is_real(node->type));
}

/* A gradient is `real`, whatever the format that a parameter is pinned to. */
static void check_pair(Verifier *verifier, const Minimize *minimize, size_t i) {
  const Graph *graph = verifier->graph;
  ValueId parameter = minimize->parameter[i];
  ValueId placeholder = minimize->placeholder[i];
  if (!is_value(graph, parameter) || !is_value(graph, placeholder) ||
      !is_variable(graph_node(graph, parameter)) ||
      !node_is_placeholder(graph_node(graph, placeholder))) {
    violation(verifier, 0,
              "minimize pairs a parameter or input with a placeholder");
    return;
  }
  const Type *type = graph_node(graph, placeholder)->type;
  if (!type_same_shape(type, graph_node(graph, parameter)->type) ||
      type->format != FORMAT_REAL)
    violation(verifier, placeholder,
              "it is not real[..] of the shape of its parameter");
}

/* Gradients come after the forward phase, where `minimize` is written. */
static void check_gradient_readers(Verifier *verifier) {
  const Graph *graph = verifier->graph;
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    for (int i = 0; node->phase == PHASE_FORWARD && i < node_inputs(node); i++)
      if (is_value(graph, node->input[i]) &&
          node_is_placeholder(graph_node(graph, node->input[i])))
        violation(verifier, id, "it reads a gradient in phase forward");
  }
}

/* What is minimised, and by what. */
static void check_loss(Verifier *verifier, const Minimize *minimize) {
  const Graph *graph = verifier->graph;
  if (!is_value(graph, minimize->loss))
    violation(verifier, 0, "minimize has no loss");
  else if (graph_node(graph, minimize->loss)->type->rank != 0 ||
           !type_is_real(graph_node(graph, minimize->loss)->type))
    violation(verifier, minimize->loss, "a loss is one real number");
  else if (graph_node(graph, minimize->loss)->phase != PHASE_FORWARD)
    violation(verifier, minimize->loss, "a loss is of phase forward");
  for (size_t i = 0; i < minimize->count; i++)
    check_pair(verifier, minimize, i);
}

/* Placeholders exist only with minimize, and each is in one pair. A train has
 * one loss. */
static void check_minimize(Verifier *verifier) {
  const Graph *graph = verifier->graph;
  const Minimize *minimize = graph->minimize;
  size_t placeholders = 0, pairs = 0;
  for (ValueId id = 1; id < graph->count; id++)
    placeholders += node_is_placeholder(graph_node(graph, id));
  for (const Minimize *m = minimize; m; m = m->next)
    pairs += m->count;
  if (placeholders != pairs)
    violation(verifier, 0, "%zu placeholders, but minimize pairs %zu",
              placeholders, pairs);
  if (!minimize)
    return;
  if (verifier->program->level != LEVEL_PLAIN)
    violation(verifier, 0, "minimize is left after level plain");
  if (minimize->next && graph->kind == ENTRY_TRAIN)
    violation(verifier, 0, "a train minimizes one loss");
  for (const Minimize *m = minimize; m; m = m->next)
    check_loss(verifier, m);
  check_gradient_readers(verifier);
}

/* ---- names and phases --------------------------------------------------- */

/* Values, exponents and parameters have a name space each: their sigils keep
 * them apart. */
static void check_name(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  if (node->op == OP_CONST || node->op == OP_STORE) {
    if (node->name)
      violation(verifier, id, "%s carries no name", op_info(node->op)->text);
    return;
  }
  if (!node->name) {
    violation(verifier, id, "it has no name");
    return;
  }
  NameTable *names = node->op == OP_PARAM          ? verifier->params
                     : node_defines_exponent(node) ? verifier->exponents
                                                   : verifier->values;
  if (!name_claim_interned(names, node->name))
    violation(verifier, id, "the name is used twice");
}

/* Leaves have no place in the text and so no phase to keep. */
static void check_phase(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  if (node_is_leaf(node))
    return;
  if (node->phase < verifier->phase)
    violation(verifier, id, "phase %s after phase %s", phase_name(node->phase),
              phase_name(verifier->phase));
  verifier->phase = node->phase;
}

/* ---- types and formats -------------------------------------------------- */

/* Types are interned: one comparison. */
static void check_type(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  const char *error = NULL;
  const Type *type = shape_infer(verifier->program->types, verifier->graph,
                                 node, verifier->scratch, &error);
  if (!type)
    violation(verifier, id, "%s", error);
  if (!type || type == node->type)
    return;
  Buffer text = {0};
  type_print(&text, node->type);
  buffer_text(&text, ", but its op gives ");
  type_print(&text, type);
  violation(verifier, id, "its type is %s", text.data);
  buffer_free(&text);
}

static bool is_structural(Op op) {
  return op_info(op)->class == CLASS_structural;
}

/* Plain and scaled: `real`, but for what the text pinned. */
static void check_abstract(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  if (node->type->format == FORMAT_REAL || node->pinned ||
      node->op == OP_INPUT || node->op == OP_CONST || node->op == OP_CAST ||
      node->op == OP_STORE)
    return;
  Format from = FORMAT_NONE;
  if (is_structural(node->op) || node->op == OP_REBALANCE ||
      node->op == OP_RESCALE || node->op == OP_SET_SCALE ||
      op_is_marker(node->op))
    from = graph_node(verifier->graph, node->input[0])->type->format;
  if (from != node->type->format)
    violation(verifier, id, "format %s at level %s without a pin",
              format_info(node->type->format)->text,
              level_name(verifier->program->level));
}

/* f64 is what the text pinned, on its way into a cast. */
static bool is_wide_by_itself(const Graph *graph, const Node *node) {
  if (node->type->format != FORMAT_F64 || node->pinned || node_is_leaf(node) ||
      node->op == OP_CONST || node->op == OP_CAST || node->op == OP_STORE)
    return false;
  return !is_structural(node->op) ||
         graph_node(graph, node->input[0])->type->format != FORMAT_F64;
}

/* Formatted: any format that a recipe may choose. */
static void check_chosen(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  if (is_wide_by_itself(verifier->graph, node))
    violation(verifier, id, "%s gives f64 without a pin",
              op_info(node->op)->text);
  if (node->op == OP_RESHAPE && type_is_real(node->type)) {
    Format from = graph_node(verifier->graph, node->input[0])->type->format;
    if (format_bytes(from) < format_bytes(node->type->format))
      violation(verifier, id, "a view of %s is not %s", format_info(from)->text,
                format_info(node->type->format)->text);
  }
}

/* Final: f32 but for what is stored narrow, and structure of it. */
static void check_concrete(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  Format format = node->type->format;
  if (node->op == OP_PARAM || node->op == OP_INPUT || node->op == OP_CAST ||
      node->op == OP_STORE || format == FORMAT_F32 ||
      (format == FORMAT_F64 && (node->pinned || node->op == OP_CONST)))
    return;
  bool kept =
      is_structural(node->op) &&
      graph_node(verifier->graph, node->input[0])->type->format == format;
  if (!kept)
    violation(verifier, id, "%s gives %s: only cast and store round below f32",
              op_info(node->op)->text, format_info(format)->text);
}

/* At level final a view is the memory of its operand, and a store rounds f32
 * (or keeps what is rounded already). */
static void check_final_edges(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  if (node->op != OP_RESHAPE && node->op != OP_STORE)
    return;
  Format from = graph_node(verifier->graph, node->input[0])->type->format;
  if (node->op == OP_RESHAPE && from != node->type->format)
    violation(verifier, id, "a view of %s is not %s", format_info(from)->text,
              format_info(node->type->format)->text);
  if (node->op != OP_STORE)
    return;
  Format stored = verifier->program->param.data[node->attr.index].type->format;
  if (from != stored && from != FORMAT_F32 && from != FORMAT_F64)
    violation(verifier, id, "it stores %s into %s", format_info(from)->text,
              format_info(stored)->text);
}

static bool contracts(Op op) {
  return op_info(op)->class == CLASS_matmul || op_info(op)->class == CLASS_conv;
}

/* `as` is how formatted graphs say what casts will make explicit. */
static void check_reads(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  for (int i = 0; i < MAX_INPUTS; i++) {
    if (node->as[i] == FORMAT_NONE)
      continue;
    if (verifier->program->level != LEVEL_FORMATTED || !contracts(node->op) ||
        i >= node_inputs(node))
      violation(verifier, id,
                "operand %d is read `as` a format: only contractions do, at "
                "level formatted",
                i + 1);
    else if (!format_is_float(node->as[i]))
      violation(verifier, id, "operand %d is read as %s", i + 1,
                format_info(node->as[i])->text);
  }
}

/* Integers and masks keep their formats at every level. */
static void check_format(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  Level level = verifier->program->level;
  check_reads(verifier, id);
  if (level == LEVEL_FINAL)
    check_final_edges(verifier, id);
  if (!type_is_real(node->type))
    return;
  if (level <= LEVEL_SCALED)
    check_abstract(verifier, id);
  else if (node->type->format == FORMAT_REAL)
    violation(verifier, id, "it is real at level %s", level_name(level));
  else if (level == LEVEL_FORMATTED)
    check_chosen(verifier, id);
  else
    check_concrete(verifier, id);
}

/* Each level has ops that the others do not know. */
static void check_level(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  Level level = verifier->program->level;
  bool scaled_only = node_defines_exponent(node) || node->op == OP_REBALANCE;
  bool plain_only = node->op == OP_RESCALE || node->op == OP_SET_SCALE ||
                    op_is_marker(node->op);
  if (plain_only && level > LEVEL_PLAIN)
    violation(verifier, id, "%s is left after level plain",
              op_info(node->op)->text);
  if (node->op == OP_ACCUMULATE && node->phase != PHASE_ACCUMULATE)
    violation(verifier, id, "accumulate in phase %s", phase_name(node->phase));
  if (scaled_only && level == LEVEL_PLAIN)
    violation(verifier, id, "%s at level plain", op_info(node->op)->text);
}

/* A leaf must be what the program declares. */
static void check_leaf(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  if (node->op != OP_PARAM)
    return;
  const Parameter *param = &verifier->program->param.data[node->attr.index];
  if (node->name && strcmp(node->name, param->name) != 0)
    violation(verifier, id, "it is not called %s", param->name);
  if (node->type != param->type)
    violation(verifier, id, "its type is not that of the parameter");
  if (param->exponent)
    verify_state_exponent(verifier, id, param);
  else if (!scale_equal(node->scale, param->scale))
    violation(verifier, id, "its exponent is not that of the parameter");
}

/* ---- values to compute again -------------------------------------------- */

static void check_remat(Verifier *verifier, ValueId id) {
  const Node *node = graph_node(verifier->graph, id);
  if (!node->remat)
    return;
  if (verifier->program->level != LEVEL_PLAIN || node->phase != PHASE_FORWARD ||
      !(node_attributes(LEVEL_PLAIN, node) & ATTR(REMAT)))
    violation(verifier, id,
              "remat is for computed values of phase forward at level plain");
  else if (!remat_is_path(node->remat))
    violation(verifier, id, "remat is no path of a region");
}

/* Bits that are the same need the same op only where it draws: elsewhere
 * `formats` and `casts` give the name to what rounds. */
static void check_again(Verifier *verifier, ValueId id, ValueId original) {
  const Node *node = graph_node(verifier->graph, id);
  if (!node->again)
    return;
  if (node->phase != PHASE_BACKWARD ||
      !(node_attributes(LEVEL_PLAIN, node) & ATTR(AGAIN)))
    violation(verifier, id, "again is for computed values of phase backward");
  if (!original)
    return;
  const Node *first = graph_node(verifier->graph, original);
  if (!type_same_shape(node->type, first->type))
    violation(verifier, id, "%%%s, which it is again, has another shape",
              node->again);
  if ((op_is_random(node->op) || op_is_random(first->op)) &&
      (node->op != first->op || !attributes_equal(&node->attr, &first->attr)))
    violation(verifier, id, "%%%s, which it is again, draws other numbers",
              node->again);
}

/* ---- programs ----------------------------------------------------------- */

/* All that concerns one node, in the order of the fields it reads. */
static void check_node(Verifier *verifier, ValueId id) {
  check_name(verifier, id);
  check_phase(verifier, id);
  check_type(verifier, id);
  check_level(verifier, id);
  check_format(verifier, id);
  check_leaf(verifier, id);
  verify_scales(verifier, id);
}

/* A graph whose structure is broken is looked at no further. */
static void verify_graph(Verifier *verifier, const Graph *graph) {
  const Program *program = verifier->program;
  unsigned before = verifier->count;
  verifier->graph = graph;
  verifier->phase = PHASE_FORWARD;
  verifier->values =
      name_table_sized(verifier->scratch, program->interner, graph->count);
  verifier->exponents =
      name_table_new(verifier->scratch, program->interner, NULL);
  verifier->params = name_table_new(verifier->scratch, program->interner, NULL);
  for (ValueId id = 1; id < graph->count; id++)
    check_structure(verifier, id);
  if (verifier->count != before)
    return;
  verify_stores_begin(verifier);
  check_inputs(verifier);
  check_results(verifier);
  check_minimize(verifier);
  if (graph->recipe && !program_recipe(program, graph->recipe))
    violation(verifier, 0, "there is no recipe %s", graph->recipe);
  const ValueId *original = graph_originals(verifier->scratch, graph);
  for (ValueId id = 1; id < graph->count; id++) {
    check_node(verifier, id);
    check_remat(verifier, id);
    check_again(verifier, id, original[id]);
  }
  verify_kernels(verifier);
  verify_placement(verifier);
}

/* Violations of parameter number id - 1. */
static void verify_parameter(Verifier *verifier, NameTable *names,
                             uint32_t id) {
  const Program *program = verifier->program;
  const Parameter *param = &program->param.data[id - 1];
  Format format = param->type->format;
  bool real = type_is_real(param->type);
  if (!name_claim_interned(names, param->name))
    violation(verifier, id, "it is declared twice");
  if (program->level <= LEVEL_SCALED && real && format != FORMAT_REAL &&
      !param->pinned)
    violation(verifier, id, "it is %s at level %s without a pin",
              format_info(format)->text, level_name(program->level));
  if (program->level >= LEVEL_FORMATTED && format == FORMAT_REAL)
    violation(verifier, id, "it is real at level %s",
              level_name(program->level));
  if (param->measured)
    verify_exponent_state(verifier, id);
  Scale scale = param->scale;
  if (param->exponent)
    verify_measured_parameter(verifier, id);
  if (scale.kind == SCALE_NONE)
    return;
  if (program->level == LEVEL_PLAIN)
    violation(verifier, id, "it has a scale at level plain");
  if (scale.granularity)
    violation(verifier, id, "it has blocks with exponents of their own");
  if (scale.kind != SCALE_NORMAL || scale.symbol || !real ||
      scale.exponent < EXPONENT_MIN || scale.exponent > EXPONENT_MAX)
    violation(verifier, id, "its exponent is not static and in range");
}

static void verify_program(Verifier *verifier) {
  const Program *program = verifier->program;
  NameTable *params =
      name_table_new(verifier->scratch, program->interner, NULL);
  NameTable *entries =
      name_table_new(verifier->scratch, program->interner, NULL);
  verify_states_begin(verifier);
  for (size_t i = 0; i < program->param.length; i++)
    verify_parameter(verifier, params, (uint32_t)i + 1);
  for (size_t i = 0; i < program->graph.length; i++) {
    verifier->graph = NULL;
    if (!name_claim(entries, program->graph.data[i]->name))
      violation(verifier, 0, "entry @%s is declared twice",
                program->graph.data[i]->name);
    verify_graph(verifier, program->graph.data[i]);
  }
}

unsigned program_verify_each(const Program *program, VerifyReport *report,
                             void *user) {
  Verifier verifier = {.program = program,
                       .report = report,
                       .user = user,
                       .scratch = arena_new()};
  verify_program(&verifier);
  arena_free(verifier.scratch);
  return verifier.count;
}

typedef struct {
  const Program *program;
  Buffer *out;
} LineReport;

/* The value as the text names it; a nameless one by its number. */
static void add_place(Buffer *out, const Program *program, const Node *node,
                      ValueId id) {
  char sigil = node->op == OP_PARAM          ? '@'
               : node_defines_exponent(node) ? '$'
                                             : '%';
  if (node->name)
    buffer_printf(out, "%c%s: ", sigil, node->name);
  else if (node->op == OP_STORE && node->attr.index >= 0 &&
           (size_t)node->attr.index < program->param.length)
    buffer_printf(out,
                  "store @%s: ", program->param.data[node->attr.index].name);
  else
    buffer_printf(out, "value %" PRIu32 ": ", id);
}

/* "fit: %net.l1.y: message", "fit: store @w: message", "@w: message". */
static void report_line(void *user, const Graph *graph, ValueId id,
                        const char *message) {
  const LineReport *report = user;
  const Program *program = report->program;
  if (graph)
    buffer_printf(report->out, "%s: ", graph->name);
  if (graph && id)
    add_place(report->out, program, graph_node(graph, id), id);
  if (!graph)
    buffer_printf(report->out, "%s%s: ", id ? "@" : "program",
                  id ? program->param.data[id - 1].name : "");
  buffer_printf(report->out, "%s\n", message);
}

unsigned program_verify(const Program *program, Buffer *out) {
  LineReport report = {program, out};
  return program_verify_each(program, report_line, &report);
}
