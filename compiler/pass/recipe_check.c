/* Recipes that cannot be meant or cannot be carried out.
 *
 * In: a program and the recipes its entries use. Out: E0502 for a path of the
 * user's own rules that names nothing, with the nearest name; E0503 for a
 * setting that this version does not carry out, whoever wrote it. Nothing is
 * ever ignored in silence. Names are those the source gave, so the check
 * belongs before the first pass.
 */
#include "compiler/pass/recipe_query.h"
#include "compiler/pass/storage.h"
#include "compiler/pass/rewrite.h"

#include <string.h>

/* Candidates for did-you-mean; the names are interned. */
typedef VEC(const char *) NameList;

typedef struct {
  PassContext *context;
  const Recipe *recipe;
  bool fine;
} Check;

/* ---- names --------------------------------------------------------------- */

/* Anything in any graph counts, so that one recipe may serve a model and its
 * parts; a module counts through what lies in it. */
static bool path_is_known(const Program *program, const char *path) {
  for (size_t i = 0; i < program->param.length; i++)
    if (selector_matches(path, program->param.data[i].name))
      return true;
  for (size_t i = 0; i < program->alias.list.length; i++)
    if (selector_matches(path, program->alias.list.data[i].name))
      return true;
  for (size_t i = 0; i < program->graph.length; i++) {
    const Graph *graph = program->graph.data[i];
    for (ValueId id = 1; id < graph->count; id++) {
      const char *name = graph_node(graph, id)->name;
      if (name && selector_matches(path, name))
        return true;
    }
  }
  return false;
}

/* A name and the modules it lies in. */
static void add_name(const Program *program, NameList *names,
                     const char *name) {
  if (!name || name_is_helper(name))
    return;
  vec_push(names, name);
  for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
    vec_push(names, intern_n(program->interner, name, (size_t)(dot - name)));
}

/* A batch is no module: of inputs only the whole name counts. */
static NameList all_names(const Program *program) {
  NameList names = {0};
  for (size_t i = 0; i < program->param.length; i++)
    add_name(program, &names, program->param.data[i].name);
  for (size_t i = 0; i < program->alias.list.length; i++)
    add_name(program, &names, program->alias.list.data[i].name);
  for (size_t i = 0; i < program->graph.length; i++) {
    const Graph *graph = program->graph.data[i];
    for (ValueId id = 1; id < graph->count; id++)
      if (graph_node(graph, id)->op == OP_INPUT)
        vec_push(&names, graph_node(graph, id)->name);
      else
        add_name(program, &names, graph_node(graph, id)->name);
  }
  return names;
}

/* The main file: it is the first source of every compilation. */
static const char *main_name(const Program *program) {
  const Source *source =
      program->sources ? sources_get(program->sources, 1) : NULL;
  return source ? source->name : program->name;
}

static void report_unknown(Check *check, const Selector *selector) {
  const Program *program = check->context->program;
  Arena *arena = check->context->arena;
  NameList names = all_names(program);
  const char *near = nearest_name(selector->path, names.data, names.length);
  vec_free(&names);
  Diagnostic error = {.severity = SEVERITY_ERROR, .code = "E0502"};
  error.message =
      arena_printf(arena, "no value or parameter is named %s", selector->path);
  error.label[0].span = selector->span;
  if (near)
    error.label[0].text = arena_printf(arena, "did you mean `%s`?", near);
  error.label_count = 1;
  error.note[0] = arena_printf(
      arena, "names are listed by `sgc %s --emit=names`", main_name(program));
  error.note_count = 1;
  diagnose(check->context->diagnostics, &error);
  check->fine = false;
}

/* Only the user's own rules: inherited ones are written for many models. Each
 * name is looked for among all, so that ends when no more is shown. */
static void check_names(Check *check, const Rule *rule) {
  const Diagnostics *diagnostics = check->context->diagnostics;
  for (size_t i = 0; rule->own && i < rule->selector.length; i++) {
    if (diagnostics_full(diagnostics))
      return;
    const Selector *selector = &rule->selector.data[i];
    bool path =
        selector->kind == SELECT_PATH || selector->kind == SELECT_GRADIENT;
    if (path && !path_is_known(check->context->program, selector->path))
      report_unknown(check, selector);
  }
}

/* ---- settings ------------------------------------------------------------ */

/* Every refusal names the recipe and the rule, which may be the library's. */
static void report_coded(Check *check, const Rule *rule, Span span,
                         const char *code, const char *what) {
  Buffer selectors = {0};
  for (size_t i = 0; i < rule->selector.length; i++) {
    if (i > 0)
      buffer_text(&selectors, ", ");
    selector_print(&selectors, &rule->selector.data[i]);
  }
  diagnose_error(check->context->diagnostics, span, code,
                 "recipe %s, rule `%s`: %s", check->recipe->name,
                 selectors.data ? selectors.data : "", what);
  buffer_free(&selectors);
  check->fine = false;
}

static void report_setting(Check *check, const Rule *rule, Span span,
                           const char *what) {
  report_coded(check, rule, span, "E0503", what);
}

/* Formats that no recipe may choose: whole numbers, `real`, scales, f64. */
static bool is_unusable(Format format) {
  return format != FORMAT_NONE &&
         (!format_is_float(format) || format == FORMAT_F64);
}

/* The first setting of a rule that nothing carries out; NULL: none. */
static const char *unsupported_setting(const Settings *settings) {
  if (settings->scaling == SCALING_RMS)
    return "`scale = rms` is not carried out by this version";
  if (settings->every > 0)
    return "`every` is not carried out by this version: a rescale happens at "
           "each step";
  if (settings->accumulate != FORMAT_NONE && settings->accumulate != FORMAT_F32)
    return "`acc` is f32: all arithmetic is in f32, only casts and stores "
           "round "
           "below";
  if (is_unusable(settings->forward) || is_unusable(settings->gradient) ||
      is_unusable(settings->wgrad) || is_unusable(settings->dgrad))
    return "values are stored and read in floating-point formats of up to 32 "
           "bits";
  return NULL;
}

/* What keeps a rescale from being placed by this selector; NULL: nothing. */
static const char *misplaced_rescale(const Program *program,
                                     const Selector *selector,
                                     const Settings *settings) {
  bool value = settings->rescale >= 0, gradient = settings->rescale_grad >= 0;
  switch (selector->kind) {
  case SELECT_LOSS:
  case SELECT_NORM:
    return value ? "`rescale` is for values and `update`; a class takes "
                   "`rescale_grad`"
                 : NULL;
  case SELECT_UPDATE:
    return gradient ? "`update` takes `rescale`: of the gradients that enter "
                      "the optimizer"
                    : NULL;
  case SELECT_GRADIENT:
    return NULL;
  case SELECT_PATH:
    return value && path_is_known(program, selector->path) &&
                   !path_is_computed(program, selector->path)
               ? "inputs and parameters keep their exponents; `rescale` is "
                 "for computed values"
               : NULL;
  default:
    return "a rescale is placed by `loss`, `norm`, `update`, `grad(..)` or a "
           "name";
  }
}

/* `rescale = auto` and `none` are for values wherever they are read. */
static void check_automatic(Check *check, const Rule *rule) {
  for (size_t i = 0; i < rule->selector.length; i++)
    if (rule->selector.data[i].kind != SELECT_DEFAULT)
      report_setting(check, rule, rule->selector.data[i].span,
                     "`rescale = auto` and `rescale = none` are for `default`");
  if (rule->own && rule->settings.rescale_auto > 0 &&
      recipe_is_unscaled(check->recipe))
    report_setting(check, rule, rule->span,
                   "a rescale needs scales, and the recipe says `scale = "
                   "none`");
}

static void check_rescale(Check *check, const Rule *rule) {
  const Settings *settings = &rule->settings;
  if (settings->rescale_auto >= 0)
    check_automatic(check, rule);
  if (settings->rescale < 0 && settings->rescale_grad < 0)
    return;
  for (size_t i = 0; i < rule->selector.length; i++) {
    const Selector *selector = &rule->selector.data[i];
    const char *what =
        misplaced_rescale(check->context->program, selector, settings);
    if (what)
      report_setting(check, rule, selector->span, what);
  }
  if (rule->own && recipe_is_unscaled(check->recipe))
    report_setting(check, rule, rule->span,
                   "a rescale needs scales, and the recipe says `scale = "
                   "none`");
}

/* What a recipe without scales would ignore. */
static bool asks_for_scale(const Rule *rule) {
  Scaling scaling = rule->settings.scaling;
  return scaling == SCALING_PROPAGATE || scaling == SCALING_FIXED;
}

static void check_places(Check *check, const Rule *rule) {
  for (size_t i = 0; i < rule->selector.length; i++) {
    const Selector *selector = &rule->selector.data[i];
    const char *what =
        misplaced_setting(check->context->program, selector, &rule->settings);
    if (what)
      report_setting(check, rule, selector->span, what);
    else if (rule->own && asks_for_scale(rule) &&
             recipe_is_unscaled(check->recipe))
      report_setting(check, rule, selector->span,
                     "`scale` has no effect: the recipe says `default : scale "
                     "= none`");
  }
}

/* Does the selector mean states, and no parameter or computed value else? */
static bool selects_states(const Check *check, const Selector *selector) {
  const Program *program = check->context->program;
  bool any = selector->kind == SELECT_STATE;
  if (selector->kind != SELECT_PATH)
    return any;
  for (size_t i = 0; i < program->param.length; i++) {
    const Parameter *param = &program->param.data[i];
    if (!selector_selects_param(program, param, selector))
      continue;
    if (!param->state)
      return false;
    any = true;
  }
  return any;
}

/* A cache in 8 bits is stored at one exponent for the tensor, and the user is
 * told so; everywhere else the statistic would have to be taken. */
static const char *check_amax(Check *check, const Rule *rule) {
  if (rule->settings.scaling != SCALING_AMAX)
    return NULL;
  for (size_t i = 0; i < rule->selector.length; i++)
    if (!selects_states(check, &rule->selector.data[i]))
      return "`scale = amax` is not carried out by this version";
  Diagnostic remark = {.severity = SEVERITY_WARNING, .code = "W0514"};
  Buffer selectors = {0};
  selector_print(&selectors, &rule->selector.data[0]);
  remark.message = arena_printf(
      check->context->arena,
      "recipe %s, rule `%s`: stored at one fixed exponent per tensor; `scale "
      "= amax` is not carried out by this version",
      check->recipe->name, selectors.data);
  remark.label[0].span = rule->span;
  remark.label_count = 1;
  diagnose(check->context->diagnostics, &remark);
  buffer_free(&selectors);
  return NULL;
}

/* Types can say that rows, columns or blocks have exponents of their own; the
 * rules of scalify carry one exponent for each tensor. */
static bool propagates(Check *check, const Rule *rule) {
  const char *blocks = rule->settings.amax_granularity;
  if (!blocks || strcmp(blocks, "tensor") == 0)
    return true;
  report_coded(check, rule, rule->span, "E0516",
               "scalify propagates one exponent for each tensor, not one for "
               "each row, column or group");
  return false;
}

static void check_settings(Check *check, const Rule *rule) {
  const char *what = check_amax(check, rule);
  if (what && !propagates(check, rule))
    return;
  if (!what)
    what = unsupported_setting(&rule->settings);
  if (what)
    report_setting(check, rule, rule->span, what);
  else
    check_places(check, rule);
  check_rescale(check, rule);
}

/* ---- states: stored with an exponent that never changes in this version -- */

/* The rule that settles the storage format of `param`, or NULL. */
static const Rule *deciding_rule(const Check *check, const Parameter *param) {
  const Rule *decides = NULL;
  for (size_t i = 0; i < check->recipe->rule.length; i++) {
    const Rule *rule = &check->recipe->rule.data[i];
    if (rule->settings.forward == FORMAT_NONE)
      continue;
    for (size_t j = 0; j < rule->selector.length; j++)
      if (selector_selects_param(check->context->program, param,
                                 &rule->selector.data[j]))
        decides = rule;
  }
  return decides;
}

/* Narrow states need a run-time exponent of their own, which is not there
 * yet; rules that would make one narrow are refused one by one, unless they
 * also say at which exponent and decide how it is stored (stores). */
static void check_state(Check *check, const Parameter *param, bool stores) {
  if (!param->state || !type_is_real(param->type))
    return;
  Settings settings =
      recipe_param_settings(check->context->program, check->recipe, param);
  const Rule *rule = deciding_rule(check, param);
  bool placed = stores && rule &&
                (rule->settings.scaling == SCALING_AMAX ||
                 (rule->settings.scaling == SCALING_FIXED &&
                  rule->settings.has_exponent));
  if (settings.forward == FORMAT_F32 || settings.forward == FORMAT_F64 ||
      placed)
    return;
  const char *what = arena_printf(
      check->context->arena,
      "state %s would be stored in %s; this version keeps states in f32",
      param->name, format_info(settings.forward)->text);
  if (rule && !param->pinned) {
    report_setting(check, rule, rule->span, what);
    return;
  }
  diagnose_error(check->context->diagnostics, param->span, "E0503", "%s", what);
  check->fine = false;
}

/* Recipes that no entry names may hold anything. */
static bool recipe_is_used(const Program *program, const Recipe *recipe) {
  for (size_t i = 0; i < program->graph.length; i++)
    if (graph_recipe(program, program->graph.data[i]) == recipe)
      return true;
  return false;
}

static void check_recipe(Check *check) {
  const Program *program = check->context->program;
  for (size_t i = 0; i < check->recipe->rule.length; i++) {
    check_names(check, &check->recipe->rule.data[i]);
    check_settings(check, &check->recipe->rule.data[i]);
  }
  const Recipe **storage = storage_recipes(check->context->arena, program);
  for (size_t i = 0; i < program->param.length; i++)
    check_state(check, &program->param.data[i], storage[i] == check->recipe);
}

bool recipe_check(PassContext *context) {
  Program *program = context->program;
  bool fine = true;
  for (size_t i = 0; i < program->recipe.length; i++) {
    Check check = {context, &program->recipe.data[i], true};
    if (!recipe_is_used(program, check.recipe))
      continue;
    check_recipe(&check);
    fine &= check.fine;
  }
  return fine;
}
