/* Items: what a file defines, its constants and top-level asserts.
 *
 * Items may come in any order; constants are read from top to bottom, after
 * `-D` options replaced their values. Everything else is elaborated when it is
 * used.
 */
#include "compiler/front/foreign.h"

#include <ctype.h>
#include <string.h>

/* The word for messages: "the module `MLP` cannot be called". */
const char *item_kind_name(ItemKind kind) {
  static const char *const name[] = {
      [ITEM_IMPORT] = "import",       [ITEM_FROM] = "import",
      [ITEM_CONST] = "constant",      [ITEM_ASSERT] = "assert",
      [ITEM_FN] = "function",         [ITEM_MODULE] = "module",
      [ITEM_OPTIMIZER] = "optimizer", [ITEM_MODEL] = "model",
      [ITEM_RECIPE] = "recipe",       [ITEM_DATASET] = "dataset",
      [ITEM_WEIGHTS] = "weights",     [ITEM_ENTRY] = "entry",
      [ITEM_TRAIN] = "train",         [ITEM_EVAL] = "eval",
      [ITEM_GENERATE] = "generate"};
  return name[kind];
}

/* ---- the table of a file ------------------------------------------------ */

/* Names of the text are interned. */
Entry *file_find(const FileScope *file, const char *name) {
  uint32_t index = word_map_get(&file->index, name);
  return index ? &file->entry.data[index - 1] : NULL;
}

/* The first definition of a name stays. */
static void define(Elaborator *e, FileScope *file, const char *name,
                   Symbol *symbol, Span span) {
  const Entry *old = file_find(file, name);
  if (!old) {
    vec_push(&file->entry, (Entry){name, symbol, span});
    word_map_set(&file->index, name, (uint32_t)file->entry.length);
    return;
  }
  Diagnostic error =
      error_begin(e, span, "E0204", "`%s` is defined twice", name);
  error_label(e, &error, old->span, "first here");
  error_send(e, &error);
}

/* A symbol is one item of one file; several files may have a name for it. */
static Symbol *symbol_new(Elaborator *e, FileScope *file, const Item *item) {
  Symbol *symbol = NEW(e->scratch, Symbol);
  symbol->name = item->name;
  symbol->item = item;
  symbol->file = file;
  symbol->index = -1;
  return symbol;
}

/* ---- imports ------------------------------------------------------------ */

/* An import that failed still defines its name, as poison: what uses it is
 * silent. */
static void define_import(Elaborator *e, FileScope *file, const Item *item) {
  FileScope *space = import_file(e, file, item);
  Symbol *symbol = symbol_new(e, file, item);
  symbol->space = space;
  if (!space) {
    symbol->state = SYMBOL_DONE;
    symbol->value = value_poison();
  }
  define(e, file, item->name, symbol, item->name_span);
}

static void fail_from(Elaborator *e, const FileScope *space, const Name *name) {
  if (space->ast->lost) {
    fail_silent(e);
    return;
  }
  Diagnostic error =
      error_begin(e, name->span, "E0201", "%s has no item `%s`",
                  sources_get(e->sources, space->source)->name, name->text);
  Candidates candidates = {0};
  for (size_t i = 0; i < space->entry.length; i++)
    vec_push(&candidates, space->entry.data[i].name);
  const char *near = did_you_mean(e, name->text, &candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  error_send(e, &error);
}

/* `from` gives this file a name for another file's symbol; no copy is made. */
static void define_from(Elaborator *e, FileScope *file, const Item *item) {
  FileScope *space = import_file(e, file, item);
  for (const Name *name = item->names; name; name = name->next) {
    Entry *entry = space ? file_find(space, name->text) : NULL;
    if (entry) {
      define(e, file, name->text, entry->symbol, name->span);
      continue;
    }
    if (space)
      fail_from(e, space, name);
    Symbol *symbol = symbol_new(e, file, item);
    symbol->state = SYMBOL_DONE;
    symbol->value = value_poison();
    define(e, file, name->text, symbol, name->span);
  }
}

/* ---- constants ---------------------------------------------------------- */

/* The -D option for a constant of this file, or count; of several the last,
 * and the others are spent. */
static size_t define_option(Elaborator *e, const FileScope *file,
                            const char *name) {
  const FrontOptions *options = e->options;
  size_t found = options->define_count;
  for (size_t i = 0; i < options->define_count; i++) {
    const char *given = options->define[i].name;
    const char *dot = strchr(given, '.');
    bool here =
        dot ? file->known_as &&
                  strncmp(given, file->known_as, (size_t)(dot - given)) == 0 &&
                  file->known_as[dot - given] == '\0'
            : file->main;
    if (!here || strcmp(dot ? dot + 1 : given, name) != 0)
      continue;
    if (found < i)
      e->define_used[found] = true;
    found = i;
  }
  return found;
}

/* The kinds of the default and of the given value must agree. */
static Value convert_override(Elaborator *e, const Item *item, Value standard,
                              Value given, Span span) {
  if (value_is_poison(given) || value_is_poison(standard))
    return given;
  if (standard.kind == VALUE_REAL && given.kind == VALUE_INT)
    return value_real((double)given.as.integer);
  if (standard.kind == given.kind)
    return given;
  return fail(e, span, "E0418", "`%s` is %s; it cannot become %s", item->name,
              value_describe(e, standard), value_describe(e, given));
}

/* `-D NAME=data/a.npy` for a string: no expression that could be one. */
static bool lacks_quotes(Elaborator *e, const Item *item, Value standard,
                         const char *text) {
  bool string =
      item->value
          ? standard.kind == VALUE_STRING
          : item->type && strcmp(span_text(e, item->type->span), "str") == 0;
  size_t length = 0;
  while (isalnum((unsigned char)text[length]) || text[length] == '_')
    length++;
  return string && !strchr(text, '"') && !isdigit((unsigned char)*text) &&
         !file_find(e->frame->file, intern_n(e->interner, text, length));
}

static Value fail_quotes(Elaborator *e, const Define *given, Span span) {
  Diagnostic error = error_begin(
      e, span, "E0418", "-D %s: a string stands in quotes", given->name);
  error_hint(e, &error, "`-D '%s=\"%s\"'`, as the shell passes quotes on",
             given->name, given->text);
  return error_send(e, &error);
}

/* The text after `-D NAME=` is an expression of the language, a source of
 * its own for messages. */
static Value override_constant(Elaborator *e, const Item *item, size_t option,
                               Value standard) {
  const Define *given = &e->options->define[option];
  e->define_used[option] = true;
  if (lacks_quotes(e, item, standard, given->text))
    return fail_quotes(e, given, item->name_span);
  Expr *expr = parse_expr_text(e->scratch, e->interner, e->sources,
                               text_printf(e, "-D %s", given->name),
                               given->text, e->diagnostics);
  if (!expr)
    return value_poison();
  Value value = eval(e, expr);
  return item->value ? convert_override(e, item, standard, value, expr->span)
                     : value;
}

static Value fail_missing(Elaborator *e, const Item *item) {
  Diagnostic error =
      error_begin(e, item->name_span, "E0209", "`%s` has no value", item->name);
  error_hint(e, &error, "`-D %s=...` on the command line, or `const %s = ...`",
             item->name, item->name);
  return error_send(e, &error);
}

/* What a constant can be. */
static bool is_scalar(Value value) {
  return value_is_number(value) || value.kind == VALUE_BOOL ||
         value.kind == VALUE_STRING || value.kind == VALUE_LIST;
}

/* The default is evaluated even when -D replaces it: it says what kind of
 * value the constant has, and its mistakes are mistakes. */
static void define_constant(Elaborator *e, FileScope *file, const Item *item) {
  Symbol *symbol = file_find(file, item->name)->symbol;
  size_t option = define_option(e, file, item->name);
  bool given = option < e->options->define_count;
  Value value = item->value ? eval(e, item->value) : value_poison();
  if (given)
    value = override_constant(e, item, option, value);
  else if (!item->value)
    value = fail_missing(e, item);
  if (!value_is_poison(value) && !is_scalar(value))
    value = fail(e, item->value->span, "E0419",
                 "a constant is a number, true or false, or a string, not %s",
                 value_describe(e, value));
  if (item->type)
    value = constant_convert(e, value, item->type, item->name,
                             item->value ? item->value->span : item->name_span);
  if (symbol->item != item)
    return; /* the second of two; diagnosed */
  symbol->value = value;
  symbol->state = SYMBOL_DONE;
}

/* ---- asserts ------------------------------------------------------------ */

/* "D = 770, H = 12" of the names in a condition. */
static void name_values(Elaborator *e, const Expr *expr, Buffer *out) {
  if (!expr)
    return;
  if (expr->kind == EXPR_NAME &&
      !strstr(out->data ? out->data : "",
              text_printf(e, "%s = ", expr->text)) &&
      (variable_lookup(e, expr->text) ||
       file_find(e->frame->file, expr->text))) {
    Value value = eval(e, expr);
    if (is_scalar(value) && value.kind != VALUE_LIST)
      buffer_printf(out, "%s%s = %s", out->length ? ", " : "", expr->text,
                    value_text(e, value));
  }
  if (expr->kind == EXPR_UNARY || expr->kind == EXPR_BINARY)
    name_values(e, expr->left, out);
  if (expr->kind == EXPR_BINARY)
    name_values(e, expr->right, out);
}

/* Asserts run after -D, so they see the values that count. */
void check_assert(Elaborator *e, const Expr *condition, const char *message) {
  bool holds;
  if (!eval_condition(e, condition, "assert", &holds) || holds)
    return;
  Diagnostic error =
      message ? error_begin(e, condition->span, "E0705", "assertion failed: %s",
                            message)
              : error_begin(e, condition->span, "E0705", "assertion failed");
  Buffer values = {0};
  name_values(e, condition, &values);
  if (values.length)
    error_mark(e, &error, "%s", values.data);
  buffer_free(&values);
  error_send(e, &error);
}

/* ---- a whole file ------------------------------------------------------- */

static void refuse_attributes(Elaborator *e, const Item *item) {
  bool entry = item->kind == ITEM_TRAIN || item->kind == ITEM_EVAL ||
               item->kind == ITEM_ENTRY;
  if (item->kind == ITEM_FN)
    attributes_check_remat(e, item->attributes, item_kind_name(item->kind));
  else if (!entry)
    attributes_refuse(e, item->attributes, item_kind_name(item->kind));
}

/* ---- parameters --------------------------------------------------------- */

static void fail_twice(Elaborator *e, const char *name, Span span, Span first,
                       const char *text) {
  Diagnostic error =
      error_begin(e, span, "E0204", "parameter `%s` is defined twice", name);
  error_label(e, &error, first, "%s", text);
  error_send(e, &error);
}

/* Each name once: the callee could not say which one it means. */
static void check_formals(Elaborator *e, const Formal *formals) {
  names_begin(e);
  for (const Formal *formal = formals; formal; formal = formal->next) {
    if (!name_twice(e, formal->name) || e->stopped)
      continue;
    const Formal *other = formals;
    while (other->name != formal->name)
      other = other->next;
    fail_twice(e, formal->name, formal->span, other->span, "first here");
  }
}

static void check_members(Elaborator *e, const Member *members) {
  for (const Member *member = members; member; member = member->next) {
    if (member->kind == MEMBER_FN)
      check_formals(e, member->function.formals);
    check_members(e, member->body);
    check_members(e, member->otherwise);
  }
}

/* Whether or not anything uses the item. */
static void check_parameters(Elaborator *e, const Item *item) {
  check_formals(e, item->formals);
  check_formals(e, item->function.formals);
  check_members(e, item->members);
  for (const Formal *f = item->weight ? item->formals : NULL; f; f = f->next)
    if (f->name == item->weight)
      fail_twice(e, f->name, f->span, item->name_span,
                 "its weight is called so too");
  for (const Formal *f = item->sizes ? item->function.formals : NULL; f;
       f = f->next)
    if (f->name == item->sizes->name)
      fail_twice(e, f->name, f->span, item->sizes->span,
                 "the size is called so too");
}

/* ---- all items ---------------------------------------------------------- */

/* Imports are followed here, in the order of the text; everything else
 * waits. */
static void define_items(Elaborator *e, FileScope *file) {
  for (const Item *item = file->ast->items; item; item = item->next) {
    refuse_attributes(e, item);
    check_parameters(e, item);
    if (item->kind == ITEM_IMPORT)
      define_import(e, file, item);
    else if (item->kind == ITEM_FROM)
      define_from(e, file, item);
    else if (item->kind != ITEM_ASSERT && item->kind != ITEM_WEIGHTS)
      define(e, file, item->name, symbol_new(e, file, item), item->name_span);
  }
}

/* Compile-time code: no graph is under construction while a file is read. */
void file_define(Elaborator *e, FileScope *file) {
  Frame frame = {.file = file};
  Builder *builder = e->builder;
  e->builder = NULL;
  frame_push(e, &frame);
  define_items(e, file);
  for (const Item *item = file->ast->items; item; item = item->next) {
    if (item->kind == ITEM_CONST)
      define_constant(e, file, item);
    else if (item->kind == ITEM_ASSERT)
      check_assert(e, item->value, item->file);
  }
  frame_pop(e);
  e->builder = builder;
}

/* ---- dotted names ------------------------------------------------------- */

const char *path_text(Elaborator *e, const Path *path) {
  Buffer out = {0};
  for (const Name *part = path->part; part; part = part->next)
    buffer_printf(&out, "%s%s", part == path->part ? "" : ".", part->text);
  return buffer_take(e, &out);
}

/* `owner`: the import that was searched; NULL at the first word of a path. */
static const Symbol *fail_path(Elaborator *e, const FileScope *file,
                               const Name *part, const char *owner,
                               unsigned kinds, const char *what) {
  if (file->ast->lost || cause_reported(e, part->text, file)) {
    fail_silent(e);
    return NULL;
  }
  Candidates candidates = {0};
  for (size_t i = 0; i < file->entry.length; i++) {
    const Entry *entry = &file->entry.data[i];
    bool wanted = kinds >> entry->symbol->item->kind & 1;
    if (wanted || (!owner && entry->symbol->space && part->next))
      vec_push(&candidates, entry->name);
  }
  Diagnostic error =
      owner ? error_begin(e, part->span, "E0201", "%s has no %s `%s`", owner,
                          what, part->text)
            : error_begin(e, part->span, "E0201", "unknown %s `%s`",
                          part->next ? "import" : what, part->text);
  const char *near = did_you_mean(e, part->text, &candidates);
  const char *library =
      owner || part->next ? NULL : library_hint(e, file, part->text, kinds);
  if (!owner && part->next && import_is_standard(part->text))
    error_hint(e, &error, "`import %s`", part->text);
  else if (library)
    error_hint(e, &error, "%s", library);
  else if (near)
    error_mark(e, &error, "%s", near);
  error_send(e, &error);
  return NULL;
}

/* All words but the last name imports. */
const Symbol *path_resolve(Elaborator *e, const FileScope *file,
                           const Path *path, unsigned kinds, const char *what) {
  const char *owner = NULL;
  for (const Name *part = path->part; part; part = part->next) {
    const Entry *entry = file_find(file, part->text);
    const Symbol *symbol = entry ? entry->symbol : NULL;
    bool import = symbol && (symbol->item->kind == ITEM_IMPORT ||
                             symbol->item->kind == ITEM_FROM);
    if (import && !symbol->space)
      return NULL; /* it failed and was diagnosed */
    bool last = !part->next;
    if (!symbol || (!last && !symbol->space))
      return fail_path(e, file, part, owner, kinds, what);
    if (last && (kinds >> symbol->item->kind & 1))
      return symbol;
    if (last) {
      fail(e, part->span, "E0202", "`%s` is %s %s, not %s %s", part->text,
           strchr("aeio", *item_kind_name(symbol->item->kind)) ? "an" : "a",
           item_kind_name(symbol->item->kind),
           strchr("aeio", *what) ? "an" : "a", what);
      return NULL;
    }
    file = symbol->space;
    owner = part->text;
  }
  return NULL;
}
