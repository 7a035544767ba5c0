// The node behind an array's handle, which MLX keeps private.
#pragma once

#include <type_traits>
#include <utility>

#include "mlx/array.h"

namespace mlxrs {

// An explicit instantiation may name a private member.
template <auto node>
struct ReachNode {
  friend auto& node_of(mlx::core::array& a) {
    return a.*node;
  }
};
auto& node_of(mlx::core::array& a);
template struct ReachNode<&mlx::core::array::array_desc_>;

using Node = std::remove_reference_t<decltype(node_of(std::declval<mlx::core::array&>()))>::element_type;

} // namespace mlxrs
