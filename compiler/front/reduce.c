/* Reductions and contractions by pattern: sum, mean, argmax, einsum.
 *
 * A reduction names its axes by `axis =` (a number or a list), by a pattern
 * ("... c -> c"), or takes them all. A user's pattern keeps its letters in the
 * IR; `...` stands for the leading axes and gets generated letters.
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

/* Parses and checks the pattern of a call against its operands. */
static const char *call_pattern(Elaborator *e, const BuiltinCall *call,
                                int argument, const Value *operand, int count,
                                Pattern *pattern) {
  const Expr *string = call->expr[argument];
  if (string->kind != EXPR_STRING) {
    fail(e, string->span, "E0325",
         "a pattern is a string such as \"b c -> b\"");
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

/* Two operands; an axis that is summed must be in both, which the shape
 * rules say. */
Value builtin_einsum(Elaborator *e, const BuiltinCall *call) {
  Value operand[2];
  if (!builtin_tensor(e, call, 0, &operand[0]) ||
      !builtin_tensor(e, call, 1, &operand[1]))
    return value_poison();
  Pattern pattern;
  const char *text = call_pattern(e, call, 2, operand, 2, &pattern);
  if (!text)
    return value_poison();
  Attributes attributes = pattern_attribute(e, text);
  return value_tensor(emit(e, call->call->span, OP_EINSUM, &attributes,
                           operand[0].as.tensor.id, operand[1].as.tensor.id),
                      pattern_labels(e, &pattern, operand));
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

/* Over no axis at all a reduction is the identity. */
static Value reduce_axes(Elaborator *e, const BuiltinCall *call, Op op,
                         Value operand) {
  int rank = value_type(e, operand)->rank;
  unsigned dropped;
  bool keep;
  if (!dropped_axes(e, call, 2, rank, &dropped) ||
      !keep_axes(e, call, 3, &keep))
    return value_poison();
  if (!dropped)
    return operand;
  Attributes pattern = pattern_attribute(e, reduce_pattern(e, rank, dropped));
  ValueId id = emit(e, call->call->span, op, &pattern, operand.as.tensor.id, 0);
  return keep ? restore_axes(e, call->call->span, id, operand, dropped)
              : value_tensor(id, remaining_labels(e, operand, dropped));
}

/* Named axes keep their names in the IR: they are documentation. */
static Value reduce_pattern_call(Elaborator *e, const BuiltinCall *call, Op op,
                                 Value operand) {
  Pattern pattern;
  if (call->expr[2] || call->expr[3])
    return fail(e, call->call->span, "E0224",
                "`%s` takes a pattern or `axis =`, not both",
                call->builtin->name);
  const char *text = call_pattern(e, call, 1, &operand, 1, &pattern);
  if (!text)
    return value_poison();
  Attributes attributes = pattern_attribute(e, text);
  return value_tensor(
      emit(e, call->call->span, op, &attributes, operand.as.tensor.id, 0),
      pattern_labels(e, &pattern, &operand));
}

static Value reduce(Elaborator *e, const BuiltinCall *call, Op op) {
  Value operand;
  if (!builtin_tensor(e, call, 0, &operand))
    return value_poison();
  if (!format_is_real(value_type(e, operand)->format))
    return fail(e, call->expr[0]->span, "E0409",
                "`%s` works on real numbers, not %s", call->builtin->name,
                value_describe(e, operand));
  return call->expr[1] ? reduce_pattern_call(e, call, op, operand)
                       : reduce_axes(e, call, op, operand);
}

Value builtin_sum(Elaborator *e, const BuiltinCall *call) {
  return reduce(e, call, OP_SUM);
}

Value builtin_mean(Elaborator *e, const BuiltinCall *call) {
  return reduce(e, call, OP_MEAN);
}

/* The index is a whole number of 32 bits; no recipe touches it. */
Value builtin_argmax(Elaborator *e, const BuiltinCall *call) {
  Value operand;
  bool keep;
  if (!builtin_tensor(e, call, 0, &operand) || !keep_axes(e, call, 2, &keep))
    return value_poison();
  const Type *type = value_type(e, operand);
  int axis = 0;
  if (!format_is_real(type->format))
    return fail(e, call->expr[0]->span, "E0409",
                "`argmax` works on real numbers, not %s", type_text(e, type));
  if (!call->expr[1] && type->rank != 1)
    return fail(e, call->call->span, "E0225", "`argmax` of %s needs `axis =`",
                type_text(e, type));
  if (call->expr[1] && !builtin_axis(e, call, 1, type->rank, &axis))
    return value_poison();
  Attributes attributes = pattern_attribute(e, "");
  attributes.pattern = NULL;
  attributes.axis = axis;
  ValueId id = emit(e, call->call->span, OP_ARGMAX, &attributes,
                    operand.as.tensor.id, 0);
  return keep ? restore_axes(e, call->call->span, id, operand, 1u << axis)
              : value_tensor(id, remaining_labels(e, operand, 1u << axis));
}
