/* The geometry of window.h: integers only.
 */
#include "ir/window.h"

#include <inttypes.h>

/* One number an axis, or none: then `neutral` everywhere. */
static bool list_read(const WholeList *list, int spatial, int32_t least,
                      int64_t neutral, int64_t *out) {
  if (list->count != 0 && list->count != spatial)
    return false;
  for (int i = 0; i < spatial; i++) {
    out[i] = list->count ? list->at[i] : neutral;
    if (out[i] < least)
      return false;
  }
  return true;
}

static bool fail(Arena *arena, const char **error, const char *what,
                 int spatial, const char *least) {
  *error =
      arena_printf(arena, "needs `%s` as a list of %d number%s of at least %s",
                   what, spatial, spatial == 1 ? "" : "s", least);
  return false;
}

static bool sizes_make(Windows *out, Arena *arena, const char **error) {
  for (int i = 0; i < out->spatial; i++) {
    int64_t reach = out->dilation[i] * (out->window[i] - 1) + 1;
    int64_t padded = out->in[i] + 2 * out->pad[i];
    if (out->window[i] < 1 || reach > padded) {
      *error = arena_printf(arena,
                            "has a window of %" PRId64 " over an image of "
                            "%" PRId64 " along spatial axis %d",
                            reach, padded, i);
      return false;
    }
    out->out[i] = (padded - reach) / out->stride[i] + 1;
  }
  return true;
}

bool windows_make(const Attributes *attr, int spatial, const int64_t *in,
                  const int64_t *window, Arena *arena, const char **error,
                  Windows *out) {
  *out = (Windows){.spatial = spatial};
  if (!list_read(&attr->stride, spatial, 1, 1, out->stride))
    return fail(arena, error, "stride", spatial, "1");
  if (!list_read(&attr->pad, spatial, 0, 0, out->pad))
    return fail(arena, error, "pad", spatial, "0");
  if (!list_read(&attr->dilation, spatial, 1, 1, out->dilation))
    return fail(arena, error, "dilation", spatial, "1");
  for (int i = 0; i < spatial; i++) {
    out->in[i] = in[i];
    out->window[i] = window[i];
    /* Sizes and steps of 32 bits: no product overflows. */
    if (in[i] > INT32_MAX || window[i] > INT32_MAX) {
      *error = "has a size beyond 32 bits";
      return false;
    }
  }
  return sizes_make(out, arena, error);
}

Windows windows_of(const Attributes *attr, int spatial, const int64_t *in,
                   const int64_t *window) {
  Windows windows;
  const char *error;
  Arena *arena = arena_new();
  windows_make(attr, spatial, in, window, arena, &error, &windows);
  arena_free(arena);
  return windows;
}

static int64_t product(const int64_t *size, int count) {
  int64_t result = 1;
  for (int i = 0; i < count; i++)
    result *= size[i];
  return result;
}

int64_t windows_positions(const Windows *windows) {
  return product(windows->out, windows->spatial);
}

int64_t windows_taps(const Windows *windows) {
  return product(windows->window, windows->spatial);
}

int64_t windows_elements(const Windows *windows) {
  return product(windows->in, windows->spatial);
}

int64_t windows_read(const Windows *w, int64_t position, int64_t tap) {
  int64_t element = 0, step = 1;
  for (int i = w->spatial; i-- > 0;) {
    int64_t at = position % w->out[i] * w->stride[i] - w->pad[i] +
                 tap % w->window[i] * w->dilation[i];
    if (at < 0 || at >= w->in[i])
      return -1;
    position /= w->out[i];
    tap /= w->window[i];
    element += at * step;
    step *= w->in[i];
  }
  return element;
}

int64_t windows_reader(const Windows *w, int64_t element, int64_t tap) {
  int64_t position = 0, step = 1;
  for (int i = w->spatial; i-- > 0;) {
    int64_t from =
        element % w->in[i] + w->pad[i] - tap % w->window[i] * w->dilation[i];
    if (from < 0 || from % w->stride[i] != 0 ||
        from / w->stride[i] >= w->out[i])
      return -1;
    element /= w->in[i];
    tap /= w->window[i];
    position += from / w->stride[i] * step;
    step *= w->out[i];
  }
  return position;
}
