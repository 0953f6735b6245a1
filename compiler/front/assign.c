/* Assignment to a part of a state: `kc[:, :, pos +: t] = k`, `kc[ids] = k`.
 *
 * In: a state, subscripts, a value of the shape that the subscripts leave. Out:
 * the state's new value, which holds for the rest of the step: for each axis
 * that is not written whole, outermost first, a window of the state is read,
 * written to, and put back; what a tensor of indices names is written in the
 * innermost window. No gradient flows through a state, and an entry
 * that never touches it does not have it.
 */
#include "compiler/front/pick.h"

#include <string.h>

/* ---- what is assigned to ------------------------------------------------ */

/* `x[0] = 1` of a value that is no state. */
static bool fail_target(Elaborator *e, const Stmt *stmt, Value target) {
  const char *text = path_text(e, &stmt->path);
  Diagnostic error = error_begin(
      e, stmt->path.span, "E0333",
      "only a state is assigned in parts, and `%s` is %s", text,
      target.kind == VALUE_TENSOR ? "a value" : value_describe(e, target));
  if (target.kind == VALUE_TENSOR)
    error_hint(e, &error, "make a new value: `%s = concat([.., ..], axis = 0)`",
               text);
  error_send(e, &error);
  return false;
}

static bool fail_parameter(Elaborator *e, const Stmt *stmt) {
  const char *text = path_text(e, &stmt->path);
  Diagnostic error = error_begin(
      e, stmt->path.span, "E0407",
      "`%s` is a parameter: it changes by training, not by assignment", text);
  error_hint(e, &error, "declare it `state %s: ...`", text);
  error_send(e, &error);
  return false;
}

/* The value that a dotted path names, unread. */
static Value path_reference(Elaborator *e, const Path *path) {
  const Name *part = path->part;
  Value value = name_lookup(e, part->text, part->span, false);
  for (part = part->next; part && !value_is_poison(value); part = part->next) {
    const Variable *member =
        value.kind == VALUE_INSTANCE
            ? scope_find(&value.as.instance->scope, part->text)
            : NULL;
    value = member ? member->value
                   : fail(e, part->span, "E0215", "%s has no member `%s`",
                          value_describe(e, value), part->text);
  }
  return value;
}

/* The state or, in an optimizer, the weight; false after a message. */
static bool target_param(Elaborator *e, const Stmt *stmt, int *param) {
  Value target = path_reference(e, &stmt->path);
  if (value_is_poison(target))
    return false;
  if (target.kind != VALUE_PARAM)
    return fail_target(e, stmt, target);
  *param = target.as.param;
  const Instance *instance = e->frame->instance;
  if (!e->program->param.data[*param].state &&
      !(instance && instance->weight == *param))
    return fail_parameter(e, stmt);
  if (e->builder)
    return true;
  fail(e, stmt->path.span, "E0424", "a state is assigned at run time only");
  return false;
}

/* What the state is now: before the step, or after an assignment. */
static Value current_value(Elaborator *e, int param, Span span) {
  builder_slot(e, param);
  ValueId written = e->builder->written.data[param];
  return value_tensor(written ? written : emit_param(e, param, span),
                      param_labels(e, param));
}

/* ---- the value ---------------------------------------------------------- */

static const char *sizes_text(Elaborator *e, Format format,
                              const Sizes *sizes) {
  return type_text(
      e, type_make(e->program->types, format, sizes->rank, sizes->dim));
}

/* Tensors of indices bring axes of their own into the part. */
static void label_indices(Elaborator *e, Diagnostic *error, const Pick *pick,
                          int count) {
  for (int i = 0; i < count; i++)
    if (pick[i].kind == PICK_GATHER)
      error_label(e, error, pick[i].span, "%s",
                  value_describe_sizes(e, pick[i].indices));
}

/* Both shapes, and where that of the part comes from. */
static Value fail_shape(Elaborator *e, const Stmt *stmt, Value state,
                        const Pick *pick, int count, const Sizes *want,
                        Value value) {
  Format format = value_type(e, state)->format;
  const char *part = span_text(e, stmt->span);
  const char *end = strstr(part, "] =");
  part = end ? text_printf(e, "%.*s]", (int)(end - part), part) : part;
  Diagnostic error = error_begin(
      e, stmt->values->span, "E0334", "`%s` is %s and cannot become %s", part,
      sizes_text(e, format, want), value_describe(e, value));
  if (value.kind == VALUE_TENSOR)
    error_mark(e, &error, "%s", value_describe_sizes(e, value));
  error_label(e, &error, stmt->path.span, "%s", value_describe_sizes(e, state));
  label_indices(e, &error, pick, count);
  if (value.kind == VALUE_TENSOR && format_is_real(format) &&
      !format_is_real(value_type(e, value)->format))
    error_hint(e, &error, "convert first: `real(%s)`",
               expr_text(e, stmt->values));
  return error_send(e, &error);
}

/* Reals go into reals, whole numbers into their own format. */
static bool takes_format(Format state, Format format) {
  return format_is_real(state) ? format_is_real(format) : state == format;
}

/* A number known now in every place of the part. */
static Value filled(Elaborator *e, Span span, double value, Format format,
                    const Sizes *sizes) {
  ValueId number = emit_constant(e, span, format, value);
  const Type *type =
      type_make(e->program->types, format, sizes->rank, sizes->dim);
  return value_tensor(emit_typed(e, span, OP_SPLAT, type, NULL, number, 0),
                      NULL);
}

/* The value as a tensor of the part's shape with every axis of the state. */
static Value part_value(Elaborator *e, const Stmt *stmt, Value state,
                        const Pick *pick, int count, Value value) {
  Sizes want = {0}, *full = NEW(e->scratch, Sizes);
  if (!picks_sizes(e, pick, count, false, &want) ||
      !picks_sizes(e, pick, count, true, full))
    return value_poison();
  Format format = value_type(e, state)->format;
  Span span = stmt->values->span;
  double number;
  if (value_fills(value, format, &number))
    return filled(e, span, number,
                  format_is_real(format) ? FORMAT_REAL : format, full);
  const Type *type = type_make(e->program->types, format, want.rank, want.dim);
  if (value.kind != VALUE_TENSOR ||
      !takes_format(format, value_type(e, value)->format) ||
      !type_same_shape(value_type(e, value), type))
    return fail_shape(e, stmt, state, pick, count, &want, value);
  return emit_sizes(e, span, value, full);
}

/* ---- writing ------------------------------------------------------------ */

/* The first pick from `i` on that is a window of its axis. */
static int next_window(const Pick *pick, int count, int i, const Type *type) {
  while (i < count && (pick[i].kind == PICK_GATHER ||
                       (!pick[i].at && pick[i].size == type->dim[i])))
    i++;
  return i;
}

static const Pick *find_gather(const Pick *pick, int count) {
  for (int i = 0; i < count; i++)
    if (pick[i].kind == PICK_GATHER)
      return &pick[i];
  return NULL;
}

/* `update` at the indices of `gather`; all of it where there are none. */
static ValueId write_rows(Elaborator *e, Span span, ValueId state,
                          const Pick *gather, ValueId update) {
  if (!gather)
    return update;
  Attributes attributes = axis_attribute(gather->axis);
  const ValueId operand[] = {state, update, gather->at};
  return emit_many(e, span, OP_SCATTER, NULL, &attributes, operand, 3);
}

/* The state with `update` in the place of pick number `i` and of those that
 * follow it. */
static ValueId write_picks(Elaborator *e, Span span, ValueId state,
                           const Pick *pick, int count, int i, ValueId update) {
  if (!update || !state)
    return 0;
  const Type *type = graph_node(e->builder->graph, state)->type;
  const Pick *gather = find_gather(pick, count);
  i = next_window(pick, count, i, type);
  if (i == count)
    return write_rows(e, span, state, gather, update);
  Attributes attributes = axis_attribute(pick[i].axis);
  ValueId start =
      pick[i].at ? pick[i].at
                 : emit_constant(e, span, FORMAT_I32, (double)pick[i].start);
  if (gather || next_window(pick, count, i + 1, type) < count) {
    Attributes part = attributes;
    part.size = pick[i].size;
    ValueId window = emit(e, span, OP_WINDOW, &part, state, start);
    update = write_picks(e, span, window, pick, count, i + 1, update);
  }
  const ValueId operand[] = {state, update, start};
  return emit_many(e, span, OP_WINDOW_WRITE, NULL, &attributes, operand, 3);
}

/* A new axis is no place to write to. */
static bool check_writable(Elaborator *e, const Pick *pick, int count) {
  for (int i = 0; i < count; i++) {
    if (pick[i].kind == PICK_NEW) {
      fail(e, pick[i].span, "E0335",
           "`new` makes an axis to read, not to "
           "assign to");
      return false;
    }
  }
  return true;
}

static Value assigned(Elaborator *e, const Stmt *stmt, Value state) {
  Subject subject = {path_text(e, &stmt->path), stmt->path.span, state};
  Span span = stmt->span;
  Pick pick[MAX_PICKS];
  int count;
  bool fine = picks_resolve(e, &subject, stmt->subs, span, pick, &count) &&
              check_writable(e, pick, count);
  Value value = eval(e, stmt->values);
  if (!fine || value_is_poison(value))
    return value_poison();
  Value update = part_value(e, stmt, state, pick, count, value);
  if (value_is_poison(update))
    return update;
  ValueId id = write_picks(e, span, state.as.tensor.id, pick, count, 0,
                           update.as.tensor.id);
  return value_tensor(id, state.as.tensor.label);
}

/* The value is the state's for the rest of the step; the store comes at its
 * end. */
void assign_statement(Elaborator *e, const Stmt *stmt) {
  int param;
  if (!target_param(e, stmt, &param)) {
    eval(e, stmt->values);
    return;
  }
  Binding binding;
  binding_begin_stored(e, &binding, e->program->param.data[param].name);
  Value state = current_value(e, param, stmt->path.span);
  Value value = value_is_poison(state) ? state : assigned(e, stmt, state);
  binding_end(e, &binding, value);
  if (value_is_poison(value))
    return;
  e->builder->written.data[param] = value.as.tensor.id;
  e->builder->written_at.data[param] = stmt->path.span;
}

/* ---- storing ------------------------------------------------------------ */

/* The state whose old value is to be kept in state `i` as it is; -1: none. */
static int kept_unchanged(const Elaborator *e, int i) {
  const Builder *builder = e->builder;
  ValueId value =
      (size_t)i < builder->written.length ? builder->written.data[i] : 0;
  const Node *node = value ? graph_node(builder->graph, value) : NULL;
  return node && node->op == OP_PARAM && node->attr.index != i
             ? node->attr.index
             : -1;
}

/* `a, b = b, a`: stores are carried out one after the other, so that one of a
 * circle needs a copy of what it keeps. */
static void break_circle(Elaborator *e, int i) {
  int at = kept_unchanged(e, i);
  for (size_t turns = 0; at >= 0 && at != i; at = kept_unchanged(e, at))
    if (turns++ == e->builder->written.length)
      return;
  ValueId *value = &e->builder->written.data[i];
  Format format = e->program->param.data[i].type->format;
  if (at != i || (!format_is_real(format) && format != FORMAT_I32))
    return;
  Span span = e->builder->written_at.data[i];
  Binding binding;
  binding_begin_stored(e, &binding, e->program->param.data[i].name);
  ValueId one =
      emit_constant(e, span, format_is_real(format) ? FORMAT_REAL : format, 1);
  *value = emit(e, span, OP_MUL, NULL, *value, one);
  binding_end(e, &binding, value_tensor(*value, NULL));
}

/* A result is read when the step is over: one that is a state as it was before
 * needs a copy where the state has a new value by then. */
static void copy_result(Elaborator *e, Result *result) {
  const Builder *builder = e->builder;
  const Node *node = graph_node(builder->graph, result->value);
  size_t param = node->op == OP_PARAM ? (size_t)node->attr.index : SIZE_MAX;
  if (param >= builder->written.length || !builder->written.data[param] ||
      builder->written.data[param] == result->value ||
      !format_is_real(node->type->format))
    return;
  Span span = node->span;
  Binding binding;
  binding_begin(e, &binding, result->name);
  ValueId one = emit_constant(e, span, FORMAT_REAL, 1);
  result->value = emit(e, span, OP_MUL, NULL, result->value, one);
  binding_end(e, &binding, value_tensor(result->value, NULL));
}

/* In the order of the program. */
void states_store(Elaborator *e) {
  Builder *builder = e->builder;
  builder->phase = PHASE_UPDATE;
  for (size_t i = 0; i < builder->graph->result.length; i++)
    copy_result(e, &builder->graph->result.data[i]);
  for (size_t i = 0; i < builder->written.length; i++)
    break_circle(e, (int)i);
  for (size_t i = 0; i < builder->written.length; i++) {
    if (!builder->written.data[i])
      continue;
    Attributes store = attributes_neutral();
    store.index = (int32_t)i;
    emit_typed(e, builder->written_at.data[i], OP_STORE,
               e->program->param.data[i].type, &store, builder->written.data[i],
               0);
  }
}
