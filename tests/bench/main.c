/* sg-bench [--list] [--json] [NAME...]: runs the benchmarks named, or all. */
#include "tests/bench/bench.h"

#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const Benchmark benchmarks[] = {
    {"compile", "time and memory of compiling examples/mlp", bench_compile},
    {"front", "reading and elaborating 200,000 lines", bench_front},
    {"deep", "source to final IR of 12 and 96 layers", bench_deep},
    {"gpt2", "source to final IR of GPT-2, three entries", bench_gpt2},
    {"startup", "size and start-up time of an executable", bench_startup},
    {"step", "train step against the f32 FMA peak of two threads", bench_step},
    {"unitness", "rms of the data of every op on N(0, 1) operands",
     bench_unitness},
    {"accuracy", "test accuracy over three seeds, f32 and fp8 (minutes)",
     bench_accuracy},
    {"wide", "scaled f16 from weights of deviation 8, against f32 (minutes)",
     bench_wide},
};
enum { BENCHMARKS = sizeof benchmarks / sizeof benchmarks[0] };

struct Report {
  json_t *figures; /* NULL: print text */
  int failures;
};

static bool meets(LimitKind kind, double value, double limit) {
  return kind == LIMIT_NONE ||
         (kind == LIMIT_AT_LEAST ? value >= limit : value <= limit);
}

void report_figure(Report *report, const char *name, double value,
                   const char *unit, LimitKind kind, double limit) {
  double ratio = kind == LIMIT_AT_LEAST  ? value / limit
                 : kind == LIMIT_AT_MOST ? limit / value
                                         : 0;
  bool good = meets(kind, value, limit);
  report->failures += !good;
  if (report->figures) {
    json_t *figure = json_pack("{s:s, s:f, s:s}", "name", name, "value", value,
                               "unit", unit);
    if (kind != LIMIT_NONE) {
      json_object_set_new(figure, "limit", json_real(limit));
      json_object_set_new(figure, "ratio", json_real(ratio));
    }
    json_array_append_new(report->figures, figure);
    return;
  }
  printf("%-34s %10.4g %-8s", name, value, unit);
  if (kind != LIMIT_NONE)
    printf("  limit %s %-8.4g ratio %.2f%s",
           kind == LIMIT_AT_LEAST ? ">=" : "<=", limit, ratio,
           good ? "" : "  MISSED");
  putchar('\n');
  fflush(stdout);
}

void report_failure(Report *report, const char *name, const char *why) {
  report->failures++;
  fprintf(stderr, "sg-bench: %s: %s\n", name, why);
}

/* ---- command line ------------------------------------------------------- */

typedef struct {
  bool list, json;
  bool chosen[BENCHMARKS];
  bool any;
} Choice;

static error_t parse(int key, char *text, struct argp_state *state) {
  Choice *choice = state->input;
  switch (key) {
  case 'l':
    choice->list = true;
    return 0;
  case 'j':
    choice->json = true;
    return 0;
  case ARGP_KEY_ARG:
    for (int i = 0; i < BENCHMARKS; i++)
      if (strcmp(benchmarks[i].name, text) == 0) {
        choice->chosen[i] = choice->any = true;
        return 0;
      }
    argp_error(state, "no benchmark is called %s; see --list", text);
    return EINVAL;
  }
  return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv) {
  static const struct argp_option options[] = {
      {"list", 'l', 0, 0, "list the benchmarks", 0},
      {"json", 'j', 0, 0, "print figures as JSON", 0},
      {0}};
  static const struct argp argp = {
      options,
      parse,
      "[NAME...]",
      "Measure what the project claims; exit code 1 if a limit is missed.",
      NULL,
      NULL,
      NULL};
  Choice choice = {0};
  argp_err_exit_status = 2;
  argp_parse(&argp, argc, argv, 0, NULL, &choice);
  if (choice.list) {
    for (int i = 0; i < BENCHMARKS; i++)
      printf("%-10s %s\n", benchmarks[i].name, benchmarks[i].help);
    return 0;
  }
  Report report = {.figures = choice.json ? json_array() : NULL};
  for (int i = 0; i < BENCHMARKS; i++)
    if (!choice.any || choice.chosen[i])
      benchmarks[i].run(&report);
  if (report.figures) {
    json_dumpf(report.figures, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(report.figures);
  }
  return report.failures ? 1 : 0;
}
