/* Adjoint tests: reverse mode against forward mode, for every op.
 *
 * A family of ops brings two files. tests/unit/dual_FAMILY.c has the dual rule
 * of each op: value and directional derivative by the chain rule, written from
 * the op's definition and not from its gradient rule. tests/unit/
 * adjoint_FAMILY.c has the cases. One row in adjoint_families.def names both;
 * adjoint_test runs them and asks that every op with a gradient has cases.
 *
 *   static void dual_tanh(const DualCall *call) {           (dual_FAMILY.c)
 *     for (int64_t i = 0; i < call->out.type->elements; i++)
 *       call->out.data[i] = ...call->in[0].data[i]...;
 *   }
 *   const DualRow dual_elementwise[] = {{OP_TANH, dual_tanh}, {OP_COUNT,
 * NULL}};
 *
 *   void adjoint_elementwise(Adjoint *a) {                  (adjoint_FAMILY.c)
 *     for (int i = 0; i < ADJOINT_SHAPES; i++) {
 *       AdjointCase c = adjoint_case(OP_TANH);
 *       adjoint_vary(&c, adjoint_shape[i], FILL_SIGNED, 0.5, 1.5);
 *       adjoint_check(a, &c);
 *     }
 *   }
 *
 * adjoint_check() builds loss = <u, op(x, ..)>, lets the real autodiff derive
 * it, evaluates in binary64, and requires
 *   - the op's value to be the dual rule's, to 1e-12;
 *   - <u, J v> = <J' u, v> for random u and v, operand by operand and for all
 *     at once, to 1e-12 of the sum of the magnitudes; for operands of up to 64
 *     elements, each element of J' u against the dual rule in its direction;
 *   - central differences along v, extrapolated, to 1e-7;
 * with each operand alone as the parameter, with all of them, with operands
 * and result used a second time (fan-out) and beside a copy of the op whose
 * result nobody uses.
 */
#ifndef SG_TESTS_ADJOINT_SUPPORT_H
#define SG_TESTS_ADJOINT_SUPPORT_H

#include "tests/unit/pass_support.h"

/* ---- dual numbers -------------------------------------------------------- */

/* v + d eps, eps^2 = 0. Integers and bools have d = 0. */
typedef struct {
  double v, d;
} Dual;

typedef struct {
  const Type *type;
  Dual *data;
} DualTensor;

/* One op to evaluate: fill out.data. `evaluated` is what the evaluator made of
 * the same operands, for random ops to learn their draws from. */
typedef struct {
  const Program *program;
  const Node *node; /* attributes */
  int inputs;
  DualTensor in[MAX_INPUTS], out;
  const double *evaluated;
} DualCall;

typedef void DualRule(const DualCall *call);

/* A family's table ends with {OP_COUNT, NULL}. */
typedef struct {
  Op op;
  DualRule *rule;
} DualRow;

static inline Dual dual(double v, double d) {
  return (Dual){v, d};
}
static inline Dual dual_add(Dual a, Dual b) {
  return dual(a.v + b.v, a.d + b.d);
}
static inline Dual dual_sub(Dual a, Dual b) {
  return dual(a.v - b.v, a.d - b.d);
}
static inline Dual dual_mul(Dual a, Dual b) {
  return dual(a.v * b.v, a.v * b.d + a.d * b.v);
}
static inline Dual dual_div(Dual a, Dual b) {
  return dual(a.v / b.v, (a.d * b.v - a.v * b.d) / (b.v * b.v));
}

/* The index of row-major element `element`, and back. */
void dual_index(const Type *type, int64_t element, int64_t index[MAX_RANK]);
int64_t dual_offset(const Type *type, const int64_t index[MAX_RANK]);
/* What operand `operand` contributes to element `element` of the result, with
 * shapes aligned at their ends and sizes of 1 repeated. */
Dual dual_broadcast(const DualCall *call, int operand, int64_t element);
/* The pattern of the node. */
Pattern dual_pattern(const DualCall *call);

/* ---- cases --------------------------------------------------------------- */

/* How an operand is filled, from `low` and `high`. */
typedef enum {
  FILL_UNIFORM,  /* [low, high)                                              */
  FILL_SIGNED,   /* magnitude in [low, high), either sign                    */
  FILL_APART,    /* as SIGNED, on a grid of each operand's own: 2^-8 apart   */
  FILL_WHOLE,    /* whole numbers low .. high - 1                            */
  FILL_DISTINCT, /* low .. high in equal steps, shuffled: no two near        */
  FILL_GIVEN     /* AdjointOperand.given                                     */
} Fill;

typedef struct {
  Format format;
  Extent extent;
  bool varies; /* a parameter; else data */
  Fill fill;
  double low, high;
  const double *given; /* FILL_GIVEN: one number an element */
} AdjointOperand;

/* One use of an op. Set attr's fields after adjoint_case(). */
typedef struct {
  Op op;
  int operands;
  AdjointOperand operand[MAX_INPUTS];
  Attributes attr;     /* the pattern apart */
  const char *pattern; /* or NULL */
  bool stated;         /* result type given, not inferred (reshape, ..) */
  Format format;
  Extent extent;
} AdjointCase;

AdjointCase adjoint_case(Op op);
/* Adds a real operand whose gradient is checked. */
void adjoint_vary(AdjointCase *c, Extent extent, Fill fill, double low,
                  double high);
/* Adds an operand that gets no gradient: indices, masks, labels. */
void adjoint_fix(AdjointCase *c, Format format, Extent extent, Fill fill,
                 double low, double high);
/* States the result's type. */
void adjoint_state(AdjointCase *c, Format format, Extent extent);

/* What has been checked, for the coverage test. */
typedef struct {
  void (*visit)(const AdjointCase *c); /* see below; NULL in adjoint_test */
  const DualRow *duals;                /* of the family at work */
  unsigned cases[OP_COUNT];
  bool varied[OP_COUNT][MAX_INPUTS], seen[OP_COUNT][MAX_INPUTS];
} Adjoint;

/* Other oracles take the cases for programs of one op and its gradient: with
 * `visit`, adjoint_check hands each case to it and checks nothing.
 *
 * The case as a train step that minimises <u, op(x, ..)>, before autodiff. */
Sketch *adjoint_program(const AdjointCase *c);
/* Its operands in s->evaluator and s->input: the case's numbers, those of
 * operand i in binary32 times 2^raise[i] where they are real, at the exponents
 * of the parameters. The same for each program of a case, at any level. */
void adjoint_fill(const AdjointCase *c, Sketch *s, const int raise[MAX_INPUTS]);

/* All of the comment at the head of this file. */
void adjoint_check(Adjoint *a, const AdjointCase *c);
/* At kinks: the gradient of sum(op(..)) for operand `operand` is `expected`,
 * one number an element. */
void adjoint_expect(const AdjointCase *c, int operand, const double *expected);

/* ---- shapes -------------------------------------------------------------- */

/* Ranks 0 to 6, sizes 1 and 0 included. */
enum { ADJOINT_SHAPES = 22, ADJOINT_PAIRS = 28 };
extern const Extent adjoint_shape[ADJOINT_SHAPES];
/* Two shapes that broadcast, both ways, and their broadcast. */
typedef struct {
  Extent a, b;
} ExtentPair;
extern const ExtentPair adjoint_pair[ADJOINT_PAIRS];
/* Operands of contractions, with the pattern; of reductions, a alone. */
enum { ADJOINT_REDUCTIONS = 21, ADJOINT_CONTRACTIONS = 24 };
typedef struct {
  Extent a, b;
  const char *pattern;
} Contraction;
extern const Contraction adjoint_reductions[ADJOINT_REDUCTIONS];
extern const Contraction adjoint_contractions[ADJOINT_CONTRACTIONS];

/* Every shape, and every pair of shapes, with operands filled alike. */
void adjoint_unary(Adjoint *a, Op op, Fill fill, double low, double high);
void adjoint_binary(Adjoint *a, Op op, Fill fill, double low, double high);

#endif
