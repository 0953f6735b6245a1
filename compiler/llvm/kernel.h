/* What kernel.c offers to the files that lower kernels and call them. */
#ifndef SG_LLVM_KERNEL_H
#define SG_LLVM_KERNEL_H

#include "compiler/llvm/emit.h"

/* The `lower` column of ops.def. */
typedef enum {
  LOWER_leaf, /* no code */
  LOWER_map,  /* elementwise */
  LOWER_view, /* other type, same memory */
  LOWER_permute,
  LOWER_contract,
  LOWER_reduce,
  LOWER_row,
  LOWER_norm,
  LOWER_state,   /* the exponent in a state, in the step function */
  LOWER_held,    /* that or another, by the step; there too */
  LOWER_max,     /* exponent arithmetic, in the step function */
  LOWER_missing, /* for the evaluator only, so far */
  LOWER_none     /* gone before level final */
} LowerRule;

LowerRule op_lowering(Op op);

/* The value whose memory, or register, operand `operand` of `id` is. */
ValueId kernel_operand(const KernelCode *code, ValueId id, int operand);
/* NULL if there is none: a shift that is zero, a rounding without key. */
const KernelArgument *kernel_find_argument(const KernelCode *code,
                                           ArgumentKind kind, ValueId id,
                                           int operand);
LLVMTypeRef kernel_function_type(Emit *emit);

typedef struct {
  const char *key; /* "": shares the code of an earlier entry */
  KernelCode *code;
} KernelEntry;

/* Every kernel lowered so far. */
typedef struct KernelTable {
  VEC(KernelEntry) entry;
} KernelTable;

void kernel_table_free(KernelTable *table);

#endif
