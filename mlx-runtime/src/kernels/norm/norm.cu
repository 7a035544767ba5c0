// One row a block. h = x + r (with SUM), y = h / sqrt(mean(h^2) + eps) * w.
constexpr int N = Pack<T>::N;
constexpr int PACKS = D / N;
constexpr int EACH = (PACKS + THREADS - 1) / THREADS;
const long row = long(blockIdx.x) * D;
#if SUM
const bool aligned = whole(x) && whole(w) && whole(r);
#else
const bool aligned = whole(x) && whole(w);
#endif
Pack<T> kept[EACH];
float squares = 0;
#pragma unroll
for (int i = 0; i < EACH; ++i) {
  const int at = (i * THREADS + threadIdx.x) * N;
  if (at < D) {
    kept[i] = load(x + row + at, aligned);
#if SUM
    const Pack<T> other = load(r + row + at, aligned);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      kept[i].v[j] = T(f32(kept[i].v[j]) + f32(other.v[j]));
    }
    store(h + row + at, kept[i]);
#endif
#pragma unroll
    for (int j = 0; j < N; ++j) {
      squares += f32(kept[i].v[j]) * f32(kept[i].v[j]);
    }
  }
}
const float n = rsqrtf(block_sum<THREADS>(squares) / D + __int_as_float(EPS));
#pragma unroll
for (int i = 0; i < EACH; ++i) {
  const int at = (i * THREADS + threadIdx.x) * N;
  if (at < D) {
    const Pack<T> weight = load(w + at, aligned);
    Pack<T> out;
#pragma unroll
    for (int j = 0; j < N; ++j) {
      out.v[j] = T(f32(kept[i].v[j]) * n * f32(weight.v[j]));
    }
    store(y + row + at, out);
  }
}
