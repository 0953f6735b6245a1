/* Running commands and finding files. SG_BENCH_BUILD and SG_BENCH_SOURCE are
 * the folders of this build, relative to the benchmark's own place. */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char *beside(char *buffer, size_t size, const char *folder,
                          const char *name) {
  char self[2048];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  self[n > 0 ? n : 0] = '\0';
  char *slash = strrchr(self, '/');
  if (slash)
    *slash = '\0';
  snprintf(buffer, size, "%s%s/%s", self, folder, name);
  return buffer;
}

const char *build_path(char *buffer, size_t size, const char *name) {
  return beside(buffer, size, "", name);
}

/* The build folder is build/PRESET inside the source folder. */
const char *source_path(char *buffer, size_t size, const char *name) {
  return beside(buffer, size, "/../..", name);
}

const char *scratch_path(char *buffer, size_t size, const char *name) {
  char folder[3000];
  mkdir(beside(folder, sizeof folder, "", "bench"), 0777);
  snprintf(buffer, size, "%s/%s", folder, name);
  return buffer;
}

ProcessResult process_run(char *const *command, const char *output) {
  ProcessResult result = {.status = -1};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output ? output : "/dev/null",
                                   O_WRONLY | O_CREAT | O_TRUNC, 0666);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t pid;
  int status;
  struct rusage usage;
  double begin = seconds_now();
  if (posix_spawnp(&pid, command[0], &actions, NULL, command, environ) == 0 &&
      wait4(pid, &status, 0, &usage) == pid) {
    result.seconds = seconds_now() - begin;
    result.processor_seconds =
        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    result.peak_mib = (double)usage.ru_maxrss / 1024;
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  posix_spawn_file_actions_destroy(&actions);
  return result;
}

bool compile_program(const char *file, const char *recipe, const char *name,
                     Report *report) {
  char sgc[4096], source[4096], out[4096], option[64];
  snprintf(option, sizeof option, "--recipe=%s", recipe);
  char *command[] = {(char *)build_path(sgc, sizeof sgc, "sgc"),
                     (char *)source_path(source, sizeof source, file),
                     option,
                     "-o",
                     (char *)scratch_path(out, sizeof out, name),
                     NULL};
  bool good = process_run(command, NULL).status == 0;
  if (!good) {
    snprintf(source, sizeof source, "sgc failed to compile %s", file);
    report_failure(report, name, source);
  }
  return good;
}

bool compile_example(const char *recipe, const char *name, Report *report) {
  return compile_program("examples/mlp/mlp.sg", recipe, name, report);
}
