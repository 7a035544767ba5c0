//! Convolutions with weights, channels last.
//!
//! Tests: `tests/layers.rs`.

use super::init;
use super::pair::{of_pair, Pair};
use crate::random::Key;
use crate::{ops, Array, Dtype, Error, Result};

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

/// Options of a convolution, made by [`Conv1d::builder`] or [`Conv2d::builder`].
#[derive(Clone, Debug)]
pub struct ConvBuilder<const N: usize> {
    input: i32,
    output: i32,
    kernel: [i32; N],
    stride: [i32; N],
    padding: [i32; N],
    dilation: [i32; N],
    groups: i32,
    bias: bool,
}

impl<const N: usize> ConvBuilder<N> {
    fn new(input: i32, output: i32, kernel: [i32; N]) -> Self {
        ConvBuilder {
            input,
            output,
            kernel,
            stride: [1; N],
            padding: [0; N],
            dilation: [1; N],
            groups: 1,
            bias: true,
        }
    }

    /// How far the window moves, for each axis; 1 unless given.
    #[must_use]
    pub fn stride(self, stride: [i32; N]) -> Self {
        ConvBuilder { stride, ..self }
    }

    /// Zeros at both ends of each axis; 0 unless given.
    #[must_use]
    pub fn padding(self, padding: [i32; N]) -> Self {
        ConvBuilder { padding, ..self }
    }

    /// The distance of the window's elements, for each axis; 1 unless given.
    #[must_use]
    pub fn dilation(self, dilation: [i32; N]) -> Self {
        ConvBuilder { dilation, ..self }
    }

    /// Parts of the channels that do not see each other; 1 unless given.
    #[must_use]
    pub fn groups(self, groups: i32) -> Self {
        ConvBuilder { groups, ..self }
    }

    /// A bias is added unless this is false.
    #[must_use]
    pub fn bias(self, bias: bool) -> Self {
        ConvBuilder { bias, ..self }
    }

    /// The tensors: the weight uniform in +-1/sqrt(input * the kernel's size), the bias zeros.
    fn tensors(&self, op: &'static str, key: &Key) -> Result<(Pair, Steps<N>)> {
        init::check_parts(op, "input channels", self.input, self.groups)?;
        init::check_parts(op, "output channels", self.output, self.groups)?;
        for i in 0..N {
            let (kernel, stride, dilation) = (self.kernel[i], self.stride[i], self.dilation[i]);
            let all = [
                ("kernel size", kernel),
                ("stride", stride),
                ("dilation", dilation),
            ];
            init::check_sizes(op, &all)?;
            if self.padding[i] < 0 {
                let text = format!("invalid padding {}: expected 0 or more", self.padding[i]);
                return Err(Error::invalid(op, text));
            }
        }
        let mut shape = vec![self.output];
        shape.extend(self.kernel);
        shape.push(self.input / self.groups);
        let reads = |n: i64, k: &i32| n.saturating_mul(i64::from(*k));
        let reads = self.kernel.iter().fold(i64::from(self.input), reads);
        let weight = init::uniform(&shape, reads, Dtype::Float32, key)?;
        let bias = init::zeros_if(self.bias, self.output)?;
        let steps = Steps {
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            groups: self.groups,
        };
        Ok((Pair::new(weight, bias, false), steps))
    }
}

impl ConvBuilder<1> {
    /// The layer in float32, to be trained, with the initial values of `mlx.nn.Conv1d`.
    ///
    /// # Errors
    /// If a size is below 1, the padding is negative, or the channels cannot be divided by the groups.
    pub fn build(&self, key: &Key) -> Result<Conv1d> {
        let (tensors, steps) = self.tensors("Conv1d", key)?;
        Ok(Conv1d { tensors, steps })
    }
}

impl ConvBuilder<2> {
    /// The layer in float32, to be trained, with the initial values of `mlx.nn.Conv2d`.
    ///
    /// # Errors
    /// If a size is below 1, the padding is negative, or the channels cannot be divided by the groups.
    pub fn build(&self, key: &Key) -> Result<Conv2d> {
        let (tensors, steps) = self.tensors("Conv2d", key)?;
        Ok(Conv2d { tensors, steps })
    }
}

impl Conv1d {
    /// Options of a layer from `input` to `output` channels with a window of `kernel`.
    ///
    /// ```
    /// use mlx_runtime::{nn, ops, random::Key, Dtype};
    /// let conv = nn::Conv1d::builder(3, 8, 5).padding([2]).build(&Key::new(0)?)?;
    /// assert_eq!(conv.forward(&ops::ones(&[2, 10, 3], Dtype::Float32)?)?.shape(), [2, 10, 8]);
    /// # Ok::<(), mlx_runtime::Error>(())
    /// ```
    pub fn builder(input: i32, output: i32, kernel: i32) -> ConvBuilder<1> {
        ConvBuilder::new(input, output, [kernel])
    }

    pub(crate) fn from_parts(tensors: Pair, steps: Steps<1>) -> Self {
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
    /// Options of a layer from `input` to `output` channels with a window of `kernel` (height, width).
    ///
    /// ```
    /// use mlx_runtime::{nn, ops, random::Key, Dtype};
    /// let conv = nn::Conv2d::builder(3, 8, [3, 3]).stride([2, 2]).bias(false).build(&Key::new(0)?)?;
    /// assert_eq!(conv.forward(&ops::ones(&[1, 9, 7, 3], Dtype::Float32)?)?.shape(), [1, 4, 3, 8]);
    /// # Ok::<(), mlx_runtime::Error>(())
    /// ```
    pub fn builder(input: i32, output: i32, kernel: [i32; 2]) -> ConvBuilder<2> {
        ConvBuilder::new(input, output, kernel)
    }

    pub(crate) fn from_parts(tensors: Pair, steps: Steps<2>) -> Self {
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
