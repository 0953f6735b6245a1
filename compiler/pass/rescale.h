/* What the two halves of pass rescale share: rules (rescale.c) and the estimate
 * (rescale_range.c).
 */
#ifndef SG_PASS_RESCALE_H
#define SG_PASS_RESCALE_H

#include "compiler/pass/measure.h"
#include "compiler/pass/rewrite.h"

/* Puts a rescale behind the copy of value `old`, which computes `first` again
 * or is original (0). It takes over the name; the value becomes its helper. */
void rescale_insert(GraphCopy *copy, NameTable *names, ValueId old,
                    ValueId first, Measure measure, Why why);
/* Carries out `default : rescale = auto`, with a remark (W0517) an entry. */
void rescale_ranges(PassContext *context);

#endif
