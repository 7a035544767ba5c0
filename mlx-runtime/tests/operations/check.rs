//! A call of an operation and the comparisons of its value, its derivatives and its vectorised form.

use std::collections::BTreeSet;

use mlx_runtime::transforms::{self, Vmap};
use mlx_runtime::{ops, Array, Complex32, Dtype, Result};

use crate::generate::{Generate, Sizes};
use crate::layout::Layout;
use crate::table::{Kind, Operation};

/// The comparison to make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Check {
    /// The value in one layout with that in another, and compiled.
    Value,
    /// `vjp`, `jvp` and finite differences.
    Derivative,
    /// `vmap` with a loop.
    Vmap,
    /// `vmap` of the gradient with a loop of it.
    VmapOfGrad,
}

pub const CHECKS: [Check; 4] = [
    Check::Value,
    Check::Derivative,
    Check::Vmap,
    Check::VmapOfGrad,
];

/// An operation with its options and the shapes of its inputs.
#[derive(Clone, Debug)]
pub struct Call {
    pub operation: &'static Operation,
    /// A second operation, of the first result and the other inputs.
    pub then: Option<&'static Operation>,
    pub layout: Layout,
    pub seed: u64,
    pub wild: bool,
    shapes: Vec<Vec<i32>>,
}

/// The result of a check.
#[derive(Debug, Default)]
pub struct Report {
    /// True if the operation took the inputs.
    pub called: bool,
    /// Two ways that gave different numbers.
    pub wrong: Vec<String>,
    /// Transforms that MLX or the runtime refused.
    pub refused: BTreeSet<&'static str>,
    /// Their errors.
    pub refusals: Vec<String>,
}

impl Report {
    fn refuse(&mut self, transform: &'static str, error: &mlx_runtime::Error) {
        self.refused.insert(transform);
        self.refusals.push(format!("{transform}: {error}"));
        if error.op().is_none() {
            self.wrong
                .push(format!("{transform}: {error:?} names no operation"));
        }
    }
}

type Outcome = std::result::Result<(), String>;

/// Elements as numbers, real and imaginary parts one after the other.
fn numbers(a: &Array) -> Result<Vec<f64>> {
    if a.dtype() == Dtype::Complex64 {
        let parts = ops::contiguous(a, false)?.to_vec::<Complex32>()?;
        return Ok(parts
            .iter()
            .flat_map(|z| [f64::from(z.re), f64::from(z.im)])
            .collect());
    }
    ops::astype(a, Dtype::Float64)?.to_vec::<f64>()
}

/// True if two lists of arrays have the same shapes and dtypes.
fn same_shapes(what: &str, got: &[Array], expected: &[Array]) -> Outcome {
    if got.len() != expected.len() {
        return Err(format!(
            "{what}: {} results, expected {}",
            got.len(),
            expected.len()
        ));
    }
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        if g.shape() != e.shape() || g.dtype() != e.dtype() {
            return Err(format!("{what}: result {i} is {g:?}, expected {e:?}"));
        }
    }
    Ok(())
}

/// True if two lists of arrays are the same, up to rounding.
fn same(what: &str, got: &[Array], expected: &[Array]) -> Outcome {
    same_shapes(what, got, expected)?;
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        let text = |e: mlx_runtime::Error| format!("{what}: result {i}: {e}");
        let (a, b) = (numbers(g).map_err(text)?, numbers(e).map_err(text)?);
        let tolerance = match g.dtype() {
            Dtype::Float16 => 1e-2,
            Dtype::Bfloat16 => 8e-2,
            Dtype::Float64 => 1e-6,
            _ => 3e-4,
        };
        let largest = b
            .iter()
            .filter(|v| v.is_finite())
            .fold(1.0, |m: f64, v| m.max(v.abs()));
        for (at, (x, y)) in a.iter().zip(&b).enumerate() {
            let equal =
                x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= tolerance * largest;
            if !equal {
                return Err(format!(
                    "{what}: result {i} of shape {:?}, element {at}: {x}, expected {y}",
                    g.shape()
                ));
            }
        }
    }
    Ok(())
}

fn dot(a: &[Array], b: &[Array]) -> Result<f64> {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        sum += numbers(a)?
            .iter()
            .zip(numbers(b)?)
            .map(|(x, y)| x * y)
            .sum::<f64>();
    }
    Ok(sum)
}

/// The floating-point ones of some results, complex ones as two.
fn floats(outputs: Vec<Array>) -> Result<Vec<Array>> {
    let mut all = Vec::new();
    for a in outputs {
        match a.dtype() {
            Dtype::Complex64 => all.extend([ops::real(&a)?, ops::imag(&a)?]),
            d if d.is_float() => all.push(a),
            _ => {}
        }
    }
    Ok(all)
}

impl Call {
    pub fn new(
        operation: &'static Operation,
        then: Option<&'static Operation>,
        layout: Layout,
        sizes: Sizes,
        seed: u64,
        wild: bool,
    ) -> Self {
        let mut g = Generate::new(seed, wild);
        let mut pattern = operation.inputs.to_owned();
        if let Some(then) = then {
            // The first result takes the place of its first input.
            let more: Vec<&str> = then.inputs.split_whitespace().skip(1).collect();
            pattern = format!("{pattern} {}", more.join(" "));
        }
        let shapes = g.shapes(&pattern, sizes);
        Self {
            operation,
            then,
            layout,
            seed,
            wild,
            shapes,
        }
    }

    pub fn shapes(&self) -> &[Vec<i32>] {
        &self.shapes
    }

    fn words(&self) -> Vec<&'static str> {
        let then = self.then.map_or("", |then| then.inputs);
        let first = self.operation.inputs.split_whitespace();
        first.chain(then.split_whitespace().skip(1)).collect()
    }

    fn range(&self) -> (f64, f64) {
        self.operation.range
    }

    fn kind(&self) -> Kind {
        use Kind::*;
        match (self.operation.kind, self.then.map(|then| then.kind)) {
            (kind, None) => kind,
            (Called, _) | (_, Some(Called)) => Called,
            // The second is called wherever the first leads.
            _ => Steps,
        }
    }

    fn dtype(&self, g: &mut Generate) -> Dtype {
        match self.kind() {
            _ if self.wild && g.chance(2) => g.any_dtype(),
            Kind::Smooth => Dtype::Float64,
            Kind::Called | Kind::Steps if g.bool() => Dtype::Float64,
            _ => Dtype::Float32,
        }
    }

    /// Bases for the inputs; `variant` draws other values.
    fn bases(&self, variant: u64) -> Result<Vec<Array>> {
        let dtype = self.dtype(&mut Generate::new(self.seed ^ 0x5eed, self.wild));
        let mut g = Generate::new(
            self.seed.wrapping_add(variant.wrapping_mul(977)) ^ 0xba5e,
            self.wild,
        );
        let words = self.words();
        let mut all = Vec::new();
        for (word, shape) in words.iter().zip(&self.shapes) {
            all.push(g.input(word, &self.layout.base(shape), self.range(), dtype)?);
        }
        Ok(all)
    }

    /// The operation on views of the bases.
    pub fn run(&self, bases: &[Array]) -> Result<Vec<Array>> {
        let mut views = Vec::new();
        for (base, shape) in bases.iter().zip(&self.shapes) {
            views.push(self.layout.view(base, shape)?);
        }
        self.apply(&views)
    }

    fn apply(&self, views: &[Array]) -> Result<Vec<Array>> {
        let mut g = Generate::new(self.seed ^ 0x0b5, self.wild);
        let first = self.operation.inputs.split_whitespace().count();
        let outputs = (self.operation.f)(&views[..first], &mut g)?;
        let Some(then) = self.then else {
            return Ok(outputs);
        };
        let mut inputs: Vec<Array> = outputs.into_iter().take(1).collect();
        inputs.extend_from_slice(&views[first..]);
        if inputs.len() < then.inputs.split_whitespace().count() {
            return Ok(inputs);
        }
        (then.f)(&inputs, &mut g)
    }

    /// The results with each of the inputs replaced in turn.
    pub fn with_each(&self, other: &Array) -> Vec<Result<Vec<Array>>> {
        let bases = self.bases(0).unwrap();
        let one = |i: usize| {
            let mut views = bases.clone();
            views[i] = other.clone();
            self.apply(&views)
        };
        (0..bases.len()).map(one).collect()
    }

    /// True if numbers are compared: wild calls have NaN, ties and steps.
    fn compares(&self) -> bool {
        !self.wild && self.kind() != Kind::Called
    }

    pub fn check(&self, check: Check) -> Report {
        let mut report = Report::default();
        let bases = match self.bases(0) {
            Ok(bases) => bases,
            Err(e) => {
                report.wrong.push(format!("inputs: {e}"));
                return report;
            }
        };
        let value = self.run(&bases).and_then(|outputs| {
            outputs.iter().try_for_each(Array::eval)?;
            Ok(outputs)
        });
        let Ok(value) = value else {
            return report;
        };
        report.called = true;
        let outcome = match check {
            Check::Value => self.value(&bases, &value, &mut report),
            Check::Derivative => self.derivative(&bases, &mut report),
            Check::Vmap => self.vmap(false, &mut report),
            Check::VmapOfGrad => self.vmap(true, &mut report),
        };
        report.wrong.extend(outcome.err());
        report
    }

    fn value(&self, bases: &[Array], value: &[Array], report: &mut Report) -> Outcome {
        let copies = || -> Result<Vec<Array>> {
            let mut all = Vec::new();
            for (base, shape) in bases.iter().zip(&self.shapes) {
                let copy = ops::contiguous(&self.layout.view(base, shape)?, false)?;
                copy.eval()?;
                all.push(copy);
            }
            self.apply(&all)
        };
        let call = self.clone();
        let compiled = transforms::compile(move |x: &[Array]| call.run(x), false).call(bases);
        let compiled = compiled.and_then(|all| all.iter().try_for_each(Array::eval).map(|()| all));
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(e) => {
                report.refuse("compile", &e);
                return Ok(());
            }
        };
        if !self.compares() {
            return Ok(());
        }
        let copies = copies().map_err(|e| format!("contiguous: {e}"))?;
        same("value beside contiguous inputs", value, &copies)?;
        same("compiled", &compiled, value)
    }

    /// The operation as a function of its floating-point inputs alone, and these.
    fn of_floats(
        &self,
        bases: &[Array],
    ) -> (
        Vec<Array>,
        impl Fn(&[Array]) -> Result<Vec<Array>> + Send + Clone + 'static,
    ) {
        let is_float = |a: &Array| a.dtype().is_float();
        let inputs: Vec<Array> = bases.iter().filter(|a| is_float(a)).cloned().collect();
        let (call, all) = (self.clone(), bases.to_vec());
        let f = move |x: &[Array]| {
            let mut given = x.iter();
            let mut bases = all.clone();
            for base in bases.iter_mut().filter(|a| is_float(a)) {
                base.clone_from(given.next().expect("one for each"));
            }
            floats(call.run(&bases)?)
        };
        (inputs, f)
    }

    fn random_like(&self, arrays: &[Array], salt: u64) -> Result<Vec<Array>> {
        let mut g = Generate::new(self.seed ^ salt, false);
        let of = |a: &Array| g.input("", a.shape(), (-1.0, 1.0), a.dtype());
        arrays.iter().map(of).collect()
    }

    fn derivative(&self, bases: &[Array], report: &mut Report) -> Outcome {
        let text = |e: mlx_runtime::Error| format!("derivative: {e}");
        let (inputs, f) = self.of_floats(bases);
        let outputs = f(&inputs).map_err(text)?;
        if inputs.is_empty() || outputs.is_empty() {
            return Ok(());
        }
        let cotangents = self.random_like(&outputs, 0xc0).map_err(text)?;
        let tangents = self.random_like(&inputs, 0x7a).map_err(text)?;
        let evaluated = |(_, all): (Vec<Array>, Vec<Array>)| {
            all.iter().try_for_each(Array::eval)?;
            Ok(all)
        };
        let forward = transforms::jvp(f.clone(), &inputs, &tangents).and_then(evaluated);
        let backward = transforms::vjp(f.clone(), &inputs, &cotangents).and_then(evaluated);
        let shaped = |all: &[Array], like: &[Array], what: &str| -> Outcome {
            for (a, b) in all.iter().zip(like) {
                if a.shape() != b.shape() || a.dtype() != b.dtype() {
                    return Err(format!("{what}: {a:?} for {b:?}"));
                }
            }
            Ok(())
        };
        if let Ok(forward) = &forward {
            shaped(forward, &outputs, "jvp")?;
        }
        if let Ok(backward) = &backward {
            shaped(backward, &inputs, "vjp")?;
        }
        let mut found = Vec::new();
        match &forward {
            Ok(all) => found.push(("jvp", dot(all, &cotangents).map_err(text)?)),
            Err(e) => report.refuse("jvp", e),
        }
        match &backward {
            Ok(all) => found.push(("vjp", dot(all, &tangents).map_err(text)?)),
            Err(e) => report.refuse("vjp", e),
        }
        // Without elements there is nothing to differentiate, and the mean of no elements cannot be compared.
        if !self.compares() || inputs.iter().all(|a| a.size() == 0) {
            return Ok(());
        }
        let values = outputs
            .iter()
            .map(numbers)
            .collect::<Result<Vec<_>>>()
            .map_err(text)?;
        if values.iter().flatten().any(|v| !v.is_finite()) {
            return Ok(());
        }
        let single = self.kind() != Kind::Smooth;
        let mut tolerance = if single { 2e-3 } else { 1e-5 };
        if matches!(self.kind(), Kind::Smooth | Kind::Single) {
            let h = if single { 1e-2 } else { 1e-4 };
            let at = |by: f64| -> Result<f64> {
                let mut moved = Vec::new();
                for (a, t) in inputs.iter().zip(&tangents) {
                    let by = Array::scalar_as(by, a.dtype())?;
                    moved.push(ops::add(a, &ops::multiply(t, &by)?)?);
                }
                dot(&f(&moved)?, &cotangents)
            };
            let differences = || -> Result<f64> {
                let one = at(h)? - at(-h)?;
                let two = at(2.0 * h)? - at(-2.0 * h)?;
                Ok((8.0 * one - two) / (12.0 * h))
            };
            found.insert(0, ("finite differences", differences().map_err(text)?));
            tolerance = if single { 2e-2 } else { 1e-4 };
        }
        if found.iter().all(|f| !f.1.is_finite()) {
            return Ok(());
        }
        let scale = found.iter().fold(1.0, |m: f64, f| m.max(f.1.abs()));
        for pair in found.windows(2) {
            let apart = (pair[0].1 - pair[1].1).abs();
            if apart.is_nan() || apart > tolerance * scale {
                let all: Vec<String> = found.iter().map(|(n, v)| format!("{n} {v}")).collect();
                return Err(format!("derivative: {}", all.join(", ")));
            }
        }
        Ok(())
    }

    /// `vmap` over some axes of some inputs, of the operation or of its gradient.
    fn vmap(&self, of_grad: bool, report: &mut Report) -> Outcome {
        let name = if of_grad { "vmap of vjp" } else { "vmap" };
        let text = |e: mlx_runtime::Error| format!("{name}: {e}");
        let mut g = Generate::new(self.seed ^ 0xa9, false);
        let n = 1 + g.below(3);
        let examples: Vec<Vec<Array>> = (0..n)
            .map(|i| self.bases(i as u64))
            .collect::<Result<_>>()
            .map_err(text)?;
        let count = examples[0].len();
        if examples.iter().any(|e| {
            e.iter()
                .zip(&examples[0])
                .any(|(a, b)| a.dtype() != b.dtype())
        }) {
            // Wild inputs of several dtypes are no batch.
            return Ok(());
        }
        let must = g.below(count);
        let axes: Vec<Option<i32>> = (0..count)
            .map(|i| {
                let axis = g.below(examples[0][i].ndim() + 1) as i32;
                (i == must || g.bool()).then_some(axis)
            })
            .collect();
        let mut inputs = Vec::new();
        for (i, axis) in axes.iter().enumerate() {
            let all: Vec<&Array> = examples.iter().map(|e| &e[i]).collect();
            inputs.push(match axis {
                Some(axis) => ops::stack(&all, *axis).map_err(text)?,
                None => all[0].clone(),
            });
        }
        let call = self.clone();
        let f = move |x: &[Array]| -> Result<Vec<Array>> {
            if !of_grad {
                return call.run(x);
            }
            let (inputs, f) = call.of_floats(x);
            let cotangents = call.random_like(&f(&inputs)?, 0xc0)?;
            if inputs.is_empty() || cotangents.is_empty() {
                return Ok(vec![Array::scalar(0f32)?]);
            }
            Ok(transforms::vjp(f, &inputs, &cotangents)?.1)
        };
        let mut each = Vec::new();
        for example in &examples {
            let mut x = example.clone();
            for (i, axis) in axes.iter().enumerate() {
                if axis.is_none() {
                    x[i] = examples[0][i].clone();
                }
            }
            let outputs = f(&x).and_then(|all| all.iter().try_for_each(Array::eval).map(|()| all));
            match outputs {
                Ok(outputs) => each.push(outputs),
                // No gradient, or values that the operation refuses.
                Err(_) => return Ok(()),
            }
        }
        let out_axes: Vec<i32> = each[0]
            .iter()
            .map(|a| g.below(a.ndim() + 1) as i32)
            .collect();
        let vmapped: Vmap = transforms::vmap(f, &axes, &out_axes);
        let got = vmapped.call(&inputs);
        let got = got.and_then(|all| all.iter().try_for_each(Array::eval).map(|()| all));
        let got = match got {
            Ok(got) => got,
            Err(e) => {
                report.refuse(name, &e);
                return Ok(());
            }
        };
        let mut expected = Vec::new();
        for (i, &axis) in out_axes.iter().enumerate() {
            let all: Vec<&Array> = each.iter().map(|outputs| &outputs[i]).collect();
            expected.push(ops::stack(&all, axis).map_err(text)?);
        }
        let what = format!("{name} over {axes:?} to {out_axes:?}");
        match self.compares() {
            true => same(&what, &got, &expected),
            false => same_shapes(&what, &got, &expected),
        }
    }
}
