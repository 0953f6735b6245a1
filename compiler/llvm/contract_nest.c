/* The loops of a contraction around its tiles.
 *
 * In: axes and tiling. Out: the stage that multiplies. A unit packs its group
 * of panels into the thread's scratch memory, unless the unit before it left
 * the same ones there; then, for each block of rows and each panel, a tile puts
 * its sums into scratch and map_emit takes them from there, vector by vector,
 * through the kernel's other ops. If the contracted index is done in several
 * goes, the sums of the whole unit stay in scratch between them.
 */
#include "compiler/llvm/contract.h"

typedef struct {
  Emit *emit;
  const Contraction *contraction;
  const Tiling *tiling;
  Map *map;
  LLVMValueRef row_base, column_base, panels, sums; /* addresses */
  int64_t panel_bytes, tile_bytes;
  /* The unit: */
  LLVMValueRef outer[CONTRACT_AXES];      /* indices */
  LLVMValueRef row_offset, column_offset; /* elements, of outer and go */
  LLVMValueRef first_panel, end_panel, first_block, end_block;
  LLVMValueRef depth; /* contracted indices of this go */
} Nest;

/* a * factor + b */
static LLVMValueRef plus(Nest *n, LLVMValueRef a, int64_t factor,
                         LLVMValueRef b) {
  return emit_add(n->emit, emit_mul(n->emit, a, factor), b);
}

static LLVMValueRef constant(Nest *n, int64_t value) {
  return emit_i64(n->emit, value);
}

static LLVMValueRef minus(Nest *n, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildSub(n->emit->builder, a, b, "difference");
}

static LLVMValueRef is_equal(Nest *n, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildICmp(n->emit->builder, LLVMIntEQ, a, b, "equal");
}

/* index % size, and *rest = index / size, of indices that are not negative. */
static LLVMValueRef take(Nest *n, LLVMValueRef index, int64_t size,
                         LLVMValueRef *rest) {
  LLVMBuilderRef builder = n->emit->builder;
  if (size == 1) {
    *rest = index;
    return constant(n, 0);
  }
  *rest = LLVMBuildUDiv(builder, index, constant(n, size), "rest");
  return LLVMBuildURem(builder, index, constant(n, size), "part");
}

/* ---- packing ------------------------------------------------------------ */

static int64_t column_bytes(const Nest *n) {
  return (int64_t)format_bytes(n->contraction->column_format);
}

/* Element (0, column) of the column operand in this go. */
static LLVMValueRef column_address(Nest *n, LLVMValueRef column) {
  int64_t stride = n->contraction->column.columns;
  LLVMValueRef index = n->column_offset;
  if (stride != 0)
    index = emit_add(n->emit, emit_mul(n->emit, column, stride), index);
  return emit_address(n->emit, n->column_base, index, column_bytes(n));
}

/* The function that packs vectors of `count` columns. */
static LLVMValueRef packer(Nest *n, int64_t count) {
  const Contraction *c = n->contraction;
  const Tiling *t = n->tiling;
  Pack pack = {t->lanes,
               count,
               c->column_format,
               c->column.columns,
               c->sum[c->sums - 1].columns,
               4 * (int64_t)t->lanes * t->vectors};
  return pack_function(n->emit, &pack);
}

/* Packs vector number `vector` of all columns. */
static void pack_vector(Nest *n, int64_t count, LLVMValueRef vector,
                        LLVMValueRef to) {
  LLVMValueRef column = emit_mul(n->emit, vector, n->tiling->lanes);
  LLVMValueRef arguments[] = {column_address(n, column), to, n->depth};
  contract_call(n->emit, packer(n, count), arguments, 3);
}

/* Vectors of panel `panel`: all of them have `vectors`, the last one fewer. */
static LLVMValueRef panel_vectors(Nest *n, LLVMValueRef panel) {
  const Tiling *t = n->tiling;
  if (t->last_vectors == t->vectors)
    return constant(n, t->vectors);
  LLVMValueRef last = is_equal(n, panel, constant(n, t->panels - 1));
  return LLVMBuildSelect(n->emit->builder, last, constant(n, t->last_vectors),
                         constant(n, t->vectors), "vectors");
}

/* Where a panel of the unit's group is in scratch. */
static LLVMValueRef panel_address(Nest *n, LLVMValueRef panel) {
  LLVMValueRef place = minus(n, panel, n->first_panel);
  return emit_address(n->emit, n->panels,
                      emit_mul(n->emit, place, n->panel_bytes), 1);
}

/* All panels of the unit's group, one vector after the other. */
static void pack_panels(Nest *n) {
  Emit *emit = n->emit;
  const Tiling *t = n->tiling;
  Loop panel = emit_loop_begin(emit, n->first_panel, n->end_panel,
                               constant(n, 1), "panel");
  LLVMValueRef to = panel_address(n, panel.index);
  Loop vector =
      emit_loop_begin(emit, constant(n, 0), panel_vectors(n, panel.index),
                      constant(n, 1), "vector");
  LLVMValueRef number = plus(n, panel.index, t->vectors, vector.index);
  LLVMValueRef place =
      emit_address(emit, to, emit_mul(emit, vector.index, t->lanes), 4);
  if (t->tail == 0) {
    pack_vector(n, t->lanes, number, place);
  } else {
    LLVMValueRef last = is_equal(n, number, constant(n, t->all_vectors - 1));
    Branch branch = emit_if(emit, last, "partial");
    pack_vector(n, t->tail, number, place);
    emit_else(emit, &branch);
    pack_vector(n, t->lanes, number, place);
    emit_endif(emit, &branch);
  }
  emit_loop_end(emit, &vector);
  emit_loop_end(emit, &panel);
}

/* ---- tiles -------------------------------------------------------------- */

/* The sums of one block and panel, of these sizes, go to `sums`. */
static void call_tile(Nest *n, LLVMValueRef block, LLVMValueRef panel,
                      LLVMValueRef sums, int64_t rows, int64_t vectors) {
  Emit *emit = n->emit;
  const Contraction *c = n->contraction;
  const Tiling *t = n->tiling;
  const ContractAxis *sum = &c->sum[c->sums - 1];
  int64_t wide = 4 * (int64_t)t->lanes * t->vectors;
  Tile tile = {.lanes = t->lanes,
               .rows = (int)rows,
               .vectors = (int)vectors,
               .row_stride = 4 * c->row.rows,
               .row_step = 4 * sum->rows,
               .column_step = t->packs ? wide : sum->columns * column_bytes(n),
               .column_format = t->packs ? FORMAT_F32 : c->column_format,
               .sums_stride = wide,
               .reload = t->split};
  LLVMValueRef row = emit_mul(emit, block, t->rows * c->row.rows);
  LLVMValueRef from =
      c->row.rows == 0 ? n->row_offset : emit_add(emit, row, n->row_offset);
  LLVMValueRef column = emit_mul(emit, panel, (int64_t)t->vectors * t->lanes);
  LLVMValueRef arguments[] = {emit_address(emit, n->row_base, from, 4),
                              t->packs ? panel_address(n, panel)
                                       : column_address(n, column),
                              sums, n->depth};
  contract_call(emit, tile_function(emit, &tile), arguments, 4);
}

/* The tile of fewer vectors at the right edge, or of all. */
static void call_panel(Nest *n, LLVMValueRef block, LLVMValueRef panel,
                       LLVMValueRef sums, int64_t rows) {
  const Tiling *t = n->tiling;
  if (t->last_vectors == t->vectors) {
    call_tile(n, block, panel, sums, rows, t->vectors);
    return;
  }
  LLVMValueRef last = is_equal(n, panel, constant(n, t->panels - 1));
  Branch branch = emit_if(n->emit, last, "narrow");
  call_tile(n, block, panel, sums, rows, t->last_vectors);
  emit_else(n->emit, &branch);
  call_tile(n, block, panel, sums, rows, t->vectors);
  emit_endif(n->emit, &branch);
}

/* Likewise at the lower edge. */
static void call_block(Nest *n, LLVMValueRef block, LLVMValueRef panel,
                       LLVMValueRef sums) {
  const Tiling *t = n->tiling;
  if (t->last_rows == t->rows) {
    call_panel(n, block, panel, sums, t->rows);
    return;
  }
  LLVMValueRef last = is_equal(n, block, constant(n, t->blocks - 1));
  Branch branch = emit_if(n->emit, last, "low");
  call_panel(n, block, panel, sums, t->last_rows);
  emit_else(n->emit, &branch);
  call_panel(n, block, panel, sums, t->rows);
  emit_endif(n->emit, &branch);
}

/* Where the sums of a tile are: one place for all, or one each. */
static LLVMValueRef tile_sums(Nest *n, LLVMValueRef block, LLVMValueRef panel) {
  if (!n->tiling->split)
    return n->sums;
  LLVMValueRef place = plus(n, minus(n, block, n->first_block),
                            n->tiling->group, minus(n, panel, n->first_panel));
  return emit_address(n->emit, n->sums, emit_mul(n->emit, place, n->tile_bytes),
                      1);
}

/* ---- results ------------------------------------------------------------ */

/* Hands `lanes` sums of one row, from `column` on, to the kernel's other ops.
 */
static bool result_vector(Nest *n, LLVMValueRef row, LLVMValueRef column,
                          LLVMValueRef sum, unsigned lanes, LLVMValueRef mask) {
  const Contraction *c = n->contraction;
  Point point = {.lanes = lanes, .axes = c->parts, .mask = mask};
  for (int i = 0; i < c->parts; i++) {
    ContractPart part = c->part[i];
    int outer = c->part_outer[i];
    point.size[i] = part == AXIS_ROW      ? c->row.size
                    : part == AXIS_COLUMN ? c->column.size
                                          : c->outer[outer].size;
    point.index[i] = part == AXIS_ROW      ? row
                     : part == AXIS_COLUMN ? column
                                           : n->outer[outer];
  }
  if (c->parts == 0) {
    point.axes = 1;
    point.size[0] = 1;
    point.index[0] = constant(n, 0);
  }
  LLVMValueRef loaded = emit_load(n->emit, n->emit->f32, sum, lanes, mask);
  return map_emit(n->map, &point, loaded);
}

/* The partial last vector of a row: masked where that is an instruction, else
 * one by one. */
static bool result_tail(Nest *n, LLVMValueRef row, LLVMValueRef column,
                        LLVMValueRef sum) {
  Emit *emit = n->emit;
  const Tiling *t = n->tiling;
  if (emit->target.avx512)
    return result_vector(n, row, column, sum, t->lanes,
                         emit_mask(emit, constant(n, t->tail), t->lanes));
  Loop loop = emit_loop_begin(emit, constant(n, 0), constant(n, t->tail),
                              constant(n, 1), "lane");
  bool done = result_vector(n, row, emit_add(emit, column, loop.index),
                            emit_address(emit, sum, loop.index, 4), 1, NULL);
  emit_loop_end(emit, &loop);
  return done;
}

/* All vectors of one row of a tile, a partial last one apart: panels and tiles
 * are whole, results are not. */
static bool result_row(Nest *n, LLVMValueRef panel, LLVMValueRef row,
                       LLVMValueRef sums) {
  Emit *emit = n->emit;
  const Tiling *t = n->tiling;
  LLVMValueRef first = emit_mul(emit, panel, t->vectors);
  LLVMValueRef whole = constant(n, t->all_vectors - (t->tail != 0));
  LLVMValueRef left = minus(n, whole, first);
  LLVMValueRef vectors = constant(n, t->vectors);
  if (t->tail != 0 || t->last_vectors != t->vectors)
    vectors = emit_min_i64(emit, left, vectors);
  Loop loop =
      emit_loop_begin(emit, constant(n, 0), vectors, constant(n, 1), "vector");
  LLVMValueRef column =
      emit_mul(emit, emit_add(emit, first, loop.index), t->lanes);
  LLVMValueRef sum =
      emit_address(emit, sums, emit_mul(emit, loop.index, t->lanes), 4);
  if (!result_vector(n, row, column, sum, t->lanes, NULL))
    return false;
  emit_loop_end(emit, &loop);
  if (t->tail == 0)
    return true;
  Branch branch =
      emit_if(emit, is_equal(n, panel, constant(n, t->panels - 1)), "partial");
  sum = emit_address(emit, sums, emit_mul(emit, left, t->lanes), 4);
  column = emit_mul(emit, whole, t->lanes);
  bool done = result_tail(n, row, column, sum);
  emit_endif(emit, &branch);
  return done;
}

/* Every row of a tile that is a row of the result. */
static bool tile_results(Nest *n, LLVMValueRef block, LLVMValueRef panel,
                         LLVMValueRef sums) {
  Emit *emit = n->emit;
  const Tiling *t = n->tiling;
  LLVMValueRef first = emit_mul(emit, block, t->rows);
  LLVMValueRef end = emit_add(emit, first, constant(n, t->rows));
  if (t->last_rows != t->rows)
    end = emit_min_i64(emit, end, constant(n, n->contraction->row.size));
  Loop loop = emit_loop_begin(emit, first, end, constant(n, 1), "row");
  LLVMValueRef place = minus(n, loop.index, first);
  int64_t wide = 4 * (int64_t)t->lanes * t->vectors;
  LLVMValueRef at = emit_address(emit, sums, emit_mul(emit, place, wide), 1);
  bool done = result_row(n, panel, loop.index, at);
  emit_loop_end(emit, &loop);
  return done;
}

/* ---- units -------------------------------------------------------------- */

typedef struct {
  Loop block, panel;
} TileLoops;

/* Blocks outside, panels inside: a block's rows stay in the first cache. */
static TileLoops tiles_begin(Nest *n) {
  TileLoops loops;
  loops.block = emit_loop_begin(n->emit, n->first_block, n->end_block,
                                constant(n, 1), "block");
  loops.panel = emit_loop_begin(n->emit, n->first_panel, n->end_panel,
                                constant(n, 1), "panel");
  return loops;
}

static void tiles_end(Nest *n, TileLoops *loops) {
  emit_loop_end(n->emit, &loops->panel);
  emit_loop_end(n->emit, &loops->block);
}

/* All of the contracted index at once. `packed` holds the number of the group
 * in scratch. */
static bool unit_whole(Nest *n, LLVMValueRef packed, LLVMValueRef number) {
  Emit *emit = n->emit;
  const Contraction *c = n->contraction;
  n->depth = constant(n, c->sum[c->sums - 1].size);
  if (n->tiling->packs) {
    LLVMValueRef before = emit_load(emit, emit->i64, packed, 1, NULL);
    LLVMValueRef other =
        LLVMBuildICmp(emit->builder, LLVMIntNE, before, number, "other");
    Branch branch = emit_if(emit, other, "pack");
    pack_panels(n);
    emit_store(emit, number, emit->i64, packed, 1, NULL);
    emit_endif(emit, &branch);
  }
  TileLoops loops = tiles_begin(n);
  LLVMValueRef block = loops.block.index, panel = loops.panel.index;
  call_block(n, block, panel, n->sums);
  bool done = tile_results(n, block, panel, n->sums);
  tiles_end(n, &loops);
  return done;
}

/* Sums start from +0. */
static void clear_sums(Nest *n) {
  Emit *emit = n->emit;
  const Tiling *t = n->tiling;
  int64_t floats = t->run * t->group * n->tile_bytes / 4;
  Loop loop = emit_loop_begin(emit, constant(n, 0), constant(n, floats),
                              constant(n, t->lanes), "clear");
  emit_store(emit, emit_f32_splat(emit, 0.0f, t->lanes), emit->f32,
             emit_address(emit, n->sums, loop.index, 4), t->lanes, NULL);
  emit_loop_end(emit, &loop);
}

/* One go: panels of these contracted indices, then every tile. */
static void unit_go(Nest *n) {
  if (n->tiling->packs)
    pack_panels(n);
  TileLoops loops = tiles_begin(n);
  LLVMValueRef block = loops.block.index, panel = loops.panel.index;
  call_block(n, block, panel, tile_sums(n, block, panel));
  tiles_end(n, &loops);
}

/* Goes in ascending order: the outer contracted axes, then pieces of the inner
 * one. */
static void unit_goes(Nest *n, int axis) {
  Emit *emit = n->emit;
  const Contraction *c = n->contraction;
  const ContractAxis *sum = &c->sum[axis];
  LLVMValueRef rows = n->row_offset, columns = n->column_offset;
  bool inner = axis == c->sums - 1;
  int64_t step = inner ? n->tiling->depth : 1;
  Loop loop = emit_loop_begin(emit, constant(n, 0), constant(n, sum->size),
                              constant(n, step), "go");
  if (sum->rows != 0)
    n->row_offset = plus(n, loop.index, sum->rows, rows);
  if (sum->columns != 0)
    n->column_offset = plus(n, loop.index, sum->columns, columns);
  if (inner) {
    LLVMValueRef left = minus(n, constant(n, sum->size), loop.index);
    n->depth = emit_min_i64(emit, left, constant(n, step));
    unit_go(n);
  } else {
    unit_goes(n, axis + 1);
  }
  emit_loop_end(emit, &loop);
  n->row_offset = rows;
  n->column_offset = columns;
}

/* The contracted index in several goes, results at the end. */
static bool unit_split(Nest *n) {
  clear_sums(n);
  unit_goes(n, 0);
  TileLoops loops = tiles_begin(n);
  LLVMValueRef block = loops.block.index, panel = loops.panel.index;
  bool done = tile_results(n, block, panel, tile_sums(n, block, panel));
  tiles_end(n, &loops);
  return done;
}

/* Outer indices vary slowest, runs of blocks fastest, so that neighbouring
 * units share panels. */
static bool unit_emit(Nest *n, LLVMValueRef unit, LLVMValueRef packed) {
  Emit *emit = n->emit;
  const Contraction *c = n->contraction;
  const Tiling *t = n->tiling;
  LLVMValueRef rest, number;
  LLVMValueRef run = take(n, unit, t->runs, &number);
  LLVMValueRef group = take(n, number, t->groups, &rest);
  n->first_block = emit_mul(emit, run, t->run);
  n->end_block = emit_min_i64(emit, plus(n, run, t->run, constant(n, t->run)),
                              constant(n, t->blocks));
  n->first_panel = emit_mul(emit, group, t->group);
  n->end_panel =
      emit_min_i64(emit, plus(n, group, t->group, constant(n, t->group)),
                   constant(n, t->panels));
  n->row_offset = n->column_offset = constant(n, 0);
  for (int i = c->outers; i-- > 0;) {
    const ContractAxis *axis = &c->outer[i];
    n->outer[i] = take(n, rest, axis->size, &rest);
    if (axis->rows != 0)
      n->row_offset = plus(n, n->outer[i], axis->rows, n->row_offset);
    if (axis->columns != 0)
      n->column_offset = plus(n, n->outer[i], axis->columns, n->column_offset);
  }
  return t->split ? unit_split(n) : unit_whole(n, packed, number);
}

/* ---- the stage ---------------------------------------------------------- */

static int64_t round_up_64(int64_t bytes) {
  return (bytes + 63) & ~(int64_t)63;
}

/* Bases and the layout of scratch: panels, then sums. */
static void nest_addresses(Nest *n, const KernelCode *code,
                           LLVMValueRef scratch, int64_t panels_bytes) {
  Emit *emit = n->emit;
  const Contraction *c = n->contraction;
  const Node *node = graph_node(code->graph, c->id);
  n->row_base = n->tiling->copies
                    ? kernel_shared(emit, code)
                    : kernel_pointer(emit, code, node->input[c->row_operand]);
  n->column_base = kernel_pointer(emit, code, node->input[c->column_operand]);
  n->panels = scratch;
  n->sums = emit_address(emit, scratch, constant(n, panels_bytes), 1);
}

/* Scratch is laid out here: all panels of a group, then sums of one tile or of
 * all tiles of a unit. */
bool contract_multiply_stage(Emit *emit, KernelCode *code,
                             const Contraction *contraction,
                             const Tiling *tiling) {
  const Contraction *c = contraction;
  const Tiling *t = tiling;
  int64_t wide = 4 * (int64_t)t->lanes * t->vectors;
  Nest n = {.emit = emit, .contraction = c, .tiling = t};
  n.panel_bytes = wide * t->depth;
  n.tile_bytes = wide * t->rows;
  int64_t panels = t->packs ? round_up_64(n.panel_bytes * t->group) : 0;
  int64_t sums = n.tile_bytes * (t->split ? t->run * t->group : 1);
  int64_t elements = c->outer_count * c->row.size * c->column.size;
  int64_t work = elements * map_cost(code);
  int64_t products = 2 * elements;
  for (int i = 0; i < c->sums; i++)
    products *= c->sum[i].size;
  StageBody stage =
      kernel_stage_begin(emit, code, c->outer_count * t->groups * t->runs,
                         products + work, panels + round_up_64(sums));
  nest_addresses(&n, code, stage.scratch, panels);
  n.map = map_begin(emit, code);
  LLVMValueRef packed = emit_slot(emit, emit->i64, 1, "packed");
  emit_store(emit, constant(&n, -1), emit->i64, packed, 1, NULL);
  Loop units =
      emit_loop_begin(emit, stage.begin, stage.end, constant(&n, 1), "unit");
  bool done = unit_emit(&n, units.index, packed);
  emit_loop_end(emit, &units);
  kernel_stage_end(emit, code);
  return done;
}
