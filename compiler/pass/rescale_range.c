/* rescale = auto: dynamic rescales where the estimate asks for them.
 *
 * In: graphs with gradients and the rescales of rules. Out: the same values,
 * with a `rescale` by l2 behind each computed value that is read in a narrow
 * format whose range its data are expected to leave, and the reason on it
 * (`why = range`), where the recipe says `default : rescale = auto`. A value is
 * read in a format as an operand of a product, by a cast of the text, or where
 * it is kept for the backward pass or as a result. The test is that of the
 * warning for such formats (range.c), so a value has one or the other. Behind a
 * rescale the data count as unit, so of a chain the first is rescaled that
 * needs it. Inputs and parameters keep their exponents, and what the text
 * itself puts at an exponent (set_scale) stays there.
 */
#include "compiler/pass/range.h"
#include "compiler/pass/recipe_query.h"
#include "compiler/pass/rescale.h"
#include "compiler/pass/scale_rules.h"
#include "compiler/pass/storage.h"

#include <math.h>

/* One entry. The arrays are by value; NULL without `rescale = auto`. */
typedef struct {
  uint32_t *reads; /* the formats it is read in, a bit each */
  Format *leaves;  /* the one whose range it leaves, or FORMAT_NONE */
  double *log2_rms;
} Ranges;

static bool is_automatic(const Recipe *recipe) {
  int automatic = 0;
  for (size_t i = 0; i < recipe->rule.length; i++) {
    const Rule *rule = &recipe->rule.data[i];
    for (size_t j = 0; j < rule->selector.length; j++)
      if (rule->selector.data[j].kind == SELECT_DEFAULT &&
          rule->settings.rescale_auto >= 0)
        automatic = rule->settings.rescale_auto;
  }
  return automatic && !recipe_is_unscaled(recipe);
}

/* ---- which formats a value is read in ------------------------------------ */

static void read_as(Ranges *ranges, ValueId id, Format format) {
  if (format != FORMAT_NONE && format_rounds(format))
    ranges->reads[id] |= UINT32_C(1) << format;
}

/* What a value is kept in, for whoever reads it later as it is stored. */
static void read_stored(Ranges *ranges, const Program *program,
                        const Graph *graph, ValueId id) {
  if (graph_node(graph, id)->type->rank > 0)
    read_as(ranges, id, recipe_value_settings(program, graph, id).forward);
}

static void find_reads(Ranges *ranges, const Program *program,
                       const Graph *graph, ProductKind kind, ValueId id) {
  const Node *node = graph_node(graph, id);
  OpClass class = op_info(node->op)->class;
  bool contracts = class == CLASS_matmul || class == CLASS_conv;
  for (int i = 0; i < node_inputs(node); i++) {
    ValueId from = node->input[i];
    Format as = FORMAT_NONE;
    if (contracts && i < 2)
      as = recipe_operand_settings(program, graph, kind, id, i).forward;
    else if (node->op == OP_CAST)
      as = node->type->format;
    read_as(ranges, from, as);
    bool masks = node->op == OP_RELU_GRAD && i == 1;
    bool later = node->phase == PHASE_BACKWARD &&
                 graph_node(graph, from)->phase == PHASE_FORWARD;
    if (later && !masks && (as == FORMAT_NONE || !format_rounds(as)))
      read_stored(ranges, program, graph, from);
  }
}

/* Values that may be rescaled. */
static bool is_computed(const Node *node) {
  return type_is_real(node->type) && !node_is_leaf(node) &&
         node->op != OP_CAST && node->op != OP_STORE &&
         node->op != OP_RESCALE && node->op != OP_SET_SCALE;
}

static void ranges_begin(PassContext *context, const Graph *graph,
                         Ranges *ranges) {
  const Program *program = context->program;
  if (!is_automatic(graph_recipe(program, graph)))
    return;
  ranges->reads = NEW_ARRAY(context->arena, uint32_t, graph->count);
  ranges->leaves = NEW_ARRAY(context->arena, Format, graph->count);
  ranges->log2_rms = NEW_ARRAY(context->arena, double, graph->count);
  const ProductKind *kind = contraction_kinds(context->arena, graph);
  for (ValueId id = 1; id < graph->count; id++) {
    ranges->leaves[id] = FORMAT_NONE;
    find_reads(ranges, program, graph, kind[id], id);
  }
  for (size_t i = 0; i < graph->result.length; i++)
    read_stored(ranges, program, graph, graph->result.data[i].value);
  for (ValueId id = 1; id < graph->count; id++)
    if (!is_computed(graph_node(graph, id)))
      ranges->reads[id] = 0;
}

/* ---- the estimate -------------------------------------------------------- */

static bool watch_range(void *user, size_t graph, ValueId old,
                        const Node *made) {
  Ranges *ranges = &((Ranges *)user)[graph];
  if (!ranges->reads || made->scale.kind != SCALE_NORMAL ||
      !isfinite(made->estimate.log2_rms))
    return false;
  for (int format = 0; format < FORMAT_COUNT; format++) {
    if (!(ranges->reads[old] >> format & 1) ||
        format_covers((Format)format, made->estimate.log2_rms))
      continue;
    ranges->leaves[old] = (Format)format;
    ranges->log2_rms[old] = made->estimate.log2_rms;
    return true;
  }
  return false;
}

/* ---- placing ------------------------------------------------------------- */

/* One remark an entry: where one value leaves its range, many may. */
static void remark(PassContext *context, const Graph *graph,
                   const Ranges *ranges) {
  Diagnostic diagnostic = {.severity = SEVERITY_REMARK, .code = "W0517"};
  size_t count = 0;
  for (ValueId id = 1; id < graph->count; id++) {
    Format format = ranges->leaves[id];
    if (format == FORMAT_NONE || count++ > 0)
      continue;
    const Node *node = graph_node(graph, id);
    diagnostic.message = arena_printf(
        context->arena,
        "%s is rescaled by l2: its data of about 2^%.0f would leave %s, which "
        "holds 2^%.0f .. %g",
        node->name, ranges->log2_rms[id], format_info(format)->text,
        log2(format_min_subnormal(format)), format_max(format));
    diagnostic.label[0].span = node->span;
    diagnostic.label_count = 1;
  }
  if (count == 0)
    return;
  if (count > 1)
    diagnostic.note[diagnostic.note_count++] =
        arena_printf(context->arena, "so it is with %zu more", count - 1);
  diagnose(context->diagnostics, &diagnostic);
}

static void join(Ranges *ranges, ValueId from, ValueId to) {
  if (ranges->leaves[from] == FORMAT_NONE || ranges->leaves[to] != FORMAT_NONE)
    return;
  ranges->leaves[to] = ranges->leaves[from];
  ranges->log2_rms[to] = ranges->log2_rms[from];
}

/* What is computed again is rescaled where its original is. */
static void join_copies(const Graph *graph, const ValueId *first,
                        Ranges *ranges) {
  for (ValueId id = 1; id < graph->count; id++)
    if (first[id])
      join(ranges, id, first[id]);
  for (ValueId id = 1; id < graph->count; id++)
    if (first[id])
      join(ranges, first[id], id);
}

static Graph *with_rescales(PassContext *context, const Graph *graph,
                            const ValueId *first, const Ranges *ranges) {
  NameTable *names =
      name_table_new(context->arena, context->program->interner, graph);
  GraphCopy copy = graph_copy_begin(context->arena, graph);
  for (ValueId id = 1; id < graph->count; id++) {
    graph_copy_node(&copy, id);
    if (ranges->leaves[id] != FORMAT_NONE)
      rescale_insert(&copy, names, id, first[id],
                     (Measure){NORM_L2, FORMAT_NONE, 0, 0}, WHY_RANGE);
  }
  graph_copy_finish(&copy);
  return copy.new;
}

void rescale_ranges(PassContext *context) {
  Program *program = context->program;
  size_t count = program->graph.length;
  Ranges *ranges = NEW_ARRAY(context->arena, Ranges, count + 1);
  bool any = false;
  for (size_t i = 0; i < count; i++) {
    ranges_begin(context, program->graph.data[i], &ranges[i]);
    any |= ranges[i].reads != NULL;
  }
  if (any)
    estimate_graphs(context, watch_range, ranges);
  for (size_t i = 0; i < count; i++) {
    if (!ranges[i].reads)
      continue;
    const Graph *graph = program->graph.data[i];
    const ValueId *first = graph_originals(context->arena, graph);
    join_copies(graph, first, &ranges[i]);
    remark(context, graph, &ranges[i]);
    graph_replace(program, i, with_rescales(context, graph, first, &ranges[i]));
  }
}
