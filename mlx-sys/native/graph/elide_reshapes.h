// Our CUDA kernels treat their inputs as flat row-major buffers, so reshapes around them are elided.
#pragma once

#include "compat/capi.h"

namespace mlxrs {

// Returns `outputs` without the reshapes around launches of our kernels. A launch reads the array before the
// reshape, and its result has the shape that its consumers prefer.
List elide_reshapes(const List& outputs);

} // namespace mlxrs
