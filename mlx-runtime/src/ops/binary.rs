//! Elementwise operations on two or three arrays that broadcast.
//!
//! Tests: `tests/ops.rs`, `tests/parity.rs`, `tests/operations`.

use mlx_sys as sys;

use crate::array::{build, build_many};
use crate::{Array, Dtype, Operand, Result};

operand_ops! {
    /// a + b; the inputs broadcast. MLX: `add`.
    add => mlx_add;
    /// Bitwise and of integers or bools; the inputs broadcast. MLX: `bitwise_and`.
    bitwise_and => mlx_bitwise_and;
    /// Bitwise or of integers or bools; the inputs broadcast. MLX: `bitwise_or`.
    bitwise_or => mlx_bitwise_or;
    /// Bitwise exclusive or of integers or bools; the inputs broadcast. MLX: `bitwise_xor`.
    bitwise_xor => mlx_bitwise_xor;
    /// a / b; integers become float32; the inputs broadcast. MLX: `divide`.
    divide => mlx_divide;
    /// a shifted left by b bits; the inputs broadcast. MLX: `left_shift`.
    left_shift => mlx_left_shift;
    /// True where both are not zero, as bool; the inputs broadcast. MLX: `logical_and`.
    logical_and => mlx_logical_and;
    /// True where one is not zero, as bool; the inputs broadcast. MLX: `logical_or`.
    logical_or => mlx_logical_or;
    /// True where exactly one is not zero, as bool; the inputs broadcast. MLX: `logical_xor`.
    logical_xor => mlx_logical_xor;
    /// a * b; the inputs broadcast. MLX: `multiply`.
    multiply => mlx_multiply;
    /// a shifted right by b bits; the inputs broadcast. MLX: `right_shift`.
    right_shift => mlx_right_shift;
    /// a - b; the inputs broadcast. MLX: `subtract`.
    subtract => mlx_subtract;
    /// The angle of the point (b, a) in radians; the inputs broadcast. MLX: `arctan2`.
    arctan2 => mlx_arctan2;
    /// a == b, as bool; the inputs broadcast. MLX: `equal`.
    equal => mlx_equal;
    /// a > b, as bool; the inputs broadcast. MLX: `greater`.
    greater => mlx_greater;
    /// a >= b, as bool; the inputs broadcast. MLX: `greater_equal`.
    greater_equal => mlx_greater_equal;
    /// a < b, as bool; the inputs broadcast. MLX: `less`.
    less => mlx_less;
    /// a <= b, as bool; the inputs broadcast. MLX: `less_equal`.
    less_equal => mlx_less_equal;
    /// log(exp(a) + exp(b)) without overflow; the inputs broadcast. MLX: `logaddexp`.
    logaddexp => mlx_logaddexp;
    /// The larger one, NaN if either is; the inputs broadcast. MLX: `maximum`.
    maximum => mlx_maximum;
    /// The smaller one, NaN if either is; the inputs broadcast. MLX: `minimum`.
    minimum => mlx_minimum;
    /// a != b, as bool; the inputs broadcast. MLX: `not_equal`.
    not_equal => mlx_not_equal;
    /// a to the power b; the inputs broadcast. MLX: `power`.
    power => mlx_power;
}

/// The processor traps on an integer divided by zero, and on the smallest one divided by -1:
/// these divisors become 1. Returns where they were 0 and -1.
fn safe_divisor(b: &Array) -> Result<(Array, Array, Option<Array>)> {
    let constant = |v: f64| Array::scalar_as(v, b.dtype());
    let one = constant(1.0)?;
    let zero = equal(b, &constant(0.0)?)?;
    let mut safe = where_(&zero, &one, b)?;
    let mut minus = None;
    if b.dtype().is_signed() {
        let is = equal(b, &constant(-1.0)?)?;
        safe = where_(&is, &one, &safe)?;
        minus = Some(is);
    }
    Ok((safe, zero, minus))
}

fn integers(a: &Array, b: &Array) -> bool {
    !a.dtype().is_float() && !b.dtype().is_float()
}

/// The integer below a / b, or towards zero if both are integers; the inputs broadcast. An integer
/// divided by 0 is 0, where MLX itself would end the process. `b` is an array or a number, see [`Operand`].
/// MLX: `floor_divide`.
///
/// # Errors
/// If the shapes do not fit together, or MLX refuses the dtypes.
pub fn floor_divide(a: &Array, b: impl Operand) -> Result<Array> {
    b.with(a.dtype(), |b| floor_of(a, b))
}

fn floor_of(a: &Array, b: &Array) -> Result<Array> {
    let divide = |b: &Array| {
        build("floor_divide", &[a, b], |out, s| {
            // SAFETY: both inputs and the stream are valid; `out` is a null destination.
            unsafe { sys::mlx_floor_divide(out, a.as_raw(), b.as_raw(), s) }
        })
    };
    if !integers(a, b) {
        return divide(b);
    }
    let (safe, zero, minus) = safe_divisor(b)?;
    let mut q = divide(&safe)?;
    if let Some(minus) = minus {
        q = where_(&minus, &super::negative(&q)?, &q)?;
    }
    where_(&zero, &Array::scalar_as(0.0, q.dtype())?, &q)
}

/// a - b * floor(a / b); the inputs broadcast. The remainder of an integer divided by 0 is 0,
/// where MLX itself would end the process. `b` is an array or a number, see [`Operand`]. MLX: `remainder`.
///
/// # Errors
/// If the shapes do not fit together, or MLX refuses the dtypes.
pub fn remainder(a: &Array, b: impl Operand) -> Result<Array> {
    b.with(a.dtype(), |b| remainder_of(a, b))
}

fn remainder_of(a: &Array, b: &Array) -> Result<Array> {
    // The remainder by 1 is the 0 that is wanted for 0 and -1, too.
    let safe = if integers(a, b) {
        Some(safe_divisor(b)?.0)
    } else {
        None
    };
    let b = safe.as_ref().unwrap_or(b);
    build("remainder", &[a, b], |out, s| {
        // SAFETY: both inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_remainder(out, a.as_raw(), b.as_raw(), s) }
    })
}

/// The integer below a / b, also if both are integers, and [`remainder`]; the inputs broadcast. An
/// integer divided by 0 is 0, and so is its remainder, where MLX itself would end the process.
/// `b` is an array or a number, see [`Operand`]. MLX: `divmod`.
///
/// # Errors
/// If the shapes do not fit together, or MLX refuses the dtypes.
pub fn divmod(a: &Array, b: impl Operand) -> Result<(Array, Array)> {
    b.with(a.dtype(), |b| both_of(a, b))
}

fn both_of(a: &Array, b: &Array) -> Result<(Array, Array)> {
    let both = |b: &Array| {
        let parts = build_many("divmod", &[a, b], |out, s| {
            // SAFETY: both inputs and the stream are valid; `out` is a null destination.
            unsafe { sys::mlx_divmod(out, a.as_raw(), b.as_raw(), s) }
        })?;
        <[Array; 2]>::try_from(parts).map_err(|_| crate::error::from_c("divmod", &[a, b]))
    };
    if !integers(a, b) {
        if crate::transforms::is_differentiating() {
            // To MLX the gradient of both is zero.
            return Ok((floor_of(a, b)?, remainder_of(a, b)?));
        }
        let [quotient, remainder] = both(b)?;
        return Ok((quotient, remainder));
    }
    // The remainder by 1 is the 0 that is wanted for 0 and -1, too.
    let (safe, zero, minus) = safe_divisor(b)?;
    let [mut quotient, remainder] = both(&safe)?;
    if let Some(minus) = minus {
        quotient = where_(&minus, &super::negative(&quotient)?, &quotient)?;
    }
    let nothing = Array::scalar_as(0.0, quotient.dtype())?;
    Ok((where_(&zero, &nothing, &quotient)?, remainder))
}

/// `x` where `condition` holds, else `y`; all three broadcast. `x` and `y` are arrays or numbers, see [`Operand`]; a
/// number takes its dtype from the other one. MLX: `where`.
///
/// # Errors
/// If the shapes do not fit together.
#[inline]
pub fn where_(condition: &Array, x: impl Operand, y: impl Operand) -> Result<Array> {
    // Beside bool, a number has the dtype of its own kind.
    let like = x.dtype().or(y.dtype()).unwrap_or(Dtype::Bool);
    x.with(like, |x| {
        y.with(like, |y| {
            build("where_", &[condition, x, y], |out, s| {
                // SAFETY: the inputs and the stream are valid; `out` is a null destination.
                unsafe { sys::mlx_where(out, condition.as_raw(), x.as_raw(), y.as_raw(), s) }
            })
        })
    })
}

/// True where |a - b| <= atol + rtol * |b|, elementwise as bool; the inputs broadcast.
/// `b` is an array or a number, see [`Operand`]. MLX: `isclose`.
///
/// # Errors
/// If the shapes do not fit together.
pub fn isclose(a: &Array, b: impl Operand, rtol: f64, atol: f64, equal_nan: bool) -> Result<Array> {
    b.with(a.dtype(), |b| {
        build("isclose", &[a, b], |out, s| {
            // SAFETY: the inputs and the stream are valid; `out` is a null destination.
            unsafe { sys::mlx_isclose(out, a.as_raw(), b.as_raw(), rtol, atol, equal_nan, s) }
        })
    })
}

/// True if all elements are close, as a bool scalar; the inputs broadcast. See [`isclose`].
/// `b` is an array or a number, see [`Operand`]. MLX: `allclose`.
///
/// # Errors
/// If the shapes do not fit together.
pub fn allclose(
    a: &Array,
    b: impl Operand,
    rtol: f64,
    atol: f64,
    equal_nan: bool,
) -> Result<Array> {
    b.with(a.dtype(), |b| {
        build("allclose", &[a, b], |out, s| {
            // SAFETY: the inputs and the stream are valid; `out` is a null destination.
            unsafe { sys::mlx_allclose(out, a.as_raw(), b.as_raw(), rtol, atol, equal_nan, s) }
        })
    })
}

/// True if shapes and all elements are equal, as a bool scalar. MLX: `array_equal`.
///
/// # Errors
/// If MLX refuses the dtypes.
pub fn array_equal(a: &Array, b: &Array, equal_nan: bool) -> Result<Array> {
    build("array_equal", &[a, b], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_array_equal(out, a.as_raw(), b.as_raw(), equal_nan, s) }
    })
}
