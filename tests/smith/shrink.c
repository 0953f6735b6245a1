/* The smallest program that still fails (delta debugging over graphs).
 *
 * In: a program and the name of a check that it fails. Out: one that fails the
 * same check and from which no single edit can be made any more. Every trial
 * runs in a process of its own, so that crashes and endless loops can be
 * shrunk too.
 */
#include "tests/smith/smith.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRIAL_SECONDS = 5 };

/* ---- does it fail? ------------------------------------------------------- */

/* Planted faults: op A feeds op B, "edge:A:B". */
static bool has_edge(const Case *c, const char *text) {
  char a[32], b[32];
  if (sscanf(text, "%31[^:]:%31s", a, b) != 2)
    return false;
  Op from = op_named(a), to = op_named(b);
  for (size_t i = 0; i < c->program->graph.length; i++) {
    const Graph *graph = c->program->graph.data[i];
    for (ValueId id = 1; id < graph->count; id++) {
      const Node *node = graph_node(graph, id);
      for (int k = 0; node->op == to && k < node_inputs(node); k++)
        if (graph_node(graph, node->input[k])->op == from)
          return true;
    }
  }
  return false;
}

static bool fails_here(const Case *c, const char *check, uint64_t seed) {
  Verdict verdict = {.check = ""};
  if (strncmp(check, "native", 6) == 0)
    check_native(c, seed, NULL, &verdict);
  else
    check_case(c, seed, INPUT_SETS, &verdict, NULL, NULL);
  return strcmp(verdict.check, check) == 0;
}

static void child(const Case *c, const char *check, uint64_t seed) {
  struct itimerval timer = {.it_value = {.tv_sec = TRIAL_SECONDS}};
  setitimer(ITIMER_PROF, &timer, NULL);
  if (!freopen("/dev/null", "w", stderr))
    _exit(3);
  _exit(fails_here(c, check, seed) ? 1 : 0);
}

bool still_fails(const Case *c, const char *check, uint64_t seed) {
  int status = 0;
  if (strncmp(check, "edge:", 5) == 0)
    return has_edge(c, check + 5);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0)
    child(c, check, seed);
  if (pid < 0 || waitpid(pid, &status, 0) != pid)
    return false;
  if (WIFSIGNALED(status))
    return strcmp(check, WTERMSIG(status) == SIGPROF ? "time" : "crash") == 0;
  return WEXITSTATUS(status) == 1;
}

/* ---- edits, the greediest first ------------------------------------------ */

typedef struct {
  Case *c;
  const char *check;
  uint64_t seed;
  bool verbose;
} Shrinker;

/* The size of what is left: operations, leaves, elements, attributes, rules. */
static size_t weight(const Case *c) {
  Buffer text = case_print(c);
  size_t result = case_nodes(c) * 100000 + text.length;
  const Graph *graph = c->program->graph.data[0];
  for (ValueId id = 1; id < graph->count; id++)
    result += (size_t)graph_node(graph, id)->type->elements;
  result += 1000 * c->program->recipe.data[0].rule.length;
  buffer_free(&text);
  return result;
}

/* Ids are those of a program read from its own text. */
static Case *normalized(Case *c) {
  Buffer text = case_print(c);
  Case *again = case_read(text.data, text.length);
  buffer_free(&text);
  if (!again->program) {
    case_free(again);
    return c;
  }
  case_free(c);
  return again;
}

static bool try_edit(Shrinker *s, const Edit *edit) {
  Case *smaller = case_edited(s->c, edit);
  if (smaller)
    smaller = normalized(smaller);
  if (!smaller || weight(smaller) >= weight(s->c) ||
      !still_fails(smaller, s->check, s->seed)) {
    case_free(smaller);
    return false;
  }
  case_free(s->c);
  s->c = smaller;
  if (s->verbose)
    fprintf(stderr, "%zu operations\n", case_nodes(s->c));
  return true;
}

static Graph *graph_of(const Shrinker *s) {
  return s->c->program->graph.data[0];
}

/* Stores, and values that are dead already. */
static bool is_unread(const Shrinker *s, ValueId id) {
  uint32_t *users = graph_user_counts(s->c->arena, graph_of(s));
  return users[id] == 0 && !node_is_leaf(graph_node(graph_of(s), id));
}

static bool drop_effects(Shrinker *s) {
  bool any = try_edit(s, &(Edit){.drop_minimize = true});
  any |= try_edit(s, &(Edit){.plain_entry = true});
  for (int i = (int)graph_of(s)->result.length; i > 0; i--)
    if (i <= (int)graph_of(s)->result.length)
      any |= try_edit(s, &(Edit){.drop_result = i});
  for (ValueId id = graph_of(s)->count; id-- > 1;)
    if (id < graph_of(s)->count && is_unread(s, id))
      any |= try_edit(s, &(Edit){.drop_dead = id});
  return any;
}

static bool drop_nodes(Shrinker *s) {
  bool any = false;
  for (ValueId id = graph_of(s)->count; id-- > 1;) {
    if (id >= graph_of(s)->count || node_is_leaf(graph_node(graph_of(s), id)))
      continue;
    bool done = try_edit(s, &(Edit){.input = id});
    int operands = done ? 0 : node_inputs(graph_node(graph_of(s), id));
    for (int i = 0; !done && i < operands; i++)
      done = try_edit(s, &(Edit){.bypass = id, .operand = i});
    if (!done)
      done = try_edit(s, &(Edit){.neutral = id});
    any |= done;
  }
  return any;
}

static bool drop_sizes(Shrinker *s) {
  bool any = false;
  for (int64_t from = SMITH_ELEMENTS; from > 1; from--)
    for (int64_t to = 1; to < from; to = to * 2) {
      if (!try_edit(s, &(Edit){.from = from, .to = to}))
        continue;
      any = true;
      break;
    }
  return any;
}

static bool drop_rules(Shrinker *s) {
  bool any = false;
  for (int i = (int)s->c->program->recipe.data[0].rule.length; i > 1; i--)
    any |= try_edit(s, &(Edit){.drop_rule = i});
  return any;
}

Case *shrink(Case *c, const char *check, uint64_t seed, bool verbose) {
  Shrinker s = {normalized(c), check, seed, verbose};
  for (int round = 0; round < 20; round++) {
    bool any = drop_effects(&s);
    any |= drop_nodes(&s);
    any |= drop_sizes(&s);
    any |= drop_rules(&s);
    if (!any)
      break;
  }
  return s.c;
}
