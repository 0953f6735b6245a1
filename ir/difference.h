/* What two programs, or one before and after a pass, differ in, value by value.
 */
#ifndef SG_IR_DIFFERENCE_H
#define SG_IR_DIFFERENCE_H

#include "ir/ir.h"

/* What is said of each parameter and value of a program, as text: nothing of
 * the program itself is kept. */
typedef struct Facts Facts;

/* The facts of what the options select (filter and phase; NULL: everything).
 * Lives in `arena`. */
Facts *facts_read(Arena *arena, const Program *program,
                  const PrintOptions *options);

typedef struct {
  size_t changed, added, removed;
} DifferenceCount;

/* Appends one line for each difference, matched by name within its entry. */
DifferenceCount facts_compare(Buffer *out, const Facts *before,
                              const Facts *after);

#endif
