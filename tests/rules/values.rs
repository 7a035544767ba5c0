//! Values and gradients of operations against MLX's Python, which `tests/parity/dump_ops.py` ran on
//! the same expressions. What is composed of several operations here or there is what may differ.

use std::collections::HashMap;
use std::path::PathBuf;

use mlx_runtime::transforms::value_and_grad;
use mlx_runtime::{io, ops, Array, Dtype, Error, Result};

use crate::call::{value, Inputs};
use crate::symbols::read;

fn run(args: &str, expr: &str, inputs: &Inputs) -> Result<Array> {
    let bad = |text: String| Error::from(std::io::Error::other(text));
    let read = read(args, expr).map_err(bad)?;
    let first = read.errors.first().map(|e| e.message.clone());
    match (read.node, first) {
        (Some(node), None) => Ok(value(inputs, &read.graph, node)?.swap_remove(0)),
        (_, text) => Err(bad(text.unwrap_or_default())),
    }
}

/// Floats, whatever the array holds.
fn floats(a: &Array) -> Vec<f32> {
    ops::astype(a, Dtype::Float32).unwrap().to_vec().unwrap()
}

/// True if two arrays are equal in shape and dtype, and near in every element.
fn compare(what: &str, ours: &Array, theirs: &Array, wrong: &mut Vec<String>) {
    if (ours.shape(), ours.dtype()) != (theirs.shape(), theirs.dtype()) {
        wrong.push(format!(
            "{what}: {:?} of {:?}, MLX {:?} of {:?}",
            ours.shape(),
            ours.dtype(),
            theirs.shape(),
            theirs.dtype()
        ));
        return;
    }
    let (x, y) = (floats(ours), floats(theirs));
    let largest = y.iter().filter(|v| v.is_finite() && v.abs() < 1e30);
    let largest = largest.fold(1f32, |m, v| m.max(v.abs()));
    let off = |(a, b): (&f32, &f32)| {
        let same = a == b || (a.is_nan() && b.is_nan());
        !same && ((a - b).abs() > 2e-5 * largest || a.is_nan() || b.is_nan())
    };
    if let Some(i) = x.iter().zip(&y).position(off) {
        wrong.push(format!("{what}: element {i} is {}, MLX {}", x[i], y[i]));
    }
}

#[test]
fn values_and_gradients_are_mlx() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("parity/ops.safetensors");
    let (arrays, facts): (HashMap<String, Array>, HashMap<String, String>) =
        io::load_safetensors(path).unwrap();
    let count: usize = facts["cases"].parse().unwrap();
    let (mut wrong, mut gradients) = (Vec::new(), 0);
    for n in 0..count {
        let (args, expr) = (&facts[&format!("{n}.args")], &facts[&format!("{n}.expr")]);
        let of = |name: &str| arrays.get(&format!("{n}.{name}")).cloned();
        let names: Vec<String> = args
            .split("], ")
            .map(|a| a.split(':').next().unwrap_or(a).to_string())
            .collect();
        let inputs: Inputs = names.iter().map(|k| (k.clone(), of(k).unwrap())).collect();
        let theirs = of("=").unwrap();
        let ours = match run(args, expr, &inputs) {
            Ok(y) => y,
            Err(e) => {
                wrong.push(format!("({args}) {expr}: {e}"));
                continue;
            }
        };
        compare(expr, &ours, &theirs, &mut wrong);
        let wanted: Vec<String> = names
            .iter()
            .filter(|k| of(&format!("d{k}")).is_some())
            .cloned()
            .collect();
        if wanted.is_empty() {
            continue;
        }
        gradients += wanted.len();
        let primals: Vec<Array> = wanted.iter().map(|k| inputs[k].clone()).collect();
        let (a, e, held, order) = (args.clone(), expr.clone(), inputs.clone(), wanted.clone());
        let loss = move |x: &[Array]| {
            let mut inputs = held.clone();
            inputs.extend(order.iter().cloned().zip(x.iter().cloned()));
            let y = run(&a, &e, &inputs)?;
            let places = ops::arange(0.0, y.size() as f64, 1.0, Dtype::Float32)?;
            let weights = ops::reshape(&ops::cos(&places)?, y.shape())?;
            Ok(vec![ops::sum(&ops::multiply(&y, &weights)?, &[], false)?])
        };
        let numbers: Vec<i32> = (0..primals.len() as i32).collect();
        match value_and_grad(loss, &numbers).call(&primals) {
            Ok((_, grads)) => {
                for (k, g) in wanted.iter().zip(&grads) {
                    let theirs = of(&format!("d{k}")).unwrap();
                    compare(&format!("d/d{k} {expr}"), g, &theirs, &mut wrong);
                }
            }
            Err(e) => wrong.push(format!("d {expr}: {e}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        count > 100 && gradients > 150,
        "{count} cases, {gradients} gradients"
    );
}
