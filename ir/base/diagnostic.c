/* Diagnostics as small pages (language.md 12.1):
 *
 *   file:line:col: error: what is wrong [E0301]
 *      |
 *   12 |   the source line
 *      |   ---- ^ ---- the labels
 *      = note: why
 *      = hint: the smallest edit that fixes it
 */
#include "ir/base/base.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Enough of a delivered error to recognise its repetition. */
typedef struct {
  Span span;
  const char *message;
} Seen;

struct Diagnostics {
  Arena *arena;
  const Sources *sources;
  DiagnosticSink sink;
  void *user;
  DiagnosticObserver observer; /* instead of the sink, or NULL */
  void *observer_user;
  bool color;
  unsigned limit, errors, hidden;
  WarningSet warnings;
  Seen *seen; /* limit entries */
};

enum { DEFAULT_LIMIT = 20, SEEN_MAX = 256, LINE_MAX_BYTES = 400 };

Diagnostics *diagnostics_new(Arena *arena, const Sources *sources,
                             DiagnosticSink sink, void *user) {
  Diagnostics *diagnostics = NEW(arena, Diagnostics);
  *diagnostics = (Diagnostics){.arena = arena,
                               .sources = sources,
                               .sink = sink,
                               .user = user,
                               .limit = DEFAULT_LIMIT};
  diagnostics->seen = NEW_ARRAY(arena, Seen, SEEN_MAX);
  return diagnostics;
}

void diagnostics_set_color(Diagnostics *diagnostics, bool color) {
  diagnostics->color = color;
}

void diagnostics_set_limit(Diagnostics *diagnostics, unsigned max_errors) {
  diagnostics->limit = max_errors;
}

void diagnostics_observe(Diagnostics *diagnostics, DiagnosticObserver observer,
                         void *user) {
  diagnostics->observer = observer;
  diagnostics->observer_user = user;
}

WarningSet *diagnostics_warnings(Diagnostics *diagnostics) {
  return &diagnostics->warnings;
}

unsigned diagnostics_errors(const Diagnostics *diagnostics) {
  return diagnostics->errors;
}

bool diagnostics_full(const Diagnostics *diagnostics) {
  return diagnostics->errors >= diagnostics->limit;
}

const char *diagnostics_summary(const Diagnostics *diagnostics) {
  unsigned n = diagnostics->errors;
  if (n == 0)
    return "";
  const char *hidden = diagnostics->hidden
                           ? arena_printf(diagnostics->arena, ", %u not shown",
                                          diagnostics->hidden)
                           : "";
  return arena_printf(diagnostics->arena, "%u error%s%s", n, n == 1 ? "" : "s",
                      hidden);
}

/* ---- the picture --------------------------------------------------------- */

typedef struct {
  const Diagnostics *diagnostics;
  Buffer *out;
  int gutter; /* digits of the largest line number shown */
} Page;

static const char *style(const Diagnostics *diagnostics, const char *code) {
  return diagnostics->color ? code : "";
}

static void gutter(const Page *page, uint32_t line) {
  if (line)
    buffer_printf(page->out, "%*u |", page->gutter, line);
  else
    buffer_printf(page->out, "%*s |", page->gutter, "");
}

/* Bytes of source line `line` without its end, cut at LINE_MAX_BYTES. */
static size_t line_text(const Source *source, uint32_t line,
                        const char **text) {
  uint32_t start = source->lines[line - 1];
  *text = source->text + start;
  size_t length = 0;
  while (start + length < source->length && (*text)[length] != '\n' &&
         length < LINE_MAX_BYTES)
    length++;
  while (length && (*text)[length - 1] == '\r')
    length--;
  return length;
}

/* Terminal columns of bytes [0, n): continuation bytes take none, a tab one
 * (it is printed as a space). */
static size_t columns(const char *text, size_t n) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++)
    count += ((unsigned char)text[i] & 0xc0) != 0x80;
  return count;
}

/* Bytes of the UTF-8 sequence at `text`; 0 if it is none. Overlong forms are
 * let through: this is for display. */
static size_t utf8_length(const char *text, size_t left) {
  unsigned char c = (unsigned char)text[0];
  size_t n = c < 0x80   ? 1
             : c < 0xc2 ? 0
             : c < 0xe0 ? 2
             : c < 0xf0 ? 3
             : c < 0xf5 ? 4
                        : 0;
  if (n > left)
    return 0;
  for (size_t i = 1; i < n; i++)
    if (((unsigned char)text[i] & 0xc0) != 0x80)
      return 0;
  return n;
}

static void print_line(const Page *page, const Source *source, uint32_t line) {
  const char *text;
  size_t length = line_text(source, line, &text);
  gutter(page, line);
  if (length)
    buffer_char(page->out, ' ');
  for (size_t i = 0; i < length;) {
    size_t bytes = utf8_length(text + i, length - i);
    unsigned char c = (unsigned char)text[i];
    if (bytes == 0) /* no UTF-8: one replacement character a byte */
      buffer_text(page->out, "\xef\xbf\xbd");
    else if (c < 0x20 || c == 0x7f)
      buffer_char(page->out, ' ');
    else
      buffer_add(page->out, text + i, bytes);
    i += bytes ? bytes : 1;
  }
  buffer_char(page->out, '\n');
}

/* Columns [from, to) that a label covers on its line; at least one. */
static void label_columns(const Source *source, Span span, uint32_t line,
                          size_t *from, size_t *to) {
  const char *text;
  size_t length = line_text(source, line, &text);
  size_t start = span.start - source->lines[line - 1];
  size_t end =
      span.end > span.start ? span.end - source->lines[line - 1] : start + 1;
  if (start > length)
    start = length;
  if (end > length)
    end = length > start ? length : start;
  *from = columns(text, start);
  *to = *from + columns(text + start, end - start);
  if (*to <= *from)
    *to = *from + 1;
}

typedef struct {
  const Label *label;
  size_t from, to;
  bool primary;
} Mark;

/* Sorts marks by column: insertion, there are at most DIAGNOSTIC_LABELS. */
static void sort_marks(Mark *mark, int count) {
  for (int i = 1; i < count; i++)
    for (int j = i; j > 0 && mark[j].from < mark[j - 1].from; j--) {
      Mark swap = mark[j];
      mark[j] = mark[j - 1];
      mark[j - 1] = swap;
    }
}

static void print_underlines(const Page *page, const Mark *mark, int count) {
  size_t column = 0;
  gutter(page, 0);
  buffer_char(page->out, ' ');
  buffer_text(page->out, style(page->diagnostics, "\033[1;31m"));
  for (int i = 0; i < count; i++) {
    for (; column < mark[i].from; column++)
      buffer_char(page->out, ' ');
    for (; column < mark[i].to; column++)
      buffer_char(page->out, mark[i].primary ? '^' : '-');
  }
}

/* The text of the last mark stands beside its underline; the others follow on
 * lines of their own, right to left, so that none crosses another. */
static void print_marks(const Page *page, const Mark *mark, int count) {
  print_underlines(page, mark, count);
  const char *last = mark[count - 1].label->text;
  if (last)
    buffer_printf(page->out, " %s", last);
  buffer_text(page->out, style(page->diagnostics, "\033[0m"));
  buffer_char(page->out, '\n');
  for (int i = count - 2; i >= 0; i--) {
    if (!mark[i].label->text)
      continue;
    gutter(page, 0);
    buffer_char(page->out, ' ');
    for (size_t c = 0; c < mark[i].from; c++)
      buffer_char(page->out, ' ');
    buffer_printf(page->out, "%s\n", mark[i].label->text);
  }
}

/* All labels of `diagnostic` that begin on the given line of the source. */
static int marks_on_line(const Page *page, const Diagnostic *diagnostic,
                         uint32_t number, uint32_t line, Mark *mark) {
  const Source *source = sources_get(page->diagnostics->sources, number);
  int count = 0;
  for (int i = 0; i < diagnostic->label_count; i++) {
    const Label *label = &diagnostic->label[i];
    if (label->span.source != number ||
        source_place(source, label->span.start).line != line)
      continue;
    mark[count] = (Mark){.label = label, .primary = i == 0};
    label_columns(source, label->span, line, &mark[count].from,
                  &mark[count].to);
    count++;
  }
  sort_marks(mark, count);
  return count;
}

typedef struct {
  uint32_t source, line;
} Row;

/* The distinct rows of all labels, those of the primary's file first, by line;
 * returns their number. */
static int label_rows(const Page *page, const Diagnostic *diagnostic,
                      Row *row) {
  int count = 0;
  for (int i = 0; i < diagnostic->label_count; i++) {
    Span span = diagnostic->label[i].span;
    const Source *source = sources_get(page->diagnostics->sources, span.source);
    if (!source)
      continue;
    Row r = {span.source, source_place(source, span.start).line};
    bool known = false;
    for (int j = 0; j < count; j++)
      known |= row[j].source == r.source && row[j].line == r.line;
    if (known)
      continue;
    int at = count++;
    for (;
         at > 0 && row[at - 1].source == r.source && row[at - 1].line > r.line;
         at--)
      row[at] = row[at - 1];
    row[at] = r;
  }
  return count;
}

static int digits(uint32_t n) {
  int count = 1;
  for (; n >= 10; n /= 10)
    count++;
  return count;
}

static void print_picture(Page *page, const Diagnostic *diagnostic) {
  Row row[DIAGNOSTIC_LABELS];
  int count = label_rows(page, diagnostic, row);
  for (int i = 0; i < count; i++)
    if (digits(row[i].line) > page->gutter)
      page->gutter = digits(row[i].line);
  if (count) {
    gutter(page, 0);
    buffer_char(page->out, '\n');
  }
  for (int i = 0; i < count; i++) {
    const Source *source =
        sources_get(page->diagnostics->sources, row[i].source);
    Mark mark[DIAGNOSTIC_LABELS];
    if (i > 0 && row[i].source != row[i - 1].source) {
      gutter(page, 0);
      buffer_printf(page->out, " %s:\n", source->name);
    } else if (i > 0 && row[i].line > row[i - 1].line + 1) {
      buffer_text(page->out, "...\n");
    }
    print_line(page, source, row[i].line);
    int marks =
        marks_on_line(page, diagnostic, row[i].source, row[i].line, mark);
    if (marks)
      print_marks(page, mark, marks);
  }
}

/* [E0301], [W0511 -Wrange], or what made the warning an error. */
static void print_code(Buffer *out, const Diagnostic *diagnostic) {
  if (!diagnostic->code)
    return;
  const DiagnosticInfo *info = diagnostic_info(diagnostic->code);
  buffer_printf(out, " [%s", diagnostic->code);
  if (info && info->warning)
    buffer_printf(
        out, diagnostic->severity == SEVERITY_ERROR ? " -Werror=%s" : " -W%s",
        info->warning);
  buffer_char(out, ']');
}

static void print_head(const Page *page, const Diagnostic *diagnostic) {
  static const char *const word[] = {"error", "warning", "remark"};
  const Diagnostics *diagnostics = page->diagnostics;
  if (diagnostic->label_count > 0) {
    Span span = diagnostic->label[0].span;
    const Source *source = sources_get(diagnostics->sources, span.source);
    if (source) {
      Place place = source_place(source, span.start);
      buffer_printf(page->out, "%s:%u:%u: ", source->name, place.line,
                    place.column);
    }
  }
  buffer_printf(page->out, "%s%s:%s %s",
                style(diagnostics, diagnostic->severity == SEVERITY_ERROR
                                       ? "\033[1;31m"
                                       : "\033[1;35m"),
                word[diagnostic->severity], style(diagnostics, "\033[0m"),
                diagnostic->message);
  print_code(page->out, diagnostic);
  buffer_char(page->out, '\n');
}

static void print_page(const Diagnostics *diagnostics, Buffer *out,
                       const Diagnostic *diagnostic) {
  Page page = {diagnostics, out, 2};
  print_head(&page, diagnostic);
  print_picture(&page, diagnostic);
  for (int i = 0; i < diagnostic->note_count; i++)
    buffer_printf(out, "%*s = note: %s\n", page.gutter, "",
                  diagnostic->note[i]);
  if (diagnostic->hint)
    buffer_printf(out, "%*s = hint: %s\n", page.gutter, "", diagnostic->hint);
  if (diagnostic->trace)
    buffer_printf(out, "%*s %s\n", page.gutter, "", diagnostic->trace);
}

/* ---- delivery ------------------------------------------------------------ */

static bool seen_before(Diagnostics *diagnostics,
                        const Diagnostic *diagnostic) {
  Span span = diagnostic->label_count ? diagnostic->label[0].span : (Span){0};
  unsigned known =
      diagnostics->errors < SEEN_MAX ? diagnostics->errors : SEEN_MAX;
  for (unsigned i = 0; i < known; i++) {
    const Seen *seen = &diagnostics->seen[i];
    if (seen->span.source == span.source && seen->span.start == span.start &&
        strcmp(seen->message, diagnostic->message) == 0)
      return true;
  }
  if (known < SEEN_MAX)
    diagnostics->seen[known] =
        (Seen){span, arena_string(diagnostics->arena, diagnostic->message,
                                  strlen(diagnostic->message))};
  return false;
}

/* The severity after the -W options; false: the warning is off. */
static bool apply_warnings(const Diagnostics *diagnostics,
                           Diagnostic *diagnostic) {
  const DiagnosticInfo *info =
      diagnostic->code ? diagnostic_info(diagnostic->code) : NULL;
  if (diagnostic->severity == SEVERITY_ERROR || !info || !info->warning)
    return true;
  WarningLevel level = warning_level(&diagnostics->warnings, diagnostic->code);
  if (level == WARNING_ERROR)
    diagnostic->severity = SEVERITY_ERROR;
  return level != WARNING_OFF;
}

void diagnose(Diagnostics *diagnostics, const Diagnostic *given) {
  assert(!given->code || diagnostic_info(given->code));
  Diagnostic copy = *given, *diagnostic = &copy;
  if (!apply_warnings(diagnostics, diagnostic))
    return;
  if (diagnostic->severity == SEVERITY_ERROR) {
    if (seen_before(diagnostics, diagnostic))
      return;
    if (diagnostics->errors++ >= diagnostics->limit) {
      diagnostics->hidden++;
      return;
    }
  }
  if (diagnostics->observer) {
    diagnostics->observer(diagnostics->observer_user, diagnostic);
    return;
  }
  Buffer out = {0};
  print_page(diagnostics, &out, diagnostic);
  diagnostics->sink(diagnostics->user, diagnostic->severity, out.data);
  buffer_free(&out);
}

void diagnose_error(Diagnostics *diagnostics, Span span, const char *code,
                    const char *format, ...) {
  va_list args;
  va_start(args, format);
  Buffer message = {0};
  buffer_vprintf(&message, format, args);
  va_end(args);
  Diagnostic diagnostic = {.code = code,
                           .message = message.data,
                           .label = {{span, NULL}},
                           .label_count = span.source != 0};
  diagnose(diagnostics, &diagnostic);
  buffer_free(&message);
}
