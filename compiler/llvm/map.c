/* Elementwise ops on vectors.
 *
 * In: the map members of a kernel and a Point. Out: code that computes every
 * member for the point's elements, in f32, one LLVM instruction per rounding of
 * the evaluator (ir/eval_map.c, ir/eval_ops.c), and stores what is
 * materialised. A rule gives the value before the shift; the shift, then the
 * rounding of cast and store follow here, as in ir/eval.c. Stores come last:
 * a result may lie where an operand was.
 */
#include "compiler/llvm/map.h"

/* One member at one point. */
typedef struct {
  Map *map;
  const Point *point;
  ValueId id;
  const Node *node;
} Frame;

typedef MapValue MapRule(const Frame *frame);

static Emit *frame_emit(const Frame *frame) {
  return frame->map->emit;
}

static LLVMBuilderRef frame_builder(const Frame *frame) {
  return frame->map->emit->builder;
}

static MapValue real_value(LLVMValueRef value) {
  return (MapValue){FORMAT_F32, value, NULL};
}

static MapValue bool_value(LLVMValueRef value) {
  return (MapValue){FORMAT_BOOL, value, NULL};
}

/* ---- operands ------------------------------------------------------------ */

/* A constant in every lane, as the evaluator holds it. */
static MapValue constant(Emit *emit, const Node *node, unsigned lanes) {
  Format format = node->type->format;
  double value = node->attr.value;
  LLVMValueRef one;
  if (type_is_real(node->type))
    return real_value(emit_f32_splat(emit, (float)value, lanes));
  if (format == FORMAT_BOOL)
    one = LLVMConstInt(emit->i1, value != 0, false);
  else if (format == FORMAT_I64)
    one = emit_i64(emit, (int64_t)value);
  else
    one = emit_i32(emit, (int32_t)value);
  return (MapValue){format, emit_splat(emit, one, lanes), NULL};
}

/* Operand `k` in every lane; its shift is not applied. */
static MapValue operand(const Frame *frame, int k) {
  Map *map = frame->map;
  ValueId value = kernel_operand(map->code, frame->id, k);
  const Node *node = graph_node(map->code->graph, value);
  unsigned lanes = frame->point->lanes;
  if (kernel_has(map->code, value))
    return map->value[value - map->code->first];
  if (node->op == OP_CONST)
    return constant(map->emit, node, lanes);
  const MapMember *member = &map->member[frame->id - map->code->first];
  ValueId seen = frame->node->input[k];
  Access access = {frame->node->type, graph_node(map->code->graph, seen)->type};
  if (access.type->elements == 1)
    return map_splat(map->emit, member->scalar[k], lanes);
  return access_load(map->emit, access, member->address[k], frame->point);
}

/* Operand `k` as f32, shifted. */
static LLVMValueRef real_operand(const Frame *frame, int k) {
  MapValue value = operand(frame, k);
  Map *map = frame->map;
  unsigned lanes = frame->point->lanes;
  LLVMValueRef x = map_f32(map->emit, &value, lanes);
  const MapShift *shift = &map->member[frame->id - map->code->first].shift[k];
  return shift->present ? emit_scale2(map->emit, x, shift->factors, lanes) : x;
}

/* +0 in every lane. */
static LLVMValueRef zero(const Frame *frame) {
  return emit_f32_splat(frame_emit(frame), 0.0f, frame->point->lanes);
}

/* ---- arithmetic ---------------------------------------------------------- */

static MapValue map_neg(const Frame *frame) {
  return real_value(
      LLVMBuildFNeg(frame_builder(frame), real_operand(frame, 0), "neg"));
}

#define MAP_BINARY(name, Instruction)                                          \
  static MapValue map_##name(const Frame *frame) {                             \
    LLVMValueRef a = real_operand(frame, 0), b = real_operand(frame, 1);       \
    return real_value(                                                         \
        LLVMBuild##Instruction(frame_builder(frame), a, b, #name));            \
  }
MAP_BINARY(add, FAdd)
MAP_BINARY(sub, FSub)
MAP_BINARY(mul, FMul)
MAP_BINARY(div, FDiv)

/* x <= 0 ? +0 : x, so that NaN stays. */
static MapValue map_relu(const Frame *frame) {
  LLVMValueRef x = real_operand(frame, 0);
  LLVMValueRef low =
      LLVMBuildFCmp(frame_builder(frame), LLVMRealOLE, x, zero(frame), "low");
  return real_value(
      LLVMBuildSelect(frame_builder(frame), low, zero(frame), x, "relu"));
}

/* y > 0, y being real or a mask. */
static LLVMValueRef is_positive(const Frame *frame, int k) {
  MapValue y = operand(frame, k);
  if (y.format == FORMAT_BOOL)
    return y.value;
  LLVMValueRef x = map_f32(frame_emit(frame), &y, frame->point->lanes);
  return LLVMBuildFCmp(frame_builder(frame), LLVMRealOGT, x, zero(frame),
                       "positive");
}

static MapValue map_relu_grad(const Frame *frame) {
  LLVMValueRef dy = real_operand(frame, 0);
  return real_value(LLVMBuildSelect(frame_builder(frame), is_positive(frame, 1),
                                    dy, zero(frame), "relu_grad"));
}

static MapValue map_positive(const Frame *frame) {
  return bool_value(is_positive(frame, 0));
}

/* Integers and masks as they are; reals as data, whose exponents agree. */
static MapValue map_eq(const Frame *frame) {
  MapValue a = operand(frame, 0);
  if (!format_is_float(a.format))
    return bool_value(LLVMBuildICmp(frame_builder(frame), LLVMIntEQ, a.value,
                                    operand(frame, 1).value, "eq"));
  LLVMValueRef x = real_operand(frame, 0), y = real_operand(frame, 1);
  return bool_value(
      LLVMBuildFCmp(frame_builder(frame), LLVMRealOEQ, x, y, "eq"));
}

static MapValue map_sqrt(const Frame *frame) {
  LLVMValueRef x = real_operand(frame, 0);
  return real_value(
      emit_intrinsic(frame_emit(frame), "llvm.sqrt", LLVMTypeOf(x), &x, 1));
}

static MapValue map_exp(const Frame *frame) {
  return real_value(
      emit_exp(frame_emit(frame), real_operand(frame, 0), frame->point->lanes));
}

static MapValue map_log(const Frame *frame) {
  return real_value(
      emit_log(frame_emit(frame), real_operand(frame, 0), frame->point->lanes));
}

/* ---- structure and conversions ------------------------------------------- */

/* As it is; the shift, and the rounding of cast and store, come after. */
static MapValue map_rebalance(const Frame *frame) {
  return real_value(real_operand(frame, 0));
}

static MapValue map_cast(const Frame *frame) {
  return map_rebalance(frame);
}

static MapValue map_store(const Frame *frame) {
  MapValue value = operand(frame, 0);
  return format_is_float(value.format) ? map_rebalance(frame) : value;
}

/* One element everywhere: operands of one element are splats already. */
static MapValue map_splat_op(const Frame *frame) {
  return operand(frame, 0);
}

/* The smallest and largest number of an integer format that a conversion
 * gives: for i64 the largest double below 2^63, as in ir/eval_round.c. */
static int64_t integer_bound(Format format, bool high) {
  const FormatInfo *row = format_info(format);
  if (row->kind == KIND_UINT)
    return high ? ((int64_t)1 << row->bits) - 1 : 0;
  if (row->bits == 64)
    return high ? INT64_MAX - 1023 : INT64_MIN;
  int64_t half = (int64_t)1 << (row->bits - 1);
  return high ? half - 1 : -half;
}

/* Between the bounds of `format`; x is i32 or i64. */
static LLVMValueRef clamp(const Frame *frame, LLVMValueRef x, Format format) {
  Emit *emit = frame_emit(frame);
  unsigned lanes = frame->point->lanes;
  LLVMTypeRef element = LLVMTypeOf(x);
  if (lanes > 1)
    element = LLVMGetElementType(element);
  for (int high = 0; high < 2; high++) {
    uint64_t bound = (uint64_t)integer_bound(format, high);
    LLVMValueRef limit =
        emit_splat(emit, LLVMConstInt(element, bound, true), lanes);
    LLVMValueRef pair[] = {x, limit};
    x = emit_intrinsic(emit, high ? "llvm.smin" : "llvm.smax", LLVMTypeOf(x),
                       pair, 2);
  }
  return x;
}

/* In registers i64 stays wide, bool is i1, all else is i32. */
static LLVMTypeRef register_type(const Frame *frame, Format format) {
  Emit *emit = frame_emit(frame);
  return emit_vector_type(format == FORMAT_I64 ? emit->i64 : emit->i32,
                          frame->point->lanes);
}

/* Towards zero, saturating, NaN to 0. Through 32 bits for all but i64. */
static LLVMValueRef real_to_integer(const Frame *frame, LLVMValueRef x,
                                    Format format) {
  LLVMBuilderRef builder = frame_builder(frame);
  if (format == FORMAT_BOOL)
    return LLVMBuildFCmp(builder, LLVMRealONE, x, zero(frame), "true");
  LLVMTypeRef types[] = {register_type(frame, format), LLVMTypeOf(x)};
  unsigned id = LLVMLookupIntrinsicID("llvm.fptosi.sat", 15);
  LLVMValueRef function =
      LLVMGetIntrinsicDeclaration(frame_emit(frame)->module, id, types, 2);
  LLVMTypeRef type =
      LLVMIntrinsicGetType(frame_emit(frame)->context, id, types, 2);
  LLVMValueRef whole = LLVMBuildCall2(builder, type, function, &x, 1, "whole");
  return format == FORMAT_I32 ? whole : clamp(frame, whole, format);
}

/* By value, saturating. */
static LLVMValueRef integer_to_integer(const Frame *frame, MapValue x,
                                       Format format) {
  LLVMBuilderRef builder = frame_builder(frame);
  if (format == FORMAT_BOOL)
    return x.format == FORMAT_BOOL
               ? x.value
               : LLVMBuildICmp(builder, LLVMIntNE, x.value,
                               LLVMConstNull(LLVMTypeOf(x.value)), "true");
  LLVMTypeRef type = register_type(frame, format);
  if (x.format == FORMAT_BOOL)
    return LLVMBuildZExt(builder, x.value, type, "number");
  if (x.format == FORMAT_I64)
    return format == FORMAT_I64
               ? x.value
               : LLVMBuildTrunc(builder, clamp(frame, x.value, format), type,
                                "number");
  if (format == FORMAT_I64)
    return LLVMBuildSExt(builder, x.value, type, "number");
  return clamp(frame, x.value, format);
}

static LLVMValueRef integer_to_real(const Frame *frame, MapValue x) {
  LLVMBuilderRef builder = frame_builder(frame);
  LLVMTypeRef type =
      emit_vector_type(frame_emit(frame)->f32, frame->point->lanes);
  if (x.format == FORMAT_BOOL)
    return LLVMBuildUIToFP(builder, x.value, type, "number");
  return LLVMBuildSIToFP(builder, x.value, type, "number");
}

/* Changes the kind of number; a real operand is unscaled first. */
static MapValue map_convert(const Frame *frame) {
  Format format = frame->node->type->format;
  MapValue x = operand(frame, 0);
  bool from_real = format_is_float(x.format);
  if (format_is_float(format))
    return real_value(from_real ? real_operand(frame, 0)
                                : integer_to_real(frame, x));
  return (MapValue){format,
                    from_real
                        ? real_to_integer(frame, real_operand(frame, 0), format)
                        : integer_to_integer(frame, x, format),
                    NULL};
}

/* ---- the table ----------------------------------------------------------- */

static MapRule *const map_rule[OP_COUNT] = {
    [OP_CONVERT] = map_convert,
    [OP_CAST] = map_cast,
    [OP_SPLAT] = map_splat_op,
    [OP_NEG] = map_neg,
    [OP_ADD] = map_add,
    [OP_SUB] = map_sub,
    [OP_MUL] = map_mul,
    [OP_DIV] = map_div,
    [OP_RELU] = map_relu,
    [OP_RELU_GRAD] = map_relu_grad,
    [OP_POSITIVE] = map_positive,
    [OP_SQRT] = map_sqrt,
    [OP_EXP] = map_exp,
    [OP_LOG] = map_log,
    [OP_EQ] = map_eq,
    [OP_REBALANCE] = map_rebalance,
    [OP_STORE] = map_store,
};

/* Scalar operations of one element, roughly. */
static int64_t op_cost(const Node *node) {
  bool rounds = node->op == OP_CAST || node->op == OP_STORE;
  if (rounds && node->attr.round == ROUND_STOCHASTIC)
    return 60;
  switch (node->op) {
  case OP_EXP:
  case OP_LOG:
    return 20;
  case OP_CAST:
  case OP_DIV:
  case OP_SQRT:
    return 6;
  default:
    return 2;
  }
}

int64_t map_cost(const KernelCode *code) {
  int64_t cost = 1;
  for (ValueId id = code->first; id <= code->last; id++)
    if (kernel_has(code, id) &&
        op_lowering(graph_node(code->graph, id)->op) == LOWER_map)
      cost += op_cost(graph_node(code->graph, id));
  return cost;
}

/* ---- preparation --------------------------------------------------------- */

int64_t map_elements(const KernelCode *code) {
  int64_t most = 1;
  for (ValueId id = code->first; id <= code->last; id++) {
    const Type *type = graph_node(code->graph, id)->type;
    if (kernel_has(code, id) && type->elements > most)
      most = type->elements;
  }
  return most;
}

/* Addresses of operands in memory; operands of one element are loaded here,
 * once for all points. */
static void prepare_operand(Map *map, MapMember *member, ValueId id, int k) {
  Emit *emit = map->emit;
  const Graph *graph = map->code->graph;
  ValueId value = kernel_operand(map->code, id, k);
  if (kernel_has(map->code, value) || graph_node(graph, value)->op == OP_CONST)
    return;
  member->address[k] = kernel_pointer(emit, map->code, value);
  const Type *type = graph_node(graph, graph_node(graph, id)->input[k])->type;
  if (type->elements != 1)
    return;
  LLVMBasicBlockRef saved = emit_enter_entry(emit);
  member->scalar[k] =
      access_load_scalar(emit, type->format, member->address[k]);
  emit_leave_entry(emit, saved);
}

static void prepare_member(Map *map, ValueId id) {
  Emit *emit = map->emit;
  const KernelCode *code = map->code;
  const Node *node = graph_node(code->graph, id);
  MapMember *member = &map->member[id - code->first];
  bool elementwise = op_lowering(node->op) == LOWER_map;
  for (int k = 0; elementwise && k < node_inputs(node); k++) {
    prepare_operand(map, member, id, k);
    member->shift[k].present =
        kernel_shift(emit, code, id, k, &member->shift[k].factors);
  }
  MapShift *result = &member->shift[MAX_INPUTS];
  result->present = kernel_shift(emit, code, id, -1, &result->factors);
  const KernelArgument *key = kernel_find_argument(code, ARGUMENT_KEY, id, -1);
  for (int i = 0; key && i < 2; i++)
    member->key[i] = kernel_argument(emit, code, key->index + i);
  if (kernel_writes(code, id))
    member->result = kernel_pointer(emit, code, id);
}

Map *map_begin(Emit *emit, const KernelCode *code) {
  Map *map = NEW(emit->arena, Map);
  uint32_t count = code->last - code->first + 1;
  map->emit = emit;
  map->code = code;
  map->elements = map_elements(code);
  map->member = NEW_ARRAY(emit->arena, MapMember, count);
  map->value = NEW_ARRAY(emit->arena, MapValue, count);
  for (ValueId id = code->first; id <= code->last; id++)
    if (kernel_has(code, id))
      prepare_member(map, id);
  return map;
}

/* ---- one point ----------------------------------------------------------- */

/* The format in which a member's value leaves its op. */
static Format member_format(const Frame *frame) {
  if (frame->node->op != OP_STORE)
    return frame->node->type->format;
  int index = frame->node->attr.index;
  return frame_emit(frame)->program->param.data[index].type->format;
}

/* The rounding of cast and store; nothing for f32 and integers. */
static MapValue round_value(const Frame *frame, MapValue x) {
  Emit *emit = frame_emit(frame);
  const MapMember *member =
      &frame->map->member[frame->id - frame->map->code->first];
  Format format = member_format(frame);
  const Attributes *attr = &frame->node->attr;
  unsigned lanes = frame->point->lanes;
  if (format == FORMAT_F32 || !format_is_float(format))
    return x;
  LLVMValueRef code;
  if (attr->round == ROUND_STOCHASTIC) {
    LLVMValueRef random = emit_random(emit, member->key[0], member->key[1],
                                      point_flat(emit, frame->point), lanes);
    code = emit_encode_stochastic(emit, format, x.value, random, lanes,
                                  attr->overflow);
  } else if (attr->round == ROUND_DOWN) {
    code = emit_encode_down(emit, format, x.value, lanes, attr->overflow);
  } else {
    code = emit_encode(emit, format, x.value, lanes, attr->overflow);
  }
  if (attr->flush)
    code = emit_flush(emit, format, code, lanes);
  return (MapValue){format, NULL, code};
}

/* Shift, then rounding. */
static MapValue finish(const Frame *frame, MapValue x) {
  Map *map = frame->map;
  const MapShift *shift =
      &map->member[frame->id - map->code->first].shift[MAX_INPUTS];
  unsigned lanes = frame->point->lanes;
  if (shift->present && format_is_float(x.format))
    x = real_value(emit_scale2(map->emit, map_f32(map->emit, &x, lanes),
                               shift->factors, lanes));
  Op op = frame->node->op;
  return op == OP_CAST || op == OP_STORE ? round_value(frame, x) : x;
}

/* Could the evaluator disagree, or memory be wrong? */
static const char *member_fault(const Frame *frame, MapValue x) {
  int64_t elements = frame->node->type->elements;
  bool writes = kernel_writes(frame->map->code, frame->id);
  if (x.format != member_format(frame))
    return "only cast and store round below f32";
  if (elements != frame->map->elements && (elements != 1 || writes))
    return "its shape is not that of its kernel";
  return NULL;
}

/* Stores a member's value at element `flat` of its result. */
static void write_member(const Map *map, ValueId id, const Point *point,
                         LLVMValueRef flat) {
  Emit *emit = map->emit;
  const MapMember *member = &map->member[id - map->code->first];
  MapValue x = map->value[id - map->code->first];
  LLVMTypeRef element =
      x.format == FORMAT_F32 ? emit->f32 : emit_code_type(emit, x.format);
  LLVMValueRef data = x.codes;
  if (x.format == FORMAT_F32)
    data = x.value;
  else if (!format_is_float(x.format))
    data = integer_narrow(emit, x.format, x.value, point->lanes);
  LLVMValueRef address =
      emit_address(emit, member->result, flat, (int64_t)format_bytes(x.format));
  emit_store(emit, data, element, address, point->lanes, point->mask);
}

/* Computes one member; the contraction's value is given. */
static bool emit_member(Frame *frame, LLVMValueRef accumulator) {
  Map *map = frame->map;
  const Graph *graph = map->code->graph;
  MapRule *rule = map_rule[frame->node->op];
  bool contraction = op_lowering(frame->node->op) == LOWER_contract;
  if (!rule && !contraction) {
    kernel_refuse(map->emit, graph, frame->id, "it has no elementwise form");
    return false;
  }
  MapValue x =
      finish(frame, contraction ? real_value(accumulator) : rule(frame));
  const char *fault = member_fault(frame, x);
  if (fault)
    kernel_refuse(map->emit, graph, frame->id, fault);
  map->value[frame->id - map->code->first] = x;
  return !fault;
}

bool map_emit(Map *map, const Point *point, LLVMValueRef accumulator) {
  const KernelCode *code = map->code;
  for (ValueId id = code->first; id <= code->last; id++) {
    Frame frame = {map, point, id, graph_node(code->graph, id)};
    if (kernel_has(code, id) && !emit_member(&frame, accumulator))
      return false;
  }
  LLVMValueRef flat = point_flat(map->emit, point);
  for (ValueId id = code->first; id <= code->last; id++)
    if (kernel_has(code, id) && kernel_writes(code, id))
      write_member(map, id, point, flat);
  return true;
}
