/* Checkpoints, loaded: weights of the same program, or by the same names from
 * elsewhere.
 *
 * In: a safetensors file, whose header safetensors.c has checked. Out: the
 * parameters of a session. Everything that can be wrong with the header is
 * found before the data are read; the data are read once, in their order, and
 * the checksum of our own files is verified on the way. After a failure
 * parameters are to be used no more.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  Session *session;
  const char *path;
  int file;
  bool convert;
  Safetensors header;
  int64_t *exponent; /* of each parameter, as stored */
  bool verified;     /* the file carries a checksum */
  uint32_t checksum, wanted;
} Loading;

/* Complains; EXIT_DATA. */
static int refused(const Loading *loading, const char *why) {
  complain("%s: not a usable checkpoint: %s", loading->path, why);
  return EXIT_DATA;
}

/* ---- who wrote it, and what for ------------------------------------------ */

/* A number of the metadata, which our own files write without any slack. */
static bool read_number(const char *text, int base, uint64_t *out) {
  static const char digits[] = "0123456789abcdef";
  if (!text || !*text || strspn(text, digits) != strlen(text))
    return false;
  char *end;
  errno = 0;
  *out = strtoull(text, &end, base);
  return errno == 0 && *end == '\0';
}

/* Finds the digits of the checksum in the text of the header; begins it. */
static int begin_checksum(Loading *loading) {
  const Safetensors *header = &loading->header;
  const char *value = safetensors_metadata(header, "crc32");
  if (!value)
    return EXIT_FINE;
  uint64_t wanted;
  size_t key = strlen(CHECKSUM_KEY);
  const char *at = memmem(header->text, header->length, CHECKSUM_KEY, key);
  if (!at || strlen(value) != CHECKSUM_DIGITS ||
      !read_number(value, 16, &wanted) ||
      memcmp(at + key, value, CHECKSUM_DIGITS) != 0)
    return refused(loading, "its checksum is damaged");
  loading->verified = true;
  loading->wanted = (uint32_t)wanted;
  loading->checksum = checksum_header(header->text, header->length,
                                      (size_t)(at + key - header->text));
  return EXIT_FINE;
}

/* Files of other programs have no metadata of ours: only names and shapes can
 * tell whether they fit. */
static int check_origin(Loading *loading) {
  const Safetensors *header = &loading->header;
  const char *format = safetensors_metadata(header, "format");
  const char *version = safetensors_metadata(header, "version");
  if (!format || strcmp(format, "scalegraph") != 0)
    return EXIT_FINE;
  if (!version || strcmp(version, "1") != 0)
    return refused(loading, "its version is unknown to this executable");
  if (!loading->verified)
    return refused(loading, "its checksum is missing");
  return EXIT_FINE;
}

/* After the tensors were compared, which says more when it fails. */
static int check_hash(Loading *loading) {
  const char *text = safetensors_metadata(&loading->header, "program_hash");
  uint64_t hash;
  if (!text)
    return EXIT_FINE;
  if (read_number(text, 16, &hash) && hash == loading->session->program->hash)
    return EXIT_FINE;
  complain("%s: a checkpoint of another program (its hash differs)",
           loading->path);
  return EXIT_DATA;
}

/* Where to go on. Only a file whose checksum will be verified is believed, and
 * only by the entry that saved it: steps of another one mean something else. */
static int take_position(Loading *loading, const char *resume) {
  const Safetensors *header = &loading->header;
  const char *entry = safetensors_metadata(header, "entry");
  uint64_t step, seed;
  if (!loading->verified || !entry ||
      !read_number(safetensors_metadata(header, "step"), 10, &step) ||
      !read_number(safetensors_metadata(header, "seed"), 10, &seed) ||
      step > INT64_MAX) {
    complain("%s: no training run can be resumed from it (it does not say "
             "where one stood); --weights=FILE loads its weights",
             loading->path);
    return EXIT_DATA;
  }
  if (strcmp(entry, resume) != 0) {
    complain("%s: saved by train %s, not by %s; --weights=FILE loads its "
             "weights",
             loading->path, entry, resume);
    return EXIT_DATA;
  }
  loading->session->step = step;
  loading->session->seed = seed;
  return EXIT_FINE;
}

/* ---- which tensor is whose ----------------------------------------------- */

/* Formats are another matter. */
static bool same_shape(const SgParam *param, const FileTensor *tensor) {
  bool same = param->rank == tensor->rank && param->rank <= TENSOR_RANK;
  for (int64_t i = 0; same && i < param->rank; i++)
    same = param->dim[i] == tensor->dim[i];
  return same;
}

/* Names the parameter, with both types if there are two. */
static int wrong_program(const Loading *loading, const SgParam *param,
                         const FileTensor *tensor) {
  char wanted[128], found[128];
  type_text(wanted, sizeof wanted, param->format, param->rank, param->dim);
  if (!tensor) {
    complain("%s: a checkpoint of another program: it has no %s (%s)",
             loading->path, param->name, wanted);
    return EXIT_DATA;
  }
  int64_t rank = tensor->rank < TENSOR_RANK ? tensor->rank : TENSOR_RANK;
  type_text(found, sizeof found, FORMAT_F32, rank, tensor->dim);
  complain("%s: a checkpoint of another program: %s is %s%s there and %s here",
           loading->path, param->name, tensor->dtype, strchr(found, '['),
           wanted);
  return EXIT_DATA;
}

/* Exponents beyond this are no exponents: every format ends before. */
enum { EXPONENT_BOUND = 4096 };

/* The exponent that belongs to parameter `i`; without one it is 0. */
static int find_exponent(Loading *loading, int64_t i) {
  char *name = text_join(loading->session->program->param[i].name, ".exp");
  if (!name)
    return out_of_memory();
  FileTensor *tensor = safetensors_find(&loading->header, name);
  sgrt_io.release(name);
  if (!tensor)
    return EXIT_FINE;
  int32_t exponent = 0;
  ssize_t n = 0;
  if (tensor->format == FORMAT_I32 && tensor->rank == 0)
    n = io_read_at(loading->file, &exponent, sizeof exponent, tensor->begin);
  if (n != sizeof exponent || exponent < -EXPONENT_BOUND ||
      exponent > EXPONENT_BOUND) {
    complain("%s: not a usable checkpoint: tensor %s is no exponent",
             loading->path, tensor->name);
    return EXIT_DATA;
  }
  loading->exponent[i] = exponent;
  tensor->owner = loading->session->program->param_count;
  return EXIT_FINE;
}

/* Exponents that are measured belong to a recipe, not to the model: those that
 * the file lacks keep their initial value, and those of another kind are left
 * alone. That of a parameter was found with it. */
static void match_measured(Loading *loading, int64_t i) {
  const SgParam *param = &loading->session->program->param[i];
  FileTensor *tensor = safetensors_find(&loading->header, param->name);
  if (tensor && tensor->owner < 0)
    tensor->owner = tensor->format == FORMAT_I32 && same_shape(param, tensor)
                        ? i
                        : loading->session->program->param_count;
}

/* The same the other way round: what another recipe measured. */
static bool is_measurement(const FileTensor *tensor) {
  size_t length = strlen(tensor->name);
  bool named = (length > 4 && strcmp(tensor->name + length - 4, ".exp") == 0) ||
               (length > 5 && strcmp(tensor->name + length - 5, ".amax") == 0);
  return named && tensor->format == FORMAT_I32 && tensor->rank <= 1;
}

/* Shape and kind fit; only floats can be re-expressed. */
static int match_param(Loading *loading, int64_t i) {
  const SgParam *param = &loading->session->program->param[i];
  FileTensor *tensor = safetensors_find(&loading->header, param->name);
  if (!tensor || !same_shape(param, tensor))
    return wrong_program(loading, param, tensor);
  tensor->owner = i;
  int status = find_exponent(loading, i);
  if (status != EXIT_FINE)
    return status;
  bool floats = tensor->format >= 0 &&
                format_is_float((Format)tensor->format) &&
                format_is_float((Format)param->format);
  if (!floats &&
      (tensor->format != param->format ||
       loading->exponent[i] != session_exponent(loading->session, i)))
    return wrong_program(loading, param, tensor);
  return EXIT_FINE;
}

/* Every parameter has its tensor, and every tensor its parameter: weights are
 * neither missing nor lost silently. */
static int match_tensors(Loading *loading) {
  int64_t count = loading->session->program->param_count;
  int status = EXIT_FINE;
  const SgParam *param = loading->session->program->param;
  for (int64_t i = 0; i < count && status == EXIT_FINE; i++)
    if (!param[i].measured)
      status = match_param(loading, i);
  for (int64_t i = 0; i < count && status == EXIT_FINE; i++)
    if (param[i].measured)
      match_measured(loading, i);
  if (status != EXIT_FINE)
    return status;
  for (size_t i = 0; i < loading->header.count; i++)
    if (is_measurement(&loading->header.tensor[i]) &&
        loading->header.tensor[i].owner < 0) {
      loading->header.tensor[i].owner = count;
    } else if (loading->header.tensor[i].owner < 0) {
      complain("%s: a checkpoint of another program: it has %s, which is "
               "unknown here",
               loading->path, loading->header.tensor[i].name);
      return EXIT_DATA;
    }
  return EXIT_FINE;
}

/* ---- data ---------------------------------------------------------------- */

/* x rounded to odd: rounding the result again, to a narrower format, gives
 * what rounding x at once would give. */
static float rounded_to_odd(double x) {
  float near = (float)x;
  uint32_t bits;
  memcpy(&bits, &near, sizeof bits);
  if ((double)near == x || isnan(x) || bits & 1)
    return near;
  return nextafterf(near, x > (double)near ? INFINITY : -INFINITY);
}

/* Stores one value in `format`; false if that changed it. */
static bool store_value(Format format, double value, char *out) {
  if (format == FORMAT_F64) {
    memcpy(out, &value, sizeof value);
    return true;
  }
  float moved = format == FORMAT_F32 ? (float)value : rounded_to_odd(value);
  codec_encode_array(format, &moved, out, 1, OVERFLOW_SATURATE);
  double back = element_value(format, out, 0);
  return back == value || (isnan(back) && isnan(value));
}

/* The exponent of an element of magnitude `most` at 2^exponent that just fits
 * the format; `exponent` itself where it has as many as binary32, and where
 * there is nothing to fit. */
static int64_t fitting_exponent(Format format, double most, int64_t exponent) {
  if (!format_is_short(format) || most == 0 || !isfinite(most))
    return exponent;
  double max = format_max(format);
  int own = ilogb(most), top = ilogb(max);
  return exponent + own - top + (ldexp(most, -own) > ldexp(max, -top));
}

/* A parameter whose exponent is measured takes that of the file, or, in another
 * format, one at which its largest element fits. */
static void choose_exponent(const Loading *loading, int64_t i,
                            const FileTensor *tensor, const char *in) {
  const SgParam *param = &loading->session->program->param[i];
  double most = 0;
  int64_t count = elements(param->rank, param->dim);
  for (int64_t k = 0; in && k < count; k++) {
    double value = fabs(element_value((Format)tensor->format, in, k));
    most = value > most ? value : most;
  }
  int32_t exponent = (int32_t)fitting_exponent((Format)param->format, most,
                                               loading->exponent[i]);
  memcpy(loading->session->param[param->exponent_state - 1], &exponent,
         sizeof exponent);
}

/* Re-expresses each element in our format and exponent. */
static int convert_elements(const Loading *loading, const FileTensor *tensor,
                            const char *in, char *out) {
  int64_t owner = tensor->owner;
  const SgParam *param = &loading->session->program->param[owner];
  if (param->exponent_state > 0)
    choose_exponent(loading, owner, tensor, in);
  int64_t count = elements(param->rank, param->dim), lossy = 0;
  size_t width = format_bytes((Format)param->format);
  int64_t own = session_exponent(loading->session, owner);
  int shift = (int)(loading->exponent[owner] - own);
  for (int64_t i = 0; i < count; i++) {
    double value = element_value((Format)tensor->format, in, i);
    lossy += !store_value((Format)param->format, ldexp(value, shift),
                          out + (size_t)i * width);
  }
  if (lossy == 0)
    return EXIT_FINE;
  complain("%s: %s: %" PRId64 " of %" PRId64 " elements %s %s * 2^%" PRId64
           "%s",
           loading->path, param->name, lossy, count,
           loading->convert ? "were rounded to" : "cannot be held exactly by",
           format_info((Format)param->format)->text, own,
           loading->convert ? "" : "; --convert rounds them");
  return loading->convert ? EXIT_FINE : EXIT_DATA;
}

/* The next tensor of the file into `out`. */
static int read_data(Loading *loading, const FileTensor *tensor, void *out) {
  size_t bytes = (size_t)(tensor->end - tensor->begin);
  ssize_t n = io_read_at(loading->file, out, bytes, tensor->begin);
  if (n < 0) {
    complain("cannot read %s: %s", loading->path, strerror(errno));
    return EXIT_DATA;
  }
  if ((size_t)n < bytes)
    return refused(loading, "it became shorter while it was read");
  loading->checksum = checksum_add(loading->checksum, out, bytes);
  return EXIT_FINE;
}

/* Straight into the parameter, or through a buffer if it must be converted. */
static int load_tensor(Loading *loading, const FileTensor *tensor) {
  const SgProgram *program = loading->session->program;
  int64_t i = tensor->owner;
  int32_t exponent;
  if (i == program->param_count)
    return read_data(loading, tensor, &exponent);
  const SgParam *param = &program->param[i];
  char *out = loading->session->param[i];
  if (tensor->format == param->format && param->exponent_state > 0)
    choose_exponent(loading, i, tensor, NULL);
  if (tensor->format == param->format &&
      (param->measured ||
       loading->exponent[i] == session_exponent(loading->session, i)))
    return read_data(loading, tensor, out);
  char *buffer = memory_new((size_t)(tensor->end - tensor->begin), 1);
  if (!buffer)
    return out_of_memory();
  int status = read_data(loading, tensor, buffer);
  if (status == EXIT_FINE)
    status = convert_elements(loading, tensor, buffer, out);
  sgrt_io.release(buffer);
  return status;
}

/* All tensors in the order of the file, then the verdict of the checksum. */
static int load_data(Loading *loading) {
  int status = EXIT_FINE;
  for (size_t i = 0; i < loading->header.count && status == EXIT_FINE; i++)
    status = load_tensor(loading, &loading->header.tensor[i]);
  if (status != EXIT_FINE || !loading->verified ||
      loading->checksum == loading->wanted)
    return status;
  return refused(loading, "it is damaged (the checksum differs)");
}

/* ---- all of it ----------------------------------------------------------- */

/* Everything that can be told without the data. */
static int load_header(Loading *loading, const char *resume) {
  int status = begin_checksum(loading);
  if (status == EXIT_FINE)
    status = check_origin(loading);
  if (status == EXIT_FINE)
    status = match_tensors(loading);
  if (status == EXIT_FINE)
    status = check_hash(loading);
  if (status == EXIT_FINE && resume)
    status = take_position(loading, resume);
  return status;
}

static int load_file(Loading *loading, const char *resume) {
  int status = safetensors_open(&loading->header, loading->path, loading->file);
  if (status != EXIT_FINE)
    return status;
  loading->exponent = memory_new((size_t)loading->session->program->param_count,
                                 sizeof *loading->exponent);
  status = loading->exponent ? load_header(loading, resume) : out_of_memory();
  if (status == EXIT_FINE)
    status = load_data(loading);
  sgrt_io.release(loading->exponent);
  safetensors_close(&loading->header);
  return status;
}

int checkpoint_load(Session *session, const char *path, bool convert,
                    const char *resume) {
  Loading loading = {.session = session, .path = path, .convert = convert};
  loading.file = io_open(path, O_RDONLY);
  if (loading.file < 0) {
    complain("cannot read %s: %s", path, strerror(errno));
    return EXIT_DATA;
  }
  int status = load_file(&loading, resume);
  sgrt_io.close(loading.file);
  return status;
}
