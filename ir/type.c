/* Element formats with shapes, interned: equal types are one pointer.
 *
 * The table is a chained hash over format, rank and sizes. Sizes are bounded
 * when a type is made, so that no later product of them can overflow.
 */
#include "ir/ir.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { BUCKETS = 256 };

/* Bytes in the widest format; bounding these for every format means that a
 * change of format never fails. */
#define MAX_BYTES ((int64_t)1 << 47)
#define WIDEST 8

typedef struct TypeEntry {
  Type type;
  struct TypeEntry *next;
} TypeEntry;

typedef struct GranularityEntry {
  Granularity granularity;
  struct GranularityEntry *next;
} GranularityEntry;

struct TypeTable {
  Arena *arena;
  GranularityEntry *granularity; /* few: one for each kind of scale */
  Interner *words;
  TypeEntry *bucket[BUCKETS];
};

TypeTable *type_table_new(Arena *arena) {
  TypeTable *types = NEW(arena, TypeTable);
  types->arena = arena;
  types->words = interner_new(arena);
  return types;
}

Interner *type_table_words(TypeTable *types) {
  return types->words;
}

/* FNV-1a over format and sizes, folded to a bucket. */
static unsigned hash_type(Format format, int rank, const int64_t *dim) {
  uint64_t hash = 14695981039346656037u ^ (uint64_t)format;
  for (int i = 0; i < rank; i++)
    hash = (hash ^ (uint64_t)dim[i]) * 1099511628211u;
  return (unsigned)((hash ^ (hash >> 32)) % BUCKETS);
}

/* The product of the sizes; false if one is negative or it is too large. */
static bool count_elements(int rank, const int64_t *dim, int64_t *out) {
  int64_t count = 1;
  bool empty = false;
  for (int i = 0; i < rank; i++) {
    /* A size of 0 excuses no giant beside it. */
    if (dim[i] < 0 || (dim[i] > 0 && count > MAX_BYTES / WIDEST / dim[i]))
      return false;
    empty |= dim[i] == 0;
    count *= dim[i] > 0 ? dim[i] : 1;
  }
  *out = empty ? 0 : count;
  return true;
}

static bool type_equals(const Type *type, Format format, int rank,
                        const int64_t *dim) {
  if (type->format != format || type->rank != rank)
    return false;
  for (int i = 0; i < rank; i++)
    if (type->dim[i] != dim[i])
      return false;
  return true;
}

/* The one place that makes types: whatever else holds a type holds a checked
 * one. */
const Type *type_make(TypeTable *types, Format format, int rank,
                      const int64_t *dim) {
  int64_t elements;
  if (rank < 0 || rank > MAX_RANK || !count_elements(rank, dim, &elements))
    return NULL;
  TypeEntry **bucket = &types->bucket[hash_type(format, rank, dim)];
  for (TypeEntry *entry = *bucket; entry; entry = entry->next)
    if (type_equals(&entry->type, format, rank, dim))
      return &entry->type;
  TypeEntry *entry = NEW(types->arena, TypeEntry);
  entry->type.format = format;
  entry->type.rank = rank;
  entry->type.elements = elements;
  for (int i = 0; i < rank; i++)
    entry->type.dim[i] = dim[i];
  entry->next = *bucket;
  *bucket = entry;
  return &entry->type;
}

const Type *type_with_format(TypeTable *types, const Type *type,
                             Format format) {
  return type_make(types, format, type->rank, type->dim);
}

const Type *type_scalar(TypeTable *types, Format format) {
  return type_make(types, format, 0, NULL);
}

/* Formats may differ; types of one table only. */
bool type_same_shape(const Type *a, const Type *b) {
  return type_equals(a, a->format, b->rank, b->dim);
}

/* ---- granularity --------------------------------------------------------- */

static bool granularity_equals(const Granularity *a, int rank,
                               const int64_t *block) {
  if (a->rank != rank)
    return false;
  for (int i = 0; i < rank; i++)
    if (a->block[i] != block[i])
      return false;
  return true;
}

static const Granularity *granularity_intern(TypeTable *types, int rank,
                                             const int64_t *block) {
  for (GranularityEntry *at = types->granularity; at; at = at->next)
    if (granularity_equals(&at->granularity, rank, block))
      return &at->granularity;
  GranularityEntry *entry = NEW(types->arena, GranularityEntry);
  entry->granularity.rank = rank;
  for (int i = 0; i < rank; i++)
    entry->granularity.block[i] = block[i];
  entry->next = types->granularity;
  types->granularity = entry;
  return &entry->granularity;
}

bool granularity_make(TypeTable *types, const Type *type, const int64_t *block,
                      const Granularity **out) {
  bool whole = true;
  for (int i = 0; i < type->rank; i++) {
    if (block[i] < 1 || block[i] > type->dim[i] || type->dim[i] % block[i] != 0)
      return false;
    whole &= block[i] == type->dim[i];
  }
  *out = whole ? NULL : granularity_intern(types, type->rank, block);
  return true;
}

bool granularity_fits(const Granularity *granularity, const Type *type) {
  if (!granularity)
    return true;
  if (granularity->rank != type->rank)
    return false;
  for (int i = 0; i < type->rank; i++)
    if (granularity->block[i] > type->dim[i] ||
        type->dim[i] % granularity->block[i] != 0)
      return false;
  return true;
}

void granularity_print(Buffer *out, const Granularity *granularity,
                       const Type *type) {
  for (int i = 0; granularity && i < type->rank; i++) {
    int64_t block = granularity->block[i];
    bool shared = block == type->dim[i];
    buffer_printf(out, "%c%" PRId64, i ? ',' : '[', shared ? 1 : type->dim[i]);
    if (!shared && block != 1)
      buffer_printf(out, "/%" PRId64, block);
  }
  if (granularity)
    buffer_char(out, ']');
}

/* ---- text ---------------------------------------------------------------- */

void type_print(Buffer *out, const Type *type) {
  buffer_text(out, format_info(type->format)->text);
  buffer_char(out, '[');
  for (int i = 0; i < type->rank; i++)
    buffer_printf(out, i > 0 ? ",%" PRId64 : "%" PRId64, type->dim[i]);
  buffer_char(out, ']');
}

/* Bytes of a dense array; 0 at level plain, where nothing is stored. */
size_t type_bytes(const Type *type) {
  return (size_t)type->elements * format_bytes(type->format);
}

bool type_is_real(const Type *type) {
  return type->format == FORMAT_REAL || format_is_float(type->format);
}

bool format_holds(Format format, double value) {
  const FormatInfo *info = format_info(format);
  double exact = 0x1p53, low = 0, high = 1;
  switch (info->kind) {
  case KIND_SCALE:
    return false;
  case KIND_ABSTRACT:
  case KIND_FLOAT:
    high = format == FORMAT_F64
               ? DBL_MAX
               : format_max(format_is_float(format) ? format : FORMAT_F32);
    return fabs(value) <= high;
  case KIND_INT:
    low = -ldexp(1, info->bits - 1);
    high = -low - 1;
    break;
  case KIND_UINT:
    high = ldexp(1, info->bits) - 1;
    break;
  case KIND_BOOL:
    break;
  }
  return value >= low && value <= high && fabs(value) <= exact &&
         value == floor(value);
}
