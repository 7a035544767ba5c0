//! Low-rank adapters of layers (Hu et al. 2021), their norms (Liu et al. 2024, "DoRA"), and random zeros while they train.
//!
//! Tests: `llama_lora --test adapters`.

use super::Weight;
use crate::kernels::dropout::dropout;
use crate::random::Key;
use crate::{linalg, ops, Array, Dtype, Error, ErrorKind, Result};

/// An adapter: `a` (in, rank) and `b` (rank, out) of a linear map, (rows, rank) and (rank, dims) of a table, (experts, rank,
/// in) and (experts, out, rank) of a stack of linear maps.
#[derive(Clone, Debug)]
pub struct Lora {
    pub a: Array,
    pub b: Array,
    pub scale: f32,
    pub dora: Option<Dora>,
    /// Chance that an input is zero while there is a key.
    pub dropout: f32,
    /// The key of a step with random zeros.
    pub key: Option<Key>,
}

/// The norms that the rows of an adapted matrix have.
#[derive(Clone, Debug)]
pub struct Dora {
    /// The norms, which train; float32 `[out]`.
    pub m: Array,
    /// The squared norms of the rows of the matrix without its adapter, float32 `[out]`.
    pub squares: Array,
}

impl Dora {
    /// The norms of `weight`, a matrix `[out, in]`, to begin with.
    pub fn of(weight: &Array) -> Result<Self> {
        let wide = ops::astype(weight, Dtype::Float32)?;
        let m = linalg::norm_l2(&wide, Some(&[1]), false)?;
        let squares = ops::sum(&ops::square(&wide)?, &[1], false)?;
        // The wide copy is not to stay until the first step.
        crate::transforms::eval(&[&m, &squares])?;
        Ok(Dora { m, squares })
    }
}

impl Lora {
    /// True if it is nothing but two products.
    pub fn is_plain(&self) -> bool {
        self.dora.is_none() && self.key.is_none()
    }

    /// `scale * (x a)`, where some of `x` may be zero.
    pub fn inner(&self, x: &Array) -> Result<Array> {
        // The adapter is float32; the activations keep their dtype.
        let a = ops::astype(&self.a, x.dtype())?;
        scaled(&ops::matmul(&self.dropped(x)?, &a)?, self.scale)
    }

    /// `x`, of which random values are zero while it trains.
    pub fn dropped(&self, x: &Array) -> Result<Array> {
        match &self.key {
            Some(key) => dropout(x, 1.0 - self.dropout, key),
            None => Ok(x.clone()),
        }
    }

    /// `y`, the result of adapted `weight`, with the norms that train, if there are any. The norms that the rows have
    /// now are constants to the gradient, as in the paper and in mlx-lm.
    pub fn normed(&self, y: Array, weight: &Weight) -> Result<Array> {
        match &self.dora {
            Some(dora) => {
                let by = self.factors(dora, weight, y.dtype())?;
                ops::multiply(&ops::astype(&by, y.dtype())?, &y)
            }
            None => Ok(y),
        }
    }

    /// The wanted norm of each row over the present one, `[out]`. The rows are never computed:
    /// `|w + s b a|^2 = |w|^2 + 2 s b (a w) + s^2 b (a a^T) b^T`.
    fn factors(&self, dora: &Dora, weight: &Weight, dtype: Dtype) -> Result<Array> {
        let (a, b) = (ops::stop_gradient(&self.a)?, ops::stop_gradient(&self.b)?);
        let turned = ops::transpose(&a, &[1, 0])?;
        let along = weight.product(&ops::astype(&turned, weight.dtype_or(dtype))?, false)?;
        let along = ops::stop_gradient(&ops::astype(&along, Dtype::Float32)?)?;
        let among = ops::matmul(&ops::matmul(&turned, &a)?, &b)?;
        let sum = |x: &Array| ops::sum(&ops::multiply(x, &b)?, &[0], false);
        let scale = Array::scalar(self.scale)?;
        let cross = ops::add(&along, &along)?;
        let change = ops::add(&cross, &ops::multiply(&scale, &among)?)?;
        let squares = ops::add(&dora.squares, &ops::multiply(&scale, &sum(&change)?)?)?;
        // Rounding may take a row of zeros below zero.
        let norms = ops::sqrt(&ops::maximum(&squares, &Array::scalar(f32::MIN_POSITIVE)?)?)?;
        ops::divide(&dora.m, &norms)
    }

    /// Calls `f` with each tensor that trains.
    pub fn each<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Array, bool)) {
        f("lora_a", &self.a, true);
        f("lora_b", &self.b, true);
        if let Some(dora) = &self.dora {
            f("m", &dora.m, true);
        }
    }

    /// As [`Lora::each`], to change them.
    pub fn each_mut(&mut self, f: &mut dyn FnMut(&mut Array, bool)) {
        f(&mut self.a, true);
        f(&mut self.b, true);
        if let Some(dora) = &mut self.dora {
            f(&mut dora.m, true);
        }
    }

    /// The adapter of a layer that shares the table with this one, and multiplies by it.
    pub fn of_tied(&self) -> Result<Lora> {
        let turned = |x: &Array| ops::transpose(x, &[1, 0]);
        Ok(Lora {
            a: turned(&self.b)?,
            b: turned(&self.a)?,
            // Each use of a key is of its own.
            key: self
                .key
                .as_ref()
                .map(|k| k.split().map(|k| k.1))
                .transpose()?,
            ..self.clone()
        })
    }
}

/// `scale * z`, which costs less on the side of the rank than on the result's: the gradient of a
/// scaled product would be scaled at its full width.
pub(super) fn scaled(z: &Array, scale: f32) -> Result<Array> {
    match scale {
        1.0 => Ok(z.clone()),
        _ => ops::multiply(z, &ops::astype(&Array::scalar(scale)?, z.dtype())?),
    }
}

/// An error if the chance to drop an input is none.
pub(crate) fn check_dropout(p: f32) -> Result<()> {
    match (0.0..1.0).contains(&p) {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("expected a LoRA dropout of 0 or more and less than 1, found {p}"),
        )),
    }
}
