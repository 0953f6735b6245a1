/* The scale rules: which exponent and estimate each op gives its result.
 *
 * In: a node whose operands carry scale and estimate. Out: the node's own.
 * The table is that of numerics.md 1.10 with the estimate of semantics.md: a
 * value is data * 2^e, f is log2 of the predicted rms of its data, L = e + f.
 *
 *   structure, sign        e, f of the operand
 *   relu, relu_grad        e; f - 1/2 (half the elements become zero)
 *   mul, div               e1 +- e2; f1 +- f2
 *   einsum over K          L = L1 + L2 + 1/2 log2 K, then e = round(L)
 *   sum of n               L = L1 + 1/2 log2 n;  mean: less log2 n
 *   add, sub               L = log2 sqrt(2^(2 L1) + 2^(2 L2))
 *   exp                    e = 0; f = min(1, 2^(2 L1)) log2 e
 *   log, softmax_xent      e = 0
 *   sqrt                   e = (e1 - parity) / 2
 *
 * Half of log2 K becomes all of it where no summand can be negative: there
 * summands add up instead of cancelling. After Scalify (arXiv 2407.17353) with
 * the unrounded estimate carried along, so that rounding the exponent down at
 * every op loses nothing: 64 residual additions reach 2^3 as they should.
 */
#include "compiler/pass/scale_rules.h"

#include <math.h>
#include <stdarg.h>

/* log2 of the rms of a uniform variate on [0, 1): sqrt(1/3). */
static const double log2_rms_uniform = -0.79248125036057809;
/* relu zeroes half of a symmetric distribution: rms times sqrt(1/2). */
static const double log2_rms_half = -0.5;

double node_level(const Node *node) {
  if (node->scale.kind != SCALE_NORMAL)
    return -INFINITY;
  return node->scale.exponent + node->estimate.log2_rms;
}

/* ---- leaves ------------------------------------------------------------- */

void node_set_unscaled(Node *node) {
  node->scale = scale_none();
  node->estimate = (Estimate){.log2_rms = 0};
}

void node_set_scale(Node *node, Scale scale, double log2_rms,
                    bool nonnegative) {
  node->scale = scale;
  node->estimate = (Estimate){.log2_rms = log2_rms, .nonnegative = nonnegative};
}

void scaler_factor(const Scaler *scaler, Node *node, double log2_factor,
                   const char *format, ...) {
  if (node->scale.kind != SCALE_NORMAL || isinf(node->estimate.log2_rms))
    return;
  va_list args;
  Buffer text = {0};
  va_start(args, format);
  buffer_vprintf(&text, format, args);
  va_end(args);
  node->estimate.factor =
      arena_string(scaler->context->arena, text.data, text.length);
  node->estimate.log2_factor = log2_factor;
  buffer_free(&text);
}

void scaler_factor_count(const Scaler *scaler, Node *node, double count,
                         bool nonnegative, double other, const char *text) {
  double level = log2(count);
  scaler_factor(scaler, node, (nonnegative ? level : level / 2) + other,
                nonnegative ? "%.12g%s" : "r(%.12g)%s", count, text);
}

/* "rms of uniform(-0.5, 0.5)" */
static void note_initial(const Scaler *scaler, Node *node, Init init) {
  int count = init_arguments(init.kind);
  scaler_factor(scaler, node, init_log2_rms(init),
                count > 1    ? "rms of %s(%.6g, %.6g)"
                : count == 1 ? "rms of %s(%.6g)"
                             : "rms of %s",
                init_name(init.kind), init.a, init.b);
}

/* Parameters have the exponent that scalify chose for the whole program; what
 * an entry is given is taken at 2^0. */
void scale_leaf(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (!type_is_real(node->type)) {
    node_set_unscaled(node);
    return;
  }
  if (node->op == OP_INPUT) {
    const Input *input = &scaler->copy.old->input.data[node->attr.index];
    node_set_scale(node, scale_static(0), 0, input->source == SOURCE_STEP);
    return;
  }
  const Parameter *param =
      &scaler->context->program->param.data[node->attr.index];
  if (param->exponent) {
    scaler_read_state(scaler, node);
    return;
  }
  double level = init_log2_rms(param->init);
  bool beyond = level < EXPONENT_MIN || level >= EXPONENT_MAX + 1;
  if (isfinite(level) && beyond)
    scaler_note_clamped(scaler, param->span, param->name,
                        (int64_t)floor(level));
  node_set_scale(node, param->scale, level - (double)param->scale.exponent,
                 false);
  note_initial(scaler, node, param->init);
}

/* c = m * 2^k holds exactly, with 1 <= |m| < 2 where exponents are rounded
 * down. Zero, infinities and NaN take the exponent of what they meet. */
void scale_constant(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (!type_is_real(node->type)) {
    node_set_unscaled(node);
    return;
  }
  double value = node->attr.value;
  Scale scale = scale_of_number(value, scaler->rounding, scaler->draw);
  if (scale.kind != SCALE_NORMAL) {
    node_set_scale(node, scale, -INFINITY, value >= 0);
    return;
  }
  int exponent = ilogb(value);
  if (exponent < EXPONENT_MIN || exponent > EXPONENT_MAX)
    scaler_note_clamped(scaler, node->span,
                        arena_printf(scaler->context->arena, "%.9g", value),
                        exponent);
  node->attr.value = ldexp(value, -scale.exponent);
  node_set_scale(node, scale, log2(fabs(node->attr.value)), value > 0);
  scaler_factor(scaler, node, log2(fabs(value)), "%.9g", fabs(value));
}

/* ---- conversions -------------------------------------------------------- */

/* Bytes enter at 2^8 with data in [0, 1), other integers at 2^0. */
void scale_convert(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Node *operand = scaler_operand(scaler, node, 0);
  if (!type_is_real(node->type)) {
    node_set_unscaled(node);
  } else if (type_is_real(operand->type)) {
    node_set_scale(node, operand->scale, operand->estimate.log2_rms,
                   operand->estimate.nonnegative);
  } else if (operand->type->format == FORMAT_U8) {
    node_set_scale(node, scale_static(8), log2_rms_uniform, true);
    scaler_factor(scaler, node, 8 + log2_rms_uniform, "256 * r(1/3)");
  } else {
    FormatKind kind = format_info(operand->type->format)->kind;
    node_set_scale(node, scale_static(0), 0,
                   kind == KIND_UINT || kind == KIND_BOOL);
  }
}

/* ---- ops that keep the exponent ----------------------------------------- */

void scaler_keep(Scaler *scaler, Node *node, double drift, bool nonnegative) {
  const Node *operand = scaler_operand(scaler, node, 0);
  if (!type_is_real(node->type)) {
    node_set_unscaled(node);
    return;
  }
  node_set_scale(node, operand->scale, operand->estimate.log2_rms + drift,
                 nonnegative);
}

void scale_keep(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  bool nonnegative = scaler_operand(scaler, node, 0)->estimate.nonnegative;
  scaler_keep(scaler, node, 0, nonnegative && node->op != OP_NEG);
}

void scale_cast(Scaler *scaler, ValueId old, Node *node) {
  scale_keep(scaler, old, node);
}

void scale_relu(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  bool nonnegative = scaler_operand(scaler, node, 0)->estimate.nonnegative;
  scaler_keep(scaler, node, nonnegative ? 0 : log2_rms_half, true);
  if (!nonnegative)
    scaler_factor(scaler, node, log2_rms_half, "r(1/2)");
}

void scale_relu_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  bool nonnegative = scaler_operand(scaler, node, 0)->estimate.nonnegative;
  scaler_keep(scaler, node, log2_rms_half, nonnegative);
  scaler_factor(scaler, node, log2_rms_half, "r(1/2)");
}

/* ---- functions ---------------------------------------------------------- */

void scale_sqrt(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (scaler_operand(scaler, node, 0)->scale.symbol != 0)
    scaler_make_static(scaler, node, 0);
  const Node *operand = scaler_operand(scaler, node, 0);
  if (operand->scale.kind != SCALE_NORMAL) {
    scaler_keep(scaler, node, 0, true);
    return;
  }
  int32_t e = operand->scale.exponent;
  int32_t half = (e - (e & 1)) / 2;
  node_set_scale(node, scale_static(half), node_level(operand) / 2 - half,
                 true);
}

/* log2 of the rms of exp(x) for normal x of mean square v: v log2 e. Of an x
 * above unit rms the sum of squares is that of a few elements, and what is
 * handed to exp has mostly lost its maximum before: then as at unit rms. */
static double exp_level(const Scaler *scaler, const Node *x) {
  static const double log2_e = 1.4426950408889634;
  if (!node_contributes(x))
    return 0;
  double level =
      scaler_predicted(scaler, x->scale).exponent + x->estimate.log2_rms;
  return log2_e * exp2(2 * fmin(level, 0));
}

/* exp and log are not homogeneous: taken on the unscaled value. */
void scale_exp(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  double level = exp_level(scaler, scaler_operand(scaler, node, 0));
  node_set_scale(node, scale_static(0), level, true);
  scaler_factor(scaler, node, level, "rms of exp at 2^%.2f", level);
}

void scale_unscaled(Scaler *scaler, ValueId old, Node *node) {
  (void)scaler, (void)old;
  node_set_scale(node, scale_static(0), 0, false);
}

/* ---- values without a scale, scale control, effects --------------------- */

void scale_plain(Scaler *scaler, ValueId old, Node *node) {
  (void)scaler, (void)old;
  node_set_unscaled(node);
}

/* rescale becomes a measured exponent and the operand at that exponent. */
void scale_rescale(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  bool nonnegative = scaler_operand(scaler, node, 0)->estimate.nonnegative;
  Measure measure = measure_of_node(node);
  ValueId symbol = scaler_measure(scaler, node, measure);
  double level = measure_level(measure);
  node->op = OP_REBALANCE;
  Attributes neutral = attributes_neutral();
  node->attr.by = neutral.by; /* rebalance has none of these */
  node->attr.why = neutral.why;
  node->attr.fit = neutral.fit;
  node->attr.every = neutral.every;
  node->attr.history = neutral.history;
  node_set_scale(node, scale_make(SCALE_NORMAL, symbol, 0), level, nonnegative);
  if (measure.fit != FORMAT_NONE)
    scaler_factor(scaler, node, level, "2^%.0f, an eighth of the top of %s",
                  level, format_info(measure.fit)->text);
}

void scale_rebalance(Scaler *scaler, ValueId old, Node *node) {
  scale_keep(scaler, old, node);
}

void scale_exponent(Scaler *scaler, ValueId old, Node *node) {
  (void)scaler, (void)old;
  node_set_unscaled(node);
}

/* What is stored is stored at the parameter's own exponent; a parameter
 * without one holds the values themselves. */
void scale_store(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (scaler->context->program->param.data[node->attr.index].exponent) {
    scaler_store_measured(scaler, node);
    return;
  }
  Scale param = scaler->context->program->param.data[node->attr.index].scale;
  Scale value = scaler_operand(scaler, node, 0)->scale;
  if (param.kind == SCALE_NORMAL)
    scaler_align(scaler, node, 0, param);
  else if (value.kind == SCALE_NORMAL)
    scaler_align(scaler, node, 0, scale_static(0));
  node_set_scale(node, param,
                 scaler_operand(scaler, node, 0)->estimate.log2_rms,
                 scaler_operand(scaler, node, 0)->estimate.nonnegative);
}

enum {
#define RULE(id, ...) RULE_##id,
#include "compiler/pass/scale_rules.def"
  RULE_COUNT
};

static const ScaleRuleInfo rule_info[RULE_COUNT] = {
#define RULE(id, name, arithmetic) {name, arithmetic},
#include "compiler/pass/scale_rules.def"
};

const ScaleRuleInfo *scale_rule_list(size_t *count) {
  *count = RULE_COUNT;
  return rule_info;
}

const ScaleRuleInfo *scale_rule_info(Op op) {
  static const int table[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, exponent, scale, ...)   \
  [OP_##id] = RULE_##scale,
#include "ir/ops.def"
  };
  return &rule_info[table[op]];
}

ScaleRule *scale_rule(Op op) {
  static ScaleRule *const table[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, exponent, scale, ...)   \
  [OP_##id] = scale_##scale,
#include "ir/ops.def"
  };
  return table[op];
}
