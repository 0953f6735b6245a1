/* Orderly ends: a training run that is asked to stop finishes its step and
 * saves. The handler only takes a note; the second signal is not caught. */
#include "runtime/runtime.h"

#include <signal.h>

static volatile sig_atomic_t caught;

/* The signal is blocked in here: raised again, it comes after the return. */
static void on_signal(int number) {
  if (caught) {
    signal(number, SIG_DFL);
    raise(number);
  }
  caught = number;
}

/* A shell starts background jobs with SIGINT ignored, nohup with SIGHUP. */
static void catch_one(int number) {
  struct sigaction old,
      action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
    sigaction(number, &action, NULL);
}

void signals_catch(void) {
  caught = 0;
  catch_one(SIGINT);
  catch_one(SIGTERM);
  catch_one(SIGHUP);
  /* Writing fails with EPIPE or EFBIG instead. */
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

int signal_caught(void) {
  return caught;
}
