// Metal's words on an NVIDIA GPU, so that the text of generated kernels for Metal runs on real warps. Rounding, order of
// sums and barriers are those of the hardware; address spaces do not exist.
#define threadgroup __shared__
#define thread_position_in_threadgroup threadIdx
#define threadgroup_position_in_grid blockIdx
#define threadgroup_barrier(flags) __syncthreads()
#define simd_shuffle_xor(x, mask) __shfl_xor_sync(0xffffffffu, x, mask)

using ushort = unsigned short;
using bfloat16_t = bfloat16;
using float16_t = float16;

template <typename To>
__device__ __forceinline__ To as_type(int bits) {
  return __int_as_float(bits);
}

namespace precise {
#define ONE(name, of) \
  __device__ __forceinline__ float name(float x) { \
    return of(x); \
  }
ONE(acos, acosf)
ONE(acosh, acoshf)
ONE(asin, asinf)
ONE(asinh, asinhf)
ONE(atan, atanf)
ONE(atanh, atanhf)
ONE(cos, cosf)
ONE(cosh, coshf)
ONE(exp, expf)
ONE(log, logf)
ONE(log10, log10f)
ONE(log2, log2f)
ONE(rsqrt, rsqrtf)
ONE(sin, sinf)
ONE(sinh, sinhf)
ONE(sqrt, sqrtf)
ONE(tan, tanf)
ONE(tanh, tanhf)
#undef ONE
__device__ __forceinline__ float atan2(float x, float y) {
  return atan2f(x, y);
}
__device__ __forceinline__ float pow(float x, float y) {
  return powf(x, y);
}
} // namespace precise
// Functions of the text have no qualifier for the device.
#define inline __device__ __forceinline__
