/* Ops over rows: argmax, and softmax cross-entropy with its gradient.
 *
 * In: operands in memory. Out: one stage, a unit per row. The operations and
 * their order are those of ir/eval_softmax.c and ir/eval_reduce.c: the largest
 * logit, exp of the differences, their sum in 16 lanes. A row is walked with
 * vectors of 16 whatever the target has, which gives the sum its lanes.
 */
#include "compiler/llvm/sum.h"

/* ---- argmax -------------------------------------------------------------- */

typedef struct {
  Emit *emit;
  LLVMValueRef best, where; /* slots: the largest so far, and its number */
} Search;

static LLVMValueRef is_nan(Emit *emit, LLVMValueRef x) {
  return LLVMBuildFCmp(emit->builder, LLVMRealUNO, x, x, "nan");
}

/* The first largest; the first NaN is larger than any number. */
static void search_step(const Search *search, LLVMValueRef x,
                        LLVMValueRef index) {
  Emit *emit = search->emit;
  LLVMBuilderRef builder = emit->builder;
  LLVMValueRef best = LLVMBuildLoad2(builder, emit->f32, search->best, "best");
  LLVMValueRef where =
      LLVMBuildLoad2(builder, emit->i32, search->where, "where");
  LLVMValueRef larger = LLVMBuildFCmp(builder, LLVMRealUGT, x, best, "larger");
  LLVMValueRef taken = LLVMBuildAnd(
      builder, larger, LLVMBuildNot(builder, is_nan(emit, best), "number"),
      "taken");
  LLVMValueRef number = LLVMBuildTrunc(builder, index, emit->i32, "number");
  LLVMBuildStore(builder, LLVMBuildSelect(builder, taken, x, best, "best"),
                 search->best);
  LLVMBuildStore(builder,
                 LLVMBuildSelect(builder, taken, number, where, "where"),
                 search->where);
}

/* Result `result` of an operand of `type` searched along an axis: an outer
 * block per index before the axis. */
static LLVMValueRef argmax_base(Emit *emit, LLVMValueRef result, int64_t n,
                                int64_t inner) {
  LLVMValueRef size = emit_i64(emit, inner);
  LLVMValueRef outer = LLVMBuildUDiv(emit->builder, result, size, "outer");
  LLVMValueRef rest = LLVMBuildURem(emit->builder, result, size, "rest");
  return emit_add(emit, emit_mul(emit, outer, inner * n), rest);
}

/* Leaves the number of the first largest in search->where. */
static void argmax_row(Emit *emit, const Type *type, int64_t inner, int64_t n,
                       LLVMValueRef row, const Search *search) {
  int64_t bytes = (int64_t)format_bytes(type->format);
  LLVMValueRef first = emit_load_f32(emit, type->format, row, 1, NULL);
  LLVMBuildStore(emit->builder, first, search->best);
  LLVMBuildStore(emit->builder, emit_i32(emit, 0), search->where);
  Loop loop = emit_loop_begin(emit, emit_i64(emit, 1), emit_i64(emit, n),
                              emit_i64(emit, 1), "search");
  LLVMValueRef address =
      emit_address(emit, row, emit_mul(emit, loop.index, inner), bytes);
  search_step(search, emit_load_f32(emit, type->format, address, 1, NULL),
              loop.index);
  emit_loop_end(emit, &loop);
}

static bool lower_argmax(Emit *emit, KernelCode *code, ValueId id) {
  const Node *node = graph_node(code->graph, id);
  const Type *type = graph_node(code->graph, node->input[0])->type;
  int64_t n = type->dim[node->attr.axis], inner = 1;
  for (int i = node->attr.axis + 1; i < type->rank; i++)
    inner *= type->dim[i];
  StageBody body = kernel_stage_begin(emit, code, node->type->elements,
                                      4 * type->elements, 0);
  LLVMValueRef in = kernel_pointer(emit, code, node->input[0]);
  LLVMValueRef out = kernel_pointer(emit, code, id);
  Search search = {emit, emit_slot(emit, emit->f32, 1, "best"),
                   emit_slot(emit, emit->i32, 1, "where")};
  Loop loop =
      emit_loop_begin(emit, body.begin, body.end, emit_i64(emit, 1), "row");
  LLVMValueRef row =
      emit_address(emit, in, argmax_base(emit, loop.index, n, inner),
                   (int64_t)format_bytes(type->format));
  argmax_row(emit, type, inner, n, row, &search);
  LLVMValueRef where =
      LLVMBuildLoad2(emit->builder, emit->i32, search.where, "where");
  emit_store(emit, where, emit->i32, emit_address(emit, out, loop.index, 4), 1,
             NULL);
  emit_loop_end(emit, &loop);
  kernel_stage_end(emit, code);
  return true;
}

/* ---- softmax cross-entropy ----------------------------------------------- */

/* One row of logits. */
typedef struct {
  Emit *emit;
  const KernelCode *code;
  ValueId id;
  Format format;
  int64_t n;                 /* classes */
  LLVMValueRef row, label;   /* address; i64 */
  LLVMValueRef largest;      /* scalar, once known */
  LLVMValueRef exponentials; /* n floats for the gradient, or NULL */
  LLVMValueRef partial;      /* for sum_list */
} Row;

/* Logits, unscaled; masked ones are zero times a power of two. */
static LLVMValueRef logits(const Row *row, LLVMValueRef index, unsigned lanes,
                           LLVMValueRef mask) {
  LLVMValueRef address = emit_address(row->emit, row->row, index,
                                      (int64_t)format_bytes(row->format));
  LLVMValueRef x = emit_load_f32(row->emit, row->format, address, lanes, mask);
  return kernel_shifted(row->emit, row->code, row->id, 0, x, lanes);
}

/* Calls `body` for every 16 elements of the row, the last under a mask. */
typedef void RowBody(Row *row, void *user, LLVMValueRef index,
                     LLVMValueRef mask);

static void row_walk(Row *row, RowBody *body, void *user) {
  Emit *emit = row->emit;
  int64_t left = row->n % SUM_LANES, full = row->n - left;
  if (full > 0) {
    Loop loop = emit_loop_begin(emit, emit_i64(emit, 0), emit_i64(emit, full),
                                emit_i64(emit, SUM_LANES), "classes");
    body(row, user, loop.index, NULL);
    emit_loop_end(emit, &loop);
  }
  if (left > 0)
    body(row, user, emit_i64(emit, full),
         emit_mask(emit, emit_i64(emit, left), SUM_LANES));
}

/* x > than ? x : than, lane by lane: a NaN in x is passed over. */
static LLVMValueRef larger(Emit *emit, LLVMValueRef x, LLVMValueRef than) {
  LLVMValueRef is =
      LLVMBuildFCmp(emit->builder, LLVMRealOGT, x, than, "larger");
  return LLVMBuildSelect(emit->builder, is, x, than, "largest");
}

static void largest_body(Row *row, void *user, LLVMValueRef index,
                         LLVMValueRef mask) {
  Emit *emit = row->emit;
  LLVMTypeRef type = LLVMVectorType(emit->f32, SUM_LANES);
  LLVMValueRef so_far = LLVMBuildLoad2(emit->builder, type, user, "so_far");
  LLVMValueRef x = logits(row, index, SUM_LANES, mask);
  if (mask)
    x = LLVMBuildSelect(emit->builder, mask, x, so_far, "active");
  LLVMBuildStore(emit->builder, larger(emit, x, so_far), user);
}

static LLVMValueRef half(Emit *emit, LLVMValueRef vector, unsigned begin,
                         unsigned count) {
  LLVMValueRef numbers[SUM_LANES];
  for (unsigned i = 0; i < count; i++)
    numbers[i] = emit_i32(emit, (int32_t)(begin + i));
  return LLVMBuildShuffleVector(emit->builder, vector,
                                LLVMGetPoison(LLVMTypeOf(vector)),
                                LLVMConstVector(numbers, count), "half");
}

/* The largest logit. Every lane starts from the first, so a NaN there stays
 * and others are passed over, as in ascending order. */
static LLVMValueRef row_largest(Row *row, LLVMValueRef slot) {
  Emit *emit = row->emit;
  LLVMTypeRef type = LLVMVectorType(emit->f32, SUM_LANES);
  LLVMValueRef first = logits(row, emit_i64(emit, 0), 1, NULL);
  LLVMBuildStore(emit->builder, emit_splat(emit, first, SUM_LANES), slot);
  row_walk(row, largest_body, slot);
  LLVMValueRef all = LLVMBuildLoad2(emit->builder, type, slot, "all");
  for (unsigned count = SUM_LANES / 2; count > 0; count /= 2)
    all =
        larger(emit, half(emit, all, count, count), half(emit, all, 0, count));
  return LLVMBuildExtractElement(emit->builder, all, emit_i64(emit, 0),
                                 "largest");
}

static LLVMValueRef less_largest(const Row *row, LLVMValueRef x,
                                 unsigned lanes) {
  LLVMValueRef largest = emit_splat(row->emit, row->largest, lanes);
  return LLVMBuildFSub(row->emit->builder, x, largest, "less");
}

/* The summands of a row's sum, kept for the gradient. */
static LLVMValueRef load_exponential(Emit *emit, void *user, LLVMValueRef index,
                                     LLVMValueRef mask) {
  Row *row = user;
  LLVMValueRef x = logits(row, index, SUM_LANES, mask);
  LLVMValueRef e = emit_exp(emit, less_largest(row, x, SUM_LANES), SUM_LANES);
  if (mask)
    e = LLVMBuildSelect(emit->builder, mask, e, LLVMConstNull(LLVMTypeOf(e)),
                        "active");
  if (row->exponentials)
    emit_store(emit, e, emit->f32,
               emit_address(emit, row->exponentials, index, 4), SUM_LANES,
               NULL);
  return e;
}

/* log(sum) - (x[label] - largest) */
static LLVMValueRef row_loss(const Row *row, LLVMValueRef sum) {
  LLVMValueRef x = logits(row, row->label, 1, NULL);
  return LLVMBuildFSub(row->emit->builder, emit_log(row->emit, sum, 1),
                       less_largest(row, x, 1), "loss");
}

/* What the gradient of a row needs beside its exponentials. */
typedef struct {
  LLVMValueRef sum, dy, out;
} Gradient;

/* (e / sum - [i = label]) * dy */
static void gradient_body(Row *row, void *user, LLVMValueRef index,
                          LLVMValueRef mask) {
  const Gradient *gradient = user;
  Emit *emit = row->emit;
  LLVMBuilderRef builder = emit->builder;
  unsigned lanes = SUM_LANES;
  LLVMValueRef e =
      emit_load(emit, emit->f32,
                emit_address(emit, row->exponentials, index, 4), lanes, NULL);
  LLVMValueRef numbers =
      LLVMBuildAdd(builder, emit_lane_numbers(emit, emit->i64, lanes),
                   emit_splat(emit, index, lanes), "numbers");
  LLVMValueRef hot = LLVMBuildICmp(builder, LLVMIntEQ, numbers,
                                   emit_splat(emit, row->label, lanes), "hot");
  LLVMValueRef one =
      LLVMBuildSelect(builder, hot, emit_f32_splat(emit, 1, lanes),
                      emit_f32_splat(emit, 0, lanes), "one");
  LLVMValueRef p =
      LLVMBuildFDiv(builder, e, emit_splat(emit, gradient->sum, lanes), "p");
  LLVMValueRef d = LLVMBuildFMul(builder, LLVMBuildFSub(builder, p, one, "d"),
                                 emit_splat(emit, gradient->dy, lanes), "d");
  emit_store(emit, kernel_shifted(emit, row->code, row->id, -1, d, lanes),
             emit->f32, emit_address(emit, gradient->out, index, 4), lanes,
             mask);
}

/* The label of a row as an index that stays inside the row, come what may:
 * labels from inputs have been checked by the runtime. */
static LLVMValueRef row_label(const Row *row, Format format,
                              LLVMValueRef labels, LLVMValueRef number) {
  Emit *emit = row->emit;
  LLVMTypeRef type = emit_code_type(emit, format);
  LLVMValueRef address =
      emit_address(emit, labels, number, (int64_t)format_bytes(format));
  LLVMValueRef code = emit_load(emit, type, address, 1, NULL);
  bool is_signed = format_info(format)->kind == KIND_INT;
  LLVMValueRef label =
      is_signed ? LLVMBuildSExt(emit->builder, code, emit->i64, "label")
                : LLVMBuildZExt(emit->builder, code, emit->i64, "label");
  LLVMValueRef pair[] = {label, emit_i64(emit, row->n - 1)};
  return emit_intrinsic(emit, "llvm.umin", emit->i64, pair, 2);
}

/* Per thread: the exponentials of a row in whole vectors, then partial sums. */
static int64_t exponential_bytes(int64_t n) {
  return (n + SUM_LANES - 1) / SUM_LANES * SUM_LANES * 4;
}

/* The loss of a row, or its gradient. */
static void emit_result(Row *row, LLVMValueRef number, LLVMValueRef sum) {
  Emit *emit = row->emit;
  const Node *node = graph_node(row->code->graph, row->id);
  LLVMValueRef out = kernel_pointer(emit, row->code, row->id);
  if (node->op == OP_SOFTMAX_XENT) {
    LLVMValueRef loss = row_loss(row, sum);
    loss = kernel_shifted(emit, row->code, row->id, -1, loss, 1);
    emit_store(emit, loss, emit->f32, emit_address(emit, out, number, 4), 1,
               NULL);
    return;
  }
  Format format = graph_node(row->code->graph, node->input[2])->type->format;
  LLVMValueRef dy = kernel_pointer(emit, row->code, node->input[2]);
  Gradient gradient = {
      sum,
      emit_load_f32(
          emit, format,
          emit_address(emit, dy, number, (int64_t)format_bytes(format)), 1,
          NULL),
      emit_address(emit, out, emit_mul(emit, number, row->n), 4)};
  row_walk(row, gradient_body, &gradient);
}

static bool lower_softmax(Emit *emit, KernelCode *code, ValueId id) {
  const Node *node = graph_node(code->graph, id);
  const Type *type = graph_node(code->graph, node->input[0])->type;
  const Type *labels = graph_node(code->graph, node->input[1])->type;
  Row row = {.emit = emit, .code = code, .id = id, .format = type->format};
  row.n = type->dim[type->rank - 1];
  int64_t exponentials =
      node->op == OP_SOFTMAX_XENT ? 0 : exponential_bytes(row.n);
  StageBody body =
      kernel_stage_begin(emit, code, labels->elements, 30 * type->elements,
                         exponentials + 4 * sum_list_partials(row.n));
  LLVMValueRef in = kernel_pointer(emit, code, node->input[0]);
  LLVMValueRef label = kernel_pointer(emit, code, node->input[1]);
  LLVMValueRef slot =
      emit_slot(emit, LLVMVectorType(emit->f32, SUM_LANES), 1, "largest");
  if (exponentials > 0)
    row.exponentials = body.scratch;
  row.partial =
      emit_address(emit, body.scratch, emit_i64(emit, exponentials), 1);
  Loop loop =
      emit_loop_begin(emit, body.begin, body.end, emit_i64(emit, 1), "row");
  row.row = emit_address(emit, in, emit_mul(emit, loop.index, row.n),
                         (int64_t)format_bytes(row.format));
  row.label = row_label(&row, labels->format, label, loop.index);
  row.largest = row_largest(&row, slot);
  List list = {load_exponential, &row, combine_sum, row.n};
  emit_result(&row, loop.index, sum_list(emit, &list, row.partial));
  emit_loop_end(emit, &loop);
  kernel_stage_end(emit, code);
  return true;
}

bool lower_row(Emit *emit, KernelCode *code) {
  ValueId id = code->first;
  while (!kernel_has(code, id))
    id++;
  const Node *node = graph_node(code->graph, id);
  if (node->op == OP_ARGMAX)
    return lower_argmax(emit, code, id);
  if (node->attr.smooth != 0 ||
      node->attr.ignore != attributes_neutral().ignore) {
    kernel_refuse(emit, code->graph, id,
                  "native code for `smooth` and `ignore` is not part of this "
                  "version; `sgc exec` runs it");
    return false;
  }
  if (node->type->format == FORMAT_F32)
    return lower_softmax(emit, code, id);
  kernel_refuse(emit, code->graph, id, "only cast and store round below f32");
  return false;
}
