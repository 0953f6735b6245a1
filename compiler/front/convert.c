/* Conversion by the name of an element type: real(x), i32(x), bool(x), f16(x).
 *
 * Between kinds of number it is the op `convert`. A float format pins: f16(x)
 * is x rounded to f16, whatever the recipe says (language.md 7), which is the
 * op `cast` on a real x. real(x) of a real x is x: formats among reals are the
 * recipe's business.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>

static ValueId converted(Elaborator *e, Span span, Op op, Format format,
                         bool pinned, ValueId x) {
  const Type *from = x ? graph_node(e->builder->graph, x)->type : NULL;
  if (!from)
    return 0;
  const Type *type = type_with_format(e->program->types, from, format);
  ValueId id = emit_typed(e, span, op, type, NULL, x, 0);
  if (id)
    graph_node(e->builder->graph, id)->pinned = pinned;
  return id;
}

/* Rounded, from real numbers; whole numbers become real first. */
static ValueId rounded(Elaborator *e, Span span, Format format, Value x) {
  ValueId id = x.as.tensor.id;
  if (!format_is_real(value_type(e, x)->format))
    id = converted(e, span, OP_CONVERT, FORMAT_REAL, false, id);
  return converted(e, span, OP_CAST, format, true, id);
}

static Value convert_tensor(Elaborator *e, Span span, Format format, Value x) {
  Format from = value_type(e, x)->format;
  if (format == FORMAT_REAL ? format_is_real(from) : from == format)
    return x;
  ValueId id = format_is_float(format) ? rounded(e, span, format, x)
                                       : converted(e, span, OP_CONVERT, format,
                                                   false, x.as.tensor.id);
  return value_tensor(id, x.as.tensor.label);
}

/* Whole numbers known now have no format yet; one that is named must hold
 * them. */
static Value convert_int(Elaborator *e, Span span, Format format, Value x) {
  int64_t value = x.as.integer;
  int64_t low = format == FORMAT_I32   ? INT32_MIN
                : format == FORMAT_I64 ? INT64_MIN
                                       : 0;
  int64_t high = format == FORMAT_I32   ? INT32_MAX
                 : format == FORMAT_U8  ? UINT8_MAX
                 : format == FORMAT_U16 ? UINT16_MAX
                                        : INT64_MAX;
  if (value >= low && value <= high)
    return x;
  return fail(e, span, "E0420", "%" PRId64 " does not fit into %s", value,
              format_info(format)->text);
}

/* Of compile-time numbers there are whole ones and reals only. */
static Value convert_number(Elaborator *e, Span span, Format format, Value x) {
  if (format == FORMAT_REAL && value_is_number(x))
    return value_real(value_number(x));
  if (format_is_whole(format) && x.kind == VALUE_INT)
    return convert_int(e, span, format, x);
  if (format == FORMAT_BOOL && x.kind == VALUE_BOOL)
    return x;
  if (format == FORMAT_BOOL && value_is_number(x))
    return value_bool(value_number(x) != 0);
  return fail(e, span, "E0420", "`%s` cannot convert %s",
              format_info(format)->text, value_describe(e, x));
}

Value tensor_convert(Elaborator *e, Span span, Format format, Value operand) {
  if (value_is_poison(operand))
    return operand;
  if (format_info(format)->kind == KIND_SCALE)
    return fail(e, span, "E0420",
                "`%s` holds scales, which are powers of two without a sign; it "
                "is no element type of a tensor",
                format_info(format)->text);
  return operand.kind == VALUE_TENSOR
             ? convert_tensor(e, span, format, operand)
             : convert_number(e, span, format, operand);
}
