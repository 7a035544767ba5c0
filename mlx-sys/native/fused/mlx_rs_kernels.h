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

// Each loop has one signature, MLXRS_LOOP_<name>(f): `f` is a pointer in the table below, and the function in loops.h.

/**
 * Rotates the pairs of one head: row i of `in` by the angles of row i of cos and sin [rows, half]. `back` rotates
 * the other way.
 */
#define MLXRS_LOOP_rope(f) \
  void f(const float* in, int64_t in_stride, float* out, int64_t out_stride, const float* cos, \
         const float* sin, int64_t rows, int half, bool traditional, bool back)

/**
 * Causal softmax in place. Row i of s [rows, n] sees the first `first + i / group + 1` columns; the
 * rest becomes 0. stats [rows, 2] keeps each row's maximum and the inverse of its sum.
 */
#define MLXRS_LOOP_causal_softmax(f) \
  void f(float* s, float* stats, int64_t rows, int64_t n, int64_t first, int64_t group)

/** The same values again, from the scores and the statistics of the first call. */
#define MLXRS_LOOP_causal_softmax_again(f) \
  void f(float* s, const float* stats, int64_t rows, int64_t n, int64_t first, int64_t group)

/** dp <- scale * p * (dp - sum(p * dp)), rows as above. */
#define MLXRS_LOOP_causal_softmax_grad(f) \
  void f(const float* p, float* dp, int64_t rows, int64_t n, int64_t first, int64_t group, \
         float scale)

/** sum(x) */
#define MLXRS_LOOP_sum(f) float f(const float* x, int64_t n)

/** max(x); a NaN may be passed over. */
#define MLXRS_LOOP_max(f) float f(const float* x, int64_t n)

/** sum(exp(x - m)); NaN if any x is. */
#define MLXRS_LOOP_sum_exp(f) float f(const float* x, int64_t n, float m)

/** The same, and x <- exp(x - m). */
#define MLXRS_LOOP_exp_and_sum(f) float f(float* x, int64_t n, float m)

/** x <- c * x */
#define MLXRS_LOOP_scale(f) void f(float* x, int64_t n, float c)

/** One version of the loops. */
typedef struct mlxrs_kernels_ {
  /** `default`, `x86-64-v3` (AVX2) or `x86-64-v4` (AVX-512). */
  const char* level;
  MLXRS_LOOP_rope((*rope));
  MLXRS_LOOP_causal_softmax((*causal_softmax));
  MLXRS_LOOP_causal_softmax_again((*causal_softmax_again));
  MLXRS_LOOP_causal_softmax_grad((*causal_softmax_grad));
  MLXRS_LOOP_sum((*sum));
  MLXRS_LOOP_max((*max));
  MLXRS_LOOP_sum_exp((*sum_exp));
  MLXRS_LOOP_exp_and_sum((*exp_and_sum));
  MLXRS_LOOP_scale((*scale));
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
