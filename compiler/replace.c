/* A file gets another text: `sgc fmt`.
 *
 * The text goes to a temporary file beside the old one, which is then renamed,
 * so that a run that is interrupted leaves the one or the other, whole. What a
 * link points to is replaced, not the link; mode and, where that is allowed,
 * owner stay. Other hard links to the file keep the old text.
 */
#include "compiler/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_all(int file, const Buffer *text) {
  for (size_t done = 0; done < text->length;) {
    ssize_t n = write(file, text->data + done, text->length - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return false;
    done += (size_t)n;
  }
  return fsync(file) == 0;
}

/* chown drops set-id bits, so the mode comes last. */
static bool copy_rights(int file, const struct stat *old) {
  int ignored = fchown(file, old->st_uid, old->st_gid);
  (void)ignored;
  return fchmod(file, old->st_mode & 07777) == 0;
}

/* errno says what went wrong. */
static bool replace(const char *path, const char *temporary, int file,
                    const struct stat *old, const Buffer *text) {
  bool good = write_all(file, text) && copy_rights(file, old);
  good = close(file) == 0 && good;
  good = good && rename(temporary, path) == 0;
  int error = errno;
  if (!good)
    unlink(temporary);
  errno = error;
  return good;
}

/* Nobody may write it: root, who could, means no exception. */
static bool is_read_only(const char *path, const struct stat *status) {
  return !(status->st_mode & 0222) || access(path, W_OK) != 0;
}

sg_status context_replace(sg_context *sg, const char *path,
                          const Buffer *text) {
  struct stat old;
  char *real = realpath(path, NULL);
  if (!real || stat(real, &old) != 0 || !S_ISREG(old.st_mode)) {
    free(real);
    return context_write(sg, path, text); /* a device, a pipe */
  }
  if (is_read_only(real, &old)) {
    free(real);
    context_message(sg, SG_ERROR, "cannot write %s: it is read-only", path);
    return SG_FILE;
  }
  char *temporary = arena_printf(sg->arena, "%s.XXXXXX", real);
  int file = mkstemp(temporary);
  bool good = file >= 0 && replace(real, temporary, file, &old, text);
  if (!good)
    context_message(sg, SG_ERROR, "cannot write %s: %s", path, strerror(errno));
  free(real);
  return good ? SG_OK : SG_FILE;
}
