/* The front end: .sg text to a Program at level plain. */
#ifndef SG_FRONT_FRONT_H
#define SG_FRONT_FRONT_H

#include "compiler/front/ast.h"
#include "ir/ir.h"

/* `-D name=text`. */
typedef struct {
  const char *name, *text;
} Define;

/* A tensor of the safetensors file of --check-weights. */
typedef struct {
  const char *name, *dtype; /* interned; "F32", "BF16", ... */
  int rank;
  int64_t dim[MAX_RANK];
} HeaderTensor;

typedef struct {
  const char *path;
  size_t count;
  HeaderTensor *tensor;
} WeightFile;

typedef struct {
  const Define *define;
  size_t define_count;
  const char *const *include; /* -I folders */
  size_t include_count;
  const char *recipe;            /* --recipe, or NULL */
  const char *const *recipe_set; /* --recipe-set rules, in order */
  size_t recipe_set_count;
  const char *const *entry; /* --entry; none: all */
  size_t entry_count;
  const WeightFile *weight_file; /* --check-weights, or NULL */
} FrontOptions;

/* The embedded standard library: text of "nn", "optim" or "recipes". */
typedef struct {
  const char *name, *text;
  size_t length;
} StandardFile;
const StandardFile *standard_library(size_t *count); /* std_embedded.c */

/* Elaborates source number `main` (already added to `sources`) into a program
 * whose graphs hold forward and optimizer nodes with `minimize` pending.
 * NULL after errors were diagnosed; warnings alone do not fail. */
Program *elaborate(Arena *arena, Interner *interner, Sources *sources,
                   uint32_t main, const FrontOptions *options,
                   Diagnostics *diagnostics);

#endif
