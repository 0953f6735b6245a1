/* Scales of operands: `matmul, conv : e4m3, scale = amax`.
 *
 * In: a contraction one of whose operands a rule wants at a measured exponent.
 * Out: the operand read through a copy at that exponent, `%x.s`, which stands
 * behind what it is a copy of and serves every product that wants the same:
 *
 *   $x.s               = norm_exponent(%x, fit = e4m3, by = max)
 *   %x.s : * 2^$x.s    = rebalance(%x)
 *   %y   : * 2^-3      = einsum(%x.s, @w, "b i, o i -> b o", shift = ($x.s -
 * 4))
 *
 * This is FP8-AMAX (Perez et al., arXiv 2309.17224): the largest element of the
 * tensor is the largest that the format holds, and the exponent is undone after
 * the product, which keeps the one that is propagated. Where both operands are
 * measured a product has two run-time exponents; it is made at one of them, and
 * the other is undone behind it.
 *
 * What was measured to fit a wider format than the product reads is read
 * through a copy too, at a known distance from the exponent it has. What is
 * computed again is read at the exponents that were measured of its original.
 */
#include "compiler/pass/range.h"
#include "compiler/pass/recipe_query.h"
#include "compiler/pass/scale_rules.h"

#include <math.h>
#include <string.h>

/* ---- what is wanted ------------------------------------------------------ */

/* A format that holds every element of f32's range needs no scale. */
static bool operand_measure(const Settings *settings, Measure *out) {
  bool asked =
      settings->scaling == SCALING_RMS || settings->scaling == SCALING_AMAX;
  if (!asked || settings->forward == FORMAT_NONE ||
      !format_is_short(settings->forward))
    return false;
  *out = measure_of_settings(settings, settings->forward);
  return true;
}

static bool contracts(const Node *node) {
  OpClass class = op_info(node->op)->class;
  return class == CLASS_matmul || class == CLASS_conv;
}

/* Adds a want of a value unless it is known. */
static void want(const PassContext *context, OperandScale **of, ValueId value,
                 Measure measure) {
  for (const OperandScale *known = of[value]; known; known = known->next)
    if (measure_equal(known->measure, measure))
      return;
  OperandScale *added = NEW(context->arena, OperandScale);
  *added = (OperandScale){.measure = measure, .next = of[value]};
  of[value] = added;
}

OperandScale **operand_scales(const PassContext *context, const Graph *graph) {
  OperandScale **of = NEW_ARRAY(context->arena, OperandScale *, graph->count);
  const ProductKind *kind = contraction_kinds(context->arena, graph);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    for (int i = 0; contracts(node) && i < 2; i++) {
      Settings settings =
          recipe_operand_settings(context->program, graph, kind[id], id, i);
      Measure measure;
      if (!operand_measure(&settings, &measure))
        continue;
      want(context, of, node->input[i], measure);
    }
  }
  return of;
}

/* ---- copies -------------------------------------------------------------- */

const char *scaler_copy_name(const Scaler *scaler, const Node *node) {
  return name_suffixed(scaler->names, node->name ? node->name : "constant",
                       "s");
}

static OperandScale *scale_of(const Scaler *scaler, ValueId old,
                              Measure measure) {
  OperandScale *scale = scaler->operand[old];
  while (scale && !measure_equal(scale->measure, measure))
    scale = scale->next;
  return scale;
}

void scaler_scale_operands(Scaler *scaler, ValueId old) {
  ValueId value = scaler->copy.map[old];
  ValueId original = scaler->original[old];
  for (OperandScale *scale = scaler->operand[old]; scale; scale = scale->next) {
    const Node *node = graph_node(scaler->copy.new, value);
    if (node->scale.kind != SCALE_NORMAL)
      continue; /* zeros and infinities are the same at every exponent */
    if (original && scale_of(scaler, original, scale->measure))
      continue; /* copy_again: at the exponent of the original */
    scale->copy =
        value_is_measured_so(scaler, value, scale->measure)
            ? value
            : scaler_add_measured(scaler, value, scaler_copy_name(scaler, node),
                                  graph_phase(scaler->copy.new), scale->measure,
                                  WHY_OPERAND);
  }
}

/* The copy of what is computed again, at the exponent that was measured of its
 * original. */
static ValueId copy_again(Scaler *scaler, ValueId old, OperandScale *scale) {
  const OperandScale *first =
      scale_of(scaler, scaler->original[old], scale->measure);
  ValueId value = scaler->copy.map[old];
  if (!first || !first->copy)
    return 0;
  if (first->copy == scaler->copy.map[scaler->original[old]])
    return value;
  Node node = *graph_node(scaler->copy.new, first->copy);
  node.again = node.name;
  node.name = scaler_copy_name(scaler, graph_node(scaler->copy.new, value));
  node.input[0] = value;
  node.phase = graph_phase(scaler->copy.new);
  return graph_add(scaler->copy.new, &node);
}

ValueId scaler_copy_again(Scaler *scaler, ValueId first, ValueId again,
                          ValueId value) {
  for (OperandScale *of = scaler->operand[first]; of; of = of->next) {
    OperandScale *scale = scale_of(scaler, again, of->measure);
    if (of->copy != value || !scale)
      continue;
    if (!scale->copy)
      scale->copy = copy_again(scaler, again, scale);
    return scale->copy;
  }
  return 0;
}

/* The copy that contraction `old` reads as operand `i`, or 0: none. */
static ValueId copy_for(Scaler *scaler, ValueId old, int i) {
  const Graph *graph = scaler->copy.old;
  ValueId input = graph_node(graph, old)->input[i];
  Settings settings = recipe_operand_settings(scaler->context->program, graph,
                                              scaler->kind[old], old, i);
  Measure measure;
  if (!operand_measure(&settings, &measure))
    return 0;
  OperandScale *scale = scale_of(scaler, input, measure);
  if (scale && !scale->copy && scaler->original[input])
    scale->copy = copy_again(scaler, input, scale);
  return scale ? scale->copy : 0;
}

/* What is measured to fit a wide format, a state in f16 say, lies at the top
 * of it: a product that reads it in a narrower one reads a copy whose data are
 * expected to be unit. 0: there is no need. */
static ValueId fitted_copy(Scaler *scaler, ValueId old, int i, ValueId value) {
  Node node = *graph_node(scaler->copy.new, value);
  Settings settings = recipe_operand_settings(
      scaler->context->program, scaler->copy.old, scaler->kind[old], old, i);
  double level = node.estimate.log2_rms;
  if (node.scale.kind != SCALE_NORMAL || !node.scale.symbol ||
      !isfinite(level) || settings.forward == FORMAT_NONE ||
      format_covers(settings.forward, level))
    return 0;
  for (size_t j = 0; j < scaler->fitted.length; j++)
    if (scaler->fitted.data[j].value == value)
      return scaler->fitted.data[j].copy;
  Node copy = node_make(
      OP_REBALANCE, graph_phase(scaler->copy.new),
      type_with_format(scaler->context->program->types, node.type, FORMAT_REAL),
      value, 0, 0);
  copy.name = scaler_copy_name(scaler, &node);
  copy.span = node.span;
  copy.scale = node.scale;
  copy.scale.exponent += (int32_t)floor(level);
  copy.estimate = (Estimate){.log2_rms = level - floor(level),
                             .nonnegative = node.estimate.nonnegative};
  ValueId id = graph_add(scaler->copy.new, &copy);
  vec_push(&scaler->fitted, ((Fitted){value, id}));
  return id;
}

/* ---- products ------------------------------------------------------------ */

/* Do the exponents of two operands give that of the result by one shift? */
static bool shift_fits(Scale a, Scale b, Scale result) {
  int plus = (a.symbol != 0) + (b.symbol != 0);
  if (result.symbol && (result.symbol == a.symbol || result.symbol == b.symbol))
    plus--;
  return plus <= 1;
}

/* The product at the run-time exponent of operand 1, of about its own size,
 * under a helper's name; *node becomes what undoes that. */
static void split_product(Scaler *scaler, Node *node) {
  Scale own = node->scale;
  Scale at = scaler_operand(scaler, node, 1)->scale;
  Node product = *node;
  product.name = scaler_helper_name(scaler, node, node);
  product.pinned = product.probe = false;
  product.again = NULL;
  product.type = type_with_format(scaler->context->program->types, node->type,
                                  FORMAT_REAL);
  at.exponent = 0;
  int32_t from = scaler_predicted(scaler, at).exponent;
  at.exponent = exponent_clamped(scaler_predicted(scaler, own).exponent - from);
  product.scale = at;
  ValueId id = graph_add(scaler->copy.new, &product);
  Node undone = node_make(OP_REBALANCE, node->phase, node->type, id, 0, 0);
  undone.name = node->name;
  undone.again = node->again;
  undone.pinned = node->pinned;
  undone.probe = node->probe;
  undone.span = node->span;
  undone.scale = own;
  undone.estimate = node->estimate;
  *node = undone;
}

void scaler_read_scaled(Scaler *scaler, ValueId old, Node *node) {
  if (!contracts(node))
    return;
  bool any = false;
  for (int i = 0; i < 2; i++) {
    ValueId copy = copy_for(scaler, old, i);
    any |= copy != 0;
    scaler->replaced |= copy != 0;
    node->input[i] = copy ? copy : node->input[i];
    ValueId fitted = fitted_copy(scaler, old, i, node->input[i]);
    node->input[i] = fitted ? fitted : node->input[i];
  }
  if (any && node->scale.kind == SCALE_NORMAL &&
      !shift_fits(scaler_operand(scaler, node, 0)->scale,
                  scaler_operand(scaler, node, 1)->scale, node->scale))
    split_product(scaler, node);
}

/* ---- seeing through copies ----------------------------------------------- */

bool node_is_operand_copy(const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  if (node->op != OP_REBALANCE || !node->name)
    return false;
  const char *from = graph_node(graph, node->input[0])->name;
  size_t length = from ? strlen(from) : 0;
  return from && strncmp(node->name, from, length) == 0 &&
         strncmp(node->name + length, ".s", 2) == 0 &&
         (node->name[length + 2] == '\0' || node->name[length + 2] == '~');
}

ValueId operand_value(const Graph *graph, ValueId id) {
  return node_is_operand_copy(graph, id) ? graph_node(graph, id)->input[0] : id;
}
