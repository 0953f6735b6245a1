/* --fold-layers: repeated layers once.
 *
 * In: the lines of a graph, of the parameters, or of the aliases. Out: the same
 * with every line hidden that is as another but for the index of an array
 * element in its names (`layers.3`), counted from where the other stands. Notes
 * below the one that stays tell what differs (type, exponent, shift), and for
 * which elements it stands where those are not all. A kernel is folded whole or
 * not at all. Elements of arrays in arrays fold from the outside in.
 *
 * Lines are compared as text, so this works at every level alike.
 */
#include "ir/print.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAY_DEPTH = 4 }; /* arrays in arrays that fold */

/* One line, or all lines of a kernel, of one array element. */
typedef struct {
  size_t first, last; /* lines first .. last */
  const char *key;    /* its first name and what is before it, index left out */
  const char *family; /* the part before the index: which array it is of */
  const char *word;   /* the array's own name: "layers" */
  long index;
  size_t elements; /* how many different indices the family has */
  bool folded;
} Unit;

typedef VEC(Unit) Units;
typedef VEC(const Unit *) UnitList;

/* ---- text ---------------------------------------------------------------- */

static bool is_word(char c) {
  return isalnum((unsigned char)c) || c == '_';
}

/* Length of `word.N` at `text`, with N in *index; 0 if there is none. */
static size_t element_at(const char *text, size_t left, const char *word,
                         long *index) {
  size_t n = strlen(word);
  if (left < n + 2 || memcmp(text, word, n) != 0 || text[n] != '.' ||
      !isdigit((unsigned char)text[n + 1]))
    return 0;
  size_t length = n + 1;
  *index = 0;
  while (length < left && isdigit((unsigned char)text[length]))
    *index = *index * 10 + (text[length++] - '0');
  return length < left && is_word(text[length]) ? 0 : length;
}

/* Bytes of the name that begins with a sigil at `text`. */
static size_t name_length(const char *text, size_t left) {
  size_t length = 1;
  while (length < left &&
         (is_word(text[length]) || strchr(".'~", text[length])))
    length++;
  return length;
}

/* Appends a name with every `word.N` as `word.(N + delta)`; false if there is
 * none. */
static bool shift_elements(Buffer *out, const char *text, size_t length,
                           const char *word, long delta) {
  bool any = false;
  for (size_t i = 0; i < length;) {
    long index;
    bool begins = i == 0 || !is_word(text[i - 1]);
    size_t n = begins ? element_at(text + i, length - i, word, &index) : 0;
    if (n)
      buffer_printf(out, "%s.%ld", word, index + delta);
    else
      buffer_char(out, text[i]);
    any |= n > 0;
    i += n ? n : 1;
  }
  return any;
}

static bool buffer_is(const Buffer *buffer, const char *text, size_t length) {
  return buffer->length == length && memcmp(buffer->data, text, length) == 0;
}

/* The number of the binding at the mark `'N` of a name, which begins at
 * *from and ends at *to; an unmarked one is the first. */
static long binding(const char *text, size_t length, size_t *from, size_t *to) {
  for (*from = 0; *from < length && text[*from] != '\'';)
    ++*from;
  *to = *from;
  if (*from == length)
    return 1;
  long number = 0;
  for (++*to; *to < length && isdigit((unsigned char)text[*to]);)
    number = number * 10 + (text[(*to)++] - '0');
  return number;
}

/* Is name b the binding `delta` turns after name a: x'2 after x? */
static bool later_binding(const char *a, size_t n, const char *b, size_t m,
                          long delta) {
  size_t a_from, a_to, b_from, b_to;
  long first = binding(a, n, &a_from, &a_to);
  long second = binding(b, m, &b_from, &b_to);
  size_t at = a_from < b_from ? a_from : b_from; /* where a mark is */
  size_t a_rest = a_from == n ? at : a_to, b_rest = b_from == m ? at : b_to;
  return second == first + delta && n - a_rest == m - b_rest &&
         memcmp(a, b, at) == 0 &&
         memcmp(a + a_rest, b + b_rest, n - a_rest) == 0;
}

/* Is name b as name a, `delta` elements on? What has no index may be the same
 * value, or the rebinding that many turns later: *turned then. */
static bool same_name(const char *a, size_t n, const char *b, size_t m,
                      const char *word, long delta, bool *turned) {
  Buffer text = {0};
  bool element = shift_elements(&text, a, n, word, delta);
  bool same = buffer_is(&text, b, m);
  if (!same && !element)
    same = *turned = later_binding(a, n, b, m, delta);
  buffer_free(&text);
  return same;
}

/* The same for whole texts; names that turned are appended to `turned`, except
 * for the one that the text begins with, which it defines. */
static bool same_text(const char *a, size_t n, const char *b, size_t m,
                      const char *word, long delta, Buffer *turned) {
  size_t i = 0, j = 0;
  while (i < n && j < m) {
    size_t k = 1, l = 1;
    bool turns = false;
    if (a[i] != b[j])
      return false;
    if (strchr("%@$", a[i])) {
      k = name_length(a + i, n - i);
      l = name_length(b + j, m - j);
      if (!same_name(a + i, k, b + j, l, word, delta, &turns))
        return false;
    }
    if (turns && i > 0)
      buffer_printf(turned, " %.*s of its turn", (int)k, a + i);
    i += k;
    j += l;
  }
  return i == n && j == m;
}

/* ---- lines --------------------------------------------------------------- */

/* The parts of a line that may differ between layers. */
typedef enum { PART_TYPE, PART_SCALE, PART_SHIFT, PART_PLACE, PARTS } Part;

typedef struct {
  Buffer part[PARTS];
  Buffer rest; /* everything else */
} LineParts;

static void parts_free(LineParts *parts) {
  for (int i = 0; i < PARTS; i++)
    buffer_free(&parts->part[i]);
  buffer_free(&parts->rest);
}

/* Bytes of a scale behind ` * `. */
static size_t scale_length(const char *text, size_t left) {
  size_t length = 0;
  int depth = 0;
  while (length < left) {
    char c = text[length];
    depth += c == '(';
    if (c == ')' && --depth < 0)
      break;
    if (depth == 0 && (c == ',' || c == ' '))
      break;
    length++;
  }
  return length;
}

/* Splits the body of an operation: `, shift = ..` and the plan's comment. */
static void split_body(LineParts *parts, const char *text, size_t length) {
  static const char shift[] = ", shift = ", place[] = "   # arena";
  for (size_t i = 0; i < length;) {
    if (length - i >= sizeof place &&
        memcmp(text + i, place, sizeof place - 1) == 0) {
      buffer_add(&parts->part[PART_PLACE], text + i + 5, length - i - 5);
      return;
    }
    if (length - i >= sizeof shift &&
        memcmp(text + i, shift, sizeof shift - 1) == 0) {
      size_t n = sizeof shift - 1;
      n += scale_length(text + i + n, length - i - n);
      buffer_add(&parts->part[PART_SHIFT], text + i + 2, n - 2);
      i += n;
      continue;
    }
    buffer_char(&parts->rest, text[i++]);
  }
}

/* The head of a kernel repeats the scales of its lines: they are left out. */
static void split_plain(LineParts *parts, const char *text, size_t length) {
  for (size_t i = 0; i < length;) {
    if (length - i > 3 && memcmp(text + i, " * ", 3) == 0) {
      i += 3;
      i += scale_length(text + i, length - i);
      continue;
    }
    buffer_char(&parts->rest, text[i++]);
  }
}

static void split_line(LineParts *parts, const Lines *lines, const Line *line) {
  const char *text = lines->text.data;
  if (!line->aligned) {
    if (line->role == LINE_OPEN)
      split_plain(parts, text + line->body, line->end - line->body);
    else
      split_body(parts, text + line->body, line->end - line->body);
    return;
  }
  buffer_add(&parts->rest, text + line->start, line->type - line->start);
  buffer_add(&parts->part[PART_TYPE], text + line->type,
             line->scale - line->type);
  buffer_add(&parts->part[PART_SCALE], text + line->scale,
             line->body - line->scale);
  split_body(parts, text + line->body, line->end - line->body);
}

static bool same_part(const Buffer *a, const Buffer *b, const char *word,
                      long delta, Buffer *turned) {
  return same_text(a->data ? a->data : "", a->length, b->data ? b->data : "",
                   b->length, word, delta, turned);
}

static void print_part(Buffer *out, Part part, const Buffer *text) {
  static const char *const lead[PARTS] = {" ", " * ", " ", " "};
  static const char *const name[PARTS] = {"type", "exponent", "shift", "place"};
  bool follows = out->length > 0 && part >= PART_SHIFT;
  buffer_printf(out, "%s%s", follows ? "," : "",
                text->length ? lead[part] : " no ");
  buffer_text(out, text->length ? text->data : name[part]);
}

/* Is line b as line a moved by `delta`, but for what may differ? That is
 * appended to `difference`. */
static bool line_alike(const Lines *lines, const Line *a, const Line *b,
                       const char *word, long delta, bool in_kernel,
                       Buffer *difference) {
  LineParts first = {0}, second = {0};
  split_line(&first, lines, a);
  split_line(&second, lines, b);
  bool kernel = a->role == LINE_OPEN; /* each is a block of its own */
  bool alike = a->aligned == b->aligned && a->role == b->role &&
               a->comment == b->comment &&
               (kernel || in_kernel || a->block == b->block);
  Buffer turned = {0};
  alike = alike && same_part(&first.rest, &second.rest, word, delta, &turned);
  for (int i = 0; i < PARTS && alike; i++)
    if (!same_part(&first.part[i], &second.part[i], word, delta, &turned))
      print_part(difference, (Part)i, &second.part[i]);
  if (alike && turned.length && !kernel) {
    buffer_text(difference, difference->length ? "," : "");
    buffer_add(difference, turned.data, turned.length);
  }
  buffer_free(&turned);
  parts_free(&first);
  parts_free(&second);
  return alike;
}

/* ---- units --------------------------------------------------------------- */

/* The `depth`th index in the name at `name`: fills *unit. */
static bool name_element(Arena *arena, const char *lead, const char *name,
                         size_t left, int depth, Unit *unit) {
  size_t end = 1, segment = 1, word = 0;
  while (end < left && (is_word(name[end]) || strchr(".'~", name[end])))
    end++;
  for (size_t i = 1; i <= end; i++) {
    if (i < end && is_word(name[i]))
      continue;
    bool number = i > segment && word > 0;
    for (size_t j = segment; j < i; j++)
      number = number && isdigit((unsigned char)name[j]);
    if (number && depth-- == 0) {
      size_t before = (size_t)(name - lead) + segment;
      unit->index = strtol(name + segment, NULL, 10);
      unit->word = arena_string(arena, name + word, segment - 1 - word);
      unit->family = arena_string(arena, name, segment);
      unit->key = arena_printf(arena, "%.*s*%.*s", (int)before, lead,
                               (int)(end - i), name + i);
      return true;
    }
    bool dot = i < end && name[i] == '.';
    word = dot && !number && i > segment ? segment : 0;
    segment = i + 1;
    if (!dot)
      return false; /* marks end the path */
  }
  return false;
}

/* A value that is bound again round a loop, as `x = layer(x)`: its element is
 * the first that `body`, what it is made of, reads. */
static bool chain_element(Arena *arena, const char *text, size_t at, size_t end,
                          const char *body, size_t length, int depth,
                          Unit *unit) {
  size_t mark = at + strcspn(text + at, "'~");
  if (mark > end)
    mark = end;
  for (size_t i = 0; i < length; i++) {
    if (!strchr("%@$", body[i]) ||
        !name_element(arena, body + i, body + i, length - i, depth, unit))
      continue;
    size_t rest = mark;
    if (rest < end && text[rest] == '\'')
      rest += 1 + strspn(text + rest + 1, "0123456789");
    unit->family = arena_printf(arena, "%.*s'", (int)(mark - at), text + at);
    unit->key = arena_printf(arena, "%.*s'*%.*s", (int)mark, text,
                             (int)(end - rest), text + rest);
    return true;
  }
  return false;
}

static bool unit_name(Arena *arena, const Lines *lines, size_t line, int depth,
                      Unit *unit) {
  const Line *first = &lines->line.data[line];
  const char *text = lines->text.data + first->start;
  size_t length = (first->aligned ? first->type : first->end) - first->start;
  size_t at = strcspn(text, "%@$");
  if (at >= length)
    return false;
  size_t end = at + name_length(text + at, length - at);
  size_t body = first->aligned ? first->body - first->start : end;
  return name_element(arena, text, text + at, end - at, depth, unit) ||
         chain_element(arena, text, at, end, text + body,
                       first->end - first->start - body, depth, unit);
}

/* The last line of the kernel that opens at `line`. */
static size_t block_end(const Lines *lines, size_t line) {
  while (lines->line.data[line].role != LINE_CLOSE)
    line++;
  return line;
}

static bool all_shown(const Lines *lines, size_t first, size_t last) {
  for (size_t i = first; i <= last; i++)
    if (lines->line.data[i].hidden)
      return false;
  return true;
}

static void find_units(Units *units, Arena *arena, const Lines *lines,
                       int depth) {
  for (size_t i = 0; i < lines->line.length; i++) {
    const Line *line = &lines->line.data[i];
    bool kernel = line->role == LINE_OPEN && line->id == 0;
    bool single = line->role == LINE_OP || line->role == LINE_OTHER;
    if (!kernel && !single)
      continue;
    Unit unit = {.first = i, .last = kernel ? block_end(lines, i) : i};
    if (all_shown(lines, unit.first, unit.last) &&
        unit_name(arena, lines, i, depth, &unit))
      vec_push(units, unit);
    i = unit.last;
  }
}

static int compare_index(const Unit *a, const Unit *b) {
  if (a->index != b->index)
    return a->index < b->index ? -1 : 1;
  return a->first < b->first ? -1 : a->first > b->first;
}

static int by_family(const void *left, const void *right) {
  const Unit *a = left, *b = right;
  int order = strcmp(a->family, b->family);
  return order ? order : compare_index(a, b);
}

static int by_key(const void *left, const void *right) {
  const Unit *a = left, *b = right;
  int order = strcmp(a->key, b->key);
  return order ? order : compare_index(a, b);
}

/* How many elements the array of each unit has. */
static void count_elements(Units *units) {
  qsort(units->data, units->length, sizeof *units->data, by_family);
  for (size_t first = 0, last; first < units->length; first = last) {
    size_t count = 0;
    for (last = first;
         last < units->length &&
         strcmp(units->data[last].family, units->data[first].family) == 0;
         last++)
      count += last == first ||
               units->data[last].index != units->data[last - 1].index;
    for (size_t i = first; i < last; i++)
      units->data[i].elements = count;
  }
}

/* ---- folding ------------------------------------------------------------- */

static bool unit_alike(const Lines *lines, const Unit *a, const Unit *b) {
  bool alike = a->last - a->first == b->last - b->first && a->index != b->index;
  Buffer ignored = {0};
  for (size_t i = 0; alike && i <= a->last - a->first; i++)
    alike = line_alike(lines, &lines->line.data[a->first + i],
                       &lines->line.data[b->first + i], a->word,
                       b->index - a->index, a->last > a->first, &ignored);
  buffer_free(&ignored);
  return alike;
}

/* "layers.1, layers.3..5" of units in the order of their indices. */
static void print_elements(Buffer *out, const UnitList *list) {
  for (size_t i = 0; i < list->length;) {
    size_t end = i + 1;
    while (end < list->length &&
           list->data[end]->index == list->data[end - 1]->index + 1)
      end++;
    buffer_printf(out, "%s%s.%ld", i ? ", " : "", list->data[i]->word,
                  list->data[i]->index);
    if (end - i > 1)
      buffer_printf(out, "..%ld", list->data[end - 1]->index);
    i = end;
  }
}

/* Puts a comment line below line `i`, after those it has. */
static void add_note(Lines *lines, size_t i, const Buffer *text) {
  Line *line = &lines->line.data[i];
  Buffer before = {0};
  if (line->note < line->note_end)
    buffer_add(&before, lines->notes.data + line->note,
               line->note_end - line->note);
  line->note = lines->notes.length;
  buffer_add(&lines->notes, before.data ? before.data : "", before.length);
  buffer_printf(&lines->notes, "%*s#   %s\n", line->indent, "", text->data);
  line->note_end = lines->notes.length;
  buffer_free(&before);
}

/* What differs from line `offset` of `unit` in those folded into it, the same
 * differences together. */
static void note_differences(Lines *lines, const Unit *unit, size_t offset,
                             const UnitList *folded) {
  size_t count = folded->length;
  Buffer *text = calloc(count ? count : 1, sizeof *text);
  if (!text)
    abort();
  for (size_t i = 0; i < count; i++)
    line_alike(lines, &lines->line.data[unit->first + offset],
               &lines->line.data[folded->data[i]->first + offset], unit->word,
               folded->data[i]->index - unit->index, unit->last > unit->first,
               &text[i]);
  for (size_t i = 0; i < count; i++) {
    if (!text[i].length)
      continue;
    UnitList same = {0};
    Buffer note = {0};
    for (size_t j = i; j < count; j++)
      if (text[j].length && strcmp(text[j].data, text[i].data) == 0) {
        vec_push(&same, folded->data[j]);
        if (j > i)
          text[j].length = 0;
      }
    print_elements(&note, &same);
    buffer_printf(&note, ":%s", text[i].data);
    add_note(lines, unit->first + offset, &note);
    buffer_free(&note);
    vec_free(&same);
  }
  for (size_t i = 0; i < count; i++)
    buffer_free(&text[i]);
  free(text);
}

/* For whom the unit stands, unless it is the first and stands for all. */
static void note_extent(Lines *lines, const Unit *unit, bool first,
                        const UnitList *folded) {
  bool all = folded->length + 1 == unit->elements;
  if ((first && all) || (!first && folded->length == 0))
    return;
  Buffer note = {0};
  if (folded->length) {
    buffer_text(&note, "also ");
    print_elements(&note, folded);
    buffer_text(&note, first ? " only" : "");
  } else {
    buffer_printf(&note, "%s.%ld only", unit->word, unit->index);
  }
  add_note(lines, unit->last, &note);
  buffer_free(&note);
}

static void hide(Lines *lines, Unit *unit) {
  unit->folded = true;
  for (size_t i = unit->first; i <= unit->last; i++)
    lines->line.data[i].hidden = true;
}

/* Units [from, to) have one key, in the order of their indices. */
static void fold_group(Lines *lines, Unit *unit, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) {
    if (unit[i].folded || unit[i].elements < 2)
      continue;
    UnitList folded = {0};
    for (size_t j = i + 1; j < to; j++)
      if (!unit[j].folded && unit_alike(lines, &unit[i], &unit[j])) {
        hide(lines, &unit[j]);
        vec_push(&folded, &unit[j]);
      }
    for (size_t k = 0; k <= unit[i].last - unit[i].first; k++)
      note_differences(lines, &unit[i], k, &folded);
    note_extent(lines, &unit[i], i == from, &folded);
    vec_free(&folded);
  }
}

static void fold_depth(Lines *lines, int depth) {
  Arena *arena = arena_new();
  Units units = {0};
  find_units(&units, arena, lines, depth);
  count_elements(&units);
  if (units.length)
    qsort(units.data, units.length, sizeof *units.data, by_key);
  for (size_t first = 0, last; first < units.length; first = last) {
    for (last = first + 1;
         last < units.length &&
         strcmp(units.data[last].key, units.data[first].key) == 0;
         last++)
      ;
    fold_group(lines, units.data, first, last);
  }
  vec_free(&units);
  arena_free(arena);
}

void lines_fold(Lines *lines) {
  for (int depth = 0; depth < ARRAY_DEPTH; depth++)
    fold_depth(lines, depth);
}
