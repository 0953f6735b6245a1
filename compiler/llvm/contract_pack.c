/* Operands of a contraction into the order in which tiles read them.
 *
 * In: an operand of any format and strides. Out: f32, columns as vectors that
 * follow each other along the contracted index, or rows with their own strides
 * kept. Columns that are contiguous are loaded and decoded; columns that lie
 * across memory, as the weights of a layer do, are transposed in registers in
 * squares of lanes x lanes, bytes before they are decoded; whatever else there
 * is, is gathered element by element.
 */
#include "compiler/llvm/contract.h"

/* ---- transposition -------------------------------------------------------------- */

enum { LANES_MAX = 16 };

static LLVMValueRef shuffle(Emit *emit, LLVMValueRef a, LLVMValueRef b,
                            const unsigned *lane, unsigned count) {
  LLVMValueRef index[LANES_MAX];
  for (unsigned i = 0; i < count; i++)
    index[i] = emit_i32(emit, (int32_t)lane[i]);
  return LLVMBuildShuffleVector(emit->builder, a, b,
                                LLVMConstVector(index, count), "");
}

/* A perfect shuffle of a's and b's lanes; its lower or upper half. */
static LLVMValueRef interleave(Emit *emit, LLVMValueRef a, LLVMValueRef b,
                               unsigned lanes, bool upper) {
  unsigned lane[LANES_MAX];
  for (unsigned i = 0; i < lanes; i++)
    lane[i] = (upper ? lanes / 2 : 0) + i / 2 + i % 2 * lanes;
  return shuffle(emit, a, b, lane, lanes);
}

/* log2(lanes) perfect shuffles of row i with row i + lanes / 2. Of bytes each
 * is one instruction everywhere. */
static void transpose_bytes(Emit *emit, LLVMValueRef *row, unsigned lanes) {
  for (unsigned done = 1; done < lanes; done *= 2) {
    LLVMValueRef next[LANES_MAX];
    for (unsigned i = 0; i < lanes / 2; i++) {
      LLVMValueRef a = row[i], b = row[i + lanes / 2];
      next[2 * i] = interleave(emit, a, b, lanes, false);
      next[2 * i + 1] = interleave(emit, a, b, lanes, true);
    }
    for (unsigned i = 0; i < lanes; i++)
      row[i] = next[i];
  }
}

/* Within each quarter of 128 bits: elements (size 1) or pairs (size 2) of a and
 * b in turn, from the lower or the upper half of the quarter. */
static LLVMValueRef unpack(Emit *emit, LLVMValueRef a, LLVMValueRef b,
                           unsigned lanes, unsigned size, bool upper) {
  unsigned lane[LANES_MAX];
  for (unsigned i = 0; i < lanes; i++) {
    unsigned at = i % 4, half = i - at + (upper ? 2 : 0);
    bool second = (at / size) % 2 != 0;
    unsigned from = size == 1 ? at / 2 : at % 2;
    lane[i] = half + from + (second ? lanes : 0);
  }
  return shuffle(emit, a, b, lane, lanes);
}

/* 4 x 4 squares of floats within 128 bits: rows 4i .. 4i + 3 become the columns
 * whose numbers are 0 .. 3 modulo 4. */
static void transpose_quarters(Emit *emit, LLVMValueRef *row, unsigned lanes) {
  for (unsigned i = 0; i < lanes; i += 4) {
    LLVMValueRef *r = row + i;
    LLVMValueRef low01 = unpack(emit, r[0], r[1], lanes, 1, false);
    LLVMValueRef high01 = unpack(emit, r[0], r[1], lanes, 1, true);
    LLVMValueRef low23 = unpack(emit, r[2], r[3], lanes, 1, false);
    LLVMValueRef high23 = unpack(emit, r[2], r[3], lanes, 1, true);
    r[0] = unpack(emit, low01, low23, lanes, 2, false);
    r[1] = unpack(emit, low01, low23, lanes, 2, true);
    r[2] = unpack(emit, high01, high23, lanes, 2, false);
    r[3] = unpack(emit, high01, high23, lanes, 2, true);
  }
}

/* Exchanges, for rows i and i + distance (in units of 4), the quarters that
 * belong to the other one. */
static void exchange_quarters(Emit *emit, LLVMValueRef *row, unsigned lanes,
                              unsigned distance) {
  for (unsigned i = 0; i < lanes; i++) {
    if (i & distance)
      continue;
    unsigned low[LANES_MAX], high[LANES_MAX];
    for (unsigned j = 0; j < lanes; j++) {
      bool own = (j & distance) == 0;
      low[j] = own ? j : lanes + j - distance;
      high[j] = own ? j + distance : lanes + j;
    }
    LLVMValueRef a = row[i], b = row[i + distance];
    row[i] = shuffle(emit, a, b, low, lanes);
    row[i + distance] = shuffle(emit, a, b, high, lanes);
  }
}

static void transpose_floats(Emit *emit, LLVMValueRef *row, unsigned lanes) {
  transpose_quarters(emit, row, lanes);
  for (unsigned distance = 4; distance < lanes; distance *= 2)
    exchange_quarters(emit, row, lanes, distance);
}

/* ---- one vector of columns ---------------------------------------------------------- */

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

static void panel_store(const Packer *p, LLVMValueRef i, LLVMValueRef x) {
  LLVMValueRef at =
      emit_address(p->emit, p->panel, emit_mul(p->emit, i, p->pack->panel_step), 1);
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
    LLVMValueRef from = emit_address(
        emit, at, emit_i64(emit, j * p->pack->stride), p->bytes);
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

/* A square: lanes columns (those from `count` on are zero) x lanes values of
 * i, from `first` on. */
static void pack_square(const Packer *p, LLVMValueRef first) {
  Emit *emit = p->emit;
  const Pack *pack = p->pack;
  unsigned lanes = pack->lanes;
  bool bytes = p->bytes == 1;
  LLVMValueRef row[LANES_MAX], at = source_at(p, first);
  for (unsigned j = 0; j < lanes; j++) {
    LLVMValueRef codes = LLVMConstNull(emit_vector_type(p->code, lanes));
    if (j < pack->count)
      codes = emit_load(
          emit, p->code,
          emit_address(emit, at, emit_i64(emit, j * pack->stride), p->bytes),
          lanes, NULL);
    row[j] = bytes ? codes : emit_decode(emit, pack->format, codes, lanes);
  }
  if (bytes)
    transpose_bytes(emit, row, lanes);
  else
    transpose_floats(emit, row, lanes);
  for (unsigned j = 0; j < lanes; j++) {
    LLVMValueRef x =
        bytes ? emit_decode(emit, pack->format, row[j], lanes) : row[j];
    panel_store(p, emit_add(emit, first, emit_i64(emit, j)), x);
  }
}

static void pack_transposed(const Packer *p, LLVMValueRef k) {
  Emit *emit = p->emit;
  int64_t lanes = p->pack->lanes;
  LLVMValueRef whole = LLVMBuildAnd(emit->builder, k, emit_i64(emit, -lanes),
                                    "whole");
  Loop loop = emit_loop_begin(emit, emit_i64(emit, 0), whole,
                              emit_i64(emit, lanes), "square");
  pack_square(p, loop.index);
  emit_loop_end(emit, &loop);
  pack_plain(p, whole, k);
}

LLVMValueRef pack_function(Emit *emit, const Pack *pack) {
  const char *name = arena_printf(
      emit->arena, "sg.pack.%u.%lld.%s.%lld.%lld.%lld", pack->lanes,
      (long long)pack->count, format_info(pack->format)->text,
      (long long)pack->stride, (long long)pack->step,
      (long long)pack->panel_step);
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
  if (pack->step == 1 && pack->lanes > 1 && pack->count > 1)
    pack_transposed(&p, k);
  else
    pack_plain(&p, emit_i64(emit, 0), k);
  contract_function_end(emit, place);
  return function;
}

/* ---- the copy of the row operand ------------------------------------------------------ */

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
  LLVMValueRef from = emit_address(emit, source, loop.index,
                                   (int64_t)format_bytes(format));
  LLVMValueRef x = emit_load_f32(emit, format, from, lanes, NULL);
  emit_store(emit, x, emit->f32, emit_address(emit, copy, loop.index, 4),
             lanes, NULL);
  emit_loop_end(emit, &loop);
  return end;
}

void contract_copy_stage(Emit *emit, KernelCode *code,
                         const Contraction *contraction,
                         const Tiling *tiling) {
  const Node *node = graph_node(code->graph, contraction->id);
  Format format = contraction->row_format;
  int64_t total = contraction->row_elements, size = tiling->copy_size;
  StageBody stage =
      kernel_stage_begin(emit, code, tiling->copy_rows, total, 0);
  LLVMValueRef source =
      kernel_pointer(emit, code, node->input[contraction->row_operand]);
  LLVMValueRef shared = kernel_shared(emit, code);
  Loop rows = emit_loop_begin(emit, stage.begin, stage.end, emit_i64(emit, 1),
                              "row");
  LLVMValueRef first = emit_mul(emit, rows.index, size);
  LLVMValueRef from =
      emit_address(emit, source, first, (int64_t)format_bytes(format));
  LLVMValueRef to = emit_address(
      emit, shared, emit_mul(emit, rows.index, tiling->copy_stride), 4);
  LLVMValueRef left =
      LLVMBuildSub(emit->builder, emit_i64(emit, total), first, "left");
  LLVMValueRef count = emit_min_i64(emit, left, emit_i64(emit, size));
  LLVMValueRef done = copy_loop(emit, format, from, to, emit_i64(emit, 0),
                                count, emit->target.lanes);
  copy_loop(emit, format, from, to, done, count, 1);
  emit_loop_end(emit, &rows);
  kernel_stage_end(emit, code);
}
