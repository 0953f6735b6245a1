/* Lines of text whose columns are aligned: what the .sgir printers share.
 *
 * A line is `name : type * scale = body`. Lines of one block are aligned with
 * each other; they are written one after another and laid out at the end,
 * when all widths are known.
 */
#ifndef SG_IR_PRINT_H
#define SG_IR_PRINT_H

#include "ir/ir.h"

/* What a line is, for those who leave lines out. */
typedef enum {
  LINE_OP,      /* one operation, parameter or gradient */
  LINE_OPEN,    /* begins a block: a kernel, or `minimize` */
  LINE_INNER,   /* inside a block, no operation: yield, phase */
  LINE_CLOSE,   /* ends a block */
  LINE_HEADING, /* phase, and the blank line before it */
  LINE_OTHER
} LineRole;

/* Offsets into Lines.text: name in [start, type), type in [type, scale), scale
 * in [scale, body), the rest in [body, end). Empty columns are not printed. */
typedef struct {
  size_t start, type, scale, body, end;
  unsigned block;
  int indent;
  bool aligned; /* false: the body is the whole line */
  LineRole role;
  ValueId id;   /* OP: its node; OPEN of `minimize`: the loss; else 0 */
  Phase phase;  /* under whose heading it stands */
  bool hidden;  /* not printed */
  bool comment; /* printed behind `# ` */
  size_t note, note_end; /* in Lines.notes: comment lines below it */
} Line;

typedef struct {
  Buffer text, notes;
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
/* Empties the list. */
void lines_free(Lines *lines);

/* `train @fit(inputs) -> (results) settings`. */
void entry_print_head(Buffer *out, const Program *program, const Graph *graph);
/* The lines of one graph, not yet laid out. */
void graph_lines(Lines *lines, const Program *program, const Graph *graph,
                 const PrintOptions *options);
/* The lines of the parameters that the options select. */
void parameter_lines(Lines *lines, const Program *program,
                     const PrintOptions *options);
/* The text of column [from, to) of a line. */
static inline const char *line_column(const Lines *lines, size_t from) {
  return lines->text.data + from;
}

/* ---- excerpts (print_select.c, print_fold.c) ----------------------------- */

/* Do the options leave anything out? */
bool print_is_excerpt(const PrintOptions *options);
/* Hides what no filter and no phase selects; what feeds a selected value
 * becomes a comment. */
void lines_select(Lines *lines, const Program *program, const Graph *graph,
                  const PrintOptions *options);
/* 1: parameter `index` is selected; -1: it only feeds what is; 0: neither. */
int param_selected(const Program *program, int index,
                   const PrintOptions *options);
/* Hides every line that is as another, but for the index of an array element
 * in its names, and notes on that one what differs. */
void lines_fold(Lines *lines, const Program *program);
/* Comment lines: how many elements each array of modules has. */
void fold_arrays_print(Buffer *out, const Program *program);

/* `text` if it reads as one word or dotted path, else quoted. */
void print_word(Buffer *out, const char *text);
/* The number that `source N` lines and locations give to a source. */
int print_source_number(const Program *program, uint32_t source);

#endif
