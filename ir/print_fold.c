/* --fold-layers: repeated layers once.
 *
 * In: the lines of a graph, of the parameters, or of the aliases. Out: the same
 * with every line hidden that is as another but for the index of an array
 * element in its names (`layers.3`), counted from where the other stands. Notes
 * below the one that stays tell what differs (type, exponent, shift), and for
 * which elements it stands where those are not all. A kernel is folded whole or
 * not at all. Elements of arrays in arrays fold from the outside in.
 *
 * Lines are compared as text (print_alike.c), so this works at every level.
 */
#include "ir/print_fold.h"

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
  bool chain;      /* its name has no index: it is bound again each turn */
  bool folded;
} Unit;

typedef VEC(Unit) Units;
typedef VEC(const Unit *) UnitList;

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
    unit->chain = true;
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
  if (units->length)
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

/* ---- the arrays ---------------------------------------------------------- */

/* "net.layers", and the largest index met. */
typedef struct {
  const char *path;
  long last;
} ArrayExtent;

typedef VEC(ArrayExtent) ArrayExtents;

static void add_extent(ArrayExtents *arrays, const char *path, long index) {
  for (size_t i = 0; i < arrays->length; i++)
    if (strcmp(arrays->data[i].path, path) == 0) {
      if (index > arrays->data[i].last)
        arrays->data[i].last = index;
      return;
    }
  vec_push(arrays, (ArrayExtent){path, index});
}

/* Arrays in arrays are counted in the first element of the outer one. */
static void add_extents(ArrayExtents *arrays, Arena *arena, const char *name) {
  Unit unit = {0};
  const char *text = arena_printf(arena, "@%s", name);
  size_t length = name_length(text, strlen(text));
  for (int depth = 0; depth < ARRAY_DEPTH; depth++) {
    if (!name_element(arena, text, text, length, depth, &unit))
      return;
    size_t path = strlen(unit.family);
    if (path > 2)
      add_extent(arrays, arena_string(arena, unit.family + 1, path - 2),
                 unit.index);
    if (unit.index > 0)
      return;
  }
}

static ArrayExtents find_arrays(Arena *arena, const Program *program) {
  ArrayExtents arrays = {0};
  for (size_t i = 0; i < program->param.length; i++)
    add_extents(&arrays, arena, program->param.data[i].name);
  for (size_t g = 0; g < program->graph.length; g++) {
    const Graph *graph = program->graph.data[g];
    for (ValueId id = 1; id < graph->count; id++) {
      const Node *node = graph_node(graph, id);
      if (node->name && node->phase == PHASE_FORWARD && node->op != OP_PARAM)
        add_extents(&arrays, arena, node->name);
    }
  }
  return arrays;
}

void fold_arrays_print(Buffer *out, const Program *program) {
  Arena *arena = arena_new();
  ArrayExtents arrays = find_arrays(arena, program);
  for (size_t i = 0; i < arrays.length; i++)
    buffer_printf(out, "# %s.0..%ld\n", arrays.data[i].path,
                  arrays.data[i].last);
  vec_free(&arrays);
  arena_free(arena);
}

/* Does the path of `family`, such as "%d.net.layers.", end in `path`? */
static bool is_of_array(const char *family, const char *path) {
  size_t n = strlen(family), m = strlen(path);
  return n > m + 1 && memcmp(family + n - m - 1, path, m) == 0 &&
         (family[n - m - 2] == '.' || n == m + 2);
}

/* Elements without such a value count, too: no line stands for them. */
static void count_all(Units *units, const ArrayExtents *arrays) {
  for (size_t i = 0; i < units->length; i++)
    for (size_t k = 0; k < arrays->length; k++) {
      Unit *unit = &units->data[i];
      size_t count = (size_t)arrays->data[k].last + 1;
      if (!unit->chain && count > unit->elements &&
          is_of_array(unit->family, arrays->data[k].path))
        unit->elements = count;
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
  first = first && !unit->chain;
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

static void fold_depth(Lines *lines, const ArrayExtents *arrays, int depth) {
  Arena *arena = arena_new();
  Units units = {0};
  find_units(&units, arena, lines, depth);
  count_elements(&units);
  count_all(&units, arrays);
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

void lines_fold(Lines *lines, const Program *program) {
  Arena *arena = arena_new();
  ArrayExtents arrays = find_arrays(arena, program);
  for (int depth = 0; depth < ARRAY_DEPTH; depth++)
    fold_depth(lines, &arrays, depth);
  vec_free(&arrays);
  arena_free(arena);
}
