/* Operands of a contraction into the order in which tiles read them.
 *
 * In: an operand of any format and strides. Out: f32, columns as vectors that
 * follow each other along the contracted index, or rows with their own strides
 * kept. Columns that are contiguous are loaded and decoded; columns that lie
 * across memory, as the weights of a layer do, are transposed in registers as
 * codes; whatever else there is, is gathered element by element.
 */
#include "compiler/llvm/contract.h"
#include "compiler/llvm/lanes.h"

/* ---- one vector of columns ---------------------------------------------- */

typedef struct {
  Emit *emit;
  const Pack *pack;
  LLVMTypeRef code; /* of one element in memory */
  int64_t bytes;
  LLVMValueRef source, panel;
} Packer;

/* Element (i, lane 0) of the source. */
static LLVMValueRef source_at(const Packer *p, LLVMValueRef i) {
  LLVMValueRef index = emit_mul(p->emit, i, p->pack->step);
  return emit_address(p->emit, p->source, index, p->bytes);
}

/* Stores all lanes of index i. */
static void panel_store(const Packer *p, LLVMValueRef i, LLVMValueRef x) {
  LLVMValueRef at = emit_address(p->emit, p->panel,
                                 emit_mul(p->emit, i, p->pack->panel_step), 1);
  emit_store(p->emit, x, p->emit->f32, at, p->pack->lanes, NULL);
}

/* Codes of all lanes at i, one by one. */
static LLVMValueRef collect(const Packer *p, LLVMValueRef i) {
  Emit *emit = p->emit;
  LLVMValueRef at = source_at(p, i);
  unsigned lanes = p->pack->lanes;
  if (lanes == 1)
    return emit_load(emit, p->code, at, 1, NULL);
  LLVMValueRef all = LLVMConstNull(emit_vector_type(p->code, lanes));
  for (int64_t j = 0; j < p->pack->count; j++) {
    LLVMValueRef from =
        emit_address(emit, at, emit_i64(emit, j * p->pack->stride), p->bytes);
    all = LLVMBuildInsertElement(emit->builder, all,
                                 emit_load(emit, p->code, from, 1, NULL),
                                 emit_i64(emit, j), "");
  }
  return all;
}

/* The same where the lanes are neighbours; a mask only where there are
 * instructions for it. */
static LLVMValueRef load_lanes(const Packer *p, LLVMValueRef i) {
  Emit *emit = p->emit;
  unsigned lanes = p->pack->lanes;
  bool whole = p->pack->count == lanes;
  if (p->pack->stride != 1 || (!whole && !emit->target.avx512))
    return collect(p, i);
  LLVMValueRef mask =
      whole ? NULL : emit_mask(emit, emit_i64(emit, p->pack->count), lanes);
  return emit_load(emit, p->code, source_at(p, i), lanes, mask);
}

/* i = from .. to - 1, a vector each. */
static void pack_plain(const Packer *p, LLVMValueRef from, LLVMValueRef to) {
  Emit *emit = p->emit;
  Loop loop = emit_loop_begin(emit, from, to, emit_i64(emit, 1), "i");
  LLVMValueRef codes = load_lanes(p, loop.index);
  LLVMValueRef x = emit_decode(emit, p->pack->format, codes, p->pack->lanes);
  panel_store(p, loop.index, x);
  emit_loop_end(emit, &loop);
}

/* ---- transposition ------------------------------------------------------ */

/* 16 bytes of each column are a piece: `width` codes along the contracted
 * index. Vector r (0 .. 3) holds the pieces of columns r, r + 4, r + 8, ...,
 * one in each 128 bits. Interleaving codes of vectors 0 and 1 and of 2 and 3,
 * then pairs of codes of the results, gives vectors in which each 128 bits hold
 * four neighbouring columns for width / 4 indices: eight instructions that stay
 * within 128 bits for 16 bytes of every column. */

enum { VECTOR_CODES = 64 };

/* Within each `width` codes: runs of `size` codes of a and b in turn, from the
 * lower or the upper half. */
static LLVMValueRef interleave(Emit *emit, LLVMValueRef a, LLVMValueRef b,
                               unsigned width, unsigned size, bool upper) {
  unsigned lane[VECTOR_CODES];
  unsigned count = LLVMGetVectorSize(LLVMTypeOf(a));
  for (unsigned i = 0; i < count; i++) {
    unsigned at = i % width, run = at / size;
    unsigned from = (upper ? width / 2 : 0) + run / 2 * size + at % size;
    lane[i] = i - at + from + (run % 2 ? count : 0);
  }
  return lanes_shuffle(emit, a, b, lane, count);
}

/* From four columns by four in each 128 bits to all columns of an index, then
 * of the next. */
static LLVMValueRef in_order(Emit *emit, LLVMValueRef a, unsigned width,
                             unsigned columns) {
  unsigned lane[VECTOR_CODES];
  unsigned count = LLVMGetVectorSize(LLVMTypeOf(a));
  for (unsigned i = 0; i < count; i++) {
    unsigned index = i / columns, column = i % columns;
    lane[i] = column / 4 * width + index * 4 + column % 4;
  }
  return lanes_shuffle(emit, a, LLVMGetPoison(LLVMTypeOf(a)), lane, count);
}

/* The codes of columns r, r + 4, ... at `at`, those from `count` on zero. */
static LLVMValueRef load_pieces(const Packer *p, LLVMValueRef at, unsigned r,
                                unsigned width) {
  Emit *emit = p->emit;
  unsigned lane[VECTOR_CODES];
  for (unsigned i = 0; i < VECTOR_CODES; i++)
    lane[i] = i;
  LLVMValueRef none = LLVMConstNull(emit_vector_type(p->code, width));
  LLVMValueRef piece[4];
  unsigned pieces = p->pack->lanes / 4;
  for (unsigned q = 0; q < pieces; q++) {
    int64_t column = 4 * (int64_t)q + r;
    LLVMValueRef from = emit_address(
        emit, at, emit_i64(emit, column * p->pack->stride), p->bytes);
    piece[q] = column < p->pack->count
                   ? emit_load(emit, p->code, from, width, NULL)
                   : none;
  }
  for (unsigned joined = 1; joined < pieces; joined *= 2)
    for (unsigned q = 0; q < pieces; q += 2 * joined)
      piece[q] = lanes_shuffle(emit, piece[q], piece[q + joined], lane,
                               2 * joined * width);
  return piece[0];
}

/* Stores `indices` vectors that follow each other in x, from index `first`. */
static void store_slices(const Packer *p, LLVMValueRef x, LLVMValueRef first,
                         unsigned indices) {
  Emit *emit = p->emit;
  unsigned lanes = p->pack->lanes, lane[VECTOR_CODES];
  for (unsigned t = 0; t < indices; t++) {
    for (unsigned i = 0; i < lanes; i++)
      lane[i] = t * lanes + i;
    LLVMValueRef slice =
        lanes_shuffle(emit, x, LLVMGetPoison(LLVMTypeOf(x)), lane, lanes);
    panel_store(p, emit_add(emit, first, emit_i64(emit, t)), slice);
  }
}

/* All columns at `width` indices from `first` on. */
static void pack_pieces(const Packer *p, LLVMValueRef first, unsigned width) {
  Emit *emit = p->emit;
  unsigned lanes = p->pack->lanes, indices = width / 4;
  LLVMValueRef at = source_at(p, first), row[4];
  for (unsigned r = 0; r < 4; r++)
    row[r] = load_pieces(p, at, r, width);
  for (unsigned j = 0; j < 4; j++) {
    bool upper = j / 2 != 0;
    LLVMValueRef a = interleave(emit, row[0], row[1], width, 1, upper);
    LLVMValueRef b = interleave(emit, row[2], row[3], width, 1, upper);
    LLVMValueRef codes = interleave(emit, a, b, width, 2, j % 2 != 0);
    codes = in_order(emit, codes, width, lanes);
    LLVMValueRef x = emit_decode(emit, p->pack->format, codes, indices * lanes);
    store_slices(p, x, emit_add(emit, first, emit_i64(emit, j * indices)),
                 indices);
  }
}

/* Columns that are contiguous along the contracted index; what is left of it
 * after whole pieces goes element by element. */
static void pack_transposed(const Packer *p, LLVMValueRef k) {
  Emit *emit = p->emit;
  int64_t width = 16 / p->bytes;
  LLVMValueRef whole =
      LLVMBuildAnd(emit->builder, k, emit_i64(emit, -width), "whole");
  Loop loop = emit_loop_begin(emit, emit_i64(emit, 0), whole,
                              emit_i64(emit, width), "pieces");
  pack_pieces(p, loop.index, (unsigned)width);
  emit_loop_end(emit, &loop);
  pack_plain(p, whole, k);
}

/* ---- the function ------------------------------------------------------- */

LLVMValueRef pack_function(Emit *emit, const Pack *pack) {
  const char *name =
      arena_printf(emit->arena, "sg.pack.%u.%lld.%s.%lld.%lld.%lld",
                   pack->lanes, (long long)pack->count,
                   format_info(pack->format)->text, (long long)pack->stride,
                   (long long)pack->step, (long long)pack->panel_step);
  LLVMValueRef function = LLVMGetNamedFunction(emit->module, name);
  if (function)
    return function;
  EmitPlace place = contract_function_begin(emit, name, 3);
  function = emit->function;
  Packer p = {emit,
              pack,
              emit_code_type(emit, pack->format),
              (int64_t)format_bytes(pack->format),
              LLVMGetParam(function, 0),
              LLVMGetParam(function, 1)};
  LLVMValueRef k = LLVMGetParam(function, 2);
  if (pack->step == 1 && pack->lanes > 1 && p.bytes <= 4)
    pack_transposed(&p, k);
  else
    pack_plain(&p, emit_i64(emit, 0), k);
  contract_function_end(emit, place);
  return function;
}

/* ---- the copy of the row operand ---------------------------------------- */

/* Elements [done, size) of one row, `lanes` at a time; returns where it
 * stopped. */
static LLVMValueRef copy_loop(Emit *emit, Format format, LLVMValueRef source,
                              LLVMValueRef copy, LLVMValueRef done,
                              LLVMValueRef size, unsigned lanes) {
  LLVMValueRef left = LLVMBuildSub(emit->builder, size, done, "left");
  LLVMValueRef whole =
      LLVMBuildAnd(emit->builder, left, emit_i64(emit, -(int64_t)lanes), "");
  LLVMValueRef end = LLVMBuildAdd(emit->builder, done, whole, "end");
  Loop loop = emit_loop_begin(emit, done, end, emit_i64(emit, lanes), "copy");
  LLVMValueRef from =
      emit_address(emit, source, loop.index, (int64_t)format_bytes(format));
  LLVMValueRef x = emit_load_f32(emit, format, from, lanes, NULL);
  emit_store(emit, x, emit->f32, emit_address(emit, copy, loop.index, 4), lanes,
             NULL);
  emit_loop_end(emit, &loop);
  return end;
}

void contract_copy_stage(Emit *emit, KernelCode *code,
                         const Contraction *contraction, const Tiling *tiling) {
  const Node *node = graph_node(code->graph, contraction->id);
  Format format = contraction->row_format;
  int64_t total = contraction->row_elements, size = tiling->copy_size;
  StageBody stage = kernel_stage_begin(emit, code, tiling->copy_rows, total, 0);
  LLVMValueRef source =
      kernel_pointer(emit, code, node->input[contraction->row_operand]);
  LLVMValueRef shared = kernel_shared(emit, code);
  Loop rows =
      emit_loop_begin(emit, stage.begin, stage.end, emit_i64(emit, 1), "row");
  LLVMValueRef first = emit_mul(emit, rows.index, size);
  LLVMValueRef from =
      emit_address(emit, source, first, (int64_t)format_bytes(format));
  LLVMValueRef to = emit_address(
      emit, shared, emit_mul(emit, rows.index, tiling->copy_stride), 4);
  LLVMValueRef left =
      LLVMBuildSub(emit->builder, emit_i64(emit, total), first, "left");
  LLVMValueRef count = emit_min_i64(emit, left, emit_i64(emit, size));
  LLVMValueRef done = emit_i64(emit, 0);
  unsigned lanes[] = {4 * emit->target.lanes, emit->target.lanes, 1};
  for (int i = 0; i < 3; i++)
    done = copy_loop(emit, format, from, to, done, count, lanes[i]);
  emit_loop_end(emit, &rows);
  kernel_stage_end(emit, code);
}
