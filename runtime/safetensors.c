/* The safetensors format, read strictly: 8 bytes of header length, the header
 * (JSON), the data.
 *
 * In: an open file, untrusted. Out: its tensors in the order of their data, or
 * a complaint that names the tensor. The order of the checks is that of the
 * format's reference reader: length, size, JSON; then, tensors sorted by
 * place: each begins where the one before ended, its size is what its shape
 * asks for, and the last one ends with the file. So there is no byte of the
 * file that a second reader could take for something else. Nothing of a size
 * that the header declares is allocated before it is checked.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const uint64_t HEADER_LIMIT = 100000000;

/* ---- element types ------------------------------------------------------- */

typedef struct {
  const char *name;
  int bits;
  int64_t format; /* -1: the size is known, the meaning is not ours */
} Dtype;

static const Dtype dtypes[] = {
    {"BOOL", 8, FORMAT_BOOL},
    {"U8", 8, FORMAT_U8},
    {"U16", 16, FORMAT_U16},
    {"I32", 32, FORMAT_I32},
    {"I64", 64, FORMAT_I64},
    {"F8_E4M3", 8, FORMAT_E4M3},
    {"F8_E5M2", 8, FORMAT_E5M2},
    {"F16", 16, FORMAT_F16},
    {"BF16", 16, FORMAT_BF16},
    {"F32", 32, FORMAT_F32},
    {"F64", 64, FORMAT_F64},
    {"I8", 8, -1},
    {"I16", 16, -1},
    {"U32", 32, -1},
    {"U64", 64, -1},
    {"F4", 4, -1},
    {"F6_E2M3", 6, -1},
    {"F6_E3M2", 6, -1},
    {"F8_E8M0", 8, -1},
    {"F8_E4M3FNUZ", 8, -1},
    {"F8_E5M2FNUZ", 8, -1},
    {"C64", 64, -1},
};
enum { DTYPE_COUNT = sizeof dtypes / sizeof dtypes[0] };

const char *safetensors_dtype(int64_t format) {
  for (int i = 0; i < DTYPE_COUNT; i++)
    if (dtypes[i].format == format)
      return dtypes[i].name;
  return NULL;
}

static const Dtype *dtype_named(const char *name) {
  for (int i = 0; i < DTYPE_COUNT; i++)
    if (strcmp(dtypes[i].name, name) == 0)
      return &dtypes[i];
  return NULL;
}

/* ---- the checksum -------------------------------------------------------- */

uint32_t checksum_add(uint32_t checksum, const void *data, size_t size) {
  enum { MOST = 1 << 30 };
  const unsigned char *at = data;
  while (size > 0) {
    uInt part = size > MOST ? MOST : (uInt)size;
    checksum = (uint32_t)crc32(checksum, at, part);
    at += part;
    size -= part;
  }
  return checksum;
}

uint32_t checksum_header(const char *header, size_t length,
                         size_t digits_offset) {
  static const char zeros[] = "00000000";
  uint32_t checksum = (uint32_t)crc32(0, NULL, 0);
  size_t behind = digits_offset + CHECKSUM_DIGITS;
  checksum = checksum_add(checksum, header, digits_offset);
  checksum = checksum_add(checksum, zeros, CHECKSUM_DIGITS);
  return checksum_add(checksum, header + behind, length - behind);
}

/* ---- one tensor ---------------------------------------------------------- */

/* Complains about a tensor, or about the file; EXIT_DATA. */
static int refused(const Safetensors *file, const char *tensor,
                   const char *why) {
  if (tensor)
    complain("%s: not a usable checkpoint: tensor %s %s", file->path, tensor,
             why);
  else
    complain("%s: not a usable checkpoint: %s", file->path, why);
  return EXIT_DATA;
}

/* Sizes are integers from 0 to 2^63 - 1: no signs, no fractions. */
static bool read_size(const json_t *json, uint64_t *out) {
  json_int_t value = json_integer_value(json);
  *out = (uint64_t)value;
  return json_is_integer(json) && value >= 0;
}

/* The bits that the shape asks for; false if they are too many to count. */
static bool read_shape(const json_t *shape, uint64_t bits, FileTensor *out,
                       uint64_t *total) {
  size_t rank = json_array_size(shape);
  *total = 1;
  for (size_t i = 0; i < rank; i++) {
    uint64_t dim;
    if (!read_size(json_array_get(shape, i), &dim) ||
        __builtin_mul_overflow(*total, dim, total))
      return false;
    if (i < TENSOR_RANK)
      out->dim[i] = (int64_t)dim;
  }
  out->rank = (int64_t)rank;
  return !__builtin_mul_overflow(*total, bits, total);
}

/* Fills *out, offsets relative to the data; NULL or what is wrong. */
static const char *read_tensor(const json_t *json, FileTensor *out) {
  const char *dtype = json_string_value(json_object_get(json, "dtype"));
  const json_t *shape = json_object_get(json, "shape");
  const json_t *offsets = json_object_get(json, "data_offsets");
  if (!dtype || !json_is_array(shape) || json_array_size(offsets) != 2)
    return "lacks its dtype, shape or data_offsets";
  const Dtype *row = dtype_named(dtype);
  if (!row)
    return "has an element type that is not known";
  out->dtype = row->name;
  out->format = row->format;
  uint64_t bits;
  if (!read_size(json_array_get(offsets, 0), &out->begin) ||
      !read_size(json_array_get(offsets, 1), &out->end))
    return "has data_offsets that are no sizes";
  if (!read_shape(shape, (uint64_t)row->bits, out, &bits))
    return "has a shape that is no shape, or too large";
  if (out->end < out->begin)
    return "ends before it begins";
  if (bits % 8 != 0 || bits / 8 != out->end - out->begin)
    return "has more or fewer bytes than its shape asks for";
  return NULL;
}

/* ---- the header ---------------------------------------------------------- */

/* A flat table from texts to texts. */
static int read_metadata(const Safetensors *file, json_t *json) {
  const char *key;
  json_t *value;
  if (!json_is_object(json))
    return refused(file, NULL, "__metadata__ is no object");
  json_object_foreach(json, key, value) {
    if (!json_is_string(value))
      return refused(file, NULL, "__metadata__ holds something but texts");
  }
  return EXIT_FINE;
}

/* All members of the header but its metadata, in the order of its text. */
static int read_tensors(Safetensors *file) {
  const char *key;
  json_t *value;
  file->tensor =
      memory_new(json_object_size(file->json) + 1, sizeof *file->tensor);
  if (!file->tensor)
    return out_of_memory();
  json_object_foreach(file->json, key, value) {
    FileTensor *tensor = &file->tensor[file->count];
    if (strcmp(key, "__metadata__") == 0) {
      int status = read_metadata(file, value);
      if (status != EXIT_FINE)
        return status;
      continue;
    }
    const char *wrong = read_tensor(value, tensor);
    if (wrong)
      return refused(file, key, wrong);
    tensor->name = key;
    tensor->owner = -1;
    file->count++;
  }
  return EXIT_FINE;
}

static int compare_places(const void *a, const void *b) {
  const FileTensor *left = a, *right = b;
  if (left->begin != right->begin)
    return left->begin < right->begin ? -1 : 1;
  return (left->end > right->end) - (left->end < right->end);
}

/* Sorts by place, checks that nothing overlaps and nothing is left over, and
 * makes offsets those of the file. */
static int check_layout(Safetensors *file, uint64_t size) {
  uint64_t data = 8 + file->length, at = 0;
  qsort(file->tensor, file->count, sizeof *file->tensor, compare_places);
  for (size_t i = 0; i < file->count; i++) {
    FileTensor *tensor = &file->tensor[i];
    if (tensor->begin != at)
      return refused(file, tensor->name,
                     tensor->begin < at ? "overlaps another one"
                                        : "leaves a hole before it");
    if (tensor->end > size - data)
      return refused(file, tensor->name,
                     "goes beyond the end of the file: it is truncated");
    at = tensor->end;
    tensor->begin += data;
    tensor->end += data;
  }
  if (at != size - data)
    return refused(file, NULL, "the last bytes belong to no tensor");
  return EXIT_FINE;
}

/* The JSON library drops characters of a text when its memory runs out, and
 * goes on: so this is noted here. */
static bool json_starved;

static void *json_allocate(size_t size) {
  void *memory = sgrt_io.allocate(size);
  json_starved |= !memory;
  return memory;
}

static void json_release(void *memory) {
  sgrt_io.release(memory);
}

/* Duplicate keys, text behind the end, NUL and bad UTF-8 are errors; leading
 * spaces are not. */
static int read_json(Safetensors *file) {
  json_error_t error;
  json_set_alloc_funcs(json_allocate, json_release);
  json_starved = false;
  file->json =
      json_loadb(file->text, file->length, JSON_REJECT_DUPLICATES, &error);
  if (json_starved)
    return out_of_memory();
  if (!file->json) {
    complain("%s: not a usable checkpoint: its header is no JSON: %s",
             file->path, error.text);
    return EXIT_DATA;
  }
  return json_is_object((json_t *)file->json)
             ? EXIT_FINE
             : refused(file, NULL, "its header is no JSON object");
}

static int unreadable(const Safetensors *file) {
  complain("cannot read %s: %s", file->path, strerror(errno));
  return EXIT_DATA;
}

/* Length and text of the header. */
static int read_text(Safetensors *out, int file, uint64_t size) {
  unsigned char prefix[8];
  if (size < sizeof prefix)
    return refused(out, NULL, "it is shorter than its length field");
  ssize_t n = io_read_at(file, prefix, sizeof prefix, 0);
  if (n < 0)
    return unreadable(out);
  uint64_t length = 0;
  for (int i = 7; i >= 0; i--)
    length = length << 8 | prefix[i];
  if (n < 8 || length > HEADER_LIMIT)
    return refused(out, NULL, "the length of its header cannot be true");
  if (length > size - 8)
    return refused(out, NULL, "it is truncated within its header");
  out->length = (size_t)length;
  out->text = memory_new(out->length + 1, 1);
  if (!out->text)
    return out_of_memory();
  n = io_read_at(file, out->text, out->length, 8);
  if (n >= 0 && (size_t)n == out->length)
    return EXIT_FINE;
  return n < 0 ? unreadable(out)
               : refused(out, NULL, "it is truncated within its header");
}

int safetensors_open(Safetensors *out, const char *path, int file) {
  struct stat about;
  *out = (Safetensors){.path = path};
  if (sgrt_io.status(file, &about) != 0)
    return unreadable(out);
  if (!S_ISREG(about.st_mode))
    return refused(out, NULL, "it is no regular file");
  int status = read_text(out, file, (uint64_t)about.st_size);
  if (status == EXIT_FINE)
    status = read_json(out);
  if (status == EXIT_FINE)
    status = read_tensors(out);
  if (status == EXIT_FINE)
    status = check_layout(out, (uint64_t)about.st_size);
  if (status != EXIT_FINE)
    safetensors_close(out);
  return status;
}

void safetensors_close(Safetensors *file) {
  json_decref(file->json);
  sgrt_io.release(file->tensor);
  sgrt_io.release(file->text);
  *file = (Safetensors){.path = file->path};
}

FileTensor *safetensors_find(const Safetensors *file, const char *name) {
  for (size_t i = 0; i < file->count; i++)
    if (strcmp(file->tensor[i].name, name) == 0)
      return &file->tensor[i];
  return NULL;
}

const char *safetensors_metadata(const Safetensors *file, const char *key) {
  json_t *table = json_object_get(file->json, "__metadata__");
  return json_string_value(json_object_get(table, key));
}
