/* tanh, sigmoid, erf, sin, cos, pow of ir/f32math: special values, symmetry,
 * errors against the C library's double functions, the ends of their ranges.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "ir/f32math.h"

static uint32_t to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

static const struct {
  const char *name;
  float (*function)(float);
  double (*reference)(double);
  int symmetry; /* -1 odd, 1 even, 0 neither */
} table[] = {{"tanh", f32_tanh, tanh, -1},
             {"sigmoid", f32_sigmoid, sigmoid, 0},
             {"erf", f32_erf, erf, -1},
             {"sin", f32_sin, sin, -1},
             {"cos", f32_cos, cos, 1}};
enum { FUNCTIONS = sizeof table / sizeof *table };

/* Units of the last place between `got` and the exact value. */
static double error_in_ulp(float got, double exact) {
  int exponent = exact == 0 ? -126 : ilogb(exact);
  return fabs((double)got - exact) /
         ldexp(1, (exponent < -126 ? -126 : exponent) - 23);
}

/* Every 4099th bit pattern: all exponents, both signs. */
static void errors_are_half_an_ulp(void **state) {
  (void)state;
  for (int i = 0; i < FUNCTIONS; i++)
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 4099) {
      float x = from_bits((uint32_t)bits);
      double exact = table[i].reference((double)x);
      float y = table[i].function(x);
      if (isnan(exact))
        assert_int_equal(to_bits(y), 0x7FC00000);
      else if (error_in_ulp(y, exact) > 0.502)
        fail_msg("%s(%a) = %a", table[i].name, x, y);
    }
}

static void symmetry_is_exact(void **state) {
  (void)state;
  for (int i = 0; i < FUNCTIONS; i++)
    for (uint32_t bits = 0; table[i].symmetry && bits < 0x7F800000;
         bits += 9973) {
      float y = table[i].function(from_bits(bits));
      float mirrored = table[i].function(-from_bits(bits));
      assert_int_equal(to_bits(mirrored),
                       to_bits(table[i].symmetry < 0 ? -y : y));
    }
}

static void special_values(void **state) {
  (void)state;
  static const float x[] = {0.0f, -0.0f, INFINITY, -INFINITY, FLT_MAX};
  static const float expected[FUNCTIONS][5] = {
      {0.0f, -0.0f, 1, -1, 1},
      {0.5f, 0.5f, 1, 0, 1},
      {0.0f, -0.0f, 1, -1, 1},
      {0.0f, -0.0f, NAN, NAN, -0x1.0b3366p-1f},
      {1, 1, NAN, NAN, 0x1.b4bf2cp-1f}};
  for (int i = 0; i < FUNCTIONS; i++)
    for (int j = 0; j < 5; j++)
      assert_int_equal(to_bits(table[i].function(x[j])),
                       to_bits(isnan(expected[i][j]) ? from_bits(0x7FC00000)
                                                     : expected[i][j]));
}

/* Small numbers come back: the next term is below half a unit. */
static void small_numbers_are_kept(void **state) {
  (void)state;
  for (uint32_t bits = 1; bits < to_bits(0x1p-13f); bits += 4093) {
    float x = from_bits(bits);
    assert_true(f32_tanh(x) == x);
    assert_true(f32_sin(x) == x);
    assert_true(f32_cos(x) == 1);
  }
}

static void powers_have_the_special_values_of_ieee(void **state) {
  (void)state;
  static const float x[] = {0,         -0.0f,    1,        -1,      2,
                            -2,        0.5f,     -0.5f,    3,       -3,
                            1e38f,     -1e38f,   NAN,      1e-40f,  INFINITY,
                            -INFINITY, 16777215, 16777216, 33554432};
  enum { N = sizeof x / sizeof *x };
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      float got = f32_pow(x[i], x[j]);
      float exact = (float)pow((double)x[i], (double)x[j]);
      uint32_t expected = isnan(exact) ? 0x7FC00000 : to_bits(exact);
      if (to_bits(got) != expected)
        fail_msg("%a ** %a = %a, not %a", x[i], x[j], got, exact);
    }
}

static void powers_are_rounded_well(void **state) {
  (void)state;
  uint64_t z = 1;
  for (int i = 0; i < 400000; i++) {
    z = z * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    float x = (float)((z >> 40) + 1) * 0x1p-22f;
    float y = (float)((int32_t)(z >> 8 & 0xFFFFFF) - 0x800000) * 0x1p-18f;
    double exact = pow((double)x, (double)y);
    float got = f32_pow(x, y);
    if (exact >= 0x1.ffffffp127)
      assert_true(isinf(got));
    else if (error_in_ulp(got, exact) > 0.502)
      fail_msg("%a ** %a = %a", x, y, got);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(errors_are_half_an_ulp),
      cmocka_unit_test(symmetry_is_exact),
      cmocka_unit_test(special_values),
      cmocka_unit_test(small_numbers_are_kept),
      cmocka_unit_test(powers_have_the_special_values_of_ieee),
      cmocka_unit_test(powers_are_rounded_well),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
