/* Which ops were seen, with what formats and ranks, next to what (the criteria
 * of HirGen, ISSTA 2023).
 *
 * In: programs at any level. Out: counts; what is missing, as text. A pair of
 * ops is legal if the one gives a kind and rank that the other takes, as far
 * as this run saw; an index must come from an op whose result is known to lie
 * within bounds.
 */
#include "tests/smith/smith.h"

#include <stdio.h>
#include <string.h>

static int kind_of(const Type *type) {
  return type_is_real(type) ? 0 : type->format == FORMAT_BOOL ? 1 : 2;
}

static uint32_t shape_bit(const Type *type) {
  return 1u << (3 * type->rank + kind_of(type));
}

/* The operand that chooses elements, or -1. */
static int index_operand(Op op) {
  switch (op) {
  case OP_ONEHOT:
    return 0;
  case OP_WINDOW:
  case OP_GATHER:
  case OP_TAKE:
  case OP_SCATTER_ADD:
  case OP_PUT_ADD:
  case OP_SOFTMAX_XENT:
  case OP_SOFTMAX_XENT_GRAD:
    return 1;
  case OP_WINDOW_WRITE:
  case OP_SCATTER:
    return 2;
  default:
    return -1;
  }
}

/* Exponents go between exponents, and to what is re-expressed at them. */
static bool is_exponent(const Program *program, const Node *node) {
  bool state = node->op == OP_PARAM || node->op == OP_STORE;
  return node_defines_exponent(node) ||
         (state && program->param.data[node->attr.index].measured);
}

static void add_node(Coverage *coverage, const Program *program,
                     const Graph *graph, ValueId id) {
  const Node *node = graph_node(graph, id);
  coverage->made[node->op]++;
  coverage->format[node->op][node->type->format]++;
  coverage->rank[node->op][node->type->rank]++;
  if (!is_exponent(program, node))
    coverage->gives[node->op] |= shape_bit(node->type);
  for (int i = 0; i < node_inputs(node); i++) {
    const Node *operand = graph_node(graph, node->input[i]);
    coverage->edge[operand->op][node->op]++;
    if (i == index_operand(node->op))
      coverage->chooses[operand->op] = true;
    else if (!is_exponent(program, operand))
      coverage->takes[node->op] |= shape_bit(operand->type);
  }
}

void coverage_add(Coverage *coverage, const Program *program) {
  for (size_t i = 0; i < program->graph.length; i++)
    for (ValueId id = 1; id < program->graph.data[i]->count; id++)
      add_node(coverage, program, program->graph.data[i], id);
}

void coverage_merge(Coverage *into, const Coverage *from) {
  for (int a = 0; a < OP_COUNT; a++) {
    into->made[a] += from->made[a];
    into->gives[a] |= from->gives[a];
    into->takes[a] |= from->takes[a];
    into->chooses[a] |= from->chooses[a];
    for (int f = 0; f < FORMAT_COUNT; f++)
      into->format[a][f] += from->format[a][f];
    for (int r = 0; r <= MAX_RANK; r++)
      into->rank[a][r] += from->rank[a][r];
    for (int b = 0; b < OP_COUNT; b++)
      into->edge[a][b] += from->edge[a][b];
  }
}

static const char *op_text(int op) {
  return op_info((Op)op)->text;
}

/* Do two ops belong to levels that never meet? Markers and rescales are gone
 * where exponents are; a store is read by none. */
static bool never_meet(int a, int b) {
  bool plain = a == OP_RESCALE || a == OP_SET_SCALE || op_is_marker((Op)a) ||
               b == OP_RESCALE || b == OP_SET_SCALE || op_is_marker((Op)b);
  bool scaled = !smith_makes((Op)a) || !smith_makes((Op)b);
  bool exponent = !smith_makes((Op)a) && a != OP_REBALANCE;
  return a == OP_STORE || (plain && scaled) || exponent;
}

static bool is_legal(const Coverage *coverage, int a, int b) {
  bool value = coverage->gives[a] & coverage->takes[b];
  bool index = coverage->chooses[a] && index_operand((Op)b) >= 0;
  return (value || index) && !never_meet(a, b);
}

static void report_pairs(const Coverage *coverage, bool list) {
  unsigned legal = 0, seen = 0;
  for (int a = 0; a < OP_COUNT; a++)
    for (int b = 0; b < OP_COUNT; b++) {
      if (!is_legal(coverage, a, b))
        continue;
      legal++;
      seen += coverage->edge[a][b] > 0;
      if (list && coverage->edge[a][b] == 0)
        printf("not seen: %s -> %s\n", op_text(a), op_text(b));
    }
  printf("op -> op: %u of %u legal pairs\n", seen, legal);
}

static void report_formats(const Coverage *coverage, bool list) {
  unsigned pairs = 0, ranks = 0;
  for (int a = 0; a < OP_COUNT; a++) {
    for (int f = 0; f < FORMAT_COUNT; f++)
      pairs += coverage->format[a][f] > 0;
    for (int r = 0; r <= MAX_RANK; r++)
      ranks += coverage->rank[a][r] > 0;
    if (!list)
      continue;
    printf("%-18s", op_text(a));
    for (int f = 0; f < FORMAT_COUNT; f++)
      if (coverage->format[a][f])
        printf(" %s", format_info((Format)f)->text);
    printf("; rank");
    for (int r = 0; r <= MAX_RANK; r++)
      if (coverage->rank[a][r])
        printf(" %d", r);
    printf("\n");
  }
  printf("op x format: %u, op x rank: %u\n", pairs, ranks);
}

unsigned coverage_report(const Coverage *coverage, bool pairs) {
  unsigned missing = 0;
  report_formats(coverage, pairs);
  report_pairs(coverage, pairs);
  for (int op = 0; op < OP_COUNT; op++) {
    if (coverage->made[op])
      continue;
    printf("never made: %s\n", op_text(op));
    missing++;
  }
  return missing;
}
