/* Formats that cannot hold what they are given: a warning, never a change.
 *
 * In: a formatted graph with the estimates of scalify, so data of a predicted
 * root mean square. Out: W0511 for each rule (or place in the text) that picks
 * a format in which a large share of the elements is expected to become zero
 * or to saturate. Elements are taken as normally distributed, the assumption
 * of the scale rules themselves (numerics.md 1.10); parameters by their initial
 * distribution. Nothing is said of what is measured at run time otherwise.
 */
#include "compiler/pass/range.h"
#include "compiler/pass/recipe_query.h"
#include "compiler/pass/storage.h"

#include <math.h>

/* A quarter of normal variates lie within 0.3186 sigma, a hundredth beyond
 * 2.576 sigma. Less is the format's ordinary loss. As log2 of sigma: above half
 * of the smallest value; below the largest. */
static const double above_smallest = 0.65000359, below_largest = 1.36503710;

typedef struct {
  Span span;
  size_t more; /* further values of the same rule */
  Diagnostic warning;
} Finding;

typedef struct {
  PassContext *context;
  VEC(Finding) finding;
} Ranges;

/* ---- what a format holds ------------------------------------------------- */

double format_min_subnormal(Format format) {
  return ldexp(format_min_normal(format), -format_info(format)->mantissa_bits);
}

static bool underflows(Format format, double log2_rms) {
  return log2_rms < log2(format_min_subnormal(format)) + above_smallest;
}

bool format_covers(Format format, double log2_rms) {
  return !underflows(format, log2_rms) &&
         log2_rms < log2(format_max(format)) - below_largest;
}

/* The share of normal data of rms 2^log2_rms that rounds to zero. */
static double share_below(Format format, double log2_rms) {
  return erf(format_min_subnormal(format) / 2 / exp2(log2_rms) / sqrt(2));
}

static double share_above(Format format, double log2_rms) {
  return erfc(format_max(format) / exp2(log2_rms) / sqrt(2));
}

/* ---- findings ------------------------------------------------------------ */

/* One message a place: where one value of a rule is out of range, many are. */
static Finding *finding_at(Ranges *ranges, Span span) {
  for (size_t i = 0; i < ranges->finding.length; i++) {
    Finding *finding = &ranges->finding.data[i];
    if (finding->span.source == span.source &&
        finding->span.start == span.start)
      return finding;
  }
  return NULL;
}

static void find(Ranges *ranges, Span span, const char *what, Format format,
                 double log2_rms) {
  if (format_covers(format, log2_rms))
    return;
  Arena *arena = ranges->context->arena;
  Finding *old = finding_at(ranges, span);
  if (old) {
    old->more++;
    return;
  }
  bool low = underflows(format, log2_rms);
  double share =
      low ? share_below(format, log2_rms) : share_above(format, log2_rms);
  Finding finding = {.span = span};
  finding.warning = (Diagnostic){.severity = SEVERITY_WARNING, .code = "W0511"};
  finding.warning.message = arena_printf(
      arena, "%s in %s: %.0f %% of its elements are expected to %s", what,
      format_info(format)->text, 100 * share, low ? "underflow" : "saturate");
  finding.warning.label[0] = (Label){
      span,
      arena_printf(arena, "data of about 2^%.0f; %s holds 2^%.0f .. %g",
                   log2_rms, format_info(format)->text,
                   log2(format_min_subnormal(format)), format_max(format))};
  finding.warning.label_count = 1;
  vec_push(&ranges->finding, finding);
}

/* ---- values -------------------------------------------------------------- */

/* The user's rule that decided, or NULL; frees the votes. */
static const Rule *own_rule(Votes *votes) {
  const Rule *rule =
      votes->length > 0 ? votes->data[votes->length - 1].rule : NULL;
  vec_free(votes);
  return rule && rule->own ? rule : NULL;
}

/* Values without a scale have no estimate, known zeros no range. */
static bool is_estimated(const Node *node) {
  return node->scale.kind == SCALE_NORMAL && isfinite(node->estimate.log2_rms);
}

/* A place in the library says little: the entry that leads there stands for it.
 */
static Span place_of(const Program *program, const Graph *graph, Span span) {
  bool library =
      span.source && sources_get(program->sources, span.source)->builtin;
  return library ? graph->span : span;
}

/* A copy for products that `formats` made: no cast of the text. */
static bool is_copy(const Node *node) {
  return node->op == OP_CAST && !node->pinned;
}

static void check_value(Ranges *ranges, const Graph *graph, ValueId id) {
  const Program *program = ranges->context->program;
  const Node *node = graph_node(graph, id);
  if (!type_rounds(node->type) || node_is_leaf(node) || node->op == OP_STORE ||
      is_copy(node) || !is_estimated(node))
    return;
  Votes votes = {0};
  if (!node->pinned)
    recipe_value_votes(program, graph, id, &votes);
  const Rule *rule = own_rule(&votes);
  find(ranges, rule ? rule->span : place_of(program, graph, node->span),
       node->name, node->type->format, node->estimate.log2_rms);
}

/* A contraction reads its operand in a format of its own. */
static void check_operands(Ranges *ranges, const Graph *graph, ProductKind kind,
                           ValueId id) {
  const Program *program = ranges->context->program;
  const Node *node = graph_node(graph, id);
  OpClass class = op_info(node->op)->class;
  if (class != CLASS_matmul && class != CLASS_conv)
    return;
  for (int i = 0; i < node_inputs(node); i++) {
    const Node *operand = graph_node(graph, node->input[i]);
    Format as = is_copy(operand) ? operand->type->format : node->as[i];
    if (as == FORMAT_NONE || !is_estimated(operand) || operand->op == OP_CONST)
      continue;
    Votes votes = {0};
    recipe_operand_votes(program, graph, kind, id, i, &votes);
    const Rule *rule = own_rule(&votes);
    find(ranges, rule ? rule->span : place_of(program, graph, node->span),
         operand->name, as, operand->estimate.log2_rms);
  }
}

/* The user's rule that gave the parameter its format, or NULL. */
static const Rule *param_rule(const Program *program, const Recipe *recipe,
                              const Parameter *param) {
  const Rule *decides = NULL;
  for (size_t i = 0; recipe && i < recipe->rule.length; i++) {
    const Rule *rule = &recipe->rule.data[i];
    for (size_t j = 0; j < rule->selector.length; j++)
      if (rule->settings.forward != FORMAT_NONE &&
          selector_selects_param(program, param, &rule->selector.data[j]))
        decides = rule;
  }
  return decides && decides->own && !param->pinned ? decides : NULL;
}

/* A parameter by its initial values, at the exponent it is stored at. */
static void check_param(Ranges *ranges, const Recipe *recipe,
                        const Parameter *param) {
  double level = init_log2_rms(param->init);
  if (!type_rounds(param->type) || isinf(level) || param->exponent)
    return;
  int32_t exponent =
      param->scale.kind == SCALE_NORMAL ? param->scale.exponent : 0;
  const Rule *rule = param_rule(ranges->context->program, recipe, param);
  find(ranges, rule ? rule->span : param->span, param->name,
       param->type->format, level - exponent);
}

void range_check(PassContext *context) {
  Ranges ranges = {.context = context};
  const Program *program = context->program;
  const Recipe **storage = storage_recipes(context->arena, program);
  for (size_t i = 0; i < program->param.length; i++)
    check_param(&ranges, storage[i], &program->param.data[i]);
  for (size_t g = 0; g < program->graph.length; g++) {
    const Graph *graph = program->graph.data[g];
    const ProductKind *kind = contraction_kinds(context->arena, graph);
    for (ValueId id = 1; id < graph->count; id++) {
      check_value(&ranges, graph, id);
      check_operands(&ranges, graph, kind[id], id);
    }
  }
  for (size_t i = 0; i < ranges.finding.length; i++) {
    Finding *finding = &ranges.finding.data[i];
    if (finding->more)
      finding->warning.note[finding->warning.note_count++] =
          arena_printf(context->arena, "so it is with %zu more", finding->more);
    diagnose(context->diagnostics, &finding->warning);
  }
  vec_free(&ranges.finding);
}
