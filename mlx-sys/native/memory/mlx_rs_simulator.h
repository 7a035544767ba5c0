// The memory and kernels that evaluating a graph takes, computed without evaluating it.
#ifndef MLX_RS_SIMULATOR_H
#define MLX_RS_SIMULATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The cost of an evaluation. Bytes are those that it allocates, without those allocated before. */
typedef struct mlxrs_replay_ {
  /** The most bytes at one time. */
  uint64_t peak;
  /** The bytes of the outputs, which stay. */
  uint64_t kept;
  /** The largest allocation at once: the outputs and temporaries of one operation. */
  uint64_t largest;
  /** Operations in the graph. */
  uint64_t operations;
  /** Pieces of work that the operations queue: a view queues none. */
  uint64_t kernels;
} mlxrs_replay;

/** The work that MLX queues before it waits. */
typedef struct mlxrs_queue_ {
  /** Tasks; with 0 every operation ends before the next one begins. */
  uint32_t tasks;
  /** Pieces of work in a task: 10 on a CPU, `MLX_MAX_OPS_PER_BUFFER` on a GPU. */
  uint32_t pieces;
  /** Elements of the arrays of a task, above which it ends with fewer pieces, as on Metal. */
  uint64_t elements;
  /** True if releasing an operation's inputs is a piece of work, as it is on a CPU. */
  bool releases;
} mlxrs_queue;

/**
 * Walks over the nodes that `mlx_eval(outputs)` would evaluate, in its order, and counts memory as MLX's allocator
 * would. Arrays that have been evaluated cost nothing.
 *
 * MLX queues operations faster than they run, and frees their inputs after they ran: memory is counted as if the queue
 * were always full. If more than `limit` bytes are in use MLX waits for the queue.
 */
int mlxrs_replay_eval(mlxrs_replay* res,
                      const mlx_vector_array outputs,
                      mlxrs_queue queue,
                      uint64_t limit);

#ifdef __cplusplus
}
#endif

#endif
