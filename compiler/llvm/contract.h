/* Contractions, inside: what contract.c (axes and tiling), contract_nest.c
 * (loops), contract_tile.c (the register tile) and contract_pack.c (operands
 * into the order in which tiles read them) share.
 *
 * A contraction is seen as a matrix product under outer loops:
 *
 *   out[outer.., row, column] =
 *       sum over k of rows[outer.., row, k] * columns[outer.., k, column]
 *
 * `column` runs along the innermost axes of the result, so that vectors of
 * sums are vectors of the result; the operand that has them is called
 * `columns`, the other one `rows`, whichever comes first in the pattern.
 */
#ifndef SG_LLVM_CONTRACT_H
#define SG_LLVM_CONTRACT_H

#include "compiler/llvm/kernel.h"

enum { CONTRACT_AXES = 3 * MAX_RANK };

/* One axis: its size, and how many elements one step of it is in each operand
 * (0 where the operand does not have it). */
typedef struct {
  int64_t size, rows, columns;
} ContractAxis;

/* What an axis of the result is. */
typedef enum { AXIS_OUTER, AXIS_ROW, AXIS_COLUMN } ContractPart;

typedef struct {
  ValueId id;                       /* the einsum */
  int row_operand, column_operand;  /* 0 or 1 */
  Format row_format, column_format; /* in memory */
  int64_t row_elements;             /* of the whole row operand */
  ContractAxis row, column;
  ContractAxis outer[CONTRACT_AXES];
  int outers;
  int64_t outer_count;
  /* The contracted axes, ascending in this order; the last one is the inner
   * one, the others repeat it. */
  ContractAxis sum[CONTRACT_AXES];
  int sums;
  /* The axes of the result in the order of memory. */
  ContractPart part[POINT_AXES];
  int part_outer[POINT_AXES]; /* for AXIS_OUTER: which */
  int parts;
} Contraction;

/* How it is cut up. Rows come in blocks, columns in panels of `vectors`
 * registers; a tile is one block times one panel. A unit is a group of panels
 * times a run of blocks. */
typedef struct {
  unsigned lanes;
  int rows, vectors;         /* of a tile: both at most what fits */
  int64_t blocks, last_rows; /* row blocks; rows of the last one */
  int64_t all_vectors;       /* of one result row, the last perhaps partial */
  int64_t panels, last_vectors; /* vectors of the last panel */
  int64_t tail;                 /* columns of a partial last vector, or 0 */
  int64_t group, groups;        /* panels of a group; how many groups */
  int64_t run, runs;            /* row blocks of a unit; how many runs */
  int64_t depth;                /* contracted indices done in one go */
  bool split;                   /* more than one go: sums wait in memory */
  bool packs;                   /* columns are packed, else read in place */
  bool copies;                  /* rows are first copied as f32 */
  /* The copy: `copy_rows` rows of `copy_size` elements, `copy_stride` apart. */
  int64_t copy_rows, copy_size, copy_stride;
} Tiling;

/* ---- contract_tile.c ---------------------------------------------------- */

/* Begins the function `name` of `count` parameters while another one is being
 * written, and goes back to that. Parameters: pointers, the last one i64. */
typedef struct {
  LLVMValueRef function;
  LLVMBasicBlockRef entry, block;
} EmitPlace;
EmitPlace contract_function_begin(Emit *emit, const char *name, unsigned count);
void contract_function_end(Emit *emit, EmitPlace place);
/* A call of such a function. */
void contract_call(Emit *emit, LLVMValueRef function, LLVMValueRef *arguments,
                   unsigned count);

/* The register tile: void(ptr rows, ptr columns, ptr sums, i64 k), k >= 1.
 * sums[r][v] += rows[r, i] * columns[i, v] for i = 0 .. k - 1, ascending;
 * `reload`: from what sums holds, else from zero. All steps in bytes. */
typedef struct {
  unsigned lanes;
  int rows, vectors;
  int64_t row_stride, row_step; /* to the next row, to the next i */
  int64_t column_step;          /* to the next i */
  Format column_format;
  int64_t sums_stride; /* to the next row */
  bool reload;
} Tile;

/* The function of a tile; equal tiles are one function. */
LLVMValueRef tile_function(Emit *emit, const Tile *tile);

/* ---- contract_pack.c ---------------------------------------------------- */

/* Packing of one vector of columns: void(ptr source, ptr panel, i64 k).
 * panel[i][lane] = source[i, lane] as f32 for i = 0 .. k - 1 and lanes below
 * `count`, else 0. Steps in elements of the format, panel_step in bytes. */
typedef struct {
  unsigned lanes;
  int64_t count;
  Format format;
  int64_t stride, step; /* to the next column, to the next i */
  int64_t panel_step;
} Pack;

LLVMValueRef pack_function(Emit *emit, const Pack *pack);
/* The stage that copies the row operand to the shared work area as f32. */
void contract_copy_stage(Emit *emit, KernelCode *code,
                         const Contraction *contraction, const Tiling *tiling);

/* ---- contract_nest.c ---------------------------------------------------- */

/* The stage that multiplies. */
bool contract_multiply_stage(Emit *emit, KernelCode *code,
                             const Contraction *contraction,
                             const Tiling *tiling);

#endif
