/* What the parts of the formatter share. Private to it.
 *
 *   source -- format_pieces.c: tokens and comments with what is known of them
 *          -- format.c: where lines begin, indents, blank lines
 *          -- format_space.c: blanks within a line
 *          -- format_lines.c: columns
 */
#ifndef SG_FRONT_FORMAT_H
#define SG_FRONT_FORMAT_H

#include "compiler/front/parser.h"

enum { PIECE_COMMENT = -1, PIECE_SEMICOLON = -3 };

/* A token, a `#` comment, or a `;` that stays. */
typedef struct {
  int kind; /* TOKEN_..., PIECE_... */
  const char *text;
  uint32_t length;
  int newlines;   /* line ends before it; 2 or more: there is a blank line */
  bool statement; /* begins a statement, member, rule or item */
  bool attribute; /* an `@` that begins an attribute */
  int match;      /* brackets: the index of the partner */
  int inside;     /* index of the innermost bracket around it, or -1 */
  int before;     /* index of the token before it, comments left out, or -1 */
  int item;       /* token kind that began the item around it */
} Piece;

typedef VEC(Piece) Pieces;

/* Reads a source that has been parsed without errors. */
void pieces_read(Pieces *pieces, Arena *arena, Interner *interner,
                 const Sources *sources, uint32_t source,
                 Diagnostics *diagnostics);
/* Is `kind` of the innermost bracket around piece `i`? 0: no bracket. */
int piece_bracket(const Pieces *pieces, int i);
/* Does a blank stand between piece `i` and the token before it? */
bool piece_spaced(const Pieces *pieces, int i);

/* ---- lines --------------------------------------------------------------- */

/* A line under construction: text up to two places that are aligned with those
 * of its neighbours. */
typedef struct {
  size_t start, end; /* in FormatLines.text */
  size_t column;     /* offset of an aligned `:`, `=` or `->`; 0: none */
  size_t comment;    /* offset of a trailing comment; 0: none */
  int block;         /* lines of one block are aligned with each other */
  bool blank;        /* a blank line stands before it */
} FormatLine;

typedef struct {
  Buffer text;
  VEC(FormatLine) line;
} FormatLines;

/* Lays the lines out and empties the list. */
void format_lines_flush(FormatLines *lines, Buffer *out);

#endif
