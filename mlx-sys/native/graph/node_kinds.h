// Predicates on graph nodes for `simplify` and `elide_reshapes`.
#pragma once

#include <string_view>

#include "mlx/array.h"
#include "mlx/primitives.h"

namespace mlxrs {

inline bool pending(const mlx::core::array& a) {
  return a.has_primitive() && a.status() == mlx::core::array::Status::unscheduled;
}

inline std::string_view name(const mlx::core::array& a) {
  return pending(a) ? a.primitive().name() : "";
}

// Views that only say how elements are counted.
inline bool reshapes(std::string_view name) {
  return name == "Reshape" || name == "Flatten" || name == "Unflatten" || name == "ExpandDims" ||
      name == "Squeeze";
}

// Operations with row-contiguous results, so that reshaping one copies nothing.
inline bool makes_rows(const mlx::core::array& a) {
  const auto n = name(a);
  return n == "Matmul" || n == "AddMM" || n == "CudaLaunch" || n == "CustomKernel" || n == "Concatenate" ||
      n == "Contiguous" || n == "Gather" || n == "GatherAxis";
}

} // namespace mlxrs
