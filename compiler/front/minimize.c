/* `minimize loss over net with optim.SGD(lr = 0.1)`.
 *
 * In: the loss and, per trained parameter, an optimizer written in .sg. Out: in
 * phase update, a placeholder for the gradient of each parameter and the
 * optimizer's step inlined for it, so that scale propagation sees the update
 * too; autodiff later puts the gradients where the placeholders stand. The
 * optimizer's states are parameters `opt.m.net.l1.w` of the program.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

typedef struct MinimizePlan {
  const Stmt *stmt;
  const Symbol *optimizer;
  const char *what; /* "optim.SGD" */
  BoundArg *bound;
  const char *over; /* selector, or NULL */
  ValueId loss;
  double clip;        /* 0: none */
  int64_t accumulate; /* micro-batches a step */
} MinimizePlan;

/* ---- the statement ------------------------------------------------------ */

/* A scalar that the user may have meant: the one bound last. */
static void hint_scalar(Elaborator *e, Diagnostic *error, const Stmt *stmt) {
  const Source *source = sources_get(e->sources, stmt->span.source);
  const Variable *best = NULL;
  for (const Variable *v = e->frame->locals.first; v; v = v->next)
    if (v->value.kind == VALUE_TENSOR && value_type(e, v->value)->rank == 0 &&
        format_is_real(value_type(e, v->value)->format) &&
        (!best || v->span.start > best->span.start))
      best = v;
  if (!best || best->span.source != stmt->span.source)
    return;
  uint32_t here = source_place(source, stmt->span.start).line;
  uint32_t there = source_place(source, best->span.start).line;
  const char *where = there + 1 == here ? "on the line above"
                                        : text_printf(e, "on line %u", there);
  error_hint(e, error, "`%s`, defined %s, is a scalar", best->name, where);
}

/* A loss that is an expression is called `loss`. */
static bool eval_loss(Elaborator *e, const Stmt *stmt, ValueId *loss) {
  const Expr *expr = stmt->values;
  Binding binding;
  Value value;
  if (expr->kind == EXPR_NAME) {
    value = eval(e, expr);
  } else {
    binding_begin(e, &binding, "loss");
    value = eval(e, expr);
    binding_end(e, &binding, value);
  }
  if (value_is_poison(value))
    return false;
  bool tensor = value.kind == VALUE_TENSOR;
  *loss = tensor ? value.as.tensor.id : 0;
  if (tensor && value_type(e, value)->rank == 0 &&
      format_is_real(value_type(e, value)->format))
    return true;
  Diagnostic error = error_begin(e, expr->span, "E0701",
                                 "`minimize` needs one number, `%s` is %s",
                                 expr_text(e, expr), value_describe(e, value));
  if (tensor)
    error_mark(e, &error, "%s", value_describe_sizes(e, value));
  hint_scalar(e, &error, stmt);
  error_send(e, &error);
  return false;
}

/* `clip = 1.0`: a number above 0, known now. */
static bool clip_setting(Elaborator *e, const Arg *arg, MinimizePlan *plan) {
  Value value = eval(e, arg->value);
  if (value_is_poison(value))
    return false;
  if (value_is_number(value) && value_number(value) > 0) {
    plan->clip = value_number(value);
    return true;
  }
  fail(e, arg->value->span, "E0741",
       "`clip` is the largest norm of all gradients together, a number above "
       "0, not %s",
       value_is_number(value) ? value_text(e, value)
                              : value_describe(e, value));
  return false;
}

/* `accumulate = 4`: micro-batches a step. */
static bool accumulate_setting(Elaborator *e, const Arg *arg,
                               MinimizePlan *plan) {
  if (!eval_int(e, arg->value, "`accumulate`", &plan->accumulate))
    return false;
  if (plan->accumulate >= 1 && plan->accumulate <= 1 << 20)
    return true;
  fail(e, arg->value->span, "E0741",
       "`accumulate` is how many batches make one step, from 1 to %d, not "
       "%" PRId64,
       1 << 20, plan->accumulate);
  return false;
}

static bool fail_setting(Elaborator *e, const Arg *arg) {
  Diagnostic error =
      error_begin(e, arg->name ? arg->name_span : arg->value->span, "E0715",
                  "`minimize` has no setting `%s`",
                  arg->name ? arg->name : expr_text(e, arg->value));
  Candidates candidates = {0};
  vec_push(&candidates, "clip");
  vec_push(&candidates, "accumulate");
  const char *near = arg->name ? did_you_mean(e, arg->name, &candidates) : NULL;
  if (!arg->name)
    vec_free(&candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  error_note(e, &error, "it has `clip = NUMBER` and `accumulate = COUNT`");
  error_send(e, &error);
  return false;
}

/* Settings after the optimizer, each at most once. */
static bool extra_settings(Elaborator *e, const Stmt *stmt,
                           MinimizePlan *plan) {
  bool fine = true;
  plan->accumulate = 1;
  for (const Arg *arg = stmt->extra; arg; arg = arg->next) {
    for (const Arg *other = stmt->extra; other != arg; other = other->next)
      if (arg->name && other->name && strcmp(arg->name, other->name) == 0) {
        fail(e, arg->name_span, "E0221", "`%s` is given twice", arg->name);
        fine = false;
      }
    if (arg->name && strcmp(arg->name, "clip") == 0)
      fine = clip_setting(e, arg, plan) && fine;
    else if (arg->name && strcmp(arg->name, "accumulate") == 0)
      fine = accumulate_setting(e, arg, plan) && fine;
    else
      fine = fail_setting(e, arg) && fine;
  }
  return fine;
}

static Callee optimizer_callee(const MinimizePlan *plan) {
  return (Callee){.what = plan->what,
                  .word = "optimizer",
                  .name = plan->optimizer->name,
                  .formals = plan->optimizer->item->formals,
                  .span = plan->optimizer->item->name_span,
                  .binds = true};
}

/* In the body of the train itself, once. */
static bool belongs_here(Elaborator *e, const Stmt *stmt) {
  Builder *builder = e->builder;
  if (!builder || builder->graph->kind != ENTRY_TRAIN || e->frame->caller) {
    fail(e, stmt->span, "E0712", "`minimize` belongs in the body of a train");
    return false;
  }
  if (!builder->minimize)
    return true;
  Diagnostic error =
      error_begin(e, stmt->span, "E0713", "a train minimizes one thing");
  error_label(e, &error, builder->minimize->stmt->span, "the first is here");
  error_send(e, &error);
  return false;
}

/* What gave poison has said why. */
static bool has_poison(const BoundArg *bound) {
  for (; bound->formal; bound++)
    if (bound->given && value_is_poison(bound->value))
      return true;
  return false;
}

/* The optimizer is carried out after the body, for it is another phase; its
 * arguments are evaluated here, where their names are known. */
void minimize_statement(Elaborator *e, const Stmt *stmt) {
  if (!belongs_here(e, stmt))
    return;
  MinimizePlan *plan = NEW(e->scratch, MinimizePlan);
  plan->stmt = stmt;
  plan->what = path_text(e, &stmt->path);
  bool fine = eval_loss(e, stmt, &plan->loss);
  plan->optimizer = path_resolve(e, e->frame->file, &stmt->path,
                                 1u << ITEM_OPTIMIZER, "optimizer");
  fine = extra_settings(e, stmt, plan) && fine;
  if (plan->optimizer) {
    Callee callee = optimizer_callee(plan);
    fine = args_bind(e, stmt->args, &callee, stmt->path.span, &plan->bound) &&
           !has_poison(plan->bound) && fine;
  }
  if (stmt->over)
    plan->over = selector_path(e, stmt->over);
  if (fine && plan->optimizer && (!stmt->over || plan->over))
    e->builder->minimize = plan;
  else
    e->builder->failed = true;
}

/* ---- which parameters --------------------------------------------------- */

/* Suggests parameters and models. */
static void fail_over(Elaborator *e, const MinimizePlan *plan) {
  Span span = plan->stmt->over->span;
  Candidates candidates = {0};
  for (size_t i = 0; i < e->program->param.length; i++)
    vec_push(&candidates, e->program->param.data[i].name);
  for (size_t i = 0; i < e->main->entry.length; i++)
    if (e->main->entry.data[i].symbol->item->kind == ITEM_MODEL)
      vec_push(&candidates, e->main->entry.data[i].name);
  Diagnostic error =
      error_begin(e, span, "E0709", "no parameter is named %s", plan->over);
  const char *near = did_you_mean(e, plan->over, &candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  error_send(e, &error);
}

/* The parameters to train: those under `over` that this train uses. */
static size_t trained_params(Elaborator *e, const MinimizePlan *plan,
                             int *list) {
  Builder *builder = e->builder;
  size_t count = 0, named = 0;
  Buffer unused = {0};
  for (size_t i = 0; i < e->program->param.length; i++) {
    const Parameter *param = &e->program->param.data[i];
    if (param->state ||
        (plan->over && !selector_matches(plan->over, param->name)))
      continue;
    named++;
    bool used = i < builder->param.length && builder->param.data[i];
    if (used)
      list[count++] = (int)i;
    else if (plan->over)
      buffer_printf(&unused, "%s%s", unused.length ? ", " : "", param->name);
  }
  if (unused.length && count)
    warn(e, plan->stmt->over->span, "W0710",
         "not used in this train, and so not trained: %s", unused.data);
  buffer_free(&unused);
  if (plan->over && !named)
    fail_over(e, plan);
  else if (!count)
    fail(e, plan->stmt->span, "E0729",
         "there is nothing to train: this train uses no parameters");
  return count;
}

/* ---- one optimizer ------------------------------------------------------ */

/* Sizes that the type after `for w:` bound are known to every member. */
static void share_sizes(Elaborator *e, Frame *frame) {
  Instance *instance = frame->instance;
  for (const Variable *v = frame->locals.first; v; v = v->next)
    scope_set(e, &instance->scope, v->name, v->value, v->span);
  scope_cut(e, &frame->locals, NULL);
}

/* `for w: [..s]`: the sizes of the weight are known to every member. */
static bool bind_weight(Elaborator *e, const MinimizePlan *plan, int param) {
  const Item *item = plan->optimizer->item;
  Value weight = {.kind = VALUE_PARAM, .as.param = param};
  Value tensor = value_read(e, weight, plan->stmt->path.span);
  MatchRole role = {
      .span = plan->stmt->path.span,
      .taker = plan->what,
      .verb = "trains",
      .got = text_printf(e, "%s is", e->program->param.data[param].name),
      .code = "E0302"};
  bool fits =
      value_is_poison(tensor) || type_match(e, item->type, &tensor, &role);
  share_sizes(e, e->frame);
  scope_set(e, &e->frame->instance->scope, item->weight, weight,
            item->name_span);
  return fits;
}

/* The second argument of `step`: where a plain number is declared it becomes an
 * input of the graph only if it is read. */
static Value step_number(Elaborator *e, const TypeExpr *type, Span span) {
  Value step = {.kind = VALUE_STEP};
  bool plain = type_is_word(type, "real");
  return plain ? step : value_read(e, step, span);
}

static void call_step(Elaborator *e, const MinimizePlan *plan,
                      Instance *instance, ValueId gradient) {
  const Variable *step =
      scope_find(&instance->scope, intern(e->interner, "step"));
  Span span = plan->stmt->path.span;
  if (!step && plan->optimizer->file->ast->lost) {
    fail_silent(e);
    return;
  }
  if (!step || step->value.kind != VALUE_METHOD) {
    fail(e, plan->optimizer->item->name_span, "E0714",
         "optimizer %s has no function `step`", plan->optimizer->name);
    return;
  }
  Target target = method_target(e, instance, step->value.as.method.member);
  target.what = text_printf(e, "%s for %s", plan->what, instance->suffix);
  const Formal *formal = target.callee.formals;
  if (!formal || (formal->next && formal->next->next)) {
    fail(e, target.callee.span, "E0730",
         "`step` of an optimizer takes a gradient and a step number");
    return;
  }
  BoundArg *bound = NEW_ARRAY(e->scratch, BoundArg, 3);
  bound[0] = (BoundArg){
      formal, value_tensor(gradient, param_labels(e, instance->weight)),
      .given = true, .implied = true, .span = span};
  if (formal->next)
    bound[1] =
        (BoundArg){formal->next, step_number(e, formal->next->type, span),
                   .given = true, .implied = true, .span = span};
  call_target(e, &target, bound, span);
}

/* One instance of the optimizer for one parameter, members and all. */
static void optimize(Elaborator *e, const MinimizePlan *plan, int param,
                     ValueId gradient) {
  const Item *item = plan->optimizer->item;
  Callee callee = optimizer_callee(plan);
  Instance *instance = NEW(e->scratch, Instance);
  instance->path = "opt";
  instance->suffix = e->program->param.data[param].name;
  instance->symbol = plan->optimizer;
  instance->weight = param;
  Frame frame = {.file = plan->optimizer->file,
                 .instance = instance,
                 .owner = instance,
                 .what =
                     text_printf(e, "%s for %s", plan->what, instance->suffix),
                 .construction = true,
                 .function = item,
                 .call = plan->stmt->path.span};
  size_t count = 0;
  for (const Formal *f = item->formals; f; f = f->next)
    count++;
  BoundArg *bound =
      arena_copy(e->scratch, plan->bound, (count + 1) * sizeof *bound);
  frame_push(e, &frame);
  bool fine = args_define(e, bound, &callee, &instance->scope, false,
                          plan->stmt->path.span);
  fine = bind_weight(e, plan, param) && fine;
  if (fine) {
    members_define(e, item->members);
    call_step(e, plan, instance, gradient);
  }
  frame_pop(e);
}

/* ---- all of them -------------------------------------------------------- */

/* An optimizer that leaves its weight alone trains nothing. */
static bool check_updated(Elaborator *e, const MinimizePlan *plan, int param) {
  if (e->builder->written.data[param])
    return true;
  fail(e, plan->optimizer->item->name_span, "E0731",
       "`step` of optimizer %s does not assign `%s`", plan->optimizer->name,
       plan->optimizer->item->weight);
  return false;
}

/* A train that reports nothing still says what it minimizes. */
static void report_loss(Elaborator *e, const MinimizePlan *plan) {
  Graph *graph = e->builder->graph;
  if (graph->result.length)
    return;
  const Expr *expr = plan->stmt->values;
  const char *name = expr->kind == EXPR_NAME ? expr->text : "loss";
  result_add(e, name, value_tensor(plan->loss, NULL), expr->span);
}

/* ---- what happens to gradients on the way -------------------------------- */

/* The value under its next name: `d.net.w'2` after `d.net.w`, then `'3`. */
static ValueId named_again(Elaborator *e, ValueId id, const char *name) {
  const char *base = intern_n(e->interner, name, strcspn(name, "'"));
  if (id)
    graph_node(e->builder->graph, id)->name =
        name_rebinding(e->builder->names, base);
  return id;
}

static const char *node_name(const Elaborator *e, ValueId id) {
  return graph_node(e->builder->graph, id)->name;
}

/* The mean over the micro-batches. */
static ValueId accumulated(Elaborator *e, ValueId id, Span span) {
  ValueId mean = emit(e, span, OP_ACCUMULATE, NULL, id, 0);
  return mean ? named_again(e, mean, node_name(e, id)) : id;
}

/* What is reported of a step is the mean of its micro-batches, like the
 * gradients. */
static void accumulate_all(Elaborator *e, const MinimizePlan *plan,
                           ValueId *gradient, size_t count) {
  Graph *graph = e->builder->graph;
  Span span = plan->stmt->span;
  if (plan->accumulate == 1)
    return;
  graph->run.accumulate = plan->accumulate;
  e->builder->phase = PHASE_ACCUMULATE;
  for (size_t i = 0; i < graph->result.length; i++)
    graph->result.data[i].value =
        accumulated(e, graph->result.data[i].value, span);
  for (size_t i = 0; i < count; i++)
    gradient[i] = accumulated(e, gradient[i], span);
}

/* The sum of all squares: each gradient by itself, then one after the other. */
static ValueId square_sum(Elaborator *e, const ValueId *gradient, size_t count,
                          Span span) {
  ValueId total = 0;
  for (size_t i = 0; i < count; i++) {
    ValueId sum = emit(e, span, OP_MUL, NULL, gradient[i], gradient[i]);
    int rank = sum ? graph_node(e->builder->graph, sum)->type->rank : 0;
    if (rank > 0) {
      Attributes all =
          pattern_attribute(e, reduce_pattern(e, rank, (1u << rank) - 1));
      sum = emit(e, span, OP_SUM, &all, sum, 0);
    }
    total = total ? emit(e, span, OP_ADD, NULL, total, sum) : sum;
  }
  return total;
}

/* Gradients times clip / maximum(norm, clip), norm being that of all of them
 * together: their direction stays, and a NaN is seen by all. */
static void clip_all(Elaborator *e, const MinimizePlan *plan, ValueId *gradient,
                     size_t count) {
  Span span = plan->stmt->span;
  Binding binding;
  if (plan->clip == 0 || count == 0)
    return;
  binding_begin(e, &binding, "clip");
  ValueId norm =
      emit(e, span, OP_SQRT, NULL, square_sum(e, gradient, count, span), 0);
  ValueId limit = emit_constant(e, span, FORMAT_REAL, plan->clip);
  ValueId larger = emit(e, span, OP_MAXIMUM, NULL, norm, limit);
  ValueId factor = emit(e, span, OP_DIV, NULL, limit, larger);
  binding_end(e, &binding, value_tensor(factor, NULL));
  for (size_t i = 0; i < count && factor; i++)
    gradient[i] =
        named_again(e, emit(e, span, OP_MUL, NULL, gradient[i], factor),
                    node_name(e, gradient[i]));
}

/* After the body: everything before is phase forward, everything here phase
 * accumulate or update. The first error ends it, for every parameter would
 * repeat it. */
void minimize_finish(Elaborator *e) {
  const MinimizePlan *plan = e->builder->minimize;
  if (!plan)
    return;
  Graph *graph = e->builder->graph;
  int *list = NEW_ARRAY(e->scratch, int, e->program->param.length + 1);
  size_t count = trained_params(e, plan, list);
  Minimize *minimize = NEW(e->arena, Minimize);
  minimize->loss = plan->loss;
  minimize->count = count;
  minimize->parameter = NEW_ARRAY(e->arena, ValueId, count);
  minimize->placeholder = NEW_ARRAY(e->arena, ValueId, count + 1);
  report_loss(e, plan);
  for (size_t i = 0; i < count; i++) {
    minimize->parameter[i] = e->builder->param.data[list[i]];
    minimize->placeholder[i] =
        gradient_placeholder(e, minimize->parameter[i], plan->stmt->span);
  }
  ValueId *gradient = arena_copy(e->scratch, minimize->placeholder,
                                 (count + 1) * sizeof *gradient);
  accumulate_all(e, plan, gradient, count);
  e->builder->phase = PHASE_UPDATE;
  clip_all(e, plan, gradient, count);
  for (size_t i = 0; i < count; i++) {
    unsigned failures = e->failures;
    optimize(e, plan, list[i], gradient[i]);
    if (e->failures != failures || !check_updated(e, plan, list[i]))
      return;
  }
  graph->minimize = minimize;
}
