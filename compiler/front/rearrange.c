/* rearrange(x, "b t (h e) -> b h t e", h = H): axes split, moved and merged.
 *
 * After einops (Rogozhnikov, ICLR 2022). In: a pattern of two sides. Names are
 * axes, `(h e)` one axis made of several, `1` (or `()`) an axis of size 1,
 * `...` a run of axes that stay together. Both sides have the same names, so
 * nothing is summed and nothing repeated. Out: a reshape to one axis for each
 * name of the left side, a transposition to the order of the right side, and a
 * reshape that merges; each only where it changes something.
 */
#include "compiler/front/elaborate.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the pattern --------------------------------------------------------- */

enum { MAX_ATOMS = 4 * MAX_RANK };

/* A name or `...`; text as written, with its place in the string. */
typedef struct {
  const char *name; /* NULL: `...` */
  size_t offset;
  int group;
} Atom;

/* An axis of one side: `(h e)`, a name, `1` or `...`. */
typedef struct {
  size_t offset, length;
} Group;

typedef struct {
  Atom atom[MAX_ATOMS];
  Group group[MAX_ATOMS];
  int atoms, groups;
  int dots; /* the group that is `...` alone, or -1 */
} Side;

/* One axis after splitting. */
typedef struct {
  const char *name;
  int64_t size;
  bool known;
  const char *label;
  int group; /* of the left side */
  size_t offset;
  bool dots; /* one of the axes that `...` stands for */
} Letter;

typedef struct {
  Elaborator *e;
  const BuiltinCall *call;
  const Expr *string;
  const char *text, *at;
  Value operand;
  const Type *type;
  Side side[2];
  Letter letter[MAX_RANK];
  int letters;
} Rearrange;

/* Bytes of the literal; the whole of it where escapes make that unsure. */
static Span place(const Rearrange *r, size_t offset, size_t length) {
  Span span = r->string->span;
  if (span.end - span.start != r->string->text_length + 2)
    return span;
  span.start += 1 + (uint32_t)offset;
  span.end = span.start + (uint32_t)(length ? length : 1);
  return span;
}

static bool fail_at(Rearrange *r, size_t offset, size_t length,
                    const char *code, const char *message) {
  fail(r->e, place(r, offset, length), code, "%s", message);
  return false;
}

static bool fail_here(Rearrange *r, const char *message) {
  return fail_at(r, (size_t)(r->at - r->text), 1, "E0320", message);
}

static void skip_spaces(Rearrange *r) {
  while (*r->at == ' ')
    r->at++;
}

static bool add_atom(Rearrange *r, Side *side, const char *name,
                     const char *start) {
  if (side->atoms == MAX_ATOMS)
    return fail_here(r, "this pattern has too many names");
  side->atom[side->atoms++] =
      (Atom){name, (size_t)(start - r->text), side->groups};
  return true;
}

/* A name, `...` or `1`, inside parentheses or not. */
static bool parse_atom(Rearrange *r, Side *side) {
  const char *start = r->at;
  if (strncmp(r->at, "...", 3) == 0) {
    r->at += 3;
    return add_atom(r, side, NULL, start);
  }
  if (*r->at == '1' && !isalnum((unsigned char)r->at[1])) {
    r->at++;
    return true;
  }
  if (!isalpha((unsigned char)*r->at) && *r->at != '_')
    return fail_here(r, "expected an axis name, `(`, `1`, `...` or `->`");
  while (isalnum((unsigned char)*r->at) || *r->at == '_')
    r->at++;
  return add_atom(
      r, side, intern_n(r->e->interner, start, (size_t)(r->at - start)), start);
}

static bool parse_group(Rearrange *r, Side *side) {
  const char *start = r->at;
  bool inside = *r->at == '(';
  if (side->groups == MAX_ATOMS)
    return fail_here(r, "this pattern has too many axes");
  if (!inside && !parse_atom(r, side))
    return false;
  if (inside) {
    for (r->at++, skip_spaces(r); *r->at != ')'; skip_spaces(r))
      if (*r->at == '\0' || *r->at == '(')
        return fail_here(r, *r->at ? "parentheses do not nest here"
                                   : "a `)` is missing");
      else if (!parse_atom(r, side))
        return false;
    r->at++;
  }
  side->group[side->groups++] =
      (Group){(size_t)(start - r->text), (size_t)(r->at - start)};
  return true;
}

static bool parse_side(Rearrange *r, Side *side) {
  for (skip_spaces(r); *r->at && strncmp(r->at, "->", 2) != 0; skip_spaces(r))
    if (!parse_group(r, side))
      return false;
  return true;
}

/* Each name once a side; `...` stands alone on the left. */
static bool check_side(Rearrange *r, Side *side, bool left) {
  side->dots = -1;
  for (int i = 0; i < side->atoms; i++) {
    const Atom *atom = &side->atom[i];
    for (int j = 0; j < i; j++)
      if (side->atom[j].name == atom->name)
        return fail_at(r, atom->offset, atom->name ? strlen(atom->name) : 3,
                       "E0320",
                       text_printf(r->e, "axis `%s` occurs twice on one side",
                                   atom->name ? atom->name : "..."));
    const Group *group = &side->group[atom->group];
    if (!atom->name && left && group->length != 3)
      return fail_at(r, atom->offset, 3, "E0320",
                     "`...` cannot be split off from other axes");
    if (!atom->name && left)
      side->dots = atom->group;
  }
  return true;
}

static bool parse(Rearrange *r) {
  if (!parse_side(r, &r->side[0]))
    return false;
  if (strncmp(r->at, "->", 2) != 0)
    return fail_here(r, "expected an axis name or `->`");
  r->at += 2;
  if (!parse_side(r, &r->side[1]))
    return false;
  if (*r->at)
    return fail_here(r, "expected an axis name or the end");
  return check_side(r, &r->side[0], true) && check_side(r, &r->side[1], false);
}

/* ---- sizes --------------------------------------------------------------- */

/* How many axes of the operand the `...` stands for. */
static int dots_count(const Rearrange *r) {
  const Side *left = &r->side[0];
  return left->dots < 0 ? 0 : r->type->rank - (left->groups - 1);
}

/* The axis of the operand that a group of the left side describes. */
static int group_axis(const Rearrange *r, int group) {
  const Side *left = &r->side[0];
  bool behind = left->dots >= 0 && group > left->dots;
  return group + (behind ? dots_count(r) - 1 : 0);
}

static const char *axis_label(const Rearrange *r, int axis) {
  const char *const *label = r->operand.as.tensor.label;
  return label ? label[axis] : NULL;
}

static bool add_letter(Rearrange *r, Letter letter) {
  if (r->letters == MAX_RANK)
    return fail_at(r, letter.offset, 1, "E0308",
                   "split up, the operand has more than eight axes");
  r->letter[r->letters++] = letter;
  return true;
}

static bool add_dots(Rearrange *r, const Atom *atom) {
  for (int i = 0; i < dots_count(r); i++) {
    int axis = atom->group + i;
    Letter letter = {text_printf(r->e, "_%d", i + 1),
                     r->type->dim[axis],
                     true,
                     axis_label(r, axis),
                     atom->group,
                     atom->offset,
                     true};
    if (!add_letter(r, letter))
      return false;
  }
  return true;
}

static bool fail_rank(Rearrange *r) {
  const Side *left = &r->side[0];
  int named = left->groups - (left->dots >= 0);
  Diagnostic error = error_begin(
      r->e, place(r, 0, (size_t)(strstr(r->text, "->") - r->text)), "E0321",
      "the pattern names %d axes for an operand that has %d", named,
      r->type->rank);
  error_label(r->e, &error, r->call->expr[0]->span, "%s",
              value_describe_sizes(r->e, r->operand));
  error_send(r->e, &error);
  return false;
}

/* One letter for each axis after splitting, sizes still unknown. */
static bool list_letters(Rearrange *r) {
  const Side *left = &r->side[0];
  int named = left->groups - (left->dots >= 0);
  if (left->dots < 0 ? named != r->type->rank : named > r->type->rank)
    return fail_rank(r);
  for (int i = 0; i < left->atoms; i++) {
    const Atom *atom = &left->atom[i];
    Letter letter = {
        .name = atom->name, .group = atom->group, .offset = atom->offset};
    if (atom->name ? !add_letter(r, letter) : !add_dots(r, atom))
      return false;
  }
  return true;
}

static Letter *letter_find(Rearrange *r, const char *name) {
  for (int i = 0; i < r->letters; i++)
    if (strcmp(r->letter[i].name, name) == 0)
      return &r->letter[i];
  return NULL;
}

static bool fail_unnamed(Rearrange *r, const NamedArg *named) {
  Candidates candidates = {0};
  for (int i = 0; i < r->letters; i++)
    vec_push(&candidates, r->letter[i].name);
  Diagnostic error = error_begin(r->e, named->name_span, "E0203",
                                 "the left side of the pattern has no axis "
                                 "`%s`",
                                 named->name);
  const char *near = did_you_mean(r->e, named->name, &candidates);
  if (near)
    error_mark(r->e, &error, "%s", near);
  error_label(r->e, &error, r->string->span, "%s", "the pattern");
  error_send(r->e, &error);
  return false;
}

/* The sizes that the call gives: h = 12. */
static bool bind_given(Rearrange *r) {
  for (int i = 0; i < r->call->named_count; i++) {
    const NamedArg *named = &r->call->named[i];
    Letter *letter = letter_find(r, named->name);
    if (!letter)
      return fail_unnamed(r, named);
    if (named->value.kind != VALUE_INT || named->value.as.integer < 1) {
      fail(r->e, named->expr->span, "E0305",
           "a size is a whole number of at least 1, not %s",
           value_is_number(named->value) ? value_text(r->e, named->value)
                                         : value_describe(r->e, named->value));
      return false;
    }
    letter->size = named->value.as.integer;
    letter->known = true;
    letter->label = named->value.origin;
  }
  return true;
}

/* What is known of one group: the product of the given sizes, as a number and
 * as text ("n * h = 5 * 12 = 60"), and the letter to be found. */
typedef struct {
  int axis, given, names;
  int64_t size, product;
  bool overflow;
  Letter *unknown, *second;
  const char *text;
} Split;

static Split split_of(Rearrange *r, int group) {
  Split split = {.axis = group_axis(r, group), .product = 1};
  split.size = r->type->dim[split.axis];
  Buffer names = {0}, sizes = {0};
  for (int i = 0; i < r->letters; i++) {
    Letter *letter = &r->letter[i];
    if (letter->group != group)
      continue;
    split.names++;
    if (!letter->known) {
      split.second = split.unknown ? letter : NULL;
      split.unknown = split.unknown ? split.unknown : letter;
      continue;
    }
    split.overflow |= letter->size > INT64_MAX / split.product;
    split.product = split.overflow ? 1 : split.product * letter->size;
    buffer_printf(&names, "%s%s", split.given ? " * " : "", letter->name);
    buffer_printf(&sizes, "%s%" PRId64, split.given ? " * " : "", letter->size);
    split.given++;
  }
  split.text = text_printf(r->e, "%.*s = %.*s", (int)names.length,
                           names.data ? names.data : "", (int)sizes.length,
                           sizes.data ? sizes.data : "");
  if (split.given > 1)
    split.text = text_printf(r->e, "%s = %" PRId64, split.text, split.product);
  buffer_free(&names);
  buffer_free(&sizes);
  return split;
}

/* `3 * d` begins with a number that is a likely factor. */
static int64_t label_factor(const char *label) {
  char *end;
  int64_t factor = label ? strtoll(label, &end, 10) : 0;
  return factor > 0 && strncmp(end, " *", 2) == 0 ? factor : 0;
}

static bool divides(const Split *split, int64_t rest, int64_t factor) {
  return factor > 0 && rest <= split->size / factor &&
         split->size % (rest * factor) == 0;
}

/* The nearest other size of the letter with which the axis splits evenly. */
static int64_t better_size(const Split *split, const Letter *letter,
                           int64_t likely) {
  int64_t rest = split->product / letter->size;
  if (likely != letter->size && divides(split, rest, likely))
    return likely;
  for (int64_t step = 1; step <= 1000; step++) {
    if (divides(split, rest, letter->size - step))
      return letter->size - step;
    if (divides(split, rest, letter->size + step))
      return letter->size + step;
  }
  return 0;
}

static void hint_size(Rearrange *r, Diagnostic *error, int group,
                      const Split *split) {
  int64_t likely = label_factor(axis_label(r, split->axis));
  for (int i = 0; i < r->letters && split->unknown; i++) {
    const Letter *letter = &r->letter[i];
    int64_t size = letter->group == group && letter->known
                       ? better_size(split, letter, likely)
                       : 0;
    if (!size)
      continue;
    int64_t rest = split->product / letter->size * size;
    error_hint(r->e, error, "`%s = %" PRId64 "` leaves %s = %" PRId64,
               letter->name, size, split->unknown->name, split->size / rest);
    return;
  }
}

static bool fail_split(Rearrange *r, int group, const Split *split) {
  const Group *at = &r->side[0].group[group];
  const char *what = split->names == 0 ? "`1`"
                     : split->given
                         ? split->text
                         : text_printf(r->e, "%" PRId64, split->product);
  Diagnostic error = error_begin(
      r->e, place(r, at->offset, at->length), "E0321", "axis %d of %s is %s%s",
      split->axis, shape_text(r->e, r->type),
      split->unknown ? "not a multiple of "
                     : text_printf(r->e, "%" PRId64 ", not ", split->size),
      what);
  if (split->unknown) {
    const char *inside = r->text + at->offset;
    bool bare = *inside != '(';
    error_mark(r->e, &error, "%.*s = %" PRId64,
               (int)at->length - (bare ? 0 : 2), inside + (bare ? 0 : 1),
               split->size);
    hint_size(r, &error, group, split);
  }
  error_label(r->e, &error, r->call->expr[0]->span, "%s",
              value_describe_sizes(r->e, r->operand));
  error_send(r->e, &error);
  return false;
}

static bool fail_two_unknown(Rearrange *r, int group, const Split *split) {
  const Group *at = &r->side[0].group[group];
  Diagnostic error =
      error_begin(r->e, place(r, at->offset, at->length), "E0321",
                  "%" PRId64 " alone does not say how large `%s` and `%s` are",
                  split->size, split->unknown->name, split->second->name);
  error_label(r->e, &error, r->call->expr[0]->span, "%s",
              value_describe_sizes(r->e, r->operand));
  error_hint(r->e, &error, "`%s = ...` after the pattern",
             split->unknown->name);
  error_send(r->e, &error);
  return false;
}

/* The one unknown size of each axis follows from the others. */
static bool bind_groups(Rearrange *r) {
  const Side *left = &r->side[0];
  for (int group = 0; group < left->groups; group++) {
    if (group == left->dots)
      continue;
    Split split = split_of(r, group);
    if (split.second)
      return fail_two_unknown(r, group, &split);
    bool fits =
        !split.overflow && (split.unknown ? split.size % split.product == 0
                                          : split.size == split.product);
    if (!fits)
      return fail_split(r, group, &split);
    if (!split.unknown)
      continue;
    split.unknown->size = split.size / split.product;
    split.unknown->known = true;
    split.unknown->label = split.names == 1 ? axis_label(r, split.axis) : NULL;
  }
  return true;
}

/* ---- the right side ------------------------------------------------------ */

/* Letters in the order of the right side, with the group of each. */
typedef struct {
  int letter[MAX_RANK], group[MAX_RANK];
  int letters;
} Order;

static void add_order(Rearrange *r, Order *order, const Atom *atom) {
  for (int i = 0; i < r->letters; i++) {
    const Letter *letter = &r->letter[i];
    if (atom->name ? letter->dots || letter->name != atom->name : !letter->dots)
      continue;
    order->letter[order->letters] = i;
    order->group[order->letters++] = atom->group;
  }
}

static bool check_names(Rearrange *r, int from, int to, const char *format) {
  for (int i = 0; i < r->side[from].atoms; i++) {
    const Atom *atom = &r->side[from].atom[i];
    bool found = false;
    for (int j = 0; j < r->side[to].atoms; j++)
      found |= r->side[to].atom[j].name == atom->name;
    if (found)
      continue;
    const char *name = atom->name ? atom->name : "...";
    Diagnostic error = error_begin(r->e, place(r, atom->offset, strlen(name)),
                                   "E0321", "axis `%s` is on the %s side only",
                                   name, from ? "right" : "left");
    error_note(r->e, &error, "%s", format);
    error_send(r->e, &error);
    return false;
  }
  return true;
}

/* ---- the nodes ----------------------------------------------------------- */

static ValueId emit_sizes(Rearrange *r, ValueId id, const Sizes *sizes) {
  Elaborator *e = r->e;
  const Type *type =
      type_make(e->program->types, r->type->format, sizes->rank, sizes->dim);
  if (id && type_same_shape(type, graph_node(e->builder->graph, id)->type))
    return id;
  return emit_typed(e, r->call->call->span, OP_RESHAPE, type, NULL, id, 0);
}

static ValueId emit_moved(Rearrange *r, ValueId id, const Order *order) {
  bool moves = false;
  Buffer out = {0};
  for (int i = 0; i < r->letters; i++) {
    moves |= order->letter[i] != i;
    buffer_printf(&out, "%s%s", i ? " " : "", r->letter[i].name);
  }
  buffer_text(&out, " ->");
  for (int i = 0; i < r->letters; i++)
    buffer_printf(&out, " %s", r->letter[order->letter[i]].name);
  Attributes pattern = pattern_attribute(r->e, buffer_take(r->e, &out));
  return moves ? emit(r->e, r->call->call->span, OP_TRANSPOSE, &pattern, id, 0)
               : id;
}

/* Merged axes: `h * e` where both have a source expression. */
static void merge_group(Rearrange *r, const Order *order, int group,
                        Sizes *sizes) {
  int64_t size = 1;
  int names = 0;
  const char *label = NULL;
  for (int i = 0; i < order->letters; i++) {
    const Letter *letter = &r->letter[order->letter[i]];
    if (order->group[i] != group)
      continue;
    label = names == 0 ? letter->label
            : label && letter->label
                ? text_printf(r->e, "%s * %s", label, letter->label)
                : NULL;
    size *= letter->size;
    names++;
  }
  sizes->dim[sizes->rank] = size;
  sizes->label[sizes->rank++] = label;
}

static bool right_sizes(Rearrange *r, const Order *order, Sizes *sizes) {
  const Side *right = &r->side[1];
  for (int group = 0; group < right->groups; group++) {
    bool alone = strncmp(r->text + right->group[group].offset, "...", 3) == 0;
    for (int i = 0; alone && i < order->letters; i++) {
      const Letter *letter = &r->letter[order->letter[i]];
      if (order->group[i] != group)
        continue;
      sizes->dim[sizes->rank] = letter->size;
      sizes->label[sizes->rank++] = letter->label;
    }
    if (alone)
      continue;
    if (sizes->rank == MAX_RANK)
      return fail_at(r, right->group[group].offset, right->group[group].length,
                     "E0308", "the result has more than eight axes");
    merge_group(r, order, group, sizes);
  }
  return true;
}

static Value rearranged(Rearrange *r) {
  Order order = {.letters = 0};
  Sizes split = {.rank = r->letters}, *merged = NEW(r->e->scratch, Sizes);
  for (int i = 0; i < r->side[1].atoms; i++)
    add_order(r, &order, &r->side[1].atom[i]);
  for (int i = 0; i < r->letters; i++)
    split.dim[i] = r->letter[i].size;
  if (!right_sizes(r, &order, merged))
    return value_poison();
  ValueId id = emit_sizes(r, r->operand.as.tensor.id, &split);
  id = emit_moved(r, id, &order);
  return value_tensor(emit_sizes(r, id, merged), merged->label);
}

Value builtin_rearrange(Elaborator *e, const BuiltinCall *call) {
  Rearrange r = {.e = e, .call = call, .string = call->expr[1]};
  if (!builtin_tensor(e, call, 0, &r.operand))
    return value_poison();
  if (r.string->kind != EXPR_STRING)
    return fail(e, r.string->span, "E0325",
                "a pattern is a string such as \"b t (h e) -> b h t e\"");
  r.type = value_type(e, r.operand);
  r.text = r.at = r.string->text;
  if (!parse(&r) || !list_letters(&r) || !bind_given(&r) || !bind_groups(&r) ||
      !check_names(&r, 0, 1,
                   "`rearrange` keeps every axis; `sum`, `mean` or `max` takes "
                   "a pattern that drops some") ||
      !check_names(&r, 1, 0,
                   "`rearrange` only moves what is there; `1` makes a new axis "
                   "of size 1"))
    return value_poison();
  return rearranged(&r);
}
