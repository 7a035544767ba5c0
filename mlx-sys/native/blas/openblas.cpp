// OpenBLAS is loaded at run time, not linked, because it starts a thread for each core as it is loaded, before any code
// of the program, and ends the process if one cannot be started. It reads the number of threads from the environment.
#ifdef MLXRS_OPENBLAS

#include "blas/openblas.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace mlxrs {

namespace {

constexpr const char* variable = "OPENBLAS_NUM_THREADS";
// The library, and each buffer (BUFFER_SIZE in its param.h), with some room.
constexpr std::size_t LIBRARY = std::size_t(64) << 20, BUFFER = std::size_t(160) << 20;
// The number of threads that may have buffers where the address space is limited, and of times that a thread found room
// before it is taken for granted that OpenBLAS has as many buffers.
constexpr int MOST = 64, TIMES = 16;

bool is_limited() {
  rlimit limit;
  return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

bool has_room(std::size_t bytes) {
  void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    return false;
  }
  munmap(at, bytes);
  return true;
}

std::runtime_error no_room() {
  return std::runtime_error(
      "[openblas::malloc] no address space for OpenBLAS and its buffers: raise the limit (`ulimit -v`)");
}

struct Library {
  void* handle = nullptr;
  std::string error;
};

// Found by this library's runpath.
const Library& library() {
  static const Library loaded = [] {
    Library l;
    if (is_limited() && !has_room(LIBRARY)) {
      l.error = no_room().what();
      return l;
    }
    const char* set = std::getenv(variable);
    const std::string before = set ? set : "";
    setenv(variable, "1", 1);
    l.handle = dlopen("libscipy_openblas.so", RTLD_NOW | RTLD_LOCAL);
    if (!l.handle) {
      l.error = std::string("cannot load OpenBLAS: ") + dlerror();
    }
    set ? setenv(variable, before.c_str(), 1) : unsetenv(variable);
    return l;
  }();
  return loaded;
}

// While libraries are loaded: one thread runs, which may change the environment.
[[maybe_unused]] const Library& loaded_early = library();

std::mutex mutex;
std::condition_variable left;
int inside = 0;
bool has_first = false;
std::array<int, MOST + 1> found{};

// Has OpenBLAS map its first buffer: a small product needs none.
void map_first() {
  constexpr int n = 192;
  using Sgemm = void (*)(
      int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
  const auto sgemm = reinterpret_cast<Sgemm>(openblas("scipy_cblas_sgemm"));
  std::vector<float> a(n * n), b(n * n), c(n * n);
  sgemm(101, 111, 111, n, n, n, 1, a.data(), n, b.data(), n, 0, c.data(), n);
}

} // namespace

void* openblas(const char* name) {
  const Library& l = library();
  void* const function = l.handle ? dlsym(l.handle, name) : nullptr;
  if (!function) {
    throw std::runtime_error(l.handle ? "cannot load OpenBLAS: " + std::string(dlerror()) : l.error);
  }
  return function;
}

static const bool limited = is_limited();

InOpenblas::InOpenblas() {
  if (!limited) {
    return;
  }
  std::unique_lock lock(mutex);
  if (!has_first) {
    if (!has_room(BUFFER)) {
      throw no_room();
    }
    map_first();
    has_first = true;
  }
  for (;;) {
    const int n = inside + 1;
    if (n == 1 || (n <= MOST && (found[n] >= TIMES || has_room(BUFFER)))) {
      found[n] += found[n] < TIMES;
      inside = n;
      return;
    }
    left.wait(lock);
  }
}

InOpenblas::~InOpenblas() {
  if (!limited) {
    return;
  }
  {
    const std::lock_guard lock(mutex);
    inside--;
  }
  left.notify_one();
}

} // namespace mlxrs

#endif
