// Graph simplification: removes nodes that compute nothing.
#ifndef MLX_RS_SIMPLIFY_H
#define MLX_RS_SIMPLIFY_H

#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Arrays of the same values with fewer nodes below them. What only stands for its input goes away
 * (copies for tracing, ends of gradients, custom transforms whose gradient has been taken), and so do
 * views of views that lead back. Transposed views of arrays that are there already are made once. Launches of
 * kernels of ours (mlx_rs_cuda.h) look at no shape: reshapes around them go away as well.
 *
 * MLX walks over every node at each evaluation, a microsecond or three each; what is evaluated many
 * times, such as a recorded step, gains by it. Gradients must have been taken before.
 */
int mlxrs_simplify(mlx_vector_array* res, const mlx_vector_array outputs);

#ifdef __cplusplus
}
#endif

#endif
