/* --log: one line of JSON a step. A log that cannot be written is complained
 * about once; the training it is about goes on. */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>

/* A resumed run appends: the steps up to its checkpoint are there already. */
int log_open(Log *log, const char *path, bool append) {
  *log = (Log){.path = path, .file = -1};
  if (!path)
    return EXIT_FINE;
  log->file = io_open(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC));
  if (log->file >= 0)
    return EXIT_FINE;
  complain("cannot write %s: %s", path, strerror(errno));
  return EXIT_FAILED;
}

/* JSON has no infinities and no NaN: they are texts. */
static void add_line(Text *line, int64_t step, const char *eval,
                     const SgEntry *entry, const double *value) {
  text_print(line, "{\"step\":%lld", (long long)step);
  if (eval) {
    text_print(line, ",\"eval\":\"");
    text_escaped(line, eval);
    text_print(line, "\"");
  }
  for (int64_t i = 0; i < entry->result_count; i++) {
    if (entry->result[i].rank != 0)
      continue;
    text_print(line, ",\"");
    text_escaped(line, entry->result[i].name);
    text_print(line, isfinite(value[i]) ? "\":%.9g" : "\":\"%g\"", value[i]);
  }
  text_print(line, "}\n");
}

/* The line is written at once and whole, so that it can be followed. */
void log_step(Log *log, int64_t step, const char *eval, const SgEntry *entry,
              const double *value) {
  if (log->file < 0 || log->failed)
    return;
  Text line = {0};
  add_line(&line, step, eval, entry, value);
  errno = ENOMEM;
  log->failed = line.failed || !io_write_all(log->file, line.data, line.length);
  if (log->failed)
    complain("cannot write %s: %s; the log ends before step %lld", log->path,
             strerror(errno), (long long)step);
  sgrt_io.release(line.data);
}

int log_close(Log *log) {
  if (log->file >= 0 && sgrt_io.close(log->file) != 0 && errno != EINTR &&
      !log->failed) {
    complain("cannot write %s: %s", log->path, strerror(errno));
    log->failed = true;
  }
  log->file = -1;
  return log->failed ? EXIT_FAILED : EXIT_FINE;
}
