/* `info`: what this executable is: parameters, states, memory, build. */
#include "runtime/runtime.h"

#include <stdio.h>

static void print_param(const SgParam *param) {
  char type[128];
  printf("  %-28s %-18s", param->name,
         type_text(type, sizeof type, param->format, param->rank, param->dim));
  if (param->scaled)
    printf(" * 2^%lld", (long long)param->exponent);
  printf("%s\n", param->state ? "  state" : "");
}

static void print_memory(const SgProgram *program) {
  int64_t params = 0, states = 0;
  for (int64_t i = 0; i < program->param_count; i++)
    *(program->param[i].state ? &states : &params) += program->param[i].bytes;
  printf("memory: parameters %.2f MiB, states %.2f MiB\n",
         (double)params / 1048576, (double)states / 1048576);
  for (int64_t i = 0; i < program->entry_count; i++) {
    const SgEntry *entry = &program->entry[i];
    printf("  %-12s arena %.2f MiB, %.1f MFLOP a step in contractions\n",
           entry->name, (double)entry->arena_bytes / 1048576,
           (double)entry->flops * 1e-6);
  }
}

int command_info(const SgProgram *program, const Arguments *arguments) {
  (void)arguments;
  printf("%s: compiled from %s by %s\n", program->name, program->source,
         program->compiler);
  printf("target: %s%s%s%s\n", program->target,
         program->features[0] ? " (needs " : "", program->features,
         program->features[0] ? ")" : "");
  printf("numbers: %s\n", program->strict ? "strict" : "default");
  for (int64_t i = 0; i < program->entry_count; i++)
    printf("  %-12s recipe %s\n", program->entry[i].name,
           program->entry[i].recipe);
  printf("program hash: %016llx\n", (unsigned long long)program->hash);
  print_memory(program);
  printf("parameters:\n");
  for (int64_t i = 0; i < program->param_count; i++)
    print_param(&program->param[i]);
  return EXIT_FINE;
}
