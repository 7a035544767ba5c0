// Rows of joined queries, keys and values, y [B, L, (H + 2 K) * D], are cut into heads: q [B, L, H, D], k and v [B, L,
// K, D]. Queries and keys are rotated: pair j of row i by i * freqs[j]. Zeros follow each sequence up to the length
// `padded`. With BACK the other way: gradients of q, k and v to the gradient of y. With SPREAD the gradients of k and v
// are float32 and have a row for each head of the queries, which are added up.
// A thread has N pairs of a head, and a row has LANES heads at a time.
constexpr int N = Pack<T>::N;
constexpr int HALF = D / 2;
constexpr int PAIRS = HALF / N;
const int pair = threadIdx.x % PAIRS * N;
const int lane = threadIdx.x / PAIRS % LANES;
const long row = long(blockIdx.x) * ROWS + threadIdx.x / (PAIRS * LANES);
#if BACK
const int position = row % length;
const long row_apart = row / length * padded + position;
const long row_joined = row;
const bool aligned = whole(q) && (SPREAD || whole(k) && whole(v));
#else
const int position = row % padded;
const long row_apart = row;
const long row_joined = row / padded * length + position;
const bool aligned = whole(y);
#endif
if (row < rows) {
  float sine[N];
  float cosine[N];
#pragma unroll
  for (int j = 0; j < N; ++j) {
    sincosf(float(position) * freqs[pair + j], &sine[j], &cosine[j]);
  }
  for (int head = lane; head < H + 2 * K; head += LANES) {
    const bool query = head < H;
    const bool rotated = head < H + K;
    const int own = query ? head : rotated ? head - H : head - H - K;
#if !SPREAD
    auto* apart = (query ? q : rotated ? k : v) + (row_apart * (query ? H : K) + own) * D;
#endif
    auto* joined = y + (row_joined * (H + 2 * K) + head) * D;
    // Values 2 j and 2 j + 1 are a pair, or j and j + D / 2.
    const int first = TRADITIONAL ? 2 * pair : pair;
    const int second = TRADITIONAL ? first + N : pair + HALF;
#if BACK
    Pack<T> a;
    Pack<T> b;
#if SPREAD
    if (!query) {
      constexpr int SHARED = H / K;
      const float* all = (rotated ? k : v) + (row_apart * H + own * SHARED) * D;
#pragma unroll
      for (int j = 0; j < N; ++j) {
        float left = 0;
        float right = 0;
        for (int i = 0; i < SHARED; ++i) {
          left += all[i * D + first + j];
          right += all[i * D + second + j];
        }
        a.v[j] = T(left);
        b.v[j] = T(right);
      }
    } else {
      a = load(q + (row_apart * H + own) * D + first, aligned);
      b = load(q + (row_apart * H + own) * D + second, aligned);
    }
#else
    a = load(apart + first, aligned);
    b = load(apart + second, aligned);
#endif
#else
    if (position >= length) {
      Pack<T> zeros;
#pragma unroll
      for (int j = 0; j < N; ++j) {
        zeros.v[j] = T(0.0f);
      }
      store(apart + first, zeros);
      store(apart + second, zeros);
      continue;
    }
    Pack<T> a = load(joined + first, aligned);
    Pack<T> b = load(joined + second, aligned);
#endif
    if (rotated) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        T& left = !TRADITIONAL || 2 * j < N ? a.v[TRADITIONAL ? 2 * j % N : j] : b.v[2 * j % N];
        T& right = !TRADITIONAL || 2 * j >= N ? b.v[TRADITIONAL ? (2 * j + 1) % N : j] : a.v[(2 * j + 1) % N];
        const float x = f32(left);
        const float z = f32(right);
        const float s = BACK ? -sine[j] : sine[j];
        left = T(x * cosine[j] - z * s);
        right = T(x * s + z * cosine[j]);
      }
    }
#if BACK
    store(joined + first, a);
    store(joined + second, b);
#else
    store(apart + first, a);
    store(apart + second, b);
#endif
  }
}
