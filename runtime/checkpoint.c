/* Checkpoints: safetensors (8-byte length, JSON header, data), written so that
 * at any moment the old file or the new one is whole.
 *
 * `x` holds the data of parameter or state x in its format, `x.exp` its
 * exponent (i32[]). The metadata has the program hash, step, seed and a CRC-32
 * of the data section. Source of the format: the safetensors specification;
 * reading follows its reference reader's order of checks.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <zlib.h>

static const size_t HEADER_LIMIT = 100u << 20;
static const size_t FILE_LIMIT = (size_t)64 << 30;

/* safetensors' names of our formats. */
static const char *dtype_name(int64_t format) {
  switch (format) {
  case FORMAT_F64: return "F64";
  case FORMAT_F32: return "F32";
  case FORMAT_F16: return "F16";
  case FORMAT_BF16: return "BF16";
  case FORMAT_E4M3: return "F8_E4M3";
  case FORMAT_E5M2: return "F8_E5M2";
  case FORMAT_I64: return "I64";
  case FORMAT_I32: return "I32";
  case FORMAT_U16: return "U16";
  case FORMAT_U8: return "U8";
  case FORMAT_BOOL: return "BOOL";
  }
  return NULL;
}

static int64_t dtype_format(const char *name) {
  for (int64_t format = 0; format < FORMAT_COUNT; format++) {
    const char *known = dtype_name(format);
    if (known && strcmp(known, name) == 0)
      return format;
  }
  return -1;
}

static uint32_t crc_of(uint32_t crc, const void *data, size_t size) {
  const unsigned char *at = data;
  while (size > 0) {
    uInt part = size > 1u << 30 ? 1u << 30 : (uInt)size;
    crc = (uint32_t)crc32(crc, at, part);
    at += part;
    size -= part;
  }
  return crc;
}

/* ---- saving -------------------------------------------------------------------- */

static json_t *tensor_json(const char *dtype, int64_t rank, const int64_t *dim,
                           uint64_t begin, uint64_t end) {
  json_t *shape = json_array();
  for (int64_t i = 0; i < rank; i++)
    json_array_append_new(shape, json_integer(dim[i]));
  return json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype, "shape", shape,
                   "data_offsets", (json_int_t)begin, (json_int_t)end);
}

static json_t *metadata_json(const Session *session, const char *entry,
                             uint32_t crc) {
  const SgProgram *program = session->program;
  char hash[24], step[24], seed[24], checksum[16];
  snprintf(hash, sizeof hash, "%016" PRIx64, program->hash);
  snprintf(step, sizeof step, "%" PRIu64, session->step);
  snprintf(seed, sizeof seed, "%" PRIu64, session->seed);
  snprintf(checksum, sizeof checksum, "%08" PRIx32, crc);
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "format",
                   "scalegraph", "version", "1", "program", program->name,
                   "entry", entry ? entry : "", "program_hash", hash, "step",
                   step, "seed", seed, "crc32", checksum);
}

/* The header, padded with spaces to a multiple of 8; malloc'ed. */
static char *header_text(const Session *session, const char *entry,
                         size_t *length) {
  const SgProgram *program = session->program;
  json_t *root = json_object();
  uint64_t offset = 0;
  uint32_t crc = crc_of(0, NULL, 0);
  for (int64_t i = 0; i < program->param_count; i++) {
    const SgParam *param = &program->param[i];
    uint64_t end = offset + (uint64_t)param->bytes;
    json_object_set_new(root, param->name,
                        tensor_json(dtype_name(param->format), param->rank,
                                    param->dim, offset, end));
    crc = crc_of(crc, session->param[i], (size_t)param->bytes);
    offset = end;
  }
  for (int64_t i = 0; i < program->param_count; i++) {
    char name[600];
    int32_t exponent = (int32_t)program->param[i].exponent;
    snprintf(name, sizeof name, "%s.exp", program->param[i].name);
    json_object_set_new(root, name,
                        tensor_json("I32", 0, NULL, offset, offset + 4));
    crc = crc_of(crc, &exponent, 4);
    offset += 4;
  }
  json_object_set_new(root, "__metadata__",
                      metadata_json(session, entry, crc));
  char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
  json_decref(root);
  *length = text ? (strlen(text) + 7) & ~(size_t)7 : 0;
  char *padded = text ? realloc(text, *length + 1) : NULL;
  if (!padded) {
    free(text);
    return NULL;
  }
  for (size_t i = strlen(padded); i < *length; i++)
    padded[i] = ' ';
  return padded;
}

static bool write_contents(const Session *session, int file,
                           const char *header, size_t length) {
  const SgProgram *program = session->program;
  unsigned char prefix[8];
  for (int i = 0; i < 8; i++)
    prefix[i] = (unsigned char)((uint64_t)length >> (8 * i));
  bool good = io_write_all(file, prefix, 8) &&
              io_write_all(file, header, length);
  for (int64_t i = 0; good && i < program->param_count; i++)
    good = io_write_all(file, session->param[i],
                        (size_t)program->param[i].bytes);
  for (int64_t i = 0; good && i < program->param_count; i++) {
    int32_t exponent = (int32_t)program->param[i].exponent;
    good = io_write_all(file, &exponent, 4);
  }
  return good && sgrt_io.sync(file) == 0;
}

/* A rename is durable when the folder that holds the name is. */
static bool sync_folder(const char *path) {
  char *copy = strdup(path);
  int folder = copy ? sgrt_io.open(dirname(copy), O_RDONLY | O_DIRECTORY |
                                                      O_CLOEXEC, 0)
                    : -1;
  bool good = folder >= 0 && sgrt_io.sync(folder) == 0;
  if (folder >= 0)
    sgrt_io.close(folder);
  free(copy);
  return good;
}

/* Two runs that save to one path would tear each other's temporary file. */
static int open_temporary(const char *path) {
  int file =
      sgrt_io.open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0)
    return -1;
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    sgrt_io.close(file);
    errno = EBUSY;
    return -1;
  }
  if (ftruncate(file, 0) != 0) {
    sgrt_io.close(file);
    return -1;
  }
  return file;
}

static bool save_to(const Session *session, const char *path,
                    const char *temporary, const char *header, size_t length) {
  int file = open_temporary(temporary);
  if (file < 0)
    return false;
  bool good = write_contents(session, file, header, length);
  int error = errno;
  if (good && sgrt_io.rename(temporary, path) != 0) {
    error = errno;
    good = false;
  }
  if (!good)
    sgrt_io.unlink(temporary);
  if (sgrt_io.close(file) != 0 && good) {
    error = errno;
    good = false;
  }
  errno = error;
  return good && sync_folder(path);
}

int checkpoint_save(const Session *session, const char *path,
                    const char *entry) {
  char temporary[4096];
  size_t length;
  int n = snprintf(temporary, sizeof temporary, "%s.tmp", path);
  char *header = header_text(session, entry, &length);
  bool good = header && n > 0 && (size_t)n < sizeof temporary;
  if (header && !good)
    errno = ENAMETOOLONG;
  good = good && save_to(session, path, temporary, header, length);
  if (!good)
    complain("cannot save %s: %s; an earlier file of that name is unchanged",
             path,
             errno == EBUSY ? "another run is saving to it" : strerror(errno));
  free(header);
  return good ? EXIT_FINE : EXIT_FAILED;
}

/* ---- loading ---------------------------------------------------------------------- */

typedef struct {
  const char *path;
  unsigned char *file;
  const unsigned char *data;
  size_t data_size;
  json_t *header;
} Checkpoint;

static int damaged(const Checkpoint *checkpoint, const char *why) {
  complain("%s: not a usable checkpoint: %s", checkpoint->path, why);
  return EXIT_DATA;
}

static const char *metadata(const Checkpoint *checkpoint, const char *key) {
  json_t *table = json_object_get(checkpoint->header, "__metadata__");
  return json_string_value(json_object_get(table, key));
}

static int read_checkpoint(Checkpoint *checkpoint) {
  size_t size;
  checkpoint->file = io_read_file(checkpoint->path, FILE_LIMIT, &size);
  if (!checkpoint->file) {
    complain("cannot read %s: %s", checkpoint->path, strerror(errno));
    return EXIT_DATA;
  }
  if (size < 8)
    return damaged(checkpoint, "it is shorter than its length field");
  uint64_t length = 0;
  for (int i = 7; i >= 0; i--)
    length = length << 8 | checkpoint->file[i];
  if (length > HEADER_LIMIT || length > size - 8)
    return damaged(checkpoint, "it is truncated, or the header length is wrong");
  json_error_t error;
  checkpoint->header = json_loadb((char *)checkpoint->file + 8, length,
                                  JSON_REJECT_DUPLICATES, &error);
  if (!json_is_object(checkpoint->header))
    return damaged(checkpoint, "the header is no JSON object");
  checkpoint->data = checkpoint->file + 8 + length;
  checkpoint->data_size = size - 8 - length;
  const char *format = metadata(checkpoint, "format");
  const char *version = metadata(checkpoint, "version");
  if (format && strcmp(format, "scalegraph") == 0 &&
      (!version || strcmp(version, "1") != 0))
    return damaged(checkpoint, "its version is unknown to this program");
  return EXIT_FINE;
}

/* Byte range, format and shape of one tensor, all checked against the file. */
typedef struct {
  const unsigned char *data;
  size_t bytes;
  int64_t format, rank, dim[16];
} Entry;

static bool tensor_range(const Checkpoint *checkpoint, json_t *tensor,
                         Entry *out) {
  json_t *offsets = json_object_get(tensor, "data_offsets");
  json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
  if (json_array_size(offsets) != 2 || !json_is_integer(first) ||
      !json_is_integer(last))
    return false;
  json_int_t begin = json_integer_value(first), end = json_integer_value(last);
  if (begin < 0 || end < begin || (uint64_t)end > checkpoint->data_size)
    return false;
  out->data = checkpoint->data + begin;
  out->bytes = (size_t)(end - begin);
  return true;
}

static bool find_tensor(const Checkpoint *checkpoint, const char *name,
                        Entry *out) {
  json_t *tensor = json_object_get(checkpoint->header, name);
  json_t *shape = json_object_get(tensor, "shape");
  const char *dtype = json_string_value(json_object_get(tensor, "dtype"));
  if (!json_is_array(shape) || json_array_size(shape) > 16 || !dtype ||
      !tensor_range(checkpoint, tensor, out))
    return false;
  out->format = dtype_format(dtype);
  out->rank = (int64_t)json_array_size(shape);
  size_t bytes = out->format < 0 ? 0 : format_bytes((Format)out->format);
  for (int64_t i = 0; i < out->rank; i++) {
    json_t *dim = json_array_get(shape, (size_t)i);
    out->dim[i] = json_is_integer(dim) ? json_integer_value(dim) : -1;
    if (out->dim[i] < 0 ||
        __builtin_mul_overflow(bytes, (size_t)out->dim[i], &bytes))
      return false;
  }
  return out->format >= 0 && bytes == out->bytes;
}

/* Every byte of the data section belongs to one tensor, and the checksum of
 * our own files holds. */
static int check_data(const Checkpoint *checkpoint) {
  const char *key;
  json_t *tensor;
  size_t total = 0;
  json_object_foreach(checkpoint->header, key, tensor) {
    Entry entry;
    if (strcmp(key, "__metadata__") == 0)
      continue;
    if (!find_tensor(checkpoint, key, &entry)) {
      complain("%s: not a usable checkpoint: tensor %s is malformed",
               checkpoint->path, key);
      return EXIT_DATA;
    }
    total += entry.bytes;
  }
  if (total != checkpoint->data_size)
    return damaged(checkpoint, "it is truncated, or has bytes of no tensor");
  const char *crc = metadata(checkpoint, "crc32");
  if (crc && strtoul(crc, NULL, 16) !=
                 crc_of(crc_of(0, NULL, 0), checkpoint->data,
                        checkpoint->data_size))
    return damaged(checkpoint, "its data was changed (the checksum differs)");
  return EXIT_FINE;
}

static bool same_shape(const SgParam *param, const Entry *entry) {
  bool same = param->rank == entry->rank;
  for (int64_t i = 0; same && i < param->rank; i++)
    same = param->dim[i] == entry->dim[i];
  return same;
}

static int wrong_program(const Checkpoint *checkpoint, const SgParam *param,
                         const Entry *entry) {
  char wanted[128], found[128];
  type_text(wanted, sizeof wanted, param->format, param->rank, param->dim);
  if (!entry)
    complain("%s: a checkpoint of another program: it has no %s (%s)",
             checkpoint->path, param->name, wanted);
  else
    complain("%s: a checkpoint of another program: %s is %s there and %s here",
             checkpoint->path, param->name,
             type_text(found, sizeof found, entry->format, entry->rank,
                       entry->dim),
             wanted);
  return EXIT_DATA;
}

static int32_t stored_exponent(const Checkpoint *checkpoint,
                               const SgParam *param) {
  char name[600];
  Entry entry;
  int32_t exponent = 0;
  snprintf(name, sizeof name, "%s.exp", param->name);
  if (find_tensor(checkpoint, name, &entry) && entry.format == FORMAT_I32 &&
      entry.rank == 0)
    memcpy(&exponent, entry.data, 4);
  return exponent;
}

/* Re-expresses each element in our format and exponent; returns how many lost
 * something. */
static int64_t convert_elements(const SgParam *param, const Entry *entry,
                                int32_t from, char *out) {
  int64_t count = elements(param->rank, param->dim), lossy = 0;
  size_t in_bytes = format_bytes((Format)entry->format);
  size_t out_bytes = format_bytes((Format)param->format);
  int shift = from - (int)param->exponent;
  for (int64_t i = 0; i < count; i++) {
    float value, back;
    codec_decode_array((Format)entry->format,
                       entry->data + (size_t)i * in_bytes, &value, 1);
    float moved = (float)ldexp((double)value, shift);
    codec_encode_array((Format)param->format, &moved,
                       out + (size_t)i * out_bytes, 1, OVERFLOW_SATURATE);
    codec_decode_array((Format)param->format, out + (size_t)i * out_bytes,
                       &back, 1);
    bool same = (double)back == ldexp((double)value, shift) ||
                (isnan(value) && isnan(back));
    lossy += !same;
  }
  return lossy;
}

static int load_param(Session *session, const Checkpoint *checkpoint, int64_t i,
                      bool convert) {
  const SgParam *param = &session->program->param[i];
  Entry entry;
  if (!find_tensor(checkpoint, param->name, &entry))
    return wrong_program(checkpoint, param, NULL);
  if (!same_shape(param, &entry))
    return wrong_program(checkpoint, param, &entry);
  int32_t exponent = stored_exponent(checkpoint, param);
  if (entry.format == param->format && exponent == param->exponent) {
    memcpy(session->param[i], entry.data, (size_t)param->bytes);
    return EXIT_FINE;
  }
  if (!format_is_float((Format)entry.format) ||
      !format_is_float((Format)param->format))
    return wrong_program(checkpoint, param, &entry);
  int64_t lossy = convert_elements(param, &entry, exponent, session->param[i]);
  if (lossy == 0)
    return EXIT_FINE;
  complain("%s: %s: %lld of %lld elements %s %s * 2^%d", checkpoint->path,
           param->name, (long long)lossy,
           (long long)elements(param->rank, param->dim),
           convert ? "were rounded to" : "cannot be held exactly in",
           format_info((Format)param->format)->text, (int)param->exponent);
  if (!convert)
    complain("load it all the same with --convert");
  return convert ? EXIT_FINE : EXIT_DATA;
}

/* Tensors that no parameter takes: their weights would be lost silently. */
static int check_unused(const Session *session, const Checkpoint *checkpoint) {
  size_t known = 0, all = json_object_size(checkpoint->header);
  for (int64_t i = 0; i < session->program->param_count; i++) {
    char name[600];
    snprintf(name, sizeof name, "%s.exp", session->program->param[i].name);
    known += json_object_get(checkpoint->header, name) != NULL;
    known++;
  }
  known += json_object_get(checkpoint->header, "__metadata__") != NULL;
  if (all == known)
    return EXIT_FINE;
  complain("%s: a checkpoint of another program: it has %zu tensors that this "
           "one does not know",
           checkpoint->path, all - known);
  return EXIT_DATA;
}

static int take_position(Session *session, const Checkpoint *checkpoint) {
  const char *step = metadata(checkpoint, "step");
  const char *seed = metadata(checkpoint, "seed");
  if (!step || !seed)
    return damaged(checkpoint, "it does not say at which step it was saved");
  session->step = strtoull(step, NULL, 10);
  session->seed = strtoull(seed, NULL, 10);
  return EXIT_FINE;
}

static int load_all(Session *session, const Checkpoint *checkpoint,
                    bool convert, bool resume) {
  int status = check_data(checkpoint);
  const char *hash = metadata(checkpoint, "program_hash");
  for (int64_t i = 0;
       status == EXIT_FINE && i < session->program->param_count; i++)
    status = load_param(session, checkpoint, i, convert);
  if (status == EXIT_FINE)
    status = check_unused(session, checkpoint);
  if (status == EXIT_FINE && hash &&
      strtoull(hash, NULL, 16) != session->program->hash)
    status = damaged(checkpoint, "it is of another program (its hash differs)");
  if (status == EXIT_FINE && resume)
    status = take_position(session, checkpoint);
  return status;
}

int checkpoint_load(Session *session, const char *path, bool convert,
                    bool resume) {
  Checkpoint checkpoint = {.path = path};
  int status = read_checkpoint(&checkpoint);
  if (status == EXIT_FINE)
    status = load_all(session, &checkpoint, convert, resume);
  json_decref(checkpoint.header);
  sgrt_io.release(checkpoint.file);
  return status;
}
