//! Linear maps: dense or quantised, with or without a low-rank adapter.

use crate::{fused, ops, Array, Result};

/// The matrix of a layer, `[out, in]`.
#[derive(Clone)]
pub enum Weight {
    /// Floating point.
    Dense(Array),
    /// MLX's affine quantisation: `group_size` neighbours in a row share a scale and a bias.
    Quantized {
        /// Packed values, uint32 `[out, in * bits / 32]`.
        weight: Array,
        /// `[out, in / group_size]`.
        scales: Array,
        /// As the scales.
        biases: Array,
        /// Values that share a scale.
        group_size: i32,
        /// Bits a value.
        bits: i32,
    },
    /// Another layer's.
    Tied,
}

impl Weight {
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
                f("biases", biases, false);
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
                f(biases, false);
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

#[derive(Clone)]
struct Lora {
    a: Array,
    b: Array,
    scale: f32,
}

impl Linear {
    pub(crate) fn new(
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
        // The fused operation has no gradient for the weight.
        let fused = self.frozen && fused::available(x);
        if let (Weight::Dense(w), Some(lora), None, true) =
            (&self.weight, &self.lora, &self.bias, fused)
        {
            return fused::lora_linear(x, w, &lora.a, &lora.b, lora.scale);
        }
        let base = match &self.weight {
            Weight::Dense(w) => ops::matmul(x, &ops::transpose(w, &[1, 0])?)?,
            Weight::Quantized {
                weight,
                scales,
                biases,
                group_size,
                bits,
            } => ops::quantized_matmul(x, weight, scales, biases, true, *group_size, *bits)?,
            Weight::Tied => return Err(unbound()),
        };
        self.finish(base, x)
    }

    /// Adds bias and adapter to `x W^T`.
    fn finish(&self, mut y: Array, x: &Array) -> Result<Array> {
        if let Some(bias) = &self.bias {
            y = ops::add(&y, bias)?;
        }
        let Some(Lora { a, b, scale }) = &self.lora else {
            return Ok(y);
        };
        // The adapter is float32; the activations keep their dtype.
        let (a, b) = (ops::astype(a, x.dtype())?, ops::astype(b, x.dtype())?);
        let z = ops::matmul(x, &a)?;
        ops::addmm(&y, &z, &b, *scale, 1.0)
    }

    /// The weight as a dense matrix `[out, in]`.
    pub(crate) fn dense(&self, dtype: crate::Dtype) -> Result<Array> {
        match &self.weight {
            Weight::Dense(w) => Ok(w.clone()),
            Weight::Quantized {
                weight,
                scales,
                biases,
                group_size,
                bits,
            } => {
                let w = ops::dequantize(weight, scales, biases, *group_size, *bits)?;
                ops::astype(&w, dtype)
            }
            Weight::Tied => Err(unbound()),
        }
    }

    pub(crate) fn has_extras(&self) -> bool {
        self.bias.is_some() || self.lora.is_some()
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

    pub(crate) fn set_lora(&mut self, a: Array, b: Array, scale: f32) {
        self.lora = Some(Lora { a, b, scale });
    }

    pub(crate) fn frozen_dense(&self) -> Option<&Array> {
        match &self.weight {
            Weight::Dense(w) if self.frozen => Some(w),
            _ => None,
        }
    }

    /// Replaces the weight by a view of a joined one.
    pub(crate) fn set_joined(&mut self, w: Array) {
        self.joined = true;
        self.weight = Weight::Dense(w);
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
            f("lora_a", &l.a, true);
            f("lora_b", &l.b, true);
        }
    }

    pub(crate) fn each_mut(&mut self, f: &mut dyn FnMut(&mut Array, bool)) {
        let before = self.frozen_dense().map(|w| w.as_raw().ctx);
        self.weight.each_mut(!self.frozen, f);
        // A weight that was replaced is no longer a view of the joined one.
        self.joined &= before == self.frozen_dense().map(|w| w.as_raw().ctx);
        if let Some(b) = &mut self.bias {
            f(b, !self.frozen);
        }
        if let Some(l) = &mut self.lora {
            f(&mut l.a, true);
            f(&mut l.b, true);
        }
    }
}

/// The layers' results for one input, from one matmul where a joined weight is there and helps.
pub fn joined<const N: usize>(
    weight: Option<&Array>,
    layers: [&Linear; N],
    x: &Array,
) -> Result<[Array; N]> {
    // On the CPU one matmul for each writes its result where the next operation wants it.
    let whole = layers.iter().all(|l| l.joined);
    let mut parts = match weight {
        Some(w) if whole && !fused::available(x) => {
            let y = ops::matmul(x, &ops::transpose(w, &[1, 0])?)?;
            let mut at = Vec::with_capacity(N);
            let mut end = 0;
            for l in &layers[..N - 1] {
                end += l.sizes().1;
                at.push(end);
            }
            ops::split_at(&y, &at, -1)?
        }
        _ => Vec::new(),
    }
    .into_iter();
    let mut out = Vec::with_capacity(N);
    for layer in layers {
        out.push(match parts.next() {
            Some(base) => layer.finish(base, x)?,
            None => layer.forward(x)?,
        });
    }
    out.try_into().map_err(|_| unbound())
}

/// The layer with the weight that it shares with a table.
pub fn tied<'a>(layer: &'a Linear, source: &impl Shared) -> std::borrow::Cow<'a, Linear> {
    match layer.weight {
        Weight::Tied => std::borrow::Cow::Owned(Linear {
            weight: source.weight().clone(),
            frozen: layer.frozen && source.frozen(),
            ..layer.clone()
        }),
        _ => std::borrow::Cow::Borrowed(layer),
    }
}

/// A layer whose weight another may share.
pub trait Shared {
    /// Its weight.
    fn weight(&self) -> &Weight;
    /// Whether its weight is frozen.
    fn frozen(&self) -> bool;
}

impl Shared for Linear {
    fn weight(&self) -> &Weight {
        &self.weight
    }

    fn frozen(&self) -> bool {
        self.frozen
    }
}

impl Shared for super::Embedding {
    fn weight(&self) -> &Weight {
        self.table()
    }

    fn frozen(&self) -> bool {
        self.is_frozen()
    }
}

#[cold]
fn unbound() -> crate::Error {
    crate::Error::new(
        crate::ErrorKind::InvalidArgument,
        "a tied layer has no weight of its own",
    )
}
