/* Settings at selectors where nothing carries them out.
 *
 * In: one selector of a rule and the settings of the rule. Out: why the two do
 * not go together in this version, or NULL. The table behind it (semantics.md,
 * Recipes): classes and roles speak of storage, matmul of operands, a path of
 * both; parameters and states have fixed scales, computed values those that
 * follow from their operands.
 */
#include "compiler/pass/recipe_query.h"

#include <string.h>

/* Selectors whose products have formats of their own. */
static bool selects_operands(SelectorKind kind) {
  return kind == SELECT_MATMUL || kind == SELECT_CONV ||
         kind == SELECT_GATHER || kind == SELECT_GRADIENT;
}

/* A new value of a parameter or state, or a helper on the way to one: it is
 * named after what it is stored in. */
static bool is_stored_value(const Program *program, const char *name) {
  size_t length = strcspn(name, "'~");
  for (size_t i = 0; i < program->param.length; i++) {
    const char *param = program->param.data[i].name;
    if (name[length] && strncmp(param, name, length) == 0 && !param[length])
      return true;
  }
  return false;
}

typedef struct {
  const Program *program;
  const char *path;
} Meant;

static bool name_means_value(const char *name, const void *meant) {
  const Meant *by = meant;
  return selector_matches(by->path, name) &&
         !is_stored_value(by->program, name);
}

bool path_means_value(const Program *program, const Graph *graph,
                      const char *path, const char *name) {
  Meant meant = {program, path};
  return name_means_value(name, &meant) ||
         program_any_alias(program, graph->name, name, name_means_value,
                           &meant);
}

bool path_is_computed(const Program *program, const char *path) {
  for (size_t i = 0; i < program->graph.length; i++) {
    const Graph *graph = program->graph.data[i];
    for (ValueId id = 1; id < graph->count; id++) {
      const Node *node = graph_node(graph, id);
      if (!node_is_leaf(node) && node->phase == PHASE_FORWARD &&
          path_matches(program, graph, path, node->name) &&
          path_means_value(program, graph, path, node->name))
        return true;
    }
  }
  return false;
}

static bool path_is_param(const Program *program, const char *path) {
  for (size_t i = 0; i < program->param.length; i++)
    if (path_matches(program, NULL, path, program->param.data[i].name))
      return true;
  return false;
}

/* ---- scale = ... --------------------------------------------------------- */

static const char values_follow[] =
    "`scale = none` and `scale = fixed` are for parameters and states: the "
    "scale of a computed value follows from its operands";

/* A direction of rounding: of values whose scale is computed. */
static const char *misplaced_propagate(const Program *program,
                                       const Selector *selector) {
  bool stored = selector->kind == SELECT_PATH &&
                path_is_param(program, selector->path) &&
                !path_is_computed(program, selector->path);
  return stored ? "the scale of a parameter or state cannot propagate in this "
                  "version; use `scale = fixed`"
                : NULL;
}

/* A format that f32 has no more exponents than holds what f32 does. */
static bool needs_no_scale(Format format) {
  return format != FORMAT_NONE && !format_is_short(format);
}

static const char *misplaced_measure(const Program *program,
                                     const Selector *selector,
                                     const Settings *settings) {
  SelectorKind kind = selector->kind;
  bool stored = kind == SELECT_PARAM || kind == SELECT_STATE ||
                (kind == SELECT_PATH && path_is_param(program, selector->path));
  if (kind == SELECT_DEFAULT)
    return "a scale is measured of what a rule names; `default` propagates";
  if (stored && settings->amax_history > 0)
    return "a parameter or state is measured when it is stored: `history` is "
           "for operands and computed values";
  if ((kind == SELECT_MATMUL || kind == SELECT_CONV) &&
      needs_no_scale(settings->forward) && needs_no_scale(settings->gradient))
    return "operands in a format with the exponents of f32 need no scale";
  return NULL;
}

static const char *misplaced_scale(const Program *program,
                                   const Selector *selector,
                                   const Settings *settings) {
  Scaling scaling = settings->scaling;
  SelectorKind kind = selector->kind;
  if (settings->scaling == SCALING_RMS || settings->scaling == SCALING_AMAX)
    return misplaced_measure(program, selector, settings);
  if (kind == SELECT_MATMUL || kind == SELECT_CONV || kind == SELECT_GATHER)
    return "an operand has the scale of its value: `scale` of a product is not "
           "carried out by this version";
  if (kind == SELECT_INPUT)
    return "`scale` of an input is not carried out by this version";
  if (kind == SELECT_PARAM || kind == SELECT_STATE)
    return NULL;
  if (scaling == SCALING_PROPAGATE)
    return misplaced_propagate(program, selector);
  if (kind == SELECT_DEFAULT)
    return scaling == SCALING_FIXED ? values_follow : NULL;
  bool param =
      kind == SELECT_PATH && !path_is_computed(program, selector->path);
  return param ? NULL : values_follow;
}

/* ---- formats and rounding ------------------------------------------------ */

/* What a path means, as far as formats go. */
typedef struct {
  bool whole, pinned, free;
  bool constant, others; /* inputs of entries and states, and what is neither */
} Kinds;

static void add_kind(Kinds *kinds, const Type *type, bool pinned,
                     bool constant) {
  kinds->constant |= constant;
  kinds->others |= !constant;
  kinds->whole |= !type_is_real(type);
  kinds->pinned |= type_is_real(type) && pinned;
  kinds->free |= type_is_real(type) && !pinned;
}

static Kinds path_kinds(const Program *program, const char *path) {
  Kinds kinds = {0};
  for (size_t i = 0; i < program->param.length; i++) {
    const Parameter *param = &program->param.data[i];
    if (path_matches(program, NULL, path, param->name))
      add_kind(&kinds, param->type, param->pinned, param->state);
  }
  for (size_t i = 0; i < program->graph.length; i++) {
    const Graph *graph = program->graph.data[i];
    for (ValueId id = 1; id < graph->count; id++) {
      const Node *node = graph_node(graph, id);
      bool fixed = node->op == OP_INPUT && node->type->format != FORMAT_REAL;
      if (node->op != OP_PARAM &&
          path_matches(program, graph, path, node->name))
        add_kind(&kinds, node->type, node->pinned || fixed,
                 node->op == OP_INPUT || node->phase == PHASE_UPDATE);
    }
  }
  return kinds;
}

/* A name whose values no recipe gives a format. */
static const char *misplaced_name(const Program *program,
                                  const Selector *selector) {
  if (selector->kind != SELECT_PATH && selector->kind != SELECT_GRADIENT)
    return NULL;
  Kinds kinds = path_kinds(program, selector->path);
  if (kinds.free || (!kinds.whole && !kinds.pinned))
    return NULL;
  if (!kinds.pinned)
    return selector->kind == SELECT_GRADIENT
               ? "whole numbers have no gradient"
               : "whole numbers are stored as they are";
  return selector->kind == SELECT_GRADIENT
             ? NULL
             : "the text of the program fixes its format";
}

/* Training derives by parameters. */
static const char *misplaced_gradient(const Program *program,
                                      const Selector *selector) {
  if (selector->kind != SELECT_GRADIENT)
    return NULL;
  Kinds kinds = path_kinds(program, selector->path);
  return kinds.constant && !kinds.others
             ? "inputs and states have no gradient: parameters and what is "
               "computed have"
             : NULL;
}

/* Does the path mean a layer, all that lies in it? */
static bool path_is_layer(const Program *program, const char *path) {
  for (size_t i = 0; i < program->param.length; i++) {
    const char *name = program->param.data[i].name;
    const char *dot = strrchr(name, '.');
    if (dot && selector_matches(path, intern_n(program->interner, name,
                                               (size_t)(dot - name))))
      return true;
  }
  return false;
}

/* Is the parameter an operand of a product; of one by another parameter, whose
 * gradient it then helps to make? */
static bool multiplies_param(const Program *program, const Graph *graph,
                             ValueId id, const char *path, bool by_param) {
  const Node *node = graph_node(graph, id);
  OpClass class = op_info(node->op)->class;
  if (class != CLASS_matmul && class != CLASS_conv)
    return false;
  for (int i = 0; i < 2; i++) {
    const Node *param = operand_param(graph, node->input[i]);
    if (param && (!by_param || operand_param(graph, node->input[1 - i])) &&
        path_matches(program, NULL, path, param->name))
      return true;
  }
  return false;
}

static bool any_multiplies(const Program *program, const char *path,
                           bool by_param) {
  for (size_t i = 0; i < program->graph.length; i++) {
    const Graph *graph = program->graph.data[i];
    for (ValueId id = 1; id < graph->count; id++)
      if (multiplies_param(program, graph, id, path, by_param))
        return true;
  }
  return false;
}

/* The operands of the product that makes the gradient of a parameter are the
 * input of the layer and an incoming gradient. */
static const char *misplaced_wgrad(const Program *program,
                                   const Selector *selector,
                                   const Settings *settings) {
  const char *path = selector->path;
  bool asks = settings->wgrad != FORMAT_NONE || settings->dgrad != FORMAT_NONE;
  if (!asks || selector->kind != SELECT_PATH || !path_is_param(program, path) ||
      path_is_computed(program, path) ||
      (path_is_layer(program, path) && path_kinds(program, path).others))
    return NULL; /* a layer may have products of what it computes */
  if (!any_multiplies(program, path, false))
    return "`wgrad` and `dgrad` are formats of operands, and of these "
           "parameters none is an operand of a product";
  if (settings->wgrad != FORMAT_NONE && !any_multiplies(program, path, true))
    return "a parameter is no operand of the product that makes its gradient: "
           "name its layer, or the value that it is multiplied by";
  return NULL;
}

static bool names_format(const Settings *settings) {
  return settings->forward != FORMAT_NONE || settings->gradient != FORMAT_NONE;
}

static const char *misplaced_format(SelectorKind kind,
                                    const Settings *settings) {
  bool two = settings->gradient != settings->forward;
  if (kind == SELECT_UPDATE && settings->forward != FORMAT_NONE)
    return "a format of `update` is not carried out by this version: the "
           "update is computed in f32";
  if (kind == SELECT_GRADIENT && two)
    return "a gradient has one format";
  bool operands = kind == SELECT_PATH || selects_operands(kind);
  if (two && !operands)
    return "a second format is that of gradients as operands: `matmul` and "
           "names take one";
  bool products =
      settings->wgrad != FORMAT_NONE || settings->dgrad != FORMAT_NONE;
  return products && !operands && kind != SELECT_DEFAULT
             ? "`wgrad` and `dgrad` are formats of operands: `matmul` and "
               "names take them"
             : NULL;
}

static const char *misplaced_rounding(SelectorKind kind,
                                      const Settings *settings) {
  if (settings->round < 0 && settings->overflow < 0 && settings->subnormals < 0)
    return NULL;
  return kind == SELECT_UPDATE
             ? "`round`, `overflow` and `subnormals` of `update` are not "
               "carried out by this version: the update is computed in f32"
             : NULL;
}

const char *misplaced_setting(const Program *program, const Selector *selector,
                              const Settings *settings) {
  const char *what =
      names_format(settings) ? misplaced_name(program, selector) : NULL;
  if (!what)
    what = misplaced_format(selector->kind, settings);
  if (!what)
    what = misplaced_gradient(program, selector);
  if (!what)
    what = misplaced_wgrad(program, selector, settings);
  if (!what)
    what = misplaced_rounding(selector->kind, settings);
  if (!what && settings->scaling != SCALING_UNSET)
    what = misplaced_scale(program, selector, settings);
  return what;
}
