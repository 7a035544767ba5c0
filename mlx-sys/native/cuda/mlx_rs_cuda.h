// CUDA kernels: compiled by NVRTC without MLX's headers, which take it more than a second a kernel, and launched by MLX
// as part of its graph.
#ifndef MLX_RS_CUDA_H
#define MLX_RS_CUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlx/c/array.h"
#include "mlx/c/stream.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A compiled kernel. It is immutable, so that any thread may use it. */
typedef struct mlxrs_cuda_kernel_ {
  void* ctx;
} mlxrs_cuda_kernel;

/** Returns true if NVRTC is in this process, which it is if MLX was built for CUDA and linked with it. */
bool mlxrs_cuda_compiles(void);

/**
 * Begins to compile `source`, which defines `extern "C" __global__ void NAME(..)`, for GPUs of an architecture such as
 * `sm_90`, by the NVRTC that MLX's library has loaded. Kernels compile in threads, as many at once as the machine has
 * cores; a launch waits for its kernel when it is evaluated, and the compiler's error is an error of that evaluation.
 * Compiled code is kept in the folder where MLX keeps its own (MLX_PTX_CACHE_DIR), for later processes. An empty
 * architecture compiles nothing: the kernel can be used in a graph that is only inspected.
 */
int mlxrs_cuda_kernel_new(mlxrs_cuda_kernel* res,
                          const char* name,
                          const char* source,
                          const char* architecture);

/** Waits until the kernel is compiled, and returns the size of its code in bytes. */
int mlxrs_cuda_kernel_size(size_t* res, mlxrs_cuda_kernel kernel);

int mlxrs_cuda_kernel_free(mlxrs_cuda_kernel kernel);

/** A launch of a kernel: its outputs, its scalar arguments and its grid. */
typedef struct mlxrs_cuda_launch_ {
  /** The sizes of all outputs, one output after the other. */
  const int32_t* sizes;
  /** The dimensions of each output. */
  const size_t* dimensions;
  const mlx_dtype* dtypes;
  size_t outputs;
  /** Arguments after those for inputs and outputs. */
  const int32_t* numbers;
  size_t count;
  int32_t blocks;
  /** Threads in a block. */
  int32_t threads;
} mlxrs_cuda_launch;

/**
 * Returns the outputs of a launch. The kernel's arguments are inputs, outputs, numbers. Inputs that are not row-major
 * are copied.
 */
int mlxrs_cuda_kernel_apply(mlx_vector_array* res,
                            mlxrs_cuda_kernel kernel,
                            const mlx_vector_array inputs,
                            const mlxrs_cuda_launch* launch,
                            const mlx_stream s);

#ifdef __cplusplus
}
#endif

#endif
