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
 * After an error in queued work, every array of this evaluation fails with that error at each later use, including the
 * arrays between, and so does work that another evaluation had queued after it. MLX alone calls an array computed as
 * soon as its work is queued, and would show the contents of its memory.
 */
int mlxrs_eval(const mlx_vector_array arrays);

/** Starts to compute the arrays. MLX's `async_eval`. Errors are handled as by `mlxrs_eval`. */
int mlxrs_async_eval(const mlx_vector_array arrays);
/** As `mlxrs_eval`, of one array. */
int mlxrs_array_eval(const mlx_array a);

/**
 * An array that stands for the result of a call that failed: a float32 scalar that cannot be computed. Everything that
 * depends on it throws `text` when it is evaluated. Null where memory is exhausted.
 */
mlx_array mlxrs_failed(const char* text);
/** The text of an array of `mlxrs_failed`, valid until this thread's next call; null for any other array. */
const char* mlxrs_failure(const mlx_array a);

#ifdef __cplusplus
}
#endif

#endif
