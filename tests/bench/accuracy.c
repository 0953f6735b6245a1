/* Whole trainings: of examples/mlp over three seeds and two recipes, and of a
 * perceptron that starts far from unit scale. */
#include "tests/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 3 };

/* The number after "accuracy " in the output of eval; NAN if there is none. */
static double read_accuracy(const char *path) {
  char text[1024];
  FILE *file = fopen(path, "r");
  size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
  if (file)
    fclose(file);
  text[n] = '\0';
  const char *found = strstr(text, "accuracy ");
  return found ? strtod(found + 9, NULL) : NAN;
}

static double train_and_evaluate(const char *name, int seed, double *seconds) {
  char program[4096], weights[4096], output[4096], number[16];
  scratch_path(program, sizeof program, name);
  scratch_path(weights, sizeof weights, "accuracy.safetensors");
  scratch_path(output, sizeof output, "accuracy.txt");
  snprintf(number, sizeof number, "%d", seed);
  char *train[] = {program,  "train", "--seed",  number,
                   "--save", weights, "--quiet", NULL};
  char *eval[] = {program, "eval", "--weights", weights, NULL};
  ProcessResult result = process_run(train, output);
  *seconds = result.seconds;
  if (result.status != 0 || process_run(eval, output).status != 0)
    return NAN;
  return read_accuracy(output);
}

void bench_accuracy(Report *report) {
  static const char *const recipe[] = {"f32", "fp8"};
  double accuracy[2][SEEDS], mean[2] = {0}, gap = 0, seconds;
  for (int r = 0; r < 2; r++) {
    char name[64], label[96];
    snprintf(name, sizeof name, "mlp-%s", recipe[r]);
    if (!compile_example(recipe[r], name, report))
      return;
    for (int s = 0; s < SEEDS; s++) {
      accuracy[r][s] = train_and_evaluate(name, s + 1, &seconds);
      if (isnan(accuracy[r][s])) {
        report_failure(report, name, "training or evaluation failed");
        return;
      }
      mean[r] += accuracy[r][s] / SEEDS;
      snprintf(label, sizeof label, "accuracy %s, seed %d", recipe[r], s + 1);
      report_figure(report, label, accuracy[r][s], "", LIMIT_NONE, 0);
      snprintf(label, sizeof label, "training %s, seed %d", recipe[r], s + 1);
      report_figure(report, label, seconds / 10, "s/epoch", LIMIT_NONE, 0);
    }
    snprintf(label, sizeof label, "accuracy %s, mean", recipe[r]);
    report_figure(report, label, mean[r], "", LIMIT_AT_LEAST, 0.872);
  }
  for (int s = 0; s < SEEDS; s++)
    gap += fabs(accuracy[1][s] - accuracy[0][s]) / SEEDS;
  report_figure(report, "mean |fp8 - f32|", gap, "", LIMIT_AT_MOST, 0.003);
}

/* Acceptance 6 of scale propagation: where plain f16 overflows from the first
 * step on, scaled f16 trains like f32. */
void bench_wide(Report *report) {
  static const char *const recipe[] = {"f32", "fp16", "plain16"};
  double accuracy[3], seconds;
  for (int r = 0; r < 3; r++) {
    char name[64], label[96];
    snprintf(name, sizeof name, "wide-%s", recipe[r]);
    if (!compile_program("tests/bench/wide.sg", recipe[r], name, report))
      return;
    accuracy[r] = train_and_evaluate(name, 1, &seconds);
    if (isnan(accuracy[r])) {
      report_failure(report, name, "training or evaluation failed");
      return;
    }
    snprintf(label, sizeof label, "accuracy from deviation 8, %s", recipe[r]);
    report_figure(report, label, accuracy[r], "",
                  r == 2 ? LIMIT_AT_MOST : LIMIT_NONE, 0.2);
  }
  report_figure(report, "fp16 / f32", accuracy[1] / accuracy[0], "",
                LIMIT_AT_LEAST, 0.97);
}
