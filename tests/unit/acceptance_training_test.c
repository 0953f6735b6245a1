/* Acceptance 6: from weights of deviation 8, where plain f16 overflows in the
 * first step, scaled f16 trains like f32. Here the evaluator trains a small
 * perceptron on made-up images for some seconds; `sg-bench wide` trains the
 * network of the experiment on real ones.
 */
#include "tests/unit/example_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "ir/rng.h"

enum { BATCH = 32, PIXELS = 64, CLASSES = 4, STEPS = 60, LAST = 20 };

static const char perceptron[] =
    "import nn\nimport optim\n"
    "dataset images {\n"
    "  image: u8[_, 64] = idx(\"images\")\n"
    "  label: u8[_] = idx(\"labels\")\n"
    "}\n"
    "recipe plain16 {\n  default : f16, scale = none, overflow = inf\n}\n"
    "module MLP {\n"
    "  l1: nn.Linear(64, 96, std = 8.0)\n"
    "  l2: nn.Linear(96, 96, std = 8.0)\n"
    "  l3: nn.Linear(96, 4, std = 8.0)\n"
    "  fn forward(image: u8[?b, 64]) -> [b, 4] {\n"
    "    x = relu(l1(real(image) / 255))\n"
    "    return l3(relu(l2(x)))\n"
    "  }\n"
    "}\n"
    "model net: MLP()\n"
    "@steps(60)\n"
    "train fit(batch: images[32]) {\n"
    "  logits = net(batch.image)\n"
    "  loss = cross_entropy(logits, batch.label)\n"
    "  minimize loss with optim.SGD(lr = 0.001)\n"
    "  report loss, right = accuracy(logits, batch.label)\n"
    "}\n";

/* An image is the pattern of its class under noise of the same size. */
static void fill_batch(Trial *t, uint64_t step) {
  RngKey pattern = rng_key(1, 0, 0), noise = rng_key(1, step, 1);
  double *image = t->input[0].data, *label = t->input[1].data;
  for (uint64_t i = 0; i < BATCH; i++) {
    uint64_t class = rng_u32(noise, i) % CLASSES;
    label[i] = (double)class;
    for (uint64_t j = 0; j < PIXELS; j++) {
      uint32_t own = rng_u32(pattern, class * PIXELS + j) % 128;
      uint32_t other = rng_u32(noise, BATCH + i * PIXELS + j) % 128;
      image[i * PIXELS + j] = own + other;
    }
  }
}

static double result(const Trial *t, const char *name) {
  const Tensor *value = trial_value(t, name);
  assert_non_null(value);
  return ldexp(value->data[0], value->exponent);
}

/* The share of right answers over the last steps; *loss is the last. */
static double train(const char *recipe, double *loss) {
  TrialSource source = {.text = perceptron, .recipe = recipe};
  Trial *t = trial_new(&source, PASS_plan);
  assert_int_equal(t->input[0].type->elements, BATCH * PIXELS);
  trial_run(t, PRECISION_EDGES, 0);
  double right = 0;
  for (uint64_t step = 1; step <= STEPS; step++) {
    fill_batch(t, step);
    assert_true(trial_step(t, step));
    if (step > STEPS - LAST)
      right += result(t, "right") / LAST;
  }
  *loss = result(t, "loss");
  trial_free(t);
  printf("%s: %.4f right, loss %g\n", recipe, right, *loss);
  return right;
}

static void acceptance_6_wide_initial_weights(void **state) {
  (void)state;
  double loss, wide = train("f32", &loss);
  assert_true(wide > 0.9 && isfinite(loss));
  assert_true(train("fp16", &loss) >= 0.97 * wide);
  assert_true(isfinite(loss));
  assert_true(train("plain16", &loss) < 0.6 * wide);
  assert_true(isnan(loss));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(acceptance_6_wide_initial_weights),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
