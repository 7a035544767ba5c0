// Launches of kernels of ours look at no shape.
#pragma once

#include "capi.h"

namespace mlxrs {

// `outputs` without the reshapes around such launches: a launch reads what was reshaped, and makes its
// results in the shape that everyone else wants of them.
List unshaped(const List& outputs);

} // namespace mlxrs
