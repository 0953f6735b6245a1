/* Evaluation: contractions.
 *
 * In: two operands, a pattern. Out: per result, acc = fma(a, b, acc) from +0
 * over the contracted axes, flattened in the order in which the pattern first
 * names them, ascending. That order is part of the meaning.
 *
 * The operands are laid out as [batch][m][k] and [batch][n / width][k][width];
 * a tile of 4 x width results then runs over k with independent accumulators,
 * which is fast and leaves the order of each result as it is. On x86-64 with
 * FMA a tile is AVX2 code, elsewhere calls of fma: the same bits.
 */
#include "ir/eval_internal.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAVE_AVX2_TILES 1
#else
#define HAVE_AVX2_TILES 0
#endif

enum { TILE_ROWS = 4, WIDTH_F32 = 16, WIDTH_F64 = 8 };

/* ---- one tile ------------------------------------------------------------ */

/* c[4][width] = a[4][k] * b[k][width]. */
#define PORTABLE_TILE(name, real, width, fma_of)                               \
  static void name(size_t k, const real *a, const real *b, real *c) {          \
    for (size_t r = 0; r < TILE_ROWS; r++) {                                   \
      real acc[width] = {0};                                                   \
      for (size_t i = 0; i < k; i++)                                           \
        for (size_t j = 0; j < width; j++)                                     \
          acc[j] = fma_of(a[r * k + i], b[i * width + j], acc[j]);             \
      memcpy(c + r * width, acc, sizeof acc);                                  \
    }                                                                          \
  }

PORTABLE_TILE(portable_tile_f32, float, WIDTH_F32, fmaf)
PORTABLE_TILE(portable_tile_f64, double, WIDTH_F64, fma)

#if HAVE_AVX2_TILES
#define AVX2_ROW(r, suffix, half)                                              \
  x = _mm256_set1_##suffix(a[r * k + i]);                                      \
  c##r##0 = _mm256_fmadd_##suffix(x, b0, c##r##0);                             \
  c##r##1 = _mm256_fmadd_##suffix(x, b1, c##r##1)
#define AVX2_STORE(r, suffix, half)                                            \
  _mm256_storeu_##suffix(c + (2 * r) * half, c##r##0);                         \
  _mm256_storeu_##suffix(c + (2 * r + 1) * half, c##r##1)
#define AVX2_TILE(name, real, vector, suffix, half)                            \
  __attribute__((target("avx2,fma"))) static void name(                        \
      size_t k, const real *a, const real *b, real *c) {                       \
    vector c00, c01, c10, c11, c20, c21, c30, c31, x;                          \
    c00 = c01 = c10 = c11 = _mm256_setzero_##suffix();                         \
    c20 = c21 = c30 = c31 = _mm256_setzero_##suffix();                         \
    for (size_t i = 0; i < k; i++) {                                           \
      vector b0 = _mm256_loadu_##suffix(b + (2 * i) * half);                   \
      vector b1 = _mm256_loadu_##suffix(b + (2 * i + 1) * half);               \
      AVX2_ROW(0, suffix, half);                                               \
      AVX2_ROW(1, suffix, half);                                               \
      AVX2_ROW(2, suffix, half);                                               \
      AVX2_ROW(3, suffix, half);                                               \
    }                                                                          \
    AVX2_STORE(0, suffix, half);                                               \
    AVX2_STORE(1, suffix, half);                                               \
    AVX2_STORE(2, suffix, half);                                               \
    AVX2_STORE(3, suffix, half);                                               \
  }

AVX2_TILE(avx2_tile_f32, float, __m256, ps, 8)
AVX2_TILE(avx2_tile_f64, double, __m256d, pd, 4)

static bool avx2_available(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
#define avx2_tile_f32 portable_tile_f32
#define avx2_tile_f64 portable_tile_f64

static bool avx2_available(void) {
  return false;
}
#endif

/* ---- one product -------------------------------------------------------- */

/* c[m][n] = a[m][k] * b[k][n], all row-major; `rows` rounds m up to whole
 * tiles, and zeros fill what lies outside. */
#define PRODUCT(name, real, width)                                             \
  static void product_##name(const Evaluator *evaluator, Arena *scratch,       \
                             size_t m, size_t n, size_t k, const double *a,    \
                             const double *b, double *c) {                     \
    bool portable = evaluator->portable || !avx2_available();                  \
    size_t rows = (m + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;                 \
    real *left = NEW_ARRAY(scratch, real, rows * k);                           \
    real *panel = NEW_ARRAY(scratch, real, width * k);                         \
    real tile[TILE_ROWS * width];                                              \
    for (size_t i = 0; i < m * k; i++)                                         \
      left[i] = (real)a[i];                                                    \
    for (size_t column = 0; column < n; column += width) {                     \
      size_t columns = n - column < width ? n - column : width;                \
      for (size_t i = 0; i < k; i++)                                           \
        for (size_t j = 0; j < width; j++)                                     \
          panel[i * width + j] =                                               \
              j < columns ? (real)b[i * n + column + j] : 0;                   \
      for (size_t row = 0; row < m; row += TILE_ROWS) {                        \
        (portable ? portable_tile_##name                                       \
                  : avx2_tile_##name)(k, left + row * k, panel, tile);         \
        for (size_t r = 0; r < TILE_ROWS && row + r < m; r++)                  \
          for (size_t j = 0; j < columns; j++)                                 \
            c[(row + r) * n + column + j] = (double)tile[r * width + j];       \
      }                                                                        \
    }                                                                          \
  }

PRODUCT(f32, float, WIDTH_F32)
PRODUCT(f64, double, WIDTH_F64)

void contraction_product(const Frame *frame, Arena *scratch, size_t m, size_t n,
                         size_t k, const double *a, const double *b,
                         double *c) {
  (frame_is_f64(frame) ? product_f64 : product_f32)(frame->evaluator, scratch,
                                                    m, n, k, a, b, c);
}

/* ---- patterns ----------------------------------------------------------- */

/* Which letters play which part: results that both operands index, that one
 * of them indexes, and contracted ones. */
typedef enum { PART_BATCH, PART_LEFT, PART_RIGHT, PART_SUMMED, PARTS } Part;

typedef struct {
  Layout layout;
  Part part[AXES_MAX];
  size_t count[PARTS]; /* product of the sizes of each part's letters */
} Contraction;

static bool pattern_has(const int *axis, int rank, int letter) {
  for (int i = 0; i < rank; i++)
    if (axis[i] == letter)
      return true;
  return false;
}

static void contraction_parts(Contraction *contraction) {
  const Pattern *pattern = &contraction->layout.pattern;
  for (int part = 0; part < PARTS; part++)
    contraction->count[part] = 1;
  for (int i = 0; i < pattern->letters; i++) {
    bool a = pattern_has(pattern->axis[0], pattern->rank[0], i);
    bool b = pattern_has(pattern->axis[1], pattern->rank[1], i);
    Part part = !pattern_has(pattern->out_axis, pattern->out_rank, i)
                    ? PART_SUMMED
                : a && b ? PART_BATCH
                : a      ? PART_LEFT
                         : PART_RIGHT;
    contraction->part[i] = part;
    contraction->count[part] *= (size_t)contraction->layout.size[i];
  }
}

static void axes_of_part(const Contraction *contraction, Part part,
                         const int64_t *step, Axes *axes) {
  for (int i = 0; i < contraction->layout.pattern.letters; i++)
    if (contraction->part[i] == part)
      axes_add(axes, contraction->layout.size[i], step[i]);
}

/* Operand data as [batch][rows][columns] of the given parts. */
static double *lay_out(const Frame *frame, const Contraction *contraction,
                       int operand, const double *data, Part rows,
                       Part columns) {
  const int64_t *step = contraction->layout.step[operand];
  Axes axes = {0};
  axes_of_part(contraction, PART_BATCH, step, &axes);
  axes_of_part(contraction, rows, step, &axes);
  axes_of_part(contraction, columns, step, &axes);
  double *out = frame_doubles(frame, (size_t)axes_count(&axes));
  axes_gather(&axes, data, out);
  return out;
}

/* From [batch][left][right] to the order of the result's axes. */
static void put_results(Frame *frame, const Contraction *contraction,
                        const double *c) {
  const Pattern *pattern = &contraction->layout.pattern;
  int64_t step[AXES_MAX];
  int64_t elements = 1;
  static const Part inner_first[] = {PART_RIGHT, PART_LEFT, PART_BATCH};
  for (int p = 0; p < 3; p++)
    for (int i = pattern->letters; i-- > 0;)
      if (contraction->part[i] == inner_first[p]) {
        step[i] = elements;
        elements *= contraction->layout.size[i];
      }
  Axes axes = {0};
  for (int i = 0; i < pattern->out_rank; i++)
    axes_add(&axes, contraction->layout.size[pattern->out_axis[i]],
             step[pattern->out_axis[i]]);
  axes_gather(&axes, c, frame->out);
}

const double *contraction_operand(const Frame *frame, int operand) {
  const Value *value = frame_value(frame, operand);
  Format as = frame->node->as[operand];
  if (!frame->evaluator->rounds || as == FORMAT_NONE || !format_is_narrow(as))
    return value->tensor.data;
  const double *data = value->raw != NULL ? value->raw : value->tensor.data;
  size_t n = type_count(value->tensor.type);
  double *rounded = frame_doubles(frame, n);
  RoundingRule rule = {as, ROUND_NEAREST, OVERFLOW_SATURATE, false, ""};
  int before = flags_raised();
  data_round(frame->evaluator, rule, data, rounded, n);
  flags_restore(before);
  return rounded;
}

bool eval_einsum(Frame *frame) {
  Contraction contraction;
  if (!frame_layout(frame, &contraction.layout))
    return false;
  contraction_parts(&contraction);
  size_t m = contraction.count[PART_LEFT], n = contraction.count[PART_RIGHT];
  size_t k = contraction.count[PART_SUMMED];
  const double *a =
      lay_out(frame, &contraction, 0, contraction_operand(frame, 0), PART_LEFT,
              PART_SUMMED);
  const double *b =
      lay_out(frame, &contraction, 1, contraction_operand(frame, 1),
              PART_SUMMED, PART_RIGHT);
  size_t batches = contraction.count[PART_BATCH];
  double *c = frame_doubles(frame, batches * m * n);
  for (size_t i = 0; i < batches; i++)
    contraction_product(frame, frame->evaluator->scratch, m, n, k,
                        a + i * m * k, b + i * k * n, c + i * m * n);
  put_results(frame, &contraction, c);
  return true;
}
