/* A source text as pieces: tokens, comments, and where lines ended. */
#include "compiler/front/format.h"

#include <string.h>

/* ---- reading ------------------------------------------------------------- */

/* A comment from `start` to the end of its line, without blanks behind it. */
static uint32_t comment_length(const char *text, size_t left) {
  const char *end = memchr(text, '\n', left);
  size_t length = end ? (size_t)(end - text) : left;
  while (length && strchr(" \t\r\f", text[length - 1]))
    length--;
  return (uint32_t)length;
}

/* The comments in bytes [from, to), which lie between two tokens; returns the
 * line ends behind the last of them. */
static int read_gap(Pieces *pieces, const char *text, uint32_t from,
                    uint32_t to) {
  int newlines = 0;
  for (uint32_t at = from; at < to; at++) {
    if (text[at] == '\n')
      newlines++;
    if (text[at] != '#')
      continue;
    Piece comment = {.kind = PIECE_COMMENT,
                     .text = text + at,
                     .length = comment_length(text + at, to - at),
                     .newlines = newlines};
    vec_push(pieces, comment);
    newlines = 0;
    while (at + 1 < to && text[at + 1] != '\n')
      at++;
  }
  return newlines;
}

static void read_tokens(Pieces *pieces, Lexer *lexer) {
  const char *text = lexer->source->text;
  uint32_t end = lexer->last_end; /* behind a byte order mark */
  bool fresh = true;
  for (;;) {
    Token token = lexer_next(lexer);
    bool last = token.kind == TOKEN_YYEOF;
    bool semicolon = token.kind == TOKEN_NL && text[token.span.start] == ';';
    fresh |= token.kind == TOKEN_NL;
    if (token.kind == TOKEN_NL && !semicolon)
      continue;
    uint32_t start = last ? (uint32_t)lexer->source->length : token.span.start;
    Piece piece = {.kind = semicolon ? PIECE_SEMICOLON : token.kind,
                   .newlines = read_gap(pieces, text, end, start),
                   .text = text + start,
                   .length = semicolon ? 1 : token.span.end - start,
                   .statement =
                       fresh && !semicolon && token.kind != TOKEN_RBRACE};
    if (last)
      return;
    vec_push(pieces, piece);
    end = start + piece.length;
    fresh = semicolon || token.kind == TOKEN_LBRACE;
  }
}

/* ---- brackets ------------------------------------------------------------ */

static bool opens(int kind) {
  return kind == TOKEN_LPAREN || kind == TOKEN_LBRACKET || kind == TOKEN_LBRACE;
}

static bool closes(int kind) {
  return kind == TOKEN_RPAREN || kind == TOKEN_RBRACKET || kind == TOKEN_RBRACE;
}

static void match_brackets(Pieces *pieces) {
  VEC(int) open = {0};
  int before = -1;
  for (int i = 0; i < (int)pieces->length; i++) {
    Piece *piece = &pieces->data[i];
    piece->match = -1;
    piece->before = before;
    if (piece->kind >= 0)
      before = i;
    if (closes(piece->kind) && open.length) {
      piece->match = vec_pop(&open);
      pieces->data[piece->match].match = i;
    }
    piece->inside = open.length ? open.data[open.length - 1] : -1;
    if (opens(piece->kind))
      vec_push(&open, i);
  }
  vec_free(&open);
}

/* Is the innermost bracket around `i` a brace that closes on the same line? */
static bool in_short_block(const Pieces *pieces, int i) {
  int open = pieces->data[i].inside;
  if (open < 0 || pieces->data[open].kind != TOKEN_LBRACE)
    return false;
  for (int j = open + 1; j <= pieces->data[open].match; j++)
    if (pieces->data[j].newlines > 0)
      return false;
  return true;
}

/* A `;` stays between statements of a block on one line; elsewhere it ends the
 * line. */
static void drop_semicolons(Pieces *pieces) {
  Pieces kept = {0};
  bool ended = false;
  for (int i = 0; i < (int)pieces->length; i++) {
    Piece piece = pieces->data[i];
    bool semicolon = piece.kind == PIECE_SEMICOLON;
    bool short_block = semicolon && in_short_block(pieces, i);
    bool stays = short_block && pieces->data[i + 1].kind != TOKEN_RBRACE;
    if (ended && !semicolon && piece.kind != PIECE_COMMENT &&
        piece.newlines == 0)
      piece.newlines = 1;
    ended = semicolon ? ended || !short_block
                      : ended && piece.kind == PIECE_COMMENT;
    if (!semicolon || stays)
      vec_push(&kept, piece);
  }
  vec_free(pieces);
  *pieces = kept;
}

int piece_bracket(const Pieces *pieces, int i) {
  int inside = pieces->data[i].inside;
  return inside < 0 ? 0 : pieces->data[inside].kind;
}

/* ---- attributes and items ------------------------------------------------ */

/* Marks the attributes that begin with the `@` at `i`; returns the index behind
 * them. */
static int mark_attributes(Pieces *pieces, int i) {
  int count = (int)pieces->length;
  while (i < count && pieces->data[i].kind == TOKEN_AT) {
    pieces->data[i].attribute = true;
    i += 2; /* and its word */
    if (i < count && pieces->data[i].kind == TOKEN_LPAREN)
      i = pieces->data[i].match + 1;
  }
  return i;
}

/* The item around each piece is known by its first word. */
static void mark_items(Pieces *pieces) {
  int item = 0;
  for (int i = 0; i < (int)pieces->length; i++) {
    Piece *piece = &pieces->data[i];
    if (piece->kind == TOKEN_AT && piece->statement) {
      int core = mark_attributes(pieces, i);
      if (piece->inside < 0 && core < (int)pieces->length)
        item = pieces->data[core].kind;
    } else if (piece->statement && piece->inside < 0 && piece->kind >= 0) {
      item = piece->kind;
    }
    piece->item = item;
  }
}

/* A comment on a line of its own goes with what follows it. */
static void mark_comments(Pieces *pieces) {
  bool statement = true;
  for (int i = (int)pieces->length - 1; i >= 0; i--) {
    Piece *piece = &pieces->data[i];
    if (piece->kind == PIECE_COMMENT)
      piece->statement = statement;
    else
      statement = piece->statement || piece->kind == TOKEN_RBRACE;
  }
}

void pieces_read(Pieces *pieces, Arena *arena, Interner *interner,
                 const Sources *sources, uint32_t source,
                 Diagnostics *diagnostics) {
  Lexer lexer;
  lexer_init(&lexer, arena, interner, sources, source, diagnostics);
  read_tokens(pieces, &lexer);
  lexer_free(&lexer);
  match_brackets(pieces);
  drop_semicolons(pieces);
  match_brackets(pieces);
  mark_items(pieces);
  mark_comments(pieces);
}
