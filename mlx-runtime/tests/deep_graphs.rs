//! Graphs deeper than a thread's stack, and functions that call themselves.

use std::slice::from_ref;

use mlx_runtime::transforms::{self, custom_function, CompileMode};
use mlx_runtime::{export, low_level::graph, ops, Array, ErrorKind, Result};

// A million nodes pass as well, and take minutes in unoptimised tests.
const DEEP: usize = 300_000;

/// `x` after so many negations.
fn chain(x: &Array, n: usize) -> Result<Array> {
    let mut a = x.clone();
    for _ in 0..n {
        a = ops::negative(&a)?;
    }
    Ok(a)
}

fn long(x: &[Array]) -> Result<Vec<Array>> {
    Ok(vec![chain(&x[0], DEEP)?])
}

fn two() -> Array {
    Array::scalar(2.0f32).unwrap()
}

#[test]
fn gradients() {
    let grads = transforms::grad(long, &[0]).call(&[two()]).unwrap();
    assert_eq!(grads[0].item::<f32>().unwrap(), 1.0);
    let (value, change) = transforms::jvp(long, &[two()], &[two()]).unwrap();
    assert_eq!(value[0].item::<f32>().unwrap(), 2.0);
    assert_eq!(change[0].item::<f32>().unwrap(), 2.0);
}

#[test]
fn vectorised() {
    let rows = Array::from_slice(&[1.0f32, -3.0], &[2]).unwrap();
    let made = transforms::vmap(long, &[Some(0)], &[0]).call(&[rows]);
    assert_eq!(made.unwrap()[0].to_vec::<f32>().unwrap(), [1.0, -3.0]);
}

#[test]
fn compiled() {
    // Else MLX has the C++ compiler build each fused kernel.
    transforms::compile_mode(CompileMode::NoFuse).unwrap();
    let made = transforms::compile(long, false).call(&[two()]).unwrap();
    assert_eq!(made[0].item::<f32>().unwrap(), 2.0);
}

#[test]
fn a_closure_within_that_needs_one_too() {
    let inner = |x: &[Array]| {
        let small = |y: &[Array]| Ok(vec![ops::square(&y[0])?]);
        let grads = transforms::grad(small, &[0]).call(x)?;
        long(&grads)
    };
    let grads = transforms::grad(inner, &[0]).call(&[two()]).unwrap();
    assert_eq!(grads[0].item::<f32>().unwrap(), 2.0);
}

#[test]
fn read() {
    let a = chain(&two(), DEEP).unwrap();
    assert_eq!(graph::count_nodes(&[&a]).unwrap(), DEEP);
    let dot = graph::export_to_dot(&graph::NodeNamer::new().unwrap(), &[&a]).unwrap();
    assert!(dot.matches("Negative").count() == DEEP);
}

#[test]
fn exported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep.mlxfn");
    export::export_function(&path, long, from_ref(&two()), false).unwrap();
    assert!(path.metadata().unwrap().len() > DEEP as u64);
}

fn one() -> Array {
    Array::scalar(1.0f32).unwrap()
}

/// A transform that is applied to the function that calls it.
type Again = fn(fn(&[Array]) -> Result<Vec<Array>>, &[Array]) -> Result<Vec<Array>>;

/// A function that applies one transform to itself, without end.
macro_rules! recursive {
    ($($name:ident: $again:expr;)*) => {
        const RECURSIVE: &[(&str, fn(&[Array]) -> Result<Vec<Array>>)] =
            &[$((stringify!($name), $name)),*];
        $(fn $name(x: &[Array]) -> Result<Vec<Array>> {
            const AGAIN: Again = $again;
            AGAIN($name, x)
        })*
    };
}

recursive! {
    value_and_grad: |f, x| Ok(transforms::value_and_grad(f, &[0]).call(x)?.0);
    grad: |f, x| transforms::grad(f, &[0]).call(x);
    vjp: |f, x| Ok(transforms::vjp(f, x, x)?.1);
    jvp: |f, x| Ok(transforms::jvp(f, x, x)?.1);
    checkpoint: |f, x| transforms::checkpoint(f).call(x);
    compile: |f, x| transforms::compile(f, false).call(x);
    custom_vjp: |f, x| transforms::custom_vjp(f, |_, by, _| Ok(by.to_vec())).call(x);
    custom: |f, x| custom_function(f).vjp(|_, by, _| Ok(by.to_vec())).build().call(x);
    vmap: |f, x| {
        let rows = ops::broadcast_to(&x[0], &[2])?;
        transforms::vmap(f, &[Some(0)], &[0]).call(&[rows])
    };
    exporting: |f, x| {
        let file = std::env::temp_dir().join(format!("mlx-deep-graphs-{}", std::process::id()));
        export::export_function(file, f, x, false)?;
        Ok(x.to_vec())
    };
}

#[test]
fn functions_that_call_themselves_are_errors() {
    for (name, f) in RECURSIVE {
        let e = f(&[one()]).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{name}: {e}");
        assert!(
            e.to_string().contains("used up the thread's stack"),
            "{name}: {e}"
        );
        assert!(e.hint().is_some(), "{name}");
    }
    // The thread goes on.
    assert_eq!(ops::add(&one(), one()).unwrap().item::<f32>().unwrap(), 2.0);
}

/// A million nodes.
fn million() -> Array {
    let step = one();
    (0..1_000_000).fold(one(), |a, _| ops::add(&a, &step).unwrap())
}

#[test]
fn long_graphs_end_on_a_thread_with_a_small_stack() {
    let (graph, other) = (million(), one());
    let small = std::thread::Builder::new().stack_size(64 << 10);
    let ends = small.spawn(move || drop(graph)).unwrap();
    for _ in 0..200 {
        let value = ops::add(&other, &other).unwrap().item::<f32>().unwrap();
        assert_eq!(value, 2.0);
    }
    ends.join().unwrap();
}

#[test]
fn long_graphs_are_transformed() {
    const STEPS: usize = 200_000;
    let chain = |x: &[Array]| {
        let mut y = x[0].clone();
        for _ in 0..STEPS {
            y = ops::add(&y, &x[0])?;
        }
        Ok(vec![y])
    };
    let expected = STEPS as f32 + 1.0;
    let (_, grads) = transforms::vjp(chain, &[one()], &[one()]).unwrap();
    assert_eq!(grads[0].item::<f32>().unwrap(), expected);
    let (_, changes) = transforms::jvp(chain, &[one()], &[one()]).unwrap();
    assert_eq!(changes[0].item::<f32>().unwrap(), expected);
    let rows = Array::from_slice(&[1.0f32, 2.0], &[2]).unwrap();
    let made = transforms::vmap(chain, &[Some(0)], &[0])
        .call(&[rows])
        .unwrap();
    assert_eq!(made[0].to_vec::<f32>().unwrap(), [expected, 2.0 * expected]);
}
