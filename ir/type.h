/* Element formats with shapes, and which elements of a tensor share an
 * exponent. Part of ir.h, which includes it.
 */
#ifndef SG_IR_TYPE_H
#define SG_IR_TYPE_H

#include "ir/base/base.h"
#include "ir/codec.h"

/* ---- types (type.c) ------------------------------------------------------ */

enum { MAX_RANK = 8 };

/* Element format and shape. Interned: equal types are the same pointer. */
typedef struct {
  Format format;
  int rank;
  int64_t dim[MAX_RANK];
  int64_t elements; /* product of dim; checked when made */
} Type;

typedef struct TypeTable TypeTable;

TypeTable *type_table_new(Arena *arena);
/* The interner that axis patterns of shape rules use. */
Interner *type_table_words(TypeTable *types);
/* NULL if the rank is above MAX_RANK, a size is negative, or the elements would
 * take more than 2^47 bytes in the widest format (so that a change of format
 * never fails). */
const Type *type_make(TypeTable *types, Format format, int rank,
                      const int64_t *dim);
const Type *type_with_format(TypeTable *types, const Type *type, Format format);
const Type *type_scalar(TypeTable *types, Format format);
bool type_same_shape(const Type *a, const Type *b);
/* "f16[128,512]"; `real` prints its word too: "real[128,512]", "f32[]". */
void type_print(Buffer *out, const Type *type);
size_t type_bytes(const Type *type);
/* Are the elements real numbers: `real` or a float format? */
bool type_is_real(const Type *type);
/* Can an element be this number, rounded to the format where it is real? Only
 * finite ones, and whole numbers that binary64 holds exactly. */
bool format_holds(Format format, double value);

/* Which elements of a tensor share one exponent: blocks of block[i] elements
 * along axis i; 1 and the length of a row make one exponent a row. Interned
 * beside the types: equal ones are the same pointer. */
typedef struct {
  int rank;
  int64_t block[MAX_RANK];
} Granularity;

/* `block` has a number for each axis of `type`. False if one does not divide
 * its axis; else *out, which is NULL if all elements share one exponent. */
bool granularity_make(TypeTable *types, const Type *type, const int64_t *block,
                      const Granularity **out);
/* NULL fits all types. */
bool granularity_fits(const Granularity *granularity, const Type *type);
/* "[128,1]", "[128,512/32]": exponents along each axis; nothing for NULL. */
void granularity_print(Buffer *out, const Granularity *granularity,
                       const Type *type);

#endif
