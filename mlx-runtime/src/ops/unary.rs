//! Elementwise operations on one array.
//!
//! Tests: `tests/ops.rs`, `tests/parity.rs`, `tests/operations`.

use mlx_sys as sys;

use crate::array::build;
use crate::kernels::select::{self, Fault};
use crate::{Array, Dtype, Result};

unary_ops! {
    /// Absolute value, `[..] -> [..]`. MLX: `abs`.
    abs => mlx_abs;
    /// Inverse cosine in radians, `[..] -> [..]`; integers become float32. MLX: `arccos`.
    arccos => mlx_arccos;
    /// Inverse hyperbolic cosine, `[..] -> [..]`; integers become float32. MLX: `arccosh`.
    arccosh => mlx_arccosh;
    /// Inverse sine in radians, `[..] -> [..]`; integers become float32. MLX: `arcsin`.
    arcsin => mlx_arcsin;
    /// Inverse hyperbolic sine, `[..] -> [..]`; integers become float32. MLX: `arcsinh`.
    arcsinh => mlx_arcsinh;
    /// Inverse tangent in radians, `[..] -> [..]`; integers become float32. MLX: `arctan`.
    arctan => mlx_arctan;
    /// Inverse hyperbolic tangent, `[..] -> [..]`; integers become float32. MLX: `arctanh`.
    arctanh => mlx_arctanh;
    /// Each bit flipped, `[..] -> [..]`, integers and bool. MLX: `bitwise_invert`.
    bitwise_invert => mlx_bitwise_invert;
    /// The nearest integer not below, `[..] -> [..]`. MLX: `ceil`.
    ceil => mlx_ceil;
    /// The complex conjugate, `[..] -> [..]`. MLX: `conjugate`.
    conjugate => mlx_conjugate;
    /// Cosine of radians, `[..] -> [..]`; integers become float32. MLX: `cos`.
    cos => mlx_cos;
    /// Hyperbolic cosine, `[..] -> [..]`; integers become float32. MLX: `cosh`.
    cosh => mlx_cosh;
    /// Radians to degrees, `[..] -> [..]`. MLX: `degrees`.
    degrees => mlx_degrees;
    /// The error function, `[..] -> [..]`; integers become float32. MLX: `erf`.
    erf => mlx_erf;
    /// The inverse of [`erf`], `[..] -> [..]`; integers become float32. MLX: `erfinv`.
    erfinv => mlx_erfinv;
    /// e to the power of the element, `[..] -> [..]`; integers become float32. MLX: `exp`.
    exp => mlx_exp;
    /// exp(x) - 1, exact near 0, `[..] -> [..]`; integers become float32. MLX: `expm1`.
    expm1 => mlx_expm1;
    /// The nearest integer not above, `[..] -> [..]`. MLX: `floor`.
    floor => mlx_floor;
    /// The imaginary part, complex64 `[..]` -> float32 `[..]`. MLX: `imag`.
    imag => mlx_imag;
    /// True where the element is neither infinite nor NaN, `[..]` -> bool `[..]`. MLX: `isfinite`.
    isfinite => mlx_isfinite;
    /// True where the element is infinite, `[..]` -> bool `[..]`. MLX: `isinf`.
    isinf => mlx_isinf;
    /// True where the element is NaN, `[..]` -> bool `[..]`. MLX: `isnan`.
    isnan => mlx_isnan;
    /// True where the element is minus infinity, `[..]` -> bool `[..]`. MLX: `isneginf`.
    isneginf => mlx_isneginf;
    /// True where the element is plus infinity, `[..]` -> bool `[..]`. MLX: `isposinf`.
    isposinf => mlx_isposinf;
    /// Natural logarithm, `[..] -> [..]`; integers become float32. MLX: `log`.
    log => mlx_log;
    /// Logarithm to base 10, `[..] -> [..]`; integers become float32. MLX: `log10`.
    log10 => mlx_log10;
    /// log(1 + x), exact near 0, `[..] -> [..]`; integers become float32. MLX: `log1p`.
    log1p => mlx_log1p;
    /// Logarithm to base 2, `[..] -> [..]`; integers become float32. MLX: `log2`.
    log2 => mlx_log2;
    /// True where the element is zero, `[..]` -> bool `[..]`. MLX: `logical_not`.
    logical_not => mlx_logical_not;
    /// The element with its sign changed, `[..] -> [..]`; not for bool. MLX: `negative`.
    negative => mlx_negative;
    /// Degrees to radians, `[..] -> [..]`. MLX: `radians`.
    radians => mlx_radians;
    /// The real part, complex64 `[..]` -> float32 `[..]`. MLX: `real`.
    real => mlx_real;
    /// 1 / x, `[..] -> [..]`; integers become float32. MLX: `reciprocal`.
    reciprocal => mlx_reciprocal;
    /// 1 / sqrt(x), `[..] -> [..]`; integers become float32. MLX: `rsqrt`.
    rsqrt => mlx_rsqrt;
    /// 1 / (1 + exp(-x)), `[..] -> [..]`; integers become float32. MLX: `sigmoid`.
    sigmoid => mlx_sigmoid;
    /// -1, 0 or 1, `[..] -> [..]`. MLX: `sign`.
    sign => mlx_sign;
    /// Sine of radians, `[..] -> [..]`; integers become float32. MLX: `sin`.
    sin => mlx_sin;
    /// Hyperbolic sine, `[..] -> [..]`; integers become float32. MLX: `sinh`.
    sinh => mlx_sinh;
    /// Square root, `[..] -> [..]`; integers become float32. MLX: `sqrt`.
    sqrt => mlx_sqrt;
    /// x * x, `[..] -> [..]`. MLX: `square`.
    square => mlx_square;
    /// Tangent of radians, `[..] -> [..]`; integers become float32. MLX: `tan`.
    tan => mlx_tan;
    /// Hyperbolic tangent, `[..] -> [..]`; integers become float32. MLX: `tanh`.
    tanh => mlx_tanh;
    /// The integer part, `[..] -> [..]`. MLX: `trunc`.
    trunc => mlx_trunc;
    /// The same values, through which no gradient flows, `[..] -> [..]`. MLX: `stop_gradient`.
    stop_gradient => mlx_stop_gradient;
    /// A copy in memory of its own, `[..] -> [..]`. MLX: `copy`.
    copy => mlx_copy;
}

/// The elements rounded to `decimals` places, half to even, `[..] -> [..]`. MLX: `round`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn round(a: &Array, decimals: i32) -> Result<Array> {
    build("round", &[a], |out, s| {
        // SAFETY: the input and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_round(out, a.as_raw(), decimals, s) }
    })
}

/// The elements converted to `dtype`, `[..] -> [..]`; no copy if they have it. MLX: `astype`.
///
/// # Errors
/// If MLX refuses the conversion.
pub fn astype(a: &Array, dtype: Dtype) -> Result<Array> {
    if select::has(Fault::ComplexCasts) {
        match (a.dtype(), dtype) {
            (Dtype::Bool, Dtype::Complex64) => return cast(&cast(a, Dtype::Float32)?, dtype),
            (Dtype::Complex64, Dtype::Bool) => return super::not_equal(a, &Array::scalar(0f32)?),
            _ => {}
        }
    }
    cast(a, dtype)
}

fn cast(a: &Array, dtype: Dtype) -> Result<Array> {
    build("astype", &[a], |out, s| {
        // SAFETY: the input and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_astype(out, a.as_raw(), dtype.as_raw(), s) }
    })
}

/// The same bytes read as `dtype`, `[.., n] -> [.., n * size(a) / size(dtype)]`. MLX: `view`.
///
/// # Errors
/// If the last dimension does not hold a whole number of `dtype`s.
pub fn view(a: &Array, dtype: Dtype) -> Result<Array> {
    let seen = |a: &Array| {
        build("view", &[a], |out, s| {
            // SAFETY: the input and the stream are valid; `out` is a null destination.
            unsafe { sys::mlx_view(out, a.as_raw(), dtype.as_raw(), s) }
        })
    };
    let whole = seen(a)?;
    if a.dtype().size() == dtype.size() || whole.ndim() == 0 {
        return Ok(whole);
    }
    // MLX reads other bytes where elements of another size lie apart, and where a single one has a stride other than 1.
    let flat = super::reshape(a, &[-1])?;
    let bytes = match flat.size() {
        1 => {
            let both = seen(&super::concatenate(&[&flat, &flat], 0)?)?;
            super::slice(&both, &[0], &[whole.size() as i32], &[1])?
        }
        _ => seen(&flat)?,
    };
    super::reshape(&bytes, whole.shape())
}

/// The elements limited to `[a_min, a_max]`, which broadcast; `None` is no limit. MLX: `clip`.
///
/// # Errors
/// If both limits are `None`, or the shapes do not fit together.
pub fn clip(a: &Array, a_min: Option<&Array>, a_max: Option<&Array>) -> Result<Array> {
    use crate::array::optional;
    build("clip", &[a], |out, s| {
        // SAFETY: the input and the stream are valid; a null limit stands for "absent".
        unsafe { sys::mlx_clip(out, a.as_raw(), optional(a_min), optional(a_max), s) }
    })
}

/// NaN and infinities replaced, `[..] -> [..]`; `None` takes the dtype's largest and smallest
/// number for the infinities. MLX: `nan_to_num`.
///
/// # Errors
/// If MLX refuses the dtype.
pub fn nan_to_num(a: &Array, nan: f32, posinf: Option<f32>, neginf: Option<f32>) -> Result<Array> {
    build("nan_to_num", &[a], |out, s| {
        let (posinf, neginf) = (super::optional_float(posinf), super::optional_float(neginf));
        // SAFETY: the input and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_nan_to_num(out, a.as_raw(), nan, posinf, neginf, s) }
    })
}
