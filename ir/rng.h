/* Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw,
 * "Parallel random numbers: as easy as 1, 2, 3", SC'11).
 *
 * A draw is a pure function of (seed, step, value name, element), so neither
 * the order of passes, nor fusion, nor the number of threads can change it.
 * Shared by the evaluator and the runtime; no state anywhere.
 */
#ifndef SG_IR_RNG_H
#define SG_IR_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint32_t word[2];
} RngKey;

/* 64-bit FNV-1a of a name: how a value's name enters its key. */
uint64_t rng_hash_name(const char *name);
/* The key of one value in one step: with m = SplitMix64's increment and
 * finaliser, m(m(m(seed) ^ step) ^ name_hash), low word first. */
RngKey rng_key(uint64_t seed, uint64_t step, uint64_t name_hash);
/* Ten rounds of Philox4x32 on a 128-bit counter. */
void rng_philox(RngKey key, const uint32_t counter[4], uint32_t out[4]);
/* Draw number `element` under `key`: word element % 4 of block element / 4. */
uint32_t rng_u32(RngKey key, uint64_t element);
/* A float in [0, 1): the top 24 bits of a draw, times 2^-24. */
float rng_uniform(RngKey key, uint64_t element);
/* A standard normal variate by inversion of one 32-bit draw u: the quantile
 * of (u + 1/2) / 2^32. */
float rng_normal(RngKey key, uint64_t element);
/* Writes the permutation of 0..n-1 that `key` selects (Fisher-Yates, with
 * unbiased bounded draws). `out` holds n entries. */
void rng_permutation(RngKey key, uint32_t n, uint32_t *out);

#endif
