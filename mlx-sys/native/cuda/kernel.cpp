// Compiled kernels as objects behind handles, and their launches as nodes of MLX's graph.

#include "cuda/mlx_rs_cuda.h"

#include <dlfcn.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "compat/capi.h"
#include "cuda/compile.h"
#include "cuda/launch.h"
#include "mlx/mlx.h"

namespace mlxrs {

namespace mx = mlx::core;

namespace {

// The object behind a handle. Launches hold the kernel too.
using Kernel = std::shared_ptr<CudaKernel>;

std::vector<mx::array> apply(const Kernel& kernel,
                             const std::vector<mx::array>& inputs,
                             const mlxrs_cuda_launch& launch,
                             mx::Stream s) {
  // MLX C's numbers of dtypes (mlx/c/array.h).
  static const mx::Dtype dtypes[] = {mx::bool_, mx::uint8, mx::uint16, mx::uint32, mx::uint64,
                                     mx::int8, mx::int16, mx::int32, mx::int64, mx::float16,
                                     mx::float32, mx::float64, mx::bfloat16, mx::complex64};
  std::vector<mx::Shape> shapes;
  std::vector<mx::Dtype> kinds;
  const int32_t* sizes = launch.sizes;
  for (size_t i = 0; i < launch.outputs; i++) {
    const int32_t* end = sizes + launch.dimensions[i];
    shapes.emplace_back(sizes, end);
    kinds.push_back(dtypes[launch.dtypes[i]]);
    sizes = end;
  }
  std::vector<mx::fast::ScalarArg> numbers(launch.numbers, launch.numbers + launch.count);
  return mx::array::make_arrays(
      std::move(shapes), kinds,
      std::make_shared<CudaLaunch>(s, kernel, std::move(numbers), launch.blocks, launch.threads), inputs);
}

} // namespace

} // namespace mlxrs

extern "C" bool mlxrs_cuda_compiles(void) {
  return dlsym(RTLD_DEFAULT, "nvrtcCompileProgram") != nullptr;
}

extern "C" int mlxrs_cuda_kernel_new(mlxrs_cuda_kernel* res,
                                     const char* name,
                                     const char* source,
                                     const char* architecture) {
  return mlxrs::guarded("cuda_kernel.cpp", [&] {
    res->ctx = new mlxrs::Kernel(
        std::make_shared<mlxrs::CudaKernel>(name, mlxrs::compile(name, source, architecture)));
  });
}

extern "C" int mlxrs_cuda_kernel_size(size_t* res, mlxrs_cuda_kernel kernel) {
  return mlxrs::guarded("cuda_kernel.cpp", [&] {
    *res = (*static_cast<const mlxrs::Kernel*>(kernel.ctx))->code.get().binary.size();
  });
}

extern "C" int mlxrs_cuda_kernel_free(mlxrs_cuda_kernel kernel) {
  delete static_cast<mlxrs::Kernel*>(kernel.ctx);
  return 0;
}

extern "C" int mlxrs_cuda_kernel_apply(mlx_vector_array* res,
                                       mlxrs_cuda_kernel kernel,
                                       const mlx_vector_array inputs,
                                       const mlxrs_cuda_launch* launch,
                                       const mlx_stream s) {
  return mlxrs::guarded("cuda_kernel.cpp", [&] {
    if (!kernel.ctx || !s.ctx) {
      throw std::runtime_error("expected a kernel and a stream");
    }
    mlxrs::give(res, mlxrs::apply(*static_cast<const mlxrs::Kernel*>(kernel.ctx), mlxrs::list(inputs), *launch,
                                  *static_cast<const mlx::core::Stream*>(s.ctx)));
  });
}
