//! The types of the code that the macros write for rust-analyzer. It is never compiled, and nothing here is ever run.
//!
//! Tests: `mlx-tests --test editor`.

use std::marker::PhantomData;
use std::ops::{Add, Div, Mul, Neg, Not, Sub};

/// A value of a body, with its shape and its dtype, where that is not the model's.
pub struct Tensor<Shape = (), Dtype = Float>(PhantomData<(Shape, Dtype)>);

/// The dtype of a model's activations.
pub struct Float;

/// A list that `push` fills.
pub struct List;

impl List {
    /// Adds a value.
    pub fn push<T>(&self, _: T) {}
}

/// Words of the language that are no functions of the runtime.
pub mod words {
    use super::{any, Tensor};

    /// `rearrange!("b l (h d) -> b h l d", x, h = heads)` splits, moves and joins axes by name.
    pub fn rearrange() -> Tensor {
        any()
    }

    /// `linear_cross_entropy(x, self.head, targets, weights)`: the cross entropy of a projection, which never holds all logits.
    pub fn linear_cross_entropy() -> Tensor {
        any()
    }

    /// `sliding(config.window)`: each token sees itself and those before it, so many in all.
    pub fn sliding() -> Tensor {
        any()
    }

    /// Each token sees itself and those before it.
    #[allow(non_upper_case_globals)]
    pub const causal: () = ();
}

/// A value of any type.
pub fn any<T>() -> T {
    unreachable!()
}

/// A value of the type that is expected.
pub fn from<T, U>(_: T) -> U {
    any()
}

/// A value of a type that is known.
pub fn typed<T, U>(_: T, _: PhantomData<U>) -> U {
    any()
}

/// A type.
pub fn of<T>() -> PhantomData<T> {
    PhantomData
}

/// A call of a function or method.
pub fn call<F, A>(_: F, _: A) -> Tensor {
    any()
}

/// A call of a layer or of a sub-model's `forward`.
pub fn layer<F, A>(_: F, _: A) -> Tensor {
    any()
}

/// A part of a value.
pub fn index<T, I>(_: T, _: I) -> Tensor {
    any()
}

/// The layers of a stack.
pub fn each<T>(stack: &[T]) -> std::slice::Iter<'_, T> {
    stack.iter()
}

macro_rules! operators {
    ($($op:ident $name:ident),*) => {$(
        impl<S, D, R> $op<R> for Tensor<S, D> {
            type Output = Tensor;
            fn $name(self, _: R) -> Tensor {
                any()
            }
        }
        operators!(of $op $name f32, f64, i32);
    )*};
    (of $op:ident $name:ident $($number:ty),*) => {$(
        impl<S, D> $op<Tensor<S, D>> for $number {
            type Output = Tensor;
            fn $name(self, _: Tensor<S, D>) -> Tensor {
                any()
            }
        }
    )*};
}

operators!(Add add, Sub sub, Mul mul, Div div);

impl<S, D> Neg for Tensor<S, D> {
    type Output = Tensor;
    fn neg(self) -> Tensor {
        any()
    }
}

impl<S, D> Not for Tensor<S, D> {
    type Output = Tensor;
    fn not(self) -> Tensor {
        any()
    }
}

/// An argument of an operation: a number, a size, a list of these, or a tensor.
pub struct Argument;

macro_rules! methods {
    ($($name:ident($($arg:ident),*);)*) => {
        #[allow(unused_variables, clippy::all)]
        impl<S, D> Tensor<S, D> {$(
            #[doc = concat!("[`", stringify!($name), "`](super::ops::", stringify!($name), ")")]
            pub fn $name(self, $($arg: Argument),*) -> Tensor {
                any()
            }
        )*}
    };
}

include!("../generated/methods.rs");
