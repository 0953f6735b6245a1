/* The register tile of a contraction.
 *
 * In: a block of rows in f32, a panel of columns. Out: sums in memory. One pass
 * over the contracted index: load the column vectors, broadcast each row's
 * element, one fused multiply-add per sum. All sums stay in registers, which
 * holds when rows * vectors + vectors + 1 registers are there (the tile of
 * Goto and van de Geijn, "Anatomy of high-performance matrix multiplication",
 * 2008). The tile is a function of its own, so that the registers of the loops
 * around it do not count, and so that equal tiles of different kernels are one.
 */
#include "compiler/llvm/contract.h"

void contract_call(Emit *emit, LLVMValueRef function, LLVMValueRef *arguments,
                   unsigned count) {
  LLVMBuildCall2(emit->builder, LLVMGlobalGetValueType(function), function,
                 arguments, count, "");
}

EmitPlace contract_function_begin(Emit *emit, const char *name,
                                  unsigned count) {
  EmitPlace place = {emit->function, emit->entry,
                     LLVMGetInsertBlock(emit->builder)};
  LLVMTypeRef parameter[] = {emit->pointer, emit->pointer, emit->pointer,
                             emit->pointer};
  parameter[count - 1] = emit->i64;
  LLVMTypeRef type = LLVMFunctionType(emit->none, parameter, count, false);
  LLVMValueRef function = LLVMAddFunction(emit->module, name, type);
  LLVMSetLinkage(function, LLVMInternalLinkage);
  emit_function_attributes(emit, function);
  emit_function_begin(emit, function);
  return place;
}

void contract_function_end(Emit *emit, EmitPlace place) {
  emit_function_end(emit);
  emit->function = place.function;
  emit->entry = place.entry;
  if (place.block)
    LLVMPositionBuilderAtEnd(emit->builder, place.block);
}

enum { TILE_SUMS = 64, TILE_VECTORS = 8 };

/* The values of one iteration. */
typedef struct {
  LLVMValueRef rows, columns, left; /* addresses; iterations to go */
  LLVMValueRef sum[TILE_SUMS];
} TileState;

static int tile_sums(const Tile *tile) {
  return tile->rows * tile->vectors;
}

/* Constant displacements from one address: instructions hold them. */
static LLVMValueRef bytes_on(Emit *emit, LLVMValueRef address, int64_t bytes) {
  return emit_address(emit, address, emit_i64(emit, bytes), 1);
}

static LLVMValueRef sum_address(Emit *emit, const Tile *tile, LLVMValueRef sums,
                                int index) {
  int row = index / tile->vectors, vector = index % tile->vectors;
  return bytes_on(emit, sums,
                  row * tile->sums_stride + vector * (int64_t)tile->lanes * 4);
}

/* One contracted index; returns the sums after it. */
static TileState tile_step(Emit *emit, const Tile *tile, TileState now) {
  int64_t bytes = (int64_t)format_bytes(tile->column_format) * tile->lanes;
  LLVMValueRef column[TILE_VECTORS];
  for (int v = 0; v < tile->vectors; v++)
    column[v] = emit_load_f32(emit, tile->column_format,
                              bytes_on(emit, now.columns, v * bytes),
                              tile->lanes, NULL);
  for (int r = 0; r < tile->rows; r++) {
    LLVMValueRef at = bytes_on(emit, now.rows, r * tile->row_stride);
    LLVMValueRef row = emit_load(emit, emit->f32, at, 1, NULL);
    row = emit_splat(emit, row, tile->lanes);
    for (int v = 0; v < tile->vectors; v++) {
      LLVMValueRef *sum = &now.sum[r * tile->vectors + v];
      *sum = emit_fma(emit, row, column[v], *sum, tile->lanes);
    }
  }
  now.rows = bytes_on(emit, now.rows, tile->row_step);
  now.columns = bytes_on(emit, now.columns, tile->column_step);
  now.left = LLVMBuildSub(emit->builder, now.left, emit_i64(emit, 1), "left");
  return now;
}

/* A value of the loop, `first` at its start; the step is added later. */
static LLVMValueRef tile_phi(Emit *emit, LLVMValueRef first,
                             LLVMBasicBlockRef from) {
  LLVMValueRef phi = LLVMBuildPhi(emit->builder, LLVMTypeOf(first), "");
  LLVMAddIncoming(phi, &first, &from, 1);
  return phi;
}

/* Runs tile_step until `left` is zero; returns the last state. */
/* State is in phis, written by hand: `rows * vectors` sums have to be registers
 * at any level of optimisation that has registers. */
static TileState tile_loop(Emit *emit, const Tile *tile, TileState first) {
  LLVMBuilderRef builder = emit->builder;
  LLVMBasicBlockRef before = LLVMGetInsertBlock(builder);
  LLVMBasicBlockRef loop =
      LLVMAppendBasicBlockInContext(emit->context, emit->function, "k");
  LLVMBasicBlockRef exit =
      LLVMAppendBasicBlockInContext(emit->context, emit->function, "done");
  LLVMBuildBr(builder, loop);
  LLVMPositionBuilderAtEnd(builder, loop);
  TileState now;
  now.rows = tile_phi(emit, first.rows, before);
  now.columns = tile_phi(emit, first.columns, before);
  now.left = tile_phi(emit, first.left, before);
  for (int i = 0; i < tile_sums(tile); i++)
    now.sum[i] = tile_phi(emit, first.sum[i], before);
  TileState next = tile_step(emit, tile, now);
  LLVMAddIncoming(now.rows, &next.rows, &loop, 1);
  LLVMAddIncoming(now.columns, &next.columns, &loop, 1);
  LLVMAddIncoming(now.left, &next.left, &loop, 1);
  for (int i = 0; i < tile_sums(tile); i++)
    LLVMAddIncoming(now.sum[i], &next.sum[i], &loop, 1);
  LLVMValueRef more =
      LLVMBuildICmp(builder, LLVMIntNE, next.left, emit_i64(emit, 0), "more");
  LLVMBuildCondBr(builder, more, loop, exit);
  LLVMPositionBuilderAtEnd(builder, exit);
  return next;
}

/* Loads or clears the sums, runs the loop, stores the sums. */
static void tile_body(Emit *emit, const Tile *tile, LLVMValueRef function) {
  LLVMValueRef sums = LLVMGetParam(function, 2);
  TileState state = {LLVMGetParam(function, 0),
                     LLVMGetParam(function, 1),
                     LLVMGetParam(function, 3),
                     {NULL}};
  for (int i = 0; i < tile_sums(tile); i++)
    state.sum[i] = tile->reload ? emit_load(emit, emit->f32,
                                            sum_address(emit, tile, sums, i),
                                            tile->lanes, NULL)
                                : emit_f32_splat(emit, 0.0f, tile->lanes);
  state = tile_loop(emit, tile, state);
  for (int i = 0; i < tile_sums(tile); i++)
    emit_store(emit, state.sum[i], emit->f32, sum_address(emit, tile, sums, i),
               tile->lanes, NULL);
}

LLVMValueRef tile_function(Emit *emit, const Tile *tile) {
  const char *name = arena_printf(
      emit->arena, "sg.tile.%ux%dx%d.%lld.%lld.%s.%lld.%lld%s", tile->lanes,
      tile->rows, tile->vectors, (long long)tile->row_stride,
      (long long)tile->row_step, format_info(tile->column_format)->text,
      (long long)tile->column_step, (long long)tile->sums_stride,
      tile->reload ? ".more" : "");
  LLVMValueRef function = LLVMGetNamedFunction(emit->module, name);
  if (function)
    return function;
  EmitPlace place = contract_function_begin(emit, name, 4);
  function = emit->function;
  tile_body(emit, tile, function);
  contract_function_end(emit, place);
  return function;
}
