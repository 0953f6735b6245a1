/* `--emit=report`: the page that a researcher opens first.
 *
 * In: a program at level final, where every rounding is explicit. Out: for each
 * entry a table with a row a value, forward and gradient side by side: in which
 * format it is kept and read by products, at which exponent, of which predicted
 * level, how many summands stand behind it, how often it is cast and shifted by
 * what only a step knows. Below it, what the numerics of a step cost. Columns
 * are as wide as what stands in them.
 */
#include "compiler/context.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum {
  COLUMN_VALUE,
  COLUMN_SHAPE,
  COLUMN_FORWARD,
  COLUMN_SCALE,
  COLUMN_LEVEL,
  COLUMN_GRADIENT,
  COLUMN_GRADIENT_SCALE,
  COLUMN_GRADIENT_LEVEL,
  COLUMN_SUMMANDS,
  COLUMN_CASTS,
  COLUMN_SHIFTS,
  COLUMN_NOTE,
  COLUMNS
} TableColumn;

static const char *const heading[COLUMNS] = {"value", "shape", "fwd",   "scale",
                                             "level", "grad",  "scale", "level",
                                             "K",     "casts", "dyn",   "note"};

/* A forward value and all that serves it: helpers, copies, its gradient. */
typedef struct {
  ValueId value, gradient;
  int64_t summands;
  int casts, dynamic;
  const char *cell[COLUMNS];
} Row;

typedef struct {
  const Program *program;
  const Graph *graph;
  Arena *arena;
  bool estimates;
  WordMap value; /* names to nodes */
  WordMap row;   /* names of forward values to rows, from 1 */
  VEC(Row) rows;
  Buffer *out;
} Report;

/* ---- names --------------------------------------------------------------- */

static const Node *find(const Report *report, const char *name) {
  ValueId id = word_map_get(&report->value, name);
  return id ? graph_node(report->graph, id) : NULL;
}

static const char *name_of(const Report *report, const char *format,
                           const char *name, int length) {
  return intern_printf(report->program->interner, format, length, name);
}

/* The name without the `.q`, `.m` or `.e4m3` of a copy, if that is a value;
 * else NULL. */
static const char *copied(const Report *report, const char *name) {
  const char *dot = strrchr(name, '.');
  if (!dot)
    return NULL;
  bool copy = strcmp(dot, ".q") == 0 || strcmp(dot, ".m") == 0 ||
              format_named(dot + 1, strlen(dot + 1)) != FORMAT_NONE;
  const char *base =
      copy ? name_of(report, "%.*s", name, (int)(dot - name)) : NULL;
  return base && find(report, base) ? base : NULL;
}

/* The name without the `~2` of a helper. A second copy for products, `.s~2`, is
 * measured on its own and keeps it. */
static size_t base_length(const char *name) {
  const char *mark = strchr(name, '~');
  if (!mark)
    return strlen(name);
  size_t length = (size_t)(mark - name);
  bool copy = length > 2 && strncmp(mark - 2, ".s", 2) == 0 &&
              mark[1 + strspn(mark + 1, "0123456789")] == '\0';
  return copy ? strlen(name) : length;
}

/* Such values appear in the row of what they serve. */
static bool is_helper(const Report *report, const char *name) {
  return base_length(name) < strlen(name) || copied(report, name);
}

/* The row that a value of any phase belongs to, or NULL: a copy and a helper to
 * that of its base, a gradient to that of its value, the new value of a
 * parameter to that of the parameter. */
static Row *row_of(const Report *report, const char *name) {
  const char *base = copied(report, name);
  base = base ? base : name;
  base = name_of(report, "%.*s", base, (int)base_length(base));
  uint32_t row = word_map_get(&report->row, base);
  if (!row && strncmp(base, "d.", 2) == 0)
    row = word_map_get(
        &report->row, name_of(report, "%.*s", base + 2, (int)strlen(base + 2)));
  if (!row)
    row = word_map_get(&report->row,
                       name_of(report, "%.*s", base, (int)strcspn(base, "'")));
  return row ? &report->rows.data[row - 1] : NULL;
}

/* ---- what is counted ----------------------------------------------------- */

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

/* Is the data multiplied by a power of two that only a step knows? */
static bool is_dynamic(const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  if (node->op == OP_CONST || node_defines_exponent(node))
    return false;
  Shift shift = node_shift(graph, id);
  return shift.plus || shift.minus;
}

/* Adds what one node does to the row that it serves. */
static void count_node(Report *report, ValueId id) {
  const Node *node = graph_node(report->graph, id);
  Row *row = node->name && !node_defines_exponent(node)
                 ? row_of(report, node->name)
                 : NULL;
  if (!row)
    return;
  row->casts += node->op == OP_CAST;
  row->dynamic += is_dynamic(report->graph, id);
  int64_t k = node->phase == PHASE_FORWARD ? summands(report, node) : 0;
  if (row->value == id || row->summands == 0)
    row->summands = k ? k : row->summands;
}

/* ---- cells --------------------------------------------------------------- */

/* What a cell says, in the report's memory. */
static const char *cell(const Report *report, Buffer *text) {
  const char *copy =
      arena_string(report->arena, text->length ? text->data : "-",
                   text->length ? text->length : 1);
  buffer_free(text);
  return copy;
}

/* Adds the format of the copy with this suffix, if there is one. */
static void add_copy(Buffer *out, const Report *report, const Node *node,
                     const char *suffix) {
  const Node *copy = find(report, intern_printf(report->program->interner,
                                                "%s.%s", node->name, suffix));
  if (!copy || copy->op != OP_CAST)
    return;
  buffer_char(out, strchr(out->data, '>') ? ',' : '>');
  buffer_text(out, format_info(copy->type->format)->text);
}

/* "bf16", or "bf16>e4m3" of a value that products read in e4m3. */
static const char *format_cell(const Report *report, const Node *node) {
  Buffer text = {0};
  buffer_text(&text, format_info(node->type->format)->text);
  add_copy(&text, report, node, "q");
  for (int format = 0; format < FORMAT_COUNT; format++)
    add_copy(&text, report, node, format_info((Format)format)->text);
  return cell(report, &text);
}

static const char *scale_cell(const Report *report, const Node *node) {
  Buffer text = {0};
  value_scale_print(&text, report->graph, node->type, node->scale);
  return cell(report, &text);
}

/* log2 of the predicted rms of the value; `$` stands for its run-time exponent.
 */
static const char *level_cell(const Report *report, const Node *node) {
  if (!report->estimates || node->scale.kind != SCALE_NORMAL)
    return "-";
  if (isinf(node->estimate.log2_rms))
    return "zero";
  double level = node->scale.exponent + node->estimate.log2_rms;
  level = round(level * 100) / 100 + 0.0;
  return arena_printf(report->arena, node->scale.symbol ? "$%+.2f" : "%.2f",
                      level);
}

static const char *number_cell(const Report *report, int64_t number) {
  return number ? arena_printf(report->arena, "%" PRId64, number) : "-";
}

/* Where a run-time exponent that begins with this value comes from. */
static void note_exponent(Buffer *out, const Report *report, const Node *node) {
  const Node *symbol = graph_node(report->graph, node->scale.symbol);
  if (!node->scale.symbol || symbol->name != node->name)
    return;
  buffer_printf(out, ", $%s = ", symbol->name);
  explain_exponent(out, report->graph, node->scale.symbol);
}

/* Of what was made at another exponent, then re-expressed, the op that made it.
 */
static Op op_of(const Report *report, const Node *node) {
  const Node *from = graph_node(report->graph, node->input[0]);
  bool helper = node->op == OP_REBALANCE && is_product(from) && from->name &&
                strncmp(from->name, node->name, strlen(node->name)) == 0 &&
                from->name[strlen(node->name)] == '~';
  return helper ? from->op : node->op;
}

static bool keeps_exponents(const Report *report, const Node *node) {
  return report->program->param.data[node->attr.index].measured;
}

/* The op, and where the user's text says so. */
static const char *note_cell(const Report *report, const Row *row) {
  Buffer text = {0};
  const Node *node = graph_node(report->graph, row->value);
  buffer_text(&text, node->op == OP_INPUT   ? "input"
                     : node->op != OP_PARAM ? op_info(op_of(report, node))->text
                     : keeps_exponents(report, node) ? "state of exponents, "
                                                     : "master ");
  if (node->op == OP_PARAM)
    buffer_text(&text, format_info(node->type->format)->text);
  note_exponent(&text, report, node);
  if (row->gradient)
    note_exponent(&text, report, graph_node(report->graph, row->gradient));
  const Source *source =
      node->span.source
          ? sources_get(report->program->sources, node->span.source)
          : NULL;
  if (source && !source->builtin)
    buffer_printf(&text, ", line %u",
                  source_place(source, node->span.start).line);
  return cell(report, &text);
}

static void fill_row(const Report *report, Row *row) {
  const Node *node = graph_node(report->graph, row->value);
  const Node *gradient =
      row->gradient ? graph_node(report->graph, row->gradient) : NULL;
  Buffer shape = {0};
  type_print(&shape, node->type);
  row->cell[COLUMN_VALUE] = node->name;
  row->cell[COLUMN_SHAPE] =
      arena_printf(report->arena, "%s", strchr(shape.data, '['));
  buffer_free(&shape);
  row->cell[COLUMN_FORWARD] = format_cell(report, node);
  row->cell[COLUMN_SCALE] = scale_cell(report, node);
  row->cell[COLUMN_LEVEL] = level_cell(report, node);
  row->cell[COLUMN_GRADIENT] = gradient ? format_cell(report, gradient) : "-";
  row->cell[COLUMN_GRADIENT_SCALE] =
      gradient ? scale_cell(report, gradient) : "-";
  row->cell[COLUMN_GRADIENT_LEVEL] =
      gradient ? level_cell(report, gradient) : "-";
  row->cell[COLUMN_SUMMANDS] = number_cell(report, row->summands);
  row->cell[COLUMN_CASTS] = number_cell(report, row->casts);
  row->cell[COLUMN_SHIFTS] = number_cell(report, row->dynamic);
  row->cell[COLUMN_NOTE] = note_cell(report, row);
}

/* ---- the table ----------------------------------------------------------- */

static void index_values(Report *report) {
  const Graph *graph = report->graph;
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->name && !node_defines_exponent(node))
      word_map_set(&report->value, node->name, id);
  }
}

static void index_rows(Report *report) {
  const Graph *graph = report->graph;
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (!node->name || node->phase != PHASE_FORWARD ||
        node_defines_exponent(node) || is_helper(report, node->name))
      continue;
    Row row = {.value = id};
    row.gradient =
        word_map_get(&report->value, name_of(report, "d.%.*s", node->name,
                                             (int)strlen(node->name)));
    vec_push(&report->rows, row);
    word_map_set(&report->row, node->name, (uint32_t)report->rows.length);
  }
}

static bool is_number_column(int column) {
  return column == COLUMN_SUMMANDS || column == COLUMN_CASTS ||
         column == COLUMN_SHIFTS || column == COLUMN_LEVEL ||
         column == COLUMN_GRADIENT_LEVEL;
}

static void print_cells(Buffer *out, const char *const *cells,
                        const size_t *width) {
  for (int i = 0; i < COLUMNS; i++) {
    int pad = (int)(width[i] - strlen(cells[i]));
    if (i == COLUMN_NOTE)
      pad = 0;
    if (is_number_column(i))
      buffer_printf(out, "%*s%s", pad, "", cells[i]);
    else
      buffer_printf(out, "%s%*s", cells[i], pad, "");
    buffer_text(out, i == COLUMN_NOTE ? "\n" : "  ");
  }
}

static void print_table(const Report *report) {
  size_t width[COLUMNS];
  for (int i = 0; i < COLUMNS; i++)
    width[i] = strlen(heading[i]);
  for (size_t r = 0; r < report->rows.length; r++)
    for (int i = 0; i < COLUMNS; i++) {
      size_t length = strlen(report->rows.data[r].cell[i]);
      width[i] = length > width[i] ? length : width[i];
    }
  print_cells(report->out, heading, width);
  for (size_t r = 0; r < report->rows.length; r++)
    print_cells(report->out, report->rows.data[r].cell, width);
}

/* ---- totals -------------------------------------------------------------- */

static const char *plural(int count) {
  return count == 1 ? "" : "s";
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
  buffer_printf(report->out, "%d product%s", total, plural(total));
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

/* Which values differ between replicas, which see other examples and draw other
 * numbers: not parameters, and what is computed of nothing else. */
static bool *differing(const Report *report) {
  const Graph *graph = report->graph;
  bool *differs = NEW_ARRAY(report->arena, bool, graph->count);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    differs[id] = node->op == OP_INPUT || node->op == OP_BERNOULLI ||
                  node->op == OP_RANDOM_INT;
    for (int i = 0; i < node_inputs(node); i++)
      differs[id] |= differs[node->input[i]];
  }
  return differs;
}

/* What is measured in the forward and backward pass of what differs has to be
 * agreed upon. The update works on gradients that are the same everywhere. */
static void print_exponents(const Report *report) {
  int exponents = 0, measured = 0, agreed = 0;
  const bool *differs = differing(report);
  for (ValueId id = 1; id < report->graph->count; id++) {
    const Node *node = graph_node(report->graph, id);
    exponents += node_defines_exponent(node);
    measured += node->op == OP_NORM_EXPONENT;
    agreed += node->op == OP_NORM_EXPONENT && node->phase != PHASE_UPDATE &&
              differs[node->input[0]];
  }
  buffer_printf(report->out,
                "%d run-time exponent%s, %d measured; data parallelism would "
                "need %d all-reduce%s of a norm %s\n",
                exponents, plural(exponents), measured, agreed, plural(agreed),
                report->graph->run.accumulate > 1 ? "a micro-batch" : "a step");
}

static void print_totals(const Report *report) {
  int casts = 0, static_shifts = 0, dynamic_shifts = 0;
  for (ValueId id = 1; id < report->graph->count; id++) {
    const Node *node = graph_node(report->graph, id);
    casts += node->op == OP_CAST;
    if (node->op == OP_CONST || node_defines_exponent(node))
      continue;
    dynamic_shifts += is_dynamic(report->graph, id);
    Shift shift = node_shift(report->graph, id);
    static_shifts += shift.exponent != 0 && !shift.plus && !shift.minus;
  }
  buffer_printf(report->out,
                "%d cast%s, %d static shift%s, %d dynamic shift%s\n", casts,
                plural(casts), static_shifts, plural(static_shifts),
                dynamic_shifts, plural(dynamic_shifts));
  print_exponents(report);
  print_products(report);
}

/* ---- entries ------------------------------------------------------------- */

static void print_entry(Report *report) {
  const Graph *graph = report->graph;
  static const char *const kind[] = {"entry", "train", "eval"};
  buffer_printf(report->out, "%s %s, recipe %s\n", kind[graph->kind],
                graph->name, graph->recipe ? graph->recipe : "f32");
  index_values(report);
  index_rows(report);
  for (ValueId id = 1; id < graph->count; id++)
    count_node(report, id);
  for (size_t i = 0; i < report->rows.length; i++)
    fill_row(report, &report->rows.data[i]);
  print_table(report);
  print_totals(report);
}

void report_print(Buffer *out, const Program *program, bool estimates) {
  for (size_t i = 0; i < program->graph.length; i++) {
    Report report = {.program = program,
                     .graph = program->graph.data[i],
                     .arena = arena_new(),
                     .estimates = estimates,
                     .out = out};
    if (i)
      buffer_char(out, '\n');
    print_entry(&report);
    word_map_free(&report.value);
    word_map_free(&report.row);
    vec_free(&report.rows);
    arena_free(report.arena);
  }
}
