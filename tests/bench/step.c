/* The train step of examples/mlp against the multiply-add peak.
 *
 * Step and peak are measured in one process, in interleaved rounds, with two
 * pinned threads: the program is compiled to an object, linked with the
 * runtime into a shared object and loaded here.
 */
#include "tests/bench/bench.h"

#include "runtime/runtime.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 2, BENCH_ROUNDS = 7, WARM = 20, STEPS = 60 };

/* The runtime inside the loaded program. */
typedef struct {
  void *library;
  const SgProgram *program;
  int (*session_open)(Session *, const SgProgram *, int);
  void (*session_initialize)(Session *, uint64_t);
  void (*session_close)(Session *);
  int (*run_open)(Run *, const SgEntry *);
  void (*run_close)(Run *);
  int (*run_step)(const Session *, Run *, uint64_t);
} Loaded;

/* Object file and runtime to a shared object, all symbols of it kept. */
static bool link_shared(const char *object, const char *shared) {
  char runtime[4096];
  build_path(runtime, sizeof runtime, "lib/sg/libsgrt.a");
  char *command[] = {"cc",
                     "-shared",
                     "-Wl,-Bsymbolic",
                     "-o",
                     (char *)shared,
                     (char *)object,
                     "-Wl,-u,session_open,-u,run_open",
                     runtime,
                     "-ljansson",
                     "-lz",
                     "-fopenmp",
                     "-lm",
                     NULL};
  return process_run(command, NULL).status == 0;
}

static bool load(Loaded *loaded, const char *recipe, Report *report) {
  char sgc[4096], source[4096], object[4096], shared[4096], option[64];
  char name[64];
  snprintf(option, sizeof option, "--recipe=%s", recipe);
  snprintf(name, sizeof name, "step-%s.so", recipe);
  scratch_path(object, sizeof object, "step.o");
  scratch_path(shared, sizeof shared, name);
  char *command[] = {
      (char *)build_path(sgc, sizeof sgc, "sgc"),
      (char *)source_path(source, sizeof source, "examples/mlp/mlp.sg"),
      option,
      "-c",
      "-o",
      object,
      NULL};
  if (process_run(command, NULL).status != 0 || !link_shared(object, shared)) {
    report_failure(report, "step", "sgc or the linker failed");
    return false;
  }
  loaded->library = dlopen(shared, RTLD_NOW | RTLD_LOCAL);
  if (!loaded->library) {
    report_failure(report, "step", dlerror());
    return false;
  }
  loaded->program = dlsym(loaded->library, "sg_program");
  *(void **)&loaded->session_open = dlsym(loaded->library, "session_open");
  *(void **)&loaded->session_initialize =
      dlsym(loaded->library, "session_initialize");
  *(void **)&loaded->session_close = dlsym(loaded->library, "session_close");
  *(void **)&loaded->run_open = dlsym(loaded->library, "run_open");
  *(void **)&loaded->run_close = dlsym(loaded->library, "run_close");
  *(void **)&loaded->run_step = dlsym(loaded->library, "run_step");
  return true;
}

static const SgEntry *train_entry(const SgProgram *program) {
  for (int64_t i = 0; i < program->entry_count; i++)
    if (program->entry[i].kind == ENTRY_KIND_TRAIN)
      return &program->entry[i];
  return NULL;
}

/* Arbitrary but valid inputs: labels stay below 10. */
static void fill_inputs(Run *run) {
  for (int64_t i = 0; i < run->entry->input_count; i++) {
    const SgInput *input = &run->entry->input[i];
    for (int64_t b = 0; b < input->bytes && input->format == FORMAT_U8; b++)
      run->input[i][b] =
          (char)(input->limit ? b % input->limit : (b * 2654435761u) >> 24);
  }
}

static double step_rate(const Loaded *loaded, const Session *session, Run *run,
                        uint64_t *step) {
  double begin = seconds_now();
  for (int i = 0; i < STEPS; i++)
    loaded->run_step(session, run, ++*step);
  return (double)run->entry->flops * STEPS / (seconds_now() - begin) * 1e-9;
}

static void measure(const Loaded *loaded, const char *recipe, Report *report) {
  Session session;
  Run run;
  const SgEntry *entry = train_entry(loaded->program);
  if (loaded->session_open(&session, loaded->program, THREADS) != 0 ||
      loaded->run_open(&run, entry) != 0) {
    report_failure(report, "step", "the program could not be opened");
    return;
  }
  loaded->session_initialize(&session, 1);
  fill_inputs(&run);
  uint64_t step = 0;
  double rate[BENCH_ROUNDS], peak[BENCH_ROUNDS], ratio[BENCH_ROUNDS];
  for (int i = 0; i < WARM; i++)
    loaded->run_step(&session, &run, ++step);
  for (int r = 0; r < BENCH_ROUNDS; r++) {
    peak[r] = fma_peak(THREADS);
    rate[r] = step_rate(loaded, &session, &run, &step);
    ratio[r] = rate[r] / peak[r];
  }
  char name[96];
  snprintf(name, sizeof name, "train step %s, of FMA peak", recipe);
  report_figure(report, name, median(ratio, BENCH_ROUNDS), "", LIMIT_AT_LEAST,
                0.30);
  snprintf(name, sizeof name, "train step %s", recipe);
  report_figure(report, name, median(rate, BENCH_ROUNDS), "GFLOP/s", LIMIT_NONE,
                0);
  report_figure(report, "FMA peak, two threads", median(peak, BENCH_ROUNDS),
                "GFLOP/s", LIMIT_NONE, 0);
  loaded->run_close(&run);
  loaded->session_close(&session);
}

void bench_step(Report *report) {
  static const char *const recipe[] = {"f32", "fp8"};
  setenv("OMP_PROC_BIND", "true", 1);
  for (int i = 0; i < 2; i++) {
    Loaded loaded = {0};
    if (load(&loaded, recipe[i], report))
      measure(&loaded, recipe[i], report);
    /* OpenMP's threads outlive the library's last call: it stays loaded. */
  }
}
