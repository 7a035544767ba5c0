//! Functions with a custom backward pass.
//!
//! Tests: `tests/transforms.rs`.

use mlx_sys as sys;

use super::closure::{Closure, Handle};
use super::function::CustomVjp;
use crate::error::check;
use crate::handles::VectorArray;
use crate::{Array, Error, Result};

/// `f` as a gradient checkpoint: only its inputs and outputs are kept for the backward pass, which runs it again. MLX:
/// `checkpoint`.
///
/// MLX builds a gradient for every input: pass trained values as inputs and capture frozen ones, quantised weights
/// above all.
pub fn checkpoint<F>(f: F) -> Closure
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    let op = "checkpoint";
    let handle = Handle::new(f).and_then(|h| {
        h.map(op, |out, f| {
            // SAFETY: the closure is valid, the destination null.
            unsafe { sys::mlxrs_checkpoint(out, f) }
        })
    });
    Closure {
        op,
        handle,
        outputs_only: true,
    }
}

/// The same arrays, which are not computed before those in `on` are. MLX: `depends`.
///
/// MLX evaluates independent arrays in any order; this bounds how many of them are in memory at a time.
///
/// # Errors
/// If MLX cannot.
pub fn depends(arrays: &[&Array], on: &[&Array]) -> Result<Vec<Array>> {
    const OP: &str = "depends";
    let (arrays, on) = (
        VectorArray::from_refs(OP, arrays)?,
        VectorArray::from_refs(OP, on)?,
    );
    let mut out = VectorArray::null();
    // MLX looks at the first array's operation.
    let _reading = crate::lock::reading();
    // SAFETY: both lists are valid, the destination is null.
    check(OP, unsafe {
        sys::mlx_depends(out.as_out(), arrays.as_raw(), on.as_raw())
    })?;
    out.to_vec(OP)
}

/// `f` with a custom gradient: `vjp(primals, cotangents, outputs)` returns one gradient for each of the primals, in its
/// shape. MLX: `custom_vjp`.
///
/// ```
/// use mlx_runtime::{ops, transforms, Array};
/// // A square whose gradient is clipped to 1.
/// let square = transforms::custom_vjp(
///     |x| Ok(vec![ops::square(&x[0])?]),
///     |_, cotangents, _| Ok(vec![ops::minimum(&cotangents[0], &Array::scalar(1.0f32)?)?]),
/// );
/// let g = transforms::grad(move |x| square.call(x), &[0]).call(&[Array::scalar(3.0f32)?])?;
/// assert_eq!(g[0].item::<f32>()?, 1.0);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
pub fn custom_vjp<F, V>(f: F, vjp: V) -> Closure
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
    V: Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    let op = "custom_vjp";
    let handle = Handle::new(f).and_then(|h| {
        let vjp = CustomVjp::new(vjp)?;
        h.map(op, |out, f| {
            // SAFETY: both closures are valid, the destination null.
            unsafe { sys::mlx_custom_vjp(out, f, vjp.as_raw()) }
        })
    });
    Closure {
        op,
        handle,
        outputs_only: false,
    }
}

/// MLX indexes the gradients by argument number without counting them.
pub(super) fn check_grads(primals: &[Array], grads: &[Array]) -> Result<()> {
    const OP: &str = "custom_vjp";
    if grads.len() != primals.len() {
        return Err(Error::invalid(
            OP,
            format!(
                "expected {1} gradients, one for each input, found {0}",
                grads.len(),
                primals.len()
            ),
        )
        .with_hint("return one gradient for each input, `ops::zeros_like` where there is none"));
    }
    for (i, (p, g)) in primals.iter().zip(grads).enumerate() {
        if p.shape() != g.shape() {
            return Err(Error::shape(
                OP,
                format!(
                    "expected gradient {i} in the shape of its input, {1:?}, found {0:?}",
                    g.shape(),
                    p.shape()
                ),
            ));
        }
    }
    Ok(())
}
