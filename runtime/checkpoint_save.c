/* Checkpoints, written: safetensors that appear whole or not at all (file.c).
 *
 * `x` holds the data of parameter or state x in its format, `x.exp` its
 * exponent (i32[]). The metadata has the program's name and hash, the entry,
 * step and seed (all that data order and random numbers depend on), and a
 * CRC-32 over the header and the data. Wide elements come first, so that each
 * tensor is aligned.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the order of the data ----------------------------------------------- */

/* One tensor of the file: the data or the exponent of a parameter. */
typedef struct {
  const SgParam *param;
  bool is_exponent;
  int32_t exponent;
  const char *data;
  size_t bytes;
} Slot;

/* The data of parameter number `i`. */
static Slot data_slot(const Session *session, int64_t i) {
  const SgParam *param = &session->program->param[i];
  return (Slot){
      .param = param, .data = session->param[i], .bytes = (size_t)param->bytes};
}

/* Its data stand in the slot itself. */
static Slot exponent_slot(const SgParam *param) {
  return (Slot){.param = param,
                .is_exponent = true,
                .exponent = (int32_t)param->exponent,
                .bytes = sizeof(int32_t)};
}

static const char *slot_data(const Slot *slot) {
  return slot->is_exponent ? (const char *)&slot->exponent : slot->data;
}

/* Exponents that never change have no memory of their own; the others are
 * states, which are saved as such. */
static bool is_fixed(const SgParam *param) {
  return !param->measured && param->exponent_state == 0;
}

/* *count slots, wide elements first; NULL without memory. */
static Slot *slots_new(const Session *session, size_t *count) {
  const SgProgram *program = session->program;
  *count = 0;
  for (int64_t i = 0; i < program->param_count; i++)
    *count += is_fixed(&program->param[i]) ? 2 : 1;
  Slot *slot = memory_new(*count, sizeof *slot), *next = slot;
  for (size_t width = 8; slot && width > 0; width /= 2) {
    for (int64_t i = 0; i < program->param_count; i++)
      if (format_bytes((Format)program->param[i].format) == width)
        *next++ = data_slot(session, i);
    for (int64_t i = 0; i < program->param_count && width == 4; i++)
      if (is_fixed(&program->param[i]))
        *next++ = exponent_slot(&program->param[i]);
  }
  return slot;
}

/* ---- the header ---------------------------------------------------------- */

/* Leaves *digits at the place of the checksum. */
static void add_metadata(Text *text, const Session *session, const char *entry,
                         size_t *digits) {
  text_print(text, "{\"__metadata__\":{\"format\":\"scalegraph\","
                   "\"version\":\"1\",\"program\":\"");
  text_escaped(text, session->program->name);
  text_print(text, "\",\"entry\":\"");
  text_escaped(text, entry);
  text_print(text, "\",\"program_hash\":\"%016" PRIx64 "\"",
             session->program->hash);
  text_print(text, ",\"step\":\"%" PRIu64 "\",\"seed\":\"%" PRIu64 "\",",
             session->step, session->seed);
  text_print(text, CHECKSUM_KEY);
  *digits = text->length;
  text_print(text, "00000000\"}");
}

/* One member of the header; `begin` counts from the end of the header. */
static void add_tensor(Text *text, const Slot *slot, uint64_t begin) {
  const SgParam *param = slot->param;
  int64_t rank = slot->is_exponent ? 0 : param->rank;
  text_add(text, ",\"", 2);
  text_escaped(text, param->name);
  text_print(text, "%s\":{\"dtype\":\"%s\",\"shape\":[",
             slot->is_exponent ? ".exp" : "",
             safetensors_dtype(slot->is_exponent ? FORMAT_I32 : param->format));
  for (int64_t i = 0; i < rank; i++)
    text_print(text, "%s%" PRId64, i ? "," : "", param->dim[i]);
  text_print(text, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin,
             begin + slot->bytes);
}

/* The header, padded with spaces to a multiple of 8, its checksum set. */
static Text header_text(const Session *session, const char *entry,
                        const Slot *slot, size_t count) {
  Text text = {0};
  size_t digits;
  uint64_t offset = 0;
  add_metadata(&text, session, entry, &digits);
  for (size_t i = 0; i < count; i++) {
    add_tensor(&text, &slot[i], offset);
    offset += slot[i].bytes;
  }
  text_add(&text, "}", 1);
  text_add(&text, "       ", (8 - text.length % 8) % 8);
  if (text.failed)
    return text;
  uint32_t checksum = checksum_header(text.data, text.length, digits);
  for (size_t i = 0; i < count; i++)
    checksum = checksum_add(checksum, slot_data(&slot[i]), slot[i].bytes);
  char hex[CHECKSUM_DIGITS + 1];
  snprintf(hex, sizeof hex, "%08" PRIx32, checksum);
  memcpy(text.data + digits, hex, CHECKSUM_DIGITS);
  return text;
}

/* ---- the file ------------------------------------------------------------ */

/* Length, header, data. False: errno. */
static bool write_contents(int file, const Text *header, const Slot *slot,
                           size_t count) {
  unsigned char prefix[8];
  for (int i = 0; i < 8; i++)
    prefix[i] = (unsigned char)((uint64_t)header->length >> (8 * i));
  bool good = io_write_all(file, prefix, sizeof prefix) &&
              io_write_all(file, header->data, header->length);
  for (size_t i = 0; good && i < count; i++)
    good = io_write_all(file, slot_data(&slot[i]), slot[i].bytes);
  return good;
}

/* Nothing was renamed. */
static int save_failed(const char *path) {
  complain("cannot save %s: %s; an earlier file of that name is unchanged",
           path, strerror(errno));
  return EXIT_FAILED;
}

/* The order of file.c: data are safe before the name is, the name before the
 * run goes on. */
static int save_to(const char *path, const Text *header, const Slot *slot,
                   size_t count) {
  NewFile file;
  if (!new_file_open(&file, path))
    return save_failed(path);
  if (!write_contents(file.file, header, slot, count)) {
    new_file_drop(&file);
    return save_failed(path);
  }
  if (!new_file_finish(&file))
    return save_failed(path);
  if (folder_sync(path))
    return EXIT_FINE;
  complain("saved %s, but its folder cannot be synced (%s): a power cut may "
           "bring back the earlier file",
           path, strerror(errno));
  return EXIT_FAILED;
}

int checkpoint_save(const Session *session, const char *path,
                    const char *entry) {
  size_t count;
  Slot *slot = slots_new(session, &count);
  Text header = {.failed = true};
  if (slot)
    header = header_text(session, entry, slot, count);
  errno = ENOMEM;
  int status =
      header.failed ? save_failed(path) : save_to(path, &header, slot, count);
  sgrt_io.release(header.data);
  sgrt_io.release(slot);
  return status;
}
