/* For the test of contractions: one gemm kernel made, compiled with others,
 * run on random data beside a plain loop of fmaf.
 *
 * Operands and results end where an unreadable page begins, and stand behind
 * bytes that must not change.
 */
#ifndef SG_TESTS_CONTRACT_SUPPORT_H
#define SG_TESTS_CONTRACT_SUPPORT_H

#include "tests/unit/emit_support.h"

/* A contraction: sizes of the pattern's letters in order of appearance. */
typedef struct {
  const char *pattern;
  int64_t size[8];
  Format format[2];
  int32_t shift;
  bool bias;     /* add a vector along the innermost axis, then relu */
  Format result; /* and cast to this */
} Trial;

typedef struct {
  Trial trial;
  Graph *graph;
  const KernelCode *code;
  const Type *type[2], *out;
} TrialCode;

typedef struct {
  Arena *arena;
  Sources sources;
  Program *program;
  Workshop *workshop;
  VEC(TrialCode) code;
} Bench;

Bench *bench_new(const char *march, bool strict);
void bench_add(Bench *bench, Trial trial);
/* Compiles all, runs each in one piece and in many. Compares bits; without
 * strictness the sums alone, with their worst rounding error. */
void bench_check(Bench *bench);
void bench_free(Bench *bench);

#endif
