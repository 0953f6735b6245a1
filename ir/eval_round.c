/* Evaluation: every rounding below f32, and integers.
 *
 * In: the f32 result of a node. Out: what its readers see. Bit-true precision
 * only; the other two leave data as it is, and so do the levels without
 * formats. Which nodes round (semantics.md, "Where values round"):
 *
 *   every level   store: to the parameter's format; parameters and inputs come
 *                 in their format already (rounding them changes nothing)
 *   formatted     every value: to its own format, at its definition; the
 *                 unrounded data stays beside it for contraction operands
 *                 marked `as` and for relu_grad's test
 *   final         cast, and nothing else
 *
 * Stochastic rounding draws number i of the key (seed, step, name) for element
 * i, with micro-batches counted where a step has several, and where the name is
 * that of the value (of what it computes again), or of the parameter for a
 * store.
 */
#include "ir/eval_internal.h"

#include <math.h>
#include <string.h>

#include "ir/rng.h"

bool format_is_narrow(Format format) {
  return format_is_float(format) && format_bytes(format) < sizeof(float);
}

bool format_is_discrete(Format format) {
  return format_info(format)->kind > KIND_FLOAT;
}

/* ---- numbers ------------------------------------------------------------- */

enum { BLOCK = 1024 };

static void round_nearest(RoundingRule rule, const double *in, double *out,
                          size_t n) {
  float x[BLOCK];
  uint16_t code[BLOCK];
  for (size_t begin = 0; begin < n; begin += BLOCK) {
    size_t count = n - begin < BLOCK ? n - begin : BLOCK;
    for (size_t i = 0; i < count; i++)
      x[i] = (float)in[begin + i];
    codec_encode_array(rule.format, x, code, count, rule.overflow);
    codec_decode_array(rule.format, code, x, count);
    for (size_t i = 0; i < count; i++)
      out[begin + i] = (double)x[i];
  }
}

static void round_stochastic(const Evaluator *evaluator, RoundingRule rule,
                             const double *in, double *out, size_t n) {
  RngKey key =
      rng_key(evaluator->seed, evaluator->draw, rng_hash_name(rule.key));
  for (size_t i = 0; i < n; i++) {
    uint32_t code = codec_encode_stochastic(rule.format, (float)in[i],
                                            rng_u32(key, i), rule.overflow);
    out[i] = (double)codec_decode(rule.format, code);
  }
}

static void round_down(RoundingRule rule, const double *in, double *out,
                       size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t code = codec_encode_down(rule.format, (float)in[i], rule.overflow);
    out[i] = (double)codec_decode(rule.format, code);
  }
}

void data_round(const Evaluator *evaluator, RoundingRule rule, const double *in,
                double *out, size_t n) {
  if (rule.round == ROUND_STOCHASTIC)
    round_stochastic(evaluator, rule, in, out, n);
  else if (rule.round == ROUND_DOWN)
    round_down(rule, in, out, n);
  else
    round_nearest(rule, in, out, n);
  for (size_t i = 0; rule.flush && i < n; i++)
    out[i] = (double)codec_flush(rule.format, (float)out[i]);
}

uint64_t data_beyond(Format format, const double *data, size_t n) {
  double max = format_max(format);
  uint64_t count = 0;
  for (size_t i = 0; i < n; i++)
    count += fabs(data[i]) > max;
  return count;
}

double integer_saturated(Format format, double value) {
  const FormatInfo *row = format_info(format);
  if (isnan(value))
    return 0;
  if (row->kind == KIND_BOOL)
    return value != 0;
  bool is_signed = row->kind == KIND_INT;
  double bound = ldexp(1.0, is_signed ? row->bits - 1 : row->bits);
  double low = is_signed ? -bound : 0;
  /* The data of 64-bit integers has 53 bits: the last below the bound. */
  double high = bound > 0x1p53 ? nextafter(bound, 0) : bound - 1;
  double whole = trunc(value);
  return whole < low ? low : whole > high ? high : whole;
}

/* ---- nodes --------------------------------------------------------------- */

static void round_in_place(Frame *frame, RoundingRule rule) {
  data_round(frame->evaluator, rule, frame->out, frame->out,
             type_count(frame->node->type));
}

static RoundingRule rounding_rule(Format format, const Node *node,
                                  const char *key) {
  return (RoundingRule){format, node->attr.round, node->attr.overflow,
                        node->attr.flush, key ? key : ""};
}

static void store_round(Frame *frame) {
  Evaluator *evaluator = frame->evaluator;
  const Node *node = frame->node;
  const Parameter *param = &evaluator->program->param.data[node->attr.index];
  Format format = param->type->format;
  if (!format_is_narrow(format))
    return;
  evaluator->counts.saturated +=
      data_beyond(format, frame->out, type_count(param->type));
  round_in_place(frame, rounding_rule(format, node, param->name));
}

static void value_round(Frame *frame, double **raw) {
  const Node *node = frame->node;
  size_t n = type_count(node->type);
  *raw = frame->out;
  frame->out = frame_doubles(frame, n);
  RoundingRule rule = rounding_rule(node->type->format, node,
                                    node->name ? node_key(node) : NULL);
  data_round(frame->evaluator, rule, *raw, frame->out, n);
}

/* A view of a rounded value has nothing left to round: an infinity stays one
 * although views saturate. */
static bool is_view_of_rounded(const Frame *frame) {
  const Node *node = frame->node;
  return node->op == OP_RESHAPE &&
         format_is_narrow(frame_type(frame, 0)->format);
}

void frame_round(Frame *frame, double **raw) {
  const Node *node = frame->node;
  if (!frame->evaluator->rounds)
    return;
  if (node->op == OP_STORE) {
    store_round(frame);
    return;
  }
  Format format = node->type->format;
  if (!format_is_narrow(format))
    return;
  RoundingRule rule =
      rounding_rule(format, node, node->name ? node_key(node) : NULL);
  if (node->op == OP_PARAM || node->op == OP_INPUT) {
    size_t n = node->op == OP_INPUT ? type_count(node->type) : 0;
    for (size_t i = 0; i < n; i++)
      frame->out[i] = (double)codec_clamp(format, (float)frame->out[i]);
    rule.round = ROUND_NEAREST;
    rule.flush = false;
    rule.overflow = OVERFLOW_INF; /* an infinity of the format is a code */
    round_in_place(frame, rule);
  } else if (node->op == OP_CAST || node->op == OP_CONST) {
    round_in_place(frame, rule);
  } else if (frame->evaluator->program->level == LEVEL_FORMATTED &&
             !is_view_of_rounded(frame)) {
    value_round(frame, raw);
  }
}
