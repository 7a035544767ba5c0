#include "fused/kernels.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#define INLINE_MEMBER inline __attribute__((always_inline))
#define INLINE static INLINE_MEMBER

// GCC compiles the loops once for each level of x86-64. Other compilers and processors get one version
// for the processor that the build is for.
namespace mlxrs::by_default {
#define VECTOR 16
#include "fused/loops.h"
#undef VECTOR
} // namespace mlxrs::by_default

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define MLXRS_LEVELS

#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
namespace mlxrs::v3 {
#define VECTOR 32
#include "fused/loops.h"
#undef VECTOR
} // namespace mlxrs::v3
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
namespace mlxrs::v4 {
#define VECTOR 64
#include "fused/loops.h"
#undef VECTOR
} // namespace mlxrs::v4
#pragma GCC pop_options

#endif

namespace mlxrs {

namespace {

constexpr mlxrs_kernels by_default_kernels = by_default::version("default");
#ifdef MLXRS_LEVELS
constexpr mlxrs_kernels v3_kernels = v3::version("x86-64-v3");
constexpr mlxrs_kernels v4_kernels = v4::version("x86-64-v4");
#endif

struct Versions {
  const mlxrs_kernels* each[3] = {&by_default_kernels};
  int count = 1;
  const mlxrs_kernels* used;

  Versions() {
#ifdef MLXRS_LEVELS
    if (__builtin_cpu_supports("x86-64-v3")) {
      each[count++] = &v3_kernels;
    }
    if (__builtin_cpu_supports("x86-64-v4")) {
      each[count++] = &v4_kernels;
    }
#endif
    used = each[count - 1];
    if (const char* asked = std::getenv("MLX_SYS_CPU_LEVEL")) {
      used = nullptr;
      for (int i = 0; i < count; i++) {
        if (!std::strcmp(asked, each[i]->level)) {
          used = each[i];
        }
      }
    }
  }
};

const Versions& versions() {
  static const Versions all;
  return all;
}

} // namespace

const mlxrs_kernels& kernels() {
  const Versions& all = versions();
  if (!all.used) {
    std::string levels;
    for (int i = 0; i < all.count; i++) {
      levels += std::string(i == 0 ? "" : i + 1 == all.count ? " or " : ", ") + all.each[i]->level;
    }
    throw std::invalid_argument(std::string("invalid MLX_SYS_CPU_LEVEL \"") +
                                std::getenv("MLX_SYS_CPU_LEVEL") + "\": this processor runs " + levels);
  }
  return *all.used;
}

} // namespace mlxrs

extern "C" const mlxrs_kernels* const* mlxrs_kernel_versions(int* count) {
  *count = mlxrs::versions().count;
  return mlxrs::versions().each;
}

extern "C" const mlxrs_kernels* mlxrs_kernels_used(void) {
  return mlxrs::versions().used;
}
