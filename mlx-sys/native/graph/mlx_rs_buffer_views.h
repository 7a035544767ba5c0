// Views of one buffer as many arrays.
#ifndef MLX_RS_BUFFER_VIEWS_H
#define MLX_RS_BUFFER_VIEWS_H

#include <stddef.h>
#include <stdint.h>

#include "mlx/c/array.h"
#include "mlx/c/stream.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Returns views of a buffer `[n]` as `count` arrays that lie in it one after the other and fill it: a node for some of
 * them, instead of MLX's slice and reshape for each. `sizes` are the sizes of all arrays, `dimensions` the number of
 * dimensions of each.
 */
int mlxrs_parts(mlx_vector_array* res,
                const mlx_array buffer,
                const int32_t* sizes,
                const size_t* dimensions,
                size_t count,
                const mlx_stream s);

#ifdef __cplusplus
}
#endif

#endif
