/* Aligned columns for the .sgir printers: see ir/print.h. */
#include "ir/print.h"

#include <ctype.h>
#include <string.h>

/* Widths of the columns of one block. */
typedef struct {
  size_t name, type, scale;
} Widths;

enum { COMMENT_MARK = 2 }; /* "# " */

static Line *last_line(Lines *lines) {
  return &lines->line.data[lines->line.length - 1];
}

Line *lines_begin(Lines *lines, unsigned block, int indent) {
  Line line = {.block = block,
               .indent = indent,
               .aligned = true,
               .role = LINE_OTHER};
  line.start = line.type = line.scale = line.body = lines->text.length;
  vec_push(&lines->line, line);
  if (block >= lines->blocks)
    lines->blocks = block + 1;
  return last_line(lines);
}

void lines_begin_plain(Lines *lines, int indent) {
  lines_begin(lines, 0, indent)->aligned = false;
}

void lines_type(Lines *lines) {
  Line *line = last_line(lines);
  line->type = line->scale = line->body = lines->text.length;
}

void lines_scale(Lines *lines) {
  Line *line = last_line(lines);
  line->scale = line->body = lines->text.length;
}

void lines_body(Lines *lines) {
  last_line(lines)->body = lines->text.length;
}

void lines_end(Lines *lines) {
  last_line(lines)->end = lines->text.length;
}

static void widen(size_t *width, size_t length) {
  if (*width < length)
    *width = length;
}

/* The widest text of each column of each block. */
static void measure(const Lines *lines, Widths *widths) {
  for (size_t i = 0; i < lines->line.length; i++) {
    const Line *line = &lines->line.data[i];
    if (!line->aligned || line->hidden)
      continue;
    Widths *block = &widths[line->block];
    size_t mark = line->comment ? COMMENT_MARK : 0;
    widen(&block->name, line->type - line->start + mark);
    widen(&block->type, line->scale - line->type);
    widen(&block->scale, line->body - line->scale);
  }
}

/* One column: `lead` before it, spaces behind it; all spaces where the column
 * is empty here but not in other lines of the block. */
static void put_column(Buffer *out, const Lines *lines, const char *lead,
                       size_t from, size_t to, size_t width) {
  if (width == 0)
    return;
  if (from == to)
    buffer_printf(out, "%*s", (int)(strlen(lead) + width), "");
  else
    buffer_printf(out, "%s%.*s%*s", lead, (int)(to - from),
                  lines->text.data + from, (int)(width - (to - from)), "");
}

/* Indent, columns, ` = `, body. A plain line is its body. */
static void put_line(Buffer *out, const Lines *lines, const Line *line,
                     const Widths *widths) {
  buffer_printf(out, "%*s%s", line->indent, "", line->comment ? "# " : "");
  if (line->aligned) {
    const Widths *block = &widths[line->block];
    size_t mark = line->comment ? COMMENT_MARK : 0;
    put_column(out, lines, "", line->start, line->type, block->name - mark);
    put_column(out, lines, " : ", line->type, line->scale, block->type);
    put_column(out, lines, " * ", line->scale, line->body, block->scale);
    buffer_text(out, " = ");
  }
  buffer_add(out, lines->text.data + line->body, line->end - line->body);
  buffer_char(out, '\n');
}

/* Widths are known only when the last line of a block is. */
void lines_flush(Lines *lines, Buffer *out) {
  VEC(Widths) widths = {0};
  for (unsigned block = 0; block < lines->blocks; block++)
    vec_push(&widths, (Widths){0});
  measure(lines, widths.data);
  for (size_t i = 0; i < lines->line.length; i++) {
    const Line *line = &lines->line.data[i];
    if (line->hidden)
      continue;
    put_line(out, lines, line, widths.data);
    if (line->note < line->note_end)
      buffer_add(out, lines->notes.data + line->note,
                 line->note_end - line->note);
  }
  vec_free(&widths);
  lines_free(lines);
}

void lines_free(Lines *lines) {
  vec_free(&lines->line);
  buffer_free(&lines->text);
  buffer_free(&lines->notes);
  lines->blocks = 0;
}

void print_word(Buffer *out, const char *text) {
  bool word = isalpha((unsigned char)*text) || *text == '_';
  for (const char *c = text; *c; c++)
    word = word && (isalnum((unsigned char)*c) || *c == '_');
  if (word)
    buffer_text(out, text);
  else
    buffer_quoted(out, text, strlen(text));
}

int print_source_number(const Program *program, uint32_t source) {
  bool behind = program->text && source > program->text;
  return (int)source - 1 - (behind ? 1 : 0);
}
