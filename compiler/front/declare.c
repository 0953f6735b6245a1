/* Declared types by themselves: which element format a word means, and the
 * tensor type of a declaration whose sizes are all known.
 */
#include "compiler/front/elaborate.h"

#include <string.h>

bool type_is_word(const TypeExpr *type, const char *word) {
  return type->kind == TYPE_NAMED && !type->has_shape &&
         !type->path.part->next && strcmp(type->path.part->text, word) == 0;
}

bool dim_is_any(const Dim *dim) {
  return dim->kind == DIM_EXPR && dim->value->kind == EXPR_NAME &&
         strcmp(dim->value->text, "_") == 0;
}

/* Names that are unknown in a size get a hint of their own. */
Value dim_eval(Elaborator *e, const Dim *dim) {
  bool outer = e->in_size;
  e->in_size = true;
  Value size = eval(e, dim->value);
  e->in_size = outer;
  return size;
}

/* A literal size has no name outside, and needs none. */
const char *size_outside(Value size) {
  return size.inner ? size.given : size.origin;
}

/* With two packs it would be open which axes each of them stands for. */
bool dims_check(Elaborator *e, const TypeExpr *type) {
  const Dim *pack = NULL;
  for (const Dim *dim = type->dims; dim; dim = dim->next) {
    if (dim->kind != DIM_PACK)
      continue;
    if (pack) {
      Diagnostic error =
          error_begin(e, dim->span, "E0306",
                      "a shape has one `..`: two leave open which axes each "
                      "stands for");
      error_label(e, &error, pack->span, "the first is here");
      error_send(e, &error);
      return false;
    }
    pack = dim;
  }
  return true;
}

/* ---- element formats ---------------------------------------------------- */

void fail_scale_format(Elaborator *e, Span span, Format format) {
  Diagnostic error = error_begin(e, span, "E0515",
                                 "%s holds scales, not elements: powers of two "
                                 "from 2^-127 to 2^127",
                                 format_info(format)->text);
  error_hint(e, &error, "the formats of elements are in docs/formats.md");
  error_send(e, &error);
}

static const char *const compile_time_word[] = {"int", "str"};

/* What other languages call the types of this one. */
static const char *foreign_type(const char *word) {
  static const char *const row[][2] = {
      {"float", "real"},    {"float32", "f32"}, {"float16", "f16"},
      {"bfloat16", "bf16"}, {"double", "f64"},  {"float64", "f64"},
      {"int32", "i32"},     {"int64", "i64"},   {"long", "i64"},
      {"uint8", "u8"},      {"byte", "u8"},     {"string", "str"},
      {"boolean", "bool"},  {"half", "f16"},    {"uint16", "u16"}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++)
    if (strcmp(row[i][0], word) == 0)
      return row[i][1];
  return NULL;
}

/* What a type would be if items were types: `nn.Linear`; or NULL. */
static const Symbol *type_item(const Elaborator *e, const TypeExpr *type) {
  const Name *part = type->path.part;
  const Entry *entry = file_find(e->frame->file, part->text);
  for (; entry && part->next; part = part->next)
    entry = entry->symbol->space
                ? file_find(entry->symbol->space, part->next->text)
                : NULL;
  return entry && entry->symbol->item ? entry->symbol : NULL;
}

bool type_refuse_item(Elaborator *e, const TypeExpr *type) {
  const Symbol *symbol = type_item(e, type);
  if (!symbol || symbol->space || symbol->item->kind == ITEM_DATASET)
    return false;
  Diagnostic error = error_begin(
      e, type->path.span, "E0214", "`%s` is a %s, not a type",
      path_text(e, &type->path), item_kind_name(symbol->item->kind));
  error_hint(e, &error,
             "functions take tensors and numbers; a module has other modules "
             "as members");
  error_send(e, &error);
  return true;
}

static Format fail_type_word(Elaborator *e, const TypeExpr *type,
                             const char *word) {
  if (type_refuse_item(e, type))
    return FORMAT_NONE;
  Diagnostic error =
      error_begin(e, type->path.span, "E0214", "unknown type `%s`", word);
  Candidates candidates = {0};
  for (int i = 0; i < FORMAT_COUNT; i++)
    vec_push(&candidates, format_info((Format)i)->text);
  for (size_t i = 0; i < 2; i++)
    vec_push(&candidates, compile_time_word[i]);
  const char *near = did_you_mean(e, word, &candidates);
  const char *same = foreign_type(word);
  if (same)
    error_hint(e, &error, "`%s`", same);
  else if (near)
    error_mark(e, &error, "%s", near);
  else if (strcmp(word, "Tensor") == 0 || strcmp(word, "tensor") == 0)
    error_hint(e, &error, "the shape alone, `[n, 4]`, is a tensor of reals");
  else
    error_hint(e, &error,
               "`real` lets the recipe choose; `f32` fixes the "
               "format");
  error_send(e, &error);
  return FORMAT_NONE;
}

/* Datasets and formats share the place of a type; a file's own names decide. */
bool type_is_dataset(Elaborator *e, const TypeExpr *type) {
  if (type->kind != TYPE_NAMED)
    return false;
  const Entry *entry = file_find(e->frame->file, type->path.part->text);
  return entry && (entry->symbol->item->kind == ITEM_DATASET ||
                   entry->symbol->space != NULL);
}

/* The words before a shape. */
Format type_format(Elaborator *e, const TypeExpr *type) {
  if (type->kind == TYPE_SHAPE)
    return FORMAT_REAL;
  if (type->kind == TYPE_TUPLE || type_is_dataset(e, type))
    return FORMAT_NONE;
  const char *word = path_text(e, &type->path);
  for (size_t i = 0; i < 2; i++)
    if (strcmp(word, compile_time_word[i]) == 0)
      return FORMAT_NONE;
  Format format = format_named(word, strlen(word));
  if (format == FORMAT_NONE)
    return fail_type_word(e, type, word);
  if (format_info(format)->kind != KIND_SCALE)
    return format;
  fail_scale_format(e, type->path.span, format);
  return FORMAT_NONE;
}

/* ---- declarations ------------------------------------------------------- */

/* `..s` is known where something bound it: in an optimizer, the weight's
 * shape. */
static bool resolve_pack(Elaborator *e, const Dim *dim, Sizes *sizes) {
  Variable *pack = dim->name ? variable_lookup(e, dim->name) : NULL;
  if (!pack || pack->value.kind != VALUE_PACK) {
    fail(e, dim->span, "E0307", "`%s` stands for no known sizes here",
         span_text(e, dim->span));
    return false;
  }
  const Sizes *bound = pack->value.as.pack;
  if (sizes->rank + bound->rank > MAX_RANK) {
    fail(e, dim->span, "E0308", "a tensor has at most %d axes", MAX_RANK);
    return false;
  }
  for (int i = 0; i < bound->rank; i++) {
    sizes->label[sizes->rank] = bound->label[i];
    sizes->dim[sizes->rank++] = bound->dim[i];
  }
  return true;
}

/* One declared size to a number. */
static bool resolve_dim(Elaborator *e, const Dim *dim, Sizes *sizes) {
  if (dim->kind == DIM_PACK)
    return resolve_pack(e, dim, sizes);
  if (dim->kind == DIM_BIND || dim_is_any(dim)) {
    fail(e, dim->span, "E0307",
         "`%s` has no value here: a declaration needs known sizes",
         span_text(e, dim->span));
    return false;
  }
  Value size = dim_eval(e, dim);
  if (value_is_poison(size))
    return false;
  if (size.kind != VALUE_INT || size.as.integer < 1) {
    fail(e, dim->span, "E0305",
         "a size is a whole number of at least 1, not %s",
         value_describe(e, size));
    return false;
  }
  sizes->label[sizes->rank] =
      span_is_builtin(e, dim->span) ? size_outside(size) : size.origin;
  sizes->dim[sizes->rank++] = size.as.integer;
  return true;
}

/* Nothing binds here: parameters, states and arguments of entries. */
const Type *type_resolve(Elaborator *e, const TypeExpr *type, bool *pinned,
                         const char *const **label) {
  if (type->kind == TYPE_TUPLE || type_is_dataset(e, type) ||
      type_is_word(type, "int") || type_is_word(type, "str")) {
    fail(e, type->span, "E0417", "`%s` is no type of a tensor",
         span_text(e, type->span));
    return NULL;
  }
  Format format = type_format(e, type);
  if (format == FORMAT_NONE || !dims_check(e, type))
    return NULL;
  Sizes *sizes = NEW(e->scratch, Sizes);
  for (const Dim *dim = type->dims; dim; dim = dim->next) {
    if (sizes->rank == MAX_RANK) {
      fail(e, type->span, "E0308", "a tensor has at most %d axes", MAX_RANK);
      return NULL;
    }
    if (!resolve_dim(e, dim, sizes))
      return NULL;
  }
  const Type *result =
      type_make(e->program->types, format, sizes->rank, sizes->dim);
  if (!result)
    fail(e, type->span, "E0309", "this tensor is too large");
  *pinned = format_is_float(format);
  *label = sizes->label;
  return result;
}
