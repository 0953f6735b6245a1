/* Shape rules, inside: what the files that hold them share.
 *
 * A rule takes a Shaper, checks the operands and attributes and gives the
 * result's type, or NULL with one line that names the op and the shapes.
 * Formats of real results are free (a recipe chooses them), so a rule decides
 * shape and kind of number only; see shape_infer in ir.h.
 *
 * shape.c has the table, elementwise ops, structure, losses and exponents;
 * shape_elementwise.c ops on whole numbers, truth values and choices;
 * shape_pattern.c the ops whose axes a pattern names; shape_row.c what works on
 * rows.
 */
#ifndef SG_IR_SHAPE_INTERNAL_H
#define SG_IR_SHAPE_INTERNAL_H

#include "ir/ir.h"

typedef struct {
  TypeTable *types;
  const Graph *graph;
  const Node *node; /* its type: what the text or the caller states, or NULL */
  Arena *arena;
  const char **error;
} Shaper;

typedef const Type *ShapeRule(const Shaper *shaper);
#define OP(id, text, inputs, attributes, class, shape, ...)                    \
  ShapeRule shape_##shape;
#include "ir/ops.def"

/* "OP message" as the error; NULL for the caller to hand on. */
const Type *shaper_fail(const Shaper *shaper, const char *format, ...)
    SG_PRINTF(2, 3);
const Type *shaper_operand(const Shaper *shaper, int number);
/* A type as text for a message. */
const char *shaper_show(const Shaper *shaper, const Type *type);
const char *shaper_show_operand(const Shaper *shaper, int number);
/* Is the operand a tensor of real numbers? An error if not. */
bool shaper_real(const Shaper *shaper, int number);
/* The given shape in the format that the node states, or `fallback`. */
const Type *shaper_shaped(const Shaper *shaper, int rank, const int64_t *dim,
                          Format fallback);
const Type *shaper_same(const Shaper *shaper, const Type *type,
                        Format fallback);
/* The shape in the format of operand 0; a real one may be stated otherwise. */
const Type *shaper_kept(const Shaper *shaper, int rank, const int64_t *dim);
/* The stated type, for ops whose result is free in part. */
const Type *shaper_stated(const Shaper *shaper);
/* Does the stated format fit an op that moves elements unchanged? */
bool shaper_keeps_kind(const Shaper *shaper, const Type *type);
/* Strict broadcasting of operands 0 and 1. */
bool shaper_combine(const Shaper *shaper, int *rank, int64_t *dim);
/* Two types of one kind of number: both real, or of one format? */
bool types_one_kind(const Type *a, const Type *b);
/* A whole-number format that labels and indices may have? */
bool type_is_index(const Type *type);

/* Is `axis` an axis of operand 0? An error if not (shape_row.c). */
bool shaper_axis(const Shaper *shaper);

/* A parsed pattern with the sizes of its letters and where they occur. */
typedef struct {
  Pattern pattern;
  int64_t size[3 * MAX_RANK];
  bool in[2][3 * MAX_RANK], out[3 * MAX_RANK];
} ShapeAxes;

/* Parses the pattern and binds it to the operands; false after an error. */
bool axes_bind(const Shaper *shaper, int operands, ShapeAxes *axes);
/* Sizes of the result in its own order. */
void axes_result(const ShapeAxes *axes, int64_t *dim);
/* Every axis of the result must come from an operand. */
bool axes_result_bound(const Shaper *shaper, const ShapeAxes *axes);

#endif
