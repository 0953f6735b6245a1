/* --help=TOPIC: lists that the compiler is made of, as text. */
#include "compiler/context.h"
#include "compiler/pass/scale_rules.h"

#include <string.h>

static void print_passes(Buffer *out) {
  for (int i = 0; i < PASS_COUNT; i++) {
    const PassInfo *pass = pass_info((PassId)i);
    buffer_printf(out, "%-9s %9s -> %-9s  %s\n", pass->name,
                  level_name(pass->from), level_name(pass->to), pass->help);
  }
}

static void print_warnings(Buffer *out) {
  size_t count;
  const DiagnosticInfo *row = diagnostic_list(&count);
  for (size_t i = 0; i < count; i++)
    if (row[i].warning)
      buffer_printf(out, "%s  -W%-14s %s\n", row[i].code, row[i].warning,
                    row[i].title);
}

static const char *const instead[][2] = {
#define RULE(id, name, arithmetic)
#define INSTEAD(name, where) {name, where},
#include "compiler/pass/scale_rules.def"
};

/* Each rule of scale_rules.def, with the ops that have it. */
static void print_scale_rules(Buffer *out) {
  size_t count;
  const ScaleRuleInfo *row = scale_rule_list(&count);
  for (size_t i = 0; i < count; i++) {
    buffer_printf(out, "%s: %s\n   ", row[i].name,
                  *row[i].arithmetic ? row[i].arithmetic : "no scale");
    for (int op = 0; op < OP_COUNT; op++)
      if (scale_rule_info((Op)op) == &row[i])
        buffer_printf(out, " %s", op_info((Op)op)->text);
    buffer_char(out, '\n');
  }
  for (size_t i = 0; i < sizeof instead / sizeof *instead; i++)
    buffer_printf(out, "%s: instead of the rule of the op\n    %s\n",
                  instead[i][0], instead[i][1]);
}

static const struct {
  const char *name;
  void (*print)(Buffer *out);
} topic_table[] = {{"passes", print_passes},
                   {"scale-rules", print_scale_rules},
                   {"warnings", print_warnings}};
enum { TOPICS = sizeof topic_table / sizeof topic_table[0] };

const char *const *sg_topics(void) {
  static const char *names[TOPICS + 1];
  for (int i = 0; i < TOPICS; i++)
    names[i] = topic_table[i].name;
  return names;
}

char *sg_topic(const char *topic) {
  for (int i = 0; i < TOPICS; i++)
    if (strcmp(topic_table[i].name, topic) == 0) {
      Buffer out = {0};
      topic_table[i].print(&out);
      return out.data;
    }
  return NULL;
}
