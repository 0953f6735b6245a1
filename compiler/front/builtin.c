/* Built-in functions: finding them, binding their arguments, and those that
 * are no reductions. The list is builtins.def; a rule gets its arguments in the
 * order of the row and emits nodes.
 */
#include "compiler/front/foreign.h"

#include <inttypes.h>
#include <string.h>

/* ---- the table ---------------------------------------------------------- */

static const Builtin table[] = {
#define BUILTIN(name, parameters, rule) {#name, parameters, builtin_##rule},
#define RESERVED(name) {#name, "", NULL},
#include "compiler/front/builtins.def"
};

const Builtin *builtin_table(size_t *count) {
  *count = sizeof table / sizeof table[0];
  return table;
}

const Builtin *builtin_named(const char *name) {
  size_t count;
  const Builtin *row = builtin_table(&count);
  for (size_t i = 0; i < count; i++)
    if (strcmp(row[i].name, name) == 0)
      return &row[i];
  return NULL;
}

/* ---- arguments ---------------------------------------------------------- */

/* The next parameter name of a row; NULL at its end. */
typedef struct {
  const char *at;
  char name[16];
  bool optional;
} Parameters;

/* Rows are read when they are needed: there are few, and they are short. */
static bool next_parameter(Parameters *parameters) {
  size_t length = strcspn(parameters->at, " ?");
  if (length == 0 || *parameters->at == '*')
    return false;
  memcpy(parameters->name, parameters->at, length);
  parameters->name[length] = '\0';
  parameters->at += length;
  parameters->optional = *parameters->at == '?';
  parameters->at += parameters->optional;
  parameters->at += *parameters->at == ' ';
  return true;
}

/* As a declaration would look, for a note. */
static const char *signature(Elaborator *e, const Builtin *builtin) {
  Buffer out = {0};
  buffer_printf(&out, "%s(", builtin->name);
  Parameters parameters = {.at = builtin->parameters};
  for (int i = 0; next_parameter(&parameters); i++)
    buffer_printf(&out, "%s%s%s", i ? ", " : "", parameters.name,
                  parameters.optional ? " = ..." : "");
  if (*parameters.at == '*')
    buffer_text(&out, ", name = ...");
  buffer_char(&out, ')');
  return buffer_take(e, &out);
}

/* `near`: a suggestion to stand beside the caret, or NULL. */
static bool fail_argument(Elaborator *e, Span span, const char *code,
                          const Builtin *builtin, const char *message,
                          const char *near) {
  if (e->frame->file->ast->lost) { /* perhaps a function of the same name */
    fail_silent(e);
    return false;
  }
  Diagnostic error = error_begin(e, span, code, "%s", message);
  if (near)
    error_mark(e, &error, "%s", near);
  error_note(e, &error, "built-in %s", signature(e, builtin));
  error_send(e, &error);
  return false;
}

static int parameter_index(const Builtin *builtin, const char *name) {
  Parameters parameters = {.at = builtin->parameters};
  for (int i = 0; next_parameter(&parameters); i++)
    if (strcmp(parameters.name, name) == 0)
      return i;
  return -1;
}

static int parameter_count(const Builtin *builtin) {
  Parameters parameters = {.at = builtin->parameters};
  int count = 0;
  while (next_parameter(&parameters))
    count++;
  return count;
}

static bool fail_unknown(Elaborator *e, const Builtin *builtin,
                         const Arg *arg) {
  Candidates candidates = {0};
  Parameters parameters = {.at = builtin->parameters};
  while (next_parameter(&parameters))
    vec_push(&candidates, text_printf(e, "%s", parameters.name));
  const char *near = did_you_mean(e, arg->name, &candidates);
  const char *same = foreign_parameter(builtin, arg->name);
  if (same)
    near = text_printf(e, "did you mean `%s`?", same);
  return fail_argument(
      e, arg->name_span, "E0203", builtin,
      text_printf(e, "`%s` has no parameter `%s`", builtin->name, arg->name),
      near);
}

/* A name that is no parameter, for a row that takes such. */
static bool bind_named(Elaborator *e, BuiltinCall *call, const Arg *arg,
                       Value value) {
  for (int i = 0; i < call->named_count; i++)
    if (strcmp(call->named[i].name, arg->name) == 0)
      return fail_argument(e, arg->name_span, "E0221", call->builtin,
                           "this argument is given twice", NULL);
  if (call->named_count == MAX_NAMED_ARGS)
    return fail_argument(e, arg->name_span, "E0205", call->builtin,
                         text_printf(e, "`%s` takes at most %d names",
                                     call->builtin->name, MAX_NAMED_ARGS),
                         NULL);
  call->named[call->named_count++] =
      (NamedArg){arg->name, arg->name_span, arg->value, value};
  return !value_is_poison(value);
}

/* `l2` is a word of the language where a norm is wanted, and nowhere else. */
static Value eval_argument(Elaborator *e, const Builtin *builtin, int slot,
                           const Expr *expr) {
  bool word = slot >= 0 && slot == parameter_index(builtin, "norm") &&
              expr->kind == EXPR_NAME;
  return word ? value_string(expr->text) : eval(e, expr);
}

/* `concat(x, y, axis = 1)`: the positional arguments in one list. NULL: they
 * are not several tensors for a row that begins with `parts`. */
static const char *parts_hint(Elaborator *e, const BuiltinCall *call) {
  const Arg *args = call->call->args;
  if (parameter_index(call->builtin, "parts") != 0 || !args || args->name ||
      !args->next || call->value[0].kind != VALUE_TENSOR)
    return NULL;
  Buffer out = {0};
  buffer_printf(&out, "`%s([", call->builtin->name);
  const char *axis = "0";
  for (const Arg *arg = args; arg; arg = arg->next) {
    bool part = !arg->name && arg->value->kind != EXPR_INT &&
                arg->value->kind != EXPR_UNARY;
    if (part)
      buffer_printf(&out, "%s%s", arg == args ? "" : ", ",
                    expr_text(e, arg->value));
    else
      axis = expr_text(e, arg->value);
  }
  buffer_printf(&out, "], axis = %s)`", axis);
  return buffer_take(e, &out);
}

/* The parts were written one by one: said once, at the second of them. */
static bool fail_parts(Elaborator *e, const BuiltinCall *call) {
  const char *hint = parts_hint(e, call);
  if (!hint)
    return false;
  Diagnostic error =
      error_begin(e, call->call->args->next->value->span, "E0461",
                  "the parts of `%s` stand in brackets", call->builtin->name);
  error_label(e, &error, call->call->args->value->span, "%s",
              value_describe(e, call->value[0]));
  error_hint(e, &error, "%s", hint);
  error_send(e, &error);
  return true;
}

/* The value goes to its slot whatever its kind; the rule of the row decides
 * what it accepts. */
static bool bind_argument(Elaborator *e, BuiltinCall *call, const Arg *arg,
                          int position) {
  const Builtin *builtin = call->builtin;
  if (arg->name && strchr(builtin->parameters, '*'))
    return bind_named(e, call, arg, eval(e, arg->value));
  int slot = arg->name ? parameter_index(builtin, arg->name) : position;
  Value value = eval_argument(e, builtin, slot, arg->value);
  if (slot < 0)
    return fail_unknown(e, builtin, arg);
  if (slot >= call->count)
    return fail_argument(e, arg->value->span, "E0205", builtin,
                         text_printf(e, "`%s` takes at most %d argument%s",
                                     builtin->name, call->count,
                                     call->count == 1 ? "" : "s"),
                         NULL);
  if (call->expr[slot])
    return fail_argument(e, arg->value->span, "E0221", builtin,
                         "this argument is given twice", NULL);
  call->expr[slot] = arg->value;
  call->value[slot] = value;
  return !value_is_poison(value);
}

/* Those without `?` in the row. */
static bool check_required(Elaborator *e, const BuiltinCall *call) {
  Parameters parameters = {.at = call->builtin->parameters};
  for (int i = 0; next_parameter(&parameters); i++)
    if (!parameters.optional && !call->expr[i])
      return fail_argument(e, call->call->span, "E0220", call->builtin,
                           text_printf(e, "`%s` needs an argument for `%s`",
                                       call->builtin->name, parameters.name),
                           NULL);
  return true;
}

/* A poisoned argument ends the call silently, after the others reported
 * theirs. `position`: of the first argument that is not named. */
static Value call_with(Elaborator *e, BuiltinCall *call, const Arg *args,
                       int position) {
  bool fine = true;
  for (const Arg *arg = args; arg && !e->stopped; arg = arg->next) {
    if (fine && arg != args && !arg->name && fail_parts(e, call))
      return value_poison();
    fine = bind_argument(e, call, arg, arg->name ? 0 : position++) && fine;
  }
  if (!fine || !check_required(e, call))
    return value_poison();
  return call->builtin->rule(e, call);
}

Value builtin_call(Elaborator *e, const Builtin *builtin, const Expr *expr) {
  BuiltinCall call = {.call = expr, .builtin = builtin};
  call.count = parameter_count(builtin);
  return call_with(e, &call, expr->args, 0);
}

Value builtin_apply(Elaborator *e, const Builtin *builtin, Value first,
                    const Expr *expr, const Arg *args, Span span) {
  Expr *written = NEW(e->scratch, Expr);
  written->kind = EXPR_CALL;
  written->span = span;
  BuiltinCall call = {.call = written, .builtin = builtin};
  call.count = parameter_count(builtin);
  call.value[0] = first;
  call.expr[0] = expr;
  return call_with(e, &call, args, 1);
}

bool builtin_tensor(Elaborator *e, const BuiltinCall *call, int i, Value *out) {
  *out = call->value[i];
  if (out->kind == VALUE_TENSOR)
    return true;
  fail(e, call->expr[i]->span, "E0402", "`%s` works on a tensor, not %s",
       call->builtin->name, value_describe(e, *out));
  return false;
}

/* Whole numbers are not computed with; the hint is a conversion. */
bool builtin_real_tensor(Elaborator *e, const BuiltinCall *call, int i,
                         Value *out) {
  if (!builtin_tensor(e, call, i, out))
    return false;
  const Type *type = value_type(e, *out);
  if (format_is_real(type->format))
    return true;
  Diagnostic error = error_begin(e, call->expr[i]->span, "E0409",
                                 "`%s` works on real numbers, not %s",
                                 call->builtin->name, type_text(e, type));
  error_hint(e, &error, "convert first: `real(%s)`",
             expr_text(e, call->expr[i]));
  error_send(e, &error);
  return false;
}

/* Negative axes count from the end. */
bool builtin_axis(Elaborator *e, const BuiltinCall *call, int i, int rank,
                  int *axis) {
  Value value = call->value[i];
  int64_t wanted = value.kind == VALUE_INT ? value.as.integer : INT64_MAX;
  if (rank == 0) {
    fail(e, call->expr[i]->span, "E0322", "`%s` has no axes: it is one number",
         expr_text(e, call->expr[0]));
    return false;
  }
  if (wanted < -rank || wanted >= rank) {
    fail(e, call->expr[i]->span, "E0322",
         "an axis of `%s` is a whole number from %d to %d, not %s",
         expr_text(e, call->expr[0]), -rank, rank - 1, value_text(e, value));
    return false;
  }
  *axis = (int)(wanted < 0 ? wanted + rank : wanted);
  return true;
}

/* ---- structure ---------------------------------------------------------- */

/* Axes i and j change places. */
Value builtin_transpose(Elaborator *e, const BuiltinCall *call) {
  Value x;
  int i, j;
  if (!builtin_tensor(e, call, 0, &x))
    return value_poison();
  int rank = value_type(e, x)->rank;
  if (!builtin_axis(e, call, 1, rank, &i) ||
      !builtin_axis(e, call, 2, rank, &j))
    return value_poison();
  return i == j ? x : tensor_transpose(e, call->call->span, x, i, j);
}

/* The list is a value, so its items may come from anywhere; its places are
 * those of the list where it is written out. */
bool builtin_sizes(Elaborator *e, const BuiltinCall *call, int number,
                   Sizes *sizes) {
  Value list = call->value[number];
  if (list.kind != VALUE_LIST || list.as.list.count > MAX_RANK) {
    fail(e, call->expr[number]->span, "E0421",
         "the shape of `%s` is a list of at most %d sizes", call->builtin->name,
         MAX_RANK);
    return false;
  }
  const Expr *expr = call->expr[number]->list;
  for (size_t i = 0; i < list.as.list.count; i++) {
    Value size = list.as.list.item[i];
    if (size.kind != VALUE_INT || size.as.integer < 1) {
      fail(e, expr ? expr->span : call->expr[number]->span, "E0305",
           "a size is a whole number of at least 1, not %s",
           value_describe(e, size));
      return false;
    }
    sizes->dim[sizes->rank] = size.as.integer;
    sizes->label[sizes->rank++] = size.origin;
    expr = expr ? expr->next : NULL;
  }
  return true;
}

static Value fail_reshape(Elaborator *e, const BuiltinCall *call, Value x,
                          const Type *type, const Type *from) {
  Diagnostic error =
      error_begin(e, call->expr[1]->span, "E0324",
                  "`reshape` keeps the number of elements: %s has %" PRId64,
                  type_text(e, from), from->elements);
  if (type)
    error_mark(e, &error, "%s has %" PRId64, shape_text(e, type),
               type->elements);
  else
    error_mark(e, &error, "this is too large");
  error_label(e, &error, call->expr[0]->span, "%s", value_describe_sizes(e, x));
  return error_send(e, &error);
}

/* Row-major order is kept: a view. */
Value builtin_reshape(Elaborator *e, const BuiltinCall *call) {
  Value x;
  Sizes *sizes = NEW(e->scratch, Sizes);
  if (!builtin_tensor(e, call, 0, &x) || !builtin_sizes(e, call, 1, sizes))
    return value_poison();
  const Type *from = value_type(e, x);
  const Type *type =
      type_make(e->program->types, from->format, sizes->rank, sizes->dim);
  if (!type || type->elements != from->elements)
    return fail_reshape(e, call, x, type, from);
  return value_tensor(emit_typed(e, call->call->span, OP_RESHAPE, type, NULL,
                                 x.as.tensor.id, 0),
                      sizes->label);
}

/* ---- losses and measures ------------------------------------------------ */

/* One label a row of logits: shows both shapes. */
static Value fail_labels(Elaborator *e, const BuiltinCall *call, Value logits,
                         Value labels) {
  const Type *a = value_type(e, logits), *b = value_type(e, labels);
  const char *name = call->builtin->name;
  if (!format_is_whole(b->format))
    return fail(e, call->expr[1]->span, "E0408",
                "the labels of `%s` are whole numbers, not %s", name,
                type_text(e, b));
  const Type *want =
      a->rank ? type_make(e->program->types, b->format, a->rank - 1, a->dim)
              : NULL;
  Diagnostic error = error_begin(
      e, call->expr[1]->span, "E0302",
      "`%s` takes one label for each row of logits: %s, but gets %s", name,
      want ? shape_text(e, want) : "logits have at least one axis",
      shape_text(e, b));
  error_mark(e, &error, "%s", value_describe_sizes(e, labels));
  error_label(e, &error, call->expr[0]->span, "%s",
              value_describe_sizes(e, logits));
  return error_send(e, &error);
}

/* `cross_entropy(labels, logits)`: said before anything else is wrong. */
static bool fail_swapped(Elaborator *e, const BuiltinCall *call) {
  Value a = call->value[0], b = call->value[1];
  if (a.kind != VALUE_TENSOR || b.kind != VALUE_TENSOR)
    return false;
  const Type *first = value_type(e, a), *second = value_type(e, b);
  if (!format_is_whole(first->format) || !format_is_real(second->format) ||
      second->rank != first->rank + 1)
    return false;
  const char *name = call->builtin->name;
  Diagnostic error = error_begin(e, call->expr[0]->span, "E0409",
                                 "the logits of `%s` are real numbers, not %s",
                                 name, type_text(e, first));
  error_label(e, &error, call->expr[1]->span, "%s", type_text(e, second));
  error_hint(e, &error, "logits come first: `%s(%s, %s)`", name,
             expr_text(e, call->expr[1]), expr_text(e, call->expr[0]));
  error_send(e, &error);
  return true;
}

/* Logits [.., n] in argument 0 and labels [..] in argument 1. */
bool builtin_logits_and_labels(Elaborator *e, const BuiltinCall *call,
                               Value *logits, Value *labels) {
  if (fail_swapped(e, call) || !builtin_real_tensor(e, call, 0, logits) ||
      !builtin_tensor(e, call, 1, labels))
    return false;
  const Type *a = value_type(e, *logits), *b = value_type(e, *labels);
  bool fits = format_is_whole(b->format) && a->rank == b->rank + 1;
  for (int i = 0; fits && i < b->rank; i++)
    fits = a->dim[i] == b->dim[i];
  if (!fits)
    fail_labels(e, call, *logits, *labels);
  return fits;
}

/* Of a scalar it is the scalar. */
static ValueId emit_of_all(Elaborator *e, Span span, Op op, ValueId id) {
  int rank = id ? graph_node(e->builder->graph, id)->type->rank : 0;
  if (rank == 0)
    return id;
  Attributes pattern =
      pattern_attribute(e, reduce_pattern(e, rank, (1u << rank) - 1));
  return emit(e, span, op, &pattern, id, 0);
}

ValueId emit_mean_of_all(Elaborator *e, Span span, ValueId id) {
  return emit_of_all(e, span, OP_MEAN, id);
}

ValueId emit_sum_of_all(Elaborator *e, Span span, ValueId id) {
  return emit_of_all(e, span, OP_SUM, id);
}

/* The share of rows whose largest logit is at the label. */
Value builtin_accuracy(Elaborator *e, const BuiltinCall *call) {
  Value logits, labels;
  Span span = call->call->span;
  if (!builtin_logits_and_labels(e, call, &logits, &labels))
    return value_poison();
  Attributes axis = attributes_neutral();
  axis.axis = value_type(e, logits)->rank - 1;
  ValueId best = emit(e, span, OP_ARGMAX, &axis, logits.as.tensor.id, 0);
  Value wanted = tensor_convert(e, span, FORMAT_I32, labels);
  if (value_is_poison(wanted))
    return wanted;
  ValueId equal = emit(e, span, OP_EQ, NULL, best, wanted.as.tensor.id);
  if (!equal)
    return value_poison();
  const Type *type =
      type_with_format(e->program->types,
                       graph_node(e->builder->graph, equal)->type, FORMAT_REAL);
  ValueId share = emit_typed(e, span, OP_CONVERT, type, NULL, equal, 0);
  return share ? value_tensor(emit_mean_of_all(e, span, share), NULL)
               : value_poison();
}
