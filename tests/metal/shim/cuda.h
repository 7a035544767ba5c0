// CUDA's words for generated kernels on a CPU, by the same runtime as Metal's: warps are simdgroups, blocks are
// threadgroups. `mlx-runtime`'s `common.cuh`, which CUDA's text comes after, has the types and functions that are here.
#pragma once
#include <metal_stdlib>

#define __device__
#define __forceinline__ inline
#define __shared__ threadgroup
#define threadIdx (shim::thread_position_in_threadgroup())
#define blockIdx (shim::threadgroup_position_in_grid())
#define __syncthreads() metal::threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device)
#define __shfl_xor_sync(mask, x, by) metal::simd_shuffle_xor(x, ushort(by))

using bfloat16 = bfloat;
using float16 = half;

inline float __int_as_float(int bits) {
  return shim::bits_of<float>(bits);
}

#define ONE(name, of) \
  inline float name(float x) { return metal::of(x); }
ONE(acosf, acos) ONE(acoshf, acosh) ONE(asinf, asin) ONE(asinhf, asinh) ONE(atanf, atan) ONE(atanhf, atanh) ONE(ceilf, ceil)
ONE(cosf, cos) ONE(coshf, cosh) ONE(expf, exp) ONE(fabsf, fabs) ONE(floorf, floor) ONE(logf, log) ONE(log10f, log10)
ONE(log2f, log2) ONE(rintf, rint) ONE(rsqrtf, rsqrt) ONE(sinf, sin) ONE(sinhf, sinh) ONE(sqrtf, sqrt) ONE(tanf, tan)
ONE(tanhf, tanh) ONE(truncf, trunc)
#undef ONE
// Metal lacks these.
extern "C" float erff(float x) noexcept;
extern "C" float expm1f(float x) noexcept;
extern "C" float log1pf(float x) noexcept;
float erfinvf(float x);
inline float powf(float x, float y) {
  return metal::pow(x, y);
}
inline float atan2f(float x, float y) {
  return metal::atan2(x, y);
}
