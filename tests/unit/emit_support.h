/* For the tests of the back end: code emitted, optimised and compiled as the
 * compiler does it, then loaded into the test's own process.
 *
 *   Workshop *w = workshop_new("x86-64-v3", program);
 *   ... emit functions with &w->emit ...
 *   workshop_load(w);
 *   function = workshop_find(w, "name");
 *   workshop_free(w);
 */
#ifndef SG_TESTS_EMIT_SUPPORT_H
#define SG_TESTS_EMIT_SUPPORT_H

#include <llvm-c/LLJIT.h>

#include "compiler/llvm/kernel.h"

typedef struct {
  Arena *arena;
  Sources sources;
  Diagnostics *diagnostics;
  Buffer messages;
  LLVMTargetMachineRef machine;
  KernelTable kernels;
  Emit emit;
  LLVMOrcLLJITRef jit;
} Workshop;

/* Can this machine run code for `march`? */
bool workshop_runs(const char *march);
/* The code is strict until emit.strict is changed. `program` may be NULL where
 * nothing asks for it. */
Workshop *workshop_new(const char *march, const Program *program);
/* Begins an external function of four pointers and an i64 named `name`. */
LLVMValueRef workshop_begin(Workshop *workshop, const char *name);
/* Verifies, optimises, compiles, loads. */
void workshop_load(Workshop *workshop);
/* The address of a function; the test fails if there is none. */
void *workshop_find(Workshop *workshop, const char *name);
void workshop_free(Workshop *workshop);

typedef void WorkshopFunction(const void *a, const void *b, void *out,
                              void *more, int64_t n);

#endif
