/* For the tests of the evaluator: a program and a graph built by hand.
 *
 *   Lab *lab = lab_new(LEVEL_PLAIN);
 *   ValueId x = lab_input(lab, FORMAT_REAL, SHAPE(2, 3), numbers);
 *   ValueId y = lab_op(lab, OP_RELU, FORMAT_REAL, SHAPE(2, 3), x, 0, 0);
 *   lab_run(lab, PRECISION_F32, 1);
 *   lab_expect(lab, y, expected);
 *   lab_free(lab);
 */
#ifndef SG_TESTS_EVAL_SUPPORT_H
#define SG_TESTS_EVAL_SUPPORT_H

#include "ir/eval.h"

typedef struct {
  int rank;
  int64_t dim[MAX_RANK];
} Shape;

#define SHAPE(...)                                                             \
  ((Shape){sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}})
#define SCALAR ((Shape){0, {0}})

typedef struct {
  Arena *arena;
  Sources sources;
  Program *program;
  Graph *graph;
  Tensor input[16];
  Evaluator *evaluator; /* of the last run; made by the first */
  const char *error;    /* of the last run */
} Lab;

Lab *lab_new(Level level);
void lab_free(Lab *lab);
const Type *lab_type(Lab *lab, Format format, Shape shape);
/* Graph inputs; `data` (copied, plain values) may be NULL for SOURCE_STEP. */
ValueId lab_input(Lab *lab, Format format, Shape shape, const double *data);
ValueId lab_step(Lab *lab);
ValueId lab_const(Lab *lab, double value);
/* Adds a parameter to the program; index into Program.param. */
int lab_new_param(Lab *lab, const char *name, Format format, Shape shape,
                  Init init, Scale scale);
ValueId lab_param(Lab *lab, int index);
ValueId lab_op(Lab *lab, Op op, Format format, Shape shape, ValueId a,
               ValueId b, ValueId c);
ValueId lab_pattern(Lab *lab, Op op, Shape shape, ValueId a, ValueId b,
                    const char *pattern);
ValueId lab_store(Lab *lab, int param, ValueId value);
Node *lab_node(Lab *lab, ValueId id);
/* Sets the exponent of a value. */
void lab_scale(Lab *lab, ValueId id, int32_t exponent);

/* A fresh evaluator; one step must succeed. */
void lab_run(Lab *lab, Precision precision, uint64_t step);
/* One more step with the evaluator of the last run; did it succeed? */
bool lab_again(Lab *lab, uint64_t step);
const double *lab_data(Lab *lab, ValueId id);
double lab_number(Lab *lab, ValueId id);
/* What norm_exponent says of data * 2^exponent, fit for a format or NONE: the
 * same in all precisions, each of which counts so many as `unmeasured`. */
double lab_norm_exponent(Norm by, Format fit, int32_t exponent,
                         const double data[4], uint64_t unmeasured);
/* Data equal to the bit, but for the payload of a NaN; -0 is not +0. */
void lab_expect(Lab *lab, ValueId id, const double *expected);
bool same_number(double a, double b);
/* Reproducible numbers of many magnitudes, exact in binary32. */
void fill_wide(double *out, size_t n, uint64_t seed);

#endif
