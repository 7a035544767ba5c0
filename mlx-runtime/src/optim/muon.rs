//! The Muon optimiser.
//!
//! Tests: `mlx-tests --test parity_optim`.

use super::averages::{optimizer, Averages, Buffer};
use super::optimizer::{check_positive, decimal, scale};
use super::Shapes;
use crate::kernels::updates::muon;
use crate::ops;
use crate::{Array, Dtype, Error, Result};

/// Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
/// <https://kellerjordan.github.io/posts/muon/>). The same arithmetic as MLX's `optimizers.Muon`.
///
/// ```text
/// g = g + weight_decay w
/// v = momentum v + (1 - momentum) g
/// u = v                                     or, with nesterov:  u = (1 - momentum) g + momentum v
/// w = w - lr sqrt(max(1, rows / columns)) orthogonal(u)         where a tensor is a matrix
/// w = w - lr u                                                  where it is a vector or a number
/// ```
///
/// `orthogonal` is `ns_steps` of Newton and Schulz's iteration from `X = u / |u|`:
/// `A = X X^T; X = 3.4445 X + (-4.7750 A + 2.0315 A A) X`. A tensor of more than two dims is a matrix
/// of its first dim by all others; rows and columns are then its last two dims, as in MLX.
///
/// Everything but the iteration runs over whole buffers. The iteration takes all matrices of one shape
/// that lie side by side as one product of `[count, rows, columns]`, so the number of kernels depends on
/// how many different shapes are trained and on `ns_steps`, not on how many layers there are.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Muon {
    /// The step size if [`step`](super::Optimizer::step) is given none.
    pub learning_rate: f32,
    /// The decay rate of the running average of gradients.
    pub momentum: f32,
    /// The factor of the parameters that is added to the gradient.
    pub weight_decay: f32,
    /// True to look one step of momentum ahead (Nesterov).
    pub nesterov: bool,
    /// Steps of the iteration.
    pub ns_steps: usize,
}

/// The most steps, far more than the iteration needs to converge.
const MOST_STEPS: usize = 1000;

impl Default for Muon {
    /// MLX's defaults; MLX has none for the learning rate, which is 2e-2 here.
    fn default() -> Self {
        Self {
            learning_rate: 2e-2,
            momentum: 0.95,
            weight_decay: 0.01,
            nesterov: true,
            ns_steps: 5,
        }
    }
}

impl Muon {
    /// The direction before the iteration, and the new average.
    fn direction(&self, w: &Array, g: &Array, v: &Array) -> Result<[Array; 2]> {
        let (decay, momentum) = (decimal(self.weight_decay), decimal(self.momentum));
        if let Some(next) = muon::direction([w, g, v], decay, momentum, self.nesterov) {
            return next;
        }
        let mut g = g.clone();
        if self.weight_decay != 0.0 {
            g = ops::add(&g, &scale(w, decay)?)?;
        }
        let part = scale(&g, 1.0 - momentum)?;
        let v = ops::add(&scale(v, momentum)?, &part)?;
        let update = match self.nesterov {
            true => ops::add(&part, &scale(&v, momentum)?)?,
            false => v.clone(),
        };
        Ok([update, v])
    }

    /// `lr` times the update of tensors of one shape, `[count, shape..] -> [count, shape..]`.
    fn run(&self, part: &Array, lr: &Array) -> Result<Array> {
        let shape = part.shape();
        let [count, first, .., last] = *shape else {
            return ops::multiply(lr, part);
        };
        if part.size() == 0 {
            return Ok(part.clone());
        }
        let rows = f64::from(shape[shape.len() - 2]);
        let factor = (rows / f64::from(last)).max(1.0).sqrt();
        let matrices = ops::reshape(part, &[count, first, -1])?;
        let update = ops::reshape(&self.orthogonal(&matrices)?, shape)?;
        ops::multiply(&scale(lr, factor)?, &update)
    }

    /// Matrices with their singular values near 1, `[n, rows, columns] -> [n, rows, columns]`.
    fn orthogonal(&self, matrices: &Array) -> Result<Array> {
        const A: f64 = 3.4445;
        const B: f64 = -4.7750;
        const C: f32 = 2.0315;
        let tall = matrices.dim(1)? > matrices.dim(2)?;
        let turn = |x: &Array| ops::transpose(x, &[0, 2, 1]);
        let x = match tall {
            true => turn(matrices)?,
            false => matrices.clone(),
        };
        let norm = ops::sqrt(&ops::sum(&ops::square(&x)?, &[1, 2], true)?)?;
        let eps = Array::scalar_as(1e-7, x.dtype())?;
        let mut x = ops::divide(&x, &ops::add(&norm, &eps)?)?;
        for _ in 0..self.ns_steps {
            let a = ops::matmul(&x, &turn(&x)?)?;
            let b = ops::addmm(&scale(&a, B)?, &a, &a, C, 1.0)?;
            x = ops::addmm(&scale(&x, A)?, &b, &x, 1.0, 1.0)?;
        }
        match tall {
            true => turn(&x),
            false => Ok(x),
        }
    }
}

impl Averages for Muon {
    type Rates = Array;

    fn check(&self, op: &'static str, buffers: &[Array]) -> Result<()> {
        check_positive(op, "momentum", self.momentum)?;
        check_positive(op, "weight decay", self.weight_decay)?;
        // Each is three products in the graph of every step.
        if self.ns_steps > MOST_STEPS {
            let text = format!(
                "invalid ns_steps {}: expected at most {MOST_STEPS}",
                self.ns_steps
            );
            return Err(Error::invalid(op, text));
        }
        // MLX's products take no float64.
        if buffers.iter().any(|b| b.dtype() == Dtype::Float64) {
            return Err(Error::invalid(
                op,
                "expected parameters of at most 32 bits, found float64".to_owned(),
            ));
        }
        Ok(())
    }

    fn slots(&self) -> &'static [&'static str] {
        &["v"]
    }

    fn rates(&self, lr: &Array, _: &Array, dtype: Dtype) -> Result<Array> {
        ops::astype(lr, dtype)
    }

    fn one(&self, buffer: Buffer<'_>, lr: &Array) -> Result<Vec<Array>> {
        let Buffer { w, at, shapes, .. } = buffer;
        let [update, v] = self.direction(w, buffer.g, buffer.old[0])?;
        let parts = shapes
            .split(at, &update)?
            .iter()
            .map(|part| self.run(part, lr))
            .collect::<Result<Vec<_>>>()?;
        let w = ops::subtract(w, &Shapes::join(&parts, w.shape())?)?;
        Ok(vec![w, v])
    }
}

optimizer!(Muon, "muon");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::Optimizer;
    use crate::random::{self, Key};

    #[test]
    fn steps_without_end_are_refused() {
        let muon = Muon {
            ns_steps: 1_000_000_000,
            ..Muon::default()
        };
        let weights = [ops::zeros(&[2, 2], Dtype::Float32).unwrap()];
        let error = muon.init(&weights).unwrap_err().to_string();
        assert!(error.contains("invalid ns_steps 1000000000"), "{error}");
    }

    #[test]
    fn the_iteration_gives_nearly_orthogonal_rows() {
        let x = random::normal(
            &[2, 3, 8],
            Dtype::Float32,
            0.0,
            5.0,
            Some(&Key::new(3).unwrap()),
        );
        let y = Muon::default().orthogonal(&x.unwrap()).unwrap();
        let turned = ops::transpose(&y, &[0, 2, 1]).unwrap();
        let gram = ops::matmul(&y, &turned).unwrap().to_vec::<f32>().unwrap();
        for (i, g) in gram.into_iter().enumerate() {
            // The iteration stops with singular values of 0.7 to 1.2.
            let wanted = if i % 9 % 4 == 0 { 0.4..1.6 } else { -0.5..0.5 };
            assert!(wanted.contains(&g), "{g} at {i}");
        }
    }
}
