/* Subscripts of tensors: from syntax to picks, each checked against the axis
 * that it is for.
 *
 * In: subscripts as written, a tensor. Out: one Pick an axis. Bounds that are
 * known now are checked now, and nothing is ever clamped: a slice that Python
 * would cut short is an error here, which shows the size and where it comes
 * from. What is known at run time only is checked by the program as it runs.
 */
#include "compiler/front/pick.h"

#include <inttypes.h>
#include <string.h>

typedef struct {
  Elaborator *e;
  const Subject *subject;
  const Type *type;
  Pick *pick;
  int count;
  int axis;
  bool gathers; /* a tensor of indices has been met */
} Resolver;

/* ---- text --------------------------------------------------------------- */

const char *axis_text(Elaborator *e, Value tensor, int axis) {
  int64_t size = value_type(e, tensor)->dim[axis];
  const char *const *label = tensor.as.tensor.label;
  if (label && label[axis])
    return text_printf(e, "%" PRId64 " = %s", size, label[axis]);
  return text_printf(e, "%" PRId64, size);
}

const char *size_label(Elaborator *e, Value size, Span span) {
  return span_is_builtin(e, span) ? size_outside(size) : size.origin;
}

/* As an operand of `-`. */
static const char *operand_text(Elaborator *e, Value value, Span span) {
  const char *label = size_label(e, value, span);
  if (!label)
    return value_text(e, value);
  return strchr(label, ' ') ? text_printf(e, "(%s)", label) : label;
}

static const char *own_label(const Resolver *resolver) {
  const char *const *label = resolver->subject->value.as.tensor.label;
  return label ? label[resolver->axis] : NULL;
}

/* ---- messages ----------------------------------------------------------- */

static void label_subject(const Resolver *resolver, Diagnostic *error) {
  Elaborator *e = resolver->e;
  error_label(e, error, resolver->subject->span, "%s",
              value_describe_sizes(e, resolver->subject->value));
}

static const char *current_axis(const Resolver *resolver) {
  return text_printf(
      resolver->e, "axis %d of `%s`, which has %s", resolver->axis,
      resolver->subject->text,
      axis_text(resolver->e, resolver->subject->value, resolver->axis));
}

static bool fail_index(const Resolver *resolver, const Sub *sub,
                       int64_t index) {
  Elaborator *e = resolver->e;
  int64_t n = resolver->type->dim[resolver->axis];
  Diagnostic error =
      error_begin(e, sub->span, "E0351", "index %" PRId64 " is outside %s",
                  index, current_axis(resolver));
  if (n > 0)
    error_mark(e, &error,
               "0 .. %" PRId64 ", or -%" PRId64 " .. -1 from the end", n - 1,
               n);
  label_subject(resolver, &error);
  error_send(e, &error);
  return false;
}

/* `what`: "the slice 3:12 ends outside". */
static bool fail_slice(const Resolver *resolver, const Sub *sub,
                       const char *what) {
  Elaborator *e = resolver->e;
  Diagnostic error =
      error_begin(e, sub->span, "E0352", "%s %s", what, current_axis(resolver));
  label_subject(resolver, &error);
  error_send(e, &error);
  return false;
}

static bool fail_empty(const Resolver *resolver, const Sub *sub,
                       const char *why) {
  Elaborator *e = resolver->e;
  Diagnostic error =
      error_begin(e, sub->span, "E0353", "this slice takes nothing: %s", why);
  label_subject(resolver, &error);
  error_note(e, &error, "every axis of a tensor has at least one element");
  error_send(e, &error);
  return false;
}

/* `pos:pos + t` becomes `pos +: t`; other lengths are for the reader to
 * find. */
static const char *window_for(Elaborator *e, const Sub *sub) {
  const char *start = expr_text(e, sub->a);
  if (sub->b && sub->b->kind == EXPR_BINARY && sub->b->op == BIN_ADD) {
    if (strcmp(expr_text(e, sub->b->left), start) == 0)
      return text_printf(e, "%s +: %s", start,
                         span_text(e, sub->b->right->span));
    if (strcmp(expr_text(e, sub->b->right), start) == 0)
      return text_printf(e, "%s +: %s", start,
                         span_text(e, sub->b->left->span));
  }
  return text_printf(e, "%s +: n", start);
}

static bool fail_run_time_bound(const Resolver *resolver, const Sub *sub,
                                const Expr *bound, Value value) {
  Elaborator *e = resolver->e;
  Diagnostic error =
      error_begin(e, bound->span, "E0343",
                  "the bounds of a slice are known at compile time; `%s` is %s",
                  expr_text(e, bound), value_describe(e, value));
  error_note(e, &error, "the length would not be known, and with it the shape");
  if (sub->a && sub->a->kind != EXPR_INT)
    error_hint(e, &error, "use `%s`, a window of fixed length",
               window_for(e, sub));
  else
    error_hint(e, &error, "take a fixed number, and mask: `iota(n) < %s`",
               expr_text(e, bound));
  error_send(e, &error);
  return false;
}

/* Truth values, reals, lists; several numbers where one is needed. */
static bool fail_kind(const Resolver *resolver, const Expr *expr, Value value) {
  Elaborator *e = resolver->e;
  const Type *type = value.kind == VALUE_TENSOR ? value_type(e, value) : NULL;
  bool several = type && format_is_whole(type->format);
  Diagnostic error = error_begin(
      e, expr->span, "E0460", "%s %s",
      several ? "a slice or window begins and ends at one number, not"
              : "a tensor is indexed by whole numbers, not by",
      value_describe(e, value));
  if (type && type->format == FORMAT_BOOL)
    error_hint(e, &error, "choose by a mask: `where(%s, .., ..)`",
               expr_text(e, expr));
  else if (type && !several)
    error_hint(e, &error, "convert first: `i32(%s)`", expr_text(e, expr));
  error_send(e, &error);
  return false;
}

/* ---- one axis ----------------------------------------------------------- */

static bool add_pick(Resolver *resolver, Pick pick, const Sub *sub) {
  pick.span = sub ? sub->span : resolver->subject->span;
  pick.axis = resolver->axis;
  if (resolver->count == MAX_PICKS) {
    fail(resolver->e, pick.span, "E0308", "a tensor has at most %d axes",
         MAX_RANK);
    return false;
  }
  resolver->pick[resolver->count++] = pick;
  resolver->axis += pick.kind != PICK_NEW;
  return true;
}

static bool add_whole(Resolver *resolver, const Sub *sub) {
  Pick pick = {.kind = PICK_ALL,
               .size = resolver->type->dim[resolver->axis],
               .label = own_label(resolver)};
  return add_pick(resolver, pick, sub);
}

static bool is_whole_tensor(const Elaborator *e, Value value) {
  return value.kind == VALUE_TENSOR &&
         format_is_whole(value_type(e, value)->format);
}

/* An index known now, negative from the end; false after a message. */
static bool resolve_static(Resolver *resolver, const Sub *sub, Value value) {
  int64_t n = resolver->type->dim[resolver->axis], i = value.as.integer;
  if (i < -n || i >= n)
    return fail_index(resolver, sub, i);
  Pick pick = {.kind = PICK_ONE, .start = i < 0 ? i + n : i, .size = 1};
  return add_pick(resolver, pick, sub);
}

/* One gather a subscript: what several mean together is a matter of taste
 * (the outer product of the indices, or their pairs). */
static bool resolve_gather(Resolver *resolver, const Sub *sub, Value value) {
  Elaborator *e = resolver->e;
  if (resolver->gathers) {
    Diagnostic error =
        error_begin(e, sub->span, "E0344",
                    "one subscript at a time may be a tensor of indices");
    error_hint(e, &error,
               "`x[ids][:, others]` takes the grid of both, `take` their "
               "pairs");
    error_send(e, &error);
    return false;
  }
  resolver->gathers = true;
  Pick pick = {.kind = PICK_GATHER, .at = value.as.tensor.id, .indices = value};
  return add_pick(resolver, pick, sub);
}

static bool resolve_index(Resolver *resolver, const Sub *sub) {
  Elaborator *e = resolver->e;
  Value value = eval(e, sub->a);
  if (value_is_poison(value))
    return false;
  if (value.kind == VALUE_INT)
    return resolve_static(resolver, sub, value);
  if (!is_whole_tensor(e, value))
    return fail_kind(resolver, sub->a, value);
  if (value_type(e, value)->rank > 0)
    return resolve_gather(resolver, sub, value);
  Pick pick = {.kind = PICK_ONE, .size = 1, .at = value.as.tensor.id};
  return add_pick(resolver, pick, sub);
}

/* ---- slices ------------------------------------------------------------- */

/* A bound known now, negative from the end; absent: `missing`. */
static bool resolve_bound(Resolver *resolver, const Sub *sub, const Expr *expr,
                          int64_t missing, Value *given, int64_t *out) {
  *given = (Value){.kind = VALUE_NOTHING};
  *out = missing;
  if (!expr)
    return true;
  Value value = *given = eval(resolver->e, expr);
  if (value_is_poison(value))
    return false;
  if (is_whole_tensor(resolver->e, value) &&
      value_type(resolver->e, value)->rank == 0)
    return fail_run_time_bound(resolver, sub, expr, value);
  if (value.kind != VALUE_INT)
    return fail_kind(resolver, expr, value);
  int64_t n = resolver->type->dim[resolver->axis], i = value.as.integer;
  *out = i < 0 ? i + n : i;
  if (*out >= 0 && *out <= n)
    return true;
  return fail_slice(resolver, sub,
                    text_printf(resolver->e,
                                "the slice %s %s at %" PRId64 ", outside",
                                span_text(resolver->e, sub->span),
                                expr == sub->a ? "begins" : "ends", i));
}

/* `k` for [:k], `b - a` for [a:b], `n - a` for [a:], where they are known. */
static const char *range_label(const Resolver *resolver, const Sub *sub,
                               Value a, Value b) {
  Elaborator *e = resolver->e;
  bool from = a.kind == VALUE_INT, to = b.kind == VALUE_INT;
  const char *own = own_label(resolver);
  if ((from && a.as.integer < 0) || (to && b.as.integer < 0))
    return NULL;
  if (!from)
    return to ? size_label(e, b, sub->span) : own;
  const char *end = to ? size_label(e, b, sub->span) : own;
  if (a.as.integer == 0)
    return end;
  if (!end && (!to || !size_label(e, a, sub->span)))
    return NULL;
  return text_printf(e, "%s - %s", end ? end : value_text(e, b),
                     operand_text(e, a, sub->span));
}

static bool resolve_range(Resolver *resolver, const Sub *sub) {
  int64_t n = resolver->type->dim[resolver->axis], from, to;
  Value a, b;
  if (!sub->a && !sub->b)
    return add_whole(resolver, sub);
  if (!resolve_bound(resolver, sub, sub->a, 0, &a, &from) ||
      !resolve_bound(resolver, sub, sub->b, n, &b, &to))
    return false;
  if (from >= to)
    return fail_empty(
        resolver, sub,
        from == to
            ? text_printf(resolver->e, "it begins and ends at %" PRId64, from)
            : text_printf(resolver->e,
                          "it ends at %" PRId64
                          ", before it begins at %" PRId64,
                          to, from));
  Pick pick = {.kind = PICK_RANGE,
               .start = from,
               .size = to - from,
               .label = range_label(resolver, sub, a, b)};
  return add_pick(resolver, pick, sub);
}

/* ---- windows ------------------------------------------------------------ */

static bool fail_window(const Resolver *resolver, const Sub *sub,
                        int64_t size) {
  Elaborator *e = resolver->e;
  Diagnostic error = error_begin(e, sub->b->span, "E0345",
                                 "a window of %" PRId64 " does not fit into %s",
                                 size, current_axis(resolver));
  label_subject(resolver, &error);
  error_send(e, &error);
  return false;
}

/* start +: size */
static bool resolve_window(Resolver *resolver, const Sub *sub) {
  Elaborator *e = resolver->e;
  int64_t n = resolver->type->dim[resolver->axis];
  Value start = eval(e, sub->a), size = eval(e, sub->b);
  if (value_is_poison(start) || value_is_poison(size))
    return false;
  if (size.kind != VALUE_INT) {
    fail(e, sub->b->span, "E0413",
         "the length of a window is a whole number known at compile time, "
         "not %s",
         value_describe(e, size));
    return false;
  }
  if (size.as.integer < 1)
    return fail_empty(
        resolver, sub,
        text_printf(e, "the window has the length %" PRId64, size.as.integer));
  if (size.as.integer > n)
    return fail_window(resolver, sub, size.as.integer);
  Pick pick = {.kind = PICK_WINDOW,
               .size = size.as.integer,
               .label = size_label(e, size, sub->span)};
  if (start.kind == VALUE_INT) {
    int64_t from = start.as.integer;
    if (from < 0 || from > n - size.as.integer)
      return fail_slice(
          resolver, sub,
          text_printf(e, "the window %s leaves", span_text(e, sub->span)));
    pick.kind = PICK_RANGE;
    pick.start = from;
    return add_pick(resolver, pick, sub);
  }
  if (!is_whole_tensor(e, start) || value_type(e, start)->rank > 0)
    return fail_kind(resolver, sub->a, start);
  pick.at = start.as.tensor.id;
  return add_pick(resolver, pick, sub);
}

/* ---- all subscripts ----------------------------------------------------- */

static bool is_new(const Sub *sub) {
  return sub->kind == SUB_INDEX && sub->a->kind == EXPR_NAME &&
         strcmp(sub->a->text, "new") == 0;
}

/* How many axes are named; false after a message. */
static bool count_named(const Resolver *resolver, const Sub *subs, Span span,
                        int *named) {
  Elaborator *e = resolver->e;
  const Sub *dots = NULL;
  bool broken = false; /* what could not be read may have been `new` */
  *named = 0;
  for (const Sub *sub = subs; sub; sub = sub->next) {
    if (sub->kind == SUB_DOTS && dots) {
      Diagnostic error = error_begin(e, sub->span, "E0346",
                                     "`..` stands for all other axes once");
      error_label(e, &error, dots->span, "first here");
      error_send(e, &error);
      return false;
    }
    broken |= sub->kind == SUB_INDEX && sub->a->kind == EXPR_ERROR;
    if (sub->kind == SUB_DOTS)
      dots = sub;
    else
      *named += !is_new(sub);
  }
  if (*named <= resolver->type->rank)
    return true;
  if (broken)
    return !value_is_poison(fail_silent(e));
  Diagnostic error = error_begin(
      e, span, "E0347", "%d subscript%s for the %d ax%s of `%s`", *named,
      *named == 1 ? "" : "s", resolver->type->rank,
      resolver->type->rank == 1 ? "is" : "es", resolver->subject->text);
  label_subject(resolver, &error);
  error_send(e, &error);
  return false;
}

static bool resolve(Resolver *resolver, const Sub *sub, int others) {
  if (is_new(sub))
    return add_pick(resolver, (Pick){.kind = PICK_NEW, .size = 1}, sub);
  switch (sub->kind) {
  case SUB_INDEX:
    return resolve_index(resolver, sub);
  case SUB_RANGE:
    return resolve_range(resolver, sub);
  case SUB_WINDOW:
    return resolve_window(resolver, sub);
  case SUB_DOTS:
    for (int i = 0; i < others; i++)
      if (!add_whole(resolver, sub))
        return false;
    return true;
  }
  return false;
}

/* Without `..` the axes that are not named come last and are taken whole. */
bool picks_resolve(Elaborator *e, const Subject *subject, const Sub *subs,
                   Span span, Pick *pick, int *count) {
  Resolver resolver = {.e = e, .subject = subject, .pick = pick};
  resolver.type = value_type(e, subject->value);
  int named;
  if (!count_named(&resolver, subs, span, &named))
    return false;
  int others = resolver.type->rank - named;
  for (const Sub *sub = subs; sub; sub = sub->next)
    if (!resolve(&resolver, sub, others))
      return false;
  while (resolver.axis < resolver.type->rank)
    if (!add_whole(&resolver, NULL))
      return false;
  *count = resolver.count;
  return true;
}
