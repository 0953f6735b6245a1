/* Reading .sgir: entries, from their inputs to their results.
 *
 * Results name values that the body defines, so they are looked up at the end;
 * so are the lists of regions, which depend on who reads what.
 */
#include "ir/read.h"

#include <inttypes.h>
#include <string.h>

/* Names, exponents, phase and kernels start afresh. */
void read_entry(SgirReader *reader, Span span, EntryKind kind, Word name) {
  Program *program = reader->program;
  int64_t most = reader->program->sources->limits.of[LIMIT_entries];
  if ((int64_t)program->graph.length >= most)
    read_error_limit(reader, name.span, LIMIT_entries,
                     "more than %" PRId64 " entries", most);
  if (program_graph(program, name.text))
    read_error(reader, name.span, "E0804", "entry @%s is declared twice",
               name.text);
  Graph *graph = graph_new(program->arena, kind, name.text);
  graph->span = span;
  vec_push(&program->graph, graph);
  reader->graph = graph;
  reader->phase = -1;
  reader->in_region = false;
  reader->kernels = -1;
  reader->errors_before = reader->errors;
  reader->poisoned = false;
  word_map_free(&reader->values);
  word_map_free(&reader->exponents);
  word_map_free(&reader->param_nodes);
  word_map_free(&reader->settings);
  word_map_free(&reader->results);
}

/* ---- inputs ------------------------------------------------------------- */

/* Datasets stand above the entries that read them. */
static bool find_column(SgirReader *reader, Input *input, Word dataset,
                        Word column) {
  const Program *program = reader->program;
  for (size_t i = 0; i < program->dataset.length; i++) {
    const Dataset *set = &program->dataset.data[i];
    if (set->name != dataset.text)
      continue;
    for (size_t j = 0; j < set->column.length; j++) {
      if (set->column.data[j].name != column.text)
        continue;
      input->dataset = (int)i;
      input->column = (int)j;
      return true;
    }
  }
  read_error(reader, column.span, "E0804", "there is no dataset column %s.%s",
             dataset.text, column.text);
  return false;
}

/* A batch has the column's type under one more axis. */
static bool is_batch_of(const Type *type, const Type *column) {
  bool fits = type->format == column->format && type->rank == column->rank + 1;
  for (int i = 0; fits && i < column->rank; i++)
    fits = type->dim[i + 1] == column->dim[i];
  return fits;
}

/* Fills in where the input comes from and checks its type against that. */
static bool check_source(SgirReader *reader, Input *input, const Type *type,
                         Word source, Word column) {
  if (!source.text)
    return true;
  if (!column.text) {
    input->source = SOURCE_STEP;
    if (strcmp(source.text, "step") == 0 && type->rank == 0)
      return true;
    read_error(reader, source.span, "E0803",
               "an input comes from a dataset column or, as one number, from "
               "`step`");
    return false;
  }
  input->source = SOURCE_COLUMN;
  if (!find_column(reader, input, source, column))
    return false;
  const Dataset *set = &reader->program->dataset.data[input->dataset];
  const Type *example = set->column.data[input->column].type;
  if (!example || is_batch_of(type, example))
    return true;
  read_error(reader, source.span, "E0805",
             "%%%s is not a batch of %s.%s: the column's type under one more "
             "axis",
             input->name, source.text, column.text);
  return false;
}

/* An input whose text is wrong (`type` NULL) still defines its name, as
 * poison. */
static void add_input(SgirReader *reader, Word name, Input input,
                      const Type *type, Scale scale) {
  if (!type) {
    define_value(reader, name, POISON);
    return;
  }
  Node node = node_make(OP_INPUT, PHASE_FORWARD, type, 0, 0, 0);
  node.name = name.text;
  node.scale = scale;
  node.attr.index = (int32_t)reader->graph->input.length;
  node.span = name.span;
  node.pinned = format_is_float(type->format);
  input.value = read_node(reader, &node);
  if (input.value == POISON) {
    define_value(reader, name, POISON);
    return;
  }
  vec_push(&reader->graph->input, input);
  define_value(reader, name, input.value);
}

void read_input(SgirReader *reader, Word name, TypeText *text, Word source,
                Word column) {
  Scale scale;
  const Type *type = read_type(reader, text, &scale);
  Input input = {.name = name.text,
                 .source = SOURCE_ARGUMENT,
                 .dataset = -1,
                 .column = -1};
  if (type && !check_source(reader, &input, type, source, column))
    type = NULL;
  add_input(reader, name, input, type, scale);
}

void read_input_default(SgirReader *reader, Word name, TypeText *text,
                        const Operand *number) {
  Scale scale;
  const Type *type = read_type(reader, text, &scale);
  Input input = {.name = name.text,
                 .source = SOURCE_ARGUMENT,
                 .dataset = -1,
                 .column = -1,
                 .has_default = true,
                 .default_value = number->number};
  if (type && !(number->whole || type_is_real(type))) {
    read_error(reader, number->span, "E0805", "%%%s is no real number",
               name.text);
    type = NULL;
  } else if (type && !format_holds(type->format, number->number)) {
    read_error(reader, number->span, "E0805", "%%%s cannot be %.17g", name.text,
               number->number);
    type = NULL;
  }
  add_input(reader, name, input, type, scale);
}

/* ---- run settings ------------------------------------------------------- */

/* Where a numeric run setting is kept; NULL if there is none of that name. */
static int64_t *run_number(RunSettings *run, const char *name) {
  const struct {
    const char *name;
    int64_t *value;
  } table[] = {
      {"epochs", &run->epochs},         {"steps", &run->steps},
      {"log_every", &run->log_every},   {"save_every", &run->save_every},
      {"eval_every", &run->eval_every}, {"seed", &run->seed},
      {"batch", &run->batch},           {"accumulate", &run->accumulate}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strcmp(table[i].name, name) == 0)
      return table[i].value;
  return NULL;
}

static void read_run_word(SgirReader *reader, Word name, const Operand *value) {
  Graph *graph = reader->graph;
  if (value->kind != OPERAND_WORD) {
    read_error(reader, value->span, "E0803", "`%s` is a name", name.text);
  } else if (strcmp(name.text, "eval_entry") == 0) {
    graph->run.eval_entry = value->word.text;
  } else if (!program_recipe(reader->program, value->word.text)) {
    read_error(reader, value->span, "E0804", "there is no recipe `%s` above",
               value->word.text);
  } else {
    graph->recipe = value->word.text;
  }
}

/* The examples of a step are those of its first batch. */
static void check_batch(SgirReader *reader, const Operand *value) {
  const Graph *graph = reader->graph;
  for (size_t i = 0; i < graph->input.length; i++) {
    const Input *input = &graph->input.data[i];
    if (input->source != SOURCE_COLUMN)
      continue;
    int64_t examples = graph_node(graph, input->value)->type->dim[0];
    if (examples != graph->run.batch)
      read_error(reader, value->span, "E0805",
                 "`batch` is the number of examples of %%%s, %" PRId64,
                 input->name, examples);
    return;
  }
}

/* `kernels` is none of the run's, but a check on the text. */
void read_run_setting(SgirReader *reader, Word name, Operand *value) {
  Graph *graph = reader->graph;
  int64_t *number = run_number(&graph->run, name.text);
  if (word_map_get(&reader->settings, name.text)) {
    read_error(reader, name.span, "E0803", "setting `%s` is given twice",
               name.text);
    return;
  }
  word_map_set(&reader->settings, name.text, 1);
  if (number) {
    bool rounds = number == &graph->run.accumulate;
    if (read_whole(reader, value, name.text, 1,
                   (int64_t)1 << (rounds ? 20 : 53), number) &&
        number == &graph->run.batch)
      check_batch(reader, value);
  } else if (strcmp(name.text, "kernels") == 0) {
    if (!read_whole(reader, value, "kernels", 0, INT32_MAX, &reader->kernels))
      return;
    vec_free(&graph->kernel);
    vec_push(&graph->kernel, (Kernel){KERNEL_NONE, 0, 0});
  } else if (strcmp(name.text, "recipe") == 0 ||
             strcmp(name.text, "eval_entry") == 0) {
    read_run_word(reader, name, value);
  } else {
    read_error(reader, name.span, "E0803", "an entry has no setting `%s`",
               name.text);
  }
}

/* ---- the body ----------------------------------------------------------- */

/* Phases go forward, backward, accumulate, update; any may be missing. */
void read_phase(SgirReader *reader, Word name) {
  for (int phase = 0; phase < PHASE_COUNT; phase++) {
    if (strcmp(phase_name((Phase)phase), name.text) != 0)
      continue;
    if (phase < reader->phase)
      read_error(reader, name.span, "E0801", "phase %s cannot follow phase %s",
                 name.text, phase_name((Phase)reader->phase));
    reader->phase = phase;
    return;
  }
  read_error(reader, name.span, "E0803",
             "`%s` is not a phase: forward, backward, accumulate or update",
             name.text);
}

/* The gradients of a further loss take the operations once more. */
static void count_loss(SgirReader *reader, Span span) {
  int64_t most = reader->program->sources->limits.of[LIMIT_nodes];
  reader->nodes += reader->graph->count;
  if (reader->nodes > most && !reader->refused)
    read_error_limit(reader, span, LIMIT_nodes,
                     "more than %" PRId64 " operations, of which each loss "
                     "takes all before it",
                     most);
}

/* The pairs follow; a loss that is poison leaves 0 behind, but then reading has
 * failed. */
void read_minimize(SgirReader *reader, Span span, Operand *loss) {
  Graph *graph = reader->graph;
  Minimize *minimize = NEW(graph->arena, Minimize);
  if (graph->minimize && graph->kind == ENTRY_TRAIN)
    read_error(reader, span, "E0801", "a train has one `minimize`");
  if (graph->minimize) {
    count_loss(reader, span);
    reader->minimize->next = minimize;
  } else {
    graph->minimize = minimize;
  }
  reader->minimize = minimize;
  ValueId value = read_operand(reader, loss);
  minimize->loss = value == POISON ? 0 : value;
}

/* Adds one value to an array that grows in the arena. */
static ValueId *append(Arena *arena, ValueId *list, size_t count,
                       ValueId value) {
  bool full = (count & (count - 1)) == 0; /* 0, 1, 2, 4, ... */
  if (full) {
    ValueId *grown = NEW_ARRAY(arena, ValueId, count ? count * 2 : 1);
    if (count)
      memcpy(grown, list, count * sizeof *list);
    list = grown;
  }
  list[count] = value;
  return list;
}

/* Defines the placeholder that the update phase reads. */
void read_minimize_pair(SgirReader *reader, ValueId parameter, Word placeholder,
                        TypeText *text) {
  Graph *graph = reader->graph;
  Minimize *minimize = reader->minimize;
  Scale scale;
  const Type *type = read_type(reader, text, &scale);
  if (!type || parameter == POISON) {
    define_value(reader, placeholder, POISON);
    return;
  }
  Node node = node_make(OP_INPUT, PHASE_FORWARD, type, 0, 0, 0);
  node.name = placeholder.text;
  node.scale = scale;
  node.span = placeholder.span;
  ValueId value = read_node(reader, &node);
  define_value(reader, placeholder, value);
  size_t count = minimize->count++;
  minimize->parameter =
      append(graph->arena, minimize->parameter, count, parameter);
  minimize->placeholder =
      append(graph->arena, minimize->placeholder, count, value);
}

/* ---- results and the end ------------------------------------------------ */

/* A constant takes type and scale from what the result states. */
static ValueId constant_result(SgirReader *reader, const ResultText *text,
                               const Type *type, Scale scale) {
  Node node = node_make(OP_CONST, PHASE_FORWARD, type, 0, 0, 0);
  node.attr.value = text->value->number;
  node.scale = scale;
  node.span = text->value->span;
  if (type->rank == 0 && (type_is_real(type) || text->value->whole))
    return read_node(reader, &node);
  read_error(reader, text->value->span, "E0805",
             "a number as a result has the type of one number");
  return POISON;
}

/* The stated type must be that of the value. */
static void read_result(SgirReader *reader, const ResultText *text) {
  Scale scale;
  const Type *type = read_type(reader, text->type, &scale);
  if (!type)
    return;
  ValueId value = text->value->kind == OPERAND_NUMBER
                      ? constant_result(reader, text, type, scale)
                      : read_operand(reader, text->value);
  if (value == POISON)
    return;
  const Node *node = graph_node(reader->graph, value);
  if (node->type != type || !scale_equal(node->scale, scale))
    read_error(reader, text->type->span, "E0805",
               "the result's type is not that of its value");
  const char *name = text->name.text ? text->name.text : text->value->word.text;
  if (!name) {
    read_error(reader, text->value->span, "E0804", "the result needs a name");
    return;
  }
  if (word_map_get(&reader->results, name)) {
    read_error(reader, text->value->span, "E0804", "result %s is given twice",
               name);
    return;
  }
  word_map_set(&reader->results, name, 1);
  vec_push(&reader->graph->result, (Result){name, value});
}

/* Catches a kernel lost or gained by editing. */
static void check_kernel_count(SgirReader *reader) {
  const Graph *graph = reader->graph;
  if (reader->kernels < 0)
    return;
  size_t count = graph->kernel.length - 1;
  if ((int64_t)count != reader->kernels)
    read_error(reader, graph->span, "E0807",
               "the entry states %lld kernels and has %zu",
               (long long)reader->kernels, count);
}

/* Regions are checked only in entries that are right so far. */
void read_entry_end(SgirReader *reader) {
  for (size_t i = 0; i < reader->result.length; i++)
    read_result(reader, &reader->result.data[i]);
  reader->result.length = 0;
  if (reader->errors == reader->errors_before && !reader->poisoned) {
    check_regions(reader);
    check_kernel_count(reader);
  }
  for (size_t i = 0; i < reader->region.length; i++)
    region_text_free(&reader->region.data[i]);
  reader->region.length = 0;
  reader->graph = NULL;
}
