/* Transpositions and broadcasts: codes move, nothing is decoded.
 *
 * In: an operand in memory and a pattern. Out: one stage that writes the result
 * in order. Result axes whose elements follow each other in the operand too
 * are one axis. If the last axis is one stride 1 or 0 of the operand, rows are
 * copied as vectors; otherwise the result is written in tiles of 16 x 16 with
 * the axis along which the operand runs, so that each cache line of the operand
 * is used 16 times while it is near.
 */
#include "compiler/llvm/kernel.h"

enum { AXES = MAX_RANK, TILE = 16 };

/* An axis of the result. */
typedef struct {
  int64_t size, from, to; /* elements per index: of operand, of result */
} Axis;

typedef struct {
  Emit *emit;
  LLVMTypeRef type; /* of one code */
  int64_t bytes;
  int count;
  Axis axis[AXES];
  LLVMValueRef in, out;
} Permute;

static void axis_add(Permute *permute, int64_t size, int64_t from, int64_t to) {
  if (size == 1)
    return;
  int last = permute->count - 1;
  if (last >= 0 && permute->axis[last].from == from * size) {
    permute->axis[last] = (Axis){permute->axis[last].size * size, from, to};
    return;
  }
  permute->axis[permute->count++] = (Axis){size, from, to};
}

/* Adds the axes of the result, outermost first; false after a diagnostic. */
static bool find_axes(Permute *permute, const KernelCode *code, ValueId id) {
  Emit *emit = permute->emit;
  const Node *node = graph_node(code->graph, id);
  const Type *type = graph_node(code->graph, node->input[0])->type;
  const char *error = NULL;
  size_t offset = 0;
  Pattern pattern;
  if (!pattern_parse(emit->program->interner, node->attr.pattern, &pattern,
                     &error, &offset)) {
    kernel_refuse(emit, code->graph, id, error);
    return false;
  }
  int64_t from[3 * MAX_RANK] = {0}, elements = 1, to = node->type->elements;
  for (int i = type->rank; i-- > 0; elements *= type->dim[i])
    from[pattern.axis[0][i]] = elements;
  for (int i = 0; i < node->type->rank; i++) {
    to /= node->type->dim[i];
    axis_add(permute, node->type->dim[i], from[pattern.out_axis[i]], to);
  }
  if (permute->count == 0)
    permute->axis[permute->count++] = (Axis){1, 1, 1};
  return true;
}

/* Adds the offsets of index `number` of the axes [0, count) but `without`. */
static void offsets(const Permute *permute, int count, int without,
                    LLVMValueRef number, LLVMValueRef *from, LLVMValueRef *to) {
  Emit *emit = permute->emit;
  for (int i = count; i-- > 0;) {
    const Axis *axis = &permute->axis[i];
    if (i == without)
      continue;
    LLVMValueRef size = emit_i64(emit, axis->size);
    LLVMValueRef index = LLVMBuildURem(emit->builder, number, size, "index");
    number = LLVMBuildUDiv(emit->builder, number, size, "number");
    *from = emit_add(emit, *from, emit_mul(emit, index, axis->from));
    *to = emit_add(emit, *to, emit_mul(emit, index, axis->to));
  }
}

/* ---- rows ---------------------------------------------------------------- */

/* One vector of a row: neighbours of the operand, or one element repeated. */
static void copy_vector(const Permute *permute, LLVMValueRef from,
                        LLVMValueRef to, LLVMValueRef index,
                        LLVMValueRef mask) {
  Emit *emit = permute->emit;
  unsigned lanes = emit->target.lanes;
  bool moves = permute->axis[permute->count - 1].from != 0;
  LLVMValueRef source =
      emit_address(emit, permute->in,
                   moves ? emit_add(emit, from, index) : from, permute->bytes);
  LLVMValueRef codes =
      moves ? emit_load(emit, permute->type, source, lanes, mask)
            : emit_splat(emit, emit_load(emit, permute->type, source, 1, NULL),
                         lanes);
  emit_store(emit, codes, permute->type,
             emit_address(emit, permute->out, emit_add(emit, to, index),
                          permute->bytes),
             lanes, mask);
}

/* Unit = one row along the last axis. */
static void emit_rows(const Permute *permute, StageBody body) {
  Emit *emit = permute->emit;
  int last = permute->count - 1;
  int64_t size = permute->axis[last].size;
  int64_t left = size % emit->target.lanes;
  Loop rows =
      emit_loop_begin(emit, body.begin, body.end, emit_i64(emit, 1), "row");
  LLVMValueRef from = emit_i64(emit, 0), to = emit_i64(emit, 0);
  offsets(permute, last, last, rows.index, &from, &to);
  Loop loop =
      emit_loop_begin(emit, emit_i64(emit, 0), emit_i64(emit, size - left),
                      emit_i64(emit, emit->target.lanes), "copy");
  copy_vector(permute, from, to, loop.index, NULL);
  emit_loop_end(emit, &loop);
  if (left > 0)
    copy_vector(permute, from, to, emit_i64(emit, size - left),
                emit_mask(emit, emit_i64(emit, left), emit->target.lanes));
  emit_loop_end(emit, &rows);
}

/* ---- tiles --------------------------------------------------------------- */

/* The axis with the smallest stride of the operand: all axes of the operand are
 * in the result, so if the last one is not the operand's last, another is. */
static int nearest_axis(const Permute *permute) {
  int best = -1;
  for (int i = 0; i + 1 < permute->count; i++) {
    int64_t from = permute->axis[i].from;
    if (from != 0 && (best < 0 || from < permute->axis[best].from))
      best = i;
  }
  return best;
}

/* Up to 16 indices from `from` on, inside `size`. */
static Loop tile_loop(Emit *emit, LLVMValueRef from, int64_t size,
                      const char *name) {
  LLVMValueRef end = emit_add(emit, from, emit_i64(emit, TILE));
  return emit_loop_begin(emit, from,
                         emit_min_i64(emit, end, emit_i64(emit, size)),
                         emit_i64(emit, 1), name);
}

/* One tile: axis `near` from `near_index`, the last axis from `last_index`. */
static void emit_tile(const Permute *permute, int near, LLVMValueRef near_index,
                      LLVMValueRef last_index, LLVMValueRef from,
                      LLVMValueRef to) {
  Emit *emit = permute->emit;
  const Axis *rows = &permute->axis[near];
  const Axis *columns = &permute->axis[permute->count - 1];
  Loop row = tile_loop(emit, near_index, rows->size, "tile");
  from = emit_add(emit, from, emit_mul(emit, row.index, rows->from));
  to = emit_add(emit, to, emit_mul(emit, row.index, rows->to));
  Loop column = tile_loop(emit, last_index, columns->size, "tile");
  LLVMValueRef at =
      emit_add(emit, from, emit_mul(emit, column.index, columns->from));
  LLVMValueRef code =
      emit_load(emit, permute->type,
                emit_address(emit, permute->in, at, permute->bytes), 1, NULL);
  emit_store(emit, code, permute->type,
             emit_address(emit, permute->out, emit_add(emit, to, column.index),
                          permute->bytes),
             1, NULL);
  emit_loop_end(emit, &column);
  emit_loop_end(emit, &row);
}

/* Unit = one block of 16 of the near axis, at one index of the axes that are
 * neither near nor last. */
static void emit_tiles(const Permute *permute, int near, StageBody body) {
  Emit *emit = permute->emit;
  int last = permute->count - 1;
  LLVMValueRef blocks =
      emit_i64(emit, (permute->axis[near].size + TILE - 1) / TILE);
  Loop unit =
      emit_loop_begin(emit, body.begin, body.end, emit_i64(emit, 1), "unit");
  LLVMValueRef outer =
      LLVMBuildUDiv(emit->builder, unit.index, blocks, "outer");
  LLVMValueRef block =
      LLVMBuildURem(emit->builder, unit.index, blocks, "block");
  LLVMValueRef from = emit_i64(emit, 0), to = emit_i64(emit, 0);
  offsets(permute, last, near, outer, &from, &to);
  Loop loop = emit_loop_begin(emit, emit_i64(emit, 0),
                              emit_i64(emit, permute->axis[last].size),
                              emit_i64(emit, TILE), "columns");
  emit_tile(permute, near, emit_mul(emit, block, TILE), loop.index, from, to);
  emit_loop_end(emit, &loop);
  emit_loop_end(emit, &unit);
}

/* ---- the lowering -------------------------------------------------------- */

bool lower_permute(Emit *emit, KernelCode *code) {
  ValueId id = code->first;
  while (!kernel_has(code, id))
    id++;
  const Node *node = graph_node(code->graph, id);
  Format format = graph_node(code->graph, node->input[0])->type->format;
  if (format != node->type->format || code->argument.length > 0) {
    kernel_refuse(emit, code->graph, id,
                  "it can change neither format nor exponent");
    return false;
  }
  Permute permute = {.emit = emit,
                     .type = emit_code_type(emit, format),
                     .bytes = (int64_t)format_bytes(format)};
  if (!find_axes(&permute, code, id))
    return false;
  const Axis *last = &permute.axis[permute.count - 1];
  int64_t elements = node->type->elements, count = elements / last->size;
  int near = last->from > 1 ? nearest_axis(&permute) : -1;
  if (near >= 0)
    count = count / permute.axis[near].size *
            ((permute.axis[near].size + TILE - 1) / TILE);
  StageBody body = kernel_stage_begin(emit, code, count, 2 * elements, 0);
  permute.in = kernel_pointer(emit, code, node->input[0]);
  permute.out = kernel_pointer(emit, code, id);
  if (near >= 0)
    emit_tiles(&permute, near, body);
  else
    emit_rows(&permute, body);
  kernel_stage_end(emit, code);
  return true;
}
