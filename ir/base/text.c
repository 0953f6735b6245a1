/* Interned strings, growable buffers, exact printing of numbers. */
#include "ir/base/base.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SHORT_TEXT = 256 };

/* ---- interning: open addressing ----------------------------------------- */

typedef struct {
  const char *text;
  uint32_t length, hash;
} Slot;

struct Interner {
  Arena *arena;
  Slot *slot;
  size_t count, capacity; /* capacity is a power of two */
};

Interner *interner_new(Arena *arena) {
  Interner *interner = NEW(arena, Interner);
  interner->arena = arena;
  interner->capacity = 1024;
  interner->slot = NEW_ARRAY(arena, Slot, interner->capacity);
  return interner;
}

static Slot *find_slot(Interner *interner, const char *text, size_t length,
                       uint32_t hash) {
  size_t mask = interner->capacity - 1;
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    Slot *slot = &interner->slot[i];
    if (!slot->text || (slot->hash == hash && slot->length == length &&
                        memcmp(slot->text, text, length) == 0))
      return slot;
  }
}

static void grow_interner(Interner *interner) {
  Slot *old = interner->slot;
  size_t count = interner->capacity;
  interner->capacity *= 2;
  interner->slot = NEW_ARRAY(interner->arena, Slot, interner->capacity);
  for (size_t i = 0; i < count; i++)
    if (old[i].text)
      *find_slot(interner, old[i].text, old[i].length, old[i].hash) = old[i];
}

/* Eight bytes at a time: xor, multiply by an odd constant (the golden ratio in
 * 64 bits), fold. */
static uint32_t hash_text(const char *text, size_t length) {
  uint64_t hash = length;
  while (length > 0) {
    uint64_t word = 0;
    size_t taken = length < sizeof word ? length : sizeof word;
    memcpy(&word, text, taken);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
    text += taken;
    length -= taken;
  }
  return (uint32_t)(hash >> 32 ^ hash);
}

const char *intern_n(Interner *interner, const char *text, size_t length) {
  uint32_t hash = hash_text(text, length);
  Slot *slot = find_slot(interner, text, length, hash);
  if (slot->text)
    return slot->text;
  if (interner->count * 2 >= interner->capacity) {
    grow_interner(interner);
    slot = find_slot(interner, text, length, hash);
  }
  interner->count++;
  *slot = (Slot){arena_string(interner->arena, text, length), (uint32_t)length,
                 hash};
  return slot->text;
}

const char *intern(Interner *interner, const char *text) {
  return intern_n(interner, text, strlen(text));
}

/* Most texts are short: those need no memory of their own. */
const char *intern_printf(Interner *interner, const char *format, ...) {
  char text[SHORT_TEXT];
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int length = vsnprintf(text, sizeof text, format, args);
  const char *interned = NULL;
  if (length >= 0 && length < SHORT_TEXT) {
    interned = intern_n(interner, text, (size_t)length);
  } else {
    Buffer buffer = {0};
    buffer_vprintf(&buffer, format, again);
    interned = intern_n(interner, buffer.data, buffer.length);
    buffer_free(&buffer);
  }
  va_end(again);
  va_end(args);
  return interned;
}

/* ---- buffers ------------------------------------------------------------- */

static void reserve(Buffer *buffer, size_t more) {
  vec_grow_((void **)&buffer->data, &buffer->capacity,
            buffer->length + more + 1, 1);
}

void buffer_add(Buffer *buffer, const char *text, size_t length) {
  reserve(buffer, length);
  if (length)
    memcpy(buffer->data + buffer->length, text, length);
  buffer->length += length;
  buffer->data[buffer->length] = '\0';
}

void buffer_text(Buffer *buffer, const char *text) {
  buffer_add(buffer, text, strlen(text));
}

void buffer_char(Buffer *buffer, char c) {
  buffer_add(buffer, &c, 1);
}

/* Writes where there is room; once more only if that was too little. */
void buffer_vprintf(Buffer *buffer, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  reserve(buffer, SHORT_TEXT / 4);
  size_t room = buffer->capacity - buffer->length;
  int length = vsnprintf(buffer->data + buffer->length, room, format, args);
  if (length > 0 && (size_t)length >= room) {
    reserve(buffer, (size_t)length);
    vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
  }
  if (length > 0)
    buffer->length += (size_t)length;
  va_end(again);
}

void buffer_printf(Buffer *buffer, const char *format, ...) {
  va_list args;
  va_start(args, format);
  buffer_vprintf(buffer, format, args);
  va_end(args);
}

/* Tries 1 to 17 digits: the first that reads back is the shortest. Numbers are
 * printed in the "C" locale: the program never calls setlocale. */
void buffer_float(Buffer *buffer, double value) {
  if (isnan(value) || isinf(value)) {
    buffer_text(buffer, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    return;
  }
  char text[40];
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value)
      break;
  }
  buffer_text(buffer, text);
  if (!strpbrk(text, ".e"))
    buffer_text(buffer, ".0");
}

void buffer_quoted(Buffer *buffer, const char *text, size_t length) {
  buffer_char(buffer, '"');
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\')
      buffer_printf(buffer, "\\%c", c);
    else if (c == '\n')
      buffer_text(buffer, "\\n");
    else if (c == '\t')
      buffer_text(buffer, "\\t");
    else if (c < 0x20 || c == 0x7f)
      buffer_printf(buffer, "\\u{%x}", c);
    else
      buffer_char(buffer, (char)c);
  }
  buffer_char(buffer, '"');
}

void buffer_pad(Buffer *buffer, size_t line, size_t column) {
  while (buffer->length - line < column)
    buffer_char(buffer, ' ');
}

void buffer_free(Buffer *buffer) {
  vec_release_(buffer->data);
  *buffer = (Buffer){0};
}

/* ---- small text questions ----------------------------------------------- */

static unsigned min3(unsigned a, unsigned b, unsigned c) {
  unsigned m = a < b ? a : b;
  return m < c ? m : c;
}

/* Optimal string alignment distance over three rolling rows. */
unsigned edit_distance(const char *a, const char *b, unsigned limit) {
  enum { LONGEST = 127 };
  size_t n = strlen(a), m = strlen(b);
  if (n > LONGEST || m > LONGEST || (n > m ? n - m : m - n) > limit)
    return limit + 1;
  unsigned row[3][LONGEST + 1];
  for (size_t j = 0; j <= m; j++)
    row[0][j] = (unsigned)j;
  for (size_t i = 1; i <= n; i++) {
    unsigned *now = row[i % 3], *last = row[(i - 1) % 3];
    now[0] = (unsigned)i;
    for (size_t j = 1; j <= m; j++) {
      now[j] = min3(last[j] + 1, now[j - 1] + 1,
                    last[j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
          row[(i - 2) % 3][j - 2] + 1 < now[j])
        now[j] = row[(i - 2) % 3][j - 2] + 1;
    }
  }
  unsigned distance = row[n % 3][m];
  return distance > limit ? limit + 1 : distance;
}

/* Differs in case only? */
static bool same_letters(const char *a, const char *b) {
  return strcmp(a, b) != 0 && strcasecmp(a, b) == 0;
}

/* A single letter is near any other: only its other case is meant. */
const char *nearest_name(const char *name, const char *const *candidates,
                         size_t count) {
  for (size_t i = 0; i < count; i++)
    if (same_letters(name, candidates[i]))
      return candidates[i];
  if (strlen(name) < 2)
    return NULL;
  unsigned limit = strlen(name) <= 3 ? 1 : 2;
  const char *best = NULL;
  for (size_t i = 0; i < count; i++) {
    unsigned distance = edit_distance(name, candidates[i], limit);
    if (distance > 0 && distance <= limit) {
      best = candidates[i];
      limit = distance - 1;
    }
  }
  return best;
}

const char *grouped_number(Arena *arena, uint64_t value) {
  char digits[24], out[32];
  int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
  size_t k = 0;
  for (int i = 0; i < n; i++) {
    if (i > 0 && (n - i) % 3 == 0)
      out[k++] = ',';
    out[k++] = digits[i];
  }
  return arena_string(arena, out, k);
}
