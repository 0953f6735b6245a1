/* From a final graph and the exponents of one step, static or measured, the
 * graph in which every value is at 2^0 in f32 but around each rounding:
 *
 *   Q_e(x) = 2^e * decode(encode(x * 2^-e))
 *
 * at each cast, at each number of a narrow format, and at the border to
 * parameters, which keep their storage. Micro-batches are written one behind
 * the other, each with the exponents it had, their sums as additions; so each
 * has inputs of its own, in the order of evaluator_step. Random numbers would
 * be those of one micro-batch: there must be none if there are several.
 */
#ifndef SG_TESTS_UNSCALING_H
#define SG_TESTS_UNSCALING_H

#include "ir/eval.h"

typedef struct {
  Program *program;
  const Graph *old;
  /* Of each micro-batch one that has just run it as the last of the step. */
  Evaluator *const *measured;
  size_t rounds;
  Graph *new;
  ValueId **map; /* of each micro-batch: old to new value, 0: none */
  unsigned roundings;
} Unscaling;

/* Fills new, which graph_free frees, and map, in `arena`. */
void unscale(Unscaling *u, Arena *arena);

#endif
