/* Lines that are alike but for the index of an array element: see print_fold.h.
 *
 * Names are compared as wholes, so that `x'2` may stand where `x` does one
 * element earlier; everything else is compared as text.
 */
#include "ir/print_fold.h"

#include <string.h>

/* ---- text ---------------------------------------------------------------- */

/* Length of `word.N` at `text`, with N in *index; 0 if there is none. */
static size_t element_at(const char *text, size_t left, const char *word,
                         long *index) {
  size_t n = strlen(word);
  if (left < n + 2 || memcmp(text, word, n) != 0 || text[n] != '.' ||
      !isdigit((unsigned char)text[n + 1]))
    return 0;
  size_t length = n + 1;
  *index = 0;
  while (length < left && isdigit((unsigned char)text[length]))
    *index = *index * 10 + (text[length++] - '0');
  return length < left && is_word(text[length]) ? 0 : length;
}

size_t name_length(const char *text, size_t left) {
  size_t length = 1;
  while (length < left &&
         (is_word(text[length]) || strchr(".'~", text[length])))
    length++;
  return length;
}

/* Appends a name with every `word.N` as `word.(N + delta)`; false if there is
 * none. */
static bool shift_elements(Buffer *out, const char *text, size_t length,
                           const char *word, long delta) {
  bool any = false;
  for (size_t i = 0; i < length;) {
    long index;
    bool begins = i == 0 || !is_word(text[i - 1]);
    size_t n = begins ? element_at(text + i, length - i, word, &index) : 0;
    if (n)
      buffer_printf(out, "%s.%ld", word, index + delta);
    else
      buffer_char(out, text[i]);
    any |= n > 0;
    i += n ? n : 1;
  }
  return any;
}

static bool buffer_is(const Buffer *buffer, const char *text, size_t length) {
  return buffer->length == length && memcmp(buffer->data, text, length) == 0;
}

/* The number of the binding at the mark `'N` of a name, which begins at
 * *from and ends at *to; an unmarked one is the first. */
static long binding(const char *text, size_t length, size_t *from, size_t *to) {
  for (*from = 0; *from < length && text[*from] != '\'';)
    ++*from;
  *to = *from;
  if (*from == length)
    return 1;
  long number = 0;
  for (++*to; *to < length && isdigit((unsigned char)text[*to]);)
    number = number * 10 + (text[(*to)++] - '0');
  return number;
}

/* Is name b the binding `delta` turns after name a: x'2 after x? */
static bool later_binding(const char *a, size_t n, const char *b, size_t m,
                          long delta) {
  size_t a_from, a_to, b_from, b_to;
  long first = binding(a, n, &a_from, &a_to);
  long second = binding(b, m, &b_from, &b_to);
  size_t at = a_from < b_from ? a_from : b_from; /* where a mark is */
  size_t a_rest = a_from == n ? at : a_to, b_rest = b_from == m ? at : b_to;
  return second == first + delta && n - a_rest == m - b_rest &&
         memcmp(a, b, at) == 0 &&
         memcmp(a + a_rest, b + b_rest, n - a_rest) == 0;
}

/* How name b is name a, `delta` elements on. */
typedef enum {
  NAME_OTHER,
  NAME_MOVED,  /* its index moved, or it has none and is the same */
  NAME_TURNED, /* it has no index and was bound that many turns later */
  NAME_KEPT    /* it has an index, and is the same value none the less */
} NameMatch;

static NameMatch match_names(const char *a, size_t n, const char *b, size_t m,
                             const char *word, long delta) {
  Buffer text = {0};
  bool element = shift_elements(&text, a, n, word, delta);
  bool moved = buffer_is(&text, b, m);
  buffer_free(&text);
  if (moved)
    return NAME_MOVED;
  if (element)
    return n == m && memcmp(a, b, n) == 0 ? NAME_KEPT : NAME_OTHER;
  return later_binding(a, n, b, m, delta) ? NAME_TURNED : NAME_OTHER;
}

/* The same for whole texts. Names that turned or were kept are appended to
 * `told`, except for the one that the text begins with, which it defines. */
static bool same_text(const char *a, size_t n, const char *b, size_t m,
                      const char *word, long delta, Buffer *told) {
  size_t i = 0, j = 0;
  while (i < n && j < m) {
    size_t k = 1, l = 1;
    NameMatch match = NAME_MOVED;
    if (a[i] != b[j])
      return false;
    if (strchr("%@$", a[i])) {
      k = name_length(a + i, n - i);
      l = name_length(b + j, m - j);
      match = match_names(a + i, k, b + j, l, word, delta);
    }
    if (match == NAME_OTHER || (match == NAME_KEPT && i == 0))
      return false;
    if (match == NAME_TURNED && i > 0)
      buffer_printf(told, " %.*s of its turn", (int)k, a + i);
    if (match == NAME_KEPT)
      buffer_printf(told, " %.*s itself", (int)k, a + i);
    i += k;
    j += l;
  }
  return i == n && j == m;
}

/* ---- lines --------------------------------------------------------------- */

/* The parts of a line that may differ between layers. */
typedef enum { PART_TYPE, PART_SCALE, PART_SHIFT, PART_PLACE, PARTS } Part;

typedef struct {
  Buffer part[PARTS];
  Buffer rest; /* everything else */
} LineParts;

static void parts_free(LineParts *parts) {
  for (int i = 0; i < PARTS; i++)
    buffer_free(&parts->part[i]);
  buffer_free(&parts->rest);
}

/* Bytes of a scale behind ` * `. */
static size_t scale_length(const char *text, size_t left) {
  size_t length = 0;
  int depth = 0;
  while (length < left) {
    char c = text[length];
    depth += c == '(';
    if (c == ')' && --depth < 0)
      break;
    if (depth == 0 && (c == ',' || c == ' '))
      break;
    length++;
  }
  return length;
}

/* Splits the body of an operation: `, shift = ..` and the plan's comment. */
static void split_body(LineParts *parts, const char *text, size_t length) {
  static const char shift[] = ", shift = ", place[] = "   # arena";
  for (size_t i = 0; i < length;) {
    if (length - i >= sizeof place &&
        memcmp(text + i, place, sizeof place - 1) == 0) {
      buffer_add(&parts->part[PART_PLACE], text + i + 5, length - i - 5);
      return;
    }
    if (length - i >= sizeof shift &&
        memcmp(text + i, shift, sizeof shift - 1) == 0) {
      size_t n = sizeof shift - 1;
      n += scale_length(text + i + n, length - i - n);
      buffer_add(&parts->part[PART_SHIFT], text + i + 2, n - 2);
      i += n;
      continue;
    }
    buffer_char(&parts->rest, text[i++]);
  }
}

/* The head of a kernel repeats the scales of its lines: they are left out. */
static void split_plain(LineParts *parts, const char *text, size_t length) {
  for (size_t i = 0; i < length;) {
    if (length - i > 3 && memcmp(text + i, " * ", 3) == 0) {
      i += 3;
      i += scale_length(text + i, length - i);
      continue;
    }
    buffer_char(&parts->rest, text[i++]);
  }
}

static void split_line(LineParts *parts, const Lines *lines, const Line *line) {
  const char *text = lines->text.data;
  if (!line->aligned) {
    if (line->role == LINE_OPEN)
      split_plain(parts, text + line->body, line->end - line->body);
    else
      split_body(parts, text + line->body, line->end - line->body);
    return;
  }
  buffer_add(&parts->rest, text + line->start, line->type - line->start);
  buffer_add(&parts->part[PART_TYPE], text + line->type,
             line->scale - line->type);
  buffer_add(&parts->part[PART_SCALE], text + line->scale,
             line->body - line->scale);
  split_body(parts, text + line->body, line->end - line->body);
}

static bool same_part(const Buffer *a, const Buffer *b, const char *word,
                      long delta, Buffer *turned) {
  return same_text(a->data ? a->data : "", a->length, b->data ? b->data : "",
                   b->length, word, delta, turned);
}

static void print_part(Buffer *out, Part part, const Buffer *text) {
  static const char *const lead[PARTS] = {" ", " * ", " ", " "};
  static const char *const name[PARTS] = {"type", "exponent", "shift", "place"};
  bool follows = out->length > 0 && part >= PART_SHIFT;
  buffer_printf(out, "%s%s", follows ? "," : "",
                text->length ? lead[part] : " no ");
  buffer_text(out, text->length ? text->data : name[part]);
}

bool line_alike(const Lines *lines, const Line *a, const Line *b,
                const char *word, long delta, bool in_kernel,
                Buffer *difference) {
  LineParts first = {0}, second = {0};
  split_line(&first, lines, a);
  split_line(&second, lines, b);
  bool kernel = a->role == LINE_OPEN; /* each is a block of its own */
  bool alike = a->aligned == b->aligned && a->role == b->role &&
               a->comment == b->comment &&
               (kernel || in_kernel || a->block == b->block);
  Buffer turned = {0};
  alike = alike && same_part(&first.rest, &second.rest, word, delta, &turned);
  for (int i = 0; i < PARTS && alike; i++)
    if (!same_part(&first.part[i], &second.part[i], word, delta, &turned))
      print_part(difference, (Part)i, &second.part[i]);
  if (alike && turned.length && !kernel) {
    buffer_text(difference, difference->length ? "," : "");
    buffer_add(difference, turned.data, turned.length);
  }
  buffer_free(&turned);
  parts_free(&first);
  parts_free(&second);
  return alike;
}
