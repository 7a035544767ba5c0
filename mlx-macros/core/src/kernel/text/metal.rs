//! Metal's dialect. MLX writes the function around the body (`mx.fast.metal_kernel`), so the text has no address spaces
//! but those of its own arrays: an input of few elements lies in another one.
//!
//! Tests: `tests/text.rs`.

use super::dialect::Dialect;
use crate::kernel::ir::Unary;

pub(super) const METAL: Dialect = Dialect {
    function: "inline ",
    shared: "threadgroup",
    barrier: "threadgroup_barrier(mem_flags::mem_threadgroup);",
    shuffle: |x, by| format!("simd_shuffle_xor({x}, ushort({by}))"),
    thread: "int(thread_position_in_threadgroup.x)",
    block: "int(threadgroup_position_in_grid.x)",
    unroll: "#pragma unroll",
    packs: false,
    fabs: "fabs",
    pow: "precise::pow",
    atan2: "precise::atan2",
    functions,
    own: OWN,
};

fn functions(op: Unary) -> Option<&'static str> {
    use Unary::*;
    Some(match op {
        Floor => "floor",
        Ceil => "ceil",
        Trunc => "trunc",
        Round => "rint",
        Exp => "precise::exp",
        Log => "precise::log",
        Log2 => "precise::log2",
        Log10 => "precise::log10",
        Sqrt => "precise::sqrt",
        Rsqrt => "precise::rsqrt",
        Sin => "precise::sin",
        Cos => "precise::cos",
        Tan => "precise::tan",
        Sinh => "precise::sinh",
        Cosh => "precise::cosh",
        Tanh => "precise::tanh",
        Arcsin => "precise::asin",
        Arccos => "precise::acos",
        Arctan => "precise::atan",
        Arcsinh => "precise::asinh",
        Arccosh => "precise::acosh",
        Arctanh => "precise::atanh",
        _ => return None,
    })
}

const OWN: &[(&str, &str)] = &[
    (
        "sigmoid",
        "float sigmoid(float x) {
  const float e = precise::exp(-fabs(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}",
    ),
    (
        "expm1_of",
        "// The rounding of exp(x) is undone by the logarithm (W. Kahan).
float expm1_of(float x) {
  const float u = precise::exp(x);
  if (u == 1.0f) {
    return x;
  }
  if (isinf(u) || u - 1.0f == -1.0f) {
    return u - 1.0f;
  }
  return (u - 1.0f) * x / precise::log(u);
}",
    ),
    (
        "log1p_of",
        "// The rounding of 1 + x is undone by the quotient (W. Kahan).
float log1p_of(float x) {
  const float u = 1.0f + x;
  if (u == 1.0f || isinf(u)) {
    return x;
  }
  return precise::log(u) * x / (u - 1.0f);
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
  return isinf(high) ? high : high + log1p_of(precise::exp(low - high));
}",
    ),
    (
        "erf_of",
        "// The polynomials are those of MLX's erf.h, by N. Juffa.
float erf_of(float x) {
  const float t = fabs(x);
  const float s = x * x;
  if (t > 0.927734375f) {
    float r = fma(-1.72853470e-5f, t, 3.83197126e-4f);
    r = fma(r, s, fma(-3.88396438e-3f, t, 2.42546219e-2f));
    r = fma(r, t, -1.06777877e-1f);
    r = fma(r, t, -6.34846687e-1f);
    r = fma(r, t, -1.28717512e-1f);
    return copysign(1.0f - precise::exp(fma(r, t, -t)), x);
  }
  float r = fma(-5.96761703e-4f, s, 4.99119423e-3f);
  r = fma(r, s, -2.67681349e-2f);
  r = fma(r, s, 1.12819925e-1f);
  r = fma(r, s, -3.76125336e-1f);
  r = fma(r, s, 1.28379166e-1f);
  return fma(r, x, x);
}",
    ),
    (
        "erfinv_of",
        "// The polynomials are those of MLX's erf.h, by N. Juffa.
float erfinv_of(float x) {
  const float t = precise::log(fma(x, -x, 1.0f));
  float p;
  if (fabs(t) > 6.125f) {
    p = fma(3.03697567e-10f, t, 2.93243101e-8f);
    p = fma(p, t, 1.22150334e-6f);
    p = fma(p, t, 2.84108955e-5f);
    p = fma(p, t, 3.93552968e-4f);
    p = fma(p, t, 3.02698812e-3f);
    p = fma(p, t, 4.83185798e-3f);
    p = fma(p, t, -2.64646143e-1f);
    p = fma(p, t, 8.40016484e-1f);
  } else {
    p = fma(5.43877832e-9f, t, 1.43285448e-7f);
    p = fma(p, t, 1.22774793e-6f);
    p = fma(p, t, 1.12963626e-7f);
    p = fma(p, t, -5.61530760e-5f);
    p = fma(p, t, -1.47697632e-4f);
    p = fma(p, t, 2.31468678e-3f);
    p = fma(p, t, 1.15392581e-2f);
    p = fma(p, t, -2.32015476e-1f);
    p = fma(p, t, 8.86226892e-1f);
  }
  return x * p;
}",
    ),
];
