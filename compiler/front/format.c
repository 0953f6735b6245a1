/* `sgc fmt`: a source in the layout of the house.
 *
 * In: a source that parses. Out: the same tokens and comments, in the same
 * lines but for these: two spaces of indent a block; a block is on one line or
 * opens and closes on lines of its own; `;` ends a line, except in a block on
 * one line; one blank line between items that take several lines, never two.
 * The writer's line breaks stay, as in gofmt. What comes out is parsed again
 * and must give the same tree and the same comments: see source_format.
 */
#include "compiler/front/format.h"

#include <string.h>

/* ---- lines that begin or do not ------------------------------------------ */

/* Does piece `i` begin a line? */
static bool begins_line(const Pieces *pieces, int i) {
  return i == 0 || pieces->data[i].newlines > 0;
}

static void break_before(Pieces *pieces, int i) {
  Piece *piece = &pieces->data[i];
  if (piece->newlines == 0 && piece->kind != PIECE_COMMENT)
    piece->newlines = 1;
}

/* A block that spans lines has its braces at line ends; an empty one has
 * nothing inside. */
static void break_blocks(Pieces *pieces) {
  for (int i = (int)pieces->length - 1; i >= 0; i--) {
    int close = pieces->data[i].match;
    if (pieces->data[i].kind != TOKEN_LBRACE || close < 0)
      continue;
    bool several = false;
    for (int j = i + 1; j <= close && !several; j++)
      several = pieces->data[j].newlines > 0;
    if (close == i + 1) {
      pieces->data[close].newlines = 0;
    } else if (several) {
      break_before(pieces, i + 1);
      break_before(pieces, close);
    }
  }
}

/* ---- blank lines --------------------------------------------------------- */

/* A statement at the top, with the attributes before it. */
typedef struct {
  int head;    /* first piece, comments above it included */
  int start;   /* first token */
  bool single; /* on one line */
  bool plain;  /* nothing above it */
} ItemLayout;

/* The first comment of the group directly above `i`. */
static int comment_head(const Pieces *pieces, int i) {
  while (i > 0 && pieces->data[i].newlines == 1 &&
         pieces->data[i - 1].kind == PIECE_COMMENT &&
         begins_line(pieces, i - 1))
    i--;
  return i;
}

/* Is `i` the core that belongs to the attributes on the line above? */
static bool has_attributes_above(const Pieces *pieces, int i) {
  int at = pieces->data[i].before;
  while (at >= 0 && !pieces->data[at].statement)
    at = pieces->data[at].before;
  if (at < 0 || !pieces->data[at].attribute)
    return false;
  for (int j = at; j < i; j++)
    if (pieces->data[j].kind >= 0 && pieces->data[j].attribute)
      at = j;
  /* Behind the last attribute: its word, and what is in parentheses. */
  int end = at + 1;
  if (end + 1 < i && pieces->data[end + 1].kind == TOKEN_LPAREN)
    end = pieces->data[end + 1].match;
  return pieces->data[i].before == end;
}

static bool begins_item(const Pieces *pieces, int i) {
  const Piece *piece = &pieces->data[i];
  return piece->kind >= 0 && piece->statement && piece->inside < 0 &&
         !has_attributes_above(pieces, i);
}

static ItemLayout item_layout(const Pieces *pieces, int i) {
  ItemLayout item = {comment_head(pieces, i), i, true, false};
  item.plain = item.head == i && !pieces->data[i].attribute;
  for (int j = i + 1; j < (int)pieces->length && !begins_item(pieces, j); j++)
    item.single &=
        pieces->data[j].newlines == 0 ||
        (pieces->data[j].kind == PIECE_COMMENT && pieces->data[j].inside < 0);
  return item;
}

/* Imports stand together, constants and assertions stand together, and so do
 * items of one kind that take a line each. */
static bool same_paragraph(const Pieces *pieces, const ItemLayout *a,
                           const ItemLayout *b) {
  int first = pieces->data[a->start].kind, second = pieces->data[b->start].kind;
  if (first == TOKEN_FROM)
    first = TOKEN_IMPORT;
  if (second == TOKEN_FROM)
    second = TOKEN_IMPORT;
  if (first == TOKEN_ASSERT)
    first = TOKEN_CONST;
  if (second == TOKEN_ASSERT)
    second = TOKEN_CONST;
  return first == second && a->single && b->single && b->plain;
}

static void separate_items(Pieces *pieces) {
  ItemLayout last = {.start = -1};
  for (int i = 0; i < (int)pieces->length; i++) {
    if (!begins_item(pieces, i))
      continue;
    ItemLayout item = item_layout(pieces, i);
    if (last.start >= 0 && !same_paragraph(pieces, &last, &item) &&
        pieces->data[item.head].newlines < 2)
      pieces->data[item.head].newlines = 2;
    last = item;
  }
}

/* ---- indents ------------------------------------------------------------- */

typedef struct {
  const Pieces *pieces;
  FormatLines lines;
  VEC(size_t) open; /* for each open bracket, the line it stands on */
} Formatter;

/* Brackets opened on one line indent once. */
static int bracket_depth(const Formatter *format, size_t brackets) {
  int depth = 0;
  for (size_t i = 0; i < brackets; i++)
    depth += i == 0 || format->open.data[i] != format->open.data[i - 1];
  return depth;
}

static bool closes(int kind) {
  return kind == TOKEN_RPAREN || kind == TOKEN_RBRACKET || kind == TOKEN_RBRACE;
}

/* Levels of a line that begins with piece `i`: closing brackets that lead it
 * are out already; a statement that goes on is in by one. */
static int line_depth(const Formatter *format, int i) {
  const Pieces *pieces = format->pieces;
  size_t brackets = format->open.length;
  bool in_block =
      piece_bracket(pieces, i) == 0 || piece_bracket(pieces, i) == TOKEN_LBRACE;
  bool continued = in_block && !pieces->data[i].statement &&
                   !closes(pieces->data[i].kind);
  for (int j = i; j < (int)pieces->length && brackets; j++) {
    if (!closes(pieces->data[j].kind) || (j > i && begins_line(pieces, j)))
      break;
    brackets--;
  }
  return bracket_depth(format, brackets) + continued;
}

static FormatLine *last_line(Formatter *format) {
  return &format->lines.line.data[format->lines.line.length - 1];
}

/* Blank lines stand between pieces, not after `{` nor before `}`. */
static bool wants_blank(const Pieces *pieces, int i) {
  const Piece *piece = &pieces->data[i];
  return i > 0 && piece->newlines > 1 && !closes(piece->kind) &&
         pieces->data[i - 1].kind != TOKEN_LBRACE &&
         pieces->data[i - 1].kind != TOKEN_LPAREN &&
         pieces->data[i - 1].kind != TOKEN_LBRACKET;
}

static void begin_line(Formatter *format, int i) {
  const Pieces *pieces = format->pieces;
  FormatLine line = {.start = format->lines.text.length,
                     .blank = wants_blank(pieces, i),
                     .block = pieces->data[i].inside};
  vec_push(&format->lines.line, line);
  buffer_printf(&format->lines.text, "%*s", 2 * line_depth(format, i), "");
}

/* ---- pieces -------------------------------------------------------------- */

/* Is piece `i` the mark that its block aligns? */
static bool is_column(const Pieces *pieces, int i) {
  const Piece *piece = &pieces->data[i];
  if (piece->inside < 0 || pieces->data[piece->inside].inside >= 0 ||
      pieces->data[piece->inside].kind != TOKEN_LBRACE)
    return false;
  return (piece->item == TOKEN_RECIPE && piece->kind == TOKEN_COLON) ||
         (piece->item == TOKEN_DATASET && piece->kind == TOKEN_ASSIGN) ||
         (piece->item == TOKEN_WEIGHTS && piece->kind == TOKEN_ARROW);
}

static void put_piece(Formatter *format, int i) {
  const Piece *piece = &format->pieces->data[i];
  Buffer *text = &format->lines.text;
  if (begins_line(format->pieces, i)) {
    begin_line(format, i);
  } else if (piece->kind == PIECE_COMMENT) {
    last_line(format)->comment = text->length;
  } else {
    if (is_column(format->pieces, i) && last_line(format)->column == 0)
      last_line(format)->column = text->length;
    if (piece_spaced(format->pieces, i))
      buffer_char(text, ' ');
  }
  buffer_add(text, piece->text, piece->length);
  last_line(format)->end = text->length;
  if (piece->kind == TOKEN_LPAREN || piece->kind == TOKEN_LBRACKET ||
      piece->kind == TOKEN_LBRACE)
    vec_push(&format->open, format->lines.line.length);
  else if (closes(piece->kind) && format->open.length)
    format->open.length--;
}

static void format_pieces(Buffer *out, const Pieces *pieces) {
  Formatter format = {.pieces = pieces};
  for (int i = 0; i < (int)pieces->length; i++)
    put_piece(&format, i);
  format_lines_flush(&format.lines, out);
  vec_free(&format.open);
}

/* ---- the same program ---------------------------------------------------- */

/* Everything a text says: its tree, and its comments in order. */
static bool digest(Buffer *out, Arena *arena, Interner *interner,
                   Sources *sources, uint32_t source,
                   Diagnostics *diagnostics) {
  unsigned errors = diagnostics_errors(diagnostics);
  File *file = parse_file(arena, interner, sources, source, diagnostics);
  if (!file || diagnostics_errors(diagnostics) > errors)
    return false;
  ast_print(out, file);
  Pieces pieces = {0};
  pieces_read(&pieces, arena, interner, sources, source, diagnostics);
  for (size_t i = 0; i < pieces.length; i++)
    if (pieces.data[i].kind == PIECE_COMMENT)
      buffer_printf(out, "%.*s\n", (int)pieces.data[i].length,
                    pieces.data[i].text);
  vec_free(&pieces);
  return true;
}

static void ignore(void *user, Severity severity, const char *text) {
  (void)user;
  (void)severity;
  (void)text;
}

/* Does `text` say what `before` says? */
static bool same_program(Arena *arena, Interner *interner, const Buffer *text,
                         const Buffer *before) {
  Sources sources;
  sources_init(&sources, arena);
  Diagnostics *quiet = diagnostics_new(arena, &sources, ignore, NULL);
  uint32_t source =
      sources_add(&sources, "<formatted>", text->data ? text->data : "",
                  text->length, false);
  Buffer after = {0};
  bool same = digest(&after, arena, interner, &sources, source, quiet) &&
              after.length == before->length &&
              (after.length == 0 ||
               memcmp(after.data, before->data, after.length) == 0);
  buffer_free(&after);
  sources_free(&sources);
  return same;
}

FormatResult source_format(Buffer *out, Interner *interner, Sources *sources,
                           uint32_t source, Diagnostics *diagnostics) {
  Arena *arena = arena_new();
  Buffer before = {0};
  FormatResult result = FORMAT_FAILED;
  if (digest(&before, arena, interner, sources, source, diagnostics)) {
    Pieces pieces = {0};
    pieces_read(&pieces, arena, interner, sources, source, diagnostics);
    break_blocks(&pieces);
    separate_items(&pieces);
    format_pieces(out, &pieces);
    vec_free(&pieces);
    result = same_program(arena, interner, out, &before) ? FORMAT_DONE
                                                         : FORMAT_UNSAFE;
  }
  buffer_free(&before);
  arena_free(arena);
  return result;
}
