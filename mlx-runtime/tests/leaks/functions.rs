//! Closures that MLX keeps: recorded, differentiated, compiled, failing.

use std::collections::HashMap;
use std::slice::from_ref;

use mlx_runtime::transforms::{
    self, CompileCache, CustomJvp, CustomVjp, CustomVmap, GradientClosure, NamedClosure,
};
use mlx_runtime::{ops, Array, Error, ErrorKind, Result};

/// The prefix of this test's panics.
pub const ON_PURPOSE: &str = "on purpose";

pub fn error() -> Error {
    Error::new(ErrorKind::Mlx, "no")
}

fn total(x: &Array) -> Result<Vec<Array>> {
    Ok(vec![ops::sum(x, &[], false)?])
}

pub fn gradients(x: &Array) -> Result<()> {
    let w = x.clone();
    let f = move |a: &[Array]| total(&ops::tanh(&ops::matmul(&a[0], &w)?)?);
    transforms::value_and_grad(f.clone(), &[0])
        .call(from_ref(x))?
        .1[0]
        .eval()?;
    let one = [ops::ones_like(&f(from_ref(x))?[0])?];
    transforms::vjp(f.clone(), from_ref(x), &one)?.1[0].eval()?;
    transforms::jvp(f.clone(), from_ref(x), from_ref(x))?.1[0].eval()?;
    // A gradient of a gradient.
    let inner = transforms::grad(f, &[0]);
    let outer = transforms::grad(move |a| total(&inner.call(a)?[0]), &[0]);
    outer.call(from_ref(x))?[0].eval()?;
    // A graph that is not evaluated.
    transforms::grad(|a| total(&ops::exp(&a[0])?), &[0]).call(from_ref(x))?;
    Ok(())
}

pub fn closures(x: &Array) -> Result<()> {
    let captured = x.clone();
    let mut f = transforms::unary(move |a| ops::add(a, &captured));
    f.call(from_ref(x))?;
    let captured = x.clone();
    f.replace(transforms::unary(move |a| ops::subtract(a, &captured)))?;
    f.call(from_ref(x))?;
    f.replace(transforms::unary(|a: &Array| ops::square(a)))?;
    f.call(from_ref(x))?[0].eval()?;
    let named = HashMap::from([("y".to_owned(), x.clone())]);
    let captured = x.clone();
    let f = move |_: &[Array], n: &HashMap<String, Array>| Ok(vec![ops::add(&n["y"], &captured)?]);
    NamedClosure::new(f)?.call(&[], &named)?;
    let captured = x.clone();
    let both = move |a: &[Array]| Ok((a.to_vec(), vec![captured.clone()]));
    GradientClosure::new(both)?.call(from_ref(x))?;
    let captured = x.clone();
    let rows = move |a: &[Array]| Ok(vec![ops::add(&a[0], &captured)?]);
    transforms::vmap(rows, &[Some(0)], &[0]).call(from_ref(x))?[0].eval()
}

pub fn checkpoints(x: &Array) -> Result<()> {
    let layer =
        |w: Array| transforms::checkpoint(move |a| Ok(vec![ops::tanh(&ops::matmul(&a[0], &w)?)?]));
    let (first, second) = (layer(x.clone()), layer(x.clone()));
    let f = move |a: &[Array]| total(&second.call(&first.call(a)?)?[0]);
    let (value, grads) = transforms::value_and_grad(f, &[0]).call(from_ref(x))?;
    transforms::eval(&[&value[0], &grads[0]])
}

pub fn custom_rules(x: &Array) -> Result<()> {
    let (a, b, c, d) = (x.clone(), x.clone(), x.clone(), x.clone());
    let f = move || {
        let (a, b, c, d) = (a.clone(), b.clone(), c.clone(), d.clone());
        transforms::custom_function(move |x| Ok(vec![ops::add(&x[0], &a)?]))
            .vjp(move |_, t, _| Ok(vec![ops::multiply(&t[0], &b)?]))
            .jvp(move |_, t, _| Ok(vec![ops::multiply(&t[0], &c)?]))
            .vmap(move |x, at| Ok((vec![ops::add(&x[0], &d)?], vec![at[0]])))
            .build()
    };
    let g = f();
    transforms::grad(move |x| total(&g.call(x)?[0]), &[0]).call(from_ref(x))?[0].eval()?;
    let g = f();
    transforms::jvp(move |x| g.call(x), from_ref(x), from_ref(x))?.1[0].eval()?;
    let g = f();
    transforms::vmap(move |x| g.call(x), &[Some(0)], &[0]).call(from_ref(x))?[0].eval()?;
    let rule = x.clone();
    let g = transforms::custom_vjp(
        |x| Ok(vec![ops::square(&x[0])?]),
        move |_, t, _| Ok(vec![ops::multiply(&t[0], &rule)?]),
    );
    transforms::grad(move |x| total(&g.call(x)?[0]), &[0]).call(from_ref(x))?[0].eval()
}

/// Another function in each round, for two shapes. MLX's recording is freed with it.
pub fn compiled(i: usize) -> Result<()> {
    let n = 2 + (i % 7) as i32;
    // Another array than the input: a trace holds captured ones as constants.
    let ones = || ops::ones(&[n, n], mlx_runtime::Dtype::Float32);
    let (w, x) = (ones()?, [ones()?]);
    let f = transforms::compile(
        move |a| Ok(vec![ops::matmul(&a[0], &ops::transpose(&w, &[])?)?]),
        false,
    );
    f.call(&x)?[0].eval()?;
    f.call(&x)?[0].eval()?;
    f.call(&[ops::concatenate(&[&x[0], &x[0]], 0)?])?[0].eval()?;
    // Under a number, until it is forgotten.
    let g = |a: &[Array]| Ok(vec![ops::matmul(&a[0], &a[0])?]);
    transforms::compile_as(g, 1 + i % 3, false, &[i as u64]).call(&x)?[0].eval()?;
    CompileCache::current()?.erase(1 + i % 3)
}

/// Each kind of closure fails in its own way: by an error or by a panic.
pub fn fail(x: &Array, how: fn() -> Result<()>) {
    let one = from_ref(x);
    let fails = move |_: &[Array]| -> Result<Vec<Array>> {
        how()?;
        unreachable!()
    };
    // Something captured, so that there is something to lose.
    let with = x.clone();
    let captures = move |a: &[Array]| {
        let _made = ops::add(&a[0], &with)?;
        how()?;
        Ok(vec![with.clone()])
    };
    let failed = |r: Result<Vec<Array>>| assert!(r.is_err());
    failed(transforms::grad(captures.clone(), &[0]).call(one));
    failed(transforms::vjp(captures.clone(), one, one).map(|r| r.0));
    failed(transforms::jvp(captures.clone(), one, one).map(|r| r.0));
    failed(transforms::checkpoint(captures.clone()).call(one));
    failed(transforms::compile(captures.clone(), false).call(one));
    failed(transforms::vmap(captures.clone(), &[Some(0)], &[0]).call(one));
    let rule = captures.clone();
    let f = transforms::custom_vjp(|a| Ok(a.to_vec()), move |_, t, _| rule(t));
    failed(transforms::grad(move |a| total(&f.call(a)?[0]), &[0]).call(one));
    // A failure two layers down, while the one above is recorded.
    let inner = transforms::checkpoint(captures.clone());
    failed(transforms::grad(move |a| inner.call(a), &[0]).call(one));

    let f = captures.clone();
    failed(transforms::unary(move |a| Ok(f(from_ref(a))?.remove(0))).call(one));
    failed(transforms::unary(move |a| Ok(fails(from_ref(a))?.remove(0))).call(one));
    let f = captures.clone();
    let named = NamedClosure::new(move |a, _| f(a)).unwrap();
    failed(named.call(one, &HashMap::new()));
    let f = captures.clone();
    let vjp = CustomVjp::new(move |a, _, _| f(a)).unwrap();
    failed(vjp.call(one, one, one));
    let f = captures.clone();
    let jvp = CustomJvp::new(move |a, _, _| f(a)).unwrap();
    failed(jvp.call(one, one, &[0]));
    let f = captures.clone();
    let vmap = CustomVmap::new(move |a, _| Ok((f(a)?, vec![0]))).unwrap();
    failed(vmap.call(one, &[0]).map(|r| r.0));
    let both = GradientClosure::new(move |a| Ok((captures(a)?, Vec::new()))).unwrap();
    failed(both.call(one).map(|r| r.0));
}
