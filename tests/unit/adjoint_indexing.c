/* Adjoint cases of indexing: every shape, every axis, first and last places,
 * single elements and nothing at all.
 */
#include "tests/unit/adjoint_families.h"

static Extent resized(Extent extent, int axis, int64_t size) {
  extent.dim[axis] = size;
  return extent;
}

/* `ids` in the place of `axis`. */
static Extent replaced(Extent extent, int axis, Extent ids) {
  Extent out = {0, {0}};
  for (int i = 0; i < axis; i++)
    out.dim[out.rank++] = extent.dim[i];
  for (int i = 0; i < ids.rank; i++)
    out.dim[out.rank++] = ids.dim[i];
  for (int i = axis + 1; i < extent.rank; i++)
    out.dim[out.rank++] = extent.dim[i];
  return out;
}

static void vary(AdjointCase *c, Extent extent) {
  adjoint_vary(c, extent, FILL_SIGNED, 0.5, 1.5);
}

static void fix_start(AdjointCase *c, int64_t start) {
  adjoint_fix(c, FORMAT_I32, EXTENT_SCALAR, FILL_WHOLE, (double)start,
              (double)start + 1);
}

typedef void AxisCase(Adjoint *a, Extent extent, int axis);

/* Each axis of each shape. */
static void each_axis(Adjoint *a, AxisCase *check) {
  for (int i = 0; i < ADJOINT_SHAPES; i++)
    for (int axis = 0; axis < adjoint_shape[i].rank; axis++)
      check(a, adjoint_shape[i], axis);
}

/* ---- pieces ------------------------------------------------------------- */

static void slices(Adjoint *a, Extent extent, int axis) {
  int64_t n = extent.dim[axis];
  const int64_t piece[][2] = {{0, n}, {0, n / 2}, {n / 2, n - n / 2}, {n, 0}};
  for (int i = 0; i < 4; i++) {
    AdjointCase c = adjoint_case(OP_SLICE);
    vary(&c, extent);
    c.attr.axis = axis;
    c.attr.start = piece[i][0];
    c.attr.size = piece[i][1];
    adjoint_check(a, &c);
  }
}

static void concats(Adjoint *a, Extent extent, int axis) {
  for (int count = 1; count <= MAX_INPUTS; count += 3) {
    AdjointCase c = adjoint_case(OP_CONCAT);
    for (int i = 0; i < count; i++)
      vary(&c, resized(extent, axis, (extent.dim[axis] + i) % 4));
    c.attr.axis = axis;
    adjoint_check(a, &c);
  }
}

static void pads(Adjoint *a, Extent extent, int axis) {
  const int64_t margin[][2] = {{0, 0}, {2, 0}, {0, 1}, {1, 2}};
  for (int i = 0; i < 4; i++) {
    AdjointCase c = adjoint_case(OP_PAD);
    vary(&c, extent);
    vary(&c, EXTENT_SCALAR);
    c.attr.axis = axis;
    c.attr.low = margin[i][0];
    c.attr.high = margin[i][1];
    adjoint_check(a, &c);
  }
}

static void reverses(Adjoint *a, Extent extent, int axis) {
  AdjointCase c = adjoint_case(OP_REVERSE);
  vary(&c, extent);
  c.attr.axis = axis;
  adjoint_check(a, &c);
}

/* ---- windows ------------------------------------------------------------ */

static void windows(Adjoint *a, Extent extent, int axis) {
  int64_t n = extent.dim[axis];
  const int64_t piece[][2] = {{0, n}, {0, n / 2}, {n / 2, n - n / 2}, {n, 0}};
  for (int i = 0; i < 4; i++) {
    AdjointCase c = adjoint_case(OP_WINDOW);
    vary(&c, extent);
    fix_start(&c, piece[i][0]);
    c.attr.axis = axis;
    c.attr.size = piece[i][1];
    adjoint_check(a, &c);
    c = adjoint_case(OP_WINDOW_WRITE);
    vary(&c, extent);
    vary(&c, resized(extent, axis, piece[i][1]));
    fix_start(&c, piece[i][0]);
    c.attr.axis = axis;
    adjoint_check(a, &c);
  }
}

/* ---- indices ------------------------------------------------------------ */

static const Extent index_shape[] = {{0, {0}}, {1, {1}},    {1, {5}},
                                     {1, {0}}, {2, {2, 3}}, {2, {1, 2}}};

/* Ids repeat and leave places out. */
static void gathers(Adjoint *a, Extent extent, int axis) {
  int64_t n = extent.dim[axis];
  for (size_t i = 0; i < sizeof index_shape / sizeof *index_shape; i++) {
    Extent ids = index_shape[i];
    bool none = ids.rank > 0 && ids.dim[ids.rank - 1] == 0;
    if ((n == 0 && !none) || extent.rank + ids.rank > MAX_RANK)
      continue;
    AdjointCase c = adjoint_case(OP_GATHER);
    vary(&c, extent);
    adjoint_fix(&c, FORMAT_I32, ids, FILL_WHOLE, 0, (double)n);
    c.attr.axis = axis;
    adjoint_check(a, &c);
    c = adjoint_case(OP_SCATTER_ADD);
    vary(&c, replaced(extent, axis, ids));
    adjoint_fix(&c, FORMAT_I32, ids, FILL_WHOLE, 0, (double)n);
    c.attr.axis = axis;
    c.attr.size = n;
    adjoint_check(a, &c);
    c = adjoint_case(OP_SCATTER);
    vary(&c, extent);
    vary(&c, replaced(extent, axis, ids));
    adjoint_fix(&c, FORMAT_I32, ids, FILL_WHOLE, 0, (double)n);
    c.attr.axis = axis;
    adjoint_check(a, &c);
  }
}

static void takes(Adjoint *a, Extent extent, int axis) {
  int64_t n = extent.dim[axis];
  for (int64_t size = 0; size <= 3 && n > 0; size++) {
    Extent indices = resized(extent, axis, size);
    AdjointCase c = adjoint_case(OP_TAKE);
    vary(&c, extent);
    adjoint_fix(&c, FORMAT_I32, indices, FILL_WHOLE, 0, (double)n);
    c.attr.axis = axis;
    adjoint_check(a, &c);
    c = adjoint_case(OP_PUT_ADD);
    vary(&c, indices);
    adjoint_fix(&c, FORMAT_I32, indices, FILL_WHOLE, 0, (double)n);
    c.attr.axis = axis;
    c.attr.size = n;
    adjoint_check(a, &c);
  }
}

void adjoint_indexing(Adjoint *a) {
  each_axis(a, slices);
  each_axis(a, concats);
  each_axis(a, pads);
  each_axis(a, reverses);
  each_axis(a, windows);
  each_axis(a, gathers);
  each_axis(a, takes);
}
