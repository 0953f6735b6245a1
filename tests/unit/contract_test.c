/* Contractions against a loop of fmaf, bit for bit: sizes around every edge of
 * the tiling, every order of axes, every format, several instruction sets, any
 * split of the units among threads.
 */
#include "tests/unit/contract_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const char *const march_table[] = {"x86-64-v3", "native", "x86-64"};

typedef void AddTrials(Bench *bench);

/* Without FMA each multiply-add of strict code is a call: small sizes only. */
static void each_march(AddTrials *add, int marches) {
  for (int m = 0; m < marches; m++) {
    if (!workshop_runs(march_table[m]))
      continue;
    Bench *bench = bench_new(march_table[m], true);
    add(bench);
    bench_check(bench);
    bench_free(bench);
  }
}

static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

static Format some_format(uint64_t *state) {
  static const Format format[] = {FORMAT_F32,  FORMAT_E4M3, FORMAT_F32,
                                  FORMAT_E5M2, FORMAT_BF16, FORMAT_F16};
  return format[next_random(state) % 6];
}

static int64_t up_to(uint64_t *state, uint64_t most) {
  return (int64_t)(next_random(state) % most) + 1;
}

/* ---- matrix products ---------------------------------------------------- */

/* The four that layers need, forward and backward; letters are numbered in
 * order of appearance, so the sizes are m, k, n or the like. */
static const char *const product_table[] = {
    "b i, o i -> b o", "b i, i o -> b o", "b o, b i -> o i",
    "b o, o i -> b i", "i b, i o -> b o", "o i, b i -> b o"};

static void add_products(Bench *bench) {
  uint64_t state = 5;
  for (int i = 0; i < 48; i++) {
    Trial trial = {
        .pattern = product_table[i % 6],
        .size = {up_to(&state, 40), up_to(&state, 70), up_to(&state, 40)},
        .format = {some_format(&state), some_format(&state)},
        .shift = i % 3 - 1};
    if (i % 4 == 0) {
      trial.bias = true;
      trial.result = i % 8 ? FORMAT_E4M3 : FORMAT_BF16;
    }
    bench_add(bench, trial);
  }
}

static void products_of_any_size(void **state) {
  (void)state;
  each_march(add_products, 3);
}

/* Sizes at the edges of vectors, tiles and panels. */
static void add_edges(Bench *bench) {
  static const int64_t size[] = {1, 2, 15, 16, 17, 31, 32, 33, 48, 64};
  uint64_t state = 6;
  for (int i = 0; i < 10; i++)
    for (int j = 0; j < 4; j++)
      bench_add(bench,
                (Trial){.pattern = product_table[(i + j) % 4],
                        .size = {size[next_random(&state) % 10],
                                 size[next_random(&state) % 10], size[i]},
                        .format = {some_format(&state), some_format(&state)}});
}

static void products_at_the_edges_of_tiles(void **state) {
  (void)state;
  each_march(add_edges, 2);
}

/* Default code multiplies and adds apart where the target must. */
static void products_without_fma_are_near(void **state) {
  (void)state;
  Bench *bench = bench_new("x86-64", false);
  add_products(bench);
  bench_check(bench);
  bench_free(bench);
}

/* ---- other patterns ----------------------------------------------------- */

static void add_patterns(Bench *bench) {
  static const Trial trial[] = {
      /* Several axes of one kind. */
      {"a b i, o i -> a b o", {3, 5, 17, 35}, {0}, 0, false, 0},
      {"a b o, a b i -> o i", {3, 5, 19, 33}, {0}, 0, false, 0},
      {"a b i, o p i -> a b o p", {3, 4, 9, 5, 7}, {0}, 0, false, 0},
      {"a b i j, i j o -> a b o", {2, 3, 4, 5, 18}, {0}, 0, true, FORMAT_E5M2},
      /* Contracted axes that lie apart, in either operand. */
      {"a o b, a b i -> o i", {3, 21, 6, 34}, {0}, 0, false, 0},
      {"i j b, o j i -> b o", {4, 5, 18, 20}, {0}, 0, false, 0},
      {"a o b, b i a -> o i", {5, 14, 7, 33}, {0}, 0, false, 0},
      /* Batches. */
      {"a b i, a o i -> a b o", {4, 15, 18, 17}, {0}, 0, false, 0},
      {"b i a, o a i -> a b o", {5, 12, 3, 20}, {0}, 0, true, FORMAT_F16},
      {"a b i, a o i -> b a o", {3, 7, 8, 19}, {0}, 0, false, 0},
      {"b i a, o i a -> b o a", {3, 4, 5, 6}, {0}, 0, false, 0},
      {"h q d, h k d -> h q k", {3, 14, 16, 40}, {0}, 0, false, 0},
      {"b q h d, b k h d -> b h q k", {2, 5, 3, 8, 17}, {0}, 0, false, 0},
      {"b h q k, b k h d -> b q h d", {2, 3, 5, 17, 20}, {0}, 0, false, 0},
      /* The result's axes in another order. */
      {"b i, o i -> o b", {35, 12, 20}, {0}, 0, false, 0},
      {"a b i, o i -> a o b", {3, 20, 6, 7}, {0}, 0, false, 0},
      {"a b i, o i -> o a b", {3, 20, 6, 7}, {0}, 0, false, 0},
      {"a b i, o i -> b o a", {19, 3, 6, 7}, {0}, 0, false, 0},
      /* No rows, no columns, nothing to contract, sizes of 1. */
      {"i, o i -> o", {33, 21}, {0}, 0, true, FORMAT_E4M3},
      {"b i, i -> b", {33, 21}, {0}, 0, false, 0},
      {"i, i ->", {300}, {0}, 0, false, 0},
      {"b, o -> b o", {20, 35}, {0}, 0, false, 0},
      {"b, b -> b", {50}, {0}, 0, false, 0},
      {"a b i, o i -> a b o", {1, 1, 9, 40}, {0}, 0, false, 0},
      {"b i, o i -> b o", {9, 1, 1}, {0}, 0, false, 0},
      {"b i, o i -> b o", {1, 1, 1}, {0}, 0, false, 0},
      /* A letter that one operand alone has and the result has not. */
      {"b i, o -> b o", {7, 9, 20}, {0}, 0, false, 0},
      {"b i j, o j -> b o", {7, 5, 6, 20}, {0}, 0, false, 0},
  };
  uint64_t state = 9;
  for (size_t i = 0; i < sizeof trial / sizeof *trial; i++)
    for (int formats = 0; formats < 2; formats++) {
      Trial one = trial[i];
      for (int k = 0; k < 2; k++)
        one.format[k] = formats ? some_format(&state) : FORMAT_F32;
      bench_add(bench, one);
    }
}

static void patterns_of_any_form(void **state) {
  (void)state;
  each_march(add_patterns, 3);
}

/* ---- depth -------------------------------------------------------------- */

/* More contracted indices than are done in one go, and rows that are copied
 * because they lie badly. */
static void add_deep(Bench *bench) {
  bench_add(bench, (Trial){.pattern = "b i, o i -> b o",
                           .size = {30, 9000, 37},
                           .format = {FORMAT_F32, FORMAT_E4M3}});
  bench_add(bench, (Trial){.pattern = "b o, b i -> o i",
                           .size = {9001, 5, 33},
                           .format = {FORMAT_E5M2, FORMAT_E4M3},
                           .bias = true,
                           .result = FORMAT_E4M3});
  bench_add(bench, (Trial){.pattern = "b i, o i -> b o",
                           .size = {40, 1024, 200},
                           .format = {FORMAT_F32, FORMAT_F32}});
  bench_add(bench, (Trial){.pattern = "b i, o i -> b o",
                           .size = {300, 1024, 160},
                           .format = {FORMAT_BF16, FORMAT_BF16}});
}

static void deep_products(void **state) {
  (void)state;
  each_march(add_deep, 2);
}

/* A perceptron of 784, 512, 512, 10 on 128 images, forward and backward. */
static void add_perceptron(Bench *bench) {
  static const Trial trial[] = {
      {"b i, o i -> b o",
       {128, 784, 512},
       {FORMAT_E4M3, FORMAT_E4M3},
       -3,
       true,
       FORMAT_BF16},
      {"b i, o i -> b o",
       {128, 512, 10},
       {FORMAT_F32, FORMAT_F32},
       0,
       false,
       0},
      {"b o, o i -> b i",
       {128, 10, 512},
       {FORMAT_E5M2, FORMAT_E4M3},
       2,
       false,
       0},
      {"b o, o i -> b i",
       {128, 512, 512},
       {FORMAT_E5M2, FORMAT_E4M3},
       2,
       false,
       0},
      {"b o, b i -> o i",
       {128, 512, 784},
       {FORMAT_E5M2, FORMAT_E4M3},
       0,
       false,
       0},
      {"b o, b i -> o i",
       {128, 10, 512},
       {FORMAT_E5M2, FORMAT_E4M3},
       0,
       false,
       0},
  };
  for (size_t i = 0; i < sizeof trial / sizeof *trial; i++)
    bench_add(bench, trial[i]);
}

static void products_of_a_perceptron(void **state) {
  (void)state;
  each_march(add_perceptron, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products_of_any_size),
      cmocka_unit_test(products_without_fma_are_near),
      cmocka_unit_test(products_at_the_edges_of_tiles),
      cmocka_unit_test(patterns_of_any_form),
      cmocka_unit_test(deep_products),
      cmocka_unit_test(products_of_a_perceptron),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
