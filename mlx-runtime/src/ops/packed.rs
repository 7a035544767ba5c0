//! Quantisation in every mode that MLX has. The affine functions of [`crate::ops`] are the usual
//! case of these.
//!
//! Tests: `mlx-models --test quantised`.

use std::ffi::CStr;

use mlx_sys as sys;

use super::index::from_first;
use super::linalg::{batches, matmul};
use super::shape::swapaxes;
use super::unary::astype;
use super::{optional_dtype, optional_int};
use crate::array::{build, build_many, optional};
use crate::kernels::select::{self, Fault};
use crate::{Array, Dtype, Error, ErrorKind, Result};

/// How weights are packed: MLX's mode, and how many weights share a scale in how many bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "mode", rename_all = "lowercase")
)]
#[non_exhaustive]
pub enum Quantization {
    /// Integers with a scale and a bias for each group.
    Affine {
        /// Weights in a group: 32, 64 or 128.
        group_size: i32,
        /// Bits of a weight: 2, 3, 4, 5, 6 or 8.
        bits: i32,
    },
    /// Four-bit floats (e2m1), 32 of which share a power of two.
    Mxfp4,
    /// Eight-bit floats (e4m3), 32 of which share a power of two.
    Mxfp8,
    /// Four-bit floats (e2m1), 16 of which share an eight-bit float.
    Nvfp4,
}

impl Default for Quantization {
    /// MLX's: affine, groups of 64, 4 bits.
    fn default() -> Self {
        Self::Affine {
            group_size: 64,
            bits: 4,
        }
    }
}

impl Quantization {
    /// The mode of that name, `affine`, `mxfp4`, `mxfp8` or `nvfp4`, as configurations of MLX models
    /// give it; what is `None` is as MLX has it.
    ///
    /// # Errors
    /// If there is no such mode, or it has other numbers.
    ///
    /// ```
    /// use mlx_runtime::ops::packed::Quantization;
    /// assert_eq!(Quantization::new("affine", None, Some(8))?, Quantization::Affine { group_size: 64, bits: 8 });
    /// assert_eq!(Quantization::new("nvfp4", Some(16), Some(4))?, Quantization::Nvfp4);
    /// assert!(Quantization::new("mxfp4", Some(64), None).is_err());
    /// # Ok::<(), mlx_runtime::Error>(())
    /// ```
    pub fn new(mode: &str, group_size: Option<i32>, bits: Option<i32>) -> Result<Self> {
        const OP: &str = "quantize";
        let how = match mode {
            "affine" => {
                let (group_size, bits) = (group_size.unwrap_or(64), bits.unwrap_or(4));
                return Ok(Self::Affine { group_size, bits });
            }
            "mxfp4" => Self::Mxfp4,
            "mxfp8" => Self::Mxfp8,
            "nvfp4" => Self::Nvfp4,
            _ => {
                return Err(Error::invalid(OP, format!("unknown mode {mode:?}"))
                    .with_hint("use one of affine, mxfp4, mxfp8, nvfp4"))
            }
        };
        let (groups, width) = how.group_size_and_bits();
        if group_size.is_some_and(|g| g != groups) || bits.is_some_and(|b| b != width) {
            return Err(Error::invalid(
                OP,
                format!("expected groups of {groups} with {width} bits for {mode}"),
            ));
        }
        Ok(how)
    }

    /// The mode's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Affine { .. } => "affine",
            Self::Mxfp4 => "mxfp4",
            Self::Mxfp8 => "mxfp8",
            Self::Nvfp4 => "nvfp4",
        }
    }

    fn mode(self) -> &'static CStr {
        match self {
            Self::Affine { .. } => c"affine",
            Self::Mxfp4 => c"mxfp4",
            Self::Mxfp8 => c"mxfp8",
            Self::Nvfp4 => c"nvfp4",
        }
    }

    /// Weights that share a scale, and bits of a weight.
    pub const fn group_size_and_bits(self) -> (i32, i32) {
        match self {
            Self::Affine { group_size, bits } => (group_size, bits),
            Self::Mxfp4 => (32, 4),
            Self::Mxfp8 => (32, 8),
            Self::Nvfp4 => (16, 4),
        }
    }

    /// MLX divides by both.
    fn sizes(self, op: &'static str) -> Result<(sys::mlx_optional_int, sys::mlx_optional_int)> {
        let (group_size, bits) = self.group_size_and_bits();
        if group_size < 1 || !(1..=32).contains(&bits) {
            return Err(Error::invalid(
                op,
                format!("expected groups of 1 or more with 1 to 32 bits, found groups of {group_size} with {bits} bits"),
            ));
        }
        Ok((optional_int(Some(group_size)), optional_int(Some(bits))))
    }
}

/// Packed weights.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The weights, uint32 `[.., n, k * bits / 32]`.
    pub weight: Array,
    /// One scale for each group, `[.., n, k / group_size]`.
    pub scales: Array,
    /// One bias for each group, for the affine mode alone.
    pub biases: Option<Array>,
}

impl Packed {
    fn inputs<'a>(&'a self, x: &'a Array) -> [&'a Array; 3] {
        [x, &self.weight, &self.scales]
    }
}

/// `w`, `[.., n, k]`, packed. `global_scale` is one more scale for all, which [`Quantization::Nvfp4`]
/// takes. MLX: `quantize`.
///
/// # Errors
/// If `k` is no multiple of the group size, or MLX has no kernel for the mode.
pub fn pack(w: &Array, how: Quantization, global_scale: Option<&Array>) -> Result<Packed> {
    const OP: &str = "quantize";
    let (group_size, bits) = how.sizes(OP)?;
    let parts = build_many(OP, &[w], |out, s| {
        let mode = how.mode().as_ptr();
        // SAFETY: the inputs, the text and the stream are valid; `out` is a null destination.
        unsafe {
            sys::mlx_quantize(
                out,
                w.as_raw(),
                group_size,
                bits,
                mode,
                optional(global_scale),
                s,
            )
        }
    })?;
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some(weight), Some(scales)) => Ok(Packed {
            weight,
            scales,
            biases: parts.next(),
        }),
        _ => Err(Error::new(ErrorKind::Mlx, "expected two arrays of MLX, found fewer").with_op(OP)),
    }
}

/// The weights that [`pack`] packed, as `dtype` (if `None`, the scales' dtype or bfloat16).
/// MLX: `dequantize`.
///
/// # Errors
/// If the shapes do not fit together.
pub fn unpack(
    w: &Packed,
    how: Quantization,
    global_scale: Option<&Array>,
    dtype: Option<Dtype>,
) -> Result<Array> {
    const OP: &str = "dequantize";
    let (group_size, bits) = how.sizes(OP)?;
    build(OP, &[&w.weight, &w.scales], |out, s| {
        // SAFETY: the inputs, the text and the stream are valid; null stands for "absent".
        unsafe {
            sys::mlx_dequantize(
                out,
                w.weight.as_raw(),
                w.scales.as_raw(),
                optional(w.biases.as_ref()),
                group_size,
                bits,
                how.mode().as_ptr(),
                optional(global_scale),
                optional_dtype(dtype),
                s,
            )
        }
    })
}

/// `product`, or zeros where it is a sum of no products: MLX divides by their number.
fn or_zeros(x: &Array, product: Array) -> Result<Array> {
    match x.size() {
        0 if product.size() > 0 => super::zeros(product.shape(), product.dtype()),
        _ => Ok(product),
    }
}

/// `x @ w`, or `x @ w.T` if `transpose`. MLX: `quantized_matmul`.
///
/// # Errors
/// If the shapes do not fit together.
pub fn packed_matmul(x: &Array, w: &Packed, transpose: bool, how: Quantization) -> Result<Array> {
    const OP: &str = "quantized_matmul";
    let (group_size, bits) = how.sizes(OP)?;
    let product = build(OP, &w.inputs(x), |out, s| {
        // SAFETY: the inputs, the text and the stream are valid; null stands for "absent".
        unsafe {
            sys::mlx_quantized_matmul(
                out,
                x.as_raw(),
                w.weight.as_raw(),
                w.scales.as_raw(),
                optional(w.biases.as_ref()),
                transpose,
                group_size,
                bits,
                how.mode().as_ptr(),
                s,
            )
        }
    })?;
    // MLX has checked the inputs, and computes nothing of a product that is dropped.
    let product = or_zeros(x, product)?;
    if transpose && has_one_group(x, how) && select::has(Fault::OneGroup) {
        let like = |a: &Array| astype(a, product.dtype());
        let w = Packed {
            weight: w.weight.clone(),
            scales: like(&w.scales)?,
            biases: w.biases.as_ref().map(like).transpose()?,
        };
        return matmul(x, &swapaxes(&unpack(&w, how, None, None)?, -2, -1)?);
    }
    Ok(product)
}

/// True if a row of the matrix is one group, see [`Fault::OneGroup`]. Rows so short are unpacked in no time.
fn has_one_group(x: &Array, how: Quantization) -> bool {
    match how {
        Quantization::Affine { group_size, bits } => {
            matches!(bits, 4 | 8) && x.shape().last().is_some_and(|k| *k == group_size)
        }
        _ => false,
    }
}

/// The matrices of a batch that are multiplied, see [`crate::ops::gather_mm`]. Indices beyond the
/// batches are clamped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chosen<'a> {
    /// Of the left side; each once if `None`.
    pub lhs: Option<&'a Array>,
    /// Of the right side; each once if `None`.
    pub rhs: Option<&'a Array>,
    /// Promises that they ascend.
    pub sorted: bool,
}

impl Chosen<'_> {
    fn clamped(&self, op: &'static str, x: &Array, w: &Array) -> Result<[Option<Array>; 2]> {
        let clamp = |indices: Option<&Array>, of: &Array| {
            indices.map(|i| from_first(op, i, batches(of))).transpose()
        };
        Ok([clamp(self.lhs, x)?, clamp(self.rhs, w)?])
    }
}

/// [`packed_matmul`] of chosen batches. MLX: `gather_qmm`.
///
/// # Errors
/// If the shapes do not fit together, or the indices are not integers.
pub fn gather_qmm(
    x: &Array,
    w: &Packed,
    chosen: Chosen<'_>,
    transpose: bool,
    how: Quantization,
) -> Result<Array> {
    const OP: &str = "gather_qmm";
    let (group_size, bits) = how.sizes(OP)?;
    let [lhs, rhs] = chosen.clamped(OP, x, &w.weight)?;
    let product = build(OP, &w.inputs(x), |out, s| {
        // SAFETY: the inputs, the text and the stream are valid; null stands for "absent".
        unsafe {
            sys::mlx_gather_qmm(
                out,
                x.as_raw(),
                w.weight.as_raw(),
                w.scales.as_raw(),
                optional(w.biases.as_ref()),
                optional(lhs.as_ref()),
                optional(rhs.as_ref()),
                transpose,
                group_size,
                bits,
                how.mode().as_ptr(),
                chosen.sorted,
                s,
            )
        }
    })?;
    or_zeros(x, product)
}

/// The right side of a product that packs its left side, too.
#[derive(Clone, Copy, Debug)]
pub struct RightSide<'a> {
    /// The weights: packed, or `[n, k]` as they are, which are packed first.
    pub weight: &'a Array,
    /// Their scales, if they are packed.
    pub scales: Option<&'a Array>,
    /// One more scale for all, of the left side and of the right.
    pub global_scales: Option<(&'a Array, &'a Array)>,
}

impl RightSide<'_> {
    /// MLX's kernels believe that the shapes fit.
    fn check(&self, op: &'static str, x: &Array, how: Quantization) -> Result<()> {
        let globals = self.global_scales.into_iter().flat_map(|(x, w)| [x, w]);
        let given = [x, self.weight].into_iter().chain(self.scales);
        crate::array::check_inputs(given.chain(globals))?;
        if matches!(how, Quantization::Affine { .. }) {
            return Err(Error::invalid(
                op,
                "unsupported mode: expected mxfp4, mxfp8 or nvfp4, found affine",
            ));
        }
        let (group_size, bits) = how.group_size_and_bits();
        let bad = || {
            let text = format!(
                "expected weights that match the input and its scales, found {x:?}, {:?} and {:?}",
                self.weight, self.scales
            );
            Err(Error::shape(op, text))
        };
        let (Some(&k), [.., n, packed]) = (x.shape().last(), self.weight.shape()) else {
            return bad();
        };
        if x.ndim() < 2 || x.size() == 0 || self.weight.size() == 0 || k % group_size != 0 {
            return bad();
        }
        let fits = match self.scales {
            None => *packed == k && self.weight.dtype().is_float(),
            Some(scales) => {
                let leading = self.weight.ndim() - 1;
                self.weight.dtype() == Dtype::Uint32
                    && i64::from(*packed) * 32 == i64::from(k) * i64::from(bits)
                    && scales.dtype() == Dtype::Uint8
                    && scales.ndim() == self.weight.ndim()
                    && scales.shape()[..leading] == self.weight.shape()[..leading]
                    && scales.shape()[leading] == k / group_size
            }
        };
        if !fits || *n < 1 || !x.dtype().is_float() {
            return bad();
        }
        Ok(())
    }

    fn globals(&self) -> [sys::mlx_array; 2] {
        [
            optional(self.global_scales.map(|g| g.0)),
            optional(self.global_scales.map(|g| g.1)),
        ]
    }
}

/// `x @ w.T` with both sides packed as they are multiplied, `[.., m, k], [n, k] -> [.., m, n]`;
/// not for the affine mode. MLX: `qqmm`.
///
/// # Errors
/// If the shapes do not fit together, or this device has no kernel for the mode.
pub fn qqmm(x: &Array, w: RightSide<'_>, how: Quantization) -> Result<Array> {
    const OP: &str = "qqmm";
    let (group_size, bits) = how.sizes(OP)?;
    w.check(OP, x, how)?;
    let [global_x, global_w] = w.globals();
    let product = build(OP, &[x, w.weight], |out, s| {
        // SAFETY: the inputs, the text and the stream are valid; null stands for "absent".
        unsafe {
            sys::mlx_qqmm(
                out,
                x.as_raw(),
                w.weight.as_raw(),
                optional(w.scales),
                group_size,
                bits,
                how.mode().as_ptr(),
                global_x,
                global_w,
                s,
            )
        }
    })?;
    or_zeros(x, product)
}

/// [`qqmm`] of chosen batches. MLX: `gather_qqmm`.
///
/// # Errors
/// As [`qqmm`], and if the indices are not integers.
pub fn gather_qqmm(
    x: &Array,
    w: RightSide<'_>,
    chosen: Chosen<'_>,
    how: Quantization,
) -> Result<Array> {
    const OP: &str = "gather_qqmm";
    let (group_size, bits) = how.sizes(OP)?;
    w.check(OP, x, how)?;
    let [lhs, rhs] = chosen.clamped(OP, x, w.weight)?;
    let [global_x, global_w] = w.globals();
    let product = build(OP, &[x, w.weight], |out, s| {
        // SAFETY: the inputs, the text and the stream are valid; null stands for "absent".
        unsafe {
            sys::mlx_gather_qqmm(
                out,
                x.as_raw(),
                w.weight.as_raw(),
                optional(w.scales),
                optional(lhs.as_ref()),
                optional(rhs.as_ref()),
                group_size,
                bits,
                how.mode().as_ptr(),
                global_x,
                global_w,
                chosen.sorted,
                s,
            )
        }
    })?;
    or_zeros(x, product)
}
