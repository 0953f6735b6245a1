/* Recipes as data: which names a selector means, and settings as text.
 *
 * Only what the IR itself must know; which rule wins for which value is the
 * passes' question (compiler/pass/recipe_query.c).
 */
#include "ir/ir.h"

#include <ctype.h>
#include <string.h>

/* The neutral element: applied over others it changes nothing. */
Settings settings_unset(void) {
  return (Settings){.forward = FORMAT_NONE,
                    .gradient = FORMAT_NONE,
                    .accumulate = FORMAT_NONE,
                    .wgrad = FORMAT_NONE,
                    .dgrad = FORMAT_NONE,
                    .rescale = -1,
                    .rescale_grad = -1,
                    .rescale_auto = -1,
                    .round = -1,
                    .overflow = -1,
                    .subnormals = -1};
}

void recipe_remove_rule(Recipe *recipe, size_t at) {
  Rule *rule = recipe->rule.data + at;
  vec_free(&rule->selector);
  memmove(rule, rule + 1, (recipe->rule.length - at - 1) * sizeof *rule);
  recipe->rule.length--;
}

void recipe_free(Recipe *recipe) {
  for (size_t i = 0; i < recipe->rule.length; i++)
    vec_free(&recipe->rule.data[i].selector);
  vec_free(&recipe->rule);
}

/* ---- selectors ---------------------------------------------------------- */

typedef enum { STEP_WORD, STEP_ONE, STEP_ANY, STEP_RANGE, STEP_BAD } StepKind;

/* One step of a selector path: a word, `.*`, `.**`, or the index steps
 * [low, high) that `[i]`, `[a..b]` and `[*]` stand for. */
typedef struct {
  StepKind kind;
  const char *text;
  size_t length;
  int64_t low, high;
} Step;

/* Stops before it could overflow; the number is then too large to match. */
static int64_t read_number(const char **at) {
  int64_t value = 0;
  while (isdigit((unsigned char)**at) && value < INT32_MAX)
    value = value * 10 + (*(*at)++ - '0');
  return value;
}

/* `at` is behind the `[`. */
static const char *read_index(const char *at, Step *step) {
  step->kind = STEP_RANGE;
  if (*at == '*') {
    step->high = INT64_MAX;
    at++;
  } else if (isdigit((unsigned char)*at)) {
    step->low = read_number(&at);
    step->high = step->low + 1;
    if (strncmp(at, "..", 2) == 0) {
      at += 2;
      step->high = read_number(&at);
    }
  }
  if (*at != ']')
    step->kind = STEP_BAD;
  return *at == ']' ? at + 1 : at;
}

/* Reads one step; returns the rest of the path. */
static const char *read_step(const char *at, Step *step) {
  memset(step, 0, sizeof *step);
  if (*at == '[')
    return read_index(at + 1, step);
  if (*at == '.')
    at++;
  if (*at == '*') {
    step->kind = at[1] == '*' ? STEP_ANY : STEP_ONE;
    return at + (step->kind == STEP_ANY ? 2 : 1);
  }
  step->text = at;
  step->length = strcspn(at, ".[");
  step->kind = step->length ? STEP_WORD : STEP_BAD;
  return at + step->length;
}

/* An index of an array of modules, short enough for read_number. */
static bool all_digits(const char *text, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (!isdigit((unsigned char)text[i]))
      return false;
  return length > 0 && length < 10;
}

/* Does one step match the segment text[0, length) of a name? Marks of
 * rebinding ('2) do not matter; a helper (~1) has no name of its own. */
static bool step_matches(const Step *step, const char *text, size_t length) {
  if (step->kind == STEP_ONE)
    return true;
  if (memchr(text, '~', length))
    return false;
  const char *mark = memchr(text, '\'', length);
  if (mark)
    length = (size_t)(mark - text);
  if (step->kind == STEP_WORD)
    return step->length == length && memcmp(step->text, text, length) == 0;
  if (step->kind != STEP_RANGE || !all_digits(text, length))
    return false;
  int64_t index = read_number(&text);
  return step->low <= index && index < step->high;
}

/* Matches path steps against name segments; a path that ends first names a
 * module above the value, which matches too. */
static bool match_from(const char *path, const char *name) {
  if (*path == '\0')
    return true;
  Step step;
  const char *rest = read_step(path, &step);
  if (step.kind == STEP_BAD)
    return false;
  if (step.kind == STEP_ANY && match_from(rest, name))
    return true;
  if (*name == '\0')
    return false;
  size_t length = strcspn(name, ".");
  const char *next = name + length + (name[length] == '.');
  if (step.kind == STEP_ANY)
    return match_from(path, next);
  return step_matches(&step, name, length) && match_from(rest, next);
}

/* `d.` is tried as part of the name first: a module may be called d. */
bool selector_matches(const char *path, const char *name) {
  if (*path == '\0' || *name == '\0')
    return false;
  if (match_from(path, name))
    return true;
  return strncmp(name, "d.", 2) == 0 && match_from(path, name + 2);
}

static const char *const selector_words[] = {[SELECT_DEFAULT] = "default",
                                             [SELECT_MATMUL] = "matmul",
                                             [SELECT_CONV] = "conv",
                                             [SELECT_GATHER] = "gather",
                                             [SELECT_ELEMENTWISE] =
                                                 "elementwise",
                                             [SELECT_REDUCE] = "reduce",
                                             [SELECT_SOFTMAX] = "softmax",
                                             [SELECT_NORM] = "norm",
                                             [SELECT_LOSS] = "loss",
                                             [SELECT_PARAM] = "param",
                                             [SELECT_STATE] = "state",
                                             [SELECT_INPUT] = "input",
                                             [SELECT_ACTIVATION] = "activation",
                                             [SELECT_UPDATE] = "update"};

const char *selector_word(SelectorKind kind) {
  return selector_words[kind];
}

bool selector_named(const char *text, SelectorKind *out) {
  for (int kind = SELECT_DEFAULT; kind < SELECT_PATH; kind++) {
    if (strcmp(selector_words[kind], text) != 0)
      continue;
    *out = (SelectorKind)kind;
    return true;
  }
  return false;
}

void selector_print(Buffer *out, const Selector *selector) {
  if (selector->kind < SELECT_PATH)
    buffer_text(out, selector_words[selector->kind]);
  else if (selector->kind == SELECT_PATH)
    buffer_text(out, selector->path);
  else
    buffer_printf(out, "grad(%s)", selector->path);
}

/* ---- settings ----------------------------------------------------------- */

/* The words of the settings, indexed by their enums; the reader finds them
 * through setting_word. */
static const char *const scaling_word[] = {[SCALING_UNSET] = "",
                                           [SCALING_NONE] = "none",
                                           [SCALING_PROPAGATE] = "propagate",
                                           [SCALING_FIXED] = "fixed",
                                           [SCALING_RMS] = "rms",
                                           [SCALING_AMAX] = "amax"};
static const char *const scale_rounding_word[] = {"down", "nearest", "up",
                                                  "stochastic"};
static const char *const rounding_word[] = {"nearest", "stochastic", "down"};
static const char *const overflow_word[] = {"saturate", "inf"};

const char *scaling_name(Scaling scaling) {
  return scaling_word[scaling];
}

const char *scale_rounding_name(ScaleRounding rounding) {
  return scale_rounding_word[rounding];
}

const char *rounding_name(Rounding rounding) {
  return rounding_word[rounding];
}

const char *overflow_name(Overflow overflow) {
  return overflow_word[overflow];
}

/* Begins a setting: a comma before all but the first. */
static void begin(Buffer *out, size_t start, const char *name) {
  if (out->length > start)
    buffer_text(out, ", ");
  if (name)
    buffer_printf(out, "%s = ", name);
}

static const char *format_word(Format format) {
  return format == FORMAT_NONE ? "_" : format_info(format)->text;
}

/* `f16` sets both directions, `e4m3 / e5m2` each, `_` leaves one unset. */
static void print_formats(Buffer *out, size_t start, const Settings *settings) {
  if (settings->forward == FORMAT_NONE && settings->gradient == FORMAT_NONE)
    return;
  begin(out, start, NULL);
  buffer_text(out, format_word(settings->forward));
  if (settings->gradient != settings->forward)
    buffer_printf(out, " / %s", format_word(settings->gradient));
}

static void print_format(Buffer *out, size_t start, const char *name,
                         Format format) {
  if (format == FORMAT_NONE)
    return;
  begin(out, start, name);
  buffer_text(out, format_info(format)->text);
}

/* (granularity, group = n, history = h), each where it is set. */
static void print_amax(Buffer *out, const Settings *settings) {
  const char *separator = "(";
  if (settings->amax_granularity) {
    buffer_printf(out, "(%s", settings->amax_granularity);
    separator = ", ";
  }
  if (settings->amax_group) {
    buffer_printf(out, "%sgroup = %d", separator, settings->amax_group);
    separator = ", ";
  }
  if (settings->amax_history) {
    buffer_printf(out, "%shistory = %d", separator, settings->amax_history);
    separator = ", ";
  }
  if (*separator == ',')
    buffer_char(out, ')');
}

/* `scale = ..` with what belongs to its kind in parentheses. */
static void print_scaling(Buffer *out, size_t start, const Settings *settings) {
  if (settings->scaling == SCALING_UNSET)
    return;
  begin(out, start, "scale");
  buffer_text(out, scaling_word[settings->scaling]);
  if (settings->scaling == SCALING_PROPAGATE)
    buffer_printf(out, "(%s)", scale_rounding_word[settings->scale_rounding]);
  else if (settings->scaling == SCALING_FIXED && settings->has_exponent)
    buffer_printf(out, "(%d)", settings->exponent);
  else if (settings->scaling == SCALING_AMAX)
    print_amax(out, settings);
}

static void print_word(Buffer *out, size_t start, const char *name,
                       const char *word) {
  begin(out, start, name);
  buffer_text(out, word);
}

/* In the order of the fields, which is the order in which they read back. */
void settings_print(Buffer *out, const Settings *settings) {
  size_t start = out->length;
  print_formats(out, start, settings);
  print_format(out, start, "acc", settings->accumulate);
  print_format(out, start, "wgrad", settings->wgrad);
  print_format(out, start, "dgrad", settings->dgrad);
  print_scaling(out, start, settings);
  if (settings->rescale_auto >= 0)
    print_word(out, start, "rescale", settings->rescale_auto ? "auto" : "none");
  if (settings->rescale >= 0)
    print_word(out, start, "rescale", norm_name((Norm)settings->rescale));
  if (settings->rescale_grad >= 0)
    print_word(out, start, "rescale_grad",
               norm_name((Norm)settings->rescale_grad));
  if (settings->every > 0) {
    begin(out, start, "every");
    buffer_printf(out, "%d", settings->every);
  }
  if (settings->round >= 0)
    print_word(out, start, "round", rounding_word[settings->round]);
  if (settings->overflow >= 0)
    print_word(out, start, "overflow", overflow_word[settings->overflow]);
  if (settings->subnormals >= 0)
    print_word(out, start, "subnormals",
               settings->subnormals ? "true" : "false");
}
