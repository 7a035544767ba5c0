// Copies of arrays with negative strides.
#ifndef MLX_RS_FORWARDS_H
#define MLX_RS_FORWARDS_H

#include "mlx/c/array.h"
#include "mlx/c/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The array itself, or a contiguous copy where one of its strides can be negative. MLX's `split` reads other memory then. */
int mlxrs_forwards(mlx_array* res, const mlx_array a, const mlx_stream s);

#ifdef __cplusplus
}
#endif

#endif
