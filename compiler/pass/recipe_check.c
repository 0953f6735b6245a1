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
  for (size_t g = 0; g < program->alias.length; g++)
    for (size_t i = 0; i < program->alias.data[g].table.list.length; i++)
      if (selector_matches(path,
                           program->alias.data[g].table.list.data[i].name))
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
  for (size_t g = 0; g < program->alias.length; g++)
    for (size_t i = 0; i < program->alias.data[g].table.list.length; i++)
      add_name(program, &names, program->alias.data[g].table.list.data[i].name);
  for (size_t i = 0; i < program->graph.length; i++) {
    const Graph *graph = program->graph.data[i];
    for (ValueId id = 1; id < graph->count; id++)
      if (graph_node(graph, id)->op == OP_INPUT)
        vec_push(&names, graph_node(graph, id)->name);
      else
        add_name(program, &names, graph_node(graph, id)->name);
  }
  for (int kind = SELECT_DEFAULT; kind < SELECT_PATH; kind++)
    vec_push(&names, selector_word((SelectorKind)kind));
  return names;
}

/* The main file: it is the first source of every compilation. */
static const char *main_name(const Program *program) {
  const Source *source =
      program->sources ? sources_get(program->sources, 1) : NULL;
  return source ? source->name : program->name;
}

/* How many modules the array has whose path is the first `length` bytes. */
static int array_length(Check *check, const char *path, int length) {
  enum { LONGEST = 1 << 24 };
  int count = 0;
  for (int more = LONGEST; more > 0; more /= 2)
    if (path_is_known(check->context->program,
                      arena_printf(check->context->arena, "%.*s[%d]", length,
                                   path, count + more - 1)))
      count += more;
  return count;
}

/* What there is instead of net.layers[3], or NULL: nothing that comes before a
 * bracket of the path is an array. */
static const char *array_extent(Check *check, const char *path) {
  const char *extent = NULL;
  for (const char *at = path; (at = strchr(at, '[')); at++) {
    int length = (int)(at - path);
    int count = array_length(check, path, length);
    if (count > 0)
      extent = arena_printf(check->context->arena, "there are %.*s[0] to [%d]",
                            length, path, count - 1);
  }
  return extent;
}

static void report_unknown(Check *check, const Selector *selector) {
  const Program *program = check->context->program;
  Arena *arena = check->context->arena;
  NameList names = all_names(program);
  const char *near = nearest_name(selector->path, names.data, names.length);
  vec_free(&names);
  bool gradient = strncmp(selector->path, "d.", 2) == 0 &&
                  path_is_known(program, selector->path + 2);
  Diagnostic error = {.severity = SEVERITY_ERROR, .code = "E0502"};
  error.message =
      arena_printf(arena, "no value or parameter is named %s", selector->path);
  error.label[0].span = selector->span;
  if (gradient)
    error.label[0].text =
        arena_printf(arena, "a gradient is `grad(%s)`", selector->path + 2);
  else if (near)
    error.label[0].text = arena_printf(arena,
                                       selector->kind == SELECT_GRADIENT
                                           ? "did you mean `grad(%s)`?"
                                           : "did you mean `%s`?",
                                       near);
  else
    error.label[0].text = array_extent(check, selector->path);
  error.label_count = 1;
  error.note[0] = arena_printf(
      arena, "names are listed by `sgc %s --emit=names`", main_name(program));
  error.note_count = 1;
  diagnose(check->context->diagnostics, &error);
  check->fine = false;
}

/* A name of an entry that --entry left out, for all that is known: rules of the
 * file speak of all its entries. */
static bool is_left_out(const Check *check, const Selector *selector) {
  const Program *program = check->context->program;
  return program->part && selector->span.source == 1 &&
         (selector->kind == SELECT_PATH || selector->kind == SELECT_GRADIENT) &&
         !path_is_known(program, selector->path);
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
    if (path && !is_left_out(check, selector) &&
        !path_is_known(check->context->program, selector->path))
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
  bool measures = settings->scaling == SCALING_RMS ||
                  settings->scaling == SCALING_AMAX || settings->rescale >= 0 ||
                  settings->rescale_grad >= 0;
  if (settings->every > 0 && !measures)
    return "`every` belongs to a `rescale`, a `rescale_grad` or a measured "
           "`scale` of the same rule";
  if (settings->every > 0 && settings->amax_history > 0)
    return "a history is of every step: `every` does not go with it";
  if (settings->amax_history > EXPONENT_HISTORY)
    return "a history has up to 4096 steps";
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
  return scaling == SCALING_PROPAGATE || scaling == SCALING_FIXED ||
         scaling == SCALING_RMS || scaling == SCALING_AMAX;
}

static void check_places(Check *check, const Rule *rule) {
  for (size_t i = 0; i < rule->selector.length; i++) {
    const Selector *selector = &rule->selector.data[i];
    const char *what =
        misplaced_setting(check->context->program, selector, &rule->settings);
    if (is_left_out(check, selector))
      continue;
    if (what)
      report_setting(check, rule, selector->span, what);
    else if (rule->own && asks_for_scale(rule) &&
             recipe_is_unscaled(check->recipe))
      report_setting(check, rule, selector->span,
                     "`scale` has no effect: the recipe says `default : scale "
                     "= none`");
  }
}

/* Types can say that rows, columns or blocks have exponents of their own; the
 * rules of scalify carry one exponent for each tensor. */
static bool propagates(Check *check, const Rule *rule) {
  const char *blocks = rule->settings.amax_granularity;
  if (!blocks || strcmp(blocks, "tensor") == 0)
    return true;
  report_coded(
      check, rule, rule->span, "E0516",
      "this version has one exponent for each tensor, not one for each "
      "row, column or group");
  return false;
}

static void check_settings(Check *check, const Rule *rule) {
  if (!propagates(check, rule))
    return;
  const char *what = unsupported_setting(&rule->settings);
  if (what)
    report_setting(check, rule, rule->span, what);
  else
    check_places(check, rule);
  check_rescale(check, rule);
}

/* ---- recipes ------------------------------------------------------------- */

/* Recipes that no entry names may hold anything. */
static bool recipe_is_used(const Program *program, const Recipe *recipe) {
  for (size_t i = 0; i < program->graph.length; i++)
    if (graph_recipe(program, program->graph.data[i]) == recipe)
      return true;
  return false;
}

/* The text of the part that is left is read without the rest: a rule that
 * means nothing there is, in it, as good as inherited. */
static void check_recipe(Check *check) {
  for (size_t i = 0; i < check->recipe->rule.length; i++) {
    Rule *rule = &check->recipe->rule.data[i];
    check_names(check, rule);
    if (diagnostics_full(check->context->diagnostics))
      return; /* settings, too, are looked up among all names */
    check_settings(check, rule);
    for (size_t j = 0; j < rule->selector.length; j++)
      rule->own &= !is_left_out(check, &rule->selector.data[j]);
  }
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
