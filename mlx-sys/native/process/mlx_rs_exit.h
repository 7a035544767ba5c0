// A safe end of the process while other threads compute.
#ifndef MLX_RS_EXIT_H
#define MLX_RS_EXIT_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Counts the calling thread among those that may be in MLX's code, until `mlxrs_thread_leaves`.
 *
 * A process that ends while other such threads live, or while work is queued on a CPU, ends at once with its exit
 * code, because the resources that MLX and its BLAS would free at the end are in use. C's standard output is flushed.
 */
void mlxrs_thread_enters(void);

/** Stops counting the calling thread. */
void mlxrs_thread_leaves(void);

#ifdef __cplusplus
}
#endif

#endif
