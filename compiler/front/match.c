/* Declared types against values: the one place where shapes in signatures are
 * checked and where `?t` and `..s` bind.
 *
 * In: a type as written, a value, the frame whose names the type uses. Out:
 * the value with its axes relabelled, sizes bound in the frame, or one message
 * that shows what was wanted and what came (language.md 12.2, no. 2).
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

/* ---- the message -------------------------------------------------------- */

/* One match in progress. `axis` is where it failed, -1: the rank or kind. */
typedef struct {
  const TypeExpr *type;
  const MatchRole *role;
  Value value;
  const Type *got;
  const char **label; /* of the result */
  Format format;
  Buffer want; /* the declared shape with the numbers known so far */
  int axis;
  const Dim *dim; /* the failing one */
  int64_t wanted;
} Match;

/* Is it a name that the call that chose a size could use: a constant of its
 * file, or one of the module in which it stands? */
static bool seen_by(const Elaborator *e, const Variable *chooser,
                    const char *name) {
  for (size_t i = 0; i < e->files.length; i++) {
    const FileScope *file = e->files.data[i];
    const Entry *entry =
        file->source == chooser->whole.source ? file_find(file, name) : NULL;
    if (entry && entry->symbol->item->kind == ITEM_CONST)
      return true;
  }
  const Frame *caller = e->frame->caller;
  const Instance *instance = caller ? caller->instance : NULL;
  if (!instance || !instance->symbol)
    return false;
  Span module = instance->symbol->item->span;
  return module.source == chooser->whole.source &&
         module.start <= chooser->whole.start &&
         chooser->whole.end <= module.end && scope_find(&instance->scope, name);
}

/* "nn.Linear(hidden, 10)": the call that chose a size, with the size that was
 * needed in its place. */
static const char *corrected_call(Elaborator *e, const Variable *chooser,
                                  const char *text) {
  if (chooser->whole.source != chooser->given.source ||
      span_is_builtin(e, chooser->whole))
    return NULL;
  Span before = chooser->whole, after = chooser->whole;
  before.end = chooser->given.start;
  after.start = chooser->given.end;
  return text_printf(e, "%s%s%s", span_text(e, before), text,
                     span_text(e, after));
}

/* Where the wanted size was chosen, and the call with the other size
 * instead: the mistake is as often there as here. */
static void label_chooser(Elaborator *e, Diagnostic *error,
                          const Match *match) {
  if (!match->dim || match->dim->kind == DIM_PACK)
    return;
  const char *name = match->dim->kind == DIM_BIND ? match->dim->name
                     : match->dim->value->kind == EXPR_NAME
                         ? match->dim->value->text
                         : NULL;
  const Variable *chooser = name ? variable_lookup(e, name) : NULL;
  if (!chooser || !chooser->given.source || chooser->value.kind != VALUE_INT)
    return;
  error_label(e, error, chooser->given, "%s = %" PRId64 " is chosen here", name,
              match->wanted);
  const char *label = match->value.as.tensor.label
                          ? match->value.as.tensor.label[match->axis]
                          : NULL;
  if (!label || !seen_by(e, chooser, intern(e->interner, label)))
    label = text_printf(e, "%" PRId64, match->got->dim[match->axis]);
  const char *call =
      chooser->whole.source ? corrected_call(e, chooser, label) : NULL;
  if (call)
    error_hint(e, error, "`%s`", call);
}

/* "[128, 512]: the last axis is 512 = hidden". */
static void mark_axis(Elaborator *e, Diagnostic *error, const Match *match) {
  const char *const *label = match->value.as.tensor.label;
  int axis = match->axis;
  const char *which = axis == match->got->rank - 1
                          ? "the last axis"
                          : text_printf(e, "axis %d", axis);
  const char *origin =
      label && label[axis] ? text_printf(e, " = %s", label[axis]) : "";
  error_mark(e, error, "%s: %s is %" PRId64 "%s", type_text(e, match->got),
             which, match->got->dim[axis], origin);
}

/* Shows the declared shape with the numbers known so far, and the whole
 * shape that came; then the one axis that does not fit. */
static bool match_fail(Elaborator *e, Match *match) {
  const MatchRole *role = match->role;
  const char *word =
      match->format == FORMAT_REAL ? "" : format_info(match->format)->text;
  Diagnostic error = error_begin(
      e, role->span, role->code, "%s %s %s%s but %s %s", role->taker,
      role->verb, word, match->want.data ? match->want.data : "", role->got,
      value_describe(e, match->value));
  if (match->got && match->axis >= 0) {
    mark_axis(e, &error, match);
    label_chooser(e, &error, match);
  } else if (match->got) {
    error_mark(e, &error, "%s", value_describe_sizes(e, match->value));
  }
  buffer_free(&match->want);
  error_send(e, &error);
  return false;
}

/* A mismatch of kinds: "takes int but gets [128, 10]". */
static bool kind_fail(Elaborator *e, const TypeExpr *type, Value value,
                      const MatchRole *role, const char *hint) {
  const char *parameter =
      role->parameter ? text_printf(e, " for `%s`", role->parameter) : "";
  Diagnostic error = error_begin(
      e, role->span, "E0402", "%s %s %s%s but %s %s", role->taker, role->verb,
      span_text(e, type->span), parameter, role->got, value_describe(e, value));
  if (role->implied)
    error_note(e, &error,
               "`step` gets a gradient and the number of the step, "
               "both real");
  if (hint)
    error_hint(e, &error, "%s", hint);
  error_send(e, &error);
  return false;
}

/* ---- one axis ----------------------------------------------------------- */

/* What a message in the callee (or, for a result, the caller) calls it. */
static const char *axis_label(Elaborator *e, const Match *match, Value size,
                              const char *incoming) {
  if (match->role->result)
    return size_outside(size);
  if (span_is_builtin(e, match->type->span))
    return incoming ? incoming : size_outside(size);
  return size.origin;
}

/* The first axis that does not fit is the one the message is about. */
static bool want_size(Match *match, const Dim *dim, int axis, int64_t size) {
  buffer_printf(&match->want, "%" PRId64, size);
  if (match->got->dim[axis] == size)
    return true;
  if (!match->dim) {
    match->axis = axis;
    match->dim = dim;
    match->wanted = size;
  }
  return false;
}

static const char *incoming_label(const Match *match, int axis) {
  const char *const *label = match->value.as.tensor.label;
  return label ? label[axis] : NULL;
}

/* false: a message was sent by the size expression itself. */
static bool match_expr(Elaborator *e, Match *match, const Dim *dim, int axis) {
  const char *incoming = incoming_label(match, axis);
  if (dim_is_any(dim)) {
    buffer_char(&match->want, '_');
    match->label[axis] = incoming;
    return true;
  }
  Value size = dim_eval(e, dim);
  if (value_is_poison(size))
    return false;
  if (size.kind != VALUE_INT) {
    fail(e, dim->span, "E0413", "a size is a whole number, not %s",
         value_describe(e, size));
    return false;
  }
  want_size(match, dim, axis, size.as.integer);
  match->label[axis] = axis_label(e, match, size, incoming);
  return true;
}

/* The first `?t` of a signature binds, every later one compares. */
static void match_bind(Elaborator *e, Match *match, const Dim *dim, int axis) {
  Variable *bound = scope_find(&e->frame->locals, dim->name);
  const char *incoming = incoming_label(match, axis);
  if (bound && bound->value.kind == VALUE_INT) {
    want_size(match, dim, axis, bound->value.as.integer);
  } else {
    Value size = value_int(match->got->dim[axis]);
    size.origin = incoming;
    bound = scope_set(e, &e->frame->locals, dim->name, size, dim->span);
    bound->given = match->role->span;
    buffer_text(&match->want, dim->name);
  }
  Value named = bound->value;
  named.inner = true;
  named.given = named.origin;
  named.origin = dim->name;
  match->label[axis] = axis_label(e, match, named, incoming);
}

/* `..s` binds a run of sizes; bound before, it compares each. */
static void match_pack(Elaborator *e, Match *match, const Dim *dim, int axis,
                       int count) {
  Variable *bound = dim->name ? variable_lookup(e, dim->name) : NULL;
  for (int i = 0; i < count; i++)
    match->label[axis + i] = incoming_label(match, axis + i);
  if (!bound || bound->value.kind != VALUE_PACK) {
    buffer_text(&match->want, "..");
    if (!dim->name)
      return;
    Sizes *sizes = NEW(e->scratch, Sizes);
    sizes->rank = count;
    for (int i = 0; i < count; i++) {
      sizes->dim[i] = match->got->dim[axis + i];
      sizes->label[i] = incoming_label(match, axis + i);
    }
    Value pack = {.kind = VALUE_PACK, .as.pack = sizes};
    scope_set(e, &e->frame->locals, dim->name, pack, dim->span);
    return;
  }
  const Sizes *sizes = bound->value.as.pack;
  if (sizes->rank != count) {
    buffer_text(&match->want, "..");
    buffer_text(&match->want, dim->name);
    match->dim = match->dim ? match->dim : dim;
    return;
  }
  for (int i = 0; i < count; i++) {
    buffer_text(&match->want, i ? ", " : "");
    want_size(match, dim, axis + i, sizes->dim[i]);
    match->label[axis + i] = sizes->label[i];
  }
}

/* ---- whole shapes ------------------------------------------------------- */

typedef struct {
  int fixed; /* axes outside the pack */
  bool pack;
} DimCount;

/* There is at most one pack: dims_check. */
static DimCount count_dims(const TypeExpr *type) {
  DimCount count = {0, false};
  for (const Dim *dim = type->dims; dim; dim = dim->next) {
    if (dim->kind == DIM_PACK)
      count.pack = true;
    else
      count.fixed++;
  }
  return count;
}

/* The declared shape as far as it is known without this value. */
static void want_source(Elaborator *e, Match *match) {
  buffer_char(&match->want, '[');
  for (const Dim *dim = match->type->dims; dim; dim = dim->next) {
    const char *text = dim->kind == DIM_PACK   ? ".."
                       : dim->kind == DIM_BIND ? dim->name
                                               : span_text(e, dim->span);
    buffer_printf(&match->want, "%s%s", dim == match->type->dims ? "" : ", ",
                  text);
  }
  buffer_char(&match->want, ']');
}

/* Walks declared axes left to right: sizes bound by one may be used by the
 * next. */
static bool match_dims(Elaborator *e, Match *match) {
  DimCount count = count_dims(match->type);
  int rank = match->got->rank, axis = 0;
  match->axis = -1;
  if (rank < count.fixed || (!count.pack && rank != count.fixed)) {
    want_source(e, match);
    return match_fail(e, match);
  }
  buffer_char(&match->want, '[');
  for (const Dim *dim = match->type->dims; dim; dim = dim->next) {
    buffer_text(&match->want, dim == match->type->dims ? "" : ", ");
    if (dim->kind == DIM_PACK) {
      match_pack(e, match, dim, axis, rank - count.fixed);
      axis += rank - count.fixed;
    } else if (dim->kind == DIM_BIND) {
      match_bind(e, match, dim, axis++);
    } else if (!match_expr(e, match, dim, axis++)) {
      buffer_free(&match->want);
      return false;
    }
  }
  buffer_char(&match->want, ']');
  return match->dim ? match_fail(e, match) : true;
}

/* ---- kinds of values ---------------------------------------------------- */

/* Does a declared element format accept the value's? */
static bool format_accepts(Format declared, Format got) {
  return declared == got || (declared == FORMAT_REAL && format_is_real(got));
}

/* Between reals there is nothing to convert: formats are the recipe's affair.
 * Neither would it help where the axes do not fit. */
static const char *convert_hint(Elaborator *e, const TypeExpr *type,
                                Format format, int rank,
                                const MatchRole *role) {
  DimCount count = count_dims(type);
  if (format_is_float(format) || role->implied || rank < count.fixed ||
      (rank > count.fixed && !count.pack))
    return NULL;
  return text_printf(e, "convert it: `%s(%s)`", format_info(format)->text,
                     span_text(e, role->span));
}

/* A format in a declared type is a pin: the value is rounded to it here, once,
 * and no rule of a recipe changes that. */
static ValueId pin(Elaborator *e, Format format, Value value, Span span) {
  const Type *type =
      type_with_format(e->program->types, value_type(e, value), format);
  ValueId id = emit_typed(e, span, OP_CAST, type, NULL, value.as.tensor.id, 0);
  if (!id)
    return 0;
  Node *node = graph_node(e->builder->graph, id);
  Node *from = graph_node(e->builder->graph, value.as.tensor.id);
  node->pinned = true;
  /* The result of an entry, which no binding names, keeps its name. */
  if (!e->binding && !node_is_leaf(from)) {
    node->name = from->name;
    from->name = name_helper(e->builder->names, node->name);
  }
  return id;
}

static bool match_tensor(Elaborator *e, const TypeExpr *type, Format format,
                         Value *value, const MatchRole *role) {
  const Type *got = value_type(e, *value);
  bool pins = format_is_float(format) && got->format != format &&
              format_is_real(got->format);
  if (!pins && !format_accepts(format, got->format))
    return kind_fail(e, type, *value, role,
                     convert_hint(e, type, format, got->rank, role));
  Match match = {.type = type,
                 .role = role,
                 .value = *value,
                 .got = got,
                 .format = format};
  match.label = NEW_ARRAY(e->scratch, const char *, MAX_RANK);
  if (!match_dims(e, &match))
    return false;
  buffer_free(&match.want);
  value->as.tensor.label = match.label;
  if (pins)
    value->as.tensor.id = pin(e, format, *value, role->span);
  return !pins || value->as.tensor.id;
}

/* A number known now where a tensor is declared: only rank 0 fits. */
static bool match_number(Elaborator *e, const TypeExpr *type, Format format,
                         Value *value, const MatchRole *role) {
  bool fits = format_is_real(format) ||
              (format_is_whole(format) && value->kind == VALUE_INT);
  for (const Dim *dim = type->dims; dim; dim = dim->next) {
    Variable *pack = dim->kind == DIM_PACK && dim->name
                         ? variable_lookup(e, dim->name)
                         : NULL;
    fits = fits && dim->kind == DIM_PACK &&
           !(pack && pack->value.kind == VALUE_PACK &&
             pack->value.as.pack->rank > 0);
  }
  if (!fits)
    return kind_fail(e, type, *value, role, NULL);
  if (format_is_real(format) && value->kind == VALUE_INT)
    *value = value_real((double)value->as.integer);
  for (const Dim *dim = type->dims; dim; dim = dim->next)
    if (dim->name && !scope_find(&e->frame->locals, dim->name)) {
      Value pack = {.kind = VALUE_PACK, .as.pack = NEW(e->scratch, Sizes)};
      scope_set(e, &e->frame->locals, dim->name, pack, dim->span);
    }
  return true;
}

/* A batch passes as a whole, with the size it has. */
static bool match_batch(Elaborator *e, const TypeExpr *type, Value *value,
                        const MatchRole *role) {
  if (type_refuse_item(e, type))
    return false;
  const Symbol *symbol = path_resolve(e, e->frame->file, &type->path,
                                      1u << ITEM_DATASET, "dataset");
  if (!symbol)
    return false;
  int64_t size;
  bool one = type->dims && !type->dims->next && type->dims->kind == DIM_EXPR;
  if (one && !eval_int(e, type->dims->value, "a batch size", &size))
    return false;
  if (!one || value->kind != VALUE_BATCH || value->as.batch.size != size ||
      value->as.batch.dataset != symbol->index)
    return kind_fail(e, type, *value, role, NULL);
  return true;
}

/* Each part against its own type. */
static bool match_tuple(Elaborator *e, const TypeExpr *type, Value *value,
                        const MatchRole *role) {
  size_t count = 0;
  for (const TypeExpr *t = type->elements; t; t = t->next)
    count++;
  if (value->kind != VALUE_LIST || value->as.list.count != count)
    return kind_fail(e, type, *value, role, NULL);
  Value *item = NEW_ARRAY(e->scratch, Value, count);
  memcpy(item, value->as.list.item, count * sizeof *item);
  size_t i = 0;
  for (const TypeExpr *t = type->elements; t; t = t->next)
    if (!type_match(e, t, &item[i++], role))
      return false;
  value->as.list.item = item;
  return true;
}

/* Compile-time words first: they accept only what is known now. */
bool type_match(Elaborator *e, const TypeExpr *type, Value *value,
                const MatchRole *role) {
  if (type->kind == TYPE_TUPLE)
    return match_tuple(e, type, value, role);
  if (type_is_dataset(e, type))
    return match_batch(e, type, value, role);
  bool fits = (type_is_word(type, "int") && value->kind == VALUE_INT) ||
              (type_is_word(type, "bool") && value->kind == VALUE_BOOL) ||
              (type_is_word(type, "str") && value->kind == VALUE_STRING);
  if (fits)
    return true;
  Format format = type_format(e, type);
  if (format == FORMAT_NONE) {
    bool word = type_is_word(type, "int") || type_is_word(type, "str");
    return word && kind_fail(e, type, *value, role, NULL);
  }
  if (!dims_check(e, type))
    return false;
  if (value_is_number(*value))
    return match_number(e, type, format, value, role);
  if (value->kind == VALUE_TENSOR)
    return match_tensor(e, type, format, value, role);
  return kind_fail(e, type, *value, role, NULL);
}
