/* --check: the first number that should not be ends the run, by name. */
#include "runtime/runtime.h"

#include <inttypes.h>
#include <math.h>

/* Narrow formats saturate when stored; more than one element in so many at the
 * end of the range is a burst (semantics.md, Exponents). */
/* Where the exponent follows from the largest element, so many are at the end
 * by design. */
enum { SATURATED_SHARE = 1000, FITTED = 16 };

/* `value` is data: the exponent stands beside it, as in the listings. */
static int found(const Session *session, const char *name, int64_t exponent,
                 double value) {
  complain("check: %s is %g (times 2^%" PRId64 ") after step %" PRIu64, name,
           value, exponent, session->step);
  return EXIT_NUMERICS;
}

/* Results of any rank; integers are always finite. */
static int check_result(const Session *session, const Run *run, int64_t r) {
  const SgResult *result = &run->entry->result[r];
  int64_t exponent, count = elements(result->rank, result->dim);
  const char *data = run_result_data(session, run, r, &exponent);
  for (int64_t i = 0; i < count; i++) {
    double value = element_value((Format)result->format, data, i);
    if (!isfinite(value))
      return found(session, result->name, exponent, value);
  }
  return EXIT_FINE;
}

/* Parameters and states, integers aside. f32 saturates nowhere, so its count
 * stays zero unless the largest finite number itself is stored. */
static int check_param(const Session *session, int64_t p) {
  const SgParam *param = &session->program->param[p];
  Format format = (Format)param->format;
  int64_t count = elements(param->rank, param->dim), saturated = 0;
  if (!format_is_float(format))
    return EXIT_FINE;
  double most = format == FORMAT_F64 ? INFINITY : format_max(format);
  for (int64_t i = 0; i < count; i++) {
    double value = element_value(format, session->param[p], i);
    if (!isfinite(value))
      return found(session, param->name, session_exponent(session, p), value);
    saturated += fabs(value) >= most;
  }
  int64_t fine = count / SATURATED_SHARE;
  if (param->exponent_state > 0)
    fine += FITTED;
  if (saturated <= fine)
    return EXIT_FINE;
  complain("check: %s: %" PRId64 " of %" PRId64 " elements are saturated at "
           "%g (times 2^%" PRId64 ") after step %" PRIu64,
           param->name, saturated, count, most, session_exponent(session, p),
           session->step);
  return EXIT_NUMERICS;
}

int check_numbers(const Session *session, const Run *run) {
  int status = EXIT_FINE;
  for (int64_t i = 0; i < run->entry->result_count && status == EXIT_FINE; i++)
    status = check_result(session, run, i);
  for (int64_t i = 0; i < session->program->param_count && status == EXIT_FINE;
       i++)
    status = check_param(session, i);
  return status;
}
