/* Exact rewrites of single nodes: numbers, identities, structure.
 *
 * In: a node whose operands are values of the graph being built. Out: a value
 * that it equals, or a simpler node. Every rule states why no bit can change.
 *
 * Numbers fold in binary64 only where binary32 agrees. A CONST is a double
 * that f32 arithmetic first rounds to binary32; `a op b` folds to the double
 * c = a op b if and only if (float)c has the bits of (float)a op (float)b, so
 * both precisions see what they would have computed. (For operands that are
 * exact in binary32 this always holds: 53 >= 2 * 24 + 2, Figueroa 1995.)
 * Signed zeros count: x + 0 is not x, for x may be -0; x - 0 and x + -0 are.
 */
#include "compiler/pass/rewrite.h"

#include <math.h>
#include <string.h>

#include "ir/exact.h"

static const Node *operand(const Rewrite *rewrite, const Node *node, int i) {
  return graph_node(rewrite->graph, node->input[i]);
}

/* Same number, same sign of zero. */
static bool same_double(double a, double b) {
  return memcmp(&a, &b, sizeof a) == 0;
}

static bool operand_is(const Rewrite *rewrite, const Node *node, int i,
                       double value) {
  const Node *a = operand(rewrite, node, i);
  return a->op == OP_CONST && same_double(a->attr.value, value);
}

/* ---- numbers ------------------------------------------------------------- */

/* Ops that choose or drop bits: the same in every format. NaN for others. */
static double fold_exact(Op op, double a, double b) {
  switch (op) {
  case OP_MAXIMUM:
    return exact_maximum(a, b);
  case OP_MINIMUM:
    return exact_minimum(a, b);
  case OP_ABS:
    return fabs(a);
  case OP_SIGN:
    return exact_sign(a);
  case OP_FLOOR:
    return floor(a);
  case OP_ROUND:
    return exact_round(a);
  default:
    return NAN;
  }
}

/* What the evaluator computes in binary64; NaN for ops that do not fold. */
static double fold_wide(Op op, double a, double b) {
  switch (op) {
  case OP_NEG:
    return -a;
  case OP_ADD:
    return a + b;
  case OP_SUB:
    return a - b;
  case OP_MUL:
    return a * b;
  case OP_DIV:
    return a / b;
  case OP_SQRT:
    return sqrt(a);
  case OP_RSQRT:
    return 1 / sqrt(a);
  default:
    return fold_exact(op, a, b);
  }
}

/* What it computes in binary32, from operands rounded first. */
static float fold_narrow(Op op, float a, float b) {
  switch (op) {
  case OP_NEG:
    return -a;
  case OP_ADD:
    return a + b;
  case OP_SUB:
    return a - b;
  case OP_MUL:
    return a * b;
  case OP_DIV:
    return a / b;
  case OP_SQRT:
    return sqrtf(a);
  case OP_RSQRT:
    return 1 / sqrtf(a);
  default:
    return (float)fold_exact(op, (double)a, (double)b);
  }
}

/* All operands are real numbers; *a and *b get them. */
static bool number_operands(const Rewrite *rewrite, const Node *node, double *a,
                            double *b) {
  double value[MAX_INPUTS] = {0};
  int count = node_inputs(node);
  for (int i = 0; i < count; i++) {
    const Node *input = operand(rewrite, node, i);
    if (input->op != OP_CONST || input->type->format != FORMAT_REAL)
      return false;
    value[i] = input->attr.value;
  }
  *a = value[0];
  *b = value[1];
  return count > 0;
}

bool rewrite_constant(const Rewrite *rewrite, Node *node) {
  double a, b;
  if (node->pinned || node->type->format != FORMAT_REAL ||
      node->type->rank != 0 || !number_operands(rewrite, node, &a, &b))
    return false;
  double wide = fold_wide(node->op, a, b);
  float narrow = fold_narrow(node->op, (float)a, (float)b);
  if (!isfinite(wide) || !isfinite(narrow) || !same_double((float)wide, narrow))
    return false;
  Node number = node_make(OP_CONST, node->phase, node->type, 0, 0, 0);
  number.attr.value = wide;
  number.span = node->span;
  *node = number;
  return true;
}

/* ---- identities ---------------------------------------------------------- */

static bool pattern_is_identity(const Rewrite *rewrite, const Node *node) {
  Pattern pattern = node_pattern(rewrite->program, node);
  Letters in = pattern_letters(&pattern, 0);
  Letters out = pattern_letters(&pattern, -1);
  return letters_equal(&in, &out);
}

/* Which operand the node repeats by the meaning of its op, or -1. A product or
 * quotient by 1 and a difference by +0 are exact for every x, zeros, infinities
 * and NaN included; so is a sum with -0. A choice between equal values is that
 * value. */
static int repeated_operand(const Rewrite *rewrite, const Node *node) {
  switch (node->op) {
  case OP_MUL:
    return operand_is(rewrite, node, 1, 1.0)   ? 0
           : operand_is(rewrite, node, 0, 1.0) ? 1
                                               : -1;
  case OP_ADD:
    return operand_is(rewrite, node, 1, -0.0)   ? 0
           : operand_is(rewrite, node, 0, -0.0) ? 1
                                                : -1;
  case OP_DIV:
    return operand_is(rewrite, node, 1, 1.0) ? 0 : -1;
  case OP_SUB:
    return operand_is(rewrite, node, 1, 0.0) ? 0 : -1;
  case OP_SELECT:
    return node->input[1] == node->input[2] ? 1 : -1;
  case OP_MAXIMUM:
  case OP_MINIMUM:
  case OP_AND:
  case OP_OR:
    return node->input[0] == node->input[1] ? 0 : -1;
  case OP_RESHAPE:
  case OP_SPLAT:
  case OP_CONVERT:
  case OP_SLICE:
  case OP_PAD:
    return 0; /* the types being equal, which the caller checks */
  case OP_CONCAT:
    return node_inputs(node) == 1 ? 0 : -1;
  case OP_TRANSPOSE:
  case OP_BROADCAST:
    return pattern_is_identity(rewrite, node) ? 0 : -1;
  default:
    return -1;
  }
}

ValueId rewrite_identity(const Rewrite *rewrite, const Node *node) {
  if ((node->op == OP_NEG || node->op == OP_NOT) &&
      operand(rewrite, node, 0)->op == node->op) {
    ValueId inner = operand(rewrite, node, 0)->input[0];
    return node->pinned ? 0 : inner;
  }
  int i = repeated_operand(rewrite, node);
  if (i < 0)
    return 0;
  const Node *same = operand(rewrite, node, i);
  bool equal = same->type == node->type && (!node->pinned || same->pinned);
  return equal ? node->input[i] : 0;
}

/* ---- structure: elements move, values stay ------------------------------- */

/* Reading through an operand that only moves elements. */
static bool read_through(Node *node, const Node *inner) {
  node->input[0] = inner->input[0];
  return true;
}

/* One transposition for two. Letter j of the outer operand is the inner
 * result's axis j, so the outer pattern read in the inner operand's order. */
static bool join_transposes(const Rewrite *rewrite, Node *node,
                            const Node *inner) {
  Pattern outer = node_pattern(rewrite->program, node);
  Pattern first = node_pattern(rewrite->program, inner);
  Letters from = pattern_letters(&outer, 0), to = pattern_letters(&outer, -1);
  Letters source = {.rank = from.rank};
  for (int i = 0; i < from.rank; i++)
    for (int j = 0; j < from.rank; j++)
      if (first.axis[0][i] == first.out_axis[j])
        source.letter[i] = from.letter[j];
  node->attr.pattern =
      letters_pattern(rewrite->program->interner, &source, NULL, &to);
  return read_through(node, inner);
}

/* A splat however moved is a splat. */
static bool make_splat(Node *node, const Node *inner) {
  node->op = OP_SPLAT;
  node->attr = attributes_neutral();
  return read_through(node, inner);
}

/* A slice of a slice along one axis is a slice. */
static bool join_slices(Node *node, const Node *inner) {
  if (node->attr.axis != inner->attr.axis)
    return false;
  node->attr.start += inner->attr.start;
  return read_through(node, inner);
}

/* Does an operand other than number `i` have the shape of the result? */
static bool shape_stays(const Rewrite *rewrite, const Node *node, int i) {
  for (int j = 0; j < node_inputs(node); j++)
    if (j != i && type_same_shape(operand(rewrite, node, j)->type, node->type))
      return true;
  return false;
}

/* Elementwise ops broadcast a number by themselves: splat(s) * x = s * x, as
 * long as another operand has the shape of the result. */
static bool absorb_splat(const Rewrite *rewrite, Node *node) {
  if (!shape_broadcasts(node->op) || node->op == OP_EQ)
    return false;
  for (int i = 0; i < node_inputs(node); i++) {
    const Node *splat = operand(rewrite, node, i);
    if (splat->op != OP_SPLAT || splat->pinned ||
        !shape_stays(rewrite, node, i))
      continue;
    node->input[i] = splat->input[0];
    return true;
  }
  return false;
}

/* A pinned operand is a rounding, not a move: nothing reads through it. */
bool rewrite_structure(const Rewrite *rewrite, Node *node) {
  if (node_inputs(node) != 1)
    return absorb_splat(rewrite, node);
  const Node *inner = operand(rewrite, node, 0);
  if (inner->pinned)
    return false;
  switch (node->op) {
  case OP_RESHAPE:
    return inner->op == OP_SPLAT     ? make_splat(node, inner)
           : inner->op == OP_RESHAPE ? read_through(node, inner)
                                     : false;
  case OP_TRANSPOSE:
    return inner->op == OP_SPLAT       ? make_splat(node, inner)
           : inner->op == OP_TRANSPOSE ? join_transposes(rewrite, node, inner)
                                       : false;
  case OP_SLICE:
    return inner->op == OP_SPLAT   ? make_splat(node, inner)
           : inner->op == OP_SLICE ? join_slices(node, inner)
                                   : false;
  case OP_BROADCAST:
  case OP_REVERSE:
    return inner->op == OP_SPLAT ? make_splat(node, inner) : false;
  default:
    return false;
  }
}

/* ---- the driver of one node ---------------------------------------------- */

ValueId rewrite_node(const Rewrite *rewrite, Node *node) {
  do {
    ValueId same = rewrite_identity(rewrite, node);
    if (same)
      return same;
  } while (rewrite_constant(rewrite, node) ||
           rewrite_structure(rewrite, node) || rewrite_einsum(rewrite, node));
  return 0;
}
