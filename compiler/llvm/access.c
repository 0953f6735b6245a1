/* Operands of elementwise kernels: where element i of an operand is.
 *
 * In: the shape in which an op walks, the operand's shape under the strict
 * broadcasting of language.md 6, a Point. Out: vectors. An operand is described
 * by its strides along the axes of the walk, 0 where it stands still. A Point
 * may factor the same elements differently (rows and columns of a product, one
 * flat axis); as long as its axes are unions of the walk's, or parts of them,
 * every operand is a linear function of the Point's indices and loads as a
 * vector or as one scalar. Otherwise element numbers are taken apart lane by
 * lane and gathered.
 */
#include "compiler/llvm/map.h"

/* ---- strides ------------------------------------------------------------- */

bool access_broadcasts(Access access) {
  return access.type->elements != access.walk->elements;
}

/* Elements of the operand per index of each axis of the walk. */
static void walk_strides(Access access, int64_t stride[MAX_RANK]) {
  int64_t elements = 1;
  int offset = access.walk->rank - access.type->rank;
  for (int i = access.walk->rank; i-- > 0;) {
    int64_t dim = i >= offset ? access.type->dim[i - offset] : 1;
    stride[i] = dim == 1 ? 0 : elements;
    elements *= dim;
  }
}

/* The factors of one axis list, taken from the innermost one outwards. */
typedef struct {
  const int64_t *size;
  int axis;
  int64_t left; /* of the current axis */
} Factors;

static void factors_skip(Factors *factors) {
  while (factors->left == 1 && factors->axis >= 0)
    if (--factors->axis >= 0)
      factors->left = factors->size[factors->axis];
}

static Factors factors_begin(const int64_t *size, int axes) {
  Factors factors = {size, axes - 1, axes > 0 ? size[axes - 1] : 1};
  factors_skip(&factors);
  return factors;
}

/* The next factor that both lists have, or 0 if they cut across each other;
 * 1 at the end. */
static int64_t factors_common(const Factors *a, const Factors *b) {
  if (a->axis < 0 || b->axis < 0)
    return 1;
  int64_t low = a->left < b->left ? a->left : b->left;
  int64_t high = a->left < b->left ? b->left : a->left;
  return high % low == 0 ? low : 0;
}

static void factors_take(Factors *factors, int64_t factor) {
  factors->left /= factor;
  factors_skip(factors);
}

bool access_strides(Access access, const int64_t *size, int axes,
                    int64_t *stride) {
  int64_t step[MAX_RANK];
  walk_strides(access, step);
  Factors walk = factors_begin(access.walk->dim, access.walk->rank);
  Factors point = factors_begin(size, axes);
  int previous = -1;
  int64_t expected = 0, factor;
  for (int i = 0; i < axes; i++)
    stride[i] = 0;
  while ((factor = factors_common(&walk, &point)) != 1) {
    if (factor == 0)
      return false;
    int axis = point.axis, from = walk.axis;
    if (axis != previous)
      stride[axis] = step[from];
    else if (step[from] != expected)
      return false;
    previous = axis;
    step[from] *= factor;
    expected = step[from];
    factors_take(&walk, factor);
    factors_take(&point, factor);
  }
  return true;
}

/* ---- a common factoring -------------------------------------------------- */

enum { REFINED_AXES = 4 * MAX_RANK };

/* size = the common refinement of size and another list; false if there is
 * none or it is too long. */
static bool refine(int64_t *size, int *axes, const int64_t *other,
                   int other_axes) {
  int64_t inner_first[REFINED_AXES];
  int count = 0;
  Factors a = factors_begin(size, *axes), b = factors_begin(other, other_axes);
  int64_t factor;
  while ((factor = factors_common(&a, &b)) != 1) {
    if (factor == 0 || count == REFINED_AXES)
      return false;
    inner_first[count++] = factor;
    factors_take(&a, factor);
    factors_take(&b, factor);
  }
  for (int i = 0; i < count; i++)
    size[i] = inner_first[count - 1 - i];
  *axes = count;
  return true;
}

/* May axes `at` and `at + 1` be one? */
static bool mergeable(const Access *access, size_t count, const int64_t *size,
                      int axes, int at) {
  for (size_t i = 0; i < count; i++) {
    int64_t stride[REFINED_AXES];
    if (!access_strides(access[i], size, axes, stride) ||
        stride[at] != stride[at + 1] * size[at + 1])
      return false;
  }
  return true;
}

int access_common_axes(const Access *access, size_t count, int64_t elements,
                       int64_t *size) {
  int64_t refined[REFINED_AXES] = {elements};
  int axes = 1;
  for (size_t i = 0; i < count; i++)
    if (!refine(refined, &axes, access[i].walk->dim, access[i].walk->rank))
      axes = REFINED_AXES;
  for (int at = axes - 2; at >= 0 && axes < REFINED_AXES; at--) {
    if (!mergeable(access, count, refined, axes, at))
      continue;
    refined[at] *= refined[at + 1];
    for (int i = at + 1; i + 1 < axes; i++)
      refined[i] = refined[i + 1];
    axes--;
  }
  if (axes == 0 || axes > POINT_AXES) {
    size[0] = elements;
    return 1;
  }
  for (int i = 0; i < axes; i++)
    size[i] = refined[i];
  return axes;
}

/* ---- values -------------------------------------------------------------- */

LLVMValueRef integer_widen(Emit *emit, Format format, LLVMValueRef codes,
                           unsigned lanes) {
  LLVMTypeRef wide = emit_vector_type(emit->i32, lanes);
  if (format == FORMAT_BOOL)
    return LLVMBuildICmp(emit->builder, LLVMIntNE, codes,
                         LLVMConstNull(LLVMTypeOf(codes)), "true");
  if (format_info(format)->kind == KIND_UINT)
    return LLVMBuildZExt(emit->builder, codes, wide, "wide");
  return codes;
}

LLVMValueRef integer_narrow(Emit *emit, Format format, LLVMValueRef value,
                            unsigned lanes) {
  LLVMTypeRef code = emit_vector_type(emit_code_type(emit, format), lanes);
  if (format == FORMAT_BOOL)
    return LLVMBuildZExt(emit->builder, value, code, "byte");
  if (format_info(format)->kind == KIND_UINT)
    return LLVMBuildTrunc(emit->builder, value, code, "code");
  return value;
}

static LLVMTypeRef memory_type(Emit *emit, Format format) {
  return format == FORMAT_F32 ? emit->f32 : emit_code_type(emit, format);
}

static MapValue from_memory(Emit *emit, Format format, LLVMValueRef loaded,
                            unsigned lanes) {
  if (format == FORMAT_F32)
    return (MapValue){format, loaded, NULL};
  if (format_is_float(format))
    return (MapValue){format, NULL, loaded};
  return (MapValue){format, integer_widen(emit, format, loaded, lanes), NULL};
}

LLVMValueRef map_f32(Emit *emit, MapValue *value, unsigned lanes) {
  if (!value->value)
    value->value = emit_decode(emit, value->format, value->codes, lanes);
  return value->value;
}

MapValue map_splat(Emit *emit, MapValue scalar, unsigned lanes) {
  if (scalar.value)
    scalar.value = emit_splat(emit, scalar.value, lanes);
  if (scalar.codes)
    scalar.codes = emit_splat(emit, scalar.codes, lanes);
  return scalar;
}

MapValue access_load_scalar(Emit *emit, Format format, LLVMValueRef base) {
  LLVMValueRef loaded =
      emit_load(emit, memory_type(emit, format), base, 1, NULL);
  MapValue value = from_memory(emit, format, loaded, 1);
  if (format_is_float(format))
    map_f32(emit, &value, 1);
  return value;
}

/* ---- loads at a point ---------------------------------------------------- */

LLVMValueRef point_flat(Emit *emit, const Point *point) {
  LLVMValueRef flat = point->index[0];
  for (int i = 1; i < point->axes; i++)
    flat =
        emit_add(emit, emit_mul(emit, flat, point->size[i]), point->index[i]);
  return flat;
}

/* first + lane * stride. */
static LLVMValueRef lane_indices(Emit *emit, LLVMValueRef first, int64_t stride,
                                 unsigned lanes) {
  LLVMValueRef numbers = emit_lane_numbers(emit, emit->i64, lanes);
  LLVMValueRef factor = emit_splat(emit, emit_i64(emit, stride), lanes);
  LLVMValueRef offsets =
      LLVMBuildMul(emit->builder, numbers, factor, "offsets");
  return LLVMBuildAdd(emit->builder, emit_splat(emit, first, lanes), offsets,
                      "indices");
}

/* For each lane the operand's element, from the lane's element number in the
 * walk taken apart axis by axis. */
static LLVMValueRef walked_indices(Emit *emit, Access access,
                                   const Point *point) {
  LLVMBuilderRef builder = emit->builder;
  unsigned lanes = point->lanes;
  LLVMValueRef left = lane_indices(emit, point_flat(emit, point), 1, lanes);
  LLVMValueRef index = emit_splat(emit, emit_i64(emit, 0), lanes);
  int64_t stride[MAX_RANK];
  walk_strides(access, stride);
  for (int i = access.walk->rank; i-- > 0;) {
    int64_t dim = access.walk->dim[i];
    LLVMValueRef size = emit_splat(emit, emit_i64(emit, dim), lanes);
    LLVMValueRef step = emit_splat(emit, emit_i64(emit, stride[i]), lanes);
    LLVMValueRef part = LLVMBuildURem(builder, left, size, "part");
    left = LLVMBuildUDiv(builder, left, size, "left");
    LLVMValueRef moved = LLVMBuildMul(builder, part, step, "moved");
    index = LLVMBuildAdd(builder, index, moved, "index");
  }
  return index;
}

static MapValue gather(Emit *emit, Access access, LLVMValueRef base,
                       LLVMValueRef index, const Point *point) {
  Format format = access.type->format;
  LLVMValueRef loaded = emit_gather(emit, memory_type(emit, format), base,
                                    index, point->lanes, point->mask);
  return from_memory(emit, format, loaded, point->lanes);
}

/* Along the last axis the operand moves by `step` elements. */
static MapValue load_linear(Emit *emit, Access access, LLVMValueRef base,
                            LLVMValueRef first, int64_t step,
                            const Point *point) {
  Format format = access.type->format;
  int64_t bytes = (int64_t)format_bytes(format);
  LLVMValueRef address = emit_address(emit, base, first, bytes);
  if (step == 0)
    return map_splat(emit, access_load_scalar(emit, format, address),
                     point->lanes);
  if (step != 1) {
    LLVMValueRef index = lane_indices(emit, first, step, point->lanes);
    return gather(emit, access, base, index, point);
  }
  LLVMValueRef loaded = emit_load(emit, memory_type(emit, format), address,
                                  point->lanes, point->mask);
  return from_memory(emit, format, loaded, point->lanes);
}

MapValue access_load(Emit *emit, Access access, LLVMValueRef base,
                     const Point *point) {
  if (!access_broadcasts(access))
    return load_linear(emit, access, base, point_flat(emit, point), 1, point);
  int64_t stride[POINT_AXES];
  if (!access_strides(access, point->size, point->axes, stride))
    return gather(emit, access, base, walked_indices(emit, access, point),
                  point);
  LLVMValueRef first = emit_i64(emit, 0);
  for (int i = 0; i < point->axes; i++)
    if (stride[i] != 0)
      first = emit_add(emit, first, emit_mul(emit, point->index[i], stride[i]));
  return load_linear(emit, access, base, first, stride[point->axes - 1], point);
}
