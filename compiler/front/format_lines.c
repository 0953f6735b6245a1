/* Columns: in neighbouring lines of a recipe, dataset or map of weights the
 * middle mark is aligned, and so are trailing comments. */
#include "compiler/front/format.h"

enum {
  COLUMN_LIMIT = 72,  /* longer left sides stand alone */
  COMMENT_LIMIT = 80, /* and so do comments of longer lines */
};

/* Terminal columns of text [from, to). */
static size_t width(const FormatLines *lines, size_t from, size_t to) {
  size_t count = 0;
  for (size_t i = from; i < to; i++)
    count += ((unsigned char)lines->text.data[i] & 0xc0) != 0x80;
  return count;
}

/* Columns before the aligned mark, or 0 if the line takes no part. */
static size_t column_width(const FormatLines *lines, const FormatLine *line) {
  size_t columns = line->column ? width(lines, line->start, line->column) : 0;
  return columns <= COLUMN_LIMIT ? columns : 0;
}

/* Do lines i - 1 and i stand together? */
static bool follows(const FormatLines *lines, size_t i) {
  return i > 0 && !lines->line.data[i].blank &&
         lines->line.data[i].block == lines->line.data[i - 1].block;
}

/* The width each line's left side is padded to; 0: as it is. */
static void align_columns(const FormatLines *lines, size_t *padded) {
  size_t count = lines->line.length;
  for (size_t first = 0, last; first < count; first = last) {
    size_t widest = 0;
    for (last = first; last < count && (last == first || follows(lines, last));
         last++) {
      size_t columns = column_width(lines, &lines->line.data[last]);
      widest = columns > widest ? columns : widest;
    }
    for (size_t i = first; i < last; i++)
      padded[i] = column_width(lines, &lines->line.data[i]) ? widest : 0;
  }
}

/* Columns of the code of a line, once its column is padded. */
static size_t code_width(const FormatLines *lines, size_t i, size_t padded) {
  const FormatLine *line = &lines->line.data[i];
  size_t end = line->comment ? line->comment : line->end;
  size_t columns = width(lines, line->start, end);
  return padded ? columns + padded - column_width(lines, line) : columns;
}

static void align_comments(const FormatLines *lines, const size_t *padded,
                           size_t *comment) {
  size_t count = lines->line.length;
  const FormatLine *line = lines->line.data;
  for (size_t first = 0, last; first < count; first = last) {
    size_t widest = 0;
    for (last = first; last < count && line[last].comment &&
                       (last == first || !line[last].blank);
         last++) {
      size_t columns = code_width(lines, last, padded[last]);
      if (columns <= COMMENT_LIMIT && columns > widest)
        widest = columns;
    }
    for (size_t i = first; i < last; i++)
      comment[i] = widest;
    last += last == first;
  }
}

static void put_line(Buffer *out, const FormatLines *lines, size_t i,
                     size_t padded, size_t comment) {
  const FormatLine *line = &lines->line.data[i];
  const char *text = lines->text.data;
  size_t at = line->start, code = code_width(lines, i, padded);
  if (line->blank)
    buffer_char(out, '\n');
  if (padded) {
    size_t gap = padded - column_width(lines, line);
    buffer_add(out, text + at, line->column - at);
    buffer_printf(out, "%*s", (int)gap, "");
    at = line->column;
  }
  size_t end = line->comment ? line->comment : line->end;
  buffer_add(out, text + at, end - at);
  if (line->comment) {
    size_t gap = comment > code ? comment - code : 0;
    buffer_printf(out, "%*s", (int)gap + 2, "");
    buffer_add(out, text + line->comment, line->end - line->comment);
  }
  buffer_char(out, '\n');
}

void format_lines_flush(FormatLines *lines, Buffer *out) {
  size_t count = lines->line.length;
  Arena *arena = arena_new();
  size_t *padded = NEW_ARRAY(arena, size_t, count + 1);
  size_t *comment = NEW_ARRAY(arena, size_t, count + 1);
  align_columns(lines, padded);
  align_comments(lines, padded, comment);
  for (size_t i = 0; i < count; i++)
    put_line(out, lines, i, padded[i], comment[i]);
  vec_free(&lines->line);
  buffer_free(&lines->text);
  arena_free(arena);
}
