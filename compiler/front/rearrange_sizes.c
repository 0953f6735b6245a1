/* The sizes of `rearrange`: one letter for each axis after splitting; the call
 * gives some, at most one of each axis follows from the others.
 */
#include "compiler/front/rearrange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
    return rearrange_fail(r, letter.offset, 1, "E0308",
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
      r->e, rearrange_place(r, 0, (size_t)(strstr(r->text, "->") - r->text)),
      "E0321", "the pattern names %d axes for an operand that has %d", named,
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
      r->e, rearrange_place(r, at->offset, at->length), "E0321",
      "axis %d of %s is %s%s", split->axis, shape_text(r->e, r->type),
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
      error_begin(r->e, rearrange_place(r, at->offset, at->length), "E0321",
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

bool rearrange_sizes(Rearrange *r) {
  return list_letters(r) && bind_given(r) && bind_groups(r);
}
