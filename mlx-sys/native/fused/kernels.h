// The loops of the fused operations: plain functions over rows, vectorised by the compiler.
//
// Matrices are dense and row-major unless a stride is given. Nothing here allocates or checks.
#pragma once

#include <cstdint>

namespace mlxrs::kernels {

// h = x + r (h = x and not written if r is null); rstd[i] = 1 / sqrt(mean(h[i]^2) + eps);
// y = h * rstd * w.
void rms_norm(const float* x,
              const float* r,
              const float* w,
              float* h,
              float* y,
              float* rstd,
              int64_t rows,
              int64_t d,
              float eps);

// dx = rstd * (w * dy - x * rstd^2 * mean(x * w * dy)), plus dh unless that is null.
void rms_norm_grad(const float* x,
                   const float* w,
                   const float* rstd,
                   const float* dy,
                   const float* dh,
                   float* dx,
                   int64_t rows,
                   int64_t d);

// y = silu(g) * u
void swiglu(const float* g, const float* u, float* y, int64_t n);
void swiglu_grad(const float* g, const float* u, const float* dy, float* dg, float* du, int64_t n);

// Turns the pairs of one head: row i of `in` by the angles of row i of cos and sin [rows, half].
// `back` turns the other way.
void rope(const float* in,
          int64_t in_stride,
          float* out,
          int64_t out_stride,
          const float* cos,
          const float* sin,
          int64_t rows,
          int half,
          bool traditional,
          bool back);

// Causal softmax in place. Row i of s [rows, n] sees the first `first + i / group + 1` columns; the
// rest becomes 0. stats [rows, 2] keeps each row's maximum and the inverse of its sum.
void causal_softmax(float* s, float* stats, int64_t rows, int64_t n, int64_t first, int64_t group);
// The same values again, from the scores and the statistics that the first time left.
void causal_softmax_again(float* s,
                          const float* stats,
                          int64_t rows,
                          int64_t n,
                          int64_t first,
                          int64_t group);
// dp <- scale * p * (dp - sum(p * dp)), rows as above.
void causal_softmax_grad(const float* p,
                         float* dp,
                         int64_t rows,
                         int64_t n,
                         int64_t first,
                         int64_t group,
                         float scale);

// max(x); a NaN may be passed over.
float max(const float* x, int64_t n);
// sum(exp(x - m)); NaN if any x is.
float sum_exp(const float* x, int64_t n, float m);
// The same, and x <- exp(x - m).
float exp_and_sum(float* x, int64_t n, float m);
// x <- c * x
void scale(float* x, int64_t n, float c);

} // namespace mlxrs::kernels
