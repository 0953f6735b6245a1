/* What a program is: types, values, graphs, recipes, programs.
 *
 * Every tensor value is `data * 2^exponent`. A graph is an array in dependency
 * order (each operand has a smaller id), so every walk is a `for` and side
 * tables are arrays. One graph per entry point holds forward, backward and
 * update, so that scale propagation sees the whole step.
 */
#ifndef SG_IR_IR_H
#define SG_IR_IR_H

#include "ir/base/base.h"
#include "ir/codec.h"
#include "ir/recipe.h"
#include "ir/type.h"

/* ---- levels -------------------------------------------------------------- */

/* The four levels a graph goes through; each prints and reads back. */
typedef enum {
  LEVEL_PLAIN,     /* real[..]: no exponents, no formats                    */
  LEVEL_SCALED,    /* real[..] * 2^e                                        */
  LEVEL_FORMATTED, /* bf16[..] * 2^e, operands read `as e4m3`               */
  LEVEL_FINAL      /* casts explicit, ops grouped into kernels              */
} Level;

const char *level_name(Level level);
bool level_named(const char *text, Level *out);

/* ---- scales (scale.c) ---------------------------------------------------- */

typedef uint32_t ValueId; /* index into Graph.node; 0 is no value */

/* NONE: the value carries no scale (level plain, scale = none, integers).
 * ZERO and ANY are statically known contents that adopt any exponent:
 * all-zero, and only 0, +-infinity or NaN. */
typedef enum { SCALE_NONE, SCALE_NORMAL, SCALE_ZERO, SCALE_ANY } ScaleKind;

/* value = data * 2^(symbol + exponent). The direction is always "multiply to
 * get the value". `symbol` is the id of an exponent-defining node, or 0. */
typedef struct {
  ScaleKind kind;
  ValueId symbol;
  int32_t exponent;
  const Granularity *granularity; /* NULL: one exponent for the tensor */
} Scale;

/* One for the whole tensor. */
static inline Scale scale_make(ScaleKind kind, ValueId symbol,
                               int32_t exponent) {
  return (Scale){kind, symbol, exponent, NULL};
}
static inline Scale scale_none(void) {
  return scale_make(SCALE_NONE, 0, 0);
}
static inline Scale scale_static(int32_t exponent) {
  return scale_make(SCALE_NORMAL, 0, exponent);
}
bool scale_equal(Scale a, Scale b);
/* Exponents at which a static clamp applies: [-126, 126]. */
enum { EXPONENT_MIN = -126, EXPONENT_MAX = 126 };
/* The power of two that stands for |value|, clamped: for the DOWN of m * 2^e
 * with 1 <= m < 2 it is 2^e, and 2^(e + 1) for UP unless m = 1, for NEAREST if
 * m > sqrt(2), and for STOCHASTIC if draw / 2^32 < log2 m. ZERO for 0, ANY for
 * infinities and NaN. In integers alone, subnormals included. */
Scale scale_of_number(double value, ScaleRounding rounding, uint32_t draw);
/* A level, log2 of such a number that is not there itself, as an exponent: its
 * floor, its ceiling, the nearest, or either, with the fraction as above. A
 * level within 2^-20 of a whole number is that: libraries that compute
 * logarithms do not agree about the last bits. Finite; not clamped. */
int32_t level_exponent(double level, ScaleRounding rounding, uint32_t draw);
/* In a history of exponents: nothing was measured in that step. */
enum { EXPONENT_NONE = EXPONENT_MIN - 1 };
/* The longest history. */
enum { EXPONENT_HISTORY = 4096 };

/* The static estimate beside an exponent (numerics.md 1.10): log2 of the
 * predicted root mean square of the *data*. -INFINITY: starts as all zero. */
typedef struct {
  double log2_rms;
  bool nonnegative; /* every element of the value is >= 0 */
  /* What the scale rule of the op multiplied what the operands give by, as text
   * ("r(784)") and as log2 of it; NULL: nothing, or no scalify has run. */
  const char *factor;
  double log2_factor;
} Estimate;

/* ---- ops ----------------------------------------------------------------- */

typedef enum {
#define OP(id, ...) OP_##id,
#include "ir/ops.def"
  OP_COUNT
} Op;

/* Which fields of Attributes an op uses: a union of ATTR(name). Bits, not
 * enumerators: those are of type int, which has too few of them. */
typedef uint64_t AttributeSet;
enum {
#define ATTRIBUTE(bit, ...) BIT_##bit,
#include "ir/attributes.def"
  PLAIN_COUNT,
  BIT_INDEX = PLAIN_COUNT,
  BIT_VALUE,
  BIT_PATTERN,
  BIT_MANY,  /* the op takes from `inputs` to MAX_INPUTS operands */
  BIT_SHIFT, /* derived from scales; printed, checked, not stored */
  BIT_BY,
  BIT_ROUND,
  BIT_OVERFLOW,
  BIT_TERMS,
  BIT_SUBNORMALS,
  BIT_WHY,
  BIT_REMAT, /* of any computed value, as AGAIN: the fields of Node */
  BIT_AGAIN,
  BIT_COUNT
};
#define ATTR(name) (UINT64_C(1) << BIT_##name)
#define ATTR_NONE UINT64_C(0)
_Static_assert(BIT_COUNT <= 64, "AttributeSet has a bit for each");

typedef enum {
  CLASS_none,
  CLASS_structural,
  CLASS_elementwise,
  CLASS_matmul,
  CLASS_conv,
  CLASS_gather,
  CLASS_reduce,
  CLASS_softmax,
  CLASS_norm,
  CLASS_loss
} OpClass;

typedef struct {
  const char *text;
  int inputs; /* the least number of operands, with ATTR(MANY) */
  AttributeSet attributes;
  OpClass class;
} OpInfo;

const OpInfo *op_info(Op op);
Op op_named(const char *text); /* OP_COUNT if there is none */
/* Identities that speak to autodiff alone: they act on the gradient, and
 * scalify takes them out. */
bool op_is_marker(Op op);
/* Draws random numbers, keyed by seed, step and the name of its value: never
 * merged, never renamed. */
bool op_is_random(Op op);

typedef enum { NORM_L1, NORM_L2, NORM_MAX, NORM_COUNT } Norm;
const char *norm_name(Norm norm);

/* What has an exponent measured: the program's own text; a rule for losses,
 * norms, the update or a name; the estimate, as the value is read in a format
 * whose range it is expected to leave; a product that reads an operand at an
 * exponent of its own; or a parameter or state that is stored at that of its
 * new value. */
typedef enum {
  WHY_TEXT,
  WHY_LOSS,
  WHY_NORM,
  WHY_UPDATE,
  WHY_RULE,
  WHY_RANGE,
  WHY_OPERAND,
  WHY_STORE,
  WHY_COUNT
} Why;
const char *why_name(Why why);

/* forward, backward and accumulate run once for each micro-batch of a step,
 * update once a step (RunSettings.accumulate). */
typedef enum {
  PHASE_FORWARD,
  PHASE_BACKWARD,
  PHASE_ACCUMULATE,
  PHASE_UPDATE,
  PHASE_COUNT
} Phase;
const char *phase_name(Phase phase);

/* One number for each axis of a window that moves over an image. */
enum { MAX_SPATIAL = 3 };
typedef struct {
  int32_t count, at[MAX_SPATIAL];
} WholeList;

/* A program has many nodes: members of the union that share a place belong to
 * no op together (attributes.c checks it) and are neutral with all bits 0. */
typedef struct {
  int32_t index;       /* PARAM, STORE: Program.param; INPUT: Graph.input, or
                          -1 for a placeholder (see Minimize) */
  Norm by;             /* RESCALE, NORM_EXPONENT */
  Why why;             /* RESCALE, NORM_EXPONENT */
  Rounding round;      /* CAST, STORE */
  Overflow overflow;   /* CAST, STORE */
  bool flush;          /* CAST, STORE: `subnormals = false` */
  double value;        /* CONST: the data, exactly; real or integer */
  const char *pattern; /* EINSUM, SUM, MEAN, TRANSPOSE, BROADCAST (interned) */
  union {
    struct {
      int64_t axis, start, size, low, high; /* attributes.def */
      double eps, smooth, probability;
    };
    struct {
      WholeList window, stride, pad, dilation;
    };
    Scale term[2]; /* MAX_EXPONENT */
  };
  int64_t groups, ignore, exponent, every, history;
  Format to, fit;
  bool descending, reverse, empty;
} Attributes;

/* The rows of attributes.def. */
typedef enum {
  PLAIN_whole,
  PLAIN_real,
  PLAIN_flag,
  PLAIN_list,
  PLAIN_format
} PlainKind;
typedef struct {
  const char *text;
  AttributeSet bit;
  PlainKind kind;
  size_t offset; /* of the field in Attributes */
  bool required;
} PlainAttribute;
const PlainAttribute *plain_attribute(int index); /* 0 .. PLAIN_COUNT - 1 */
Attributes attributes_neutral(void);
/* The three attributes that say how a cast or store rounds. */
void rounding_copy(Attributes *to, const Attributes *from);
/* To nearest, saturating, subnormals kept: what is not printed. */
bool rounding_is_plain(const Attributes *attr);
/* Same value? Numbers by their bits, so that 0 and -0 differ. */
bool plain_equal(const PlainAttribute *plain, const Attributes *a,
                 const Attributes *b);
/* The value as in .sgir: `3`, `1e-05`, `true`, `[2, 2]`. */
void plain_print(Buffer *out, const PlainAttribute *plain,
                 const Attributes *attributes);
/* All fields, terms and rounding included. */
bool attributes_equal(const Attributes *a, const Attributes *b);

/* ---- graphs (graph.c) ---------------------------------------------------- */

enum { MAX_INPUTS = 8 };

/* One value and the op that makes it. `name` is interned and has no sigil:
 * "net.l1.y'2"; it is NULL for CONST (printed inline) and STORE only. The type
 * of a node that defines an exponent is i32[]. */
typedef struct {
  Op op;
  Phase phase;
  const char *name;
  const Type *type;
  bool pinned; /* the source fixed the format: no recipe rule applies */
  bool probe;  /* the source wants to see it: kept, in memory of its own */
  /* Phase forward, until autodiff: the innermost region of values that the
   * backward pass computes again (remat.c), interned; NULL: none. */
  const char *remat;
  /* Phase backward: the value that this one computes again, by its name, which
   * is also the key of its random numbers; NULL: none. What a recipe says of
   * that value holds for this one. The name outlives the value. */
  const char *again;
  Scale scale;
  Estimate estimate;
  Attributes attr;
  ValueId input[MAX_INPUTS];
  /* Level formatted: the format in which a contraction reads each operand,
   * from the unrounded value (a Format); FORMAT_NONE: as stored. */
  uint8_t as[MAX_INPUTS];
  Span span;
  /* Level final: which kernel the op belongs to (index into Graph.kernel,
   * 0: none; leaves, views and exponent arithmetic have none). */
  uint32_t kernel;
} Node;

/* An input of an entry: where its values come from at run time. */
typedef enum {
  SOURCE_ARGUMENT, /* given by the caller */
  SOURCE_COLUMN,   /* a batch of column `column` of dataset `dataset` */
  SOURCE_STEP      /* the 1-based step number */
} InputSource;

typedef struct {
  const char *name; /* "batch.image" */
  InputSource source;
  int dataset, column; /* COLUMN; else -1 */
  ValueId value; /* its INPUT node */
  /* ARGUMENT: every element where the caller gives none; a finite number of
   * the input's format. */
  bool has_default;
  double default_value;
} Input;

typedef struct {
  const char *name; /* as reported: "loss" */
  ValueId value;
} Result;

/* The forms of generated code (codegen.md 1.2). */
typedef enum {
  KERNEL_NONE,
  KERNEL_FUSED,  /* one pass over one iteration space, elementwise */
  KERNEL_GEMM,   /* a contraction and the elementwise ops that follow it */
  KERNEL_REDUCE, /* one reduction */
  KERNEL_ROW,    /* one op over rows of the last axis */
  KERNEL_PERMUTE /* one transposition or broadcast */
} KernelForm;
const char *kernel_form_name(KernelForm form); /* "fused", "gemm", ... */
bool kernel_form_named(const char *text, KernelForm *out);
/* The form of a kernel that consists of one such op; NONE for leaves, views
 * (reshape) and max_exponent, which belong to no kernel. Text relies on it: a
 * kernel of one op with this form prints as that op alone. */
KernelForm op_kernel_form(Op op);

/* A group of consecutive nodes of one kernel; first and last are node ids.
 * Members are consecutive but for leaves and views among them. Once there are
 * kernels, every node with an op_kernel_form belongs to one. */
typedef struct {
  KernelForm form;
  ValueId first, last;
} Kernel;

/* Nodes first .. last as one kernel: its members with the views and leaves
 * among them. A value leaves a region if it is read after `last`. */
typedef struct {
  KernelForm form;
  ValueId first, last;
  uint32_t members; /* of the kernel: neither views nor leaves */
} Region;

/* Where a materialised value lives while a step runs (plan.c). */
typedef struct {
  bool materialized; /* false: exists in registers of its kernel only */
  bool arena;        /* false: an input, a parameter, a view's own base */
  int64_t offset, bytes;
  ValueId base; /* views: the value whose memory this is; else 0 */
  uint32_t first_use, last_use; /* kernel indices of its life */
} Placement;

enum { NODES_A_CHUNK = 64 };

typedef enum { ENTRY_PLAIN, ENTRY_TRAIN, ENTRY_EVAL } EntryKind;

/* Run settings with command-line twins (language.md 8). 0: not given. */
typedef struct {
  int64_t epochs, steps, log_every, save_every, seed;
  int64_t eval_every;
  const char *eval_entry; /* for eval_every */
  int64_t batch;          /* examples of the batch parameter */
  int64_t accumulate;     /* micro-batches a step; 0: one */
} RunSettings;

typedef struct {
  Arena *arena; /* owns the arrays below */
  EntryKind kind;
  const char *name;
  const char *recipe; /* name of the resolved recipe in Program.recipe */
  RunSettings run;
  Span span;
  VEC(Node *) chunk; /* the nodes, by NODES_A_CHUNK; they never move */
  uint32_t count;    /* ids are 1 .. count - 1; node 0 is all zero */
  VEC(Input) input;
  VEC(Result) result;
  /* What to minimise, until autodiff consumes it: see Minimize. */
  struct Minimize *minimize;
  VEC(Kernel) kernel;   /* level final; kernel[0] unused */
  Placement *placement; /* level final after plan; count entries, or NULL */
  int64_t arena_bytes;
} Graph;

/* `minimize loss over .. with optim.X(..)`: elaboration leaves the loss and,
 * for each parameter under `over`, a placeholder node for its gradient (op
 * INPUT, attr.index == -1, in no Graph.input, named as the gradient); the
 * optimizer's nodes (phase update) read it. autodiff replaces each placeholder
 * by the gradient it derives and leaves `minimize` NULL. `grad(loss, x)` leaves
 * the same; x may be an input too. Each further loss, of an entry that trains
 * nothing, is one more in the list. */
typedef struct Minimize {
  ValueId loss;
  size_t count;
  ValueId *parameter;   /* PARAM or INPUT nodes */
  ValueId *placeholder; /* same order */
  struct Minimize *next;
} Minimize;

Graph *graph_new(Arena *arena, EntryKind kind, const char *name);
/* Releases what a graph keeps on the heap: its nodes and its lists. A pass that
 * replaces a graph frees the old one. NULL is fine. */
void graph_free(Graph *graph);
/* Appends a copy of *node (inputs must exist); returns its id. */
ValueId graph_add(Graph *graph, const Node *node);
static inline Node *graph_node(const Graph *graph, ValueId id) {
  return &graph->chunk.data[id / NODES_A_CHUNK][id % NODES_A_CHUNK];
}
/* A node with op, phase, type, inputs set; everything else neutral. */
Node node_make(Op op, Phase phase, const Type *type, ValueId a, ValueId b,
               ValueId c);
/* The phase of a node to come that may stand at the end of the graph: that of
 * the last operation, whatever leaves follow it. */
Phase graph_phase(const Graph *graph);
/* How many operands it has: fixed by the op, but for those with ATTR(MANY). */
int node_inputs(const Node *node);
/* The last node that reads each value, as operand or as exponent symbol; 0 if
 * none does, UINT32_MAX if a result or `minimize` does. */
ValueId *graph_last_users(Arena *arena, const Graph *graph);
/* The region that begins at `first`, a member of a kernel. */
Region region_find(const Graph *graph, ValueId first);
/* Does `id` leave the region? `last_user` is that of graph_last_users. */
bool region_leaves(const Graph *graph, const Region *region,
                   const ValueId *last_user, ValueId id);
/* Calls visit() on each tensor read from outside, in order of first use. */
void region_reads(const Graph *graph, const Region *region,
                  void (*visit)(void *user, ValueId value), void *user);
/* How many nodes, results and parts of `minimize` read each value, as operand
 * or as exponent symbol; a node that reads a value twice counts once. */
uint32_t *graph_user_counts(Arena *arena, const Graph *graph);
/* Labels, indices and starts of windows choose: values of INPUT node `input`
 * must lie in [0, limit) where an op chooses by them; 0: any value will do. */
int64_t graph_label_limit(const Graph *graph, ValueId input);
/* The STORE of a parameter or state, by its index; 0: it keeps its value. */
ValueId graph_store(const Graph *graph, int32_t param);
bool node_defines_exponent(const Node *node);
/* The name by which recipes and random numbers know the value. */
static inline const char *node_key(const Node *node) {
  return node->again ? node->again : node->name;
}
/* Does it belong to the gradient, rather than compute a value again? */
static inline bool node_is_gradient(const Node *node) {
  return node->phase == PHASE_BACKWARD && !node->again;
}
/* The attributes a node may have at a level: those of its op and, at level
 * formatted, how a value of a narrow format is rounded at its definition. */
AttributeSet node_attributes(Level level, const Node *node);
/* PARAM, INPUT or CONST: made by no computation. */
bool node_is_leaf(const Node *node);
/* The stand-in for a gradient that autodiff has yet to derive. */
bool node_is_placeholder(const Node *node);
/* The exponent symbols a node reads through its own and its operands' scales
 * are operands too: calls visit() on each. */
void node_symbols(const Graph *graph, ValueId id,
                  void (*visit)(void *user, ValueId symbol), void *user);

/* Rebuilding: a pass walks the old graph and adds to a new one. INPUT nodes
 * that were not copied are added by graph_copy_finish, which also renews the
 * extents of old kernels unless the new graph has kernels of its own. */
typedef struct {
  const Graph *old;
  Graph *new;
  ValueId *map; /* old id -> new id, 0: not copied */
} GraphCopy;

/* A new graph in `arena` with the same entry facts (inputs, results and
 * minimize are mapped by graph_copy_finish). */
GraphCopy graph_copy_begin(Arena *arena, const Graph *old);
/* Adds node `id` of the old graph with operands and symbols mapped. */
ValueId graph_copy_node(GraphCopy *copy, ValueId id);
/* A copy of old node `id` with operands and symbols mapped, not yet added. */
Node graph_copy_prepare(const GraphCopy *copy, ValueId id);
void graph_copy_finish(GraphCopy *copy);

/* ---- names --------------------------------------------------------------- */

/* Used names of one graph, and the rules that derive new ones (ir.md 2). */
typedef struct NameTable NameTable;
NameTable *name_table_new(Arena *arena, Interner *interner,
                          const Graph *graph); /* graph may be NULL */
/* Empty, with room for so many names. */
NameTable *name_table_sized(Arena *arena, Interner *interner, size_t count);
/* Claims `name`; false if it is taken. */
bool name_claim(NameTable *names, const char *name);
/* The same for a name that is interned already, as the names of nodes and
 * parameters are. */
bool name_claim_interned(NameTable *names, const char *name);
/* base, or base'2, base'3, ...: the next binding of a source name. */
const char *name_rebinding(NameTable *names, const char *base);
/* base~1, base~2, ...: a helper of the binding `base`. A ~n already at the end
 * of base is dropped first. */
const char *name_helper(NameTable *names, const char *base);
/* "d." + base (with the marks of base), for its gradient. */
const char *name_gradient(NameTable *names, const char *base);
/* base + "." + suffix ("q", "m"), made unique by ~n where needed. */
const char *name_suffixed(NameTable *names, const char *base,
                          const char *suffix);

/* ---- shapes (shape.c) ---------------------------------------------------- */

/* Strict broadcasting (language.md 6): sizes of a combined with b, or false. */
bool shape_combine(const Type *a, const Type *b, int *rank, int64_t *dim);
/* Does the op combine its two operands in this way? */
bool shape_broadcasts(Op op);
/* The type a node must have, from its op, operands and attributes, or NULL
 * with *error set to one line naming the rule and the shapes. What the op
 * leaves free is taken from node->type: the whole type of leaves, of convert,
 * cast, reshape, splat, broadcast and store, and the float format of every
 * other result (the recipe's business). With node->type NULL, structural ops
 * and rounding keep their operand's format and arithmetic gives `real`.
 * Arithmetic is on reals: integers are converted first. Used by elaboration,
 * the reader and the verifier alike. */
const Type *shape_infer(TypeTable *types, const Graph *graph, const Node *node,
                        Arena *arena, const char **error);

/* A parsed axis pattern such as "b i, o i -> b o" or "b o -> o". Letters are
 * numbered in order of first appearance. */
typedef struct {
  int letters;
  const char *letter[3 * MAX_RANK]; /* interned names */
  int operands;
  int rank[2], axis[2][MAX_RANK]; /* letter of each axis of each operand */
  int out_rank, out_axis[MAX_RANK];
} Pattern;
/* Parses; false with *error and *error_offset (byte in the text) if wrong. */
bool pattern_parse(Interner *interner, const char *text, Pattern *out,
                   const char **error, size_t *error_offset);
/* Sizes of the letters from the operand types; false and *error if they
 * disagree. size has room for 3 * MAX_RANK. Letters that only the result has
 * (broadcast) get 0. */
bool pattern_sizes(const Pattern *pattern, const Type *const *operand,
                   int64_t *size, Arena *arena, const char **error);

#include "ir/program.h"

/* ---- values to compute again (remat.c) ----------------------------------- */

/* A region is named by its path: "layers.0", and "layers.0/attn" for one
 * within it. */
bool remat_is_path(const char *path);
/* Is `inner` the region `outer` or one within it? NULL is all of the graph. */
bool remat_within(const char *inner, const char *outer);
/* The innermost region that both are within, or NULL. */
const char *remat_common(Interner *interner, const char *a, const char *b);
/* The value that each node computes again, 0 where there is none (left);
 * graph->count entries. */
ValueId *graph_originals(Arena *arena, const Graph *graph);
/* After a copy: names of values that were renamed. */
void graph_copy_again(GraphCopy *copy);

/* ---- text (print.c, sgir.l, sgir.y) -------------------------------------- */

typedef struct {
  bool locations;    /* !line:col after each op */
  const char *entry; /* only this entry; NULL: all */
  bool plan;         /* placements as comments */
  /* Excerpts, which do not read back. Only values one of these globs matches:
   * `*` is any run of characters but dots, `**` any run, `?` one character; a
   * glob that matches a path matches all that is below it. */
  const char *const *filter;
  size_t filter_count;
  int phase; /* 1 + the phase to print; 0: all */
  bool fold; /* repeated layers once */
} PrintOptions;

/* How many parameters and values the filters and the phase select. */
size_t program_selected(const Program *program, const PrintOptions *options);
/* Does a filter glob match the name of a value? */
bool name_matches(const char *glob, const char *name);

/* The whole program as .sgir, columns aligned within a phase; unique: equal
 * programs print equal text. */
void program_print(Buffer *out, const Program *program,
                   const PrintOptions *options);
/* Prints one graph's phases and ops only (for --print-after excerpts). */
void graph_print(Buffer *out, const Program *program, const Graph *graph,
                 const PrintOptions *options);
/* "real[128,512]" or "f16[128,512] * 2^-5". */
void value_type_print(Buffer *out, const Graph *graph, const Type *type,
                      Scale scale);
/* "2^-5", "2^$d.logits", "2^($d.logits + 3)", "zero", "any"; nothing for
 * SCALE_NONE. */
void scale_print(Buffer *out, const Graph *graph, Scale scale);
/* The same with the granularity of a value of this type: "2^-5[128,1]". */
void value_scale_print(Buffer *out, const Graph *graph, const Type *type,
                       Scale scale);
/* The exponent alone: "-5", "$d.logits", "($d.logits + 3)". */
void exponent_print(Buffer *out, const Graph *graph, Scale scale);
/* Reads .sgir at any level; NULL after errors were diagnosed. `source` is a
 * number in program sources. The result has passed program_verify. */
Program *program_read(Arena *arena, Interner *interner, Sources *sources,
                      uint32_t source, Diagnostics *diagnostics);

/* ---- verification (verify.c) --------------------------------------------- */

/* Checks every invariant of the program's level; stricter at each. Returns the
 * number of violations, each described in `out` as one line that starts with
 * the entry and value name. */
unsigned program_verify(const Program *program, Buffer *out);
/* The same, one call a violation, of node `id` of `graph`. `id` 0: of the
 * entry. `graph` NULL: of parameter number id - 1, or with 0 of the program. */
typedef void VerifyReport(void *user, const Graph *graph, ValueId id,
                          const char *message);
unsigned program_verify_each(const Program *program, VerifyReport *report,
                             void *user);

#include "ir/shift.h"

#endif
