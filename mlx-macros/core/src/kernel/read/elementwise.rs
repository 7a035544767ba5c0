//! Writes operations that work element by element, as `mlx.nn` and MLX define them.
//!
//! Tests: `tests/kernels.rs`.

use super::emit::{Emit, Emitted, Failed};
use crate::diag::Diag;
use crate::ir::Arg;
use crate::kernel::ir::{Binary, Scalar, Unary, V};

impl Emit<'_, '_> {
    pub(super) fn elementwise(&mut self, name: &'static str, args: &[Arg]) -> Emitted {
        if let Some(op) = binary(name) {
            let scalar = self.meeting(&args[..2]);
            let (a, b) = (
                self.operand(&args[0], scalar)?,
                self.operand(&args[1], scalar)?,
            );
            return self.binary(op, a, b);
        }
        let scalar = self.meeting(&args[..1]);
        if let Some(op) = unary(name) {
            let a = self.operand(&args[0], scalar)?;
            return Ok(self.unary(op, a));
        }
        match name {
            "where_" => {
                let condition = self.operand(&args[0], Scalar::Bool)?;
                let scalar = self.meeting(&args[1..]);
                let (a, b) = (
                    self.operand(&args[1], scalar)?,
                    self.operand(&args[2], scalar)?,
                );
                self.select(condition, a, b)
            }
            "clip" => {
                let scalar = self.meeting(args);
                let mut x = self.operand(&args[0], scalar)?;
                for (arg, op) in [(&args[1], Binary::Maximum), (&args[2], Binary::Minimum)] {
                    if !matches!(arg, Arg::Absent) {
                        let limit = self.operand(arg, scalar)?;
                        x = self.binary(op, x, limit)?;
                    }
                }
                Ok(x)
            }
            "isclose" => self.isclose(args),
            _ if name.ends_with("_loss") || name == "binary_cross_entropy" => self.loss(name, args),
            "swiglu" => {
                let (g, u) = (
                    self.operand(&args[0], Scalar::F32)?,
                    self.operand(&args[1], Scalar::F32)?,
                );
                let s = self.unary(Unary::Sigmoid, g);
                let silu = self.multiply(g, s)?;
                self.multiply(silu, u)
            }
            "prelu" => {
                let (x, slope) = (
                    self.operand(&args[0], Scalar::F32)?,
                    self.operand(&args[1], Scalar::F32)?,
                );
                let zero = self.float(0.0);
                let (above, below) = (
                    self.binary(Binary::Maximum, zero, x)?,
                    self.binary(Binary::Minimum, zero, x)?,
                );
                let below = self.multiply(slope, below)?;
                self.add(above, below)
            }
            _ => {
                let x = self.operand(&args[0], scalar)?;
                self.of_one(name, x, &args[1..])
            }
        }
    }

    fn add(&mut self, a: V, b: V) -> Emitted {
        self.binary(Binary::Add, a, b)
    }

    fn multiply(&mut self, a: V, b: V) -> Emitted {
        self.binary(Binary::Multiply, a, b)
    }

    pub(super) fn scaled(&mut self, by: f64, x: V) -> Emitted {
        let by = self.float(by);
        self.multiply(x, by)
    }

    pub(super) fn shifted(&mut self, x: V, by: f64) -> Emitted {
        let by = self.float(by);
        self.add(x, by)
    }

    /// `|a - b| <= atol + rtol * |b|`; infinities are close to themselves alone.
    fn isclose(&mut self, args: &[Arg]) -> Emitted {
        let scalar = self.meeting(&args[..2]);
        let (a, b) = (
            self.operand(&args[0], scalar)?,
            self.operand(&args[1], scalar)?,
        );
        let distance = |e: &mut Self, v: V| {
            let size = e.unary(Unary::Abs, v);
            e.to(size, Scalar::F32)
        };
        let apart = self.binary(Binary::Subtract, a, b)?;
        let (apart, size) = (distance(self, apart), distance(self, b));
        let (rtol, atol) = (
            self.operand(&args[2], Scalar::F32)?,
            self.operand(&args[3], Scalar::F32)?,
        );
        let limit = self.multiply(rtol, size)?;
        let limit = self.add(atol, limit)?;
        let mut close = self.binary(Binary::LessEqual, apart, limit)?;
        if scalar != Scalar::F32 {
            return Ok(close);
        }
        let either = |e: &mut Self, op: Unary, and: Binary| {
            let (x, y) = (e.unary(op, a), e.unary(op, b));
            e.binary(and, x, y)
        };
        let infinite = either(self, Unary::IsInf, Binary::Or)?;
        let equal = self.binary(Binary::Equal, a, b)?;
        close = self.select(infinite, equal, close)?;
        if super::ops::flag(args.get(4)) {
            let nan = either(self, Unary::IsNan, Binary::And)?;
            close = self.binary(Binary::Or, close, nan)?;
        }
        Ok(close)
    }

    fn relu(&mut self, x: V) -> Emitted {
        let zero = self.float(0.0);
        self.binary(Binary::Maximum, x, zero)
    }

    pub(super) fn softplus(&mut self, x: V) -> Emitted {
        let zero = self.float(0.0);
        self.binary(Binary::Logaddexp, x, zero)
    }

    /// `x` where it is positive, else `alpha * (exp(x) - 1)`.
    fn elu(&mut self, x: V, alpha: V) -> Emitted {
        let e = self.unary(Unary::Exp, x);
        let below = self.shifted(e, -1.0)?;
        let below = self.multiply(below, alpha)?;
        let zero = self.float(0.0);
        let positive = self.binary(Binary::Greater, x, zero)?;
        self.select(positive, x, below)
    }

    fn of_one(&mut self, name: &'static str, x: V, more: &[Arg]) -> Emitted {
        let number = |e: &mut Self, i: usize| e.operand(more.get(i).ok_or(Failed)?, Scalar::F32);
        match name {
            "contiguous" => Ok(x),
            "astype" => {
                let to = self.result();
                Ok(self.to(x, to))
            }
            "stop_gradient" => Ok(self.stopped(x)),
            "zeros_like" | "ones_like" => {
                let to = self.result();
                let one = self.float(f64::from(u8::from(name == "ones_like")));
                Ok(self.to(one, to))
            }
            "square" => self.multiply(x, x),
            "reciprocal" => {
                let one = self.float(1.0);
                self.binary(Binary::Divide, one, x)
            }
            "degrees" => self.scaled(180.0 / std::f64::consts::PI, x),
            "radians" => self.scaled(std::f64::consts::PI / 180.0, x),
            "round" => match more.first() {
                Some(Arg::Int(0)) | None => Ok(self.unary(Unary::Round, x)),
                Some(Arg::Int(n)) if self.result() == Scalar::F32 => {
                    let by = 10f64.powi(i32::try_from(*n).unwrap_or(0));
                    let x = self.scaled(by, x)?;
                    let x = self.unary(Unary::Round, x);
                    self.scaled(1.0 / by, x)
                }
                _ => Ok(x),
            },
            "isfinite" => {
                let (nan, inf) = (self.unary(Unary::IsNan, x), self.unary(Unary::IsInf, x));
                let other = self.binary(Binary::Or, nan, inf)?;
                Ok(self.unary(Unary::Not, other))
            }
            "isposinf" | "isneginf" => {
                let sign = if name == "isposinf" { 1.0 } else { -1.0 };
                let inf = self.float(sign * f64::INFINITY);
                self.binary(Binary::Equal, x, inf)
            }
            "nan_to_num" => {
                if more[1..].iter().any(|a| matches!(a, Arg::Absent)) {
                    let error = Diag::kernel_largest_number(self.span(), name);
                    return self.fail(error);
                }
                let (nan, high, low) = (number(self, 0)?, number(self, 1)?, number(self, 2)?);
                let is_nan = self.unary(Unary::IsNan, x);
                let (up, down) = (self.float(f64::INFINITY), self.float(f64::NEG_INFINITY));
                let (is_up, is_down) = (
                    self.binary(Binary::Equal, x, up)?,
                    self.binary(Binary::Equal, x, down)?,
                );
                let y = self.select(is_up, high, x)?;
                let y = self.select(is_down, low, y)?;
                self.select(is_nan, nan, y)
            }
            "relu" => self.relu(x),
            "relu2" => {
                let y = self.relu(x)?;
                self.multiply(y, y)
            }
            "relu6" => {
                let (y, six) = (self.relu(x)?, self.float(6.0));
                self.binary(Binary::Minimum, y, six)
            }
            "leaky_relu" => {
                let slope = number(self, 0)?;
                let below = self.multiply(slope, x)?;
                self.binary(Binary::Maximum, below, x)
            }
            "elu" => {
                let alpha = number(self, 0)?;
                self.elu(x, alpha)
            }
            "selu" => {
                let alpha = self.float(1.67326);
                let y = self.elu(x, alpha)?;
                self.scaled(1.0507, y)
            }
            "celu" => {
                let (alpha, zero) = (number(self, 0)?, self.float(0.0));
                let below = self.binary(Binary::Minimum, x, zero)?;
                let below = self.binary(Binary::Divide, below, alpha)?;
                let e = self.unary(Unary::Exp, below);
                let below = self.shifted(e, -1.0)?;
                let below = self.multiply(alpha, below)?;
                let above = self.relu(x)?;
                self.add(above, below)
            }
            "silu" => {
                let s = self.unary(Unary::Sigmoid, x);
                self.multiply(x, s)
            }
            "gelu" => {
                let inner = self.scaled(std::f64::consts::FRAC_1_SQRT_2, x)?;
                let inner = self.unary(Unary::Erf, inner);
                let inner = self.shifted(inner, 1.0)?;
                let y = self.multiply(x, inner)?;
                self.scaled(0.5, y)
            }
            "gelu_approx" => {
                let square = self.multiply(x, x)?;
                let cube = self.multiply(square, x)?;
                let cube = self.scaled(0.044715, cube)?;
                let inner = self.add(x, cube)?;
                let inner = self.scaled((2.0 / std::f64::consts::PI).sqrt(), inner)?;
                let t = self.unary(Unary::Tanh, inner);
                let (half, t) = (self.scaled(0.5, x)?, self.shifted(t, 1.0)?);
                self.multiply(half, t)
            }
            "gelu_fast_approx" => {
                let inner = self.scaled(1.702, x)?;
                let s = self.unary(Unary::Sigmoid, inner);
                self.multiply(x, s)
            }
            "mish" => {
                let inner = self.softplus(x)?;
                let t = self.unary(Unary::Tanh, inner);
                self.multiply(x, t)
            }
            "hardswish" => {
                let y = self.shifted(x, 3.0)?;
                let (y, six) = (self.relu(y)?, self.float(6.0));
                let y = self.binary(Binary::Minimum, y, six)?;
                let y = self.multiply(x, y)?;
                self.binary(Binary::Divide, y, six)
            }
            "hard_tanh" => {
                let (low, high) = (number(self, 0)?, number(self, 1)?);
                let y = self.binary(Binary::Maximum, x, low)?;
                self.binary(Binary::Minimum, y, high)
            }
            "hard_shrink" | "softshrink" => {
                let (limit, zero) = (number(self, 0)?, self.float(0.0));
                let size = self.unary(Unary::Abs, x);
                let beyond = self.binary(Binary::Greater, size, limit)?;
                let kept = match name {
                    "hard_shrink" => x,
                    _ => {
                        let sign = self.unary(Unary::Sign, x);
                        let drawn = self.multiply(limit, sign)?;
                        self.binary(Binary::Subtract, x, drawn)?
                    }
                };
                self.select(beyond, kept, zero)
            }
            "softplus" => self.softplus(x),
            "softsign" => {
                let size = self.unary(Unary::Abs, x);
                let by = self.shifted(size, 1.0)?;
                self.binary(Binary::Divide, x, by)
            }
            "log_sigmoid" => {
                let x = self.unary(Unary::Negative, x);
                let y = self.softplus(x)?;
                Ok(self.unary(Unary::Negative, y))
            }
            _ => Err(Failed),
        }
    }
}

fn unary(name: &str) -> Option<Unary> {
    use Unary::*;
    Some(match name {
        "abs" => Abs,
        "negative" => Negative,
        "sign" => Sign,
        "floor" => Floor,
        "ceil" => Ceil,
        "trunc" => Trunc,
        "exp" => Exp,
        "expm1" => Expm1,
        "log" => Log,
        "log2" => Log2,
        "log10" => Log10,
        "log1p" => Log1p,
        "sqrt" => Sqrt,
        "rsqrt" => Rsqrt,
        "sin" => Sin,
        "cos" => Cos,
        "tan" => Tan,
        "sinh" => Sinh,
        "cosh" => Cosh,
        "tanh" => Tanh,
        "arcsin" => Arcsin,
        "arccos" => Arccos,
        "arctan" => Arctan,
        "arcsinh" => Arcsinh,
        "arccosh" => Arccosh,
        "arctanh" => Arctanh,
        "erf" => Erf,
        "erfinv" => Erfinv,
        "sigmoid" => Sigmoid,
        "isnan" => IsNan,
        "isinf" => IsInf,
        "logical_not" | "bitwise_invert" => Not,
        _ => return None,
    })
}

fn binary(name: &str) -> Option<Binary> {
    use Binary::*;
    Some(match name {
        "add" => Add,
        "subtract" => Subtract,
        "multiply" => Multiply,
        "divide" => Divide,
        "floor_divide" => FloorDivide,
        "remainder" => Remainder,
        "maximum" => Maximum,
        "minimum" => Minimum,
        "power" => Power,
        "arctan2" => Arctan2,
        "logaddexp" => Logaddexp,
        "equal" => Equal,
        "not_equal" => NotEqual,
        "less" => Less,
        "less_equal" => LessEqual,
        "greater" => Greater,
        "greater_equal" => GreaterEqual,
        "logical_and" | "bitwise_and" => And,
        "logical_or" | "bitwise_or" => Or,
        "logical_xor" | "bitwise_xor" => Xor,
        "left_shift" => LeftShift,
        "right_shift" => RightShift,
        _ => return None,
    })
}
