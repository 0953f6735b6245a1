/* Kernels: what one reads and writes, and which ones are the same.
 *
 * In: a kernel of Graph.kernel. Out: its pointers and arguments in the order
 * in which generated code finds them, and its stages. Two kernels are equal
 * when the text that describe() makes of them is: ops, attributes, types,
 * constants, who reads what, which shifts there are. Names, offsets, parameter
 * numbers and exponents are not in it, so the layers of a deep network and the
 * updates of equal parameters share one function. The idea of a structural key
 * is that of hash-consing.
 */
#include "compiler/llvm/kernel.h"

#include <string.h>

#include "ir/rng.h"

static const LowerRule lower_rule[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, exponent, scale,        \
           gradient, eval, form, lower)                                        \
  [OP_##id] = LOWER_##lower,
#include "ir/ops.def"
};

LowerRule op_lowering(Op op) {
  return lower_rule[op];
}

/* ---- questions ----------------------------------------------------------- */

bool kernel_has(const KernelCode *code, ValueId id) {
  return id >= code->first && id <= code->last &&
         graph_node(code->graph, id)->kernel == code->kernel;
}

ValueId kernel_memory(const Graph *graph, ValueId id) {
  while (lower_rule[graph_node(graph, id)->op] == LOWER_view)
    id = graph_node(graph, id)->input[0];
  return id;
}

bool kernel_writes(const KernelCode *code, ValueId id) {
  const Graph *graph = code->graph;
  Op op = graph_node(graph, id)->op;
  return op == OP_STORE || lower_rule[op] == LOWER_norm ||
         graph->placement[id].materialized;
}

ValueId kernel_operand(const KernelCode *code, ValueId id, int operand) {
  ValueId value = graph_node(code->graph, id)->input[operand];
  return kernel_memory(code->graph, value);
}

void kernel_refuse(Emit *emit, const Graph *graph, ValueId id,
                   const char *reason) {
  const Node *node = graph_node(graph, id);
  Diagnostic page = {.severity = SEVERITY_ERROR, .code = "E0790"};
  page.message = arena_printf(
      emit->arena, "no code for `%s`, value %s%s of %s: %s",
      op_info(node->op)->text, node->name ? "%" : "",
      node->name ? node->name : "without a name", graph->name, reason);
  page.label[page.label_count++] = (Label){node->span, "made here"};
  diagnose(emit->diagnostics, &page);
}

/* ---- operands and arguments ---------------------------------------------- */

/* Place of a value among the kernel's pointers, or -1. */
static int pointer_find(const KernelCode *code, ValueId value) {
  for (size_t i = 0; i < code->pointer.length; i++)
    if (code->pointer.data[i].value == value)
      return (int)i;
  return -1;
}

static void pointer_add(KernelCode *code, ValueId value, bool written) {
  if (pointer_find(code, value) < 0)
    vec_push(&code->pointer, (KernelPointer){value, written});
}

/* Gives the argument the next 32-bit words. */
static void argument_add(KernelCode *code, KernelArgument argument) {
  argument.index = code->argument_count;
  code->argument_count += argument.kind == ARGUMENT_KEY ? 2 : 1;
  vec_push(&code->argument, argument);
}

static void shift_add(KernelCode *code, ValueId id, int operand, Shift shift) {
  if (shift_is_zero(shift))
    return;
  argument_add(code, (KernelArgument){.kind = ARGUMENT_SHIFT,
                                      .node = id,
                                      .operand = operand,
                                      .shift = shift});
}

/* A measured exponent counts from that of the operand. */
static void norm_add(KernelCode *code, ValueId id) {
  const Node *node = graph_node(code->graph, id);
  if (lower_rule[node->op] != LOWER_norm)
    return;
  Scale scale = graph_node(code->graph, node->input[0])->scale;
  if (scale.kind == SCALE_NORMAL)
    shift_add(code, id, 0, (Shift){scale.exponent, scale.symbol, 0});
}

/* Stochastic rounding of a cast or store is keyed by the value's name, or the
 * parameter's. Into f32 and integers nothing is rounded. */
static void key_add(const Emit *emit, KernelCode *code, ValueId id) {
  const Node *node = graph_node(code->graph, id);
  const Type *type = node->type;
  const char *name = node_key(node);
  if (node->op == OP_STORE) {
    type = emit->program->param.data[node->attr.index].type;
    name = emit->program->param.data[node->attr.index].name;
  } else if (node->op != OP_CAST) {
    return;
  }
  if (node->attr.round != ROUND_STOCHASTIC || !format_is_float(type->format) ||
      type->format == FORMAT_F32)
    return;
  argument_add(code, (KernelArgument){.kind = ARGUMENT_KEY,
                                      .node = id,
                                      .operand = -1,
                                      .name_hash = rng_hash_name(name)});
}

/* What one op reads, is shifted by, draws and writes, in that order: the order
 * is part of how equal kernels are called. */
static void member_add(const Emit *emit, KernelCode *code, ValueId id) {
  const Node *node = graph_node(code->graph, id);
  for (int i = 0; i < node_inputs(node); i++) {
    ValueId value = kernel_operand(code, id, i);
    if (!kernel_has(code, value) &&
        graph_node(code->graph, value)->op != OP_CONST)
      pointer_add(code, value, false);
    shift_add(code, id, i, operand_shift(code->graph, id, i));
  }
  shift_add(code, id, -1, node_shift(code->graph, id));
  norm_add(code, id);
  key_add(emit, code, id);
  if (kernel_writes(code, id))
    pointer_add(code, id, true);
}

static KernelCode *kernel_collect(Emit *emit, const Graph *graph,
                                  uint32_t kernel) {
  const Kernel *row = &graph->kernel.data[kernel];
  KernelCode *code = NEW(emit->arena, KernelCode);
  code->graph = graph;
  code->kernel = kernel;
  code->first = row->first;
  code->last = row->last;
  code->form = row->form;
  for (ValueId id = row->first; id <= row->last; id++)
    if (kernel_has(code, id))
      member_add(emit, code, id);
  return code;
}

/* ---- the structural key -------------------------------------------------- */

/* The operand's type as the op sees it, then which value it is: member,
 * constant or pointer, by number. */
static void describe_operand(Buffer *key, const KernelCode *code, ValueId id,
                             int operand) {
  const Graph *graph = code->graph;
  ValueId seen = graph_node(graph, id)->input[operand];
  ValueId value = kernel_operand(code, id, operand);
  const Node *node = graph_node(graph, value);
  type_print(key, graph_node(graph, seen)->type);
  if (kernel_has(code, value))
    buffer_printf(key, "m%u ", value - code->first);
  else if (node->op == OP_CONST)
    buffer_printf(key, "=%a ", node->attr.value);
  else
    buffer_printf(key, "p%d ", pointer_find(code, value));
}

static void describe_attributes(Buffer *key, const Emit *emit,
                                const Node *node) {
  const Attributes *attr = &node->attr;
  AttributeSet uses = op_info(node->op)->attributes;
  if (uses & ATTR(PATTERN))
    buffer_printf(key, "\"%s\" ", attr->pattern);
  for (int i = 0; i < PLAIN_COUNT; i++) {
    const PlainAttribute *plain = plain_attribute(i);
    if (!(uses & plain->bit))
      continue;
    buffer_printf(key, "%s ", plain->text);
    plain_print(key, plain, attr);
    buffer_char(key, ' ');
  }
  if (uses & ATTR(BY))
    buffer_printf(key, "by %d ", (int)attr->by);
  if (uses & ATTR(ROUND))
    buffer_printf(key, "round %d %d %d ", (int)attr->round, (int)attr->overflow,
                  (int)attr->flush);
  if (node->op == OP_STORE)
    type_print(key, emit->program->param.data[attr->index].type);
}

/* Members are numbered by their distance from the first, so that constants and
 * views between them count: they are part of the structure. */
static void describe_member(Buffer *key, const Emit *emit,
                            const KernelCode *code, ValueId id) {
  const Node *node = graph_node(code->graph, id);
  buffer_printf(key, "m%u %s ", id - code->first, op_info(node->op)->text);
  type_print(key, node->type);
  buffer_char(key, '(');
  for (int i = 0; i < node_inputs(node); i++)
    describe_operand(key, code, id, i);
  describe_attributes(key, emit, node);
  if (kernel_writes(code, id))
    buffer_printf(key, "-> p%d ", pointer_find(code, id));
  for (size_t i = 0; i < code->argument.length; i++)
    if (code->argument.data[i].node == id)
      buffer_printf(key, "a%d.%d ", (int)code->argument.data[i].kind,
                    code->argument.data[i].operand);
  buffer_text(key, ")\n");
}

static void describe(Buffer *key, const Emit *emit, const KernelCode *code) {
  buffer_printf(key, "%s\n", kernel_form_name(code->form));
  for (ValueId id = code->first; id <= code->last; id++)
    if (kernel_has(code, id))
      describe_member(key, emit, code, id);
}

/* ---- stages -------------------------------------------------------------- */

/* Functions are named after the value that the kernel is for: what perf and
 * gdb show. LLVM numbers equal names. */
static const char *stage_name(Emit *emit, const KernelCode *code) {
  const char *name = NULL;
  for (ValueId id = code->first; id <= code->last; id++)
    if (kernel_has(code, id) && graph_node(code->graph, id)->name)
      name = graph_node(code->graph, id)->name;
  return arena_printf(emit->arena, "sg.%s.%s", kernel_form_name(code->form),
                      name ? name : "store");
}

LLVMTypeRef kernel_function_type(Emit *emit) {
  LLVMTypeRef parameter[] = {emit->pointer, emit->pointer, emit->i64, emit->i64,
                             emit->pointer};
  return LLVMFunctionType(emit->none, parameter, 5, false);
}

StageBody kernel_stage_begin(Emit *emit, KernelCode *code, int64_t count,
                             int64_t work, int64_t scratch_bytes) {
  LLVMValueRef function = LLVMAddFunction(emit->module, stage_name(emit, code),
                                          kernel_function_type(emit));
  LLVMSetLinkage(function, LLVMInternalLinkage);
  emit_function_attributes(emit, function);
  code->stage[code->stages++] = (Stage){function, count, work, scratch_bytes};
  emit_function_begin(emit, function);
  return (StageBody){LLVMGetParam(function, 2), LLVMGetParam(function, 3),
                     LLVMGetParam(function, 4)};
}

void kernel_stage_end(Emit *emit, KernelCode *code) {
  (void)code;
  emit_function_end(emit);
}

/* Element `index` of the array that parameter `parameter` points to. */
static LLVMValueRef load_entry(Emit *emit, unsigned parameter, int index,
                               LLVMTypeRef type, int64_t bytes) {
  LLVMBasicBlockRef saved = emit_enter_entry(emit);
  LLVMValueRef address =
      emit_address(emit, LLVMGetParam(emit->function, parameter),
                   emit_i64(emit, index), bytes);
  LLVMValueRef value = LLVMBuildLoad2(emit->builder, type, address, "operand");
  LLVMSetAlignment(value, (unsigned)bytes);
  emit_leave_entry(emit, saved);
  return value;
}

/* Loaded anew by each call: the passes merge equal loads of the entry block. */
LLVMValueRef kernel_pointer(Emit *emit, const KernelCode *code, ValueId id) {
  int index = pointer_find(code, kernel_memory(code->graph, id));
  return load_entry(emit, 0, index, emit->pointer, 8);
}

LLVMValueRef kernel_shared(Emit *emit, const KernelCode *code) {
  return load_entry(emit, 0, (int)code->pointer.length, emit->pointer, 8);
}

LLVMValueRef kernel_argument(Emit *emit, const KernelCode *code, int index) {
  (void)code;
  return load_entry(emit, 1, index, emit->i32, 4);
}

const KernelArgument *kernel_find_argument(const KernelCode *code,
                                           ArgumentKind kind, ValueId id,
                                           int operand) {
  for (size_t i = 0; i < code->argument.length; i++) {
    const KernelArgument *argument = &code->argument.data[i];
    if (argument->kind == kind && argument->node == id &&
        argument->operand == operand)
      return argument;
  }
  return NULL;
}

bool kernel_shift(Emit *emit, const KernelCode *code, ValueId id, int operand,
                  ShiftFactors *out) {
  const KernelArgument *argument =
      kernel_find_argument(code, ARGUMENT_SHIFT, id, operand);
  if (!argument)
    return false;
  LLVMValueRef k = kernel_argument(emit, code, argument->index);
  LLVMBasicBlockRef saved = emit_enter_entry(emit);
  *out = emit_shift_factors(emit, k);
  emit_leave_entry(emit, saved);
  return true;
}

LLVMValueRef kernel_shifted(Emit *emit, const KernelCode *code, ValueId id,
                            int operand, LLVMValueRef x, unsigned lanes) {
  ShiftFactors factors;
  if (!kernel_shift(emit, code, id, operand, &factors))
    return x;
  return emit_scale2(emit, x, factors, lanes);
}

/* ---- lowering ------------------------------------------------------------ */

/* Sums and products of i32, which map.c has no code for. */
static bool is_whole_arithmetic(const Node *node) {
  bool arithmetic = node->op == OP_NEG || node->op == OP_ADD ||
                    node->op == OP_SUB || node->op == OP_MUL;
  return arithmetic && !type_is_real(node->type);
}

/* A store that adds to a history of exponents. */
static bool is_history(const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  return node->op == OP_STORE && node->type->rank > 0 &&
         node_defines_exponent(graph_node(graph, node->input[0]));
}

/* By the one member that is not elementwise; NULL with a diagnostic if the
 * members do not go together. */
static KernelLowering *choose(Emit *emit, const KernelCode *code) {
  static KernelLowering *const lowering[] = {
      [LOWER_contract] = lower_gemm,
      [LOWER_reduce] = lower_reduce,
      [LOWER_norm] = lower_norm,
      [LOWER_row] = lower_row,
      [LOWER_permute] = lower_permute,
      [LOWER_state] = NULL,
      [LOWER_held] = NULL,
      [LOWER_max] = NULL,
  };
  KernelLowering *found = NULL;
  uint32_t members = 0;
  ValueId id = code->first;
  for (; id <= code->last; id++) {
    LowerRule rule = lower_rule[graph_node(code->graph, id)->op];
    if (!kernel_has(code, id))
      continue;
    members++;
    if (rule == LOWER_missing || is_history(code->graph, id) ||
        is_whole_arithmetic(graph_node(code->graph, id))) {
      kernel_refuse(emit, code->graph, id,
                    "native code for it is not part of this version; `sgc "
                    "exec` runs it");
      return NULL;
    }
    if (rule == LOWER_map)
      continue;
    if (found || rule >= sizeof lowering / sizeof *lowering || !lowering[rule])
      break;
    found = lowering[rule];
  }
  if (id <= code->last || (found && found != lower_gemm && members > 1)) {
    kernel_refuse(emit, code->graph, id <= code->last ? id : code->last,
                  "it does not go with the other ops of its kernel");
    return NULL;
  }
  return found ? found : lower_fused;
}

static bool has_code(Format format) {
  return format != FORMAT_REAL && format != FORMAT_F64;
}

/* Is the value, or something it is made from, a tensor without elements? */
static bool reads_nothing(const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  bool empty = node->type->elements == 0;
  for (int i = 0; i < node_inputs(node); i++)
    empty |= graph_node(graph, node->input[i])->type->elements == 0;
  return empty;
}

/* Formats that exist before level final only, or in the evaluator only. */
static bool formats_known(Emit *emit, const KernelCode *code) {
  const Graph *graph = code->graph;
  for (ValueId id = code->first; id <= code->last; id++) {
    const Node *node = graph_node(graph, id);
    bool known = !kernel_has(code, id) || has_code(node->type->format);
    for (int i = 0; kernel_has(code, id) && i < node_inputs(node); i++) {
      const Node *operand = graph_node(graph, node->input[i]);
      known &= operand->op == OP_CONST || has_code(operand->type->format);
    }
    if (known)
      continue;
    kernel_refuse(emit, graph, id, "no code is made for f64 or real numbers");
    return false;
  }
  for (ValueId id = code->first; id <= code->last; id++) {
    if (!kernel_has(code, id) || !reads_nothing(graph, id))
      continue;
    kernel_refuse(emit, graph, id, "no code is made for empty tensors");
    return false;
  }
  return true;
}

/* Ops other than elementwise ones read memory only. */
static bool operands_in_memory(Emit *emit, const KernelCode *code) {
  for (ValueId id = code->first; id <= code->last; id++) {
    const Node *node = graph_node(code->graph, id);
    if (!kernel_has(code, id) || lower_rule[node->op] == LOWER_map)
      continue;
    for (int i = 0; i < node_inputs(node); i++)
      if (pointer_find(code, kernel_operand(code, id, i)) < 0) {
        kernel_refuse(emit, code->graph, id, "an operand is not in memory");
        return false;
      }
  }
  return true;
}

static void code_free(KernelCode *code) {
  vec_free(&code->pointer);
  vec_free(&code->argument);
}

/* `key` "": the code belongs to an earlier entry. */
static const KernelCode *table_add(KernelTable *table, const char *key,
                                   KernelCode *code) {
  vec_push(&table->entry, (KernelEntry){key, code});
  return code;
}

const KernelCode *kernel_lower(Emit *emit, const Graph *graph,
                               uint32_t kernel) {
  KernelTable *table = emit->kernels;
  KernelCode *code = kernel_collect(emit, graph, kernel);
  Buffer text = {0};
  describe(&text, emit, code);
  const char *key = arena_string(emit->arena, text.data, text.length);
  buffer_free(&text);
  for (size_t i = 0; i < table->entry.length; i++) {
    const KernelEntry *entry = &table->entry.data[i];
    if (strcmp(entry->key, key) != 0)
      continue;
    memcpy(code->stage, entry->code->stage, sizeof code->stage);
    code->stages = entry->code->stages;
    code->shared_bytes = entry->code->shared_bytes;
    return table_add(table, "", code);
  }
  KernelLowering *lowering = choose(emit, code);
  if (!lowering || !formats_known(emit, code) ||
      !operands_in_memory(emit, code) || !lowering(emit, code)) {
    code_free(code);
    return NULL;
  }
  return table_add(table, key, code);
}

void kernel_table_free(KernelTable *table) {
  for (size_t i = 0; i < table->entry.length; i++)
    code_free(table->entry.data[i].code);
  vec_free(&table->entry);
}
