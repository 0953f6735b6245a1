/* `train`: the step over a dataset, epoch after epoch.
 *
 * Examples of an epoch come in the permutation keyed (seed, epoch); the
 * remainder is dropped. Everything a step depends on is a function of (seed,
 * step), so a resumed run repeats the bits of an uninterrupted one.
 */
#include "runtime/runtime.h"

#include "ir/rng.h"

#include <math.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  const SgProgram *program;
  const SgEntry *entry;
  const Arguments *arguments;
  Session session;
  Run run;
  DatasetData data;
  int dataset;
  uint32_t *order; /* the permutation of the current epoch */
  int64_t epoch;   /* whose permutation it is; -1: none yet */
  int64_t per_epoch, total;
  const char *save;
  FILE *log;
} Training;

/* ---- interruption ------------------------------------------------------------ */

static volatile sig_atomic_t interrupted;

/* The first signal asks for an orderly end, the second is not caught. */
static void on_signal(int number) {
  interrupted = number;
  signal(number, SIG_DFL);
}

static void catch_signals(void) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

/* ---- preparation ----------------------------------------------------------------- */

static int open_data(Training *training) {
  const SgEntry *entry = training->entry;
  training->dataset = entry_dataset(entry);
  training->epoch = -1;
  if (training->dataset < 0) {
    training->per_epoch = 0;
    return EXIT_FINE;
  }
  const char *name = training->program->dataset[training->dataset].name;
  int status = dataset_open(training->program, entry, training->dataset,
                            training->arguments->redirect,
                            training->arguments->redirects, &training->data);
  if (status != EXIT_FINE)
    return status;
  if (training->data.count < entry->batch) {
    complain("dataset %s has %lld examples, fewer than one batch of %lld", name,
             (long long)training->data.count, (long long)entry->batch);
    return EXIT_DATA;
  }
  training->per_epoch = training->data.count / entry->batch;
  training->order =
      sgrt_io.allocate((size_t)training->data.count * sizeof(uint32_t));
  if (!training->order)
    complain("out of memory");
  return training->order ? EXIT_FINE : EXIT_FAILED;
}

/* Command line over attributes; --epochs and --steps exclude each other. */
static int decide_length(Training *training) {
  const Arguments *arguments = training->arguments;
  const SgEntry *entry = training->entry;
  int64_t epochs = arguments->epochs ? arguments->epochs
                   : arguments->steps ? 0
                                      : entry->epochs;
  int64_t steps = arguments->steps    ? arguments->steps
                  : arguments->epochs ? 0
                                      : entry->steps;
  if (arguments->steps && arguments->epochs) {
    complain("--steps and --epochs exclude each other");
    return EXIT_USAGE;
  }
  if (epochs && !training->per_epoch) {
    complain("--epochs needs a dataset; %s has none: use --steps", entry->name);
    return EXIT_USAGE;
  }
  training->total = steps    ? steps
                    : epochs ? epochs * training->per_epoch
                             : training->per_epoch;
  if (training->total)
    return EXIT_FINE;
  complain("how long? --steps=N");
  return EXIT_USAGE;
}

/* A run that cannot save should fail before it trains, not after. */
static int check_writable(const char *path) {
  char folder[4096];
  const char *slash = strrchr(path, '/');
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1,
           slash ? path : ".");
  if (slash == path)
    strcpy(folder, "/");
  if (access(folder, W_OK | X_OK) == 0)
    return EXIT_FINE;
  complain("cannot save to %s: %s", path, strerror(errno));
  return EXIT_FAILED;
}

static int open_log(Training *training) {
  const char *path = training->arguments->log;
  if (!path)
    return EXIT_FINE;
  training->log = fopen(path, training->arguments->resume ? "a" : "w");
  if (!training->log)
    complain("cannot write %s: %s", path, strerror(errno));
  return training->log ? EXIT_FINE : EXIT_FAILED;
}

static int prepare(Training *training) {
  const Arguments *arguments = training->arguments;
  const SgEntry *entry = training->entry;
  uint64_t seed = arguments->has_seed ? arguments->seed
                  : entry->seed       ? (uint64_t)entry->seed
                                      : 1;
  int status = check_writable(training->save);
  if (status == EXIT_FINE)
    status = session_open(&training->session, training->program, seed,
                          arguments->threads);
  if (status == EXIT_FINE && arguments->weights)
    status = checkpoint_load(&training->session, arguments->weights,
                             arguments->convert, false);
  if (status == EXIT_FINE && arguments->resume)
    status = checkpoint_load(&training->session, arguments->resume,
                             arguments->convert, true);
  if (status == EXIT_FINE)
    status = open_data(training);
  if (status == EXIT_FINE)
    status = decide_length(training);
  if (status == EXIT_FINE)
    status = run_open(&training->run, entry);
  return status == EXIT_FINE ? open_log(training) : status;
}

/* ---- the loop ------------------------------------------------------------------------ */

/* Batch number `step` (1-based): its place in the epoch's permutation. */
static void fill_batch(Training *training, int64_t step) {
  if (training->dataset < 0)
    return;
  int64_t epoch = (step - 1) / training->per_epoch;
  int64_t at = (step - 1) % training->per_epoch;
  if (epoch != training->epoch) {
    RngKey key = rng_key(training->session.seed, (uint64_t)epoch,
                         rng_hash_name("examples of an epoch"));
    rng_permutation(key, (uint32_t)training->data.count, training->order);
    training->epoch = epoch;
  }
  run_fill(&training->run, &training->data,
           training->order + at * training->entry->batch);
}

static void write_log(Training *training, int64_t step) {
  if (!training->log)
    return;
  fprintf(training->log, "{\"step\":%lld", (long long)step);
  for (int64_t i = 0; i < training->entry->result_count; i++) {
    if (training->entry->result[i].rank != 0)
      continue;
    double value =
        run_result(&training->session, &training->run, (int)i, 0);
    fprintf(training->log, isfinite(value) ? ",\"%s\":%.9g" : ",\"%s\":\"%g\"",
            training->entry->result[i].name, value);
  }
  fputs("}\n", training->log);
}

/* @eval_every(n, entry): the averages of an eval entry, on a line of its own. */
static int evaluate_now(Training *training, int64_t step) {
  const SgEntry *entry = training->entry;
  if (!entry->eval_every || step % entry->eval_every != 0)
    return EXIT_FINE;
  const SgEntry *eval = find_entry(training->program, entry->eval_entry);
  double *mean = results_new(eval);
  int status = mean ? evaluate(&training->session, eval, training->arguments,
                               mean)
                    : EXIT_FAILED;
  if (status == EXIT_FINE) {
    fprintf(stderr, "\nstep %lld  %s: ", (long long)step, eval->name);
    print_results(stderr, eval, mean);
    fputc('\n', stderr);
  }
  sgrt_io.release(mean);
  return status;
}

static int save_now(Training *training, int64_t step) {
  int64_t every = training->arguments->save_every
                      ? training->arguments->save_every
                      : training->entry->save_every;
  if (!every || step % every != 0 || step == training->total)
    return EXIT_FINE;
  return checkpoint_save(&training->session, training->save,
                         training->entry->name);
}

static int one_step(Training *training, Progress *progress, int64_t step) {
  fill_batch(training, step);
  run_step(&training->session, &training->run, (uint64_t)step);
  training->session.step = (uint64_t)step;
  progress_step(progress, &training->session, &training->run, step);
  write_log(training, step);
  int status = evaluate_now(training, step);
  return status == EXIT_FINE ? save_now(training, step) : status;
}

/* The results of the last step, on standard output. */
static int print_last(const Training *training) {
  const SgEntry *entry = training->entry;
  double *value = results_new(entry);
  if (!value)
    return EXIT_FAILED;
  for (int64_t i = 0; i < entry->result_count; i++)
    value[i] = run_result(&training->session, &training->run, (int)i, 0);
  printf("step %llu  ", (unsigned long long)training->session.step);
  print_results(stdout, entry, value);
  putchar('\n');
  sgrt_io.release(value);
  return EXIT_FINE;
}

static int train(Training *training) {
  int64_t first = (int64_t)training->session.step + 1;
  if (first > training->total) {
    complain("%s: step %lld is already done; give a larger --steps or --epochs",
             training->arguments->resume, (long long)first - 1);
    return EXIT_USAGE;
  }
  int64_t every = training->entry->log_every ? training->entry->log_every
                  : training->per_epoch      ? training->per_epoch
                                             : 100;
  Progress progress;
  int status = progress_begin(&progress, training->entry, first,
                              training->total, every,
                              training->arguments->quiet);
  for (int64_t step = first;
       step <= training->total && status == EXIT_FINE && !interrupted; step++)
    status = one_step(training, &progress, step);
  progress_end(&progress);
  if (status == EXIT_FINE)
    status = checkpoint_save(&training->session, training->save,
                             training->entry->name);
  if (status == EXIT_FINE && interrupted) {
    complain("interrupted after step %llu; go on with: train --resume %s",
             (unsigned long long)training->session.step, training->save);
    return 128 + interrupted;
  }
  return status == EXIT_FINE ? print_last(training) : status;
}

int command_train(const SgProgram *program, const Arguments *arguments) {
  const SgEntry *entry =
      choose_entry(program, arguments->entry, ENTRY_KIND_TRAIN, "train");
  if (!entry)
    return EXIT_USAGE;
  char name[512];
  snprintf(name, sizeof name, "%s.safetensors", program->name);
  Training training = {.program = program,
                       .entry = entry,
                       .arguments = arguments,
                       .save = arguments->save ? arguments->save : name};
  catch_signals();
  int status = prepare(&training);
  if (status == EXIT_FINE)
    status = train(&training);
  if (training.log && fclose(training.log) != 0 && status == EXIT_FINE) {
    complain("cannot write %s: %s", arguments->log, strerror(errno));
    status = EXIT_FAILED;
  }
  if (training.dataset >= 0 && training.data.column)
    dataset_close(&program->dataset[training.dataset], &training.data);
  sgrt_io.release(training.order);
  if (training.run.entry)
    run_close(&training.run);
  if (training.session.program)
    session_close(&training.session);
  return status;
}
