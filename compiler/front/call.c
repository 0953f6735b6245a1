/* Calls: arguments to formals, functions inlined in a frame of their own.
 *
 * Every call is elaborated anew, with concrete sizes; that is what makes the
 * sizes in messages numbers. Recursion has no end here and is refused.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

/* ---- frames ------------------------------------------------------------- */

/* Frames live on the C stack, one per call. */
void frame_push(Elaborator *e, Frame *frame) {
  frame->caller = e->frame;
  frame->result = (Value){.kind = VALUE_NOTHING};
  e->frame = frame;
}

void frame_pop(Elaborator *e) {
  e->frame = e->frame->caller;
}

/* ---- arguments ---------------------------------------------------------- */

/* The declaration as written, with its place: what could have been passed. */
static void note_signature(Elaborator *e, Diagnostic *error,
                           const Callee *callee) {
  Buffer out = {0};
  buffer_printf(&out, "%s %s(", callee->word, callee->name);
  for (const Formal *f = callee->formals; f; f = f->next) {
    buffer_printf(&out, "%s%s: %s", f == callee->formals ? "" : ", ", f->name,
                  span_text(e, f->type->span));
    if (f->value)
      buffer_printf(&out, " = %s", span_text(e, f->value->span));
  }
  buffer_char(&out, ')');
  error_note(e, error, "%s   %s", buffer_take(e, &out),
             place_text(e, callee->span));
}

static bool fail_unknown_argument(Elaborator *e, const Arg *arg,
                                  const Callee *callee) {
  Diagnostic error =
      error_begin(e, arg->name_span, "E0203", "%s has no parameter `%s`",
                  callee->what, arg->name);
  Candidates candidates = {0};
  for (const Formal *f = callee->formals; f; f = f->next)
    vec_push(&candidates, f->name);
  const char *near = did_you_mean(e, arg->name, &candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  note_signature(e, &error, callee);
  error_send(e, &error);
  return false;
}

static bool fail_argument(Elaborator *e, Span span, const char *code,
                          const Callee *callee, const char *message) {
  Diagnostic error = error_begin(e, span, code, "%s", message);
  note_signature(e, &error, callee);
  error_send(e, &error);
  return false;
}

static size_t formal_count(const Formal *formals) {
  size_t count = 0;
  for (; formals; formals = formals->next)
    count++;
  return count;
}

/* The slot an argument goes to, or `count` after a message. */
static size_t argument_slot(Elaborator *e, const Arg *arg, const Callee *callee,
                            size_t position, size_t count) {
  if (!arg->name) {
    if (position < count)
      return position;
    fail_argument(e, arg->value->span, "E0205", callee,
                  text_printf(e, "%s takes %zu argument%s", callee->what, count,
                              count == 1 ? "" : "s"));
    return count;
  }
  size_t slot = 0;
  for (const Formal *f = callee->formals; f; f = f->next, slot++)
    if (f->name == arg->name)
      return slot;
  fail_unknown_argument(e, arg, callee);
  return count;
}

/* Arguments of an optimizer are bindings: a learning rate that is computed
 * is called `lr` in the graph. */
static Value eval_argument(Elaborator *e, const Arg *arg, const Callee *callee,
                           const Formal *formal) {
  if (!callee->binds)
    return eval(e, arg->value);
  Binding binding;
  binding_begin(e, &binding, formal->name);
  Value value = eval(e, arg->value);
  binding_end(e, &binding, value);
  return value;
}

/* Evaluated even if it has no place: its own mistakes count too. */
static bool place_argument(Elaborator *e, const Arg *arg, const Callee *callee,
                           size_t position, size_t count, BoundArg *bound) {
  size_t slot = argument_slot(e, arg, callee, position, count);
  if (slot == count) {
    eval(e, arg->value);
    return false;
  }
  if (bound[slot].given)
    return fail_argument(
        e, arg->value->span, "E0221", callee,
        text_printf(e, "`%s` is given twice", bound[slot].formal->name));
  bound[slot].value = eval_argument(e, arg, callee, bound[slot].formal);
  bound[slot].given = true;
  bound[slot].span = arg->value->span;
  return true;
}

/* Positional ones first come first served, then names; defaults wait for the
 * callee's frame, where earlier parameters are known. */
bool args_bind(Elaborator *e, const Arg *args, const Callee *callee, Span call,
               BoundArg **out) {
  size_t count = formal_count(callee->formals), position = 0;
  BoundArg *bound = NEW_ARRAY(e->scratch, BoundArg, count + 1);
  const Formal *formal = callee->formals;
  for (size_t i = 0; i < count; i++, formal = formal->next)
    bound[i] = (BoundArg){.formal = formal, .span = call};
  bool fine = true;
  for (const Arg *arg = args; arg && !e->stopped; arg = arg->next)
    fine = place_argument(e, arg, callee, arg->name ? 0 : position++, count,
                          bound) &&
           fine;
  for (size_t i = 0; fine && i < count; i++)
    if (!bound[i].given && !bound[i].formal->value)
      fine = fail_argument(e, call, "E0220", callee,
                           text_printf(e, "%s needs an argument for `%s`",
                                       callee->what, bound[i].formal->name));
  *out = bound;
  return fine;
}

static bool match_argument(Elaborator *e, BoundArg *arg, const Callee *callee) {
  MatchRole role = {.span = arg->span,
                    .taker = callee->what,
                    .verb = "takes",
                    .got = "gets",
                    .code = "E0302",
                    .parameter = arg->formal->name,
                    .implied = arg->implied};
  return type_match(e, arg->formal->type, &arg->value, &role);
}

/* The sizes that the type of a wrong argument would have bound: what uses them
 * is not to blame. */
static void poison_sizes(Elaborator *e, Scope *scope, const TypeExpr *type) {
  for (const TypeExpr *t = type->elements; t; t = t->next)
    poison_sizes(e, scope, t);
  for (const Dim *dim = type->dims; dim; dim = dim->next)
    if (dim->kind != DIM_EXPR && dim->name && !scope_find(scope, dim->name))
      scope_set(e, scope, dim->name, value_poison(), dim->span);
}

/* Left to right: a default may use the parameters before it. While arguments
 * are matched a message belongs to the caller (`binding`). */
bool args_define(Elaborator *e, BoundArg *bound, const Callee *callee,
                 Scope *scope, bool compile_time, Span whole) {
  e->frame->binding = true;
  bool fine = true;
  for (BoundArg *arg = bound; arg->formal; arg++) {
    const Formal *formal = arg->formal;
    if (!arg->given) {
      arg->value = eval(e, formal->value);
      arg->span = formal->value->span;
    }
    if (value_is_poison(arg->value))
      fine = false;
    else if (compile_time)
      arg->value = constant_convert(e, arg->value, formal->type, formal->name,
                                    arg->span);
    else if (arg->value.kind != VALUE_STEP)
      fine = match_argument(e, arg, callee) && fine;
    Variable *variable =
        scope_set(e, scope, formal->name, fine ? arg->value : value_poison(),
                  formal->span);
    variable->given = arg->given ? arg->span : formal->value->span;
    variable->whole = whole;
    fine = fine && !value_is_poison(arg->value);
    if (!fine)
      poison_sizes(e, scope, formal->type);
  }
  e->frame->binding = false;
  return fine;
}

/* ---- functions ---------------------------------------------------------- */

/* Trees, values, texts, nodes, and the lists of names that grow with them. */
static size_t memory_used(const Elaborator *e) {
  const Builder *builder = e->builder;
  size_t bytes = arena_used(e->arena) + arena_used(e->scratch) +
                 (size_t)e->nodes * sizeof(Node) +
                 e->program->place.capacity * sizeof(ValuePlace);
  if (builder)
    bytes += alias_table_bytes(&builder->alias) +
             builder->place.capacity * sizeof(Placed);
  return bytes;
}

/* Unrolling has a price; this bounds it before patience ends. */
bool work_add(Elaborator *e, Span span) {
  if (e->stopped)
    return false;
  if (e->work++ >= limit_of(e, LIMIT_work))
    fail_limit(e, span, LIMIT_work,
               "more than %" PRId64 " expressions, calls and turns of loops",
               limit_of(e, LIMIT_work));
  else if ((int64_t)memory_used(e) > limit_of(e, LIMIT_memory_bytes))
    fail_limit(e, span, LIMIT_memory_bytes,
               "the program takes more than %" PRId64 " bytes of memory",
               limit_of(e, LIMIT_memory_bytes));
  return !e->stopped;
}

bool constant_add(Elaborator *e, size_t bytes, Span span) {
  int64_t most = limit_of(e, LIMIT_constant_bytes);
  e->constant_bytes += (int64_t)bytes;
  if (e->constant_bytes > most && !e->stopped)
    fail_limit(e, span, LIMIT_constant_bytes,
               "lists and strings take more than %" PRId64 " bytes", most);
  return !e->stopped;
}

/* The same function on the same instance further up. Another instance of the
 * same module is no recursion: that is what layers are. */
static bool refuse_recursion(Elaborator *e, const Target *target, Span call) {
  if (!work_add(e, call))
    return true;
  if (e->call_depth >= limit_of(e, LIMIT_call_depth)) {
    fail_limit(e, call, LIMIT_call_depth,
               "calls are nested more than %" PRId64 " deep",
               limit_of(e, LIMIT_call_depth));
    return true;
  }
  for (const Frame *frame = e->frame; frame; frame = frame->caller)
    if (frame->function == target->function &&
        frame->instance == target->instance) {
      Diagnostic error =
          error_begin(e, call, "E0212", "%s calls itself", target->callee.what);
      error_note(e, &error,
                 "a program unrolls to a finite graph: there is no "
                 "recursion");
      error_send(e, &error);
      return true;
    }
  return false;
}

/* `= expr` is a body that returns. */
static void run_body(Elaborator *e, const Body *body) {
  if (!body->is_expr) {
    run_statements(e, body->block);
    return;
  }
  e->frame->result = eval(e, body->value);
  e->frame->result_span = body->value->span;
  e->frame->returned = true;
  place_note(e, body->value, e->frame->result);
}

/* Sizes in a result's type become the caller's labels. clean: nothing in the
 * body failed, so that a result that is not there is a mistake of its own. */
static Value check_result(Elaborator *e, const Target *target, bool clean) {
  const TypeExpr *type = target->function->result;
  Frame *frame = e->frame;
  if (!type || value_is_poison(frame->result))
    return frame->result;
  if (frame->result.kind == VALUE_NOTHING && !clean)
    return value_poison();
  if (frame->result.kind == VALUE_NOTHING)
    return fail(e, target->callee.span, "E0405",
                "`%s` is declared to return %s but returns nothing",
                target->callee.name, span_text(e, type->span));
  MatchRole role = {
      .span = frame->result_span,
      .taker = text_printf(e, "`%s`", target->callee.name),
      .verb = "is declared",
      .got = "returns",
      .code = "E0303",
      .result = true,
  };
  return type_match(e, type, &frame->result, &role) ? frame->result
                                                    : value_poison();
}

Value target_run(Elaborator *e, const Target *target) {
  unsigned failures = e->failures;
  run_body(e, &target->function->body);
  return check_result(e, target, e->failures == failures);
}

/* A region of its own, called like the instance or like the function. */
static Value run_again(Elaborator *e, const Target *target) {
  const Instance *owner = e->frame->owner;
  const char *name = target->callee.name;
  if (target->instance)
    name = target->what;
  else if (owner)
    name = instance_name(e, owner, name);
  RematRegion region;
  remat_begin(e, &region, name);
  Value result = target_run(e, target);
  remat_end(e, &region);
  remat_results(e, &region, result);
  return result;
}

/* A poisoned argument makes a silent, poisoned result: what is inside was or
 * will be checked by a call with good ones. */
Value call_target(Elaborator *e, const Target *target, BoundArg *bound,
                  Span call) {
  for (const BoundArg *arg = bound; arg->formal; arg++)
    if (arg->given && value_is_poison(arg->value))
      return value_poison();
  if (refuse_recursion(e, target, call))
    return value_poison();
  bool remat = remat_of_call(e, target);
  Frame frame = {.file = target->file,
                 .instance = target->instance,
                 .function = target->function,
                 .what = target->what,
                 .call = call};
  frame.owner = target->instance ? target->instance : e->frame->owner;
  frame_push(e, &frame);
  e->call_depth++;
  Value result = value_poison();
  if (args_define(e, bound, &target->callee, &frame.locals, false, (Span){0})) {
    if (trial_takes_word(e, target, bound))
      result = check_result(e, target, true);
    else
      result = remat ? run_again(e, target) : target_run(e, target);
  }
  e->call_depth--;
  scope_cut(e, &frame.locals, NULL);
  frame_pop(e);
  if (!value_is_poison(result))
    coincidence_check(e, target, bound, call);
  return result;
}

static Value call_arguments(Elaborator *e, const Target *target,
                            const Expr *call) {
  BoundArg *bound;
  if (!args_bind(e, call->args, &target->callee, call->span, &bound))
    return value_poison();
  return call_target(e, target, bound, call->span);
}

/* ---- what can be called ------------------------------------------------- */

/* `forward` is what the instance itself is called by. */
Target method_target(Elaborator *e, Instance *instance, const Member *member) {
  const char *name = member->names->text;
  bool forward = strcmp(name, "forward") == 0;
  const char *what =
      forward ? instance->path : text_printf(e, "%s.%s", instance->path, name);
  return (Target){.callee = {.what = what,
                             .word = "fn",
                             .name = name,
                             .formals = member->function.formals,
                             .span = member->names->span},
                  .function = &member->function,
                  .file = instance->symbol->file,
                  .instance = instance,
                  .what = what,
                  .remat = attribute_find(member->attributes, "remat") != NULL};
}

static Value call_function_item(Elaborator *e, const Symbol *symbol,
                                const Expr *call) {
  const char *what = expr_text(e, call->left);
  const Attribute *attributes = symbol->item->attributes;
  Target target = {.callee = {.what = what,
                              .word = "fn",
                              .name = symbol->name,
                              .formals = symbol->item->function.formals,
                              .span = symbol->item->name_span},
                   .function = &symbol->item->function,
                   .file = symbol->file,
                   .what = what,
                   .remat = attribute_find(attributes, "remat") != NULL};
  return call_arguments(e, &target, call);
}

/* m(x) is m.forward(x). */
static Value call_instance(Elaborator *e, Instance *instance,
                           const Expr *call) {
  const Variable *forward =
      scope_find(&instance->scope, intern(e->interner, "forward"));
  if (!forward && (instance->symbol->file->ast->lost ||
                   cause_reported(e, instance->symbol, NULL)))
    return fail_silent(e);
  if (!forward || forward->value.kind != VALUE_METHOD)
    return fail(e, call->left->span, "E0403",
                "%s cannot be called: module %s has no function `forward`",
                instance->path, instance->symbol->name);
  Target target = method_target(e, instance, forward->value.as.method.member);
  return call_arguments(e, &target, call);
}

/* real(x), i32(x): the only conversions are written ones. */
static Value call_format(Elaborator *e, Format format, const Expr *call) {
  const Arg *arg = call->args;
  const char *word = format_info(format)->text;
  if (!arg || arg->next || arg->name)
    return fail(e, call->span, "E0205", "`%s` converts one value", word);
  return tensor_convert(e, call->span, format, eval(e, arg->value));
}

/* What is wrong with the function is known; its arguments may be wrong too. */
static Value call_poison(Elaborator *e, const Expr *call) {
  for (const Arg *arg = call->args; arg; arg = arg->next)
    eval(e, arg->value);
  return value_poison();
}

/* Calling a module is the slip of those who come from Python. */
static Value fail_call(Elaborator *e, Value callee, const Expr *call) {
  const char *text = expr_text(e, call->left);
  if (callee.kind != VALUE_SYMBOL)
    return fail(e, call->left->span, "E0403", "`%s` is %s and cannot be called",
                text, value_describe(e, callee));
  const Item *item = callee.as.symbol->item;
  Diagnostic error =
      error_begin(e, call->left->span, "E0403", "the %s `%s` cannot be called",
                  item_kind_name(item->kind), text);
  if (item->kind == ITEM_MODULE)
    error_hint(e, &error,
               "name an instance: `m: %s(...)` in a module, or "
               "`model m: %s(...)`",
               text, text);
  else if (builtin_named(text)) {
    error_label(e, &error, item->name_span,
                "this hides the built-in of the name");
    error_hint(e, &error, "give the %s another name",
               item_kind_name(item->kind));
  }
  return error_send(e, &error);
}

Value call_value(Elaborator *e, Value callee, const Expr *call) {
  switch (callee.kind) {
  case VALUE_POISON:
    return call_poison(e, call);
  case VALUE_INSTANCE:
    return call_instance(e, callee.as.instance, call);
  case VALUE_BUILTIN:
    return builtin_call(e, callee.as.builtin, call);
  case VALUE_FORMAT:
    return call_format(e, callee.as.format, call);
  case VALUE_METHOD: {
    Target target =
        method_target(e, callee.as.method.instance, callee.as.method.member);
    return call_arguments(e, &target, call);
  }
  case VALUE_SYMBOL:
    if (callee.as.symbol->item->kind == ITEM_FN)
      return call_function_item(e, callee.as.symbol, call);
    return fail_call(e, callee, call);
  default:
    return fail_call(e, callee, call);
  }
}
