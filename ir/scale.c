/* Exponents of values and the shifts that follow from them.
 *
 * Idea: in a Scalify graph (Blake et al.; numerics.md 1.10) every rule but two
 * adds exponents, so a shift is the difference of two sums of integers and
 * symbols. It is derived here from the scales that the nodes carry, never
 * stored: text, evaluator and generated code cannot disagree about it.
 */
#include "ir/ir.h"

#include <math.h>
#include <string.h>

bool scale_equal(Scale a, Scale b) {
  if (a.kind != b.kind)
    return false;
  return a.kind != SCALE_NORMAL ||
         (a.symbol == b.symbol && a.exponent == b.exponent &&
          a.granularity == b.granularity);
}

bool shift_is_zero(Shift shift) {
  return shift.exponent == 0 && shift.plus == 0 && shift.minus == 0;
}

/* ---- powers of two ------------------------------------------------------ */

enum { F64_BITS = 52, F64_BIAS = 1023, F64_LAST = 2047 };

/* sqrt(2), which no significand equals, less 1 and rounded down. */
static const uint64_t sqrt2_fraction = UINT64_C(0x6A09E667F3BCC);

/* The upper half of x * x. */
static uint64_t square_high(uint64_t x) {
  uint64_t low = x & UINT32_MAX, high = x >> 32;
  uint64_t middle = high * low, carry = (low * low) >> 32;
  carry += (middle & UINT32_MAX) * 2;
  return high * high + (middle >> 32) * 2 + (carry >> 32);
}

/* The first 32 bits of log2 (1 + fraction / 2^52), one for each squaring that
 * passes 2. What a squaring drops has grown to a unit of bit 31 at the end. */
static uint32_t log2_fraction(uint64_t fraction) {
  uint64_t x = (UINT64_C(1) << F64_BITS | fraction) << (63 - F64_BITS);
  uint32_t bits = 0;
  for (int i = 0; i < 32; i++) {
    x = square_high(x); /* in [1, 4) at 2^62 */
    bool passes = x >> 63;
    bits = bits << 1 | passes;
    x = passes ? x : x << 1;
  }
  return bits;
}

static bool fraction_rounds_up(uint64_t fraction, ScaleRounding rounding,
                               uint32_t draw) {
  switch (rounding) {
  case SCALE_NEAREST:
    return fraction > sqrt2_fraction;
  case SCALE_UP:
    return fraction != 0;
  case SCALE_STOCHASTIC:
    return draw < log2_fraction(fraction);
  default:
    return false;
  }
}

Scale scale_of_number(double value, ScaleRounding rounding, uint32_t draw) {
  uint64_t bits, all = (UINT64_C(1) << F64_BITS) - 1;
  memcpy(&bits, &value, sizeof bits);
  uint64_t fraction = bits & all;
  int field = (int)(bits >> F64_BITS) & F64_LAST;
  if (field == F64_LAST)
    return scale_make(SCALE_ANY, 0, 0);
  if (field == 0 && fraction == 0)
    return scale_make(SCALE_ZERO, 0, 0);
  int exponent = field - F64_BIAS;
  if (field == 0) {
    int up = __builtin_clzll(fraction) - (63 - F64_BITS);
    fraction = (fraction << up) & all;
    exponent = 1 - F64_BIAS - up;
  }
  exponent += fraction_rounds_up(fraction, rounding, draw);
  return scale_static(exponent < EXPONENT_MIN   ? EXPONENT_MIN
                      : exponent > EXPONENT_MAX ? EXPONENT_MAX
                                                : exponent);
}

int32_t level_exponent(double level, ScaleRounding rounding, uint32_t draw) {
  const double slack = 0x1p-20; /* far above the error of a long chain */
  double whole = floor(level + slack), part = level - whole;
  switch (rounding) {
  case SCALE_NEAREST:
    return (int32_t)floor(level + 0.5 + slack);
  case SCALE_UP:
    return (int32_t)ceil(level - slack);
  case SCALE_STOCHASTIC:
    return (int32_t)whole + (part > slack && draw * 0x1p-32 < part);
  default:
    return (int32_t)whole;
  }
}

/* ---- sums of exponents -------------------------------------------------- */

enum { MAX_SYMBOLS = 4 };

/* exponent + the plus symbols - the minus symbols; `free` when some operand
 * adopts any exponent, so that nothing follows for the result. */
typedef struct {
  int32_t exponent;
  ValueId plus[MAX_SYMBOLS], minus[MAX_SYMBOLS];
  int plus_count, minus_count;
  bool free;
} Sum;

/* Takes `symbol` out of a list; false if it is not in it. */
static bool cancel(ValueId *list, int *count, ValueId symbol) {
  for (int i = 0; i < *count; i++) {
    if (list[i] != symbol)
      continue;
    list[i] = list[--*count];
    return true;
  }
  return false;
}

/* A symbol in one list cancels its equal in the other. */
static void add_symbol(ValueId *list, int *count, ValueId *other,
                       int *other_count, ValueId symbol) {
  if (symbol && !cancel(other, other_count, symbol))
    list[(*count)++] = symbol;
}

/* No scale counts as 2^0. */
static void sum_add(Sum *sum, Scale scale) {
  if (scale.kind == SCALE_ZERO || scale.kind == SCALE_ANY)
    sum->free = true;
  if (scale.kind != SCALE_NORMAL)
    return;
  sum->exponent += scale.exponent;
  add_symbol(sum->plus, &sum->plus_count, sum->minus, &sum->minus_count,
             scale.symbol);
}

static void sum_subtract(Sum *sum, Scale scale) {
  if (scale.kind == SCALE_ZERO || scale.kind == SCALE_ANY)
    sum->free = true;
  if (scale.kind != SCALE_NORMAL)
    return;
  sum->exponent -= scale.exponent;
  add_symbol(sum->minus, &sum->minus_count, sum->plus, &sum->plus_count,
             scale.symbol);
}

/* ---- the rules ---------------------------------------------------------- */

static Scale operand_scale(const Graph *graph, const Node *node, int operand) {
  return graph_node(graph, node->input[operand])->scale;
}

/* What the exponents of the operands give the result before any shift. False
 * where nothing binds it. */
typedef bool ExponentRule(const Graph *graph, const Node *node, Sum *sum);

/* Leaves, integers, exponent-defining ops. */
static bool exponent_none(const Graph *graph, const Node *node, Sum *sum) {
  (void)graph, (void)node, (void)sum;
  return false;
}

/* The operand is unscaled first, so the result is at 2^0. */
static bool exponent_unscaled(const Graph *graph, const Node *node, Sum *sum) {
  (void)graph, (void)node, (void)sum;
  return true;
}

/* So is the second operand. */
static bool exponent_all_unscaled(const Graph *graph, const Node *node,
                                  Sum *sum) {
  return exponent_unscaled(graph, node, sum);
}

static bool exponent_first(const Graph *graph, const Node *node, Sum *sum) {
  sum_add(sum, operand_scale(graph, node, 0));
  return true;
}

static bool exponent_third(const Graph *graph, const Node *node, Sum *sum) {
  sum_add(sum, operand_scale(graph, node, 2));
  return true;
}

/* A gradient: that of dy. */
static bool exponent_second(const Graph *graph, const Node *node, Sum *sum) {
  sum_add(sum, operand_scale(graph, node, 1));
  return true;
}

/* The same, of a function that is not homogeneous: operand 0 is unscaled. */
static bool exponent_cotangent(const Graph *graph, const Node *node, Sum *sum) {
  return exponent_second(graph, node, sum);
}

/* Divided by a length of the operand: 2^0, whatever its exponent. */
static bool exponent_normalised(const Graph *graph, const Node *node,
                                Sum *sum) {
  (void)graph, (void)node, (void)sum;
  return true;
}

/* The gradient of that: dy divided by the length of operand 0, which is at
 * 2^0 where it adopts any exponent. */
static bool exponent_reciprocal(const Graph *graph, const Node *node,
                                Sum *sum) {
  Scale scale = operand_scale(graph, node, 0);
  sum_add(sum, operand_scale(graph, node, 1));
  if (scale.kind == SCALE_NORMAL)
    sum_subtract(sum, scale);
  return true;
}

static bool exponent_product(const Graph *graph, const Node *node, Sum *sum) {
  sum_add(sum, operand_scale(graph, node, 0));
  sum_add(sum, operand_scale(graph, node, 1));
  return true;
}

static bool exponent_quotient(const Graph *graph, const Node *node, Sum *sum) {
  sum_add(sum, operand_scale(graph, node, 0));
  sum_subtract(sum, operand_scale(graph, node, 1));
  return true;
}

static bool scale_adopts(Scale scale) {
  return scale.kind == SCALE_ZERO || scale.kind == SCALE_ANY;
}

/* The operands from `from` on agree, but for those that adopt any exponent. */
static bool common_exponent(const Graph *graph, const Node *node, int from,
                            Sum *sum) {
  Scale scale = operand_scale(graph, node, from);
  for (int i = from + 1; i < node_inputs(node) && scale_adopts(scale); i++)
    scale = operand_scale(graph, node, i);
  sum_add(sum, scale);
  return true;
}

static bool exponent_aligned(const Graph *graph, const Node *node, Sum *sum) {
  return common_exponent(graph, node, 0, sum);
}

/* select: operand 0 is no number. */
static bool exponent_chosen(const Graph *graph, const Node *node, Sum *sum) {
  return common_exponent(graph, node, 1, sum);
}

/* At 2^0 whatever the operand's exponent: the sign of data is the value's. */
static bool exponent_unit(const Graph *graph, const Node *node, Sum *sum) {
  (void)graph, (void)node, (void)sum;
  return true;
}

/* As aligned, of the first two operands alone: what follows is an index. */
static bool exponent_pair(const Graph *graph, const Node *node, Sum *sum) {
  Scale first = operand_scale(graph, node, 0);
  sum_add(sum, scale_adopts(first) ? operand_scale(graph, node, 1) : first);
  return true;
}

/* Of equal exponents too, but the result is no real number. */
static bool exponent_compared(const Graph *graph, const Node *node, Sum *sum) {
  (void)graph, (void)node, (void)sum;
  return false;
}

/* (e - parity) / 2. A run-time exponent has no known parity: `free` then keeps
 * a rule from being stated; the verifier reports the operand. */
static bool exponent_root(const Graph *graph, const Node *node, Sum *sum) {
  Scale scale = operand_scale(graph, node, 0);
  sum->free =
      scale_adopts(scale) || (scale.kind == SCALE_NORMAL && scale.symbol);
  if (!sum->free && scale.kind == SCALE_NORMAL)
    sum->exponent = (scale.exponent - (scale.exponent & 1)) / 2;
  return true;
}

/* -(e - parity) / 2. */
static bool exponent_inverse_root(const Graph *graph, const Node *node,
                                  Sum *sum) {
  exponent_root(graph, node, sum);
  sum->exponent = -sum->exponent;
  return true;
}

static ExponentRule *const exponent_rule[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, exponent, ...)          \
  [OP_##id] = exponent_##exponent,
#include "ir/ops.def"
};

/* Adds the rule exponent of `node` to *sum; false where no rule binds it. */
static bool rule_sum(const Graph *graph, const Node *node, Sum *sum) {
  return exponent_rule[node->op](graph, node, sum);
}

bool op_is_aligned(Op op, int operand) {
  ExponentRule *rule = exponent_rule[op];
  if (rule == exponent_chosen)
    return operand > 0;
  if (rule == exponent_pair)
    return operand == 0 || operand == 1;
  return operand >= 0 &&
         (rule == exponent_aligned || rule == exponent_compared);
}

static bool rule_needs_parity(ExponentRule *rule) {
  return rule == exponent_root || rule == exponent_inverse_root;
}

bool op_needs_parity(Op op) {
  return rule_needs_parity(exponent_rule[op]);
}

/* Splat, accumulate and store are of one exponent for other reasons. */
bool op_keeps_blocks(Op op) {
  return exponent_rule[op] == exponent_first && op_info(op)->inputs == 1 &&
         op_kernel_form(op) == KERNEL_FUSED && op != OP_SPLAT &&
         op != OP_ACCUMULATE && op != OP_STORE && op != OP_REBALANCE;
}

/* Is any scale at all in sight of this node? */
static bool has_scales(const Graph *graph, const Node *node) {
  if (node->scale.kind != SCALE_NONE)
    return true;
  for (int i = 0; i < node_inputs(node); i++)
    if (operand_scale(graph, node, i).kind != SCALE_NONE)
      return true;
  return false;
}

/* Only sums with at most one symbol, and that one positive, are scales. */
bool scale_rule_exponent(const Graph *graph, ValueId id, Scale *out) {
  const Node *node = graph_node(graph, id);
  Sum sum = {0};
  if (!has_scales(graph, node) || !rule_sum(graph, node, &sum) || sum.free ||
      sum.plus_count > 1 || sum.minus_count > 0)
    return false;
  *out = scale_static(sum.exponent);
  out->symbol = sum.plus_count ? sum.plus[0] : 0;
  return true;
}

/* Rule exponent less result exponent. A store's exponent is its parameter's,
 * which only the program knows, so its shift is 0 here and the verifier
 * compares. */
static Sum shift_sum(const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  Sum sum = {0};
  if (node->op == OP_STORE || !type_is_real(node->type) ||
      !rule_sum(graph, node, &sum))
    return (Sum){0};
  sum_subtract(&sum, node->scale);
  return sum.free ? (Sum){0} : sum;
}

bool node_shift_fits(const Graph *graph, ValueId id) {
  Sum sum = shift_sum(graph, id);
  return sum.plus_count <= 1 && sum.minus_count <= 1;
}

bool node_exponent_is_open(const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  Sum sum = {0};
  bool root = rule_needs_parity(exponent_rule[node->op]);
  if (root || node->op == OP_CONVERT)
    return scale_adopts(operand_scale(graph, node, 0));
  return rule_sum(graph, node, &sum) && sum.free;
}

/* Sums that do not fit lose symbols here; node_shift_fits says so. */
Shift node_shift(const Graph *graph, ValueId id) {
  Sum sum = shift_sum(graph, id);
  Shift shift = {.exponent = sum.exponent};
  if (sum.plus_count)
    shift.plus = sum.plus[0];
  if (sum.minus_count)
    shift.minus = sum.minus[0];
  return shift;
}

/* Operand 0 alone is shifted, but by pow: labels and gradients are read as they
 * are. */
Shift operand_shift(const Graph *graph, ValueId id, int operand) {
  const Node *node = graph_node(graph, id);
  Scale scale = operand_scale(graph, node, operand);
  ExponentRule *rule = exponent_rule[node->op];
  bool all = rule == exponent_all_unscaled;
  if ((operand != 0 && !all) || scale.kind != SCALE_NORMAL)
    return (Shift){0};
  if (all || rule == exponent_unscaled || rule == exponent_third ||
      rule == exponent_cotangent)
    return (Shift){.exponent = scale.exponent, .plus = scale.symbol};
  if (rule_needs_parity(rule))
    return (Shift){.exponent = scale.symbol ? 0 : scale.exponent & 1};
  return (Shift){0};
}

/* ---- text --------------------------------------------------------------- */

/* $a, ($a + 3), ($a - 3): a sum that holds one symbol. */
static void print_symbol_sum(Buffer *out, const Graph *graph, ValueId symbol,
                             int32_t exponent) {
  const char *name = graph_node(graph, symbol)->name;
  if (exponent == 0)
    buffer_printf(out, "$%s", name);
  else
    buffer_printf(out, "($%s %c %d)", name, exponent < 0 ? '-' : '+',
                  exponent < 0 ? -exponent : exponent);
}

void exponent_print(Buffer *out, const Graph *graph, Scale scale) {
  if (scale.symbol)
    print_symbol_sum(out, graph, scale.symbol, scale.exponent);
  else
    buffer_printf(out, "%d", scale.exponent);
}

/* The text behind `*` in a type. */
void scale_print(Buffer *out, const Graph *graph, Scale scale) {
  switch (scale.kind) {
  case SCALE_NONE:
    return;
  case SCALE_ZERO:
    buffer_text(out, "zero");
    return;
  case SCALE_ANY:
    buffer_text(out, "any");
    return;
  case SCALE_NORMAL:
    buffer_text(out, "2^");
    exponent_print(out, graph, scale);
    return;
  }
}

/* `(-$b + 3)` is the only form with nothing before the minus. */
void shift_print(Buffer *out, const Graph *graph, Shift shift) {
  if (!shift.minus) {
    exponent_print(out, graph,
                   scale_make(SCALE_NORMAL, shift.plus, shift.exponent));
    return;
  }
  buffer_char(out, '(');
  if (shift.plus)
    buffer_printf(out, "$%s - ", graph_node(graph, shift.plus)->name);
  else
    buffer_char(out, '-');
  buffer_printf(out, "$%s", graph_node(graph, shift.minus)->name);
  if (shift.exponent)
    buffer_printf(out, " %c %d", shift.exponent < 0 ? '-' : '+',
                  shift.exponent < 0 ? -shift.exponent : shift.exponent);
  buffer_char(out, ')');
}
