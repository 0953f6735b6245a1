/* The reference evaluator: what a program means, at every level.
 *
 * In: a program, a graph of it, one tensor per graph input. Out: every value
 * of the step, and new parameters. It is the oracle: `--strict` code equals
 * its bit-true precision to the bit, and the levels equal each other as
 * testing.md O1 says. Plain loops, one node at a time, no thread, no reuse.
 *
 * How to run a graph, in binary64 for instance:
 *
 *   Evaluator *e = evaluator_new(program, PRECISION_F64, seed);
 *   memcpy(evaluator_param(e, i)->data, weights, ...);      (if not initial)
 *   if (!evaluator_step(e, graph, 1, inputs, &error)) ...
 *   double loss = evaluator_value(e, graph, id)->data[0];   (data * 2^exponent)
 *   evaluator_free(e);
 *
 * One node in order: the rule of its op on the operands' data, in f32 (or
 * binary64); then the multiplication by 2^shift; then the roundings below f32
 * that the level asks for (eval_round.c). Stores take effect when the whole
 * step is done, so every read sees the old value.
 *
 * The certificate. Scaling by powers of two changes no bit as long as no
 * operation overflows or underflows. Each node is therefore watched through
 * the IEEE flags, alignments by 2^k apart from the rest. Not counted is what
 * both a scaled and an unscaled program compute on the very same numbers (exp,
 * log and softmax after their operand is unscaled), norm_exponent, whose result
 * only picks a representation, and every rounding below f32, which commutes
 * with no change of exponents.
 */
#include "ir/eval_internal.h"

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "ir/f32math.h"
#include "ir/init.h"
#include "ir/rng.h"

#if defined(__FAST_MATH__) || FLT_EVAL_METHOD != 0
#error "results are defined to the bit: no -ffast-math, no excess precision"
#endif

static EvalRule *const eval_rule[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, exponent, scale,        \
           gradient, eval, ...)                                                \
  [OP_##id] = eval_##eval,
#include "ir/ops.def"
};

/* ---- exponents ----------------------------------------------------------- */

static int32_t symbol_value(const Evaluator *evaluator, ValueId symbol) {
  return symbol == 0 ? 0 : (int32_t)evaluator->value[symbol].tensor.data[0];
}

int32_t scale_resolved(const Evaluator *evaluator, Scale scale) {
  if (scale.kind == SCALE_NONE)
    return 0;
  return scale.exponent + symbol_value(evaluator, scale.symbol);
}

int32_t shift_resolved(const Evaluator *evaluator, Shift shift) {
  return shift.exponent + symbol_value(evaluator, shift.plus) -
         symbol_value(evaluator, shift.minus);
}

/* ---- the certificate ----------------------------------------------------- */

enum { RAISING = FE_OVERFLOW | FE_UNDERFLOW };

int flags_raised(void) {
  return fetestexcept(RAISING);
}

void flags_restore(int before) {
  feclearexcept(RAISING & ~before);
}

/* RAISED_ bits of the flags, which are down again. */
static unsigned flags_take(void) {
  int raised = fetestexcept(RAISING);
  if (raised != 0)
    feclearexcept(RAISING);
  return (raised & FE_OVERFLOW ? RAISED_OVERFLOW : 0u) |
         (raised & FE_UNDERFLOW ? RAISED_UNDERFLOW : 0u);
}

/* Round to nearest, subnormals on, whatever the host program has set. */
static void environment_enter(fenv_t *host) {
  fegetenv(host);
  fesetenv(FE_DFL_ENV);
}

/* f32_scale2 takes a k beyond its range for the nearest within. */
static void f32_align(double *data, size_t n, int32_t k) {
  bool within = k >= 2 * EXPONENT_MIN && k <= 2 * (EXPONENT_MAX + 1);
  for (size_t i = 0; i < n; i++) {
    float x = (float)data[i];
    if (!within && x != 0 && isfinite(x))
      feraiseexcept(k < 0 ? FE_UNDERFLOW : FE_OVERFLOW);
    data[i] = f32_scale2(x, k);
  }
}

void data_align(Evaluator *evaluator, double *data, size_t n, int32_t k) {
  evaluator->raising |= flags_take();
  if (evaluator->precision == PRECISION_F64)
    for (size_t i = 0; i < n; i++)
      data[i] = ldexp(data[i], k);
  else
    f32_align(data, n, k);
  evaluator->raising |= flags_take() * RAISED_SHIFT_OVERFLOW;
}

const double *frame_shifted(const Frame *frame, int operand) {
  const double *data = frame_data(frame, operand);
  int32_t k = shift_resolved(frame->evaluator,
                             operand_shift(frame->graph, frame->id, operand));
  if (k == 0)
    return data;
  size_t n = type_count(frame_type(frame, operand));
  double *shifted = frame_doubles(frame, n);
  memcpy(shifted, data, n * sizeof *data);
  data_align(frame->evaluator, shifted, n, k);
  return shifted;
}

/* ---- life ---------------------------------------------------------------- */

_Static_assert((int)INIT_ZEROS == (int)INIT_FILL_ZEROS &&
                   (int)INIT_ONES == (int)INIT_FILL_ONES &&
                   (int)INIT_NORMAL == (int)INIT_FILL_NORMAL &&
                   (int)INIT_UNIFORM == (int)INIT_FILL_UNIFORM &&
                   (int)INIT_CONSTANT == (int)INIT_FILL_CONSTANT &&
                   (int)INIT_TRUNC_NORMAL == (int)INIT_FILL_TRUNC_NORMAL,
               "InitFill repeats InitKind");

/* Initial values are binary32 numbers: so is their alignment, whatever the
 * precision. */
static void start_align(Evaluator *evaluator, const Parameter *param,
                        Tensor *tensor) {
  feclearexcept(FE_ALL_EXCEPT);
  f32_align(tensor->data, type_count(param->type), -tensor->exponent);
  unsigned raised = flags_take() * RAISED_SHIFT_OVERFLOW;
  evaluator->raised_start[tensor - evaluator->param] = (uint8_t)raised;
  evaluator->counts.flagged += raised != 0;
}

/* Initial values take the parameter's format only where formats count, so all
 * precisions start from the same binary32 numbers. */
static void param_start(Evaluator *evaluator, const Parameter *param,
                        Tensor *tensor) {
  Format format = param->type->format;
  size_t n = type_count(param->type);
  float *start = NEW_ARRAY(evaluator->scratch, float, n);
  init_fill((InitFill)param->init.kind, param->init.a, param->init.b, 0,
            FORMAT_F32, evaluator->seed, rng_hash_name(param->name), 0, n,
            start);
  for (size_t i = 0; i < n; i++)
    tensor->data[i] = (double)start[i];
  start_align(evaluator, param, tensor);
  RoundingRule rule = {format, ROUND_NEAREST, OVERFLOW_SATURATE, false,
                       param->name};
  if (evaluator->rounds && format_is_narrow(format))
    data_round(evaluator, rule, tensor->data, tensor->data, n);
  if (format_is_discrete(format))
    for (size_t i = 0; i < n; i++)
      tensor->data[i] = integer_saturated(format, tensor->data[i]);
}

Evaluator *evaluator_new(const Program *program, Precision precision,
                         uint64_t seed) {
  Arena *lasting = arena_new();
  Evaluator *evaluator = NEW(lasting, Evaluator);
  evaluator->lasting = lasting;
  evaluator->scratch = arena_new();
  evaluator->program = program;
  evaluator->precision = precision;
  evaluator->seed = seed;
  evaluator->rounds =
      precision == PRECISION_EDGES && program->level >= LEVEL_FORMATTED;
  evaluator->param = NEW_ARRAY(lasting, Tensor, program->param.length);
  evaluator->raised_start = NEW_ARRAY(lasting, uint8_t, program->param.length);
  fenv_t host;
  environment_enter(&host);
  for (size_t i = 0; i < program->param.length; i++) {
    const Parameter *param = &program->param.data[i];
    Tensor *tensor = &evaluator->param[i];
    tensor->type = param->type;
    tensor->data = NEW_ARRAY(lasting, double, type_count(param->type));
    tensor->exponent = param_start_exponent(program, param);
    param_start(evaluator, param, tensor);
  }
  fesetenv(&host);
  return evaluator;
}

void evaluator_free(Evaluator *evaluator) {
  if (evaluator == NULL)
    return;
  arena_free(evaluator->scratch);
  arena_free(evaluator->lasting);
}

Tensor *evaluator_param(Evaluator *evaluator, int index) {
  if (index < 0 || (size_t)index >= evaluator->program->param.length)
    return NULL;
  return &evaluator->param[index];
}

const Tensor *evaluator_value(const Evaluator *evaluator, const Graph *graph,
                              ValueId id) {
  if (graph != evaluator->graph || id == 0 || id >= graph->count)
    return NULL;
  const Tensor *tensor = &evaluator->value[id].tensor;
  return tensor->data == NULL ? NULL : tensor;
}

EvaluatorCounts evaluator_counts(const Evaluator *evaluator) {
  return evaluator->counts;
}

unsigned evaluator_raised(const Evaluator *evaluator, const Graph *graph,
                          ValueId id) {
  if (graph != evaluator->graph || id == 0 || id >= graph->count)
    return 0;
  return evaluator->raised[id];
}

bool evaluator_certified(const Evaluator *evaluator) {
  return evaluator->counts.flagged == 0;
}

/* ---- one step ----------------------------------------------------------- */

bool frame_fail(Frame *frame, const char *format, ...) {
  Buffer text = {0};
  va_list args;
  va_start(args, format);
  buffer_vprintf(&text, format, args);
  va_end(args);
  frame->evaluator->error =
      arena_string(frame->evaluator->scratch, text.data, text.length);
  buffer_free(&text);
  return false;
}

/* What the initial value of a parameter raised is counted already. */
static void raised_keep(const Frame *frame) {
  Evaluator *evaluator = frame->evaluator;
  unsigned raised = evaluator->raising | flags_take();
  evaluator->counts.flagged += raised != 0;
  if (frame->node->op == OP_PARAM)
    raised |= evaluator->raised_start[frame->node->attr.index];
  evaluator->raised[frame->id] |= (uint8_t)raised;
}

static bool node_evaluate(Frame *frame) {
  Evaluator *evaluator = frame->evaluator;
  const Node *node = frame->node;
  size_t n = type_count(node->type);
  frame->out = frame_doubles(frame, n);
  feclearexcept(FE_ALL_EXCEPT);
  evaluator->raising = 0;
  if (!eval_rule[node->op](frame))
    return false;
  int32_t shift =
      shift_resolved(evaluator, node_shift(frame->graph, frame->id));
  if (shift != 0)
    data_align(evaluator, frame->out, n, shift);
  raised_keep(frame);
  Value value = {{node->type, frame->out, 0}, NULL};
  value.tensor.exponent = scale_resolved(evaluator, node->scale);
  frame_round(frame, &value.raw);
  value.tensor.data = frame->out;
  evaluator->value[frame->id] = value;
  return true;
}

/* The update waits for the last micro-batch. Leaves have no phase to keep, but
 * they wait for their exponents. */
static Phase evaluation_phase(const Graph *graph, const Node *node) {
  if (!node_is_leaf(node))
    return node->phase;
  return node->scale.symbol ? graph_node(graph, node->scale.symbol)->phase
                            : PHASE_FORWARD;
}

static bool micro_evaluate(Evaluator *evaluator, const Graph *graph,
                           const Tensor *inputs, bool last) {
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (evaluation_phase(graph, node) == PHASE_UPDATE && !last)
      continue;
    Frame frame = {evaluator, graph, node, id, inputs, NULL};
    if (!node_evaluate(&frame))
      return false;
  }
  return true;
}

static bool graph_evaluate(Evaluator *evaluator, const Graph *graph,
                           const Tensor *inputs) {
  int64_t rounds = evaluator->micro_batches;
  for (int64_t i = 0; i < rounds; i++) {
    evaluator->draw =
        (evaluator->step - 1) * (uint64_t)rounds + (uint64_t)i + 1;
    const Tensor *own =
        inputs == NULL ? NULL : inputs + (size_t)i * graph->input.length;
    if (!micro_evaluate(evaluator, graph, own, i + 1 == rounds))
      return false;
  }
  return true;
}

/* The effects of the step, once every value is known. */
static void stores_commit(Evaluator *evaluator, const Graph *graph) {
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op != OP_STORE)
      continue;
    Tensor *param = &evaluator->param[node->attr.index];
    memcpy(param->data, evaluator->value[id].tensor.data,
           type_count(param->type) * sizeof *param->data);
    param->exponent = evaluator->value[id].tensor.exponent;
  }
}

static void step_begin(Evaluator *evaluator, const Graph *graph,
                       uint64_t step) {
  arena_free(evaluator->scratch);
  evaluator->scratch = arena_new();
  evaluator->graph = graph;
  evaluator->step = step;
  evaluator->error = NULL;
  evaluator->micro_batches =
      graph->run.accumulate > 0 ? graph->run.accumulate : 1;
  evaluator->value = NEW_ARRAY(evaluator->scratch, Value, graph->count);
  evaluator->accumulated =
      NEW_ARRAY(evaluator->scratch, double *, graph->count);
  evaluator->raised = NEW_ARRAY(evaluator->scratch, uint8_t, graph->count);
}

bool evaluator_step(Evaluator *evaluator, const Graph *graph, uint64_t step,
                    const Tensor *inputs, const char **error) {
  step_begin(evaluator, graph, step);
  fenv_t host;
  environment_enter(&host);
  bool ok = graph_evaluate(evaluator, graph, inputs);
  fesetenv(&host);
  if (ok)
    stores_commit(evaluator, graph);
  else
    *error = evaluator->error;
  return ok;
}
