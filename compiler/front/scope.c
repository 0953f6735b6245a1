/* Names: which value a name means where it stands.
 *
 * The order is fixed: what the function bound, then the members of the
 * instance, then the items of the file, then what every file knows (element
 * types, built-in operations, `step`, `training`, `inf`).
 */
#include "compiler/front/elaborate.h"

#include <math.h>
#include <string.h>

/* ---- scopes ------------------------------------------------------------- */

/* Names are interned: equal names are equal pointers. */
Variable *scope_find(const Scope *scope, const char *name) {
  for (Variable *v = scope->first; v; v = v->next)
    if (v->name == name)
      return v;
  return NULL;
}

/* A rebound name keeps its place in the list, so that truncating the list at
 * the end of a block never loses a name from outside it. */
Variable *scope_set(Elaborator *e, Scope *scope, const char *name, Value value,
                    Span span) {
  Variable *variable = scope_find(scope, name);
  if (!variable) {
    variable = NEW(e->scratch, Variable);
    variable->name = name;
    variable->next = scope->first;
    scope->first = variable;
  }
  variable->value = value;
  variable->span = span;
  variable->given = (Span){0};
  return variable;
}

/* Local names hide members. */
Variable *variable_lookup(Elaborator *e, const char *name) {
  Variable *variable = scope_find(&e->frame->locals, name);
  if (!variable && e->frame->instance)
    variable = scope_find(&e->frame->instance->scope, name);
  return variable;
}

/* ---- what every file knows ---------------------------------------------- */

/* What every file knows without an import: language.md calls it the prelude. */
static bool predeclared(Elaborator *e, const char *name, Span span,
                        Value *out) {
  Format format = format_named(name, strlen(name));
  const Builtin *builtin = builtin_find(name);
  if (format != FORMAT_NONE) {
    *out = (Value){.kind = VALUE_FORMAT, .as.format = format};
  } else if (builtin) {
    *out = (Value){.kind = VALUE_BUILTIN, .as.builtin = builtin};
  } else if (strcmp(name, "inf") == 0) {
    *out = value_real(INFINITY);
  } else if (strcmp(name, "training") == 0) {
    *out = e->builder
               ? value_bool(e->builder->graph->kind == ENTRY_TRAIN)
               : fail(e, span, "E0210",
                      "`training` is known inside train, eval and entry only");
  } else if (strcmp(name, "step") == 0) {
    *out = e->builder && e->builder->graph->kind == ENTRY_TRAIN
               ? (Value){.kind = VALUE_STEP}
               : fail(e, span, "E0210",
                      "`step`, the number of the training step, exists in "
                      "train only");
  } else {
    return false;
  }
  return true;
}

static void scope_candidates(const Scope *scope, Candidates *out) {
  for (const Variable *v = scope->first; v; v = v->next)
    vec_push(out, v->name);
}

/* What a call may have meant: models are called as m(x), and people try to
 * call modules. */
static bool item_is_callable(const Item *item) {
  return item->kind == ITEM_FN || item->kind == ITEM_MODEL ||
         item->kind == ITEM_MODULE;
}

/* Built-in names are offered for calls only: `x` and `exp` are near, but no
 * one meant one by the other. */
void candidates_in_scope(Elaborator *e, Candidates *out, bool called) {
  scope_candidates(&e->frame->locals, out);
  if (e->frame->instance)
    scope_candidates(&e->frame->instance->scope, out);
  const FileScope *file = e->frame->file;
  for (size_t i = 0; i < file->entry.length; i++)
    if (!called || item_is_callable(file->entry.data[i].symbol->item))
      vec_push(out, file->entry.data[i].name);
  size_t count;
  const Builtin *builtin = builtin_table(&count);
  for (size_t i = 0; called && i < count; i++)
    vec_push(out, builtin[i].name);
}

/* In a signature the likeliest slip is a missing `?`. */
static Value unknown_name(Elaborator *e, const char *name, Span span,
                          bool called) {
  if (e->frame->file->ast->lost)
    return fail_silent(e);
  Diagnostic error = error_begin(e, span, "E0201", "unknown %s `%s`",
                                 called ? "function" : "name", name);
  Candidates candidates = {0};
  candidates_in_scope(e, &candidates, called);
  const char *near = did_you_mean(e, name, &candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  else if (e->in_size)
    error_hint(e, &error, "in a signature `?%s` binds a size", name);
  return error_send(e, &error);
}

/* ---- items -------------------------------------------------------------- */

/* Constants have values in the order of the text. */
static Value constant_value(Elaborator *e, const Symbol *symbol, Span span) {
  if (symbol->state == SYMBOL_DONE)
    return symbol->value;
  Diagnostic error = error_begin(
      e, span, "E0211", "`%s` is used before it is defined", symbol->name);
  error_label(e, &error, symbol->item->name_span, "defined here");
  error_note(e, &error, "constants are read from top to bottom");
  return error_send(e, &error);
}

/* Functions, modules, recipes and the like stay symbols until they are used. */
Value symbol_value(Elaborator *e, const Symbol *symbol, Span span) {
  switch (symbol->item->kind) {
  case ITEM_CONST:
    return constant_value(e, symbol, span);
  case ITEM_MODEL:
    return model_value(e, symbol);
  case ITEM_FROM:
    return value_poison(); /* what could not be imported */
  case ITEM_IMPORT:
    return symbol->space ? (Value){.kind = VALUE_SYMBOL, .as.symbol = symbol}
                         : value_poison();
  default:
    return (Value){.kind = VALUE_SYMBOL, .as.symbol = symbol};
  }
}

/* In the body of a function that has the name of a built-in, a call of that
 * name is the built-in: no function calls itself, and one may wrap another. */
static bool wraps_builtin(const Elaborator *e, const Entry *entry) {
  const Item *item = entry->symbol->item;
  return item->kind == ITEM_FN && e->frame->function == &item->function &&
         builtin_find(entry->name) != NULL;
}

Value name_lookup(Elaborator *e, const char *name, Span span, bool called) {
  Variable *variable = variable_lookup(e, name);
  if (variable)
    return variable->value;
  const Entry *entry = file_find(e->frame->file, name);
  if (entry && !(called && wraps_builtin(e, entry)))
    return symbol_value(e, entry->symbol, span);
  Value value;
  if (predeclared(e, name, span, &value))
    return value;
  return unknown_name(e, name, span, called);
}
