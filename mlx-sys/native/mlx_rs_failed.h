// Arrays that could not be computed.
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

/**
 * An array that stands for the result of a call that failed: a float32 scalar that cannot be computed. Whatever depends on it
 * throws `text` when it is evaluated. Null where memory is exhausted.
 */
mlx_array mlxrs_failed(const char* text);
/** The text of an array of `mlxrs_failed`, valid while the array is; null for any other array. */
const char* mlxrs_failure(const mlx_array a);

#ifdef __cplusplus
}
#endif

#endif
