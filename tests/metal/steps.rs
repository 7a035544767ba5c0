//! The instructions that random programs choose from.

use mlx_macros_core::kernel::ir::{Binary, Constant, Op, Reduce, Scalar, Unary, V};

use crate::random::{dim, number, Maker};

impl Maker {
    pub(super) fn step(&mut self) -> V {
        match self.random.below(12) {
            0..=2 => self.unary_step(),
            3..=6 => self.binary_step(),
            7 | 8 => self.reduce_step(),
            9 => self.whole_step(),
            10 => self.column_step(),
            _ => self.select_step(),
        }
    }

    fn unary_step(&mut self) -> V {
        use Unary::*;
        let a = self.any(Scalar::F32);
        let bound = self.bounds[a];
        match self.random.below(14) {
            0 => self.unary(Negative, a, bound),
            1 => self.unary(Abs, a, bound),
            2 => {
                let op = *self.random.pick(&[Floor, Ceil, Trunc, Round, Sign]);
                self.unary(op, a, bound + 1.0)
            }
            3 => {
                let a = self.small(a, 6.0);
                let op = *self.random.pick(&[Exp, Expm1, Sinh, Cosh]);
                self.unary(op, a, 500.0)
            }
            4 => {
                let a = self.positive(a, 0.1);
                let op = *self.random.pick(&[Log, Log2, Log10, Log1p, Sqrt]);
                let bound = self.bounds[a].sqrt() + 4.0;
                self.unary(op, a, bound)
            }
            5 => {
                let a = self.positive(a, 0.1);
                self.unary(Rsqrt, a, 4.0)
            }
            6 => {
                let a = self.small(a, 4.0);
                let half = self.float(0.2);
                let a = self.binary(Binary::Multiply, a, half, 0.8);
                let op = *self.random.pick(&[Arcsin, Arccos, Arctanh, Erfinv]);
                self.unary(op, a, 4.0)
            }
            7 => {
                let op = *self.random.pick(&[Arcsinh, Arctan]);
                self.unary(op, a, bound.min(20.0))
            }
            8 => {
                let a = self.positive(a, 1.1);
                self.unary(Arccosh, a, 20.0)
            }
            9 => {
                let a = self.small(a, 1.4);
                self.unary(Tan, a, 8.0)
            }
            // Outside the domain, too.
            10 if self.random.one_in(4) => {
                let op = *self.random.pick(&[Sqrt, Log, Rsqrt, Exp, Arccosh]);
                self.unary(op, a, 50.0)
            }
            _ => self.squashed(a),
        }
    }

    fn binary_step(&mut self) -> V {
        use Binary::*;
        let (a, b) = (self.any(Scalar::F32), self.any(Scalar::F32));
        let (x, y) = (self.bounds[a], self.bounds[b]);
        match self.random.below(12) {
            0..=2 => self.binary(Add, a, b, x + y),
            3 => self.binary(Subtract, a, b, x + y),
            4..=6 => {
                let (a, b) = (self.small(a, 100.0), self.small(b, 100.0));
                let bound = self.bounds[a] * self.bounds[b];
                self.binary(Multiply, a, b, bound)
            }
            7 => {
                let b = self.positive(b, 0.5);
                self.binary(Divide, a, b, x * 2.0)
            }
            8 => {
                let op = *self.random.pick(&[Maximum, Minimum]);
                self.binary(op, a, b, x.max(y))
            }
            9 => {
                let (a, b) = (self.small(a, 20.0), self.small(b, 20.0));
                self.binary(Logaddexp, a, b, 21.0)
            }
            10 => {
                let a = self.positive(a, 0.3);
                let (a, b) = (self.small(a, 4.0), self.small(b, 2.0));
                let a = self.positive(a, 0.3);
                self.binary(Power, a, b, 30.0)
            }
            _ => match self.random.below(3) {
                0 => self.binary(Arctan2, a, b, 3.2),
                op => {
                    let b = self.positive(b, 0.5);
                    let op = if op == 1 { Remainder } else { FloorDivide };
                    self.binary(op, a, b, x.max(y) * 2.0 + 1.0)
                }
            },
        }
    }

    fn reduce_step(&mut self) -> V {
        let d = Some(self.width.clone());
        let wide: Vec<V> = (0..self.program.values.len())
            .filter(|v| self.program.values[*v].width == d)
            .collect();
        let recent = wide.len().saturating_sub(5);
        let of = *self.random.pick(&wide[recent..]);
        let scalar = self.program.values[of].scalar;
        let bound = self.bounds[of];
        use Reduce::*;
        let (op, result) = match scalar {
            Scalar::Bool => (*self.random.pick(&[All, Any]), Scalar::Bool),
            Scalar::I32 | Scalar::U32 => {
                let op = *self.random.pick(&[Sum, Max, Min, ArgMax, ArgMin]);
                let arg = matches!(op, ArgMax | ArgMin);
                (op, if arg { Scalar::U32 } else { scalar })
            }
            Scalar::F32 => {
                let op = *self
                    .random
                    .pick(&[Sum, Sum, Sum, Max, Max, Min, ArgMax, ArgMin]);
                let arg = matches!(op, ArgMax | ArgMin);
                (op, if arg { Scalar::U32 } else { scalar })
            }
        };
        let bound = if op == Sum { bound * 128.0 } else { bound };
        let sum = self.push(Op::Reduce(op, of), result, None, bound);
        if op == Sum && scalar == Scalar::F32 {
            // The mean.
            let size = self.push(Op::Size(self.width.clone()), Scalar::F32, None, 128.0);
            let bound = self.bounds[of];
            return self.binary(Binary::Divide, sum, size, bound);
        }
        sum
    }

    fn whole_step(&mut self) -> V {
        use Binary::*;
        match self.random.below(5) {
            0 => {
                // A float that is no NaN, cut.
                let a = self.any(Scalar::F32);
                let a = self.small(a, 50.0);
                let (low, high) = (self.float(-50.0), self.float(50.0));
                let a = self.binary(Maximum, a, low, 50.0);
                let a = self.binary(Minimum, a, high, 50.0);
                let nan = self.unary(Unary::IsNan, a, 1.0);
                let width = self.width_of(&[a]);
                let a = self.push(Op::Select(nan, low, a), Scalar::F32, width.clone(), 50.0);
                let kind = *self.random.pick(&[Scalar::I32, Scalar::Bool]);
                self.push(Op::Cast(a), kind, width, 50.0)
            }
            1 => {
                let kind = *self.random.pick(&[Scalar::I32, Scalar::U32, Scalar::Bool]);
                let a = self.any(kind);
                let width = self.width_of(&[a]);
                // Large numbers differ in float32's rounding of them alone.
                let a = match kind {
                    Scalar::Bool => a,
                    _ => {
                        let mask = self.push(Op::Constant(Constant::Whole(63)), kind, None, 63.0);
                        self.binary(And, a, mask, 63.0)
                    }
                };
                self.push(Op::Cast(a), Scalar::F32, width, 63.0)
            }
            2 => {
                let kind = *self.random.pick(&[Scalar::I32, Scalar::U32]);
                let (a, b) = (self.any(kind), self.any(kind));
                let op = *self
                    .random
                    .pick(&[Add, Subtract, Multiply, And, Or, Xor, Maximum, Minimum]);
                self.binary(op, a, b, 1e9)
            }
            3 => {
                let kind = *self.random.pick(&[Scalar::I32, Scalar::U32]);
                let a = self.any(kind);
                let by = 1 + self.random.below(7) as i64;
                let b = self.push(Op::Constant(Constant::Whole(by)), kind, None, 7.0);
                let op = *self
                    .random
                    .pick(&[LeftShift, RightShift, FloorDivide, Remainder]);
                self.binary(op, a, b, 1e9)
            }
            _ => {
                let d = Some(self.width.clone());
                match self.random.below(3) {
                    0 => self.push(Op::Column, Scalar::I32, d, 128.0),
                    1 => {
                        let which = self.random.below(2);
                        self.push(Op::Coordinate(which), Scalar::I32, None, 4.0)
                    }
                    _ => self.push(Op::Size(dim("L")), Scalar::I32, None, 4.0),
                }
            }
        }
    }

    /// A value at other columns.
    fn column_step(&mut self) -> V {
        let d = self.width.clone();
        let wide = |m: &Maker, v: &V| m.program.values[*v].width.as_ref() == Some(&d);
        let all: Vec<V> = (0..self.program.values.len())
            .filter(|v| wide(self, v))
            .collect();
        let floats: Vec<V> = all
            .iter()
            .copied()
            .filter(|v| self.program.values[*v].scalar == Scalar::F32)
            .collect();
        let of = *self.random.pick(&floats);
        let other = self.any(Scalar::F32);
        let bound = self.bounds[of].max(self.bounds[other]);
        match self.random.below(3) {
            0 => {
                // Two values side by side, and a window of them.
                let both = d.times(&number(2));
                let parts = vec![(of, d.clone()), (other, d.clone())];
                let joined = self.push(Op::Join(parts), Scalar::F32, Some(both), bound);
                let start = *self.random.pick(&[0, 1, 1]);
                let start = if self.random.one_in(3) {
                    d.clone()
                } else {
                    number(start)
                };
                let op = Op::Cut {
                    of: joined,
                    start,
                    step: number(1),
                };
                self.push(op, Scalar::F32, Some(d), bound)
            }
            1 => {
                let index = self.any(Scalar::I32);
                match self.program.values[index].width {
                    Some(_) => self.push(Op::Take { of, index }, Scalar::F32, Some(d), bound),
                    None => self.push(Op::Take { of, index }, Scalar::F32, None, bound),
                }
            }
            _ => {
                let op = Op::Cut {
                    of,
                    start: number(0),
                    step: number(1),
                };
                self.push(op, Scalar::F32, None, bound)
            }
        }
    }

    fn select_step(&mut self) -> V {
        let (a, b) = (self.any(Scalar::F32), self.any(Scalar::F32));
        let which = match self.random.one_in(3) {
            true => self.any(Scalar::Bool),
            false => {
                use Binary::*;
                let op =
                    *self
                        .random
                        .pick(&[Less, LessEqual, Greater, GreaterEqual, Equal, NotEqual]);
                let (x, y) = (self.any(Scalar::F32), self.any(Scalar::F32));
                let test = self.binary(op, x, y, 1.0);
                match self.random.below(4) {
                    0 => self.unary(Unary::Not, test, 1.0),
                    1 => {
                        let other = self.any(Scalar::Bool);
                        let op = *self.random.pick(&[And, Or, Xor]);
                        self.binary(op, test, other, 1.0)
                    }
                    _ => test,
                }
            }
        };
        let bound = self.bounds[a].max(self.bounds[b]);
        let width = self.width_of(&[which, a, b]);
        self.push(Op::Select(which, a, b), Scalar::F32, width, bound)
    }
}
