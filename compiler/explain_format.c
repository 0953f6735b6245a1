/* Which rules of a recipe spoke of a format, and which one decided.
 *
 * In: a value, or an operand of a product, at level scaled. Out: the format the
 * recipe has for it, and a line for each rule that named one: its text, where
 * it stands, and whether it won. The last match wins (semantics.md, Recipes);
 * what the text of a program pins, and that single numbers are f32, is over all
 * rules.
 */
#include "compiler/context.h"
#include "compiler/pass/recipe_query.h"
#include "compiler/pass/storage.h"

#include <stdlib.h>
#include <string.h>

/* "recipes.sg:29", or nothing where the place is not known. */
static void print_place(Buffer *out, const Program *program, Span span) {
  if (!span.source)
    return;
  const Source *source = sources_get(program->sources, span.source);
  buffer_printf(out, "%s:%u", source->name,
                source_place(source, span.start).line);
}

/* "matmul, conv : e4m3 / e5m2" */
static void print_rule(Buffer *out, const Rule *rule) {
  for (size_t i = 0; i < rule->selector.length; i++) {
    buffer_text(out, i ? ", " : "");
    selector_print(out, &rule->selector.data[i]);
  }
  buffer_text(out, " : ");
  settings_print(out, &rule->settings);
}

/* "forward e4m3" */
static void print_wish(Buffer *out, const Vote *vote) {
  buffer_printf(out, "%s %s", vote->which, format_info(vote->format)->text);
}

/* The widest rule, or the widest format, of those that voted. */
static size_t votes_width(const Votes *votes, bool rules) {
  size_t widest = 0;
  for (size_t i = 0; i < votes->length; i++) {
    Buffer text = {0};
    if (rules)
      print_rule(&text, votes->data[i].rule);
    else
      print_wish(&text, &votes->data[i]);
    widest = text.length > widest ? text.length : widest;
    buffer_free(&text);
  }
  return widest;
}

/* The winner first; columns as wide as what stands in them. */
static void print_votes(Buffer *out, const Program *program, const Votes *votes,
                        bool over) {
  static const char indent[] = "  loses  ";
  size_t rule = sizeof indent - 1 + votes_width(votes, true) + 2;
  size_t wish = rule + votes_width(votes, false) + 2;
  for (size_t i = votes->length; i-- > 0;) {
    const Vote *vote = &votes->data[i];
    size_t line = out->length;
    bool wins = !over && i + 1 == votes->length;
    buffer_text(out, wins ? "  wins   " : indent);
    print_rule(out, vote->rule);
    buffer_pad(out, line, rule);
    print_wish(out, vote);
    if (vote->rule->span.source)
      buffer_pad(out, line, wish);
    print_place(out, program, vote->rule->span);
    buffer_char(out, '\n');
  }
}

/* What is over all rules; NULL: nothing is. */
static const char *overruled(const Node *node) {
  return !type_is_real(node->type) ? "whole numbers are stored as they are"
         : node->pinned            ? "the text of the program fixes the format"
         : node->type->rank == 0   ? "single numbers are f32"
                                   : NULL;
}

Format explain_rules(Buffer *rules, const Edge *edge, ProductKind kind) {
  const Program *program = edge->program;
  const Graph *graph = edge->graph;
  bool reader = edge->reader != 0;
  ValueId id = reader ? graph_node(graph, edge->reader)->input[edge->operand]
                      : edge->value;
  const Node *node = graph_node(graph, id);
  Settings settings = reader
                          ? recipe_operand_settings(program, graph, kind,
                                                    edge->reader, edge->operand)
                          : recipe_value_settings(program, graph, id);
  Votes votes = {0};
  if (reader)
    recipe_operand_votes(program, graph, kind, edge->reader, edge->operand,
                         &votes);
  else
    recipe_value_votes(program, graph, id, &votes);
  const char *over = overruled(node);
  if (over) {
    buffer_printf(rules, "  wins   %s", over);
    if (node->pinned && node->span.source) {
      buffer_text(rules, ", ");
      print_place(rules, program, node->span);
    }
    buffer_char(rules, '\n');
  }
  print_votes(rules, program, &votes, over != NULL);
  vec_free(&votes);
  return settings.forward;
}

const char *explain_stored(Arena *arena, const Edge *edge, Format wanted,
                           Format stored) {
  const Node *node = graph_node(edge->graph, edge->value);
  if (stored == wanted || overruled(node) || wanted == FORMAT_NONE)
    return "";
  if (node->op == OP_INPUT)
    return ": the caller keeps it, so it is not rounded";
  if (node->op == OP_RESHAPE)
    return ": a view has the format of what it is a view of";
  if (!format_rounds(stored) && node->phase == PHASE_UPDATE)
    return ", not rounded: the update is computed in f32";
  if (!format_rounds(stored))
    return arena_printf(arena,
                        ", not rounded: it is neither kept for the backward "
                        "pass nor a result; kept, it would be %s",
                        format_info(wanted)->text);
  return ": as the value whose memory it shares";
}
