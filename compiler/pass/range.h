/* Formats that cannot hold what they are given (range.c). */
#ifndef SG_PASS_RANGE_H
#define SG_PASS_RANGE_H

#include "compiler/pass/pass.h"

/* Warns (W0511, -Wrange) of parameters, values and operands of which a large
 * share is expected to underflow or saturate. The program is at level
 * formatted and has the estimates of scalify. */
void range_check(PassContext *context);

#endif
