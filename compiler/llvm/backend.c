/* The back end's front door: a planned program to a file.
 *
 * In: a program at level final, after plan. Out: LLVM text, assembly, an object
 * file or an executable. Each call has an LLVM context of its own. Output is
 * made in a new folder beside its destination and moved into place when it is
 * complete, so a failure leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <llvm/Config/llvm-config.h>

#include "compiler/llvm/kernel.h"

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

const char *backend_llvm_version(void) {
  return LLVM_VERSION_STRING;
}

/* ---- code ---------------------------------------------------------------- */

/* A context, an empty module for the machine's target, the common types. */
static void emit_begin(Emit *emit, LLVMTargetMachineRef machine) {
  LLVMContextRef context = LLVMContextCreate();
  emit->context = context;
  emit->builder = LLVMCreateBuilderInContext(context);
  emit->i1 = LLVMInt1TypeInContext(context);
  emit->i8 = LLVMInt8TypeInContext(context);
  emit->i16 = LLVMInt16TypeInContext(context);
  emit->i32 = LLVMInt32TypeInContext(context);
  emit->i64 = LLVMInt64TypeInContext(context);
  emit->f32 = LLVMFloatTypeInContext(context);
  emit->f64 = LLVMDoubleTypeInContext(context);
  emit->pointer = LLVMPointerTypeInContext(context, 0);
  emit->none = LLVMVoidTypeInContext(context);
  emit->module =
      LLVMModuleCreateWithNameInContext(emit->program->name, context);
  char *triple = LLVMGetTargetMachineTriple(machine);
  LLVMSetTarget(emit->module, triple);
  LLVMDisposeMessage(triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
  LLVMSetModuleDataLayout(emit->module, layout);
  LLVMDisposeTargetData(layout);
}

static void emit_end(Emit *emit) {
  LLVMDisposeBuilder(emit->builder);
  LLVMDisposeModule(emit->module);
  LLVMContextDispose(emit->context);
}

static bool emit_program(Emit *emit, const char *source_name) {
  const Program *program = emit->program;
  StepCode *steps = NEW_ARRAY(emit->arena, StepCode, program->graph.length + 1);
  for (size_t i = 0; i < program->graph.length; i++)
    if (!step_lower(emit, program->graph.data[i], &steps[i]))
      return false;
  return manifest_emit(emit, source_name, steps);
}

/* What a program may say and executables do not do yet: never left out
 * silently. */
static bool native_refuse(Diagnostics *diagnostics, Span span, const char *what,
                          const char *name) {
  diagnose_error(diagnostics, span, "E0790",
                 "no code for %s `%s`: executables of this version do not %s",
                 what, name,
                 strcmp(what, "weights") == 0    ? "load a map of weights"
                 : strcmp(what, "generate") == 0 ? "generate"
                                                 : "read it");
  return false;
}

/* Executables draw one batch a step: examples of one dataset, of one number. */
static bool one_batch(const Graph *graph, Diagnostics *diagnostics) {
  const Input *first = NULL;
  for (size_t i = 0; i < graph->input.length; i++) {
    const Input *input = &graph->input.data[i];
    if (input->source != SOURCE_COLUMN)
      continue;
    const Type *type = graph_node(graph, input->value)->type;
    bool again = false;
    for (size_t k = 0; k < i; k++)
      again |= graph->input.data[k].source == SOURCE_COLUMN &&
               graph->input.data[k].column == input->column;
    first = first ? first : input;
    if (!again && input->dataset == first->dataset &&
        type->dim[0] == graph_node(graph, first->value)->type->dim[0])
      continue;
    diagnose_error(diagnostics, graph_node(graph, input->value)->span, "E0790",
                   "no code for the second batch of %s (%s): executables of "
                   "this version take one a step",
                   graph->name, input->name);
    return false;
  }
  return true;
}

static bool native_supports(const Program *program, Diagnostics *diagnostics) {
  bool fine = true;
  for (size_t i = 0; i < program->graph.length; i++)
    fine &= one_batch(program->graph.data[i], diagnostics);
  for (size_t i = 0; i < program->dataset.length; i++) {
    const Dataset *dataset = &program->dataset.data[i];
    for (size_t c = 0; c < dataset->column.length; c++) {
      const Column *column = &dataset->column.data[c];
      if (!source_info(column->source)->native)
        fine = native_refuse(diagnostics, column->span, "the data source",
                             source_info(column->source)->word);
    }
  }
  for (size_t i = 0; i < program->param.length; i++)
    if (!type_is_real(program->param.data[i].type) &&
        !program->param.data[i].measured)
      fine = native_refuse(diagnostics, program->param.data[i].span,
                           "the state of whole numbers",
                           program->param.data[i].name);
  for (size_t i = 0; i < program->weights.length; i++)
    fine = native_refuse(diagnostics, program->weights.data[i].span, "weights",
                         program->weights.data[i].model);
  for (size_t i = 0; i < program->generate.length; i++)
    fine = native_refuse(diagnostics, program->generate.data[i].span,
                         "generate", program->generate.data[i].name);
  return fine;
}

/* One call of backend_write. */
typedef struct {
  const BackendOptions *options;
  OutputKind kind;
  const char *path;
  BackendReport report;
  Arena *arena;
  Diagnostics *diagnostics;
} Job;

/* Lowers, optimises and writes code to `out`. */
static bool generate(Job *job, Emit *emit, LLVMTargetMachineRef machine,
                     Buffer *out) {
  ContextErrors errors = {0};
  double start = now();
  emit_begin(emit, machine);
  object_watch_errors(emit->context, &errors);
  bool done =
      emit_program(emit, job->options->source_name) && object_verify(emit);
  double lowered = now();
  done = done && object_optimize(emit, machine);
  double passed = now();
  done = done && object_bytes(emit, machine, job->kind, &errors, out);
  job->report.seconds[0] = lowered - start;
  job->report.seconds[1] = passed - lowered;
  job->report.seconds[2] = now() - passed;
  emit_end(emit);
  free(errors.first);
  return done;
}

/* Everything up to bytes in memory. */
static bool compile(Job *job, const Program *program, Buffer *out) {
  KernelTable kernels = {.entry = {NULL, 0, 0}};
  Emit emit = {.program = program,
               .strict = job->options->strict,
               .optimization = job->options->optimization,
               .arena = job->arena,
               .diagnostics = job->diagnostics,
               .kernels = &kernels};
  if (!target_choose(&emit.target, job->options->march, job->arena,
                     job->diagnostics))
    return false;
  LLVMTargetMachineRef machine =
      target_machine(job->options->optimization, job->diagnostics);
  if (!machine)
    return false;
  bool done = generate(job, &emit, machine, out);
  kernel_table_free(&kernels);
  LLVMDisposeTargetMachine(machine);
  return done;
}

/* ---- files --------------------------------------------------------------- */

/* Diagnoses errno; returns false for the caller to hand on. */
static bool file_error(Job *job, const char *path) {
  job->report.unwritable = true;
  diagnose_error(job->diagnostics, (Span){0}, "E0796", "cannot write %s: %s",
                 path, strerror(errno));
  return false;
}

static bool write_all(int file, const Buffer *data) {
  for (size_t done = 0; done < data->length;) {
    ssize_t n = write(file, data->data + done, data->length - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return false;
    done += (size_t)n;
  }
  return true;
}

/* Writes `path`, with the flags of open. */
static bool write_file(Job *job, const char *path, int flags,
                       const Buffer *data) {
  int file = open(path, O_WRONLY | O_CLOEXEC | flags, 0666);
  if (file < 0)
    return file_error(job, path);
  bool done = write_all(file, data);
  int error = errno;
  if (close(file) != 0 && done) {
    error = errno;
    done = false;
  }
  errno = error;
  return done || file_error(job, path);
}

/* A new folder beside `path`, for names that rename can move to it. */
static char *work_folder(Job *job, const char *path) {
  char *folder = arena_printf(job->arena, "%s.XXXXXX", path);
  if (mkdtemp(folder))
    return folder;
  file_error(job, path);
  return NULL;
}

static bool finish_file(Job *job, const char *made, const char *path) {
  return rename(made, path) == 0 || file_error(job, path);
}

/* Makes `out` in the folder: the code itself, or what it links to. */
static bool make_output(Job *job, const char *folder, const char *out,
                        const Buffer *code) {
  if (job->kind != OUTPUT_EXECUTABLE)
    return write_file(job, out, O_CREAT | O_EXCL, code);
  const char *object = arena_printf(job->arena, "%s/code.o", folder);
  double start = now();
  bool done =
      write_file(job, object, O_CREAT | O_EXCL, code) &&
      link_executable(job->options, object, out, job->arena, job->diagnostics);
  job->report.seconds[3] = now() - start;
  unlink(object);
  return done;
}

/* Standard output and devices as they are; all else through a folder. */
static bool write_output(Job *job, const Buffer *code) {
  struct stat status;
  bool file = job->kind != OUTPUT_EXECUTABLE;
  if (file && strcmp(job->path, "-") == 0)
    return write_all(STDOUT_FILENO, code) || file_error(job, "standard output");
  bool device = stat(job->path, &status) == 0 && !S_ISREG(status.st_mode);
  if (device && file)
    return write_file(job, job->path, 0, code);
  char *folder = work_folder(job, job->path);
  if (!folder)
    return false;
  const char *out = arena_printf(job->arena, "%s/out", folder);
  bool done =
      make_output(job, folder, out, code) && finish_file(job, out, job->path);
  unlink(out);
  rmdir(folder);
  return done;
}

bool backend_knows_cpu(const char *march, Diagnostics *diagnostics) {
  Target target;
  Arena *arena = arena_new();
  bool known = target_choose(&target, march, arena, diagnostics);
  arena_free(arena);
  return known;
}

bool backend_write(const Program *program, const BackendOptions *options,
                   OutputKind kind, const char *path, BackendReport *report,
                   Diagnostics *diagnostics) {
  Buffer code = {0};
  Job job = {.options = options,
             .kind = kind,
             .path = path,
             .arena = arena_new(),
             .diagnostics = diagnostics};
  bool done = native_supports(program, diagnostics) &&
              compile(&job, program, &code) && write_output(&job, &code);
  buffer_free(&code);
  if (report)
    *report = job.report;
  arena_free(job.arena);
  return done;
}
