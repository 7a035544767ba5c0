// The version of the loops in mlx_rs_kernels.h that is in use.
#pragma once

#include "fused/mlx_rs_kernels.h"

namespace mlxrs {

// Throws std::invalid_argument if MLX_SYS_CPU_LEVEL names a version that this processor does not run.
const mlxrs_kernels& kernels();

} // namespace mlxrs
