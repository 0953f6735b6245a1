/* The table of attributes.def: neutral values and comparison by field.
 */
#include "ir/ir.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

enum { PLAIN_required = true, PLAIN_optional = false };

static const PlainAttribute table[PLAIN_COUNT] = {
#define ATTRIBUTE(bit, text, kind, field, neutral, presence)                   \
  {text, ATTR(bit), PLAIN_##kind, offsetof(Attributes, field),                 \
   PLAIN_##presence},
#include "ir/attributes.def"
};

const PlainAttribute *plain_attribute(int index) {
  return &table[index];
}

typedef int64_t plain_whole;
typedef double plain_real;
typedef bool plain_flag;
typedef WholeList plain_list;
typedef Format plain_format;

/* No op has attributes of two members of the union. */
#define NUMBERS                                                                \
  (ATTR(AXIS) | ATTR(START) | ATTR(SIZE) | ATTR(LOW) | ATTR(HIGH) |            \
   ATTR(EPS) | ATTR(SMOOTH) | ATTR(PROBABILITY))
#define LISTS (ATTR(WINDOW) | ATTR(STRIDE) | ATTR(PAD) | ATTR(DILATION))
#define HAS(attributes, set) (((attributes) & (set)) != 0)
#define OP(id, text, inputs, attributes, ...)                                  \
  _Static_assert(HAS(attributes, NUMBERS) + HAS(attributes, LISTS) +           \
                         HAS(attributes, ATTR(TERMS)) <=                       \
                     1,                                                        \
                 text);
#include "ir/ops.def"

/* No parameter, pattern or term; nearest and saturating. */
Attributes attributes_neutral(void) {
  Attributes neutral_ones = {.index = -1};
#define ATTRIBUTE(bit, text, kind, field, neutral, presence)                   \
  neutral_ones.field = (plain_##kind)neutral;
#include "ir/attributes.def"
  return neutral_ones;
}

static const size_t plain_size[] = {[PLAIN_whole] = sizeof(plain_whole),
                                    [PLAIN_real] = sizeof(plain_real),
                                    [PLAIN_flag] = sizeof(plain_flag),
                                    [PLAIN_list] = sizeof(plain_list),
                                    [PLAIN_format] = sizeof(plain_format)};

bool plain_equal(const PlainAttribute *plain, const Attributes *a,
                 const Attributes *b) {
  return memcmp((const char *)a + plain->offset,
                (const char *)b + plain->offset, plain_size[plain->kind]) == 0;
}

static void print_list(Buffer *out, const WholeList *list) {
  buffer_char(out, '[');
  for (int i = 0; i < list->count; i++)
    buffer_printf(out, i > 0 ? ", %d" : "%d", list->at[i]);
  buffer_char(out, ']');
}

void plain_print(Buffer *out, const PlainAttribute *plain,
                 const Attributes *attributes) {
  const void *field = (const char *)attributes + plain->offset;
  switch (plain->kind) {
  case PLAIN_whole:
    buffer_printf(out, "%" PRId64, *(const int64_t *)field);
    break;
  case PLAIN_real:
    buffer_float(out, *(const double *)field);
    break;
  case PLAIN_flag:
    buffer_text(out, *(const bool *)field ? "true" : "false");
    break;
  case PLAIN_list:
    print_list(out, field);
    break;
  case PLAIN_format: {
    Format format = *(const Format *)field;
    buffer_text(out,
                format == FORMAT_NONE ? "none" : format_info(format)->text);
    break;
  }
  }
}

void rounding_copy(Attributes *to, const Attributes *from) {
  to->round = from->round;
  to->overflow = from->overflow;
  to->flush = from->flush;
}

bool rounding_is_plain(const Attributes *attr) {
  return attr->round == ROUND_NEAREST && attr->overflow == OVERFLOW_SATURATE &&
         !attr->flush;
}

bool attributes_equal(const Attributes *a, const Attributes *b) {
  for (int i = 0; i < PLAIN_COUNT; i++)
    if (!plain_equal(&table[i], a, b))
      return false;
  return a->index == b->index && a->pattern == b->pattern && a->by == b->by &&
         a->why == b->why && a->round == b->round &&
         a->overflow == b->overflow && a->flush == b->flush &&
         scale_equal(a->term[0], b->term[0]) &&
         scale_equal(a->term[1], b->term[1]) &&
         memcmp(&a->value, &b->value, sizeof a->value) == 0;
}
