/* Blanks within a line: commas and binary operators have them, brackets, dots
 * and ranges do not; `:` stands tight in an index, between blanks in a recipe,
 * and before one blank elsewhere.
 */
#include "compiler/front/format.h"

/* Soft words are keywords where a statement begins, unless what follows makes
 * a name of them. */
static bool is_keyword(const Pieces *pieces, int i) {
  const Piece *piece = &pieces->data[i];
  if (piece->kind >= TOKEN_FN && piece->kind <= TOKEN_MINIMIZE)
    return piece->kind != TOKEN_TRUE && piece->kind != TOKEN_FALSE;
  if (piece->kind < TOKEN_MODULE || piece->kind > TOKEN_REPEAT)
    return false;
  bool last = i + 1 == (int)pieces->length;
  int next = last ? 0 : pieces->data[i + 1].kind;
  return piece->statement && next != TOKEN_ASSIGN && next != TOKEN_DOT &&
         next != TOKEN_COMMA && next != TOKEN_COLON;
}

/* May piece `i` be the end of an operand? */
static bool ends_operand(const Pieces *pieces, int i) {
  if (i < 0)
    return false;
  int kind = pieces->data[i].kind;
  switch (kind) {
  case TOKEN_ID:
  case TOKEN_INT:
  case TOKEN_FLOAT:
  case TOKEN_STRING:
  case TOKEN_TRUE:
  case TOKEN_FALSE:
  case TOKEN_RPAREN:
  case TOKEN_RBRACKET:
  case TOKEN_DOTSTAR:
  case TOKEN_DOTSTARS:
    return true;
  default:
    return kind >= TOKEN_MODULE && kind <= TOKEN_REPEAT &&
           !is_keyword(pieces, i);
  }
}

/* A `-` with nothing to its left. */
static bool is_sign(const Pieces *pieces, int i) {
  const Piece *piece = &pieces->data[i];
  return piece->kind == TOKEN_MINUS && !ends_operand(pieces, piece->before);
}

/* Nothing stands before these, whatever is there. */
static bool hugs_left(const Pieces *pieces, int i) {
  int kind = pieces->data[i].kind, before = pieces->data[i].before;
  switch (kind) {
  case TOKEN_COMMA:
  case TOKEN_RPAREN:
  case TOKEN_RBRACKET:
  case TOKEN_DOT:
  case TOKEN_DOTSTAR:
  case TOKEN_DOTSTARS:
  case PIECE_SEMICOLON:
    return true;
  case TOKEN_DOTS:
  case TOKEN_LBRACKET:
    return ends_operand(pieces, before);
  case TOKEN_LPAREN:
    return ends_operand(pieces, before) &&
           pieces->data[before].kind != TOKEN_STRING;
  case TOKEN_COLON:
    return piece_bracket(pieces, i) == TOKEN_LBRACKET
               ? ends_operand(pieces, before)
               : pieces->data[i].item != TOKEN_RECIPE;
  default:
    return false;
  }
}

/* Nothing stands behind these. */
static bool hugs_right(const Pieces *pieces, int i) {
  const Piece *piece = &pieces->data[i];
  switch (piece->kind) {
  case TOKEN_LPAREN:
  case TOKEN_LBRACKET:
  case TOKEN_DOT:
  case TOKEN_DOTS:
  case TOKEN_QUESTION:
    return true;
  case TOKEN_AT:
    return piece->attribute;
  case TOKEN_MINUS:
    return is_sign(pieces, i);
  case TOKEN_COLON:
    return piece_bracket(pieces, i) == TOKEN_LBRACKET;
  default:
    return false;
  }
}

bool piece_spaced(const Pieces *pieces, int i) {
  int before = pieces->data[i].before, kind = pieces->data[i].kind;
  if (before < 0)
    return false;
  bool empty =
      pieces->data[before].kind == TOKEN_LBRACE && kind == TOKEN_RBRACE;
  /* `0..` at the end of a range before `{`, or `[..]`. */
  if (kind == TOKEN_LBRACE)
    return true;
  return !empty && !hugs_left(pieces, i) && !hugs_right(pieces, before);
}
