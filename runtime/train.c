/* `train`: the step over a dataset, epoch after epoch.
 *
 * Examples of an epoch come in the permutation keyed (seed, epoch); the
 * remainder is dropped. Everything a step depends on is a function of (seed,
 * step) and of parameters and states, so a resumed run repeats the bits of an
 * uninterrupted one.
 */
#include "runtime/runtime.h"

#include "ir/rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  const SgProgram *program;
  const SgEntry *entry;
  const Arguments *arguments;
  const char *save;
  Lock lock;
  Session session;
  Run run;
  DatasetData data;
  uint32_t *order;   /* the permutation of the current epoch */
  int64_t epoch;     /* whose permutation it is; -1: none yet */
  int64_t per_epoch; /* steps; 0: no dataset */
  int64_t total;     /* the last step */
  Evaluation evaluation;
  double *value; /* of each result, for a line of the log */
  Log log;
} Training;

/* ---- preparation --------------------------------------------------------- */

/* The entry that @eval_every names, or NULL. */
static const SgEntry *eval_of(const Training *training) {
  return training->entry->eval_every
             ? find_entry(training->program, training->entry->eval_entry)
             : NULL;
}

/* The dataset in memory, and room for a permutation of it. */
static int open_data(Training *training) {
  const SgEntry *entry = training->entry;
  int number = entry_dataset(entry);
  training->epoch = -1;
  if (number < 0)
    return EXIT_FINE;
  int status =
      dataset_open(training->program, entry, training->arguments->redirect,
                   training->arguments->redirects, &training->data);
  if (status != EXIT_FINE)
    return status;
  if (entry->batch <= 0 || training->data.count < entry->batch) {
    complain("dataset %s has %" PRId64
             " examples, fewer than one batch of %" PRId64,
             training->program->dataset[number].name, training->data.count,
             entry->batch);
    return EXIT_DATA;
  }
  training->per_epoch = training->data.count / entry->batch;
  training->order =
      memory_new((size_t)training->data.count, sizeof *training->order);
  return training->order ? EXIT_FINE : out_of_memory();
}

/* What the command line asks for, else what the program does, else one epoch.
 * Of @steps and @epochs the first to be over ends the run. */
static int decide_length(Training *training) {
  const Arguments *arguments = training->arguments;
  const SgEntry *entry = training->entry;
  bool given = arguments->steps || arguments->epochs;
  int64_t steps = given ? arguments->steps : entry->steps;
  int64_t epochs = given ? arguments->epochs : entry->epochs;
  if (!steps && !epochs)
    epochs = training->per_epoch ? 1 : 0;
  if (!steps && !epochs) {
    complain("%s has no dataset to tell how long it trains: give --steps=N",
             entry->name);
    return EXIT_USAGE;
  }
  if (epochs && !training->per_epoch) {
    complain("%s has no dataset, so no epochs: give --steps=N", entry->name);
    return EXIT_USAGE;
  }
  int64_t most = INT64_MAX;
  if (epochs && __builtin_mul_overflow(epochs, training->per_epoch, &most)) {
    complain("%" PRId64 " epochs are too many", epochs);
    return EXIT_USAGE;
  }
  training->total = steps && steps < most ? steps : most;
  return EXIT_FINE;
}

/* @eval_every: whatever is wrong with its data shows before training. */
static int open_evaluation(Training *training) {
  const SgEntry *entry = training->entry;
  if (!entry->eval_every)
    return EXIT_FINE;
  return evaluation_open(&training->evaluation, training->program,
                         eval_of(training), training->arguments->redirect,
                         training->arguments->redirects);
}

/* A resumed run takes seed and step over; one from --weights begins at step 1
 * under its own seed. */
static int load_or_initialize(Training *training) {
  const Arguments *arguments = training->arguments;
  Session *session = &training->session;
  int64_t seed = training->entry->seed ? training->entry->seed : 1;
  if (arguments->resume)
    return checkpoint_load(session, arguments->resume, arguments->convert,
                           training->entry->name);
  session->seed = arguments->has_seed ? arguments->seed : (uint64_t)seed;
  if (arguments->weights)
    return checkpoint_load(session, arguments->weights, arguments->convert,
                           NULL);
  session_initialize(session, session->seed);
  return EXIT_FINE;
}

/* Only a resumed run can have nothing to do. */
static int check_position(const Training *training) {
  int64_t done = (int64_t)training->session.step;
  if (done < training->total)
    return EXIT_FINE;
  complain("%s: step %" PRId64 " of %" PRId64
           " is done already; give a larger --steps or --epochs",
           training->arguments->resume, done, training->total);
  return EXIT_USAGE;
}

/* Cheap things that can be wrong come first. */
static int prepare(Training *training) {
  const Arguments *arguments = training->arguments;
  int status =
      redirects_check(training->program, training->entry, eval_of(training),
                      arguments->redirect, arguments->redirects);
  if (status == EXIT_FINE)
    status = lock_take(&training->lock, training->save);
  if (status == EXIT_FINE)
    status = session_open(&training->session, training->program,
                          (int)arguments->threads);
  if (status == EXIT_FINE)
    status = load_or_initialize(training);
  if (status == EXIT_FINE)
    status = open_data(training);
  if (status == EXIT_FINE)
    status = decide_length(training);
  if (status == EXIT_FINE)
    status = check_position(training);
  if (status == EXIT_FINE)
    status = open_evaluation(training);
  if (status == EXIT_FINE)
    status = run_open(&training->run, training->entry);
  if (status != EXIT_FINE)
    return status;
  training->value = results_new(training->entry);
  return training->value ? log_open(&training->log, arguments->log,
                                    arguments->resume != NULL)
                         : EXIT_FAILED;
}

/* Whatever prepare came to; all of it may be zero. */
static void release(Training *training) {
  lock_give_back(&training->lock);
  dataset_close(training->program, training->entry, &training->data);
  evaluation_close(&training->evaluation);
  run_close(&training->run);
  session_close(&training->session);
  sgrt_io.release(training->order);
  sgrt_io.release(training->value);
}

/* ---- the loop ------------------------------------------------------------ */

/* Batch number `step` (1-based): its place in the epoch's permutation. */
static void fill_batch(Training *training, int64_t step) {
  if (!training->per_epoch)
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

/* The results of the step just done, into training->value. */
static void read_results(Training *training) {
  const SgEntry *entry = training->entry;
  for (int64_t i = 0; i < entry->result_count; i++)
    if (entry->result[i].rank == 0)
      training->value[i] = run_result(&training->session, &training->run, i, 0);
}

/* Every @eval_every steps; one that a signal cut short is not shown. */
static int evaluate_now(Training *training, Progress *progress, int64_t step) {
  Evaluation *evaluation = &training->evaluation;
  if (!evaluation->run.entry || step % training->entry->eval_every != 0)
    return EXIT_FINE;
  int status = evaluation_run(evaluation, &training->session);
  if (status != EXIT_FINE || signal_caught())
    return status;
  const SgEntry *entry = evaluation->run.entry;
  progress_evaluation(progress, step, entry, evaluation->mean);
  log_step(&training->log, step, entry->name, entry, evaluation->mean);
  return EXIT_FINE;
}

/* The last step is saved by train(). */
static int save_now(Training *training, int64_t step) {
  int64_t every = training->arguments->save_every
                      ? training->arguments->save_every
                      : training->entry->save_every;
  if (!every || step % every != 0 || step == training->total)
    return EXIT_FINE;
  int status = checkpoint_save(&training->session, training->save,
                               training->entry->name);
  return training->arguments->keep_going ? EXIT_FINE : status;
}

/* Step number `step`, and all that is due after it. session.step counts only
 * steps that were carried out whole: it is what a checkpoint says. */
static int one_step(Training *training, Progress *progress, int64_t step) {
  double begin = now_seconds();
  fill_batch(training, step);
  int status = run_step(&training->session, &training->run, (uint64_t)step);
  if (status != EXIT_FINE)
    return status;
  training->session.step = (uint64_t)step;
  progress_step(progress, &training->session, &training->run, step,
                now_seconds() - begin);
  read_results(training);
  log_step(&training->log, step, NULL, training->entry, training->value);
  if (training->arguments->check)
    status = check_numbers(&training->session, &training->run);
  if (status == EXIT_FINE)
    status = evaluate_now(training, progress, step);
  return status == EXIT_FINE ? save_now(training, step) : status;
}

/* Ends early, without a complaint, when a signal asks for it. */
static int steps(Training *training) {
  int64_t every = training->entry->log_every ? training->entry->log_every
                  : training->per_epoch      ? training->per_epoch
                                             : 100;
  Progress progress;
  int status = progress_begin(&progress, training->entry, training->total,
                              every, training->arguments->quiet);
  while (status == EXIT_FINE && !signal_caught() &&
         (int64_t)training->session.step < training->total)
    status = one_step(training, &progress, (int64_t)training->session.step + 1);
  progress_end(&progress);
  return status;
}

/* An orderly end; a run that did nothing leaves the file alone. */
static int train(Training *training) {
  uint64_t first = training->session.step;
  int status = steps(training);
  uint64_t step = training->session.step;
  if (status == EXIT_FINE && step > first)
    status = checkpoint_save(&training->session, training->save,
                             training->entry->name);
  if (status != EXIT_FINE)
    return status;
  if ((int64_t)step < training->total) {
    if (step > first)
      complain("interrupted after step %" PRIu64 " of %" PRId64
               "; to go on: train --resume=%s",
               step, training->total, training->save);
    else
      complain("interrupted before the first step; nothing is saved");
    return 128 + signal_caught();
  }
  printf("step %" PRIu64 "  ", step);
  print_results(stdout, training->entry, training->value);
  putchar('\n');
  return EXIT_FINE;
}

static int train_to(const SgProgram *program, const SgEntry *entry,
                    const Arguments *arguments, const char *save) {
  Training training = {.program = program,
                       .entry = entry,
                       .arguments = arguments,
                       .save = save,
                       .log = {.file = -1}};
  signals_catch();
  int status = prepare(&training);
  if (status == EXIT_FINE)
    status = train(&training);
  int logged = log_close(&training.log);
  release(&training);
  return status == EXIT_FINE ? logged : status;
}

int command_train(const SgProgram *program, const Arguments *arguments) {
  const SgEntry *entry =
      choose_entry(program, arguments->entry, ENTRY_KIND_TRAIN, "train");
  if (!entry)
    return EXIT_USAGE;
  if (arguments->save)
    return train_to(program, entry, arguments, arguments->save);
  char *save = text_join(program->name, ".safetensors");
  if (!save)
    return out_of_memory();
  int status = train_to(program, entry, arguments, save);
  sgrt_io.release(save);
  return status;
}
