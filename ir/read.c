/* Reading .sgir: the driver, messages, words, types, and what stands outside
 * entries and recipes.
 *
 * In: a source text, of any bytes. Out: a verified program, or NULL with every
 * error diagnosed at its place.
 */
#include "ir/read.h"
#include "ir/sgir.tab.h"

#include <inttypes.h>
#include <stdlib.h>

/* Exponents and sizes beyond these are errors of the text, long before any
 * arithmetic on them could overflow. */
enum { EXPONENT_LIMIT = 4096, SOURCE_LIMIT = 4096 };

/* ---- messages ----------------------------------------------------------- */

/* One error at `span`, with a hint if there is a near name. */
static void report(SgirReader *reader, Span span, const char *code,
                   const char *sigil, const char *near, const char *format,
                   va_list args) {
  Buffer text = {0};
  buffer_vprintf(&text, format, args);
  Diagnostic diagnostic = {.severity = SEVERITY_ERROR,
                           .code = code,
                           .message = text.data,
                           .label = {{.span = span}},
                           .label_count = 1};
  if (near)
    diagnostic.hint =
        arena_printf(reader->scratch, "did you mean `%s%s`?", sigil, near);
  diagnose(reader->diagnostics, &diagnostic);
  buffer_free(&text);
  reader->errors++;
}

void read_error(SgirReader *reader, Span span, const char *code,
                const char *format, ...) {
  va_list args;
  va_start(args, format);
  report(reader, span, code, "", NULL, format, args);
  va_end(args);
}

void read_error_near(SgirReader *reader, Span span, const char *code,
                     const char *sigil, const char *near, const char *format,
                     ...) {
  va_list args;
  va_start(args, format);
  report(reader, span, code, sigil, near, format, args);
  va_end(args);
}

void read_error_limit(SgirReader *reader, Span span, LimitId limit,
                      const char *format, ...) {
  va_list args;
  va_start(args, format);
  Buffer text = {0};
  buffer_vprintf(&text, format, args);
  va_end(args);
  Diagnostic diagnostic = {
      .severity = SEVERITY_ERROR,
      .code = "E0711",
      .message = text.data,
      .label = {{.span = span}},
      .label_count = 1,
      .note = {limit_note(reader->scratch, &reader->program->sources->limits,
                          limit)},
      .note_count = 1};
  diagnose(reader->diagnostics, &diagnostic);
  buffer_free(&text);
  reader->errors++;
  reader->refused = true;
}

/* ---- pieces ------------------------------------------------------------- */

Operand *operand_new(SgirReader *reader, OperandKind kind, Span span,
                     Word word) {
  Operand *operand = NEW(reader->scratch, Operand);
  operand->kind = kind;
  operand->span = span;
  operand->word = word;
  return operand;
}

TypeText *type_text_new(SgirReader *reader, Word format, Span span) {
  TypeText *type = NEW(reader->scratch, TypeText);
  type->format = format;
  type->span = span;
  return type;
}

/* Axes beyond the limit are counted once more, to be refused in read_type. */
void type_text_dim(TypeText *type, int64_t dim) {
  if (type->rank < MAX_RANK)
    type->dim[type->rank] = dim;
  if (type->rank <= MAX_RANK)
    type->rank++;
}

Format read_format(SgirReader *reader, Word word) {
  Format format = format_named(word.text, word.length);
  if (format != FORMAT_NONE && format_info(format)->kind != KIND_SCALE)
    return format;
  if (format != FORMAT_NONE) {
    read_error(reader, word.span, "E0803", "%s holds scales, not elements",
               word.text);
    return FORMAT_NONE;
  }
  const char *names[FORMAT_COUNT];
  for (int i = 0; i < FORMAT_COUNT; i++)
    names[i] = format_info((Format)i)->text;
  read_error_near(reader, word.span, "E0803", "",
                  nearest_name(word.text, names, FORMAT_COUNT),
                  "there is no element format `%s`", word.text);
  return FORMAT_NONE;
}

BlocksText *blocks_text_new(SgirReader *reader) {
  return NEW(reader->scratch, BlocksText);
}

/* As type_text_dim. */
void blocks_text_axis(BlocksText *blocks, int64_t count, int64_t block) {
  if (blocks->rank < MAX_RANK) {
    blocks->count[blocks->rank] = count;
    blocks->block[blocks->rank] = block;
  }
  if (blocks->rank <= MAX_RANK)
    blocks->rank++;
}

/* Symbols must be defined above: a scale may use no later exponent. */
static bool read_exponent(SgirReader *reader, const ScaleText *text,
                          Scale *scale) {
  *scale = scale_make(text->kind, 0, (int32_t)text->exponent);
  if (text->exponent < -EXPONENT_LIMIT || text->exponent > EXPONENT_LIMIT) {
    read_error(reader, text->span, "E0806", "the exponent is out of range");
    return false;
  }
  if (text->state.text) {
    read_error(reader, text->state.span, "E0806",
               "only a parameter or state has its exponent in a state");
    return false;
  }
  if (!text->symbol.text)
    return true;
  scale->symbol = word_map_get(&reader->exponents, text->symbol.text);
  if (scale->symbol == POISON)
    return false;
  if (!scale->symbol)
    read_error(reader, text->symbol.span, "E0804",
               "no exponent $%s is defined above", text->symbol.text);
  return scale->symbol != 0;
}

bool read_scale(SgirReader *reader, const ScaleText *text, Scale *scale) {
  if (text->blocks) {
    read_error(reader, text->blocks->span, "E0806",
               "a number has one exponent, and no blocks");
    return false;
  }
  return read_exponent(reader, text, scale);
}

/* `[128,1]` of real[128,512]: an axis of its whole length, or of 1 where one
 * exponent holds along it. */
static bool read_blocks(SgirReader *reader, const BlocksText *text,
                        const Type *type, Scale *scale) {
  int64_t block[MAX_RANK];
  bool fits = text->rank == type->rank;
  for (int i = 0; fits && i < type->rank; i++) {
    bool shared = text->count[i] == 1 && text->block[i] == 1;
    fits = shared || text->count[i] == type->dim[i];
    block[i] = shared ? type->dim[i] : text->block[i];
  }
  if (!fits || !granularity_make(reader->program->types, type, block,
                                 &scale->granularity)) {
    read_error(reader, text->span, "E0806",
               "the blocks of a scale have, for each axis of the tensor, its "
               "length, its length / a divisor of it, or 1");
    return false;
  }
  if (!scale->granularity || !scale->symbol)
    return true;
  read_error(reader, text->span, "E0810",
             "a run-time exponent is one for the tensor in this version");
  return false;
}

/* The only way from text to Type; everything that is wrong is said here. */
const Type *read_type(SgirReader *reader, const TypeText *text, Scale *scale) {
  Format format = read_format(reader, text->format);
  Scale unused;
  bool scaled = read_exponent(reader, &text->scale, scale ? scale : &unused);
  if (format == FORMAT_NONE || !scaled)
    return NULL;
  if (!scale && text->scale.kind != SCALE_NONE) {
    read_error(reader, text->span, "E0806", "no scale may stand here");
    return NULL;
  }
  const Type *type =
      text->rank > MAX_RANK
          ? NULL
          : type_make(reader->program->types, format, text->rank, text->dim);
  if (!type)
    read_error(reader, text->span, "E0805",
               text->rank > MAX_RANK ? "a tensor has at most 8 axes"
                                     : "the tensor is too large");
  if (type && text->scale.blocks &&
      !read_blocks(reader, text->scale.blocks, type, scale))
    return NULL;
  return type;
}

/* Numbers are read as binary64, exact for what any setting allows. */
bool read_whole(SgirReader *reader, const Operand *operand, const char *what,
                int64_t low, int64_t high, int64_t *out) {
  bool whole = operand->kind == OPERAND_NUMBER && operand->whole;
  if (whole && operand->number >= (double)low &&
      operand->number <= (double)high) {
    *out = (int64_t)operand->number;
    return true;
  }
  read_error(reader, operand->span, "E0803",
             "%s is a whole number from %" PRId64 " to %" PRId64, what, low,
             high);
  return false;
}

/* ---- the top of the file ------------------------------------------------ */

bool read_header(SgirReader *reader, Span span, int64_t version, Word level) {
  if (version != SGIR_VERSION) {
    read_error(reader, span, "E0802",
               "this is .sgir version %" PRId64 "; version %d is understood",
               version, SGIR_VERSION);
    return false;
  }
  if (level_named(level.text, &reader->program->level))
    return true;
  read_error(reader, level.span, "E0802",
             "`%s` is not a level: plain, scaled, formatted or final",
             level.text);
  return false;
}

void read_program_name(SgirReader *reader, Word name) {
  reader->program->name = name.text;
}

/* Numbers may leave gaps, for built-in files are listed only with locations:
 * a gap is filled with a built-in file of no name. */
void read_source(SgirReader *reader, Span span, int64_t number, Word name,
                 Word builtin) {
  if (number < (int64_t)reader->declared.length || number > SOURCE_LIMIT) {
    read_error(reader, span, "E0802",
               "source numbers rise from 0 to at most "
               "%d",
               SOURCE_LIMIT);
    return;
  }
  if (builtin.text && strcmp(builtin.text, "builtin") != 0)
    read_error(reader, builtin.span, "E0803", "`%s` is not `builtin`",
               builtin.text);
  while ((int64_t)reader->declared.length < number)
    vec_push(&reader->declared, (Source){.name = "", .builtin = true});
  vec_push(&reader->declared,
           (Source){.name = name.text, .builtin = builtin.text != NULL});
}

void read_alias(SgirReader *reader, Word name, Word value, Word graph) {
  Program *program = reader->program;
  alias_put(program_alias(program, graph.text), name.text, value.text);
  if (graph.text)
    program->alias.data[word_map_get(&program->alias_of, graph.text) - 1].span =
        graph.span;
}

static void check_aliases(SgirReader *reader) {
  const Program *program = reader->program;
  WordMap known = {0};
  for (size_t i = 0; i < program->graph.length; i++)
    word_map_set(&known, program->graph.data[i]->name, 1);
  for (size_t i = 0; i < program->alias.length; i++) {
    const GraphAliases *aliases = &program->alias.data[i];
    if (aliases->graph && !word_map_get(&known, aliases->graph))
      read_error(reader, aliases->span, "E0804", "there is no entry @%s",
                 aliases->graph);
  }
  word_map_free(&known);
}

/* ---- parameters --------------------------------------------------------- */

static bool init_named(const char *text, InitKind *out) {
  for (int kind = INIT_ZEROS; kind <= INIT_TRUNC_NORMAL; kind++) {
    if (strcmp(init_name((InitKind)kind), text) != 0)
      continue;
    *out = (InitKind)kind;
    return true;
  }
  return false;
}

/* The numbers are the first arguments in the list. */
static bool read_init(SgirReader *reader, Word word, size_t arguments,
                      Init *init) {
  if (!init_named(word.text, &init->kind)) {
    read_error(reader, word.span, "E0803", "there is no initialiser `%s`",
               word.text);
    return false;
  }
  if (arguments != (size_t)init_arguments(init->kind)) {
    read_error(reader, word.span, "E0803", "`%s` takes %d number%s, not %zu",
               word.text, init_arguments(init->kind),
               init_arguments(init->kind) == 1 ? "" : "s", arguments);
    return false;
  }
  if (arguments > 0)
    init->a = reader->argument.data[0].value->number;
  if (arguments > 1)
    init->b = reader->argument.data[1].value->number;
  if (isfinite(init->a) && isfinite(init->b))
    return true;
  read_error(reader, word.span, "E0803", "an initialiser's numbers are finite");
  return false;
}

static void read_param_attribute(SgirReader *reader, Parameter *param,
                                 const Argument *argument) {
  const char *name = argument->name.text;
  const char *value = argument->value ? argument->value->word.text : NULL;
  if (strcmp(name, "pinned") == 0 && !value) {
    param->pinned = true;
    return;
  }
  for (int i = 0; value && strcmp(name, "round") == 0 && i < ROUNDING_COUNT;
       i++)
    if (strcmp(value, rounding_name((Rounding)i)) == 0) {
      param->round = (Rounding)i;
      return;
    }
  read_error(reader, argument->name.span, "E0803",
             "a parameter has the attributes `pinned` and `round = nearest`, "
             "`stochastic` or `down`");
}

/* A parameter whose type is wrong becomes poison, so that its uses are silent.
 */
void read_param(SgirReader *reader, ParamKind kind, Word name, TypeText *type,
                Word init, size_t init_arguments) {
  Parameter param = {.name = name.text,
                     .state = kind != PARAM_TRAINED,
                     .measured = kind == PARAM_EXPONENT,
                     .exponent = type->scale.state.text,
                     .span = name.span};
  type->scale.state.text = NULL;
  param.type = read_type(reader, type, &param.scale);
  if (param.type && param.scale.granularity) {
    read_error(reader, type->scale.blocks->span, "E0810",
               "a parameter has one exponent in this version");
    param.type = NULL;
  }
  read_init(reader, init, init_arguments, &param.init);
  for (size_t i = init_arguments; i < reader->argument.length; i++)
    read_param_attribute(reader, &param, &reader->argument.data[i]);
  reader->argument.length = 0;
  if (word_map_get(&reader->params, name.text)) {
    read_error(reader, name.span, "E0804", "@%s is declared twice", name.text);
    return;
  }
  if (!param.type) {
    word_map_set(&reader->params, name.text, POISON);
    return;
  }
  vec_push(&reader->program->param, param);
  word_map_set(&reader->params, name.text,
               (uint32_t)reader->program->param.length);
}

/* ---- locations ---------------------------------------------------------- */

enum { LINE_LIMIT = 100000, COLUMN_LIMIT = 2000 };

/* A stand-in for a source whose text is not here: blank lines, each long
 * enough for the locations on it, so that lines and columns come out right. */
static void add_source(SgirReader *reader, uint32_t file) {
  VEC(uint32_t) width = {0};
  for (size_t i = 0; i < reader->location.length; i++) {
    const LocationText *location = &reader->location.data[i];
    if (location->file != file)
      continue;
    while (width.length < location->line)
      vec_push(&width, 0);
    if (width.data[location->line - 1] < location->column)
      width.data[location->line - 1] = location->column;
  }
  Buffer text = {0};
  buffer_add(&text, "", 0);
  for (size_t i = 0; i < width.length; i++)
    buffer_printf(&text, "%*s\n", (int)width.data[i], "");
  const Source *declared = &reader->declared.data[file];
  sources_add(reader->program->sources, declared->name, text.data, text.length,
              declared->builtin);
  buffer_free(&text);
  vec_free(&width);
}

/* Once everything is read: places need the lines of the stand-ins. */
static void add_sources(SgirReader *reader) {
  Sources *sources = reader->program->sources;
  uint32_t first = (uint32_t)sources->files.length + 1;
  for (uint32_t file = 0; file < reader->declared.length; file++)
    add_source(reader, file);
  for (size_t i = 0; i < reader->location.length; i++) {
    const LocationText *location = &reader->location.data[i];
    const Source *source = sources_get(sources, first + location->file);
    uint32_t start = source->lines[location->line - 1] + location->column - 1;
    graph_node(location->graph, location->node)->span =
        (Span){first + location->file, start, start + 1};
  }
}

/* `line:column` or `file:line:column`; the file must be declared. */
void read_location(SgirReader *reader, Word text, ValueId node) {
  unsigned long part[3] = {0};
  int count = 0;
  for (const char *at = text.text; text.text && count < 3; at++) {
    char *end;
    part[count++] = strtoul(at, &end, 10);
    at = end;
    if (*at != ':')
      break;
  }
  if (count == 0)
    return;
  LocationText location = {.graph = reader->graph, .node = node};
  location.file = count == 3 ? (uint32_t)part[0] : 0;
  location.line = (uint32_t)part[count - 2];
  location.column = (uint32_t)part[count - 1];
  if ((count == 3 && part[0] >= reader->declared.length) ||
      location.file >= reader->declared.length || part[count - 2] < 1 ||
      part[count - 2] > LINE_LIMIT || part[count - 1] < 1 ||
      part[count - 1] > COLUMN_LIMIT) {
    read_error(reader, text.span, "E0803",
               "the location names no line of a declared source");
    return;
  }
  vec_push(&reader->location, location);
}

/* ---- the driver --------------------------------------------------------- */

/* A violation that the reader let pass, at the node's place in the text. */
static void report_violation(void *user, const Graph *graph, ValueId id,
                             const char *message) {
  SgirReader *reader = user;
  Span span = {reader->source, 0, 0};
  if (graph)
    span = id ? graph_node(graph, id)->span : graph->span;
  else if (id)
    span = reader->program->param.data[id - 1].span;
  read_error(reader, span, "E0809", "%s", message);
}

static void reader_free(SgirReader *reader) {
  read_lexer_free(reader);
  for (size_t i = 0; i < reader->region.length; i++)
    region_text_free(&reader->region.data[i]);
  vec_free(&reader->region);
  vec_free(&reader->result);
  vec_free(&reader->definition);
  vec_free(&reader->argument);
  vec_free(&reader->setting);
  vec_free(&reader->selector);
  vec_free(&reader->location);
  vec_free(&reader->declared);
  word_map_free(&reader->params);
  word_map_free(&reader->values);
  word_map_free(&reader->exponents);
  word_map_free(&reader->param_nodes);
  word_map_free(&reader->settings);
  word_map_free(&reader->results);
  arena_free(reader->scratch);
}

/* Errors of the text come first; a text without any is verified as a whole. */
static void read_text(SgirReader *reader) {
  sgir_parse(reader);
  if (reader->errors > 0)
    return;
  read_default_recipes(reader);
  check_aliases(reader);
  program_alias_settle(reader->program);
  program_verify_each(reader->program, report_violation, reader);
  if (reader->errors == 0)
    add_sources(reader);
}

/* Without errors in the text, what the verifier finds is diagnosed too. */
Program *program_read(Arena *arena, Interner *interner, Sources *sources,
                      uint32_t source, Diagnostics *diagnostics) {
  const Source *text = sources_get(sources, source);
  SgirReader reader = {.arena = arena,
                       .scratch = arena_new(),
                       .interner = interner,
                       .diagnostics = diagnostics,
                       .source = source,
                       .text = text->text,
                       .length = text->length};
  Program *program = program_new(arena, interner, sources, "");
  program->text = source;
  reader.program = program;
  int64_t most = sources->limits.of[LIMIT_sgir_bytes];
  if ((int64_t)text->length > most)
    read_error_limit(&reader, (Span){source, 0, 0}, LIMIT_sgir_bytes,
                     "the text has more than %" PRId64 " bytes", most);
  else
    read_text(&reader);
  bool failed = reader.errors > 0;
  reader_free(&reader);
  if (failed) {
    program_free(program);
    return NULL;
  }
  return program;
}
