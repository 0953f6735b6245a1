/* The inside of the runtime: what every executable carries besides its own
 * kernels. Formats, random numbers and .npy headers come from ir/; nothing
 * else of the compiler is known here.
 *
 * Functions that can fail for a reason the user must hear about say so on
 * standard error themselves and return an exit code; EXIT_FINE is 0.
 */
#ifndef SG_RUNTIME_RUNTIME_H
#define SG_RUNTIME_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "ir/codec.h"
#include "ir/npy.h"
#include "runtime/abi.h"

/* Exit codes (language.md 13.2); a signal adds 128 to its number. */
enum {
  EXIT_FINE = 0,
  EXIT_FAILED = 1, /* a run-time failure: disk full, out of memory */
  EXIT_USAGE = 2,
  EXIT_DATA = 3,    /* data or weights that are missing or do not fit */
  EXIT_NUMERICS = 4 /* --check found a number that should not be */
};

/* The runtime's copies of enumerations that ir/ir.h defines for abi.h. */
enum { ENTRY_KIND_PLAIN, ENTRY_KIND_TRAIN, ENTRY_KIND_EVAL };
enum { INPUT_ARGUMENT, INPUT_COLUMN, INPUT_STEP };
enum { SOURCE_IDX, SOURCE_NPY, SOURCE_RAW };

/* ---- io.c: all input, output and allocation ------------------------------ */

/* One table of functions, so that a test can make any of them fail. Errors are
 * reported the POSIX way: -1 (NULL) and errno. */
typedef struct {
  int (*open)(const char *path, int flags, mode_t mode);
  ssize_t (*read)(int file, void *data, size_t size);
  ssize_t (*read_at)(int file, void *data, size_t size, off_t offset);
  ssize_t (*write)(int file, const void *data, size_t size);
  int (*status)(int file, struct stat *status);
  int (*path_status)(const char *path, struct stat *status);
  int (*lock)(int file); /* exclusive, without waiting; ends with the file */
  int (*sync)(int file);
  int (*close)(int file);
  int (*rename)(const char *from, const char *to);
  int (*unlink)(const char *path);
  void *(*allocate)(size_t size); /* 64-byte aligned, zeroed */
  void (*release)(void *memory);  /* NULL is fine */
} Io;
extern Io sgrt_io;

/* These go on after EINTR and after short transfers. */
int io_open(const char *path, int flags);
/* Fills `data` as far as the file reaches; -1 if it cannot be read. */
ssize_t io_read(int file, void *data, size_t size);
ssize_t io_read_at(int file, void *data, size_t size, uint64_t offset);
bool io_write_all(int file, const void *data, size_t size);
bool io_sync(int file);

/* Zeroed memory for count * size bytes from the table; NULL if there is not
 * that much, or the product overflows. */
void *memory_new(size_t count, size_t size);

/* "PROGRAM: message" on standard error. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Complains; EXIT_FAILED. */
int out_of_memory(void);

/* ---- text.c -------------------------------------------------------------- */

/* Text in the making, not NUL-terminated; `failed` once memory ran out. The
 * owner gives `data` back to sgrt_io.release. */
typedef struct {
  char *data;
  size_t length, capacity;
  bool failed;
} Text;

/* text_print is for short pieces; a longer one sets `failed`. */
enum { TEXT_PRINT_MAX = 256 };
void text_add(Text *text, const char *from, size_t length);
void text_print(Text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The inside of a JSON string. */
void text_escaped(Text *text, const char *from);
/* A copy of `text` with `suffix` behind it, in memory of the table. */
char *text_join(const char *text, const char *suffix);

/* ---- file.c: files that appear whole or not at all ----------------------- */

/* A file written under a temporary name beside its place. */
typedef struct {
  const char *path;
  char *temporary;
  int file;
} NewFile;

/* Removes a temporary file that an earlier run left behind. False: errno. */
bool new_file_open(NewFile *file, const char *path);
/* Syncs, closes and renames; on failure `path` is as it was and nothing else
 * is left. False: errno. */
bool new_file_finish(NewFile *file);
/* Gives up: the temporary file is removed; errno stays. */
void new_file_drop(NewFile *file);
/* A rename is durable once the folder that holds the name is. */
bool folder_sync(const char *path);

/* A path that one run writes to at a time: `path`.lock is held locked. The
 * lock ends with the process, so a leftover file bars nobody. */
typedef struct {
  char *path;
  int file;
} Lock;

/* Fails before any work is lost: where `path` cannot be written, is no regular
 * file, or another run holds the lock. */
int lock_take(Lock *lock, const char *path);
void lock_give_back(Lock *lock);

/* ---- stream.c: files that may be gzipped --------------------------------- */

typedef struct Stream Stream;
/* NULL after a complaint, with *status set. */
Stream *stream_open(const char *path, int *status);
void stream_close(Stream *stream);
/* Fills `data` as far as the stream reaches; -1 after a complaint. */
ssize_t stream_read(Stream *stream, void *data, size_t size);
/* No more than this many bytes can come out of it; UINT64_MAX: unknown. */
uint64_t stream_limit(const Stream *stream);
bool stream_is_gzipped(const Stream *stream);
/* The exit code that goes with the complaint, EXIT_FINE without one. */
int stream_status(const Stream *stream);

/* ---- array.c: .npy files ------------------------------------------------- */

/* Reads an array; the caller gives out->data back to sgrt_io.release. */
int array_read(const char *path, NpyArray *out);
/* Writes `bytes` bytes of C-order data with their header. */
int array_write(const char *path, Format format, int64_t rank,
                const int64_t *dim, const void *data, size_t bytes);

/* ---- signals.c ----------------------------------------------------------- */

/* From now on the first SIGINT, SIGTERM or SIGHUP is only noted, the next one
 * ends the process; signals that were ignored stay so. */
void signals_catch(void);
/* The signal that asks for an orderly end; 0: none. */
int signal_caught(void);

/* ---- threads.c ----------------------------------------------------------- */

typedef struct Team Team;
/* threads == 0: one per processor this process may use. */
int team_open(Team **team, int threads);
void team_close(Team *team);
int team_size(const Team *team);
/* Carries out a step; false if memory ran out within it. */
bool team_run(Team *team, SgStep *step, const SgFrame *frame);

/* ---- data.c: datasets ---------------------------------------------------- */

/* A column in memory: `count` examples of `stride` bytes each. */
typedef struct {
  unsigned char *data;
  int64_t count, stride;
} ColumnData;

typedef struct {
  int64_t count; /* of examples, the same in every column read */
  ColumnData *column;
} DatasetData;

/* `--data name.col=FILE`: where a column is read from instead. */
typedef struct {
  int64_t dataset, column;
  const char *path;
} Redirect;

/* Complains about a redirected column that none of these entries reads. `eval`
 * may be NULL. */
int redirects_check(const SgProgram *program, const SgEntry *entry,
                    const SgEntry *eval, const Redirect *redirect, int count);

/* The dataset that an entry's batch comes from; -1: none. */
int entry_dataset(const SgEntry *entry);
/* Reads the columns that `entry` needs; checks types, shapes, counts and label
 * limits. On failure nothing is kept. */
int dataset_open(const SgProgram *program, const SgEntry *entry,
                 const Redirect *redirect, int redirects, DatasetData *out);
void dataset_close(const SgProgram *program, const SgEntry *entry,
                   DatasetData *data);

/* ---- session.c: a program with its parameters in memory ------------------ */

typedef struct {
  const SgProgram *program;
  char **param; /* one buffer a parameter */
  Team *team;
  uint64_t seed, step; /* steps done so far */
} Session;

/* Threads and parameters, all zero. On failure nothing is kept. */
int session_open(Session *session, const SgProgram *program, int threads);
/* The exponent that the data of parameter `p` have now. */
int64_t session_exponent(const Session *session, int64_t p);
/* Initial values under `seed`. */
void session_initialize(Session *session, uint64_t seed);
void session_close(Session *session);

/* One entry made ready to run: its arena, inputs and exponents. */
typedef struct {
  const SgEntry *entry;
  char *arena;
  char **input;
  int32_t *exponent;
} Run;

int run_open(Run *run, const SgEntry *entry);
void run_close(Run *run); /* a zeroed one is fine */
/* Carries out step number `step` (1-based). After a failure parameters may
 * hold half a step. */
int run_step(const Session *session, Run *run, uint64_t step);
/* Fills the batch inputs with examples index[0 .. batch). */
void run_fill(Run *run, const DatasetData *data, const uint32_t *index);
/* Element `i` of a result, by value. */
double run_result(const Session *session, const Run *run, int64_t result,
                  int64_t i);
/* The bytes of a result, and the exponent that goes with them. */
const char *run_result_data(const Session *session, const Run *run,
                            int64_t result, int64_t *exponent);
/* Room for one number a result, zeroed; complains without memory. */
double *results_new(const SgEntry *entry);

/* Element `i` of an array, scale aside; 64-bit integers may round. */
double element_value(Format format, const void *data, int64_t i);
int64_t elements(int64_t rank, const int64_t *dim);
/* "u8[128,28,28]" into text. */
const char *type_text(char *text, size_t size, int64_t format, int64_t rank,
                      const int64_t *dim);

/* ---- safetensors.c: the format, read strictly ---------------------------- */

enum { TENSOR_RANK = 16 };

typedef struct {
  const char *name, *dtype; /* as long as the header lives */
  int64_t format;           /* -1: an element type that is none of ours */
  int64_t rank;             /* the first TENSOR_RANK sizes are in dim */
  int64_t dim[TENSOR_RANK];
  uint64_t begin, end; /* bytes of the file */
  int64_t owner;       /* for the reader's use; -1 at first */
} FileTensor;

typedef struct {
  const char *path;
  char *text; /* the header */
  size_t length;
  void *json;
  FileTensor *tensor; /* in the order of their data */
  size_t count;
} Safetensors;

/* Reads and checks the header of an open file: every byte behind it belongs to
 * exactly one tensor. On failure nothing is kept. */
int safetensors_open(Safetensors *out, const char *path, int file);
void safetensors_close(Safetensors *safetensors);
FileTensor *safetensors_find(const Safetensors *safetensors, const char *name);
/* A text of __metadata__, or NULL. */
const char *safetensors_metadata(const Safetensors *safetensors,
                                 const char *key);
/* The name of an element type; NULL for `real`. */
const char *safetensors_dtype(int64_t format);
/* The checksum that a header carries about itself and the data that follow:
 * its own eight digits count as zeros. Begins with the header. */
uint32_t checksum_header(const char *header, size_t length,
                         size_t digits_offset);
uint32_t checksum_add(uint32_t checksum, const void *data, size_t size);
/* How a header says it: what stands before the digits. */
#define CHECKSUM_KEY "\"crc32\":\""
enum { CHECKSUM_DIGITS = 8 };

/* ---- checkpoint_save.c, checkpoint_load.c -------------------------------- */

/* Writes every parameter and state with its exponent, the step and the seed;
 * see file.c for how. */
int checkpoint_save(const Session *session, const char *path,
                    const char *entry);
/* Loads a checkpoint of the same program. Exact differences of format or
 * exponent are converted; lossy ones are refused unless `convert`, and then
 * reported. With `resume`, the entry that goes on, step and seed are taken
 * over too. */
int checkpoint_load(Session *session, const char *path, bool convert,
                    const char *resume);

/* ---- progress.c ---------------------------------------------------------- */

/* The live line of a training run, on standard error. */
typedef struct {
  const SgEntry *entry;
  bool quiet, live;
  int64_t total, done; /* steps in all, and of this run so far */
  int64_t every;       /* plain lines: each so many steps */
  double begin, shown; /* seconds */
  double busy;         /* seconds within steps */
  double *sum;         /* of each result since the last line */
  int64_t summed;
} Progress;

double now_seconds(void);
int progress_begin(Progress *progress, const SgEntry *entry, int64_t total,
                   int64_t every, bool quiet);
/* After step number `step`, which took `seconds`. */
void progress_step(Progress *progress, const Session *session, const Run *run,
                   int64_t step, double seconds);
/* Prints the averages of an eval entry between two steps. */
void progress_evaluation(Progress *progress, int64_t step, const SgEntry *entry,
                         const double *mean);
void progress_end(Progress *progress);
/* Prints "loss 0.3417  accuracy 0.8760" for the results of an entry. */
void print_results(FILE *stream, const SgEntry *entry, const double *value);

/* ---- log.c: a line of JSON a step ---------------------------------------- */

typedef struct {
  const char *path;
  int file;    /* -1: no log */
  bool failed; /* it was complained about; training goes on */
} Log;

/* path == NULL: no log. */
int log_open(Log *log, const char *path, bool append);
/* `eval` names the eval entry that `value` belongs to, or is NULL. */
void log_step(Log *log, int64_t step, const char *eval, const SgEntry *entry,
              const double *value);
/* EXIT_FAILED if a line was lost. */
int log_close(Log *log);

/* ---- evaluate.c ---------------------------------------------------------- */

/* An eval entry with its dataset in memory. */
typedef struct {
  const SgProgram *program;
  Run run;
  DatasetData data;
  uint32_t *index; /* of one batch */
  double *mean;    /* of each result, after evaluation_run */
} Evaluation;

/* On failure nothing is kept. */
int evaluation_open(Evaluation *evaluation, const SgProgram *program,
                    const SgEntry *entry, const Redirect *redirect,
                    int redirects);
/* Averages the reports over the dataset; stops early on a caught signal. */
int evaluation_run(Evaluation *evaluation, const Session *session);
void evaluation_close(Evaluation *evaluation); /* a zeroed one is fine */

/* ---- check.c ------------------------------------------------------------- */

/* --check: EXIT_NUMERICS after a complaint if a result or a parameter is NaN
 * or infinite, or more than 0.1 % of a narrow parameter is saturated. */
int check_numbers(const Session *session, const Run *run);

/* ---- options.c: the command line ----------------------------------------- */

enum {
  COMMAND_TRAIN = 1,
  COMMAND_EVAL = 2,
  COMMAND_RUN = 4,
  COMMAND_INFO = 8,
  COMMAND_LOADING = COMMAND_EVAL | COMMAND_RUN
};

/* What the command line said; unset numbers are 0, unset texts NULL. */
typedef struct {
  const char *entry;
  int64_t steps, epochs, save_every, threads;
  const char *resume, *save, *weights, *log;
  bool quiet, convert, check, keep_going, help;
  bool has_seed;
  uint64_t seed;
  const char **output, **argument; /* of run */
  Redirect *redirect;
  int outputs, arguments, redirects;
} Arguments;

/* Reads what stands behind the command's name; argv must outlive *out. On
 * failure nothing is kept. */
int arguments_parse(Arguments *out, const SgProgram *program, unsigned command,
                    int argc, char *const *argv);
void arguments_free(Arguments *arguments);
void print_options(FILE *stream, unsigned command);

/* ---- commands ------------------------------------------------------------ */

const SgEntry *find_entry(const SgProgram *program, const char *name);
/* The only entry of a kind, or the one called `name`; complains if unclear. */
const SgEntry *choose_entry(const SgProgram *program, const char *name,
                            int64_t kind, const char *command);
/* Loads --weights, or the file that train saves. */
int load_weights(Session *session, const Arguments *arguments);

int command_train(const SgProgram *program, const Arguments *arguments);
int command_eval(const SgProgram *program, const Arguments *arguments);
int command_run(const SgProgram *program, const Arguments *arguments);
int command_info(const SgProgram *program, const Arguments *arguments);

/* All of main: carries out a command line, returns the exit code. */
int sgrt_main(int argc, char **argv);
/* The same for any program, not only sg_program. */
int program_main(const SgProgram *program, int argc, char **argv);

#endif
