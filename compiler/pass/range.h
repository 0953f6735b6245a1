/* Formats that cannot hold what they are given (range.c). */
#ifndef SG_PASS_RANGE_H
#define SG_PASS_RANGE_H

#include "compiler/pass/pass.h"

/* Does a format hold data of rms 2^log2_rms? Not where a quarter of the
 * elements, taken as normally distributed, would round to zero, or a hundredth
 * saturate. */
bool format_covers(Format format, double log2_rms);
/* The smallest positive value, and 448 and the like. */
double format_min_subnormal(Format format);
/* Warns (W0511, -Wrange) of parameters, values and operands of which a large
 * share is expected to underflow or saturate. The program is at level
 * formatted and has the estimates of scalify. */
void range_check(PassContext *context);

#endif
