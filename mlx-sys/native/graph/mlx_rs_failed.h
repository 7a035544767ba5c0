// Evaluation that keeps the error of every array that failed.
#ifndef MLX_RS_FAILED_H
#define MLX_RS_FAILED_H

#include "mlx/c/array.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Computes the arrays. MLX's `eval`.
 *
 * After an error in work that was queued, everything that this evaluation was to compute fails with it whenever it is asked
 * for, the arrays between included, and so does what another evaluation had queued behind it: MLX calls an array computed as
 * soon as its work is queued, and would show what its memory holds.
 */
int mlxrs_eval(const mlx_vector_array arrays);

/** Starts to compute the arrays. MLX's `async_eval`. What is said of errors above holds here, too. */
int mlxrs_async_eval(const mlx_vector_array arrays);
/** As `mlxrs_eval`, of one array. */
int mlxrs_array_eval(const mlx_array a);

#ifdef __cplusplus
}
#endif

#endif
