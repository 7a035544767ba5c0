// The room that limits of the process (`ulimit -v`, `ulimit -d`) leave.
#pragma once

#include <sys/mman.h>
#include <sys/resource.h>

#include <cstddef>
#include <initializer_list>

namespace mlxrs {

// The room that operations leave for small blocks, which every part of the process needs.
constexpr std::size_t SMALL_BLOCKS = std::size_t(16) << 20;

inline bool is_limited() {
  for (const auto kind : {RLIMIT_AS, RLIMIT_DATA}) {
    rlimit limit;
    if (getrlimit(kind, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
      return true;
    }
  }
  return false;
}

inline bool has_room(std::size_t bytes) {
  void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    return false;
  }
  munmap(at, bytes);
  return true;
}

} // namespace mlxrs
