/* The progress of a training run, on standard error: a live line where that is
 * a terminal, plain lines otherwise. */
#include "runtime/runtime.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

double now_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void print_results(FILE *stream, const SgEntry *entry, const double *value) {
  const char *separator = "";
  for (int64_t i = 0; i < entry->result_count; i++) {
    if (entry->result[i].rank != 0)
      continue; /* a tensor is no line of progress */
    fprintf(stream, "%s%s %.4f", separator, entry->result[i].name, value[i]);
    separator = "  ";
  }
}

int progress_begin(Progress *progress, const SgEntry *entry, int64_t first,
                   int64_t total, int64_t every, bool quiet) {
  *progress = (Progress){.entry = entry,
                         .quiet = quiet,
                         .live = isatty(STDERR_FILENO),
                         .total = total,
                         .first = first,
                         .every = every,
                         .begin = now_seconds()};
  progress->sum = results_new(entry);
  progress->mean = progress->sum ? results_new(entry) : NULL;
  return progress->mean ? EXIT_FINE : EXIT_FAILED;
}

static void print_rate(const Progress *progress, int64_t step, double now) {
  int64_t done = step - progress->first + 1;
  double seconds = (now - progress->begin) / (double)done;
  double rate = (double)progress->entry->batch / seconds;
  int64_t left = (int64_t)(seconds * (double)(progress->total - step) + 0.5);
  fprintf(stderr, "  %.1f ms", seconds * 1e3);
  if (progress->entry->batch && rate >= 1000)
    fprintf(stderr, "  %.1fk examples/s", rate / 1e3);
  else if (progress->entry->batch)
    fprintf(stderr, "  %.0f examples/s", rate);
  fprintf(stderr, "  left %lld:%02lld", (long long)(left / 60),
          (long long)(left % 60));
}

static void print_line(Progress *progress, int64_t step, double now) {
  for (int64_t i = 0; i < progress->entry->result_count; i++)
    progress->mean[i] = progress->sum[i] / (double)progress->summed;
  fprintf(stderr, "%sstep %lld/%lld  ", progress->live ? "\r\033[K" : "",
          (long long)step, (long long)progress->total);
  print_results(stderr, progress->entry, progress->mean);
  print_rate(progress, step, now);
  if (!progress->live)
    fputc('\n', stderr);
  fflush(stderr);
}

/* The live line is renewed ten times a second over the steps since it was
 * last; plain lines come every `every` steps and at the end. */
void progress_step(Progress *progress, const Session *session, const Run *run,
                   int64_t step) {
  if (progress->quiet)
    return;
  for (int64_t i = 0; i < progress->entry->result_count; i++)
    if (progress->entry->result[i].rank == 0)
      progress->sum[i] += run_result(session, run, (int)i, 0);
  progress->summed++;
  double now = now_seconds();
  bool due = progress->live ? now - progress->shown > 0.1
                            : step % progress->every == 0;
  if (!due && step != progress->total)
    return;
  print_line(progress, step, now);
  progress->shown = now;
  progress->summed = 0;
  for (int64_t i = 0; i < progress->entry->result_count; i++)
    progress->sum[i] = 0;
}

void progress_end(Progress *progress) {
  if (progress->live && !progress->quiet && progress->shown > 0)
    fputc('\n', stderr);
  sgrt_io.release(progress->sum);
  sgrt_io.release(progress->mean);
  progress->sum = progress->mean = NULL;
}
