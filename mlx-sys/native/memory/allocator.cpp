// MLX's allocator for the CPU returns a null buffer if there is no memory, and every operation writes to it.
//
// MLX calls this function through the dynamic linker, which finds this library first (cblas_shim.cpp).

#include <cstdlib>

#ifdef __GLIBC__

#include <dlfcn.h>

#include <stdexcept>
#include <string>

#include "memory/address_space.h"
#include "mlx/allocator.h"
#include "mlx/device.h"
#include "mlx/memory.h"

namespace {

namespace mx = mlx::core;
using mx::allocator::Allocator;
using mx::allocator::Buffer;

// Smaller blocks are there as a rule, unless the process is limited.
constexpr size_t LARGE = size_t(16) << 20;

class Checked : public Allocator {
 public:
  explicit Checked(Allocator& inner) : inner_(inner), limited_(mlxrs::is_limited()) {}

  Buffer malloc(size_t size) override {
    // Asked first, because MLX counts a block that it does not get. Its cache may have one.
    const bool may_be_cached = mx::get_cache_memory() >= size;
    const bool is_there = limited_ ? leaves_room(may_be_cached ? 0 : size)
                                   : size < LARGE || may_be_cached || leaves_room(size);
    if (!is_there) {
      throw no_memory(size);
    }
    const Buffer got = inner_.malloc(size);
    if (!got.ptr()) {
      throw no_memory(size);
    }
    return got;
  }
  void free(Buffer buffer) override {
    inner_.free(buffer);
  }
  size_t size(Buffer buffer) const override {
    return inner_.size(buffer);
  }
  Buffer make_buffer(void* ptr, size_t size) override {
    return inner_.make_buffer(ptr, size);
  }
  void release(Buffer buffer) override {
    inner_.release(buffer);
  }

 private:
  // True if there is a block of `size`, and room for small blocks beside it where the process is limited.
  bool leaves_room(size_t size) const {
    // Volatile, because compilers leave out a block that is freed at once.
    void* volatile block = std::malloc(size + sizeof(size_t));
    const bool is_there = block && (!limited_ || mlxrs::has_room(mlxrs::SMALL_BLOCKS));
    std::free(block);
    return is_there;
  }

  static std::runtime_error no_memory(size_t size) {
    return std::runtime_error("[malloc] Unable to allocate " + std::to_string(size) + " bytes.");
  }

  Allocator& inner_;
  bool limited_;
};

} // namespace

Allocator& mlx::core::allocator::allocator() {
  static Allocator& used = []() -> Allocator& {
    using Get = Allocator& (*)();
    auto& original = reinterpret_cast<Get>(dlsym(RTLD_NEXT, "_ZN3mlx4core9allocator9allocatorEv"))();
    // The allocators of GPUs throw. Never destroyed: threads may free arrays while the process ends.
    return is_available(Device::gpu) ? original : *new Checked(original);
  }();
  return used;
}

#endif
