/* Elementwise kernels, inside: what map.c (ops), access.c (operands) and
 * fused.c (loops) share.
 */
#ifndef SG_LLVM_MAP_H
#define SG_LLVM_MAP_H

#include "compiler/llvm/kernel.h"

/* One value at `lanes` elements. Floats of any format are f32 in `value` (NULL
 * until somebody wants it) and codes in `codes` where they have been encoded or
 * loaded so; i64 is i64, other integers are i32, bool is i1. */
typedef struct {
  Format format;
  LLVMValueRef value, codes;
} MapValue;

/* An operand in memory, walked in the shape of the op that reads it. */
typedef struct {
  const Type *walk; /* shape of the reader */
  const Type *type; /* of the operand as the reader sees it */
} Access;

typedef struct {
  bool present;
  ShiftFactors factors;
} MapShift;

/* What belongs to one member. */
typedef struct {
  MapShift shift[MAX_INPUTS + 1];   /* operands, then the result */
  LLVMValueRef key[2];              /* of stochastic rounding, or NULL */
  LLVMValueRef address[MAX_INPUTS]; /* operands in memory */
  MapValue scalar[MAX_INPUTS];      /* operands of one element, one lane */
  LLVMValueRef result;              /* where it is stored, or NULL */
} MapMember;

struct Map {
  Emit *emit;
  const KernelCode *code;
  int64_t elements;  /* of the iteration space */
  MapMember *member; /* by id - first */
  MapValue *value;   /* likewise, at the current point */
};

/* The number of elements of the largest member. */
int64_t map_elements(const KernelCode *code);

/* ---- access.c ------------------------------------------------------------ */

/* Does the operand of this access repeat elements? Otherwise element i of the
 * walk is element i of the operand. */
bool access_broadcasts(Access access);
/* Elements of the operand per index of each axis of a walk that is factored
 * into `size`. False if the factoring cuts across the operand's axes. */
bool access_strides(Access access, const int64_t *size, int axes,
                    int64_t *stride);
/* The coarsest common factoring of several walks of `elements` elements in
 * which each axis is one stride of each operand; one axis of all elements if
 * there is none. Returns the number of axes. */
int access_common_axes(const Access *access, size_t count, int64_t elements,
                       int64_t *size);
/* The element number of lane 0 of the point. */
LLVMValueRef point_flat(Emit *emit, const Point *point);
/* Loads the operand at the point, `value` or `codes` set. */
MapValue access_load(Emit *emit, Access access, LLVMValueRef base,
                     const Point *point);
/* Loads element 0, one lane. */
MapValue access_load_scalar(Emit *emit, Format format, LLVMValueRef base);
/* From one lane to all. */
MapValue map_splat(Emit *emit, MapValue scalar, unsigned lanes);
/* The f32 value; decodes if need be. */
LLVMValueRef map_f32(Emit *emit, MapValue *value, unsigned lanes);
/* Integers and bool as they are held in registers, and as codes. */
LLVMValueRef integer_widen(Emit *emit, Format format, LLVMValueRef codes,
                           unsigned lanes);
LLVMValueRef integer_narrow(Emit *emit, Format format, LLVMValueRef value,
                            unsigned lanes);

#endif
