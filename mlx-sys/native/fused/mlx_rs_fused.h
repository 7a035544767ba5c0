// Fused float32 operations for the CPU, after MLX C's conventions: 0 is success, 1 is failure with a message for the
// error handler; a null destination is filled, any other is overwritten. `fused.h` documents each operation.
#ifndef MLX_RS_FUSED_H
#define MLX_RS_FUSED_H

#include <stdbool.h>

#include "mlx/c/array.h"
#include "mlx/c/stream.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Returns true if these operations can take `x` on the stream: float32, a CPU, and a BLAS to call. */
bool mlxrs_fused_available(const mlx_array x, const mlx_stream s);

/** q [B, L, H*D], k and v [B, L, K*D], freqs [D/2] -> [B, L, H*D], causal */
int mlxrs_rope_attention(mlx_array* res,
                         const mlx_array q,
                         const mlx_array k,
                         const mlx_array v,
                         const mlx_array freqs,
                         int head_dim,
                         bool traditional,
                         float scale,
                         int offset,
                         const mlx_stream s);

/** x [.., d], w [V, d], targets [..], weights [..] -> weighted losses [..] */
int mlxrs_linear_cross_entropy(mlx_array* res,
                               const mlx_array x,
                               const mlx_array w,
                               const mlx_array targets,
                               const mlx_array weights,
                               bool with_grad,
                               const mlx_stream s);

/** arrays of one type, any shapes -> [their number of elements], one after the other */
int mlxrs_gather(mlx_array* res, const mlx_vector_array arrays, const mlx_stream s);

#ifdef __cplusplus
}
#endif

#endif
