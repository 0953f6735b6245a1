/* The verifier inside: shared by verify.c (structure, names, types, formats),
 * verify_scale.c, verify_state.c and verify_kernel.c.
 */
#ifndef SG_IR_VERIFY_H
#define SG_IR_VERIFY_H

#include "ir/ir.h"

typedef struct {
  const Program *program;
  const Graph *graph; /* NULL: the program as a whole */
  VerifyReport *report;
  void *user;
  unsigned count;
  Arena *scratch;
  NameTable *values, *exponents, *params; /* names seen in this graph */
  Phase phase;                            /* of the last op */
  /* By parameter index, numbers from 1, 0: none. Whose exponent the state
   * keeps; the state that keeps its exponent; its first store in this graph. */
  uint32_t *owner, *exponent;
  ValueId *stored;
} Verifier;

/* Reports one violation at `id` (0: the entry). */
void violation(Verifier *verifier, ValueId id, const char *format, ...)
    SG_PRINTF(3, 4);

/* A state of exponents, and a parameter that has its exponent in one, both by
 * number; a node that reads the parameter; a store (verify_state.c). */
void verify_exponent_state(Verifier *verifier, ValueId number);
void verify_measured_parameter(Verifier *verifier, ValueId number);
void verify_state_exponent(Verifier *verifier, ValueId id,
                           const Parameter *param);
void verify_store(Verifier *verifier, ValueId id);
/* Fill the tables of the program, and of the graph at hand (verify_state.c). */
void verify_states_begin(Verifier *verifier);
void verify_stores_begin(Verifier *verifier);
/* Exponents and shifts of one node (verify_scale.c). */
void verify_scales(Verifier *verifier, ValueId id);
/* The kernels of the graph, if it has any. */
void verify_kernels(Verifier *verifier);
/* Where the plan put values, if there is one. */
void verify_placement(Verifier *verifier);

#endif
