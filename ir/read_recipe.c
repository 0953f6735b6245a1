/* Reading .sgir: recipes.
 *
 * Settings are written as in a .sg recipe; settings_print in recipe.c is the
 * other direction.
 */
#include "ir/read.h"

#include <inttypes.h>

/* ---- rules -------------------------------------------------------------- */

void read_recipe(SgirReader *reader, Word name) {
  if (program_recipe(reader->program, name.text))
    read_error(reader, name.span, "E0804", "recipe %s is declared twice",
               name.text);
  vec_push(&reader->program->recipe, (Recipe){.name = name.text});
}

/* A path of one word may be a class or a role; `grad(path)` is the only
 * function. */
void read_selector(SgirReader *reader, Span span, Word function, Word path) {
  Selector selector = {.kind = SELECT_PATH, .path = path.text, .span = span};
  if (function.text && strcmp(function.text, "grad") != 0)
    read_error(reader, function.span, "E0803",
               "a selector is a class, a role, a path or grad(path)");
  else if (function.text)
    selector.kind = SELECT_GRADIENT;
  else if (selector_named(path.text, &selector.kind))
    selector.path = NULL;
  vec_push(&reader->selector, selector);
}

/* The index of `word` in a list of names, or an error that lists them. */
static int choose(SgirReader *reader, const Operand *value, const char *what,
                  int count, const char *(*name)(int)) {
  Buffer list = {0};
  for (int i = 0; i < count; i++) {
    if (value->kind == OPERAND_WORD && strcmp(value->word.text, name(i)) == 0) {
      buffer_free(&list);
      return i;
    }
    buffer_printf(&list, "%s%s", i ? ", " : "", name(i));
  }
  read_error(reader, value->span, "E0803", "%s is one of %s", what, list.data);
  buffer_free(&list);
  return -1;
}

static const char *norm_at(int i) {
  return norm_name((Norm)i);
}

static const char *rounding_at(int i) {
  return rounding_name((Rounding)i);
}

static const char *overflow_at(int i) {
  return overflow_name((Overflow)i);
}

static const char *scaling_at(int i) {
  return scaling_name((Scaling)(SCALING_NONE + i));
}

static const char *scale_rounding_at(int i) {
  return scale_rounding_name((ScaleRounding)i);
}

static const char *truth_at(int i) {
  return i ? "true" : "false";
}

/* `_` leaves the direction unset. */
static Format direction(SgirReader *reader, Word word) {
  return strcmp(word.text, "_") == 0 ? FORMAT_NONE : read_format(reader, word);
}

/* One format is for both directions. */
static void set_formats(SgirReader *reader, Settings *settings,
                        const SettingText *text) {
  settings->forward = direction(reader, text->value->word);
  settings->gradient =
      text->second.text ? direction(reader, text->second) : settings->forward;
}

/* The granularity is a word; whether it can be carried out, passes say. */
static void set_amax(SgirReader *reader, Settings *settings,
                     const Argument *argument) {
  int64_t number = 0;
  const char *name = argument->name.text;
  if (!name && argument->value->kind == OPERAND_WORD)
    settings->amax_granularity = argument->value->word.text;
  else if (name && strcmp(name, "group") == 0 &&
           read_whole(reader, argument->value, name, 1, INT32_MAX, &number))
    settings->amax_group = (int32_t)number;
  else if (name && strcmp(name, "history") == 0 &&
           read_whole(reader, argument->value, name, 1, INT32_MAX, &number))
    settings->amax_history = (int32_t)number;
  else if (number == 0)
    read_error(reader, argument->value->span, "E0803",
               "amax takes a granularity, `group = n` and `history = n`");
}

static void set_fixed(SgirReader *reader, Settings *settings,
                      const Operand *value) {
  int64_t number;
  if (!read_whole(reader, value, "a fixed exponent", EXPONENT_MIN, EXPONENT_MAX,
                  &number))
    return;
  settings->has_exponent = true;
  settings->exponent = (int32_t)number;
}

/* The scaling and what it takes in parentheses. */
static void set_scaling(SgirReader *reader, Settings *settings,
                        const SettingText *text) {
  int choice = choose(reader, text->value, "scale", SCALING_AMAX, scaling_at);
  if (choice < 0)
    return;
  settings->scaling = (Scaling)(SCALING_NONE + choice);
  for (size_t i = text->first_argument; i < text->arguments; i++) {
    const Argument *argument = &reader->argument.data[i];
    if (settings->scaling == SCALING_AMAX) {
      set_amax(reader, settings, argument);
    } else if (settings->scaling == SCALING_FIXED && !argument->name.text) {
      set_fixed(reader, settings, argument->value);
    } else if (settings->scaling == SCALING_PROPAGATE && !argument->name.text) {
      int rounding = choose(reader, argument->value, "propagate",
                            SCALE_ROUNDING_COUNT, scale_rounding_at);
      settings->scale_rounding = (ScaleRounding)(rounding < 0 ? 0 : rounding);
    } else {
      read_error(reader, argument->value->span, "E0803",
                 "`scale = %s` takes no such argument",
                 scaling_name(settings->scaling));
    }
  }
}

static void set_format(SgirReader *reader, Format *out, const Operand *value) {
  if (value->kind == OPERAND_WORD)
    *out = read_format(reader, value->word);
  else
    read_error(reader, value->span, "E0803", "expected a format");
}

static void set_every(SgirReader *reader, Settings *settings,
                      const Operand *value) {
  int64_t number;
  if (read_whole(reader, value, "every", 1, INT32_MAX, &number))
    settings->every = (int32_t)number;
}

enum { RESCALE_WORDS = NORM_COUNT + 2 };

static const char *rescale_at(int i) {
  return i < NORM_COUNT    ? norm_name((Norm)i)
         : i == NORM_COUNT ? "none"
                           : "auto";
}

static void set_rescale(SgirReader *reader, Settings *settings,
                        const Operand *value) {
  int word = choose(reader, value, "rescale", RESCALE_WORDS, rescale_at);
  if (word >= NORM_COUNT)
    settings->rescale_auto = word - NORM_COUNT;
  else
    settings->rescale = word;
}

/* `name = value`; false if there is no such setting. */
static bool set_named(SgirReader *reader, Settings *settings,
                      const SettingText *text) {
  const char *name = text->name.text;
  const Operand *value = text->value;
  if (strcmp(name, "scale") == 0)
    set_scaling(reader, settings, text);
  else if (strcmp(name, "acc") == 0)
    set_format(reader, &settings->accumulate, value);
  else if (strcmp(name, "wgrad") == 0)
    set_format(reader, &settings->wgrad, value);
  else if (strcmp(name, "dgrad") == 0)
    set_format(reader, &settings->dgrad, value);
  else if (strcmp(name, "rescale") == 0)
    set_rescale(reader, settings, value);
  else if (strcmp(name, "rescale_grad") == 0)
    settings->rescale_grad = choose(reader, value, name, NORM_COUNT, norm_at);
  else if (strcmp(name, "every") == 0)
    set_every(reader, settings, value);
  else if (strcmp(name, "round") == 0)
    settings->round = choose(reader, value, name, ROUNDING_COUNT, rounding_at);
  else if (strcmp(name, "overflow") == 0)
    settings->overflow =
        choose(reader, value, name, OVERFLOW_COUNT, overflow_at);
  else if (strcmp(name, "subnormals") == 0)
    settings->subnormals = choose(reader, value, name, 2, truth_at);
  else
    return false;
  return true;
}

static const char *const setting_names[] = {
    "scale",        "acc",   "wgrad", "dgrad",    "rescale",
    "rescale_grad", "every", "round", "overflow", "subnormals"};

/* Only `scale` takes arguments. */
static void apply_setting(SgirReader *reader, Settings *settings,
                          const SettingText *text) {
  if (!text->name.text) {
    set_formats(reader, settings, text);
    return;
  }
  bool wide = text->first_argument < text->arguments &&
              strcmp(text->name.text, "scale") != 0;
  if (wide)
    read_error(reader, text->name.span, "E0803", "`%s` takes no arguments",
               text->name.text);
  else if (!set_named(reader, settings, text))
    read_error_near(reader, text->name.span, "E0803", "",
                    nearest_name(text->name.text, setting_names,
                                 sizeof setting_names / sizeof *setting_names),
                    "there is no setting `%s`", text->name.text);
}

void read_rule(SgirReader *reader, Span span, Word own) {
  Program *program = reader->program;
  Recipe *recipe = &program->recipe.data[program->recipe.length - 1];
  Rule rule = {.settings = settings_unset(), .span = span};
  rule.own = own.text != NULL;
  if (own.text && strcmp(own.text, "own") != 0)
    read_error(reader, own.span, "E0801",
               "expected `,` or `:` after the selector `%s`", own.text);
  int64_t most = program->sources->limits.of[LIMIT_selectors];
  if ((int64_t)(recipe->rule.length + reader->selector.length) > most)
    read_error_limit(reader, span, LIMIT_selectors,
                     "recipe %s has more than %" PRId64 " selectors",
                     recipe->name, most);
  for (size_t i = 0; i < reader->selector.length; i++)
    vec_push(&rule.selector, reader->selector.data[i]);
  for (size_t i = 0; i < reader->setting.length; i++)
    apply_setting(reader, &rule.settings, &reader->setting.data[i]);
  vec_push(&recipe->rule, rule);
  reader->selector.length = 0;
  reader->setting.length = 0;
  reader->argument.length = 0;
}

/* ---- the default -------------------------------------------------------- */

/* A recipe that says f32 everywhere, without scales. */
static const char *add_f32(SgirReader *reader) {
  const char *name = intern(reader->interner, "f32");
  if (program_recipe(reader->program, name))
    return name;
  Rule rule = {.settings = settings_unset()};
  rule.settings.forward = rule.settings.gradient = FORMAT_F32;
  rule.settings.scaling = SCALING_NONE;
  vec_push(&rule.selector, (Selector){.kind = SELECT_DEFAULT});
  Recipe recipe = {.name = name};
  vec_push(&recipe.rule, rule);
  vec_push(&reader->program->recipe, recipe);
  return name;
}

/* Runs at the end of the text, when every entry is known. */
void read_default_recipes(SgirReader *reader) {
  Program *program = reader->program;
  const char *inherited = NULL;
  for (size_t i = 0; i < program->graph.length; i++)
    if (program->graph.data[i]->kind == ENTRY_TRAIN && !inherited)
      inherited = program->graph.data[i]->recipe;
  for (size_t i = 0; i < program->graph.length; i++) {
    Graph *graph = program->graph.data[i];
    if (!graph->recipe)
      graph->recipe = inherited ? inherited : add_f32(reader);
  }
}
