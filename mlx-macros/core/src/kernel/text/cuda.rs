//! CUDA's dialect, for NVRTC without headers; `mlx-runtime` puts its own helpers before it.
//!
//! Tests: `tests/text.rs`.

use super::dialect::Dialect;
use crate::kernel::ir::Unary;

pub(super) const CUDA: Dialect = Dialect {
    function: "__device__ __forceinline__ ",
    shared: "__shared__",
    barrier: "__syncthreads();",
    shuffle: |x, by| format!("__shfl_xor_sync(0xffffffffu, {x}, {by})"),
    thread: "int(threadIdx.x)",
    block: "int(blockIdx.x)",
    unroll: "#pragma unroll",
    packs: true,
    fabs: "fabsf",
    pow: "powf",
    atan2: "atan2f",
    functions,
    own: OWN,
};

fn functions(op: Unary) -> Option<&'static str> {
    use Unary::*;
    Some(match op {
        Floor => "floorf",
        Ceil => "ceilf",
        Trunc => "truncf",
        Round => "rintf",
        Exp => "expf",
        Expm1 => "expm1f",
        Log => "logf",
        Log2 => "log2f",
        Log10 => "log10f",
        Log1p => "log1pf",
        Sqrt => "sqrtf",
        Rsqrt => "rsqrtf",
        Sin => "sinf",
        Cos => "cosf",
        Tan => "tanf",
        Sinh => "sinhf",
        Cosh => "coshf",
        Tanh => "tanhf",
        Arcsin => "asinf",
        Arccos => "acosf",
        Arctan => "atanf",
        Arcsinh => "asinhf",
        Arccosh => "acoshf",
        Arctanh => "atanhf",
        Erf => "erff",
        Erfinv => "erfinvf",
        _ => return None,
    })
}

const OWN: &[(&str, &str)] = &[
    (
        "columns",
        "// Columns that a thread reads or writes at once.
template <typename T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Columns {
  T v[N];
};

template <int N, typename T>
__device__ __forceinline__ Columns<T, N> load_columns(const T* p) {
  if (reinterpret_cast<unsigned long long>(p) % alignof(Columns<T, N>) == 0) {
    return *reinterpret_cast<const Columns<T, N>*>(p);
  }
  Columns<T, N> out;
#pragma unroll
  for (int j = 0; j < N; ++j) {
    out.v[j] = p[j];
  }
  return out;
}

template <int N, typename T>
__device__ __forceinline__ void store_columns(T* p, const Columns<T, N>& columns) {
  if (reinterpret_cast<unsigned long long>(p) % alignof(Columns<T, N>) == 0) {
    *reinterpret_cast<Columns<T, N>*>(p) = columns;
    return;
  }
#pragma unroll
  for (int j = 0; j < N; ++j) {
    p[j] = columns.v[j];
  }
}",
    ),
    (
        "sigmoid",
        "float sigmoid(float x) {
  const float e = expf(-fabsf(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}",
    ),
    (
        "logaddexp",
        "float logaddexp(float a, float b) {
  if (isnan(a) || isnan(b)) {
    return NAN;
  }
  const float high = a > b ? a : b;
  const float low = a > b ? b : a;
  if (isinf(low) && low < 0.0f) {
    return high;
  }
  return isinf(high) ? high : high + log1pf(expf(low - high));
}",
    ),
];
