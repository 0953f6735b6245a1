/* Attributes: `@epochs(10)` and its kin on entries, `@cast(e4m3)` and its kin
 * on bindings, `@remat` on what computes; everywhere else they are refused.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

/* Run settings of train, by the field they fill. */
static const struct {
  const char *word;
  size_t offset;
} setting[] = {
    {"epochs", offsetof(RunSettings, epochs)},
    {"steps", offsetof(RunSettings, steps)},
    {"log_every", offsetof(RunSettings, log_every)},
    {"eval_every", offsetof(RunSettings, eval_every)},
    {"save_every", offsetof(RunSettings, save_every)},
    {"seed", offsetof(RunSettings, seed)},
};
enum { SETTINGS = sizeof setting / sizeof setting[0] };

/* On bindings: built-ins in prefix form, and two words of their own. */
static const char *const numeric[] = {
    "cast",      "cast_grad",      "rescale", "rescale_grad",
    "set_scale", "set_scale_grad", "unscale"};
enum { NUMERIC = sizeof numeric / sizeof numeric[0] };

/* The others, for did-you-mean. */
static const char *const plain[] = {"recipe", "name", "probe", "remat"};
enum { PLAIN = sizeof plain / sizeof plain[0] };

static bool is_numeric(const char *word) {
  for (int i = 0; i < NUMERIC; i++)
    if (strcmp(numeric[i], word) == 0)
      return true;
  return false;
}

static bool is_remat(const Attribute *attribute) {
  return strcmp(attribute->word, "remat") == 0;
}

static void fail_attribute(Elaborator *e, const Attribute *attribute,
                           const char *where) {
  Diagnostic error =
      error_begin(e, attribute->span, "E0213", "@%s has no meaning on %s",
                  attribute->word, where);
  Candidates candidates = {0};
  for (int i = 0; i < SETTINGS; i++)
    vec_push(&candidates, setting[i].word);
  for (int i = 0; i < NUMERIC; i++)
    vec_push(&candidates, numeric[i]);
  for (int i = 0; i < PLAIN; i++)
    vec_push(&candidates, plain[i]);
  const char *near = did_you_mean(e, attribute->word, &candidates);
  if (is_remat(attribute))
    error_note(e, &error,
               "@remat is for what computes: a `fn`, a submodule, a binding");
  else if (near)
    error_mark(e, &error, "%s", near);
  error_send(e, &error);
}

void attributes_refuse(Elaborator *e, const Attribute *attribute,
                       const char *where) {
  for (; attribute; attribute = attribute->next)
    fail_attribute(e, attribute, where);
}

const Attribute *attribute_find(const Attribute *list, const char *word) {
  for (; list; list = list->next)
    if (strcmp(list->word, word) == 0)
      return list;
  return NULL;
}

static bool check_no_argument(Elaborator *e, const Attribute *attribute) {
  if (!attribute->args)
    return true;
  fail(e, attribute->span, "E0222", "@%s takes no argument", attribute->word);
  return false;
}

void attributes_check_remat(Elaborator *e, const Attribute *attributes,
                            const char *where) {
  const Attribute *first = attribute_find(attributes, "remat");
  for (const Attribute *a = attributes; a && !e->stopped; a = a->next) {
    if (!is_remat(a))
      fail_attribute(e, a, where);
    else if (a != first)
      fail(e, a->span, "E0218", "@%s is given twice", a->word);
    else
      check_no_argument(e, a);
  }
}

/* ---- run settings ------------------------------------------------------- */

/* @eval_every(500, valid): how often and which eval. */
static void eval_setting(Elaborator *e, const FileScope *file,
                         const Attribute *attribute, RunSettings *run) {
  const Arg *second = attribute->args->next;
  if (!second) {
    fail(e, attribute->span, "E0222",
         "@eval_every(n, NAME) names the eval to run");
    return;
  }
  const Expr *name = second->value;
  const Entry *entry =
      name->kind == EXPR_NAME ? file_find(file, name->text) : NULL;
  if (entry && entry->symbol->item->kind == ITEM_EVAL) {
    run->eval_entry = intern(e->interner, entry->name);
    return;
  }
  Candidates candidates = {0};
  for (size_t i = 0; i < file->entry.length; i++)
    if (file->entry.data[i].symbol->item->kind == ITEM_EVAL)
      vec_push(&candidates, file->entry.data[i].name);
  Diagnostic error = error_begin(e, name->span, "E0217",
                                 "no eval is named `%s`", expr_text(e, name));
  const char *near = did_you_mean(e, expr_text(e, name), &candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  error_send(e, &error);
}

/* Settings are whole numbers of at least 1; 0 means "not given" in the IR. */
static void one_setting(Elaborator *e, const FileScope *file,
                        const Attribute *attribute, size_t offset,
                        RunSettings *run) {
  bool evaluation = strcmp(attribute->word, "eval_every") == 0;
  const Arg *arg = attribute->args;
  int64_t value;
  if (!arg || arg->name || (arg->next && !evaluation)) {
    fail(e, attribute->span, "E0222", "@%s takes one whole number",
         attribute->word);
    return;
  }
  if (!eval_int(e, arg->value, text_printf(e, "@%s", attribute->word), &value))
    return;
  if (value < 1) {
    fail(e, arg->value->span, "E0708", "@%s is at least 1, not %" PRId64,
         attribute->word, value);
    return;
  }
  memcpy((char *)run + offset, &value, sizeof value);
  if (evaluation)
    eval_setting(e, file, attribute, run);
}

/* @recipe is read where recipes are resolved. */
static void apply(Elaborator *e, const FileScope *file, const Item *item,
                  const Attribute *attribute, RunSettings *run) {
  if (strcmp(attribute->word, "recipe") == 0)
    return;
  for (int i = 0; i < SETTINGS; i++)
    if (strcmp(setting[i].word, attribute->word) == 0 &&
        item->kind == ITEM_TRAIN) {
      one_setting(e, file, attribute, setting[i].offset, run);
      return;
    }
  fail_attribute(e, attribute, item_kind_name(item->kind));
}

/* Every attribute once. */
void run_settings(Elaborator *e, const FileScope *file, const Item *item,
                  RunSettings *run) {
  names_begin(e);
  for (const Attribute *a = item->attributes; a && !e->stopped; a = a->next)
    if (name_twice(e, a->word))
      fail(e, a->span, "E0218", "@%s is given twice", a->word);
  for (const Attribute *a = item->attributes; a && !e->stopped; a = a->next)
    apply(e, file, item, a, run);
  const Attribute *steps = attribute_find(item->attributes, "steps");
  if (run->epochs && run->steps && steps)
    fail(e, steps->span, "E0728",
         "@epochs and @steps both say how long to train");
}

/* ---- bindings ----------------------------------------------------------- */

static bool is_word(const char *text) {
  size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.");
  bool digit = text[0] >= '0' && text[0] <= '9';
  return length > 0 && text[length] == '\0' && !digit && text[0] != '.' &&
         text[length - 1] != '.' && !strstr(text, "..");
}

static bool check_name(Elaborator *e, const Stmt *stmt,
                       const Attribute *attribute) {
  const Arg *arg = attribute->args;
  if (stmt->names->next) {
    fail(e, attribute->span, "E0222", "@name names one value, not several");
    return false;
  }
  if (arg && !arg->name && !arg->next && arg->value->kind == EXPR_STRING &&
      is_word(arg->value->text))
    return true;
  fail(e, attribute->span, "E0222",
       "@name takes one name in quotes: letters, digits, `_` and dots");
  return false;
}

static bool check_attribute(Elaborator *e, const Stmt *stmt,
                            const Attribute *attribute) {
  for (const Attribute *a = stmt->attributes; a != attribute; a = a->next)
    if (strcmp(a->word, attribute->word) == 0) {
      fail(e, attribute->span, "E0218", "@%s is given twice", a->word);
      return false;
    }
  if (strcmp(attribute->word, "name") == 0)
    return check_name(e, stmt, attribute);
  if (strcmp(attribute->word, "probe") == 0 || is_remat(attribute))
    return check_no_argument(e, attribute);
  if (is_numeric(attribute->word))
    return true;
  fail_attribute(e, attribute, "a binding");
  return false;
}

bool binding_attributes_check(Elaborator *e, const Stmt *stmt) {
  bool fine = true;
  for (const Attribute *a = stmt->attributes; a; a = a->next)
    fine = check_attribute(e, stmt, a) && fine;
  return fine;
}

const char *binding_attributes_name(const Stmt *stmt, const char *name) {
  for (const Attribute *a = stmt->attributes; a; a = a->next)
    if (strcmp(a->word, "name") == 0)
      return a->args->value->text;
  return name;
}

/* A leaf is always there to be seen; what is not known yet has no value. */
static Value probe(Elaborator *e, const Attribute *attribute, const Expr *expr,
                   Value value) {
  if (value.kind == VALUE_TENSOR &&
      !node_is_leaf(graph_node(e->builder->graph, value.as.tensor.id))) {
    graph_node(e->builder->graph, value.as.tensor.id)->probe = true;
    return value;
  }
  if (!value_is_poison(value))
    fail(e, attribute->span, "E0451",
         "@probe keeps a value that is computed in the run; `%s` is %s",
         expr_text(e, expr),
         value.kind == VALUE_TENSOR ? "there anyway"
                                    : value_describe(e, value));
  return value_poison();
}

/* The built-in behind a word of the list `numeric`. */
static const Builtin *numeric_builtin(const char *word) {
  size_t count;
  const Builtin *builtin = builtin_table(&count);
  while (strcmp(builtin->name, word) != 0)
    builtin++;
  return builtin;
}

Value binding_attributes_apply(Elaborator *e, const Attribute *attribute,
                               const Expr *expr, Value value) {
  if (!attribute || value_is_poison(value))
    return value;
  value = binding_attributes_apply(e, attribute->next, expr, value);
  if (value_is_poison(value) || strcmp(attribute->word, "name") == 0 ||
      is_remat(attribute))
    return value;
  if (strcmp(attribute->word, "probe") == 0)
    return probe(e, attribute, expr, value);
  return builtin_apply(e, numeric_builtin(attribute->word), value, expr,
                       attribute->args, attribute->span);
}
