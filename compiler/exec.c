/* `sgc exec`: an entry carried out by the reference evaluator, at any stage.
 *
 * In: inputs as .npy files or reproducible random values. Out: the results of
 * every step on standard output, as exact decimals, and on request what
 * overflowed or underflowed; with a dump folder, every result and parameter as
 * .npy (data in f32 or f64, exponents folded in).
 */
#include "compiler/context.h"

#include "ir/eval.h"
#include "ir/npy.h"
#include "ir/rng.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  sg_context *sg;
  const Graph *graph;
  const sg_exec_options *options;
  size_t rounds;       /* micro-batches a step */
  Tensor *input;       /* one per Graph.input, for each micro-batch */
  bool *given;         /* from a file or by default, by Graph.input */
  uint64_t unmeasured; /* exponents, in the steps so far */
} Execution;

static bool precision_named(const char *text, Precision *out) {
  static const char *const name[] = {"f64", "f32", "edges"};
  for (int i = 0; text && i < 3; i++)
    if (strcmp(name[i], text) == 0) {
      *out = (Precision)i;
      return true;
    }
  if (!text)
    *out = PRECISION_EDGES;
  return !text;
}

/* The entry asked for; without a name the only one, or the train entry. `f`
 * means `f.64` where that is its only size. */
static const Graph *choose_entry(sg_context *sg, const char *name) {
  const Program *program = sg->program;
  const Graph *train = NULL, *called = NULL;
  size_t count = 0;
  for (size_t i = 0; i < program->graph.length; i++) {
    const Graph *graph = program->graph.data[i];
    if (name && entry_is_called(graph->name, name)) {
      called = graph;
      count++;
    }
    if (graph->kind == ENTRY_TRAIN || program->graph.length == 1)
      train = graph;
  }
  if (name ? count == 1 : train != NULL)
    return name ? called : train;
  Buffer list = {0};
  for (size_t i = 0; i < program->graph.length; i++)
    if (count == 0 || entry_is_called(program->graph.data[i]->name, name))
      buffer_printf(&list, "%s%s", list.length ? ", " : "",
                    program->graph.data[i]->name);
  context_message(sg, SG_ERROR,
                  count  ? "which size of %s? there are: %s"
                  : name ? "no entry is called %s; there are: %s"
                         : "which entry%s? --entry=NAME; there "
                           "are: %s",
                  name ? name : "", list.data ? list.data : "none");
  buffer_free(&list);
  return NULL;
}

/* ---- inputs ------------------------------------------------------------- */

/* Reproducible stand-ins: uniform integers for integer inputs (below the
 * number of classes for labels), standard normal reals. */
static void fill_random(Execution *run, const Input *input, Tensor *tensor,
                        uint64_t step) {
  RngKey key = rng_key(run->options->seed, step, rng_hash_name(input->name));
  const FormatInfo *format = format_info(tensor->type->format);
  int64_t limit = graph_label_limit(run->graph, input->value);
  uint32_t range = limit                       ? (uint32_t)limit
                   : format->kind == KIND_BOOL ? 2
                                               : 256;
  for (int64_t i = 0; i < tensor->type->elements; i++)
    tensor->data[i] =
        format->kind == KIND_FLOAT || format->kind == KIND_ABSTRACT
            ? (double)rng_normal(key, (uint64_t)i)
            : (double)(rng_u32(key, (uint64_t)i) % range);
}

static int find_input(const Graph *graph, const char *name, size_t length) {
  for (size_t i = 0; i < graph->input.length; i++) {
    const char *input = graph->input.data[i].name;
    if (strlen(input) == length && memcmp(input, name, length) == 0)
      return (int)i;
  }
  return -1;
}

/* `name=file.npy`: the array must have the input's shape. */
static sg_status load_input(Execution *run, const char *text) {
  sg_context *sg = run->sg;
  const char *equals = strchr(text, '=');
  int index =
      equals ? find_input(run->graph, text, (size_t)(equals - text)) : -1;
  if (index < 0) {
    context_message(sg, SG_ERROR,
                    "%s: %s has no such input; an input is given "
                    "as NAME=FILE.npy",
                    text, run->graph->name);
    return SG_USAGE;
  }
  if (!equals[1]) {
    context_message(sg, SG_ERROR,
                    "the input %s needs an array: it is given as %sFILE.npy",
                    run->graph->input.data[index].name, text);
    return SG_USAGE;
  }
  if (run->given[index]) {
    context_message(sg, SG_ERROR, "%s: this input is given twice", text);
    return SG_USAGE;
  }
  NpyArray array;
  char error[256];
  if (!npy_read(equals + 1, &array, error, sizeof error)) {
    context_message(sg, SG_ERROR, "%s: %s", equals + 1, error);
    return SG_FILE;
  }
  Tensor *tensor = &run->input[index];
  bool fits = array.rank == tensor->type->rank;
  for (int i = 0; fits && i < array.rank; i++)
    fits = array.dim[i] == tensor->type->dim[i];
  if (fits) {
    size_t count = run->graph->input.length;
    for (size_t k = 0; k < run->rounds; k++)
      npy_to_double(&array, run->input[(size_t)index + k * count].data);
    run->given[index] = true;
  } else {
    Buffer found = {0}, wanted = {0};
    for (int i = 0; i < array.rank; i++)
      buffer_printf(&found, "%s%" PRId64, i > 0 ? "," : "", array.dim[i]);
    type_print(&wanted, tensor->type);
    context_message(sg, SG_ERROR, "%s is [%s], and %.*s is %s", equals + 1,
                    found.data ? found.data : "", (int)(equals - text), text,
                    wanted.data);
    buffer_free(&found);
    buffer_free(&wanted);
  }
  npy_free(&array);
  return fits ? SG_OK : SG_FILE;
}

/* What was left out and may be. */
static void fill_defaults(Execution *run) {
  size_t count = run->graph->input.length;
  for (size_t k = 0; k < run->rounds * count; k++) {
    const Input *input = &run->graph->input.data[k % count];
    if (!input->has_default || run->given[k % count])
      continue;
    for (int64_t i = 0; i < run->input[k].type->elements; i++)
      run->input[k].data[i] = input->default_value;
  }
  for (size_t i = 0; i < count; i++)
    run->given[i] |= run->graph->input.data[i].has_default;
}

static sg_status prepare_inputs(Execution *run) {
  const Graph *graph = run->graph;
  Arena *arena = run->sg->arena;
  size_t count = graph->input.length;
  run->rounds = graph->run.accumulate > 0 ? (size_t)graph->run.accumulate : 1;
  run->input = NEW_ARRAY(arena, Tensor, run->rounds * count + 1);
  run->given = NEW_ARRAY(arena, bool, count + 1);
  for (size_t k = 0; k < run->rounds * count; k++) {
    ValueId value = graph->input.data[k % count].value;
    const Type *type = graph_node(graph, value)->type;
    run->input[k] =
        (Tensor){.type = type,
                 .data = NEW_ARRAY(arena, double, (size_t)type->elements + 1)};
  }
  sg_status status = SG_OK;
  for (size_t i = 0; i < run->options->input_count && status == SG_OK; i++)
    status = load_input(run, run->options->inputs[i]);
  fill_defaults(run);
  return status;
}

/* ---- results ------------------------------------------------------------ */

/* Values of a tensor with the exponent folded in. */
static double *folded(Arena *arena, const Tensor *tensor) {
  double *value = NEW_ARRAY(arena, double, (size_t)tensor->type->elements + 1);
  for (int64_t i = 0; i < tensor->type->elements; i++)
    value[i] = ldexp(tensor->data[i], tensor->exponent);
  return value;
}

static sg_status dump_tensor(Execution *run, const char *name,
                             const Tensor *tensor) {
  bool integer = !format_is_float(tensor->type->format) &&
                 tensor->type->format != FORMAT_REAL;
  char *path =
      arena_printf(run->sg->arena, "%s/%s.npy", run->options->dump, name);
  char error[256];
  if (npy_write_double(path, integer ? FORMAT_I64 : FORMAT_F64,
                       tensor->type->rank, tensor->type->dim,
                       folded(run->sg->arena, tensor), error, sizeof error))
    return SG_OK;
  context_message(run->sg, SG_ERROR, "%s: %s", path, error);
  return SG_FILE;
}

/* Integers as such, reals as the shortest decimal that reads back. */
static void print_number(Buffer *out, const Tensor *tensor, double value) {
  FormatKind kind = format_info(tensor->type->format)->kind;
  if (kind == KIND_FLOAT || kind == KIND_ABSTRACT)
    buffer_float(out, value);
  else
    buffer_printf(out, "%lld", (long long)value);
}

/* `  loss 2.302585` per scalar; tensors of up to 16 elements in full; larger
 * ones by shape (use --dump for their elements). */
static void print_result(Buffer *out, Arena *arena, const Result *result,
                         const Tensor *tensor) {
  buffer_printf(out, "  %s ", result->name);
  double *value = folded(arena, tensor);
  if (tensor->type->rank == 0) {
    print_number(out, tensor, value[0]);
    return;
  }
  type_print(out, tensor->type);
  if (tensor->type->elements > 16)
    return;
  for (int64_t i = 0; i < tensor->type->elements; i++) {
    buffer_char(out, i ? ' ' : '=');
    print_number(out, tensor, value[i]);
  }
}

/* ---- the certificate ----------------------------------------------------- */

static void print_raised(Buffer *out, const char *name, const char *op,
                         unsigned raised) {
  static const char *const word[] = {"overflow", "underflow", "shift overflow",
                                     "shift underflow"};
  buffer_printf(out, "  %-24s %-16s", name, op);
  const char *comma = " ";
  for (int bit = 0; bit < 4; bit++)
    if (raised >> bit & 1) {
      buffer_printf(out, "%s%s", comma, word[bit]);
      comma = ", ";
    }
  buffer_char(out, '\n');
}

/* One line for each value of the step that raised something, or one line that
 * says that none did. */
static void print_certificate(Buffer *out, const Evaluator *evaluator,
                              const Program *program, const Graph *graph) {
  uint32_t values = 0, raisers = 0;
  for (ValueId id = 1; id < graph->count; id++) {
    values += evaluator_value(evaluator, graph, id) != NULL;
    raisers += evaluator_raised(evaluator, graph, id) != 0;
  }
  if (raisers == 0) {
    buffer_printf(out,
                  "  certified: none of %u values overflowed or "
                  "underflowed\n",
                  values);
    return;
  }
  buffer_printf(out, "  not certified: %u of %u values raised something\n",
                raisers, values);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    unsigned raised = evaluator_raised(evaluator, graph, id);
    const char *name = node->op == OP_STORE
                           ? program->param.data[node->attr.index].name
                       : node->name ? node->name
                                    : "a number";
    if (raised != 0)
      print_raised(out, name, op_info(node->op)->text, raised);
  }
}

/* Exponents of the step that stayed; *before: those of the steps before. */
static void print_unmeasured(Buffer *out, const Evaluator *evaluator,
                             uint64_t *before) {
  uint64_t all = evaluator_counts(evaluator).unmeasured;
  if (all > *before)
    buffer_printf(
        out,
        "  not measured: %llu exponents, whose norm in f32 is zero or "
        "not finite\n",
        (unsigned long long)(all - *before));
  *before = all;
}

/* ---- steps --------------------------------------------------------------- */

/* Every micro-batch of the step gets numbers of its own; what was given in a
 * file it gets again. */
static void fill_step(Execution *run, uint64_t step) {
  const Graph *graph = run->graph;
  size_t count = graph->input.length;
  for (size_t k = 0; k < run->rounds * count; k++) {
    size_t i = k % count;
    uint64_t draw = (step - 1) * run->rounds + k / count + 1;
    if (!run->given[i] && graph->input.data[i].source != SOURCE_STEP)
      fill_random(run, &graph->input.data[i], &run->input[k], draw);
  }
}

static sg_status run_step(Execution *run, Evaluator *evaluator, uint64_t step) {
  const Graph *graph = run->graph;
  fill_step(run, step);
  const char *error = NULL;
  if (!evaluator_step(evaluator, graph, step, run->input, &error)) {
    context_message(run->sg, SG_ERROR, "%s, step %llu: %s", graph->name,
                    (unsigned long long)step, error);
    return SG_FILE;
  }
  Arena *scratch = arena_new();
  Buffer line = {0};
  buffer_printf(&line, "step %llu", (unsigned long long)step);
  for (size_t i = 0; i < graph->result.length; i++) {
    const Result *result = &graph->result.data[i];
    print_result(&line, scratch, result,
                 evaluator_value(evaluator, graph, result->value));
  }
  buffer_char(&line, '\n');
  if (run->options->certificate) {
    print_certificate(&line, evaluator, run->sg->program, graph);
    print_unmeasured(&line, evaluator, &run->unmeasured);
  }
  sg_status status = context_write(run->sg, "-", &line);
  buffer_free(&line);
  arena_free(scratch);
  return status;
}

/* Before the first step: what steps have computed should not be lost. */
static sg_status make_dump_folder(sg_context *sg, const char *path) {
  struct stat status;
  if (mkdir(path, 0777) == 0)
    return SG_OK;
  if (errno == EEXIST && stat(path, &status) == 0) {
    if (S_ISDIR(status.st_mode) && access(path, W_OK | X_OK) == 0)
      return SG_OK;
    errno = S_ISDIR(status.st_mode) ? EACCES : ENOTDIR;
  }
  context_message(sg, SG_ERROR, "cannot make folder %s: %s", path,
                  strerror(errno));
  return SG_FILE;
}

static sg_status dump_all(Execution *run, Evaluator *evaluator) {
  const Graph *graph = run->graph;
  sg_status status = SG_OK;
  for (size_t i = 0; i < graph->result.length && status == SG_OK; i++)
    status = dump_tensor(
        run, graph->result.data[i].name,
        evaluator_value(evaluator, graph, graph->result.data[i].value));
  for (size_t i = 0; i < run->sg->program->param.length && status == SG_OK; i++)
    status = dump_tensor(run, run->sg->program->param.data[i].name,
                         evaluator_param(evaluator, (int)i));
  return status;
}

sg_status sg_exec(sg_context *sg, const sg_exec_options *options) {
  Precision precision;
  if (!precision_named(options->precision, &precision)) {
    context_message(sg, SG_ERROR,
                    "--precision needs f64, f32 or edges, not "
                    "`%s`",
                    options->precision);
    return SG_USAGE;
  }
  sg_status status = context_check_prints(sg, false, "exec");
  if (status == SG_OK)
    status = context_program(sg);
  if (status == SG_OK)
    status = context_advance(sg, options->stage);
  if (status == SG_OK)
    status = context_check_filters(sg);
  context_summary(sg);
  if (status != SG_OK)
    return status;
  Execution run = {.sg = sg, .options = options};
  run.graph = choose_entry(sg, options->entry);
  if (!run.graph)
    return SG_USAGE;
  status = prepare_inputs(&run);
  if (status == SG_OK && options->dump)
    status = make_dump_folder(sg, options->dump);
  if (status != SG_OK)
    return status;
  Evaluator *evaluator = evaluator_new(sg->program, precision, options->seed);
  for (long step = 1; step <= options->steps && status == SG_OK; step++)
    status = run_step(&run, evaluator, (uint64_t)step);
  if (status == SG_OK && options->dump)
    status = dump_all(&run, evaluator);
  evaluator_free(evaluator);
  return status;
}
