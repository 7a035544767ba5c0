//! Linear maps of which each token has its own choice, with or without low-rank adapters.
//!
//! Tests: `mlx-models --test language`.

use super::linear::Weight;
use super::lora::{scaled, Lora};
use crate::ops::packed::{self, Chosen};
use crate::{ops, Array, Error, ErrorKind, Result};

/// A stack of linear maps `[experts, out, in]`, packed or not, of which indices choose one for each row; plus
/// `scale * (x a^T) b^T` of the chosen expert where adapters are set (Hu et al. 2021). `SwitchLinear`,
/// `QuantizedSwitchLinear` and `LoRASwitchLinear` of mlx-lm.
#[derive(Clone)]
pub struct SwitchLinear {
    weight: Weight,
    /// `[experts, out]`.
    bias: Option<Array>,
    lora: Option<Lora>,
    /// (experts, out, in).
    sizes: [i32; 3],
    lora_allowed: bool,
    pub(super) frozen: bool,
    /// The definition says `#[frozen]`.
    pub(super) pinned: bool,
}

impl SwitchLinear {
    pub(crate) fn from_parts(
        weight: Weight,
        bias: Option<Array>,
        sizes: [i32; 3],
        lora_allowed: bool,
        frozen: bool,
    ) -> Self {
        SwitchLinear {
            weight,
            bias,
            lora: None,
            sizes,
            lora_allowed,
            frozen,
            pinned: false,
        }
    }

    /// `x [.., M, in]` and `indices [..]` of experts, whose leading axes broadcast: `[.., M, out]`. An index beyond the
    /// experts is clamped.
    ///
    /// # Errors
    /// If the last dim of `x` is not `in`, or the leading axes do not broadcast.
    pub fn forward(&self, x: &Array, indices: &Array) -> Result<Array> {
        let mut y = match (&self.weight, self.weight.packed()) {
            (Weight::Dense(w), _) => chosen(x, w, indices)?,
            (_, Some(p)) => {
                let of = Chosen {
                    rhs: Some(indices),
                    ..Chosen::default()
                };
                packed::gather_qmm(x, &p.parts, of, true, p.how)?
            }
            (_, None) => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    "the weights of the experts are another layer's",
                ))
            }
        };
        if let Some(bias) = &self.bias {
            let bias = ops::take(bias, indices, 0)?;
            y = ops::add(&y, &ops::expand_dims(&bias, &[-2])?)?;
        }
        let Some(lora) = &self.lora else {
            return Ok(y);
        };
        // The adapters are float32; the activations keep their dtype.
        let cast = |w: &Array| ops::astype(w, x.dtype());
        let z = chosen(&lora.dropped(x)?, &cast(&lora.a)?, indices)?;
        let z = scaled(&z, lora.scale)?;
        ops::add(&y, &chosen(&z, &cast(&lora.b)?, indices)?)
    }

    /// True if the backward pass reads the input.
    #[doc(hidden)]
    pub fn keeps_input(&self) -> bool {
        self.lora.is_some() || !self.frozen
    }

    /// (experts, out, in).
    pub(crate) fn sizes(&self) -> [i32; 3] {
        self.sizes
    }

    pub(crate) fn lora_allowed(&self) -> bool {
        self.lora_allowed
    }

    pub(crate) fn set_lora(&mut self, lora: Lora) {
        self.lora = Some(lora);
    }

    pub(crate) fn lora_mut(&mut self) -> Option<&mut Lora> {
        self.lora.as_mut()
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
        self.weight.each_mut(!self.frozen, f);
        if let Some(b) = &mut self.bias {
            f(b, !self.frozen);
        }
        if let Some(l) = &mut self.lora {
            l.each_mut(f);
        }
    }
}

/// `x w^T` of the chosen matrices.
fn chosen(x: &Array, w: &Array, indices: &Array) -> Result<Array> {
    ops::gather_mm(x, &ops::swapaxes(w, -1, -2)?, None, Some(indices), false)
}
