/* Statements: bindings, loops that unroll, conditions that are decided now.
 *
 * A function has one scope. Names first bound inside a loop end with each turn;
 * a name that a loop carries keeps one shape (language.md 4).
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

/* ---- assignment to states and weights ----------------------------------- */

/* A number becomes a tensor of the state's shape. */
static Value fill(Elaborator *e, Span span, Value value, const Type *type) {
  Format format = format_is_real(type->format) ? FORMAT_REAL : type->format;
  ValueId number = emit_constant(e, span, format, value_number(value));
  const Type *real = type_with_format(e->program->types, type, format);
  if (type->rank == 0 || !number)
    return value_tensor(number, NULL);
  return value_tensor(emit_typed(e, span, OP_SPLAT, real, NULL, number, 0),
                      NULL);
}

/* A state keeps the shape of its declaration for ever. */
static Value fail_store(Elaborator *e, const Name *name, Value value,
                        const Parameter *parameter) {
  Diagnostic error = error_begin(
      e, name->span, "E0332", "`%s` is %s and cannot become %s", name->text,
      type_text(e, parameter->type), value_describe(e, value));
  error_label(e, &error, parameter->span, "declared here");
  return error_send(e, &error);
}

/* Reals go into reals, whole numbers into their own format. */
static bool stores_format(Format state, Format format) {
  return format_is_real(state) ? format_is_real(format) : state == format;
}

/* What is stored is a tensor of the shape and kind declared; numbers are
 * spread. */
static Value stored_value(Elaborator *e, const Name *name, const Expr *expr,
                          Value value, int param) {
  const Parameter *parameter = &e->program->param.data[param];
  bool whole = !format_is_real(parameter->type->format);
  if (value_is_number(value) && (!whole || value.kind == VALUE_INT))
    return fill(e, expr->span, value, parameter->type);
  if (value.kind != VALUE_TENSOR ||
      !stores_format(parameter->type->format, value_type(e, value)->format) ||
      !type_same_shape(value_type(e, value), parameter->type))
    return fail_store(e, name, value, parameter);
  return value;
}

/* `x: [b, d] = ...`: the type is checked, and may bind sizes. */
static Value check_declared(Elaborator *e, const Stmt *stmt, const Name *name,
                            const Expr *expr, Value value) {
  if (!stmt->type || value_is_poison(value))
    return value;
  MatchRole role = {.span = expr->span,
                    .taker = text_printf(e, "`%s`", name->text),
                    .verb = "is declared",
                    .got = "is",
                    .code = "E0303"};
  return type_match(e, stmt->type, &value, &role) ? value : value_poison();
}

static Value fail_stored_early(Elaborator *e, const Name *name) {
  return fail(e, name->span, "E0424", "a state is assigned at run time only");
}

/* A state keeps its new value in any case. */
static bool refuse_remat(Elaborator *e, const Stmt *stmt, const Name *name) {
  const Attribute *remat = attribute_find(stmt->attributes, "remat");
  if (remat)
    fail(e, remat->span, "E0454",
         "@remat computes a value again, and `%s` keeps what it is assigned",
         name->text);
  return remat != NULL;
}

static Value eval_stored(Elaborator *e, const Stmt *stmt, const Name *name,
                         const Expr *expr, int param) {
  if (!e->builder)
    return fail_stored_early(e, name);
  if (refuse_remat(e, stmt, name))
    return value_poison();
  Binding binding;
  binding_begin_stored(e, &binding, e->program->param.data[param].name);
  Value value =
      binding_attributes_apply(e, stmt->attributes, expr, eval(e, expr));
  value = check_declared(e, stmt, name, expr, value);
  if (!value_is_poison(value))
    value = stored_value(e, name, expr, value, param);
  binding_end(e, &binding, value);
  return value;
}

/* The new value holds for the rest of this step; the store comes at its end. */
static void assign_param(Elaborator *e, const Name *name, Value value,
                         int param) {
  if (value_is_poison(value))
    return;
  builder_slot(e, param);
  e->builder->written.data[param] = value.as.tensor.id;
  e->builder->written_at.data[param] = name->span;
}

/* The state or weight that a name assigns to, -1 if it is an ordinary name;
 * false after a message. */
static bool assigned_param(Elaborator *e, const Name *name, int *param) {
  *param = -1;
  Instance *instance = e->frame->instance;
  if (!instance || scope_find(&e->frame->locals, name->text))
    return true;
  const Variable *member = scope_find(&instance->scope, name->text);
  if (!member || member->value.kind != VALUE_PARAM)
    return true;
  int index = member->value.as.param;
  if (e->program->param.data[index].state || index == instance->weight) {
    *param = index;
    return true;
  }
  Diagnostic error = error_begin(
      e, name->span, "E0407",
      "`%s` is a parameter: it changes by training, not by assignment",
      name->text);
  error_hint(e, &error, "declare it `state %s: ...`, or bind another name",
             name->text);
  error_send(e, &error);
  return false;
}

/* ---- bindings ----------------------------------------------------------- */

/* The region of a binding, if it is to be computed again. */
static void bound_begin(Elaborator *e, const Stmt *stmt, const Binding *binding,
                        RematRegion *region) {
  if (attribute_find(stmt->attributes, "remat") && e->builder)
    remat_begin(e, region, binding->name);
}

static void bound_end(Elaborator *e, const Stmt *stmt,
                      const RematRegion *region) {
  if (attribute_find(stmt->attributes, "remat") && e->builder)
    remat_end(e, region);
}

static Value bound_check(Elaborator *e, const Stmt *stmt, const Expr *expr,
                         const RematRegion *region, Value value) {
  const Attribute *remat = attribute_find(stmt->attributes, "remat");
  if (!remat || !e->builder || value_is_poison(value) ||
      remat_computes(e, region))
    return value;
  return fail(e, remat->span, "E0454",
              "@remat computes a value again, and `%s` computes nothing",
              expr_text(e, expr));
}

/* A failed value is bound too, as poison, so that its uses are silent. */
static Value eval_bound(Elaborator *e, const Stmt *stmt, const Name *name,
                        const Expr *expr) {
  Binding binding;
  RematRegion region;
  binding_begin(e, &binding, binding_attributes_name(stmt, name->text));
  bound_begin(e, stmt, &binding, &region);
  Value value = eval(e, expr);
  if (value.kind == VALUE_NOTHING)
    value = fail(e, expr->span, "E0425", "this gives no value to bind");
  value = binding_attributes_apply(e, stmt->attributes, expr, value);
  bound_end(e, stmt, &region);
  value = bound_check(e, stmt, expr, &region, value);
  value = check_declared(e, stmt, name, expr, value);
  binding_end(e, &binding, value);
  place_note(e, expr, value);
  return value;
}

/* What one name of a binding gets: a state or weight (`param`), or a name of
 * the function (param < 0); neither after a message. */
typedef struct {
  Value value;
  int param;
  bool refused;
} Bound;

static void bind_one(Elaborator *e, const Name *name, const Bound *bound) {
  if (bound->refused)
    return;
  if (bound->param >= 0)
    assign_param(e, name, bound->value, bound->param);
  else
    scope_set(e, &e->frame->locals, name->text, bound->value, name->span);
}

/* a, b = x, y: all values before any name, states included. */
static void bind_each(Elaborator *e, const Stmt *stmt, size_t count) {
  Bound *bound = NEW_ARRAY(e->scratch, Bound, count);
  const Expr *expr = stmt->values;
  size_t i = 0;
  for (const Name *name = stmt->names; name;
       name = name->next, expr = expr->next, i++) {
    bound[i].refused = !assigned_param(e, name, &bound[i].param);
    if (bound[i].refused)
      eval(e, expr);
    else if (bound[i].param < 0)
      bound[i].value = eval_bound(e, stmt, name, expr);
    else
      bound[i].value = eval_stored(e, stmt, name, expr, bound[i].param);
  }
  i = 0;
  for (const Name *name = stmt->names; name; name = name->next, i++)
    bind_one(e, name, &bound[i]);
}

/* Begins the binding of the first of several names. */
static void parts_begin(Elaborator *e, Binding *binding, const Name *name,
                        int param) {
  if (param >= 0)
    binding_begin_stored(e, binding, e->program->param.data[param].name);
  else
    binding_begin(e, binding, name->text);
}

/* Part number `i` goes to its name: checked and named like a value by itself.
 */
static void bind_part(Elaborator *e, const Stmt *stmt, Binding *binding,
                      const Name *name, Bound *bound, bool first) {
  bool stored = !bound->refused && bound->param >= 0;
  bound->value =
      binding_attributes_apply(e, stmt->attributes, stmt->values, bound->value);
  bound->value = check_declared(e, stmt, name, stmt->values, bound->value);
  if (stored && !value_is_poison(bound->value))
    bound->value = e->builder ? stored_value(e, name, stmt->values,
                                             bound->value, bound->param)
                              : fail_stored_early(e, name);
  if (first)
    binding_end(e, binding, bound->value);
  else if (stored)
    binding_also_stored(e, binding, e->program->param.data[bound->param].name,
                        bound->value);
  else
    binding_also(e, binding, name->text, bound->value);
  bind_one(e, name, bound);
}

static void bind_poison(Elaborator *e, const Stmt *stmt, Value poison) {
  for (const Name *name = stmt->names; name; name = name->next)
    scope_set(e, &e->frame->locals, name->text, poison, name->span);
}

static bool parts_refuse_remat(Elaborator *e, const Stmt *stmt,
                               const Bound *bound) {
  size_t i = 0;
  for (const Name *name = stmt->names; name; name = name->next, i++)
    if (!bound[i].refused && bound[i].param >= 0 &&
        refuse_remat(e, stmt, name)) {
      bind_poison(e, stmt, value_poison());
      return true;
    }
  return false;
}

/* q, k, v = f(x): one value with several parts. */
static void bind_parts(Elaborator *e, const Stmt *stmt, size_t count) {
  Bound *bound = NEW_ARRAY(e->scratch, Bound, count);
  size_t i = 0;
  for (const Name *name = stmt->names; name; name = name->next, i++)
    bound[i].refused = !assigned_param(e, name, &bound[i].param);
  if (parts_refuse_remat(e, stmt, bound))
    return;
  Binding binding;
  RematRegion region;
  parts_begin(e, &binding, stmt->names, bound[0].param);
  bound_begin(e, stmt, &binding, &region);
  Value value = eval(e, stmt->values);
  value = bound_check(e, stmt, stmt->values, &region, value);
  bool fits = value.kind == VALUE_LIST && value.as.list.count == count;
  if (!fits && !value_is_poison(value))
    value = fail(e, stmt->values->span, "E0406", "%zu names are bound to %s",
                 count, value_describe(e, value));
  i = 0;
  for (const Name *name = stmt->names; name; name = name->next, i++) {
    bound[i].value = fits ? value.as.list.item[i] : value_poison();
    place_note(e, stmt->values, bound[i].value);
    bind_part(e, stmt, &binding, name, &bound[i], i == 0);
  }
  bound_end(e, stmt, &region);
}

/* One name cannot get two values at once. */
static bool names_differ(Elaborator *e, const Stmt *stmt) {
  if (!stmt->names->next)
    return true;
  names_begin(e);
  for (const Name *name = stmt->names; name; name = name->next) {
    if (!name_twice(e, name->text))
      continue;
    const Name *other = stmt->names;
    while (other->text != name->text)
      other = other->next;
    Diagnostic error =
        error_begin(e, name->span, "E0204", "`%s` is bound twice", name->text);
    error_label(e, &error, other->span, "first here");
    bind_poison(e, stmt, error_send(e, &error));
    return false;
  }
  return true;
}

/* As many values as names, or one value that has parts. */
static void run_bind(Elaborator *e, const Stmt *stmt) {
  size_t names = 0, values = 0;
  for (const Name *name = stmt->names; name; name = name->next)
    names++;
  for (const Expr *expr = stmt->values; expr; expr = expr->next)
    values++;
  if (!names_differ(e, stmt))
    return;
  if (!binding_attributes_check(e, stmt)) {
    bind_poison(e, stmt, value_poison());
    return;
  }
  if (names == values)
    bind_each(e, stmt, names);
  else if (values == 1)
    bind_parts(e, stmt, names);
  else
    bind_poison(e, stmt,
                fail(e, stmt->span, "E0406", "%zu name%s bound to %zu values",
                     names, names == 1 ? " is" : "s are", values));
}

/* ---- return ------------------------------------------------------------- */

/* In a function what is returned serves the binding of the caller. */
static Value eval_returned(Elaborator *e, const Expr *expr, size_t i,
                           bool several) {
  if (e->frame->caller)
    return eval(e, expr);
  return entry_output(e, expr, several ? text_printf(e, "out%zu", i) : "out");
}

/* Several values make a list. */
static void run_return(Elaborator *e, const Stmt *stmt) {
  size_t count = 0, i = 0;
  for (const Expr *expr = stmt->values; expr; expr = expr->next)
    count++;
  Value *item = NEW_ARRAY(e->scratch, Value, count + 1);
  bool poison = false;
  for (const Expr *expr = stmt->values; expr; expr = expr->next, i++) {
    item[i] = eval_returned(e, expr, i, count > 1);
    place_note(e, expr, item[i]);
    poison = poison || value_is_poison(item[i]);
  }
  Frame *frame = e->frame;
  frame->returned = true;
  frame->result_span = stmt->values ? stmt->values->span : stmt->span;
  frame->result = poison       ? value_poison()
                  : count == 1 ? item[0]
                               : value_list(item, count);
}

/* ---- conditions and loops ----------------------------------------------- */

/* A condition that failed leaves nothing to say about what follows. */
static void run_if(Elaborator *e, const Stmt *stmt) {
  bool condition;
  if (eval_condition(e, stmt->condition, "if", &condition)) {
    run_statements(e, condition ? stmt->body : stmt->otherwise);
    return;
  }
  e->frame->returned = true;
  e->frame->result = value_poison();
}

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
static void run_for(Elaborator *e, const Stmt *stmt) {
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

static void run_repeat(Elaborator *e, const Stmt *stmt) {
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

/* What could not be read may have said anything: nothing after it in this body
 * is looked at, and what the body gives is poison. */
static void run_error(Elaborator *e) {
  e->frame->returned = true;
  e->frame->result = fail_silent(e);
}

/* ---- the walk ----------------------------------------------------------- */

static void run_statement(Elaborator *e, const Stmt *stmt) {
  switch (stmt->kind) {
  case STMT_BIND:
    run_bind(e, stmt);
    break;
  case STMT_ASSIGN:
    assign_statement(e, stmt);
    break;
  case STMT_RETURN:
    run_return(e, stmt);
    break;
  case STMT_IF:
    run_if(e, stmt);
    break;
  case STMT_FOR:
    run_for(e, stmt);
    break;
  case STMT_REPEAT:
    run_repeat(e, stmt);
    break;
  case STMT_ASSERT:
    check_assert(e, stmt->condition, stmt->message);
    break;
  case STMT_MINIMIZE:
    minimize_statement(e, stmt);
    break;
  case STMT_REPORT:
    report_statement(e, stmt);
    break;
  case STMT_ERROR:
    run_error(e);
    break;
  }
}

/* Stops at the first return that is reached. */
void run_statements(Elaborator *e, const Stmt *block) {
  for (const Stmt *stmt = block; stmt && !e->frame->returned && !e->stopped;
       stmt = stmt->next) {
    if (stmt->kind != STMT_BIND)
      attributes_refuse(e, stmt->attributes, "this statement");
    run_statement(e, stmt);
  }
}
