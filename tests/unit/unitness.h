/* The estimate against what happens: each named value of a program, scaled,
 * with the root mean square that scalify expects of its data and the one that
 * the evaluator finds. For unitness_test and `sg-bench unitness`.
 */
#ifndef SG_TESTS_UNITNESS_H
#define SG_TESTS_UNITNESS_H

#include "ir/ir.h"

typedef struct {
  char name[48];
  Op op;
  int32_t exponent;
  double expected, found; /* log2 of the rms of the data */
} Unitness;

/* Values of entry 0 of a .sgir file at level plain, helpers left out, with the
 * exponents rounded as said. Returns how many; 0 where the file cannot be read
 * or run, which stderr tells. */
size_t unitness_measure(const char *path, ScaleRounding rounding, uint64_t seed,
                        Unitness *out, size_t most);

#endif
