/* sg-bench: every number that the project claims, measured, with its limit.
 *
 * A benchmark prints figures; a figure may have a limit and then a ratio: how
 * far the figure is within it (a ratio of 1 or more meets the limit).
 */
#ifndef SG_BENCH_H
#define SG_BENCH_H

#include <stdbool.h>
#include <stddef.h>

typedef enum { LIMIT_NONE, LIMIT_AT_LEAST, LIMIT_AT_MOST } LimitKind;

typedef struct Report Report; /* collects figures, prints them */

void report_figure(Report *report, const char *name, double value,
                   const char *unit, LimitKind kind, double limit);
/* A benchmark that cannot run says why; counts as failed. */
void report_failure(Report *report, const char *name, const char *why);

typedef struct {
  const char *name, *help;
  void (*run)(Report *report);
} Benchmark;

/* ---- machine.c ----------------------------------------------------------- */

double seconds_now(void);
double median(double *value, size_t count); /* sorts */
/* Multiply-add peak of `threads` pinned threads in f32 GFLOP/s, best of short
 * rounds; uses the widest vectors of the processor. */
double fma_peak(int threads);

/* ---- process.c ----------------------------------------------------------- */

/* Runs a command to its end; standard output and error go to `output` (a file,
 * or NULL for /dev/null). Returns its exit code, -1 if it could not start. */
typedef struct {
  double seconds;
  double processor_seconds; /* user and system */
  double peak_mib;
  int status;
} ProcessResult;
ProcessResult process_run(char *const *command, const char *output);
/* Absolute path of a file of the build folder ("sgc") or the source folder. */
const char *build_path(char *buffer, size_t size, const char *name);
const char *source_path(char *buffer, size_t size, const char *name);
const char *scratch_path(char *buffer, size_t size, const char *name);
/* Compiles a program of the source folder to scratch_path(name). */
bool compile_program(const char *file, const char *recipe, const char *name,
                     Report *report);
/* Compiles examples/mlp under a recipe to scratch_path(name). */
bool compile_example(const char *recipe, const char *name, Report *report);

/* ---- the benchmarks ----------------------------------------------------- */

void bench_compile(Report *report);
void bench_front(Report *report);
void bench_deep(Report *report);
void bench_gpt2(Report *report);
void bench_startup(Report *report);
void bench_step(Report *report);
void bench_accuracy(Report *report);
void bench_wide(Report *report);
void bench_unitness(Report *report);

#endif
