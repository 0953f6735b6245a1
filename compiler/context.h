/* The inside of an sg_context, shared by the files that implement sg.h. */
#ifndef SG_CONTEXT_H
#define SG_CONTEXT_H

#include "compiler/front/front.h"
#include "compiler/pass/pass.h"
#include "compiler/sg.h"
#include "ir/difference.h"

/* A list of option values in the order given. */
typedef VEC(const char *) TextList;

typedef struct {
  VEC(Define) define;
  TextList include, entry, recipe_set, print_before, print_after, filter;
  int phase; /* 1 + the one to print; 0: all */
  const char *recipe, *march, *cc, *runtime;
  const char *pipeline;     /* --pass-pipeline, or NULL */
  const char *stop_after;   /* pass name, or NULL */
  const char *source_limit; /* the first --max that only .sg files have */
  int optimization;
  bool fold_layers, print_diff;
  bool strict, verify_each, time_passes, locations, verbose;
} Options;

struct sg_context {
  sg_message_function *message;
  void *user;
  Arena *arena; /* types, names, sources, options: the compilation */
  Arena *ast;   /* dies after elaboration */
  Interner *interner;
  Sources sources;
  Diagnostics *diagnostics;
  Options option;
  uint32_t main; /* source number; 0 before sg_load */
  bool is_sgir, from_stdin;
  Program *program; /* NULL before it is needed */
  int passes_done;  /* how many of passes.def's order have run */
  int passes_read; /* how many of them a .sgir had behind it when it was read */
  int last_asked;  /* by sg_check_passes: the last pass of all the stages */
  bool summarized; /* context_summary has spoken */
  bool unstable;   /* --verify-each found a text that does not read back */
  const WeightFile *weight_file; /* --check-weights, or NULL */
  bool estimates;                /* scalify is still to run, or has run here */
  bool json;                     /* --diagnostics=json */
  bool *filter_met; /* by Options.filter: has a pass printed a match? */
  Arena *before;    /* --print-diff: owns facts, while a pass runs */
  Facts *facts;     /* what the program was before the pass */
};

/* Delivers a line of our own ("sgc: ...") at the given severity. */
void context_message(sg_context *sg, sg_severity severity, const char *format,
                     ...) SG_PRINTF(3, 4);
/* Says how many errors were not shown, if any were not; once. */
void context_summary(sg_context *sg);
/* Makes context->program from the loaded source, if it is not there yet. */
sg_status context_program(sg_context *sg);
/* Runs passes until those needed for `last` have run; PASS_COUNT: all. An
 * explicit --pass-pipeline or --stop-after takes precedence. */
sg_status context_run(sg_context *sg, PassId last);
/* The same up to a stage whose program is shown or evaluated; wrong use if a
 * .sgir file is past it. */
sg_status context_reach(sg_context *sg, const char *stage, PassId last);
/* The same for the stage "ir", "scaled", "formatted", "final" or "plan";
 * NULL: all of them, but a .sgir file stays as it is. */
sg_status context_advance(sg_context *sg, const char *stage);
/* The name of a value or parameter nearest to one that nothing has, or NULL. */
const char *context_nearest_value(const sg_context *sg, const char *name);
/* excerpt.c: do the passes up to `last`, -1 for none, include those that
 * --print-before and --print-after name? SG_USAGE with a message if not. */
sg_status context_check_passes(sg_context *sg, int last);
/* Do the options that choose what is printed meet anything that prints?
 * `text`: the program itself is printed. `what` names the request. */
sg_status context_check_prints(sg_context *sg, bool text, const char *what);
/* A pass prints the program, or what it changed in it. */
void context_note_filters(sg_context *sg, const Program *program);
/* Behind the passes: has each --filter met a value in what they printed? */
sg_status context_check_filters(sg_context *sg);
/* The message about a --filter that matches nothing. */
void context_no_match(sg_context *sg, const char *glob, const char *where);
/* What the options ask of every print of the program. */
PrintOptions context_print_options(const sg_context *sg);
/* Writes text to a file by way of a temporary name, or to standard output. */
sg_status context_write(sg_context *sg, const char *path, const Buffer *text);

/* replace.c: gives an existing file another text; what a link points to, with
 * the mode that it has. Anything but a file is written as it is. */
sg_status context_replace(sg_context *sg, const char *path, const Buffer *text);

/* diagnostic_json.c: appends one line of JSON. */
void diagnostic_json(Buffer *out, const Diagnostic *diagnostic,
                     const Sources *sources);
/* weight_file.c: reads the header of a safetensors file into weight_file. */
sg_status weight_file_read(sg_context *sg, const char *path);
/* What an answer of `sgc explain --edge` is about (explain_edge.c): the program
 * at level scaled, where exponents and estimates are new. */
typedef struct {
  const Program *program;
  const Graph *graph;
  ValueId value;
  ValueId reader; /* the product that reads it as `operand`, or 0 */
  int operand;
  bool estimates; /* scalify has run here, so they are known */
  long depth;     /* how many levels of operands are shown */
  int phase;      /* 1 + the phase that is shown, the rest as names; 0: all */
} Edge;
/* explain_scale.c: where the exponent comes from, a line each step. */
void explain_scale(Buffer *out, Arena *arena, const Edge *edge);
/* explain_exponent.c: how a run-time exponent comes about, and why. */
void explain_exponent(Buffer *out, const Graph *graph, ValueId symbol);
/* explain_format.c: the format that the recipe has for the value, or for the
 * copy that the reader reads, and the rules that spoke of it, to *rules. */
Format explain_rules(Buffer *rules, const Edge *edge, ProductKind kind);
/* Why the value is stored in `stored` where its recipe says `wanted`. */
const char *explain_stored(Arena *arena, const Edge *edge, Format wanted,
                           Format stored);
/* report.c: the page that --emit=report prints. `estimates`: those of scalify
 * are known. */
void report_print(Buffer *out, const Program *program, bool estimates);

#endif
