/* x @ w and transposition, as axis patterns.
 *
 * `@` contracts the last axis of x with the last but one of w; leading axes are
 * equal or absent. Letters: free axes of x are b, c, d, ... in order, the
 * contracted axis is i, the free axis of w is o; leading axes of w take the
 * letters of x's where both have them. An operand written `w.T` is read
 * through the pattern: `x @ w.T` is "b i, o i -> b o".
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

static const char free_letter[] = "bcdefghjklmnpqrstuvwxyz";

/* ---- transposition ------------------------------------------------------ */

/* Letters of one operand, separated by spaces. */
static void add_letter(Buffer *out, char letter) {
  if (out->length && out->data[out->length - 1] != ' ')
    buffer_char(out, ' ');
  buffer_char(out, letter);
}

/* The axis that a reader calls the batch is b here too. */
const char *reduce_pattern(Elaborator *e, int rank, unsigned dropped) {
  Buffer out = {0};
  for (int i = 0; i < rank; i++)
    add_letter(&out, free_letter[i]);
  buffer_text(&out, " ->");
  for (int i = 0; i < rank; i++)
    if (!(dropped >> i & 1))
      buffer_printf(&out, " %c", free_letter[i]);
  return buffer_take(e, &out);
}

const char *broadcast_pattern(Elaborator *e, int rank, unsigned added) {
  Buffer out = {0};
  for (int i = 0; i < rank; i++)
    if (!(added >> i & 1))
      add_letter(&out, free_letter[i]);
  buffer_text(&out, " ->");
  for (int i = 0; i < rank; i++)
    buffer_printf(&out, " %c", free_letter[i]);
  return buffer_take(e, &out);
}

/* A node of its own; simplify absorbs it into the product that reads it. */
ValueId tensor_permute(Elaborator *e, Span span, ValueId id, int rank,
                       const int *order) {
  Buffer out = {0};
  bool moves = false;
  for (int k = 0; k < rank; k++) {
    moves |= order[k] != k;
    add_letter(&out, free_letter[k]);
  }
  if (!moves || !id) {
    buffer_free(&out);
    return id;
  }
  buffer_text(&out, " ->");
  for (int k = 0; k < rank; k++)
    buffer_printf(&out, " %c", free_letter[order[k]]);
  Attributes pattern = pattern_attribute(e, buffer_take(e, &out));
  return emit(e, span, OP_TRANSPOSE, &pattern, id, 0);
}

Value tensor_transpose(Elaborator *e, Span span, Value operand, int i, int j) {
  int rank = value_type(e, operand)->rank, order[MAX_RANK];
  const char **label = NEW_ARRAY(e->scratch, const char *, MAX_RANK);
  for (int k = 0; k < rank; k++) {
    order[k] = k == i ? j : k == j ? i : k;
    if (operand.as.tensor.label)
      label[k] = operand.as.tensor.label[order[k]];
  }
  return value_tensor(
      tensor_permute(e, span, operand.as.tensor.id, rank, order), label);
}

/* ---- matrix product ----------------------------------------------------- */

/* One operand: `value` as stored, `transposed` if it was written `value.T`. */
typedef struct {
  Value value;
  const Type *type;
  bool transposed;
  int contracted; /* axis, as stored */
  int kept;       /* the other of the last two; -1: x is a vector */
  char letter[MAX_RANK];
} Side;

static bool is_transposed(const Expr *expr) {
  return expr->kind == EXPR_MEMBER && strcmp(expr->text, "T") == 0;
}

/* A written `.T` is not evaluated: the operand is taken as stored. */
static bool side_eval(Elaborator *e, const Expr *expr, Side *side) {
  *side = (Side){.value = value_poison()};
  if (is_transposed(expr)) {
    side->value = eval(e, expr->left);
    side->transposed = side->value.kind == VALUE_TENSOR &&
                       value_type(e, side->value)->rank >= 2;
  }
  if (!side->transposed)
    side->value = eval(e, expr);
  if (side->value.kind == VALUE_TENSOR) {
    side->type = value_type(e, side->value);
    return true;
  }
  if (!value_is_poison(side->value))
    fail(e, expr->span, "E0402", "`@` multiplies tensors, not %s",
         value_describe(e, side->value));
  return false;
}

/* The shape and labels as written: with the transposition done. */
static const char *side_text(Elaborator *e, const Side *side) {
  if (!side->transposed)
    return value_describe_sizes(e, side->value);
  return text_printf(e, "%s before `.T`", value_describe_sizes(e, side->value));
}

static Value fail_product(Elaborator *e, const Expr *expr, const Side *left,
                          const Side *right, const char *message) {
  Diagnostic error = error_begin(e, expr->op_span, "E0304", "%s", message);
  error_label(e, &error, expr->left->span, "%s", side_text(e, left));
  error_label(e, &error, expr->right->span, "%s", side_text(e, right));
  return error_send(e, &error);
}

/* If the transposed right side would fit, that is what was meant. */
static Value fail_contracted(Elaborator *e, const Expr *expr, const Side *left,
                             const Side *right) {
  int64_t a = left->type->dim[left->contracted];
  int64_t b = right->type->dim[right->contracted];
  Diagnostic error = error_begin(e, expr->op_span, "E0304",
                                 "`@` sums over an axis of %" PRId64
                                 " on the left and of %" PRId64 " on the right",
                                 a, b);
  error_label(e, &error, expr->left->span, "%s", side_text(e, left));
  error_label(e, &error, expr->right->span, "%s", side_text(e, right));
  error_note(e, &error,
             "the last axis of the left side meets the last but one "
             "of the right side");
  bool fits_transposed = !right->transposed && right->type->rank >= 2 &&
                         right->type->dim[right->type->rank - 1] == a;
  if (fits_transposed)
    error_hint(e, &error, "`%s @ %s.T`", span_text(e, expr->left->span),
               span_text(e, expr->right->span));
  return error_send(e, &error);
}

/* Which of the last two axes, as stored, meets the other side. */
static void side_axes(Side *side, bool is_left) {
  int last = side->type->rank - 1;
  bool contract_last = is_left != side->transposed;
  side->contracted = contract_last ? last : last - 1;
  side->kept = last == 0 ? -1 : contract_last ? last - 1 : last;
}

/* Leading axes of both sides: equal, or absent on one. */
static bool leads_agree(const Side *left, const Side *right) {
  int a = left->type->rank - 2, b = right->type->rank - 2;
  if (a <= 0 || b == 0)
    return true;
  if (a != b)
    return false;
  for (int i = 0; i < a; i++)
    if (left->type->dim[i] != right->type->dim[i])
      return false;
  return true;
}

/* Letters of both sides; axes that both lead with share them. */
static void assign_letters(Side *left, Side *right) {
  int next = 0, lead = right->type->rank - 2;
  bool shared = left->type->rank > 2;
  for (int i = 0; i < lead; i++)
    right->letter[i] = free_letter[next++];
  if (shared && lead > 0)
    next = 0;
  for (int i = 0; i < left->type->rank; i++)
    if (i != left->contracted)
      left->letter[i] = free_letter[next++];
  left->letter[left->contracted] = 'i';
  right->letter[right->contracted] = 'i';
  right->letter[right->kept] = 'o';
}

/* Axes of the result bring their labels along. */
static void result_axis(Buffer *out, const Side *side, int axis,
                        const char **label, int *rank) {
  buffer_printf(out, " %c", side->letter[axis]);
  if (side->value.as.tensor.label)
    label[*rank] = side->value.as.tensor.label[axis];
  ++*rank;
}

/* Shared leading axes, then those of the left side, then the row, then o. */
static Value product(Elaborator *e, Span span, const Side *left,
                     const Side *right) {
  Buffer out = {0};
  const char **label = NEW_ARRAY(e->scratch, const char *, 2 * MAX_RANK);
  int rank = 0;
  for (int i = 0; i < left->type->rank; i++)
    add_letter(&out, left->letter[i]);
  buffer_text(&out, ", ");
  for (int i = 0; i < right->type->rank; i++)
    add_letter(&out, right->letter[i]);
  buffer_text(&out, " ->");
  for (int i = 0; i < right->type->rank - 2 && left->type->rank <= 2; i++)
    result_axis(&out, right, i, label, &rank);
  for (int i = 0; i < left->type->rank - 2; i++)
    result_axis(&out, left, i, label, &rank);
  if (left->kept >= 0)
    result_axis(&out, left, left->kept, label, &rank);
  result_axis(&out, right, right->kept, label, &rank);
  Attributes pattern = pattern_attribute(e, buffer_take(e, &out));
  return value_tensor(emit(e, span, OP_EINSUM, &pattern,
                           left->value.as.tensor.id, right->value.as.tensor.id),
                      label);
}

Value tensor_matmul(Elaborator *e, const Expr *expr) {
  Side left, right;
  bool fine = side_eval(e, expr->left, &left);
  fine = side_eval(e, expr->right, &right) && fine;
  if (!fine)
    return value_poison();
  if (!format_is_real(left.type->format) || !format_is_real(right.type->format))
    return fail(e, expr->op_span, "E0401",
                "`@` works on real numbers, not %s with %s",
                type_text(e, left.type), type_text(e, right.type));
  if (left.type->rank < 1 || right.type->rank < 2)
    return fail_product(e, expr, &left, &right,
                        "`@` needs a matrix on the right and at least a vector "
                        "on the left");
  side_axes(&left, true);
  side_axes(&right, false);
  if (left.type->dim[left.contracted] != right.type->dim[right.contracted])
    return fail_contracted(e, expr, &left, &right);
  if (!leads_agree(&left, &right))
    return fail_product(e, expr, &left, &right,
                        "the leading axes of `@` must be equal or absent");
  assign_letters(&left, &right);
  return product(e, expr->span, &left, &right);
}
