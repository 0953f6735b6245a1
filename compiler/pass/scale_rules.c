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
 *   exp, log, softmax_xent e = 0
 *   sqrt                   e = (e1 - parity) / 2
 *
 * Half of log2 K becomes all of it where no summand can be negative: there
 * summands add up instead of cancelling. After Scalify (arXiv 2407.17353) with
 * the unrounded estimate carried along, so that rounding the exponent down at
 * every op loses nothing: 64 residual additions reach 2^3 as they should.
 */
#include "compiler/pass/scale_rules.h"

#include <math.h>

/* log2 of the rms of a uniform variate on [0, 1): sqrt(1/3). */
static const double log2_rms_uniform = -0.79248125036057809;
/* relu zeroes half of a symmetric distribution: rms times sqrt(1/2). */
static const double log2_rms_half = -0.5;

double node_level(const Node *node) {
  if (node->scale.kind != SCALE_NORMAL)
    return -INFINITY;
  return node->scale.exponent + node->estimate.log2_rms;
}

int32_t level_exponent(double level, ScaleRounding rounding) {
  const double slack = 0x1p-20; /* far above the error of a long chain */
  switch (rounding) {
  case SCALE_DOWN:
    return (int32_t)floor(level + slack);
  case SCALE_NEAREST:
    return (int32_t)floor(level + 0.5 + slack);
  case SCALE_UP:
    return (int32_t)ceil(level - slack);
  }
  return 0;
}

/* ---- leaves ------------------------------------------------------------- */

static void no_scale(Node *node) {
  node->scale = scale_none();
  node->estimate = (Estimate){0, false};
}

static void set(Node *node, Scale scale, double log2_rms, bool nonnegative) {
  node->scale = scale;
  node->estimate = (Estimate){log2_rms, nonnegative};
}

/* Parameters have the exponent that scalify chose for the whole program; what
 * an entry is given is taken at 2^0. */
static void scale_leaf(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (!type_is_real(node->type)) {
    no_scale(node);
    return;
  }
  if (node->op == OP_INPUT) {
    const Input *input = &scaler->copy.old->input.data[node->attr.index];
    set(node, scale_static(0), 0, input->source == SOURCE_STEP);
    return;
  }
  const Parameter *param =
      &scaler->context->program->param.data[node->attr.index];
  set(node, param->scale,
      init_log2_rms(param->init) - (double)param->scale.exponent, false);
}

/* c = m * 2^k with 1 <= |m| < 2 holds exactly. Zero, infinities and NaN take
 * the exponent of what they meet. */
static void scale_constant(Scaler *scaler, ValueId old, Node *node) {
  (void)scaler, (void)old;
  if (!type_is_real(node->type)) {
    no_scale(node);
    return;
  }
  double value = node->attr.value;
  if (value == 0) {
    set(node, (Scale){SCALE_ZERO, 0, 0}, -INFINITY, true);
    return;
  }
  if (!isfinite(value)) {
    set(node, (Scale){SCALE_ANY, 0, 0}, -INFINITY, value > 0);
    return;
  }
  int exponent;
  frexp(value, &exponent);
  exponent = exponent - 1 < EXPONENT_MIN   ? EXPONENT_MIN
             : exponent - 1 > EXPONENT_MAX ? EXPONENT_MAX
                                           : exponent - 1;
  node->attr.value = ldexp(value, -exponent);
  set(node, scale_static(exponent), log2(fabs(node->attr.value)), value > 0);
}

/* ---- conversions -------------------------------------------------------- */

/* Bytes enter at 2^8 with data in [0, 1), other integers at 2^0. */
static void scale_convert(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Node *operand = scaler_operand(scaler, node, 0);
  if (!type_is_real(node->type)) {
    no_scale(node);
  } else if (type_is_real(operand->type)) {
    set(node, operand->scale, operand->estimate.log2_rms,
        operand->estimate.nonnegative);
  } else if (operand->type->format == FORMAT_U8) {
    set(node, scale_static(8), log2_rms_uniform, true);
  } else {
    FormatKind kind = format_info(operand->type->format)->kind;
    set(node, scale_static(0), 0, kind == KIND_UINT || kind == KIND_BOOL);
  }
}

/* ---- ops that keep the exponent ----------------------------------------- */

static void keep(Scaler *scaler, Node *node, double drift, bool nonnegative) {
  const Node *operand = scaler_operand(scaler, node, 0);
  if (!type_is_real(node->type)) {
    no_scale(node);
    return;
  }
  set(node, operand->scale, operand->estimate.log2_rms + drift, nonnegative);
}

static void scale_keep(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  bool nonnegative = scaler_operand(scaler, node, 0)->estimate.nonnegative;
  keep(scaler, node, 0, nonnegative && node->op != OP_NEG);
}

static void scale_cast(Scaler *scaler, ValueId old, Node *node) {
  scale_keep(scaler, old, node);
}

static void scale_relu(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  bool nonnegative = scaler_operand(scaler, node, 0)->estimate.nonnegative;
  keep(scaler, node, nonnegative ? 0 : log2_rms_half, true);
}

static void scale_relu_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  bool nonnegative = scaler_operand(scaler, node, 0)->estimate.nonnegative;
  keep(scaler, node, log2_rms_half, nonnegative);
}

/* ---- products and quotients --------------------------------------------- */

static bool is_contribution(const Node *node) {
  return node->scale.kind == SCALE_NORMAL && !isinf(node->estimate.log2_rms);
}

/* A product or quotient with a known zero, infinity or NaN has such contents
 * as well, but which ones is for the data to say: it takes the exponent of the
 * other side. */
static bool product_is_special(const Scaler *scaler, Node *node) {
  Scale a = scaler_operand(scaler, node, 0)->scale;
  Scale b = scaler_operand(scaler, node, 1)->scale;
  if (a.kind == SCALE_NORMAL && b.kind == SCALE_NORMAL)
    return false;
  Scale scale = a.kind == SCALE_NORMAL ? a : b;
  if (scale.kind != SCALE_NORMAL)
    scale = (Scale){a.kind == b.kind ? a.kind : SCALE_ANY, 0, 0};
  set(node, scale, -INFINITY, false);
  return true;
}

/* mul and div do not shift: where the result's exponent was clamped, the
 * second operand takes the rest into its data. */
static void fit_second(Scaler *scaler, Node *node, int64_t exponent) {
  Scale scale = scaler_operand(scaler, node, 1)->scale;
  if (scale.exponent == exponent)
    return;
  scale.exponent = (int32_t)exponent;
  scaler_align(scaler, node, 1, scale);
}

/* A scale names at most one run-time exponent, so of two the second operand
 * is brought to the exponent that it is expected to have. */
static void scale_product(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (!type_is_real(node->type)) {
    no_scale(node);
    return;
  }
  bool square = node->input[0] == node->input[1];
  if (scaler_operand(scaler, node, 0)->scale.symbol != 0 &&
      scaler_operand(scaler, node, 1)->scale.symbol != 0)
    scaler_make_static(scaler, node, 1);
  if (product_is_special(scaler, node))
    return;
  const Node *a = scaler_operand(scaler, node, 0);
  const Node *b = scaler_operand(scaler, node, 1);
  double level = node_level(a) + node_level(b);
  bool nonnegative =
      square || (a->estimate.nonnegative && b->estimate.nonnegative);
  ValueId symbol = a->scale.symbol | b->scale.symbol;
  int64_t first = a->scale.exponent, second = b->scale.exponent;
  scaler_set(scaler, node, symbol, first + second, level, nonnegative);
  fit_second(scaler, node, node->scale.exponent - first);
}

/* Equal run-time exponents cancel; any other one below the line goes. */
static void scale_quotient(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (!type_is_real(node->type)) {
    no_scale(node);
    return;
  }
  ValueId above = scaler_operand(scaler, node, 0)->scale.symbol;
  ValueId below = scaler_operand(scaler, node, 1)->scale.symbol;
  if (below != 0 && below != above)
    scaler_make_static(scaler, node, 1);
  if (product_is_special(scaler, node))
    return;
  const Node *a = scaler_operand(scaler, node, 0);
  const Node *b = scaler_operand(scaler, node, 1);
  /* A divisor that starts as zero says nothing about the quotient. */
  double level = is_contribution(b) ? node_level(b) : b->scale.exponent;
  bool nonnegative = a->estimate.nonnegative && b->estimate.nonnegative;
  ValueId symbol = above == below ? 0 : above;
  int64_t first = a->scale.exponent, second = b->scale.exponent;
  scaler_set(scaler, node, symbol, first - second, node_level(a) - level,
             nonnegative);
  fit_second(scaler, node, first - node->scale.exponent);
}

/* ---- sums of two -------------------------------------------------------- */

/* Where two operands meet: the exponent both are brought to, and the level of
 * their sum of squares relative to its symbol. */
typedef struct {
  Scale scale;
  double level;
  bool exact; /* the level follows from the operands' own levels */
} Meeting;

/* Without anything to go by: the exponent of an operand that has one. */
static Meeting meet_zeros(Scaler *scaler, const Node *node, const Node *a,
                          const Node *b) {
  Scale scale = a->scale;
  if (a->scale.kind == SCALE_NORMAL && b->scale.kind == SCALE_NORMAL)
    scale = scaler_larger(scaler, node, a->scale, b->scale);
  else if (b->scale.kind == SCALE_NORMAL || a->scale.kind == SCALE_ZERO)
    scale = b->scale;
  return (Meeting){scale, -INFINITY, true};
}

static double root_of_squares(double a, double b) {
  return 0.5 * log2(exp2(2 * a) + exp2(2 * b));
}

static Meeting meet(Scaler *scaler, const Node *node) {
  Node a = *scaler_operand(scaler, node, 0);
  Node b = *scaler_operand(scaler, node, 1);
  if (!is_contribution(&a) && !is_contribution(&b))
    return meet_zeros(scaler, node, &a, &b);
  if (!is_contribution(&b))
    return (Meeting){a.scale, node_level(&a), true};
  if (!is_contribution(&a))
    return (Meeting){b.scale, node_level(&b), true};
  Scale scale = scaler_larger(scaler, node, a.scale, b.scale);
  if (a.scale.symbol == b.scale.symbol)
    return (Meeting){scale, root_of_squares(node_level(&a), node_level(&b)),
                     true};
  /* Neither exponent is known relative to the other: taken as equal. */
  return (Meeting){scale,
                   scale.exponent + root_of_squares(a.estimate.log2_rms,
                                                    b.estimate.log2_rms),
                   false};
}

/* L with a run-time exponent taken at what it is expected to be. */
static double predicted_level(const Scaler *scaler, const Node *node) {
  if (!is_contribution(node))
    return -INFINITY;
  return scaler_predicted(scaler, node->scale).exponent +
         node->estimate.log2_rms;
}

/* A new parameter value is demanded at the parameter's exponent; there the
 * run-time exponents of the gradient end. */
static void sum_on_demand(Scaler *scaler, Node *node, Scale demand,
                          bool nonnegative) {
  double a = predicted_level(scaler, scaler_operand(scaler, node, 0));
  double b = predicted_level(scaler, scaler_operand(scaler, node, 1));
  double level = isinf(a) ? b : isinf(b) ? a : root_of_squares(a, b);
  set(node, demand, level - demand.exponent, nonnegative);
  scaler_align(scaler, node, 0, demand);
  scaler_align(scaler, node, 1, demand);
}

static void scale_sum_of_squares(Scaler *scaler, ValueId old, Node *node) {
  if (!type_is_real(node->type)) {
    no_scale(node);
    return;
  }
  bool nonnegative = node->op == OP_ADD &&
                     scaler_operand(scaler, node, 0)->estimate.nonnegative &&
                     scaler_operand(scaler, node, 1)->estimate.nonnegative;
  if (scaler->demand[old].kind == SCALE_NORMAL) {
    sum_on_demand(scaler, node, scaler->demand[old], nonnegative);
    return;
  }
  Meeting meeting = meet(scaler, node);
  Scale scale = meeting.scale;
  if (scale.kind != SCALE_NORMAL || isinf(meeting.level))
    set(node, scale, -INFINITY, nonnegative);
  else if (meeting.exact)
    scaler_renormalise(scaler, node, scale.symbol, meeting.level, nonnegative);
  else
    set(node, scale, meeting.level - scale.exponent, nonnegative);
  scaler_align(scaler, node, 0, node->scale);
  scaler_align(scaler, node, 1, node->scale);
}

/* Operands are compared as data at one exponent. */
static void scale_compare(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  no_scale(node);
  Node a = *scaler_operand(scaler, node, 0);
  Node b = *scaler_operand(scaler, node, 1);
  if (a.scale.kind != SCALE_NORMAL || b.scale.kind != SCALE_NORMAL)
    return;
  Scale scale = scaler_larger(scaler, node, a.scale, b.scale);
  scaler_align(scaler, node, 0, scale);
  scaler_align(scaler, node, 1, scale);
}

/* ---- functions ---------------------------------------------------------- */

static void scale_sqrt(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (scaler_operand(scaler, node, 0)->scale.symbol != 0)
    scaler_make_static(scaler, node, 0);
  const Node *operand = scaler_operand(scaler, node, 0);
  if (operand->scale.kind != SCALE_NORMAL) {
    keep(scaler, node, 0, true);
    return;
  }
  int32_t e = operand->scale.exponent;
  int32_t half = (e - (e & 1)) / 2;
  set(node, scale_static(half), node_level(operand) / 2 - half, true);
}

/* exp and log are not homogeneous: taken on the unscaled value. */
static void scale_unscaled(Scaler *scaler, ValueId old, Node *node) {
  (void)scaler, (void)old;
  set(node, scale_static(0), 0, node->op == OP_EXP);
}

/* ---- contractions and reductions ---------------------------------------- */

/* The number of summands of each output element: the sizes of the letters
 * that the result lacks. */
static double summand_count(const Scaler *scaler, const Node *node) {
  Pattern pattern;
  const char *error = NULL;
  size_t offset = 0;
  int64_t size[3 * MAX_RANK];
  const Type *types[2] = {NULL, NULL};
  for (int i = 0; i < 2 && node->input[i] != 0; i++)
    types[i] = scaler_operand(scaler, node, i)->type;
  if (!pattern_parse(scaler->context->program->interner, node->attr.pattern,
                     &pattern, &error, &offset) ||
      !pattern_sizes(&pattern, types, size, scaler->context->arena, &error))
    return 1; /* cannot be: the verifier has parsed it */
  double count = 1;
  for (int letter = 0; letter < pattern.letters; letter++) {
    bool in_result = false;
    for (int i = 0; i < pattern.out_rank; i++)
      in_result |= pattern.out_axis[i] == letter;
    if (!in_result)
      count *= (double)size[letter];
  }
  return count;
}

static void scale_contraction(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  if (scaler_operand(scaler, node, 0)->scale.symbol != 0 &&
      scaler_operand(scaler, node, 1)->scale.symbol != 0)
    scaler_make_static(scaler, node, 1);
  if (product_is_special(scaler, node))
    return;
  const Node *a = scaler_operand(scaler, node, 0);
  const Node *b = scaler_operand(scaler, node, 1);
  bool nonnegative = a->estimate.nonnegative && b->estimate.nonnegative;
  double k = log2(summand_count(scaler, node));
  ValueId symbol = a->scale.symbol | b->scale.symbol;
  double level = node_level(a) + node_level(b) + (nonnegative ? k : k / 2);
  if (isinf(level))
    scaler_set(scaler, node, symbol,
               (int64_t)a->scale.exponent + b->scale.exponent, level,
               nonnegative);
  else
    scaler_renormalise(scaler, node, symbol, level, nonnegative);
}

static void reduce(Scaler *scaler, Node *node, double growth) {
  const Node *operand = scaler_operand(scaler, node, 0);
  if (!type_is_real(node->type))
    no_scale(node);
  else if (!is_contribution(operand))
    keep(scaler, node, 0, operand->estimate.nonnegative);
  else
    scaler_renormalise(scaler, node, operand->scale.symbol,
                       node_level(operand) + growth,
                       operand->estimate.nonnegative);
}

/* n summands grow like sqrt n, or like n where none is negative. */
static double sum_growth(const Scaler *scaler, const Node *node) {
  double n = log2(summand_count(scaler, node));
  return scaler_operand(scaler, node, 0)->estimate.nonnegative ? n : n / 2;
}

static void scale_sum(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  reduce(scaler, node, sum_growth(scaler, node));
}

static void scale_mean(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  reduce(scaler, node,
         sum_growth(scaler, node) - log2(summand_count(scaler, node)));
}

/* ---- the loss ----------------------------------------------------------- */

static double class_count(const Scaler *scaler, const Node *node) {
  const Type *logits = scaler_operand(scaler, node, 0)->type;
  return (double)logits->dim[logits->rank - 1];
}

/* A model that knows nothing pays ln V for each of V classes. */
static void scale_softmax_xent(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  set(node, scale_static(0), log2(log(class_count(scaler, node))), true);
}

/* At uniform probabilities a row of (p - onehot) has rms sqrt(V - 1) / V. */
static void scale_softmax_xent_grad(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  const Node *gradient = scaler_operand(scaler, node, 2);
  double classes = class_count(scaler, node);
  double level = node_level(gradient) + 0.5 * log2(classes - 1) - log2(classes);
  if (gradient->scale.kind != SCALE_NORMAL || isinf(level))
    set(node, gradient->scale, -INFINITY, false);
  else
    scaler_renormalise(scaler, node, gradient->scale.symbol, level, false);
}

/* ---- values without a scale, scale control, effects --------------------- */

static void scale_plain(Scaler *scaler, ValueId old, Node *node) {
  (void)scaler, (void)old;
  no_scale(node);
}

/* rescale becomes a measured exponent and the operand at that exponent. */
static void scale_rescale(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  bool nonnegative = scaler_operand(scaler, node, 0)->estimate.nonnegative;
  ValueId symbol = scaler_measure(scaler, node);
  node->op = OP_REBALANCE;
  node->attr.by = NORM_L1; /* unused by rebalance: its neutral value */
  set(node, (Scale){SCALE_NORMAL, symbol, 0}, 0, nonnegative);
}

static void scale_rebalance(Scaler *scaler, ValueId old, Node *node) {
  scale_keep(scaler, old, node);
}

static void scale_exponent(Scaler *scaler, ValueId old, Node *node) {
  (void)scaler, (void)old;
  no_scale(node);
}

/* What is stored is stored at the parameter's own exponent; a parameter
 * without one holds the values themselves. */
static void scale_store(Scaler *scaler, ValueId old, Node *node) {
  (void)old;
  Scale param = scaler->context->program->param.data[node->attr.index].scale;
  Scale value = scaler_operand(scaler, node, 0)->scale;
  if (param.kind == SCALE_NORMAL)
    scaler_align(scaler, node, 0, param);
  else if (value.kind == SCALE_NORMAL)
    scaler_align(scaler, node, 0, scale_static(0));
  set(node, param, scaler_operand(scaler, node, 0)->estimate.log2_rms,
      scaler_operand(scaler, node, 0)->estimate.nonnegative);
}

ScaleRule *scale_rule(Op op) {
  static ScaleRule *const table[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, exponent, scale, ...)   \
  [OP_##id] = scale_##scale,
#include "ir/ops.def"
  };
  return table[op];
}
