// The loops of the fused operations: plain functions over rows, one version of each for every level
// of the processor.
//
// Matrices are dense and row-major unless a stride is given. Nothing here allocates or checks.
//
// All versions give the same bits. A sum has 16 parts whatever the width of a vector: part i has the
// elements i, i + 16, i + 32, .. It adds 16 of them in float32 and goes on in float64, so that the error of a
// sum of n terms is below 20 * 2^-24 * sum(|term|) for every n.
#ifndef MLX_RS_KERNELS_H
#define MLX_RS_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One version of the loops. */
typedef struct mlxrs_kernels_ {
  /** `default`, `x86-64-v3` (AVX2) or `x86-64-v4` (AVX-512). */
  const char* level;

  /**
   * h = x + r (h = x and not written if r is null); rstd[i] = 1 / sqrt(mean(h[i]^2) + eps);
   * y = h * rstd * w. Rows of d.
   */
  void (*rms_norm)(const float* x,
                   const float* r,
                   const float* w,
                   float* h,
                   float* y,
                   float* rstd,
                   int64_t rows,
                   int64_t d,
                   float eps);

  /** dx = rstd * (w * dy - x * rstd^2 * mean(x * w * dy)), plus dh unless that is null. */
  void (*rms_norm_grad)(const float* x,
                        const float* w,
                        const float* rstd,
                        const float* dy,
                        const float* dh,
                        float* dx,
                        int64_t rows,
                        int64_t d);

  /** y = silu(g) * u */
  void (*swiglu)(const float* g, const float* u, float* y, int64_t n);
  void (*swiglu_grad)(const float* g,
                      const float* u,
                      const float* dy,
                      float* dg,
                      float* du,
                      int64_t n);

  /**
   * Rotates the pairs of one head: row i of `in` by the angles of row i of cos and sin [rows, half]. `back` rotates
   * the other way.
   */
  void (*rope)(const float* in,
               int64_t in_stride,
               float* out,
               int64_t out_stride,
               const float* cos,
               const float* sin,
               int64_t rows,
               int half,
               bool traditional,
               bool back);

  /**
   * Causal softmax in place. Row i of s [rows, n] sees the first `first + i / group + 1` columns; the
   * rest becomes 0. stats [rows, 2] keeps each row's maximum and the inverse of its sum.
   */
  void (*causal_softmax)(float* s,
                         float* stats,
                         int64_t rows,
                         int64_t n,
                         int64_t first,
                         int64_t group);
  /** The same values again, from the scores and the statistics of the first call. */
  void (*causal_softmax_again)(float* s,
                               const float* stats,
                               int64_t rows,
                               int64_t n,
                               int64_t first,
                               int64_t group);
  /** dp <- scale * p * (dp - sum(p * dp)), rows as above. */
  void (*causal_softmax_grad)(const float* p,
                              float* dp,
                              int64_t rows,
                              int64_t n,
                              int64_t first,
                              int64_t group,
                              float scale);

  /** sum(x) */
  float (*sum)(const float* x, int64_t n);
  /** max(x); a NaN may be passed over. */
  float (*max)(const float* x, int64_t n);
  /** sum(exp(x - m)); NaN if any x is. */
  float (*sum_exp)(const float* x, int64_t n, float m);
  /** The same, and x <- exp(x - m). */
  float (*exp_and_sum)(float* x, int64_t n, float m);
  /** x <- c * x */
  void (*scale)(float* x, int64_t n, float c);
} mlxrs_kernels;

/** Returns the versions that this processor runs, the oldest first; their number in `count`. */
const mlxrs_kernels* const* mlxrs_kernel_versions(int* count);

/**
 * Returns the version that the fused operations use: the newest, or the one that the environment variable
 * MLX_SYS_CPU_LEVEL names. Null if it names no version that this processor runs; the fused operations then fail with a
 * message that lists the versions.
 */
const mlxrs_kernels* mlxrs_kernels_used(void);

#ifdef __cplusplus
}
#endif

#endif
