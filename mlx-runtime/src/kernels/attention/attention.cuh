// Attention of short sequences: ROWS rows of one side against all of the other, a part of which lies in
// shared memory at a time. Eight warps have two rows each.

constexpr int ROWS = 16;
constexpr int EACH = 2;
constexpr int TILE = 64;
constexpr int MOST = 128;

// The block's rows, and where its head begins in queries [B, L, H, D], in keys and values [B, L, K, D], and in numbers of
// each row [B, H, L]. A head's rows are H * D, or K * D, elements apart.
template <int H, int K, int D>
struct Place {
  int first, last, warp, lane;
  long queries, keys, sums;

  __device__ __forceinline__ explicit Place(int length) {
    const int parts = (length + ROWS - 1) / ROWS;
    const int head = blockIdx.x / parts % H;
    const int batch = blockIdx.x / parts / H;
    first = blockIdx.x % parts * ROWS;
    last = min(first + ROWS, length);
    warp = threadIdx.x / 32 * EACH;
    lane = threadIdx.x % 32;
    const long start = long(batch) * length;
    queries = (start * H + head) * D;
    keys = (start * K + head / (H / K)) * D;
    sums = (long(batch) * H + head) * length;
  }
};

// A row more than a row's packs apart, so that lanes that read different rows meet no common bank.
template <typename T, int D>
struct Tile {
  static constexpr int STRIDE = D + Pack<T>::N;
  alignas(16) T v[TILE * STRIDE];

  // Rows first.. of [.., L, heads, D] below `from`; zeros after the last.
  __device__ __forceinline__ void fill(const T* from, int first, int last, long stride) {
    constexpr int N = Pack<T>::N;
    const bool aligned = whole(from);
    for (int i = threadIdx.x; i < TILE * (D / N); i += blockDim.x) {
      const int row = i / (D / N);
      const int at = i % (D / N) * N;
      Pack<T> pack;
      if (first + row < last) {
        pack = load(from + (first + row) * stride + at, aligned);
      } else {
#pragma unroll
        for (int j = 0; j < N; ++j) {
          pack.v[j] = T(0.0f);
        }
      }
      store(v + row * STRIDE + at, pack);
    }
  }
};

// Less than a pack, read at once.
template <typename T, int COUNT>
struct alignas(COUNT * sizeof(T)) Few {
  T v[COUNT];
};

// ROWS rows as float32; zeros after the last.
template <typename T, int D>
__device__ __forceinline__ void rows_of(float* to, const T* from, int first, int last, long stride) {
  for (int i = threadIdx.x; i < ROWS * D; i += blockDim.x) {
    const int row = i / D;
    to[i] = first + row < last ? f32(from[(first + row) * stride + i % D]) : 0.0f;
  }
}

// Products of this warp's rows with two rows of the tile a lane.
template <typename T, int D>
__device__ __forceinline__ void dots(const float* rows, const Tile<T, D>& tile, float (&out)[EACH][2]) {
  constexpr int N = Pack<T>::N;
  const int lane = threadIdx.x % 32;
  const float* own = rows + threadIdx.x / 32 * EACH * D;
#pragma unroll
  for (int r = 0; r < EACH; ++r) {
    out[r][0] = out[r][1] = 0;
  }
#pragma unroll 2
  for (int d = 0; d < D; d += N) {
    const Pack<T> a = load(tile.v + lane * tile.STRIDE + d, true);
    const Pack<T> b = load(tile.v + (lane + 32) * tile.STRIDE + d, true);
#pragma unroll
    for (int r = 0; r < EACH; ++r) {
#pragma unroll
      for (int j = 0; j < N; j += 4) {
        const Pack<float> x = load(own + r * D + d + j, true);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          out[r][0] += x.v[i] * f32(a.v[j + i]);
          out[r][1] += x.v[i] * f32(b.v[j + i]);
        }
      }
    }
  }
}

// Adds the tile's rows, each times this warp's weights [ROWS, MOST] for it; a lane has D / 32
// neighbouring columns.
template <typename T, int D>
__device__ __forceinline__ void weighted(
    const float* weights, int first, const Tile<T, D>& tile, float (&out)[EACH][D / 32]) {
  const int lane = threadIdx.x % 32;
  const float* own = weights + threadIdx.x / 32 * EACH * MOST + first;
#pragma unroll 2
  for (int i = 0; i < TILE; i += 4) {
    Few<T, D / 32> x[4];
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      x[n] = *reinterpret_cast<const Few<T, D / 32>*>(tile.v + (i + n) * tile.STRIDE + lane * (D / 32));
    }
#pragma unroll
    for (int r = 0; r < EACH; ++r) {
      const Pack<float> w = load(own + r * MOST + i, true);
#pragma unroll
      for (int n = 0; n < 4; ++n) {
#pragma unroll
        for (int j = 0; j < D / 32; ++j) {
          out[r][j] += w.v[n] * f32(x[n].v[j]);
        }
      }
    }
  }
}

// Writes this warp's rows, of which the first is `row`, each `stride` elements after the one before.
template <typename T, int D>
__device__ __forceinline__ void put(
    T* to, int row, int length, long stride, const float (&out)[EACH][D / 32]) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int r = 0; r < EACH; ++r) {
    if (row + r < length) {
#pragma unroll
      for (int j = 0; j < D / 32; ++j) {
        to[(row + r) * stride + lane * (D / 32) + j] = T(out[r][j]);
      }
    }
  }
}

__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, lane));
  }
  return x;
}
