/* `eval`: the averages of an eval entry's reports over its whole dataset. */
#include "runtime/runtime.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- one eval entry over its dataset ------------------------------------- */

/* Each batch counts alike, so the batch must divide the set: otherwise the
 * last examples would weigh more, or be left out. Names the nearest batches
 * that do. */
static int check_batch(const SgEntry *entry, const char *set, int64_t count) {
  int64_t batch = entry->batch, low = batch < count ? batch : count;
  if (batch > 0 && count % batch == 0)
    return EXIT_FINE;
  while (low > 1 && count % low != 0)
    low--;
  int64_t high = low + 1;
  while (high < count && count % high != 0)
    high++;
  if (batch <= 0)
    complain("%s has no batch to fill from %s", entry->name, set);
  else if (batch < count)
    complain("%s: a batch of %" PRId64 " does not divide the %" PRId64
             " examples of %s; a batch of %" PRId64 " or %" PRId64 " does",
             entry->name, batch, count, set, low, high);
  else
    complain("%s: a batch of %" PRId64 " is more than the %" PRId64
             " examples of %s; a batch of %" PRId64 " divides them",
             entry->name, batch, count, set, low);
  return EXIT_DATA;
}

/* All that the loop needs: nothing is allocated while it runs. */
static int evaluation_memory(Evaluation *evaluation, const SgEntry *entry) {
  int status = run_open(&evaluation->run, entry);
  if (status != EXIT_FINE)
    return status;
  evaluation->mean = results_new(entry);
  evaluation->index =
      memory_new((size_t)entry->batch, sizeof *evaluation->index);
  if (evaluation->mean && !evaluation->index)
    out_of_memory();
  return evaluation->mean && evaluation->index ? EXIT_FINE : EXIT_FAILED;
}

int evaluation_open(Evaluation *evaluation, const SgProgram *program,
                    const SgEntry *entry, const Redirect *redirect,
                    int redirects) {
  int number = entry_dataset(entry);
  *evaluation = (Evaluation){.program = program};
  if (number < 0) {
    complain("%s reads no dataset: there is nothing to average over",
             entry->name);
    return EXIT_USAGE;
  }
  int status =
      dataset_open(program, entry, redirect, redirects, &evaluation->data);
  if (status != EXIT_FINE)
    return status;
  status =
      check_batch(entry, program->dataset[number].name, evaluation->data.count);
  if (status == EXIT_FINE)
    status = evaluation_memory(evaluation, entry);
  if (status != EXIT_FINE) {
    dataset_close(program, entry, &evaluation->data);
    evaluation_close(evaluation);
  }
  return status;
}

void evaluation_close(Evaluation *evaluation) {
  if (evaluation->run.entry)
    dataset_close(evaluation->program, evaluation->run.entry,
                  &evaluation->data);
  run_close(&evaluation->run);
  sgrt_io.release(evaluation->index);
  sgrt_io.release(evaluation->mean);
  *evaluation = (Evaluation){0};
}

/* Sums in binary64: the order of batches is fixed, so is the result. */
static void add_results(Evaluation *evaluation, const Session *session) {
  const SgEntry *entry = evaluation->run.entry;
  for (int64_t i = 0; i < entry->result_count; i++)
    if (entry->result[i].rank == 0)
      evaluation->mean[i] += run_result(session, &evaluation->run, i, 0);
}

int evaluation_run(Evaluation *evaluation, const Session *session) {
  const SgEntry *entry = evaluation->run.entry;
  int64_t batches = evaluation->data.count / entry->batch;
  for (int64_t i = 0; i < entry->result_count; i++)
    evaluation->mean[i] = 0;
  for (int64_t b = 0; b < batches && !signal_caught(); b++) {
    for (int64_t i = 0; i < entry->batch; i++)
      evaluation->index[i] = (uint32_t)(b * entry->batch + i);
    run_fill(&evaluation->run, &evaluation->data, evaluation->index);
    int status = run_step(session, &evaluation->run, 1);
    if (status != EXIT_FINE)
      return status;
    add_results(evaluation, session);
  }
  for (int64_t i = 0; i < entry->result_count; i++)
    evaluation->mean[i] /= (double)batches;
  return EXIT_FINE;
}

/* ---- the command --------------------------------------------------------- */

int load_weights(Session *session, const Arguments *arguments) {
  if (arguments->weights)
    return checkpoint_load(session, arguments->weights, arguments->convert,
                           NULL);
  char *name = text_join(session->program->name, ".safetensors");
  struct stat about;
  if (!name)
    return out_of_memory();
  int status = EXIT_DATA;
  if (sgrt_io.path_status(name, &about) != 0)
    complain("there is no %s; `train` makes it, --weights=FILE names another",
             name);
  else
    status = checkpoint_load(session, name, arguments->convert, NULL);
  sgrt_io.release(name);
  return status;
}

/* The weights first: they are small, and easy to get wrong. */
static int evaluate(Session *session, const SgEntry *entry,
                    const Arguments *arguments) {
  Evaluation evaluation;
  int status = load_weights(session, arguments);
  if (status == EXIT_FINE)
    status = evaluation_open(&evaluation, session->program, entry,
                             arguments->redirect, arguments->redirects);
  if (status != EXIT_FINE)
    return status;
  status = evaluation_run(&evaluation, session);
  if (status == EXIT_FINE) {
    print_results(stdout, entry, evaluation.mean);
    putchar('\n');
  }
  evaluation_close(&evaluation);
  return status;
}

/* Seed 1 and step 1: an eval entry that draws random numbers draws the same
 * ones in each batch and each call. */
int command_eval(const SgProgram *program, const Arguments *arguments) {
  const SgEntry *entry =
      choose_entry(program, arguments->entry, ENTRY_KIND_EVAL, "eval");
  if (!entry)
    return EXIT_USAGE;
  Session session;
  int status = redirects_check(program, entry, NULL, arguments->redirect,
                               arguments->redirects);
  if (status == EXIT_FINE)
    status = session_open(&session, program, (int)arguments->threads);
  if (status != EXIT_FINE)
    return status;
  session.seed = 1;
  status = evaluate(&session, entry, arguments);
  session_close(&session);
  return status;
}
