// A CUDA device that fails while MLX works on it, and MLX's own threads while the process ends.

#include "device_watch/mlx_rs_device.h"

// Defines __GLIBC__ if that is the library: CUDA and on_exit need it.
#include <cstdlib>

#ifdef __GLIBC__

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "mlx/memory.h"
#include "mlx/scheduler.h"

namespace mlxrs {

namespace {

namespace mx = mlx::core;
using namespace std::chrono_literals;

// cuda.h, of the driver that MLX is linked with.
struct Driver {
  int (*device)(int*, int);
  int (*state)(int, unsigned*, int*);
  int (*retain)(void**, int);
  int (*enter)(void*);
  int (*query)(void*);

  // Queries this thread's own stream (CU_STREAM_PER_THREAD), on which nothing ever runs.
  int ask() const {
    return query(reinterpret_cast<void*>(2));
  }

  bool load() {
    return find(device, "cuDeviceGet") && find(state, "cuDevicePrimaryCtxGetState") &&
        find(retain, "cuDevicePrimaryCtxRetain") && find(enter, "cuCtxSetCurrent") &&
        find(query, "cuStreamQuery");
  }

 private:
  template <typename F>
  static bool find(F& to, const char* name) {
    to = reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
    return to != nullptr;
  }
};

// Returns true for errors that a context returns from every later call.
bool stays(int code) {
  switch (code) {
    case 46:  // CUDA_ERROR_DEVICE_UNAVAILABLE
    case 214: // CUDA_ERROR_ECC_UNCORRECTABLE
    case 220: // CUDA_ERROR_NVLINK_UNCORRECTABLE
    case 700: // CUDA_ERROR_ILLEGAL_ADDRESS
    case 702: // CUDA_ERROR_LAUNCH_TIMEOUT
    case 709: // CUDA_ERROR_CONTEXT_IS_DESTROYED
    case 710: // CUDA_ERROR_ASSERT
    case 714: // CUDA_ERROR_HARDWARE_STACK_ERROR
    case 715: // CUDA_ERROR_ILLEGAL_INSTRUCTION
    case 716: // CUDA_ERROR_MISALIGNED_ADDRESS
    case 717: // CUDA_ERROR_INVALID_ADDRESS_SPACE
    case 718: // CUDA_ERROR_INVALID_PC
    case 719: // CUDA_ERROR_LAUNCH_FAILED
    case 721: // CUDA_ERROR_CONTAINED
    case 999: // CUDA_ERROR_UNKNOWN
      return true;
    default:
      return false;
  }
}

Driver driver{};
std::atomic<bool> lost{false};
std::atomic<bool> told{false};
// The thread that ends the process, and the exit code, once it does.
std::atomic<pid_t> ending{0};
std::atomic<int> status{0};
std::terminate_handler before = nullptr;

// gettid() came with glibc 2.30.
pid_t self() {
  return static_cast<pid_t>(syscall(SYS_gettid));
}

void on_lost() {
  lost = true;
  try {
    // Buffers that are freed from now on go to MLX's cache, because the driver would refuse to free them and MLX would
    // throw in a destructor.
    mx::set_cache_limit(std::numeric_limits<int64_t>::max());
  } catch (const std::exception&) {
    // The allocator is made at its first use, which fails now: there is nothing to free.
  }
}

void say(const std::string& text) {
  // Nothing helps if this fails.
  [[maybe_unused]] auto written = write(STDERR_FILENO, text.data(), text.size());
}

void watch() {
  std::vector<void*> contexts;
  for (int id = 0; driver.device(&id, static_cast<int>(contexts.size())) == 0;) {
    contexts.push_back(nullptr);
  }
  if (contexts.empty()) {
    return;
  }
  while (!lost && ending == 0) {
    std::this_thread::sleep_for(200ms);
    for (size_t i = 0; i < contexts.size() && ending == 0; i++) {
      int id = 0, active = 0;
      unsigned flags = 0;
      // A context is MLX's to make.
      if (!contexts[i] && driver.device(&id, static_cast<int>(i)) == 0 &&
          driver.state(id, &flags, &active) == 0 && active && driver.retain(&contexts[i], id) != 0) {
        contexts[i] = nullptr;
      }
      if (!contexts[i]) {
        continue;
      }
      const int code = driver.enter(contexts[i]);
      if (stays(code) || stays(driver.ask())) {
        on_lost();
      }
    }
  }
  for (int round = 0; ending == 0; round++) {
    // The driver calls no callbacks. A thread that waits for work goes on, and gets the error at its next call.
    while (mx::scheduler::n_active_tasks() > 0) {
      mx::scheduler::notify_task_completion(mx::Stream(0, mx::Device::gpu));
    }
    std::this_thread::sleep_for(50ms);
    // A thread blocked on one of MLX's cross-stream events cannot be woken.
    if (round == 6000 && !told) {
      say("error: the GPU failed five minutes ago, and a thread still waits for its work\n");
      _exit(1);
    }
  }
}

std::string thrown() {
  try {
    std::rethrow_exception(std::current_exception());
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return {};
  }
}

// Ends the calling thread, and nothing else: a thread that joins it goes on.
[[noreturn]] void end_thread() {
  for (;;) {
    syscall(SYS_exit, 0);
  }
}

[[noreturn]] void on_terminate() {
  const std::string text = std::current_exception() ? thrown() : std::string();
  const bool main = ending == self() || self() == getpid();
  const int code = ending == 0 ? 1 : status.load();
  if (text.find("driver shutting down") != std::string::npos) {
    // CUDA has ended with the process, and one of MLX's threads releases its stream too late
    // (mlx/backend/cuda/worker.cpp).
    main ? _exit(code) : end_thread();
  }
  if (lost || stays(driver.ask())) {
    // A thread that ends releases its streams, and MLX waits for their work once more, which loses nothing. On any
    // other thread, work ends in the middle, and the process ends with it.
    const bool leaves = ending == self() || text.rfind("cudaStreamSynchronize(stream_) failed", 0) == 0;
    // A thread that uses the device gets the error of a call, and has some time for it.
    for (int i = 0; i < 50 && !main && !(told && leaves); i++) {
      std::this_thread::sleep_for(100ms);
    }
    if (told && leaves && !main) {
      end_thread();
    }
    if (!told || !leaves) {
      say("error: the GPU failed, and nothing more can run on it in this process: " + text + "\n");
    }
    _exit(code);
  }
  if (before) {
    before();
  }
  std::abort();
}

} // namespace

} // namespace mlxrs

extern "C" void mlxrs_device_watch(void) {
  static const bool started = [] {
    if (!mlxrs::driver.load()) {
      return false;
    }
    mlxrs::before = std::set_terminate(mlxrs::on_terminate);
    on_exit(
        [](int status, void*) {
          mlxrs::status = status;
          mlxrs::ending = mlxrs::self();
        },
        nullptr);
    try {
      std::thread(mlxrs::watch).detach();
    } catch (const std::exception&) {
      // Without a thread, only the next call finds out that a device failed.
    }
    return true;
  }();
  static_cast<void>(started);
}

extern "C" void mlxrs_device_lost(void) {
  mlxrs::told = true;
  // The text of an error can be about something else; the driver knows.
  if (mlxrs::driver.query && mlxrs::stays(mlxrs::driver.ask())) {
    mlxrs::on_lost();
  }
}

#else

extern "C" void mlxrs_device_watch(void) {}

extern "C" void mlxrs_device_lost(void) {}

#endif
