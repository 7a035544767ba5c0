//! Frozen layers with adapters on a GPU: the adapters of layers that share an input are laid side
//! by side, so that all of them take two small products, and the backward pass has no sums of its
//! own.
//!
//! Tests: `mlx-tests --test models`.

use super::{Linear, Weight};
use crate::kernels::adapters::{self, Adapter, SideBySide};
use crate::{ops, transforms, Array, Result};

/// `x [.., in]` times the layers' joined `weight`, plus their adapters: `[.., sum of out]`. `None`
/// where that is not what their definition says: something but adapters trains, or there is a bias. Packed values are
/// multiplied as they are if `kept`.
pub(super) fn adapted(
    weight: &Weight,
    layers: &[&Linear],
    x: &Array,
    kept: bool,
) -> Option<Result<Array>> {
    let plain = |l: &&Linear| l.frozen && l.bias.is_none();
    let (rows, batch) = x.shape().split_last()?;
    let fits = match weight {
        Weight::Dense(w) => w.dtype() == x.dtype(),
        Weight::Quantized { .. } => true,
        Weight::Tied => false,
    };
    if !adapters::can_join(x) || !layers.iter().all(plain) || !fits || x.size() == 0 {
        return None;
    }
    let (mut all, mut tensors, mut out) = (Vec::new(), Vec::new(), 0);
    for layer in layers {
        let width = layer.sizes().1;
        if let Some(lora) = &layer.lora {
            if !lora.is_plain() {
                return None;
            }
            let (rank, dtype) = (lora.b.dim(0).ok()?, lora.a.dtype());
            if lora.b.dtype() != dtype || lora.a.shape() != [*rows, rank] {
                return None;
            }
            all.push(Adapter {
                rank,
                start: out,
                width,
                scale: lora.scale,
                dtype,
            });
            tensors.extend([lora.a.clone(), lora.b.clone()]);
        }
        out += width;
    }
    if all.is_empty() {
        return Some(weight.product(x, kept));
    }
    let sides = adapters::side_by_side(&all, *rows, out, x.dtype());
    let product = Product {
        weight: weight.clone(),
        kept,
        sides,
    };
    Some(product.of(x, tensors, batch, out))
}

#[derive(Clone)]
struct Product {
    weight: Weight,
    /// True if packed values are multiplied as they are.
    kept: bool,
    sides: SideBySide,
}

impl Product {
    fn of(self, x: &Array, adapters: Vec<Array>, batch: &[i32], out: i32) -> Result<Array> {
        let mut inputs = vec![ops::reshape(x, &[-1, x.dim(-1)?])?];
        inputs.extend(adapters);
        let y = if transforms::is_differentiating() {
            let (there, back) = (self.clone(), self);
            let op = transforms::custom_vjp(
                move |p| there.forward(p),
                move |p, by, out| back.backward(&p[0], &by[0], out),
            );
            op.call(&inputs)?.swap_remove(0)
        } else {
            self.forward(&inputs)?.swap_remove(0)
        };
        let mut shape = batch.to_vec();
        shape.push(out);
        ops::reshape(&y, &shape)
    }

    /// The result, and what the backward pass needs of the adapters.
    fn forward(&self, p: &[Array]) -> Result<Vec<Array>> {
        let x = &p[0];
        let [a, b] = self.sides.join(&p[1..])?;
        let z = ops::matmul(x, &a)?;
        let base = self.weight.times(x, true, self.kept)?;
        let y = ops::addmm(&base, &z, &b, 1.0, 1.0)?;
        Ok(vec![y, z, a, b])
    }

    fn backward(&self, x: &Array, dy: &Array, kept: &[Array]) -> Result<Vec<Array>> {
        let [_, z, a, b] = kept else {
            return Err(super::unbound());
        };
        let dy = ops::astype(dy, x.dtype())?;
        let turned = |m: &Array| ops::transpose(m, &[1, 0]);
        let dz = ops::matmul(&dy, &turned(b)?)?;
        let (da, db) = (
            ops::matmul(&turned(x)?, &dz)?,
            ops::matmul(&turned(z)?, &dy)?,
        );
        let base = self.weight.times(&dy, false, self.kept)?;
        let mut out = vec![ops::addmm(&base, &dz, &turned(a)?, 1.0, 1.0)?];
        out.extend(self.sides.part(&da, &db)?);
        Ok(out)
    }
}
