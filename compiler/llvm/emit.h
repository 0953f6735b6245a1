/* What the files of the back end share: the state of code generation and the
 * pieces that emit code.
 *
 * Who calls whom, from the program down:
 *
 *   backend.c   backend_write: target, module, passes, output
 *   step.c      one step function per entry; calls kernel_lower for each
 *               kernel and emits its sgrt_parallel calls
 *   kernel.c    operands and arguments of a kernel; equal kernels share code;
 *               finds the lowering of the kernel's form:
 *     fused.c      lower_fused     loops around map_begin and map_emit
 *     contract.c   lower_gemm      calls map_begin and map_emit for the
 *                                  elementwise ops behind the contraction
 *     reduce.c     lower_reduce, lower_norm
 *     row.c        lower_row
 *     permute.c    lower_permute
 *   map.c       map_begin, map_emit: elementwise ops, see below; their
 *               operands are found by access.c
 *   sum.c       sums in their one order, for reduce.c and row.c
 *   emit.c      types, constants, loops, loads and stores
 *   fp8.c       emit_decode, emit_encode: the vector forms of ir/codec.c
 *   vecmath.c   emit_fma, emit_exp, emit_log, emit_scale2, emit_random: the
 *               vector forms of ir/f32math.c and ir/rng.c
 *   manifest.c  the constant sg_program
 *   target.c, object.c, link.c
 *
 * Conventions. `lanes` is the number of elements of a vector; with one lane
 * the type is the plain scalar, never <1 x T>. A float of any format is held
 * in registers as f32; its storage ("codes") is an integer of the format's
 * width, f32 included. Vectors never cross a function boundary. No
 * instruction carries a fast-math flag.
 */
#ifndef SG_LLVM_EMIT_H
#define SG_LLVM_EMIT_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "compiler/llvm/backend.h"
#include "ir/ir.h"

/* ---- target facts (target.c) --------------------------------------------- */

/* What the chosen CPU offers to generated code. Code uses nothing beyond the
 * named instruction-set level and these. */
typedef struct {
  const char *name;     /* as the user knows it: "znver4", "x86-64-v3" */
  const char *cpu;      /* "target-cpu": x86-64, -v2, -v3 or -v4 */
  const char *tune;     /* "tune-cpu" */
  const char *features; /* "target-features": "+avx512vbmi", or "" */
  const char *needed;   /* for SgProgram.features */
  unsigned lanes;       /* f32 elements of one register: 16, 8 or 4 */
  unsigned registers;   /* vector registers: 32 or 16 */
  bool fma;             /* llvm.fma is one instruction */
  bool f16c;            /* so are conversions between f16 and f32 */
  bool avx512;          /* F, BW, VL, DQ, CD */
  bool vbmi;            /* AVX512-VBMI: byte permutations */
} Target;

/* Chooses a target for `march` (NULL: native); false after a diagnostic. */
bool target_choose(Target *target, const char *march, Arena *arena,
                   Diagnostics *diagnostics);
/* A machine that emits plain x86-64 but for what functions ask for by their
 * attributes; NULL after a diagnostic. The caller disposes of it. */
LLVMTargetMachineRef target_machine(int optimization, Diagnostics *diagnostics);

/* ---- state --------------------------------------------------------------- */

typedef struct {
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef builder;
  LLVMTypeRef i1, i8, i16, i32, i64, f32, f64, pointer, none;
  Target target;
  bool strict; /* the same bits on every target */
  int optimization;
  const Program *program;
  Arena *arena; /* lives as long as the code generation */
  Diagnostics *diagnostics;
  struct KernelTable *kernels;
  /* The function being emitted. Allocas and what every iteration shares go
   * to `entry`, which ends in a branch to the body at function_end. */
  LLVMValueRef function;
  LLVMBasicBlockRef entry;
} Emit;

/* ---- types and constants (emit.c) ---------------------------------------- */

LLVMTypeRef emit_vector_type(LLVMTypeRef element, unsigned lanes);
/* The integer type of the codes of a format: i8 for e4m3, i32 for f32. */
LLVMTypeRef emit_code_type(Emit *emit, Format format);
LLVMValueRef emit_i64(Emit *emit, int64_t value);
LLVMValueRef emit_i32(Emit *emit, int32_t value);
LLVMValueRef emit_f32(Emit *emit, float value); /* bits exactly */
/* `scalar` in every lane; scalar itself for one lane. */
LLVMValueRef emit_splat(Emit *emit, LLVMValueRef scalar, unsigned lanes);
LLVMValueRef emit_f32_splat(Emit *emit, float value, unsigned lanes);
LLVMValueRef emit_i32_splat(Emit *emit, uint32_t value, unsigned lanes);
/* <0, 1, ..., lanes - 1> of an integer type. */
LLVMValueRef emit_lane_numbers(Emit *emit, LLVMTypeRef element, unsigned lanes);
/* The intrinsic `name` overloaded on `type` (NULL: not overloaded), called. */
LLVMValueRef emit_intrinsic(Emit *emit, const char *name, LLVMTypeRef type,
                            LLVMValueRef *arguments, unsigned count);
LLVMValueRef emit_min_i64(Emit *emit, LLVMValueRef a, LLVMValueRef b);
/* Sum, product with constant folding of 0 and 1, for index arithmetic. */
LLVMValueRef emit_add(Emit *emit, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_mul(Emit *emit, LLVMValueRef a, int64_t factor);

/* ---- functions, control flow, memory (emit.c) ---------------------------- */

/* Adds the attributes of the target; every function that is defined gets
 * them. */
void emit_function_attributes(Emit *emit, LLVMValueRef function);
/* Begins the body of emit->function after creating `entry`. */
void emit_function_begin(Emit *emit, LLVMValueRef function);
/* Returns void and closes the entry block. */
void emit_function_end(Emit *emit);
/* A stack slot in the entry block: `count` elements of `type`. */
LLVMValueRef emit_slot(Emit *emit, LLVMTypeRef type, unsigned count,
                       const char *name);
/* Moves the builder to the end of the entry block, and back. What is emitted
 * between is computed once per call. */
LLVMBasicBlockRef emit_enter_entry(Emit *emit);
void emit_leave_entry(Emit *emit, LLVMBasicBlockRef saved);

/* for (index = from; index < to; index += step) { ... } over i64; the body is
 * what is emitted between begin and end. `step` is an LLVM constant or value.
 * The body may have blocks of its own. */
typedef struct {
  LLVMValueRef index;
  LLVMValueRef step;
  LLVMBasicBlockRef head, exit;
} Loop;
Loop emit_loop_begin(Emit *emit, LLVMValueRef from, LLVMValueRef to,
                     LLVMValueRef step, const char *name);
void emit_loop_end(Emit *emit, Loop *loop);

/* if (condition) { ... } else { ... } */
typedef struct {
  LLVMBasicBlockRef otherwise, join;
} Branch;
Branch emit_if(Emit *emit, LLVMValueRef condition, const char *name);
void emit_else(Emit *emit, Branch *branch);
void emit_endif(Emit *emit, Branch *branch);

/* The address `base` + `index` elements of `bytes` each. */
LLVMValueRef emit_address(Emit *emit, LLVMValueRef base, LLVMValueRef index,
                          int64_t bytes);
/* Loads and stores of `lanes` neighbouring elements, aligned as one element.
 * With a mask (<lanes x i1>, NULL: all) inactive lanes touch no memory and
 * load as zero. One lane takes no mask. */
LLVMValueRef emit_load(Emit *emit, LLVMTypeRef element, LLVMValueRef address,
                       unsigned lanes, LLVMValueRef mask);
void emit_store(Emit *emit, LLVMValueRef value, LLVMTypeRef element,
                LLVMValueRef address, unsigned lanes, LLVMValueRef mask);
/* Loads base[index[l]] for each active lane; index is <lanes x i64>. */
LLVMValueRef emit_gather(Emit *emit, LLVMTypeRef element, LLVMValueRef base,
                         LLVMValueRef index, unsigned lanes, LLVMValueRef mask);
/* Loads and decodes: codes of `format` at `address` as f32. */
LLVMValueRef emit_load_f32(Emit *emit, Format format, LLVMValueRef address,
                           unsigned lanes, LLVMValueRef mask);
/* <lanes x i1>: lanes 0 .. count - 1, count an i64. */
LLVMValueRef emit_mask(Emit *emit, LLVMValueRef count, unsigned lanes);

/* ---- conversions (fp8.c) ------------------------------------------------- */

/* Formats f32, f16, bf16, e4m3, e5m2; decode also u8, u16, i32, i64 and bool
 * (any non-zero byte is 1), which convert by value. Codes are integers of
 * emit_code_type. Bit for bit as ir/codec.c. */

/* codes: <lanes x iN>; result: <lanes x float>. */
LLVMValueRef emit_decode(Emit *emit, Format format, LLVMValueRef codes,
                         unsigned lanes);
/* x: <lanes x float>; result: <lanes x iN>. */
LLVMValueRef emit_encode(Emit *emit, Format format, LLVMValueRef x,
                         unsigned lanes, Overflow overflow);
/* random: <lanes x i32>, as codec_encode_stochastic. */
LLVMValueRef emit_encode_stochastic(Emit *emit, Format format, LLVMValueRef x,
                                    LLVMValueRef random, unsigned lanes,
                                    Overflow overflow);
/* As codec_encode_down. */
LLVMValueRef emit_encode_down(Emit *emit, Format format, LLVMValueRef x,
                              unsigned lanes, Overflow overflow);
/* Codes whose values are below the smallest normal one become zeros of their
 * sign, as codec_flush has it. */
LLVMValueRef emit_flush(Emit *emit, Format format, LLVMValueRef given,
                        unsigned lanes);

/* ---- vector math (vecmath.c) --------------------------------------------- */

/* a * b + c rounded once: llvm.fma; in default mode on a target without FMA
 * llvm.fmuladd. */
LLVMValueRef emit_fma(Emit *emit, LLVMValueRef a, LLVMValueRef b,
                      LLVMValueRef c, unsigned lanes);
LLVMValueRef emit_exp(Emit *emit, LLVMValueRef x, unsigned lanes);
LLVMValueRef emit_log(Emit *emit, LLVMValueRef x, unsigned lanes);
/* The two factors of f32_scale2(., k) for a run-time i32 k, as scalars: made
 * once per kernel call. */
typedef struct {
  LLVMValueRef first, second; /* f32 */
} ShiftFactors;
ShiftFactors emit_shift_factors(Emit *emit, LLVMValueRef k);
/* x * first * second: two multiplications, in this order. */
LLVMValueRef emit_scale2(Emit *emit, LLVMValueRef x, ShiftFactors factors,
                         unsigned lanes);
/* rng_u32(key, first), rng_u32(key, first + 1), ...: <lanes x i32>. key0 and
 * key1 are i32, first is i64 of any alignment. */
LLVMValueRef emit_random(Emit *emit, LLVMValueRef key0, LLVMValueRef key1,
                         LLVMValueRef first, unsigned lanes);

/* ---- kernels (kernel.c) -------------------------------------------------- */

/* A kernel of Graph.kernel becomes one or more stages. A stage is a function
 * of type SgKernel (runtime/abi.h) and one sgrt_parallel call; the stages of a
 * kernel run one after the other and get the same pointers and arguments.
 * Pointers: the values the kernel reads from memory, the values and parameters
 * it writes, and last a shared work area if it asked for one. Arguments: the
 * shifts and random keys of its ops. Code depends on a kernel's structure
 * alone, never on offsets, parameter indices, exponents or names: equal
 * kernels share it. Pointers of one kernel may be equal (results in place of
 * operands, element by element). */

typedef struct {
  ValueId value; /* the value that owns the memory, or the STORE node */
  bool written;
} KernelPointer;

typedef enum { ARGUMENT_SHIFT, ARGUMENT_KEY } ArgumentKind;

typedef struct {
  ArgumentKind kind; /* a key takes two consecutive arguments */
  ValueId node;
  int operand; /* shift: of the result (-1) or of this operand */
  Shift shift;
  uint64_t name_hash; /* key */
  int index;          /* of its first 32-bit argument */
} KernelArgument;

enum { KERNEL_STAGES = 4 };

typedef struct {
  LLVMValueRef function;
  int64_t count;         /* units of the outermost loop */
  int64_t work;          /* scalar operations of the whole call */
  int64_t scratch_bytes; /* per thread */
} Stage;

typedef struct {
  const Graph *graph;
  uint32_t kernel; /* index into Graph.kernel */
  ValueId first, last;
  KernelForm form;
  VEC(KernelPointer) pointer;
  VEC(KernelArgument) argument;
  int argument_count; /* 32-bit words */
  Stage stage[KERNEL_STAGES];
  int stages;
  int64_t shared_bytes; /* of the work area that all threads share; 64-byte
                           aligned, contents undefined at the first stage */
} KernelCode;

/* Is node `id` a member of the kernel (not a leaf or a view)? */
bool kernel_has(const KernelCode *code, ValueId id);
/* The value whose memory `id` is: follows views. */
ValueId kernel_memory(const Graph *graph, ValueId id);
/* Does the kernel write `id` to memory? */
bool kernel_writes(const KernelCode *code, ValueId id);

/* Begins stage number code->stages: a new function, its body open. The fields
 * of the stage must not depend on anything outside the kernel's structure. */
typedef struct {
  LLVMValueRef begin, end; /* i64: the units to do */
  LLVMValueRef scratch;    /* ptr, 64-byte aligned */
} StageBody;
StageBody kernel_stage_begin(Emit *emit, KernelCode *code, int64_t count,
                             int64_t work, int64_t scratch_bytes);
void kernel_stage_end(Emit *emit, KernelCode *code);
/* Within a stage; all of these load in the entry block, once per call.
 * The address of operand or result `id` (views resolved), of the destination
 * of STORE `id`, or of the shared work area. */
LLVMValueRef kernel_pointer(Emit *emit, const KernelCode *code, ValueId id);
LLVMValueRef kernel_shared(Emit *emit, const KernelCode *code);
/* 32-bit argument `index`. */
LLVMValueRef kernel_argument(Emit *emit, const KernelCode *code, int index);
/* The factors of the shift of node `id`'s result (operand = -1) or operand.
 * False if that shift is zero at compile time: nothing to multiply. */
bool kernel_shift(Emit *emit, const KernelCode *code, ValueId id, int operand,
                  ShiftFactors *out);
/* x shifted likewise. */
LLVMValueRef kernel_shifted(Emit *emit, const KernelCode *code, ValueId id,
                            int operand, LLVMValueRef x, unsigned lanes);

/* The lowerings of the forms. Each adds its stages; false after a
 * diagnostic. */
typedef bool KernelLowering(Emit *emit, KernelCode *code);
KernelLowering lower_fused;   /* fused.c */
KernelLowering lower_gemm;    /* contract.c */
KernelLowering lower_reduce;  /* reduce.c: sum, mean */
KernelLowering lower_norm;    /* reduce.c: norm_exponent */
KernelLowering lower_row;     /* row.c */
KernelLowering lower_permute; /* permute.c */

/* The code of kernel `kernel`: pointers and arguments of this kernel, stages
 * of the first equal one. NULL after a diagnostic. */
const KernelCode *kernel_lower(Emit *emit, const Graph *graph, uint32_t kernel);
/* Error E0790: `node` has no lowering, for the reason given. */
void kernel_refuse(Emit *emit, const Graph *graph, ValueId id,
                   const char *reason);

/* ---- elementwise ops (map.c) --------------------------------------------- */

/* Emits every map member of a kernel (ops whose `lower` column says map, in
 * order) for `lanes` neighbouring elements, loads of operands and stores of
 * results included. lower_fused calls it from its own loops; lower_gemm calls
 * it for a row of a finished tile:
 *
 *   body = kernel_stage_begin(...);
 *   Map *map = map_begin(emit, code);
 *   ... for each row r and column c of a tile of C[M, N]:
 *   Point point = {.lanes = L, .axes = 2, .size = {M, N},
 *                  .index = {r, c}, .mask = NULL or <L x i1>};
 *   map_emit(map, &point, accumulator);
 *
 * The sizes multiply to the number of elements of the kernel's values and the
 * axes are in the order of memory; lanes go along the last axis and active
 * lanes stay inside it. Any factoring that says this is right ([batch, M, N],
 * or one flat axis); operands broadcast along a whole axis of the Point load
 * fastest. `accumulator` (<lanes x float>) is the contraction's sum BEFORE its
 * shift: map_emit shifts it, stores it if it is materialised, and goes on with
 * the ops behind it. In lower_fused it is NULL. */

enum { POINT_AXES = MAX_RANK };

typedef struct {
  unsigned lanes;
  int axes;
  int64_t size[POINT_AXES];
  LLVMValueRef index[POINT_AXES]; /* i64: of lane 0 */
  LLVMValueRef mask;              /* <lanes x i1>; NULL: all lanes active */
} Point;

typedef struct Map Map;
/* Prepares what all elements share (shift factors, rank-0 operands) in the
 * entry block of the current stage. Lives in emit->arena. */
Map *map_begin(Emit *emit, const KernelCode *code);
/* May be called any number of times in the stage, in any block. False after a
 * diagnostic. */
bool map_emit(Map *map, const Point *point, LLVMValueRef accumulator);
/* Scalar operations per element of the map members, for Stage.work. */
int64_t map_cost(const KernelCode *code);

/* ---- the module's other parts -------------------------------------------- */

/* step.c: the function of one entry; NULL after a diagnostic. *arena_bytes
 * gets the size of the arena, work areas included; exponent_slot[id] the slot
 * of exponent-defining node id. */
typedef struct {
  LLVMValueRef function;
  int64_t arena_bytes;
  int exponent_count;
  int *exponent_slot;
} StepCode;
bool step_lower(Emit *emit, const Graph *graph, StepCode *out);
/* manifest.c: defines sg_program; steps has one element per graph. */
bool manifest_emit(Emit *emit, const char *source_name, const StepCode *steps);

/* object.c */
typedef struct {
  unsigned errors; /* counted by the diagnostic handler */
  char *first;     /* text of the first, or NULL */
} ContextErrors;
bool object_verify(Emit *emit);
bool object_optimize(Emit *emit, LLVMTargetMachineRef machine);
/* Appends the module as text, assembly or object code. */
bool object_bytes(Emit *emit, LLVMTargetMachineRef machine, OutputKind kind,
                  const ContextErrors *errors, Buffer *out);
void object_watch_errors(LLVMContextRef context, ContextErrors *errors);

/* link.c: runs the linker driver; its error text is diagnosed. */
bool link_executable(const BackendOptions *options, const char *object,
                     const char *path, Arena *arena, Diagnostics *diagnostics);

#endif
