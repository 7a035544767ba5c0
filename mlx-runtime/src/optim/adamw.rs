//! AdamW and Adam.

use crate::ops;
use crate::{Array, Dtype, Error, Result};

/// AdamW (Loshchilov and Hutter, ICLR 2019); Adam (Kingma and Ba, ICLR 2015) with a
/// `weight_decay` of 0. The same arithmetic, in the same order, as MLX's `optimizers.AdamW`.
///
/// ```text
/// m = b1 m + (1 - b1) g          v = b2 v + (1 - b2) g^2
/// w = w (1 - lr weight_decay)
/// w = w - lr m / (sqrt(v) + eps)                                without bias correction
/// w = w - (lr / (1 - b1^t)) m / (sqrt(v) / sqrt(1 - b2^t) + eps)   with it
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    /// The step size where [`AdamW::step`] is given none.
    pub learning_rate: f32,
    /// How much of the running averages of gradient and squared gradient each step keeps.
    pub betas: (f32, f32),
    /// Added to the denominator.
    pub eps: f32,
    /// How much of the parameters each step takes away, times the learning rate.
    pub weight_decay: f32,
    /// Whether to correct the averages for their start at zero. MLX's default is not to.
    pub bias_correction: bool,
}

impl Default for AdamW {
    /// MLX's defaults; MLX has none for the learning rate, which is 1e-3 here.
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.01,
            bias_correction: false,
        }
    }
}

/// What an optimiser carries from step to step: arrays only, so that it can be saved whole.
#[derive(Clone, Debug)]
pub struct OptimState {
    /// The number of steps taken, a uint64 scalar.
    pub step: Array,
    /// The running average of the gradient, for each parameter.
    pub m: Vec<Array>,
    /// The running average of the squared gradient, for each parameter.
    pub v: Vec<Array>,
}

impl OptimState {
    /// All arrays: the step, then each `m`, then each `v`.
    pub fn arrays(&self) -> Vec<Array> {
        let mut out = Vec::with_capacity(1 + self.m.len() + self.v.len());
        out.push(self.step.clone());
        out.extend_from_slice(&self.m);
        out.extend_from_slice(&self.v);
        out
    }

    /// From what [`OptimState::arrays`] gave.
    ///
    /// # Errors
    /// If the number of arrays is even, or the first is not a uint64 scalar.
    pub fn from_arrays(arrays: &[Array]) -> Result<Self> {
        let bad = |what: String| Err(Error::invalid("OptimState::from_arrays", what));
        let Some((step, rest)) = arrays.split_first() else {
            return bad("no arrays".to_owned());
        };
        if rest.len() % 2 != 0 {
            return bad(format!("{} averages are not pairs of m and v", rest.len()));
        }
        if step.dtype() != Dtype::Uint64 || step.ndim() != 0 {
            return bad(format!("the step is a uint64 scalar, not {step:?}"));
        }
        let (m, v) = rest.split_at(rest.len() / 2);
        Ok(Self {
            step: step.clone(),
            m: m.to_vec(),
            v: v.to_vec(),
        })
    }
}

/// `lr` and what depends only on it and the step, in the dtype of one gradient.
struct Rates {
    dtype: Dtype,
    lr: Array,
    /// With bias correction: lr / (1 - b1^t), and 1 / sqrt(1 - b2^t).
    corrected: Option<(Array, Array)>,
}

impl AdamW {
    /// The state before the first step: averages of zero in each parameter's dtype.
    ///
    /// # Errors
    /// If a setting is out of its range (`0 <= beta < 1`, `eps >= 0`), or a parameter is not
    /// floating point.
    pub fn init(&self, params: &[Array]) -> Result<OptimState> {
        const OP: &str = "AdamW::init";
        for beta in [self.betas.0, self.betas.1] {
            if !(0.0..1.0).contains(&beta) {
                return Err(Error::invalid(OP, format!("beta {beta} is not in 0..1")));
            }
        }
        // Written so that NaN is refused, too.
        if !(self.eps >= 0.0 && self.weight_decay >= 0.0) {
            return Err(Error::invalid(
                OP,
                format!(
                    "eps {} or weight decay {} is negative",
                    self.eps, self.weight_decay
                ),
            ));
        }
        if let Some(p) = params.iter().find(|p| !p.dtype().is_float()) {
            return Err(Error::new(
                crate::ErrorKind::Dtype,
                format!("a parameter is {}, not floating point", p.dtype()),
            )
            .with_op(OP));
        }
        let zeros = || {
            params
                .iter()
                .map(ops::zeros_like)
                .collect::<Result<Vec<_>>>()
        };
        Ok(OptimState {
            step: Array::scalar(0u64)?,
            m: zeros()?,
            v: zeros()?,
        })
    }

    /// One step: the new parameters and the new state. `lr` is a scalar array, so that a compiled
    /// step sees a new value each time; `None` takes `learning_rate`.
    ///
    /// # Errors
    /// If the numbers of parameters, gradients and averages differ, or a gradient's shape is not
    /// its parameter's.
    pub fn step(
        &self,
        params: &[Array],
        grads: &[Array],
        state: &OptimState,
        lr: Option<&Array>,
    ) -> Result<(Vec<Array>, OptimState)> {
        const OP: &str = "AdamW::step";
        let n = params.len();
        if grads.len() != n || state.m.len() != n || state.v.len() != n {
            return Err(Error::invalid(
                OP,
                format!(
                    "{n} parameters, {} gradients, {} and {} averages",
                    grads.len(),
                    state.m.len(),
                    state.v.len()
                ),
            ));
        }
        let lr = match lr {
            Some(lr) => lr.clone(),
            None => Array::scalar(self.learning_rate)?,
        };
        let step = ops::add(&state.step, &Array::scalar(1u64)?)?;
        let mut rates: Option<Rates> = None;
        let mut next = OptimState {
            step,
            m: Vec::with_capacity(n),
            v: Vec::with_capacity(n),
        };
        let mut new_params = Vec::with_capacity(n);
        for i in 0..n {
            let (w, g) = (&params[i], &grads[i]);
            if w.shape() != g.shape() {
                return Err(Error::shape(
                    OP,
                    format!(
                        "gradient {i} has shape {:?}, its parameter {:?}",
                        g.shape(),
                        w.shape()
                    ),
                ));
            }
            // Made anew only where the dtype changes: groups of one dtype share them.
            let rates = match rates.take().filter(|r| r.dtype == g.dtype()) {
                Some(r) => rates.insert(r),
                None => rates.insert(self.rates(&lr, &next.step, g.dtype())?),
            };
            let (w, m, v) = self.one(w, g, &state.m[i], &state.v[i], rates)?;
            new_params.push(w);
            next.m.push(m);
            next.v.push(v);
        }
        Ok((new_params, next))
    }

    fn rates(&self, lr: &Array, step: &Array, dtype: Dtype) -> Result<Rates> {
        let lr = ops::astype(lr, dtype)?;
        let corrected = if self.bias_correction {
            let one = Array::scalar(1.0f32)?;
            let rest = |beta: f32| ops::subtract(&one, &ops::power(&Array::scalar(beta)?, step)?);
            let c1 = ops::astype(&ops::divide(&lr, &rest(self.betas.0)?)?, dtype)?;
            let c2 = ops::astype(&ops::rsqrt(&rest(self.betas.1)?)?, dtype)?;
            Some((c1, c2))
        } else {
            None
        };
        Ok(Rates {
            dtype,
            lr,
            corrected,
        })
    }

    fn one(
        &self,
        w: &Array,
        g: &Array,
        m: &Array,
        v: &Array,
        rates: &Rates,
    ) -> Result<(Array, Array, Array)> {
        // Constants take their operand's dtype, as Python's numbers do.
        let scale = |a: &Array, by: f64| ops::multiply(&Array::scalar_as(by, a.dtype())?, a);
        // The betas in double precision, as in Python: 1 - 0.999 is not exact in float32.
        let (b1, b2) = (decimal(self.betas.0), decimal(self.betas.1));
        let m = ops::add(&scale(m, b1)?, &scale(g, 1.0 - b1)?)?;
        let v = ops::add(&scale(v, b2)?, &scale(&ops::square(g)?, 1.0 - b2)?)?;
        let mut w = w.clone();
        if self.weight_decay != 0.0 {
            let one = Array::scalar_as(1.0, rates.dtype)?;
            let kept = ops::subtract(&one, &scale(&rates.lr, decimal(self.weight_decay))?)?;
            w = ops::multiply(&w, &kept)?;
        }
        let root = ops::sqrt(&v)?;
        let eps = Array::scalar_as(decimal(self.eps), root.dtype())?;
        let (numerator, root) = match &rates.corrected {
            Some((c1, c2)) => (ops::multiply(c1, &m)?, ops::multiply(&root, c2)?),
            None => (ops::multiply(&rates.lr, &m)?, root),
        };
        let update = ops::divide(&numerator, &ops::add(&root, &eps)?)?;
        Ok((ops::subtract(&w, &update)?, m, v))
    }
}

/// The shortest decimal number that is `x` in float32, in double precision: the number that was
/// typed, as Python would read it.
fn decimal(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn params() -> Vec<Array> {
        vec![Array::from_slice(&[1.0f32, -2.0], &[2]).unwrap()]
    }

    #[test]
    fn settings_out_of_range_are_errors() {
        let ok = AdamW::default();
        for bad in [
            AdamW {
                betas: (1.0, 0.9),
                ..ok.clone()
            },
            AdamW {
                betas: (0.9, f32::NAN),
                ..ok.clone()
            },
            AdamW {
                eps: -1.0,
                ..ok.clone()
            },
            AdamW {
                weight_decay: f32::NAN,
                ..ok.clone()
            },
        ] {
            assert_eq!(
                bad.init(&params()).unwrap_err().kind(),
                ErrorKind::InvalidArgument
            );
        }
        let ints = [Array::scalar(1i32).unwrap()];
        assert_eq!(ok.init(&ints).unwrap_err().kind(), ErrorKind::Dtype);
    }

    #[test]
    fn counts_and_shapes_are_checked() {
        let opt = AdamW::default();
        let p = params();
        let state = opt.init(&p).unwrap();
        assert!(opt.step(&p, &[], &state, None).is_err());
        let wide = [Array::from_slice(&[1.0f32; 3], &[3]).unwrap()];
        assert_eq!(
            opt.step(&p, &wide, &state, None).unwrap_err().kind(),
            ErrorKind::Shape
        );
    }

    #[test]
    fn state_round_trips_through_its_arrays() {
        let opt = AdamW {
            bias_correction: true,
            ..AdamW::default()
        };
        let p = params();
        let (_, state) = opt.step(&p, &p, &opt.init(&p).unwrap(), None).unwrap();
        let again = OptimState::from_arrays(&state.arrays()).unwrap();
        assert_eq!(again.step.item::<u64>().unwrap(), 1);
        assert_eq!(
            again.v[0].to_vec::<f32>().unwrap(),
            state.v[0].to_vec::<f32>().unwrap()
        );
        for bad in [
            &state.arrays()[..0],
            &state.arrays()[..2],
            &state.arrays()[1..],
        ] {
            assert!(OptimState::from_arrays(bad).is_err());
        }
    }

    #[test]
    fn half_precision_stays_half_precision() {
        let p = [ops::ones(&[4], Dtype::Bfloat16).unwrap()];
        for bias_correction in [false, true] {
            let opt = AdamW {
                bias_correction,
                ..AdamW::default()
            };
            let (q, s) = opt.step(&p, &p, &opt.init(&p).unwrap(), None).unwrap();
            for a in [&q[0], &s.m[0], &s.v[0]] {
                assert_eq!(a.dtype(), Dtype::Bfloat16);
            }
        }
    }

    #[test]
    fn decimals_are_what_was_typed() {
        assert_eq!(decimal(0.999), 0.999);
        assert_eq!(decimal(1e-8), 1e-8);
    }
}
