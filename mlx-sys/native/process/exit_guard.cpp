// The end of the process while threads compute; see mlx_rs_exit.h.

#include "process/mlx_rs_exit.h"

#include <atomic>
// Defines __GLIBC__ if that is the library.
#include <cstdlib>
#include <mutex>

#include <unistd.h>

namespace {

std::mutex guard;
int threads = 0;
bool used = false;
bool ended = false;
thread_local bool counted = false;

} // namespace

extern "C" void mlxrs_thread_enters(void) {
  if (counted) {
    return;
  }
  {
    const std::lock_guard lock(guard);
    if (!ended) {
      counted = used = true;
      threads++;
      return;
    }
  }
  // The objects that the thread would use are being destroyed.
  for (;;) {
    pause();
  }
}

extern "C" void mlxrs_thread_leaves(void) {
  const std::lock_guard lock(guard);
  threads -= counted ? 1 : 0;
  counted = false;
}

#ifdef __GLIBC__

#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <thread>
#include <utility>

#include "mlx/scheduler.h"
#include "mlx/stream.h"
#include "mlx/version.h"

namespace {

namespace mx = mlx::core;

// Returns true if streams still have work. A task that is queued behind it signals its end.
bool is_busy() {
  try {
    auto left = std::make_shared<std::atomic<int>>(0);
    for (const auto& s : mx::get_streams()) {
      if (s.device == mx::Device::cpu) {
        (*left)++;
        mx::scheduler::enqueue(s, [left] { (*left)--; });
      }
    }
    for (int round = 0; *left > 0 && round < 100; round++) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return *left > 0;
  } catch (const std::exception&) {
    // An error of that work, or no thread to be had.
    return true;
  }
}

// glibc passes the exit code to each function of this kind, too.
void before_the_end(void*, int code) {
  bool others;
  {
    const std::lock_guard lock(guard);
    if (!used || std::exchange(ended, true)) {
      return;
    }
    others = threads > (counted ? 1 : 0);
    // This thread may still use the remaining objects.
    counted = true;
  }
  if (others || is_busy()) {
    // Does not wait for the lock of a thread that waits for a reader.
    if (ftrylockfile(stdout) == 0) {
      fflush_unlocked(stdout);
    }
    _exit(code);
  }
}

using Function = void (*)(void*);
using Register = int (*)(Function, void*, void*);

bool is_of_mlx(void* library) {
  Dl_info here, mlx;
  return library && dladdr(library, &here) && dladdr(reinterpret_cast<void*>(&mx::version), &mlx) &&
      here.dli_fbase == mlx.dli_fbase;
}

} // namespace

// Interposes the C library's function, which every library calls to register destructors for the end of the process.
// They run in reverse order, so the guard comes before each destructor of MLX, whenever it is registered. The dynamic
// linker finds this function first (cblas_shim.cpp).
extern "C" int __cxa_atexit(Function f, void* with, void* library) noexcept {
  static const auto original = reinterpret_cast<Register>(dlsym(RTLD_NEXT, "__cxa_atexit"));
  const int failed = original(f, with, library);
  if (!failed && is_of_mlx(library)) {
    original(reinterpret_cast<Function>(before_the_end), nullptr, nullptr);
  }
  return failed;
}

#endif
