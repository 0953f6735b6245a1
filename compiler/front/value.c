/* Abstract values: what an expression can be while a program is elaborated,
 * and how messages speak of them.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>

/* ---- making ------------------------------------------------------------- */

Value value_poison(void) {
  return (Value){.kind = VALUE_POISON};
}

Value value_int(int64_t integer) {
  return (Value){.kind = VALUE_INT, .as.integer = integer};
}

Value value_real(double real) {
  return (Value){.kind = VALUE_REAL, .as.real = real};
}

Value value_bool(bool truth) {
  return (Value){.kind = VALUE_BOOL, .as.truth = truth};
}

Value value_string(const char *text) {
  return (Value){.kind = VALUE_STRING, .as.text = text};
}

/* The items belong to the scratch arena. */
Value value_list(Value *item, size_t count) {
  return (Value){.kind = VALUE_LIST, .as.list = {item, count}};
}

/* Id 0 is what emission returns after an error. */
Value value_tensor(ValueId id, const char *const *label) {
  if (!id)
    return value_poison();
  return (Value){.kind = VALUE_TENSOR, .as.tensor = {id, label}};
}

/* ---- asking ------------------------------------------------------------- */

bool value_is_number(Value value) {
  return value.kind == VALUE_INT || value.kind == VALUE_REAL;
}

/* The number as binary64: what reals fold in. */
double value_number(Value value) {
  return value.kind == VALUE_INT ? (double)value.as.integer : value.as.real;
}

/* 0 and 1 are truth values too, as `zeros` and `ones` are. */
bool value_fills(Value value, Format format, double *number) {
  bool whole = value.kind == VALUE_INT, truth = value.kind == VALUE_BOOL;
  bool bit = whole && (value.as.integer == 0 || value.as.integer == 1);
  bool fills = format == FORMAT_BOOL    ? truth || bit
               : format_is_real(format) ? value_is_number(value)
                                        : whole;
  if (fills)
    *number = truth ? value.as.truth : value_number(value);
  return fills;
}

/* Format and shape of a tensor. The pointer stays good: types are interned. */
const Type *value_type(const Elaborator *e, Value value) {
  return graph_node(e->builder->graph, value.as.tensor.id)->type;
}

bool format_is_real(Format format) {
  return format == FORMAT_REAL || format_is_float(format);
}

bool format_is_whole(Format format) {
  FormatKind kind = format_info(format)->kind;
  return kind == KIND_INT || kind == KIND_UINT;
}

/* ---- describing --------------------------------------------------------- */

const char *shape_text(Elaborator *e, const Type *type) {
  Buffer out = {0};
  buffer_char(&out, '[');
  for (int i = 0; i < type->rank; i++)
    buffer_printf(&out, "%s%" PRId64, i ? ", " : "", type->dim[i]);
  buffer_char(&out, ']');
  return buffer_take(e, &out);
}

/* `real` is what shapes without a word mean, so it is left out. */
const char *type_text(Elaborator *e, const Type *type) {
  const char *word =
      type->format == FORMAT_REAL ? "" : format_info(type->format)->text;
  return text_printf(e, "%s%s", word, shape_text(e, type));
}

/* As a literal of the language, where there is one. */
const char *value_text(Elaborator *e, Value value) {
  Buffer out = {0};
  switch (value.kind) {
  case VALUE_INT:
    buffer_printf(&out, "%" PRId64, value.as.integer);
    break;
  case VALUE_REAL:
    buffer_float(&out, value.as.real);
    break;
  case VALUE_BOOL:
    buffer_text(&out, value.as.truth ? "true" : "false");
    break;
  case VALUE_STRING:
    buffer_printf(&out, "\"%s\"", value.as.text);
    break;
  default:
    buffer_text(&out, value_describe(e, value));
  }
  return buffer_take(e, &out);
}

/* Numbers first, then the expressions they came from; a size without one
 * shows its number in both. */
const char *value_describe_sizes(Elaborator *e, Value value) {
  const Type *type = value_type(e, value);
  const char *const *label = value.as.tensor.label;
  bool any = false;
  for (int i = 0; label && i < type->rank; i++)
    any = any || label[i];
  if (!any)
    return type_text(e, type);
  Buffer out = {0};
  buffer_printf(&out, "%s = [", type_text(e, type));
  for (int i = 0; i < type->rank; i++) {
    buffer_text(&out, i ? ", " : "");
    if (label[i])
      buffer_text(&out, label[i]);
    else
      buffer_printf(&out, "%" PRId64, type->dim[i]);
  }
  buffer_char(&out, ']');
  return buffer_take(e, &out);
}

static const char *describe_symbol(Elaborator *e, const Symbol *symbol) {
  return text_printf(e, "the %s `%s`", item_kind_name(symbol->item->kind),
                     symbol->name);
}

/* Completes sentences such as "`x` is ..." and "cannot combine ... and ...". */
const char *value_describe(Elaborator *e, Value value) {
  switch (value.kind) {
  case VALUE_POISON:
    return "a value with an error";
  case VALUE_NOTHING:
    return "no value";
  case VALUE_INT:
    return text_printf(e, "the whole number %s", value_text(e, value));
  case VALUE_REAL:
    return text_printf(e, "the real %s", value_text(e, value));
  case VALUE_BOOL:
    return value.as.truth ? "true" : "false";
  case VALUE_STRING:
    return "a string";
  case VALUE_LIST:
    return text_printf(e, "a list of %zu", value.as.list.count);
  case VALUE_TENSOR:
    return type_text(e, value_type(e, value));
  case VALUE_PARAM:
    return text_printf(
        e, "the %s %s",
        e->program->param.data[value.as.param].state ? "state" : "parameter",
        e->program->param.data[value.as.param].name);
  case VALUE_STEP:
    return "the step number";
  case VALUE_INSTANCE:
    return text_printf(e, "the module %s", value.as.instance->path);
  case VALUE_ARRAY:
    return text_printf(e, "an array of %zu modules", value.as.list.count);
  case VALUE_BATCH:
    return "a batch";
  case VALUE_METHOD:
    return text_printf(e, "the function `%s` of %s",
                       value.as.method.member->names->text,
                       value.as.method.instance->path);
  case VALUE_SYMBOL:
    return describe_symbol(e, value.as.symbol);
  case VALUE_BUILTIN:
    return text_printf(e, "the built-in `%s`", value.as.builtin->name);
  case VALUE_FORMAT:
    return text_printf(e, "the element type `%s`",
                       format_info(value.as.format)->text);
  case VALUE_PACK:
    return "a run of sizes";
  }
  return "a value";
}
