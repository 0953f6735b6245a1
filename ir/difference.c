/* Programs compared by name: `sgc diff` and --print-diff.
 *
 * In: two programs, printed as lines. Out: a table with a line for each value
 * that was added or removed, and for each property in which a value that both
 * have differs: op, operands, shape, format, the formats in which products
 * read, exponent, shift, kernel. What else a program holds (datasets, recipes,
 * aliases, heads of entries) is compared as lines of text, without regard to
 * the names of files. Lines that say the same of several elements of an array
 * of modules may be one.
 */
#include "ir/difference.h"

#include "ir/print.h"

#include <stdlib.h>
#include <string.h>

const char *const fact_name[FACTS] = {[FACT_OP] = "op",
                                      [FACT_OPERANDS] = "operands",
                                      [FACT_SHAPE] = "shape",
                                      [FACT_FORMAT] = "format",
                                      [FACT_READS] = "reads",
                                      [FACT_ROUND] = "rounds",
                                      [FACT_EXPONENT] = "exponent",
                                      [FACT_SHIFT] = "shift",
                                      [FACT_KERNEL] = "kernel"};

typedef struct {
  const char *section; /* "train @fit", "parameters", "" */
  const char *name;    /* "%net.h", "store @w", or a whole line */
  const char *text;    /* the definition, for added and removed */
  const char *fact[FACTS];
  size_t order;
} Row;

struct Facts {
  Arena *arena;
  Row *row;
  size_t count, capacity;
  const char *section;
};

/* ---- reading ------------------------------------------------------------- */

static Row *add_row(Facts *facts, const char *name) {
  if (facts->count == facts->capacity) {
    size_t capacity = facts->capacity ? 2 * facts->capacity : 64;
    Row *row = NEW_ARRAY(facts->arena, Row, capacity);
    if (facts->count)
      memcpy(row, facts->row, facts->count * sizeof *row);
    facts->row = row;
    facts->capacity = capacity;
  }
  Row *row = &facts->row[facts->count];
  *row = (Row){.section = facts->section, .name = name, .order = facts->count};
  for (int i = 0; i < FACTS; i++)
    row->fact[i] = "";
  facts->count++;
  return row;
}

static const char *copy(Facts *facts, const char *text, size_t length) {
  return arena_string(facts->arena, text, length);
}

/* Takes each ` as FORMAT` out of the operands; what is left is what is read.
 * The formats: "e4m3, -" where the second operand is read as it is stored. */
static const char *cut_formats(Facts *facts, char *text) {
  Buffer formats = {0};
  char *to = text;
  bool any = false;
  for (const char *at = text; *at && *at != '"';) {
    const char *comma = strstr(at, ", ");
    size_t length = comma ? (size_t)(comma - at) + 2 : strlen(at);
    const char *as = strstr(at, " as ");
    bool value = *at == '%' || *at == '@';
    bool narrow = value && as && as < at + length;
    size_t kept = narrow ? (size_t)(as - at) : length;
    size_t format = narrow ? strcspn(as + 4, ", ") : 0;
    if (value)
      buffer_printf(&formats, "%s%.*s", formats.length ? ", " : "",
                    narrow ? (int)format : 1, narrow ? as + 4 : "-");
    any |= narrow;
    memmove(to, at, kept);
    to += kept;
    at += narrow ? kept + 4 + format : length;
    if (narrow && comma) {
      *to++ = ',';
      *to++ = ' ';
      at += 2;
    }
    if (!*at || *at == '"') {
      memmove(to, at, strlen(at) + 1);
      break;
    }
  }
  const char *list = any ? copy(facts, formats.data, formats.length) : "";
  buffer_free(&formats);
  return list;
}

/* Cuts `, round = X` out of a line; what is said is X, and its overflow. */
static char *cut_rounding(Facts *facts, Row *row, const char *text,
                          size_t length) {
  static const char mark[] = ", round = ";
  char *rest = arena_string(facts->arena, text, length);
  char *round = strstr(rest, mark);
  if (!round)
    return rest;
  const char *word = round + sizeof mark - 1;
  size_t end = strcspn(word, ",)");
  row->fact[FACT_ROUND] = copy(facts, word, end);
  memmove(round, word + end, strlen(word + end) + 1);
  return rest;
}

/* Cuts `, shift = X` out of the operands. */
static void read_operands(Facts *facts, Row *row, const char *text,
                          size_t length) {
  static const char mark[] = ", shift = ";
  char *rest = arena_string(facts->arena, text, length);
  char *shift = strstr(rest, mark);
  if (shift) {
    row->fact[FACT_SHIFT] =
        copy(facts, shift + sizeof mark - 1, strlen(shift) - sizeof mark + 1);
    *shift = '\0';
  }
  row->fact[FACT_READS] = cut_formats(facts, rest);
  row->fact[FACT_OPERANDS] = rest;
}

/* `op(operands)`, or a word alone, as the initialiser of a parameter. */
static void read_body(Facts *facts, Row *row, const char *line, size_t bytes) {
  const char *text = cut_rounding(facts, row, line, bytes);
  size_t length = strlen(text);
  const char *open = memchr(text, '(', length);
  size_t op = open ? (size_t)(open - text) : length;
  row->fact[FACT_OP] = copy(facts, text, op);
  if (open && text[length - 1] == ')')
    read_operands(facts, row, open + 1, length - op - 2);
  else if (open)
    read_operands(facts, row, open, length - op);
}

/* name : format[shape] * exponent = body */
static Row *read_aligned(Facts *facts, const Lines *lines, const Line *line) {
  const char *text = lines->text.data;
  Row *row =
      add_row(facts, copy(facts, text + line->start, line->type - line->start));
  const char *type = copy(facts, text + line->type, line->scale - line->type);
  const char *shape = strchr(type, '[');
  if (shape) {
    row->fact[FACT_FORMAT] = copy(facts, type, (size_t)(shape - type));
    row->fact[FACT_SHAPE] = shape;
  }
  row->fact[FACT_EXPONENT] =
      copy(facts, text + line->scale, line->body - line->scale);
  read_body(facts, row, text + line->body, line->end - line->body);
  row->text = arena_printf(facts->arena, "%s%s%s%s%.*s", type, *type ? " " : "",
                           *type ? "= " : "", "", (int)(line->end - line->body),
                           text + line->body);
  return row;
}

/* `store @w, %x`, `@w -> %d.w : ..`: known by the first name. */
static Row *read_plain(Facts *facts, const Lines *lines, const Line *line) {
  const char *text = lines->text.data + line->body;
  size_t length = line->end - line->body;
  size_t sigil = strcspn(text, "@%$");
  size_t name = sigil + strcspn(text + sigil, ", ");
  if (name > length)
    name = length;
  bool gradient = sigil == 0; /* a line of `minimize` */
  Row *row = add_row(facts, arena_printf(facts->arena, "%s%.*s",
                                         gradient ? "minimize " : "", (int)name,
                                         text));
  size_t rest = name + strspn(text + name, ", ");
  if (rest > length)
    rest = length;
  row->text = copy(facts, text + rest, length - rest);
  row->fact[FACT_OPERANDS] =
      cut_rounding(facts, row, text + rest, length - rest);
  return row;
}

/* "gemm of %net.h": its form and the value it begins with. */
static const char *kernel_text(Facts *facts, const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  if (node->kernel == 0 || node->kernel >= graph->kernel.length)
    return "";
  const Kernel *kernel = &graph->kernel.data[node->kernel];
  const char *first = graph_node(graph, kernel->first)->name;
  return arena_printf(facts->arena, "%s of %s", kernel_form_name(kernel->form),
                      first ? first : "stores");
}

static void read_lines(Facts *facts, const Lines *lines, const Graph *graph) {
  for (size_t i = 0; i < lines->line.length; i++) {
    const Line *line = &lines->line.data[i];
    if (line->role != LINE_OP || line->hidden || line->comment)
      continue;
    Row *row = line->aligned ? read_aligned(facts, lines, line)
                             : read_plain(facts, lines, line);
    if (graph && line->id)
      row->fact[FACT_KERNEL] = kernel_text(facts, graph, line->id);
  }
}

/* Everything that is neither a value nor a parameter, line by line. */
static void read_rest(Facts *facts, const Program *program) {
  static const char *const skipped[] = {"program ", "source ", "param @",
                                        "state @"};
  PrintOptions none = {.entry = ""}; /* no entry is called so */
  Buffer text = {0};
  program_print(&text, program, &none);
  for (size_t g = 0; g < program->graph.length; g++) {
    entry_print_head(&text, program, program->graph.data[g]);
    buffer_char(&text, '\n');
  }
  for (const char *at = text.data; *at;) {
    size_t length = strcspn(at, "\n");
    bool skip = length == 0 || (length == 1 && *at == '}');
    for (int i = 0; i < 4; i++)
      skip |= strncmp(at, skipped[i], strlen(skipped[i])) == 0;
    if (!skip)
      add_row(facts, copy(facts, at, length))->text = "";
    at += length + (at[length] == '\n');
  }
  buffer_free(&text);
}

size_t facts_ops(const Facts *facts, const char *op) {
  size_t count = 0;
  for (size_t i = 0; i < facts->count; i++)
    count += strcmp(facts->row[i].fact[FACT_OP], op) == 0;
  return count;
}

size_t facts_reads(const Facts *facts) {
  size_t count = 0;
  for (size_t i = 0; i < facts->count; i++)
    for (const char *at = facts->row[i].fact[FACT_READS]; *at;) {
      count += *at != '-';
      at += strcspn(at, ",");
      at += strspn(at, ", ");
    }
  return count;
}

Facts *facts_read(Arena *arena, const Program *program,
                  const PrintOptions *options, bool values_only) {
  PrintOptions all = {0};
  Facts *facts = NEW(arena, Facts);
  facts->arena = arena;
  facts->section = "";
  if (!options)
    options = &all;
  if (!values_only && options->filter_count == 0 && options->phase == 0)
    read_rest(facts, program);
  facts->section = "parameters";
  Lines lines = {0};
  parameter_lines(&lines, program, options);
  read_lines(facts, &lines, NULL);
  lines_free(&lines);
  for (size_t g = 0; g < program->graph.length; g++) {
    const Graph *graph = program->graph.data[g];
    facts->section = arena_printf(arena, "@%s", graph->name);
    graph_lines(&lines, program, graph, options);
    lines_select(&lines, program, graph, options);
    read_lines(facts, &lines, graph);
    lines_free(&lines);
  }
  return facts;
}

/* ---- comparing ----------------------------------------------------------- */

/* One line of the table. */
typedef struct {
  const char *name, *what, *text;
} Change;

/* Changes that are the same but for the element of an array of modules. */
typedef struct {
  Change first;
  VEC(const char *) index; /* of which elements, as text, in order */
} Group;

typedef struct {
  Buffer *out;
  Arena *arena;
  Interner *words;
  bool fold;
  VEC(Group) group; /* of the section in the making */
  WordMap known;    /* from what a change says to its group, from 1 */
  DifferenceCount count;
} Comparison;

static int by_name(const void *left, const void *right) {
  const Row *const *a = left, *const *b = right;
  int order = strcmp((*a)->section, (*b)->section);
  if (!order)
    order = strcmp((*a)->name, (*b)->name);
  if (!order)
    order = (*a)->order < (*b)->order ? -1 : (*a)->order > (*b)->order;
  return order;
}

/* Pointers to the rows, by section and name. */
static const Row **sorted(Arena *arena, const Facts *facts) {
  const Row **row = NEW_ARRAY(arena, const Row *, facts->count + 1);
  for (size_t i = 0; i < facts->count; i++)
    row[i] = &facts->row[i];
  if (facts->count)
    qsort(row, facts->count, sizeof *row, by_name);
  return row;
}

static int compare_names(const Row *a, const Row *b) {
  int order = strcmp(a->section, b->section);
  return order ? order : strcmp(a->name, b->name);
}

/* For each row of a and of b its partner in the other, or NULL. */
static void pair(Arena *arena, const Facts *a, const Facts *b, const Row **of_a,
                 const Row **of_b) {
  const Row **left = sorted(arena, a), **right = sorted(arena, b);
  size_t i = 0, j = 0;
  while (i < a->count && j < b->count) {
    int order = compare_names(left[i], right[j]);
    if (order == 0) {
      of_a[left[i]->order] = right[j];
      of_b[right[j]->order] = left[i];
    }
    i += order <= 0;
    j += order >= 0;
  }
}

/* ---- lines that say the same of several elements ------------------------- */

/* Where a number stands between dots: what is before it (without sigil and
 * `d.`), the number, and what is behind. */
typedef struct {
  const char *before, *number, *behind;
  size_t lead; /* bytes of the name before `before` */
} Element;

/* False if no array element is in the name. */
static bool find_element(Arena *arena, const char *name, Element *out) {
  size_t lead = strcspn(name, "%@$");
  lead += name[lead] ? 1 : 0;
  lead += strncmp(name + lead, "d.", 2) == 0 ? 2 : 0;
  const char *text = name + lead;
  for (const char *at = text; *at; at++) {
    size_t digits = at > text && at[-1] == '.' ? strspn(at, "0123456789") : 0;
    if (!digits || (at[digits] && at[digits] != '.'))
      continue;
    *out = (Element){arena_string(arena, text, (size_t)(at - text)),
                     arena_string(arena, at, digits), at + digits, lead};
    return true;
  }
  return false;
}

/* The text with `*` for the number wherever it stands behind the same path. */
static const char *starred(Comparison *comparison, const char *text,
                           const Element *element) {
  Buffer out = {0};
  const char *path =
      arena_printf(comparison->arena, "%s%s", element->before, element->number);
  size_t length = strlen(path);
  for (const char *at = text; *at;) {
    bool same = strncmp(at, path, length) == 0 &&
                !(at[length] >= '0' && at[length] <= '9');
    if (same)
      buffer_printf(&out, "%s*", element->before);
    else
      buffer_char(&out, *at);
    at += same ? length : 1;
  }
  const char *result = intern(comparison->words, out.data ? out.data : "");
  buffer_free(&out);
  return result;
}

static void add_change(Comparison *comparison, const char *name,
                       const char *what, const char *text) {
  Element element;
  Group group = {.first = {name, what, text}};
  uint32_t known = 0;
  const char *key = NULL;
  if (comparison->fold && find_element(comparison->arena, name, &element)) {
    key = intern_printf(comparison->words, "%s\n%s\n%s",
                        starred(comparison, name, &element), what,
                        starred(comparison, text, &element));
    known = word_map_get(&comparison->known, key);
  }
  if (!known) {
    vec_push(&comparison->group, group);
    known = (uint32_t)comparison->group.length;
  }
  if (!key)
    return;
  word_map_set(&comparison->known, key, known);
  vec_push(&comparison->group.data[known - 1].index, element.number);
}

/* "0..3", "0,2..5" */
static void print_elements(Buffer *out, const Group *group) {
  for (size_t i = 0; i < group->index.length;) {
    size_t last = i;
    while (last + 1 < group->index.length &&
           atol(group->index.data[last + 1]) ==
               atol(group->index.data[last]) + 1)
      last++;
    buffer_printf(out, "%s%s", i ? "," : "", group->index.data[i]);
    if (last > i)
      buffer_printf(out, "..%s", group->index.data[last]);
    i = last + 1;
  }
}

/* Backward passes meet the elements from the last to the first. */
static int by_number(const void *left, const void *right) {
  long a = atol(*(const char *const *)left);
  long b = atol(*(const char *const *)right);
  return a < b ? -1 : a > b;
}

static void print_group(Comparison *comparison, const Group *group) {
  const Change *first = &group->first;
  Buffer name = {0};
  Element element;
  const char *text = first->text;
  if (group->index.length > 1 &&
      find_element(comparison->arena, first->name, &element)) {
    qsort(group->index.data, group->index.length, sizeof *group->index.data,
          by_number);
    buffer_printf(&name, "%.*s%s", (int)element.lead, first->name,
                  element.before);
    print_elements(&name, group);
    buffer_text(&name, element.behind);
    text = starred(comparison, first->text, &element);
  } else {
    buffer_text(&name, first->name);
  }
  buffer_printf(comparison->out, "  %-30s %-9s%s\n", name.data, first->what,
                text);
  buffer_free(&name);
}

/* Prints the section that is complete, if there is anything in it. */
static void print_section(Comparison *comparison, const char *section) {
  if (comparison->group.length)
    buffer_printf(comparison->out, "%s\n", *section ? section : "program");
  for (size_t i = 0; i < comparison->group.length; i++) {
    Group *group = &comparison->group.data[i];
    if (*group->first.what)
      print_group(comparison, group);
    else
      buffer_printf(comparison->out, "%s\n", group->first.text);
    vec_free(&group->index);
  }
  vec_free(&comparison->group);
  word_map_free(&comparison->known);
}

/* ---- differences --------------------------------------------------------- */

static const char *shown(const char *text) {
  return *text ? text : "none";
}

static void print_changes(Comparison *comparison, const Row *a, const Row *b) {
  bool any = false;
  for (int i = 0; i < FACTS; i++) {
    if (strcmp(a->fact[i], b->fact[i]) == 0)
      continue;
    any = true;
    comparison->count.fact[i]++;
    add_change(comparison, a->name, fact_name[i],
               arena_printf(comparison->arena, "%s -> %s", shown(a->fact[i]),
                            shown(b->fact[i])));
  }
  comparison->count.changed += any;
}

/* Lines of text that only one program has show which. */
static void print_single(Comparison *comparison, const Row *row, bool added) {
  comparison->count.added += added;
  comparison->count.removed += !added;
  if (*row->section)
    add_change(comparison, row->name, added ? "added" : "removed", row->text);
  else
    add_change(
        comparison, "", "",
        arena_printf(comparison->arena, "%c %s", added ? '+' : '-', row->name));
}

/* Rows of one section: what the first has, in its order, then what only the
 * second has. */
static void compare_section(Comparison *comparison, const char *section,
                            const Facts *a, const Facts *b, const Row **of_a,
                            const Row **of_b) {
  for (size_t i = 0; i < a->count; i++) {
    if (strcmp(a->row[i].section, section) != 0)
      continue;
    if (of_a[i])
      print_changes(comparison, &a->row[i], of_a[i]);
    else
      print_single(comparison, &a->row[i], false);
  }
  for (size_t i = 0; i < b->count; i++)
    if (!of_b[i] && strcmp(b->row[i].section, section) == 0)
      print_single(comparison, &b->row[i], true);
  print_section(comparison, section);
}

/* Has this section been met before row `i`? Sections are contiguous. */
static bool begins_section(const Facts *facts, size_t i) {
  return i == 0 ||
         strcmp(facts->row[i].section, facts->row[i - 1].section) != 0;
}

static bool has_section(const Facts *facts, const char *section) {
  for (size_t i = 0; i < facts->count; i++)
    if (begins_section(facts, i) && strcmp(facts->row[i].section, section) == 0)
      return true;
  return false;
}

DifferenceCount facts_compare(Buffer *out, const Facts *before,
                              const Facts *after, bool fold) {
  Arena *arena = arena_new();
  const Row **of_a = NEW_ARRAY(arena, const Row *, before->count + 1);
  const Row **of_b = NEW_ARRAY(arena, const Row *, after->count + 1);
  pair(arena, before, after, of_a, of_b);
  Comparison comparison = {
      .out = out, .arena = arena, .words = interner_new(arena), .fold = fold};
  for (size_t i = 0; i < before->count; i++)
    if (begins_section(before, i))
      compare_section(&comparison, before->row[i].section, before, after, of_a,
                      of_b);
  for (size_t i = 0; i < after->count; i++)
    if (begins_section(after, i) && !has_section(before, after->row[i].section))
      compare_section(&comparison, after->row[i].section, before, after, of_a,
                      of_b);
  arena_free(arena);
  return comparison.count;
}
