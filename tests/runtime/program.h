/* A hand-written program in place of a compiled one: a linear classifier with
 * momentum, trained with noise on its gradients. program.c defines sg_program.
 */
#ifndef SG_TESTS_RUNTIME_PROGRAM_H
#define SG_TESTS_RUNTIME_PROGRAM_H

#include <stdint.h>

#include "runtime/abi.h"

enum {
  POINTS = 4, /* features of an example */
  CLASSES = 3,
  BATCH = 8, /* examples a training step */
  EVAL_BATCH = 5
};

/* In the order of sg_program.param. */
enum { PARAM_W, PARAM_B, PARAM_MOMENTUM, PARAM_SEEN, PARAM_COUNT };

/* Called at the beginning of each training step, if set. */
extern void (*program_hook)(const SgFrame *frame);

#endif
