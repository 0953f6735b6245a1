/* Inside elaboration: what the files of compiler/front share.
 *
 * Elaboration is one abstract interpretation of the tree (language.md 10).
 * Values are compile-time scalars, tensors (a node of the graph under
 * construction), instances of modules and batches of datasets; every operation
 * has one shape rule; calls are inlined; IR nodes are emitted in the same walk.
 * All sizes are numbers when they are checked: no unification, no constraints.
 *
 * The rooms: resolve and import (files, items, constants), scope (names),
 * value, constant (compile-time arithmetic), expression, declare and match
 * (types), call, tensor, matmul, reduce and builtin (operations), emit (nodes
 * and their names), instance (modules, parameters, models), statement, loop,
 * attributes, remat, entry, minimize, dataset, recipe and settings, message.
 */
#ifndef SG_FRONT_ELABORATE_H
#define SG_FRONT_ELABORATE_H

#include "compiler/front/front.h"
#include "compiler/front/value.h"

/* ---- names in scope (scope.c) ------------------------------------------- */

typedef struct Variable {
  const char *name;
  Value value;
  Span span;  /* where it was bound */
  Span given; /* the argument that chose its value, if a call did */
  Span whole; /* that call, for hints */
  struct Variable *next;
  struct Variable *beside; /* in its slot */
} Variable;

/* Newest first. A scope of many names also has slots, a power of two, to find
 * them by. */
typedef struct {
  Variable *first;
  Variable **slot;
  size_t count, slots;
} Scope;

Variable *scope_find(const Scope *scope, const char *name);
/* Ends a block: forgets what is newer than `outer`, which may be NULL. */
void scope_cut(Elaborator *e, Scope *scope, const Variable *outer);
/* Binds or rebinds. */
Variable *scope_set(Elaborator *e, Scope *scope, const char *name, Value value,
                    Span span);

/* Where code is being elaborated: one per call, construction or entry. */
typedef struct Frame {
  struct Frame *caller;
  const FileScope *file; /* the file the code is written in */
  Instance *instance;    /* whose members are in scope, or NULL */
  Scope locals;
  const Instance *owner; /* whose path the names it binds get, or NULL */
  const char *what;      /* for the trace: "net.l3", "train fit(...)" */
  bool construction;     /* makes an instance: trace says "part of" */
  bool binding;          /* arguments are being matched: not inside yet */
  const void *function;  /* Function or Symbol, to refuse recursion */
  Span call;             /* in the caller's text */
  bool returned;
  Value result;
  Span result_span;
} Frame;

/* To be called once, before any name is looked up. */
void prelude_define(Elaborator *e);
/* Any name seen from the current frame; the kind the caller wants decides what
 * a message suggests. Diagnoses an unknown name. */
Value name_lookup(Elaborator *e, const char *name, Span span, bool called);
/* The variable behind a name of the frame or its instance, or NULL. */
Variable *variable_lookup(Elaborator *e, const char *name);
/* Candidates for did-you-mean, gathered from several scopes. */
typedef VEC(const char *) Candidates;
void candidates_in_scope(Elaborator *e, Candidates *out, bool called);
/* "did you mean `x`?", or NULL. Frees the candidates. */
const char *did_you_mean(Elaborator *e, const char *name,
                         Candidates *candidates);

/* ---- files and items (resolve.c, import.c) ------------------------------ */

struct Symbol {
  const char *name;
  const Item *item;
  FileScope *file;  /* where it is defined */
  FileScope *space; /* IMPORT: what it names */
  Value value;      /* CONST, MODEL */
  enum { SYMBOL_NEW, SYMBOL_ACTIVE, SYMBOL_DONE } state;
  int index; /* DATASET: in Program.dataset */
};

/* A name in a file: its own item or one that `from` brought. */
typedef struct {
  const char *name;
  Symbol *symbol;
  Span span;
} Entry;

struct FileScope {
  const char *key;  /* what makes it one file: canonical path or "std/nn.sg" */
  const char *root; /* canonical folder that imports stay below */
  const char *known_as; /* the main file's name for it, for -D nn.X */
  uint32_t source;
  bool builtin, main, loading;
  File *ast;
  VEC(Entry) entry;
  WordMap index; /* of names in `entry`, from 1 */
};

/* Parses and resolves the main file, its imports, constants and asserts. */
FileScope *file_main(Elaborator *e, uint32_t source);
/* The file called `name` of the embedded library, loaded if need be. */
FileScope *file_standard(Elaborator *e, const char *name);
Entry *file_find(const FileScope *file, const char *name);
/* The symbol that a dotted path names in the current frame's file, of one of
 * the item kinds in `kinds` (bits 1 << ITEM_X), or NULL after a message that
 * calls the wanted thing `what` ("module"). */
const Symbol *path_resolve(Elaborator *e, const FileScope *file,
                           const Path *path, unsigned kinds, const char *what);
const char *path_text(Elaborator *e, const Path *path);
const char *item_kind_name(ItemKind kind); /* "module", "constant", ... */
/* Runs a top-level or member assert. */
void check_assert(Elaborator *e, const Expr *condition, const char *message);
/* The files that `import` reads (import.c). NULL after a message. */
FileScope *import_file(Elaborator *e, const FileScope *from, const Item *item);
void file_define(Elaborator *e, FileScope *file);
/* Is there a file of that name in the embedded library? */
bool import_is_standard(const char *name);
/* Which -D options no constant took. */
void defines_check(Elaborator *e);

/* ---- compile-time arithmetic (constant.c) ------------------------------- */

Value constant_unary(Elaborator *e, const Expr *expr, Value operand);
Value constant_binary(Elaborator *e, const Expr *expr, Value left, Value right);
/* Evaluates to an int (what: "a size"); false after a message. */
bool eval_int(Elaborator *e, const Expr *expr, const char *what, int64_t *out);
/* The same as a value, with where it comes from; poison after a message. */
Value eval_count(Elaborator *e, const Expr *expr, const char *what);
/* Evaluates a compile-time condition of `what` ("if"); false after a message.
 * The value goes to *out. */
bool eval_condition(Elaborator *e, const Expr *expr, const char *what,
                    bool *out);
/* A compile-time value as the declared type of a constant or parameter of a
 * module: int, real, bool, str. Diagnoses at `span`. */
Value constant_convert(Elaborator *e, Value value, const TypeExpr *type,
                       const char *name, Span span);

/* ---- expressions (expression.c) ----------------------------------------- */

Value eval(Elaborator *e, const Expr *expr);
/* As it is named: parameters and `step` are not read. */
Value eval_reference(Elaborator *e, const Expr *expr, bool called);
/* Reads a parameter, state or `step`; other values are themselves. */
Value value_read(Elaborator *e, Value value, Span span);
/* The text of an expression as written, on one line, without outer
 * parentheses; span_text keeps them. */
const char *expr_text(Elaborator *e, const Expr *expr);
const char *span_text(Elaborator *e, Span span);
/* What an item is where it is named. */
Value symbol_value(Elaborator *e, const Symbol *symbol, Span span);
bool span_is_builtin(const Elaborator *e, Span span);

/* ---- types (declare.c, match.c) and calls (call.c) ---------------------- */

/* Checks `*value` against a declared type in the current frame, binding ?t and
 * ..s there; relabels its axes. What the message says is in `role`. */
typedef struct {
  Span span;         /* the argument, result or value */
  const char *taker; /* "net.l3", "`forward`", "`x`" */
  const char *verb;  /* "takes", "is declared" */
  const char *got;   /* "gets", "returns", "is" */
  const char *code;
  bool result;           /* sizes are labelled with the caller's expressions */
  const char *parameter; /* whose argument it is, or NULL */
  bool implied;          /* `span` is not the value's own text */
} MatchRole;
bool type_match(Elaborator *e, const TypeExpr *type, Value *value,
                const MatchRole *role);
/* The tensor type a declaration means (no ?t, no `..`); NULL after a message.
 * *pinned: a floating-point format was named. label: of each axis. */
const Type *type_resolve(Elaborator *e, const TypeExpr *type, bool *pinned,
                         const char *const **label);
/* Element format that a type names: FORMAT_NONE for int, bool, str, datasets.
 * A shape without a word is real. */
Format type_format(Elaborator *e, const TypeExpr *type);
/* E0511: a SCALE format where one of elements is needed. */
void fail_scale_format(Elaborator *e, Span span, Format format);
bool type_is_word(const TypeExpr *type, const char *word); /* no shape */
bool type_is_dataset(Elaborator *e, const TypeExpr *type);
/* Refuses the name of a module or another item where a type stands; false: it
 * is none. */
bool type_refuse_item(Elaborator *e, const TypeExpr *type);
bool dim_is_any(const Dim *dim); /* `_` */
/* At most one `..` in a shape; false after a message. */
bool dims_check(Elaborator *e, const TypeExpr *type);
Value dim_eval(Elaborator *e, const Dim *dim);
/* What a caller calls a size that its callee computed, or NULL. */
const char *size_outside(Value size);
/* What a size is called as the label of an axis, seen from `span`. */
const char *size_label(Elaborator *e, Value size, Span span);

/* What is called, for messages: "module LayerNorm(d: int, ...)". */
typedef struct {
  const char *what; /* "nn.LayerNorm", "net.l3" */
  const char *word; /* "module", "fn" */
  const char *name; /* as declared */
  const Formal *formals;
  Span span;  /* of the declaration */
  bool binds; /* an argument is a binding of its own: `lr` of an optimizer */
} Callee;

/* Arguments of one call in the order of the formals. */
typedef struct {
  const Formal *formal;
  Value value;
  bool given;   /* false: the default, still to be evaluated */
  bool implied; /* the text does not write it: what an optimizer steps by */
  Span span;
} BoundArg;
/* Evaluates `args` in the current frame and orders them by the formals; false
 * after a message. */
bool args_bind(Elaborator *e, const Arg *args, const Callee *callee, Span call,
               BoundArg **out);
/* Binds them in `scope`, in the callee's frame, which must be the current one:
 * checked against the declared types; compile_time: scalars known now. */
bool args_define(Elaborator *e, BoundArg *bound, const Callee *callee,
                 Scope *scope, bool compile_time, Span whole);
Value call_value(Elaborator *e, Value callee, const Expr *call);
/* A function as it is called: the body, its file, its instance or NULL. */
typedef struct {
  Callee callee;
  const Function *function;
  const FileScope *file;
  Instance *instance;
  const char *what; /* for the trace */
  bool remat;       /* its values are computed again in the backward pass */
} Target;
Value call_target(Elaborator *e, const Target *target, BoundArg *bound,
                  Span call);
Target method_target(Elaborator *e, Instance *instance, const Member *member);
/* Runs the body in the current frame; the result as it is declared. */
Value target_run(Elaborator *e, const Target *target);
/* Counts an expression, a call or a turn; false: elaboration has stopped, and
 * why has been said. */
bool work_add(Elaborator *e, Span span);
/* The same for the bytes of a list or string. */
bool constant_add(Elaborator *e, size_t bytes, Span span);
void frame_push(Elaborator *e, Frame *frame);
void frame_pop(Elaborator *e);

/* ---- sizes that agree by coincidence (coincidence.c) --------------------- */

typedef struct Trial Trial;

/* Functions that were called so far. */
typedef struct {
  const Function **slot;
  size_t capacity, count;
} CalledSet;

/* After a call without errors: tries the body of a function with other sizes
 * the first time, and warns (W0310). */
void coincidence_check(Elaborator *e, const Target *target,
                       const BoundArg *bound, Span call);
/* Within a trial: notes a message instead of showing it; NULL: something went
 * wrong without one. */
void trial_failed(Trial *trial, const Diagnostic *error);
/* Within a trial, in the callee's frame: gives the frame a result of the
 * declared type instead of running the body, if that is possible. */
bool trial_takes_word(Elaborator *e, const Target *target,
                      const BoundArg *bound);

/* ---- nodes and their names (emit.c) ------------------------------------- */

/* The binding that sub-expressions serve: ir.md section 2. */
typedef struct Binding {
  struct Binding *outer;
  const char *base;   /* "net.l1.y"; NULL in compile-time code */
  const char *name;   /* what its value will be called: base, base'2, ... */
  const char *helper; /* helpers are this + ~n */
  ValueId start;      /* the first node made for it */
} Binding;

/* A claimed name that no value took. */
typedef struct {
  const char *base, *name;
} SpareName;

/* One grad(loss, x): x, and the leaf that stands for the gradient. */
typedef struct {
  ValueId loss, variable, placeholder;
} GradientAsked;

/* The value of an expression that is bound or returned. */
typedef struct {
  Span span;
  ValueId value;
} Placed;

/* The graph of one entry while it is built. */
typedef struct {
  Graph *graph;
  NameTable *names;
  NameTable *regions; /* paths of regions so far; NULL in a trial */
  const char *remat;  /* the region that nodes are made in, or NULL */
  Phase phase;
  /* By parameter index: the PARAM node, and the value after an assignment. */
  VEC(ValueId) param;
  VEC(ValueId) written;
  VEC(Span) written_at;
  VEC(SpareName) spare;
  VEC(Placed) place;
  AliasTable alias;
  ValueId step;
  struct MinimizePlan *minimize; /* carried out after the body */
  VEC(GradientAsked) gradient;
  bool failed; /* a minimize or report was left out after an error */
} Builder;

/* Notes that `expr` of the main file gave this value, for Program.place. */
void place_note(Elaborator *e, const Expr *expr, Value value);
void binding_begin(Elaborator *e, Binding *binding, const char *name);
/* The same for an assignment to a parameter or state: `base` is its name. */
void binding_begin_stored(Elaborator *e, Binding *binding, const char *base);
/* Ends the binding. A value made for it takes its name, one that existed
 * before gets it as an alias. */
void binding_end(Elaborator *e, Binding *binding, Value value);
/* Names another value of the same statement: `q, k, v = ...`. */
void binding_also(Elaborator *e, const Binding *binding, const char *name,
                  Value value);
/* The same for a parameter or state called `base`. */
void binding_also_stored(Elaborator *e, const Binding *binding,
                         const char *base, Value value);

/* Adds a node called base~n whose type the shape rules give; 0 after a message
 * (an operand 0 is poison and silent). */
ValueId emit(Elaborator *e, Span span, Op op, const Attributes *attributes,
             ValueId a, ValueId b);
/* The same with a type the caller knows. */
ValueId emit_typed(Elaborator *e, Span span, Op op, const Type *type,
                   const Attributes *attributes, ValueId a, ValueId b);
/* The same with any number of operands. */
ValueId emit_many(Elaborator *e, Span span, Op op, const Type *type,
                  const Attributes *attributes, const ValueId *operand,
                  int count);
ValueId emit_three(Elaborator *e, Span span, Op op, ValueId a, ValueId b,
                   ValueId c);
ValueId emit_constant(Elaborator *e, Span span, Format format, double value);
ValueId emit_param(Elaborator *e, int param, Span span);
ValueId emit_step(Elaborator *e, Span span);
/* A leaf INPUT node; `index` into Graph.input, -1 for a gradient. */
ValueId emit_input(Elaborator *e, const char *name, const Type *type, int index,
                   Span span);
Attributes pattern_attribute(Elaborator *e, const char *pattern);
void builder_free(Builder *builder);
void builder_slot(Elaborator *e, int param); /* grows the tables */

/* ---- regions to compute again (remat.c) ---------------------------------- */

typedef struct {
  const char *path, *outer; /* NULL: none */
  ValueId start;            /* its first node */
} RematRegion;

/* Nodes from here on lie in a region called `name`. */
void remat_begin(Elaborator *e, RematRegion *region, const char *name);
void remat_end(Elaborator *e, const RematRegion *region);
/* Takes what a call returns out of its region. */
void remat_results(Elaborator *e, const RematRegion *region, Value result);
/* Has anything been computed in it? */
bool remat_computes(const Elaborator *e, const RematRegion *region);
/* Is this call to be a region? */
bool remat_of_call(const Elaborator *e, const Target *target);

#include "compiler/front/operations.h"

/* ---- modules and models (instance.c) ------------------------------------ */

struct Instance {
  const char *path;     /* "net.l1"; for an optimizer, of its state: "opt" */
  const char *suffix;   /* optimizer: the parameter's name, ends state names */
  const Symbol *symbol; /* its module or optimizer */
  Scope scope;          /* parameters, members, methods */
  int weight;           /* optimizer: the parameter; -1 for a module */
  bool remat;           /* @remat stands on the member that it is */
};

/* The instance that a model item names, made at its first mention. */
Value model_value(Elaborator *e, const Symbol *symbol);
/* Elaborates members into the instance of the current frame. */
void members_define(Elaborator *e, const Member *members);
const char *instance_name(Elaborator *e, const Instance *instance,
                          const char *member);
const char *const *param_labels(const Elaborator *e, int param);

/* ---- statements and entries (statement.c, entry.c, minimize.c, dataset.c)  */

void run_statements(Elaborator *e, const Stmt *block);
/* loop.c */
void for_statement(Elaborator *e, const Stmt *stmt);
void repeat_statement(Elaborator *e, const Stmt *stmt);
/* state[subs] = value (assign.c) */
void assign_statement(Elaborator *e, const Stmt *stmt);
/* At the end of an entry: the new values of states and weights are kept. */
void states_store(Elaborator *e);
void entries_elaborate(Elaborator *e, FileScope *file);
bool item_is_entry(const Item *item); /* train, eval or entry (select.c) */
/* The sizes of an entry in the order of the text, without those that are wrong;
 * none: it has no sizes, or says them wrong. */
size_t entry_sizes(Elaborator *e, FileScope *file, const Item *item,
                   int64_t **out);
/* The name of its graph: `f`, or `f.64` for one of several sizes. */
const char *entry_name(Elaborator *e, const Item *item, const int64_t *size);
/* Is it named by --entry, or is there no --entry? */
bool entry_is_selected(const Elaborator *e, const char *name);
/* --entry names what exists. */
void selection_check(Elaborator *e, FileScope *file);
void minimize_statement(Elaborator *e, const Stmt *stmt);
/* The optimizer's nodes, after the body. */
void minimize_finish(Elaborator *e);
/* A leaf that autodiff replaces by the gradient of `variable`, a PARAM or INPUT
 * node; a real, whatever the variable is pinned to. */
ValueId gradient_placeholder(Elaborator *e, ValueId variable, Span span);
/* What grad() asked for becomes the graph's pending `minimize`. */
void gradients_finish(Elaborator *e);
/* At the end of an entry: phases in order, whatever the order of the text. */
void gradients_sort(Elaborator *e);
/* Evaluates what an entry gives back, under the name `name`. */
Value entry_output(Elaborator *e, const Expr *expr, const char *name);
void report_statement(Elaborator *e, const Stmt *stmt);
void result_add(Elaborator *e, const char *name, Value value, Span span);
/* The dataset a symbol names, in Program.dataset; -1 after a message. */
int dataset_index(Elaborator *e, const Symbol *symbol);
/* A batch of `size` examples as INPUT nodes `name.column`. */
Value dataset_batch(Elaborator *e, int dataset, const char *name, int64_t size,
                    const char *label, Span span);
/* Settings from @steps, @seed, ...; @recipe is left to recipe_of_entry. */
void run_settings(Elaborator *e, const FileScope *file, const Item *item,
                  RunSettings *run);
const Attribute *attribute_find(const Attribute *list, const char *word);
/* Of something that may have @remat and nothing else. */
void attributes_check_remat(Elaborator *e, const Attribute *attributes,
                            const char *where);
/* Attributes on a binding: are they known, and well formed? */
bool binding_attributes_check(Elaborator *e, const Stmt *stmt);
/* What the binding is called: `@name("...")`, or its own name. */
const char *binding_attributes_name(const Stmt *stmt, const char *name);
/* The value with `@cast(e4m3)` and its kin applied, nearest first, and marked
 * by `@probe`. `expr` is what the binding says. */
Value binding_attributes_apply(Elaborator *e, const Attribute *attributes,
                               const Expr *expr, Value value);
/* Refuses attributes where none has a meaning. */
void attributes_refuse(Elaborator *e, const Attribute *attribute,
                       const char *where);

/* `weights` and `generate` items into Program.weights and .generate. */
void weights_elaborate(Elaborator *e, FileScope *file, const Item *item);
/* Refuses a --check-weights that no map of the main file is for. */
void weight_file_check_used(Elaborator *e, const FileScope *file);
void generate_elaborate(Elaborator *e, FileScope *file, const Item *item);

/* ---- recipes (recipe.c, settings.c) ------------------------------------- */

/* Name of the recipe of an entry, resolved into Program.recipe. `train` is the
 * one train item or NULL. NULL after a message. */
const char *recipe_of_entry(Elaborator *e, FileScope *file, const Item *item,
                            const Item *train);
/* Checks every recipe written in the main file. */
void recipes_check(Elaborator *e, FileScope *file);
bool settings_parse(Elaborator *e, const Arg *args, Settings *out);
/* "gpt.layers[0..3].w" */
const char *selector_path(Elaborator *e, const Step *path);

#include "compiler/front/message.h"

/* ---- the whole ---------------------------------------------------------- */

/* What was reported where, to say it once. */
typedef struct {
  Span span;
  const char *code;
} Reported;

/* A missing thing that was reported. */
typedef struct {
  const void *what, *where;
} Cause;

struct Elaborator {
  Arena *arena;   /* the program's */
  Arena *scratch; /* until elaboration ends */
  Interner *interner;
  Sources *sources;
  const FrontOptions *options;
  Diagnostics *diagnostics;
  Program *program;
  FileScope *main;
  VEC(FileScope *) files;
  Frame *frame;
  Binding *binding;
  const Expr *call; /* whose function is being looked up, or NULL */
  Builder *builder; /* NULL in compile-time code */
  int call_depth, expr_depth, import_depth;
  Trial *trial; /* a body is tried with other sizes; else NULL */
  CalledSet called;
  bool in_size;      /* a size of a declared type is being evaluated */
  unsigned failures; /* errors so far, those said before included */
  bool stopped;      /* enough is wrong, or unrolled: everything is poison */
  /* So far; see limits.def. */
  int64_t modules, work, nodes, constant_bytes;
  WordMap prelude; /* what every file knows: scope.c */
  WordMap listed;  /* by name: the list that had it last, see name_twice */
  uint32_t list;
  Variable *spare;   /* of ended blocks and calls, to be used again */
  bool *define_used; /* by -D option */
  VEC(const char *const *) param_label;
  NameTable *param_names; /* of parameters and states, to refuse equal ones */
  VEC(Reported) reported;
  VEC(Cause) cause;
  VEC(const RuleExpr *) recipe_set; /* --recipe-set, parsed */
  VEC(const Symbol *) recipe;       /* of Program.recipe, same order */
};

#endif
