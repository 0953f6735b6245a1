/* rearrange(x, "b t (h e) -> b h t e", h = H): axes split, moved and merged.
 *
 * After einops (Rogozhnikov, ICLR 2022). In: a pattern of two sides. Names are
 * axes, `(h e)` one axis made of several, `1` (or `()`) an axis of size 1,
 * `...` a run of axes that stay together. Both sides have the same names, so
 * nothing is summed and nothing repeated. Out: a reshape to one axis for each
 * name of the left side, a transposition to the order of the right side, and a
 * reshape that merges; each only where it changes something.
 */
#include "compiler/front/rearrange.h"

#include <string.h>

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
    Diagnostic error = error_begin(
        r->e, rearrange_place(r, atom->offset, strlen(name)), "E0321",
        "axis `%s` is on the %s side only", name, from ? "right" : "left");
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
      return rearrange_fail(r, right->group[group].offset,
                            right->group[group].length, "E0308",
                            "the result has more than eight axes");
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
  if (!rearrange_parse(&r) || !rearrange_sizes(&r) ||
      !check_names(&r, 0, 1,
                   "`rearrange` keeps every axis; `sum`, `mean` or `max` takes "
                   "a pattern that drops some") ||
      !check_names(&r, 1, 0,
                   "`rearrange` only moves what is there; `1` makes a new axis "
                   "of size 1"))
    return value_poison();
  return rearranged(&r);
}
