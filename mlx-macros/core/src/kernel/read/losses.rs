//! Writes losses of elements and of rows, as `mlx.nn.losses` defines them.
//!
//! Tests: `tests/kernels.rs`; `mlx-tests --test every_kernel`.

use super::emit::{Emit, Emitted, Failed};
use super::ops;
use crate::ir::{self, Arg};
use crate::kernel::ir::{Binary, Op, Reduce, Scalar, Unary, V};
use crate::syntax::dims::Dim;
use crate::syntax::literals::literal;
use Binary::{Add, Divide, Less, Maximum, Minimum, Multiply, Subtract};

impl Emit<'_, '_> {
    /// A loss of each element.
    pub(super) fn loss(&mut self, name: &str, args: &[Arg]) -> Emitted {
        let f = |e: &mut Self, i: usize| e.operand(args.get(i).ok_or(Failed)?, Scalar::F32);
        let (x, t) = (f(self, 0)?, f(self, 1)?);
        let zero = self.float(0.0);
        match name {
            "binary_cross_entropy" => {
                let mut loss = match ops::flag(args.get(3)) {
                    true => {
                        let (soft, xt) = (self.softplus(x)?, self.binary(Multiply, x, t)?);
                        self.binary(Subtract, soft, xt)?
                    }
                    false => {
                        let (one, limit) = (self.float(1.0), self.float(-100.0));
                        let yes = self.unary(Unary::Log, x);
                        let yes = self.binary(Maximum, yes, limit)?;
                        let rest = self.binary(Subtract, one, x)?;
                        let no = self.unary(Unary::Log, rest);
                        let no = self.binary(Maximum, no, limit)?;
                        let yes = self.binary(Multiply, t, yes)?;
                        let other = self.binary(Subtract, one, t)?;
                        let no = self.binary(Multiply, other, no)?;
                        let sum = self.binary(Add, yes, no)?;
                        self.unary(Unary::Negative, sum)
                    }
                };
                if !matches!(args[2], Arg::Absent) {
                    let w = f(self, 2)?;
                    loss = self.binary(Multiply, loss, w)?;
                }
                Ok(loss)
            }
            "hinge_loss" => {
                let (one, xt) = (self.float(1.0), self.binary(Multiply, x, t)?);
                let margin = self.binary(Subtract, one, xt)?;
                self.binary(Maximum, margin, zero)
            }
            "margin_ranking_loss" => {
                // The second argument is another input here.
                let (apart, t) = (self.binary(Subtract, x, t)?, f(self, 2)?);
                let (turned, margin) = (self.unary(Unary::Negative, t), f(self, 3)?);
                let apart = self.binary(Multiply, turned, apart)?;
                let apart = self.binary(Add, apart, margin)?;
                self.binary(Maximum, apart, zero)
            }
            "gaussian_nll_loss" => {
                let (vars, eps) = (f(self, 2)?, f(self, 4)?);
                let vars = self.binary(Maximum, vars, eps)?;
                let apart = self.binary(Subtract, t, x)?;
                let square = self.binary(Multiply, apart, apart)?;
                let far = self.binary(Divide, square, vars)?;
                let log = self.unary(Unary::Log, vars);
                let both = self.binary(Add, log, far)?;
                let loss = self.scaled(0.5, both)?;
                match ops::flag(args.get(3)) {
                    true => self.shifted(loss, 0.5 * (2.0 * std::f64::consts::PI).ln()),
                    false => Ok(loss),
                }
            }
            _ => {
                let apart = self.binary(Subtract, x, t)?;
                self.distance(name, apart, args)
            }
        }
    }

    /// A loss of the difference of two elements.
    fn distance(&mut self, name: &str, apart: V, args: &[Arg]) -> Emitted {
        let d = self.unary(Unary::Abs, apart);
        match name {
            "mse_loss" => self.binary(Multiply, apart, apart),
            "l1_loss" => Ok(d),
            "smooth_l1_loss" => {
                let beta = self.operand(&args[2], Scalar::F32)?;
                let square = self.binary(Multiply, d, d)?;
                let near = self.scaled(0.5, square)?;
                let near = self.binary(Divide, near, beta)?;
                let half = self.scaled(0.5, beta)?;
                let far = self.binary(Subtract, d, half)?;
                let is_near = self.binary(Less, d, beta)?;
                self.select(is_near, near, far)
            }
            "huber_loss" => {
                let delta = self.operand(&args[2], Scalar::F32)?;
                let near = self.binary(Minimum, d, delta)?;
                let far = self.binary(Subtract, d, near)?;
                let square = self.binary(Multiply, near, near)?;
                let (near, far) = (
                    self.scaled(0.5, square)?,
                    self.binary(Multiply, delta, far)?,
                );
                self.binary(Add, near, far)
            }
            "log_cosh_loss" => {
                let turned = self.unary(Unary::Negative, apart);
                let both = self.binary(Binary::Logaddexp, apart, turned)?;
                self.shifted(both, -std::f64::consts::LN_2)
            }
            _ => Err(Failed),
        }
    }

    /// One value for each row of the first argument.
    pub(super) fn folded(&mut self, op: &ir::Op, args: &[Arg]) -> Emitted {
        let axes = self.operand_axes(&args[0]);
        let at = ops::axis_of(op, args, axes.len());
        let width = self.columns_of(&[&axes[at]])?;
        let x = self.operand(&args[0], Scalar::F32)?;
        let x = self.whole_row(x, &width);
        let sum = |e: &mut Self, v: V| match e.is_wide(v) {
            true => e.reduce(Reduce::Sum, v),
            false => v,
        };
        match op.name {
            "cross_entropy" => self.cross_entropy(x, &width, args),
            "nll_loss" => {
                let picked = self.picked(x, &args[1])?;
                Ok(self.unary(Unary::Negative, picked))
            }
            "kl_div_loss" => {
                let t = self.operand(&args[1], Scalar::F32)?;
                let (e, apart) = (self.unary(Unary::Exp, t), self.binary(Subtract, t, x)?);
                let each = self.binary(Multiply, e, apart)?;
                Ok(sum(self, each))
            }
            "vecdot" => {
                let y = self.operand(&args[1], Scalar::F32)?;
                let each = self.binary(Multiply, x, y)?;
                Ok(sum(self, each))
            }
            // `cosine_similarity_loss`
            _ => {
                let y = self.operand(&args[1], Scalar::F32)?;
                let y = self.whole_row(y, &width);
                let norm = |e: &mut Self, v: V| {
                    let square = e.binary(Multiply, v, v)?;
                    let square = sum(e, square);
                    Ok(e.unary(Unary::Sqrt, square))
                };
                let (a, b) = (norm(self, x)?, norm(self, y)?);
                let sizes = self.binary(Multiply, a, b)?;
                let eps = self.operand(&args[3], Scalar::F32)?;
                let sizes = self.binary(Maximum, sizes, eps)?;
                let each = self.binary(Multiply, x, y)?;
                let each = sum(self, each);
                self.binary(Divide, each, sizes)
            }
        }
    }

    fn whole_row(&mut self, v: V, width: &Option<Dim>) -> V {
        match width {
            Some(width) => self.spread(v, width),
            None => v,
        }
    }

    /// The element of a row that its index names.
    fn picked(&mut self, x: V, index: &Arg) -> Emitted {
        let Arg::Value(index) = *index else {
            return Err(Failed);
        };
        let index = self.value(index, 0)?;
        Ok(match self.is_wide(x) {
            true => self.push(Op::Take { of: x, index }, Scalar::F32, None),
            false => x,
        })
    }

    fn cross_entropy(&mut self, x: V, width: &Option<Dim>, args: &[Arg]) -> Emitted {
        let targets = match &args[1] {
            Arg::Value(id) => *id,
            _ => return Err(Failed),
        };
        let t = self.value(targets, 0)?;
        let (x, score) = match self.scalar(t) {
            // Probabilities; where they do not add up to 1, the shift is part of the result.
            Scalar::F32 => {
                let x = match self.is_wide(x) {
                    true => {
                        let max = self.reduce(Reduce::Max, x);
                        let max = self.stopped(max);
                        self.binary(Subtract, x, max)?
                    }
                    false => {
                        let max = self.stopped(x);
                        self.binary(Subtract, x, max)?
                    }
                };
                let each = self.binary(Multiply, x, t)?;
                let score = match self.is_wide(each) {
                    true => self.reduce(Reduce::Sum, each),
                    false => each,
                };
                (x, score)
            }
            _ => (x, self.picked(x, &args[1])?),
        };
        let all = self.logsumexp(x)?;
        let plain = self.binary(Subtract, all, score)?;
        let Arg::Scalar(smoothing) = &args[4] else {
            return Err(Failed);
        };
        let mut loss = plain;
        if literal(smoothing) != Some(0.0) {
            let s = self.operand(&args[4], Scalar::F32)?;
            let one = self.float(1.0);
            let rest = self.binary(Subtract, one, s)?;
            let kept = self.binary(Multiply, rest, score)?;
            let kept = self.binary(Subtract, all, kept)?;
            let width = width.clone().unwrap_or_else(|| Dim::constant(1));
            let mean = self.mean(x, &width)?;
            let mean = self.binary(Multiply, s, mean)?;
            let smooth = self.binary(Subtract, kept, mean)?;
            // Without smoothing the mean has no part in it, not even an infinite one.
            loss = match literal(smoothing) {
                Some(_) => smooth,
                None => {
                    let zero = self.float(0.0);
                    let some = self.binary(Binary::Greater, s, zero)?;
                    self.select(some, smooth, plain)?
                }
            };
        }
        if !matches!(args[2], Arg::Absent) {
            let w = self.operand(&args[2], Scalar::F32)?;
            loss = self.binary(Multiply, loss, w)?;
        }
        Ok(loss)
    }
}
