/* Mutations of program text that keep its shape, for both fuzz targets.
 *
 * In: a text and libFuzzer's seed. Out: a text in which whole tokens or lines
 * are exchanged, repeated, removed or taken from another text. Half of the
 * time libFuzzer's own mutations of bytes are applied instead, so that nothing
 * stays out of reach.
 */
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t limit);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t limit,
                               unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size,
                                 const uint8_t *b, size_t b_size, uint8_t *out,
                                 size_t limit, unsigned seed);

/* Bytes [start, end) of a text. */
typedef struct {
  size_t start, end;
} Piece;

typedef VEC(Piece) Pieces;

/* xorshift: the same mutation for the same seed. */
static uint32_t draw(uint32_t *state, size_t below) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return below ? (uint32_t)(*state % below) : 0;
}

/* ---- pieces -------------------------------------------------------------- */

static bool in_word(uint8_t c) {
  return isalnum(c) || c == '_' || c == '.' || c == '\'' || c == '~';
}

static size_t token_end(const uint8_t *text, size_t size, size_t start) {
  size_t end = start + 1;
  if (in_word(text[start])) {
    while (end < size && in_word(text[end]))
      end++;
  } else if (text[start] == '"') {
    while (end < size && text[end] != '"' && text[end] != '\n')
      end++;
    end += end < size;
  } else if (ispunct(text[start]) && end < size && ispunct(text[end]) &&
             strchr("=*/>.:+", text[end])) {
    end++;
  }
  return end;
}

static Pieces tokens_find(const uint8_t *text, size_t size) {
  Pieces pieces = {0};
  for (size_t at = 0; at < size;) {
    if (isspace(text[at])) {
      at++;
      continue;
    }
    size_t end = token_end(text, size, at);
    vec_push(&pieces, (Piece){at, end});
    at = end;
  }
  return pieces;
}

static Pieces lines_find(const uint8_t *text, size_t size) {
  Pieces pieces = {0};
  for (size_t at = 0; at < size;) {
    const uint8_t *end = memchr(text + at, '\n', size - at);
    size_t next = end ? (size_t)(end - text) + 1 : size;
    vec_push(&pieces, (Piece){at, next});
    at = next;
  }
  return pieces;
}

/* ---- edits --------------------------------------------------------------- */

/* Puts `with` in the place of `piece`; the new size, or `size` if that is
 * more than `limit`. */
static size_t replace(uint8_t *text, size_t size, size_t limit, Piece piece,
                      const uint8_t *with, size_t length) {
  size_t left = size - piece.end, changed = piece.start + length + left;
  if (changed > limit)
    return size;
  memmove(text + piece.start + length, text + piece.end, left);
  if (length > 0)
    memcpy(text + piece.start, with, length);
  return changed;
}

/* Exchanges, copies over, repeats before, or removes. */
static size_t edit(uint8_t *text, size_t size, size_t limit, Pieces pieces,
                   uint32_t *state) {
  if (pieces.length == 0)
    return size;
  Piece a = pieces.data[draw(state, pieces.length)];
  Piece b = pieces.data[draw(state, pieces.length)];
  Buffer copy = {0};
  buffer_add(&copy, (const char *)text, size);
  const uint8_t *old = (const uint8_t *)copy.data;
  switch (draw(state, 4)) {
  case 0: /* the later one first, so that the earlier keeps its place */
    if (a.start > b.start) {
      Piece swap = a;
      a = b;
      b = swap;
    }
    size = replace(text, size, limit, b, old + a.start, a.end - a.start);
    size = replace(text, size, limit, a, old + b.start, b.end - b.start);
    break;
  case 1:
    size = replace(text, size, limit, a, old + b.start, b.end - b.start);
    break;
  case 2:
    size = replace(text, size, limit, (Piece){a.start, a.start}, old + b.start,
                   b.end - b.start);
    break;
  default:
    size = replace(text, size, limit, a, NULL, 0);
  }
  buffer_free(&copy);
  return size;
}

static size_t edit_some(uint8_t *text, size_t size, size_t limit,
                        uint32_t *state) {
  for (uint32_t left = 1 + draw(state, 3); left > 0; left--) {
    bool lines = draw(state, 3) == 0;
    Pieces pieces = lines ? lines_find(text, size) : tokens_find(text, size);
    size = edit(text, size, limit, pieces, state);
    vec_free(&pieces);
  }
  return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t limit,
                               unsigned seed) {
  uint32_t state = seed | 1;
  if (draw(&state, 16) < 8)
    return LLVMFuzzerMutate(data, size, limit);
  size = edit_some(data, size, limit, &state);
  return size ? size : LLVMFuzzerMutate(data, size, limit);
}

/* Some lines of `b` in `a`. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size,
                                 const uint8_t *b, size_t b_size, uint8_t *out,
                                 size_t limit, unsigned seed) {
  uint32_t state = seed | 1;
  if (a_size > limit)
    return 0;
  memcpy(out, a, a_size);
  Pieces into = lines_find(a, a_size), from = lines_find(b, b_size);
  size_t size = a_size;
  if (into.length && from.length) {
    size_t at = into.data[draw(&state, into.length)].start;
    size_t first = draw(&state, from.length);
    size_t last = first + draw(&state, 8);
    last = last < from.length ? last : from.length - 1;
    Piece lines = {from.data[first].start, from.data[last].end};
    size = replace(out, size, limit, (Piece){at, at}, b + lines.start,
                   lines.end - lines.start);
  }
  vec_free(&into);
  vec_free(&from);
  return size;
}
