/* Fused kernels: one pass over one iteration space.
 *
 * In: a kernel of elementwise ops. Out: one stage. The space is factored as
 * coarsely as its broadcast operands allow (access.c): without any it is one
 * flat axis. The last axis is cut into blocks; a unit of work is one block of
 * one row. Within a block a loop of full vectors, then at the end of the axis
 * one vector under a mask: every element goes through the same operations, so
 * results do not depend on where it lies.
 */
#include "compiler/llvm/map.h"

enum { BLOCK = 4096 }; /* elements; a multiple of every number of lanes */

typedef struct {
  int axes;
  int64_t size[POINT_AXES];
  int64_t inner, blocks; /* of the last axis */
} Space;

/* The broadcast operands of the kernel. */
typedef struct {
  Access *access;
  size_t count;
} Accesses;

static void accesses_add(Accesses *accesses, const KernelCode *code,
                         ValueId id) {
  const Graph *graph = code->graph;
  const Node *node = graph_node(graph, id);
  for (int k = 0; k < node_inputs(node); k++) {
    ValueId value = kernel_operand(code, id, k);
    Access access = {node->type, graph_node(graph, node->input[k])->type};
    bool memory =
        !kernel_has(code, value) && graph_node(graph, value)->op != OP_CONST;
    if (memory && access.type->elements > 1 && access_broadcasts(access))
      accesses->access[accesses->count++] = access;
  }
}

static Space space_choose(Emit *emit, const KernelCode *code) {
  size_t most = (code->last - code->first + 1) * MAX_INPUTS;
  Accesses accesses = {NEW_ARRAY(emit->arena, Access, most), 0};
  for (ValueId id = code->first; id <= code->last; id++)
    if (kernel_has(code, id))
      accesses_add(&accesses, code, id);
  Space space = {.axes = 0};
  space.axes = access_common_axes(accesses.access, accesses.count,
                                  map_elements(code), space.size);
  space.inner = space.size[space.axes - 1];
  space.blocks = (space.inner + BLOCK - 1) / BLOCK;
  return space;
}

/* The indices of the outer axes of row `row`. */
static void point_at_row(Emit *emit, const Space *space, LLVMValueRef row,
                         Point *point) {
  LLVMBuilderRef builder = emit->builder;
  for (int i = space->axes - 1; i-- > 0;) {
    LLVMValueRef size = emit_i64(emit, space->size[i]);
    point->index[i] = i == 0 ? row : LLVMBuildURem(builder, row, size, "index");
    row = i == 0 ? row : LLVMBuildUDiv(builder, row, size, "row");
  }
}

/* Elements [from, to) of a row, full vectors. */
static bool vector_loop(Emit *emit, Map *map, Point *point, LLVMValueRef from,
                        LLVMValueRef to) {
  Loop loop =
      emit_loop_begin(emit, from, to, emit_i64(emit, point->lanes), "vector");
  point->index[point->axes - 1] = loop.index;
  point->mask = NULL;
  bool done = map_emit(map, point, NULL);
  emit_loop_end(emit, &loop);
  return done;
}

/* The elements behind the last full vector of a row. */
static bool masked_tail(Emit *emit, Map *map, Point *point, int64_t inner) {
  int64_t left = inner % point->lanes;
  point->index[point->axes - 1] = emit_i64(emit, inner - left);
  point->mask = emit_mask(emit, emit_i64(emit, left), point->lanes);
  return map_emit(map, point, NULL);
}

/* Blocks [first, end) of the row that `point` is at. */
static bool emit_blocks(Emit *emit, Map *map, const Space *space, Point *point,
                        LLVMValueRef first, LLVMValueRef end) {
  int64_t left = space->inner % point->lanes;
  int64_t full = space->inner - left;
  LLVMValueRef from = emit_mul(emit, first, BLOCK);
  LLVMValueRef to =
      emit_min_i64(emit, emit_mul(emit, end, BLOCK), emit_i64(emit, full));
  if (full > 0 && !vector_loop(emit, map, point, from, to))
    return false;
  if (left == 0)
    return true;
  LLVMValueRef last = LLVMBuildICmp(emit->builder, LLVMIntEQ, end,
                                    emit_i64(emit, space->blocks), "last");
  Branch branch = emit_if(emit, last, "tail");
  bool done = masked_tail(emit, map, point, space->inner);
  emit_endif(emit, &branch);
  return done;
}

static bool emit_rows(Emit *emit, Map *map, const Space *space, Point *point,
                      StageBody body) {
  Loop loop =
      emit_loop_begin(emit, body.begin, body.end, emit_i64(emit, 1), "unit");
  LLVMValueRef blocks = emit_i64(emit, space->blocks);
  LLVMValueRef row = loop.index, block = emit_i64(emit, 0);
  if (space->blocks > 1) {
    row = LLVMBuildUDiv(emit->builder, loop.index, blocks, "row");
    block = LLVMBuildURem(emit->builder, loop.index, blocks, "block");
  }
  point_at_row(emit, space, row, point);
  LLVMValueRef end = emit_add(emit, block, emit_i64(emit, 1));
  bool done = emit_blocks(emit, map, space, point, block, end);
  emit_loop_end(emit, &loop);
  return done;
}

bool lower_fused(Emit *emit, KernelCode *code) {
  Space space = space_choose(emit, code);
  int64_t elements = map_elements(code);
  StageBody body =
      kernel_stage_begin(emit, code, elements / space.inner * space.blocks,
                         elements * map_cost(code), 0);
  Map *map = map_begin(emit, code);
  Point point = {.lanes = emit->target.lanes, .axes = space.axes};
  for (int i = 0; i < space.axes; i++)
    point.size[i] = space.size[i];
  /* One axis: neighbouring blocks are one range. */
  bool done = space.axes == 1
                  ? emit_blocks(emit, map, &space, &point, body.begin, body.end)
                  : emit_rows(emit, map, &space, &point, body);
  kernel_stage_end(emit, code);
  return done;
}
