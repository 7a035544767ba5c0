// Rules of single operations that replace MLX's rules.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "mlx/array.h"

namespace mlxrs {

using Batch = std::pair<std::vector<mlx::core::array>, std::vector<int>>;

// The batched outputs of `node` and their axes, or nothing if MLX's own rule is right.
// `axes` are -1 for inputs that are the same for all examples.
std::optional<Batch> vmap_rule(const mlx::core::array& node,
                               const std::vector<mlx::core::array>& inputs,
                               const std::vector<int>& axes);

// The tangents of `node`'s outputs, or nothing if MLX's own rule is right.
std::optional<std::vector<mlx::core::array>> jvp_rule(const mlx::core::array& node,
                                                      const std::vector<mlx::core::array>& tangents,
                                                      const std::vector<int>& argnums);

// The gradients of `node`'s inputs `argnums`, or nothing if MLX's own rule is right.
std::optional<std::vector<mlx::core::array>> vjp_rule(const mlx::core::array& node,
                                                      const std::vector<mlx::core::array>& cotangents,
                                                      const std::vector<int>& argnums);

} // namespace mlxrs
