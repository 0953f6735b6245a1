/* The back end: a program at level final (after plan) to LLVM IR, assembly,
 * an object file or an executable. No LLVM type appears here: only
 * compiler/llvm/ includes LLVM headers.
 */
#ifndef SG_LLVM_BACKEND_H
#define SG_LLVM_BACKEND_H

#include "ir/ir.h"

typedef struct {
  const char *march; /* "native" (default, NULL), or an LLVM CPU name such as
                        x86-64, x86-64-v3, x86-64-v4, sapphirerapids */
  int optimization;  /* 0 .. 3 */
  bool strict;       /* the same bits on every ISA, equal to the evaluator */
  const char *source_name; /* "mlp.sg" */
  const char *cc;          /* linker driver; NULL: $CC or cc */
  const char *runtime;     /* libsgrt.a */
  bool verbose;            /* print the link command on standard error */
} BackendOptions;

typedef enum {
  OUTPUT_LLVM, /* textual LLVM IR */
  OUTPUT_ASSEMBLY,
  OUTPUT_OBJECT,
  OUTPUT_EXECUTABLE
} OutputKind;

/* How a call went: the seconds of lowering, LLVM's passes, code generation and
 * linking; whether it failed because `path` could not be written. */
typedef struct {
  double seconds[4];
  bool unwritable;
} BackendReport;

/* Compiles and writes `path` (temp file and rename, so a failure leaves no
 * partial output; "-" is standard output for all but
 * executables). Diagnoses what it cannot
 * lower, naming the op and value. `report` may be NULL. */
bool backend_write(const Program *program, const BackendOptions *options,
                   OutputKind kind, const char *path, BackendReport *report,
                   Diagnostics *diagnostics);

/* Is this a CPU that code can be made for? Diagnoses what is not. */
bool backend_knows_cpu(const char *march, Diagnostics *diagnostics);

/* "19.1.7" */
const char *backend_llvm_version(void);

#endif
