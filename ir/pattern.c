/* Axis patterns: "b i, o i -> b o".
 *
 * Names of axes separated by spaces, operands by commas, the result after
 * `->`. Names are local to the pattern. What an op makes of a pattern (which
 * axes may be dropped, added or permuted) is said in shape.c.
 */
#include "ir/ir.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

typedef struct {
  Interner *interner;
  const char *text, *at;
  Pattern *pattern;
  const char **error;
  size_t *error_offset;
} PatternParser;

/* Notes what is wrong and where; always false. */
static bool fail(PatternParser *parser, const char *at, const char *error) {
  *parser->error = error;
  *parser->error_offset = (size_t)(at - parser->text);
  return false;
}

static void skip_spaces(PatternParser *parser) {
  while (*parser->at == ' ')
    parser->at++;
}

static bool is_name_start(char c) {
  return isalpha((unsigned char)c) || c == '_';
}

/* The number of a letter, counted by first appearance. The array cannot run
 * over: three lists of at most MAX_RANK names each. */
static int letter_number(Pattern *pattern, const char *name) {
  for (int i = 0; i < pattern->letters; i++)
    if (pattern->letter[i] == name)
      return i;
  pattern->letter[pattern->letters] = name;
  return pattern->letters++;
}

/* Names up to `,`, `->` or the end; each at most once in a list. */
static bool parse_axes(PatternParser *parser, int *rank, int *axis) {
  for (skip_spaces(parser); is_name_start(*parser->at); skip_spaces(parser)) {
    const char *start = parser->at;
    while (isalnum((unsigned char)*parser->at) || *parser->at == '_')
      parser->at++;
    if (*rank == MAX_RANK)
      return fail(parser, start, "more than 8 axes");
    const char *name =
        intern_n(parser->interner, start, (size_t)(parser->at - start));
    int letter = letter_number(parser->pattern, name);
    for (int i = 0; i < *rank; i++)
      if (axis[i] == letter)
        return fail(parser, start,
                    intern_printf(parser->interner,
                                  "axis `%s` occurs twice in one shape", name));
    axis[(*rank)++] = letter;
  }
  return true;
}

/* At least one list, possibly empty: "-> a b" broadcasts a number. */
static bool parse_operands(PatternParser *parser) {
  Pattern *pattern = parser->pattern;
  for (;;) {
    if (pattern->operands == 2)
      return fail(parser, parser->at, "more than two operands");
    int number = pattern->operands++;
    if (!parse_axes(parser, &pattern->rank[number], pattern->axis[number]))
      return false;
    if (*parser->at != ',')
      return true;
    parser->at++;
  }
}

bool pattern_parse(Interner *interner, const char *text, Pattern *out,
                   const char **error, size_t *error_offset) {
  memset(out, 0, sizeof *out);
  PatternParser parser = {interner, text, text, out, error, error_offset};
  if (!parse_operands(&parser))
    return false;
  if (strncmp(parser.at, "->", 2) != 0)
    return fail(&parser, parser.at, "expected an axis name, `,` or `->`");
  parser.at += 2;
  if (!parse_axes(&parser, &out->out_rank, out->out_axis))
    return false;
  if (*parser.at != '\0')
    return fail(&parser, parser.at, "expected an axis name or the end");
  return true;
}

static bool sizes_fail(Arena *arena, const char **error, const char *format,
                       ...) SG_PRINTF(3, 4);

static bool sizes_fail(Arena *arena, const char **error, const char *format,
                       ...) {
  Buffer text = {0};
  va_list args;
  va_start(args, format);
  buffer_vprintf(&text, format, args);
  va_end(args);
  *error = arena_string(arena, text.data, text.length);
  buffer_free(&text);
  return false;
}

/* Gives the letters of one operand their sizes or checks those they have. */
static bool bind_operand(const Pattern *pattern, int number, const Type *type,
                         int64_t *size, bool *bound, Arena *arena,
                         const char **error) {
  if (type->rank != pattern->rank[number])
    return sizes_fail(arena, error,
                      "the pattern names %d axes for an operand that has %d",
                      pattern->rank[number], type->rank);
  for (int i = 0; i < type->rank; i++) {
    int letter = pattern->axis[number][i];
    if (bound[letter] && size[letter] != type->dim[i])
      return sizes_fail(arena, error,
                        "axis `%s` is %" PRId64 " in one operand and %" PRId64
                        " in the other",
                        pattern->letter[letter], size[letter], type->dim[i]);
    size[letter] = type->dim[i];
    bound[letter] = true;
  }
  return true;
}

/* Operands are bound in order, so a clash is told from the second. */
bool pattern_sizes(const Pattern *pattern, const Type *const *operand,
                   int64_t *size, Arena *arena, const char **error) {
  bool bound[3 * MAX_RANK] = {false};
  memset(size, 0, 3 * MAX_RANK * sizeof *size);
  for (int i = 0; i < pattern->operands; i++)
    if (!bind_operand(pattern, i, operand[i], size, bound, arena, error))
      return false;
  return true;
}
