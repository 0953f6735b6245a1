/* A program in memory: its parameters, and entries made ready to run. */
#include "runtime/runtime.h"

#include "ir/init.h"
#include "ir/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- arrays -------------------------------------------------------------- */

int64_t elements(int64_t rank, const int64_t *dim) {
  int64_t count = 1;
  for (int64_t i = 0; i < rank; i++)
    count *= dim[i];
  return count;
}

const char *type_text(char *text, size_t size, int64_t format, int64_t rank,
                      const int64_t *dim) {
  size_t used =
      (size_t)snprintf(text, size, "%s[", format_info((Format)format)->text);
  for (int64_t i = 0; i < rank && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? "," : "",
                             (long long)dim[i]);
  if (used < size)
    snprintf(text + used, size - used, "]");
  return text;
}

double element_value(Format format, const void *data, int64_t i) {
  const char *at = (const char *)data + (size_t)i * format_bytes(format);
  double f64;
  float f32;
  int64_t i64;
  int32_t i32;
  switch (format) {
  case FORMAT_F64:
    return memcpy(&f64, at, sizeof f64), f64;
  case FORMAT_I64:
    return memcpy(&i64, at, sizeof i64), (double)i64;
  case FORMAT_I32:
    return memcpy(&i32, at, sizeof i32), (double)i32;
  default:
    codec_decode_array(format, at, &f32, 1);
    return (double)f32;
  }
}

/* ---- parameters ---------------------------------------------------------- */

/* Zeroed memory costs nothing until it is touched, so a program that loads
 * its weights does not pay for initial ones. */
int session_open(Session *session, const SgProgram *program, int threads) {
  *session = (Session){.program = program};
  size_t count = (size_t)program->param_count;
  int status = team_open(&session->team, threads);
  if (status != EXIT_FINE)
    return status;
  session->param = memory_new(count, sizeof *session->param);
  bool good = session->param != NULL;
  for (size_t i = 0; good && i < count; i++) {
    session->param[i] = memory_new((size_t)program->param[i].bytes, 1);
    good = session->param[i] != NULL;
  }
  if (good)
    return EXIT_FINE;
  session_close(session);
  return out_of_memory();
}

int64_t session_exponent(const Session *session, int64_t p) {
  const SgParam *param = &session->program->param[p];
  int32_t exponent;
  if (param->exponent_state == 0)
    return param->exponent;
  memcpy(&exponent, session->param[param->exponent_state - 1], sizeof exponent);
  return exponent;
}

/* Each element is a function of (seed, name, element): pieces may be filled by
 * any thread. */
void session_initialize(Session *session, uint64_t seed) {
  enum { CHUNK = 1 << 14 };
  session->seed = seed;
  for (int64_t p = 0; p < session->program->param_count; p++) {
    const SgParam *param = &session->program->param[p];
    int64_t count = elements(param->rank, param->dim);
    uint64_t name = rng_hash_name(param->name);
    size_t size = format_bytes((Format)param->format);
#pragma omp parallel for num_threads(team_size(session->team)) if (count >     \
                                                                   4 * CHUNK)
    for (int64_t begin = 0; begin < count; begin += CHUNK) {
      int64_t end = begin + CHUNK < count ? begin + CHUNK : count;
      init_fill((InitFill)param->init, param->a, param->b,
                (int32_t)param->exponent, (Format)param->format, seed, name,
                (uint64_t)begin, (uint64_t)end,
                session->param[p] + (size_t)begin * size);
    }
  }
}

void session_close(Session *session) {
  if (!session->program)
    return;
  for (int64_t i = 0; session->param && i < session->program->param_count; i++)
    sgrt_io.release(session->param[i]);
  sgrt_io.release(session->param);
  team_close(session->team);
  *session = (Session){0};
}

/* ---- runs ---------------------------------------------------------------- */

/* Inputs and arena are zero at first, so that a step never sees what was in
 * memory before. */
int run_open(Run *run, const SgEntry *entry) {
  size_t inputs = (size_t)entry->input_count;
  *run = (Run){.entry = entry};
  run->arena = memory_new((size_t)entry->arena_bytes, 1);
  run->input = memory_new(inputs, sizeof *run->input);
  run->exponent =
      memory_new((size_t)entry->exponent_count, sizeof *run->exponent);
  bool good = run->arena && run->input && run->exponent;
  for (size_t i = 0; good && i < inputs; i++) {
    run->input[i] = memory_new((size_t)entry->input[i].bytes, 1);
    good = run->input[i] != NULL;
  }
  if (good)
    return EXIT_FINE;
  run_close(run);
  complain("out of memory: %s needs %lld bytes", entry->name,
           (long long)entry->arena_bytes);
  return EXIT_FAILED;
}

void run_close(Run *run) {
  if (!run->entry)
    return;
  for (int64_t i = 0; run->input && i < run->entry->input_count; i++)
    sgrt_io.release(run->input[i]);
  sgrt_io.release(run->input);
  sgrt_io.release(run->arena);
  sgrt_io.release(run->exponent);
  *run = (Run){0};
}

/* The step number in the format of its input. */
static void fill_step(Run *run, uint64_t step) {
  const SgEntry *entry = run->entry;
  for (int64_t i = 0; i < entry->input_count; i++) {
    if (entry->input[i].source != INPUT_STEP)
      continue;
    float value = (float)step;
    codec_encode_array((Format)entry->input[i].format, &value, run->input[i], 1,
                       OVERFLOW_SATURATE);
  }
}

int run_step(const Session *session, Run *run, uint64_t step) {
  const SgEntry *entry = run->entry;
  fill_step(run, step);
  SgFrame frame = {.arena = run->arena,
                   .param = session->param,
                   .input = run->input,
                   .exponent = run->exponent,
                   .seed = session->seed,
                   .step = step,
                   .team = session->team};
  if (team_run(session->team, entry->step, &frame))
    return EXIT_FINE;
  return out_of_memory();
}

void run_fill(Run *run, const DatasetData *data, const uint32_t *index) {
  const SgEntry *entry = run->entry;
  for (int64_t i = 0; i < entry->input_count; i++) {
    if (entry->input[i].source != INPUT_COLUMN)
      continue;
    const ColumnData *column = &data->column[entry->input[i].column];
    size_t stride = (size_t)column->stride;
    for (int64_t b = 0; b < entry->batch; b++)
      memcpy(run->input[i] + (size_t)b * stride,
             column->data + (size_t)index[b] * stride, stride);
  }
}

/* ---- results ------------------------------------------------------------- */

double *results_new(const SgEntry *entry) {
  double *value = memory_new((size_t)entry->result_count, sizeof *value);
  if (!value)
    out_of_memory();
  return value;
}

const char *run_result_data(const Session *session, const Run *run,
                            int64_t result, int64_t *exponent) {
  const SgResult *r = &run->entry->result[result];
  *exponent = r->exponent;
  if (r->symbol >= 0)
    *exponent += run->exponent[r->symbol];
  switch (r->place) {
  case SG_IN_PARAM:
    return session->param[r->offset];
  case SG_IN_INPUT:
    return run->input[r->offset];
  default:
    return run->arena + r->offset;
  }
}

double run_result(const Session *session, const Run *run, int64_t result,
                  int64_t i) {
  int64_t exponent;
  const char *data = run_result_data(session, run, result, &exponent);
  Format format = (Format)run->entry->result[result].format;
  return ldexp(element_value(format, data, i), (int)exponent);
}
