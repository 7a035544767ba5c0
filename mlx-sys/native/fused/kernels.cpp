#include "kernels.h"

#include <cmath>
#include <cstring>

// One version for each level of x86-64, chosen when the library is loaded. Other compilers and
// processors get one version for the processor that the build is for.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define VERSIONS __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define VERSIONS
#endif
// What the versions call must become part of each of them.
#define INLINE static inline __attribute__((always_inline))

namespace mlxrs::kernels {

namespace {

// e^x to about 1 ulp where the result is a normal number; the smallest of those below -87.3, and
// e^88 above 88. NaN stays NaN. No branches and no calls, for the vectoriser.
// Cephes' expf: n = round(x / ln 2), a polynomial for e^(x - n ln 2), n added to the exponent.
INLINE float fast_exp(float x) {
  x = x < -87.3f ? -87.3f : (x > 88.0f ? 88.0f : x);
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the sum.
  constexpr float magic = 12582912.0f;
  float shifted = x * 1.44269504f + magic;
  float n = shifted - magic;
  float f = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * f + 1.3981999507e-3f;
  p = p * f + 8.3334519073e-3f;
  p = p * f + 4.1665795894e-2f;
  p = p * f + 1.6666665459e-1f;
  p = p * f + 5.0000001201e-1f;
  p = p * f * f + f + 1.0f;
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127u) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return power * p;
}

INLINE float max_of(const float* x, int64_t n) {
  float m = -INFINITY;
#pragma omp simd reduction(max : m)
  for (int64_t j = 0; j < n; j++) {
    m = m > x[j] ? m : x[j];
  }
  return m;
}

INLINE float exp_and_sum_of(float* x, int64_t n, float m) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < n; j++) {
    float e = fast_exp(x[j] - m);
    x[j] = e;
    sum += e;
  }
  return sum;
}

// How many columns row i sees.
INLINE int64_t seen(int64_t i, int64_t first, int64_t group) {
  return first + i / group + 1;
}

} // namespace

VERSIONS void rms_norm(const float* x,
                       const float* r,
                       const float* w,
                       float* h,
                       float* y,
                       float* rstd,
                       int64_t rows,
                       int64_t d,
                       float eps) {
  for (int64_t i = 0; i < rows; i++) {
    const float* xi = x + i * d;
    float* yi = y + i * d;
    float squares = 0;
    if (r) {
      const float* ri = r + i * d;
      float* hi = h + i * d;
#pragma omp simd reduction(+ : squares)
      for (int64_t j = 0; j < d; j++) {
        float t = xi[j] + ri[j];
        hi[j] = t;
        squares += t * t;
      }
      xi = hi;
    } else {
#pragma omp simd reduction(+ : squares)
      for (int64_t j = 0; j < d; j++) {
        squares += xi[j] * xi[j];
      }
    }
    float q = 1.0f / std::sqrt(squares / d + eps);
    rstd[i] = q;
#pragma omp simd
    for (int64_t j = 0; j < d; j++) {
      yi[j] = xi[j] * q * w[j];
    }
  }
}

VERSIONS void rms_norm_grad(const float* x,
                            const float* w,
                            const float* rstd,
                            const float* dy,
                            const float* dh,
                            float* dx,
                            int64_t rows,
                            int64_t d) {
  for (int64_t i = 0; i < rows; i++) {
    const float *xi = x + i * d, *gi = dy + i * d;
    float* oi = dx + i * d;
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t j = 0; j < d; j++) {
      dot += xi[j] * gi[j] * w[j];
    }
    float q = rstd[i], c = dot * q / d * q;
    if (dh) {
      const float* hi = dh + i * d;
#pragma omp simd
      for (int64_t j = 0; j < d; j++) {
        oi[j] = hi[j] + q * (w[j] * gi[j] - c * xi[j]);
      }
    } else {
#pragma omp simd
      for (int64_t j = 0; j < d; j++) {
        oi[j] = q * (w[j] * gi[j] - c * xi[j]);
      }
    }
  }
}

VERSIONS void swiglu(const float* g, const float* u, float* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    y[i] = g[i] * u[i] / (1.0f + fast_exp(-g[i]));
  }
}

VERSIONS void swiglu_grad(const float* g,
                          const float* u,
                          const float* dy,
                          float* dg,
                          float* du,
                          int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    float sigmoid = 1.0f / (1.0f + fast_exp(-g[i]));
    float silu = g[i] * sigmoid;
    du[i] = dy[i] * silu;
    dg[i] = dy[i] * u[i] * (sigmoid + silu * (1.0f - sigmoid));
  }
}

VERSIONS void rope(const float* in,
                   int64_t in_stride,
                   float* out,
                   int64_t out_stride,
                   const float* cos,
                   const float* sin,
                   int64_t rows,
                   int half,
                   bool traditional,
                   bool back) {
  const float sign = back ? -1.0f : 1.0f;
  for (int64_t i = 0; i < rows; i++) {
    const float *x = in + i * in_stride, *c = cos + i * half, *s = sin + i * half;
    float* y = out + i * out_stride;
    if (traditional) {
#pragma omp simd
      for (int j = 0; j < half; j++) {
        float a = x[2 * j], b = x[2 * j + 1];
        y[2 * j] = a * c[j] - b * sign * s[j];
        y[2 * j + 1] = a * sign * s[j] + b * c[j];
      }
    } else {
#pragma omp simd
      for (int j = 0; j < half; j++) {
        float a = x[j], b = x[j + half];
        y[j] = a * c[j] - b * sign * s[j];
        y[j + half] = a * sign * s[j] + b * c[j];
      }
    }
  }
}

VERSIONS void causal_softmax(float* s,
                             float* stats,
                             int64_t rows,
                             int64_t n,
                             int64_t first,
                             int64_t group) {
  for (int64_t i = 0; i < rows; i++) {
    float* row = s + i * n;
    int64_t k = seen(i, first, group);
    float m = max_of(row, k);
    float inverse = 1.0f / exp_and_sum_of(row, k, m);
#pragma omp simd
    for (int64_t j = 0; j < k; j++) {
      row[j] *= inverse;
    }
    std::memset(row + k, 0, (n - k) * sizeof(float));
    stats[2 * i] = m;
    stats[2 * i + 1] = inverse;
  }
}

VERSIONS void causal_softmax_again(float* s,
                                   const float* stats,
                                   int64_t rows,
                                   int64_t n,
                                   int64_t first,
                                   int64_t group) {
  for (int64_t i = 0; i < rows; i++) {
    float* row = s + i * n;
    int64_t k = seen(i, first, group);
    float m = stats[2 * i], inverse = stats[2 * i + 1];
#pragma omp simd
    for (int64_t j = 0; j < k; j++) {
      row[j] = fast_exp(row[j] - m) * inverse;
    }
    std::memset(row + k, 0, (n - k) * sizeof(float));
  }
}

VERSIONS void causal_softmax_grad(const float* p,
                                  float* dp,
                                  int64_t rows,
                                  int64_t n,
                                  int64_t first,
                                  int64_t group,
                                  float scale) {
  for (int64_t i = 0; i < rows; i++) {
    const float* a = p + i * n;
    float* b = dp + i * n;
    int64_t k = seen(i, first, group);
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t j = 0; j < k; j++) {
      dot += a[j] * b[j];
    }
#pragma omp simd
    for (int64_t j = 0; j < k; j++) {
      b[j] = scale * a[j] * (b[j] - dot);
    }
    std::memset(b + k, 0, (n - k) * sizeof(float));
  }
}

VERSIONS float max(const float* x, int64_t n) {
  return max_of(x, n);
}

VERSIONS float sum_exp(const float* x, int64_t n, float m) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < n; j++) {
    sum += fast_exp(x[j] - m);
  }
  return sum;
}

VERSIONS float exp_and_sum(float* x, int64_t n, float m) {
  return exp_and_sum_of(x, n, m);
}

VERSIONS void scale(float* x, int64_t n, float c) {
#pragma omp simd
  for (int64_t j = 0; j < n; j++) {
    x[j] *= c;
  }
}

} // namespace mlxrs::kernels
