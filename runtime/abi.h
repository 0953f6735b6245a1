/* The contract between generated code and the runtime.
 *
 * The compiler emits, into every object file, kernels, one step function per
 * entry and the constant `sg_program` that describes them; the runtime (which
 * owns main) reads `sg_program` and calls the steps. compiler/llvm/manifest.c
 * writes these structs as LLVM constants, field by field in this order: all
 * fields are 8 bytes wide (int64_t, uint64_t, double or a pointer), so that
 * there is no padding to agree on.
 */
#ifndef SG_RUNTIME_ABI_H
#define SG_RUNTIME_ABI_H

#include <stdint.h>

enum { SG_ABI_VERSION = 2 };

/* A kernel does units [begin, end) of its outermost loop (rows, tiles or
 * blocks of elements). `pointer` holds its operands and results, `argument`
 * its shifts and random keys as 32-bit integers; `scratch` is private to the
 * calling thread, 64-byte aligned, of the size the call asked for. Disjoint
 * unit ranges write disjoint memory. */
typedef void SgKernel(char *const *pointer, const int32_t *argument,
                      int64_t begin, int64_t end, char *scratch);

/* What one step works on. */
typedef struct {
  char *arena;         /* arena_bytes, 64-byte aligned */
  char *const *param;  /* data of each parameter, in sg_program order */
  char *const *input;  /* data of each input of the entry */
  int32_t *exponent;   /* run-time exponents, exponent_count of them */
  uint64_t seed, step; /* for stochastic rounding; step is 1-based */
  void *team;          /* the runtime's threads */
} SgFrame;

/* Carries out one step of an entry. */
typedef void SgStep(const SgFrame *frame);

/* ---- what the runtime offers to generated code --------------------------- */

/* Runs kernel over units [0, count), split among the threads of the frame into
 * contiguous ranges. `work` estimates the whole call in scalar operations:
 * small calls run on the calling thread. Results do not depend on the split. */
void sgrt_parallel(const SgFrame *frame, SgKernel *kernel, char *const *pointer,
                   const int32_t *argument, int64_t count, int64_t work,
                   int64_t scratch_bytes);
/* The Philox key of one value in this step, as two arguments. */
void sgrt_random_key(const SgFrame *frame, uint64_t name_hash, int32_t *key);

/* ---- the program's description ------------------------------------------- */

typedef struct {
  const char *name;
  int64_t format; /* Format of ir/codec.h */
  int64_t rank;
  const int64_t *dim;
  int64_t bytes;
  int64_t scaled;   /* 1: value = data * 2^exponent */
  int64_t exponent; /* without exponent_state; with it, at the start */
  int64_t init;     /* InitKind of ir/ir.h */
  double a, b;
  int64_t state;    /* 1: not trained */
  int64_t measured; /* 1: a state of exponents, i32, not part of the model */
  int64_t exponent_state; /* number, from 1, of the state that holds the
                             exponent; 0: it is fixed */
} SgParam;

typedef struct {
  const char *name;
  int64_t source; /* ColumnSource of ir/ir.h */
  const char *path;
  int64_t format, rank; /* of one example */
  const int64_t *dim;
} SgColumn;

typedef struct {
  const char *name;
  int64_t column_count;
  const SgColumn *column;
} SgDataset;

typedef struct {
  const char *name; /* "batch.image" */
  int64_t source;   /* InputSource of ir/ir.h */
  int64_t dataset, column;
  int64_t format, rank;
  const int64_t *dim;
  int64_t bytes;
  int64_t limit; /* integer labels: values must lie in [0, limit); 0: any */
  int64_t has_default; /* 1: where none is given every element is this one */
  double default_value;
} SgInput;

enum { SG_IN_ARENA, SG_IN_PARAM, SG_IN_INPUT };

typedef struct {
  const char *name;
  int64_t format, rank;
  const int64_t *dim;
  int64_t bytes;
  int64_t place;  /* SG_IN_... */
  int64_t offset; /* bytes into the arena, or the index */
  int64_t exponent;
  int64_t symbol; /* index of a run-time exponent to add, or -1 */
} SgResult;

typedef struct {
  const char *name;
  int64_t kind; /* EntryKind of ir/ir.h */
  const char *recipe;
  int64_t input_count;
  const SgInput *input;
  int64_t result_count;
  const SgResult *result;
  SgStep *step;
  int64_t arena_bytes, exponent_count;
  int64_t epochs, steps, log_every, save_every, seed, eval_every; /* 0: none */
  const char *eval_entry;                                         /* or NULL */
  int64_t batch;
  int64_t flops; /* of the contractions of one step */
} SgEntry;

typedef struct {
  int64_t abi_version;
  const char *name;     /* "mlp" */
  const char *source;   /* "mlp.sg" */
  const char *compiler; /* "sgc 0.1.0" */
  const char *target;   /* CPU name the code was made for */
  const char *features; /* needed CPU features: "avx2 fma avx512f", or "" */
  int64_t strict;
  uint64_t hash; /* program_hash of ir/ir.h */
  int64_t param_count;
  const SgParam *param;
  int64_t dataset_count;
  const SgDataset *dataset;
  int64_t entry_count;
  const SgEntry *entry;
} SgProgram;

extern const SgProgram sg_program;

#endif
