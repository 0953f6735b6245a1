/* Whole programs: making them, finding things in them, and the hash that a
 * checkpoint must agree with.
 */
#include "ir/ir.h"

#include <math.h>
#include <string.h>

/* Empty, at level plain. */
Program *program_new(Arena *arena, Interner *interner, Sources *sources,
                     const char *name) {
  Program *program = NEW(arena, Program);
  program->arena = arena;
  program->interner = interner;
  program->types = type_table_new(arena);
  program->sources = sources;
  program->name = intern(interner, name);
  return program;
}

/* Rules, columns and graphs keep their lists on the heap; nodes, names and
 * types belong to the arena. */
void program_free(Program *program) {
  if (!program)
    return;
  for (size_t i = 0; i < program->dataset.length; i++)
    vec_free(&program->dataset.data[i].column);
  for (size_t i = 0; i < program->weights.length; i++)
    vec_free(&program->weights.data[i].tensor);
  for (size_t i = 0; i < program->recipe.length; i++)
    recipe_free(&program->recipe.data[i]);
  for (size_t i = 0; i < program->graph.length; i++)
    graph_free(program->graph.data[i]);
  vec_free(&program->param);
  vec_free(&program->dataset);
  vec_free(&program->weights);
  vec_free(&program->generate);
  vec_free(&program->recipe);
  program_alias_free(program);
  vec_free(&program->place);
  vec_free(&program->graph);
}

bool entry_is_called(const char *name, const char *text) {
  const char *dot = strchr(name, '.');
  if (strcmp(name, text) == 0)
    return true;
  size_t length = dot ? (size_t)(dot - name) : 0, size = dot ? strlen(dot) : 0;
  if (!dot || strncmp(name, text, length) != 0)
    return false;
  text += length;
  return *text == '\0' ||
         (*text == '[' && strncmp(text + 1, dot + 1, size - 1) == 0 &&
          strcmp(text + size, "]") == 0);
}

Graph *program_graph(const Program *program, const char *name) {
  for (size_t i = 0; i < program->graph.length; i++)
    if (strcmp(program->graph.data[i]->name, name) == 0)
      return program->graph.data[i];
  return NULL;
}

bool program_has_op(const Program *program, Op op) {
  for (size_t i = 0; i < program->graph.length; i++)
    for (ValueId id = 1; id < program->graph.data[i]->count; id++)
      if (graph_node(program->graph.data[i], id)->op == op)
        return true;
  return false;
}

Recipe *program_recipe(const Program *program, const char *name) {
  for (size_t i = 0; i < program->recipe.length; i++)
    if (strcmp(program->recipe.data[i].name, name) == 0)
      return &program->recipe.data[i];
  return NULL;
}

int program_param(const Program *program, const char *name) {
  for (size_t i = 0; i < program->param.length; i++)
    if (strcmp(program->param.data[i].name, name) == 0)
      return (int)i;
  return -1;
}

int32_t param_start_exponent(const Program *program, const Parameter *param) {
  int state = param->exponent ? program_param(program, param->exponent) : -1;
  if (state < 0)
    return param->scale.kind == SCALE_NORMAL ? param->scale.exponent : 0;
  Init init = program->param.data[state].init;
  return init.kind == INIT_CONSTANT ? (int32_t)init.a : 0;
}

/* FNV-1a (Fowler, Noll, Vo) over bytes; sizes enter as eight bytes each, low
 * byte first, so that the hash is the same on every machine. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size) {
  const unsigned char *byte = data;
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ byte[i]) * 1099511628211u;
  return hash;
}

static uint64_t hash_number(uint64_t hash, uint64_t number) {
  unsigned char byte[8];
  for (int i = 0; i < 8; i++)
    byte[i] = (unsigned char)(number >> (8 * i));
  return hash_bytes(hash, byte, sizeof byte);
}

/* In the order of declaration. Formats, exponents and initial values are left
 * out: a checkpoint outlives a change of recipe. */
uint64_t program_hash(const Program *program) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < program->param.length; i++) {
    const Parameter *param = &program->param.data[i];
    if (param->measured)
      continue;
    hash = hash_bytes(hash, param->name, strlen(param->name) + 1);
    hash = hash_number(hash, param->state);
    hash = hash_number(hash, (uint64_t)param->type->rank);
    for (int axis = 0; axis < param->type->rank; axis++)
      hash = hash_number(hash, (uint64_t)param->type->dim[axis]);
  }
  return hash;
}

/* Root mean square of a standard normal cut at two standard deviations:
 * sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)). */
#define TRUNCATED_RMS 0.87962566103423978

/* Exact for the distribution; a sample differs by chance. */
static double init_rms(Init init) {
  switch (init.kind) {
  case INIT_ZEROS:
    return 0;
  case INIT_ONES:
    return 1;
  case INIT_NORMAL:
    return fabs(init.a);
  case INIT_CONSTANT:
    return fabs(init.a);
  case INIT_UNIFORM:
    return sqrt((init.a * init.a + init.a * init.b + init.b * init.b) / 3);
  case INIT_TRUNC_NORMAL:
    return TRUNCATED_RMS * fabs(init.a);
  }
  return 0;
}

double init_log2_rms(Init init) {
  double rms = init_rms(init);
  return rms > 0 ? log2(rms) : -INFINITY;
}

static const char *const init_word[] = {
    [INIT_ZEROS] = "zeros",       [INIT_ONES] = "ones",
    [INIT_NORMAL] = "normal",     [INIT_UNIFORM] = "uniform",
    [INIT_CONSTANT] = "constant", [INIT_TRUNC_NORMAL] = "trunc_normal"};

const char *init_name(InitKind kind) {
  return init_word[kind];
}

int init_arguments(InitKind kind) {
  if (kind == INIT_ZEROS || kind == INIT_ONES)
    return 0;
  return kind == INIT_UNIFORM ? 2 : 1;
}
