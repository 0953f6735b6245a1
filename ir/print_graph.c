/* Graphs as .sgir text: phases, operations, kernels.
 *
 * One operation a line, columns aligned within a phase. Leaves print where they
 * are read. At level final a kernel of several ops prints as a region: what
 * leaves it = form(what it reads) { its ops; yield }.
 */
#include "ir/print.h"

#include <inttypes.h>
#include <string.h>

enum { INDENT = 2, BODY_INDENT = 4 };

typedef struct {
  const Program *program;
  const Graph *graph;
  const PrintOptions *options;
  Buffer *out; /* = &lines->text: where pieces of lines are written */
  Lines *lines;
  unsigned block;      /* of the phase that is being printed */
  unsigned next_block; /* the first number not yet used */
  int phase;           /* the last heading, or -1 */
  bool minimized;      /* the minimize statement has been printed */
  ValueId *last_user;  /* the last reader; UINT32_MAX for a result */
} GraphPrinter;

/* ---- operands ----------------------------------------------------------- */

/* A nameless value, which the verifier reports, still prints as something. */
static void print_name(GraphPrinter *printer, ValueId id) {
  const Node *node = graph_node(printer->graph, id);
  char sigil = node->op == OP_PARAM ? '@' : '%';
  if (node_defines_exponent(node))
    sigil = '$';
  buffer_char(printer->out, sigil);
  if (node->name)
    buffer_text(printer->out, node->name);
  else
    buffer_printf(printer->out, "?%u", id);
}

/* A number with its scale; its format only where it is not the usual one. */
static void print_constant(GraphPrinter *printer, const Node *node) {
  Format format = node->type->format;
  Level level = printer->program->level;
  Format usual = level >= LEVEL_FORMATTED ? FORMAT_F32 : FORMAT_REAL;
  if (type_is_real(node->type)) {
    buffer_float(printer->out, node->attr.value);
  } else {
    buffer_printf(printer->out, "%" PRId64, (int64_t)node->attr.value);
    usual = FORMAT_I32;
  }
  if (node->scale.kind != SCALE_NONE) {
    buffer_text(printer->out, " * ");
    scale_print(printer->out, printer->graph, node->scale);
  }
  if (format != usual)
    buffer_printf(printer->out, " : %s", format_info(format)->text);
}

static void print_operand(GraphPrinter *printer, ValueId id) {
  const Node *node = graph_node(printer->graph, id);
  if (node->op == OP_CONST)
    print_constant(printer, node);
  else
    print_name(printer, id);
}

static const char *param_name(const Program *program, int32_t index) {
  if (index < 0 || (size_t)index >= program->param.length)
    return "?";
  return program->param.data[index].name;
}

/* ---- one operation ------------------------------------------------------ */

/* The defaults, nearest, saturate and subnormals, are not printed. */
static void print_rounding(GraphPrinter *printer, const Node *node) {
  if (node->attr.round != ROUND_NEAREST)
    buffer_printf(printer->out, ", round = %s",
                  rounding_name(node->attr.round));
  if (node->attr.overflow != OVERFLOW_SATURATE)
    buffer_printf(printer->out, ", overflow = %s",
                  overflow_name(node->attr.overflow));
  if (node->attr.flush)
    buffer_text(printer->out, ", subnormals = false");
}

static void print_terms(GraphPrinter *printer, const Node *node) {
  exponent_print(printer->out, printer->graph, node->attr.term[0]);
  buffer_text(printer->out, ", ");
  exponent_print(printer->out, printer->graph, node->attr.term[1]);
}

/* The first row that an op has: without operands it begins the list. */
static int first_plain(AttributeSet attributes) {
  int first = 0;
  while (first < PLAIN_COUNT && !(attributes & plain_attribute(first)->bit))
    first++;
  return first;
}

/* The rows of attributes.def; optional ones where they say something. */
static void print_plain(GraphPrinter *printer, const Node *node,
                        AttributeSet attributes) {
  Attributes neutral = attributes_neutral();
  for (int i = 0; i < PLAIN_COUNT; i++) {
    const PlainAttribute *plain = plain_attribute(i);
    if (!(attributes & plain->bit) ||
        (!plain->required && plain_equal(plain, &node->attr, &neutral)))
      continue;
    bool first = node_inputs(node) == 0 && i == first_plain(attributes);
    buffer_printf(printer->out, "%s%s = ", first ? "" : ", ", plain->text);
    plain_print(printer->out, plain, &node->attr);
  }
}

/* Never first in the list: an op has operands or plain attributes. */
static void print_remat(GraphPrinter *printer, const Node *node) {
  if (node->remat) {
    buffer_text(printer->out, ", remat = ");
    buffer_quoted(printer->out, node->remat, strlen(node->remat));
  }
  if (node->again)
    buffer_printf(printer->out, ", again = %%%s", node->again);
}

/* In a fixed order: pattern, plain attributes, by, why, rounding, terms,
 * pinned, probe, remat, again, shift. */
static void print_attributes(GraphPrinter *printer, ValueId id) {
  const Node *node = graph_node(printer->graph, id);
  AttributeSet attributes = node_attributes(printer->program->level, node);
  Buffer *out = printer->out;
  if (attributes & ATTR(PATTERN)) {
    const char *pattern = node->attr.pattern ? node->attr.pattern : "";
    buffer_text(out, ", ");
    buffer_quoted(out, pattern, strlen(pattern));
  }
  print_plain(printer, node, attributes);
  if (attributes & ATTR(BY))
    buffer_printf(out, ", by = %s", norm_name(node->attr.by));
  if ((attributes & ATTR(WHY)) && node->attr.why != WHY_TEXT)
    buffer_printf(out, ", why = %s", why_name(node->attr.why));
  if (attributes & ATTR(ROUND))
    print_rounding(printer, node);
  if (attributes & ATTR(TERMS))
    print_terms(printer, node);
  if (node->pinned)
    buffer_text(out, ", pinned");
  if (node->probe)
    buffer_text(out, ", probe");
  print_remat(printer, node);
  Shift shift = node_shift(printer->graph, id);
  if ((attributes & ATTR(SHIFT)) && !shift_is_zero(shift)) {
    buffer_text(out, ", shift = ");
    shift_print(out, printer->graph, shift);
  }
}

static void print_operands(GraphPrinter *printer, const Node *node) {
  for (int i = 0; i < node_inputs(node); i++) {
    if (i > 0)
      buffer_text(printer->out, ", ");
    print_operand(printer, node->input[i]);
    if (node->as[i] != FORMAT_NONE)
      buffer_printf(printer->out, " as %s", format_info(node->as[i])->text);
  }
}

/* !line:column, with the number of the source unless it is the first. */
static void print_location(GraphPrinter *printer, Span span) {
  const Program *program = printer->program;
  if (!printer->options->locations || !span.source ||
      span.source == program->text)
    return;
  const Source *source = sources_get(program->sources, span.source);
  Place place = source_place(source, span.start);
  int number = print_source_number(program, span.source);
  if (number > 0)
    buffer_printf(printer->out, " !%d:%u:%u", number, place.line, place.column);
  else
    buffer_printf(printer->out, " !%u:%u", place.line, place.column);
}

/* Where the plan put the value, as a comment. */
static void print_placement(GraphPrinter *printer, ValueId id) {
  const Placement *all = printer->graph->placement;
  if (!printer->options->plan || !all || !all[id].materialized ||
      !all[id].arena)
    return;
  const Placement *place = &all[id];
  buffer_printf(printer->out,
                "   # arena 0x%" PRIx64 "..0x%" PRIx64 ", live %u..%u",
                place->offset, place->offset + place->bytes, place->first_use,
                place->last_use);
}

/* What may follow an op on its line: place and plan. */
static void end_op(GraphPrinter *printer, ValueId id) {
  print_location(printer, graph_node(printer->graph, id)->span);
  print_placement(printer, id);
  lines_end(printer->lines);
}

/* What the line begun last is. */
static void mark_line(GraphPrinter *printer, LineRole role, ValueId id) {
  Line *line = &printer->lines->line.data[printer->lines->line.length - 1];
  line->role = role;
  line->id = id;
  line->phase = printer->phase < 0 ? PHASE_FORWARD : (Phase)printer->phase;
}

/* A store has no value, so nothing stands left of it. */
static void print_store(GraphPrinter *printer, ValueId id, int indent) {
  const Node *node = graph_node(printer->graph, id);
  lines_begin_plain(printer->lines, indent);
  mark_line(printer, LINE_OP, id);
  buffer_printf(printer->out, "store @%s, ",
                param_name(printer->program, node->attr.index));
  print_operand(printer, node->input[0]);
  print_rounding(printer, node);
  end_op(printer, id);
}

/* `%name : type * scale = op(operands, attributes)`, or `$name = op(..)`. */
static void print_op(GraphPrinter *printer, ValueId id, unsigned block,
                     int indent) {
  const Node *node = graph_node(printer->graph, id);
  if (node->op == OP_STORE) {
    print_store(printer, id, indent);
    return;
  }
  lines_begin(printer->lines, block, indent);
  mark_line(printer, LINE_OP, id);
  print_name(printer, id);
  lines_type(printer->lines);
  if (!node_defines_exponent(node)) {
    type_print(printer->out, node->type);
    lines_scale(printer->lines);
    value_scale_print(printer->out, printer->graph, node->type, node->scale);
  } else {
    lines_scale(printer->lines);
  }
  lines_body(printer->lines);
  buffer_printf(printer->out, "%s(", op_info(node->op)->text);
  print_operands(printer, node);
  print_attributes(printer, id);
  buffer_char(printer->out, ')');
  end_op(printer, id);
}

/* ---- regions ------------------------------------------------------------ */

/* The values that leave, with types (left side) or without (yield). */
static int print_leaving(GraphPrinter *printer, const Region *region,
                         bool types) {
  int count = 0;
  for (ValueId id = region->first; id <= region->last; id++) {
    const Node *node = graph_node(printer->graph, id);
    if (!region_leaves(printer->graph, region, printer->last_user, id))
      continue;
    if (count++ > 0)
      buffer_text(printer->out, ", ");
    print_name(printer, id);
    if (!types || node_defines_exponent(node))
      continue;
    buffer_text(printer->out, " : ");
    value_type_print(printer->out, printer->graph, node->type, node->scale);
  }
  return count;
}

typedef struct {
  GraphPrinter *printer;
  bool any;
} OperandList;

static void print_region_operand(void *user, ValueId value) {
  OperandList *list = user;
  if (list->any)
    buffer_text(list->printer->out, ", ");
  print_name(list->printer, value);
  list->any = true;
}

static void print_plain_line(GraphPrinter *printer, int indent, LineRole role,
                             const char *text) {
  lines_begin_plain(printer->lines, indent);
  mark_line(printer, role, 0);
  buffer_text(printer->out, text);
  lines_end(printer->lines);
}

/* A kernel that spans phases says where the next begins. */
static void print_phase_inside(GraphPrinter *printer, Phase phase) {
  if ((int)phase == printer->phase)
    return;
  printer->phase = (int)phase;
  lines_begin_plain(printer->lines, BODY_INDENT);
  mark_line(printer, LINE_INNER, 0);
  buffer_printf(printer->out, "phase %s", phase_name(phase));
  lines_end(printer->lines);
}

/* Header, members with the views among them, `yield`, `}`. */
static void print_region(GraphPrinter *printer, const Region *region) {
  unsigned block = printer->next_block++;
  lines_begin_plain(printer->lines, INDENT);
  mark_line(printer, LINE_OPEN, 0);
  int leaving = print_leaving(printer, region, true);
  buffer_printf(printer->out, leaving ? " = %s(" : "%s(",
                kernel_form_name(region->form));
  OperandList list = {printer, false};
  region_reads(printer->graph, region, print_region_operand, &list);
  buffer_text(printer->out, ") {");
  lines_end(printer->lines);
  for (ValueId id = region->first; id <= region->last; id++) {
    const Node *node = graph_node(printer->graph, id);
    if (node_is_leaf(node))
      continue;
    print_phase_inside(printer, node->phase);
    print_op(printer, id, block, BODY_INDENT);
  }
  if (leaving) {
    lines_begin_plain(printer->lines, BODY_INDENT);
    mark_line(printer, LINE_INNER, 0);
    buffer_text(printer->out, "yield ");
    print_leaving(printer, region, false);
    lines_end(printer->lines);
  }
  print_plain_line(printer, INDENT, LINE_CLOSE, "}");
}

/* ---- phases ------------------------------------------------------------- */

/* Each phase is a block of its own for alignment. */
static void print_heading(GraphPrinter *printer, Phase phase) {
  printer->phase = (int)phase;
  print_plain_line(printer, 0, LINE_HEADING, "");
  lines_begin_plain(printer->lines, 0);
  mark_line(printer, LINE_HEADING, 0);
  buffer_printf(printer->out, "phase %s", phase_name(phase));
  lines_end(printer->lines);
  printer->block = printer->next_block++;
}

static void print_minimize_line(GraphPrinter *printer, const Minimize *minimize,
                                size_t i) {
  const Node *node = graph_node(printer->graph, minimize->placeholder[i]);
  lines_begin_plain(printer->lines, BODY_INDENT);
  mark_line(printer, LINE_OP, minimize->placeholder[i]);
  print_name(printer, minimize->parameter[i]);
  buffer_text(printer->out, " -> ");
  print_name(printer, minimize->placeholder[i]);
  buffer_text(printer->out, " : ");
  value_type_print(printer->out, printer->graph, node->type, node->scale);
  if (i + 1 < minimize->count)
    buffer_char(printer->out, ',');
  lines_end(printer->lines);
}

static void print_loss(GraphPrinter *printer, const Minimize *minimize) {
  lines_begin_plain(printer->lines, INDENT);
  mark_line(printer, LINE_OPEN, minimize->loss);
  buffer_text(printer->out, "minimize ");
  print_operand(printer, minimize->loss);
  buffer_text(printer->out, " (");
  lines_end(printer->lines);
  for (size_t i = 0; i < minimize->count; i++)
    print_minimize_line(printer, minimize, i);
  print_plain_line(printer, INDENT, LINE_CLOSE, ")");
}

/* `minimize` ends the forward phase: it defines the gradients' names. */
static void print_minimize(GraphPrinter *printer) {
  const Minimize *minimize = printer->graph->minimize;
  if (!minimize || printer->minimized)
    return;
  printer->minimized = true;
  if (printer->phase < 0)
    print_heading(printer, PHASE_FORWARD);
  for (; minimize; minimize = minimize->next)
    print_loss(printer, minimize);
}

/* One op, or the whole region that begins with it; *id becomes its last node.
 */
static void print_node(GraphPrinter *printer, ValueId *id) {
  const Node *node = graph_node(printer->graph, *id);
  if (node->phase != PHASE_FORWARD)
    print_minimize(printer);
  if ((int)node->phase != printer->phase)
    print_heading(printer, node->phase);
  if (node->kernel != 0 && node->op != OP_RESHAPE) {
    Region region = region_find(printer->graph, *id);
    if (region.members > 1 || region.form != op_kernel_form(node->op)) {
      print_region(printer, &region);
      *id = region.last;
      return;
    }
  }
  print_op(printer, *id, printer->block, INDENT);
}

/* ---- the whole graph ---------------------------------------------------- */

/* Leaves have no line: they print where they are read. */
void graph_lines(Lines *lines, const Program *program, const Graph *graph,
                 const PrintOptions *options) {
  Arena *scratch = arena_new();
  GraphPrinter printer = {.program = program,
                          .graph = graph,
                          .options = options,
                          .lines = lines,
                          .out = &lines->text,
                          .phase = -1,
                          .last_user = graph_last_users(scratch, graph)};
  for (ValueId id = 1; id < graph->count; id++)
    if (!node_is_leaf(graph_node(graph, id)))
      print_node(&printer, &id);
  print_minimize(&printer);
  arena_free(scratch);
}

void graph_print(Buffer *out, const Program *program, const Graph *graph,
                 const PrintOptions *options) {
  Lines lines = {0};
  graph_lines(&lines, program, graph, options);
  lines_select(&lines, program, graph, options);
  if (options->fold)
    lines_fold(&lines, program);
  lines_flush(&lines, out);
}
