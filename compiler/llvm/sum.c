/* Sums of lists: one vector of 16 lanes is the accumulator, whatever the
 * target's vectors are, so the lanes of semantics.md are the lanes of the
 * code.
 */
#include "compiler/llvm/sum.h"

LLVMValueRef combine_sum(Emit *emit, LLVMValueRef acc, LLVMValueRef x) {
  return LLVMBuildFAdd(emit->builder, acc, x, "sum");
}

LLVMValueRef combine_max_bits(Emit *emit, LLVMValueRef acc, LLVMValueRef x) {
  LLVMTypeRef real = LLVMTypeOf(acc);
  bool vector = LLVMGetTypeKind(real) == LLVMVectorTypeKind;
  LLVMTypeRef bits =
      emit_vector_type(emit->i32, vector ? LLVMGetVectorSize(real) : 1);
  LLVMValueRef pair[] = {LLVMBuildBitCast(emit->builder, acc, bits, "bits"),
                         LLVMBuildBitCast(emit->builder, x, bits, "bits")};
  LLVMValueRef most = emit_intrinsic(emit, "llvm.umax", bits, pair, 2);
  return LLVMBuildBitCast(emit->builder, most, real, "max");
}

/* Lanes [begin, begin + count) of a vector. */
static LLVMValueRef half(Emit *emit, LLVMValueRef vector, unsigned begin,
                         unsigned count) {
  LLVMValueRef numbers[SUM_LANES];
  for (unsigned i = 0; i < count; i++)
    numbers[i] = emit_i32(emit, (int32_t)(begin + i));
  return LLVMBuildShuffleVector(emit->builder, vector,
                                LLVMGetPoison(LLVMTypeOf(vector)),
                                LLVMConstVector(numbers, count), "half");
}

/* 16 lanes to one: 8, 4, 2, 1. */
static LLVMValueRef fold_lanes(Emit *emit, ListCombine *combine,
                               LLVMValueRef acc) {
  for (unsigned count = SUM_LANES / 2; count > 0; count /= 2)
    acc =
        combine(emit, half(emit, acc, 0, count), half(emit, acc, count, count));
  return LLVMBuildExtractElement(emit->builder, acc, emit_i64(emit, 0),
                                 "folded");
}

/* Adds 16 summands to the lanes in `slot`. */
static void accumulate(Emit *emit, const List *list, LLVMValueRef slot,
                       LLVMValueRef index, LLVMValueRef mask) {
  LLVMTypeRef type = LLVMVectorType(emit->f32, SUM_LANES);
  LLVMValueRef x = list->load(emit, list->user, index, mask);
  LLVMValueRef acc = LLVMBuildLoad2(emit->builder, type, slot, "acc");
  LLVMBuildStore(emit->builder, list->combine(emit, acc, x), slot);
}

LLVMValueRef sum_chunk(Emit *emit, const List *list, LLVMValueRef from,
                       LLVMValueRef to) {
  LLVMTypeRef type = LLVMVectorType(emit->f32, SUM_LANES);
  LLVMValueRef slot = emit_slot(emit, type, 1, "lanes");
  LLVMBuildStore(emit->builder, LLVMConstNull(type), slot);
  int64_t left = list->n % SUM_LANES;
  LLVMValueRef full = emit_i64(emit, list->n - left);
  if (list->n > left) {
    Loop loop = emit_loop_begin(emit, from, emit_min_i64(emit, to, full),
                                emit_i64(emit, SUM_LANES), "sum");
    accumulate(emit, list, slot, loop.index, NULL);
    emit_loop_end(emit, &loop);
  }
  if (left > 0) {
    LLVMValueRef last = LLVMBuildICmp(emit->builder, LLVMIntEQ, to,
                                      emit_i64(emit, list->n), "last");
    Branch branch = emit_if(emit, last, "tail");
    accumulate(emit, list, slot, full,
               emit_mask(emit, emit_i64(emit, left), SUM_LANES));
    emit_endif(emit, &branch);
  }
  LLVMValueRef acc = LLVMBuildLoad2(emit->builder, type, slot, "acc");
  return fold_lanes(emit, list->combine, acc);
}

LLVMValueRef load_floats(Emit *emit, void *user, LLVMValueRef index,
                         LLVMValueRef mask) {
  LLVMValueRef address = emit_address(emit, user, index, 4);
  return emit_load(emit, emit->f32, address, SUM_LANES, mask);
}

int64_t sum_list_partials(int64_t n) {
  int64_t count = 0;
  while (n > SUM_CHUNK) {
    n = sum_chunks(n);
    count += n;
  }
  return count;
}

LLVMValueRef sum_list(Emit *emit, const List *list, LLVMValueRef partial) {
  LLVMValueRef n = emit_i64(emit, list->n);
  if (list->n <= SUM_CHUNK)
    return sum_chunk(emit, list, emit_i64(emit, 0), n);
  int64_t chunks = sum_chunks(list->n);
  Loop loop = emit_loop_begin(emit, emit_i64(emit, 0), emit_i64(emit, chunks),
                              emit_i64(emit, 1), "chunk");
  LLVMValueRef from = emit_mul(emit, loop.index, SUM_CHUNK);
  LLVMValueRef to =
      emit_min_i64(emit, emit_add(emit, from, emit_i64(emit, SUM_CHUNK)), n);
  LLVMValueRef sum = sum_chunk(emit, list, from, to);
  emit_store(emit, sum, emit->f32, emit_address(emit, partial, loop.index, 4),
             1, NULL);
  emit_loop_end(emit, &loop);
  List sums = {load_floats, partial, list->combine, chunks};
  return sum_list(emit, &sums,
                  emit_address(emit, partial, emit_i64(emit, chunks), 4));
}
