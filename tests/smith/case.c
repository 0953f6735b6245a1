/* Random numbers, and programs with all that they live in.
 *
 * In: a name or a text. Out: a Case, whose memory is released at once.
 */
#include "tests/smith/smith.h"

#include <stdio.h>
#include <string.h>

#include "ir/rng.h"

/* ---- dice: splitmix64 (Steele, Lea, Flood 2014) -------------------------- */

Dice dice_new(uint64_t seed, uint64_t stream) {
  Dice dice = {seed * 0xd1342543de82ef95u + stream};
  dice_roll(&dice);
  return dice;
}

uint64_t dice_roll(Dice *dice) {
  uint64_t z = dice->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

int64_t dice_below(Dice *dice, int64_t n) {
  return (int64_t)(dice_roll(dice) % (uint64_t)n);
}

int64_t dice_range(Dice *dice, int64_t low, int64_t high) {
  return low + dice_below(dice, high - low + 1);
}

bool dice_chance(Dice *dice, int percent) {
  return dice_below(dice, 100) < percent;
}

/* ---- life ---------------------------------------------------------------- */

/* E0900 is a remark where the verifier speaks. */
void case_observe(void *user, const Diagnostic *diagnostic) {
  Case *c = user;
  bool error = diagnostic->severity == SEVERITY_ERROR;
  if (error && !c->code[0] && diagnostic->code)
    snprintf(c->code, sizeof c->code, "%s", diagnostic->code);
  if (error || strcmp(diagnostic->code ? diagnostic->code : "", "E0900") == 0)
    buffer_printf(&c->messages, "%s: %s\n",
                  diagnostic->code ? diagnostic->code : "error",
                  diagnostic->message);
}

static Case *case_open(void) {
  Arena *arena = arena_new();
  Case *c = NEW(arena, Case);
  c->arena = arena;
  sources_init(&c->sources, arena);
  c->interner = interner_new(arena);
  c->diagnostics = diagnostics_new(arena, &c->sources, NULL, NULL);
  diagnostics_observe(c->diagnostics, case_observe, c);
  return c;
}

Case *case_new(const char *name) {
  Case *c = case_open();
  c->program = program_new(c->arena, c->interner, &c->sources, name);
  return c;
}

Case *case_read(const char *text, size_t length) {
  Case *c = case_open();
  uint32_t source = sources_add(&c->sources, "smith.sgir", text, length, false);
  c->program =
      program_read(c->arena, c->interner, &c->sources, source, c->diagnostics);
  return c;
}

void case_free(Case *c) {
  if (!c)
    return;
  program_free(c->program);
  buffer_free(&c->messages);
  sources_free(&c->sources);
  arena_free(c->arena);
}

Buffer case_print(const Case *c) {
  Buffer text = {0};
  PrintOptions options = {0};
  program_print(&text, c->program, &options);
  return text;
}

/* ---- what a program is, names apart -------------------------------------- */

static void hash_add(uint64_t *hash, uint64_t value) {
  Dice mix = {*hash ^ (value * 0x9e3779b97f4a7c15u)};
  *hash = dice_roll(&mix);
}

static void hash_bytes(uint64_t *hash, const char *text) {
  hash_add(hash, text ? rng_hash_name(text) : 0);
}

static void hash_type(uint64_t *hash, const Type *type) {
  hash_add(hash, (uint64_t)type->format << 8 | (unsigned)type->rank);
  for (int i = 0; i < type->rank; i++)
    hash_add(hash, (uint64_t)type->dim[i]);
}

static void hash_attributes(uint64_t *hash, const Node *node) {
  Buffer text = {0};
  for (int i = 0; i < PLAIN_COUNT; i++)
    if (op_info(node->op)->attributes & plain_attribute(i)->bit)
      plain_print(&text, plain_attribute(i), &node->attr);
  hash_bytes(hash, text.data);
  hash_bytes(hash, node->attr.pattern);
  hash_bytes(hash, node->remat);
  uint64_t bits;
  memcpy(&bits, &node->attr.value, sizeof bits);
  hash_add(hash, bits);
  hash_add(hash, (uint64_t)node->attr.by << 8 | (unsigned)node->attr.round |
                     (uint64_t)node->attr.overflow << 4);
  buffer_free(&text);
}

static void hash_graph(uint64_t *hash, const Graph *graph) {
  hash_add(hash, (uint64_t)graph->kind);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    hash_add(hash, (uint64_t)node->op << 8 | (unsigned)node->phase);
    hash_type(hash, node->type);
    hash_attributes(hash, node);
    for (int i = 0; i < node_inputs(node); i++)
      hash_add(hash, node->input[i]);
    if (node->op == OP_PARAM || node->op == OP_STORE)
      hash_add(hash, (uint64_t)node->attr.index);
  }
  for (size_t i = 0; i < graph->result.length; i++)
    hash_add(hash, graph->result.data[i].value);
  if (graph->minimize)
    hash_add(hash, graph->minimize->loss);
}

uint64_t case_hash(const Case *c) {
  uint64_t hash = 1;
  for (size_t i = 0; i < c->program->graph.length; i++)
    hash_graph(&hash, c->program->graph.data[i]);
  for (size_t i = 0; i < c->program->recipe.length; i++) {
    const Recipe *recipe = &c->program->recipe.data[i];
    for (size_t j = 0; j < recipe->rule.length; j++) {
      Buffer text = {0};
      settings_print(&text, &recipe->rule.data[j].settings);
      for (size_t k = 0; k < recipe->rule.data[j].selector.length; k++)
        hash_add(&hash, recipe->rule.data[j].selector.data[k].kind);
      hash_bytes(&hash, text.data);
      buffer_free(&text);
    }
  }
  return hash;
}

size_t case_nodes(const Case *c) {
  size_t count = 0;
  for (size_t i = 0; i < c->program->graph.length; i++)
    for (ValueId id = 1; id < c->program->graph.data[i]->count; id++)
      count += !node_is_leaf(graph_node(c->program->graph.data[i], id));
  return count;
}
