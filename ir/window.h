/* Windows that move over images: which element each tap of each position
 * reads.
 *
 * Images are [n, spatial.., c]. A window has `window` taps along each spatial
 * axis, `dilation` apart; position o starts at o * stride - pad. Positions,
 * taps and image elements are counted in row-major order over the spatial
 * axes. Shared by the shape rules, the evaluator, scales and gradients of
 * convolutions and pools.
 */
#ifndef SG_IR_WINDOW_H
#define SG_IR_WINDOW_H

#include "ir/ir.h"

typedef struct {
  int spatial; /* axes */
  int64_t in[MAX_SPATIAL], out[MAX_SPATIAL], window[MAX_SPATIAL];
  int64_t stride[MAX_SPATIAL], pad[MAX_SPATIAL], dilation[MAX_SPATIAL];
} Windows;

/* Windows of `window` taps over images of sizes `in`, moved as the attributes
 * stride, pad and dilation say (empty lists: 1, 0, 1). On failure false, with
 * one line in *error (arena memory) that begins with "needs" or "has". */
bool windows_make(const Attributes *attr, int spatial, const int64_t *in,
                  const int64_t *window, Arena *arena, const char **error,
                  Windows *out);
/* The same for attributes and sizes that windows_make has accepted. */
Windows windows_of(const Attributes *attr, int spatial, const int64_t *in,
                   const int64_t *window);
int64_t windows_positions(const Windows *windows);
int64_t windows_taps(const Windows *windows);
/* How many elements an image has. */
int64_t windows_elements(const Windows *windows);
/* The element that `tap` reads at `position`; -1: padding. */
int64_t windows_read(const Windows *windows, int64_t position, int64_t tap);
/* The position at which `tap` reads `element`; -1: none. */
int64_t windows_reader(const Windows *windows, int64_t element, int64_t tap);

#endif
