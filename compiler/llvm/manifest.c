/* The constant `sg_program`: what an executable knows about itself.
 *
 * In: the program and its step functions. Out: the structs of runtime/abi.h as
 * LLVM constants, field by field in their order; every field is 8 bytes wide.
 */
#include "compiler/llvm/kernel.h"

#include <string.h>

#include "runtime/abi.h"

#ifndef SG_VERSION
#define SG_VERSION "0.1.0"
#endif

enum { FIELDS_MAX = 24 };

/* A struct in the making. */
typedef struct {
  Emit *emit;
  LLVMValueRef field[FIELDS_MAX];
  unsigned count;
} Record;

/* A list of equal structs in the making. */
typedef struct {
  Emit *emit;
  LLVMValueRef *item;
  unsigned count;
} Table;

static Record record_begin(Emit *emit) {
  return (Record){.emit = emit};
}

static void add_value(Record *record, LLVMValueRef value) {
  record->field[record->count++] = value;
}

static void add_integer(Record *record, int64_t value) {
  add_value(record, emit_i64(record->emit, value));
}

static void add_double(Record *record, double value) {
  add_value(record, LLVMConstReal(record->emit->f64, value));
}

static LLVMValueRef record_end(const Record *record) {
  return LLVMConstStructInContext(record->emit->context,
                                  (LLVMValueRef *)record->field, record->count,
                                  false);
}

/* ---- constants in memory ------------------------------------------------- */

/* The address of a constant that only this module sees. */
static LLVMValueRef private_constant(Emit *emit, LLVMValueRef value,
                                     const char *name) {
  LLVMValueRef global = LLVMAddGlobal(emit->module, LLVMTypeOf(value), name);
  LLVMSetInitializer(global, value);
  LLVMSetGlobalConstant(global, true);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  return global;
}

/* NULL becomes a null pointer. */
static void add_text(Record *record, const char *text) {
  Emit *emit = record->emit;
  if (!text) {
    add_value(record, LLVMConstNull(emit->pointer));
    return;
  }
  LLVMValueRef bytes =
      LLVMConstStringInContext2(emit->context, text, strlen(text), false);
  LLVMValueRef global = private_constant(emit, bytes, "sg.text");
  LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
  add_value(record, global);
}

static Table table_begin(Emit *emit, size_t capacity) {
  return (Table){emit, NEW_ARRAY(emit->arena, LLVMValueRef, capacity + 1), 0};
}

static void table_add(Table *table, const Record *record) {
  table->item[table->count++] = record_end(record);
}

/* The number of items, then where they are. */
static void add_table(Record *record, const Table *table, const char *name) {
  add_integer(record, table->count);
  if (table->count == 0) {
    add_value(record, LLVMConstNull(record->emit->pointer));
    return;
  }
  LLVMValueRef array =
      LLVMConstArray2(LLVMTypeOf(table->item[0]), table->item, table->count);
  add_value(record, private_constant(record->emit, array, name));
}

/* format, rank, dim */
static void add_type(Record *record, const Type *type) {
  Emit *emit = record->emit;
  LLVMValueRef dim[MAX_RANK + 1];
  for (int i = 0; i < type->rank; i++)
    dim[i] = emit_i64(emit, type->dim[i]);
  add_integer(record, type->format);
  add_integer(record, type->rank);
  if (type->rank == 0) {
    add_value(record, LLVMConstNull(emit->pointer));
    return;
  }
  LLVMValueRef array = LLVMConstArray2(emit->i64, dim, (uint64_t)type->rank);
  add_value(record, private_constant(emit, array, "sg.dim"));
}

/* ---- parameters and datasets --------------------------------------------- */

static void add_params(Record *program, const Program *from) {
  Emit *emit = program->emit;
  Table table = table_begin(emit, from->param.length);
  for (size_t i = 0; i < from->param.length; i++) {
    const Parameter *param = &from->param.data[i];
    bool scaled = param->scale.kind != SCALE_NONE;
    Record record = record_begin(emit);
    add_text(&record, param->name);
    add_type(&record, param->type);
    add_integer(&record, (int64_t)type_bytes(param->type));
    add_integer(&record, scaled);
    add_integer(&record, param_start_exponent(from, param));
    add_integer(&record, param->init.kind);
    add_double(&record, param->init.a);
    add_double(&record, param->init.b);
    add_integer(&record, param->state);
    add_integer(&record, param->measured);
    add_integer(&record,
                param->exponent ? program_param(from, param->exponent) + 1 : 0);
    table_add(&table, &record);
  }
  add_table(program, &table, "sg.param");
}

/* column_count, column */
static void add_columns(Record *dataset, const Dataset *from) {
  Emit *emit = dataset->emit;
  Table table = table_begin(emit, from->column.length);
  for (size_t i = 0; i < from->column.length; i++) {
    const Column *column = &from->column.data[i];
    Record record = record_begin(emit);
    add_text(&record, column->name);
    add_integer(&record, column->source);
    add_text(&record, column->text[0] ? column->text[0] : "");
    add_type(&record, column->type);
    table_add(&table, &record);
  }
  add_table(dataset, &table, "sg.column");
}

static void add_datasets(Record *program, const Program *from) {
  Emit *emit = program->emit;
  Table table = table_begin(emit, from->dataset.length);
  for (size_t i = 0; i < from->dataset.length; i++) {
    Record record = record_begin(emit);
    add_text(&record, from->dataset.data[i].name);
    add_columns(&record, &from->dataset.data[i]);
    table_add(&table, &record);
  }
  add_table(program, &table, "sg.dataset");
}

/* ---- entries ------------------------------------------------------------- */

static void add_inputs(Record *entry, const Graph *graph) {
  Emit *emit = entry->emit;
  Table table = table_begin(emit, graph->input.length);
  for (size_t i = 0; i < graph->input.length; i++) {
    const Input *input = &graph->input.data[i];
    const Type *type = graph_node(graph, input->value)->type;
    Record record = record_begin(emit);
    add_text(&record, input->name);
    add_integer(&record, input->source);
    add_integer(&record, input->dataset);
    add_integer(&record, input->column);
    add_type(&record, type);
    add_integer(&record, (int64_t)type_bytes(type));
    add_integer(&record, graph_label_limit(graph, input->value));
    add_integer(&record, input->has_default);
    add_double(&record, input->default_value);
    table_add(&table, &record);
  }
  add_table(entry, &table, "sg.input");
}

/* place, offset */
static void add_place(Record *record, const Graph *graph, ValueId value) {
  ValueId memory = kernel_memory(graph, value);
  const Node *node = graph_node(graph, memory);
  bool leaf = node->op == OP_PARAM || node->op == OP_INPUT;
  int64_t place = node->op == OP_PARAM   ? SG_IN_PARAM
                  : node->op == OP_INPUT ? SG_IN_INPUT
                                         : SG_IN_ARENA;
  add_integer(record, place);
  add_integer(record,
              leaf ? node->attr.index : graph->placement[memory].offset);
}

/* One result; it must be in memory when the step is done. */
static bool add_result(Table *table, const Graph *graph, const Result *result,
                       const StepCode *step) {
  const Node *node = graph_node(graph, result->value);
  ValueId memory = kernel_memory(graph, result->value);
  if (!graph->placement[memory].materialized) {
    kernel_refuse(table->emit, graph, result->value,
                  "it is a result but has no place in memory");
    return false;
  }
  bool scaled = node->scale.kind == SCALE_NORMAL;
  Record record = record_begin(table->emit);
  add_text(&record, result->name);
  add_type(&record, node->type);
  add_integer(&record, (int64_t)type_bytes(node->type));
  add_place(&record, graph, result->value);
  add_integer(&record, scaled ? node->scale.exponent : 0);
  add_integer(&record, scaled && node->scale.symbol
                           ? step->exponent_slot[node->scale.symbol]
                           : -1);
  table_add(table, &record);
  return true;
}

static bool add_results(Record *entry, const Graph *graph,
                        const StepCode *step) {
  Table table = table_begin(entry->emit, graph->result.length);
  for (size_t i = 0; i < graph->result.length; i++)
    if (!add_result(&table, graph, &graph->result.data[i], step))
      return false;
  add_table(entry, &table, "sg.result");
  return true;
}

/* Two for each product of a contraction, over all of its axes. */
static int64_t node_flops(const Emit *emit, const Graph *graph,
                          const Node *node) {
  const char *error = NULL;
  size_t offset = 0;
  int64_t size[3 * MAX_RANK], flops = 2;
  Pattern pattern;
  if (node->op != OP_EINSUM)
    return 0;
  const Type *operand[] = {graph_node(graph, node->input[0])->type,
                           graph_node(graph, node->input[1])->type};
  if (!pattern_parse(emit->program->interner, node->attr.pattern, &pattern,
                     &error, &offset) ||
      !pattern_sizes(&pattern, operand, size, emit->arena, &error))
    return 0;
  for (int i = 0; i < pattern.letters; i++)
    flops *= size[i];
  return flops;
}

static int64_t graph_flops(const Emit *emit, const Graph *graph) {
  int64_t flops = 0;
  for (ValueId id = 1; id < graph->count; id++)
    flops += node_flops(emit, graph, graph_node(graph, id));
  return flops;
}

/* epochs .. batch of SgEntry. */
static void add_run_settings(Record *record, const RunSettings *run) {
  const int64_t value[] = {run->epochs,     run->steps, run->log_every,
                           run->save_every, run->seed,  run->eval_every};
  for (size_t i = 0; i < sizeof value / sizeof *value; i++)
    add_integer(record, value[i]);
  add_text(record, run->eval_entry);
  add_integer(record, run->batch);
}

static bool add_entry(Table *table, const Graph *graph, const StepCode *step) {
  Record record = record_begin(table->emit);
  add_text(&record, graph->name);
  add_integer(&record, graph->kind);
  add_text(&record, graph->recipe);
  add_inputs(&record, graph);
  if (!add_results(&record, graph, step))
    return false;
  add_value(&record, step->function);
  add_integer(&record, step->arena_bytes);
  add_integer(&record, step->exponent_count);
  add_run_settings(&record, &graph->run);
  add_integer(&record, graph_flops(table->emit, graph));
  table_add(table, &record);
  return true;
}

/* ---- the program --------------------------------------------------------- */

bool manifest_emit(Emit *emit, const char *source_name, const StepCode *steps) {
  const Program *program = emit->program;
  Record record = record_begin(emit);
  add_integer(&record, SG_ABI_VERSION);
  add_text(&record, program->name);
  add_text(&record, source_name);
  add_text(&record, "sgc " SG_VERSION);
  add_text(&record, emit->target.name);
  add_text(&record, emit->target.needed);
  add_integer(&record, emit->strict);
  add_integer(&record, (int64_t)program_hash(program));
  add_params(&record, program);
  add_datasets(&record, program);
  Table entries = table_begin(emit, program->graph.length);
  for (size_t i = 0; i < program->graph.length; i++)
    if (!add_entry(&entries, program->graph.data[i], &steps[i]))
      return false;
  add_table(&record, &entries, "sg.entry");
  LLVMValueRef value = record_end(&record);
  LLVMValueRef global =
      LLVMAddGlobal(emit->module, LLVMTypeOf(value), "sg_program");
  LLVMSetInitializer(global, value);
  LLVMSetGlobalConstant(global, true);
  return true;
}
