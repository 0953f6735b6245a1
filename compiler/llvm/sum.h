/* Sums in the order that is part of the meaning (ir/eval_reduce.c): chunks of
 * 16,384 summands, summand i to lane i mod 16, lanes folded 8, 4, 2, 1, chunk
 * sums summed likewise.
 */
#ifndef SG_LLVM_SUM_H
#define SG_LLVM_SUM_H

#include "compiler/llvm/kernel.h"

enum { SUM_CHUNK = 16384, SUM_LANES = 16 };

/* Summands index .. index + 15 of a list as <16 x float>; masked ones are
 * zero. */
typedef LLVMValueRef ListLoad(Emit *emit, void *user, LLVMValueRef index,
                              LLVMValueRef mask);
/* How two partial results become one; both must keep acc with +0. */
typedef LLVMValueRef ListCombine(Emit *emit, LLVMValueRef acc, LLVMValueRef x);

typedef struct {
  ListLoad *load;
  void *user;
  ListCombine *combine;
  int64_t n; /* summands in all */
} List;

LLVMValueRef combine_sum(Emit *emit, LLVMValueRef acc, LLVMValueRef x);
/* The largest of two non-negative floats as bit patterns: a NaN is larger than
 * any number. */
LLVMValueRef combine_max_bits(Emit *emit, LLVMValueRef acc, LLVMValueRef x);

/* The chunk of summands [from, to): from is a multiple of 16,384, `to` the
 * next one or n. An f32. */
LLVMValueRef sum_chunk(Emit *emit, const List *list, LLVMValueRef from,
                       LLVMValueRef to);
/* The whole list. `partial` has room for sum_list_partials(n) floats. */
LLVMValueRef sum_list(Emit *emit, const List *list, LLVMValueRef partial);
int64_t sum_list_partials(int64_t n);

static inline int64_t sum_chunks(int64_t n) {
  return (n + SUM_CHUNK - 1) / SUM_CHUNK;
}

/* A list of floats that lie one after the other in memory; user is the
 * address. */
ListLoad load_floats;

#endif
