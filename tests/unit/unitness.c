/* Reads, scales, runs, measures; see unitness.h. */
#include "tests/unit/unitness.h"

#include "compiler/pass/pass.h"
#include "ir/eval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  Arena *arena;
  Interner *interner;
  Sources sources;
  Diagnostics *diagnostics;
  Program *program;
} Bench;

static void tell(void *user, Severity severity, const char *rendered) {
  (void)user, (void)severity;
  fputs(rendered, stderr);
}

/* The first rule is the default. */
static void set_rounding(Program *program, ScaleRounding rounding) {
  program->recipe.data[0].rule.data[0].settings.scale_rounding = rounding;
}

static bool bench_open(Bench *bench, const char *path, ScaleRounding rounding) {
  size_t length = 0;
  const char *error = NULL;
  char *text = file_read(path, 1 << 20, &length, &error);
  if (!text) {
    fprintf(stderr, "%s: %s\n", path, error);
    return false;
  }
  bench->arena = arena_new();
  sources_init(&bench->sources, bench->arena);
  bench->interner = interner_new(bench->arena);
  bench->diagnostics =
      diagnostics_new(bench->arena, &bench->sources, tell, NULL);
  uint32_t source = sources_add(&bench->sources, path, text, length, false);
  free(text);
  bench->program = program_read(bench->arena, bench->interner, &bench->sources,
                                source, bench->diagnostics);
  if (!bench->program)
    return false;
  set_rounding(bench->program, rounding);
  PassContext context = {bench->program, bench->arena, bench->diagnostics};
  const PassId scalify = PASS_scalify;
  return passes_run(&context, &scalify, 1, true, NULL);
}

static void bench_close(Bench *bench) {
  if (bench->program)
    program_free(bench->program);
  if (!bench->arena)
    return;
  sources_free(&bench->sources);
  arena_free(bench->arena);
}

static double log2_rms(const Tensor *tensor) {
  double squares = 0;
  for (int64_t i = 0; i < tensor->type->elements; i++)
    squares += tensor->data[i] * tensor->data[i];
  return 0.5 * log2(squares / (double)tensor->type->elements);
}

static size_t measure_values(const Evaluator *evaluator, const Graph *graph,
                             Unitness *out, size_t most) {
  size_t count = 0;
  for (ValueId id = 1; id < graph->count && count < most; id++) {
    const Node *node = graph_node(graph, id);
    const Tensor *tensor = evaluator_value(evaluator, graph, id);
    if (node_is_leaf(node) || !node->name || strchr(node->name, '~') ||
        node->scale.kind != SCALE_NORMAL || !tensor)
      continue;
    Unitness *row = &out[count++];
    *row = (Unitness){"", node->op, node->scale.exponent,
                      node->estimate.log2_rms, log2_rms(tensor)};
    snprintf(row->name, sizeof row->name, "%s", node->name);
  }
  return count;
}

size_t unitness_measure(const char *path, ScaleRounding rounding, uint64_t seed,
                        Unitness *out, size_t most) {
  Bench bench = {0};
  size_t count = 0;
  if (bench_open(&bench, path, rounding)) {
    const char *error = NULL;
    const Graph *graph = bench.program->graph.data[0];
    Evaluator *evaluator = evaluator_new(bench.program, PRECISION_F32, seed);
    if (evaluator_step(evaluator, graph, 1, NULL, &error))
      count = measure_values(evaluator, graph, out, most);
    else
      fprintf(stderr, "%s: %s\n", path, error);
    evaluator_free(evaluator);
  }
  bench_close(&bench);
  return count;
}
