/* Recipes: rules in the order of authority, parents first, the last match wins
 * (language.md 7).
 *
 * In: recipe items, `@recipe`, --recipe, --recipe-set. Out: Program.recipe with
 * every rule resolved. Rules of the main file and of --recipe-set are marked
 * `own`: a path of theirs that matches nothing is an error, which the passes
 * find, for they know all names.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

/* ---- selectors ---------------------------------------------------------- */

/* Indices may be constants of the file. */
static bool step_index(Elaborator *e, const Step *step, Buffer *out) {
  int64_t a, b;
  if (!eval_int(e, step->a, "an index", &a))
    return false;
  if (step->kind == STEP_INDEX) {
    buffer_printf(out, "[%" PRId64 "]", a);
    return true;
  }
  if (!eval_int(e, step->b, "an index", &b))
    return false;
  buffer_printf(out, "[%" PRId64 "..%" PRId64 "]", a, b);
  return true;
}

static bool step_text(Elaborator *e, const Step *step, bool first,
                      Buffer *out) {
  switch (step->kind) {
  case STEP_WORD:
    buffer_printf(out, "%s%s", first ? "" : ".", step->word);
    return true;
  case STEP_STAR:
    buffer_text(out, ".*");
    return true;
  case STEP_STARS:
    buffer_text(out, ".**");
    return true;
  case STEP_ALL:
    buffer_text(out, "[*]");
    return true;
  default:
    return step_index(e, step, out);
  }
}

/* In the syntax that selector_matches reads. */
const char *selector_path(Elaborator *e, const Step *path) {
  Buffer out = {0};
  for (const Step *step = path; step; step = step->next)
    if (!step_text(e, step, step == path, &out)) {
      buffer_free(&out);
      return NULL;
    }
  return intern(e->interner, buffer_take(e, &out));
}

/* A class or role is one word alone; anything longer is a path, even if it
 * begins with such a word. */
static bool selector_parse(Elaborator *e, const SelectorExpr *expr,
                           Selector *out) {
  *out = (Selector){.kind = SELECT_PATH, .span = expr->span};
  if (expr->function && strcmp(expr->function, "grad") != 0) {
    Diagnostic error =
        error_begin(e, expr->function_span, "E0505",
                    "unknown selector `%s(...)`", expr->function);
    const char *path = selector_path(e, expr->path);
    if (path)
      error_hint(e, &error, "`grad(%s)` selects a gradient", path);
    error_send(e, &error);
    return false;
  }
  if (expr->function)
    out->kind = SELECT_GRADIENT;
  bool word =
      !expr->function && expr->path->kind == STEP_WORD && !expr->path->next;
  if (word && selector_named(expr->path->word, &out->kind))
    return true;
  out->path = selector_path(e, expr->path);
  return out->path != NULL;
}

/* All of a rule is checked before it is given up. */
static bool rule_parse(Elaborator *e, const RuleExpr *expr, bool own,
                       Rule *out) {
  *out = (Rule){.own = own, .span = expr->span};
  bool fine = settings_parse(e, expr->settings, &out->settings);
  for (const SelectorExpr *s = expr->selectors; s; s = s->next) {
    Selector selector;
    if (selector_parse(e, s, &selector))
      vec_push(&out->selector, selector);
    else
      fine = false;
  }
  if (!fine)
    vec_free(&out->selector);
  return fine;
}

/* Each value is held against each selector by several passes. */
static void check_selectors(Elaborator *e, const Recipe *recipe, Span span) {
  int64_t most = limit_of(e, LIMIT_selectors), count = 0;
  for (size_t i = 0; i < recipe->rule.length; i++)
    count += (int64_t)recipe->rule.data[i].selector.length;
  if (count > most)
    fail_limit(e, span, LIMIT_selectors,
               "recipe %s has more than %" PRId64 " selectors", recipe->name,
               most);
}

static void rules_add(Elaborator *e, const RuleExpr *rules, bool own,
                      Recipe *recipe) {
  for (const RuleExpr *expr = rules; expr; expr = expr->next) {
    Rule rule;
    if (rule_parse(e, expr, own, &rule))
      vec_push(&recipe->rule, rule);
  }
  if (rules)
    check_selectors(e, recipe, rules->span);
}

/* ---- finding a recipe by name ------------------------------------------- */

static void recipe_names(const FileScope *file, Candidates *out) {
  for (size_t i = 0; i < file->entry.length; i++)
    if (file->entry.data[i].symbol->item->kind == ITEM_RECIPE)
      vec_push(out, file->entry.data[i].name);
}

/* `text` is a name or names with dots, seen from `file`. */
static const Symbol *recipe_lookup(Elaborator *e, const FileScope *file,
                                   const char *text) {
  for (;;) {
    size_t length = strcspn(text, ".");
    const char *part = intern_n(e->interner, text, length);
    const Entry *entry = file ? file_find(file, part) : NULL;
    if (!entry)
      return NULL;
    if (!text[length])
      return entry->symbol->item->kind == ITEM_RECIPE ? entry->symbol : NULL;
    file = entry->symbol->space;
    text += length + 1;
  }
}

/* `recipes.fp8` of the standard library, imported or not. */
static const Symbol *standard_recipe(Elaborator *e, const char *text) {
  bool standard = strncmp(text, "recipes.", 8) == 0;
  return standard ? recipe_lookup(e, file_standard(e, "recipes"), text + 8)
                  : NULL;
}

/* With the list: there are few recipes, and each name tells. */
static const Symbol *fail_recipe(Elaborator *e, const char *text, Span span,
                                 const FileScope *file, bool option) {
  if (file->ast->lost) {
    fail_silent(e);
    return NULL;
  }
  const FileScope *standard = file_standard(e, "recipes");
  const char *last = strrchr(text, '.');
  last = last ? last + 1 : text;
  Candidates candidates = {0};
  recipe_names(file, &candidates);
  recipe_names(standard, &candidates);
  const char *near = nearest_name(last, candidates.data, candidates.length);
  Diagnostic error =
      option ? error_begin(e, span, "E0501",
                           "--recipe=%s: there is no recipe of that name", text)
             : error_begin(e, span, "E0501", "unknown recipe `%s`", text);
  if (!option && standard_recipe(e, text)) {
    error_mark(e, &error, "this file does not import `recipes`");
    error_hint(e, &error, "`import recipes`, or `%s` alone", last);
  } else if (near && option)
    error_hint(e, &error, "--recipe=%s", near);
  else if (near)
    error_mark(e, &error, "did you mean `%s`?", near);
  Buffer list = {0};
  for (size_t i = 0; i < candidates.length; i++)
    buffer_printf(&list, "%s%s", i ? ", " : "", candidates.data[i]);
  error_note(e, &error, "recipes: %s", buffer_take(e, &list));
  vec_free(&candidates);
  error_send(e, &error);
  return NULL;
}

/* In the file, then in the standard library: for @recipe, parents, --recipe. */
static const Symbol *recipe_named(Elaborator *e, const FileScope *file,
                                  const char *text) {
  const Symbol *symbol = recipe_lookup(e, file, text);
  return symbol ? symbol : recipe_lookup(e, file_standard(e, "recipes"), text);
}

static const Symbol *recipe_find(Elaborator *e, const FileScope *file,
                                 const char *text, Span span) {
  const Symbol *symbol = recipe_named(e, file, text);
  return symbol ? symbol : fail_recipe(e, text, span, file, false);
}

/* A command line cannot import: there `recipes.` goes without saying. */
static const Symbol *recipe_option(Elaborator *e, const FileScope *file) {
  const char *text = e->options->recipe;
  const Symbol *symbol = recipe_named(e, file, text);
  if (!symbol)
    symbol = standard_recipe(e, text);
  return symbol ? symbol : fail_recipe(e, text, (Span){0}, file, true);
}

/* ---- inheritance -------------------------------------------------------- */

/* Adds the rules of a recipe and before them those of its parents. */
static bool inherit(Elaborator *e, const Symbol *symbol, Recipe *recipe) {
  Symbol *self = file_find(symbol->file, symbol->name)->symbol;
  const Item *item = symbol->item;
  if (self->state == SYMBOL_ACTIVE) {
    fail(e, item->path.span, "E0506", "recipe %s inherits from itself",
         symbol->name);
    return false;
  }
  self->state = SYMBOL_ACTIVE;
  bool fine = true;
  if (item->has_path) {
    const Symbol *parent = recipe_find(
        e, symbol->file, path_text(e, &item->path), item->path.span);
    fine = parent && inherit(e, parent, recipe);
  }
  Frame frame = {.file = symbol->file};
  Builder *builder = e->builder;
  e->builder = NULL;
  frame_push(e, &frame);
  rules_add(e, item->rules, symbol->file->main, recipe);
  frame_pop(e);
  e->builder = builder;
  self->state = SYMBOL_NEW;
  return fine;
}

/* A recipe of the file may bear the name of its parent. */
static const char *unused_name(Elaborator *e, const char *name) {
  const char *unused = name;
  for (int i = 2; program_recipe(e->program, unused); i++)
    unused = text_printf(e, "%s_%d", name, i);
  return intern(e->interner, unused);
}

/* The name under which a recipe stands in Program.recipe. */
static const char *recipe_resolve(Elaborator *e, const Symbol *symbol) {
  for (size_t i = 0; i < e->recipe.length; i++)
    if (e->recipe.data[i] == symbol)
      return e->program->recipe.data[i].name;
  Recipe recipe = {.name = unused_name(e, symbol->name)};
  bool fine = inherit(e, symbol, &recipe);
  Frame frame = {.file = e->main};
  Builder *builder = e->builder;
  e->builder = NULL;
  frame_push(e, &frame);
  for (size_t i = 0; i < e->recipe_set.length; i++)
    rules_add(e, e->recipe_set.data[i], true, &recipe);
  frame_pop(e);
  e->builder = builder;
  if (!fine) {
    recipe_free(&recipe);
    return NULL;
  }
  vec_push(&e->program->recipe, recipe);
  vec_push(&e->recipe, symbol);
  return recipe.name;
}

/* ---- which recipe ------------------------------------------------------- */

static const Symbol *attribute_recipe(Elaborator *e, const FileScope *file,
                                      const Attribute *attribute) {
  const Arg *arg = attribute->args;
  if (!arg || arg->next || arg->name) {
    fail(e, attribute->span, "E0222", "@recipe takes the name of a recipe");
    return NULL;
  }
  return recipe_find(e, file, expr_text(e, arg->value), arg->value->span);
}

/* Own attribute, then that of train, then f32: a program that asks for
 * nothing gets plain arithmetic. */
const char *recipe_of_entry(Elaborator *e, FileScope *file, const Item *item,
                            const Item *train) {
  const Attribute *attribute = attribute_find(item->attributes, "recipe");
  if (!attribute && train)
    attribute = attribute_find(train->attributes, "recipe");
  const Symbol *named = attribute ? attribute_recipe(e, file, attribute) : NULL;
  const Symbol *symbol = named;
  if (e->options->recipe)
    symbol = recipe_option(e, file);
  else if (!attribute)
    symbol = recipe_lookup(e, file_standard(e, "recipes"), "f32");
  return symbol ? recipe_resolve(e, symbol) : NULL;
}

/* Each is a source of its own for messages. */
static void parse_recipe_set(Elaborator *e) {
  for (size_t i = 0; i < e->options->recipe_set_count; i++) {
    const RuleExpr *rule =
        parse_rule_text(e->scratch, e->interner, e->sources, "--recipe-set",
                        e->options->recipe_set[i], e->diagnostics);
    if (rule)
      vec_push(&e->recipe_set, rule);
  }
}

/* Recipes that nothing uses are checked too. */
void recipes_check(Elaborator *e, FileScope *file) {
  parse_recipe_set(e);
  for (const Item *item = file->ast->items; item; item = item->next) {
    const Entry *entry =
        item->kind == ITEM_RECIPE ? file_find(file, item->name) : NULL;
    if (!entry || entry->symbol->item != item)
      continue;
    Recipe recipe = {.name = item->name};
    inherit(e, entry->symbol, &recipe);
    recipe_free(&recipe);
  }
}
