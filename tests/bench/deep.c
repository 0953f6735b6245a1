/* From source to final IR: deep networks of 12 and 96 layers, trained in fp8,
 * a generated one and GPT-2 (12 layers are its 124 M parameters).
 * Processor time of the whole command; the last ratio leaves out what it takes
 * before it reads its file. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <string.h>

enum { DEEP_RUNS = 9 };

/* One program at one depth. */
typedef struct {
  double seconds, peak_mib;
  double casts; /* rescale, scalify, formats and casts together */
} DeepFigures;

static const char deep_text[] =
    "import nn\n"
    "import optim\n"
    "\n"
    "const L = 12\n"
    "\n"
    "dataset points {\n"
    "  x: f32[_, 64] = idx(\"x\")\n"
    "  y: u8[_] = idx(\"y\")\n"
    "}\n"
    "\n"
    "module Block(d: int) {\n"
    "  fc, gate, out: nn.Linear(d, d)\n"
    "  param g: [d] = ones\n"
    "  param b: [d] = zeros\n"
    "  fn forward(x: [?n, d]) -> [n, d] {\n"
    "    c = x - mean(x, axis = -1, keep = true)\n"
    "    v = mean(c ** 2, axis = -1, keep = true)\n"
    "    z = c / sqrt(v + 1e-5) * g + b\n"
    "    h = relu(fc(z)) * gate(z)\n"
    "    return x + out(h) * 0.5\n"
    "  }\n"
    "}\n"
    "\n"
    "module Net(d: int) {\n"
    "  layers[L]: Block(d)\n"
    "  head: nn.Linear(d, 10)\n"
    "  fn forward(x: [?n, d]) -> [n, 10] {\n"
    "    for layer in layers { x = layer(x) }\n"
    "    return head(x)\n"
    "  }\n"
    "}\n"
    "\n"
    "model net: Net(64)\n"
    "\n"
    "train fit(batch: points[32]) {\n"
    "  loss = cross_entropy(net(batch.x), batch.y)\n"
    "  minimize loss over net with optim.AdamW(lr = 0.001, decay = 0.1)\n"
    "  report loss\n"
    "}\n";

/* The lines of --time-passes that count, in seconds. */
static double cast_seconds(const char *path) {
  static const char *const counted[] = {"rescale", "scalify", "formats",
                                        "casts"};
  FILE *file = fopen(path, "r");
  char line[256], name[64];
  double sum = 0, milliseconds;
  while (file && fgets(line, sizeof line, file))
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++)
      if (sscanf(line, "%63s %lf", name, &milliseconds) == 2 &&
          strcmp(name, counted[i]) == 0)
        sum += milliseconds * 1e-3;
  if (file)
    fclose(file);
  return sum;
}

/* False: it does not compile. */
static bool measure(const char *source, int layers, DeepFigures *out) {
  char sgc[4096], times[4096], define[32];
  double seconds[DEEP_RUNS], casts[DEEP_RUNS];
  snprintf(define, sizeof define, "L=%d", layers);
  char *command[] = {(char *)build_path(sgc, sizeof sgc, "sgc"),
                     (char *)source,
                     "-D",
                     define,
                     "--recipe=fp8",
                     "--time-passes",
                     "--emit=final",
                     "-o",
                     "/dev/null",
                     NULL};
  scratch_path(times, sizeof times, "deep.times");
  out->peak_mib = 0;
  for (int i = 0; i < DEEP_RUNS; i++) {
    ProcessResult result = process_run(command, times);
    if (result.status != 0)
      return false;
    seconds[i] = result.processor_seconds;
    casts[i] = cast_seconds(times);
    if (result.peak_mib > out->peak_mib)
      out->peak_mib = result.peak_mib;
  }
  out->seconds = median(seconds, DEEP_RUNS);
  out->casts = median(casts, DEEP_RUNS);
  return true;
}

static double start_seconds(void) {
  char sgc[4096];
  char *command[] = {(char *)build_path(sgc, sizeof sgc, "sgc"), "--version",
                     NULL};
  double seconds[DEEP_RUNS];
  for (int i = 0; i < DEEP_RUNS; i++)
    seconds[i] = process_run(command, NULL).processor_seconds;
  return median(seconds, DEEP_RUNS);
}

static void figure(Report *report, const char *program, const char *what,
                   double value, const char *unit, double limit) {
  char name[128];
  snprintf(name, sizeof name, "%s, %s", program, what);
  report_figure(report, name, value, unit,
                limit > 0 ? LIMIT_AT_MOST : LIMIT_NONE, limit);
}

static void report_program(Report *report, const char *program,
                           const char *source) {
  DeepFigures shallow, deep;
  if (!measure(source, 12, &shallow) || !measure(source, 96, &deep)) {
    report_failure(report, program, "sgc failed");
    return;
  }
  double start = start_seconds();
  figure(report, program, "12 layers to final", shallow.seconds, "s", 0.5);
  figure(report, program, "12 layers, peak memory", shallow.peak_mib, "MiB",
         400);
  figure(report, program, "12 layers, rescale to casts", shallow.casts, "s",
         0.3);
  figure(report, program, "96 layers to final", deep.seconds, "s", 0);
  figure(report, program, "96 layers, peak memory", deep.peak_mib, "MiB", 0);
  figure(report, program, "96 over 12 layers", deep.seconds / shallow.seconds,
         "", 8.5);
  figure(report, program, "the same without start-up",
         (deep.seconds - start) / (shallow.seconds - start), "", 0);
}

void bench_deep(Report *report) {
  char source[4096];
  FILE *file = fopen(scratch_path(source, sizeof source, "deep.sg"), "w");
  bool good = file && fputs(deep_text, file) >= 0;
  if (file && fclose(file) == 0 && good)
    report_program(report, "deep", source);
  else
    report_failure(report, "deep", "cannot write the program");
}

void bench_gpt2(Report *report) {
  char source[4096];
  report_program(report, "gpt2",
                 source_path(source, sizeof source, "examples/gpt/gpt2.sg"));
}
