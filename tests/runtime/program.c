/* What the compiler would emit for
 *
 *   train fit(batch: points[8])   eval test(batch: test_points[5])
 *   entry classify(x: u8[2,4]) -> label: i32[2], score: bf16[2,3]
 *   entry widen(n: i64[2], x: f32[]) -> n: i64[2], x: f32[]
 *
 * written by hand: kernels over sgrt_parallel, step functions, sg_program.
 * Parameters have several formats and exponents: w f32 * 2^-2, b f32, momentum
 * f16 * 2^-4, seen i32. The gradient's exponent is decided at run time.
 */
#include "tests/runtime/program.h"

#include <math.h>
#include <string.h>

#include "ir/codec.h"
#include "ir/rng.h"
#include "runtime/runtime.h"

void (*program_hook)(const SgFrame *frame);

enum { W_EXPONENT = -2, MOMENTUM_EXPONENT = -4 };
enum { MUCH_WORK = 1 << 20, SCRATCH = 3 * sizeof(float) };

/* Byte offsets into the arena. */
enum {
  AT_LOGITS = 0,
  AT_ERROR = 256, /* probability minus one-hot label */
  AT_LOSSES = 512,
  AT_HITS = 576,
  AT_LOSS = 640,
  AT_ACCURACY = 704,
  AT_LABEL = 768,
  AT_SCORE = 832,
  AT_EIGHTHS = 896,
  ARENA = 960
};

/* ---- kernels ------------------------------------------------------------- */

/* pointer: image, w, b, logits. Units: examples. */
static void forward(char *const *pointer, const int32_t *argument,
                    int64_t begin, int64_t end, char *scratch) {
  const uint8_t *image = (const uint8_t *)pointer[0];
  const float *w = (const float *)pointer[1], *b = (const float *)pointer[2];
  float *logits = (float *)pointer[3], *row = (float *)scratch;
  for (int64_t i = begin; i < end; i++) {
    for (int c = 0; c < CLASSES; c++) {
      row[c] = b[c];
      for (int k = 0; k < POINTS; k++)
        row[c] += ldexpf(w[c * POINTS + k], argument[0]) *
                  ((float)image[i * POINTS + k] / 256);
    }
    memcpy(logits + i * CLASSES, row, sizeof(float) * CLASSES);
  }
}

/* pointer: logits, label, error, losses, hits. Units: examples. */
static void compare(char *const *pointer, const int32_t *argument,
                    int64_t begin, int64_t end, char *scratch) {
  const uint8_t *label = (const uint8_t *)pointer[1];
  float *error = (float *)pointer[2], *loss = (float *)pointer[3];
  float *hit = (float *)pointer[4];
  (void)argument;
  (void)scratch;
  for (int64_t i = begin; i < end; i++) {
    const float *row = (const float *)pointer[0] + i * CLASSES;
    float sum = 0, best = row[0];
    for (int c = 0; c < CLASSES; c++) {
      sum += expf(row[c]);
      best = fmaxf(best, row[c]);
    }
    for (int c = 0; c < CLASSES; c++)
      error[i * CLASSES + c] = expf(row[c]) / sum - (c == label[i]);
    loss[i] = logf(sum) - row[label[i]];
    hit[i] = row[label[i]] == best;
  }
}

/* pointer: error, image, w, b, momentum. argument: exponent of w, random key.
 * Units: classes; batch and features in order, so that threads change
 * nothing. */
static void update(char *const *pointer, const int32_t *argument, int64_t begin,
                   int64_t end, char *scratch) {
  const float *error = (const float *)pointer[0];
  const uint8_t *image = (const uint8_t *)pointer[1];
  float *w = (float *)pointer[2], *b = (float *)pointer[3];
  uint16_t *momentum = (uint16_t *)pointer[4];
  RngKey key = {{(uint32_t)argument[1], (uint32_t)argument[2]}};
  (void)scratch;
  for (int64_t c = begin; c < end; c++) {
    for (int64_t k = 0; k < POINTS; k++) {
      int64_t at = c * POINTS + k;
      float gradient = 0.01f * rng_normal(key, (uint64_t)at), m;
      for (int i = 0; i < BATCH; i++)
        gradient += error[i * CLASSES + c] *
                    ((float)image[i * POINTS + k] / 256) / BATCH;
      codec_decode_array(FORMAT_F16, &momentum[at], &m, 1);
      m = 0.5f * ldexpf(m, MOMENTUM_EXPONENT) + gradient;
      float stored = ldexpf(m, -MOMENTUM_EXPONENT);
      codec_encode_array(FORMAT_F16, &stored, &momentum[at], 1,
                         OVERFLOW_SATURATE);
      w[at] -= ldexpf(0.5f * m, -argument[0]);
    }
    for (int i = 0; i < BATCH; i++)
      b[c] -= 0.1f * error[i * CLASSES + c] / BATCH;
  }
}

/* ---- steps --------------------------------------------------------------- */

static void run_forward(const SgFrame *frame, int64_t batch) {
  char *const pointer[] = {frame->input[0], frame->param[PARAM_W],
                           frame->param[PARAM_B], frame->arena + AT_LOGITS};
  const int32_t argument[] = {W_EXPONENT};
  sgrt_parallel(frame, forward, pointer, argument, batch, MUCH_WORK, SCRATCH);
}

/* loss: f32, the mean; accuracy: f32 * 2^(exponent[0] - 1), where the run-time
 * exponent is chosen so that the data are twice the sum of hits. */
static void run_compare(const SgFrame *frame, int64_t batch) {
  char *arena = frame->arena;
  char *const pointer[] = {arena + AT_LOGITS, frame->input[1], arena + AT_ERROR,
                           arena + AT_LOSSES, arena + AT_HITS};
  sgrt_parallel(frame, compare, pointer, NULL, batch, MUCH_WORK, 0);
  const float *losses = (const float *)(arena + AT_LOSSES);
  const float *hits = (const float *)(arena + AT_HITS);
  float loss = 0, hit = 0;
  for (int64_t i = 0; i < batch; i++) {
    loss += losses[i];
    hit += hits[i];
  }
  loss /= (float)batch;
  hit /= (float)batch;
  frame->exponent[0] = -(int32_t)(frame->step % 4);
  hit = ldexpf(hit, 1 - frame->exponent[0]);
  memcpy(arena + AT_LOSS, &loss, sizeof loss);
  memcpy(arena + AT_ACCURACY, &hit, sizeof hit);
}

static void step_fit(const SgFrame *frame) {
  if (program_hook)
    program_hook(frame);
  run_forward(frame, BATCH);
  run_compare(frame, BATCH);
  int32_t argument[3] = {W_EXPONENT};
  sgrt_random_key(frame, rng_hash_name("noise"), argument + 1);
  char *const pointer[] = {frame->arena + AT_ERROR, frame->input[0],
                           frame->param[PARAM_W], frame->param[PARAM_B],
                           frame->param[PARAM_MOMENTUM]};
  sgrt_parallel(frame, update, pointer, argument, CLASSES, MUCH_WORK, 0);
  int32_t seen;
  float step;
  memcpy(&seen, frame->param[PARAM_SEEN], sizeof seen);
  memcpy(&step, frame->input[2], sizeof step);
  seen += (int32_t)step;
  memcpy(frame->param[PARAM_SEEN], &seen, sizeof seen);
  for (int i = 0; i < 8; i++)
    ((float *)(frame->arena + AT_EIGHTHS))[i] = (float)i / 8;
}

static void step_test(const SgFrame *frame) {
  run_forward(frame, EVAL_BATCH);
  run_compare(frame, EVAL_BATCH);
}

static void step_classify(const SgFrame *frame) {
  run_forward(frame, 2);
  const float *logits = (const float *)(frame->arena + AT_LOGITS);
  for (int i = 0; i < 2; i++) {
    int32_t label = 0;
    for (int c = 1; c < CLASSES; c++)
      if (logits[i * CLASSES + c] > logits[i * CLASSES + label])
        label = c;
    memcpy(frame->arena + AT_LABEL + 4 * i, &label, sizeof label);
  }
  codec_encode_array(FORMAT_BF16, logits, frame->arena + AT_SCORE, 2 * CLASSES,
                     OVERFLOW_SATURATE);
}

static void step_widen(const SgFrame *frame) {
  (void)frame;
}

/* ---- the description ----------------------------------------------------- */

static const int64_t dim_w[] = {CLASSES, POINTS}, dim_b[] = {CLASSES};
static const int64_t dim_example[] = {POINTS}, dim_eighths[] = {8};
static const int64_t dim_batch[] = {BATCH, POINTS};
static const int64_t dim_eval[] = {EVAL_BATCH, POINTS};
static const int64_t dim_two[] = {2, POINTS}, dim_scores[] = {2, CLASSES};

static const SgParam params[] = {
    {.name = "net.w",
     .format = FORMAT_F32,
     .rank = 2,
     .dim = dim_w,
     .bytes = 48,
     .scaled = 1,
     .exponent = W_EXPONENT,
     .init = 2 /* normal */,
     .a = 0.25},
    {.name = "net.b",
     .format = FORMAT_F32,
     .rank = 1,
     .dim = dim_b,
     .bytes = 12},
    {.name = "opt.m.net.w",
     .format = FORMAT_F16,
     .rank = 2,
     .dim = dim_w,
     .bytes = 24,
     .scaled = 1,
     .exponent = MOMENTUM_EXPONENT,
     .state = 1},
    {.name = "seen", .format = FORMAT_I32, .bytes = 4, .state = 1},
};

static const SgColumn points_columns[] = {
    {"image", SOURCE_IDX, "train-images", FORMAT_U8, 1, dim_example},
    {"label", SOURCE_IDX, "train-labels", FORMAT_U8, 0, NULL},
};
static const SgColumn test_columns[] = {
    {"image", SOURCE_IDX, "test-images", FORMAT_U8, 1, dim_example},
    {"label", SOURCE_IDX, "test-labels", FORMAT_U8, 0, NULL},
};
static const SgDataset datasets[] = {
    {"points", 2, points_columns},
    {"test_points", 2, test_columns},
};

static const SgInput fit_inputs[] = {
    {"batch.image", INPUT_COLUMN, 0, 0, FORMAT_U8, 2, dim_batch, BATCH *POINTS,
     0, 0, 0},
    {"batch.label", INPUT_COLUMN, 0, 1, FORMAT_U8, 1, dim_batch, BATCH, CLASSES,
     0, 0},
    {"step", INPUT_STEP, 0, 0, FORMAT_F32, 0, NULL, 4, 0, 0, 0},
};
static const SgInput test_inputs[] = {
    {"batch.image", INPUT_COLUMN, 1, 0, FORMAT_U8, 2, dim_eval,
     EVAL_BATCH *POINTS, 0, 0, 0},
    {"batch.label", INPUT_COLUMN, 1, 1, FORMAT_U8, 1, dim_eval, EVAL_BATCH,
     CLASSES, 0, 0},
};
static const SgInput classify_inputs[] = {
    {"x", INPUT_ARGUMENT, 0, 0, FORMAT_U8, 2, dim_two, 2 * POINTS, 0, 0, 0},
};
static const SgInput widen_inputs[] = {
    {"n", INPUT_ARGUMENT, 0, 0, FORMAT_I64, 1, dim_two, 16, 0, 0, 0},
    {"x", INPUT_ARGUMENT, 0, 0, FORMAT_F32, 0, NULL, 4, 0, 0, 0},
};

#define LOSS                                                                   \
  { "loss", FORMAT_F32, 0, NULL, 4, SG_IN_ARENA, AT_LOSS, 0, -1 }
#define ACCURACY                                                               \
  { "accuracy", FORMAT_F32, 0, NULL, 4, SG_IN_ARENA, AT_ACCURACY, -1, 0 }
static const SgResult fit_results[] = {
    LOSS,
    {"eighths", FORMAT_F32, 1, dim_eighths, 32, SG_IN_ARENA, AT_EIGHTHS, 0, -1},
    ACCURACY,
};
static const SgResult test_results[] = {LOSS, ACCURACY};
static const SgResult classify_results[] = {
    {"label", FORMAT_I32, 1, dim_two, 8, SG_IN_ARENA, AT_LABEL, 0, -1},
    {"score", FORMAT_BF16, 2, dim_scores, 12, SG_IN_ARENA, AT_SCORE, 0, -1},
};
static const SgResult widen_results[] = {
    {"n", FORMAT_I64, 1, dim_two, 16, SG_IN_INPUT, 0, 0, -1},
    {"x", FORMAT_F32, 0, NULL, 4, SG_IN_INPUT, 1, 0, -1},
};

static const SgEntry entries[] = {
    {.name = "fit",
     .kind = ENTRY_KIND_TRAIN,
     .recipe = "mixed",
     .input_count = 3,
     .input = fit_inputs,
     .result_count = 3,
     .result = fit_results,
     .step = step_fit,
     .arena_bytes = ARENA,
     .exponent_count = 1,
     .epochs = 4,
     .batch = BATCH,
     .flops = 384},
    {.name = "fit_and_test",
     .kind = ENTRY_KIND_TRAIN,
     .recipe = "mixed",
     .input_count = 3,
     .input = fit_inputs,
     .result_count = 3,
     .result = fit_results,
     .step = step_fit,
     .arena_bytes = ARENA,
     .exponent_count = 1,
     .steps = 12,
     .log_every = 4,
     .seed = 7,
     .eval_every = 5,
     .eval_entry = "test",
     .batch = BATCH,
     .flops = 384},
    {.name = "test",
     .kind = ENTRY_KIND_EVAL,
     .recipe = "mixed",
     .input_count = 2,
     .input = test_inputs,
     .result_count = 2,
     .result = test_results,
     .step = step_test,
     .arena_bytes = ARENA,
     .exponent_count = 1,
     .batch = EVAL_BATCH,
     .flops = 120},
    {.name = "classify",
     .kind = ENTRY_KIND_PLAIN,
     .recipe = "mixed",
     .input_count = 1,
     .input = classify_inputs,
     .result_count = 2,
     .result = classify_results,
     .step = step_classify,
     .arena_bytes = ARENA,
     .flops = 48},
    {.name = "widen",
     .kind = ENTRY_KIND_PLAIN,
     .recipe = "mixed",
     .input_count = 2,
     .input = widen_inputs,
     .result_count = 2,
     .result = widen_results,
     .step = step_widen},
};

const SgProgram sg_program = {
    .abi_version = SG_ABI_VERSION,
    .name = "tiny",
    .source = "tiny.sg",
    .compiler = "sgc by hand",
    .target = "any",
    .features = "",
    .strict = 1,
    .hash = 0x0123456789abcdef,
    .param_count = PARAM_COUNT,
    .param = params,
    .dataset_count = 2,
    .dataset = datasets,
    .entry_count = 5,
    .entry = entries,
};
