/* `--emit=report`: the page that a researcher opens first.
 *
 * One row a value of each entry, forward and gradient side by side: in which
 * format it is kept or multiplied, at which exponent, and how many summands
 * stand behind it. Below: what the numerics of the step cost in casts, shifts
 * and run-time exponents. Works on level final, where every rounding is
 * explicit.
 */
#include "compiler/context.h"

#include <stdio.h>

#include <stdlib.h>
#include <string.h>

typedef struct {
  const Program *program;
  const Graph *graph;
  Buffer *out;
} Report;

static const Node *find(const Graph *graph, const char *name) {
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->name && node->op != OP_STORE && !node_defines_exponent(node) &&
        strcmp(node->name, name) == 0)
      return node;
  }
  return NULL;
}

/* Is this a helper (`x~1`), or a copy (`x.q`, `x.m`) of a value that has a row
 * of its own? Such values appear in the row of what they serve. */
static bool is_helper(const Graph *graph, const char *name) {
  char base[512];
  size_t length = strlen(name);
  bool copy = length > 2 && name[length - 2] == '.' &&
              (name[length - 1] == 'q' || name[length - 1] == 'm');
  snprintf(base, sizeof base, "%.*s", (int)(copy ? length - 2 : 0), name);
  return strchr(name, '~') || (copy && find(graph, base));
}

/* The format in which contractions read `name`, else its own. */
static Format used_format(const Report *report, const Node *node, char *scratch,
                          size_t size) {
  snprintf(scratch, size, "%s.q", node->name);
  const Node *copy = find(report->graph, scratch);
  return copy ? copy->type->format : node->type->format;
}

static void print_scale(const Report *report, Scale scale) {
  Buffer text = {0};
  if (scale.kind == SCALE_NONE)
    buffer_char(&text, '-');
  else
    scale_print(&text, report->graph, scale);
  buffer_printf(report->out, " %-16s", text.data);
  buffer_free(&text);
}

static bool is_product(const Node *node) {
  OpClass class = op_info(node->op)->class;
  return class == CLASS_matmul || class == CLASS_conv;
}

/* Taps times channels of a group; of gradients, which have no row, nothing. */
static int64_t conv_summands(const Graph *graph, const Node *node) {
  const Type *w = graph_node(graph, node->input[1])->type;
  return node->op == OP_CONV && w->dim[0] ? w->elements / w->dim[0] : 0;
}

/* How many products or terms each element sums: the sizes of the letters that
 * the result lacks. 0: it sums nothing. */
static int64_t summands(const Report *report, const Node *node) {
  if (op_info(node->op)->class == CLASS_conv)
    return conv_summands(report->graph, node);
  if (node->op != OP_EINSUM && node->op != OP_SUM && node->op != OP_MEAN)
    return 0;
  Pattern pattern;
  const char *error;
  size_t offset;
  int64_t k = 1;
  if (!pattern_parse(report->program->interner, node->attr.pattern, &pattern,
                     &error, &offset))
    return 0; /* cannot be: the verifier has parsed it */
  for (int i = 0; i < pattern.rank[0]; i++) {
    bool kept = false;
    for (int j = 0; j < pattern.out_rank; j++)
      kept |= pattern.out_axis[j] == pattern.axis[0][i];
    if (!kept)
      k *= graph_node(report->graph, node->input[0])->type->dim[i];
  }
  return k;
}

static void print_row(const Report *report, const Node *node) {
  char name[512];
  Buffer shape = {0};
  type_print(&shape, node->type);
  const char *dims = strchr(shape.data, '[');
  buffer_printf(
      report->out, "%-22s %-14s %-6s", node->name, dims ? dims : "",
      format_info(used_format(report, node, name, sizeof name))->text);
  buffer_free(&shape);
  print_scale(report, node->scale);
  snprintf(name, sizeof name, "d.%s", node->name);
  const Node *gradient = find(report->graph, name);
  char scratch[600];
  buffer_printf(report->out, " %-6s",
                gradient ? format_info(used_format(report, gradient, scratch,
                                                   sizeof scratch))
                               ->text
                         : "-");
  print_scale(report, gradient ? gradient->scale : scale_none());
  int64_t k = summands(report, node);
  if (k)
    buffer_printf(report->out, " %6lld", (long long)k);
  else
    buffer_printf(report->out, " %6s", "-");
  const char *note = node->op == OP_PARAM   ? "master"
                     : node->op == OP_INPUT ? "input"
                                            : op_info(node->op)->text;
  buffer_printf(report->out, "  %s", note);
  if (node->op == OP_PARAM)
    buffer_printf(report->out, " %s", format_info(node->type->format)->text);
  buffer_char(report->out, '\n');
}

/* Counts products by their pair of operand formats. */
static void print_products(const Report *report) {
  int count[FORMAT_COUNT][FORMAT_COUNT] = {{0}}, total = 0;
  for (ValueId id = 1; id < report->graph->count; id++) {
    const Node *node = graph_node(report->graph, id);
    if (!is_product(node))
      continue;
    total++;
    count[graph_node(report->graph, node->input[0])->type->format]
         [graph_node(report->graph, node->input[1])->type->format]++;
  }
  buffer_printf(report->out, "%d product%s", total, total == 1 ? "" : "s");
  const char *separator = ": ";
  for (int a = 0; a < FORMAT_COUNT; a++)
    for (int b = 0; b < FORMAT_COUNT; b++)
      if (count[a][b]) {
        buffer_printf(report->out, "%s%d %s*%s", separator, count[a][b],
                      format_info((Format)a)->text,
                      format_info((Format)b)->text);
        separator = ", ";
      }
  buffer_char(report->out, '\n');
}

static void print_totals(const Report *report) {
  int casts = 0, static_shifts = 0, dynamic_shifts = 0, exponents = 0;
  int reductions = 0;
  for (ValueId id = 1; id < report->graph->count; id++) {
    const Node *node = graph_node(report->graph, id);
    casts += node->op == OP_CAST;
    exponents += node_defines_exponent(node);
    reductions += node->op == OP_NORM_EXPONENT;
    if (node->op == OP_CONST || node_defines_exponent(node))
      continue;
    Shift shift = node_shift(report->graph, id);
    if (shift.plus || shift.minus)
      dynamic_shifts++;
    else
      static_shifts += shift.exponent != 0;
  }
  buffer_printf(report->out,
                "%d casts, %d static shifts, %d dynamic shifts, %d run-time "
                "exponent%s (%d norm reduction%s)\n",
                casts, static_shifts, dynamic_shifts, exponents,
                exponents == 1 ? "" : "s", reductions,
                reductions == 1 ? "" : "s");
  print_products(report);
}

static void print_entry(const Report *report) {
  const Graph *graph = report->graph;
  static const char *const kind[] = {"entry", "train", "eval"};
  buffer_printf(report->out, "%s %s, recipe %s\n", kind[graph->kind],
                graph->name, graph->recipe ? graph->recipe : "f32");
  buffer_printf(report->out, "%-22s %-14s %-6s %-16s %-6s %-16s %6s  %s\n",
                "value", "shape", "fwd", "scale", "grad", "scale", "K", "note");
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    bool shown = node->name && node->phase == PHASE_FORWARD &&
                 !is_helper(graph, node->name) && !node_defines_exponent(node);
    if (shown)
      print_row(report, node);
  }
  print_totals(report);
}

void report_print(Buffer *out, const Program *program) {
  for (size_t i = 0; i < program->graph.length; i++) {
    Report report = {program, program->graph.data[i], out};
    if (i)
      buffer_char(out, '\n');
    print_entry(&report);
  }
}
