// One row a block: the gradient of y = h / sqrt(mean(h^2) + eps) * w with respect to h, plus (with SUM) the gradient of
// h itself.
constexpr int N = Pack<T>::N;
constexpr int PACKS = D / N;
constexpr int EACH = (PACKS + THREADS - 1) / THREADS;
const long row = long(blockIdx.x) * D;
#if SUM
const bool aligned = whole(h) && whole(w) && whole(dy) && whole(dh);
#else
const bool aligned = whole(h) && whole(w) && whole(dy);
#endif
Pack<T> kept[EACH];
Pack<T> scaled[EACH];
float squares = 0;
float products = 0;
#pragma unroll
for (int i = 0; i < EACH; ++i) {
  const int at = (i * THREADS + threadIdx.x) * N;
  if (at < D) {
    kept[i] = load(h + row + at, aligned);
    scaled[i] = load(dy + row + at, aligned);
    const Pack<T> weight = load(w + at, aligned);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const float x = f32(kept[i].v[j]);
      squares += x * x;
      products += x * f32(scaled[i].v[j]) * f32(weight.v[j]);
    }
  }
}
const float n = rsqrtf(block_sum<THREADS>(squares) / D + __int_as_float(EPS));
const float c = block_sum<THREADS>(products) * n * n * n / D;
#pragma unroll
for (int i = 0; i < EACH; ++i) {
  const int at = (i * THREADS + threadIdx.x) * N;
  if (at < D) {
    const Pack<T> weight = load(w + at, aligned);
#if SUM
    Pack<T> out = load(dh + row + at, aligned);
#else
    Pack<T> out;
#endif
#pragma unroll
    for (int j = 0; j < N; ++j) {
      float g = f32(scaled[i].v[j]) * f32(weight.v[j]) * n - f32(kept[i].v[j]) * c;
#if SUM
      g += f32(out.v[j]);
#endif
      out.v[j] = T(g);
    }
    store(dx + row + at, out);
  }
}
