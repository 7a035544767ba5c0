// Generated kernels over rows, computed by Rust.
#ifndef MLX_RS_ROWS_H
#define MLX_RS_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "mlx/c/array.h"
#include "mlx/c/closure.h"
#include "mlx/c/stream.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A kernel for one call: its outputs, and the work in parts. */
typedef struct mlxrs_rows_ {
  const char* name;
  /** Given away, also if the call fails. */
  void* payload;
  void (*free)(void* payload);
  /** Computes one part, on any thread; not 0 is a failure. The arrays are row-contiguous. */
  int (*run)(void* payload, const void* const* inputs, void* const* outputs, int part);
  int32_t parts;
  /** The sizes of all outputs, one output after the other. */
  const int32_t* sizes;
  /** The dimensions of each output. */
  const size_t* dimensions;
  const mlx_dtype* dtypes;
  size_t outputs;
} mlxrs_rows;

/**
 * Returns the outputs of a kernel on a CPU stream. `composed` computes them from the inputs by MLX's operations,
 * `backward` the gradients of all inputs from the inputs, the cotangents and the outputs. Where nothing transforms the
 * call, both may be empty.
 */
int mlxrs_rows_apply(mlx_vector_array* res,
                     const mlx_vector_array inputs,
                     const mlxrs_rows* call,
                     const mlx_closure composed,
                     const mlx_closure backward,
                     const mlx_stream s);

#ifdef __cplusplus
}
#endif

#endif
