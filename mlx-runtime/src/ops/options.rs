//! Options by name, with MLX's defaults, for operations that take more than six arguments. The
//! functions with all arguments in a row stay, for generated code and for callers that have them all.
//!
//! Tests: `tests/options.rs`.

use super::fast;
use crate::{Array, Error, Result};

/// The options of a convolution: strides and dilations of 1, no padding, one group.
///
/// ```
/// use mlx_runtime::{ops::{self, Conv}, Dtype};
/// let x = ops::ones(&[1, 8, 8, 3], Dtype::Float32)?;
/// let w = ops::ones(&[4, 3, 3, 3], Dtype::Float32)?;
/// let y = Conv::new().stride(&[2]).padding(&[1]).apply(&x, &w)?;
/// assert_eq!(y.shape(), [1, 4, 4, 4]);
/// let z = Conv::new().stride(&[2]).padding(&[1]).output_padding(&[1]).transposed(&y, &ops::swapaxes(&w, 0, 3)?)?;
/// assert_eq!(z.shape(), [1, 8, 8, 3]);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Conv {
    stride: Vec<i32>,
    padding: (Vec<i32>, Vec<i32>),
    dilation: Vec<i32>,
    input_dilation: Vec<i32>,
    output_padding: Vec<i32>,
    groups: i32,
    flip: bool,
}

impl Default for Conv {
    fn default() -> Self {
        Conv {
            stride: vec![1],
            padding: (vec![0], vec![0]),
            dilation: vec![1],
            input_dilation: vec![1],
            output_padding: vec![0],
            groups: 1,
            flip: false,
        }
    }
}

/// Lists of one number for each spatial axis, or of one for all of them.
impl Conv {
    /// MLX's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// By how much the kernel moves.
    pub fn stride(mut self, stride: &[i32]) -> Self {
        self.stride = stride.to_vec();
        self
    }

    /// Zeros on both sides.
    pub fn padding(self, padding: &[i32]) -> Self {
        self.paddings(padding, padding)
    }

    /// Zeros before and after; not for [`Conv::transposed`].
    pub fn paddings(mut self, before: &[i32], after: &[i32]) -> Self {
        self.padding = (before.to_vec(), after.to_vec());
        self
    }

    /// How far apart the kernel's elements are.
    pub fn dilation(mut self, dilation: &[i32]) -> Self {
        self.dilation = dilation.to_vec();
        self
    }

    /// How far apart the input's elements are; not for [`Conv::transposed`].
    pub fn input_dilation(mut self, dilation: &[i32]) -> Self {
        self.input_dilation = dilation.to_vec();
        self
    }

    /// More of the output at its ends, for [`Conv::transposed`] alone.
    pub fn output_padding(mut self, padding: &[i32]) -> Self {
        self.output_padding = padding.to_vec();
        self
    }

    /// Groups of channels that do not mix.
    pub fn groups(mut self, groups: i32) -> Self {
        self.groups = groups;
        self
    }

    /// Turns the kernel around; not for [`Conv::transposed`].
    pub fn flip(mut self, flip: bool) -> Self {
        self.flip = flip;
        self
    }

    /// `[B, .., in], [out, .., in / groups] -> [B, .., out]`, with any number of spatial axes.
    /// MLX: `conv_general`.
    ///
    /// # Errors
    /// As [`super::conv_general`].
    pub fn apply(&self, input: &Array, weight: &Array) -> Result<Array> {
        super::conv_general(
            input,
            weight,
            &self.stride,
            &self.padding.0,
            &self.padding.1,
            &self.dilation,
            &self.input_dilation,
            self.groups,
            self.flip,
        )
    }

    /// The transpose of a convolution with one, two or three spatial axes,
    /// `[B, .., in], [out, .., in / groups] -> [B, .., out]`.
    /// MLX: `conv_transpose1d`, `conv_transpose2d`, `conv_transpose3d`.
    ///
    /// # Errors
    /// As [`super::conv_transpose1d`], if there are more spatial axes, or for an option that only
    /// [`Conv::apply`] has.
    pub fn transposed(&self, input: &Array, weight: &Array) -> Result<Array> {
        const OP: &str = "conv_transpose";
        let even = self.padding.0 == self.padding.1;
        if !even || self.flip || self.input_dilation.iter().any(|&d| d != 1) {
            let text = "a transposed convolution takes no uneven padding, input dilation or flip";
            return Err(Error::invalid(OP, text));
        }
        let axes = input.ndim().saturating_sub(2);
        let all = |list: &[i32]| match list {
            [one] => Ok([*one; 3]),
            [a, b] if axes == 2 => Ok([*a, *b, 0]),
            [a, b, c] if axes == 3 => Ok([*a, *b, *c]),
            _ => Err(Error::shape(
                OP,
                format!("expected one number for each of {axes} axes, found {list:?}"),
            )),
        };
        let [stride, padding, dilation, more] = [
            all(&self.stride)?,
            all(&self.padding.0)?,
            all(&self.dilation)?,
            all(&self.output_padding)?,
        ];
        let (two, three) = (|l: [i32; 3]| (l[0], l[1]), |l: [i32; 3]| (l[0], l[1], l[2]));
        let groups = self.groups;
        match axes {
            1 => {
                let (s, p, d, m) = (stride[0], padding[0], dilation[0], more[0]);
                super::conv_transpose1d(input, weight, s, p, d, m, groups)
            }
            2 => {
                let (s, p, d, m) = (two(stride), two(padding), two(dilation), two(more));
                super::conv_transpose2d(input, weight, s, p, d, m, groups)
            }
            3 => {
                let (s, p, d, m) = (three(stride), three(padding), three(dilation), three(more));
                super::conv_transpose3d(input, weight, s, p, d, m, groups)
            }
            _ => Err(Error::shape(
                OP,
                format!(
                    "expected an input with 1, 2 or 3 spatial axes, found shape {:?}",
                    input.shape()
                ),
            )),
        }
    }
}

/// The options of rotary positions: halves are paired, base 10000, scale 1, the first position 0.
///
/// ```
/// use mlx_runtime::{ops::{self, fast::RopeOptions}, Dtype};
/// let q = ops::ones(&[1, 2, 3, 8], Dtype::Float32)?;
/// let y = RopeOptions::new(8).base(500000.0).offset(4).apply(&q)?;
/// assert_eq!(y.shape(), q.shape());
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RopeOptions<'a> {
    dims: i32,
    traditional: bool,
    base: f32,
    scale: f32,
    offset: i32,
    freqs: Option<&'a Array>,
}

impl<'a> RopeOptions<'a> {
    /// MLX's defaults for the first `dims` features.
    pub fn new(dims: i32) -> Self {
        RopeOptions {
            dims,
            traditional: false,
            base: 10_000.0,
            scale: 1.0,
            offset: 0,
            freqs: None,
        }
    }

    /// Pairs neighbouring features instead of halves.
    pub fn traditional(mut self, yes: bool) -> Self {
        self.traditional = yes;
        self
    }

    /// The base of the periods.
    pub fn base(mut self, base: f32) -> Self {
        self.base = base;
        self
    }

    /// A factor of the positions.
    pub fn scale(mut self, scale: f32) -> Self {
        self.scale = scale;
        self
    }

    /// The first position.
    pub fn offset(mut self, offset: i32) -> Self {
        self.offset = offset;
        self
    }

    /// The periods themselves, `[dims / 2]`, in place of a base.
    pub fn freqs(mut self, freqs: &'a Array) -> Self {
        self.freqs = Some(freqs);
        self
    }

    fn base_or_freqs(&self) -> Option<f32> {
        self.freqs.is_none().then_some(self.base)
    }

    /// `[B, .., L, n] -> [B, .., L, n]`. MLX: `fast.rope`.
    ///
    /// # Errors
    /// As [`fast::rope`].
    pub fn apply(&self, x: &Array) -> Result<Array> {
        let (base, scale) = (self.base_or_freqs(), self.scale);
        fast::rope(
            x,
            self.dims,
            self.traditional,
            base,
            scale,
            self.offset,
            self.freqs,
        )
    }

    /// [`RopeOptions::apply`] whose first position is an array: a scalar, or one for each batch.
    ///
    /// # Errors
    /// As [`fast::rope_dynamic`].
    pub fn apply_from(&self, x: &Array, offset: &Array) -> Result<Array> {
        let (base, scale) = (self.base_or_freqs(), self.scale);
        fast::rope_dynamic(
            x,
            self.dims,
            self.traditional,
            base,
            scale,
            offset,
            self.freqs,
        )
    }
}
