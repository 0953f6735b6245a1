/* Second names of values, found by either name.
 *
 * Simplifying a deep network renames thousands of values; each renaming costs
 * what the aliases of that one value cost, not a walk over all.
 */
#include "ir/ir.h"

static Alias *alias_at(const AliasTable *table, uint32_t number) {
  return number ? &table->list.data[number - 1] : NULL;
}

static bool alias_is_known(const AliasTable *table, const char *name,
                           const char *value) {
  const Alias *alias = alias_at(table, word_map_get(&table->by_name, name));
  while (alias && alias->value != value)
    alias = alias_at(table, alias->same_name);
  return alias != NULL;
}

void alias_put(AliasTable *table, const char *name, const char *value) {
  if (alias_is_known(table, name, value))
    return;
  Alias alias = {name, value, word_map_get(&table->by_name, name),
                 word_map_get(&table->by_value, value)};
  vec_push(&table->list, alias);
  word_map_set(&table->by_name, name, (uint32_t)table->list.length);
  word_map_set(&table->by_value, value, (uint32_t)table->list.length);
}

/* The second names of `from` go ahead of those of `to`. */
static void move_all(AliasTable *table, const char *from, const char *to) {
  uint32_t first = word_map_get(&table->by_value, from);
  if (first == 0)
    return;
  Alias *alias = alias_at(table, first);
  alias->value = to;
  while (alias->same_value) {
    alias = alias_at(table, alias->same_value);
    alias->value = to;
  }
  alias->same_value = word_map_get(&table->by_value, to);
  word_map_set(&table->by_value, to, first);
  word_map_set(&table->by_value, from, 0);
}

void alias_rename(AliasTable *table, const char *name, const char *value) {
  if (!name || !value || name == value)
    return;
  move_all(table, name, value);
  alias_put(table, name, value);
}

const Alias *alias_first(const AliasTable *table, const char *value) {
  return alias_at(table, word_map_get(&table->by_value, value));
}

const Alias *alias_next(const AliasTable *table, const Alias *alias) {
  return alias_at(table, alias->same_value);
}

/* Of several, the first that was added. */
const char *alias_value(const AliasTable *table, const char *name) {
  const Alias *alias = alias_at(table, word_map_get(&table->by_name, name));
  while (alias && alias->same_name)
    alias = alias_at(table, alias->same_name);
  return alias ? alias->value : NULL;
}

size_t alias_table_bytes(const AliasTable *table) {
  size_t slots = table->by_name.capacity + table->by_value.capacity;
  return table->list.capacity * sizeof(Alias) +
         slots * (sizeof(const char *) + sizeof(uint32_t));
}

void alias_table_free(AliasTable *table) {
  vec_free(&table->list);
  word_map_free(&table->by_name);
  word_map_free(&table->by_value);
}
