/* Numbers and strings as they are written, and what cannot be read as a token.
 *
 * In: the bytes the lexer matched. Out: the value, or a message that says what
 * to write instead. The text is known to be clean UTF-8 without control
 * characters.
 */
#include "compiler/front/parser.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The hint may be NULL. Silent while an error is being skipped. */
void lexer_error(Lexer *lexer, uint32_t start, uint32_t end, const char *code,
                 const char *hint, const char *format, ...) {
  if (lexer->quiet || lexer->refused)
    return;
  Buffer message = {0};
  va_list args;
  va_start(args, format);
  buffer_vprintf(&message, format, args);
  va_end(args);
  Diagnostic diagnostic = {.code = code,
                           .message = message.data,
                           .label = {{lexer_span(lexer, start, end), NULL}},
                           .label_count = 1,
                           .hint = hint};
  diagnose(lexer->diagnostics, &diagnostic);
  buffer_free(&message);
}

/* An error about the whole of the piece that was just matched. */
#define error_here(lexer, ...)                                                 \
  lexer_error((lexer), (lexer)->start, (lexer)->offset, __VA_ARGS__)

/* ---- numbers ------------------------------------------------------------- */

/* The digits without `_`, in arena memory; NULL after an error about one that
 * does not stand between two digits. */
static const char *plain_digits(Lexer *lexer, const char *text, size_t length) {
  char *plain = arena_string(lexer->arena, text, length);
  size_t n = 0;
  for (size_t i = 0; i < length; i++) {
    if (text[i] != '_') {
      plain[n++] = text[i];
    } else if (i + 1 == length || text[i + 1] < '0' || text[i + 1] > '9') {
      error_here(lexer, "E0107", NULL,
                 "`%s` is not a number: `_` stands between two digits", plain);
      return NULL;
    }
  }
  plain[n] = 0;
  return plain;
}

/* Too large a number is reported and still counts as a number, so the
 * grammar sees nothing amiss. */
bool literal_integer(Lexer *lexer, const char *text, size_t length,
                     int64_t *value) {
  const char *plain = plain_digits(lexer, text, length);
  if (!plain)
    return false;
  errno = 0;
  long long number = strtoll(plain, NULL, 10);
  if (errno == ERANGE)
    error_here(lexer, "E0108",
               "a real number may be larger: write it with a point or an "
               "exponent",
               "this whole number is larger than 9223372036854775807");
  *value = number;
  return true;
}

/* A number that was written as nonzero must not quietly become zero or
 * infinite. */
bool literal_number(Lexer *lexer, const char *text, size_t length,
                    double *value) {
  const char *plain = plain_digits(lexer, text, length);
  if (!plain)
    return false;
  *value = strtod(plain, NULL);
  bool nonzero = strcspn(plain, "123456789") < strcspn(plain, "eE");
  if (isinf(*value))
    error_here(lexer, "E0108", "write `inf` for infinity",
               "this number is larger than 1.8e308");
  else if (*value == 0 && nonzero)
    error_here(lexer, "E0108", NULL,
               "this number is smaller than 4.9e-324 and not zero");
  return true;
}

/* `5.` is read as 5.0 after the message. */
int literal_bare_point(Lexer *lexer, const char *text, size_t length,
                       double *value) {
  const char *hint = arena_printf(lexer->arena, "`%s0`", text);
  error_here(lexer, "E0107", hint,
             "a real number needs a digit after the point");
  return literal_number(lexer, text, length, value) ? TOKEN_FLOAT
                                                    : TOKEN_SG_UNDEF;
}

/* Digits that run into letters: `3rd`, `0x1F`, `1e`. */
int literal_bad_number(Lexer *lexer, const char *text) {
  bool base = text[0] == '0' && text[1] && strchr("xXbBoO", text[1]);
  error_here(lexer, "E0107",
             base ? "numbers are written in decimal"
                  : "a name cannot begin with a digit",
             "`%s` is neither a number nor a name", text);
  return TOKEN_SG_UNDEF;
}

/* ---- strings ------------------------------------------------------------- */

/* Appends one character (RFC 3629). `code` is a valid code point. */
static void add_utf8(Buffer *out, uint32_t code) {
  if (code < 0x80) {
    buffer_char(out, (char)code);
  } else if (code < 0x800) {
    buffer_char(out, (char)(0xC0 | code >> 6));
    buffer_char(out, (char)(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    buffer_char(out, (char)(0xE0 | code >> 12));
    buffer_char(out, (char)(0x80 | (code >> 6 & 0x3F)));
    buffer_char(out, (char)(0x80 | (code & 0x3F)));
  } else {
    buffer_char(out, (char)(0xF0 | code >> 18));
    buffer_char(out, (char)(0x80 | (code >> 12 & 0x3F)));
    buffer_char(out, (char)(0x80 | (code >> 6 & 0x3F)));
    buffer_char(out, (char)(0x80 | (code & 0x3F)));
  }
}

/* The length of `{hex}` at `text`, its value in *code; 0 if it is not that, or
 * names no character that text may hold. */
static size_t unicode_escape(const char *text, size_t length, uint32_t *code) {
  size_t i = 1;
  if (length < 3 || text[0] != '{')
    return 0;
  for (*code = 0; i < length && i <= 7 && text[i] != '}'; i++) {
    const char *digits = "0123456789abcdef", *digit;
    digit = strchr(digits, text[i] | (text[i] >= 'A' ? 0x20 : 0));
    if (!text[i] || !digit)
      return 0;
    *code = *code * 16 + (uint32_t)(digit - digits);
  }
  bool valid = i > 1 && i < length && text[i] == '}' && *code > 0 &&
               *code <= 0x10FFFF && (*code < 0xD800 || *code > 0xDFFF);
  return valid ? i + 1 : 0;
}

/* Appends what the escape after a `\` means and returns its length. */
static size_t add_escape(Lexer *lexer, Buffer *out, const char *text,
                         size_t length, uint32_t offset) {
  static const char *const plain = "n\nt\t\"\"\\\\";
  for (int i = 0; plain[i]; i += 2)
    if (text[0] == plain[i]) {
      buffer_char(out, plain[i + 1]);
      return 1;
    }
  uint32_t code;
  if (text[0] != 'u') {
    size_t bytes = 1;
    while (bytes < length && (text[bytes] & 0xC0) == 0x80)
      bytes++;
    lexer_error(lexer, offset - 1, offset + (uint32_t)bytes, "E0105",
                "for a backslash, write `\\\\`",
                "`\\%.*s` is no escape: there are \\n, \\t, \\\", \\\\ and "
                "\\u{...}",
                (int)bytes, text);
    return bytes;
  }
  size_t used = unicode_escape(text + 1, length - 1, &code);
  if (used)
    add_utf8(out, code);
  else
    lexer_error(lexer, offset - 1, offset + 1, "E0105",
                "`\\u{e9}` is the letter \xC3\xA9",
                "`\\u` needs the number of a character: one to six hexadecimal "
                "digits in braces");
  return 1 + used;
}

/* Escapes are decoded; a wrong one is reported and left out. */
Text literal_string(Lexer *lexer, const char *text, size_t length) {
  Buffer out = {0};
  buffer_add(&out, "", 0);
  for (size_t i = 1; i + 1 < length;) {
    size_t plain = strcspn(text + i, "\\\"");
    buffer_add(&out, text + i, plain);
    i += plain;
    if (i + 1 < length)
      i += 1 + add_escape(lexer, &out, text + i + 1, length - i - 2,
                          lexer->start + (uint32_t)i + 1);
  }
  Text result = {intern_n(lexer->interner, out.data, out.length), out.length,
                 lexer_span(lexer, lexer->start, lexer->offset)};
  buffer_free(&out);
  return result;
}

/* The closing parentheses are part of what was swallowed, so the line is given
 * up whole. */
int literal_unterminated(Lexer *lexer) {
  error_here(lexer, "E0104",
             "close it with `\"` on this line; a newline in it is `\\n`",
             "this string is never closed");
  lexer_drop_parens(lexer);
  return TOKEN_SG_UNDEF;
}

/* ---- what is no token ---------------------------------------------------- */

/* Characters that come from other languages or from word processors. */
static const struct {
  const char *text, *hint;
} foreign[] = {
    {"!", "write `not`"},
    {"~", "write `not`"},
    {"&&", "write `and`"},
    {"||", "write `or`"},
    {"&", "write `and`"},
    {"|", "write `or`"},
    {"^", "a power is written `**`"},
    {"'", "strings stand between double quotes: \"...\""},
    {"`", "strings stand between double quotes: \"...\""},
    {"\\", "a line that ends in an operator goes on by itself; so does one in "
           "parentheses"},
    {"...", "the other axes are written `..`"},
    {"\xE2\x80\x9C", "write `\"`"},
    {"\xE2\x80\x9D", "write `\"`"},
    {"\xE2\x80\x98", "write `\"`"},
    {"\xE2\x80\x99", "write `\"`"},
    {"\xE2\x88\x92", "write `-`"},
    {"\xE2\x80\x93", "write `-`"},
    {"\xC3\x97", "write `*`"},
    {"\xC2\xB7", "write `*`"},
    {"\xE2\x86\x92", "write `->`"},
    {"\xE2\x89\xA4", "write `<=`"},
    {"\xE2\x89\xA5", "write `>=`"},
    {"\xE2\x89\xA0", "write `!=`"},
    {"\xE2\x80\xA6", "the other axes are written `..`"},
    {"\xC2\xA0", "it looks like a space; write a space"},
};

/* Decodes one character; returns its length. */
static size_t character(const char *text, uint32_t *code) {
  const unsigned char *byte = (const unsigned char *)text;
  size_t length = byte[0] < 0x80   ? 1
                  : byte[0] < 0xE0 ? 2
                  : byte[0] < 0xF0 ? 3
                                   : 4;
  *code = length == 1 ? byte[0] : byte[0] & (0x7Fu >> length);
  for (size_t i = 1; i < length; i++)
    *code = *code << 6 | (byte[i] & 0x3F);
  return length;
}

/* What to write instead, if the character is a known one. */
static const char *foreign_hint(const char *text, size_t length) {
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
    if (strlen(foreign[i].text) == length &&
        strncmp(foreign[i].text, text, length) == 0)
      return foreign[i].hint;
  return NULL;
}

static bool is_word_byte(char c) {
  return isalnum((unsigned char)c) || c == '_';
}

/* `0...3` and `net.h'2`: marks between two words that they would join. */
static const char *joining_hint(const Lexer *lexer, const char *mark) {
  const char *text = lexer->source->text;
  char after = text[lexer->offset];
  uint32_t end = lexer->start, start = end;
  while (start > 0 && (is_word_byte(text[start - 1]) || text[start - 1] == '.'))
    start--;
  if (start == end || !is_word_byte(after))
    return NULL;
  int length = (int)(end - start);
  if (strcmp(mark, "...") == 0)
    return arena_printf(lexer->arena, "`%.*s..%.*s`", length, text + start,
                        (int)strcspn(text + lexer->offset, " {)]\n"),
                        text + lexer->offset);
  if (strcmp(mark, "'") == 0 && isdigit((unsigned char)after))
    return arena_printf(lexer->arena, "`%.*s` means all of its bindings",
                        length, text + start);
  return NULL;
}

/* Three cases: ASCII that no token begins with, a word with foreign letters,
 * and a character that belongs in a string. */
int literal_bad_text(Lexer *lexer, const char *text) {
  size_t ascii = 0;
  while (text[ascii] && (text[ascii] & 0x80) == 0)
    ascii++;
  const char *odd = text[ascii] ? text + ascii : text;
  uint32_t code, at = lexer->start + (uint32_t)(odd - text);
  size_t length = character(odd, &code);
  if (code < 0x80)
    length = strlen(text);
  const char *hint = code < 0x80 ? joining_hint(lexer, text) : NULL;
  if (!hint)
    hint = foreign_hint(odd, length);
  if (code < 0x80)
    error_here(lexer, "E0106", hint, "`%s` means nothing here", text);
  else if (!hint && code > 0xBF && code < 0x2000)
    error_here(lexer, "E0106", NULL,
               "`%s` cannot be a name: names are made of the letters A to Z "
               "and a to z, digits and `_`",
               text);
  else
    lexer_error(lexer, at, at + (uint32_t)length, "E0106", hint,
                "the character U+%04X can only stand in strings and comments",
                code);
  return TOKEN_SG_UNDEF;
}
