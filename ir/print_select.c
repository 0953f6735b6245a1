/* Excerpts by name and by phase: --filter and --phase.
 *
 * In: the lines of a graph. Out: the same with those hidden that nothing
 * selects; a value that a selected one reads stays as a comment, so that each
 * line can be understood from the excerpt alone.
 */
#include "ir/print.h"

#include <string.h>

/* ---- globs --------------------------------------------------------------- */

/* Matches all of `name`, or a path that `name` is below or is made from: what
 * follows begins with a dot, or with the mark of a rebinding or helper. */
static bool glob_matches(const char *glob, const char *name) {
  if (!*glob)
    return !*name || strchr(".'~", *name);
  if (*glob == '*') {
    bool dots = glob[1] == '*';
    const char *rest = glob + 1 + dots;
    for (;; name++) {
      if (glob_matches(rest, name))
        return true;
      if (!*name || (!dots && *name == '.'))
        return false;
    }
  }
  if (!*name || (*glob != '?' && *glob != *name))
    return false;
  return glob_matches(glob + 1, name + 1);
}

bool name_matches(const char *glob, const char *name) {
  return glob_matches(glob, name);
}

static bool any_matches(const PrintOptions *options, const char *name) {
  for (size_t i = 0; i < options->filter_count; i++)
    if (name && name_matches(options->filter[i], name))
      return true;
  return options->filter_count == 0;
}

bool print_is_excerpt(const PrintOptions *options) {
  return options->filter_count > 0 || options->phase > 0 || options->fold;
}

static bool selects(const PrintOptions *options) {
  return options->filter_count > 0 || options->phase > 0;
}

/* ---- values -------------------------------------------------------------- */

/* A store is known by the name of its parameter. */
static const char *node_label(const Program *program, const Node *node) {
  bool store = node->op == OP_STORE;
  return store ? program->param.data[node->attr.index].name : node->name;
}

static bool phase_selected(const PrintOptions *options, Phase phase) {
  return options->phase == 0 || options->phase == 1 + (int)phase;
}

static bool node_selected(const Program *program, const Node *node,
                          const PrintOptions *options) {
  return phase_selected(options, node->phase) &&
         any_matches(options, node_label(program, node));
}

static void mark(void *user, ValueId id) {
  bool *feeds = user;
  feeds[id] = true;
}

/* What selected values read, if there are filters. */
static bool *find_feeders(Arena *arena, const Program *program,
                          const Graph *graph, const PrintOptions *options) {
  bool *feeds = NEW_ARRAY(arena, bool, graph->count);
  for (ValueId id = 1; id < graph->count && options->filter_count; id++) {
    const Node *node = graph_node(graph, id);
    if (node_is_leaf(node) || !node_selected(program, node, options))
      continue;
    for (int i = 0; i < node_inputs(node); i++)
      feeds[node->input[i]] = true;
    node_symbols(graph, id, mark, feeds);
  }
  return feeds;
}

size_t program_selected(const Program *program, const PrintOptions *options) {
  size_t count = 0;
  for (size_t i = 0; i < program->param.length; i++)
    count += options->phase == 0 &&
             any_matches(options, program->param.data[i].name);
  for (size_t g = 0; g < program->graph.length; g++) {
    const Graph *graph = program->graph.data[g];
    for (ValueId id = 1; id < graph->count; id++) {
      const Node *node = graph_node(graph, id);
      /* Inputs stand in the head, which is always printed. */
      count += (!node_is_leaf(node) || node->op == OP_INPUT) &&
               node_selected(program, node, options);
    }
  }
  return count;
}

int param_selected(const Program *program, int index,
                   const PrintOptions *options) {
  const char *name = program->param.data[index].name;
  if (!selects(options) || (options->filter_count && options->phase == 0 &&
                            any_matches(options, name)))
    return 1;
  Arena *arena = arena_new();
  bool fed = false;
  for (size_t g = 0; g < program->graph.length && !fed; g++) {
    const Graph *graph = program->graph.data[g];
    const bool *feeds = find_feeders(arena, program, graph, options);
    for (ValueId id = 1; id < graph->count && !fed; id++)
      fed = feeds[id] && graph_node(graph, id)->op == OP_PARAM &&
            graph_node(graph, id)->attr.index == index;
  }
  arena_free(arena);
  return fed ? -1 : 0;
}

/* ---- lines --------------------------------------------------------------- */

static void select_ops(Lines *lines, const Program *program, const Graph *graph,
                       const bool *feeds, const PrintOptions *options) {
  for (size_t i = 0; i < lines->line.length; i++) {
    Line *line = &lines->line.data[i];
    if (line->role != LINE_OP || !line->id)
      continue;
    const char *label = node_label(program, graph_node(graph, line->id));
    bool selected =
        phase_selected(options, line->phase) && any_matches(options, label);
    line->comment = !selected && feeds[line->id];
    line->hidden = !selected && !line->comment;
  }
}

/* The lines around operations stay if any between `first` and `last` does. */
static void select_around(Lines *lines, size_t first, size_t last) {
  bool any = false;
  for (size_t i = first; i < last; i++)
    any |= lines->line.data[i].role == LINE_OP && !lines->line.data[i].hidden;
  for (size_t i = first; i < last; i++)
    if (lines->line.data[i].role != LINE_OP)
      lines->line.data[i].hidden |= !any;
}

/* Blocks first, then the phases they stand in. */
static void select_blocks(Lines *lines) {
  size_t open = 0, heading = 0;
  for (size_t i = 0; i < lines->line.length; i++) {
    LineRole role = lines->line.data[i].role;
    if (role == LINE_OPEN)
      open = i;
    else if (role == LINE_CLOSE)
      select_around(lines, open, i + 1);
  }
  for (size_t i = 0; i <= lines->line.length; i++) {
    bool end = i == lines->line.length;
    bool begins = !end && lines->line.data[i].role == LINE_HEADING &&
                  (i == 0 || lines->line.data[i - 1].role != LINE_HEADING);
    if (!end && !begins)
      continue;
    bool any = false;
    for (size_t j = heading; j < i; j++)
      any |= lines->line.data[j].role == LINE_OP && !lines->line.data[j].hidden;
    for (size_t j = heading; j < i; j++)
      if (lines->line.data[j].role == LINE_HEADING)
        lines->line.data[j].hidden = !any;
    heading = i;
  }
}

void lines_select(Lines *lines, const Program *program, const Graph *graph,
                  const PrintOptions *options) {
  if (!selects(options))
    return;
  Arena *arena = arena_new();
  const bool *feeds = find_feeders(arena, program, graph, options);
  select_ops(lines, program, graph, feeds, options);
  select_blocks(lines);
  arena_free(arena);
}
