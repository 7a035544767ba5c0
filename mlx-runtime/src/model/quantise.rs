//! Matrices packed as MLX's affine quantisation packs them: read so, or made so at load.

use crate::nn::Weight;
use crate::{ops, transforms, Array, Dtype, Error, ErrorKind, Result};

/// Bits a value, and how many neighbours in a row share a scale and a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantization {
    /// 2, 3, 4, 5, 6 or 8.
    pub bits: i32,
    /// 32, 64 or 128.
    pub group_size: i32,
}

impl Quantization {
    /// # Errors
    /// If MLX has no kernel for one of the numbers.
    pub(super) fn check(&self) -> Result<()> {
        let Quantization { bits, group_size } = self;
        let known = matches!(bits, 2 | 3 | 4 | 5 | 6 | 8) && matches!(group_size, 32 | 64 | 128);
        if known {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("MLX does not quantise to {bits} bits in groups of {group_size}"),
        )
        .with_hint("bits are 2, 3, 4, 5, 6 or 8, groups 32, 64 or 128"))
    }

    /// Packs a matrix and waits for it, so that what it was made of can go.
    pub(super) fn pack(self, dense: Array) -> Result<Weight> {
        let Quantization { bits, group_size } = self;
        let (weight, scales, biases) = ops::quantize(&dense, group_size, bits)?;
        drop(dense);
        transforms::eval(&[&weight, &scales, &biases])?;
        Ok(Weight::Quantized {
            weight,
            scales,
            biases,
            group_size,
            bits,
        })
    }
}

/// What `#[quantize]` says about a layer.
#[derive(Clone, Copy, Debug, Default)]
pub enum Quantise {
    /// Nothing: the load's options decide.
    #[default]
    AsAsked,
    /// It stays as it is.
    Never,
    /// Bits and group size.
    With(i64, i64),
}

impl Quantise {
    /// How rows of `inputs` values are packed, if they are; or what is wrong with that.
    pub(super) fn resolve(
        self,
        options: Option<Quantization>,
        inputs: i64,
    ) -> std::result::Result<Option<Quantization>, String> {
        match self {
            Quantise::Never => Ok(None),
            // A model has layers of many sizes; those that do not fit stay as they are.
            Quantise::AsAsked => Ok(options.filter(|q| inputs % i64::from(q.group_size) == 0)),
            Quantise::With(bits, group_size) => {
                let narrow = |n: i64| i32::try_from(n).unwrap_or(0);
                let how = Quantization {
                    bits: narrow(bits),
                    group_size: narrow(group_size),
                };
                how.check().map_err(|e| format!("{inputs}, and {e}"))?;
                if inputs % group_size != 0 {
                    return Err(format!(
                        "{inputs}, which groups of {group_size} do not divide"
                    ));
                }
                Ok(Some(how))
            }
        }
    }
}

/// MLX's quantised triple; bits and group size follow from the shapes.
pub(super) fn packed(
    words_of: &Array,
    scales: &Array,
    biases: &Array,
    want: [i64; 2],
    dtype: Dtype,
) -> std::result::Result<Weight, String> {
    let (p, s) = (words_of.shape(), scales.shape());
    let expected = || {
        format!(
            "expected [{}, {}] in quantised form, found weight {p:?} of {:?} and scales {s:?}",
            want[0],
            want[1],
            words_of.dtype()
        )
    };
    let (&[rows, words], &[srows, groups]) = (p, s) else {
        return Err(expected());
    };
    let fits = words_of.dtype() == Dtype::Uint32
        && i64::from(rows) == want[0]
        && srows == rows
        && groups > 0
        && want[1] % i64::from(groups) == 0;
    let bits = i64::from(words) * 32 / want[1].max(1);
    let sharing = want[1] / i64::from(groups).max(1);
    let fits = fits && matches!(sharing, 32 | 64 | 128);
    if !fits || bits * want[1] != i64::from(words) * 32 || !matches!(bits, 2 | 3 | 4 | 5 | 6 | 8) {
        return Err(expected());
    }
    if biases.shape() != s {
        return Err(format!("biases are {:?}, scales {s:?}", biases.shape()));
    }
    let cast = |a: &Array| ops::astype(a, dtype).map_err(|e| e.to_string());
    Ok(Weight::Quantized {
        weight: words_of.clone(),
        scales: cast(scales)?,
        biases: cast(biases)?,
        group_size: (want[1] / i64::from(groups)) as i32,
        bits: bits as i32,
    })
}
