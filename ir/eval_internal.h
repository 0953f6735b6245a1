/* The reference evaluator, inside: what its files share.
 *
 * eval.c drives a step and keeps the state; eval_ops.c has leaves, conversions
 * and structure, eval_map.c elementwise ops, eval_reduce.c reductions and
 * exponents, eval_contract.c contractions, eval_conv.c convolutions,
 * eval_pool.c pools, eval_softmax.c the loss, eval_rows.c lists along axes with
 * eval_extreme.c, eval_product.c, eval_probability.c and eval_norm.c on top,
 * eval_round.c everything that rounds below f32.
 */
#ifndef SG_IR_EVAL_INTERNAL_H
#define SG_IR_EVAL_INTERNAL_H

#include "ir/eval.h"

/* One value of the step. `raw` is the data before the value's own rounding
 * (level formatted); NULL where the two are the same. */
typedef struct {
  Tensor tensor;
  double *raw;
} Value;

struct Evaluator {
  const Program *program;
  Precision precision;
  uint64_t seed;
  bool rounds;    /* bit-true, at a level that has formats */
  bool portable;  /* for tests: no code that needs a special processor */
  Arena *lasting; /* parameters */
  Tensor *param;  /* one per Program.param */
  Arena *scratch; /* values of the last step */
  const Graph *graph;
  uint64_t step;
  int64_t micro_batches; /* of the step */
  uint64_t draw; /* micro-batches so far, this one included: keys of rng */
  Value *value;  /* one per node of `graph` */
  double **accumulated;  /* by node: the sum so far of an accumulate */
  uint8_t *raised;       /* by node: RAISED_ bits of the step */
  uint8_t *raised_start; /* by Program.param: of the initial value */
  unsigned raising;      /* of the node that is being evaluated, so far */
  const char *error;
  EvaluatorCounts counts;
};

/* One node being evaluated. A rule writes node->type->elements numbers to
 * `out`: the result before the shift and before any rounding below f32. */
typedef struct {
  Evaluator *evaluator;
  const Graph *graph;
  const Node *node;
  ValueId id;
  const Tensor *inputs; /* of the step */
  double *out;
} Frame;

typedef bool EvalRule(Frame *frame);
#define OP(id, text, inputs, attributes, class, shape, exponent, scale,        \
           gradient, eval, ...)                                                \
  EvalRule eval_##eval;
#include "ir/ops.def"

/* Ends the step with an error; returns false for the caller to hand on. */
bool frame_fail(Frame *frame, const char *format, ...) SG_PRINTF(2, 3);

static inline bool frame_is_f64(const Frame *frame) {
  return frame->evaluator->precision == PRECISION_F64;
}
static inline size_t type_count(const Type *type) {
  return (size_t)type->elements;
}
/* Memory that lives until the next step begins. */
static inline double *frame_doubles(const Frame *frame, size_t count) {
  return NEW_ARRAY(frame->evaluator->scratch, double, count);
}
static inline const Value *frame_value(const Frame *frame, int operand) {
  return &frame->evaluator->value[frame->node->input[operand]];
}
/* Operand data as all readers but contractions see them. */
static inline const double *frame_data(const Frame *frame, int operand) {
  return frame_value(frame, operand)->tensor.data;
}
static inline const Type *frame_type(const Frame *frame, int operand) {
  return graph_node(frame->graph, frame->node->input[operand])->type;
}
/* Operand data with the operand's shift applied (see shift.h). */
const double *frame_shifted(const Frame *frame, int operand);

/* Operand data (`data`, as many as the operand has) in the shape of the result:
 * axes are aligned at the end, and an axis of size 1 stands still. */
const double *frame_expanded(const Frame *frame, int operand,
                             const double *data);
/* One i32 operation per element (eval_integer.c). */
bool eval_whole(Frame *frame);

/* A scale or a shift with its run-time exponents filled in. */
int32_t scale_resolved(const Evaluator *evaluator, Scale scale);
int32_t shift_resolved(const Evaluator *evaluator, Shift shift);
/* Every element times 2^k: f32_scale2, or ldexp in binary64. What that raises
 * counts as an alignment's. */
void data_align(Evaluator *evaluator, double *data, size_t n, int32_t k);

/* ---- eval_round.c -------------------------------------------------------- */

/* How a value rounds. `key` names the value for stochastic rounding. */
typedef struct {
  Format format;
  Rounding round;
  Overflow overflow;
  bool flush;
  const char *key;
} RoundingRule;

bool format_is_narrow(Format format);   /* a float of fewer than 32 bits */
bool format_is_discrete(Format format); /* bool included */
/* out = in on the grid of a narrow format; in and out may be the same. */
void data_round(const Evaluator *evaluator, RoundingRule rule, const double *in,
                double *out, size_t n);
/* How many elements lie beyond the largest finite value of the format. */
uint64_t data_beyond(Format format, const double *data, size_t n);
/* `value` as a number of an integer format: truncated, saturating; NaN is 0. */
double integer_saturated(Format format, double value);
/* Applies the roundings of the node's level to frame->out, keeping the raw
 * data in *raw where some readers need them. */
void frame_round(Frame *frame, double **raw);

/* ---- eval_ops.c ---------------------------------------------------------- */

/* Axes to walk in row-major order over a buffer: step[i] elements per index. */
enum { AXES_MAX = 3 * MAX_RANK };
typedef struct {
  int rank;
  int64_t dim[AXES_MAX], step[AXES_MAX];
} Axes;

static inline void axes_add(Axes *axes, int64_t dim, int64_t step) {
  axes->dim[axes->rank] = dim;
  axes->step[axes->rank++] = step;
}
int64_t axes_count(const Axes *axes);
/* Row-major strides of a shape. */
void type_steps(const Type *type, int64_t step[MAX_RANK]);
/* out[0 ..] = in, walked along `axes`. */
void axes_gather(const Axes *axes, const double *in, double *out);
/* A parsed pattern with the letters' sizes, and each operand's elements per
 * index of each letter (0 where it lacks the letter). */
typedef struct {
  Pattern pattern;
  int64_t size[AXES_MAX];
  int64_t step[2][AXES_MAX];
} Layout;
bool frame_layout(Frame *frame, Layout *layout);

/* ---- eval_reduce.c ------------------------------------------------------- */

/* The sum of a list in the order that every reduction has; overwrites it. */
float sum_f32(float *list, size_t n);
double sum_f64(double *list, size_t n);

/* ---- eval_contract.c ----------------------------------------------------- */

/* What a contraction reads: an operand marked `as` from its unrounded data,
 * rounded to that format (to nearest even, saturating). */
const double *contraction_operand(const Frame *frame, int operand);
/* c[m][n] = a[m][k] * b[k][n], row-major: acc = fma(a, b, acc) from +0, k
 * ascending. */
void contraction_product(const Frame *frame, Arena *scratch, size_t m, size_t n,
                         size_t k, const double *a, const double *b, double *c);

/* ---- eval_rows.c --------------------------------------------------------- */

/* Operand 0 cut into lists: along the axes that a pattern drops, flattened in
 * row-major order, or along one axis. Lists are in row-major order of the other
 * axes, which is that of a reduction's results. */
typedef struct {
  Axes axes; /* over operand 0: the kept ones, then those of a list */
  size_t rows, n;
} Lists;
bool frame_lists(Frame *frame, Lists *lists); /* by attr.pattern */
void frame_lists_along(const Frame *frame, int axis, Lists *lists);
/* All lists, one after the other, of data shaped as operand 0; and back. */
double *lists_gather(const Frame *frame, const Lists *lists,
                     const double *data);
void lists_scatter(const Frame *frame, const Lists *lists, const double *list,
                   double *out);

/* What one list is worked on with. `dy`: of the list, or one number; `out`
 * the same; `room`: n numbers to use. */
typedef void RowF32(const float *x, const float *dy, float *out, size_t n,
                    float *room, float extra);
typedef void RowF64(const double *x, const double *dy, double *out, size_t n,
                    double *room, double extra);
typedef struct {
  RowF32 *f32;
  RowF64 *f64;
  bool each_dy;  /* one dy for each element, not for each list */
  bool each_out; /* one result for each element */
} RowRule;
#define ROW_RULE(name, each_dy, each_out)                                      \
  static const RowRule name##_rule = {name##_f32, name##_f64, each_dy, each_out}
/* Every list of x (shaped as operand 0) to frame->out; dy may be NULL. `extra`
 * is a number that the rule takes. */
void rows_run(Frame *frame, const Lists *lists, const RowRule *rule,
              const double *x, const double *dy, double extra);

/* Around arithmetic that is no part of the certificate: */
int flags_raised(void);
/* Forgets what was raised since flags_raised() answered `before`. */
void flags_restore(int before);

#endif
