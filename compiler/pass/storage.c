/* Which recipe fixes how a parameter or state is stored.
 *
 * The train's, for the whole program, so that every entry finds what it
 * expects. A state that the training step does not have, such as a cache of
 * keys and values, is stored as the first entry that has it says.
 */
#include "compiler/pass/storage.h"

const Recipe *storage_recipe(const Program *program) {
  for (size_t i = 0; i < program->graph.length; i++)
    if (program->graph.data[i]->kind == ENTRY_TRAIN)
      return graph_recipe(program, program->graph.data[i]);
  return program->graph.length > 0
             ? graph_recipe(program, program->graph.data[0])
             : NULL;
}

/* States of `graph` that are still without a recipe take its own. */
static void claim_states(const Program *program, const Graph *graph,
                         const Recipe **recipe) {
  const Recipe *own = graph_recipe(program, graph);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if ((node->op == OP_PARAM || node->op == OP_STORE) &&
        program->param.data[node->attr.index].state &&
        !recipe[node->attr.index])
      recipe[node->attr.index] = own;
  }
}

const Recipe **storage_recipes(Arena *arena, const Program *program) {
  const Recipe **recipe =
      NEW_ARRAY(arena, const Recipe *, program->param.length + 1);
  for (size_t i = 0; i < program->graph.length; i++)
    if (program->graph.data[i]->kind == ENTRY_TRAIN)
      claim_states(program, program->graph.data[i], recipe);
  for (size_t i = 0; i < program->graph.length; i++)
    claim_states(program, program->graph.data[i], recipe);
  for (size_t i = 0; i < program->param.length; i++)
    if (!recipe[i])
      recipe[i] = storage_recipe(program);
  return recipe;
}
