/* Datasets: columns in files, read whole and checked before use.
 *
 * idx (Yann LeCun's MNIST page): two zero bytes, a type byte, the rank, then
 * that many big-endian 32-bit sizes, then big-endian data in C order. npy: see
 * ir/npy.h. raw: nothing but elements, little-endian. idx and raw files may be
 * gzipped.
 */
#include "runtime/runtime.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One column while it is read. */
typedef struct {
  const SgColumn *column;
  const char *path;
  char type[128]; /* of one example, as text */
  Stream *stream;
  ColumnData *out;
} Reader;

/* Gives the data of the column back; returns `status`. */
static int failed(Reader *reader, int status) {
  sgrt_io.release(reader->out->data);
  *reader->out = (ColumnData){0};
  return status;
}

/* ---- data behind a header ------------------------------------------------ */

/* Examples are numbered by 32 bits. */
static bool count_fits(const Reader *reader, uint64_t *bytes) {
  int64_t count = reader->out->count, stride = reader->out->stride;
  if (count > 0 && count <= UINT32_MAX && stride > 0 &&
      !__builtin_mul_overflow((uint64_t)count, (uint64_t)stride, bytes) &&
      *bytes <= PTRDIFF_MAX)
    return true;
  complain("%s: %" PRId64 " examples of %" PRId64 " bytes cannot be used",
           reader->path, count, stride);
  return false;
}

/* Names what the header promises and how much is there. */
static int truncated(Reader *reader, uint64_t present) {
  complain("%s: it promises %" PRId64 " examples of %" PRId64
           " bytes, but only %" PRIu64
           " bytes follow: the file is truncated or damaged",
           reader->path, reader->out->count, reader->out->stride, present);
  return failed(reader, EXIT_DATA);
}

/* Reads out->count examples; memory is asked for only if the file can hold
 * them, and the file must end behind them. */
static int read_examples(Reader *reader, uint64_t header) {
  uint64_t bytes, limit = stream_limit(reader->stream);
  if (!count_fits(reader, &bytes))
    return EXIT_DATA;
  if (limit != UINT64_MAX && (limit < header || bytes > limit - header))
    return truncated(reader, limit < header ? 0 : limit - header);
  reader->out->data = memory_new(bytes, 1);
  if (!reader->out->data)
    return out_of_memory();
  ssize_t n = stream_read(reader->stream, reader->out->data, bytes);
  if (n < 0)
    return failed(reader, stream_status(reader->stream));
  if ((uint64_t)n < bytes)
    return truncated(reader, (uint64_t)n);
  unsigned char more;
  n = stream_read(reader->stream, &more, 1);
  if (n > 0)
    complain("%s: more data follow than the %" PRId64
             " examples that it promises: the file is damaged",
             reader->path, reader->out->count);
  if (n == 0)
    return EXIT_FINE;
  return failed(reader, n < 0 ? stream_status(reader->stream) : EXIT_DATA);
}

/* ---- idx ----------------------------------------------------------------- */

static uint32_t big_endian(const unsigned char *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
         p[3];
}

/* The element types of idx that a column can have. */
static Format idx_format(int code) {
  switch (code) {
  case 0x08:
    return FORMAT_U8;
  case 0x0c:
    return FORMAT_I32;
  case 0x0d:
    return FORMAT_F32;
  default:
    return FORMAT_NONE;
  }
}

static int bad_idx(const Reader *reader, const char *why) {
  complain("%s: not a usable idx file: %s", reader->path, why);
  return EXIT_DATA;
}

/* The first four bytes: element type and rank. */
static int idx_magic(const Reader *reader, const unsigned char *magic) {
  const SgColumn *column = reader->column;
  char why[160];
  if (magic[0] || magic[1])
    return bad_idx(reader, "it does not begin with two zero bytes");
  if (idx_format(magic[2]) != (Format)column->format) {
    snprintf(why, sizeof why, "element type 0x%02x; column %s holds %.100s",
             magic[2], column->name, reader->type);
    return bad_idx(reader, why);
  }
  if (magic[3] == column->rank + 1)
    return EXIT_FINE;
  snprintf(why, sizeof why, "%d axes; an example of column %s is %.100s",
           magic[3], column->name, reader->type);
  return bad_idx(reader, why);
}

/* The sizes: the first one is the number of examples. */
static int idx_sizes(const Reader *reader, const unsigned char *size) {
  reader->out->count = big_endian(size);
  for (int64_t i = 0; i < reader->column->rank; i++) {
    int64_t dim = big_endian(size + 4 * (i + 1));
    if (dim == reader->column->dim[i])
      continue;
    complain("%s: axis %" PRId64 " has size %" PRId64
             "; an example of column %s is %s",
             reader->path, i + 1, dim, reader->column->name, reader->type);
    return EXIT_DATA;
  }
  return EXIT_FINE;
}

/* From big-endian words to the machine's, in place. */
static void swap_bytes(ColumnData *data) {
  for (int64_t i = 0; i < data->count * data->stride; i += 4) {
    uint32_t value = big_endian(data->data + i);
    memcpy(data->data + i, &value, 4);
  }
}

/* Each part of the header is checked before the next one is read. */
static int read_idx(Reader *reader) {
  unsigned char magic[4], size[4 * 256];
  ssize_t n = stream_read(reader->stream, magic, sizeof magic);
  if (n < 0)
    return stream_status(reader->stream);
  if ((size_t)n < sizeof magic)
    return bad_idx(reader, "it is shorter than a header");
  int status = idx_magic(reader, magic);
  if (status != EXIT_FINE)
    return status;
  size_t wanted = 4 * (size_t)magic[3];
  n = stream_read(reader->stream, size, wanted);
  if (n < 0)
    return stream_status(reader->stream);
  if ((size_t)n < wanted)
    return bad_idx(reader, "it is shorter than its header");
  status = idx_sizes(reader, size);
  if (status == EXIT_FINE)
    status = read_examples(reader, sizeof magic + wanted);
  if (status == EXIT_FINE && format_bytes((Format)reader->column->format) == 4)
    swap_bytes(reader->out);
  return status;
}

/* ---- npy and raw --------------------------------------------------------- */

/* The first axis numbers the examples; the others are those of one example. */
static int read_npy(Reader *reader) {
  NpyArray array;
  const SgColumn *column = reader->column;
  int status = array_read(reader->path, &array);
  if (status != EXIT_FINE)
    return status;
  bool same =
      array.format == (Format)column->format && array.rank == column->rank + 1;
  for (int i = 1; same && i < array.rank; i++)
    same = array.dim[i] == column->dim[i - 1];
  uint64_t bytes;
  reader->out->data = array.data;
  reader->out->count = same ? array.dim[0] : 0;
  if (!same)
    complain("%s: it holds %s of %d axes; an example of column %s is %s",
             reader->path, format_info(array.format)->text, array.rank,
             column->name, reader->type);
  return same && count_fits(reader, &bytes) ? EXIT_FINE
                                            : failed(reader, EXIT_DATA);
}

/* The size of the file tells the number of examples. */
static int read_raw(Reader *reader) {
  uint64_t stride = (uint64_t)reader->out->stride;
  uint64_t size = stream_limit(reader->stream);
  if (stream_is_gzipped(reader->stream) || size == UINT64_MAX || stride == 0 ||
      size % stride != 0) {
    complain("%s: column %s needs a plain file of whole examples of %s",
             reader->path, reader->column->name, reader->type);
    return EXIT_DATA;
  }
  reader->out->count = (int64_t)(size / stride);
  return read_examples(reader, 0);
}

/* ---- columns ------------------------------------------------------------- */

/* Where a column is read from: --data, else what the program says. */
static const char *column_path(const SgDataset *dataset, const SgInput *input,
                               const Redirect *redirect, int count) {
  for (int i = 0; i < count; i++)
    if (redirect[i].dataset == input->dataset &&
        redirect[i].column == input->column)
      return redirect[i].path;
  return dataset->column[input->column].path;
}

/* Does the entry take a batch of this column? */
static bool entry_reads(const SgEntry *entry, const Redirect *redirect) {
  bool reads = false;
  for (int64_t i = 0; i < entry->input_count; i++)
    reads |= entry->input[i].source == INPUT_COLUMN &&
             entry->input[i].dataset == redirect->dataset &&
             entry->input[i].column == redirect->column;
  return reads;
}

int redirects_check(const SgProgram *program, const SgEntry *entry,
                    const SgEntry *eval, const Redirect *redirect, int count) {
  for (int i = 0; i < count; i++) {
    if (entry_reads(entry, &redirect[i]) ||
        (eval && entry_reads(eval, &redirect[i])))
      continue;
    const SgDataset *dataset = &program->dataset[redirect[i].dataset];
    complain("--data: %s does not read %s.%s", entry->name, dataset->name,
             dataset->column[redirect[i].column].name);
    return EXIT_USAGE;
  }
  return EXIT_FINE;
}

/* Labels must index classes: the graph takes them as they are. */
static int check_limit(const SgInput *input, const Reader *reader) {
  const ColumnData *data = reader->out;
  Format format = (Format)reader->column->format;
  if (input->limit <= 0 || format_is_float(format))
    return EXIT_FINE;
  int64_t each = data->stride / (int64_t)format_bytes(format);
  for (int64_t i = 0; i < data->count * each; i++) {
    double value = element_value(format, data->data, i);
    if (value >= 0 && value < (double)input->limit)
      continue;
    complain("%s: label %.0f at example %" PRId64 " is outside [0, %" PRId64
             ")",
             reader->path, value, i / each, input->limit);
    return EXIT_DATA;
  }
  return EXIT_FINE;
}

/* Fills *reader->out from its file; on failure nothing is kept. */
static int read_column(Reader *reader) {
  const SgColumn *column = reader->column;
  int status;
  if (column->source == SOURCE_NPY)
    return read_npy(reader);
  reader->stream = stream_open(reader->path, &status);
  if (!reader->stream)
    return status;
  status = column->source == SOURCE_RAW ? read_raw(reader) : read_idx(reader);
  stream_close(reader->stream);
  return status;
}

/* Reads the column behind one input and checks that batches of it are what
 * the compiled step takes. */
static int open_column(const SgDataset *dataset, const SgEntry *entry,
                       const SgInput *input, const char *path,
                       ColumnData *out) {
  const SgColumn *column = &dataset->column[input->column];
  Reader reader = {.column = column, .path = path, .out = out};
  out->stride = elements(column->rank, column->dim) *
                (int64_t)format_bytes((Format)column->format);
  type_text(reader.type, sizeof reader.type, column->format, column->rank,
            column->dim);
  if (input->format != column->format ||
      input->bytes != entry->batch * out->stride) {
    complain("%s of %s cannot be filled from column %s of %s (%s)", input->name,
             entry->name, column->name, dataset->name, reader.type);
    return EXIT_FAILED;
  }
  int status = read_column(&reader);
  if (status != EXIT_FINE)
    return status;
  status = check_limit(input, &reader);
  return status == EXIT_FINE ? status : failed(&reader, status);
}

/* ---- datasets ------------------------------------------------------------ */

int entry_dataset(const SgEntry *entry) {
  for (int64_t i = 0; i < entry->input_count; i++)
    if (entry->input[i].source == INPUT_COLUMN)
      return (int)entry->input[i].dataset;
  return -1;
}

/* All columns must hold as many examples as the first. */
static int same_count(const SgDataset *dataset, const SgInput *input,
                      DatasetData *out) {
  const ColumnData *column = &out->column[input->column];
  if (out->count < 0)
    out->count = column->count;
  if (column->count == out->count)
    return EXIT_FINE;
  complain("dataset %s: column %s has %" PRId64
           " examples, another has %" PRId64,
           dataset->name, dataset->column[input->column].name, column->count,
           out->count);
  return EXIT_DATA;
}

/* A column that two inputs share is read once. */
static int open_input(const SgProgram *program, const SgEntry *entry,
                      const SgInput *input, const Redirect *redirect,
                      int redirects, DatasetData *out) {
  int number = entry_dataset(entry);
  const SgDataset *dataset = &program->dataset[number];
  if (input->source == INPUT_ARGUMENT || input->dataset != number) {
    complain("%s reads %s, which its dataset %s does not hold", entry->name,
             input->name, dataset->name);
    return EXIT_USAGE;
  }
  ColumnData *column = &out->column[input->column];
  if (column->data)
    return EXIT_FINE;
  const char *path = column_path(dataset, input, redirect, redirects);
  int status = open_column(dataset, entry, input, path, column);
  return status == EXIT_FINE ? same_count(dataset, input, out) : status;
}

int dataset_open(const SgProgram *program, const SgEntry *entry,
                 const Redirect *redirect, int redirects, DatasetData *out) {
  const SgDataset *dataset = &program->dataset[entry_dataset(entry)];
  *out = (DatasetData){.count = -1};
  out->column = memory_new((size_t)dataset->column_count, sizeof *out->column);
  if (!out->column)
    return out_of_memory();
  int status = EXIT_FINE;
  for (int64_t i = 0; i < entry->input_count && status == EXIT_FINE; i++)
    if (entry->input[i].source != INPUT_STEP)
      status = open_input(program, entry, &entry->input[i], redirect, redirects,
                          out);
  if (status != EXIT_FINE)
    dataset_close(program, entry, out);
  return status;
}

void dataset_close(const SgProgram *program, const SgEntry *entry,
                   DatasetData *data) {
  if (!data->column)
    return;
  const SgDataset *dataset = &program->dataset[entry_dataset(entry)];
  for (int64_t i = 0; i < dataset->column_count; i++)
    sgrt_io.release(data->column[i].data);
  sgrt_io.release(data->column);
  *data = (DatasetData){0};
}
