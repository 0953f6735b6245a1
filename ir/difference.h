/* What two programs, or one before and after a pass, differ in, value by value.
 */
#ifndef SG_IR_DIFFERENCE_H
#define SG_IR_DIFFERENCE_H

#include "ir/ir.h"

/* What is said of each parameter and value of a program, as text: nothing of
 * the program itself is kept. */
typedef struct Facts Facts;

/* In what a value may differ. */
typedef enum {
  FACT_OP,
  FACT_OPERANDS,
  FACT_SHAPE,
  FACT_FORMAT,
  FACT_READS, /* the formats in which a product reads its operands */
  FACT_ROUND, /* how what is stored or cast rounds */
  FACT_EXPONENT,
  FACT_SHIFT,
  FACT_KERNEL,
  FACTS
} Fact;
extern const char *const fact_name[FACTS];

/* The facts of what the options select (filter and phase; NULL: everything).
 * `values_only`: of parameters and values, not of what else there is. Lives in
 * `arena`. */
Facts *facts_read(Arena *arena, const Program *program,
                  const PrintOptions *options, bool values_only);
/* How many values `op` makes, and how many operands are read in a format of
 * their own. */
size_t facts_ops(const Facts *facts, const char *op);
size_t facts_reads(const Facts *facts);

typedef struct {
  size_t changed, added, removed; /* values, parameters, lines */
  size_t fact[FACTS];
} DifferenceCount;

/* Appends one line for each difference, matched by name within its entry; with
 * `fold`, one for all elements of an array of modules of which it is the same.
 */
DifferenceCount facts_compare(Buffer *out, const Facts *before,
                              const Facts *after, bool fold);

#endif
