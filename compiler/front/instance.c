/* Modules become instances: a tree with paths, whose leaves are parameters and
 * states of known shape.
 *
 * `model net: MLP(512)` makes the instance "net"; its submodule l1 is "net.l1",
 * that one's parameter w is "net.l1.w" everywhere: in the IR, in recipes,
 * in checkpoints, in messages.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* An optimizer's states are named by kind first, `opt.m.net.l1.w`: a
 * checkpoint lists them together. */
const char *instance_name(Elaborator *e, const Instance *instance,
                          const char *member) {
  if (instance->suffix)
    return text_printf(e, "%s.%s.%s", instance->path, member, instance->suffix);
  return text_printf(e, "%s.%s", instance->path, member);
}

const char *const *param_labels(const Elaborator *e, int param) {
  return e->param_label.data[param];
}

/* ---- initial values ----------------------------------------------------- */

/* What the arguments of an initialiser are called, for `normal(std = 0.02)`. */
static const char *init_argument(InitKind kind, int i) {
  static const char *const name[][2] = {[INIT_NORMAL] = {"std", ""},
                                        [INIT_UNIFORM] = {"lo", "hi"},
                                        [INIT_CONSTANT] = {"v", ""},
                                        [INIT_TRUNC_NORMAL] = {"std", ""}};
  return name[kind][i];
}

enum { INIT_KINDS = INIT_TRUNC_NORMAL + 1 };

/* The words are those of the IR. */
static bool init_find(const char *name, InitKind *out) {
  for (int i = 0; i < INIT_KINDS; i++)
    if (strcmp(init_name((InitKind)i), name) == 0) {
      *out = (InitKind)i;
      return true;
    }
  return false;
}

static bool fail_init(Elaborator *e, const Expr *expr, const char *name) {
  Diagnostic error =
      error_begin(e, expr->span, "E0216", "`%s` is no initial value",
                  name ? name : expr_text(e, expr));
  Candidates candidates = {0};
  for (int i = 0; i < INIT_KINDS; i++)
    vec_push(&candidates, init_name((InitKind)i));
  const char *near = did_you_mean(e, name ? name : "", &candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  error_note(e, &error,
             "there are zeros, ones, normal(std), uniform(lo, hi), "
             "constant(v) and trunc_normal(std)");
  error_send(e, &error);
  return false;
}

static bool fail_init_count(Elaborator *e, Span span, InitKind kind) {
  int count = init_arguments(kind);
  if (count == 0)
    fail(e, span, "E0223", "`%s` takes no numbers", init_name(kind));
  else
    fail(e, span, "E0223", "`%s` takes %d number%s", init_name(kind), count,
         count == 1 ? "" : "s");
  return false;
}

/* Finite: an infinite weight is a mistake. */
static bool init_number(Elaborator *e, const Expr *expr, double *out) {
  Value value = eval(e, expr);
  if (value_is_number(value) && isfinite(value_number(value))) {
    *out = value_number(value);
    return true;
  }
  if (!value_is_poison(value))
    fail(e, expr->span, "E0415",
         "an initial value takes finite numbers known at compile time, not %s",
         value_describe(e, value));
  return false;
}

/* Positional or by name. */
static bool init_numbers(Elaborator *e, const Expr *expr, InitKind kind,
                         double *number) {
  int position = 0, seen = 0, count = init_arguments(kind);
  for (const Arg *arg = expr->args; arg; arg = arg->next) {
    int slot = arg->name ? 0 : position++;
    while (arg->name && slot < count &&
           strcmp(arg->name, init_argument(kind, slot)) != 0)
      slot++;
    if (slot >= count || seen >> slot & 1)
      return fail_init_count(e, arg->value->span, kind);
    seen |= 1 << slot;
    if (!init_number(e, arg->value, &number[slot]))
      return false;
  }
  return seen + 1 == (1 << count) || fail_init_count(e, expr->span, kind);
}

/* Read by its syntax: `normal` is no function that anything else could call. */
static bool init_parse(Elaborator *e, const Expr *expr, Init *init) {
  bool call = expr->kind == EXPR_CALL;
  const Expr *head = call ? expr->left : expr;
  InitKind kind;
  double number[2] = {0, 0};
  if (head->kind != EXPR_NAME || !init_find(head->text, &kind))
    return fail_init(e, expr, head->kind == EXPR_NAME ? head->text : NULL);
  if (call != (init_arguments(kind) > 0))
    return fail_init_count(e, expr->span, kind);
  if (call && !init_numbers(e, expr, kind, number))
    return false;
  *init = (Init){kind, number[0], number[1]};
  bool deviation = kind == INIT_NORMAL || kind == INIT_TRUNC_NORMAL;
  if (deviation && init->a < 0) {
    fail(e, expr->span, "E0415", "a standard deviation is not negative");
    return false;
  }
  return true;
}

/* ---- parameters and states ---------------------------------------------- */

/* Members of a module, its parameters and its functions share one scope. Asked
 * before the member is made: a second one would make its parameters again. */
static bool member_claim(Elaborator *e, const char *name, Span span) {
  const Instance *instance = e->frame->instance;
  const Variable *old = scope_find(&instance->scope, name);
  if (old && instance->symbol->file->ast->lost) {
    fail_silent(e); /* a lost brace puts statements among members */
    return false;
  }
  if (old) {
    Diagnostic error =
        error_begin(e, span, "E0204", "`%s` is defined twice", name);
    error_label(e, &error, old->span, "first here");
    error_send(e, &error);
  }
  return !old;
}

static void define_member(Elaborator *e, const Name *name, Value value) {
  scope_set(e, &e->frame->instance->scope, name->text, value, name->span);
}

/* A model of this name, in any file, that is made already. */
static const Symbol *model_made(const Elaborator *e, const char *name) {
  for (size_t i = 0; i < e->files.length; i++) {
    const Entry *entry = file_find(e->files.data[i], name);
    if (entry && entry->symbol->item->kind == ITEM_MODEL &&
        entry->symbol->state == SYMBOL_DONE)
      return entry->symbol;
  }
  return NULL;
}

/* Mostly two files have each a model of one name. */
static void fail_taken(Elaborator *e, const Name *name, const char *path) {
  Diagnostic error = error_begin(e, name->span, "E0219",
                                 "there is another parameter called %s", path);
  const char *root = intern_n(e->interner, path, strcspn(path, ".["));
  const Symbol *model = model_made(e, root);
  if (model) {
    error_note(e, &error, "it is that of model %s at %s", root,
               place_text(e, model->item->name_span));
    error_hint(e, &error, "give one of the models another name");
  }
  error_send(e, &error);
}

/* The order of parameters in the program is that of the text, depth first. */
static int param_add(Elaborator *e, const Member *member, const Name *name,
                     const Type *type, bool pinned, Init init,
                     const char *const *label) {
  const char *path =
      intern(e->interner, instance_name(e, e->frame->instance, name->text));
  if (!name_claim(e->param_names, path)) {
    fail_taken(e, name, path);
    return -1;
  }
  Parameter parameter = {.name = path,
                         .type = type,
                         .state = member->kind == MEMBER_STATE,
                         .pinned = pinned,
                         .init = init,
                         .scale = scale_none(),
                         .round = ROUND_NEAREST,
                         .span = name->span};
  vec_push(&e->program->param, parameter);
  vec_push(&e->param_label, label);
  return (int)e->program->param.length - 1;
}

/* What is trained moves by fractions. */
static bool check_whole(Elaborator *e, const Member *member, const Type *type) {
  if (format_is_real(type->format) || member->kind == MEMBER_STATE)
    return true;
  Diagnostic error =
      error_begin(e, member->type->span, "E0440",
                  "a parameter holds real numbers, for it is trained, not %s",
                  format_info(type->format)->text);
  error_hint(e, &error, "`state %s: %s = ...` keeps whole numbers",
             member->names->text, span_text(e, member->type->span));
  error_send(e, &error);
  return false;
}

static bool check_whole_init(Elaborator *e, const Member *member,
                             const Type *type, Init init) {
  bool whole = init.kind == INIT_ZEROS || init.kind == INIT_ONES ||
               (init.kind == INIT_CONSTANT && init.a == floor(init.a));
  if (format_is_real(type->format) || whole)
    return true;
  Diagnostic error = error_begin(e, member->value->span, "E0440",
                                 "a state of %s begins with a whole number",
                                 format_info(type->format)->text);
  error_hint(e, &error, "`= zeros`, `= ones`, `= constant(7)`");
  error_send(e, &error);
  return false;
}

/* Several names in one member share a declaration, not a value. */
static void define_params(Elaborator *e, const Member *member) {
  bool pinned;
  const char *const *label;
  Init init = {INIT_ZEROS, 0, 0};
  const Type *type = type_resolve(e, member->type, &pinned, &label);
  bool fine = type != NULL;
  fine = fine && check_whole(e, member, type);
  if (!member->value) {
    Diagnostic error =
        error_begin(e, member->names->span, "E0227",
                    "`%s` has no initial value", member->names->text);
    error_hint(e, &error, "`= zeros`, `= ones`, `= normal(std)`");
    error_send(e, &error);
    fine = false;
  } else if (type) { /* sizes that are wrong would be wrong there, too */
    fine = init_parse(e, member->value, &init) && fine;
    fine = fine && check_whole_init(e, member, type, init);
  }
  for (const Name *name = member->names; name; name = name->next) {
    if (!member_claim(e, name->text, name->span))
      continue;
    int param =
        fine ? param_add(e, member, name, type, pinned, init, label) : -1;
    define_member(e, name,
                  param < 0 ? value_poison()
                            : (Value){.kind = VALUE_PARAM, .as.param = param});
  }
}

/* ---- instances ---------------------------------------------------------- */

/* A module inside itself would have no end; nesting and numbers have limits. */
static bool refuse_nesting(Elaborator *e, const Symbol *symbol, Span call) {
  int depth = 0;
  for (const Frame *frame = e->frame; frame; frame = frame->caller, depth++)
    if (frame->construction && frame->function == symbol->item) {
      fail(e, call, "E0228", "module %s contains itself", symbol->name);
      return true;
    }
  if (depth >= limit_of(e, LIMIT_call_depth))
    fail_limit(e, call, LIMIT_call_depth,
               "modules are nested more than %" PRId64 " deep",
               limit_of(e, LIMIT_call_depth));
  else if (++e->modules > limit_of(e, LIMIT_modules))
    fail_limit(e, call, LIMIT_modules, "more than %" PRId64 " modules",
               limit_of(e, LIMIT_modules));
  else
    return false;
  return true;
}

/* Makes an instance at `path`; the arguments belong to the current frame. */
static Value instance_make(Elaborator *e, const Symbol *symbol,
                           const char *what, const char *path, const Arg *args,
                           Span call) {
  const Item *item = symbol->item;
  Callee callee = {.what = what,
                   .word = "module",
                   .name = symbol->name,
                   .formals = item->formals,
                   .span = item->name_span};
  BoundArg *bound;
  if (refuse_nesting(e, symbol, call) ||
      !args_bind(e, args, &callee, call, &bound))
    return value_poison();
  Instance *instance = NEW(e->scratch, Instance);
  instance->path = path;
  instance->symbol = symbol;
  instance->weight = -1;
  Frame frame = {.file = symbol->file,
                 .instance = instance,
                 .owner = instance,
                 .what = path,
                 .construction = true,
                 .function = item,
                 .call = call};
  frame_push(e, &frame);
  bool fine = args_define(e, bound, &callee, &instance->scope, true, call);
  if (fine)
    members_define(e, item->members);
  frame_pop(e);
  return fine ? (Value){.kind = VALUE_INSTANCE, .as.instance = instance}
              : value_poison();
}

/* `nn.Linear(784, hidden)` of a member or model. */
static Span construction_span(const Path *path, Span whole) {
  Span span = whole;
  span.start = path->span.start;
  return span;
}

/* Paths count from 0: `net.layers.0`. */
static Value instance_array(Elaborator *e, const Member *member,
                            const Symbol *symbol, const char *what, Span call) {
  const char *name = member->names->text;
  Value length =
      eval_count(e, member->count, "the length of an array of modules");
  if (value_is_poison(length))
    return length;
  int64_t count = length.as.integer;
  if (count < 0)
    return fail(e, member->count->span, "E0314",
                "an array has 0 modules or more, not %" PRId64, count);
  if (count > limit_of(e, LIMIT_modules))
    return fail_limit(e, member->count->span, LIMIT_modules,
                      "an array has from 0 to %" PRId64
                      " modules, not %" PRId64,
                      limit_of(e, LIMIT_modules), count);
  Value *item = NEW_ARRAY(e->scratch, Value, (size_t)count + 1);
  for (int64_t i = 0; i < count; i++) {
    const char *path = instance_name(e, e->frame->instance,
                                     text_printf(e, "%s.%" PRId64, name, i));
    item[i] = instance_make(e, symbol, what, path, member->args, call);
    if (value_is_poison(item[i]) || e->stopped)
      return value_poison();
  }
  return (Value){.kind = VALUE_ARRAY,
                 .origin = length.origin,
                 .given = length.given,
                 .inner = length.inner,
                 .as.list = {item, (size_t)count}};
}

/* @remat on an array is on each of its elements. */
static void mark_remat(Value value) {
  if (value.kind == VALUE_INSTANCE)
    value.as.instance->remat = true;
  for (size_t i = 0; value.kind == VALUE_ARRAY && i < value.as.list.count; i++)
    value.as.list.item[i].as.instance->remat = true;
}

/* Each name gets an instance of its own, with its own weights. */
static void define_submodules(Elaborator *e, const Member *member) {
  const Symbol *symbol = path_resolve(e, e->frame->file, &member->path,
                                      1u << ITEM_MODULE, "module");
  const char *what = path_text(e, &member->path);
  Span call = construction_span(&member->path, member->span);
  for (const Name *name = member->names; name; name = name->next) {
    if (!member_claim(e, name->text, name->span))
      continue;
    Value value = value_poison();
    if (symbol && member->count)
      value = instance_array(e, member, symbol, what, call);
    else if (symbol)
      value = instance_make(e, symbol, what,
                            instance_name(e, e->frame->instance, name->text),
                            member->args, call);
    if (attribute_find(member->attributes, "remat"))
      mark_remat(value);
    define_member(e, name, value);
  }
}

/* ---- members ------------------------------------------------------------ */

/* Named, not read: a member may be another name for a submodule. */
static void define_value(Elaborator *e, const Member *member) {
  Value value = eval_reference(e, member->value, false);
  if (value.kind == VALUE_NOTHING)
    value = fail(e, member->value->span, "E0425", "this gives no value");
  if (member_claim(e, member->names->text, member->names->span))
    define_member(e, member->names, value);
}

static void define_method(Elaborator *e, const Member *member) {
  Value method = {.kind = VALUE_METHOD,
                  .as.method = {e->frame->instance, member}};
  if (member_claim(e, member->names->text, member->names->span))
    define_member(e, member->names, method);
}

/* Members of the branch not taken do not exist. */
static void define_choice(Elaborator *e, const Member *member) {
  bool condition;
  if (eval_condition(e, member->value, "if", &condition))
    members_define(e, condition ? member->body : member->otherwise);
}

static const char *member_kind_name(MemberKind kind) {
  switch (kind) {
  case MEMBER_PARAM:
    return "parameter";
  case MEMBER_STATE:
    return "state";
  case MEMBER_SUBMODULE:
    return "submodule";
  case MEMBER_VALUE:
    return "value";
  case MEMBER_FN:
    return "function";
  case MEMBER_ASSERT:
    return "assert";
  case MEMBER_IF:
    break;
  }
  return "if";
}

/* Nothing in an optimizer is differentiated. */
static void check_attributes(Elaborator *e, const Member *member) {
  bool module = e->frame->instance->weight < 0;
  const char *where = member_kind_name(member->kind);
  if (module && (member->kind == MEMBER_FN || member->kind == MEMBER_SUBMODULE))
    attributes_check_remat(e, member->attributes, where);
  else
    attributes_refuse(e, member->attributes,
                      module ? where
                             : text_printf(e, "%s of an optimizer", where));
}

/* Functions come first, so that values may call them. */
void members_define(Elaborator *e, const Member *members) {
  for (const Member *member = members; member; member = member->next) {
    check_attributes(e, member);
    if (member->kind == MEMBER_FN)
      define_method(e, member);
  }
  for (const Member *member = members; member && !e->stopped;
       member = member->next) {
    switch (member->kind) {
    case MEMBER_PARAM:
    case MEMBER_STATE:
      define_params(e, member);
      break;
    case MEMBER_SUBMODULE:
      define_submodules(e, member);
      break;
    case MEMBER_VALUE:
      define_value(e, member);
      break;
    case MEMBER_FN:
      break;
    case MEMBER_ASSERT:
      check_assert(e, member->value, member->message);
      break;
    case MEMBER_IF:
      define_choice(e, member);
      break;
    }
  }
}

/* ---- models ------------------------------------------------------------- */

/* The arguments of a model are seen from its file. */
static Value model_make(Elaborator *e, const Symbol *symbol) {
  const Item *item = symbol->item;
  const Symbol *module =
      path_resolve(e, symbol->file, &item->path, 1u << ITEM_MODULE, "module");
  if (!module)
    return value_poison();
  return instance_make(e, module, path_text(e, &item->path), symbol->name,
                       item->args, construction_span(&item->path, item->span));
}

/* A model is made outside of any entry, whoever mentions it first. */
Value model_value(Elaborator *e, const Symbol *symbol) {
  Symbol *model = file_find(symbol->file, symbol->name)->symbol;
  if (model->state == SYMBOL_DONE)
    return model->value;
  if (e->trial) /* it must not be made for a trial */
    return fail_silent(e);
  if (model->state == SYMBOL_ACTIVE)
    return fail(e, symbol->item->name_span, "E0228", "model %s contains itself",
                symbol->name);
  Builder *builder = e->builder;
  Binding *binding = e->binding;
  Frame *frame = e->frame;
  Frame root = {.file = symbol->file};
  e->builder = NULL;
  e->binding = NULL;
  e->frame = NULL;
  model->state = SYMBOL_ACTIVE;
  frame_push(e, &root);
  model->value = model_make(e, symbol);
  e->frame = frame;
  e->binding = binding;
  e->builder = builder;
  model->state = SYMBOL_DONE;
  return model->value;
}
