/* Where an exponent comes from: the tree of rules behind one value.
 *
 * In: a value of a graph with scales. Out: a line for it and for each operand
 * behind it, indented: name, shape, the rule by its name (scale_rules.def), its
 * arithmetic with the operands' exponents put in, the exponent and what is left
 * of the estimate. What several values share is shown once; what lies deeper
 * than asked for is counted. The walk keeps its own stack: graphs are deep.
 */
#include "compiler/context.h"
#include "compiler/pass/scale_rules.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum {
  STEP_FULL,  /* with its rule */
  STEP_AGAIN, /* stands above */
  STEP_PHASE, /* in a phase that was not asked for */
  STEP_DEEP   /* the rest is only counted */
} LineKind;

typedef struct {
  ValueId id;
  long depth;
  LineKind kind;
  uint32_t behind; /* DEEP: how many values are not shown */
} TreeLine;

typedef VEC(TreeLine) TreeLines;

typedef struct {
  const Edge *edge;
  const Graph *graph;
  Arena *arena;
  bool *seen;
  TreeLines step;
} Tree;

/* ---- which steps there are ----------------------------------------------- */

/* Exponents do not depend on whole numbers, except where these become reals. */
static bool is_part(const Graph *graph, const Node *node, int operand) {
  const Node *input = graph_node(graph, node->input[operand]);
  return type_is_real(input->type) || node->op == OP_CONVERT;
}

/* How many values not shown so far lie behind `id`. */
static uint32_t count_behind(const Tree *tree, ValueId id) {
  Arena *arena = arena_new();
  bool *behind = NEW_ARRAY(arena, bool, id + 1);
  uint32_t count = 0;
  behind[id] = true;
  for (ValueId at = id; at > 0; at--) {
    const Node *node = graph_node(tree->graph, at);
    for (int i = 0; behind[at] && i < node_inputs(node); i++)
      if (is_part(tree->graph, node, i) && !tree->seen[node->input[i]])
        behind[node->input[i]] = true;
    count += at != id && behind[at];
  }
  arena_free(arena);
  return count;
}

static TreeLine step_of(const Tree *tree, ValueId id, long depth) {
  const Node *node = graph_node(tree->graph, id);
  TreeLine step = {id, depth, STEP_FULL, 0};
  bool other = tree->edge->phase && (int)node->phase + 1 != tree->edge->phase;
  if (tree->seen[id] && node->op != OP_CONST)
    step.kind = STEP_AGAIN;
  else if (other && depth > 0 && !node_is_leaf(node))
    step.kind = STEP_PHASE;
  else if (depth >= tree->edge->depth)
    step.behind = count_behind(tree, id);
  if (step.behind)
    step.kind = STEP_DEEP;
  return step;
}

static void find_steps(Tree *tree, ValueId root) {
  TreeLines open = {0};
  TreeLine first = {root, 0, STEP_FULL, 0};
  vec_push(&open, first);
  while (open.length) {
    TreeLine at = open.data[--open.length];
    TreeLine step = step_of(tree, at.id, at.depth);
    vec_push(&tree->step, step);
    tree->seen[at.id] = true;
    const Node *node = graph_node(tree->graph, at.id);
    if (step.kind != STEP_FULL)
      continue;
    for (int i = node_inputs(node); i-- > 0;) {
      TreeLine operand = {node->input[i], at.depth + 1, STEP_FULL, 0};
      bool twice = i > 0 && node->input[i] == node->input[i - 1];
      if (is_part(tree->graph, node, i) && !twice)
        vec_push(&open, operand);
    }
  }
  vec_free(&open);
}

/* ---- arithmetic ---------------------------------------------------------- */

/* The exponent of operand `which` of those that are real numbers. */
static void print_operand(Buffer *out, const Tree *tree, const Node *node,
                          int which, bool squared) {
  for (int i = 0; i < node_inputs(node); i++) {
    const Node *operand = graph_node(tree->graph, node->input[i]);
    if (!type_is_real(operand->type) || which-- > 0)
      continue;
    buffer_text(out, squared ? "(" : "");
    if (operand->scale.kind == SCALE_NONE)
      buffer_text(out, "2^0");
    else
      value_scale_print(out, tree->graph, operand->type, operand->scale);
    buffer_text(out, squared ? ")" : "");
    return;
  }
}

/* Does it read a real number at all, rather than make one of a whole one? */
static bool reads_reals(const Tree *tree, const Node *node) {
  bool reads = false;
  for (int i = 0; i < node_inputs(node); i++)
    reads |= type_is_real(graph_node(tree->graph, node->input[i])->type);
  return reads;
}

/* F: what the rule noted, or, in a text that was read at a later level, what
 * the shift says: data times 2^shift, so the exponent less it. */
static void print_factor(Buffer *out, const Tree *tree, ValueId id) {
  const Node *node = graph_node(tree->graph, id);
  Shift shift = node_shift(tree->graph, id);
  if (tree->edge->estimates)
    buffer_text(out, node->estimate.factor            ? node->estimate.factor
                     : isinf(node->estimate.log2_rms) ? "zeros"
                                                      : "1");
  else if (node_is_leaf(node))
    value_scale_print(out, tree->graph, node->type, node->scale);
  else if (shift.plus || shift.minus)
    buffer_text(out, "(run-time)");
  else
    buffer_printf(out, "2^%d", -shift.exponent);
}

/* Is there nothing to multiply by? */
static bool factor_is_one(const Tree *tree, ValueId id) {
  if (tree->edge->estimates)
    return graph_node(tree->graph, id)->estimate.factor == NULL;
  return shift_is_zero(node_shift(tree->graph, id));
}

/* The arithmetic of a row of scale_rules.def. */
static void print_arithmetic(Buffer *out, const Tree *tree, ValueId id,
                             const char *text) {
  const Node *node = graph_node(tree->graph, id);
  static const char by_factor[] = " * F";
  if (node->op == OP_CONVERT && !reads_reals(tree, node))
    text = "F";
  for (const char *at = text; *at; at++) {
    if (strcmp(at, by_factor) == 0 && factor_is_one(tree, id))
      return;
    if (*at == 'a' || *at == 'b')
      print_operand(out, tree, node, *at - 'a', at[1] == '^');
    else if (*at == 'F')
      print_factor(out, tree, id);
    else
      buffer_char(out, *at);
  }
}

/* ---- results ------------------------------------------------------------- */

/* Without a negative zero. */
static double rounded(double f) {
  double value = round(f * 100) / 100;
  return value == 0 ? 0 : value;
}

/* Parameters at an exponent that is not that of their initial values. */
static bool is_fixed_elsewhere(const Tree *tree, const Node *node) {
  if (node->op != OP_PARAM || !tree->edge->estimates || node->scale.symbol)
    return false;
  int32_t own = node->estimate.factor
                    ? level_exponent(node->estimate.log2_factor, SCALE_DOWN, 0)
                    : 0;
  return own != node->scale.exponent;
}

/* " = 2^-1, f 0.30" */
static void print_result(Buffer *out, const Tree *tree, const Node *node) {
  buffer_text(out, " = ");
  value_scale_print(out, tree->graph, node->type, node->scale);
  if (!tree->edge->estimates)
    return;
  if (isinf(node->estimate.log2_rms))
    buffer_text(out, ", starts as zero");
  else
    buffer_printf(out, ", f %.2f", rounded(node->estimate.log2_rms));
}

/* "; $y = max($a + 2, $b)": run-time exponents that begin here. */
static void print_symbol(Buffer *out, const Tree *tree, const Node *node) {
  ValueId symbol = node->scale.symbol;
  if (!symbol)
    return;
  for (int i = 0; i < node_inputs(node); i++)
    if (graph_node(tree->graph, node->input[i])->scale.symbol == symbol)
      return;
  buffer_printf(out, "; $%s = ", graph_node(tree->graph, symbol)->name);
  explain_exponent(out, tree->graph, symbol);
}

/* Does a rescale stand here: the operand at the exponent measured of it? */
static bool is_measured(const Graph *graph, const Node *node) {
  const Node *symbol = graph_node(graph, node->scale.symbol);
  ValueId of = symbol->input[0];
  if (symbol->op == OP_HELD_EXPONENT)
    of = graph_node(graph, symbol->input[1])->input[0];
  else if (symbol->op == OP_DELAYED_EXPONENT)
    of = symbol->input[1];
  return node->op == OP_REBALANCE && node->scale.symbol &&
         node->scale.exponent == 0 && of == node->input[0];
}

static void print_rebalance(Buffer *out, const Tree *tree, const Node *node) {
  if (is_measured(tree->graph, node))
    buffer_printf(out, "%s: measured", scale_rule_info(OP_RESCALE)->name);
  else
    buffer_printf(out, "%s: ", scale_rule_info(OP_REBALANCE)->name);
  if (!is_measured(tree->graph, node)) {
    print_operand(out, tree, node, 0, false);
    buffer_text(out, " re-expressed");
  }
  print_result(out, tree, node);
}

/* The rule by its name, its arithmetic, what comes out. */
static void print_rule(Buffer *out, const Tree *tree, ValueId id) {
  const Node *node = graph_node(tree->graph, id);
  const ScaleRuleInfo *info = scale_rule_info(node->op);
  const char *factor = node->estimate.factor;
  Scale scale = node->scale;
  if (scale.kind == SCALE_NONE)
    buffer_text(out, type_is_real(node->type) ? "no scale" : "whole numbers");
  else if (scale.kind != SCALE_NORMAL)
    buffer_printf(out, "zeros-and-infinities-adopt-an-exponent: %s",
                  scale.kind == SCALE_ZERO ? "all zero" : "0, infinity or NaN");
  else if (node->op == OP_REBALANCE)
    print_rebalance(out, tree, node);
  else if (node->op == OP_PARAM && scale.symbol)
    buffer_text(out, "measured-parameters-follow-their-values: kept");
  else if (tree->edge->estimates && factor && *factor == '=')
    buffer_text(out, factor + 1);
  else {
    buffer_printf(out, "%s: ", info->name);
    print_arithmetic(out, tree, id, info->arithmetic);
  }
  if (is_fixed_elsewhere(tree, node))
    buffer_text(out, ", at the exponent that the recipe fixes");
  if (scale.kind == SCALE_NORMAL && node->op != OP_REBALANCE)
    print_result(out, tree, node);
  print_symbol(out, tree, node);
}

/* ---- lines --------------------------------------------------------------- */

static void print_name(Buffer *out, const Node *node) {
  if (node->op == OP_CONST)
    buffer_float(out, ldexp(node->attr.value, node->scale.kind == SCALE_NORMAL
                                                  ? node->scale.exponent
                                                  : 0));
  else if (node->op == OP_STORE)
    buffer_text(out, "store");
  else
    buffer_printf(out, "%c%s", node->op == OP_PARAM ? '@' : '%', node->name);
}

static void print_left(Buffer *out, const Tree *tree, const TreeLine *step) {
  for (long i = 0; i < step->depth; i++)
    buffer_text(out, "  ");
  print_name(out, graph_node(tree->graph, step->id));
}

static void print_shape(Buffer *out, const Type *type) {
  Buffer text = {0};
  type_print(&text, type);
  buffer_text(out, strchr(text.data, '['));
  buffer_free(&text);
}

/* The widest of a column; a line far longer than the others does not count. */
static size_t column_width(const Tree *tree, bool shape) {
  size_t widest = 0;
  for (size_t i = 0; i < tree->step.length; i++) {
    const TreeLine *step = &tree->step.data[i];
    Buffer text = {0};
    if (shape)
      print_shape(&text, graph_node(tree->graph, step->id)->type);
    else
      print_left(&text, tree, step);
    widest = text.length > widest ? text.length : widest;
    buffer_free(&text);
  }
  return widest;
}

static void print_step(Buffer *out, const Tree *tree, const TreeLine *step,
                       size_t name_width, size_t shape_width) {
  size_t line = out->length;
  const Node *node = graph_node(tree->graph, step->id);
  print_left(out, tree, step);
  buffer_pad(out, line, name_width + 2);
  print_shape(out, node->type);
  buffer_pad(out, line, name_width + 2 + shape_width + 2);
  switch (step->kind) {
  case STEP_AGAIN:
    value_scale_print(out, tree->graph, node->type, node->scale);
    buffer_text(out, ", see above\n");
    return;
  case STEP_PHASE:
    value_scale_print(out, tree->graph, node->type, node->scale);
    buffer_printf(out, ", of phase %s\n", phase_name(node->phase));
    return;
  case STEP_FULL:
  case STEP_DEEP:
    print_rule(out, tree, step->id);
    if (step->kind == STEP_DEEP)
      buffer_printf(out, "; %" PRIu32 " more value%s behind it, --depth=%ld",
                    step->behind, step->behind == 1 ? "" : "s",
                    2 * tree->edge->depth);
    buffer_char(out, '\n');
  }
}

void explain_scale(Buffer *out, Arena *arena, const Edge *edge) {
  Tree tree = {.edge = edge, .graph = edge->graph, .arena = arena};
  ValueId root =
      edge->reader ? graph_node(edge->graph, edge->reader)->input[edge->operand]
                   : edge->value;
  tree.seen = NEW_ARRAY(arena, bool, edge->graph->count);
  if (!edge->estimates)
    buffer_text(out, "# estimates and factors are not in the text of this "
                     "level: exponents and shifts alone\n");
  find_steps(&tree, root);
  size_t names = column_width(&tree, false), shapes = column_width(&tree, true);
  for (size_t i = 0; i < tree.step.length; i++)
    print_step(out, &tree, &tree.step.data[i], names, shapes);
  vec_free(&tree.step);
}
