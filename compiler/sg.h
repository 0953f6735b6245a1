/* Scalegraph's public interface: compile .sg or .sgir to any stage.
 *
 * A context holds one compilation. There are no globals, nothing exits, and
 * every message goes to the callback. Typical use:
 *
 *   sg_context *sg = sg_open(on_message, NULL);
 *   sg_set(sg, "recipe", "fp8");
 *   if (sg_load(sg, "mlp.sg") == SG_OK &&
 *       sg_emit(sg, "scaled", "-") == SG_OK) ...
 *   sg_close(sg);
 *
 * Usable from C and C++. One context may be used by one thread at a time.
 */
#ifndef SG_H
#define SG_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sg_context sg_context;

/* Also the exit codes of sgc. */
typedef enum {
  SG_OK = 0,
  SG_PROGRAM = 1,  /* the program has errors; they were reported */
  SG_USAGE = 2,    /* an unknown option, stage, pass or entry */
  SG_FILE = 3,     /* a file could not be read or written */
  SG_INTERNAL = 70 /* a verifier found a pass in the wrong */
} sg_status;

typedef enum { SG_NOTE, SG_WARNING, SG_ERROR } sg_severity;

/* Receives each finished message, with its line ends; `text` is valid during
 * the call only. */
typedef void sg_message_function(void *user, sg_severity severity,
                                 const char *text);

sg_context *sg_open(sg_message_function *message, void *user);
void sg_close(sg_context *sg); /* NULL is fine */

/* Sets an option by its long name without dashes; call before sg_load.
 *   define NAME=VALUE, include DIR, entry NAME, recipe-set RULE: repeatable
 *   recipe NAME, march CPU, O 0..3, max-errors N, pass-pipeline LIST,
 *   stop-after PASS, print-before PASS|all, print-after PASS|all,
 *   cc PROGRAM, runtime FILE
 *   filter GLOB (repeatable), phase forward|backward|update, fold-layers:
 *     excerpts of the text stages ir to plan, and of what passes print
 *   print-diff: after each pass, what it changed, on standard error
 *   warning TEXT: what follows -W: `NAME`, `no-NAME`, `error`, `error=NAME`,
 *     `no-error=NAME`, with `all` for every name; of one name a later one
 *     wins; `error` leaves off what is off
 *   diagnostics text|json: messages as pictures, or each as one line of JSON
 *   strict, verify-each, time-passes, print-locs, color, verbose: "1" or "0"
 * SG_USAGE (with a message) for an unknown name or a bad value. */
sg_status sg_set(sg_context *sg, const char *name, const char *value);

/* Reads FILE ("-": standard input) and, unless it only parses (see sg_emit),
 * elaborates it. .sgir is recognised by its first word. */
sg_status sg_load(sg_context *sg, const char *file);
/* The same with a text in memory; `name` is used in messages. */
sg_status sg_load_text(sg_context *sg, const char *name, const char *text,
                       size_t length);

/* Before several stages are emitted: do the passes up to the last of them
 * include all that print-before and print-after name? SG_USAGE, with a message,
 * if not. */
sg_status sg_check_passes(sg_context *sg, const char *const *stage,
                          size_t count);

/* Runs the passes up to what `stage` needs and writes it to `path` ("-":
 * standard output; not for exe). Stages, in order:
 *   tokens ast names ir scaled formatted final plan report llvm asm obj exe
 * A stage may be asked for again; earlier ones cannot be returned to. */
sg_status sg_emit(sg_context *sg, const char *stage, const char *path);

/* Runs every check that needs no code and writes nothing. */
sg_status sg_check(sg_context *sg);

/* Lays out the loaded .sg file: same tokens, same comments, same program, which
 * is verified before anything is written. *changed: does its text differ?
 * Written to `path` ("-": standard output, always; a file only if the text
 * differs, and keeping its mode); NULL: not at all. */
sg_status sg_format(sg_context *sg, const char *path, int *changed);

/* Compares two loaded programs, value by value, and writes a table of what
 * differs to `path`. `stage` is that of both, "ir" to "plan"; NULL: .sg files
 * at "ir", .sgir files as they are. Of one text under two recipes only
 * parameters and values are compared. *different: was there anything? Messages
 * go to the context they belong to. */
sg_status sg_diff(sg_context *a, sg_context *b, const char *stage,
                  const char *path, int *different);

/* Writes the loaded .sg file with shape, format and exponent of what each line
 * computes as comments at the line ends; it is a program still. */
sg_status sg_annotate(sg_context *sg, const char *path);

/* Writes the rule `TARGET ..: FILE ..` for make, of all the files that were
 * read so far: the main file and what it imports, but not the standard library.
 */
sg_status sg_dependencies(sg_context *sg, const char *const *target,
                          size_t targets, const char *path);

/* ---- the reference evaluator (sgc exec) ---------------------------------- */

typedef struct {
  const char *entry;     /* NULL: the only one, or the train entry */
  long steps;            /* at least 1 */
  const char *precision; /* "f64", "f32" or "edges" (NULL: "edges") */
  unsigned long long seed;
  const char *const *inputs; /* "name=file.npy"; dataset batches not given are
                                filled with reproducible random values */
  size_t input_count;
  const char *stage; /* where to evaluate: NULL, as loaded; "ir" .. "plan" */
  const char *dump; /* folder for every result and parameter as .npy, or NULL */
  int certificate;  /* after each step, list what overflowed or underflowed */
} sg_exec_options;

/* Evaluates an entry and prints its results of each step on standard output. */
sg_status sg_exec(sg_context *sg, const sg_exec_options *options);

/* The page of a diagnostic, given its code ("E0301", "e301") or the name of a
 * warning: what it means, a wrong program with its message, a right one. NULL
 * if nothing has that name. The caller frees it with free(). */
char *sg_explain(const char *name);
/* All codes with their titles, one a line; the caller frees it with free(). */
char *sg_explain_list(void);
/* The code or warning nearest to `name`, or NULL. */
const char *sg_explain_near(const char *name);

/* Where the exponent and the format of a value come from, rule by rule, as text
 * to `path`. `edge` is the name of a value, a gradient or a parameter, or `x ->
 * y`: what y reads of x. `depth` levels of operands are shown. */
sg_status sg_explain_edge(sg_context *sg, const char *edge, long depth,
                          const char *path);

/* A message without a place as the line that `diagnostics json` makes of it;
 * the caller frees it with free(). */
char *sg_message_json(sg_severity severity, const char *text);

/* "0.1.0" and the version of the LLVM in use. */
const char *sg_version(void);
const char *sg_llvm_version(void);
/* The names of stages, passes and warnings, NULL-terminated; for help texts. */
const char *const *sg_stages(void);
const char *const *sg_passes(void);
const char *const *sg_warnings(void);
/* Lists to read: the names of them, NULL-terminated, and one as text with
 * lines, in heap memory that the caller frees; NULL for an unknown name. */
const char *const *sg_topics(void);
char *sg_topic(const char *topic);
/* The candidate nearest to `name` by edit distance, for "did you mean"; NULL if
 * none is near. */
const char *sg_nearest(const char *name, const char *const *candidates,
                       size_t count);

#ifdef __cplusplus
}
#endif
#endif
