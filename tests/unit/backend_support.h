/* For the tests of the back end: a hand-built program of level final is
 * compiled for several processors, run, and compared with the evaluator bit
 * for bit.
 *
 *   Lab *lab = lab_new(LEVEL_FINAL);
 *   ValueId x = lab_input(lab, FORMAT_F32, SHAPE(17), numbers);
 *   lab_op(lab, OP_EXP, FORMAT_F32, SHAPE(17), x, 0, 0);
 *   lab_compare_apart(lab);
 *   lab_free(lab);
 */
#ifndef SG_TESTS_BACKEND_SUPPORT_H
#define SG_TESTS_BACKEND_SUPPORT_H

#include "tests/unit/eval_support.h"

typedef struct {
  const char *march;
  int optimization;
} Target;

/* Each op a kernel of its own; every value is compared. */
void lab_compare_apart(Lab *lab);
/* Kernels as `fuse` and `plan` make them; results and parameters are
 * compared. */
void lab_compare_fused(Lab *lab);
/* A program that has kernels and a plan already. */
void lab_compare_placed(Lab *lab);
void lab_return(Lab *lab, ValueId id);

#endif
