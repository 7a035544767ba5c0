// The names of MLX's primitives, as `Primitive::name` returns them.
#pragma once

#include <string_view>
#include <type_traits>

#include "mlx/primitives.h"

namespace mlxrs {

// One of the names of a primitive that has several, such as `Log2` of `Log`.
template <typename Primitive>
constexpr std::string_view named(std::string_view name) {
  static_assert(std::is_base_of_v<mlx::core::Primitive, Primitive>);
  return name;
}

// `CustomKernel` of `fast::CustomKernel`.
constexpr std::string_view last_part(std::string_view name) {
  const auto at = name.rfind(':');
  return at == name.npos ? name : name.substr(at + 1);
}

// True if `name` begins with `with`.
constexpr bool begins(std::string_view name, std::string_view with) {
  return name.substr(0, with.size()) == with;
}

} // namespace mlxrs

// The name of the primitive CLASS. For a class that MLX does not have it does not compile.
#define MLXRS_NAME(CLASS) mlxrs::named<mlx::core::CLASS>(mlxrs::last_part(#CLASS))
