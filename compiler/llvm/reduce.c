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
 * neighbours; across results where those are neighbours, summand by summand;
 * else along the list by gathering.
 */
#include "compiler/llvm/sum.h"

#include <math.h>

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

/* ---- axes ---------------------------------------------------------------- */

/* Adds the next inner axis. */
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

/* ---- elements ------------------------------------------------------------ */

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

/* Summands that are no neighbours. */
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

/* ---- results ------------------------------------------------------------- */

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

/* How far the exponent of data that fit a format is below floor(log2) of their
 * largest element, whose bits these are: the format's own largest exponent,
 * less one where that element's mantissa is beyond the format's. */
static LLVMValueRef room_of(Emit *emit, LLVMValueRef bits, Format fit) {
  LLVMBuilderRef builder = emit->builder;
  float max = (float)format_max(fit);
  int top = ilogb(max);
  uint32_t mantissa = (uint32_t)ldexp(ldexp(max, -top) - 1, 23);
  LLVMValueRef pair[] = {bits, LLVMConstInt(emit->i1, 0, false)};
  LLVMValueRef zeros = emit_intrinsic(emit, "llvm.ctlz", emit->i32, pair, 2);
  /* Subnormal numbers are moved up until their first bit is where a normal
   * one has it implied. */
  LLVMValueRef least[] = {zeros, emit_i32(emit, 8)};
  LLVMValueRef moved = LLVMBuildShl(
      builder, bits,
      LLVMBuildSub(builder,
                   emit_intrinsic(emit, "llvm.smax", emit->i32, least, 2),
                   emit_i32(emit, 8), "by"),
      "moved");
  LLVMValueRef own =
      LLVMBuildAnd(builder, moved, emit_i32(emit, 0x7FFFFF), "mantissa");
  LLVMValueRef beyond = LLVMBuildICmp(
      builder, LLVMIntUGT, own, emit_i32(emit, (int32_t)mantissa), "beyond");
  return LLVMBuildSelect(builder, beyond, emit_i32(emit, top - 1),
                         emit_i32(emit, top), "room");
}

/* floor(log2 statistic), or the least exponent at which it fits a format. */
static LLVMValueRef chosen_exponent(const Reduction *level, LLVMValueRef bits) {
  Emit *emit = level->emit;
  Format fit = level_node(level)->attr.fit;
  LLVMValueRef exponent = exponent_of(emit, bits);
  if (fit == FORMAT_NONE)
    return exponent;
  return LLVMBuildSub(emit->builder, exponent, room_of(emit, bits, fit),
                      "fitting");
}

/* clamp(e(operand) + the exponent of the statistic), which is 0 where that is
 * zero or not finite. */
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
      LLVMBuildSelect(builder, measured, chosen_exponent(level, bits),
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

/* A sum over the number of summands of the whole reduction. */
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

/* ---- along the list ------------------------------------------------------ */

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

/* ---- across results ------------------------------------------------------ */

/* Results that are summed together: their 16 lanes fit in the first-level
 * cache, and the operand is read in runs of this many elements. */
enum { SLAB = 128 };

/* A slab of one row of results, at one chunk. Lane l of result c is the float
 * at scratch[l * SLAB + c]. */
typedef struct {
  const Reduction *level;
  LLVMValueRef scratch, base; /* base: of its first result in the operand */
  LLVMValueRef width, full;   /* results; those in whole vectors */
  bool ragged;                /* may they differ? */
} Slab;

/* Slabs of a row, and all of them. */
static int64_t row_width(const Reduction *level) {
  return level->results.size[level->results.count - 1];
}

static int64_t row_slabs(const Reduction *level) {
  return (row_width(level) + SLAB - 1) / SLAB;
}

static LLVMValueRef lane_address(const Slab *slab, LLVMValueRef lane,
                                 LLVMValueRef column) {
  Emit *emit = slab->level->emit;
  LLVMValueRef index = emit_add(emit, emit_mul(emit, lane, SLAB), column);
  return emit_address(emit, slab->scratch, index, 4);
}

/* Calls `body` for every vector of columns, the last one under a mask. */
typedef void ColumnBody(const Slab *slab, void *user, LLVMValueRef column,
                        LLVMValueRef mask);

static void columns_walk(const Slab *slab, ColumnBody *body, void *user) {
  Emit *emit = slab->level->emit;
  unsigned lanes = emit->target.lanes;
  Loop loop = emit_loop_begin(emit, emit_i64(emit, 0), slab->full,
                              emit_i64(emit, lanes), "column");
  body(slab, user, loop.index, NULL);
  emit_loop_end(emit, &loop);
  if (!slab->ragged)
    return;
  LLVMValueRef left =
      LLVMBuildSub(emit->builder, slab->width, slab->full, "left");
  LLVMValueRef some =
      LLVMBuildICmp(emit->builder, LLVMIntNE, left, emit_i64(emit, 0), "some");
  Branch branch = emit_if(emit, some, "tail");
  body(slab, user, slab->full, emit_mask(emit, left, lanes));
  emit_endif(emit, &branch);
}

static void clear_column(const Slab *slab, void *user, LLVMValueRef column,
                         LLVMValueRef mask) {
  (void)user, (void)mask;
  Emit *emit = slab->level->emit;
  LLVMTypeRef type = emit_vector_type(emit->f32, emit->target.lanes);
  for (int lane = 0; lane < SUM_LANES; lane++)
    emit_store(emit, LLVMConstNull(type), emit->f32,
               lane_address(slab, emit_i64(emit, lane), column),
               emit->target.lanes, NULL);
}

/* One summand of each result. */
typedef struct {
  LLVMValueRef lane, offset;
} Summand;

static void add_column(const Slab *slab, void *user, LLVMValueRef column,
                       LLVMValueRef mask) {
  const Summand *summands = user;
  const Reduction *level = slab->level;
  Emit *emit = level->emit;
  unsigned lanes = emit->target.lanes;
  LLVMValueRef from =
      emit_address(emit, slab->base, emit_add(emit, summands->offset, column),
                   (int64_t)format_bytes(level->format));
  LLVMValueRef to = lane_address(slab, summands->lane, column);
  LLVMValueRef x = emit_load_f32(emit, level->format, from, lanes, mask);
  LLVMValueRef acc = emit_load(emit, emit->f32, to, lanes, NULL);
  emit_store(emit, combine_sum(emit, acc, x), emit->f32, to, lanes, NULL);
}

/* Folds the lanes; user is the number of the slab's first result. */
static void fold_column(const Slab *slab, void *user, LLVMValueRef column,
                        LLVMValueRef mask) {
  Emit *emit = slab->level->emit;
  unsigned lanes = emit->target.lanes;
  LLVMValueRef lane[SUM_LANES];
  for (int i = 0; i < SUM_LANES; i++)
    lane[i] =
        emit_load(emit, emit->f32,
                  lane_address(slab, emit_i64(emit, i), column), lanes, NULL);
  for (int count = SUM_LANES / 2; count > 0; count /= 2)
    for (int i = 0; i < count; i++)
      lane[i] = combine_sum(emit, lane[i], lane[i + count]);
  store_result(slab->level, lane[0], emit_add(emit, user, column), lanes, mask);
}

/* The chunk's summands in order: each is one run of the operand. */
static void add_summands(const Slab *slab, LLVMValueRef chunk) {
  const Reduction *level = slab->level;
  Emit *emit = level->emit;
  LLVMValueRef from = emit_mul(emit, chunk, SUM_CHUNK);
  LLVMValueRef end = emit_add(emit, from, emit_i64(emit, SUM_CHUNK));
  LLVMValueRef n = emit_i64(emit, level->summands.elements);
  Loop loop = emit_loop_begin(emit, from, emit_min_i64(emit, end, n),
                              emit_i64(emit, 1), "summand");
  LLVMValueRef lane = LLVMBuildAnd(emit->builder, loop.index,
                                   emit_i64(emit, SUM_LANES - 1), "lane");
  Summand summands = {lane, axes_offset(emit, &level->summands, loop.index, 1)};
  columns_walk(slab, add_column, &summands);
  emit_loop_end(emit, &loop);
}

static Slab slab_at(const Reduction *level, StageBody body, LLVMValueRef first,
                    LLVMValueRef place) {
  Emit *emit = level->emit;
  int64_t width = row_width(level);
  unsigned lanes = emit->target.lanes;
  Slab slab = {.level = level, .scratch = body.scratch};
  LLVMValueRef left =
      LLVMBuildSub(emit->builder, emit_i64(emit, width), place, "left");
  slab.width = emit_min_i64(emit, left, emit_i64(emit, SLAB));
  slab.full = LLVMBuildAnd(emit->builder, slab.width,
                           emit_i64(emit, -(int64_t)lanes), "full");
  slab.ragged = width % lanes != 0;
  slab.base = emit_address(emit, level->source,
                           axes_offset(emit, &level->results, first, 1),
                           (int64_t)format_bytes(level->format));
  return slab;
}

/* Unit = (row * slabs + slab) * chunks + chunk; partial results of a chunk lie
 * together. */
static void slabs_loop(Reduction *level, StageBody body) {
  Emit *emit = level->emit;
  LLVMBuilderRef builder = emit->builder;
  Loop loop =
      emit_loop_begin(emit, body.begin, body.end, emit_i64(emit, 1), "slab");
  LLVMValueRef chunks = emit_i64(emit, level->chunks);
  LLVMValueRef slabs = emit_i64(emit, row_slabs(level));
  LLVMValueRef chunk = LLVMBuildURem(builder, loop.index, chunks, "chunk");
  LLVMValueRef at = LLVMBuildUDiv(builder, loop.index, chunks, "at");
  LLVMValueRef row = LLVMBuildUDiv(builder, at, slabs, "row");
  LLVMValueRef place =
      emit_mul(emit, LLVMBuildURem(builder, at, slabs, "slab"), SLAB);
  LLVMValueRef first =
      emit_add(emit, emit_mul(emit, row, row_width(level)), place);
  Slab slab = slab_at(level, body, first, place);
  columns_walk(&slab, clear_column, NULL);
  add_summands(&slab, chunk);
  LLVMValueRef index =
      emit_add(emit, emit_mul(emit, chunk, level->results.elements), first);
  columns_walk(&slab, fold_column, index);
  emit_loop_end(emit, &loop);
}

/* ---- levels -------------------------------------------------------------- */

/* One stage. The places are those of source and target in the shared area, in
 * floats, where they are not operand and result. */
static void emit_level(Reduction *level, int64_t source_place,
                       int64_t target_place) {
  Emit *emit = level->emit;
  KernelCode *code = level->code;
  bool across = level->walk == WALK_RESULTS;
  int64_t lists = level->results.elements;
  if (across)
    lists = lists / row_width(level) * row_slabs(level);
  StageBody body =
      kernel_stage_begin(emit, code, lists * level->chunks,
                         2 * level->results.elements * level->summands.elements,
                         across ? SUM_LANES * SLAB * 4 : 0);
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
    slabs_loop(level, body);
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

/* Stages until one number per result is left. */
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

/* ---- the two lowerings --------------------------------------------------- */

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
