/* Every op follows its exponent rule, and the verifier knows it: an exponent
 * that is off by one is refused, for every op of ops.def.
 *
 * The programs are those of tests/pass/scalify/ and tests/ir/, scaled where
 * they are plain. An op that does not shift must have the exponent of its rule;
 * one that does states its shift in the text, which must be what the exponents
 * give. What has no exponent must not get one. Free are rebalance, whose result
 * is what it is asked for, inputs and numbers.
 */
#include "compiler/pass/pass.h"
#include "tests/unit/text_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool met[OP_COUNT];

/* ---- what the verifier says ---------------------------------------------- */

typedef struct {
  const Graph *graph;
  ValueId id;
  bool named; /* was this node blamed? */
} Blame;

static void on_violation(void *user, const Graph *graph, ValueId id,
                         const char *message) {
  (void)message;
  Blame *blame = user;
  blame->named |= graph == blame->graph && id == blame->id;
}

static bool is_blamed(const Program *program, const Graph *graph, ValueId id) {
  Blame blame = {graph, id, false};
  program_verify_each(program, on_violation, &blame);
  return blame.named;
}

/* Nothing follows where an operand adopts any exponent. */
static bool is_bound(const Graph *graph, const Node *node) {
  for (int i = 0; i < node_inputs(node); i++) {
    ScaleKind kind = graph_node(graph, node->input[i])->scale.kind;
    if (kind == SCALE_ZERO || kind == SCALE_ANY)
      return false;
  }
  return true;
}

/* ---- ops that shift: the text says by how much --------------------------- */

/* The text with the exponent of the line that defines `name` moved by one: the
 * first `2^` behind the `:` of that line. */
static char *moved_line(const char *text, const char *name) {
  char *head = malloc(strlen(name) + 8);
  assert_non_null(head);
  sprintf(head, "\n  %%%s ", name);
  const char *line = strstr(text, head);
  free(head);
  const char *power = line ? strstr(line, "* 2^") : NULL;
  if (!power || power > strchr(line + 1, '\n'))
    return NULL;
  power += 4;
  char *end;
  bool symbol = *power == '$' || *power == '(';
  if (symbol)
    return NULL;
  long exponent = strtol(power, &end, 10);
  char *moved = malloc(strlen(text) + 32);
  assert_non_null(moved);
  sprintf(moved, "%.*s%ld%s", (int)(power - text), text, exponent + 1, end);
  return moved;
}

static bool check_text(Text *text, const char *name) {
  char *moved = moved_line(text_print(text, NULL), name);
  if (!moved)
    return false;
  Text *again = text_read_bytes(moved, strlen(moved));
  if (again->program || !strstr(again->messages.data, "the scales give shift"))
    fail_msg("%%%s: another exponent was not refused:\n%s", name,
             again->messages.data ? again->messages.data : "");
  text_free(again);
  free(moved);
  return true;
}

/* ---- one value ----------------------------------------------------------- */

static bool is_free(const Node *node) {
  return node->op == OP_REBALANCE || node->op == OP_INPUT ||
         node->op == OP_CONST;
}

static void check_exponent(Text *text, Graph *graph, ValueId id, int by) {
  Node *node = graph_node(graph, id);
  Scale scale = node->scale;
  node->scale.exponent += by;
  if (!is_blamed(text->program, graph, id))
    fail_msg("%s %s: an exponent off by %d was not refused",
             op_info(node->op)->text, node->name ? node->name : "", by);
  node->scale = scale;
}

static void check_none(Text *text, Graph *graph, ValueId id) {
  Node *node = graph_node(graph, id);
  node->scale = scale_static(1);
  if (!is_blamed(text->program, graph, id))
    fail_msg("%s %s: an exponent of no real number was not refused",
             op_info(node->op)->text, node->name ? node->name : "");
  node->scale = scale_none();
}

static void check_value(Text *text, Graph *graph, ValueId id) {
  Node *node = graph_node(graph, id);
  bool shifts = (op_info(node->op)->attributes & ATTR(SHIFT)) != 0;
  if (!type_is_real(node->type)) {
    check_none(text, graph, id);
    met[node->op] = true;
  } else if (is_free(node)) {
    met[node->op] = true;
  } else if (node->scale.kind != SCALE_NORMAL || !is_bound(graph, node)) {
    return;
  } else if (shifts) {
    met[node->op] |= check_text(text, node->name);
  } else {
    check_exponent(text, graph, id, 1);
    check_exponent(text, graph, id, -1);
    met[node->op] = true;
  }
}

/* ---- programs ------------------------------------------------------------ */

static void check_values(Text *text) {
  for (size_t g = 0; g < text->program->graph.length; g++) {
    Graph *graph = text->program->graph.data[g];
    for (ValueId id = 1; id < graph->count; id++)
      check_value(text, graph, id);
  }
}

/* At level scaled and at the levels below it, as far as the recipe goes. */
static void check_program(Text *text) {
  PassContext context = {text->program, text->arena, text->diagnostics};
  if (minimize_pending(text->program))
    return;
  bool done = true;
  if (text->program->level > LEVEL_PLAIN)
    check_values(text);
  for (int pass = PASS_scalify; done && pass <= PASS_casts; pass++) {
    PassId one = (PassId)pass;
    if (pass_info(one)->from != text->program->level)
      continue;
    done = passes_run(&context, &one, 1, true, &(PassHooks){0});
    if (done)
      check_values(text);
  }
}

static void check_folder(const char *folder) {
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
    size_t name = strlen(entry->d_name), length;
    const char *error;
    char path[512];
    if (name < 5 || strcmp(entry->d_name + name - 5, ".sgir") != 0)
      continue;
    snprintf(path, sizeof path, "%s%s", folder, entry->d_name);
    char *bytes = file_read(path, 1 << 20, &length, &error);
    assert_non_null(bytes);
    Text *text = text_read_bytes(bytes, length);
    if (text->program)
      check_program(text);
    text_free(text);
    free(bytes);
  }
  closedir(dir);
}

static void an_exponent_off_by_one_is_refused(void **state) {
  (void)state;
  check_folder("tests/pass/scalify/");
  check_folder("tests/ir/");
  for (int op = 0; op < OP_COUNT; op++) {
    bool plain_only =
        op == OP_RESCALE || op == OP_SET_SCALE || op_is_marker((Op)op);
    if (!met[op] && !plain_only)
      fail_msg("no program has a value of %s to try", op_info((Op)op)->text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_exponent_off_by_one_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
