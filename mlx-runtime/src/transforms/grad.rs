//! Computes gradients.
//!
//! Tests: `tests/transforms.rs`.

use mlx_sys as sys;

use super::closure::{failure, Handle};
use crate::array::settled;
use crate::context::Scope;
use crate::handles::VectorArray;
use crate::lock::reading;
use crate::stack::deep;
use crate::{Array, Error, Result};

/// A function that also gives the gradient of its first output, made by [`value_and_grad`].
pub struct ValueAndGrad {
    function: Result<Handle>,
    argnums: Vec<i32>,
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
    let ascending = argnums.windows(2).all(|w| w[0] < w[1]);
    let function = if argnums.is_empty() || argnums[0] < 0 || !ascending {
        // MLX would sort them, and return the gradients in that order.
        Err(Error::invalid(
            "value_and_grad",
            format!("invalid argument numbers {argnums:?}"),
        )
        .with_hint("give at least one, from 0 up, ascending and without repeats"))
    } else {
        Handle::new(f)
    };
    ValueAndGrad {
        function,
        argnums: argnums.to_vec(),
    }
}

impl ValueAndGrad {
    /// The outputs of the function, and the gradient for each of the argument numbers.
    ///
    /// # Errors
    /// Returns the error of the function or of MLX, such as for a first output that is not a scalar, and an error if
    /// the function panics.
    pub fn call(&self, inputs: &[Array]) -> Result<(Vec<Array>, Vec<Array>)> {
        const OP: &str = "value_and_grad";
        let function = self.function.as_ref().map_err(Clone::clone)?;
        let list = VectorArray::new(OP, inputs)?;
        let (mut values, mut grads) = (VectorArray::null(), VectorArray::null());
        let _depth = Scope::gradient();
        let _reading = reading();
        // SAFETY: function and lists are valid, both destinations null.
        let status = deep(|| unsafe {
            sys::mlxrs_value_and_grad(
                values.as_out(),
                grads.as_out(),
                function.as_raw(),
                list.as_raw(),
                self.argnums.as_ptr(),
                self.argnums.len(),
            )
        });
        if status != 0 {
            return Err(failure(OP, inputs));
        }
        Ok((settled(values.to_vec(OP)?)?, settled(grads.to_vec(OP)?)?))
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
    let _depth = Scope::gradient();
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
    Ok((settled(values.to_vec(op)?)?, settled(products.to_vec(op)?)?))
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
    product("vjp", sys::mlxrs_vjp, f, primals, cotangents)
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
    let _within = Scope::vectorising();
    product("jvp", sys::mlxrs_jvp, f, primals, tangents)
}
