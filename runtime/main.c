/* The entry point of every executable; apart, so that a program that links the
 * runtime as a library may have its own. */
#include "runtime/runtime.h"

int main(int argc, char **argv) {
  return sgrt_main(argc, argv);
}
