// A launch of one of our CUDA kernels, as an operation of MLX's graph.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "mlx/array.h"
#include "mlx/fast.h"
#include "mlx/primitives.h"
#include "cuda/compile.h"

namespace mlxrs {

struct CudaKernel {
  const std::string name;
  // Waits for the compiler, and throws what it says.
  const std::shared_future<Code> code;
  std::atomic<bool> loaded{false};

  CudaKernel(std::string name, std::shared_future<Code> code) : name(std::move(name)), code(std::move(code)) {}
};

// A launch ignores shapes: its buffers are flat and row-major, and the grid is fixed at construction.
class CudaLaunch : public mlx::core::Primitive {
 public:
  using array = mlx::core::array;

  CudaLaunch(mlx::core::Stream s,
             std::shared_ptr<CudaKernel> kernel,
             std::vector<mlx::core::fast::ScalarArg> numbers,
             int blocks,
             int threads)
      : Primitive(s), kernel_(std::move(kernel)), numbers_(std::move(numbers)), blocks_(blocks), threads_(threads) {}

  void eval_cpu(const std::vector<array>&, std::vector<array>&) override {
    throw std::runtime_error("kernel " + kernel_->name + " runs on a GPU only");
  }

  void eval_gpu(const std::vector<array>& inputs, std::vector<array>& outputs) override {
    if (light_) {
      return light_->eval_gpu(inputs, outputs);
    }
    const Code& code = kernel_->code.get();
    const bool loaded = kernel_->loaded && !code.stand_in.empty();
    auto launch = made_by_mlx(loaded ? code.stand_in : code.binary, inputs, outputs);
    launch->eval_gpu(inputs, outputs);
    kernel_->loaded = true;
    if (loaded) {
      light_ = std::move(launch);
    }
  }

  const char* name() const override {
    return "CudaLaunch";
  }

 private:
  std::shared_ptr<Primitive> made_by_mlx(const std::string& binary,
                                         const std::vector<array>& inputs,
                                         const std::vector<array>& outputs) {
    std::vector<mlx::core::Shape> shapes;
    std::vector<mlx::core::Dtype> dtypes;
    for (const auto& o : outputs) {
      shapes.push_back(o.shape());
      dtypes.push_back(o.dtype());
    }
    // MLX counts threads, not blocks.
    const auto made = mlx::core::fast::precompiled_cuda_kernel(
        kernel_->name, binary, inputs, shapes, dtypes, numbers_, {blocks_ * threads_, 1, 1},
        {threads_, 1, 1}, 0, std::nullopt, true, stream());
    return made[0].primitive_ptr();
  }

  std::shared_ptr<CudaKernel> kernel_;
  std::vector<mlx::core::fast::ScalarArg> numbers_;
  int blocks_;
  int threads_;
  std::shared_ptr<Primitive> light_;
};

} // namespace mlxrs
