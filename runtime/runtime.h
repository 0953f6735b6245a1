/* The inside of the runtime: what every executable carries besides its own
 * kernels. Formats, random numbers and .npy come from ir/; nothing else of the
 * compiler is known here.
 */
#ifndef SG_RUNTIME_RUNTIME_H
#define SG_RUNTIME_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "ir/codec.h"
#include "runtime/abi.h"

/* Exit codes (language.md 13.2). */
enum {
  EXIT_FINE = 0,
  EXIT_FAILED = 1, /* a run-time failure: disk full, out of memory */
  EXIT_USAGE = 2,
  EXIT_DATA = 3, /* data or weights that are missing or do not fit */
  EXIT_INTERRUPTED = 130
};

/* The runtime's copies of enumerations that ir/ir.h defines for abi.h. */
enum { ENTRY_KIND_PLAIN, ENTRY_KIND_TRAIN, ENTRY_KIND_EVAL };
enum { INPUT_ARGUMENT, INPUT_COLUMN, INPUT_STEP };
enum { SOURCE_IDX, SOURCE_NPY, SOURCE_RAW };

/* ---- io.c: all input, output and allocation --------------------------------- */

/* One table of functions, so that a test can make any of them fail. Errors are
 * reported the POSIX way: -1 (NULL) and errno. */
typedef struct {
  int (*open)(const char *path, int flags, mode_t mode);
  ssize_t (*read)(int file, void *data, size_t size);
  ssize_t (*write)(int file, const void *data, size_t size);
  int (*sync)(int file);
  int (*close)(int file);
  int (*rename)(const char *from, const char *to);
  int (*unlink)(const char *path);
  void *(*allocate)(size_t size); /* 64-byte aligned, zeroed */
  void (*release)(void *memory);
} Io;
extern Io sgrt_io;

/* Reads a whole file into memory from sgrt_io.allocate, with one byte more
 * than `*size`. NULL with errno set if it cannot; EFBIG above `limit`. */
unsigned char *io_read_file(const char *path, size_t limit, size_t *size);
/* Writes all of it, going on after short writes and EINTR. */
bool io_write_all(int file, const void *data, size_t size);
/* "PROGRAM: message" on standard error. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- threads.c ---------------------------------------------------------------- */

typedef struct Team Team;
/* threads == 0: one per processor this process may use. NULL: no memory. */
Team *team_new(int threads);
void team_free(Team *team);
int team_size(const Team *team);
/* Aborts with a message if this thread flushes subnormals to zero: results
 * would not be those of the evaluator. */
void check_float_environment(void);

/* ---- data.c: datasets -------------------------------------------------------------- */

/* A column in memory: `count` examples of `stride` bytes each. */
typedef struct {
  unsigned char *data; /* into `file` */
  unsigned char *file;
  int64_t count, stride;
} ColumnData;

typedef struct {
  int64_t count; /* of examples, the same in every column */
  ColumnData *column;
} DatasetData;

/* `--data name.col=FILE`: where a column is read from instead. */
typedef struct {
  const char *name, *path;
} Redirect;

/* Opens the columns that `entry` reads; checks types, shapes, counts and label
 * limits. Returns an exit code; messages name the file. */
int dataset_open(const SgProgram *program, const SgEntry *entry, int dataset,
                 const Redirect *redirect, int redirects, DatasetData *out);
void dataset_close(const SgDataset *dataset, DatasetData *data);
/* The dataset that an entry's batch comes from; -1: none. */
int entry_dataset(const SgEntry *entry);

/* ---- session.c: a program with its parameters in memory ------------------------------- */

typedef struct {
  const SgProgram *program;
  char **param; /* one buffer a parameter */
  Team *team;
  uint64_t seed, step; /* steps done so far */
} Session;

/* Allocates and initialises parameters under `seed`. */
int session_open(Session *session, const SgProgram *program, uint64_t seed,
                 int threads);
void session_close(Session *session);

/* One entry made ready to run: its arena, inputs and exponents. */
typedef struct {
  const SgEntry *entry;
  char *arena;
  char **input;
  int32_t *exponent;
} Run;

int run_open(Run *run, const SgEntry *entry);
void run_close(Run *run);
/* Carries out step number `step` (1-based). */
void run_step(const Session *session, Run *run, uint64_t step);
/* Fills the batch inputs with examples index[0 .. batch). */
void run_fill(Run *run, const DatasetData *data, const uint32_t *index);
/* The value of a rank-0 result; rank > 0: of element `i`. */
double run_result(const Session *session, const Run *run, int result,
                  int64_t i);
/* Room for one number a result of `entry`, zeroed; complains without memory.
 * The caller gives it back to sgrt_io.release. */
double *results_new(const SgEntry *entry);
const void *run_result_data(const Session *session, const Run *run,
                            int result, int32_t *exponent);
const SgEntry *find_entry(const SgProgram *program, const char *name);
/* The only entry of a kind, or the one called `name`; complains if unclear. */
const SgEntry *choose_entry(const SgProgram *program, const char *name,
                            int64_t kind, const char *command);
int64_t elements(int64_t rank, const int64_t *dim);
/* "u8[128,28,28]" into text. */
const char *type_text(char *text, size_t size, int64_t format, int64_t rank,
                      const int64_t *dim);

/* ---- checkpoint.c: safetensors ------------------------------------------------------------ */

/* Writes every parameter and state with its exponent, the step and the seed:
 * a temporary file beside `path`, synced, renamed, the folder synced. On
 * failure says so, removes the temporary file and leaves `path` as it was. */
int checkpoint_save(const Session *session, const char *path,
                    const char *entry);
/* Loads a checkpoint of the same program. Exact differences of format or
 * exponent are converted; lossy ones are refused unless `convert`, and then
 * reported. With `resume` step and seed are taken over too. */
int checkpoint_load(Session *session, const char *path, bool convert,
                    bool resume);

/* ---- progress.c ------------------------------------------------------------------------------ */

/* The live line of a training run, on standard error. */
typedef struct {
  const SgEntry *entry;
  bool quiet, live;
  int64_t total;
  int64_t first;        /* step at which this run began */
  int64_t every;        /* plain lines: each so many steps */
  double begin, shown;  /* seconds */
  double *sum, *mean;   /* of each result since the last line */
  int64_t summed;
} Progress;

double now_seconds(void);
int progress_begin(Progress *progress, const SgEntry *entry, int64_t first,
                   int64_t total, int64_t every, bool quiet);
void progress_step(Progress *progress, const Session *session, const Run *run,
                   int64_t step);
void progress_end(Progress *progress);

/* ---- commands ------------------------------------------------------------------------------- */

/* What the command line said; unset numbers are 0 (seed: has_seed). */
typedef struct {
  const char *command;
  const char *entry;
  int64_t steps, epochs, save_every;
  const char *resume, *save, *weights, *log, *output[16];
  const char *argument[64]; /* run: name=file.npy */
  Redirect redirect[32];
  int outputs, arguments, redirects;
  uint64_t seed;
  bool has_seed, quiet, convert;
  int threads;
} Arguments;

int command_train(const SgProgram *program, const Arguments *arguments);
int command_eval(const SgProgram *program, const Arguments *arguments);
int command_run(const SgProgram *program, const Arguments *arguments);
int command_info(const SgProgram *program, const Arguments *arguments);

/* Averages the reports of an eval entry over its dataset into mean[]; used by
 * `eval` and by training runs with @eval_every. Returns an exit code. */
int evaluate(const Session *session, const SgEntry *entry,
             const Arguments *arguments, double *mean);
/* Prints "loss 0.3417  accuracy 0.8760" for the results of an entry. */
void print_results(FILE *stream, const SgEntry *entry, const double *value);

#endif
