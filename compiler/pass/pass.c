/* The pass table, built from passes.def, and the loop that runs a list of
 * them: check the level, run, verify.
 *
 * In: a program and a list of passes. Out: the program at the level of the
 * last. Every pass leaves a program that the verifier accepts at the pass's
 * level; anything else is the pass's fault and is reported with its name.
 */
#include "compiler/pass/pass.h"

#include <assert.h>
#include <string.h>
#include <time.h>

static const PassInfo pass_table[PASS_COUNT] = {
#define PASS(name, from, to, help)                                             \
  {#name, LEVEL_##from, LEVEL_##to, help, pass_##name},
#include "compiler/pass/passes.def"
};

const PassInfo *pass_info(PassId pass) {
  return &pass_table[pass];
}

PassId pass_named(const char *text, size_t length) {
  for (int pass = 0; pass < PASS_COUNT; pass++) {
    const char *name = pass_table[pass].name;
    if (strlen(name) == length && memcmp(name, text, length) == 0)
      return (PassId)pass;
  }
  return PASS_COUNT;
}

/* For --time-passes: unaffected by changes of the clock. */
static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Violations are the compiler's fault, not the program's: they are told as a
 * remark, so that failure without a counted error means an internal error. */
static bool verify_after(PassContext *context, const PassInfo *pass) {
  Buffer text = {0};
  unsigned violations = program_verify(context->program, &text);
  if (violations > 0) {
    Diagnostic remark = {.severity = SEVERITY_REMARK, .code = "E0900"};
    remark.message = arena_printf(
        context->arena, "internal error: pass `%s` left %u violation%s:\n%s",
        pass->name, violations, violations == 1 ? "" : "s", text.data);
    diagnose(context->diagnostics, &remark);
  }
  buffer_free(&text);
  return violations == 0;
}

static bool run_pass(PassContext *context, const PassInfo *pass,
                     const PassHooks *hooks) {
  assert(context->program->level == pass->from);
  if (hooks && hooks->before)
    hooks->before(hooks->user, pass, context->program);
  double start = seconds_now();
  if (!pass->run(context))
    return false;
  context->program->level = pass->to;
  if (hooks && hooks->after)
    hooks->after(hooks->user, pass, context->program, seconds_now() - start);
  return true;
}

bool passes_run(PassContext *context, const PassId *list, size_t count,
                bool verify, const PassHooks *hooks) {
  for (size_t i = 0; i < count; i++) {
    const PassInfo *pass = pass_info(list[i]);
    if (!run_pass(context, pass, hooks))
      return false;
    if (verify && !verify_after(context, pass))
      return false;
  }
  return true;
}

bool minimize_pending(const Program *program) {
  for (size_t i = 0; i < program->graph.length; i++)
    if (program->graph.data[i]->minimize)
      return true;
  return false;
}

int passes_behind(const Program *program) {
  bool grouped = false;
  for (size_t i = 0; i < program->graph.length; i++)
    grouped |= program->graph.data[i]->kernel.length > 1;
  switch (program->level) {
  case LEVEL_PLAIN:
    return minimize_pending(program) ? PASS_simplify : PASS_rescale;
  case LEVEL_SCALED:
    return PASS_formats;
  case LEVEL_FORMATTED:
    return PASS_casts;
  case LEVEL_FINAL:
    break;
  }
  return grouped ? PASS_plan : PASS_fuse;
}
