/* How a run-time exponent comes about, in words.
 *
 * In: a graph at level scaled or later, and the node that defines a `$` name.
 * Out: what is measured, of which steps, and in parentheses what asked for it,
 * by the word of the IR (`why = loss`); for `sgc explain` and the report.
 */
#include "compiler/context.h"

#include <inttypes.h>

/* "l2 norm of %x", "max norm of %x, to fit e4m3" */
static void print_norm(Buffer *out, const Graph *graph, const Node *norm) {
  const Node *of = graph_node(graph, norm->input[0]);
  buffer_printf(out, "%s norm of %c%s", norm_name(norm->attr.by),
                of->op == OP_PARAM ? '@' : '%', of->name ? of->name : "?");
  if (norm->attr.fit != FORMAT_NONE)
    buffer_printf(out, ", to fit %s", format_info(norm->attr.fit)->text);
}

static void print_reason(Buffer *out, const Node *norm) {
  buffer_printf(out, " (%s)", why_name(norm->attr.why));
}

/* What a delayed exponent is measured with: what goes into its history. */
static const Node *delayed_norm(const Graph *graph, const Node *delayed) {
  ValueId store =
      graph_store(graph, graph_node(graph, delayed->input[0])->attr.index);
  const Node *stored = graph_node(graph, graph_node(graph, store)->input[0]);
  return stored->op == OP_NORM_EXPONENT ? stored : NULL;
}

static void print_delayed(Buffer *out, const Graph *graph,
                          const Node *delayed) {
  const Node *norm = delayed_norm(graph, delayed);
  const Type *history = graph_node(graph, delayed->input[0])->type;
  if (!norm) {
    buffer_printf(out, "the largest in @%s",
                  graph_node(graph, delayed->input[0])->name);
    return;
  }
  print_norm(out, graph, norm);
  buffer_printf(out, ", the largest of the %" PRId64 " step%s before",
                history->dim[0], history->dim[0] == 1 ? "" : "s");
  print_reason(out, norm);
}

/* A text may hold any exponent, not only one that is measured there. */
static void print_held(Buffer *out, const Graph *graph, const Node *held) {
  const Node *from = graph_node(graph, held->input[1]);
  bool measured = from->op == OP_NORM_EXPONENT;
  if (measured)
    print_norm(out, graph, from);
  else
    buffer_printf(out, "$%s", from->name);
  buffer_printf(out, " once in %" PRId64 " steps", held->attr.every);
  if (measured)
    print_reason(out, from);
}

void explain_exponent(Buffer *out, const Graph *graph, ValueId symbol) {
  const Node *node = graph_node(graph, symbol);
  switch (node->op) {
  case OP_NORM_EXPONENT:
    print_norm(out, graph, node);
    buffer_text(out, " in each step");
    print_reason(out, node);
    return;
  case OP_HELD_EXPONENT:
    print_held(out, graph, node);
    return;
  case OP_DELAYED_EXPONENT:
    print_delayed(out, graph, node);
    return;
  case OP_STATE_EXPONENT:
    buffer_printf(out, "what @%s keeps of the step before (%s)",
                  graph_node(graph, node->input[0])->name, why_name(WHY_STORE));
    return;
  default:
    buffer_text(out, "max(");
    exponent_print(out, graph, node->attr.term[0]);
    buffer_text(out, ", ");
    exponent_print(out, graph, node->attr.term[1]);
    buffer_char(out, ')');
  }
}
