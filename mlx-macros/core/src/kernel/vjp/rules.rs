//! The rule of each instruction: what it passes to its operands of the cotangent of its value. They are MLX's rules,
//! with its choices at ties and corners.
//!
//! Tests: `tests/kernels.rs`.

use super::{Back, Why};
use crate::kernel::ir::{Binary, Constant, Op, Reduce, Scalar, Unary, V};
use crate::syntax::dims::Dim;

/// The largest number of chosen columns whose gradient is a sum of comparisons.
const MOST_CHOSEN: i64 = 16;

impl Back {
    /// Passes the cotangent of a value to its operands.
    pub(super) fn through(&mut self, v: V) -> Result<(), Why> {
        let Some(g) = self.adjoints[v] else {
            return Ok(());
        };
        match self.program.values[v].op.clone() {
            Op::Load { .. }
            | Op::Number(_)
            | Op::Constant(_)
            | Op::Size(_)
            | Op::Coordinate(_)
            | Op::Column
            | Op::Bits { .. } => {}
            // Of whole numbers, or a gradient that ends here.
            Op::Cast(_) => {}
            Op::Unary(op, a) => {
                if let Some(g) = self.of_unary(op, v, a, g) {
                    self.contribute(v, a, g);
                }
            }
            Op::Binary(op, a, b) => self.of_binary(op, v, a, b, g),
            Op::Select(c, a, b) => {
                let zero = self.float(0.0);
                let (first, second) = (self.select(c, g, zero), self.select(c, zero, g));
                self.contribute(v, a, first);
                self.contribute(v, b, second);
            }
            Op::Reduce(op, a) => self.of_reduce(op, v, a, g),
            Op::Cut { of, start, step } => {
                let g = self.of_cut(v, of, &start, &step, g);
                self.contribute(of, of, g);
            }
            Op::Join(parts) => self.of_join(v, &parts, g),
            Op::Take { of, index } => {
                let g = self.of_take(v, of, index, g)?;
                self.contribute(of, of, g);
            }
        }
        Ok(())
    }

    fn scaled(&mut self, by: f64, a: V) -> V {
        let by = self.float(by as f32);
        self.multiply(a, by)
    }

    /// An operation of a number and a value.
    fn number_and(&mut self, a: f32, op: Binary, b: V) -> V {
        let a = self.float(a);
        self.binary(op, a, b)
    }

    fn of_unary(&mut self, op: Unary, y: V, a: V, g: V) -> Option<V> {
        use Binary::{Add, Divide, Subtract};
        let ln = std::f64::consts::LN_2;
        let pi = std::f64::consts::PI;
        Some(match op {
            // Steps have no slope.
            Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Trunc | Unary::Round => return None,
            Unary::IsNan | Unary::IsInf | Unary::Not => return None,
            Unary::Abs => {
                let sign = self.unary(Unary::Sign, a);
                self.multiply(g, sign)
            }
            Unary::Negative => self.unary(Unary::Negative, g),
            Unary::Exp => self.multiply(g, y),
            Unary::Expm1 => {
                let e = self.unary(Unary::Exp, a);
                self.multiply(g, e)
            }
            Unary::Log => self.binary(Divide, g, a),
            Unary::Log2 => {
                let by = self.scaled(ln, a);
                self.binary(Divide, g, by)
            }
            Unary::Log10 => {
                let by = self.scaled(std::f64::consts::LN_10, a);
                self.binary(Divide, g, by)
            }
            Unary::Log1p => {
                let by = self.number_and(1.0, Add, a);
                self.binary(Divide, g, by)
            }
            Unary::Sqrt => {
                let half = self.scaled(0.5, g);
                self.binary(Divide, half, y)
            }
            Unary::Rsqrt => {
                let square = self.multiply(y, y);
                let cube = self.multiply(square, y);
                let slope = self.scaled(-0.5, cube);
                self.multiply(g, slope)
            }
            Unary::Sin => {
                let slope = self.unary(Unary::Cos, a);
                self.multiply(g, slope)
            }
            Unary::Cos => {
                let slope = self.unary(Unary::Sin, a);
                let slope = self.unary(Unary::Negative, slope);
                self.multiply(g, slope)
            }
            Unary::Tan => {
                let c = self.unary(Unary::Cos, a);
                let square = self.multiply(c, c);
                self.binary(Divide, g, square)
            }
            Unary::Sinh => {
                let slope = self.unary(Unary::Cosh, a);
                self.multiply(g, slope)
            }
            Unary::Cosh => {
                let slope = self.unary(Unary::Sinh, a);
                self.multiply(g, slope)
            }
            Unary::Tanh => {
                let square = self.multiply(y, y);
                let slope = self.number_and(1.0, Subtract, square);
                self.multiply(g, slope)
            }
            Unary::Arcsin | Unary::Arccos => {
                let square = self.multiply(a, a);
                let rest = self.number_and(1.0, Subtract, square);
                let slope = self.unary(Unary::Rsqrt, rest);
                let g = self.multiply(g, slope);
                match op {
                    Unary::Arcsin => g,
                    _ => self.unary(Unary::Negative, g),
                }
            }
            Unary::Arctan => {
                let square = self.multiply(a, a);
                let by = self.number_and(1.0, Add, square);
                self.binary(Divide, g, by)
            }
            Unary::Arcsinh => {
                let square = self.multiply(a, a);
                let by = self.number_and(1.0, Add, square);
                let slope = self.unary(Unary::Rsqrt, by);
                self.multiply(g, slope)
            }
            Unary::Arccosh => {
                let square = self.multiply(a, a);
                let by = self.number_and(-1.0, Add, square);
                let slope = self.unary(Unary::Rsqrt, by);
                self.multiply(g, slope)
            }
            Unary::Arctanh => {
                let square = self.multiply(a, a);
                let by = self.number_and(1.0, Subtract, square);
                self.binary(Divide, g, by)
            }
            Unary::Erf => {
                let square = self.multiply(a, a);
                let inner = self.unary(Unary::Negative, square);
                let e = self.unary(Unary::Exp, inner);
                let slope = self.scaled(2.0 / pi.sqrt(), e);
                self.multiply(g, slope)
            }
            Unary::Erfinv => {
                let square = self.multiply(y, y);
                let e = self.unary(Unary::Exp, square);
                let slope = self.scaled(pi.sqrt() / 2.0, e);
                self.multiply(g, slope)
            }
            Unary::Sigmoid => {
                let rest = self.number_and(1.0, Subtract, y);
                let slope = self.multiply(y, rest);
                self.multiply(g, slope)
            }
        })
    }

    fn of_binary(&mut self, op: Binary, y: V, a: V, b: V, g: V) {
        let (left, right) = match op {
            Binary::Add => (g, g),
            Binary::Subtract => (g, self.unary(Unary::Negative, g)),
            Binary::Multiply => (self.multiply(g, b), self.multiply(g, a)),
            Binary::Divide => {
                let left = self.binary(Binary::Divide, g, b);
                let right = self.multiply(left, y);
                (left, self.unary(Unary::Negative, right))
            }
            Binary::Remainder => {
                let times = self.binary(Binary::FloorDivide, a, b);
                let right = self.multiply(g, times);
                (g, self.unary(Unary::Negative, right))
            }
            // A tie is the second one's for MLX.
            Binary::Maximum => (
                self.masked(Binary::Greater, a, b, g),
                self.masked(Binary::LessEqual, a, b, g),
            ),
            Binary::Minimum => (
                self.masked(Binary::Less, a, b, g),
                self.masked(Binary::GreaterEqual, a, b, g),
            ),
            Binary::Power => {
                let minus = self.float(-1.0);
                let less = self.binary(Binary::Add, b, minus);
                let slope = self.binary(Binary::Power, a, less);
                let slope = self.multiply(slope, b);
                let left = self.multiply(g, slope);
                // 0 * log(0) is 0 here.
                let zero = self.float(0.0);
                let there = self.binary(Binary::NotEqual, y, zero);
                let log = self.unary(Unary::Log, a);
                let slope = self.multiply(log, y);
                let slope = self.select(there, slope, zero);
                (left, self.multiply(g, slope))
            }
            Binary::Arctan2 => {
                let (aa, bb) = (self.multiply(a, a), self.multiply(b, b));
                let square = self.binary(Binary::Add, aa, bb);
                let by = self.binary(Binary::Divide, g, square);
                let left = self.multiply(by, b);
                let right = self.multiply(by, a);
                (left, self.unary(Unary::Negative, right))
            }
            Binary::Logaddexp => {
                let apart = self.binary(Binary::Subtract, a, b);
                let share = self.unary(Unary::Sigmoid, apart);
                let left = self.multiply(g, share);
                let back = self.unary(Unary::Negative, apart);
                let share = self.unary(Unary::Sigmoid, back);
                (left, self.multiply(g, share))
            }
            // Steps and truth values have no slope.
            _ => return,
        };
        self.contribute(y, a, left);
        self.contribute(y, b, right);
    }

    fn masked(&mut self, op: Binary, a: V, b: V, g: V) -> V {
        let mask = self.binary(op, a, b);
        let mask = self.cast(mask, Scalar::F32);
        self.multiply(g, mask)
    }

    fn of_reduce(&mut self, op: Reduce, y: V, a: V, g: V) {
        let g = match op {
            Reduce::Sum => g,
            // The largest ones share it.
            Reduce::Max | Reduce::Min => {
                let mask = self.binary(Binary::Equal, a, y);
                let mask = self.cast(mask, Scalar::F32);
                let count = self.sum(mask);
                let share = self.binary(Binary::Divide, g, count);
                self.multiply(share, mask)
            }
            // The product of the others, also where one of them is 0.
            Reduce::Prod => {
                let (zero, one) = (self.float(0.0), self.float(1.0));
                let is_zero = self.binary(Binary::Equal, a, zero);
                let flag = self.cast(is_zero, Scalar::F32);
                let zeros = self.sum(flag);
                let rest = self.select(is_zero, one, a);
                let rest = self.push(Op::Reduce(Reduce::Prod, rest), Scalar::F32, None);
                let lone = self.binary(Binary::Equal, zeros, one);
                let at_zero = self.select(lone, rest, zero);
                let others = self.binary(Binary::Divide, y, a);
                let slope = self.select(is_zero, at_zero, others);
                self.multiply(g, slope)
            }
            _ => return,
        };
        // One cotangent for each column of the operand.
        let columns = self.width(a);
        let before = self.adjoints[a];
        self.adjoints[a] = Some(match before {
            Some(before) => self.add(before, g),
            None => g,
        });
        debug_assert!(columns.is_some(), "a reduction of one number");
    }

    fn of_cut(&mut self, v: V, of: V, start: &Dim, step: &Dim, g: V) -> V {
        let zero = self.float(0.0);
        let whole = self.width(of).unwrap_or_else(|| Dim::constant(1));
        let own = self.width(v);
        if step.is_one() || own.is_none() {
            let own = own.unwrap_or_else(|| Dim::constant(1));
            let rest = whole.plus(&start.plus(&own).negated());
            let none = Dim::constant(0);
            let parts = [(zero, start.clone()), (g, own), (zero, rest)];
            let parts: Vec<_> = parts.into_iter().filter(|p| p.1 != none).collect();
            return self.push(Op::Join(parts), Scalar::F32, Some(whole));
        }
        // Every `step`-th column has one of the cut's.
        let own = own.unwrap_or_else(|| Dim::constant(1));
        let g = self.spread(g, &own);
        let column = self.push(Op::Column, Scalar::I32, Some(whole.clone()));
        let (start, step) = (self.size(start, Scalar::I32), self.size(step, Scalar::I32));
        let from = self.binary(Binary::Subtract, column, start);
        let rest = self.binary(Binary::Remainder, from, step);
        let index = self.binary(Binary::FloorDivide, from, step);
        let (none, n) = (self.whole(0), self.size(&own, Scalar::I32));
        let on = self.binary(Binary::Equal, rest, none);
        let above = self.binary(Binary::GreaterEqual, from, none);
        let below = self.binary(Binary::Less, index, n);
        let inside = self.binary(Binary::And, on, above);
        let inside = self.binary(Binary::And, inside, below);
        let index = self.select(inside, index, none);
        let taken = self.push(Op::Take { of: g, index }, Scalar::F32, Some(whole));
        self.select(inside, taken, zero)
    }

    fn of_join(&mut self, v: V, parts: &[(V, Dim)], g: V) {
        let mut start = Dim::constant(0);
        // The parts of a joint of the same widths are there already.
        let alike = match &self.program.values[g].op {
            Op::Join(own)
                if own.len() == parts.len() && own.iter().zip(parts).all(|(a, b)| a.1 == b.1) =>
            {
                Some(own.clone())
            }
            _ => None,
        };
        for (i, (part, width)) in parts.iter().enumerate() {
            let columns = (!width.is_one()).then(|| width.clone());
            let own = match (&alike, self.width(g)) {
                (Some(own), _) => own[i].0,
                (None, None) => g,
                (None, Some(_)) if parts.len() == 1 => g,
                (None, Some(_)) => {
                    let cut = Op::Cut {
                        of: g,
                        start: start.clone(),
                        step: Dim::constant(1),
                    };
                    self.push(cut, Scalar::F32, columns.clone())
                }
            };
            self.contribute_columns(columns, *part, own);
            start = start.plus(width);
        }
        debug_assert!(self.width(v).is_some(), "a joint of one number");
    }

    fn of_take(&mut self, v: V, of: V, index: V, g: V) -> Result<V, Why> {
        let whole = self.width(of).unwrap_or_else(|| Dim::constant(1));
        let zero = self.float(0.0);
        let column = self.push(Op::Column, Scalar::I32, Some(whole.clone()));
        let Some(count) = self.width(index) else {
            let at = self.inside(index, &whole);
            let here = self.binary(Binary::Equal, column, at);
            return Ok(self.select(here, g, zero));
        };
        let g = self.spread(g, &count);
        // A row that was turned is turned back.
        if let Some((shift, n)) = self.rotation(index, &count, &whole) {
            let back = self.binary(Binary::Add, column, shift);
            let index = self.binary(Binary::Remainder, back, n);
            return Ok(self.push(Op::Take { of: g, index }, Scalar::F32, Some(whole)));
        }
        let Some(n) = count.as_constant().filter(|n| *n <= MOST_CHOSEN) else {
            return Err(Why::Scattered);
        };
        let mut sum = zero;
        let scalar = self.program.values[index].scalar;
        for j in 0..n {
            let cut = |of: V| Op::Cut {
                of,
                start: Dim::constant(j),
                step: Dim::constant(1),
            };
            let (at, own) = (
                self.push(cut(index), scalar, None),
                self.push(cut(g), Scalar::F32, None),
            );
            let at = self.inside(at, &whole);
            let here = self.binary(Binary::Equal, column, at);
            let one = self.select(here, own, zero);
            sum = self.add(sum, one);
        }
        let _ = v;
        Ok(sum)
    }

    /// An index as the column that it stands for, as int32.
    fn inside(&mut self, index: V, whole: &Dim) -> V {
        let index = match self.program.values[index].scalar {
            Scalar::I32 => index,
            _ => self.cast(index, Scalar::I32),
        };
        let (zero, n) = (self.whole(0), self.size(whole, Scalar::I32));
        let negative = self.binary(Binary::Less, index, zero);
        let from_end = self.binary(Binary::Add, index, n);
        let at = self.select(negative, from_end, index);
        let one = self.whole(1);
        let last = self.binary(Binary::Subtract, n, one);
        let at = self.binary(Binary::Minimum, at, last);
        self.binary(Binary::Maximum, at, zero)
    }

    /// The shift and the size of an index `remainder(column - shift, size)` over the whole row.
    fn rotation(&self, index: V, count: &Dim, whole: &Dim) -> Option<(V, V)> {
        let op = |v: V| &self.program.values[v].op;
        let Op::Binary(Binary::Remainder, from, n) = op(index) else {
            return None;
        };
        let Op::Binary(Binary::Subtract, column, shift) = op(*from) else {
            return None;
        };
        let is_size = match op(*n) {
            Op::Size(d) => d == whole,
            Op::Constant(Constant::Whole(n)) => whole.as_constant() == Some(*n),
            _ => false,
        };
        let number = self.width(*shift).is_none();
        (count == whole && is_size && number && *op(*column) == Op::Column).then_some((*shift, *n))
    }
}
