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

#include "runtime/abi.h"
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
/* Gives each op a kernel and each value a place. */
void lab_place_apart(Lab *lab);
/* The description inside the compiled program; the caller closes the handle
 * with dlclose. */
const SgProgram *lab_open(Lab *lab, void **handle);
void lab_return(Lab *lab, ValueId id);

#endif
