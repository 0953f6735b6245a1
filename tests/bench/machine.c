/* What this machine can do: the multiply-add peak that ratios refer to. */
#include "tests/bench/bench.h"

#include <immintrin.h>
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

enum { ROUNDS = 20, TURNS = 200000, CHAINS = 16 };

/* CHAINS independent accumulators hide the latency of the multiply-add. */
__attribute__((target("avx512f"))) static float turn_avx512(float x) {
  __m512 acc[CHAINS], a = _mm512_set1_ps(x), b = _mm512_set1_ps(0.999f);
  for (int i = 0; i < CHAINS; i++)
    acc[i] = _mm512_set1_ps((float)i);
  for (int t = 0; t < TURNS; t++) {
#pragma GCC unroll 16
    for (int i = 0; i < CHAINS; i++)
      acc[i] = _mm512_fmadd_ps(acc[i], b, a);
    __asm__ volatile("" ::: "memory");
  }
  for (int i = 1; i < CHAINS; i++)
    acc[0] = _mm512_add_ps(acc[0], acc[i]);
  return _mm512_reduce_add_ps(acc[0]);
}

__attribute__((target("avx2,fma"))) static float turn_avx2(float x) {
  enum { AVX2_CHAINS = 12 };
  __m256 acc[AVX2_CHAINS], a = _mm256_set1_ps(x), b = _mm256_set1_ps(0.999f);
  for (int i = 0; i < AVX2_CHAINS; i++)
    acc[i] = _mm256_set1_ps((float)i);
  for (int t = 0; t < TURNS; t++) {
#pragma GCC unroll 12
    for (int i = 0; i < AVX2_CHAINS; i++)
      acc[i] = _mm256_fmadd_ps(acc[i], b, a);
    __asm__ volatile("" ::: "memory");
  }
  float sum[8], total = 0;
  for (int i = 1; i < AVX2_CHAINS; i++)
    acc[0] = _mm256_add_ps(acc[0], acc[i]);
  _mm256_storeu_ps(sum, acc[0]);
  for (int i = 0; i < 8; i++)
    total += sum[i];
  return total;
}

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
  double flops = 2.0 * TURNS * (wide ? CHAINS * 16 : 12 * 8);
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
