/* Reachability, names, patterns and hash-consing for the passes at level plain.
 *
 * Graphs are arrays in dependency order, so reachability is one walk backwards
 * and merging equal values one walk forwards (local value numbering; Cocke and
 * Schwartz 1970).
 */
#include "compiler/pass/rewrite.h"

#include <ctype.h>
#include <string.h>

/* ---- reachability -------------------------------------------------------- */

/* An exponent symbol is read like an operand. */
static void mark_symbol(void *user, ValueId symbol) {
  ((bool *)user)[symbol] = true;
}

/* Inputs count: they are part of what an entry is, read or not. */
static void mark_roots(const Graph *graph, bool *live) {
  for (size_t i = 0; i < graph->result.length; i++)
    live[graph->result.data[i].value] = true;
  for (size_t i = 0; i < graph->input.length; i++)
    live[graph->input.data[i].value] = true;
  for (const Minimize *m = graph->minimize; m; m = m->next) {
    live[m->loss] = true;
    for (size_t i = 0; i < m->count; i++)
      live[m->parameter[i]] = live[m->placeholder[i]] = true;
  }
}

bool *graph_live(Arena *arena, const Graph *graph) {
  bool *live = NEW_ARRAY(arena, bool, graph->count);
  mark_roots(graph, live);
  for (ValueId id = graph->count; id-- > 1;) {
    const Node *node = graph_node(graph, id);
    if (node->op == OP_STORE || node->probe)
      live[id] = true;
    if (!live[id])
      continue;
    for (int i = 0; i < MAX_INPUTS; i++)
      live[node->input[i]] = true;
    node_symbols(graph, id, mark_symbol, live);
  }
  live[0] = false;
  return live;
}

Graph *graph_swept(Arena *arena, const Graph *graph) {
  const bool *live = graph_live(arena, graph);
  GraphCopy copy = graph_copy_begin(arena, graph);
  for (ValueId id = 1; id < graph->count; id++)
    if (live[id])
      copy.map[id] = graph_copy_node(&copy, id);
  graph_copy_finish(&copy);
  return copy.new;
}

void graph_replace(Program *program, size_t index, Graph *graph) {
  Graph *old = program->graph.data[index];
  program->graph.data[index] = graph;
  if (old != graph)
    graph_free(old);
}

/* ---- names --------------------------------------------------------------- */

bool name_is_helper(const char *name) {
  const char *mark = name ? strrchr(name, '~') : NULL;
  return mark && isdigit((unsigned char)mark[1]);
}

int name_depth(const char *name) {
  int dots = 0;
  for (; *name; name++)
    dots += *name == '.';
  return dots;
}

/* ---- patterns ------------------------------------------------------------ */

Letters pattern_letters(const Pattern *pattern, int operand) {
  bool out = operand < 0;
  const int *axis = out ? pattern->out_axis : pattern->axis[operand];
  Letters letters = {0};
  letters.rank = out ? pattern->out_rank : pattern->rank[operand];
  for (int i = 0; i < letters.rank; i++)
    letters.letter[i] = pattern->letter[axis[i]];
  return letters;
}

/* One letter an axis: outputs last, batches first, as in the listings. */
Letters letters_customary(Interner *interner, int rank) {
  static const char *const customary[MAX_RANK + 1] = {
      "",          "o",           "b o",           "b t o",          "b h t o",
      "b h t s o", "b h n t s o", "b h m n t s o", "b h l m n t s o"};
  Letters letters = {0};
  const char *text = customary[rank];
  for (letters.rank = 0; letters.rank < rank; letters.rank++)
    letters.letter[letters.rank] =
        intern_n(interner, text + 2 * letters.rank, 1);
  return letters;
}

bool letters_have(const Letters *letters, const char *letter) {
  for (int i = 0; i < letters->rank; i++)
    if (letters->letter[i] == letter)
      return true;
  return false;
}

Letters letters_common(const Letters *letters, const Letters *other) {
  Letters common = {0};
  for (int i = 0; i < letters->rank; i++)
    if (letters_have(other, letters->letter[i]))
      common.letter[common.rank++] = letters->letter[i];
  return common;
}

bool letters_equal(const Letters *a, const Letters *b) {
  if (a->rank != b->rank)
    return false;
  for (int i = 0; i < a->rank; i++)
    if (a->letter[i] != b->letter[i])
      return false;
  return true;
}

static void add_letters(Buffer *text, const Letters *letters) {
  for (int i = 0; i < letters->rank; i++)
    buffer_printf(text, "%s%s", i ? " " : "", letters->letter[i]);
}

const char *letters_pattern(Interner *interner, const Letters *a,
                            const Letters *b, const Letters *out) {
  Buffer text = {0};
  add_letters(&text, a);
  if (b) {
    buffer_text(&text, ", ");
    add_letters(&text, b);
  }
  buffer_text(&text, out->rank ? " -> " : " ->");
  add_letters(&text, out);
  const char *interned = intern_n(interner, text.data, text.length);
  buffer_free(&text);
  return interned;
}

Pattern node_pattern(const Program *program, const Node *node) {
  Pattern pattern = {0};
  const char *error;
  size_t offset;
  pattern_parse(program->interner, node->attr.pattern, &pattern, &error,
                &offset);
  return pattern;
}

/* ---- merging equal values ------------------------------------------------ */

/* Chained by op, type, operands and what tells ops without operands apart; as
 * many buckets as values, or more. */
enum { FIRST_BUCKETS = 256 };

typedef struct Entry {
  ValueId id;
  struct Entry *next;
} Entry;

struct Merge {
  Entry **bucket;
  size_t buckets, count; /* buckets: a power of two */
};

Rewrite rewrite_begin(Program *program, Arena *arena, Graph *graph) {
  Merge *merge = NEW(arena, Merge);
  merge->buckets = FIRST_BUCKETS;
  merge->bucket = NEW_ARRAY(arena, Entry *, merge->buckets);
  return (Rewrite){program, arena, graph, NULL, merge};
}

static Entry **node_bucket(const Merge *merge, const Node *node) {
  uint64_t value, hash = node->op;
  memcpy(&value, &node->attr.value, sizeof value);
  for (int i = 0; i < MAX_INPUTS; i++)
    hash = (hash ^ node->input[i]) * 0x9e3779b97f4a7c15u;
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  hash = (hash ^ (uintptr_t)node->type) * 0x9e3779b97f4a7c15u;
  return &merge->bucket[hash >> 32 & (merge->buckets - 1)];
}

static void merge_grow(const Rewrite *rewrite) {
  Merge old = *rewrite->merge, *merge = rewrite->merge;
  merge->buckets *= 2;
  merge->bucket = NEW_ARRAY(rewrite->arena, Entry *, merge->buckets);
  for (size_t i = 0; i < old.buckets; i++)
    for (Entry *entry = old.bucket[i], *next; entry; entry = next) {
      Entry **bucket =
          node_bucket(merge, graph_node(rewrite->graph, entry->id));
      next = entry->next;
      entry->next = *bucket;
      *bucket = entry;
    }
}

/* Effects, leaves other than numbers, all that is random, and what is computed
 * again on purpose stay apart. */
static bool node_merges(const Node *node) {
  bool leaf = node->op == OP_PARAM || node->op == OP_INPUT;
  bool random = op_is_random(node->op) || node->attr.round == ROUND_STOCHASTIC;
  return !leaf && node->op != OP_STORE && !random && !node->again;
}

/* Names and places in the source do not count. */
static bool nodes_equal(const Node *a, const Node *b) {
  return a->op == b->op && a->phase == b->phase && a->type == b->type &&
         a->pinned == b->pinned && scale_equal(a->scale, b->scale) &&
         memcmp(a->input, b->input, sizeof a->input) == 0 &&
         attributes_equal(&a->attr, &b->attr);
}

ValueId merge_find(const Rewrite *rewrite, const Node *node) {
  if (!node_merges(node))
    return 0;
  const Entry *entry = *node_bucket(rewrite->merge, node);
  for (; entry; entry = entry->next)
    if (nodes_equal(graph_node(rewrite->graph, entry->id), node))
      return entry->id;
  return 0;
}

void merge_remember(Rewrite *rewrite, ValueId id) {
  if (rewrite->merge->count++ == rewrite->merge->buckets)
    merge_grow(rewrite);
  Entry **bucket = node_bucket(rewrite->merge, graph_node(rewrite->graph, id));
  Entry *entry = NEW(rewrite->arena, Entry);
  *entry = (Entry){id, *bucket};
  *bucket = entry;
}
