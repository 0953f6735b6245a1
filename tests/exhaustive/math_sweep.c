/* The functions of ir/f32math on all 2^32 inputs, and f32_pow on 2^32 pairs,
 * against the C library's double functions, whose error of about 2^-53 is
 * nothing at this precision.
 *
 * Arguments: names of functions; without, all. `--every=N` takes each N-th
 * input or pair only, N odd. Per function, a line on stderr tells the largest
 * error in ulp, where it is, how many results are not the correctly rounded
 * ones, and how many neighbours are out of order. The lines of stdout are
 * records for tests/LEDGER.tsv: target, trials, failures, seconds. A failure is
 * a result more than one step from the correctly rounded one, or a wrong
 * special value; exit status 1 when there is any. Build with -O2 and -fopenmp.
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ir/f32math.h"

#define BLOCK_BITS 20
#define BLOCK_COUNT (UINT32_C(1) << (32 - BLOCK_BITS))

static uint32_t every = 1;

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
  for (uint32_t i = number % every; i < UINT32_C(1) << BLOCK_BITS; i += every) {
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

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

/* ---- pow: pairs by a fixed sequence -------------------------------------- */

/* Half of all bit patterns, half near 1 with powers that stay in range. */
static void pair(uint64_t i, float *x, float *y) {
  uint64_t z = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  z ^= z >> 31;
  uint32_t a = (uint32_t)(z >> 32), b = (uint32_t)z;
  *x = i & 1 ? from_bits(a) : (float)(a >> 8) * 0x1p-22f;
  *y = i & 1 ? from_bits(b) : (float)((int32_t)(b >> 8) - 0x800000) * 0x1p-17f;
}

static float pow_at; /* the second operand of the pair being judged */
#pragma omp threadprivate(pow_at)

static double pow_reference(double x) {
  return pow(x, (double)pow_at);
}

static Result sweep_pow(void) {
  const Target target = {"f32_pow", NULL, pow_reference};
  Result sum = {0};
#pragma omp parallel for schedule(dynamic)
  for (uint32_t number = 0; number < BLOCK_COUNT; number++) {
    Result part = {0};
    for (uint64_t i = number % every; i < UINT64_C(1) << BLOCK_BITS;
         i += every) {
      float x;
      pair(((uint64_t)number << BLOCK_BITS) + i, &x, &pow_at);
      judge(&target, x, f32_pow(x, pow_at), &part);
    }
#pragma omp critical
    result_add(&sum, &part);
  }
  return sum;
}

static uint64_t report(const char *name, Result result, double start) {
  fprintf(stderr,
          "%s: at most %.4f ulp, at %a; %llu not correctly rounded; "
          "%llu neighbours out of order\n",
          name, result.worst, (double)result.worst_at,
          (unsigned long long)result.misrounded,
          (unsigned long long)result.disordered);
  printf("math_sweep %s\t%llu\t%llu\t%.0f\n", name, (1ULL << 32) / every,
         (unsigned long long)result.failures, now() - start);
  fflush(stdout);
  return result.failures;
}

static bool wanted(int argc, char **argv, const char *name) {
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], name) == 0)
      return true;
  return argc < 2;
}

int main(int argc, char **argv) {
  const Target targets[] = {
      {"f32_exp", f32_exp, exp},    {"f32_log", f32_log, log},
      {"f32_tanh", f32_tanh, tanh}, {"f32_sigmoid", f32_sigmoid, sigmoid},
      {"f32_erf", f32_erf, erf},    {"f32_sin", f32_sin, sin},
      {"f32_cos", f32_cos, cos}};
  uint64_t failures = 0;
  if (argc > 1 && sscanf(argv[1], "--every=%" SCNu32, &every) == 1)
    argc--, argv++;
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
    double start = now();
    if (wanted(argc, argv, targets[i].name))
      failures += report(targets[i].name, sweep(&targets[i]), start);
  }
  double start = now();
  if (wanted(argc, argv, "f32_pow"))
    failures += report("f32_pow", sweep_pow(), start);
  return failures != 0;
}
