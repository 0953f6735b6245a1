/* Things that know nothing of compilers: memory by lifetime, strings, buffers,
 * source files, diagnostics. The bottom layer; includes nothing above it.
 */
#ifndef SG_IR_BASE_H
#define SG_IR_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SG_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define SG_PRINTF(text, first)
#endif

/* ---- arena.c: lifetimes, not frees --------------------------------------- */

/* A growing region; all of it is released at once. */
typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *arena); /* NULL is fine */
/* Zeroed memory, aligned for any type. Never NULL: running out of memory ends
 * in the process's out-of-memory handler (one message, exit code 70). */
void *arena_alloc(Arena *arena, size_t size);
void *arena_array(Arena *arena, size_t count, size_t size); /* checked */
void *arena_copy(Arena *arena, const void *data, size_t size);
char *arena_string(Arena *arena, const char *text, size_t length);
char *arena_printf(Arena *arena, const char *format, ...) SG_PRINTF(2, 3);
size_t arena_used(const Arena *arena);

#define NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define NEW_ARRAY(arena, type, count)                                          \
  ((type *)arena_array((arena), (count), sizeof(type)))

/* *out = a * b; false (and *out untouched) if that does not fit. */
bool checked_mul(size_t a, size_t b, size_t *out);

/* Growable arrays on the heap: `VEC(int) v = {0}; vec_push(&v, 1); vec_free`.
 * The fields are data, length, capacity. */
#define VEC(type)                                                              \
  struct {                                                                     \
    type *data;                                                                \
    size_t length, capacity;                                                   \
  }
#define vec_push(v, ...)                                                       \
  (vec_grow_((void **)&(v)->data, &(v)->capacity, (v)->length + 1,             \
             sizeof *(v)->data),                                               \
   (v)->data[(v)->length++] = (__VA_ARGS__))
#define vec_pop(v) ((v)->data[--(v)->length])
#define vec_free(v)                                                            \
  (vec_release_((v)->data), (v)->data = NULL, (v)->length = (v)->capacity = 0)
void vec_grow_(void **data, size_t *capacity, size_t length, size_t size);
void vec_release_(void *data);

/* ---- text.c, map.c: interned strings, maps of them, buffers -------------- */

/* Equal strings are the same pointer. Lives as long as the compilation. */
typedef struct Interner Interner;

Interner *interner_new(Arena *arena);
const char *intern(Interner *interner, const char *text);
const char *intern_n(Interner *interner, const char *text, size_t length);
const char *intern_printf(Interner *interner, const char *format, ...)
    SG_PRINTF(2, 3);

/* From interned text to a number other than 0. All zero: empty. */
typedef struct {
  Arena *arena; /* its own */
  const char **key;
  uint32_t *value;
  size_t count, capacity;
} WordMap;

/* The value under `key`, or 0. */
uint32_t word_map_get(const WordMap *map, const char *key);
void word_map_set(WordMap *map, const char *key, uint32_t value);
void word_map_free(WordMap *map); /* leaves it empty */

/* A growing text on the heap; always NUL-terminated once written to. */
typedef struct {
  char *data;
  size_t length, capacity;
} Buffer;

void buffer_add(Buffer *buffer, const char *text, size_t length);
void buffer_text(Buffer *buffer, const char *text);
void buffer_char(Buffer *buffer, char c);
void buffer_printf(Buffer *buffer, const char *format, ...) SG_PRINTF(2, 3);
void buffer_vprintf(Buffer *buffer, const char *format, va_list args);
/* Appends the shortest decimal that reads back as the same binary64, always
 * with a point or an exponent (`1.0`, `1e-05`), or `inf`, `-inf`, `nan`. */
void buffer_float(Buffer *buffer, double value);
/* Appends `text` as a quoted string literal with escapes. */
void buffer_quoted(Buffer *buffer, const char *text, size_t length);
/* Appends spaces until the line begun at offset `line` has `column` columns. */
void buffer_pad(Buffer *buffer, size_t line, size_t column);
void buffer_free(Buffer *buffer);

/* Edit distance (Levenshtein with transpositions), at most limit + 1. */
unsigned edit_distance(const char *a, const char *b, unsigned limit);

/* Grouped decimal: 669706 -> "669,706". Returns arena memory. */
const char *grouped_number(Arena *arena, uint64_t value);

/* ---- limits.c: how large a program may be -------------------------------- */

typedef enum {
#define LIMIT(id, ...) LIMIT_##id,
#include "ir/base/limits.def"
  LIMIT_COUNT
} LimitId;

typedef struct {
  const char *name; /* of the option: --max-<name> */
  int64_t standard, largest;
  const char *counts;
} LimitInfo;

/* The values in force, one a LimitId. */
typedef struct {
  int64_t of[LIMIT_COUNT];
} Limits;

const LimitInfo *limit_info(LimitId limit);
LimitId limit_named(const char *name); /* LIMIT_COUNT if there is none */
Limits limits_standard(void);
/* "`--max-turns=100000` limits the turns of one loop": the note of a message
 * about what went beyond. */
const char *limit_note(Arena *arena, const Limits *limits, LimitId limit);

/* ---- source.c: source files and places in them --------------------------- */

typedef struct {
  const char *name; /* as the user wrote it */
  const char *text; /* NUL-terminated; may hold NULs before its end */
  size_t length;
  bool builtin;          /* part of the embedded standard library */
  bool file;             /* `name` is the path it was read from */
  const uint32_t *lines; /* offset of the first byte of each line */
  uint32_t line_count;
} Source;

/* Bytes [start, end) of source number `source`. All zero: no place known. */
typedef struct {
  uint32_t source; /* 1-based; 0 is "nowhere" */
  uint32_t start, end;
} Span;

typedef struct {
  uint32_t line, column; /* 1-based; columns count bytes */
} Place;

/* All the sources of one compilation, and the limits that it keeps to. */
typedef struct {
  Arena *arena;
  Limits limits; /* sources_init: the standard ones */
  VEC(Source *) files;
} Sources;

void sources_init(Sources *sources, Arena *arena);
void sources_free(Sources *sources);
/* Adds a text (copied); returns its 1-based number. */
uint32_t sources_add(Sources *sources, const char *name, const char *text,
                     size_t length, bool builtin);
const Source *sources_get(const Sources *sources, uint32_t number);
Place source_place(const Source *source, uint32_t offset);
Span span_join(Span a, Span b);
/* Notes that a source was read from the file of its name. */
void sources_mark_file(Sources *sources, uint32_t number);

/* Reads a whole file ("-": standard input) of at most `limit` bytes into heap
 * memory, NUL-terminated. Returns NULL and sets *error (file_too_large or
 * strerror) if it cannot; *length gets its size. The caller frees. */
extern const char file_too_large[];
char *file_read(const char *path, size_t limit, size_t *length,
                const char **error);

/* ---- diagnostic.c: errors are small pages -------------------------------- */

typedef enum { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_REMARK } Severity;

/* A place inside a message: `span` underlined, with `text` beside it. */
typedef struct {
  Span span;
  const char *text; /* may be NULL: underline only */
} Label;

enum { DIAGNOSTIC_LABELS = 4, DIAGNOSTIC_NOTES = 4 };

/* One message. Build it on the stack and hand it to diagnose(). The first
 * label is the primary place (underlined with ^, others with -). */
typedef struct {
  Severity severity;
  const char *code;    /* "E0301", or NULL */
  const char *message; /* what is wrong, one line */
  Label label[DIAGNOSTIC_LABELS];
  int label_count;
  const char *note[DIAGNOSTIC_NOTES]; /* printed as `= note: ...` */
  int note_count;
  const char *hint;  /* `= hint: ...`, at most one */
  const char *trace; /* "in net.l3, called from ...", or NULL */
} Diagnostic;

/* A row of diagnostics.def. */
typedef struct {
  const char *code;
  const char *warning; /* the NAME of -WNAME; NULL for an error */
  const char *title;   /* what is wrong, in one line */
} DiagnosticInfo;

/* All of them, sorted by code. */
const DiagnosticInfo *diagnostic_list(size_t *count);
/* The row of a code, or NULL. */
const DiagnosticInfo *diagnostic_info(const char *code);

enum { DIAGNOSTIC_ROWS = 400 };

typedef enum { WARNING_OFF, WARNING_ON, WARNING_ERROR } WarningLevel;

/* What the -W options say, by row of the list; all zero: every warning on. */
typedef struct {
  bool all_errors; /* -Werror */
  bool off[DIAGNOSTIC_ROWS], error[DIAGNOSTIC_ROWS], kept[DIAGNOSTIC_ROWS];
} WarningSet;

/* Carries out one -W option, given what follows the W: `NAME`, `no-NAME`,
 * `error`, `error=NAME`, `no-error=NAME`, with `all` for every name. A later
 * option wins. False if no warning has that name. */
bool warning_option(WarningSet *set, const char *text);
WarningLevel warning_level(const WarningSet *set, const char *code);

typedef struct Diagnostics Diagnostics;

/* Called with each finished message: the rendered page. */
typedef void (*DiagnosticSink)(void *user, Severity severity,
                               const char *rendered);

Diagnostics *diagnostics_new(Arena *arena, const Sources *sources,
                             DiagnosticSink sink, void *user);
void diagnostics_set_color(Diagnostics *diagnostics, bool color);
/* At most this many errors are shown (default 20); the rest are counted. */
void diagnostics_set_limit(Diagnostics *diagnostics, unsigned max_errors);
/* Receives each message that would be rendered, instead of the sink. */
typedef void (*DiagnosticObserver)(void *user, const Diagnostic *diagnostic);
void diagnostics_observe(Diagnostics *diagnostics, DiagnosticObserver observer,
                         void *user);
/* The warnings of this compilation, for warning_option. */
WarningSet *diagnostics_warnings(Diagnostics *diagnostics);
/* Renders and delivers; the code has a row in diagnostics.def. A warning that
 * is off is dropped, and one that -Werror names is an error. Errors beyond the
 * limit, and second errors at the same primary span with the same message, are
 * only counted. */
void diagnose(Diagnostics *diagnostics, const Diagnostic *diagnostic);
/* The everyday form: an error at `span`. */
void diagnose_error(Diagnostics *diagnostics, Span span, const char *code,
                    const char *format, ...) SG_PRINTF(4, 5);
unsigned diagnostics_errors(const Diagnostics *diagnostics);
/* Will further errors only be counted? Then hints need not be looked for. */
bool diagnostics_full(const Diagnostics *diagnostics);
/* "3 errors" / says how many were not shown; empty without errors. */
const char *diagnostics_summary(const Diagnostics *diagnostics);

/* The candidate nearest to `name` within edit distance 2 (1 for names of up to
 * three letters), or NULL: for did-you-mean. */
const char *nearest_name(const char *name, const char *const *candidates,
                         size_t count);

#endif
