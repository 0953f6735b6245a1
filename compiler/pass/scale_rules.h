/* What the scale rules share with scalify: one value in the making.
 *
 * A rule is called with a node whose operands already have their scales. It
 * sets node->scale and node->estimate and may put helpers before the node (a
 * rebalanced operand, the maximum of two exponents). Levels: L is log2 of the
 * predicted rms of a *value*, relative to its run-time exponent if it has one:
 * L = scale.exponent + estimate.log2_rms.
 */
#ifndef SG_PASS_SCALE_RULES_H
#define SG_PASS_SCALE_RULES_H

#include "compiler/pass/measure.h"

/* Is told each value of graph number `graph` as scalify would make it; true:
 * take its data as rescaled, of unit rms, from here on. */
typedef bool EstimateWatch(void *user, size_t graph, ValueId old,
                           const Node *made);
/* The estimate (semantics.md) of a program at level plain that has its
 * gradients, which stays as it is: nothing where parameters have no scale that
 * could be carried out (scalify.c). */
void estimate_graphs(PassContext *context, EstimateWatch *watch, void *user);

/* A copy of a value for contractions that want it at a measured exponent. */
typedef struct OperandScale {
  Measure measure;
  ValueId copy; /* new id, or 0 */
  struct OperandScale *next;
} OperandScale;

/* `copy` is `value` at another exponent. */
typedef struct {
  ValueId value, copy;
} Fitted;

/* `symbol` is the exponent that was measured of `value`. */
typedef struct {
  ValueId symbol, value;
  Measure measure;
} Measurement;

/* The rewriting of one graph. */
typedef struct {
  PassContext *context;
  GraphCopy copy;
  NameTable *names;
  const Recipe **storage; /* storage_recipes */
  uint32_t *stored;       /* per old id: measured_stores */
  OperandScale **operand; /* per old id: operand_scales */
  const ProductKind *kind;
  Scale *demand; /* per old id: the scale that a sum must take, or NONE */
  const ValueId *original; /* per old id: what it computes again, or 0 */
  VEC(int32_t) predicted; /* per new id: what its exponent is expected to be */
  VEC(Measurement) measured;
  VEC(Fitted) fitted;
  ScaleRounding rounding; /* of the node in the making */
  const char *titled;     /* the value whose name the last exponent took */
  uint32_t draw;          /* its random number: of (seed, name) */
  bool replaced;  /* an operand, after its rule: helpers may be left over */
  size_t clamped; /* exponents out of range so far */
  const char *clamped_first; /* the remark about the first one */
  Span clamped_span;
  bool estimates; /* only asked for: names and program stay as they are */
} Scaler;

/* Gives the copy that computes old value `id` again the exponent that its
 * original has, and helpers like those of the original; false if the two are
 * not alike, and nothing has been done (scale_again.c). */
bool scaler_again(Scaler *scaler, ValueId id);

/* A rule that ops.def names and scale_rules.def has not is not declared, so an
 * op without one does not compile. */
typedef void ScaleRule(Scaler *scaler, ValueId old, Node *node);
#define RULE(id, ...) ScaleRule scale_##id;
#include "compiler/pass/scale_rules.def"

/* The rule in the `scale` column of ops.def. */
ScaleRule *scale_rule(Op op);

/* A row of scale_rules.def. */
typedef struct {
  const char *name, *arithmetic;
} ScaleRuleInfo;
/* That of the op's rule. */
const ScaleRuleInfo *scale_rule_info(Op op);
/* All rows. */
const ScaleRuleInfo *scale_rule_list(size_t *count);

/* L of a value; -INFINITY where its data are known to be zero. */
double node_level(const Node *node);

/* ---- what rules are written with (scale_rules.c) ------------------------- */

/* Integers, masks, and whatever carries no scale. */
void node_set_unscaled(Node *node);
void node_set_scale(Node *node, Scale scale, double log2_rms, bool nonnegative);
/* Does the node have data that are not known to be zero, infinite or NaN? */
bool node_contributes(const Node *node);
/* The exponent of operand 0, its estimate changed by `drift`. */
void scaler_keep(Scaler *scaler, Node *node, double drift, bool nonnegative);
/* Notes what the rule multiplied by, for those who ask where an exponent comes
 * from: F of the rule's arithmetic in scale_rules.def. A text that begins with
 * `=` stands for name and arithmetic of the rule. Called when scale and
 * estimate are set. */
void scaler_factor(const Scaler *scaler, Node *node, double log2_factor,
                   const char *format, ...) SG_PRINTF(4, 5);
/* The same of sums over `count` independent summands: r(count), or all of it
 * where none is negative; 2^other goes by as text ("" with 0). */
void scaler_factor_count(const Scaler *scaler, Node *node, double count,
                         bool nonnegative, double other, const char *text);
/* Is an operand of the product or quotient known to be zero, infinite or NaN?
 * Then the node has taken the other's scale (scale_arithmetic.c). */
bool scaler_special(const Scaler *scaler, Node *node);
/* log2 sqrt(2^2a + 2^2b) (scale_arithmetic.c). */
double level_root_of_squares(double a, double b);
/* Where two operands meet: the exponent both are brought to, and the level of
 * their sum of squares relative to its symbol. */
typedef struct {
  Scale scale;
  double level;
  bool exact; /* the level follows from the operands' own levels */
} Meeting;
/* Of operands `first` and `first + 1`; those whose data are known to be zero,
 * infinite or NaN adopt the other's exponent (scale_arithmetic.c). */
Meeting scaler_meet(Scaler *scaler, const Node *node, int first);
/* How many summands each element of a contraction or reduction has: the sizes
 * of the letters that the result lacks (scale_reduce.c). */
double scaler_summands(const Scaler *scaler, const Node *node);
/* A product of operands 0 and 1 summed over `summands` terms an element, of
 * squares perhaps, and a sum of operand 0 whose level grows by `growth`
 * (scale_reduce.c). */
void scaler_contract(Scaler *scaler, Node *node, double summands, bool square);
void scaler_reduce(Scaler *scaler, Node *node, double growth);
/* The largest of n elements of operand 0, at its exponent (scale_row.c). */
void scaler_extreme(Scaler *scaler, Node *node, double n);

static inline int32_t exponent_clamped(int32_t exponent) {
  return exponent < EXPONENT_MIN   ? EXPONENT_MIN
         : exponent > EXPONENT_MAX ? EXPONENT_MAX
                                   : exponent;
}

/* ---- helpers that put nodes before the one in the making (scalify.c) ---- */

static inline Node *scaler_operand(const Scaler *scaler, const Node *node,
                                   int operand) {
  return graph_node(scaler->copy.new, node->input[operand]);
}
/* Operand `operand` at scale `target`: itself where it has that scale or
 * adopts any, a constant split anew, else a rebalanced helper. */
void scaler_align(Scaler *scaler, Node *node, int operand, Scale target);
/* The scale with all of its exponent static: a run-time one is taken at what
 * it is expected to be. */
Scale scaler_predicted(const Scaler *scaler, Scale scale);
/* The operand at a static exponent: the one it is expected to have. */
void scaler_make_static(Scaler *scaler, Node *node, int operand);
/* The larger of two exponents; a new `$name` where that is not known now. */
Scale scaler_larger(Scaler *scaler, const Node *node, Scale a, Scale b);
/* Adds an exponent `$name` for *node, of the given op; its operands and
 * attributes are the caller's. */
Node scaler_exponent(Scaler *scaler, const Node *node, Op op);
/* Adds what is measured of operand 0 as `$name`; returns its id. */
ValueId scaler_measure(Scaler *scaler, const Node *node, Measure measure);
/* A name for a helper on the way to *node, made of operand. */
const char *scaler_helper_name(Scaler *scaler, const Node *node,
                               const Node *operand);

/* What an op that measures says. */
Measure measure_of_node(const Node *node);
/* `value` at the exponent that is measured of it; both are called `name`. */
ValueId scaler_add_measured(Scaler *scaler, ValueId value, const char *name,
                            Phase phase, Measure measure, Why why);
/* Was the value just measured in this way, by a rescale or another store? */
bool value_is_measured_so(const Scaler *scaler, ValueId value, Measure measure);
/* ---- scales of operands (operand_scale.c) ---- */
/* By old node: the measured copies of it that contractions want. */
OperandScale **operand_scales(const PassContext *context, const Graph *graph);
/* Makes them, once old node `old` has a new value. */
void scaler_scale_operands(Scaler *scaler, ValueId old);
/* Of a copy `value` of old value `first` the one of `again`, which computes
 * that again, at the same exponent; 0: `value` is no such copy. */
ValueId scaler_copy_again(Scaler *scaler, ValueId first, ValueId again,
                          ValueId value);
/* The name of a copy for products. */
const char *scaler_copy_name(const Scaler *scaler, const Node *node);
/* Lets a contraction that has its scale read them. */
void scaler_read_scaled(Scaler *scaler, ValueId old, Node *node);
/* log2 of the rms that data have once they are measured so (measure.c). */
double measure_level(Measure measure);
/* ---- exponents in states (measure.c) ---- */
/* Gives parameters and states that keep measured exponents a state for them,
 * and forgets those of an earlier run. */
bool measure_params(PassContext *context, const Recipe **recipe);
/* Gives a leaf whose exponent is in a state that scale, which is read. */
void scaler_read_state(Scaler *scaler, Node *node);
/* `name` would be at an exponent beyond those that there are. */
void scaler_note_clamped(Scaler *scaler, Span span, const char *name,
                         int64_t exponent);
/* By old node: the number of the parameter it is stored in, from 1, where that
 * one's exponent is measured; else 0. */
uint32_t *measured_stores(const PassContext *context, const Graph *graph);
/* Old node `old` was just added: puts what measures it behind it, under its
 * name. */
void scaler_measure_stored(Scaler *scaler, ValueId old, uint32_t number);
/* What a store into such a parameter needs: its operand at the exponent that
 * is measured of it, and the store of that exponent. */
void scaler_store_measured(Scaler *scaler, Node *store);
/* Remembers what a run-time exponent is expected to be. */
void scaler_predict(Scaler *scaler, ValueId symbol, int32_t exponent);
/* Is old node `old` an identity that level scaled does without: a marker, or
 * scale control in an entry without scales? Then it is mapped to the value that
 * it repeats (scale_control.c). */
bool scaler_leaves_out(Scaler *scaler, ValueId old, bool scaled);
/* scale = 2^(symbol + exponent), clamped to the range of exponents; what the
 * clamp takes away moves into the estimate, with one remark per entry (W0512).
 */
void scaler_set(Scaler *scaler, Node *node, ValueId symbol, int64_t exponent,
                double level, bool nonnegative);
/* As scaler_set with the exponent rounded from the level. */
void scaler_renormalise(Scaler *scaler, Node *node, ValueId symbol,
                        double level, bool nonnegative);

#endif
