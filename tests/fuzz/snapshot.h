/* What a program computes, for comparing it before and after a pass.
 */
#ifndef SG_TESTS_FUZZ_SNAPSHOT_H
#define SG_TESTS_FUZZ_SNAPSHOT_H

#include "ir/ir.h"

/* One step of every entry, by two precisions: the results, then all
 * parameters. */
typedef struct {
  Level level;
  bool taken[2];     /* false: too large, `minimize` pending, or refused */
  bool certified[2]; /* see evaluator_certified */
  VEC(double) value[2];
} Snapshot;

/* Evaluates a tiny program on fixed inputs; a larger one is not taken. */
Snapshot snapshot_take(const Program *program);
void snapshot_free(Snapshot *snapshot);
/* Equal to the bit, as far as they must be: in binary32 while scales are
 * introduced (and nothing overflowed), with formats from level formatted on. */
bool snapshot_agrees(const Snapshot *before, const Snapshot *after,
                     Level level);

#endif
