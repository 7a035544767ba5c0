// Compiles CUDA kernels with NVRTC, several at once, and keeps their code on disk.
//
// A first step has dozens of kernels, and each takes NVRTC a tenth of a second or more. They compile while the rest of
// the graph is still being built.

#include "cuda/compile.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "cuda/hash_preimage.h"
#include "mlx/version.h"
#include "process/mlx_rs_exit.h"
#include "process/private_folder.h"

namespace mlxrs {

namespace {

namespace fs = std::filesystem;

// A function of a library that MLX is linked with, and this one is not: MLX for a CPU has none.
template <typename F>
F* found(const char* name) {
  void* symbol = dlsym(RTLD_DEFAULT, name);
  if (!symbol) {
    throw std::runtime_error(std::string("MLX was built without CUDA: no ") + name);
  }
  return reinterpret_cast<F*>(symbol);
}

// nvrtc.h
using Program = void*;
using Create = int(Program*, const char*, const char*, int, const char* const*, const char* const*);
using Compile = int(Program, int, const char* const*);
using Size = int(Program, size_t*);
using Text = int(Program, char*);
using Destroy = int(Program*);
using Version = int(int*, int*);

void check(int code, const char* what) {
  if (code != 0) {
    auto* text = found<const char*(int)>("nvrtcGetErrorString");
    throw std::runtime_error(std::string(what) + ": " + text(code));
  }
}

std::string text(Program program, const char* size, const char* get) {
  size_t bytes = 0;
  check(found<Size>(size)(program, &bytes), size);
  std::string out(bytes, '\0');
  check(found<Text>(get)(program, out.data()), get);
  return out;
}

std::string compiled_by_nvrtc(const std::string& name, const std::string& source, const std::string& architecture) {
  Program program = nullptr;
  const std::string file = name + ".cu";
  check(found<Create>("nvrtcCreateProgram")(&program, source.c_str(), file.c_str(), 0, nullptr, nullptr),
        "nvrtcCreateProgram");
  struct Free {
    Program program;
    Destroy* destroy;
    ~Free() {
      destroy(&program);
    }
  } free{program, found<Destroy>("nvrtcDestroyProgram")};
  const std::string target = "--gpu-architecture=" + architecture;
  const char* options[] = {target.c_str(), "--std=c++17"};
  if (found<Compile>("nvrtcCompileProgram")(program, 2, options) != 0) {
    throw std::runtime_error("kernel " + name + " for " + architecture + ": " +
                             text(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog"));
  }
  return text(program, "nvrtcGetCUBINSize", "nvrtcGetCUBIN");
}

// FNV-1a, the same in every process.
uint64_t hash(const std::string& text) {
  uint64_t h = 0xcbf29ce484222325;
  for (const unsigned char c : text) {
    h = (h ^ c) * 0x100000001b3;
  }
  return h;
}

// The folder in which MLX keeps its own kernels; empty if there is none to be had.
fs::path folder() {
  try {
    const char* given = std::getenv("MLX_PTX_CACHE_DIR");
    auto below = given ? fs::path(given) : private_folder() / "mlx" / mlx::core::version() / "ptx";
    fs::create_directories(below);
    return below;
  } catch (const std::exception&) {
    return {};
  }
}

// Code on disk: a key, the key's and the code's sizes, a hash of the code. A file that is cut or belongs to another
// key is compiled anew.
class Kept {
 public:
  Kept(const std::string& name, const std::string& source, const std::string& architecture) {
    int major = 0, minor = 0;
    check(found<Version>("nvrtcVersion")(&major, &minor), "nvrtcVersion");
    key_ = "mlxrs 1 NVRTC " + std::to_string(major) + "." + std::to_string(minor) + " " + architecture + "\n" + source;
    static const fs::path below = folder();
    if (!below.empty()) {
      file_ = below / (name + "-" + std::to_string(hash(key_)) + ".cubin");
    }
  }

  bool read(std::string& code) const {
    std::ifstream in(file_, std::ios::binary);
    uint64_t head[3];
    if (file_.empty() || !in.read(reinterpret_cast<char*>(head), sizeof head) || head[0] != key_.size() ||
        head[1] > (1u << 30)) {
      return false;
    }
    std::string key(head[0], '\0');
    code.resize(head[1]);
    return in.read(key.data(), key.size()) && in.read(code.data(), code.size()) && key == key_ &&
        hash(code) == head[2];
  }

  // A folder that cannot be written costs time, nothing else.
  void write(const std::string& code) const {
    if (file_.empty()) {
      return;
    }
    static std::atomic<unsigned> count{0};
    auto part = file_;
    part += "." + std::to_string(getpid()) + "." + std::to_string(count++);
    std::error_code ignored;
    const uint64_t head[] = {key_.size(), code.size(), hash(code)};
    std::ofstream out(part, std::ios::binary);
    out.write(reinterpret_cast<const char*>(head), sizeof head);
    out << key_ << code;
    out.close();
    if (out) {
      fs::rename(part, file_, ignored);
    }
    fs::remove(part, ignored);
  }

 private:
  std::string key_;
  fs::path file_;
};

Code code(const std::string& name, const std::string& source, const std::string& architecture) {
  const Kept kept(name, source, architecture);
  std::string binary;
  if (!kept.read(binary)) {
    binary = compiled_by_nvrtc(name, source, architecture);
    kept.write(binary);
  }
  auto stand_in = hash_preimage(binary);
  return {std::move(binary), std::move(stand_in)};
}

using Task = std::packaged_task<Code()>;

// Threads that compile. They are started when there is work, and end when there is none.
class Pool {
 public:
  void add(Task task) {
    {
      const std::lock_guard lock(guard_);
      waiting_.push_back(std::move(task));
      if (threads_ >= std::max(1u, std::thread::hardware_concurrency())) {
        return;
      }
      threads_++;
    }
    try {
      std::thread([this] {
        // The process does not take its libraries down while one compiles (exit_guard.cpp).
        mlxrs_thread_enters();
        work();
        mlxrs_thread_leaves();
      }).detach();
    } catch (const std::system_error&) {
      // No thread to be had.
      work();
    }
  }

 private:
  void work() {
    while (auto task = next()) {
      (*task)();
    }
  }

  std::optional<Task> next() {
    const std::lock_guard lock(guard_);
    if (waiting_.empty()) {
      threads_--;
      return std::nullopt;
    }
    Task task = std::move(waiting_.front());
    waiting_.pop_front();
    return task;
  }

  std::mutex guard_;
  std::deque<Task> waiting_;
  unsigned threads_ = 0;
};

} // namespace

std::shared_future<Code> compile(std::string name, std::string source, std::string architecture) {
  Task task([=] { return architecture.empty() ? Code() : code(name, source, architecture); });
  auto made = task.get_future().share();
  if (architecture.empty()) {
    task();
  } else {
    // Threads may outlive everything that is destroyed at the end.
    static auto* pool = new Pool;
    pool->add(std::move(task));
  }
  return made;
}

} // namespace mlxrs
