/* The settings of a recipe rule: `e4m3 / e5m2, acc = f32, scale = fixed`.
 *
 * Formats parse as expressions (`e4m3 / e5m2` is a division to the grammar), so
 * this reads them by their syntax, never evaluating a name.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

/* ---- words -------------------------------------------------------------- */

/* With the list of what is possible. */
static bool fail_word(Elaborator *e, Span span, const char *what,
                      const char *text, const char *const *word, size_t count) {
  Diagnostic error =
      error_begin(e, span, "E0504", "unknown %s `%s`", what, text);
  const char *near = nearest_name(text, word, count);
  if (near)
    error_mark(e, &error, "did you mean `%s`?", near);
  Buffer list = {0};
  for (size_t i = 0; i < count; i++)
    buffer_printf(&list, "%s%s", i ? ", " : "", word[i]);
  error_note(e, &error, "there %s %s", count == 1 ? "is" : "are",
             buffer_take(e, &list));
  error_send(e, &error);
  return false;
}

/* The index of a name in a list of words, -1 after a message. */
static int word_index(Elaborator *e, const Expr *expr, const char *what,
                      const char *const *word, size_t count) {
  for (size_t i = 0; expr->kind == EXPR_NAME && i < count; i++)
    if (strcmp(word[i], expr->text) == 0)
      return (int)i;
  fail_word(e, expr->span, what, expr_text(e, expr), word, count);
  return -1;
}

/* Values are stored in floating-point formats; whole numbers are no choice.
 * f64 is read, for the passes refuse it by name, and not offered. */
static bool format_word(Elaborator *e, const Expr *expr, Format *out) {
  const char *word[FORMAT_COUNT];
  size_t count = 0;
  for (int i = 0; i < FORMAT_COUNT; i++) {
    const char *text = format_info((Format)i)->text;
    bool named = expr->kind == EXPR_NAME && strcmp(text, expr->text) == 0;
    if (named && format_info((Format)i)->kind == KIND_SCALE) {
      fail_scale_format(e, expr->span, (Format)i);
      return false;
    }
    if (!format_is_float((Format)i))
      continue;
    if (named) {
      *out = (Format)i;
      return true;
    }
    if (i != FORMAT_F64)
      word[count++] = text;
  }
  return fail_word(e, expr->span, "format", expr_text(e, expr), word, count);
}

static bool positive_int(Elaborator *e, const Expr *expr, const char *what,
                         int32_t *out) {
  int64_t value;
  if (!eval_int(e, expr, what, &value))
    return false;
  if (value < 1 || value > INT32_MAX) {
    fail(e, expr->span, "E0507", "%s is at least 1, not %" PRId64, what, value);
    return false;
  }
  *out = (int32_t)value;
  return true;
}

/* ---- scale = ... -------------------------------------------------------- */

static const char *const scaling_word[] = {"none", "propagate", "fixed", "rms",
                                           "amax"};
static const Scaling scaling_value[] = {
    SCALING_NONE, SCALING_PROPAGATE, SCALING_FIXED, SCALING_RMS, SCALING_AMAX};

/* Granularity first, then `group` and `history` by name. */
static bool amax_argument(Elaborator *e, const Arg *arg, Settings *out) {
  static const char *const granularity[] = {"tensor", "row", "col"};
  if (!arg->name) {
    int i = word_index(e, arg->value, "granularity", granularity, 3);
    if (i >= 0)
      out->amax_granularity = granularity[i];
    return i >= 0;
  }
  if (strcmp(arg->name, "history") == 0)
    return positive_int(e, arg->value, "history", &out->amax_history);
  if (strcmp(arg->name, "group") == 0) {
    out->amax_granularity = "group";
    return positive_int(e, arg->value, "group", &out->amax_group);
  }
  static const char *const names[] = {"group", "history"};
  return fail_word(e, arg->name_span, "setting of amax", arg->name, names, 2);
}

static bool fixed_argument(Elaborator *e, const Arg *arg, Settings *out) {
  int64_t exponent;
  if (arg->name || arg->next) {
    fail(e, arg->value->span, "E0508", "`fixed` takes one exponent");
    return false;
  }
  if (!eval_int(e, arg->value, "an exponent", &exponent))
    return false;
  if (exponent < EXPONENT_MIN || exponent > EXPONENT_MAX) {
    fail(e, arg->value->span, "E0507",
         "an exponent is from %d to %d, not %" PRId64, EXPONENT_MIN,
         EXPONENT_MAX, exponent);
    return false;
  }
  out->has_exponent = true;
  out->exponent = (int32_t)exponent;
  return true;
}

static bool propagate_argument(Elaborator *e, const Arg *arg, Settings *out) {
  const char *direction[SCALE_ROUNDING_COUNT];
  for (int i = 0; i < SCALE_ROUNDING_COUNT; i++)
    direction[i] = scale_rounding_name((ScaleRounding)i);
  if (arg->name || arg->next) {
    fail(e, arg->value->span, "E0508", "`propagate` takes one direction");
    return false;
  }
  int i =
      word_index(e, arg->value, "direction", direction, SCALE_ROUNDING_COUNT);
  if (i >= 0)
    out->scale_rounding = (ScaleRounding)i;
  return i >= 0;
}

/* Exactly one way of scaling; its arguments belong to it alone. */
static bool set_scale(Elaborator *e, const Expr *expr, Settings *out) {
  bool call = expr->kind == EXPR_CALL;
  int i = word_index(e, call ? expr->left : expr, "scale", scaling_word, 5);
  if (i < 0)
    return false;
  out->scaling = scaling_value[i];
  out->has_exponent = false;
  bool takes = out->scaling != SCALING_NONE && out->scaling != SCALING_RMS;
  if (call && !takes) {
    fail(e, expr->span, "E0508", "`%s` takes no arguments", scaling_word[i]);
    return false;
  }
  bool fine = true;
  for (const Arg *arg = call ? expr->args : NULL; arg; arg = arg->next)
    fine =
        (out->scaling == SCALING_AMAX    ? amax_argument(e, arg, out)
         : out->scaling == SCALING_FIXED ? fixed_argument(e, arg, out)
                                         : propagate_argument(e, arg, out)) &&
        fine;
  return fine;
}

/* ---- the other settings ------------------------------------------------- */

static bool set_accumulate(Elaborator *e, const Expr *expr, Settings *out) {
  return format_word(e, expr, &out->accumulate);
}

static bool set_wgrad(Elaborator *e, const Expr *expr, Settings *out) {
  return format_word(e, expr, &out->wgrad);
}

static bool set_dgrad(Elaborator *e, const Expr *expr, Settings *out) {
  return format_word(e, expr, &out->dgrad);
}

static bool norm_word(Elaborator *e, const Expr *expr, int *out) {
  const char *word[NORM_COUNT];
  for (int i = 0; i < NORM_COUNT; i++)
    word[i] = norm_name((Norm)i);
  *out = word_index(e, expr, "norm", word, NORM_COUNT);
  return *out >= 0;
}

/* A norm, or `auto` and `none`, which speak of no norm. */
static bool set_rescale(Elaborator *e, const Expr *expr, Settings *out) {
  const char *word[NORM_COUNT + 2];
  for (int i = 0; i < NORM_COUNT; i++)
    word[i] = norm_name((Norm)i);
  word[NORM_COUNT] = "none";
  word[NORM_COUNT + 1] = "auto";
  int i = word_index(e, expr, "norm", word, NORM_COUNT + 2);
  if (i >= NORM_COUNT)
    out->rescale_auto = i - NORM_COUNT;
  else
    out->rescale = i;
  return i >= 0;
}

static bool set_rescale_grad(Elaborator *e, const Expr *expr, Settings *out) {
  return norm_word(e, expr, &out->rescale_grad);
}

static bool set_every(Elaborator *e, const Expr *expr, Settings *out) {
  return positive_int(e, expr, "every", &out->every);
}

static bool set_round(Elaborator *e, const Expr *expr, Settings *out) {
  const char *word[ROUNDING_COUNT];
  for (int i = 0; i < ROUNDING_COUNT; i++)
    word[i] = rounding_name((Rounding)i);
  out->round = word_index(e, expr, "rounding", word, ROUNDING_COUNT);
  return out->round >= 0;
}

static bool set_overflow(Elaborator *e, const Expr *expr, Settings *out) {
  const char *word[OVERFLOW_COUNT];
  for (int i = 0; i < OVERFLOW_COUNT; i++)
    word[i] = overflow_name((Overflow)i);
  out->overflow = word_index(e, expr, "overflow", word, OVERFLOW_COUNT);
  return out->overflow >= 0;
}

static bool set_subnormals(Elaborator *e, const Expr *expr, Settings *out) {
  if (expr->kind != EXPR_BOOL) {
    Diagnostic error =
        error_begin(e, expr->span, "E0508", "`subnormals` is true or false");
    error_hint(e, &error, "with `subnormals = false` they become zero");
    error_send(e, &error);
    return false;
  }
  out->subnormals = expr->integer != 0;
  return true;
}

static const struct {
  const char *name;
  bool (*set)(Elaborator *e, const Expr *expr, Settings *out);
} setting[] = {
    {"acc", set_accumulate},    {"wgrad", set_wgrad},
    {"dgrad", set_dgrad},       {"scale", set_scale},
    {"rescale", set_rescale},   {"rescale_grad", set_rescale_grad},
    {"every", set_every},       {"round", set_round},
    {"overflow", set_overflow}, {"subnormals", set_subnormals},
};
enum { SETTINGS = sizeof setting / sizeof setting[0] };

/* The table above is the list. */
static bool named_setting(Elaborator *e, const Arg *arg, Settings *out) {
  const char *word[SETTINGS];
  for (int i = 0; i < SETTINGS; i++) {
    word[i] = setting[i].name;
    if (strcmp(word[i], arg->name) == 0)
      return setting[i].set(e, arg->value, out);
  }
  return fail_word(e, arg->name_span, "setting", arg->name, word, SETTINGS);
}

/* `x : rescale_grad`: a setting without its value. */
static bool fail_no_value(Elaborator *e, const Expr *expr) {
  for (int i = 0; expr->kind == EXPR_NAME && i < SETTINGS; i++) {
    if (strcmp(setting[i].name, expr->text) != 0)
      continue;
    Diagnostic error = error_begin(
        e, expr->span, "E0508", "the setting `%s` needs a value", expr->text);
    error_hint(e, &error, "`%s = ...`", expr->text);
    error_send(e, &error);
    return true;
  }
  return false;
}

/* A format for both directions, or forward / gradient. */
static bool format_setting(Elaborator *e, const Arg *arg, Settings *out) {
  const Expr *expr = arg->value;
  bool divided = expr->kind == EXPR_BINARY && expr->op == BIN_DIV;
  bool third =
      divided && expr->left->kind == EXPR_BINARY && expr->left->op == BIN_DIV;
  if (fail_no_value(e, expr))
    return false;
  if (out->forward != FORMAT_NONE || third) {
    fail(e, expr->span, "E0509", "a rule names one format, or two as `a / b`");
    return false;
  }
  if (divided)
    return format_word(e, expr->left, &out->forward) &&
           format_word(e, expr->right, &out->gradient);
  if (!format_word(e, expr, &out->forward))
    return false;
  out->gradient = out->forward;
  return true;
}

/* Of two the second would overrule the first in silence. */
static bool check_once(Elaborator *e, const Arg *args, const Arg *arg) {
  const Arg *first = args;
  while (first->name != arg->name)
    first = first->next;
  if (first == arg || !arg->name)
    return true;
  Diagnostic error =
      error_begin(e, arg->name_span, "E0221", "`%s` is given twice", arg->name);
  error_label(e, &error, first->name_span, "first here");
  error_send(e, &error);
  return false;
}

/* Unset fields leave earlier rules in force. */
bool settings_parse(Elaborator *e, const Arg *args, Settings *out) {
  *out = settings_unset();
  bool fine = true;
  for (const Arg *arg = args; arg; arg = arg->next)
    fine = (arg->name ? named_setting(e, arg, out)
                      : format_setting(e, arg, out)) &&
           check_once(e, args, arg) && fine;
  return fine;
}
