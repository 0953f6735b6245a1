/* The progress of a training run, on standard error: a live line where that is
 * a terminal, plain lines otherwise. */
#include "runtime/runtime.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

double now_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Four decimals, unless they would hide the number. */
void print_results(FILE *stream, const SgEntry *entry, const double *value) {
  const char *separator = "";
  for (int64_t i = 0; i < entry->result_count; i++) {
    if (entry->result[i].rank != 0)
      continue; /* a tensor is no line of progress */
    double size = fabs(value[i]);
    bool plain = size == 0 || (size >= 1e-3 && size < 1e9);
    fprintf(stream, plain ? "%s%s %.4f" : "%s%s %.4e", separator,
            entry->result[i].name, value[i]);
    separator = "  ";
  }
}

int progress_begin(Progress *progress, const SgEntry *entry, int64_t total,
                   int64_t every, bool quiet) {
  const char *terminal = getenv("TERM");
  *progress = (Progress){.entry = entry,
                         .quiet = quiet,
                         .live = isatty(STDERR_FILENO) &&
                                 !(terminal && !strcmp(terminal, "dumb")),
                         .total = total,
                         .every = every,
                         .begin = now_seconds()};
  progress->sum = results_new(entry);
  return progress->sum ? EXIT_FINE : EXIT_FAILED;
}

/* ---- the line ------------------------------------------------------------ */

/* A line in the making; what does not fit is dropped. */
typedef struct {
  char text[512];
  size_t length;
} Line;

__attribute__((format(printf, 2, 3))) static void
line_print(Line *line, const char *format, ...) {
  va_list args;
  va_start(args, format);
  size_t room = sizeof line->text - line->length;
  int n = vsnprintf(line->text + line->length, room, format, args);
  va_end(args);
  line->length += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

/* Three digits that count: 0.0931, 0.972, 2.31, 118. */
static void line_number(Line *line, double value) {
  double size = fabs(value);
  int decimals = size >= 100                ? 0
                 : size >= 10               ? 1
                 : size >= 1                ? 2
                 : size >= 0.1 || size == 0 ? 3
                 : size >= 0.01             ? 4
                                            : 5;
  bool plain = size == 0 || (size >= 1e-3 && size < 1e6);
  line_print(line, plain ? "%.*f" : "%.*e", plain ? decimals : 2, value);
}

/* 0:41, 12:07, 1:02:03 */
static void line_time(Line *line, double seconds) {
  int64_t left = seconds < 1e9 ? (int64_t)(seconds + 0.5) : 0;
  if (left >= 3600)
    line_print(line, "%lld:%02lld:%02lld", (long long)(left / 3600),
               (long long)(left / 60 % 60), (long long)(left % 60));
  else
    line_print(line, "%lld:%02lld", (long long)(left / 60),
               (long long)(left % 60));
}

/* `11.8 ms  10.8k examples/s  left 0:41`: of this run's steps. */
static void line_rate(Line *line, const Progress *progress, int64_t step,
                      double now, bool wide) {
  double done = (double)progress->done;
  double seconds = progress->busy / done;
  double rate = seconds > 0 ? (double)progress->entry->batch / seconds : 0;
  line_print(line, "  ");
  line_number(line, seconds * 1e3);
  line_print(line, " ms");
  if (rate > 0 && wide) {
    line_print(line, "  ");
    line_number(line, rate >= 1000 ? rate / 1e3 : rate);
    line_print(line, "%s examples/s", rate >= 1000 ? "k" : "");
  }
  line_print(line, "  left ");
  line_time(line,
            (now - progress->begin) / done * (double)(progress->total - step));
}

/* The whole line; without examples/s if it must be short. */
static Line line_make(const Progress *progress, int64_t step, double now,
                      bool wide) {
  Line line = {.length = 0};
  const SgEntry *entry = progress->entry;
  line_print(&line, "step %lld/%lld", (long long)step,
             (long long)progress->total);
  for (int64_t i = 0; i < entry->result_count; i++) {
    if (entry->result[i].rank != 0)
      continue;
    line_print(&line, "  %s ", entry->result[i].name);
    line_number(&line, progress->sum[i] / (double)progress->summed);
  }
  line_rate(&line, progress, step, now, wide);
  return line;
}

/* A line that wraps cannot be overwritten. */
static size_t terminal_columns(void) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
    return size.ws_col - 1;
  return 79;
}

/* On a terminal over the line before, elsewhere on a line of its own. */
static void print_line(const Progress *progress, int64_t step, double now) {
  Line line = line_make(progress, step, now, true);
  if (!progress->live) {
    fprintf(stderr, "%s\n", line.text);
    return;
  }
  size_t columns = terminal_columns();
  if (line.length > columns)
    line = line_make(progress, step, now, false);
  fprintf(stderr, "\r\033[K%.*s", (int)columns, line.text);
  fflush(stderr);
}

/* The live line is renewed ten times a second, plain lines come every `every`
 * steps; both at the end. Each shows the averages over the steps since the one
 * before, in this run. */
void progress_step(Progress *progress, const Session *session, const Run *run,
                   int64_t step, double seconds) {
  progress->busy += seconds;
  progress->done++;
  if (progress->quiet)
    return;
  int64_t results = progress->entry->result_count;
  for (int64_t i = 0; i < results; i++)
    if (progress->entry->result[i].rank == 0)
      progress->sum[i] += run_result(session, run, i, 0);
  progress->summed++;
  double now = now_seconds();
  bool due = progress->live ? now - progress->shown > 0.1
                            : step % progress->every == 0;
  if (!due && step != progress->total)
    return;
  print_line(progress, step, now);
  progress->shown = now;
  progress->summed = 0;
  for (int64_t i = 0; i < results; i++)
    progress->sum[i] = 0;
}

void progress_evaluation(Progress *progress, int64_t step, const SgEntry *entry,
                         const double *mean) {
  if (progress->quiet)
    return;
  fprintf(stderr, "%sstep %lld  %s: ", progress->live ? "\r\033[K" : "",
          (long long)step, entry->name);
  print_results(stderr, entry, mean);
  fputc('\n', stderr);
}

void progress_end(Progress *progress) {
  if (progress->live && !progress->quiet && progress->shown > 0)
    fputc('\n', stderr);
  sgrt_io.release(progress->sum);
  progress->sum = NULL;
}
