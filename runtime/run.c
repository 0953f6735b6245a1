/* `run ENTRY name=file.npy -o out.npy`: one call of an exported function. */
#include "runtime/runtime.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- inputs -------------------------------------------------------------- */

/* Shapes are equal axis by axis: nothing broadcasts here. */
static bool same_shape(const SgInput *input, const NpyArray *array) {
  bool same = array->rank == input->rank;
  for (int i = 0; same && i < array->rank; i++)
    same = array->dim[i] == input->dim[i];
  return same;
}

/* The integers of a format, [low, high] as exact binary64 numbers. */
static void integer_range(Format format, double *low, double *high) {
  const FormatInfo *info = format_info(format);
  int bits = info->kind == KIND_INT ? info->bits - 1 : info->bits;
  *low = info->kind == KIND_INT ? -ldexp(1, bits) : 0;
  *high = info->kind == KIND_BOOL ? 1
          : bits == 63            ? 0x1p63 - 1024 /* the last one below 2^63 */
                                  : ldexp(1, bits) - 1;
}

/* Stores a number as element `i`; false if an integer format cannot hold it. */
static bool store_value(const SgInput *input, double value, int64_t i,
                        char *out) {
  Format format = (Format)input->format;
  char *at = out + (size_t)i * format_bytes(format);
  if (format == FORMAT_F64) {
    memcpy(at, &value, sizeof value);
    return true;
  }
  if (format_is_float(format)) {
    float narrow = codec_clamp(format, (float)value);
    codec_encode_array(format, &narrow, at, 1, OVERFLOW_INF);
    return true;
  }
  double low, high;
  integer_range(format, &low, &high);
  if (!(value >= low && value <= high) || value != floor(value))
    return false;
  int64_t whole = (int64_t)value; /* its low bytes: little-endian */
  memcpy(at, &whole, format_bytes(format));
  return true;
}

/* Labels must lie in [0, limit), numbers in the range of the format; what is
 * in that format already does (and large integers would round on their way
 * through binary64). */
static int store_array(const SgInput *input, const NpyArray *array,
                       const char *path, char *out) {
  bool same = array->format == (Format)input->format;
  for (int64_t i = 0; i < (int64_t)array->elements; i++) {
    double value = element_value(array->format, array->data, i);
    bool label =
        input->limit <= 0 || (value >= 0 && value < (double)input->limit);
    if (label && (same || store_value(input, value, i, out)))
      continue;
    complain("%s: element %" PRId64 " is %.17g, which is not in the range of "
             "input %s",
             path, i, value, input->name);
    return EXIT_DATA;
  }
  if (same)
    memcpy(out, array->data, array->bytes);
  return EXIT_FINE;
}

/* Reads one input, converted to its format. */
static int load_array(const SgInput *input, const char *path, char *out) {
  char wanted[128], found[128];
  NpyArray array;
  int status = array_read(path, &array);
  if (status != EXIT_FINE)
    return status;
  if (same_shape(input, &array)) {
    status = store_array(input, &array, path, out);
  } else {
    complain(
        "%s: it holds %s; input %s needs %s", path,
        type_text(found, sizeof found, array.format, array.rank, array.dim),
        input->name,
        type_text(wanted, sizeof wanted, input->format, input->rank,
                  input->dim));
    status = EXIT_DATA;
  }
  sgrt_io.release(array.data);
  return status;
}

/* FILE if `text` is NAME=FILE, else NULL. */
static const char *named_path(const char *text, const char *name) {
  size_t length = strlen(name);
  bool named = strncmp(text, name, length) == 0 && text[length] == '=';
  return named ? text + length + 1 : NULL;
}

/* Every NAME=FILE must name an input, once. */
static int check_arguments(const SgEntry *entry, const Arguments *arguments) {
  for (int i = 0; i < arguments->arguments; i++) {
    const char *text = arguments->argument[i];
    bool known = false, again = false;
    for (int64_t j = 0; j < entry->input_count; j++)
      if (entry->input[j].source != INPUT_STEP &&
          named_path(text, entry->input[j].name)) {
        known = true;
        for (int k = 0; k < i; k++)
          again |=
              named_path(arguments->argument[k], entry->input[j].name) != NULL;
      }
    if (known && !again)
      continue;
    complain("%s: %s; inputs of %s are given as NAME=FILE.npy", text,
             again ? "this input is given twice" : "there is no such input",
             entry->name);
    return EXIT_USAGE;
  }
  return EXIT_FINE;
}

/* An input that may be left out, and is. */
static int fill_default(const SgInput *input, char *out) {
  double value = input->default_value;
  int64_t elements = 1;
  for (int64_t i = 0; i < input->rank; i++)
    elements *= input->dim[i];
  bool fits = input->limit <= 0 || (value >= 0 && value < (double)input->limit);
  for (int64_t i = 0; i < elements && fits; i++)
    fits = store_value(input, value, i, out);
  if (fits)
    return EXIT_FINE;
  complain("the default %.17g is not in the range of input %s", value,
           input->name);
  return EXIT_DATA;
}

/* Input number `i` from the file that the command line names for it. */
static int load_input(const Run *run, int64_t i, const Arguments *arguments) {
  const SgInput *input = &run->entry->input[i];
  for (int a = 0; a < arguments->arguments; a++) {
    const char *path = named_path(arguments->argument[a], input->name);
    if (path)
      return load_array(input, path, run->input[i]);
  }
  if (input->has_default)
    return fill_default(input, run->input[i]);
  char wanted[128];
  complain(
      "%s needs %s=FILE.npy (%s)", run->entry->name, input->name,
      type_text(wanted, sizeof wanted, input->format, input->rank, input->dim));
  return EXIT_USAGE;
}

static int load_inputs(const Run *run, const Arguments *arguments) {
  int status = EXIT_FINE;
  for (int64_t i = 0; i < run->entry->input_count && status == EXIT_FINE; i++)
    if (run->entry->input[i].source != INPUT_STEP)
      status = load_input(run, i, arguments);
  return status;
}

/* ---- results ------------------------------------------------------------- */

/* -o FILE for the only result, -o NAME=FILE for each of several. */
static const char *output_path(const SgEntry *entry, const SgResult *result,
                               const Arguments *arguments) {
  for (int i = 0; i < arguments->outputs; i++) {
    const char *path = named_path(arguments->output[i], result->name);
    if (path)
      return path;
    if (entry->result_count == 1)
      return arguments->output[i];
  }
  return "-";
}

/* Every -o must name a result, before anything is computed. */
static int check_outputs(const SgEntry *entry, const Arguments *arguments) {
  if (entry->result_count == 1 && arguments->outputs > 1) {
    complain("-o: %s has one result", entry->name);
    return EXIT_USAGE;
  }
  for (int i = 0; i < arguments->outputs; i++) {
    int64_t known = entry->result_count == 1;
    for (int64_t r = 0; r < entry->result_count; r++)
      known += named_path(arguments->output[i], entry->result[r].name) != NULL;
    if (known)
      continue;
    complain("-o %s: say -o NAME=FILE, with one of the %" PRId64
             " results of %s (see --help)",
             arguments->output[i], entry->result_count, entry->name);
    return EXIT_USAGE;
  }
  return EXIT_FINE;
}

/* A double does not hold every i64. */
static void print_value(const Session *session, const Run *run, int64_t r,
                        int64_t i) {
  Format format = (Format)run->entry->result[r].format;
  int64_t exponent, whole;
  if (format == FORMAT_I64) {
    memcpy(&whole, run_result_data(session, run, r, &exponent) + i * 8, 8);
    printf("%" PRId64, whole);
  } else {
    printf(format_is_float(format) ? "%.9g" : "%.0f",
           run_result(session, run, r, i));
  }
}

/* One row of the last axis a line. */
static void print_values(const Session *session, const Run *run, int64_t r) {
  const SgResult *result = &run->entry->result[r];
  int64_t count = elements(result->rank, result->dim);
  int64_t row = result->rank ? result->dim[result->rank - 1] : 1;
  for (int64_t i = 0; i < count; i++) {
    print_value(session, run, r, i);
    putchar((i + 1) % row == 0 ? '\n' : ' ');
  }
}

/* Integers and unscaled wide floats as they are, other floats as f32. */
static int write_values(const Session *session, const Run *run, int64_t r,
                        const char *path) {
  const SgResult *result = &run->entry->result[r];
  Format format = (Format)result->format;
  int64_t exponent, count = elements(result->rank, result->dim);
  const char *data = run_result_data(session, run, r, &exponent);
  bool narrow = format_is_float(format) && format_bytes(format) < 4;
  if (!narrow && exponent == 0)
    return array_write(path, format, result->rank, result->dim, data,
                       (size_t)result->bytes);
  float *value = memory_new((size_t)count, sizeof *value);
  if (!value)
    return out_of_memory();
  for (int64_t i = 0; i < count; i++)
    value[i] = (float)run_result(session, run, r, i);
  int status = array_write(path, FORMAT_F32, result->rank, result->dim, value,
                           (size_t)count * sizeof *value);
  sgrt_io.release(value);
  return status;
}

static int write_results(const Session *session, const Run *run,
                         const Arguments *arguments) {
  const SgEntry *entry = run->entry;
  int status = EXIT_FINE;
  for (int64_t r = 0; r < entry->result_count && status == EXIT_FINE; r++) {
    const char *path = output_path(entry, &entry->result[r], arguments);
    if (strcmp(path, "-") == 0)
      print_values(session, run, r);
    else
      status = write_values(session, run, r, path);
  }
  return status;
}

/* ---- the command --------------------------------------------------------- */

/* Inputs before weights: they are what a user gets wrong. */
static int call(Session *session, const SgEntry *entry,
                const Arguments *arguments) {
  Run run;
  int status = run_open(&run, entry);
  if (status != EXIT_FINE)
    return status;
  status = load_inputs(&run, arguments);
  if (status == EXIT_FINE &&
      (session->program->param_count || arguments->weights))
    status = load_weights(session, arguments);
  if (status == EXIT_FINE)
    status = run_step(session, &run, 1);
  if (status == EXIT_FINE)
    status = write_results(session, &run, arguments);
  run_close(&run);
  return status;
}

int command_run(const SgProgram *program, const Arguments *arguments) {
  const SgEntry *entry =
      choose_entry(program, arguments->entry, ENTRY_KIND_PLAIN, "run");
  if (!entry)
    return EXIT_USAGE;
  int status = check_arguments(entry, arguments);
  if (status == EXIT_FINE)
    status = check_outputs(entry, arguments);
  if (status != EXIT_FINE)
    return status;
  Session session;
  status = session_open(&session, program, (int)arguments->threads);
  if (status != EXIT_FINE)
    return status;
  session.seed = 1;
  status = call(&session, entry, arguments);
  session_close(&session);
  return status;
}
