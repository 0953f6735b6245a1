/* Random recipes: formats, scales fixed and measured, rescales, rounding.
 *
 * In: the entry. Out: a recipe of a few rules in its program. A rule that
 * recipe_check refuses is left out again: the refusals have tests of their
 * own.
 */
#include "tests/smith/smith.h"

#include <string.h>

static Format random_float(Smith *s) {
  static const Format usual[] = {FORMAT_F32, FORMAT_BF16, FORMAT_F16,
                                 FORMAT_E4M3, FORMAT_E5M2};
  for (;;) {
    Format format = dice_chance(&s->dice, 80)
                        ? usual[dice_below(&s->dice, 5)]
                        : (Format)dice_below(&s->dice, FORMAT_COUNT);
    if (format_is_float(format) && format != FORMAT_F64 &&
        (!s->native || format_info(format)->has_code))
      return format;
  }
}

static Rule *add_rule(Recipe *recipe, Settings settings) {
  Rule rule = {.settings = settings};
  vec_push(&recipe->rule, rule);
  return &recipe->rule.data[recipe->rule.length - 1];
}

static void add_selector(Rule *rule, SelectorKind kind, const char *path) {
  Selector selector = {.kind = kind, .path = path};
  vec_push(&rule->selector, selector);
}

static Settings stored(Format forward, Format gradient) {
  Settings settings = settings_unset();
  settings.forward = forward;
  settings.gradient = gradient;
  return settings;
}

/* `scale = rms` or `amax`, of every step, of some, or of those before. */
static void measure(Smith *s, Settings *settings) {
  bool amax = dice_chance(&s->dice, 60);
  settings->scaling = amax ? SCALING_AMAX : SCALING_RMS;
  if (dice_chance(&s->dice, 25))
    settings->every = (int32_t)dice_range(&s->dice, 1, 3);
  else if (amax && dice_chance(&s->dice, 25))
    settings->amax_history = (int32_t)dice_range(&s->dice, 1, 3);
}

static void rounding(Smith *s, Settings *settings) {
  if (dice_chance(&s->dice, 15))
    settings->round = (int)dice_range(&s->dice, ROUND_STOCHASTIC, ROUND_DOWN);
  if (dice_chance(&s->dice, 15))
    settings->overflow = (int)dice_below(&s->dice, 2);
  if (dice_chance(&s->dice, 15))
    settings->subnormals = (int)dice_below(&s->dice, 2);
}

/* ---- rules --------------------------------------------------------------- */

static void default_rule(Smith *s, Recipe *recipe, bool scaled) {
  Format format = random_float(s);
  Settings settings = stored(format, format);
  settings.scaling = scaled ? SCALING_PROPAGATE : SCALING_NONE;
  settings.scale_rounding =
      (ScaleRounding)dice_below(&s->dice, SCALE_ROUNDING_COUNT);
  rounding(s, &settings);
  if (scaled && dice_chance(&s->dice, 30))
    settings.rescale_auto = 1;
  add_selector(add_rule(recipe, settings), SELECT_DEFAULT, NULL);
}

/* Of parameters or of states: in any format, at an exponent that is fixed,
 * measured of each new value, or none. */
static void role_rule(Smith *s, Recipe *recipe, SelectorKind role,
                      bool scaled) {
  Format format = dice_chance(&s->dice, 60) ? FORMAT_F32 : random_float(s);
  Settings settings = stored(format, format);
  int64_t choice = scaled ? dice_below(&s->dice, 10) : 9;
  if (choice < 5)
    settings.scaling = SCALING_FIXED;
  else if (choice < 8)
    measure(s, &settings);
  else if (choice == 8)
    settings.scaling = SCALING_NONE;
  settings.has_exponent =
      settings.scaling == SCALING_FIXED && dice_chance(&s->dice, 30);
  settings.exponent =
      settings.has_exponent ? (int32_t)dice_range(&s->dice, -60, 60) : 0;
  rounding(s, &settings);
  add_selector(add_rule(recipe, settings), role, NULL);
}

static void class_rule(Smith *s, Recipe *recipe, bool scaled) {
  static const SelectorKind kind[] = {
      SELECT_ELEMENTWISE, SELECT_REDUCE, SELECT_SOFTMAX,   SELECT_NORM,
      SELECT_LOSS,        SELECT_INPUT,  SELECT_ACTIVATION};
  Format format = random_float(s);
  Settings settings = stored(format, format);
  if (scaled && dice_chance(&s->dice, 25))
    measure(s, &settings);
  rounding(s, &settings);
  add_selector(add_rule(recipe, settings), kind[dice_below(&s->dice, 7)], NULL);
}

static void operand_rule(Smith *s, Recipe *recipe, bool scaled) {
  static const SelectorKind kind[] = {SELECT_MATMUL, SELECT_MATMUL, SELECT_CONV,
                                      SELECT_GATHER};
  Settings settings = stored(random_float(s), random_float(s));
  if (dice_chance(&s->dice, 15))
    settings.wgrad = random_float(s);
  if (dice_chance(&s->dice, 15))
    settings.dgrad = random_float(s);
  if (scaled && dice_chance(&s->dice, 40))
    measure(s, &settings);
  rounding(s, &settings);
  add_selector(add_rule(recipe, settings), kind[dice_below(&s->dice, 4)], NULL);
}

static bool is_written(const char *name) {
  return name && !strchr(name, '~') && !strchr(name, '\'') &&
         strncmp(name, "d.", 2) != 0;
}

/* The name of some value, or of its module. */
static const char *random_path(Smith *s) {
  for (int i = 0; i < 20; i++) {
    ValueId id = (ValueId)dice_range(&s->dice, 1, (int64_t)s->graph->count - 1);
    const Node *node = graph_node(s->graph, id);
    if (is_written(node->name))
      return dice_chance(&s->dice, 10) ? intern(s->c->interner, "m.**")
                                       : node->name;
  }
  return NULL;
}

static void path_rule(Smith *s, Recipe *recipe, bool scaled) {
  const char *path = random_path(s);
  if (!path)
    return;
  Format format = random_float(s);
  Settings settings = stored(format, format);
  bool gradient = dice_chance(&s->dice, 30);
  if (!gradient && dice_chance(&s->dice, 20))
    settings.gradient = random_float(s);
  if (scaled && dice_chance(&s->dice, 25))
    measure(s, &settings);
  rounding(s, &settings);
  add_selector(add_rule(recipe, settings),
               gradient ? SELECT_GRADIENT : SELECT_PATH, path);
}

static void rescale_rule(Smith *s, Recipe *recipe, bool scaled) {
  (void)scaled;
  Settings settings = settings_unset();
  int norm = (int)dice_below(&s->dice, NORM_COUNT);
  const char *path = random_path(s);
  int64_t choice = dice_below(&s->dice, 5);
  if (choice >= 3 && !path)
    return;
  static const SelectorKind kind[] = {SELECT_LOSS, SELECT_NORM, SELECT_UPDATE,
                                      SELECT_PATH, SELECT_GRADIENT};
  if (choice < 2 || (choice == 3 && dice_chance(&s->dice, 40)))
    settings.rescale_grad = norm;
  else
    settings.rescale = norm;
  if (dice_chance(&s->dice, 20))
    settings.every = (int32_t)dice_range(&s->dice, 1, 3);
  add_selector(add_rule(recipe, settings), kind[choice],
               choice >= 3 ? path : NULL);
}

/* ---- recipes ------------------------------------------------------------- */

static void keep_silent(void *user, const Diagnostic *diagnostic) {
  (void)user, (void)diagnostic;
}

static bool is_accepted(Smith *s) {
  Diagnostics *silent =
      diagnostics_new(s->c->arena, &s->c->sources, NULL, NULL);
  diagnostics_observe(silent, keep_silent, NULL);
  PassContext context = {s->program, s->c->arena, silent};
  return recipe_check(&context);
}

/* The rules that were added, unless they are refused. */
static void keep_accepted(Smith *s, Recipe *recipe) {
  while (recipe->rule.length > 0 && !is_accepted(s))
    recipe_remove_rule(recipe, recipe->rule.length - 1);
}

/* The exponent of one value is measured, in all ways in turn. */
static void target_rule(Smith *s, Recipe *recipe) {
  Format format = random_float(s);
  Settings settings = stored(format, format);
  measure(s, &settings);
  if (dice_chance(&s->dice, 50)) {
    settings = settings_unset();
    settings.rescale = (int)dice_below(&s->dice, NORM_COUNT);
    settings.every = (int32_t)dice_range(&s->dice, 0, 3);
  }
  add_selector(add_rule(recipe, settings), SELECT_PATH, s->target);
  keep_accepted(s, recipe);
}

static void add_rules(Smith *s, Recipe *recipe, int64_t most, bool scaled,
                      void (*add)(Smith *s, Recipe *recipe, bool scaled)) {
  for (int64_t i = dice_below(&s->dice, most + 1); i-- > 0;) {
    add(s, recipe, scaled);
    keep_accepted(s, recipe);
  }
}

void smith_recipe(Smith *s, const char *name) {
  Recipe made = {.name = intern(s->c->interner, name)};
  bool scaled = dice_chance(&s->dice, 75);
  vec_push(&s->program->recipe, made);
  Recipe *recipe = &s->program->recipe.data[s->program->recipe.length - 1];
  default_rule(s, recipe, scaled);
  keep_accepted(s, recipe);
  role_rule(s, recipe, SELECT_PARAM, scaled);
  keep_accepted(s, recipe);
  role_rule(s, recipe, SELECT_STATE, scaled);
  keep_accepted(s, recipe);
  add_rules(s, recipe, 2, scaled, class_rule);
  add_rules(s, recipe, dice_chance(&s->dice, 60) ? 2 : 0, scaled, operand_rule);
  add_rules(s, recipe, 2, scaled, path_rule);
  add_rules(s, recipe, scaled ? 3 : 0, scaled, rescale_rule);
  if (scaled && is_written(s->target))
    target_rule(s, recipe);
}
