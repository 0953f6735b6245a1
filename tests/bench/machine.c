/* What this machine can do: the multiply-add peak that ratios refer to. */
#include "tests/bench/bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

double seconds_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double median(double *value, size_t count) {
  qsort(value, count, sizeof *value, compare);
  return count % 2 ? value[count / 2]
                   : (value[count / 2 - 1] + value[count / 2]) / 2;
}

enum { ROUNDS = 20, TURNS = 200000, CHAINS = 12 };

/* CHAINS independent accumulators hide the latency of the multiply-add. Each
 * is a variable of its own and passes through an empty asm, so that it stays
 * in a register and no turn can be left out. */
#define EACH_CHAIN(do)                                                         \
  do(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11)
#define DEFINE(i) Vector acc##i = x - (float)i;
#define STEP(i) acc##i = acc##i * scale + x;
#define KEEP(i) __asm__ volatile("" : "+v"(acc##i));
#define TOTAL(i) sum += acc##i;

#define TURN(name, bytes, feature)                                             \
  __attribute__((target(feature), optimize("fp-contract=fast"))) static float  \
  name(float value) {                                                          \
    typedef float Vector __attribute__((vector_size(bytes)));                  \
    Vector x = (Vector){0} + value, scale = (Vector){0} + 0.999f;              \
    Vector sum = x;                                                            \
    EACH_CHAIN(DEFINE)                                                         \
    for (int turn = 0; turn < TURNS; turn++) {                                 \
      EACH_CHAIN(STEP)                                                         \
      EACH_CHAIN(KEEP)                                                         \
    }                                                                          \
    EACH_CHAIN(TOTAL)                                                          \
    return sum[0];                                                             \
  }

TURN(turn_avx512, 64, "avx512f")
TURN(turn_avx2, 32, "avx2,fma")

typedef struct {
  int processor;
  double best; /* GFLOP/s */
  volatile float sink;
} Worker;

static void *work(void *user) {
  Worker *worker = user;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(worker->processor, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  bool wide = __builtin_cpu_supports("avx512f");
  double flops = 2.0 * TURNS * CHAINS * (wide ? 16 : 8);
  for (int round = 0; round < ROUNDS; round++) {
    double begin = seconds_now();
    worker->sink = wide ? turn_avx512(1e-3f) : turn_avx2(1e-3f);
    double rate = flops / (seconds_now() - begin) * 1e-9;
    if (rate > worker->best)
      worker->best = rate;
  }
  return NULL;
}

double fma_peak(int threads) {
  enum { MOST = 64 };
  Worker worker[MOST] = {{0}};
  pthread_t thread[MOST];
  double total = 0;
  if (threads > MOST)
    threads = MOST;
  for (int i = 0; i < threads; i++) {
    worker[i].processor = i;
    pthread_create(&thread[i], NULL, work, &worker[i]);
  }
  for (int i = 0; i < threads; i++) {
    pthread_join(thread[i], NULL);
    total += worker[i].best;
  }
  return total;
}
