/* How a run-time exponent is chosen: what rescale and scalify share.
 */
#ifndef SG_PASS_MEASURE_H
#define SG_PASS_MEASURE_H

#include "compiler/pass/pass.h"

/* How an exponent is chosen: by a norm; by the format that the largest element
 * is to fit, or none; every so many steps, or each (0); by so many steps before
 * this one, or by this one (0). */
typedef struct {
  Norm by;
  Format fit;
  int64_t every, history;
} Measure;

bool measure_equal(Measure a, Measure b);
/* `scale = rms` or `amax(..)` of some settings, for data of a format. */
Measure measure_of_settings(const Settings *settings, Format format);
/* Is value `id` to have an exponent that is measured (measure_value.c)? */
bool value_measure(const Program *program, const Graph *graph, ValueId id,
                   Measure *out);

#endif
