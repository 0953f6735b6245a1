/* `run ENTRY name=file.npy -o out.npy`: one call of an exported function. */
#include "runtime/runtime.h"

#include "ir/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- inputs -------------------------------------------------------------------- */

static bool same_type(const SgInput *input, const NpyArray *array) {
  bool same = array->rank == input->rank;
  for (int i = 0; same && i < array->rank; i++)
    same = array->dim[i] == input->dim[i];
  return same;
}

static double *values_new(int64_t count) {
  double *value = sgrt_io.allocate(((size_t)count + 1) * sizeof *value);
  if (!value)
    complain("out of memory");
  return value;
}

/* Stores numbers in the input's format; integers must be in range. */
static bool store_values(const SgInput *input, const double *value,
                         const char *path, char *out) {
  int64_t count = elements(input->rank, input->dim);
  for (int64_t i = 0; i < count; i++) {
    double v = value[i];
    if (format_is_float((Format)input->format)) {
      float narrow = (float)v;
      codec_encode_array((Format)input->format, &narrow,
                         out + (size_t)i * format_bytes((Format)input->format),
                         1, OVERFLOW_INF);
      continue;
    }
    int64_t whole = v >= -9e18 && v <= 9e18 ? (int64_t)v : 0;
    int64_t low = input->format == FORMAT_I64   ? INT64_MIN
                  : input->format == FORMAT_I32 ? INT32_MIN
                                                : 0;
    int64_t high = input->format == FORMAT_I64    ? INT64_MAX
                   : input->format == FORMAT_I32  ? INT32_MAX
                   : input->format == FORMAT_U16  ? UINT16_MAX
                   : input->format == FORMAT_BOOL ? 1
                                                  : UINT8_MAX;
    bool labels_fit = input->limit <= 0 || (whole >= 0 && whole < input->limit);
    if ((double)whole != v || whole < low || whole > high || !labels_fit) {
      complain("%s: element %lld is %g, which input %s (%s) cannot hold", path,
               (long long)i, v, input->name,
               format_info((Format)input->format)->text);
      return false;
    }
    memcpy(out + (size_t)i * format_bytes((Format)input->format), &whole,
           format_bytes((Format)input->format));
  }
  return true;
}

static int load_array(const SgInput *input, const char *path, char *out) {
  char error[256], wanted[128];
  NpyArray array;
  if (!npy_read(path, &array, error, sizeof error)) {
    complain("%s: %s", path, error);
    return EXIT_DATA;
  }
  bool good = same_type(input, &array);
  if (!good)
    complain("%s: input %s needs shape %s", path, input->name,
             strchr(type_text(wanted, sizeof wanted, input->format,
                              input->rank, input->dim),
                    '['));
  double *value = good ? values_new(elements(input->rank, input->dim)) : NULL;
  if (value)
    npy_to_double(&array, value);
  good = value && store_values(input, value, path, out);
  sgrt_io.release(value);
  npy_free(&array);
  return good ? EXIT_FINE : EXIT_DATA;
}

static const char *path_of(const Arguments *arguments, const char *name) {
  size_t length = strlen(name);
  for (int i = 0; i < arguments->arguments; i++)
    if (strncmp(arguments->argument[i], name, length) == 0 &&
        arguments->argument[i][length] == '=')
      return arguments->argument[i] + length + 1;
  return NULL;
}

/* Every `name=file` must name an input. */
static int check_names(const SgEntry *entry, const Arguments *arguments) {
  for (int i = 0; i < arguments->arguments; i++) {
    const char *text = arguments->argument[i];
    size_t length = strcspn(text, "=");
    bool known = false;
    for (int64_t j = 0; j < entry->input_count; j++)
      known |= strlen(entry->input[j].name) == length &&
               memcmp(entry->input[j].name, text, length) == 0;
    if (known && text[length] == '=')
      continue;
    complain("%s: %s has no such input; an input is given as NAME=FILE.npy",
             text, entry->name);
    return EXIT_USAGE;
  }
  return EXIT_FINE;
}

static int load_inputs(const Run *run, const Arguments *arguments) {
  const SgEntry *entry = run->entry;
  int status = check_names(entry, arguments);
  for (int64_t i = 0; i < entry->input_count && status == EXIT_FINE; i++) {
    const SgInput *input = &entry->input[i];
    if (input->source == INPUT_STEP)
      continue;
    const char *path = path_of(arguments, input->name);
    if (path) {
      status = load_array(input, path, run->input[i]);
    } else {
      char wanted[128];
      complain("%s needs %s=FILE.npy (%s)", entry->name, input->name,
               type_text(wanted, sizeof wanted, input->format, input->rank,
                         input->dim));
      status = EXIT_USAGE;
    }
  }
  return status;
}

/* ---- results ---------------------------------------------------------------------- */

static void print_text(const SgResult *result, const double *value) {
  int64_t count = elements(result->rank, result->dim);
  int64_t row = result->rank ? result->dim[result->rank - 1] : 1;
  for (int64_t i = 0; i < count; i++)
    printf("%.9g%c", value[i], (i + 1) % row == 0 ? '\n' : ' ');
}

static int write_result(const SgResult *result, const double *value,
                        const char *path) {
  char error[256];
  if (!path || strcmp(path, "-") == 0) {
    print_text(result, value);
    return EXIT_FINE;
  }
  Format format = format_is_float((Format)result->format)
                      ? FORMAT_F32
                      : (Format)result->format;
  if (npy_write_double(path, format, (int)result->rank, result->dim, value,
                       error, sizeof error))
    return EXIT_FINE;
  complain("%s: %s", path, error);
  return EXIT_FAILED;
}

/* -o FILE for the only result, -o NAME=FILE for each of several. */
static const char *output_path(const SgEntry *entry, const SgResult *result,
                               const Arguments *arguments) {
  size_t length = strlen(result->name);
  for (int i = 0; i < arguments->outputs; i++) {
    const char *text = arguments->output[i];
    if (strncmp(text, result->name, length) == 0 && text[length] == '=')
      return text + length + 1;
    if (entry->result_count == 1)
      return text;
  }
  return NULL;
}

static int write_results(const Session *session, const Run *run,
                         const Arguments *arguments) {
  const SgEntry *entry = run->entry;
  int status = EXIT_FINE;
  for (int64_t r = 0; r < entry->result_count && status == EXIT_FINE; r++) {
    const SgResult *result = &entry->result[r];
    int64_t count = elements(result->rank, result->dim);
    double *value = values_new(count);
    if (!value)
      return EXIT_FAILED;
    for (int64_t i = 0; i < count; i++)
      value[i] = run_result(session, run, (int)r, i);
    status = write_result(result, value, output_path(entry, result, arguments));
    sgrt_io.release(value);
  }
  return status;
}

static int check_outputs(const SgEntry *entry, const Arguments *arguments) {
  for (int i = 0; i < arguments->outputs; i++) {
    bool known = entry->result_count == 1;
    for (int64_t r = 0; r < entry->result_count; r++) {
      size_t length = strlen(entry->result[r].name);
      known |= strncmp(arguments->output[i], entry->result[r].name, length) ==
                   0 &&
               arguments->output[i][length] == '=';
    }
    if (!known) {
      complain("-o %s: %s has %lld results; say -o NAME=FILE", 
               arguments->output[i], entry->name,
               (long long)entry->result_count);
      return EXIT_USAGE;
    }
  }
  return EXIT_FINE;
}

int command_run(const SgProgram *program, const Arguments *arguments) {
  const SgEntry *entry =
      choose_entry(program, arguments->entry, ENTRY_KIND_PLAIN, "run");
  if (!entry)
    return EXIT_USAGE;
  char name[512];
  snprintf(name, sizeof name, "%s.safetensors", program->name);
  Session session;
  Run run = {0};
  int status = check_outputs(entry, arguments);
  if (status == EXIT_FINE)
    status = session_open(&session, program, 1, arguments->threads);
  if (status != EXIT_FINE)
    return status;
  status = run_open(&run, entry);
  if (status == EXIT_FINE)
    status = load_inputs(&run, arguments);
  if (status == EXIT_FINE && program->param_count)
    status = checkpoint_load(&session,
                             arguments->weights ? arguments->weights : name,
                             arguments->convert, false);
  if (status == EXIT_FINE) {
    run_step(&session, &run, 1);
    status = write_results(&session, &run, arguments);
  }
  if (run.entry)
    run_close(&run);
  session_close(&session);
  return status;
}
