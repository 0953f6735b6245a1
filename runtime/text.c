/* Text in the making, in memory of the table. */
#include "runtime/runtime.h"

#include <stdarg.h>
#include <string.h>

/* Doubles, so that building a text takes linear time. */
static bool text_grow(Text *text, size_t length) {
  size_t capacity = 2 * text->capacity + length + 1024;
  char *larger = memory_new(capacity, 1);
  text->failed = !larger;
  if (!larger)
    return false;
  if (text->length)
    memcpy(larger, text->data, text->length);
  sgrt_io.release(text->data);
  text->data = larger;
  text->capacity = capacity;
  return true;
}

void text_add(Text *text, const char *from, size_t length) {
  if (text->failed ||
      (text->capacity - text->length < length && !text_grow(text, length)))
    return;
  memcpy(text->data + text->length, from, length);
  text->length += length;
}

void text_print(Text *text, const char *format, ...) {
  char line[TEXT_PRINT_MAX];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (n < 0 || (size_t)n >= sizeof line)
    text->failed = true;
  else
    text_add(text, line, (size_t)n);
}

/* UTF-8 passes as it is. */
void text_escaped(Text *text, const char *from) {
  for (; *from; from++)
    if (*from == '"' || *from == '\\' || (unsigned char)*from < ' ')
      text_print(text, "\\u%04x", (unsigned)*from);
    else
      text_add(text, from, 1);
}

char *text_join(const char *text, const char *suffix) {
  size_t length = strlen(text), more = strlen(suffix);
  char *joined = memory_new(length + more + 1, 1);
  if (joined) {
    memcpy(joined, text, length);
    memcpy(joined + length, suffix, more);
  }
  return joined;
}
