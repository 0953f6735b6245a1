/* Loops: `for` over a range, a list or an array of modules, and `repeat`.
 *
 * In: the statement. Out: its body, run once a turn: loops unroll. Names first
 * bound inside a loop end with each turn; a name that a loop carries keeps one
 * shape (language.md 4).
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

/* What a name meant before a loop. */
typedef struct {
  Variable *variable;
  Value value;
  Span span;
} Carried;

typedef struct {
  const Stmt *stmt;
  Variable *outer; /* newest name that the loop does not own */
  VEC(Carried) carried;
  int64_t turns;
  const char *source; /* of the number of turns: "L", or NULL */
  bool failed;
} Loop;

/* Everything that exists before the loop is carried round it. */
static void loop_begin(Elaborator *e, Loop *loop, const Stmt *stmt,
                       int64_t turns, const char *source) {
  *loop = (Loop){.stmt = stmt, .outer = e->frame->locals.first};
  loop->turns = turns;
  loop->source = source;
  for (Variable *v = loop->outer; v; v = v->next)
    vec_push(&loop->carried, (Carried){v, v->value, v->span});
}

/* Both shapes at both places: before the loop, and in it. */
static void fail_carried(Elaborator *e, const Loop *loop,
                         const Carried *before) {
  const Variable *variable = before->variable;
  Diagnostic error = error_begin(
      e, variable->span, "E0331",
      "`%s` is %s before this loop and %s after one turn", variable->name,
      value_describe(e, before->value), value_describe(e, variable->value));
  error_mark(e, &error, "%s", value_describe_sizes(e, variable->value));
  error_label(e, &error, before->span, "%s",
              value_describe_sizes(e, before->value));
  error_note(e, &error,
             "a name that a loop carries keeps one shape; the loop runs "
             "%" PRId64 " time%s%s",
             loop->turns, loop->turns == 1 ? "" : "s",
             loop->source ? text_printf(e, " (%s)", loop->source) : "");
  error_hint(e, &error, "collect into a second name: `next = ...`");
  error_send(e, &error);
}

/* One shape, and reals stay reals, in whatever format. */
static bool same_kind(const Type *a, const Type *b) {
  return type_same_shape(a, b) &&
         (a->format == b->format || (type_is_real(a) && type_is_real(b)));
}

static void check_carried(Elaborator *e, Loop *loop) {
  for (size_t i = 0; i < loop->carried.length; i++) {
    const Carried *before = &loop->carried.data[i];
    const Variable *now = before->variable;
    if (now->value.kind == VALUE_TENSOR && before->value.kind == VALUE_TENSOR &&
        !same_kind(value_type(e, now->value), value_type(e, before->value))) {
      fail_carried(e, loop, before);
      before->variable->value = value_poison();
      loop->failed = true;
    }
  }
}

/* One turn; false: the loop is over. */
static bool loop_turn(Elaborator *e, Loop *loop) {
  unsigned failures = e->failures;
  if (!work_add(e, loop->stmt->span))
    return false;
  run_statements(e, loop->stmt->body);
  check_carried(e, loop);
  scope_cut(e, &e->frame->locals, loop->outer);
  return !e->frame->returned && !loop->failed && e->failures == failures;
}

/* An empty loop is fine. */
static bool check_turns(Elaborator *e, Span span, int64_t turns) {
  if (turns >= 0 && turns <= limit_of(e, LIMIT_turns))
    return true;
  fail_limit(e, span, LIMIT_turns,
             "a loop runs from 0 to %" PRId64 " times, not %" PRId64,
             limit_of(e, LIMIT_turns), turns);
  return false;
}

/* One name: the item, or the number of a range. Two: number and item. */
static void bind_turn(Elaborator *e, const Stmt *stmt, int64_t index,
                      const Value *item) {
  const Name *name = stmt->names;
  if (name->next || !item) {
    scope_set(e, &e->frame->locals, name->text, value_int(index), name->span);
    name = name->next;
  }
  if (name)
    scope_set(e, &e->frame->locals, name->text, *item, name->span);
}

/* Where the turns of a..b come from: "L", "L - 1", "b - a". */
static const char *range_source(Elaborator *e, const Stmt *stmt, Value first,
                                Value last) {
  const char *from = size_label(e, first, stmt->span);
  const char *to = size_label(e, last, stmt->span);
  if (first.as.integer == 0 || (!from && !to))
    return first.as.integer == 0 ? to : NULL;
  from = from ? from : value_text(e, first);
  return text_printf(e, strchr(from, ' ') ? "%s - (%s)" : "%s - %s",
                     to ? to : value_text(e, last), from);
}

/* From the first up to, not including, the last. */
static void run_range(Elaborator *e, const Stmt *stmt) {
  Value first = eval_count(e, stmt->values, "the start of a range");
  Value last = value_is_poison(first)
                   ? first
                   : eval_count(e, stmt->range_end, "the end of a range");
  if (value_is_poison(last))
    return;
  int64_t from = first.as.integer, to = last.as.integer, turns;
  if (stmt->names->next) {
    fail(e, stmt->names->next->span, "E0426",
         "a range gives one number a turn");
    return;
  }
  if (__builtin_sub_overflow(to, from, &turns) ||
      !check_turns(e, stmt->range_end->span, turns < 0 ? 0 : turns))
    return;
  Loop loop;
  loop_begin(e, &loop, stmt, turns, range_source(e, stmt, first, last));
  for (int64_t i = from; i < to; i++) {
    bind_turn(e, stmt, i, NULL);
    if (!loop_turn(e, &loop))
      break;
  }
  vec_free(&loop.carried);
}

/* Arrays of modules, and lists. */
void for_statement(Elaborator *e, const Stmt *stmt) {
  if (stmt->range_end) {
    run_range(e, stmt);
    return;
  }
  Value list = eval(e, stmt->values);
  if (value_is_poison(list))
    return;
  if (list.kind != VALUE_LIST && list.kind != VALUE_ARRAY) {
    fail(e, stmt->values->span, "E0416",
         "`for` runs over an array of modules, a list or a range, not %s",
         value_describe(e, list));
    return;
  }
  if (stmt->names->next && stmt->names->next->next) {
    fail(e, stmt->names->next->next->span, "E0426",
         "`for` binds an item, or its number and the item");
    return;
  }
  Loop loop;
  loop_begin(e, &loop, stmt, (int64_t)list.as.list.count,
             list.kind == VALUE_ARRAY          ? size_label(e, list, stmt->span)
             : stmt->values->kind == EXPR_NAME ? stmt->values->text
                                               : NULL);
  for (size_t i = 0; i < list.as.list.count; i++) {
    bind_turn(e, stmt, (int64_t)i, &list.as.list.item[i]);
    if (!loop_turn(e, &loop))
      break;
  }
  vec_free(&loop.carried);
}

void repeat_statement(Elaborator *e, const Stmt *stmt) {
  Value count = eval_count(e, stmt->condition, "the count of `repeat`");
  int64_t turns = value_is_poison(count) ? 0 : count.as.integer;
  if (value_is_poison(count) || !check_turns(e, stmt->condition->span, turns))
    return;
  Loop loop;
  loop_begin(e, &loop, stmt, turns, size_label(e, count, stmt->span));
  for (int64_t i = 0; i < turns; i++)
    if (!loop_turn(e, &loop))
      break;
  vec_free(&loop.carried);
}
