//! Convolutions with weights, channels last.

use super::pair::{of_pair, Pair};
use crate::{ops, Array, Result};

/// `[B, L, in] -> [B, L', out]`, weight `[out, kernel, in / groups]`. `mlx.nn.Conv1d`.
#[derive(Clone)]
pub struct Conv1d {
    tensors: Pair,
    steps: Steps<1>,
}

/// `[B, H, W, in] -> [B, H', W', out]`, weight `[out, height, width, in / groups]`.
/// `mlx.nn.Conv2d`.
#[derive(Clone)]
pub struct Conv2d {
    tensors: Pair,
    steps: Steps<2>,
}

of_pair!(Conv1d, Conv2d);

/// How the window moves, for each axis.
#[derive(Clone, Copy)]
pub(crate) struct Steps<const N: usize> {
    pub stride: [i32; N],
    pub padding: [i32; N],
    pub dilation: [i32; N],
    pub groups: i32,
}

impl Conv1d {
    pub(crate) fn new(tensors: Pair, steps: Steps<1>) -> Self {
        Conv1d { tensors, steps }
    }

    /// `[B, L, in] -> [B, L', out]`, where L' is
    /// `(L + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1`.
    ///
    /// # Errors
    /// If the shapes do not fit together.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        let s = &self.steps;
        let ([stride], [padding], [dilation]) = (s.stride, s.padding, s.dilation);
        let weight = &self.tensors.weight;
        let y = ops::conv1d(x, weight, stride, padding, dilation, s.groups)?;
        plus(y, self.tensors.bias.as_ref())
    }
}

impl Conv2d {
    pub(crate) fn new(tensors: Pair, steps: Steps<2>) -> Self {
        Conv2d { tensors, steps }
    }

    /// `[B, H, W, in] -> [B, H', W', out]`, each as [`Conv1d::forward`].
    ///
    /// # Errors
    /// If the shapes do not fit together.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        let s = &self.steps;
        let pair = |p: [i32; 2]| (p[0], p[1]);
        let (stride, padding, dilation) = (pair(s.stride), pair(s.padding), pair(s.dilation));
        let weight = &self.tensors.weight;
        let y = ops::conv2d(x, weight, stride, padding, dilation, s.groups)?;
        plus(y, self.tensors.bias.as_ref())
    }
}

macro_rules! keeps_input {
    ($($layer:ident),*) => {$(
        impl $layer {
            /// True if the backward pass reads the input.
            #[doc(hidden)]
            pub fn keeps_input(&self) -> bool {
                self.tensors.trains()
            }
        }
    )*};
}

keeps_input!(Conv1d, Conv2d);

fn plus(y: Array, bias: Option<&Array>) -> Result<Array> {
    bias.map_or(Ok(y.clone()), |b| ops::add(&y, b))
}
