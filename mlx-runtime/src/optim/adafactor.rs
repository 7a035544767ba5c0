//! The Adafactor optimiser.
//!
//! Tests: `mlx-tests --test parity_optim`.

use super::optimizer::{check_init, check_positive, check_step, decimal, scale};
use super::{OptimState, Optimizer, Rate, Shapes};
use crate::kernels::updates::adafactor;
use crate::ops;
use crate::{Array, Dtype, Error, Result};

/// Adafactor (Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", ICML
/// 2018, arXiv:1804.04235). The same arithmetic as MLX's `optimizers.Adafactor`.
///
/// ```text
/// rho = min(1e-2, 1 / sqrt(t))         with relative_step; min(1e-6 t, ..) with warmup_init; else lr
/// a = rho max(eps2, rms(w))            with scale_parameter; else rho
/// b2 = 1 - t^decay_rate
/// r = b2 r + (1 - b2) mean of (g^2 + eps1) over columns         c likewise over rows
/// u = g / sqrt(r c / mean(r))          or, of a vector:  v = b2 v + (1 - b2) (g^2 + eps1); u = g / sqrt(v)
/// u = a u / max(1, rms(u) / clip_threshold)
/// m = beta_1 m + (1 - beta_1) u; u = m                          where beta_1 is set
/// w = w - weight_decay a w - u
/// ```
///
/// The averages of a matrix are a row and a column, so the state is small. They and the two `rms` belong
/// to single tensors: all tensors of one shape that lie side by side in a buffer are taken as one array
/// `[count, shape..]`, so the number of kernels depends on how many different shapes are trained, not
/// on how many layers there are.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Adafactor {
    /// The step size if `relative_step` is off and [`Optimizer::step`] is given none.
    pub learning_rate: f32,
    /// The first is added to the squared gradient; the second is the smallest size of a parameter for
    /// `scale_parameter`.
    pub eps: (f32, f32),
    /// The largest root mean square of an update before it is scaled.
    pub clip_threshold: f32,
    /// The exponent with which the average forgets more slowly.
    pub decay_rate: f32,
    /// The decay rate of a running average of updates; `None` keeps no average.
    pub beta_1: Option<f32>,
    /// The weight decay, times the step size.
    pub weight_decay: f32,
    /// True if a step is in proportion to the root mean square of the parameter.
    pub scale_parameter: bool,
    /// True if the step size comes from the number of steps, false if it comes from the learning rate.
    pub relative_step: bool,
    /// True if the step size of `relative_step` begins small.
    pub warmup_init: bool,
}

impl Default for Adafactor {
    /// MLX's defaults. MLX has none for the learning rate, which is 1e-3 here and is not used while `relative_step` is
    /// on.
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            eps: (1e-30, 1e-3),
            clip_threshold: 1.0,
            decay_rate: -0.8,
            beta_1: None,
            weight_decay: 0.0,
            scale_parameter: true,
            relative_step: true,
            warmup_init: false,
        }
    }
}

/// The values that depend only on the step, in one dtype.
struct Rates {
    /// The step size before it is scaled by the parameter.
    size: Array,
    b2: Array,
    /// 1 - b2.
    rest: Array,
}

/// The averages of tensors of one shape: of rows and columns, or of all elements.
enum Averages {
    Factored(Array, Array),
    Whole(Array),
}

/// `mean(a^2)` of each tensor, `[count, shape..] -> [count, 1..]`.
fn mean_square(a: &Array) -> Result<Array> {
    let square = ops::square(a)?;
    let axes: Vec<i32> = (1..a.ndim() as i32).collect();
    match axes.is_empty() {
        true => Ok(square),
        false => ops::mean(&square, &axes, true),
    }
}

impl Adafactor {
    fn rates(&self, step: &Array, lr: &Array, dtype: Dtype) -> Result<Rates> {
        let t = ops::astype(step, Dtype::Float32)?;
        let size = match self.relative_step {
            false => lr.clone(),
            true => {
                let most = match self.warmup_init {
                    true => scale(&t, 1e-6)?,
                    false => Array::scalar(1e-2f32)?,
                };
                ops::minimum(&most, &ops::rsqrt(&t)?)?
            }
        };
        let decay = ops::power(&t, &Array::scalar(self.decay_rate)?)?;
        let one = Array::scalar_as(1.0, dtype)?;
        let b2 = ops::subtract(&one, &ops::astype(&decay, dtype)?)?;
        Ok(Rates {
            size: ops::astype(&size, dtype)?,
            rest: ops::subtract(&one, &b2)?,
            b2,
        })
    }

    /// The direction of the update with its mean square, and the new averages.
    fn direction(
        &self,
        g: &Array,
        old: Averages,
        rates: &Rates,
    ) -> Result<([Array; 2], Averages)> {
        let shared = adafactor::Rates {
            keep: &rates.b2,
            take: &rates.rest,
            eps: decimal(self.eps.0),
        };
        if let Averages::Whole(v) = &old {
            if let Some(found) = adafactor::vectors(g, v, &shared) {
                let [u, square, v] = found?;
                return Ok(([u, square], Averages::Whole(v)));
            }
        }
        let eps = Array::scalar_as(decimal(self.eps.0), g.dtype())?;
        let square = ops::add(&ops::square(g)?, &eps)?;
        let average = |old: &Array, new: &Array| {
            ops::add(
                &ops::multiply(&rates.b2, old)?,
                &ops::multiply(&rates.rest, new)?,
            )
        };
        match old {
            Averages::Whole(v) => {
                let v = average(&v, &square)?;
                let u = ops::multiply(&ops::rsqrt(&v)?, g)?;
                let square = mean_square(&u)?;
                Ok(([u, square], Averages::Whole(v)))
            }
            Averages::Factored(row, col) => {
                let row = match adafactor::rows(g, &row, &shared) {
                    Some(row) => row?,
                    None => average(&row, &ops::mean(&square, &[-1], false)?)?,
                };
                let col = average(&col, &ops::mean(&square, &[-2], false)?)?;
                let share = ops::divide(&row, &ops::mean(&row, &[-1], true)?)?;
                let share = ops::expand_dims(&share, &[-1])?;
                let column = ops::expand_dims(&col, &[-2])?;
                let both = match adafactor::matrices(g, &share, &column) {
                    Some(both) => both?,
                    None => {
                        let (r, c) = (ops::rsqrt(&share)?, ops::rsqrt(&column)?);
                        let u = ops::multiply(&ops::multiply(&r, &c)?, g)?;
                        let square = mean_square(&u)?;
                        [u, square]
                    }
                };
                Ok((both, Averages::Factored(row, col)))
            }
        }
    }

    /// The step size of each tensor.
    fn size(&self, w: &Array, rates: &Rates) -> Result<Array> {
        if !self.scale_parameter {
            return Ok(rates.size.clone());
        }
        let least = Array::scalar_as(decimal(self.eps.1), w.dtype())?;
        let rms = ops::sqrt(&mean_square(w)?)?;
        ops::multiply(&ops::maximum(&least, &rms)?, &rates.size)
    }

    /// `size` times the direction, no longer than allowed.
    fn clipped(&self, [u, square]: &[Array; 2], size: &Array) -> Result<Array> {
        let threshold = Array::scalar_as(decimal(self.clip_threshold), u.dtype())?;
        let long = ops::divide(&ops::sqrt(square)?, &threshold)?;
        let u = ops::divide(u, &ops::maximum(&Array::scalar_as(1.0, u.dtype())?, &long)?)?;
        ops::multiply(size, &u)
    }

    /// The number of arrays of averages for the tensors of one shape.
    fn averages(&self, shape: &[i32]) -> usize {
        1 + usize::from(shape.len() >= 2)
    }
}

impl Optimizer for Adafactor {
    fn name(&self) -> &'static str {
        "adafactor"
    }

    fn learning_rate(&self) -> f32 {
        self.learning_rate
    }

    fn init_buffers(&self, shapes: &Shapes, buffers: &[Array]) -> Result<OptimState> {
        const OP: &str = "Adafactor::init";
        check_positive(OP, "eps", self.eps.0)?;
        check_positive(OP, "eps", self.eps.1)?;
        check_positive(OP, "weight decay", self.weight_decay)?;
        // Written so that NaN is refused, too.
        if !(self.clip_threshold > 0.0 && self.decay_rate.is_finite()) {
            let text = format!(
                "expected a clip threshold above 0 and a finite decay rate, found {} and {}",
                self.clip_threshold, self.decay_rate
            );
            return Err(Error::invalid(OP, text));
        }
        super::optimizer::check_betas(OP, self.beta_1.as_slice())?;
        check_init(OP, shapes, buffers)?;
        let mut named = vec![("step".to_owned(), Array::scalar(0u64)?)];
        for (i, (runs, w)) in shapes.buffers().iter().zip(buffers).enumerate() {
            for (j, run) in runs.iter().enumerate() {
                let mut add = |name: &str, shape: &[i32]| {
                    let shape = [&[run.count], shape].concat();
                    let zeros = ops::zeros(&shape, w.dtype())?;
                    named.push((format!("{name}.{i}.{j}"), zeros));
                    Ok::<_, Error>(())
                };
                match run.shape.as_slice() {
                    [first @ .., a, b] => {
                        add("exp_avg_sq_row", &[first, &[*a]].concat())?;
                        add("exp_avg_sq_col", &[first, &[*b]].concat())?;
                    }
                    all => add("exp_avg_sq", all)?,
                }
            }
            if self.beta_1.is_some() {
                named.push((format!("exp_avg.{i}"), ops::zeros_like(w)?));
            }
        }
        Ok(OptimState::new(named))
    }

    fn step_buffers(
        &self,
        shapes: &Shapes,
        buffers: &[Array],
        grads: &[Array],
        state: &OptimState,
        lr: &Array,
    ) -> Result<(Vec<Array>, OptimState)> {
        const OP: &str = "Adafactor::step";
        let runs = shapes.buffers().iter().flatten();
        let averages: usize = runs.map(|run| self.averages(&run.shape)).sum();
        let means = self.beta_1.map_or(0, |_| buffers.len());
        let arrays = 1 + averages + means;
        check_step(OP, shapes, buffers, grads, state, arrays)?;
        let mut old = state.arrays().iter().cloned();
        let mut take = || {
            let missing = || Error::invalid(OP, "too few averages".to_owned());
            old.next().ok_or_else(missing)
        };
        let step = ops::add(&take()?, &Array::scalar(1u64)?)?;
        let mut rates = Rate::with(|dtype| self.rates(&step, lr, dtype));
        let (mut new, mut next) = (Vec::new(), vec![step.clone()]);
        for (i, (w, g)) in buffers.iter().zip(grads).enumerate() {
            let rates = rates.of(w.dtype())?;
            let (mut updates, mut sizes) = (Vec::new(), Vec::new());
            for (w, g) in shapes.split(i, w)?.iter().zip(&shapes.split(i, g)?) {
                let old = match self.averages(&w.shape()[1..]) {
                    1 => Averages::Whole(take()?),
                    _ => Averages::Factored(take()?, take()?),
                };
                let (u, averages) = self.direction(g, old, rates)?;
                match averages {
                    Averages::Whole(v) => next.push(v),
                    Averages::Factored(row, col) => next.extend([row, col]),
                }
                let size = self.size(w, rates)?;
                updates.push(self.clipped(&u, &size)?);
                sizes.push(size);
            }
            let mut update = Shapes::join(&updates, w.shape())?;
            if let Some(beta) = self.beta_1.map(decimal) {
                update = ops::add(&scale(&take()?, beta)?, &scale(&update, 1.0 - beta)?)?;
                next.push(update.clone());
            }
            let mut w = w.clone();
            if self.weight_decay != 0.0 {
                w = self.decayed(&w, &shapes.split(i, &w)?, &sizes)?;
            }
            new.push(ops::subtract(&w, &update)?);
        }
        Ok((new, state.with_arrays(next)?))
    }
}

impl Adafactor {
    fn decayed(&self, w: &Array, parts: &[Array], sizes: &[Array]) -> Result<Array> {
        let taken = parts
            .iter()
            .zip(sizes)
            .map(|(w, size)| ops::multiply(w, &scale(size, -decimal(self.weight_decay))?))
            .collect::<Result<Vec<_>>>()?;
        ops::add(w, &Shapes::join(&taken, w.shape())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_errors() {
        let w = [Array::from_slice(&[1f32, 2.], &[2, 1]).unwrap()];
        let ok = Adafactor::default();
        assert_eq!(
            ok.init(&w).unwrap().names(),
            ["step", "exp_avg_sq_row.0.0", "exp_avg_sq_col.0.0"]
        );
        for bad in [
            Adafactor {
                beta_1: Some(1.0),
                ..ok.clone()
            },
            Adafactor {
                clip_threshold: 0.0,
                ..ok.clone()
            },
            Adafactor {
                decay_rate: f32::NAN,
                ..ok.clone()
            },
        ] {
            assert!(bad.init(&w).is_err(), "{bad:?}");
        }
    }
}
