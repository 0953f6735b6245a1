/* autodiff: what `minimize` asks for, derived.
 *
 * In: a graph with `minimize` pending: a loss, parameters, and placeholders
 * that the optimizer's nodes read. Out: the same graph with the gradients in
 * phase backward, between forward and update, and no `minimize`.
 *
 * Reverse mode (Linnainmaa 1970; Griewank and Walther, Evaluating Derivatives,
 * chapter 3): values are visited from the loss down, each hands the rule of
 * its op the sum of what it was given. Only values that depend on a parameter
 * and on which the loss depends are visited. Names come last: the gradient of
 * %v is %d.v, a helper on the way to it %d.v~n; where one value is the gradient
 * of several, it is named after the one nearest to the loss and the others
 * become aliases. A forward value in a region to compute again is read as a
 * copy, %v.r (tape_again.c); the regions have then done their work and go.
 */
#include "compiler/pass/gradient.h"

/* ---- what needs a gradient ----------------------------------------------- */

static void mark_dependents(const Tape *tape, bool *depends) {
  for (ValueId id = 1; id < tape->forward; id++) {
    const Node *node = graph_node(tape->graph, id);
    for (int i = 0; i < node_inputs(node); i++)
      if (gradient_reaches(node, i) && depends[node->input[i]])
        depends[id] = true;
  }
}

static void mark_sources(const Tape *tape, ValueId loss, bool *matters) {
  matters[loss] = true;
  for (ValueId id = tape->forward; id-- > 1;) {
    const Node *node = graph_node(tape->graph, id);
    for (int i = 0; matters[id] && i < node_inputs(node); i++)
      if (gradient_reaches(node, i))
        matters[node->input[i]] = true;
  }
}

static bool *active_values(const Tape *tape, const Minimize *minimize) {
  Arena *arena = tape->context->arena;
  bool *active = NEW_ARRAY(arena, bool, tape->forward);
  bool *matters = NEW_ARRAY(arena, bool, tape->forward);
  for (size_t i = 0; i < minimize->count; i++)
    active[minimize->parameter[i]] = true;
  mark_dependents(tape, active);
  mark_sources(tape, minimize->loss, matters);
  for (ValueId id = 1; id < tape->forward; id++)
    active[id] = active[id] && matters[id];
  return active;
}

static bool reads_active_real(const Tape *tape, const Node *node) {
  for (int i = 0; i < node_inputs(node); i++)
    if (tape->active[node->input[i]] &&
        type_is_real(graph_node(tape->graph, node->input[i])->type))
      return true;
  return false;
}

/* Where a gradient arrives there must be a rule: a silent zero would be wrong.
 * What follows in whole numbers is the same mistake once more. */
static bool check_rules(const Tape *tape) {
  bool fine = true;
  for (ValueId id = 1; id < tape->forward; id++) {
    const Node *node = graph_node(tape->graph, id);
    if (!tape->active[id] || !gradient_is_missing(node->op) ||
        !reads_active_real(tape, node))
      continue;
    diagnose_error(tape->context->diagnostics, node->span, "E0710",
                   "the loss depends on %%%s, and `%s` has no gradient",
                   node->name, op_info(node->op)->text);
    fine = false;
  }
  return fine;
}

/* ---- deriving ------------------------------------------------------------ */

static Tape tape_new(PassContext *context, Graph *graph, uint32_t forward,
                     const Minimize *minimize) {
  Tape tape = {.context = context, .graph = graph, .forward = forward};
  tape.added = graph->count;
  tape.rewrite = rewrite_begin(context->program, context->arena, graph);
  tape.given = NEW_ARRAY(context->arena, Contributions, forward);
  tape.gradient = NEW_ARRAY(context->arena, ValueId, forward);
  tape.again = NEW_ARRAY(context->arena, Again *, forward);
  tape.active = active_values(&tape, minimize);
  return tape;
}

static void derive(Tape *tape, ValueId loss) {
  tape_aim(tape, loss);
  if (tape->active[loss])
    tape_give(tape, tape_number(tape, 1.0));
  for (ValueId id = loss + 1; id-- > 1;) {
    ValueId dy = tape_total(tape, id);
    tape->gradient[id] = dy;
    if (dy)
      gradient_rule(graph_node(tape->graph, id)->op)(tape, id, dy);
  }
}

/* Where the value is read, or the entry if that is inside the library. */
static Span span_outside(const Tape *tape, const Node *node) {
  Sources *sources = tape->context->program->sources;
  const Source *source =
      sources ? sources_get(sources, node->span.source) : NULL;
  return source && source->builtin ? tape->graph->span : node->span;
}

static void warn_unused(const Tape *tape, ValueId parameter) {
  const Node *node = graph_node(tape->graph, parameter);
  Diagnostic warning = {.severity = SEVERITY_WARNING, .code = "W0711"};
  warning.message =
      arena_printf(tape->context->arena,
                   "the loss of %s does not depend on %s %s: its gradient is "
                   "zero",
                   tape->graph->name,
                   node->op == OP_PARAM ? "parameter" : "input", node->name);
  warning.label[0].span = span_outside(tape, node);
  warning.label_count = 1;
  diagnose(tape->context->diagnostics, &warning);
}

/* The gradient of a parameter that no rule was asked about. */
static ValueId zero_gradient(Tape *tape, ValueId parameter) {
  warn_unused(tape, parameter);
  tape_aim(tape, parameter);
  return tape_shaped(tape, OP_SPLAT, tape_number(tape, 0.0),
                     tape_type(tape, parameter), NULL);
}

/* A leaf has no place to return from: a view of it has, or of a number, which
 * lies in no memory, a splat. */
static ValueId viewed(Tape *tape, ValueId parameter, ValueId leaf) {
  Op op = graph_node(tape->graph, leaf)->op == OP_CONST ? OP_SPLAT : OP_RESHAPE;
  Node view = node_make(op, PHASE_BACKWARD, tape_type(tape, leaf), leaf, 0, 0);
  view.span = graph_node(tape->graph, parameter)->span;
  vec_push(&tape->owner, parameter);
  return graph_add(tape->graph, &view);
}

static void derive_parameters(Tape *tape, const Minimize *minimize) {
  for (size_t i = 0; i < minimize->count; i++) {
    ValueId parameter = minimize->parameter[i];
    ValueId *gradient = &tape->gradient[parameter];
    if (!*gradient)
      *gradient = zero_gradient(tape, parameter);
    if (tape->graph->kind != ENTRY_TRAIN &&
        node_is_leaf(graph_node(tape->graph, *gradient)))
      *gradient = viewed(tape, parameter, *gradient);
  }
}

/* ---- naming -------------------------------------------------------------- */

/* All names but those of placeholders: the gradients that replace them are
 * called the same. */
static NameTable *names_in_use(PassContext *context, const Graph *old) {
  NameTable *names =
      name_table_new(context->arena, context->program->interner, NULL);
  for (ValueId id = 1; id < old->count; id++) {
    const Node *node = graph_node(old, id);
    if (node->name && !node_is_placeholder(node))
      name_claim_interned(names, node->name);
    if (node->again)
      name_claim_interned(names, node->again);
  }
  return names;
}

/* `gradient` is the gradient of forward value `id`. Of several losses (not
 * `alone`) the next one's is %d.v'2, and none has second names. */
static void name_final(Tape *tape, NameTable *names, ValueId id,
                       ValueId gradient, bool alone) {
  Program *program = tape->context->program;
  const char *base = graph_node(tape->graph, id)->name;
  Node *node = graph_node(tape->graph, gradient);
  if (node->op == OP_CONST || (!alone && (node->name || name_is_helper(base))))
    return;
  const char *name = intern_printf(program->interner, "d.%s", base);
  if (!alone)
    node->name = name_rebinding(names, name);
  else if (!node->name)
    node->name = name_gradient(names, base);
  else if (!name_is_helper(base))
    program_alias_rename(program, tape->graph->name, name, node->name);
}

/* From the loss down; gradients of named values before those of helpers. */
static void name_finals(Tape *tape, NameTable *names, bool alone) {
  for (int helpers = 0; helpers < 2; helpers++)
    for (ValueId id = tape->forward; id-- > 1;)
      if (tape->gradient[id] &&
          name_is_helper(graph_node(tape->graph, id)->name) == helpers)
        name_final(tape, names, id, tape->gradient[id], alone);
}

/* With several losses, what was asked for keeps the names of its placeholders:
 * the text may have asked in another order than that of the losses. */
static void name_asked(Tape *tape, NameTable *names, const Graph *old,
                       const Minimize *asked, const Minimize *minimize) {
  for (size_t i = 0; i < minimize->count; i++) {
    Node *node =
        graph_node(tape->graph, tape->gradient[minimize->parameter[i]]);
    const char *name = graph_node(old, asked->placeholder[i])->name;
    if (node->name)
      program_alias_rename(tape->context->program, old->name, name, node->name);
    else if (name_claim_interned(names, name))
      node->name = name;
  }
}

static void name_helpers(Tape *tape, NameTable *names) {
  Interner *interner = tape->context->program->interner;
  for (size_t i = 0; i < tape->owner.length; i++) {
    Node *node = graph_node(tape->graph, tape->added + (ValueId)i);
    if (node->name || node->op == OP_CONST)
      continue;
    const char *base = graph_node(tape->graph, tape->owner.data[i])->name;
    node->name =
        node->again ? name_suffixed(names, node->again, "r")
                    : name_helper(names, intern_printf(interner, "d.%s", base));
  }
}

/* ---- the graph round it -------------------------------------------------- */

/* Has everything that old node `id` reads been copied? */
static bool operands_copied(const GraphCopy *copy, ValueId id) {
  const Node *node = graph_node(copy->old, id);
  for (int i = 0; i < node_inputs(node); i++)
    if (!copy->map[node->input[i]])
      return false;
  return true;
}

/* The forward pass: all that does not wait for a gradient. */
static void copy_forward(GraphCopy *copy) {
  for (ValueId id = 1; id < copy->old->count; id++) {
    const Node *node = graph_node(copy->old, id);
    if (node->phase < PHASE_ACCUMULATE && !node_is_placeholder(node) &&
        operands_copied(copy, id))
      graph_copy_node(copy, id);
  }
}

static void copy_rest(GraphCopy *copy) {
  for (ValueId id = 1; id < copy->old->count; id++)
    if (!copy->map[id])
      graph_copy_node(copy, id);
}

/* `minimize` with the ids of the copy. */
static Minimize mapped_minimize(Arena *arena, const GraphCopy *copy,
                                const Minimize *old) {
  Minimize minimize = {.loss = copy->map[old->loss], .count = old->count};
  minimize.parameter = NEW_ARRAY(arena, ValueId, old->count);
  for (size_t i = 0; i < old->count; i++)
    minimize.parameter[i] = copy->map[old->parameter[i]];
  return minimize;
}

/* Parameters that nothing has read yet. */
static void copy_parameters(GraphCopy *copy) {
  for (const Minimize *m = copy->old->minimize; m; m = m->next)
    for (size_t i = 0; i < m->count; i++)
      if (!copy->map[m->parameter[i]])
        graph_copy_node(copy, m->parameter[i]);
}

static bool check_loss(PassContext *context, const Graph *graph,
                       const Minimize *minimize) {
  const Node *loss = graph_node(graph, minimize->loss);
  if (loss->type->rank == 0 && type_is_real(loss->type))
    return true;
  Buffer type = {0};
  type_print(&type, loss->type);
  diagnose_error(context->diagnostics, loss->span, "E0701",
                 "`minimize` needs one number, `%s` is %s",
                 loss->name ? loss->name : "this", type.data);
  buffer_free(&type);
  return false;
}

/* Derives into the copy and points the placeholders at the gradients. */
static bool derive_loss(PassContext *context, GraphCopy *copy, uint32_t forward,
                        const Minimize *old, NameTable *names) {
  bool alone = copy->old->minimize->next == NULL;
  Minimize minimize = mapped_minimize(context->arena, copy, old);
  Tape tape = tape_new(context, copy->new, forward, &minimize);
  bool fine = check_rules(&tape);
  if (fine) {
    derive(&tape, minimize.loss);
    derive_parameters(&tape, &minimize);
    if (!alone)
      name_asked(&tape, names, copy->old, old, &minimize);
    name_finals(&tape, names, alone);
    name_helpers(&tape, names);
    fine = !tape.failed;
  }
  for (size_t i = 0; fine && i < minimize.count; i++)
    copy->map[old->placeholder[i]] = tape.gradient[minimize.parameter[i]];
  vec_free(&tape.owner);
  return fine;
}

/* One loss after the other: what is derived for one is no part of the next. */
static bool derive_graph(PassContext *context, GraphCopy *copy) {
  NameTable *names = names_in_use(context, copy->old);
  uint32_t forward = copy->new->count;
  for (const Minimize *m = copy->old->minimize; m; m = m->next)
    if (!derive_loss(context, copy, forward, m, names))
      return false;
  return true;
}

/* Without its regions, which mean nothing from here on, and dead values. */
static Graph *finished(PassContext *context, Graph *graph) {
  for (ValueId id = 1; id < graph->count; id++)
    graph_node(graph, id)->remat = NULL;
  return graph_swept(context->arena, graph);
}

static Graph *differentiated(PassContext *context, const Graph *graph) {
  for (const Minimize *m = graph->minimize; m; m = m->next)
    if (!check_loss(context, graph, m))
      return NULL;
  GraphCopy copy = graph_copy_begin(context->arena, graph);
  copy_forward(&copy);
  copy_parameters(&copy);
  if (!derive_graph(context, &copy)) {
    graph_free(copy.new);
    return NULL;
  }
  copy_rest(&copy);
  graph_copy_finish(&copy);
  copy.new->minimize = NULL;
  Graph *swept = finished(context, copy.new);
  graph_free(copy.new);
  return swept;
}

bool pass_autodiff(PassContext *context) {
  Program *program = context->program;
  bool fine = true;
  for (size_t i = 0; i < program->graph.length; i++) {
    Graph *graph = program->graph.data[i];
    Graph *derived = graph->minimize ? differentiated(context, graph)
                                     : finished(context, graph);
    if (derived)
      graph_replace(program, i, derived);
    fine &= derived != NULL;
  }
  return fine;
}
