/* Recipes: how a model is carried out in numbers (language.md 7, semantics.md
 * "Recipes"). Part of ir.h, which includes it.
 */
#ifndef SG_IR_RECIPE_H
#define SG_IR_RECIPE_H

#include "ir/base/base.h"
#include "ir/codec.h"

typedef enum {
  SELECT_DEFAULT,
  SELECT_MATMUL,
  SELECT_CONV,
  SELECT_GATHER,
  SELECT_ELEMENTWISE,
  SELECT_REDUCE,
  SELECT_SOFTMAX,
  SELECT_NORM,
  SELECT_LOSS,
  SELECT_PARAM,
  SELECT_STATE,
  SELECT_INPUT,
  SELECT_ACTIVATION,
  SELECT_UPDATE,
  SELECT_PATH,    /* path: names and globs, matched by selector_matches */
  SELECT_GRADIENT /* grad(path) */
} SelectorKind;

typedef struct {
  SelectorKind kind;
  const char *path; /* "net.l3.w", "gpt.**.proj.w", "gpt.layers[0..3]" */
  Span span;
} Selector;

typedef enum {
  SCALING_UNSET,
  SCALING_NONE,
  SCALING_PROPAGATE,
  SCALING_FIXED, /* with has_exponent: fixed(e) */
  SCALING_RMS,
  SCALING_AMAX
} Scaling;

/* How the level of a value, log2 of its predicted root mean square, becomes a
 * whole exponent. Powers of two stay what they are. NEAREST: 2^e below
 * sqrt(2) * 2^e. STOCHASTIC: up with a probability of the fraction of the
 * level, drawn when the program is compiled. */
typedef enum {
  SCALE_DOWN,
  SCALE_NEAREST,
  SCALE_UP,
  SCALE_STOCHASTIC,
  SCALE_ROUNDING_COUNT
} ScaleRounding;

/* The settings of one rule. Unset fields leave earlier rules in force; a rule
 * that names one format sets both directions to it. */
typedef struct {
  Format forward, gradient; /* FORMAT_NONE: unset */
  Format accumulate, wgrad, dgrad;
  Scaling scaling;
  ScaleRounding scale_rounding;
  bool has_exponent;
  int32_t exponent;
  const char *amax_granularity; /* "tensor", "row", ...; NULL: unset */
  int32_t amax_group, amax_history;
  int rescale, rescale_grad; /* Norm, or -1: unset */
  int rescale_auto;          /* `rescale = auto`: 1, `none`: 0, or -1 */
  int32_t every;             /* 0: unset */
  int round;                 /* Rounding, or -1 */
  int overflow;              /* Overflow, or -1 */
  int subnormals;            /* 0, 1, or -1 */
} Settings;

typedef struct {
  VEC(Selector) selector;
  Settings settings;
  bool own; /* written in the main file or --recipe-set: a path that matches
               nothing is an error */
  Span span;
} Rule;

/* A resolved recipe: parents' rules first. The last match wins. */
typedef struct {
  const char *name; /* "fp8", "mnist_fp8" */
  VEC(Rule) rule;
} Recipe;

Settings settings_unset(void);
/* Takes rule `at` out and frees its selectors. */
void recipe_remove_rule(Recipe *recipe, size_t at);
/* Frees the rules, not the recipe itself. */
void recipe_free(Recipe *recipe);
/* Does the path selector match the value or parameter `name`? A selector that
 * names a module matches everything below it. `a[i]` is step `a.i`, `[a..b]`
 * any of a to b - 1, `[*]` any number, `.*` one step, `.**` any number of
 * steps. A name matches all its bindings ('2, '3); helpers (~1) are matched by
 * globs and by what lies above them only. Gradients ("d." names) are
 * matched by their forward name with SELECT_PATH (the gradient format then
 * applies), by SELECT_GRADIENT exactly. */
bool selector_matches(const char *path, const char *name);
/* "e4m3 / e5m2, scale = fixed": as in a rule; `_` is an unset direction. */
void settings_print(Buffer *out, const Settings *settings);
void selector_print(Buffer *out, const Selector *selector);
/* The word for a class or role. */
const char *selector_word(SelectorKind kind);
/* The class or role called `text`; false if there is none. */
bool selector_named(const char *text, SelectorKind *out);
const char *scaling_name(Scaling scaling);
const char *scale_rounding_name(ScaleRounding rounding);
const char *rounding_name(Rounding rounding);
const char *overflow_name(Overflow overflow);

#endif
