/* Statements: bindings, and conditions that are decided now.
 *
 * In: the block of a function or an entry, in its scope. Out: the names that it
 * binds, what it returns, and the nodes of both. A function has one scope.
 */
#include "compiler/front/elaborate.h"

/* ---- assignment to states and weights ----------------------------------- */

/* A number becomes a tensor of the state's shape. */
static Value fill(Elaborator *e, Span span, double value, const Type *type) {
  Format format = format_is_real(type->format) ? FORMAT_REAL : type->format;
  ValueId number = emit_constant(e, span, format, value);
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
  double number;
  if (value_fills(value, parameter->type->format, &number))
    return fill(e, expr->span, number, parameter->type);
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

/* ---- conditions -------------------------------------------------------- */

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
    for_statement(e, stmt);
    break;
  case STMT_REPEAT:
    repeat_statement(e, stmt);
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
