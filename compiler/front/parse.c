/* Parsing a text: what may be parsed at all, the token stream that the grammar
 * sees, and the three entry points of ast.h.
 *
 * The stream is the lexer's, repaired where brackets do not match. After a
 * syntax error it jumps to the end of the line, over whole blocks, or to the
 * `}` of the block around it; the grammar's `error` productions rely on that.
 */
#include "compiler/front/parser.h"

#include <inttypes.h>
#include <string.h>

/* ---- what is refused whole ----------------------------------------------- */

/* The length of the UTF-8 character at `text`, 0 if there is none (Unicode 15,
 * table 3-7). `text` ends in a NUL. */
static size_t utf8_length(const unsigned char *text) {
  unsigned char a = text[0], b = a ? text[1] : 0;
  if (a < 0x80)
    return 1;
  if (a < 0xC2 || a > 0xF4 || (b & 0xC0) != 0x80)
    return 0;
  if (a < 0xE0)
    return 2;
  if ((text[2] & 0xC0) != 0x80)
    return 0;
  if (a < 0xF0)
    return (a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F) ? 0 : 3;
  if ((a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F))
    return 0;
  return (text[3] & 0xC0) == 0x80 ? 4 : 0;
}

/* What is wrong with the character at `text`, or NULL; its length in *length
 * (0 if it is not UTF-8). */
static const char *byte_fault(const unsigned char *text, size_t *length) {
  static const char white[] = "\t\n\r\f";
  *length = utf8_length(text);
  if (*length == 0)
    return "this text is not UTF-8";
  if (text[0] == 0)
    return "a program is text and holds no NUL byte";
  if ((text[0] < 0x20 && !memchr(white, text[0], sizeof white - 1)) ||
      text[0] == 0x7F)
    return "a program is text and holds no control characters";
  return NULL;
}

/* Reports the first reason why this text cannot be a program. */
static bool source_refused(const Sources *sources, uint32_t number,
                           Diagnostics *diagnostics) {
  const Source *source = sources_get(sources, number);
  const Limits *limits = &sources->limits;
  if (!source->builtin &&
      (int64_t)source->length > limits->of[LIMIT_file_bytes]) {
    diagnose_error(diagnostics, (Span){number, 0, 1}, "E0119",
                   "%s has %zu bytes; a source file has at most %" PRId64
                   " (`--max-file-bytes`)",
                   source->name, source->length, limits->of[LIMIT_file_bytes]);
    return true;
  }
  size_t length;
  for (size_t i = 0; i < source->length; i += length) {
    const unsigned char *text = (const unsigned char *)source->text + i;
    const char *fault = byte_fault(text, &length);
    if (fault) {
      Span span = {number, (uint32_t)i, (uint32_t)i + 1};
      diagnose_error(diagnostics, span, "E0111",
                     "%s: the byte 0x%02X at offset %zu", fault, text[0], i);
      return true;
    }
  }
  return false;
}

/* ---- the stream ---------------------------------------------------------- */

/* `token` comes before everything else that is still to come. */
static void unread(Parser *parser, Token token) {
  vec_push(&parser->queue, token);
}

/* A token that the text does not hold, put in to mend the stream. If it does
 * not fit, its cause has been reported already. */
static Token silent_token(int kind, Span span) {
  return (Token){.kind = kind, .span = span, .silent = true};
}

/* Parentheses that the lexer gave up: the grammar will stumble over this
 * token, but the message is about the bracket. */
static void check_parens(Parser *parser, Token *token) {
  Lexer *lexer = &parser->lexer;
  if (!lexer->unclosed.kind)
    return;
  unclosed_report(parser, lexer->unclosed, token->span,
                  token->kind == TOKEN_YYEOF ? "the text ends here"
                                             : "it should be closed by here");
  lexer->unclosed.kind = 0;
  token->silent = true;
}

/* Closes the innermost `count` blocks, which are open at `token`, so that the
 * grammar can finish them: hands out as many `}` and then the token. */
static Token close_blocks(Parser *parser, size_t count, Token token) {
  unread(parser, token);
  Token close = silent_token(TOKEN_RBRACE, token.span);
  for (size_t i = 1; i < count; i++)
    unread(parser, close);
  parser->lexer.brackets.length -= count;
  return close;
}

/* The next token of the mended stream. At the end of the text all open
 * blocks are closed, so the grammar always comes to its own end. */
static Token fetch(Parser *parser) {
  if (parser->queue.length)
    return vec_pop(&parser->queue);
  Lexer *lexer = &parser->lexer;
  Token token = lexer_next(lexer);
  check_parens(parser, &token);
  if (token.kind != TOKEN_YYEOF || lexer->brackets.length == 0)
    return token;
  if (!token.silent)
    unclosed_report(parser, lexer->brackets.data[lexer->brackets.length - 1],
                    (Span){0}, NULL);
  token.silent = true;
  return close_blocks(parser, lexer->brackets.length, token);
}

Token parser_peek(Parser *parser) {
  Token token = fetch(parser);
  unread(parser, token);
  return token;
}

/* 1-based, in bytes. */
static uint32_t token_column(const Parser *parser, const Token *token) {
  return source_place(parser->lexer.source, token->span.start).column;
}

/* In parentheses, a line that begins no further right than the one where they
 * were opened is taken for a new statement. */
static bool line_leaves_parens(const Parser *parser, const Token *token) {
  const Lexer *lexer = &parser->lexer;
  if (!token->first || !lexer_in_parens(lexer))
    return false;
  size_t i = lexer->brackets.length;
  while (i > 1 && lexer->brackets.data[i - 2].kind != TOKEN_LBRACE)
    i--;
  return token_column(parser, token) <= lexer->brackets.data[i - 1].indent + 1;
}

/* Every mark that joins what stands on both sides of it. `not` and the
 * brackets are missing: they may begin an expression. */
bool token_is_operator(int kind) {
  switch (kind) {
  case TOKEN_OR:
  case TOKEN_AND:
  case TOKEN_LT:
  case TOKEN_GT:
  case TOKEN_LE:
  case TOKEN_GE:
  case TOKEN_EQ:
  case TOKEN_NE:
  case TOKEN_PLUS:
  case TOKEN_MINUS:
  case TOKEN_STAR:
  case TOKEN_SLASH:
  case TOKEN_FLOORDIV:
  case TOKEN_PERCENT:
  case TOKEN_POW:
  case TOKEN_DOT:
  case TOKEN_DOTSTAR:
  case TOKEN_DOTSTARS:
  case TOKEN_ARROW:
  case TOKEN_ASSIGN:
  case TOKEN_COLON:
  case TOKEN_COMMA:
  case TOKEN_QUESTION:
  case TOKEN_WINDOW:
    return true;
  default:
    return false;
  }
}

/* True if the line after a newline can only belong to the one before it. */
static bool line_goes_on(Parser *parser) {
  Token next = parser_peek(parser);
  return next.first &&
         (next.kind == TOKEN_LBRACE || token_is_operator(next.kind));
}

/* The end of the line, or the `}` of the block, in which the error stands;
 * blocks that begin in between are passed over. */
static Token skip(Parser *parser) {
  for (unsigned depth = 0;;) {
    Token token = fetch(parser);
    if (line_leaves_parens(parser, &token)) {
      unread(parser, token);
      lexer_drop_parens(&parser->lexer);
      token = silent_token(TOKEN_NL, token.span);
    }
    if (token.kind == TOKEN_YYEOF)
      return token;
    if (depth == 0 && token.kind == TOKEN_RBRACE)
      return token;
    if (depth == 0 && token.kind == TOKEN_NL &&
        !lexer_in_parens(&parser->lexer) && !line_goes_on(parser))
      return token;
    depth += token.kind == TOKEN_LBRACE;
    depth -= token.kind == TOKEN_RBRACE;
  }
}

/* The start symbol, then the stream; after an error, first the jump. Lexical
 * errors in what is jumped over belong to the same cause and stay unsaid. */
static Token next_token(Parser *parser) {
  if (parser->start) {
    Token token = {.kind = parser->start};
    parser->start = 0;
    return token;
  }
  if (!parser->skipping)
    return fetch(parser);
  parser->lexer.quiet = true;
  Token token = skip(parser);
  parser->lexer.quiet = parser->skipping = false;
  return token;
}

/* Back at the margin of a header without a body, its lines are over. */
static void end_bodiless(Parser *parser, const Token *token) {
  Lexer *lexer = &parser->lexer;
  if (lexer->bodiless && token->first && token->kind != TOKEN_ELSE &&
      token_column(parser, token) <= lexer->bodiless)
    lexer->bodiless = 0;
}

/* bison's scanner. Remembers the last tokens, which tell the slips apart. */
int sg_lex(SG_STYPE *value, Span *span, Parser *parser) {
  Token token = next_token(parser);
  end_bodiless(parser, &token);
  memmove(parser->recent + 1, parser->recent,
          sizeof parser->recent - sizeof *parser->recent);
  parser->recent[0] = token;
  *value = token.value;
  *span = token.span;
  return token.kind;
}

/* ---- errors -------------------------------------------------------------- */

/* Words that begin items and members, and nothing else. */
static bool begins_definition(int kind) {
  return kind == TOKEN_FN || kind == TOKEN_CONST || kind == TOKEN_IMPORT ||
         kind == TOKEN_AT ||
         (kind >= TOKEN_MODULE && kind <= TOKEN_STATE);
}

/* Indentation decides, here only: the text is wrong in any case. */
size_t parser_blocks_cut(const Parser *parser) {
  const Token *token = &parser->recent[0];
  const Lexer *lexer = &parser->lexer;
  if (!token->first || !begins_definition(token->kind) ||
      lexer_in_parens(lexer))
    return 0;
  size_t kept = lexer->brackets.length;
  uint32_t column = token_column(parser, token);
  while (kept && lexer->brackets.data[kept - 1].indent + 1 >= column)
    kept--;
  return lexer->brackets.length - kept;
}

/* `x = y *` before a line that begins with `return`. */
bool parser_line_unfinished(const Parser *parser) {
  const Token *token = &parser->recent[0], *before = &parser->recent[1];
  bool keyword = token->kind >= TOKEN_FN && token->kind <= TOKEN_REPEAT;
  bool fresh = before->kind == TOKEN_NL || before->kind == TOKEN_LBRACE ||
               before->kind == TOKEN_RBRACE || before->kind < TOKEN_NL;
  return token->first && keyword && !fresh && !lexer_in_parens(&parser->lexer);
}

/* The grammar drops the newest token, so whatever it should still see is
 * unread here. */
void parser_syntax_error(Parser *parser, const int *expected, int count) {
  Token token = parser->recent[0];
  size_t cut = parser_blocks_cut(parser);
  if (!token.silent)
    syntax_error_report(&(Misfit){parser, expected, count});
  unread(parser, token);
  if (cut)
    unread(parser,
           close_blocks(parser, cut, silent_token(TOKEN_NL, token.span)));
  else if (parser_line_unfinished(parser))
    unread(parser, silent_token(TOKEN_NL, token.span));
  else
    parser->skipping = true;
}

/* Whatever is left of the text would be nested as deeply, so nothing more of
 * it is read. */
void parser_too_deep(Parser *parser, Span span) {
  Lexer *lexer = &parser->lexer;
  if (lexer->refused)
    return;
  syntax_report(parser, span, "E0110",
                "give a part of it a name on a line of its own",
                "this is nested deeper than %" PRId64
                " levels (`--max-nesting`)",
                lexer->limits->of[LIMIT_nesting]);
  lexer_refuse(lexer);
}

/* ---- entry points -------------------------------------------------------- */

/* False if the text was refused whole. The tokens' memory is gone afterwards,
 * the tree is in `arena`. */
static bool parse(Parser *parser, Arena *arena, Interner *interner,
                  const Sources *sources, uint32_t source,
                  Diagnostics *diagnostics, int start) {
  *parser =
      (Parser){.arena = arena, .diagnostics = diagnostics, .start = start};
  if (source_refused(sources, source, diagnostics))
    return false;
  lexer_init(&parser->lexer, arena, interner, sources, source, diagnostics);
  sg_parse(parser);
  lexer_free(&parser->lexer);
  vec_free(&parser->queue);
  return true;
}

File *parse_file(Arena *arena, Interner *interner, const Sources *sources,
                 uint32_t source, Diagnostics *diagnostics) {
  Parser parser;
  if (!parse(&parser, arena, interner, sources, source, diagnostics,
             TOKEN_START_FILE))
    return NULL;
  File *file = NEW(arena, File);
  *file = (File){source, item_first(parser.items),
                 parser.lost || parser.lexer.refused};
  return file;
}

/* Parses a text given on the command line; false after any error. */
static bool parse_text(Parser *parser, Arena *arena, Interner *interner,
                       Sources *sources, const char *origin, const char *text,
                       Diagnostics *diagnostics, int start) {
  unsigned errors = diagnostics_errors(diagnostics);
  uint32_t source = sources_add(sources, origin, text, strlen(text), false);
  return parse(parser, arena, interner, sources, source, diagnostics, start) &&
         diagnostics_errors(diagnostics) == errors;
}

Expr *parse_expr_text(Arena *arena, Interner *interner, Sources *sources,
                      const char *origin, const char *text,
                      Diagnostics *diagnostics) {
  Parser parser;
  bool good = parse_text(&parser, arena, interner, sources, origin, text,
                         diagnostics, TOKEN_START_EXPR);
  return good ? parser.expr : NULL;
}

RuleExpr *parse_rule_text(Arena *arena, Interner *interner, Sources *sources,
                          const char *origin, const char *text,
                          Diagnostics *diagnostics) {
  Parser parser;
  bool good = parse_text(&parser, arena, interner, sources, origin, text,
                         diagnostics, TOKEN_START_RULE);
  return good ? parser.rule : NULL;
}

/* ---- tokens -------------------------------------------------------------- */

/* The second column of --emit=tokens. */
static const char *token_class(int kind) {
  switch (kind) {
  case TOKEN_YYEOF:
    return "end";
  case TOKEN_NL:
    return "newline";
  case TOKEN_ID:
    return "name";
  case TOKEN_INT:
    return "integer";
  case TOKEN_FLOAT:
    return "number";
  case TOKEN_STRING:
    return "string";
  case TOKEN_SG_UNDEF:
    return "error";
  default:
    return kind >= TOKEN_FN && kind <= TOKEN_REPEAT ? "word" : "mark";
  }
}

/* One line; ends of lines and of the text show no text of their own. */
static void token_print(Buffer *out, const Source *source, const Token *token) {
  Place place = source_place(source, token->span.start);
  buffer_printf(out, "%u:%u %s", place.line, place.column,
                token_class(token->kind));
  if (token->kind != TOKEN_NL && token->kind != TOKEN_YYEOF) {
    buffer_char(out, ' ');
    buffer_add(out, source->text + token->span.start,
               token->span.end - token->span.start);
  }
  buffer_char(out, '\n');
}

void tokens_print(Buffer *out, const Sources *sources, uint32_t source,
                  Interner *interner, Diagnostics *diagnostics) {
  const Source *text = sources_get(sources, source);
  if (source_refused(sources, source, diagnostics))
    return;
  Arena *arena = arena_new();
  Lexer lexer;
  lexer_init(&lexer, arena, interner, sources, source, diagnostics);
  Token token;
  do {
    token = lexer_next(&lexer);
    token_print(out, text, &token);
  } while (token.kind != TOKEN_YYEOF);
  lexer_free(&lexer);
  arena_free(arena);
}
