/* sgrt_io that counts, and fails on demand: what every fault test plugs in. */
#ifndef SG_TESTS_RUNTIME_FAULTS_H
#define SG_TESTS_RUNTIME_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
  CALL_OPEN,
  CALL_READ,
  CALL_READ_AT,
  CALL_WRITE,
  CALL_STATUS,
  CALL_PATH_STATUS,
  CALL_LOCK,
  CALL_SYNC,
  CALL_CLOSE,
  CALL_RENAME,
  CALL_UNLINK,
  CALL_ALLOCATE,
  CALL_KINDS
} CallKind;

typedef struct {
  /* What to do. */
  CallKind kind;    /* which function fails */
  long at;          /* at which of its calls, from 1 on; 0: at none */
  int error;        /* errno */
  int signal;       /* if not 0: raised there, and the call does not fail */
  bool pieces;      /* transfers are one byte long */
  bool interrupted; /* every second call ends with EINTR at first */
  /* What happened. */
  long calls[CALL_KINDS];
  long memory;    /* blocks allocated and not released */
  size_t largest; /* bytes asked for at once */
  long files;     /* descriptors opened and not closed */
  bool fired;
} Faults;
extern Faults faults;

/* Plugs the counting table in; clears *faults. */
void faults_install(void);
/* Asserts that everything was given back. */
void faults_assert_clean(void);

#endif
