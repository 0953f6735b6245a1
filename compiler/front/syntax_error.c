/* Syntax errors in words.
 *
 * In: the token that did not fit and the tokens that would have, which LAC
 * makes exact. Out: "expected a name or `(`, found `)`". Sets of tokens that
 * have a name of their own (what begins an expression, a statement, a type)
 * are called by it, so the list stays short.
 */
#include "compiler/front/parser.h"

#include <string.h>

/* ---- one token ----------------------------------------------------------- */

enum { QUOTED_MAX = 40 };

/* The text in arena memory, for use between backquotes. */
const char *token_source(const Parser *parser, const Token *token) {
  size_t length = token->span.end - token->span.start;
  const char *text = parser->lexer.source->text + token->span.start;
  bool cut = length > QUOTED_MAX;
  if (cut)
    length = QUOTED_MAX;
  while (cut && length && (text[length] & 0xC0) == 0x80)
    length--;
  return arena_printf(parser->arena, "%.*s%s", (int)length, text,
                      cut ? "..." : "");
}

/* What was found, as the reader sees it. */
static const char *found_words(const Parser *parser, const Token *token) {
  switch (token->kind) {
  case TOKEN_YYEOF:
    return "the end of the text";
  case TOKEN_NL:
    return parser->lexer.source->text[token->span.start] == ';'
               ? "`;`"
               : "the end of the line";
  case TOKEN_STRING:
    return "a string";
  default:
    break;
  }
  const char *class = token->kind == TOKEN_ID      ? "the name "
                      : token->kind == TOKEN_INT   ? "the number "
                      : token->kind == TOKEN_FLOAT ? "the number "
                      : token->kind >= TOKEN_FN && token->kind <= TOKEN_REPEAT
                          ? "the keyword "
                          : "";
  return arena_printf(parser->arena, "%s`%s`", class,
                      token_source(parser, token));
}

/* What could have stood there, when no group covers it. */
static const char *expected_words(const Parser *parser, int kind) {
  switch (kind) {
  case TOKEN_YYEOF:
    return "the end of the text";
  case TOKEN_NL:
  case TOKEN_INT:
  case TOKEN_FLOAT:
  case TOKEN_STRING:
  case TOKEN_ID:
    return token_text(kind);
  default:
    return arena_printf(parser->arena, "`%s`", token_text(kind));
  }
}

/* ---- sets of tokens ------------------------------------------------------ */

#define EXPRESSION                                                             \
  TOKEN_INT, TOKEN_FLOAT, TOKEN_STRING, TOKEN_TRUE, TOKEN_FALSE, TOKEN_ID,     \
      TOKEN_LPAREN, TOKEN_LBRACKET, TOKEN_MINUS, TOKEN_NOT
#define SOFT_WORDS                                                             \
  TOKEN_MODULE, TOKEN_OPTIMIZER, TOKEN_MODEL, TOKEN_RECIPE, TOKEN_DATASET,     \
      TOKEN_WEIGHTS, TOKEN_ENTRY, TOKEN_TRAIN, TOKEN_EVAL, TOKEN_GENERATE,     \
      TOKEN_FROM, TOKEN_PARAM, TOKEN_STATE, TOKEN_AS, TOKEN_OVER, TOKEN_WITH,  \
      TOKEN_REPORT, TOKEN_REPEAT
#define OPERATORS                                                              \
  TOKEN_PLUS, TOKEN_MINUS, TOKEN_STAR, TOKEN_SLASH, TOKEN_FLOORDIV,            \
      TOKEN_PERCENT, TOKEN_POW, TOKEN_AT, TOKEN_AND, TOKEN_OR

enum { GROUP_MAX = 32 };

/* If all of `all` could stand there, they and any of `also` are said in one
 * phrase, or go unsaid if it has none. Lists end in 0. Earlier groups are
 * tried first. */
typedef struct {
  const char *phrase;
  int all[GROUP_MAX], also[GROUP_MAX];
} Group;

static const char operator_phrase[] = "an operator";

static const Group groups[] = {
    {"an item (`fn`, `module`, `entry`, ...)",
     {TOKEN_IMPORT, TOKEN_FROM, TOKEN_CONST, TOKEN_FN, TOKEN_MODULE},
     {TOKEN_ASSERT, TOKEN_OPTIMIZER, TOKEN_MODEL, TOKEN_RECIPE, TOKEN_DATASET,
      TOKEN_WEIGHTS, TOKEN_ENTRY, TOKEN_TRAIN, TOKEN_EVAL, TOKEN_GENERATE,
      TOKEN_AT}},
    {"a statement",
     {TOKEN_ID, TOKEN_RETURN, TOKEN_IF, TOKEN_FOR, TOKEN_REPORT},
     {TOKEN_REPEAT, TOKEN_ASSERT, TOKEN_MINIMIZE, TOKEN_AT}},
    {"a member (`param`, `fn`, a name, ...)",
     {TOKEN_ID, TOKEN_PARAM, TOKEN_STATE, TOKEN_FN, TOKEN_IF},
     {TOKEN_ASSERT, TOKEN_AT}},
    {"an argument", {EXPRESSION, SOFT_WORDS}, {0}},
    {"a size", {EXPRESSION, TOKEN_QUESTION, TOKEN_DOTS}, {0}},
    {"an index", {EXPRESSION, TOKEN_COLON, TOKEN_DOTS}, {0}},
    {"an expression", {EXPRESSION}, {0}},
    {"a type", {TOKEN_ID, TOKEN_LPAREN, TOKEN_LBRACKET}, {0}},
    {"a name", {TOKEN_ID, SOFT_WORDS}, {0}},
    {NULL, {TOKEN_DOTSTAR, TOKEN_DOTSTARS}, {TOKEN_DOT, TOKEN_LBRACKET}},
    {operator_phrase,
     {OPERATORS},
     {TOKEN_LT, TOKEN_GT, TOKEN_LE, TOKEN_GE, TOKEN_EQ, TOKEN_NE, TOKEN_DOT,
      TOKEN_LPAREN, TOKEN_LBRACKET}},
};

/* True if `kind` would have fitted. */
bool misfit_expects(const Misfit *misfit, int kind) {
  for (int i = 0; i < misfit->count; i++)
    if (misfit->expected[i] == kind)
      return true;
  return false;
}

enum { KINDS = TOKEN_WINDOW + 1 };

typedef struct {
  bool open[KINDS]; /* expected and not yet said */
  const char *phrase[KINDS];
  int count;
  bool operator; /* "an operator" comes last */
} Phrases;

/* `kinds` ends in 0. */
static bool all_open(const Phrases *phrases, const int *kinds) {
  for (; *kinds; kinds++)
    if (!phrases->open[*kinds])
      return false;
  return true;
}

/* Says the group if it applies, and takes its tokens out of the rest. */
static void say_group(Phrases *phrases, const Group *group) {
  if (!all_open(phrases, group->all))
    return;
  for (const int *kind = group->all; *kind; kind++)
    phrases->open[*kind] = false;
  for (const int *kind = group->also; *kind; kind++)
    phrases->open[*kind] = false;
  if (group->phrase == operator_phrase)
    phrases->operator= true;
  else if (group->phrase)
    phrases->phrase[phrases->count++] = group->phrase;
}

/* The groups in their order, then `,`, then the rest by kind; operators
 * last, for they are rarely what was meant. Where a line may end, so may the
 * text. */
static Phrases expected_phrases(const Misfit *misfit) {
  Phrases phrases = {0};
  for (int i = 0; i < misfit->count; i++)
    phrases.open[misfit->expected[i]] = true;
  if (phrases.open[TOKEN_NL])
    phrases.open[TOKEN_YYEOF] = false;
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
    say_group(&phrases, &groups[i]);
  if (phrases.open[TOKEN_COMMA])
    phrases.phrase[phrases.count++] = "`,`";
  for (int kind = 0; kind < KINDS; kind++)
    if (phrases.open[kind] && kind != TOKEN_COMMA)
      phrases.phrase[phrases.count++] = expected_words(misfit->parser, kind);
  if (phrases.operator)
    phrases.phrase[phrases.count++] = operator_phrase;
  return phrases;
}

/* "a, b or c", in arena memory. */
static const char *joined(Parser *parser, const Phrases *phrases) {
  Buffer out = {0};
  for (int i = 0; i < phrases->count; i++) {
    const char *before = i == 0 ? "" : i + 1 < phrases->count ? ", " : " or ";
    buffer_printf(&out, "%s%s", before, phrases->phrase[i]);
  }
  const char *text = arena_string(parser->arena, out.data, out.length);
  buffer_free(&out);
  return text;
}

/* ---- messages ------------------------------------------------------------ */

/* Inside a text that was given up, and while an error is skipped. */
static bool muted(const Parser *parser) {
  return parser->lexer.quiet || parser->lexer.refused;
}

/* The everyday form: one underlined place. */
void syntax_report(Parser *parser, Span span, const char *code,
                   const char *hint, const char *format, ...) {
  if (muted(parser))
    return;
  Buffer message = {0};
  va_list args;
  va_start(args, format);
  buffer_vprintf(&message, format, args);
  va_end(args);
  Diagnostic diagnostic = {.code = code,
                           .message = message.data,
                           .label = {{span, NULL}},
                           .label_count = 1,
                           .hint = hint};
  diagnose(parser->diagnostics, &diagnostic);
  buffer_free(&message);
}

/* The primary place is the bracket, not where the trouble showed. */
void unclosed_report(Parser *parser, Bracket bracket, Span end,
                     const char *text) {
  if (muted(parser))
    return;
  Diagnostic diagnostic = {.code = "E0103",
                           .message = arena_printf(parser->arena,
                                                   "this `%s` is never closed",
                                                   token_text(bracket.kind)),
                           .label = {{bracket.span, NULL}, {end, text}},
                           .label_count = end.source ? 2 : 1};
  diagnose(parser->diagnostics, &diagnostic);
}

/* The place where the innermost `(` or `[` was opened, unless the reader sees
 * it on the same line anyway. */
static void label_opening(const Parser *parser, Diagnostic *diagnostic) {
  const Lexer *lexer = &parser->lexer;
  if (!lexer_in_parens(lexer))
    return;
  Bracket bracket = lexer->brackets.data[lexer->brackets.length - 1];
  Span here = diagnostic->label[0].span;
  if (source_place(lexer->source, bracket.span.start).line !=
      source_place(lexer->source, here.start).line)
    diagnostic->label[diagnostic->label_count++] =
        (Label){bracket.span, "opened here"};
}

/* The line before is not finished: the rest of it was looked for here. */
static void label_unfinished(const Parser *parser, Diagnostic *diagnostic) {
  if (parser_line_unfinished(parser))
    diagnostic->label[diagnostic->label_count++] =
        (Label){parser->recent[1].span, "this line is not finished"};
}

/* Reserved and soft words alike. */
static bool is_keyword(const Token *token) {
  return token->kind >= TOKEN_FN && token->kind <= TOKEN_REPEAT;
}

/* A word of the language where nothing but a name can stand, or a soft word in
 * an expression. */
static bool keyword_as_name(const Misfit *misfit) {
  const Token *token = &misfit->parser->recent[0];
  bool reserved = token->kind < TOKEN_MODULE;
  return is_keyword(token) && misfit_expects(misfit, TOKEN_ID) &&
         !misfit_expects(misfit, TOKEN_RETURN) &&
         !misfit_expects(misfit, TOKEN_PARAM) &&
         !(reserved && misfit_expects(misfit, TOKEN_INT));
}

/* `@remat` before `return`: only what has a name can have an attribute. */
static bool attribute_of_return(const Misfit *misfit) {
  return misfit->parser->recent[0].kind == TOKEN_RETURN &&
         misfit_expects(misfit, TOKEN_AT) &&
         !misfit_expects(misfit, TOKEN_RETURN);
}

/* Is the token in a line that begins with `word`? */
static bool line_begins_with(const Parser *parser, const Token *token,
                             const char *word) {
  const char *text = parser->lexer.source->text;
  uint32_t start = token->span.start;
  while (start > 0 && text[start - 1] != '\n')
    start--;
  size_t length = strlen(word);
  return strncmp(text + start, word, length) == 0 &&
         text[start + length] == ' ';
}

/* `fn f(x: real) -> (real, real) = x, x` */
static bool body_of_several(const Misfit *misfit) {
  const Parser *parser = misfit->parser;
  const Token *token = &parser->recent[0];
  return token->kind == TOKEN_COMMA && misfit_expects(misfit, TOKEN_NL) &&
         (line_begins_with(parser, token, "fn") ||
          line_begins_with(parser, token, "entry"));
}

/* `entry f[T]` and `entry f[T in 4..8]` */
static const char *entry_sizes_hint(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  const Token *token = &parser->recent[0], *before = &parser->recent[1];
  if (token->kind == TOKEN_RBRACKET && before->kind == TOKEN_ID &&
      misfit->count == 1 && misfit_expects(misfit, TOKEN_IN))
    return arena_printf(parser->arena,
                        "an entry is made for sizes that are listed: "
                        "`[%s in 64, 256]`",
                        token_source(parser, before));
  if (token->kind == TOKEN_DOTS && parser->recent[2].kind == TOKEN_IN &&
      misfit_expects(misfit, TOKEN_RBRACKET))
    return arena_printf(parser->arena, "list the sizes: `in %s, ...`",
                        token_source(parser, before));
  return NULL;
}

/* The smallest edit, where it is plain. */
static const char *plain_hint(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  const Token *token = &parser->recent[0], *before = &parser->recent[1];
  if (attribute_of_return(misfit))
    return "an attribute belongs to a name: `y = ...`, then `return y`";
  if (body_of_several(misfit))
    return "several results need a block: `{ return a, b }`";
  const char *sizes = entry_sizes_hint(misfit);
  if (sizes)
    return sizes;
  if (keyword_as_name(misfit))
    return arena_printf(parser->arena,
                        "`%s` is a word of the language; as a name, write "
                        "`%s_`",
                        token_text(token->kind), token_text(token->kind));
  if (misfit->count == 1 && misfit_expects(misfit, TOKEN_COLON) &&
      token->kind == TOKEN_ID && before->kind == TOKEN_ID)
    return arena_printf(parser->arena, "`%s: %s`", token_source(parser, before),
                        token_source(parser, token));
  return NULL;
}

/* A header that is wrong leaves its block without one. */
static bool outside_of_blocks(const Lexer *lexer) {
  for (size_t i = 0; i < lexer->brackets.length; i++)
    if (lexer->brackets.data[i].kind == TOKEN_LBRACE)
      return false;
  return true;
}

/* Slips have words of their own; all else is said as expected and found. */
void syntax_error_report(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  const Token *token = &parser->recent[0];
  if (muted(parser) || syntax_slip_report(misfit))
    return;
  Phrases phrases = expected_phrases(misfit);
  Diagnostic diagnostic = {.code = "E0101",
                           .message = arena_printf(parser->arena,
                                                   "expected %s, found %s",
                                                   joined(parser, &phrases),
                                                   found_words(parser, token)),
                           .label = {{token->span, NULL}},
                           .label_count = 1,
                           .hint = plain_hint(misfit)};
  label_opening(parser, &diagnostic);
  label_unfinished(parser, &diagnostic);
  diagnose(parser->diagnostics, &diagnostic);
  if (outside_of_blocks(&parser->lexer))
    parser->lexer.bodiless = 1;
}
