/* Files that appear whole or not at all, and paths that one run writes to at a
 * time.
 *
 * Order of a replacement: temporary file (O_EXCL), data, fsync, close, rename,
 * fsync of the folder. Whatever fails or is killed in between, the name holds
 * the old file or the new one (Pillai et al., "All file systems are not created
 * equal", OSDI'14).
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- replacing a file ---------------------------------------------------- */

bool new_file_open(NewFile *file, const char *path) {
  *file = (NewFile){.path = path, .file = -1};
  file->temporary = text_join(path, ".tmp");
  if (!file->temporary) {
    errno = ENOMEM;
    return false;
  }
  if (sgrt_io.unlink(file->temporary) == 0 || errno == ENOENT)
    file->file = io_open(file->temporary, O_WRONLY | O_CREAT | O_EXCL);
  if (file->file >= 0)
    return true;
  int error = errno;
  sgrt_io.release(file->temporary);
  errno = error;
  return false;
}

void new_file_drop(NewFile *file) {
  int error = errno;
  if (file->file >= 0)
    sgrt_io.close(file->file);
  sgrt_io.unlink(file->temporary);
  sgrt_io.release(file->temporary);
  *file = (NewFile){.file = -1};
  errno = error;
}

/* Network file systems report late failures of writes here. EINTR leaves the
 * file closed on Linux. */
static bool close_checked(NewFile *file) {
  int status = sgrt_io.close(file->file);
  file->file = -1;
  return status == 0 || errno == EINTR;
}

/* Atomic: the name holds the old file or the new one at any moment. */
static bool rename_checked(const char *from, const char *to) {
  int status;
  do
    status = sgrt_io.rename(from, to);
  while (status != 0 && errno == EINTR);
  return status == 0;
}

bool new_file_finish(NewFile *file) {
  bool good = io_sync(file->file) && close_checked(file) &&
              rename_checked(file->temporary, file->path);
  if (good)
    sgrt_io.release(file->temporary);
  else
    new_file_drop(file);
  return good;
}

/* The folder that holds the name `path`. */
static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = text_join(slash ? path : ".", "");
  if (folder && slash)
    folder[slash == path ? 1 : slash - path] = '\0';
  return folder;
}

bool folder_sync(const char *path) {
  char *name = folder_of(path);
  int folder = name ? io_open(name, O_RDONLY | O_DIRECTORY) : -1;
  /* Some file systems have nothing to sync there and say so. */
  bool good = folder >= 0 && (io_sync(folder) || errno == EINVAL);
  int error = name ? errno : ENOMEM;
  if (folder >= 0)
    sgrt_io.close(folder);
  sgrt_io.release(name);
  errno = error;
  return good;
}

/* ---- one writer at a time ------------------------------------------------ */

/* The lock counts only if the locked file still has the name: the run before
 * may have removed it between our open and our lock. */
static bool still_named(int file, const char *path) {
  struct stat held, named;
  return sgrt_io.status(file, &held) == 0 &&
         sgrt_io.path_status(path, &named) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* Complains and forgets the lock; EXIT_FAILED. */
static int lock_failed(Lock *lock, const char *path, const char *why) {
  complain("cannot save to %s: %s", path, why);
  if (lock->file >= 0)
    sgrt_io.close(lock->file);
  sgrt_io.release(lock->path);
  *lock = (Lock){.file = -1};
  return EXIT_FAILED;
}

/* EXIT_FINE, EXIT_FAILED after a complaint, or -1: try again. */
static int lock_once(Lock *lock, const char *path) {
  lock->file = io_open(lock->path, O_WRONLY | O_CREAT);
  if (lock->file < 0)
    return lock_failed(lock, path, strerror(errno));
  if (sgrt_io.lock(lock->file) == 0) {
    if (still_named(lock->file, lock->path))
      return EXIT_FINE;
    sgrt_io.close(lock->file);
    lock->file = -1;
    return -1;
  }
  if (errno == EWOULDBLOCK)
    return lock_failed(lock, path, "another run is saving to it");
  if (errno != ENOSYS && errno != EOPNOTSUPP)
    return lock_failed(lock, path, strerror(errno));
  complain("this file system knows no locks: see that no other run saves to %s",
           path);
  return EXIT_FINE;
}

int lock_take(Lock *lock, const char *path) {
  enum { TRIES = 100 };
  struct stat status;
  *lock = (Lock){.path = text_join(path, ".lock"), .file = -1};
  if (!lock->path)
    return out_of_memory();
  if (sgrt_io.path_status(path, &status) == 0 && !S_ISREG(status.st_mode))
    return lock_failed(lock, path, "it is no regular file");
  for (int i = 0; i < TRIES; i++) {
    int result = lock_once(lock, path);
    if (result >= 0)
      return result;
  }
  return lock_failed(lock, path, "its lock file keeps vanishing");
}

/* The name goes while the lock is still held. */
void lock_give_back(Lock *lock) {
  if (!lock->path)
    return;
  sgrt_io.unlink(lock->path);
  sgrt_io.close(lock->file);
  sgrt_io.release(lock->path);
  *lock = (Lock){.file = -1};
}
