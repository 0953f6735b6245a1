/* The words of code generation: types, constants, control flow, memory.
 *
 * Every function here adds a few instructions at the builder's place. Loops
 * keep their index in a phi and everything else in stack slots of the entry
 * block, which the first pass of the pipeline turns into registers. Loads and
 * stores with a mask are llvm.masked.*; on targets without such instructions
 * LLVM makes branches of them.
 */
#include "compiler/llvm/emit.h"

#include <string.h>

/* ---- types and constants ------------------------------------------------- */

LLVMTypeRef emit_vector_type(LLVMTypeRef element, unsigned lanes) {
  return lanes == 1 ? element : LLVMVectorType(element, lanes);
}

LLVMTypeRef emit_code_type(Emit *emit, Format format) {
  return LLVMIntTypeInContext(emit->context,
                              (unsigned)format_info(format)->bits);
}

LLVMValueRef emit_i64(Emit *emit, int64_t value) {
  return LLVMConstInt(emit->i64, (uint64_t)value, true);
}

LLVMValueRef emit_i32(Emit *emit, int32_t value) {
  return LLVMConstInt(emit->i32, (uint32_t)value, false);
}

LLVMValueRef emit_f32(Emit *emit, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  /* Through the bits: a double on the way could quieten a NaN. */
  return LLVMConstBitCast(LLVMConstInt(emit->i32, bits, false), emit->f32);
}

LLVMValueRef emit_splat(Emit *emit, LLVMValueRef scalar, unsigned lanes) {
  if (lanes == 1)
    return scalar;
  if (LLVMIsConstant(scalar)) {
    LLVMValueRef *all = NEW_ARRAY(emit->arena, LLVMValueRef, lanes);
    for (unsigned i = 0; i < lanes; i++)
      all[i] = scalar;
    return LLVMConstVector(all, lanes);
  }
  LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), lanes);
  LLVMValueRef zeros = LLVMConstNull(LLVMVectorType(emit->i32, lanes));
  LLVMValueRef poison = LLVMGetPoison(type);
  LLVMValueRef first = LLVMBuildInsertElement(emit->builder, poison, scalar,
                                              emit_i64(emit, 0), "splat");
  return LLVMBuildShuffleVector(emit->builder, first, poison, zeros, "splat");
}

LLVMValueRef emit_f32_splat(Emit *emit, float value, unsigned lanes) {
  return emit_splat(emit, emit_f32(emit, value), lanes);
}

LLVMValueRef emit_i32_splat(Emit *emit, uint32_t value, unsigned lanes) {
  return emit_splat(emit, LLVMConstInt(emit->i32, value, false), lanes);
}

LLVMValueRef emit_lane_numbers(Emit *emit, LLVMTypeRef element,
                               unsigned lanes) {
  if (lanes == 1)
    return LLVMConstNull(element);
  LLVMValueRef *all = NEW_ARRAY(emit->arena, LLVMValueRef, lanes);
  for (unsigned i = 0; i < lanes; i++)
    all[i] = LLVMConstInt(element, i, false);
  return LLVMConstVector(all, lanes);
}

/* Calls an intrinsic that is overloaded on `types`. */
static LLVMValueRef call_intrinsic(Emit *emit, const char *name,
                                   LLVMTypeRef *types, unsigned type_count,
                                   LLVMValueRef *arguments, unsigned count) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  LLVMValueRef function =
      LLVMGetIntrinsicDeclaration(emit->module, id, types, type_count);
  LLVMTypeRef type = LLVMIntrinsicGetType(emit->context, id, types, type_count);
  bool silent = LLVMGetTypeKind(LLVMGetReturnType(type)) == LLVMVoidTypeKind;
  return LLVMBuildCall2(emit->builder, type, function, arguments, count,
                        silent ? "" : "v");
}

LLVMValueRef emit_intrinsic(Emit *emit, const char *name, LLVMTypeRef type,
                            LLVMValueRef *arguments, unsigned count) {
  return call_intrinsic(emit, name, &type, type ? 1 : 0, arguments, count);
}

LLVMValueRef emit_min_i64(Emit *emit, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef less = LLVMBuildICmp(emit->builder, LLVMIntSLT, a, b, "less");
  return LLVMBuildSelect(emit->builder, less, a, b, "min");
}

/* The constant 0 of any integer type. */
static bool is_zero(LLVMValueRef value) {
  return LLVMIsAConstantInt(value) && LLVMIsNull(value);
}

LLVMValueRef emit_add(Emit *emit, LLVMValueRef a, LLVMValueRef b) {
  if (is_zero(a))
    return b;
  return is_zero(b) ? a : LLVMBuildAdd(emit->builder, a, b, "sum");
}

LLVMValueRef emit_mul(Emit *emit, LLVMValueRef a, int64_t factor) {
  if (factor == 1)
    return a;
  return LLVMBuildMul(emit->builder, a, emit_i64(emit, factor), "product");
}

/* ---- functions ----------------------------------------------------------- */

/* name="value" on a function. */
static void string_attribute(Emit *emit, LLVMValueRef function,
                             const char *name, const char *value) {
  LLVMAttributeRef attribute =
      LLVMCreateStringAttribute(emit->context, name, (unsigned)strlen(name),
                                value, (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(
      function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attribute);
}

void emit_function_attributes(Emit *emit, LLVMValueRef function) {
  string_attribute(emit, function, "target-cpu", emit->target.cpu);
  string_attribute(emit, function, "tune-cpu", emit->target.tune);
  /* Present even when empty: a missing one means the machine's features. */
  string_attribute(emit, function, "target-features", emit->target.features);
  string_attribute(emit, function, "frame-pointer", "all");
  if (emit->target.avx512) {
    string_attribute(emit, function, "prefer-vector-width", "512");
    string_attribute(emit, function, "min-legal-vector-width", "512");
  }
  unsigned kind = LLVMGetEnumAttributeKindForName("nounwind", 8);
  LLVMAddAttributeAtIndex(function,
                          (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                          LLVMCreateEnumAttribute(emit->context, kind, 0));
}

static LLVMBasicBlockRef append_block(Emit *emit, const char *name) {
  return LLVMAppendBasicBlockInContext(emit->context, emit->function, name);
}

static LLVMBasicBlockRef here(Emit *emit) {
  return LLVMGetInsertBlock(emit->builder);
}

/* What is emitted next goes to the end of `block`. */
static void go_to(Emit *emit, LLVMBasicBlockRef block) {
  LLVMPositionBuilderAtEnd(emit->builder, block);
}

void emit_function_begin(Emit *emit, LLVMValueRef function) {
  emit->function = function;
  emit->entry = append_block(emit, "entry");
  go_to(emit, append_block(emit, "body"));
}

void emit_function_end(Emit *emit) {
  LLVMBuildRetVoid(emit->builder);
  LLVMBasicBlockRef body = LLVMGetNextBasicBlock(emit->entry);
  go_to(emit, emit->entry);
  LLVMBuildBr(emit->builder, body);
  emit->function = NULL;
  emit->entry = NULL;
}

LLVMBasicBlockRef emit_enter_entry(Emit *emit) {
  LLVMBasicBlockRef saved = here(emit);
  go_to(emit, emit->entry);
  return saved;
}

void emit_leave_entry(Emit *emit, LLVMBasicBlockRef saved) {
  go_to(emit, saved);
}

LLVMValueRef emit_slot(Emit *emit, LLVMTypeRef type, unsigned count,
                       const char *name) {
  LLVMBasicBlockRef saved = emit_enter_entry(emit);
  LLVMTypeRef all = count == 1 ? type : LLVMArrayType2(type, count);
  LLVMValueRef slot = LLVMBuildAlloca(emit->builder, all, name);
  LLVMSetAlignment(slot, 64);
  emit_leave_entry(emit, saved);
  return slot;
}

/* ---- control flow -------------------------------------------------------- */

/* Tested before each round, so that an empty range does nothing; loop-rotate
 * makes one test of it. */
Loop emit_loop_begin(Emit *emit, LLVMValueRef from, LLVMValueRef to,
                     LLVMValueRef step, const char *name) {
  LLVMBasicBlockRef before = here(emit);
  Loop loop = {.step = step, .head = append_block(emit, name), .exit = NULL};
  LLVMBasicBlockRef body = append_block(emit, name);
  loop.exit = append_block(emit, name);
  LLVMBuildBr(emit->builder, loop.head);
  go_to(emit, loop.head);
  loop.index = LLVMBuildPhi(emit->builder, emit->i64, name);
  LLVMAddIncoming(loop.index, &from, &before, 1);
  LLVMValueRef more =
      LLVMBuildICmp(emit->builder, LLVMIntSLT, loop.index, to, "more");
  LLVMBuildCondBr(emit->builder, more, body, loop.exit);
  go_to(emit, body);
  return loop;
}

void emit_loop_end(Emit *emit, Loop *loop) {
  LLVMValueRef next =
      LLVMBuildNSWAdd(emit->builder, loop->index, loop->step, "next");
  LLVMBasicBlockRef latch = here(emit);
  LLVMBuildBr(emit->builder, loop->head);
  LLVMAddIncoming(loop->index, &next, &latch, 1);
  LLVMMoveBasicBlockAfter(loop->exit, latch);
  go_to(emit, loop->exit);
}

Branch emit_if(Emit *emit, LLVMValueRef condition, const char *name) {
  LLVMBasicBlockRef then = append_block(emit, name);
  Branch branch = {append_block(emit, name), append_block(emit, name)};
  LLVMBuildCondBr(emit->builder, condition, then, branch.otherwise);
  go_to(emit, then);
  return branch;
}

void emit_else(Emit *emit, Branch *branch) {
  LLVMBuildBr(emit->builder, branch->join);
  go_to(emit, branch->otherwise);
  branch->otherwise = NULL;
}

void emit_endif(Emit *emit, Branch *branch) {
  LLVMBuildBr(emit->builder, branch->join);
  if (branch->otherwise) {
    go_to(emit, branch->otherwise);
    LLVMBuildBr(emit->builder, branch->join);
  }
  LLVMMoveBasicBlockAfter(branch->join, here(emit));
  go_to(emit, branch->join);
}

/* ---- memory -------------------------------------------------------------- */

LLVMValueRef emit_address(Emit *emit, LLVMValueRef base, LLVMValueRef index,
                          int64_t bytes) {
  if (is_zero(index))
    return base;
  LLVMTypeRef unit = LLVMIntTypeInContext(emit->context, (unsigned)bytes * 8);
  bool power = (bytes & (bytes - 1)) == 0 && bytes <= 8;
  LLVMValueRef offset = power ? index : emit_mul(emit, index, bytes);
  return LLVMBuildInBoundsGEP2(emit->builder, power ? unit : emit->i8, base,
                               &offset, 1, "at");
}

/* Of f32, an integer, or else a pointer or f64: what loads are aligned to. */
static unsigned element_bytes(LLVMTypeRef element) {
  if (LLVMGetTypeKind(element) == LLVMFloatTypeKind)
    return 4;
  unsigned bits = LLVMGetTypeKind(element) == LLVMIntegerTypeKind
                      ? LLVMGetIntTypeWidth(element)
                      : 64;
  return bits / 8;
}

LLVMValueRef emit_load(Emit *emit, LLVMTypeRef element, LLVMValueRef address,
                       unsigned lanes, LLVMValueRef mask) {
  LLVMTypeRef type = emit_vector_type(element, lanes);
  if (!mask) {
    LLVMValueRef load = LLVMBuildLoad2(emit->builder, type, address, "load");
    LLVMSetAlignment(load, element_bytes(element));
    return load;
  }
  LLVMTypeRef types[] = {type, emit->pointer};
  LLVMValueRef arguments[] = {address,
                              emit_i32(emit, (int32_t)element_bytes(element)),
                              mask, LLVMConstNull(type)};
  return call_intrinsic(emit, "llvm.masked.load", types, 2, arguments, 4);
}

void emit_store(Emit *emit, LLVMValueRef value, LLVMTypeRef element,
                LLVMValueRef address, unsigned lanes, LLVMValueRef mask) {
  if (!mask) {
    LLVMValueRef store = LLVMBuildStore(emit->builder, value, address);
    LLVMSetAlignment(store, element_bytes(element));
    return;
  }
  LLVMTypeRef types[] = {emit_vector_type(element, lanes), emit->pointer};
  LLVMValueRef arguments[] = {
      value, address, emit_i32(emit, (int32_t)element_bytes(element)), mask};
  call_intrinsic(emit, "llvm.masked.store", types, 2, arguments, 4);
}

LLVMValueRef emit_gather(Emit *emit, LLVMTypeRef element, LLVMValueRef base,
                         LLVMValueRef index, unsigned lanes,
                         LLVMValueRef mask) {
  LLVMValueRef address =
      LLVMBuildInBoundsGEP2(emit->builder, element, base, &index, 1, "at");
  if (lanes == 1)
    return emit_load(emit, element, address, 1, mask);
  LLVMTypeRef type = LLVMVectorType(element, lanes);
  LLVMTypeRef types[] = {type, LLVMVectorType(emit->pointer, lanes)};
  LLVMValueRef arguments[] = {
      address, emit_i32(emit, (int32_t)element_bytes(element)),
      mask ? mask : emit_splat(emit, LLVMConstInt(emit->i1, 1, false), lanes),
      LLVMConstNull(type)};
  return call_intrinsic(emit, "llvm.masked.gather", types, 2, arguments, 4);
}

LLVMValueRef emit_load_f32(Emit *emit, Format format, LLVMValueRef address,
                           unsigned lanes, LLVMValueRef mask) {
  if (format == FORMAT_F32)
    return emit_load(emit, emit->f32, address, lanes, mask);
  LLVMTypeRef code = emit_code_type(emit, format);
  LLVMValueRef codes = emit_load(emit, code, address, lanes, mask);
  return emit_decode(emit, format, codes, lanes);
}

LLVMValueRef emit_mask(Emit *emit, LLVMValueRef count, unsigned lanes) {
  LLVMValueRef numbers = emit_lane_numbers(emit, emit->i64, lanes);
  LLVMValueRef bound = emit_splat(emit, count, lanes);
  return LLVMBuildICmp(emit->builder, LLVMIntSLT, numbers, bound, "mask");
}
