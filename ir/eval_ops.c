/* Evaluation: leaves, conversions, effects, and ops that only move elements.
 *
 * In: parameters, the inputs of the step, operands. Out: the node's data, as
 * f32 numbers (integers as they are). Moving elements is one walk over the
 * result in row-major order with the operand's elements per index of each axis
 * (axes_gather); the other files build on it.
 */
#include "ir/eval_internal.h"

#include <math.h>
#include <string.h>

#include "ir/f32math.h"

/* ---- walking axes -------------------------------------------------------- */

int64_t axes_count(const Axes *axes) {
  int64_t count = 1;
  for (int i = 0; i < axes->rank; i++)
    count *= axes->dim[i];
  return count;
}

void type_steps(const Type *type, int64_t step[MAX_RANK]) {
  int64_t elements = 1;
  for (int i = type->rank; i-- > 0;) {
    step[i] = elements;
    elements *= type->dim[i];
  }
}

/* Moves to the next index of all axes but the last; false after the last. */
static bool axes_next(const Axes *axes, int64_t *index, int64_t *at) {
  for (int i = axes->rank - 1; i-- > 0;) {
    *at += axes->step[i];
    if (++index[i] < axes->dim[i])
      return true;
    *at -= axes->step[i] * axes->dim[i];
    index[i] = 0;
  }
  return false;
}

void axes_gather(const Axes *axes, const double *in, double *out) {
  if (axes_count(axes) == 0)
    return;
  int64_t index[AXES_MAX] = {0};
  int64_t at = 0;
  int64_t dim = axes->rank > 0 ? axes->dim[axes->rank - 1] : 1;
  int64_t step = axes->rank > 0 ? axes->step[axes->rank - 1] : 0;
  do {
    for (int64_t i = 0; i < dim; i++)
      *out++ = in[at + i * step];
  } while (axes_next(axes, index, &at));
}

bool frame_layout(Frame *frame, Layout *layout) {
  Arena *scratch = frame->evaluator->scratch;
  const Node *node = frame->node;
  const char *error = NULL;
  size_t offset = 0;
  *layout = (Layout){0};
  Pattern *pattern = &layout->pattern;
  if (!pattern_parse(interner_new(scratch), node->attr.pattern, pattern, &error,
                     &offset))
    return frame_fail(frame, "pattern \"%s\": %s", node->attr.pattern, error);
  const Type *operand[2] = {NULL, NULL};
  for (int k = 0; k < pattern->operands; k++)
    operand[k] = frame_type(frame, k);
  if (!pattern_sizes(pattern, operand, layout->size, scratch, &error))
    return frame_fail(frame, "pattern \"%s\": %s", node->attr.pattern, error);
  for (int k = 0; k < pattern->operands; k++) {
    int64_t step[MAX_RANK];
    type_steps(operand[k], step);
    for (int i = 0; i < pattern->rank[k]; i++)
      layout->step[k][pattern->axis[k][i]] = step[i];
  }
  return true;
}

/* ---- leaves ------------------------------------------------------------- */

/* Real data enters binary32 here; f64 and integers stay. */
static void enter_precision(const Frame *frame) {
  const Type *type = frame->node->type;
  if (frame_is_f64(frame) || format_is_discrete(type->format))
    return;
  for (int64_t i = 0; i < type->elements; i++)
    frame->out[i] = (double)(float)frame->out[i];
}

bool eval_param(Frame *frame) {
  int index = frame->node->attr.index;
  const Tensor *param = &frame->evaluator->param[index];
  memcpy(frame->out, param->data, type_count(param->type) * sizeof(double));
  enter_precision(frame);
  return true;
}

/* Every element of an integer input must be a number of its format. */
static bool input_check(Frame *frame, const Input *input) {
  const Type *type = frame->node->type;
  if (!format_is_discrete(type->format))
    return true;
  for (int64_t i = 0; i < type->elements; i++) {
    double x = frame->out[i];
    if (type->format == FORMAT_I64 && fabs(x) >= 0x1p53)
      return frame_fail(frame,
                        "input %s: %.0f at element %lld is out of reach: whole "
                        "numbers are evaluated below 2^53",
                        input->name, x, (long long)i);
    if (integer_saturated(type->format, x) != x)
      return frame_fail(frame, "input %s: %g at element %lld is not a %s",
                        input->name, x, (long long)i,
                        format_info(type->format)->text);
  }
  return true;
}

static bool input_shape_fail(Frame *frame, const Input *input,
                             const Tensor *given) {
  Buffer text = {0};
  type_print(&text, frame->node->type);
  buffer_text(&text, " is needed, ");
  if (given == NULL || given->data == NULL)
    buffer_text(&text, "nothing is given");
  else
    type_print(&text, given->type);
  if (given != NULL && given->data != NULL)
    buffer_text(&text, " is given");
  frame_fail(frame, "input %s: %s", input->name, text.data);
  buffer_free(&text);
  return false;
}

bool eval_input(Frame *frame) {
  const Node *node = frame->node;
  if (node_is_placeholder(node))
    return frame_fail(frame, "there are no gradients yet: run autodiff first");
  const Input *input = &frame->graph->input.data[node->attr.index];
  size_t n = type_count(node->type);
  if (input->source == SOURCE_STEP) {
    for (size_t i = 0; i < n; i++)
      frame->out[i] = (double)frame->evaluator->step;
  } else {
    const Tensor *given =
        frame->inputs == NULL ? NULL : &frame->inputs[node->attr.index];
    if (given == NULL || given->data == NULL ||
        !type_same_shape(given->type, node->type))
      return input_shape_fail(frame, input, given);
    memcpy(frame->out, given->data, n * sizeof(double));
  }
  enter_precision(frame);
  int32_t exponent = scale_resolved(frame->evaluator, node->scale);
  if (exponent != 0)
    data_align(frame->evaluator, frame->out, n, -exponent);
  return input_check(frame, input);
}

bool eval_constant(Frame *frame) {
  size_t n = type_count(frame->node->type);
  for (size_t i = 0; i < n; i++)
    frame->out[i] = frame->node->attr.value;
  enter_precision(frame);
  return true;
}

/* ---- conversions and effects -------------------------------------------- */

bool eval_identity(Frame *frame) {
  size_t n = type_count(frame->node->type);
  memcpy(frame->out, frame_data(frame, 0), n * sizeof(double));
  return true;
}

/* Numbers by value: what is converted is the operand unscaled, and the shift
 * puts the result at its own exponent. */
bool eval_convert(Frame *frame) {
  Format format = frame->node->type->format;
  size_t n = type_count(frame->node->type);
  memcpy(frame->out, frame_shifted(frame, 0), n * sizeof(double));
  if (format_is_discrete(format))
    for (size_t i = 0; i < n; i++)
      frame->out[i] =
          integer_saturated(format, frame->out[i]) + 0.0; /* no -0 */
  else
    enter_precision(frame);
  return true;
}

/* The rounding of both is eval_round.c's, the shift of rebalance eval.c's. */
bool eval_cast(Frame *frame) {
  return eval_identity(frame);
}

/* An exponent joins a history at its end, and the first one leaves. */
bool eval_store(Frame *frame) {
  size_t n = type_count(frame->node->type);
  if (frame->node->type == frame_type(frame, 0) ||
      !node_defines_exponent(graph_node(frame->graph, frame->node->input[0])))
    return eval_identity(frame);
  /* Of the micro-batches of a step the largest counts. */
  const double *history = frame->evaluator->param[frame->node->attr.index].data;
  const double *before = frame->evaluator->value[frame->id].tensor.data;
  double now = frame_data(frame, 0)[0];
  memcpy(frame->out, history + 1, (n - 1) * sizeof *history);
  frame->out[n - 1] = before && before[n - 1] > now ? before[n - 1] : now;
  return true;
}

bool eval_rebalance(Frame *frame) {
  return eval_identity(frame);
}

/* ---- structure ---------------------------------------------------------- */

bool eval_reshape(Frame *frame) {
  return eval_identity(frame);
}

bool eval_splat(Frame *frame) {
  size_t n = type_count(frame->node->type);
  double value = frame_data(frame, 0)[0];
  for (size_t i = 0; i < n; i++)
    frame->out[i] = value;
  return true;
}

/* Transposition and broadcasting along a pattern: the operand is walked in the
 * order of the result's letters, those it lacks standing still. */
bool eval_permute(Frame *frame) {
  Layout layout;
  if (!frame_layout(frame, &layout))
    return false;
  Axes axes = {0};
  for (int i = 0; i < layout.pattern.out_rank; i++)
    axes_add(&axes, frame->node->type->dim[i],
             layout.step[0][layout.pattern.out_axis[i]]);
  axes_gather(&axes, frame_data(frame, 0), frame->out);
  return true;
}
