/* Patterns of tensor names and paths of parameters: the two sides of a line of
 * a map of weights (see weights.c).
 */
#include "compiler/front/weights.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the string --------------------------------------------------------- */

/* A place inside the string literal. */
static Span inside(const Mapping *mapping, size_t begin, size_t end) {
  Span span = mapping->pattern_span;
  span.end = span.start + 1 + (uint32_t)end;
  span.start += 1 + (uint32_t)begin;
  return span;
}

static bool fail_pattern(Elaborator *e, const Mapping *mapping, size_t begin,
                         size_t end, const char *message) {
  Diagnostic error =
      error_begin(e, inside(mapping, begin, end), "E0609", "%s", message);
  error_note(e, &error,
             "`{i}` is a number that the path names as `[i]`; "
             "`{weight=w,bias=b}` a word that `.*` stands for");
  error_send(e, &error);
  return false;
}

static bool is_name(const char *text, size_t length) {
  bool name = length > 0 && !isdigit((unsigned char)text[0]);
  for (size_t i = 0; i < length; i++)
    name &= isalnum((unsigned char)text[i]) || text[i] == '_';
  return name;
}

/* "weight=w,bias=b" between the braces. */
static bool read_alternatives(Elaborator *e, const Mapping *mapping,
                              size_t begin, size_t end, Piece *piece) {
  const char *text = mapping->pattern;
  piece->alternatives = true;
  while (begin <= end) {
    size_t stop = begin, equals = 0;
    for (; stop < end && text[stop] != ','; stop++)
      equals = text[stop] == '=' ? stop : equals;
    bool good = equals > begin && piece->words < 8 &&
                is_name(text + equals + 1, stop - equals - 1);
    if (!good)
      return fail_pattern(e, mapping, begin, stop,
                          "an alternative is `word=parameter`");
    piece->word[piece->words] =
        arena_string(e->scratch, text + begin, equals - begin);
    piece->stands_for[piece->words++] =
        arena_string(e->scratch, text + equals + 1, stop - equals - 1);
    begin = stop + 1;
  }
  return true;
}

static bool read_brace(Elaborator *e, const Mapping *mapping, size_t begin,
                       size_t end, Piece *piece) {
  const char *text = mapping->pattern;
  if (memchr(text + begin, '=', end - begin))
    return read_alternatives(e, mapping, begin, end, piece);
  piece->number = true;
  piece->text = arena_string(e->scratch, text + begin, end - begin);
  return is_name(text + begin, end - begin) ||
         fail_pattern(e, mapping, begin, end, "`{..}` holds a name");
}

bool tensor_pattern_read(Elaborator *e, const Mapping *mapping,
                         TensorPattern *out) {
  const char *text = mapping->pattern;
  *out = (TensorPattern){0};
  for (size_t at = 0; text[at];) {
    if (out->pieces == MAX_PIECES)
      return fail_pattern(e, mapping, at, at + 1, "this pattern is too long");
    Piece *piece = &out->piece[out->pieces++];
    size_t length = strcspn(text + at, "{}");
    if (length > 0) {
      piece->text = arena_string(e->scratch, text + at, length);
      at += length;
      continue;
    }
    const char *close = strchr(text + at, '}');
    if (text[at] == '}' || !close)
      return fail_pattern(e, mapping, at, at + 1, "this brace has no partner");
    size_t end = (size_t)(close - text);
    if (!read_brace(e, mapping, at + 1, end, piece))
      return false;
    at = end + 1;
  }
  return true;
}

/* ---- the path ----------------------------------------------------------- */

/* The next word of a dotted name; false at its end. */
static bool next_word(const char **at, const char **word, size_t *length) {
  if (!**at)
    return false;
  *word = *at;
  *length = strcspn(*at, ".");
  *at += *length + (*(*at + *length) == '.');
  return true;
}

static bool all_digits(const char *word, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (!isdigit((unsigned char)word[i]))
      return false;
  return length > 0;
}

/* `[i]` captures, `[3]` and `[N - 1]` are numbers known now. */
static bool match_index(Elaborator *e, const Step *step, const char *word,
                        size_t length, Captures *captures) {
  if (!all_digits(word, length))
    return false;
  bool known = step->a->kind != EXPR_NAME ||
               variable_lookup(e, step->a->text) ||
               file_find(e->frame->file, step->a->text);
  if (known) {
    int64_t index;
    return eval_int(e, step->a, "an index", &index) &&
           index == strtoll(word, NULL, 10);
  }
  if (captures->numbers == MAX_CAPTURES)
    return false;
  captures->name[captures->numbers] = step->a->text;
  captures->number[captures->numbers++] =
      arena_string(e->scratch, word, length);
  return true;
}

/* Does the path mean this parameter, named below the model? */
bool weight_path_match(Elaborator *e, const Step *path, const char *name,
                       Captures *captures) {
  *captures = (Captures){0};
  const char *word;
  size_t length;
  for (const Step *step = path; step; step = step->next) {
    if (!next_word(&name, &word, &length))
      return false;
    if (step->kind == STEP_WORD && (strlen(step->word) != length ||
                                    strncmp(step->word, word, length) != 0))
      return false;
    if (step->kind == STEP_INDEX &&
        !match_index(e, step, word, length, captures))
      return false;
    if (step->kind == STEP_STAR)
      captures->word = arena_string(e->scratch, word, length);
  }
  return !*name;
}

/* The forms that a mapping has no meaning for. */
bool weight_path_check(Elaborator *e, const Mapping *mapping) {
  int stars = 0;
  for (const Step *step = mapping->path; step; step = step->next) {
    stars += step->kind == STEP_STAR;
    if (step->kind == STEP_STARS || step->kind == STEP_RANGE ||
        step->kind == STEP_ALL || stars > 1) {
      fail(e, step->span, "E0609",
           "a mapping's path has names, `[i]` and at most one `.*`");
      return false;
    }
  }
  return true;
}

/* ---- one tensor --------------------------------------------------------- */

static const char *captured(const Captures *captures, const char *name) {
  for (int i = 0; i < captures->numbers; i++)
    if (strcmp(captures->name[i], name) == 0)
      return captures->number[i];
  return NULL;
}

static const char *alternative(const Piece *piece, const char *stands_for) {
  for (int i = 0; stands_for && i < piece->words; i++)
    if (strcmp(piece->stands_for[i], stands_for) == 0)
      return piece->word[i];
  return NULL;
}

/* The tensor's name for what the path captured, or NULL: no alternative
 * stands for this parameter. */
const char *tensor_pattern_name(Elaborator *e, const TensorPattern *pattern,
                                const Captures *captures) {
  Buffer out = {0};
  for (int i = 0; i < pattern->pieces; i++) {
    const Piece *piece = &pattern->piece[i];
    const char *text = piece->number ? captured(captures, piece->text)
                       : piece->alternatives
                           ? alternative(piece, captures->word)
                           : piece->text;
    if (!text) {
      buffer_free(&out);
      return NULL;
    }
    buffer_text(&out, text);
  }
  return intern(e->interner, buffer_take(e, &out));
}

/* `{i}` and `[i]` come in pairs, `{..=..}` and `.*` too. */
bool tensor_pattern_check(Elaborator *e, const Mapping *mapping,
                          const TensorPattern *pattern) {
  bool star = false, alternatives = false;
  for (const Step *step = mapping->path; step; step = step->next)
    star |= step->kind == STEP_STAR;
  for (int i = 0; i < pattern->pieces; i++) {
    const Piece *piece = &pattern->piece[i];
    alternatives |= piece->alternatives;
    bool named = !piece->number;
    for (const Step *step = mapping->path; step && !named; step = step->next)
      named = step->kind == STEP_INDEX && step->a->kind == EXPR_NAME &&
              strcmp(step->a->text, piece->text) == 0;
    if (!named) {
      fail(e, mapping->pattern_span, "E0609",
           "`{%s}` is not named in the path: `[%s]`", piece->text, piece->text);
      return false;
    }
  }
  if (star == alternatives)
    return true;
  fail(e, mapping->pattern_span, "E0609",
       star ? "`.*` needs its words: `{weight=w,bias=b}`"
            : "the words of `{..=..}` need `.*` in the path");
  return false;
}
