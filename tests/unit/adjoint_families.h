/* What the rows of adjoint_families.def name. */
#ifndef SG_TESTS_ADJOINT_FAMILIES_H
#define SG_TESTS_ADJOINT_FAMILIES_H

#include "tests/unit/adjoint_support.h"

#define FAMILY(name)                                                           \
  extern const DualRow dual_##name[];                                          \
  void adjoint_##name(Adjoint *a);
#include "tests/unit/adjoint_families.def"

#endif
