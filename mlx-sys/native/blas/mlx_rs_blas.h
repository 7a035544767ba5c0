// Settings of the BLAS.
#ifndef MLX_RS_BLAS_H
#define MLX_RS_BLAS_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Returns the BLAS that matrix products on the CPU use: OpenBLAS's configuration and kernel (`OpenBLAS 0.3.34 ...
 * Haswell`), `none (REASON)` if it cannot be loaded, or `system` for the one that MLX was linked with. The text lives as long as the program.
 */
const char* mlxrs_blas_name(void);

/** Returns the number of threads of our BLAS, or 1 if the BLAS is not ours. */
int mlxrs_blas_threads(void);

/** Sets the number of threads of the BLAS. Returns 0, or 1 if the BLAS is not ours or `threads` is less than 1. */
int mlxrs_set_blas_threads(int threads);

#ifdef __cplusplus
}
#endif

#endif
