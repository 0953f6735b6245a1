/* All 2^32 binary32 inputs through the production encoders and through the
 * second implementation: every format of codec_reference.c, and e8m0, x
 * {saturate, inf}.
 *
 * Arguments: names of formats; none means all. With `down` before them the
 * encoder under `round = down` is swept instead, which e8m0 lacks. Progress and
 * the first differences go to stderr; the last line of stdout is a record for
 * tests/LEDGER.tsv: target, trials, failures, seconds. Exit status 1 when
 * anything differs. Build with -O2 and, for threads, -fopenmp; OMP_NUM_THREADS
 * chooses how many.
 *
 * Inputs come in ascending blocks, so that the reference finds its place in
 * the sorted table by walking up from the last one.
 */
#include <math.h>
#include <stdbool.h>
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

/* What is swept: some of the references, and perhaps e8m0. */
typedef struct {
  Reference *reference[REFERENCE_FORMAT_COUNT];
  int count;
  bool scales, down;
} Sweep;

static void block_fill(Block *block, uint32_t first) {
  block->first = first;
  for (uint32_t i = 0; i < BLOCK_SIZE; i++) {
    uint32_t bits = first + i;
    memcpy(&block->in[i], &bits, sizeof bits);
  }
}

/* What the second implementation rounds each finite magnitude to: the nearest
 * code, or the one at or below it. */
static void block_round(const Reference *reference, bool down, Block *block) {
  double start = fabs((double)block->in[0]);
  uint32_t floor = isfinite(start) ? reference_floor(reference, start) : 0;
  for (uint32_t i = 0; i < BLOCK_SIZE; i++) {
    double magnitude = fabs((double)block->in[i]);
    block->rounded[i] = reference->facts->max_code + 1;
    if (!isfinite(magnitude))
      continue;
    floor = reference_floor_from(reference, magnitude, floor);
    block->rounded[i] = !down ? reference_nearest(reference, magnitude, floor)
                              : (floor <= reference->facts->max_code
                                     ? floor
                                     : reference->facts->max_code);
  }
}

static uint32_t expected_code(const Reference *reference, const Block *block,
                              uint32_t i, Overflow overflow) {
  const ReferenceFormat *facts = reference->facts;
  float x = block->in[i];
  uint32_t code =
      isnan(x) ? facts->nan_code
               : reference_finish(reference, block->rounded[i], overflow);
  return reference_signed(facts, signbit(x), code);
}

static uint32_t produced_code(const Reference *reference, const Block *block,
                              uint32_t i) {
  if (reference->facts->bits == 16)
    return block->codes[i];
  return ((const unsigned char *)block->codes)[i];
}

static void block_encode(Format format, bool down, Block *block,
                         Overflow overflow) {
  if (!down) {
    codec_encode_array(format, block->in, block->codes, BLOCK_SIZE, overflow);
    return;
  }
  unsigned char *bytes = (unsigned char *)block->codes;
  bool wide = format_bytes(format) > 1;
  for (uint32_t i = 0; i < BLOCK_SIZE; i++) {
    uint32_t code = codec_encode_down(format, block->in[i], overflow);
    if (wide)
      block->codes[i] = (uint16_t)code;
    else
      bytes[i] = (unsigned char)code;
  }
}

static uint64_t block_compare(const Reference *reference, bool down,
                              Block *block, Overflow overflow) {
  uint64_t failures = 0;
  block_encode(reference->facts->format, down, block, overflow);
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

static uint64_t block_compare_scales(Block *block, Overflow overflow) {
  uint64_t failures = 0;
  codec_encode_array(FORMAT_E8M0, block->in, block->codes, BLOCK_SIZE,
                     overflow);
  for (uint32_t i = 0; i < BLOCK_SIZE; i++) {
    uint32_t want = reference_encode_scale(block->in[i], overflow);
    uint32_t got = ((const unsigned char *)block->codes)[i];
    if (got != want && failures++ == 0)
      fprintf(stderr, "e8m0, policy %d: input %#010x gives %#x, not %#x\n",
              (int)overflow, block->first + i, got, want);
  }
  return failures;
}

static uint64_t block_check(const Sweep *sweep, Block *block, uint32_t number) {
  uint64_t failures = 0;
  block_fill(block, number << BLOCK_BITS);
  for (int i = 0; i < sweep->count; i++) {
    const Reference *reference = sweep->reference[i];
    block_round(reference, sweep->down, block);
    failures += block_compare(reference, sweep->down, block, OVERFLOW_SATURATE);
    failures += block_compare(reference, sweep->down, block, OVERFLOW_INF);
  }
  if (sweep->scales) {
    failures += block_compare_scales(block, OVERFLOW_SATURATE);
    failures += block_compare_scales(block, OVERFLOW_INF);
  }
  return failures;
}

static void report_progress(uint32_t done) {
  if (done % (BLOCK_COUNT / 64) == 0)
    fprintf(stderr, "%u / 64\n", done / (BLOCK_COUNT / 64));
}

static uint64_t sweep_run(const Sweep *sweep) {
  uint64_t failures = 0;
  uint32_t done = 0;
#pragma omp parallel reduction(+ : failures)
  {
    Block *block = malloc(sizeof *block);
    if (block == NULL)
      abort();
#pragma omp for schedule(dynamic)
    for (uint32_t number = 0; number < BLOCK_COUNT; number++) {
      failures += block_check(sweep, block, number);
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

static bool is_wanted(const char *name, int count, char **argument) {
  bool wanted = count < 2;
  for (int i = 1; i < count; i++)
    wanted |= strcmp(argument[i], name) == 0;
  return wanted;
}

static Sweep sweep_new(int count, char **argument, bool down) {
  Sweep sweep = {.down = down};
  sweep.scales = !down && is_wanted("e8m0", count, argument);
  for (int i = 0; i < REFERENCE_FORMAT_COUNT; i++) {
    if (!is_wanted(reference_formats[i].name, count, argument))
      continue;
    Reference *reference = reference_new(&reference_formats[i]);
    if (reference == NULL)
      abort();
    sweep.reference[sweep.count++] = reference;
  }
  return sweep;
}

int main(int count, char **argument) {
  double start = now();
  bool down = count > 1 && strcmp(argument[1], "down") == 0;
  count -= down;
  argument += down;
  Sweep sweep = sweep_new(count, argument, down);
  uint64_t formats = (uint64_t)sweep.count + sweep.scales;
  if (formats == 0 || (count > 1 && formats != (uint64_t)count - 1)) {
    fprintf(stderr, "usage: codec_sweep [down] [FORMAT...]\n");
    return 2;
  }
  uint64_t failures = sweep_run(&sweep);
  for (int i = 0; i < sweep.count; i++)
    reference_free(sweep.reference[i]);
  printf("codec_sweep%s\t%llu\t%llu\t%.0f\n", down ? "_down" : "",
         (unsigned long long)((formats * 2) << 32),
         (unsigned long long)failures, now() - start);
  return failures != 0;
}
