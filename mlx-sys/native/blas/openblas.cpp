// OpenBLAS is loaded at run time, not linked, because it starts a thread for each core as it is loaded, before any code
// of the program, and ends the process if one cannot be started. It reads the number of threads from the environment.
#ifdef MLXRS_OPENBLAS

#include "blas/openblas.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace mlxrs {

namespace {

constexpr const char* variable = "OPENBLAS_NUM_THREADS";

// Found by this library's runpath.
void* load() {
  const char* set = std::getenv(variable);
  const std::string before = set ? set : "";
  setenv(variable, "1", 1);
  void* library = dlopen("libscipy_openblas.so", RTLD_NOW | RTLD_LOCAL);
  set ? setenv(variable, before.c_str(), 1) : unsetenv(variable);
  return library;
}

} // namespace

void* openblas(const char* name) {
  static void* const library = load();
  void* function = library ? dlsym(library, name) : nullptr;
  if (!function) {
    std::fprintf(stderr, "cannot load OpenBLAS: %s\n", dlerror());
    std::exit(127);
  }
  return function;
}

} // namespace mlxrs

#endif
