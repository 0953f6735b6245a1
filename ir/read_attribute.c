/* Reading .sgir: the attributes of an operation, `name = value`.
 *
 * Those of attributes.def are read by their kind; whether a value makes sense
 * for the op, its shape rule says.
 */
#include "ir/read_op.h"

#include <math.h>
#include <string.h>

bool attribute_word(const Operand *value, const char *word) {
  return value->kind == OPERAND_WORD && strcmp(value->word.text, word) == 0;
}

/* The word's place in a list, or an error that gives the list. */
static int word_at(OpText *op, const Operand *value, const char *what,
                   int count, const char *(*name)(int)) {
  Buffer list = {0};
  for (int i = 0; i < count; i++) {
    if (attribute_word(value, name(i))) {
      buffer_free(&list);
      return i;
    }
    buffer_printf(&list, "%s%s",
                  i == 0          ? ""
                  : i + 1 < count ? ", "
                                  : " or ",
                  name(i));
  }
  read_error(op->reader, value->span, "E0803", "`%s` is %s", what, list.data);
  buffer_free(&list);
  return 0;
}

static const char *norm_at(int i) {
  return norm_name((Norm)i);
}

static void set_by(OpText *op, const Operand *value) {
  op->node->attr.by = (Norm)word_at(op, value, "by", NORM_COUNT, norm_at);
}

static const char *why_at(int i) {
  return why_name((Why)i);
}

static void set_why(OpText *op, const Operand *value) {
  op->node->attr.why = (Why)word_at(op, value, "why", WHY_COUNT, why_at);
}

static const char *rounding_at(int i) {
  return rounding_name((Rounding)i);
}

static void set_round(OpText *op, const Operand *value) {
  op->node->attr.round =
      (Rounding)word_at(op, value, "round", ROUNDING_COUNT, rounding_at);
}

static const char *overflow_at(int i) {
  return overflow_name((Overflow)i);
}

static void set_overflow(OpText *op, const Operand *value) {
  op->node->attr.overflow =
      (Overflow)word_at(op, value, "overflow", OVERFLOW_COUNT, overflow_at);
}

static const char *truth_at(int i) {
  return i ? "false" : "true";
}

static void set_subnormals(OpText *op, const Operand *value) {
  op->node->attr.flush = word_at(op, value, "subnormals", 2, truth_at) != 0;
}

/* Kept as text until the node is there to compare with. */
static void set_shift(OpText *op, const Operand *value) {
  op->shift = value;
  bool whole = value->kind == OPERAND_NUMBER && value->whole;
  if (!whole && value->kind != OPERAND_TERM)
    read_error(op->reader, value->span, "E0806", "a shift is an exponent");
}

/* Consumed by autodiff, so only the forward pass at level plain has it. */
static void set_remat(OpText *op, const Operand *value) {
  const SgirReader *reader = op->reader;
  if (reader->program->level != LEVEL_PLAIN || op->node->phase != PHASE_FORWARD)
    read_error(op->reader, value->span, "E0803",
               "`remat` is for phase forward at level plain");
  else if (value->kind != OPERAND_STRING || !remat_is_path(value->word.text))
    read_error(op->reader, value->span, "E0803",
               "`remat` is the path of a region, such as \"net/attn\"");
  op->node->remat = value->word.text;
}

/* A name, not an operand: there may be no such value any more. What is there
 * is compared by the verifier. */
static void set_again(OpText *op, const Operand *value) {
  if (op->node->phase != PHASE_BACKWARD)
    read_error(op->reader, value->span, "E0803",
               "`again` is for phase backward");
  else if (value->kind != OPERAND_VALUE)
    read_error(op->reader, value->span, "E0803", "`again` is a value, as %%x");
  op->node->again = value->word.text;
}

/* The attributes by name that are no rows of attributes.def. */
static const struct {
  const char *name;
  AttributeSet bit;
  void (*set)(OpText *op, const Operand *value);
} attribute[] = {
    {"by", ATTR(BY), set_by},
    {"why", ATTR(WHY), set_why},
    {"round", ATTR(ROUND), set_round},
    {"overflow", ATTR(OVERFLOW), set_overflow},
    {"subnormals", ATTR(SUBNORMALS), set_subnormals},
    {"shift", ATTR(SHIFT), set_shift},
    {"remat", ATTR(REMAT), set_remat},
    {"again", ATTR(AGAIN), set_again},
};
enum { SPECIAL = sizeof attribute / sizeof *attribute };

/* May the op have it, and is this the first time? */
static bool accept_attribute(OpText *op, const Word *name, AttributeSet bit) {
  bool known = node_attributes(op->reader->program->level, op->node) & bit;
  bool again = op->given & bit;
  op->given |= bit;
  if (!known)
    read_error(op->reader, name->span, "E0803", "`%s` has no attribute `%s`",
               op_info(op->node->op)->text, name->text);
  else if (again)
    read_error(op->reader, name->span, "E0803", "attribute `%s` is given twice",
               name->text);
  return known && !again;
}

void read_list_number(SgirReader *reader, Span span, WholeList *list,
                      int64_t number) {
  if (list->count == MAX_SPATIAL)
    read_error(reader, span, "E0803", "a list has at most %d numbers",
               MAX_SPATIAL);
  else if (number > INT32_MAX)
    read_error(reader, span, "E0803", "this number is too large");
  else
    list->at[list->count++] = (int32_t)number;
}

static bool set_flag(const Operand *value, bool *out) {
  *out = attribute_word(value, "true");
  return *out || attribute_word(value, "false");
}

/* Whether it makes sense for the op, the shape rule says. */
static void set_plain(OpText *op, const PlainAttribute *plain,
                      const Operand *value) {
  void *field = (char *)&op->node->attr + plain->offset;
  static const char *const want[] = {[PLAIN_whole] = "a whole number",
                                     [PLAIN_real] = "a number",
                                     [PLAIN_flag] = "true or false",
                                     [PLAIN_list] = "a list, such as [2, 2]",
                                     [PLAIN_format] = "a format"};
  bool good = false;
  if (plain->kind == PLAIN_whole && value->kind == OPERAND_NUMBER &&
      value->whole && fabs(value->number) <= 0x1p53) {
    *(int64_t *)field = (int64_t)value->number;
    good = true;
  } else if (plain->kind == PLAIN_real && value->kind == OPERAND_NUMBER) {
    *(double *)field = value->number;
    good = true;
  } else if (plain->kind == PLAIN_flag) {
    good = set_flag(value, field);
  } else if (plain->kind == PLAIN_list && value->kind == OPERAND_LIST) {
    *(WholeList *)field = value->list;
    good = true;
  }
  if (plain->kind == PLAIN_format && value->kind == OPERAND_WORD) {
    *(Format *)field = read_format(op->reader, value->word);
    good = true;
  }
  if (!good)
    read_error(op->reader, value->span, "E0803", "`%s` is %s", plain->text,
               want[plain->kind]);
}

static void unknown_attribute(OpText *op, const Word *name) {
  const char *names[SPECIAL + PLAIN_COUNT];
  for (size_t i = 0; i < SPECIAL; i++)
    names[i] = attribute[i].name;
  for (size_t i = 0; i < PLAIN_COUNT; i++)
    names[SPECIAL + i] = plain_attribute((int)i)->text;
  read_error_near(op->reader, name->span, "E0803", "",
                  nearest_name(name->text, names, SPECIAL + PLAIN_COUNT),
                  "there is no attribute `%s`", name->text);
}

/* Each at most once, and only on ops that have it. */
void read_attribute(OpText *op, const Argument *argument) {
  const Word *name = &argument->name;
  for (size_t i = 0; i < SPECIAL; i++)
    if (strcmp(attribute[i].name, name->text) == 0) {
      if (accept_attribute(op, name, attribute[i].bit))
        attribute[i].set(op, argument->value);
      return;
    }
  for (int i = 0; i < PLAIN_COUNT; i++) {
    const PlainAttribute *plain = plain_attribute(i);
    if (strcmp(plain->text, name->text) != 0)
      continue;
    if (accept_attribute(op, name, plain->bit))
      set_plain(op, plain, argument->value);
    return;
  }
  unknown_attribute(op, name);
}

/* What the op cannot do without. */
void check_presence(const OpText *op) {
  const OpInfo *info = op_info(op->node->op);
  AttributeSet missing = info->attributes & ~op->given;
  const char *what = missing & ATTR(PATTERN) ? "pattern"
                     : missing & ATTR(BY)    ? "attribute `by`"
                                             : NULL;
  if (what)
    read_error(op->reader, op->span, "E0803", "`%s` needs its %s", info->text,
               what);
  for (int i = 0; i < PLAIN_COUNT; i++) {
    const PlainAttribute *plain = plain_attribute(i);
    if (plain->required && (missing & plain->bit))
      read_error(op->reader, op->span, "E0803", "`%s` needs its attribute `%s`",
                 info->text, plain->text);
  }
}
