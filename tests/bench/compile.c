/* The compiler itself: how long and how much memory for examples/mlp; and its
 * result: how large, how soon it runs. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <sys/stat.h>

enum { RUNS = 9 };

void bench_compile(Report *report) {
  char sgc[4096], source[4096], out[4096];
  char *command[] = {
      (char *)build_path(sgc, sizeof sgc, "sgc"),
      (char *)source_path(source, sizeof source, "examples/mlp/mlp.sg"), "-o",
      (char *)scratch_path(out, sizeof out, "mlp"), NULL};
  double seconds[RUNS], peak = 0;
  for (int i = 0; i < RUNS; i++) {
    ProcessResult result = process_run(command, NULL);
    if (result.status != 0) {
      report_failure(report, "compile", "sgc failed");
      return;
    }
    seconds[i] = result.seconds;
    peak = result.peak_mib > peak ? result.peak_mib : peak;
  }
  report_figure(report, "compile mlp, median", median(seconds, RUNS), "s",
                LIMIT_AT_MOST, 1.5);
  report_figure(report, "compile mlp, peak memory", peak, "MiB", LIMIT_AT_MOST,
                300);
}

void bench_startup(Report *report) {
  char out[4096], stripped[4096];
  if (!compile_example("fp8", "mlp-fp8", report))
    return;
  scratch_path(out, sizeof out, "mlp-fp8");
  scratch_path(stripped, sizeof stripped, "mlp-fp8.stripped");
  char *strip[] = {"strip", "-o", stripped, out, NULL};
  struct stat status;
  if (process_run(strip, NULL).status != 0 || stat(stripped, &status) != 0) {
    report_failure(report, "startup", "strip failed");
    return;
  }
  report_figure(report, "executable, stripped",
                (double)status.st_size / 1048576, "MiB", LIMIT_AT_MOST, 1);
  char *info[] = {stripped, "info", NULL};
  double seconds[5 * RUNS];
  for (int i = 0; i < 5 * RUNS; i++)
    seconds[i] = process_run(info, NULL).seconds * 1e3;
  report_figure(report, "start-up to info, median", median(seconds, 5 * RUNS),
                "ms", LIMIT_AT_MOST, 20);
}
