/* sg-smith: random well-typed programs and what they are held to.
 *
 *   sg-smith --print --seed=N [--batch=N|--pick=ENTRY]
 *   sg-smith check --seeds=A..B [--jobs=N] [--sets=N] [--coverage] [--pairs]
 *            [--seconds=S] [--ledger=FILE]
 *   sg-smith check FILE [--seed=N]
 *   sg-smith native --seeds=A..B [--batch=N] [--only=CPU/LEVEL|turn] ...
 *   sg-smith shrink FILE|--seed=N|--seeds=A..B [--check=NAME]
 *
 * --pick=ENTRY is one entry of a batch; --seeds of shrink looks for the first
 * program that fails.
 *
 * Exit codes: 0 nothing found, 1 something found, 2 usage.
 */
#include "tests/smith/smith.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *command, *file, *check;
  bool print, seeded, picked;
  int pick;
  uint64_t seed;
  Campaign campaign;
} Options;

static _Noreturn void usage(const char *what, const char *text) {
  fprintf(
      stderr,
      "sg-smith: %s%s\n"
      "usage: sg-smith --print --seed=N [--batch=N|--pick=ENTRY]\n"
      "       sg-smith check --seeds=A..B [--jobs=N] [--sets=1..4] "
      "[--coverage] [--pairs]\n"
      "                [--seconds=S] [--ledger=FILE]\n"
      "       sg-smith check FILE [--seed=N]\n"
      "       sg-smith native --seeds=A..B [--batch=N] [--only=CPU/LEVEL|turn] "
      "[--jobs=N]\n"
      "       sg-smith shrink FILE|--seed=N|--seeds=A..B "
      "[--check=NAME|edge:OP:OP]\n",
      what, text);
  exit(2);
}

/* ---- options ------------------------------------------------------------- */

/* The value of --NAME=VALUE, or NULL. */
static const char *value_of(const char *argument, const char *name) {
  size_t length = strlen(name);
  return strncmp(argument, name, length) == 0 && argument[length] == '='
             ? argument + length + 1
             : NULL;
}

static uint64_t number(const char *text, char **end) {
  errno = 0;
  uint64_t value = strtoull(text, end, 10);
  if (*end == text || errno)
    usage("expected a number: ", text);
  return value;
}

static uint64_t whole(const char *text, uint64_t low, uint64_t high) {
  char *end;
  uint64_t value = number(text, &end);
  if (*end || value < low || value > high)
    usage("expected another number: ", text);
  return value;
}

static void read_range(Campaign *campaign, const char *text) {
  char *end;
  campaign->first = number(text, &end);
  if (strncmp(end, "..", 2) != 0)
    usage("expected A..B: ", text);
  campaign->last = whole(end + 2, campaign->first, UINT64_MAX - 1);
}

static bool read_flag(Options *options, const char *argument) {
  if (strcmp(argument, "--print") == 0)
    options->print = true;
  else if (strcmp(argument, "--coverage") == 0)
    options->campaign.coverage = true;
  else if (strcmp(argument, "--pairs") == 0)
    options->campaign.coverage = options->campaign.pairs = true;
  else
    return false;
  return true;
}

static void read_option(Options *options, const char *argument) {
  Campaign *campaign = &options->campaign;
  const char *value;
  if (read_flag(options, argument))
    return;
  if ((value = value_of(argument, "--seed")) != NULL) {
    options->seed = whole(value, 0, UINT64_MAX);
    options->seeded = true;
  } else if ((value = value_of(argument, "--seeds")) != NULL)
    read_range(campaign, value);
  else if ((value = value_of(argument, "--jobs")) != NULL)
    campaign->jobs = (int)whole(value, 1, 256);
  else if ((value = value_of(argument, "--sets")) != NULL)
    campaign->sets = (int)whole(value, 1, INPUT_SETS);
  else if ((value = value_of(argument, "--batch")) != NULL)
    campaign->batch = (int)whole(value, 1, 512);
  else if ((value = value_of(argument, "--pick")) != NULL) {
    options->pick = (int)whole(value, 0, 511);
    options->picked = true;
  } else if ((value = value_of(argument, "--seconds")) != NULL)
    campaign->seconds = (double)whole(value, 1, 1000000);
  else if ((value = value_of(argument, "--ledger")) != NULL)
    campaign->ledger = value;
  else if ((value = value_of(argument, "--only")) != NULL)
    campaign->only = value;
  else if ((value = value_of(argument, "--check")) != NULL)
    options->check = value;
  else
    usage("unknown option ", argument);
}

static Options read_options(int argc, char **argv) {
  Options options = {.campaign = {.jobs = 1, .sets = 1}};
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] == '-')
      read_option(&options, argv[i]);
    else if (!options.command)
      options.command = argv[i];
    else if (!options.file)
      options.file = argv[i];
    else
      usage("one word too many: ", argv[i]);
  }
  return options;
}

/* ---- commands ------------------------------------------------------------ */

/* The program of --seed or of FILE. */
static Case *given_case(const Options *options) {
  if (!options->file && !options->seeded)
    usage("needs --seed=N or a file", "");
  if (!options->file && options->picked)
    return smith_picked(options->seed, options->pick);
  if (!options->file)
    return options->campaign.batch > 0
               ? smith_batch(options->seed, options->campaign.batch)
               : smith_program(options->seed);
  size_t length;
  const char *error;
  char *text = file_read(options->file, 1 << 26, &length, &error);
  if (!text)
    usage(options->file, error);
  Case *c = case_read(text, length);
  free(text);
  if (c->program)
    return c;
  fputs(c->messages.data, stderr);
  exit(2);
}

static void print_case(const Case *c) {
  Buffer text = case_print(c);
  fputs(text.data, stdout);
  buffer_free(&text);
}

static int report(const Verdict *verdict) {
  if (verdict->code[0])
    printf("refused by a pass with %s\n", verdict->code);
  if (verdict->check[0])
    printf("%s: %s\n", verdict->check, verdict->message);
  return verdict->check[0] != 0;
}

static int check_command(Options *options) {
  if (!options->file && options->campaign.last > 0)
    return campaign_run(&options->campaign);
  Verdict verdict;
  Case *c = given_case(options);
  check_case(c, options->seed, INPUT_SETS, &verdict, NULL, NULL);
  case_free(c);
  return report(&verdict);
}

static int native_command(Options *options) {
  Verdict verdict = {.check = ""};
  if (!options->file && options->campaign.last > 0) {
    if (options->campaign.batch == 0)
      options->campaign.batch = 64;
    return campaign_run(&options->campaign);
  }
  Case *c = given_case(options);
  check_native(c, options->seed, options->campaign.only, &verdict);
  case_free(c);
  return report(&verdict);
}

/* The first of the seeds whose program fails. */
static void find_seed(Options *options) {
  const Campaign *campaign = &options->campaign;
  for (uint64_t seed = campaign->first; seed <= campaign->last; seed++) {
    Case *c = smith_program(seed);
    bool found = still_fails(c, options->check, seed);
    case_free(c);
    options->seed = seed;
    options->seeded = true;
    if (found)
      return;
  }
}

static int shrink_command(Options *options) {
  if (options->campaign.last > 0 && options->check)
    find_seed(options);
  Case *c = given_case(options);
  Verdict verdict = {.check = ""};
  const char *check = options->check;
  if (!check) {
    check_case(c, options->seed, 1, &verdict, NULL, NULL);
    check = verdict.check;
  }
  if (!*check || !still_fails(c, check, options->seed)) {
    fprintf(stderr, "sg-smith: the program does not fail %s\n", check);
    case_free(c);
    return 0;
  }
  c = shrink(c, check, options->seed, true);
  print_case(c);
  case_free(c);
  return 1;
}

int main(int argc, char **argv) {
  Options options = read_options(argc, argv);
  const char *command = options.command ? options.command : "";
  if (options.print) {
    options.file = options.command;
    Case *c = given_case(&options);
    print_case(c);
    case_free(c);
    return 0;
  }
  if (strcmp(command, "check") == 0)
    return check_command(&options);
  if (strcmp(command, "native") == 0)
    return native_command(&options);
  if (strcmp(command, "shrink") == 0)
    return shrink_command(&options);
  usage("unknown command ", command);
}
