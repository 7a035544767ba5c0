//! Losses.
//!
//! Tests: `mlx-tests --test fusion_passes`, `mlx-models --test native_kernels`.

use super::Linear;
use crate::kernels::cross_entropy::{self, capped, losses, losses_and_slope};
use crate::kernels::select;
use crate::{ops, transforms, Array, Dtype, Result};

/// `x [.., D]`, a layer `[V, D]`, `targets [..] of i32`, `weights [..] of f32` -> `[..] of f32`:
/// `weights * (logsumexp(x W^T) - (x W^T)[target])`, the weighted negative log-likelihood.
///
/// The logits exist for a part of the rows at a time. Where the layer is frozen the gradient with
/// respect to `x` is taken in the forward pass (Hsu et al. 2024, "Liger kernel"); where something
/// in it trains, the backward pass computes the logits again, in parts as well. On the CPU in
/// float32 rows of weight zero are not computed at all, if the layer is frozen and plain.
///
/// # Errors
/// If shapes do not fit.
pub fn linear_cross_entropy(
    x: &Array,
    layer: &Linear,
    targets: &Array,
    weights: &Array,
) -> Result<Array> {
    projected(x, layer, targets, Some(weights), None)
}

/// As [`linear_cross_entropy`], with all weights 1 where none are given, of `cap * tanh(z / cap)`
/// instead of the logits `z` where there is a cap.
pub fn projected(
    x: &Array,
    layer: &Linear,
    targets: &Array,
    weights: Option<&Array>,
    cap: Option<f32>,
) -> Result<Array> {
    let plain = layer.is_frozen() && !layer.has_extras() && cap.is_none();
    if plain {
        let w = || layer.dense(Dtype::Float32);
        let weights = || each(weights, targets);
        if let Some(losses) = cross_entropy::projected(x, w, targets, weights) {
            return losses;
        }
    }
    let flat = Rows::new(x, layer, targets, cap)?;
    let losses = if !transforms::is_differentiating() {
        flat.losses(&flat.x, layer)?
    } else if layer.is_frozen() && !layer.has_extras() {
        let weights = ops::reshape(&each(weights, targets)?, flat.targets.shape())?;
        return ops::reshape(&flat.with_gradient(layer, &weights)?, targets.shape());
    } else {
        flat.recomputed(layer)?
    };
    let losses = ops::reshape(&losses, targets.shape())?;
    match weights {
        Some(w) => ops::multiply(&losses, w),
        None => Ok(losses),
    }
}

/// A weight for each target: 1 where none are given.
fn each(weights: Option<&Array>, targets: &Array) -> Result<Array> {
    match weights {
        Some(w) => ops::broadcast_to(w, targets.shape()),
        None => ops::ones(targets.shape(), Dtype::Float32),
    }
}

/// The rows of a projection's input and their targets, to be worked on in parts.
#[derive(Clone)]
struct Rows {
    /// `[N, D]`.
    x: Array,
    /// `[N]`.
    targets: Array,
    /// The first row of each part, and the row after the last.
    bounds: Vec<i32>,
    /// Logits `z` become `cap * tanh(z / cap)`.
    cap: Option<f32>,
}

impl Rows {
    fn new(x: &Array, layer: &Linear, targets: &Array, cap: Option<f32>) -> Result<Self> {
        // The shapes are checked where the model is compiled; `reshape` reports what is left.
        let x = ops::reshape(x, &[-1, x.dim(-1)?])?;
        let (n, vocabulary) = (x.dim(0)?, layer.sizes().1);
        let budget = select::logits_at_once()?;
        let most = (budget / 4 / i64::from(vocabulary.max(1))).max(1);
        let parts = (i64::from(n) + most - 1) / most;
        let bound = |i: i64| i32::try_from(i64::from(n) * i / parts.max(1)).unwrap_or(n);
        Ok(Rows {
            targets: ops::reshape(targets, &[n])?,
            bounds: (0..=parts.max(1)).map(bound).collect(),
            cap,
            x,
        })
    }

    /// Each part's rows of `[N, ..]`.
    fn parts<'a>(&'a self, a: &'a Array) -> impl Iterator<Item = Result<Array>> + 'a {
        self.bounds.windows(2).map(|w| {
            let (mut start, mut stop) = (vec![0; a.ndim()], a.shape().to_vec());
            (start[0], stop[0]) = (w[0], w[1]);
            ops::slice(a, &start, &stop, &vec![1; a.ndim()])
        })
    }

    /// The losses of all rows of `x`, one part after the other.
    fn losses(&self, x: &Array, layer: &Linear) -> Result<Array> {
        let mut all: Vec<Array> = Vec::new();
        for (x, t) in self.parts(x).zip(self.parts(&self.targets)) {
            let x = after(x?, all.last())?;
            all.push(losses(&logits(&x, layer, self.cap)?, &t?)?);
        }
        ops::concatenate(&all.iter().collect::<Vec<_>>(), 0)
    }

    /// The losses times `weights [N]`; the losses' gradients with respect to `x` are computed along
    /// with them.
    fn with_gradient(&self, layer: &Linear, weights: &Array) -> Result<Array> {
        let (rows, layer) = (self.clone(), layer.clone());
        let op = transforms::custom_vjp(
            move |x| {
                let w = layer.dense(x[0].dtype())?;
                let (mut all, mut grads) = (Vec::new(), Vec::new());
                for (x, t) in rows.parts(&x[0]).zip(rows.parts(&rows.targets)) {
                    let (x, t) = (after(x?, grads.last())?, t?);
                    let z = ops::matmul(&x, &ops::transpose(&w, &[1, 0])?)?;
                    let (nll, dz) = losses_and_slope(&z, &t, rows.cap)?;
                    grads.push(ops::matmul(&ops::astype(&dz, x.dtype())?, &w)?);
                    all.push(nll);
                }
                let join = |a: &[Array]| ops::concatenate(&a.iter().collect::<Vec<_>>(), 0);
                let all = join(&all)?;
                Ok(vec![ops::multiply(&all, &x[1])?, all, join(&grads)?])
            },
            |x, cotangents, outputs| {
                let (by, weights) = (&cotangents[0], &x[1]);
                let dx = cross_entropy::scale_rows(&outputs[2], by, weights, x[0].dtype())?;
                Ok(vec![dx, ops::multiply(&outputs[1], by)?])
            },
        );
        Ok(op.call(&[self.x.clone(), weights.clone()])?.swap_remove(0))
    }

    /// The losses; the backward pass computes each part once more.
    fn recomputed(&self, layer: &Linear) -> Result<Array> {
        let mut inputs = vec![self.x.clone()];
        layer.each(&mut |_, a, trained| {
            if trained {
                inputs.push(a.clone());
            }
        });
        let (rows, first) = (self.clone(), layer.clone());
        let (again, second) = (self.clone(), layer.clone());
        let op = transforms::custom_vjp(
            move |p| Ok(vec![rows.losses(&p[0], &with(&first, &p[1..]))?]),
            move |p, cotangents, _| again.gradients(p, &cotangents[0], &second),
        );
        Ok(op.call(&inputs)?.swap_remove(0))
    }

    /// The gradients with respect to `x` and each trained tensor of the layer.
    fn gradients(&self, inputs: &[Array], by: &Array, layer: &Linear) -> Result<Vec<Array>> {
        let params = &inputs[1..];
        let (mut rows, mut sums): (Vec<Array>, Vec<Array>) = (Vec::new(), Vec::new());
        let parts = self.parts(&inputs[0]).zip(self.parts(&self.targets));
        for ((x, t), by) in parts.zip(self.parts(by)) {
            let (t, by, layer, cap) = (t?, by?, layer.clone(), self.cap);
            // Not before the backward pass, and not before the part in front of it is done.
            let done: Vec<&Array> = rows.last().into_iter().chain(&sums).chain([&by]).collect();
            let x = transforms::depends(&[&x?], &done)?.swap_remove(0);
            let of_part = move |p: &[Array]| {
                Ok(vec![losses(
                    &logits(&p[0], &with(&layer, &p[1..]), cap)?,
                    &t,
                )?])
            };
            let primals: Vec<Array> = [x].into_iter().chain(params.iter().cloned()).collect();
            let (_, grads) = transforms::vjp(of_part, &primals, &[by])?;
            let mut grads = grads.into_iter();
            rows.extend(grads.next());
            // Sums of half floats would lose what a single product keeps.
            let wide = grads.map(|g| ops::astype(&g, Dtype::Float32));
            let wide: Vec<Array> = wide.collect::<Result<_>>()?;
            sums = match sums.is_empty() {
                true => wide,
                false => sums
                    .iter()
                    .zip(&wide)
                    .map(|(a, b)| ops::add(a, b))
                    .collect::<Result<_>>()?,
            };
        }
        let mut out = vec![ops::concatenate(&rows.iter().collect::<Vec<_>>(), 0)?];
        for (g, p) in sums.iter().zip(params) {
            out.push(ops::astype(g, p.dtype())?);
        }
        Ok(out)
    }
}

/// `x`, computed after what came before.
fn after(x: Array, before: Option<&Array>) -> Result<Array> {
    match before {
        Some(b) => Ok(transforms::depends(&[&x], &[b])?.swap_remove(0)),
        None => Ok(x),
    }
}

/// The layer with other values for what is trained in it.
fn with(layer: &Linear, params: &[Array]) -> Linear {
    let (mut layer, mut params) = (layer.clone(), params.iter());
    layer.each_mut(&mut |a, trained| {
        if let (true, Some(p)) = (trained, trained.then(|| params.next()).flatten()) {
            *a = p.clone();
        }
    });
    layer
}

/// `[n, D] -> [n, V]`, float32.
fn logits(x: &Array, layer: &Linear, cap: Option<f32>) -> Result<Array> {
    capped(&layer.forward(x)?, cap)
}
