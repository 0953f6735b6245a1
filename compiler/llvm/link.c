/* Object code to an executable, by the C compiler's driver.
 *
 * In: an object file, the runtime library, the driver's name. The driver is
 * spawned with an argument vector, so no name passes through a shell; a name
 * that starts with '-' gets "./" before it. What the driver says becomes the
 * diagnostic's note.
 */
#include "compiler/llvm/emit.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SG_JANSSON_LIBRARY
#define SG_JANSSON_LIBRARY "-ljansson"
#endif
#ifndef SG_ZLIB_LIBRARY
#define SG_ZLIB_LIBRARY "-lz"
#endif
#ifndef SG_GOMP_LIBRARY
#define SG_GOMP_LIBRARY "-lgomp"
#endif
/* Sanitizers that the runtime library was built with: "address,undefined". */
#ifndef SG_SANITIZE_LINK
#define SG_SANITIZE_LINK ""
#endif

extern char **environ;

enum { ARGUMENTS_MAX = 32, TEXT_MAX = 1 << 16 };

typedef struct {
  char *item[ARGUMENTS_MAX + 1];
  int count;
} Arguments;

/* Copies: posix_spawn wants writable strings. */
static void argument_add(Arguments *arguments, Arena *arena, const char *text) {
  if (arguments->count < ARGUMENTS_MAX)
    arguments->item[arguments->count++] =
        arena_string(arena, text, strlen(text));
}

static const char *file_argument(Arena *arena, const char *path) {
  return path[0] == '-' ? arena_printf(arena, "./%s", path) : path;
}

/* The words of `driver` ("gcc", "ccache clang"). */
static void add_driver(Arguments *arguments, Arena *arena, const char *driver) {
  for (const char *at = driver + strspn(driver, " \t"); *at != '\0';) {
    size_t length = strcspn(at, " \t");
    argument_add(arguments, arena, arena_string(arena, at, length));
    at += length;
    at += strspn(at, " \t");
  }
}

/* A library given as a file is used if it is there, else by its name. */
static const char *library(const char *configured, const char *name) {
  bool file = configured[0] != '-';
  return file && access(configured, R_OK) != 0 ? name : configured;
}

/* driver -o path object runtime libraries */
static Arguments link_arguments(const BackendOptions *options,
                                const char *object, const char *path,
                                Arena *arena) {
  const char *driver = options->cc ? options->cc : getenv("CC");
  const char *word[] = {"-o",
                        file_argument(arena, path),
                        file_argument(arena, object),
                        file_argument(arena, options->runtime),
                        library(SG_JANSSON_LIBRARY, "-ljansson"),
                        library(SG_ZLIB_LIBRARY, "-lz"),
                        library(SG_GOMP_LIBRARY, "-lgomp"),
                        "-lm",
                        "-lpthread"};
  Arguments arguments = {.count = 0};
  if (driver)
    add_driver(&arguments, arena, driver);
  if (arguments.count == 0)
    argument_add(&arguments, arena, "cc");
  for (size_t i = 0; i < sizeof word / sizeof *word; i++)
    argument_add(&arguments, arena, word[i]);
  if (SG_SANITIZE_LINK[0] != '\0')
    argument_add(&arguments, arena, "-fsanitize=" SG_SANITIZE_LINK);
  return arguments;
}

static void print_command(const Arguments *arguments) {
  for (int i = 0; i < arguments->count; i++)
    fprintf(stderr, "%s%s", i > 0 ? " " : "", arguments->item[i]);
  fputc('\n', stderr);
}

/* Starts the driver with both output streams on `output`. 0 or an errno. */
static int spawn(const Arguments *arguments, int output, pid_t *child) {
  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error)
    return error;
  error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
  if (!error)
    error = posix_spawn_file_actions_adddup2(&actions, output, 1);
  if (!error)
    error = posix_spawn_file_actions_adddup2(&actions, output, 2);
  if (!error)
    error = posix_spawnp(child, arguments->item[0], &actions, NULL,
                         arguments->item, environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

/* Reads to the end, keeping the first TEXT_MAX bytes. */
static void drain(int input, Buffer *text) {
  char block[4096];
  for (;;) {
    ssize_t n = read(input, block, sizeof block);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return;
    if (text->length + (size_t)n <= TEXT_MAX)
      buffer_add(text, block, (size_t)n);
  }
}

/* Runs to the end; *status as from waitpid. 0 or an errno. */
static int run(const Arguments *arguments, Buffer *text, int *status) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return errno;
  pid_t child;
  int error = spawn(arguments, ends[1], &child);
  close(ends[1]);
  if (!error) {
    drain(ends[0], text);
    while (waitpid(child, status, 0) < 0 && errno == EINTR)
      continue;
  }
  close(ends[0]);
  return error;
}

/* `error` from spawning, or the driver's wait status. */
static void link_failed(const char *driver, int error, int status,
                        const Buffer *text, Arena *arena,
                        Diagnostics *diagnostics) {
  Diagnostic page = {.severity = SEVERITY_ERROR, .code = "E0794"};
  if (error)
    page.message = arena_printf(arena, "cannot run the linker driver `%s`: %s",
                                driver, strerror(error));
  else if (WIFSIGNALED(status))
    page.message = arena_printf(arena, "`%s` was ended by signal %d", driver,
                                WTERMSIG(status));
  else
    page.message = arena_printf(arena, "linking failed: `%s` gave status %d",
                                driver, WEXITSTATUS(status));
  if (text->length > 0)
    page.note[page.note_count++] =
        arena_string(arena, text->data, text->length);
  if (error)
    page.hint = "install a C compiler, or name one with --cc or CC";
  diagnose(diagnostics, &page);
}

bool link_executable(const BackendOptions *options, const char *object,
                     const char *path, Arena *arena, Diagnostics *diagnostics) {
  if (!options->runtime) {
    diagnose_error(diagnostics, (Span){0}, "E0794",
                   "linking failed: the runtime library libsgrt.a was not "
                   "found");
    return false;
  }
  Arguments arguments = link_arguments(options, object, path, arena);
  if (options->verbose)
    print_command(&arguments);
  Buffer text = {0};
  int status = 0;
  int error = run(&arguments, &text, &status);
  bool done = !error && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!done)
    link_failed(arguments.item[0], error, status, &text, arena, diagnostics);
  buffer_free(&text);
  return done;
}
