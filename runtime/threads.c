/* Threads: kernels are split into contiguous ranges of their outermost loop
 * (OpenMP underneath). Which thread does what never changes a bit, because a
 * unit of a kernel is computed whole by one thread in a fixed order. */
#include "runtime/runtime.h"

#include "ir/rng.h"

#include <omp.h>
#include <setjmp.h>
#include <stdlib.h>

struct Team {
  int threads;
  char **scratch;
  size_t *scratch_bytes;
  jmp_buf no_memory; /* to team_run, out of the step it carries out */
};

/* A waiting thread that spins takes the processor from the one it waits for
 * when there is other work on the machine, so it soon sleeps instead. libgomp
 * reads this when it is initialised: linked statically, after us. */
__attribute__((constructor(101))) static void limit_spinning(void) {
  if (!getenv("OMP_WAIT_POLICY"))
    setenv("GOMP_SPINCOUNT", "1000", 0);
}

/* Below this many scalar operations a call is not worth waking threads. */
enum { SMALL_WORK = 1 << 15 };

/* MXCSR as the ABI starts it, exception flags aside: round to nearest, no
 * flush to zero, no denormals-are-zero. */
static bool floats_are_ieee(void) {
#if defined(__x86_64__)
  return (__builtin_ia32_stmxcsr() & 0xffc0u) == 0x1f80u;
#else
  return true;
#endif
}

/* Starts the threads and looks at the floating-point mode of each. */
static int start_threads(Team *team) {
  bool good = true;
  omp_set_dynamic(0);
#pragma omp parallel num_threads(team->threads) reduction(&& : good)
  good = good && floats_are_ieee();
  if (good)
    return EXIT_FINE;
  complain("the floating-point mode was changed by something outside of this "
           "program: subnormal numbers or rounding are not as IEEE 754 asks");
  return EXIT_FAILED;
}

int team_open(Team **out, int threads) {
  Team *team = memory_new(1, sizeof *team);
  *out = team;
  if (!team)
    return out_of_memory();
  team->threads = threads > 0 ? threads : omp_get_max_threads();
  size_t count = (size_t)team->threads;
  team->scratch = memory_new(count, sizeof *team->scratch);
  team->scratch_bytes = memory_new(count, sizeof *team->scratch_bytes);
  bool good = team->scratch && team->scratch_bytes;
  int status = good ? start_threads(team) : out_of_memory();
  if (status != EXIT_FINE) {
    team_close(team);
    *out = NULL;
  }
  return status;
}

void team_close(Team *team) {
  if (!team)
    return;
  for (int i = 0; team->scratch && i < team->threads; i++)
    sgrt_io.release(team->scratch[i]);
  sgrt_io.release(team->scratch);
  sgrt_io.release(team->scratch_bytes);
  sgrt_io.release(team);
}

int team_size(const Team *team) {
  return team->threads;
}

/* Steps have no way to fail, and kernels none to go on without scratch. Steps
 * own nothing, so leaving one by longjmp loses nothing. */
bool team_run(Team *team, SgStep *step, const SgFrame *frame) {
  if (setjmp(team->no_memory) != 0)
    return false;
  step(frame);
  return true;
}

/* Grows the scratch of the first `threads` threads. */
static void reserve_scratch(Team *team, int threads, size_t bytes) {
  for (int i = 0; i < threads; i++) {
    if (team->scratch_bytes[i] >= bytes)
      continue;
    sgrt_io.release(team->scratch[i]);
    team->scratch[i] = sgrt_io.allocate(bytes);
    team->scratch_bytes[i] = team->scratch[i] ? bytes : 0;
    if (!team->scratch[i])
      longjmp(team->no_memory, 1);
  }
}

/* count * t / n, without the overflow of the product. */
static int64_t share(int64_t count, int64_t t, int64_t n) {
  return count / n * t + count % n * t / n;
}

void sgrt_parallel(const SgFrame *frame, SgKernel *kernel, char *const *pointer,
                   const int32_t *argument, int64_t count, int64_t work,
                   int64_t scratch_bytes) {
  Team *team = frame->team;
  int64_t threads = work < SMALL_WORK ? 1 : team->threads;
  if (count <= 0)
    return;
  if (threads > count)
    threads = count;
  reserve_scratch(team, (int)threads, (size_t)scratch_bytes);
  if (threads == 1) {
    kernel(pointer, argument, 0, count, team->scratch[0]);
    return;
  }
#pragma omp parallel num_threads((int)threads)
  {
    int64_t n = omp_get_num_threads(), t = omp_get_thread_num();
    int64_t begin = share(count, t, n), end = share(count, t + 1, n);
    if (begin < end)
      kernel(pointer, argument, begin, end, team->scratch[t]);
  }
}

void sgrt_random_key(const SgFrame *frame, uint64_t name_hash, int32_t *key) {
  RngKey made = rng_key(frame->seed, frame->step, name_hash);
  key[0] = (int32_t)made.word[0];
  key[1] = (int32_t)made.word[1];
}
