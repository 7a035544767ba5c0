// Arrays that could not be computed.
#ifndef MLX_RS_FAILED_H
#define MLX_RS_FAILED_H

#include "mlx/c/array.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Computes the arrays. After an error each of them that was not computed before fails with it whenever it
 * is asked for: MLX calls an array computed as soon as its work is queued, and would show what its memory
 * holds. MLX's `eval`.
 */
int mlxrs_eval(const mlx_vector_array arrays);

/** As `mlx_async_eval`. */
int mlxrs_async_eval(const mlx_vector_array arrays);
/** As `mlxrs_eval`, of one array. */
int mlxrs_array_eval(const mlx_array a);

#ifdef __cplusplus
}
#endif

#endif
