/* Expressions: from syntax to abstract values.
 *
 * Compile-time operands fold (constant.c), tensors emit nodes (tensor.c).
 * A whole number carries the expression it came from, so that a message can
 * say `768 = D`: in the user's files the name where it is used, in the library
 * the name that the user's call gave it.
 */
#include "compiler/front/foreign.h"
#include "compiler/front/pick.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* ---- source text -------------------------------------------------------- */

/* White space, line ends included, becomes one space: labels are one line. */
const char *span_text(Elaborator *e, Span span) {
  const Source *source = sources_get(e->sources, span.source);
  if (!source)
    return "";
  Buffer out = {0};
  bool space = false;
  for (uint32_t i = span.start; i < span.end && i < source->length; i++) {
    char c = source->text[i];
    if (isspace((unsigned char)c)) {
      space = true;
      continue;
    }
    if (space && out.length)
      buffer_char(&out, ' ');
    space = false;
    buffer_char(&out, c);
  }
  return buffer_take(e, &out);
}

/* Do the parentheses at both ends belong together? */
static bool is_enclosed(const char *text, size_t length) {
  if (length < 2 || text[0] != '(' || text[length - 1] != ')')
    return false;
  int depth = 0;
  for (size_t i = 0; i + 1 < length; i++) {
    depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
    if (depth == 0)
      return false;
  }
  return true;
}

const char *expr_text(Elaborator *e, const Expr *expr) {
  const char *text = span_text(e, expr->span);
  size_t length = strlen(text);
  while (is_enclosed(text, length)) {
    text++;
    length -= 2;
  }
  return arena_string(e->scratch, text, length);
}

/* ---- where whole numbers come from -------------------------------------- */

/* What a name means inside and outside: see Value in elaborate.h. */
static Value named_origin(Elaborator *e, const Expr *expr, Value value) {
  if (value.kind != VALUE_INT)
    return value;
  value.inner = variable_lookup(e, expr->text) != NULL;
  value.given = value.origin;
  if (!value.origin || !span_is_builtin(e, expr->span))
    value.origin = expr->text;
  return value;
}

/* A computed size has its expression for a name, here only. */
static Value computed_origin(Elaborator *e, const Expr *expr, Value value) {
  if (value.kind != VALUE_INT)
    return value;
  value.given = NULL;
  value.inner = true;
  value.origin = span_is_builtin(e, expr->span) ? NULL : expr_text(e, expr);
  return value;
}

/* ---- reading ------------------------------------------------------------ */

/* A state that this step has assigned has its new value from there on. No
 * gradient flows through the assignment: the next step could not have it. */
static Value read_param(Elaborator *e, int param, Span span) {
  const Parameter *parameter = &e->program->param.data[param];
  Builder *builder = e->builder;
  if (!builder)
    return fail(e, span, "E0424",
                "%s is a tensor: it has a value at run time only",
                parameter->name);
  builder_slot(e, param);
  ValueId written = builder->written.data[param];
  if (!written)
    written = emit_param(e, param, span);
  else if (builder->graph->kind == ENTRY_TRAIN &&
           builder->phase == PHASE_FORWARD &&
           format_is_real(parameter->type->format))
    written = emit(e, span, OP_STOP_GRAD, NULL, written, 0);
  return value_tensor(written, param_labels(e, param));
}

/* Reading is what makes a node: a parameter that is only named, as an
 * instance's member on the way to something else, is no part of the graph. */
Value value_read(Elaborator *e, Value value, Span span) {
  if (value.kind == VALUE_PARAM)
    return read_param(e, value.as.param, span);
  if (value.kind == VALUE_STEP)
    return value_tensor(emit_step(e, span), NULL);
  return value;
}

/* ---- members ------------------------------------------------------------ */

/* `file` is where the owner is defined, if anywhere. */
static Value fail_member(Elaborator *e, const Expr *expr, const FileScope *file,
                         const char *code, const char *owner, const char *what,
                         Candidates *candidates) {
  if (file && file->ast->lost) {
    vec_free(candidates);
    return fail_silent(e);
  }
  Diagnostic error = error_begin(e, expr->op_span, code, "%s has no %s `%s`",
                                 owner, what, expr->text);
  const char *near = did_you_mean(e, expr->text, candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  return error_send(e, &error);
}

/* `nn.gelu`: a call is offered functions, anything else the rest. */
static Value space_member(Elaborator *e, const Expr *expr, const Symbol *import,
                          bool called) {
  const Entry *entry = file_find(import->space, expr->text);
  if (entry)
    return symbol_value(e, entry->symbol, expr->op_span);
  Candidates candidates = {0};
  for (size_t i = 0; i < import->space->entry.length; i++) {
    const Entry *other = &import->space->entry.data[i];
    if (called == (other->symbol->item->kind == ITEM_FN))
      vec_push(&candidates, other->name);
  }
  return fail_member(e, expr, import->space, "E0201", expr_text(e, expr->left),
                     called ? "function" : "member", &candidates);
}

/* Members, parameters, submodules and functions of an instance share a
 * scope. */
static Value instance_member(Elaborator *e, const Expr *expr,
                             Instance *instance) {
  Variable *variable = scope_find(&instance->scope, expr->text);
  if (variable)
    return variable->value;
  Candidates candidates = {0};
  for (Variable *v = instance->scope.first; v; v = v->next)
    vec_push(&candidates, v->name);
  return fail_member(e, expr, instance->symbol->file, "E0215", instance->path,
                     "member", &candidates);
}

/* The first axis of a column carries the name of the batch size. */
static Value batch_member(Elaborator *e, const Expr *expr, Value batch) {
  const Dataset *dataset = &e->program->dataset.data[batch.as.batch.dataset];
  Candidates candidates = {0};
  for (size_t i = 0; i < dataset->column.length; i++) {
    const Column *column = &dataset->column.data[i];
    if (strcmp(column->name, expr->text) == 0) {
      vec_free(&candidates);
      const char **label = NEW_ARRAY(e->scratch, const char *, MAX_RANK);
      label[0] = batch.as.batch.label;
      return value_tensor(batch.as.batch.column[i], label);
    }
    vec_push(&candidates, column->name);
  }
  return fail_member(e, expr, e->frame->file, "E0215",
                     text_printf(e, "dataset %s", dataset->name), "column",
                     &candidates);
}

/* `x.shape` and `x.sum()` are habits of Python. */
static Value fail_tensor_member(Elaborator *e, const Expr *expr, Value tensor) {
  Diagnostic error = error_begin(e, expr->op_span, "E0230",
                                 "a tensor has no member `%s`", expr->text);
  error_label(e, &error, expr->left->span, "%s",
              value_describe_sizes(e, tensor));
  const char *of = expr_text(e, expr->left);
  bool size =
      strcmp(expr->text, "shape") == 0 || strcmp(expr->text, "size") == 0;
  if (size && !e->frame->caller) /* the sizes of an entry are numbers */
    error_hint(e, &error, "`const N = 8` at the top level names a size");
  else if (size)
    error_hint(e, &error, "`%s: [?b, ?n]` in a header names its sizes", of);
  else if (strcmp(expr->text, "t") == 0)
    error_hint(e, &error, "`%s.T` swaps the last two axes", of);
  else {
    const Expr *call = e->call && e->call->left == expr ? e->call : NULL;
    const char *same = foreign_method_hint(e, expr->text, expr->left, call);
    if (same)
      error_hint(e, &error, "%s", same);
  }
  return error_send(e, &error);
}

/* `.T` is all a tensor has. */
static Value tensor_member(Elaborator *e, const Expr *expr, Value tensor) {
  if (strcmp(expr->text, "T") != 0)
    return fail_tensor_member(e, expr, tensor);
  const Type *type = value_type(e, tensor);
  if (type->rank < 2)
    return fail(e, expr->op_span, "E0323",
                "`.T` swaps the last two axes; %s has %d", type_text(e, type),
                type->rank);
  return tensor_transpose(e, expr->span, tensor, type->rank - 2,
                          type->rank - 1);
}

/* `S.h`, where S is a module: what has members is an instance of it. */
static Value fail_module_member(Elaborator *e, const Expr *expr,
                                const Symbol *module) {
  const char *name = module->name;
  Diagnostic error =
      error_begin(e, expr->left->span, "E0215",
                  "`%s` is a module; members belong to a model of it", name);
  error_label(e, &error, module->item->name_span, "the module");
  error_hint(e, &error, "`model m: %s(...)` at the top level, then `m.%s`",
             name, expr->text);
  return error_send(e, &error);
}

/* `F.relu(x)`: built-in functions are in no library. */
static bool fail_foreign_library(Elaborator *e, const Expr *expr) {
  const Expr *left = expr->left;
  if (left->kind != EXPR_NAME || !foreign_library(left->text) ||
      variable_lookup(e, left->text) || file_find(e->frame->file, left->text) ||
      e->frame->file->ast->lost ||
      cause_reported(e, left->text, e->frame->file))
    return false;
  Diagnostic error =
      error_begin(e, left->span, "E0201", "unknown name `%s`", left->text);
  const char *same = foreign_function(expr->text);
  same = same ? same : expr->text;
  if (builtin_named(same))
    error_hint(e, &error, "`%s(...)`: built-in functions need no import", same);
  error_send(e, &error);
  return true;
}

/* The left side is named, not read: `net.l1.w` must not read `net`. */
static Value eval_member(Elaborator *e, const Expr *expr, bool called) {
  if (fail_foreign_library(e, expr))
    return value_poison();
  Value left = eval_reference(e, expr->left, false);
  if (left.kind == VALUE_SYMBOL && left.as.symbol->space)
    return space_member(e, expr, left.as.symbol, called);
  if (left.kind == VALUE_SYMBOL && left.as.symbol->item->kind == ITEM_MODULE)
    return fail_module_member(e, expr, left.as.symbol);
  left = value_read(e, left, expr->left->span);
  Candidates none = {0};
  switch (left.kind) {
  case VALUE_POISON:
    return left;
  case VALUE_INSTANCE:
    return instance_member(e, expr, left.as.instance);
  case VALUE_BATCH:
    return batch_member(e, expr, left);
  case VALUE_TENSOR:
    return tensor_member(e, expr, left);
  default:
    return fail_member(e, expr, NULL, "E0215", value_describe(e, left),
                       "member", &none);
  }
}

/* ---- indexing ----------------------------------------------------------- */

/* An index from 0 to `limit`, negative from the end; false after a message. */
static bool item_place(Elaborator *e, const Expr *expr, const Expr *place,
                       Value list, int64_t limit, int64_t *out) {
  int64_t index, count = (int64_t)list.as.list.count;
  if (!eval_int(e, place, "an index", &index))
    return false;
  *out = index < 0 ? index + count : index;
  if (*out >= 0 && *out <= limit)
    return true;
  if (count == 0)
    fail(e, place->span, "E0313", "`%s` is empty", expr_text(e, expr->left));
  else
    fail(e, place->span, "E0313",
         "index %" PRId64 " is outside 0 .. %" PRId64 " of `%s`", index, limit,
         expr_text(e, expr->left));
  return false;
}

/* layers[2:]: the items from a up to, not including, b. */
static Value slice_items(Elaborator *e, const Expr *expr, Value list) {
  const Sub *sub = expr->subs;
  int64_t from = 0, count = (int64_t)list.as.list.count, to = count;
  if ((sub->a && !item_place(e, expr, sub->a, list, count, &from)) ||
      (sub->b && !item_place(e, expr, sub->b, list, count, &to)))
    return value_poison();
  list.as.list.item += from;
  list.as.list.count = to > from ? (size_t)(to - from) : 0;
  return list;
}

/* Arrays of modules and lists: the index is known now. */
static Value index_items(Elaborator *e, const Expr *expr, Value list) {
  const Sub *sub = expr->subs;
  int64_t index;
  if (sub && !sub->next && sub->kind == SUB_RANGE)
    return slice_items(e, expr, list);
  if (!sub || sub->next || sub->kind != SUB_INDEX)
    return fail(e, expr->span, "E0414",
                "%s is indexed by one number or slice known at compile time",
                value_describe(e, list));
  if (!item_place(e, expr, sub->a, list, (int64_t)list.as.list.count - 1,
                  &index))
    return value_poison();
  return list.as.list.item[index];
}

static Value eval_index(Elaborator *e, const Expr *expr) {
  Value left = eval(e, expr->left);
  switch (left.kind) {
  case VALUE_POISON:
    return left;
  case VALUE_ARRAY:
  case VALUE_LIST:
    return index_items(e, expr, left);
  case VALUE_TENSOR:
    return tensor_index(e, expr, left);
  default:
    return fail(e, expr->span, "E0414", "`%s` is %s and cannot be indexed",
                expr_text(e, expr->left), value_describe(e, left));
  }
}

/* ---- operators ---------------------------------------------------------- */

/* `and` and `or` at compile time; the right side counts only if the left does
 * not decide. */
static Value eval_logic(Elaborator *e, const Expr *expr) {
  Value left = eval(e, expr->left);
  if (left.kind == VALUE_BOOL && left.as.truth == (expr->op == BIN_OR))
    return left;
  Value right = eval(e, expr->right);
  if (value_is_poison(left) || value_is_poison(right))
    return value_poison();
  if (left.kind == VALUE_TENSOR || right.kind == VALUE_TENSOR)
    return tensor_logic(e, expr, left, right);
  if (left.kind == VALUE_BOOL && right.kind == VALUE_BOOL)
    return right;
  return fail(e, expr->op_span, "E0411", "`%s` cannot combine %s and %s",
              operator_text(expr->op), value_describe(e, left),
              value_describe(e, right));
}

/* Tensors anywhere make it an operation of the graph. */
static Value eval_binary(Elaborator *e, const Expr *expr) {
  if (expr->op == BIN_AND || expr->op == BIN_OR)
    return eval_logic(e, expr);
  if (expr->op == BIN_MATMUL)
    return tensor_matmul(e, expr);
  Value left = eval(e, expr->left), right = eval(e, expr->right);
  if (value_is_poison(left) || value_is_poison(right))
    return value_poison();
  if (left.kind != VALUE_TENSOR && right.kind != VALUE_TENSOR)
    return computed_origin(e, expr, constant_binary(e, expr, left, right));
  return tensor_binary(e, expr, left, right);
}

static Value eval_unary(Elaborator *e, const Expr *expr) {
  Value operand = eval(e, expr->left);
  if (value_is_poison(operand))
    return operand;
  if (operand.kind == VALUE_TENSOR)
    return tensor_unary(e, expr, operand);
  return computed_origin(e, expr, constant_unary(e, expr, operand));
}

/* All items are evaluated, so that each reports its own mistakes. */
static Value eval_list(Elaborator *e, const Expr *expr) {
  size_t count = 0;
  for (const Expr *item = expr->list; item; item = item->next)
    count++;
  if ((int64_t)count > limit_of(e, LIMIT_list))
    return fail_limit(e, expr->span, LIMIT_list,
                      "a list has at most %" PRId64 " items; this one has %zu",
                      limit_of(e, LIMIT_list), count);
  if (!constant_add(e, count * sizeof(Value), expr->span))
    return value_poison();
  Value *item = NEW_ARRAY(e->scratch, Value, count + 1);
  bool poison = false;
  count = 0;
  for (const Expr *each = expr->list; each; each = each->next) {
    item[count] = eval(e, each);
    poison = poison || value_is_poison(item[count++]);
  }
  return poison ? value_poison() : value_list(item, count);
}

/* ---- the walk ----------------------------------------------------------- */

/* What is called knows the call, for its hints. */
static Value eval_call(Elaborator *e, const Expr *expr) {
  const Expr *outer = e->call;
  e->call = expr;
  Value callee = eval_reference(e, expr->left, true);
  e->call = outer;
  return call_value(e, callee, expr);
}

static Value eval_kind(Elaborator *e, const Expr *expr, bool called) {
  switch (expr->kind) {
  case EXPR_INT:
    return value_int(expr->integer);
  case EXPR_FLOAT:
    return value_real(expr->number);
  case EXPR_STRING:
    return value_string(expr->text);
  case EXPR_BOOL:
    return value_bool(expr->integer != 0);
  case EXPR_NAME:
    return named_origin(e, expr,
                        name_lookup(e, expr->text, expr->span, called));
  case EXPR_LIST:
    return eval_list(e, expr);
  case EXPR_MEMBER:
    return eval_member(e, expr, called);
  case EXPR_CALL:
    return eval_call(e, expr);
  case EXPR_INDEX:
    return eval_index(e, expr);
  case EXPR_UNARY:
    return eval_unary(e, expr);
  case EXPR_BINARY:
    return eval_binary(e, expr);
  case EXPR_ERROR:
    return fail_silent(e);
  }
  return value_poison();
}

/* Depth is counted here because every road back into an expression, through
 * calls too, passes here: the C stack is bounded with it. */
Value eval_reference(Elaborator *e, const Expr *expr, bool called) {
  if (e->expr_depth >= limit_of(e, LIMIT_depth))
    return fail_limit(e, expr->span, LIMIT_depth,
                      "expressions are nested more than %" PRId64 " deep",
                      limit_of(e, LIMIT_depth));
  if (!work_add(e, expr->span))
    return value_poison();
  e->expr_depth++;
  Value value = eval_kind(e, expr, called);
  e->expr_depth--;
  return value;
}

Value eval(Elaborator *e, const Expr *expr) {
  return value_read(e, eval_reference(e, expr, false), expr->span);
}
