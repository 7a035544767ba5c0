// Helpers of all kernels; no header is needed. A pack is the 16 bytes that a thread reads at once.

#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fc00000)

// Half floats: numbers are rounded to the nearest on the way in.
struct bfloat16 {
  unsigned short bits;
  bfloat16() = default;
  __device__ __forceinline__ explicit bfloat16(float x) {
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
#else
    const unsigned all = __float_as_uint(x);
    bits = isnan(x) ? 0x7fff : (all + 0x7fff + (all >> 16 & 1)) >> 16;
#endif
  }
  __device__ __forceinline__ explicit operator float() const {
    return __uint_as_float(unsigned(bits) << 16);
  }
};

struct float16 {
  unsigned short bits;
  float16() = default;
  __device__ __forceinline__ explicit float16(float x) {
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  }
  __device__ __forceinline__ explicit operator float() const {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
  }
};

template <typename T>
struct alignas(16) Pack {
  static constexpr int N = 16 / sizeof(T);
  T v[N];
};

// Returns true if packs may be read and written at an address: views of larger arrays need not be aligned.
template <typename T>
__device__ __forceinline__ bool whole(const T* p) {
  return reinterpret_cast<unsigned long long>(p) % 16 == 0;
}

template <typename T>
__device__ __forceinline__ Pack<T> load(const T* p, bool aligned) {
  if (aligned) {
    return *reinterpret_cast<const Pack<T>*>(p);
  }
  Pack<T> out;
#pragma unroll
  for (int j = 0; j < Pack<T>::N; ++j) {
    out.v[j] = p[j];
  }
  return out;
}

// Outputs are allocated for the kernel, with an alignment of more than 16 bytes.
template <typename T>
__device__ __forceinline__ void store(T* p, const Pack<T>& pack) {
  *reinterpret_cast<Pack<T>*>(p) = pack;
}

template <typename T>
__device__ __forceinline__ float f32(T x) {
  return static_cast<float>(x);
}

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) {
    x += __shfl_xor_sync(0xffffffff, x, lane);
  }
  return x;
}

// The sum over a block, for all of its threads.
template <int THREADS>
__device__ __forceinline__ float block_sum(float x) {
  __shared__ float parts[32];
  x = warp_sum(x);
  if (threadIdx.x % 32 == 0) {
    parts[threadIdx.x / 32] = x;
  }
  __syncthreads();
  x = warp_sum(threadIdx.x % 32 < THREADS / 32 ? parts[threadIdx.x % 32] : 0.0f);
  // The next sum overwrites this one's memory.
  __syncthreads();
  return x;
}
