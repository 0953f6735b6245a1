/* Lines of text whose columns are aligned: what the .sgir printers share.
 *
 * A line is `name : type * scale = body`. Lines of one block are aligned with
 * each other; they are written one after another and laid out at the end,
 * when all widths are known.
 */
#ifndef SG_IR_PRINT_H
#define SG_IR_PRINT_H

#include "ir/ir.h"

/* Offsets into Lines.text: name in [start, type), type in [type, scale), scale
 * in [scale, body), the rest in [body, end). Empty columns are not printed. */
typedef struct {
  size_t start, type, scale, body, end;
  unsigned block;
  int indent;
  bool aligned; /* false: the body is the whole line */
} Line;

typedef struct {
  Buffer text;
  VEC(Line) line;
  unsigned blocks;
} Lines;

/* Starts an aligned line: the caller writes the name to lines->text, then
 * calls the functions below in order, writing one column after each. */
Line *lines_begin(Lines *lines, unsigned block, int indent);
void lines_type(Lines *lines);
void lines_scale(Lines *lines);
void lines_body(Lines *lines);
void lines_end(Lines *lines);
/* Starts a line that is all body; the caller writes and calls lines_end. */
void lines_begin_plain(Lines *lines, int indent);
/* Lays the lines out and empties the list. */
void lines_flush(Lines *lines, Buffer *out);

/* `text` if it reads as one word or dotted path, else quoted. */
void print_word(Buffer *out, const char *text);
/* The number that `source N` lines and locations give to a source. */
int print_source_number(const Program *program, uint32_t source);

#endif
