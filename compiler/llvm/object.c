/* A module to text, assembly or object code.
 *
 * The pass pipeline is short: kernels are written as vector loops already, so
 * what is left to do is registers for stack slots, common subexpressions,
 * loop-invariant code and peepholes. No vectoriser, no inliner, no fast-math:
 * nothing here may change a bit of a result.
 */
#include "compiler/llvm/emit.h"

#include <stdlib.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Transforms/PassBuilder.h>

#define COMBINE "instcombine<no-verify-fixpoint>"
#define PIPELINE_LESS "function(sroa,early-cse<memssa>,simplifycfg)"
#define PIPELINE_FULL                                                          \
  "function(sroa,early-cse<memssa>," COMBINE ",simplifycfg,loop-simplify,"     \
  "lcssa,loop(loop-rotate),loop-mssa(licm)," COMBINE ",gvn,simplifycfg,dce),"  \
  "globaldce"

static void internal_error(Emit *emit, const char *what, const char *text) {
  diagnose_error(emit->diagnostics, (Span){0}, "E0793",
                 "internal error: %s: %s", what, text);
}

bool object_verify(Emit *emit) {
  char *text = NULL;
  bool broken =
      LLVMVerifyModule(emit->module, LLVMReturnStatusAction, &text) != 0;
  if (broken)
    internal_error(emit, "generated code does not verify", text);
  LLVMDisposeMessage(text);
  return !broken;
}

bool object_optimize(Emit *emit, LLVMTargetMachineRef machine) {
  if (emit->optimization == 0)
    return true;
  const char *pipeline =
      emit->optimization == 1 ? PIPELINE_LESS : PIPELINE_FULL;
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef error = LLVMRunPasses(emit->module, pipeline, machine, options);
  LLVMDisposePassBuilderOptions(options);
  if (!error)
    return true;
  char *text = LLVMGetErrorMessage(error);
  internal_error(emit, "LLVM passes", text);
  LLVMDisposeErrorMessage(text);
  return false;
}

/* ---- errors of LLVM itself ----------------------------------------------- */

/* Counts errors and keeps the first; LLVM's remarks are dropped. */
static void note_diagnostic(LLVMDiagnosticInfoRef info, void *user) {
  ContextErrors *errors = user;
  if (LLVMGetDiagInfoSeverity(info) != LLVMDSError)
    return;
  errors->errors++;
  char *text = LLVMGetDiagInfoDescription(info);
  if (!errors->first)
    errors->first = strdup(text);
  LLVMDisposeMessage(text);
}

void object_watch_errors(LLVMContextRef context, ContextErrors *errors) {
  /* Without a handler LLVM prints the error and ends the process. */
  LLVMContextSetDiagnosticHandler(context, note_diagnostic, errors);
}

/* ---- output -------------------------------------------------------------- */

bool object_bytes(Emit *emit, LLVMTargetMachineRef machine, OutputKind kind,
                  const ContextErrors *errors, Buffer *out) {
  if (kind == OUTPUT_LLVM) {
    char *text = LLVMPrintModuleToString(emit->module);
    buffer_text(out, text);
    LLVMDisposeMessage(text);
    return true;
  }
  LLVMMemoryBufferRef memory = NULL;
  char *text = NULL;
  LLVMCodeGenFileType type =
      kind == OUTPUT_ASSEMBLY ? LLVMAssemblyFile : LLVMObjectFile;
  bool failed = LLVMTargetMachineEmitToMemoryBuffer(machine, emit->module, type,
                                                    &text, &memory) != 0;
  if (!failed && errors->errors == 0)
    buffer_add(out, LLVMGetBufferStart(memory), LLVMGetBufferSize(memory));
  else
    internal_error(emit, "code generation", failed ? text : errors->first);
  if (memory)
    LLVMDisposeMemoryBuffer(memory);
  if (text)
    LLVMDisposeMessage(text);
  return !failed && errors->errors == 0;
}
