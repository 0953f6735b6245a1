/* Many seeds, shared among processes.
 *
 * In: a range of seeds. Out: one line a finding, a summary, a row of the
 * ledger. Each worker is a process, so that a crash or an endless loop costs
 * one seed: the parent names it and starts the next worker behind it.
 */
#include "tests/smith/smith.h"

#include <signal.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SEED_SECONDS = 20, SHOWN = 40, CODES = 32 };

/* What a worker leaves in shared memory. */
typedef struct {
  uint64_t next, last; /* the seed at work, the last one */
  uint64_t done, failed, refused;
  uint64_t compared[PASS_COUNT], certified[PASS_COUNT];
  char code[CODES][8]; /* errors of passes, with how often */
  uint64_t count[CODES];
  Coverage coverage;
} Share;

typedef struct {
  const Campaign *campaign;
  Share *share;
  uint64_t *hash; /* one a seed */
  pid_t *worker;
  double start;
} Fleet;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *shared(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror("sg-smith");
    exit(2);
  }
  return memory;
}

/* ---- a worker ------------------------------------------------------------ */

/* `code` has five characters. */
static void count_code(Share *share, const char *code) {
  share->refused++;
  for (int i = 0; i < CODES; i++) {
    if (share->code[i][0] && strcmp(share->code[i], code) != 0)
      continue;
    memcpy(share->code[i], code, 6);
    share->count[i]++;
    return;
  }
}

static void see(void *user, const Program *program) {
  coverage_add(user, program);
}

static void show(uint64_t seed, const Verdict *verdict) {
  printf("seed %llu: %s: %s\n", (unsigned long long)seed, verdict->check,
         verdict->message);
  fflush(stdout);
}

static void work_on(const Fleet *fleet, Share *share, uint64_t seed) {
  const Campaign *campaign = fleet->campaign;
  Verdict verdict = {.check = ""};
  Case *c;
  if (campaign->batch > 0) {
    c = smith_batch(seed, campaign->batch);
    check_native(c, seed, campaign->only, &verdict);
  } else {
    c = smith_program(seed);
    check_case(c, seed, campaign->sets, &verdict,
               campaign->coverage ? see : NULL, &share->coverage);
  }
  fleet->hash[seed - campaign->first] = case_hash(c);
  case_free(c);
  share->done++;
  for (int i = 0; i < PASS_COUNT; i++) {
    share->compared[i] += verdict.compared[i];
    share->certified[i] += verdict.certified[i];
  }
  if (verdict.code[0])
    count_code(share, verdict.code);
  for (unsigned i = 0; i < verdict.refused; i++)
    count_code(share, "E0790");
  if (!verdict.check[0])
    return;
  share->failed++;
  if (share->failed <= SHOWN)
    show(seed, &verdict);
}

/* Processor time, so that a busy machine does not look like a loop. */
static void limit_seconds(int seconds) {
  struct itimerval timer = {.it_value = {.tv_sec = seconds}};
  setitimer(ITIMER_PROF, &timer, NULL);
}

static _Noreturn void work(const Fleet *fleet, Share *share, uint64_t step) {
  const Campaign *campaign = fleet->campaign;
  for (; share->next <= share->last; share->next += step) {
    if (campaign->seconds > 0 && now() - fleet->start > campaign->seconds)
      break;
    limit_seconds(campaign->batch > 0 ? 20 * SEED_SECONDS : SEED_SECONDS);
    work_on(fleet, share, share->next);
  }
  limit_seconds(0);
  fflush(stdout);
  _exit(0);
}

/* ---- the parent ---------------------------------------------------------- */

static void start_worker(Fleet *fleet, int i) {
  fflush(stdout);
  fleet->worker[i] = fork();
  if (fleet->worker[i] == 0)
    work(fleet, &fleet->share[i], (uint64_t)fleet->campaign->jobs);
  if (fleet->worker[i] < 0) {
    perror("sg-smith");
    exit(2);
  }
}

/* A worker that was killed goes on behind the seed that killed it. */
static void bury(Fleet *fleet, int i, int status) {
  Share *share = &fleet->share[i];
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return;
  Verdict verdict = {.check = "crash"};
  int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (number == SIGPROF)
    snprintf(verdict.check, sizeof verdict.check, "time");
  snprintf(verdict.message, sizeof verdict.message, "%s",
           number == SIGPROF ? "more than 20 s of processor time"
           : number          ? strsignal(number)
                             : "the process gave up");
  show(share->next, &verdict);
  share->failed++;
  share->done++;
  share->next += (uint64_t)fleet->campaign->jobs;
  start_worker(fleet, i);
}

static void run_fleet(Fleet *fleet) {
  int jobs = fleet->campaign->jobs;
  for (int i = 0; i < jobs; i++)
    start_worker(fleet, i);
  for (;;) {
    int status;
    pid_t gone = wait(&status);
    if (gone < 0 && errno == EINTR)
      continue;
    if (gone < 0)
      return;
    for (int i = 0; i < jobs; i++)
      if (fleet->worker[i] == gone)
        bury(fleet, i, status);
  }
}

/* ---- the summary --------------------------------------------------------- */

static int compare_hashes(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static uint64_t distinct(uint64_t *hash, size_t count) {
  uint64_t result = 0;
  qsort(hash, count, sizeof *hash, compare_hashes);
  for (size_t i = 0; i < count; i++)
    result += hash[i] != 0 && (i == 0 || hash[i] != hash[i - 1]);
  return result;
}

static Share *merged(const Fleet *fleet) {
  Share *all = shared(sizeof *all);
  for (int i = 0; i < fleet->campaign->jobs; i++) {
    const Share *share = &fleet->share[i];
    all->done += share->done;
    all->failed += share->failed;
    for (int j = 0; j < PASS_COUNT; j++) {
      all->compared[j] += share->compared[j];
      all->certified[j] += share->certified[j];
    }
    for (int j = 0; j < CODES && share->code[j][0]; j++)
      for (uint64_t k = 0; k < share->count[j]; k++)
        count_code(all, share->code[j]);
    coverage_merge(&all->coverage, &share->coverage);
  }
  return all;
}

static double certified_share(const Share *all) {
  uint64_t compared = all->compared[PASS_scalify];
  return compared
             ? 100.0 * (double)all->certified[PASS_scalify] / (double)compared
             : 0;
}

static void summarize(const Share *all, uint64_t graphs, double seconds) {
  printf("%llu seeds, %llu distinct, %llu failed, %.1f s\n",
         (unsigned long long)all->done, (unsigned long long)graphs,
         (unsigned long long)all->failed, seconds);
  for (int i = 0; i < CODES && all->code[i][0]; i++)
    printf("refused with %s: %llu\n", all->code[i],
           (unsigned long long)all->count[i]);
  if (all->compared[PASS_scalify])
    printf("certified for scaling: %.1f %%\n", certified_share(all));
}

static bool add_to_ledger(const Campaign *campaign, const Share *all,
                          uint64_t graphs, double seconds) {
  FILE *file = fopen(campaign->ledger, "a");
  if (!file) {
    perror(campaign->ledger);
    return false;
  }
  char day[16];
  time_t today = time(NULL);
  strftime(day, sizeof day, "%Y-%m-%d", gmtime(&today));
  uint64_t trials =
      all->done * (uint64_t)(campaign->batch > 0 ? campaign->batch : 1);
  fprintf(file,
          "%s\tsg_smith%s\t%llu\t%llu\t%.0f\tseeds from %llu, %llu "
          "distinct",
          day, campaign->batch > 0 ? "_native" : "", (unsigned long long)trials,
          (unsigned long long)all->failed, seconds,
          (unsigned long long)campaign->first, (unsigned long long)graphs);
  if (campaign->batch > 0)
    fprintf(file, " modules of %d entries\n", campaign->batch);
  else
    fprintf(file, ", %d of %d input sets, %.1f %% certified\n", campaign->sets,
            INPUT_SETS, certified_share(all));
  return fclose(file) == 0;
}

int campaign_run(const Campaign *campaign) {
  size_t count = (size_t)(campaign->last - campaign->first + 1);
  Fleet fleet = {.campaign = campaign, .start = now()};
  size_t jobs = (size_t)campaign->jobs;
  fleet.share = shared(jobs * sizeof *fleet.share);
  fleet.hash = shared(count * sizeof *fleet.hash);
  fleet.worker = shared(jobs * sizeof *fleet.worker);
  for (int i = 0; i < campaign->jobs; i++) {
    fleet.share[i].next = campaign->first + (uint64_t)i;
    fleet.share[i].last = campaign->last;
  }
  run_fleet(&fleet);
  Share *all = merged(&fleet);
  uint64_t graphs = distinct(fleet.hash, count);
  double seconds = now() - fleet.start;
  summarize(all, graphs, seconds);
  bool whole = campaign->seconds > 0 || all->done == count;
  if (!whole)
    printf("ended early: %llu of %zu seeds\n", (unsigned long long)all->done,
           count);
  unsigned missing =
      campaign->coverage ? coverage_report(&all->coverage, campaign->pairs) : 0;
  bool noted =
      !campaign->ledger || add_to_ledger(campaign, all, graphs, seconds);
  return all->failed == 0 && missing == 0 && noted && whole ? 0 : 1;
}
