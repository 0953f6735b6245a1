/* `info`: what this executable is: entries, parameters, memory, build. */
#include "runtime/runtime.h"

#include <inttypes.h>

static double mebibytes(int64_t bytes) {
  return (double)bytes / 1048576;
}

static void print_entry(const SgEntry *entry) {
  printf("  %-14s recipe %s, %.2f MiB, %.1f MFLOP a step in products\n",
         entry->name, entry->recipe ? entry->recipe : "none",
         mebibytes(entry->arena_bytes), (double)entry->flops * 1e-6);
}

/* One line: name, type, exponent. */
static void print_param(const SgParam *param) {
  char type[128], exponent[32] = "";
  const char *kind = param->measured ? "exponent" : param->state ? "state" : "";
  type_text(type, sizeof type, param->format, param->rank, param->dim);
  if (param->exponent_state > 0)
    snprintf(exponent, sizeof exponent, "* 2^its .exp");
  else if (param->scaled)
    snprintf(exponent, sizeof exponent, "* 2^%" PRId64, param->exponent);
  printf("  %-28s %-18s %s%s%s\n", param->name, type, exponent,
         *exponent && *kind ? "  " : "", kind);
}

/* Parameters, or states. */
static int64_t bytes_of(const SgProgram *program, bool states) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < program->param_count; i++)
    if (!program->param[i].state == !states)
      bytes += program->param[i].bytes;
  return bytes;
}

int command_info(const SgProgram *program, const Arguments *arguments) {
  (void)arguments;
  printf("%s: compiled from %s by %s\n", program->name, program->source,
         program->compiler);
  printf("target: %s%s%s%s\n", program->target,
         program->features[0] ? " (needs " : "", program->features,
         program->features[0] ? ")" : "");
  printf("numbers: %s\n", program->strict ? "strict" : "default");
  printf("program hash: %016" PRIx64 "\n", program->hash);
  printf("memory: parameters %.2f MiB, states %.2f MiB\n",
         mebibytes(bytes_of(program, false)),
         mebibytes(bytes_of(program, true)));
  printf("entries:\n");
  for (int64_t i = 0; i < program->entry_count; i++)
    print_entry(&program->entry[i]);
  printf("parameters:\n");
  for (int64_t i = 0; i < program->param_count; i++)
    print_param(&program->param[i]);
  return EXIT_FINE;
}
