// Predicates on graph nodes for `simplify` and `elide_reshapes`.
#pragma once

#include <string_view>

#include "graph/primitive_names.h"
#include "mlx/array.h"
#include "mlx/fast_primitives.h"
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
  return name == MLXRS_NAME(Reshape) || name == MLXRS_NAME(Flatten) || name == MLXRS_NAME(Unflatten) ||
      name == MLXRS_NAME(ExpandDims) || name == MLXRS_NAME(Squeeze);
}

// Operations with row-contiguous results, so that reshaping one copies nothing.
inline bool makes_rows(const mlx::core::array& a) {
  const auto n = name(a);
  return n == MLXRS_NAME(Matmul) || n == MLXRS_NAME(AddMM) || n == MLXRS_NAME(fast::CustomKernel) ||
      n == MLXRS_NAME(Concatenate) || n == MLXRS_NAME(Contiguous) || n == MLXRS_NAME(Gather) ||
      n == MLXRS_NAME(GatherAxis) || n == "CudaLaunch" /* cuda/launch.h */;
}

} // namespace mlxrs
