/* Reductions and contractions by pattern: sum, max, argmax, einsum, ...
 *
 * A reduction names its axes by `axis =` (a number or a list), by a pattern
 * ("... c -> c"), or takes them all. A user's pattern keeps its letters in the
 * IR; `...` stands for the leading axes and gets generated letters. A pattern
 * whose result has another order is a reduction and a transposition.
 */
#include "compiler/front/elaborate.h"

#include <ctype.h>
#include <string.h>

/* ---- patterns in the source --------------------------------------------- */

/* The place of byte `offset` inside a string literal; the whole literal where
 * escapes make that unsure. */
static Span inside_string(const Expr *string, size_t offset) {
  Span span = string->span;
  if (span.end - span.start != string->text_length + 2)
    return span;
  span.start += 1 + (uint32_t)offset;
  if (span.start >= span.end)
    span.start = span.end - 1;
  span.end = span.start + 1;
  return span;
}

/* The caret goes inside the string. */
static Value fail_pattern(Elaborator *e, const Expr *string, size_t offset,
                          const char *message) {
  return fail(e, inside_string(string, offset), "E0320", "%s", message);
}

/* How many axes `text` names up to its first comma or arrow. */
static int named_axes(const char *text) {
  int count = 0;
  bool inside = false;
  for (; *text && *text != ',' && *text != '-'; text++) {
    bool letter = isalnum((unsigned char)*text) || *text == '_';
    count += letter && !inside;
    inside = letter;
  }
  return count;
}

/* The pattern with `...` written out as axes of its own. The first operand says
 * how many; every `...` stands for the same ones. */
static const char *expand_dots(Elaborator *e, const char *text, int rank) {
  if (!strstr(text, "..."))
    return text;
  int extra = rank - named_axes(text);
  Buffer out = {0};
  for (const char *at = text; *at;) {
    if (strncmp(at, "...", 3) != 0) {
      buffer_char(&out, *at++);
      continue;
    }
    for (int i = 0; i < extra; i++)
      buffer_printf(&out, "%s_%d", i ? " " : "", i + 1);
    at += 3;
  }
  return buffer_take(e, &out);
}

/* One way to write it: single spaces, ", " and " ->". */
static const char *canonical(Elaborator *e, const Pattern *pattern) {
  Buffer out = {0};
  for (int k = 0; k < pattern->operands; k++) {
    buffer_text(&out, k ? ", " : "");
    for (int i = 0; i < pattern->rank[k]; i++)
      buffer_printf(&out, "%s%s", i ? " " : "",
                    pattern->letter[pattern->axis[k][i]]);
  }
  buffer_text(&out, " ->");
  for (int i = 0; i < pattern->out_rank; i++)
    buffer_printf(&out, " %s", pattern->letter[pattern->out_axis[i]]);
  return buffer_take(e, &out);
}

/* `ij,jk->ik`: each operand has one axis, with a letter for each of its own. */
static bool letters_are_run_together(const Pattern *pattern,
                                     const Type *const *type) {
  bool longer = false;
  for (int k = 0; k < pattern->operands; k++) {
    if (pattern->rank[k] != 1)
      return false;
    size_t letters = strlen(pattern->letter[pattern->axis[k][0]]);
    if ((int)letters != type[k]->rank)
      return false;
    longer |= letters > 1;
  }
  return longer;
}

/* "i j, j k -> i k" */
static const char *spaced(Elaborator *e, const char *pattern) {
  Buffer out = {0};
  for (const char *at = pattern; *at; at++) {
    bool letter = isalpha((unsigned char)*at);
    bool arrow = at[0] == '-' && at[1] == '>';
    if (*at == ' ')
      continue;
    if ((letter || arrow) && out.length)
      buffer_char(&out, ' ');
    buffer_char(&out, *at);
    if (arrow)
      buffer_char(&out, *++at);
  }
  return buffer_take(e, &out);
}

/* `max(x, 1)` and `max(x, y)` */
static void fail_no_pattern(Elaborator *e, const BuiltinCall *call,
                            int argument) {
  const Expr *expr = call->expr[argument];
  const char *name = call->builtin->name;
  Diagnostic error = error_begin(e, expr->span, "E0325",
                                 "a pattern is a string such as \"b c -> b\"");
  const char *x = expr_text(e, call->expr[0]);
  bool extremum = strcmp(name, "max") == 0 || strcmp(name, "min") == 0;
  ValueKind kind = call->value[argument].kind;
  if (argument == 1 && (kind == VALUE_INT || kind == VALUE_LIST))
    error_hint(e, &error, "`%s(%s, axis = %s)`", name, x, expr_text(e, expr));
  else if (argument == 1 && extremum && kind == VALUE_TENSOR)
    error_hint(e, &error, "`%simum(%s, %s)`", name, x, expr_text(e, expr));
  error_send(e, &error);
}

/* Parses and checks the pattern of a call against its operands. */
static const char *call_pattern(Elaborator *e, const BuiltinCall *call,
                                int argument, const Value *operand, int count,
                                Pattern *pattern) {
  const Expr *string = call->expr[argument];
  if (string->kind != EXPR_STRING) {
    fail_no_pattern(e, call, argument);
    return NULL;
  }
  const Type *type[2] = {value_type(e, operand[0]),
                         count > 1 ? value_type(e, operand[1]) : NULL};
  const char *text = expand_dots(e, string->text, type[0]->rank);
  const char *error = NULL;
  size_t offset = 0;
  int64_t size[3 * MAX_RANK];
  if (!pattern_parse(e->interner, text, pattern, &error, &offset)) {
    fail_pattern(e, string, text == string->text ? offset : 0, error);
    return NULL;
  }
  if (pattern->operands != count) {
    fail_pattern(e, string, 0,
                 text_printf(e, "this pattern has %d operand%s, `%s` has %d",
                             pattern->operands,
                             pattern->operands == 1 ? "" : "s",
                             call->builtin->name, count));
    return NULL;
  }
  if (!pattern_sizes(pattern, type, size, e->scratch, &error)) {
    Diagnostic page = error_begin(e, string->span, "E0321", "%s", error);
    if (letters_are_run_together(pattern, type))
      error_hint(e, &page, "blanks stand between axes: `\"%s\"`",
                 spaced(e, string->text));
    for (int i = 0; i < count; i++)
      error_label(e, &page, call->expr[i]->span, "%s",
                  value_describe_sizes(e, operand[i]));
    error_send(e, &page);
    return NULL;
  }
  return canonical(e, pattern);
}

/* The labels of the result's axes, from the operand that has each. */
static const char *const *pattern_labels(Elaborator *e, const Pattern *pattern,
                                         const Value *operand) {
  const char **label = NEW_ARRAY(e->scratch, const char *, MAX_RANK);
  for (int i = 0; i < pattern->out_rank; i++)
    for (int k = 0; k < pattern->operands; k++)
      for (int j = 0; j < pattern->rank[k]; j++)
        if (pattern->axis[k][j] == pattern->out_axis[i] && !label[i] &&
            operand[k].as.tensor.label)
          label[i] = operand[k].as.tensor.label[j];
  return label;
}

static bool names_axis(const int *axis, int rank, int letter) {
  for (int i = 0; i < rank; i++)
    if (axis[i] == letter)
      return true;
  return false;
}

static bool operand_has(const Pattern *pattern, int operand, int letter) {
  return operand < pattern->operands &&
         names_axis(pattern->axis[operand], pattern->rank[operand], letter);
}

/* The byte at which the result names an axis. */
static size_t result_offset(const char *text, const char *name) {
  const char *result = strstr(text, "->");
  size_t length = strlen(name);
  for (const char *at = result; at && (at = strstr(at, name)); at++) {
    bool begins = !isalnum((unsigned char)at[-1]) && at[-1] != '_';
    bool ends = !isalnum((unsigned char)at[length]) && at[length] != '_';
    if (begins && ends)
      return (size_t)(at - text);
  }
  return 0;
}

/* Every axis of the result is one of an operand's; else the caret goes to the
 * name. */
static bool result_is_bound(Elaborator *e, const BuiltinCall *call,
                            int argument, const Pattern *pattern) {
  const char *text = call->expr[argument]->text;
  for (int i = 0; i < pattern->out_rank; i++) {
    int letter = pattern->out_axis[i];
    if (operand_has(pattern, 0, letter) || operand_has(pattern, 1, letter))
      continue;
    const char *name = pattern->letter[letter];
    Diagnostic error = error_begin(
        e, inside_string(call->expr[argument], result_offset(text, name)),
        "E0321", "no operand of `%s` has axis `%s`", call->builtin->name, name);
    for (int k = 0; k < pattern->operands; k++)
      error_label(e, &error, call->expr[k]->span, "%s",
                  value_describe_sizes(e, call->value[k]));
    error_send(e, &error);
    return false;
  }
  return true;
}

/* ---- axes --------------------------------------------------------------- */

/* `keep` leaves an axis of size 1 where one was summed. */
static bool keep_axes(Elaborator *e, const BuiltinCall *call, int i,
                      bool *keep) {
  *keep = false;
  if (!call->expr[i])
    return true;
  if (call->value[i].kind != VALUE_BOOL) {
    fail(e, call->expr[i]->span, "E0422", "`keep` is true or false");
    return false;
  }
  *keep = call->value[i].as.truth;
  return true;
}

/* The mask of the axes to drop: one, a list, or all. */
static bool dropped_axes(Elaborator *e, const BuiltinCall *call, int i,
                         int rank, unsigned *dropped) {
  int axis;
  *dropped = (1u << rank) - 1;
  if (!call->expr[i])
    return true;
  *dropped = 0;
  if (call->value[i].kind != VALUE_LIST) {
    if (!builtin_axis(e, call, i, rank, &axis))
      return false;
    *dropped = 1u << axis;
    return true;
  }
  Value list = call->value[i];
  for (size_t k = 0; k < list.as.list.count; k++) {
    BuiltinCall one = *call;
    one.value[i] = list.as.list.item[k];
    if (!builtin_axis(e, &one, i, rank, &axis))
      return false;
    if (*dropped >> axis & 1) {
      fail(e, call->expr[i]->span, "E0326", "axis %d of `%s` is listed twice",
           axis, expr_text(e, call->expr[0]));
      return false;
    }
    *dropped |= 1u << axis;
  }
  return true;
}

/* Puts axes of size 1 where axes were dropped. */
static Value restore_axes(Elaborator *e, Span span, ValueId id, Value operand,
                          unsigned dropped) {
  if (!id)
    return value_poison();
  const Type *from = value_type(e, operand);
  Sizes *sizes = NEW(e->scratch, Sizes);
  sizes->rank = from->rank;
  for (int i = 0; i < from->rank; i++) {
    bool gone = dropped >> i & 1;
    sizes->dim[i] = gone ? 1 : from->dim[i];
    sizes->label[i] =
        gone || !operand.as.tensor.label ? NULL : operand.as.tensor.label[i];
  }
  Format format = graph_node(e->builder->graph, id)->type->format;
  const Type *type =
      type_make(e->program->types, format, sizes->rank, sizes->dim);
  return value_tensor(emit_typed(e, span, OP_RESHAPE, type, NULL, id, 0),
                      sizes->label);
}

static const char *const *remaining_labels(Elaborator *e, Value operand,
                                           unsigned dropped) {
  const char **label = NEW_ARRAY(e->scratch, const char *, MAX_RANK);
  int rank = value_type(e, operand)->rank, out = 0;
  for (int i = 0; operand.as.tensor.label && i < rank; i++)
    if (!(dropped >> i & 1))
      label[out++] = operand.as.tensor.label[i];
  return label;
}

/* What a call reduces, and how its result is laid out. */
typedef struct {
  Value operand;
  unsigned dropped;    /* mask of axes */
  bool keep;           /* sizes of 1 stay in their place */
  const char *pattern; /* the operand's letters to the kept ones, in order */
  const char *order;   /* of a transposition that follows, or NULL */
  const char *const *label; /* of the result's axes */
} Reduction;

/* Letters of axes `from` of the operand, separated by spaces. */
static void add_letters(Buffer *out, const Pattern *pattern, const int *axis,
                        int rank) {
  for (int i = 0; i < rank; i++)
    buffer_printf(out, "%s%s", i ? " " : "", pattern->letter[axis[i]]);
}

/* The axes that the result lacks are dropped; the kept ones stay in order, and
 * where the result has another, a transposition brings them there. */
static void split_pattern(Elaborator *e, const Pattern *pattern,
                          Reduction *reduction) {
  int kept[MAX_RANK], rank = 0;
  reduction->dropped = 0;
  for (int i = 0; i < pattern->rank[0]; i++) {
    if (names_axis(pattern->out_axis, pattern->out_rank, pattern->axis[0][i]))
      kept[rank++] = pattern->axis[0][i];
    else
      reduction->dropped |= 1u << i;
  }
  Buffer out = {0};
  add_letters(&out, pattern, pattern->axis[0], pattern->rank[0]);
  buffer_text(&out, rank ? " -> " : " ->");
  add_letters(&out, pattern, kept, rank);
  reduction->pattern = buffer_take(e, &out);
  if (memcmp(kept, pattern->out_axis, (size_t)rank * sizeof *kept) == 0)
    return;
  add_letters(&out, pattern, kept, rank);
  buffer_text(&out, " -> ");
  add_letters(&out, pattern, pattern->out_axis, rank);
  reduction->order = buffer_take(e, &out);
}

/* Named axes keep their names in the IR: they are documentation. */
static bool reduction_by_pattern(Elaborator *e, const BuiltinCall *call,
                                 Reduction *reduction) {
  Pattern pattern;
  if (call->expr[2] || call->expr[3]) {
    fail(e, call->call->span, "E0224",
         "`%s` takes a pattern or `axis =`, not both", call->builtin->name);
    return false;
  }
  if (!call_pattern(e, call, 1, &reduction->operand, 1, &pattern) ||
      !result_is_bound(e, call, 1, &pattern))
    return false;
  split_pattern(e, &pattern, reduction);
  reduction->label = pattern_labels(e, &pattern, &reduction->operand);
  return true;
}

static bool reduction_by_axes(Elaborator *e, const BuiltinCall *call,
                              Reduction *reduction) {
  int rank = value_type(e, reduction->operand)->rank;
  if (!dropped_axes(e, call, 2, rank, &reduction->dropped) ||
      !keep_axes(e, call, 3, &reduction->keep))
    return false;
  reduction->pattern = reduce_pattern(e, rank, reduction->dropped);
  reduction->label =
      remaining_labels(e, reduction->operand, reduction->dropped);
  return true;
}

/* Arguments x, pattern, axis, keep. */
static bool reduction_of(Elaborator *e, const BuiltinCall *call,
                         Reduction *reduction) {
  *reduction = (Reduction){0};
  if (!builtin_tensor(e, call, 0, &reduction->operand))
    return false;
  const Type *type = value_type(e, reduction->operand);
  if (!format_is_real(type->format)) {
    fail(e, call->expr[0]->span, "E0409", "`%s` works on real numbers, not %s",
         call->builtin->name, value_describe(e, reduction->operand));
    return false;
  }
  return call->expr[1] ? reduction_by_pattern(e, call, reduction)
                       : reduction_by_axes(e, call, reduction);
}

static Value reduction_finish(Elaborator *e, const BuiltinCall *call,
                              const Reduction *reduction, ValueId id) {
  Span span = call->call->span;
  if (reduction->keep)
    return restore_axes(e, span, id, reduction->operand, reduction->dropped);
  if (reduction->order) {
    Attributes order = pattern_attribute(e, reduction->order);
    id = emit(e, span, OP_TRANSPOSE, &order, id, 0);
  }
  return value_tensor(id, reduction->label);
}

static const struct {
  const char *name;
  Op op;
} reduction_op[] = {{"sum", OP_SUM},   {"mean", OP_MEAN},
                    {"max", OP_MAX},   {"min", OP_MIN},
                    {"prod", OP_PROD}, {"logsumexp", OP_LOGSUMEXP}};

static Op reduction_op_of(const Builtin *builtin) {
  for (size_t i = 0; i < sizeof reduction_op / sizeof reduction_op[0]; i++)
    if (strcmp(reduction_op[i].name, builtin->name) == 0)
      return reduction_op[i].op;
  return OP_COUNT;
}

/* Over no axis at all a reduction of one number each is the identity. */
Value builtin_reduce(Elaborator *e, const BuiltinCall *call) {
  Op op = reduction_op_of(call->builtin);
  Reduction reduction;
  if (!reduction_of(e, call, &reduction))
    return value_poison();
  ValueId id = reduction.operand.as.tensor.id;
  if (reduction.dropped) {
    Attributes pattern = pattern_attribute(e, reduction.pattern);
    id = emit(e, call->call->span, op, &pattern, id, 0);
  }
  return reduction_finish(e, call, &reduction, id);
}

/* ---- where the extreme is ------------------------------------------------ */

/* The operand with the dropped axes last and flattened into one: indices are
 * row-major over them. One axis stays where it is. */
static ValueId flatten_dropped(Elaborator *e, Span span,
                               const Reduction *reduction, int *axis) {
  const Type *type = value_type(e, reduction->operand);
  int order[MAX_RANK], rank = 0, dropped = 0;
  int64_t dim[MAX_RANK] = {0};
  for (int i = 0; i < type->rank; i++)
    if (reduction->dropped >> i & 1)
      *axis = (dropped++, i);
    else
      order[rank++] = i;
  ValueId id = reduction->operand.as.tensor.id;
  if (dropped == 1)
    return id;
  for (int i = 0; i < rank; i++)
    dim[i] = type->dim[order[i]];
  dim[rank] = 1;
  for (int i = 0, at = rank; i < type->rank; i++)
    if (reduction->dropped >> i & 1) {
      dim[rank] *= type->dim[i];
      order[at++] = i;
    }
  *axis = rank;
  id = tensor_permute(e, span, id, type->rank, order);
  const Type *flat = type_make(e->program->types, type->format, rank + 1, dim);
  return emit_typed(e, span, OP_RESHAPE, flat, NULL, id, 0);
}

/* The index is a whole number of 32 bits; no recipe touches it. */
Value builtin_argument(Elaborator *e, const BuiltinCall *call) {
  Reduction reduction;
  if (!reduction_of(e, call, &reduction))
    return value_poison();
  const Type *type = value_type(e, reduction.operand);
  const char *name = call->builtin->name;
  bool chosen = call->expr[1] || call->expr[2];
  if (!reduction.dropped || (!chosen && type->rank != 1))
    return fail(e, call->call->span, "E0225", "`%s` of %s needs %s", name,
                type_text(e, type), chosen ? "an axis to search" : "`axis =`");
  Attributes attributes = attributes_neutral();
  int axis = 0;
  Span span = call->call->span;
  ValueId id = flatten_dropped(e, span, &reduction, &axis);
  attributes.axis = axis;
  Op op = strcmp(name, "argmax") == 0 ? OP_ARGMAX : OP_ARGMIN;
  id = emit(e, span, op, &attributes, id, 0);
  return reduction_finish(e, call, &reduction, id);
}

/* ---- contractions -------------------------------------------------------- */

/* One operand: its sums in the order that the pattern names. */
static Value einsum_of_one(Elaborator *e, const BuiltinCall *call) {
  BuiltinCall sum = *call;
  sum.count = 4;
  sum.expr[2] = NULL;
  Reduction reduction = {0};
  if (!builtin_real_tensor(e, call, 0, &reduction.operand) ||
      !reduction_by_pattern(e, &sum, &reduction))
    return value_poison();
  ValueId id = reduction.operand.as.tensor.id;
  Attributes pattern = pattern_attribute(e, reduction.pattern);
  if (reduction.dropped)
    id = emit(e, call->call->span, OP_SUM, &pattern, id, 0);
  return reduction_finish(e, call, &reduction, id);
}

/* Axes that neither the other operand nor the result has are summed first: the
 * product needs each summed axis in both. The pattern loses them. */
static ValueId sum_alone(Elaborator *e, Span span, Pattern *pattern, int k,
                         ValueId id) {
  int kept[MAX_RANK], rank = 0;
  for (int i = 0; i < pattern->rank[k]; i++) {
    int letter = pattern->axis[k][i];
    if (operand_has(pattern, 1 - k, letter) ||
        names_axis(pattern->out_axis, pattern->out_rank, letter))
      kept[rank++] = letter;
  }
  if (rank == pattern->rank[k])
    return id;
  Buffer out = {0};
  add_letters(&out, pattern, pattern->axis[k], pattern->rank[k]);
  buffer_text(&out, rank ? " -> " : " ->");
  add_letters(&out, pattern, kept, rank);
  Attributes sum = pattern_attribute(e, buffer_take(e, &out));
  memcpy(pattern->axis[k], kept, sizeof kept);
  pattern->rank[k] = rank;
  return emit(e, span, OP_SUM, &sum, id, 0);
}

/* Two operands, or one. */
Value builtin_einsum(Elaborator *e, const BuiltinCall *call) {
  Value operand[2];
  if (call->expr[1]->kind == EXPR_STRING && !call->expr[2])
    return einsum_of_one(e, call);
  if (!call->expr[2])
    return fail(e, call->call->span, "E0220",
                "`einsum` needs an argument for `pattern`");
  if (!builtin_tensor(e, call, 0, &operand[0]) ||
      !builtin_tensor(e, call, 1, &operand[1]))
    return value_poison();
  Pattern pattern;
  if (!call_pattern(e, call, 2, operand, 2, &pattern) ||
      !result_is_bound(e, call, 2, &pattern))
    return value_poison();
  const char *const *label = pattern_labels(e, &pattern, operand);
  Span span = call->call->span;
  ValueId a = sum_alone(e, span, &pattern, 0, operand[0].as.tensor.id);
  ValueId b = sum_alone(e, span, &pattern, 1, operand[1].as.tensor.id);
  Attributes attributes = pattern_attribute(e, canonical(e, &pattern));
  return value_tensor(emit(e, span, OP_EINSUM, &attributes, a, b), label);
}
