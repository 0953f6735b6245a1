/* ir/rng: published known answers, the meaning of an element number, shapes
 * of the distributions, and permutations against a plain rewriting.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "ir/f32math.h"
#include "ir/rng.h"

/* The vectors that the authors publish with Philox4x32-10. */
static void test_known_answers(void **state) {
  (void)state;
  static const struct {
    uint32_t counter[4];
    RngKey key;
    uint32_t out[4];
  } vectors[] = {
      {{0, 0, 0, 0},
       {{0, 0}},
       {0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}},
      {{0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF},
       {{0xFFFFFFFF, 0xFFFFFFFF}},
       {0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}},
      {{0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344},
       {{0xA4093822, 0x299F31D0}},
       {0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}},
  };
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
    uint32_t out[4];
    rng_philox(vectors[i].key, vectors[i].counter, out);
    assert_memory_equal(out, vectors[i].out, sizeof out);
  }
}

/* FNV-1a's own test vectors. */
static void test_hash_name(void **state) {
  (void)state;
  assert_true(rng_hash_name("") == UINT64_C(0xCBF29CE484222325));
  assert_true(rng_hash_name("a") == UINT64_C(0xAF63DC4C8601EC8C));
  assert_true(rng_hash_name("foobar") == UINT64_C(0x85944171F73967E8));
}

/* The first output of SplitMix64 seeded with 0 is E220A8397B1DCDAF; fed back
 * as step and as name, it cancels the chain to the same output twice. */
static void test_key(void **state) {
  (void)state;
  uint64_t first = UINT64_C(0xE220A8397B1DCDAF);
  RngKey key = rng_key(0, first, first);
  assert_int_equal(key.word[0], 0x7B1DCDAF);
  assert_int_equal(key.word[1], 0xE220A839);
  const RngKey near[] = {rng_key(1, 0, 0), rng_key(0, 1, 0), rng_key(0, 0, 1),
                         rng_key(1, 1, 0), rng_key(0, 0, 0)};
  for (int i = 0; i < 5; i++)
    for (int j = 0; j < i; j++)
      assert_memory_not_equal(&near[i], &near[j], sizeof *near);
}

static void test_elements(void **state) {
  (void)state;
  RngKey key = rng_key(7, 3, rng_hash_name("w"));
  const uint64_t blocks[] = {0, 1, 0xFFFFFFFF, 0x100000000, UINT64_MAX / 4};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
    const uint32_t counter[4] = {(uint32_t)blocks[i],
                                 (uint32_t)(blocks[i] >> 32), 0, 0};
    uint32_t words[4];
    rng_philox(key, counter, words);
    for (uint32_t j = 0; j < 4; j++)
      assert_int_equal(rng_u32(key, blocks[i] * 4 + j), words[j]);
  }
}

static void test_uniform(void **state) {
  (void)state;
  RngKey key = rng_key(1, 0, rng_hash_name("uniform"));
  enum { DRAWS = 1 << 18, BINS = 64 };
  double sum = 0, chi = 0, expected = (double)DRAWS / BINS;
  uint32_t count[BINS] = {0};
  for (uint32_t i = 0; i < DRAWS; i++) {
    float x = rng_uniform(key, i);
    assert_true(x >= 0.0f && x < 1.0f);
    assert_true(x == (float)(rng_u32(key, i) >> 8) / 16777216.0f);
    sum += (double)x;
    count[(int)(x * BINS)]++;
  }
  for (int i = 0; i < BINS; i++)
    chi += (count[i] - expected) * (count[i] - expected) / expected;
  /* Four standard deviations of the mean; chi-square with 63 degrees of
   * freedom stays below 121 with probability 1 - 1e-5. */
  assert_true(fabs(sum / DRAWS - 0.5) < 4 * sqrt(1.0 / 12 / DRAWS));
  assert_true(chi < 121);
}

static void test_normal(void **state) {
  (void)state;
  RngKey key = rng_key(1, 0, rng_hash_name("normal"));
  enum { DRAWS = 1 << 18 };
  double moment[5] = {0};
  uint32_t beyond_two = 0;
  for (uint32_t i = 0; i < DRAWS; i++) {
    double x = (double)rng_normal(key, i);
    assert_true(isfinite(x) && fabs(x) < 6.5);
    double p = ((double)rng_u32(key, i) + 0.5) / 4294967296.0;
    assert_true(x == (double)f32_normal_quantile(p));
    beyond_two += fabs(x) > 2;
    for (int k = 1; k < 5; k++)
      moment[k] += pow(x, k) / DRAWS;
  }
  /* Four standard deviations: the moments' variances are 1, 2, 15, 96. */
  assert_true(fabs(moment[1]) < 4 * sqrt(1.0 / DRAWS));
  assert_true(fabs(moment[2] - 1) < 4 * sqrt(2.0 / DRAWS));
  assert_true(fabs(moment[3]) < 4 * sqrt(15.0 / DRAWS));
  assert_true(fabs(moment[4] - 3) < 4 * sqrt(96.0 / DRAWS));
  double tails = erfc(sqrt(2.0));
  assert_true(fabs((double)beyond_two / DRAWS - tails) <
              4 * sqrt(tails * (1 - tails) / DRAWS));
}

static void check_is_permutation(const uint32_t *entries, uint32_t n) {
  unsigned char *seen = test_calloc(n + 1, 1);
  for (uint32_t i = 0; i < n; i++) {
    assert_true(entries[i] < n && !seen[entries[i]]);
    seen[entries[i]] = 1;
  }
  test_free(seen);
}

static void test_permutation_sizes(void **state) {
  (void)state;
  enum { LARGEST = 60000 };
  const uint32_t sizes[] = {1, 2, 3, 10, 1000, LARGEST};
  uint32_t *out = test_malloc((LARGEST + 1) * sizeof *out);
  RngKey key = rng_key(5, 2, rng_hash_name("shuffle"));
  out[0] = 77;
  rng_permutation(key, 0, out);
  assert_int_equal(out[0], 77);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    out[sizes[i]] = 77;
    rng_permutation(key, sizes[i], out);
    assert_int_equal(out[sizes[i]], 77);
    check_is_permutation(out, sizes[i]);
  }
  test_free(out);
}

/* Fisher-Yates and Lemire's bounded draw once more, from their definitions;
 * large enough that some draws are refused. */
static void test_permutation_definition(void **state) {
  (void)state;
  enum { N = 1 << 19 };
  RngKey key = rng_key(1, 1, rng_hash_name("shuffle"));
  uint32_t *got = test_malloc(N * sizeof *got);
  uint32_t *want = test_malloc(N * sizeof *want);
  uint64_t draw = 0, refusals = 0;
  for (uint32_t i = 0; i < N; i++)
    want[i] = i;
  for (uint64_t left = N; left > 1; left--) {
    uint64_t product = rng_u32(key, draw++) * left;
    while (product % 0x100000000 < 0x100000000 % left) {
      product = rng_u32(key, draw++) * left;
      refusals++;
    }
    uint32_t pick = (uint32_t)(product / 0x100000000);
    uint32_t last = want[left - 1];
    want[left - 1] = want[pick];
    want[pick] = last;
  }
  rng_permutation(key, N, got);
  assert_true(refusals > 0);
  assert_memory_equal(got, want, N * sizeof *got);
  test_free(got);
  test_free(want);
}

/* All 24 permutations of four, equally often. */
static void test_permutation_uniform(void **state) {
  (void)state;
  enum { TRIALS = 24 * 2000 };
  uint32_t count[256] = {0};
  for (uint32_t i = 0; i < TRIALS; i++) {
    uint32_t out[4];
    rng_permutation(rng_key(1, i, 0), 4, out);
    count[out[0] << 6 | out[1] << 4 | out[2] << 2 | out[3]]++;
  }
  double chi = 0;
  int seen = 0;
  for (int i = 0; i < 256; i++)
    if (count[i] > 0) {
      seen++;
      chi += (count[i] - 2000.0) * (count[i] - 2000.0) / 2000.0;
    }
  assert_int_equal(seen, 24);
  assert_true(chi < 61); /* 23 degrees of freedom, probability 1 - 3e-5 */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_known_answers),
      cmocka_unit_test(test_hash_name),
      cmocka_unit_test(test_key),
      cmocka_unit_test(test_elements),
      cmocka_unit_test(test_uniform),
      cmocka_unit_test(test_normal),
      cmocka_unit_test(test_permutation_sizes),
      cmocka_unit_test(test_permutation_definition),
      cmocka_unit_test(test_permutation_uniform),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
