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

/* ---- of a program -------------------------------------------------------- */

const AliasTable *program_alias_of(const Program *program, const char *graph) {
  if (!graph)
    return program->alias.length > 0 && !program->alias.data[0].graph
               ? &program->alias.data[0].table
               : NULL;
  uint32_t number = word_map_get(&program->alias_of, graph);
  return number ? &program->alias.data[number - 1].table : NULL;
}

/* Place 0 is that of every graph. */
AliasTable *program_alias(Program *program, const char *graph) {
  if (program->alias.length == 0)
    vec_push(&program->alias, (GraphAliases){0});
  if (graph && !word_map_get(&program->alias_of, graph)) {
    vec_push(&program->alias, (GraphAliases){.graph = graph});
    word_map_set(&program->alias_of, graph, (uint32_t)program->alias.length);
  }
  uint32_t number = graph ? word_map_get(&program->alias_of, graph) : 1;
  return &program->alias.data[number - 1].table;
}

void program_alias_settle(Program *program) {
  if (program->graph.length != 1 || program->alias.length == 0)
    return;
  AliasTable *own = program_alias(program, program->graph.data[0]->name);
  AliasTable *all = &program->alias.data[0].table;
  for (size_t i = 0; i < all->list.length; i++)
    alias_put(own, all->list.data[i].name, all->list.data[i].value);
  alias_table_free(all);
  *all = (AliasTable){0};
}

static bool any_alias(const AliasTable *table, const char *value,
                      bool (*test)(const char *name, const void *data),
                      const void *data) {
  const Alias *alias = table ? alias_first(table, value) : NULL;
  while (alias && !test(alias->name, data))
    alias = alias_next(table, alias);
  return alias != NULL;
}

bool program_any_alias(const Program *program, const char *graph,
                       const char *value,
                       bool (*test)(const char *name, const void *data),
                       const void *data) {
  if (graph)
    return any_alias(program_alias_of(program, graph), value, test, data) ||
           any_alias(program_alias_of(program, NULL), value, test, data);
  for (size_t i = 0; i < program->alias.length; i++)
    if (any_alias(&program->alias.data[i].table, value, test, data))
      return true;
  return false;
}

const char *program_alias_value(const Program *program, const char *graph,
                                const char *name) {
  const AliasTable *own = program_alias_of(program, graph);
  const AliasTable *all = program_alias_of(program, NULL);
  const char *value = own ? alias_value(own, name) : NULL;
  return value || !all ? value : alias_value(all, name);
}

/* What is said of every graph stays as it is for the others. */
void program_alias_rename(Program *program, const char *graph, const char *name,
                          const char *value) {
  if (!name || !value || name == value)
    return;
  AliasTable *own = program_alias(program, graph);
  const AliasTable *all = program_alias_of(program, NULL);
  for (const Alias *alias = all ? alias_first(all, name) : NULL; alias;
       alias = alias_next(all, alias))
    alias_put(own, alias->name, value);
  alias_rename(own, name, value);
}

void program_alias_free(Program *program) {
  for (size_t i = 0; i < program->alias.length; i++)
    alias_table_free(&program->alias.data[i].table);
  vec_free(&program->alias);
  word_map_free(&program->alias_of);
}
