//! Packs matrices at load as MLX does, and recognises packed ones.
//!
//! Tests: `mlx-models --test quantised`.

use crate::nn::Weight;
use crate::ops::packed::{self, Packed};
use crate::{ops, transforms, Array, Dtype, Error, ErrorKind, Result};

pub use crate::ops::packed::Quantization;

impl Quantization {
    /// # Errors
    /// If MLX has no kernel for one of the numbers.
    pub(super) fn check(&self) -> Result<()> {
        let (group_size, bits) = self.group_size_and_bits();
        let known = matches!(bits, 2 | 3 | 4 | 5 | 6 | 8) && matches!(group_size, 32 | 64 | 128);
        if known || !matches!(self, Quantization::Affine { .. }) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("unsupported quantisation: {bits} bits in groups of {group_size}"),
        )
        .with_hint("use 2, 3, 4, 5, 6 or 8 bits and groups of 32, 64 or 128"))
    }

    /// Packs a matrix and waits for it, so that its source can be freed.
    pub(super) fn pack(self, dense: Array) -> Result<Weight> {
        let Packed {
            weight,
            scales,
            biases,
        } = packed::pack(&dense, self, None)?;
        drop(dense);
        let parts: Vec<&Array> = [&weight, &scales].into_iter().chain(&biases).collect();
        transforms::eval(&parts)?;
        Ok(Weight::Quantized {
            weight,
            scales,
            biases,
            how: self,
        })
    }

    /// The mode of a packed matrix of `bits` bits with a scale for each group of values. The scales of MLX's floats are
    /// bytes.
    fn of(scales: Dtype, group_size: i64, bits: i64) -> Option<Self> {
        if scales != Dtype::Uint8 {
            let how = Quantization::Affine {
                group_size: i32::try_from(group_size).ok()?,
                bits: i32::try_from(bits).ok()?,
            };
            return how.check().is_ok().then_some(how);
        }
        match (group_size, bits) {
            (32, 4) => Some(Quantization::Mxfp4),
            (32, 8) => Some(Quantization::Mxfp8),
            (16, 4) => Some(Quantization::Nvfp4),
            _ => None,
        }
    }
}

/// The setting of `#[quantize]` on a layer.
#[derive(Clone, Copy, Debug, Default)]
pub enum Quantise {
    /// Nothing: the load's options decide.
    #[default]
    AsAsked,
    /// The layer stays unpacked.
    Never,
    /// Affine: bits and group size.
    With(i64, i64),
    /// Another mode.
    Mode(Quantization),
}

impl Quantise {
    /// The packing of rows of `inputs` values, if they are packed, or the error of that packing.
    pub(super) fn resolve(
        self,
        options: Option<Quantization>,
        inputs: i64,
    ) -> std::result::Result<Option<Quantization>, String> {
        match self {
            Quantise::Never => Ok(None),
            // A model has layers of many sizes; those that do not fit stay as they are.
            Quantise::AsAsked => {
                Ok(options.filter(|q| inputs % i64::from(q.group_size_and_bits().0) == 0))
            }
            Quantise::With(bits, group_size) => {
                let narrow = |n: i64| i32::try_from(n).unwrap_or(0);
                Quantise::Mode(Quantization::Affine {
                    bits: narrow(bits),
                    group_size: narrow(group_size),
                })
                .resolve(options, inputs)
            }
            Quantise::Mode(how) => {
                how.check().map_err(|e| format!("{inputs}, and {e}"))?;
                let (group_size, _) = how.group_size_and_bits();
                if inputs % i64::from(group_size) != 0 {
                    return Err(format!(
                        "{inputs}, which groups of {group_size} do not divide"
                    ));
                }
                Ok(Some(how))
            }
        }
    }
}

/// A matrix, or a stack of them, that is packed already; how follows from the shapes and the dtype of the scales.
pub(super) fn packed(
    words_of: &Array,
    scales: &Array,
    biases: Option<&Array>,
    want: &[i64],
    dtype: Dtype,
) -> std::result::Result<Weight, String> {
    let (p, s) = (words_of.shape(), scales.shape());
    let expected = || {
        format!(
            "expected {want:?} in quantised form, found weight {p:?} of {:?} and scales {s:?} of {:?}",
            words_of.dtype(),
            scales.dtype(),
        )
    };
    let ([rows @ .., words], [srows @ .., groups], [wanted @ .., input]) = (p, s, want) else {
        return Err(expected());
    };
    let (words, groups) = (i64::from(*words) * 32, i64::from(*groups));
    let fits = words_of.dtype() == Dtype::Uint32
        && rows
            .iter()
            .map(|n| i64::from(*n))
            .eq(wanted.iter().copied())
        && srows == rows
        && groups > 0
        && *input > 0
        && input % groups == 0
        && words % input == 0;
    let how = fits
        .then(|| Quantization::of(scales.dtype(), input / groups, words / input))
        .flatten()
        .ok_or_else(expected)?;
    let cast = |a: &Array| ops::astype(a, dtype).map_err(|e| e.to_string());
    let (scales, biases) = match (how, biases) {
        (Quantization::Affine { .. }, Some(b)) if b.shape() == s => (cast(scales)?, Some(cast(b)?)),
        (Quantization::Affine { .. }, Some(b)) => {
            return Err(format!(
                "expected biases of the shape of the scales, {s:?}, found {:?}",
                b.shape()
            ));
        }
        (Quantization::Affine { .. }, None) => return Err("the biases are missing".to_owned()),
        (_, Some(_)) => return Err("expected no biases beside scales of floats".to_owned()),
        (_, None) => (scales.clone(), None),
    };
    Ok(Weight::Quantized {
        weight: words_of.clone(),
        scales,
        biases,
        how,
    })
}
