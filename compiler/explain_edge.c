/* `sgc explain FILE --edge=NAME`: why a value has its exponent and its format.
 *
 * In: a program and the name of a value, or of what one value reads of another
 * (`x -> y`). Out: for each entry that has it, the rules that led to it.
 * Exponents and rules are asked for at level scaled, where the graph has what
 * the rules were about; the format itself is that of level formatted.
 */
#include "compiler/pass/recipe_query.h"
#include "compiler/context.h"
#include "compiler/pass/rewrite.h"
#include "compiler/pass/storage.h"

#include <stdlib.h>
#include <string.h>

/* What was asked for: `value`, or `value` as `reader` reads it. */
typedef struct {
  const char *value, *reader;
} EdgeName;

/* ---- finding ------------------------------------------------------------- */

/* Text without blanks round it and without a sigil, interned. */
static const char *bare_name(Interner *interner, const char *text,
                             size_t length) {
  while (length && *text == ' ')
    text++, length--;
  while (length && text[length - 1] == ' ')
    length--;
  if (length && (*text == '%' || *text == '@'))
    text++, length--;
  return intern_n(interner, text, length);
}

static EdgeName edge_name(Interner *interner, const char *text) {
  const char *arrow = strstr(text, "->");
  if (!arrow)
    return (EdgeName){bare_name(interner, text, strlen(text)), NULL};
  return (EdgeName){bare_name(interner, text, (size_t)(arrow - text)),
                    bare_name(interner, arrow + 2, strlen(arrow + 2))};
}

/* The value called so in this entry; 0: there is none. */
static ValueId find_exactly(const Graph *graph, const char *name) {
  for (ValueId id = 1; name && id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->name == name && !node_defines_exponent(node))
      return id;
  }
  return 0;
}

static ValueId find_value(const Program *program, const Graph *graph,
                          const char *name) {
  ValueId id = find_exactly(graph, name);
  return id ? id
            : find_exactly(graph,
                           program_alias_value(program, graph->name, name));
}

/* Which operand of `reader` is `value`, itself or re-expressed; -1: none. */
static int find_operand(const Graph *graph, ValueId reader, ValueId value) {
  const Node *node = graph_node(graph, reader);
  for (int i = 0; i < node_inputs(node); i++) {
    ValueId id = node->input[i];
    while (id != value && graph_node(graph, id)->op == OP_REBALANCE &&
           (name_is_helper(graph_node(graph, id)->name) ||
            node_is_operand_copy(graph, id)))
      id = graph_node(graph, id)->input[0];
    if (id == value)
      return i;
  }
  return -1;
}

static bool is_product(const Graph *graph, ValueId id) {
  OpClass class = op_info(graph_node(graph, id)->op)->class;
  return class == CLASS_matmul || class == CLASS_conv;
}

/* The product behind a value that undoes one of its run-time exponents, or the
 * value itself. */
static ValueId reading_op(const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  bool undoes = node->op == OP_REBALANCE &&
                name_is_helper(graph_node(graph, node->input[0])->name) &&
                is_product(graph, node->input[0]);
  return undoes ? node->input[0] : id;
}

/* Where the edge is found, in every entry. */
typedef VEC(Edge) Edges;

static void find_edges(const Program *program, EdgeName name, Edges *edges) {
  for (size_t g = 0; g < program->graph.length; g++) {
    const Graph *graph = program->graph.data[g];
    Edge edge = {.program = program,
                 .graph = graph,
                 .value = find_value(program, graph, name.value),
                 .operand = -1};
    if (edge.value && name.reader)
      edge.reader = find_value(program, graph, name.reader);
    if (edge.reader)
      edge.reader = reading_op(graph, edge.reader);
    if (edge.reader)
      edge.operand = find_operand(graph, edge.reader, edge.value);
    if (edge.value && (!name.reader || edge.operand >= 0))
      vec_push(edges, edge);
  }
}

/* ---- what is not there --------------------------------------------------- */

static bool is_known(const Program *program, const char *name) {
  bool known = false;
  for (size_t g = 0; g < program->graph.length && !known; g++)
    known = find_value(program, program->graph.data[g], name) != 0;
  return known;
}

static void print_operands(Buffer *out, const Program *program,
                           const char *name) {
  for (size_t g = 0; g < program->graph.length; g++) {
    const Graph *graph = program->graph.data[g];
    const Node *node = graph_node(graph, find_value(program, graph, name));
    const char *before = out->length ? ", " : "";
    for (int i = 0; node->op && i < node_inputs(node); i++) {
      const char *operand = graph_node(graph, node->input[i])->name;
      if (!operand || (out->length && strstr(out->data, operand)))
        continue;
      buffer_printf(out, "%s%s", before, operand);
      before = ", ";
    }
  }
}

static sg_status nothing_found(sg_context *sg, EdgeName name) {
  const char *missing =
      is_known(sg->program, name.value) ? name.reader : name.value;
  if (!is_known(sg->program, missing)) {
    const char *near = context_nearest_value(sg, missing);
    context_message(sg, SG_ERROR,
                    "--edge: no value is called `%s` at level %s%s%s%s; names "
                    "are listed by --emit=names",
                    missing, level_name(sg->program->level),
                    near ? "; did you mean `" : "", near ? near : "",
                    near ? "`?" : "");
    return SG_USAGE;
  }
  Buffer operands = {0};
  print_operands(&operands, sg->program, name.reader);
  context_message(sg, SG_ERROR, "--edge: `%s` does not read `%s`; it reads %s",
                  name.reader, name.value,
                  operands.data ? operands.data : "nothing");
  buffer_free(&operands);
  return SG_USAGE;
}

/* ---- answers ------------------------------------------------------------- */

/* "%net.l1.y reads it as e4m3" and the rules about that. */
static void explain_reader(Buffer *out, const Edge *edge, ProductKind kind) {
  Buffer rules = {0};
  Format format = explain_rules(&rules, edge, kind);
  const char *name = graph_node(edge->graph, edge->reader)->name;
  bool narrow = format != FORMAT_NONE && format_rounds(format);
  buffer_printf(out, "%%%s reads it ", name);
  if (narrow)
    buffer_printf(out, "as %s, from the unrounded value\n",
                  format_info(format)->text);
  else
    buffer_text(out, "as it is stored\n");
  buffer_text(out, rules.data ? rules.data : "");
  buffer_free(&rules);
}

/* All products that read the value, or the one that was asked for. */
static void explain_readers(Buffer *out, Arena *arena, const Edge *edge) {
  ProductKind *kind = contraction_kinds(arena, edge->graph);
  for (ValueId id = edge->value + 1; id < edge->graph->count; id++) {
    Edge read = *edge;
    if (!is_product(edge->graph, id) || (edge->reader && edge->reader != id))
      continue;
    read.reader = id;
    read.operand = find_operand(edge->graph, id, edge->value);
    if (read.operand >= 0)
      explain_reader(out, &read, kind[id]);
  }
}

/* What is said about one entry, before and behind the line that needs level
 * formatted. */
typedef struct {
  Buffer before, behind;
  Edge edge;
  Node value;        /* as at level scaled */
  const char *graph; /* its name */
  Format wanted;
  bool carried_out; /* the text was at level final: rules are history */
} Answer;
typedef VEC(Answer) Answers;

static const char *const entry_word[] = {"entry", "train", "eval"};

static Answer answer_scaled(const sg_context *sg, Arena *arena,
                            const Edge *edge) {
  const Graph *graph = edge->graph;
  Answer answer = {.edge = *edge,
                   .value = *graph_node(graph, edge->value),
                   .graph = graph->name,
                   .carried_out = sg->program->level == LEVEL_FINAL};
  buffer_printf(&answer.before, "%s @%s, recipe %s\n\nexponent\n",
                entry_word[graph->kind], graph->name,
                graph_recipe(sg->program, graph)->name);
  explain_scale(&answer.before, arena, edge);
  if (answer.carried_out)
    return answer;
  Edge value = *edge;
  value.reader = 0;
  answer.wanted = explain_rules(&answer.behind, &value, PRODUCT_FORWARD);
  explain_readers(&answer.behind, arena, edge);
  return answer;
}

/* The line between, now that formats are chosen. */
static void answer_print(Buffer *out, const sg_context *sg, Answer *answer) {
  const Graph *graph = program_graph(sg->program, answer->graph);
  ValueId id = find_value(sg->program, graph, answer->value.name);
  const char *sigil = answer->value.op == OP_PARAM ? "@" : "%";
  buffer_text(out, answer->before.data);
  buffer_printf(out, "\nformat\n%s%s ", sigil, answer->value.name);
  if (!id) {
    buffer_text(out, "is gone at level formatted\n");
  } else {
    Format stored = graph_node(graph, id)->type->format;
    answer->edge.graph = graph;
    answer->edge.value = id;
    buffer_printf(
        out, "is %s%s\n", format_info(stored)->text,
        answer->carried_out
            ? ": as written, casts are explicit at level final"
            : explain_stored(sg->arena, &answer->edge, answer->wanted, stored));
  }
  buffer_text(out, answer->behind.data ? answer->behind.data : "");
  buffer_free(&answer->before);
  buffer_free(&answer->behind);
}

static sg_status explain_edges(sg_context *sg, const Edges *edges,
                               const char *path) {
  Answers answers = {0};
  Buffer text = {0};
  for (size_t i = 0; i < edges->length; i++) {
    Answer answer = answer_scaled(sg, sg->arena, &edges->data[i]);
    vec_push(&answers, answer);
  }
  sg_status status = context_run(sg, PASS_formats);
  for (size_t i = 0; i < answers.length; i++) {
    if (i)
      buffer_char(&text, '\n');
    answer_print(&text, sg, &answers.data[i]);
  }
  if (status == SG_OK)
    status = context_write(sg, path, &text);
  buffer_free(&text);
  vec_free(&answers);
  return status;
}

static sg_status explain(sg_context *sg, const char *edge, long depth,
                         const char *path) {
  sg_status status = context_program(sg);
  if (status == SG_OK)
    status = context_run(sg, PASS_scalify);
  if (status != SG_OK)
    return status;
  EdgeName name = edge_name(sg->interner, edge);
  Edges edges = {0};
  find_edges(sg->program, name, &edges);
  for (size_t i = 0; i < edges.length; i++) {
    edges.data[i].estimates = sg->estimates;
    edges.data[i].depth = depth;
    edges.data[i].phase = sg->option.phase;
  }
  status =
      edges.length ? explain_edges(sg, &edges, path) : nothing_found(sg, name);
  vec_free(&edges);
  return status;
}

sg_status sg_explain_edge(sg_context *sg, const char *edge, long depth,
                          const char *path) {
  sg_status status = explain(sg, edge, depth, path);
  context_summary(sg);
  return status;
}
