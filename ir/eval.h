/* The reference evaluator: the meaning of every level.
 */
#ifndef SG_IR_EVAL_H
#define SG_IR_EVAL_H

#include "ir/ir.h"

typedef enum {
  PRECISION_F64,  /* reference: everything in binary64, no rounding below */
  PRECISION_F32,  /* arithmetic in binary32, formats ignored */
  PRECISION_EDGES /* bit-true: casts and stores round, operands `as` */
} Precision;

/* A tensor held by the evaluator: one double per element in F64 mode, else one
 * float per element kept in the same array of doubles (every f32, narrow float
 * and integer of up to 53 bits is exact in a double). */
typedef struct {
  const Type *type;
  double *data;     /* type->elements of them */
  int32_t exponent; /* value = data * 2^exponent */
} Tensor;

typedef struct Evaluator Evaluator;

/* Parameters start from their initialisers under `seed`. The program must
 * outlive the evaluator. */
Evaluator *evaluator_new(const Program *program, Precision precision,
                         uint64_t seed);
void evaluator_free(Evaluator *evaluator);
/* Parameter `index`, to read or overwrite between calls. */
Tensor *evaluator_param(Evaluator *evaluator, int index);
/* Runs one step of `graph` at 1-based `step`. `inputs` has one tensor per
 * Graph.input, and as many such sets, one after the other, as the step has
 * micro-batches (RunSettings.accumulate; exponent 0, plain values; SOURCE_STEP
 * ones are filled in by the evaluator and may have data NULL). Returns false
 * with *error set on bad input (label out of range, wrong shape). */
bool evaluator_step(Evaluator *evaluator, const Graph *graph, uint64_t step,
                    const Tensor *inputs, const char **error);
/* Any value of the last step; NULL if it was not computed. */
const Tensor *evaluator_value(const Evaluator *evaluator, const Graph *graph,
                              ValueId id);

/* The certificate: what the arithmetic of a value raised, as a set of bits. A
 * result overflows beyond the largest number of the precision and underflows
 * where it is tiny and inexact; the same of an alignment, a multiplication by
 * 2^k that only exponents ask for. Roundings below f32 and what both a scaled
 * and an unscaled program compute on the same numbers are left out. */
enum {
  RAISED_OVERFLOW = 1,
  RAISED_UNDERFLOW = 2,
  RAISED_SHIFT_OVERFLOW = 4,
  RAISED_SHIFT_UNDERFLOW = 8
};
/* What the last step raised at a value, in any of its micro-batches; at a
 * parameter also what its initial value raised. 0 for what was not computed. */
unsigned evaluator_raised(const Evaluator *evaluator, const Graph *graph,
                          ValueId id);

/* What happened since the evaluator was made. */
typedef struct {
  uint64_t flagged;    /* nodes and initial values that raised something */
  uint64_t unmeasured; /* norm_exponents of a zero or non-finite statistic */
  uint64_t saturated;  /* elements that stores clipped to the largest value */
} EvaluatorCounts;

EvaluatorCounts evaluator_counts(const Evaluator *evaluator);
/* Did nothing overflow or underflow, in no step so far? Then another choice of
 * exponents that raises nothing either has the same values to the bit. */
bool evaluator_certified(const Evaluator *evaluator);

#endif
