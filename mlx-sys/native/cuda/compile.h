// Compiles the source of CUDA kernels; see compile.cpp.
#pragma once

#include <future>
#include <string>

namespace mlxrs {

struct Code {
  // The cubin that the driver loads.
  std::string binary;
  // MLX tells kernels apart by name and a hash of the binary, which it computes at each launch
  // (mlx/backend/cuda/custom_kernel.cpp): a fifteenth of the host's time in a step of an 8B on 128 tokens. Once a
  // kernel is loaded, an 8-byte string with the same hash finds it as well. Empty if there is none.
  std::string stand_in;
};

// Begins to compile a source that defines the kernel `name` for an architecture such as `sm_90`. Without an
// architecture there is no code: the graph of such a kernel can be inspected, not run.
std::shared_future<Code> compile(std::string name, std::string source, std::string architecture);

} // namespace mlxrs
