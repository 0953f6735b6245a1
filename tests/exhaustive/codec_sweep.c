/* All 2^32 binary32 inputs through the production encoders and through the
 * second implementation: {f16, bf16, e4m3, e5m2} x {saturate, inf}.
 *
 * No arguments. Progress and the first differences go to stderr; the last line
 * of stdout is a record for tests/LEDGER.tsv: target, trials, failures,
 * seconds. Exit status 1 when anything differs. Build with -O2 and, for
 * threads, -fopenmp; OMP_NUM_THREADS chooses how many.
 *
 * Inputs come in ascending blocks, so that the reference finds its place in
 * the sorted table by walking up from the last one.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ir/codec.h"
#include "tests/unit/codec_reference.h"

#define BLOCK_BITS 18
#define BLOCK_SIZE (UINT32_C(1) << BLOCK_BITS)
#define BLOCK_COUNT (UINT32_C(1) << (32 - BLOCK_BITS))

typedef struct {
  uint32_t first; /* bits of the first input */
  float in[BLOCK_SIZE];
  uint16_t codes[BLOCK_SIZE]; /* or as many bytes */
  uint32_t rounded[BLOCK_SIZE];
} Block;

static void block_fill(Block *block, uint32_t first) {
  block->first = first;
  for (uint32_t i = 0; i < BLOCK_SIZE; i++) {
    uint32_t bits = first + i;
    memcpy(&block->in[i], &bits, sizeof bits);
  }
}

/* What the second implementation rounds each finite magnitude to. */
static void block_round(const Reference *reference, Block *block) {
  double start = fabs((double)block->in[0]);
  uint32_t floor = isfinite(start) ? reference_floor(reference, start) : 0;
  for (uint32_t i = 0; i < BLOCK_SIZE; i++) {
    double magnitude = fabs((double)block->in[i]);
    block->rounded[i] = reference->facts->max_code + 1;
    if (!isfinite(magnitude))
      continue;
    floor = reference_floor_from(reference, magnitude, floor);
    block->rounded[i] = reference_nearest(reference, magnitude, floor);
  }
}

static uint32_t expected_code(const Reference *reference, const Block *block,
                              uint32_t i, Overflow overflow) {
  const ReferenceFormat *facts = reference->facts;
  float x = block->in[i];
  uint32_t sign = signbit(x) ? 1u << (facts->bits - 1) : 0;
  if (isnan(x))
    return sign | facts->nan_code;
  return sign | reference_finish(reference, block->rounded[i], overflow);
}

static uint32_t produced_code(const Reference *reference, const Block *block,
                              uint32_t i) {
  if (reference->facts->bits == 16)
    return block->codes[i];
  return ((const unsigned char *)block->codes)[i];
}

static uint64_t block_compare(const Reference *reference, Block *block,
                              Overflow overflow) {
  uint64_t failures = 0;
  codec_encode_array(reference->facts->format, block->in, block->codes,
                     BLOCK_SIZE, overflow);
  for (uint32_t i = 0; i < BLOCK_SIZE; i++) {
    uint32_t want = expected_code(reference, block, i, overflow);
    uint32_t got = produced_code(reference, block, i);
    if (got != want && failures++ == 0)
      fprintf(stderr, "%s, policy %d: input %#010x gives %#x, not %#x\n",
              reference->facts->name, (int)overflow, block->first + i, got,
              want);
  }
  return failures;
}

static uint64_t block_check(Reference *const *references, Block *block,
                            uint32_t number) {
  uint64_t failures = 0;
  block_fill(block, number << BLOCK_BITS);
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++) {
    block_round(references[i], block);
    failures += block_compare(references[i], block, OVERFLOW_SATURATE);
    failures += block_compare(references[i], block, OVERFLOW_INF);
  }
  return failures;
}

static void report_progress(uint32_t done) {
  if (done % (BLOCK_COUNT / 64) == 0)
    fprintf(stderr, "%u / 64\n", done / (BLOCK_COUNT / 64));
}

static uint64_t sweep(Reference *const *references) {
  uint64_t failures = 0;
  uint32_t done = 0;
#pragma omp parallel reduction(+ : failures)
  {
    Block *block = malloc(sizeof *block);
    if (block == NULL)
      abort();
#pragma omp for schedule(dynamic)
    for (uint32_t number = 0; number < BLOCK_COUNT; number++) {
      failures += block_check(references, block, number);
#pragma omp critical
      report_progress(++done);
    }
    free(block);
  }
  return failures;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(void) {
  double start = now();
  Reference *references[REFERENCE_FORMAT_COUNT];
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++) {
    references[i] = reference_new(&reference_formats[i]);
    if (references[i] == NULL)
      abort();
  }
  uint64_t failures = sweep(references);
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++)
    reference_free(references[i]);
  uint64_t trials = (UINT64_C(1) << 32) * REFERENCE_FORMAT_COUNT * 2;
  printf("codec_sweep\t%llu\t%llu\t%.0f\n", (unsigned long long)trials,
         (unsigned long long)failures, now() - start);
  return failures != 0;
}
