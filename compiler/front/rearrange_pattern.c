/* The pattern of `rearrange`: "b t (h e) -> b h t e" as two sides of groups of
 * names, with carets into the string where it is wrong.
 */
#include "compiler/front/rearrange.h"

#include <ctype.h>
#include <string.h>

Span rearrange_place(const Rearrange *r, size_t offset, size_t length) {
  Span span = r->string->span;
  if (span.end - span.start != r->string->text_length + 2)
    return span;
  span.start += 1 + (uint32_t)offset;
  span.end = span.start + (uint32_t)(length ? length : 1);
  return span;
}

bool rearrange_fail(Rearrange *r, size_t offset, size_t length,
                    const char *code, const char *message) {
  fail(r->e, rearrange_place(r, offset, length), code, "%s", message);
  return false;
}

static bool fail_here(Rearrange *r, const char *message) {
  return rearrange_fail(r, (size_t)(r->at - r->text), 1, "E0320", message);
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
        return rearrange_fail(
            r, atom->offset, atom->name ? strlen(atom->name) : 3, "E0320",
            text_printf(r->e, "axis `%s` occurs twice on one side",
                        atom->name ? atom->name : "..."));
    const Group *group = &side->group[atom->group];
    if (!atom->name && left && group->length != 3)
      return rearrange_fail(r, atom->offset, 3, "E0320",
                            "`...` cannot be split off from other axes");
    if (!atom->name && left)
      side->dots = atom->group;
  }
  return true;
}

bool rearrange_parse(Rearrange *r) {
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
