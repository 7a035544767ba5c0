//! Functions with custom rules for every transform.
//!
//! Tests: `tests/custom_functions.rs`.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::sync::{Arc, OnceLock};

use mlx_sys as sys;

use super::closure::{failure, free, guard, write, Closure, Handle};
use super::payload::{callback, keep};
use crate::containers::{MapStringToArray, VectorArray, VectorInt};
use crate::error::{check, from_c};
use crate::init::init;
use crate::live::{live, Live};
use crate::{Array, Error, Result};

/// A list of C ints as a slice.
///
/// # Safety
/// `at` is null, or leads to `n` ints that outlive `'a`.
unsafe fn ints<'a>(at: *const c_int, n: usize) -> &'a [i32] {
    if at.is_null() || n == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(at, n) }
}

/// Arrays from a list that MLX C passes to a callback.
fn read(list: sys::mlx_vector_array) -> Result<Vec<Array>> {
    // SAFETY: only called from callbacks, with the lists that MLX C gives them.
    unsafe { VectorArray::read("closure", list) }
}

/// One owning type for a kind of closure.
macro_rules! kind {
    ($(#[$doc:meta])* $name:ident($raw:ident), $op:literal, Fn($($arg:ty),*) -> $out:ty,
     callback $call:ident,
     $new:ident $new_func_payload:ident $set:ident $free:ident) => {
        $(#[$doc])*
        ///
        /// `Send`, so that another closure can capture it; not `Sync`.
        pub struct $name(sys::$raw, live!($name));

        // SAFETY: the handle holds a C++ function whose parts are counted atomically; the Rust
        // closure in it is `Send` and called through `&self`, which is not shared: the type is
        // neither `Sync` nor `Clone`.
        unsafe impl Send for $name {}

        impl $name {
            /// Hands a Rust closure over to MLX C.
            ///
            /// # Errors
            /// If memory is exhausted.
            pub fn new<F>(f: F) -> Result<Self>
            where
                F: Fn($($arg),*) -> $out + Send + 'static,
            {
                init();
                let payload = keep(f);
                // SAFETY: callback and destructor match the payload's type.
                let raw = unsafe { sys::$new_func_payload(Some($call::<F>), payload, Some(free::<F>)) };
                if raw.ctx.is_null() {
                    return Err(from_c($op, &[]));
                }
                Ok(Self(raw, Live::new()))
            }

            /// Replaces the closure that `self` holds, and reuses its handle.
            ///
            /// # Errors
            /// If memory is exhausted.
            pub fn replace(&mut self, other: Self) -> Result<()> {
                // SAFETY: both handles are ours; `other` is freed on return.
                check($op, unsafe { sys::$set(&mut self.0, other.0) })
            }

            /// A null closure.
            #[allow(dead_code)] // not every kind needs it
            fn none() -> Self {
                // SAFETY: makes a handle without a value.
                Self(unsafe { sys::$new() }, Live::new())
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: owned here; null is ignored.
                unsafe { sys::$free(self.0) };
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

/// One trait for the signature of each kind of closure, because a macro cannot name `Fn(..)`.
macro_rules! bound {
    ($($name:ident: Fn($($arg:ty),*) -> $out:ty;)*) => {$(
        trait $name: Fn($($arg),*) -> $out {}
        impl<F: Fn($($arg),*) -> $out> $name for F {}
    )*};
}

type Named = HashMap<String, Array>;
type Pair = (Vec<Array>, Vec<Array>);

bound! {
    WithNames: Fn(&[Array], &Named) -> Result<Vec<Array>>;
    Vjp: Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Array>>;
    Jvp: Fn(&[Array], &[Array], &[i32]) -> Result<Vec<Array>>;
    Vmap: Fn(&[Array], &[i32]) -> Result<(Vec<Array>, Vec<i32>)>;
    Both: Fn(&[Array]) -> Result<Pair>;
}

callback! {
    F: WithNames => call_named, (out: *mut sys::mlx_vector_array, inputs: sys::mlx_vector_array, names: sys::mlx_map_string_to_array),
    |f| {
        // Borrowed for the call.
        let names = MapStringToArray::borrowed(names);
        let made = f(&read(inputs)?, &names.entries()?)?;
        // SAFETY: MLX C passes a destination.
        unsafe { write(out, &made) }
    }
}
callback! {
    F: Vjp => call_vjp, (out: *mut sys::mlx_vector_array, primals: sys::mlx_vector_array,
     cotangents: sys::mlx_vector_array, outputs: sys::mlx_vector_array),
    |f| {
        let primals = read(primals)?;
        let made = f(&primals, &read(cotangents)?, &read(outputs)?)?;
        super::custom::check_grads(&primals, &made)?;
        // SAFETY: MLX C passes a destination.
        unsafe { write(out, &made) }
    }
}
callback! {
    F: Jvp => call_jvp, (out: *mut sys::mlx_vector_array, primals: sys::mlx_vector_array,
     tangents: sys::mlx_vector_array, at: *const c_int, n: usize),
    |f| {
        // SAFETY: MLX C passes a list and its length.
        let argnums = unsafe { ints(at, n) };
        let made = f(&read(primals)?, &read(tangents)?, argnums)?;
        // SAFETY: MLX C passes a destination.
        unsafe { write(out, &made) }
    }
}
callback! {
    F: Vmap => call_vmap, (out: *mut sys::mlx_vector_array, out_axes: *mut sys::mlx_vector_int,
     inputs: sys::mlx_vector_array, at: *const c_int, n: usize),
    |f| {
        // SAFETY: MLX C passes a list and its length.
        let axes = unsafe { ints(at, n) };
        let (made, of) = f(&read(inputs)?, axes)?;
        if made.len() != of.len() {
            let text = format!("expected one axis for each of {} outputs, found {}", made.len(), of.len());
            return Err(Error::invalid("vmap", text));
        }
        // SAFETY: MLX C passes two destinations.
        unsafe {
            check("vmap", sys::mlx_vector_int_set_data(out_axes, of.as_ptr().cast_mut(), of.len()))?;
            write(out, &made)
        }
    }
}
callback! {
    F: Both => call_both, (values: *mut sys::mlx_vector_array, grads: *mut sys::mlx_vector_array,
     inputs: sys::mlx_vector_array),
    |f| {
        let (of_values, of_grads) = f(&read(inputs)?)?;
        // SAFETY: MLX C passes two destinations.
        unsafe {
            write(values, &of_values)?;
            write(grads, &of_grads)
        }
    }
}

kind! {
    /// A function of arrays and of arrays by name, for [`crate::export`].
    NamedClosure(mlx_closure_kwargs), "closure_kwargs",
    Fn(&[Array], &HashMap<String, Array>) -> Result<Vec<Array>>,
    callback call_named,
    mlx_closure_kwargs_new mlx_closure_kwargs_new_func_payload
    mlx_closure_kwargs_set mlx_closure_kwargs_free
}
kind! {
    /// A gradient: of inputs, cotangents and outputs it makes one array for each input.
    CustomVjp(mlx_closure_custom), "custom_vjp",
    Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Array>>,
    callback call_vjp,
    mlx_closure_custom_new mlx_closure_custom_new_func_payload
    mlx_closure_custom_set mlx_closure_custom_free
}
kind! {
    /// A forward derivative: of inputs, tangents and the numbers of the inputs that these belong
    /// to it makes one array for each output.
    CustomJvp(mlx_closure_custom_jvp), "custom_jvp",
    Fn(&[Array], &[Array], &[i32]) -> Result<Vec<Array>>,
    callback call_jvp,
    mlx_closure_custom_jvp_new
    mlx_closure_custom_jvp_new_func_payload mlx_closure_custom_jvp_set mlx_closure_custom_jvp_free
}
kind! {
    /// A vectorised form: of inputs and the axis that each is vectorised along (-1: none) it makes
    /// the outputs and the axis of each.
    CustomVmap(mlx_closure_custom_vmap), "custom_vmap",
    Fn(&[Array], &[i32]) -> Result<(Vec<Array>, Vec<i32>)>,
    callback call_vmap,
    mlx_closure_custom_vmap_new
    mlx_closure_custom_vmap_new_func_payload mlx_closure_custom_vmap_set
    mlx_closure_custom_vmap_free
}
kind! {
    /// A function that gives values and gradients, whichever way it finds them.
    GradientClosure(mlx_closure_value_and_grad), "closure_value_and_grad",
    Fn(&[Array]) -> Result<(Vec<Array>, Vec<Array>)>,
    callback call_both,
    mlx_closure_value_and_grad_new
    mlx_closure_value_and_grad_new_func_payload mlx_closure_value_and_grad_set
    mlx_closure_value_and_grad_free
}

impl NamedClosure {
    /// The outputs for these inputs.
    ///
    /// # Errors
    /// Returns the error of the function or of MLX, and an error if the function panics.
    pub fn call(&self, inputs: &[Array], named: &HashMap<String, Array>) -> Result<Vec<Array>> {
        const OP: &str = "closure_kwargs";
        let list = VectorArray::new(OP, inputs)?;
        let map = MapStringToArray::from_entries(named.iter().map(|(k, v)| (k.as_str(), v)))?;
        let mut out = VectorArray::null();
        // SAFETY: closure, list and map are valid, the destination null.
        let status = unsafe {
            sys::mlx_closure_kwargs_apply(out.as_out(), self.0, list.as_raw(), map.as_raw())
        };
        finish(OP, status, &out, inputs)
    }

    /// The handle; valid while `self` is.
    pub(crate) fn as_raw(&self) -> sys::mlx_closure_kwargs {
        self.0
    }
}

impl CustomVjp {
    /// The handle; valid while `self` is.
    pub(super) fn as_raw(&self) -> sys::mlx_closure_custom {
        self.0
    }

    /// The gradients for these inputs, cotangents and outputs.
    ///
    /// # Errors
    /// Returns the error of the function, and an error if it panics or if gradients do not fit the inputs.
    pub fn call(
        &self,
        inputs: &[Array],
        cotangents: &[Array],
        outputs: &[Array],
    ) -> Result<Vec<Array>> {
        const OP: &str = "custom_vjp";
        let a = VectorArray::new(OP, inputs)?;
        let (b, c) = (
            VectorArray::new(OP, cotangents)?,
            VectorArray::new(OP, outputs)?,
        );
        let mut out = VectorArray::null();
        // SAFETY: closure and lists are valid, the destination null.
        let status = unsafe {
            sys::mlx_closure_custom_apply(out.as_out(), self.0, a.as_raw(), b.as_raw(), c.as_raw())
        };
        finish(OP, status, &out, inputs)
    }
}

impl CustomJvp {
    /// The derivatives for these inputs, and tangents of those numbered `argnums`.
    ///
    /// # Errors
    /// Returns the error of the function, and an error if it panics.
    pub fn call(
        &self,
        inputs: &[Array],
        tangents: &[Array],
        argnums: &[i32],
    ) -> Result<Vec<Array>> {
        const OP: &str = "custom_jvp";
        let (a, b) = (
            VectorArray::new(OP, inputs)?,
            VectorArray::new(OP, tangents)?,
        );
        let mut out = VectorArray::null();
        let (at, n) = (argnums.as_ptr(), argnums.len());
        // SAFETY: closure and lists are valid, the destination null.
        let status = unsafe {
            sys::mlx_closure_custom_jvp_apply(out.as_out(), self.0, a.as_raw(), b.as_raw(), at, n)
        };
        finish(OP, status, &out, inputs)
    }
}

impl CustomVmap {
    /// The outputs for inputs vectorised along `axes`, and the axis of each output.
    ///
    /// # Errors
    /// Returns the error of the function, and an error if it panics.
    pub fn call(&self, inputs: &[Array], axes: &[i32]) -> Result<(Vec<Array>, Vec<i32>)> {
        const OP: &str = "custom_vmap";
        let list = VectorArray::new(OP, inputs)?;
        let (mut out, mut of) = (VectorArray::null(), VectorInt::null());
        let (at, n) = (axes.as_ptr(), axes.len());
        // SAFETY: closure and lists are valid, both destinations null.
        let status = unsafe {
            sys::mlx_closure_custom_vmap_apply(
                out.as_out(),
                of.as_out(),
                self.0,
                list.as_raw(),
                at,
                n,
            )
        };
        let outputs = finish(OP, status, &out, inputs)?;
        Ok((outputs, of.iter().collect::<Result<_>>()?))
    }
}

impl GradientClosure {
    /// The values and gradients for these inputs.
    ///
    /// # Errors
    /// Returns the error of the function, and an error if it panics.
    pub fn call(&self, inputs: &[Array]) -> Result<(Vec<Array>, Vec<Array>)> {
        const OP: &str = "closure_value_and_grad";
        let list = VectorArray::new(OP, inputs)?;
        let (mut values, mut grads) = (VectorArray::null(), VectorArray::null());
        // SAFETY: closure and list are valid, both destinations null.
        let status = unsafe {
            sys::mlx_closure_value_and_grad_apply(
                values.as_out(),
                grads.as_out(),
                self.0,
                list.as_raw(),
            )
        };
        let values = finish(OP, status, &values, inputs)?;
        Ok((values, grads.to_vec(OP)?))
    }
}

fn finish(
    op: &'static str,
    status: c_int,
    out: &VectorArray,
    inputs: &[Array],
) -> Result<Vec<Array>> {
    if status != 0 {
        return Err(failure(op, inputs));
    }
    out.to_vec(op)
}

/// The number of a function's outputs, once it is known: MLX indexes the results of its rules by it.
#[derive(Clone, Debug, Default)]
struct Outputs(Arc<OnceLock<usize>>);

impl Outputs {
    fn check(&self, n: usize) -> Result<()> {
        let known = *self.0.get_or_init(|| n);
        if n == known {
            return Ok(());
        }
        let text =
            format!("expected {known} arrays from the function or its rule, as before, found {n}");
        Err(Error::invalid("custom_function", text))
    }
}

/// A function with custom rules, made by [`custom_function`].
#[derive(Debug)]
pub struct CustomFunction {
    function: Result<Handle>,
    outputs: Outputs,
    vjp: Result<CustomVjp>,
    jvp: Result<CustomJvp>,
    vmap: Result<CustomVmap>,
}

/// `f` with an optional custom gradient, forward derivative and vectorised form. A rule that is not given is derived as
/// for any function. MLX: `custom_function`.
///
/// `f` returns the same number of outputs in each call.
///
/// ```
/// use mlx_runtime::{ops, transforms, Array};
/// let double = transforms::custom_function(|x| Ok(vec![ops::add(&x[0], &x[0])?]))
///     .jvp(|_, tangents, _| Ok(vec![ops::multiply(&tangents[0], &Array::scalar(10.0f32)?)?]))
///     .build();
/// let one = [Array::scalar(1.0f32)?];
/// let (value, change) = transforms::jvp(move |x| double.call(x), &one, &one)?;
/// assert_eq!((value[0].item::<f32>()?, change[0].item::<f32>()?), (2.0, 10.0));
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
pub fn custom_function<F>(f: F) -> CustomFunction
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    let outputs = Outputs::default();
    let counted = outputs.clone();
    let function = Handle::new(move |inputs: &[Array]| {
        let made = f(inputs)?;
        counted.check(made.len())?;
        Ok(made)
    });
    CustomFunction {
        function,
        outputs,
        vjp: Ok(CustomVjp::none()),
        jvp: Ok(CustomJvp::none()),
        vmap: Ok(CustomVmap::none()),
    }
}

impl CustomFunction {
    /// The gradient, see [`CustomVjp`].
    #[must_use]
    pub fn vjp<F>(mut self, f: F) -> Self
    where
        F: Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Array>> + Send + 'static,
    {
        self.vjp = CustomVjp::new(f);
        self
    }

    /// The forward derivative, see [`CustomJvp`].
    #[must_use]
    pub fn jvp<F>(mut self, f: F) -> Self
    where
        F: Fn(&[Array], &[Array], &[i32]) -> Result<Vec<Array>> + Send + 'static,
    {
        let outputs = self.outputs.clone();
        self.jvp = CustomJvp::new(move |inputs: &[Array], tangents: &[Array], at: &[i32]| {
            let made = f(inputs, tangents, at)?;
            outputs.check(made.len())?;
            Ok(made)
        });
        self
    }

    /// The vectorised form, see [`CustomVmap`].
    #[must_use]
    pub fn vmap<F>(mut self, f: F) -> Self
    where
        F: Fn(&[Array], &[i32]) -> Result<(Vec<Array>, Vec<i32>)> + Send + 'static,
    {
        let outputs = self.outputs.clone();
        self.vmap = CustomVmap::new(move |inputs: &[Array], axes: &[i32]| {
            let made = f(inputs, axes)?;
            outputs.check(made.0.len())?;
            for (array, &axis) in made.0.iter().zip(&made.1) {
                if axis < -1 || usize::try_from(axis).is_ok_and(|a| a >= array.ndim()) {
                    let text = format!("axis {axis} is out of range for {array:?}");
                    return Err(Error::shape("custom_function", text));
                }
            }
            Ok(made)
        });
        self
    }

    /// The function. If building it fails, its calls return the error.
    pub fn build(self) -> Closure {
        let op = "custom_function";
        let made = || {
            let (vjp, jvp, vmap) = (self.vjp?, self.jvp?, self.vmap?);
            self.function?.map(op, |out, f| {
                // SAFETY: the function is valid, the rules are valid or null, which stands for
                // "absent"; the destination is null.
                unsafe { sys::mlx_custom_function(out, f, vjp.0, jvp.0, vmap.0) }
            })
        };
        Closure {
            op,
            handle: made(),
            outputs_only: false,
        }
    }
}

/// A function of one array.
///
/// ```
/// use mlx_runtime::{ops, transforms, Array};
/// let square = transforms::unary(|x| ops::square(x));
/// assert_eq!(square.call(&[Array::scalar(3.0f32)?])?[0].item::<f32>()?, 9.0);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
pub fn unary<F>(f: F) -> Closure
where
    F: Fn(&Array) -> Result<Array> + Send + 'static,
{
    let op = "closure";
    let handle = Handle::new(move |inputs: &[Array]| match inputs {
        [one] => Ok(vec![f(one)?]),
        _ => Err(Error::invalid(
            op,
            format!("expected one input, found {}", inputs.len()),
        )),
    });
    Closure {
        op,
        handle,
        outputs_only: false,
    }
}
