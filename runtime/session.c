/* A program in memory: its parameters, and entries made ready to run. */
#include "runtime/runtime.h"

#include "ir/init.h"
#include "ir/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int64_t elements(int64_t rank, const int64_t *dim) {
  int64_t count = 1;
  for (int64_t i = 0; i < rank; i++)
    count *= dim[i];
  return count;
}

const char *type_text(char *text, size_t size, int64_t format, int64_t rank,
                      const int64_t *dim) {
  size_t used = (size_t)snprintf(text, size, "%s[",
                                 format_info((Format)format)->text);
  for (int64_t i = 0; i < rank && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? "," : "",
                             (long long)dim[i]);
  if (used < size)
    snprintf(text + used, size - used, "]");
  return text;
}

const SgEntry *find_entry(const SgProgram *program, const char *name) {
  for (int64_t i = 0; i < program->entry_count; i++)
    if (strcmp(program->entry[i].name, name) == 0)
      return &program->entry[i];
  return NULL;
}

const SgEntry *choose_entry(const SgProgram *program, const char *name,
                            int64_t kind, const char *command) {
  const SgEntry *found = NULL;
  int count = 0;
  for (int64_t i = 0; i < program->entry_count; i++) {
    const SgEntry *entry = &program->entry[i];
    if (entry->kind != kind || (name && strcmp(entry->name, name) != 0))
      continue;
    found = entry;
    count++;
  }
  if (count == 1)
    return found;
  if (count > 1)
    complain("%s: which one? there are %d; name one of them (see --help)",
             command, count);
  else if (name)
    complain("%s: there is no such entry: %s (see --help)", command, name);
  else
    complain("%s: this program has nothing to %s (see --help)", command,
             command);
  return NULL;
}

/* ---- parameters --------------------------------------------------------------- */

int session_open(Session *session, const SgProgram *program, uint64_t seed,
                 int threads) {
  check_float_environment();
  *session = (Session){.program = program, .seed = seed};
  size_t count = (size_t)program->param_count;
  session->param = sgrt_io.allocate((count + 1) * sizeof *session->param);
  session->team = session->param ? team_new(threads) : NULL;
  bool good = session->team != NULL;
  for (size_t i = 0; good && i < count; i++) {
    const SgParam *param = &program->param[i];
    session->param[i] = sgrt_io.allocate((size_t)param->bytes);
    good = session->param[i] != NULL;
    if (good)
      init_fill((InitFill)param->init, param->a, param->b,
                (int32_t)param->exponent, (Format)param->format, seed,
                rng_hash_name(param->name), 0,
                (uint64_t)elements(param->rank, param->dim),
                session->param[i]);
  }
  if (good)
    return EXIT_FINE;
  session_close(session);
  complain("out of memory");
  return EXIT_FAILED;
}

void session_close(Session *session) {
  for (int64_t i = 0; session->param && i < session->program->param_count; i++)
    sgrt_io.release(session->param[i]);
  sgrt_io.release(session->param);
  team_free(session->team);
  *session = (Session){0};
}

/* ---- runs ------------------------------------------------------------------------ */

int run_open(Run *run, const SgEntry *entry) {
  *run = (Run){.entry = entry};
  size_t inputs = (size_t)entry->input_count;
  run->arena = sgrt_io.allocate((size_t)entry->arena_bytes);
  run->input = sgrt_io.allocate((inputs + 1) * sizeof *run->input);
  run->exponent = sgrt_io.allocate(
      ((size_t)entry->exponent_count + 1) * sizeof *run->exponent);
  bool good = run->arena && run->input && run->exponent;
  for (size_t i = 0; good && i < inputs; i++) {
    run->input[i] = sgrt_io.allocate((size_t)entry->input[i].bytes);
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
  for (int64_t i = 0; run->input && i < run->entry->input_count; i++)
    sgrt_io.release(run->input[i]);
  sgrt_io.release(run->input);
  sgrt_io.release(run->arena);
  sgrt_io.release(run->exponent);
  *run = (Run){0};
}

void run_step(const Session *session, Run *run, uint64_t step) {
  const SgEntry *entry = run->entry;
  for (int64_t i = 0; i < entry->input_count; i++)
    if (entry->input[i].source == INPUT_STEP) {
      float value = (float)step;
      memcpy(run->input[i], &value, sizeof value);
    }
  SgFrame frame = {.arena = run->arena,
                   .param = session->param,
                   .input = run->input,
                   .exponent = run->exponent,
                   .seed = session->seed,
                   .step = step,
                   .team = session->team};
  entry->step(&frame);
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

/* ---- results ----------------------------------------------------------------------- */

double *results_new(const SgEntry *entry) {
  double *value =
      sgrt_io.allocate(((size_t)entry->result_count + 1) * sizeof *value);
  if (!value)
    complain("out of memory");
  return value;
}

const void *run_result_data(const Session *session, const Run *run,
                            int result, int32_t *exponent) {
  const SgResult *r = &run->entry->result[result];
  int64_t e = r->exponent;
  if (r->symbol >= 0)
    e += run->exponent[r->symbol];
  *exponent = (int32_t)e;
  switch (r->place) {
  case SG_IN_PARAM:
    return session->param[r->offset];
  case SG_IN_INPUT:
    return run->input[r->offset];
  }
  return run->arena + r->offset;
}

double run_result(const Session *session, const Run *run, int result,
                  int64_t i) {
  const SgResult *r = &run->entry->result[result];
  int32_t exponent;
  const char *data = run_result_data(session, run, result, &exponent);
  Format format = (Format)r->format;
  float value;
  codec_decode_array(format, data + (size_t)i * format_bytes(format), &value,
                     1);
  return ldexp((double)value, exponent);
}
