/* The data of every op with a scale rule on independent N(0, 1) operands: their
 * root mean square, which Scalify wants about 1, and how far the estimate is
 * from it. The unit test unitness_test asks more of the same values.
 */
#include "tests/unit/unitness.h"

#include "tests/bench/bench.h"

#include <math.h>
#include <stdio.h>

enum { VALUES = 512 };

void bench_unitness(Report *report) {
  static Unitness row[VALUES];
  char path[4096];
  source_path(path, sizeof path, "tests/unit/Inputs/unitness.sgir");
  size_t count = unitness_measure(path, SCALE_DOWN, 7, row, VALUES);
  if (count == 0) {
    report_failure(report, "unitness", "the program does not run");
    return;
  }
  double worst = 0;
  for (size_t i = 0; i < count; i++) {
    char name[64];
    snprintf(name, sizeof name, "%.47s, at 2^%d", row[i].name, row[i].exponent);
    report_figure(report, name, exp2(row[i].found), "rms", LIMIT_NONE, 0);
    worst = fmax(worst, fabs(row[i].found - row[i].expected));
  }
  report_figure(report, "estimate, furthest off", exp2(worst), "times",
                LIMIT_AT_MOST, 2);
}
