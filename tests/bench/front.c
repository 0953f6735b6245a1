/* The front end by itself: reading, parsing and elaborating a generated program
 * of some 200,000 lines.
 *
 * Each block is a function, a module with a method of its own, two constants
 * and an assertion; every fifth module is made as a model and called, by
 * entries that call ten each. Lines count as they stand in the file: a few are
 * comments or blank. */
#include "compiler/front/front.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FRONT_BLOCKS = 5100, BLOCKS_AN_ENTRY = 50, USED = 5, FRONT_RUNS = 7 };

static const char block_text[] =
    "## Block %1$d: two layers and a way round them.\n"
    "const WIDTH_%1$d = 64\n"
    "const SCALE_%1$d = 1.0 / (1 + %1$d)\n"
    "\n"
    "fn mix_%1$d(x: [..s], y: [..s], gain: real = SCALE_%1$d) -> [..s] {\n"
    "  # a weighted sum, clipped from below\n"
    "  a = x * gain + y * (1 - gain)\n"
    "  b = relu(a) - 0.5 * relu(0 - a)\n"
    "  return b * relu(a)\n"
    "}\n"
    "\n"
    "module Block_%1$d(d: int, hidden: int = 2 * d) {\n"
    "  fc: nn.Linear(d, hidden, std = 0.02)\n"
    "  out: nn.Linear(hidden, d, bias = false)\n"
    "  param g: [d] = ones\n"
    "  param b: [d] = zeros\n"
    "\n"
    "  fn norm(x: [..s, d]) -> [..s, d] {\n"
    "    c = x - mean(x, axis = -1, keep = true)\n"
    "    v = mean(c ** 2, axis = -1, keep = true)\n"
    "    return c / sqrt(v + 1e-5) * g + b\n"
    "  }\n"
    "\n"
    "  fn forward(x: [?n, d]) -> [n, d] {\n"
    "    h = relu(fc(norm(x)))\n"
    "    if d > 32 {\n"
    "      h = h * SCALE_%1$d\n"
    "    } else {\n"
    "      h = h + 1.0\n"
    "    }\n"
    "    for k in 0 .. 2 {\n"
    "      h = h + h * (k + 1)\n"
    "    }\n"
    "    return mix_%1$d(x, out(h))\n"
    "  }\n"
    "}\n"
    "\n"
    "assert WIDTH_%1$d %% 32 == 0, \"the width is a multiple of 32\"\n"
    "\n";

static void add_entry(Buffer *text, int first) {
  for (int i = first; i < first + BLOCKS_AN_ENTRY; i += USED)
    buffer_printf(text, "model net_%1$d: Block_%1$d(WIDTH_%1$d)\n", i);
  buffer_printf(text, "\nentry run_%d(x: [8, 64]) -> [8, 64] {\n", first);
  for (int i = first; i < first + BLOCKS_AN_ENTRY; i += USED)
    buffer_printf(text, "  x = net_%d(x)\n", i);
  buffer_text(text, "  return x\n}\n\n");
}

static Buffer program_text(void) {
  Buffer text = {0};
  buffer_text(&text, "import nn\n\n");
  for (int i = 0; i < FRONT_BLOCKS; i++)
    buffer_printf(&text, block_text, i);
  for (int i = 0; i < FRONT_BLOCKS; i += BLOCKS_AN_ENTRY)
    add_entry(&text, i);
  return text;
}

static double processor_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void print_message(void *user, Severity severity, const char *rendered) {
  (void)user;
  (void)severity;
  fputs(rendered, stderr);
}

/* Processor time of one elaboration, or a negative number. */
static double elaborate_once(const Buffer *text) {
  double begin = processor_seconds();
  Arena *arena = arena_new();
  Sources sources;
  sources_init(&sources, arena);
  uint32_t source =
      sources_add(&sources, "front.sg", text->data, text->length, false);
  FrontOptions options = {0};
  Program *program =
      elaborate(arena, interner_new(arena), &sources, source, &options,
                diagnostics_new(arena, &sources, print_message, NULL));
  double seconds = program ? processor_seconds() - begin : -1;
  program_free(program);
  sources_free(&sources);
  arena_free(arena);
  return seconds;
}

static bool write_text(const Buffer *text, const char *path) {
  FILE *file = fopen(path, "wb");
  bool good = file && fwrite(text->data, 1, text->length, file) == text->length;
  return file && fclose(file) == 0 && good;
}

/* With the printing of its levels, in a process of its own. */
static void report_memory(Report *report, const Buffer *text) {
  char sgc[4096], source[4096];
  char *command[] = {(char *)build_path(sgc, sizeof sgc, "sgc"),
                     (char *)scratch_path(source, sizeof source, "front.sg"),
                     "--pass-pipeline=",
                     "--emit=ir",
                     "-o",
                     "/dev/null",
                     NULL};
  ProcessResult result = {.status = -1};
  if (write_text(text, source))
    result = process_run(command, NULL);
  if (result.status == 0)
    report_figure(report, "front end, peak memory", result.peak_mib, "MiB",
                  LIMIT_NONE, 0);
  else
    report_failure(report, "front", "sgc failed");
}

/* In a process of its own: what runs commands must stay small, for their peak
 * memory counts from before they start. */
static bool elaborate_apart(const Buffer *text, double *seconds) {
  int ends[2];
  if (pipe(ends) != 0)
    return false;
  pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < FRONT_RUNS; i++)
      seconds[i] = elaborate_once(text);
    size_t size = FRONT_RUNS * sizeof *seconds;
    _exit(write(ends[1], seconds, size) == (ssize_t)size ? 0 : 1);
  }
  close(ends[1]);
  ssize_t got = read(ends[0], seconds, FRONT_RUNS * sizeof *seconds);
  close(ends[0]);
  waitpid(child, NULL, 0);
  return child > 0 && got == (ssize_t)(FRONT_RUNS * sizeof *seconds) &&
         seconds[0] > 0;
}

void bench_front(Report *report) {
  Buffer text = program_text();
  double seconds[FRONT_RUNS], lines = 0;
  for (const char *at = text.data; (at = strchr(at, '\n')) != NULL; at++)
    lines++;
  if (elaborate_apart(&text, seconds)) {
    report_figure(report, "front end, lines", lines, "", LIMIT_NONE, 0);
    report_figure(report, "front end, lines a second, median",
                  lines / median(seconds, FRONT_RUNS), "/s", LIMIT_AT_LEAST,
                  200000);
    report_memory(report, &text);
  } else {
    report_failure(report, "front", "the generated program has errors");
  }
  buffer_free(&text);
}
