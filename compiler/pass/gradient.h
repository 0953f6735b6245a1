/* The tape: what gradient rules write to.
 *
 * A rule gets a value y = op(a, b, ..) and dy, the gradient of the loss with
 * respect to y, and gives each operand that wants one its contribution:
 *
 *   if (tape_begin(tape, id, 1))
 *     tape_give(tape, tape_binary(tape, OP_MUL, dy, a));
 *
 * tape_give undoes broadcasting, so rules read like a page of calculus.
 */
#ifndef SG_PASS_GRADIENT_H
#define SG_PASS_GRADIENT_H

#include "compiler/pass/rewrite.h"

/* One summand of a value's gradient. */
typedef struct Contribution {
  ValueId gradient;
  struct Contribution *next;
} Contribution;

typedef struct {
  Contribution *first, *last;
} Contributions;

typedef struct Again Again;

typedef struct {
  PassContext *context;
  Graph *graph; /* forward nodes, followed by what the rules add */
  Rewrite rewrite;
  uint32_t forward;     /* ids below are forward values; the arrays' length */
  uint32_t added;       /* ids from here on: backward nodes of this loss */
  bool *active;         /* depends on a parameter and the loss on it */
  Contributions *given; /* by forward value */
  ValueId *gradient;    /* by forward value, once all is given */
  VEC(ValueId) owner;   /* by backward node: the forward value it serves */
  Again **again;        /* by forward value: its copies (tape_again.c) */
  int64_t copies;       /* of all values */
  bool failed;          /* too many of them */
  ValueId target;       /* of tape_give */
} Tape;

typedef void GradientRule(Tape *tape, ValueId id, ValueId dy);
#define OP(id, text, inputs, attributes, class, shape, exponent, scale,        \
           gradient, ...)                                                      \
  GradientRule gradient_##gradient;
#include "ir/ops.def"

/* The rule of an op; gradient_none and gradient_leaf write nothing. */
GradientRule *gradient_rule(Op op);
/* Ops through which no gradient can be derived. */
bool gradient_is_missing(Op op);
/* Labels, indices and conditions choose among values and have no gradient of
 * their own. */
bool gradient_reaches(const Node *node, int operand);

/* ---- for rules (tape.c) -------------------------------------------------- */

/* Does operand `operand` of `id` want a gradient? Then it is the target. */
bool tape_begin(Tape *tape, ValueId id, int operand);
/* Makes a forward value the target. */
void tape_aim(Tape *tape, ValueId value);
/* Gives the target a contribution, summed to the target's shape. */
void tape_give(Tape *tape, ValueId gradient);
/* The contribution summed to the target's shape, for rules that go on with
 * it. */
ValueId tape_fit(Tape *tape, ValueId gradient);
/* A value as the backward pass has it: kept, or computed again. */
ValueId tape_kept(Tape *tape, ValueId value);
/* Adds a node of phase backward unless it equals a value that exists; operands
 * are taken as the backward pass has them. A type of NULL is inferred. */
ValueId tape_add(Tape *tape, Node node);
ValueId tape_number(Tape *tape, double value);
ValueId tape_unary(Tape *tape, Op op, ValueId a);
ValueId tape_binary(Tape *tape, Op op, ValueId a, ValueId b);
/* SUM or TRANSPOSE. */
ValueId tape_pattern(Tape *tape, Op op, ValueId a, const char *pattern);
/* RESHAPE, SPLAT or BROADCAST to the shape of `shape`; as real. */
ValueId tape_shaped(Tape *tape, Op op, ValueId a, const Type *shape,
                    const char *pattern);
/* All that the forward value `value` was given, in one value; 0: nothing. */
ValueId tape_total(Tape *tape, ValueId value);

/* Operand 0 gets dy as it is, if it wants a gradient (gradient_rules.c). */
void tape_give_first(Tape *tape, ValueId id, ValueId dy);
Interner *tape_interner(const Tape *tape);
Pattern tape_pattern_of(const Tape *tape, ValueId id);

static inline ValueId tape_operand(const Tape *tape, ValueId id, int operand) {
  return graph_node(tape->graph, id)->input[operand];
}
static inline const Type *tape_type(const Tape *tape, ValueId id) {
  return graph_node(tape->graph, id)->type;
}

#endif
