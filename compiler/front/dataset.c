/* Datasets: typed columns of files, and batches of them as inputs of a graph.
 *
 * The first axis of a column, written `_`, is the number of examples; it is
 * checked when the file is opened. Paths are relative to where the program
 * runs.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

/* ---- sources ------------------------------------------------------------ */

/* `windows("FILE", length, stride)` for a note. */
static const char *source_signature(Elaborator *e, ColumnSource source) {
  Buffer out = {0};
  bool optional;
  const char *name;
  int texts = source_texts(source);
  buffer_printf(&out, "%s(", source_info(source)->word);
  for (int i = 0; (name = source_argument(source, i, &optional)); i++)
    buffer_printf(&out, i < texts ? "%s\"%s\"" : "%s%s%s", i ? ", " : "", name,
                  optional ? " = ..." : "");
  buffer_char(&out, ')');
  return buffer_take(e, &out);
}

static bool fail_source(Elaborator *e, const Expr *head) {
  const char *name = expr_text(e, head);
  Candidates candidates = {0};
  Buffer list = {0};
  for (int i = 0; i < SOURCE_COUNT; i++) {
    vec_push(&candidates, source_info((ColumnSource)i)->word);
    buffer_printf(&list, "%s%s", i ? ", " : "",
                  source_info((ColumnSource)i)->word);
  }
  Diagnostic error =
      error_begin(e, head->span, "E0602", "unknown data source `%s`", name);
  const char *near = did_you_mean(e, name, &candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  error_note(e, &error, "sources: %s", buffer_take(e, &list));
  error_send(e, &error);
  return false;
}

/* With what the source takes. */
static bool fail_source_argument(Elaborator *e, Span span, ColumnSource source,
                                 const char *message) {
  Diagnostic error = error_begin(e, span, "E0603", "%s", message);
  error_note(e, &error, "%s", source_signature(e, source));
  error_send(e, &error);
  return false;
}

/* The place of an argument among those of the source, or -1. */
static int argument_place(ColumnSource source, const Arg *arg, int position) {
  bool optional;
  if (!arg->name)
    return source_argument(source, position, &optional) ? position : -1;
  for (int i = 0;; i++) {
    const char *name = source_argument(source, i, &optional);
    if (!name || strcmp(name, arg->name) == 0)
      return name ? i : -1;
  }
}

static bool bind_source_text(Elaborator *e, const Arg *arg, Column *column,
                             int place) {
  bool optional;
  Value value = eval(e, arg->value);
  if (value_is_poison(value))
    return false;
  if (value.kind != VALUE_STRING)
    return fail_source_argument(
        e, arg->value->span, column->source,
        text_printf(e, "`%s` of `%s` is a string, not %s",
                    source_argument(column->source, place, &optional),
                    source_info(column->source)->word,
                    value_describe(e, value)));
  column->text[place] = intern(e->interner, value.as.text);
  return true;
}

/* Whole numbers from 1 on; 0 stands for "left out", and is what `first` and
 * `header` are then. */
static bool bind_source_number(Elaborator *e, const Arg *arg, Column *column,
                               int number) {
  bool optional;
  int place = source_texts(column->source) + number;
  const char *name = source_argument(column->source, place, &optional);
  bool from_zero = column->source == COLUMN_CSV;
  int64_t value;
  if (!eval_int(e, arg->value, text_printf(e, "`%s`", name), &value))
    return false;
  if (value < !from_zero || value > INT32_MAX)
    return fail_source_argument(e, arg->value->span, column->source,
                                text_printf(e,
                                            "`%s` is at least %d, not %" PRId64,
                                            name, !from_zero, value));
  column->number[number] = value;
  return true;
}

static bool bind_source(Elaborator *e, const Arg *arg, Column *column,
                        unsigned *given, int position) {
  int place = argument_place(column->source, arg, position);
  if (place < 0)
    return fail_source_argument(
        e, arg->name ? arg->name_span : arg->value->span, column->source,
        arg->name ? text_printf(e, "`%s` has no argument `%s`",
                                source_info(column->source)->word, arg->name)
                  : text_printf(e, "`%s` takes fewer arguments",
                                source_info(column->source)->word));
  if (*given >> place & 1)
    return fail_source_argument(e, arg->value->span, column->source,
                                "this argument is given twice");
  *given |= 1u << place;
  int number = place - source_texts(column->source);
  return number < 0 ? bind_source_text(e, arg, column, place)
                    : bind_source_number(e, arg, column, number);
}

static bool source_complete(Elaborator *e, const Expr *call,
                            const Column *column, unsigned given) {
  bool optional;
  const char *name;
  for (int i = 0; (name = source_argument(column->source, i, &optional)); i++)
    if (!optional && !(given >> i & 1))
      return fail_source_argument(e, call->span, column->source,
                                  text_printf(e, "`%s` needs its %s",
                                              source_info(column->source)->word,
                                              name));
  return true;
}

/* Tokens that follow each other: [_, length] of whole numbers. Windows share
 * their border by default, so that each token but the first is a target once.
 */
static bool check_windows(Elaborator *e, const ColumnExpr *expr,
                          Column *column) {
  const Type *type = column->type;
  int64_t length = column->number[0];
  bool whole = !format_is_real(type->format) && type->format != FORMAT_BOOL;
  if (column->number[1] == 0)
    column->number[1] = length > 1 ? length - 1 : 1;
  if (type->rank == 1 && type->dim[0] == length && whole)
    return true;
  Diagnostic error =
      error_begin(e, expr->type->span, "E0607",
                  "`%s` of length %" PRId64 " gives windows [_, %" PRId64
                  "] of whole numbers, not %s",
                  source_info(column->source)->word, length, length,
                  span_text(e, expr->type->span));
  error_label(e, &error, expr->value->span, "length = %" PRId64, length);
  error_send(e, &error);
  return false;
}

/* Random numbers: whole ones below `limit`, real ones standard normal. */
static bool check_synthetic(Elaborator *e, const ColumnExpr *expr,
                            const Column *column) {
  bool real = format_is_real(column->type->format);
  if (column->type->format == FORMAT_BOOL || real == (column->number[1] == 0))
    return true;
  fail(e, expr->value->span, "E0607",
       real ? "`limit` is for whole numbers; synthetic real numbers are "
              "standard normal"
            : "synthetic whole numbers need their `limit`: they lie in "
              "[0, limit)");
  return false;
}

/* A line of numbers is an example of at most one axis. */
static bool check_csv(Elaborator *e, const ColumnExpr *expr,
                      const Column *column) {
  if (column->type->rank <= 1)
    return true;
  fail(e, expr->type->span, "E0607",
       "a line of `csv` is one number [_] or a row [_, n], not %s",
       span_text(e, expr->type->span));
  return false;
}

static bool check_source(Elaborator *e, const ColumnExpr *expr,
                         Column *column) {
  switch (column->source) {
  case COLUMN_WINDOWS:
  case COLUMN_TOKENS:
    return check_windows(e, expr, column);
  case COLUMN_SYNTHETIC:
    return check_synthetic(e, expr, column);
  case COLUMN_CSV:
    return check_csv(e, expr, column);
  default:
    return true;
  }
}

/* Read by its syntax: `idx` is no function elsewhere. */
static bool column_source(Elaborator *e, const ColumnExpr *expr,
                          Column *column) {
  const Expr *call = expr->value;
  if (call->kind != EXPR_CALL || call->left->kind != EXPR_NAME) {
    fail(e, call->span, "E0602",
         "a column comes from a source such as `idx(\"FILE\")`");
    return false;
  }
  column->source = source_named(call->left->text);
  if (column->source == SOURCE_COUNT)
    return fail_source(e, call->left);
  unsigned given = 0;
  int position = 0;
  bool fine = true;
  for (const Arg *arg = call->args; arg; arg = arg->next)
    fine =
        bind_source(e, arg, column, &given, arg->name ? 0 : position++) && fine;
  return fine && source_complete(e, call, column, given);
}

/* ---- columns ------------------------------------------------------------ */

/* u8[_, 28, 28] is u8[28, 28] an example. */
static bool column_type(Elaborator *e, const ColumnExpr *expr, Column *column) {
  if (expr->type->kind != TYPE_NAMED || !expr->type->dims ||
      !dim_is_any(expr->type->dims)) {
    Diagnostic error = error_begin(e, expr->type->span, "E0601",
                                   "the type of a column is an element format "
                                   "and a shape that begins with `_`");
    error_hint(e, &error, "`u8[_, 28, 28]`: any number of images of 28 by 28");
    error_send(e, &error);
    return false;
  }
  TypeExpr example = *expr->type;
  example.dims = expr->type->dims->next;
  bool pinned;
  const char *const *label;
  column->type = type_resolve(e, &example, &pinned, &label);
  if (column->type && column->type->format == FORMAT_REAL) {
    fail(e, expr->type->span, "E0605",
         "a file holds numbers of a known format, not `real`");
    return false;
  }
  if (column->type && column->type->rank == MAX_RANK) {
    fail(e, expr->type->span, "E0308",
         "a tensor has at most %d axes, that of the examples among them",
         MAX_RANK);
    return false;
  }
  return column->type != NULL;
}

static bool column_repeated(Elaborator *e, const Dataset *dataset,
                            const ColumnExpr *expr) {
  for (size_t i = 0; i < dataset->column.length; i++)
    if (strcmp(dataset->column.data[i].name, expr->name) == 0) {
      fail(e, expr->span, "E0204", "column `%s` is defined twice", expr->name);
      return true;
    }
  return false;
}

/* ---- datasets ----------------------------------------------------------- */

/* A dataset with a broken column is unusable, but all its columns are
 * checked. */
static int dataset_make(Elaborator *e, const Symbol *symbol) {
  const Item *item = symbol->item;
  Dataset dataset = {.name = item->name, .span = item->name_span};
  bool fine = true;
  for (const ColumnExpr *expr = item->columns; expr; expr = expr->next) {
    Column column = {.name = expr->name, .span = expr->span};
    bool good = !column_repeated(e, &dataset, expr);
    good = column_type(e, expr, &column) && good;
    good = column_source(e, expr, &column) && good;
    good = good && check_source(e, expr, &column);
    if (good)
      vec_push(&dataset.column, column);
    fine = fine && good;
  }
  if (fine && dataset.column.length == 0) {
    if (symbol->file->ast->lost)
      fail_silent(e);
    else
      fail(e, item->name_span, "E0606", "dataset %s has no columns",
           item->name);
    fine = false;
  }
  if (!fine) {
    vec_free(&dataset.column);
    return -1;
  }
  vec_push(&e->program->dataset, dataset);
  return (int)e->program->dataset.length - 1;
}

/* Made at its first mention, wherever it is defined. */
int dataset_index(Elaborator *e, const Symbol *symbol) {
  Symbol *dataset = file_find(symbol->file, symbol->name)->symbol;
  if (dataset->state == SYMBOL_DONE)
    return dataset->index;
  Frame frame = {.file = symbol->file};
  Builder *builder = e->builder;
  e->builder = NULL;
  frame_push(e, &frame);
  dataset->state = SYMBOL_DONE;
  dataset->index = dataset_make(e, symbol);
  frame_pop(e);
  e->builder = builder;
  return dataset->index;
}

/* All columns become inputs, used or not: what a step reads is part of what
 * it is. */
Value dataset_batch(Elaborator *e, int index, const char *name, int64_t size,
                    const char *label, Span span) {
  const Dataset *dataset = &e->program->dataset.data[index];
  size_t count = dataset->column.length;
  ValueId *column = NEW_ARRAY(e->scratch, ValueId, count);
  Graph *graph = e->builder->graph;
  for (size_t i = 0; i < count; i++) {
    const Type *example = dataset->column.data[i].type;
    int64_t dim[MAX_RANK + 1] = {size};
    memcpy(dim + 1, example->dim, (size_t)example->rank * sizeof *dim);
    const Type *type =
        type_make(e->program->types, example->format, example->rank + 1, dim);
    if (!type)
      return fail(e, span, "E0309", "a batch of %" PRId64 " is too large",
                  size);
    const char *path =
        intern_printf(e->interner, "%s.%s", name, dataset->column.data[i].name);
    name_claim(e->builder->names, path);
    column[i] = emit_input(e, path, type, (int)graph->input.length, span);
    vec_push(&graph->input, (Input){.name = path,
                                    .source = SOURCE_COLUMN,
                                    .dataset = index,
                                    .column = (int)i,
                                    .value = column[i]});
  }
  return (Value){.kind = VALUE_BATCH, .as.batch = {index, size, column, label}};
}
