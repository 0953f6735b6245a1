/* The rules that name values: ir.md section 2.
 *
 * A source name bound again gets a prime and a number, a helper of a binding
 * `~n`, a gradient the prefix `d.`. Neither mark can occur in source, so a
 * derived name never meets a written one. The table is an open hash of
 * interned strings; each entry remembers where its numbering stands, so that
 * the thousandth rebinding costs what the first did.
 */
#include "ir/ir.h"

#include <ctype.h>
#include <string.h>

typedef struct {
  const char *name;   /* interned; NULL: free */
  uint32_t taken : 1; /* 0: known as a base only */
  uint32_t bindings : 31;
  uint32_t helpers;
} NameEntry;

struct NameTable {
  Arena *arena;
  Interner *interner;
  NameEntry *entry;
  size_t count, capacity; /* capacity is a power of two */
};

/* The entry of a name or the free one where it belongs. Interned strings are
 * compared and hashed by address. */
static NameEntry *entry_find(const NameTable *names, const char *name) {
  size_t mask = names->capacity - 1;
  size_t i = ((uintptr_t)name >> 3) * 0x9e3779b97f4a7c15u >> 20 & mask;
  while (names->entry[i].name && names->entry[i].name != name)
    i = (i + 1) & mask;
  return &names->entry[i];
}

static void table_grow(NameTable *names) {
  NameTable old = *names;
  names->capacity = old.capacity * 2;
  names->entry = NEW_ARRAY(names->arena, NameEntry, names->capacity);
  for (size_t i = 0; i < old.capacity; i++)
    if (old.entry[i].name)
      *entry_find(names, old.entry[i].name) = old.entry[i];
}

/* The entry of an interned name, made if it is new. Valid until the next. */
static NameEntry *entry_get(NameTable *names, const char *name) {
  if (names->count * 4 >= names->capacity * 3)
    table_grow(names);
  NameEntry *entry = entry_find(names, name);
  if (!entry->name) {
    entry->name = name;
    names->count++;
  }
  return entry;
}

NameTable *name_table_sized(Arena *arena, Interner *interner, size_t count) {
  NameTable *names = NEW(arena, NameTable);
  names->arena = arena;
  names->interner = interner;
  names->capacity = 64;
  while (names->capacity < count + count / 2)
    names->capacity *= 2;
  names->entry = NEW_ARRAY(arena, NameEntry, names->capacity);
  return names;
}

NameTable *name_table_new(Arena *arena, Interner *interner,
                          const Graph *graph) {
  NameTable *names =
      name_table_sized(arena, interner, graph ? graph->count : 0);
  for (ValueId id = 1; graph && id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->name && !node_defines_exponent(node))
      name_claim_interned(names, node->name);
    if (node->again)
      name_claim_interned(names, node->again);
  }
  return names;
}

/* Taking a name twice is what claims exist to prevent. */
bool name_claim_interned(NameTable *names, const char *name) {
  NameEntry *entry = entry_get(names, name);
  if (entry->taken)
    return false;
  entry->taken = true;
  return true;
}

bool name_claim(NameTable *names, const char *name) {
  return name_claim_interned(names, intern(names->interner, name));
}

/* The first binding carries no mark. Numbers go up only, so a name once given
 * back is not given again. */
const char *name_rebinding(NameTable *names, const char *base) {
  const char *key = intern(names->interner, base);
  if (name_claim_interned(names, key))
    return key;
  for (;;) {
    NameEntry *entry = entry_get(names, key);
    uint32_t number = entry->bindings < 2 ? 2 : entry->bindings;
    entry->bindings = number + 1;
    const char *name = intern_printf(names->interner, "%s'%u", base, number);
    if (name_claim_interned(names, name))
      return name;
  }
}

/* The length of `base` without a ~n at its end. */
static size_t binding_length(const char *base) {
  size_t length = strlen(base), end = length;
  while (end > 0 && isdigit((unsigned char)base[end - 1]))
    end--;
  return end > 0 && end < length && base[end - 1] == '~' ? end - 1 : length;
}

/* Counting restarts at each binding: an edit of one line renumbers the helpers
 * of that line alone. */
const char *name_helper(NameTable *names, const char *base) {
  const char *key = intern_n(names->interner, base, binding_length(base));
  for (;;) {
    NameEntry *entry = entry_get(names, key);
    uint32_t number = ++entry->helpers;
    const char *name = intern_printf(names->interner, "%s~%u", key, number);
    if (name_claim_interned(names, name))
      return name;
  }
}

/* Derived names meet only where two passes derive the same one. */
static const char *claim_or_helper(NameTable *names, const char *name) {
  return name_claim_interned(names, name) ? name : name_helper(names, name);
}

const char *name_gradient(NameTable *names, const char *base) {
  return claim_or_helper(names, intern_printf(names->interner, "d.%s", base));
}

const char *name_suffixed(NameTable *names, const char *base,
                          const char *suffix) {
  return claim_or_helper(names,
                         intern_printf(names->interner, "%s.%s", base, suffix));
}
