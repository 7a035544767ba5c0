//! Linear maps: dense or quantised, with or without a low-rank adapter.
//!
//! Tests: `tests/layers.rs`, `mlx-tests --test models`.

mod adapted;
mod joined;

pub(crate) use joined::join;
pub use joined::{together, Joined};

use super::init;
use super::lora::Lora;
use super::packed::Packed;
use crate::ops::packed::{self, Quantization};
use crate::random::Key;
use crate::{ops, Array, Dtype, Result};

/// The matrix of a layer, `[out, in]`, or a stack of them.
#[derive(Clone, Debug)]
pub enum Weight {
    /// Floating point.
    Dense(Array),
    /// Packed: neighbours in a row share a scale, and in the affine mode a bias.
    Quantized {
        /// Packed values, uint32 `[out, in * bits / 32]`.
        weight: Array,
        /// `[out, in / group_size]`.
        scales: Array,
        /// As the scales; in the affine mode alone.
        biases: Option<Array>,
        /// The mode, its group size and bits.
        how: Quantization,
    },
    /// Another layer's.
    Tied,
}

impl Weight {
    pub(super) fn packed(&self) -> Option<Packed> {
        match self {
            Weight::Quantized {
                weight,
                scales,
                biases,
                how,
            } => Some(Packed {
                parts: packed::Packed {
                    weight: weight.clone(),
                    scales: scales.clone(),
                    biases: biases.clone(),
                },
                how: *how,
            }),
            _ => None,
        }
    }

    /// The values that a packed matrix stands for; another weight as it is.
    pub(crate) fn into_dense(self, dtype: crate::Dtype) -> Result<Weight> {
        match self.packed() {
            Some(p) => Ok(Weight::Dense(p.loaded(dtype)?)),
            None => Ok(self),
        }
    }

    /// The dtype of its values, or `other`, if it has none of its own.
    pub(super) fn dtype_or(&self, other: Dtype) -> Dtype {
        match self {
            Weight::Dense(w) => w.dtype(),
            _ => other,
        }
    }

    /// `x W^T`; packed values are multiplied as they are if `kept`.
    pub(super) fn product(&self, x: &Array, kept: bool) -> Result<Array> {
        match (self, self.packed()) {
            (Weight::Dense(w), _) => ops::matmul(x, &ops::transpose(w, &[1, 0])?),
            (_, Some(p)) => p.matmul(x, kept),
            (_, None) => Err(unbound()),
        }
    }

    /// `x W^T`, or, not `turned`, `x W`, without a gradient; packed values are multiplied as they
    /// are if `kept`.
    fn times(&self, x: &Array, turned: bool, kept: bool) -> Result<Array> {
        match (self, self.packed()) {
            (Weight::Dense(w), _) if turned => ops::matmul(x, &ops::transpose(w, &[1, 0])?),
            (Weight::Dense(w), _) => ops::matmul(x, w),
            (_, Some(p)) => p.times(x, turned, kept),
            (_, None) => Err(unbound()),
        }
    }

    /// Calls `f` with each tensor, its name, and whether it is trained; packed ones never are.
    pub(crate) fn each<'a>(&'a self, trained: bool, f: &mut dyn FnMut(&str, &'a Array, bool)) {
        match self {
            Weight::Dense(w) => f("weight", w, trained),
            Weight::Quantized {
                weight,
                scales,
                biases,
                ..
            } => {
                f("weight", weight, false);
                f("scales", scales, false);
                if let Some(biases) = biases {
                    f("biases", biases, false);
                }
            }
            Weight::Tied => {}
        }
    }

    /// As [`Weight::each`], to change the tensors.
    pub(crate) fn each_mut(&mut self, trained: bool, f: &mut dyn FnMut(&mut Array, bool)) {
        match self {
            Weight::Dense(w) => f(w, trained),
            Weight::Quantized {
                weight,
                scales,
                biases,
                ..
            } => {
                f(weight, false);
                f(scales, false);
                if let Some(biases) = biases {
                    f(biases, false);
                }
            }
            Weight::Tied => {}
        }
    }
}

/// `y = x W^T + b`: `[.., in] -> [.., out]`, plus `scale * (x a) b` where an adapter is set
/// (Hu et al. 2021). `mlx.nn.Linear`, `mlx.nn.QuantizedLinear`.
#[derive(Clone)]
pub struct Linear {
    weight: Weight,
    bias: Option<Array>,
    lora: Option<Lora>,
    /// (in, out).
    sizes: (i64, i64),
    lora_allowed: bool,
    frozen: bool,
    /// The definition says `#[frozen]`.
    pinned: bool,
    /// The weight is a view of a joined one.
    joined: bool,
}

impl Linear {
    /// A layer of `input` and `output` features in float32, to be trained. Weight `[output, input]` and bias `[output]` are
    /// uniform in +-1/sqrt(input), as in `mlx.nn.Linear`.
    ///
    /// # Errors
    /// If a size is below 1.
    pub fn new(input: i32, output: i32, bias: bool, key: &Key) -> Result<Self> {
        let all = [("number of inputs", input), ("number of outputs", output)];
        init::check_sizes("Linear", &all)?;
        let (first, second) = key.split()?;
        let draw = |shape: &[i32], key| init::uniform(shape, input.into(), Dtype::Float32, key);
        let weight = Weight::Dense(draw(&[output, input], &first)?);
        let bias = bias.then(|| draw(&[output], &second)).transpose()?;
        let sizes = (input.into(), output.into());
        Ok(Self::from_parts(weight, bias, sizes, false, false))
    }

    pub(crate) fn from_parts(
        weight: Weight,
        bias: Option<Array>,
        sizes: (i64, i64),
        lora_allowed: bool,
        frozen: bool,
    ) -> Self {
        Linear {
            weight,
            bias,
            lora: None,
            sizes,
            lora_allowed,
            frozen,
            pinned: false,
            joined: false,
        }
    }

    /// `[.., in] -> [.., out]`.
    ///
    /// # Errors
    /// If the last dim of `x` is not `in`.
    pub fn forward(&self, x: &Array) -> Result<Array> {
        self.project(x, false)
    }

    /// [`Linear::forward`], with packed values multiplied as they are if `kept`.
    fn project(&self, x: &Array, kept: bool) -> Result<Array> {
        if self.lora.is_some() {
            if let Some(y) = adapted::adapted(&self.weight, &[self], x, kept) {
                return y;
            }
        }
        self.finish(self.weight.product(x, kept)?, x, None)
    }

    /// Adds bias and adapter to `x W^T`; `z` is `scale * (x a)`, if it is there already.
    fn finish(&self, mut y: Array, x: &Array, z: Option<Array>) -> Result<Array> {
        let biased = |y: Array| match &self.bias {
            Some(bias) => ops::add(&y, bias),
            None => Ok(y),
        };
        let Some(lora) = &self.lora else {
            return biased(y);
        };
        // Norms that train are those of the matrix, and not of the bias.
        let normed = lora.dora.is_some();
        if !normed {
            y = biased(y)?;
        }
        let z = z.map_or_else(|| lora.inner(x), Ok)?;
        y = ops::addmm(&y, &z, &ops::astype(&lora.b, x.dtype())?, 1.0, 1.0)?;
        match normed {
            true => biased(lora.normed(y, &self.weight)?),
            false => Ok(y),
        }
    }

    /// The weight as a dense matrix `[out, in]`.
    pub(crate) fn dense(&self, dtype: crate::Dtype) -> Result<Array> {
        match (&self.weight, self.weight.packed()) {
            (Weight::Dense(w), _) => Ok(w.clone()),
            (_, Some(p)) => p.dense(dtype, None),
            (_, None) => Err(unbound()),
        }
    }

    pub(crate) fn has_extras(&self) -> bool {
        self.bias.is_some() || self.lora.is_some()
    }

    /// True if its weight is a view of a joined one.
    pub(crate) fn is_joined(&self) -> bool {
        self.joined
    }

    /// True if the backward pass reads the input.
    #[doc(hidden)]
    pub fn keeps_input(&self) -> bool {
        self.lora.is_some() || !self.frozen
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// (in, out), as MLX counts.
    pub(crate) fn sizes(&self) -> (i32, i32) {
        let narrow = |n| i32::try_from(n).unwrap_or(i32::MAX);
        (narrow(self.sizes.0), narrow(self.sizes.1))
    }

    pub(crate) fn lora_allowed(&self) -> bool {
        self.lora_allowed
    }

    /// True if it may have an adapter of its own beside a weight that is its own, too.
    pub(crate) fn lora_possible(&self) -> bool {
        !self.pinned && !matches!(self.weight, Weight::Tied)
    }

    pub(crate) fn set_lora(&mut self, lora: Lora) {
        self.lora = Some(lora);
    }

    pub(crate) fn lora_mut(&mut self) -> Option<&mut Lora> {
        self.lora.as_mut()
    }

    /// The weight, if it does not train.
    fn frozen_weight(&self) -> Option<&Weight> {
        self.frozen.then_some(&self.weight)
    }

    /// The address of the weight's array, if it does not train.
    fn identity(&self) -> Option<*mut std::ffi::c_void> {
        match self.frozen_weight()? {
            Weight::Dense(w) | Weight::Quantized { weight: w, .. } => Some(w.as_raw().ctx),
            Weight::Tied => None,
        }
    }

    /// Never trains, as the definition says.
    pub(crate) fn pin(&mut self) {
        self.pinned = true;
        self.frozen = true;
    }

    /// A weight that trains is no longer a view of the joined one.
    pub(crate) fn set_frozen(&mut self, frozen: bool) {
        self.frozen = frozen || self.pinned;
        self.joined &= self.frozen;
    }

    pub(crate) fn clear_lora(&mut self) {
        self.lora = None;
    }

    pub(crate) fn each<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Array, bool)) {
        self.weight.each(!self.frozen, f);
        if let Some(b) = &self.bias {
            f("bias", b, !self.frozen);
        }
        if let Some(l) = &self.lora {
            l.each(f);
        }
    }

    pub(crate) fn each_mut(&mut self, f: &mut dyn FnMut(&mut Array, bool)) {
        let before = self.identity();
        self.weight.each_mut(!self.frozen, f);
        // A weight that was replaced is no longer a view of the joined one.
        self.joined &= before == self.identity();
        if let Some(b) = &mut self.bias {
            f(b, !self.frozen);
        }
        if let Some(l) = &mut self.lora {
            l.each_mut(f);
        }
    }
}

/// [`Linear::forward`] with packed values multiplied as they are, however many rows there are.
///
/// # Errors
/// As [`Linear::forward`].
pub fn forward_packed(layer: &Linear, x: &Array) -> Result<Array> {
    layer.project(x, true)
}

/// The layer with the weight that it shares with a table, and with the table's adapter.
///
/// # Errors
/// The error that MLX reports.
pub fn tied<'a>(layer: &'a Linear, source: &impl Shared) -> Result<std::borrow::Cow<'a, Linear>> {
    Ok(match layer.weight {
        Weight::Tied => std::borrow::Cow::Owned(Linear {
            weight: source.weight().clone(),
            frozen: layer.frozen && source.frozen(),
            lora: match source.adapter() {
                Some(lora) => Some(lora?),
                None => layer.lora.clone(),
            },
            ..layer.clone()
        }),
        _ => std::borrow::Cow::Borrowed(layer),
    })
}

/// A layer whose weight another may share.
pub trait Shared {
    /// Its weight.
    fn weight(&self) -> &Weight;
    /// True if its weight is frozen.
    fn frozen(&self) -> bool;
    /// The adapter of a layer that multiplies by the weight, if the weight has one.
    #[doc(hidden)]
    fn adapter(&self) -> Option<Result<Lora>>;
}

impl Shared for Linear {
    fn weight(&self) -> &Weight {
        &self.weight
    }

    fn frozen(&self) -> bool {
        self.frozen
    }

    fn adapter(&self) -> Option<Result<Lora>> {
        self.lora.clone().map(Ok)
    }
}

impl Shared for super::Embedding {
    fn weight(&self) -> &Weight {
        self.table()
    }

    fn frozen(&self) -> bool {
        self.is_frozen()
    }

    fn adapter(&self) -> Option<Result<Lora>> {
        self.lora().map(Lora::of_tied)
    }
}

#[cold]
fn unbound() -> crate::Error {
    crate::Error::new(
        crate::ErrorKind::InvalidArgument,
        "a tied layer has no weight of its own",
    )
}
