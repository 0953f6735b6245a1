/* The processor that code is made for.
 *
 * In: the name given to -march. Out: what code may use. Code is limited to
 * one of the psABI levels x86-64, -v2, -v3, -v4 plus AVX512-VBMI, so that the
 * list of needed features in the executable is short and complete; the
 * processor's own name only tunes the order of instructions. LLVM ends the
 * process on a CPU name that it does not know, so names are looked up here
 * first. Attributes sit on functions, not on the machine: a function without
 * "target-features" would take over the machine's.
 */
#include "compiler/llvm/emit.h"

#include <string.h>

#include <llvm-c/Target.h>

typedef enum { LEVEL_1 = 1, LEVEL_2, LEVEL_3, LEVEL_4 } IsaLevel;

typedef struct {
  const char *name;
  IsaLevel level;
  bool vbmi;
} Cpu;

static const Cpu cpu_table[] = {
    {"x86-64", LEVEL_1, false},        {"x86-64-v2", LEVEL_2, false},
    {"x86-64-v3", LEVEL_3, false},     {"x86-64-v4", LEVEL_4, false},
    {"nehalem", LEVEL_2, false},       {"westmere", LEVEL_2, false},
    {"sandybridge", LEVEL_2, false},   {"ivybridge", LEVEL_2, false},
    {"haswell", LEVEL_3, false},       {"broadwell", LEVEL_3, false},
    {"skylake", LEVEL_3, false},       {"alderlake", LEVEL_3, false},
    {"raptorlake", LEVEL_3, false},    {"skylake-avx512", LEVEL_4, false},
    {"cascadelake", LEVEL_4, false},   {"cooperlake", LEVEL_4, false},
    {"cannonlake", LEVEL_4, true},     {"icelake-client", LEVEL_4, true},
    {"icelake-server", LEVEL_4, true}, {"tigerlake", LEVEL_4, true},
    {"rocketlake", LEVEL_4, true},     {"sapphirerapids", LEVEL_4, true},
    {"emeraldrapids", LEVEL_4, true},  {"graniterapids", LEVEL_4, true},
    {"znver1", LEVEL_3, false},        {"znver2", LEVEL_3, false},
    {"znver3", LEVEL_3, false},        {"znver4", LEVEL_4, true},
    {"znver5", LEVEL_4, true},
};
enum { CPU_COUNT = sizeof cpu_table / sizeof cpu_table[0] };

/* What a psABI level offers (System V ABI for AMD64, section 3.1.1). */
static void set_level(Target *target, IsaLevel level, bool vbmi) {
  static const char *const cpu[] = {"x86-64", "x86-64-v2", "x86-64-v3",
                                    "x86-64-v4"};
  static const char *const needed[] = {
      "", "sse4.2", "avx2 fma f16c",
      "avx2 fma f16c avx512f avx512bw avx512vl avx512dq"};
  target->cpu = cpu[level - 1];
  target->features = vbmi ? "+avx512vbmi" : "";
  target->needed =
      vbmi ? "avx2 fma f16c avx512f avx512bw avx512vl avx512dq avx512vbmi"
           : needed[level - 1];
  target->lanes = level == LEVEL_4 ? 16 : level == LEVEL_3 ? 8 : 4;
  target->registers = level == LEVEL_4 ? 32 : 16;
  target->fma = target->f16c = level >= LEVEL_3;
  target->avx512 = level == LEVEL_4;
  target->vbmi = vbmi;
}

/* Is every word of `names` switched on in `features` ("+sse2,-avx,...")? */
static bool has_features(const char *features, const char *names) {
  char want[32];
  for (size_t length; *names != '\0'; names += length + (names[length] != 0)) {
    length = strcspn(names, " ");
    if (length + 2 > sizeof want)
      return false;
    want[0] = '+';
    memcpy(want + 1, names, length);
    want[length + 1] = '\0';
    const char *at = strstr(features, want);
    while (at && at[length + 1] != ',' && at[length + 1] != '\0')
      at = strstr(at + 1, want);
    if (!at)
      return false;
  }
  return true;
}

/* The highest level all of whose features are there. */
static IsaLevel features_level(const char *features) {
  if (!has_features(features, "sse4.2 ssse3 popcnt cx16"))
    return LEVEL_1;
  if (!has_features(features, "avx2 fma f16c bmi bmi2 lzcnt movbe"))
    return LEVEL_2;
  if (!has_features(features, "avx512f avx512bw avx512vl avx512dq avx512cd"))
    return LEVEL_3;
  return LEVEL_4;
}

static const Cpu *cpu_find(const char *name) {
  for (int i = 0; i < CPU_COUNT; i++)
    if (strcmp(cpu_table[i].name, name) == 0)
      return &cpu_table[i];
  return NULL;
}

static void choose_host(Target *target, Arena *arena) {
  char *name = LLVMGetHostCPUName();
  char *features = LLVMGetHostCPUFeatures();
  IsaLevel level = features_level(features);
  bool vbmi = level == LEVEL_4 && has_features(features, "avx512vbmi");
  set_level(target, level, vbmi);
  target->name = arena_string(arena, name, strlen(name));
  /* LLVM named it, so LLVM knows it. */
  target->tune = target->name;
  LLVMDisposeMessage(name);
  LLVMDisposeMessage(features);
}

/* Names all CPUs, and the one that was probably meant. */
static void unknown_cpu(const char *march, Diagnostics *diagnostics,
                        Arena *arena) {
  const char *names[CPU_COUNT + 1];
  Buffer list = {0};
  buffer_text(&list, "known CPUs: native");
  for (int i = 0; i < CPU_COUNT; i++) {
    names[i] = cpu_table[i].name;
    buffer_printf(&list, ", %s", names[i]);
  }
  names[CPU_COUNT] = "native";
  const char *near = nearest_name(march, names, CPU_COUNT + 1);
  Diagnostic page = {.severity = SEVERITY_ERROR, .code = "E0791"};
  page.message = arena_printf(arena, "unknown CPU `%s`", march);
  page.note[page.note_count++] = arena_string(arena, list.data, list.length);
  if (near)
    page.hint = arena_printf(arena, "did you mean `%s`?", near);
  diagnose(diagnostics, &page);
  buffer_free(&list);
}

bool target_choose(Target *target, const char *march, Arena *arena,
                   Diagnostics *diagnostics) {
  memset(target, 0, sizeof *target);
  if (!march || strcmp(march, "native") == 0) {
    choose_host(target, arena);
    return true;
  }
  const Cpu *cpu = cpu_find(march);
  if (!cpu) {
    unknown_cpu(march, diagnostics, arena);
    return false;
  }
  set_level(target, cpu->level, cpu->vbmi);
  target->name = target->tune = cpu->name;
  return true;
}

LLVMTargetMachineRef target_machine(int optimization,
                                    Diagnostics *diagnostics) {
  static const LLVMCodeGenOptLevel level[] = {
      LLVMCodeGenLevelNone, LLVMCodeGenLevelLess, LLVMCodeGenLevelDefault,
      LLVMCodeGenLevelAggressive};
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  const char *triple = "x86_64-unknown-linux-gnu";
  LLVMTargetRef target;
  char *error = NULL;
  if (LLVMGetTargetFromTriple(triple, &target, &error)) {
    diagnose_error(diagnostics, (Span){0}, "E0793",
                   "internal error: no code generator: %s", error);
    LLVMDisposeMessage(error);
    return NULL;
  }
  int index = optimization < 0 ? 0 : optimization > 3 ? 3 : optimization;
  return LLVMCreateTargetMachine(target, triple, "x86-64", "", level[index],
                                 LLVMRelocPIC, LLVMCodeModelDefault);
}
