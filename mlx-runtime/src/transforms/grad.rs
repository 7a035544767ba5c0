//! Gradients.

use std::ptr::null_mut;

use mlx_sys as sys;

use super::closure::{failure, Handle};
use super::Differentiating;
use crate::error::from_c;
use crate::handles::VectorArray;
use crate::live::{live, Live};
use crate::lock::reading;
use crate::stack::deep;
use crate::{Array, Error, Result};

/// A function that also gives the gradient of its first output, made by [`value_and_grad`].
pub struct ValueAndGrad(Result<Raw>);

/// Owns one `mlx_closure_value_and_grad`.
struct Raw(sys::mlx_closure_value_and_grad, live!(GradientClosure));

// SAFETY: as for `closure::Handle`.
unsafe impl Send for Raw {}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: owned here; null is ignored.
        unsafe { sys::mlx_closure_value_and_grad_free(self.0) };
    }
}

/// `f` together with the gradient of its first output, a scalar, with respect to the inputs
/// numbered in `argnums`. The other outputs are passed through. MLX: `value_and_grad`.
///
/// `argnums` must ascend; [`ValueAndGrad::call`] reports if they do not.
///
/// ```
/// use mlx_runtime::{ops, transforms, Array};
/// let f = |x: &[Array]| Ok(vec![ops::multiply(&x[0], &x[1])?]);
/// let vg = transforms::value_and_grad(f, &[0, 1]);
/// let (value, grads) = vg.call(&[Array::scalar(3.0f32)?, Array::scalar(5.0f32)?])?;
/// assert_eq!(value[0].item::<f32>()?, 15.0);
/// assert_eq!(grads[0].item::<f32>()?, 5.0);
/// assert_eq!(grads[1].item::<f32>()?, 3.0);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
pub fn value_and_grad<F>(f: F, argnums: &[i32]) -> ValueAndGrad
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    ValueAndGrad(make(f, argnums))
}

fn make<F>(f: F, argnums: &[i32]) -> Result<Raw>
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    const OP: &str = "value_and_grad";
    let ascending = argnums.windows(2).all(|w| w[0] < w[1]);
    if argnums.is_empty() || argnums[0] < 0 || !ascending {
        // MLX would sort them, and return the gradients in that order.
        return Err(Error::invalid(OP, format!("argument numbers {argnums:?}"))
            .with_hint("give at least one, from 0 up, ascending and without repeats"));
    }
    let closure = Handle::new(f)?;
    let null = sys::mlx_closure_value_and_grad { ctx: null_mut() };
    let mut raw = Raw(null, Live::new());
    // SAFETY: closure and numbers are valid, the destination is null.
    let status = unsafe {
        sys::mlx_value_and_grad(
            &mut raw.0,
            closure.as_raw(),
            argnums.as_ptr(),
            argnums.len(),
        )
    };
    if status != 0 || raw.0.ctx.is_null() {
        return Err(from_c(OP, &[]));
    }
    Ok(raw)
}

impl ValueAndGrad {
    /// The outputs of the function, and the gradient for each of the argument numbers.
    ///
    /// # Errors
    /// What the function returns, its panic, or what MLX refuses: such as a first output that is
    /// not a scalar.
    pub fn call(&self, inputs: &[Array]) -> Result<(Vec<Array>, Vec<Array>)> {
        const OP: &str = "value_and_grad";
        let raw = self.0.as_ref().map_err(Clone::clone)?;
        let list = VectorArray::new(OP, inputs)?;
        let (mut values, mut grads) = (VectorArray::null(), VectorArray::null());
        let _depth = Differentiating::enter();
        let _reading = reading();
        // SAFETY: closure and list are valid, both destinations null.
        let status = deep(|| unsafe {
            sys::mlx_closure_value_and_grad_apply(
                values.as_out(),
                grads.as_out(),
                raw.0,
                list.as_raw(),
            )
        });
        if status != 0 {
            return Err(failure(OP, inputs));
        }
        Ok((values.to_vec(OP)?, grads.to_vec(OP)?))
    }
}

impl std::fmt::Debug for ValueAndGrad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ValueAndGrad")
    }
}

/// A function that gives a gradient, made by [`grad`].
#[derive(Debug)]
pub struct Grad(ValueAndGrad);

/// The gradient alone of [`value_and_grad`]. MLX: `grad`.
pub fn grad<F>(f: F, argnums: &[i32]) -> Grad
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    Grad(value_and_grad(f, argnums))
}

impl Grad {
    /// The gradient for each of the argument numbers.
    ///
    /// # Errors
    /// As [`ValueAndGrad::call`].
    pub fn call(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        Ok(self.0.call(inputs)?.1)
    }
}

type Apply = unsafe extern "C" fn(
    *mut sys::mlx_vector_array,
    *mut sys::mlx_vector_array,
    sys::mlx_closure,
    sys::mlx_vector_array,
    sys::mlx_vector_array,
) -> std::ffi::c_int;

fn product<F>(
    op: &'static str,
    apply: Apply,
    f: F,
    primals: &[Array],
    other: &[Array],
) -> Result<(Vec<Array>, Vec<Array>)>
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    let closure = Handle::new(f)?;
    let primals_list = VectorArray::new(op, primals)?;
    let other = VectorArray::new(op, other)?;
    let (mut values, mut products) = (VectorArray::null(), VectorArray::null());
    let _depth = Differentiating::enter();
    let _reading = reading();
    // SAFETY: closure and lists are valid, both destinations null.
    let status = deep(|| unsafe {
        apply(
            values.as_out(),
            products.as_out(),
            closure.as_raw(),
            primals_list.as_raw(),
            other.as_raw(),
        )
    });
    if status != 0 {
        return Err(failure(op, primals));
    }
    Ok((values.to_vec(op)?, products.to_vec(op)?))
}

/// The outputs of `f`, and `cotangents` (one for each output) times its Jacobian: one gradient
/// for each input. MLX: `vjp`.
///
/// # Errors
/// As [`ValueAndGrad::call`], and if the cotangents do not have the outputs' shapes.
pub fn vjp<F>(f: F, primals: &[Array], cotangents: &[Array]) -> Result<(Vec<Array>, Vec<Array>)>
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    product("vjp", sys::mlx_vjp, f, primals, cotangents)
}

/// The outputs of `f`, and its Jacobian times `tangents` (one for each input): one change for
/// each output. MLX: `jvp`.
///
/// # Errors
/// As [`ValueAndGrad::call`], and if the tangents do not have the inputs' shapes.
pub fn jvp<F>(f: F, primals: &[Array], tangents: &[Array]) -> Result<(Vec<Array>, Vec<Array>)>
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    let _within = super::Vectorising::enter();
    product("jvp", sys::mlx_jvp, f, primals, tangents)
}
