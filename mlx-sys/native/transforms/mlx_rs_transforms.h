// Function transforms with MLX's rules if these are right, and this library's otherwise.
#ifndef MLX_RS_TRANSFORMS_H
#define MLX_RS_TRANSFORMS_H

#include <stddef.h>

#include "mlx/c/closure.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Returns the outputs of `f`, and the gradient of the first one by the inputs numbered in `argnums`, which ascend.
 * MLX's `value_and_grad`, for graphs of any depth.
 */
int mlxrs_value_and_grad(mlx_vector_array* values,
                         mlx_vector_array* grads,
                         const mlx_closure f,
                         const mlx_vector_array inputs,
                         const int* argnums,
                         size_t count);

/** Returns the outputs of `f`, and `cotangents` times its Jacobian. MLX's `vjp`. */
int mlxrs_vjp(mlx_vector_array* values,
              mlx_vector_array* grads,
              const mlx_closure f,
              const mlx_vector_array primals,
              const mlx_vector_array cotangents);

/** Returns the outputs of `f`, and its Jacobian times `tangents`. MLX's `jvp`. */
int mlxrs_jvp(mlx_vector_array* values,
              mlx_vector_array* changes,
              const mlx_closure f,
              const mlx_vector_array primals,
              const mlx_vector_array tangents);

/**
 * Returns the outputs for a batch, after `mlx_detail_vmap_trace` has recorded the outputs for an example. MLX's
 * `vmap_replace`.
 */
int mlxrs_vmap_replace(mlx_vector_array* res,
                       const mlx_vector_array inputs,
                       const mlx_vector_array traced,
                       const mlx_vector_array outputs,
                       const int* in_axes,
                       const int* out_axes);

/**
 * For each of the first `count` inputs of the node whose gradient this thread computes, writes 1 if the gradient of that
 * input is asked for. Returns 0 where no such node is known.
 */
int mlxrs_asked(int* res, size_t count);

/** Returns `f` with a gradient that runs `f` again. MLX's `checkpoint`. */
int mlxrs_checkpoint(mlx_closure* res, const mlx_closure f);

#ifdef __cplusplus
}
#endif

#endif
