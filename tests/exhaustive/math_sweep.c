/* f32_exp and f32_log on all 2^32 inputs against the C library's double
 * functions, whose error of about 2^-53 is nothing at this precision.
 *
 * No arguments. Per function, a line on stderr tells the largest error in ulp,
 * where it is, how many results are not the correctly rounded ones, and how
 * many neighbours are out of order. The last two lines of stdout are records
 * for tests/LEDGER.tsv: target, trials, failures, seconds. A failure is a
 * result more than one step from the correctly rounded one, or a wrong special
 * value; exit status 1 when there is any. Build with -O2 and -fopenmp.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ir/f32math.h"

#define BLOCK_BITS 20
#define BLOCK_COUNT (UINT32_C(1) << (32 - BLOCK_BITS))

typedef struct {
  uint64_t failures, misrounded, disordered;
  double worst; /* ulp */
  float worst_at;
} Result;

typedef struct {
  const char *name;
  float (*function)(float);
  double (*reference)(double);
} Target;

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint32_t to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* Floats in order as integers, with both zeros at 0. */
static int64_t rank_of(float x) {
  int64_t magnitude = to_bits(x) & 0x7FFFFFFF;
  return signbit(x) ? -magnitude : magnitude;
}

/* |got - exact| in units of the last place of a binary32 at `exact`. */
static double error_in_ulp(float got, double exact) {
  if (isinf(got) || exact == 0)
    return rank_of(got) == rank_of((float)exact) ? 0 : 1;
  int exponent = ilogb(exact);
  double ulp = ldexp(1.0, (exponent < -126 ? -126 : exponent) - 23);
  return fabs((double)got - exact) / ulp;
}

static void judge(const Target *target, float x, float y, Result *result) {
  double exact = target->reference((double)x);
  if (isnan(exact)) {
    result->failures += to_bits(y) != 0x7FC00000;
    return;
  }
  float rounded = (float)exact;
  if (to_bits(y) == to_bits(rounded) && !isfinite(rounded))
    return;
  int64_t off = rank_of(y) - rank_of(rounded);
  result->failures += isnan(y) || off > 1 || off < -1;
  result->misrounded += off != 0;
  double error = error_in_ulp(y, exact);
  if (error > result->worst) {
    result->worst = error;
    result->worst_at = x;
  }
}

/* One block of neighbouring inputs, of one sign, and the step into it. */
static Result judge_block(const Target *target, uint32_t number) {
  Result result = {0};
  uint32_t first = number << BLOCK_BITS;
  float last = (float)NAN;
  if ((first & 0x7FFFFFFF) != 0)
    last = target->function(from_bits(first - 1));
  for (uint32_t i = 0; i < UINT32_C(1) << BLOCK_BITS; i++) {
    float x = from_bits(first + i);
    float y = target->function(x);
    judge(target, x, y, &result);
    result.disordered += signbit(x) ? y > last : y < last;
    last = y;
  }
  return result;
}

static void result_add(Result *sum, const Result *part) {
  sum->failures += part->failures;
  sum->misrounded += part->misrounded;
  sum->disordered += part->disordered;
  if (part->worst > sum->worst) {
    sum->worst = part->worst;
    sum->worst_at = part->worst_at;
  }
}

static Result sweep(const Target *target) {
  Result sum = {0};
  uint32_t done = 0;
#pragma omp parallel for schedule(dynamic)
  for (uint32_t number = 0; number < BLOCK_COUNT; number++) {
    Result part = judge_block(target, number);
#pragma omp critical
    {
      result_add(&sum, &part);
      if (++done % (BLOCK_COUNT / 16) == 0)
        fprintf(stderr, "%s %u / 16\n", target->name,
                done / (BLOCK_COUNT / 16));
    }
  }
  return sum;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(void) {
  const Target targets[] = {{"f32_exp", f32_exp, exp},
                            {"f32_log", f32_log, log}};
  uint64_t failures = 0;
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
    double start = now();
    Result result = sweep(&targets[i]);
    fprintf(stderr,
            "%s: at most %.4f ulp, at %a; %llu not correctly rounded; "
            "%llu neighbours out of order\n",
            targets[i].name, result.worst, (double)result.worst_at,
            (unsigned long long)result.misrounded,
            (unsigned long long)result.disordered);
    printf("math_sweep %s\t%llu\t%llu\t%.0f\n", targets[i].name, 1ULL << 32,
           (unsigned long long)result.failures, now() - start);
    fflush(stdout);
    failures += result.failures;
  }
  return failures != 0;
}
