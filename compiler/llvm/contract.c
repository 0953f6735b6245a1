/* Contractions: from a pattern to a matrix product cut into tiles.
 *
 * In: a gemm kernel, that is an einsum and the elementwise ops behind it. Out:
 * its stages. The letters of the pattern become the axes of contract.h: those
 * at the end of the result that only one operand has are columns, the nearest
 * ones that only the other has are rows, all others outer loops; letters that
 * the result does not have are contracted. Neighbouring letters that one stride
 * describes are one axis. The nest is that of Goto and van de Geijn, except
 * that sums are complete before anything else is done with them: a result is
 * fma(a, b, acc) from +0 over its contracted index, ascending, whatever the
 * tiling, the target and the number of threads.
 */
#include "compiler/llvm/contract.h"

#include <string.h>

/* ---- letters to axes ---------------------------------------------------- */

typedef struct {
  int64_t size;
  int64_t stride[2]; /* in each operand */
  bool in[2], in_result;
} Letter;

typedef struct {
  Letter letter[CONTRACT_AXES];
  int letters;
  int result[MAX_RANK]; /* letters of the result, size above 1 */
  ContractPart part[MAX_RANK];
  int part_outer[MAX_RANK];
  int results;
} Letters;

/* Notes sizes and strides of one operand's letters. A letter that an operand
 * has twice moves along both axes at once. */
static void letters_operand(Letters *letters, const Pattern *pattern,
                            const Type *type, int operand) {
  int64_t elements = 1;
  for (int i = pattern->rank[operand]; i-- > 0;) {
    Letter *letter = &letters->letter[pattern->axis[operand][i]];
    letter->size = type->dim[i];
    letter->stride[operand] += elements;
    letter->in[operand] = true;
    elements *= type->dim[i];
  }
}

/* Letters of size 1 have no part in anything. */
static bool letters_read(Emit *emit, const Graph *graph, const Node *node,
                         Letters *letters) {
  Pattern pattern;
  const char *error;
  size_t offset;
  memset(letters, 0, sizeof *letters);
  if (!pattern_parse(emit->program->interner, node->attr.pattern, &pattern,
                     &error, &offset))
    return false;
  letters->letters = pattern.letters;
  for (int operand = 0; operand < 2; operand++)
    letters_operand(letters, &pattern,
                    graph_node(graph, node->input[operand])->type, operand);
  for (int i = 0; i < pattern.out_rank; i++) {
    Letter *letter = &letters->letter[pattern.out_axis[i]];
    letter->in_result = true;
    if (letter->size > 1)
      letters->result[letters->results++] = pattern.out_axis[i];
  }
  return true;
}

/* Does only operand `operand` have the result's letter at `place`? */
static bool belongs(const Letters *letters, int place, int operand) {
  const Letter *letter = &letters->letter[letters->result[place]];
  return letter->in[operand] && !letter->in[1 - operand];
}

/* One axis of the letters that end at `place`, as many as one stride of the
 * operand covers. Returns the place before them. */
static int take_run(Letters *letters, int place, int operand, ContractPart part,
                    ContractAxis *axis) {
  const Letter *inner = &letters->letter[letters->result[place]];
  int64_t stride = inner->stride[operand], size = 1;
  for (; place >= 0 && belongs(letters, place, operand); place--) {
    const Letter *letter = &letters->letter[letters->result[place]];
    if (letter->stride[operand] != stride * size)
      break;
    size *= letter->size;
    letters->part[place] = part;
  }
  axis->size = size;
  *(part == AXIS_ROW ? &axis->rows : &axis->columns) = stride;
  return place;
}

/* Rows: the longest run that is left. */
static void take_rows(Letters *letters, int place, Contraction *c) {
  int best = -1;
  for (; place >= 0;) {
    if (!belongs(letters, place, c->row_operand)) {
      place--;
      continue;
    }
    ContractAxis axis = {1, 0, 0};
    Letters trial = *letters;
    int next = take_run(&trial, place, c->row_operand, AXIS_ROW, &axis);
    if (axis.size > c->row.size) {
      best = place;
      c->row = axis;
    }
    place = next;
  }
  if (best >= 0)
    take_run(letters, best, c->row_operand, AXIS_ROW, &c->row);
}

/* A letter that is an axis of its own. */
static ContractAxis letter_axis(const Contraction *c, const Letter *letter) {
  return (ContractAxis){letter->size, letter->stride[c->row_operand],
                        letter->stride[c->column_operand]};
}

/* Divides the result's letters among columns, rows and outer loops. If both
 * operands have the innermost one, there are no columns: one result at a time,
 * slow and right. */
static void take_results(Letters *letters, Contraction *c) {
  int last = letters->results - 1;
  c->column_operand = last >= 0 && belongs(letters, last, 0) ? 0 : 1;
  c->row_operand = 1 - c->column_operand;
  c->row = c->column = (ContractAxis){1, 0, 0};
  if (last >= 0 && belongs(letters, last, c->column_operand))
    last = take_run(letters, last, c->column_operand, AXIS_COLUMN, &c->column);
  take_rows(letters, last, c);
  c->outer_count = 1;
  for (int i = 0; i < letters->results; i++) {
    if (letters->part[i] != AXIS_OUTER)
      continue;
    letters->part_outer[i] = c->outers;
    c->outer[c->outers] = letter_axis(c, &letters->letter[letters->result[i]]);
    c->outer_count *= c->outer[c->outers++].size;
  }
}

/* The result's axes: a run of letters of one part is one. */
static void take_parts(const Letters *letters, Contraction *c) {
  for (int i = 0; i < letters->results; i++) {
    ContractPart part = letters->part[i];
    if (i > 0 && part != AXIS_OUTER && part == letters->part[i - 1])
      continue;
    c->part[c->parts] = part;
    c->part_outer[c->parts++] = letters->part_outer[i];
  }
}

/* Letters are numbered in the order in which the pattern names them, which is
 * the order of summation. */
static void take_sums(const Letters *letters, Contraction *c) {
  for (int i = 0; i < letters->letters; i++) {
    const Letter *letter = &letters->letter[i];
    if (letter->in_result || letter->size == 1)
      continue;
    ContractAxis axis = letter_axis(c, letter);
    ContractAxis *before = c->sums > 0 ? &c->sum[c->sums - 1] : NULL;
    if (before && before->rows == axis.rows * axis.size &&
        before->columns == axis.columns * axis.size) {
      axis.size *= before->size;
      *before = axis;
    } else {
      c->sum[c->sums++] = axis;
    }
  }
  if (c->sums == 0)
    c->sum[c->sums++] = (ContractAxis){1, 0, 0};
}

/* The whole of it; false if the pattern does not parse. */
static bool contraction_read(Emit *emit, const KernelCode *code, ValueId id,
                             Contraction *c) {
  const Graph *graph = code->graph;
  const Node *node = graph_node(graph, id);
  Letters letters;
  memset(c, 0, sizeof *c);
  c->id = id;
  if (!letters_read(emit, graph, node, &letters))
    return false;
  take_results(&letters, c);
  take_parts(&letters, c);
  take_sums(&letters, c);
  const Type *rows = graph_node(graph, node->input[c->row_operand])->type;
  const Type *columns = graph_node(graph, node->input[c->column_operand])->type;
  c->row_format = rows->format;
  c->row_elements = rows->elements;
  c->column_format = columns->format;
  return true;
}

/* ---- tiling ------------------------------------------------------------- */

static int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* Half cycles of one contracted index in a tile: two multiply-adds or two
 * loads a cycle, and at least the latency of one multiply-add. */
static int64_t tile_cost(int64_t rows, int64_t vectors) {
  int64_t work = rows * vectors, loads = rows + vectors;
  int64_t most = work > loads ? work : loads;
  return most > 8 ? most : 8;
}

/* Likewise of all tiles of one panel. */
static int64_t blocks_cost(const Tiling *t, int64_t rows, int64_t vectors) {
  int64_t blocks = divide_up(rows, t->rows);
  int64_t last = rows - (blocks - 1) * t->rows;
  return (blocks - 1) * tile_cost(t->rows, vectors) + tile_cost(last, vectors);
}

enum { TILES = 16 };

/* Rows are spread evenly over as few blocks as the registers allow. */
static int64_t try_tile(const Target *target, const Contraction *c, Tiling *t,
                        int vectors) {
  /* Without FMA a product needs a register of its own. */
  int free = (int)target->registers - 1 - vectors - (target->fma ? 0 : 1);
  int64_t most = least(free / vectors, c->row.size);
  t->panels = divide_up(t->all_vectors, vectors);
  /* Few tiles: smaller ones, so that threads get equal shares, but enough sums
   * to hide the latency of their additions. */
  int64_t others = t->panels * c->outer_count;
  int64_t enough = divide_up(8, vectors);
  int64_t fair = divide_up(c->row.size * others, TILES);
  if (fair < most)
    most = fair > enough ? fair : least(enough, most);
  t->rows = (int)divide_up(c->row.size, divide_up(c->row.size, most));
  t->vectors = vectors;
  t->last_vectors = t->all_vectors - (t->panels - 1) * vectors;
  return (t->panels - 1) * blocks_cost(t, c->row.size, vectors) +
         blocks_cost(t, c->row.size, t->last_vectors);
}

/* The cheapest width of a tile by this count; among equals the narrowest, which
 * reads the fewest bytes of packed columns per multiply-add. */
static void choose_tile(const Target *target, const Contraction *c, Tiling *t) {
  t->lanes = c->column.size > 1 ? target->lanes : 1;
  t->all_vectors = divide_up(c->column.size, t->lanes);
  t->tail = c->column.size % t->lanes;
  int64_t best = INT64_MAX;
  Tiling chosen = *t;
  for (int vectors = 1; vectors <= 4 && vectors <= t->all_vectors; vectors++) {
    int64_t cost = try_tile(target, c, t, vectors);
    if (cost < best) {
      best = cost;
      chosen = *t;
    }
  }
  *t = chosen;
  t->blocks = divide_up(c->row.size, t->rows);
  t->last_rows = c->row.size - (t->blocks - 1) * t->rows;
}

/* Every axis that the row operand may have; returns how many. */
static int row_axes(Contraction *c, ContractAxis *axis[2 * CONTRACT_AXES + 1]) {
  int count = 0;
  axis[count++] = &c->row;
  for (int i = 0; i < c->outers; i++)
    axis[count++] = &c->outer[i];
  for (int i = 0; i < c->sums; i++)
    axis[count++] = &c->sum[i];
  return count;
}

/* The size of the axis along which the row operand is contiguous if the rows
 * of a tile are apart by a multiple of 1024 bytes, so that they share few sets
 * of a cache; else 0. */
static int64_t crowded_size(Contraction *c) {
  ContractAxis *axis[2 * CONTRACT_AXES + 1];
  int count = row_axes(c, axis), contiguous = 0;
  int64_t size = 0;
  for (int i = 0; i < count; i++)
    if (axis[i]->rows == 1) {
      size = axis[i]->size;
      contiguous++;
    }
  if (contiguous != 1 || size % 256 != 0 || c->row.rows == 1)
    return 0;
  for (int i = 0; i < count; i++)
    if (axis[i]->rows != 1 && axis[i]->rows % size != 0)
      return 0;
  return size;
}

/* Tiles read rows as f32 with steps known at compile time, straight from the
 * operand if it is f32 and its rows lie well; else from a copy, padded by one
 * cache line. */
static void choose_copy(Contraction *c, Tiling *t) {
  int64_t size = crowded_size(c);
  t->copies = c->row_format != FORMAT_F32 || (size != 0 && t->panels > 2);
  if (size == 0) {
    t->copy_size = t->copy_stride = 4096;
    t->copy_rows = divide_up(c->row_elements, t->copy_size);
    return;
  }
  t->copy_size = size;
  t->copy_stride = size + 16;
  t->copy_rows = c->row_elements / size;
  ContractAxis *axis[2 * CONTRACT_AXES + 1];
  int count = row_axes(c, axis);
  for (int i = 0; i < count && t->copies; i++)
    if (axis[i]->rows != 1)
      axis[i]->rows = axis[i]->rows / size * t->copy_stride;
}

enum {
  PANEL_BYTES = 256 * 1024, /* of a panel, */
  GROUP_BYTES = 512 * 1024, /* of all panels of a group: part of an L2 cache */
  ROWS_BYTES = 1024 * 1024, /* beyond this, rows are read for more panels */
  SUMS_BYTES = 128 * 1024,  /* of sums that wait for the next go */
  UNITS = 64                /* enough for an even split among threads */
};

/* How many contracted indices a panel holds, and how many panels a unit has:
 * more of them where the rows do not fit into a cache and are read from far
 * away for each group. */
static void choose_depth(const Contraction *c, Tiling *t) {
  int64_t k = c->sum[c->sums - 1].size;
  int64_t panel = 4 * (int64_t)t->lanes * t->vectors;
  int64_t most = PANEL_BYTES / panel;
  t->depth = divide_up(k, divide_up(k, most));
  t->split = t->depth < k || c->sums > 1;
  int64_t wanted = 4 * c->row.size * k > ROWS_BYTES ? 4 : 1;
  int64_t fits = GROUP_BYTES / (panel * t->depth);
  t->group = least(least(wanted, fits > 0 ? fits : 1), t->panels);
  t->groups = divide_up(t->panels, t->group);
}

/* How many blocks of rows a unit has. Runs of one group follow each other, so
 * that a thread packs each of its groups once. */
static void choose_units(const Contraction *c, Tiling *t) {
  int64_t units = t->groups * c->outer_count;
  t->run = divide_up(t->blocks, least(t->blocks, divide_up(UNITS, units)));
  if (t->split) {
    /* Packing is repeated in each unit: enough rows pay for it, but no more
     * sums than the cache holds. */
    int64_t tile = 4 * (int64_t)t->lanes * t->vectors * t->rows * t->group;
    int64_t most = SUMS_BYTES / tile > 0 ? SUMS_BYTES / tile : 1;
    int64_t few = divide_up(256, t->rows);
    t->run = least(t->run > few ? t->run : few, least(most, t->blocks));
  }
  t->runs = divide_up(t->blocks, t->run);
}

/* Columns that one block of rows reads once are not worth packing, if they can
 * be read as whole vectors. */
static void choose_packing(const Contraction *c, Tiling *t) {
  bool direct = (c->column.columns == 1 || c->column.size == 1) &&
                t->tail == 0 && t->blocks == 1;
  t->packs = !direct;
}

static Tiling tiling_choose(const Emit *emit, Contraction *c) {
  Tiling t = {0};
  choose_tile(&emit->target, c, &t);
  choose_copy(c, &t);
  choose_depth(c, &t);
  choose_units(c, &t);
  choose_packing(c, &t);
  return t;
}

/* ---- the kernel --------------------------------------------------------- */

static ValueId find_einsum(const KernelCode *code) {
  for (ValueId id = code->first; id <= code->last; id++)
    if (kernel_has(code, id) && graph_node(code->graph, id)->op == OP_EINSUM)
      return id;
  return 0;
}

bool lower_gemm(Emit *emit, KernelCode *code) {
  Contraction contraction;
  ValueId id = find_einsum(code);
  if (!contraction_read(emit, code, id, &contraction)) {
    kernel_refuse(emit, code->graph, id, "its pattern cannot be read");
    return false;
  }
  Tiling tiling = tiling_choose(emit, &contraction);
  if (tiling.copies) {
    code->shared_bytes = 4 * tiling.copy_rows * tiling.copy_stride;
    contract_copy_stage(emit, code, &contraction, &tiling);
  }
  return contract_multiply_stage(emit, code, &contraction, &tiling);
}
