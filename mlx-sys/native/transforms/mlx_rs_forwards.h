// Copies of arrays with negative strides.
#ifndef MLX_RS_FORWARDS_H
#define MLX_RS_FORWARDS_H

#include "mlx/c/array.h"
#include "mlx/c/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Returns the array itself, or a contiguous copy if one of its strides can be negative, for which MLX's `split` reads
 * other memory.
 */
int mlxrs_forwards(mlx_array* res, const mlx_array a, const mlx_stream s);

#ifdef __cplusplus
}
#endif

#endif
