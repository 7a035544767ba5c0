// Functions of our own beside MLX C's, in the same library and after the same conventions.
#ifndef MLX_RS_EXTRAS_H
#define MLX_RS_EXTRAS_H

#include "fused/mlx_rs_fused.h"
#include "fused/mlx_rs_kernels.h"
#include "fused/mlx_rs_sums.h"
#include "mlx_rs_cuda.h"
#include "mlx_rs_device.h"
#include "mlx_rs_exit.h"
#include "mlx_rs_failed.h"
#include "mlx_rs_forwards.h"
#include "mlx_rs_graph.h"
#include "mlx_rs_parts.h"
#include "mlx_rs_replay.h"
#include "mlx_rs_simplify.h"
#include "mlx_rs_transforms.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The BLAS that matrix products on the CPU use: OpenBLAS's configuration and kernel
 * (`OpenBLAS 0.3.34 ... Haswell`), or `system` for the one that MLX was linked with.
 * The text lives as long as the program.
 */
const char* mlxrs_blas_name(void);

/** How many threads the BLAS uses, 1 if it is not ours to ask. */
int mlxrs_blas_threads(void);

/**
 * Sets how many threads the BLAS uses. Returns 0, or 1 if the BLAS is not ours to set or `threads`
 * is less than 1.
 */
int mlxrs_set_blas_threads(int threads);

#ifdef __cplusplus
}
#endif

#endif
