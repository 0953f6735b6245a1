/* NumPy's .npy files.
 *
 * In: bytes of a header, or a file. Out: shape, format and elements, or one
 * line that says what is wrong and, where NumPy can help, the line of Python
 * that does. The header is a literal of a Python dictionary; a cursor reads
 * just that much of the language.
 */
#include "ir/npy.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error ".npy data are copied as they are: a little-endian machine is needed"
#endif

typedef struct {
  const char *at, *end;
  char *error;
  size_t error_size;
} Cursor;

__attribute__((format(printf, 3, 4))) static bool
fail(char *error, size_t error_size, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(error, error_size, format, args);
  va_end(args);
  return false;
}

/* ---- element types ------------------------------------------------------- */

static const struct {
  Format format;
  const char *text;
} element_types[] = {{FORMAT_F16, "f2"}, {FORMAT_F32, "f4"}, {FORMAT_F64, "f8"},
                     {FORMAT_I32, "i4"}, {FORMAT_I64, "i8"}, {FORMAT_U8, "u1"},
                     {FORMAT_U16, "u2"}, {FORMAT_BOOL, "b1"}};
enum { ELEMENT_TYPES = sizeof element_types / sizeof *element_types };

enum { QUOTE_LENGTH = 40 };

/* A text of the file for a message: what is not printable becomes `?`. */
static const char *quoted(const char *text, size_t length,
                          char out[QUOTE_LENGTH + 1]) {
  size_t n = length < QUOTE_LENGTH ? length : QUOTE_LENGTH;
  for (size_t i = 0; i < n; i++)
    out[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
  out[n] = '\0';
  return out;
}

static bool descr_format(Cursor *cursor, const char *text, size_t length,
                         Format *out) {
  char quote[QUOTE_LENGTH + 1];
  for (int i = 0; i < ELEMENT_TYPES && length == 3; i++) {
    if (memcmp(text + 1, element_types[i].text, 2) != 0)
      continue;
    bool one_byte = format_bytes(element_types[i].format) == 1;
    *out = element_types[i].format;
    if (text[0] == '<' || text[0] == '=' || (one_byte && text[0] == '|'))
      return true;
    if (text[0] == '>')
      return fail(cursor->error, cursor->error_size,
                  "big-endian data; save it with np.save(path, "
                  "x.astype('<%s'))",
                  element_types[i].text);
  }
  return fail(cursor->error, cursor->error_size,
              "element type '%s' is not read: f2 f4 f8 i4 i8 u1 u2 b1 are; "
              "convert with x.astype(np.float32)",
              quoted(text, length, quote));
}

/* ---- the header's literal ------------------------------------------------ */

static bool cursor_fail(Cursor *cursor, const char *expected) {
  return fail(cursor->error, cursor->error_size,
              "damaged header: %s is expected", expected);
}

static void skip_spaces(Cursor *cursor) {
  while (cursor->at < cursor->end &&
         (*cursor->at == ' ' || *cursor->at == '\n' || *cursor->at == '\t'))
    cursor->at++;
}

static bool take(Cursor *cursor, char c) {
  skip_spaces(cursor);
  if (cursor->at == cursor->end || *cursor->at != c)
    return false;
  cursor->at++;
  return true;
}

/* A quoted text without escapes. */
static bool take_text(Cursor *cursor, const char **text, size_t *length) {
  skip_spaces(cursor);
  if (cursor->at == cursor->end || (*cursor->at != '\'' && *cursor->at != '"'))
    return false;
  char quote = *cursor->at++;
  *text = cursor->at;
  while (cursor->at < cursor->end && *cursor->at != quote)
    cursor->at++;
  if (cursor->at == cursor->end)
    return false;
  *length = (size_t)(cursor->at++ - *text);
  return true;
}

static bool take_word(Cursor *cursor, const char *word) {
  skip_spaces(cursor);
  size_t length = strlen(word);
  if ((size_t)(cursor->end - cursor->at) < length ||
      memcmp(cursor->at, word, length) != 0)
    return false;
  cursor->at += length;
  return true;
}

static bool take_size(Cursor *cursor, int64_t *out) {
  skip_spaces(cursor);
  const char *start = cursor->at;
  int64_t value = 0;
  for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
       cursor->at++)
    if (__builtin_mul_overflow(value, 10, &value) ||
        __builtin_add_overflow(value, *cursor->at - '0', &value))
      return fail(cursor->error, cursor->error_size,
                  "an axis is too long to be true");
  if (cursor->at == start)
    return cursor_fail(cursor, "a size");
  take(cursor, 'L'); /* as Python 2 wrote it */
  *out = value;
  return true;
}

static bool read_shape(Cursor *cursor, NpyArray *out) {
  if (!take(cursor, '('))
    return cursor_fail(cursor, "a shape");
  while (!take(cursor, ')')) {
    if (out->rank == NPY_MAX_RANK)
      return fail(cursor->error, cursor->error_size,
                  "more than %d axes are not read", NPY_MAX_RANK);
    if (!take_size(cursor, &out->dim[out->rank]))
      return false;
    out->rank++;
    if (take(cursor, ','))
      continue;
    /* (3) is a number in Python, but its meaning is plain. */
    if (!take(cursor, ')'))
      return cursor_fail(cursor, "`,` or `)`");
    return true;
  }
  return true;
}

static bool read_order(Cursor *cursor) {
  if (take_word(cursor, "False"))
    return true;
  if (!take_word(cursor, "True"))
    return cursor_fail(cursor, "True or False");
  return fail(cursor->error, cursor->error_size,
              "the array is in Fortran order; save it with np.save(path, "
              "np.ascontiguousarray(x))");
}

enum { KEY_DESCR = 1, KEY_ORDER = 2, KEY_SHAPE = 4, KEYS_ALL = 7 };

static unsigned key_named(const char *text, size_t length) {
  static const char *const name[] = {"descr", "fortran_order", "shape"};
  for (unsigned i = 0; i < 3; i++)
    if (strlen(name[i]) == length && memcmp(name[i], text, length) == 0)
      return 1u << i;
  return 0;
}

static bool read_descr(Cursor *cursor, NpyArray *out) {
  const char *text;
  size_t length;
  if (take(cursor, '['))
    return fail(cursor->error, cursor->error_size,
                "records are not read; save one field, as np.save(path, "
                "x['field'])");
  if (!take_text(cursor, &text, &length))
    return cursor_fail(cursor, "an element type");
  return descr_format(cursor, text, length, &out->format);
}

static bool read_entry(Cursor *cursor, unsigned *seen, NpyArray *out) {
  const char *text;
  size_t length;
  if (!take_text(cursor, &text, &length))
    return cursor_fail(cursor, "a key");
  unsigned key = key_named(text, length);
  if (key == 0 || *seen & key)
    return cursor_fail(cursor, "each of descr, fortran_order, shape once");
  *seen |= key;
  if (!take(cursor, ':'))
    return cursor_fail(cursor, "`:`");
  return key == KEY_DESCR   ? read_descr(cursor, out)
         : key == KEY_ORDER ? read_order(cursor)
                            : read_shape(cursor, out);
}

static bool read_dictionary(Cursor *cursor, NpyArray *out) {
  unsigned seen = 0;
  if (!take(cursor, '{'))
    return cursor_fail(cursor, "`{`");
  while (!take(cursor, '}')) {
    if (!read_entry(cursor, &seen, out))
      return false;
    if (take(cursor, ','))
      continue;
    if (!take(cursor, '}'))
      return cursor_fail(cursor, "`,` or `}`");
    break;
  }
  if (seen != KEYS_ALL)
    return cursor_fail(cursor, "each of descr, fortran_order, shape once");
  skip_spaces(cursor);
  return cursor->at == cursor->end || cursor_fail(cursor, "the end");
}

/* ---- headers in memory --------------------------------------------------- */

size_t npy_header_size(const void *bytes, size_t length, char *error,
                       size_t error_size) {
  const unsigned char *b = bytes;
  if (length < NPY_MAGIC || memcmp(b, "\x93NUMPY", 6) != 0) {
    fail(error, error_size, "this is not a .npy file");
    return 0;
  }
  if (b[6] < 1 || b[6] > 3 || b[7] != 0) {
    fail(error, error_size, "version %d.%d of .npy is not read", b[6], b[7]);
    return 0;
  }
  size_t text = b[8] | (size_t)b[9] << 8;
  if (b[6] > 1)
    text |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
  size_t before = b[6] == 1 ? 10 : 12;
  if (text > NPY_MAX_HEADER - before) {
    fail(error, error_size, "a header of %zu bytes is too long to be true",
         text);
    return 0;
  }
  return before + text;
}

static bool count_bytes(NpyArray *array) {
  size_t bytes = format_bytes(array->format);
  array->elements = 1;
  array->bytes = bytes;
  for (int i = 0; i < array->rank; i++)
    if (__builtin_mul_overflow(array->elements, (size_t)array->dim[i],
                               &array->elements))
      return false;
  return !__builtin_mul_overflow(array->elements, bytes, &array->bytes);
}

bool npy_header_read(const void *header, size_t size, uint64_t file_size,
                     NpyArray *out, char *error, size_t error_size) {
  *out = (NpyArray){0};
  const char *text = header;
  size_t before = size > 6 && text[6] == 1 ? 10 : 12;
  if (size < before || size > file_size)
    return fail(error, error_size, "the file ends in its header");
  Cursor cursor = {text + before, text + size, error, error_size};
  if (!read_dictionary(&cursor, out))
    return false;
  uint64_t present = file_size - size;
  if (!count_bytes(out))
    return fail(error, error_size, "the shape is too large to be true");
  if (out->bytes == present)
    return true;
  return fail(error, error_size,
              "the header declares %zu bytes of data, the file has %" PRIu64,
              out->bytes, present);
}

static const char *format_descr(Format format) {
  for (int i = 0; i < ELEMENT_TYPES; i++)
    if (element_types[i].format == format)
      return element_types[i].text;
  return NULL;
}

size_t npy_header_write(Format format, int rank, const int64_t *dim,
                        char *out) {
  const char *descr = format_descr(format);
  if (descr == NULL || rank < 0 || rank > NPY_MAX_RANK)
    return 0;
  char *at = out + 10;
  at += sprintf(at, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                format_bytes(format) == 1 ? '|' : '<', descr);
  for (int i = 0; i < rank; i++)
    at += sprintf(at, "%s%" PRId64, i > 0 ? ", " : "", dim[i]);
  at += sprintf(at, "%s), }", rank == 1 ? "," : "");
  /* The data begins at a multiple of 64. */
  size_t size = ((size_t)(at - out) + 1 + 63) / 64 * 64;
  memset(at, ' ', (size_t)(out + size - at));
  out[size - 1] = '\n';
  memcpy(out, "\x93NUMPY\x01\x00", 8);
  out[8] = (char)((size - 10) & 0xff);
  out[9] = (char)((size - 10) >> 8);
  return size;
}

/* ---- numbers ------------------------------------------------------------ */

static double number_of(Format format, const unsigned char *code) {
  int64_t i64;
  double f64;
  int32_t i32;
  float f32;
  switch (format) {
  case FORMAT_F64:
    memcpy(&f64, code, sizeof f64);
    return f64;
  case FORMAT_I64:
    memcpy(&i64, code, sizeof i64);
    return (double)i64;
  case FORMAT_I32:
    memcpy(&i32, code, sizeof i32);
    return (double)i32;
  default:
    codec_decode_array(format, code, &f32, 1);
    return (double)f32;
  }
}

void npy_to_double(const NpyArray *array, double *out) {
  const unsigned char *code = array->data;
  size_t bytes = format_bytes(array->format);
  for (size_t i = 0; i < array->elements; i++, code += bytes)
    out[i] = number_of(array->format, code);
}

static int64_t integer_of(double x, double low, double bound) {
  if (isnan(x))
    return 0;
  if (x >= bound)
    return bound >= 0x1p63 ? INT64_MAX : (int64_t)bound - 1;
  return x <= low ? (int64_t)low : (int64_t)x;
}

static void put_number(Format format, double x, unsigned char *code) {
  switch (format) {
  case FORMAT_F64:
    memcpy(code, &x, sizeof x);
    return;
  case FORMAT_I64:
    memcpy(code, &(int64_t){integer_of(x, -0x1p63, 0x1p63)}, 8);
    return;
  case FORMAT_I32:
    memcpy(code, &(int32_t){(int32_t)integer_of(x, -0x1p31, 0x1p31)}, 4);
    return;
  case FORMAT_U16:
    memcpy(code, &(uint16_t){(uint16_t)integer_of(x, 0, 0x1p16)}, 2);
    return;
  case FORMAT_U8:
    *code = (uint8_t)integer_of(x, 0, 0x1p8);
    return;
  case FORMAT_BOOL:
    *code = x != 0 && !isnan(x);
    return;
  default:
    codec_encode_array(format, &(float){(float)x}, code, 1, OVERFLOW_INF);
  }
}

/* ---- files -------------------------------------------------------------- */

/* Header, checks, memory, data; the caller closes the file. */
static bool read_file(FILE *file, NpyArray *out, char *error,
                      size_t error_size) {
  struct stat status;
  if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode))
    return fail(error, error_size, "this is not a regular file");
  char header[NPY_MAX_HEADER];
  size_t length = fread(header, 1, NPY_MAGIC, file);
  size_t size = npy_header_size(header, length, error, error_size);
  if (size == 0)
    return false;
  if (size > length)
    length += fread(header + length, 1, size - length, file);
  if (length < size)
    return fail(error, error_size, "the file ends in its header");
  if (!npy_header_read(header, size, (uint64_t)status.st_size, out, error,
                       error_size))
    return false;
  out->data = malloc(out->bytes + 1);
  if (out->data == NULL)
    return fail(error, error_size, "no memory for %zu bytes", out->bytes);
  if (fseek(file, (long)size, SEEK_SET) == 0 &&
      fread(out->data, 1, out->bytes, file) == out->bytes)
    return true;
  npy_free(out);
  return fail(error, error_size, "the file cannot be read to its end");
}

bool npy_read(const char *path, NpyArray *out, char *error, size_t error_size) {
  *out = (NpyArray){0};
  FILE *file = fopen(path, "rb");
  if (file == NULL)
    return fail(error, error_size, "%s", strerror(errno));
  bool ok = read_file(file, out, error, error_size);
  fclose(file);
  return ok;
}

void npy_free(NpyArray *array) {
  free(array->data);
  array->data = NULL;
}

static bool write_numbers(FILE *file, Format format, const double *data,
                          size_t n) {
  unsigned char block[8192];
  size_t bytes = format_bytes(format), used = 0;
  for (size_t i = 0; i < n; i++) {
    put_number(format, data[i], block + used);
    used += bytes;
    if (used == sizeof block || i + 1 == n) {
      if (fwrite(block, 1, used, file) != used)
        return false;
      used = 0;
    }
  }
  return true;
}

bool npy_write_double(const char *path, Format format, int rank,
                      const int64_t *dim, const double *data, char *error,
                      size_t error_size) {
  char header[NPY_MAX_HEADER];
  size_t size = npy_header_write(format, rank, dim, header);
  if (size == 0)
    return fail(error, error_size, "%s has no .npy type",
                format_info(format)->text);
  size_t n = 1;
  for (int i = 0; i < rank; i++)
    n *= (size_t)dim[i];
  FILE *file = fopen(path, "wb");
  if (file == NULL)
    return fail(error, error_size, "%s", strerror(errno));
  bool ok = fwrite(header, 1, size, file) == size &&
            write_numbers(file, format, data, n);
  ok = fclose(file) == 0 && ok;
  return ok || fail(error, error_size, "cannot write: %s", strerror(errno));
}
