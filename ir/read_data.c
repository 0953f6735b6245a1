/* Reading .sgir: datasets, weights of a file, generation.
 *
 * What these name (parameters, entries) is looked up here or, for entries that
 * follow later in the text, when the whole text is read.
 */
#include "ir/read.h"

#include <math.h>
#include <string.h>

/* ---- datasets ----------------------------------------------------------- */

/* Columns follow until the brace closes. */
void read_dataset(SgirReader *reader, Word name) {
  Program *program = reader->program;
  for (size_t i = 0; i < program->dataset.length; i++)
    if (program->dataset.data[i].name == name.text)
      read_error(reader, name.span, "E0804", "dataset %s is declared twice",
                 name.text);
  vec_push(&program->dataset, (Dataset){.name = name.text, .span = name.span});
}

static void unknown_source(SgirReader *reader, Word source) {
  const char *names[SOURCE_COUNT];
  for (int i = 0; i < SOURCE_COUNT; i++)
    names[i] = source_info((ColumnSource)i)->word;
  read_error_near(reader, source.span, "E0803", "",
                  nearest_name(source.text, names, SOURCE_COUNT),
                  "there is no source of data `%s`", source.text);
}

/* The place of an argument among those of the source, or -1. */
static int argument_place(const Column *column, const Argument *argument,
                          int position) {
  bool optional;
  if (!argument->name.text)
    return source_argument(column->source, position, &optional) ? position : -1;
  for (int i = 0;; i++) {
    const char *name = source_argument(column->source, i, &optional);
    if (!name || strcmp(name, argument->name.text) == 0)
      return name ? i : -1;
  }
}

static void read_source_argument(SgirReader *reader, Column *column,
                                 const Argument *argument, int position) {
  int place = argument_place(column, argument, position);
  int number = place - source_texts(column->source);
  const Operand *value = argument->value;
  if (place < 0)
    read_error(reader, value->span, "E0803", "`%s` takes no such argument",
               source_info(column->source)->word);
  else if (number >= 0)
    read_whole(reader, value, "it", 0, INT32_MAX, &column->number[number]);
  else if (value->kind != OPERAND_STRING)
    read_error(reader, value->span, "E0803", "expected a string");
  else
    column->text[place] = value->word.text;
}

/* Files are opened at run time: paths are taken as they are. */
static void read_source_arguments(SgirReader *reader, Column *column,
                                  Span span) {
  int position = 0;
  unsigned errors = reader->errors;
  for (size_t i = 0; i < reader->argument.length; i++)
    read_source_argument(reader, column, &reader->argument.data[i], position++);
  bool optional;
  int texts = source_texts(column->source);
  for (int i = 0; reader->errors == errors; i++) {
    const char *name = source_argument(column->source, i, &optional);
    if (!name)
      break;
    bool missing =
        i < texts ? !column->text[i] : column->number[i - texts] == 0;
    if (missing && !optional)
      read_error(reader, span, "E0803", "`%s` needs its %s",
                 source_info(column->source)->word, name);
  }
}

void read_column(SgirReader *reader, Word name, TypeText *type, Word source) {
  Program *program = reader->program;
  Dataset *dataset = &program->dataset.data[program->dataset.length - 1];
  Column column = {.name = name.text, .span = name.span};
  column.type = read_type(reader, type, NULL);
  for (size_t i = 0; i < dataset->column.length; i++)
    if (dataset->column.data[i].name == name.text)
      read_error(reader, name.span, "E0804", "column %s.%s is declared twice",
                 dataset->name, name.text);
  column.source = source_named(source.text);
  if (column.source == SOURCE_COUNT) {
    unknown_source(reader, source);
    column.source = COLUMN_RAW;
    column.text[0] = "";
  } else {
    read_source_arguments(reader, &column, source.span);
  }
  reader->argument.length = 0;
  vec_push(&dataset->column, column);
}

/* ---- weights ------------------------------------------------------------ */

void read_weights(SgirReader *reader, Word model, Word file) {
  vec_push(
      &reader->program->weights,
      (Weights){.model = model.text, .file = file.text, .span = model.span});
}

/* Each tensor and each parameter once. */
void read_weight(SgirReader *reader, Word tensor, Word param, Word option) {
  Program *program = reader->program;
  Weights *weights = &program->weights.data[program->weights.length - 1];
  WeightTensor made = {.tensor = tensor.text, .span = tensor.span};
  made.param = program_param(program, param.text);
  made.transpose = option.text != NULL;
  if (option.text && strcmp(option.text, "transpose") != 0)
    read_error(reader, option.span, "E0803", "expected `transpose`");
  if (made.param < 0) {
    read_error(reader, param.span, "E0804", "no parameter or state @%s",
               param.text);
    return;
  }
  if (made.transpose && program->param.data[made.param].type->rank != 2)
    read_error(reader, option.span, "E0805",
               "only a tensor of two axes is transposed");
  for (size_t i = 0; i < weights->tensor.length; i++)
    if (weights->tensor.data[i].param == made.param)
      read_error(reader, param.span, "E0804", "@%s is filled twice",
                 param.text);
  vec_push(&weights->tensor, made);
}

/* ---- generation --------------------------------------------------------- */

void read_generate(SgirReader *reader, Word name) {
  Program *program = reader->program;
  for (size_t i = 0; i < program->generate.length; i++)
    if (program->generate.data[i].name == name.text)
      read_error(reader, name.span, "E0804", "generate %s is declared twice",
                 name.text);
  vec_push(&program->generate, (Generate){.name = name.text,
                                          .amount = 1,
                                          .temperature = 1,
                                          .span = name.span});
}

static Generate *last_generate(SgirReader *reader) {
  Program *program = reader->program;
  return &program->generate.data[program->generate.length - 1];
}

/* `window = @next`: the entry was read before. */
void read_generate_entry(SgirReader *reader, Word what, Word entry) {
  Generate *generate = last_generate(reader);
  const char **slot = strcmp(what.text, "window") == 0    ? &generate->window
                      : strcmp(what.text, "prefill") == 0 ? &generate->prefill
                      : strcmp(what.text, "decode") == 0  ? &generate->decode
                                                          : NULL;
  if (!slot)
    read_error(reader, what.span, "E0803",
               "expected `window`, `prefill` or `decode`");
  else if (!program_graph(reader->program, entry.text))
    read_error(reader, entry.span, "E0804", "no entry @%s is above",
               entry.text);
  else
    *slot = entry.text;
}

static double sample_number(SgirReader *reader, const Argument *argument) {
  if (argument->value->kind == OPERAND_NUMBER && argument->value->number > 0 &&
      isfinite(argument->value->number))
    return argument->value->number;
  read_error(reader, argument->value->span, "E0803",
             "expected a number above 0");
  return 1;
}

static void read_sample(SgirReader *reader, Word kind) {
  Generate *generate = last_generate(reader);
  int found = -1;
  for (int i = SAMPLE_GREEDY; i <= SAMPLE_TOP_P; i++)
    if (strcmp(sample_name((SampleKind)i), kind.text) == 0)
      found = i;
  if (found < 0)
    read_error(reader, kind.span, "E0803",
               "expected `greedy`, `top_k` or `top_p`");
  else
    generate->sample = (SampleKind)found;
  for (size_t i = 0; i < reader->argument.length; i++) {
    const Argument *argument = &reader->argument.data[i];
    if (argument->name.text && strcmp(argument->name.text, "temperature") == 0)
      generate->temperature = sample_number(reader, argument);
    else
      generate->amount = sample_number(reader, argument);
  }
}

/* `tokenizer = bpe("file")` and `sample = top_k(40.0, temperature = 0.8)`. */
void read_generate_call(SgirReader *reader, Word what, Word function) {
  Generate *generate = last_generate(reader);
  bool one = reader->argument.length == 1 &&
             reader->argument.data[0].value->kind == OPERAND_STRING;
  if (strcmp(what.text, "sample") == 0) {
    read_sample(reader, function);
  } else if (strcmp(what.text, "tokenizer") == 0 && one) {
    generate->tokenizer = function.text;
    generate->file = reader->argument.data[0].value->word.text;
  } else {
    read_error(reader, what.span, "E0803",
               "expected `tokenizer = KIND(\"FILE\")` or `sample = ...`");
  }
  reader->argument.length = 0;
}

void read_generate_end(SgirReader *reader) {
  const Generate *generate = last_generate(reader);
  if (!generate->tokenizer)
    read_error(reader, generate->span, "E0803", "it needs a tokenizer");
  if (!generate->window == !(generate->prefill && generate->decode))
    read_error(reader, generate->span, "E0803",
               "it needs `window`, or `prefill` and `decode`");
}
