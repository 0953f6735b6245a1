/* For the tests of scalify, formats, casts, fuse and plan: recipes, runs of
 * several steps, and the comparison of two stages value by value.
 */
#ifndef SG_TESTS_SCALE_SUPPORT_H
#define SG_TESTS_SCALE_SUPPORT_H

#include "tests/unit/pass_support.h"

/* Recipes for the sketch's graph. scaled: f32 with propagated exponents. fp8:
 * operands e4m3, or e5m2 for gradients; values bf16, parameters and states
 * f32; the gradient that leaves the loss is rescaled. */
void recipe_scaled(Sketch *s);
void recipe_fp8(Sketch *s);
/* One more rule for the recipe: a store format, or operands. */
void recipe_store(Sketch *s, const char *selectors, Format format);
void recipe_operands(Sketch *s, Format forward, Format gradient);

/* A parameter that starts from N(0, 2^(2 level)). */
ValueId sketch_normal(Sketch *s, const char *name, Extent extent, double level);

/* Passes `first` .. `last`, each with the verifier behind it. */
void sketch_passes(Sketch *s, PassId first, PassId last);

/* The values of some steps: of each named value, data * 2^exponent. */
typedef struct {
  size_t count;
  const char **name;
  const double **data;
  size_t *length;
} Record;

/* Runs steps 1 .. steps from the initial parameters; records the last step's
 * values and the parameters after it. */
Record sketch_record(Sketch *s, Precision precision, int steps);
/* Those of the last step of s->evaluator, and the parameters as they are. */
Record sketch_values(Sketch *s);
/* How many values the two records have in common; all must agree to the bit. */
size_t record_expect_equal(const Record *a, const Record *b);
/* The rms of a recorded value's data; the value must be there. */
double sketch_rms(Sketch *s, ValueId id);

/* Scale and estimate of a value by name. */
const Node *sketch_node(const Sketch *s, const char *name);
#define assert_exponent(s, name, e)                                            \
  do {                                                                         \
    const Node *found_ = sketch_node((s), (name));                             \
    assert_int_equal(found_->scale.kind, SCALE_NORMAL);                        \
    assert_int_equal(found_->scale.symbol, 0);                                 \
    assert_int_equal(found_->scale.exponent, (e));                             \
  } while (0)

/* The perceptron with a momentum state per layer, `steps` of random images and
 * a second result of rank 2, ready for the pass scalify. */
void sketch_train_step(Sketch *s);

/* A program of random ops over a few shapes, parameters, views and stores in
 * all three phases; rescales where the recipe is to be a scaled one. */
void sketch_random_program(Sketch *s, uint64_t seed, bool rescales);

#endif
