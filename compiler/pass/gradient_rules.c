/* The gradient column of ops.def: one rule a name, reverse mode.
 *
 * Rules use the result of their op where that is cheaper or saves an operand
 * from being kept (relu, sqrt, exp, div), visit operands last to first, so
 * that a bias comes before its weight and a weight before the layer's input,
 * and add nothing for operands that want no gradient.
 */
#include "compiler/pass/gradient.h"

void gradient_leaf(Tape *tape, ValueId id, ValueId dy) {
  (void)tape, (void)id, (void)dy;
}

/* Never runs: autodiff refuses such ops on the way to a parameter. */
void gradient_none(Tape *tape, ValueId id, ValueId dy) {
  (void)tape, (void)id, (void)dy;
}

/* ---- the identity, as far as the gradient can tell ----------------------- */

void tape_give_first(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, dy);
}

/* Whole numbers are constant almost everywhere: the gradient stops there, as
 * tape_begin knows. */
void gradient_convert(Tape *tape, ValueId id, ValueId dy) {
  tape_give_first(tape, id, dy);
}

/* Rounding forward, nothing backward (language.md 7). */
void gradient_cast(Tape *tape, ValueId id, ValueId dy) {
  tape_give_first(tape, id, dy);
}

void gradient_rescale(Tape *tape, ValueId id, ValueId dy) {
  tape_give_first(tape, id, dy);
}

/* ---- structure ----------------------------------------------------------- */

Interner *tape_interner(const Tape *tape) {
  return tape->context->program->interner;
}

Pattern tape_pattern_of(const Tape *tape, ValueId id) {
  return node_pattern(tape->context->program, graph_node(tape->graph, id));
}

void gradient_reshape(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, tape_shaped(tape, OP_RESHAPE, dy,
                                tape_type(tape, tape->target), NULL));
}

static ValueId transposed(Tape *tape, ValueId a, const Letters *from,
                          const Letters *to) {
  if (letters_equal(from, to))
    return a;
  return tape_pattern(tape, OP_TRANSPOSE, a,
                      letters_pattern(tape_interner(tape), from, NULL, to));
}

void gradient_transpose(Tape *tape, ValueId id, ValueId dy) {
  if (!tape_begin(tape, id, 0))
    return;
  Pattern pattern = tape_pattern_of(tape, id);
  Letters in = pattern_letters(&pattern, 0);
  Letters out = pattern_letters(&pattern, -1);
  tape_give(tape, transposed(tape, dy, &out, &in));
}

/* The sum over all axes, which is how tape_give fits any shape to []. */
void gradient_splat(Tape *tape, ValueId id, ValueId dy) {
  tape_give_first(tape, id, dy);
}

/* Axes that the pattern added are summed away again. */
void gradient_broadcast(Tape *tape, ValueId id, ValueId dy) {
  if (!tape_begin(tape, id, 0))
    return;
  Pattern pattern = tape_pattern_of(tape, id);
  Letters in = pattern_letters(&pattern, 0);
  Letters out = pattern_letters(&pattern, -1);
  Letters kept = letters_common(&out, &in);
  if (kept.rank < out.rank)
    dy = tape_pattern(tape, OP_SUM, dy,
                      letters_pattern(tape_interner(tape), &out, NULL, &kept));
  tape_give(tape, transposed(tape, dy, &kept, &in));
}

/* ---- elementwise --------------------------------------------------------- */

void gradient_neg(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, tape_unary(tape, OP_NEG, dy));
}

void gradient_add(Tape *tape, ValueId id, ValueId dy) {
  for (int i = 1; i >= 0; i--)
    if (tape_begin(tape, id, i))
      tape_give(tape, dy);
}

/* Negation commutes with every sum, so it comes last: on the smaller shape. */
void gradient_sub(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 1))
    tape_give(tape, tape_unary(tape, OP_NEG, tape_fit(tape, dy)));
  if (tape_begin(tape, id, 0))
    tape_give(tape, dy);
}

/* y = a b: da = dy b, db = dy a. */
void gradient_mul(Tape *tape, ValueId id, ValueId dy) {
  for (int i = 1; i >= 0; i--)
    if (tape_begin(tape, id, i))
      tape_give(tape,
                tape_binary(tape, OP_MUL, dy, tape_operand(tape, id, 1 - i)));
}

/* y = a / b: da = dy / b, db = -(dy / b) y. The quotient serves both. */
void gradient_div(Tape *tape, ValueId id, ValueId dy) {
  ValueId b = tape_operand(tape, id, 1);
  if (tape_begin(tape, id, 1)) {
    ValueId quotient = tape_binary(tape, OP_DIV, dy, b);
    ValueId product = tape_binary(tape, OP_MUL, quotient, id);
    tape_give(tape, tape_unary(tape, OP_NEG, tape_fit(tape, product)));
  }
  if (tape_begin(tape, id, 0))
    tape_give(tape, tape_binary(tape, OP_DIV, dy, b));
}

/* The subgradient at 0 is 0. */
void gradient_relu(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, tape_binary(tape, OP_RELU_GRAD, dy, id));
}

/* y = sqrt(x): dx = (dy / 2) / y. */
void gradient_sqrt(Tape *tape, ValueId id, ValueId dy) {
  if (!tape_begin(tape, id, 0))
    return;
  ValueId half = tape_binary(tape, OP_MUL, dy, tape_number(tape, 0.5));
  tape_give(tape, tape_binary(tape, OP_DIV, half, id));
}

void gradient_exp(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, tape_binary(tape, OP_MUL, dy, id));
}

void gradient_log(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, tape_binary(tape, OP_DIV, dy, tape_operand(tape, id, 0)));
}

/* ---- contraction and reductions ------------------------------------------ */

/* y = einsum(a, b, "A, B -> Y"): da = einsum(dy, b, "Y, B -> A"), and db the
 * same with a. Always well formed: a summed axis belongs to both operands, so
 * each axis of A is one of Y or of B. */
void gradient_einsum(Tape *tape, ValueId id, ValueId dy) {
  Pattern pattern = tape_pattern_of(tape, id);
  Letters out = pattern_letters(&pattern, -1);
  for (int i = 1; i >= 0; i--) {
    if (!tape_begin(tape, id, i))
      continue;
    Letters to = pattern_letters(&pattern, i);
    Letters other = pattern_letters(&pattern, 1 - i);
    Node node = node_make(OP_EINSUM, PHASE_BACKWARD, NULL, dy,
                          tape_operand(tape, id, 1 - i), 0);
    node.attr.pattern = letters_pattern(tape_interner(tape), &out, &other, &to);
    tape_give(tape, tape_add(tape, node));
  }
}

/* Repeats dy along the axes that reduction `id` summed. */
static ValueId spread(Tape *tape, ValueId id, ValueId dy) {
  const Type *to = tape_type(tape, tape_operand(tape, id, 0));
  if (tape_type(tape, dy)->rank == 0)
    return tape_shaped(tape, OP_SPLAT, dy, to, NULL);
  Pattern pattern = tape_pattern_of(tape, id);
  Letters in = pattern_letters(&pattern, 0);
  Letters out = pattern_letters(&pattern, -1);
  return tape_shaped(tape, OP_BROADCAST, dy, to,
                     letters_pattern(tape_interner(tape), &out, NULL, &in));
}

void gradient_sum(Tape *tape, ValueId id, ValueId dy) {
  if (tape_begin(tape, id, 0))
    tape_give(tape, spread(tape, id, dy));
}

/* The number of summands of each element of a reduction: the sizes of the
 * letters that the result lacks. */
static int64_t summands(const Tape *tape, ValueId id) {
  Pattern pattern = tape_pattern_of(tape, id);
  Letters in = pattern_letters(&pattern, 0);
  Letters out = pattern_letters(&pattern, -1);
  const Type *type = tape_type(tape, tape_operand(tape, id, 0));
  int64_t n = 1;
  for (int i = 0; i < in.rank; i++)
    if (!letters_have(&out, in.letter[i]))
      n *= type->dim[i];
  return n;
}

/* A mean divides by n, and so does its gradient: dx = dy / n, repeated. */
void gradient_mean(Tape *tape, ValueId id, ValueId dy) {
  if (!tape_begin(tape, id, 0))
    return;
  ValueId n = tape_number(tape, (double)summands(tape, id));
  ValueId share = tape_binary(tape, OP_DIV, dy, n);
  tape_give(tape, spread(tape, id, share));
}

/* (softmax(logits) - target(labels)) * dy, row by row. */
void gradient_softmax_xent(Tape *tape, ValueId id, ValueId dy) {
  if (!tape_begin(tape, id, 0))
    return;
  Node node =
      node_make(OP_SOFTMAX_XENT_GRAD, PHASE_BACKWARD, NULL,
                tape_operand(tape, id, 0), tape_operand(tape, id, 1), dy);
  node.attr.smooth = graph_node(tape->graph, id)->attr.smooth;
  node.attr.ignore = graph_node(tape->graph, id)->attr.ignore;
  tape_give(tape, tape_add(tape, node));
}

/* ---- the table ----------------------------------------------------------- */

static GradientRule *const rule_table[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, exponent, scale,        \
           gradient, ...)                                                      \
  [OP_##id] = gradient_##gradient,
#include "ir/ops.def"
};

GradientRule *gradient_rule(Op op) {
  return rule_table[op];
}

bool gradient_is_missing(Op op) {
  return rule_table[op] == gradient_none;
}

bool gradient_reaches(const Node *node, int operand) {
  if (rule_table[node->op] == gradient_stop)
    return false;
  switch (node->op) {
  case OP_SELECT:
    return operand != 0;
  case OP_SOFTMAX_XENT:
  case OP_GATHER:
  case OP_SCATTER_ADD:
  case OP_TAKE:
  case OP_PUT_ADD:
  case OP_WINDOW:
    return operand != 1;
  case OP_WINDOW_WRITE:
  case OP_SCATTER:
    return operand != 2;
  default:
    return true;
  }
}
