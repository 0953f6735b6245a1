/* Counter-based random numbers.
 *
 * In: a key made of (seed, step, value name) and the number of a draw. Out:
 * 32 random bits, and what is derived from them. Nothing is kept between
 * calls: draw n under a key costs the same and has the same bits whether or
 * not the draws before it were made.
 *
 * Philox4x32-10 is a ten-round substitution-permutation network over two
 * 32 x 32 -> 64 bit multiplications; constants and known answers from Salmon,
 * Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC'11).
 */
#include "ir/rng.h"

#include "ir/f32math.h"

#define PHILOX_M0 UINT32_C(0xD2511F53)
#define PHILOX_M1 UINT32_C(0xCD9E8D57)
#define PHILOX_W0 UINT32_C(0x9E3779B9) /* golden ratio */
#define PHILOX_W1 UINT32_C(0xBB67AE85) /* sqrt(3) - 1 */

uint64_t rng_hash_name(const char *name) {
  uint64_t hash = UINT64_C(0xCBF29CE484222325);
  for (; *name != '\0'; name++)
    hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
  return hash;
}

/* The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA'14): a bijection in
 * which every input bit flips every output bit about half of the time. */
static uint64_t mix64(uint64_t z) {
  z += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

RngKey rng_key(uint64_t seed, uint64_t step, uint64_t name_hash) {
  uint64_t mixed = mix64(mix64(mix64(seed) ^ step) ^ name_hash);
  return (RngKey){{(uint32_t)mixed, (uint32_t)(mixed >> 32)}};
}

static void philox_round(uint32_t c[4], uint32_t k0, uint32_t k1) {
  uint64_t p0 = (uint64_t)PHILOX_M0 * c[0];
  uint64_t p1 = (uint64_t)PHILOX_M1 * c[2];
  uint32_t c1 = c[1], c3 = c[3];
  c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
  c[1] = (uint32_t)p1;
  c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
  c[3] = (uint32_t)p0;
}

void rng_philox(RngKey key, const uint32_t counter[4], uint32_t out[4]) {
  uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
  for (uint32_t round = 0; round < 10; round++)
    philox_round(c, key.word[0] + round * PHILOX_W0,
                 key.word[1] + round * PHILOX_W1);
  for (int i = 0; i < 4; i++)
    out[i] = c[i];
}

static void philox_block(RngKey key, uint64_t block, uint32_t out[4]) {
  uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0};
  rng_philox(key, counter, out);
}

uint32_t rng_u32(RngKey key, uint64_t element) {
  uint32_t words[4];
  philox_block(key, element / 4, words);
  return words[element % 4];
}

float rng_uniform(RngKey key, uint64_t element) {
  return (float)(rng_u32(key, element) >> 8) * 0x1p-24f;
}

float rng_normal(RngKey key, uint64_t element) {
  return f32_normal_quantile(((double)rng_u32(key, element) + 0.5) * 0x1p-32);
}

/* The draws 0, 1, 2, ... under one key, a block at a time. */
typedef struct {
  RngKey key;
  uint64_t next;
  uint32_t words[4];
} Draws;

static uint32_t draws_next(Draws *draws) {
  if (draws->next % 4 == 0)
    philox_block(draws->key, draws->next / 4, draws->words);
  return draws->words[draws->next++ % 4];
}

/* Uniform in [0, bound), bound > 0: the high half of draw * bound, where the
 * first 2^32 mod bound low halves are refused (Lemire, "Fast random integer
 * generation in an interval", 2019). A refusal takes the next draw. */
static uint32_t draws_below(Draws *draws, uint32_t bound) {
  uint32_t refused = (0u - bound) % bound;
  uint64_t product;
  do
    product = (uint64_t)draws_next(draws) * bound;
  while ((uint32_t)product < refused);
  return (uint32_t)(product >> 32);
}

void rng_permutation(RngKey key, uint32_t n, uint32_t *out) {
  Draws draws = {.key = key};
  for (uint32_t i = 0; i < n; i++)
    out[i] = i;
  for (uint32_t left = n; left > 1; left--) {
    uint32_t pick = draws_below(&draws, left);
    uint32_t entry = out[pick];
    out[pick] = out[left - 1];
    out[left - 1] = entry;
  }
}
