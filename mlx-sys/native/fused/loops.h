// The loops of mlx_rs_kernels.h for one level of the processor. `kernels.cpp` includes this file once a level, each
// time in another namespace and with VECTOR, the bytes of a vector register.
//
// Products and sums are not contracted (-ffp-contract=off), and only `sum` fixes an order of additions,
// which does not depend on VECTOR. So every level computes the same bits.

typedef float Vector __attribute__((vector_size(VECTOR)));
typedef uint32_t Bits __attribute__((vector_size(VECTOR)));

INLINE uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
INLINE Bits bits_of(Vector x) {
  return reinterpret_cast<Bits>(x);
}
INLINE float float_of(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
INLINE Vector float_of(Bits bits) {
  return reinterpret_cast<Vector>(bits);
}

// e^x to about 1 ulp if the result is a normal number; the smallest normal number below -87.3, and e^88 above 88. NaN
// stays NaN. No branches and no calls, for the vectoriser. Cephes' expf: n = round(x / ln 2), a polynomial for e^(x - n
// ln 2), n added to the exponent.
template <typename T>
INLINE T fast_exp(T x) {
  x = x < -87.3f ? T{} - 87.3f : x;
  x = x > 88.0f ? T{} + 88.0f : x;
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the sum.
  constexpr float magic = 12582912.0f;
  T shifted = x * 1.44269504f + magic;
  T n = shifted - magic;
  T f = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  T p = f * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * f + 8.3334519073e-3f;
  p = p * f + 4.1665795894e-2f;
  p = p * f + 1.6666665459e-1f;
  p = p * f + 5.0000001201e-1f;
  p = p * f * f + f + 1.0f;
  return float_of((bits_of(shifted) + 127u) << 23) * p;
}

// A place in rows of floats: one element (T = float) or a vector of them.
template <typename T>
struct At {
  int64_t j;

  INLINE_MEMBER T load(const float* row) const {
    T x;
    std::memcpy(&x, row + j, sizeof x);
    return x;
  }
  INLINE_MEMBER void store(float* row, T x) const {
    std::memcpy(row + j, &x, sizeof x);
  }
};

// apply(At{j}) for 0 <= j < n, vectors first.
template <typename Apply>
INLINE void each(int64_t n, Apply apply) {
  constexpr int64_t step = VECTOR / sizeof(float);
  int64_t j = 0;
  for (; j + step <= n; j += step) {
    apply(At<Vector>{j});
  }
  for (; j < n; j++) {
    apply(At<float>{j});
  }
}

// The sum of term(At{j}) over 0 <= j < n, as mlx_rs_kernels.h describes it.
template <typename Term>
INLINE float sum(int64_t n, Term term) {
  constexpr int PARTS = 16, TERMS = 16, EACH = VECTOR / sizeof(float), VECTORS = PARTS / EACH;
  double total[PARTS] = {};
  const int64_t whole = n - n % PARTS;
  for (int64_t from = 0; from < whole; from += PARTS * TERMS) {
    const int64_t to = whole - from < PARTS * TERMS ? whole : from + PARTS * TERMS;
    Vector part[VECTORS] = {};
    for (int64_t j = from; j < to; j += PARTS) {
      for (int v = 0; v < VECTORS; v++) {
        part[v] += term(At<Vector>{j + v * EACH});
      }
    }
    for (int i = 0; i < PARTS; i++) {
      total[i] += part[i / EACH][i % EACH];
    }
  }
  for (int64_t j = whole; j < n; j++) {
    total[j - whole] += term(At<float>{j});
  }
  for (int width = PARTS / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; i++) {
      total[i] += total[i + width];
    }
  }
  return static_cast<float>(total[0]);
}

template <typename T>
INLINE T larger(T a, T b) {
  return a > b ? a : b;
}

MLXRS_LOOP_sum(sum_of) {
  return sum(n, [=](auto at) { return at.load(x); });
}

INLINE float max_of(const float* x, int64_t n) {
  constexpr int EACH = VECTOR / sizeof(float);
  const Vector none = Vector{} - INFINITY;
  Vector a = none, b = none, c = none, d = none;
  int64_t j = 0;
  for (; j + 4 * EACH <= n; j += 4 * EACH) {
    a = larger(a, At<Vector>{j}.load(x));
    b = larger(b, At<Vector>{j + EACH}.load(x));
    c = larger(c, At<Vector>{j + 2 * EACH}.load(x));
    d = larger(d, At<Vector>{j + 3 * EACH}.load(x));
  }
  for (; j + EACH <= n; j += EACH) {
    a = larger(a, At<Vector>{j}.load(x));
  }
  a = larger(larger(a, b), larger(c, d));
  float m = -INFINITY;
  for (; j < n; j++) {
    m = larger(m, x[j]);
  }
  for (int i = 0; i < EACH; i++) {
    m = larger(m, a[i]);
  }
  return m;
}

INLINE float exp_and_sum_of(float* x, int64_t n, float m) {
  return sum(n, [=](auto at) {
    auto e = fast_exp(at.load(x) - m);
    at.store(x, e);
    return e;
  });
}

// The number of columns that row i sees.
INLINE int64_t seen(int64_t i, int64_t first, int64_t group) {
  return first + i / group + 1;
}

MLXRS_LOOP_rope(rope) {
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
      each(half, [=](auto at) {
        auto a = at.load(x), b = at.load(x + half);
        at.store(y, a * at.load(c) - b * sign * at.load(s));
        at.store(y + half, a * sign * at.load(s) + b * at.load(c));
      });
    }
  }
}

MLXRS_LOOP_causal_softmax(causal_softmax) {
  for (int64_t i = 0; i < rows; i++) {
    float* row = s + i * n;
    int64_t k = seen(i, first, group);
    float m = max_of(row, k);
    float inverse = 1.0f / exp_and_sum_of(row, k, m);
    each(k, [=](auto at) { at.store(row, at.load(row) * inverse); });
    std::memset(row + k, 0, (n - k) * sizeof(float));
    stats[2 * i] = m;
    stats[2 * i + 1] = inverse;
  }
}

MLXRS_LOOP_causal_softmax_again(causal_softmax_again) {
  for (int64_t i = 0; i < rows; i++) {
    float* row = s + i * n;
    int64_t k = seen(i, first, group);
    float m = stats[2 * i], inverse = stats[2 * i + 1];
    each(k, [=](auto at) { at.store(row, fast_exp(at.load(row) - m) * inverse); });
    std::memset(row + k, 0, (n - k) * sizeof(float));
  }
}

MLXRS_LOOP_causal_softmax_grad(causal_softmax_grad) {
  for (int64_t i = 0; i < rows; i++) {
    const float* a = p + i * n;
    float* b = dp + i * n;
    int64_t k = seen(i, first, group);
    float dot = sum(k, [=](auto at) { return at.load(a) * at.load(b); });
    each(k, [=](auto at) { at.store(b, scale * at.load(a) * (at.load(b) - dot)); });
    std::memset(b + k, 0, (n - k) * sizeof(float));
  }
}

MLXRS_LOOP_max(max) {
  return max_of(x, n);
}

MLXRS_LOOP_sum_exp(sum_exp) {
  return sum(n, [=](auto at) { return fast_exp(at.load(x) - m); });
}

MLXRS_LOOP_exp_and_sum(exp_and_sum) {
  return exp_and_sum_of(x, n, m);
}

MLXRS_LOOP_scale(scale) {
  each(n, [=](auto at) { at.store(x, at.load(x) * c); });
}

constexpr mlxrs_kernels version(const char* level) {
  return {level,
          rope,
          causal_softmax,
          causal_softmax_again,
          causal_softmax_grad,
          sum_of,
          max,
          sum_exp,
          exp_and_sum,
          scale};
}
