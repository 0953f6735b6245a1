/* `eval`: the averages of an eval entry's reports over its whole dataset. */
#include "runtime/runtime.h"

#include <stdio.h>
#include <string.h>

/* Each batch counts alike, so the batch must divide the set: otherwise the
 * last examples would weigh more, or be left out. */
static int check_batch(const SgEntry *entry, const char *name, int64_t count) {
  if (count % entry->batch == 0)
    return EXIT_FINE;
  char list[128] = "";
  size_t used = 0;
  int64_t low = 0, high = 0;
  for (int64_t i = entry->batch; i > 0 && !low; i--)
    low = count % i == 0 ? i : 0;
  for (int64_t i = entry->batch; i <= count && !high; i++)
    high = count % i == 0 ? i : 0;
  used = (size_t)snprintf(list, sizeof list, "%lld", (long long)low);
  if (high && high != low)
    snprintf(list + used, sizeof list - used, " or %lld", (long long)high);
  complain("%s: a batch of %lld does not divide the %lld examples of %s; a "
           "batch of %s does",
           entry->name, (long long)entry->batch, (long long)count, name, list);
  return EXIT_DATA;
}

static int run_batches(const Session *session, Run *run,
                       const DatasetData *data, double *mean) {
  const SgEntry *entry = run->entry;
  int64_t batches = data->count / entry->batch;
  uint32_t *index = sgrt_io.allocate((size_t)entry->batch * sizeof *index);
  if (!index) {
    complain("out of memory");
    return EXIT_FAILED;
  }
  for (int64_t b = 0; b < batches; b++) {
    int64_t begin = b * entry->batch;
    for (int64_t i = 0; i < entry->batch; i++)
      index[i] = (uint32_t)(begin + i);
    run_fill(run, data, index);
    run_step(session, run, 1);
    for (int64_t i = 0; i < entry->result_count; i++)
      if (entry->result[i].rank == 0)
        mean[i] += run_result(session, run, (int)i, 0);
  }
  for (int64_t i = 0; i < entry->result_count; i++)
    mean[i] /= (double)batches;
  sgrt_io.release(index);
  return EXIT_FINE;
}

int evaluate(const Session *session, const SgEntry *entry,
             const Arguments *arguments, double *mean) {
  const SgProgram *program = session->program;
  int number = entry_dataset(entry);
  memset(mean, 0, (size_t)entry->result_count * sizeof *mean);
  if (number < 0) {
    complain("%s reads no dataset; evaluate it with `run`", entry->name);
    return EXIT_USAGE;
  }
  DatasetData data;
  Run run = {0};
  int status = dataset_open(program, entry, number, arguments->redirect,
                            arguments->redirects, &data);
  if (status != EXIT_FINE)
    return status;
  status = check_batch(entry, program->dataset[number].name, data.count);
  if (status == EXIT_FINE)
    status = run_open(&run, entry);
  if (status == EXIT_FINE) {
    status = run_batches(session, &run, &data, mean);
    run_close(&run);
  }
  dataset_close(&program->dataset[number], &data);
  return status;
}

/* --weights, or the file that train saves. */
static int load_weights(Session *session, const Arguments *arguments) {
  char name[512];
  snprintf(name, sizeof name, "%s.safetensors", session->program->name);
  return checkpoint_load(session,
                         arguments->weights ? arguments->weights : name,
                         arguments->convert, false);
}

int command_eval(const SgProgram *program, const Arguments *arguments) {
  const SgEntry *entry =
      choose_entry(program, arguments->entry, ENTRY_KIND_EVAL, "eval");
  if (!entry)
    return EXIT_USAGE;
  Session session;
  int status = session_open(&session, program, 1, arguments->threads);
  if (status != EXIT_FINE)
    return status;
  double *mean = results_new(entry);
  status = mean ? load_weights(&session, arguments) : EXIT_FAILED;
  if (status == EXIT_FINE)
    status = evaluate(&session, entry, arguments, mean);
  if (status == EXIT_FINE) {
    print_results(stdout, entry, mean);
    putchar('\n');
  }
  sgrt_io.release(mean);
  session_close(&session);
  return status;
}
