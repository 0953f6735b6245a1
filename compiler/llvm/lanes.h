/* Vector code written lane by lane: the few words that fp8.c, vecmath.c and
 * contract_pack.c share. An operation on a 32-bit word or a float of each lane
 * is one builder call; what is here makes the constants and turns one into the
 * other.
 */
#ifndef SG_LLVM_LANES_H
#define SG_LLVM_LANES_H

#include "compiler/llvm/emit.h"

typedef struct {
  Emit *emit;
  LLVMBuilderRef builder;
  unsigned count;
  LLVMTypeRef i32, f32; /* of all lanes */
} Lanes;

static inline Lanes lanes_of(Emit *emit, unsigned count) {
  return (Lanes){emit, emit->builder, count, emit_vector_type(emit->i32, count),
                 emit_vector_type(emit->f32, count)};
}

static inline LLVMValueRef lanes_word(const Lanes *lanes, uint32_t value) {
  return emit_i32_splat(lanes->emit, value, lanes->count);
}

static inline LLVMValueRef lanes_float(const Lanes *lanes, float value) {
  return emit_f32_splat(lanes->emit, value, lanes->count);
}

static inline LLVMValueRef lanes_bits(const Lanes *lanes, LLVMValueRef x) {
  return LLVMBuildBitCast(lanes->builder, x, lanes->i32, "bits");
}

static inline LLVMValueRef lanes_of_bits(const Lanes *lanes,
                                         LLVMValueRef bits) {
  return LLVMBuildBitCast(lanes->builder, bits, lanes->f32, "x");
}

/* The same in every lane. */
static inline LLVMValueRef lanes_same(const Lanes *lanes, LLVMTypeRef element,
                                      uint64_t value) {
  return emit_splat(lanes->emit, LLVMConstInt(element, value, false),
                    lanes->count);
}

/* llvm.umin, llvm.smax and others of two operands of one type. */
static inline LLVMValueRef lanes_pair(const Lanes *lanes, const char *name,
                                      LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef both[] = {a, b};
  return emit_intrinsic(lanes->emit, name, LLVMTypeOf(a), both, 2);
}

/* The lanes of a and b laid side by side, `count` of them picked by number. */
static inline LLVMValueRef lanes_shuffle(Emit *emit, LLVMValueRef a,
                                         LLVMValueRef b, const unsigned *lane,
                                         unsigned count) {
  LLVMValueRef *index = NEW_ARRAY(emit->arena, LLVMValueRef, count);
  for (unsigned i = 0; i < count; i++)
    index[i] = emit_i32(emit, (int32_t)lane[i]);
  return LLVMBuildShuffleVector(emit->builder, a, b,
                                LLVMConstVector(index, count), "lanes");
}

#endif
