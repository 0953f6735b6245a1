/* Attributes: `@epochs(10)` and its kin on entries; everywhere else they are
 * refused, by name where a later version will give them a meaning.
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

static const char *const later[] = {
    "probe",        "remat",     "name",           "rescale",
    "rescale_grad", "set_scale", "set_scale_grad", "unscale"};
enum { LATER = sizeof later / sizeof later[0] };

static bool is_later(const char *word) {
  for (int i = 0; i < LATER; i++)
    if (strcmp(later[i], word) == 0)
      return true;
  return false;
}

/* Known words of later versions are refused as such. */
static void fail_attribute(Elaborator *e, const Attribute *attribute,
                           const char *where) {
  if (is_later(attribute->word)) {
    fail_unsupported(e, attribute->span, "@%s is", attribute->word);
    return;
  }
  Diagnostic error =
      error_begin(e, attribute->span, "E0213", "@%s has no meaning on %s",
                  attribute->word, where);
  Candidates candidates = {0};
  for (int i = 0; i < SETTINGS; i++)
    vec_push(&candidates, setting[i].word);
  vec_push(&candidates, "recipe");
  const char *near = did_you_mean(e, attribute->word, &candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  error_send(e, &error);
}

void attributes_refuse(Elaborator *e, const Attribute *attribute,
                       const char *where) {
  for (; attribute; attribute = attribute->next)
    fail_attribute(e, attribute, where);
}

const Attribute *attribute_find(const Item *item, const char *word) {
  for (const Attribute *a = item->attributes; a; a = a->next)
    if (strcmp(a->word, word) == 0)
      return a;
  return NULL;
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
  const Attribute *steps = attribute_find(item, "steps");
  if (run->epochs && run->steps && steps)
    fail(e, steps->span, "E0728",
         "@epochs and @steps both say how long to train");
}
