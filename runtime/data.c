/* Datasets: idx files (plain or gzipped), read whole and checked before use.
 *
 * idx (Yann LeCun's MNIST page): two zero bytes, a type byte (8: unsigned
 * bytes), the rank, then that many big-endian 32-bit sizes, then the data in C
 * order. A column whose file is gzipped (RFC 1952) is inflated in memory.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* More than any data set that fits a machine this is meant for. */
static const size_t FILE_LIMIT = (size_t)16 << 30;

/* ---- reading, and inflating what is gzipped ---------------------------------- */

/* Runs inflate until the stream ends; grows the output by doubling. */
static unsigned char *inflate_all(z_stream *stream, size_t *size) {
  size_t capacity = 1 << 20;
  unsigned char *out = sgrt_io.allocate(capacity);
  int status = Z_OK;
  *size = 0;
  while (out && status != Z_STREAM_END) {
    if (*size == capacity) {
      unsigned char *larger =
          capacity < FILE_LIMIT ? sgrt_io.allocate(capacity * 2) : NULL;
      if (larger)
        memcpy(larger, out, capacity);
      sgrt_io.release(out);
      out = larger;
      capacity *= 2;
      continue;
    }
    size_t room = capacity - *size;
    stream->next_out = out + *size;
    stream->avail_out = room > 1u << 30 ? 1u << 30 : (uInt)room;
    uInt before = stream->avail_out;
    status = inflate(stream, Z_NO_FLUSH);
    *size += before - stream->avail_out;
    if (status != Z_OK && status != Z_STREAM_END) {
      sgrt_io.release(out);
      return NULL;
    }
  }
  return out;
}

static unsigned char *gunzip(unsigned char *data, size_t *size,
                             const char *path) {
  z_stream stream = {.next_in = data, .avail_in = (uInt)*size};
  unsigned char *out = NULL;
  if (*size <= UINT32_MAX && inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK) {
    out = inflate_all(&stream, size);
    inflateEnd(&stream);
  }
  if (!out)
    complain("%s: the gzip data is damaged or ends early", path);
  sgrt_io.release(data);
  return out;
}

static unsigned char *read_maybe_gzipped(const char *path, size_t *size) {
  unsigned char *data = io_read_file(path, FILE_LIMIT, size);
  if (!data) {
    complain("cannot read %s: %s", path, strerror(errno));
    return NULL;
  }
  bool gzipped = *size > 2 && data[0] == 0x1f && data[1] == 0x8b;
  return gzipped ? gunzip(data, size, path) : data;
}

/* ---- idx -------------------------------------------------------------------------- */

static uint32_t big_endian(const unsigned char *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
         p[3];
}

/* Checks header and sizes; data points behind the header afterwards. */
static bool idx_open(const SgColumn *column, const char *path, size_t size,
                     ColumnData *out) {
  const unsigned char *file = out->file;
  if (size < 4 || file[0] || file[1]) {
    complain("%s: not an idx file (it does not begin with two zero bytes)",
             path);
    return false;
  }
  char wanted[128];
  type_text(wanted, sizeof wanted, column->format, column->rank, column->dim);
  int rank = file[3];
  if (file[2] != 8 || column->format != FORMAT_U8) {
    complain("%s: element type %#x; column %s needs unsigned bytes (0x08) for "
             "%s", path, file[2], column->name, wanted);
    return false;
  }
  if (rank != column->rank + 1 || size < 4 + 4 * (size_t)rank) {
    complain("%s: %d axes; column %s holds examples of type %s", path, rank,
             column->name, wanted);
    return false;
  }
  out->count = big_endian(file + 4);
  out->stride = 1;
  for (int i = 1; i < rank; i++) {
    int64_t dim = big_endian(file + 4 + 4 * i);
    if (dim != column->dim[i - 1]) {
      complain("%s: axis %d has size %lld; column %s holds examples of type %s",
               path, i, (long long)dim, column->name, wanted);
      return false;
    }
    out->stride *= dim;
  }
  size_t header = 4 + 4 * (size_t)rank, body = size - header;
  if (out->stride == 0 ||
      (uint64_t)out->count != body / (uint64_t)out->stride ||
      body % (uint64_t)out->stride != 0) {
    complain("%s: the header promises %lld examples of %lld bytes, but %zu "
             "bytes follow: the file is truncated or damaged",
             path, (long long)out->count, (long long)out->stride, body);
    return false;
  }
  out->data = out->file + header;
  return true;
}

/* ---- columns and datasets ----------------------------------------------------------- */

static const char *redirected(const SgDataset *dataset, const SgColumn *column,
                              const Redirect *redirect, int count) {
  char name[512];
  snprintf(name, sizeof name, "%s.%s", dataset->name, column->name);
  for (int i = 0; i < count; i++)
    if (strcmp(redirect[i].name, name) == 0)
      return redirect[i].path;
  return column->path;
}

/* Labels must index classes: the graph takes them as they are. */
static bool check_limit(const SgInput *input, const ColumnData *column,
                        const char *path) {
  if (input->limit <= 0 || input->format != FORMAT_U8)
    return true;
  for (int64_t i = 0; i < column->count * column->stride; i++)
    if (column->data[i] >= input->limit) {
      complain("%s: label %d at example %lld is outside [0, %lld)", path,
               column->data[i], (long long)(i / column->stride),
               (long long)input->limit);
      return false;
    }
  return true;
}

static bool open_column(const SgDataset *dataset, const SgInput *input,
                        const Redirect *redirect, int redirects,
                        ColumnData *out) {
  const SgColumn *column = &dataset->column[input->column];
  const char *path = redirected(dataset, column, redirect, redirects);
  size_t size;
  if (column->source != SOURCE_IDX) {
    complain("%s: only idx columns can be read in this version", path);
    return false;
  }
  out->file = read_maybe_gzipped(path, &size);
  return out->file && idx_open(column, path, size, out) &&
         check_limit(input, out, path);
}

int entry_dataset(const SgEntry *entry) {
  for (int64_t i = 0; i < entry->input_count; i++)
    if (entry->input[i].source == INPUT_COLUMN)
      return (int)entry->input[i].dataset;
  return -1;
}

/* All columns must hold as many examples as the first. */
static bool same_count(const SgDataset *dataset, const SgInput *input,
                       DatasetData *out) {
  const ColumnData *column = &out->column[input->column];
  if (out->count < 0)
    out->count = column->count;
  if (column->count == out->count)
    return true;
  complain("dataset %s: column %s has %lld examples, another has %lld",
           dataset->name, dataset->column[input->column].name,
           (long long)column->count, (long long)out->count);
  return false;
}

int dataset_open(const SgProgram *program, const SgEntry *entry, int number,
                 const Redirect *redirect, int redirects, DatasetData *out) {
  const SgDataset *dataset = &program->dataset[number];
  *out = (DatasetData){.count = -1};
  out->column = sgrt_io.allocate((size_t)dataset->column_count *
                                 sizeof *out->column);
  if (!out->column) {
    complain("out of memory");
    return EXIT_FAILED;
  }
  bool good = true;
  for (int64_t i = 0; i < entry->input_count && good; i++) {
    const SgInput *input = &entry->input[i];
    if (input->source != INPUT_COLUMN ||
        out->column[input->column].file)
      continue;
    good = open_column(dataset, input, redirect, redirects,
                       &out->column[input->column]) &&
           same_count(dataset, input, out);
  }
  if (good)
    return EXIT_FINE;
  dataset_close(dataset, out);
  return EXIT_DATA;
}

void dataset_close(const SgDataset *dataset, DatasetData *data) {
  for (int64_t i = 0; data->column && i < dataset->column_count; i++)
    sgrt_io.release(data->column[i].file);
  sgrt_io.release(data->column);
  *data = (DatasetData){0};
}
