// A process with its own fake driver, for `device_lost.rs`: process LIBMLXC CASE.
#include <dlfcn.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

using namespace std::chrono_literals;

namespace {

std::atomic<int> answer{0};
std::atomic<int> asked{0};

// Like MLX's handles, it cannot be freed.
struct Throws {
  const char* what;
  ~Throws() noexcept {
    throw std::runtime_error(what);
  }
};

constexpr const char* failed = "cudaStreamSynchronize(stream_) failed: unspecified launch failure";
constexpr const char* late = "Destroy(handle_) failed: driver shutting down";

} // namespace

// cuda.h, as far as the library looks for it.
extern "C" {
int cuDeviceGet(int* device, int i) {
  *device = i;
  return i == 0 ? 0 : 101;
}
int cuDevicePrimaryCtxGetState(int, unsigned*, int* active) {
  *active = 1;
  return 0;
}
int cuDevicePrimaryCtxRetain(void** context, int) {
  *context = &answer;
  return 0;
}
int cuCtxSetCurrent(void*) {
  return 0;
}
int cuStreamQuery(void*) {
  asked++;
  return answer;
}
}

int main(int argc, char** argv) {
  void* library = argc == 3 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : nullptr;
  if (!library) {
    std::fprintf(stderr, "no library: %s\n", argc == 3 ? dlerror() : "two arguments are needed");
    return 99;
  }
  auto* watch = reinterpret_cast<void (*)()>(dlsym(library, "mlxrs_device_watch"));
  auto* know = reinterpret_cast<void (*)()>(dlsym(library, "mlxrs_device_lost"));
  watch();
  watch();
  while (asked < 2) {
    std::this_thread::sleep_for(10ms);
  }
  const std::string name = argv[2];
  auto lose = [] {
    answer = 719; // CUDA_ERROR_LAUNCH_FAILED
    const int before = asked;
    while (asked == before) {
      std::this_thread::sleep_for(10ms);
    }
    std::this_thread::sleep_for(200ms);
  };
  if (name == "healthy") {
    return 0;
  }
  if (name == "thread_ends_after_the_driver") {
    std::atexit([] {
      std::thread([] { Throws it{late}; }).join();
    });
    std::exit(7);
  }
  if (name == "static_ends_after_the_driver") {
    static Throws it{late};
    std::exit(7);
  }
  if (name == "the_driver_knows_of_nothing") {
    know();
    Throws it{failed};
  }
  if (name == "other_exception") {
    Throws it{"something else"};
  }
  lose();
  if (name == "nobody_knows") {
    Throws it{failed};
  }
  if (name == "a_thread_ends_first") {
    // The error of a call is on its way.
    std::thread([] { Throws it{failed}; }).detach();
    std::this_thread::sleep_for(500ms);
    know();
    return 3;
  }
  know();
  if (name == "in_the_middle_of_work") {
    Throws it{"cuda_free(buf) failed: unspecified launch failure"};
  }
  if (name == "main_ends") {
    static thread_local Throws it{failed};
    std::printf("%s\n", it.what);
    return 3;
  }
  if (name == "a_thread_is_joined") {
    std::thread([] {
      static thread_local Throws it{failed};
      std::printf("%s\n", it.what);
    }).join();
    return 4;
  }
  return 98;
}
