/* --annotate: the source with what the compiler made of it at the line ends.
 *
 * In: a .sg file. Out: its text, each line that binds or returns a value
 * followed by a comment with shape, format and exponent of it, and the formats
 * in which products on the line read their operands. A line that is carried out
 * several times (a layer, a function called twice) shows each different answer
 * once. The result is a program still.
 */
#include "compiler/context.h"

#include <stdlib.h>
#include <string.h>

enum {
  COLUMN_MIN = 40, /* where comments stand, at the least and at the most */
  COLUMN_MAX = 76,
  ANSWERS_MAX = 3 /* different answers shown on one line */
};

typedef VEC(const char *) Answers;

/* What is known of a line of the source. */
typedef struct {
  Answers value, reads;
} LineFacts;

typedef struct {
  sg_context *sg;
  const Source *source;
  LineFacts *line; /* one per line of the source */
} Annotation;

/* ---- collecting ---------------------------------------------------------- */

static void add_answer(Annotation *annotation, Answers *answers,
                       const Buffer *text) {
  if (!text->length)
    return;
  for (size_t i = 0; i < answers->length; i++)
    if (strcmp(answers->data[i], text->data) == 0)
      return;
  vec_push(answers, intern(annotation->sg->interner, text->data));
}

/* "[4, 8] bf16 2^-1" */
static void print_value(Buffer *out, const Graph *graph, const Type *type,
                        Scale scale) {
  buffer_char(out, '[');
  for (int i = 0; i < type->rank; i++)
    buffer_printf(out, "%s%lld", i ? ", " : "", (long long)type->dim[i]);
  buffer_printf(out, "] %s", format_info(type->format)->text);
  if (scale.kind == SCALE_NONE)
    return;
  buffer_char(out, ' ');
  value_scale_print(out, graph, type, scale);
}

static LineFacts *line_of(Annotation *annotation, Span span) {
  if (span.source != annotation->sg->main)
    return NULL;
  return &annotation
              ->line[source_place(annotation->source, span.start).line - 1];
}

static void add_value(Annotation *annotation, LineFacts *line,
                      const Graph *graph, const Type *type, Scale scale) {
  Buffer text = {0};
  print_value(&text, graph, type, scale);
  add_answer(annotation, &line->value, &text);
  buffer_free(&text);
}

/* A name and the node that has it. */
typedef struct {
  const char *name;
  ValueId id;
} NamedValue;

static int by_name(const void *left, const void *right) {
  const NamedValue *a = left, *b = right;
  return strcmp(a->name, b->name);
}

/* The named nodes of a graph, sorted; *count gets their number. */
static NamedValue *named_values(Arena *arena, const Graph *graph,
                                size_t *count) {
  NamedValue *value = NEW_ARRAY(arena, NamedValue, graph->count);
  *count = 0;
  for (ValueId id = 1; id < graph->count; id++)
    if (graph_node(graph, id)->name)
      value[(*count)++] = (NamedValue){graph_node(graph, id)->name, id};
  if (*count)
    qsort(value, *count, sizeof *value, by_name);
  return value;
}

static const NamedValue *find(const NamedValue *value, size_t count,
                              const ValuePlace *place, const Program *program) {
  const char *name = place->value;
  NamedValue key = {name, 0};
  const NamedValue *found =
      count ? bsearch(&key, value, count, sizeof key, by_name) : NULL;
  key.name = found ? NULL : program_alias_value(program, place->graph, name);
  return key.name && count ? bsearch(&key, value, count, sizeof key, by_name)
                           : found;
}

/* Values that passes dropped have no answer. */
static void add_places(Annotation *annotation, const Graph *graph) {
  const Program *program = annotation->sg->program;
  Arena *arena = arena_new();
  size_t count;
  const NamedValue *value = named_values(arena, graph, &count);
  for (size_t i = 0; i < program->place.length; i++) {
    const ValuePlace *place = &program->place.data[i];
    LineFacts *line = line_of(annotation, place->span);
    if (!line || strcmp(place->graph, graph->name) != 0)
      continue;
    const NamedValue *found = find(value, count, place, program);
    if (!found)
      continue;
    const Node *node = graph_node(graph, found->id);
    add_value(annotation, line, graph, node->type, node->scale);
  }
  arena_free(arena);
}

/* Inputs stand where they are declared; products tell what they read. */
static void add_node(Annotation *annotation, const Graph *graph,
                     const Node *node) {
  LineFacts *line = line_of(annotation, node->span);
  if (!line || node->phase == PHASE_BACKWARD)
    return;
  bool input = node->op == OP_INPUT && !node_is_placeholder(node);
  if (input && graph->input.data[node->attr.index].source != SOURCE_STEP)
    add_value(annotation, line, graph, node->type, node->scale);
  if (node_inputs(node) != 2 || node->as[0] == FORMAT_NONE ||
      node->as[1] == FORMAT_NONE)
    return;
  Buffer text = {0};
  buffer_printf(&text, "%s @ %s", format_info(node->as[0])->text,
                format_info(node->as[1])->text);
  add_answer(annotation, &line->reads, &text);
  buffer_free(&text);
}

/* A parameter whose exponent is in a state. */
static void add_measured(Annotation *annotation, LineFacts *line,
                         const Parameter *param) {
  Buffer text = {0};
  print_value(&text, NULL, param->type, scale_none());
  buffer_printf(&text, " 2^@%s", param->exponent);
  add_answer(annotation, &line->value, &text);
  buffer_free(&text);
}

static void add_parameters(Annotation *annotation) {
  const Program *program = annotation->sg->program;
  for (size_t i = 0; i < program->param.length; i++) {
    const Parameter *param = &program->param.data[i];
    LineFacts *line = line_of(annotation, param->span);
    if (!line || param->measured)
      continue;
    if (param->exponent)
      add_measured(annotation, line, param);
    else
      add_value(annotation, line, NULL, param->type, param->scale);
  }
}

static void collect(Annotation *annotation) {
  const Program *program = annotation->sg->program;
  add_parameters(annotation);
  for (size_t g = 0; g < program->graph.length; g++) {
    const Graph *graph = program->graph.data[g];
    add_places(annotation, graph);
    for (ValueId id = 1; id < graph->count; id++)
      add_node(annotation, graph, graph_node(graph, id));
  }
}

/* ---- printing ------------------------------------------------------------ */

static void print_answers(Buffer *out, const Answers *answers,
                          const char *between) {
  for (size_t i = 0; i < answers->length && i < ANSWERS_MAX; i++)
    buffer_printf(out, "%s%s", i ? between : "", answers->data[i]);
  if (answers->length > ANSWERS_MAX)
    buffer_printf(out, "%sand %zu more", between,
                  answers->length - ANSWERS_MAX);
}

/* Bytes of a line without its end. */
static size_t line_length(const Source *source, uint32_t line) {
  const char *text = source->text + source->lines[line];
  size_t left = source->length - source->lines[line];
  const char *end = memchr(text, '\n', left);
  size_t length = end ? (size_t)(end - text) : left;
  while (length && (text[length - 1] == '\r' || text[length - 1] == ' '))
    length--;
  return length;
}

/* Comments stand in one column, behind the longest line that is not too long.
 */
static size_t comment_column(const Annotation *annotation) {
  size_t column = COLUMN_MIN;
  for (uint32_t i = 0; i < annotation->source->line_count; i++) {
    size_t length = line_length(annotation->source, i) + 2;
    if (annotation->line[i].value.length && length <= COLUMN_MAX &&
        length > column)
      column = length;
  }
  return column;
}

static void print_source(Buffer *out, const Annotation *annotation) {
  size_t column = comment_column(annotation);
  for (uint32_t i = 0; i < annotation->source->line_count; i++) {
    const LineFacts *line = &annotation->line[i];
    size_t start = out->length, length = line_length(annotation->source, i);
    bool last = i + 1 == annotation->source->line_count;
    if (last && length == 0)
      break;
    buffer_add(out, annotation->source->text + annotation->source->lines[i],
               length);
    if (line->value.length) {
      buffer_text(out, "  ");
      buffer_pad(out, start, column);
      buffer_text(out, "# ");
      print_answers(out, &line->value, " | ");
      if (line->reads.length) {
        buffer_text(out, " of ");
        print_answers(out, &line->reads, ", ");
      }
    }
    buffer_char(out, '\n');
  }
}

sg_status sg_annotate(sg_context *sg, const char *path) {
  if (!sg->main || sg->is_sgir) {
    context_message(sg, SG_ERROR, "--annotate needs a .sg file");
    return SG_USAGE;
  }
  sg_status status = context_check_prints(sg, false, "--annotate");
  if (status == SG_OK)
    status = context_program(sg);
  if (status == SG_OK)
    status = context_check_passes(sg, PASS_formats);
  if (status == SG_OK)
    status = context_run(sg, PASS_formats);
  if (status == SG_OK)
    status = context_check_filters(sg);
  context_summary(sg);
  if (status != SG_OK)
    return status;
  Annotation annotation = {.sg = sg,
                           .source = sources_get(&sg->sources, sg->main)};
  annotation.line =
      NEW_ARRAY(sg->arena, LineFacts, annotation.source->line_count);
  collect(&annotation);
  Buffer text = {0};
  print_source(&text, &annotation);
  status = context_write(sg, path, &text);
  buffer_free(&text);
  for (uint32_t i = 0; i < annotation.source->line_count; i++) {
    vec_free(&annotation.line[i].value);
    vec_free(&annotation.line[i].reads);
  }
  return status;
}
