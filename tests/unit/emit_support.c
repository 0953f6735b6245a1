/* Code made by the back end, loaded into this process; see emit_support.h. */
#include "tests/unit/emit_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void keep_message(void *user, Severity severity, const char *rendered) {
  (void)severity;
  buffer_text(user, rendered);
}

bool workshop_runs(const char *march) {
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512dq");
  if (strcmp(march, "x86-64-v3") == 0)
    return v3;
  return strcmp(march, "x86-64-v4") == 0 ? v4 : true;
}

static void workshop_types(Emit *emit) {
  LLVMContextRef context = emit->context = LLVMContextCreate();
  emit->builder = LLVMCreateBuilderInContext(context);
  emit->i1 = LLVMInt1TypeInContext(context);
  emit->i8 = LLVMInt8TypeInContext(context);
  emit->i16 = LLVMInt16TypeInContext(context);
  emit->i32 = LLVMInt32TypeInContext(context);
  emit->i64 = LLVMInt64TypeInContext(context);
  emit->f32 = LLVMFloatTypeInContext(context);
  emit->f64 = LLVMDoubleTypeInContext(context);
  emit->pointer = LLVMPointerTypeInContext(context, 0);
  emit->none = LLVMVoidTypeInContext(context);
}

static void workshop_module(Workshop *w) {
  Emit *emit = &w->emit;
  emit->module = LLVMModuleCreateWithNameInContext("test", emit->context);
  char *triple = LLVMGetTargetMachineTriple(w->machine);
  LLVMSetTarget(emit->module, triple);
  LLVMDisposeMessage(triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(w->machine);
  LLVMSetModuleDataLayout(emit->module, layout);
  LLVMDisposeTargetData(layout);
}

Workshop *workshop_new(const char *march, const Program *program) {
  Arena *arena = arena_new();
  Workshop *w = NEW(arena, Workshop);
  w->arena = arena;
  sources_init(&w->sources, arena);
  w->diagnostics =
      diagnostics_new(arena, &w->sources, keep_message, &w->messages);
  w->machine = target_machine(3, w->diagnostics);
  assert_non_null(w->machine);
  w->emit = (Emit){.strict = true,
                   .optimization = 3,
                   .program = program,
                   .arena = arena,
                   .diagnostics = w->diagnostics,
                   .kernels = &w->kernels};
  assert_true(target_choose(&w->emit.target, march, arena, w->diagnostics));
  workshop_types(&w->emit);
  workshop_module(w);
  return w;
}

LLVMValueRef workshop_begin(Workshop *w, const char *name) {
  Emit *emit = &w->emit;
  LLVMTypeRef parameter[] = {emit->pointer, emit->pointer, emit->pointer,
                             emit->pointer, emit->i64};
  LLVMValueRef function = LLVMAddFunction(
      emit->module, name, LLVMFunctionType(emit->none, parameter, 5, false));
  emit_function_attributes(emit, function);
  emit_function_begin(emit, function);
  return function;
}

static void expect_no_error(LLVMErrorRef error) {
  if (!error)
    return;
  char *text = LLVMGetErrorMessage(error);
  fail_msg("%s", text);
}

void workshop_load(Workshop *w) {
  ContextErrors errors = {0};
  object_watch_errors(w->emit.context, &errors);
  Buffer code = {0};
  bool done = object_verify(&w->emit) &&
              object_optimize(&w->emit, w->machine) &&
              object_bytes(&w->emit, w->machine, OUTPUT_OBJECT, &errors, &code);
  if (!done)
    fail_msg("%s", w->messages.data);
  LLVMMemoryBufferRef object = LLVMCreateMemoryBufferWithMemoryRangeCopy(
      code.data, code.length, "test.o");
  buffer_free(&code);
  free(errors.first);
  expect_no_error(LLVMOrcCreateLLJIT(&w->jit, NULL));
  LLVMOrcJITDylibRef library = LLVMOrcLLJITGetMainJITDylib(w->jit);
  LLVMOrcDefinitionGeneratorRef process;
  expect_no_error(LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
      &process, LLVMOrcLLJITGetGlobalPrefix(w->jit), NULL, NULL));
  LLVMOrcJITDylibAddGenerator(library, process);
  expect_no_error(LLVMOrcLLJITAddObjectFile(w->jit, library, object));
}

void *workshop_find(Workshop *w, const char *name) {
  LLVMOrcExecutorAddress address = 0;
  expect_no_error(LLVMOrcLLJITLookup(w->jit, &address, name));
  return (void *)(uintptr_t)address;
}

void workshop_free(Workshop *w) {
  if (w->jit)
    expect_no_error(LLVMOrcDisposeLLJIT(w->jit));
  kernel_table_free(&w->kernels);
  LLVMDisposeBuilder(w->emit.builder);
  LLVMDisposeModule(w->emit.module);
  LLVMContextDispose(w->emit.context);
  LLVMDisposeTargetMachine(w->machine);
  sources_free(&w->sources);
  buffer_free(&w->messages);
  arena_free(w->arena);
}
