/* Reductions: sum, mean and norm_exponent.
 *
 * In: an operand in memory, read as a list of n summands for each of R
 * results. Out: one stage per level: the first sums the chunks of each list,
 * the next the lists of chunk sums, until one number per result is left
 * (semantics.md, Evaluation order; ir/eval_reduce.c). A unit of work is one
 * chunk, so a sum over everything is split among threads and still has one
 * order.
 *
 * Three ways to walk, chosen by strides: along the list where its summands are
 * neighbours; across results where those are neighbours, with 16 vectors as the
 * 16 lanes; else along the list by gathering.
 */
#include "compiler/llvm/sum.h"

enum { AXES = MAX_RANK };

/* Axes in row-major order, neighbours that are one stride made one. */
typedef struct {
  int count;
  int64_t size[AXES], stride[AXES];
  int64_t elements;
} AxisList;

typedef enum { WALK_LIST, WALK_RESULTS, WALK_GATHER } Walk;

/* One level of a reduction. */
typedef struct {
  Emit *emit;
  KernelCode *code;
  ValueId id; /* the op */
  Format format;
  AxisList results, summands; /* strides in elements of the source */
  Walk walk;
  int64_t chunks;
  bool first, last;                  /* of the levels */
  int64_t n;                         /* summands of the first level */
  LLVMValueRef source, base, target; /* base: of the current result */
} Reduction;

/* ---- axes
 * -------------------------------------------------------------------- */

static void axis_add(AxisList *axes, int64_t size, int64_t stride) {
  axes->elements *= size;
  if (size == 1)
    return;
  int last = axes->count - 1;
  if (axes->count > 0 && axes->stride[last] == stride * size) {
    axes->size[last] *= size;
    axes->stride[last] = stride;
    return;
  }
  axes->size[axes->count] = size;
  axes->stride[axes->count++] = stride;
}

/* The offset of element number `index`, a scalar or a vector. */
static LLVMValueRef axes_offset(Emit *emit, const AxisList *axes,
                                LLVMValueRef index, unsigned lanes) {
  LLVMBuilderRef builder = emit->builder;
  LLVMValueRef offset = emit_splat(emit, emit_i64(emit, 0), lanes);
  for (int i = axes->count; i-- > 0;) {
    LLVMValueRef size = emit_splat(emit, emit_i64(emit, axes->size[i]), lanes);
    LLVMValueRef step =
        emit_splat(emit, emit_i64(emit, axes->stride[i]), lanes);
    LLVMValueRef part =
        i == 0 ? index : LLVMBuildURem(builder, index, size, "part");
    index = i == 0 ? index : LLVMBuildUDiv(builder, index, size, "outer");
    LLVMValueRef moved = LLVMBuildMul(builder, part, step, "moved");
    offset = LLVMBuildAdd(builder, offset, moved, "offset");
  }
  return offset;
}

static bool is_contiguous(const AxisList *axes) {
  return axes->count == 0 || (axes->count == 1 && axes->stride[0] == 1);
}

static Walk choose_walk(const AxisList *results, const AxisList *summands) {
  if (is_contiguous(summands))
    return WALK_LIST;
  int last = results->count - 1;
  return last >= 0 && results->stride[last] == 1 ? WALK_RESULTS : WALK_GATHER;
}

/* ---- elements
 * ------------------------------------------------------------------- */

static const Node *level_node(const Reduction *level) {
  return graph_node(level->code->graph, level->id);
}

/* |x| by clearing the sign. */
static LLVMValueRef magnitude(Emit *emit, LLVMValueRef x) {
  return emit_intrinsic(emit, "llvm.fabs", LLVMTypeOf(x), &x, 1);
}

/* A summand from an element: itself, its square or its magnitude. */
static LLVMValueRef summand(const Reduction *level, LLVMValueRef x) {
  const Node *node = level_node(level);
  if (!level->first || node->op != OP_NORM_EXPONENT)
    return x;
  if (node->attr.by == NORM_L2)
    return LLVMBuildFMul(level->emit->builder, x, x, "square");
  return magnitude(level->emit, x);
}

static ListCombine *level_combine(const Reduction *level) {
  const Node *node = level_node(level);
  bool max = node->op == OP_NORM_EXPONENT && node->attr.by == NORM_MAX;
  return max ? combine_max_bits : combine_sum;
}

static LLVMValueRef load_list(Emit *emit, void *user, LLVMValueRef index,
                              LLVMValueRef mask) {
  const Reduction *level = user;
  LLVMValueRef address = emit_address(emit, level->base, index,
                                      (int64_t)format_bytes(level->format));
  return summand(level,
                 emit_load_f32(emit, level->format, address, SUM_LANES, mask));
}

static LLVMValueRef load_gathered(Emit *emit, void *user, LLVMValueRef index,
                                  LLVMValueRef mask) {
  const Reduction *level = user;
  LLVMValueRef all =
      LLVMBuildAdd(emit->builder, emit_splat(emit, index, SUM_LANES),
                   emit_lane_numbers(emit, emit->i64, SUM_LANES), "all");
  LLVMValueRef offset = axes_offset(emit, &level->summands, all, SUM_LANES);
  LLVMTypeRef code = emit_code_type(emit, level->format);
  LLVMValueRef codes =
      emit_gather(emit, code, level->base, offset, SUM_LANES, mask);
  return summand(level, emit_decode(emit, level->format, codes, SUM_LANES));
}

/* ---- results
 * ------------------------------------------------------------------- */

/* floor(log2 x) of a finite x > 0 from its bits, as codec_exponent. */
static LLVMValueRef exponent_of(Emit *emit, LLVMValueRef bits) {
  LLVMBuilderRef builder = emit->builder;
  LLVMValueRef field =
      LLVMBuildLShr(builder, bits, emit_i32(emit, 23), "field");
  LLVMValueRef normal =
      LLVMBuildSub(builder, field, emit_i32(emit, 127), "normal");
  LLVMValueRef pair[] = {bits, LLVMConstInt(emit->i1, 0, false)};
  LLVMValueRef zeros = emit_intrinsic(emit, "llvm.ctlz", emit->i32, pair, 2);
  LLVMValueRef subnormal =
      LLVMBuildSub(builder, emit_i32(emit, 31 - 149), zeros, "subnormal");
  LLVMValueRef small =
      LLVMBuildICmp(builder, LLVMIntEQ, field, emit_i32(emit, 0), "small");
  return LLVMBuildSelect(builder, small, subnormal, normal, "exponent");
}

/* clamp(e(operand) + floor(log2 statistic)); a statistic that is zero or not
 * finite counts as 1. */
static LLVMValueRef norm_exponent(const Reduction *level,
                                  LLVMValueRef statistic) {
  Emit *emit = level->emit;
  LLVMBuilderRef builder = emit->builder;
  LLVMValueRef bits = LLVMBuildBitCast(builder, statistic, emit->i32, "bits");
  /* 1 .. 0x7F7FFFFF are the finite positive numbers. */
  LLVMValueRef measured =
      LLVMBuildICmp(builder, LLVMIntULT,
                    LLVMBuildSub(builder, bits, emit_i32(emit, 1), "less"),
                    emit_i32(emit, 0x7F7FFFFF), "measured");
  LLVMValueRef exponent =
      LLVMBuildSelect(builder, measured, exponent_of(emit, bits),
                      emit_i32(emit, 0), "exponent");
  const KernelArgument *own =
      kernel_find_argument(level->code, ARGUMENT_SHIFT, level->id, 0);
  if (own)
    exponent =
        LLVMBuildAdd(builder, exponent,
                     kernel_argument(emit, level->code, own->index), "sum");
  LLVMValueRef low[] = {exponent, emit_i32(emit, EXPONENT_MIN)};
  LLVMValueRef high[] = {emit_intrinsic(emit, "llvm.smax", emit->i32, low, 2),
                         emit_i32(emit, EXPONENT_MAX)};
  return emit_intrinsic(emit, "llvm.smin", emit->i32, high, 2);
}

static LLVMValueRef divided(const Reduction *level, LLVMValueRef x,
                            unsigned lanes) {
  LLVMValueRef n = emit_f32_splat(level->emit, (float)level->n, lanes);
  return LLVMBuildFDiv(level->emit->builder, x, n, "mean");
}

/* What is stored of the last level: a result, or an exponent. */
static LLVMValueRef finished(const Reduction *level, LLVMValueRef x,
                             unsigned lanes) {
  const Node *node = level_node(level);
  if (!level->last)
    return x;
  if (node->op == OP_MEAN)
    x = divided(level, x, lanes);
  if (node->op != OP_NORM_EXPONENT)
    return kernel_shifted(level->emit, level->code, level->id, -1, x, lanes);
  if (node->attr.by != NORM_MAX)
    x = divided(level, x, lanes);
  if (node->attr.by == NORM_L2)
    x = emit_intrinsic(level->emit, "llvm.sqrt", LLVMTypeOf(x), &x, 1);
  return norm_exponent(level, x);
}

static void store_result(const Reduction *level, LLVMValueRef x,
                         LLVMValueRef index, unsigned lanes,
                         LLVMValueRef mask) {
  Emit *emit = level->emit;
  bool exponent = level->last && level_node(level)->op == OP_NORM_EXPONENT;
  emit_store(emit, finished(level, x, lanes), exponent ? emit->i32 : emit->f32,
             emit_address(emit, level->target, index, 4), lanes, mask);
}

/* ---- along the list
 * ----------------------------------------------------------------- */

/* Unit = result * chunks + chunk; partial results lie in that order. */
static void lists_loop(Reduction *level, StageBody body) {
  Emit *emit = level->emit;
  LLVMBuilderRef builder = emit->builder;
  Loop loop =
      emit_loop_begin(emit, body.begin, body.end, emit_i64(emit, 1), "result");
  LLVMValueRef chunks = emit_i64(emit, level->chunks);
  LLVMValueRef result = LLVMBuildUDiv(builder, loop.index, chunks, "result");
  LLVMValueRef chunk = LLVMBuildURem(builder, loop.index, chunks, "chunk");
  LLVMValueRef offset = axes_offset(emit, &level->results, result, 1);
  level->base = emit_address(emit, level->source, offset,
                             (int64_t)format_bytes(level->format));
  LLVMValueRef from = emit_mul(emit, chunk, SUM_CHUNK);
  LLVMValueRef n = emit_i64(emit, level->summands.elements);
  LLVMValueRef to =
      emit_min_i64(emit, emit_add(emit, from, emit_i64(emit, SUM_CHUNK)), n);
  List list = {level->walk == WALK_LIST ? load_list : load_gathered, level,
               level_combine(level), level->summands.elements};
  store_result(level, sum_chunk(emit, &list, from, to), loop.index, 1, NULL);
  emit_loop_end(emit, &loop);
}

/* ---- across results
 * ------------------------------------------------------------------ */

/* `lanes` neighbouring results at one chunk: 16 vectors are the 16 lanes. */
typedef struct {
  unsigned lanes;
  LLVMValueRef slot[SUM_LANES];
  LLVMValueRef base, mask;
} Strip;

static void column_add(const Reduction *level, const Strip *column,
                       LLVMValueRef index, int lane) {
  Emit *emit = level->emit;
  LLVMValueRef number = emit_add(emit, index, emit_i64(emit, lane));
  LLVMValueRef offset = axes_offset(emit, &level->summands, number, 1);
  LLVMValueRef address = emit_address(emit, column->base, offset,
                                      (int64_t)format_bytes(level->format));
  LLVMValueRef x =
      emit_load_f32(emit, level->format, address, column->lanes, column->mask);
  LLVMTypeRef type = emit_vector_type(emit->f32, column->lanes);
  LLVMValueRef acc =
      LLVMBuildLoad2(emit->builder, type, column->slot[lane], "acc");
  LLVMBuildStore(emit->builder, combine_sum(emit, acc, x), column->slot[lane]);
}

static LLVMValueRef column_fold(const Reduction *level, const Strip *column) {
  Emit *emit = level->emit;
  LLVMTypeRef type = emit_vector_type(emit->f32, column->lanes);
  LLVMValueRef lane[SUM_LANES];
  for (int i = 0; i < SUM_LANES; i++)
    lane[i] = LLVMBuildLoad2(emit->builder, type, column->slot[i], "acc");
  for (int count = SUM_LANES / 2; count > 0; count /= 2)
    for (int i = 0; i < count; i++)
      lane[i] = combine_sum(emit, lane[i], lane[i + count]);
  return lane[0];
}

/* Summands [from, to) of every result of the column. */
static LLVMValueRef column_chunk(const Reduction *level, const Strip *column,
                                 LLVMValueRef from, LLVMValueRef to) {
  Emit *emit = level->emit;
  int64_t n = level->summands.elements, left = n % SUM_LANES;
  LLVMTypeRef type = emit_vector_type(emit->f32, column->lanes);
  for (int i = 0; i < SUM_LANES; i++)
    LLVMBuildStore(emit->builder, LLVMConstNull(type), column->slot[i]);
  LLVMValueRef full = emit_i64(emit, n - left);
  if (n > left) {
    Loop loop = emit_loop_begin(emit, from, emit_min_i64(emit, to, full),
                                emit_i64(emit, SUM_LANES), "sum");
    for (int lane = 0; lane < SUM_LANES; lane++)
      column_add(level, column, loop.index, lane);
    emit_loop_end(emit, &loop);
  }
  if (left > 0) {
    Branch branch = emit_if(
        emit,
        LLVMBuildICmp(emit->builder, LLVMIntEQ, to, emit_i64(emit, n), "last"),
        "tail");
    for (int lane = 0; lane < (int)left; lane++)
      column_add(level, column, full, lane);
    emit_endif(emit, &branch);
  }
  return column_fold(level, column);
}

/* Results per row, in blocks of `lanes`. */
typedef struct {
  unsigned lanes;
  int64_t width, blocks;
} Blocks;

static Blocks level_blocks(const Reduction *level) {
  unsigned lanes = level->emit->target.lanes;
  int64_t width = level->results.size[level->results.count - 1];
  return (Blocks){lanes, width, (width + lanes - 1) / lanes};
}

/* One block at one chunk; `first` is the number of its first result. */
static void emit_column(Reduction *level, const Strip *column,
                        LLVMValueRef first, LLVMValueRef chunk) {
  Emit *emit = level->emit;
  LLVMValueRef from = emit_mul(emit, chunk, SUM_CHUNK);
  LLVMValueRef to =
      emit_min_i64(emit, emit_add(emit, from, emit_i64(emit, SUM_CHUNK)),
                   emit_i64(emit, level->summands.elements));
  LLVMValueRef sum = column_chunk(level, column, from, to);
  LLVMValueRef index =
      emit_add(emit, emit_mul(emit, chunk, level->results.elements), first);
  store_result(level, sum, index, column->lanes, column->mask);
}

/* Unit = (row * blocks + block) * chunks + chunk. */
static void columns_loop(Reduction *level, StageBody body) {
  Emit *emit = level->emit;
  LLVMBuilderRef builder = emit->builder;
  Blocks blocks = level_blocks(level);
  Strip column = {.lanes = blocks.lanes};
  LLVMTypeRef type = emit_vector_type(emit->f32, blocks.lanes);
  for (int i = 0; i < SUM_LANES; i++)
    column.slot[i] = emit_slot(emit, type, 1, "lane");
  Loop loop =
      emit_loop_begin(emit, body.begin, body.end, emit_i64(emit, 1), "column");
  LLVMValueRef chunks = emit_i64(emit, level->chunks);
  LLVMValueRef count = emit_i64(emit, blocks.blocks);
  LLVMValueRef chunk = LLVMBuildURem(builder, loop.index, chunks, "chunk");
  LLVMValueRef at = LLVMBuildUDiv(builder, loop.index, chunks, "at");
  LLVMValueRef row = LLVMBuildUDiv(builder, at, count, "row");
  LLVMValueRef block = LLVMBuildURem(builder, at, count, "block");
  LLVMValueRef place = emit_mul(emit, block, blocks.lanes);
  LLVMValueRef first = emit_add(emit, emit_mul(emit, row, blocks.width), place);
  column.base = emit_address(emit, level->source,
                             axes_offset(emit, &level->results, first, 1),
                             (int64_t)format_bytes(level->format));
  LLVMValueRef left =
      LLVMBuildSub(builder, emit_i64(emit, blocks.width), place, "left");
  LLVMValueRef whole = LLVMBuildICmp(builder, LLVMIntSGE, left,
                                     emit_i64(emit, blocks.lanes), "whole");
  Branch branch = emit_if(emit, whole, "block");
  emit_column(level, &column, first, chunk);
  if (blocks.width % blocks.lanes != 0) {
    emit_else(emit, &branch);
    column.mask = emit_mask(emit, left, blocks.lanes);
    emit_column(level, &column, first, chunk);
  }
  emit_endif(emit, &branch);
  emit_loop_end(emit, &loop);
}

/* ---- levels
 * ---------------------------------------------------------------------------
 */

static void emit_level(Reduction *level, int64_t source_place,
                       int64_t target_place) {
  Emit *emit = level->emit;
  KernelCode *code = level->code;
  bool across = level->walk == WALK_RESULTS;
  int64_t lists = level->results.elements;
  if (across)
    lists = lists / level_blocks(level).width * level_blocks(level).blocks;
  StageBody body = kernel_stage_begin(
      emit, code, lists * level->chunks,
      2 * level->results.elements * level->summands.elements, 0);
  LLVMValueRef shared = NULL;
  if (!level->first || !level->last)
    shared = kernel_shared(emit, code);
  level->source =
      level->first
          ? kernel_pointer(emit, code, level_node(level)->input[0])
          : emit_address(emit, shared, emit_i64(emit, source_place), 4);
  level->target =
      level->last ? kernel_pointer(emit, code, level->id)
                  : emit_address(emit, shared, emit_i64(emit, target_place), 4);
  if (across)
    columns_loop(level, body);
  else
    lists_loop(level, body);
  kernel_stage_end(emit, code);
}

/* From a level to the next: its partial results are the new summands. */
static void level_next(Reduction *level) {
  int64_t results = level->results.elements, chunks = level->chunks;
  bool across = level->walk == WALK_RESULTS;
  level->results = (AxisList){.elements = 1};
  level->summands = (AxisList){.elements = 1};
  axis_add(&level->results, results, across ? 1 : chunks);
  axis_add(&level->summands, chunks, across ? results : 1);
  level->walk = across ? WALK_RESULTS : WALK_LIST;
  level->format = FORMAT_F32;
  level->first = false;
}

static bool emit_levels(Reduction level) {
  int64_t place = 0, next = 0;
  level.first = true;
  level.n = level.summands.elements;
  level.walk = choose_walk(&level.results, &level.summands);
  for (;; level_next(&level), place = next) {
    if (level.code->stages == KERNEL_STAGES) {
      kernel_refuse(level.emit, level.code->graph, level.id,
                    "too many summands");
      return false;
    }
    level.chunks = sum_chunks(level.summands.elements);
    level.last = level.chunks == 1;
    next = level.first
               ? 0
               : place + level.results.elements * level.summands.elements;
    emit_level(&level, place, next);
    if (level.last)
      return true;
    level.code->shared_bytes =
        (next + level.results.elements * level.chunks) * 4;
  }
}

/* ---- the two lowerings
 * ------------------------------------------------------------------ */

static Reduction level_make(Emit *emit, KernelCode *code) {
  Reduction level = {.emit = emit, .code = code, .id = code->first};
  while (!kernel_has(code, level.id))
    level.id++;
  const Node *node = level_node(&level);
  level.format = graph_node(code->graph, node->input[0])->type->format;
  level.results.elements = level.summands.elements = 1;
  return level;
}

static bool pattern_keeps(const Pattern *pattern, int letter) {
  for (int i = 0; i < pattern->out_rank; i++)
    if (pattern->out_axis[i] == letter)
      return true;
  return false;
}

bool lower_reduce(Emit *emit, KernelCode *code) {
  Reduction level = level_make(emit, code);
  const Node *node = level_node(&level);
  const Type *type = graph_node(code->graph, node->input[0])->type;
  const char *error = NULL;
  size_t offset = 0;
  Pattern pattern;
  if (!pattern_parse(emit->program->interner, node->attr.pattern, &pattern,
                     &error, &offset)) {
    kernel_refuse(emit, code->graph, level.id, error);
    return false;
  }
  if (node->type->format != FORMAT_F32) {
    kernel_refuse(emit, code->graph, level.id,
                  "only cast and store round below f32");
    return false;
  }
  int64_t stride[MAX_RANK], elements = 1;
  for (int i = type->rank; i-- > 0; elements *= type->dim[i])
    stride[i] = elements;
  /* The kept axes have the operand's order (ir/shape.c). */
  for (int i = 0; i < type->rank; i++)
    axis_add(pattern_keeps(&pattern, pattern.axis[0][i]) ? &level.results
                                                         : &level.summands,
             type->dim[i], stride[i]);
  return emit_levels(level);
}

bool lower_norm(Emit *emit, KernelCode *code) {
  Reduction level = level_make(emit, code);
  const Node *node = level_node(&level);
  axis_add(&level.summands,
           graph_node(code->graph, node->input[0])->type->elements, 1);
  return emit_levels(level);
}
