/* One entry to one step function.
 *
 * In: a final graph. Out: a function that takes a SgFrame and calls the
 * kernels in order. Before each kernel it fills two arrays on its stack: the
 * addresses of operands and results, and the arguments (shifts, which may add
 * run-time exponents, and random keys). Run-time exponents live in the frame;
 * max_exponent is computed here. Behind the values that `plan` placed, the
 * arena has a work area for the kernels that share one among threads.
 */
#include "compiler/llvm/kernel.h"

enum { ARENA_ALIGN = 64 };

/* Order of the fields of SgFrame (runtime/abi.h). */
enum {
  FRAME_ARENA,
  FRAME_PARAM,
  FRAME_INPUT,
  FRAME_EXPONENT,
  FRAME_SEED,
  FRAME_STEP
};

typedef struct {
  Emit *emit;
  const Graph *graph;
  StepCode *out;
  LLVMValueRef frame, arena, param, input, exponent;
  LLVMValueRef pointers, arguments; /* the arrays */
  const KernelCode **code;          /* by kernel */
} Step;

/* ---- exponents ----------------------------------------------------------- */

static void number_exponents(Step *step) {
  const Graph *graph = step->graph;
  step->out->exponent_slot = NEW_ARRAY(step->emit->arena, int, graph->count);
  for (ValueId id = 1; id < graph->count; id++)
    step->out->exponent_slot[id] = node_defines_exponent(graph_node(graph, id))
                                       ? step->out->exponent_count++
                                       : -1;
}

static LLVMValueRef exponent_address(const Step *step, ValueId symbol) {
  int slot = step->out->exponent_slot[symbol];
  return emit_address(step->emit, step->exponent, emit_i64(step->emit, slot),
                      4);
}

static LLVMValueRef exponent_load(const Step *step, ValueId symbol) {
  return emit_load(step->emit, step->emit->i32, exponent_address(step, symbol),
                   1, NULL);
}

/* constant + $plus - $minus */
static LLVMValueRef shift_value(const Step *step, Shift shift) {
  LLVMBuilderRef builder = step->emit->builder;
  LLVMValueRef value = emit_i32(step->emit, shift.exponent);
  if (shift.plus)
    value =
        LLVMBuildAdd(builder, value, exponent_load(step, shift.plus), "shift");
  if (shift.minus)
    value =
        LLVMBuildSub(builder, value, exponent_load(step, shift.minus), "shift");
  return value;
}

static void emit_max_exponent(const Step *step, ValueId id) {
  const Attributes *attr = &graph_node(step->graph, id)->attr;
  LLVMValueRef term[2];
  for (int i = 0; i < 2; i++)
    term[i] = shift_value(
        step, (Shift){attr->term[i].exponent, attr->term[i].symbol, 0});
  LLVMValueRef max =
      emit_intrinsic(step->emit, "llvm.smax", step->emit->i32, term, 2);
  emit_store(step->emit, max, step->emit->i32, exponent_address(step, id), 1,
             NULL);
}

/* ---- addresses ----------------------------------------------------------- */

static LLVMValueRef table_entry(const Step *step, LLVMValueRef table,
                                int index) {
  LLVMValueRef address =
      emit_address(step->emit, table, emit_i64(step->emit, index), 8);
  LLVMValueRef value =
      LLVMBuildLoad2(step->emit->builder, step->emit->pointer, address, "data");
  LLVMSetAlignment(value, 8);
  return value;
}

/* Where a value that owns memory lives, or what a store overwrites. */
static LLVMValueRef value_address(const Step *step, ValueId id) {
  const Node *node = graph_node(step->graph, id);
  if (node->op == OP_PARAM || node->op == OP_STORE)
    return table_entry(step, step->param, node->attr.index);
  if (node->op == OP_INPUT)
    return table_entry(step, step->input, node->attr.index);
  if (node_defines_exponent(node))
    return exponent_address(step, id);
  return emit_address(step->emit, step->arena,
                      emit_i64(step->emit, step->graph->placement[id].offset),
                      1);
}

/* A checkpoint may have brought anything. */
static void store_clamped(const Step *step, ValueId id, LLVMValueRef exponent) {
  Emit *emit = step->emit;
  LLVMValueRef low[] = {exponent, emit_i32(emit, EXPONENT_MIN)};
  LLVMValueRef high[] = {emit_intrinsic(emit, "llvm.smax", emit->i32, low, 2),
                         emit_i32(emit, EXPONENT_MAX)};
  emit_store(emit, emit_intrinsic(emit, "llvm.smin", emit->i32, high, 2),
             emit->i32, exponent_address(step, id), 1, NULL);
}

static void emit_state_exponent(const Step *step, ValueId id) {
  Emit *emit = step->emit;
  const Node *node = graph_node(step->graph, id);
  store_clamped(
      step, id,
      emit_load(emit, emit->i32, value_address(step, node->input[0]), 1, NULL));
}

/* The measured exponent in the first of every n steps, else that in the state.
 */
static void emit_held_exponent(const Step *step, ValueId id) {
  Emit *emit = step->emit;
  LLVMBuilderRef builder = emit->builder;
  const Node *node = graph_node(step->graph, id);
  LLVMValueRef number = emit_load(
      emit, emit->i64,
      emit_address(emit, step->frame, emit_i64(emit, FRAME_STEP), 8), 1, NULL);
  LLVMValueRef since = LLVMBuildURem(
      builder, LLVMBuildSub(builder, number, emit_i64(emit, 1), "before"),
      emit_i64(emit, node->attr.every), "since");
  LLVMValueRef now =
      LLVMBuildICmp(builder, LLVMIntEQ, since, emit_i64(emit, 0), "now");
  LLVMValueRef kept =
      emit_load(emit, emit->i32, value_address(step, node->input[0]), 1, NULL);
  LLVMValueRef exponent = LLVMBuildSelect(
      builder, now, exponent_load(step, node->input[1]), kept, "held");
  store_clamped(step, id, exponent);
}

/* False for what exists in registers of its kernel only. */
static bool has_address(const Step *step, ValueId id) {
  const Node *node = graph_node(step->graph, id);
  bool elsewhere = node->op == OP_PARAM || node->op == OP_STORE ||
                   node->op == OP_INPUT || node_defines_exponent(node);
  return elsewhere || step->graph->placement[id].arena;
}

/* ---- calls --------------------------------------------------------------- */

static LLVMValueRef runtime_function(Emit *emit, const char *name,
                                     LLVMTypeRef type) {
  LLVMValueRef function = LLVMGetNamedFunction(emit->module, name);
  return function ? function : LLVMAddFunction(emit->module, name, type);
}

/* sgrt_random_key(frame, name_hash, key) */
static void call_random_key(const Step *step, uint64_t name_hash,
                            LLVMValueRef key) {
  Emit *emit = step->emit;
  LLVMTypeRef parameter[] = {emit->pointer, emit->i64, emit->pointer};
  LLVMTypeRef type = LLVMFunctionType(emit->none, parameter, 3, false);
  LLVMValueRef argument[] = {step->frame, emit_i64(emit, (int64_t)name_hash),
                             key};
  LLVMBuildCall2(emit->builder, type,
                 runtime_function(emit, "sgrt_random_key", type), argument, 3,
                 "");
}

/* sgrt_parallel(frame, kernel, pointer, argument, count, work, scratch) */
static void call_stage(const Step *step, const Stage *stage) {
  Emit *emit = step->emit;
  LLVMTypeRef p = emit->pointer, i = emit->i64;
  LLVMTypeRef parameter[] = {p, p, p, p, i, i, i};
  LLVMTypeRef type = LLVMFunctionType(emit->none, parameter, 7, false);
  LLVMValueRef argument[] = {step->frame,
                             stage->function,
                             step->pointers,
                             step->arguments,
                             emit_i64(emit, stage->count),
                             emit_i64(emit, stage->work),
                             emit_i64(emit, stage->scratch_bytes)};
  LLVMBuildCall2(emit->builder, type,
                 runtime_function(emit, "sgrt_parallel", type), argument, 7,
                 "");
}

/* In the order of the kernel's pointers, the shared work area last. */
static void fill_pointers(const Step *step, const KernelCode *code) {
  Emit *emit = step->emit;
  size_t count = code->pointer.length;
  for (size_t i = 0; i <= count; i++) {
    if (i == count && code->shared_bytes == 0)
      break;
    int64_t shared = (step->graph->arena_bytes + ARENA_ALIGN - 1) /
                     ARENA_ALIGN * ARENA_ALIGN;
    LLVMValueRef address =
        i < count ? value_address(step, code->pointer.data[i].value)
                  : emit_address(emit, step->arena, emit_i64(emit, shared), 1);
    LLVMBuildStore(
        emit->builder, address,
        emit_address(emit, step->pointers, emit_i64(emit, (int64_t)i), 8));
  }
}

static void fill_arguments(const Step *step, const KernelCode *code) {
  Emit *emit = step->emit;
  for (size_t i = 0; i < code->argument.length; i++) {
    const KernelArgument *argument = &code->argument.data[i];
    LLVMValueRef address =
        emit_address(emit, step->arguments, emit_i64(emit, argument->index), 4);
    if (argument->kind == ARGUMENT_KEY)
      call_random_key(step, argument->name_hash, address);
    else
      emit_store(emit, shift_value(step, argument->shift), emit->i32, address,
                 1, NULL);
  }
}

/* The calls of one kernel. */
static bool emit_kernel(const Step *step, const KernelCode *code) {
  for (size_t i = 0; i < code->pointer.length; i++) {
    ValueId id = code->pointer.data[i].value;
    if (has_address(step, id))
      continue;
    kernel_refuse(step->emit, step->graph, id, "it has no place in memory");
    return false;
  }
  fill_pointers(step, code);
  fill_arguments(step, code);
  for (int i = 0; i < code->stages; i++)
    call_stage(step, &code->stage[i]);
  return true;
}

/* ---- the function -------------------------------------------------------- */

/* Every kernel's code, before the step function is begun: one function is
 * emitted at a time. */
static bool lower_kernels(Step *step) {
  const Graph *graph = step->graph;
  size_t count = graph->kernel.length;
  step->code = NEW_ARRAY(step->emit->arena, const KernelCode *, count + 1);
  for (uint32_t k = 1; k < count; k++) {
    step->code[k] = kernel_lower(step->emit, graph, k);
    if (!step->code[k])
      return false;
  }
  return true;
}

/* Sizes of the two arrays and of the arena. */
static void find_sizes(const Step *step, size_t *pointers, size_t *arguments) {
  int64_t shared = 0;
  *pointers = *arguments = 1;
  for (size_t k = 1; k < step->graph->kernel.length; k++) {
    const KernelCode *code = step->code[k];
    if (code->pointer.length + 1 > *pointers)
      *pointers = code->pointer.length + 1;
    if ((size_t)code->argument_count > *arguments)
      *arguments = (size_t)code->argument_count;
    if (code->shared_bytes > shared)
      shared = code->shared_bytes;
  }
  int64_t own = (step->graph->arena_bytes + ARENA_ALIGN - 1) / ARENA_ALIGN;
  step->out->arena_bytes = own * ARENA_ALIGN + (shared + ARENA_ALIGN - 1) /
                                                   ARENA_ALIGN * ARENA_ALIGN;
}

/* Opens the function and loads what the frame points to. */
static void begin_function(Step *step) {
  Emit *emit = step->emit;
  LLVMTypeRef type = LLVMFunctionType(emit->none, &emit->pointer, 1, false);
  const char *name = arena_printf(emit->arena, "sg.step.%s", step->graph->name);
  step->out->function = LLVMAddFunction(emit->module, name, type);
  LLVMSetLinkage(step->out->function, LLVMInternalLinkage);
  emit_function_attributes(emit, step->out->function);
  emit_function_begin(emit, step->out->function);
  step->frame = LLVMGetParam(step->out->function, 0);
  size_t pointers, arguments;
  find_sizes(step, &pointers, &arguments);
  step->pointers =
      emit_slot(emit, emit->pointer, (unsigned)pointers, "pointers");
  step->arguments =
      emit_slot(emit, emit->i32, (unsigned)arguments, "arguments");
  step->arena = table_entry(step, step->frame, FRAME_ARENA);
  step->param = table_entry(step, step->frame, FRAME_PARAM);
  step->input = table_entry(step, step->frame, FRAME_INPUT);
  step->exponent = table_entry(step, step->frame, FRAME_EXPONENT);
}

/* Each kernel at its first member, exponents where they are defined. */
static bool emit_nodes(const Step *step) {
  uint32_t done = 0;
  for (ValueId id = 1; id < step->graph->count; id++) {
    const Node *node = graph_node(step->graph, id);
    if (op_lowering(node->op) == LOWER_max)
      emit_max_exponent(step, id);
    if (op_lowering(node->op) == LOWER_state)
      emit_state_exponent(step, id);
    if (op_lowering(node->op) == LOWER_held)
      emit_held_exponent(step, id);
    if (node->kernel <= done)
      continue;
    done = node->kernel;
    if (!emit_kernel(step, step->code[done]))
      return false;
  }
  return true;
}

static bool check_format(Emit *emit, const Graph *graph, ValueId id) {
  const FormatInfo *row = format_info(graph_node(graph, id)->type->format);
  if (!row->has_code)
    kernel_refuse(emit, graph, id,
                  arena_printf(emit->arena,
                               "this version computes with %s in `sgc exec` "
                               "only",
                               row->text));
  return row->has_code;
}

/* What level final and `plan` promise, before it is relied on. */
static bool check_graph(Emit *emit, const Graph *graph) {
  if (!graph->placement) {
    diagnose_error(emit->diagnostics, graph->span, "E0795",
                   "%s has no memory plan: run the pass `plan` first",
                   graph->name);
    return false;
  }
  uint32_t last = 0;
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    LowerRule rule = op_lowering(node->op);
    if (!check_format(emit, graph, id))
      return false;
    if (rule == LOWER_missing && node->kernel == 0) {
      kernel_refuse(emit, graph, id,
                    "native code for it is not part of this version; `sgc "
                    "exec` runs it");
      return false;
    }
    bool needs = rule != LOWER_leaf && rule != LOWER_view &&
                 rule != LOWER_max && rule != LOWER_state && rule != LOWER_held;
    if (needs && (node->kernel == 0 || node->kernel < last)) {
      kernel_refuse(emit, graph, id,
                    node->kernel == 0 ? "it belongs to no kernel"
                                      : "its kernel is out of order");
      return false;
    }
    if (needs)
      last = node->kernel;
  }
  return true;
}

bool step_lower(Emit *emit, const Graph *graph, StepCode *out) {
  *out = (StepCode){.function = NULL};
  Step step = {.emit = emit, .graph = graph, .out = out};
  if (!check_graph(emit, graph) || !lower_kernels(&step))
    return false;
  number_exponents(&step);
  begin_function(&step);
  bool done = emit_nodes(&step);
  emit_function_end(emit);
  return done;
}
