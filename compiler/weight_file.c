/* --check-weights: what a safetensors file holds, read from its header alone.
 *
 * In: a file, untrusted. Out: name, element type and sizes of each tensor, for
 * the front end to hold against the maps of the program, and that the file is
 * as long as its header says. How the data lie in it is the runtime's to check
 * when it loads them.
 */
#include "compiler/context.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* As the format's reference reader has it. */
static const uint64_t HEADER_LIMIT = 100000000;

static sg_status file_failed(sg_context *sg, const char *path,
                             const char *why) {
  context_message(sg, SG_ERROR, "--check-weights: %s: %s", path, why);
  return SG_FILE;
}

/* The header's text; NULL with a reason. */
static char *read_header(FILE *file, size_t *length, const char **why) {
  unsigned char prefix[8];
  uint64_t size = 0;
  *why = "it is no safetensors file: it is shorter than its header";
  if (fread(prefix, 1, sizeof prefix, file) != sizeof prefix)
    return NULL;
  for (int i = 7; i >= 0; i--)
    size = size << 8 | prefix[i];
  if (size > HEADER_LIMIT) {
    *why = "it is no safetensors file: its header would be too long";
    return NULL;
  }
  char *text = malloc((size_t)size + 1);
  if (!text) {
    *why = strerror(ENOMEM);
    return NULL;
  }
  *length = (size_t)size;
  if (fread(text, 1, *length, file) == *length)
    return text;
  free(text);
  return NULL;
}

/* {"dtype": "F32", "shape": [2, 3], ...}; false if it is anything else. */
static bool read_tensor(sg_context *sg, const char *name, json_t *entry,
                        HeaderTensor *out) {
  const char *dtype = json_string_value(json_object_get(entry, "dtype"));
  json_t *shape = json_object_get(entry, "shape");
  if (!dtype || !json_is_array(shape) ||
      json_array_size(shape) > (size_t)MAX_RANK)
    return false;
  *out = (HeaderTensor){.name = intern(sg->interner, name),
                        .dtype = intern(sg->interner, dtype),
                        .rank = (int)json_array_size(shape)};
  for (int i = 0; i < out->rank; i++) {
    json_t *size = json_array_get(shape, (size_t)i);
    if (!json_is_integer(size) || json_integer_value(size) < 0)
      return false;
    out->dim[i] = json_integer_value(size);
  }
  return true;
}

static sg_status read_tensors(sg_context *sg, const char *path, json_t *root) {
  WeightFile *file = NEW(sg->arena, WeightFile);
  const char *name;
  json_t *entry;
  file->path = path;
  file->tensor = NEW_ARRAY(sg->arena, HeaderTensor, json_object_size(root) + 1);
  json_object_foreach(root, name, entry) {
    if (strcmp(name, "__metadata__") == 0)
      continue;
    if (!read_tensor(sg, name, entry, &file->tensor[file->count++])) {
      context_message(sg, SG_ERROR,
                      "--check-weights: %s: tensor \"%s\" has no element type "
                      "and sizes that can be read",
                      path, name);
      return SG_FILE;
    }
  }
  sg->weight_file = file;
  return SG_OK;
}

/* Bytes of data that the header promises. */
static uint64_t promised_bytes(json_t *root) {
  uint64_t most = 0;
  const char *name;
  json_t *entry;
  json_object_foreach(root, name, entry) {
    json_t *end = json_array_get(json_object_get(entry, "data_offsets"), 1);
    uint64_t bytes = json_is_integer(end) && json_integer_value(end) > 0
                         ? (uint64_t)json_integer_value(end)
                         : 0;
    most = bytes > most ? bytes : most;
  }
  return most;
}

/* `size`: bytes of the file behind its header. */
static sg_status check_size(sg_context *sg, const char *path, json_t *root,
                            uint64_t size) {
  uint64_t promised = promised_bytes(root);
  if (promised <= size)
    return SG_OK;
  context_message(sg, SG_ERROR,
                  "--check-weights: %s: it is truncated: its header promises "
                  "%" PRIu64 " bytes of data, %" PRIu64 " follow",
                  path, promised, size);
  return SG_FILE;
}

/* Bytes from here to the end of the file; of a pipe, which has none, any. */
static uint64_t bytes_left(FILE *file) {
  off_t here = ftello(file);
  if (here < 0 || fseeko(file, 0, SEEK_END) != 0)
    return UINT64_MAX;
  off_t end = ftello(file);
  return end > here ? (uint64_t)(end - here) : 0;
}

/* fopen opens one, too. */
static bool is_folder(FILE *file) {
  struct stat status;
  return fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode);
}

sg_status weight_file_read(sg_context *sg, const char *path) {
  const char *why;
  size_t length;
  FILE *file = fopen(path, "rb");
  if (!file)
    return file_failed(sg, path, strerror(errno));
  if (is_folder(file)) {
    fclose(file);
    return file_failed(sg, path, strerror(EISDIR));
  }
  char *text = read_header(file, &length, &why);
  uint64_t size = text ? bytes_left(file) : 0;
  fclose(file);
  if (!text)
    return file_failed(sg, path, why);
  json_error_t error;
  json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  free(text);
  if (!json_is_object(root)) {
    json_decref(root);
    return file_failed(sg, path, "its header is no JSON object");
  }
  sg_status status = read_tensors(sg, path, root);
  if (status == SG_OK)
    status = check_size(sg, path, root, size);
  json_decref(root);
  return status;
}
