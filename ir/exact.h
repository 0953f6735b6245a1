/* Functions that only choose, or drop bits: exact, so one definition in
 * binary64 serves every format. Evaluator and constant folding share them.
 */
#ifndef SG_IR_EXACT_H
#define SG_IR_EXACT_H

#include <math.h>

/* The larger; NaN where either is NaN; -0 lies below +0. */
static inline double exact_maximum(double a, double b) {
  if (isnan(a) || isnan(b))
    return isnan(a) ? a : b;
  if (a == b)
    return signbit(a) ? b : a;
  return a > b ? a : b;
}

/* The smaller, likewise. */
static inline double exact_minimum(double a, double b) {
  if (isnan(a) || isnan(b))
    return isnan(a) ? a : b;
  if (a == b)
    return signbit(a) ? a : b;
  return a < b ? a : b;
}

/* -1, 0 or 1; zeros keep their sign, NaN stays. */
static inline double exact_sign(double x) {
  return x > 0 ? 1 : x < 0 ? -1 : x;
}

/* To the nearest whole number, ties to even, in the default rounding mode. */
static inline double exact_round(double x) {
  return nearbyint(x);
}

#endif
