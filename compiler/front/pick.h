/* Subscripts of tensors, resolved: what `x[1:, new, pos +: t, ids]` asks for.
 *
 * pick.c checks subscripts against a shape and makes one Pick of each; index.c
 * reads by them, assign.c writes by them.
 */
#ifndef SG_FRONT_PICK_H
#define SG_FRONT_PICK_H

#include "compiler/front/elaborate.h"

typedef enum {
  PICK_ALL,    /* `:` */
  PICK_ONE,    /* one index, known now or at run time: the axis goes */
  PICK_RANGE,  /* a : b, known now */
  PICK_WINDOW, /* a +: b, the start known at run time */
  PICK_GATHER, /* a tensor of indices: its axes stand in the axis' place */
  PICK_NEW     /* an axis of size 1 */
} PickKind;

typedef struct {
  PickKind kind;
  Span span;
  int axis;            /* of the tensor; NEW: the one it stands before */
  int64_t start, size; /* ALL, ONE, RANGE, WINDOW; start: if `at` is 0 */
  ValueId at;          /* ONE, WINDOW: the start, i32[]; GATHER: the indices */
  Value indices;       /* GATHER */
  const char *label;   /* of the axis that is left */
} Pick;

enum { MAX_PICKS = 2 * MAX_RANK };

/* What is subscripted, for messages. */
typedef struct {
  const char *text; /* "kc" */
  Span span;
  Value value; /* a tensor */
} Subject;

/* One pick for each axis of the subject in order, and one for each `new`;
 * false after a message. *count: how many there are. */
bool picks_resolve(Elaborator *e, const Subject *subject, const Sub *subs,
                   Span span, Pick *pick, int *count);
/* "10 = n", or "10" where nothing is known. */
const char *axis_text(Elaborator *e, Value tensor, int axis);
/* The shape that the picks leave; single: with the axes of single indices, of
 * size 1. False after a message: there are too many. */
bool picks_sizes(Elaborator *e, const Pick *pick, int count, bool single,
                 Sizes *sizes);
/* Attributes with only `axis` set. */
Attributes axis_attribute(int64_t axis);
/* A slice of `value`, with the labels of its axes; the value itself where it
 * is the whole axis. */
Value emit_slice(Elaborator *e, Span span, Value value, int axis, int64_t start,
                 int64_t size, const char *label);
/* RESHAPE to `sizes`; the value itself where it has them already. */
Value emit_sizes(Elaborator *e, Span span, Value value, const Sizes *sizes);

/* x[subs] of a tensor (index.c). */
Value tensor_index(Elaborator *e, const Expr *expr, Value tensor);

#endif
