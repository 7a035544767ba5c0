//! The AdamW optimiser, and the arithmetic that it shares with Adam.
//!
//! Tests: `mlx-tests --test parity_optim`.

use super::averages::{optimizer, Averages, Buffer};
use super::optimizer::{check_betas, check_positive, decimal, scale};
use crate::kernels::updates::adam;
use crate::{ops, Array, Dtype, Result};

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
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct AdamW {
    /// The step size if [`step`](super::Optimizer::step) is given none.
    pub learning_rate: f32,
    /// The decay rates of the running averages of gradient and squared gradient.
    pub betas: (f32, f32),
    /// Added to the denominator.
    pub eps: f32,
    /// The weight decay, times the learning rate.
    pub weight_decay: f32,
    /// True to correct the averages for their start at zero. MLX's default is false.
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

/// `lr` and the values that depend only on it and the step, in the dtype of one gradient.
pub(super) struct Rates {
    dtype: Dtype,
    lr: Array,
    /// With bias correction: lr / (1 - b1^t), and 1 / sqrt(1 - b2^t).
    corrected: Option<(Array, Array)>,
}

impl Averages for AdamW {
    type Rates = Rates;

    fn check(&self, op: &'static str, _: &[Array]) -> Result<()> {
        check_betas(op, &[self.betas.0, self.betas.1])?;
        check_positive(op, "eps", self.eps)?;
        check_positive(op, "weight decay", self.weight_decay)
    }

    /// Averages of zero in each parameter's dtype.
    fn slots(&self) -> &'static [&'static str] {
        &["m", "v"]
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

    fn one(&self, buffer: Buffer<'_>, rates: &Rates) -> Result<Vec<Array>> {
        let (w, g, m, v) = (buffer.w, buffer.g, buffer.old[0], buffer.old[1]);
        // The betas in double precision, as in Python: 1 - 0.999 is not exact in float32.
        let (b1, b2) = (decimal(self.betas.0), decimal(self.betas.1));
        let shared = adam::Rates {
            betas: (b1, b2),
            eps: decimal(self.eps),
            decay: decimal(self.weight_decay),
            lr: &rates.lr,
            corrected: rates.corrected.as_ref().map(|(a, b)| (a, b)),
        };
        if let Some(next) = adam::adam([w, m, v, g], &shared) {
            return next.map(Vec::from);
        }
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
        Ok(vec![ops::subtract(&w, &update)?, m, v])
    }
}

optimizer!(AdamW, "adamw");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::Optimizer;
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
    fn half_precision_stays_half_precision() {
        let p = [ops::ones(&[4], Dtype::Bfloat16).unwrap()];
        for bias_correction in [false, true] {
            let opt = AdamW {
                bias_correction,
                ..AdamW::default()
            };
            let (q, s) = opt.step(&p, &p, &opt.init(&p).unwrap(), None).unwrap();
            for a in [&q[0], s.get("m.0").unwrap(), s.get("v.0").unwrap()] {
                assert_eq!(a.dtype(), Dtype::Bfloat16);
            }
        }
    }
}
