/* Datasets: typed columns of files, and batches of them as inputs of a graph.
 *
 * The first axis of a column, written `_`, is the number of examples; it is
 * checked when the file is opened. Paths are relative to where the program
 * runs.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

/* ---- columns ------------------------------------------------------------ */

static const char *const later_source[] = {
    "npy", "npz", "csv", "raw", "windows", "tokens", "synthetic"};

/* Sources of later versions are refused as such. */
static bool fail_source(Elaborator *e, const Expr *head) {
  const char *name = expr_text(e, head);
  for (size_t i = 0; i < sizeof later_source / sizeof later_source[0]; i++)
    if (strcmp(later_source[i], name) == 0) {
      fail_unsupported(e, head->span, "the data source `%s` is", name);
      return false;
    }
  Candidates candidates = {0};
  vec_push(&candidates, "idx");
  Diagnostic error =
      error_begin(e, head->span, "E0602", "unknown data source `%s`", name);
  const char *near = did_you_mean(e, name, &candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  error_note(e, &error,
             "`idx(\"FILE\")` reads the format of MNIST, plain or "
             "gzipped");
  error_send(e, &error);
  return false;
}

/* Read by its syntax: `idx` is no function elsewhere. */
static bool column_source(Elaborator *e, const ColumnExpr *expr,
                          Column *column) {
  const Expr *value = expr->value;
  if (value->kind != EXPR_CALL || value->left->kind != EXPR_NAME) {
    fail(e, value->span, "E0602",
         "a column comes from a source such as `idx(\"FILE\")`");
    return false;
  }
  if (strcmp(value->left->text, "idx") != 0)
    return fail_source(e, value->left);
  const Arg *arg = value->args;
  Value path = arg && !arg->next && !arg->name ? eval(e, arg->value)
                                               : (Value){.kind = VALUE_NOTHING};
  if (value_is_poison(path))
    return false;
  if (path.kind != VALUE_STRING) {
    fail(e, value->span, "E0603", "`idx` takes the name of one file");
    return false;
  }
  column->source = COLUMN_IDX;
  column->path = intern(e->interner, path.as.text);
  return true;
}

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
