/* Names: which value a name means where it stands.
 *
 * The order is fixed: what the function bound, then the members of the
 * instance, then the items of the file, then the prelude: element types,
 * built-in operations, `step`, `training`, `inf`.
 */
#include "compiler/front/foreign.h"

#include <math.h>

/* ---- scopes ------------------------------------------------------------- */

/* So many names are found as fast by going through them. */
enum { FEW_NAMES = 16 };

static Variable **slot_of(const Scope *scope, const char *name) {
  size_t hash = ((uintptr_t)name >> 3) * 0x9e3779b97f4a7c15u >> 20;
  return &scope->slot[hash & (scope->slots - 1)];
}

/* Names are interned: equal names are equal pointers. */
Variable *scope_find(const Scope *scope, const char *name) {
  if (scope->slots > 0) {
    Variable *v = *slot_of(scope, name);
    while (v && v->name != name)
      v = v->beside;
    return v;
  }
  for (Variable *v = scope->first; v; v = v->next)
    if (v->name == name)
      return v;
  return NULL;
}

static void put_in_slot(const Scope *scope, Variable *variable) {
  Variable **slot = slot_of(scope, variable->name);
  variable->beside = *slot;
  *slot = variable;
}

/* The newest name of the list, which is counted already, gets a slot. Slots
 * stay when a block ends, however few names are left. */
static void scope_index(Elaborator *e, Scope *scope) {
  if (scope->count <= FEW_NAMES && scope->slots == 0)
    return;
  if (scope->count <= scope->slots) {
    put_in_slot(scope, scope->first);
    return;
  }
  scope->slots = scope->slots ? 2 * scope->slots : 4 * FEW_NAMES;
  scope->slot = NEW_ARRAY(e->scratch, Variable *, scope->slots);
  for (Variable *v = scope->first; v; v = v->next)
    put_in_slot(scope, v);
}

static void leave_slot(const Scope *scope, const Variable *variable) {
  if (scope->slots == 0)
    return;
  Variable **slot = slot_of(scope, variable->name);
  while (*slot != variable)
    slot = &(*slot)->beside;
  *slot = variable->beside;
}

void scope_cut(Elaborator *e, Scope *scope, const Variable *outer) {
  while (scope->first != outer) {
    Variable *variable = scope->first;
    leave_slot(scope, variable);
    scope->first = variable->next;
    scope->count--;
    variable->next = e->spare;
    e->spare = variable;
  }
}

static Variable *variable_new(Elaborator *e) {
  Variable *variable = e->spare;
  if (!variable)
    return NEW(e->scratch, Variable);
  e->spare = variable->next;
  *variable = (Variable){0};
  return variable;
}

/* A rebound name keeps its place in the list, so that truncating the list at
 * the end of a block never loses a name from outside it. */
Variable *scope_set(Elaborator *e, Scope *scope, const char *name, Value value,
                    Span span) {
  Variable *variable = scope_find(scope, name);
  if (!variable) {
    variable = variable_new(e);
    variable->name = name;
    variable->next = scope->first;
    scope->first = variable;
    scope->count++;
    scope_index(e, scope);
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

/* ---- lists of names ------------------------------------------------------ */

void names_begin(Elaborator *e) {
  e->list++;
}

bool name_twice(Elaborator *e, const char *name) {
  bool twice = word_map_get(&e->listed, name) == e->list;
  word_map_set(&e->listed, name, e->list);
  return twice;
}

/* ---- what every file knows ---------------------------------------------- */

/* Numbers of the prelude's names: these, formats, built-in operations. */
enum {
  PRELUDE_INF = 1,
  PRELUDE_TRAINING,
  PRELUDE_STEP,
  PRELUDE_FORMAT,
  PRELUDE_BUILTIN = PRELUDE_FORMAT + FORMAT_COUNT
};

static void prelude_add(Elaborator *e, const char *name, int number) {
  word_map_set(&e->prelude, intern(e->interner, name), (uint32_t)number);
}

/* What every file knows without an import: language.md calls it the prelude. */
void prelude_define(Elaborator *e) {
  prelude_add(e, "inf", PRELUDE_INF);
  prelude_add(e, "training", PRELUDE_TRAINING);
  prelude_add(e, "step", PRELUDE_STEP);
  size_t count;
  const Builtin *builtin = builtin_table(&count);
  for (size_t i = 0; i < count; i++)
    prelude_add(e, builtin[i].name, PRELUDE_BUILTIN + (int)i);
  for (int i = 0; i < FORMAT_COUNT; i++)
    prelude_add(e, format_info((Format)i)->text, PRELUDE_FORMAT + i);
}

static bool predeclared(Elaborator *e, const char *name, Span span,
                        Value *out) {
  int number = (int)word_map_get(&e->prelude, name);
  if (number >= PRELUDE_BUILTIN) {
    size_t count;
    const Builtin *table = builtin_table(&count);
    *out = (Value){.kind = VALUE_BUILTIN,
                   .as.builtin = &table[number - PRELUDE_BUILTIN]};
  } else if (number >= PRELUDE_FORMAT) {
    *out = (Value){.kind = VALUE_FORMAT,
                   .as.format = (Format)(number - PRELUDE_FORMAT)};
  } else if (number == PRELUDE_INF) {
    *out = value_real(INFINITY);
  } else if (number == PRELUDE_TRAINING) {
    *out = e->builder
               ? value_bool(e->builder->graph->kind == ENTRY_TRAIN)
               : fail(e, span, "E0210",
                      "`training` is known inside train, eval and entry only");
  } else if (number == PRELUDE_STEP) {
    *out = e->builder && e->builder->graph->kind == ENTRY_TRAIN
               ? (Value){.kind = VALUE_STEP}
               : fail(e, span, "E0210",
                      "`step`, the number of the training step, exists in "
                      "train only");
  }
  return number != 0;
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
    if (called ? item_is_callable(file->entry.data[i].symbol->item)
               : !item_is_entry(file->entry.data[i].symbol->item))
      vec_push(out, file->entry.data[i].name);
  size_t count;
  const Builtin *builtin = builtin_table(&count);
  for (size_t i = 0; called && i < count; i++)
    vec_push(out, builtin[i].name);
}

/* What another language calls so, an item of the library, or the library. */
static bool hint_elsewhere(Elaborator *e, Diagnostic *error, const char *name,
                           bool called) {
  const char *same = called ? foreign_function(name) : NULL;
  const char *hint = called ? foreign_function_hint(e, name, e->call) : NULL;
  if (!same && !hint && called)
    hint = library_hint(e, e->frame->file, name,
                        1u << ITEM_FN | 1u << ITEM_MODULE);
  if (!same && !hint && !called && import_is_standard(name))
    hint = text_printf(e, "`import %s`", name);
  if (same)
    error_mark(e, error, "did you mean `%s`?", same);
  if (hint)
    error_hint(e, error, "%s", hint);
  return same || hint;
}

/* The name lived in a loop and no longer. */
static bool mark_ended(Elaborator *e, Diagnostic *error, const char *name,
                       Span span) {
  Span bound = bound_in_loop(e->frame->file, name, span);
  if (!bound.source)
    return false;
  error_label(e, error, bound, "bound here, in a loop");
  error_note(e, error, "a name first bound in a loop ends with each turn");
  error_hint(e, error, "bind `%s` before the loop: the loop then carries it",
             name);
  return true;
}

/* The member of that name under an `if` of the list, or NULL; *under: that
 * `if`. */
static const Name *conditional_member(const Member *members, const char *name,
                                      const Member **under) {
  for (const Member *m = members; m; m = m->next) {
    if (m->kind != MEMBER_IF)
      continue;
    for (int branch = 0; branch < 2; branch++) {
      const Member *list = branch ? m->otherwise : m->body;
      const Name *found = conditional_member(list, name, under);
      if (found)
        return found;
      for (const Member *in = list; in; in = in->next)
        for (const Name *n = in->names; n; n = n->next)
          if (n->text == name) {
            *under = m;
            return n;
          }
    }
  }
  return NULL;
}

/* The module has such a member, but for other arguments. */
static bool mark_conditional(Elaborator *e, Diagnostic *error,
                             const char *name) {
  const Instance *instance = e->frame->instance;
  const Member *under = NULL;
  const Name *member =
      instance
          ? conditional_member(instance->symbol->item->members, name, &under)
          : NULL;
  if (!member)
    return false;
  error_label(e, error, member->span, "not there, as `%s` decides",
              expr_text(e, under->value));
  error_hint(e, error, "use `%s` under the same `if`", name);
  return true;
}

/* In a signature the likeliest slip is a missing `?`. */
static Value unknown_name(Elaborator *e, const char *name, Span span,
                          bool called) {
  if (e->frame->file->ast->lost || cause_reported(e, name, e->frame->file))
    return fail_silent(e);
  Diagnostic error = error_begin(e, span, "E0201", "unknown %s `%s`",
                                 called ? "function" : "name", name);
  if (diagnostics_full(e->diagnostics) || mark_ended(e, &error, name, span) ||
      mark_conditional(e, &error, name) ||
      hint_elsewhere(e, &error, name, called))
    return error_send(e, &error);
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
         word_map_get(&e->prelude, entry->name) >= PRELUDE_BUILTIN;
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
