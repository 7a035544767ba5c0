//! Writes reductions, and what is composed of them.
//!
//! Tests: `tests/kernels.rs`.

use super::emit::{Emit, Emitted, Failed};
use super::ops;
use crate::ir::Arg;
use crate::kernel::ir::{Binary, Op, Reduce, Scalar, Unary, V};
use crate::syntax::dims::Dim;

impl Emit<'_, '_> {
    pub(super) fn along_the_row(&mut self, name: &'static str, args: &[Arg]) -> Emitted {
        let axes = self.operand_axes(&args[0]);
        let rank = axes.len();
        let at = match name {
            "rms_norm" | "layer_norm" => vec![rank - 1],
            _ => ops::axes(args.get(1), rank),
        };
        let along: Vec<_> = at.iter().map(|a| &axes[*a]).collect();
        let width = self.columns_of(&along)?;
        let scalar = self.meeting(&args[..1]);
        let mut x = self.operand(&args[0], scalar)?;
        if let Some(w) = &width {
            x = self.spread(x, w);
        }
        let width = width.unwrap_or_else(|| Dim::constant(1));
        match name {
            "sum" | "prod" => {
                let result = self.result();
                let x = self.to(x, result);
                Ok(self.over(
                    if name == "sum" {
                        Reduce::Sum
                    } else {
                        Reduce::Prod
                    },
                    x,
                ))
            }
            "max" => Ok(self.over(Reduce::Max, x)),
            "min" => Ok(self.over(Reduce::Min, x)),
            "argmax" => Ok(self.over(Reduce::ArgMax, x)),
            "argmin" => Ok(self.over(Reduce::ArgMin, x)),
            "all" | "any" => {
                let x = self.to(x, Scalar::Bool);
                Ok(self.over(
                    if name == "all" {
                        Reduce::All
                    } else {
                        Reduce::Any
                    },
                    x,
                ))
            }
            "mean" => self.mean(x, &width),
            "var" | "std" => {
                let mean = self.mean(x, &width)?;
                let apart = self.binary(Binary::Subtract, x, mean)?;
                let square = self.binary(Binary::Multiply, apart, apart)?;
                let sum = self.over(Reduce::Sum, square);
                let ddof = match args.get(3) {
                    Some(Arg::Int(n)) => *n,
                    _ => 0,
                };
                let by = self.size(&width.plus(&Dim::constant(-ddof)), Scalar::F32);
                let var = self.binary(Binary::Divide, sum, by)?;
                Ok(match name {
                    "var" => var,
                    _ => self.unary(Unary::Sqrt, var),
                })
            }
            "logsumexp" => self.logsumexp(x),
            "softmax" => self.softmax(x),
            "softmin" => {
                let x = self.unary(Unary::Negative, x);
                self.softmax(x)
            }
            "log_softmax" => {
                let max = self.over(Reduce::Max, x);
                let max = self.stopped(max);
                let x = self.binary(Binary::Subtract, x, max)?;
                let all = self.logsumexp(x)?;
                self.binary(Binary::Subtract, x, all)
            }
            "rms_norm" => {
                let square = self.binary(Binary::Multiply, x, x)?;
                let mean = self.mean(square, &width)?;
                let y = self.normed(x, mean, &args[2])?;
                self.affine(y, &args[1], Binary::Multiply)
            }
            "layer_norm" => {
                let mean = self.mean(x, &width)?;
                let apart = self.binary(Binary::Subtract, x, mean)?;
                let square = self.binary(Binary::Multiply, apart, apart)?;
                let var = self.mean(square, &width)?;
                let y = self.normed(apart, var, &args[3])?;
                let y = self.affine(y, &args[1], Binary::Multiply)?;
                self.affine(y, &args[2], Binary::Add)
            }
            _ => Err(Failed),
        }
    }

    /// A reduction; of one column, what it comes to.
    fn over(&mut self, op: Reduce, x: V) -> V {
        match (self.is_wide(x), op) {
            (true, _) => self.reduce(op, x),
            (false, Reduce::ArgMax | Reduce::ArgMin) => self.whole(0, Scalar::U32),
            (false, _) => x,
        }
    }

    pub(super) fn mean(&mut self, x: V, width: &Dim) -> Emitted {
        let sum = self.over(Reduce::Sum, x);
        let (one, n) = (self.float(1.0), self.size(width, Scalar::F32));
        let by = self.binary(Binary::Divide, one, n)?;
        self.binary(Binary::Multiply, sum, by)
    }

    /// The same value, which no gradient passes.
    pub(super) fn stopped(&mut self, x: V) -> V {
        let (scalar, width) = (self.scalar(x), self.width_of(x));
        self.push(Op::Cast(x), scalar, width)
    }

    fn softmax(&mut self, x: V) -> Emitted {
        let max = self.over(Reduce::Max, x);
        let max = self.stopped(max);
        let apart = self.binary(Binary::Subtract, x, max)?;
        let e = self.unary(Unary::Exp, apart);
        let sum = self.over(Reduce::Sum, e);
        self.binary(Binary::Divide, e, sum)
    }

    /// MLX gives the maximum itself where it is infinite.
    pub(super) fn logsumexp(&mut self, x: V) -> Emitted {
        let max = self.over(Reduce::Max, x);
        let max = self.stopped(max);
        let apart = self.binary(Binary::Subtract, x, max)?;
        let e = self.unary(Unary::Exp, apart);
        let sum = self.over(Reduce::Sum, e);
        let log = self.unary(Unary::Log, sum);
        let finite = self.binary(Binary::Add, log, max)?;
        let inf = self.unary(Unary::IsInf, max);
        self.select(inf, max, finite)
    }

    /// `x / sqrt(square + eps)`.
    fn normed(&mut self, x: V, square: V, eps: &Arg) -> Emitted {
        let eps = self.operand(eps, Scalar::F32)?;
        let shifted = self.binary(Binary::Add, square, eps)?;
        let by = self.unary(Unary::Rsqrt, shifted);
        self.binary(Binary::Multiply, x, by)
    }

    fn affine(&mut self, x: V, by: &Arg, op: Binary) -> Emitted {
        match by {
            Arg::Absent => Ok(x),
            by => {
                let by = self.operand(by, Scalar::F32)?;
                self.binary(op, x, by)
            }
        }
    }
}
