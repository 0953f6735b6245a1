/* Threads: kernels are split into contiguous ranges of their outermost loop
 * (OpenMP underneath). Which thread does what never changes a bit, because a
 * unit of a kernel is computed whole by one thread in a fixed order. */
#include "runtime/runtime.h"

#include "ir/rng.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

struct Team {
  int threads;
  char **scratch;
  size_t *scratch_bytes;
};

/* Below this many scalar operations a call is not worth waking threads. */
enum { SMALL_WORK = 1 << 15, MOST_THREADS = 1024 };

#if defined(__x86_64__)
/* MXCSR as the ABI starts it, exception flags aside: round to nearest, no
 * flush to zero, no denormals-are-zero. */
void check_float_environment(void) {
  if ((__builtin_ia32_stmxcsr() & 0xffc0u) != 0x1f80u) {
    complain("the floating-point environment was changed (MXCSR %#x): "
             "subnormals or rounding are not as IEEE 754 asks",
             __builtin_ia32_stmxcsr());
    exit(EXIT_FAILED);
  }
}
#else
void check_float_environment(void) {
}
#endif

Team *team_new(int threads) {
  Team *team = sgrt_io.allocate(sizeof *team);
  if (!team)
    return NULL;
  team->threads = threads > 0 ? threads : omp_get_max_threads();
  if (team->threads > MOST_THREADS)
    team->threads = MOST_THREADS;
  size_t count = (size_t)team->threads;
  team->scratch = sgrt_io.allocate(count * sizeof *team->scratch);
  team->scratch_bytes = sgrt_io.allocate(count * sizeof *team->scratch_bytes);
  if (!team->scratch || !team->scratch_bytes) {
    team_free(team);
    return NULL;
  }
  omp_set_dynamic(0);
#pragma omp parallel num_threads(team->threads)
  check_float_environment();
  return team;
}

void team_free(Team *team) {
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

/* Grows the scratch of the first `threads` threads; there is no way to go on
 * without it. */
static void reserve_scratch(Team *team, int threads, size_t bytes) {
  for (int i = 0; i < threads; i++) {
    if (team->scratch_bytes[i] >= bytes)
      continue;
    sgrt_io.release(team->scratch[i]);
    team->scratch[i] = sgrt_io.allocate(bytes);
    team->scratch_bytes[i] = bytes;
    if (!team->scratch[i]) {
      complain("out of memory: %zu bytes of scratch", bytes);
      exit(EXIT_FAILED);
    }
  }
}

void sgrt_parallel(const SgFrame *frame, SgKernel *kernel,
                   char *const *pointer, const int32_t *argument,
                   int64_t count, int64_t work, int64_t scratch_bytes) {
  Team *team = frame->team;
  int64_t threads = work < SMALL_WORK ? 1 : team->threads;
  if (threads > count)
    threads = count;
  if (count <= 0)
    return;
  reserve_scratch(team, (int)threads, (size_t)scratch_bytes);
  if (threads <= 1) {
    kernel(pointer, argument, 0, count, team->scratch[0]);
    return;
  }
#pragma omp parallel num_threads((int)threads)
  {
    int64_t n = omp_get_num_threads(), t = omp_get_thread_num();
    int64_t begin = count * t / n, end = count * (t + 1) / n;
    if (begin < end)
      kernel(pointer, argument, begin, end, team->scratch[t]);
  }
}

void sgrt_random_key(const SgFrame *frame, uint64_t name_hash, int32_t *key) {
  RngKey made = rng_key(frame->seed, frame->step, name_hash);
  key[0] = (int32_t)made.word[0];
  key[1] = (int32_t)made.word[1];
}
