// Copies of arrays with negative strides.
#pragma once

#include "mlx/array.h"
#include "mlx/utils.h"

namespace mlxrs {

// `a`, or a contiguous copy of it if a stride can be negative. MLX's `split` takes an axis with a negative stride for
// one that repeats an element, and the operations that follow read outside the buffer.
mlx::core::array forwards(const mlx::core::array& a, mlx::core::StreamOrDevice s);

} // namespace mlxrs
