// Graph simplification: removes nodes that compute nothing.
#ifndef MLX_RS_SIMPLIFY_H
#define MLX_RS_SIMPLIFY_H

#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Returns arrays of the same values with fewer nodes below them. Nodes that only stand for their input are removed
 * (copies for tracing, ends of gradients, custom transforms with a gradient that has been taken), and so are views of
 * views that lead back. Transposed views of the same array become one. Launches of our CUDA kernels (mlx_rs_cuda.h)
 * ignore shapes, so reshapes around them are removed too.
 *
 * MLX walks over every node at each evaluation, a microsecond or three each, so a graph that is evaluated many times,
 * such as a recorded step, gains by it. Gradients must have been taken before.
 */
int mlxrs_simplify(mlx_vector_array* res, const mlx_vector_array outputs);

#ifdef __cplusplus
}
#endif

#endif
