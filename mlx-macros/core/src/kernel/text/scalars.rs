//! Expressions of the operations on scalars, and the functions that they call.
//!
//! Tests: `tests/text.rs`.

use std::collections::HashSet;

use super::dialect::Dialect;
use crate::kernel::ir::{Binary, Constant, Scalar, Unary};

/// A C expression with its precedence.
#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub text: String,
    pub binds: Binds,
}

/// How tightly an expression binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Binds {
    Loose,
    Sum,
    Product,
    Atom,
}

impl Expr {
    pub fn atom(text: impl Into<String>) -> Expr {
        let (text, binds) = (text.into(), Binds::Atom);
        Expr { text, binds }
    }

    pub fn loose(text: String) -> Expr {
        let binds = Binds::Loose;
        Expr { text, binds }
    }

    /// The text as an operand of something that binds like `least`.
    pub fn at(&self, least: Binds) -> String {
        match self.binds >= least {
            true => self.text.clone(),
            false => format!("({})", self.text),
        }
    }

    fn infix(a: &Expr, sign: &str, b: &Expr, binds: Binds) -> Expr {
        // Float operations are not associative, so the right operand binds more tightly.
        let right = match binds {
            Binds::Sum => Binds::Product,
            _ => Binds::Atom,
        };
        let text = format!("{} {sign} {}", a.at(binds), b.at(right));
        Expr { text, binds }
    }

    fn compare(a: &Expr, sign: &str, b: &Expr) -> Expr {
        Expr::loose(format!("{} {sign} {}", a.at(Binds::Sum), b.at(Binds::Sum)))
    }

    pub fn call(name: &str, arguments: &[&Expr]) -> Expr {
        let list: Vec<&str> = arguments.iter().map(|a| a.text.as_str()).collect();
        Expr::atom(format!("{name}({})", list.join(", ")))
    }
}

/// The C type of a scalar.
pub(super) fn c_type(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::F32 => "float",
        Scalar::I32 => "int",
        Scalar::U32 => "unsigned",
        Scalar::Bool => "bool",
    }
}

/// A literal of exactly this value.
pub(super) fn constant(value: Constant, scalar: Scalar) -> Expr {
    match (value, scalar) {
        (Constant::Float(x), Scalar::F32) => float(x),
        (Constant::Whole(n), Scalar::F32) => float(n as f32),
        (Constant::Whole(n), Scalar::I32) if n == i64::from(i32::MIN) => {
            Expr::atom("(-2147483647 - 1)")
        }
        (Constant::Whole(n), Scalar::I32) if n < 0 => Expr::atom(format!("({n})")),
        (Constant::Whole(n), Scalar::I32) => Expr::atom(n.to_string()),
        (Constant::Whole(n), Scalar::U32) => Expr::atom(format!("{}u", n as u32)),
        (Constant::Whole(n), Scalar::Bool) => Expr::atom((n != 0).to_string()),
        (Constant::Float(x), Scalar::Bool) => Expr::atom((x != 0.0).to_string()),
        (Constant::Float(x), Scalar::I32) => Expr::atom(format!("({})", x as i32)),
        (Constant::Float(x), Scalar::U32) => Expr::atom(format!("{}u", x as u32)),
    }
}

fn float(x: f32) -> Expr {
    let size = match x {
        x if x.is_nan() => return Expr::atom("NAN"),
        x if x.is_infinite() => "INFINITY".to_string(),
        x => format!("{:?}f", x.abs()),
    };
    match x.is_sign_negative() {
        true => Expr::atom(format!("(-{size})")),
        false => Expr::atom(size),
    }
}

/// The functions that expressions call and the dialect lacks.
pub(super) type Calls<'a> = &'a mut HashSet<&'static str>;

pub(super) fn unary(d: &Dialect, op: Unary, s: Scalar, a: &Expr, calls: Calls) -> Expr {
    use Unary::*;
    let mut own = |name: &'static str| {
        calls.insert(name);
        Expr::call(name, &[a])
    };
    match (op, s) {
        (Abs, Scalar::F32) => Expr::call(d.fabs, &[a]),
        (Abs, Scalar::I32) => own("absolute"),
        (Abs, _) => a.clone(),
        (Negative, Scalar::F32) => Expr::loose(format!("-{}", a.at(Binds::Atom))),
        (Negative, Scalar::I32) => Expr::atom(format!("int(0u - unsigned({}))", a.text)),
        (Negative, _) => Expr::infix(&Expr::atom("0u"), "-", a, Binds::Sum),
        (Sign, Scalar::F32) => own("sign_of"),
        (Sign, Scalar::I32) => {
            let a = a.at(Binds::Atom);
            Expr::loose(format!("int({a} > 0) - int({a} < 0)"))
        }
        (Sign, _) => Expr::atom(format!("unsigned({} != 0)", a.at(Binds::Sum))),
        (Not, Scalar::Bool) => Expr::atom(format!("!{}", a.at(Binds::Atom))),
        (Not, _) => Expr::atom(format!("~{}", a.at(Binds::Atom))),
        (Floor | Ceil | Trunc | Round, Scalar::I32 | Scalar::U32 | Scalar::Bool) => a.clone(),
        (Sigmoid, _) => own("sigmoid"),
        (IsNan, _) => Expr::call("isnan", &[a]),
        (IsInf, _) => Expr::call("isinf", &[a]),
        (Expm1 | Log1p | Erf | Erfinv, _) => match d.function(op) {
            Some(name) => Expr::call(name, &[a]),
            None => own(match op {
                Expm1 => "expm1_of",
                Log1p => "log1p_of",
                Erf => "erf_of",
                _ => "erfinv_of",
            }),
        },
        _ => Expr::call(d.function(op).unwrap_or("unknown"), &[a]),
    }
}

pub(super) fn binary(d: &Dialect, op: Binary, s: Scalar, a: &Expr, b: &Expr, calls: Calls) -> Expr {
    use Binary::*;
    let mut own = |name: &'static str| {
        calls.insert(name);
        Expr::call(name, &[a, b])
    };
    let wrapped = |sign: &str| {
        let (a, b) = (&a.text, &b.text);
        Expr::atom(format!("int(unsigned({a}) {sign} unsigned({b}))"))
    };
    match (op, s) {
        (Add, Scalar::I32) => wrapped("+"),
        (Subtract, Scalar::I32) => wrapped("-"),
        (Multiply, Scalar::I32) => wrapped("*"),
        (Add | Or, Scalar::Bool) => Expr::compare(a, "||", b),
        (Multiply | And, Scalar::Bool) => Expr::compare(a, "&&", b),
        (Xor | Subtract, Scalar::Bool) => Expr::compare(a, "!=", b),
        (Add, _) => Expr::infix(a, "+", b, Binds::Sum),
        (Subtract, _) => Expr::infix(a, "-", b, Binds::Sum),
        (Multiply, _) => Expr::infix(a, "*", b, Binds::Product),
        (Divide, _) => Expr::infix(a, "/", b, Binds::Product),
        (FloorDivide, _) => own("floor_divide"),
        (Remainder, _) => own("remainder_of"),
        (Maximum, _) => own("maximum"),
        (Minimum, _) => own("minimum"),
        (Power, Scalar::F32) => Expr::call(d.pow, &[a, b]),
        (Power, _) => own("power"),
        (Arctan2, _) => Expr::call(d.atan2, &[a, b]),
        (Logaddexp, _) => own("logaddexp"),
        (Equal, _) => Expr::compare(a, "==", b),
        (NotEqual, _) => Expr::compare(a, "!=", b),
        (Less, _) => Expr::compare(a, "<", b),
        (LessEqual, _) => Expr::compare(a, "<=", b),
        (Greater, _) => Expr::compare(a, ">", b),
        (GreaterEqual, _) => Expr::compare(a, ">=", b),
        (And, _) => Expr::loose(format!("{} & {}", a.at(Binds::Atom), b.at(Binds::Atom))),
        (Or, _) => Expr::loose(format!("{} | {}", a.at(Binds::Atom), b.at(Binds::Atom))),
        (Xor, _) => Expr::loose(format!("{} ^ {}", a.at(Binds::Atom), b.at(Binds::Atom))),
        (LeftShift, Scalar::I32) => Expr::atom(format!(
            "int(unsigned({}) << ({} & 31))",
            a.text,
            b.at(Binds::Atom)
        )),
        (LeftShift | RightShift, _) => {
            let sign = if op == LeftShift { "<<" } else { ">>" };
            let (a, b) = (a.at(Binds::Atom), b.at(Binds::Atom));
            Expr::loose(format!("{a} {sign} ({b} & 31)"))
        }
    }
}

/// `which ? yes : no`.
pub(super) fn select(which: &Expr, yes: &Expr, no: &Expr) -> Expr {
    let parts = [which, yes, no].map(|e| e.at(Binds::Sum));
    Expr::loose(format!("{} ? {} : {}", parts[0], parts[1], parts[2]))
}

pub(super) fn cast(from: Scalar, to: Scalar, a: &Expr, calls: Calls) -> Expr {
    match (from, to) {
        (from, to) if from == to => a.clone(),
        (Scalar::F32, Scalar::I32) => {
            calls.insert("to_int");
            Expr::call("to_int", &[a])
        }
        (Scalar::F32, Scalar::U32) => {
            calls.insert("to_unsigned");
            Expr::call("to_unsigned", &[a])
        }
        (Scalar::F32, Scalar::Bool) => Expr::loose(format!("{} != 0.0f", a.at(Binds::Sum))),
        (_, Scalar::Bool) => Expr::loose(format!("{} != 0", a.at(Binds::Sum))),
        (_, to) => Expr::call(c_type(to), &[a]),
    }
}
