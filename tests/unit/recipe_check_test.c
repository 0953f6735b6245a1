/* What recipes may not say (compiler/pass/recipe_check.c): rules that name
 * nothing, that are not carried out, or that stand in the wrong place. All on
 * the step of the listings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/recipe_support.h"

static bool checked(Sketch *s) {
  PassContext context = {s->program, s->arena, s->diagnostics};
  return recipe_check(&context);
}

/* One more rule; the check must fail with this text. */
static void refused(const char *selectors, Settings settings,
                    const char *text) {
  Sketch *s = step_new();
  assert_true(checked(s));
  sketch_rule(s, selectors, settings);
  assert_false(checked(s));
  assert_true(s->errors > 0);
  if (!strstr(s->messages.data, text))
    fail_msg("expected %s:\n%s", text, s->messages.data);
  sketch_free(s);
}

static void accepted(const char *selectors, Settings settings) {
  Sketch *s = step_new();
  sketch_rule(s, selectors, settings);
  if (!checked(s))
    fail_msg("%s: %s", selectors, s->messages.data);
  sketch_free(s);
}

static void paths_must_name_something(void **state) {
  (void)state;
  Settings f16 = format(FORMAT_F16);
  refused("net.l4.w", f16, "no value or parameter is named net.l4.w");
  refused("net.l1.v", f16, "did you mean `net.l1.");
  refused("nett", f16, "did you mean `net`?");
  refused("grad(logit)", f16, "did you mean `grad(logits)`?");
  refused("net.h, net.l4.w", f16, "net.l4.w");
  refused("net.l4.w", f16, "E0502");
  refused("net.l4.w", f16, "sgc sketch.sg --emit=names");
  accepted("net.l1", f16);
  accepted("net.**.w", f16);
  accepted("logits", f16);
  accepted("net.l2.y", f16);
  accepted("gather, conv, state", f16);
}

static void inherited_paths_may_name_nothing(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "net.l4.w", format(FORMAT_F16));
  Recipe *recipe = &s->program->recipe.data[1];
  recipe->rule.data[recipe->rule.length - 1].own = false;
  assert_true(checked(s));
  sketch_free(s);
}

static void unused_recipes_are_not_checked(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_recipe(s, "other");
  sketch_rule(s, "net.l4.w", format(FORMAT_F16));
  sketch_graph(s)->recipe = s->program->recipe.data[1].name;
  assert_true(checked(s));
  sketch_free(s);
}

static void what_is_not_carried_out_is_refused(void **state) {
  (void)state;
  Settings settings = scaling(SCALING_AMAX);
  settings.amax_granularity = "row";
  refused("matmul", settings, "one exponent for each tensor");
  settings = scaling(SCALING_AMAX);
  settings.amax_granularity = "group";
  settings.amax_group = 32;
  refused("net.l1.w", settings, "one exponent for each tensor");
  settings = settings_unset();
  settings.accumulate = FORMAT_F16;
  refused("matmul", settings, "`acc` is f32: all arithmetic is in f32");
  refused("default", format(FORMAT_F64),
          "values are stored and read in floating-point");
  settings.accumulate = FORMAT_F32;
  accepted("matmul", settings);
  accepted("default, conv, gather, elementwise, update, net.l1", settings);
  settings = settings_unset();
  settings.round = ROUND_DOWN;
  settings.overflow = OVERFLOW_INF;
  settings.subnormals = 0;
  accepted("matmul, conv, default, net.l1, grad(net.h), param", settings);
  refused("update", settings, "of `update` are not carried out");
  accepted("param", scaling(SCALING_FIXED));
}

static void measured_scales_have_their_places(void **state) {
  (void)state;
  Settings rms = scaling(SCALING_RMS), amax = scaling(SCALING_AMAX);
  accepted("matmul, conv", amax);
  accepted("param, state, net.l1.w", rms);
  accepted("net.h, grad(net.h), net.l1", amax);
  accepted("input, activation, softmax", rms);
  refused("default", rms, "`default` propagates");
  Settings wide = amax;
  wide.forward = wide.gradient = FORMAT_BF16;
  refused("matmul", wide, "need no scale");
  accepted("net.h", wide);
  wide.gradient = FORMAT_E5M2;
  accepted("matmul", wide);
  Settings delayed = amax;
  delayed.amax_history = 16;
  accepted("matmul, net.h", delayed);
  refused("state", delayed, "`history` is for");
  refused("net.l1.w", delayed, "`history` is for");
  delayed.every = 4;
  refused("matmul", delayed, "a history is of every step");
  delayed.every = 0;
  delayed.amax_history = EXPONENT_HISTORY + 1;
  refused("matmul", delayed, "a history has up to");
  Settings every = rescale(-1, NORM_L2);
  every.every = 16;
  accepted("loss", every);
  every = settings_unset();
  every.every = 16;
  refused("loss", every, "`every` belongs to");
}

static void inherited_settings_are_refused_too(void **state) {
  (void)state;
  Sketch *s = step_new();
  Settings rows = scaling(SCALING_AMAX);
  rows.amax_granularity = "row";
  sketch_rule(s, "matmul", rows);
  Recipe *recipe = &s->program->recipe.data[1];
  recipe->rule.data[recipe->rule.length - 1].own = false;
  assert_false(checked(s));
  assert_non_null(strstr(s->messages.data, "recipe mine, rule `matmul`"));
  sketch_free(s);
}

static void misplaced_rescales_are_refused(void **state) {
  (void)state;
  refused("default", rescale(NORM_L2, -1), "a rescale is placed by");
  refused("matmul", rescale(-1, NORM_L2), "a rescale is placed by");
  refused("loss", rescale(NORM_L2, -1), "takes `rescale_grad`");
  refused("update", rescale(-1, NORM_L2), "`update` takes `rescale`");
  refused("net.l1.w", rescale(NORM_L2, -1), "keep their exponents");
  accepted("net.l1.w", rescale(-1, NORM_L2));
  accepted("net.h", rescale(NORM_L2, -1));
  accepted("update", rescale(NORM_L2, -1));
  accepted("grad(net.h)", rescale(NORM_L2, -1));
}

static void automatic_rescales_are_for_default(void **state) {
  (void)state;
  Settings settings = settings_unset();
  settings.rescale_auto = 1;
  accepted("default", settings);
  refused("matmul", settings, "`rescale = auto` and `rescale = none` are for");
  refused("default, net.h", settings, "are for `default`");
  settings.scaling = SCALING_NONE;
  refused("default", settings, "a rescale needs scales");
}

static void a_rescale_needs_scales(void **state) {
  (void)state;
  Sketch *s = step_new();
  sketch_rule(s, "loss", rescale(-1, NORM_L2));
  sketch_rule(s, "default", scaling(SCALING_NONE));
  assert_false(checked(s));
  assert_non_null(strstr(s->messages.data, "a rescale needs scales"));
  sketch_free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(paths_must_name_something),
      cmocka_unit_test(inherited_paths_may_name_nothing),
      cmocka_unit_test(unused_recipes_are_not_checked),
      cmocka_unit_test(what_is_not_carried_out_is_refused),
      cmocka_unit_test(measured_scales_have_their_places),
      cmocka_unit_test(inherited_settings_are_refused_too),
      cmocka_unit_test(misplaced_rescales_are_refused),
      cmocka_unit_test(automatic_rescales_are_for_default),
      cmocka_unit_test(a_rescale_needs_scales),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
