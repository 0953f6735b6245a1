/* Operations on tensors and built-in functions: what the files that elaborate
 * them share. Part of elaborate.h, which includes it.
 */
#ifndef SG_FRONT_OPERATIONS_H
#define SG_FRONT_OPERATIONS_H

#include "compiler/front/elaborate.h"

/* ---- two operands side by side (operand.c) ------------------------------ */

/* Of an operator, or of a built-in such as `maximum`; for messages. */
typedef struct {
  const char *name;
  bool infix;    /* an operator: the name stands between the operands */
  bool compares; /* the result is bool */
  Span at;
  const Expr *left, *right;
} Pair;
/* Do the shapes combine by strict broadcasting? False after a message. */
bool pair_combines(Elaborator *e, const Pair *pair, Value left, Value right);
/* The kind of number of both, at least one of them a tensor: `real`, or the
 * format of whole numbers or truth values to which literals adapt.
 * FORMAT_NONE after a message. */
Format pair_format(Elaborator *e, const Pair *pair, Value left, Value right);
/* The labels of the combined shape. */
const char *const *pair_labels(Elaborator *e, Value left, Value right);

/* ---- operations on tensors (tensor.c, reduce.c, builtin.c) -------------- */

Value tensor_unary(Elaborator *e, const Expr *expr, Value operand);
/* `and`, `or` where one side is a tensor. */
Value tensor_logic(Elaborator *e, const Expr *expr, Value left, Value right);
Value tensor_binary(Elaborator *e, const Expr *expr, Value left, Value right);
/* x @ w; `expr` has the operands, which may be written with .T. */
Value tensor_matmul(Elaborator *e, const Expr *expr);
Value tensor_transpose(Elaborator *e, Span span, Value operand, int i, int j);
/* Axis order[i] of the node becomes axis i; the node itself where none moves.
 */
ValueId tensor_permute(Elaborator *e, Span span, ValueId id, int rank,
                       const int *order);
/* A tensor or compile-time number as a node of `format` (`real` for reals). */
ValueId tensor_operand(Elaborator *e, Span span, Value value, Format format);
/* Conversion to an element format: real(x), i32(x). */
Value tensor_convert(Elaborator *e, Span span, Format format, Value operand);
/* "b c d -> b d": a pattern over generated letters that drops the axes in the
 * mask. */
const char *reduce_pattern(Elaborator *e, int rank, unsigned dropped);
/* "b d -> b c d": the axes in the mask are new. */
const char *broadcast_pattern(Elaborator *e, int rank, unsigned added);

/* Arguments of a built-in in the order of its row; missing ones have no expr.
 */
enum { MAX_BUILTIN_ARGS = 8, MAX_NAMED_ARGS = 8 };
typedef struct {
  const char *name;
  Span name_span;
  const Expr *expr;
  Value value;
} NamedArg;
typedef struct {
  const Expr *call;
  const Builtin *builtin;
  int count;
  Value value[MAX_BUILTIN_ARGS];
  const Expr *expr[MAX_BUILTIN_ARGS];
  int named_count; /* of rows that end with `*` */
  NamedArg named[MAX_NAMED_ARGS];
} BuiltinCall;
typedef Value BuiltinRule(Elaborator *e, const BuiltinCall *call);
struct Builtin {
  const char *name;
  const char *parameters; /* "x pattern? axis? keep?", "x pattern *" */
  BuiltinRule *rule;      /* NULL: not supported by this version */
};
const Builtin *builtin_table(size_t *count);
/* The row of that name, or NULL. */
const Builtin *builtin_named(const char *name);
Value builtin_call(Elaborator *e, const Builtin *builtin, const Expr *call);
/* The same with the first argument, written as `expr`, evaluated already;
 * `span` is the call's place. For attributes: `@rescale(l2)`. */
Value builtin_apply(Elaborator *e, const Builtin *builtin, Value first,
                    const Expr *expr, const Arg *args, Span span);
/* The tensor in argument `i`, or false after a message. */
bool builtin_tensor(Elaborator *e, const BuiltinCall *call, int i, Value *out);
bool builtin_axis(Elaborator *e, const BuiltinCall *call, int i, int rank,
                  int *axis);
/* The list of sizes in argument `i`: [b, t, 4]. */
bool builtin_sizes(Elaborator *e, const BuiltinCall *call, int i, Sizes *sizes);
#define BUILTIN(name, parameters, rule) BuiltinRule builtin_##rule;
#define RESERVED(name)
#include "compiler/front/builtins.def"
/* The same, of real numbers; the hint is a conversion. */
bool builtin_real_tensor(Elaborator *e, const BuiltinCall *call, int i,
                         Value *out);
/* Logits [.., n] in argument 0 and labels [..] in argument 1. */
bool builtin_logits_and_labels(Elaborator *e, const BuiltinCall *call,
                               Value *logits, Value *labels);
/* The mean and sum over all axes; of a scalar the scalar. */
ValueId emit_mean_of_all(Elaborator *e, Span span, ValueId id);
ValueId emit_sum_of_all(Elaborator *e, Span span, ValueId id);

#endif
