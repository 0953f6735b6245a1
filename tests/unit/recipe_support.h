/* For the tests of recipes: settings in short, and the step of the listings
 * under a recipe with rules to come.
 */
#ifndef SG_TESTS_RECIPE_SUPPORT_H
#define SG_TESTS_RECIPE_SUPPORT_H

#include "tests/unit/pass_support.h"

static inline Settings formats(Format forward, Format gradient) {
  Settings settings = settings_unset();
  settings.forward = forward;
  settings.gradient = gradient;
  return settings;
}

static inline Settings format(Format both) {
  return formats(both, both);
}

static inline Settings scaling(Scaling kind) {
  Settings settings = settings_unset();
  settings.scaling = kind;
  return settings;
}

static inline Settings rescale(int value, int gradient) {
  Settings settings = settings_unset();
  settings.rescale = value;
  settings.rescale_grad = gradient;
  return settings;
}

/* The perceptron after autodiff, under a recipe with rules to come. */
static inline Sketch *step_new(void) {
  Sketch *s = sketch_new(ENTRY_TRAIN);
  sketch_perceptron(s);
  sketch_pass(s, PASS_simplify);
  sketch_pass(s, PASS_autodiff);
  sketch_recipe(s, "mine");
  Settings settings = format(FORMAT_BF16);
  settings.scaling = SCALING_PROPAGATE;
  sketch_rule(s, "default", settings);
  return s;
}

#endif
