// Streams of graphs that exist.
#ifndef MLX_RS_STREAMS_H
#define MLX_RS_STREAMS_H

#include "mlx/c/stream.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Moves the graph between `inputs` and `outputs` to `stream`, which belongs to this thread: operations on its device
 * run there, operations on another device on this thread's default stream of that device. No other thread may read or
 * evaluate the graph meanwhile.
 */
int mlxrs_run_on(const mlx_vector_array outputs, const mlx_vector_array inputs, const mlx_stream stream);

#ifdef __cplusplus
}
#endif

#endif
