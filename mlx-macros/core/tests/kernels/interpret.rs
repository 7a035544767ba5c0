//! Runs a row program, in float64.

use std::collections::BTreeMap;

use mlx_macros_core::kernel::ir::{
    At, Binary, Constant, Gradient, Op, Place, Program, Reduce, Scalar, Source, Unary,
};
use mlx_macros_core::kernel::vjp::NoGradient;
use mlx_macros_core::kernels;
use mlx_macros_core::syntax::dims::{Dim, Quotient};

/// The sizes of a call.
pub type Sizes = BTreeMap<String, i64>;

/// The program of a function's text, and its gradient.
pub fn read(text: &str) -> (Program, Result<Option<Gradient>, NoGradient>) {
    let f: syn::ItemFn = syn::parse_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    kernels::programs(&f).unwrap_or_else(|| {
        let found = kernels::mistakes(Default::default(), f);
        let found: Vec<String> = found.iter().map(|d| d.text()).collect();
        panic!("{}\n{text}", found.join("\n"))
    })
}

/// The number of a function's results: what a kernel keeps for its gradient follows them.
pub fn results(text: &str) -> usize {
    let f: syn::ItemFn = syn::parse_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    match f.sig.output {
        syn::ReturnType::Type(_, of) => match *of {
            syn::Type::Tuple(all) => all.elems.len(),
            _ => 1,
        },
        syn::ReturnType::Default => 0,
    }
}

pub fn size(d: &Dim, sizes: &Sizes) -> i64 {
    let of = |n: &String| match Quotient::of(n) {
        None => sizes[n],
        Some(q) => size(&q.of, sizes) / size(&q.divisor(), sizes),
    };
    d.terms()
        .map(|(names, c)| c * names.iter().map(of).product::<i64>())
        .sum()
}

/// The outputs of a program: each row-major.
pub fn run(p: &Program, sizes: &Sizes, inputs: &[Vec<f64>], numbers: &[f64]) -> Vec<Vec<f64>> {
    let size = |d: &Dim| size(d, sizes);
    let rows: Vec<i64> = p.rows.iter().map(size).collect();
    let elements = |shape: &[Dim]| shape.iter().map(size).product::<i64>() as usize;
    let mut out: Vec<Vec<f64>> = p
        .outputs
        .iter()
        .map(|o| vec![0.0; elements(&o.shape)])
        .collect();
    let count: i64 = rows.iter().product();
    for row in 0..count {
        let (mut at, mut rest) = (vec![0; rows.len()], row);
        for i in (0..rows.len()).rev() {
            at[i] = rest % rows[i];
            rest /= rows[i];
        }
        let place = |found: &At, values: &[Vec<f64>]| {
            let fixed = found
                .rows
                .iter()
                .map(|(i, s)| at[*i] * size(s))
                .sum::<i64>();
            let chosen = found.computed.iter().map(|c| {
                let n = size(&c.size);
                let i = values[c.value][0] as i64;
                let i = if i < 0 { i + n } else { i };
                i.clamp(0, n - 1) * size(&c.stride)
            });
            size(&found.offset) + fixed + chosen.sum::<i64>()
        };
        let mut values: Vec<Vec<f64>> = Vec::new();
        for v in &p.values {
            let n = v.width.as_ref().map_or(1, size) as usize;
            let get = |v: usize, i: usize| {
                let all: &Vec<f64> = &values[v];
                if p.values[v].width.is_some() {
                    all[i]
                } else {
                    all[0]
                }
            };
            let each = |f: &dyn Fn(usize) -> f64| (0..n).map(f).collect::<Vec<f64>>();
            let found = match &v.op {
                Op::Load { input, at } => {
                    let first = place(at, &values);
                    each(&|i| inputs[*input][(first + i as i64 * size(&at.column)) as usize])
                }
                Op::Number(i) => vec![numbers[*i]],
                Op::Constant(Constant::Float(x)) => vec![f64::from(*x)],
                Op::Constant(Constant::Whole(x)) => vec![*x as f64],
                Op::Size(d) => vec![size(d) as f64],
                Op::Coordinate(i) => vec![at[*i] as f64],
                Op::Column => each(&|i| i as f64),
                Op::Unary(op, a) => each(&|i| unary(*op, p.values[*a].scalar, get(*a, i))),
                Op::Binary(op, a, b) => {
                    each(&|i| binary(*op, p.values[*a].scalar, get(*a, i), get(*b, i)))
                }
                Op::Select(c, a, b) => each(&|i| {
                    if get(*c, i) != 0.0 {
                        get(*a, i)
                    } else {
                        get(*b, i)
                    }
                }),
                Op::Cast(a) => each(&|i| cast(p.values[*a].scalar, v.scalar, get(*a, i))),
                Op::Reduce(op, a) => vec![reduce(*op, &values[*a])],
                Op::Cut { of, start, step } => {
                    let (start, step) = (size(start) as usize, size(step) as usize);
                    each(&|i| values[*of][start + step * i])
                }
                Op::Join(parts) => {
                    let mut all = Vec::new();
                    for (part, width) in parts {
                        all.extend((0..size(width) as usize).map(|i| get(*part, i)));
                    }
                    assert_eq!(all.len(), n);
                    all
                }
                // Any numbers that hang on the key and the place will do for a gradient.
                Op::Bits { key, place, .. } => each(&|i| {
                    let seed = get(key[0], 0) + 2.0 * get(key[1], 0);
                    ((get(*place, i) + 1.0) * (seed + 1.0) * 2_654_435_761.0) % 4_294_967_296.0
                }),
                Op::Take { of, index } => each(&|i| {
                    let n = values[*of].len() as i64;
                    let at = get(*index, i) as i64;
                    let at = if at < 0 { at + n } else { at };
                    values[*of][at.clamp(0, n - 1) as usize]
                }),
            };
            assert_eq!(found.len(), n, "{:?} of {}", v.op, p.name);
            values.push(found);
        }
        for (o, to) in p.outputs.iter().zip(&mut out) {
            let value = &values[o.value];
            for (i, x) in value.iter().enumerate() {
                match &o.place {
                    Place::At(found) => {
                        let at = place(found, &values) + i as i64 * size(&found.column);
                        to[at as usize] = *x;
                    }
                    Place::Sum => to[i] += x,
                }
            }
        }
    }
    out
}

/// The gradients of all inputs; zeros where there is none. `outputs` are the kernel's.
pub fn gradients(
    g: &Gradient,
    sizes: &Sizes,
    [inputs, outputs, cotangents]: [&[Vec<f64>]; 3],
    numbers: &[f64],
) -> Vec<Vec<f64>> {
    let given: Vec<Vec<f64>> = g
        .inputs
        .iter()
        .map(|s| match s {
            Source::Input(i) => inputs[*i].clone(),
            Source::Cotangent(i) => cotangents[*i].clone(),
            Source::Output(i) => outputs[*i].clone(),
        })
        .collect();
    let found = run(&g.program, sizes, &given, numbers);
    let mut out: Vec<Vec<f64>> = inputs.iter().map(|x| vec![0.0; x.len()]).collect();
    for ((d, o), x) in g.outputs.iter().zip(&g.program.outputs).zip(found) {
        let shape: Vec<usize> = o.shape.iter().map(|d| size(d, sizes) as usize).collect();
        let mut sum = vec![0.0; inputs[d.inputs[0]].len()];
        for (i, x) in x.iter().enumerate() {
            // The place among the axes that stay.
            let (mut rest, mut at, mut stride) = (i, 0, 1);
            for (axis, n) in shape.iter().enumerate().rev() {
                if !d.sum.contains(&axis) {
                    at += rest % n * stride;
                    stride *= n;
                }
                rest /= n;
            }
            sum[at] += x;
        }
        for i in &d.inputs {
            out[*i] = sum.clone();
        }
    }
    out
}

fn cast(from: Scalar, to: Scalar, x: f64) -> f64 {
    match (from, to) {
        (_, Scalar::Bool) => f64::from(u8::from(x != 0.0)),
        (Scalar::F32, Scalar::I32) => x.trunc(),
        (Scalar::F32, Scalar::U32) => x.trunc().max(0.0),
        _ => x,
    }
}

fn unary(op: Unary, s: Scalar, x: f64) -> f64 {
    let truth = |b: bool| f64::from(u8::from(b));
    match op {
        Unary::Abs => x.abs(),
        Unary::Negative => -x,
        Unary::Sign => {
            if x == 0.0 || x.is_nan() {
                x
            } else {
                x.signum()
            }
        }
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Trunc => x.trunc(),
        Unary::Round => x.round_ties_even(),
        Unary::Exp => x.exp(),
        Unary::Expm1 => x.exp_m1(),
        Unary::Log => x.ln(),
        Unary::Log2 => x.log2(),
        Unary::Log10 => x.log10(),
        Unary::Log1p => x.ln_1p(),
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => 1.0 / x.sqrt(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tan => x.tan(),
        Unary::Sinh => x.sinh(),
        Unary::Cosh => x.cosh(),
        Unary::Tanh => x.tanh(),
        Unary::Arcsin => x.asin(),
        Unary::Arccos => x.acos(),
        Unary::Arctan => x.atan(),
        Unary::Arcsinh => x.asinh(),
        Unary::Arccosh => x.acosh(),
        Unary::Arctanh => x.atanh(),
        Unary::Erf => erf(x),
        Unary::Erfinv => erfinv(x),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::IsNan => truth(x.is_nan()),
        Unary::IsInf => truth(x.is_infinite()),
        Unary::Not if s == Scalar::Bool => truth(x == 0.0),
        Unary::Not => !(x as i64) as f64,
    }
}

/// The series of the error function, and for large arguments its continued fraction (Abramowitz and Stegun 7.1.6, 7.1.14).
fn erf(x: f64) -> f64 {
    if x.abs() > 3.0 {
        let mut f = 0.0;
        for k in (1..80).rev() {
            f = f64::from(k) / 2.0 / (x.abs() + f);
        }
        let rest = (-x * x).exp() / (x.abs() + f) / std::f64::consts::PI.sqrt();
        return (1.0 - rest).copysign(x);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / (2.0 * f64::from(n) + 1.0);
        sum += term;
    }
    2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
}

fn erfinv(y: f64) -> f64 {
    let mut x = 0.0;
    for _ in 0..60 {
        x -= (erf(x) - y) * std::f64::consts::PI.sqrt() / 2.0 * (x * x).exp();
    }
    x
}

fn binary(op: Binary, s: Scalar, a: f64, b: f64) -> f64 {
    let truth = |b: bool| f64::from(u8::from(b));
    let whole = s != Scalar::F32;
    match op {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide => a / b,
        Binary::FloorDivide if whole => (a / b).trunc(),
        Binary::FloorDivide => (a / b).floor(),
        Binary::Remainder => a - b * (a / b).floor(),
        Binary::Maximum => {
            if a.is_nan() || a > b {
                a
            } else {
                b
            }
        }
        Binary::Minimum => {
            if a.is_nan() || a < b {
                a
            } else {
                b
            }
        }
        Binary::Power => a.powf(b),
        Binary::Arctan2 => a.atan2(b),
        Binary::Logaddexp => a.max(b) + (-(a - b).abs()).exp().ln_1p(),
        Binary::Equal => truth(a == b),
        Binary::NotEqual => truth(a != b),
        Binary::Less => truth(a < b),
        Binary::LessEqual => truth(a <= b),
        Binary::Greater => truth(a > b),
        Binary::GreaterEqual => truth(a >= b),
        Binary::And => ((a as i64) & (b as i64)) as f64,
        Binary::Or => ((a as i64) | (b as i64)) as f64,
        Binary::Xor => ((a as i64) ^ (b as i64)) as f64,
        Binary::LeftShift => ((a as i64) << (b as i64)) as f64,
        Binary::RightShift => ((a as i64) >> (b as i64)) as f64,
    }
}

fn reduce(op: Reduce, x: &[f64]) -> f64 {
    let best = |better: &dyn Fn(f64, f64) -> bool| {
        let mut at = 0;
        for (i, v) in x.iter().enumerate() {
            if better(*v, x[at]) {
                at = i;
            }
        }
        at
    };
    match op {
        Reduce::Sum => x.iter().sum(),
        Reduce::Prod => x.iter().product(),
        Reduce::Max => x[best(&|a, b| a > b || a.is_nan())],
        Reduce::Min => x[best(&|a, b| a < b || a.is_nan())],
        Reduce::ArgMax => best(&|a, b| a > b) as f64,
        Reduce::ArgMin => best(&|a, b| a < b) as f64,
        Reduce::All => f64::from(u8::from(x.iter().all(|v| *v != 0.0))),
        Reduce::Any => f64::from(u8::from(x.iter().any(|v| *v != 0.0))),
    }
}
